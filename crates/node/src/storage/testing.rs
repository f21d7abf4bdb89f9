//! The disk of the test world: what was written is pending until it is synced; a power cut keeps a seeded part of the
//! pending in blocks of 512 bytes; any call can fail, and a failed sync forgets what was pending as a kernel does.

use super::disk::Disk;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

const BLOCK: usize = 512;

/// What happens at the call with the chosen number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    CrashBefore,
    CrashAfter,
    Error(io::ErrorKind),
}

#[derive(Debug, Clone, Default)]
struct SimFile {
    durable: Vec<u8>,
    live: Vec<u8>,
    pending: BTreeSet<usize>,
    name_durable: bool,
    removed: bool,
}

#[derive(Debug, Default)]
struct World {
    files: BTreeMap<PathBuf, SimFile>,
    dirs: BTreeSet<PathBuf>,
    calls: u64,
    fault: Option<(u64, Fault)>,
    full_from: Option<(u64, io::ErrorKind)>,
    down: bool,
    free: Option<u64>,
}

/// A disk in memory.
#[derive(Debug, Default)]
pub(super) struct SimDisk(Mutex<World>);

impl SimDisk {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
    /// Numbers calls from 0 again and plans a fault.
    pub fn plan(&self, fault: Option<(u64, Fault)>) {
        let mut world = self.world();
        (world.calls, world.fault, world.full_from) = (0, fault, None);
    }
    /// From the call with this number on every write and sync fails so.
    pub fn plan_from(&self, at: u64, kind: io::ErrorKind) {
        let mut world = self.world();
        (world.calls, world.fault, world.full_from) = (0, None, Some((at, kind)));
    }
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        self.world().files.get(path).filter(|file| !file.removed).map(|file| file.live.clone()).unwrap_or_default()
    }
    pub fn calls(&self) -> u64 {
        self.world().calls
    }
    /// The power is off.
    pub fn is_down(&self) -> bool {
        self.world().down
    }
    /// Bytes of all files as they are seen now.
    pub fn total(&self) -> u64 {
        self.world().files.values().filter(|f| !f.removed).map(|f| f.live.len() as u64).sum()
    }
    /// Changes a file's bytes behind the store's back, as durable as can be.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.world();
        let file = world.files.get_mut(path).unwrap();
        change(&mut file.live);
        (file.durable, file.pending) = (file.live.clone(), BTreeSet::new());
    }
    pub fn set_free(&self, free: u64) {
        self.world().free = Some(free);
    }
    /// Flips one bit of the byte at `at` of every file `pick` names.
    pub fn flip(&self, path: &Path, at: usize, bit: u8) {
        let mut world = self.world();
        let file = world.files.get_mut(path).unwrap();
        for bytes in [&mut file.durable, &mut file.live] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }
    pub fn paths(&self) -> Vec<PathBuf> {
        self.world().files.iter().filter(|(_, f)| !f.removed).map(|(path, _)| path.clone()).collect()
    }
    /// The power goes and comes back: `seed` decides which pending blocks, names and removals had reached the disk.
    pub fn reboot(&self, seed: u64) {
        let mut draw = Draw(seed.wrapping_mul(2).wrapping_add(1));
        let mut world = self.world();
        (world.down, world.fault) = (false, None);
        let files = std::mem::take(&mut world.files);
        for (path, file) in files {
            if (!file.name_durable && draw.coin()) || (file.removed && draw.coin()) {
                continue;
            }
            let len = if draw.coin() { file.durable.len() } else { file.live.len() };
            let mut bytes = file.durable.clone();
            bytes.resize(len, 0);
            for block in file.pending {
                let range = block * BLOCK..((block + 1) * BLOCK).min(len).min(file.live.len());
                if !range.is_empty() && draw.coin() {
                    bytes[range.clone()].copy_from_slice(&file.live[range]);
                }
            }
            let kept = SimFile { durable: bytes.clone(), live: bytes, name_durable: true, ..SimFile::default() };
            world.files.insert(path, kept);
        }
    }

    fn call<T>(&self, is_sync: Option<&Path>, act: impl FnOnce(&mut World) -> io::Result<T>) -> io::Result<T> {
        let mut world = self.world();
        if world.down {
            return Err(io::Error::other("no power"));
        }
        let now = world.calls;
        world.calls += 1;
        match world.fault.filter(|(at, _)| *at == now).map(|(_, fault)| fault) {
            Some(Fault::CrashBefore) => {
                world.down = true;
                Err(io::Error::other("no power"))
            }
            Some(Fault::CrashAfter) => {
                let _ = act(&mut world);
                world.down = true;
                Err(io::Error::other("no power"))
            }
            Some(Fault::Error(kind)) => {
                if let Some(file) = is_sync.and_then(|path| world.files.get_mut(path)) {
                    file.pending.clear();
                }
                Err(kind.into())
            }
            None => act(&mut world),
        }
    }
}

/// A small generator: enough for coins.
pub(super) struct Draw(pub u64);

impl Draw {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

fn full(world: &World) -> io::Result<()> {
    match world.full_from {
        Some((at, kind)) if world.calls > at => Err(kind.into()),
        _ => Ok(()),
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn held<'a>(world: &'a mut World, path: &Path) -> io::Result<&'a mut SimFile> {
    world.files.get_mut(path).filter(|file| !file.removed).ok_or_else(missing)
}

impl Disk for SimDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.call(None, |world| {
            world.dirs.insert(dir.to_owned());
            Ok(())
        })
    }
    fn write_at(&self, file: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.call(None, |world| {
            full(world)?;
            let file = world.files.entry(file.to_owned()).or_default();
            if file.removed {
                // A new file under the name of one that is gone.
                *file = SimFile::default();
            }
            let (from, to) = (offset as usize, offset as usize + bytes.len());
            if file.live.len() < to {
                file.live.resize(to, 0);
            }
            file.live[from..to].copy_from_slice(bytes);
            file.pending.extend(from / BLOCK..to.div_ceil(BLOCK));
            Ok(())
        })
    }
    fn read_at(&self, file: &Path, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.call(None, |world| {
            let from = offset as usize;
            let bytes = held(world, file)?.live.get(from..from + buf.len());
            buf.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }
    fn len(&self, file: &Path) -> io::Result<u64> {
        self.call(None, |world| Ok(held(world, file)?.live.len() as u64))
    }
    fn truncate(&self, file: &Path, len: u64) -> io::Result<()> {
        self.call(None, |world| {
            held(world, file)?.live.resize(len as usize, 0);
            Ok(())
        })
    }
    fn sync(&self, file: &Path) -> io::Result<()> {
        self.call(Some(file), |world| {
            if let Err(error) = full(world) {
                held(world, file)?.pending.clear();
                return Err(error);
            }
            let file = held(world, file)?;
            let mut durable = std::mem::take(&mut file.durable);
            durable.resize(file.live.len(), 0);
            for block in std::mem::take(&mut file.pending) {
                let range = block * BLOCK..((block + 1) * BLOCK).min(file.live.len());
                if !range.is_empty() {
                    durable[range.clone()].copy_from_slice(&file.live[range]);
                }
            }
            file.durable = durable;
            Ok(())
        })
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.call(None, |world| {
            world.files.retain(|path, file| path.parent() != Some(dir) || !file.removed);
            for (_, file) in world.files.iter_mut().filter(|(path, _)| path.parent() == Some(dir)) {
                file.name_durable = true;
            }
            Ok(())
        })
    }
    fn remove(&self, file: &Path) -> io::Result<()> {
        self.call(None, |world| {
            held(world, file)?.removed = true;
            Ok(())
        })
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.call(None, |world| {
            let files = world.files.iter().filter(|(_, file)| !file.removed).map(|(path, _)| path);
            let names = files.chain(&world.dirs).filter(|path| path.parent() == Some(dir)).cloned();
            Ok(names.collect::<BTreeSet<_>>().into_iter().collect())
        })
    }
    fn free(&self, _dir: &Path) -> io::Result<u64> {
        self.call(None, |world| Ok(world.free.unwrap_or(u64::MAX / 4)))
    }
}
