//! What is seen of a running guest from outside of it: wall time left, steps, memory, progress; and telling the parent of it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::stdio::{Broken, To, send};
use crate::attempt::{End, Progress};
use crate::frame::Reply;

/// What one gap between two looks at the clock counts at most: 250 ms.
const GAP_NS_MAX: u64 = 250_000_000;
/// The least time between two words about progress: 100 ms.
const TELL_NS: u64 = 100_000_000;
/// Bits of a fraction that nobody has said; no number between 0 and 1 has them.
const UNSAID: u32 = u32::MAX;

/// Wall time that is left. A long gap between two looks counts as [`GAP_NS_MAX`]: a parked process does not age, and the
/// parent, which knows how long it was parked, holds the exact time.
pub(crate) struct Watch {
    to: To,
    started: Instant,
    looked_ns: AtomicU64,
    left_ns: AtomicU64,
    told_ns: AtomicU64,
    steps: AtomicU64,
    peak: AtomicU64,
    fraction: AtomicU32,
}

impl Watch {
    pub(super) fn new(wall: Duration, to: To) -> Self {
        let left_ns = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
        let zero = || AtomicU64::new(0);
        Self {
            to,
            started: Instant::now(),
            looked_ns: zero(),
            left_ns: AtomicU64::new(left_ns),
            told_ns: zero(),
            steps: zero(),
            peak: zero(),
            fraction: AtomicU32::new(UNSAID),
        }
    }

    /// Looks at the clock, and tells how far the run is if that is due.
    ///
    /// # Errors
    /// The time is over, or the parent cannot be told.
    pub(crate) fn look(&self) -> wasmtime::Result<()> {
        let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let gap = now.saturating_sub(self.looked_ns.swap(now, Relaxed)).min(GAP_NS_MAX);
        let left = self.left_ns.load(Relaxed).saturating_sub(gap);
        self.left_ns.store(left, Relaxed);
        if left == 0 {
            return Err(End::OutOfTime.into());
        }
        if now.saturating_sub(self.told_ns.load(Relaxed)) >= TELL_NS {
            self.told_ns.store(now, Relaxed);
            self.tell()?;
        }
        Ok(())
    }

    fn tell(&self) -> Result<(), Broken> {
        send(&self.to, &Reply::Progress(self.progress()), &[])
    }

    /// Tells how far the run has come, if the guest ever said so.
    pub(crate) fn tell_last(&self) -> Result<(), Broken> {
        if self.progress().fraction.is_some() { self.tell() } else { Ok(()) }
    }

    fn progress(&self) -> Progress {
        let fraction = Some(self.fraction.load(Relaxed)).filter(|bits| *bits != UNSAID).map(f32::from_bits);
        Progress { fraction, fuel: self.steps.load(Relaxed), peak_memory_bytes: self.peak() }
    }

    /// The steps so far are `steps`.
    pub(super) fn set_steps(&self, steps: u64) {
        self.steps.store(steps, Relaxed);
    }

    /// The guest has gone on by `steps` since it was last known how many there are.
    pub(crate) fn add_steps(&self, steps: u64) {
        self.steps.fetch_add(steps, Relaxed);
    }

    pub(super) fn set_fraction(&self, fraction: f32) {
        self.fraction.store(fraction.to_bits(), Relaxed);
    }

    pub(super) fn set_memory(&self, bytes: u64) {
        self.peak.fetch_max(bytes, Relaxed);
    }

    /// Largest linear memory so far, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Relaxed)
    }
}
