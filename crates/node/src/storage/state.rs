//! What is held, in memory: one row a piece (about 150 bytes) and one a log. The index file is its durable copy.

use super::disk::Disk;
use super::entry::{self, BLOCK, PieceKey, PieceMeta};
use super::error::{StoreError, io};
use model::{PgId, SegmentId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use wire::storage::Locator;

/// How far the stored bytes are known to be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// Written by this store or read and verified since.
    Verified,
    /// Found by its header in a rebuild; its bytes were not read yet.
    Unchecked,
    /// Read and found wrong.
    Damaged,
}

/// Where a piece lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub pg: PgId,
    pub log: u32,
    pub offset: u64,
    pub len: u64,
    pub seq: u64,
    pub trashed_at: Option<u64>,
    /// Log of the same group with the word that put it into the trash, or took it out; 0 when its header says so.
    pub word: u32,
    pub health: Health,
}

impl Place {
    /// The same piece without its bytes: no log has the number 0.
    pub fn lost(self) -> Self {
        Self { log: 0, word: 0, health: Health::Damaged, ..self }
    }
}

/// A log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Log {
    pub salt: [u8; 32],
    /// Bytes that are durable and known to the index.
    pub len: u64,
    /// Bytes of held pieces in it.
    pub alive: u64,
    /// Bytes of words about held pieces that count.
    pub words: u64,
    /// Bytes of removals.
    pub removals: u64,
    /// A copy in it was replaced by one in another group, so that no word of its own group says it is dead.
    pub left_behind: bool,
    /// Takes nothing more.
    pub closed: bool,
    /// Could not be synced once: what stands behind its end was refused and does not come back.
    pub failed: bool,
}

impl Log {
    /// A log that holds nothing yet.
    pub fn new(salt: [u8; 32]) -> Self {
        Self { salt, len: BLOCK, alive: 0, words: 0, removals: 0, left_behind: false, closed: false, failed: false }
    }
    /// Bytes after its head.
    pub fn body(&self) -> u64 {
        self.len.saturating_sub(BLOCK)
    }
    /// Bytes of copies and words that count no more.
    pub fn dead(&self) -> u64 {
        self.body().saturating_sub(self.alive + self.words + self.removals)
    }
}

/// Names a log: group and number. Numbers grow with time, also across groups.
pub(super) type LogKey = (PgId, u32);

/// Everything held.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub pieces: BTreeMap<PieceKey, Place>,
    /// Locators of the pieces of bucket logs; a piece that is put anew keeps its own.
    locators: BTreeMap<PieceKey, Locator>,
    /// The same by locator.
    located: BTreeSet<(Locator, PieceKey)>,
    pub logs: BTreeMap<LogKey, Log>,
    pub reserved: u64,
    pub lent: u64,
    pub next_seq: u64,
    pub next_log: u32,
}

impl Held {
    pub fn disk_bytes(&self) -> u64 {
        self.logs.values().map(|log| log.len).sum()
    }
    /// Holds a piece there; the log of another group it leaves a copy in, when there is one.
    pub fn put(&mut self, key: PieceKey, place: Place) -> Option<LogKey> {
        let left = self.take(key).filter(|old| old.pg != place.pg).map(|old| (old.pg, old.log));
        if let Some(log) = left.and_then(|key| self.logs.get_mut(&key)) {
            log.left_behind = true;
        }
        if let Some(log) = self.logs.get_mut(&(place.pg, place.log)) {
            log.alive += entry::piece_disk_len(place.len);
        }
        if let Some(log) = self.logs.get_mut(&(place.pg, place.word)) {
            log.words += BLOCK;
        }
        self.pieces.insert(key, place);
        left
    }
    /// A piece's label shows a locator, or none.
    pub fn locate(&mut self, key: PieceKey, locator: Option<Locator>) {
        if let Some(old) = self.locators.remove(&key) {
            self.located.remove(&(old, key));
        }
        if let Some(locator) = locator {
            self.locators.insert(key, locator);
            self.located.insert((locator, key));
        }
    }
    /// What its label shows.
    pub fn locator(&self, key: PieceKey) -> Option<Locator> {
        self.locators.get(&key).copied()
    }
    /// Pieces that bear a locator and are neither damaged nor in the trash, after one of them, at most `limit`.
    pub fn located(&self, locator: Locator, after: Option<PieceKey>, limit: usize) -> Vec<PieceKey> {
        let first = PieceKey { segment: SegmentId([0; 32]), index: 0 };
        let from = after.map_or(Bound::Included((locator, first)), |key| Bound::Excluded((locator, key)));
        let of = self.located.range((from, Bound::Unbounded)).take_while(|(of, _)| *of == locator).map(|(_, key)| *key);
        let stands = |p: &Place| p.health != Health::Damaged && p.trashed_at.is_none();
        of.filter(|key| self.pieces.get(key).is_some_and(stands)).take(limit).collect()
    }
    /// A word about a held piece stands in `log` of its group.
    pub fn note(&mut self, key: PieceKey, log: u32, trashed_at: Option<u64>) {
        if let Some(place) = self.take(key) {
            let _ = self.put(key, Place { trashed_at, word: log, ..place });
        }
    }
    /// The bytes of a piece are gone; it stays known as damaged until it is removed.
    pub fn lose(&mut self, key: PieceKey) {
        if let Some(place) = self.take(key) {
            let _ = self.put(key, place.lost());
        }
    }
    pub fn take(&mut self, key: PieceKey) -> Option<Place> {
        let old = self.pieces.remove(&key)?;
        if let Some(log) = self.logs.get_mut(&(old.pg, old.log)) {
            log.alive = log.alive.saturating_sub(entry::piece_disk_len(old.len));
        }
        if let Some(log) = self.logs.get_mut(&(old.pg, old.word)) {
            log.words = log.words.saturating_sub(BLOCK);
        }
        Some(old)
    }
}

/// What all threads of one store share.
pub(super) struct Shared {
    pub disk: Arc<dyn Disk>,
    pub dir: PathBuf,
    pub held: Mutex<Held>,
    /// Read: while bytes of a log are read. Write: while a log is cut or removed.
    pub moving: RwLock<()>,
    /// Commits on their way to the writer.
    pub committing: AtomicUsize,
}

impl Shared {
    pub fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn place(&self, key: PieceKey) -> Option<Place> {
        self.held().pieces.get(&key).copied()
    }
    pub fn salt(&self, place: &Place) -> Option<[u8; 32]> {
        self.held().logs.get(&(place.pg, place.log)).map(|log| log.salt)
    }
    pub fn pg_dir(&self, pg: PgId) -> PathBuf {
        pg_dir(&self.dir, pg)
    }
    pub fn log_path(&self, key: LogKey) -> PathBuf {
        self.pg_dir(key.0).join(format!("{:08x}.log", key.1))
    }
    /// The header of a held piece; [`StoreError::Damaged`] when it is not there any more.
    pub fn meta(&self, key: PieceKey, place: &Place) -> Result<PieceMeta, StoreError> {
        let salt = self.salt(place).ok_or(StoreError::Missing(key))?;
        let mut block = vec![0; entry::BLOCK as usize];
        let path = self.log_path((place.pg, place.log));
        read_or_damaged(&*self.disk, key, &path, place.offset, &mut block)?;
        match entry::decode_header(&block, place.pg, &salt, place.offset) {
            Some((_, entry::Entry::Piece { meta, .. })) if meta.key() == key && meta.len == place.len => Ok(*meta),
            _ => Err(StoreError::Damaged(key)),
        }
    }
    /// Header and body of a held piece, verified whole.
    pub fn verified(&self, key: PieceKey, place: &Place) -> Result<(PieceMeta, Vec<u8>), StoreError> {
        let meta = self.meta(key, place)?;
        let body_len = entry::piece_disk_len(place.len) - entry::BLOCK;
        let mut body = vec![0; usize::try_from(body_len).expect("a piece fits memory")];
        let path = self.log_path((place.pg, place.log));
        read_or_damaged(&*self.disk, key, &path, place.offset + entry::BLOCK, &mut body)?;
        if entry::body_verifies(&meta, &body) { Ok((meta, body)) } else { Err(StoreError::Damaged(key)) }
    }
}

/// A file that ends early or a sector that cannot be read is damage of this piece; other errors are the disk's.
pub(super) fn read_or_damaged(
    disk: &dyn Disk,
    key: PieceKey,
    path: &Path,
    offset: u64,
    buf: &mut [u8],
) -> Result<(), StoreError> {
    disk.read_at(path, offset, buf).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::NotFound => StoreError::Damaged(key),
        _ if error.raw_os_error() == Some(nix::libc::EIO) => StoreError::Damaged(key),
        _ => io("read a piece")(error),
    })
}

pub(super) fn pg_dir(dir: &Path, pg: PgId) -> PathBuf {
    dir.join(format!("pg-{:08x}", pg.0))
}
