//! The child's side: raise the walls, say so, do what is asked until the pipe is closed. It holds no key and no address, and
//! starts with an empty environment in an empty folder of its own.

use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use wasmtime::Engine;

use crate::frame::{self, Order, Reply, Task};
use crate::guest::Loaded;
use crate::host::{self, Broken, Out, Stdin, To};
use crate::profile;
use crate::trusted;
use crate::walls::{Bounds, Raised, SystemWalls, Walls};

/// Body of a frame to a child at most, in bytes: the parent is trusted, this only catches faults.
const BODY_BYTES_MAX: u64 = 8 << 30;

/// Runs the child to its end. `args` are the four numbers of [`Bounds`], as [`Runner`](crate::Runner) passes them.
/// Must be the first thing a process does: namespaces are left before there is a second thread.
pub fn main(args: impl IntoIterator<Item = String>) -> ExitCode {
    let numbers = args.into_iter().map(|arg| arg.parse::<u64>().ok()).collect::<Option<Vec<_>>>();
    let Some([data_bytes, file_bytes, cpu_s, gives_way]) = numbers.as_deref() else {
        return ExitCode::from(2);
    };
    let bounds = Bounds { data_bytes: *data_bytes, file_bytes: *file_bytes, cpu_s: *cpu_s, gives_way: *gives_way != 0 };
    // Foreign bytes come after these lines only.
    let walls: SystemWalls = Default::default();
    let raised = walls.raise(&bounds);
    match serve(raised, Arc::new(Mutex::new(io::stdout()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(raised: Raised, to: To) -> Result<(), Broken> {
    host::send(&to, &Reply::Ready(raised), &[])?;
    let engine = profile::engine().map_err(io::Error::other)?;
    let mut loaded = None;
    loop {
        let (task, bytes) = match frame::receive::<Task>(&mut io::stdin()) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        };
        let mut body = Vec::new();
        frame::receive_body(&mut io::stdin(), bytes, &mut body, BODY_BYTES_MAX)?;
        match (task, &loaded) {
            (Task::Compile, _) => match profile::compile(&engine, &body) {
                Ok(code) => host::send(&to, &Reply::Compiled(Ok(())), &code)?,
                Err(bad) => host::send(&to, &Reply::Compiled(Err(bad)), &[])?,
            },
            (Task::Load { is_deep: false }, _) => loaded = Some(load(&engine, &body)),
            (Task::Load { is_deep: true }, _) => {
                let deep = profile::engine_with(profile::DEEP_STACK_BYTES).map_err(io::Error::other)?;
                loaded = Some(load(&deep, &body));
            }
            (Task::Run { order, stdin_bytes }, Some(Ok(loaded))) => run(loaded, &order, stdin_bytes, &to)?,
            (Task::Run { .. }, Some(Err(error))) => host::send(&to, &Reply::Finished(Err(format!("{error:#}"))), &[])?,
            (Task::Run { .. }, None) => return Err(io::Error::from(io::ErrorKind::InvalidData).into()),
        }
    }
}

fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Loaded> {
    Loaded::new(engine, &trusted::load(engine, code)?, |_| Ok(()))
}

fn run(loaded: &Loaded, order: &Order, stdin_bytes: u64, to: &To) -> Result<(), Broken> {
    let stdin = Stdin::new(io::stdin(), stdin_bytes);
    match loaded.run(order, Path::new("."), stdin, Out::new(to.clone(), order.limits.output_bytes)) {
        Ok(ran) => {
            host::send(to, &Reply::Finished(Ok(ran.ended)), &ran.stderr)?;
            // What the guest did not read must not be taken for the next task.
            io::copy(&mut io::stdin().take(ran.unread), &mut io::sink())?;
            Ok(())
        }
        // The pipe may be in disorder: this is the last word.
        Err(error) => {
            host::send(to, &Reply::Finished(Err(format!("{error:#}"))), &[])?;
            Err(io::Error::other("the host failed").into())
        }
    }
}
