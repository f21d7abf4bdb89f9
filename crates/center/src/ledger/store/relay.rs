//! What sessions signed for at the relay, and how far its windows are.

use crate::db::{DbError, Reader, Tx};

/// A receipt as it came, with its permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Its window.
    pub window: u32,
    /// Serial of the permit.
    pub serial: [u8; 16],
    /// What it is for.
    pub units: u64,
    /// 224 bytes.
    pub permit: Vec<u8>,
    /// 144 bytes.
    pub receipt: Vec<u8>,
}

/// What became of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is the newest.
    Newest,
    /// One for as much or more was there.
    Known,
    /// Its window takes no more.
    Over,
}

/// What came of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRow {
    /// Which.
    pub window: u32,
    /// It is over.
    pub is_over: bool,
    /// Number of its batch.
    pub batch: Option<u64>,
    /// Why nothing of it counts.
    pub refused: Option<String>,
}

/// Units of the newest receipt of a serial and window.
pub fn units(q: &mut Reader<'_>, window: u32, serial: &[u8; 16]) -> Result<u64, DbError> {
    let sql = "SELECT units FROM relay_receipt WHERE window_no = $1 AND serial = $2";
    Ok(q.query_opt(sql, &[window.into(), serial.into()], |row| row.get(0))?.unwrap_or(0))
}

/// Keeps a receipt that is the newest of its serial and window.
pub fn keep(tx: &mut Tx<'_>, signed: &Signed) -> Result<Kept, DbError> {
    let window = [signed.window.into()];
    tx.execute(
        "INSERT INTO relay_window (window_no, step) VALUES ($1, 1) ON CONFLICT (window_no) DO NOTHING",
        &window,
    )?;
    let step = tx.query_opt("SELECT step FROM relay_window WHERE window_no = $1", &window, |row| row.get::<u8>(0))?;
    if step != Some(1) {
        return Ok(Kept::Over);
    }
    let sql = "INSERT INTO relay_receipt (window_no, serial, units, permit, receipt) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (window_no, serial) DO UPDATE SET units = excluded.units, permit = excluded.permit, \
        receipt = excluded.receipt WHERE relay_receipt.units < excluded.units";
    let (serial, permit, receipt) = (&signed.serial, &signed.permit, &signed.receipt);
    let params = [signed.window.into(), serial.into(), signed.units.into(), permit.into(), receipt.into()];
    Ok(if tx.execute(sql, &params)? == 1 { Kept::Newest } else { Kept::Known })
}

/// Windows before one that are not over, oldest first, at most `limit`.
pub fn open(q: &mut Reader<'_>, before: u32, limit: u32) -> Result<Vec<u32>, DbError> {
    let sql = "SELECT window_no FROM relay_window WHERE step < 3 AND window_no < $1 ORDER BY window_no LIMIT $2";
    q.query(sql, &[before.into(), limit.into()], |row| row.get(0))
}

/// From now on a window takes no more.
pub fn close(tx: &mut Tx<'_>, window: u32) -> Result<(), DbError> {
    tx.execute("UPDATE relay_window SET step = 2 WHERE window_no = $1 AND step = 1", &[window.into()]).map(drop)
}

/// Receipts of a window with the most units, at most `limit`.
pub fn largest(q: &mut Reader<'_>, window: u32, limit: u32) -> Result<Vec<Signed>, DbError> {
    let sql = "SELECT serial, units, permit, receipt FROM relay_receipt WHERE window_no = $1 \
        ORDER BY units DESC, serial LIMIT $2";
    q.query(sql, &[window.into(), limit.into()], |row| {
        let (serial, units, permit, receipt) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(Signed { window, serial, units, permit, receipt })
    })
}

/// How many receipts a window has.
pub fn count(q: &mut Reader<'_>, window: u32) -> Result<u64, DbError> {
    let sql = "SELECT count(*) FROM relay_receipt WHERE window_no = $1";
    Ok(q.query_opt(sql, &[window.into()], |row| row.get(0))?.unwrap_or(0))
}

/// Notes what came of a window; what was noted first stays.
pub fn set_over(tx: &mut Tx<'_>, row: &WindowRow) -> Result<(), DbError> {
    let sql = "UPDATE relay_window SET step = 3, batch = $2, refused = $3 WHERE window_no = $1 AND step < 3";
    tx.execute(sql, &[row.window.into(), row.batch.into(), row.refused.as_ref().into()]).map(drop)
}

/// How far a window is; nothing where nobody signed for anything in it.
pub fn window(q: &mut Reader<'_>, window: u32) -> Result<Option<WindowRow>, DbError> {
    let sql = "SELECT step, batch, refused FROM relay_window WHERE window_no = $1";
    q.query_opt(sql, &[window.into()], |row| {
        Ok(WindowRow { window, is_over: row.get::<u8>(0)? == 3, batch: row.get(1)?, refused: row.get(2)? })
    })
}

/// Forgets windows before one.
pub fn forget(tx: &mut Tx<'_>, before: u32) -> Result<(), DbError> {
    tx.execute("DELETE FROM relay_receipt WHERE window_no < $1", &[before.into()])?;
    tx.execute("DELETE FROM relay_window WHERE window_no < $1", &[before.into()]).map(drop)
}
