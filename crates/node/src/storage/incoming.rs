//! A piece on its way in: taken byte by byte, judged whole, durable before it is called so.

use super::entry::{BLOCK, PieceMeta};
use super::error::StoreError;
use super::state::{Health, Shared};
use super::store::{Durable, Inner, blocking};
use super::writer::{Hold, Job};
use codec::tree;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use tokio::sync::oneshot;

/// A piece on its way in. Dropped before [`PieceWriter::commit`] it leaves nothing behind.
pub struct PieceWriter {
    inner: Arc<Inner>,
    meta: PieceMeta,
    bytes: Vec<u8>,
    hold: Hold,
}

impl PieceWriter {
    /// One whose room is reserved; `bytes` begin with an empty block.
    pub(super) const fn new(inner: Arc<Inner>, meta: PieceMeta, bytes: Vec<u8>, hold: Hold) -> Self {
        Self { inner, meta, bytes, hold }
    }

    /// Takes the next bytes; refuses what goes beyond the announced length.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let got = (self.bytes.len() + bytes.len()) as u64 - BLOCK;
        if got > self.meta.len {
            return Err(StoreError::Length { key: self.meta.key(), got, want: self.meta.len });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Judges the piece and makes it durable.
    ///
    /// # Errors
    /// `Length`, `RootMismatch`; `Io` when the disk refused: then the piece is not held.
    pub async fn commit(self) -> Result<Durable, StoreError> {
        let Self { inner, meta, mut bytes, hold } = self;
        let (key, len) = (meta.key(), meta.len);
        let got = bytes.len() as u64 - BLOCK;
        if got != len {
            return Err(StoreError::Length { key, got, want: len });
        }
        let _under_way = UnderWay::begin(&inner.shared);
        // What the piece has taken goes where its bytes go, so that it is right also when this future is dropped.
        let (groups, bytes, hold) = blocking(move || {
            let groups = tree::group_hashes(&bytes[BLOCK as usize..]);
            bytes.extend(groups.iter().flatten());
            (groups, bytes, hold)
        })
        .await?;
        if tree::root_of_groups(&groups) != Some(meta.piece_root) {
            return Err(StoreError::RootMismatch(key));
        }
        if is_held(&inner.shared, &meta).await? {
            return Ok(Durable { len, was_held: true });
        }
        let (reply, done) = oneshot::channel();
        inner.send(Job::Piece { meta: Box::new(meta), bytes, hold, reply })?;
        done.await.map_err(|_| StoreError::Stopped)?.map(|()| Durable { len, was_held: false })
    }
}

/// The very same piece is held, out of the trash and good.
async fn is_held(shared: &Arc<Shared>, meta: &PieceMeta) -> Result<bool, StoreError> {
    let (shared, meta) = (Arc::clone(shared), meta.clone());
    let seen = shared.place(meta.key()).filter(|place| place.health != Health::Damaged);
    if seen.is_none_or(|place| place.trashed_at.is_some()) {
        return Ok(false);
    }
    blocking(move || {
        let _still = shared.moving.read().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = shared.place(meta.key()) else { return false };
        shared.verified(meta.key(), &place).is_ok_and(|(held, _)| held == meta)
    })
    .await
}

struct UnderWay<'a>(&'a Shared);

impl<'a> UnderWay<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.committing.fetch_add(1, Ordering::AcqRel);
        Self(shared)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.committing.fetch_sub(1, Ordering::AcqRel);
    }
}
