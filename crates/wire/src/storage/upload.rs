//! Messages of objects that come in parts: begun, each part kept by itself, completed by one commit or given up.

use super::{Commit, SegmentRun};
use model::{BucketId, Stamp};
use serde::{Deserialize, Serialize};

/// Begins an object that comes in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadBegin {
    /// The bucket.
    pub bucket: BucketId,
    /// Client-made; the version that it becomes.
    pub upload: [u8; 16],
    /// Sealed name.
    pub name_sealed: Vec<u8>,
    /// Sealed manifest of nothing, which carries the key of all parts.
    pub note: Vec<u8>,
}

/// A part whose segments are kept; it takes the place of an earlier one of its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadPart {
    /// The bucket.
    pub bucket: BucketId,
    /// Of which upload.
    pub upload: [u8; 16],
    /// Its number, 1 to [`crate::limits::PARTS_MAX`].
    pub number: u16,
    /// Its segments in order.
    pub segments: Vec<SegmentRun>,
    /// Its sealed manifest.
    pub note: Vec<u8>,
}

/// Asks for open uploads of a bucket, or for the parts of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadAsk {
    /// The bucket.
    pub bucket: BucketId,
    /// This upload and its parts; none: all uploads.
    pub upload: Option<[u8; 16]>,
    /// Uploads after this id, or with its first two bytes, big-endian, parts after that number.
    pub after: [u8; 16],
    /// At most so many.
    pub limit: u16,
}

/// Open uploads, or one with parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadPage {
    /// Uploads in the order of their ids; one alone where it was asked for.
    pub uploads: Vec<UploadLine>,
    /// Its parts in order, where one was asked for.
    pub parts: Vec<PartLine>,
    /// More follow.
    pub more: bool,
}

/// An open upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadLine {
    /// Its id.
    pub upload: [u8; 16],
    /// Sealed name.
    pub name_sealed: Vec<u8>,
    /// Its sealed note.
    pub note: Vec<u8>,
    /// When it was begun.
    pub at: Stamp,
    /// When the last part came, or it was begun.
    pub changed: Stamp,
}

/// A part that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartLine {
    /// Its number.
    pub number: u16,
    /// Its sealed manifest.
    pub note: Vec<u8>,
    /// When it was kept.
    pub at: Stamp,
}

/// Makes an object of parts: they follow the commit's own segments, in their order. Parts that are not named are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadComplete {
    /// The upload.
    pub upload: [u8; 16],
    /// Numbers of its parts, rising.
    pub parts: Vec<u16>,
    /// [`notes_hash`] of those parts as the writer read them: one that was sent again since is not taken for the one it was.
    pub notes: [u8; 32],
    /// The commit.
    pub commit: Commit,
}

/// Hash over parts: BLAKE3 of the BLAKE3s of their notes, in the order of their numbers.
pub fn notes_hash<'a>(notes: impl IntoIterator<Item = &'a [u8; 32]>) -> [u8; 32] {
    let mut all = blake3::Hasher::new();
    for note in notes {
        all.update(note);
    }
    all.finalize().into()
}
