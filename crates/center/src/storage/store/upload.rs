//! Rows of objects that come in parts. An upload that has ended, completed or given up, is there no more for whoever asks;
//! what is left of its parts is let go by the chore, in portions.

use super::bucket::{run_bytes, runs_from};
use super::log;
use crate::db::{DbError, Reader, StoreError, Tx, Value};
use model::{Stamp, errors};
use wire::limits::UPLOADS_MAX;
use wire::storage::{PartLine, SegmentRun, UploadLine};

/// Its last change, of an upload that has ended: before every other.
const ENDED: Stamp = Stamp(0);

/// What a part holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// Its number.
    pub number: u16,
    /// Its sealed manifest.
    pub note: Vec<u8>,
    /// Its segments.
    pub segments: Vec<SegmentRun>,
    /// How many those are.
    pub segments_count: u32,
    /// Their sealed bytes.
    pub sealed_bytes: u64,
}

/// Begins an upload. The same again changes nothing; refuses one too many (E0311), and an id that is another's (E0305).
pub fn begin(
    tx: &mut Tx<'_>,
    bucket: u32,
    upload: &[u8; 16],
    name_sealed: &[u8],
    note: &[u8],
    now: Stamp,
) -> Result<(), StoreError> {
    let key: [Value<'_>; 2] = [bucket.into(), upload[..].into()];
    let sql = "SELECT name_sealed FROM upload WHERE bucket = $1 AND id = $2";
    if let Some(there) = tx.query_opt(sql, &key, |row| row.get::<Vec<u8>>(0))? {
        return match there == name_sealed {
            true => Ok(()),
            false => Err(StoreError::refused(errors::PRECONDITION, "an upload of this id is there")),
        };
    }
    let sql = "SELECT count(*) FROM upload WHERE bucket = $1 AND changed_at > 0";
    let count = tx.query_opt(sql, &[bucket.into()], |row| row.get::<i64>(0))?.unwrap_or(0);
    if count >= UPLOADS_MAX as i64 {
        return Err(StoreError::refused(errors::BUCKET_LIMIT, format!("{count} open uploads")));
    }
    let sql =
        "INSERT INTO upload (bucket, id, name_sealed, note, began_at, changed_at) VALUES ($1, $2, $3, $4, $5, $5)";
    let values = [bucket.into(), upload[..].into(), name_sealed.into(), note.into(), now.into()];
    tx.execute(sql, &values)?;
    Ok(())
}

/// An open upload.
///
/// # Errors
/// E0318.
pub fn find(q: &mut Reader<'_>, bucket: u32, upload: &[u8; 16]) -> Result<UploadLine, StoreError> {
    let sql = "SELECT id, name_sealed, note, began_at, changed_at FROM upload \
        WHERE bucket = $1 AND id = $2 AND changed_at > 0";
    let found = q.query_opt(sql, &[bucket.into(), upload[..].into()], read)?;
    found.ok_or_else(|| StoreError::refused(errors::UPLOAD_UNKNOWN, "no such upload is open"))
}

/// Open uploads of a bucket after an id, at most `limit`.
pub fn open(q: &mut Reader<'_>, bucket: u32, after: &[u8; 16], limit: u32) -> Result<Vec<UploadLine>, DbError> {
    let sql = "SELECT id, name_sealed, note, began_at, changed_at FROM upload \
        WHERE bucket = $1 AND id > $2 AND changed_at > 0 ORDER BY id LIMIT $3";
    q.query(sql, &[bucket.into(), after[..].into(), limit.into()], read)
}

fn read(row: &crate::db::Row<'_>) -> Result<UploadLine, DbError> {
    Ok(UploadLine {
        upload: row.get(0)?,
        name_sealed: row.get(1)?,
        note: row.get(2)?,
        at: row.get(3)?,
        changed: row.get(4)?,
    })
}

/// Keeps a part in the place of an earlier one of its number, whose segments are let go of; the bytes that one had.
pub fn put_part(
    tx: &mut Tx<'_>,
    bucket: u32,
    upload: &[u8; 16],
    part: &PartRow,
    now: Stamp,
) -> Result<u64, StoreError> {
    let key: [Value<'_>; 3] = [bucket.into(), upload[..].into(), part.number.into()];
    let sql = "SELECT segments, sealed_bytes FROM upload_part WHERE bucket = $1 AND upload = $2 AND number = $3";
    let before = tx.query_opt(sql, &key, |row| Ok((runs_from(&row.get::<Vec<u8>>(0)?), row.get::<u64>(1)?)))?;
    let (runs, bytes) = before.unwrap_or_default();
    runs.iter().try_for_each(|run| log::release(tx, run))?;
    tx.execute("DELETE FROM upload_part WHERE bucket = $1 AND upload = $2 AND number = $3", &key)?;
    let segments = run_bytes(&part.segments);
    let values: [Value<'_>; 8] = [
        bucket.into(),
        upload[..].into(),
        part.number.into(),
        (&part.note).into(),
        (&segments).into(),
        part.segments_count.into(),
        part.sealed_bytes.into(),
        now.into(),
    ];
    let sql = "INSERT INTO upload_part (bucket, upload, number, note, segments, segments_count, sealed_bytes, made_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    tx.execute(sql, &values)?;
    let sql = "UPDATE upload SET changed_at = $3 WHERE bucket = $1 AND id = $2";
    tx.execute(sql, &[bucket.into(), upload[..].into(), now.into()])?;
    Ok(bytes)
}

/// Parts of an upload after a number, at most `limit`.
pub fn part_lines(
    q: &mut Reader<'_>,
    bucket: u32,
    upload: &[u8; 16],
    after: u16,
    limit: u32,
) -> Result<Vec<PartLine>, DbError> {
    let sql = "SELECT number, note, made_at FROM upload_part \
        WHERE bucket = $1 AND upload = $2 AND number > $3 ORDER BY number LIMIT $4";
    q.query(sql, &[bucket.into(), upload[..].into(), after.into(), limit.into()], |row| {
        Ok(PartLine { number: row.get(0)?, note: row.get(1)?, at: row.get(2)? })
    })
}

/// The first parts of an upload, at most `limit`, without their notes.
pub fn parts(q: &mut Reader<'_>, bucket: u32, upload: &[u8; 16], limit: u32) -> Result<Vec<PartRow>, DbError> {
    let sql = "SELECT number, segments, segments_count, sealed_bytes FROM upload_part \
        WHERE bucket = $1 AND upload = $2 ORDER BY number LIMIT $3";
    q.query(sql, &[bucket.into(), upload[..].into(), limit.into()], |row| {
        Ok(PartRow {
            number: row.get(0)?,
            note: Vec::new(),
            segments: runs_from(&row.get::<Vec<u8>>(1)?),
            segments_count: row.get(2)?,
            sealed_bytes: row.get(3)?,
        })
    })
}

/// A part's row goes; its segments stay named. BLAKE3 of its note, where it was there.
pub fn take_part(tx: &mut Tx<'_>, bucket: u32, upload: &[u8; 16], number: u16) -> Result<Option<[u8; 32]>, DbError> {
    let sql = "DELETE FROM upload_part WHERE bucket = $1 AND upload = $2 AND number = $3 RETURNING note";
    let note = tx.query(sql, &[bucket.into(), upload[..].into(), number.into()], |row| row.get::<Vec<u8>>(0))?;
    Ok(note.first().map(|note| blake3::hash(note).into()))
}

/// An upload is open no more; its parts go later. False where it was not.
pub fn end(tx: &mut Tx<'_>, bucket: u32, upload: &[u8; 16]) -> Result<bool, DbError> {
    let sql = "UPDATE upload SET changed_at = $3 WHERE bucket = $1 AND id = $2 AND changed_at > 0";
    Ok(tx.execute(sql, &[bucket.into(), upload[..].into(), ENDED.into()])? > 0)
}

/// All uploads of a bucket are open no more.
pub fn end_all(tx: &mut Tx<'_>, bucket: u32) -> Result<(), DbError> {
    let sql = "UPDATE upload SET changed_at = $2 WHERE bucket = $1";
    tx.execute(sql, &[bucket.into(), ENDED.into()]).map(drop)
}

/// Lets go of up to `limit` parts of uploads that have ended, or that nothing was done to since `before`: how many.
pub fn let_go(tx: &mut Tx<'_>, before: Stamp, limit: u32) -> Result<u64, DbError> {
    let sql = "SELECT bucket, id FROM upload WHERE changed_at <= $1 ORDER BY changed_at LIMIT $2";
    let due = tx.query(sql, &[before.into(), limit.into()], |row| Ok((row.get::<u32>(0)?, row.get::<[u8; 16]>(1)?)))?;
    let mut gone = 0;
    for (bucket, upload) in due {
        // Held like any change of the bucket, so that its bytes are counted once.
        tx.execute("UPDATE bucket SET head_seq = head_seq WHERE number = $1", &[bucket.into()])?;
        end(tx, bucket, &upload)?;
        let left = limit.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX));
        let some = parts(tx, bucket, &upload, left)?;
        for part in &some {
            part.segments.iter().try_for_each(|run| log::release(tx, run))?;
            take_part(tx, bucket, &upload, part.number)?;
        }
        gone += some.len() as u64;
        if some.len() == left as usize {
            return Ok(gone);
        }
        tx.execute("DELETE FROM upload WHERE bucket = $1 AND id = $2", &[bucket.into(), upload[..].into()])?;
    }
    Ok(gone)
}
