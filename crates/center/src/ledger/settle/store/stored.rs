//! What metering reads of storage's rows.

use crate::db::{DbError, Reader, int_as};
use model::{Class, MemberId, PgId, Stamp};

/// A segment that versions name.
pub struct Segment {
    /// Its place in its group's log.
    pub seq: u64,
    /// Sealed bytes.
    pub sealed_bytes: u64,
    /// Bit i: slot i holds its piece.
    pub have: Vec<u8>,
    /// Since when it is kept.
    pub kept_at: Stamp,
    /// Whose bucket it is of.
    pub owner: MemberId,
}

/// Groups after one, with their classes, in order.
pub fn groups(q: &mut Reader<'_>, after: PgId, limit: u32) -> Result<Vec<(PgId, Class)>, DbError> {
    let sql = "SELECT pg, class FROM pg WHERE pg > $1 ORDER BY pg LIMIT $2";
    q.query(sql, &[after.0.into(), limit.into()], |row| {
        let class = int_as(row, 1, |n| u8::try_from(n).ok().and_then(Class::from_code))?;
        Ok((PgId(row.get(0)?), class.unwrap_or_default()))
    })
}

/// Segments of a group after a place that versions name, in order.
pub fn segments(q: &mut Reader<'_>, pg: PgId, after: u64, limit: u32) -> Result<Vec<Segment>, DbError> {
    let sql = "SELECT s.seq, s.sealed_bytes, s.have, s.kept_at, b.owner FROM segment s JOIN bucket b \
        ON b.number = s.bucket WHERE s.pg = $1 AND s.seq > $2 AND s.refs > 0 ORDER BY s.seq LIMIT $3";
    q.query(sql, &[pg.0.into(), after.into(), limit.into()], |row| {
        Ok(Segment {
            seq: row.get(0)?,
            sealed_bytes: row.get(1)?,
            have: row.get(2)?,
            kept_at: row.get(3)?,
            owner: MemberId(row.get(4)?),
        })
    })
}
