//! Names that come, go, and become others.
//!
//! (A) A folder is there when a name is in it, or its marker, an empty object whose name ends with `/`; a folder whose last name goes
//! gets one first, so that it stays. (B) What gets another name is there under it before it goes under the old one; a file that is
//! replaced is so in one step. (C) What is removed can be brought back, as everywhere.

use super::attr::LINK_TYPE;
use super::core::{Core, Found, blocking, locked, now};
use super::errno::Res;
use super::file::{File, Held};
use super::limits::{CHANGES_AT_ONCE, TARGET_BYTES_MAX, TREE_NAMES_MAX};
use super::open::Asker;
use super::upload::put_small;
use crate::dav::place::Place;
use client::{Bucket, BucketAsk, ClientError, Entry, Expect, Kid};
use fuser::{Errno, FileAttr, FileType};
use futures_util::stream::{self, TryStreamExt};
use model::errors;
use std::ffi::OsStr;
use std::sync::Arc;

/// A file that is held, and where it stands.
pub(super) type Kept = (Place, Arc<File>, Held);

impl Core {
    fn writable(&self) -> Res<()> {
        if self.is_read_only { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// Refuses where something is already.
    async fn vacant(&self, place: &Place) -> Res<()> {
        match self.find(place).await {
            Ok(_) => Err(Errno::EEXIST),
            Err(no) if no.code() == Errno::ENOENT.code() => Ok(()),
            Err(no) => Err(no),
        }
    }

    /// Makes a folder, or a bucket.
    pub async fn mkdir(&self, above: u64, name: &OsStr, by: Asker) -> Res<FileAttr> {
        self.writable()?;
        let place = self.place_in(above, name)?;
        let _naming = self.naming.lock().await;
        self.vacant(&place).await?;
        let kid = match &place {
            Place::Name { .. } => {
                let told = self.fresh(above, FileType::Directory, by).await?;
                Some(put_small(self, &place, &place.inside(), &told, Vec::new()).await?)
            }
            _ => {
                let name = place.bucket().filter(|name| s3s::path::check_bucket_name(name)).ok_or(Errno::EINVAL)?;
                let made = self.client().make_bucket(&self.buckets.root, name, &BucketAsk::default()).await;
                made.map_err(|error| self.no(&place, &error))?;
                None
            }
        };
        self.names.changed(&place, Some(Kid::Folder(kid.clone())));
        self.touched(&place.parent());
        let shape = self.shape(&place, &Found::Folder(kid.map(Box::new))).await?;
        self.told(above, &place, &shape)
    }

    /// Makes a symbolic link: an object whose content is where it points to.
    pub async fn symlink(&self, above: u64, name: &OsStr, target: &[u8], by: Asker) -> Res<FileAttr> {
        self.writable()?;
        if target.len() > TARGET_BYTES_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let place = self.place_in(above, name)?;
        let Place::Name { name, .. } = &place else { return Err(Errno::EPERM) };
        let _naming = self.naming.lock().await;
        self.vacant(&place).await?;
        let mut told = self.fresh(above, FileType::Symlink, Asker { mode: 0o777, ..by }).await?;
        LINK_TYPE.clone_into(&mut told.content_type);
        let entry = put_small(self, &place, name, &told, target.to_vec()).await?;
        self.names.changed(&place, Some(Kid::File(entry.clone())));
        self.touched(&place.parent());
        let shape = self.shape(&place, &Found::Object(Box::new(entry))).await?;
        self.told(above, &place, &shape)
    }

    /// Takes a file away.
    pub async fn unlink(self: &Arc<Self>, above: u64, name: &OsStr) -> Res<()> {
        self.writable()?;
        let place = self.place_in(above, name)?;
        let _naming = self.naming.lock().await;
        let found = self.find(&place).await?;
        if matches!(found, Found::Folder(_)) {
            return Err(Errno::EISDIR);
        }
        let mut held = self.hold(&place, &[]).await; // an upload that is being named is over now
        let removed = self.removed(&place, &held).await;
        let mut is_durable = true;
        if removed.is_ok() {
            is_durable = self.unname(&mut held).await;
            locked(&self.table).gone(above, place.shown());
            self.touched(&place.parent());
        }
        self.resumed(held);
        if is_durable { removed } else { Err(Errno::EIO) }
    }

    /// Takes the object of a name away, where there is one or may be one.
    async fn removed(&self, place: &Place, held: &[Kept]) -> Res<()> {
        let was_naming = held.iter().any(|(_, _, state)| state.was_naming);
        if self.object_at(place).await?.is_some() || was_naming {
            self.keep(place).await?;
            self.remove(place).await?;
        }
        Ok(())
    }

    /// The object of a name, whatever waits in its place.
    async fn object_at(&self, place: &Place) -> Res<Option<Entry>> {
        Ok(match self.names.kids(&place.parent()).await?.get(place.shown()) {
            Some(Kid::File(entry)) => Some(entry.clone()),
            _ => None,
        })
    }

    /// Takes an object away, of whichever version.
    async fn remove(&self, place: &Place) -> Res<()> {
        let Place::Name { name, .. } = place else { return Err(Errno::EPERM) };
        let bucket = self.bucket(place).await?;
        match self.client().remove(&bucket, name, Expect::Any).await {
            Ok(_) => {}
            Err(ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => {}
            Err(error) => return Err(self.no(place, &error)),
        }
        self.names.changed(place, None);
        Ok(())
    }

    /// Whoever has open what is held has it without a name from now on; nothing of it is uploaded. Whether that is durable.
    async fn unname(&self, held: &mut [Kept]) -> bool {
        let mut is_any = false;
        for (place, file, state) in held {
            self.spool.left(place, file);
            state.place = None;
            if let Some(spooled) = &mut state.spooled {
                spooled.unname();
                spooled.ctime = now();
                is_any = true;
            }
            if state.handles == 0 {
                state.spooled = None;
            }
        }
        !is_any || self.synced_names().await
    }

    /// What was held is let go.
    fn resumed(self: &Arc<Self>, held: Vec<Kept>) {
        for (_, file, mut state) in held {
            self.resume(&file, &mut state);
        }
    }

    /// (A): a folder out of which its last name is about to go has a marker.
    async fn keep(&self, place: &Place) -> Res<()> {
        let folder = place.parent();
        let Place::Name { .. } = &folder else { return Ok(()) };
        let kids = self.names.kids(&folder).await?;
        if kids.len() > 1 || !kids.contains_key(place.shown()) {
            return Ok(());
        }
        let marked = self.names.kids(&folder.parent()).await?;
        if matches!(marked.get(folder.shown()), Some(Kid::Folder(Some(_)))) {
            return Ok(());
        }
        match put_small(self, &folder, &folder.inside(), &super::told::Told::default(), Vec::new()).await {
            Ok(entry) => {
                self.names.changed(&folder, Some(Kid::Folder(Some(entry))));
                Ok(())
            }
            Err(no) if no.code() == Errno::EEXIST.code() => Ok(()),
            Err(no) => Err(no),
        }
    }

    /// Takes a folder away in which nothing is, or a bucket.
    pub async fn rmdir(&self, above: u64, name: &OsStr) -> Res<()> {
        self.writable()?;
        let place = self.place_in(above, name)?;
        let _naming = self.naming.lock().await;
        match self.find(&place).await? {
            Found::Folder(_) => {}
            _ => return Err(Errno::ENOTDIR),
        }
        self.empty(&place).await?;
        match &place {
            Place::Name { .. } => {
                self.keep(&place).await?;
                let bucket = self.bucket(&place).await?;
                self.remove_marker(&bucket, &place).await?;
            }
            _ => {
                let name = place.bucket().unwrap_or_default();
                let gone = self.client().remove_bucket(&self.buckets.root, name).await;
                gone.map_err(|error| self.no(&place, &error))?;
                self.buckets.forget(name);
            }
        }
        self.names.forget(&place);
        self.names.changed(&place, None);
        locked(&self.times).remove(&place);
        locked(&self.table).gone(above, place.shown());
        self.touched(&place.parent());
        Ok(())
    }

    async fn remove_marker(&self, bucket: &Bucket, folder: &Place) -> Res<()> {
        match self.client().remove(bucket, &folder.inside(), Expect::Any).await {
            Ok(_) => Ok(()),
            Err(ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => Ok(()),
            Err(error) => Err(self.no(folder, &error)),
        }
    }

    /// Refuses where something lies in a folder, also what is no path and is not shown.
    async fn empty(&self, folder: &Place) -> Res<()> {
        if !self.spool.below(folder).is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        if matches!(folder, Place::Bucket(_)) {
            return Ok(()); // the center refuses by itself
        }
        let (bucket, inside) = (self.bucket(folder).await?, folder.inside());
        let own = inside.clone();
        let any = self
            .client()
            .list_from(&bucket, (&inside, ""), move |names| names.take(2).any(|entry| entry.name != own))
            .await
            .map_err(|error| self.no(folder, &error))?;
        if any { Err(Errno::ENOTEMPTY) } else { Ok(()) }
    }

    /// Gives a name another one.
    pub async fn rename(
        self: &Arc<Self>,
        (above, name): (u64, &OsStr),
        (new_above, new_name): (u64, &OsStr),
        is_new: bool,
    ) -> Res<()> {
        self.writable()?;
        let (from, to) = (self.place_in(above, name)?, self.place_in(new_above, new_name)?);
        if from.bucket() != to.bucket() || matches!(from, Place::Bucket(_)) {
            return Err(Errno::EXDEV); // content is sealed for its bucket: who moves it copies it
        }
        let _naming = self.naming.lock().await;
        let source = self.find(&from).await?;
        let target = match self.find(&to).await {
            Ok(_) if is_new => return Err(Errno::EEXIST),
            Ok(found) => Some(found),
            Err(no) if no.code() == Errno::ENOENT.code() => None,
            Err(no) => return Err(no),
        };
        if from == to {
            return Ok(());
        }
        match (&source, &target) {
            (Found::Folder(_), Some(Found::Folder(_))) => self.empty(&to).await?,
            (Found::Folder(_), Some(_)) => return Err(Errno::ENOTDIR),
            (_, Some(Found::Folder(_))) => return Err(Errno::EISDIR),
            _ => {}
        }
        let mut held = self.hold(&from, &[]).await;
        let mut replaced = self.hold(&to, &held).await;
        let renamed = match source {
            Found::Folder(_) => self.rename_folder(&from, &to, &mut held).await,
            _ => self.rename_file(&from, &to, &mut held).await.map(Ok),
        };
        let done = match renamed {
            Ok(rest) => {
                let is_durable = self.unname(&mut replaced).await;
                locked(&self.table).moved((above, from.shown()), (new_above, to.shown()));
                self.touched(&from.parent());
                self.touched(&to.parent());
                if is_durable { rest } else { Err(Errno::EIO) }
            }
            Err(no) => Err(no), // all keep their places
        };
        self.resumed(held);
        self.resumed(replaced);
        done
    }

    /// What is open, or waits, at a place and below it: held, so that nothing of it changes or is uploaded meanwhile.
    /// `already`: what is held.
    async fn hold(self: &Arc<Self>, place: &Place, already: &[Kept]) -> Vec<Kept> {
        let is_here = |at: &Place| at.moved(place, place).is_some();
        let mut all = self.open_files(is_here, already).await;
        all.extend(self.spool.files().iter().filter(|(at, _)| is_here(at)).map(|(_, file)| Arc::clone(file)));
        let mut held: Vec<Kept> = Vec::with_capacity(all.len());
        for file in all {
            if held.iter().any(|(_, there, _)| Arc::ptr_eq(there, &file)) {
                continue;
            }
            let mut state = self.stopped(&file).await;
            if let Some(at) = state.place.clone().filter(is_here) {
                held.push((at, file, state));
            } else {
                self.resume(&file, &mut state); // it moved away meanwhile
            }
        }
        held
    }

    /// What is held stands elsewhere from now on, over a version where one is there; all of it, or nothing.
    async fn held_moved(&self, held: &mut Vec<Kept>, (from, to): (&Place, &Place), over: Option<[u8; 16]>) -> Res<()> {
        let (all, from, to) = (std::mem::take(held), from.clone(), to.clone());
        let moving = blocking(move || {
            let mut all = all;
            let moved = placed_all(&mut all, (&from, &to), over);
            Ok((all, moved))
        });
        let (all, moved) = moving.await?;
        *held = all;
        let news = moved?;
        for ((at, file, state), new) in held.iter_mut().zip(news) {
            if state.spooled.is_some() {
                self.spool.left(at, file);
                self.spool.files().insert(new.clone(), Arc::clone(file));
            }
            (state.place, state.was_naming) = (Some(new.clone()), false);
            *at = new;
        }
        Ok(())
    }

    /// A file: one that waits will be named so by its upload; of an object no byte moves (B).
    async fn rename_file(&self, from: &Place, to: &Place, held: &mut Vec<Kept>) -> Res<()> {
        let Place::Name { name, .. } = to else { return Err(Errno::EXDEV) };
        let old = self.object_at(from).await?;
        let waits = held.iter().any(|(_, _, state)| state.spooled.is_some());
        if waits {
            // What can fail at the center comes first: until it is moved it waits to be named as it was.
            let over = self.object_at(to).await?.map(|entry| entry.version);
            self.removed(from, held).await?;
            return self.held_moved(held, (from, to), over).await;
        }
        let Some(entry) = old else { return Err(Errno::ENOENT) };
        self.keep(from).await?;
        let bucket = self.bucket(from).await?;
        let source = (entry.name.as_str(), Some(entry.version));
        let copied = self.client().copy_told(&bucket, source, (name, None), Expect::Any).await;
        let new = copied.map_err(|error| self.no(from, &error))?;
        self.names.changed(to, Some(Kid::File(new.clone())));
        self.remove(from).await?;
        for (_, _, state) in held.iter_mut() {
            state.entry = Some(new.clone());
        }
        self.held_moved(held, (from, to), None).await
    }

    /// A folder, name by name; inside, what of the old names did not go though it has the new one.
    async fn rename_folder(&self, from: &Place, to: &Place, held: &mut Vec<Kept>) -> Res<Res<()>> {
        let bucket = self.bucket(from).await?;
        let (inside, new) = (from.inside(), to.inside());
        let all = self.client().list(&bucket, &inside).await.map_err(|error| self.no(from, &error))?;
        if all.len() > TREE_NAMES_MAX {
            return Err(Errno::EFBIG);
        }
        self.keep(from).await?;
        let moved = |entry: &Entry| format!("{new}{}", &entry.name[inside.len()..]);
        let each = || stream::iter(all.iter().map(Ok::<_, ClientError>));
        let copying = each().try_for_each_concurrent(CHANGES_AT_ONCE, |entry| {
            let (to, bucket) = (moved(entry), &bucket);
            async move {
                let source = (entry.name.as_str(), Some(entry.version));
                self.client().copy_told(bucket, source, (&to, None), Expect::Any).await.map(drop)
            }
        });
        copying.await.map_err(|error| self.no(from, &error))?;
        self.held_moved(held, (from, to), None).await?;
        let bucket = &bucket;
        let removing = each().try_for_each_concurrent(CHANGES_AT_ONCE, |entry| async move {
            match self.client().remove(bucket, &entry.name, Expect::Version(entry.version)).await {
                Ok(_) => Ok(()),
                Err(ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => Ok(()),
                Err(error) => Err(error),
            }
        });
        let removed = removing.await;
        for folder in [from, to] {
            self.names.forget(&folder.parent());
        }
        Ok(removed.map_err(|error| self.no(from, &error)))
    }
}

/// Notes of all that waits where it stands from now on; where one does not take it, all keep their places. The new places. Blocking.
fn placed_all(all: &mut [Kept], (from, to): (&Place, &Place), over: Option<[u8; 16]>) -> Res<Vec<Place>> {
    let mut news: Vec<Place> = Vec::with_capacity(all.len());
    for (at, _, state) in all.iter_mut() {
        let new = at.moved(from, to).ok_or(Errno::EIO)?;
        let base = state.base.clone();
        let placed = state.spooled.as_mut().map_or(Ok(()), |spooled| spooled.placed(&new, over, base.as_deref()));
        if let Err(no) = placed {
            for (at, _, state) in all.iter_mut().take(news.len() + 1) {
                let (base, over) = (state.base.clone(), state.spooled.as_ref().and_then(super::file::Spooled::over));
                let back = state.spooled.as_mut().map_or(Ok(()), |spooled| spooled.placed(at, over, base.as_deref()));
                if back.is_err() {
                    tracing::warn!("a file whose renaming failed may have its new name should this end now");
                }
            }
            return Err(no);
        }
        news.push(new);
    }
    Ok(news)
}
