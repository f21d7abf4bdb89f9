//! An account's buckets as folders, over `client`.
//!
//! (A) A list that cannot be made is an error. (B) A folder is there when a name is in it, or its marker: an empty object whose name
//! ends with `/`. A folder whose last name goes gets one, so that it stays. (C) What is moved is there under its new name before
//! it goes under the old one.

use super::error::Fault;
use super::limits::TREE_NAMES_MAX;
use super::place::{Place, is_part};
use super::properties::Known;
use super::visit::Visit;
use crate::buckets::Buckets;
use client::{
    AccountRoot, Bucket, BucketAsk, BucketFacts, Client, ClientError, Entry, Etag, Expect, Fact, Facts, Kid, Level,
    PutAsk,
};
use futures_util::stream::{self, TryStreamExt};
use hyper::StatusCode;
use model::{Bytes, Stamp, errors};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Media type of a folder's marker.
const FOLDER_TYPE: &str = "application/x-directory";
/// MD5 of nothing.
const EMPTY_MD5: [u8; 16] =
    [0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e];
/// Names that are given anew, or taken away, at the same time.
const CHANGES_AT_ONCE: usize = 8;
/// Names of the program's own begin so.
const OWN: &str = ".pumasi/";

/// Folders and files of an account; clones share it.
#[derive(Clone)]
pub(crate) struct Tree(Arc<Inner>);

struct Inner {
    buckets: Buckets,
    known: Known,
}

/// What is at a place.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// All buckets.
    Root,
    /// A bucket.
    Bucket(Box<BucketFacts>),
    /// A folder, with its marker where it has one.
    Folder(Option<Box<Entry>>),
    /// An object.
    File(Box<Entry>),
}

impl Node {
    pub const fn is_folder(&self) -> bool {
        !matches!(self, Self::File(_))
    }

    /// The object that stands for it.
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Self::File(entry) | Self::Folder(Some(entry)) => Some(entry),
            Self::Root | Self::Bucket(_) | Self::Folder(None) => None,
        }
    }

    pub fn size(&self) -> u64 {
        if let Self::File(entry) = self { entry.size.0 } else { 0 }
    }

    /// When it came to be as it is.
    pub fn at(&self) -> Option<Stamp> {
        match self {
            Self::Bucket(facts) => Some(facts.at),
            node => node.entry().map(|entry| entry.at),
        }
    }

    /// Its tag, without quotes.
    pub fn etag(&self) -> Option<String> {
        if let Self::File(entry) = self { Some(etag(entry)) } else { None }
    }

    /// What it holds, and what it may hold at most, in sealed bytes.
    pub fn quota(&self) -> Option<(Bytes, Bytes)> {
        if let Self::Bucket(facts) = self { Some((facts.sealed, facts.quota?)) } else { None }
    }
}

/// An object's tag as S3's tools see it.
pub(crate) fn etag(entry: &Entry) -> String {
    crate::s3::etag(entry).value().to_owned()
}

impl Tree {
    /// Of an account.
    pub fn new(client: Client, root: AccountRoot) -> Self {
        Self(Arc::new(Inner { buckets: Buckets::new(client, root), known: Known::default() }))
    }

    pub fn client(&self) -> &Client {
        &self.0.buckets.client
    }

    pub fn known(&self) -> &Known {
        &self.0.known
    }

    /// A bucket that is there; its keys are checked when it is opened first.
    pub async fn bucket(&self, name: &str) -> Result<Bucket, Fault> {
        Ok(self.0.buckets.open(name).await?)
    }

    /// An error of something in a bucket.
    pub fn fault(&self, bucket: &str, error: ClientError) -> Fault {
        self.0.buckets.saw(bucket, &error);
        error.into()
    }

    /// Names in a bucket that begin so and that the key has, in order.
    async fn names(&self, visit: &Visit, bucket: &str, prefix: &str) -> Result<Arc<Vec<Entry>>, Fault> {
        if let Some(list) = visit.listed(bucket, prefix) {
            return Ok(list);
        }
        let opened = self.bucket(bucket).await?;
        let mut all = self.client().list(&opened, prefix).await.map_err(|error| self.fault(bucket, error))?;
        all.retain(|entry| !entry.name.starts_with(OWN) && visit.scope().has_names(bucket, &entry.name));
        let list = Arc::new(all);
        visit.note(bucket, prefix, &list);
        Ok(list)
    }

    /// What is at a place. A folder hides an object of its name.
    pub async fn look(&self, visit: &Visit, place: &Place) -> Result<Node, Fault> {
        if !place.is_seen(visit.scope()) {
            return Err(Fault::unknown());
        }
        match place {
            Place::Root => Ok(Node::Root),
            Place::Bucket(name) => {
                self.bucket(name).await?;
                let facts = self.client().bucket_facts(&self.0.buckets.root, name).await;
                Ok(Node::Bucket(Box::new(facts.map_err(|error| self.fault(name, error))?)))
            }
            Place::Name { bucket, name } => {
                let opened = self.bucket(bucket).await?;
                let found = self.client().kid(&opened, name).await.map_err(|error| self.fault(bucket, error))?;
                let (below, prefix) = (place.inside(), &visit.scope().prefix);
                match found {
                    // On the way to what the key has.
                    Some(Kid::Folder(Some(marker))) if below == *prefix => Ok(Node::Folder(Some(Box::new(marker)))),
                    _ if prefix.starts_with(&below) => Ok(Node::Folder(None)),
                    Some(Kid::Folder(marker)) => Ok(Node::Folder(marker.map(Box::new))),
                    Some(Kid::File(entry)) => Ok(Node::File(Box::new(entry))),
                    None => Err(Fault::unknown()),
                }
            }
        }
    }

    /// What lies in a folder that is there.
    pub async fn kids(&self, visit: &Visit, place: &Place) -> Result<BTreeMap<String, Node>, Fault> {
        let Some(bucket) = place.bucket() else { return self.all_buckets(visit).await };
        let inside = place.inside();
        let level = match visit.listed(bucket, &inside) {
            Some(list) => Level::of(&list, &inside),
            None => {
                let opened = self.bucket(bucket).await?;
                self.client().level(&opened, &inside).await.map_err(|error| self.fault(bucket, error))?
            }
        };
        let is_own = |part: &String| OWN.strip_suffix('/') == Some(part.as_str());
        if matches!(place, Place::Bucket(_)) && visit.removes(place) && !level.kids.keys().all(is_own) {
            visit.saw_full();
        }
        let mut kids = shown(level, &inside, &visit.scope().prefix);
        let way = visit.scope().prefix.strip_prefix(&inside).and_then(|rest| rest.split_once('/'));
        if let Some((part, _)) = way.filter(|(part, _)| is_part(part)) {
            kids.entry(part.to_owned()).or_insert(Node::Folder(None));
        }
        Ok(kids)
    }

    async fn all_buckets(&self, visit: &Visit) -> Result<BTreeMap<String, Node>, Fault> {
        let all = self.client().buckets(&self.0.buckets.root).await?;
        let (is_any, mut kids) = (!all.is_empty(), BTreeMap::new());
        let mut is_opened = false;
        for facts in all {
            let Some(name) = facts.name.clone() else { continue };
            is_opened = true;
            if is_part(&name) && visit.scope().has_bucket(&name) {
                kids.insert(name, Node::Bucket(Box::new(facts)));
            }
        }
        // Buckets none of which this key opens are not "no buckets".
        if is_any && !is_opened { Err(ClientError::WrongKey.into()) } else { Ok(kids) }
    }

    /// Makes a folder, or a bucket.
    pub async fn make_folder(&self, visit: &Visit, place: &Place) -> Result<(), Fault> {
        let exists = || Fault::new(StatusCode::METHOD_NOT_ALLOWED, errors::BUCKET_EXISTS, "it is there already");
        match self.look(visit, place).await {
            Ok(_) => return Err(exists()),
            Err(fault) if fault.is_unknown() => {}
            Err(fault) => return Err(fault),
        }
        visit.check(place, true)?;
        let Place::Name { bucket, .. } = place else { return self.make_bucket(visit, place).await };
        self.parent(visit, place).await?;
        let made = self.mark(bucket, place, Facts::default()).await;
        visit.changed();
        made
    }

    async fn make_bucket(&self, visit: &Visit, place: &Place) -> Result<(), Fault> {
        let name = place.shown();
        if !s3s::path::check_bucket_name(name) {
            let why = "a folder at the top is a bucket, and its name has 3 to 63 small letters, digits and -";
            return Err(Fault::new(StatusCode::FORBIDDEN, errors::BAD_NAME, why));
        }
        self.client().make_bucket(&self.0.buckets.root, name, &BucketAsk::default()).await?;
        visit.changed();
        Ok(())
    }

    /// Refuses a place whose folder is not there.
    pub async fn parent(&self, visit: &Visit, place: &Place) -> Result<(), Fault> {
        let none =
            || Fault::new(StatusCode::CONFLICT, errors::OBJECT_UNKNOWN, "the folder it shall lie in is not there");
        match self.look(visit, &place.parent()).await {
            Ok(node) if node.is_folder() => Ok(()),
            Ok(_) => Err(none()),
            Err(fault) if fault.is_unknown() => Err(none()),
            Err(fault) => Err(fault),
        }
    }

    /// Puts a folder's marker where none is.
    pub async fn mark(&self, bucket: &str, place: &Place, mut facts: Facts) -> Result<(), Fault> {
        let (opened, is_plain) = (self.bucket(bucket).await?, facts.is_empty());
        facts.0.push(Fact::Etag(Etag { md5: EMPTY_MD5, parts: 0 }));
        let ask = PutAsk {
            expect: Expect::Absent,
            content_type: FOLDER_TYPE.to_owned(),
            facts,
            ..PutAsk::new(&place.inside())
        };
        match self.client().put(&opened, ask, Box::new(io::empty()), &|_, _, _| {}).await {
            Ok(_) => Ok(()),
            // Somebody else made it meanwhile.
            Err(ClientError::Refused(no)) if is_plain && no.id == errors::PRECONDITION => Ok(()),
            Err(error) => Err(self.fault(bucket, error)),
        }
    }

    /// Takes a file away.
    pub async fn remove_file(&self, visit: &Visit, place: &Place) -> Result<(), Fault> {
        visit.check(place, false)?;
        if visit.puts_over(place) {
            return Ok(());
        }
        let Place::Name { bucket, name } = place else { return Err(Fault::unknown()) };
        let opened = self.bucket(bucket).await?;
        let gone = self.client().remove(&opened, name, Expect::Any).await;
        visit.changed();
        gone.map_err(|error| self.fault(bucket, error))?;
        if visit.removes(place) { self.keep(visit, &place.parent()).await } else { Ok(()) }
    }

    /// Takes a folder away in which nothing is left that is shown.
    pub async fn remove_folder(&self, visit: &Visit, place: &Place) -> Result<(), Fault> {
        visit.check(place, true)?;
        if !self.kids(visit, place).await?.is_empty() {
            return Err(Fault::new(StatusCode::CONFLICT, errors::BUCKET_NOT_EMPTY, "there are names in it"));
        }
        match place {
            Place::Root => Err(Fault::denied("this is no folder of its own")),
            Place::Bucket(_) if visit.was_full() => {
                let why = "its names were removed, and can be brought back; an empty bucket goes when that is asked once more";
                Err(Fault::new(StatusCode::CONFLICT, errors::BUCKET_NOT_EMPTY, why))
            }
            Place::Bucket(name) => {
                self.client()
                    .remove_bucket(&self.0.buckets.root, name)
                    .await
                    .map_err(|error| self.fault(name, error))?;
                self.0.buckets.forget(name);
                Ok(())
            }
            Place::Name { bucket, .. } => {
                let rest = self.names(visit, bucket, &place.inside()).await?;
                self.remove_all(bucket, &rest).await?;
                visit.changed();
                if visit.removes(place) { self.keep(visit, &place.parent()).await } else { Ok(()) }
            }
        }
    }

    async fn remove_all(&self, bucket: &str, all: &[Entry]) -> Result<(), Fault> {
        let opened = &self.bucket(bucket).await?;
        let removing =
            stream::iter(all.iter().map(Ok::<_, Fault>)).try_for_each_concurrent(CHANGES_AT_ONCE, |entry| async move {
                match self.client().remove(opened, &entry.name, Expect::Version(entry.version)).await {
                    Ok(_) => Ok(()),
                    Err(ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => Ok(()),
                    Err(error) => Err(self.fault(bucket, error)),
                }
            });
        removing.await
    }

    /// (B): a folder from which something went stays.
    async fn keep(&self, visit: &Visit, folder: &Place) -> Result<(), Fault> {
        let Place::Name { bucket, .. } = folder else { return Ok(()) };
        if !folder.is_had(visit.scope(), true) || !self.names(visit, bucket, &folder.inside()).await?.is_empty() {
            return Ok(());
        }
        let marked = self.mark(bucket, folder, Facts::default()).await;
        visit.changed();
        marked
    }

    /// Gives what is at a place, with all that lies in it, another place.
    pub async fn rename(&self, visit: &Visit, from: &Place, to: &Place) -> Result<(), Fault> {
        let node = self.look(visit, from).await?;
        let is_folder = node.is_folder();
        visit.check(from, is_folder)?;
        visit.check(to, is_folder)?;
        let (Place::Name { bucket, name }, Place::Name { bucket: other, name: new }) = (from, to) else {
            return self.rename_bucket(visit, from, to).await;
        };
        let all = match node {
            Node::File(entry) => vec![(*entry, new.clone())],
            _ => {
                let list = self.names(visit, bucket, &from.inside()).await?;
                if list.len() > TREE_NAMES_MAX {
                    let why = format!("{} names; {TREE_NAMES_MAX} are the most of one request", list.len());
                    return Err(Fault::new(StatusCode::INSUFFICIENT_STORAGE, errors::TOO_LARGE, why));
                }
                let moved = |entry: &Entry| format!("{new}{}", &entry.name[name.len()..]);
                list.iter().map(|entry| (entry.clone(), moved(entry))).collect()
            }
        };
        let copying = stream::iter(all.iter().map(Ok::<_, Fault>))
            .try_for_each_concurrent(CHANGES_AT_ONCE, |(entry, new)| {
                self.copy_one((bucket.as_str(), entry), (other.as_str(), new.as_str()), visit.expect())
            });
        copying.await?;
        // (C)
        let old: Vec<Entry> = all.into_iter().map(|(entry, _)| entry).collect();
        let removed = self.remove_all(bucket, &old).await;
        visit.changed();
        removed?;
        self.keep(visit, &from.parent()).await
    }

    /// A bucket has its name for ever; an empty one can as well be made anew.
    async fn rename_bucket(&self, visit: &Visit, from: &Place, to: &Place) -> Result<(), Fault> {
        let (Place::Bucket(name), Place::Bucket(_)) = (from, to) else {
            return Err(Fault::denied("what lies at the top is a bucket, and nothing else is"));
        };
        if !self.names(visit, name, "").await?.is_empty() {
            return Err(Fault::denied("a bucket keeps its name; make another and move what is in it"));
        }
        self.make_bucket(visit, to).await?;
        self.client().remove_bucket(&self.0.buckets.root, name).await.map_err(|error| self.fault(name, error))?;
        self.0.buckets.forget(name);
        Ok(())
    }

    /// Gives a file another name beside its own.
    pub async fn copy(&self, visit: &Visit, from: &Place, to: &Place) -> Result<(), Fault> {
        let node = self.look(visit, from).await?;
        visit.check(to, false)?;
        match (from, node, to) {
            (Place::Name { bucket, .. }, Node::File(entry), Place::Name { bucket: other, name }) => {
                let copied = self.copy_one((bucket, &entry), (other, name), visit.expect()).await;
                visit.changed();
                copied
            }
            _ => Err(Fault::denied("what lies at the top is a bucket, and nothing else is")),
        }
    }

    /// Inside a bucket no byte moves; into another one its content is sealed anew.
    async fn copy_one(
        &self,
        (from, entry): (&str, &Entry),
        (to, name): (&str, &str),
        expect: Expect,
    ) -> Result<(), Fault> {
        let bucket = self.bucket(from).await?;
        let source = (entry.name.as_str(), Some(entry.version));
        if from == to {
            let copied = self.client().copy_told(&bucket, source, (name, None), expect).await;
            return copied.map(drop).map_err(|error| self.fault(from, error));
        }
        let found = self.client().find(&bucket, source.0, source.1).await.map_err(|error| self.fault(from, error))?;
        self.copy_over((bucket, found), (to, name), expect).await
    }

    /// Copies what tools told of a folder to its copy.
    pub async fn copy_marker(&self, visit: &Visit, from: &Place, to: &Place) -> Result<(), Fault> {
        let (Place::Name { bucket, .. }, Place::Name { bucket: other, .. }) = (from, to) else { return Ok(()) };
        match self.look(visit, from).await? {
            Node::Folder(Some(entry)) => self.copy_one((bucket, &entry), (other, &to.inside()), Expect::Any).await,
            _ => Ok(()),
        }
    }
}

/// What of a level a key sees that has the names which begin with `prefix`, and what has a path.
fn shown(level: Level, inside: &str, prefix: &str) -> BTreeMap<String, Node> {
    let node = |(part, kid): (String, Kid)| {
        let (name, node) = match kid {
            Kid::File(entry) => (format!("{inside}{part}"), Node::File(Box::new(entry))),
            Kid::Folder(marker) => (format!("{inside}{part}/"), Node::Folder(marker.map(Box::new))),
        };
        let is_seen = is_part(&part) && name.starts_with(prefix) && !name.starts_with(OWN);
        is_seen.then_some((part, node))
    };
    level.kids.into_iter().filter_map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        Entry {
            name: name.into(),
            size: Bytes(1),
            at: Stamp(1),
            changed: None,
            hash: [0; 32],
            content_type: String::new(),
            version: [0; 16],
            etag: None,
            unix: None,
        }
    }

    #[test]
    fn names_fold_into_folders_and_what_is_no_path_is_not_shown() {
        let names = ["a", "a-b", "a/", "a/1", "b/c/", "d", "e//f", "g/../h", "x/.", "y/z"];
        let list: Vec<Entry> = names.iter().map(|name| entry(name)).collect();
        let of = |list: &[Entry], inside: &str, prefix: &str| -> Vec<(String, bool, bool)> {
            let kids = shown(Level::of(list, inside), inside, prefix);
            kids.into_iter().map(|(name, node)| (name, node.is_folder(), node.entry().is_some())).collect()
        };
        let top = of(&list, "", "");
        let is = |name: &str, folder: bool, has_entry: bool| (name.to_owned(), folder, has_entry);
        assert_eq!(
            top,
            [
                is("a", true, true),
                is("a-b", false, true),
                is("b", true, false),
                is("d", false, true),
                is("e", true, false),
                is("g", true, false),
                is("x", true, false),
                is("y", true, false),
            ]
        );
        assert_eq!(of(&list, "a/", ""), [is("1", false, true)], "the marker is not in its own folder");
        assert_eq!(of(&list, "e/", ""), []);
        assert_eq!(of(&list, "g/", ""), []);
        assert_eq!(of(&list, "", "a-"), [is("a-b", false, true)], "a key's own");
        assert_eq!(of(&list, "", "b/"), [is("b", true, false)]);
        assert_eq!(of(&list, "b/", "b/c"), [is("c", true, true)]);
        assert_eq!(of(&list, "b/", "b/d"), []);
        assert_eq!(of(&[entry(".pumasi/x")], "", ""), [], "the program's own");
    }
}
