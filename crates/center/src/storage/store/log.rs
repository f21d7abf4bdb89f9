//! A group's log: segments at the place of their last change, and drops. What nobody names moves to its group's next place
//! with [`DROPPED`] names, so that whoever follows the group meets it after all he knows; a segment that comes back moves again.

use super::bucket;
use crate::db::{DbError, Reader, Tx, Value};
use model::{Alias, PgId, SegmentId, Stamp};
use std::collections::BTreeMap;
use wire::storage::{LogEntry, SegmentRun};

/// Names of a dropped segment.
pub const DROPPED: i64 = -1;

/// Takes places of a group's log; the first of them, none where the group is not there. With `drops` the last is its last drop.
pub fn take_places(tx: &mut Tx<'_>, pg: PgId, count: u64, drops: bool) -> Result<Option<u64>, DbError> {
    let last_drop = if drops { ", last_drop = next_seq + $2 - 1" } else { "" };
    let sql = format!("UPDATE pg SET next_seq = next_seq + $2{last_drop} WHERE pg = $1 RETURNING next_seq");
    let after = tx.change_returning(&sql, &[pg.0.into(), count.into()], |row| row.get::<u64>(0))?;
    Ok(after.map(|after| after - count))
}

/// One version less names the segments of a run; those that nobody names now count for their bucket no more, and are dropped when
/// their group may.
pub fn release(tx: &mut Tx<'_>, run: &SegmentRun) -> Result<(), DbError> {
    let end = run.seq.saturating_add(u64::from(run.count));
    let range: [Value<'_>; 3] = [run.pg.0.into(), run.seq.into(), end.into()];
    let last = "SELECT bucket, CAST(sum(sealed_bytes) AS BIGINT) FROM segment WHERE pg = $1 AND seq >= $2 AND seq < $3 \
        AND refs = 1 GROUP BY bucket";
    let last = tx.query(last, &range, |row| Ok((row.get::<u32>(0)?, row.get::<u64>(1)?)))?;
    for (number, bytes) in last {
        bucket::give_back(tx, number, bytes)?;
    }
    // Time 0 is before every other: a segment that was named once waits no further days.
    let sql = "UPDATE segment SET refs = refs - 1, kept_at = CASE WHEN refs = 1 THEN 0 ELSE kept_at END \
        WHERE pg = $1 AND seq >= $2 AND seq < $3 AND refs > 0";
    tx.execute(sql, &range).map(drop)
}

/// Groups after one of them with segments that nobody names since `before`, at most `limit`.
pub fn groups_unnamed(
    q: &mut Reader<'_>,
    before: Stamp,
    after: Option<PgId>,
    limit: u32,
) -> Result<Vec<PgId>, DbError> {
    let sql = "SELECT DISTINCT pg FROM segment WHERE refs = 0 AND pg > $1 AND kept_at <= $2 ORDER BY pg LIMIT $3";
    let after = after.map_or(-1, |pg| i64::from(pg.0));
    q.query(sql, &[after.into(), before.into(), limit.into()], |row| Ok(PgId(row.get(0)?)))
}

/// Drops up to `limit` segments of a group that nobody names since `before`; how many.
pub fn drop_unnamed(tx: &mut Tx<'_>, pg: PgId, before: Stamp, limit: u32, now: Stamp) -> Result<u64, DbError> {
    // Nothing else takes places of this group, or names its segments, until this is done.
    tx.execute("UPDATE pg SET next_seq = next_seq WHERE pg = $1", &[pg.0.into()])?;
    let sql = "SELECT seq FROM segment WHERE refs = 0 AND pg = $1 AND kept_at <= $2 ORDER BY seq LIMIT $3";
    let seqs: Vec<u64> = tx.query(sql, &[pg.0.into(), before.into(), limit.into()], |row| row.get(0))?;
    let mut dropped = 0;
    for seq in &seqs {
        let Some(place) = take_places(tx, pg, 1, true)? else { break };
        let sql = "UPDATE segment SET seq = $3, refs = -1, kept_at = $4 WHERE pg = $1 AND seq = $2 AND refs = 0";
        dropped += tx.execute(sql, &[pg.0.into(), (*seq).into(), place.into(), now.into()])?;
        super::thin::settle(tx, pg, *seq)?;
    }
    Ok(dropped)
}

/// Forgets drops older than `before`, at most `limit`; how many.
pub fn forget_drops(tx: &mut Tx<'_>, before: Stamp, limit: u32) -> Result<u64, DbError> {
    let sql = "SELECT pg, seq FROM segment WHERE refs < 0 AND kept_at <= $1 LIMIT $2";
    let old = tx.query(sql, &[before.into(), limit.into()], |row| Ok((row.get::<u32>(0)?, row.get::<u64>(1)?)))?;
    for (pg, seq) in &old {
        let sql = "DELETE FROM segment WHERE pg = $1 AND seq = $2 AND refs < 0";
        tx.execute(sql, &[(*pg).into(), (*seq).into()])?;
    }
    Ok(old.len() as u64)
}

/// Versions that gave their place away at `before` or earlier, oldest first, at most `limit`: bucket and place in it.
pub fn superseded(q: &mut Reader<'_>, before: Stamp, limit: u32) -> Result<Vec<(Stamp, u32, u64)>, DbError> {
    let sql = "SELECT since, bucket, bucket_seq FROM version_old WHERE since <= $1 ORDER BY since LIMIT $2";
    q.query(sql, &[before.into(), limit.into()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// The retention of a superseded version is over: it names nothing any more. Its record stays in the bucket's chain.
pub fn expire(tx: &mut Tx<'_>, (since, number, place): (Stamp, u32, u64)) -> Result<(), DbError> {
    let sql = "DELETE FROM version_old WHERE since = $1 AND bucket = $2 AND bucket_seq = $3";
    if tx.execute(sql, &[since.into(), number.into(), place.into()])? == 0 {
        return Ok(());
    }
    for run in bucket::let_go(tx, number, place)? {
        release(tx, &run)?;
    }
    Ok(())
}

/// Changes of a group after a place, in order, at most `limit`.
pub fn changes(q: &mut Reader<'_>, pg: PgId, after: u64, limit: u32) -> Result<Vec<LogEntry>, DbError> {
    let sql = "SELECT seq, id, refs FROM segment WHERE pg = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    q.query(sql, &[pg.0.into(), after.into(), limit.into()], |row| {
        Ok(LogEntry { seq: row.get(0)?, id: SegmentId(row.get(1)?), is_drop: row.get::<i64>(2)? < 0 })
    })
}

/// Indexes of a group whose pieces belong with a node: its slots, and those on their way to it. While an index is on its way to
/// anybody or segments lack pieces, every piece may be needed, whosever its index is.
pub fn indexes_of(q: &mut Reader<'_>, pg: PgId, node: Alias) -> Result<Vec<u16>, DbError> {
    if super::mend::is_mending(q, pg)? || !super::regive::of_group(q, pg)?.is_empty() {
        return q
            .query("SELECT n_max FROM pg WHERE pg = $1", &[pg.0.into()], |row| row.get::<u16>(0))
            .map(|n_max| (0..n_max.first().copied().unwrap_or(0)).collect());
    }
    let sql = "SELECT slot FROM pg_slot WHERE pg = $1 AND alias = $2 UNION \
        SELECT slot FROM slot_move WHERE pg = $1 AND to_alias = $2 UNION \
        SELECT slot FROM slot_regive WHERE pg = $1 AND to_alias = $2 ORDER BY slot";
    q.query(sql, &[pg.0.into(), node.into()], |row| row.get(0))
}

/// Last drop of each group that has any.
pub fn last_drops(q: &mut Reader<'_>, after: PgId, limit: u32) -> Result<Vec<(PgId, u64)>, DbError> {
    let sql = "SELECT pg, last_drop FROM pg WHERE pg > $1 AND last_drop > 0 ORDER BY pg LIMIT $2";
    q.query(sql, &[after.0.into(), limit.into()], |row| Ok((PgId(row.get(0)?), row.get(1)?)))
}

/// A holder has lost its piece: its bit is cleared and the segment lacks pieces again. False where it was not counted.
pub fn lose(tx: &mut Tx<'_>, pg: PgId, id: &SegmentId, index: u16) -> Result<bool, DbError> {
    let sql = "SELECT seq, have FROM segment WHERE substr(id, 1, 8) = $2 AND id = $3 AND +pg = $1 AND refs >= 0";
    let found = tx.query_opt(sql, &[pg.0.into(), id.as_bytes()[..8].into(), id.as_bytes()[..].into()], |row| {
        Ok((row.get::<u64>(0)?, row.get::<Vec<u8>>(1)?))
    })?;
    let Some((seq, mut have)) = found else { return Ok(false) };
    let Some(byte) = have.get_mut(usize::from(index / 8)).filter(|byte| **byte & (1 << (index % 8)) != 0) else {
        return Ok(false);
    };
    *byte &= !(1 << (index % 8));
    tx.execute("UPDATE segment SET have = $3 WHERE pg = $1 AND seq = $2", &[pg.0.into(), seq.into(), (&have).into()])?;
    super::thin::mark(tx, pg, seq)?;
    Ok(true)
}

/// Bytes by group and slot.
pub type SlotBytes = BTreeMap<(PgId, u16), u64>;

/// Bytes of the pieces a node has in each of its slots, as the records say; none where there are more segments than `limit`.
pub fn bytes_by_slot(q: &mut Reader<'_>, node: Alias, limit: u32) -> Result<Option<SlotBytes>, DbError> {
    let Some(rows) = held_rows(q, node, limit)? else { return Ok(None) };
    let mut slots = BTreeMap::new();
    for held in rows {
        *slots.entry((held.pg, held.slot)).or_insert(0) += held.bytes;
    }
    Ok(Some(slots))
}

/// A piece as the records give it to a node.
struct HeldRow {
    pg: PgId,
    slot: u16,
    bytes: u64,
}

fn held_rows(q: &mut Reader<'_>, node: Alias, limit: u32) -> Result<Option<Vec<HeldRow>>, DbError> {
    let sql = "SELECT p.k, p.m, p.o, p.slots, p.n_max, p.accept, l.slot, s.sealed_bytes, s.have, l.pg FROM pg_slot l \
        JOIN pg p ON p.pg = l.pg JOIN segment s ON s.pg = l.pg WHERE l.alias = $1 AND s.refs >= 0 LIMIT $2";
    let rows = q.query(sql, &[node.0.into(), (limit + 1).into()], |row| {
        let (scheme, slot, have) = (super::read_scheme(row, 0)?, row.get::<u16>(6)?, row.get::<Vec<u8>>(8)?);
        let held = HeldRow { pg: PgId(row.get(9)?), slot, bytes: scheme.piece_bytes(row.get(7)?) };
        Ok(rules::storage::expand::holds(&have, slot.into()).then_some(held))
    })?;
    Ok((rows.len() <= limit as usize).then(|| rows.into_iter().flatten().collect()))
}

/// Segments a node holds pieces of, as the records say, up to `limit`: how many pieces and bytes; none where there are more.
pub fn accounted(q: &mut Reader<'_>, node: Alias, limit: u32) -> Result<Option<(u64, u64)>, DbError> {
    let rows = held_rows(q, node, limit)?;
    Ok(rows.map(|rows| (rows.len() as u64, rows.iter().map(|held| held.bytes).sum())))
}
