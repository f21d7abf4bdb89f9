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

mod clock;
mod files;
mod state;
mod stdio;
mod streams;
mod watch;

use wasmtime::{AsContextMut, Caller, Extern, Linker, Trap};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as p1, WasiSnapshotPreview1};
use wiggle::GuestMemory;

use crate::attempt::End;
use crate::profile::{CALL_FUEL, P1};

pub(crate) use state::Guest;
pub(crate) use stdio::{Broken, Out, Stdin, To, send};
pub(crate) use watch::Watch;

/// Bytes that one call may copy in the host at most; more is an error of the call.
const CALL_BYTES: usize = 16 << 20;

const SUCCESS: i32 = 0;
const BADF: i32 = 8;
const FAULT: i32 = 21;
const INVAL: i32 = 28;
const NOMEM: i32 = 48;
const NOTSUP: i32 = 58;

type Call<'a> = Caller<'a, Guest>;

/// Counts a call and looks at the clock, for a guest that calls more than it computes.
fn charge(caller: &mut Call<'_>) -> wasmtime::Result<()> {
    charge_bytes(caller, CALL_FUEL)?;
    let left = caller.get_fuel()?;
    let guest = caller.data();
    guest.watch.set_steps(guest.limits.fuel.saturating_sub(left));
    guest.watch.look()
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
    clock::link(linker)?;
    streams::link(linker)?;
    files::link(linker)
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
