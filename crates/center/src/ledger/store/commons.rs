//! Days of the commons: how far one is, whose nodes were on, what it gives out.

use crate::db::{DbError, Reader, Tx};
use model::{AccountNo, Stamp, Ucredit};

/// What a day is about to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Count the next block of nodes.
    Nodes = 1,
    /// Weigh the next owners.
    Weigh = 2,
    /// Look for what lies idle at the next accounts.
    Idle = 3,
    /// Sweep, and decide what is given out.
    Plan = 4,
    /// Give it out to the next owners.
    Pay = 5,
    /// Nothing.
    Done = 6,
}

impl Step {
    const ALL: [Self; 6] = [Self::Nodes, Self::Weigh, Self::Idle, Self::Plan, Self::Pay, Self::Done];
}

/// A day as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Its number.
    pub day: u32,
    /// What is next.
    pub step: Step,
    /// Behind this block or account.
    pub after: u64,
    /// Owners who share alike.
    pub owners: u64,
    /// Sum of weights.
    pub weight: u64,
    /// Free verified space in MB.
    pub free_mb: u64,
    /// Held by those owners, in MB.
    pub held_mb: u64,
    /// For each owner.
    pub stipend: Ucredit,
    /// For all that is free.
    pub standby: Ucredit,
}

impl Day {
    /// A day that begins.
    pub const fn begin(day: u32) -> Self {
        let zero = Ucredit::ZERO;
        let (stipend, standby) = (zero, zero);
        Self { day, step: Step::Nodes, after: 0, owners: 0, weight: 0, free_mb: 0, held_mb: 0, stipend, standby }
    }

    /// The same at the beginning of its next step.
    pub const fn at(self, step: Step) -> Self {
        Self { step, after: 0, ..self }
    }
}

/// The last day that was begun; whether it is over, its step says.
pub fn last(q: &mut Reader<'_>) -> Result<Option<Day>, DbError> {
    let sql = "SELECT day, step, after, owners, weight, free_mb, held_mb, stipend, standby FROM commons_day \
        ORDER BY day DESC LIMIT 1";
    q.query_opt(sql, &[], |row| {
        let step = row.get::<u8>(1)?;
        let step = Step::ALL.into_iter().find(|one| *one as u8 == step);
        Ok(Day {
            day: row.get(0)?,
            step: step.ok_or_else(|| DbError::Column { column: 1, why: "it is no step".to_owned() })?,
            after: row.get(2)?,
            owners: row.get(3)?,
            weight: row.get(4)?,
            free_mb: row.get(5)?,
            held_mb: row.get(6)?,
            stipend: row.get(7)?,
            standby: row.get(8)?,
        })
    })
}

/// Keeps how far a day is.
pub fn put(tx: &mut Tx<'_>, d: &Day, now: Stamp) -> Result<(), DbError> {
    let sql = "INSERT INTO commons_day (day, step, after, owners, weight, free_mb, held_mb, stipend, standby, made_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (day) DO UPDATE SET step = excluded.step, \
        after = excluded.after, owners = excluded.owners, weight = excluded.weight, free_mb = excluded.free_mb, \
        held_mb = excluded.held_mb, stipend = excluded.stipend, standby = excluded.standby";
    let [after, owners, weight, free, held] = [d.after, d.owners, d.weight, d.free_mb, d.held_mb].map(Into::into);
    let (step, [stipend, standby]) = ((d.step as u8).into(), [d.stipend, d.standby].map(Into::into));
    let params = [d.day.into(), step, after, owners, weight, free, held, stipend, standby, now.into()];
    tx.execute(sql, &params).map(drop)
}

/// Forgets days of long ago.
pub fn forget(tx: &mut Tx<'_>, before: u32) -> Result<(), DbError> {
    tx.execute("DELETE FROM commons_day WHERE day < $1", &[before.into()]).map(drop)
}

/// An owner of a day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// Network of the first of its nodes, where strangers behind one count once.
    pub net: Option<String>,
    /// It shares alike.
    pub has_stipend: bool,
    /// MB that are free of what is proved at its nodes.
    pub free_mb: u64,
    /// MB that these hold.
    pub held_mb: u64,
    /// What counts for standby: what is free × quality.
    pub weight: u64,
}

/// The last alias that was given; 0 where there is none.
pub fn last_alias(q: &mut Reader<'_>) -> Result<u64, DbError> {
    let sql = "SELECT coalesce(max(alias), 0) FROM node";
    Ok(q.query_opt(sql, &[], |row| row.get(0))?.unwrap_or(0))
}

/// Adds a node to what counts of its owner.
pub fn add(tx: &mut Tx<'_>, day: u32, account: AccountNo, due: &Due) -> Result<(), DbError> {
    let sql = "INSERT INTO commons_due (day, account, net, has_stipend, free_mb, held_mb, weight) \
        VALUES ($1, $2, $3, 0, $4, $5, $6) ON CONFLICT (day, account) DO UPDATE SET \
        free_mb = commons_due.free_mb + excluded.free_mb, held_mb = commons_due.held_mb + excluded.held_mb, \
        weight = commons_due.weight + excluded.weight";
    let [free, held, weight] = [due.free_mb, due.held_mb, due.weight].map(Into::into);
    tx.execute(sql, &[day.into(), account.into(), due.net.as_deref().into(), free, held, weight]).map(drop)
}

/// Owners of a day behind one, in order.
pub fn dues(q: &mut Reader<'_>, day: u32, after: AccountNo, limit: u32) -> Result<Vec<(AccountNo, Due)>, DbError> {
    let sql = "SELECT account, net, has_stipend, free_mb, held_mb, weight FROM commons_due WHERE day = $1 AND account > $2 \
        ORDER BY account LIMIT $3";
    q.query(sql, &[day.into(), after.into(), limit.into()], |row| {
        let (net, has_stipend, free_mb) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((row.get(0)?, Due { net, has_stipend, free_mb, held_mb: row.get(4)?, weight: row.get(5)? }))
    })
}

/// Whether an account before this one stands for the same network.
pub fn is_of_another(q: &mut Reader<'_>, day: u32, account: AccountNo, net: &str) -> Result<bool, DbError> {
    let sql = "SELECT account FROM commons_due WHERE day = $1 AND net = $2 AND account < $3 LIMIT 1";
    let found = q.query_opt(sql, &[day.into(), net.into(), account.into()], |row| row.get::<u64>(0))?;
    Ok(found.is_some())
}

/// An owner shares alike.
pub fn set_stipend(tx: &mut Tx<'_>, day: u32, account: AccountNo) -> Result<(), DbError> {
    let sql = "UPDATE commons_due SET has_stipend = 1 WHERE day = $1 AND account = $2";
    tx.execute(sql, &[day.into(), account.into()]).map(drop)
}

/// Owners of days up to this one are done with.
pub fn clear(tx: &mut Tx<'_>, day: u32, upto: AccountNo) -> Result<(), DbError> {
    tx.execute("DELETE FROM commons_due WHERE day < $1", &[day.into()])?;
    tx.execute("DELETE FROM commons_due WHERE day = $1 AND account <= $2", &[day.into(), upto.into()]).map(drop)
}

/// Parts of a µcredit of an account's demurrage, and notices it got.
pub fn idle(q: &mut Reader<'_>, account: AccountNo) -> Result<(u64, u8), DbError> {
    let sql = "SELECT carry, notices FROM commons_idle WHERE account = $1";
    Ok(q.query_opt(sql, &[account.into()], |row| Ok((row.get(0)?, row.get(1)?)))?.unwrap_or_default())
}

/// Keeps them.
pub fn put_idle(tx: &mut Tx<'_>, account: AccountNo, (carry, notices): (u64, u8)) -> Result<(), DbError> {
    let sql = "INSERT INTO commons_idle (account, carry, notices) VALUES ($1, $2, $3) \
        ON CONFLICT (account) DO UPDATE SET carry = excluded.carry, notices = excluded.notices";
    tx.execute(sql, &[account.into(), carry.into(), notices.into()]).map(drop)
}

/// MB an owner's nodes held for others on average in the last settled period, and which period that was.
pub fn held(q: &mut Reader<'_>, account: AccountNo) -> Result<Option<(u64, u64)>, DbError> {
    let sql = "SELECT period, held_mb FROM ledger_held WHERE account = $1";
    q.query_opt(sql, &[account.into()], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Keeps what an owner's nodes held in a period.
pub fn put_held(tx: &mut Tx<'_>, account: AccountNo, (period, held_mb): (u64, u64)) -> Result<(), DbError> {
    let sql = "INSERT INTO ledger_held (account, period, held_mb) VALUES ($1, $2, $3) \
        ON CONFLICT (account) DO UPDATE SET period = excluded.period, held_mb = excluded.held_mb";
    tx.execute(sql, &[account.into(), period.into(), held_mb.into()]).map(drop)
}
