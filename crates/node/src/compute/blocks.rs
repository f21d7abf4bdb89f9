//! Blocks of shuffles on this node's disk: those its own mappers made, and those of parts it holds for others'.
//!
//! A file holds blocks of one attempt of one map item: count and width of its table, an entry a block with where it lies and what
//! proves it, then their sealed bytes. Its name says job, stage, item, attempt, first and last part, so that a start finds all by
//! listing. Nothing is synced: a block that is lost is had from its other copy, or its item is run again.
//!
//! (A) What is handed over counts once it is here whole: it is written beside and renamed. (B) All files together take no more
//! than the room they are given; where that shrinks, whole jobs go, first those that were not written for longest. (C) A job's
//! blocks go when it is over, or, where that is not known, a day after the newest of them came.

use codec::blocks::BLOCK_PATH_MAX;
use model::JobId;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use wire::shuffle::BlockHead;

/// Bytes of one block at most.
const BLOCK_MAX: u64 = 2 << 30;
/// Blocks of a job that is not known to run go when its newest is older than this.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);

const MAGIC: &[u8; 4] = b"PMK1";
const HEAD: usize = 16;
/// An entry without its path.
const ENTRY: usize = 64;

/// An attempt of a map item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MapItem {
    /// The job.
    pub job: JobId,
    /// Its stage.
    pub stage: u8,
    /// The item.
    pub item: u32,
    /// The attempt.
    pub serial: u64,
}

/// Why blocks were not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// There is no room for them.
    #[error("{wanted} bytes of blocks do not fit into the {room} that are left")]
    Full {
        /// Bytes they take.
        wanted: u64,
        /// Bytes that are left.
        room: u64,
    },
    /// They are no blocks of one item, in the order of their parts.
    #[error("these are no blocks")]
    Odd,
    /// The disk said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// First and last part of a file, and its bytes.
type Spans = Vec<(u32, u32, u64)>;

struct Inner {
    dir: PathBuf,
    room: AtomicU64,
    used: AtomicU64,
    next: AtomicU64,
    files: Mutex<BTreeMap<MapItem, Spans>>,
}

/// All blocks here; clones share it.
#[derive(Clone)]
pub struct BlockStore(Arc<Inner>);

impl BlockStore {
    /// Finds what lies in `dir`, which is made; at most `room` bytes are kept.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(dir: PathBuf, room: u64) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let (mut files, mut used) = (BTreeMap::<MapItem, Spans>::new(), 0);
        for folder in fs::read_dir(&dir)? {
            let folder = folder?.path();
            let Some(job) = folder.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
            for file in fs::read_dir(&folder)? {
                let file = file?;
                match file.file_name().to_str().and_then(|name| parse(job, name)) {
                    Some((item, first, last)) => {
                        let len = file.metadata()?.len();
                        used += len;
                        files.entry(item).or_default().push((first, last, len));
                    }
                    None => fs::remove_file(file.path())?, // left by a sudden end
                }
            }
        }
        let (room, used, next) = (AtomicU64::new(room), AtomicU64::new(used), AtomicU64::new(0));
        Ok(Self(Arc::new(Inner { dir, room, used, next, files: Mutex::new(files) })))
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<MapItem, Spans>> {
        self.0.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that are taken.
    pub fn used(&self) -> u64 {
        self.0.used.load(Relaxed)
    }

    /// Jobs of which there are blocks.
    pub fn jobs(&self) -> Vec<JobId> {
        let mut jobs: Vec<JobId> = self.files().keys().map(|item| item.job).collect();
        jobs.dedup();
        jobs
    }

    /// Begins to keep blocks of one item; their bytes follow, in the order of the heads.
    ///
    /// # Errors
    /// What kept them out.
    pub fn begin(&self, item: MapItem, heads: &[BlockHead]) -> Result<Keeping, KeepError> {
        let ascending = heads.windows(2).all(|pair| pair[0].part < pair[1].part);
        let (Some(first), Some(last)) = (heads.first(), heads.last()) else { return Err(KeepError::Odd) };
        let is_sound = |head: &BlockHead| head.path.len() <= BLOCK_PATH_MAX && head.sealed <= BLOCK_MAX;
        if !ascending || !heads.iter().all(is_sound) {
            return Err(KeepError::Odd);
        }
        let depth = heads.iter().map(|head| head.path.len()).max().unwrap_or(0);
        let table = HEAD + heads.len() * (ENTRY + 32 * depth);
        let body = heads.iter().try_fold(0u64, |sum, head| sum.checked_add(head.sealed)).ok_or(KeepError::Odd)?;
        let len = body.saturating_add(table as u64);
        let reserved = Reserved::of(self, len)?;
        let mut bytes = Vec::with_capacity(table);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&u32::try_from(heads.len()).map_err(|_| KeepError::Odd)?.to_le_bytes());
        bytes.push(depth as u8);
        bytes.resize(HEAD, 0);
        let mut at = table as u64;
        for head in heads {
            bytes.extend_from_slice(&head.part.to_le_bytes());
            bytes.extend_from_slice(&[head.path.len() as u8, 0, 0, 0]);
            bytes.extend_from_slice(&head.size.to_le_bytes());
            bytes.extend_from_slice(&head.hash);
            bytes.extend_from_slice(&at.to_le_bytes());
            bytes.extend_from_slice(&head.sealed.to_le_bytes());
            head.path.iter().for_each(|hash| bytes.extend_from_slice(hash));
            bytes.resize(bytes.len() + 32 * (depth - head.path.len()), 0);
            at += head.sealed;
        }
        let folder = self.0.dir.join(item.job.to_string());
        fs::create_dir_all(&folder)?;
        let beside = folder.join(format!("new-{}", self.0.next.fetch_add(1, Relaxed)));
        let file = File::create(&beside)?;
        let span = (first.part, last.part, len);
        let mut kept = Keeping { item, span, left: body, file, beside, reserved, is_here: false };
        kept.file.write_all(&bytes)?;
        Ok(kept)
    }

    /// A block with its sealed bytes, where it is here.
    ///
    /// # Errors
    /// Those of the disk; a file that is damaged is one that is not there.
    pub fn read(&self, item: MapItem, part: u32) -> io::Result<Option<(BlockHead, Vec<u8>)>> {
        let Some((head, mut file)) = self.find(item, part)? else { return Ok(None) };
        let mut bytes = vec![0; usize::try_from(head.sealed).map_err(|_| odd())?];
        file.read_exact(&mut bytes)?;
        Ok(Some((head, bytes)))
    }

    /// A block, where it is here, and its file from which its sealed bytes come next.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn find(&self, item: MapItem, part: u32) -> io::Result<Option<(BlockHead, File)>> {
        let spans = self.files().get(&item).cloned().unwrap_or_default();
        for (first, last, _) in spans.into_iter().filter(|(first, last, _)| (*first..=*last).contains(&part)) {
            let path = self.path(item, first, last);
            match find_in(&path, part) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Drops all blocks of a job.
    pub fn drop_job(&self, job: JobId) {
        let gone: Vec<MapItem> = self.files().keys().filter(|item| item.job == job).copied().collect();
        let freed: u64 = gone.iter().filter_map(|item| self.files().remove(item)).flatten().map(|span| span.2).sum();
        if let Err(error) = fs::remove_dir_all(self.0.dir.join(job.to_string())) {
            tracing::debug!(%error, "blocks of a job that is over were not removed");
        }
        self.0.used.fetch_sub(freed, Relaxed);
    }

    /// Drops blocks of jobs whose newest file is older than a day, but for those that are known to run. (C)
    pub fn drop_old(&self, running: &[JobId]) {
        let is_old = |at: &SystemTime| at.elapsed().is_ok_and(|age| age > KEPT_FOR);
        for (at, job) in self.by_age() {
            if is_old(&at) && !running.contains(&job) {
                self.drop_job(job);
            }
        }
    }

    /// Bytes that all of it may take from now on: whole jobs go until it does. (B)
    pub fn shrink(&self, room: u64) {
        self.0.room.store(room, Relaxed);
        let mut jobs = self.by_age().into_iter();
        while self.used() > room
            && let Some((_, job)) = jobs.next()
        {
            tracing::info!(%job, "blocks make room for what the owner, or pieces, need");
            self.drop_job(job);
        }
    }

    /// Jobs with when they were written last, the oldest first.
    fn by_age(&self) -> Vec<(SystemTime, JobId)> {
        let written = |job: &JobId| fs::metadata(self.0.dir.join(job.to_string())).and_then(|meta| meta.modified());
        let jobs = self.jobs().into_iter();
        let mut all: Vec<_> = jobs.map(|job| (written(&job).unwrap_or(SystemTime::UNIX_EPOCH), job)).collect();
        all.sort();
        all
    }

    fn path(&self, item: MapItem, first: u32, last: u32) -> PathBuf {
        let MapItem { job, stage, item, serial } = item;
        self.0.dir.join(job.to_string()).join(format!("{stage}-{item}-{serial:016x}-{first}-{last}"))
    }
}

/// Room that is taken until it is given back or kept. (B)
struct Reserved {
    store: BlockStore,
    len: u64,
}

impl Reserved {
    fn of(store: &BlockStore, len: u64) -> Result<Self, KeepError> {
        let room = store.0.room.load(Relaxed);
        let taken =
            store.0.used.fetch_update(Relaxed, Relaxed, |used| used.checked_add(len).filter(|all| *all <= room));
        match taken {
            Ok(_) => Ok(Self { store: store.clone(), len }),
            Err(used) => Err(KeepError::Full { wanted: len, room: room.saturating_sub(used) }),
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.store.0.used.fetch_sub(self.len, Relaxed);
    }
}

/// Blocks that are coming in; gone when dropped before [`Self::commit`].
pub struct Keeping {
    item: MapItem,
    span: (u32, u32, u64),
    left: u64,
    file: File,
    beside: PathBuf,
    reserved: Reserved,
    is_here: bool,
}

impl Keeping {
    /// Bytes that are still to come.
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Takes bytes of the blocks, in their order.
    ///
    /// # Errors
    /// [`KeepError`]; more bytes than the heads said are [`KeepError::Odd`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), KeepError> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(KeepError::Odd)?;
        Ok(self.file.write_all(bytes)?)
    }

    /// They are all here. (A)
    ///
    /// # Errors
    /// [`KeepError::Odd`] where some are not.
    pub fn commit(mut self) -> Result<(), KeepError> {
        if self.left > 0 {
            return Err(KeepError::Odd);
        }
        let store = self.reserved.store.clone();
        let (first, last, len) = self.span;
        let mut files = store.files();
        fs::rename(&self.beside, store.path(self.item, first, last))?;
        self.is_here = true;
        let spans = files.entry(self.item).or_default();
        // The same once more takes the place of what was there; its room is given back with the guard.
        let before = spans.iter().position(|(f, l, _)| (*f, *l) == (first, last)).map(|at| spans.remove(at));
        spans.push((first, last, len));
        self.reserved.len = before.map_or(0, |(_, _, len)| len);
        Ok(())
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if !self.is_here {
            let _ = fs::remove_file(&self.beside);
        }
    }
}

fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a file of blocks that is none")
}

fn find_in(path: &Path, part: u32) -> io::Result<Option<(BlockHead, File)>> {
    let mut file = File::open(path)?;
    let mut head = [0; HEAD];
    file.read_exact(&mut head)?;
    let count = u32::from_le_bytes(head[4..8].try_into().map_err(|_| odd())?);
    let depth = usize::from(head[8]);
    if head[..4] != *MAGIC || depth > BLOCK_PATH_MAX {
        return Err(odd());
    }
    let width = ENTRY + 32 * depth;
    let mut entry = vec![0; width];
    let (mut low, mut high) = (0u64, u64::from(count));
    while low < high {
        let middle = low + (high - low) / 2;
        file.seek(SeekFrom::Start(HEAD as u64 + middle * width as u64))?;
        file.read_exact(&mut entry)?;
        let found = u32::from_le_bytes(entry[0..4].try_into().map_err(|_| odd())?);
        match found.cmp(&part) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => {
                let u64_at = |at: usize| {
                    Ok::<u64, io::Error>(u64::from_le_bytes(entry[at..at + 8].try_into().map_err(|_| odd())?))
                };
                let (size, at, sealed) = (u64_at(8)?, u64_at(48)?, u64_at(56)?);
                let hash = entry[16..48].try_into().map_err(|_| odd())?;
                let path = entry[ENTRY..].chunks_exact(32).take(usize::from(entry[4]));
                let path = path.map(|hash| hash.try_into().map_err(|_| odd())).collect::<io::Result<_>>()?;
                if at.saturating_add(sealed) > file.metadata()?.len() {
                    return Ok(None);
                }
                file.seek(SeekFrom::Start(at))?;
                return Ok(Some((BlockHead { part, size, hash, sealed, path }, file)));
            }
        }
    }
    Ok(None)
}

fn parse(job: JobId, name: &str) -> Option<(MapItem, u32, u32)> {
    let mut words = name.split('-');
    let (stage, item) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let serial = u64::from_str_radix(words.next()?, 16).ok()?;
    let (first, last) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some((MapItem { job, stage, item, serial }, first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: MapItem = MapItem { job: JobId([3; 16]), stage: 0, item: 5, serial: 77 };

    fn head(part: u32, sealed: u64) -> BlockHead {
        BlockHead { part, size: sealed * 2, hash: [part as u8; 32], sealed, path: vec![[9; 32]; part as usize % 3] }
    }

    fn keep(store: &BlockStore, item: MapItem, parts: &[u32]) -> Result<(), KeepError> {
        let heads: Vec<BlockHead> = parts.iter().map(|part| head(*part, u64::from(*part) + 1)).collect();
        let mut keeping = store.begin(item, &heads)?;
        for part in parts {
            keeping.push(&vec![*part as u8; *part as usize + 1])?;
        }
        keeping.commit()
    }

    #[test]
    fn blocks_are_found_again_also_after_a_start_and_go_with_their_job() {
        let dir = tempfile::tempdir().unwrap();
        let store = BlockStore::open(dir.path().join("b"), 1 << 20).unwrap();
        keep(&store, ITEM, &[0, 1, 2, 7, 9]).unwrap();
        keep(&store, ITEM, &[12, 40]).unwrap();
        keep(&store, MapItem { job: JobId([4; 16]), ..ITEM }, &[3]).unwrap();
        let used = store.used();
        for store in [store, BlockStore::open(dir.path().join("b"), 1 << 20).unwrap()] {
            assert_eq!(store.used(), used);
            for part in [0u32, 1, 2, 7, 9, 12, 40] {
                let found = store.read(ITEM, part).unwrap().unwrap();
                assert_eq!(found, (head(part, u64::from(part) + 1), vec![part as u8; part as usize + 1]));
            }
            for part in [3, 8, 10, 41] {
                assert_eq!(store.read(ITEM, part).unwrap(), None);
            }
            assert_eq!(store.read(MapItem { serial: 78, ..ITEM }, 0).unwrap(), None);
        }
        let store = BlockStore::open(dir.path().join("b"), 1 << 20).unwrap();
        store.shrink(used);
        assert_eq!(store.used(), used);
        store.drop_old(&[]);
        assert_eq!(store.used(), used, "(C) none is a day old");
        let old = SystemTime::now() - KEPT_FOR - Duration::from_secs(60);
        File::open(dir.path().join("b").join(ITEM.job.to_string())).unwrap().set_modified(old).unwrap();
        store.drop_old(&[ITEM.job]);
        assert_eq!(store.used(), used, "(C) it is known to run");
        store.shrink(used - 1);
        assert_eq!(store.jobs(), [JobId([4; 16])], "(B) the one that was not written for longest went");
        assert!(store.used() < used && store.read(ITEM, 0).unwrap().is_none());
    }

    #[test]
    fn there_is_no_more_than_the_room_and_what_did_not_come_whole_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = BlockStore::open(dir.path().join("b"), 450).unwrap();
        keep(&store, ITEM, &[0, 1]).unwrap();
        let used = store.used();
        assert!(matches!(keep(&store, ITEM, &[100, 200]), Err(KeepError::Full { .. })), "(B)");
        assert_eq!(store.used(), used, "(B) nothing stays taken");
        keep(&store, ITEM, &[0, 1]).unwrap();
        assert_eq!(store.used(), used, "the same once more takes no more");
        let mut some = store.begin(MapItem { item: 6, ..ITEM }, &[head(2, 3)]).unwrap();
        some.push(b"ab").unwrap();
        assert!(matches!(some.push(b"cd"), Err(KeepError::Odd)));
        assert!(some.commit().is_err(), "(A)");
        assert_eq!((store.used(), store.read(MapItem { item: 6, ..ITEM }, 2).unwrap()), (used, None));
        assert!(matches!(store.begin(ITEM, &[head(3, 1), head(2, 1)]), Err(KeepError::Odd)));
        assert!(matches!(store.begin(ITEM, &[]), Err(KeepError::Odd)));
        let left: Vec<_> = fs::read_dir(dir.path().join("b").join(ITEM.job.to_string())).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing half written stays");
    }
}
