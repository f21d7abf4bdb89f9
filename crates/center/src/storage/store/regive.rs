//! Rows of indexes that are given again (`rules::storage::regive`): a slot whose holder is gone goes to another once no segment
//! says that a piece stands under its index. Else the new holder would be asked for pieces that it never got.
//!
//! (A) Nothing is cleared that could still be needed: a segment of which fewer than k pieces stand without this one stops the way of
//! the index. (B) A row is about one holder: where the slot is another's by now, it does nothing.

use super::drain::{self, Move};
use super::thin;
use crate::db::{DbError, Reader, StoreError, Tx};
use crate::ledger::store::node_held;
use model::{Alias, PgId};

/// An index on its way to a new holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Regive {
    /// The group.
    pub pg: PgId,
    /// Its slot.
    pub slot: u16,
    /// Who had it.
    pub from: Alias,
    /// Who gets it.
    pub to: Alias,
    /// Segments before this place have been cleared.
    pub next_seq: u64,
}

const COLUMNS: &str = "pg, slot, from_alias, to_alias, next_seq";

fn read(row: &crate::db::Row<'_>) -> Result<Regive, DbError> {
    Ok(Regive { pg: PgId(row.get(0)?), slot: row.get(1)?, from: row.get(2)?, to: row.get(3)?, next_seq: row.get(4)? })
}

/// An index begins its way; false where it is on its way already, or somebody else's by now. A hand-over of it is over: who was
/// to send is gone.
pub fn begin(tx: &mut Tx<'_>, one: &Regive) -> Result<bool, DbError> {
    let sql = "INSERT INTO slot_regive (pg, slot, from_alias, to_alias, next_seq) SELECT l.pg, l.slot, l.alias, $4, 0 \
        FROM pg_slot l WHERE l.pg = $1 AND l.slot = $2 AND l.alias = $3 ON CONFLICT DO NOTHING";
    let begun = tx.execute(sql, &[one.pg.0.into(), one.slot.into(), one.from.into(), one.to.into()])? == 1;
    if begun {
        drain::drop_move(tx, one.pg, one.slot)?;
    }
    Ok(begun)
}

/// Indexes on their way, in order, at most `limit`.
pub fn under_way(q: &mut Reader<'_>, limit: u32) -> Result<Vec<Regive>, DbError> {
    q.query(&format!("SELECT {COLUMNS} FROM slot_regive ORDER BY pg, slot LIMIT $1"), &[limit.into()], read)
}

/// Those of one group, in order.
pub fn of_group(q: &mut Reader<'_>, pg: PgId) -> Result<Vec<Regive>, DbError> {
    q.query(&format!("SELECT {COLUMNS} FROM slot_regive WHERE pg = $1 ORDER BY slot"), &[pg.0.into()], read)
}

/// The holder is back, or its successor is gone: the index stays where it was. What was cleared already is made anew, or told
/// by the holder's own receipt for a piece it has.
pub fn cancel(tx: &mut Tx<'_>, one: &Regive) -> Result<(), DbError> {
    let sql = "DELETE FROM slot_regive WHERE pg = $1 AND slot = $2";
    tx.execute(sql, &[one.pg.0.into(), one.slot.into()]).map(drop)
}

/// What came of one portion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// More segments are to be cleared.
    More,
    /// The slot has changed hands.
    Given,
    /// It stays where it is: a segment needs the piece, or the slot is another's.
    Stays,
}

/// Clears the index in up to `limit` segments from its place on. `standing` are the slots whose holders stand, as a bitmap, of a
/// code that reads with `k` pieces. (A), (B)
pub fn clear(tx: &mut Tx<'_>, one: &Regive, (standing, k): (&[u8], u16), limit: u32) -> Result<Cleared, StoreError> {
    // Nothing is written to this group until this is done.
    tx.execute("UPDATE pg SET next_seq = next_seq WHERE pg = $1", &[one.pg.0.into()])?;
    let place = [one.pg.0.into(), one.slot.into(), one.to.into(), one.from.into()];
    let sql = "SELECT r.next_seq FROM slot_regive r JOIN pg_slot l ON l.pg = r.pg AND l.slot = r.slot AND \
        l.alias = r.from_alias WHERE r.pg = $1 AND r.slot = $2 AND r.to_alias = $3 AND r.from_alias = $4";
    let Some(from) = tx.query_opt(sql, &place, |row| row.get::<u64>(0))? else {
        cancel(tx, one)?;
        return Ok(Cleared::Stays);
    };
    let sql = "SELECT seq, have FROM segment WHERE pg = $1 AND seq >= $2 AND refs >= 0 ORDER BY seq LIMIT $3";
    let rows = tx.query(sql, &[one.pg.0.into(), from.into(), limit.into()], |row| {
        Ok((row.get::<u64>(0)?, row.get::<Vec<u8>>(1)?))
    })?;
    let bit = |bits: &[u8], slot: usize| bits.get(slot / 8).is_some_and(|byte| byte & (1 << (slot % 8)) != 0);
    let others = |have: &[u8]| {
        (0..8 * have.len()).filter(|s| *s != usize::from(one.slot) && bit(have, *s) && bit(standing, *s)).count()
    };
    let needs = |have: &[u8]| bit(have, one.slot.into()) && others(have) < usize::from(k);
    if rows.iter().any(|(_, have)| needs(have)) {
        cancel(tx, one)?;
        return Ok(Cleared::Stays);
    }
    for (seq, mut have) in rows.iter().cloned() {
        if let Some(byte) = have.get_mut(usize::from(one.slot / 8)).filter(|b| **b & (1 << (one.slot % 8)) != 0) {
            *byte &= !(1 << (one.slot % 8));
            let sql = "UPDATE segment SET have = $3 WHERE pg = $1 AND seq = $2";
            tx.execute(sql, &[one.pg.0.into(), seq.into(), (&have).into()])?;
        }
        thin::mark(tx, one.pg, seq)?;
    }
    if let Some((last, _)) = rows.last().filter(|_| rows.len() == limit as usize) {
        let sql = "UPDATE slot_regive SET next_seq = $3 WHERE pg = $1 AND slot = $2";
        tx.execute(sql, &[one.pg.0.into(), one.slot.into(), (last + 1).into()])?;
        return Ok(Cleared::More);
    }
    cancel(tx, one)?;
    // What it held then is not forgotten: it may leave before its silence counts as a loss.
    node_held::set_taken(tx, one.from, true)?;
    drain::change_hands(tx, &Move { pg: one.pg, slot: one.slot, to: one.to, next_seq: 0 })?;
    Ok(Cleared::Given)
}
