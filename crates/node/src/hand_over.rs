//! A node that leaves hands over what it holds, and one whose owner lends less than it holds, some of it: piece by piece to the
//! successors that the center names, within the owner's upload.
//!
//! (A) A piece is removed only when its slot is its successor's by the center's word, and only while this node holds more than is
//! lent.

use crate::fleet::owner_loop::OwnerView;
use crate::session::Session;
use crate::steward::pause;
use crate::storage::{PieceKey, PieceStore, StoreError};
use client::Client;
use model::PgId;
use std::sync::Arc;
use tokio::sync::watch;
use wire::storage::{HandOverDone, HandOverWork, PutPiece, ReadSegment};
use wire::{Reply, Request};

/// What handing over needs.
pub struct HandsOver {
    /// Session with the center.
    pub session: Arc<Session>,
    /// The owner's word.
    pub owner: watch::Receiver<OwnerView>,
    /// Speaks to the successors.
    pub client: Client,
    /// The pieces.
    pub store: PieceStore,
}

/// What became of one piece.
enum Sent {
    /// The successor's receipt.
    Taken(Vec<u8>),
    /// It is not here any more.
    Gone,
    /// The successor does not answer: later.
    NotNow,
}

impl HandsOver {
    /// Hands over a part; false when there is nothing to hand over now.
    pub async fn work(&self) -> bool {
        let session = self.client.endpoint().id();
        let Ok(Reply::HandOver(Some(told))) = self.session.ask(Request::HandOverAsk(Some(session))).await else {
            self.session.tell_handing(None);
            return false;
        };
        self.session.tell_handing(Some((told.moving, told.waiting)));
        match told.work {
            Some(work) => self.hand_over(&work).await,
            None => false,
        }
    }

    async fn hand_over(&self, work: &HandOverWork) -> bool {
        let (mut receipts, mut up_to) = (Vec::new(), None);
        for segment in &work.segments {
            match self.send(work, segment).await {
                Sent::Taken(receipt) => receipts.push(receipt),
                Sent::Gone => tracing::info!(segment = %segment.id.short(), "a piece to be handed over is not here"),
                Sent::NotNow => break,
            }
            up_to = Some((segment.pg, segment.seq));
        }
        let Some((pg, up_to)) = up_to else { return false };
        let count = receipts.len();
        let done = HandOverDone { pg, slot: work.target.index, up_to, receipts };
        match self.session.ask(Request::HandOverDone(Box::new(done))).await {
            Ok(Reply::HandedOver(is_over)) => {
                tracing::info!(%pg, slot = work.target.index, count, is_over, "handed over pieces");
                if is_over {
                    self.give_room_back(pg, work.target.index).await;
                }
            }
            Ok(_) => tracing::info!(%pg, "what was handed over was not taken"),
            Err(error) => tracing::info!(%error, "what was handed over was not told; it is told again"),
        }
        true
    }

    /// (A)
    async fn give_room_back(&self, pg: PgId, slot: u16) {
        let usage = self.store.usage();
        if usage.bytes <= usage.lent_bytes {
            return;
        }
        for row in self.store.list_group(pg).into_iter().filter(|row| row.key.index == slot) {
            if let Err(error) = self.store.remove(row.key).await {
                return tracing::warn!(%error, "room was not given back");
            }
        }
    }

    async fn send(&self, work: &HandOverWork, segment: &ReadSegment) -> Sent {
        let key = PieceKey { segment: segment.id, index: work.target.index };
        let (meta, piece) = match self.read(key).await {
            Ok(Some(read)) => read,
            Ok(None) if self.store.is_there() => return Sent::Gone,
            Ok(None) => return Sent::NotNow,
            Err(error) => {
                tracing::warn!(%error, "a piece to be handed over could not be read");
                return Sent::NotNow;
            }
        };
        let len = meta.len;
        let put = PutPiece {
            permit: work.target.permit.clone(),
            pg: segment.pg,
            segment: meta.segment,
            scheme: meta.scheme,
            sealed_bytes: meta.sealed_bytes,
            segment_root: meta.segment_root,
            index: meta.index,
            piece_root: meta.piece_root,
            path: meta.path,
            label: meta.label,
            len,
        };
        let sent = self.client.hand_over(&work.target, put, &piece).await;
        let up = self.owner.borrow().allowance.up;
        tokio::time::sleep(pause(len, up)).await;
        match sent {
            Ok(receipt) => Sent::Taken(receipt),
            Err(error) => {
                tracing::info!(%error, "a successor did not take a piece now");
                Sent::NotNow
            }
        }
    }

    async fn read(&self, key: PieceKey) -> Result<Option<(crate::storage::PieceMeta, Vec<u8>)>, StoreError> {
        let handle = match self.store.get(key).await {
            Ok(Some(handle)) => handle,
            Ok(None) | Err(StoreError::Missing(_) | StoreError::Damaged(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        match handle.read_verified(0, handle.len()).await {
            Ok(range) => Ok(Some((handle.meta().clone(), range.data))),
            Err(StoreError::Missing(_) | StoreError::Damaged(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
