//! Files that are open: read, written, synced, closed.

use super::attr::mode_of;
use super::cache::Ahead;
use super::core::{Core, Handle, Sync, blocking, locked, now};
use super::errno::Res;
use super::file::{File, head_of};
use super::limits::FILE_BYTES_MAX;
use super::overlay::Overlay;
use super::told::Told;
use client::Unix;
use fuser::{Errno, FileAttr, FileType};
use std::ffi::OsStr;
use std::ops::Range;
use std::sync::{Arc, Mutex};

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
        let place = locked(&self.table).place(number);
        let file = match place {
            Some(place) => self.file_at(number, &place).await?,
            None => locked(&self.table).file(number).ok_or(Errno::ESTALE)?,
        };
        self.opened(&file, number, is_writer).await
    }

    async fn opened(&self, file: &Arc<File>, number: u64, is_writer: bool) -> Res<u64> {
        let mut state = file.held().await;
        let (open, ahead) = (Arc::clone(file), Mutex::new(Ahead::default()));
        let handle = self.handle(Handle::File { file: open, number, is_writer, ahead })?;
        state.handles += 1;
        state.writers += u32::from(is_writer);
        locked(&self.table).opened(number, file);
        Ok(handle)
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
        let shape = file.held().await.shape()?;
        Ok((self.told(above, &place, &shape)?, file))
    }

    /// The same, and opens it.
    pub async fn create(&self, above: u64, name: &OsStr, by: Asker) -> Res<(FileAttr, u64)> {
        let (attr, file) = self.make(above, name, by).await?;
        let handle = self.opened(&file, attr.ino.0, true).await?;
        Ok((attr, handle))
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
        if let Some(no) = state.failed.take() {
            return Err(no);
        }
        blocking(move || state.spooled.as_mut().map_or(Ok(()), super::file::Spooled::settle)).await
    }

    /// What was written is durable when this returns; with [`Sync::Pool`] holders have it.
    pub async fn fsync(self: &Arc<Self>, handle: u64) -> Res<()> {
        let open = self.open_as(handle)?;
        let Handle::File { file, .. } = &*open else { return Ok(()) };
        let mut state = file.held().await;
        blocking(move || state.spooled.as_mut().map_or(Ok(()), super::file::Spooled::sync)).await?;
        match self.sync {
            Sync::Staged => Ok(()),
            Sync::Pool => self.safe(file).await,
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
