//! Many small objects at once: sealed each under its own key, packed into one segment with a sealed directory at its end,
//! sent once, then named by one commit each (`docs/design/storage.md` §2).

use crate::put::{Change, Ready, code, pieces_bytes};
use crate::{Bucket, Client, ClientError, Progress, Put, PutAsk};
use codec::pack::{Directory, Trailer};
use model::{Bytes, Stamp};
use rand_core::Rng;
use seal::{
    Body, BucketKeys, ContentKey, Header, INLINE_MAX, Inline, Label, LabelKey, LabelKind, LabelName, Manifest, Role,
    Sealer, seal_run, segments_hash,
};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use wire::signed::CommitOp;
use wire::storage::{SegmentRun, SegmentsKeep, WriteGrant};
use wire::{Reply, Request};

/// Content up to this length goes into packs.
pub const SMALL_MAX: u64 = 4 << 20;
/// A pack is closed when its sealed bytes reach this.
pub const PACK_BYTES: usize = 16 << 20;
/// Commits under way at the same time.
const COMMITS_OPEN: usize = 16;

/// A small object on its way.
pub struct Small {
    /// Under which name and circumstances.
    pub ask: PutAsk,
    /// All of it, at most [`SMALL_MAX`] bytes.
    pub content: Vec<u8>,
}

/// A pack, coded, and where its members lie.
struct Packed {
    ready: Ready,
    members: Vec<Member>,
}

/// A member that is in a pack, or inline.
struct Member {
    ask: PutAsk,
    version: [u8; 16],
    size: u64,
    hash: [u8; 32],
    body: MemberBody,
}

/// What came of one member's commit.
struct Named {
    at: usize,
    put: Put,
    committed: Result<u64, ClientError>,
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
            stored.extend(self.put_batch(bucket, batch).await?);
            done += bytes as u64;
            progress("phase-send", done, total);
        }
        Ok(stored)
    }

    async fn put_batch(&self, bucket: &Bucket, batch: Vec<Small>) -> Result<Vec<Put>, ClientError> {
        if batch.iter().all(|item| item.content.len() <= INLINE_MAX) {
            let members = batch.into_iter().map(|item| Member::new(item, |content| Ok(MemberBody::Inline(content))));
            return self.name_all(bucket, members.collect::<Result<_, _>>()?, None).await;
        }
        let grant = Arc::new(self.write_grant(bucket).await?);
        let (keys, labels) = (bucket.keys.clone(), bucket.labels.clone());
        let sealed: usize = batch.iter().map(|item| item.content.len()).sum();
        let room = self.room(pieces_bytes(&grant, sealed)).await?;
        let packing = tokio::task::spawn_blocking(move || pack(&keys, &labels, &grant, batch, room));
        let Packed { ready, members } = packing.await.map_err(|_| ClientError::Unexpected("packing ended"))??;
        let ready = Arc::new(ready);
        let segment = self.send_segment(&ready.grant, &ready.coded).await?;
        let pieces = segment.receipts.len();
        let keep = SegmentsKeep { bucket: *bucket.id(), segments: vec![segment] };
        let Reply::SegmentsKept(runs) = self.ask(Request::SegmentsKeep(Box::new(keep))).await? else {
            return Err(ClientError::Unexpected("segments not kept"));
        };
        let run = *runs.first().ok_or(ClientError::Unexpected("segments not kept"))?;
        self.name_all(bucket, members, Some((run, &ready, pieces))).await
    }

    /// Commits every member, many at once.
    async fn name_all(
        &self,
        bucket: &Bucket,
        members: Vec<Member>,
        pack: Option<(SegmentRun, &Ready, usize)>,
    ) -> Result<Vec<Put>, ClientError> {
        let mut changes = Vec::with_capacity(members.len());
        for member in members {
            changes.push(member.change(bucket, pack.as_ref())?);
        }
        let mut stored: Vec<Option<Put>> = changes.iter().map(|_| None).collect();
        let mut running: JoinSet<Named> = JoinSet::new();
        let bucket = Arc::new(bucket.clone());
        let mut take = |done: Option<Result<Named, tokio::task::JoinError>>| match done {
            Some(Ok(Named { at, put, committed })) => {
                let bucket_seq = committed?;
                stored[at] = Some(Put { bucket_seq, ..put });
                Ok(())
            }
            Some(Err(_)) => Err(ClientError::Unexpected("a commit ended")),
            None => Ok(()),
        };
        for (at, (change, put)) in changes.into_iter().enumerate() {
            while running.len() >= COMMITS_OPEN {
                take(running.join_next().await)?;
            }
            let (client, bucket) = (self.clone(), Arc::clone(&bucket));
            running.spawn(async move {
                let committed = client.commit(&bucket, change).await;
                Named { at, put, committed }
            });
        }
        while !running.is_empty() {
            take(running.join_next().await)?;
        }
        Ok(stored.into_iter().flatten().collect())
    }
}

impl Member {
    fn new(item: Small, body: impl FnOnce(Vec<u8>) -> Result<MemberBody, ClientError>) -> Result<Self, ClientError> {
        let (size, hash) = (item.content.len() as u64, *blake3::hash(&item.content).as_bytes());
        let mut version = [0; 16];
        rand::rng().fill_bytes(&mut version);
        Ok(Self { ask: item.ask, version, size, hash, body: body(item.content)? })
    }

    /// Its commit, and what will be told of it.
    fn change(self, bucket: &Bucket, pack: Option<&(SegmentRun, &Ready, usize)>) -> Result<(Change, Put), ClientError> {
        let is_inline = matches!(self.body, MemberBody::Inline(_));
        let pack = pack.filter(|_| !is_inline);
        let body = match self.body {
            MemberBody::Inline(content) => Body::Inline(Inline(content)),
            MemberBody::Run { header, key, offset } => {
                let id = pack.map(|(_, ready, _)| ready.coded.roots.id.0).unwrap_or_default();
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
            body,
        };
        let change = Change {
            op: CommitOp::Put,
            name_sealed: bucket.seal_name(&manifest.name)?,
            expect: self.ask.expect,
            version: self.version,
            segments: pack.map(|(run, ..)| *run).into_iter().collect(),
            manifest: manifest.seal(&bucket.keys, &mut rand::rng())?,
        };
        let put = Put {
            size: Bytes(self.size),
            scheme: pack.map(|(_, ready, _)| ready.grant.scheme),
            pieces: pack.map_or(0, |(.., pieces)| *pieces),
            holders: pack.map_or(0, |(_, ready, _)| ready.grant.slots.iter().filter(|s| s.on).count()),
            bucket_seq: 0,
            version: self.version,
        };
        Ok((change, put))
    }
}

/// Seals every member, the directory behind them, and codes all of it as one segment.
fn pack(
    keys: &BucketKeys,
    labels: &LabelKey,
    grant: &Arc<WriteGrant>,
    batch: Vec<Small>,
    room: OwnedSemaphorePermit,
) -> Result<Packed, ClientError> {
    let mut rng = rand::rng();
    let (mut directory, mut sealed, mut members) = (Directory::new(), Vec::new(), Vec::with_capacity(batch.len()));
    for item in batch {
        if item.content.len() <= INLINE_MAX {
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
            let wrapped = keys.wrap(&name, &header.content_id(), &key, &mut rng);
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
    let mut coded = code(grant, &sealed, &mut None)?;
    let mut version = [0; 16];
    rng.fill_bytes(&mut version);
    let name = LabelName::Plain(String::new());
    let label = Label { kind: LabelKind::Pack, bucket: *keys.bucket(), version, run: 0, offset: 0, key, name };
    coded.label = labels.seal(&label, &coded.roots.id, &mut rng).to_vec();
    let content = sealed.len() as u64;
    Ok(Packed { ready: Ready { grant: Arc::clone(grant), coded: Arc::new(coded), content, _room: room }, members })
}
