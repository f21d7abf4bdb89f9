//! A bucket's names come back to a center that lost them, from its logs at holders (`docs/design/storage.md` §8, §15).
//!
//! (A) All logs together are one chain of signed records from the bucket's first change on, verified before anything is told.
//! (B) A name that was deleted stays so: the deletion is in the chain. (C) What was cut off goes on where the center stands.
//! (D) No more than one log is in memory, and of all others a few bytes a change.

use crate::located::Found;
use crate::{Bucket, Client, ClientError};
use model::{SegmentId, Span, Stamp, errors};
use rules::storage::rebuild::{Fate, fate};
use seal::{AccountRoot, ContentKey, Header, LabelKind, LabelName, Role, log_from, open_run};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use wire::limits::{REPLAY_MAX, SEGMENT_IDS_MAX};
use wire::rebuild::{Replay, ReplayLine};
use wire::signed::{BucketLog, CommitOp, CommitRecord, CopiedBucket, Head, LogLine};
use wire::storage::{BucketMake, SegmentRun};
use wire::{Reply, Request};

/// Bytes of one message of changes, beside what the envelope takes.
const MESSAGE_BYTES: usize = 40 << 10;
/// Pause before segments that nobody told of are looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What a center collects is collected at the latest so long after its retention: until then what becomes the newest again may be there.
const COLLECTED_WITHIN: Span = Span::days(1);

/// How a bucket is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RebuildAsk {
    /// So long it is waited for nodes that did not tell yet what they hold.
    pub wait: Duration,
    /// How long versions are kept after another took their place.
    pub retention: Span,
}

/// What came back of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rebuilt {
    /// Its name.
    pub name: String,
    /// Changes that the center has now.
    pub changes: u64,
    /// Of those, told again by this call.
    pub told: u64,
    /// Names that are there.
    pub names: u64,
    /// Versions some of whose segments nobody told of.
    pub lost: u64,
    /// Changes this machine had seen that are in no log.
    pub unlogged: u64,
    /// Logs that were read.
    pub logs: usize,
}

/// A log that was found.
struct FoundLog {
    from: u64,
    bytes: u64,
    version: [u8; 16],
    key: ContentKey,
    /// Its segments by their offset.
    segments: BTreeMap<u64, Found>,
}

/// A change of a name: its place, the version, and what it made of the name.
type Change = (u64, [u8; 16], Is);

/// What is known of all changes before any is told.
#[derive(Default)]
struct Known {
    /// When a version was superseded, by its place.
    superseded: BTreeMap<u64, Stamp>,
    /// Places of those that had gone for good before they became their name's newest again.
    gone: BTreeSet<u64>,
    /// The changes of each name that still count, by the hash of its sealed name, the newest last.
    names: BTreeMap<[u8; 32], Vec<Change>>,
    /// Where the chain ends.
    head: Head,
}

/// What a change made of a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    There,
    Gone,
    /// A log of the bucket, which is no name of its owner's.
    Log,
}

impl Known {
    /// A version went out of its name's history: the one before it is the newest again, where it was that.
    fn dropped(&mut self, record: &CommitRecord, at: Stamp, retention: Span) {
        let Some(of_name) = self.names.get_mut(&record.name_hash) else { return };
        let Some(index) = of_name.iter().rposition(|(_, version, _)| *version == record.version) else { return };
        let was_newest = index + 1 == of_name.len();
        let (place, ..) = of_name.remove(index);
        if was_newest {
            self.superseded.insert(place, at);
            let newest = of_name.last().map(|(newest, ..)| *newest);
            if let Some((newest, since)) = newest.and_then(|newest| Some((newest, self.superseded.remove(&newest)?)))
                && at.since(since) > retention + COLLECTED_WITHIN
            {
                self.gone.insert(newest);
            }
        }
    }
}

impl Client {
    /// Makes a bucket again where it is not there, and tells all of its changes that stand in logs.
    ///
    /// # Errors
    /// [`ClientError::Head`] where the center has another history than the logs; else as they come.
    pub async fn rebuild_bucket(
        &self,
        root: &AccountRoot,
        copied: &CopiedBucket,
        ask: RebuildAsk,
    ) -> Result<Rebuilt, ClientError> {
        let name = root.open_label(&copied.id, &copied.label)?;
        let bucket = Bucket::by_id(root, &copied.id);
        self.make_again(&bucket, copied).await?;
        let locator = bucket.keys.locator().ok_or(ClientError::WrongKey)?;
        let holders = self.holders_by(locator).await?;
        let logs = logs_of(&bucket, self.find_located(locator, holders).await);
        let mut known = Known::default();
        let read = self.walk(&bucket, &logs, (&mut known, ask.retention)).await?;
        let at = self.bucket_line(bucket.id()).await?.head;
        let seen = self.index.as_ref().map_or_else(Head::default, |index| index.seen(bucket.id()));
        let (told, lost) =
            if at.seq < known.head.seq { self.tell_changes(&bucket, &logs, &known, (at, ask)).await? } else { (0, 0) };
        let head = self.bucket_line(bucket.id()).await?.head;
        if let Some(index) = self.index.as_ref().filter(|_| head.seq < seen.seq || told > 0) {
            index.forget(bucket.id());
        }
        let is_there = |(place, _, is): &Change| *is == Is::There && !known.gone.contains(place);
        let names = known.names.values().filter(|of| of.last().is_some_and(is_there)).count() as u64;
        let (changes, unlogged) = (head.seq, seen.seq.saturating_sub(head.seq));
        Ok(Rebuilt { name, changes, told, names, lost, unlogged, logs: read })
    }

    async fn make_again(&self, bucket: &Bucket, copied: &CopiedBucket) -> Result<(), ClientError> {
        let make = BucketMake {
            id: copied.id,
            check: bucket.keys.check_value(),
            name_check: bucket.keys.name_check().ok_or(ClientError::WrongKey)?,
            label: copied.label.clone(),
            class: copied.class,
            regions: copied.regions.clone(),
            regions_min: copied.regions_min,
        };
        self.ask(Request::BucketMake(Box::new(make))).await?;
        if copied.quota > 0 {
            self.ask(Request::BucketQuota(copied.id, copied.quota)).await?;
        }
        Ok(())
    }

    /// Reads all logs in order, verifies the chain and notes what came after what; how many logs were read.
    async fn walk(
        &self,
        bucket: &Bucket,
        logs: &[FoundLog],
        (known, retention): (&mut Known, Span),
    ) -> Result<usize, ClientError> {
        let (mut read, mut tried) = (0, BTreeSet::new());
        while let Some(log) = self.next_log(bucket, logs, known.head, &mut tried).await {
            read += 1;
            for (place, line) in (known.head.seq + 1..).zip(&log) {
                let record = judged(bucket, line)?;
                known.head = known.head.after(&line.record);
                if record.op == CommitOp::Drop {
                    known.dropped(&record, line.at, retention);
                    continue;
                }
                let is = match (line.manifest.is_empty(), record.op) {
                    (true, _) => Is::Gone,
                    (false, CommitOp::Log) => Is::Log,
                    (false, _) => Is::There,
                };
                let of_name = known.names.entry(record.name_hash).or_default();
                if let Some((before, _, Is::There | Is::Log)) = of_name.last() {
                    known.superseded.insert(*before, line.at);
                }
                of_name.push((place, record.version, is));
            }
        }
        Ok(read)
    }

    /// The changes that follow a head, of a log that goes on there; none where no readable log does.
    async fn next_log(
        &self,
        bucket: &Bucket,
        logs: &[FoundLog],
        head: Head,
        tried: &mut BTreeSet<usize>,
    ) -> Option<Vec<LogLine>> {
        loop {
            let open = (0..logs.len()).filter(|at| !tried.contains(at) && logs[*at].from <= head.seq + 1);
            let at = open.max_by_key(|at| (logs[*at].from, logs[*at].bytes))?;
            tried.insert(at);
            match self.read_found(bucket, &logs[at]).await {
                Ok(log) => {
                    if let Some(rest) = rest_after(log, head) {
                        return Some(rest);
                    }
                }
                Err(error) => tracing::warn!(%error, from = logs[at].from, "a log of a bucket does not open"),
            }
        }
    }

    async fn read_found(&self, bucket: &Bucket, log: &FoundLog) -> Result<BucketLog, ClientError> {
        let locator = bucket.keys.locator().ok_or(ClientError::WrongKey)?;
        let mut sealed = Vec::new();
        for (offset, found) in &log.segments {
            if *offset != sealed.len() as u64 {
                return Err(ClientError::Unexpected("a log without one of its segments"));
            }
            sealed.extend(self.read_located(locator, found).await?);
        }
        let header = Header::told(&log.key, Role::Content, bucket.id(), log.version);
        let plain = open_run(&log.key, &header, &sealed)?;
        BucketLog::parse(&plain)
            .filter(|log| log.bucket == *bucket.id())
            .ok_or(ClientError::Unexpected("a log that does not read"))
    }

    /// Tells all changes after where the center stands; how many, and how many of them lack segments.
    async fn tell_changes(
        &self,
        bucket: &Bucket,
        logs: &[FoundLog],
        known: &Known,
        (at, ask): (Head, RebuildAsk),
    ) -> Result<(u64, u64), ClientError> {
        let (mut head, mut tried, begun) = (Head::default(), BTreeSet::new(), Instant::now());
        let mut telling = Telling { at, told: 0, lost: 0, lines: Vec::new(), bytes: 0 };
        while let Some(log) = self.next_log(bucket, logs, head, &mut tried).await {
            let mut fresh = Vec::new();
            for line in log {
                head = head.after(&line.record);
                if head.seq == at.seq && head != at {
                    return Err(ClientError::Head("another history than the bucket's logs (fork_seen)"));
                }
                if head.seq > at.seq {
                    fresh.push((head.seq, line));
                }
            }
            let places = self.find_all(&fresh, known, ask, begun).await?;
            for (place, mut line) in fresh {
                if known.gone.contains(&place) {
                    (line.manifest, line.segments) = (Vec::new(), Vec::new());
                }
                let line = replayed(line, &places, known.superseded.get(&place).copied(), ask.retention, self.now());
                telling.push(self, bucket, line).await?;
            }
        }
        telling.flush(self, bucket).await?;
        Ok((telling.told, telling.lost))
    }

    /// Where the segments of these changes stand. While newest versions lack some, nodes may still come and tell.
    async fn find_all(
        &self,
        lines: &[(u64, LogLine)],
        known: &Known,
        ask: RebuildAsk,
        begun: Instant,
    ) -> Result<BTreeMap<SegmentId, (model::PgId, u64)>, ClientError> {
        let wanted: BTreeSet<SegmentId> = lines.iter().flat_map(|(_, line)| line.segments.iter().copied()).collect();
        let mut places = BTreeMap::new();
        loop {
            let missing: Vec<SegmentId> = wanted.iter().filter(|id| !places.contains_key(*id)).copied().collect();
            for page in missing.chunks(SEGMENT_IDS_MAX) {
                let Reply::SegmentsFound(found) = self.ask(Request::SegmentsFind(page.to_vec())).await? else {
                    return Err(ClientError::Unexpected("no places of segments"));
                };
                places.extend(page.iter().zip(found).filter_map(|(id, place)| Some((*id, place?))));
            }
            let lacks = |(place, line): &(u64, LogLine)| {
                !known.superseded.contains_key(place)
                    && !known.gone.contains(place)
                    && line.segments.iter().any(|id| !places.contains_key(id))
            };
            if !lines.iter().any(lacks) || begun.elapsed() > ask.wait {
                return Ok(places);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Changes on their way to the center.
struct Telling {
    at: Head,
    told: u64,
    lost: u64,
    lines: Vec<ReplayLine>,
    bytes: usize,
}

impl Telling {
    async fn push(&mut self, client: &Client, bucket: &Bucket, line: ReplayLine) -> Result<(), ClientError> {
        let bytes = wire::encode(&line).len();
        if self.lines.len() == REPLAY_MAX || self.bytes + bytes > MESSAGE_BYTES {
            self.flush(client, bucket).await?;
        }
        self.lost += u64::from(!line.lost.is_empty());
        self.bytes += bytes;
        self.lines.push(line);
        Ok(())
    }

    async fn flush(&mut self, client: &Client, bucket: &Bucket) -> Result<(), ClientError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let (lines, before) = (std::mem::take(&mut self.lines), self.at);
        let count = lines.len() as u64;
        self.bytes = 0;
        let replay = Replay { bucket: *bucket.id(), before, lines };
        match client.ask(Request::Replay(Box::new(replay))).await {
            Ok(Reply::Replayed(head)) => self.at = head,
            // The answer before was lost, or another machine of the account does the same.
            Err(ClientError::Refused(no)) if no.id == errors::PRECONDITION => {
                return Err(ClientError::Head("a bucket that somebody changes meanwhile"));
            }
            Ok(_) => return Err(ClientError::Unexpected("no head")),
            Err(error) => return Err(error),
        }
        self.told += count;
        Ok(())
    }
}

/// Logs of a bucket among what was found: what the account's own labels prove to be one.
fn logs_of(bucket: &Bucket, found: Vec<Found>) -> Vec<FoundLog> {
    let Some(labels) = &bucket.labels else { return Vec::new() };
    let mut logs: BTreeMap<[u8; 16], FoundLog> = BTreeMap::new();
    for found in found.into_iter().filter(Found::is_enough) {
        let opened = found.labels.iter().find_map(|label| labels.open(label, &found.id).ok());
        let Some(label) = opened.filter(|label| label.kind == LabelKind::Log && label.bucket == *bucket.id()) else {
            continue;
        };
        let LabelName::Plain(name) = &label.name else { continue };
        let Some(from) = log_from(name) else { continue };
        let (version, key) = (label.version, label.key.clone());
        let log = logs.entry(version).or_insert(FoundLog { from, bytes: 0, version, key, segments: BTreeMap::new() });
        log.bytes += found.layout.sealed_bytes;
        log.segments.insert(label.offset, found);
    }
    logs.into_values().collect()
}

/// The changes of a log after a head, where the log's own chain passes through it and goes on.
fn rest_after(log: BucketLog, head: Head) -> Option<Vec<LogLine>> {
    let mut chain = log.before;
    let mut lines = log.lines.into_iter();
    while chain.seq < head.seq {
        chain = chain.after(&lines.next()?.record);
    }
    let rest: Vec<LogLine> = lines.collect();
    (chain == head && !rest.is_empty()).then_some(rest)
}

/// The record of a change, where it is signed and of this bucket.
fn judged(bucket: &Bucket, line: &LogLine) -> Result<CommitRecord, ClientError> {
    CommitRecord::check(&line.record)
        .filter(|record| record.bucket == *bucket.id())
        .ok_or(ClientError::Unexpected("a change without its record"))
}

/// A change as it is told again: with its segments where they stand now.
fn replayed(
    line: LogLine,
    places: &BTreeMap<SegmentId, (model::PgId, u64)>,
    superseded: Option<Stamp>,
    retention: Span,
    now: Stamp,
) -> ReplayLine {
    let (mut segments, mut lost): (Vec<SegmentRun>, Vec<SegmentId>) = (Vec::new(), Vec::new());
    for id in &line.segments {
        match places.get(id) {
            Some((pg, seq)) => crate::flow::join_run(&mut segments, SegmentRun { pg: *pg, seq: *seq, count: 1 }),
            None => lost.push(*id),
        }
    }
    let (record, at, name_sealed) = (line.record.to_vec(), line.at, line.name_sealed);
    match fate(lost.len(), superseded, retention, now) {
        Fate::Gone => {
            ReplayLine { record, at, name_sealed, manifest: Vec::new(), segments: Vec::new(), lost: Vec::new() }
        }
        Fate::Whole | Fate::Lost => ReplayLine { record, at, name_sealed, manifest: line.manifest, segments, lost },
    }
}
