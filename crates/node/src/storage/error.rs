//! What the piece store refuses and what can break in it.

use super::PieceKey;
use model::errors::{self, ErrorId};

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The owner's limit or the disk's floor leaves less room than is needed.
    #[error("no room: {need} bytes needed, {free} free of what is lent")]
    Full {
        /// Bytes that may still be taken.
        free: u64,
        /// Bytes the piece needs with its header and tree.
        need: u64,
    },
    /// The words about the piece are out of bounds.
    #[error("bad piece: {0}")]
    BadMeta(&'static str),
    /// The bytes do not have the promised root, or the root does not lead to the segment's id.
    #[error("piece {0} does not lead to its segment's id")]
    RootMismatch(PieceKey),
    /// Fewer or more bytes came than were announced.
    #[error("piece {key} has {got} bytes, {want} were announced")]
    Length {
        /// The piece.
        key: PieceKey,
        /// Bytes that came, or would have come.
        got: u64,
        /// Bytes announced.
        want: u64,
    },
    /// The stored bytes no longer verify; the piece is marked and counts as lost.
    #[error("piece {0} is damaged on this disk")]
    Damaged(PieceKey),
    /// Not held.
    #[error("piece {0} is not held")]
    Missing(PieceKey),
    /// The range does not lie inside the piece.
    #[error("range {offset}+{len} lies outside the piece")]
    Range {
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
    },
    /// Another process has the store open.
    #[error("the piece store is open in another process")]
    Locked,
    /// The linked SQLite is too old to be trusted.
    #[error("the linked sqlite {found} is older than {need}")]
    OldSqlite {
        /// Version number linked.
        found: i32,
        /// Version number needed.
        need: i32,
    },
    /// The disk refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The index refused.
    #[error("piece index: {0}")]
    Index(#[from] rusqlite::Error),
    /// The store has stopped.
    #[error("the piece store has stopped")]
    Stopped,
}

impl StoreError {
    /// The registered id a refusal to a peer carries.
    pub fn id(&self) -> ErrorId {
        match self {
            Self::Full { .. } => errors::NO_CAPACITY,
            Self::BadMeta(_) | Self::Length { .. } => errors::BAD_VALUE,
            Self::RootMismatch(_) => errors::ROOT_MISMATCH,
            Self::Damaged(_) => errors::DAMAGED,
            Self::Missing(_) => errors::OBJECT_UNKNOWN,
            Self::Range { .. } => errors::BAD_RANGE,
            Self::Locked => errors::ALREADY_RUNNING,
            Self::OldSqlite { .. } => errors::VERSION_SKEW,
            Self::Io { source, .. } => io_id(source),
            Self::Index(_) => errors::DB_UNWRITABLE,
            Self::Stopped => errors::NOT_LENDING,
        }
    }
}

fn io_id(source: &std::io::Error) -> ErrorId {
    match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => errors::DISK_FULL,
        std::io::ErrorKind::ReadOnlyFilesystem => errors::READ_ONLY,
        _ => errors::DB_UNWRITABLE,
    }
}

pub(super) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> StoreError {
    move |source| StoreError::Io { what, source }
}
