//! Rows of storage: placement groups with their slots, segments, objects by sealed name. Thin in this version: a group is
//! a circle of everybody; a segment's pieces are a bitmap over its slots.

use crate::db::{DbError, Reader, Row, StoreError, Tx, Value};
use model::{Alias, BucketId, PgId, Scheme, SegmentId, Stamp};

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

/// An object's newest change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    /// Place in the bucket's order.
    pub bucket_seq: u64,
    /// Sealed name.
    pub name_sealed: Vec<u8>,
    /// Sealed manifest.
    pub manifest: Vec<u8>,
    /// Segments: group and place, 12 bytes each.
    pub segments: Vec<u8>,
    /// When.
    pub at: Stamp,
}

/// The newest open group, with its slots.
pub fn open_pg(q: &mut Reader<'_>) -> Result<Option<PgRow>, DbError> {
    let sql = "select pg, k, m, o, slots, n_max, accept, generation, next_seq, is_open from pg where is_open = 1 order by pg desc limit 1";
    let found = q.query_opt(sql, &[], read_pg)?;
    found.map(|pg| with_slots(q, pg)).transpose()
}

/// A group, with its slots.
pub fn pg(q: &mut Reader<'_>, pg: PgId) -> Result<Option<PgRow>, DbError> {
    let sql = "select pg, k, m, o, slots, n_max, accept, generation, next_seq, is_open from pg where pg = $1";
    let found = q.query_opt(sql, &[pg.0.into()], read_pg)?;
    found.map(|pg| with_slots(q, pg)).transpose()
}

fn read_pg(row: &Row<'_>) -> Result<PgRow, DbError> {
    let scheme = Scheme {
        k: row.get(1)?,
        m: row.get(2)?,
        o: row.get(3)?,
        slots: row.get(4)?,
        n_max: row.get(5)?,
        accept: row.get(6)?,
    };
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

/// Opens a new group and closes those before it.
pub fn insert_pg(tx: &mut Tx<'_>, scheme: &Scheme, slots: &[Alias]) -> Result<PgRow, StoreError> {
    tx.execute("update counter set value = value + 1 where name = 'pg'", &[])?;
    let number = tx.query_opt("select value from counter where name = 'pg'", &[], |row| row.get::<u32>(0))?;
    let pg = PgId(number.ok_or_else(|| DbError::Column { column: 0, why: "the counter of groups is missing".into() })?);
    tx.execute("update pg set is_open = 0 where is_open = 1", &[])?;
    let s = scheme;
    let numbers: [Value<'_>; 8] =
        [pg.0.into(), s.k.into(), s.m.into(), s.o.into(), s.slots.into(), s.n_max.into(), s.accept.into(), 1u64.into()];
    tx.execute("insert into pg (pg, k, m, o, slots, n_max, accept, generation, next_seq, is_open) values ($1, $2, $3, $4, $5, $6, $7, $8, 1, 1)", &numbers)?;
    for (slot, alias) in (0u16..).zip(slots) {
        tx.execute(
            "insert into pg_slot (pg, slot, alias) values ($1, $2, $3)",
            &[pg.0.into(), slot.into(), alias.0.into()],
        )?;
    }
    Ok(PgRow { pg, scheme: *scheme, generation: 1, next_seq: 1, open: true, slots: slots.to_vec() })
}

/// Appends a segment to its group's log; one that is there already is answered with its own place.
pub fn insert_segment(
    tx: &mut Tx<'_>,
    pg: PgId,
    id: &SegmentId,
    sealed_bytes: u64,
    have: &[u8],
) -> Result<u64, StoreError> {
    let known = tx.query_opt(
        "select seq from segment where pg = $1 and id = $2",
        &[pg.0.into(), id.as_bytes()[..].into()],
        |row| row.get::<u64>(0),
    )?;
    if let Some(seq) = known {
        return Ok(seq);
    }
    tx.execute("update pg set next_seq = next_seq + 1 where pg = $1", &[pg.0.into()])?;
    let next = tx.query_opt("select next_seq from pg where pg = $1", &[pg.0.into()], |row| row.get::<u64>(0))?;
    let seq = next.ok_or_else(|| StoreError::refused(model::errors::LEASE_STALE, pg.to_string()))? - 1;
    let values: [Value<'_>; 5] = [pg.0.into(), seq.into(), id.as_bytes()[..].into(), sealed_bytes.into(), have.into()];
    tx.execute("insert into segment (pg, seq, id, sealed_bytes, have) values ($1, $2, $3, $4, $5)", &values)?;
    Ok(seq)
}

/// A segment by its place.
pub fn segment(q: &mut Reader<'_>, pg: PgId, seq: u64) -> Result<Option<SegmentRow>, DbError> {
    q.query_opt(
        "select pg, seq, id, sealed_bytes, have from segment where pg = $1 and seq = $2",
        &[pg.0.into(), seq.into()],
        |row| {
            Ok(SegmentRow {
                pg: PgId(row.get(0)?),
                seq: row.get(1)?,
                id: SegmentId(row.get(2)?),
                sealed_bytes: row.get(3)?,
                have: row.get(4)?,
            })
        },
    )
}

/// The answer a commit id was given, if it was.
pub fn commit_answer(q: &mut Reader<'_>, commit: &[u8; 16]) -> Result<Option<(u64, Stamp)>, DbError> {
    q.query_opt("select bucket_seq, at from commit_done where id = $1", &[commit[..].into()], |row| {
        Ok((row.get(0)?, Stamp(row.get(1)?)))
    })
}

/// Appends a change to a bucket and remembers the commit; its place in the bucket's order.
pub fn insert_object(
    tx: &mut Tx<'_>,
    commit: &[u8; 16],
    bucket: &BucketId,
    object: &ObjectRow,
) -> Result<u64, StoreError> {
    let last =
        tx.query_opt("select max(bucket_seq) from object where bucket = $1", &[bucket.as_bytes()[..].into()], |row| {
            row.get::<Option<u64>>(0)
        })?;
    let seq = last.flatten().unwrap_or(0) + 1;
    let values: [Value<'_>; 6] = [
        bucket.as_bytes()[..].into(),
        seq.into(),
        (&object.name_sealed).into(),
        (&object.manifest).into(),
        (&object.segments).into(),
        object.at.as_ms().into(),
    ];
    tx.execute(
        "insert into object (bucket, bucket_seq, name_sealed, manifest, segments, at) values ($1, $2, $3, $4, $5, $6)",
        &values,
    )?;
    tx.execute(
        "insert into commit_done (id, bucket_seq, at) values ($1, $2, $3)",
        &[commit[..].into(), seq.into(), object.at.as_ms().into()],
    )?;
    Ok(seq)
}

/// The newest change of a name.
pub fn object(q: &mut Reader<'_>, bucket: &BucketId, name_sealed: &[u8]) -> Result<Option<ObjectRow>, DbError> {
    let sql = "select bucket_seq, name_sealed, manifest, segments, at from object where bucket = $1 and name_sealed = $2 order by bucket_seq desc limit 1";
    q.query_opt(sql, &[bucket.as_bytes()[..].into(), name_sealed.into()], read_object)
}

/// Changes of a bucket after a place, oldest first.
pub fn objects(q: &mut Reader<'_>, bucket: &BucketId, after: u64, limit: u32) -> Result<Vec<ObjectRow>, DbError> {
    let sql = "select bucket_seq, name_sealed, manifest, segments, at from object where bucket = $1 and bucket_seq > $2 order by bucket_seq limit $3";
    q.query(sql, &[bucket.as_bytes()[..].into(), after.into(), limit.into()], read_object)
}

fn read_object(row: &Row<'_>) -> Result<ObjectRow, DbError> {
    Ok(ObjectRow {
        bucket_seq: row.get(0)?,
        name_sealed: row.get(1)?,
        manifest: row.get(2)?,
        segments: row.get(3)?,
        at: Stamp(row.get(4)?),
    })
}
