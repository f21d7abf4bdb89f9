//! What was sent and is not yet safe without this machine: sealed segments on its disk, until the pool has filled up, and what
//! an upload needs to go on after it was cut off (`docs/design/storage.md` §6).
//!
//! One folder per upload: `put` (sealed journal, while it can go on), one file per segment (its sealed bytes), `kept` (records
//! of segments that the center keeps, appended), `done` (its commit was answered; its bucket). The folder is locked by who writes it.
//!
//! (A) Nothing here tells anything without the device's key that the holders' pieces do not tell. (B) An upload goes on with
//! the very same sealed bytes or not at all: one key never seals two contents. (C) A stage that cannot be written (disk full,
//! over its quota) never stops an upload. (D) A torn record is none.

use crate::ClientError;
use model::{BucketId, PgId, Scheme, SegmentId, Span};
use seal::{ContentKey, Header, LocalKey};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};
use wire::storage::SegmentRun;

/// Share of the free disk a stage takes at most, as a divisor.
pub const FREE_SHARE: u64 = 10;
/// Bytes a stage takes at most.
pub const STAGE_BYTES_MAX: u64 = 20 << 30;
/// An upload that was cut off can go on for so long: then its segments are collected.
pub const RESUME_FOR: Span = Span::days(7);
/// Uploads looked at in one folder.
const PUTS_MAX: usize = 65_536;
/// Longest `kept` file that is read.
const KEPT_BYTES_MAX: u64 = 1 << 30;
const JOURNAL: &[u8] = b"stage put 1";

/// Where content comes from: the same again is taken for the same bytes, until their seal says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Absolute path.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Last change, ns since 1970.
    pub changed_ns: u64,
}

/// The sealed part of an upload's journal.
#[derive(Serialize, Deserialize)]
struct Journal {
    source: Source,
    bucket: [u8; 16],
    name: String,
    version: [u8; 16],
    run: Vec<u8>,
}

/// A segment that the center keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its number in the upload.
    pub number: u32,
    /// Its commitment.
    pub id: SegmentId,
    /// BLAKE3 of its sealed bytes.
    pub hash: [u8; 32],
    /// Its code.
    pub scheme: Scheme,
    /// Its sealed bytes.
    pub sealed_bytes: u64,
    /// Its sealed label.
    pub label: Vec<u8>,
    /// Its group.
    pub pg: PgId,
    /// Its place there.
    pub seq: u64,
}

/// A folder of staged uploads.
#[derive(Clone)]
pub struct Stage(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    key: LocalKey,
    bytes_max: u64,
    bytes: AtomicU64,
}

/// An upload's folder, locked.
pub(crate) struct Staging {
    stage: Stage,
    bucket: BucketId,
    dir: PathBuf,
    /// Held while the upload runs.
    _lock: File,
    kept: std::sync::Mutex<File>,
    is_broken: AtomicBool,
    /// It can go on after an interruption: it has a journal, and what it writes is durable at once.
    can_resume: AtomicBool,
    /// What becomes of the folder was said.
    is_settled: AtomicBool,
}

/// What an upload begins with: new, or as it stood when it was cut off.
pub(crate) struct Begun {
    pub staging: Option<Staging>,
    pub key: ContentKey,
    pub header: Header,
    pub version: [u8; 16],
    /// Segments that need not be sent again, from the first on without a gap.
    pub kept: Vec<Kept>,
}

/// An upload whose commit was answered, or one that was cut off.
#[derive(Debug, Clone)]
pub struct Staged {
    dir: PathBuf,
    /// Its commit was answered.
    pub is_done: bool,
    /// Its bucket, where that is so.
    pub bucket: Option<BucketId>,
    /// Since its last change.
    pub age: Duration,
    /// Its segments of which the sealed bytes are here.
    pub segments: Vec<Kept>,
}

fn error(path: &Path, source: io::Error) -> ClientError {
    ClientError::File { path: path.display().to_string(), source }
}

impl Stage {
    /// The stage in `dir`, made where it is not there, for a device; it takes at most `bytes_max`.
    ///
    /// # Errors
    /// [`ClientError::File`].
    pub fn open(dir: &Path, device: &[u8; 32], bytes_max: u64) -> Result<Self, ClientError> {
        fs::create_dir_all(dir).map_err(|e| error(dir, e))?;
        let bytes_max = bytes_max.min(STAGE_BYTES_MAX);
        let inner = Inner { dir: dir.to_owned(), key: LocalKey::of(device), bytes_max, bytes: AtomicU64::new(0) };
        let stage = Self(Arc::new(inner));
        let used = stage.folders().iter().map(|put| bytes_in(put)).sum();
        stage.0.bytes.store(used, Relaxed);
        Ok(stage)
    }

    fn folders(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.0.dir) else { return Vec::new() };
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).take(PUTS_MAX).collect()
    }

    /// Bytes of staged segments.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Relaxed)
    }

    /// Begins an upload; where the same source was on its way to the same name, it goes on from there.
    pub(crate) fn begin(&self, bucket: &BucketId, name: &str, source: Option<&Source>, begun: Begun) -> Begun {
        if let Some(source) = source
            && let Some(again) = self.resume(bucket, name, source)
        {
            return again;
        }
        match self.make(bucket, name, source, &begun) {
            Ok(staging) => Begun { staging: Some(staging), ..begun },
            Err(error) => {
                tracing::warn!(%error, "nothing is staged for this upload");
                begun
            }
        }
    }

    fn make(&self, bucket: &BucketId, name: &str, source: Option<&Source>, begun: &Begun) -> io::Result<Staging> {
        let hex: String = begun.version.iter().map(|b| format!("{b:02x}")).collect();
        let dir = self.0.dir.join(hex);
        fs::create_dir(&dir)?;
        let lock = File::create(dir.join("lock"))?;
        lock.try_lock().map_err(io::Error::from)?;
        if let Some(source) = source {
            let mut rng = rand::rng();
            let journal = Journal {
                source: source.clone(),
                bucket: *bucket.as_bytes(),
                name: name.to_owned(),
                version: begun.version,
                run: self.0.key.seal_run(JOURNAL, &begun.key, &begun.header, &mut rng),
            };
            let sealed = self.0.key.seal(JOURNAL, &wire::encode(&journal), &mut rng);
            let mut file = File::create(dir.join("put"))?;
            file.write_all(&sealed)?;
            file.sync_all()?;
        }
        self.staging(dir, *bucket, lock, source.is_some())
    }

    fn staging(&self, dir: PathBuf, bucket: BucketId, lock: File, can_resume: bool) -> io::Result<Staging> {
        let kept = fs::OpenOptions::new().create(true).append(true).open(dir.join("kept"))?;
        let can_resume = AtomicBool::new(can_resume);
        let (is_broken, is_settled) = (AtomicBool::new(false), AtomicBool::new(false));
        let (stage, kept) = (self.clone(), std::sync::Mutex::new(kept));
        Ok(Staging { stage, bucket, dir, _lock: lock, kept, is_broken, can_resume, is_settled })
    }

    /// An upload of this source to this name that was cut off and that nobody else goes on with.
    fn resume(&self, bucket: &BucketId, name: &str, source: &Source) -> Option<Begun> {
        for dir in self.folders().into_iter().filter(|dir| !dir.join("done").exists()) {
            let Some(journal) = self.journal(&dir) else { continue };
            if journal.source != *source || journal.bucket != *bucket.as_bytes() || journal.name != name {
                continue;
            }
            let lock = File::options().write(true).open(dir.join("lock")).ok()?;
            if lock.try_lock().is_err() {
                return None;
            }
            let (key, header) = self.0.key.open_run(JOURNAL, bucket, &journal.run).ok()?;
            let mut kept = read_kept(&dir.join("kept"));
            kept.sort_by_key(|k| k.number);
            kept.dedup_by_key(|k| k.number);
            let whole = kept.iter().zip(0..).take_while(|(k, number)| k.number == *number).count();
            kept.truncate(whole);
            tracing::info!(segments = kept.len(), "an upload goes on where it was cut off");
            let staging = self.staging(dir, *bucket, lock, true).ok()?;
            return Some(Begun { staging: Some(staging), key, header, version: journal.version, kept });
        }
        None
    }

    fn journal(&self, dir: &Path) -> Option<Journal> {
        let sealed = fs::read(dir.join("put")).ok()?;
        let plain = self.0.key.open(JOURNAL, &sealed).ok()?;
        wire::decode(&plain, plain.len()).ok()
    }

    /// All uploads whose segments are here.
    pub fn list(&self) -> Vec<Staged> {
        self.folders().into_iter().filter_map(|dir| self.staged(dir)).collect()
    }

    fn staged(&self, dir: PathBuf) -> Option<Staged> {
        let changed = fs::metadata(&dir).and_then(|facts| facts.modified()).ok()?;
        let age = SystemTime::now().duration_since(changed).unwrap_or_default();
        let done = fs::read(dir.join("done")).ok();
        let bucket = done.as_deref().and_then(|bytes| bytes.try_into().ok()).map(BucketId);
        let is_done = done.is_some();
        let segments = read_kept(&dir.join("kept"));
        let segments = segments.into_iter().filter(|k| dir.join(k.number.to_string()).exists()).collect();
        Some(Staged { dir, is_done, bucket, age, segments })
    }

    /// Segments of a bucket's objects of which a copy is here.
    pub fn copies_of(&self, bucket: &BucketId) -> usize {
        let puts = self.list().into_iter().filter(|put| put.bucket.as_ref() == Some(bucket));
        puts.map(|put| put.segments.len()).sum()
    }

    /// The sealed bytes of a staged segment.
    pub(crate) fn read(&self, put: &Staged, kept: &Kept) -> Option<Vec<u8>> {
        let sealed = fs::read(put.dir.join(kept.number.to_string())).ok()?;
        (*blake3::hash(&sealed).as_bytes() == kept.hash).then_some(sealed)
    }

    /// A segment's copy is not needed any more; with the last one the folder goes.
    pub(crate) fn release(&self, put: &Staged, number: u32) {
        let path = put.dir.join(number.to_string());
        let len = fs::metadata(&path).map_or(0, |facts| facts.len());
        if fs::remove_file(&path).is_ok() {
            self.forget_bytes(len);
        }
    }

    /// Removes an upload's folder with all that is in it.
    pub(crate) fn remove(&self, put: &Staged) {
        self.remove_dir(&put.dir);
    }

    fn remove_dir(&self, dir: &Path) {
        let len = bytes_in(dir);
        match fs::remove_dir_all(dir) {
            Ok(()) => self.forget_bytes(len),
            Err(error) => tracing::warn!(%error, "a staged upload was not removed"),
        }
    }

    fn forget_bytes(&self, len: u64) {
        let _ = self.0.bytes.fetch_update(Relaxed, Relaxed, |bytes| Some(bytes.saturating_sub(len)));
    }
}

impl Staging {
    /// Keeps a segment's sealed bytes, durable where the upload can go on. Blocking.
    pub fn keep(&self, number: u32, sealed: &[u8]) {
        let (bytes, len) = (&self.stage.0.bytes, sealed.len() as u64);
        if self.is_broken.load(Relaxed) {
            return;
        }
        if bytes.fetch_add(len, Relaxed) + len > self.stage.0.bytes_max {
            self.stage.forget_bytes(len);
            tracing::debug!("the stage is full; a segment is not staged");
            return;
        }
        let write = || {
            let mut file = File::create(self.dir.join(number.to_string()))?;
            file.write_all(sealed)?;
            if self.can_resume.load(Relaxed) { file.sync_data() } else { Ok(()) }
        };
        if let Err(error) = write() {
            tracing::warn!(%error, "this machine's copy of an upload is not written; the upload goes on without it");
            let _ = fs::remove_file(self.dir.join(number.to_string()));
            self.stage.forget_bytes(len);
            self.is_broken.store(true, Relaxed);
        }
    }

    /// Notes segments that the center keeps. Blocking.
    pub fn note(&self, kept: &[Kept]) {
        let mut bytes = Vec::new();
        kept.iter().for_each(|one| bytes.extend_from_slice(&record(one)));
        let mut file = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let wrote =
            file.write_all(&bytes).and_then(|()| if self.can_resume.load(Relaxed) { file.sync_data() } else { Ok(()) });
        if let Err(error) = wrote {
            tracing::warn!(%error, "what was kept is not noted; after an interruption it is sent again");
            self.is_broken.store(true, Relaxed);
        }
    }

    /// The commit was answered: from now on the stage is the pool's safety only. Blocking.
    pub fn done(self) {
        self.is_settled.store(true, Relaxed);
        let _ = fs::remove_file(self.dir.join("put"));
        if let Err(error) = fs::write(self.dir.join("done"), self.bucket.as_bytes()) {
            tracing::warn!(%error, "a staged upload is not marked as done; it is removed");
            self.stage.remove_dir(&self.dir);
        }
    }

    /// The upload will not go on: its source changed, or it was refused for good.
    pub fn forget(&self) {
        self.can_resume.store(false, Relaxed);
    }
}

impl Drop for Staging {
    /// An upload that ended before its commit leaves its folder only where it can go on.
    fn drop(&mut self) {
        if !self.is_settled.load(Relaxed) && !self.can_resume.load(Relaxed) {
            self.stage.remove_dir(&self.dir);
        }
    }
}

fn bytes_in(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let is_segment = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|n| n.parse::<u32>().is_ok());
    entries.flatten().filter(is_segment).filter_map(|entry| entry.metadata().ok()).map(|facts| facts.len()).sum()
}

/// Length u32 · first 8 bytes of the hash of what follows · the record.
fn record(kept: &Kept) -> Vec<u8> {
    let body = wire::encode(kept);
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&len.to_le_bytes()[..], &blake3::hash(&body).as_bytes()[..8], &body].concat()
}

/// Records up to the first that is torn or damaged.
fn records(mut bytes: &[u8]) -> Vec<Kept> {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(12) {
        let len = u32::from_le_bytes(head[..4].try_into().expect("4 bytes were taken")) as usize;
        let Some((body, rest)) = rest.split_at_checked(len) else { break };
        if blake3::hash(body).as_bytes()[..8] != head[4..] {
            break;
        }
        let Ok(kept) = wire::decode::<Kept>(body, len) else { break };
        all.push(kept);
        bytes = rest;
    }
    all
}

fn read_kept(path: &Path) -> Vec<Kept> {
    let len = fs::metadata(path).map_or(0, |facts| facts.len());
    if len > KEPT_BYTES_MAX {
        return Vec::new();
    }
    fs::read(path).map(|bytes| records(&bytes)).unwrap_or_default()
}

/// Where segments stand, in runs.
pub(crate) fn runs_of(segments: &[Kept]) -> Vec<SegmentRun> {
    let mut runs = Vec::new();
    segments.iter().for_each(|k| crate::flow::join_run(&mut runs, SegmentRun { pg: k.pg, seq: k.seq, count: 1 }));
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(number: u32) -> Kept {
        Kept {
            number,
            id: SegmentId([1; 32]),
            hash: *blake3::hash(&[7; 100]).as_bytes(),
            scheme: Scheme::circle(8, 8).unwrap(),
            sealed_bytes: 100,
            label: vec![9; 512],
            pg: PgId(3),
            seq: u64::from(number) + 10,
        }
    }

    fn begun() -> Begun {
        let mut rng = rand::rng();
        let key = ContentKey::random(&mut rng);
        let header = Header::new(&key, seal::Role::Content, &BucketId([5; 16]), 0, &mut rng);
        Begun { staging: None, key, header, version: rand::random(), kept: Vec::new() }
    }

    fn source() -> Source {
        Source { path: "/a".into(), size: 300, changed_ns: 7 }
    }

    #[test]
    fn an_upload_goes_on_with_the_same_key_and_only_for_the_same_source() {
        let dir = tempfile::tempdir().unwrap();
        let stage = Stage::open(dir.path(), &[1; 32], u64::MAX).unwrap();
        let bucket = BucketId([5; 16]);
        let first = stage.begin(&bucket, "n", Some(&source()), begun());
        let header = *first.header.as_bytes();
        let staging = first.staging.unwrap();
        staging.keep(0, &[7; 100]);
        staging.note(&[kept(0), kept(1), kept(3)]);
        assert!(stage.resume(&bucket, "n", &source()).is_none(), "another process has it");
        drop(staging);
        // As a new process.
        let stage = Stage::open(dir.path(), &[1; 32], u64::MAX).unwrap();
        assert_eq!(stage.bytes(), 100);
        for (name, source) in [("m", source()), ("n", Source { size: 301, ..source() })] {
            assert!(stage.resume(&bucket, name, &source).is_none());
        }
        assert!(Stage::open(dir.path(), &[2; 32], 0).unwrap().resume(&bucket, "n", &source()).is_none(), "(A)");
        let again = stage.begin(&bucket, "n", Some(&source()), begun());
        assert_eq!(*again.header.as_bytes(), header, "(B)");
        assert_eq!(again.kept.iter().map(|k| k.number).collect::<Vec<_>>(), [0, 1], "3 has a gap before it");
        again.staging.unwrap().done();
        assert!(stage.resume(&bucket, "n", &source()).is_none(), "it is done");
        let listed = stage.list();
        assert!(listed[0].is_done && listed[0].segments.len() == 1, "only segment 0 is here");
        assert_eq!(stage.read(&listed[0], &kept(0)), Some(vec![7; 100]));
        assert_eq!((stage.copies_of(&bucket), stage.copies_of(&BucketId([6; 16]))), (1, 0));
        stage.release(&listed[0], 0);
        assert_eq!(stage.bytes(), 0);
    }

    #[test]
    fn an_upload_that_cannot_go_on_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let stage = Stage::open(dir.path(), &[1; 32], u64::MAX).unwrap();
        let bucket = BucketId([5; 16]);
        let piped = stage.begin(&bucket, "n", None, begun()).staging.unwrap();
        piped.keep(0, &[7; 100]);
        drop(piped);
        assert_eq!((stage.list().len(), stage.bytes()), (0, 0), "a pipe brings nothing twice");
        let refused = stage.begin(&bucket, "n", Some(&source()), begun()).staging.unwrap();
        refused.keep(0, &[7; 100]);
        refused.forget();
        drop(refused);
        assert_eq!((stage.list().len(), stage.bytes()), (0, 0));
        drop(stage.begin(&bucket, "n", Some(&source()), begun()).staging.unwrap());
        assert_eq!(stage.list().len(), 1, "it can go on");
    }

    #[test]
    fn a_full_stage_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let stage = Stage::open(dir.path(), &[1; 32], 150).unwrap();
        let staging = stage.begin(&BucketId([5; 16]), "n", None, begun()).staging.unwrap();
        staging.keep(0, &[7; 100]);
        staging.keep(1, &[7; 100]);
        staging.keep(2, &[7; 50]);
        assert_eq!(stage.bytes(), 150);
        staging.note(&[kept(0), kept(1), kept(2)]);
        staging.done();
        assert_eq!(stage.list()[0].segments.iter().map(|k| k.number).collect::<Vec<_>>(), [0, 2], "(C)");
    }

    #[test]
    fn nothing_readable_lies_in_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let stage = Stage::open(dir.path(), &[1; 32], u64::MAX).unwrap();
        let secret = Source { path: "/home/someone/secret-plan.txt".into(), ..source() };
        let _begun = stage.begin(&BucketId([5; 16]), "letters-to-nobody", Some(&secret), begun());
        for entry in fs::read_dir(&stage.folders()[0]).unwrap().flatten() {
            let bytes = fs::read(entry.path()).unwrap();
            assert!(!bytes.windows(6).any(|w| w == b"secret" || w == b"letter"), "(A) {:?}", entry.path());
        }
    }

    proptest! {
        #[test]
        fn damaged_records_end_the_list_and_never_panic(cut: proptest::sample::Index, flip: proptest::sample::Index, noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let whole: Vec<u8> = (0..3).flat_map(|n| record(&kept(n))).collect();
            let got = records(&whole[..cut.index(whole.len())]);
            prop_assert!(got.iter().enumerate().all(|(n, k)| *k == kept(n as u32)), "(D)");
            let mut bad = whole.clone();
            bad[flip.index(whole.len())] ^= 1;
            prop_assert!(records(&bad).len() < 3);
            let _ = records(&noise);
        }
    }
}
