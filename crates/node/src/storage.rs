//! The piece store of a node: pieces of others' segments in append-only logs, one folder per placement group, with one
//! SQLite file as their index (`docs/design/storage.md` §13).
//!
//! What it promises:
//! (A) a [`Durable`] is given only after `fdatasync` of the log that holds the piece and, for a new log, `fsync` of its
//!     folder; it stays true through a kill, a power cut and the loss of the index;
//! (B) nothing half written is ever visible: bytes reach a log only after the piece's root was computed and matches;
//! (C) after a failed sync that log takes nothing more, what the failed group wrote is cut off and refused, and what the
//!     log held before is read and verified again;
//! (D) the logs are the truth: the index is dropped and rebuilt when it is missing, damaged or behind;
//! (E) a new piece is refused when it would take the logs beyond what the owner lends or the disk below its floor;
//!     removals (1 KiB each) and one step of compaction may pass the limit for a moment, since they give room back.
//!
//! It leaves out: permits and receipts (the agent's), who holds what (the center's), encryption (the owner's).
//! What is kept of groups beside the pieces: `index/cursors.rs`; who follows them: `follow.rs`; who re-reads pieces: `scrub.rs`.
//! Read next: `store.rs` (the API), `writer.rs` (the one thread that writes), `recover.rs` (a start), `entry.rs` (bytes).

mod compact;
mod disk;
mod entry;
mod error;
pub mod follow;
mod incoming;
mod index;
pub mod mark;
mod read;
mod recover;
pub mod scrub;
mod state;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod writer;

pub use disk::{DiscardingDisk, Disk, StdDisk};
pub use entry::{LABEL_LEN, PATH_MAX, PIECE_BYTES_MAX, PieceKey, PieceMeta};
pub use error::StoreError;
pub use incoming::PieceWriter;
pub use index::cursors::{CursorError, Cursors};
pub use read::{PieceHandle, RangeProof, VerifiedRange};
pub use recover::OpenReport;
pub use store::{CompactReport, Durable, Listed, PieceStore, ScrubReport, StoreLimits, Usage};
