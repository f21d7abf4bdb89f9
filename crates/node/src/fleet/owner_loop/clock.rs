//! Time of the owner's machine: follows the wall clock forwards, never backwards.

use super::span;
use model::{Span, Stamp};
use tokio::time::Instant;

/// Minutes of a week: hours of rules repeat after so many.
const WEEK_MIN: i64 = 7 * 1_440;

/// Local time minus UTC in minutes, by this machine's time zone.
pub(super) fn utc_offset_min(at: Stamp) -> i16 {
    use chrono::{Local, Offset, TimeZone};
    let seconds = i64::try_from(at.as_ms() / 1_000).unwrap_or(i64::MAX);
    let offset = Local.timestamp_opt(seconds, 0).earliest().map(|local| local.offset().fix().local_minus_utc());
    offset.and_then(|seconds| i16::try_from(seconds / 60).ok()).unwrap_or(0)
}

/// A clock whose readings never fall: where the wall clock is set back, the difference is kept as [`Self::ahead_min`].
#[derive(Debug)]
pub(super) struct Clock {
    wall: fn() -> Stamp,
    base: Stamp,
    base_at: Instant,
    ahead: Span,
}

/// A change of the lead over the wall clock that is no jitter.
const JITTER: Span = Span::secs(1);

impl Clock {
    pub(super) fn new(wall: fn() -> Stamp) -> Self {
        Self { wall, base: wall(), base_at: Instant::now(), ahead: Span::ZERO }
    }

    /// Time now. After a sleep of the machine the wall clock is ahead, and its time counts.
    pub(super) fn now(&mut self) -> Stamp {
        let (wall, at) = ((self.wall)(), Instant::now());
        let steady = self.base + span(at - self.base_at);
        if wall > steady {
            (self.base, self.base_at) = (wall, at);
        }
        let ahead = steady.since(wall);
        if ahead == Span::ZERO || ahead.as_ms().abs_diff(self.ahead.as_ms()) > JITTER.as_ms() {
            self.ahead = ahead;
        }
        wall.max(steady)
    }

    /// How far it is ahead of the wall clock, in minutes of the week.
    pub(super) fn ahead_min(&self) -> i16 {
        let minutes = self.ahead.as_ms() / 60_000;
        i16::try_from(i64::try_from(minutes).unwrap_or(0) % WEEK_MIN).expect("a week has 10,080 minutes")
    }

    /// A reading of this clock as the wall clock's, for people.
    pub(super) fn to_wall(&self, stamp: Stamp) -> Stamp {
        stamp - self.ahead
    }

    /// When a moment of this clock comes.
    pub(super) fn instant(&self, stamp: Stamp, now: Stamp) -> Instant {
        Instant::now() + stamp.since(now).to_std()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WALL: AtomicU64 = AtomicU64::new(1_000_000_000);

    fn wall() -> Stamp {
        Stamp(WALL.load(Ordering::SeqCst))
    }

    #[test]
    fn time_never_runs_backwards_and_hours_follow_the_wall() {
        let mut clock = Clock::new(wall);
        let first = clock.now();
        WALL.store(1_000_000_000 + 3_600_000, Ordering::SeqCst);
        let later = clock.now();
        assert!(later.since(first).as_secs() >= 3_600, "forwards counts");
        WALL.store(1_000_000_000, Ordering::SeqCst);
        let now = clock.now();
        assert!(now >= later, "(D)");
        assert_eq!(clock.ahead_min(), 60);
        assert!(clock.to_wall(now).distance(wall()).as_ms() < 1_000);
        WALL.store(0, Ordering::SeqCst);
        let now = clock.now();
        assert!(now >= later && (0..10_080).contains(&i64::from(clock.ahead_min())));
    }

    #[test]
    fn this_machine_has_a_time_zone() {
        assert!(utc_offset_min(Stamp(1_790_000_000_000)).abs() <= 14 * 60);
        assert_eq!(utc_offset_min(Stamp(u64::MAX)), utc_offset_min(Stamp(u64::MAX)), "any stamp is answered");
    }
}
