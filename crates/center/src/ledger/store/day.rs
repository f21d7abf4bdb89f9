//! Daily roots.

use crate::db::{DbError, Reader, Row, Tx};
use crate::ledger::PAGE_MAX;
use model::Stamp;
use rules::ledger::chain::{Day, Hash};

/// A day's root and what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRow {
    /// What it is made of.
    pub day: Day,
    /// Its root, over the root of the day before.
    pub root: Hash,
    /// When it was made.
    pub at: Stamp,
}

const DAY: &str = "day, root, rows_root, accounts_root, debits, credits, row_count, made_at";

fn read(row: &Row<'_>) -> Result<DayRow, DbError> {
    let day = Day {
        day: row.get(0)?,
        rows_root: row.get(2)?,
        accounts_root: row.get(3)?,
        debits: u128::from_le_bytes(row.get(4)?),
        credits: u128::from_le_bytes(row.get(5)?),
        rows: row.get(6)?,
    };
    Ok(DayRow { day, root: row.get(1)?, at: row.get(7)? })
}

/// Days after one, in order, at most `limit` and [`PAGE_MAX`].
pub fn after(q: &mut Reader<'_>, day: Option<u32>, limit: u32) -> Result<Vec<DayRow>, DbError> {
    let sql = format!("SELECT {DAY} FROM ledger_day WHERE day > $1 ORDER BY day LIMIT $2");
    let day = day.map_or(-1, i64::from);
    q.query(&sql, &[day.into(), limit.min(PAGE_MAX).into()], read)
}

/// The last day with a root.
pub fn last(q: &mut Reader<'_>) -> Result<Option<DayRow>, DbError> {
    q.query_opt(&format!("SELECT {DAY} FROM ledger_day ORDER BY day DESC LIMIT 1"), &[], read)
}

/// Adds a day's root, unless one is there: true when it did.
pub fn insert(tx: &mut Tx<'_>, row: &DayRow) -> Result<bool, DbError> {
    let sql =
        format!("INSERT INTO ledger_day ({DAY}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (day) DO NOTHING");
    let (debits, credits) = (row.day.debits.to_le_bytes(), row.day.credits.to_le_bytes());
    let params = [
        row.day.day.into(),
        (&row.root).into(),
        (&row.day.rows_root).into(),
        (&row.day.accounts_root).into(),
        (&debits).into(),
        (&credits).into(),
        row.day.rows.into(),
        row.at.into(),
    ];
    Ok(tx.execute(&sql, &params)? == 1)
}

/// Forgets roots of days before one.
pub fn forget(tx: &mut Tx<'_>, before: u32) -> Result<u64, DbError> {
    tx.execute("DELETE FROM ledger_day WHERE day < $1", &[before.into()])
}
