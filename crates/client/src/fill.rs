//! A steward's work: the missing pieces of a segment, made from those that stand or from the writer's staged copy, each sent
//! to its slot and judged there against the segment's id (`docs/design/storage.md` §6, step 5).
//!
//! (A) Nothing is sent that does not lead to the segment's id. (B) No more than [`FILL_BYTES_MAX`] of made pieces are in
//! memory. (C) Receipts are told segment by segment: what was done counts, whatever happens next. (D) Pieces of holders that are
//! off are made with the others and kept; when they come on, nothing is gathered again.

use crate::buffers::{Buffers, Lent};
use crate::column::{Columns, Source};
use crate::cut::buffers_for;
use crate::gather::Scratch;
use crate::piece::Coded;
use crate::{Client, ClientError};
use codec::{Encoder, Group, Layout, PieceSet};
use model::{PgId, SegmentId};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::task::JoinSet;
use wire::storage::{FilledSegment, PutPiece, ReadGroup, Slot, StewardAsk, StewardDone, StewardSegment, StewardWork};
use wire::{Reply, Request};

/// Bytes of made pieces in memory.
pub const FILL_BYTES_MAX: u64 = 64 << 20;
/// Pieces on their way at the same time.
const SENDS_OPEN: usize = 8;

/// What was done of a piece of work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filled {
    /// Segments looked at.
    pub segments: usize,
    /// Pieces with receipts.
    pub pieces: usize,
    /// Bytes sent.
    pub bytes: u64,
    /// Segments that could not be done now.
    pub failed: usize,
}

impl Client {
    /// Asks for a steward's work; for that of these staged segments, where some are named.
    pub async fn steward_work(
        &self,
        staged: Vec<wire::storage::SegmentRun>,
    ) -> Result<Option<Box<StewardWork>>, ClientError> {
        let ask = StewardAsk { session: self.endpoint.id(), staged };
        match self.ask(Request::StewardAsk(ask)).await? {
            Reply::StewardWork(work) => Ok(work),
            _ => Err(ClientError::Unexpected("no work of a steward")),
        }
    }

    /// Does it, one segment after another. `copy` gives the sealed bytes and the label of a segment of which this machine has
    /// a copy; `paced` is awaited after each segment with the bytes it moved.
    pub async fn fill<P: Future<Output = ()>>(
        &self,
        work: &StewardWork,
        copy: impl Fn(&StewardSegment) -> Option<(Vec<u8>, Vec<u8>)>,
        paced: impl Fn(u64) -> P,
    ) -> Result<Filled, ClientError> {
        let mut filled = Filled::default();
        let last = work.segments.len();
        for (at, segment) in work.segments.iter().enumerate() {
            filled.segments += 1;
            match self.fill_one(work, segment, copy(segment)).await {
                Ok(Done { receipts, keeps, read }) => {
                    let layout = Layout::new(work.group.scheme, segment.segment.sealed_bytes)?;
                    let bytes = layout.piece_len() * receipts.len() as u64;
                    filled.pieces += receipts.len();
                    filled.bytes += bytes;
                    let s = &segment.segment;
                    let written = FilledSegment { id: s.id, receipts };
                    let kept = if keeps { vec![s.seq] } else { Vec::new() };
                    let is_over = at + 1 == last;
                    let done = StewardDone { lease: work.lease, is_over, segments: vec![written], kept, read };
                    self.tell(done).await?;
                    paced(bytes).await;
                }
                Err(error) => {
                    tracing::info!(%error, segment = %segment.segment.id.short(), "a segment is not filled now");
                    filled.failed += 1;
                    if at + 1 == last {
                        self.tell(StewardDone { lease: work.lease, is_over: true, ..StewardDone::default() }).await?;
                    }
                }
            }
        }
        Ok(filled)
    }

    async fn tell(&self, done: StewardDone) -> Result<(), ClientError> {
        self.ask(Request::StewardDone(Box::new(done))).await.map(drop)
    }

    /// Makes and sends the wanted pieces of one segment.
    async fn fill_one(
        &self,
        work: &StewardWork,
        segment: &StewardSegment,
        copy: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Done, ClientError> {
        let (id, pg) = (segment.segment.id, segment.segment.pg);
        let layout = Layout::new(work.group.scheme, segment.segment.sealed_bytes)?;
        let most = usize::try_from(FILL_BYTES_MAX / layout.piece_len()).unwrap_or(usize::MAX).max(1);
        let wanted: PieceSet = segment.wanted.iter().copied().take(most).collect();
        let later: PieceSet = match (&self.scratch, &copy) {
            (Some(_), None) => segment.later.iter().copied().take(most.saturating_sub(wanted.count())).collect(),
            _ => PieceSet::default(),
        };
        let targets: Vec<Slot> = work.targets.iter().filter(|slot| wanted.contains(slot.index)).cloned().collect();
        if let Some(scratch) = self.scratch.as_ref().filter(|scratch| copy.is_none() && scratch.has_all(&id, wanted)) {
            let receipts = self.send_kept(scratch, pg, (id, layout), &targets).await;
            if !receipts.is_empty() {
                scratch.keep_only(&id, later);
                let keeps = scratch.has_any(&id);
                return Ok(Done { receipts, keeps, read: Vec::new() });
            }
        }
        let made = wanted.iter().chain(later.iter()).collect();
        let (coded, read) = match copy {
            Some((sealed, label)) => {
                let buffers = self.buffers.clone();
                let making = tokio::task::spawn_blocking(move || made_from(&layout, made, &sealed, label, &buffers));
                (making.await.map_err(|_| ClientError::Unexpected("coding ended"))??, Vec::new())
            }
            None => self.gather(&work.group, segment, layout, made).await?,
        };
        if coded.roots.id != id {
            return Err(codec::CodecError::Contradiction(id).into());
        }
        let coded = Arc::new(coded);
        let receipts = self.send_made(pg, Arc::clone(&coded), targets).await;
        let Some(scratch) = self.scratch.clone().filter(|_| !receipts.is_empty()) else {
            return Ok(Done { receipts, keeps: false, read });
        };
        let keeping = tokio::task::spawn_blocking(move || {
            let kept = scratch.keep_made(&coded, later).unwrap_or_else(|error| {
                tracing::info!(%error, "pieces for holders that are off are not kept");
                PieceSet::default()
            });
            scratch.keep_only(&id, kept);
            kept.count() > 0
        });
        Ok(Done { receipts, keeps: keeping.await.unwrap_or(false), read })
    }

    /// Sends kept pieces, each to its slot; the receipts that came.
    async fn send_kept(
        &self,
        scratch: &Scratch,
        pg: PgId,
        (id, layout): (SegmentId, Layout),
        targets: &[Slot],
    ) -> Vec<Vec<u8>> {
        let mut receipts = Vec::with_capacity(targets.len());
        for slot in targets {
            let (from, index) = (scratch.clone(), slot.index);
            let opening = tokio::task::spawn_blocking(move || from.to_send(&id, index, &layout)).await;
            let Ok(Some((proof, label, piece))) = opening else { continue };
            let open = PutPiece {
                permit: slot.permit.clone(),
                pg,
                segment: id,
                scheme: layout.scheme,
                sealed_bytes: layout.sealed_bytes,
                segment_root: proof.segment_root,
                index,
                piece_root: proof.piece_root,
                path: proof.path,
                label,
                len: piece.len() as u64,
            };
            match self.hand_over(slot, open, &piece).await {
                Ok(receipt) => receipts.push(receipt),
                Err(error) => tracing::debug!(%error, "a holder did not take its piece"),
            }
        }
        receipts
    }

    /// Sends made pieces, each to its slot, [`SENDS_OPEN`] at a time; the receipts that came.
    async fn send_made(&self, pg: PgId, coded: Arc<Coded>, targets: Vec<Slot>) -> Vec<Vec<u8>> {
        let (mut sends, mut receipts) = (JoinSet::new(), Vec::with_capacity(targets.len()));
        let mut take = |one: Option<Result<Result<Vec<u8>, ClientError>, tokio::task::JoinError>>| match one {
            Some(Ok(Ok(receipt))) => receipts.push(receipt),
            Some(Ok(Err(error))) => tracing::debug!(%error, "a holder did not take its piece"),
            Some(Err(_)) | None => {}
        };
        for slot in targets {
            if sends.len() >= SENDS_OPEN {
                take(sends.join_next().await);
            }
            let (client, coded) = (self.clone(), Arc::clone(&coded));
            sends.spawn(async move {
                client.send_piece(pg, &slot, &coded, coded.piece(slot.index), &AtomicU64::new(0)).await
            });
        }
        while !sends.is_empty() {
            take(sends.join_next().await);
        }
        receipts
    }

    /// Reads a segment from `k` of its holders, column by column, and codes it anew; with the indexes that were read.
    async fn gather(
        &self,
        group: &ReadGroup,
        segment: &StewardSegment,
        layout: Layout,
        wanted: PieceSet,
    ) -> Result<(Coded, Vec<u16>), ClientError> {
        let s = &segment.segment;
        let holds = |slot: &&Slot| rules::storage::expand::holds(&s.have, usize::from(slot.index));
        let mut slots: Vec<Slot> = group.slots.iter().filter(holds).cloned().collect();
        slots.sort_by_key(|slot| (self.is_shunned(&slot.addr.id), !slot.on, slot.index));
        let on = slots.iter().filter(|slot| slot.on).count();
        let source = Source { pg: s.pg, id: s.id, layout, slots, with_label: true, locator: None };
        if let Some(scratch) = self.scratch.as_ref().filter(|_| on < usize::from(layout.scheme.k)) {
            return self.gather_patiently(scratch, source, wanted).await;
        }
        let mut reading = Columns::new(self.clone(), source, 0..layout.columns())?;
        let mut making = Making::new(&layout, wanted, &self.buffers)?;
        while let Some(column) = reading.next().await? {
            making.push(&column)?;
        }
        let label = reading.label().map(<[u8]>::to_vec);
        let coded = making.finish(layout, label.ok_or(ClientError::Unexpected("a piece without a label"))?)?;
        Ok((coded, reading.brought()))
    }
}

/// What was done of one segment.
struct Done {
    /// Receivers' receipts.
    receipts: Vec<Vec<u8>>,
    /// Pieces are kept for holders that are off.
    keeps: bool,
    /// Indexes that were read, each byte of them proved.
    read: Vec<u16>,
}

/// Codes a whole segment at hand.
fn made_from(
    layout: &Layout,
    wanted: PieceSet,
    sealed: &[u8],
    label: Vec<u8>,
    buffers: &Buffers,
) -> Result<Coded, ClientError> {
    let mut making = Making::new(layout, wanted, buffers)?;
    making.push(sealed)?;
    making.finish(*layout, label)
}

/// Pieces as they are made.
pub(crate) struct Making {
    encoder: Encoder,
    pieces: Vec<Lent>,
}

impl Making {
    pub fn new(layout: &Layout, wanted: PieceSet, buffers: &Buffers) -> Result<Self, ClientError> {
        let len = usize::try_from(layout.piece_len()).unwrap_or(0);
        let pieces = buffers_for(layout, wanted, len, buffers);
        Ok(Self { encoder: Encoder::new(layout, wanted)?, pieces })
    }

    pub fn push(&mut self, sealed: &[u8]) -> Result<(), ClientError> {
        let pieces = &mut self.pieces;
        self.encoder.push(sealed, &mut |group: Group<'_>| {
            pieces[usize::from(group.index)].extend_from_slice(group.bytes);
            Ok::<(), ClientError>(())
        })
    }

    pub fn finish(mut self, layout: Layout, label: Vec<u8>) -> Result<Coded, ClientError> {
        let pieces = &mut self.pieces;
        let made = self.encoder.finish(&mut |group: Group<'_>| {
            pieces[usize::from(group.index)].extend_from_slice(group.bytes);
            Ok::<(), ClientError>(())
        })?;
        Ok(Coded { layout, roots: made.roots, pieces: self.pieces, label })
    }
}
