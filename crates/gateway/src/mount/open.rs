//! Files that are open: read, written, synced, closed.

use super::attr::mode_of;
use super::cache::Ahead;
use super::change::Kept;
use super::core::{Core, Found, Handle, Sync, blocking, locked, now};
use super::errno::Res;
use super::file::{File, head_of};
use super::limits::{FILE_BYTES_MAX, HANDLES_MAX, OPEN_TRIES};
use super::overlay::Overlay;
use super::told::Told;
use crate::dav::place::Place;
use client::Unix;
use fuser::{Errno, FileAttr, FileType};
use std::ffi::OsStr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use tokio::sync::OwnedSemaphorePermit;

/// Who asks, and which rights shall be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

impl Core {
    /// Opens a file.
    pub async fn open(&self, number: u64, is_writer: bool) -> Res<u64> {
        if is_writer && self.is_read_only {
            return Err(Errno::EROFS);
        }
        for _ in 0..OPEN_TRIES {
            let file = self.file_of(number).await?;
            if let Some(handle) = self.opened(&file, number, is_writer).await? {
                return Ok(handle);
            }
        }
        Err(Errno::ESTALE) // then the system looks at its name once more
    }

    /// The file that a number is.
    pub async fn file_of(&self, number: u64) -> Res<Arc<File>> {
        let (place, open) = {
            let table = locked(&self.table);
            (table.place(number), table.file(number))
        };
        match (place, open) {
            (Some(place), _) => self.file_at(number, &place).await,
            // One whose name is another file by now has its place still: who asks for the name gets that one.
            (None, Some(open)) if open.held().await.place.is_some() => Err(Errno::ESTALE),
            (None, open) => open.ok_or(Errno::ESTALE),
        }
    }

    /// Opens a file under a number; not where somebody opened it as another one just now.
    async fn opened(&self, file: &Arc<File>, number: u64, is_writer: bool) -> Res<Option<u64>> {
        let mut state = file.held().await;
        let (open, ahead) = (Arc::clone(file), Mutex::new(Ahead::default()));
        let handle = self.handle(Handle::File { file: open, number, is_writer, ahead })?;
        if !locked(&self.table).opened(number, file) {
            locked(&self.handles).remove(&handle);
            return Ok(None);
        }
        state.handles += 1;
        state.writers += u32::from(is_writer);
        Ok(Some(handle))
    }

    /// Files that are open at places that are asked for, under whatever number; those that are held `already` stand elsewhere.
    pub async fn open_files(&self, is_here: impl Fn(&Place) -> bool, already: &[Kept]) -> Vec<Arc<File>> {
        let all: Vec<Arc<Handle>> = locked(&self.handles).values().cloned().collect();
        let mut here = Vec::new();
        for handle in all {
            let Handle::File { file, .. } = &*handle else { continue };
            if already.iter().any(|(_, held, _)| Arc::ptr_eq(held, file)) {
                continue;
            }
            if file.held().await.place.as_ref().is_some_and(&is_here) {
                here.push(Arc::clone(file));
            }
        }
        here
    }

    /// What a file that is made in a folder begins with: whose it is, and its rights.
    pub async fn fresh(&self, above: u64, kind: FileType, by: Asker) -> Res<Told> {
        let place = self.place(above)?;
        let shape = self.shape(&place, &self.find(&place).await?).await?;
        let is_shared = shape.rights() & 0o2_000 != 0;
        let gid = if is_shared { shape.owner(self.owner).1 } else { by.gid };
        let rights = if is_shared && kind == FileType::Directory { by.mode | 0o2_000 } else { by.mode };
        let (uid, gid) = if self.owner.is_root { (Some(by.uid), Some(gid)) } else { (None, None) };
        let unix = Unix { mode: Some(mode_of(kind, rights)), uid, gid, mtime: Some(now()), atime: None };
        Ok(Told::new(unix))
    }

    /// Makes a file that waits in the spool from its first moment on.
    pub async fn make(&self, above: u64, name: &OsStr, by: Asker) -> Res<(FileAttr, Arc<File>)> {
        if self.is_read_only {
            return Err(Errno::EROFS);
        }
        let place = self.place_in(above, name)?;
        if place.bucket().is_none() || place.parent().bucket().is_none() {
            return Err(Errno::EPERM); // what lies at the top is a bucket, and nothing else is
        }
        let _naming = self.naming.lock().await;
        match self.find(&place).await {
            Ok(_) => return Err(Errno::EEXIST),
            Err(no) if no.code() == Errno::ENOENT.code() => {}
            Err(no) => return Err(no),
        }
        let told = self.fresh(above, FileType::RegularFile, by).await?;
        let (spool, at) = (Arc::clone(&self.spool), place.clone());
        let file = blocking(move || {
            let head = head_of(&at, None, 0, &told);
            let spooled = spool.create(&head, Overlay::default(), told, now())?;
            let file = File::spooled(&at, None, spooled);
            spool.files().insert(at, Arc::clone(&file));
            Ok(file)
        })
        .await?;
        self.touched(&place.parent());
        self.parted(above, &place, &Found::Spooled(Arc::clone(&file))).await;
        let shape = file.held().await.shape()?;
        Ok((self.told(above, &place, &shape)?, file))
    }

    /// The same, and opens it.
    pub async fn create(self: &Arc<Self>, above: u64, name: &OsStr, by: Asker) -> Res<(FileAttr, u64)> {
        if locked(&self.handles).len() >= HANDLES_MAX {
            return Err(Errno::ENFILE); // before anything is made
        }
        let (attr, file) = self.make(above, name, by).await?;
        let opened = self.opened(&file, attr.ino.0, true).await.and_then(|handle| handle.ok_or(Errno::ESTALE));
        if opened.is_err() {
            self.upload(&file, &mut file.held().await); // nobody closes it
        }
        Ok((attr, opened?))
    }

    /// Makes a file that nobody opens.
    pub async fn mknod(self: &Arc<Self>, above: u64, name: &OsStr, by: Asker) -> Res<FileAttr> {
        let (attr, file) = self.make(above, name, by).await?;
        self.upload(&file, &mut file.held().await);
        Ok(attr)
    }

    /// Reads from an open file.
    pub async fn read_at(&self, handle: u64, range: Range<u64>) -> Res<Vec<u8>> {
        let open = self.open_as(handle)?;
        let Handle::File { file, ahead, .. } = &*open else { return Err(Errno::EISDIR) };
        let far = locked(ahead).read(&range);
        self.read(file, range, far).await
    }

    /// Writes to an open file.
    pub async fn write_at(&self, handle: u64, offset: u64, bytes: Vec<u8>) -> Res<u32> {
        let open = self.open_as(handle)?;
        let Handle::File { file, .. } = &*open else { return Err(Errno::EISDIR) };
        let len = u32::try_from(bytes.len()).map_err(|_| Errno::EINVAL)?;
        let end = offset.checked_add(u64::from(len)).ok_or(Errno::EFBIG)?;
        if end > FILE_BYTES_MAX {
            return Err(Errno::EFBIG);
        }
        self.write(file, offset, bytes).await?;
        Ok(len)
    }

    /// A file is at least so long from now on.
    pub async fn reach(&self, handle: u64, len: u64) -> Res<()> {
        let open = self.open_as(handle)?;
        let Handle::File { file, .. } = &*open else { return Err(Errno::EISDIR) };
        if len > FILE_BYTES_MAX {
            return Err(Errno::EFBIG);
        }
        let size = file.held().await.size();
        if len > size { self.cut(file, len).await } else { Ok(()) }
    }

    /// A descriptor is closed: what it wrote is in the spool's files, though not durable yet.
    pub async fn flush(&self, handle: u64) -> Res<()> {
        let open = self.open_as(handle)?;
        let Handle::File { file, is_writer: true, .. } = &*open else { return Ok(()) };
        let mut state = file.held().await;
        let failed = state.failed.take();
        blocking(move || state.spooled.as_mut().map_or(Ok(()), super::file::Spooled::settle)).await?;
        failed.map_or(Ok(()), Err)
    }

    /// What was written is durable when this returns; with [`Sync::Pool`] holders have it, and where there is one more wait to have,
    /// `turn` is given back meanwhile.
    pub async fn fsync(self: &Arc<Self>, handle: u64, turn: OwnedSemaphorePermit) -> Res<()> {
        let open = self.open_as(handle)?;
        let Handle::File { file, .. } = &*open else { return Ok(()) };
        let mut state = file.held().await;
        let failed = blocking(move || state.sync().map(|()| state.failed.take())).await?;
        match (self.sync, failed) {
            (_, Some(no)) => Err(no),
            (Sync::Staged, None) => Ok(()),
            (Sync::Pool, None) => {
                let wait = Arc::clone(&self.waits).try_acquire_owned();
                let _turn = wait.is_err().then_some(turn);
                self.safe(file).await
            }
        }
    }

    /// The last descriptor of a handle is closed: what was written is uploaded.
    pub async fn release(self: &Arc<Self>, handle: u64) {
        let open = locked(&self.handles).remove(&handle);
        let Some(open) = open else { return };
        let Handle::File { file, number, is_writer, .. } = &*open else { return };
        let mut state = file.held().await;
        state.handles = state.handles.saturating_sub(1);
        state.writers = state.writers.saturating_sub(u32::from(*is_writer));
        if state.handles == 0 {
            locked(&self.table).closed(*number, file);
        }
        if state.writers == 0 {
            self.upload(file, &mut state);
        }
    }
}
