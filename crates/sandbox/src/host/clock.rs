//! Clocks, waiting and randomness: by the guest's own steps and seed, never by the machine's.

use wasmtime::Linker;

use super::{CALL_BYTES, Call, FAULT, Guest, INVAL, SUCCESS, charge, charge_bytes, put, range, split};
use crate::profile::P1;

/// 2000-01-01T00:00:00Z in nanoseconds of Unix time.
const START_NS: u64 = 946_684_800_000_000_000;
/// What one look at a clock lets pass.
const LOOK_NS: u64 = 1_000;
/// Waits in one `poll_oneoff` at most.
const POLL_MAX: u32 = 1_024;

/// Nanoseconds since the guest's start, by its own count.
fn elapsed_ns(caller: &Call<'_>) -> wasmtime::Result<u64> {
    let guest = caller.data();
    let used = guest.limits.fuel.saturating_sub(caller.get_fuel()?);
    Ok(used.saturating_add(guest.jumped_ns))
}

/// Links clocks, randomness and waiting.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
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
