//! Many small objects at once: sealed each under its own key, packed into one segment with a sealed directory at its end,
//! sent once, then named by one commit each (`docs/design/storage.md` §2).

use crate::bucket::label_of;
use crate::buffers::Buffers;
use crate::cut::{Ready, code, pieces_bytes};
use crate::flow::{KEEP_TRIES, is_moved};
use crate::piece::Coded;
use crate::put::Change;
use crate::stage::{Begun, Kept};
use crate::{Bucket, Client, ClientError, Progress, Put, PutAsk};
use codec::pack::{Directory, Trailer};
use model::{Bytes, Scheme, Stamp};
use rand_core::Rng;
use seal::{
    Body, BucketKeys, ContentKey, Header, Inline, Label, LabelKey, LabelKind, LabelName, Manifest, Purpose, Role,
    Sealer, seal_run, segments_hash,
};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use wire::Reply;
use wire::account::GrantedAsk;
use wire::limits::COMMITS_MAX;
use wire::signed::CommitOp;
use wire::storage::{Commit, CommitAnswers, CommitBatch, SegmentRun, WriteGrant, WrittenSegment};

/// Content up to this length goes into packs.
pub const SMALL_MAX: u64 = 4 << 20;
/// A pack is closed when its sealed bytes reach this.
pub const PACK_BYTES: usize = 16 << 20;
/// Bytes of commits in one request, below [`wire::limits::REQUEST_MAX`].
const BATCH_BYTES: usize = 48 << 10;
/// What a commit takes beside its name, type, pairs and inline content: record 256, the manifest's header and wraps, what it
/// says of the run, its padding to 256.
const COMMIT_BYTES: usize = 1_280;

/// A small object on its way.
pub struct Small {
    /// Under which name and circumstances.
    pub ask: PutAsk,
    /// All of it, at most [`SMALL_MAX`] bytes.
    pub content: Vec<u8>,
}

impl Small {
    /// Its content stands in its manifest.
    fn is_inline(&self) -> bool {
        self.ask.holds_inline(self.content.len())
    }
}

/// A pack, coded, and where its members lie.
struct Packed {
    ready: Ready,
    members: Vec<Member>,
    /// Its bytes, what their pieces carry, and what they would be staged with.
    sealed: Vec<u8>,
    label: Label,
    begun: Begun,
}

/// A pack whose segment was sent.
struct Pack {
    scheme: Scheme,
    pieces: usize,
    id: [u8; 32],
    segment: WrittenSegment,
    /// Its pieces, until they are known to stand.
    ready: Ready,
    /// Where the center keeps it, once it said so.
    run: Option<SegmentRun>,
}

impl Pack {
    /// Its segment travels with the commits that name it: the first time, and under a grant each time, as a proof that it was
    /// written by who names it.
    fn is_fresh(&self, bucket: &Bucket) -> bool {
        self.run.is_none() || !bucket.is_own()
    }
}

/// A member that is in a pack, or inline.
struct Member {
    ask: PutAsk,
    version: [u8; 16],
    size: u64,
    hash: [u8; 32],
    body: MemberBody,
}

enum MemberBody {
    Inline(Vec<u8>),
    Run { header: Header, key: ContentKey, offset: u64 },
}

impl Client {
    /// Stores many small objects; what was stored, in the order given. The first failure ends it: what was committed before
    /// is there, the rest is not.
    pub async fn put_small(
        &self,
        bucket: &Bucket,
        items: Vec<Small>,
        progress: Progress<'_>,
    ) -> Result<Vec<Put>, ClientError> {
        let total = items.iter().map(|item| item.content.len() as u64).sum();
        let (mut stored, mut done, mut rest) = (Vec::with_capacity(items.len()), 0, items.into_iter().peekable());
        while rest.peek().is_some() {
            let mut batch = Vec::new();
            let mut bytes = 0;
            while let Some(item) = rest.next_if(|item| batch.is_empty() || bytes + item.content.len() <= PACK_BYTES) {
                bytes += item.content.len();
                batch.push(item);
            }
            for put in self.put_batch(bucket, batch).await {
                stored.push(put?);
            }
            done += bytes as u64;
            progress("phase-send", done, total);
        }
        Ok(stored)
    }

    /// Stores small objects of one bucket together; what came of each, in order.
    pub(crate) async fn put_batch(&self, bucket: &Bucket, batch: Vec<Small>) -> Vec<Result<Put, ClientError>> {
        let count = batch.len();
        match self.try_batch(bucket, batch).await {
            Ok(all) => all,
            Err(error) => (0..count).map(|_| Err(error.again())).collect(),
        }
    }

    async fn try_batch(
        &self,
        bucket: &Bucket,
        batch: Vec<Small>,
    ) -> Result<Vec<Result<Put, ClientError>>, ClientError> {
        if batch.iter().all(Small::is_inline) {
            let members = batch.into_iter().map(|item| Member::new(item, |content| Ok(MemberBody::Inline(content))));
            return self.name_all(bucket, members.collect::<Result<_, _>>()?, None).await;
        }
        let grant = self.write_grant_cached(bucket).await?;
        let (keys, labels) = (bucket.keys.clone(), bucket.labels.clone());
        let sealed: usize = batch.iter().map(|item| item.content.len()).sum();
        let room = self.room(2 * pieces_bytes(&grant, sealed)).await?;
        let packing = tokio::task::spawn_blocking(move || pack(&keys, labels.as_ref(), &grant, batch, room));
        let mut packed = packing.await.map_err(|_| ClientError::Unexpected("packing ended"))??;
        let mut sent = self.send_patiently(bucket, &packed.ready).await;
        for _ in 1..KEEP_TRIES {
            let Err(ClientError::CodeChanged) = &sent else { break };
            packed = self.pack_anew(bucket, packed).await?;
            sent = self.send_patiently(bucket, &packed.ready).await;
        }
        if sent.is_err() {
            self.forget_write_grant(bucket);
        }
        let (segment, Packed { ready, members, sealed, begun, .. }) = (sent?, packed);
        // Where everybody has its piece nothing is to be filled up from this machine's copy.
        let is_whole = segment.receipts.len() >= ready.grant.slots.len();
        let staging = match self.stage.clone().filter(|_| bucket.is_own() && !is_whole) {
            Some(stage) => {
                let bucket = *bucket.id();
                let keeping = tokio::task::spawn_blocking(move || {
                    let staging = stage.begin(&bucket, "", None, begun).staging?;
                    staging.keep(0, &sealed);
                    Some((staging, *blake3::hash(&sealed).as_bytes()))
                });
                keeping.await.map_err(|_| ClientError::Unexpected("staging ended"))?
            }
            None => None,
        };
        let (id, sealed_bytes, label) = (segment.id, segment.sealed_bytes, ready.coded.label.clone());
        let (scheme, holders) = (ready.grant.scheme, ready.grant.slots.iter().filter(|s| s.on).count());
        let pack = Pack { scheme, pieces: segment.receipts.len(), id: id.0, segment, ready, run: None };
        let named = self.name_pack(bucket, members, pack, holders).await?;
        if let (Some((staging, hash)), Some(run)) = (staging, named.1) {
            let kept = Kept { number: 0, id, hash, scheme, sealed_bytes, label, pg: run.pg, seq: run.seq };
            tokio::task::spawn_blocking(move || {
                staging.note(&[kept]);
                staging.done();
            });
        }
        Ok(named.0)
    }

    /// The same bytes, coded as the bucket's group is coded now.
    async fn pack_anew(&self, bucket: &Bucket, packed: Packed) -> Result<Packed, ClientError> {
        self.forget_write_grant(bucket);
        let (grant, labels) = (self.write_grant_cached(bucket).await?, bucket.labels.clone());
        let coding = tokio::task::spawn_blocking(move || {
            let coded = Arc::new(coded(&grant, &packed.sealed, labels.as_ref(), &packed.label)?);
            Ok(Packed { ready: Ready { grant, coded, ..packed.ready }, ..packed })
        });
        coding.await.map_err(|_| ClientError::Unexpected("packing ended"))?
    }

    /// Commits inline members, many in one request.
    async fn name_all(
        &self,
        bucket: &Bucket,
        members: Vec<Member>,
        pack: Option<Pack>,
    ) -> Result<Vec<Result<Put, ClientError>>, ClientError> {
        match pack {
            Some(pack) => self.name_pack(bucket, members, pack, 0).await.map(|(named, _)| named),
            None => self.name_steps(bucket, members, &mut None, 0).await,
        }
    }

    async fn name_pack(
        &self,
        bucket: &Bucket,
        members: Vec<Member>,
        pack: Pack,
        holders: usize,
    ) -> Result<(Vec<Result<Put, ClientError>>, Option<SegmentRun>), ClientError> {
        let mut pack = Some(pack);
        let named = self.name_steps(bucket, members, &mut pack, holders).await?;
        Ok((named, pack.and_then(|pack| pack.run)))
    }

    /// Commits members in as few requests as hold them. The first one brings the pack's segment, the others name its place.
    async fn name_steps(
        &self,
        bucket: &Bucket,
        members: Vec<Member>,
        pack: &mut Option<Pack>,
        holders: usize,
    ) -> Result<Vec<Result<Put, ClientError>>, ClientError> {
        let mut all = Vec::with_capacity(members.len());
        let mut members = members.into_iter().peekable();
        while members.peek().is_some() {
            let (mut commits, mut puts, mut bytes) = (Vec::new(), Vec::new(), 0);
            while commits.len() < COMMITS_MAX
                && let Some(member) = members.next_if(|m| commits.is_empty() || bytes + m.bytes() <= BATCH_BYTES)
            {
                bytes += member.bytes();
                let (change, fresh, put) = member.change(bucket, pack.as_ref(), holders)?;
                commits.push(self.sign(bucket, change, fresh));
                puts.push(put);
            }
            let asked = bucket.head();
            let answers = self.commit_steps(bucket, commits, pack.as_mut()).await?;
            if answers.commits.len() != puts.len() {
                return Err(ClientError::Unexpected("another number of commits"));
            }
            if let Some(pack) = pack.as_mut() {
                pack.run = pack.run.or_else(|| answers.segments.first().copied());
            }
            for (put, answer) in puts.into_iter().zip(answers.commits) {
                all.push(match answer {
                    Ok(committed) => {
                        bucket.saw(asked, committed.head)?;
                        let runs = pack.as_ref().and_then(|pack| pack.run).filter(|_| put.scheme.is_some());
                        Ok(Put { bucket_seq: committed.head.seq, runs: runs.into_iter().collect(), ..put })
                    }
                    Err(refusal) => Err(ClientError::Refused(refusal)),
                });
            }
        }
        Ok(all)
    }
}

impl Client {
    /// One request of commits. Where a slot changed hands since its holder gave the receipt, its new holder gets the pack's piece.
    async fn commit_steps(
        &self,
        bucket: &Bucket,
        commits: Vec<Commit>,
        mut pack: Option<&mut Pack>,
    ) -> Result<CommitAnswers, ClientError> {
        let mut tries = 1;
        loop {
            let fresh = pack.as_ref().filter(|pack| pack.is_fresh(bucket)).map(|pack| pack.segment.clone());
            let segments = fresh.into_iter().collect();
            let batch = CommitBatch { bucket: *bucket.id(), segments, commits: commits.clone() };
            match self.ask_again(self.request_of(bucket, GrantedAsk::Batch(Box::new(batch)))).await {
                Ok(Reply::CommitBatch(answers)) => return Ok(answers),
                Ok(_) => return Err(ClientError::Unexpected("no commits")),
                Err(error) if is_moved(&error) && tries < KEEP_TRIES => {
                    let Some(pack) = pack.as_mut() else { return Err(error) };
                    tries += 1;
                    pack.segment = self.send_changed(bucket, &pack.ready, &pack.segment).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Member {
    fn new(item: Small, body: impl FnOnce(Vec<u8>) -> Result<MemberBody, ClientError>) -> Result<Self, ClientError> {
        let (size, hash) = (item.content.len() as u64, *blake3::hash(&item.content).as_bytes());
        let mut version = [0; 16];
        rand::rng().fill_bytes(&mut version);
        Ok(Self { ask: item.ask, version, size, hash, body: body(item.content)? })
    }

    /// What its commit takes in a request, at most.
    fn bytes(&self) -> usize {
        let inline = match &self.body {
            MemberBody::Inline(content) => content.len(),
            MemberBody::Run { .. } => 0,
        };
        let pairs: usize = self.ask.pairs.iter().map(|(key, value)| key.len() + value.len() + 3).sum();
        COMMIT_BYTES + 3 * self.ask.name.len() + self.ask.content_type.len() + pairs + self.ask.facts.len() + inline
    }

    /// Its commit, the batch's segments it names, and what will be told of it.
    fn change(
        self,
        bucket: &Bucket,
        pack: Option<&Pack>,
        holders: usize,
    ) -> Result<(Change, Vec<u16>, Put), ClientError> {
        let pack = pack.filter(|_| !matches!(self.body, MemberBody::Inline(_)));
        let body = match self.body {
            MemberBody::Inline(content) => Body::Inline(Inline(content)),
            MemberBody::Run { header, key, offset } => {
                let id = pack.map(|pack| pack.id).unwrap_or_default();
                Body::Run { header, key, segments: segments_hash([&id]), offset }
            }
        };
        let manifest = Manifest {
            name: self.ask.name,
            size: self.size,
            changed_ms: self.ask.changed.map_or(0, Stamp::as_ms),
            hash: self.hash,
            content_type: self.ask.content_type,
            pairs: self.ask.pairs,
            facts: self.ask.facts,
            body,
        };
        let is_fresh = pack.is_some_and(|pack| pack.is_fresh(bucket));
        let run = pack.and_then(|pack| pack.run).filter(|_| !is_fresh);
        let fresh = if is_fresh { vec![0] } else { Vec::new() };
        let change = Change {
            op: CommitOp::Put,
            name_sealed: bucket.seal_name(&manifest.name)?,
            expect: self.ask.expect,
            version: self.version,
            segments: run.into_iter().collect(),
            manifest: manifest.seal(&bucket.keys, &mut rand::rng())?,
        };
        let put = Put {
            size: Bytes(self.size),
            scheme: pack.map(|pack| pack.scheme),
            pieces: pack.map_or(0, |pack| pack.pieces),
            holders: if pack.is_some() { holders } else { 0 },
            bucket_seq: 0,
            version: self.version,
            runs: Vec::new(),
        };
        Ok((change, fresh, put))
    }
}

/// Seals every member, the directory behind them, and codes all of it as one segment.
fn pack(
    keys: &BucketKeys,
    labels: Option<&LabelKey>,
    grant: &Arc<WriteGrant>,
    batch: Vec<Small>,
    room: OwnedSemaphorePermit,
) -> Result<Packed, ClientError> {
    let mut rng = rand::rng();
    let (mut directory, mut sealed, mut members) = (Directory::new(), Vec::new(), Vec::with_capacity(batch.len()));
    for item in batch {
        if item.is_inline() {
            members.push(Member::new(item, |content| Ok(MemberBody::Inline(content)))?);
            continue;
        }
        let name = item.ask.name.clone();
        members.push(Member::new(item, |content| {
            let key = ContentKey::random(&mut rng);
            let header = Header::new(&key, Role::Content, keys.bucket(), 0, &mut rng);
            let offset = sealed.len() as u64;
            let mut keep = |chunk: &[u8]| {
                sealed.extend_from_slice(chunk);
                Ok::<(), ClientError>(())
            };
            let mut sealer = Sealer::new(&key, &header)?;
            sealer.push(&content, &mut keep)?;
            sealer.finish_padded(&mut keep)?;
            let len = u32::try_from(sealed.len() as u64 - offset).map_err(|_| ClientError::Unexpected("too long"))?;
            let wrapped = keys.wrap(Purpose::Content, &name, &header.content_id(), &key, &mut rng)?;
            directory.add(name.as_bytes(), len, *header.as_bytes(), *wrapped.as_bytes())?;
            Ok(MemberBody::Run { header, key, offset })
        })?);
    }
    let key = ContentKey::random(&mut rng);
    let header = Header::new(&key, Role::Index, keys.bucket(), 0, &mut rng);
    let offset = directory.members_len();
    let behind = [&header.as_bytes()[..], &seal_run(&key, &header, &directory.to_bytes())?].concat();
    let len = u32::try_from(behind.len()).map_err(|_| ClientError::Unexpected("too long"))?;
    sealed.extend_from_slice(&behind);
    sealed.extend_from_slice(&Trailer { offset, len }.to_bytes());
    let mut version = [0; 16];
    rng.fill_bytes(&mut version);
    let begun = Begun { staging: None, key: key.clone(), header, version, kept: Vec::new() };
    let name = LabelName::Plain(String::new());
    let (kind, bucket, locator) = (LabelKind::Pack, *keys.bucket(), None);
    let label = Label { kind, bucket, version, run: 0, offset: 0, key, name, locator };
    let (content, coded) = (sealed.len() as u64, Arc::new(coded(grant, &sealed, labels, &label)?));
    let (number, grant) = (0, Arc::clone(grant));
    let ready = Ready { number, sealed: None, grant, coded, content, _room: room };
    Ok(Packed { ready, members, sealed, label, begun })
}

/// A pack's bytes, coded, with the label of its pieces.
fn coded(
    grant: &Arc<WriteGrant>,
    sealed: &[u8],
    labels: Option<&LabelKey>,
    label: &Label,
) -> Result<Coded, ClientError> {
    let mut coded = code(grant, sealed, &mut None, &Buffers::default())?;
    coded.label = label_of(labels, label, &coded.roots.id);
    Ok(coded)
}
