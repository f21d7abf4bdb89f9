//! The end of a body in signed chunks: the library that reads it takes a connection's end for the body's. Here the last chunk, which is
//! empty and signed like the others, must have come whole.

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What stands before the last chunk's signature.
const LAST: &[u8] = b"0;chunk-signature=";
/// Digits of a signature.
const SIGNATURE: usize = 64;
/// Bytes at the end that are looked at: the last chunk with both of its line ends.
const TAIL: usize = LAST.len() + SIGNATURE + 4;

/// Why a body is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndedError {
    /// The connection.
    #[error("Incomplete: {0}")]
    Cut(#[from] hyper::Error),
    /// It ended before its last chunk.
    #[error("Incomplete: the last chunk did not come")]
    NoLast,
}

/// A body in signed chunks that ends with its last one.
pub(crate) struct Ended {
    body: Incoming,
    tail: Vec<u8>,
    is_over: bool,
}

impl Ended {
    pub fn new(body: Incoming) -> Self {
        Self { body, tail: Vec::with_capacity(2 * TAIL), is_over: false }
    }
}

/// Keeps the last bytes of what went by.
fn remember(tail: &mut Vec<u8>, bytes: &[u8]) {
    tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
    tail.drain(..tail.len().saturating_sub(TAIL));
}

/// Whether a body that ends so had its last chunk.
fn is_whole(tail: &[u8]) -> bool {
    let bare = tail.strip_suffix(b"\r\n").unwrap_or(tail);
    let bare = bare.strip_suffix(b"\r\n").unwrap_or(bare);
    let Some((before, signature)) = bare.split_last_chunk::<SIGNATURE>() else { return false };
    before.ends_with(LAST) && signature.iter().all(u8::is_ascii_hexdigit)
}

impl Body for Ended {
    type Data = Bytes;
    type Error = EndedError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EndedError>>> {
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    remember(&mut self.tail, bytes);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None if self.is_over || is_whole(&self.tail) => Poll::Ready(None),
            None => {
                self.is_over = true;
                Poll::Ready(Some(Err(EndedError::NoLast)))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_last_chunk_is_an_end() {
        let last = format!("abc\r\n0;chunk-signature={}", "a1".repeat(32));
        let of = |text: &str, step: usize| {
            let mut tail = Vec::new();
            text.as_bytes().chunks(step).for_each(|bytes| remember(&mut tail, bytes));
            is_whole(&tail)
        };
        for step in [1, 7, 1_000] {
            for end in ["", "\r\n", "\r\n\r\n"] {
                assert!(of(&format!("{last}{end}"), step));
            }
            for bad in ["", "abc", &last[..last.len() - 1], &last.replace("a1", "x1"), "\r\n\r\n"] {
                assert!(!of(bad, step), "{bad}");
            }
        }
    }
}
