//! Holds, as their rows say, and whether a subject argues about them.

use super::lock;
use crate::db::{DbError, Many, Reader, Row, Tx, Value, int_as};
use crate::ledger::PAGE_MAX;
use model::{AccountNo, Code, Stamp, TransferId, Ucredit};
use rules::ledger::Hold;

const HOLD: &str = "id, debit, escrow, amount, posted, voided, expired, code, expires_at, is_contested";

fn read(row: &Row<'_>) -> Result<Hold, DbError> {
    let code = int_as(row, 7, |n| u16::try_from(n).ok().and_then(Code::from_number))?;
    Ok(Hold {
        id: row.get(0)?,
        debit: row.get(1)?,
        escrow: row.get(2)?,
        amount: row.get(3)?,
        posted: row.get(4)?,
        voided: row.get(5)?,
        expired: row.get(6)?,
        code: code.ok_or_else(|| DbError::Column { column: 7, why: "it is null".to_owned() })?,
        expires: row.get(8)?,
        is_contested: row.get(9)?,
    })
}

/// Those of these holds that were ever made, in no order.
pub fn load(q: &mut Reader<'_>, ids: &[TransferId]) -> Result<Vec<Hold>, DbError> {
    let before = format!("SELECT {HOLD} FROM ledger_hold WHERE id IN (");
    let rows: Vec<_> = ids.iter().map(|id| vec![Value::from(id)]).collect();
    q.query_many(&Many { before: &before, row: "$1", after: ")" }, &rows, read)
}

/// Holds of an account with something left, those that end first in front, at most `limit` and [`PAGE_MAX`].
pub fn of(q: &mut Reader<'_>, account: AccountNo, limit: u32) -> Result<Vec<Hold>, DbError> {
    let sql = format!(
        "SELECT {HOLD} FROM ledger_hold WHERE debit = $1 AND remaining > 0 ORDER BY debit, expires_at, id LIMIT $2"
    );
    q.query(&sql, &[account.into(), limit.min(PAGE_MAX).into()], read)
}

/// Holds of an account for one purpose with something left, those that end first in front, at most `limit` and [`PAGE_MAX`].
pub fn of_code(q: &mut Reader<'_>, account: AccountNo, code: Code, limit: u32) -> Result<Vec<Hold>, DbError> {
    let sql = format!(
        "SELECT {HOLD} FROM ledger_hold WHERE debit = $1 AND remaining > 0 AND code = $2 \
         ORDER BY debit, expires_at, id LIMIT $3"
    );
    q.query(&sql, &[account.into(), code.number().into(), limit.min(PAGE_MAX).into()], read)
}

/// What is left of an account's holds for one purpose.
pub fn sum_of(q: &mut Reader<'_>, account: AccountNo, code: Code) -> Result<Ucredit, DbError> {
    let sql = "SELECT CAST(coalesce(sum(remaining), 0) AS BIGINT) FROM ledger_hold \
        WHERE debit = $1 AND remaining > 0 AND code = $2";
    Ok(q.query_opt(sql, &[account.into(), code.number().into()], |row| row.get(0))?.unwrap_or(Ucredit::ZERO))
}

/// Holds whose time is over and that nobody argues about, at most `limit`.
pub fn due(q: &mut Reader<'_>, now: Stamp, limit: u32) -> Result<Vec<Hold>, DbError> {
    let sql = format!(
        "SELECT {HOLD} FROM ledger_hold WHERE expires_at <= $1 AND remaining > 0 AND is_contested = 0 \
         ORDER BY expires_at, id LIMIT $2"
    );
    q.query(&sql, &[now.into(), limit.min(PAGE_MAX).into()], read)
}

/// Every hold there ever was, in order, or only those with something left.
pub fn all(q: &mut Reader<'_>, only_open: bool) -> Result<Vec<Hold>, DbError> {
    let which = if only_open { "remaining > 0 AND" } else { "" };
    let sql = format!("SELECT {HOLD} FROM ledger_hold WHERE {which} id > $1 ORDER BY id LIMIT $2");
    let (mut out, mut after): (Vec<Hold>, Vec<u8>) = (Vec::new(), Vec::new());
    loop {
        let page = q.query(&sql, &[(&after).into(), PAGE_MAX.into()], read)?;
        let is_last = page.len() < PAGE_MAX as usize;
        out.extend(page);
        match out.last() {
            Some(hold) if !is_last => after = hold.id.0.to_vec(),
            _ => return Ok(out),
        }
    }
}

/// Writes holds as they are now, each once.
pub(super) fn put(tx: &mut Tx<'_>, holds: &[&Hold]) -> Result<(), DbError> {
    let before = format!("INSERT INTO ledger_hold ({HOLD}, remaining) VALUES");
    let many = Many {
        before: &before,
        row: "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        after: "ON CONFLICT (id) DO UPDATE SET posted = excluded.posted, voided = excluded.voided, \
            expired = excluded.expired, remaining = excluded.remaining",
    };
    let rows: Vec<_> = holds.iter().map(|hold| params_of(hold)).collect();
    tx.execute_many(&many, &rows).map(drop)
}

fn params_of(hold: &Hold) -> Vec<Value<'_>> {
    vec![
        (&hold.id).into(),
        hold.debit.into(),
        hold.escrow.into(),
        hold.amount.into(),
        hold.posted.into(),
        hold.voided.into(),
        hold.expired.into(),
        hold.code.number().into(),
        hold.expires.into(),
        hold.is_contested.into(),
        hold.remaining().into(),
    ]
}

/// A subject argues about a hold, or does no more; false where nothing of it is left.
pub fn contest(tx: &mut Tx<'_>, id: TransferId, is_contested: bool) -> Result<bool, DbError> {
    lock(tx)?;
    let sql = "UPDATE ledger_hold SET is_contested = $2 WHERE id = $1 AND remaining > 0";
    Ok(tx.execute(sql, &[(&id).into(), is_contested.into()])? == 1)
}
