//! One run inside the child: store, limits, instance, `_start`, and the name of its end. Each run has a store and an instance
//! of its own; what runs of one module share is the linked code.

use std::future::Future;
use std::path::Path;
use std::task::Poll;

use wasmtime::{Engine, InstancePre, Linker, Module, Store, Trap};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::attempt::{End, Limits};
use crate::frame::{Ended, Order};
use crate::host::{self, Broken, Guest, Out, Stdin, Watch};
use crate::profile::FUEL_YIELD;

/// Name the guest sees as its first argument, the same everywhere.
const PROGRAM: &str = "guest";

/// What a run leaves behind.
pub(crate) struct Ran {
    pub(crate) ended: Ended,
    pub(crate) stderr: Vec<u8>,
    /// Bytes of standard input that nobody asked for.
    pub(crate) unread: u64,
}

/// A module with everything it imports, ready to run any number of times.
pub(crate) struct Loaded {
    code: InstancePre<Guest>,
    runtime: tokio::runtime::Runtime,
}

impl Loaded {
    /// Links `module`; `change` may then change what it can call, in tests.
    ///
    /// # Errors
    /// The module wants something that is not offered.
    pub(crate) fn new(
        engine: &Engine,
        module: &Module,
        change: impl FnOnce(&mut Linker<Guest>) -> wasmtime::Result<()>,
    ) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(engine);
        host::link(&mut linker)?;
        change(&mut linker)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(Self { code: linker.instantiate_pre(module)?, runtime })
    }

    /// Runs once, with the folders `in`, `out` and `tmp` of `folder`.
    ///
    /// # Errors
    /// The host failed, not the guest.
    pub(crate) fn run(&self, order: &Order, folder: &Path, stdin: Stdin, out: Out) -> wasmtime::Result<Ran> {
        let _entered = self.runtime.enter();
        let mut store = Store::new(self.code.module().engine(), guest(order, folder, (stdin, out))?);
        store.limiter(|guest| &mut guest.memory);
        store.set_fuel(order.limits.fuel)?;
        store.fuel_async_yield_interval(Some(FUEL_YIELD))?;
        let watch = store.data().watch.clone();
        let end = self.runtime.block_on(until(&watch, self.start(&mut store)));
        let fuel = order.limits.fuel.saturating_sub(store.get_fuel()?);
        let mut guest = store.into_data();
        let end = name(end, &guest)?;
        guest.out.flush()?;
        watch.tell_last()?;
        let (stderr, unread) = guest.leave();
        Ok(Ran { ended: Ended { end, fuel, peak_memory_bytes: watch.peak() }, stderr, unread })
    }

    async fn start(&self, store: &mut Store<Guest>) -> wasmtime::Result<()> {
        let instance = self.code.instantiate_async(&mut *store).await?;
        let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
        start.call_async(store, ()).await
    }
}

fn guest(order: &Order, folder: &Path, streams: (Stdin, Out)) -> wasmtime::Result<Guest> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.allow_blocking_current_thread(true).arg(PROGRAM).args(&order.args);
    for (name, value) in &order.env {
        wasi.env(name, value);
    }
    wasi.preopened_dir(folder.join("in"), "/in", FsPerms::ReadOnly)?
        .preopened_dir(folder.join("out"), "/out", FsPerms::ReadWrite)?
        .preopened_dir(folder.join("tmp"), "/tmp", FsPerms::ReadWrite)?;
    Ok(Guest::new(wasi.build_p1(), order.limits, streams, &order.seed))
}

/// Looks at the clock each time the guest yields, and tells how far it is.
async fn until(watch: &Watch, run: impl Future<Output = wasmtime::Result<()>>) -> wasmtime::Result<()> {
    let mut run = std::pin::pin!(run);
    std::future::poll_fn(|context| match run.as_mut().poll(context) {
        Poll::Pending => {
            watch.add_steps(FUEL_YIELD);
            match watch.look() {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            }
        }
        other => other,
    })
    .await
}

/// What the engine's answer means; an error if it means that the host failed.
fn name(result: wasmtime::Result<()>, guest: &Guest) -> wasmtime::Result<End> {
    let Err(error) = result else { return Ok(End::Exit(0)) };
    if error.is::<Broken>() {
        return Err(error);
    }
    if let Some(end) = error.downcast_ref::<End>() {
        return Ok(end.clone());
    }
    Ok(match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => End::OutOfFuel,
        Some(Trap::StackOverflow) => End::StackOverflow,
        _ if guest.memory.is_refused => End::OutOfMemory,
        Some(trap) => End::Trap(trap.to_string()),
        None => End::Trap(format!("{error:#}")),
    })
}

/// Private memory a running child may have, in bytes: the guest's limit, its code, and room for the host.
pub(crate) fn data_bytes(limits: &Limits, code_bytes: u64) -> u64 {
    const HOST: u64 = 64 << 20;
    limits
        .memory_bytes
        .saturating_add(code_bytes.saturating_mul(3))
        .saturating_add(limits.stderr_bytes)
        .saturating_add(HOST)
}
