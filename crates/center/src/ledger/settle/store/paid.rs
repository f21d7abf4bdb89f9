//! Which results of jobs were paid.

use crate::db::{DbError, Reader, Tx};
use model::{JobId, MemberId};
use rules::compute::Pay;
use rules::ledger::settle::Copies;
use std::collections::BTreeMap;

/// Whether an item was paid: by any of its attempts, or by the very one.
pub fn is_paid(q: &mut Reader<'_>, pay: &Pay, by: By) -> Result<bool, DbError> {
    let item = [pay.item.job.as_bytes()[..].into(), pay.item.stage.into(), pay.item.item.into()];
    let found = match by {
        By::Any => {
            let sql = "SELECT serial FROM compute_paid WHERE job = $1 AND stage = $2 AND item = $3 LIMIT 1";
            q.query_opt(sql, &item, |row| row.get::<u64>(0))?
        }
        By::This => {
            let sql = "SELECT serial FROM compute_paid WHERE job = $1 AND stage = $2 AND item = $3 AND serial = $4";
            q.query_opt(sql, &[&item[..], &[pay.serial.into()]].concat(), |row| row.get::<u64>(0))?
        }
    };
    Ok(found.is_some())
}

/// Which attempts are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Any of the item.
    Any,
    /// This one.
    This,
}

/// Notes that an attempt at an item is paid.
pub fn put(tx: &mut Tx<'_>, pay: &Pay) -> Result<(), DbError> {
    let sql = "INSERT INTO compute_paid (job, stage, item, serial) VALUES ($1, $2, $3, $4)";
    let item = &pay.item;
    let params = [item.job.as_bytes()[..].into(), item.stage.into(), item.item.into(), pay.serial.into()];
    tx.execute(sql, &params).map(drop)
}

/// What was charged and paid of a job.
pub fn copies(q: &mut Reader<'_>, job: &JobId) -> Result<Copies, DbError> {
    let sql = "SELECT charged, paid FROM compute_copies WHERE job = $1";
    let found =
        q.query_opt(sql, &[job.as_bytes()[..].into()], |row| Ok(Copies { charged: row.get(0)?, paid: row.get(1)? }))?;
    Ok(found.unwrap_or_default())
}

/// Keeps it.
pub fn put_copies(tx: &mut Tx<'_>, job: &JobId, copies: Copies) -> Result<(), DbError> {
    let sql = "INSERT INTO compute_copies (job, charged, paid) VALUES ($1, $2, $3) \
        ON CONFLICT (job) DO UPDATE SET charged = excluded.charged, paid = excluded.paid";
    tx.execute(sql, &[job.as_bytes()[..].into(), copies.charged.into(), copies.paid.into()]).map(drop)
}

/// Fuel that owners of workers of a job were not paid for yet.
pub fn claims(q: &mut Reader<'_>, job: &JobId) -> Result<BTreeMap<MemberId, u64>, DbError> {
    let sql = "SELECT owner, fuel FROM compute_claim WHERE job = $1 ORDER BY owner";
    let rows = q.query(sql, &[job.as_bytes()[..].into()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.into_iter().collect())
}

/// Keeps it; who was paid for everything claims nothing.
pub fn put_claims(tx: &mut Tx<'_>, job: &JobId, claims: &BTreeMap<MemberId, u64>) -> Result<(), DbError> {
    tx.execute("DELETE FROM compute_claim WHERE job = $1", &[job.as_bytes()[..].into()])?;
    for (owner, fuel) in claims.iter().filter(|(_, fuel)| **fuel > 0) {
        let fuel = (*fuel).min(i64::MAX.unsigned_abs());
        let sql = "INSERT INTO compute_claim (job, owner, fuel) VALUES ($1, $2, $3)";
        tx.execute(sql, &[job.as_bytes()[..].into(), owner.into(), fuel.into()])?;
    }
    Ok(())
}
