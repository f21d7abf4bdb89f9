//! The node's side: lay out the private folder, start a child, hand over the bytes once its walls are known, take the answer,
//! end the child. Blocking; one thread per attempt.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::attempt::{
    Attempt, AttemptError, BadModule, End, Given, ITEMS_MAX, Item, Outcome, Progress, check_module, os,
};
use crate::cache::{Cache, CodeKey};
use crate::folder::Private;
use crate::frame::{Order, Task};
use crate::guest;
use crate::running::{Answer, Handle, Hold, Running, Silence};
use crate::walls::{Bounds, Raised};

/// What a child gets beyond its wall time to look at its clock and to send its answer.
const GRACE: Duration = Duration::from_secs(2);

/// Wall time of a compilation for each second of processor time it may take: others go first on a busy machine.
const COMPILE_PATIENCE: u32 = 10;

/// Starts children.
#[derive(Clone, Debug)]
pub struct Runner {
    program: PathBuf,
    args: Vec<String>,
    folder: PathBuf,
    cache: Option<Cache>,
    gives_way: bool,
}

/// Compiled code, and whether it was kept from before.
struct Code {
    bytes: Vec<u8>,
    was_cached: bool,
}

/// A child that has the code, and its folder, gone after it.
struct Room {
    running: Running,
    folder: Private,
    is_loaded: bool,
}

impl Runner {
    /// Children are `program args… bounds…`, which must end up in [`child::main`](crate::child::main); their private folders
    /// lie in `folder`.
    pub fn new(program: impl Into<PathBuf>, args: &[&str], folder: impl Into<PathBuf>) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { program: program.into(), args, folder: folder.into(), cache: None, gives_way: false }
    }

    /// Keeps compiled code in `cache`.
    #[must_use]
    pub fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Children compute only while nobody else on this machine wants to, compilers among them.
    #[must_use]
    pub fn giving_way(mut self) -> Self {
        self.gives_way = true;
        self
    }

    /// What walls a child of this runner stands behind, measured by starting one.
    ///
    /// # Errors
    /// The child cannot be started or dies.
    pub fn walls(&self) -> Result<Raised, AttemptError> {
        let folder = Private::make(&self.folder, &BTreeMap::new())?;
        let bounds = Bounds { data_bytes: 1 << 30, file_bytes: 0, cpu_s: 10, gives_way: self.gives_way };
        Ok(Running::start(self.command(), &folder, bounds, 0)?.raised.clone())
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
        self.run_observed(attempt, handle, &mut |_| ())
    }

    /// Runs one attempt to its end, held by `handle`; `observe` is told how far it is, at most some ten times a second.
    ///
    /// # Errors
    /// As [`Runner::run_held`].
    pub fn run_observed(
        &self,
        attempt: &Attempt,
        handle: &Handle,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<Outcome, AttemptError> {
        attempt.check()?;
        let code = self.code(attempt, handle)?;
        let mut room = None;
        self.run_given(attempt, attempt.given(), &code, &mut room, &mut Hold { wait: Duration::ZERO, handle, observe })
    }

    /// Runs `items` one after the other, with module, trust and limits of `base`; its own arguments, variables and inputs are
    /// left aside. As many as possible share a process, each with a store and an instance of its own: what happens to one
    /// does not reach the next. An item with files in `/in`, or one that made any, is the last of its process.
    ///
    /// `on_outcome` gets the place of an item and its outcome as soon as it is there, in order.
    ///
    /// # Errors
    /// The attempt as a whole is refused, or it was stopped; items told before that stand.
    pub fn run_many(
        &self,
        base: &Attempt,
        items: &[Item],
        handle: &Handle,
        on_outcome: &mut dyn FnMut(usize, Result<Outcome, AttemptError>),
    ) -> Result<(), AttemptError> {
        check_module(&base.module)?;
        if items.len() > ITEMS_MAX {
            return Err(crate::attempt::BadAttempt::TooManyItems { count: items.len() }.into());
        }
        items.iter().try_for_each(|item| item.given().check())?;
        let code = self.code(base, handle)?;
        let mut room = None;
        for (place, item) in items.iter().enumerate() {
            if handle.is_stopped() {
                return Err(AttemptError::Stopped);
            }
            let mut hold = Hold { wait: Duration::ZERO, handle, observe: &mut |_| () };
            match self.run_given(base, item.given(), &code, &mut room, &mut hold) {
                Err(AttemptError::Stopped) => return Err(AttemptError::Stopped),
                Err(walls @ AttemptError::Walls { .. }) => return Err(walls),
                other => on_outcome(place, other),
            }
        }
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        command
    }

    /// The compiled code of an attempt's module, kept or made.
    fn code(&self, attempt: &Attempt, handle: &Handle) -> Result<Code, AttemptError> {
        let key = CodeKey::of(&attempt.module);
        match self.cache.as_ref().and_then(|cache| cache.get(key)) {
            Some(bytes) => Ok(Code { bytes, was_cached: true }),
            None => Ok(Code { bytes: self.compile(attempt, key, handle)?, was_cached: false }),
        }
    }

    fn compile(&self, attempt: &Attempt, key: CodeKey, handle: &Handle) -> Result<Vec<u8>, AttemptError> {
        let limits = &attempt.limits;
        let folder = Private::make(&self.folder, &BTreeMap::new())?;
        let bounds = Bounds {
            gives_way: self.gives_way,
            data_bytes: limits.compile_bytes,
            file_bytes: 0,
            cpu_s: limits.compile.as_secs().saturating_add(1),
        };
        let mut running = Running::start(self.command(), &folder, bounds, limits.code_bytes)?;
        running.require(attempt.trust)?;
        let mut hold = Hold { wait: limits.compile.saturating_mul(COMPILE_PATIENCE), handle, observe: &mut |_| () };
        let code = match running.exchange(&[(Task::Compile, &attempt.module)], &[], &mut hold) {
            Ok(Answer::Compiled(code)) => code?,
            Ok(Answer::Finished { .. }) => return Err(AttemptError::Lost("it spoke out of turn".into())),
            Err(Silence::Stopped) => return Err(AttemptError::Stopped),
            Err(Silence::Late) => return Err(BadModule::CompileTooLong.into()),
            Err(Silence::TooLarge { bytes }) => return Err(BadModule::CodeTooLarge { bytes }.into()),
            Err(Silence::Dead(status)) if is_time_limit(status) => return Err(BadModule::CompileTooLong.into()),
            Err(Silence::Dead(_)) => return Err(BadModule::CompileTooLarge.into()),
        };
        if let Some(cache) = &self.cache {
            cache.put(key, &code).map_err(os("keep compiled code"))?;
        }
        Ok(code)
    }

    /// A child for runs of `attempt`, and its folder with `inputs`.
    fn open(&self, attempt: &Attempt, code: &Code, inputs: &BTreeMap<String, Vec<u8>>) -> Result<Room, AttemptError> {
        let limits = &attempt.limits;
        let folder = Private::make(&self.folder, inputs)?;
        let bounds = Bounds {
            gives_way: self.gives_way,
            data_bytes: guest::data_bytes(limits, code.bytes.len() as u64),
            file_bytes: limits.scratch_bytes.saturating_add(limits.output_bytes),
            cpu_s: limits.wall.as_secs().saturating_mul(ITEMS_MAX as u64).saturating_add(2),
        };
        let answer_bytes = limits.output_bytes.max(limits.stderr_bytes);
        let running = Running::start(self.command(), &folder, bounds, answer_bytes)?;
        running.require(attempt.trust)?;
        Ok(Room { running, folder, is_loaded: false })
    }

    /// Runs once in `room`, or in a new one where there is none; leaves a room behind that the next run may use.
    fn run_given(
        &self,
        attempt: &Attempt,
        given: Given<'_>,
        code: &Code,
        kept: &mut Option<Room>,
        hold: &mut Hold<'_>,
    ) -> Result<Outcome, AttemptError> {
        let mut room = match kept.take().filter(|_| given.inputs.is_empty()) {
            Some(room) => room,
            None => self.open(attempt, code, given.inputs)?,
        };
        let limits = attempt.limits;
        let order = Order { args: given.args.to_vec(), env: given.env.clone(), seed: *given.seed, limits };
        let run = (Task::Run { order, stdin_bytes: given.stdin.len() as u64 }, &[][..]);
        let first = [(Task::Load { is_deep: limits.deep_stack }, code.bytes.as_slice()), run];
        let tasks = if std::mem::replace(&mut room.is_loaded, true) { &first[1..] } else { &first[..] };
        hold.wait = limits.wall.saturating_add(GRACE);
        let answer = room.running.exchange(tasks, given.stdin, hold);
        let level = room.running.raised.level();
        let (ended, stdout, stderr) = match answer {
            Ok(Answer::Finished { ended, stdout, stderr }) => (ended.map_err(AttemptError::Lost)?, stdout, stderr),
            Ok(Answer::Compiled(_)) => return Err(AttemptError::Lost("it spoke out of turn".into())),
            Err(silence) => return Ok(Outcome { was_cached: code.was_cached, ..without_answer(silence, level)? }),
        };
        let mut outcome = Outcome {
            end: ended.end,
            stdout,
            stderr,
            outputs: BTreeMap::new(),
            fuel: ended.fuel,
            peak_memory_bytes: ended.peak_memory_bytes,
            level,
            was_cached: code.was_cached,
        };
        if room.folder.is_untouched() {
            *kept = Some(room);
            return Ok(outcome);
        }
        // Nothing may change under the eyes of the one who collects.
        let Room { running, folder, .. } = room;
        drop(running);
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
    signal_of(status) == Some(nix::sys::signal::Signal::SIGXFSZ as i32)
}

/// Whether the system ended it for its processor time; a compiler that lacks memory aborts instead.
#[cfg(unix)]
fn is_time_limit(status: Option<ExitStatus>) -> bool {
    use nix::sys::signal::Signal::{SIGKILL, SIGXCPU};
    [SIGKILL, SIGXCPU].iter().any(|signal| signal_of(status) == Some(*signal as i32))
}

#[cfg(unix)]
fn signal_of(status: Option<ExitStatus>) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    status.and_then(|status| status.signal())
}

#[cfg(not(unix))]
fn is_file_limit(_: Option<ExitStatus>) -> bool {
    false
}

#[cfg(not(unix))]
fn is_time_limit(_: Option<ExitStatus>) -> bool {
    false
}
