//! A node looks at its own pieces again: a small step whenever the owner leaves room for it, as far as
//! `rules::storage::scrub` wants it by now. How far it is outlives restarts.

use super::{CursorError, Cursors, PieceStore, StoreError};
use model::{Bytes, SegmentId, Span, Stamp};
use rules::storage::scrub::{Due, Round, due, next};

/// Most bytes one step reads.
pub const STEP: Bytes = Bytes::mib(4);
/// A step is made when at least this part of all pieces is due: every eleven minutes of a round of 30 d.
const SHARE_MIN: u64 = u64::MAX / 4_096;

/// Why a step was not made.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    /// The pieces.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// How far it is.
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

/// One step of a round of `length`, when one is due; the number of pieces looked at.
pub async fn step(store: &PieceStore, cursors: &Cursors, length: Span, now: Stamp) -> Result<u64, ScrubError> {
    let mut round = begin(cursors, now)?;
    let up_to = match due(&round, length, now) {
        Due::Rest => u64::MAX,
        Due::UpTo(to) if to.saturating_sub(round.done) >= SHARE_MIN => to,
        Due::UpTo(_) => return Ok(0),
    };
    let report = store.scrub_range(after(round.done), up_to, STEP).await?;
    if !report.damaged.is_empty() {
        tracing::warn!(count = report.damaged.len(), "pieces no longer verify on this disk");
    }
    round.done = if report.round_done { up_to } else { report.last.map_or(round.done, |key| key.place()) };
    if round.done == u64::MAX {
        round = next(&round, length, now);
    }
    cursors.set_round(round)?;
    Ok(report.pieces)
}

/// The round under way; one begins now where there is none, also while the owner leaves no room to look.
pub fn begin(cursors: &Cursors, now: Stamp) -> Result<Round, CursorError> {
    match cursors.round()? {
        // A clock that went back begins anew rather than waiting for years.
        Some(round) if round.began <= now => Ok(round),
        _ => {
            let round = Round { began: now, done: 0 };
            cursors.set_round(round)?;
            Ok(round)
        }
    }
}

/// Behind all pieces of the segments whose ids begin with a number up to `done`.
fn after(done: u64) -> Option<super::PieceKey> {
    let mut id = [0xff; 32];
    id[..8].copy_from_slice(&done.to_be_bytes());
    (done > 0).then_some(super::PieceKey { segment: SegmentId(id), index: u16::MAX })
}
