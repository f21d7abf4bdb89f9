//! Data of a fill test gives way: while little room is left of what the owner lends, its oldest pieces go, so that others' pieces
//! find room (`docs/design/fleet.md` §6).
//!
//! (A) The center hears of it before a piece goes, so that no audit misses it. (B) Nothing but data of a fill test goes.

use crate::storage::{PieceStore, StoreError};
use model::{Bytes, PgId};
use wire::storage::LostPiece;

/// Room that is kept for others' pieces …
const ROOM: Bytes = Bytes::mib(512);
/// … or, of a small offer, one part in so many.
const PART: u64 = 8;
/// Pieces that go at a time: a log's, so that it goes whole.
const STEP: usize = 32;
/// Steps of compaction after it, of so many bytes.
const COMPACT_STEPS: u32 = 8;
const COMPACT_STEP: Bytes = Bytes::mib(16);

/// Pieces that have to go now.
pub fn surplus(store: &PieceStore) -> Vec<LostPiece> {
    let usage = store.usage();
    let free = usage.lent_bytes.saturating_sub(usage.disk_bytes + usage.reserved_bytes);
    if free >= ROOM.0.min(usage.lent_bytes / PART) {
        return Vec::new();
    }
    let oldest = store.oldest_of(PgId::FILL, STEP);
    oldest.into_iter().map(|key| LostPiece { pg: PgId::FILL, segment: key.segment, index: key.index }).collect()
}

/// Removes them, once the center has heard of it, and gives their room back.
pub async fn remove(store: &PieceStore, pieces: &[LostPiece]) -> Result<(), StoreError> {
    for piece in pieces {
        store.remove(crate::storage::PieceKey { segment: piece.segment, index: piece.index }).await?;
    }
    for _ in 0..COMPACT_STEPS {
        if store.compact_step(COMPACT_STEP).await?.done {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
