//! What covers permits, by account, resource and day.

use crate::db::{DbError, Reader, Tx, Value};
use model::{AccountNo, Resource, Stamp, TransferId, Ucredit};
use rules::ledger::allowance::Day;

/// Whose, of what, on which day.
pub type Key = (AccountNo, Resource, u32);

fn key((account, resource, day): Key) -> [Value<'static>; 3] {
    [account.into(), resource.number().into(), day.into()]
}

/// What is held and given on a day.
pub fn day(q: &mut Reader<'_>, at: Key) -> Result<Day, DbError> {
    let sql = "SELECT held, given FROM allowance_day WHERE account = $1 AND resource = $2 AND day = $3";
    let found = q.query_opt(sql, &key(at), |row| Ok(Day { held: row.get(0)?, given: row.get(1)? }))?;
    Ok(found.unwrap_or_default())
}

/// Keeps it.
pub fn put_day(tx: &mut Tx<'_>, at: Key, day: Day) -> Result<(), DbError> {
    let sql = "INSERT INTO allowance_day (account, resource, day, held, given) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (account, resource, day) DO UPDATE SET held = excluded.held, given = excluded.given";
    tx.execute(sql, &[&key(at)[..], &[day.held.into(), day.given.into()]].concat()).map(drop)
}

/// Holds made on a day.
pub fn holds_count(q: &mut Reader<'_>, at: Key) -> Result<u32, DbError> {
    let sql = "SELECT count(*) FROM allowance_hold WHERE account = $1 AND resource = $2 AND day = $3";
    Ok(q.query_opt(sql, &key(at), |row| row.get(0))?.unwrap_or(0))
}

/// Notes a hold.
pub fn put_hold(tx: &mut Tx<'_>, at: Key, number: u32, hold: TransferId) -> Result<(), DbError> {
    let sql = "INSERT INTO allowance_hold (account, resource, day, number, hold) VALUES ($1, $2, $3, $4, $5)";
    tx.execute(sql, &[&key(at)[..], &[number.into(), (&hold).into()]].concat()).map(drop)
}

/// Holds of an account for a resource with something left whose time is not over, oldest first, at most `limit`.
pub fn open(
    q: &mut Reader<'_>,
    (account, resource): (AccountNo, Resource),
    now: Stamp,
    limit: u32,
) -> Result<Vec<(TransferId, Ucredit)>, DbError> {
    let sql = "SELECT h.id, h.remaining FROM allowance_hold a JOIN ledger_hold h ON h.id = a.hold \
        WHERE a.account = $1 AND a.resource = $2 AND h.remaining > 0 AND h.expires_at > $3 ORDER BY a.day, a.number LIMIT $4";
    let params = [account.into(), resource.number().into(), now.into(), limit.into()];
    q.query(sql, &params, |row| Ok((row.get(0)?, row.get(1)?)))
}

/// What may be owed of a day beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owed {
    /// Bytes that were given leave for.
    pub bytes: u64,
    /// What they cost at most.
    pub given: Ucredit,
    /// What was charged of it.
    pub charged: Ucredit,
}

/// Days on which something may be owed, from one on, in order.
pub fn owed(q: &mut Reader<'_>, (account, resource, from): Key) -> Result<Vec<(u32, Owed)>, DbError> {
    let sql = "SELECT day, bytes, given, charged FROM allowance_owed \
        WHERE account = $1 AND resource = $2 AND day >= $3 ORDER BY day";
    q.query(sql, &key((account, resource, from)), |row| {
        Ok((row.get(0)?, Owed { bytes: row.get(1)?, given: row.get(2)?, charged: row.get(3)? }))
    })
}

/// Keeps what may be owed of a day.
pub fn put_owed(tx: &mut Tx<'_>, at: Key, owed: Owed) -> Result<(), DbError> {
    let sql = "INSERT INTO allowance_owed (account, resource, day, bytes, given, charged) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (account, resource, day) \
        DO UPDATE SET bytes = excluded.bytes, given = excluded.given, charged = excluded.charged";
    tx.execute(sql, &[&key(at)[..], &[owed.bytes.into(), owed.given.into(), owed.charged.into()]].concat()).map(drop)
}

/// Forgets days before one.
pub fn forget(tx: &mut Tx<'_>, before: u32) -> Result<(), DbError> {
    for table in ["allowance_day", "allowance_hold", "allowance_owed"] {
        tx.execute(&format!("DELETE FROM {table} WHERE day < $1"), &[before.into()])?;
    }
    Ok(())
}
