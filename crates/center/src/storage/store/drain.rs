//! Rows of handing over: who leaves, which slots are on their way to whom, and how far their segments have come.

use super::{SegmentRow, audit, log};
use crate::db::{DbError, Reader, StoreError, Tx};
use model::{Alias, PgId, SegmentId, Stamp};
use std::collections::BTreeSet;

/// Segments read at a time.
const PAGE: u32 = 256;

/// A node that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// Which.
    pub node: Alias,
    /// Its owner's next machine, where one was named.
    pub to: Option<Alias>,
    /// Since when.
    pub since: Stamp,
}

/// A slot on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The group.
    pub pg: PgId,
    /// Its slot.
    pub slot: u16,
    /// To whom.
    pub to: Alias,
    /// Segments before this place have been handed over.
    pub next_seq: u64,
}

/// A node begins to leave; another word about its successor takes the place of the last, slots on their way go on.
pub fn begin(tx: &mut Tx<'_>, drain: &Drain) -> Result<(), DbError> {
    let sql = "INSERT INTO node_drain (alias, to_alias, since) VALUES ($1, $2, $3) \
        ON CONFLICT (alias) DO UPDATE SET to_alias = excluded.to_alias";
    tx.execute(sql, &[drain.node.into(), drain.to.into(), drain.since.into()]).map(drop)
}

/// It does not leave any more, or has left.
pub fn end(tx: &mut Tx<'_>, node: Alias) -> Result<(), DbError> {
    tx.execute("DELETE FROM node_drain WHERE alias = $1", &[node.into()])?;
    tx.execute("DELETE FROM slot_move WHERE from_alias = $1", &[node.into()]).map(drop)
}

/// Nodes that leave, after one of them, at most `limit`.
pub fn drains(q: &mut Reader<'_>, after: Option<Alias>, limit: u32) -> Result<Vec<Drain>, DbError> {
    let sql = "SELECT alias, to_alias, since FROM node_drain WHERE alias > $1 ORDER BY alias LIMIT $2";
    let after = after.map_or(-1, |alias| i64::from(alias.0));
    q.query(sql, &[after.into(), limit.into()], |row| {
        Ok(Drain { node: row.get(0)?, to: row.get(1)?, since: row.get(2)? })
    })
}

/// A node that leaves; nothing where it does not.
pub fn drain(q: &mut Reader<'_>, node: Alias) -> Result<Option<Drain>, DbError> {
    let sql = "SELECT alias, to_alias, since FROM node_drain WHERE alias = $1";
    q.query_opt(sql, &[node.into()], |row| Ok(Drain { node: row.get(0)?, to: row.get(1)?, since: row.get(2)? }))
}

/// Slots of a node on their way, in order, at most `limit`.
pub fn moves(q: &mut Reader<'_>, node: Alias, limit: u32) -> Result<Vec<Move>, DbError> {
    let sql = "SELECT pg, slot, to_alias, next_seq FROM slot_move WHERE from_alias = $1 ORDER BY pg, slot LIMIT $2";
    q.query(sql, &[node.into(), limit.into()], |row| {
        Ok(Move { pg: PgId(row.get(0)?), slot: row.get(1)?, to: row.get(2)?, next_seq: row.get(3)? })
    })
}

/// Groups of a node's slots that are not on their way yet and hold segments, at most `limit`.
pub fn waiting(q: &mut Reader<'_>, node: Alias, limit: u32) -> Result<Vec<(PgId, u16)>, DbError> {
    let sql = "SELECT l.pg, l.slot FROM pg_slot l WHERE l.alias = $1 AND NOT EXISTS (SELECT 1 FROM slot_move m \
        WHERE m.pg = l.pg AND m.slot = l.slot) AND EXISTS (SELECT 1 FROM segment s WHERE s.pg = l.pg AND s.refs >= 0) \
        ORDER BY l.pg, l.slot LIMIT $2";
    q.query(sql, &[node.into(), limit.into()], |row| Ok((PgId(row.get(0)?), row.get(1)?)))
}

/// Sends a slot on its way.
pub fn put_move(tx: &mut Tx<'_>, from: Alias, one: &Move) -> Result<(), DbError> {
    let sql = "INSERT INTO slot_move (pg, slot, from_alias, to_alias, next_seq) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (pg, slot) DO UPDATE SET from_alias = excluded.from_alias, to_alias = excluded.to_alias, \
        next_seq = excluded.next_seq";
    let params = [one.pg.0.into(), one.slot.into(), from.into(), one.to.into(), one.next_seq.into()];
    tx.execute(sql, &params).map(drop)
}

/// Takes a slot back from its way: its successor is gone.
pub fn drop_move(tx: &mut Tx<'_>, pg: PgId, slot: u16) -> Result<(), DbError> {
    tx.execute("DELETE FROM slot_move WHERE pg = $1 AND slot = $2", &[pg.0.into(), slot.into()]).map(drop)
}

/// Segments of a move from its place on whose piece the leaver holds, in order, at most `limit`.
pub fn to_move(q: &mut Reader<'_>, one: &Move, limit: u32) -> Result<Vec<SegmentRow>, DbError> {
    let (mut from, mut found) = (one.next_seq, Vec::new());
    loop {
        let rows = audit::live(q, one.pg, from, limit.max(PAGE))?;
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok(found) };
        let is_held = |row: &SegmentRow| rules::storage::expand::holds(&row.have, one.slot.into());
        found.extend(rows.into_iter().filter(is_held));
        if found.len() >= limit as usize {
            found.truncate(limit as usize);
            return Ok(found);
        }
        from = last + 1;
    }
}

/// Segments up to a place were handed over, those in `taken`; of the others the piece counts as lost. True when the slot is the
/// successor's now: nothing of it is left to be moved.
pub fn moved(tx: &mut Tx<'_>, one: &Move, up_to: u64, taken: &BTreeSet<SegmentId>) -> Result<bool, StoreError> {
    let mut from = one.next_seq;
    while from <= up_to {
        let rows = audit::live(tx, one.pg, from, PAGE)?;
        let Some(last) = rows.last().map(|row| row.seq) else { break };
        for row in rows.iter().filter(|row| row.seq <= up_to && !taken.contains(&row.id)) {
            log::lose(tx, one.pg, &row.id, one.slot)?;
        }
        from = last + 1;
    }
    let next = Move { next_seq: up_to + 1, ..*one };
    if !to_move(tx, &next, 1)?.is_empty() {
        let sql = "UPDATE slot_move SET next_seq = $3 WHERE pg = $1 AND slot = $2";
        tx.execute(sql, &[one.pg.0.into(), one.slot.into(), next.next_seq.into()])?;
        return Ok(false);
    }
    change_hands(tx, one)?;
    Ok(true)
}

/// The slot is its successor's.
pub fn change_hands(tx: &mut Tx<'_>, one: &Move) -> Result<(), StoreError> {
    let sql = "UPDATE pg_slot SET alias = $3 WHERE pg = $1 AND slot = $2";
    tx.execute(sql, &[one.pg.0.into(), one.slot.into(), one.to.into()])?;
    tx.execute("UPDATE pg SET generation = generation + 1 WHERE pg = $1", &[one.pg.0.into()])?;
    tx.execute("DELETE FROM slot_regive WHERE pg = $1 AND slot = $2", &[one.pg.0.into(), one.slot.into()])?;
    drop_move(tx, one.pg, one.slot)?;
    // What was written since to nobody's hands is made for the new holder.
    let sql = "INSERT INTO pg_mend (pg, next_seq) VALUES ($1, 0) ON CONFLICT (pg) DO UPDATE SET next_seq = 0";
    Ok(tx.execute(sql, &[one.pg.0.into()]).map(drop)?)
}
