//! One run inside the child: store, limits, instance, `_start`, and the name of its end.

use std::future::Future;
use std::task::Poll;

use wasmtime::{Engine, Linker, Module, Store, Trap};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::attempt::{End, Limits};
use crate::frame::{Ended, Order};
use crate::host::{self, Guest, Watch};
use crate::profile::FUEL_YIELD;

/// Name the guest sees as its first argument, the same everywhere.
const PROGRAM: &str = "guest";

/// What a run leaves behind.
pub(crate) struct Ran {
    pub(crate) ended: Ended,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Runs `module` with the folders `in`, `out` and `tmp` of the current directory.
///
/// # Errors
/// The host failed, not the guest.
pub(crate) fn run(engine: &Engine, module: &Module, order: &Order, stdin: Vec<u8>) -> wasmtime::Result<Ran> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let _entered = runtime.enter();
    let mut store = Store::new(engine, guest(order, stdin)?);
    store.limiter(|guest| &mut guest.memory);
    store.set_fuel(order.limits.fuel)?;
    store.fuel_async_yield_interval(Some(FUEL_YIELD))?;
    let watch = store.data().watch.clone();
    let end = runtime.block_on(until(&watch, start(engine, module, &mut store)));
    let fuel = order.limits.fuel.saturating_sub(store.get_fuel()?);
    let mut guest = store.into_data();
    guest.trim_stderr();
    let ended = Ended { end: name(end, &guest), fuel, peak_memory_bytes: guest.memory.peak };
    Ok(Ran { ended, stdout: guest.stdout, stderr: guest.stderr })
}

fn guest(order: &Order, stdin: Vec<u8>) -> wasmtime::Result<Guest> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.allow_blocking_current_thread(true).arg(PROGRAM).args(&order.args);
    for (name, value) in &order.env {
        wasi.env(name, value);
    }
    wasi.preopened_dir("in", "/in", FsPerms::ReadOnly)?
        .preopened_dir("out", "/out", FsPerms::ReadWrite)?
        .preopened_dir("tmp", "/tmp", FsPerms::ReadWrite)?;
    Ok(Guest::new(wasi.build_p1(), order.limits, stdin, &order.seed))
}

async fn start(engine: &Engine, module: &Module, store: &mut Store<Guest>) -> wasmtime::Result<()> {
    let mut linker = Linker::new(engine);
    host::link(&mut linker)?;
    let instance = linker.instantiate_async(&mut *store, module).await?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    start.call_async(store, ()).await
}

/// Looks at the clock each time the guest yields.
async fn until(watch: &Watch, run: impl Future<Output = wasmtime::Result<()>>) -> wasmtime::Result<()> {
    let mut run = std::pin::pin!(run);
    std::future::poll_fn(|context| match run.as_mut().poll(context) {
        Poll::Pending if watch.is_over() => Poll::Ready(Err(End::OutOfTime.into())),
        other => other,
    })
    .await
}

/// What the engine's answer means.
fn name(result: wasmtime::Result<()>, guest: &Guest) -> End {
    let Err(error) = result else { return End::Exit(0) };
    if let Some(end) = error.downcast_ref::<End>() {
        return end.clone();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => End::OutOfFuel,
        Some(Trap::StackOverflow) => End::StackOverflow,
        _ if guest.memory.is_refused => End::OutOfMemory,
        Some(trap) => End::Trap(trap.to_string()),
        None => End::Trap(format!("{error:#}")),
    }
}

/// Private memory a running child may have, in bytes: the guest's limit and room for the host.
pub(crate) fn data_bytes(limits: &Limits, handed_bytes: u64) -> u64 {
    const HOST: u64 = 64 << 20;
    let copies = handed_bytes.saturating_mul(3).saturating_add(limits.output_bytes.saturating_mul(2));
    limits.memory_bytes.saturating_add(copies).saturating_add(HOST)
}
