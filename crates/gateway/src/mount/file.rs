//! A file that is open, or that waits to be uploaded: the content it had, what was written over it, and what is told of it.
//!
//! (A) What was written is read back at once, by everybody. (B) Its content in the spool is only added to: an upload reads the moment
//! at which it began, whatever is written meanwhile.

use super::attr::Shape;
use super::cache::Base;
use super::core::now;
use super::errno::{Res, of_io};
use super::limits::PENDING_BLOCKS_MAX;
use super::log::{BaseHead, Head, SpoolLog, Spots};
use super::overlay::{Overlay, Source, Touch, patched};
use super::spool::Spool;
use super::told::Told;
use super::upload::Job;
use crate::dav::place::Place;
use client::{Entry, Expect, UnixTime};
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
    /// An earlier mount wrote it: what others made of its name since is not replaced.
    pub is_recovered: bool,
    /// An upload ended while it was being named, and nobody said that it was not.
    pub was_naming: bool,
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
    /// What must be true of its name.
    pub expect: Expect,
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

    /// One that an earlier mount left in the spool.
    pub fn recovered(place: &Place, base: Option<Arc<Base>>, spooled: Spooled) -> Arc<Self> {
        Self::with(State { base, spooled: Some(spooled), is_recovered: true, ..State::at(place) })
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
            is_recovered: false,
            was_naming: false,
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

    /// Whether it is this version of an object, with nothing changed.
    pub fn is_version(&self, version: &[u8; 16]) -> bool {
        self.spooled.is_none() && self.entry.as_ref().is_some_and(|entry| entry.version == *version)
    }

    /// Its bytes.
    pub fn size(&self) -> u64 {
        match &self.spooled {
            Some(spooled) => spooled.overlay.len(),
            None => self.base.as_ref().map_or(0, |base| base.size),
        }
    }

    /// What was written is durable when this returns. Blocking.
    pub fn sync(&mut self) -> Res<()> {
        let (place, base) = (self.place.clone(), self.base.clone());
        self.spooled.as_mut().map_or(Ok(()), |spooled| spooled.sync(place.as_ref(), base.as_deref()))
    }

    /// It as its upload sees it from now on; blocking.
    pub fn moment(&mut self) -> Res<Option<Moment>> {
        let base = self.base.clone();
        let (Some(place), Some(spooled)) = (self.place.clone(), &mut self.spooled) else { return Ok(None) };
        spooled.settle()?;
        let expect = match (self.is_recovered, spooled.over()) {
            (false, _) => Expect::Any,
            (true, Some(version)) => Expect::Version(version),
            (true, None) => Expect::Absent,
        };
        Ok(Some(Moment {
            place,
            base,
            overlay: spooled.overlay.clone(),
            told: spooled.told.clone(),
            spots: spooled.log.spots().clone(),
            changes: spooled.changes,
            tellings: spooled.tellings,
            expect,
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
    let over = base.map(|base| base.version);
    let base = base.map(|base| BaseHead { name: base.name.clone(), version: base.version, size: base.size, shown });
    Head { bucket: place.bucket().unwrap_or_default().to_owned(), name, base, told: told.clone(), order: 0, over }
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
        let mut overlay = self.overlay.clone();
        let gone = overlay.cut(len);
        self.adding(|log| log.cut(len, &gone))?; // where this fails nothing is another
        gone.iter().for_each(|block| drop(self.pending.remove(block)));
        for (block, bytes) in &mut self.pending {
            bytes.truncate(overlay.valid(*block).unwrap_or(0));
        }
        self.overlay = overlay;
        self.changed(at);
        Ok(())
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

    /// The same, and durable; after a sync that failed it is written anew, where it has a place. Blocking.
    pub fn sync(&mut self, place: Option<&Place>, base: Option<&Base>) -> Res<()> {
        self.settle()?;
        match place {
            Some(place) if self.log.is_doubtful() => self.anew(place, base),
            _ => self.log.sync().map_err(|error| of_io(&error)),
        }
    }

    /// It stands elsewhere from now on, durably. Blocking.
    pub fn placed(&mut self, place: &Place, over: Option<[u8; 16]>, base: Option<&Base>) -> Res<()> {
        let Place::Name { bucket, name } = place else { return Err(Errno::EINVAL) };
        self.ctime = now();
        let order = self.spool.next_order();
        self.adding(|log| log.placed((bucket, name), order, over))?;
        self.sync(Some(place), base)
    }

    /// Notes which version stands in its place now. Blocking.
    pub fn stands_over(&mut self, over: Option<[u8; 16]>) -> Res<()> {
        self.adding(|log| log.stands_over(over))
    }

    /// Which version stands in its place, as far as it was noted.
    pub const fn over(&self) -> Option<[u8; 16]> {
        self.log.over()
    }

    fn anew(&mut self, place: &Place, base: Option<&Base>) -> Res<()> {
        let head = head_of(place, base, self.overlay.base(), &self.told);
        let overlay = self.overlay.clone();
        self.adding(|log| log.rewrite(&head, &overlay))
    }

    /// Leaves out what was written over, where that is much. Blocking.
    pub fn tidy(&mut self, place: &Place, base: Option<&Base>) -> Res<()> {
        if !self.log.is_slack() {
            return Ok(());
        }
        self.settle()?;
        self.anew(place, base)
    }

    /// Nothing more can be added to its log.
    #[cfg(test)]
    pub fn break_log(&mut self) {
        self.log.break_it();
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
