//! What a closure of the store is handed: [`Reader`] for questions, [`Tx`] also for changes.
//!
//! One SQL text with `$1` … serves both engines; what differs between them stands in [`super::dialect`] and in the two
//! engine files. A failed statement spoils its transaction on both, as PostgreSQL does by nature.

use super::dialect;
use super::error::DbError;
use super::postgres::PgConn;
use super::value::{Row, Value};
use std::ops::{Deref, DerefMut};

/// Rows one query may bring into memory.
pub const ROWS_MAX: usize = 200_000;

/// Whether a failed transaction may be begun again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It would fail again.
    No,
    /// It met another transaction.
    Conflict,
    /// The connection is gone; nothing was committed.
    Reconnect,
}

/// A failed statement.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: DbError,
    pub(super) again: Again,
}

/// The connection of one engine.
pub(super) enum Engine<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a mut PgConn),
}

impl Engine<'_> {
    /// Runs several statements without parameters.
    pub(super) fn batch(&mut self, sql: &str) -> Result<(), Failure> {
        match self {
            Self::Sqlite(conn) => super::sqlite::batch(conn, sql),
            Self::Postgres(conn) => conn.batch(sql),
        }
    }

    /// Rows changed.
    pub(super) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, Failure> {
        match self {
            Self::Sqlite(conn) => super::sqlite::execute(conn, sql, params),
            Self::Postgres(conn) => conn.execute(sql, params),
        }
    }

    /// Hands each row to `each`.
    pub(super) fn query(&mut self, sql: &str, params: &[Value<'_>], each: &mut EachRow<'_>) -> Result<(), Failure> {
        match self {
            Self::Sqlite(conn) => super::sqlite::query(conn, sql, params, each),
            Self::Postgres(conn) => conn.query(sql, params, each),
        }
    }
}

/// A statement over many rows: `before`, then `row` once for each with its own `$1` …, divided by commas, then `after`. Only `row` bears
/// parameters. How many rows go in one statement, the engine decides.
#[derive(Debug, Clone, Copy)]
pub struct Many<'s> {
    /// `INSERT INTO t (a, b) VALUES`.
    pub before: &'s str,
    /// `($1, $2)`.
    pub row: &'s str,
    /// `ON CONFLICT …`.
    pub after: &'s str,
}

impl Many<'_> {
    /// The statement for `count` rows of `width` parameters.
    fn text(&self, count: usize, width: usize) -> String {
        let mut out = format!("{} ", self.before);
        for at in 0..count {
            out.push_str(if at == 0 { "" } else { ", " });
            let mut parts = self.row.split('$');
            out.push_str(parts.next().unwrap_or_default());
            for part in parts {
                let digits = part.bytes().take_while(u8::is_ascii_digit).count();
                let number = part[..digits].parse::<usize>().unwrap_or_default();
                out.push_str(&format!("${}{}", number + at * width, &part[digits..]));
            }
        }
        out.push(' ');
        out.push_str(self.after);
        out
    }
}

/// Cuts rows into parts of the given sizes, largest first.
fn parts<'r, 'v>(mut rows: &'r [Vec<Value<'v>>], sizes: &[usize]) -> Vec<&'r [Vec<Value<'v>>]> {
    let mut out = Vec::new();
    for size in sizes {
        while rows.len() >= *size {
            let (part, rest) = rows.split_at(*size);
            out.push(part);
            rows = rest;
        }
    }
    out
}

/// Takes one row; an error ends the query.
pub(super) type EachRow<'f> = dyn FnMut(&Row<'_>) -> Result<(), DbError> + 'f;

/// Asks questions inside one consistent snapshot.
pub struct Reader<'a> {
    engine: Engine<'a>,
    failure: Option<Failure>,
    rows: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(engine: Engine<'a>) -> Self {
        Self { engine, failure: None, rows: 0 }
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// All rows of the answer, each through `read`; at most [`ROWS_MAX`].
    pub fn query<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Vec<T>, DbError> {
        let mut out = Vec::new();
        self.each(sql, params, &mut |row| {
            if out.len() == ROWS_MAX {
                return Err(DbError::statement(sql, format_args!("it answers more than {ROWS_MAX} rows")));
            }
            out.push(read(row)?);
            Ok(())
        })?;
        Ok(out)
    }

    /// The first row of the answer through `read`, or nothing.
    pub fn query_opt<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Option<T>, DbError> {
        let mut out = None;
        self.each(sql, params, &mut |row| {
            if out.is_none() {
                out = Some(read(row)?);
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// All rows of the answers to a statement over many, in no order; at most [`ROWS_MAX`] for each part of them.
    pub fn query_many<T>(
        &mut self,
        many: &Many<'_>,
        rows: &[Vec<Value<'_>>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Vec<T>, DbError> {
        let mut out = Vec::new();
        for part in parts(rows, dialect::rows_at_once(&self.engine)) {
            let sql = many.text(part.len(), part[0].len());
            out.extend(self.query(&sql, &part.concat(), &mut read)?);
        }
        Ok(out)
    }

    fn each(&mut self, sql: &str, params: &[Value<'_>], each: &mut EachRow<'_>) -> Result<(), DbError> {
        self.go_on()?;
        let answer = self.engine.query(sql, params, each);
        self.note(answer)
    }

    fn go_on(&self) -> Result<(), DbError> {
        if self.failure.is_some() { Err(DbError::Spoiled) } else { Ok(()) }
    }

    fn note<T>(&mut self, answer: Result<T, Failure>) -> Result<T, DbError> {
        answer.map_err(|failure| {
            let error = failure.error.clone();
            self.failure = Some(failure);
            error
        })
    }
}

/// One transaction: all or nothing of it stands, and what stands is durable.
///
/// Every function that takes a [`Reader`] takes a `&mut Tx` as well.
pub struct Tx<'a>(Reader<'a>);

impl<'a> Tx<'a> {
    pub(super) fn new(engine: Engine<'a>) -> Self {
        Self(Reader::new(engine))
    }

    /// Changes rows; how many.
    pub fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, DbError> {
        self.0.go_on()?;
        let answer = self.0.engine.execute(sql, params);
        let rows = self.0.note(answer)?;
        self.0.rows += rows;
        Ok(rows)
    }

    /// Changes rows by a statement over many; how many.
    pub fn execute_many(&mut self, many: &Many<'_>, rows: &[Vec<Value<'_>>]) -> Result<u64, DbError> {
        let mut changed = 0;
        for part in parts(rows, dialect::rows_at_once(&self.0.engine)) {
            let sql = many.text(part.len(), part[0].len());
            changed += self.execute(&sql, &part.concat())?;
        }
        Ok(changed)
    }

    /// Waits until no other transaction that asked for the same table is open, and keeps the next ones waiting; readers go on.
    /// What is read after it is what the one before left. To be called before anything else is read: a transaction that
    /// read before is begun again where another one came between.
    pub fn lock(&mut self, table: &str) -> Result<(), DbError> {
        self.0.go_on()?;
        let Some(sql) = dialect::lock_table(&self.0.engine, table) else { return Ok(()) };
        let answer = self.0.engine.batch(&sql);
        self.0.note(answer)
    }

    /// Changes at most one row by a statement with `returning` and reads it.
    pub fn change_returning<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Option<T>, DbError> {
        let changed = self.0.query_opt(sql, params, read)?;
        self.0.rows += u64::from(changed.is_some());
        Ok(changed)
    }

    /// Sets how many pages the SQLite file may have, at least as many as it has now; nothing on PostgreSQL. For tests of
    /// a full disk: the ceiling belongs to the open store, not to the file.
    #[doc(hidden)]
    pub fn set_page_ceiling(&mut self, pages: u32) -> Result<(), DbError> {
        match &self.0.engine {
            Engine::Sqlite(conn) => super::sqlite::set_page_ceiling(conn, pages),
            Engine::Postgres(_) => Ok(()),
        }
    }

    pub(super) fn spoiled(&self) -> Option<DbError> {
        self.0.failure().map(|failure| failure.error.clone())
    }

    pub(super) fn rows(&self) -> u64 {
        self.0.rows
    }
}

impl<'a> Deref for Tx<'a> {
    type Target = Reader<'a>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_statement_have_parameters_of_their_own() {
        let many = Many { before: "INSERT INTO t (a, b) VALUES", row: "($1, CAST($2 AS BIGINT))", after: "" };
        let expected = "INSERT INTO t (a, b) VALUES ($1, CAST($2 AS BIGINT)), ($3, CAST($4 AS BIGINT)) ";
        assert_eq!(many.text(2, 2), expected);
        let rows = vec![vec![Value::Int(1)]; 75];
        let sizes: Vec<usize> = parts(&rows, &[64, 8, 1]).iter().map(|part| part.len()).collect();
        assert_eq!(sizes, [64, 8, 1, 1, 1]);
        assert!(parts(&[], &[64, 8, 1]).is_empty());
    }
}
