//! Rows of placement: groups with their slots, segments. Thin in this version: a group is a circle of everybody; a segment's
//! pieces are a bitmap over its slots. Buckets and
//! versions stand in [`bucket`], segments that lack pieces in [`thin`], slots that are given anew in [`mend`].

pub mod audit;
pub mod bucket;
pub mod drain;
pub mod log;
pub mod mend;
pub mod regive;
pub mod thin;
pub mod upload;

use crate::db::{DbError, Reader, Row, StoreError, Tx, Value};
use model::{Alias, Class, MemberId, PgId, Scheme, SegmentId, Stamp, errors};
use wire::storage::{SegmentRun, WrittenSegment};

/// A placement group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgRow {
    /// Number.
    pub pg: PgId,
    /// Code.
    pub scheme: Scheme,
    /// Generation of its slots.
    pub generation: u64,
    /// Next place in its log.
    pub next_seq: u64,
    /// Takes new segments.
    pub open: bool,
    /// Nodes by slot.
    pub slots: Vec<Alias>,
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRow {
    /// Its group.
    pub pg: PgId,
    /// Its place in the group's log.
    pub seq: u64,
    /// The commitment.
    pub id: SegmentId,
    /// Sealed bytes.
    pub sealed_bytes: u64,
    /// Bit i: slot i holds its piece.
    pub have: Vec<u8>,
}

/// The newest open group of a class and a region rule, with its slots.
pub fn open_pg(q: &mut Reader<'_>, class: Class, regions: &str, regions_min: u16) -> Result<Option<PgRow>, DbError> {
    let sql = "SELECT pg, k, m, o, slots, n_max, accept, generation, next_seq, is_open FROM pg \
        WHERE is_open = 1 AND class = $1 AND regions = $2 AND regions_min = $3 ORDER BY pg DESC LIMIT 1";
    let found = q.query_opt(sql, &[class.code().into(), regions.into(), regions_min.into()], read_pg)?;
    found.map(|pg| with_slots(q, pg)).transpose()
}

/// A group, with its slots.
pub fn pg(q: &mut Reader<'_>, pg: PgId) -> Result<Option<PgRow>, DbError> {
    let sql = "select pg, k, m, o, slots, n_max, accept, generation, next_seq, is_open from pg where pg = $1";
    let found = q.query_opt(sql, &[pg.0.into()], read_pg)?;
    found.map(|pg| with_slots(q, pg)).transpose()
}

/// A group's code from the columns `k, m, o, slots, n_max, accept` at and after one of them.
fn read_scheme(row: &Row<'_>, at: usize) -> Result<Scheme, DbError> {
    Ok(Scheme {
        k: row.get(at)?,
        m: row.get(at + 1)?,
        o: row.get(at + 2)?,
        slots: row.get(at + 3)?,
        n_max: row.get(at + 4)?,
        accept: row.get(at + 5)?,
    })
}

fn read_pg(row: &Row<'_>) -> Result<PgRow, DbError> {
    let scheme = read_scheme(row, 1)?;
    Ok(PgRow {
        pg: PgId(row.get(0)?),
        scheme,
        generation: row.get(7)?,
        next_seq: row.get(8)?,
        open: row.get(9)?,
        slots: Vec::new(),
    })
}

fn with_slots(q: &mut Reader<'_>, mut pg: PgRow) -> Result<PgRow, DbError> {
    pg.slots = q.query("select alias from pg_slot where pg = $1 order by slot", &[pg.pg.0.into()], |row| {
        Ok(Alias(row.get(0)?))
    })?;
    Ok(pg)
}

/// Opens a new group and closes those of the same class and region rule before it.
pub fn insert_pg(
    tx: &mut Tx<'_>,
    scheme: &Scheme,
    slots: &[Alias],
    class: Class,
    regions: &str,
    regions_min: u16,
) -> Result<PgRow, StoreError> {
    let of: [Value<'_>; 3] = [class.code().into(), regions.into(), regions_min.into()];
    tx.execute("update counter set value = value + 1 where name = 'pg'", &[])?;
    let number = tx.query_opt("select value from counter where name = 'pg'", &[], |row| row.get::<u32>(0))?;
    let pg = PgId(number.ok_or_else(|| DbError::Column { column: 0, why: "the counter of groups is missing".into() })?);
    let close = "UPDATE pg SET is_open = 0 WHERE is_open = 1 AND class = $1 AND regions = $2 AND regions_min = $3";
    tx.execute(close, &of)?;
    let s = scheme;
    let numbers: [Value<'_>; 8] =
        [pg.0.into(), s.k.into(), s.m.into(), s.o.into(), s.slots.into(), s.n_max.into(), s.accept.into(), 1u64.into()];
    let values: Vec<Value<'_>> = numbers.into_iter().chain(of).collect();
    let sql = "INSERT INTO pg (pg, k, m, o, slots, n_max, accept, generation, next_seq, is_open, class, regions, \
        regions_min) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, 1, $9, $10, $11)";
    tx.execute(sql, &values)?;
    for (slot, alias) in (0u16..).zip(slots) {
        tx.execute(
            "insert into pg_slot (pg, slot, alias) values ($1, $2, $3)",
            &[pg.0.into(), slot.into(), alias.0.into()],
        )?;
    }
    Ok(PgRow { pg, scheme: *scheme, generation: 1, next_seq: 1, open: true, slots: slots.to_vec() })
}

/// Appends a segment to its group's log, named by no version yet; one that is there already is answered with its own
/// place, and its holders are joined. Where a version names it, it counts as kept since it was first: keeping it again costs nobody
/// what it was charged for.
pub fn insert_segment(
    tx: &mut Tx<'_>,
    bucket: u32,
    segment: &WrittenSegment,
    have: &[u8],
    now: Stamp,
) -> Result<u64, StoreError> {
    let WrittenSegment { id, pg, sealed_bytes, .. } = segment;
    // Segments of one group come one after another, whichever center process takes them.
    tx.execute("UPDATE pg SET next_seq = next_seq WHERE pg = $1", &[pg.0.into()])?;
    let known = tx.query_opt(
        // The plus keeps SQLite from walking the group by its primary key.
        "SELECT seq, have, refs FROM segment WHERE substr(id, 1, 8) = $2 AND id = $3 AND +pg = $1",
        &[pg.0.into(), id.as_bytes()[..8].into(), id.as_bytes()[..].into()],
        |row| Ok((row.get::<u64>(0)?, row.get::<Vec<u8>>(1)?, row.get::<i64>(2)?)),
    )?;
    if let Some((seq, before, refs)) = known {
        if refs < 0 {
            return come_back(tx, (*pg, seq), bucket, have, now);
        }
        let joined = join(&before, have);
        let sql = "UPDATE segment SET have = $3, kept_at = CASE WHEN refs = 0 AND bucket = $5 THEN $4 \
            ELSE kept_at END WHERE pg = $1 AND seq = $2";
        tx.execute(sql, &[pg.0.into(), seq.into(), (&joined).into(), now.into(), bucket.into()])?;
        return Ok(seq);
    }
    tx.execute("UPDATE pg SET next_seq = next_seq + 1 WHERE pg = $1", &[pg.0.into()])?;
    let next = tx.query_opt("SELECT next_seq FROM pg WHERE pg = $1", &[pg.0.into()], |row| row.get::<u64>(0))?;
    let seq = next.ok_or_else(|| StoreError::refused(errors::LEASE_STALE, pg.to_string()))? - 1;
    let values: [Value<'_>; 7] = [
        pg.0.into(),
        seq.into(),
        id.as_bytes()[..].into(),
        (*sealed_bytes).into(),
        have.into(),
        bucket.into(),
        now.into(),
    ];
    let sql = "INSERT INTO segment (pg, seq, id, sealed_bytes, have, bucket, refs, kept_at) \
        VALUES ($1, $2, $3, $4, $5, $6, 0, $7)";
    tx.execute(sql, &values)?;
    Ok(seq)
}

/// Holders of either bitmap. A group may have been given slots since one of them was written.
pub(crate) fn join(a: &[u8], b: &[u8]) -> Vec<u8> {
    let at = |bits: &[u8], i: usize| bits.get(i).copied().unwrap_or(0);
    (0..a.len().max(b.len())).map(|i| at(a, i) | at(b, i)).collect()
}

/// A dropped segment was written anew: it takes its group's next place, with those holders alone who gave receipts for it now.
fn come_back(tx: &mut Tx<'_>, (pg, seq): (PgId, u64), bucket: u32, have: &[u8], now: Stamp) -> Result<u64, StoreError> {
    let place = log::take_places(tx, pg, 1, false)?;
    let place = place.ok_or_else(|| StoreError::refused(errors::LEASE_STALE, pg.to_string()))?;
    let sql = "UPDATE segment SET seq = $3, have = $4, bucket = $5, refs = 0, kept_at = $6 WHERE pg = $1 AND seq = $2";
    tx.execute(sql, &[pg.0.into(), seq.into(), place.into(), have.into(), bucket.into(), now.into()])?;
    Ok(place)
}

/// Segments of one group in a row, at most `limit`, in order.
pub fn segments(q: &mut Reader<'_>, pg: PgId, seq: u64, limit: u32) -> Result<Vec<SegmentRow>, DbError> {
    let sql = "SELECT pg, seq, id, sealed_bytes, have FROM segment WHERE pg = $1 AND seq >= $2 ORDER BY seq LIMIT $3";
    q.query(sql, &[pg.0.into(), seq.into(), limit.into()], read_segment)
}

fn read_segment(row: &Row<'_>) -> Result<SegmentRow, DbError> {
    Ok(SegmentRow {
        pg: PgId(row.get(0)?),
        seq: row.get(1)?,
        id: SegmentId(row.get(2)?),
        sealed_bytes: row.get(3)?,
        have: row.get(4)?,
    })
}

/// Distinct sets of holders of a bucket's segments that versions name, at most `limit`.
pub fn holder_sets(q: &mut Reader<'_>, bucket: u32, limit: u32) -> Result<Vec<(PgId, Vec<u8>)>, DbError> {
    let sql = "SELECT DISTINCT pg, have FROM segment WHERE bucket = $1 AND refs > 0 ORDER BY pg, have LIMIT $2";
    q.query(sql, &[bucket.into(), limit.into()], |row| Ok((PgId(row.get(0)?), row.get(1)?)))
}

/// Whether all segments of these runs are of a bucket and nobody names them yet.
pub fn are_unnamed(q: &mut Reader<'_>, bucket: u32, runs: &[SegmentRun]) -> Result<bool, DbError> {
    let sql = "SELECT count(*) FROM segment WHERE pg = $1 AND seq >= $2 AND seq < $3 AND refs = 0 AND bucket = $4";
    for run in runs {
        let end = run.seq.saturating_add(u64::from(run.count));
        let range = [run.pg.0.into(), run.seq.into(), end.into(), bucket.into()];
        let count = q.query_opt(sql, &range, |row| row.get::<i64>(0))?.unwrap_or(0);
        if count != i64::from(run.count) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One more version names the segments of a run, which all are of buckets of `owner`: how many there are, and the sealed bytes of
/// those that nobody named before, which count for their bucket from now on.
pub fn name_segments(tx: &mut Tx<'_>, owner: &MemberId, run: &SegmentRun) -> Result<(u32, u64), StoreError> {
    let end = run.seq.saturating_add(u64::from(run.count));
    let range = [run.pg.0.into(), run.seq.into(), end.into(), owner.into()];
    let own =
        "pg = $1 AND seq >= $2 AND seq < $3 AND refs >= 0 AND bucket IN (SELECT number FROM bucket WHERE owner = $4)";
    let fresh = format!(
        "SELECT bucket, CAST(sum(sealed_bytes) AS BIGINT) FROM segment WHERE {own} AND refs = 0 GROUP BY bucket"
    );
    let fresh = tx.query(&fresh, &range, |row| Ok((row.get::<u32>(0)?, row.get::<u64>(1)?)))?;
    tx.execute(&format!("UPDATE segment SET refs = refs + 1 WHERE {own}"), &range)?;
    for (bucket, bytes) in &fresh {
        bucket::take_more(tx, *bucket, *bytes)?;
    }
    let sql = format!("SELECT count(*) FROM segment WHERE {own}");
    let found = tx.query_opt(&sql, &range, |row| row.get::<i64>(0))?.unwrap_or(0);
    Ok((u32::try_from(found).unwrap_or(u32::MAX), fresh.iter().map(|(_, bytes)| bytes).sum()))
}
