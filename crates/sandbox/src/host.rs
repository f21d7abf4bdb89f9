//! What a guest can call. `wasmtime-wasi` carries files; clock, randomness, standard streams, waiting, directory order and file
//! facts are ours, because theirs differ between machines.
//!
//! - Time is steps: 1 ns each, 1 µs per look at a clock, waiting jumps. It starts at 2000-01-01T00:00:00Z.
//! - File facts: device and inode 0, one link, all times 0, directories of size 0. An inode number is no identity.
//! - Directories are listed by name; the entry's number is its place.
//! - Standard streams cannot be closed or renumbered, so what they write is always counted where it belongs.
//!
//! Not evened out: error numbers of the file system below in rare cases (too long names, for instance), and the number of
//! files open at once, which the process limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::{AsContextMut, Caller, Extern, Linker, ResourceLimiter, Trap};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as p1, WasiSnapshotPreview1};
use wiggle::GuestMemory;

use crate::attempt::{End, Limits};
use crate::profile::{CALL_FUEL, P1, TABLE_ELEMENTS_MAX};

/// 2000-01-01T00:00:00Z in nanoseconds of Unix time.
const START_NS: u64 = 946_684_800_000_000_000;
/// What one look at a clock lets pass.
const LOOK_NS: u64 = 1_000;
/// Bytes that one call may copy in the host at most; more is an error of the call.
const CALL_BYTES: usize = 16 << 20;
/// Bytes of a directory listing in the host at most.
const LISTING_BYTES: usize = 1 << 20;
/// What one gap between two looks at the clock counts at most: 250 ms.
const GAP_NS_MAX: u64 = 250_000_000;
/// Buffers of one vectored call on a standard stream at most.
const BUFFERS_MAX: i32 = 1_024;
/// Waits in one `poll_oneoff` at most.
const POLL_MAX: u32 = 1_024;

const SUCCESS: i32 = 0;
const BADF: i32 = 8;
const FAULT: i32 = 21;
const INVAL: i32 = 28;
const NOMEM: i32 = 48;
const NOTSUP: i32 = 58;

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
    jumped_ns: u64,
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
    fn jump(&mut self, passed_ns: u64) {
        self.jumped_ns = self.jumped_ns.saturating_add(passed_ns);
    }

    fn write_file_bytes(&mut self, count: u64) -> Result<(), End> {
        self.file_bytes = self.file_bytes.saturating_add(count);
        let limit = self.limits.scratch_bytes.saturating_add(self.limits.output_bytes);
        if self.file_bytes > limit { Err(End::FilesTooLarge) } else { Ok(()) }
    }

    fn make_file(&mut self) -> Result<(), End> {
        self.files = self.files.saturating_add(1);
        if self.files > self.limits.files { Err(End::TooManyFiles) } else { Ok(()) }
    }

    fn print(&mut self, fd: i32, bytes: &[u8]) -> Result<(), End> {
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
    bytes: Arc<[u8]>,
    at: usize,
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

type Call<'a> = Caller<'a, Guest>;

/// Counts a call and looks at the clock, for a guest that calls more than it computes.
fn charge(caller: &mut Call<'_>) -> wasmtime::Result<()> {
    charge_bytes(caller, CALL_FUEL)?;
    if caller.data().watch.is_over() {
        return Err(End::OutOfTime.into());
    }
    Ok(())
}

/// Counts bytes that a call moves, a step each.
fn charge_bytes(caller: &mut Call<'_>, bytes: u64) -> wasmtime::Result<()> {
    let Some(left) = caller.get_fuel()?.checked_sub(bytes) else {
        caller.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    };
    caller.set_fuel(left)
}

/// The guest's memory and its state, side by side.
fn split<'a>(caller: &'a mut Call<'_>) -> wasmtime::Result<(&'a mut [u8], &'a mut Guest)> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => {
            let (bytes, guest) = memory.data_and_store_mut(caller.as_context_mut());
            guest.wasi.set_hostcall_fuel(CALL_BYTES);
            Ok((bytes, guest))
        }
        _ => wasmtime::bail!("the module exports no memory"),
    }
}

/// Hands calls on to `wasmtime-wasi`, counted.
macro_rules! pass {
    ($linker:ident: $($name:ident($($arg:ident: $ty:ty),*)),* $(,)?) => {$(
        $linker.func_wrap_async(P1, stringify!($name), |mut caller: Call<'_>, ($($arg,)*): ($($ty,)*)| {
            Box::new(async move {
                charge(&mut caller)?;
                let (memory, guest) = split(&mut caller)?;
                p1::$name(&mut guest.wasi, &mut GuestMemory::Unshared(memory), $($arg),*).await
            })
        })?;
    )*};
}

/// The same for calls that are not asynchronous.
macro_rules! pass_sync {
    ($linker:ident: $($name:ident($($arg:ident: $ty:ty),*)),* $(,)?) => {$(
        $linker.func_wrap(P1, stringify!($name), |mut caller: Call<'_>, $($arg: $ty),*| -> wasmtime::Result<i32> {
            charge(&mut caller)?;
            let (memory, guest) = split(&mut caller)?;
            p1::$name(&mut guest.wasi, &mut GuestMemory::Unshared(memory), $($arg),*)
        })?;
    )*};
}

/// Links every offered function and no other.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    link_passed(linker)?;
    link_clocks(linker)?;
    link_writes(linker)?;
    link_reads(linker)?;
    link_closing(linker)?;
    link_files(linker)?;
    link_facts(linker)
}

fn link_passed(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    pass_sync!(linker:
        args_get(a: i32, b: i32),
        args_sizes_get(a: i32, b: i32),
        environ_get(a: i32, b: i32),
        environ_sizes_get(a: i32, b: i32),
        fd_allocate(a: i32, b: i64, c: i64),
        fd_fdstat_set_flags(a: i32, b: i32),
        fd_prestat_get(a: i32, b: i32),
        fd_prestat_dir_name(a: i32, b: i32, c: i32),
        fd_tell(a: i32, b: i32),
    );
    pass!(linker:
        fd_fdstat_get(a: i32, b: i32),
        fd_seek(a: i32, b: i64, c: i32, d: i32),
        path_readlink(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32),
        path_remove_directory(a: i32, b: i32, c: i32),
        path_rename(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32),
        path_unlink_file(a: i32, b: i32, c: i32),
    );
    // Nothing reaches a disk that must last, and times are always 0.
    linker.func_wrap(P1, "fd_advise", |_: i32, _: i64, _: i64, _: i32| SUCCESS)?;
    linker.func_wrap(P1, "fd_datasync", |_: i32| SUCCESS)?;
    linker.func_wrap(P1, "fd_sync", |_: i32| SUCCESS)?;
    linker.func_wrap(P1, "fd_filestat_set_times", |_: i32, _: i64, _: i64, _: i32| SUCCESS)?;
    linker
        .func_wrap(P1, "path_filestat_set_times", |_: i32, _: i32, _: i32, _: i32, _: i64, _: i64, _: i32| SUCCESS)?;
    linker.func_wrap(P1, "sched_yield", |mut caller: Call<'_>| charge(&mut caller).map(|()| SUCCESS))?;
    linker.func_wrap(P1, "proc_exit", |code: i32| -> wasmtime::Result<()> { Err(End::Exit(code).into()) })?;
    Ok(())
}

/// Nanoseconds since the guest's start, by its own count.
fn elapsed_ns(caller: &Call<'_>) -> wasmtime::Result<u64> {
    let guest = caller.data();
    let used = guest.limits.fuel.saturating_sub(caller.get_fuel()?);
    Ok(used.saturating_add(guest.jumped_ns))
}

fn link_clocks(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap(P1, "clock_res_get", |mut caller: Call<'_>, id: i32, out: i32| {
        charge(&mut caller)?;
        wasmtime::Result::Ok(if (0..=3).contains(&id) {
            put(split(&mut caller)?.0, out, &LOOK_NS.to_le_bytes())
        } else {
            INVAL
        })
    })?;
    linker.func_wrap(P1, "clock_time_get", |mut caller: Call<'_>, id: i32, _: i64, out: i32| {
        charge(&mut caller)?;
        caller.data_mut().jump(LOOK_NS);
        let now = elapsed_ns(&caller)?;
        let time = match id {
            0 => START_NS.saturating_add(now),
            1..=3 => now,
            _ => return Ok(INVAL),
        };
        wasmtime::Result::Ok(put(split(&mut caller)?.0, out, &time.to_le_bytes()))
    })?;
    linker.func_wrap(P1, "random_get", |mut caller: Call<'_>, out: i32, count: i32| {
        charge(&mut caller)?;
        charge_bytes(&mut caller, u64::from(count as u32))?;
        if count as u32 as usize > CALL_BYTES {
            return Ok(INVAL);
        }
        let (memory, guest) = split(&mut caller)?;
        let Some(room) = range(memory, out, count) else { return Ok(FAULT) };
        guest.random.fill(room);
        wasmtime::Result::Ok(SUCCESS)
    })?;
    linker.func_wrap(P1, "poll_oneoff", poll)?;
    Ok(())
}

/// One wait of `poll_oneoff`, as the guest wrote it.
struct Wait {
    userdata: [u8; 8],
    kind: u8,
    /// When a clock is due, in nanoseconds since the start; 0 for descriptors, which are always ready.
    due_ns: u64,
}

/// Waits without waiting: descriptors are ready at once, else the clock jumps to the first time asked for.
fn poll(mut caller: Call<'_>, subs: i32, events: i32, count: i32, out: i32) -> wasmtime::Result<i32> {
    charge(&mut caller)?;
    charge_bytes(&mut caller, u64::from(count as u32))?;
    let now = elapsed_ns(&caller)?;
    let memory = split(&mut caller)?.0;
    if count <= 0 || count as u32 > POLL_MAX {
        return Ok(INVAL);
    }
    let Some(asked) = range(memory, subs, count * 48) else { return Ok(FAULT) };
    let Some(waits) = asked.chunks_exact(48).map(|sub| read_wait(sub, now)).collect::<Option<Vec<_>>>() else {
        return Ok(INVAL);
    };
    let first = waits.iter().map(|wait| wait.due_ns).min().unwrap_or(0).max(now);
    let ready = waits.iter().filter(|wait| wait.due_ns <= first && (wait.kind == 0 || first == now));
    let mut bytes = Vec::new();
    for wait in ready {
        bytes.extend_from_slice(&wait.userdata);
        bytes.extend_from_slice(&[0, 0, wait.kind, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&u64::from(wait.kind != 0).to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
    }
    let ready_count = (bytes.len() / 32) as u32;
    let done = put(memory, events, &bytes).max(put(memory, out, &ready_count.to_le_bytes()));
    caller.data_mut().jump(first - now);
    Ok(done)
}

/// Reads a subscription of 48 bytes; `None` if its kind or clock is unknown.
fn read_wait(sub: &[u8], now: u64) -> Option<Wait> {
    let userdata = sub[..8].try_into().ok()?;
    let kind = sub[8];
    if kind != 0 {
        return (kind <= 2).then_some(Wait { userdata, kind, due_ns: 0 });
    }
    let clock = u32::from_le_bytes(sub[16..20].try_into().ok()?);
    let timeout = u64::from_le_bytes(sub[24..32].try_into().ok()?);
    let is_absolute = u16::from_le_bytes(sub[40..42].try_into().ok()?) & 1 == 1;
    let due_ns = match (clock, is_absolute) {
        (0, true) => timeout.saturating_sub(START_NS),
        (1, true) => timeout,
        (0 | 1, false) => now.saturating_add(timeout),
        _ => return None,
    };
    Some(Wait { userdata, kind, due_ns })
}

fn link_writes(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap_async(P1, "fd_write", |mut caller: Call<'_>, (fd, iovs, count, out): (i32, i32, i32, i32)| {
        Box::new(async move {
            charge(&mut caller)?;
            if fd == 1 || fd == 2 {
                return print(&mut caller, fd, (iovs, count), out);
            }
            let (memory, guest) = split(&mut caller)?;
            let done = p1::fd_write(&mut guest.wasi, &mut GuestMemory::Unshared(memory), fd, iovs, count, out).await?;
            count_written(&mut caller, done, out)
        })
    })?;
    linker.func_wrap_async(
        P1,
        "fd_pwrite",
        |mut caller: Call<'_>, (fd, iovs, count, at, out): (i32, i32, i32, i64, i32)| {
            Box::new(async move {
                charge(&mut caller)?;
                let (memory, guest) = split(&mut caller)?;
                let memory = &mut GuestMemory::Unshared(memory);
                let done = p1::fd_pwrite(&mut guest.wasi, memory, fd, iovs, count, at, out).await?;
                count_written(&mut caller, done, out)
            })
        },
    )?;
    Ok(())
}

fn link_reads(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap_async(P1, "fd_read", |mut caller: Call<'_>, (fd, iovs, count, out): (i32, i32, i32, i32)| {
        Box::new(async move {
            charge(&mut caller)?;
            if fd == 0 {
                return read_stdin(&mut caller, (iovs, count), out);
            }
            let (memory, guest) = split(&mut caller)?;
            let done = p1::fd_read(&mut guest.wasi, &mut GuestMemory::Unshared(memory), fd, iovs, count, out).await?;
            count_read(&mut caller, done, out)
        })
    })?;
    linker.func_wrap_async(
        P1,
        "fd_pread",
        |mut caller: Call<'_>, (fd, iovs, count, at, out): (i32, i32, i32, i64, i32)| {
            Box::new(async move {
                charge(&mut caller)?;
                let (memory, guest) = split(&mut caller)?;
                let memory = &mut GuestMemory::Unshared(memory);
                let done = p1::fd_pread(&mut guest.wasi, memory, fd, iovs, count, at, out).await?;
                count_read(&mut caller, done, out)
            })
        },
    )?;
    Ok(())
}

/// Standard streams stay what they are.
fn link_closing(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap_async(P1, "fd_close", |mut caller: Call<'_>, (fd,): (i32,)| {
        Box::new(async move {
            charge(&mut caller)?;
            if (0..=2).contains(&fd) {
                return Ok(SUCCESS);
            }
            let (memory, guest) = split(&mut caller)?;
            p1::fd_close(&mut guest.wasi, &mut GuestMemory::Unshared(memory), fd).await
        })
    })?;
    linker.func_wrap_async(P1, "fd_renumber", |mut caller: Call<'_>, (from, to): (i32, i32)| {
        Box::new(async move {
            charge(&mut caller)?;
            if (0..=2).contains(&from) || (0..=2).contains(&to) {
                return Ok(NOTSUP);
            }
            let (memory, guest) = split(&mut caller)?;
            p1::fd_renumber(&mut guest.wasi, &mut GuestMemory::Unshared(memory), from, to).await
        })
    })?;
    Ok(())
}

/// The buffers of a vectored call as (place, length), cut to what one call may copy; or the errno.
fn buffers(memory: &mut [u8], (iovs, count): (i32, i32)) -> Result<Vec<(i32, i32)>, i32> {
    if !(0..=BUFFERS_MAX).contains(&count) {
        return Err(INVAL);
    }
    let table = range(memory, iovs, count * 8).ok_or(FAULT)?;
    let word = |bytes: &[u8]| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let mut left = CALL_BYTES as u32;
    let mut found = Vec::new();
    for iov in table.chunks_exact(8) {
        let length = (word(&iov[4..]) as u32).min(left);
        left -= length;
        found.push((word(iov), length as i32));
    }
    Ok(found)
}

fn print(caller: &mut Call<'_>, fd: i32, iovs: (i32, i32), out: i32) -> wasmtime::Result<i32> {
    let (memory, guest) = split(caller)?;
    let parts = match buffers(memory, iovs) {
        Ok(parts) => parts,
        Err(errno) => return Ok(errno),
    };
    let mut written = 0u32;
    for (at, length) in parts {
        let Some(bytes) = range(memory, at, length) else { return Ok(FAULT) };
        guest.print(fd, bytes)?;
        written += length as u32;
    }
    let done = put(memory, out, &written.to_le_bytes());
    charge_bytes(caller, u64::from(written))?;
    Ok(done)
}

fn read_stdin(caller: &mut Call<'_>, iovs: (i32, i32), out: i32) -> wasmtime::Result<i32> {
    let (memory, guest) = split(caller)?;
    let parts = match buffers(memory, iovs) {
        Ok(parts) => parts,
        Err(errno) => return Ok(errno),
    };
    let stdin = &mut guest.stdin;
    let mut read = 0u32;
    for (at, length) in parts {
        let Some(room) = range(memory, at, length) else { return Ok(FAULT) };
        let count = room.len().min(stdin.bytes.len() - stdin.at);
        room[..count].copy_from_slice(&stdin.bytes[stdin.at..stdin.at + count]);
        stdin.at += count;
        read += count as u32;
    }
    let done = put(memory, out, &read.to_le_bytes());
    charge_bytes(caller, u64::from(read))?;
    Ok(done)
}

/// Counts what a call to `wasmtime-wasi` says it wrote to a file.
fn count_written(caller: &mut Call<'_>, done: i32, out: i32) -> wasmtime::Result<i32> {
    if done != SUCCESS {
        return Ok(done);
    }
    let (memory, guest) = split(caller)?;
    let written = told(memory, out);
    guest.write_file_bytes(written)?;
    charge_bytes(caller, written)?;
    Ok(SUCCESS)
}

/// Counts what a call to `wasmtime-wasi` says it read from a file.
fn count_read(caller: &mut Call<'_>, done: i32, out: i32) -> wasmtime::Result<i32> {
    let read = if done == SUCCESS { told(split(caller)?.0, out) } else { 0 };
    charge_bytes(caller, read)?;
    Ok(done)
}

/// The count of bytes that a call has put at `out`.
fn told(memory: &mut [u8], out: i32) -> u64 {
    range(memory, out, 4).map_or(0, |bytes| u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])))
}

/// `O_CREAT` of `path_open`.
const CREATE: i32 = 1;

fn link_files(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    type Open = (i32, i32, i32, i32, i32, i64, i64, i32, i32);
    linker.func_wrap_async(P1, "path_open", |mut caller: Call<'_>, args: Open| {
        Box::new(async move {
            charge(&mut caller)?;
            let (memory, guest) = split(&mut caller)?;
            let memory = &mut GuestMemory::Unshared(memory);
            let (dir, look, path, length, how, base, inherited, flags, out) = args;
            if how & CREATE != 0 {
                guest.make_file()?;
            }
            p1::path_open(&mut guest.wasi, memory, dir, look, path, length, how, base, inherited, flags, out).await
        })
    })?;
    linker.func_wrap_async(
        P1,
        "path_create_directory",
        |mut caller: Call<'_>, (dir, path, length): (i32, i32, i32)| {
            Box::new(async move {
                charge(&mut caller)?;
                let (memory, guest) = split(&mut caller)?;
                guest.make_file()?;
                p1::path_create_directory(&mut guest.wasi, &mut GuestMemory::Unshared(memory), dir, path, length).await
            })
        },
    )?;
    linker.func_wrap_async(P1, "fd_filestat_set_size", |mut caller: Call<'_>, (fd, size): (i32, i64)| {
        Box::new(async move {
            charge(&mut caller)?;
            let (memory, guest) = split(&mut caller)?;
            guest.write_file_bytes(size as u64)?;
            p1::fd_filestat_set_size(&mut guest.wasi, &mut GuestMemory::Unshared(memory), fd, size).await
        })
    })?;
    Ok(())
}

fn link_facts(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap_async(P1, "fd_filestat_get", |mut caller: Call<'_>, (fd, out): (i32, i32)| {
        Box::new(async move {
            charge(&mut caller)?;
            let (memory, guest) = split(&mut caller)?;
            let done = p1::fd_filestat_get(&mut guest.wasi, &mut GuestMemory::Unshared(memory), fd, out).await?;
            Ok(if done == SUCCESS { even_out(memory, out) } else { done })
        })
    })?;
    type Stat = (i32, i32, i32, i32, i32);
    linker.func_wrap_async(P1, "path_filestat_get", |mut caller: Call<'_>, (dir, look, path, length, out): Stat| {
        Box::new(async move {
            charge(&mut caller)?;
            let (memory, guest) = split(&mut caller)?;
            let room = &mut GuestMemory::Unshared(memory);
            let done = p1::path_filestat_get(&mut guest.wasi, room, dir, look, path, length, out).await?;
            Ok(if done == SUCCESS { even_out(memory, out) } else { done })
        })
    })?;
    type List = (i32, i32, i32, i64, i32);
    linker.func_wrap_async(P1, "fd_readdir", |mut caller: Call<'_>, (fd, out, length, cookie, used): List| {
        Box::new(async move {
            charge(&mut caller)?;
            let (memory, guest) = split(&mut caller)?;
            let mut entries = match list(guest, fd).await? {
                Ok(entries) => entries,
                Err(errno) => return Ok(errno),
            };
            entries.sort();
            let Some(room) = range(memory, out, length) else { return Ok(FAULT) };
            let bytes = write_entries(&entries, cookie as u64, room.len());
            room[..bytes.len()].copy_from_slice(&bytes);
            Ok(put(memory, used, &(bytes.len() as u32).to_le_bytes()))
        })
    })?;
    Ok(())
}

/// Overwrites what differs between machines in a file stat of 64 bytes.
fn even_out(memory: &mut [u8], out: i32) -> i32 {
    const DIRECTORY: u8 = 3;
    let Some(stat) = range(memory, out, 64) else { return FAULT };
    stat[..16].fill(0);
    stat[24..32].copy_from_slice(&1u64.to_le_bytes());
    if stat[16] == DIRECTORY {
        stat[32..40].fill(0);
    }
    stat[40..].fill(0);
    SUCCESS
}

/// All entries of a directory as (name, kind), in whatever order the system has them; or the errno.
async fn list(guest: &mut Guest, fd: i32) -> wasmtime::Result<Result<Vec<(Vec<u8>, u8)>, i32>> {
    const RESULT: usize = 8;
    guest.wasi.set_hostcall_fuel(CALL_BYTES);
    let mut scratch = vec![0u8; RESULT + LISTING_BYTES];
    let room = &mut GuestMemory::Unshared(&mut scratch);
    let done = p1::fd_readdir(&mut guest.wasi, room, fd, RESULT as i32, LISTING_BYTES as i32, 0, 0).await?;
    if done != SUCCESS {
        return Ok(Err(done));
    }
    let used = u32::from_le_bytes([scratch[0], scratch[1], scratch[2], scratch[3]]) as usize;
    if used == LISTING_BYTES {
        return Ok(Err(NOMEM));
    }
    let mut rest = &scratch[RESULT..RESULT + used];
    let mut entries = Vec::new();
    while let Some((head, tail)) = rest.split_at_checked(24) {
        let length = u32::from_le_bytes([head[16], head[17], head[18], head[19]]) as usize;
        let Some((name, tail)) = tail.split_at_checked(length) else { return Ok(Err(BADF)) };
        entries.push((name.to_vec(), head[20]));
        rest = tail;
    }
    Ok(Ok(entries))
}

/// Entries from place `cookie` on, cut at `room` bytes as the interface wants it.
fn write_entries(entries: &[(Vec<u8>, u8)], cookie: u64, room: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let first = usize::try_from(cookie).unwrap_or(usize::MAX);
    for (place, (name, kind)) in entries.iter().enumerate().skip(first) {
        let next = place as u64 + 1;
        bytes.extend_from_slice(&next.to_le_bytes());
        bytes.extend_from_slice(&next.to_le_bytes());
        bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&[*kind, 0, 0, 0]);
        bytes.extend_from_slice(name);
        if bytes.len() >= room {
            bytes.truncate(room);
            break;
        }
    }
    bytes
}

/// `count` bytes of the guest at `at`, or `None` if they lie outside of its memory.
fn range(memory: &mut [u8], at: i32, count: i32) -> Option<&mut [u8]> {
    let start = at as u32 as usize;
    memory.get_mut(start..start.checked_add(count as u32 as usize)?)
}

/// Writes `bytes` into the guest at `at`.
fn put(memory: &mut [u8], at: i32, bytes: &[u8]) -> i32 {
    match range(memory, at, bytes.len() as i32) {
        Some(room) => {
            room.copy_from_slice(bytes);
            SUCCESS
        }
        None => FAULT,
    }
}
