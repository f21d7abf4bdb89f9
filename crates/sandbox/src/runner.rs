//! The node's side: lay out the private folder, start a child, hand over the bytes once its walls are known, take the answer,
//! end the child. Blocking; one thread per attempt.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::attempt::{Attempt, AttemptError, BadModule, End, Limits, Outcome};
use crate::cache::{Cache, CodeKey};
use crate::frame::{self, Compiled, Finished, Order, Ready, Task};
use crate::guest;
use crate::walls::{self, Bounds, Raised};

/// How long a child may take to raise its walls.
const READY: Duration = Duration::from_secs(10);
/// What a child gets beyond its wall time to look at its clock and to send its answer.
const GRACE: Duration = Duration::from_secs(2);
/// Folders below `/out` at most, one in another.
const DEPTH_MAX: usize = 16;

/// Bytes of an output's path at most.
const PATH_BYTES_MAX: usize = 1_024;
/// How often a waiting node looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(20);

/// Holds an attempt from another thread, whatever its guest does. The owner of a machine is obeyed within moments.
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<AtomicU8>);

const RUN: u8 = 0;
const PARK: u8 = 1;
const STOP: u8 = 2;

impl Handle {
    /// Halts the process where it is; it keeps its memory and its time does not pass.
    /// Systems without such a signal go on.
    pub fn park(&self) {
        let _ = self.0.compare_exchange(RUN, PARK, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Lets a parked process go on.
    pub fn resume(&self) {
        let _ = self.0.compare_exchange(PARK, RUN, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Kills the process and frees its memory. Cannot be undone.
    pub fn stop(&self) {
        self.0.store(STOP, Ordering::Relaxed);
    }

    fn is(&self, state: u8) -> bool {
        self.0.load(Ordering::Relaxed) == state
    }
}

/// Starts children.
#[derive(Clone, Debug)]
pub struct Runner {
    program: PathBuf,
    args: Vec<String>,
    folder: PathBuf,
    cache: Option<Cache>,
}

impl Runner {
    /// Children are `program args… bounds…`, which must end up in [`child::main`](crate::child::main); their private folders
    /// lie in `folder`.
    pub fn new(program: impl Into<PathBuf>, args: &[&str], folder: impl Into<PathBuf>) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { program: program.into(), args, folder: folder.into(), cache: None }
    }

    /// Keeps compiled code in `cache`.
    #[must_use]
    pub fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// What walls a child of this runner stands behind, measured by starting one.
    ///
    /// # Errors
    /// The child cannot be started or dies.
    pub fn walls(&self) -> Result<Raised, AttemptError> {
        let folder = Private::make(&self.folder, &BTreeMap::new())?;
        let bounds = Bounds { data_bytes: 1 << 30, file_bytes: 0, cpu_s: 10 };
        Ok(Running::start(self, &folder, bounds)?.raised)
    }

    /// Runs one attempt to its end.
    ///
    /// # Errors
    /// There was no run, see [`AttemptError`]. A guest that failed is an [`Outcome`].
    pub fn run(&self, attempt: &Attempt) -> Result<Outcome, AttemptError> {
        self.run_held(attempt, &Handle::default())
    }

    /// Runs one attempt to its end, held by `handle`.
    ///
    /// # Errors
    /// As [`Runner::run`]; [`AttemptError::Stopped`] if it was stopped.
    pub fn run_held(&self, attempt: &Attempt, handle: &Handle) -> Result<Outcome, AttemptError> {
        attempt.check()?;
        let key = CodeKey::of(&attempt.module);
        let kept = self.cache.as_ref().and_then(|cache| cache.get(key));
        let was_cached = kept.is_some();
        let code = match kept {
            Some(code) => code,
            None => self.compile(attempt, key, handle)?,
        };
        let outcome = self.run_code(attempt, &code, handle)?;
        Ok(Outcome { was_cached, ..outcome })
    }

    fn compile(&self, attempt: &Attempt, key: CodeKey, handle: &Handle) -> Result<Vec<u8>, AttemptError> {
        let limits = &attempt.limits;
        let folder = Private::make(&self.folder, &BTreeMap::new())?;
        let bounds = Bounds {
            data_bytes: limits.compile_bytes,
            file_bytes: 0,
            cpu_s: limits.compile.as_secs().saturating_add(2),
        };
        let mut running = Running::start(self, &folder, bounds)?;
        running.require(attempt)?;
        let task: (&Task, &[&[u8]]) = (&Task::Compile, &[&attempt.module]);
        let answer = running.exchange::<Compiled>(task, (limits.compile, handle), limits.code_bytes);
        let code = match answer {
            Ok((Compiled(Ok(())), code)) => code,
            Ok((Compiled(Err(bad)), _)) => return Err(bad.into()),
            Err(Silence::Stopped) => return Err(AttemptError::Stopped),
            Err(Silence::Late) => return Err(BadModule::CompileTooLong.into()),
            Err(Silence::TooLarge { bytes }) => return Err(BadModule::CodeTooLarge { bytes }.into()),
            Err(Silence::Dead(_)) => return Err(BadModule::CompileTooLarge.into()),
        };
        if let Some(cache) = &self.cache {
            cache.put(key, &code).map_err(os("keep compiled code"))?;
        }
        Ok(code)
    }

    fn run_code(&self, attempt: &Attempt, code: &[u8], handle: &Handle) -> Result<Outcome, AttemptError> {
        let limits = attempt.limits;
        let folder = Private::make(&self.folder, &attempt.inputs)?;
        let handed = (code.len() + attempt.stdin.len()) as u64;
        let bounds = Bounds {
            data_bytes: guest::data_bytes(&limits, handed),
            file_bytes: limits.scratch_bytes.saturating_add(limits.output_bytes),
            cpu_s: limits.wall.as_secs().saturating_add(2),
        };
        let mut running = Running::start(self, &folder, bounds)?;
        running.require(attempt)?;
        let order = Order { args: attempt.args.clone(), env: attempt.env.clone(), seed: attempt.seed, limits };
        let task = Task::Run { order, stdin_bytes: attempt.stdin.len() as u64 };
        let task: (&Task, &[&[u8]]) = (&task, &[code, &attempt.stdin]);
        let answer_bytes = limits.output_bytes.saturating_add(limits.stderr_bytes);
        let answer = running.exchange::<Finished>(task, (limits.wall.saturating_add(GRACE), handle), answer_bytes);
        let level = running.raised.level();
        let (finished, mut stdout) = match answer {
            Ok(answer) => answer,
            Err(silence) => return without_answer(silence, level),
        };
        drop(running);
        let ended = finished.ended.map_err(AttemptError::Lost)?;
        let split = stdout.len().checked_sub(usize::try_from(finished.stderr_bytes).unwrap_or(usize::MAX));
        let stderr = stdout.split_off(split.ok_or_else(|| AttemptError::Lost("its answer is not whole".into()))?);
        let mut outcome = Outcome {
            end: ended.end,
            stdout,
            stderr,
            outputs: BTreeMap::new(),
            fuel: ended.fuel,
            peak_memory_bytes: ended.peak_memory_bytes,
            level,
            was_cached: false,
        };
        if outcome.end == End::Exit(0) {
            match folder.collect(&limits)? {
                Ok(outputs) => outcome.outputs = outputs,
                Err(end) => outcome.end = end,
            }
        }
        Ok(outcome)
    }
}

/// A run whose child did not answer: out of time, killed for too large a file, or lost.
fn without_answer(silence: Silence, level: u8) -> Result<Outcome, AttemptError> {
    let end = match silence {
        Silence::Stopped => return Err(AttemptError::Stopped),
        Silence::Late => End::OutOfTime,
        Silence::TooLarge { .. } => End::OutputTooLarge,
        Silence::Dead(status) if is_file_limit(status) => End::FilesTooLarge,
        Silence::Dead(Some(status)) => return Err(AttemptError::Lost(status.to_string())),
        Silence::Dead(None) => return Err(AttemptError::Lost("it closed its pipe".into())),
    };
    Ok(Outcome {
        end,
        stdout: Vec::new(),
        stderr: Vec::new(),
        outputs: BTreeMap::new(),
        fuel: 0,
        peak_memory_bytes: 0,
        level,
        was_cached: false,
    })
}

#[cfg(unix)]
fn is_file_limit(status: Option<ExitStatus>) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.and_then(|status| status.signal()) == Some(nix::sys::signal::Signal::SIGXFSZ as i32)
}

#[cfg(not(unix))]
fn is_file_limit(_: Option<ExitStatus>) -> bool {
    false
}

fn os(doing: &'static str) -> impl FnOnce(io::Error) -> AttemptError {
    move |source| AttemptError::Os { doing, source }
}

/// The private folder of one child; gone when dropped.
struct Private(tempfile::TempDir);

impl Private {
    fn make(parent: &Path, inputs: &BTreeMap<String, Vec<u8>>) -> Result<Self, AttemptError> {
        fs::create_dir_all(parent).map_err(os("make the folder of attempts"))?;
        let folder =
            tempfile::Builder::new().prefix("attempt-").tempdir_in(parent).map_err(os("make a private folder"))?;
        for name in ["in", "out", "tmp"] {
            fs::create_dir(folder.path().join(name)).map_err(os("make a private folder"))?;
        }
        for (name, bytes) in inputs {
            fs::write(folder.path().join("in").join(name), bytes).map_err(os("lay an input"))?;
        }
        Ok(Self(folder))
    }

    /// Files of `out`. The child is dead by now, so nothing changes under the eyes; links and special files are passed by.
    fn collect(&self, limits: &Limits) -> Result<Result<BTreeMap<String, Vec<u8>>, End>, AttemptError> {
        let out = self.0.path().join("out");
        let mut outputs = BTreeMap::new();
        let (mut left, mut seen) = (limits.output_bytes, 0u32);
        let mut folders = vec![(out, String::new(), 0)];
        while let Some((folder, above, depth)) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(os("list outputs"))? {
                let entry = entry.map_err(os("list outputs"))?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let name = format!("{above}{name}");
                seen += 1;
                if seen > limits.files || depth >= DEPTH_MAX || name.len() > PATH_BYTES_MAX {
                    return Ok(Err(End::TooManyFiles));
                }
                let facts = fs::symlink_metadata(entry.path()).map_err(os("look at an output"))?;
                if facts.is_dir() {
                    folders.push((entry.path(), format!("{name}/"), depth + 1));
                } else if facts.is_file() {
                    let Some(rest) = left.checked_sub(facts.len()) else { return Ok(Err(End::OutputTooLarge)) };
                    left = rest;
                    outputs.insert(name, fs::read(entry.path()).map_err(os("read an output"))?);
                }
            }
        }
        Ok(Ok(outputs))
    }
}

/// Why a child gave no answer.
enum Silence {
    Stopped,
    Late,
    TooLarge { bytes: u64 },
    Dead(Option<ExitStatus>),
}

/// A child that has raised its walls. Killed when dropped.
struct Running {
    child: Killed,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    raised: Raised,
}

impl Running {
    fn start(runner: &Runner, folder: &Private, bounds: Bounds) -> Result<Self, AttemptError> {
        let numbers = [bounds.data_bytes, bounds.file_bytes, bounds.cpu_s].map(|number| number.to_string());
        let mut child = Command::new(&runner.program)
            .args(&runner.args)
            .args(numbers)
            .env_clear()
            .current_dir(folder.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(os("start a sandbox process"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut running = Self { child: Killed(child), stdin, stdout, raised: Raised::default() };
        let stdout = running.stdout.take().ok_or_else(|| AttemptError::Lost("it has no pipe".into()))?;
        let (stdout, ready) = read_one::<Ready>(stdout, 0);
        match ready.recv_timeout(READY) {
            Ok(Ok((ready, _))) => running.raised = ready.raised,
            Ok(Err(error)) => return Err(AttemptError::Lost(format!("it did not start: {error}"))),
            Err(_) => return Err(AttemptError::Lost("it did not raise its walls in time".into())),
        }
        running.stdout = stdout.join().ok();
        Ok(running)
    }

    /// Refuses work that needs higher walls. Nothing foreign has been sent yet.
    fn require(&self, attempt: &Attempt) -> Result<(), AttemptError> {
        let needed = walls::needed(attempt.trust, std::env::consts::ARCH);
        let level = self.raised.level();
        if level >= needed {
            return Ok(());
        }
        Err(AttemptError::Walls { level, needed, missing: self.raised.missing.join("; ") })
    }

    /// Hands the task over and waits for the answer, at most `wait`. After a silence the child is dead.
    fn exchange<T: DeserializeOwned + Send + 'static>(
        &mut self,
        task: (&Task, &[&[u8]]),
        (wait, handle): (Duration, &Handle),
        body_bytes_max: u64,
    ) -> Result<(T, Vec<u8>), Silence> {
        let (Some(mut stdin), Some(stdout)) = (self.stdin.take(), self.stdout.take()) else {
            return Err(Silence::Dead(None));
        };
        std::thread::scope(|scope| {
            // A child that dies over it shows in the answer.
            scope.spawn(move || frame::send(&mut stdin, task.0, task.1));
            let (_, answer) = read_one::<T>(stdout, body_bytes_max);
            let silence = match wait_for(&answer, &self.child.0, (wait, handle)) {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => match error.downcast::<frame::TooLarge>() {
                    Ok(large) => Silence::TooLarge { bytes: large.bytes },
                    Err(_) => Silence::Dead(self.child.0.wait().ok()),
                },
                Err(RecvTimeoutError::Timeout) if handle.is(STOP) => Silence::Stopped,
                Err(RecvTimeoutError::Timeout) => Silence::Late,
                Err(RecvTimeoutError::Disconnected) => Silence::Dead(None),
            };
            // Also frees the thread that still writes.
            let _ = self.child.0.kill();
            Err(silence)
        })
    }
}

/// Waits for an answer, at most `wait`, parked time apart; parks and lets go as asked.
fn wait_for<T>(
    answer: &Receiver<T>,
    child: &Child,
    (wait, handle): (Duration, &Handle),
) -> Result<T, RecvTimeoutError> {
    let (mut left, mut looked, mut is_parked) = (wait, Instant::now(), false);
    loop {
        if handle.is(PARK) != is_parked && !handle.is(STOP) {
            is_parked = !is_parked;
            signal(child, is_parked);
        }
        let answered = answer.recv_timeout(left.min(LOOK));
        let passed = looked.elapsed();
        looked += passed;
        if !is_parked {
            left = left.saturating_sub(passed);
        }
        match answered {
            Err(RecvTimeoutError::Timeout) if !left.is_zero() && !handle.is(STOP) => {}
            other => return other,
        }
    }
}

/// Halts a child or lets it go on.
#[cfg(unix)]
fn signal(child: &Child, is_parked: bool) {
    use nix::sys::signal::{Signal, kill};
    let signal = if is_parked { Signal::SIGSTOP } else { Signal::SIGCONT };
    // The child is not waited for yet, so its number is still its own.
    if let Ok(number) = i32::try_from(child.id()) {
        let _ = kill(nix::unistd::Pid::from_raw(number), signal);
    }
}

#[cfg(not(unix))]
fn signal(_: &Child, _: bool) {}

/// Where a frame arrives, head and body.
type Frame<T> = Receiver<io::Result<(T, Vec<u8>)>>;

/// Reads one frame on a thread of its own, which ends at the latest with the child.
fn read_one<T: DeserializeOwned + Send + 'static>(
    mut pipe: ChildStdout,
    body_bytes_max: u64,
) -> (JoinHandle<ChildStdout>, Frame<T>) {
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::spawn(move || {
        // The receiver may have given up.
        let _ = sender.send(frame::receive::<T>(&mut pipe, body_bytes_max));
        pipe
    });
    (thread, receiver)
}

/// Ends a child when dropped, whatever it does.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
