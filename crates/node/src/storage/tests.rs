//! The store against its promises (A)–(E) of `storage.rs`.

mod big;
mod damage;
mod history;
mod killed;

use super::testing::{Draw, Fault, SimDisk};
use super::*;
use codec::tree::piece_root;
use model::{Bytes, PgId, Scheme, SegmentId, Stamp};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

const SCHEME: Scheme = Scheme { k: 1, m: 1, o: 2, slots: 2, n_max: 16, accept: 2 };

/// The tests' own way from piece to segment: one piece a segment. The real one is the caller's argument.
fn leads(meta: &PieceMeta) -> bool {
    meta.segment_root == meta.piece_root && meta.segment.0 == *blake3::hash(&meta.segment_root).as_bytes()
}

pub(in crate::storage) fn limits() -> StoreLimits {
    StoreLimits { log_max: Bytes::kib(256), ..StoreLimits::new(Bytes::mib(64), Bytes(0), leads) }
}

fn piece(seed: u64, len: usize) -> (PieceMeta, Vec<u8>) {
    let mut draw = Draw(seed.wrapping_mul(7919).wrapping_add(13));
    let data: Vec<u8> = (0..len).map(|_| draw.next() as u8).collect();
    let root = piece_root(&data);
    let meta = PieceMeta {
        pg: PgId((seed % 2) as u32),
        segment: SegmentId(*blake3::hash(&root).as_bytes()),
        scheme: SCHEME,
        sealed_bytes: len as u64,
        segment_root: root,
        index: 3,
        piece_root: root,
        path: vec![[9; 32]; 2],
        label: label_of(seed),
        len: len as u64,
    };
    (meta, data)
}

/// Every third piece is of a bucket log, of one bucket or another.
fn label_of(seed: u64) -> Vec<u8> {
    let mut label = vec![7; LABEL_LEN];
    if seed.is_multiple_of(3) {
        label[0] = wire::storage::LABEL_LOCATED;
        label[LABEL_LEN - 16..].fill(u8::try_from(seed % 2).unwrap());
    }
    label
}

pub(in crate::storage) fn size_of(seed: u64) -> usize {
    // Far seeds are long enough to be all different.
    [if seed < 100 { 1 } else { 100 }, 700, 16 * 1024, 40_000][(seed % 4) as usize]
}

pub(in crate::storage) async fn put(store: &PieceStore, seed: u64) -> Result<Durable, StoreError> {
    let (meta, data) = piece(seed, size_of(seed));
    let mut writer = store.begin(meta).await?;
    writer.push(&data)?;
    writer.commit().await
}

pub(in crate::storage) fn key_of(seed: u64) -> PieceKey {
    piece(seed, size_of(seed)).0.key()
}

pub(in crate::storage) async fn holds(store: &PieceStore, seed: u64) -> bool {
    let (meta, data) = piece(seed, size_of(seed));
    let Some(handle) = store.get(meta.key()).await.unwrap() else { return false };
    assert_eq!(handle.meta(), &meta);
    let read = handle.read_verified(0, meta.len).await.unwrap();
    assert!(read.data == data, "piece {seed} has other bytes");
    true
}

async fn open(dir: &Path) -> PieceStore {
    PieceStore::open(dir, limits()).await.unwrap()
}

async fn open_sim(disk: &Arc<SimDisk>, dir: &Path) -> Result<PieceStore, StoreError> {
    PieceStore::open_on(disk.clone(), dir, limits(), [4; 32]).await
}

fn drop_index(dir: &Path) {
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.join(name));
    }
}

#[tokio::test]
async fn a_piece_reads_back_in_whole_and_in_ranges_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    for seed in 0..12 {
        assert_eq!(put(&store, seed).await.unwrap(), Durable { len: size_of(seed) as u64, was_held: false });
    }
    assert!(put(&store, 3).await.unwrap().was_held);
    drop(store);
    let store = open(dir.path()).await;
    assert_eq!(store.open_report(), OpenReport::default());
    for seed in 0..12 {
        assert!(holds(&store, seed).await);
    }
    let (meta, data) = piece(3, size_of(3));
    let handle = store.get(meta.key()).await.unwrap().unwrap();
    for (offset, len) in [(0, 1), (16_383, 2), (16_384, 16_384), (39_999, 1), (5, 39_000)] {
        let want = &data[offset as usize..(offset + len) as usize];
        assert_eq!(handle.read_verified(offset, len).await.unwrap().data, want);
        assert_eq!(handle.read(offset, len).await.unwrap(), want);
    }
    assert!(matches!(handle.read(39_999, 2).await, Err(StoreError::Range { .. })));
    assert_eq!(store.usage().pieces, 12);
    assert_eq!(store.list(None, 5).len(), 5);
    assert_eq!(store.list(Some(store.list(None, 5)[4].key), 100).len(), 7);
}

#[tokio::test]
async fn wrong_bytes_lengths_paths_and_a_second_process_are_refused_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let (meta, mut data) = piece(1, 700);
    data[5] ^= 1;
    let mut writer = store.begin(meta.clone()).await.unwrap();
    writer.push(&data).unwrap();
    assert!(matches!(writer.push(&[0]), Err(StoreError::Length { .. })));
    assert!(matches!(writer.commit().await, Err(StoreError::RootMismatch(_))));
    let short = store.begin(meta.clone()).await.unwrap();
    assert!(matches!(short.commit().await, Err(StoreError::Length { .. })));
    let foreign = PieceMeta { segment: SegmentId([1; 32]), ..meta.clone() };
    assert!(matches!(store.begin(foreign).await, Err(StoreError::RootMismatch(_))));
    assert!(matches!(store.begin(PieceMeta { label: vec![], ..meta }).await, Err(StoreError::BadMeta(_))));
    assert!(matches!(PieceStore::open(dir.path(), limits()).await, Err(StoreError::Locked)));
    assert_eq!(store.usage(), Usage { lent_bytes: 64 << 20, ..Usage::default() });
}

#[tokio::test]
async fn the_owners_limit_and_the_disks_floor_refuse_new_pieces_and_serve_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimDisk::default());
    let store = open_sim(&disk, dir.path()).await.unwrap();
    put(&store, 3).await.unwrap();
    store.set_lent(Bytes(store.usage().disk_bytes + 1000));
    assert!(matches!(put(&store, 0).await, Err(StoreError::Full { free: 1000, need: 3072 })));
    store.set_lent(Bytes::mib(1));
    put(&store, 0).await.unwrap();
    store.set_floor_free(Bytes(1000));
    disk.set_free(4000);
    assert!(matches!(put(&store, 4).await, Err(StoreError::Full { free: 3000, .. })));
    assert!(holds(&store, 3).await && holds(&store, 0).await);
}

#[tokio::test]
async fn trash_removal_and_compaction_give_room_back_and_survive_the_loss_of_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    for seed in 0..40 {
        put(&store, seed).await.unwrap();
    }
    for seed in 0..30 {
        assert!(store.remove(key_of(seed)).await.unwrap());
    }
    store.trash(key_of(35), Some(Stamp(77))).await.unwrap();
    assert!(!store.remove(key_of(0)).await.unwrap());
    let before = store.usage().disk_bytes;
    for _ in 0..200 {
        if store.compact_step(Bytes::kib(64)).await.unwrap().done {
            break;
        }
    }
    assert!(store.usage().disk_bytes < before / 2, "{} of {before}", store.usage().disk_bytes);
    for seed in 0..40 {
        assert_eq!(holds(&store, seed).await, seed >= 30, "piece {seed}");
    }
    drop(store);
    drop_index(dir.path());
    let store = open(dir.path()).await;
    assert!(store.open_report().rebuilt);
    for seed in 0..40 {
        assert_eq!(holds(&store, seed).await, seed >= 30, "piece {seed}");
    }
    assert_eq!(store.get(key_of(35)).await.unwrap().unwrap().trashed_at(), Some(Stamp(77)));
}

#[tokio::test]
async fn a_flipped_bit_is_never_delivered_and_the_scrub_names_its_piece() {
    let mut draw = Draw(5);
    for _ in 0..100 {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Arc::new(SimDisk::default()));
        let store = open_sim(&disk, dir.path()).await.unwrap();
        put(&store, 3).await.unwrap();
        let log = disk.paths().pop().unwrap();
        // Header, data or tree; past them stands only padding.
        let at = 1024 + draw.next() as usize % (1024 + 40_000 + 3 * 32);
        disk.flip(&log, at, draw.next() as u8);
        let report = store.scrub_step(Bytes::mib(1)).await.unwrap();
        assert_eq!(report.damaged, vec![key_of(3)], "byte {at}");
        assert!(matches!(store.get(key_of(3)).await, Err(StoreError::Damaged(_))));
        assert!(!put(&store, 3).await.unwrap().was_held);
        assert!(holds(&store, 3).await);
    }
}

/// Puts, trashes, removes and compacts; what was acknowledged goes into `model`: held or not.
async fn workload(store: &PieceStore, model: &mut BTreeMap<u64, Option<bool>>) {
    for step in 0..14_u64 {
        model.insert(step, None);
        if put(store, step).await.is_ok() {
            model.insert(step, Some(true));
        }
        if step % 3 == 2 {
            let old = step / 2;
            let was = model.insert(old, None).flatten();
            match store.remove(key_of(old)).await {
                Ok(true) => drop(model.insert(old, Some(false))),
                // Nothing was written: a piece whose put failed is still in doubt, all else is as it was.
                Ok(false) => drop(model.insert(old, was)),
                Err(_) => {}
            }
        }
        if step % 5 == 4 {
            let _ = store.compact_step(Bytes::kib(32)).await;
        }
    }
}

async fn agrees(store: &PieceStore, model: &BTreeMap<u64, Option<bool>>, what: &str) {
    for (seed, expected) in model {
        let is_held = holds(store, *seed).await;
        if let Some(expected) = expected {
            assert_eq!(is_held, *expected, "piece {seed}, {what}");
        }
    }
}

/// R2, (A), (B), (D): every call of the workload is the last before the power goes, with and without the index.
#[tokio::test]
async fn a_power_cut_before_or_after_any_disk_call_breaks_no_word_given() {
    let calls = {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Arc::new(SimDisk::default()));
        workload(&open_sim(&disk, dir.path()).await.unwrap(), &mut BTreeMap::new()).await;
        disk.calls()
    };
    assert!(calls > 60, "{calls}");
    for at in 0..calls {
        for (fault, keep_index) in [(Fault::CrashBefore, at % 2 == 0), (Fault::CrashAfter, at % 2 == 1)] {
            let what = format!("call {at} {fault:?} index kept {keep_index}");
            let (dir, disk) = (tempfile::tempdir().unwrap(), Arc::new(SimDisk::default()));
            disk.plan(Some((at, fault)));
            let mut model = BTreeMap::new();
            if let Ok(store) = open_sim(&disk, dir.path()).await {
                workload(&store, &mut model).await;
            }
            disk.reboot(at);
            if !keep_index {
                drop_index(dir.path());
            }
            let store = open_sim(&disk, dir.path()).await.unwrap();
            agrees_after_crash(&store, &model, &what).await;
            put(&store, 99).await.unwrap();
            assert!(holds(&store, 99).await);
        }
    }
}

/// As [`agrees`]; a piece that was never acknowledged may be found torn in a rebuild, but is never delivered.
async fn agrees_after_crash(store: &PieceStore, model: &BTreeMap<u64, Option<bool>>, what: &str) {
    for (seed, expected) in model {
        match expected {
            Some(expected) => assert_eq!(holds(store, *seed).await, *expected, "piece {seed}, {what}"),
            None => {
                let Ok(Some(handle)) = store.get(key_of(*seed)).await else { continue };
                match handle.read_verified(0, handle.len()).await {
                    Ok(read) => assert!(read.data == piece(*seed, size_of(*seed)).1, "{what}"),
                    Err(error) => assert!(matches!(error, StoreError::Damaged(_)), "{error}, {what}"),
                }
            }
        }
    }
}

/// R3, (C): each call fails once, with each kind of error.
#[tokio::test]
async fn any_failing_disk_call_gives_a_clean_error_and_breaks_no_word_given() {
    for at in 0..90 {
        for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
            let what = format!("call {at} {kind:?}");
            let (dir, disk) = (tempfile::tempdir().unwrap(), Arc::new(SimDisk::default()));
            disk.plan(Some((at, Fault::Error(kind))));
            let mut model = BTreeMap::new();
            if let Ok(store) = open_sim(&disk, dir.path()).await {
                workload(&store, &mut model).await;
                disk.plan(None);
                agrees(&store, &model, &what).await;
            }
            disk.reboot(at);
            agrees_after_crash(&open_sim(&disk, dir.path()).await.unwrap(), &model, &what).await;
        }
    }
}

/// So many random cases; ten times as many in a soak.
pub(super) fn cases(few: u32) -> u32 {
    if std::env::var_os("PUMASI_SOAK").is_some() { few * 10 } else { few }
}

/// Dropped at any point a commit gives back what it took, and the piece is whole or absent.
#[tokio::test]
async fn a_commit_nobody_waits_for_gives_back_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    for seed in 0..60 {
        let (meta, data) = piece(seed, size_of(seed));
        let mut writer = store.begin(meta).await.unwrap();
        writer.push(&data).unwrap();
        let commit = writer.commit();
        // Polled a few times, then dropped.
        let wait = std::time::Duration::from_micros(seed * 40);
        let _ = tokio::time::timeout(wait, commit).await;
    }
    // A last commit is behind all others in the writer's queue.
    put(&store, 1000).await.unwrap();
    assert_eq!(store.usage().reserved_bytes, 0);
    let listed = store.list(None, 4096);
    let on_disk: u64 =
        listed.iter().map(|row| 1024 + (row.len + 32 * row.len.div_ceil(16_384)).next_multiple_of(1024)).sum();
    assert!(store.usage().disk_bytes >= on_disk && store.usage().disk_bytes <= on_disk + 64 * 1024);
    for seed in 0..60 {
        holds(&store, seed).await;
        put(&store, seed).await.unwrap();
        assert!(holds(&store, seed).await);
    }
}

/// (E): the disk is full from each call on: refused by name, nothing acknowledged is lost, and room that comes back is used.
#[tokio::test]
async fn a_full_disk_refuses_by_name_and_the_store_goes_on_when_room_is_back() {
    let mut refused = 0;
    for at in 0..60 {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Arc::new(SimDisk::default()));
        let store = open_sim(&disk, dir.path()).await.unwrap();
        let mut model = BTreeMap::new();
        disk.plan_from(at, ErrorKind::StorageFull);
        for seed in 0..14 {
            match put(&store, seed).await {
                Ok(_) => drop(model.insert(seed, Some(true))),
                Err(error) => {
                    assert_eq!(error.id(), model::errors::DISK_FULL, "{error}");
                    (refused, _) = (refused + 1, model.insert(seed, None));
                }
            }
            if seed == 9 && store.remove(key_of(1)).await.is_ok_and(|was| was) {
                model.insert(1, Some(false));
            }
        }
        disk.plan(None);
        let what = format!("full from call {at}");
        agrees(&store, &model, &what).await;
        for seed in 0..14 {
            put(&store, seed).await.unwrap();
            assert!(holds(&store, seed).await, "{what}");
        }
        assert_eq!(store.usage().reserved_bytes, 0);
    }
    assert!(refused > 100, "{refused}");
}
