//! The loop that obeys the owner: feeds sensors, file and commands to `rules::fleet::owner` and carries out what follows.
//!
//! (A) Guests first, then limits, then the record; the center hears last, from whoever watches the view. (B) From an
//! input event to guests asked to park nothing is waited for: looks at sensors and files run on another thread, one at a
//! time. (C) A look that hangs makes readings stale, and stale is in use. (D) Time inside never runs backwards, whatever
//! the wall clock does; hours of rules follow the wall clock. (E) When the last handle is dropped, guests are evicted and
//! the loop ends. (F) No inhibitor, wake lock or wake timer is ever taken.

mod clock;
mod run;
mod view;

pub use view::OwnerView;

use crate::fleet::lendfile::{LendFileError, LendWatch};
use crate::fleet::sensors::{ScriptError, ScriptHandle, Sensors};
use model::{Bytes, Kbps, Span, Stamp};
use rules::fleet::owner::{Command, Meter, PAUSE_MAX, PauseFor};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use wire::local::PauseUntil;

/// Between looks at the sensors while guests run.
pub const LOOK_GUESTS: Duration = Duration::from_millis(100);
/// While they might run and none does: often enough that two seconds of pressure are seen within three.
pub const LOOK_READY: Duration = Duration::from_millis(500);
/// Otherwise.
pub const LOOK_IDLE: Duration = Duration::from_secs(1);
/// Between looks at the owner's file.
pub const LOOK_FILE: Duration = Duration::from_millis(500);
/// Between measures of the disk.
pub const LOOK_DISK: Duration = Duration::from_secs(60);
/// Words to the loop that may wait.
const WAITING_MAX: usize = 64;

/// Foreign work on this machine. Each call asks all guests at once and returns when they have obeyed or were stopped.
pub trait Guests: Send + Sync {
    /// Is any there and not parked?
    fn any(&self) -> bool;
    /// Stop all within [`rules::fleet::owner::PARK_WITHIN`], keep their memory.
    fn park(&self);
    /// Parked ones go on.
    fn unpark(&self);
    /// Drop all, give their memory back within [`rules::fleet::owner::EVICT_WITHIN`].
    fn evict(&self);
}

/// A machine that runs no guests.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGuests;

impl Guests for NoGuests {
    fn any(&self) -> bool {
        false
    }
    fn park(&self) {}
    fn unpark(&self) {}
    fn evict(&self) {}
}

/// What the loop is started with.
pub struct OwnerConfig {
    /// The owner's file.
    pub lend_file: PathBuf,
    /// Folder of the pieces: its disk is the one that is lent.
    pub pieces: PathBuf,
    /// The wall clock.
    pub now: fn() -> Stamp,
    /// Local time minus UTC in minutes.
    pub utc_offset_min: fn(Stamp) -> i16,
    /// Who is parked.
    pub guests: Arc<dyn Guests>,
}

impl OwnerConfig {
    /// With this machine's time zone and no guests.
    pub fn new(lend_file: PathBuf, pieces: PathBuf, now: fn() -> Stamp) -> Self {
        Self { lend_file, pieces, now, utc_offset_min: clock::utc_offset_min, guests: Arc::new(NoGuests) }
    }
}

/// What the owner says, as it comes over the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerCommand {
    /// Lend.
    Up,
    /// Lend nothing until [`Self::Up`].
    Down,
    /// Lend no computing for a while.
    Pause(PauseUntil),
    /// End a pause.
    Resume,
    /// Complete what runs, take nothing new.
    Finish,
}

impl OwnerCommand {
    /// As the machine of the rules reads it. Until `resume` is at most [`PAUSE_MAX`].
    fn rule(self) -> Command {
        match self {
            Self::Up => Command::Up,
            Self::Down => Command::Down,
            Self::Resume => Command::Resume,
            Self::Finish => Command::Finish,
            Self::Pause(PauseUntil::Resume) => Command::Pause(PauseFor::Span(PAUSE_MAX)),
            Self::Pause(PauseUntil::For(span)) => Command::Pause(PauseFor::Span(span)),
            Self::Pause(PauseUntil::Idle) => Command::Pause(PauseFor::UntilIdle),
            Self::Pause(PauseUntil::Tomorrow) => Command::Pause(PauseFor::Tomorrow),
        }
    }
}

/// What other parts of the agent measure and the owner's limits need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerFact {
    /// Bytes that pieces hold on the disk; they count as free when the limit is made.
    Held(Bytes),
    /// Upload and download as measured; none is unmeasured.
    Rates(Option<Kbps>, Option<Kbps>),
    /// The month's transfer.
    Meter(Meter),
    /// Something is broken that the node must not work with (`true`), or whole again.
    Fault(bool),
}

/// A word to the loop.
enum Message {
    Command(OwnerCommand, oneshot::Sender<OwnerView>),
    Fact(OwnerFact),
    Script { event: String, at: Instant, answer: oneshot::Sender<Result<OwnerView, ScriptError>> },
    Reload(oneshot::Sender<Result<OwnerView, LendFileError>>),
}

/// A hand on the running loop; clones share it. The loop ends when the last one is dropped.
#[derive(Clone)]
pub struct OwnerHandle {
    words: mpsc::Sender<Message>,
    view: watch::Receiver<OwnerView>,
    script: Option<ScriptHandle>,
}

impl OwnerHandle {
    /// Reads the owner's file, then starts the loop on the current tokio runtime. Nothing runs until the sensors have
    /// spoken. A file that does not hold is an error here: there is no last good one to fall back to, and a profile the
    /// owner did not choose might lend more than the file allows.
    pub fn start(config: OwnerConfig, sensors: Box<dyn Sensors>) -> Result<Self, LendFileError> {
        let (file, lent) = LendWatch::begin(&config.lend_file)?;
        let script = sensors.script();
        let (words, inbox) = mpsc::channel(WAITING_MAX);
        let (run, view) = run::Run::new(config, sensors, file, lent, script.clone());
        tokio::spawn(run.run(inbox));
        Ok(Self { words, view, script })
    }

    /// What the machine does and may do, now and at each change.
    pub fn watch(&self) -> watch::Receiver<OwnerView> {
        self.view.clone()
    }

    /// The hand that writes the script; none with real sensors.
    pub fn script_handle(&self) -> Option<ScriptHandle> {
        self.script.clone()
    }

    /// Carries out the owner's word and returns what follows.
    pub async fn command(&self, command: OwnerCommand) -> OwnerView {
        let (answer, answered) = oneshot::channel();
        self.say(Message::Command(command, answer)).await;
        answered.await.unwrap_or_else(|_| self.view.borrow().clone())
    }

    /// Tells a measure.
    pub async fn tell(&self, fact: OwnerFact) {
        self.say(Message::Fact(fact)).await;
    }

    /// Carries out one event of a script and returns what follows.
    pub async fn script(&self, event: &str) -> Result<OwnerView, ScriptError> {
        let at = Instant::now();
        if self.script.is_none() {
            return Err(ScriptError::NotScripted);
        }
        let (answer, answered) = oneshot::channel();
        self.say(Message::Script { event: event.to_owned(), at, answer }).await;
        answered.await.unwrap_or(Err(ScriptError::NotScripted))
    }

    /// Reads the owner's file now; in force when this returns. A file that does not hold changes nothing.
    pub async fn reload(&self) -> Result<OwnerView, LendFileError> {
        let (answer, answered) = oneshot::channel();
        self.say(Message::Reload(answer)).await;
        answered.await.unwrap_or_else(|_| Ok(self.view.borrow().clone()))
    }

    /// The loop never stops before its last handle, save for a bug; then its last view stands.
    async fn say(&self, message: Message) {
        if self.words.send(message).await.is_err() {
            tracing::error!("the owner's loop has ended");
        }
    }
}

/// Milliseconds of a duration.
fn span(duration: Duration) -> Span {
    Span::ms(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
