//! What is asked of names: what they are, what lies in a folder, how much room there is.

use super::attr::{Shape, kind_of};
use super::core::{Core, Found, Handle, Line, locked};
use super::errno::Res;
use super::file::File;
use super::limits::{BLOCK_BYTES, HANDLES_MAX, LIST_WAIT, PART_BYTES_MAX};
use super::names::Kids;
use crate::dav::place::Place;
use client::Kid;
use fuser::{Errno, FileAttr, FileType};
use std::ffi::OsStr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes of a place that has no quota, as the system is told.
const ENDLESS: u64 = 1 << 50;

/// Room, as the system asks it.
pub(super) struct Room {
    pub blocks: u64,
    pub free: u64,
    /// What can be written at once.
    pub usable: u64,
    pub names: u64,
}

impl Core {
    /// A name in a folder; it is told to the system.
    pub async fn lookup(&self, above: u64, name: &OsStr) -> Res<FileAttr> {
        let place = match self.place_in(above, name) {
            Err(no) if no.code() == Errno::EINVAL.code() => return Err(Errno::ENOENT),
            place => place?,
        };
        let found = self.find(&place).await?;
        self.parted(above, &place, &found).await;
        let shape = self.shape(&place, &found).await?;
        self.told(above, &place, &shape)
    }

    /// A name that is another version by now than what is open under its number gets a number of its own: who has that open reads on.
    pub async fn parted(&self, above: u64, place: &Place, found: &Found) {
        let open = {
            let table = locked(&self.table);
            table.find(above, place.shown()).and_then(|number| Some((number, table.file(number)?)))
        };
        let Some((number, open)) = open else { return };
        let is_same = match found {
            Found::Object(entry) => open.held().await.is_version(&entry.version),
            Found::Spooled(file) => Arc::ptr_eq(file, &open),
            Found::Folder(_) => false,
        };
        if !is_same && !self.is_still(place, &open).await {
            locked(&self.table).parted(number);
        }
    }

    /// Whether a file that is open is what stands at a place, by a look that is made now: it may have been written to, or uploaded, since
    /// the one before.
    pub async fn is_still(&self, place: &Place, open: &Arc<File>) -> bool {
        match self.find(place).await {
            Ok(Found::Spooled(file)) => Arc::ptr_eq(&file, open),
            Ok(Found::Object(entry)) => open.held().await.is_version(&entry.version),
            _ => false,
        }
    }

    /// Tells the system of a name.
    pub fn told(&self, above: u64, place: &Place, shape: &Shape) -> Res<FileAttr> {
        let number = locked(&self.table).told(above, place.shown()).ok_or(Errno::ESTALE)?;
        Ok(shape.attr(number, self.owner))
    }

    /// What a number is.
    pub async fn getattr(&self, number: u64, handle: Option<u64>) -> Res<FileAttr> {
        if let Some(Ok(open)) = handle.map(|handle| self.open_as(handle))
            && let Handle::File { file, .. } = &*open
        {
            return Ok(file.held().await.shape()?.attr(number, self.owner));
        }
        let (place, open) = {
            let table = locked(&self.table);
            (table.place(number), table.file(number))
        };
        let shape = match (place, open) {
            (None, Some(open)) => open.held().await.shape()?,
            (None, None) => return Err(Errno::ENOENT),
            (Some(place), open) => match self.find(&place).await {
                Ok(found) => match (open, &found) {
                    // A number is what is open under it; its name gets another one at the next look.
                    (Some(open), Found::Object(entry)) if !open.held().await.is_version(&entry.version) => {
                        open.held().await.shape()?
                    }
                    _ => self.shape(&place, &found).await?,
                },
                // Somebody else removed it; who has it open still has it.
                Err(no) if no.code() == Errno::ENOENT.code() => match open {
                    Some(open) => open.held().await.shape()?,
                    None => return Err(no),
                },
                Err(no) => return Err(no),
            },
        };
        Ok(shape.attr(number, self.owner))
    }

    /// Opens a folder: its lines as they are now.
    pub async fn open_folder(&self, number: u64) -> Res<u64> {
        let place = self.place(number)?;
        let kids = self.names.kids(&place).await?;
        let waiting = self.spool.below(&place);
        let lines = self.lines(number, &place, &kids, waiting.iter().map(|(place, _)| place));
        self.handle(Handle::Folder(Arc::new(lines)))
    }

    fn lines<'a>(
        &self,
        number: u64,
        folder: &Place,
        kids: &Kids,
        waiting: impl Iterator<Item = &'a Place>,
    ) -> Vec<Line> {
        let table = locked(&self.table);
        let line = |name: &str, kind: FileType| {
            let known = table.find(number, name);
            Line { number: known.unwrap_or(u64::MAX), kind, name: name.to_owned() }
        };
        let above = table.above(number).unwrap_or(number);
        let dots = [(".", number), ("..", above)];
        let dots = dots.map(|(name, number)| Line { number, kind: FileType::Directory, name: name.to_owned() });
        let mut lines: Vec<Line> = dots.into_iter().collect();
        let is_short = |name: &str| name.len() <= PART_BYTES_MAX;
        lines.extend(kids.iter().filter(|(name, _)| is_short(name)).map(|(name, kid)| match kid {
            Kid::File(entry) => line(name, kind_of(entry)),
            Kid::Folder(_) => line(name, FileType::Directory),
        }));
        let here = waiting.filter(|place| place.parent() == *folder && !kids.contains_key(place.shown()));
        lines.extend(here.map(|place| line(place.shown(), FileType::RegularFile)));
        lines
    }

    /// Something is open from now on.
    pub fn handle(&self, handle: Handle) -> Res<u64> {
        let mut handles = locked(&self.handles);
        if handles.len() >= HANDLES_MAX {
            return Err(Errno::ENFILE);
        }
        let number = self.next_handle.fetch_add(1, Relaxed);
        handles.insert(number, Arc::new(handle));
        Ok(number)
    }

    /// What is open under a number.
    pub fn open_as(&self, handle: u64) -> Res<Arc<Handle>> {
        locked(&self.handles).get(&handle).cloned().ok_or(Errno::EBADF)
    }

    /// The target of a symbolic link.
    pub async fn readlink(&self, number: u64) -> Res<Vec<u8>> {
        let place = self.place(number)?;
        match self.find(&place).await? {
            Found::Object(entry) if kind_of(&entry) == FileType::Symlink => {
                let base = super::cache::Base::new(
                    place.bucket().unwrap_or_default(),
                    &entry.name,
                    entry.version,
                    entry.size.0,
                );
                self.cache.read(&base, 0..entry.size.0, 0).await
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// Room of a bucket that has a quota, and of the rest as much as one likes; never more than the spool can take.
    pub async fn room(&self) -> Room {
        let block = BLOCK_BYTES as u64;
        let facts = match self.root.bucket() {
            Some(bucket) if !self.names.is_away() => {
                let asking = self.client().bucket_facts(&self.buckets.root, bucket);
                tokio::time::timeout(LIST_WAIT, asking).await.ok().and_then(Result::ok)
            }
            _ => None,
        };
        let (quota, used, names) = facts.map_or((None, 0, 0), |facts| (facts.quota, facts.sealed.0, facts.objects));
        let all = quota.map_or(ENDLESS, |quota| quota.0);
        let free = all.saturating_sub(used);
        Room { blocks: all / block, free: free / block, usable: free.min(self.spool.free()) / block, names }
    }
}
