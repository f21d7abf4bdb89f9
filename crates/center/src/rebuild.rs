//! A center that lost its database is made anew, or goes back to an older one, and is told again what there is by those who have
//! it (`docs/design/storage.md` §15): nodes by the center's own word on them and by digests of their slots, owners by their
//! account's copy in the pool and their buckets' logs. Whose a place in a group is, and how long what was told is kept,
//! [`rules::storage::rebuild`] says.
//!
//! (A) Nobody comes in by this that the cloud had not taken in before: every way begins with a word signed by the cloud key from
//! before the loss. (B) What a node tells makes segments only by their own commitments, so that a liar adds what nobody names.
//! (C) An owner's changes come back as one chain of signed records or not at all. (D) Told twice is told once.

mod digests;
mod enrol;
mod replay;
pub mod store;

pub use digests::{holders, slot_digests};
pub use enrol::{account_bring, enrol, slot_mine, vouch};
pub use replay::{replay, segment_ids, segments_find};

use crate::Center;
use crate::db::{Db, StoreError, meta};
use crate::refuse::{Refused, not_allowed};
use model::Stamp;

/// When the center was rebuilt or restored last, milliseconds since 1970 as 8 bytes, little-endian.
pub const META_REBUILT: &str = "rebuilt_at";

/// When that was, as the database says; none where it never was.
pub async fn rebuilt(db: &Db) -> Result<Option<Stamp>, StoreError> {
    let found = db.read(|q| Ok(meta::get(q, META_REBUILT)?)).await?;
    Ok(found.and_then(|bytes| bytes.try_into().ok()).map(|bytes| Stamp(u64::from_le_bytes(bytes))))
}

/// Refuses with E0106 what only a center that lost something takes.
fn must_be_rebuilt(center: &Center) -> Result<Stamp, Refused> {
    center.rebuilt().ok_or_else(|| Refused(not_allowed("a machine", "tell again", "what this center never lost")))
}
