//! Uploads of files that wait in the spool: each begins a moment after the last close, is tried until it is done, and stores the
//! content of the moment at which it began.
//!
//! (A) A file that lost its name, or has another, is never named by an upload that began before: it is stopped first, and one that is
//! being named is waited for. (B) A file leaves the spool when holders have all that was written to it, not before.

use super::attr::stamp_of;
use super::cache::{Base, Cache};
use super::core::{Core, blocking, locked, now};
use super::errno::{Res, is_away, of_client, of_io};
use super::file::{File, Held, Moment};
use super::limits::{BLOCK_BYTES, PART_BYTES_MAX, RETRY_FIRST, RETRY_MAX, SETTLE};
use super::overlay::{Overlay, Source};
use super::told::Told;
use crate::dav::place::Place;
use crate::s3::sums::Summing;
use client::{ClientError, Ending, Entry, Etag, Expect, Fact, Facts, Kid, NewFacts, PutAsk};
use fuser::Errno;
use model::{Bytes, errors};
use std::io::{self, Read};
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// It can be stopped.
const RUNS: u8 = 0;
/// The center is being asked to name it.
const NAMES: u8 = 1;
/// It was stopped.
const STOPPED: u8 = 2;

/// A file's upload.
pub(super) struct Job {
    phase: Arc<AtomicU8>,
    task: AbortHandle,
}

/// What an upload came to.
enum Came {
    /// The pool has it as it was then.
    Stored(Entry),
    /// Something else stands in its place than did; the sum of what was not stored.
    Taken(Etag),
    /// It is to be tried again.
    Failed(ClientError),
}

impl Core {
    /// Begins a file's upload, if it waits for one.
    pub fn upload(self: &Arc<Self>, file: &Arc<File>, state: &mut Held) {
        if state.job.is_some() || state.spooled.is_none() || state.place.is_none() {
            return;
        }
        let phase = Arc::new(AtomicU8::new(RUNS));
        let task = tokio::spawn(run(Arc::clone(self), Arc::clone(file), Arc::clone(&phase)));
        state.job = Some(Job { phase, task: task.abort_handle() });
    }

    /// What was held goes on: who waits for its upload looks again, and one that was stopped begins anew.
    pub fn resume(self: &Arc<Self>, file: &Arc<File>, state: &mut Held) {
        if state.writers == 0 || state.is_urgent {
            self.upload(file, state);
        }
        file.turn();
    }

    /// A file's state with no upload under way (A).
    pub async fn stopped(&self, file: &File) -> Held {
        loop {
            let mut state = file.held().await;
            let Some(job) = &state.job else { return state };
            if job.phase.compare_exchange(RUNS, STOPPED, SeqCst, SeqCst).is_ok() {
                job.task.abort();
                state.job = None;
                return state;
            }
            let mut turns = file.turns.subscribe();
            drop(state);
            let _ = turns.changed().await; // the file is held here, so its turns do not end
        }
    }

    /// Waits until the pool has all that was written to a file by now.
    pub async fn safe(self: &Arc<Self>, file: &Arc<File>) -> Res<()> {
        let mut wanted = None;
        loop {
            let mut state = file.held().await;
            let Some(spooled) = &state.spooled else { return Ok(()) };
            let wanted = *wanted.get_or_insert(spooled.changes);
            let is_written_on = spooled.changes > wanted && spooled.safe >= wanted;
            if is_written_on || state.place.is_none() {
                return Ok(()); // of one without a name nobody can ask
            }
            if let Some(no) = state.failed.take() {
                return Err(no);
            }
            state.is_urgent = true;
            self.upload(file, &mut state);
            let mut turns = file.turns.subscribe();
            drop(state);
            let _ = turns.changed().await;
        }
    }

    /// Which files are not in the spool any more is durable when this returns; where it cannot be, they are uploaded again.
    pub async fn synced_names(&self) -> bool {
        let spool = Arc::clone(&self.spool);
        let synced = blocking(move || spool.sync_names().map_err(|error| of_io(&error))).await;
        if synced.is_err() {
            tracing::warn!("the spool's folder cannot be synced");
        }
        synced.is_ok()
    }

    /// Files whose content the pool does not have yet.
    pub fn waiting(&self) -> usize {
        self.spool.files().len()
    }
}

async fn run(core: Arc<Core>, file: Arc<File>, phase: Arc<AtomicU8>) {
    let mut ending = core.ending.subscribe();
    let is_urgent = file.held().await.is_urgent;
    if !is_urgent {
        tokio::select! {
            () = tokio::time::sleep(SETTLE) => {}
            _ = ending.wait_for(|ends| *ends) => {}
        }
    }
    let mut pause = RETRY_FIRST;
    loop {
        let Ok(turn) = core.uploads.acquire().await else { return };
        let came = match begin(&file).await {
            Ok(Some(moment)) => (send(&core, &moment, &phase).await, Some(moment)),
            Ok(None) => return,
            Err(error) => (Came::Failed(error), None),
        };
        drop(turn);
        match came {
            (Came::Stored(entry), Some(moment)) => {
                if stored(&core, &file, moment, entry).await {
                    return;
                }
                again(&file, &phase);
            }
            (Came::Taken(etag), Some(moment)) => match taken(&core, &file, &moment, etag).await {
                Ok(there) => {
                    let is_done = match there {
                        Some(entry) => stored(&core, &file, moment, entry).await,
                        None => false,
                    };
                    if is_done {
                        return;
                    }
                    again(&file, &phase);
                }
                Err(no) => {
                    tracing::warn!(code = no.code(), "a file waits: what stands in its place cannot be seen");
                    again(&file, &phase);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
            },
            (Came::Stored(_) | Came::Taken(_), None) => return,
            (Came::Failed(error), _) => {
                failed(&file, &phase, &error).await;
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = ending.changed() => {}
                }
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

/// It can be stopped once more; who waits for that is told.
fn again(file: &File, phase: &AtomicU8) {
    phase.store(RUNS, SeqCst);
    file.turn();
}

/// The file as it is to be stored; nothing where it is not to be.
async fn begin(file: &Arc<File>) -> Result<Option<Moment>, ClientError> {
    let mut state = file.held().await;
    let is_open = state.writers > 0 && !state.is_urgent;
    if is_open {
        state.job = None; // its last close begins anew
        file.turn();
        return Ok(None);
    }
    let begun = blocking(move || {
        let moment = state.moment();
        Ok((state, moment))
    });
    let (mut state, moment) = begun.await.map_err(|_| ClientError::Unexpected("the spool ended"))?;
    let moment = moment.map_err(|no| ClientError::File {
        path: "spool".to_owned(),
        source: io::Error::from_raw_os_error(no.code()),
    })?;
    if moment.is_none() {
        state.job = None;
        file.turn();
    }
    Ok(moment)
}

/// Stores a file's moment.
async fn send(core: &Core, moment: &Moment, phase: &Arc<AtomicU8>) -> Came {
    let Place::Name { bucket, name } = &moment.place else {
        return Came::Failed(ClientError::Unexpected("a file without a name"));
    };
    let opened = match core.buckets.open(bucket).await {
        Ok(opened) => opened,
        Err(error) => return Came::Failed(error),
    };
    let sum = Arc::new(Mutex::new(None));
    let reader = Content::new(core.cache.clone(), moment, Arc::clone(&sum));
    let (told, phase) = (Arc::clone(&sum), Arc::clone(phase));
    let ending = Ending(Arc::new(move || {
        let etag = locked(&told).ok_or(ClientError::Announced("it did not end"))?;
        match phase.compare_exchange(RUNS, NAMES, SeqCst, SeqCst) {
            Ok(_) => Ok(Facts(vec![Fact::Etag(etag)])),
            Err(_) => Err(ClientError::Announced("it was stopped")), // (A)
        }
    }));
    let told = &moment.told;
    let ask = PutAsk {
        size_hint: moment.overlay.len(),
        expect: moment.expect,
        content_type: told.content_type.clone(),
        changed: told.unix.mtime.and_then(stamp_of),
        pairs: told.pairs(),
        facts: told.facts(),
        ending: Some(ending),
        ..PutAsk::new(name)
    };
    match core.client().put(&opened, ask, Box::new(reader), &|_, _, _| {}).await {
        Ok(put) => match *locked(&sum) {
            Some(etag) => Came::Stored(entry_of(&moment.place, told, (put.version, put.size.0, etag))),
            None => Came::Failed(ClientError::Unexpected("a content without its sum")),
        },
        Err(error) => {
            core.buckets.saw(bucket, &error);
            let is_taken = matches!(&error, ClientError::Refused(no) if no.id == errors::PRECONDITION);
            match *locked(&sum) {
                Some(etag) if is_taken && moment.expect != Expect::Any => Came::Taken(etag),
                _ => Came::Failed(error),
            }
        }
    }
}

async fn failed(file: &Arc<File>, phase: &AtomicU8, error: &ClientError) {
    tracing::warn!(%error, "a file is not uploaded yet; it waits in the spool and is tried again");
    let mut state = file.held().await;
    if is_final(error) {
        state.failed = Some(of_client(error));
    }
    // Nobody said no to it: it may have its name.
    let is_open = is_away(error) || !matches!(error, ClientError::Refused(_));
    state.was_naming |= is_open && phase.load(SeqCst) == NAMES;
    again(file, phase);
}

/// Whether somebody must do something about it; what only takes time is not told.
fn is_final(error: &ClientError) -> bool {
    match error {
        ClientError::Announced(_) => false,
        ClientError::Refused(no) => !is_away(error) && no.id != errors::TOO_FEW_NODES,
        error => !is_away(error),
    }
}

/// Something else stands in the place of a file that an earlier mount wrote. The object, where it is that file all the same: then its
/// mount ended between its upload and noting it. Else the file stands beside it from now on, and the next try stores it there.
async fn taken(core: &Core, file: &Arc<File>, moment: &Moment, etag: Etag) -> Res<Option<Entry>> {
    core.names.forget(&moment.place.parent());
    let kids = core.names.kids(&moment.place.parent()).await?;
    let there = match kids.get(moment.place.shown()) {
        Some(Kid::File(entry)) => Some(entry.clone()),
        _ => None,
    };
    if let Some(entry) = &there
        && entry.etag == Some(etag)
        && entry.size.0 == moment.overlay.len()
    {
        return Ok(Some(entry.clone()));
    }
    let mut state = file.held().await;
    if state.place.as_ref() != Some(&moment.place) {
        return Ok(None);
    }
    let (old, base, is_free) = (moment.place.clone(), state.base.clone(), there.is_none());
    let new = if is_free { old.clone() } else { beside(&old) };
    let place = new.clone();
    let mut state = blocking(move || {
        if let Some(spooled) = &mut state.spooled {
            spooled.placed(&place, None, base.as_deref())?;
        }
        Ok(state)
    })
    .await?;
    if new != old {
        core.spool.left(&old, file);
        core.spool.files().insert(new.clone(), Arc::clone(file));
        state.place = Some(new.clone());
        let mut table = locked(&core.table);
        if let Some(above) = table.number(&old.parent()) {
            table.moved((above, old.shown()), (above, new.shown()));
        }
        drop(table);
        core.touched(&old.parent());
        locked(&core.conflicts).push(new.shown().to_owned());
    }
    Ok(None)
}

/// The name of what is kept beside what others made of its own.
fn beside(place: &Place) -> Place {
    let at = stamp_of(now()).unwrap_or_default();
    let tail = format!(" (conflict {})", at.to_string().replace('T', " ").replace([':', 'Z'], ""));
    let mut part = place.shown().to_owned();
    while part.len() + tail.len() > PART_BYTES_MAX {
        part.pop();
    }
    place.parent().child(&(part + &tail))
}

/// The pool has a file's moment; whether nothing more is to be done now.
async fn stored(core: &Arc<Core>, file: &Arc<File>, moment: Moment, mut entry: Entry) -> bool {
    loop {
        let mut state = file.held().await;
        let is_here = state.place.as_ref() == Some(&moment.place);
        let Some(spooled) = state.spooled.as_mut().filter(|_| is_here) else { break };
        spooled.safe = moment.changes;
        if spooled.changes != moment.changes {
            let over = Some(entry.version);
            let noted = blocking(move || {
                let noted = state.spooled.as_mut().map_or(Ok(()), |spooled| spooled.stands_over(over));
                Ok((state, noted))
            });
            let Ok((mut state, noted)) = noted.await else { return false };
            if let Err(no) = noted {
                tracing::warn!(code = no.code(), "the spool takes no note of an upload");
            }
            (state.is_recovered, state.was_naming) = (false, false);
            if state.writers == 0 {
                return false; // all of it once more
            }
            // Whoever waits for later changes asks again, and nobody else does.
            (state.is_urgent, state.job) = (false, None);
            file.turn();
            return true;
        }
        let (tellings, told) = (spooled.tellings, spooled.told.clone());
        if tellings == moment.tellings {
            settle(core, file, &mut state, &entry);
            drop(state);
            core.synced_names().await;
            return true;
        }
        drop(state);
        // Only what is told of it changed: no byte moves for that.
        match retold(core, &moment.place, &entry, &told).await {
            Ok(new) => entry = new,
            Err(_) => return false,
        }
        let mut state = file.held().await;
        if state.spooled.as_ref().is_some_and(|now| now.tellings == tellings && now.changes == moment.changes) {
            settle(core, file, &mut state, &entry);
            drop(state);
            core.synced_names().await;
            return true;
        }
    }
    file.held().await.job = None;
    file.turn();
    true
}

/// (B): a file leaves the spool.
fn settle(core: &Core, file: &Arc<File>, state: &mut Held, entry: &Entry) {
    let Some(place) = state.place.clone() else { return };
    core.names.changed(&place, Some(Kid::File(entry.clone())));
    core.spool.left(&place, file);
    if let Some(mut spooled) = state.spooled.take() {
        spooled.unname();
    }
    state.base = Some(Base::new(place.bucket().unwrap_or_default(), &entry.name, entry.version, entry.size.0));
    state.entry = Some(entry.clone());
    (state.job, state.is_urgent, state.failed) = (None, false, None);
    (state.is_recovered, state.was_naming) = (false, false);
    file.turn();
}

/// An object as this mount made it just now.
pub(super) fn entry_of(place: &Place, told: &Told, (version, size, etag): ([u8; 16], u64, Etag)) -> Entry {
    let name = if let Place::Name { name, .. } = place { name.clone() } else { String::new() };
    Entry {
        name,
        size: Bytes(size),
        at: stamp_of(now()).unwrap_or_default(),
        changed: told.unix.mtime.and_then(stamp_of),
        hash: [0; 32],
        content_type: told.content_type.clone(),
        version,
        etag: Some(etag),
        unix: Some(told.unix),
    }
}

/// Tells other things of an object whose content stays.
pub(super) async fn retold(core: &Core, place: &Place, entry: &Entry, told: &Told) -> Res<Entry> {
    let shown = core.shown(place, entry).await?;
    let new = NewFacts {
        content_type: told.content_type.clone(),
        pairs: told.pairs(),
        facts: told.facts_beside(&shown.facts),
    };
    let (bucket, name) = (core.bucket(place).await?, entry.name.as_str());
    let source = (name, Some(entry.version));
    let copied = core.client().copy_told(&bucket, source, (name, Some(new)), Expect::Version(entry.version)).await;
    copied.map_err(|error| core.no(place, &error))
}

/// A file's moment, to be read by a thread.
struct Content {
    cache: Cache,
    base: Option<Arc<Base>>,
    overlay: Overlay,
    spots: super::log::Spots,
    runtime: Handle,
    at: u64,
    rest: io::Cursor<Vec<u8>>,
    summing: Option<Summing>,
    sum: Arc<Mutex<Option<Etag>>>,
}

/// Bytes that are taken together.
const STEP: u64 = 16 * BLOCK_BYTES as u64;

impl Content {
    fn new(cache: Cache, moment: &Moment, sum: Arc<Mutex<Option<Etag>>>) -> Self {
        Self {
            cache,
            base: moment.base.clone(),
            overlay: moment.overlay.clone(),
            spots: moment.spots.clone(),
            runtime: Handle::current(),
            at: 0,
            rest: io::Cursor::default(),
            summing: Some(Summing::new(None)),
            sum,
        }
    }

    fn step(&mut self) -> io::Result<Vec<u8>> {
        let end = (self.at + STEP).min(self.overlay.len());
        let mut out = Vec::new();
        for touch in self.overlay.reads(self.at..end) {
            let mut bytes = match (&touch.from, &self.base) {
                (Source::Own(valid), _) => {
                    let mut bytes = self.spots.read(touch.block)?;
                    bytes.truncate((*valid).min(touch.bytes.end));
                    bytes.drain(..touch.bytes.start.min(bytes.len()));
                    bytes
                }
                (Source::Base(range), Some(base)) => {
                    let ahead = range.end + STEP;
                    let read = self.runtime.block_on(self.cache.read(base, range.clone(), ahead));
                    read.map_err(|no| io::Error::from_raw_os_error(no.code()))?
                }
                _ => Vec::new(),
            };
            bytes.resize(touch.bytes.len(), 0);
            out.extend_from_slice(&bytes);
        }
        self.at = end;
        Ok(out)
    }
}

impl Read for Content {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(out)?;
        if read > 0 || out.is_empty() {
            return Ok(read);
        }
        let bytes = self.step()?;
        if bytes.is_empty() {
            if let Some(summing) = self.summing.take() {
                *locked(&self.sum) = Some(Etag { md5: summing.finish().md5, parts: 0 });
            }
            return Ok(0);
        }
        if let Some(summing) = &mut self.summing {
            summing.update(&bytes);
        }
        self.rest = io::Cursor::new(bytes);
        self.rest.read(out)
    }
}

/// Puts an empty object, or a short one, where nothing is.
pub(super) async fn put_small(core: &Core, place: &Place, name: &str, told: &Told, content: Vec<u8>) -> Res<Entry> {
    let md5 = crate::s3::sums::md5_of(&content);
    let (size, mut facts) = (content.len() as u64, told.facts());
    facts.0.push(Fact::Etag(Etag { md5, parts: 0 }));
    let ask = PutAsk {
        size_hint: size,
        expect: Expect::Absent,
        content_type: told.content_type.clone(),
        pairs: told.pairs(),
        facts,
        ..PutAsk::new(name)
    };
    let bucket = core.bucket(place).await?;
    let put = core.client().put(&bucket, ask, Box::new(io::Cursor::new(content)), &|_, _, _| {}).await;
    let put = put.map_err(|error| match &error {
        ClientError::Refused(no) if no.id == errors::PRECONDITION => Errno::EEXIST,
        error => core.no(place, error),
    })?;
    let entry = entry_of(place, told, (put.version, size, Etag { md5, parts: 0 }));
    Ok(Entry { name: name.to_owned(), ..entry })
}
