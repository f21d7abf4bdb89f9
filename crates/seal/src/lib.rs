//! Keys: hierarchy, sealing of content and names. The center never imports this room.
//!
//! Layouts are format 1 of `docs/design/security.md` §4. Randomness is an argument. Secret types have no printed form and are
//! zeroed when dropped.
//!
//! (A) Nothing opens that was not sealed under this key with this header, in this order, whole. (B) A header is bound to one
//! key by a commitment that is compared before anything is opened. (C) A wrong key says so, never "empty".

mod account_copy;
pub mod bucket;
pub mod content;
pub mod facts;
pub mod kernel;
pub mod keybag;
pub mod keys;
pub mod label;
pub mod local;
pub mod manifest;
pub mod name;
pub mod parts;
pub mod phrase;
pub mod sealed_box;

pub use account_copy::AccountLabel;
pub use bucket::BucketKeys;
pub use content::{
    CHUNK_LEN, Header, Opener, Role, SEALED_CHUNK, Sealer, chunk_count, open_range, open_run, padded_len, seal_run,
    sealed_len,
};
pub use facts::{Checksum, ChecksumKind, Etag, FACTS_MAX, Fact, Facts, ServedHeader};
pub use keybag::{KEYBAG_MAX, Keybag};
pub use keys::{AccountRoot, ContentKey, PathKey, Purpose, Wrapped, part_key};
pub use label::{LABEL_LEN, Label, LabelKey, LabelKind, LabelName};
pub use local::LocalKey;
pub use manifest::{Body, INLINE_MAX, Inline, Manifest, inline_fits, is_whole, segments_hash};
pub(crate) use name::NameKey;
pub use name::log_from;
pub use parts::{PARTS_INLINE, PARTS_MAX, Part};
pub use phrase::{PHRASE_WORDS, Phrase, PhraseError, PhraseList};
pub use sealed_box::{BOX_KEY_LEN, BOX_LEN, BoxKey, BoxPurpose, BoxSecret};

/// Why something does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another key sealed it (E0112).
    #[error("this key cannot open it")]
    WrongKey,
    /// The header is not bound to this key (E0119).
    #[error("the header is not bound to this key")]
    Commitment,
    /// Bytes were changed, moved, cut or are no sealed bytes at all (E0308).
    #[error("sealed bytes fail their check at chunk {chunk}")]
    Damaged {
        /// Which chunk.
        chunk: u64,
    },
    /// Not a header of this format.
    #[error("not a header of format 1")]
    Header,
    /// Longer than the format allows.
    #[error("too long")]
    TooLong,
    /// Not a name (E0310).
    #[error("not a name: {0}")]
    Name(&'static str),
}
