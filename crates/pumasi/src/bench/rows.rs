//! Part of `pumasi bench storage`: what a version and a segment take in the center's database, and how many commits a second
//! one SQLite file takes with every writer's signature verified.
//!
//! Made through the store layer the center uses, in a database of its own; sizes are those of the closed file, indexes
//! included. Commits come from many tasks at once, each durable: objects of 4 KiB inside their manifests, and objects of one
//! segment with as many receipts as a code accepts, each receipt verified.

use super::figure::Printer;
use crate::fault::Fault;
use center::access::store::{self as access, MemberRow, MemberState};
use center::db::{Db, DbUrl, StoreError};
use center::storage::store as storage;
use center::storage::store::bucket::{self, Kind, VersionRow};
use model::{BucketId, Class, DeviceId, MemberId, NodeId, PgId, Roles, Scheme, SegmentId, Stamp};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;
use wire::signed::{CommitOp, CommitRecord, Head, PieceReceipt, public_of};
use wire::storage::{BucketMake, SegmentRun, WrittenSegment};

/// Rows made in one transaction.
const STEP: u32 = 5_000;
/// Sealed name of a path of three parts.
const NAME_BYTES: usize = 102;
/// Commits timed, and how many are under way at once.
const COMMITS: u32 = 20_000;
const WRITERS: usize = 64;
/// Commits of objects of one segment timed.
const SEGMENT_COMMITS: u32 = 4_000;
/// Receipts of such a commit: what 4 of 10 accepts, and 32 of 104.
const ACCEPTS: [(u16, &str); 2] = [(5, "commit_one_segment_5_per_s"), (44, "commit_one_segment_44_per_s")];
const SECRET: [u8; 32] = [7; 32];

/// Prints `segment_row_bytes`, `object_row_bytes`, `commit_per_s` and the two of [`ACCEPTS`].
pub async fn run(printer: &mut Printer<'_>, dir: &Path, rows: u32) -> Result<(), Fault> {
    let path = dir.join("rows.db");
    let empty = file_after(&path, async |_| Ok(())).await?;
    let with_segments = file_after(&path, async |db| segments(db, rows).await).await?;
    printer.figure("segment_row_bytes", (with_segments - empty) / f64::from(rows), "B");
    let with_versions = file_after(&path, async |db| versions(db, rows).await).await?;
    printer.figure("object_row_bytes", (with_versions - with_segments) / f64::from(rows), "B");
    let mut per_s = 0.0;
    file_after(&path, async |db| {
        per_s = commits(db, COMMITS, 0).await?;
        Ok(())
    })
    .await?;
    printer.figure("commit_per_s", per_s, "1/s");
    for (accept, id) in ACCEPTS {
        file_after(&path, async |db| {
            per_s = commits(db, SEGMENT_COMMITS, accept).await?;
            Ok(())
        })
        .await?;
        printer.figure(id, per_s, "1/s");
    }
    Ok(())
}

fn fault(error: StoreError) -> Fault {
    Fault::bug(error)
}

/// Opens the database, works, closes it; bytes of its file then.
async fn file_after(path: &Path, work: impl AsyncFnOnce(&Db) -> Result<(), Fault>) -> Result<f64, Fault> {
    let db = Db::open(&DbUrl::Sqlite(path.to_owned())).map_err(Fault::bug)?;
    prepare(&db).await?;
    work(&db).await?;
    db.close().await;
    Ok(std::fs::metadata(path).map_err(|e| Fault::file(path, &e))?.len() as f64)
}

/// A member with a bucket and a group, once.
async fn prepare(db: &Db) -> Result<(), Fault> {
    let owner = MemberId([1; 16]);
    let made = db.write(move |tx| {
        if access::member(tx, &owner)?.is_some() {
            return Ok(());
        }
        let row = MemberRow {
            id: owner,
            name: "bench".into(),
            roles: Roles::BOTH,
            state: MemberState::Active,
            frozen_why: None,
            created_at: Stamp(1),
            invited_by: None,
        };
        access::insert_member(tx, &row)?;
        let make = BucketMake {
            id: BucketId([1; 16]),
            check: [1; 16],
            name_check: [1; 16],
            label: vec![1; 104],
            class: Class::Standard,
            regions: Vec::new(),
            regions_min: 0,
        };
        bucket::insert(tx, &owner, &make, Stamp(1))?;
        let scheme = Scheme { k: 4, m: 9, o: 10, slots: 10, n_max: 16, accept: 5 };
        storage::insert_pg(tx, &scheme, &[], Class::Standard, "", 0).map(drop)
    });
    made.await.map_err(fault)
}

/// Bytes that look random, different for each number.
fn spread<const N: usize>(number: u64) -> [u8; N] {
    let mut out = [0; N];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

async fn segments(db: &Db, rows: u32) -> Result<(), Fault> {
    for first in (0..rows).step_by(STEP as usize) {
        let made = db.write(move |tx| {
            let last = (first + STEP).min(rows);
            (first..last).try_for_each(|n| {
                let id = SegmentId(spread(u64::from(n)));
                let segment =
                    WrittenSegment { id, pg: PgId(1), sealed_bytes: 8 << 20, root: [0; 32], receipts: Vec::new() };
                storage::insert_segment(tx, 1, &segment, &[0xff, 3], Stamp(1_800_000_000_000)).map(drop)
            })?;
            // A version names them, as a commit does: only what nobody named waits to be collected.
            let run = SegmentRun { pg: PgId(1), seq: u64::from(first) + 1, count: last - first };
            storage::name_segments(tx, &MemberId([1; 16]), &run).map(drop)
        });
        made.await.map_err(fault)?;
    }
    Ok(())
}

fn version(number: u64, record: Vec<u8>, manifest: Vec<u8>) -> VersionRow {
    VersionRow {
        bucket_seq: 0,
        name_sealed: spread::<NAME_BYTES>(number).to_vec(),
        version: spread(number),
        kind: Kind::Object,
        record,
        manifest,
        segments: vec![SegmentRun { pg: PgId(1), seq: number + 1, count: 1 }],
        segments_count: 1,
        sealed_bytes: 5_000_000,
        made_at: Stamp(1_800_000_000_000 + number),
    }
}

/// Versions without their records and manifests: what the row itself takes.
async fn versions(db: &Db, rows: u32) -> Result<(), Fault> {
    for first in (0..rows).step_by(STEP as usize) {
        let made = db.write(move |tx| {
            (first..(first + STEP).min(rows)).try_for_each(|n| {
                let row = bucket::hold(tx, &BucketId([1; 16]))?
                    .ok_or_else(|| StoreError::refused(model::errors::BUCKET_UNKNOWN, "bench"))?;
                let v = version(u64::from(n), Vec::new(), Vec::new());
                bucket::append(tx, &row, &v, false, &[0; CommitRecord::LEN]).map(drop)
            })
        });
        made.await.map_err(fault)?;
    }
    Ok(())
}

/// Receipts of so many holders for a segment.
fn receipts(id: SegmentId, accept: u16) -> Vec<Vec<u8>> {
    let one = |index: u16| {
        let secret = spread::<32>(u64::from(index));
        let (pg, node) = (PgId(1), NodeId(public_of(&secret)));
        let (len, serial, at) = (1 << 20, [5; 16], Stamp(1_800_000_000_000));
        PieceReceipt { segment: id, pg, index, len, node, serial, at }.sign(&secret).to_vec()
    };
    (0..accept).map(one).collect()
}

/// Commits as the center takes them, each verified and durable, with `accept` receipts for a segment or, with 0, of inline
/// objects; how many a second.
async fn commits(db: &Db, count: u32, accept: u16) -> Result<f64, Fault> {
    let manifest: Arc<Vec<u8>> = Arc::new(vec![9; if accept == 0 { 4_800 } else { 560 }]);
    let device = DeviceId(public_of(&SECRET));
    let signed: Vec<(u64, Vec<u8>, Vec<Vec<u8>>)> = (0..count)
        .map(|n| {
            let number = (1 << 40) + (u64::from(accept) << 32) + u64::from(n);
            let record = CommitRecord {
                op: CommitOp::Put,
                bucket: BucketId([1; 16]),
                device,
                device_seq: number,
                seen: Head::default(),
                name_hash: *blake3::hash(&spread::<NAME_BYTES>(number)).as_bytes(),
                version: spread(number),
                manifest_hash: *blake3::hash(&manifest).as_bytes(),
                at: Stamp(number),
            };
            (number, record.sign(&SECRET).to_vec(), receipts(SegmentId(spread(number)), accept))
        })
        .collect();
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for (number, record, receipts) in signed {
        while running.len() >= WRITERS {
            running.join_next().await.map_or(Ok(()), |done| done.map_err(Fault::bug)?)?;
        }
        let (db, manifest) = (db.clone(), Arc::clone(&manifest));
        running.spawn(async move { commit(&db, number, (record, receipts), &manifest).await });
    }
    while let Some(done) = running.join_next().await {
        done.map_err(Fault::bug)??;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

async fn commit(
    db: &Db,
    number: u64,
    (record, receipts): (Vec<u8>, Vec<Vec<u8>>),
    manifest: &[u8],
) -> Result<(), Fault> {
    let v = VersionRow { segments: Vec::new(), ..version(number, record, manifest.to_vec()) };
    let id = SegmentId(spread(number));
    let holders: BTreeSet<NodeId> = receipts
        .iter()
        .filter_map(|bytes| PieceReceipt::check(bytes).filter(|receipt| receipt.segment == id))
        .map(|receipt| receipt.node)
        .collect();
    if holders.len() != receipts.len() {
        return Err(Fault::bug("a receipt that was just signed does not verify"));
    }
    let has_segment = !receipts.is_empty();
    let written = WrittenSegment { id, pg: PgId(1), sealed_bytes: 8 << 20, root: [0; 32], receipts };
    let checked = CommitRecord::check(&v.record).filter(|r| r.covers(&v.name_sealed, &v.manifest));
    let (Some(_), Ok(bytes)) = (checked, v.record.clone().try_into()) else {
        return Err(Fault::bug("a commit that was just signed does not verify"));
    };
    let done = db.write(move |tx| {
        let row = bucket::hold(tx, &BucketId([1; 16]))?
            .ok_or_else(|| StoreError::refused(model::errors::BUCKET_UNKNOWN, "bench"))?;
        let newest = bucket::newest(tx, row.number, &v.name_sealed)?;
        let mut v = v.clone();
        if has_segment {
            let seq = storage::insert_segment(tx, row.number, &written, &[0x1f, 0], v.made_at)?;
            storage::thin::mark(tx, PgId(1), seq)?;
            v.segments = vec![SegmentRun { pg: PgId(1), seq, count: 1 }];
            storage::name_segments(tx, &MemberId([1; 16]), &v.segments[0])?;
        }
        let head = bucket::append(tx, &row, &v, newest.is_some(), &bytes)?;
        Ok(bucket::remember(tx, &v.version, &head, v.made_at)?)
    });
    done.await.map_err(fault)
}
