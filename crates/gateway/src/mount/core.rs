//! What all requests of a mount share, and what they are made of: what stands at a place, and how a content is changed.

use super::attr::{Owner, Shape, unix_of};
use super::cache::{Ahead, Cache};
use super::errno::{Res, of_client, of_io};
use super::file::{File, Held, head_of};
use super::limits::{NAME_BYTES_MAX, PART_BYTES_MAX, SHOWN_KEPT, TIMES_KEPT, UPLOADS_MAX};
use super::names::Names;
use super::overlay::{Overlay, Source};
use super::spool::Spool;
use super::table::Table;
use super::told::Told;
use crate::buckets::Buckets;
use crate::dav::place::{Place, is_part};
use client::{Bucket, Client, ClientError, Entry, Kid, Shown, UnixTime};
use fuser::{Errno, FileType};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::Semaphore;

/// When `fsync` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// What was written is durable on this machine, and is uploaded whatever ends this process.
    #[default]
    Staged,
    /// Holders have it.
    Pool,
}

/// A folder or a file that is open.
pub(super) enum Handle {
    File { file: Arc<File>, number: u64, is_writer: bool, ahead: Mutex<Ahead> },
    Folder(Arc<Vec<Line>>),
}

/// A line of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub number: u64,
    pub kind: FileType,
    pub name: String,
}

/// What stands at a place.
pub(super) enum Found {
    /// A file that waits in the spool.
    Spooled(Arc<File>),
    /// An object that is no folder.
    Object(Box<Entry>),
    /// A folder, with its marker where it has one.
    Folder(Option<Box<Entry>>),
}

/// What all requests share.
pub(super) struct Core {
    pub buckets: Arc<Buckets>,
    pub names: Names,
    pub cache: Cache,
    pub spool: Arc<Spool>,
    pub table: Mutex<Table>,
    pub handles: Mutex<BTreeMap<u64, Arc<Handle>>>,
    pub next_handle: AtomicU64,
    pub owner: Owner,
    pub is_read_only: bool,
    pub sync: Sync,
    /// What is mounted.
    pub root: Place,
    pub mounted: UnixTime,
    /// Held by who changes names.
    pub naming: tokio::sync::Mutex<()>,
    /// Times of folders in which this mount changed something.
    pub times: Mutex<BTreeMap<Place, UnixTime>>,
    /// What was told of versions.
    pub shown: Mutex<BTreeMap<[u8; 16], Arc<Shown>>>,
    /// Turns to upload.
    pub uploads: Arc<Semaphore>,
    /// Waits of `fsync` for holders.
    pub waits: Arc<Semaphore>,
    /// Names that were given to files of an earlier mount because theirs was taken, and not told yet.
    pub conflicts: Mutex<Vec<String>>,
    /// It ends: what waits is uploaded at once.
    pub ending: tokio::sync::watch::Sender<bool>,
}

/// What a lock guards, whatever became of who had it last.
pub(super) fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time now.
pub(super) fn now() -> UnixTime {
    unix_of(SystemTime::now())
}

/// Runs what waits for the disk where nobody else waits for it.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Res<T> + Send + 'static) -> Res<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Errno::EIO))
}

/// Turns to upload, for a new mount.
pub(super) fn turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(UPLOADS_MAX))
}

impl Core {
    pub fn client(&self) -> &Client {
        &self.buckets.client
    }

    /// A bucket that is there.
    pub async fn bucket(&self, place: &Place) -> Res<Bucket> {
        let name = place.bucket().ok_or(Errno::EPERM)?;
        self.buckets.open(name).await.map_err(|error| of_client(&error))
    }

    /// The number for an error of something at a place.
    pub fn no(&self, place: &Place, error: &ClientError) -> Errno {
        self.buckets.saw(place.bucket().unwrap_or_default(), error);
        tracing::debug!(%error, "a request of the mount came to nothing");
        of_client(error)
    }

    /// The place of a number.
    pub fn place(&self, number: u64) -> Res<Place> {
        locked(&self.table).place(number).ok_or(Errno::ENOENT)
    }

    /// The place of a name in a folder.
    pub fn place_in(&self, above: u64, name: &OsStr) -> Res<Place> {
        let folder = self.place(above)?;
        if name.len() > PART_BYTES_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let part = name.to_str().filter(|part| is_part(part)).ok_or(Errno::EINVAL)?;
        if matches!(folder, Place::Bucket(_)) && part == ".pumasi" {
            return Err(Errno::ENOENT); // the program's own names are nowhere
        }
        let place = folder.child(part);
        match &place {
            Place::Name { name, .. } if name.len() > NAME_BYTES_MAX => Err(Errno::ENAMETOOLONG),
            _ => Ok(place),
        }
    }

    /// What stands at a place.
    pub async fn find(&self, place: &Place) -> Res<Found> {
        if let Some(file) = self.spool.at(place) {
            return Ok(Found::Spooled(file));
        }
        if *place == self.root {
            return Ok(Found::Folder(self.marker_of_root().await));
        }
        match self.names.kids(&place.parent()).await?.get(place.shown()) {
            Some(Kid::File(entry)) => Ok(Found::Object(Box::new(entry.clone()))),
            Some(Kid::Folder(marker)) => Ok(Found::Folder(marker.clone().map(Box::new))),
            None => Err(Errno::ENOENT),
        }
    }

    /// What is mounted is there, whatever can be told of it.
    async fn marker_of_root(&self) -> Option<Box<Entry>> {
        let Place::Name { .. } = &self.root else { return None };
        match self.names.kids(&self.root.parent()).await.ok()?.get(self.root.shown()) {
            Some(Kid::Folder(marker)) => marker.clone().map(Box::new),
            _ => None,
        }
    }

    /// What is shown of what stands at a place.
    pub async fn shape(&self, place: &Place, found: &Found) -> Res<Shape> {
        match found {
            Found::Spooled(file) => file.held().await.shape(),
            Found::Object(entry) => Ok(Shape::of(entry)),
            Found::Folder(marker) => {
                let mut shape = Shape::folder(marker.as_deref(), self.mounted);
                if let Some(at) = locked(&self.times).get(place) {
                    shape.ctime = (*at).max(shape.ctime);
                    shape.unix.mtime = Some(*at);
                }
                Ok(shape)
            }
        }
    }

    /// What lies in a folder changed now.
    pub fn touched(&self, folder: &Place) {
        let mut times = locked(&self.times);
        if times.len() >= TIMES_KEPT {
            times.clear();
        }
        times.insert(folder.clone(), now());
    }

    /// What is told of an object.
    pub async fn shown(&self, place: &Place, entry: &Entry) -> Res<Arc<Shown>> {
        if let Some(shown) = locked(&self.shown).get(&entry.version) {
            return Ok(Arc::clone(shown));
        }
        let bucket = self.bucket(place).await?;
        let shown = self.client().show(&bucket, &entry.name, Some(entry.version)).await;
        let shown = Arc::new(shown.map_err(|error| self.no(place, &error))?);
        let mut kept = locked(&self.shown);
        if kept.len() >= SHOWN_KEPT {
            kept.clear();
        }
        kept.insert(entry.version, Arc::clone(&shown));
        Ok(shown)
    }

    /// The file of a number that stands at a place: the one that is open, where it still is what is there.
    pub async fn file_at(&self, number: u64, place: &Place) -> Res<Arc<File>> {
        let entry = match self.find(place).await? {
            Found::Spooled(file) => return Ok(file),
            Found::Folder(_) => return Err(Errno::EISDIR),
            Found::Object(entry) => entry,
        };
        let open = locked(&self.table).file(number);
        if let Some(open) = open {
            let state = open.held().await;
            let is_same = state.entry.as_ref().is_some_and(|known| known.version == entry.version);
            if state.place.as_ref() == Some(place) && (state.spooled.is_some() || is_same) {
                drop(state);
                return Ok(open);
            }
            drop(state);
            if self.is_still(place, &open).await {
                return Ok(open);
            }
            locked(&self.table).parted(number);
            return Err(Errno::ESTALE); // then the system asks for the name, and gets another number
        }
        Ok(File::clean(place, &entry))
    }

    /// Makes a file one that waits in the spool, if it is not yet.
    pub async fn spooled(&self, file: &Arc<File>, mut state: Held) -> Res<Held> {
        if state.spooled.is_some() {
            return Ok(state);
        }
        if self.is_read_only {
            return Err(Errno::EROFS);
        }
        let (Some(base), Some(entry)) = (state.base.clone(), state.entry.clone()) else { return Err(Errno::ESTALE) };
        let place = state.place.clone();
        let at = place.clone().unwrap_or_else(|| Place::Name { bucket: base.bucket.clone(), name: base.name.clone() });
        let told = Told::of(&*self.shown(&at, &entry).await?);
        let (spool, mine) = (Arc::clone(&self.spool), Arc::clone(file));
        blocking(move || {
            if let Some(place) = &place {
                let mut files = spool.files();
                if files.get(place).is_some_and(|there| !Arc::ptr_eq(there, &mine)) {
                    return Err(Errno::ESTALE); // another content of this name waits already
                }
                files.insert(place.clone(), Arc::clone(&mine));
            }
            let head = head_of(&at, Some(&base), base.size, &told);
            let ctime = now();
            match spool.create(&head, Overlay::over(base.size), told, ctime) {
                Ok(mut spooled) => {
                    spooled.safe = spooled.changes;
                    if place.is_none() {
                        spooled.unname(); // nobody can find it any more, and nobody shall
                    }
                    state.spooled = Some(spooled);
                    Ok(state)
                }
                Err(no) => {
                    place.iter().for_each(|place| spool.left(place, &mine));
                    Err(no)
                }
            }
        })
        .await
    }

    /// Reads a range of a file; up to `ahead` of what is in the pool it is read beside.
    pub async fn read(&self, file: &File, range: Range<u64>, ahead: u64) -> Res<Vec<u8>> {
        let state = file.held().await;
        let range = range.start..range.end.min(state.size());
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let base = state.base.clone();
        if state.spooled.is_none() {
            drop(state);
            return self.cache.read(&base.ok_or(Errno::ESTALE)?, range, ahead).await;
        }
        let own = blocking(move || {
            let spooled = state.spooled.as_ref().ok_or(Errno::ESTALE)?;
            spooled.read(range).map_err(|error| of_io(&error))
        })
        .await?;
        let mut out = Vec::new();
        for (touch, mut bytes) in own {
            if let (Source::Base(range), Some(base)) = (&touch.from, &base) {
                bytes = self.cache.read(base, range.clone(), range.end).await?;
            }
            bytes.resize(touch.bytes.len(), 0);
            out.extend_from_slice(&bytes);
        }
        Ok(out)
    }

    /// Puts bytes into a file.
    pub async fn write(&self, file: &Arc<File>, offset: u64, bytes: Vec<u8>) -> Res<()> {
        let mut state = self.spooled(file, file.held().await).await?;
        let Some(spooled) = &state.spooled else { return Err(Errno::ESTALE) };
        let touches = spooled.overlay.writes(offset, bytes.len());
        let mut bases = BTreeMap::new();
        for touch in &touches {
            if let (Source::Base(range), Some(base)) = (&touch.from, &state.base) {
                bases.insert(touch.block, self.cache.read(base, range.clone(), range.end).await?);
            }
        }
        blocking(move || {
            let (base, place) = (state.base.clone(), state.place.clone());
            let spooled = state.spooled.as_mut().ok_or(Errno::ESTALE)?;
            spooled.write(&touches, bases, &bytes, now())?;
            match place {
                Some(place) => spooled.tidy(&place, base.as_deref()),
                None => Ok(()),
            }
        })
        .await
    }

    /// Lets a file end elsewhere.
    pub async fn cut(&self, file: &Arc<File>, len: u64) -> Res<()> {
        let mut state = self.spooled(file, file.held().await).await?;
        blocking(move || match &mut state.spooled {
            Some(spooled) => spooled.cut(len, now()),
            None => Err(Errno::ESTALE),
        })
        .await
    }
}
