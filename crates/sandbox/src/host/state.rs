//! What a running guest carries: its limits and how much of them is used, its standard streams, its watch.

use std::sync::Arc;

use wasmtime::ResourceLimiter;
use wasmtime_wasi::p1::WasiP1Ctx;

use super::stdio::{Errors, Out, Stdin};
use super::watch::Watch;
use crate::attempt::{End, Limits};
use crate::profile::TABLE_ELEMENTS_MAX;

/// Everything a running guest carries.
pub(crate) struct Guest {
    pub(crate) wasi: WasiP1Ctx,
    pub(crate) memory: MemoryMeter,
    pub(crate) limits: Limits,
    pub(crate) watch: Arc<Watch>,
    pub(crate) stdin: Stdin,
    pub(crate) out: Out,
    stderr: Errors,
    pub(crate) random: blake3::OutputReader,
    pub(super) jumped_ns: u64,
    file_bytes: u64,
    files: u32,
}

impl Guest {
    /// A guest that has not run; `seed` decides all its randomness.
    pub(crate) fn new(wasi: WasiP1Ctx, limits: Limits, (stdin, out): (Stdin, Out), seed: &[u8; 32]) -> Self {
        let watch = Arc::new(Watch::new(limits.wall, out.to()));
        Self {
            wasi,
            memory: MemoryMeter { limit: limits.memory_bytes, watch: watch.clone(), is_refused: false },
            limits,
            watch,
            stdin,
            out,
            stderr: Errors::new(limits.stderr_bytes),
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

    pub(super) fn print(&mut self, fd: i32, bytes: &[u8]) -> wasmtime::Result<()> {
        if fd == 1 {
            return self.out.write(bytes);
        }
        if let Some(fraction) = self.stderr.write(bytes) {
            self.watch.set_fraction(fraction);
        }
        Ok(())
    }

    /// What is left: the tail of standard error, and how much input nobody asked for.
    pub(crate) fn leave(self) -> (Vec<u8>, u64) {
        (self.stderr.into_tail(), self.stdin.left())
    }
}

/// Holds linear memory and tables to their limits.
pub(crate) struct MemoryMeter {
    limit: u64,
    watch: Arc<Watch>,
    pub(crate) is_refused: bool,
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let desired = desired as u64;
        if desired > self.limit {
            self.is_refused = true;
            return Ok(false);
        }
        self.watch.set_memory(desired);
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
