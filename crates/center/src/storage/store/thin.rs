//! Segments that lack pieces, until they are filled, and the receipts that fill them.

use super::{SegmentRow, read_segment};
use crate::db::{DbError, Reader, Tx};
use model::{MemberId, PgId, SegmentId};
use wire::storage::SegmentRun;

/// Notes that a segment may lack pieces.
pub fn mark(tx: &mut Tx<'_>, pg: PgId, seq: u64) -> Result<(), DbError> {
    let sql = "INSERT INTO segment_thin (pg, seq) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    tx.execute(sql, &[pg.0.into(), seq.into()]).map(drop)
}

/// A segment lacks nothing any more, or is not there.
pub fn settle(tx: &mut Tx<'_>, pg: PgId, seq: u64) -> Result<(), DbError> {
    tx.execute("DELETE FROM segment_thin WHERE pg = $1 AND seq = $2", &[pg.0.into(), seq.into()]).map(drop)
}

/// Whether a group has thin segments.
pub fn has_any(q: &mut Reader<'_>, pg: PgId) -> Result<bool, DbError> {
    let sql = "SELECT pg FROM segment_thin WHERE pg = $1 LIMIT 1";
    Ok(q.query_opt(sql, &[pg.0.into()], |row| row.get::<u32>(0))?.is_some())
}

/// Groups with thin segments, after one of them, at most `limit`.
pub fn groups(q: &mut Reader<'_>, after: Option<PgId>, limit: u32) -> Result<Vec<PgId>, DbError> {
    let sql = "SELECT DISTINCT pg FROM segment_thin WHERE pg > $1 ORDER BY pg LIMIT $2";
    let after = after.map_or(-1, |pg| i64::from(pg.0));
    q.query(sql, &[after.into(), limit.into()], |row| Ok(PgId(row.get(0)?)))
}

/// Thin segments of a group after a place, oldest first, at most `limit`.
pub fn segments(q: &mut Reader<'_>, pg: PgId, after: u64, limit: u32) -> Result<Vec<SegmentRow>, DbError> {
    let sql = "SELECT s.pg, s.seq, s.id, s.sealed_bytes, s.have FROM segment_thin t JOIN segment s ON s.pg = t.pg AND \
        s.seq = t.seq WHERE t.pg = $1 AND t.seq > $2 ORDER BY t.seq LIMIT $3";
    q.query(sql, &[pg.0.into(), after.into(), limit.into()], read_segment)
}

/// Places of a run's segments that are of buckets of `owner`, in order.
pub fn own(q: &mut Reader<'_>, owner: &MemberId, run: &SegmentRun) -> Result<Vec<u64>, DbError> {
    let end = run.seq.saturating_add(u64::from(run.count));
    let sql = "SELECT seq FROM segment WHERE pg = $1 AND seq >= $2 AND seq < $3 AND bucket IN \
        (SELECT number FROM bucket WHERE owner = $4) ORDER BY seq";
    q.query(sql, &[run.pg.0.into(), run.seq.into(), end.into(), owner.into()], |row| row.get(0))
}

/// Joins holders to a segment, found by its place and its commitment; the bitmap after it and whether anybody is new in it, or
/// nothing where the segment is not there any more.
pub fn join_holders(
    tx: &mut Tx<'_>,
    pg: PgId,
    seq: u64,
    id: &SegmentId,
    have: &[u8],
) -> Result<Option<(Vec<u8>, bool)>, DbError> {
    let sql = "SELECT have FROM segment WHERE pg = $1 AND seq = $2 AND id = $3";
    let place = [pg.0.into(), seq.into(), id.as_bytes()[..].into()];
    let Some(before) = tx.query_opt(sql, &place, |row| row.get::<Vec<u8>>(0))? else { return Ok(None) };
    let joined = super::join(&before, have);
    let is_new = joined != before;
    if is_new {
        let sql = "UPDATE segment SET have = $3 WHERE pg = $1 AND seq = $2";
        tx.execute(sql, &[pg.0.into(), seq.into(), (&joined).into()])?;
    }
    Ok(Some((joined, is_new)))
}
