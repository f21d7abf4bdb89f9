//! An account's buckets as a folder of this machine (Linux, FUSE): every program reads and writes them as files.
//!
//! The kernel asks (`fs`); what it asks is answered from the index of names (`names`), from content that is read in pieces (`cache`),
//! and from files that are being changed (`file`), whose changes lie sealed on this machine's disk (`spool`, `log`) until they are
//! uploaded (`upload`).
//!
//! (A) What cannot be listed or read is an error, never an empty folder, never other bytes. (B) What was synced is uploaded, whatever
//! ends this process; with [`Sync::Pool`] holders have it. (C) No plain byte and no plain name is written to this machine's disk. (D) No
//! name of the pool becomes a path of this machine. (E) Every cache, queue, wait and size has a limit with a name ([`limits`]).
//!
//! Not done: hard links, devices, pipes and sockets; locks hold on this machine only.

mod attr;
mod cache;
mod change;
mod core;
mod errno;
mod file;
mod fs;
pub mod limits;
mod log;
mod look;
mod names;
mod open;
mod overlay;
mod spool;
mod table;
mod tell;
mod told;
mod upload;

pub use self::core::Sync;

use self::attr::Owner;
use self::cache::Cache;
use self::core::{Core, locked, now, turns};
use self::fs::Mounted;
use self::limits::{SYNC_WAITS_MAX, UNMOUNT_WAIT};
use self::names::Names;
use self::spool::Spool;
use self::table::Table;
use crate::buckets::Buckets;
use crate::dav::place::{Place, is_part};
use client::{AccountRoot, Client, ClientError};
use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// What is mounted, where, and how.
pub struct MountAsk {
    /// The member's side.
    pub client: Client,
    /// The account.
    pub root: AccountRoot,
    /// Where.
    pub folder: PathBuf,
    /// One bucket, and the beginning of names in it; all buckets where none is named.
    pub bucket: Option<(String, String)>,
    /// Nothing is changed.
    pub is_read_only: bool,
    /// Other users of this machine see it too.
    pub is_shared: bool,
    /// When `fsync` returns.
    pub sync: Sync,
    /// Where what is not uploaded yet is kept, and free bytes of that disk.
    pub spool: (PathBuf, u64),
    /// The machine's secret, under which that is sealed.
    pub device: [u8; 32],
}

/// Why nothing is mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// There is no FUSE, or it may not be used.
    #[error("{0}")]
    Fuse(io::Error),
    /// The spool.
    #[error("{path}: {source}")]
    Spool {
        /// Its folder.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// What shall be mounted is not there.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What shall be mounted is no path.
    #[error("it is no path")]
    Place,
}

/// Something that is mounted.
pub struct Mount {
    core: Arc<Core>,
    session: Option<BackgroundSession>,
    folder: PathBuf,
    recovered: usize,
}

impl Mount {
    /// Mounts, and takes up what earlier mounts did not upload.
    ///
    /// # Errors
    /// [`MountError`].
    pub async fn start(ask: MountAsk) -> Result<Self, MountError> {
        let root = place(ask.bucket.as_ref()).ok_or(MountError::Place)?;
        let buckets = Arc::new(Buckets::new(ask.client, ask.root));
        if let Some(bucket) = root.bucket() {
            buckets.open(bucket).await?; // its keys are checked before anything is shown
        }
        let (dir, free) = ask.spool;
        let spool = if ask.is_read_only {
            Spool::closed(&dir, &ask.device)
        } else {
            let opened = Spool::open(&dir, &ask.device, free);
            let spool = opened.map_err(|source| MountError::Spool { path: dir, source })?;
            spool.take_over_all(now());
            spool
        };
        let recovered = spool.files().len();
        let core = Arc::new(Core {
            names: Names::new(Arc::clone(&buckets)),
            cache: Cache::new(Arc::clone(&buckets)),
            buckets,
            spool,
            table: Mutex::new(Table::new(root.clone())),
            handles: Mutex::default(),
            next_handle: AtomicU64::new(1),
            owner: owner().map_err(MountError::Fuse)?,
            is_read_only: ask.is_read_only,
            sync: ask.sync,
            root,
            mounted: now(),
            naming: tokio::sync::Mutex::default(),
            times: Mutex::new(BTreeMap::new()),
            shown: Mutex::default(),
            uploads: turns(),
            waits: Arc::new(Semaphore::new(SYNC_WAITS_MAX)),
            conflicts: Mutex::default(),
            ending: tokio::sync::watch::Sender::new(false),
        });
        let mounted = Mounted::new(Arc::clone(&core), Handle::current());
        let (folder, config) = (ask.folder.clone(), config(ask.is_read_only, ask.is_shared));
        let mounting = tokio::task::spawn_blocking(move || fuser::spawn_mount(mounted, &folder, &config));
        let session = mounting.await.map_err(io::Error::other).and_then(|session| session);
        let session = session.map_err(MountError::Fuse)?;
        core.take_up().await;
        Ok(Self { core, session: Some(session), folder: ask.folder, recovered })
    }

    /// Files that an earlier mount left behind and that are uploaded now.
    pub const fn recovered(&self) -> usize {
        self.recovered
    }

    /// Files of an earlier mount that are broken: they were set aside in the spool and are not uploaded.
    pub fn bad(&self) -> u64 {
        self.core.spool.bad()
    }

    /// Names that were given to files of an earlier mount because others took theirs; each is told once.
    pub fn conflicts(&self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.core.conflicts))
    }

    /// Files whose content the pool does not have yet.
    pub fn waiting(&self) -> usize {
        self.core.waiting()
    }

    /// Whether somebody else ended it: with `umount`.
    pub fn is_over(&self) -> bool {
        self.session.as_ref().is_none_or(|session| session.guard.is_finished())
    }

    /// Takes the folder away; who has a file open in it keeps that until it is closed.
    pub async fn unmount(&mut self) {
        let Some(session) = self.session.take() else { return };
        let folder = self.folder.clone();
        let (done, told) = tokio::sync::oneshot::channel();
        // A thread that nobody waits for at the end: it may live until the last open file is closed.
        let unmounting = std::thread::Builder::new().name("unmount".to_owned()).spawn(move || {
            if session.guard.is_finished() {
                return; // somebody else did
            }
            if let Err(error) = session.umount_and_join() {
                tracing::info!(%error, "the folder is in use; it is taken away all the same");
                detach(&folder);
            }
            let _ = done.send(()); // nobody waits any more
        });
        if unmounting.is_ok() {
            let _ = tokio::time::timeout(UNMOUNT_WAIT, told).await; // it says itself what went wrong
        }
    }

    /// Uploads what waits, until nothing does; it may be given up at any moment: what waits is taken up by the next mount.
    pub async fn drain(&self) {
        self.core.ending.send_replace(true);
        self.core.drain().await;
    }
}

impl Core {
    /// Begins uploads of what an earlier mount left behind.
    async fn take_up(self: &Arc<Self>) {
        let all: Vec<_> = self.spool.files().values().cloned().collect();
        for file in all {
            let mut state = file.held().await;
            self.upload(&file, &mut state);
        }
    }

    /// Waits until the pool has all that is in the spool.
    async fn drain(self: &Arc<Self>) {
        loop {
            let all: Vec<_> = self.spool.files().values().cloned().collect();
            let Some(file) = all.first().cloned() else { return };
            for other in &all {
                let mut state = other.held().await;
                state.is_urgent = true;
                self.upload(other, &mut state);
            }
            let mut turns = file.turns.subscribe();
            let mut state = file.held().await;
            if state.spooled.is_none() || state.place.is_none() {
                continue;
            }
            state.is_urgent = true;
            self.upload(&file, &mut state);
            drop(state);
            let _ = turns.changed().await; // the file is held here, so its turns do not end
        }
    }
}

/// The place of what shall be mounted.
fn place(bucket: Option<&(String, String)>) -> Option<Place> {
    let Some((bucket, prefix)) = bucket else { return Some(Place::Root) };
    let bucket = Some(bucket).filter(|bucket| is_part(bucket))?;
    let parts = prefix.split('/').filter(|part| !part.is_empty());
    let place = parts.fold(Place::Bucket(bucket.clone()), |place, part| place.child(part));
    let is_path = match &place {
        Place::Name { name, .. } => name.split('/').all(is_part) && !name.starts_with(".pumasi"),
        _ => true,
    };
    is_path.then_some(place)
}

/// Who runs this process.
fn owner() -> io::Result<Owner> {
    let own = std::fs::metadata("/proc/self")?;
    Ok(Owner { uid: own.uid(), gid: own.gid(), is_root: own.uid() == 0 })
}

fn config(is_read_only: bool, is_shared: bool) -> Config {
    let mut config = Config::default();
    config.acl = if is_shared { SessionACL::All } else { SessionACL::Owner };
    config.mount_options = vec![
        MountOption::FSName("pumasi".to_owned()),
        MountOption::Subtype("pumasi".to_owned()),
        MountOption::DefaultPermissions,
        MountOption::NoDev,
        MountOption::NoSuid,
    ];
    if is_read_only {
        config.mount_options.push(MountOption::RO);
    }
    config
}

/// Frees a folder whose mount was killed: nobody answers there any more.
pub fn free_dead(folder: &Path) {
    let is_dead = |error: &io::Error| error.kind() == io::ErrorKind::NotConnected;
    if std::fs::metadata(folder).as_ref().is_err_and(is_dead) {
        detach(folder);
    }
}

/// Takes a folder away that is in use, by the system's own tools.
fn detach(folder: &Path) {
    for words in [&["umount", "-l"][..], &["fusermount3", "-uz"]] {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if command.status().is_ok_and(|status| status.success()) {
            return;
        }
    }
    tracing::warn!("the folder stays mounted");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_is_a_path() {
        let of = |bucket: &str, prefix: &str| place(Some(&(bucket.to_owned(), prefix.to_owned())));
        assert_eq!(place(None), Some(Place::Root));
        assert_eq!(of("b", ""), Some(Place::Bucket("b".into())));
        assert_eq!(of("b", "x/y/"), Some(Place::Name { bucket: "b".into(), name: "x/y".into() }));
        for (bucket, prefix) in [("", ""), ("..", ""), ("b", "x/../y"), ("b", ".pumasi/jobs"), ("b", "a\nb")] {
            assert_eq!(of(bucket, prefix), None, "{bucket} {prefix}");
        }
    }
}
