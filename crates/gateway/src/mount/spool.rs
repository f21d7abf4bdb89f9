//! The spool: what was written and is not in the pool yet, sealed on this machine's disk.
//!
//! One folder per mount, locked while it runs; in it one file per file that waits ([`super::log`]). A mount takes over what mounts left
//! behind that ended before all was safe.
//!
//! (A) What was synced is uploaded, whatever ended this process. (B) It takes at most [`SPOOL_BYTES_MAX`], a share of the free disk and
//! [`SPOOL_FILES_MAX`] files; then writing fails with `ENOSPC`.

use super::cache::Base;
use super::errno::{Res, of_io};
use super::file::{File, Spooled};
use super::limits::{SPOOL_BYTES_MAX, SPOOL_FILES_MAX, SPOOL_FREE_SHARE, SPOOLS_MAX};
use super::log::{Head, Reopened, SpoolLog};
use super::overlay::Overlay;
use super::told::Told;
use crate::dav::place::Place;
use client::{LocalKey, UnixTime};
use fuser::Errno;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A mount's lock, in its folder.
const LOCK: &str = "lock";

/// The spool.
pub(super) struct Spool {
    dir: PathBuf,
    key: LocalKey,
    bytes: AtomicU64,
    bytes_max: u64,
    next: AtomicU64,
    /// Files that wait, by where they shall stand.
    files: Mutex<BTreeMap<Place, Arc<File>>>,
    /// Held while this mount runs.
    locks: Mutex<Vec<fs::File>>,
}

impl Spool {
    /// Opens a spool in `dir`, of a device, on a disk with so many bytes free. Blocking.
    pub fn open(dir: &Path, device: &[u8; 32], free: u64) -> io::Result<Arc<Self>> {
        let make = |dir: &Path| DirBuilder::new().recursive(true).mode(0o700).create(dir);
        make(dir)?;
        for number in 0..SPOOLS_MAX {
            let folder = dir.join(number.to_string());
            make(&folder)?;
            let Some(lock) = lock(&folder)? else { continue };
            return Ok(Arc::new(Self {
                dir: folder,
                key: LocalKey::of(device),
                bytes: AtomicU64::new(0),
                bytes_max: (free / SPOOL_FREE_SHARE).min(SPOOL_BYTES_MAX),
                next: AtomicU64::new(0),
                files: Mutex::default(),
                locks: Mutex::new(vec![lock]),
            }));
        }
        Err(io::Error::other("too many mounts run"))
    }

    /// Takes over what mounts left behind that do not run any more. Blocking.
    pub fn take_over_all(self: &Arc<Self>, now: UnixTime) {
        self.recover(&self.dir, now);
        let all = self.dir.parent().and_then(|dir| fs::read_dir(dir).ok());
        let folders =
            all.into_iter().flatten().flatten().map(|entry| entry.path()).filter(|folder| *folder != self.dir);
        for folder in folders.take(SPOOLS_MAX) {
            if let Ok(Some(lock)) = lock(&folder) {
                self.locks.lock().unwrap_or_else(PoisonError::into_inner).push(lock);
                self.recover(&folder, now);
            }
        }
    }

    /// Takes over what lies in a folder; what does not open stays where it is.
    fn recover(self: &Arc<Self>, folder: &Path, now: UnixTime) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let number = path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
            let Some(number) = number else {
                if path.extension().is_some_and(|end| end == "new") {
                    let _ = fs::remove_file(&path); // was being written anew; the old one is there
                }
                continue;
            };
            if *folder == self.dir {
                self.next.fetch_max(number + 1, Relaxed);
            }
            match SpoolLog::open(&path, &self.key) {
                Ok(Some(found)) => self.take_over(found, now),
                Ok(None) => tracing::warn!("a spooled file does not open with this machine's key; it is left alone"),
                Err(error) => tracing::warn!(%error, "a spooled file cannot be read"),
            }
        }
    }

    fn take_over(self: &Arc<Self>, found: Reopened, now: UnixTime) {
        let Reopened { log, head, overlay } = found;
        let base = head.base.as_ref().map(|base| Base::new(&head.bucket, &base.name, base.version, base.size));
        let place = Place::Name { bucket: head.bucket, name: head.name };
        let ctime = head.told.unix.mtime.unwrap_or(now);
        let file = File::spooled(&place, base, Spooled::new(self, log, overlay, head.told, ctime));
        self.files().insert(place, file);
    }

    /// A new file of the spool, over `base` where it had a content; blocking.
    pub fn create(self: &Arc<Self>, head: &Head, overlay: Overlay, told: Told, now: UnixTime) -> Res<Spooled> {
        self.room()?;
        let path = self.dir.join(self.next.fetch_add(1, Relaxed).to_string());
        let log = SpoolLog::create(&path, &self.key, head).map_err(|error| of_io(&error))?;
        Ok(Spooled::new(self, log, overlay, told, now))
    }

    /// Files that wait.
    pub fn files(&self) -> MutexGuard<'_, BTreeMap<Place, Arc<File>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file that waits to stand at a place.
    pub fn at(&self, place: &Place) -> Option<Arc<File>> {
        self.files().get(place).cloned()
    }

    /// Files that wait to stand in a folder or below it.
    pub fn below(&self, folder: &Place) -> Vec<(Place, Arc<File>)> {
        let files = self.files();
        let is_below = |place: &Place| place != folder && place.moved(folder, folder).is_some();
        files
            .iter()
            .filter(|(place, _)| is_below(place))
            .map(|(place, file)| (place.clone(), Arc::clone(file)))
            .collect()
    }

    /// The same file does not wait there any more.
    pub fn left(&self, place: &Place, file: &Arc<File>) {
        let mut files = self.files();
        if files.get(place).is_some_and(|there| Arc::ptr_eq(there, file)) {
            files.remove(place);
        }
    }

    /// Refuses where the spool is full (B).
    pub fn room(&self) -> Res<()> {
        let is_full = self.bytes.load(Relaxed) >= self.bytes_max || self.files().len() >= SPOOL_FILES_MAX;
        if is_full { Err(Errno::ENOSPC) } else { Ok(()) }
    }

    /// A file of the spool has another size.
    pub fn grew(&self, before: u64, after: u64) {
        let _ = self.bytes.fetch_update(Relaxed, Relaxed, |all| Some(all.saturating_sub(before) + after));
    }

    /// Bytes of it that are left.
    pub fn free(&self) -> u64 {
        self.bytes_max.saturating_sub(self.bytes.load(Relaxed))
    }
}

/// Locks a mount's folder, unless it runs.
fn lock(folder: &Path) -> io::Result<Option<fs::File>> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(folder.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::file::head_of;

    fn place(name: &str) -> Place {
        Place::Name { bucket: "b".into(), name: name.into() }
    }

    fn open(dir: &Path) -> Arc<Spool> {
        let spool = Spool::open(dir, &[1; 32], 1 << 30).unwrap();
        spool.take_over_all((5, 0));
        spool
    }

    fn put(spool: &Arc<Spool>, name: &str, bytes: &[u8]) -> Spooled {
        let head = head_of(&place(name), None, 0, &Told::default());
        let mut file = spool.create(&head, Overlay::default(), Told::default(), (5, 0)).unwrap();
        let touches = file.overlay.writes(0, bytes.len());
        file.write(&touches, BTreeMap::new(), bytes, (6, 0)).unwrap();
        file
    }

    #[tokio::test]
    async fn what_was_synced_is_found_by_the_next_mount_and_by_no_other_that_runs() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path());
        put(&first, "a", b"safe").sync().unwrap();
        put(&first, "b", b"gone").unname();
        let beside = open(dir.path());
        assert!(beside.files().is_empty(), "the first still runs");
        drop(first);
        let next = open(dir.path());
        let file = next.at(&place("a")).expect("it is found");
        assert_eq!(next.files().len(), 1);
        let state = file.held().await;
        let spooled = state.spooled.as_ref().unwrap();
        assert_eq!(spooled.read(0..9).unwrap()[0].1, b"safe");
        assert_eq!(spooled.told.unix.mtime, Some((6, 0)));
    }

    #[test]
    fn a_full_spool_refuses_and_has_room_again() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), &[1; 32], 2 << 20).unwrap();
        let mut file = put(&spool, "a", b"x");
        let block = vec![7; 64 << 10];
        let wrote = (0..64).find_map(|at| {
            let touches = file.overlay.writes(at << 16, block.len());
            file.write(&touches, BTreeMap::new(), &block, (6, 0)).err()
        });
        assert_eq!(wrote.map(|no| no.code()), Some(Errno::ENOSPC.code()));
        drop(file);
        assert_eq!(spool.free(), 1 << 20);
    }

    #[test]
    fn what_lies_below_a_folder_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path());
        for name in ["a", "f/b", "f/g/c", "fa"] {
            let file = File::spooled(&place(name), None, put(&spool, name, b"x"));
            spool.files().insert(place(name), file);
        }
        let names: Vec<Place> = spool.below(&place("f")).into_iter().map(|(place, _)| place).collect();
        assert_eq!(names, [place("f/b"), place("f/g/c")]);
    }
}
