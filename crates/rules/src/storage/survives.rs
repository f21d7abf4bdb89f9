//! What does this bucket survive now? Counted from the holders that stand, never from a model alone
//! (`docs/design/storage.md` §14, §16).
//!
//! (A) "Survives" means that k pieces stand afterwards, on or off: nothing is promised for the hour after. (B) "Any j" is the
//! worst choice of j: those that hold most go first. (C) Of several segments the weakest speaks. (D) The share of the pool is
//! the one of the holders that stand now; the class's average is beside it, not in its place.

use super::chance::{CountLaw, largest_share, mass_loss, mass_loss_average};
use super::group::{Domain, DomainKind, Site};
use super::scheme::PoolKind;
use crate::fleet::profile::WeeklyProfile;
use model::{Alias, HourOfWeek, Ppm, Scheme};
use std::collections::BTreeMap;

/// One piece that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Who has it.
    pub node: Alias,
    /// What the holder fails with.
    pub site: Site,
    /// It is on now.
    pub on: bool,
}

/// What the loss of one whole domain leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// Which domain goes.
    pub domain: Domain,
    /// Pieces that go with it.
    pub pieces: u16,
    /// Pieces that stand afterwards.
    pub left: u16,
    /// At least k stand afterwards.
    pub survives: bool,
    /// k + δ stand afterwards: the measure placement keeps.
    pub is_safe: bool,
}

/// How many domains of one kind may go at once, whichever they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnyOf {
    /// Domains of this kind that hold pieces.
    pub count: u16,
    /// So many of them may go at once, the widest included.
    pub may_die: u16,
    /// Pieces of holders whose domain of this kind is not known.
    pub unknown: u16,
}

/// What holds for all segments with these holders.
#[derive(Debug, Clone, PartialEq)]
pub struct Survives {
    /// k.
    pub k: u16,
    /// Pieces that stand.
    pub pieces: u16,
    /// Those whose holder is on.
    pub on: u16,
    /// Distinct machines that hold them: the N of "any j of N PCs".
    pub nodes: u16,
    /// The j: so many machines may go at once, whichever they are.
    pub any_nodes: u16,
    /// The same for owners, networks, countries and so on.
    pub any: BTreeMap<DomainKind, AnyOf>,
    /// Every whole domain, the most dangerous first.
    pub whole: Vec<Fate>,
    /// Largest share of the pool that may go at once while at most 1 in 1,000,000 of such segments is lost.
    pub pool_now: Ppm,
    /// The same in the average state of the class.
    pub pool_average: Ppm,
}

impl Survives {
    /// Whether k holders are on.
    pub fn is_readable_now(&self) -> bool {
        self.on >= self.k
    }

    /// Whether the loss of any single domain of this kind is survived; true where there is none.
    pub fn survives_any(&self, kind: DomainKind) -> bool {
        self.any.get(&kind).is_none_or(|any| any.may_die >= 1)
    }
}

/// Counts what the pieces of one set of holders survive. One entry for each piece.
pub fn survives(scheme: &Scheme, kind: PoolKind, holders: &[Holder]) -> Survives {
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let pieces = count(holders.len());
    let mut nodes: BTreeMap<Alias, u16> = BTreeMap::new();
    let mut domains: BTreeMap<Domain, u16> = BTreeMap::new();
    for holder in holders {
        *nodes.entry(holder.node).or_default() += 1;
        holder.site.domains().for_each(|domain| *domains.entry(domain).or_default() += 1);
    }
    let fate = |(domain, held): (&Domain, &u16)| {
        let left = pieces - held;
        let (survives, is_safe) = (left >= scheme.k, left >= scheme.k + kind.delta());
        Fate { domain: *domain, pieces: *held, left, survives, is_safe }
    };
    let mut whole: Vec<Fate> = domains.iter().map(fate).collect();
    whole.sort_by_key(|fate| (fate.left, fate.domain));
    Survives {
        k: scheme.k,
        pieces,
        on: count(holders.iter().filter(|h| h.on).count()),
        nodes: count(nodes.len()),
        any_nodes: may_die(nodes.into_values().collect(), pieces, scheme.k),
        any: any_of(&domains, pieces, scheme.k),
        whole,
        pool_now: largest_share(|f| mass_loss(scheme.k, pieces, f)),
        pool_average: largest_share(|f| mass_loss_average(scheme, f)),
    }
}

/// (B) The widest go first; so many may go while k pieces stand.
fn may_die(mut held: Vec<u16>, pieces: u16, k: u16) -> u16 {
    held.sort_unstable_by(|a, b| b.cmp(a));
    let mut left = pieces;
    let survived = held.into_iter().take_while(|gone| {
        left -= gone;
        left >= k
    });
    u16::try_from(survived.count()).unwrap_or(u16::MAX)
}

fn any_of(domains: &BTreeMap<Domain, u16>, pieces: u16, k: u16) -> BTreeMap<DomainKind, AnyOf> {
    let mut by_kind: BTreeMap<DomainKind, Vec<u16>> = BTreeMap::new();
    for (domain, held) in domains {
        by_kind.entry(domain.kind()).or_default().push(*held);
    }
    let any = |(kind, held): (DomainKind, Vec<u16>)| {
        let known: u16 = held.iter().sum();
        let count = u16::try_from(held.len()).unwrap_or(u16::MAX);
        (kind, AnyOf { count, may_die: may_die(held, pieces, k), unknown: pieces - known })
    };
    by_kind.into_iter().map(any).collect()
}

/// (C) The weakest of several, field by field: what every segment of a bucket survives. Its domains are the union, each with
/// the fewest pieces it leaves anywhere. `None` of none.
pub fn weakest(all: impl IntoIterator<Item = Survives>) -> Option<Survives> {
    all.into_iter().reduce(|a, b| {
        let mut any = a.any;
        for (kind, other) in b.any {
            let mine = any.entry(kind).or_insert(other);
            if other.may_die < mine.may_die {
                *mine = other;
            }
        }
        let mut fates: BTreeMap<Domain, Fate> = a.whole.into_iter().map(|fate| (fate.domain, fate)).collect();
        for other in b.whole {
            let mine = fates.entry(other.domain).or_insert(other);
            if other.left < mine.left {
                *mine = other;
            }
        }
        let mut whole: Vec<Fate> = fates.into_values().collect();
        whole.sort_by_key(|fate| (fate.left, fate.domain));
        // The one that has less to spare speaks for readability; the number of machines goes with the j it belongs to.
        let spare = |on: u16, k: u16| i32::from(on) - i32::from(k);
        let (k, on) = if spare(a.on, a.k) <= spare(b.on, b.k) { (a.k, a.on) } else { (b.k, b.on) };
        let (any_nodes, nodes) = (a.any_nodes, a.nodes).min((b.any_nodes, b.nodes));
        Survives {
            k,
            on,
            pieces: a.pieces.min(b.pieces),
            nodes,
            any_nodes,
            any,
            whole,
            pool_now: a.pool_now.min(b.pool_now),
            pool_average: a.pool_average.min(b.pool_average),
        }
    })
}

/// Chance to be readable in the worst hour of the week.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorstHour {
    /// Which, UTC; the first of equals.
    pub hour: HourOfWeek,
    /// Chance that k holders are on, by their profiles.
    pub readable: f64,
}

/// 1 − P[Σ Bernoulli(aᵢ(h)) < k] at the hour where it is least, by exact convolution: about 1 M steps for 104 holders.
pub fn worst_hour(profiles: &[&WeeklyProfile], k: u16) -> WorstHour {
    let at = |hour: HourOfWeek| {
        let shares = profiles.iter().map(|p| f64::from(p.0[hour.index()]) / 255.0);
        WorstHour { hour, readable: 1.0 - CountLaw::of(shares).below(k) }
    };
    let hours = (0..HourOfWeek::COUNT as u64).map(|h| at(HourOfWeek::wrapped(h)));
    hours.reduce(|worst, here| if here.readable < worst.readable { here } else { worst }).expect("a week has hours")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::scheme::{circle, public};
    use model::{Class, MemberId, Os};
    use proptest::prelude::*;

    fn holder(node: u32, owner: u8, os: Os) -> Holder {
        let site = Site {
            owner: MemberId([owner; 16]),
            lan: None,
            prefix: None,
            network: (owner.is_multiple_of(2)).then_some(1),
            os,
            version: 1,
            country: Some(*b"kr"),
        };
        Holder { node: Alias(node), site, on: node.is_multiple_of(2) }
    }

    #[test]
    fn any_five_of_eight_pcs() {
        let holders: Vec<Holder> = (0..8).map(|i| holder(i, i as u8, Os::Linux)).collect();
        let s = survives(&circle(8, 8).unwrap(), PoolKind::Circle, &holders);
        assert_eq!((s.any_nodes, s.nodes, s.on), (5, 8, 4));
        assert_eq!(s.any[&DomainKind::Owner], AnyOf { count: 8, may_die: 5, unknown: 0 });
        assert_eq!(s.any[&DomainKind::Network], AnyOf { count: 1, may_die: 1, unknown: 4 });
        assert!(s.is_readable_now() && !s.survives_any(DomainKind::Os) && s.survives_any(DomainKind::Lan));
        let worst = s.whole[0];
        assert_eq!((worst.domain, worst.left, worst.survives), (Domain::Os(Os::Linux), 0, false));
    }

    #[test]
    fn after_the_ack_one_pc_may_go_and_a_rich_owner_counts_once() {
        let ten = circle(10, 10).unwrap();
        let five: Vec<Holder> = (0..5).map(|i| holder(i, i as u8, Os::Linux)).collect();
        assert_eq!(survives(&ten, PoolKind::Circle, &five).any_nodes, 1, "4 of 10, 5 pieces stand");
        let rich: Vec<Holder> = (0..10).map(|i| holder(i, if i < 7 { 0 } else { i as u8 }, Os::Linux)).collect();
        let s = survives(&ten, PoolKind::Circle, &rich);
        assert_eq!((s.any_nodes, s.any[&DomainKind::Owner].may_die), (6, 0), "(B)");
        let both = weakest([survives(&ten, PoolKind::Circle, &five), s]).unwrap();
        assert_eq!((both.any_nodes, both.nodes, both.any[&DomainKind::Owner].may_die), (1, 5, 0), "(C)");
        assert!(weakest([]).is_none());
    }

    #[test]
    fn all_windows_pcs_at_once_where_the_cap_was_kept() {
        let windows = |count| -> Vec<Holder> {
            (0..104).map(|i| holder(i, i as u8, if i < count { Os::Windows } else { Os::Linux })).collect()
        };
        let fate = |holders: &[Holder]| {
            let s = survives(&public(Class::Standard), PoolKind::Public, holders);
            *s.whole.iter().find(|f| f.domain == Domain::Os(Os::Windows)).unwrap()
        };
        assert_eq!(
            fate(&windows(64)),
            Fate { domain: Domain::Os(Os::Windows), pieces: 64, left: 40, survives: true, is_safe: true }
        );
        assert!(fate(&windows(70)).survives && !fate(&windows(70)).is_safe && !fate(&windows(73)).survives);
        let s = survives(&public(Class::Standard), PoolKind::Public, &windows(64));
        assert_eq!((s.any_nodes, s.pool_average), (72, Ppm(375_000)));
        assert!(s.pool_now > s.pool_average, "(D) full now, on average not: {}", s.pool_now);
    }

    /// Prints what a report costs; the limit is wide, since the machine may be busy.
    #[test]
    fn a_report_takes_well_under_a_millisecond() {
        let holders: Vec<Holder> = (0..104).map(|i| holder(i, i as u8, Os::Linux)).collect();
        #[expect(clippy::disallowed_methods, reason = "a test may measure")]
        let started = std::time::Instant::now();
        let all = (0..100).map(|_| survives(&public(Class::Standard), PoolKind::Public, &holders));
        assert_eq!(weakest(all).map(|s| s.any_nodes), Some(72));
        let each_us = started.elapsed().as_secs_f64() * 10_000.0;
        println!("survives: {each_us:.0} µs for a set of 104 holders");
        assert!(each_us < 10_000.0);
    }

    #[test]
    fn the_worst_hour_is_when_few_are_on() {
        let home = WeeklyProfile::declared(|h| h.index() != 149);
        let half = WeeklyProfile::flat(Ppm::percent(50));
        let worst = worst_hour(&[&home, &home, &half, &half], 2);
        assert_eq!(worst.hour.index(), 149);
        let on = f64::from(half.0[0]) / 255.0;
        assert!((worst.readable - on * on).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn any_j_is_the_worst_choice(shape in proptest::collection::vec((0u32..9, 0u8..5), 0..12), k in 1u16..5) {
            let scheme = Scheme { k, ..circle(11, 11).unwrap() };
            let holders: Vec<Holder> = shape.iter().map(|(node, _)| holder(*node, *node as u8 % 5, Os::Linux)).collect();
            let s = survives(&scheme, PoolKind::Circle, &holders);
            // Every set of machines, one by one.
            let mut survived = [true; 10];
            for set in 0u32..1 << 9 {
                let left = holders.iter().filter(|h| set >> h.node.0 & 1 == 0).count();
                survived[set.count_ones() as usize] &= left >= usize::from(k);
            }
            let there: std::collections::BTreeSet<u32> = holders.iter().map(|h| h.node.0).collect();
            let naive = (1..=there.len()).take_while(|j| survived[*j]).count();
            prop_assert_eq!(usize::from(s.any_nodes), naive, "(B)");
            for fate in &s.whole {
                let left = holders.iter().filter(|h| !h.site.is_in(&fate.domain)).count();
                prop_assert_eq!((usize::from(fate.left), fate.survives), (left, left >= usize::from(k)), "(A)");
            }
        }

        #[test]
        fn the_worst_hour_is_naive(levels in proptest::collection::vec(any::<u8>(), 1..8), k in 0u16..8) {
            let profiles: Vec<WeeklyProfile> = levels.iter().map(|l| WeeklyProfile([*l; 168])).collect();
            let worst = worst_hour(&profiles.iter().collect::<Vec<_>>(), k);
            let chance = |set: u32| -> f64 {
                levels.iter().enumerate().map(|(i, l)| {
                    let a = f64::from(*l) / 255.0;
                    if set >> i & 1 == 1 { a } else { 1.0 - a }
                }).product()
            };
            let naive: f64 = (0u32..1 << levels.len()).filter(|set| set.count_ones() >= u32::from(k)).map(chance).sum();
            prop_assert!((worst.readable - naive).abs() < 1e-12);
        }
    }
}
