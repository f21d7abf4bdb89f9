//! Reading and writing, counted: standard streams are ours, files are those of `wasmtime-wasi`.

use wasmtime::Linker;
use wasmtime_wasi::p1::wasi_snapshot_preview1 as p1;
use wiggle::GuestMemory;

use super::{CALL_BYTES, Call, FAULT, Guest, INVAL, NOTSUP, SUCCESS, charge, charge_bytes, put, range, split};
use crate::profile::P1;

/// Buffers of one vectored call on a standard stream at most.
const BUFFERS_MAX: i32 = 1_024;

/// Links what reads, writes and closes.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    link_writes(linker)?;
    link_reads(linker)?;
    link_closing(linker)
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
    let mut read = 0u32;
    for (at, length) in parts {
        let Some(room) = range(memory, at, length) else { return Ok(FAULT) };
        read += guest.stdin.read(room)?;
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
