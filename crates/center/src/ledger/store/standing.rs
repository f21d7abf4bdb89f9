//! How members stand: what was kept of the day before, what the rows of the book, the fleet and the buckets say since.

use super::node_held;
use crate::db::{DbError, Reader, Row, Tx, Value};
use crate::fleet::store::Standing as NodeStanding;
use crate::ledger::seat;
use crate::storage::store::drain;
use model::{AccountClass, AccountNo, Alias, Code, MemberId, Span, Stamp, TransferKind, Ucredit};

/// Nodes of one owner that are looked at.
pub const NODES_MAX: u32 = 1_000;
/// Codes of what is served, verified, and paid for.
const SERVICE: [Code; 6] = [Code::Storage, Code::Egress, Code::Repair, Code::Compute, Code::Load, Code::Relay];

/// What is kept of a member from day to day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The last day that was worked out.
    pub day: u32,
    /// Rows up to here are counted.
    pub seq: u64,
    /// Mean of its daily verified earnings.
    pub mean: Ucredit,
    /// Mean of what it pays a day.
    pub daily_use: Ucredit,
    /// Time of verified service.
    pub served: Span,
    /// Of it: with audits passed.
    pub proven: Span,
    /// Its nodes' honesty, in ten thousandths.
    pub audits_bps: u64,
    /// How it stands, since when.
    pub since: Stamp,
    /// When it was last heard of.
    pub heard: Stamp,
    /// Notices it got since grace began.
    pub notices: u8,
    /// When it got the last.
    pub noticed: Option<Stamp>,
    /// Of what was written off it has not paid so much back.
    pub written_off: Ucredit,
}

const STANDING: &str = "day, seq, mean, daily_use, served_ms, proven_ms, audits_bps, since, heard_at, notices, noticed_at, \
    written_off";

/// What is kept of an account; nothing before its first day is over.
pub fn get(q: &mut Reader<'_>, account: AccountNo) -> Result<Option<Standing>, DbError> {
    let sql = format!("SELECT {STANDING} FROM ledger_standing WHERE account = $1");
    q.query_opt(&sql, &[account.into()], |row| {
        Ok(Standing {
            day: row.get(0)?,
            seq: row.get(1)?,
            mean: row.get(2)?,
            daily_use: row.get(3)?,
            served: Span::ms(row.get(4)?),
            proven: Span::ms(row.get(5)?),
            audits_bps: row.get(6)?,
            since: row.get(7)?,
            heard: row.get(8)?,
            notices: row.get(9)?,
            noticed: row.get(10)?,
            written_off: row.get(11)?,
        })
    })
}

/// Keeps it.
pub fn put(tx: &mut Tx<'_>, account: AccountNo, s: &Standing) -> Result<(), DbError> {
    let sql = format!(
        "INSERT INTO ledger_standing (account, {STANDING}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT (account) DO UPDATE SET day = excluded.day, seq = excluded.seq, mean = excluded.mean, \
         daily_use = excluded.daily_use, served_ms = excluded.served_ms, proven_ms = excluded.proven_ms, \
         audits_bps = excluded.audits_bps, since = excluded.since, heard_at = excluded.heard_at, \
         notices = excluded.notices, noticed_at = excluded.noticed_at, written_off = excluded.written_off"
    );
    let params = [
        account.into(),
        s.day.into(),
        s.seq.into(),
        s.mean.into(),
        s.daily_use.into(),
        s.served.as_ms().into(),
        s.proven.as_ms().into(),
        s.audits_bps.into(),
        s.since.into(),
        s.heard.into(),
        s.notices.into(),
        s.noticed.into(),
        s.written_off.into(),
    ];
    tx.execute(&sql, &params).map(drop)
}

/// Notes that a member was heard of; of whom nothing is kept yet, its account's opening counts.
pub fn heard(tx: &mut Tx<'_>, member: &MemberId, at: Stamp) -> Result<(), DbError> {
    let sql = "UPDATE ledger_standing SET heard_at = $2 WHERE heard_at < $2 AND account = \
        (SELECT no FROM ledger_account WHERE class = $3 AND owner = $1)";
    let class = AccountClass::Member.number();
    tx.execute(sql, &[member.into(), at.into(), class.into()]).map(drop)
}

/// What moved of a member between two places of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// It was paid for what it served.
    pub earned: Ucredit,
    /// It paid for what it used.
    pub charged: Ucredit,
    /// Settle periods it was paid for: of the resource with most of them, since each pays an account once.
    pub periods: u64,
}

fn service() -> String {
    SERVICE.map(|code| code.number().to_string()).join(", ")
}

/// Sums of an account's rows behind `after` up to `last`.
pub fn moved(q: &mut Reader<'_>, account: AccountNo, (after, last): (u64, u64)) -> Result<Moved, DbError> {
    let kinds = [TransferKind::Move, TransferKind::Post].map(|kind| i64::from(kind.number()));
    let mut out = Moved::default();
    for (side, is_credit) in [("credit", true), ("debit", false)] {
        let sql = format!(
            "SELECT count(*), CAST(sum(amount) AS BIGINT) FROM ledger_transfer WHERE {side} = $1 AND seq > $2 AND seq <= $3 \
             AND kind IN ($4, $5) AND code IN ({}) GROUP BY code",
            service()
        );
        let params = [account.into(), after.into(), last.into(), kinds[0].into(), kinds[1].into()];
        for (rows, sum) in q.query(&sql, &params, |row| Ok((row.get::<u64>(0)?, row.get::<u64>(1)?)))? {
            let to = if is_credit { &mut out.earned } else { &mut out.charged };
            *to = Ucredit(to.0.saturating_add(sum));
            out.periods = out.periods.max(if is_credit { rows } else { 0 });
        }
    }
    Ok(out)
}

/// A node of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Number.
    pub alias: Alias,
    /// How the cloud stands to it.
    pub standing: NodeStanding,
    /// Its honesty, in ten thousandths.
    pub audits_bps: u64,
    /// Hour since 1970 in which it was last seen.
    pub seen_hour: u64,
    /// It passed an audit.
    pub is_audited: bool,
    /// MB it held when it was there last.
    pub held_mb: u64,
    /// Repair gave a place of it to another while it was away.
    pub is_taken: bool,
    /// What it held was taken for lost.
    pub is_lost: bool,
    /// It left with what it held, which was not taken for lost yet.
    pub has_gone: bool,
}

impl Node {
    /// It takes part.
    pub const fn is_in(&self) -> bool {
        !matches!(self.standing, NodeStanding::Left | NodeStanding::Banned)
    }

    /// It is distrusted, quarantined, or out by proof.
    pub const fn is_bad(&self) -> bool {
        self.standing.takes_no_work() || matches!(self.standing, NodeStanding::Banned)
    }
}

/// Nodes of an owner, at most [`NODES_MAX`] of them.
pub fn nodes(q: &mut Reader<'_>, owner: &MemberId) -> Result<Vec<Node>, DbError> {
    let sql = "SELECT n.alias, n.standing, n.alpha, n.beta, n.last_seen_hour, coalesce(a.passed, 0), coalesce(h.held_mb, 0), \
        coalesce(l.lost_at, -1), coalesce(h.is_taken, 0) FROM node n LEFT JOIN node_audit a ON a.alias = n.alias \
        LEFT JOIN ledger_lost l ON l.alias = n.alias LEFT JOIN ledger_node h ON h.alias = n.alias \
        WHERE n.owner = $1 ORDER BY n.alias LIMIT $2";
    q.query(sql, &[owner.into(), NODES_MAX.into()], |row| {
        let (alpha, beta) = (row.get::<u64>(2)?, row.get::<u64>(3)?);
        Ok(Node {
            alias: row.get(0)?,
            standing: row.get(1)?,
            audits_bps: (alpha * 10_000).checked_div(alpha + beta).unwrap_or(0),
            seen_hour: row.get(4)?,
            is_audited: row.get::<u64>(5)? > 0,
            held_mb: row.get(6)?,
            is_taken: row.get(8)?,
            is_lost: row.get::<i64>(7)? > 0,
            has_gone: row.get::<i64>(7)? == 0,
        })
    })
}

/// A node leaves: that is no leave in order where it did not hand over what it held before, or repair had to give it to others. Places
/// of groups that hold nothing are nothing to hand over.
pub fn leaves(tx: &mut Tx<'_>, alias: Alias) -> Result<(), DbError> {
    drain::end(tx, alias)?;
    let holds = !drain::waiting(tx, alias, 1)?.is_empty();
    if holds || node_held::of(tx, alias)?.is_taken { set_gone(tx, alias) } else { Ok(()) }
}

/// Notes that a node left with what it held.
pub fn set_gone(tx: &mut Tx<'_>, alias: Alias) -> Result<(), DbError> {
    let sql = "INSERT INTO ledger_lost (alias, lost_at) VALUES ($1, 0) ON CONFLICT (alias) DO NOTHING";
    tx.execute(sql, &[alias.into()]).map(drop)
}

/// Notes that what a node held was taken for lost, or that it is seen again.
pub fn set_lost(tx: &mut Tx<'_>, alias: Alias, lost: Option<Stamp>) -> Result<(), DbError> {
    match lost {
        Some(at) => {
            let sql = "INSERT INTO ledger_lost (alias, lost_at) VALUES ($1, $2) \
                ON CONFLICT (alias) DO UPDATE SET lost_at = excluded.lost_at";
            tx.execute(sql, &[alias.into(), at.into()]).map(drop)
        }
        None => tx.execute("DELETE FROM ledger_lost WHERE alias = $1", &[alias.into()]).map(drop),
    }
}

/// Whether a member stores anything.
pub fn has_data(q: &mut Reader<'_>, owner: &MemberId) -> Result<bool, DbError> {
    let sql = "SELECT number FROM bucket WHERE owner = $1 AND removed_at IS NULL AND sealed_bytes > 0 LIMIT 1";
    Ok(q.query_opt(sql, &[owner.into()], |row| row.get::<u64>(0))?.is_some())
}

/// What members paid in a day, what of it others bore or was written off, and what the repair reserve got and paid for repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Volume {
    /// Rows up to here are counted.
    pub seq: u64,
    /// Paid for what was used.
    pub volume: Ucredit,
    /// Borne by insurance and write-off.
    pub bad_debt: Ucredit,
    /// What prices set aside for repair.
    pub repair_in: Ucredit,
    /// What repair cost.
    pub repair_out: Ucredit,
}

fn read_volume(row: &Row<'_>) -> Result<Volume, DbError> {
    let (volume, bad_debt) = (row.get(1)?, row.get(2)?);
    Ok(Volume { seq: row.get(0)?, volume, bad_debt, repair_in: row.get(3)?, repair_out: row.get(4)? })
}

/// The last day whose volume is kept, and up to which row it counts.
pub fn last_volume(q: &mut Reader<'_>) -> Result<Option<(u32, u64)>, DbError> {
    let sql = "SELECT day, seq FROM ledger_moved ORDER BY day DESC LIMIT 1";
    q.query_opt(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// What moved behind a row up to another: reads each of them, once a day.
pub fn volume_between(q: &mut Reader<'_>, after: u64, last: u64) -> Result<Volume, DbError> {
    let sum = |when: &str| format!("CAST(coalesce(sum(CASE WHEN {when} THEN amount ELSE 0 END), 0) AS BIGINT)");
    let sql = format!(
        "SELECT coalesce(max(seq), 0), {}, {}, {}, {} FROM ledger_transfer WHERE seq > $1 AND seq <= $2 AND kind IN ($3, $4) \
         AND code IN ($5, {})",
        sum("code <> $5 AND debit >= $6 AND debit < $7"),
        sum("code = $5"),
        sum("code = $8 AND credit = $9"),
        sum("code = $8 AND debit = $9"),
        service()
    );
    let kinds = [TransferKind::Move, TransferKind::Post].map(|kind| i64::from(kind.number()));
    // Accounts of people are those of members and, behind them, of circles.
    let [first, circle] = [AccountClass::Member, AccountClass::Circle].map(|class| AccountNo::new(class, 0).0);
    let params = [
        after.into(),
        last.into(),
        kinds[0].into(),
        kinds[1].into(),
        Code::BadDebt.number().into(),
        first.into(),
        (circle + (circle - first)).into(),
        Code::Repair.number().into(),
        seat::only(AccountClass::Repair).into(),
    ];
    Ok(Volume { seq: last, ..q.query_opt(&sql, &params, read_volume)?.unwrap_or_default() })
}

/// Keeps what moved in a day; days of more than so long ago are forgotten.
pub fn put_volume(tx: &mut Tx<'_>, day: u32, of: &Volume, forget_before: u32) -> Result<(), DbError> {
    let sql =
        "INSERT INTO ledger_moved (day, seq, volume, bad_debt, repair_in, repair_out) VALUES ($1, $2, $3, $4, $5, $6)";
    let [volume, bad_debt] = [of.volume, of.bad_debt].map(Value::from);
    tx.execute(sql, &[day.into(), of.seq.into(), volume, bad_debt, of.repair_in.into(), of.repair_out.into()])?;
    tx.execute("DELETE FROM ledger_moved WHERE day < $1", &[forget_before.into()]).map(drop)
}

/// The first day whose volume is kept.
pub fn first_volume(q: &mut Reader<'_>) -> Result<Option<u32>, DbError> {
    let sql = "SELECT day FROM ledger_moved ORDER BY day LIMIT 1";
    q.query_opt(sql, &[], |row| row.get(0))
}

/// What moved from a day on.
pub fn volume_since(q: &mut Reader<'_>, day: u32) -> Result<Volume, DbError> {
    let sum = |column: &str| format!("CAST(coalesce(sum({column}), 0) AS BIGINT)");
    let sums = ["volume", "bad_debt", "repair_in", "repair_out"].map(sum).join(", ");
    let sql = format!("SELECT coalesce(max(seq), 0), {sums} FROM ledger_moved WHERE day >= $1");
    Ok(q.query_opt(&sql, &[day.into()], read_volume)?.unwrap_or_default())
}
