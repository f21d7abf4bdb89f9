//! The history of a bucket: all versions of all its names, and the markers between them. It is read once, and then only what came
//! since.

use crate::names::{Entry, entry, is_shown};
use crate::{Bucket, Client, ClientError};
use model::Stamp;
use seal::Manifest;
use std::collections::BTreeMap;
use std::ops::Bound;
use wire::signed::{CommitOp, CommitRecord};
use wire::storage::ObjectLine;

/// A version of a name, or a marker, in a bucket's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Plain name.
    pub name: String,
    /// Which.
    pub version: [u8; 16],
    /// When.
    pub at: Stamp,
    /// What it is; none for a marker.
    pub entry: Option<Entry>,
    /// Place in the bucket's order.
    pub seq: u64,
}

/// What was read of a bucket's history.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// By name, the newest last.
    names: BTreeMap<String, Vec<Past>>,
    /// Place of the last change that was read.
    after: u64,
    count: usize,
}

impl History {
    /// Versions and markers in it.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Nothing is in it.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Names that begin with `prefix`, from `from` on, in the order of their bytes, each with its history, the newest last.
    pub fn names<'a>(&'a self, prefix: &'a str, from: &str) -> impl Iterator<Item = (&'a str, &'a [Past])> + 'a {
        let bounds = (Bound::Included(prefix.max(from).to_owned()), Bound::Unbounded);
        let of = self.names.range(bounds).take_while(move |(name, _)| name.starts_with(prefix));
        of.map(|(name, all)| (name.as_str(), all.as_slice())).filter(move |(name, _)| is_shown(prefix, name))
    }

    fn take(&mut self, bucket: &Bucket, line: ObjectLine) -> Result<(), ClientError> {
        self.after = line.bucket_seq;
        let name = bucket.keys.open_name(&line.name_sealed)?;
        if seal::log_from(&name).is_some() {
            return Ok(());
        }
        let op = CommitRecord::op_of(&line.record);
        if op == Some(CommitOp::Drop) {
            if let Some(all) = self.names.get_mut(&name) {
                let before = all.len();
                all.retain(|past| past.version != line.version);
                self.count -= before - all.len();
                if all.is_empty() {
                    self.names.remove(&name);
                }
            }
            return Ok(());
        }
        let entry = match line.manifest.is_empty() {
            true => None,
            false => Some(entry(&Manifest::open(&bucket.keys, &name, &line.manifest)?, line.version, line.at)),
        };
        // What is gone for good left only its record.
        if entry.is_some() || op == Some(CommitOp::Delete) {
            let (version, at, seq) = (line.version, line.at, line.bucket_seq);
            let past = Past { name: name.clone(), version, at, entry, seq };
            self.names.entry(name).or_default().push(past);
            self.count += 1;
        }
        Ok(())
    }
}

impl Client {
    /// Reads what came to a bucket's history since it was read last; all of it where it is empty.
    ///
    /// # Errors
    /// [`ClientError`]; what was read until then counts.
    pub async fn read_history(&self, bucket: &Bucket, history: &mut History) -> Result<(), ClientError> {
        let after = history.after;
        self.changes_after(bucket, (None, after), &mut |line| history.take(bucket, line)).await
    }
}
