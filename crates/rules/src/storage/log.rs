//! When are a bucket's changes stored among its pieces, and how are its logs kept few (`docs/design/storage.md` §8)?
//!
//! (A) At most one log in [`LOG_EVERY`], and only on change. (B) Each change is written again at most about
//! log₁.₅(all ÷ first) times, as a log is taken into a newer one only while that is at least half as long. (C) No log that is made
//! of others is longer than [`LOG_BYTES_MAX`]; so logs are as many as their bytes ÷ that, and a logarithm.

use model::{Span, Stamp};

/// Shortest time between two logs of one bucket by one machine.
pub const LOG_EVERY: Span = Span::mins(10);
/// Longest content of a log in bytes: it is made in memory.
pub const LOG_BYTES_MAX: u64 = 16 << 20;

/// What is known of one bucket's log on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogState {
    /// Place of the last change seen.
    pub seen: u64,
    /// Place of the last change that was logged, or looked at and found to need no log.
    pub logged: u64,
    /// When that was; none before the first.
    pub at: Option<Stamp>,
}

/// Whether it is time to write a log, when there is one every `every` at most: [`LOG_EVERY`], or less under a center for tests.
pub fn is_due(now: Stamp, every: Span, state: &LogState) -> bool {
    state.seen > state.logged && state.at.is_none_or(|at| now.since(at) >= every)
}

/// How many of the newest logs go into a new one of `fresh` bytes; `sizes` of the logs, oldest first.
pub fn merged(sizes: &[u64], fresh: u64) -> usize {
    let (mut total, mut count) = (fresh, 0);
    for size in sizes.iter().rev() {
        let with = total.saturating_add(*size);
        if *size > total.saturating_mul(2) || with > LOG_BYTES_MAX {
            break;
        }
        (total, count) = (with, count + 1);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_log_is_due_on_change_and_not_twice_in_ten_minutes() {
        let now = Stamp(1_800_000_000_000);
        let state =
            |seen, logged, ago: Option<Span>| LogState { seen, logged, at: ago.map(|ago| Stamp(now.0 - ago.0)) };
        assert!(is_due(now, LOG_EVERY, &state(1, 0, None)), "(A) the first change");
        assert!(!is_due(now, LOG_EVERY, &state(0, 0, None)), "(A) nothing changed");
        assert!(!is_due(now, LOG_EVERY, &state(5, 5, Some(Span::hours(9)))), "(A) nothing changed since");
        assert!(!is_due(now, LOG_EVERY, &state(6, 5, Some(Span::mins(9)))), "(A) too early");
        assert!(is_due(now, LOG_EVERY, &state(6, 5, Some(LOG_EVERY))));
        let back = LogState { seen: 6, logged: 5, at: Some(now + Span::hours(1)) };
        assert!(!is_due(now, LOG_EVERY, &back), "a clock that went back waits until it has caught up");
    }

    proptest! {
        #[test]
        fn logs_stay_few_and_little_is_written_again(fresh in proptest::collection::vec(1u64..2_000_000, 1..400)) {
            let (mut sizes, mut written): (Vec<u64>, u64) = (Vec::new(), 0);
            for one in &fresh {
                let count = merged(&sizes, *one);
                let taken: u64 = sizes.drain(sizes.len() - count..).sum();
                sizes.push(one + taken);
                written += one + taken;
                prop_assert!(sizes.last() <= Some(&LOG_BYTES_MAX.max(*one)), "(C)");
            }
            let all: u64 = fresh.iter().sum();
            prop_assert_eq!(sizes.iter().sum::<u64>(), all, "nothing is left out");
            let smallest = *fresh.iter().min().unwrap();
            let rounds = ((all as f64 / smallest as f64).ln() / 1.5f64.ln()).ceil() + 2.0;
            prop_assert!(written as f64 <= all as f64 * rounds, "(B) {} of {}", written, all);
            let most = 2.0 * all as f64 / LOG_BYTES_MAX as f64 + rounds * 2.0;
            prop_assert!((sizes.len() as f64) <= most, "(C) {} logs of {}", sizes.len(), all);
        }
    }
}
