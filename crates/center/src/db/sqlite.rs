//! SQLite: one thread writes, a few read.
//!
//! The writer puts all writes that wait at a moment into one transaction, a savepoint each, and commits once: an fsync
//! is shared, a refusal undoes only its own savepoint. Answers go out after the commit, so that nobody hears of a fact
//! that may still be undone. When the engine gives a whole group up (no space), its members run again one by one.

use super::error::{DbError, Unwritable};
use super::job::{Message, Ran, ReadJob, WriteJob};
use super::stats::Counters;
use super::tx::{Again, EachRow, Engine, Failure, Reader, Tx};
use super::value::{Row, Value};
use super::{Inbox, next};
use rusqlite::ErrorCode;
use rusqlite::types::ToSqlOutput;
use std::path::Path;
use std::time::{Duration, Instant};

/// First version without the write-ahead-log fault, as SQLite numbers it (`docs/design/security.md` M54).
pub const VERSION_MIN: i32 = 3_051_003;
/// A group takes no further write after this time.
const GROUP_SPAN_MAX: Duration = Duration::from_millis(10);
/// Writes in one commit.
const GROUP_MAX: usize = 512;
/// How long a statement waits for another process that holds the file.
const LOCK_WAIT_MS: u32 = 5_000;
/// Pause between two looks at a lock that SQLite itself does not wait for.
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// Compiled statements kept per connection.
const STATEMENTS_MAX: usize = 128;
/// Parameters of one statement.
const PARAMS_MAX: usize = 48;

/// Refuses an engine that loses data.
pub(super) fn check_version() -> Result<(), DbError> {
    version_fits(rusqlite::version_number())
}

fn version_fits(found: i32) -> Result<(), DbError> {
    if found < VERSION_MIN { Err(DbError::EngineTooOld { found, needed: VERSION_MIN }) } else { Ok(()) }
}

/// Opens the file for the writer, making it where it does not exist, readable by its owner alone.
pub(super) fn open_writer(path: &Path) -> Result<rusqlite::Connection, DbError> {
    make_private(path)?;
    let conn = open(path)?;
    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;";
    let began = Instant::now();
    // Turning the log on does not wait for another process that does the same at this moment; waiting is done here.
    loop {
        match set(&conn, settings) {
            Err(DbError::Busy { .. }) if began.elapsed() < Duration::from_millis(LOCK_WAIT_MS.into()) => {
                std::thread::sleep(LOCK_PAUSE);
            }
            other => return other.map(|()| conn),
        }
    }
}

/// Opens the file for a reader.
pub(super) fn open_reader(path: &Path) -> Result<rusqlite::Connection, DbError> {
    let conn = open(path)?;
    set(&conn, "PRAGMA query_only = ON;")?;
    Ok(conn)
}

fn make_private(path: &Path) -> Result<(), DbError> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let why = |error: &std::io::Error| match error.kind() {
        std::io::ErrorKind::ReadOnlyFilesystem => Unwritable::ReadOnly,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Unwritable::Full,
        _ => Unwritable::Io,
    };
    let opened = options.open(path);
    opened.map(drop).map_err(|error| DbError::Unwritable { why: why(&error), detail: error.to_string() })
}

fn open(path: &Path) -> Result<rusqlite::Connection, DbError> {
    let conn = rusqlite::Connection::open(path).map_err(|error| failure("open", &error).error)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let settings = format!(
        "PRAGMA busy_timeout = {LOCK_WAIT_MS}; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; \
         PRAGMA temp_store = MEMORY;"
    );
    set(&conn, &settings)?;
    Ok(conn)
}

fn set(conn: &rusqlite::Connection, pragmas: &str) -> Result<(), DbError> {
    batch(conn, pragmas).map_err(|failure| failure.error)
}

/// Lowers or raises the number of pages the file may have.
pub(super) fn set_page_ceiling(conn: &rusqlite::Connection, pages: u32) -> Result<(), DbError> {
    conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
        .map_err(|error| failure("max_page_count", &error).error)
}

/// The writer's life.
pub(super) fn write_loop(conn: &rusqlite::Connection, inbox: &Inbox<dyn WriteJob>, counters: &Counters) {
    let mut stopping = false;
    while !stopping {
        let Some(Message::Run(first)) = next(inbox) else { return };
        let mut more = || {
            let message = inbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner).try_recv();
            match message {
                Ok(Message::Run(job)) => Some(job),
                Ok(Message::Stop) => {
                    stopping = true;
                    None
                }
                Err(_) => None,
            }
        };
        serve_group(conn, first, &mut more, counters);
    }
}

type BoxedWrite = Box<dyn WriteJob>;

/// Runs `first` and all that `more` brings in one commit.
fn serve_group(
    conn: &rusqlite::Connection,
    first: BoxedWrite,
    more: &mut dyn FnMut() -> Option<BoxedWrite>,
    counters: &Counters,
) {
    let began = Instant::now();
    if let Err(failure) = batch(conn, "BEGIN IMMEDIATE") {
        return refuse(first, failure.error);
    }
    let mut group = Group::default();
    let mut waiting = Some(first);
    while let Some(mut job) = waiting {
        let ran = run_in_savepoint(conn, job.as_mut(), &mut group);
        if conn.is_autocommit() {
            // The engine itself has undone everything; whoever was in the group before may still fit alone.
            job.answer();
            return group.jobs.into_iter().for_each(|job| serve_alone(conn, job, counters));
        }
        group.kept += u64::from(ran == Ran::Keep);
        group.jobs.push(job);
        let open = group.jobs.len() < GROUP_MAX && began.elapsed() < GROUP_SPAN_MAX;
        waiting = if open { more() } else { None };
    }
    commit(conn, group, counters);
}

#[derive(Default)]
struct Group {
    jobs: Vec<BoxedWrite>,
    kept: u64,
    rows: u64,
}

fn commit(conn: &rusqlite::Connection, group: Group, counters: &Counters) {
    match batch(conn, "COMMIT") {
        Ok(()) => {
            counters.committed(group.rows, group.kept);
            for job in group.jobs {
                job.took().into_iter().for_each(|took| counters.write_took(took));
                job.answer();
            }
        }
        Err(failure) => {
            roll_back(conn);
            if let [_] = group.jobs[..] {
                return group.jobs.into_iter().for_each(|job| refuse(job, failure.error.clone()));
            }
            group.jobs.into_iter().for_each(|job| serve_alone(conn, job, counters));
        }
    }
}

/// Runs one write again, in a commit of its own.
fn serve_alone(conn: &rusqlite::Connection, job: BoxedWrite, counters: &Counters) {
    counters.retried();
    serve_group(conn, job, &mut || None, counters);
}

/// Runs a write; what it did stays inside its savepoint when it is not kept.
fn run_in_savepoint(conn: &rusqlite::Connection, job: &mut dyn WriteJob, group: &mut Group) -> Ran {
    if let Err(failure) = batch(conn, "SAVEPOINT one") {
        job.fail(failure.error);
        return Ran::Undo;
    }
    let mut tx = Tx::new(Engine::Sqlite(conn));
    let ran = job.run(&mut tx);
    let rows = tx.rows();
    if conn.is_autocommit() {
        return Ran::Undo;
    }
    let end = if ran == Ran::Keep { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
    match batch(conn, end) {
        Ok(()) if ran == Ran::Keep => {
            group.rows += rows;
            Ran::Keep
        }
        Ok(()) => Ran::Undo,
        Err(failure) => {
            // A savepoint that cannot be closed cannot be kept apart: give the whole transaction up.
            job.fail(failure.error);
            roll_back(conn);
            Ran::Undo
        }
    }
}

fn refuse(mut job: BoxedWrite, error: DbError) {
    job.fail(error);
    job.answer();
}

fn roll_back(conn: &rusqlite::Connection) {
    if !conn.is_autocommit() {
        // Nothing better is known than to go on: the next BEGIN would report what stays wrong.
        let _ = batch(conn, "ROLLBACK");
    }
}

/// A reader's life.
pub(super) fn read_loop(conn: &rusqlite::Connection, inbox: &Inbox<dyn ReadJob>) {
    while let Some(Message::Run(mut job)) = next(inbox) {
        if job.is_abandoned() {
            continue;
        }
        match batch(conn, "BEGIN") {
            Ok(()) => job.run(&mut Reader::new(Engine::Sqlite(conn))),
            Err(failure) => job.fail(failure.error),
        }
        roll_back(conn);
        job.answer();
    }
}

pub(super) fn batch(conn: &rusqlite::Connection, sql: &str) -> Result<(), Failure> {
    conn.execute_batch(sql).map_err(|error| failure(sql, &error))
}

pub(super) fn execute(conn: &rusqlite::Connection, sql: &str, params: &[Value<'_>]) -> Result<u64, Failure> {
    let run = || {
        let mut statement = conn.prepare_cached(sql)?;
        bind(&mut statement, params)?;
        statement.raw_execute()
    };
    run().map(|rows| rows as u64).map_err(|error| failure(sql, &error))
}

pub(super) fn query(
    conn: &rusqlite::Connection,
    sql: &str,
    params: &[Value<'_>],
    each: &mut EachRow<'_>,
) -> Result<(), Failure> {
    let wrong = |error: rusqlite::Error| failure(sql, &error);
    let mut statement = conn.prepare_cached(sql).map_err(wrong)?;
    bind(&mut statement, params).map_err(wrong)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(wrong)? {
        each(&Row::Sqlite(row)).map_err(|error| Failure { error, again: Again::No })?;
    }
    Ok(())
}

/// SQLite counts `$1` as a name, so parameters are bound by name, whatever their order in the text.
fn bind(statement: &mut rusqlite::Statement<'_>, params: &[Value<'_>]) -> Result<(), rusqlite::Error> {
    debug_assert!(params.len() <= PARAMS_MAX);
    for (index, value) in params.iter().enumerate() {
        let name = NAMES.get(index).ok_or(rusqlite::Error::InvalidParameterCount(params.len(), PARAMS_MAX))?;
        statement.raw_bind_parameter(*name, value)?;
    }
    Ok(())
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        use rusqlite::types::ValueRef;
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// Sorts an error of the engine.
/// The same for who copies a file.
pub(super) fn sqlite_failure(sql: &str, error: &rusqlite::Error) -> DbError {
    failure(sql, error).error
}

fn failure(sql: &str, error: &rusqlite::Error) -> Failure {
    let detail = error.to_string();
    let unwritable = |why| DbError::Unwritable { why, detail: detail.clone() };
    let error = match error.sqlite_error() {
        None => DbError::statement(sql, error),
        Some(cause) => match cause.code {
            ErrorCode::DiskFull => unwritable(Unwritable::Full),
            ErrorCode::ReadOnly => unwritable(Unwritable::ReadOnly),
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => unwritable(Unwritable::Io),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => DbError::Busy { what: "lock of the file" },
            ErrorCode::ConstraintViolation if is_unique(cause.extended_code) => DbError::Duplicate { detail },
            _ => DbError::statement(sql, error),
        },
    };
    Failure { error, again: Again::No }
}

fn is_unique(extended_code: i32) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE};
    [SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE].contains(&extended_code)
}

const NAMES: [&str; PARAMS_MAX] = [
    "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$16", "$17",
    "$18", "$19", "$20", "$21", "$22", "$23", "$24", "$25", "$26", "$27", "$28", "$29", "$30", "$31", "$32", "$33",
    "$34", "$35", "$36", "$37", "$38", "$39", "$40", "$41", "$42", "$43", "$44", "$45", "$46", "$47", "$48",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_with_the_log_fault_is_refused() {
        assert!(check_version().is_ok());
        assert_eq!(version_fits(3_051_002), Err(DbError::EngineTooOld { found: 3_051_002, needed: VERSION_MIN }));
    }
}
