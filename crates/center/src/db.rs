//! The center's database: one store layer over SQLite (embedded, the default) and PostgreSQL.
//!
//! A *write* is one transaction handed over as a closure; when [`Db::write`] answers yes, it is durable. The closure may
//! run more than once (a transaction that met another one is begun again), so it must do nothing but use its [`Tx`].
//! A *read* sees one consistent snapshot. The same SQL text serves both engines, and one test suite
//! (`tests/stores`) holds them to the same answers. SQL stands only here and in `store` files.
//!
//! (A) All or nothing of a closure stands, also when it panics or the process is killed at any instruction.
//! (B) Writes behave as if they ran one after the other.
//! (C) A refusal undoes its own transaction and no other.
//! (D) Without space, on a read-only disk or without the server a write is refused with
//!     [`DbError::Unwritable`], nothing of it stands, and the next one is tried afresh.
//! (E) Queues, groups, tries and waits are bounded, each by a constant with a name.

mod dialect;
mod error;
mod job;
pub mod meta;
mod migrate;
mod postgres;
pub mod snapshot;
mod sqlite;
mod stats;
mod tx;
mod value;

pub use error::{DbError, DbUrl, StoreError, Unwritable};
pub use migrate::SCHEMA;
pub use sqlite::VERSION_MIN as SQLITE_VERSION_MIN;
pub use stats::{BUCKETS, DbStats, bucket_le_us};
pub use tx::{Many, ROWS_MAX, Reader, Tx};
pub use value::{Field, Row, Value};
pub(crate) use value::{int_as, stored_words};

use job::{Job, Message, ReadJob, WriteJob};
use model::Stamp;
use stats::Counters;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// Writes that may wait.
pub const WRITE_QUEUE_MAX: usize = 1_024;
/// Reads that may wait.
pub const READ_QUEUE_MAX: usize = 1_024;
/// How long a caller waits for a place in a full queue before it hears [`DbError::Busy`].
pub const QUEUE_WAIT: Duration = Duration::from_secs(5);
/// Threads that read SQLite.
pub const SQLITE_READERS: usize = 2;
/// Connections that write to PostgreSQL.
pub const POSTGRES_WRITERS: usize = 4;
/// Connections that read from PostgreSQL.
pub const POSTGRES_READERS: usize = 2;

/// What a thread of the store takes its work from.
type Inbox<J> = Arc<Mutex<mpsc::Receiver<Message<J>>>>;

/// The next message; nothing when the store is gone.
fn next<J: ?Sized>(inbox: &Inbox<J>) -> Option<Message<J>> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

/// A handle on the open database; clones share it.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    url: DbUrl,
    writes: mpsc::Sender<Message<dyn WriteJob>>,
    reads: mpsc::Sender<Message<dyn ReadJob>>,
    counters: Arc<Counters>,
    threads: Mutex<Vec<Thread>>,
}

struct Thread {
    side: Side,
    handle: JoinHandle<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Write,
    Read,
}

impl Db {
    /// Opens the database, makes it where it does not exist, and brings its schema up to [`SCHEMA`]. Blocks for as long
    /// as that takes; folders must exist.
    pub fn open(url: &DbUrl) -> Result<Self, DbError> {
        let (writes, write_inbox) = mpsc::channel(WRITE_QUEUE_MAX);
        let (reads, read_inbox) = mpsc::channel(READ_QUEUE_MAX);
        let counters = Arc::new(Counters::default());
        let crew = Crew {
            writes: Arc::new(Mutex::new(write_inbox)),
            reads: Arc::new(Mutex::new(read_inbox)),
            counters: Arc::clone(&counters),
        };
        let threads = match url {
            DbUrl::Sqlite(path) => crew.start_sqlite(path)?,
            DbUrl::Postgres(text) => crew.start_postgres(postgres::config(text)?)?,
        };
        let inner = Inner { url: url.clone(), writes, reads, counters, threads: Mutex::new(threads) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs `closure` as one transaction; durable when this answers yes. The closure may run again and must have no
    /// effect outside its [`Tx`]. A caller that stops waiting does not stop the transaction.
    pub async fn write<T, F>(&self, closure: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = Job::new(closure);
        send(&self.inner.writes, Message::Run(Box::new(job)), "queue of writes").await?;
        answer.await.unwrap_or(Err(StoreError::Db(DbError::Closed)))
    }

    /// Runs `closure` on one consistent snapshot; it sees every write that was answered before.
    pub async fn read<T, F>(&self, closure: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = Job::new(closure);
        send(&self.inner.reads, Message::Run(Box::new(job)), "queue of reads").await?;
        answer.await.unwrap_or(Err(StoreError::Db(DbError::Closed)))
    }

    /// Rows written since it was opened.
    pub fn rows_written(&self) -> u64 {
        self.inner.counters.rows_written()
    }

    /// Counters since it was opened, and what waits now.
    pub fn stats(&self) -> DbStats {
        let (writes, reads) = (&self.inner.writes, &self.inner.reads);
        DbStats {
            writes_waiting: writes.max_capacity() - writes.capacity(),
            reads_waiting: reads.max_capacity() - reads.capacity(),
            ..self.inner.counters.snapshot()
        }
    }

    /// Where it is, without a password when printed.
    pub fn url(&self) -> &DbUrl {
        &self.inner.url
    }

    /// Serves what was asked before, then ends all threads and connections; what is asked later hears
    /// [`DbError::Closed`]. Other handles share the end. Without it, the last handle to go ends the threads as well, but
    /// nobody waits for them.
    pub async fn close(&self) {
        let threads = std::mem::take(&mut *self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let (writers, readers): (Vec<Thread>, Vec<Thread>) = threads.into_iter().partition(|t| t.side == Side::Write);
        // The writer last: only a connection that may write can fold SQLite's log into the file and remove it.
        for (threads, side) in [(readers, Side::Read), (writers, Side::Write)] {
            for _ in &threads {
                // A thread that is gone already needs no word.
                let _ = match side {
                    Side::Write => self.inner.writes.send(Message::Stop).await.is_ok(),
                    Side::Read => self.inner.reads.send(Message::Stop).await.is_ok(),
                };
            }
            let ended = tokio::task::spawn_blocking(|| threads.into_iter().for_each(|t| drop(t.handle.join())));
            let _ = ended.await;
        }
    }
}

async fn send<J: ?Sized>(
    queue: &mpsc::Sender<Message<J>>,
    message: Message<J>,
    what: &'static str,
) -> Result<(), DbError> {
    match queue.try_send(message) {
        Ok(()) => Ok(()),
        Err(mpsc::error::TrySendError::Closed(_)) => Err(DbError::Closed),
        Err(mpsc::error::TrySendError::Full(message)) => {
            match tokio::time::timeout(QUEUE_WAIT, queue.send(message)).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(DbError::Closed),
                Err(_) => Err(DbError::Busy { what }),
            }
        }
    }
}

/// What the threads of a store share.
struct Crew {
    writes: Inbox<dyn WriteJob>,
    reads: Inbox<dyn ReadJob>,
    counters: Arc<Counters>,
}

impl Crew {
    fn start_sqlite(self, path: &Path) -> Result<Vec<Thread>, DbError> {
        sqlite::check_version()?;
        let conn = sqlite::open_writer(path)?;
        migrate::migrate(&mut tx::Engine::Sqlite(&conn), now())?;
        let readers: Vec<_> = (0..SQLITE_READERS).map(|_| sqlite::open_reader(path)).collect::<Result<_, _>>()?;
        let (inbox, counters) = (self.writes, self.counters);
        let mut threads = vec![spawn(Side::Write, "db write", move || sqlite::write_loop(&conn, &inbox, &counters))?];
        for conn in readers {
            let inbox = Arc::clone(&self.reads);
            threads.push(spawn(Side::Read, "db read", move || sqlite::read_loop(&conn, &inbox))?);
        }
        Ok(threads)
    }

    fn start_postgres(self, config: ::postgres::Config) -> Result<Vec<Thread>, DbError> {
        // The blocking client must not be dialed on a thread of an async runtime, where this may be called.
        let first = config.clone();
        let dialed = std::thread::spawn(move || {
            let mut conn = postgres::PgConn::open(&first)?;
            migrate::migrate(&mut tx::Engine::Postgres(&mut conn), now())?;
            Ok(conn)
        });
        let conn = dialed.join().unwrap_or(Err(DbError::Panicked { what: "while opening".to_owned() }))?;
        let mut lines = vec![postgres::Line::new(config.clone(), Some(conn))];
        lines.resize_with(POSTGRES_WRITERS, || postgres::Line::new(config.clone(), None));
        let mut threads = Vec::new();
        for mut line in lines {
            let (inbox, counters) = (Arc::clone(&self.writes), Arc::clone(&self.counters));
            threads.push(spawn(Side::Write, "db write", move || {
                postgres::write_loop(&mut line, &inbox, &counters);
            })?);
        }
        for _ in 0..POSTGRES_READERS {
            let (mut line, inbox) = (postgres::Line::new(config.clone(), None), Arc::clone(&self.reads));
            threads.push(spawn(Side::Read, "db read", move || postgres::read_loop(&mut line, &inbox))?);
        }
        Ok(threads)
    }
}

fn spawn(side: Side, name: &str, life: impl FnOnce() + Send + 'static) -> Result<Thread, DbError> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(life);
    let handle = spawned.map_err(|error| DbError::Unwritable { why: Unwritable::Io, detail: error.to_string() })?;
    Ok(Thread { side, handle })
}

/// The shell's clock, for the rows of `schema_version`.
fn now() -> Stamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Stamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The file of an embedded database inside a data folder, as an address.
pub fn sqlite_in(folder: &Path) -> DbUrl {
    DbUrl::Sqlite(PathBuf::from(folder).join("center.db"))
}
