//! What settled transfers are made of: readings that were due, kept when they are due no more; and parts of them by who served whom, or
//! for which job.

use super::Side;
use crate::db::{DbError, Many, Reader, Row, Tx, Value};
use crate::ledger::store::price::{must, variant};
use model::{AccountNo, JobId, NodeId, Resource, Span, Stamp, Ucredit};
use rules::ledger::settle::Due;

/// Parts are kept for less long than readings: there are as many as pairs of people.
const PARTS_LESS: Span = Span::days(340);

/// Whose part it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// The machine that served.
    Node(NodeId),
    /// The job that used.
    Job(JobId),
    /// Who used.
    Account(AccountNo),
}

impl Of {
    const fn kind(self) -> u8 {
        match self {
            Self::Node(_) => 1,
            Self::Job(_) => 2,
            Self::Account(_) => 3,
        }
    }

    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Node(node) => node.0.to_vec(),
            Self::Job(job) => job.0.to_vec(),
            Self::Account(account) => account.0.to_be_bytes().to_vec(),
        }
    }

    fn read(row: &Row<'_>, at: usize) -> Result<Self, DbError> {
        let bytes: Vec<u8> = row.get(at + 1)?;
        let found = match row.get::<u8>(at)? {
            1 => bytes.try_into().ok().map(|bytes| Self::Node(NodeId(bytes))),
            2 => bytes.try_into().ok().map(|bytes| Self::Job(JobId(bytes))),
            3 => bytes.try_into().ok().map(|bytes| Self::Account(AccountNo(u64::from_be_bytes(bytes)))),
            _ => None,
        };
        found.ok_or_else(|| DbError::Column { column: at, why: "nobody's part".to_owned() })
    }
}

/// A part of what an account used or served in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRow {
    /// Whose account.
    pub account: AccountNo,
    /// Of what.
    pub resource: Resource,
    /// Which side.
    pub side: Side,
    /// By whom, for what.
    pub of: Of,
    /// How many.
    pub units: u64,
}

/// Keeps what is due of an account before it is due no more.
pub(super) fn keep(
    tx: &mut Tx<'_>,
    (period, resource): (u64, Resource),
    side: Side,
    account: AccountNo,
) -> Result<(), DbError> {
    let columns = "period, account, resource, side, variant, version, quality_bps, units";
    let sql = format!(
        "INSERT INTO settle_reading ({columns}) SELECT {columns} FROM settle_due \
         WHERE period = $1 AND resource = $2 AND side = $3 AND account = $4 ON CONFLICT DO NOTHING"
    );
    tx.execute(&sql, &[period.into(), resource.number().into(), (side as u8).into(), account.into()]).map(drop)
}

/// Adds to the parts of a period.
pub fn add_parts(tx: &mut Tx<'_>, period: u64, parts: &[PartRow]) -> Result<(), DbError> {
    let many = Many {
        before: "INSERT INTO settle_part (period, account, resource, side, kind, of_id, units) VALUES",
        row: "($1, $2, $3, $4, $5, $6, $7)",
        after: "ON CONFLICT (period, account, resource, side, kind, of_id) \
            DO UPDATE SET units = settle_part.units + excluded.units",
    };
    let mut sums: std::collections::BTreeMap<_, u64> = std::collections::BTreeMap::new();
    for part in parts.iter().filter(|part| part.units > 0) {
        let key = (part.account, part.resource.number(), part.side as u8, part.of.kind(), part.of.bytes());
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(part.units).min(super::UNITS_MAX);
    }
    let params: Vec<Vec<Value<'_>>> = sums
        .iter()
        .map(|((account, resource, side, kind, of), units)| {
            let whose = [period.into(), (*account).into(), (*resource).into(), (*side).into()];
            whose.into_iter().chain([(*kind).into(), of.into(), (*units).into()]).collect()
        })
        .collect();
    tx.execute_many(&many, &params).map(drop)
}

/// Periods and resources that were settled with an account up to a moment, newest first.
pub fn settled(
    q: &mut Reader<'_>,
    account: AccountNo,
    until: Stamp,
    limit: u32,
) -> Result<Vec<(u64, Resource)>, DbError> {
    let sql = "SELECT DISTINCT period, resource FROM settle_reading WHERE account = $1 AND period <= $2 \
        ORDER BY period DESC, resource LIMIT $3";
    q.query(sql, &[account.into(), until.into(), limit.into()], |row| {
        Ok((row.get(0)?, must(row, 1, |n| u8::try_from(n).ok().and_then(Resource::from_number))?))
    })
}

/// What was read of an account's side of a resource in a period.
pub fn readings(
    q: &mut Reader<'_>,
    (period, resource): (u64, Resource),
    side: Side,
    account: AccountNo,
) -> Result<Vec<Due>, DbError> {
    let sql = "SELECT variant, version, quality_bps, units FROM settle_reading WHERE period = $1 AND account = $2 AND \
        resource = $3 AND side = $4 ORDER BY version, variant, quality_bps";
    let params = [period.into(), account.into(), resource.number().into(), (side as u8).into()];
    q.query(sql, &params, |row| {
        Ok(Due { variant: must(row, 0, variant)?, version: row.get(1)?, quality_bps: row.get(2)?, units: row.get(3)? })
    })
}

/// Parts of an account's sides in periods that ended from one moment to another, most first.
pub fn parts(
    q: &mut Reader<'_>,
    account: AccountNo,
    (from, until): (Stamp, Stamp),
    limit: u32,
) -> Result<Vec<PartRow>, DbError> {
    let sql = "SELECT resource, side, kind, of_id, CAST(sum(units) AS BIGINT) AS units FROM settle_part \
        WHERE account = $1 AND period >= $2 AND period <= $3 GROUP BY resource, side, kind, of_id \
        ORDER BY units DESC, resource, side, kind, of_id LIMIT $4";
    q.query(sql, &[account.into(), from.into(), until.into(), limit.into()], |row| {
        let side = |n| if n == 1 { Some(Side::Used) } else { Some(Side::Served).filter(|_| n == 2) };
        let resource = must(row, 0, |n| u8::try_from(n).ok().and_then(Resource::from_number))?;
        let (side, of) = (must(row, 1, side)?, Of::read(row, 2)?);
        Ok(PartRow { account, resource, side, of, units: row.get(4)? })
    })
}

/// What there was for providers of a resource in a period, and what they had earned.
pub fn factor(q: &mut Reader<'_>, period: u64, resource: Resource) -> Result<Option<(Ucredit, Ucredit)>, DbError> {
    let sql = "SELECT there, wanted FROM settle_round WHERE period = $1 AND resource = $2";
    q.query_opt(sql, &[period.into(), resource.number().into()], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Forgets what is older.
pub(super) fn forget(tx: &mut Tx<'_>, before: Stamp) -> Result<(), DbError> {
    tx.execute("DELETE FROM settle_reading WHERE period < $1", &[before.into()])?;
    tx.execute("DELETE FROM settle_part WHERE period < $1", &[(before + PARTS_LESS).into()]).map(drop)
}
