//! The seam to the disk: the few calls the logs need. The second implementor is the test world in `testing.rs`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What the logs ask of a disk. All calls block; they are made on threads of their own.
pub trait Disk: Send + Sync + 'static {
    /// Makes a folder; fine when it is there.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`, making the file when it is not there.
    fn write_at(&self, file: &Path, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Fills `buf` from `offset`; `UnexpectedEof` when the file ends first.
    fn read_at(&self, file: &Path, offset: u64, buf: &mut [u8]) -> io::Result<()>;
    /// Length of the file in bytes.
    fn len(&self, file: &Path) -> io::Result<u64>;
    /// Cuts the file at `len`.
    fn truncate(&self, file: &Path, len: u64) -> io::Result<()>;
    /// Makes the file's bytes and length durable.
    fn sync(&self, file: &Path) -> io::Result<()>;
    /// Makes the folder's names durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, file: &Path) -> io::Result<()>;
    /// Names in a folder, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
    /// Bytes this user may still write to the file system of `dir`.
    fn free(&self, dir: &Path) -> io::Result<u64>;
}

/// A disk that keeps the length of what is written and its names, and of the bytes only the heads of logs: for measuring writers
/// whose content no disk could hold. What is read back is zeros.
#[derive(Debug, Default)]
pub struct DiscardingDisk(StdDisk);

impl Disk for DiscardingDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }
    fn write_at(&self, file: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset == 0 {
            return self.0.write_at(file, offset, bytes);
        }
        let end = offset.saturating_add(bytes.len() as u64);
        if self.0.len(file)? < end { self.0.truncate(file, end) } else { Ok(()) }
    }
    fn read_at(&self, file: &Path, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_at(file, offset, buf)
    }
    fn len(&self, file: &Path) -> io::Result<u64> {
        self.0.len(file)
    }
    fn truncate(&self, file: &Path, len: u64) -> io::Result<()> {
        self.0.truncate(file, len)
    }
    fn sync(&self, file: &Path) -> io::Result<()> {
        self.0.sync(file)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
    fn remove(&self, file: &Path) -> io::Result<()> {
        self.0.remove(file)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.0.list(dir)
    }
    fn free(&self, dir: &Path) -> io::Result<u64> {
        self.0.free(dir)
    }
}

/// Most files held open.
const OPEN_MAX: usize = 64;

/// The machine's own disk.
#[derive(Debug, Default)]
pub struct StdDisk {
    open: Mutex<BTreeMap<PathBuf, Arc<File>>>,
}

impl StdDisk {
    fn file(&self, path: &Path, create: bool) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(path) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path)?);
        if open.len() >= OPEN_MAX {
            open.pop_first();
        }
        open.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }
}

impl Disk for StdDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }
    fn write_at(&self, file: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(file, true)?.write_all_at(bytes, offset)
    }
    fn read_at(&self, file: &Path, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file(file, false)?.read_exact_at(buf, offset)
    }
    fn len(&self, file: &Path) -> io::Result<u64> {
        Ok(std::fs::metadata(file)?.len())
    }
    fn truncate(&self, file: &Path, len: u64) -> io::Result<()> {
        self.file(file, false)?.set_len(len)
    }
    fn sync(&self, file: &Path) -> io::Result<()> {
        self.file(file, false)?.sync_data()
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
    fn remove(&self, file: &Path) -> io::Result<()> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(file);
        std::fs::remove_file(file)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut names =
            std::fs::read_dir(dir)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<PathBuf>>>()?;
        names.sort();
        Ok(names)
    }
    fn free(&self, dir: &Path) -> io::Result<u64> {
        let stat = nix::sys::statvfs::statvfs(dir)?;
        Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }
}
