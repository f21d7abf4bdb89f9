//! What can go wrong between two machines.

use std::time::Duration;

/// An error of the transport.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The endpoint could not be made.
    #[error("cannot listen on {addr}: {cause}")]
    Bind {
        /// Where.
        addr: String,
        /// The system's words.
        cause: String,
    },
    /// Nobody was reached.
    #[error("peer cannot be reached: {cause}")]
    Unreachable {
        /// What was tried and how it ended.
        cause: String,
    },
    /// It took too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The link is gone.
    #[error("link lost: {0}")]
    Lost(String),
    /// A frame over its limit.
    #[error("frame has {len} bytes, the limit is {max}")]
    TooLong {
        /// Bytes announced.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The peer ended the stream before it was whole.
    #[error("stream ended early")]
    Cut,
    /// The endpoint was closed on this side.
    #[error("endpoint is closed")]
    Closed,
    /// The relay could not be started.
    #[error("relay cannot be started: {0}")]
    Relay(String),
}

impl NetError {
    /// True when time ran out.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut(_))
    }

    /// The link is gone, in the transport's words.
    pub(crate) fn lost(cause: impl std::fmt::Display) -> Self {
        Self::Lost(cause.to_string())
    }
}
