//! Upload as a stream: a thread reads, seals, cuts and codes; the first pieces go out at once ([`crate::send`]); what is
//! durable is told to the center as it comes; the commit makes it visible, and the pool fills up the rest.

use crate::cut::{Cutter, CutterParts, Pipeline, Ready, content_error};
use crate::flow::Sending;
use crate::stage::{Begun, Source, Staging};
use crate::{Bucket, Client, ClientError, Progress, SMALL_MAX, Small};
use model::{Bytes, Scheme, Stamp};
use rand_core::Rng;
use seal::{Body, ContentKey, Facts, Header, Inline, Label, LabelKind, LabelName, Manifest, Role, inline_fits};
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use wire::account::GrantedAsk;
use wire::signed::{CommitOp, CommitRecord};
use wire::storage::{Commit, Expect, SegmentRun, WriteGrant, WriteOpen};
use wire::{Reply, Request};

/// Leave to write is asked for anew when it is older than this; permits to write live for an hour.
const GRANT_AGE_MAX: Duration = Duration::from_secs(20 * 60);
/// Pause before an upload looks again whether enough holders are on.
pub(crate) const HOLDERS_LOOK: Duration = Duration::from_secs(2);
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
    /// What foreign protocols tell of it.
    pub facts: Facts,
    /// Says what is known only when all content was read.
    pub ending: Option<Ending>,
    /// Where the content comes from, where an upload that was cut off may go on.
    pub source: Option<Source>,
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
            facts: Facts::default(),
            ending: None,
            source: None,
        }
    }

    /// The same once all content was read.
    pub(crate) fn ended(mut self) -> Result<Self, ClientError> {
        if let Some(ending) = self.ending.take() {
            self.facts.0.extend((ending.0)()?.0);
        }
        Ok(self)
    }

    /// Whether so much content fits a manifest beside what is asked.
    pub(crate) fn holds_inline(&self, content: usize) -> bool {
        let pairs: usize = self.pairs.iter().map(|(key, value)| key.len() + value.len() + 3).sum();
        let room = self.ending.as_ref().map_or(0, |_| ENDING_MAX);
        inline_fits(self.name.len() + self.content_type.len() + pairs + self.facts.len() + room, content)
    }
}

/// Facts that an [`Ending`] adds, in bytes.
pub const ENDING_MAX: usize = 128;

/// Says what is known of a content only when all of it was read, or that it is not what it should be: then nothing is stored.
#[derive(Clone)]
pub struct Ending(pub Arc<dyn Fn() -> Result<Facts, ClientError> + Send + Sync>);

impl std::fmt::Debug for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ending")
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
    /// Where its segments stand.
    pub runs: Vec<SegmentRun>,
}

impl Client {
    /// Stores what `content` gives under a name. Fails when fewer holders than the scheme accepts took a piece.
    ///
    /// # Errors
    /// [`ClientError::Changed`] when an upload that was cut off cannot go on, because the source holds other bytes now: the same
    /// call again begins anew. Others as they come; an upload that failed for want of holders or of the center can go on.
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
            let mut head = Vec::new();
            let read = content.by_ref().take(SMALL_MAX).read_to_end(&mut head);
            read.map(|_| (head, content)).map_err(|e| content_error(&e))
        });
        let (head, content) = begun.await.map_err(|_| ClientError::Unexpected("reading ended"))??;
        let len = head.len() as u64;
        let is_inline = ask.holds_inline(head.len());
        if !is_inline && len < SMALL_MAX {
            progress("phase-send", 0, len);
            let put = self.put_packed(bucket, Small { ask: ask.ended()?, content: head }).await;
            progress("phase-commit", len, len);
            return put;
        }
        let mut stored = if is_inline {
            Stored::inline(head, version)
        } else {
            let content = Box::new(std::io::Cursor::new(head).chain(content));
            let begun = self.begin(bucket, &ask, version).await?;
            let version = begun.version;
            let (kind, run) = (LabelKind::Object, 0);
            let run = RunAsk { kind, version, run, name: &ask.name, size_hint: ask.size_hint, begun, label: None };
            self.put_run(bucket, run, content, progress).await?
        };
        let staging = stored.staging.take();
        let put = self.name_it(bucket, ask, (CommitOp::Put, name_sealed), stored, progress).await;
        settle(staging, &put).await?;
        put
    }

    /// The commit that makes stored content an object.
    pub(crate) async fn name_it(
        &self,
        bucket: &Bucket,
        ask: PutAsk,
        (op, name_sealed): (CommitOp, Vec<u8>),
        stored: Stored,
        progress: Progress<'_>,
    ) -> Result<Put, ClientError> {
        let (size, version) = (stored.size, stored.version);
        let ask = ask.ended()?;
        let manifest = Manifest {
            name: ask.name,
            size,
            changed_ms: ask.changed.map_or(0, Stamp::as_ms),
            hash: stored.hash,
            content_type: ask.content_type,
            pairs: ask.pairs,
            facts: ask.facts,
            body: stored.body,
        };
        let sealed = manifest.seal(&bucket.keys, &mut rand::rng())?;
        progress("phase-commit", size, size.max(ask.size_hint));
        let change =
            Change { op, name_sealed, expect: ask.expect, version, segments: stored.runs.clone(), manifest: sealed };
        let bucket_seq = self.commit(bucket, change).await?;
        let (scheme, pieces, holders, runs) = (stored.scheme, stored.pieces, stored.holders, stored.runs);
        Ok(Put { size: Bytes(size), scheme, pieces, holders, bucket_seq, version, runs })
    }

    /// Content longer than a manifest holds: one run, cut into segments.
    pub(crate) async fn put_run(
        &self,
        bucket: &Bucket,
        ask: RunAsk<'_>,
        content: Box<dyn Read + Send>,
        progress: Progress<'_>,
    ) -> Result<Stored, ClientError> {
        let grant = Arc::new(self.write_grant(bucket).await?);
        let (version, Begun { staging, key, header, kept, .. }) = (ask.version, ask.begun);
        let (grants, granted) = watch::channel(Arc::clone(&grant));
        let (send, mut ready) = mpsc::channel::<Ready>(1);
        let label = Label {
            kind: ask.kind,
            bucket: *bucket.id(),
            version,
            run: ask.run,
            offset: 0,
            key: key.clone(),
            name: LabelName::of(ask.name),
            locator: bucket.keys.locator().filter(|_| ask.kind == LabelKind::Log),
        };
        let staging = staging.map(Arc::new);
        let mut sending = Sending::new(self.clone(), bucket.clone(), staging.clone(), &kept);
        let (labels, stages, client) = (bucket.labels.clone(), staging.is_some(), self.clone());
        let fixed = ask.label;
        let cutter = Cutter::new(CutterParts { granted, send, client, labels, label, fixed, kept, stages });
        let thread_key = key.clone();
        let reading = tokio::task::spawn_blocking(move || Pipeline::new(&thread_key, &header, cutter)?.run(content));
        let mut granted_at = Instant::now();
        let mut sent = Ok(());
        while let Some(segment) = ready.recv().await {
            progress("phase-send", segment.content, ask.size_hint.max(segment.content));
            sent = sending.add(segment).await;
            if sent.is_err() {
                break;
            }
            if granted_at.elapsed() > GRANT_AGE_MAX {
                grants.send_replace(Arc::new(self.write_grant(bucket).await?));
                granted_at = Instant::now();
            }
        }
        drop(ready);
        let ended = reading.await.map_err(|_| ClientError::Unexpected("reading ended"))?;
        sent?;
        let finished = match ended {
            Ok(ended) => sending.finish().await.map(|done| (ended, done)),
            Err(error) => {
                drop(sending);
                Err(error)
            }
        };
        if let (Err(ClientError::Changed), Some(staging)) = (&finished, &staging) {
            staging.forget();
        }
        let staging = staging.and_then(Arc::into_inner);
        let (ended, (runs, pieces)) = finished?;
        Ok(Stored {
            size: ended.size,
            hash: ended.hash,
            version,
            body: Body::Run { header, key, segments: ended.ids, offset: 0 },
            runs,
            scheme: Some(grant.scheme),
            pieces: if pieces == usize::MAX { usize::from(grant.scheme.accept) } else { pieces },
            holders: grant.slots.iter().filter(|s| s.on).count(),
            staging,
        })
    }

    /// A new upload, or one that was cut off, as the stage says.
    async fn begin(&self, bucket: &Bucket, ask: &PutAsk, version: [u8; 16]) -> Result<Begun, ClientError> {
        let key = ContentKey::random(&mut rand::rng());
        let header = Header::new(&key, Role::Content, bucket.id(), 0, &mut rand::rng());
        let begun = Begun { staging: None, key, header, version, kept: Vec::new() };
        self.begin_staged(bucket, &ask.name, ask.source.clone(), begun).await
    }

    /// The same with a folder of its own in the stage, where there is one.
    pub(crate) async fn begin_staged(
        &self,
        bucket: &Bucket,
        name: &str,
        source: Option<Source>,
        begun: Begun,
    ) -> Result<Begun, ClientError> {
        // What the pool lacks of somebody else's bucket is not this machine's to fill up.
        let Some(stage) = self.stage.clone().filter(|_| bucket.is_own()) else { return Ok(begun) };
        let (bucket, name) = (*bucket.id(), name.to_owned());
        let beginning = tokio::task::spawn_blocking(move || stage.begin(&bucket, &name, source.as_ref(), begun));
        beginning.await.map_err(|_| ClientError::Unexpected("staging ended"))
    }

    /// Leave to write to a bucket's group; waits for a while where too few of its holders are on.
    pub(crate) async fn write_grant(&self, bucket: &Bucket) -> Result<WriteGrant, ClientError> {
        self.write_grant_until(bucket, Instant::now() + self.holders_wait).await
    }

    /// The same until then.
    pub(crate) async fn write_grant_until(&self, bucket: &Bucket, until: Instant) -> Result<WriteGrant, ClientError> {
        loop {
            let ask = WriteOpen { bucket: *bucket.id(), bytes_max: u64::MAX, session: self.endpoint.id() };
            match self.ask_of(bucket, GrantedAsk::Write(ask)).await {
                Ok(Reply::WriteGrant(grant)) => return Ok(*grant),
                Ok(_) => return Err(ClientError::Unexpected("no leave to write")),
                Err(ClientError::Refused(no)) if no.id == model::errors::TOO_FEW_NODES && Instant::now() < until => {
                    let of = |key: &str| no.args.get(key).and_then(|value| value.parse().ok()).unwrap_or(0);
                    self.waits_for_holders(of("fit"), of("need"));
                    tokio::time::sleep(HOLDERS_LOOK).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Says that an upload waits: so many holders are on of those it needs.
    pub(crate) fn waits_for_holders(&self, on: u64, need: u64) {
        tracing::info!(on, need, "an upload waits for holders");
        if let Some(waiting) = &self.waiting {
            waiting(on, need);
        }
    }

    /// A change of a name as its writer signs it.
    pub(crate) fn sign(&self, bucket: &Bucket, change: Change, fresh: Vec<u16>) -> Commit {
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
        Commit {
            commit_id,
            record: record.sign(&self.device.secret).to_vec(),
            name_sealed: change.name_sealed,
            expect: change.expect,
            segments: change.segments,
            fresh,
            manifest: change.manifest,
        }
    }

    /// Asks until an answer comes, a few times: for requests whose second answer is the first one.
    pub(crate) async fn ask_again(&self, request: Request) -> Result<Reply, ClientError> {
        let mut tries = 1;
        loop {
            match self.ask(request.clone()).await {
                Err(ClientError::Refused(refusal)) if tries < COMMIT_TRIES && is_lost(refusal.id) => {
                    tracing::info!(id = %refusal.id, tries, "a commit was not answered; asking again");
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    /// Commits a change of a name; its place in the bucket's order.
    pub(crate) async fn commit(&self, bucket: &Bucket, change: Change) -> Result<u64, ClientError> {
        let asked = bucket.head();
        let commit = self.sign(bucket, change, Vec::new());
        match self.ask_again(self.request_of(bucket, GrantedAsk::Commit(Box::new(commit)))).await? {
            Reply::Committed(committed) => {
                bucket.saw(asked, committed.head)?;
                Ok(committed.head.seq)
            }
            _ => Err(ClientError::Unexpected("no commit")),
        }
    }
}

/// The same commit will be refused again: what is there, or is not, will not change by itself.
fn is_final(id: model::errors::ErrorId) -> bool {
    use model::errors;
    [errors::PRECONDITION, errors::BUCKET_UNKNOWN, errors::NOT_ALLOWED, errors::BAD_SIGNATURE, errors::TOO_LARGE]
        .contains(&id)
}

/// The answer may have been lost on its way, so that asking again is right.
pub(crate) fn is_lost(id: model::errors::ErrorId) -> bool {
    use model::errors;
    [errors::TIMED_OUT, errors::CENTER_UNREACHABLE].contains(&id)
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

/// What of an upload stays on this machine's disk after its answer. Whoever may still succeed with the same command finds its
/// folder as it is.
pub(crate) async fn settle<T>(staging: Option<Staging>, answer: &Result<T, ClientError>) -> Result<(), ClientError> {
    let Some(staging) = staging else { return Ok(()) };
    let is_final = match answer {
        Err(ClientError::Refused(no)) => is_final(no.id),
        Err(ClientError::Announced(_)) => true,
        _ => false,
    };
    let is_done = answer.is_ok();
    let settling = tokio::task::spawn_blocking(move || {
        if is_final {
            staging.forget();
        }
        if is_done {
            staging.done();
        }
    });
    settling.await.map_err(|_| ClientError::Unexpected("staging ended"))
}

/// One run to be stored.
pub(crate) struct RunAsk<'a> {
    pub kind: LabelKind,
    /// Of which version.
    pub version: [u8; 16],
    /// Its number.
    pub run: u32,
    /// Name of the object.
    pub name: &'a str,
    pub size_hint: u64,
    /// With its key and header.
    pub begun: Begun,
    /// The label of its pieces, where it is none of an object's.
    pub label: Option<Vec<u8>>,
}

/// Content that is durable, before its commit.
pub(crate) struct Stored {
    pub size: u64,
    pub hash: [u8; 32],
    version: [u8; 16],
    pub body: Body,
    pub runs: Vec<SegmentRun>,
    pub scheme: Option<Scheme>,
    pub pieces: usize,
    pub holders: usize,
    pub staging: Option<Staging>,
}

impl Stored {
    fn inline(content: Vec<u8>, version: [u8; 16]) -> Self {
        Self {
            size: content.len() as u64,
            hash: *blake3::hash(&content).as_bytes(),
            version,
            body: Body::Inline(Inline(content)),
            runs: Vec::new(),
            scheme: None,
            pieces: 0,
            holders: 0,
            staging: None,
        }
    }
}
