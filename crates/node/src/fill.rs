//! A steward sends data of a fill test: it makes pieces from the center's seeds and sends them to a node that is tested, within
//! its owner's upload (`docs/design/fleet.md` §6). Of what it made it keeps nothing.

use crate::fleet::owner_loop::OwnerView;
use crate::session::Session;
use crate::steward::pause;
use client::Client;
use codec::fill::{FillPiece, PIECE_BYTES, SCHEME};
use model::PgId;
use std::sync::Arc;
use tokio::sync::watch;
use wire::storage::{FillDone, FillWork, LABEL_LEN, PutPiece};
use wire::{Reply, Request};

/// What sending needs.
pub struct FillSender {
    /// Session with the center.
    pub session: Arc<Session>,
    /// The owner's word.
    pub owner: watch::Receiver<OwnerView>,
    /// Speaks to the node that is tested.
    pub client: Client,
}

impl FillSender {
    /// Sends some pieces; false when there was nothing to send.
    pub async fn work(&self) -> bool {
        let session = self.client.endpoint().id();
        let Ok(Reply::FillWork(Some(work))) = self.session.ask(Request::FillAsk(session)).await else {
            return false;
        };
        let mut receipts = Vec::with_capacity(work.pieces.len());
        for one in &work.pieces {
            match self.send(&work, one.seed).await {
                Some(receipt) => receipts.push((one.number, receipt)),
                // It does not take them now: the center asks again.
                None => break,
            }
        }
        let (sent, node) = (receipts.len(), work.target.addr.id.short());
        let done = FillDone { lease: work.lease, receipts };
        match self.session.ask(Request::FillDone(Box::new(done))).await {
            Ok(_) => tracing::info!(sent, %node, "sent data of a fill test"),
            Err(error) => tracing::info!(%error, "what was sent of a fill test was not told; it is sent again"),
        }
        true
    }

    /// One piece; the node's receipt.
    async fn send(&self, work: &FillWork, seed: [u8; 32]) -> Option<Vec<u8>> {
        let piece = tokio::task::spawn_blocking(move || codec::fill::make(&seed)).await.ok()?;
        let sent = self.client.hand_over(&work.target, put(work, &piece), &piece.bytes).await;
        let up = self.owner.borrow().allowance.up;
        tokio::time::sleep(pause(PIECE_BYTES, up)).await;
        sent.inspect_err(|error| tracing::info!(%error, "a node that is tested took no piece now")).ok()
    }
}

fn put(work: &FillWork, piece: &FillPiece) -> PutPiece {
    PutPiece {
        permit: work.target.permit.clone(),
        pg: PgId::FILL,
        segment: piece.id,
        scheme: SCHEME,
        sealed_bytes: PIECE_BYTES,
        segment_root: piece.proof.segment_root,
        index: piece.proof.index,
        piece_root: piece.proof.piece_root,
        path: piece.proof.path.clone(),
        label: vec![0; LABEL_LEN],
        len: PIECE_BYTES,
    }
}
