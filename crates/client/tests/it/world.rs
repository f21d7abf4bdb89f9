//! A center in memory, and holders that do to their pieces what they are told.

use client::{AskCenter, Client, ClientError};
use model::{BucketId, NodeId, PgId, Ppm, Scheme, Stamp, errors};
use net::{Endpoint, EndpointConfig, SecretKey, Stream};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wire::limits::REQUEST_MAX;
use wire::signed::{CommitRecord, Head, PieceReceipt, public_of};
use wire::storage::{
    BucketLine, CommitAnswers, Committed, GetPiece, PieceAnswer, PutPiece, ReadGrant, ReadGroup, ReadSegment,
    SegmentRun, Slot, StewardSegment, StewardWork, StreamOpen, WriteGrant, WrittenSegment,
};
use wire::{PeerAddr, RefusalMsg, Reply, Request};

/// What a holder does when it is asked for its piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// What it should.
    Honest,
    /// One bit of one byte is another, in the middle of the piece.
    Flips,
    /// The proof is right, the bytes are another piece's.
    Swaps,
    /// Proof and bytes are those of another segment.
    Foreign,
    /// Bytes that are no message.
    Garbage,
    /// Stops in the middle and says nothing more.
    Stalls,
    /// Ends in the middle.
    Cuts,
    /// Says nothing at all.
    Silent,
    /// Says that it has no such piece.
    Refuses,
    /// A hash of the proof is another.
    BadProof,
}

struct Kept {
    open: PutPiece,
    bytes: Vec<u8>,
}

/// What one holder has, and does.
#[derive(Default)]
struct Shelf {
    pieces: BTreeMap<[u8; 32], Kept>,
}

struct Node {
    secret: [u8; 32],
    addr: PeerAddr,
    does: Arc<Mutex<Holder>>,
    /// Keeps it alive.
    _endpoint: Endpoint,
}

#[derive(Default)]
struct Rows {
    buckets: BTreeMap<BucketId, BucketLine>,
    segments: Vec<WrittenSegment>,
    /// Slots that change hands before the next segment is kept: index, and who has it then.
    moves: Vec<(usize, Slot)>,
    versions: BTreeMap<Vec<u8>, (wire::storage::Commit, [u8; 16])>,
}

/// Center and holders.
pub struct World {
    nodes: Vec<Node>,
    rows: Arc<Mutex<Rows>>,
    slots: Vec<Slot>,
    scheme: Scheme,
    /// To store and read with.
    pub client: Client,
    /// Its endpoint.
    pub endpoint: Endpoint,
}

fn now() -> Stamp {
    Stamp(1_800_000_000_000)
}

async fn endpoint(secret: [u8; 32], accept: bool) -> Endpoint {
    let bind = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let config = EndpointConfig { bind, accept, ..EndpointConfig::new(SecretKey::from_bytes(secret)) };
    Endpoint::bind(config).await.unwrap()
}

impl World {
    /// `n` honest holders of a circle.
    pub async fn new(n: u16) -> Self {
        let mut nodes = Vec::new();
        for index in 0..n {
            let secret = [u8::try_from(index).unwrap() + 1; 32];
            let endpoint = endpoint(secret, true).await;
            let does = Arc::new(Mutex::new(Holder::Honest));
            let addr = endpoint.addr();
            tokio::spawn(serve(endpoint.clone(), secret, Arc::clone(&does)));
            nodes.push(Node { secret, addr, does, _endpoint: endpoint });
        }
        let scheme = Scheme::circle(n, n).unwrap();
        let rows = Arc::new(Mutex::new(Rows::default()));
        let slots: Vec<Slot> = (0..n)
            .zip(&nodes)
            .map(|(index, node)| Slot { index, addr: node.addr.clone(), on: true, permit: vec![0; 224] })
            .collect();
        let endpoint = endpoint([200; 32], false).await;
        let (center, all) = (Arc::clone(&rows), slots.clone());
        let slots = Mutex::new(slots);
        let ask: AskCenter = Arc::new(move |request| {
            let mut slots = slots.lock().unwrap();
            let reply = center.lock().unwrap().answer_after_moves(request, scheme, &mut slots);
            Box::pin(async move { reply.map_err(ClientError::Refused) })
        });
        let client = Client::new(endpoint.clone(), [201; 32], now, ask).with_holders_wait(Duration::from_millis(100));
        let client = client.with_read_wait(Duration::from_millis(100));
        Self { nodes, rows, slots: all, scheme, client, endpoint }
    }

    /// From now on these holders do so, the others are honest.
    pub fn set(&self, indexes: &[usize], does: Holder) {
        for (at, node) in self.nodes.iter().enumerate() {
            *node.does.lock().unwrap() = if indexes.contains(&at) { does } else { Holder::Honest };
        }
    }

    /// A steward makes every missing piece of every segment; how many.
    pub async fn fill(&self) -> usize {
        let (segments, targets) = {
            let rows = self.rows.lock().unwrap();
            let one = |(seq, s): (usize, &WrittenSegment)| {
                let have = have(s);
                let lacks = |i: &u16| have[usize::from(i / 8)] >> (i % 8) & 1 == 0;
                let wanted: Vec<u16> = (0..u16::try_from(self.slots.len()).unwrap()).filter(lacks).collect();
                let (id, pg, sealed_bytes) = (s.id, s.pg, s.sealed_bytes);
                StewardSegment {
                    segment: ReadSegment { id, pg, seq: seq as u64, sealed_bytes, have },
                    wanted,
                    later: Vec::new(),
                }
            };
            (rows.segments.iter().enumerate().map(one).collect(), self.slots.clone())
        };
        let group = ReadGroup { pg: PgId(1), generation: 1, scheme: self.scheme, slots: self.slots.clone() };
        let work = StewardWork { lease: 1, until: now(), group, targets, line_share: Ppm::ONE, segments };
        let filled = self.client.fill(&work, |_| None, |_| std::future::ready(())).await.unwrap();
        assert_eq!(filled.failed, 0);
        filled.pieces
    }

    /// Before the next segment is kept, these slots are those of other holders: slot, holder.
    pub fn move_slots(&self, moves: &[(u16, usize)]) {
        let one = |(index, to): &(u16, usize)| {
            let slot = Slot { index: *index, ..self.slots[*to].clone() };
            (usize::from(*index), slot)
        };
        self.rows.lock().unwrap().moves = moves.iter().map(one).collect();
    }

    /// Who gave the receipts of the last segment that was kept, by index.
    pub fn holders_of_last(&self) -> BTreeMap<u16, NodeId> {
        let rows = self.rows.lock().unwrap();
        let receipts = rows.segments.last().unwrap().receipts.iter().map(|bytes| PieceReceipt::check(bytes).unwrap());
        receipts.map(|receipt| (receipt.index, receipt.node)).collect()
    }

    /// Names the center has.
    pub fn names(&self) -> usize {
        self.rows.lock().unwrap().versions.len()
    }

    /// The key of a holder.
    pub fn id(&self, index: usize) -> NodeId {
        NodeId(public_of(&self.nodes[index].secret))
    }
}

/// Bitmap of the holders whose receipts verify.
fn have(segment: &WrittenSegment) -> Vec<u8> {
    let mut have = vec![0; 2];
    for receipt in segment.receipts.iter().filter_map(|bytes| PieceReceipt::check(bytes)) {
        have[usize::from(receipt.index / 8)] |= 1 << (receipt.index % 8);
    }
    have
}

impl Rows {
    fn commit(&mut self, commit: wire::storage::Commit) -> Result<Committed, RefusalMsg> {
        let refused = |id| RefusalMsg::new(id, []);
        let record = CommitRecord::check(&commit.record).ok_or_else(|| refused(errors::BAD_SIGNATURE))?;
        assert!(record.covers(&commit.name_sealed, &commit.manifest));
        let line = self.buckets.get_mut(&record.bucket).ok_or_else(|| refused(errors::BUCKET_UNKNOWN))?;
        line.head = line.head.after(&commit.record.clone().try_into().unwrap());
        let head = line.head;
        self.versions.insert(commit.name_sealed.clone(), (commit, record.version));
        Ok(Committed { head, at: now() })
    }

    /// Moves slots when segments come, and refuses those whose receipts are not of who holds the slots now.
    fn answer_after_moves(
        &mut self,
        request: Request,
        scheme: Scheme,
        slots: &mut [Slot],
    ) -> Result<Reply, RefusalMsg> {
        let told: &[WrittenSegment] = match &request {
            Request::SegmentsKeep(keep) => &keep.segments,
            Request::CommitBatch(batch) => &batch.segments,
            _ => &[],
        };
        if !told.is_empty() {
            self.moves.drain(..).for_each(|(at, slot)| slots[at] = slot);
        }
        let mut receipts = told.iter().flat_map(|s| &s.receipts).filter_map(|bytes| PieceReceipt::check(bytes));
        if receipts.any(|receipt| slots[usize::from(receipt.index)].addr.id != receipt.node) {
            return Err(RefusalMsg::new(errors::BAD_RECEIPT, []));
        }
        self.answer(request, scheme, slots)
    }

    fn answer(&mut self, request: Request, scheme: Scheme, slots: &[Slot]) -> Result<Reply, RefusalMsg> {
        let refused = |id| RefusalMsg::new(id, []);
        let pg = PgId(1);
        Ok(match request {
            Request::BucketMake(make) => {
                let line = BucketLine {
                    id: make.id,
                    check: make.check,
                    name_check: make.name_check,
                    label: make.label,
                    at: now(),
                    head: Head::default(),
                    objects: 0,
                    sealed_bytes: 0,
                    class: make.class,
                    regions: make.regions,
                    regions_min: make.regions_min,
                    quota: 0,
                };
                self.buckets.insert(make.id, line);
                Reply::Done
            }
            Request::BucketList => Reply::Buckets(self.buckets.values().cloned().collect()),
            Request::BucketShow(id) => {
                Reply::Buckets(vec![self.buckets.get(&id).cloned().ok_or_else(|| refused(errors::BUCKET_UNKNOWN))?])
            }
            Request::WriteOpen(_) => {
                let all: Vec<u16> = slots.iter().map(|slot| slot.index).collect();
                let (first, spare) = all.split_at(usize::from(scheme.accept));
                let (first, spare) = (first.to_vec(), spare.to_vec());
                Reply::WriteGrant(Box::new(WriteGrant {
                    pg,
                    generation: 1,
                    scheme,
                    slots: slots.to_vec(),
                    first,
                    spare,
                }))
            }
            Request::SegmentsKeep(keep) => {
                let (seq, count) = (self.segments.len() as u64, u32::try_from(keep.segments.len()).unwrap());
                self.segments.extend(keep.segments);
                Reply::SegmentsKept(vec![SegmentRun { pg, seq, count }])
            }
            Request::Commit(commit) => Reply::Committed(self.commit(*commit)?),
            Request::CommitBatch(batch) => {
                let seq = self.segments.len() as u64;
                let runs: Vec<SegmentRun> =
                    (seq..).zip(&batch.segments).map(|(seq, _)| SegmentRun { pg, seq, count: 1 }).collect();
                self.segments.extend(batch.segments);
                let named = batch.commits.into_iter().map(|mut commit| {
                    commit.segments.extend(commit.fresh.iter().map(|at| runs[usize::from(*at)]));
                    self.commit(commit)
                });
                let commits = named.collect();
                Reply::CommitBatch(CommitAnswers { segments: runs, commits })
            }
            Request::StewardDone(done) => {
                for filled in done.segments {
                    let there = self.segments.iter_mut().find(|s| s.id == filled.id).unwrap();
                    there.receipts.extend(filled.receipts);
                }
                Reply::Done
            }
            Request::ReadOpen(ask) => {
                let found = self.versions.get(&ask.name_sealed).ok_or_else(|| refused(errors::OBJECT_UNKNOWN))?;
                let (commit, version) = found.clone();
                let all: Vec<(u64, &WrittenSegment)> = commit
                    .segments
                    .iter()
                    .flat_map(|run| run.seq..run.seq + u64::from(run.count))
                    .map(|seq| (seq, &self.segments[usize::try_from(seq).unwrap()]))
                    .collect();
                let segments = all.iter().skip(ask.first as usize).take(usize::from(ask.limit));
                let segments = segments.map(|(seq, s)| ReadSegment {
                    id: s.id,
                    pg,
                    seq: *seq,
                    sealed_bytes: s.sealed_bytes,
                    have: have(s),
                });
                Reply::ReadGrant(Box::new(ReadGrant {
                    version,
                    manifest: commit.manifest,
                    at: now(),
                    is_dropped: false,
                    segments_count: u32::try_from(all.len()).unwrap(),
                    segments: segments.collect(),
                    groups: vec![ReadGroup { pg, generation: 1, scheme, slots: slots.to_vec() }],
                }))
            }
            _ => return Err(refused(errors::BUG)),
        })
    }
}

async fn serve(endpoint: Endpoint, secret: [u8; 32], does: Arc<Mutex<Holder>>) {
    let shelf = Arc::new(Mutex::new(Shelf::default()));
    while let Some(link) = endpoint.accept().await {
        let (shelf, does) = (Arc::clone(&shelf), Arc::clone(&does));
        tokio::spawn(async move {
            while let Some(stream) = link.accept_stream().await {
                tokio::spawn(one(stream, secret, Arc::clone(&shelf), Arc::clone(&does)));
            }
        });
    }
}

async fn one(mut stream: Stream, secret: [u8; 32], shelf: Arc<Mutex<Shelf>>, does: Arc<Mutex<Holder>>) {
    let Ok(frame) = stream.read_frame(REQUEST_MAX).await else { return };
    let does = *does.lock().unwrap();
    match wire::decode(&frame, REQUEST_MAX) {
        Ok(StreamOpen::PutPiece(put)) => drop(keep(&mut stream, &secret, &shelf, *put, does).await),
        Ok(StreamOpen::GetPiece(get)) => drop(give(&mut stream, &shelf, get, does).await),
        _ => {}
    }
    let _ = stream.finish();
}

async fn keep(
    stream: &mut Stream,
    secret: &[u8; 32],
    shelf: &Mutex<Shelf>,
    open: PutPiece,
    does: Holder,
) -> Result<(), net::NetError> {
    let mut bytes = vec![0; usize::try_from(open.len).unwrap()];
    stream.read_exact(&mut bytes).await?;
    let receipt = PieceReceipt {
        segment: open.segment,
        pg: open.pg,
        index: open.index,
        len: open.len,
        node: NodeId(public_of(secret)),
        serial: [0; 16],
        at: now(),
    };
    let mut signed = receipt.sign(secret).to_vec();
    match does {
        Holder::Silent | Holder::Stalls => return std::future::pending().await,
        Holder::Garbage => return stream.write_frame(b"no message of this protocol").await,
        Holder::Flips => signed[100] ^= 1,
        Holder::Refuses => {
            let refusal = RefusalMsg::new(errors::NOT_LENDING, [("why", "full".to_owned())]);
            return stream.write_frame(&wire::encode(&PieceAnswer::Refused(refusal))).await;
        }
        _ => {}
    }
    shelf.lock().unwrap().pieces.insert(open.segment.0, Kept { open, bytes });
    stream.write_frame(&wire::encode(&PieceAnswer::Kept(signed))).await
}

async fn give(stream: &mut Stream, shelf: &Mutex<Shelf>, get: GetPiece, does: Holder) -> Result<(), net::NetError> {
    let answer = {
        let shelf = shelf.lock().unwrap();
        let asked = shelf.pieces.get(&get.segment.0);
        let other = shelf.pieces.iter().find(|(id, _)| **id != get.segment.0).map(|(_, kept)| kept);
        let Some(kept) = (if does == Holder::Foreign { other.or(asked) } else { asked }) else { return Ok(()) };
        let from = usize::try_from(get.offset).unwrap();
        let len = if get.len == 0 { kept.bytes.len() - from } else { usize::try_from(get.len).unwrap() };
        let mut bytes = kept.bytes[from..(from + len).min(kept.bytes.len())].to_vec();
        let groups = codec::tree::group_hashes(&kept.bytes);
        let group = codec::GROUP_LEN;
        let (first, end) = (from / group, (from + bytes.len()).div_ceil(group));
        let mut range_path = codec::tree::range_path(&groups, first as u64, end as u64).unwrap();
        let mut groups = groups[first..end].to_vec();
        let middle = bytes.len() / 2;
        match does {
            Holder::Flips => bytes[middle] ^= 4,
            Holder::Swaps => bytes.iter_mut().for_each(|b| *b = !*b),
            Holder::BadProof => match range_path.first_mut() {
                Some(hash) => hash[0] ^= 1,
                None => groups[0][0] ^= 1,
            },
            _ => {}
        }
        let head = PieceAnswer::Piece {
            segment_root: kept.open.segment_root,
            piece_root: kept.open.piece_root,
            path: kept.open.path.clone(),
            groups,
            range_path,
            label: Vec::new(),
            piece_len: kept.bytes.len() as u64,
            len: bytes.len() as u64,
        };
        (wire::encode(&head), bytes)
    };
    let (head, bytes) = answer;
    match does {
        Holder::Silent => return std::future::pending().await,
        Holder::Garbage => return stream.write_frame(&[0xff; 300]).await,
        Holder::Refuses => {
            let refusal = RefusalMsg::new(errors::OBJECT_UNKNOWN, []);
            return stream.write_frame(&wire::encode(&PieceAnswer::Refused(refusal))).await;
        }
        _ => {}
    }
    stream.write_frame(&head).await?;
    let whole = if matches!(does, Holder::Cuts | Holder::Stalls) { bytes.len() / 2 } else { bytes.len() };
    stream.write_all(&bytes[..whole]).await?;
    if does == Holder::Stalls {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    }
    Ok(())
}
