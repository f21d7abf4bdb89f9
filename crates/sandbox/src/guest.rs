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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::SystemTime;

    use wasmtime::{AsContextMut, Caller, Extern};

    use super::*;
    use crate::frame::{self, Reply};
    use crate::profile::{self, P1};
    use crate::{samples, trusted};

    /// Runs a sample in this very process, where `change` may change what it can call; its line of the golden file.
    fn line(name: &str, change: impl FnOnce(&mut Linker<Guest>) -> wasmtime::Result<()>) -> String {
        let folder = tempfile::tempdir().unwrap();
        for part in ["in", "out", "tmp"] {
            std::fs::create_dir(folder.path().join(part)).unwrap();
        }
        let engine = profile::engine().unwrap();
        let code = profile::compile(&engine, samples::get(name).unwrap()).unwrap();
        let loaded = Loaded::new(&engine, &trusted::load(&engine, &code).unwrap(), change).unwrap();
        let limits = Limits { memory_bytes: 16 << 20, fuel: 500_000_000, output_bytes: 1 << 20, ..Limits::default() };
        let order = Order { args: Vec::new(), env: Default::default(), seed: [0; 32], limits };
        let pipe = Arc::new(Mutex::new(Vec::new()));
        let out = Out::new(pipe.clone(), limits.output_bytes);
        let ran = loaded.run(&order, folder.path(), Stdin::new(io::empty(), 0), out).unwrap();
        let (replies, mut stdout) = (pipe.lock().unwrap().clone(), Vec::new());
        let mut rest = replies.as_slice();
        while !rest.is_empty() {
            let (reply, bytes) = frame::receive::<Reply>(&mut rest).unwrap();
            assert!(matches!(reply, Reply::Output | Reply::Progress(_)));
            frame::receive_body(&mut rest, bytes, &mut stdout, u64::MAX).unwrap();
        }
        let (end, fuel, hash) = (ran.ended.end, ran.ended.fuel, blake3::hash(&stdout));
        format!("run\t{name}\t{end}\t{fuel}\t{}\t{hash}", stdout.len())
    }

    fn is_golden(line: &str) -> bool {
        include_str!("../../../guests/GOLDEN").lines().any(|golden| golden == line)
    }

    fn put(mut caller: Caller<'_, Guest>, at: i32, bytes: &[u8]) -> i32 {
        let Some(Extern::Memory(memory)) = caller.get_export("memory") else { return 1 };
        memory.write(caller.as_context_mut(), at as usize, bytes).map_or(21, |()| 0)
    }

    /// The machine's own clock, behind the same name and at the same price.
    fn real_clock(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        linker.allow_shadowing(true);
        linker.func_wrap(P1, "clock_time_get", |caller: Caller<'_, Guest>, _: i32, _: i64, out: i32| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            put(caller, out, &(now.as_nanos() as u64).to_le_bytes())
        })?;
        Ok(())
    }

    /// Randomness that no seed decides.
    fn real_random(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        linker.allow_shadowing(true);
        linker.func_wrap(P1, "random_get", |caller: Caller<'_, Guest>, out: i32, count: i32| {
            let noise = blake3::hash(format!("{:?}", SystemTime::now()).as_bytes());
            put(caller, out, &noise.as_bytes().repeat(count as usize / 32 + 1)[..count as usize])
        })?;
        Ok(())
    }

    #[test]
    fn the_golden_file_sees_a_real_clock_and_real_randomness() {
        for name in ["clock", "random", "nan", "memgrow"] {
            let line = line(name, |_| Ok(()));
            assert!(is_golden(&line), "{line}");
        }
        assert!(!is_golden(&line("clock", real_clock)), "a mutant with the machine's clock is red");
        assert!(!is_golden(&line("random", real_random)), "a mutant with the machine's randomness is red");
    }
}
