//! How far a payer signs ahead of what it has received, and how far a holder serves (`docs/design/security.md` §6,
//! `ledger.md` §4). One count per serial, holder and window of six hours, on each side.
//!
//! (A) A payer signs at most one step beyond what it has received; the step begins at 256 KiB and grows by half to 8 MiB, so
//! either side risks one step. (B) What is signed never falls within a window. (C) A holder hands out no more than is signed,
//! all its streams under a serial together. (D) What may have been sent on a stream that was given up counts as received: a
//! payer that is wrong about it pays, and never waits for a holder that waits for it.

/// Bytes signed ahead at first.
pub const STEP_FIRST: u64 = 256 << 10;
/// Most bytes signed ahead.
pub const STEP_MAX: u64 = 8 << 20;

/// A payer's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payer {
    window: u32,
    received: u64,
    signed: u64,
    step: u64,
}

impl Payer {
    /// A count that begins.
    pub const fn new(window: u32) -> Self {
        Self { window, received: 0, signed: 0, step: STEP_FIRST }
    }

    /// Units under the newest signature, and its window.
    pub const fn signed(&self) -> (u32, u64) {
        (self.window, self.signed)
    }

    /// Asks what to sign now, in `window`, for somebody who waits for `left` more bytes; nothing while enough is signed.
    /// A first small read is signed exactly, and never more than `most`, which the permit allows.
    pub fn raise(&mut self, window: u32, left: u64, most: u64) -> Option<u64> {
        if window > self.window {
            *self = Self { window, received: 0, signed: 0, step: self.step };
        }
        if left == 0 || self.ahead() >= left.min(self.step / 2) {
            return None;
        }
        let before = self.signed;
        if self.signed == 0 {
            self.signed = (self.received + left.min(self.step)).min(most);
        } else {
            self.signed = (self.signed.max(self.received) + self.step).min(most).max(before);
            self.step = (self.step + self.step / 2).min(STEP_MAX);
        }
        (self.signed > before).then_some(self.signed)
    }

    fn ahead(&self) -> u64 {
        self.signed.saturating_sub(self.received)
    }

    /// Less than half a step is signed ahead: whoever waits for many bytes shall look.
    pub fn is_short(&self) -> bool {
        self.ahead() < self.step / 2
    }

    /// So many bytes came.
    pub fn got(&mut self, bytes: u64) {
        self.received = self.received.saturating_add(bytes);
    }

    /// A stream was given up with so many bytes missing.
    pub fn gave_up(&mut self, left: u64) {
        self.received = self.received.saturating_add(left).min(self.signed.max(self.received));
    }
}

/// A holder's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Served {
    /// The window.
    pub window: u32,
    /// Units under the newest receipt of it.
    pub signed: u64,
    /// Units handed out in it.
    pub served: u64,
}

/// What a receipt that was read means for a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It replaces the last.
    Newer,
    /// A newer one came before; nothing changes.
    Stale,
}

impl Served {
    /// Takes the units of a receipt whose signature, serial and holder are right. A window that is over comes too late.
    pub fn take(&mut self, window: u32, units: u64) -> Taken {
        if window > self.window {
            *self = Self { window, signed: units, served: 0 };
        } else if window == self.window && units > self.signed {
            self.signed = units;
        } else {
            return Taken::Stale;
        }
        Taken::Newer
    }

    /// Hands out up to `wanted` units; as many as are signed for.
    pub fn hand_out(&mut self, wanted: u64) -> u64 {
        let units = wanted.min(self.signed.saturating_sub(self.served));
        self.served += units;
        units
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_grow_by_half_and_a_small_read_is_signed_exactly() {
        let mut payer = Payer::new(7);
        assert_eq!(payer.raise(7, 4_096, u64::MAX), Some(4_096));
        assert_eq!(payer.raise(7, 4_096, u64::MAX), None);
        payer.got(4_096);
        assert_eq!(payer.raise(7, 0, u64::MAX), None);
        let mut steps = Vec::new();
        for _ in 0..12 {
            let before = payer.signed().1;
            payer.got(before - payer.received);
            steps.push(payer.raise(7, 1 << 40, u64::MAX).unwrap() - before);
        }
        assert_eq!(steps[..4], [256 << 10, 384 << 10, 576 << 10, 864 << 10]);
        assert_eq!(steps[11], STEP_MAX);
        assert_eq!(payer.raise(8, 100, u64::MAX), Some(100), "a window begins at nothing");
        assert_eq!(payer.signed(), (8, 100));
        let mut near = Payer::new(7);
        assert_eq!(near.raise(7, 1 << 20, 300_000), Some(256 << 10));
        near.got(200_000);
        assert_eq!(
            (near.raise(7, 1 << 20, 300_000), near.raise(7, 1 << 20, 300_000)),
            (Some(300_000), None),
            "the permit's end"
        );
    }

    proptest! {
        /// Streams of one serial, some given up, bytes in flight: the payer risks one step, the holder serves what is signed,
        /// and a stream that waits is never left waiting once all in flight has come.
        #[test]
        fn either_side_risks_one_step_and_nobody_waits_for_ever(
            acts in prop::collection::vec((0..4_usize, 1..3_000_000_u64, 0..20_u8), 1..300), most in 3_000_000..200_000_000_u64,
        ) {
            let (mut payer, mut holder) = (Payer::new(1), Served { window: 1, ..Served::default() });
            let mut streams = [0_u64; 4];
            let mut flight = [0_u64; 4];
            let mut asked = 0;
            for (at, bytes, act) in acts {
                // Nobody asks for more than its permit allows in all.
                if streams[at] == 0 && flight[at] == 0 && asked + bytes <= most {
                    (streams[at], asked) = (bytes, asked + bytes);
                }
                if let Some(units) = payer.raise(1, streams[at] + flight[at], most) {
                    let _ = holder.take(1, units);
                    prop_assert!(payer.signed <= payer.received + flight.iter().sum::<u64>() + 2 * STEP_MAX);
                }
                match act {
                    0 => {
                        payer.gave_up(streams[at] + flight[at]);
                        (streams[at], flight[at]) = (0, 0);
                    }
                    1..=9 => {
                        let sent = holder.hand_out(streams[at].min(bytes));
                        (streams[at], flight[at]) = (streams[at] - sent, flight[at] + sent);
                    }
                    _ => {
                        payer.got(flight[at]);
                        flight[at] = 0;
                    }
                }
                prop_assert!(holder.served <= holder.signed && holder.signed <= payer.signed && payer.signed <= most);
                prop_assert!(payer.received >= holder.served - flight.iter().sum::<u64>());
            }
            payer.got(flight.iter().sum());
            for left in streams.into_iter().filter(|left| *left > 0) {
                if let Some(units) = payer.raise(1, left, most) {
                    let _ = holder.take(1, units);
                }
                let sent = holder.hand_out(left);
                prop_assert!(sent > 0, "a stream waits for ever");
                payer.got(sent);
            }
        }
    }
}
