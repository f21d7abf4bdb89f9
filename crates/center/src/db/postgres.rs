//! PostgreSQL: a few threads, each with its own connection of the blocking client.
//!
//! Writes run serializable, so that a closure may reason as on SQLite, where writers follow one another; a transaction
//! that met another one is begun again with the same closure. A connection lost before the commit is made anew and the
//! closure runs again; lost during the commit, the caller hears [`DbError::CommitUnknown`] and must read before trying
//! again. Without TLS as yet: reach a distant server through a tunnel.

use super::error::{DbError, Unwritable};
use super::job::{Message, Ran, ReadJob, WriteJob};
use super::stats::Counters;
use super::tx::{Again, EachRow, Engine, Failure, Reader, Tx};
use super::value::{Row, Value};
use super::{Inbox, next};
use bytes_out::put;
use postgres::error::SqlState;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

/// How often a transaction that met another one is begun again.
const CONFLICT_TRIES_MAX: u32 = 40;
/// How often a lost connection is made anew for one transaction.
const CONNECT_TRIES_MAX: u32 = 3;
/// First pause before a new try; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// Longest pause before a new try.
const PAUSE_MAX: Duration = Duration::from_millis(64);
/// How long a connection may take to be made.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// Compiled statements kept per connection; one over many rows is several, by how many rows it bears.
const STATEMENTS_MAX: usize = 256;
/// Said to every connection: what is acknowledged is on disk, and nothing waits for ever.
const SETTINGS: &str = "SET synchronous_commit = on; SET statement_timeout = 30000; SET lock_timeout = 10000; \
     SET idle_in_transaction_session_timeout = 60000; SET client_min_messages = warning";

/// A connection with its compiled statements.
pub(super) struct PgConn {
    client: postgres::Client,
    statements: BTreeMap<String, postgres::Statement>,
}

/// Reads the address; the words of an error never hold it.
pub(super) fn config(url: &str) -> Result<postgres::Config, DbError> {
    let mut config: postgres::Config =
        url.parse().map_err(|error: postgres::Error| DbError::Url { why: error.to_string() })?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_WAIT);
    }
    if config.get_application_name().is_none() {
        config.application_name(model::program::NAME);
    }
    Ok(config)
}

impl PgConn {
    /// Dials the server.
    pub(super) fn open(config: &postgres::Config) -> Result<Self, DbError> {
        let client = config.connect(postgres::NoTls).map_err(|error| failure("connect", &error).error)?;
        let mut conn = Self { client, statements: BTreeMap::new() };
        conn.batch(SETTINGS).map_err(|failure| failure.error)?;
        Ok(conn)
    }

    pub(super) fn batch(&mut self, sql: &str) -> Result<(), Failure> {
        self.client.batch_execute(sql).map_err(|error| failure(sql, &error))
    }

    pub(super) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, Failure> {
        let statement = self.prepare(sql)?;
        self.client.execute(&statement, &as_params(params)).map_err(|error| failure(sql, &error))
    }

    pub(super) fn query(&mut self, sql: &str, params: &[Value<'_>], each: &mut EachRow<'_>) -> Result<(), Failure> {
        use postgres::fallible_iterator::FallibleIterator;
        let statement = self.prepare(sql)?;
        let wrong = |error: postgres::Error| failure(sql, &error);
        let mut rows = self.client.query_raw(&statement, params.iter().map(|p| p as &dyn ToSql)).map_err(wrong)?;
        while let Some(row) = rows.next().map_err(wrong)? {
            each(&Row::Postgres(&row)).map_err(|error| Failure { error, again: Again::No })?;
        }
        Ok(())
    }

    fn prepare(&mut self, sql: &str) -> Result<postgres::Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).map_err(|error| failure(sql, &error))?;
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn as_params<'p>(params: &'p [Value<'_>]) -> Vec<&'p (dyn ToSql + Sync)> {
    params.iter().map(|p| p as &(dyn ToSql + Sync)).collect()
}

/// A connection that is made when it is first needed, and again when it was lost.
pub(super) struct Line {
    config: postgres::Config,
    conn: Option<PgConn>,
}

impl Line {
    pub(super) fn new(config: postgres::Config, conn: Option<PgConn>) -> Self {
        Self { config, conn }
    }

    fn get(&mut self) -> Result<&mut PgConn, DbError> {
        let conn = match self.conn.take().filter(|conn| !conn.client.is_closed()) {
            Some(conn) => conn,
            None => PgConn::open(&self.config)?,
        };
        Ok(self.conn.insert(conn))
    }

    fn hang_up(&mut self) {
        self.conn = None;
    }
}

/// A writer's life.
pub(super) fn write_loop(line: &mut Line, inbox: &Inbox<dyn WriteJob>, counters: &Counters) {
    while let Some(Message::Run(mut job)) = next(inbox) {
        let stands = serve_write(line, job.as_mut(), counters);
        if let (Some(rows), Some(took)) = (stands, job.took()) {
            counters.committed(rows, 1);
            counters.write_took(took);
        }
        job.answer();
    }
}

/// Runs a write until it stands or cannot; the rows it changed, where it stands.
fn serve_write(line: &mut Line, job: &mut dyn WriteJob, counters: &Counters) -> Option<u64> {
    let mut tries = Tries::default();
    loop {
        let failure = match try_write(line, job) {
            Ok(rows) => return rows,
            Err(failure) => failure,
        };
        if failure.again == Again::Reconnect {
            line.hang_up();
        }
        if let Some(end) = tries.next(failure) {
            job.fail(end);
            return None;
        }
        counters.retried();
    }
}

/// One try: nothing where the closure refused, rows where it stands.
fn try_write(line: &mut Line, job: &mut dyn WriteJob) -> Result<Option<u64>, Failure> {
    let conn = line.get().map_err(|error| Failure { error, again: Again::Reconnect })?;
    conn.batch("BEGIN ISOLATION LEVEL SERIALIZABLE")?;
    let mut tx = Tx::new(Engine::Postgres(conn));
    let ran = job.run(&mut tx);
    let rows = tx.rows();
    let failed = tx.failure().cloned();
    if ran == Ran::Keep {
        return commit(conn).map(|()| Some(rows));
    }
    let undone = conn.batch("ROLLBACK");
    match failed {
        Some(failure) if failure.again != Again::No => Err(failure),
        // The closure's answer stands whatever becomes of the rollback: a lost connection has undone it as well.
        _ => {
            if undone.is_err() {
                line.hang_up();
            }
            Ok(None)
        }
    }
}

fn commit(conn: &mut PgConn) -> Result<(), Failure> {
    conn.batch("COMMIT").map_err(|failure| match failure.again {
        Again::Reconnect => Failure { error: DbError::CommitUnknown, again: Again::No },
        _ => failure,
    })
}

/// A reader's life.
pub(super) fn read_loop(line: &mut Line, inbox: &Inbox<dyn ReadJob>) {
    while let Some(Message::Run(mut job)) = next(inbox) {
        if job.is_abandoned() {
            continue;
        }
        let mut tries = Tries::default();
        while let Err(failure) = try_read(line, job.as_mut()) {
            if failure.again == Again::Reconnect {
                line.hang_up();
            }
            if let Some(end) = tries.next(failure) {
                job.fail(end);
                break;
            }
        }
        job.answer();
    }
}

fn try_read(line: &mut Line, job: &mut dyn ReadJob) -> Result<(), Failure> {
    let conn = line.get().map_err(|error| Failure { error, again: Again::Reconnect })?;
    conn.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    let mut reader = Reader::new(Engine::Postgres(conn));
    job.run(&mut reader);
    let failed = reader.failure().filter(|failure| failure.again != Again::No).cloned();
    let ended = conn.batch("ROLLBACK");
    if ended.is_err() {
        line.hang_up();
    }
    failed.map_or(Ok(()), Err)
}

/// Counts tries and pauses between them.
#[derive(Default)]
struct Tries {
    conflicts: u32,
    connects: u32,
}

impl Tries {
    /// Waits before the next try, or says how it ends.
    fn next(&mut self, failure: Failure) -> Option<DbError> {
        let (count, max) = match failure.again {
            Again::No => return Some(failure.error),
            Again::Conflict => (&mut self.conflicts, CONFLICT_TRIES_MAX),
            Again::Reconnect => (&mut self.connects, CONNECT_TRIES_MAX),
        };
        *count += 1;
        if *count >= max {
            let tries = *count;
            return Some(if failure.again == Again::Conflict { DbError::Conflict { tries } } else { failure.error });
        }
        let doubled = PAUSE_MIN * 2_u32.saturating_pow((*count - 1).min(10));
        std::thread::sleep(doubled.min(PAUSE_MAX).mul_f64(share_of_pause()));
        None
    }
}

/// Between a half and the whole of a pause, from the low digits of the clock, so that two writers do not keep step.
fn share_of_pause() -> f64 {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
    0.5 + f64::from(nanos % 1_000) / 2_000.0
}

/// Sorts an error of the client.
fn failure(sql: &str, error: &postgres::Error) -> Failure {
    let told =
        |error: &dyn Error| error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    let detail = told(error);
    let unwritable = |why| DbError::Unwritable { why, detail: detail.clone() };
    let Some(code) = error.code() else {
        return if is_lost(error) {
            Failure { error: unwritable(Unwritable::Unreachable), again: Again::Reconnect }
        } else {
            Failure { error: DbError::statement(sql, detail), again: Again::No }
        };
    };
    let no = |error| Failure { error, again: Again::No };
    match code {
        c if *c == SqlState::T_R_SERIALIZATION_FAILURE || *c == SqlState::T_R_DEADLOCK_DETECTED => {
            Failure { error: DbError::Conflict { tries: 1 }, again: Again::Conflict }
        }
        c if *c == SqlState::DISK_FULL => no(unwritable(Unwritable::Full)),
        c if *c == SqlState::READ_ONLY_SQL_TRANSACTION => no(unwritable(Unwritable::ReadOnly)),
        c if *c == SqlState::IO_ERROR => no(unwritable(Unwritable::Io)),
        c if *c == SqlState::UNIQUE_VIOLATION => no(DbError::Duplicate { detail }),
        c if *c == SqlState::QUERY_CANCELED || *c == SqlState::LOCK_NOT_AVAILABLE => {
            no(DbError::Busy { what: "lock of the server" })
        }
        // Class 57: shut down, starting up; 53: no connections or memory left; 08: connection.
        c if ["57P", "53", "08"].iter().any(|class| c.code().starts_with(class)) => {
            Failure { error: unwritable(Unwritable::Unreachable), again: Again::Reconnect }
        }
        _ => no(DbError::statement(sql, detail)),
    }
}

/// True when the connection is gone or could not be made.
fn is_lost(error: &postgres::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(e) = cause {
        if e.downcast_ref::<std::io::Error>().is_some() {
            return true;
        }
        cause = e.source();
    }
    error.is_closed() || error.to_string().starts_with("error connecting")
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut bytes_out::Out) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        put(*self, ty, out)
    }
    fn accepts(_: &Type) -> bool {
        true // the types are compared with the value in `put`, which alone knows both
    }
    to_sql_checked!();
}

/// Values in PostgreSQL's binary form.
mod bytes_out {
    use super::{Error, IsNull, ToSql, Type, Value};

    pub(super) type Out = bytes::BytesMut;

    pub(super) fn put(value: Value<'_>, ty: &Type, out: &mut Out) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (value, ty) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Int(n), &Type::INT8) => n.to_sql(ty, out),
            (Value::Int(n), &Type::INT4) => i32::try_from(n)?.to_sql(ty, out),
            (Value::Blob(bytes), &Type::BYTEA) => bytes.to_sql(ty, out),
            (Value::Text(text), &Type::TEXT) => text.to_sql(ty, out),
            (value, ty) => Err(format!("{value:?} does not fit {ty}").into()),
        }
    }
}
