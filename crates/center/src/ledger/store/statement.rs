//! Sums over an account's rows.

use super::account;
use crate::db::{DbError, Reader};
use model::{AccountNo, Credits, TransferKind};

/// The balance of an account behind a place of the book: what its counters say now, less what rows did since.
pub fn balance(q: &mut Reader<'_>, no: AccountNo, seq: u64) -> Result<Credits, DbError> {
    let Some(opened) = account::get(q, no)? else { return Ok(Credits(0)) };
    let mut balance = opened.account.balance().0;
    for (side, sign) in [("debit", 1), ("credit", -1)] {
        let sql = format!(
            "SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) FROM ledger_transfer \
             WHERE {side} = $1 AND seq > $2 AND kind IN ($3, $4)"
        );
        let kinds = [TransferKind::Move, TransferKind::Post].map(|kind| i64::from(kind.number()));
        let moved =
            q.query_opt(&sql, &[no.into(), seq.into(), kinds[0].into(), kinds[1].into()], |row| row.get::<i64>(0))?;
        balance = balance.saturating_add(sign * moved.unwrap_or(0));
    }
    Ok(Credits(balance))
}

/// How many holds of an account have something left.
pub fn open_holds(q: &mut Reader<'_>, no: AccountNo) -> Result<u64, DbError> {
    let sql = "SELECT count(*) FROM ledger_hold WHERE debit = $1 AND remaining > 0";
    let count = q.query_opt(sql, &[no.into()], |row| row.get::<i64>(0))?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}
