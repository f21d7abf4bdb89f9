//! What can go wrong between two machines.

use crate::code;
use iroh::endpoint::{ConnectionError, ReadError, TransportErrorCode, VarInt, WriteError};
use std::fmt;
use std::time::Duration;

/// Longest reason of a peer that is kept, in bytes.
const REASON_MAX: usize = 256;

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
    /// The peer ended or refused a stream, with its code (see [`crate::code`]).
    #[error("stream ended by the peer with code {0}")]
    Reset(u32),
    /// Too many links of our own.
    #[error("{0} links are in use, which is the limit")]
    Busy(usize),
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

    pub(crate) fn write(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(code) => Self::Reset(small(code)),
            WriteError::ConnectionLost(cause) => Self::lost(cause),
            other => Self::lost(other),
        }
    }

    pub(crate) fn read(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::Reset(small(code)),
            ReadError::ConnectionLost(cause) => Self::lost(cause),
            other => Self::lost(other),
        }
    }
}

/// Why a link is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer said nothing for too long: killed, asleep, or cut off.
    Silent,
    /// This side closed it.
    Here,
    /// The peer closed it. Before its handshake was over this comes with [`crate::code::DONE`] and no words.
    Peer {
        /// Its code, see [`crate::code`].
        code: u32,
        /// Its words, foreign text of at most 256 bytes.
        reason: String,
    },
    /// The peer knows nothing of it: it was started anew.
    Restarted,
    /// The protocol broke.
    Broken(String),
}

impl From<ConnectionError> for CloseReason {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::TimedOut => Self::Silent,
            // The last way fell silent, which comes a little before the link as a whole does.
            ConnectionError::TransportError(cause) if cause.code == TransportErrorCode::NO_VIABLE_PATH => Self::Silent,
            ConnectionError::LocallyClosed => Self::Here,
            ConnectionError::Reset => Self::Restarted,
            ConnectionError::ApplicationClosed(close) => {
                let words = &close.reason[..close.reason.len().min(REASON_MAX)];
                Self::Peer { code: small(close.error_code), reason: String::from_utf8_lossy(words).into_owned() }
            }
            // RFC 9000 §10.2.3: an orderly close before the peer's handshake is over comes without its code and words.
            ConnectionError::ConnectionClosed(close) if close.error_code == TransportErrorCode::APPLICATION_ERROR => {
                Self::Peer { code: code::DONE, reason: String::new() }
            }
            other => Self::Broken(other.to_string()),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("peer fell silent"),
            Self::Here => f.write_str("closed here"),
            Self::Peer { code, reason } => write!(f, "closed by the peer with code {code}: {}", reason.escape_debug()),
            Self::Restarted => f.write_str("peer was started anew"),
            Self::Broken(cause) => write!(f, "broken: {cause}"),
        }
    }
}

fn small(code: VarInt) -> u32 {
    u32::try_from(code.into_inner()).unwrap_or(u32::MAX)
}
