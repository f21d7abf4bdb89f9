//! The member's own index of a bucket's names, in true order (`docs/design/storage.md` §8): the center keeps sealed names in an order
//! that says nothing, so each machine keeps what it has read of a bucket's changes and asks only for those that came since.
//!
//! One file a bucket: records of length u32 and sealed bytes, each the changes of one step and the head after them, sealed under
//! the device's own key and bound to bucket and place in the file. A record that does not open ends the file: it is cut there and
//! what is missing is asked for again; so does one of an earlier form. When most of it is old the file is written anew. Beside it the highest head that was seen,
//! so that a center that goes back is noticed by the next process too.
//!
//! (A) Every change from the first on is chained: `head_i = H(head_{i−1} ‖ record_i)` must come out as the center says, so that none
//! is left out, moved or added. (B) No plain name is in a file. (C) Losing the files costs reading the changes anew, nothing else.

use crate::names::Entry;
use crate::unix::Unix;
use crate::{Bucket, Client, ClientError};
use futures_util::{StreamExt, TryStreamExt};
use model::{BucketId, Bytes, Stamp, TimeScale};
use rules::storage::log::{LOG_EVERY, LogState, is_due};
use seal::{AccountRoot, Etag, LocalKey, Manifest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use wire::signed::{CommitOp, CommitRecord, Head};
use wire::storage::{ObjectLine, ObjectList};
use wire::{Reply, Request};

/// Changes asked for at a time.
const PAGE: u16 = 1_000;
/// Longest record in bytes: a page of the longest names.
const RECORD_MAX: usize = 4 << 20;
/// Longest file in bytes that is read; a longer one is made anew.
const FILE_MAX: u64 = 1 << 30;
/// The file is written anew when it holds so many changes more than twice the names that are there.
const SLACK: usize = 10_000;
/// Longest wait for another process that lists the same bucket, and how often it is looked at.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOCK_LOOK: Duration = Duration::from_millis(20);
/// Names that are kept in memory for the next list, of all buckets together.
const WARM_NAMES_MAX: usize = 500_000;
/// Names whose newest version was dropped are asked for so many at a time.
const DROPPED_AT_ONCE: usize = 16;
/// Names of one record when it is written anew.
const STEP: usize = 1_000;

/// Indexes of a machine's buckets; clones share the folder.
#[derive(Clone)]
pub struct NameIndex(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    key: LocalKey,
    /// What was read last of buckets that are listed again and again.
    warm: Mutex<BTreeMap<BucketId, Warm>>,
}

/// What a file held when it was let go of. It is used again only for the same file.
struct Warm {
    of: (u64, SystemTime),
    records: u64,
    changes: usize,
    head: Head,
    rows: BTreeMap<String, Row>,
    logs: BTreeMap<u64, LogRow>,
    changed: u64,
}

/// A name that is there, as a record keeps it: size, committed, changed, hash, type, version, tag with its parts, what it is as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row(u64, u64, u64, [u8; 32], String, [u8; 16], Option<([u8; 16], u16)>, Option<Unix>);

/// A log of the bucket's changes, as its manifest tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogRow {
    /// Where the bucket's chain stood after its last change.
    pub after: Head,
    /// Bytes of its content.
    pub size: u64,
    /// When it was committed.
    pub at: Stamp,
    /// Which version of its name.
    pub version: [u8; 16],
}

/// The changes of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    head: Head,
    changes: Vec<(String, Option<Row>)>,
    /// Logs, by the place of their first change.
    logs: Vec<(u64, Option<LogRow>)>,
    /// Place of the last change that is not about a log.
    changed: u64,
}

/// A bucket's names as this machine knows them.
pub(crate) struct Names {
    key: LocalKey,
    bucket: BucketId,
    path: PathBuf,
    file: File,
    records: u64,
    changes: usize,
    pub head: Head,
    rows: BTreeMap<String, Row>,
    /// Logs of its changes, by the place of the first.
    pub logs: BTreeMap<u64, LogRow>,
    /// Place of the last change that is not about a log.
    pub changed: u64,
}

fn entry(name: &str, row: &Row) -> Entry {
    Entry {
        name: name.to_owned(),
        size: Bytes(row.0),
        at: Stamp(row.1),
        changed: (row.2 != 0).then_some(Stamp(row.2)),
        hash: row.3,
        content_type: row.4.clone(),
        version: row.5,
        etag: row.6.map(|(md5, parts)| Etag { md5, parts }),
        unix: row.7,
    }
}

/// The pair of a log's manifest that says where the chain stood after it: place and hash, in hex.
const AFTER: &str = "after";

fn row_of(entry: &Entry) -> Row {
    let changed = entry.changed.map_or(0, Stamp::as_ms);
    let etag = entry.etag.map(|etag| (etag.md5, etag.parts));
    let (kind, at) = (entry.content_type.clone(), entry.at.as_ms());
    Row(entry.size.0, at, changed, entry.hash, kind, entry.version, etag, entry.unix)
}

impl LogRow {
    /// As a manifest tells it; nothing for one that is no log's.
    fn of(manifest: &Manifest, at: Stamp, version: [u8; 16]) -> Option<Self> {
        let (_, after) = manifest.pairs.iter().find(|(key, _)| key == AFTER)?;
        let (seq, hash) = after.split_once(' ')?;
        let hash = blake3::Hash::from_hex(hash).ok()?;
        let after = Head { seq: u64::from_str_radix(seq, 16).ok()?, hash: *hash.as_bytes() };
        Some(Self { after, size: manifest.size, at, version })
    }

    /// The same for a manifest.
    pub fn pair(after: &Head) -> (String, String) {
        (AFTER.to_owned(), format!("{:x} {}", after.seq, blake3::Hash::from_bytes(after.hash).to_hex()))
    }
}

impl NameIndex {
    /// Indexes in `dir`, made where it is not there, for a device.
    ///
    /// # Errors
    /// [`ClientError::File`].
    pub fn open(dir: &Path, device: &[u8; 32]) -> Result<Self, ClientError> {
        fs::create_dir_all(dir).map_err(|e| error(dir, e))?;
        let warm = Mutex::default();
        Ok(Self(Arc::new(Inner { dir: dir.to_owned(), key: LocalKey::of(device), warm })))
    }

    fn path(&self, bucket: &BucketId, kind: &str) -> PathBuf {
        self.0.dir.join(format!("{bucket}.{kind}"))
    }

    /// The highest head of a bucket this machine has seen.
    pub(crate) fn seen(&self, bucket: &BucketId) -> Head {
        let sealed = fs::read(self.path(bucket, "head")).unwrap_or_default();
        let plain = self.0.key.open(&context(bucket, u64::MAX), &sealed).unwrap_or_default();
        wire::decode(&plain, 128).unwrap_or_default()
    }

    /// Remembers a head, if it is higher.
    pub(crate) fn saw(&self, bucket: &BucketId, head: Head) {
        if head.seq <= self.seen(bucket).seq {
            return;
        }
        let sealed = self.0.key.seal(&context(bucket, u64::MAX), &wire::encode(&head), &mut rand::rng());
        let (path, new) = (self.path(bucket, "head"), self.path(bucket, &format!("head-{}", std::process::id())));
        if let Err(error) = fs::write(&new, sealed).and_then(|()| fs::rename(&new, &path)) {
            tracing::warn!(%error, "the head of a bucket is not remembered");
        }
    }

    /// Forgets all that is known of a bucket, the highest head seen with it: its owner says that an older state is the one that
    /// counts from now on.
    pub fn forget(&self, bucket: &BucketId) {
        self.0.warm.lock().unwrap_or_else(PoisonError::into_inner).remove(bucket);
        for kind in ["names", "head", "logged"] {
            let path = self.path(bucket, kind);
            if let Err(why) = fs::remove_file(&path)
                && why.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(error = %why, path = %path.display(), "what was known of a bucket is not forgotten");
            }
        }
    }

    /// How a bucket's log stands.
    pub(crate) fn log_state(&self, bucket: &BucketId) -> LogState {
        let sealed = fs::read(self.path(bucket, "logged")).unwrap_or_default();
        let plain = self.0.key.open(&context(bucket, u64::MAX - 1), &sealed).unwrap_or_default();
        let (logged, at): (u64, u64) = wire::decode(&plain, 64).unwrap_or_default();
        LogState { seen: self.seen(bucket).seq, logged, at: (at > 0).then_some(Stamp(at)) }
    }

    /// Changes up to `place` need no log any more.
    pub(crate) fn logged(&self, bucket: &BucketId, place: u64, at: Stamp) {
        let plain = wire::encode(&(place, at.as_ms()));
        let sealed = self.0.key.seal(&context(bucket, u64::MAX - 1), &plain, &mut rand::rng());
        let (path, new) = (self.path(bucket, "logged"), self.path(bucket, &format!("logged-{}", std::process::id())));
        if let Err(error) = fs::write(&new, sealed).and_then(|()| fs::rename(&new, &path)) {
            tracing::warn!(%error, "it is not remembered how far a bucket was logged");
        }
    }

    /// Buckets of which this machine saw changes that are to be logged now ([`rules::storage::log`]).
    /// `scale`: how days count here.
    pub fn logs_due(&self, now: Stamp, scale: TimeScale) -> Vec<BucketId> {
        let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let files = fs::read_dir(&self.0.dir).into_iter().flatten().filter_map(name);
        let buckets = files.filter_map(|file| file.strip_suffix(".head")?.parse::<BucketId>().ok());
        buckets.filter(|bucket| is_due(now, scale.of(LOG_EVERY), &self.log_state(bucket))).collect()
    }

    /// Opens a bucket's index for this process alone, and reads it. Blocking.
    fn load(&self, bucket: &BucketId) -> Result<Names, ClientError> {
        let path = self.path(bucket, "names");
        let opened = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(|e| error(&path, e))?;
        let begun = Instant::now();
        while let Err(why) = file.try_lock() {
            if begun.elapsed() > LOCK_WAIT {
                return Err(error(&path, why.into()));
            }
            std::thread::sleep(LOCK_LOOK);
        }
        let (key, bucket) = (self.0.key.clone(), *bucket);
        let (records, changes, head, rows) = (0, 0, Head::default(), BTreeMap::new());
        let (logs, changed) = (BTreeMap::new(), 0);
        let mut names = Names { key, bucket, path: path.clone(), file, records, changes, head, rows, logs, changed };
        let warm = self.0.warm.lock().unwrap_or_else(PoisonError::into_inner).remove(&bucket);
        match warm.filter(|warm| identity(&names.file).is_ok_and(|of| of == warm.of)) {
            Some(warm) => names.warm_up(warm).map_err(|e| error(&path, e))?,
            None => names.read().map_err(|e| error(&path, e))?,
        }
        Ok(names)
    }

    /// A bucket's index as it stands.
    pub(crate) async fn known(&self, bucket: BucketId) -> Result<Names, ClientError> {
        blocking(self, bucket).await
    }

    /// Lets go of a bucket's index, and remembers what it held for who lists next.
    fn keep(&self, mut names: Names) {
        // A file that could not be written was emptied.
        let Some(of) = identity(&names.file).ok().filter(|of| of.0 > 0) else { return };
        let mut warm = self.0.warm.lock().unwrap_or_else(PoisonError::into_inner);
        if warm.values().map(|warm| warm.rows.len()).sum::<usize>() + names.rows.len() > WARM_NAMES_MAX {
            warm.clear();
        }
        if names.rows.len() <= WARM_NAMES_MAX {
            let (rows, logs) = (std::mem::take(&mut names.rows), std::mem::take(&mut names.logs));
            let (records, changes, head, changed) = (names.records, names.changes, names.head, names.changed);
            warm.insert(names.bucket, Warm { of, records, changes, head, rows, logs, changed });
        }
    }
}

/// What tells a file from the same one with other content.
fn identity(file: &File) -> io::Result<(u64, SystemTime)> {
    let found = file.metadata()?;
    Ok((found.len(), found.modified()?))
}

fn error(path: &Path, source: io::Error) -> ClientError {
    ClientError::File { path: path.display().to_string(), source }
}

/// What a record is bound to.
fn context(bucket: &BucketId, record: u64) -> Vec<u8> {
    [&b"names 3"[..], bucket.as_bytes(), &record.to_le_bytes()].concat()
}

impl Names {
    /// Reads what is whole; the rest of the file goes.
    fn read(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() > FILE_MAX {
            self.file.set_len(0)?;
        }
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        let (mut rest, mut good) = (&bytes[..], 0u64);
        while let Some((len, tail)) = rest.split_first_chunk::<4>() {
            let len = u32::from_le_bytes(*len) as usize;
            let Some((sealed, tail)) = tail.split_at_checked(len).filter(|_| len <= RECORD_MAX) else { break };
            let opened = self.key.open(&context(&self.bucket, self.records), sealed).ok();
            let Some(record) = opened.and_then(|plain| wire::decode::<Record>(&plain, RECORD_MAX).ok()) else { break };
            self.apply(record);
            (rest, good) = (tail, good + 4 + len as u64);
        }
        if good < bytes.len() as u64 {
            tracing::warn!(bucket = %self.bucket, "the index of names ends early; what is missing is read anew");
            self.file.set_len(good)?;
        }
        self.file.seek(io::SeekFrom::End(0)).map(drop)
    }

    /// Takes what was read before instead of reading it again.
    fn warm_up(&mut self, warm: Warm) -> io::Result<()> {
        (self.records, self.changes, self.head) = (warm.records, warm.changes, warm.head);
        (self.rows, self.logs, self.changed) = (warm.rows, warm.logs, warm.changed);
        self.file.seek(io::SeekFrom::End(0)).map(drop)
    }

    fn apply(&mut self, record: Record) {
        self.records += 1;
        self.changes += record.changes.len();
        self.head = record.head;
        self.changed = record.changed;
        for (from, log) in record.logs {
            match log {
                Some(log) => drop(self.logs.insert(from, log)),
                None => drop(self.logs.remove(&from)),
            }
        }
        for (name, row) in record.changes {
            match row {
                Some(row) => drop(self.rows.insert(name, row)),
                None => drop(self.rows.remove(&name)),
            }
        }
    }

    /// Takes a step in, and writes it down.
    fn push(&mut self, record: Record) {
        let wrote = sealed(&self.key, &self.bucket, self.records, &record).map(|bytes| self.file.write_all(&bytes));
        if let Some(Err(error)) = wrote {
            tracing::warn!(%error, "the index of names is not written; it is read anew next time");
            let _ = self.file.set_len(0);
        }
        self.apply(record);
    }

    /// Writes only what is there, when most of the file is old.
    fn compact(&mut self) -> io::Result<()> {
        if self.changes <= 2 * self.rows.len() + SLACK {
            return Ok(());
        }
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.lock()?;
        let all: Vec<(&String, &Row)> = self.rows.iter().collect();
        let mut records = 0;
        let mut logs: Vec<(u64, Option<LogRow>)> = self.logs.iter().map(|(from, log)| (*from, Some(*log))).collect();
        // An empty step too, where only logs are there.
        for step in all.chunks(STEP).chain(all.is_empty().then_some(&[][..])) {
            let changes = step.iter().map(|(name, row)| ((*name).clone(), Some((*row).clone()))).collect();
            let record = Record { head: self.head, changes, logs: std::mem::take(&mut logs), changed: self.changed };
            let bytes = sealed(&self.key, &self.bucket, records, &record).ok_or(io::ErrorKind::InvalidData)?;
            file.write_all(&bytes)?;
            records += 1;
        }
        fs::rename(&new, &self.path)?;
        (self.file, self.records, self.changes) = (file, records, self.rows.len());
        Ok(())
    }

    /// The version of each name.
    pub fn versions(&self) -> BTreeMap<String, [u8; 16]> {
        self.rows.iter().map(|(name, row)| (name.clone(), row.5)).collect()
    }

    /// Names that begin with `prefix`, in the order of their bytes.
    fn below(&self, prefix: &str) -> Vec<Entry> {
        self.from(prefix, "").collect()
    }

    /// The same from a name on.
    pub(crate) fn from<'a>(&'a self, prefix: &'a str, after: &str) -> impl Iterator<Item = Entry> + 'a {
        let from = (Bound::Included(prefix.max(after).to_owned()), Bound::Unbounded);
        let of = self.rows.range(from).take_while(move |(name, _)| name.starts_with(prefix));
        of.map(|(name, row)| entry(name, row))
    }
}

/// A record as it stands in the file; nothing where it is too long.
fn sealed(key: &LocalKey, bucket: &BucketId, number: u64, record: &Record) -> Option<Vec<u8>> {
    let sealed = key.seal(&context(bucket, number), &wire::encode(record), &mut rand::rng());
    let len = u32::try_from(sealed.len()).ok().filter(|_| sealed.len() <= RECORD_MAX)?;
    Some([&len.to_le_bytes()[..], &sealed].concat())
}

impl Client {
    /// Names of one's own bucket that begin with `prefix`, from this machine's index and the changes since.
    pub(crate) async fn list_indexed(
        &self,
        index: &NameIndex,
        bucket: &Bucket,
        prefix: &str,
    ) -> Result<Vec<Entry>, ClientError> {
        let names = self.synced(index, bucket).await?;
        self.list_synced(index, names, (prefix, ""), |names| names.collect()).await
    }

    /// Hands names of an index from `after` on to `take`, which may stop early.
    pub(crate) async fn list_synced<T: Send + 'static>(
        &self,
        index: &NameIndex,
        names: Names,
        (prefix, after): (&str, &str),
        take: impl FnOnce(&mut dyn Iterator<Item = Entry>) -> T + Send + 'static,
    ) -> Result<T, ClientError> {
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        self.in_index(index, names, move |names| take(&mut names.from(&prefix, &after))).await
    }

    /// Asks an index, on a thread for it.
    pub(crate) async fn in_index<T: Send + 'static>(
        &self,
        index: &NameIndex,
        mut names: Names,
        ask: impl FnOnce(&Names) -> T + Send + 'static,
    ) -> Result<T, ClientError> {
        let index = index.clone();
        let asking = tokio::task::spawn_blocking(move || {
            if let Err(error) = names.compact() {
                tracing::warn!(%error, "the index of names stays long");
            }
            let found = ask(&names);
            index.keep(names);
            found
        });
        asking.await.map_err(|_| ClientError::Unexpected("listing ended"))
    }

    /// This machine's index of one's own bucket with all changes up to now; nobody else on this machine has it until it is let go of.
    pub(crate) async fn synced(&self, index: &NameIndex, bucket: &Bucket) -> Result<Names, ClientError> {
        let mut names = blocking(index, *bucket.id()).await?;
        loop {
            let ask = ObjectList { bucket: *bucket.id(), name_sealed: None, after: names.head.seq, limit: PAGE };
            let asked = bucket.head();
            let Reply::Objects(page) = self.ask(Request::ObjectList(ask)).await? else {
                return Err(ClientError::Unexpected("no list"));
            };
            bucket.saw(asked, page.head)?;
            let (mut step, dropped) = step(bucket, (names.head, names.changed), page.objects)?;
            let names_left: BTreeSet<String> = dropped
                .into_iter()
                .filter(|(name, version)| {
                    let known = step.changes.iter().rev().find(|(of, _)| of == name).map(|(_, row)| row.as_ref());
                    let known = known.unwrap_or_else(|| names.rows.get(name)).map(|row| row.5);
                    // Of a name's older version nothing is seen here.
                    known.is_none_or(|known| known == *version)
                })
                .map(|(name, _)| name)
                .collect();
            let asking = futures_util::stream::iter(names_left.into_iter().map(|name| async move {
                let row = self.newest(bucket, &name).await?.map(|entry| row_of(&entry));
                Ok::<_, ClientError>((name, row))
            }));
            let left: Vec<(String, Option<Row>)> = asking.buffer_unordered(DROPPED_AT_ONCE).try_collect().await?;
            step.changes.extend(left);
            let is_whole = step.head.seq == page.head.seq;
            if is_whole && step.head.hash != page.head.hash {
                return Err(ClientError::Head("changes that do not make the head it shows (fork_seen)"));
            }
            if !is_whole && step.head.seq == names.head.seq {
                return Err(ClientError::Head("fewer changes than its head counts (head_rolled_back)"));
            }
            if step.head.seq > names.head.seq {
                names.push(step);
            }
            // Somebody may have written meanwhile: the next page shows it, or this one was the last.
            if is_whole || !page.more {
                break;
            }
        }
        index.saw(bucket.id(), names.head);
        Ok(names)
    }
}

/// Names of a bucket of one's own without asking anybody, and the time of the last change this machine knows.
///
/// # Errors
/// [`ClientError::File`].
pub async fn list_offline(
    index: &NameIndex,
    root: &AccountRoot,
    bucket: &str,
    prefix: &str,
) -> Result<(Vec<Entry>, Option<Stamp>), ClientError> {
    let names = blocking(index, root.bucket_id(bucket)).await?;
    let last = names.rows.values().map(|row| Stamp(row.1)).max();
    let mut below = names.below(prefix);
    below.retain(|entry| crate::names::is_shown(prefix, &entry.name));
    Ok((below, last))
}

async fn blocking(index: &NameIndex, bucket: BucketId) -> Result<Names, ClientError> {
    let index = index.clone();
    let loading = tokio::task::spawn_blocking(move || index.load(&bucket));
    loading.await.map_err(|_| ClientError::Unexpected("listing ended"))?
}

/// A name, and which version of it went.
type Dropped = (String, [u8; 16]);

/// What a page of changes says, chained on from `head`, and the versions that were dropped: what their names are after it stands in no change.
fn step(
    bucket: &Bucket,
    (mut head, mut changed): (Head, u64),
    lines: Vec<ObjectLine>,
) -> Result<(Record, Vec<Dropped>), ClientError> {
    let (mut changes, mut logs, mut dropped) = (Vec::with_capacity(lines.len()), Vec::new(), Vec::new());
    for line in lines {
        let record: Option<&[u8; CommitRecord::LEN]> = line.record.as_slice().try_into().ok();
        let record = record.ok_or(ClientError::Unexpected("a change without its record"))?;
        head = head.after(record);
        if head.seq != line.bucket_seq {
            return Err(ClientError::Head("a gap in the changes of the bucket (fork_seen)"));
        }
        let name = bucket.keys.open_name(&line.name_sealed)?;
        let log = seal::log_from(&name);
        if log.is_none() {
            changed = head.seq;
        }
        if !crate::names::is_signed(bucket, &line) {
            // H7: what nobody signed is not shown; what is gone for good has its record only.
            if !line.manifest.is_empty() {
                tracing::warn!(seq = line.bucket_seq, "a change without its writer's word is passed over");
            }
            continue;
        }
        if CommitRecord::op_of(record) == Some(CommitOp::Drop) {
            dropped.push((name, line.version));
            continue;
        }
        if let Some(from) = log {
            let manifest = (!line.manifest.is_empty()).then(|| Manifest::open(&bucket.keys, &name, &line.manifest));
            let row = manifest.transpose()?.and_then(|manifest| LogRow::of(&manifest, line.at, line.version));
            logs.push((from, row));
            continue;
        }
        let row = match line.manifest.is_empty() {
            true => None,
            false => {
                let m = Manifest::open(&bucket.keys, &name, &line.manifest)?;
                let etag = m.facts.etag().map(|etag| (etag.md5, etag.parts));
                let (at, unix) = (line.at.as_ms(), Unix::told(&m.pairs));
                Some(Row(m.size, at, m.changed_ms, m.hash, m.content_type.clone(), line.version, etag, unix))
            }
        };
        changes.push((name, row));
    }
    Ok((Record { head, changes, logs, changed }, dropped))
}

#[cfg(test)]
mod tests;
