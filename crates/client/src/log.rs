//! A bucket's log: its changes as they stand at the center, sealed and stored among its pieces, so that names outlive the center
//! (`docs/design/storage.md` §8). When and how many: [`rules::storage::log`]; the bytes: [`wire::signed::BucketLog`].
//!
//! A log is an object of the bucket under a name that no face takes, the place of its first change; its pieces bear the bucket's
//! locator, by which holders find them for who knows it. Newer logs take short older ones into themselves.
//!
//! (A) Logs together are the bucket's one chain of changes, from its first on. (B) Several machines of one account may log the
//! same bucket: the name of a log is taken by one of them, and what a newer one covers is let go of. (C) No more than one log is
//! in memory.

use crate::index::LogRow;
use crate::put::{PutAsk, RunAsk, settle};
use crate::stage::Begun;
use crate::{Bucket, Client, ClientError, Wanted};
use model::{BucketId, Bytes, NodeId, SegmentId, Stamp, errors};
use rand_core::Rng;
use rules::storage::log::{LOG_BYTES_MAX, merged};
use seal::{ContentKey, Header, LabelKind, Manifest, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::time::Duration;
use tokio::time::timeout;
use wire::account::GrantedAsk;
use wire::limits::{LOCATED_MAX, READ_SEGMENTS_MAX, REPLY_MAX};
use wire::rebuild::SegmentIdsAsk;
use wire::signed::{BucketLog, CommitOp, CommitRecord, Head, LogLine, LogWriter};
use wire::storage::{Expect, Locate, LocatedPiece, ObjectLine, ObjectList, PieceAnswer, Slot, StreamOpen};
use wire::{PeerAddr, Reply, Request};

/// Changes asked for at a time.
const PAGE: u16 = 500;
/// Logs written in one call at most; what is left is written by the next.
const LOGS_MAX: usize = 1_024;
/// Pages of located pieces read of one holder at most.
const LOCATE_PAGES_MAX: usize = 64;
/// Longest wait for one holder's answer.
pub(crate) const LOCATE_WAIT: Duration = Duration::from_secs(10);

/// How the log of a bucket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Logged {
    /// Changes from the first on that stand in logs.
    pub upto: u64,
    /// Place of the bucket's last change that is to be logged.
    pub changed: u64,
    /// Logs.
    pub logs: usize,
    /// Bytes of their content.
    pub bytes: Bytes,
    /// When the newest was stored.
    pub at: Option<Stamp>,
    /// Logs written by this call.
    pub written: usize,
}

/// What a look at the log, from holders on, found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogCheck {
    /// How it stands.
    pub logged: Logged,
    /// Names that the logs bring back; with the changes after them they are those at the center.
    pub names: usize,
    /// Holders that found pieces of them by the bucket's locator.
    pub holders: usize,
    /// Pieces so found of the segment with fewest of them.
    pub pieces: usize,
    /// Pieces that are enough for it.
    pub need: u16,
}

impl Client {
    /// Stores the changes of one's own bucket that no log has yet, and takes short older logs into the new one.
    ///
    /// # Errors
    /// As [`Client::put`]; [`ClientError::Head`] where the center's changes do not make the chain it shows.
    pub async fn log_changes(&self, bucket: &Bucket) -> Result<Logged, ClientError> {
        let index = self.index.as_ref().ok_or(ClientError::Unexpected("no index of names on this machine"))?;
        let mut written = 0;
        loop {
            let names = self.synced(index, bucket).await?;
            let (upto, changed, head) = (covered(&names.logs), names.changed, names.head);
            let logs = names.logs.clone();
            drop(names);
            if changed <= upto || written == LOGS_MAX {
                index.logged(bucket.id(), head.seq.min(bucket.head().seq), self.now());
                return Ok(logged(&logs, changed, written));
            }
            if !self.log_once(bucket, &logs, upto).await? {
                // Another machine of the account has just done it.
                return Ok(logged(&logs, changed, written));
            }
            written += 1;
        }
    }

    /// A bucket is gone: nothing of it is to be logged any more.
    pub fn forget_log(&self, bucket: &BucketId) {
        if let Some(index) = &self.index {
            index.logged(bucket, index.log_state(bucket).seen, self.now());
        }
    }

    /// One log of the changes after `upto`. False where another machine took its name first.
    async fn log_once(&self, bucket: &Bucket, logs: &BTreeMap<u64, LogRow>, upto: u64) -> Result<bool, ClientError> {
        let fresh = self.gather_log(bucket, head_at(logs, upto)).await?;
        let chain: Vec<(u64, LogRow)> = chain(logs);
        let sizes: Vec<u64> = chain.iter().map(|(_, row)| row.size).collect();
        let taken = merged(&sizes, fresh.len() as u64);
        // One that overlaps the log before it does not begin where that ends: it stays as it is.
        let first = chain.get(chain.len() - taken).filter(|(from, _)| head_at(logs, from - 1).seq == from - 1);
        let (from, expect, log) = match first {
            None => (upto + 1, Expect::Absent, fresh),
            Some((from, row)) => {
                drop(fresh);
                let all = self.gather_log(bucket, head_at(logs, from - 1)).await?;
                (*from, Expect::Version(row.version), all)
            }
        };
        let after = log.after();
        let stored = self.store_log(bucket, from, expect, log).await;
        if matches!(&stored, Err(ClientError::Refused(no)) if no.id == errors::PRECONDITION) {
            return Ok(false);
        }
        stored?;
        for (old, row) in logs.range(from + 1..).filter(|(_, row)| row.after.seq <= after.seq) {
            self.drop_log(bucket, *old, row.version).await?;
        }
        Ok(true)
    }

    /// Changes after `before`, until there are no more or they are as long as a log may be.
    async fn gather_log(&self, bucket: &Bucket, before: Head) -> Result<LogWriter, ClientError> {
        let mut log = LogWriter::new(*bucket.id(), before);
        let mut ids = SegmentIds::after(bucket, before.seq);
        loop {
            let ask = ObjectList { bucket: *bucket.id(), name_sealed: None, after: log.after().seq, limit: PAGE };
            let asked = bucket.head();
            let Reply::Objects(page) = self.ask_of(bucket, GrantedAsk::List(ask)).await? else {
                return Err(ClientError::Unexpected("no list"));
            };
            bucket.saw(asked, page.head)?;
            let is_empty = page.objects.is_empty();
            for line in page.objects {
                let place = line.bucket_seq;
                let segments = ids.of(self, place).await?;
                if !log.is_empty() && log.len() as u64 + line_len(&line, &segments) > LOG_BYTES_MAX {
                    return Ok(log);
                }
                let line = log_line(line, segments)?;
                if !log.push(&line) || log.after().seq != place {
                    return Err(ClientError::Head("a gap in the changes of the bucket (fork_seen)"));
                }
            }
            if log.after().seq == page.head.seq && log.after() != page.head {
                return Err(ClientError::Head("changes that do not make the head it shows (fork_seen)"));
            }
            if !page.more || is_empty {
                return Ok(log);
            }
        }
    }

    async fn store_log(&self, bucket: &Bucket, from: u64, expect: Expect, log: LogWriter) -> Result<(), ClientError> {
        let (name, name_sealed) = bucket.keys.log_name(from)?;
        let pairs = vec![LogRow::pair(&log.after())];
        let content = log.finish();
        let size_hint = content.len() as u64;
        let key = ContentKey::random(&mut rand::rng());
        let mut version = [0; 16];
        rand::rng().fill_bytes(&mut version);
        // Without a center nobody has the manifest: the header follows from what the labels of the pieces tell.
        let header = Header::told(&key, Role::Content, bucket.id(), version);
        let begun = Begun { staging: None, key, header, version, kept: Vec::new() };
        let begun = self.begin_staged(bucket, &name, None, begun).await?;
        let run = RunAsk { kind: LabelKind::Log, version, run: 0, name: &name, size_hint, begun, label: None };
        let mut stored = self.put_run(bucket, run, Box::new(Cursor::new(content)), &|_, _, _| {}).await?;
        let staging = stored.staging.take();
        let ask = PutAsk { expect, pairs, ..PutAsk::new(&name) };
        let named = self.name_it(bucket, ask, (CommitOp::Log, name_sealed), stored, &|_, _, _| {}).await;
        settle(staging, &named).await?;
        named.map(drop)
    }

    /// A log that a newer one covers is let go of, if it is still the version that was seen.
    async fn drop_log(&self, bucket: &Bucket, from: u64, version: [u8; 16]) -> Result<(), ClientError> {
        let (_, name_sealed) = bucket.keys.log_name(from)?;
        let mut marker = [0; 16];
        rand::rng().fill_bytes(&mut marker);
        let change = crate::put::Change {
            op: CommitOp::Log,
            name_sealed,
            expect: Expect::Version(version),
            version: marker,
            segments: Vec::new(),
            manifest: Vec::new(),
        };
        match self.commit(bucket, change).await {
            Err(ClientError::Refused(no)) if [errors::PRECONDITION, errors::OBJECT_UNKNOWN].contains(&no.id) => Ok(()),
            done => done.map(drop),
        }
    }

    /// Reads all logs of one's own bucket, makes its names of them, and holds these against the center's; and asks holders for
    /// them by the bucket's locator alone, as it would be without a center.
    ///
    /// # Errors
    /// [`ClientError::Unexpected`] where the names differ, else as [`Client::get`].
    pub async fn check_log(&self, bucket: &Bucket) -> Result<LogCheck, ClientError> {
        let index = self.index.as_ref().ok_or(ClientError::Unexpected("no index of names on this machine"))?;
        let names = self.synced(index, bucket).await?;
        let (logs, changed) = (names.logs.clone(), names.changed);
        let there: BTreeMap<String, [u8; 16]> = names.versions();
        let head = names.head;
        drop(names);
        let (mut rebuilt, mut after) = (BTreeMap::new(), Head::default());
        let (mut segments, mut holders) = (BTreeMap::new(), BTreeMap::new());
        for (from, row) in chain(&logs) {
            let (name, _) = bucket.keys.log_name(from)?;
            self.holders_of(bucket, &name, row.version, &mut segments, &mut holders).await?;
            let log = self.read_log(bucket, &name, row.version).await?;
            // Overlapping logs say the same twice.
            let skip = after.seq.saturating_sub(log.before.seq);
            if log.before.seq > after.seq || (skip == 0 && log.before != after) {
                return Err(ClientError::Unexpected("a gap between two logs"));
            }
            for line in log.lines.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)) {
                fold(bucket, line, &mut rebuilt)?;
            }
            after = if log.after.seq > after.seq { log.after } else { after };
        }
        let found = rebuilt.values().filter(|of_name| of_name.newest().is_some()).count();
        // What came after the logs, up to where the index stands.
        while after.seq < head.seq {
            let rest = BucketLog::parse(&self.gather_log(bucket, after).await?.finish());
            let rest = rest.filter(|rest| !rest.lines.is_empty()).ok_or(ClientError::Unexpected("no changes"))?;
            let upto = usize::try_from(head.seq - after.seq).unwrap_or(usize::MAX);
            rest.lines.iter().take(upto).try_for_each(|line| fold(bucket, line, &mut rebuilt))?;
            after = rest.after;
        }
        if !says(&rebuilt, &there) {
            return Err(ClientError::Unexpected("the logs bring other names back than the center has"));
        }
        let (located, answered) = self.locate_all(bucket, &holders).await?;
        let pieces = segments.keys().map(|id| located.get(id).map_or(0, BTreeSet::len)).min().unwrap_or(0);
        let need = segments.values().copied().max().unwrap_or(0);
        Ok(LogCheck { logged: logged(&logs, changed, 0), names: found, holders: answered, pieces, need })
    }

    /// Segments of a log with what is enough for each, and the holders of their groups.
    async fn holders_of(
        &self,
        bucket: &Bucket,
        name: &str,
        version: [u8; 16],
        segments: &mut BTreeMap<SegmentId, u16>,
        holders: &mut BTreeMap<NodeId, Slot>,
    ) -> Result<(), ClientError> {
        let page = self.read_page(bucket, name, Some(version), 0, READ_SEGMENTS_MAX).await?;
        for segment in &page.segments {
            let group = page.groups.iter().find(|group| group.pg == segment.pg);
            let group = group.ok_or(ClientError::Unexpected("no group"))?;
            segments.insert(segment.id, group.scheme.k);
            holders.extend(group.slots.iter().filter(|slot| slot.on).map(|slot| (slot.addr.id, slot.clone())));
        }
        Ok(())
    }

    async fn read_log(&self, bucket: &Bucket, name: &str, version: [u8; 16]) -> Result<BucketLog, ClientError> {
        let mut content = Vec::new();
        let wanted = Wanted { version: Some(version), range: None };
        self.get(bucket, name, wanted, &mut content, &|_, _, _| {}).await?;
        BucketLog::parse(&content)
            .filter(|log| log.bucket == *bucket.id())
            .ok_or(ClientError::Unexpected("a log that does not read"))
    }

    /// What these holders find by the bucket's locator: piece indexes by segment, and how many holders found any. Only what the
    /// account's own label proves counts.
    async fn locate_all(
        &self,
        bucket: &Bucket,
        holders: &BTreeMap<NodeId, Slot>,
    ) -> Result<(BTreeMap<SegmentId, BTreeSet<u16>>, usize), ClientError> {
        let (Some(locator), Some(labels)) = (bucket.keys.locator(), &bucket.labels) else {
            return Err(ClientError::WrongKey);
        };
        let (mut found, mut answered): (BTreeMap<SegmentId, BTreeSet<u16>>, usize) = (BTreeMap::new(), 0);
        for slot in holders.values() {
            let asked = timeout(LOCATE_WAIT, self.locate(&slot.addr, locator)).await;
            let pieces = match asked {
                Ok(Ok(pieces)) => pieces,
                Ok(Err(error)) => {
                    tracing::info!(%error, node = %slot.addr.id.short(), "a holder did not say what it has");
                    continue;
                }
                Err(_) => continue,
            };
            let is_ours = |piece: &&LocatedPiece| {
                let opened = labels.open(&piece.label, &piece.segment);
                opened.is_ok_and(|label| label.kind == LabelKind::Log && label.bucket == *bucket.id())
            };
            let mut any = false;
            for piece in pieces.iter().filter(is_ours) {
                any = true;
                found.entry(piece.segment).or_default().insert(piece.index);
            }
            answered += usize::from(any);
        }
        Ok((found, answered))
    }

    /// All pieces of one holder that bear a locator.
    pub(crate) async fn locate(&self, holder: &PeerAddr, locator: [u8; 16]) -> Result<Vec<LocatedPiece>, ClientError> {
        self.endpoint.learn(holder.clone());
        let link = self.endpoint.connect(holder.id, crate::piece::DIAL_TIMEOUT).await?;
        let mut all: Vec<LocatedPiece> = Vec::new();
        for _ in 0..LOCATE_PAGES_MAX {
            let after = all.last().map(|piece| (piece.segment, piece.index));
            let mut stream = link.open().await?;
            let ask = StreamOpen::Locate(Locate { locator, after, limit: LOCATED_MAX });
            stream.write_frame(&wire::encode(&ask)).await?;
            match crate::piece::answer(stream.read_frame(REPLY_MAX).await?)? {
                PieceAnswer::Located(page) => {
                    let is_last = page.len() < usize::from(LOCATED_MAX);
                    all.extend(page);
                    if is_last {
                        break;
                    }
                }
                _ => return Err(ClientError::Unexpected("no list of pieces")),
            }
        }
        Ok(all)
    }
}

/// What is left of a name: its versions in order, and whether each is content, without those that were dropped.
#[derive(Default)]
struct OfName {
    versions: Vec<([u8; 16], bool)>,
    was_dropped: bool,
}

impl OfName {
    /// The newest version, where that is content.
    fn newest(&self) -> Option<[u8; 16]> {
        self.versions.last().and_then(|(version, is_content)| is_content.then_some(*version))
    }
}

/// One change into names with their versions. What is gone for good keeps its place and is no content.
fn fold(bucket: &Bucket, line: &LogLine, names: &mut BTreeMap<String, OfName>) -> Result<(), ClientError> {
    let record = CommitRecord::check(&line.record).ok_or(ClientError::Unexpected("a change without its record"))?;
    let name = bucket.keys.open_name(&line.name_sealed)?;
    if seal::log_from(&name).is_some() {
        return Ok(());
    }
    let is_content = record.covers(&line.name_sealed, &line.manifest) && !line.manifest.is_empty();
    if is_content {
        Manifest::open(&bucket.keys, &name, &line.manifest)?;
    }
    let of_name = names.entry(name).or_default();
    match record.op {
        CommitOp::Drop => {
            of_name.versions.retain(|(version, _)| *version != record.version);
            of_name.was_dropped = true;
        }
        _ => of_name.versions.push((record.version, is_content)),
    }
    Ok(())
}

/// Whether logs bring back the names that are there. What is the newest again because later ones were dropped may have gone for good
/// since the log was written.
fn says(logs: &BTreeMap<String, OfName>, there: &BTreeMap<String, [u8; 16]>) -> bool {
    let is_so = |(name, of_name): (&String, &OfName)| match (of_name.newest(), there.get(name)) {
        (Some(version), Some(there)) => version == *there,
        (Some(_), None) => of_name.was_dropped,
        (None, there) => there.is_none(),
    };
    logs.iter().all(is_so) && there.keys().all(|name| logs.contains_key(name))
}

/// Ids of the segments of a bucket's versions, asked for a page at a time.
struct SegmentIds {
    bucket: BucketId,
    next: Option<(u64, u32)>,
    come: BTreeMap<u64, Vec<SegmentId>>,
}

impl SegmentIds {
    fn after(bucket: &Bucket, place: u64) -> Self {
        Self { bucket: *bucket.id(), next: Some((place + 1, 0)), come: BTreeMap::new() }
    }

    /// Those of the version at a place, which is asked for in order.
    async fn of(&mut self, client: &Client, place: u64) -> Result<Vec<SegmentId>, ClientError> {
        // A page that goes on behind a place holds all of it.
        while let Some((at, first)) = self.next.filter(|(at, _)| *at <= place) {
            let ask = SegmentIdsAsk { bucket: self.bucket, place: at, first };
            let Reply::SegmentIds(page) = client.ask(Request::SegmentIds(ask)).await? else {
                return Err(ClientError::Unexpected("no ids of segments"));
            };
            for (place, ids) in page.lines {
                self.come.entry(place).or_default().extend(ids);
            }
            if page.next.is_some_and(|next| next <= (at, first)) {
                return Err(ClientError::Unexpected("ids of segments that do not go on"));
            }
            self.next = page.next;
        }
        self.come = self.come.split_off(&place);
        Ok(self.come.remove(&place).unwrap_or_default())
    }
}

fn log_line(line: ObjectLine, segments: Vec<SegmentId>) -> Result<LogLine, ClientError> {
    let record = line.record.as_slice().try_into();
    let record = record.map_err(|_| ClientError::Unexpected("a change without its record"))?;
    Ok(LogLine { record, at: line.at, name_sealed: line.name_sealed, manifest: line.manifest, segments })
}

fn line_len(line: &ObjectLine, segments: &[SegmentId]) -> u64 {
    let own = line.name_sealed.len() + line.manifest.len() + SegmentId::LEN * segments.len();
    (wire::signed::bucket_log::LINE_LEN + own) as u64
}

/// Logs that follow one another from the first change on, without those that others cover.
fn chain(logs: &BTreeMap<u64, LogRow>) -> Vec<(u64, LogRow)> {
    let (mut chain, mut upto): (Vec<(u64, LogRow)>, u64) = (Vec::new(), 0);
    for (from, row) in logs {
        if *from > upto + 1 {
            break;
        }
        if row.after.seq > upto {
            upto = row.after.seq;
            chain.push((*from, *row));
        }
    }
    chain
}

/// Changes from the first on that stand in logs.
fn covered(logs: &BTreeMap<u64, LogRow>) -> u64 {
    chain(logs).last().map_or(0, |(_, row)| row.after.seq)
}

/// Where the bucket's chain stood after `place`, of which a log ends there; before the first change where none does.
fn head_at(logs: &BTreeMap<u64, LogRow>, place: u64) -> Head {
    logs.values().map(|row| row.after).find(|after| after.seq == place).unwrap_or_default()
}

fn logged(logs: &BTreeMap<u64, LogRow>, changed: u64, written: usize) -> Logged {
    let bytes = Bytes(logs.values().map(|row| row.size).sum());
    let at = logs.values().map(|row| row.at).max();
    Logged { upto: covered(logs), changed, logs: logs.len(), bytes, at, written }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(upto: u64) -> LogRow {
        let hash = *blake3::hash(&upto.to_le_bytes()).as_bytes();
        LogRow { after: Head { seq: upto, hash }, size: 100, at: Stamp(upto), version: [1; 16] }
    }

    fn logs(all: &[(u64, u64)]) -> BTreeMap<u64, LogRow> {
        all.iter().map(|(from, upto)| (*from, row(*upto))).collect()
    }

    #[test]
    fn logs_count_up_to_the_first_gap_and_covered_ones_do_not() {
        assert_eq!(covered(&logs(&[])), 0);
        assert_eq!(covered(&logs(&[(1, 4), (5, 9)])), 9);
        assert_eq!(covered(&logs(&[(2, 4)])), 0, "the first change is in no log");
        assert_eq!(covered(&logs(&[(1, 4), (6, 9)])), 4, "a gap");
        // Cut off between a longer log and the end of those it covers: both are there.
        let left = logs(&[(1, 9), (5, 9), (7, 8), (10, 12)]);
        assert_eq!(covered(&left), 12);
        assert_eq!(chain(&left).iter().map(|(from, _)| *from).collect::<Vec<_>>(), [1, 10]);
        assert_eq!(
            (head_at(&left, 9).seq, head_at(&left, 6), head_at(&left, 0)),
            (9, Head::default(), Head::default())
        );
    }

    proptest! {
        #[test]
        fn a_chain_is_in_order_and_covers_each_place_once(all in proptest::collection::btree_map(1u64..40, 0u64..12, 0..12)) {
            let spans: Vec<(u64, u64)> = all.iter().map(|(from, len)| (*from, from + len)).collect();
            let (logs, chain) = (logs(&spans), chain(&logs(&spans)));
            let mut upto = 0;
            for (from, row) in &chain {
                prop_assert!(*from <= upto + 1 && row.after.seq > upto);
                upto = row.after.seq;
            }
            prop_assert_eq!(covered(&logs), upto);
            // Naive: the first place that no log has.
            let has = |place: u64| spans.iter().any(|(from, last)| (*from..=*last).contains(&place));
            let naive = (1..).find(|place| !has(*place)).unwrap_or(1) - 1;
            prop_assert_eq!(upto, naive);
        }
    }
}
