//! When a node looks at its own pieces again (`docs/design/storage.md` §13): each one once in 30 d, in the order of their
//! segments' ids.
//!
//! Ids are spread evenly, so a place in their order is a share of all pieces: after a tenth of the round a tenth of the order
//! is looked at, and the one number "how far" outlives restarts. (A) A machine that is on looks at each piece every 30 d; one
//! that was off catches up in its idle time and is at most so late as it was off. (B) Nothing is looked at twice in a round.

use model::{Span, Stamp};

/// A round over all pieces; `length` below is this, or what a center for tests makes of it.
pub const ROUND: Span = Span::days(30);
/// Later than this is told to the owner: the disk is hardly ever idle.
pub const LATE_AFTER: Span = Span::days(5);

/// How far a round is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// When it began, or should have.
    pub began: Stamp,
    /// First eight bytes of the segments' ids that are done, as a big-endian number.
    pub done: u64,
}

/// What is to be looked at now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Segments whose id begins with a number above `Round::done`, up to this one.
    UpTo(u64),
    /// The rest; then the next round begins, so long after this one as [`ROUND`].
    Rest,
}

/// How far a round should be at `now`.
pub fn due(round: &Round, length: Span, now: Stamp) -> Due {
    let elapsed = now.since(round.began).as_ms();
    if elapsed >= length.as_ms() {
        return Due::Rest;
    }
    let share = u128::from(u64::MAX) * u128::from(elapsed) / u128::from(length.as_ms().max(1));
    Due::UpTo(u64::try_from(share).unwrap_or(u64::MAX))
}

/// The round after this one. One that is over by more than a round begins now: what was missed cannot be made up.
pub fn next(round: &Round, length: Span, now: Stamp) -> Round {
    let planned = round.began + length;
    Round { began: if now.since(planned) >= length { now } else { planned }, done: 0 }
}

/// How late the place `done` is at `now`.
pub fn late(round: &Round, now: Stamp) -> Span {
    let planned = u128::from(ROUND.as_ms()) * u128::from(round.done) / u128::from(u64::MAX);
    let planned = round.began + Span(u64::try_from(planned).unwrap_or(u64::MAX));
    now.since(planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Stamp = Stamp(1_800_000_000_000);

    /// Looks every `every`; when `is_on` says no, not. The longest time between two looks at the same place.
    fn longest_gap(every: Span, days: u64, is_on: impl Fn(u64) -> bool) -> Span {
        let mut seen = [T0; 97];
        let (mut round, mut now, mut longest) = (Round { began: T0, done: 0 }, T0, Span::ZERO);
        while now < T0 + Span::days(days) {
            now = now + every;
            if !is_on(now.since(T0).as_secs() / 86_400) {
                continue;
            }
            let to = match due(&round, ROUND, now) {
                Due::UpTo(to) => to,
                Due::Rest => u64::MAX,
            };
            for (place, at) in seen.iter_mut().enumerate() {
                let key = u64::MAX / 97 * place as u64 + 5;
                if key > round.done && key <= to {
                    longest = Span(longest.as_ms().max(now.since(*at).as_ms()));
                    *at = now;
                }
            }
            round.done = to;
            if to == u64::MAX {
                round = next(&round, ROUND, now);
            }
        }
        longest
    }

    #[test]
    fn each_piece_is_seen_every_thirty_days_give_or_take_five() {
        assert!(longest_gap(Span::mins(10), 200, |_| true) <= Span::days(30) + Span::mins(20));
        // On at weekends only.
        assert!(longest_gap(Span::mins(10), 400, |day| day % 7 >= 5) <= Span::days(35));
        // Off for three weeks now and then: late by those.
        assert!(longest_gap(Span::mins(10), 400, |day| day % 60 >= 21) <= Span::days(52));
    }

    #[test]
    fn lateness_is_how_far_behind_the_plan() {
        let half = Round { began: T0, done: u64::MAX / 2 };
        assert_eq!(late(&half, T0 + Span::days(10)), Span::ZERO);
        assert!(late(&half, T0 + Span::days(21)) >= LATE_AFTER);
    }
}
