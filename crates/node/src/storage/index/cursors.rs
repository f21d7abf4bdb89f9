//! What a node remembers beside its pieces: how far it followed each group's log, since when a piece is unknown to its log,
//! and how far it has looked at its own pieces. A file of its own; losing it costs only reading the logs anew.

use super::super::PieceKey;
use model::{PgId, SegmentId, Stamp};
use rules::storage::scrub::Round;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SCHEMA: i64 = 1;

/// The file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cursors of groups: {0}")]
pub struct CursorError(#[from] rusqlite::Error);

/// How far a group was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Last place of its log that was read.
    pub seq: u64,
    /// When all of it was read last.
    pub full_at: Option<Stamp>,
}

/// The open file. Calls block for the time of one small query.
#[derive(Debug)]
pub struct Cursors(Mutex<Connection>);

impl Cursors {
    /// Opens the file in the store's folder; one that is damaged or of another schema is begun anew.
    pub fn open(dir: &Path) -> Result<Self, CursorError> {
        let path = dir.join("groups.sqlite");
        if let Ok(conn) = connect(&path) {
            return Ok(Self(Mutex::new(conn)));
        }
        for end in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            let _ = std::fs::remove_file(name);
        }
        Ok(Self(Mutex::new(connect(&path)?)))
    }

    fn conn(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far groups were followed.
    pub fn all(&self) -> Result<BTreeMap<PgId, Cursor>, CursorError> {
        let conn = self.conn();
        let mut statement = conn.prepare_cached("SELECT pg, seq, full_at FROM cursor")?;
        let rows = statement.query_map([], |row| {
            let full_at = row.get::<_, Option<i64>>(2)?.map(|at| Stamp(at.cast_unsigned()));
            Ok((PgId(row.get(0)?), Cursor { seq: row.get::<_, i64>(1)?.cast_unsigned(), full_at }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A group was followed that far.
    pub fn set(&self, pg: PgId, cursor: Cursor) -> Result<(), CursorError> {
        let full_at = cursor.full_at.map(|at| at.0.cast_signed());
        self.conn()
            .prepare_cached("INSERT OR REPLACE INTO cursor (pg, seq, full_at) VALUES (?1, ?2, ?3)")?
            .execute(params![pg.0, cursor.seq.cast_signed(), full_at])?;
        Ok(())
    }

    /// A group of which nothing is held.
    pub fn forget(&self, pg: PgId) -> Result<(), CursorError> {
        let conn = self.conn();
        conn.execute("DELETE FROM cursor WHERE pg = ?1", [pg.0])?;
        conn.execute("DELETE FROM unknown WHERE pg = ?1", [pg.0])?;
        Ok(())
    }

    /// Since when pieces of a group are unknown to its log.
    pub fn unknown(&self, pg: PgId) -> Result<BTreeMap<PieceKey, Stamp>, CursorError> {
        let conn = self.conn();
        let mut statement = conn.prepare_cached("SELECT segment, idx, since FROM unknown WHERE pg = ?1")?;
        let rows = statement.query_map([pg.0], |row| {
            let key = PieceKey { segment: SegmentId(row.get(0)?), index: row.get(1)? };
            Ok((key, Stamp(row.get::<_, i64>(2)?.cast_unsigned())))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// These pieces of a group are unknown to its log, and no others.
    pub fn set_unknown(&self, pg: PgId, pieces: &BTreeMap<PieceKey, Stamp>) -> Result<(), CursorError> {
        let mut conn = self.conn();
        let tx = conn.transaction()?;
        tx.execute("DELETE FROM unknown WHERE pg = ?1", [pg.0])?;
        for (key, since) in pieces {
            tx.prepare_cached("INSERT INTO unknown (pg, segment, idx, since) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![pg.0, key.segment.0, key.index, since.0.cast_signed()])?;
        }
        Ok(tx.commit()?)
    }

    /// How far the look at this node's own pieces is.
    pub fn round(&self) -> Result<Option<Round>, CursorError> {
        let sql = "SELECT began, done FROM round";
        let found = self.conn().query_row(sql, [], |row| {
            let n = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
            Ok(Round { began: Stamp(n(0)?), done: n(1)? })
        });
        Ok(found.optional()?)
    }

    /// It is that far.
    pub fn set_round(&self, round: Round) -> Result<(), CursorError> {
        let sql = "INSERT OR REPLACE INTO round (one, began, done) VALUES (1, ?1, ?2)";
        self.conn().execute(sql, params![round.began.0.cast_signed(), round.done.cast_signed()])?;
        Ok(())
    }
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let conn = Connection::open(path)?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;",
    )?;
    let schema: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let sound: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound != "ok" || (schema != 0 && schema != SCHEMA) {
        return Err(rusqlite::Error::InvalidQuery);
    }
    conn.execute_batch(&format!(
        "BEGIN;
         CREATE TABLE IF NOT EXISTS cursor (pg INTEGER PRIMARY KEY, seq INTEGER NOT NULL, full_at INTEGER);
         CREATE TABLE IF NOT EXISTS unknown (pg INTEGER, segment BLOB, idx INTEGER, since INTEGER NOT NULL,
                                             PRIMARY KEY (pg, segment, idx)) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS round (one INTEGER PRIMARY KEY, began INTEGER NOT NULL, done INTEGER NOT NULL);
         PRAGMA user_version = {SCHEMA};
         COMMIT;"
    ))?;
    Ok(conn)
}
