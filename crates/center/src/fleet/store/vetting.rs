//! Rows of vetting: how a node's rank came about, and which pieces of its fill test it has.

use crate::db::{DbError, Reader, Tx};
use model::{Alias, SegmentId, Stamp, Tier};
use std::collections::BTreeMap;

/// How far a node is vetted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vetting {
    /// Since when it has its rank.
    pub ranked_at: Stamp,
    /// It lost pieces then, and has not been vetted since.
    pub back_at: Option<Stamp>,
    /// Audits it had passed when its vetting began.
    pub passed_from: u64,
    /// Its fill test.
    pub fill: Fill,
}

/// How a fill test stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fill {
    /// Pieces; 0 before the first try.
    pub wanted: u32,
    /// Pieces sent in this try.
    pub sent: u32,
    /// The whole stands since then.
    pub whole_at: Option<Stamp>,
    /// Audits the node had passed by then.
    pub passed_from: u64,
    /// Tries that failed.
    pub tries: u8,
    /// Nothing is sent until then.
    pub rests_until: Stamp,
}

/// How far a node is vetted; nothing where nothing happened since it joined.
pub fn vetting(q: &mut Reader<'_>, alias: Alias) -> Result<Option<Vetting>, DbError> {
    let sql = "SELECT ranked_at, back_at, passed_from, fill_wanted, fill_sent, fill_whole_at, fill_passed_from, fill_tries, \
        fill_rests_until FROM node_vetting WHERE alias = $1";
    q.query_opt(sql, &[alias.into()], |row| {
        let fill = Fill {
            wanted: row.get(3)?,
            sent: row.get(4)?,
            whole_at: row.get(5)?,
            passed_from: row.get(6)?,
            tries: row.get(7)?,
            rests_until: row.get(8)?,
        };
        Ok(Vetting { ranked_at: row.get(0)?, back_at: row.get(1)?, passed_from: row.get(2)?, fill })
    })
}

/// Keeps how far a node is vetted.
pub fn put_vetting(tx: &mut Tx<'_>, alias: Alias, v: &Vetting) -> Result<(), DbError> {
    let sql = "INSERT INTO node_vetting (alias, ranked_at, back_at, passed_from, fill_wanted, fill_sent, fill_whole_at, \
        fill_passed_from, fill_tries, fill_rests_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
        ON CONFLICT (alias) DO UPDATE SET ranked_at = excluded.ranked_at, back_at = excluded.back_at, \
        passed_from = excluded.passed_from, fill_wanted = excluded.fill_wanted, fill_sent = excluded.fill_sent, \
        fill_whole_at = excluded.fill_whole_at, fill_passed_from = excluded.fill_passed_from, \
        fill_tries = excluded.fill_tries, fill_rests_until = excluded.fill_rests_until";
    let params = [
        alias.into(),
        v.ranked_at.into(),
        v.back_at.into(),
        v.passed_from.into(),
        v.fill.wanted.into(),
        v.fill.sent.into(),
        v.fill.whole_at.into(),
        v.fill.passed_from.into(),
        v.fill.tries.into(),
        v.fill.rests_until.into(),
    ];
    tx.execute(sql, &params).map(drop)
}

/// A node's rank, and when it had passed its fill test; false when there is no such node.
pub fn set_rank(tx: &mut Tx<'_>, alias: Alias, tier: Tier, vetted_at: Option<Stamp>) -> Result<bool, DbError> {
    let sql = "UPDATE node SET tier = $2, vetted_at = $3 WHERE alias = $1";
    Ok(tx.execute(sql, &[alias.into(), tier.into(), vetted_at.into()])? == 1)
}

/// Pieces of a node's fill test that it has, in order, at most `limit`.
pub fn fill_pieces(q: &mut Reader<'_>, alias: Alias, limit: u32) -> Result<Vec<(u32, SegmentId)>, DbError> {
    let sql = "SELECT number, id FROM fill_piece WHERE alias = $1 ORDER BY number LIMIT $2";
    q.query(sql, &[alias.into(), limit.into()], |row| Ok((row.get(0)?, SegmentId(row.get(1)?))))
}

/// How many they are.
pub fn fill_count(q: &mut Reader<'_>, alias: Alias) -> Result<u32, DbError> {
    let sql = "SELECT count(*) FROM fill_piece WHERE alias = $1";
    let count = q.query_opt(sql, &[alias.into()], |row| row.get::<i64>(0))?;
    Ok(count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0))
}

/// The same for all nodes from one alias on that have any, up to another, which is not among them.
pub fn fill_counts(q: &mut Reader<'_>, from: Alias, to: Alias) -> Result<BTreeMap<Alias, u64>, DbError> {
    let sql = "SELECT alias, count(*) FROM fill_piece WHERE alias >= $1 AND alias < $2 GROUP BY alias";
    Ok(q.query(sql, &[from.into(), to.into()], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect())
}

/// A node has a piece of its fill test.
pub fn add_fill(tx: &mut Tx<'_>, alias: Alias, number: u32, id: &SegmentId) -> Result<(), DbError> {
    let sql = "INSERT INTO fill_piece (alias, number, id) VALUES ($1, $2, $3) \
        ON CONFLICT (alias, number) DO UPDATE SET id = excluded.id";
    tx.execute(sql, &[alias.into(), number.into(), id.as_bytes()[..].into()]).map(drop)
}

/// A node has a piece of its fill test no more; false where it was not counted.
pub fn lose_fill(tx: &mut Tx<'_>, alias: Alias, id: &SegmentId) -> Result<bool, DbError> {
    let sql = "DELETE FROM fill_piece WHERE alias = $1 AND id = $2";
    Ok(tx.execute(sql, &[alias.into(), id.as_bytes()[..].into()])? > 0)
}

/// A node has nothing of its fill test any more.
pub fn forget_fill(tx: &mut Tx<'_>, alias: Alias) -> Result<(), DbError> {
    tx.execute("DELETE FROM fill_piece WHERE alias = $1", &[alias.into()]).map(drop)
}
