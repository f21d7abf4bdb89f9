//! Names as the pool has them, folder by folder: asked of the index at most once in [`LIST_TTL`], and changed here as soon as this
//! mount changes them.
//!
//! (A) A list that cannot be made is an error, never an empty folder; a center that is away leaves the names this machine knows. (B) What
//! this mount changed is seen by the next look, also when the center is away by then. (C) Names that are no path, and the program's own,
//! are not shown.

use super::errno::{Res, is_away, of_client};
use super::limits::{AWAY_REST, LIST_NAMES_KEPT, LIST_TRIES, LIST_TTL, LIST_WAIT, LISTS_KEPT};
use crate::buckets::Buckets;
use crate::dav::place::{Place, is_part};
use client::{ClientError, Kid, Level};
use fuser::Errno;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Names of the program's own begin so.
const OWN: &str = ".pumasi";

/// What lies in a folder.
pub(super) type Kids = BTreeMap<String, Kid>;

struct List {
    kids: Arc<Kids>,
    at: Instant,
}

#[derive(Default)]
struct Lists {
    all: BTreeMap<Place, List>,
    /// Changes that this mount made.
    changes: u64,
    /// What they made of names, as far as no list of the center's shows it yet.
    own: BTreeMap<Place, Option<Kid>>,
    /// When the center did not answer.
    away: Option<Instant>,
}

/// The names.
pub(super) struct Names {
    buckets: Arc<Buckets>,
    lists: Mutex<Lists>,
    /// Held by who asks, so that nobody asks twice.
    asking: tokio::sync::Mutex<()>,
}

impl Names {
    /// Of an account.
    pub fn new(buckets: Arc<Buckets>) -> Self {
        Self { buckets, lists: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lies in a folder, whether or not the folder is there.
    pub async fn kids(&self, folder: &Place) -> Res<Arc<Kids>> {
        if let Some(kids) = self.fresh(folder) {
            return Ok(kids);
        }
        let _asking = self.asking.lock().await;
        if let Some(kids) = self.fresh(folder) {
            return Ok(kids);
        }
        for _ in 0..LIST_TRIES {
            let before = self.lists().changes;
            let (kids, is_asked) = self.ask(folder).await?;
            let kids = Arc::new(kids);
            if self.keep((folder, &kids), before, is_asked) {
                return Ok(kids);
            }
        }
        // Names change faster than they are listed: what came is right, and the next look asks again.
        self.ask(folder).await.map(|(kids, _)| Arc::new(kids))
    }

    fn fresh(&self, folder: &Place) -> Option<Arc<Kids>> {
        let lists = self.lists();
        lists.all.get(folder).filter(|list| list.at.elapsed() < LIST_TTL).map(|list| Arc::clone(&list.kids))
    }

    /// Keeps a list, if nothing changed since `before`. One that the center was asked for shows all that was changed here.
    fn keep(&self, (folder, kids): (&Place, &Arc<Kids>), before: u64, is_asked: bool) -> bool {
        let mut lists = self.lists();
        if lists.changes != before {
            return false;
        }
        if is_asked {
            lists.own.retain(|place, _| place.bucket() != folder.bucket());
        }
        let names: usize = lists.all.values().map(|list| list.kids.len()).sum();
        if lists.all.len() >= LISTS_KEPT || names + kids.len() > LIST_NAMES_KEPT {
            lists.all.clear();
        }
        lists.all.insert(folder.clone(), List { kids: Arc::clone(kids), at: Instant::now() });
        true
    }

    /// What lies in a folder, and whether the center was asked for it.
    async fn ask(&self, folder: &Place) -> Res<(Kids, bool)> {
        let is_resting = self.lists().away.is_some_and(|since| since.elapsed() < AWAY_REST);
        if !is_resting {
            match tokio::time::timeout(LIST_WAIT, self.ask_center(folder)).await {
                Ok(Ok(kids)) => {
                    self.lists().away = None;
                    return Ok((kids, true));
                }
                Ok(Err(error)) if !is_away(&error) => return Err(of_client(&error)),
                Ok(Err(_)) | Err(_) => self.lists().away = Some(Instant::now()),
            }
        }
        let mut kids = self.known(folder).await?;
        for (place, kid) in self.lists().own.iter().filter(|(place, _)| place.parent() == *folder) {
            change(&mut kids, place, kid.clone());
        }
        Ok((kids, false))
    }

    async fn ask_center(&self, folder: &Place) -> Result<Kids, ClientError> {
        let Some(bucket) = folder.bucket() else {
            let all = self.buckets.client.buckets(&self.buckets.root).await?;
            let is_any = !all.is_empty();
            let names: Vec<String> = all.into_iter().filter_map(|facts| facts.name).collect();
            // Buckets none of which this account's keys open are not "no buckets".
            if is_any && names.is_empty() {
                return Err(ClientError::WrongKey);
            }
            return Ok(names.into_iter().filter(|name| is_part(name)).map(|name| (name, Kid::Folder(None))).collect());
        };
        let opened = self.buckets.open(bucket).await?;
        let level = self.buckets.client.level(&opened, &folder.inside()).await;
        level.map(|level| shown(folder, level)).inspect_err(|error| self.buckets.saw(bucket, error))
    }

    /// A folder as this machine knows it (A).
    async fn known(&self, folder: &Place) -> Res<Kids> {
        let kept = self.lists().all.get(folder).map(|list| Kids::clone(&list.kids));
        let Some(bucket) = folder.bucket() else { return kept.ok_or(Errno::EIO) };
        let id = self.buckets.root.bucket_id(bucket);
        match self.buckets.client.level_known(&id, &folder.inside()).await {
            Ok(Some(level)) => Ok(shown(folder, level)),
            Ok(None) => kept.ok_or(Errno::EIO),
            Err(error) => Err(of_client(&error)),
        }
    }

    /// Whether the center did not answer a moment ago.
    pub fn is_away(&self) -> bool {
        self.lists().away.is_some()
    }

    /// What this mount made of a name (B).
    pub fn changed(&self, place: &Place, kid: Option<Kid>) {
        let mut lists = self.lists();
        lists.changes += 1;
        lists.away = None; // somebody said yes to it
        if lists.own.len() >= LIST_NAMES_KEPT {
            lists.own.clear();
        }
        lists.own.insert(place.clone(), kid.clone());
        if let Some(list) = lists.all.get_mut(&place.parent()) {
            change(Arc::make_mut(&mut list.kids), place, kid);
        }
    }

    /// Lists of a folder, and of all that lies in it, are asked for anew.
    pub fn forget(&self, folder: &Place) {
        let mut lists = self.lists();
        lists.changes += 1;
        lists.all.retain(|place, _| place.moved(folder, folder).is_none());
    }
}

fn change(kids: &mut Kids, place: &Place, kid: Option<Kid>) {
    match kid {
        Some(kid) => drop(kids.insert(place.shown().to_owned(), kid)),
        None => drop(kids.remove(place.shown())),
    }
}

/// What of a level is shown (C).
fn shown(folder: &Place, level: Level) -> Kids {
    let is_top = matches!(folder, Place::Bucket(_));
    level.kids.into_iter().filter(|(part, _)| is_part(part) && !(is_top && part == OWN)).collect()
}
