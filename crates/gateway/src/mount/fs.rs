//! What the kernel asks, each request handed to a task that answers it.
//!
//! (A) No more than [`REQUESTS_MAX`] are done at the same time: then the kernel waits. (B) Every request is answered.

use super::attr::{TTL, unix_of};
use super::core::{Core, Handle, locked};
use super::errno::Res;
use super::limits::{BLOCK_BYTES, KERNEL_AHEAD_BYTES, PART_BYTES_MAX, REQUESTS_MAX, WRITE_BYTES_MAX};
use super::open::Asker;
use super::tell::Change;
use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    IoctlFlags, KernelConfig, LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr,
    Request, TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bits of a mode that say the type, and what a plain file has there.
const TYPE: u32 = 0o170_000;
const FILE: u32 = 0o100_000;

/// What is mounted, as the kernel asks it.
pub(super) struct Mounted {
    core: Arc<Core>,
    runtime: Runtime,
    turns: Arc<Semaphore>,
}

impl Mounted {
    /// Over what its requests share.
    pub fn new(core: Arc<Core>, runtime: Runtime) -> Self {
        Self { core, runtime, turns: Arc::new(Semaphore::new(REQUESTS_MAX)) }
    }

    /// Runs a request by a task of its own, once there is a turn (A).
    fn run<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(Arc<Core>) -> F) {
        self.run_with(|core, turn| {
            let doing = work(core);
            async move {
                doing.await;
                drop(turn);
            }
        });
    }

    /// The same for one that gives its turn back itself.
    fn run_with<F: Future<Output = ()> + Send + 'static>(
        &self,
        work: impl FnOnce(Arc<Core>, OwnedSemaphorePermit) -> F,
    ) {
        let turn = self.runtime.block_on(Arc::clone(&self.turns).acquire_owned());
        if let Ok(turn) = turn {
            self.runtime.spawn(work(Arc::clone(&self.core), turn)); // nobody closes the turns
        }
    }
}

fn asker(by: &Request, mode: u32, umask: u32) -> Asker {
    Asker { uid: by.uid(), gid: by.gid(), mode: mode & !umask }
}

fn entry(reply: ReplyEntry, done: Res<fuser::FileAttr>) {
    match done {
        Ok(attr) => reply.entry(TTL, &attr, Generation(0)),
        Err(no) => reply.error(no),
    }
}

fn attr(reply: ReplyAttr, done: Res<fuser::FileAttr>) {
    match done {
        Ok(attr) => reply.attr(TTL, &attr),
        Err(no) => reply.error(no),
    }
}

fn empty(reply: ReplyEmpty, done: Res<()>) {
    match done {
        Ok(()) => reply.ok(),
        Err(no) => reply.error(no),
    }
}

fn opened(reply: ReplyOpen, done: Res<u64>) {
    match done {
        Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
        Err(no) => reply.error(no),
    }
}

fn data(reply: ReplyData, done: Res<Vec<u8>>) {
    match done {
        Ok(bytes) => reply.data(&bytes),
        Err(no) => reply.error(no),
    }
}

/// An attribute's bytes, or how many they are.
fn xattr(reply: ReplyXattr, size: u32, done: Res<Vec<u8>>) {
    match done.map(|bytes| (u32::try_from(bytes.len()), bytes)) {
        Ok((Ok(len), _)) if size == 0 => reply.size(len),
        Ok((Ok(len), bytes)) if len <= size => reply.data(&bytes),
        Ok(_) => reply.error(Errno::ERANGE),
        Err(no) => reply.error(no),
    }
}

fn time(time: TimeOrNow) -> client::UnixTime {
    match time {
        TimeOrNow::SpecificTime(at) => unix_of(at),
        TimeOrNow::Now => super::core::now(),
    }
}

impl Filesystem for Mounted {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // Each keeps its own word where the kernel knows no such thing.
        let _ = config.set_max_write(WRITE_BYTES_MAX);
        let _ = config.set_max_readahead(KERNEL_AHEAD_BYTES);
        let _ = config.set_time_granularity(Duration::from_nanos(1));
        for wish in [InitFlags::FUSE_AUTO_INVAL_DATA, InitFlags::FUSE_PARALLEL_DIROPS] {
            let _ = config.add_capabilities(wish);
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        self.run(|core| async move { entry(reply, core.lookup(parent.0, &name).await) });
    }

    fn forget(&self, _: &Request, ino: INodeNo, count: u64) {
        locked(&self.core.table).forget(ino.0, count);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        self.run(|core| async move { attr(reply, core.getattr(ino.0, fh.map(|fh| fh.0)).await) });
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        fh: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let (atime, mtime) = (atime.map(time), mtime.map(time));
        let change = Change { rights: mode, uid, gid, size, atime, mtime };
        self.run(|core| async move { attr(reply, core.setattr(ino.0, fh.map(|fh| fh.0), change).await) });
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        self.run(|core| async move { data(reply, core.readlink(ino.0).await) });
    }

    fn mknod(&self, by: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, _: u32, reply: ReplyEntry) {
        if mode & TYPE != FILE && mode & TYPE != 0 {
            return reply.error(Errno::EPERM); // no devices, no pipes, no sockets
        }
        let (name, by) = (name.to_owned(), asker(by, mode, umask));
        self.run(|core| async move { entry(reply, core.mknod(parent.0, &name, by).await) });
    }

    fn mkdir(&self, by: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let (name, by) = (name.to_owned(), asker(by, mode, umask));
        self.run(|core| async move { entry(reply, core.mkdir(parent.0, &name, by).await) });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.run(|core| async move { empty(reply, core.unlink(parent.0, &name).await) });
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.run(|core| async move { empty(reply, core.rmdir(parent.0, &name).await) });
    }

    fn symlink(&self, by: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let (name, target, by) = (name.to_owned(), target.as_os_str().as_bytes().to_vec(), asker(by, 0o777, 0));
        self.run(|core| async move { entry(reply, core.symlink(parent.0, &name, &target, by).await) });
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.difference(RenameFlags::RENAME_NOREPLACE).is_empty() {
            return reply.error(Errno::EINVAL);
        }
        let is_new = flags.contains(RenameFlags::RENAME_NOREPLACE);
        let (name, new) = (name.to_owned(), newname.to_owned());
        self.run(|core| async move {
            empty(reply, core.rename((parent.0, &name), (newparent.0, &new), is_new).await);
        });
    }

    fn link(&self, _: &Request, _: INodeNo, _: INodeNo, _: &OsStr, reply: ReplyEntry) {
        reply.error(Errno::EPERM);
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let is_writer = flags.acc_mode() != OpenAccMode::O_RDONLY;
        self.run(|core| async move { opened(reply, core.open(ino.0, is_writer).await) });
    }

    fn create(&self, by: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, _: i32, reply: ReplyCreate) {
        let (name, by) = (name.to_owned(), asker(by, mode, umask));
        self.run(|core| async move {
            match core.create(parent.0, &name, by).await {
                Ok((attr, handle)) => {
                    reply.created(TTL, &attr, Generation(0), FileHandle(handle), FopenFlags::empty());
                }
                Err(no) => reply.error(no),
            }
        });
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let range = offset..offset.saturating_add(u64::from(size));
        self.run(|core| async move { data(reply, core.read_at(fh.0, range).await) });
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let bytes = data.to_vec();
        self.run(|core| async move {
            match core.write_at(fh.0, offset, bytes).await {
                Ok(len) => reply.written(len),
                Err(no) => reply.error(no),
            }
        });
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode != 0 {
            return reply.error(Errno::ENOTSUP); // no holes, nothing kept behind the end
        }
        self.run(|core| async move { empty(reply, core.reach(fh.0, offset.saturating_add(length)).await) });
    }

    fn flush(&self, _: &Request, _: INodeNo, fh: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        self.run(|core| async move { empty(reply, core.flush(fh.0).await) });
    }

    fn fsync(&self, _: &Request, _: INodeNo, fh: FileHandle, _: bool, reply: ReplyEmpty) {
        self.run_with(|core, turn| async move { empty(reply, core.fsync(fh.0, turn).await) });
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.run(|core| async move {
            core.release(fh.0).await;
            reply.ok();
        });
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.run(|core| async move { opened(reply, core.open_folder(ino.0).await) });
    }

    fn readdir(&self, _: &Request, _: INodeNo, fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let lines = match self.core.open_as(fh.0).as_deref() {
            Ok(Handle::Folder(lines)) => Arc::clone(lines),
            _ => return reply.error(Errno::EBADF),
        };
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        for (line, next) in lines.iter().zip(1u64..).skip(skip) {
            if reply.add(INodeNo(line.number), next, line.kind, &line.name) {
                break; // the kernel's buffer is full; it asks again from here
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        locked(&self.core.handles).remove(&fh.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        // Names are at the center, or in the spool, when they are answered.
        self.run(|core| async move {
            let synced = core.is_read_only || core.synced_names().await;
            empty(reply, if synced { Ok(()) } else { Err(Errno::EIO) });
        });
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.run(|core| async move {
            let room = core.room().await;
            let block = BLOCK_BYTES as u32;
            let names = room.names.saturating_add(1 << 20);
            reply.statfs(room.blocks, room.free, room.usable, names, 1 << 20, block, PART_BYTES_MAX as u32, block);
        });
    }

    fn setxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, value: &[u8], flags: i32, _: u32, reply: ReplyEmpty) {
        let (name, value) = (name.to_owned(), value.to_vec());
        self.run(|core| async move { empty(reply, core.setxattr(ino.0, &name, &value, flags).await) });
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        if !name.as_bytes().starts_with(b"user.") {
            return reply.error(Errno::ENOTSUP); // asked at every turn, and never there
        }
        let name = name.to_owned();
        self.run(|core| async move { xattr(reply, size, core.getxattr(ino.0, &name).await) });
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        self.run(|core| async move { xattr(reply, size, core.listxattr(ino.0).await) });
    }

    // What the kernel does by itself when it is told that this is not done.
    fn lseek(&self, _: &Request, _: INodeNo, _: FileHandle, _: i64, _: i32, reply: ReplyLseek) {
        reply.error(Errno::ENOSYS);
    }

    fn copy_file_range(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: u64,
        _: INodeNo,
        _: FileHandle,
        _: u64,
        _: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        reply.error(Errno::ENOSYS);
    }

    fn ioctl(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        _: u32,
        _: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(Errno::ENOTTY);
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.run(|core| async move { empty(reply, core.removexattr(ino.0, &name).await) });
    }
}
