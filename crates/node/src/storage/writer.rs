//! The one thread that writes: takes what is on its way, appends it, syncs each touched log once, tells the index,
//! then answers everybody. A group closes at once when every commit under way is in it, at the latest after 10 ms.

use super::entry::{self, BLOCK, Entry, PieceKey, PieceMeta};
use super::error::{StoreError, io};
use super::index::Index;
use super::state::{Health, Log, LogKey, Place, Shared};
use model::PgId;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use wire::storage::Locator;

/// Longest wait for others to join a group.
const GROUP_WAIT: Duration = Duration::from_millis(10);
/// Most entries of a group.
const GROUP_MAX: usize = 256;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked to do.
pub(super) enum Job {
    /// Appends a piece: room for the header, then data and group hashes. What it has taken rides with it, so that it is
    /// given back once and in time also when nobody waits for the answer any more.
    Piece { meta: Box<PieceMeta>, bytes: Vec<u8>, hold: Hold, reply: Reply<()> },
    /// Appends a word about a held piece.
    Note { entry: Entry, reply: Reply<()> },
    /// Anything that needs the writer to itself.
    Run(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// Room a piece on its way in has taken, on the disk and in memory; dropped, it is given back.
pub(super) struct Hold {
    shared: Arc<Shared>,
    bytes: u64,
    _memory: OwnedSemaphorePermit,
}

impl Hold {
    /// Of `bytes` that were added to what is reserved already.
    pub fn new(shared: Arc<Shared>, bytes: u64, memory: OwnedSemaphorePermit) -> Self {
        Self { shared, bytes, _memory: memory }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.shared.held();
        held.reserved = held.reserved.saturating_sub(self.bytes);
    }
}

/// An entry of the group that is being written.
struct Pending {
    log: LogKey,
    key: PieceKey,
    change: Change,
    hold: Option<Hold>,
    reply: Option<Reply<()>>,
}

/// What an entry changes once it is durable.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Put(Place, Option<Locator>),
    Trash(Option<u64>),
    Remove,
}

/// The writer's own state.
pub(super) struct Writer {
    pub shared: Arc<Shared>,
    index: Option<Index>,
    log_max: u64,
    seed: [u8; 32],
    /// Bytes written to each log of this group beyond what is durable, and whether its name is new.
    tails: std::collections::BTreeMap<LogKey, Tail>,
    group: Vec<Pending>,
}

struct Tail {
    end: u64,
    new: bool,
}

/// What runs alone, between two groups.
type Whole = Box<dyn FnOnce(&mut Writer) + Send>;

impl Writer {
    pub fn new(shared: Arc<Shared>, index: Index, log_max: u64, seed: [u8; 32]) -> Self {
        Self { shared, index: Some(index), log_max, seed, tails: Default::default(), group: Vec::new() }
    }

    /// A log is closed at this size.
    pub fn log_max(&self) -> u64 {
        self.log_max
    }

    /// Serves until all senders are gone.
    pub fn run(mut self, inbox: &Receiver<Job>) {
        while let Ok(first) = inbox.recv() {
            let began = Instant::now();
            let mut next = Some(first);
            while let Some(job) = next.take() {
                if let Some(alone) = self.take(job) {
                    self.finish();
                    alone(&mut self);
                    break;
                }
                next = self.next(inbox, began);
            }
            self.finish();
        }
    }

    fn next(&self, inbox: &Receiver<Job>, began: Instant) -> Option<Job> {
        if self.group.len() >= GROUP_MAX {
            return None;
        }
        if let Ok(job) = inbox.try_recv() {
            return Some(job);
        }
        let waits = self.shared.committing.load(Ordering::Acquire) > self.group.len();
        let left = GROUP_WAIT.checked_sub(began.elapsed()).filter(|_| waits)?;
        inbox.recv_timeout(left).ok()
    }

    fn take(&mut self, job: Job) -> Option<Whole> {
        match job {
            Job::Piece { meta, bytes, hold, reply } => {
                let entry = Entry::Piece { meta: meta.clone(), trashed_at: None };
                let written = self.append(meta.pg, &entry, bytes);
                self.note(entry.key(), written, Some(hold), reply);
            }
            Job::Note { entry, reply } => match self.shared.place(entry.key()) {
                None => drop(reply.send(Err(StoreError::Missing(entry.key())))),
                Some(place) => {
                    let written = self.append(place.pg, &entry, vec![0; BLOCK as usize]);
                    self.note(entry.key(), written, None, reply);
                }
            },
            Job::Run(alone) => return Some(alone),
        }
        None
    }

    fn note(
        &mut self,
        key: PieceKey,
        written: Result<(LogKey, Change), StoreError>,
        hold: Option<Hold>,
        reply: Reply<()>,
    ) {
        match written {
            Ok((log, change)) => self.group.push(Pending { log, key, change, hold, reply: Some(reply) }),
            Err(error) => {
                drop(hold);
                drop(reply.send(Err(error)));
            }
        }
    }

    /// Appends to the group without a reply; for compaction.
    pub fn append_moved(&mut self, pg: PgId, entry: &Entry, bytes: Vec<u8>) -> Result<(), StoreError> {
        let (log, change) = self.append(pg, entry, bytes)?;
        self.group.push(Pending { log, key: entry.key(), change, hold: None, reply: None });
        Ok(())
    }

    fn append(&mut self, pg: PgId, entry: &Entry, mut bytes: Vec<u8>) -> Result<(LogKey, Change), StoreError> {
        let need = entry.disk_len();
        bytes.resize(usize::try_from(need).expect("an entry fits memory"), 0);
        let (log, salt, offset) = self.room_in(pg, need)?;
        let seq = {
            let mut held = self.shared.held();
            held.next_seq += 1;
            held.next_seq - 1
        };
        bytes[..BLOCK as usize].copy_from_slice(&entry::encode_header(entry, pg, seq, &salt, offset));
        if let Err(error) = self.shared.disk.write_at(&self.shared.log_path(log), offset, &bytes) {
            self.cut_back(log, offset);
            return Err(io("append to a log")(error));
        }
        self.tails.entry(log).and_modify(|tail| tail.end = offset + need);
        let change = match entry {
            Entry::Piece { meta, trashed_at } => {
                let place = Place {
                    pg,
                    log: log.1,
                    offset,
                    len: meta.len,
                    seq,
                    trashed_at: *trashed_at,
                    word: 0,
                    health: Health::Verified,
                };
                Change::Put(place, meta.locator())
            }
            Entry::Trash { at, .. } => Change::Trash(*at),
            Entry::Remove { .. } => Change::Remove,
        };
        Ok((log, change))
    }

    /// The group's newest log with room for `need`, else a new one; with its salt and the offset to write at.
    fn room_in(&mut self, pg: PgId, need: u64) -> Result<(LogKey, [u8; 32], u64), StoreError> {
        let newest = {
            let held = self.shared.held();
            held.logs.range((pg, 0)..=(pg, u32::MAX)).next_back().map(|(key, log)| (*key, log.clone()))
        };
        if let Some((key, log)) = newest.filter(|(_, log)| !log.closed) {
            let offset = self.tails.get(&key).map_or(log.len, |tail| tail.end);
            if offset + need <= self.log_max {
                self.tails.entry(key).or_insert(Tail { end: offset, new: false });
                return Ok((key, log.salt, offset));
            }
        }
        self.new_log(pg)
    }

    fn new_log(&mut self, pg: PgId) -> Result<(LogKey, [u8; 32], u64), StoreError> {
        let no = {
            let mut held = self.shared.held();
            held.next_log += 1;
            held.next_log - 1
        };
        let mut salt = blake3::Hasher::new_keyed(&self.seed);
        salt.update(&pg.0.to_le_bytes()).update(&no.to_le_bytes());
        let salt = *salt.finalize().as_bytes();
        let disk = &self.shared.disk;
        let dir = self.shared.pg_dir(pg);
        disk.create_dir(&dir).and_then(|()| disk.sync_dir(&self.shared.dir)).map_err(io("make a group's folder"))?;
        let key = (pg, no);
        let path = self.shared.log_path(key);
        if let Err(error) = disk.write_at(&path, 0, &entry::encode_head(pg, no, &salt)) {
            let _ = disk.remove(&path);
            return Err(io("make a log")(error));
        }
        self.shared.held().logs.insert(key, Log::new(salt));
        self.tails.insert(key, Tail { end: BLOCK, new: true });
        Ok((key, salt, BLOCK))
    }

    /// After a failed write: the log ends at `offset` again, or takes nothing more.
    fn cut_back(&mut self, log: LogKey, offset: u64) {
        let cut = self.shared.disk.truncate(&self.shared.log_path(log), offset);
        if cut.is_err()
            && let Some(log) = self.shared.held().logs.get_mut(&log)
        {
            log.closed = true;
        }
    }

    /// Makes the group durable, applies and answers it. The number of entries that failed.
    pub fn finish(&mut self) -> usize {
        if self.tails.is_empty() {
            return 0;
        }
        let tails = std::mem::take(&mut self.tails);
        let group = std::mem::take(&mut self.group);
        let mut bad: BTreeSet<LogKey> = BTreeSet::new();
        let mut error = None;
        for (log, tail) in &tails {
            if let Err(why) = self.sync(*log, tail) {
                tracing::error!(pg = log.0.0, log = log.1, error = %why, "a log could not be synced and is closed");
                bad.insert(*log);
                error = Some(why);
            }
        }
        let (mut pieces, mut logs) = self.apply(&tails, &group, &bad);
        for log in &bad {
            pieces.extend(self.distrust(*log));
        }
        logs.extend(tails.keys().copied());
        self.save(&logs, &pieces);
        answer(group, &bad, error.as_ref())
    }

    fn sync(&self, log: LogKey, tail: &Tail) -> std::io::Result<()> {
        self.shared.disk.sync(&self.shared.log_path(log))?;
        if tail.new { self.shared.disk.sync_dir(&self.shared.pg_dir(log.0)) } else { Ok(()) }
    }

    fn apply(
        &self,
        tails: &std::collections::BTreeMap<LogKey, Tail>,
        group: &[Pending],
        bad: &BTreeSet<LogKey>,
    ) -> (Vec<PieceKey>, Vec<LogKey>) {
        let mut held = self.shared.held();
        for (log, tail) in tails.iter().filter(|(log, _)| !bad.contains(*log)) {
            if let Some(row) = held.logs.get_mut(log) {
                row.len = tail.end;
            }
        }
        let (mut pieces, mut logs) = (Vec::with_capacity(group.len()), Vec::new());
        for pending in group.iter().filter(|pending| !bad.contains(&pending.log)) {
            match pending.change {
                Change::Put(place, locator) => {
                    logs.extend(held.put(pending.key, place));
                    held.locate(pending.key, locator);
                }
                Change::Trash(at) => held.note(pending.key, pending.log.1, at),
                Change::Remove => {
                    held.take(pending.key);
                    held.locate(pending.key, None);
                    if let Some(log) = held.logs.get_mut(&pending.log) {
                        log.removals += BLOCK;
                    }
                }
            }
            pieces.push(pending.key);
        }
        (pieces, logs)
    }

    /// (C): closes a log whose sync failed, cuts off what was never durable and reads all it holds again.
    fn distrust(&self, key: LogKey) -> Vec<PieceKey> {
        let (len, inside) = {
            let mut held = self.shared.held();
            let Some(log) = held.logs.get_mut(&key) else { return Vec::new() };
            (log.closed, log.failed) = (true, true);
            let len = log.len;
            let inside: Vec<(PieceKey, Place)> =
                held.pieces.iter().filter(|(_, p)| (p.pg, p.log) == key).map(|(k, p)| (*k, *p)).collect();
            (len, inside)
        };
        let _ = self.shared.disk.truncate(&self.shared.log_path(key), len);
        let mut changed = Vec::new();
        for (piece, place) in inside {
            // A disk that does not answer says nothing about the piece: it is in doubt, not lost.
            let health = match self.shared.verified(piece, &place) {
                Ok(_) => Health::Verified,
                Err(StoreError::Damaged(_)) => Health::Damaged,
                Err(_) => Health::Unchecked,
            };
            if health != place.health
                && let Some(place) = self.shared.held().pieces.get_mut(&piece)
            {
                place.health = health;
                changed.push(piece);
            }
        }
        changed
    }

    /// Writes rows as they are now. An index that cannot be written is given up: the logs hold everything.
    pub fn save(&mut self, logs: &[LogKey], pieces: &[PieceKey]) {
        let Some(mut index) = self.index.take() else { return };
        let saved = index.save(&self.shared.held(), logs, pieces);
        match saved {
            Ok(()) => self.index = Some(index),
            Err(error) => {
                tracing::error!(%error, "the piece index cannot be written; the next start rebuilds it");
                index.discard();
            }
        }
    }
}

fn answer(group: Vec<Pending>, bad: &BTreeSet<LogKey>, error: Option<&std::io::Error>) -> usize {
    let mut failed = 0;
    for pending in group {
        let is_bad = bad.contains(&pending.log);
        failed += usize::from(is_bad);
        // Whoever hears the answer sees the room given back already.
        drop(pending.hold);
        let Some(reply) = pending.reply else { continue };
        let result = if is_bad {
            let kind = error.map_or(std::io::ErrorKind::Other, std::io::Error::kind);
            Err(io("sync a log")(std::io::Error::from(kind)))
        } else {
            Ok(())
        };
        let _ = reply.send(result);
    }
    failed
}
