//! A file that waits to be uploaded, on this machine's disk: one file of records that is only added to, each sealed under the
//! device's key and bound to its file and its place in it.
//!
//! Magic and id, then records of length u32 and sealed bytes; the first byte of what is sealed says what it is. Head: JSON of
//! [`Head`]. Block: number u64 and bytes. Cut: the file's length u64. Told: JSON of [`Told`]. Place: JSON of [`Placed`].
//! Over: JSON of a version.
//!
//! (A) No plain byte and no plain name is in it. (B) What was synced is found again: nothing that is there is ever written over. (C) A
//! torn end is cut off; where a record in the middle does not open, or the head does not, nothing is written and nothing uploaded. (D) Who reads by an older state of it reads that state: see [`Spots`].

use super::limits::{BLOCK_BYTES, RECORD_BYTES_MAX, SPOOL_SLACK};
use super::overlay::Overlay;
use super::told::Told;
use client::LocalKey;
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"PMSPOOL1";
const BEGIN: u64 = 24;
/// A sealed record's tag, at its end.
const TAG_BYTES: u32 = 16;
const HEAD: u8 = 1;
const BLOCK: u8 = 2;
const CUT: u8 = 3;
const TOLD: u8 = 4;
const PLACE: u8 = 5;
const OVER: u8 = 6;

/// What a spooled file begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Where it shall stand.
    pub bucket: String,
    /// Its name there.
    pub name: String,
    /// The content it had, where it had one.
    pub base: Option<BaseHead>,
    /// What is told of it.
    pub told: Told,
    /// Of two files for one name the one with the higher number has it.
    #[serde(default)]
    pub order: u64,
    /// The version that stood in its place when it was put there, or that it became since; none where nothing did.
    #[serde(default)]
    pub over: Option<[u8; 16]>,
}

/// Where a file shall stand from a record on: bucket, name, and its order and what it stands over, as in [`Head`].
#[derive(Serialize, Deserialize)]
struct Placed(String, String, #[serde(default)] u64, #[serde(default)] Option<[u8; 16]>);

/// A content that is in the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BaseHead {
    /// Under which name.
    pub name: String,
    /// Which version.
    pub version: [u8; 16],
    /// Its bytes.
    pub size: u64,
    /// How many of them show at most.
    pub shown: u64,
}

/// Where a block stands.
#[derive(Debug, Clone, Copy)]
struct Spot {
    at: u64,
    len: u32,
    record: u64,
}

/// Blocks of a spooled file as they were at one moment; they stay readable whatever is added later.
#[derive(Clone)]
pub(super) struct Spots {
    file: Arc<File>,
    key: LocalKey,
    id: [u8; 16],
    blocks: BTreeMap<u64, Spot>,
}

/// A spooled file.
pub(super) struct SpoolLog {
    path: PathBuf,
    spots: Spots,
    records: u64,
    end: u64,
    /// Bytes of blocks that count.
    live: u64,
    is_named: bool,
    /// A sync failed: what the system holds of it may be nowhere on the disk.
    is_doubtful: bool,
    order: u64,
    over: Option<[u8; 16]>,
}

/// One that was found again.
pub(super) struct Reopened {
    pub log: SpoolLog,
    pub head: Head,
    pub overlay: Overlay,
}

fn context(id: &[u8; 16], record: u64) -> Vec<u8> {
    [&b"mount spool 1"[..], id, &record.to_le_bytes()].concat()
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn to_json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other)
}

impl Spots {
    /// A block's bytes; blocking.
    pub fn read(&self, block: u64) -> io::Result<Vec<u8>> {
        let spot = self.blocks.get(&block).ok_or_else(|| broken("a block that is not there"))?;
        let mut sealed = vec![0; spot.len as usize];
        self.file.read_exact_at(&mut sealed, spot.at)?;
        let plain = self.key.open(&context(&self.id, spot.record), &sealed);
        let mut plain = plain.map_err(|_| broken("a block that does not open"))?;
        if plain.len() < 9 {
            return Err(broken("a block that is too short"));
        }
        plain.drain(..9);
        Ok(plain)
    }
}

impl SpoolLog {
    /// A new one; nothing of it is durable before [`Self::sync`].
    pub fn create(path: &Path, key: &LocalKey, head: &Head) -> io::Result<Self> {
        let mut id = [0; 16];
        rand::rng().fill_bytes(&mut id);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all_at(&[&MAGIC[..], &id].concat(), 0)?;
        let spots = Spots { file: Arc::new(file), key: key.clone(), id, blocks: BTreeMap::new() };
        let mut log = Self { order: head.order, over: head.over, ..Self::at(path.to_owned(), spots) };
        log.append(HEAD, &to_json(head)?)?;
        Ok(log)
    }

    const fn at(path: PathBuf, spots: Spots) -> Self {
        Self { path, spots, records: 0, end: BEGIN, live: 0, is_named: false, is_doubtful: false, order: 0, over: None }
    }

    /// Opens one that is there: what is whole of it. Nothing where its head does not open; `InvalidData` where what comes later does
    /// not (C).
    pub fn open(path: &Path, key: &LocalKey) -> io::Result<Option<Reopened>> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut begin = [0; BEGIN as usize];
        if file.read_exact(&mut begin).is_err() || begin[..8] != MAGIC[..] {
            return Ok(None);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&begin[8..]);
        let len = file.metadata()?.len();
        let spots = Spots { file: Arc::new(file), key: key.clone(), id, blocks: BTreeMap::new() };
        let log = Self::at(path.to_owned(), spots);
        let mut found = Reading { log, head: None, overlay: Overlay::default() };
        while found.next(len)? {}
        if found.head.is_some() && !found.is_torn(len)? {
            return Err(broken("a record that does not open"));
        }
        let Reading { mut log, head, overlay } = found;
        let Some(head) = head else { return Ok(None) };
        (log.order, log.over) = (head.order, head.over);
        if log.end < len {
            tracing::warn!("a spooled file ends early; what was not synced is not there");
            log.spots.file.set_len(log.end)?; // (C)
        }
        Ok(Some(Reopened { log, head, overlay }))
    }

    /// Adds a record; where its sealed bytes stand.
    fn append(&mut self, kind: u8, payload: &[u8]) -> io::Result<Spot> {
        let plain = [&[kind][..], payload].concat();
        let sealed = self.spots.key.seal(&context(&self.spots.id, self.records), &plain, &mut rand::rng());
        let len = u32::try_from(sealed.len()).ok().filter(|_| sealed.len() <= RECORD_BYTES_MAX);
        let len = len.ok_or_else(|| broken("a record that is too long"))?;
        let bytes = [&len.to_le_bytes()[..], &sealed].concat();
        if let Err(error) = self.spots.file.write_all_at(&bytes, self.end) {
            let _ = self.spots.file.set_len(self.end); // half a record would hide what comes after it
            return Err(error);
        }
        let spot = Spot { at: self.end + 4, len, record: self.records };
        (self.end, self.records) = (self.end + bytes.len() as u64, self.records + 1);
        Ok(spot)
    }

    /// Adds a block.
    pub fn block(&mut self, number: u64, bytes: &[u8]) -> io::Result<()> {
        let spot = self.append(BLOCK, &[&number.to_le_bytes()[..], bytes].concat())?;
        self.stands(number, spot);
        Ok(())
    }

    fn stands(&mut self, number: u64, spot: Spot) {
        let old = self.spots.blocks.insert(number, spot).map_or(0, |old| u64::from(old.len));
        self.live = self.live.saturating_sub(old) + u64::from(spot.len);
    }

    fn drop_blocks(&mut self, gone: &[u64]) {
        for block in gone {
            let old = self.spots.blocks.remove(block).map_or(0, |old| u64::from(old.len));
            self.live = self.live.saturating_sub(old);
        }
    }

    /// Notes that the file ends elsewhere; `gone`: blocks it does not have any more.
    pub fn cut(&mut self, len: u64, gone: &[u64]) -> io::Result<()> {
        self.append(CUT, &len.to_le_bytes())?;
        self.drop_blocks(gone);
        Ok(())
    }

    /// Notes what is told of it now.
    pub fn told(&mut self, told: &Told) -> io::Result<()> {
        self.append(TOLD, &to_json(told)?).map(drop)
    }

    /// Notes where it shall stand now.
    pub fn placed(&mut self, (bucket, name): (&str, &str), order: u64, over: Option<[u8; 16]>) -> io::Result<()> {
        self.append(PLACE, &to_json(&Placed(bucket.to_owned(), name.to_owned(), order, over))?)?;
        (self.order, self.over) = (order, over);
        Ok(())
    }

    /// Notes which version stands in its place now.
    pub fn stands_over(&mut self, over: Option<[u8; 16]>) -> io::Result<()> {
        self.append(OVER, &to_json(&over)?)?;
        self.over = over;
        Ok(())
    }

    /// Which version stands in its place, as far as it was noted.
    pub const fn over(&self) -> Option<[u8; 16]> {
        self.over
    }

    /// All that was added so far is durable when this returns. Blocking.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.is_doubtful {
            return Err(broken("a sync failed before"));
        }
        let synced = self.spots.file.sync_data();
        let synced = synced.and_then(|()| if self.is_named { Ok(()) } else { sync_folder(self.folder()) });
        (self.is_named, self.is_doubtful) = (synced.is_ok(), synced.is_err());
        synced
    }

    /// Whether a sync of it failed: then it must be written anew.
    pub const fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Its blocks as they are now.
    pub const fn spots(&self) -> &Spots {
        &self.spots
    }

    /// Bytes on disk.
    pub const fn bytes(&self) -> u64 {
        self.end
    }

    /// Bytes of what was written over are many, and more than half of it.
    pub fn is_slack(&self) -> bool {
        self.end.saturating_sub(self.live) > SPOOL_SLACK.max(self.live)
    }

    /// Writes it anew with what counts. Blocking.
    pub fn rewrite(&mut self, head: &Head, overlay: &Overlay) -> io::Result<()> {
        let path = self.path.with_extension("new");
        let _ = fs::remove_file(&path); // of one that was cut off
        let mut new =
            Self::create(&path, &self.spots.key, &Head { order: self.order, over: self.over, ..head.clone() })?;
        for (block, valid) in overlay.blocks().filter_map(|block| Some((block, overlay.valid(block)?))) {
            let mut bytes = self.spots.read(block)?;
            bytes.truncate(valid);
            new.block(block, &bytes)?;
        }
        new.cut(overlay.len(), &[])?;
        new.spots.file.sync_data()?;
        fs::rename(&path, &self.path)?;
        new.path = std::mem::take(&mut self.path);
        *self = new; // what was taken of the old one reads on (D)
        self.sync()
    }

    /// Nothing more can be added to it.
    #[cfg(test)]
    pub fn break_it(&mut self) {
        self.spots.file = Arc::new(File::open(&self.path).unwrap());
    }

    /// It is not found again; who has it reads on.
    pub fn unname(&mut self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a spooled file that is not needed stays; it is uploaded again");
        }
    }
}

/// Which names are in a folder is durable when this returns. Blocking.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A log while it is read.
struct Reading {
    log: SpoolLog,
    head: Option<Head>,
    overlay: Overlay,
}

impl Reading {
    /// Whether what follows the last record that opens can be what a power cut left of the next one.
    fn is_torn(&self, len: u64) -> io::Result<bool> {
        let Some((at, size)) = self.sealed(len)? else { return Ok(true) };
        let last = at + u64::from(size);
        if last != len || size < TAG_BYTES {
            return Ok(size < TAG_BYTES); // zeros that stand where a length would
        }
        let mut tag = [0; TAG_BYTES as usize];
        self.log.spots.file.read_exact_at(&mut tag, last - u64::from(TAG_BYTES))?;
        Ok(tag == [0; TAG_BYTES as usize]) // its end was never written
    }

    /// Where the next record's sealed bytes are, and how many; none where not all of them are there.
    fn sealed(&self, len: u64) -> io::Result<Option<(u64, u32)>> {
        let mut head = [0; 4];
        let at = self.log.end + 4;
        if at > len {
            return Ok(None);
        }
        self.log.spots.file.read_exact_at(&mut head, self.log.end)?;
        let size = u32::from_le_bytes(head);
        let is_whole = size as usize <= RECORD_BYTES_MAX && at + u64::from(size) <= len;
        Ok(is_whole.then_some((at, size)))
    }

    /// Takes the next record in; whether there was one.
    fn next(&mut self, len: u64) -> io::Result<bool> {
        let Some((at, size)) = self.sealed(len)? else { return Ok(false) };
        let mut sealed = vec![0; size as usize];
        self.log.spots.file.read_exact_at(&mut sealed, at)?;
        let record = self.log.records;
        let Ok(plain) = self.log.spots.key.open(&context(&self.log.spots.id, record), &sealed) else {
            return Ok(false);
        };
        if self.take(&plain, Spot { at, len: size, record }).is_none() {
            return Ok(false);
        }
        (self.log.end, self.log.records) = (at + u64::from(size), record + 1);
        Ok(true)
    }

    fn take(&mut self, plain: &[u8], spot: Spot) -> Option<()> {
        let (kind, payload) = plain.split_first()?;
        if self.head.is_none() {
            let head: Head = serde_json::from_slice(payload).ok().filter(|_| *kind == HEAD)?;
            self.overlay = Overlay::over(head.base.as_ref().map_or(0, |base| base.shown));
            self.head = Some(head);
            return Some(());
        }
        let head = self.head.as_mut()?;
        match *kind {
            BLOCK => {
                let (number, bytes) = payload.split_first_chunk::<8>()?;
                let number = u64::from_le_bytes(*number);
                self.overlay.wrote(number, bytes.len().min(BLOCK_BYTES));
                self.log.stands(number, spot);
            }
            CUT => {
                let gone = self.overlay.cut(u64::from_le_bytes(payload.try_into().ok()?));
                self.log.drop_blocks(&gone);
            }
            TOLD => head.told = serde_json::from_slice(payload).ok()?,
            PLACE => {
                let Placed(bucket, name, order, over) = serde_json::from_slice(payload).ok()?;
                (head.bucket, head.name, head.order, head.over) = (bucket, name, order, over);
            }
            OVER => head.over = serde_json::from_slice(payload).ok()?,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let base = BaseHead { name: "n".into(), version: [7; 16], size: 200_000, shown: 200_000 };
        Head {
            bucket: "b".into(),
            name: "secret name".into(),
            base: Some(base),
            told: Told::default(),
            order: 3,
            over: None,
        }
    }

    fn made(dir: &Path) -> (SpoolLog, LocalKey) {
        let key = LocalKey::of(&[1; 32]);
        (SpoolLog::create(&dir.join("1"), &key, &head()).unwrap(), key)
    }

    #[test]
    fn what_was_written_is_found_again_and_nothing_of_it_is_plain() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, key) = made(dir.path());
        log.block(0, b"old secret").unwrap();
        log.block(0, b"new secret").unwrap();
        log.block(9, b"tail").unwrap();
        log.cut(4, &[9]).unwrap();
        log.placed(("b", "other name"), 9, None).unwrap();
        log.stands_over(Some([8; 16])).unwrap();
        log.sync().unwrap();
        let again = SpoolLog::open(&dir.path().join("1"), &key).unwrap().unwrap();
        assert_eq!((again.head.name.as_str(), again.head.order, again.log.over()), ("other name", 9, Some([8; 16])));
        assert_eq!((again.overlay.len(), again.overlay.valid(0), again.overlay.valid(9)), (4, Some(4), None));
        assert_eq!(again.log.spots().read(0).unwrap(), b"new secret");
        let bytes = fs::read(dir.path().join("1")).unwrap();
        for word in [&b"secret"[..], b"other name"] {
            assert!(!bytes.windows(word.len()).any(|part| part == word));
        }
        assert!(SpoolLog::open(&dir.path().join("1"), &LocalKey::of(&[2; 32])).unwrap().is_none());
        assert_eq!(fs::read(dir.path().join("1")).unwrap(), bytes, "who does not open it does not touch it");
        assert_eq!(SpoolLog::open(&dir.path().join("1"), &key).unwrap().unwrap().overlay, again.overlay);
    }

    #[test]
    fn what_is_broken_in_the_middle_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, key) = made(dir.path());
        let head = log.bytes();
        log.block(0, &[5; 1_000]).unwrap();
        let first = log.bytes();
        log.block(1, &[6; 1_000]).unwrap();
        let path = dir.path().join("1");
        let whole = fs::read(&path).unwrap();
        for at in [head + 100, first + 100, log.bytes() - 1] {
            let mut bytes = whole.clone();
            bytes[at as usize] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let no = SpoolLog::open(&path, &key).err().map(|error| error.kind());
            assert_eq!((no, fs::read(&path).unwrap() == bytes), (Some(io::ErrorKind::InvalidData), true), "{at}");
        }
        // Of a file that was longer already, what a power cut left unwritten is zeros.
        for from in [first, first + 4] {
            let mut bytes = whole.clone();
            bytes[from as usize..].fill(0);
            fs::write(&path, &bytes).unwrap();
            let again = SpoolLog::open(&path, &key).unwrap().unwrap();
            assert_eq!((again.log.bytes(), again.overlay.valid(0)), (first, Some(1_000)));
        }
    }

    #[test]
    fn a_sync_that_failed_fails_until_it_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, key) = made(dir.path());
        log.block(0, b"x").unwrap();
        log.is_doubtful = true;
        assert!(log.sync().is_err() && log.sync().is_err());
        let mut overlay = Overlay::over(200_000);
        overlay.wrote(0, 1);
        log.rewrite(&Head { order: 0, ..head() }, &overlay).unwrap();
        log.sync().unwrap();
        let again = SpoolLog::open(&dir.path().join("1"), &key).unwrap().unwrap();
        assert_eq!((again.head.order, again.log.spots().read(0).unwrap()), (3, b"x".to_vec()));
    }

    #[test]
    fn a_torn_end_takes_nothing_else_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, key) = made(dir.path());
        log.block(0, &[5; 1_000]).unwrap();
        let whole = log.bytes();
        log.block(0, &[6; 1_000]).unwrap();
        drop(log);
        let path = dir.path().join("1");
        for len in whole..whole + 1_045 {
            OpenOptions::new().write(true).open(&path).unwrap().set_len(len).unwrap();
            let again = SpoolLog::open(&path, &key).unwrap().unwrap();
            assert_eq!(again.log.spots().read(0).unwrap(), [5; 1_000], "cut at {len}");
            assert_eq!(fs::metadata(&path).unwrap().len(), whole);
        }
    }

    #[test]
    fn it_is_written_anew_with_what_counts_and_who_reads_the_old_state_reads_on() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, key) = made(dir.path());
        let mut overlay = Overlay::over(200_000);
        for at in 0..50 {
            log.block(1, &[at; 60_000]).unwrap();
            overlay.wrote(1, 60_000);
        }
        let (old, before) = (log.spots().clone(), log.bytes());
        let gone = overlay.cut(100_000);
        log.cut(100_000, &gone).unwrap();
        let shown = BaseHead { shown: overlay.base(), ..head().base.unwrap() };
        log.rewrite(&Head { base: Some(shown), ..head() }, &overlay).unwrap();
        assert!(log.bytes() < before / 40);
        assert_eq!(old.read(1).unwrap(), [49; 60_000]);
        log.block(2, b"more").unwrap();
        overlay.wrote(2, 4);
        let again = SpoolLog::open(&dir.path().join("1"), &key).unwrap().unwrap();
        assert_eq!(again.overlay, overlay);
    }
}
