//! What the store counts about itself: rows written, commits, how long a write took from call to durable.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets of the histogram: bucket `i` holds times up to `2^(i+6)` µs, the last one everything longer (over 67 s).
pub const BUCKETS: usize = 22;

/// Live counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    rows: AtomicU64,
    writes: AtomicU64,
    commits: AtomicU64,
    retries: AtomicU64,
    write_us_total: AtomicU64,
    write_us: [AtomicU64; BUCKETS],
}

/// A snapshot of the counters since the store was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DbStats {
    /// Rows inserted, changed or deleted by transactions that stand.
    pub rows_written: u64,
    /// Writes that stand.
    pub writes: u64,
    /// Commits that made them durable; on SQLite several writes share one.
    pub commits: u64,
    /// Transactions begun again after they had met another one.
    pub retries: u64,
    /// Sum of the times of all writes that stand, from the call until durable, in µs.
    pub write_us_total: u64,
    /// Those times as a histogram, see [`BUCKETS`] and [`bucket_le_us`].
    pub write_us: [u64; BUCKETS],
    /// Writes that wait for their turn now, of [`super::WRITE_QUEUE_MAX`].
    pub writes_waiting: usize,
    /// Reads that wait for their turn now, of [`super::READ_QUEUE_MAX`].
    pub reads_waiting: usize,
}

/// Upper bound of bucket `index` in µs; none for the last, which has no bound.
pub fn bucket_le_us(index: usize) -> Option<u64> {
    (index + 1 < BUCKETS).then(|| 1 << (index + 6))
}

impl Counters {
    pub(super) fn committed(&self, rows: u64, writes: u64) {
        self.rows.fetch_add(rows, Relaxed);
        self.writes.fetch_add(writes, Relaxed);
        self.commits.fetch_add(u64::from(writes > 0), Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn write_took(&self, span: Duration) {
        let us = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let index = (0..BUCKETS).find(|i| bucket_le_us(*i).is_none_or(|le| us <= le)).unwrap_or(BUCKETS - 1);
        self.write_us[index].fetch_add(1, Relaxed);
        self.write_us_total.fetch_add(us, Relaxed);
    }

    pub(super) fn rows_written(&self) -> u64 {
        self.rows.load(Relaxed)
    }

    pub(super) fn snapshot(&self) -> DbStats {
        DbStats {
            rows_written: self.rows.load(Relaxed),
            writes: self.writes.load(Relaxed),
            commits: self.commits.load(Relaxed),
            retries: self.retries.load(Relaxed),
            write_us_total: self.write_us_total.load(Relaxed),
            write_us: std::array::from_fn(|i| self.write_us[i].load(Relaxed)),
            ..DbStats::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_their_bucket() {
        let counters = Counters::default();
        for us in [1, 64, 65, 128, 129, u64::MAX] {
            counters.write_took(Duration::from_micros(us));
        }
        let seen = counters.snapshot().write_us;
        assert_eq!((seen[0], seen[1], seen[2], seen[BUCKETS - 1]), (2, 2, 1, 1));
        assert_eq!(bucket_le_us(0), Some(64));
        assert_eq!(bucket_le_us(BUCKETS - 1), None);
    }
}
