//! Rows of settlement; what it reads of stored segments is in [`stored`], which results were paid in [`paid`].

pub mod evidence;
pub mod paid;
pub mod stored;

use crate::db::{DbError, Many, Reader, Row, Tx, Value};
use crate::ledger::store::price::{must, variant, variant_number};
use model::{AccountNo, NodeId, Resource, Stamp, Ucredit};
use rules::ledger::receipt::Flag;
use rules::ledger::settle::Due;
use rules::ledger::tariff::Variant;
use std::collections::BTreeMap;

/// What transactions of settlement wait for, one behind the other; taken before the ledger's own.
const ROUNDS: &str = "settle_round";
/// Most units of one due row: sums of them stay whole numbers of the database.
const UNITS_MAX: u64 = 1 << 60;

/// Which side of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Who used it pays.
    Used = 1,
    /// Who served it earns.
    Served = 2,
}

/// Units that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueRow {
    /// Of what.
    pub resource: Resource,
    /// Which side.
    pub side: Side,
    /// Whose.
    pub account: AccountNo,
    /// How much, at which price.
    pub due: Due,
}

/// How far a round is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Payers are charged.
    Charging,
    /// All are charged; what providers up to this account have earned comes to so much.
    Summing {
        /// The last whose earnings are in it.
        after: AccountNo,
        /// What was earned.
        wanted: Ucredit,
    },
    /// Providers after this account are paid; there is so much, and they earned so much.
    Paying {
        /// The last that was paid.
        after: AccountNo,
        /// What there is.
        there: Ucredit,
        /// What was earned.
        wanted: Ucredit,
    },
    /// Over.
    Done,
}

/// Waits for other transactions of settlement, and keeps the next ones waiting.
pub fn lock(tx: &mut Tx<'_>) -> Result<(), DbError> {
    tx.lock(ROUNDS)
}

/// The last period whose settlement has begun; 0 before the first.
pub fn last_begun(q: &mut Reader<'_>) -> Result<u64, DbError> {
    let sql = "SELECT coalesce(max(period), 0) FROM settle_round";
    Ok(q.query_opt(sql, &[], |row| row.get::<u64>(0))?.unwrap_or(0))
}

/// Adds units to what is due in a period. Whoever adds holds [`lock`] and asked [`last_begun`].
pub fn add_due(tx: &mut Tx<'_>, period: u64, rows: &[DueRow]) -> Result<(), DbError> {
    let many = Many {
        before: "INSERT INTO settle_due (period, resource, side, account, variant, version, quality_bps, units) VALUES",
        row: "($1, $2, $3, $4, $5, $6, $7, $8)",
        after: "ON CONFLICT (period, resource, side, account, variant, version, quality_bps) \
            DO UPDATE SET units = settle_due.units + excluded.units",
    };
    let mut sums: BTreeMap<_, u64> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.due.units > 0) {
        let due = row.due;
        let key = (
            row.resource.number(),
            row.side as u8,
            row.account.0,
            variant_number(due.variant),
            due.version,
            due.quality_bps,
        );
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(due.units).min(UNITS_MAX);
    }
    let params: Vec<Vec<Value<'_>>> = sums
        .iter()
        .map(|((resource, side, account, variant, version, quality), units)| {
            let account = AccountNo(*account).into();
            let of = [period.into(), (*resource).into(), (*side).into(), account];
            let price = [(*variant).into(), (*version).into(), (*quality).into(), (*units).into()];
            of.into_iter().chain(price).collect()
        })
        .collect();
    tx.execute_many(&many, &params).map(drop)
}

fn due(row: &Row<'_>, at: usize) -> Result<Due, DbError> {
    Ok(Due {
        variant: must(row, at, variant)?,
        version: row.get(at + 1)?,
        quality_bps: row.get(at + 2)?,
        units: row.get(at + 3)?,
    })
}

/// What is due of one side, of at most `limit` accounts after one, in order.
pub fn due_of(
    q: &mut Reader<'_>,
    (period, resource): (u64, Resource),
    side: Side,
    after: AccountNo,
    limit: u32,
) -> Result<BTreeMap<AccountNo, Vec<Due>>, DbError> {
    let sql = "SELECT account, variant, version, quality_bps, units FROM settle_due \
        WHERE period = $1 AND resource = $2 AND side = $3 AND account IN (SELECT DISTINCT account FROM settle_due \
        WHERE period = $1 AND resource = $2 AND side = $3 AND account > $4 ORDER BY account LIMIT $5) \
        ORDER BY account, version, variant, quality_bps";
    let params = [period.into(), resource.number().into(), (side as u8).into(), after.into(), limit.into()];
    let mut out: BTreeMap<AccountNo, Vec<Due>> = BTreeMap::new();
    for (account, due) in q.query(sql, &params, |row| Ok((row.get(0)?, due(row, 1)?)))? {
        out.entry(account).or_default().push(due);
    }
    Ok(out)
}

/// All that is due in a period, in order.
pub fn due_in(q: &mut Reader<'_>, period: u64) -> Result<Vec<DueRow>, DbError> {
    let sql = "SELECT resource, side, account, variant, version, quality_bps, units FROM settle_due WHERE period = $1 \
        ORDER BY resource, side, account, variant, version, quality_bps";
    q.query(sql, &[period.into()], |row| {
        let side = |n| match n {
            1 => Some(Side::Used),
            2 => Some(Side::Served),
            _ => None,
        };
        let resource = must(row, 0, |n| u8::try_from(n).ok().and_then(Resource::from_number))?;
        Ok(DueRow { resource, side: must(row, 1, side)?, account: row.get(2)?, due: due(row, 3)? })
    })
}

/// These accounts' due rows of a side are settled; what they said is kept.
pub fn consume(
    tx: &mut Tx<'_>,
    (period, resource): (u64, Resource),
    side: Side,
    accounts: impl Iterator<Item = AccountNo>,
) -> Result<(), DbError> {
    let sql = "DELETE FROM settle_due WHERE period = $1 AND resource = $2 AND side = $3 AND account = $4";
    for account in accounts {
        evidence::keep(tx, (period, resource), side, account)?;
        tx.execute(sql, &[period.into(), resource.number().into(), (side as u8).into(), account.into()])?;
    }
    Ok(())
}

/// The earliest period up to `over` that has something due, or is not settled to its end.
pub fn next_period(q: &mut Reader<'_>, over: u64) -> Result<Option<u64>, DbError> {
    let sql = "SELECT min(period) FROM (SELECT min(period) AS period FROM settle_round WHERE step < 3 \
        UNION ALL SELECT min(period) AS period FROM settle_due) AS p WHERE period <= $1";
    Ok(q.query_opt(sql, &[over.into()], |row| row.get::<Option<u64>>(0))?.flatten())
}

/// Resources that have something due in a period, or are owed something since before.
pub fn resources(q: &mut Reader<'_>, period: u64) -> Result<Vec<Resource>, DbError> {
    let sql =
        "SELECT resource FROM settle_due WHERE period = $1 UNION SELECT resource FROM settle_arrears ORDER BY resource";
    q.query(sql, &[period.into()], |row| must(row, 0, |n| u8::try_from(n).ok().and_then(Resource::from_number)))
}

/// Rounds of a period that are not over.
pub fn open_rounds(q: &mut Reader<'_>, period: u64) -> Result<Vec<Resource>, DbError> {
    let sql = "SELECT resource FROM settle_round WHERE period = $1 AND step < 3 ORDER BY resource";
    q.query(sql, &[period.into()], |row| must(row, 0, |n| u8::try_from(n).ok().and_then(Resource::from_number)))
}

/// Begins a round where it was not begun.
pub fn begin(tx: &mut Tx<'_>, period: u64, resource: Resource) -> Result<(), DbError> {
    let sql = "INSERT INTO settle_round (period, resource, step, after_account, there, wanted) VALUES ($1, $2, 1, 0, 0, 0) \
        ON CONFLICT (period, resource) DO NOTHING";
    tx.execute(sql, &[period.into(), resource.number().into()]).map(drop)
}

/// How far a round is; nothing where it was not begun.
pub fn step(q: &mut Reader<'_>, period: u64, resource: Resource) -> Result<Option<Step>, DbError> {
    let sql = "SELECT step, after_account, there, wanted FROM settle_round WHERE period = $1 AND resource = $2";
    q.query_opt(sql, &[period.into(), resource.number().into()], |row| {
        let (after, wanted) = (row.get(1)?, row.get(3)?);
        Ok(match row.get::<u8>(0)? {
            1 if after == AccountNo(0) => Step::Charging,
            1 => Step::Summing { after, wanted },
            2 => Step::Paying { after, there: row.get(2)?, wanted },
            _ => Step::Done,
        })
    })
}

/// Notes how far a round is. What providers got of what they earned stays after it.
pub fn set_step(tx: &mut Tx<'_>, period: u64, resource: Resource, step: Step) -> Result<(), DbError> {
    let at = [period.into(), resource.number().into()];
    match step {
        Step::Charging => Ok(()),
        Step::Summing { after, wanted } => {
            let sql = "UPDATE settle_round SET after_account = $3, wanted = $4 WHERE period = $1 AND resource = $2";
            tx.execute(sql, &[&at[..], &[after.into(), wanted.into()]].concat()).map(drop)
        }
        Step::Paying { after, there, wanted } => {
            let sql = "UPDATE settle_round SET step = 2, after_account = $3, there = $4, wanted = $5 \
                WHERE period = $1 AND resource = $2";
            let more = [after.into(), there.into(), wanted.into()];
            tx.execute(sql, &[&at[..], &more[..]].concat()).map(drop)
        }
        Step::Done => {
            tx.execute("UPDATE settle_round SET step = 3 WHERE period = $1 AND resource = $2", &at)?;
            tx.execute("DELETE FROM settle_taken WHERE period = $1 AND resource = $2", &at).map(drop)
        }
    }
}

/// What came in, by version and variant.
pub type Taken = BTreeMap<(u32, Variant), Ucredit>;

/// Adds to what came in for a round.
pub fn add_taken(tx: &mut Tx<'_>, (period, resource): (u64, Resource), taken: &Taken) -> Result<(), DbError> {
    let sql = "INSERT INTO settle_taken (period, resource, variant, version, amount) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (period, resource, variant, version) DO UPDATE SET amount = settle_taken.amount + excluded.amount";
    for ((version, variant), amount) in taken {
        let number = variant_number(*variant);
        let params = [period.into(), resource.number().into(), number.into(), (*version).into(), (*amount).into()];
        tx.execute(sql, &params)?;
    }
    Ok(())
}

/// What came in for a round.
pub fn taken(q: &mut Reader<'_>, period: u64, resource: Resource) -> Result<Taken, DbError> {
    let sql = "SELECT version, variant, amount FROM settle_taken WHERE period = $1 AND resource = $2";
    let found = q.query(sql, &[period.into(), resource.number().into()], |row| {
        Ok(((row.get(0)?, must(row, 1, variant)?), row.get(2)?))
    })?;
    Ok(found.into_iter().collect())
}

/// What providers are owed since before, of at most `limit` after one, in order.
pub fn arrears(
    q: &mut Reader<'_>,
    resource: Resource,
    after: AccountNo,
    limit: u32,
) -> Result<BTreeMap<AccountNo, Ucredit>, DbError> {
    let sql =
        "SELECT account, amount FROM settle_arrears WHERE resource = $1 AND account > $2 ORDER BY account LIMIT $3";
    let found =
        q.query(sql, &[resource.number().into(), after.into(), limit.into()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.into_iter().collect())
}

/// Notes what a provider is owed from now on.
pub fn set_arrears(tx: &mut Tx<'_>, resource: Resource, account: AccountNo, amount: Ucredit) -> Result<(), DbError> {
    if amount == Ucredit::ZERO {
        let sql = "DELETE FROM settle_arrears WHERE resource = $1 AND account = $2";
        return tx.execute(sql, &[resource.number().into(), account.into()]).map(drop);
    }
    let sql = "INSERT INTO settle_arrears (resource, account, amount) VALUES ($1, $2, $3) \
        ON CONFLICT (resource, account) DO UPDATE SET amount = excluded.amount";
    tx.execute(sql, &[resource.number().into(), account.into(), amount.into()]).map(drop)
}

/// The batch that was taken of a node for a window.
pub fn flag(q: &mut Reader<'_>, node: &NodeId, window: u32) -> Result<Option<Flag>, DbError> {
    let sql = "SELECT number, hash FROM settle_batch WHERE node = $1 AND window_no = $2";
    q.query_opt(sql, &[node.into(), window.into()], |row| Ok(Flag { batch: row.get(0)?, hash: row.get(1)? }))
}

/// Notes that a batch was taken; its number.
pub fn put_flag(
    tx: &mut Tx<'_>,
    (node, window): (&NodeId, u32),
    hash: &[u8; 32],
    receipts: u64,
    now: Stamp,
) -> Result<u64, DbError> {
    let sql = "SELECT coalesce(max(number), 0) FROM settle_batch";
    let number = tx.query_opt(sql, &[], |row| row.get::<u64>(0))?.unwrap_or(0) + 1;
    let sql =
        "INSERT INTO settle_batch (number, node, window_no, hash, receipts, taken_at) VALUES ($1, $2, $3, $4, $5, $6)";
    tx.execute(sql, &[number.into(), node.into(), window.into(), hash.into(), receipts.into(), now.into()])?;
    Ok(number)
}

/// Forgets flags and rounds that are over from before a moment.
pub fn forget(tx: &mut Tx<'_>, before: Stamp) -> Result<(), DbError> {
    evidence::forget(tx, before)?;
    tx.execute("DELETE FROM settle_batch WHERE taken_at < $1", &[before.into()])?;
    tx.execute("DELETE FROM settle_round WHERE step = 3 AND period < $1", &[before.into()]).map(drop)
}

/// What an account has of byte · ms that are no MB·h yet.
pub fn rest(q: &mut Reader<'_>, side: Side, account: AccountNo, variant: Variant) -> Result<u64, DbError> {
    let sql = "SELECT rest FROM settle_rest WHERE side = $1 AND account = $2 AND variant = $3";
    let params = [(side as u8).into(), account.into(), variant_number(variant).into()];
    Ok(q.query_opt(sql, &params, |row| row.get(0))?.unwrap_or(0))
}

/// Keeps it.
pub fn put_rest(tx: &mut Tx<'_>, side: Side, account: AccountNo, variant: Variant, rest: u64) -> Result<(), DbError> {
    let sql = "INSERT INTO settle_rest (side, account, variant, rest) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (side, account, variant) DO UPDATE SET rest = excluded.rest";
    tx.execute(sql, &[(side as u8).into(), account.into(), variant_number(variant).into(), rest.into()]).map(drop)
}
