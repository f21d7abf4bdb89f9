//! A file that is open, or that waits to be uploaded: the content it had, what was written over it, and what is told of it.
//!
//! (A) What was written is read back at once, by everybody. (B) Its content in the spool is only added to: an upload reads the moment
//! at which it began, whatever is written meanwhile.

use super::attr::Shape;
use super::cache::Base;
use super::errno::{Res, of_io};
use super::limits::PENDING_BLOCKS_MAX;
use super::log::{BaseHead, Head, SpoolLog, Spots};
use super::overlay::{Overlay, Source, Touch, patched};
use super::spool::Spool;
use super::told::Told;
use super::upload::Job;
use crate::dav::place::Place;
use client::{Entry, UnixTime};
use fuser::{Errno, FileType};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

/// A file; clones of its state's lock share it.
pub(super) struct File {
    state: Arc<Mutex<State>>,
    /// Counts ends of uploads.
    pub turns: watch::Sender<u64>,
}

/// What a file is now.
pub(super) struct State {
    /// Where it stands; nowhere once it lost its name.
    pub place: Option<Place>,
    /// The content it had.
    pub base: Option<Arc<Base>>,
    /// The object it is, while nothing was changed.
    pub entry: Option<Entry>,
    /// What was changed of it.
    pub spooled: Option<Spooled>,
    /// Handles that read it, and that write it.
    pub handles: u32,
    pub writers: u32,
    /// Its upload.
    pub job: Option<Job>,
    /// It is uploaded though it is open.
    pub is_urgent: bool,
    /// What an upload failed with, for whoever closes or syncs it next.
    pub failed: Option<Errno>,
}

/// What was changed of a file.
pub(super) struct Spooled {
    pub overlay: Overlay,
    pub told: Told,
    pub ctime: UnixTime,
    /// The last change of the content, among those of all files.
    pub changes: u64,
    /// The last change that the pool has.
    pub safe: u64,
    /// Counts changes of what is told.
    pub tellings: u64,
    log: SpoolLog,
    /// Blocks that are not written down yet.
    pending: BTreeMap<u64, Vec<u8>>,
    /// What is told is not written down yet.
    is_untold: bool,
    spool: Arc<Spool>,
}

/// A file at the moment its upload begins.
pub(super) struct Moment {
    pub place: Place,
    pub base: Option<Arc<Base>>,
    pub overlay: Overlay,
    pub told: Told,
    pub spots: Spots,
    pub changes: u64,
    pub tellings: u64,
}

/// A file's state, held.
pub(super) type Held = OwnedMutexGuard<State>;

impl File {
    /// An object that is there.
    pub fn clean(place: &Place, entry: &Entry) -> Arc<Self> {
        let bucket = place.bucket().unwrap_or_default();
        let base = Base::new(bucket, &entry.name, entry.version, entry.size.0);
        Self::with(State { base: Some(base), entry: Some(entry.clone()), ..State::at(place) })
    }

    /// One that is in the spool.
    pub fn spooled(place: &Place, base: Option<Arc<Base>>, spooled: Spooled) -> Arc<Self> {
        Self::with(State { base, spooled: Some(spooled), ..State::at(place) })
    }

    fn with(state: State) -> Arc<Self> {
        Arc::new(Self { state: Arc::new(Mutex::new(state)), turns: watch::Sender::new(0) })
    }

    /// Its state, when nobody else has it.
    pub async fn held(&self) -> Held {
        Arc::clone(&self.state).lock_owned().await
    }

    /// An upload ended, or will not be.
    pub fn turn(&self) {
        self.turns.send_modify(|turns| *turns += 1);
    }
}

impl State {
    fn at(place: &Place) -> Self {
        Self {
            place: Some(place.clone()),
            base: None,
            entry: None,
            spooled: None,
            handles: 0,
            writers: 0,
            job: None,
            is_urgent: false,
            failed: None,
        }
    }

    /// What is shown of it.
    pub fn shape(&self) -> Res<Shape> {
        let is_named = self.place.is_some();
        match (&self.spooled, &self.entry) {
            (Some(spooled), _) => Ok(Shape { is_named, ..spooled.shape() }),
            (None, Some(entry)) => Ok(Shape { is_named, ..Shape::of(entry) }),
            (None, None) => Err(Errno::ESTALE),
        }
    }

    /// Its bytes.
    pub fn size(&self) -> u64 {
        match &self.spooled {
            Some(spooled) => spooled.overlay.len(),
            None => self.base.as_ref().map_or(0, |base| base.size),
        }
    }

    /// It as its upload sees it from now on; blocking.
    pub fn moment(&mut self) -> Res<Option<Moment>> {
        let base = self.base.clone();
        let (Some(place), Some(spooled)) = (self.place.clone(), &mut self.spooled) else { return Ok(None) };
        spooled.settle()?;
        Ok(Some(Moment {
            place,
            base,
            overlay: spooled.overlay.clone(),
            told: spooled.told.clone(),
            spots: spooled.log.spots().clone(),
            changes: spooled.changes,
            tellings: spooled.tellings,
        }))
    }
}

/// Numbers of changes, of all files: a later one is higher, also of a file that was safe in between.
fn next_change() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Relaxed) + 1
}

/// How a content that is in the pool stands in the spool.
pub(super) fn head_of(place: &Place, base: Option<&Base>, shown: u64, told: &Told) -> Head {
    let name = if let Place::Name { name, .. } = place { name.clone() } else { String::new() };
    let base = base.map(|base| BaseHead { name: base.name.clone(), version: base.version, size: base.size, shown });
    Head { bucket: place.bucket().unwrap_or_default().to_owned(), name, base, told: told.clone() }
}

impl Spooled {
    /// Over a content, with its log.
    pub fn new(spool: &Arc<Spool>, log: SpoolLog, overlay: Overlay, told: Told, ctime: UnixTime) -> Self {
        spool.grew(0, log.bytes());
        let (pending, spool, changes) = (BTreeMap::new(), Arc::clone(spool), next_change());
        Self { overlay, told, ctime, changes, safe: 0, tellings: 0, log, pending, is_untold: false, spool }
    }

    fn shape(&self) -> Shape {
        let (unix, at) = (self.told.unix, self.ctime);
        let kind = FileType::RegularFile;
        Shape { kind, size: self.overlay.len(), unix, at, ctime: self.ctime, is_named: true }
    }

    /// Runs something that adds to the log.
    fn adding<T>(&mut self, work: impl FnOnce(&mut SpoolLog) -> io::Result<T>) -> Res<T> {
        let before = self.log.bytes();
        let done = work(&mut self.log);
        self.spool.grew(before, self.log.bytes());
        done.map_err(|error| of_io(&error))
    }

    /// Puts bytes where a write touches; `bases`: what stands in blocks that are touched in part. Blocking.
    pub fn write(
        &mut self,
        touches: &[Touch],
        mut bases: BTreeMap<u64, Vec<u8>>,
        bytes: &[u8],
        at: UnixTime,
    ) -> Res<()> {
        self.spool.room()?;
        let mut rest = bytes;
        for touch in touches {
            let (now, later) = rest.split_at(touch.bytes.len().min(rest.len()));
            let old = match &touch.from {
                Source::Own(valid) => self.own(touch.block, *valid).map_err(|error| of_io(&error))?,
                Source::Base(_) => bases.remove(&touch.block).ok_or(Errno::EIO)?,
                Source::Zero => Vec::new(),
            };
            let block = patched(old, touch.bytes.start, now);
            self.overlay.wrote(touch.block, block.len());
            self.pending.insert(touch.block, block);
            rest = later;
            if self.pending.len() > PENDING_BLOCKS_MAX {
                self.settle_first()?;
            }
        }
        self.changed(at);
        Ok(())
    }

    /// A block of its own.
    fn own(&self, block: u64, valid: usize) -> io::Result<Vec<u8>> {
        let mut bytes = match self.pending.get(&block) {
            Some(bytes) => bytes.clone(),
            None => self.log.spots().read(block)?,
        };
        bytes.truncate(valid);
        Ok(bytes)
    }

    /// Bytes of its own for a range, with those that are the base's left out; blocking.
    pub fn read(&self, range: Range<u64>) -> io::Result<Vec<(Touch, Vec<u8>)>> {
        let part = |touch: Touch| {
            let bytes = match touch.from {
                Source::Own(valid) => {
                    let mut bytes = self.own(touch.block, valid)?;
                    bytes.truncate(touch.bytes.end);
                    bytes.drain(..touch.bytes.start.min(bytes.len()));
                    bytes
                }
                Source::Base(_) | Source::Zero => Vec::new(),
            };
            Ok((touch, bytes))
        };
        self.overlay.reads(range).into_iter().map(part).collect()
    }

    /// The file ends here now. Blocking.
    pub fn cut(&mut self, len: u64, at: UnixTime) -> Res<()> {
        let gone = self.overlay.cut(len);
        gone.iter().for_each(|block| drop(self.pending.remove(block)));
        let overlay = &self.overlay;
        for (block, bytes) in &mut self.pending {
            bytes.truncate(overlay.valid(*block).unwrap_or(0));
        }
        self.changed(at);
        self.adding(|log| log.cut(len, &gone))
    }

    fn changed(&mut self, at: UnixTime) {
        self.changes = next_change();
        self.told.changed(at);
        (self.ctime, self.is_untold) = (at, true);
    }

    /// Other things are told of it now. Blocking.
    pub fn tell(&mut self, told: Told, at: UnixTime) -> Res<()> {
        self.told = told;
        self.tellings += 1;
        (self.ctime, self.is_untold) = (at, true);
        self.settle()
    }

    fn settle_first(&mut self) -> Res<()> {
        let Some((block, bytes)) = self.pending.pop_first() else { return Ok(()) };
        if let Err(no) = self.adding(|log| log.block(block, &bytes)) {
            self.pending.insert(block, bytes);
            return Err(no);
        }
        Ok(())
    }

    /// Writes all of it down. Blocking.
    pub fn settle(&mut self) -> Res<()> {
        while !self.pending.is_empty() {
            self.settle_first()?;
        }
        if self.is_untold {
            let told = self.told.clone();
            self.adding(|log| log.told(&told))?;
            self.is_untold = false;
        }
        Ok(())
    }

    /// The same, and durable. Blocking.
    pub fn sync(&mut self) -> Res<()> {
        self.settle()?;
        self.log.sync().map_err(|error| of_io(&error))
    }

    /// It stands elsewhere from now on, durably. Blocking.
    pub fn placed(&mut self, place: &Place, at: UnixTime) -> Res<()> {
        let Place::Name { bucket, name } = place else { return Err(Errno::EINVAL) };
        self.ctime = at;
        self.adding(|log| log.placed(bucket, name))?;
        self.sync()
    }

    /// Leaves out what was written over, where that is much. Blocking.
    pub fn tidy(&mut self, place: &Place, base: Option<&Base>) -> Res<()> {
        if !self.log.is_slack() {
            return Ok(());
        }
        self.settle()?;
        let head = head_of(place, base, self.overlay.base(), &self.told);
        let overlay = self.overlay.clone();
        self.adding(|log| log.rewrite(&head, &overlay))
    }

    /// It is not found again should this end; who has it open goes on.
    pub fn unname(&mut self) {
        self.log.unname();
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        self.spool.grew(self.log.bytes(), 0);
    }
}
