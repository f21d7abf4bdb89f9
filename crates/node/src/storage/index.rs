//! The index: the durable copy of [`Held`], written in one transaction per group. Nothing in it is believed without
//! its checksum, and all of it can be had again from the logs.

pub mod cursors;

use super::entry::PieceKey;
use super::error::{StoreError, io};
use super::state::{Health, Held, Log, LogKey, Place};
use model::{PgId, SegmentId};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use wire::storage::Locator;

/// SQLite 3.51.3: the first without the WAL-reset fault.
const SQLITE_MIN: i32 = 3_051_003;
const SCHEMA: i64 = 3;

/// An open index.
pub(super) struct Index {
    conn: Connection,
    path: PathBuf,
}

impl Index {
    /// Opens the index; with it what it says, or none when it is missing, damaged or of another schema (then it is
    /// made anew and empty).
    pub fn open(dir: &Path) -> Result<(Self, Option<Held>), StoreError> {
        let found = rusqlite::version_number();
        if found < SQLITE_MIN {
            return Err(StoreError::OldSqlite { found, need: SQLITE_MIN });
        }
        let path = dir.join("index.sqlite");
        if path.exists()
            && let Ok(index) = Self::connect(&path)
            && let Ok(Some(held)) = index.load()
        {
            return Ok((index, Some(held)));
        }
        remove_files(&path)?;
        let index = Self::connect(&path)?;
        index.create()?;
        Ok((index, None))
    }

    fn connect(path: &Path) -> Result<Self, StoreError> {
        let conn = Connection::open(path)?;
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF; \
             PRAGMA temp_store = MEMORY;",
        )?;
        Ok(Self { conn, path: path.to_owned() })
    }

    fn create(&self) -> Result<(), StoreError> {
        self.conn.execute_batch(&format!(
            "BEGIN;
             CREATE TABLE log (pg INTEGER, no INTEGER, salt BLOB, len INTEGER, closed INTEGER, removals INTEGER,
                               left_behind INTEGER, crc INTEGER,
                               PRIMARY KEY (pg, no)) WITHOUT ROWID;
             CREATE TABLE piece (segment BLOB, idx INTEGER, pg INTEGER, log INTEGER, offset INTEGER, len INTEGER,
                                 seq INTEGER, trashed_at INTEGER, word INTEGER, health INTEGER, locator BLOB, crc INTEGER,
                                 PRIMARY KEY (segment, idx)) WITHOUT ROWID;
             CREATE TABLE next (seq INTEGER, log INTEGER);
             INSERT INTO next VALUES (1, 1);
             PRAGMA user_version = {SCHEMA};
             COMMIT;"
        ))?;
        Ok(())
    }

    /// All rows; none when one of them does not fit its checksum.
    fn load(&self) -> Result<Option<Held>, rusqlite::Error> {
        let schema: i64 = self.conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let sound: String = self.conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if schema != SCHEMA || sound != "ok" {
            return Ok(None);
        }
        let mut held = Held::default();
        let (seq, log): (i64, i64) =
            self.conn.query_row("SELECT seq, log FROM next", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        (held.next_seq, held.next_log) = (seq.cast_unsigned(), u32::try_from(log).unwrap_or(u32::MAX));
        let mut statement =
            self.conn.prepare("SELECT pg, no, salt, len, closed, removals, left_behind, crc FROM log")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = (PgId(row.get(0)?), row.get(1)?);
            let len: i64 = row.get(3)?;
            let log = Log {
                len: len.cast_unsigned(),
                closed: row.get::<_, u8>(4)? > 0,
                failed: row.get::<_, u8>(4)? > 1,
                removals: row.get::<_, i64>(5)?.cast_unsigned(),
                left_behind: row.get(6)?,
                ..Log::new(row.get(2)?)
            };
            if row.get::<_, u32>(7)? != log_crc(key, &log) {
                return Ok(None);
            }
            held.logs.insert(key, log);
        }
        let sql = "SELECT segment, idx, pg, log, offset, len, seq, trashed_at, word, health, locator, crc FROM piece";
        let mut statement = self.conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (key, place, locator) = piece_of(row)?;
            if row.get::<_, u32>(11)? != place_crc(key, &place, locator) {
                return Ok(None);
            }
            let _ = held.put(key, place);
            held.locate(key, locator);
        }
        Ok(Some(held))
    }

    /// Writes what changed: logs and pieces by name, as `held` has them now (absent ones are removed).
    pub fn save(&mut self, held: &Held, logs: &[LogKey], pieces: &[PieceKey]) -> Result<(), StoreError> {
        let tx = self.conn.transaction()?;
        for key in logs {
            save_log(&tx, *key, held.logs.get(key))?;
        }
        for key in pieces {
            save_piece(&tx, *key, held.pieces.get(key), held.locator(*key))?;
        }
        tx.prepare_cached("UPDATE next SET seq = ?1, log = ?2")?
            .execute(params![held.next_seq.cast_signed(), held.next_log])?;
        tx.commit()?;
        Ok(())
    }

    /// Gives the index up: the next start rebuilds it.
    pub fn discard(self) {
        let path = self.path.clone();
        drop(self);
        let _ = remove_files(&path);
    }
}

fn remove_files(path: &Path) -> Result<(), StoreError> {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match std::fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io("remove the index")(error)),
            _ => {}
        }
    }
    Ok(())
}

fn save_log(conn: &Connection, key: LogKey, log: Option<&Log>) -> Result<(), rusqlite::Error> {
    match log {
        None => conn.prepare_cached("DELETE FROM log WHERE pg = ?1 AND no = ?2")?.execute(params![key.0.0, key.1])?,
        Some(log) => conn
            .prepare_cached("INSERT OR REPLACE INTO log VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![
                key.0.0,
                key.1,
                log.salt,
                log.len.cast_signed(),
                u8::from(log.closed) + u8::from(log.failed),
                log.removals.cast_signed(),
                log.left_behind,
                log_crc(key, log)
            ])?,
    };
    Ok(())
}

fn save_piece(
    conn: &Connection,
    key: PieceKey,
    place: Option<&Place>,
    locator: Option<Locator>,
) -> Result<(), rusqlite::Error> {
    let Some(p) = place else {
        conn.prepare_cached("DELETE FROM piece WHERE segment = ?1 AND idx = ?2")?
            .execute(params![key.segment.0, key.index])?;
        return Ok(());
    };
    conn.prepare_cached("INSERT OR REPLACE INTO piece VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")?
        .execute(params![
            key.segment.0,
            key.index,
            p.pg.0,
            p.log,
            p.offset.cast_signed(),
            p.len.cast_signed(),
            p.seq.cast_signed(),
            p.trashed_at.map(u64::cast_signed),
            p.word,
            health_number(p.health),
            locator,
            place_crc(key, p, locator)
        ])?;
    Ok(())
}

fn piece_of(row: &rusqlite::Row<'_>) -> Result<(PieceKey, Place, Option<Locator>), rusqlite::Error> {
    let u = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let place = Place {
        pg: PgId(row.get(2)?),
        log: row.get(3)?,
        offset: u(4)?,
        len: u(5)?,
        seq: u(6)?,
        trashed_at: row.get::<_, Option<i64>>(7)?.map(i64::cast_unsigned),
        word: row.get(8)?,
        health: match row.get::<_, u8>(9)? {
            0 => Health::Verified,
            1 => Health::Unchecked,
            _ => Health::Damaged,
        },
    };
    Ok((PieceKey { segment: SegmentId(row.get(0)?), index: row.get(1)? }, place, row.get(10)?))
}

fn health_number(health: Health) -> u8 {
    match health {
        Health::Verified => 0,
        Health::Unchecked => 1,
        Health::Damaged => 2,
    }
}

fn log_crc(key: LogKey, log: &Log) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&key.0.0.to_le_bytes());
    crc.update(&key.1.to_le_bytes());
    crc.update(&log.salt);
    crc.update(&log.len.to_le_bytes());
    crc.update(&log.removals.to_le_bytes());
    crc.update(&[u8::from(log.closed) + u8::from(log.failed), u8::from(log.left_behind)]);
    crc.finalize()
}

fn place_crc(key: PieceKey, p: &Place, locator: Option<Locator>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&key.segment.0);
    crc.update(&key.index.to_le_bytes());
    crc.update(&p.pg.0.to_le_bytes());
    crc.update(&p.log.to_le_bytes());
    crc.update(&p.word.to_le_bytes());
    for n in [p.offset, p.len, p.seq, u64::from(p.trashed_at.is_some()), p.trashed_at.unwrap_or(0)] {
        crc.update(&n.to_le_bytes());
    }
    crc.update(&[health_number(p.health), u8::from(locator.is_some())]);
    crc.update(&locator.unwrap_or_default());
    crc.finalize()
}
