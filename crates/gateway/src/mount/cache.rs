//! Content that is in the pool, read in pieces of [`CHUNK_BYTES`]: those that were read lately are kept, and who reads in order is read
//! ahead for.
//!
//! (A) A piece is kept only when all of it was judged and opened. (B) A version never changes, so what is kept of one is right for
//! ever. (C) Memory: [`CACHE_BYTES_MAX`] and what [`FETCHES_MAX`] ranges have under way.

use super::errno::{Res, is_away, of_client};
use super::limits::{
    AHEAD_BYTES_MAX, AWAY_REST, CACHE_BYTES_MAX, CACHE_CHUNKS_MAX, CHUNK_BYTES, FETCHES_MAX, FIND_WAIT, FOUND_KEPT,
};
use crate::buckets::Buckets;
use bytes::Bytes;
use client::{ClientError, Found};
use fuser::Errno;
use model::errors;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::AsyncWrite;
use tokio::sync::{Semaphore, watch};

/// A version of an object, as its content.
pub(super) struct Base {
    /// Its bucket.
    pub bucket: String,
    /// Under which name.
    pub name: String,
    /// Which version.
    pub version: [u8; 16],
    /// Its bytes.
    pub size: u64,
    found: Mutex<Option<(Found, Instant)>>,
}

impl Base {
    /// Of an object that was seen in a list.
    pub fn new(bucket: &str, name: &str, version: [u8; 16], size: u64) -> Arc<Self> {
        Arc::new(Self { bucket: bucket.to_owned(), name: name.to_owned(), version, size, found: Mutex::default() })
    }

    fn found(&self) -> MutexGuard<'_, Option<(Found, Instant)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How somebody reads a file.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    next: u64,
    bytes: u64,
}

impl Ahead {
    /// Notes a read; up to where it is worth to read.
    pub fn read(&mut self, range: &Range<u64>) -> u64 {
        let is_next = range.start == self.next || (range.start < self.next && range.end > self.next);
        self.bytes = match is_next {
            true if range.start > 0 || range.end >= CHUNK_BYTES / 2 => {
                (self.bytes * 2).clamp(CHUNK_BYTES, AHEAD_BYTES_MAX)
            }
            _ => 0,
        };
        self.next = range.end;
        range.end + self.bytes
    }
}

type Key = ([u8; 16], u64);

/// A piece on its way, or here.
#[derive(Clone)]
enum State {
    Coming,
    Here(Bytes),
    Failed(i32),
}

struct Slot {
    state: watch::Receiver<State>,
    /// None while it is on its way.
    bytes: u64,
    used: u64,
    /// When it was added: who brings it knows its own by that.
    born: u64,
}

/// Who waits for a piece, and which slot it is for.
type Send = (u64, watch::Sender<State>);

#[derive(Default)]
struct Slots {
    all: HashMap<Key, Slot>,
    by_use: BTreeMap<u64, Key>,
    clock: u64,
    bytes: u64,
}

/// What was read lately, and how it is read; clones share it.
#[derive(Clone)]
pub(super) struct Cache(Arc<Inner>);

struct Inner {
    buckets: Arc<Buckets>,
    slots: Mutex<Slots>,
    fetches: Semaphore,
    /// When the center did not answer.
    away: Mutex<Option<Instant>>,
}

impl Cache {
    /// Over an account's buckets.
    pub fn new(buckets: Arc<Buckets>) -> Self {
        let (slots, fetches, away) = (Mutex::default(), Semaphore::new(FETCHES_MAX), Mutex::default());
        Self(Arc::new(Inner { buckets, slots, fetches, away }))
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a range, which must lie within the content; up to `ahead` it is read beside.
    pub async fn read(&self, base: &Arc<Base>, range: Range<u64>, ahead: u64) -> Res<Vec<u8>> {
        if range.end > base.size {
            return Err(Errno::EIO);
        }
        let mut out = Vec::with_capacity(usize::try_from(range.end - range.start).map_err(|_| Errno::EINVAL)?);
        let chunks = chunks_of(&range);
        let far = chunks_of(&(range.start..ahead.max(range.end).min(base.size)));
        let coming = self.bring(base, chunks.clone(), far);
        for (chunk, mut state) in chunks.zip(coming) {
            let here = state.wait_for(|state| !matches!(state, State::Coming)).await.map_err(|_| Errno::EIO)?.clone();
            let bytes = match here {
                State::Here(bytes) => bytes,
                State::Failed(code) => return Err(Errno::from_i32(code)),
                State::Coming => return Err(Errno::EIO),
            };
            let begin = chunk * CHUNK_BYTES;
            let index = |at: u64| usize::try_from(at.saturating_sub(begin)).unwrap_or(usize::MAX);
            let part = index(range.start)..index(range.end).min(bytes.len());
            out.extend_from_slice(bytes.get(part).ok_or(Errno::EIO)?);
        }
        if out.len() as u64 == range.end - range.start { Ok(out) } else { Err(Errno::EIO) }
    }

    /// States of `wanted` pieces; those of `far` that are not there are begun too.
    fn bring(&self, base: &Arc<Base>, wanted: Range<u64>, far: Range<u64>) -> Vec<watch::Receiver<State>> {
        let mut slots = self.slots();
        let mut run: Option<(u64, Vec<Send>)> = None;
        let mut states = Vec::new();
        for chunk in wanted.start..wanted.end.max(far.end) {
            let key = (base.version, chunk);
            let state = match slots.touch(&key) {
                Some(state) => {
                    self.begin(base, run.take());
                    state
                }
                None => {
                    let (send, state) = watch::channel(State::Coming);
                    let born = slots.add(key, state.clone());
                    run.get_or_insert_with(|| (chunk, Vec::new())).1.push((born, send));
                    state
                }
            };
            if wanted.contains(&chunk) {
                states.push(state);
            }
        }
        self.begin(base, run);
        states
    }

    /// Reads a run of pieces by a task of its own.
    fn begin(&self, base: &Arc<Base>, run: Option<(u64, Vec<Send>)>) {
        let Some((first, sends)) = run else { return };
        let (cache, base) = (self.clone(), Arc::clone(base));
        tokio::spawn(async move {
            let end = (first + sends.len() as u64).saturating_mul(CHUNK_BYTES).min(base.size);
            let mut filler = Filler {
                cache: &cache,
                version: base.version,
                chunk: first,
                sends: sends.into(),
                bytes: Vec::new(),
                end,
            };
            let _turn = cache.0.fetches.acquire().await;
            let mut read = cache.fetch(&base, &mut filler).await;
            if read.is_err() && base.found().take().is_some() {
                read = cache.fetch(&base, &mut filler).await; // its holders may stand elsewhere by now
            }
            let error = match read {
                Ok(()) => Errno::EIO,
                Err(error) => {
                    tracing::warn!(%error, "a part of a file cannot be read");
                    of_client(&error)
                }
            };
            filler.fail(error);
        });
    }

    /// Reads what is left of a run.
    async fn fetch(&self, base: &Base, filler: &mut Filler<'_>) -> Result<(), ClientError> {
        filler.bytes.clear();
        let range = filler.chunk * CHUNK_BYTES..filler.end;
        if range.is_empty() {
            return Ok(());
        }
        let found = self.find(base).await?;
        let bucket = self.0.buckets.open(&base.bucket).await?;
        let got = self.0.buckets.client.get_found(&bucket, found, Some(range), filler, &|_, _, _| {}).await;
        got.map(drop)
    }

    /// A version, ready to be read.
    pub async fn find(&self, base: &Base) -> Result<Found, ClientError> {
        let kept = base.found().as_ref().filter(|(_, at)| at.elapsed() < FOUND_KEPT).map(|(found, _)| found.clone());
        if let Some(found) = kept {
            return Ok(found);
        }
        let away = || ClientError::Refused(client::RefusalMsg::new(errors::CENTER_UNREACHABLE, []));
        if self.away().is_some_and(|since| since.elapsed() < AWAY_REST) {
            return Err(away());
        }
        let finding = async {
            let bucket = self.0.buckets.open(&base.bucket).await?;
            self.0.buckets.client.find(&bucket, &base.name, Some(base.version)).await
        };
        let found = tokio::time::timeout(FIND_WAIT, finding).await.unwrap_or_else(|_| Err(away()));
        *self.away() = found.as_ref().is_err_and(is_away).then(Instant::now);
        let found = found.inspect_err(|error| self.0.buckets.saw(&base.bucket, error))?;
        *base.found() = Some((found.clone(), Instant::now()));
        Ok(found)
    }

    fn away(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn touch(&mut self, key: &Key) -> Option<watch::Receiver<State>> {
        self.clock += 1;
        let slot = self.all.get_mut(key)?;
        self.by_use.remove(&slot.used);
        slot.used = self.clock;
        self.by_use.insert(self.clock, *key);
        Some(slot.state.clone())
    }

    fn add(&mut self, key: Key, state: watch::Receiver<State>) -> u64 {
        self.clock += 1;
        self.by_use.insert(self.clock, key);
        self.all.insert(key, Slot { state, bytes: 0, used: self.clock, born: self.clock });
        self.clock
    }

    /// A piece did not come.
    fn failed(&mut self, key: &Key, born: u64) {
        if self.all.get(key).is_some_and(|slot| slot.born == born) {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(slot) = self.all.remove(key) {
            self.by_use.remove(&slot.used);
            self.bytes -= slot.bytes;
        }
    }

    /// A piece is here; others go for it.
    fn came(&mut self, key: &Key, born: u64, len: u64) {
        if let Some(slot) = self.all.get_mut(key).filter(|slot| slot.born == born) {
            self.bytes = self.bytes - slot.bytes + len;
            slot.bytes = len;
        }
        while self.bytes > CACHE_BYTES_MAX || self.all.len() > CACHE_CHUNKS_MAX {
            let is_here = |key: &&Key| self.all.get(key).is_some_and(|slot| slot.bytes > 0);
            let Some(oldest) = self.by_use.values().find(is_here).copied() else { break };
            self.remove(&oldest);
        }
    }
}

/// Pieces of a whole content.
fn chunks_of(range: &Range<u64>) -> Range<u64> {
    if range.is_empty() { 0..0 } else { range.start / CHUNK_BYTES..range.end.div_ceil(CHUNK_BYTES) }
}

/// Cuts what comes into pieces.
struct Filler<'a> {
    cache: &'a Cache,
    version: [u8; 16],
    /// The piece that comes next.
    chunk: u64,
    sends: std::collections::VecDeque<Send>,
    bytes: Vec<u8>,
    /// One past the last byte of the run.
    end: u64,
}

impl Filler<'_> {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.sends.is_empty() {
            let whole = CHUNK_BYTES.min(self.end - self.chunk * CHUNK_BYTES) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(whole - self.bytes.len()));
            self.bytes.extend_from_slice(now);
            bytes = later;
            if self.bytes.len() == whole {
                let piece = Bytes::from(std::mem::take(&mut self.bytes));
                if let Some((born, send)) = self.sends.pop_front() {
                    self.cache.slots().came(&(self.version, self.chunk), born, whole as u64);
                    send.send_replace(State::Here(piece));
                }
                self.chunk += 1;
            }
        }
    }

    /// What did not come is not kept as such.
    fn fail(self, error: Errno) {
        for (at, (born, send)) in self.sends.into_iter().enumerate() {
            self.cache.slots().failed(&(self.version, self.chunk + at as u64), born);
            send.send_replace(State::Failed(error.code()));
        }
    }
}

impl AsyncWrite for Filler<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_in_order_is_read_ahead_for_and_nobody_else() {
        let (mut ahead, step) = (Ahead::default(), 128 << 10);
        assert_eq!(ahead.read(&(0..step)), step + CHUNK_BYTES);
        let mut far = 0;
        for at in 1..100 {
            far = ahead.read(&(at * step..(at + 1) * step)) - (at + 1) * step;
        }
        assert_eq!(far, AHEAD_BYTES_MAX);
        assert_eq!(ahead.read(&(5..9)), 9, "a leap");
        assert_eq!(Ahead::default().read(&(0..4_096)), 4_096, "a look at the beginning");
    }

    #[test]
    fn what_is_on_its_way_stays_and_only_its_own_bringer_counts() {
        let (mut slots, state) = (Slots::default(), || watch::channel(State::Coming).1);
        let key = |at: u64| ([0; 16], at);
        let first = slots.add(key(0), state());
        slots.came(&key(0), first, 10);
        slots.came(&key(0), first, 10);
        assert_eq!(slots.bytes, 10, "counted once");
        slots.remove(&key(0));
        let second = slots.add(key(0), state());
        slots.failed(&key(0), first);
        slots.came(&key(0), first, 10);
        assert!(slots.all.contains_key(&key(0)) && slots.bytes == 0, "it is another's by now");
        let third = slots.add(key(1), state());
        slots.came(&key(1), third, CACHE_BYTES_MAX + 1);
        assert!(slots.all.contains_key(&key(0)) && !slots.all.contains_key(&key(1)), "only what is here goes");
        slots.came(&key(0), second, 5);
        assert_eq!(slots.bytes, 5);
    }

    #[test]
    fn pieces_cover_a_range() {
        assert_eq!(chunks_of(&(0..1)), 0..1);
        assert_eq!(chunks_of(&(CHUNK_BYTES - 1..CHUNK_BYTES + 1)), 0..2);
        assert_eq!(chunks_of(&(CHUNK_BYTES..2 * CHUNK_BYTES)), 1..2);
        assert!(chunks_of(&(7..7)).is_empty());
    }
}
