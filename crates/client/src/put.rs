//! Upload as a stream: a thread reads, seals, cuts and codes; the first pieces go out at once ([`crate::send`]); what is
//! durable is told to the center as it comes; the commit makes it visible, and the pool fills up the rest.

use crate::piece::Coded;
use crate::{Bucket, Client, ClientError, Progress};
use codec::{Encoder, Group, Layout, PieceSet};
use model::{Bytes, Scheme, Stamp};
use rand_core::Rng;
use seal::{
    Body, ContentKey, Header, INLINE_MAX, Inline, Label, LabelKey, LabelKind, LabelName, Manifest, Role, Sealer,
};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;
use wire::signed::{CommitOp, CommitRecord};
use wire::storage::{Commit, Expect, SegmentRun, SegmentsKeep, WriteGrant, WriteOpen, WrittenSegment};
use wire::{Reply, Request};

/// Segments on their way to holders at the same time.
pub const SEGMENTS_OPEN: usize = 2;
/// Content is read in such portions.
const PORTION: usize = 256 << 10;
/// Leave to write is asked for anew when it is older than this; permits to write live for an hour.
const GRANT_AGE_MAX: Duration = Duration::from_secs(20 * 60);
/// Bytes of receipts told in one message.
const KEEP_BYTES: usize = 48 << 10;
/// What a segment takes in that message beside its receipts.
const KEEP_SEGMENT_BYTES: usize = 64;
/// Pause before an upload looks again whether enough holders are on.
const HOLDERS_LOOK: Duration = Duration::from_secs(2);
/// Tries of a commit whose answer did not come; the same id gives the same answer.
const COMMIT_TRIES: u32 = 3;

/// What is stored under which circumstances.
#[derive(Debug, Clone)]
pub struct PutAsk {
    /// Name in the bucket.
    pub name: String,
    /// Bytes that are going to come, for progress; 0 when unknown.
    pub size_hint: u64,
    /// What must be true of the name.
    pub expect: Expect,
    /// Media type; empty when unknown.
    pub content_type: String,
    /// When the content was last changed; none when unknown.
    pub changed: Option<Stamp>,
    /// Pairs of the member's own.
    pub pairs: Vec<(String, String)>,
}

impl PutAsk {
    /// Under a name, whatever is there now.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            size_hint: 0,
            expect: Expect::Any,
            content_type: String::new(),
            changed: None,
            pairs: Vec::new(),
        }
    }
}

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Content size.
    pub size: Bytes,
    /// Code used; none where the content stands inside its manifest.
    pub scheme: Option<Scheme>,
    /// Pieces with receipts, of the segment that has fewest.
    pub pieces: usize,
    /// Holders that are on.
    pub holders: usize,
    /// Place in the bucket's order.
    pub bucket_seq: u64,
    /// The version that was made.
    pub version: [u8; 16],
}

/// A segment ready to be sent, with the leave under which it was coded.
pub(crate) struct Ready {
    pub grant: Arc<WriteGrant>,
    pub coded: Arc<Coded>,
    /// Content read so far.
    pub content: u64,
    /// Room its pieces take; given back with them.
    pub _room: OwnedSemaphorePermit,
}

/// Bytes of the first pieces of so many sealed ones.
pub(crate) fn pieces_bytes(grant: &WriteGrant, sealed: usize) -> u64 {
    (sealed as u64).div_ceil(u64::from(grant.scheme.k.max(1))) * grant.first.len() as u64
}

/// What the thread found when the content ended.
struct Ended {
    size: u64,
    hash: [u8; 32],
    ids: [u8; 32],
}

impl Client {
    /// Stores what `content` gives under a name. Fails when fewer holders than the scheme accepts took a piece.
    pub async fn put(
        &self,
        bucket: &Bucket,
        ask: PutAsk,
        mut content: Box<dyn Read + Send>,
        progress: Progress<'_>,
    ) -> Result<Put, ClientError> {
        let name_sealed = bucket.seal_name(&ask.name)?;
        let mut version = [0; 16];
        rand::rng().fill_bytes(&mut version);
        let begun = tokio::task::spawn_blocking(move || {
            let mut head = Vec::with_capacity(INLINE_MAX + 1);
            let read = content.by_ref().take(INLINE_MAX as u64 + 1).read_to_end(&mut head);
            read.map(|_| (head, content)).map_err(|e| content_error(&e))
        });
        let (head, content) = begun.await.map_err(|_| ClientError::Unexpected("reading ended"))??;
        let stored = if head.len() <= INLINE_MAX {
            Stored::inline(head)
        } else {
            self.put_run(bucket, &ask, version, Box::new(std::io::Cursor::new(head).chain(content)), progress).await?
        };
        let size = stored.size;
        let manifest = Manifest {
            name: ask.name,
            size,
            changed_ms: ask.changed.map_or(0, Stamp::as_ms),
            hash: stored.hash,
            content_type: ask.content_type,
            pairs: ask.pairs,
            body: stored.body,
        };
        let sealed = manifest.seal(&bucket.keys, &mut rand::rng())?;
        progress("phase-commit", size, size.max(ask.size_hint));
        let change = Change {
            op: CommitOp::Put,
            name_sealed,
            expect: ask.expect,
            version,
            segments: stored.runs,
            manifest: sealed,
        };
        let bucket_seq = self.commit(bucket, change).await?;
        let (scheme, pieces, holders) = (stored.scheme, stored.pieces, stored.holders);
        Ok(Put { size: Bytes(size), scheme, pieces, holders, bucket_seq, version })
    }

    /// Content longer than a manifest holds: one run, cut into segments.
    async fn put_run(
        &self,
        bucket: &Bucket,
        ask: &PutAsk,
        version: [u8; 16],
        content: Box<dyn Read + Send>,
        progress: Progress<'_>,
    ) -> Result<Stored, ClientError> {
        let key = ContentKey::random(&mut rand::rng());
        let header = Header::new(&key, Role::Content, bucket.id(), 0, &mut rand::rng());
        let grant = Arc::new(self.write_grant(bucket).await?);
        let (grants, granted) = watch::channel(Arc::clone(&grant));
        let (send, mut ready) = mpsc::channel::<Ready>(1);
        let label = Label {
            kind: LabelKind::Object,
            bucket: *bucket.id(),
            version,
            run: 0,
            offset: 0,
            key: key.clone(),
            name: LabelName::of(&ask.name),
        };
        let cutter = Cutter::new(granted, send, self.clone(), (bucket.labels.clone(), label));
        let thread_key = key.clone();
        let reading = tokio::task::spawn_blocking(move || Pipeline::new(&thread_key, &header, cutter)?.run(content));
        let mut sending = Sending::new(self.clone(), *bucket.id());
        let mut granted_at = Instant::now();
        while let Some(segment) = ready.recv().await {
            progress("phase-send", segment.content, ask.size_hint.max(segment.content));
            sending.add(segment).await?;
            if granted_at.elapsed() > GRANT_AGE_MAX {
                grants.send_replace(Arc::new(self.write_grant(bucket).await?));
                granted_at = Instant::now();
            }
        }
        let ended = reading.await.map_err(|_| ClientError::Unexpected("reading ended"))??;
        let (runs, pieces) = sending.finish().await?;
        Ok(Stored {
            size: ended.size,
            hash: ended.hash,
            body: Body::Run { header, key, segments: ended.ids, offset: 0 },
            runs,
            scheme: Some(grant.scheme),
            pieces,
            holders: grant.slots.iter().filter(|s| s.on).count(),
        })
    }

    pub(crate) async fn write_grant(&self, bucket: &Bucket) -> Result<WriteGrant, ClientError> {
        self.write_grant_of(*bucket.id()).await
    }

    /// Leave to write to a bucket's group; waits for a while where too few of its holders are on.
    async fn write_grant_of(&self, bucket: model::BucketId) -> Result<WriteGrant, ClientError> {
        let begun = Instant::now();
        loop {
            let ask = WriteOpen { bucket, bytes_max: u64::MAX, session: self.endpoint.id() };
            match self.ask(Request::WriteOpen(ask)).await {
                Ok(Reply::WriteGrant(grant)) => return Ok(*grant),
                Ok(_) => return Err(ClientError::Unexpected("no leave to write")),
                Err(ClientError::Refused(no))
                    if no.id == model::errors::TOO_FEW_NODES && begun.elapsed() < self.holders_wait =>
                {
                    tokio::time::sleep(HOLDERS_LOOK).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a segment; where too few holders took their piece, once more to those that are on then.
    async fn send_patiently(
        &self,
        bucket: model::BucketId,
        segment: Arc<Ready>,
    ) -> Result<WrittenSegment, ClientError> {
        let failed = match self.send_segment(&segment.grant, &segment.coded).await {
            Err(failed @ ClientError::TooFewHolders { .. }) => failed,
            sent => return sent,
        };
        tokio::time::sleep(HOLDERS_LOOK.min(self.holders_wait)).await;
        match self.write_grant_of(bucket).await {
            Ok(grant) if grant.pg == segment.grant.pg => self.send_segment(&Arc::new(grant), &segment.coded).await,
            _ => Err(failed),
        }
    }

    /// Commits a change of a name; its place in the bucket's order.
    pub(crate) async fn commit(&self, bucket: &Bucket, change: Change) -> Result<u64, ClientError> {
        let now = self.now();
        let record = CommitRecord {
            op: change.op,
            bucket: *bucket.id(),
            device: model::DeviceId(wire::signed::public_of(&self.device.secret)),
            device_seq: now.as_ms(),
            seen: bucket.head(),
            name_hash: *blake3::hash(&change.name_sealed).as_bytes(),
            version: change.version,
            manifest_hash: *blake3::hash(&change.manifest).as_bytes(),
            at: now,
        };
        let mut commit_id = [0; 16];
        rand::rng().fill_bytes(&mut commit_id);
        let commit = Commit {
            commit_id,
            record: record.sign(&self.device.secret).to_vec(),
            name_sealed: change.name_sealed,
            expect: change.expect,
            segments: change.segments,
            fresh: Vec::new(),
            manifest: change.manifest,
        };
        let (asked, mut tries) = (bucket.head(), 0);
        let committed = loop {
            tries += 1;
            match self.ask(Request::Commit(Box::new(commit.clone()))).await {
                Ok(Reply::Committed(committed)) => break committed,
                Ok(_) => return Err(ClientError::Unexpected("no commit")),
                Err(ClientError::Refused(refusal)) if tries < COMMIT_TRIES && is_lost(refusal.id) => {
                    tracing::info!(id = %refusal.id, tries, "a commit was not answered; asking again");
                }
                Err(error) => return Err(error),
            }
        };
        bucket.saw(asked, committed.head)?;
        Ok(committed.head.seq)
    }
}

/// The answer may have been lost on its way, so that asking again is right.
fn is_lost(id: model::errors::ErrorId) -> bool {
    use model::errors;
    [errors::TIMED_OUT, errors::CENTER_UNREACHABLE].contains(&id)
}

fn content_error(error: &std::io::Error) -> ClientError {
    ClientError::File { path: "content".to_owned(), source: std::io::Error::new(error.kind(), error.to_string()) }
}

/// A change of a name, before it is signed.
pub(crate) struct Change {
    pub op: CommitOp,
    pub name_sealed: Vec<u8>,
    pub expect: Expect,
    pub version: [u8; 16],
    pub segments: Vec<SegmentRun>,
    pub manifest: Vec<u8>,
}

/// Content that is durable, before its commit.
struct Stored {
    size: u64,
    hash: [u8; 32],
    body: Body,
    runs: Vec<SegmentRun>,
    scheme: Option<Scheme>,
    pieces: usize,
    holders: usize,
}

impl Stored {
    fn inline(content: Vec<u8>) -> Self {
        Self {
            size: content.len() as u64,
            hash: *blake3::hash(&content).as_bytes(),
            body: Body::Inline(Inline(content)),
            runs: Vec::new(),
            scheme: None,
            pieces: 0,
            holders: 0,
        }
    }
}

/// The thread's side: content in, segments out.
struct Pipeline {
    sealer: Sealer,
    cutter: Cutter,
}

impl Pipeline {
    fn new(key: &ContentKey, header: &Header, cutter: Cutter) -> Result<Self, ClientError> {
        Ok(Self { sealer: Sealer::new(key, header)?, cutter })
    }

    fn run(mut self, mut content: Box<dyn Read + Send>) -> Result<Ended, ClientError> {
        let mut buffer = vec![0; PORTION];
        let mut hash = blake3::Hasher::new();
        loop {
            let len = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => len,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(content_error(&e)),
            };
            hash.update(&buffer[..len]);
            self.cutter.content += len as u64;
            let cutter = &mut self.cutter;
            self.sealer.push(&buffer[..len], &mut |sealed: &[u8]| cutter.push(sealed))?;
        }
        let cutter = &mut self.cutter;
        let size = self.sealer.finish_padded(&mut |sealed: &[u8]| cutter.push(sealed))?;
        self.cutter.cut()?;
        Ok(Ended { size, hash: *hash.finalize().as_bytes(), ids: *self.cutter.ids.finalize().as_bytes() })
    }
}

/// Cuts sealed bytes into segments and codes each.
struct Cutter {
    granted: watch::Receiver<Arc<WriteGrant>>,
    send: mpsc::Sender<Ready>,
    /// Under which the segment at hand is coded.
    grant: Arc<WriteGrant>,
    segment: Vec<u8>,
    encoder: Option<Encoder>,
    ids: blake3::Hasher,
    content: u64,
    client: Client,
    labels: LabelKey,
    /// The label of the segment at hand.
    label: Label,
}

impl Cutter {
    fn new(
        granted: watch::Receiver<Arc<WriteGrant>>,
        send: mpsc::Sender<Ready>,
        client: Client,
        (labels, label): (LabelKey, Label),
    ) -> Self {
        let grant = Arc::clone(&granted.borrow());
        let (segment, ids) = (Vec::new(), blake3::Hasher::new());
        Self { granted, send, grant, segment, encoder: None, ids, content: 0, client, labels, label }
    }

    fn push(&mut self, mut sealed: &[u8]) -> Result<(), ClientError> {
        while !sealed.is_empty() {
            let full = usize::try_from(Layout::segment_bytes(&self.grant.scheme)).unwrap_or(usize::MAX);
            let (now, later) = sealed.split_at(sealed.len().min(full - self.segment.len()));
            self.segment.extend_from_slice(now);
            sealed = later;
            if self.segment.len() == full {
                self.cut()?;
            }
        }
        Ok(())
    }

    /// Codes what is held as one segment and hands it on.
    fn cut(&mut self) -> Result<(), ClientError> {
        if self.segment.is_empty() {
            return Ok(());
        }
        // This is a thread for blocking work, so it may wait for room here.
        let room = self.client.room(pieces_bytes(&self.grant, self.segment.len()));
        let room = tokio::runtime::Handle::current().block_on(room)?;
        let mut coded = code(&self.grant, &self.segment, &mut self.encoder)?;
        coded.label = self.labels.seal(&self.label, &coded.roots.id, &mut rand::rng()).to_vec();
        self.label.offset += self.segment.len() as u64;
        self.segment.clear();
        self.ids.update(coded.roots.id.as_bytes());
        let ready =
            Ready { grant: Arc::clone(&self.grant), coded: Arc::new(coded), content: self.content, _room: room };
        self.send.blocking_send(ready).map_err(|_| ClientError::Unexpected("sending ended"))?;
        self.grant = Arc::clone(&self.granted.borrow());
        Ok(())
    }
}

/// Codes sealed bytes as one segment, with the pieces that are sent first; its label is still empty.
pub(crate) fn code(grant: &WriteGrant, sealed: &[u8], encoder: &mut Option<Encoder>) -> Result<Coded, ClientError> {
    let layout = Layout::new(grant.scheme, sealed.len() as u64)?;
    let mut kept = PieceSet::EMPTY;
    grant.first.iter().for_each(|index| kept.insert(*index));
    let mut pieces = vec![Vec::new(); usize::from(layout.scheme.n_max)];
    let len = usize::try_from(layout.piece_len()).unwrap_or(0);
    kept.iter().for_each(|index| pieces[usize::from(index)].reserve_exact(len));
    let encoder = match encoder {
        Some(encoder) => {
            encoder.restart(&layout, kept)?;
            encoder
        }
        none => none.insert(Encoder::new(&layout, kept)?),
    };
    let mut keep = |group: Group<'_>| {
        pieces[usize::from(group.index)].extend_from_slice(group.bytes);
        Ok::<(), ClientError>(())
    };
    encoder.push(sealed, &mut keep)?;
    let commitment = encoder.finish(&mut keep)?;
    Ok(Coded { layout, roots: commitment.roots, pieces, label: Vec::new() })
}

/// Segments on their way, kept in order.
struct Sending {
    client: Client,
    bucket: model::BucketId,
    open: JoinSet<(usize, Result<WrittenSegment, ClientError>)>,
    next: usize,
    done: BTreeMap<usize, WrittenSegment>,
    told: usize,
    runs: Vec<SegmentRun>,
    pieces_min: usize,
}

impl Sending {
    fn new(client: Client, bucket: model::BucketId) -> Self {
        let (open, done, runs) = (JoinSet::new(), BTreeMap::new(), Vec::new());
        Self { client, bucket, open, next: 0, done, told: 0, runs, pieces_min: usize::MAX }
    }

    /// Takes one more, once there is room for it.
    async fn add(&mut self, segment: Ready) -> Result<(), ClientError> {
        while self.open.len() >= SEGMENTS_OPEN {
            self.take().await?;
        }
        let (client, bucket, number) = (self.client.clone(), self.bucket, self.next);
        let segment = Arc::new(segment);
        self.next += 1;
        self.open.spawn(async move { (number, client.send_patiently(bucket, segment).await) });
        self.tell(KEEP_BYTES).await
    }

    async fn take(&mut self) -> Result<(), ClientError> {
        match self.open.join_next().await {
            Some(Ok((number, sent))) => {
                let sent = sent?;
                self.pieces_min = self.pieces_min.min(sent.receipts.len());
                self.done.insert(number, sent);
                Ok(())
            }
            Some(Err(_)) => Err(ClientError::Unexpected("a sender ended")),
            None => Ok(()),
        }
    }

    /// Tells the center of finished segments, in order, whenever a message of them is full.
    async fn tell(&mut self, full: usize) -> Result<(), ClientError> {
        loop {
            let (mut bytes, mut batch) = (0, Vec::new());
            for (_, segment) in
                self.done.range(self.told..).zip(self.told..).take_while(|((at, _), n)| *at == n).map(|(s, _)| s)
            {
                bytes += KEEP_SEGMENT_BYTES + segment.receipts.iter().map(|r| r.len() + 2).sum::<usize>();
                if !batch.is_empty() && (bytes > KEEP_BYTES || batch.len() == wire::limits::SEGMENTS_KEEP_MAX) {
                    break;
                }
                batch.push(segment.clone());
            }
            if batch.is_empty() || bytes < full {
                return Ok(());
            }
            let count = batch.len();
            let keep = SegmentsKeep { bucket: self.bucket, segments: batch };
            let Reply::SegmentsKept(runs) = self.client.ask(Request::SegmentsKeep(Box::new(keep))).await? else {
                return Err(ClientError::Unexpected("segments not kept"));
            };
            runs.into_iter().for_each(|run| join_run(&mut self.runs, run));
            (self.told..self.told + count).for_each(|number| drop(self.done.remove(&number)));
            self.told += count;
        }
    }

    /// Waits for all, tells the center, and says where they stand and how many pieces the weakest has.
    async fn finish(mut self) -> Result<(Vec<SegmentRun>, usize), ClientError> {
        while !self.open.is_empty() {
            self.take().await?;
        }
        self.tell(0).await?;
        Ok((self.runs, self.pieces_min))
    }
}

/// Appends a run, joined to the last where it goes on.
pub(crate) fn join_run(runs: &mut Vec<SegmentRun>, run: SegmentRun) {
    match runs.last_mut() {
        Some(last) if last.pg == run.pg && last.seq + u64::from(last.count) == run.seq => last.count += run.count,
        _ => runs.push(run),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::PgId;

    #[test]
    fn runs_join_where_they_go_on() {
        let run = |seq, count| SegmentRun { pg: PgId(1), seq, count };
        let mut runs = Vec::new();
        [run(5, 2), run(7, 1), run(9, 1)].into_iter().for_each(|r| join_run(&mut runs, r));
        assert_eq!(runs, [run(5, 3), run(9, 1)]);
    }
}
