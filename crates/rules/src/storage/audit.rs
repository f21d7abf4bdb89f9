//! Does a node still hold what it gave receipts for? Who is asked when, for which slices, by whom and until when
//! (`docs/design/storage.md` §9). What the answers do to its score, [`crate::fleet::integrity`] says.
//!
//! (A) Every byte that a node holds is as likely to be asked for as any other. (B) Only the time a node is on counts towards its
//! next audit: being off delays one and costs nothing. (C) A node whose pieces were found gone is asked [`SUSPECT_TIMES`] as
//! often, until [`SUSPECT_AUDITS`] audits in a row are good. (D) No node is audited by one of its own owner. (E) The last time a
//! silent node is asked, the center asks itself: no steward's word alone makes a bad sample.

use super::scheme::Ranks;
use crate::fleet::integrity::ASK_AGAIN_MAX;
use model::{Alias, Kbps, MemberId, Span, Tier};
use rand_core::Rng;
use std::collections::BTreeSet;

/// Slices of one challenge.
pub const PICKS: usize = 16;
/// Bytes of a slice with its proofs, at most: a group, the paths to the piece's root and to the segment's.
pub const SLICE_BYTES: u64 = 17 << 10;
/// Between two audits of a node, of the time it is on: four a day, 1,920 slices a month.
pub const EVERY: Span = Span::hours(6);
/// An audit comes so much earlier or later than the mean, in percent: nobody prepares for it.
const JITTER: u64 = 25;
/// (C) A suspect is asked so many times as often …
pub const SUSPECT_TIMES: u64 = 6;
/// … until so many audits in a row are good.
pub const SUSPECT_AUDITS: u8 = 24;
/// Of so many passed audits of stewards the center repeats one itself.
pub const CENTER_REPEATS: u64 = 50;
/// Reads of a repair that count as good samples between two audits of a node, at most: less than the audit itself brings, so that
/// the word of stewards outweighs no proof. They are no audits passed.
pub const READS_COUNTED_MAX: u8 = 8;
/// Time that a disk may take to wake up and to find 16 places.
const DISK: Span = Span::secs(10);
/// A node's line is taken to carry so much at least (150 kB/s).
const RATE_FLOOR: Kbps = Kbps(1_200);
/// Round trips of asking: handshake, question, answer.
const ROUND_TRIPS: u64 = 4;
/// A round trip is the node's own word: a longer one than this buys it no time to fetch what it has not.
const RTT_MAX: Span = Span::secs(2);
/// What else uses the line may take half of it.
const SHARE: u64 = 2;

/// A slice that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pick {
    /// Which of the pieces that were given.
    pub piece: usize,
    /// Number of its 16 KiB group.
    pub group: u32,
}

/// (A) Draws [`PICKS`] slices of the pieces that have so many groups each, or all there are; none twice.
pub fn challenge(groups: &[u32], rng: &mut impl Rng) -> Vec<Pick> {
    let ends: Vec<u64> = groups
        .iter()
        .scan(0u64, |end, groups| {
            *end += u64::from(*groups);
            Some(*end)
        })
        .collect();
    let all = ends.last().copied().unwrap_or(0);
    let at = |place: u64| {
        let piece = ends.partition_point(|end| *end <= place);
        let before = ends[piece] - u64::from(groups[piece]);
        Pick { piece, group: u32::try_from(place - before).expect("a piece has few groups") }
    };
    if all <= PICKS as u64 {
        return (0..all).map(at).collect();
    }
    let mut picked = BTreeSet::new();
    while picked.len() < PICKS {
        picked.insert(below(all, rng));
    }
    picked.into_iter().map(at).collect()
}

/// A number below `end`, each as likely as the others but for one part in 2⁶⁴ ÷ `end`.
fn below(end: u64, rng: &mut impl Rng) -> u64 {
    let wide = u128::from(rng.next_u64()) * u128::from(end);
    u64::try_from(wide >> 64).expect("below its end")
}

/// Longest time that an answer with `slices` slices may take over a line of this upload and round trip: what is fetched from
/// elsewhere first comes later.
pub fn deadline(slices: usize, up: Option<Kbps>, rtt: Span) -> Span {
    let rate = up.unwrap_or(RATE_FLOOR).max(RATE_FLOOR);
    let bits = slices as u64 * SLICE_BYTES * 8;
    let sending = Span::ms(SHARE * bits / u64::from(rate.0));
    Span::ms(DISK.as_ms() + rtt.min(RTT_MAX).as_ms() * ROUND_TRIPS + sending.as_ms())
}

/// When a node is asked next, in time that it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    left: Span,
    /// Good audits that are lacking until it is trusted as before.
    suspect: u8,
}

impl Due {
    /// A node that is new, or of which a center that starts knows nothing: any time within one period.
    pub fn first(every: Span, rng: &mut impl Rng) -> Self {
        Self { left: Span::ms(below(every.as_ms().max(1), rng)), suspect: 0 }
    }

    /// (B) The node was on for so long; true when it is due.
    pub fn pass(&mut self, on_for: Span) -> bool {
        self.left = Span::ms(self.left.as_ms().saturating_sub(on_for.as_ms()));
        self.left == Span::ZERO
    }

    /// It was asked: when it is next, after a good answer or one with pieces gone.
    pub fn next(self, is_good: bool, every: Span, rng: &mut impl Rng) -> Self {
        let suspect = if is_good { self.suspect.saturating_sub(1) } else { SUSPECT_AUDITS };
        let mean = if suspect > 0 { every.scaled(1, SUSPECT_TIMES) } else { every };
        let percent = 100 - JITTER + below(2 * JITTER + 1, rng);
        Self { left: mean.scaled(percent, 100), suspect }
    }

    /// (C) Pieces of it were found gone, not long ago.
    pub const fn is_suspect(&self) -> bool {
        self.suspect > 0
    }
}

/// A node that may ask others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditorFacts {
    /// The node.
    pub node: Alias,
    /// Whose.
    pub owner: MemberId,
    /// Its rank.
    pub tier: Tier,
    /// On, its owner lends now, nothing speaks against it.
    pub gives: bool,
}

impl AuditorFacts {
    /// (D) May ask this node: one on, of another owner, and of this rank at least.
    fn may(&self, least: Tier, target: Alias, owner: &MemberId) -> bool {
        self.gives && self.tier >= least && self.node != target && self.owner != *owner
    }
}

/// Who asks a node, or sends it the data of its fill test; nobody where the center asks itself. Where ranks count, a steward does,
/// in a young cloud without any a vetted node. Each that may is as likely as the others.
pub fn auditor(ranks: Ranks, target: (Alias, &MemberId), nodes: &[AuditorFacts], rng: &mut impl Rng) -> Option<Alias> {
    match ranks {
        Ranks::Waived => drawn(Tier::T0, target, nodes, rng),
        Ranks::Count => drawn(Tier::T3, target, nodes, rng).or_else(|| drawn(Tier::T2, target, nodes, rng)),
    }
}

fn drawn(
    least: Tier,
    (target, owner): (Alias, &MemberId),
    nodes: &[AuditorFacts],
    rng: &mut impl Rng,
) -> Option<Alias> {
    // Most may: drawn blindly a few times before all are looked through.
    const DRAWS: usize = 8;
    let count = nodes.len() as u64;
    let drawn = |rng: &mut _| nodes.get(usize::try_from(below(count, rng)).unwrap_or(0));
    for _ in 0..DRAWS {
        match drawn(rng) {
            Some(node) if node.may(least, target, owner) => return Some(node.node),
            Some(_) => {}
            None => return None,
        }
    }
    let fit: Vec<Alias> = nodes.iter().filter(|node| node.may(least, target, owner)).map(|node| node.node).collect();
    let place = below(fit.len() as u64, rng);
    fit.get(usize::try_from(place).unwrap_or(0)).copied()
}

/// (E) Whether the center itself asks a node that was asked again so often.
pub const fn center_asks(asked_again: u8) -> bool {
    asked_again >= ASK_AGAIN_MAX
}

/// Whether the center repeats an audit that a steward calls good.
pub fn center_repeats(rng: &mut impl Rng) -> bool {
    below(CENTER_REPEATS, rng) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    #[test]
    fn every_byte_is_as_likely_as_any_other() {
        let groups = [1, 64, 3, 0, 32];
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut seen = std::collections::BTreeMap::<Pick, u32>::new();
        let runs = 10_000;
        for _ in 0..runs {
            challenge(&groups, &mut rng).into_iter().for_each(|pick| *seen.entry(pick).or_default() += 1);
        }
        assert_eq!(seen.len(), 100, "(A) all groups");
        let mean = runs * 16 / 100;
        assert!(seen.values().all(|n| (mean * 85 / 100..mean * 115 / 100).contains(n)), "(A) {seen:?}");
        assert_eq!(challenge(&[], &mut rng), []);
        assert_eq!(challenge(&[2, 1], &mut rng).len(), 3, "all there are");
    }

    #[test]
    fn one_challenge_stays_within_300_kib() {
        assert!(PICKS as u64 * SLICE_BYTES <= 300 << 10);
    }

    #[test]
    fn slow_lines_have_time_and_quick_ones_have_less() {
        let slow = deadline(16, Some(Kbps(100)), Span::ms(50));
        assert_eq!(slow, deadline(16, None, Span::ms(50)), "no slower than the floor");
        assert_eq!(slow, Span::ms(10_000 + 200 + 3_713));
        assert!(deadline(16, Some(Kbps(50_000)), Span::ms(50)) < Span::secs(11));
        assert_eq!(deadline(16, None, Span::mins(9)), deadline(16, None, RTT_MAX), "its own word buys no more");
    }

    #[test]
    fn four_audits_a_day_of_the_time_on_and_more_after_a_loss() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let days = |n: u64, good: &dyn Fn(u32) -> bool, rng: &mut ChaCha8Rng| {
            let mut due = Due::first(EVERY, rng);
            let mut audits = 0;
            for _ in 0..n * 24 * 60 {
                if due.pass(Span::mins(1)) {
                    audits += 1;
                    due = due.next(good(audits), EVERY, rng);
                }
            }
            audits
        };
        assert!((395..=405).contains(&days(100, &|_| true, &mut rng)), "(B)");
        // The tenth finds a loss: 24 more in 24 hours, then as before.
        let after = days(100, &|n| n != 10, &mut rng);
        assert!((415..=426).contains(&after), "(C) {after}");
    }

    #[test]
    fn nobody_audits_their_own() {
        let node =
            |n: u32, owner: u8, tier| AuditorFacts { node: Alias(n), owner: MemberId([owner; 16]), tier, gives: true };
        let all = [node(0, 1, Tier::T3), node(1, 1, Tier::T3), node(2, 2, Tier::T2), node(3, 3, Tier::T3)];
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let of = |ranks, rng: &mut ChaCha8Rng| {
            (0..200).filter_map(|_| auditor(ranks, (Alias(0), &MemberId([1; 16])), &all, rng)).collect::<BTreeSet<_>>()
        };
        assert_eq!(of(Ranks::Waived, &mut rng), BTreeSet::from([Alias(2), Alias(3)]), "(D)");
        assert_eq!(of(Ranks::Count, &mut rng), BTreeSet::from([Alias(3)]), "stewards alone among strangers");
        let young = auditor(Ranks::Count, (Alias(0), &MemberId([1; 16])), &all[..3], &mut rng);
        assert_eq!(young, Some(Alias(2)), "vetted ones where there are no stewards yet");
        let strangers = [node(7, 7, Tier::T1), node(8, 8, Tier::T0)];
        assert_eq!(auditor(Ranks::Count, (Alias(0), &MemberId([1; 16])), &strangers, &mut rng), None);
        assert_eq!(auditor(Ranks::Waived, (Alias(0), &MemberId([1; 16])), &all[..2], &mut rng), None);
        assert_eq!(auditor(Ranks::Waived, (Alias(0), &MemberId([1; 16])), &[], &mut rng), None);
        assert!(!center_asks(2) && center_asks(3), "(E)");
        let repeats = (0..50_000).filter(|_| center_repeats(&mut rng)).count();
        assert!((800..1_200).contains(&repeats), "{repeats} of 50,000");
    }

    /// How a node that silently dropped some of its pieces is found, in days of its own time on.
    fn found_after(dropped: f64, seed: u64) -> u64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let pieces: u64 = 2_000;
        let gone: Vec<bool> =
            (0..pieces).map(|_| (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64 <= dropped).collect();
        let groups = vec![128u32; gone.len()];
        let mut due = Due::first(EVERY, &mut rng);
        for minute in 0.. {
            if due.pass(Span::mins(1)) {
                if challenge(&groups, &mut rng).iter().any(|pick| gone[pick.piece]) {
                    return minute;
                }
                due = due.next(true, EVERY, &mut rng);
            }
        }
        unreachable!("something is gone")
    }

    #[test]
    fn who_dropped_a_hundredth_is_found_within_days() {
        const DAY: u64 = 24 * 60;
        let hundredth: Vec<u64> = (0..500).map(|seed| found_after(0.01, seed)).collect();
        let within = |all: &[u64], days: u64| all.iter().filter(|at| **at <= days * DAY).count();
        assert!(within(&hundredth, 8) >= 493, "98.5 % within 8 days: {}", within(&hundredth, 8));
        assert_eq!(within(&hundredth, 30), 500);
        let tenth: Vec<u64> = (0..500).map(|seed| found_after(0.1, seed)).collect();
        assert!(within(&tenth, 1) >= 495, "99 % within a day: {}", within(&tenth, 1));
    }

    proptest! {
        #[test]
        fn a_challenge_names_groups_that_are_there_and_none_twice(
            groups in proptest::collection::vec(0u32..2_000, 0..40), seed: u64,
        ) {
            let picks = challenge(&groups, &mut ChaCha8Rng::seed_from_u64(seed));
            let all: u64 = groups.iter().map(|g| u64::from(*g)).sum();
            prop_assert_eq!(picks.len() as u64, all.min(PICKS as u64));
            prop_assert_eq!(picks.iter().collect::<BTreeSet<_>>().len(), picks.len());
            prop_assert!(picks.iter().all(|pick| pick.group < groups[pick.piece]));
        }
    }
}
