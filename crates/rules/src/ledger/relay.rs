//! Relayed bytes (`docs/design/ledger.md` §4): how far a session signs for what its links moved over the relay, and which receipts the
//! relay keeps.
//!
//! (A) A session signs for no more than was moved, all its permits and windows together. (B) Under a permit and in a window what is
//! signed never falls, and never exceeds the permit. (C) A session that moved less than [`ASK_FROM`] asks for nothing: what finding the
//! direct way takes is free. (D) What was moved and not signed for waits; nothing of it is signed twice. (E) The relay keeps only what
//! [`super::receipt::judge`] will count: a receipt of the permit's session, for this relay, of the window its time lies in, up to what
//! the permit allows.

use super::receipt::{BadBatch, CLOCK_TOLERANCE, PermitFacts, ReceiptFacts, WINDOW, in_life, resource_of};
use model::{NodeId, Resource, Span, Stamp};

/// Least bytes over the relay for which a session asks for leave: both ends of a link that becomes direct answer over the relay until
/// they have taken the direct way; 5 MB of it were seen on loopback.
pub const ASK_FROM: u64 = 8 << 20;
/// Leave is asked for so many times what waits to be signed for.
const GROWTH: u64 = 4;
/// Least bytes of leave.
pub const UNITS_MIN: u64 = 16 << 20;
/// Most bytes of leave under one permit, in each window.
pub const UNITS_MAX: u64 = 1 << 30;
/// A receipt is due when so many bytes wait to be signed for …
pub const SIGN_BYTES: u64 = 8 << 20;
/// … or something waits since so long.
pub const SIGN_EVERY: Span = Span::secs(30);
/// After a no, leave is asked for again so late.
pub const ASK_AGAIN: Span = Span::mins(10);
/// A permit is not used any more so long before its end: its last receipt has to arrive.
const BEFORE_END: Span = Span::mins(1);

/// The leave a session has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leave {
    /// Most bytes in each window.
    pub units: u64,
    /// Until when.
    pub until: Stamp,
}

/// When a session looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// While it lives.
    Meanwhile,
    /// At its end: all that waits is signed for.
    Ending,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing now.
    Nothing,
    /// It asks for leave of so many bytes.
    Ask(u64),
    /// It signs for so many units in this window, under the leave it has.
    Sign {
        /// The window.
        window: u32,
        /// All units of it.
        units: u64,
    },
}

/// A session's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Payer {
    /// Bytes that were signed for, all windows and permits together.
    paid: u64,
    leave: Option<Leave>,
    window: u32,
    /// Of them: under this leave, in this window.
    signed: u64,
    signed_at: Stamp,
    refused_at: Option<Stamp>,
}

fn window_of(at: Stamp) -> u32 {
    at.as_ms().checked_div(WINDOW.as_ms()).and_then(|window| u32::try_from(window).ok()).unwrap_or(u32::MAX)
}

fn later(at: Stamp, span: Span) -> Stamp {
    Stamp(at.as_ms().saturating_add(span.as_ms()))
}

impl Payer {
    /// What follows at a moment when its links have moved so many bytes over the relay since the session began.
    pub fn next(&mut self, now: Stamp, moved: u64, when: When) -> Next {
        let waits = moved.saturating_sub(self.paid);
        if self.leave.is_some_and(|leave| later(now, BEFORE_END) >= leave.until || self.signed >= leave.units) {
            self.leave = None;
        }
        let Some(leave) = self.leave else {
            let is_soon = self.refused_at.is_some_and(|at| now < later(at, ASK_AGAIN));
            // (C)
            let asks = waits >= ASK_FROM && !is_soon;
            let units = waits.saturating_mul(GROWTH).clamp(UNITS_MIN, UNITS_MAX);
            return if asks { Next::Ask(units) } else { Next::Nothing };
        };
        let window = window_of(now);
        let is_due = waits >= SIGN_BYTES || now.since(self.signed_at) >= SIGN_EVERY || when == When::Ending;
        // A clock that went back waits for the window it had come to.
        if waits == 0 || !is_due || window < self.window {
            return Next::Nothing;
        }
        if window > self.window {
            (self.window, self.signed) = (window, 0);
        }
        // (A, B)
        let part = waits.min(leave.units.saturating_sub(self.signed));
        self.signed = self.signed.saturating_add(part);
        self.paid = self.paid.saturating_add(part);
        self.signed_at = now;
        Next::Sign { window, units: self.signed }
    }

    /// Leave was given: its count begins at nothing. Leave that allows nothing any more, as a clock far ahead sees it, is a no.
    pub fn given(&mut self, leave: Leave, now: Stamp) {
        if leave.units == 0 || later(now, BEFORE_END) >= leave.until {
            return self.refused(now);
        }
        (self.leave, self.window, self.signed, self.refused_at) = (Some(leave), window_of(now), 0, None);
        self.signed_at = Stamp::EPOCH;
    }

    /// There is no leave: what is moved meanwhile waits.
    pub const fn refused(&mut self, now: Stamp) {
        self.refused_at = Some(now);
    }
}

/// Bytes of leave that is asked for, as they are given.
pub fn units(asked: u64) -> u64 {
    asked.clamp(UNITS_MIN, UNITS_MAX)
}

/// (E) Whether the relay keeps a receipt that came; the shell has checked both signatures. `at`: when it was signed.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn judge(
    permit: &PermitFacts,
    (receipt, at): (&ReceiptFacts, Stamp),
    relay: NodeId,
    now: Stamp,
) -> Result<(), BadBatch> {
    let facts = [
        (permit.is_key_known, "key"),
        (permit.serial == receipt.serial, "serial"),
        (permit.op == receipt.kind && resource_of(permit.op, permit.payer) == Some(Resource::Relay), "op"),
        (receipt.node == relay && permit.node == Some(relay), "node"),
        (now.distance(at) <= CLOCK_TOLERANCE && receipt.window == window_of(at), "window"),
        (at <= later(permit.not_after, CLOCK_TOLERANCE), "ended_before"),
        (in_life(&permit.serial, permit.not_after, receipt.window).is_ok(), "life"),
        (permit.payer.is_of_people(), "payer"),
        (!permit.is_free, "free"),
        (receipt.units > 0, "nothing"),
        (receipt.units <= permit.max_units_node.min(permit.max_units), "over_permit"),
    ];
    match facts.into_iter().find(|(holds, _)| !holds) {
        Some((_, why)) => Err(BadBatch::Receipt(receipt.serial, why)),
        None => Ok(()),
    }
}

/// The first window of which the relay still takes receipts: all before it are over, whatever clocks say within their tolerance.
pub fn open_from(now: Stamp) -> u32 {
    let ms = now.as_ms().saturating_sub(CLOCK_TOLERANCE.as_ms()).saturating_sub(BEFORE_END.as_ms());
    window_of(Stamp(ms))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
    use super::*;
    use model::{AccountClass, AccountNo};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const NOW: Stamp = Stamp(1_800_000_000_000);
    const RELAY: NodeId = NodeId([9; 32]);
    const LEAVE: Leave = Leave { units: 20 << 20, until: Stamp(NOW.0 + 3_600_000) };

    fn at(secs: u64) -> Stamp {
        NOW + Span::secs(secs)
    }

    #[test]
    fn a_session_asks_when_it_moved_something_and_signs_in_steps_and_at_its_end() {
        let mut payer = Payer::default();
        assert_eq!(payer.next(NOW, ASK_FROM - 1, When::Ending), Next::Nothing, "(C)");
        assert_eq!(payer.next(NOW, ASK_FROM, When::Meanwhile), Next::Ask(32 << 20));
        payer.refused(NOW);
        assert_eq!(payer.next(at(599), 9 << 20, When::Ending), Next::Nothing, "a no stands for a while");
        assert_eq!(payer.next(at(600), 9 << 20, When::Meanwhile), Next::Ask(36 << 20));
        payer.given(LEAVE, at(600));
        let window = window_of(at(600));
        let sign = |units| Next::Sign { window, units };
        assert_eq!(payer.next(at(600), 9 << 20, When::Meanwhile), sign(9 << 20), "(D) what waited is signed for");
        assert_eq!(
            payer.next(at(601), (9 << 20) + 5, When::Meanwhile),
            Next::Nothing,
            "little waits, and not for long"
        );
        assert_eq!(payer.next(at(630), (9 << 20) + 5, When::Meanwhile), sign((9 << 20) + 5));
        assert_eq!(payer.next(at(631), (9 << 20) + 7, When::Ending), sign((9 << 20) + 7));
        assert_eq!(payer.next(at(632), (9 << 20) + 7, When::Ending), Next::Nothing);
        assert_eq!(
            payer.next(at(633), 30 << 20, When::Meanwhile),
            sign(20 << 20),
            "(B) no more than there is leave for"
        );
        assert_eq!(payer.next(at(634), 30 << 20, When::Meanwhile), Next::Ask(40 << 20));
    }

    #[test]
    fn a_window_begins_at_nothing_and_a_leave_ends() {
        let mut payer = Payer::default();
        let late = Leave { until: NOW + Span::hours(9), ..LEAVE };
        payer.given(late, NOW);
        let first = payer.next(NOW, 100, When::Ending);
        assert_eq!(first, Next::Sign { window: window_of(NOW), units: 100 });
        let next = NOW + Span::hours(6);
        assert_eq!(payer.next(next, 130, When::Ending), Next::Sign { window: window_of(NOW) + 1, units: 30 });
        assert_eq!(payer.next(at(9), 170, When::Ending), Next::Nothing, "a clock that went back waits");
        assert_eq!(payer.next(NOW + Span::hours(9), 170, When::Ending), Next::Nothing, "the leave is over");
        assert_eq!(payer.next(NOW + Span::hours(9), ASK_FROM + 130, When::Ending), Next::Ask(32 << 20));
        let over = NOW + Span::hours(10);
        for useless in [Leave { until: over, ..LEAVE }, Leave { units: 0, until: over + Span::hours(1) }] {
            payer.given(useless, over);
            assert_eq!(payer.next(over, 1 << 30, When::Ending), Next::Nothing, "it is not asked for again and again");
        }
        assert_eq!((units(0), units(u64::MAX), units(UNITS_MIN + 1)), (UNITS_MIN, UNITS_MAX, UNITS_MIN + 1));
    }

    proptest! {
        /// (A, B, D) Whatever is moved, given and refused: under each permit and window the count never falls and keeps to the permit, and
        /// all last counts together are what was moved, less what waits.
        #[test]
        fn no_more_is_signed_than_was_moved(
            steps in prop::collection::vec((0u64..40 << 20, 0u64..7_200, any::<bool>(), any::<bool>()), 1..120)
        ) {
            let (mut payer, mut moved, mut now, mut permit) = (Payer::default(), 0, NOW, 0u32);
            let mut last: BTreeMap<(u32, u32), u64> = BTreeMap::new();
            let mut most = BTreeMap::new();
            for (bytes, secs, is_last, is_given) in steps {
                (moved, now) = (moved + bytes, now + Span::secs(secs));
                let when = if is_last { When::Ending } else { When::Meanwhile };
                for _ in 0..4 {
                    match payer.next(now, moved, when) {
                        Next::Nothing => break,
                        Next::Ask(asked) if is_given => {
                            permit += 1;
                            most.insert(permit, asked);
                            payer.given(Leave { units: asked, until: now + Span::hours(2) }, now);
                        }
                        Next::Ask(_) => payer.refused(now),
                        Next::Sign { window, units } => {
                            prop_assert_eq!(window, window_of(now));
                            prop_assert!(units <= most[&permit]);
                            let before = last.insert((permit, window), units).unwrap_or(0);
                            prop_assert!(units > before);
                        }
                    }
                }
                let signed: u64 = last.values().sum();
                prop_assert!(signed <= moved);
                prop_assert_eq!(signed, payer.paid);
            }
        }

        /// A window that is over takes nothing that a clock within its tolerance could still sign.
        #[test]
        fn no_receipt_of_a_window_that_is_over_is_kept(now in 1u64 << 36..1 << 42, apart in 0u64..900_001, is_ahead: bool) {
            let signed = if is_ahead { now + apart } else { now - apart };
            prop_assert!(window_of(Stamp(signed)) >= open_from(Stamp(now)));
        }
    }

    #[test]
    fn each_wrong_receipt_is_named() {
        const SERIAL: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];
        let payer = AccountNo::new(AccountClass::Member, 1);
        let permit = PermitFacts {
            serial: SERIAL,
            op: 8,
            is_free: false,
            payer,
            node: Some(RELAY),
            max_units: 100,
            max_units_node: 100,
            not_after: NOW,
            is_key_known: true,
        };
        let receipt = ReceiptFacts { kind: 8, serial: SERIAL, node: RELAY, units: 100, window: window_of(NOW) };
        assert_eq!(judge(&permit, (&receipt, NOW), RELAY, NOW), Ok(()));
        let reserve = AccountNo::new(AccountClass::Repair, 1);
        let permits = [
            (PermitFacts { is_key_known: false, ..permit }, "key"),
            (PermitFacts { serial: [2; 16], ..permit }, "serial"),
            (PermitFacts { op: 1, ..permit }, "op"),
            (PermitFacts { node: None, ..permit }, "node"),
            (PermitFacts { node: Some(NodeId([8; 32])), ..permit }, "node"),
            (PermitFacts { not_after: Stamp(NOW.0 - 900_001), ..permit }, "ended_before"),
            (PermitFacts { payer: reserve, ..permit }, "payer"),
            (PermitFacts { is_free: true, ..permit }, "free"),
            (PermitFacts { max_units: 99, ..permit }, "over_permit"),
            (PermitFacts { max_units_node: 99, ..permit }, "over_permit"),
        ];
        for (permit, why) in permits {
            assert_eq!(judge(&permit, (&receipt, NOW), RELAY, NOW), Err(BadBatch::Receipt(SERIAL, why)));
        }
        // Issued after the window: its hand-in would void the whole of it.
        let mut late = SERIAL;
        late[..8].copy_from_slice(&(NOW.0 + 2 * WINDOW.as_ms()).to_le_bytes());
        let (permit_late, receipt_late) =
            (PermitFacts { serial: late, ..permit }, ReceiptFacts { serial: late, ..receipt });
        let judged = judge(&permit_late, (&receipt_late, NOW), RELAY, NOW);
        assert_eq!(judged, Err(BadBatch::Receipt(late, "life")));
        let receipts = [
            (ReceiptFacts { serial: [3; 16], ..receipt }, NOW, "serial"),
            (ReceiptFacts { kind: 1, ..receipt }, NOW, "op"),
            (ReceiptFacts { node: NodeId([7; 32]), ..receipt }, NOW, "node"),
            (ReceiptFacts { window: receipt.window + 1, ..receipt }, NOW, "window"),
            (receipt, Stamp(NOW.0 - 900_001), "window"),
            (receipt, Stamp(NOW.0 + 900_001), "window"),
            (ReceiptFacts { units: 0, ..receipt }, NOW, "nothing"),
            (ReceiptFacts { units: 101, ..receipt }, NOW, "over_permit"),
        ];
        for (receipt, at, why) in receipts {
            assert_eq!(judge(&permit, (&receipt, at), RELAY, NOW), Err(BadBatch::Receipt(receipt.serial, why)));
        }
    }
}
