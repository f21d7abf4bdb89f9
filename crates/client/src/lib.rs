//! A member's side: upload, download, names. Sealing happens here, before a byte leaves the machine.
//!
//! Thin in this version: an object is cut into segments of one circle's placement group, every piece is sent to its holder
//! and the commit needs the scheme's receipts; a read takes the first `k` pieces that prove themselves.
//!
//! (A) Wrong bytes are never delivered: every piece is judged against the segment's id, and the seal judges the rest.
//! (B) A commit is sent only with receipts given after fsync. (C) Too few pieces is told with both numbers, never as
//! missing. (D) Memory is bounded by one segment at a time.

mod bucket;
mod get;
mod piece;
mod put;

pub use bucket::{Bucket, Entry};
pub use get::Got;
pub use put::Put;

use net::{Endpoint, NetError};
use seal::SealError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use wire::{RefusalMsg, Reply, Request};

/// Why storing or reading failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The center or a node said no.
    #[error("{}", .0.id)]
    Refused(RefusalMsg),
    /// Not enough holders took their piece.
    #[error("{have} of {need} holders took their piece ({})", .why.join("; "))]
    TooFewHolders {
        /// Receipts.
        have: usize,
        /// Receipts needed.
        need: usize,
        /// What the others said.
        why: Vec<String>,
    },
    /// Not enough pieces can be read now.
    #[error("{have} of {need} pieces reachable")]
    Unreadable {
        /// Pieces that proved themselves.
        have: usize,
        /// Pieces needed.
        need: usize,
    },
    /// The seal refused.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The code refused.
    #[error(transparent)]
    Codec(#[from] codec::CodecError),
    /// A peer could not be reached.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A local file.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// The center answered what was not asked, or a manifest does not read.
    #[error("unexpected answer: {0}")]
    Unexpected(&'static str),
}

impl From<RefusalMsg> for ClientError {
    fn from(refusal: RefusalMsg) -> Self {
        Self::Refused(refusal)
    }
}

/// An answer of the center on its way.
pub type Answering = Pin<Box<dyn Future<Output = Result<Reply, ClientError>> + Send>>;

/// How this member's side asks its center: over its own link, or through the agent of its machine.
pub type AskCenter = Arc<dyn Fn(Request) -> Answering + Send + Sync>;

/// A member's side.
#[derive(Clone)]
pub struct Client {
    endpoint: Endpoint,
    ask: AskCenter,
}

impl Client {
    /// With an endpoint whose key is the session key of permits, and a way to the center.
    pub fn new(endpoint: Endpoint, ask: AskCenter) -> Self {
        Self { endpoint, ask }
    }

    async fn ask(&self, request: Request) -> Result<Reply, ClientError> {
        Ok((self.ask)(request).await?.into_answer()?)
    }
}

/// How far a transfer is: phase key, bytes done, bytes in all.
pub type Progress<'a> = &'a (dyn Fn(&'static str, u64, u64) + Send + Sync);
