//! What a running guest carries: its limits and how much of them is used, its standard streams, its wall time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;
use wasmtime_wasi::p1::WasiP1Ctx;

use crate::attempt::{End, Limits};
use crate::profile::TABLE_ELEMENTS_MAX;

/// What one gap between two looks at the clock counts at most: 250 ms.
const GAP_NS_MAX: u64 = 250_000_000;

/// Everything a running guest carries.
pub(crate) struct Guest {
    pub(crate) wasi: WasiP1Ctx,
    pub(crate) memory: MemoryMeter,
    pub(crate) limits: Limits,
    pub(crate) watch: Arc<Watch>,
    pub(crate) stdin: Stdin,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) random: blake3::OutputReader,
    pub(super) jumped_ns: u64,
    file_bytes: u64,
    files: u32,
}

impl Guest {
    /// A guest that has not run; `seed` decides all its randomness.
    pub(crate) fn new(wasi: WasiP1Ctx, limits: Limits, stdin: Vec<u8>, seed: &[u8; 32]) -> Self {
        let memory = MemoryMeter { limit: limits.memory_bytes, peak: 0, is_refused: false };
        Self {
            wasi,
            memory,
            limits,
            watch: Arc::new(Watch::new(limits.wall)),
            stdin: Stdin { bytes: stdin.into(), at: 0 },
            stdout: Vec::new(),
            stderr: Vec::new(),
            random: blake3::Hasher::new_derive_key("pumasi sandbox random").update(seed).finalize_xof(),
            jumped_ns: 0,
            file_bytes: 0,
            files: 0,
        }
    }

    /// Lets time pass; it ends at the largest number.
    pub(super) fn jump(&mut self, passed_ns: u64) {
        self.jumped_ns = self.jumped_ns.saturating_add(passed_ns);
    }

    pub(super) fn write_file_bytes(&mut self, count: u64) -> Result<(), End> {
        self.file_bytes = self.file_bytes.saturating_add(count);
        let limit = self.limits.scratch_bytes.saturating_add(self.limits.output_bytes);
        if self.file_bytes > limit { Err(End::FilesTooLarge) } else { Ok(()) }
    }

    pub(super) fn make_file(&mut self) -> Result<(), End> {
        self.files = self.files.saturating_add(1);
        if self.files > self.limits.files { Err(End::TooManyFiles) } else { Ok(()) }
    }

    pub(super) fn print(&mut self, fd: i32, bytes: &[u8]) -> Result<(), End> {
        if fd == 1 {
            if (self.stdout.len() + bytes.len()) as u64 > self.limits.output_bytes {
                return Err(End::OutputTooLarge);
            }
            self.stdout.extend_from_slice(bytes);
            return Ok(());
        }
        self.stderr.extend_from_slice(bytes);
        let keep = usize::try_from(self.limits.stderr_bytes).unwrap_or(usize::MAX);
        if self.stderr.len() > keep.saturating_mul(2) {
            self.trim_stderr();
        }
        Ok(())
    }

    /// Cuts standard error to its last bytes.
    pub(crate) fn trim_stderr(&mut self) {
        let keep = usize::try_from(self.limits.stderr_bytes).unwrap_or(usize::MAX);
        let surplus = self.stderr.len().saturating_sub(keep);
        self.stderr.drain(..surplus);
    }
}

/// Wall time that is left. A long gap between two looks counts as [`GAP_NS_MAX`]: a parked process does not age, and the
/// parent, which knows how long it was parked, holds the exact time.
pub(crate) struct Watch {
    started: Instant,
    looked_ns: AtomicU64,
    left_ns: AtomicU64,
}

impl Watch {
    fn new(wall: Duration) -> Self {
        let left_ns = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
        Self { started: Instant::now(), looked_ns: AtomicU64::new(0), left_ns: AtomicU64::new(left_ns) }
    }

    /// Looks; whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let gap = now.saturating_sub(self.looked_ns.swap(now, Ordering::Relaxed)).min(GAP_NS_MAX);
        let left = self.left_ns.load(Ordering::Relaxed).saturating_sub(gap);
        self.left_ns.store(left, Ordering::Relaxed);
        left == 0
    }
}

/// Standard input and how far it was read.
pub(crate) struct Stdin {
    pub(super) bytes: Arc<[u8]>,
    pub(super) at: usize,
}

/// Holds linear memory and tables to their limits.
pub(crate) struct MemoryMeter {
    limit: u64,
    pub(crate) peak: u64,
    pub(crate) is_refused: bool,
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let desired = desired as u64;
        if desired > self.limit {
            self.is_refused = true;
            return Ok(false);
        }
        self.peak = self.peak.max(desired);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        16
    }
}
