//! Random histories against a map: write, read, trash, take back, remove, compact, scrub, reopen, power cut, with the index
//! kept, lost or an older one. What was acknowledged holds; what was cut off in its course is as before or as after.

use super::*;
use crate::storage::store::PieceStore;
use proptest::prelude::*;
use std::path::PathBuf;

const LOG_MAX: Bytes = Bytes::kib(96);
/// No compaction takes more steps: each one moves or frees something.
const STEPS_MAX: usize = 400;

#[derive(Debug, Clone)]
enum Op {
    /// A piece; in its other group when true.
    Put(u64, bool),
    Trash(u64, u64),
    Untrash(u64),
    Remove(u64),
    Compact(u64),
    Scrub,
    /// What becomes of the index: 0 kept, 1 lost, 2 the one of the last reopening.
    Reopen(u8),
    /// Power goes so many disk calls later.
    Cut(u64, u64, bool),
}

/// In which group and since when in the trash; none: not held.
type State = Option<(PgId, Option<u64>)>;

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let piece = 0..24_u64;
    let op = prop_oneof![
        8 => (piece.clone(), prop::bool::weighted(0.1)).prop_map(|(p, other)| Op::Put(p, other)),
        2 => (piece.clone(), 1..1000_u64).prop_map(|(p, at)| Op::Trash(p, at)),
        1 => piece.clone().prop_map(Op::Untrash),
        4 => piece.prop_map(Op::Remove),
        2 => (0..4_u32).prop_map(|n| Op::Compact(1 << (10 + 2 * n))),
        1 => Just(Op::Scrub),
        1 => (0..3_u8).prop_map(Op::Reopen),
        1 => (0..16_u64, any::<u64>(), any::<bool>()).prop_map(|(after, seed, kept)| Op::Cut(after, seed, kept)),
    ];
    prop::collection::vec(op, 1..60)
}

struct World {
    dir: tempfile::TempDir,
    disk: Arc<SimDisk>,
    store: Option<PieceStore>,
    /// What each piece may be: one state when its last word was acknowledged.
    may: BTreeMap<u64, Vec<State>>,
    old_index: Option<Vec<u8>>,
    cut: Option<(u64, bool)>,
}

fn made(seed: u64, other: bool) -> (PieceMeta, Vec<u8>) {
    let (mut meta, data) = piece(seed, size_of(seed));
    meta.pg = PgId(meta.pg.0 ^ u32::from(other));
    (meta, data)
}

impl World {
    async fn new() -> Self {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Arc::new(SimDisk::default()));
        let mut world = Self { dir, disk, store: None, may: BTreeMap::new(), old_index: None, cut: None };
        world.open().await;
        world
    }

    fn store(&self) -> &PieceStore {
        self.store.as_ref().unwrap()
    }

    async fn open(&mut self) {
        let limits = StoreLimits { log_max: LOG_MAX, ..limits() };
        match PieceStore::open_on(self.disk.clone(), self.dir.path(), limits, [4; 32]).await {
            Ok(store) => self.store = Some(store),
            Err(error) => assert!(self.disk.is_down(), "{error}"),
        }
    }

    fn index(&self) -> PathBuf {
        self.dir.path().join("index.sqlite")
    }

    async fn reopen(&mut self, index: u8) {
        drop(self.store.take());
        let now = std::fs::read(self.index()).ok();
        if index > 0 {
            drop_index(self.dir.path());
        }
        if let (2, Some(old)) = (index, &self.old_index) {
            std::fs::write(self.index(), old).unwrap();
        }
        self.old_index = now;
        self.open().await;
        if self.disk.is_down() {
            return;
        }
        self.agree(&format!("reopened with index {index}")).await;
    }

    /// One operation; when the power goes in its course, its piece may be as before or as after.
    async fn act(&mut self, op: &Op) {
        match op {
            Op::Put(seed, other) => {
                let (meta, data) = made(*seed, *other);
                let after = Some((meta.pg, None));
                let done = async {
                    let mut writer = self.store().begin(meta).await?;
                    writer.push(&data)?;
                    writer.commit().await
                };
                let is_done = done.await.is_ok();
                self.said(*seed, is_done, after);
            }
            Op::Trash(seed, at) => self.note(*seed, Some(*at)).await,
            Op::Untrash(seed) => self.note(*seed, None).await,
            Op::Remove(seed) => match self.store().remove(key_of(*seed)).await {
                Ok(was) => {
                    assert_eq!(was, self.now(*seed).is_some(), "{op:?}");
                    self.said(*seed, true, None);
                }
                Err(_) => self.said(*seed, false, None),
            },
            Op::Compact(budget) => {
                for step in 0.. {
                    match self.store().compact_step(Bytes(*budget)).await {
                        Ok(report) if report.done => break,
                        Err(_) => break,
                        Ok(_) => assert!(step < STEPS_MAX, "compaction has no end"),
                    }
                }
            }
            Op::Scrub => {
                if let Ok(report) = self.store().scrub_step(Bytes::mib(8)).await {
                    assert!(report.damaged.is_empty() || self.disk.is_down(), "{:?}", report.damaged);
                }
            }
            Op::Reopen(index) => self.reopen(*index).await,
            Op::Cut(after, seed, kept) => {
                self.disk.plan(Some((*after, Fault::CrashAfter)));
                self.cut = Some((*seed, *kept));
            }
        }
        if let Some((seed, kept)) = self.cut.filter(|_| self.disk.is_down()) {
            self.cut = None;
            drop(self.store.take());
            self.disk.reboot(seed);
            if !kept {
                drop_index(self.dir.path());
            }
            self.old_index = None;
            self.open().await;
            self.agree("after a power cut").await;
        }
    }

    fn now(&self, seed: u64) -> State {
        self.may.get(&seed).and_then(|states| *states.last().unwrap())
    }

    fn said(&mut self, seed: u64, is_done: bool, after: State) {
        let states = self.may.entry(seed).or_insert_with(|| vec![None]);
        if is_done {
            states.clear();
        }
        states.push(after);
    }

    async fn note(&mut self, seed: u64, at: Option<u64>) {
        let pg = self.now(seed).map(|(pg, _)| pg);
        match (self.store().trash(key_of(seed), at.map(Stamp)).await, pg) {
            (Ok(()), Some(pg)) => self.said(seed, true, Some((pg, at))),
            (Err(StoreError::Missing(_)), None) => {}
            (Err(_), Some(pg)) => self.said(seed, false, Some((pg, at))),
            (result, _) => assert!(self.disk.is_down(), "{result:?}"),
        }
    }

    /// Every piece is what it may be, byte for byte; what was in doubt is settled.
    async fn agree(&mut self, what: &str) {
        self.disk.plan(None);
        self.cut = None;
        let listed: BTreeMap<PieceKey, Listed> =
            self.store().list(None, 4096).into_iter().map(|row| (row.key, row)).collect();
        let mut bytes = 0;
        for (seed, states) in std::mem::take(&mut self.may) {
            let (key, data) = (key_of(seed), piece(seed, size_of(seed)).1);
            let read = match self.store().get(key).await {
                Ok(Some(handle)) => Some(handle.read_verified(0, handle.len()).await),
                Ok(None) => None,
                Err(error) => Some(Err(error)),
            };
            let state = match read {
                Some(Ok(read)) => {
                    assert!(read.data == data, "piece {seed} has other bytes, {what}");
                    Some((listed[&key].pg, listed[&key].trashed_at.map(|at| at.0)))
                }
                // Never whole on the disk, or gone before an older index knew: told as damaged, never delivered.
                Some(Err(error)) => {
                    assert!(matches!(error, StoreError::Damaged(_)), "{error}, {what}");
                    assert!(self.store().remove(key).await.unwrap());
                    None
                }
                None => None,
            };
            assert!(states.contains(&state), "piece {seed} is {state:?}, may be {states:?}, {what}");
            bytes += if state.is_some() { data.len() as u64 } else { 0 };
            self.may.insert(seed, vec![state]);
        }
        for bucket in 0..2 {
            let stands = |(seed, states): (&u64, &Vec<State>)| {
                let of = seed.is_multiple_of(3) && seed % 2 == bucket;
                (of && matches!(states[..], [Some((_, None))])).then(|| key_of(*seed))
            };
            let stand: std::collections::BTreeSet<PieceKey> = self.may.iter().filter_map(stands).collect();
            let located = self.store().locate([u8::try_from(bucket).unwrap(); 16], None, 4096).await;
            assert_eq!(located.iter().map(PieceMeta::key).collect::<Vec<_>>(), Vec::from_iter(stand), "{what}");
        }
        let usage = self.store().usage();
        assert_eq!((usage.bytes, usage.reserved_bytes, usage.damaged), (bytes, 0, 0), "{what}");
        assert!(usage.disk_bytes <= self.disk.total(), "{} of {}, {what}", usage.disk_bytes, self.disk.total());
    }
}

fn run(ops: &[Op]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new().await;
        for op in ops {
            world.act(op).await;
        }
        world.disk.plan(None);
        world.agree("at the end").await;
        world.reopen(1).await;
        world.act(&Op::Compact(8 << 10)).await;
        world.reopen(0).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::storage::tests::cases(60)))]
    #[test]
    fn any_history_leaves_what_the_map_says(ops in ops()) {
        run(&ops);
    }
}

/// Histories that once went wrong, as short as they could be made.
#[test]
fn histories_that_once_went_wrong() {
    use Op::*;
    let all: [&[Op]; 9] = [
        // A log was begun anew under the name of one that a start had removed.
        &[
            Put(14, false),
            Put(3, true),
            Cut(12, 10_516_354_048_001_572_551, true),
            Put(11, true),
            Remove(11),
            Put(13, false),
            Reopen(0),
            Put(2, true),
        ],
        // A refused removal came to life with a rebuild.
        &[
            Put(8, false),
            Put(3, false),
            Put(11, false),
            Put(6, false),
            Cut(13, 0, true),
            Put(6, true),
            Put(0, false),
            Remove(6),
        ],
        // The power went while a start read the end of a log.
        &[Put(0, false), Cut(0, 0, false), Reopen(0)],
        &[Reopen(0), Put(0, false), Put(1, false), Cut(8, 0, true), Reopen(2)],
        &[Put(0, false), Put(13, false), Put(20, false), Remove(20), Cut(14, 0, true), Reopen(1)],
        // A log shorter than its head counted as long.
        &[
            Put(4, false),
            Reopen(1),
            Cut(14, 11_203_950_775_049_237_540, true),
            Put(1, false),
            Put(3, false),
            Put(6, false),
        ],
        // Words about one piece went from log to log for ever.
        &[
            Put(11, false),
            Cut(0, 0, false),
            Put(0, false),
            Put(8, false),
            Put(13, true),
            Trash(11, 1),
            Trash(11, 1),
            Trash(0, 1),
        ],
        // An older index took what it did not know for refused.
        &[Put(5, false), Reopen(1), Reopen(2), Put(19, false), Reopen(2)],
        // An emptied log came back with the power, and a removed piece with it.
        &[
            Put(20, false),
            Put(15, false),
            Reopen(1),
            Remove(15),
            Remove(20),
            Cut(7, 9_976_614_173_019_053_194, true),
            Put(0, false),
            Put(1, false),
            Compact(1024),
        ],
    ];
    all.into_iter().for_each(run);
}
