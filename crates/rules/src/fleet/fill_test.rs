//! Does a stranger's PC keep what it is given? A seeded fill test, before it holds anybody's data (`docs/design/fleet.md` §6).
//!
//! Stewards send data made from a secret seed; the node cannot make it again, so it must store it, and audits ask for slices of
//! it as of any piece. This file says how much, what comes next, and how much a node on probation is given afterwards.
//!
//! (A) Only a node at which the whole of its data stood without a gap, for [`STANDS`] and through [`AUDITS`] audits, or for
//! [`STANDS_SLOW`] and through [`AUDITS_SLOW`], passes. (B) The data takes at most half of what the owner lends. (C) A loss that
//! the node tells by itself is sent again and fails nothing; who is found without it waits longer each time. (D) One try sends at
//! most twice the data. (E) What a node on probation accepts never falls with time.

use model::{Bytes, Span};

/// Data of a test, but for larger offers.
pub const LEAST: Bytes = Bytes::gib(1);
/// Data of a test of the largest offers.
pub const MOST: Bytes = Bytes::gib(10);
/// Of larger offers one part in so many.
const PART: u64 = 20;
/// The whole stands for so long …
pub const STANDS: Span = Span::hours(48);
/// … with so many audits passed, …
pub const AUDITS: u32 = 8;
/// … or, at a PC that is on for a part of the day, for so long …
pub const STANDS_SLOW: Span = Span::hours(72);
/// … with so many.
pub const AUDITS_SLOW: u32 = 4;
/// Pause after a failed try; doubled with each.
pub const REST: Span = Span::days(1);
/// Doublings at most.
const REST_DOUBLINGS: u8 = 5;
/// Pieces that one steward sends at a time: it does nothing else meanwhile.
pub const BATCH: u32 = 2;
/// A node on probation accepts so much at first, and twice as much each week.
pub const ACCEPTS: Bytes = Bytes::gib(10);
/// Doublings at most: beyond them what its owner lends is less anyway.
const WEEKS_MAX: u64 = 20;

/// How long each part takes, as this center counts time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillBounds {
    /// As [`STANDS`].
    pub stands: Span,
    /// As [`STANDS_SLOW`].
    pub stands_slow: Span,
}

impl Default for FillBounds {
    fn default() -> Self {
        Self { stands: STANDS, stands_slow: STANDS_SLOW }
    }
}

/// (B) Pieces of `piece` bytes that make up the test of an offer: `least` or a twentieth of it, at most [`MOST`] and half of the
/// offer. 0 where half of it is less than a piece.
pub fn wanted(lent: Bytes, least: Bytes, piece: Bytes) -> u32 {
    let bytes = (lent.0 / PART).clamp(least.0.min(MOST.0), MOST.0).min(lent.0 / 2);
    u32::try_from(bytes / piece.0.max(1)).unwrap_or(u32::MAX)
}

/// How a test stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillFacts {
    /// Pieces of the test.
    pub wanted: u32,
    /// Of these, those of which the node gave receipts and that were not lost since.
    pub stored: u32,
    /// Pieces sent in this try.
    pub sent: u32,
    /// The whole has stood for so long.
    pub whole_for: Option<Span>,
    /// Audits passed in that time.
    pub audits: u32,
    /// The pause after a failed try goes on for so long.
    pub rests_for: Span,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FillNext {
    /// The owner lends too little for a test.
    NoRoom,
    /// A failed try is not long ago.
    Rest,
    /// So many pieces are to be sent.
    Send(u32),
    /// (D) The try is over: too much of what was sent did not stay.
    GiveUp,
    /// The whole stands; time and audits will tell.
    Stand,
    /// (A) It is passed.
    Passed,
}

/// What comes next of a test.
pub fn next(facts: &FillFacts, bounds: &FillBounds) -> FillNext {
    if facts.wanted == 0 {
        return FillNext::NoRoom;
    }
    if facts.rests_for > Span::ZERO {
        return FillNext::Rest;
    }
    let lacks = facts.wanted.saturating_sub(facts.stored);
    if lacks > 0 {
        let left = facts.wanted.saturating_mul(2).saturating_sub(facts.sent);
        return if left == 0 { FillNext::GiveUp } else { FillNext::Send(lacks.min(left).min(BATCH)) };
    }
    let stood = |long: Span, audits: u32| facts.whole_for >= Some(long) && facts.audits >= audits;
    let is_passed = stood(bounds.stands, AUDITS) || stood(bounds.stands_slow, AUDITS_SLOW);
    if is_passed { FillNext::Passed } else { FillNext::Stand }
}

/// (C) The pause after so many failed tries, 1 for the first.
pub fn rest(tries: u8) -> Span {
    Span::ms(REST.as_ms() << tries.saturating_sub(1).min(REST_DOUBLINGS))
}

/// (E) Bytes of members' data that a node on probation accepts, after so long at that rank; `week` as this center counts one. Never
/// more than what was lent when it was tested: twenty times the data of its test.
pub fn accepts(on_probation: Span, week: Span, tested: Bytes) -> Bytes {
    let grown = ACCEPTS.0 << (on_probation.as_ms() / week.as_ms().max(1)).min(WEEKS_MAX);
    Bytes(grown.min(tested.0.saturating_mul(PART)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PIECE: Bytes = Bytes::mib(8);

    fn whole() -> FillFacts {
        FillFacts {
            wanted: 128,
            stored: 128,
            sent: 128,
            whole_for: Some(STANDS),
            audits: AUDITS,
            rests_for: Span::ZERO,
        }
    }

    fn of(facts: FillFacts) -> FillNext {
        next(&facts, &FillBounds::default())
    }

    #[test]
    fn a_test_takes_a_gibibyte_more_of_large_offers_and_half_of_small_ones() {
        let pieces = |lent| wanted(lent, LEAST, PIECE);
        assert_eq!([Bytes::gib(2), Bytes::gib(20), Bytes::gib(5)].map(pieces), [128; 3]);
        assert_eq!(pieces(Bytes::gib(100)), 640, "5 GiB");
        assert_eq!([Bytes::gib(200), Bytes::gib(9_000)].map(pieces), [1_280; 2], "10 GiB at most");
        assert_eq!(pieces(Bytes::gib(1)), 64, "(B)");
        assert_eq!([Bytes::mib(15), Bytes(0)].map(pieces), [0; 2]);
        assert_eq!(wanted(Bytes::gib(5), Bytes::gib(50), PIECE), 320, "an operator's word is no more than half either");
        assert_eq!(wanted(Bytes::gib(100), Bytes::gib(50), PIECE), 1_280, "and no more than the most");
    }

    #[test]
    fn data_is_sent_stands_and_is_asked_for() {
        let sent = |stored| of(FillFacts { stored, sent: stored, whole_for: None, audits: 0, ..whole() });
        assert_eq!([0, 127, 128].map(sent), [FillNext::Send(2), FillNext::Send(1), FillNext::Stand]);
        assert_eq!(of(whole()), FillNext::Passed);
        assert_eq!(of(FillFacts { whole_for: Some(Span::hours(47)), ..whole() }), FillNext::Stand, "(A)");
        assert_eq!(of(FillFacts { audits: AUDITS - 1, ..whole() }), FillNext::Stand, "(A)");
        let slow = FillFacts { whole_for: Some(STANDS_SLOW), audits: AUDITS_SLOW, ..whole() };
        assert_eq!(of(slow), FillNext::Passed, "(A)");
        assert_eq!(of(FillFacts { audits: AUDITS_SLOW - 1, ..slow }), FillNext::Stand, "(A)");
        assert_eq!(of(FillFacts { wanted: 0, stored: 0, ..whole() }), FillNext::NoRoom);
    }

    #[test]
    fn who_loses_it_gets_it_again_and_who_threw_it_away_waits() {
        assert_eq!(of(FillFacts { stored: 127, ..whole() }), FillNext::Send(1), "(C)");
        assert_eq!(of(FillFacts { stored: 100, sent: 255, ..whole() }), FillNext::Send(1), "(D)");
        assert_eq!(of(FillFacts { stored: 100, sent: 256, ..whole() }), FillNext::GiveUp, "(D)");
        assert_eq!(of(FillFacts { stored: 0, rests_for: Span::ms(1), ..whole() }), FillNext::Rest, "(C)");
        assert_eq!([0, 1, 2, 3, 200].map(rest), [1, 1, 2, 4, 32].map(Span::days), "(C)");
    }

    #[test]
    fn probation_accepts_twice_as_much_each_week() {
        let at = |days| accepts(Span::days(days), Span::days(7), MOST);
        assert_eq!([0, 6, 7, 21].map(at), [10, 10, 20, 80].map(Bytes::gib), "(E)");
        assert!(accepts(Span(u64::MAX), Span::ZERO, MOST) >= at(140), "no overflow");
        assert_eq!(accepts(Span::days(90), Span::days(7), PIECE), Bytes::mib(160), "(E) who lent little then");
    }

    proptest! {
        #[test]
        fn nothing_passes_but_the_whole_and_nothing_is_sent_beyond_its_bounds(
            wanted in 0u32..2_000, stored in 0u32..2_000, sent in 0u32..5_000, whole_h: Option<u8>, audits in 0u32..20,
            rests in 0u64..3,
        ) {
            let facts = FillFacts {
                wanted, stored, sent, whole_for: whole_h.map(|h| Span::hours(u64::from(h))), audits, rests_for: Span(rests),
            };
            match of(facts) {
                FillNext::Passed => {
                    prop_assert!(stored >= wanted && wanted > 0 && rests == 0, "(A)");
                    prop_assert!(facts.whole_for >= Some(STANDS) && audits >= AUDITS_SLOW, "(A)");
                }
                FillNext::Send(n) => {
                    prop_assert!(n > 0 && n <= BATCH && stored + n <= wanted && sent + n <= 2 * wanted, "(D)");
                }
                _ => {}
            }
        }

        #[test]
        fn a_test_leaves_half_of_every_offer(lent in 0u64..1 << 50, least in 0u64..1 << 40) {
            let bytes = u64::from(super::wanted(Bytes(lent), Bytes(least), PIECE)) * PIECE.0;
            prop_assert!(bytes <= lent / 2 && bytes <= MOST.0, "(B)");
        }

        #[test]
        fn what_is_accepted_never_falls(a in 0u64..1 << 45, b in 0u64..1 << 45) {
            let (less, more) = (a.min(b), a.max(b));
            prop_assert!(accepts(Span(less), Span::days(7), MOST) <= accepts(Span(more), Span::days(7), MOST), "(E)");
        }
    }
}
