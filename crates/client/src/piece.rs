//! One piece on its way to or from its holder.

use crate::buffers::Lent;
use crate::column::Source;
use crate::permits::pay::Paying;
use crate::{Client, ClientError};
use codec::{Layout, PieceProof};
use model::{PgId, SegmentId};
use net::{StreamReader, StreamWriter};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::timeout;
use wire::limits::{REPLY_MAX, REQUEST_MAX};
use wire::signed::PieceReceipt;
use wire::storage::{GetPiece, PieceAnswer, PutPiece, Slot, StreamOpen};

/// Longest dial of a holder.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(6);
/// Longest transfer of one piece.
const PIECE_TIMEOUT: Duration = Duration::from_secs(300);
/// Bytes handed to or taken from the transport at a time.
const STEP: usize = 64 << 10;

/// A segment with the pieces that are to be sent.
pub(crate) struct Coded {
    pub layout: Layout,
    pub roots: codec::SegmentRoots,
    /// By index; empty where the piece is not sent.
    pub pieces: Vec<Lent>,
    /// Sealed label, alike in all pieces.
    pub label: Vec<u8>,
}

impl Coded {
    /// A piece at hand; empty where it is not.
    pub fn piece(&self, index: u16) -> &[u8] {
        self.pieces.get(usize::from(index)).map_or(&[], |piece| piece.as_slice())
    }
}

impl Client {
    /// Sends piece `slot.index` to its holder; the receipt, checked, as bytes. `moved` counts what the transport took.
    pub(crate) async fn send_piece(
        &self,
        pg: PgId,
        slot: &Slot,
        coded: &Coded,
        piece: &[u8],
        moved: &AtomicU64,
    ) -> Result<Vec<u8>, ClientError> {
        let open = PutPiece {
            permit: slot.permit.clone(),
            pg,
            segment: coded.roots.id,
            scheme: coded.layout.scheme,
            sealed_bytes: coded.layout.sealed_bytes,
            segment_root: coded.roots.root,
            index: slot.index,
            piece_root: coded.roots.pieces[usize::from(slot.index)],
            path: coded.roots.path(slot.index),
            label: coded.label.clone(),
            len: piece.len() as u64,
        };
        self.send_put(slot, open, piece, moved).await
    }

    /// Sends a piece as another holder keeps it; its receipt, checked, as bytes.
    pub async fn hand_over(&self, slot: &Slot, open: PutPiece, piece: &[u8]) -> Result<Vec<u8>, ClientError> {
        self.send_put(slot, open, piece, &AtomicU64::new(0)).await
    }

    async fn send_put(
        &self,
        slot: &Slot,
        open: PutPiece,
        piece: &[u8],
        moved: &AtomicU64,
    ) -> Result<Vec<u8>, ClientError> {
        let segment = open.segment;
        let sending = async {
            self.endpoint.learn(slot.addr.clone());
            let link = self.endpoint.connect(slot.addr.id, DIAL_TIMEOUT).await?;
            let mut stream = link.open().await?;
            let head = wire::encode(&StreamOpen::PutPiece(Box::new(open)));
            self.sent.fetch_add(head.len() as u64, Relaxed);
            stream.write_frame(&head).await?;
            for step in piece.chunks(STEP) {
                stream.write_all(step).await?;
                moved.fetch_add(step.len() as u64, Relaxed);
                self.sent.fetch_add(step.len() as u64, Relaxed);
            }
            stream.finish()?;
            match answer(stream.read_frame(REQUEST_MAX).await?)? {
                PieceAnswer::Kept(bytes) => check_receipt(bytes, slot, &segment),
                _ => Err(ClientError::Unexpected("no receipt")),
            }
        };
        timeout(PIECE_TIMEOUT, sending).await.map_err(|_| net::NetError::TimedOut(PIECE_TIMEOUT))?
    }

    /// Asks a holder for a range of its piece, whole groups. What comes is judged by [`Incoming::next`].
    pub(crate) async fn open_piece(
        &self,
        source: &Source,
        slot: &Slot,
        range: Range<u64>,
    ) -> Result<Incoming, ClientError> {
        let Source { pg, id, layout, with_label, locator, .. } = source;
        let (pg, with_label) = (*pg, *with_label);
        self.endpoint.learn(slot.addr.clone());
        let link = self.endpoint.connect(slot.addr.id, DIAL_TIMEOUT).await?;
        self.note_rtt(slot.addr.id, link.rtt());
        let mut stream = link.open().await?;
        let len = range.end - range.start;
        let (index, offset) = (slot.index, range.start);
        let permit = if locator.is_some() { Vec::new() } else { self.permit_for(pg, slot) };
        let mut paying = if locator.is_some() { None } else { self.pay(slot.addr.id, &permit, len) };
        let receipt = paying.as_mut().and_then(|paying| paying.first()).unwrap_or_default();
        let open = GetPiece { permit, pg, segment: *id, index, offset, len, with_label, receipt };
        let open = match locator {
            Some(locator) => StreamOpen::GetLocated(*locator, open),
            None => StreamOpen::GetPiece(open),
        };
        stream.write_frame(&wire::encode(&open)).await?;
        let PieceAnswer::Piece { segment_root, piece_root, path, groups, range_path, label, piece_len, len: coming } =
            answer(stream.read_frame(REPLY_MAX).await?)?
        else {
            return Err(ClientError::Unexpected("no piece"));
        };
        if piece_len != layout.piece_len() || coming != len {
            return Err(ClientError::Unexpected("a piece of another length"));
        }
        let proof = PieceProof { index: slot.index, segment_root, piece_root, path };
        let known = proof.prove(id, layout)?;
        let arrival = known.arrival(range.start / codec::GROUP_LEN as u64, groups, &range_path)?;
        let (writer, reader) = stream.split();
        let proof = proof.to_bytes();
        Ok(Incoming { writer, reader, paying, arrival, left: len, buffer: vec![0; STEP], label, proof })
    }
}

/// A range of a piece on its way in.
pub(crate) struct Incoming {
    writer: StreamWriter,
    reader: StreamReader,
    paying: Option<Paying>,
    arrival: codec::Arrival,
    left: u64,
    buffer: Vec<u8>,
    /// Sealed label, where it was asked for.
    pub label: Vec<u8>,
    /// What leads from the piece's root to the segment's id.
    pub proof: Vec<u8>,
}

impl Incoming {
    /// The next judged bytes, whole groups; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let mut good = Vec::with_capacity(STEP + codec::GROUP_LEN);
        while good.is_empty() {
            if self.left == 0 {
                return Ok(None);
            }
            let step = STEP.min(usize::try_from(self.left).unwrap_or(STEP));
            self.fill(step).await?;
            self.left -= step as u64;
            self.arrival.push(&self.buffer[..step], &mut |group| {
                good.extend_from_slice(group);
                Ok::<(), ClientError>(())
            })?;
        }
        Ok(Some(good))
    }

    /// Reads `step` bytes, and signs ahead as they come.
    async fn fill(&mut self, step: usize) -> Result<(), ClientError> {
        let mut at = 0;
        while at < step {
            let Some(paying) = &mut self.paying else {
                return Ok(self.reader.read_exact(&mut self.buffer[at..step]).await?);
            };
            let moved = paying.moved();
            if let Some(receipt) = paying.due() {
                // A holder that has sent everything reads no more of them.
                let _ = self.writer.write_frame(&receipt).await;
            }
            let read = tokio::select! {
                read = self.reader.read_some(&mut self.buffer[at..step]) => read?,
                () = moved => continue,
            };
            if read == 0 {
                return Err(net::NetError::Cut.into());
            }
            paying.got(read as u64);
            at += read;
        }
        Ok(())
    }
}

pub(crate) fn answer(frame: Vec<u8>) -> Result<PieceAnswer, ClientError> {
    match wire::decode(&frame, REPLY_MAX) {
        Ok(PieceAnswer::Refused(refusal)) => Err(ClientError::Refused(refusal)),
        Ok(answer) => Ok(answer),
        Err(_) => Err(ClientError::Unexpected("no answer of this protocol")),
    }
}

fn check_receipt(bytes: Vec<u8>, slot: &Slot, id: &SegmentId) -> Result<Vec<u8>, ClientError> {
    let receipt =
        PieceReceipt::check(&bytes).filter(|r| r.segment == *id && r.index == slot.index && r.node == slot.addr.id);
    receipt.map(|_| bytes).ok_or(ClientError::Unexpected("a receipt that does not verify"))
}
