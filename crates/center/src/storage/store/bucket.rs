//! Rows of buckets and of versions of names, in one order per bucket.

use crate::db::{DbError, Reader, Row, StoreError, Tx, Value};
use model::{BucketId, Bytes, Class, MemberId, Region, Stamp, errors};
use wire::signed::{CommitOp, CommitRecord, Head};
use wire::storage::{BucketMake, Expect, SegmentRun};

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRow {
    /// Number, given once.
    pub number: u32,
    /// Its id.
    pub id: BucketId,
    /// Whose.
    pub owner: MemberId,
    /// Tells a right content key from a wrong one.
    pub key_check: [u8; 16],
    /// Tells a right name key from a wrong one.
    pub name_check: [u8; 16],
    /// Its sealed name.
    pub label: Vec<u8>,
    /// When it was made.
    pub made_at: Stamp,
    /// Where its chain of commits stands.
    pub head: Head,
    /// Names that are there.
    pub objects: u64,
    /// Sealed bytes of all versions.
    pub sealed_bytes: u64,
    /// How much its pieces must outlive.
    pub class: Class,
    /// Regions its pieces may stand in, in order, with commas; empty: anywhere.
    pub regions: String,
    /// In at least so many countries.
    pub regions_min: u16,
    /// Most sealed bytes of all versions together; 0: no limit.
    pub quota: u64,
}

/// What a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An object.
    Object = 1,
    /// A marker: the name is gone.
    Marker = 2,
    /// It was an object; its retention is over and it names nothing. Only its record counts, in the chain.
    Gone = 3,
    /// A version of the name went out of its history.
    Drop = 4,
}

/// A version of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Place in the bucket's order.
    pub bucket_seq: u64,
    /// Sealed name.
    pub name_sealed: Vec<u8>,
    /// The version.
    pub version: [u8; 16],
    /// Object or marker.
    pub kind: Kind,
    /// The writer's signed record.
    pub record: Vec<u8>,
    /// Sealed manifest; empty for a marker.
    pub manifest: Vec<u8>,
    /// Its segments.
    pub segments: Vec<SegmentRun>,
    /// How many those are.
    pub segments_count: u32,
    /// Bytes of its manifest: segments count for the bucket by themselves, once each.
    pub sealed_bytes: u64,
    /// When it was committed.
    pub made_at: Stamp,
}

impl VersionRow {
    /// It belongs to a log of the bucket's own changes, which is no object of its owner's.
    pub fn is_log(&self) -> bool {
        CommitRecord::op_of(&self.record) == Some(CommitOp::Log)
    }
}

impl BucketRow {
    /// Refuses with E0311 where so many bytes more would pass its quota; what is removed always may.
    pub fn check_quota(&self, more: u64) -> Result<(), StoreError> {
        if self.quota == 0 || self.sealed_bytes.saturating_add(more) <= self.quota {
            return Ok(());
        }
        let (used, quota) = (Bytes(self.sealed_bytes), Bytes(self.quota));
        Err(StoreError::refused(errors::BUCKET_LIMIT, format!("{quota} ({used} used, {} more asked)", Bytes(more))))
    }

    /// It was made by this owner, under these keys and rules.
    fn is_made_as(&self, owner: &MemberId, make: &BucketMake) -> bool {
        let checks = self.key_check == make.check && self.name_check == make.name_check;
        let rules = (self.class, self.regions_min) == (make.class, make.regions_min);
        self.owner == *owner && checks && rules && self.regions == regions_text(&make.regions)
    }

    /// The row after a version was appended to it, as [`append`] wrote it.
    pub fn follow(&mut self, head: Head, version: &VersionRow, was_there: bool) {
        self.objects = objects_after(self.objects, version, was_there);
        self.sealed_bytes += version.sealed_bytes;
        self.head = head;
    }
}

/// Names that are there after a change.
fn objects_after(before: u64, version: &VersionRow, was_there: bool) -> u64 {
    if version.is_log() {
        return before;
    }
    let with = before + u64::from(version.kind == Kind::Object);
    with - u64::from(was_there).min(with)
}

const RUN_LEN: usize = 16;
const BUCKET: &str = "number, id, owner, key_check, name_check, label, made_at, head_seq, head_hash, objects, sealed_bytes, class, regions, \
     regions_min, quota";
const VERSION: &str =
    "bucket_seq, name_sealed, version, kind, record, manifest, segments, segments_count, sealed_bytes, made_at";

/// Runs of segments as a row keeps them: group u32, place u64, count u32, little-endian.
pub(super) fn run_bytes(runs: &[SegmentRun]) -> Vec<u8> {
    let mut out = Vec::with_capacity(runs.len() * RUN_LEN);
    for run in runs {
        out.extend_from_slice(&run.pg.0.to_le_bytes());
        out.extend_from_slice(&run.seq.to_le_bytes());
        out.extend_from_slice(&run.count.to_le_bytes());
    }
    out
}

pub(super) fn runs_from(bytes: &[u8]) -> Vec<SegmentRun> {
    let one = |c: &[u8]| SegmentRun {
        pg: model::PgId(u32::from_le_bytes(c[..4].try_into().expect("chunks of 16"))),
        seq: u64::from_le_bytes(c[4..12].try_into().expect("chunks of 16")),
        count: u32::from_le_bytes(c[12..].try_into().expect("chunks of 16")),
    };
    bytes.chunks_exact(RUN_LEN).map(one).collect()
}

/// What a name is looked up by: the first 16 bytes of its sealed form's hash.
fn name_hash(name_sealed: &[u8]) -> Vec<u8> {
    blake3::hash(name_sealed).as_bytes()[..16].to_vec()
}

/// What dropped versions of a name, and the changes that dropped them, are looked up by: they are none of the name's any more.
fn dropped_hash(name_sealed: &[u8]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"dropped").update(name_sealed);
    hasher.finalize().as_bytes()[..16].to_vec()
}

/// Makes a bucket; one that its owner removed and makes the same way again goes on with its chain of changes. Refuses one that
/// is there (E0302) and one too many of an owner's (E0311).
pub fn insert(tx: &mut Tx<'_>, owner: &MemberId, make: &BucketMake, now: Stamp) -> Result<u32, StoreError> {
    let sql = format!(
        "SELECT {BUCKET}, CAST(CASE WHEN removed_at IS NULL THEN 0 ELSE 1 END AS BIGINT) FROM bucket WHERE id = $1"
    );
    let there = tx.query_opt(&sql, &[id(&make.id)], |row| Ok((read(row)?, row.get::<bool>(15)?)))?;
    if let Some((row, _)) = there.as_ref().filter(|(row, is_removed)| !is_removed || !row.is_made_as(owner, make)) {
        return Err(StoreError::refused(
            errors::BUCKET_EXISTS,
            format!("a bucket of this id was made at {}", row.made_at),
        ));
    }
    let sql = "SELECT count(*) FROM bucket WHERE owner = $1 AND removed_at IS NULL";
    let count = tx.query_opt(sql, &[owner.into()], |row| row.get::<i64>(0))?.unwrap_or(0);
    if count >= wire::limits::BUCKETS_MAX as i64 {
        return Err(StoreError::refused(errors::BUCKET_LIMIT, format!("{count} buckets")));
    }
    if let Some((row, _)) = there {
        take_back_logs(tx, &row)?;
        let sql = "UPDATE bucket SET removed_at = NULL, made_at = $2, label = $3, quota = 0 WHERE number = $1";
        tx.execute(sql, &[row.number.into(), now.into(), (&make.label).into()])?;
        return Ok(row.number);
    }
    let sql = "UPDATE counter SET value = value + 1 WHERE name = 'bucket' RETURNING value";
    let number = tx.change_returning(sql, &[], |row| row.get::<u32>(0))?;
    let number =
        number.ok_or_else(|| DbError::Column { column: 0, why: "the counter of buckets is missing".into() })?;
    let hash = Head::default().hash;
    let regions = regions_text(&make.regions);
    let values: [Value<'_>; 11] = [
        number.into(),
        id(&make.id),
        owner.into(),
        make.check[..].into(),
        make.name_check[..].into(),
        (&make.label).into(),
        now.into(),
        hash[..].into(),
        make.class.code().into(),
        (&regions).into(),
        make.regions_min.into(),
    ];
    let sql = "INSERT INTO bucket (number, id, owner, key_check, name_check, label, made_at, head_seq, head_hash, objects, \
        sealed_bytes, class, regions, regions_min) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, 0, 0, $9, $10, $11)";
    tx.execute(sql, &values)?;
    Ok(number)
}

/// Logs of a removed bucket that is made again are kept like before: every machine of the account counts on them. Refuses E0302
/// once the retention of one is over.
fn take_back_logs(tx: &mut Tx<'_>, bucket: &BucketRow) -> Result<(), StoreError> {
    let newest = "SELECT max(bucket_seq) FROM version WHERE bucket = $1 GROUP BY name_hash";
    let sql = format!("SELECT record FROM version WHERE bucket = $1 AND kind = 3 AND bucket_seq IN ({newest})");
    let gone = tx.query(&sql, &[bucket.number.into()], |row| row.get::<Vec<u8>>(0))?;
    // A name's newest may be gone, too, where later ones were dropped.
    if gone.iter().any(|record| CommitRecord::op_of(record) == Some(CommitOp::Log)) {
        return Err(StoreError::refused(errors::BUCKET_EXISTS, "it was removed, and its logs are gone since"));
    }
    let sql = format!("DELETE FROM version_old WHERE bucket = $1 AND bucket_seq IN ({newest})");
    Ok(tx.execute(&sql, &[bucket.number.into()]).map(drop)?)
}

fn id(bucket: &BucketId) -> Value<'_> {
    bucket.as_bytes()[..].into()
}

/// A bucket that is there.
pub fn find(q: &mut Reader<'_>, bucket: &BucketId) -> Result<Option<BucketRow>, DbError> {
    q.query_opt(&format!("SELECT {BUCKET} FROM bucket WHERE id = $1 AND removed_at IS NULL"), &[id(bucket)], read)
}

/// A bucket that is there, held until the transaction ends: changes of one bucket come one after another, whichever center
/// process takes them.
pub fn hold(tx: &mut Tx<'_>, bucket: &BucketId) -> Result<Option<BucketRow>, DbError> {
    let sql = format!("UPDATE bucket SET head_seq = head_seq WHERE id = $1 AND removed_at IS NULL RETURNING {BUCKET}");
    tx.change_returning(&sql, &[id(bucket)], read)
}

/// Sets what a bucket may hold at most; 0: no limit.
pub fn set_quota(tx: &mut Tx<'_>, bucket: &BucketRow, quota: u64) -> Result<(), DbError> {
    tx.execute("UPDATE bucket SET quota = $2 WHERE number = $1", &[bucket.number.into(), quota.into()]).map(drop)
}

/// A member's buckets, in the order they were made.
pub fn of_owner(q: &mut Reader<'_>, owner: &MemberId) -> Result<Vec<BucketRow>, DbError> {
    let sql = format!("SELECT {BUCKET} FROM bucket WHERE owner = $1 AND removed_at IS NULL ORDER BY number LIMIT $2");
    q.query(&sql, &[owner.into(), (wire::limits::BUCKETS_MAX as i64).into()], read)
}

/// Sealed bytes a member keeps, all its buckets together.
pub fn bytes_of(q: &mut Reader<'_>, owner: &MemberId) -> Result<u64, DbError> {
    let sql =
        "SELECT CAST(coalesce(sum(sealed_bytes), 0) AS BIGINT) FROM bucket WHERE owner = $1 AND removed_at IS NULL";
    Ok(q.query_opt(sql, &[owner.into()], |row| row.get(0))?.unwrap_or(0))
}

/// Removes a bucket without names; its logs go with it. Refuses E0303.
pub fn remove(tx: &mut Tx<'_>, bucket: &BucketRow, now: Stamp) -> Result<(), StoreError> {
    if bucket.objects > 0 {
        return Err(StoreError::refused(errors::BUCKET_NOT_EMPTY, format!("{} names", bucket.objects)));
    }
    super::upload::end_all(tx, bucket.number)?;
    // Without names, what is an object and was not superseded is a log.
    let sql = "INSERT INTO version_old (since, bucket, bucket_seq) SELECT CAST($2 AS BIGINT), v.bucket, v.bucket_seq FROM version v \
        WHERE v.bucket = $1 AND v.kind = 1 AND NOT EXISTS \
        (SELECT 1 FROM version_old o WHERE o.bucket = v.bucket AND o.bucket_seq = v.bucket_seq)";
    tx.execute(sql, &[bucket.number.into(), now.into()])?;
    Ok(tx
        .execute("UPDATE bucket SET removed_at = $2 WHERE number = $1", &[bucket.number.into(), now.into()])
        .map(drop)?)
}

fn read(row: &Row<'_>) -> Result<BucketRow, DbError> {
    Ok(BucketRow {
        number: row.get(0)?,
        id: BucketId(row.get(1)?),
        owner: row.get(2)?,
        key_check: row.get(3)?,
        name_check: row.get(4)?,
        label: row.get(5)?,
        made_at: row.get(6)?,
        head: Head { seq: row.get(7)?, hash: row.get(8)? },
        objects: row.get(9)?,
        sealed_bytes: row.get(10)?,
        class: Class::from_code(row.get(11)?).unwrap_or_default(),
        regions: row.get(12)?,
        regions_min: row.get(13)?,
        quota: row.get(14)?,
    })
}

/// Regions as a row keeps them.
pub fn regions_text(regions: &[Region]) -> String {
    let sorted: std::collections::BTreeSet<&str> = regions.iter().map(Region::as_str).collect();
    sorted.into_iter().collect::<Vec<_>>().join(",")
}

fn read_version(row: &Row<'_>) -> Result<VersionRow, DbError> {
    let kind: i64 = row.get(3)?;
    Ok(VersionRow {
        bucket_seq: row.get(0)?,
        name_sealed: row.get(1)?,
        version: row.get(2)?,
        kind: match kind {
            2 => Kind::Marker,
            3 => Kind::Gone,
            4 => Kind::Drop,
            _ => Kind::Object,
        },
        record: row.get(4)?,
        manifest: row.get(5)?,
        segments: runs_from(&row.get::<Vec<u8>>(6)?),
        segments_count: row.get(7)?,
        sealed_bytes: row.get(8)?,
        made_at: row.get(9)?,
    })
}

/// The newest version of a name, a marker included.
///
/// The place is found in the index of names alone: asked in one step, SQLite walks the whole bucket backwards by its primary
/// key, which finds an old name last.
pub fn newest(q: &mut Reader<'_>, bucket: u32, name_sealed: &[u8]) -> Result<Option<VersionRow>, DbError> {
    let sql = format!(
        "SELECT {VERSION} FROM version WHERE bucket = $1 AND name_sealed = $3 AND bucket_seq = \
         (SELECT max(bucket_seq) FROM version WHERE bucket = $1 AND name_hash = $2)"
    );
    let hash = name_hash(name_sealed);
    q.query_opt(&sql, &[bucket.into(), (&hash).into(), name_sealed.into()], read_version)
}

/// One version of a name.
pub fn version(
    q: &mut Reader<'_>,
    bucket: u32,
    name_sealed: &[u8],
    version: &[u8; 16],
) -> Result<Option<VersionRow>, DbError> {
    version_by(q, bucket, (name_sealed, &name_hash(name_sealed)), version)
}

/// One that went out of its name's history.
pub fn dropped(
    q: &mut Reader<'_>,
    bucket: u32,
    name_sealed: &[u8],
    version: &[u8; 16],
) -> Result<Option<VersionRow>, DbError> {
    version_by(q, bucket, (name_sealed, &dropped_hash(name_sealed)), version)
}

fn version_by(
    q: &mut Reader<'_>,
    bucket: u32,
    (name_sealed, hash): (&[u8], &Vec<u8>),
    version: &[u8; 16],
) -> Result<Option<VersionRow>, DbError> {
    let sql = format!(
        "SELECT {VERSION} FROM version WHERE bucket = $1 AND name_sealed = $3 AND version = $4 AND kind < 4 AND bucket_seq IN \
         (SELECT bucket_seq FROM version WHERE bucket = $1 AND name_hash = $2) ORDER BY bucket_seq DESC LIMIT 1"
    );
    q.query_opt(&sql, &[bucket.into(), hash.into(), name_sealed.into(), version[..].into()], read_version)
}

/// Changes of a bucket after a place, or of one name in it, oldest first.
pub fn changes(
    q: &mut Reader<'_>,
    bucket: u32,
    name_sealed: Option<&[u8]>,
    prefix: &[u8],
    after: u64,
    limit: u32,
) -> Result<Vec<VersionRow>, DbError> {
    let Some(name) = name_sealed else {
        if !prefix.is_empty() {
            let sql = format!(
                "SELECT {VERSION} FROM version WHERE bucket = $1 AND bucket_seq > $2 AND substr(name_sealed, 1, $4) = $5 \
                 ORDER BY bucket_seq LIMIT $3"
            );
            let len = u32::try_from(prefix.len()).unwrap_or(u32::MAX);
            let values = [bucket.into(), after.into(), limit.into(), len.into(), prefix.into()];
            return q.query(&sql, &values, read_version);
        }
        let sql =
            format!("SELECT {VERSION} FROM version WHERE bucket = $1 AND bucket_seq > $2 ORDER BY bucket_seq LIMIT $3");
        return q.query(&sql, &[bucket.into(), after.into(), limit.into()], read_version);
    };
    let sql = format!(
        "SELECT {VERSION} FROM version WHERE bucket = $1 AND bucket_seq > $2 AND name_hash IN ($4, $6) AND name_sealed = $5 \
         ORDER BY bucket_seq LIMIT $3"
    );
    let (hash, dropped) = (name_hash(name), dropped_hash(name));
    let values = [bucket.into(), after.into(), limit.into(), (&hash).into(), name.into(), (&dropped).into()];
    q.query(&sql, &values, read_version)
}

/// Holds what a commit expects against the newest version of its name. Refuses E0305.
pub fn check_expected(newest: Option<&VersionRow>, expect: &Expect) -> Result<(), StoreError> {
    let there = newest.filter(|v| v.kind == Kind::Object);
    let holds = match expect {
        Expect::Any => true,
        Expect::Absent => there.is_none(),
        Expect::Version(version) => there.is_some_and(|v| v.version == *version),
    };
    if holds { Ok(()) } else { Err(StoreError::refused(errors::PRECONDITION, "another version is there")) }
}

/// Appends a version to a bucket's order and moves its head; the head after it. `was_there` says whether the name was there
/// before.
pub fn append(
    tx: &mut Tx<'_>,
    bucket: &BucketRow,
    version: &VersionRow,
    was_there: bool,
    record: &[u8; wire::signed::CommitRecord::LEN],
) -> Result<Head, StoreError> {
    let hash = name_hash(&version.name_sealed);
    if was_there {
        supersede(tx, bucket.number, &hash, version.made_at)?;
    }
    let objects = objects_after(bucket.objects, version, was_there);
    append_as(tx, bucket, version, (&hash, objects), record)
}

/// Takes a version out of its name's history; the bucket's head after it, and the names that are there. Its retention begins, where
/// it was the newest, and that of the one which is the newest now is over.
pub fn drop_version(
    tx: &mut Tx<'_>,
    bucket: &BucketRow,
    change: &VersionRow,
    target: &VersionRow,
    record: &[u8; wire::signed::CommitRecord::LEN],
) -> Result<(Head, u64), StoreError> {
    let (name, at) = (&change.name_sealed, change.made_at);
    let (hash, dropped) = (name_hash(name), dropped_hash(name));
    let before = newest(tx, bucket.number, name)?;
    let was_newest = before.as_ref().is_some_and(|newest| newest.bucket_seq == target.bucket_seq);
    if was_newest && target.kind == Kind::Object {
        supersede(tx, bucket.number, &hash, at)?;
    }
    let sql = "UPDATE version SET name_hash = $3 WHERE bucket = $1 AND bucket_seq = $2";
    tx.execute(sql, &[bucket.number.into(), target.bucket_seq.into(), (&dropped).into()])?;
    let now = newest(tx, bucket.number, name)?;
    if let Some(now) = now.as_ref().filter(|_| was_newest) {
        let sql = "DELETE FROM version_old WHERE bucket = $1 AND bucket_seq = $2";
        tx.execute(sql, &[bucket.number.into(), now.bucket_seq.into()])?;
    }
    let is_there = |version: &Option<VersionRow>| u64::from(version.as_ref().is_some_and(|v| v.kind == Kind::Object));
    let objects = (bucket.objects + is_there(&now)).saturating_sub(is_there(&before));
    Ok((append_as(tx, bucket, change, (&dropped, objects), record)?, objects))
}

/// A change at the end of a bucket's order, looked up by `hash`; so many names are there after it.
fn append_as(
    tx: &mut Tx<'_>,
    bucket: &BucketRow,
    version: &VersionRow,
    (hash, objects): (&Vec<u8>, u64),
    record: &[u8; wire::signed::CommitRecord::LEN],
) -> Result<Head, StoreError> {
    let head = bucket.head.after(record);
    let runs = run_bytes(&version.segments);
    let values: [Value<'_>; 12] = [
        bucket.number.into(),
        head.seq.into(),
        hash.into(),
        (&version.name_sealed).into(),
        version.version[..].into(),
        Value::Int(version.kind as i64),
        (&version.record).into(),
        (&version.manifest).into(),
        (&runs).into(),
        version.segments_count.into(),
        version.sealed_bytes.into(),
        version.made_at.into(),
    ];
    let sql = "INSERT INTO version (bucket, bucket_seq, name_hash, name_sealed, version, kind, record, manifest, segments, \
        segments_count, sealed_bytes, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    tx.execute(sql, &values)?;
    let sql = "UPDATE bucket SET head_seq = $2, head_hash = $3, objects = $4, sealed_bytes = sealed_bytes + $5 \
        WHERE number = $1";
    let values =
        [bucket.number.into(), head.seq.into(), head.hash[..].into(), objects.into(), version.sealed_bytes.into()];
    tx.execute(sql, &values)?;
    Ok(head)
}

/// The newest version of a name gives its place away: its retention begins.
fn supersede(tx: &mut Tx<'_>, bucket: u32, name_hash: &[u8], now: Stamp) -> Result<(), DbError> {
    let sql = "INSERT INTO version_old (since, bucket, bucket_seq) SELECT CAST($3 AS BIGINT), CAST($1 AS BIGINT), max(bucket_seq) FROM version \
        WHERE bucket = $1 AND name_hash = $2 HAVING max(bucket_seq) IS NOT NULL";
    tx.execute(sql, &[bucket.into(), name_hash.into(), now.into()]).map(drop)
}

/// A version names nothing any more; what it named.
pub fn let_go(tx: &mut Tx<'_>, bucket: u32, bucket_seq: u64) -> Result<Vec<SegmentRun>, DbError> {
    let at = [bucket.into(), bucket_seq.into()];
    let sql = "SELECT segments, sealed_bytes FROM version WHERE bucket = $1 AND bucket_seq = $2 AND kind = 1";
    let found = tx.query_opt(sql, &at, |row| Ok((runs_from(&row.get::<Vec<u8>>(0)?), row.get::<u64>(1)?)))?;
    let Some((runs, bytes)) = found else { return Ok(Vec::new()) };
    tx.execute("UPDATE version SET kind = 3 WHERE bucket = $1 AND bucket_seq = $2", &at)?;
    give_back(tx, bucket, bytes)?;
    Ok(runs)
}

/// A bucket holds so many sealed bytes less.
pub fn give_back(tx: &mut Tx<'_>, bucket: u32, bytes: u64) -> Result<(), DbError> {
    let sql = "UPDATE bucket SET sealed_bytes = sealed_bytes - $2 WHERE number = $1";
    tx.execute(sql, &[bucket.into(), bytes.into()]).map(drop)
}

/// A bucket holds so many sealed bytes more.
pub fn take_more(tx: &mut Tx<'_>, bucket: u32, bytes: u64) -> Result<(), DbError> {
    let sql = "UPDATE bucket SET sealed_bytes = sealed_bytes + $2 WHERE number = $1";
    tx.execute(sql, &[bucket.into(), bytes.into()]).map(drop)
}

/// The answer a commit id was given, if it was.
pub fn answered(q: &mut Reader<'_>, commit: &[u8; 16]) -> Result<Option<(Head, Stamp)>, DbError> {
    let sql = "SELECT head_seq, head_hash, made_at FROM commit_answer WHERE id = $1";
    q.query_opt(sql, &[commit[..].into()], |row| Ok((Head { seq: row.get(0)?, hash: row.get(1)? }, row.get(2)?)))
}

/// Remembers an answer.
pub fn remember(tx: &mut Tx<'_>, commit: &[u8; 16], head: &Head, at: Stamp) -> Result<(), DbError> {
    let sql = "INSERT INTO commit_answer (id, head_seq, head_hash, made_at) VALUES ($1, $2, $3, $4)";
    tx.execute(sql, &[commit[..].into(), head.seq.into(), head.hash[..].into(), at.into()]).map(drop)
}

/// Forgets answers given before `at`; how many.
pub fn forget_answers_before(tx: &mut Tx<'_>, at: Stamp) -> Result<u64, DbError> {
    tx.execute("DELETE FROM commit_answer WHERE made_at < $1", &[at.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_read_back_and_damage_is_no_panic() {
        let runs = [
            SegmentRun { pg: model::PgId(7), seq: 1 << 40, count: 12 },
            SegmentRun { pg: model::PgId(8), seq: 1, count: 1 },
        ];
        assert_eq!(runs_from(&run_bytes(&runs)), runs);
        assert_eq!(runs_from(&[1, 2, 3]), []);
    }
}
