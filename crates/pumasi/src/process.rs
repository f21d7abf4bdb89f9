//! Processes of this program: a lock per role and home, a detached start with a log file, and the pipe that ends a child
//! with its parent.

use crate::fault::Fault;
use model::errors;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::pin::Pin;
use std::process::{Command, Stdio};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Set for children that must end when the pipe on their standard input closes, whatever ended their parent.
pub const PARENT_PIPE: &str = "PUMASI_PARENT_PIPE";
/// A log file is begun anew at a start when it has grown beyond this.
const LOG_MAX: u64 = 8 << 20;

/// Held for as long as a role runs in a home; the file names the process.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its drop, which unlocks")] Flock<File>);

impl Lock {
    /// Takes the lock or says who holds it (E0006).
    pub fn take(path: &Path) -> Result<Self, Fault> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| Fault::file(path, &e))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut held) => {
                let mut write = || -> std::io::Result<()> {
                    held.set_len(0)?;
                    held.rewind()?;
                    write!(held, "{}", std::process::id())
                };
                write().map_err(|e| Fault::file(path, &e))?;
                Ok(Self(held))
            }
            Err((mut file, _)) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let fault = Fault::new(errors::ALREADY_RUNNING, [("path", &path.display().to_string())]);
                Err(fault.because(format!("pid {}", pid.trim())))
            }
        }
    }
}

/// Starts this program again, detached from the terminal, its output going to `log`. Returns its process number.
pub fn start_detached(args: &[&str], log: &Path) -> Result<u32, Fault> {
    let exe = std::env::current_exe().map_err(Fault::bug)?;
    log.parent().map_or(Ok(()), crate::home::create_private_dir)?;
    let too_long = std::fs::metadata(log).is_ok_and(|m| m.len() > LOG_MAX);
    let open = OpenOptions::new().create(true).append(!too_long).write(true).truncate(too_long).open(log);
    let out = open.map_err(|e| Fault::file(log, &e))?;
    let err = out.try_clone().map_err(|e| Fault::file(log, &e))?;
    let mut command = Command::new(exe);
    command.args(args).env_remove(PARENT_PIPE).stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
    let mut child = command.spawn().map_err(|e| Fault::bug(format!("cannot start {}: {e}", args.join(" "))))?;
    let pid = child.id();
    // The parent may live on (as `init` does for a moment): reap the child should it end first.
    std::thread::spawn(move || child.wait());
    Ok(pid)
}

/// Resolves when the parent's pipe closes; never where there is none.
pub async fn parent_gone() {
    if std::env::var_os(PARENT_PIPE).is_none() {
        return std::future::pending().await;
    }
    let (send, gone) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut byte = [0; 1];
        while matches!(std::io::stdin().read(&mut byte), Ok(n) if n > 0) {}
        let _ = send.send(());
    });
    let _ = gone.await;
}

/// Resolves at Ctrl-C, SIGTERM or when the parent's pipe closes; says which exit code fits (130, 143, 0).
pub async fn stop_asked() -> u8 {
    match Stops::new() {
        Ok(mut stops) => stops.next().await,
        Err(_) => {
            parent_gone().await;
            0
        }
    }
}

/// Requests to end, from its first moment on: none is lost between two waits.
pub struct Stops {
    interrupt: Signal,
    terminate: Signal,
    gone: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_gone: bool,
}

impl Stops {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system's, where signals cannot be listened for.
    pub fn new() -> std::io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, gone: Box::pin(parent_gone()), is_gone: false })
    }

    /// Resolves at the next one, as [`stop_asked`] does; a parent that is gone stays so.
    pub async fn next(&mut self) -> u8 {
        if self.is_gone {
            return 0;
        }
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
            () = &mut self.gone => {
                self.is_gone = true;
                0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.lock");
        let held = Lock::take(&path).unwrap();
        let fault = Lock::take(&path).unwrap_err();
        assert_eq!(fault.id, errors::ALREADY_RUNNING);
        assert_eq!(fault.cause, Some(format!("pid {}", std::process::id())));
        drop(held);
        Lock::take(&path).unwrap();
    }
}
