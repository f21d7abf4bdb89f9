//! Owners tell their buckets' changes again, and before that, what their versions are made of.

use super::{must_be_rebuilt, store};
use crate::access::api::who;
use crate::db::{StoreError, Tx};
use crate::refuse::{Refused, bad_value};
use crate::storage::api::of;
use crate::storage::commit::dropping;
use crate::storage::store::bucket::{self, BucketRow, Kind, VersionRow};
use crate::storage::store::segments;
use crate::{Caller, Center};
use model::{Stamp, errors};
use wire::Reply;
use wire::limits::{COMMIT_RUNS_MAX, MANIFEST_MAX, REPLAY_MAX, SEALED_NAME_MAX, SEGMENT_IDS_MAX};
use wire::rebuild::{Replay, ReplayLine, SegmentIdsAsk, SegmentIdsPage};
use wire::signed::{CommitOp, CommitRecord};

/// Versions read for one page of ids.
const VERSIONS: u32 = 256;

/// Ids of the segments of a bucket's versions, in order: for the bucket's log.
pub async fn segment_ids(center: &Center, caller: &Caller, ask: SegmentIdsAsk) -> Result<Reply, Refused> {
    let owner = who(center, caller).await?.id;
    let page = center.db().read(move |q| {
        let row = of(bucket::find(q, &ask.bucket)?, &owner)?;
        let after = ask.place.saturating_sub(1);
        let versions = bucket::changes(q, row.number, None, &[], after, VERSIONS)?;
        let mut page = SegmentIdsPage { lines: Vec::new(), next: None };
        let mut left = SEGMENT_IDS_MAX;
        for version in &versions {
            let first = if version.bucket_seq == ask.place { ask.first } else { 0 };
            let ids = ids_of(q, version, first, left)?;
            left -= ids.len();
            let told = first as usize + ids.len();
            if !ids.is_empty() {
                page.lines.push((version.bucket_seq, ids));
            }
            if version.kind == Kind::Object && told < version.segments_count as usize {
                page.next = Some((version.bucket_seq, u32::try_from(told).unwrap_or(u32::MAX)));
                return Ok(page);
            }
        }
        if versions.len() == VERSIONS as usize {
            page.next = versions.last().map(|last| (last.bucket_seq + 1, 0));
        }
        Ok(page)
    });
    Ok(Reply::SegmentIds(page.await?))
}

/// Ids of a version's segments from one of them on, at most `limit`.
fn ids_of(
    q: &mut crate::db::Reader<'_>,
    version: &VersionRow,
    first: u32,
    limit: usize,
) -> Result<Vec<model::SegmentId>, StoreError> {
    let (mut skip, mut ids) = (first, Vec::new());
    if version.kind != Kind::Object {
        return Ok(ids);
    }
    for run in &version.segments {
        if skip >= run.count {
            skip -= run.count;
            continue;
        }
        let wanted = u32::try_from(limit - ids.len()).unwrap_or(u32::MAX).min(run.count - skip);
        if wanted == 0 {
            break;
        }
        let rows = segments(q, run.pg, run.seq + u64::from(skip), wanted)?;
        if rows.len() != wanted as usize || rows.last().map(|r| r.seq) != Some(run.seq + u64::from(skip + wanted) - 1) {
            return Err(StoreError::refused(errors::BUG, "a version names segments that are not there"));
        }
        ids.extend(rows.into_iter().map(|row| row.id));
        skip = 0;
    }
    Ok(ids)
}

/// Where segments stand by their ids alone. Who knows an id was told of it by its owner, or holds a piece of it.
pub async fn segments_find(center: &Center, caller: &Caller, ids: Vec<model::SegmentId>) -> Result<Reply, Refused> {
    who(center, caller).await?;
    if ids.len() > SEGMENT_IDS_MAX {
        return Err(bad_value("segments", &ids.len().to_string(), "at most 1,024").into());
    }
    let found = center.db().read(move |q| {
        let one = |id: &model::SegmentId| Ok::<_, StoreError>(store::find_segment(q, id)?);
        ids.iter().map(one).collect::<Result<Vec<_>, _>>()
    });
    Ok(Reply::SegmentsFound(found.await?))
}

/// Changes of a bucket again, from where it stands on; where it stands then.
pub async fn replay(center: &Center, caller: &Caller, ask: Replay) -> Result<Reply, Refused> {
    must_be_rebuilt(center)?;
    let owner = who(center, caller).await?.id;
    if ask.lines.len() > REPLAY_MAX {
        return Err(bad_value("changes", &ask.lines.len().to_string(), "at most 256").into());
    }
    let lines: Vec<Told> = ask.lines.into_iter().map(|line| judge(line, &ask.bucket)).collect::<Result<_, _>>()?;
    let now = center.now();
    let head = center.db().write(move |tx| {
        let mut row = of(bucket::hold(tx, &ask.bucket)?, &owner)?;
        if row.head != ask.before {
            let why = format!("the bucket stands at change {} and not at {}", row.head.seq, ask.before.seq);
            return Err(StoreError::refused(errors::PRECONDITION, why));
        }
        lines.iter().try_for_each(|told| apply(tx, &mut row, told, now))?;
        Ok(row.head)
    });
    Ok(Reply::Replayed(head.await?))
}

/// A change that proved itself.
struct Told {
    line: ReplayLine,
    record: CommitRecord,
    bytes: [u8; CommitRecord::LEN],
    kind: Kind,
}

/// Holds a change against its writer's signed record: an object or a marker whole, or only its record where it is gone.
fn judge(line: ReplayLine, bucket: &model::BucketId) -> Result<Told, Refused> {
    let bad = || Refused(wire::RefusalMsg::new(errors::BAD_SIGNATURE, [("thing", "commit".to_owned())]));
    let record = CommitRecord::check(&line.record).filter(|record| record.bucket == *bucket).ok_or_else(bad)?;
    let bytes = line.record[..].try_into().map_err(|_| bad())?;
    let is_long = line.name_sealed.len() > SEALED_NAME_MAX
        || line.manifest.len() > MANIFEST_MAX
        || line.segments.len() + line.lost.len() > COMMIT_RUNS_MAX;
    let has_segments = !line.segments.is_empty() || !line.lost.is_empty();
    let covers = record.covers(&line.name_sealed, &line.manifest);
    let kind = match (line.manifest.is_empty(), covers) {
        (false, true) => Kind::Object,
        (true, true) if record.op == CommitOp::Drop && !has_segments => Kind::Drop,
        (true, true) if matches!(record.op, CommitOp::Delete | CommitOp::Log) && !has_segments => Kind::Marker,
        (true, false) if *blake3::hash(&line.name_sealed).as_bytes() == record.name_hash && !has_segments => Kind::Gone,
        _ => return Err(bad()),
    };
    if is_long { Err(bad()) } else { Ok(Told { line, record, bytes, kind }) }
}

fn apply(tx: &mut Tx<'_>, row: &mut BucketRow, told: &Told, now: Stamp) -> Result<(), StoreError> {
    let Told { line, record, bytes, kind } = told;
    if *kind == Kind::Drop {
        let target = bucket::version(tx, row.number, &line.name_sealed, &record.version)?;
        let target = target.ok_or_else(|| StoreError::refused(errors::PRECONDITION, "it drops what is not there"))?;
        let change = dropping(row, line.name_sealed.clone(), (record, &line.record), line.at.min(now));
        (row.head, row.objects) = bucket::drop_version(tx, row, &change, &target, bytes)?;
        return Ok(());
    }
    let newest = bucket::newest(tx, row.number, &line.name_sealed)?;
    let was_there = newest.is_some_and(|version| version.kind == Kind::Object);
    let mut segments = line.segments.clone();
    for id in &line.lost {
        segments.push(store::insert_lost(tx, id, now)?);
    }
    let (mut count, mut sealed) = (0u32, 0u64);
    for run in &segments {
        let (found, bytes) = store::adopt(tx, row.number, run)?;
        if run.count == 0 || found != run.count {
            return Err(StoreError::refused(errors::LEASE_STALE, format!("{found} of {} segments", run.count)));
        }
        store::rule(tx, run.pg, row.class, &row.regions, row.regions_min)?;
        (count, sealed) = (count.saturating_add(found), sealed.saturating_add(bytes));
    }
    let version = VersionRow {
        bucket_seq: row.head.seq + 1,
        name_sealed: line.name_sealed.clone(),
        version: record.version,
        kind: *kind,
        record: line.record.clone(),
        manifest: line.manifest.clone(),
        segments,
        segments_count: count,
        sealed_bytes: sealed.max(line.manifest.len() as u64),
        // Nothing was committed after now, whatever a log says: retention is counted from it.
        made_at: line.at.min(now),
    };
    let head = bucket::append(tx, row, &version, was_there, bytes)?;
    row.follow(head, &version, was_there);
    Ok(())
}
