//! The API: open, write, look up, trash, remove, list, scrub. Async for callers; the disk is touched on threads only.

use super::compact;
use super::disk::{Disk, StdDisk};
use super::entry::{self, BLOCK, Entry, PieceKey, PieceMeta};
use super::error::{StoreError, io};
use super::incoming::PieceWriter;
use super::index::Index;
use super::read::PieceHandle;
use super::recover::{OpenReport, recover};
use super::state::{Health, Held, Place, Shared};
use super::writer::{Hold, Job, Writer};
use model::{Bytes, PgId, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};
use wire::storage::Locator;

/// Bytes of pieces that may be in memory on their way in, all writers together, in KiB.
const IN_FLIGHT_KIB: u32 = 64 * 1024;
/// A store that is being closed is waited for so long: its process ends, or a child of it has not let go of the lock yet, as it
/// does when it becomes another program.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_LOOK: Duration = Duration::from_millis(20);
/// Jobs that wait for the writer at most; a sender waits beyond that.
const QUEUE_MAX: usize = 1024;
/// Most rows of a page.
const LIST_MAX: usize = 4096;

/// What the owner lends and how the store behaves.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// Room the logs may take.
    pub lent: Bytes,
    /// New pieces are refused when less than this would stay free on the file system.
    pub floor_free: Bytes,
    /// A log is closed at this size.
    pub log_max: Bytes,
    /// Judges whether a piece's root and path lead to its segment's id (`codec`).
    pub commitment: fn(&PieceMeta) -> bool,
}

impl StoreLimits {
    /// Largest log: 256 MiB.
    pub const LOG_MAX: Bytes = Bytes::mib(256);

    /// Limits with logs of [`Self::LOG_MAX`].
    pub fn new(lent: Bytes, floor_free: Bytes, commitment: fn(&PieceMeta) -> bool) -> Self {
        Self { lent, floor_free, log_max: Self::LOG_MAX, commitment }
    }
}

/// The store. Clones are the same store; the last one dropped closes it.
#[derive(Clone)]
pub struct PieceStore {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub shared: Arc<Shared>,
    limits: StoreLimits,
    floor_free: AtomicU64,
    sender: Mutex<Option<mpsc::SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    room: Arc<Semaphore>,
    scrub_after: Mutex<Option<PieceKey>>,
    report: OpenReport,
    pub lock: std::fs::File,
}

/// Word that a piece is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durable {
    /// Bytes of the piece.
    pub len: u64,
    /// The very same piece was held already; nothing was written.
    pub was_held: bool,
}

/// What the store holds and takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of pieces.
    pub bytes: u64,
    /// Number of pieces.
    pub pieces: u64,
    /// Of these, found damaged.
    pub damaged: u64,
    /// Pieces in the trash that are not damaged.
    pub trashed: u64,
    /// Bytes of those.
    pub trashed_bytes: u64,
    /// Bytes of damaged ones.
    pub damaged_bytes: u64,
    /// Bytes the logs take.
    pub disk_bytes: u64,
    /// Bytes promised to writers under way.
    pub reserved_bytes: u64,
    /// Bytes lent.
    pub lent_bytes: u64,
}

/// A row of [`PieceStore::list`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The piece.
    pub key: PieceKey,
    /// Its group.
    pub pg: PgId,
    /// Its bytes.
    pub len: u64,
    /// In the trash since.
    pub trashed_at: Option<Stamp>,
    /// Found damaged.
    pub is_damaged: bool,
}

/// What a step of scrubbing did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScrubReport {
    /// Pieces read.
    pub pieces: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Pieces found damaged in this step.
    pub damaged: Vec<PieceKey>,
    /// The last piece looked at.
    pub last: Option<PieceKey>,
    /// Nothing of the range is left.
    pub round_done: bool,
}

/// What a step of compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactReport {
    /// Bytes moved to a newer log.
    pub moved_bytes: u64,
    /// Bytes given back.
    pub freed_bytes: u64,
    /// Nothing (more) to do.
    pub done: bool,
}

impl PieceStore {
    /// Opens the store in `dir` on this machine's disk, making it when it is not there.
    pub async fn open(dir: &Path, limits: StoreLimits) -> Result<Self, StoreError> {
        Self::open_with(Arc::new(StdDisk::default()), dir, limits).await
    }

    /// The same on another disk.
    pub async fn open_with(disk: Arc<dyn Disk>, dir: &Path, limits: StoreLimits) -> Result<Self, StoreError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| io("draw a salt")(std::io::Error::other(error)))?;
        Self::open_on(disk, dir, limits, seed).await
    }

    /// Opens on another disk. `seed`: secret of this opening, salts of new logs come from it.
    pub async fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        limits: StoreLimits,
        seed: [u8; 32],
    ) -> Result<Self, StoreError> {
        let dir = dir.to_owned();
        blocking(move || open_now(disk, &dir, limits, seed)).await?
    }

    /// What the start found.
    pub fn open_report(&self) -> OpenReport {
        self.inner.report
    }

    /// Reserves room for a piece. Waits while 64 MiB of pieces are on their way in.
    ///
    /// # Errors
    /// `BadMeta`, `RootMismatch` when the path does not lead to the segment's id, `Full`.
    pub async fn begin(&self, meta: PieceMeta) -> Result<PieceWriter, StoreError> {
        meta.check()?;
        if !(self.inner.limits.commitment)(&meta) {
            return Err(StoreError::RootMismatch(meta.key()));
        }
        let kib = u32::try_from(meta.len.div_ceil(1024)).expect("checked against the largest piece");
        let permit = Arc::clone(&self.inner.room).acquire_many_owned(kib).await.map_err(|_| StoreError::Stopped)?;
        // One block more: the piece may be the first of a new log.
        let reserved = entry::piece_disk_len(meta.len) + BLOCK;
        self.inner.reserve(reserved)?;
        let hold = Hold::new(Arc::clone(&self.inner.shared), reserved, permit);
        let mut bytes = Vec::with_capacity(usize::try_from(reserved).expect("a piece fits memory"));
        bytes.resize(BLOCK as usize, 0);
        Ok(PieceWriter::new(Arc::clone(&self.inner), meta, bytes, hold))
    }

    /// True while the folder is the one that was opened: false when its disk is gone, or another one is in its place.
    pub fn is_there(&self) -> bool {
        self.inner.is_there()
    }

    /// The piece, when it is held and not known to be damaged.
    pub async fn get(&self, key: PieceKey) -> Result<Option<PieceHandle>, StoreError> {
        let Some(seen) = self.inner.shared.place(key) else { return Ok(None) };
        if seen.health == Health::Damaged {
            return Err(StoreError::Damaged(key));
        }
        let shared = Arc::clone(&self.inner.shared);
        let found = blocking(move || {
            let _still = shared.moving.read().unwrap_or_else(PoisonError::into_inner);
            shared.place(key).map(|place| (shared.meta(key, &place), place))
        })
        .await?;
        let Some((meta, place)) = found else { return Ok(None) };
        if let Err(StoreError::Damaged(_)) = &meta {
            self.inner.mark(vec![(key, place.seq, Health::Damaged)]).await?;
        }
        let trashed_at = place.trashed_at.map(Stamp);
        Ok(Some(PieceHandle { inner: Arc::clone(&self.inner), meta: Arc::new(meta?), trashed_at }))
    }

    /// Puts a held piece into the trash since `at`, or takes it out of it; durable when it returns.
    pub async fn trash(&self, key: PieceKey, at: Option<Stamp>) -> Result<(), StoreError> {
        self.inner.note(Entry::Trash { key, at: at.map(|at| at.0) }).await
    }

    /// Forgets a piece; durable when it returns, its room comes back by compaction. False when it was not held.
    pub async fn remove(&self, key: PieceKey) -> Result<bool, StoreError> {
        match self.inner.note(Entry::Remove { key }).await {
            Ok(()) => Ok(true),
            Err(StoreError::Missing(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Up to `limit` (at most 4,096) pieces after `after` in the order of their keys.
    pub fn list(&self, after: Option<PieceKey>, limit: usize) -> Vec<Listed> {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let held = self.inner.shared.held();
        let rows = held.pieces.range((from, Bound::Unbounded)).take(limit.min(LIST_MAX));
        rows.map(|(key, place)| listed(*key, place)).collect()
    }

    /// Groups there are pieces of.
    pub fn groups(&self) -> BTreeSet<PgId> {
        self.inner.shared.held().pieces.values().map(|place| place.pg).collect()
    }

    /// Groups with pieces that are in the trash since `before` or longer.
    pub fn groups_trashed(&self, before: Stamp) -> BTreeSet<PgId> {
        let held = self.inner.shared.held();
        let old = held.pieces.values().filter(|place| place.trashed_at.is_some_and(|at| at <= before.0));
        old.map(|place| place.pg).collect()
    }

    /// Pieces whose label shows a locator, in the order of their keys, up to `limit` after one of them. Where one cannot be read
    /// it is left out.
    pub async fn locate(&self, locator: Locator, after: Option<PieceKey>, limit: usize) -> Vec<PieceMeta> {
        let shared = Arc::clone(&self.inner.shared);
        let read = blocking(move || {
            let keys = shared.held().located(locator, after, limit);
            let _still = shared.moving.read().unwrap_or_else(PoisonError::into_inner);
            let meta = |key: PieceKey| shared.place(key).and_then(|place| shared.meta(key, &place).ok());
            keys.into_iter().filter_map(meta).collect()
        });
        read.await.unwrap_or_default()
    }

    /// Pieces that are neither damaged nor in the trash, by their place in a group, in the order they came.
    pub fn places(&self) -> BTreeMap<(PgId, u16), Vec<PieceKey>> {
        let mut all: BTreeMap<(PgId, u16), Vec<(u64, PieceKey)>> = BTreeMap::new();
        for (key, place) in &self.inner.shared.held().pieces {
            if place.health != Health::Damaged && place.trashed_at.is_none() {
                all.entry((place.pg, key.index)).or_default().push((place.seq, *key));
            }
        }
        let in_order = |mut keys: Vec<(u64, PieceKey)>| {
            keys.sort_unstable();
            keys.into_iter().map(|(_, key)| key).collect()
        };
        all.into_iter().map(|(place, keys)| (place, in_order(keys))).collect()
    }

    /// What the headers of these pieces say; where one cannot be read it is left out.
    pub async fn metas(&self, keys: Vec<PieceKey>) -> Vec<PieceMeta> {
        let shared = Arc::clone(&self.inner.shared);
        let read = blocking(move || {
            let _still = shared.moving.read().unwrap_or_else(PoisonError::into_inner);
            let meta = |key: PieceKey| shared.place(key).and_then(|place| shared.meta(key, &place).ok());
            keys.into_iter().filter_map(meta).collect()
        });
        read.await.unwrap_or_default()
    }

    /// The pieces of a group that came first, at most `limit`, those found damaged or in the trash apart.
    pub fn oldest_of(&self, pg: PgId, limit: usize) -> Vec<PieceKey> {
        let held = self.inner.shared.held();
        let good = |place: &Place| place.pg == pg && place.health != Health::Damaged && place.trashed_at.is_none();
        let mut all: Vec<(u64, PieceKey)> =
            held.pieces.iter().filter(|(_, place)| good(place)).map(|(key, place)| (place.seq, *key)).collect();
        all.sort_unstable();
        all.into_iter().take(limit).map(|(_, key)| key).collect()
    }

    /// All pieces of one group, in the order of their keys.
    pub fn list_group(&self, pg: PgId) -> Vec<Listed> {
        let held = self.inner.shared.held();
        held.pieces.iter().filter(|(_, place)| place.pg == pg).map(|(key, place)| listed(*key, place)).collect()
    }

    /// Up to `limit` damaged pieces.
    pub fn list_damaged(&self, limit: usize) -> Vec<Listed> {
        let held = self.inner.shared.held();
        let damaged = held.pieces.iter().filter(|(_, place)| place.health == Health::Damaged);
        damaged.take(limit).map(|(key, place)| listed(*key, place)).collect()
    }

    /// What is held and taken now.
    pub fn usage(&self) -> Usage {
        let held = self.inner.shared.held();
        let damaged = || held.pieces.values().filter(|place| place.health == Health::Damaged);
        let trashed = || held.pieces.values().filter(|p| p.health != Health::Damaged && p.trashed_at.is_some());
        Usage {
            bytes: held.pieces.values().map(|place| place.len).sum(),
            pieces: held.pieces.len() as u64,
            damaged: damaged().count() as u64,
            damaged_bytes: damaged().map(|place| place.len).sum(),
            trashed: trashed().count() as u64,
            trashed_bytes: trashed().map(|place| place.len).sum(),
            disk_bytes: held.disk_bytes(),
            reserved_bytes: held.reserved,
            lent_bytes: held.lent,
        }
    }

    /// A new limit of the owner, in force at once; pieces held above it stay until they are removed.
    pub fn set_lent(&self, lent: Bytes) {
        self.inner.shared.held().lent = lent.0;
    }

    /// A new floor of free space.
    pub fn set_floor_free(&self, floor: Bytes) {
        self.inner.floor_free.store(floor.0, Ordering::Release);
    }

    /// Reads and judges pieces in order, at least one, until `budget` bytes are read.
    pub async fn scrub_step(&self, budget: Bytes) -> Result<ScrubReport, StoreError> {
        let after = *self.inner.scrub_after.lock().unwrap_or_else(PoisonError::into_inner);
        let report = self.scrub_range(after, u64::MAX, budget).await?;
        let next = if report.round_done { None } else { report.last };
        *self.inner.scrub_after.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(report)
    }

    /// Reads and judges pieces after `after` whose segments' ids begin with a number up to `up_to` (their first eight bytes,
    /// big-endian), at least one, until `budget` bytes are read.
    pub async fn scrub_range(
        &self,
        after: Option<PieceKey>,
        up_to: u64,
        budget: Bytes,
    ) -> Result<ScrubReport, StoreError> {
        let inner = Arc::clone(&self.inner);
        let (report, found) = blocking(move || scrub(&inner, after, up_to, budget.0)).await?;
        self.inner.mark(found).await?;
        Ok(report)
    }

    /// Moves up to `budget` bytes out of a log less than 60 % alive and gives its end back.
    pub async fn compact_step(&self, budget: Bytes) -> Result<CompactReport, StoreError> {
        let (reply, done) = oneshot::channel();
        self.inner.send(Job::Run(Box::new(move |writer| {
            let _ = reply.send(compact::step(writer, budget.0));
        })))?;
        done.await.map_err(|_| StoreError::Stopped)?
    }
}

fn listed(key: PieceKey, place: &Place) -> Listed {
    Listed {
        key,
        pg: place.pg,
        len: place.len,
        trashed_at: place.trashed_at.map(Stamp),
        is_damaged: place.health == Health::Damaged,
    }
}

fn open_now(disk: Arc<dyn Disk>, dir: &Path, limits: StoreLimits, seed: [u8; 32]) -> Result<PieceStore, StoreError> {
    std::fs::create_dir_all(dir).map_err(io("make the store's folder"))?;
    disk.create_dir(dir).map_err(io("make the store's folder"))?;
    let lock = std::fs::File::create(dir.join("lock")).map_err(io("open the lock"))?;
    let begun = Instant::now();
    while lock.try_lock().is_err() {
        if begun.elapsed() > LOCK_WAIT {
            return Err(StoreError::Locked);
        }
        std::thread::sleep(LOCK_LOOK);
    }
    let (index, known) = Index::open(dir)?;
    let before: (Vec<_>, Vec<_>) = known
        .as_ref()
        .map_or_else(Default::default, |k| (k.logs.keys().copied().collect(), k.pieces.keys().copied().collect()));
    let shared = Arc::new(Shared {
        disk,
        dir: dir.to_owned(),
        held: Mutex::new(Held::default()),
        moving: RwLock::new(()),
        committing: AtomicUsize::new(0),
    });
    let was = known.as_ref().map(|held| (held.pieces.len(), held.disk_bytes()));
    let report = recover(&shared, known)?;
    shared.held().lent = limits.lent.0;
    let mut writer = Writer::new(Arc::clone(&shared), index, limits.log_max.0, seed);
    let now = {
        let held = shared.held();
        (held.pieces.len(), held.disk_bytes())
    };
    if report.rebuilt || report.adopted > 0 || report.lost_rows > 0 || was != Some(now) {
        save_all(&mut writer, before);
    }
    let (sender, inbox) = mpsc::sync_channel(QUEUE_MAX);
    let thread = std::thread::Builder::new()
        .name("piece-writer".to_owned())
        .spawn(move || writer.run(&inbox))
        .map_err(io("start the writer"))?;
    let inner = Inner {
        shared,
        limits,
        floor_free: AtomicU64::new(limits.floor_free.0),
        sender: Mutex::new(Some(sender)),
        thread: Mutex::new(Some(thread)),
        room: Arc::new(Semaphore::new(IN_FLIGHT_KIB as usize)),
        scrub_after: Mutex::new(None),
        report,
        lock,
    };
    Ok(PieceStore { inner: Arc::new(inner) })
}

/// After a start that changed something: every row as it is now, rows that were and are no more removed.
fn save_all(writer: &mut Writer, before: (Vec<super::state::LogKey>, Vec<PieceKey>)) {
    let (mut logs, mut pieces) = before;
    {
        let held = writer.shared.held();
        logs.extend(held.logs.keys().copied());
        pieces.extend(held.pieces.keys().copied());
    }
    writer.save(&logs, &pieces);
}

fn scrub(
    inner: &Inner,
    mut after: Option<PieceKey>,
    up_to: u64,
    budget: u64,
) -> (ScrubReport, Vec<(PieceKey, u64, Health)>) {
    use std::ops::Bound;
    let mut report = ScrubReport::default();
    let mut found = Vec::new();
    loop {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let _still = inner.shared.moving.read().unwrap_or_else(PoisonError::into_inner);
        let next = inner.shared.held().pieces.range((from, Bound::Unbounded)).next().map(|(k, p)| (*k, *p));
        let Some((key, place)) = next.filter(|(key, _)| key.place() <= up_to) else {
            report.round_done = true;
            return (report, found);
        };
        (after, report.last) = (Some(key), Some(key));
        if place.health == Health::Damaged {
            continue;
        }
        (report.pieces, report.bytes) = (report.pieces + 1, report.bytes + place.len);
        match inner.shared.verified(key, &place) {
            Ok(_) if place.health == Health::Unchecked => found.push((key, place.seq, Health::Verified)),
            Ok(_) => {}
            // Other errors say something about the disk, not about the piece.
            Err(StoreError::Io { .. }) => {}
            Err(_) => {
                report.damaged.push(key);
                found.push((key, place.seq, Health::Damaged));
            }
        }
        if report.bytes >= budget {
            return (report, found);
        }
    }
}

impl Inner {
    pub(super) fn send(&self, job: Job) -> Result<(), StoreError> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sender.ok_or(StoreError::Stopped)?.send(job).map_err(|_| StoreError::Stopped)
    }

    fn reserve(&self, need: u64) -> Result<(), StoreError> {
        let disk_free = self.shared.disk.free(&self.shared.dir).map_err(io("ask for free space"))?;
        let mut held = self.shared.held();
        let by_owner = held.lent.saturating_sub(held.disk_bytes() + held.reserved);
        let by_floor = disk_free.saturating_sub(held.reserved + self.floor_free.load(Ordering::Acquire));
        let free = by_owner.min(by_floor);
        if need > free {
            return Err(StoreError::Full { free, need });
        }
        held.reserved += need;
        Ok(())
    }

    async fn note(&self, entry: Entry) -> Result<(), StoreError> {
        let (reply, done) = oneshot::channel();
        self.send(Job::Note { entry, reply })?;
        done.await.map_err(|_| StoreError::Stopped)?
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// Runs blocking work on a thread of the runtime's pool.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Stopped)
}
