//! A child process as the node holds it: started, asked, parked, killed.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use crate::attempt::{AttemptError, BadModule, Progress, Trust, os};
use crate::folder::Private;
use crate::frame::{self, Ended, Reply, Task};
use crate::walls::{self, Bounds, Raised};

/// How long a child may take to raise its walls, on a machine that is busy with its owner's work.
const READY: Duration = Duration::from_secs(30);
/// How often a waiting node looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(20);
/// The least time between two words to an observer, the last one apart.
const TELL: Duration = Duration::from_millis(90);
/// Answers that wait to be taken at most.
const ANSWERS_MAX: usize = 16;
/// Bytes of a pipe that much input goes through.
#[cfg(target_os = "linux")]
const PIPE_BYTES: i32 = 1 << 20;

/// Holds an attempt from another thread, whatever its guest does. The owner of a machine is obeyed within moments.
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<AtomicU8>);

/// States of a [`Handle`].
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

    /// Whether it was stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is(STOP)
    }

    fn is(&self, state: u8) -> bool {
        self.0.load(Ordering::Relaxed) == state
    }
}

/// What a child has answered, with the bytes that belong to it.
pub(crate) enum Answer {
    Compiled(Result<Vec<u8>, BadModule>),
    Finished { ended: Result<Ended, String>, stdout: Vec<u8>, stderr: Vec<u8> },
}

/// What the reading thread hands over.
enum Word {
    Ready(Raised),
    Progress(Progress),
    Answer(Answer),
}

/// Why a child gave no answer.
pub(crate) enum Silence {
    Stopped,
    Late,
    TooLarge { bytes: u64 },
    Dead(Option<ExitStatus>),
}

/// What a wait is held by: how long, whose hand, who is told on the way.
pub(crate) struct Hold<'a> {
    pub(crate) wait: Duration,
    pub(crate) handle: &'a Handle,
    pub(crate) observe: &'a mut dyn FnMut(Progress),
}

/// A child that has raised its walls. Killed when dropped.
pub(crate) struct Running {
    child: Killed,
    stdin: Option<ChildStdin>,
    words: Receiver<io::Result<Word>>,
    pub(crate) raised: Raised,
    is_parked: bool,
}

impl Running {
    /// Starts `command` in `folder`; its answers have at most `answer_bytes`.
    pub(crate) fn start(
        mut command: Command,
        folder: &Private,
        bounds: Bounds,
        answer_bytes: u64,
    ) -> Result<Self, AttemptError> {
        let numbers = [bounds.data_bytes, bounds.file_bytes, bounds.cpu_s, bounds.gives_way.into()]
            .map(|number| number.to_string());
        let mut child = command
            .args(numbers)
            .env_clear()
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(os("start a sandbox process"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (sender, words) = mpsc::sync_channel(ANSWERS_MAX);
        let mut running = Self { child: Killed(child), stdin, words, raised: Raised::default(), is_parked: false };
        let stdout = stdout.ok_or_else(|| AttemptError::Lost("it has no pipe".into()))?;
        // Ends at the latest with the child.
        std::thread::spawn(move || read_words(stdout, answer_bytes, &sender));
        match running.words.recv_timeout(READY) {
            Ok(Ok(Word::Ready(raised))) => running.raised = raised,
            Ok(Ok(_)) => return Err(AttemptError::Lost("it spoke out of turn".into())),
            Ok(Err(error)) => return Err(AttemptError::Lost(format!("it did not start: {error}"))),
            Err(_) => return Err(AttemptError::Lost("it did not raise its walls in time".into())),
        }
        Ok(running)
    }

    /// Refuses work that needs higher walls. Nothing foreign has been sent yet.
    pub(crate) fn require(&self, trust: Trust) -> Result<(), AttemptError> {
        let needed = walls::needed(trust, std::env::consts::ARCH);
        let level = self.raised.level();
        if level >= needed {
            return Ok(());
        }
        Err(AttemptError::Walls { level, needed, missing: self.raised.missing.join("; ") })
    }

    /// Hands tasks with their bodies over, then `stdin`, and waits for one answer. After a silence the child is dead.
    pub(crate) fn exchange(
        &mut self,
        tasks: &[(Task, &[u8])],
        stdin: &[u8],
        hold: &mut Hold<'_>,
    ) -> Result<Answer, Silence> {
        let Self { child, stdin: pipe, words, is_parked, .. } = self;
        let Some(pipe) = pipe.as_mut() else { return Err(Silence::Dead(None)) };
        widen(pipe, stdin.len());
        std::thread::scope(|scope| {
            // A child that dies over it shows in the answer.
            scope.spawn(move || -> io::Result<()> {
                tasks.iter().try_for_each(|(task, body)| frame::send(pipe, task, body))?;
                pipe.write_all(stdin)?;
                pipe.flush()
            });
            let silence = match wait_for(words, (&child.0, is_parked), hold) {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => match error.downcast::<frame::TooLarge>() {
                    Ok(large) => Silence::TooLarge { bytes: large.bytes },
                    Err(_) => Silence::Dead(child.0.wait().ok()),
                },
                Err(RecvTimeoutError::Timeout) if hold.handle.is(STOP) => Silence::Stopped,
                Err(RecvTimeoutError::Timeout) => Silence::Late,
                Err(RecvTimeoutError::Disconnected) => Silence::Dead(None),
            };
            // Also frees the thread that still writes.
            let _ = child.0.kill();
            Err(silence)
        })
    }
}

/// Waits for an answer, at most as long as it is held, parked time apart; parks and lets go as asked.
fn wait_for(
    words: &Receiver<io::Result<Word>>,
    (child, is_parked): (&Child, &mut bool),
    hold: &mut Hold<'_>,
) -> Result<io::Result<Answer>, RecvTimeoutError> {
    let (mut left, mut looked) = (hold.wait, Instant::now());
    let mut news = News { last: None, told: looked };
    loop {
        if hold.handle.is(PARK) != *is_parked && !hold.handle.is(STOP) {
            *is_parked = !*is_parked;
            signal(child, *is_parked);
        }
        let word = words.recv_timeout(left.min(LOOK));
        let passed = looked.elapsed();
        looked += passed;
        if !*is_parked {
            left = left.saturating_sub(passed);
        }
        match word {
            Ok(Ok(Word::Answer(answer))) => {
                news.tell(hold.observe);
                return Ok(Ok(answer));
            }
            Ok(Ok(Word::Progress(progress))) => news.last = Some(progress),
            Ok(Ok(Word::Ready(_))) => return Ok(Err(io::ErrorKind::InvalidData.into())),
            Ok(Err(error)) => return Ok(Err(error)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(other) => return Err(other),
        }
        if hold.handle.is(STOP) || left.is_zero() {
            return Err(RecvTimeoutError::Timeout);
        }
        if looked.duration_since(news.told) >= TELL {
            news.tell(hold.observe);
            news.told = looked;
        }
    }
}

/// What a child said of its progress and the observer does not know yet: however often it speaks, one is told rarely.
struct News {
    last: Option<Progress>,
    told: Instant,
}

impl News {
    fn tell(&mut self, observe: &mut dyn FnMut(Progress)) {
        if let Some(mut progress) = self.last.take() {
            progress.fraction = progress.fraction.filter(|fraction| (0.0..=1.0).contains(fraction));
            observe(progress);
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

/// Makes room in a pipe for much input; fewer turns between the two processes. A system that has no more gives none.
#[cfg(target_os = "linux")]
fn widen(pipe: &ChildStdin, bytes: usize) {
    if bytes > PIPE_BYTES as usize {
        let _ = nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
    }
}

#[cfg(not(target_os = "linux"))]
fn widen(_: &ChildStdin, _: usize) {}

/// Reads what a child says until it says no more, or nobody listens.
fn read_words(mut pipe: ChildStdout, most: u64, words: &SyncSender<io::Result<Word>>) {
    let mut stdout = Vec::new();
    loop {
        let word = read_word(&mut pipe, most, &mut stdout).transpose();
        let Some(word) = word else { continue };
        let is_over = word.is_err();
        if words.send(word).is_err() || is_over {
            return;
        }
    }
}

/// Reads one reply; output is put by until its run is finished.
fn read_word(pipe: &mut ChildStdout, most: u64, stdout: &mut Vec<u8>) -> io::Result<Option<Word>> {
    let (reply, bytes) = frame::receive::<Reply>(pipe)?;
    if matches!(reply, Reply::Output) {
        return frame::receive_body(pipe, bytes, stdout, most).map(|()| None);
    }
    let mut body = Vec::new();
    frame::receive_body(pipe, bytes, &mut body, most)?;
    Ok(Some(match reply {
        Reply::Ready(raised) => Word::Ready(raised),
        Reply::Progress(progress) => Word::Progress(progress),
        Reply::Compiled(done) => Word::Answer(Answer::Compiled(done.map(|()| body))),
        Reply::Finished(ended) => {
            Word::Answer(Answer::Finished { ended, stdout: std::mem::take(stdout), stderr: body })
        }
        Reply::Output => return Ok(None),
    }))
}

/// Ends a child when dropped, whatever it does.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
