//! Bytes of one message: postcard inside, a length before it on the stream. Decoding checks the limit first and
//! refuses what is left over.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// More bytes than the limit of this message.
    #[error("message has {len} bytes, the limit is {max}")]
    TooLong {
        /// Bytes there were.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Not the bytes of this message.
    #[error("message is malformed")]
    Malformed,
    /// The sender speaks another version.
    #[error("message is of wire version {have}, this program speaks {need}")]
    Version {
        /// Version of the message.
        have: u16,
        /// Version spoken here.
        need: u16,
    },
}

/// Bytes of a message.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::to_stdvec(message).expect("messages hold nothing that postcard cannot write")
}

/// The message in `bytes`, of which there may be at most `max`, none left over.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, WireError> {
    if bytes.len() > max {
        return Err(WireError::TooLong { len: bytes.len(), max });
    }
    let (message, rest) = postcard::take_from_bytes(bytes).map_err(|_| WireError::Malformed)?;
    if rest.is_empty() { Ok(message) } else { Err(WireError::Malformed) }
}
