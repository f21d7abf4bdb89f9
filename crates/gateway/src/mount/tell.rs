//! What is told of files and folders: rights, owners, times, lengths, attributes.

use super::attr::mode_of;
use super::core::{Core, Found, Handle, blocking, locked, now};
use super::errno::Res;
use super::file::File;
use super::limits::FILE_BYTES_MAX;
use super::told::Told;
use super::upload::{put_small, retold};
use crate::dav::place::Place;
use client::{Entry, Kid, Unix, UnixTime};
use fuser::{Errno, FileAttr, FileType};
use std::ffi::OsStr;
use std::sync::Arc;

/// Attributes of a member's own begin so.
const USER: &str = "user.";
/// The program's own begin so.
const OWN: &str = "user.pumasi.";
/// Whether a file is safe.
const STATE: &str = "user.pumasi.state";
/// `setxattr`: it must not be there, and it must be.
const XATTR_CREATE: i32 = 1;
const XATTR_REPLACE: i32 = 2;

/// What shall be another.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change {
    pub rights: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub atime: Option<UnixTime>,
    pub mtime: Option<UnixTime>,
}

impl Change {
    /// Whether something is told anew, the length aside.
    const fn tells(&self) -> bool {
        self.rights.is_some()
            || self.uid.is_some()
            || self.gid.is_some()
            || self.atime.is_some()
            || self.mtime.is_some()
    }

    fn apply(&self, kind: FileType, old: Unix) -> Unix {
        Unix {
            mode: self.rights.map(|rights| mode_of(kind, rights)).or(old.mode),
            uid: self.uid.or(old.uid),
            gid: self.gid.or(old.gid),
            mtime: self.mtime.or(old.mtime),
            atime: self.atime.or(old.atime),
        }
    }
}

/// What is told where: in the spool, or in the manifest of an object.
enum Telling {
    File(Arc<File>),
    Object(Place, Box<Entry>),
    Folder(Place, Option<Box<Entry>>),
}

impl Core {
    /// Changes what is told of a number.
    pub async fn setattr(self: &Arc<Self>, number: u64, handle: Option<u64>, change: Change) -> Res<FileAttr> {
        if self.is_read_only {
            return Err(Errno::EROFS);
        }
        let is_foreign = |wanted: Option<u32>, own: u32| wanted.is_some_and(|wanted| wanted != own);
        if !self.owner.is_root && (is_foreign(change.uid, self.owner.uid) || is_foreign(change.gid, self.owner.gid)) {
            return Err(Errno::EPERM); // only an administrator's mount shows other owners
        }
        if let Some(size) = change.size {
            self.resize(number, handle, size).await?;
        }
        if change.tells() {
            let telling = self.telling(number).await?;
            self.tell(telling, move |kind, told| {
                told.unix = change.apply(kind, told.unix);
                Ok(())
            })
            .await?;
        }
        self.getattr(number, handle).await
    }

    /// Lets a file end elsewhere, open or not.
    async fn resize(self: &Arc<Self>, number: u64, handle: Option<u64>, size: u64) -> Res<()> {
        if size > FILE_BYTES_MAX {
            return Err(Errno::EFBIG);
        }
        let open = handle.and_then(|handle| self.open_as(handle).ok());
        let file = match open.as_deref() {
            Some(Handle::File { file, .. }) => Arc::clone(file),
            _ => self.file_of(number).await?,
        };
        self.cut(&file, size).await?;
        let mut state = file.held().await;
        if state.writers == 0 {
            self.upload(&file, &mut state);
        }
        Ok(())
    }

    async fn telling(&self, number: u64) -> Res<Telling> {
        let (place, open) = {
            let table = locked(&self.table);
            (table.place(number), table.file(number))
        };
        let Some(place) = place else { return open.map(Telling::File).ok_or(Errno::ENOENT) };
        Ok(match self.find(&place).await? {
            Found::Spooled(file) => Telling::File(file),
            Found::Object(entry) => Telling::Object(place, entry),
            Found::Folder(marker) => Telling::Folder(place, marker),
        })
    }

    /// Tells something else, wherever it is kept.
    async fn tell(
        self: &Arc<Self>,
        telling: Telling,
        change: impl Fn(FileType, &mut Told) -> Res<()> + Send + 'static,
    ) -> Res<()> {
        match telling {
            Telling::File(file) => self.tell_file(&file, change).await,
            Telling::Object(place, entry) => {
                let _naming = self.naming.lock().await;
                let mut told = Told::of(&*self.shown(&place, &entry).await?);
                let kind = super::attr::kind_of(&entry);
                change(kind, &mut told)?;
                let new = retold(self, &place, &entry, &told).await?;
                self.names.changed(&place, Some(Kid::File(new.clone())));
                self.same_content(&place, &new).await;
                match self.spool.at(&place) {
                    Some(file) => self.tell_file(&file, change).await, // a first write was quicker, with what was told before
                    None => Ok(()),
                }
            }
            Telling::Folder(place, marker) => self.tell_folder(&place, marker, change).await,
        }
    }

    async fn tell_file(
        self: &Arc<Self>,
        file: &Arc<File>,
        change: impl Fn(FileType, &mut Told) -> Res<()> + Send + 'static,
    ) -> Res<()> {
        let mut state = file.held().await;
        if state.place.is_none() || state.spooled.is_none() {
            state = self.spooled(file, state).await?;
        }
        let mut state = blocking(move || {
            let spooled = state.spooled.as_mut().ok_or(Errno::ESTALE)?;
            let mut told = spooled.told.clone();
            change(FileType::RegularFile, &mut told)?;
            spooled.tell(told, now())?;
            Ok(state)
        })
        .await?;
        if state.writers == 0 {
            self.upload(file, &mut state);
        }
        Ok(())
    }

    /// A folder has a marker once something is told of it.
    async fn tell_folder(
        &self,
        place: &Place,
        marker: Option<Box<Entry>>,
        change: impl Fn(FileType, &mut Told) -> Res<()>,
    ) -> Res<()> {
        let Place::Name { .. } = place else { return Err(Errno::EPERM) };
        let _naming = self.naming.lock().await;
        let new = match marker {
            Some(entry) => {
                let mut told = Told::of(&*self.shown(place, &entry).await?);
                change(FileType::Directory, &mut told)?;
                retold(self, place, &entry, &told).await?
            }
            None => {
                let mut told = Told::default();
                change(FileType::Directory, &mut told)?;
                put_small(self, place, &place.inside(), &told, Vec::new()).await?
            }
        };
        if new.unix.is_some_and(|unix| unix.mtime.is_some()) {
            locked(&self.times).remove(place);
        }
        self.names.changed(place, Some(Kid::Folder(Some(new))));
        Ok(())
    }

    /// Who has an object open has the same content still.
    pub async fn same_content(&self, place: &Place, entry: &Entry) {
        let open = {
            let table = locked(&self.table);
            table.number(place).and_then(|number| table.file(number))
        };
        if let Some(open) = open {
            let mut state = open.held().await;
            if state.spooled.is_none() {
                state.entry = Some(entry.clone());
            }
        }
    }

    /// An attribute of a number.
    pub async fn getxattr(&self, number: u64, name: &OsStr) -> Res<Vec<u8>> {
        let name = name.to_str().ok_or(Errno::ENODATA)?;
        if name == STATE {
            return self.state(number).await.map(|word| word.as_bytes().to_vec());
        }
        let name = name.strip_prefix(USER).ok_or(Errno::ENOTSUP)?;
        self.told_of(number).await?.xattrs.remove(name).ok_or(Errno::ENODATA)
    }

    /// Names of a number's attributes, each with a NUL behind it.
    pub async fn listxattr(&self, number: u64) -> Res<Vec<u8>> {
        let told = self.told_of(number).await?;
        let names = told.xattrs.keys().map(|name| format!("{USER}{name}\0"));
        let state = self.state(number).await.is_ok().then(|| format!("{STATE}\0"));
        Ok(names.chain(state).collect::<String>().into_bytes())
    }

    /// Gives an attribute a value.
    pub async fn setxattr(self: &Arc<Self>, number: u64, name: &OsStr, value: &[u8], flags: i32) -> Res<()> {
        let (name, value) = (own_name(name)?, value.to_vec());
        self.set(number, move |told| {
            let is_there = told.xattrs.contains_key(&name);
            match flags {
                XATTR_CREATE if is_there => Err(Errno::EEXIST),
                XATTR_REPLACE if !is_there => Err(Errno::ENODATA),
                _ => told.set_xattr(&name, Some(&value)),
            }
        })
        .await
    }

    /// Takes an attribute away.
    pub async fn removexattr(self: &Arc<Self>, number: u64, name: &OsStr) -> Res<()> {
        let name = own_name(name)?;
        self.set(number, move |told| told.set_xattr(&name, None)).await
    }

    async fn set(self: &Arc<Self>, number: u64, change: impl Fn(&mut Told) -> Res<()> + Send + 'static) -> Res<()> {
        if self.is_read_only {
            return Err(Errno::EROFS);
        }
        let telling = self.telling(number).await?;
        self.tell(telling, move |_, told| change(told)).await
    }

    async fn told_of(&self, number: u64) -> Res<Told> {
        match self.telling(number).await? {
            Telling::File(file) => {
                let state = file.held().await;
                match (&state.spooled, &state.entry, &state.place) {
                    (Some(spooled), ..) => Ok(spooled.told.clone()),
                    (None, Some(entry), Some(place)) => Ok(Told::of(&*self.shown(place, entry).await?)),
                    _ => Ok(Told::default()),
                }
            }
            Telling::Object(place, entry) | Telling::Folder(place, Some(entry)) => {
                Ok(Told::of(&*self.shown(&place, &entry).await?))
            }
            Telling::Folder(_, None) => Ok(Told::default()),
        }
    }

    /// Whether holders have a file: `safe`, or what it waits for.
    async fn state(&self, number: u64) -> Res<&'static str> {
        match self.telling(number).await? {
            Telling::Object(..) => Ok("safe"),
            Telling::Folder(..) => Err(Errno::ENODATA),
            Telling::File(file) => {
                let state = file.held().await;
                Ok(match (&state.spooled, state.writers) {
                    (None, _) => "safe",
                    (Some(_), 0) => "spooled",
                    (Some(_), _) => "open",
                })
            }
        }
    }
}

/// The name of an attribute that a member may change, without what all of them begin with.
fn own_name(name: &OsStr) -> Res<String> {
    let name = name.to_str().ok_or(Errno::EINVAL)?;
    if name.starts_with(OWN) {
        return Err(Errno::EPERM);
    }
    name.strip_prefix(USER).filter(|name| !name.is_empty()).map(str::to_owned).ok_or(Errno::ENOTSUP)
}
