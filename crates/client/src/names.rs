//! Names: listed in true order, looked at, removed, brought back, copied without moving a piece.

use crate::flow::join_run;
use crate::put::Change;
use crate::unix::Unix;
use crate::{Bucket, Client, ClientError};
use model::{Bytes, Stamp};
use rand_core::Rng;
use seal::{Etag, Facts, Manifest};
use std::collections::BTreeMap;
use wire::Reply;
use wire::account::GrantedAsk;
use wire::limits::READ_SEGMENTS_MAX;
use wire::signed::{CommitOp, CommitRecord};
use wire::storage::{Expect, ObjectLine, ObjectList, SegmentRun};

/// Changes asked for at a time.
const PAGE: u16 = 500;

/// A name in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Plain name.
    pub name: String,
    /// Size.
    pub size: Bytes,
    /// When it was committed.
    pub at: Stamp,
    /// When its content was last changed, where that is known.
    pub changed: Option<Stamp>,
    /// BLAKE3 of the content; zeros where it came in parts.
    pub hash: [u8; 32],
    /// Media type; empty when unknown.
    pub content_type: String,
    /// Which version.
    pub version: [u8; 16],
    /// The content's tag, where whoever stored it made one.
    pub etag: Option<Etag>,
    /// What it is as a file, where somebody told.
    pub unix: Option<Unix>,
}

impl Entry {
    /// It came in parts, of which each has a hash of its own.
    pub fn is_in_parts(&self) -> bool {
        self.hash == [0; 32]
    }
}

/// A version of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Place in the bucket's order.
    pub bucket_seq: u64,
    /// Which.
    pub version: [u8; 16],
    /// When.
    pub at: Stamp,
    /// Its size; none for a marker.
    pub size: Option<Bytes>,
    /// It went out of its name's history, and stays for its retention.
    pub is_dropped: bool,
}

/// What is told of another name, or of the same, that is given to content that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFacts {
    /// Media type; empty when unknown.
    pub content_type: String,
    /// Pairs of the member's own.
    pub pairs: Vec<(String, String)>,
    /// What foreign protocols tell of it.
    pub facts: Facts,
}

/// What is left of a name's versions, in order; none for a marker.
type OfName = Vec<([u8; 16], Option<Entry>)>;

impl Client {
    /// Names in a bucket that begin with `prefix`, in true order; jobs' own only where the prefix names them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(&self, bucket: &Bucket, prefix: &str) -> Result<Vec<Entry>, ClientError> {
        let mut all = self.list_all(bucket, prefix).await?;
        all.retain(|entry| is_shown(prefix, &entry.name));
        Ok(all)
    }

    /// The same with what jobs keep for themselves.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_all(&self, bucket: &Bucket, prefix: &str) -> Result<Vec<Entry>, ClientError> {
        if let Some(index) = self.index.as_ref().filter(|_| bucket.is_own()) {
            match self.list_indexed(index, bucket, prefix).await {
                Err(ClientError::File { path, source }) => {
                    tracing::warn!(%path, %source, "the index of names cannot be used; all changes are read");
                }
                listed => return listed,
            }
        }
        let mut found: BTreeMap<String, OfName> = BTreeMap::new();
        let mut note = |line: ObjectLine| {
            let name = bucket.keys.open_name(&line.name_sealed)?;
            if !name.starts_with(prefix) || seal::log_from(&name).is_some() {
                return Ok(());
            }
            if CommitRecord::op_of(&line.record) == Some(CommitOp::Drop) {
                if let Some(of_name) = found.get_mut(&name) {
                    of_name.retain(|(version, _)| *version != line.version);
                }
                return Ok(());
            }
            let there = match line.manifest.is_empty() {
                true => None,
                false => Some(entry(&Manifest::open(&bucket.keys, &name, &line.manifest)?, line.version, line.at)),
            };
            found.entry(name).or_default().push((line.version, there));
            Ok(())
        };
        self.changes(bucket, None, &mut note).await?;
        Ok(found.into_values().filter_map(|mut of_name| of_name.pop()?.1).collect())
    }

    /// What a name is after a version of it was dropped; none where nothing is left.
    pub(crate) async fn newest(&self, bucket: &Bucket, name: &str) -> Result<Option<Entry>, ClientError> {
        match self.stat(bucket, name).await {
            Ok(entry) => Ok(Some(entry)),
            Err(ClientError::Refused(no)) if no.id == model::errors::OBJECT_UNKNOWN => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands names that begin with `prefix`, from `after` on, to `take` in true order, which may stop early; jobs' own only where
    /// the prefix names them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_from<T: Send + 'static>(
        &self,
        bucket: &Bucket,
        (prefix, after): (&str, &str),
        take: impl FnOnce(&mut dyn Iterator<Item = Entry>) -> T + Send + 'static,
    ) -> Result<T, ClientError> {
        let of = prefix.to_owned();
        let shown = move |names: &mut dyn Iterator<Item = Entry>| take(&mut names.filter(|e| is_shown(&of, &e.name)));
        if let Some(index) = self.index.as_ref().filter(|_| bucket.is_own()) {
            match self.synced(index, bucket).await {
                Ok(names) => return self.list_synced(index, names, (prefix, after), shown).await,
                Err(ClientError::File { path, source }) => {
                    tracing::warn!(%path, %source, "the index of names cannot be used; all changes are read");
                }
                Err(error) => return Err(error),
            }
        }
        let all = self.list_all(bucket, prefix).await?;
        Ok(shown(&mut all.into_iter().filter(|entry| entry.name.as_str() >= after)))
    }

    /// One name.
    pub async fn stat(&self, bucket: &Bucket, name: &str) -> Result<Entry, ClientError> {
        let (opened, _) = self.open(bucket, name, None, 0).await?;
        Ok(entry(&opened.manifest, opened.version, opened.at))
    }

    /// All versions of a name, the newest first.
    pub async fn versions(&self, bucket: &Bucket, name: &str) -> Result<Vec<Version>, ClientError> {
        let mut all: Vec<Version> = Vec::new();
        let mut note = |line: ObjectLine| {
            if CommitRecord::op_of(&line.record) == Some(CommitOp::Drop) {
                all.iter_mut().filter(|v| v.version == line.version).for_each(|v| v.is_dropped = true);
                return Ok(());
            }
            let size = match line.manifest.is_empty() {
                true => None,
                false => Some(Bytes(Manifest::open(&bucket.keys, name, &line.manifest)?.size)),
            };
            let (bucket_seq, version, at) = (line.bucket_seq, line.version, line.at);
            all.push(Version { bucket_seq, version, at, size, is_dropped: false });
            Ok(())
        };
        self.changes(bucket, Some(bucket.seal_name(name)?), &mut note).await?;
        all.reverse();
        Ok(all)
    }

    /// Removes a name; it can be brought back. The version of the marker that stands in its place.
    pub async fn remove(&self, bucket: &Bucket, name: &str, expect: Expect) -> Result<[u8; 16], ClientError> {
        let version = random();
        let change = Change {
            op: CommitOp::Delete,
            name_sealed: bucket.seal_name(name)?,
            expect,
            version,
            segments: Vec::new(),
            manifest: Vec::new(),
        };
        self.commit(bucket, change).await.map(|_| version)
    }

    /// Takes one version of a name, or a marker, out of its history: the name is what its newest other version says. It stays for
    /// its retention and can be brought back until then.
    ///
    /// # Errors
    /// E0304 where it is none of the name's, E0305 where the name is not what `expect` says.
    pub async fn drop_version(
        &self,
        bucket: &Bucket,
        name: &str,
        version: [u8; 16],
        expect: Expect,
    ) -> Result<(), ClientError> {
        let change = Change {
            op: CommitOp::Drop,
            name_sealed: bucket.seal_name(name)?,
            expect,
            version,
            segments: Vec::new(),
            manifest: Vec::new(),
        };
        self.commit(bucket, change).await.map(drop)
    }

    /// Makes a removed name's last version its newest again.
    pub async fn undelete(&self, bucket: &Bucket, name: &str) -> Result<Entry, ClientError> {
        let mut versions = self.versions(bucket, name).await?;
        // What went out of the history counts only where nothing else has content.
        if versions.iter().any(|v| !v.is_dropped && v.size.is_some()) {
            versions.retain(|v| !v.is_dropped);
        }
        let last = versions.iter().find(|v| v.size.is_some()).ok_or_else(unknown)?;
        if versions.first().is_some_and(|newest| newest.version == last.version && !newest.is_dropped) {
            return self.stat(bucket, name).await; // it is there
        }
        self.name_anew(bucket, (name, Some(last.version)), (name, None), CommitOp::Undelete, Expect::Absent).await
    }

    /// Makes one version of a name its newest again, whatever is there, one that went out of the history too.
    ///
    /// # Errors
    /// E0304 where it is none of the name's, or its retention is over.
    pub async fn bring_back(&self, bucket: &Bucket, name: &str, version: [u8; 16]) -> Result<Entry, ClientError> {
        self.name_anew(bucket, (name, Some(version)), (name, None), CommitOp::Undelete, Expect::Any).await
    }

    /// Another name for the same content, in the same bucket; no piece moves.
    pub async fn copy(&self, bucket: &Bucket, from: &str, to: &str, expect: Expect) -> Result<Entry, ClientError> {
        self.name_anew(bucket, (from, None), (to, None), CommitOp::Copy, expect).await
    }

    /// The same for one version of `from`, with other facts where some are given. `from` may be `to`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn copy_told(
        &self,
        bucket: &Bucket,
        (from, version): (&str, Option<[u8; 16]>),
        (to, told): (&str, Option<NewFacts>),
        expect: Expect,
    ) -> Result<Entry, ClientError> {
        self.name_anew(bucket, (from, version), (to, told), CommitOp::Copy, expect).await
    }

    /// The same for one version of `from`, whichever is the newest by now.
    pub(crate) async fn copy_version(
        &self,
        bucket: &Bucket,
        (from, version): (&str, [u8; 16]),
        to: &str,
    ) -> Result<Entry, ClientError> {
        self.name_anew(bucket, (from, Some(version)), (to, None), CommitOp::Copy, Expect::Any).await
    }

    async fn name_anew(
        &self,
        bucket: &Bucket,
        (from, version): (&str, Option<[u8; 16]>),
        (to, told): (&str, Option<NewFacts>),
        op: CommitOp,
        expect: Expect,
    ) -> Result<Entry, ClientError> {
        let (opened, page) = match op {
            CommitOp::Undelete => self.open_any(bucket, from, version, READ_SEGMENTS_MAX).await?,
            _ => self.open(bucket, from, version, READ_SEGMENTS_MAX).await?,
        };
        let runs = self.runs_of(bucket, from, opened.version, opened.segments_count, page).await?;
        let mut manifest = Manifest { name: to.to_owned(), ..opened.manifest };
        if let Some(told) = told {
            (manifest.content_type, manifest.pairs, manifest.facts) = (told.content_type, told.pairs, told.facts);
        }
        let sealed = manifest.seal(&bucket.keys, &mut rand::rng())?;
        let version = random();
        let name_sealed = bucket.seal_name(to)?;
        let change = Change { op, name_sealed, expect, version, segments: runs, manifest: sealed };
        self.commit(bucket, change).await?;
        Ok(entry(&manifest, version, self.now()))
    }

    async fn runs_of(
        &self,
        bucket: &Bucket,
        name: &str,
        version: [u8; 16],
        count: u32,
        first: wire::storage::ReadGrant,
    ) -> Result<Vec<SegmentRun>, ClientError> {
        let (mut runs, mut number, mut page) = (Vec::new(), 0u32, first);
        loop {
            for s in &page.segments {
                join_run(&mut runs, SegmentRun { pg: s.pg, seq: s.seq, count: 1 });
            }
            let came = u32::try_from(page.segments.len()).unwrap_or(u32::MAX);
            number += came;
            if number >= count || came == 0 {
                return Ok(runs);
            }
            page = self.read_page(bucket, name, Some(version), number, READ_SEGMENTS_MAX).await?;
        }
    }

    /// Walks the changes of a bucket, or of one name, in order. Each must carry its writer's record.
    async fn changes(
        &self,
        bucket: &Bucket,
        name_sealed: Option<Vec<u8>>,
        note: &mut (impl FnMut(ObjectLine) -> Result<(), ClientError> + Send),
    ) -> Result<(), ClientError> {
        self.changes_after(bucket, (name_sealed, 0), note).await
    }

    /// The same after a place.
    pub(crate) async fn changes_after(
        &self,
        bucket: &Bucket,
        (name_sealed, mut after): (Option<Vec<u8>>, u64),
        note: &mut (impl FnMut(ObjectLine) -> Result<(), ClientError> + Send),
    ) -> Result<(), ClientError> {
        loop {
            let ask = ObjectList { bucket: *bucket.id(), name_sealed: name_sealed.clone(), after, limit: PAGE };
            let asked = bucket.head();
            let Reply::Objects(page) = self.ask_of(bucket, GrantedAsk::List(ask)).await? else {
                return Err(ClientError::Unexpected("no list"));
            };
            bucket.saw(asked, page.head)?;
            let (more, is_empty) = (page.more, page.objects.is_empty());
            for line in page.objects {
                after = line.bucket_seq;
                if is_signed(bucket, &line) {
                    note(line)?;
                } else {
                    // H7: what nobody signed is not shown.
                    tracing::warn!(seq = after, "a change without its writer's word is passed over");
                }
            }
            if !more || is_empty {
                return Ok(());
            }
        }
    }
}

/// Whether a name is shown to who lists what begins with `prefix`.
pub(crate) fn is_shown(prefix: &str, name: &str) -> bool {
    prefix.starts_with(crate::compute::HIDDEN_JOBS) || !name.starts_with(crate::compute::HIDDEN_JOBS)
}

/// Its writer's record covers the name, the version and the manifest of a change.
pub(crate) fn is_signed(bucket: &Bucket, line: &ObjectLine) -> bool {
    CommitRecord::check(&line.record).is_some_and(|record| {
        record.bucket == *bucket.id()
            && record.version == line.version
            && record.covers(&line.name_sealed, &line.manifest)
    })
}

pub(crate) fn entry(manifest: &Manifest, version: [u8; 16], at: Stamp) -> Entry {
    Entry {
        name: manifest.name.clone(),
        size: Bytes(manifest.size),
        at,
        changed: (manifest.changed_ms != 0).then_some(Stamp(manifest.changed_ms)),
        hash: manifest.hash,
        content_type: manifest.content_type.clone(),
        version,
        etag: manifest.facts.etag(),
        unix: Unix::told(&manifest.pairs),
    }
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

fn unknown() -> ClientError {
    ClientError::Refused(wire::RefusalMsg::new(model::errors::OBJECT_UNKNOWN, []))
}
