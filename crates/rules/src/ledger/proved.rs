//! How much of a node's space is proved, and what of that is free (`docs/design/ledger.md` §7).
//!
//! (A) What an owner says it lends only takes away: beyond what is proved, more of it changes nothing. (B) Proved is what stands at a node
//! now, pieces and data of its fill test, all of which audits ask for, or the most it held lately. (C) Where nothing is proved beyond
//! what is held, nothing is free. (D) What was held by who is away stays known: it went with it.

use model::{Span, Stamp};

/// For so long the most that was held counts as proved.
pub const LASTS: Span = Span::days(90);

/// What is kept of what a node held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// MB it held when it was counted last, or when it went away.
    pub mb: u64,
    /// The most it held.
    pub most_mb: u64,
    /// When that was.
    pub most_at: Stamp,
}

/// What a count of the pieces of a node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// MB of them.
    pub mb: u64,
    /// It was there since the count before, and lost no place to another while it was away.
    pub is_there: bool,
    /// When it was counted.
    pub at: Stamp,
    /// So long ago is the most it held.
    pub most_for: Span,
}

/// What is kept after a count. (D)
pub fn counted(before: Held, count: Count) -> Held {
    let mb = if count.is_there { count.mb } else { before.mb.max(count.mb) };
    // Of who is away nothing is proved anew.
    let is_same = count.mb == before.most_mb && count.most_for >= Span::days(1);
    let is_more = count.is_there && (count.mb > before.most_mb || is_same);
    if is_more || count.most_for >= LASTS {
        return Held { mb, most_mb: if count.is_there { count.mb } else { 0 }, most_at: count.at };
    }
    Held { mb, ..before }
}

/// What is known of a node's space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Space {
    /// MB its owner says it lends.
    pub lent_mb: u64,
    /// MB of pieces it holds.
    pub held_mb: u64,
    /// The most it held lately.
    pub most_mb: u64,
    /// MB of its fill test that stand there still: they give way to pieces.
    pub fill_mb: u64,
}

impl Space {
    /// MB that are proved. (A, B)
    pub fn proved(&self) -> u64 {
        self.held_mb.saturating_add(self.fill_mb).max(self.most_mb).min(self.lent_mb)
    }

    /// Of them, MB that are free. (C)
    pub fn free(&self) -> u64 {
        self.proved().saturating_sub(self.held_mb)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;
    use proptest::prelude::*;

    fn count(mb: u64, is_there: bool, days: u64) -> Count {
        Count { mb, is_there, at: Stamp(7), most_for: Span::days(days) }
    }

    #[test]
    fn free_is_what_was_shown_to_be_there() {
        let space = |lent_mb, held_mb, most_mb, fill_mb| Space { lent_mb, held_mb, most_mb, fill_mb };
        assert_eq!(space(1_000, 0, 0, 0).free(), 0, "(C) a newcomer's word");
        assert_eq!(space(1_000, 0, 0, 100).free(), 100, "(B) its fill test");
        assert_eq!(space(1_000, 300, 300, 0).free(), 0, "(C) its test gave way");
        assert_eq!(space(1_000, 300, 450, 100).free(), 150, "(B) it held more");
        assert_eq!(space(1_000, 300, 350, 100).free(), 100, "(B) the larger of both, not their sum");
        assert_eq!((space(400, 300, 900, 100).free(), space(200, 300, 900, 0).free()), (100, 0), "(A) lent no more");
    }

    #[test]
    fn what_went_away_with_a_node_stays_known_and_the_most_for_ninety_days() {
        let held = Held { mb: 300, most_mb: 400, most_at: Stamp(1) };
        assert_eq!(counted(held, count(100, true, 89)), Held { mb: 100, ..held });
        assert_eq!(counted(held, count(100, false, 89)), held, "(D) repair gave its places to others");
        assert_eq!(counted(held, count(500, true, 1)), Held { mb: 500, most_mb: 500, most_at: Stamp(7) });
        assert_eq!(counted(held, count(500, false, 1)), Held { mb: 500, ..held }, "told of, and not shown");
        assert_eq!(counted(held, count(100, true, 90)), Held { mb: 100, most_mb: 100, most_at: Stamp(7) });
        assert_eq!(counted(held, count(100, false, 90)), Held { mb: 300, most_mb: 0, most_at: Stamp(7) });
    }

    proptest! {
        #[test]
        fn a_larger_word_is_worth_nothing(
            held_mb in 0u64..1 << 40, most_mb in 0u64..1 << 40, fill_mb in 0u64..1 << 24, lent_mb in 0u64..1 << 41,
            more in 0u64..u64::MAX
        ) {
            let space = Space { lent_mb, held_mb, most_mb, fill_mb };
            let larger = Space { lent_mb: lent_mb.saturating_add(more), ..space };
            let shown = held_mb + fill_mb.max(most_mb.saturating_sub(held_mb));
            prop_assert!(larger.free() >= space.free() && larger.free() <= shown - held_mb, "(A)");
            if lent_mb >= shown {
                prop_assert_eq!(larger.free(), space.free(), "(A)");
            }
            prop_assert!(space.proved() <= lent_mb && space.free() <= lent_mb.saturating_sub(held_mb));
            if most_mb <= held_mb && fill_mb == 0 {
                prop_assert_eq!(larger.free(), 0, "(C)");
            }
        }

        #[test]
        fn nothing_is_proved_that_was_never_held(
            counts in proptest::collection::vec((0u64..1 << 40, any::<bool>(), 0u64..120), 0..60)
        ) {
            let (mut held, mut largest) = (Held::default(), 0);
            for (mb, is_there, days) in counts {
                let before = held;
                held = counted(held, count(mb, is_there, days));
                largest = if is_there { mb.max(largest) } else { largest };
                prop_assert!(held.most_mb <= largest, "(B)");
                prop_assert!(is_there || held.mb >= before.mb, "(D)");
                prop_assert!(!is_there || (held.mb == mb && held.most_mb >= mb));
            }
        }
    }
}
