//! One level of a bucket's names, as a folder shows them: asked of the index by leaps, so that a folder is as quick as what lies in it,
//! not as what lies below it.

use crate::index::Names;
use crate::names::Entry;
use crate::{Bucket, Client, ClientError};
use model::BucketId;
use std::collections::BTreeMap;

/// What lies below the beginning of names, up to the next `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Level {
    /// The object whose name is the beginning itself.
    pub own: Option<Entry>,
    /// By part. An object that has the name of a folder is not shown.
    pub kids: BTreeMap<String, Kid>,
}

/// What has a part of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kid {
    /// An object.
    File(Entry),
    /// Names that go on behind a `/`; the object whose name is the part with its `/`, where there is one.
    Folder(Option<Entry>),
}

impl Level {
    /// The level below `prefix` of names in their order.
    pub fn of(names: &[Entry], prefix: &str) -> Self {
        level(prefix, |from| names.get(names.partition_point(|entry| entry.name.as_str() < from)).cloned())
    }
}

/// What has a name, as a folder shows it: what begins with the name and a `/` hides an object of the name.
pub(crate) fn kid(name: &str, mut next: impl FnMut(&str) -> Option<Entry>) -> Option<Kid> {
    let below = format!("{name}/");
    if let Some(first) = next(&below).filter(|entry| entry.name.starts_with(&below)) {
        return Some(Kid::Folder((first.name == below).then_some(first)));
    }
    next(name).filter(|entry| entry.name == name).map(Kid::File)
}

/// The level below `prefix`, by who gives the first name that is not before another.
pub(crate) fn level(prefix: &str, mut next: impl FnMut(&str) -> Option<Entry>) -> Level {
    let (mut level, mut from) = (Level::default(), prefix.to_owned());
    while let Some(entry) = next(&from) {
        let Some(rest) = entry.name.strip_prefix(prefix) else { break };
        let after = format!("{}\0", entry.name);
        match rest.split_once('/') {
            _ if rest.is_empty() => (from, level.own) = (after, Some(entry)),
            None => {
                let part = rest.to_owned();
                level.kids.insert(part, Kid::File(entry));
                from = after;
            }
            Some((part, below)) => {
                let part = part.to_owned();
                let marker = below.is_empty().then_some(entry);
                from = format!("{prefix}{part}0"); // `0` comes behind `/`
                level.kids.insert(part, Kid::Folder(marker));
            }
        }
    }
    level
}

fn level_of(prefix: &str) -> impl FnOnce(&Names) -> Level + Send + 'static {
    let prefix = prefix.to_owned();
    move |names| level(&prefix, |from| names.from("", from).next())
}

impl Client {
    /// The level of a bucket's names below `prefix`, with all changes up to now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn level(&self, bucket: &Bucket, prefix: &str) -> Result<Level, ClientError> {
        if let Some(index) = self.index.as_ref().filter(|_| bucket.is_own()) {
            match self.synced(index, bucket).await {
                Ok(names) => return self.in_index(index, names, level_of(prefix)).await,
                Err(ClientError::File { path, source }) => {
                    tracing::warn!(%path, %source, "the index of names cannot be used; all changes are read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Level::of(&self.list_all(bucket, prefix).await?, prefix))
    }

    /// What has a name in a bucket, as a folder shows it, with all changes up to now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn kid(&self, bucket: &Bucket, name: &str) -> Result<Option<Kid>, ClientError> {
        if let Some(index) = self.index.as_ref().filter(|_| bucket.is_own()) {
            match self.synced(index, bucket).await {
                Ok(names) => {
                    let name = name.to_owned();
                    return self
                        .in_index(index, names, move |names| kid(&name, |from| names.from("", from).next()))
                        .await;
                }
                Err(ClientError::File { path, source }) => {
                    tracing::warn!(%path, %source, "the index of names cannot be used; all changes are read");
                }
                Err(error) => return Err(error),
            }
        }
        let all = self.list_all(bucket, name).await?;
        Ok(kid(name, |from| all.get(all.partition_point(|entry| entry.name.as_str() < from)).cloned()))
    }

    /// The same as this machine knows it, without asking anybody; none where it keeps no index.
    ///
    /// # Errors
    /// [`ClientError::File`].
    pub async fn level_known(&self, bucket: &BucketId, prefix: &str) -> Result<Option<Level>, ClientError> {
        let Some(index) = &self.index else { return Ok(None) };
        let names = index.known(*bucket).await?;
        if names.head.seq == 0 {
            return Ok(None); // nothing was ever read of it: that is no empty bucket
        }
        self.in_index(index, names, level_of(prefix)).await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Bytes, Stamp};
    use proptest::prelude::*;

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

    /// Every name is looked at.
    fn slow(names: &BTreeMap<String, Entry>, prefix: &str) -> Level {
        let mut level = Level::default();
        for (name, entry) in names {
            let Some(rest) = name.strip_prefix(prefix) else { continue };
            match rest.split_once('/') {
                _ if rest.is_empty() => level.own = Some(entry.clone()),
                None => drop(level.kids.insert(rest.to_owned(), Kid::File(entry.clone()))),
                Some((part, "")) => drop(level.kids.insert(part.to_owned(), Kid::Folder(Some(entry.clone())))),
                Some((part, _)) => {
                    let kid = level.kids.entry(part.to_owned()).or_insert(Kid::Folder(None));
                    if matches!(kid, Kid::File(_)) {
                        *kid = Kid::Folder(None);
                    }
                }
            }
        }
        level
    }

    proptest! {
        #[test]
        fn a_level_is_the_same_by_leaps(names in proptest::collection::btree_set("[a/0.-]{1,6}", 0..40), prefix in "[a/]{0,3}") {
            let all: BTreeMap<String, Entry> = names.iter().map(|name| (name.clone(), entry(name))).collect();
            let mut asked = 0;
            let by_leaps = level(&prefix, |from| {
                asked += 1;
                all.range(from.to_owned()..).next().map(|(_, entry)| entry.clone())
            });
            prop_assert!(asked <= 2 * by_leaps.kids.len() + 2, "a name below a folder was looked at");
            prop_assert_eq!(&by_leaps, &slow(&all, &prefix));
            let list: Vec<Entry> = all.values().cloned().collect();
            prop_assert_eq!(&Level::of(&list, &prefix), &by_leaps);
            for part in ["a", "0", "-", ".", "aa", "a.", "no"] {
                let found = kid(&format!("{prefix}{part}"), |from| all.range(from.to_owned()..).next().map(|(_, e)| e.clone()));
                prop_assert_eq!(found.as_ref(), by_leaps.kids.get(part), "one name as its folder shows it");
            }
        }
    }
}
