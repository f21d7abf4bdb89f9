//! What happened to the check-ins of a simulated fleet: counts, and how long answers took.

use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Longest answer that is told apart, in µs.
const LONGEST_US: u64 = 120_000_000;

/// Shared by all sockets.
pub struct Tally {
    answered: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    times_us: Mutex<Histogram<u64>>,
}

/// What was counted since the last time it was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// Check-ins answered.
    pub answered: u64,
    /// Not answered in time, or the link was gone.
    pub failed: u64,
    /// Answered by a refusal.
    pub refused: u64,
    /// From the moment a check-in was due to its answer, in ms.
    pub p50_ms: f64,
    /// 99th percentile of the same.
    pub p99_ms: f64,
    /// Longest.
    pub max_ms: f64,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Self {
        let times = Histogram::new_with_bounds(1, LONGEST_US, 3).expect("three digits between 1 µs and 2 min");
        Self {
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            times_us: Mutex::new(times),
        }
    }

    /// A check-in was answered, so long after it was due.
    pub fn answered(&self, after: Duration) {
        self.answered.fetch_add(1, Relaxed);
        let us = u64::try_from(after.as_micros()).unwrap_or(LONGEST_US);
        self.times_us.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(us);
    }

    /// A check-in was not answered.
    pub fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// A check-in was refused.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// What was counted since the last call; begins anew.
    pub fn take(&self) -> Counted {
        let mut times = self.times_us.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = |q: f64| times.value_at_quantile(q) as f64 / 1e3;
        let counted = Counted {
            answered: self.answered.swap(0, Relaxed),
            failed: self.failed.swap(0, Relaxed),
            refused: self.refused.swap(0, Relaxed),
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            max_ms: times.max() as f64 / 1e3,
        };
        times.reset();
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_recorded_since_the_last_time() {
        let tally = Tally::new();
        (1..=100).for_each(|ms| tally.answered(Duration::from_millis(ms)));
        tally.failed();
        let counted = tally.take();
        assert_eq!((counted.answered, counted.failed), (100, 1));
        assert!((counted.p50_ms - 50.0).abs() < 0.2 && (counted.p99_ms - 99.0).abs() < 0.2, "{counted:?}");
        assert_eq!(tally.take().answered, 0);
    }
}
