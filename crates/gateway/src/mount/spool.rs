//! The spool: what was written and is not in the pool yet, sealed on this machine's disk.
//!
//! One folder per mount, locked while it runs; in it one file per file that waits ([`super::log`]). A mount takes over what mounts left
//! behind that ended before all was safe.
//!
//! (A) What was synced is uploaded, whatever ended this process. (B) It takes at most [`SPOOL_BYTES_MAX`], a share of the free disk and
//! [`SPOOL_FILES_MAX`] files; then writing fails with `ENOSPC`.

use super::attr::stamp_of;
use super::cache::Base;
use super::core::now;
use super::errno::{Res, of_io};
use super::file::{File, Spooled};
use super::limits::{SPOOL_BYTES_MAX, SPOOL_FILES_MAX, SPOOL_FREE_SHARE, SPOOLS_MAX};
use super::log::{Head, Reopened, SpoolLog, sync_folder};
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
    /// The highest order that was given, or found.
    order: AtomicU64,
    /// Files that are broken, and set aside.
    bad: AtomicU64,
    /// Files that wait, by where they shall stand.
    files: Mutex<BTreeMap<Place, Arc<File>>>,
    /// Folders of this mount, and their locks, held while it runs; where nothing is written there are none.
    locks: Mutex<Vec<(PathBuf, fs::File)>>,
}

impl Spool {
    /// Opens a spool in `dir`, of a device, on a disk with so many bytes free. Blocking.
    pub fn open(dir: &Path, device: &[u8; 32], free: u64) -> io::Result<Arc<Self>> {
        let make = |dir: &Path| DirBuilder::new().recursive(true).mode(0o700).create(dir);
        make(dir)?;
        dir.parent().map_or(Ok(()), sync_folder)?;
        for number in 0..SPOOLS_MAX {
            let folder = dir.join(number.to_string());
            make(&folder)?;
            let Some(lock) = lock(&folder)? else { continue };
            sync_folder(dir)?;
            let bytes_max = (free / SPOOL_FREE_SHARE).min(SPOOL_BYTES_MAX);
            return Ok(Arc::new(Self::with(folder.clone(), device, bytes_max, vec![(folder, lock)])));
        }
        Err(io::Error::other("too many mounts run"))
    }

    /// The spool of a mount that writes nothing: no folder and no lock are its own.
    pub fn closed(dir: &Path, device: &[u8; 32]) -> Arc<Self> {
        Arc::new(Self::with(dir.to_owned(), device, 0, Vec::new()))
    }

    fn with(dir: PathBuf, device: &[u8; 32], bytes_max: u64, locks: Vec<(PathBuf, fs::File)>) -> Self {
        let (key, bytes, next, order) = (LocalKey::of(device), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let (bad, files, locks) = (AtomicU64::new(0), Mutex::default(), Mutex::new(locks));
        Self { dir, key, bytes, bytes_max, next, order, bad, files, locks }
    }

    /// Takes over what mounts left behind that do not run any more. Blocking.
    pub fn take_over_all(self: &Arc<Self>, now: UnixTime) {
        let mut found = self.recover(&self.dir);
        let all = self.dir.parent().and_then(|dir| fs::read_dir(dir).ok());
        let folders =
            all.into_iter().flatten().flatten().map(|entry| entry.path()).filter(|folder| *folder != self.dir);
        for folder in folders.take(SPOOLS_MAX) {
            if let Ok(Some(lock)) = lock(&folder) {
                self.locks().push((folder.clone(), lock));
                found.extend(self.recover(&folder));
            }
        }
        // Of two for one name, which a rename that was cut off leaves, the one that was named last has it.
        found.sort_by_key(|found| found.head.order);
        let mut last = BTreeMap::new();
        for found in found {
            self.order.fetch_max(found.head.order, Relaxed);
            let place = Place::Name { bucket: found.head.bucket.clone(), name: found.head.name.clone() };
            if let Some(Reopened { mut log, .. }) = last.insert(place, found) {
                log.unname();
            }
        }
        if let Err(error) = self.sync_names() {
            tracing::warn!(%error, "the spool's folder cannot be synced");
        }
        for (place, found) in last {
            self.take_over(place, found, now);
        }
    }

    fn locks(&self) -> MutexGuard<'_, Vec<(PathBuf, fs::File)>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which files are in the spool, and which are not any more, is durable when this returns. Blocking.
    pub fn sync_names(&self) -> io::Result<()> {
        let folders: Vec<PathBuf> = self.locks().iter().map(|(folder, _)| folder.clone()).collect();
        folders.iter().try_for_each(|folder| sync_folder(folder))
    }

    /// The next order: later than all before, also than those of earlier mounts.
    pub fn next_order(&self) -> u64 {
        let now = stamp_of(now()).map_or(0, |now| now.as_ms());
        let last = self.order.fetch_update(Relaxed, Relaxed, |last| Some(now.max(last + 1)));
        let last = last.unwrap_or_else(|last| last);
        now.max(last + 1)
    }

    /// Files that are broken and were set aside.
    pub fn bad(&self) -> u64 {
        self.bad.load(Relaxed)
    }

    /// What lies in a folder; what does not open stays where it is, what is broken is set aside.
    fn recover(&self, folder: &Path) -> Vec<Reopened> {
        let mut all = Vec::new();
        let Ok(entries) = fs::read_dir(folder) else { return all };
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
                Ok(Some(found)) => all.push(found),
                Ok(None) => tracing::warn!("a spooled file does not open with this machine's key; it is left alone"),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::warn!("a spooled file is broken; it is set aside and not uploaded");
                    self.bad.fetch_add(1, Relaxed);
                    if let Err(error) = fs::rename(&path, path.with_extension("bad")) {
                        tracing::warn!(%error, "it cannot be set aside");
                    }
                }
                Err(error) => tracing::warn!(%error, "a spooled file cannot be read"),
            }
        }
        all
    }

    fn take_over(self: &Arc<Self>, place: Place, found: Reopened, now: UnixTime) {
        let Reopened { log, head, overlay } = found;
        let base = head.base.as_ref().map(|base| Base::new(&head.bucket, &base.name, base.version, base.size));
        let ctime = head.told.unix.mtime.unwrap_or(now);
        let file = File::recovered(&place, base, Spooled::new(self, log, overlay, head.told, ctime));
        self.files().insert(place, file);
    }

    /// A new file of the spool, over `base` where it had a content; blocking.
    pub fn create(self: &Arc<Self>, head: &Head, overlay: Overlay, told: Told, now: UnixTime) -> Res<Spooled> {
        self.room()?;
        let path = self.dir.join(self.next.fetch_add(1, Relaxed).to_string());
        let head = Head { order: self.next_order(), ..head.clone() };
        let log = SpoolLog::create(&path, &self.key, &head).map_err(|error| of_io(&error))?;
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
        put(&first, "a", b"safe").sync(Some(&place("a")), None).unwrap();
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

    #[tokio::test]
    async fn of_two_for_one_name_the_one_that_was_named_last_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let (first, other) = (open(dir.path()), open(dir.path()));
        // A rename over a file that waits, cut off before that one is removed; once in each order of their numbers, and across folders.
        let (mut a, mut b) = (put(&first, "tmp", b"new a"), put(&first, "a", b"old"));
        let mut c = put(&other, "b", b"old");
        std::thread::sleep(std::time::Duration::from_millis(2));
        let mut d = put(&first, "b", b"new b");
        a.placed(&place("a"), None, None).unwrap();
        for file in [&mut b, &mut c, &mut d] {
            file.sync(Some(&place("any")), None).unwrap();
        }
        drop((a, b, c, d, first, other));
        for _ in 0..2 {
            let next = open(dir.path());
            assert_eq!(next.files().len(), 2);
            for name in ["a", "b"] {
                let state = next.at(&place(name)).unwrap().held().await;
                let bytes = state.spooled.as_ref().unwrap().read(0..9).unwrap();
                assert_eq!(bytes[0].1, format!("new {name}").into_bytes());
            }
            let left = |number: &str| fs::read_dir(dir.path().join(number)).unwrap().count();
            assert_eq!((left("0"), left("1")), (3, 1), "the others are gone for good");
            assert!(next.next_order() < next.next_order());
            next.files().clear(); // they hold their spool, and it its lock
        }
    }

    #[test]
    fn what_does_not_open_or_is_broken_stays_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path());
        for name in ["a", "b"] {
            put(&first, name, b"safe").sync(Some(&place(name)), None).unwrap();
        }
        drop(first);
        let other = Spool::open(dir.path(), &[2; 32], 1 << 30).unwrap();
        other.take_over_all((5, 0));
        assert_eq!((other.files().len(), other.bad()), (0, 0));
        drop(other);
        let path = dir.path().join("0/0");
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() - 200;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let next = open(dir.path());
        assert_eq!((next.files().len(), next.bad()), (1, 1), "the right key opens what is whole");
        assert_eq!(fs::read(path.with_extension("bad")).unwrap(), bytes);
    }

    #[test]
    fn a_mount_that_writes_nothing_takes_no_folder() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::closed(dir.path(), &[1; 32]);
        assert_eq!((fs::read_dir(dir.path()).unwrap().count(), spool.room().is_err()), (0, true));
        spool.sync_names().unwrap();
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
        let (len, blocks) = (file.overlay.len(), file.overlay.clone());
        file.break_log();
        assert!(file.cut(5, (7, 0)).is_err());
        assert_eq!((file.overlay.len(), file.overlay == blocks), (len, true), "what fails changes nothing");
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
