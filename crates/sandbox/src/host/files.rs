//! Files and folders: how many are made, in which order they are listed, and facts that are the same everywhere.

use wasmtime::Linker;
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as p1, WasiSnapshotPreview1};
use wiggle::GuestMemory;

use super::{BADF, CALL_BYTES, Call, FAULT, Guest, NOMEM, SUCCESS, charge, put, range, split};
use crate::profile::P1;

/// Bytes of a directory listing in the host at most.
const LISTING_BYTES: usize = 1 << 20;
/// `O_CREAT` of `path_open`.
const CREATE: i32 = 1;

/// Links what opens, makes, lists and looks at files.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    link_files(linker)?;
    link_facts(linker)
}

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
