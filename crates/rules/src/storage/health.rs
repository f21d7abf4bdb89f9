//! How is a placement group, and what has to be done (`docs/design/storage.md` §10)?
//!
//! (A) A state is a function of the counts alone; fewer pieces never make a better state. (B) Nothing is called lost while
//! those missing may return: within 60 d only proof that too few are left says so. (C) A domain that the pool cannot thin out
//! is reported and asks for no repair that could not help. (D) Ranking is total: the worst group first, ties by number.
//! (E) Slots of missing holders change neither threshold nor caps: an old group is judged as a young one with as many pieces.

use super::group::{Domain, Site, SlotState};
use super::scheme::PoolKind;
use model::{Alias, PgId, Scheme, Span};
use std::collections::{BTreeMap, BTreeSet};

/// For so long missing holders may return before a segment without k of them is called lost.
pub const LOST_AFTER: Span = Span::days(60);

/// What state a group is in, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As many pieces as wanted, covered, no cap broken.
    Full,
    /// Above the repair threshold, yet not full: slots are added in spare budget.
    Thin,
    /// At or below the repair threshold, or one domain holds too much: repaired.
    Low,
    /// Nearly at k: repaired first, by all stewards.
    Critical,
    /// Fewer than k stand and others are merely missing: collected from whoever returns.
    Waiting,
    /// Too few are left for good: the owner is told, the record is kept.
    Lost,
}

impl State {
    /// The word people and JSON see.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Thin => "thin",
            Self::Low => "low",
            Self::Critical => "critical",
            Self::Waiting => "waiting",
            Self::Lost => "lost",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// A slot as health counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotFacts {
    /// Its holder.
    pub node: Alias,
    /// What the holder fails with.
    pub site: Site,
    /// What it does. A holder away longer than its τ is `Missing`.
    pub state: SlotState,
    /// Its holder is on now.
    pub on: bool,
    /// Its pieces are proved destroyed: they will not return.
    pub is_destroyed: bool,
}

/// What health is judged by.
#[derive(Debug, Clone, Copy)]
pub struct HealthFacts<'a> {
    /// The group's scheme.
    pub scheme: Scheme,
    /// Kind of pool.
    pub kind: PoolKind,
    /// Every slot that is somebody's, missing ones too.
    pub slots: &'a [SlotFacts],
    /// The week is covered ([`super::group::Coverage::is_covered`]).
    pub is_covered: bool,
    /// Fewer than k stand since so long; zero while k stand.
    pub short_for: Span,
    /// Domains that the last fill could not thin out, the pool having nobody else.
    pub unmet: &'a BTreeSet<Domain>,
}

/// A group's health, with the counts behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The state.
    pub state: State,
    /// d: slots that stand.
    pub standing: u16,
    /// Those of them that are on.
    pub on: u16,
    /// w: pieces left when the worst domain goes, d where there is none that could be thinned out.
    pub outside: u16,
    /// That domain.
    pub widest: Option<Domain>,
    /// m′: the repair threshold for as many slots as stand.
    pub repair_at: u16,
    /// Slots to be added to be full.
    pub wanted: u16,
}

/// m′ = ⌈m · slots / o⌉ where the group has more than `o` slots, m otherwise.
pub fn repair_at(scheme: &Scheme, slots: u16) -> u16 {
    let scaled = (u32::from(scheme.m) * u32::from(slots.max(scheme.o))).div_ceil(u32::from(scheme.o.max(1)));
    u16::try_from(scaled).unwrap_or(u16::MAX)
}

/// Judges one group.
pub fn health(facts: &HealthFacts<'_>) -> Health {
    let standing: Vec<&SlotFacts> = facts.slots.iter().filter(|s| s.state.stands() && !s.is_destroyed).collect();
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let d = count(standing.len());
    let mut held: BTreeMap<Domain, u16> = BTreeMap::new();
    standing.iter().flat_map(|s| s.site.domains()).for_each(|domain| *held.entry(domain).or_default() += 1);
    // (C) What cannot be cured is told elsewhere. The first of equals, in the order of the kinds.
    let curable = held.iter().filter(|(domain, _)| !facts.unmet.contains(domain));
    let widest = curable.min_by_key(|(domain, pieces)| (d - **pieces, **domain));
    let outside = widest.map_or(d, |(_, pieces)| d - pieces);
    // (E) A slot whose holder is missing was filled by another one already, or will be: it raises no threshold and widens no cap.
    let caps_hold = held
        .iter()
        .filter(|(domain, _)| !facts.unmet.contains(domain))
        .all(|(domain, pieces)| *pieces <= domain.allowed(d.max(facts.scheme.o), &facts.scheme, facts.kind));
    let repair_at = repair_at(&facts.scheme, d);
    Health {
        state: state(facts, d, outside, repair_at, caps_hold),
        standing: d,
        on: count(standing.iter().filter(|s| s.on).count()),
        outside,
        widest: widest.map(|(domain, _)| *domain),
        repair_at,
        wanted: facts.scheme.o.saturating_sub(d),
    }
}

fn state(facts: &HealthFacts<'_>, d: u16, outside: u16, repair_at: u16, caps_hold: bool) -> State {
    let (scheme, delta) = (&facts.scheme, facts.kind.delta());
    let may_return = facts.slots.iter().filter(|s| !s.is_destroyed && s.state != SlotState::Free).count();
    if d < scheme.k {
        // (B) Proof, or time.
        let lost = may_return < usize::from(scheme.k) || facts.short_for >= LOST_AFTER;
        return if lost { State::Lost } else { State::Waiting };
    }
    // A group that is whole cannot be nearer to full, however small: one or two friends have no margin to lose.
    let whole = d >= scheme.o;
    match () {
        () if d <= scheme.k + delta && !whole => State::Critical,
        () if d <= repair_at && !whole || outside < scheme.k + delta / 2 => State::Low,
        () if whole && facts.is_covered && caps_hold => State::Full,
        () => State::Thin,
    }
}

/// A group in the order of repair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its number.
    pub pg: PgId,
    /// Its health.
    pub health: Health,
    /// k of its scheme.
    pub k: u16,
    /// Expected loss a year ([`super::chance::yearly_loss`]).
    pub yearly_loss: f64,
}

/// (D) Sorts groups that want work, most urgent first: by state, then by w − k, then by expected loss. Full ones are left out;
/// lost ones too, nobody can help them.
pub fn rank(mut groups: Vec<Ranked>) -> Vec<Ranked> {
    groups.retain(|g| !matches!(g.health.state, State::Full | State::Lost));
    let spare = |g: &Ranked| i32::from(g.health.outside.min(g.health.standing)) - i32::from(g.k);
    groups.sort_by(|a, b| {
        let by_state = b.health.state.cmp(&a.health.state).then(spare(a).cmp(&spare(b)));
        by_state.then(b.yearly_loss.total_cmp(&a.yearly_loss)).then(a.pg.cmp(&b.pg))
    });
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::scheme::{circle, public};
    use model::{Class, MemberId, Os};
    use proptest::prelude::*;

    fn slot(i: u16) -> SlotFacts {
        let mut owner = [0; 16];
        owner[..2].copy_from_slice(&i.to_be_bytes());
        let site = Site {
            owner: MemberId(owner),
            lan: None,
            prefix: None,
            network: Some(u32::from(i) % 8),
            os: Os::ALL[usize::from(i) % 3],
            version: u32::from(i) % 3,
            country: Some([b'a', b'a' + (i % 3) as u8]),
        };
        SlotFacts { node: Alias(i.into()), site, state: SlotState::Held, on: true, is_destroyed: false }
    }

    fn judge(scheme: Scheme, kind: PoolKind, slots: &[SlotFacts]) -> Health {
        let unmet = BTreeSet::new();
        health(&HealthFacts { scheme, kind, slots, is_covered: true, short_for: Span::ZERO, unmet: &unmet })
    }

    fn standing(count: u16, of: u16) -> Vec<SlotFacts> {
        (0..of)
            .map(|i| SlotFacts { state: if i < count { SlotState::Held } else { SlotState::Missing }, ..slot(i) })
            .collect()
    }

    #[test]
    fn the_table_of_states() {
        let standard = public(Class::Standard);
        let rows = [
            (104, State::Full),
            (103, State::Thin),
            (81, State::Thin),
            (80, State::Low),
            (41, State::Low),
            (40, State::Critical),
            (32, State::Critical),
            (31, State::Waiting),
        ];
        for (d, expected) in rows {
            let health = judge(standard, PoolKind::Public, &standing(d, 104));
            // A third of 41 in each domain leaves 27: low already by w; of 81 it leaves 54.
            assert_eq!((health.state, health.standing), (expected, d), "{health:?}");
            assert_eq!(health.wanted, 104 - d);
        }
    }

    #[test]
    fn more_slots_move_the_threshold() {
        let standard = public(Class::Standard);
        assert_eq!([104, 112, 144].map(|slots| repair_at(&standard, slots)), [80, 87, 111]);
        assert_eq!(repair_at(&standard, 90), 80, "a thin group is not excused");
        assert_eq!(judge(standard, PoolKind::Public, &standing(111, 144)).state, State::Full, "d ≥ o comes first");
    }

    #[test]
    fn slots_of_those_long_gone_make_no_group_impatient() {
        let scheme = public(Class::Standard);
        let (young, old) = (standing(100, 104), standing(100, 144));
        let of = |slots: &[SlotFacts]| {
            let mut health = judge(scheme, PoolKind::Public, slots);
            health.widest = None;
            health
        };
        assert_eq!((of(&old).repair_at, of(&old).state), (80, State::Thin), "(E)");
        assert_eq!(of(&young), of(&old), "(E)");
    }

    #[test]
    fn one_system_too_many_is_low_and_where_nothing_else_is_there_it_is_told_only() {
        let scheme = public(Class::Standard);
        let mut slots = standing(104, 104);
        slots.iter_mut().take(80).for_each(|s| s.site.os = Os::Windows);
        slots.iter_mut().skip(80).for_each(|s| s.site.os = Os::Linux);
        let low = judge(scheme, PoolKind::Public, &slots);
        assert_eq!((low.state, low.outside, low.widest), (State::Low, 24, Some(Domain::Os(Os::Windows))));
        let unmet = BTreeSet::from([Domain::Os(Os::Windows), Domain::Os(Os::Linux)]);
        let facts = HealthFacts {
            scheme,
            kind: PoolKind::Public,
            slots: &slots,
            is_covered: true,
            short_for: Span::ZERO,
            unmet: &unmet,
        };
        assert_eq!(health(&facts).state, State::Full, "(C)");
        assert_eq!(health(&HealthFacts { is_covered: false, ..facts }).state, State::Thin);
    }

    #[test]
    fn nothing_is_lost_while_it_may_return() {
        let unmet = BTreeSet::new();
        let mut slots = standing(2, 8);
        let scheme = circle(8, 8).unwrap();
        let at = |slots: &[SlotFacts], days| {
            let kind = PoolKind::Circle;
            health(&HealthFacts { scheme, kind, slots, is_covered: true, short_for: Span::days(days), unmet: &unmet })
                .state
        };
        assert_eq!((at(&slots, 59), at(&slots, 60)), (State::Waiting, State::Lost), "(B)");
        slots.iter_mut().skip(2).take(5).for_each(|s| s.is_destroyed = true);
        assert_eq!(at(&slots, 0), State::Waiting, "(B) the third may return");
        slots[7].is_destroyed = true;
        assert_eq!(at(&slots, 0), State::Lost, "(B) proved");
    }

    #[test]
    fn a_circle_that_is_whole_is_full_and_one_missing_is_low() {
        // Eight friends, each with another system than the next: the country and the rest are unmet in a circle.
        let unmet: BTreeSet<Domain> =
            standing(8, 8).iter().flat_map(|s| s.site.domains()).filter(|d| !d.is_hard()).collect();
        let state = |d| {
            let slots = standing(d, 8);
            let scheme = circle(8, 8).unwrap();
            let kind = PoolKind::Circle;
            health(&HealthFacts { scheme, kind, slots: &slots, is_covered: true, short_for: Span::ZERO, unmet: &unmet })
                .state
        };
        assert_eq!([8, 7, 5, 4, 3].map(state), [State::Full, State::Low, State::Low, State::Critical, State::Critical]);
    }

    #[test]
    fn the_nearest_to_loss_comes_first() {
        let one = |pg, d, yearly_loss| {
            let health = judge(public(Class::Standard), PoolKind::Public, &standing(d, 104));
            Ranked { pg: PgId(pg), health, k: 32, yearly_loss }
        };
        let ranked = rank(vec![
            one(1, 104, 0.0),
            one(2, 90, 0.1),
            one(3, 36, 0.1),
            one(4, 75, 0.1),
            one(5, 36, 0.2),
            one(6, 34, 0.0),
        ]);
        assert_eq!(ranked.iter().map(|g| g.pg.0).collect::<Vec<_>>(), [6, 5, 3, 4, 2], "(D)");
    }

    /// Prints what judging costs; the limit is wide, since the machine may be busy. A full cell has 1.8e5 groups.
    #[test]
    fn a_thousand_groups_are_judged_in_a_moment() {
        let slots = standing(104, 104);
        #[expect(clippy::disallowed_methods, reason = "a test may measure")]
        let started = std::time::Instant::now();
        let full = (0..1_000).filter(|_| judge(public(Class::Standard), PoolKind::Public, &slots).state == State::Full);
        assert_eq!(full.count(), 1_000);
        let each_us = started.elapsed().as_secs_f64() * 1_000.0;
        println!("health: {each_us:.1} µs for a group of 104 slots");
        assert!(each_us < 10_000.0);
    }

    proptest! {
        #[test]
        fn fewer_pieces_are_never_better(d in 0u16..=104, oses in proptest::collection::vec(0u8..4, 104), covered: bool) {
            let mut slots = standing(d, 104);
            slots.iter_mut().zip(&oses).for_each(|(s, os)| s.site.os = Os::from_code(*os).unwrap());
            let unmet = BTreeSet::new();
            let at = |slots: &[SlotFacts]| health(&HealthFacts {
                scheme: public(Class::Standard), kind: PoolKind::Public, slots, is_covered: covered, short_for: Span::ZERO, unmet: &unmet,
            });
            let before = at(&slots);
            let naive = slots.iter().filter(|s| s.state.stands()).flat_map(|s| s.site.domains())
                .map(|domain| slots.iter().filter(|s| s.state.stands() && !s.site.is_in(&domain)).count()).min();
            prop_assert_eq!(naive.unwrap_or(usize::from(d)), usize::from(before.outside));
            if d > 0 {
                slots[usize::from(d) - 1].state = SlotState::Missing;
                prop_assert!(at(&slots).state >= before.state, "(A)");
            }
        }
    }
}
