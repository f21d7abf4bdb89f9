//! The child's side: raise the walls, say so, do one task, end. It holds no key and no address, and starts with an empty
//! environment in an empty folder of its own.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use crate::frame::{self, Compiled, Finished, Ready, Task};
use crate::guest;
use crate::profile;
use crate::trusted;
use crate::walls::{Bounds, SystemWalls, Walls};

/// Body of a frame to a child at most, in bytes: the parent is trusted, this only catches faults.
const BODY_BYTES_MAX: u64 = 8 << 30;

/// Runs the child to its end. `args` are the three numbers of [`Bounds`], as [`Runner`](crate::Runner) passes them.
/// Must be the first thing a process does: namespaces are left before there is a second thread.
pub fn main(args: impl IntoIterator<Item = String>) -> ExitCode {
    let numbers = args.into_iter().map(|arg| arg.parse::<u64>().ok()).collect::<Option<Vec<_>>>();
    let Some([data_bytes, file_bytes, cpu_s]) = numbers.as_deref() else {
        return ExitCode::from(2);
    };
    let bounds = Bounds { data_bytes: *data_bytes, file_bytes: *file_bytes, cpu_s: *cpu_s };
    // Foreign bytes come after these lines only.
    let walls: SystemWalls = Default::default();
    let raised = walls.raise(&bounds);
    match serve(&Ready { raised }, &mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(ready: &Ready, from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    frame::send(to, ready, &[])?;
    let (task, body) = frame::receive::<Task>(from, BODY_BYTES_MAX)?;
    let engine = profile::engine().map_err(io::Error::other)?;
    match task {
        Task::Compile => match profile::compile(&engine, &body) {
            Ok(code) => frame::send(to, &Compiled(Ok(())), &[&code]),
            Err(bad) => frame::send(to, &Compiled(Err(bad)), &[]),
        },
        Task::Run { order, stdin_bytes } => {
            let split = usize::try_from(stdin_bytes).ok().and_then(|bytes| body.len().checked_sub(bytes));
            let (code, stdin) = body.split_at(split.ok_or(io::ErrorKind::InvalidData)?);
            let ran =
                trusted::load(&engine, code).and_then(|module| guest::run(&engine, &module, &order, stdin.to_vec()));
            match ran {
                Ok(ran) => {
                    let head = Finished { ended: Ok(ran.ended), stderr_bytes: ran.stderr.len() as u64 };
                    frame::send(to, &head, &[&ran.stdout, &ran.stderr])
                }
                Err(error) => frame::send(to, &Finished { ended: Err(format!("{error:#}")), stderr_bytes: 0 }, &[]),
            }
        }
    }
}
