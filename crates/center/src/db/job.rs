//! One waiting transaction: a closure, what it answered, and who waits for the answer.

use super::error::{DbError, StoreError};
use super::tx::{Reader, Tx};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What an engine's thread is told.
pub(super) enum Message<J: ?Sized> {
    /// A transaction.
    Run(Box<J>),
    /// End after what came before.
    Stop,
}

/// Whether what a closure did is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ran {
    /// It answered yes.
    Keep,
    /// It refused, failed or panicked: undo it.
    Undo,
}

/// A transaction that may write. The closure may run again: only what [`WriteJob::answer`] publishes counts.
pub(super) trait WriteJob: Send {
    /// Runs the closure and keeps its answer back.
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran;
    /// Replaces a kept answer: the transaction does not stand.
    fn fail(&mut self, error: DbError);
    /// The time since the call, where the kept answer is a yes.
    fn took(&self) -> Option<Duration>;
    /// Gives the answer to who waits.
    fn answer(self: Box<Self>);
}

/// A transaction that only reads.
pub(super) trait ReadJob: Send {
    /// True when nobody waits any more.
    fn is_abandoned(&self) -> bool;
    /// Runs the closure and keeps its answer back.
    fn run(&mut self, reader: &mut Reader<'_>);
    /// Replaces a kept answer.
    fn fail(&mut self, error: DbError);
    /// Gives the answer to who waits.
    fn answer(self: Box<Self>);
}

/// The closure with its reply channel.
pub(super) struct Job<T, F> {
    closure: F,
    kept: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    called: Instant,
}

impl<T, F> Job<T, F> {
    /// A job and where its answer arrives.
    pub(super) fn new(closure: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { closure, kept: None, reply, called: Instant::now() }, answer)
    }

    fn publish(self) {
        // A caller that went away does not unmake what stands.
        let _ = self.reply.send(self.kept.unwrap_or(Err(StoreError::Db(DbError::Closed))));
    }
}

fn panicked(cause: &(dyn std::any::Any + Send)) -> StoreError {
    let text = cause.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let what = text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned());
    StoreError::Db(DbError::Panicked { what: what.chars().take(200).collect() })
}

impl<T, F> WriteJob for Job<T, F>
where
    T: Send,
    F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran {
        let answer =
            catch_unwind(AssertUnwindSafe(|| (self.closure)(tx))).unwrap_or_else(|cause| Err(panicked(&*cause)));
        // A closure that swallowed a failed statement must not be kept: the engines differ in what is left then.
        let answer = answer.and_then(|value| tx.spoiled().map_or(Ok(value), |error| Err(StoreError::Db(error))));
        let ran = if answer.is_ok() { Ran::Keep } else { Ran::Undo };
        self.kept = Some(answer);
        ran
    }
    fn fail(&mut self, error: DbError) {
        self.kept = Some(Err(StoreError::Db(error)));
    }
    fn took(&self) -> Option<Duration> {
        matches!(self.kept, Some(Ok(_))).then(|| self.called.elapsed())
    }
    fn answer(self: Box<Self>) {
        self.publish();
    }
}

impl<T, F> ReadJob for Job<T, F>
where
    T: Send,
    F: Fn(&mut Reader<'_>) -> Result<T, StoreError> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
    fn run(&mut self, reader: &mut Reader<'_>) {
        let answer = catch_unwind(AssertUnwindSafe(|| (self.closure)(reader)));
        self.kept = Some(answer.unwrap_or_else(|cause| Err(panicked(&*cause))));
    }
    fn fail(&mut self, error: DbError) {
        self.kept = Some(Err(StoreError::Db(error)));
    }
    fn answer(self: Box<Self>) {
        self.publish();
    }
}
