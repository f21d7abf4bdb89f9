//! One piece over one stream: to its holder with a receipt back, or from a holder with its proof.

use crate::{Client, ClientError};
use codec::{Encoded, Layout, verify_path};
use model::{PgId, SegmentId};
use std::time::Duration;
use tokio::time::timeout;
use wire::limits::REQUEST_MAX;
use wire::signed::PieceReceipt;
use wire::storage::{GetPiece, PieceAnswer, PutPiece, Slot, StreamOpen};

/// Longest dial of a holder.
const DIAL_TIMEOUT: Duration = Duration::from_secs(6);
/// Longest transfer of one piece.
const PIECE_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes handed to the transport at a time.
const STEP: usize = 64 << 10;
/// Sealed label of a piece; all zero until the account's root seals it.
const LABEL_LEN: usize = 512;

impl Client {
    /// Sends piece `slot.index` to its holder; the receipt, checked, as bytes.
    pub(crate) async fn send_piece(&self, pg: PgId, slot: &Slot, encoded: &Encoded) -> Result<Vec<u8>, ClientError> {
        let sending = async {
            self.endpoint.learn(slot.addr.clone());
            let link = self.endpoint.connect(slot.addr.id, DIAL_TIMEOUT).await?;
            let mut stream = link.open().await?;
            let piece = &encoded.pieces[usize::from(slot.index)];
            let open = PutPiece {
                permit: slot.permit.clone(),
                pg,
                segment: encoded.roots.id,
                scheme: encoded.layout.scheme,
                sealed_bytes: encoded.layout.sealed_bytes,
                segment_root: encoded.roots.root,
                index: slot.index,
                piece_root: encoded.roots.pieces[usize::from(slot.index)],
                path: encoded.roots.path(slot.index),
                label: vec![0; LABEL_LEN],
                len: piece.len() as u64,
            };
            stream.write_frame(&wire::encode(&StreamOpen::PutPiece(Box::new(open)))).await?;
            for step in piece.chunks(STEP) {
                stream.write_all(step).await?;
            }
            stream.finish()?;
            match answer(stream.read_frame(REQUEST_MAX).await?)? {
                PieceAnswer::Kept(bytes) => check_receipt(bytes, slot, &encoded.roots.id),
                _ => Err(ClientError::Unexpected("no receipt")),
            }
        };
        timeout(PIECE_TIMEOUT, sending).await.map_err(|_| net::NetError::TimedOut(PIECE_TIMEOUT))?
    }

    /// Fetches a piece from its holder and judges it against the segment's id.
    pub(crate) async fn fetch_piece(
        &self,
        pg: PgId,
        slot: &Slot,
        id: &SegmentId,
        layout: &Layout,
    ) -> Result<Vec<u8>, ClientError> {
        let fetching = async {
            self.endpoint.learn(slot.addr.clone());
            let link = self.endpoint.connect(slot.addr.id, DIAL_TIMEOUT).await?;
            let mut stream = link.open().await?;
            let open = GetPiece { permit: slot.permit.clone(), pg, segment: *id, index: slot.index, offset: 0, len: 0 };
            stream.write_frame(&wire::encode(&StreamOpen::GetPiece(open))).await?;
            stream.finish()?;
            let PieceAnswer::Piece { segment_root, piece_root, path, piece_len, len, .. } =
                answer(stream.read_frame(REQUEST_MAX).await?)?
            else {
                return Err(ClientError::Unexpected("no piece"));
            };
            if piece_len != layout.piece_len() || len != piece_len {
                return Err(ClientError::Unexpected("a piece of another length"));
            }
            if !verify_path(id, layout, &segment_root, slot.index, &piece_root, &path) {
                return Err(ClientError::Unexpected("a piece that is not of this segment"));
            }
            let mut piece = vec![0; usize::try_from(len).map_err(|_| ClientError::Unexpected("too long"))?];
            for step in piece.chunks_mut(STEP) {
                stream.read_exact(step).await?;
            }
            if codec::tree::piece_root(&piece) == piece_root {
                Ok(piece)
            } else {
                Err(ClientError::Unexpected("a piece with wrong bytes"))
            }
        };
        timeout(PIECE_TIMEOUT, fetching).await.map_err(|_| net::NetError::TimedOut(PIECE_TIMEOUT))?
    }
}

fn answer(frame: Vec<u8>) -> Result<PieceAnswer, ClientError> {
    match wire::decode(&frame, REQUEST_MAX) {
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
