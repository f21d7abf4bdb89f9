//! Who fills the missing pieces of young segments, and which (`docs/design/storage.md` §6, step 5)?
//!
//! (A) Only a node that has been on without a gap long enough is a steward; among strangers a steward by rank (T3), and only where
//! there is none yet, as in a young cloud, a vetted one (T2). (B) A piece is made only for a slot whose holder is on and takes it,
//! and only where enough pieces are on to make it from. (C) A group's stewards change with the epoch, so that nobody does all of
//! the work; same facts, same answer. (D) A writer's copy is kept until a loss of any one holder would leave the segment above its repair threshold, or nothing more can be filled. (E) Where
//! too few are on at once, pieces are gathered as their holders come on, by one steward a day, of segments that stand low. (F) What
//! is gathered is made for those that are off too: the steward keeps their pieces, and is asked before others when they come on.

use super::scheme::{PoolKind, Ranks};
use super::surge::repair_rate;
use model::{Alias, Kbps, PgId, Ppm, Scheme, Span, Tier};

/// Life of a steward's lease: work that was not done by then is given to somebody else.
pub const LEASE: Span = Span::hours(6);
/// Upload of a steward that is asked before slower ones (**assumed**).
pub const QUICK_UP: Kbps = Kbps(10_000);
/// Life of the lease of a writer's own machine, whose end nobody sees.
pub const WRITER_LEASE: Span = Span::mins(10);
/// An epoch of stewardship: after it another node is drawn.
pub const EPOCH: Span = Span::hours(1);
/// An epoch of patient stewardship: pieces that are gathered over hours are gathered by one.
pub const PATIENT_EPOCH: Span = Span::hours(24);
/// Leases of one group at a time.
pub const GROUP_LEASES_MAX: usize = 2;
/// Time on without a gap after which a member of a circle is a steward, unless its operator says otherwise (**assumed**).
pub const STEWARD_AFTER: Span = Span::mins(1);
/// For so long a writer's machine leaves its staged segments to stewards before it fills them itself (**assumed**).
pub const WRITER_WAITS: Span = Span::mins(1);

/// A node that may be a steward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StewardFacts {
    /// Who.
    pub node: Alias,
    /// Its rank.
    pub tier: Tier,
    /// On without a gap for so long.
    pub on_for: Span,
    /// Its owner lets it store now.
    pub gives: bool,
    /// Nobody uses the machine: it is asked before one in use.
    pub idle: bool,
    /// Its upload is measured and at least [`QUICK_UP`].
    pub quick: bool,
    /// Leases it holds already.
    pub leases: u16,
}

impl StewardFacts {
    /// (A) Whether it may be one now; `after` is the operator's setting where ranks are waived.
    pub fn may(&self, ranks: Ranks, after: Span) -> bool {
        let steady = match ranks {
            Ranks::Waived => self.on_for >= after,
            Ranks::Count => self.tier >= Tier::T2,
        };
        self.gives && self.leases == 0 && steady
    }
}

/// (C) The node that gets a group's work in an epoch: the greatest hash of group, epoch and node (rendezvous hashing) among
/// those that may, where ranks count those with the rank of a steward first, then idle machines, then those with a line that is
/// not slow.
pub fn steward(pg: PgId, epoch: u64, ranks: Ranks, after: Span, nodes: &[StewardFacts]) -> Option<Alias> {
    let able = nodes.iter().filter(|node| node.may(ranks, after));
    let is_steward = |node: &StewardFacts| ranks == Ranks::Count && node.tier >= Tier::T3;
    let order =
        |node: &&StewardFacts| (is_steward(node), node.idle, node.quick, score(pg, epoch, node.node), node.node);
    able.max_by_key(order).map(|node| node.node)
}

/// SplitMix64's finalizer over the three numbers: spread, not secret.
fn score(pg: PgId, epoch: u64, node: Alias) -> u64 {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    mix(mix(mix(u64::from(pg.0).wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ epoch) ^ u64::from(node.0))
}

/// A slot of a group, as the filling of one segment sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotNow {
    /// Its holder is on.
    pub on: bool,
    /// Its holder may take new pieces.
    pub takes: bool,
    /// Its holder may come back: it has not left.
    pub stands: bool,
    /// Its piece counts: its holder has neither left nor been away too long.
    pub counts: bool,
}

/// Whether a bitmap of holders has bit `index`.
pub fn holds(have: &[u8], index: usize) -> bool {
    have.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// Share of what a steward's owner lends of its line that it may take for a group, of which so many pieces are above k where it
/// needs repair: all of it for young segments, where a group is critical, and among people who know each other.
pub fn line_share(kind: PoolKind, over: Option<i32>, is_surge: bool) -> Ppm {
    let is_repair = over.is_some_and(|over| over > i32::from(kind.delta()));
    if is_repair && kind.has_hard_caps() { repair_rate(is_surge) } else { Ppm::ONE }
}

/// (B) Indexes of one segment to make now, in order; none where fewer than k of its pieces are on. `from_copy` says that
/// whoever makes them has the whole segment beside it.
pub fn wanted(scheme: &Scheme, slots: &[SlotNow], have: &[u8], from_copy: bool) -> Vec<u16> {
    let on = slots.iter().enumerate().filter(|(i, slot)| slot.on && holds(have, *i)).count();
    if on < usize::from(scheme.k) && !from_copy {
        return Vec::new();
    }
    let lacks = |(i, slot): (usize, &SlotNow)| (slot.on && slot.takes && !holds(have, i)).then_some(i);
    slots.iter().enumerate().filter_map(lacks).filter_map(|i| u16::try_from(i).ok()).collect()
}

/// (F) Indexes of one segment to make with the others and to keep: of holders that count and are off.
pub fn later(slots: &[SlotNow], have: &[u8]) -> Vec<u16> {
    let lacks = |(i, slot): (usize, &SlotNow)| (slot.counts && !slot.on && !holds(have, i)).then_some(i);
    slots.iter().enumerate().filter_map(lacks).filter_map(|i| u16::try_from(i).ok()).collect()
}

/// (E) Indexes of one segment to make once its pieces were gathered; none where enough are on at once, where more stand than
/// the repair threshold, where too few may ever come, and where nobody on lacks a piece.
pub fn wanted_patiently(scheme: &Scheme, slots: &[SlotNow], have: &[u8]) -> Vec<u16> {
    let count = |is: &dyn Fn(&SlotNow) -> bool| {
        let counted = slots.iter().enumerate().filter(|(i, slot)| is(slot) && holds(have, *i)).count();
        u16::try_from(counted).unwrap_or(u16::MAX)
    };
    let (on, standing, may_come) = (count(&|s| s.on), count(&|s| s.counts), count(&|s| s.stands));
    if on >= scheme.k || on == 0 || standing > scheme.m || may_come < scheme.k {
        return Vec::new();
    }
    wanted(scheme, slots, have, true)
}

/// Whether nothing is left to fill: every slot whose holder may come back has its piece.
pub fn is_full(slots: &[SlotNow], have: &[u8]) -> bool {
    slots.iter().enumerate().all(|(i, slot)| !slot.stands || holds(have, i))
}

/// (D) Pieces with which the writer's copy is not needed any more.
pub fn enough(scheme: &Scheme, slots: &[SlotNow]) -> u16 {
    let counted = u16::try_from(slots.iter().filter(|slot| slot.counts).count()).unwrap_or(u16::MAX);
    scheme.m.min(counted).max(scheme.accept)
}

/// Pieces of a segment that count, and how many will when everybody who is on has its own.
pub fn counted(slots: &[SlotNow], have: &[u8]) -> (u16, u16) {
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let numbered = || slots.iter().enumerate();
    let pieces = numbered().filter(|(i, slot)| slot.counts && holds(have, *i)).count();
    let lacks = numbered().filter(|(i, slot)| slot.on && slot.takes && !holds(have, *i)).count();
    (count(pieces), count(pieces + lacks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::scheme::{circle, public};
    use model::Class;
    use proptest::prelude::*;

    fn node(alias: u32) -> StewardFacts {
        StewardFacts {
            node: Alias(alias),
            tier: Tier::T2,
            on_for: Span::mins(5),
            gives: true,
            idle: true,
            quick: true,
            leases: 0,
        }
    }

    #[test]
    fn a_steward_is_steady_free_and_among_strangers_vetted() {
        let after = Span::mins(1);
        let all = [
            StewardFacts { on_for: Span::secs(59), ..node(0) },
            StewardFacts { gives: false, ..node(1) },
            StewardFacts { leases: 1, ..node(2) },
            node(3),
        ];
        assert_eq!(steward(PgId(1), 0, Ranks::Waived, after, &all), Some(Alias(3)), "(A)");
        let probation = all.map(|node| StewardFacts { tier: Tier::T1, ..node });
        assert_eq!(steward(PgId(1), 0, Ranks::Count, after, &probation), None, "(A) nobody is vetted");
        assert!(steward(PgId(1), 0, Ranks::Count, after, &all).is_some(), "(A) a young cloud has no stewards yet");
        let vetted = [node(5), StewardFacts { tier: Tier::T3, on_for: Span::ZERO, idle: false, ..node(4) }, node(6)];
        assert_eq!(steward(PgId(1), 0, Ranks::Count, after, &vetted), Some(Alias(4)));
        assert_eq!(steward(PgId(1), 0, Ranks::Waived, after, &all[..3]), None);
        let used = StewardFacts { idle: false, ..node(9) };
        let slow = StewardFacts { quick: false, ..node(8) };
        for epoch in 0..20 {
            assert_eq!(steward(PgId(1), epoch, Ranks::Waived, after, &[used, slow, node(3)]), Some(Alias(3)));
            assert_eq!(steward(PgId(1), epoch, Ranks::Waived, after, &[used, slow]), Some(Alias(8)));
        }
        assert_eq!(steward(PgId(1), 0, Ranks::Waived, after, &[used]), Some(Alias(9)), "better than nobody");
    }

    #[test]
    fn repair_among_strangers_leaves_most_of_the_line_to_others() {
        let share = |over, surge| line_share(PoolKind::Public, over, surge);
        assert_eq!([share(Some(20), false), share(Some(20), true)], [Ppm::percent(30), Ppm::percent(60)]);
        assert_eq!([share(Some(8), false), share(None, false)], [Ppm::ONE; 2], "critical, young");
        assert_eq!(line_share(PoolKind::Circle, Some(20), false), Ppm::ONE);
    }

    #[test]
    fn the_work_goes_round() {
        let all: Vec<StewardFacts> = (0..10).map(node).collect();
        let mut drawn = [0; 10];
        for epoch in 0..10_000 {
            let chosen = steward(PgId(7), epoch, Ranks::Waived, Span::ZERO, &all).unwrap();
            drawn[chosen.0 as usize] += 1;
        }
        assert!(drawn.iter().all(|n| (800..1_200).contains(n)), "(C) {drawn:?}");
        // Where one goes, only its share moves to others.
        for epoch in 0..1_000 {
            let chosen = steward(PgId(7), epoch, Ranks::Waived, Span::ZERO, &all).unwrap();
            let without: Vec<StewardFacts> = all.iter().copied().filter(|n| n.node != Alias(3)).collect();
            let again = steward(PgId(7), epoch, Ranks::Waived, Span::ZERO, &without).unwrap();
            assert!(chosen == Alias(3) || again == chosen);
        }
    }

    #[test]
    fn a_piece_is_made_for_who_is_on_from_those_who_are() {
        let scheme = circle(10, 10).unwrap();
        let mut slots = [SlotNow { on: true, takes: true, stands: true, counts: true }; 10];
        let have = [0b0001_1111, 0];
        assert_eq!(wanted(&scheme, &slots, &have, false), [5, 6, 7, 8, 9]);
        (slots[7].on, slots[8].takes) = (false, false);
        assert_eq!(wanted(&scheme, &slots, &have, false), [5, 6, 9], "(B)");
        (slots[0].on, slots[1].on) = (false, false);
        assert_eq!(wanted(&scheme, &slots, &have, false), [0u16; 0], "(B) three of four are on");
        assert_eq!(wanted(&scheme, &slots, &have, true), [5, 6, 9], "(B) the writer has it all");
        assert!(!is_full(&slots, &[0xff, 0b01]) && is_full(&slots, &[0xff, 0b11]));
        (slots[9].on, slots[9].stands, slots[9].counts) = (false, false, false);
        assert!(is_full(&slots, &[0xff, 0b01]), "who has left is not waited for");
        assert_eq!(enough(&scheme, &slots), 9);
        // Of 0 … 4 two are off and hold all the same; 5 and 6 are on and lack theirs, 7 is off, 8 takes nothing, 9 has left.
        assert_eq!(counted(&slots, &have), (5, 7));
        assert_eq!(later(&slots, &have), [7], "(F) 8 is on and takes nothing, 9 has left");
        slots[0].counts = false;
        assert_eq!(counted(&slots, &have), (4, 6), "away too long");
        assert_eq!(
            enough(&public(Class::Standard), &[SlotNow { on: true, takes: true, stands: true, counts: true }; 112]),
            80
        );
    }

    #[test]
    fn pieces_are_gathered_where_too_few_are_on_at_once() {
        let scheme = circle(10, 10).unwrap();
        let there = SlotNow { on: true, takes: true, stands: true, counts: true };
        let off = SlotNow { on: false, ..there };
        // Of 0 … 4, two are on; 5 is on and lacks its piece; the rest lack theirs and are off.
        let mut slots = [off; 10];
        (slots[0], slots[1], slots[5]) = (there, there, there);
        let have = [0b0001_1111, 0];
        assert!(scheme.k > 2 && scheme.m >= 5, "{scheme:?}");
        assert_eq!(wanted_patiently(&scheme, &slots, &have), [5], "(E)");
        assert_eq!(wanted(&scheme, &slots, &have, false), [0u16; 0], "not at once");
        (slots[2], slots[3]) = (there, there);
        assert_eq!(wanted_patiently(&scheme, &slots, &have), [0u16; 0], "(E) enough are on");
        (slots[2], slots[3]) =
            (SlotNow { stands: false, counts: false, ..off }, SlotNow { stands: false, counts: false, ..off });
        assert_eq!(wanted_patiently(&scheme, &slots, &have), [0u16; 0], "(E) three are left of four");
        let young = public(Class::Standard);
        let many = [off; 112];
        assert_eq!(wanted_patiently(&young, &many, &[0xff; 14]), [0u16; 0], "(E) it does not stand low");
    }

    proptest! {
        #[test]
        fn what_is_wanted_lacks_and_is_on(
            have in proptest::collection::vec(any::<u8>(), 0..20),
            shape in proptest::collection::vec(any::<[bool; 3]>(), 0..144),
            from_copy: bool,
        ) {
            let scheme = public(Class::Standard);
            let slots: Vec<SlotNow> = shape.iter().map(|[on, takes, stands]| SlotNow { on: *on, takes: *takes, stands: *stands, counts: *stands }).collect();
            for index in wanted(&scheme, &slots, &have, from_copy) {
                let slot = slots[usize::from(index)];
                prop_assert!(slot.on && slot.takes && !holds(&have, index.into()), "(B)");
            }
        }
    }
}
