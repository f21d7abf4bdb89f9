//! The receipts file: one row for each serial and window.

use super::settle::Settled;
use super::{COUNTS_MAX, Count, KEPT, Row};
use model::Stamp;
use rules::storage::receipt::Served;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use wire::signed::Receipt;

/// The file, made when it is not there.
pub(super) fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let conn = Connection::open(path)?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;
         CREATE TABLE IF NOT EXISTS receipt (serial BLOB, window INTEGER, units INTEGER NOT NULL, served INTEGER NOT NULL,
             receipt BLOB NOT NULL, permit BLOB NOT NULL, PRIMARY KEY (serial, window)) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS settled (window INTEGER PRIMARY KEY, batch INTEGER, refused TEXT, at INTEGER NOT NULL);",
    )?;
    Ok(conn)
}

/// The newest window of each serial.
pub(super) fn load(conn: &Connection) -> Result<BTreeMap<[u8; 16], Count>, rusqlite::Error> {
    let mut statement =
        conn.prepare("SELECT serial, window, units, served, receipt, permit FROM receipt ORDER BY serial, window")?;
    let rows = statement.query_map([], |row| {
        let (units, served) = (row.get::<_, i64>(2)?.cast_unsigned(), row.get::<_, i64>(3)?.cast_unsigned());
        let count = Count {
            served: Served { window: row.get(1)?, signed: units, served },
            receipt: row.get(4)?,
            permit: row.get(5)?,
            written: Some((row.get(1)?, units)),
            changed: Arc::default(),
        };
        Ok((row.get(0)?, count))
    })?;
    let mut counts = BTreeMap::new();
    for row in rows {
        let (serial, count) = row?;
        counts.insert(serial, count);
        if counts.len() > COUNTS_MAX {
            counts.pop_first();
        }
    }
    Ok(counts)
}

/// Writes counts and forgets what is older than [`KEPT`].
pub(super) fn save(conn: &mut Connection, rows: &[Row], now: Stamp) -> Result<(), rusqlite::Error> {
    let tx = conn.transaction()?;
    for Row { serial, served, receipt, permit } in rows {
        let values =
            params![serial, served.window, served.signed.cast_signed(), served.served.cast_signed(), receipt, permit];
        tx.prepare_cached("INSERT OR REPLACE INTO receipt VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(values)?;
    }
    let oldest = Receipt::window_of(now - KEPT);
    tx.prepare_cached("DELETE FROM receipt WHERE window < ?1")?.execute([oldest])?;
    tx.prepare_cached("DELETE FROM settled WHERE window < ?1")?.execute([oldest])?;
    tx.commit()
}

/// Windows before one with receipts that were not settled, in order.
pub(super) fn unsettled(conn: &Connection, before: u32) -> Result<Vec<u32>, rusqlite::Error> {
    let sql = "SELECT DISTINCT window FROM receipt WHERE window < ?1 AND window NOT IN (SELECT window FROM settled) \
        ORDER BY window";
    let mut statement = conn.prepare(sql)?;
    statement.query_map([before], |row| row.get(0))?.collect()
}

/// Notes what came of a window; what was noted first stays.
pub(super) fn put_settled(conn: &Connection, settled: &Settled, now: Stamp) -> Result<(), rusqlite::Error> {
    let values =
        params![settled.window, settled.batch.map(u64::cast_signed), settled.refused, now.as_ms().cast_signed()];
    conn.execute("INSERT OR IGNORE INTO settled VALUES (?1, ?2, ?3, ?4)", values).map(drop)
}

/// What came of the newest windows, newest first.
pub(super) fn settled(conn: &Connection, limit: u32) -> Result<Vec<Settled>, rusqlite::Error> {
    let mut statement = conn.prepare("SELECT window, batch, refused FROM settled ORDER BY window DESC LIMIT ?1")?;
    let rows = statement.query_map([limit], |row| {
        let batch = row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned);
        Ok(Settled { window: row.get(0)?, batch, refused: row.get(2)? })
    })?;
    rows.collect()
}

/// A receipt and the permit it is under, as they came.
pub(super) type Signed = (Vec<u8>, Vec<u8>);

/// Receipts of a window with the permits they are under, at most `limit` after a serial.
pub(super) fn of_window(
    conn: &Connection,
    window: u32,
    after: [u8; 16],
    limit: u32,
) -> Result<Vec<Signed>, rusqlite::Error> {
    let sql = "SELECT receipt, permit FROM receipt WHERE window = ?1 AND serial > ?2 ORDER BY serial LIMIT ?3";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map(params![window, after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
