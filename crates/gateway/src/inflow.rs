//! A body on its way in, before anything reads it: it comes in time, is no longer than it may be, and where it comes in chunks no chunk
//! is longer than memory is kept for, and the last one, which is empty, came whole. The library behind takes a connection's end for
//! the body's, and holds a signed chunk until it has all of it.

use crate::limits::{BODY_RATE_MIN, BODY_STALL, CHUNK_BYTES_MAX, RAW_BYTES_MAX};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Longest line before a chunk: its length in hex, and a signature.
const LINE_MAX: usize = 256;
/// What stands before a chunk's signature.
const SIGNATURE: &[u8] = b"chunk-signature=";
/// Digits of a signature.
const SIGNATURE_LEN: usize = 64;

/// Why a body is none. The first word tells the kind, as the library behind hands on words only.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InflowError {
    /// The connection.
    #[error("Incomplete: {0}")]
    Cut(#[from] hyper::Error),
    /// It ended before its last chunk.
    #[error("Incomplete: the last chunk did not come")]
    NoLast,
    /// No byte for too long, or too few.
    #[error("TooSlow: bytes of the body come too slowly")]
    Slow,
    /// More than any request may bring.
    #[error("TooLong: the body has more bytes than a request may have")]
    Long,
    /// A chunk that would be held whole.
    #[error("TooLarge: a chunk has at most {CHUNK_BYTES_MAX} bytes")]
    Chunk,
    /// A line that is none of a chunk's.
    #[error("Format: what stands before a chunk is not its length")]
    Line,
}

/// How a body is cut into chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunks {
    /// Not at all.
    None,
    /// Each is signed, the last one too.
    Signed,
    /// Headers come behind the last one, which the reader demands.
    WithTrailer,
}

/// Where in the chunks a body is.
#[derive(Debug, PartialEq, Eq)]
enum At {
    /// In the line before a chunk.
    Line(Vec<u8>),
    /// In a chunk; so many bytes with its line's end are to come.
    Data(u64),
    /// Behind the last one.
    Last,
}

/// Follows the chunks of a body.
struct Framing {
    is_signed: bool,
    at: At,
}

impl Framing {
    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), InflowError> {
        while !bytes.is_empty() {
            match &mut self.at {
                At::Last => return Ok(()),
                At::Data(left) => {
                    let len = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= len as u64;
                    bytes = &bytes[len..];
                    if *left == 0 {
                        self.at = At::Line(Vec::new());
                    }
                }
                At::Line(line) => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let len = end.map_or(bytes.len(), |end| end + 1);
                    if line.len() + len > LINE_MAX {
                        return Err(InflowError::Line);
                    }
                    line.extend_from_slice(&bytes[..len]);
                    bytes = &bytes[len..];
                    // The end of the whole need not have a line's end.
                    if end.is_some() || (self.is_signed && is_last(line)) {
                        self.at = next(line, self.is_signed)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a line that may go on is that of the last chunk already.
fn is_last(line: &[u8]) -> bool {
    let signature = line.strip_prefix(b"0;").and_then(|rest| rest.strip_prefix(SIGNATURE));
    signature.is_some_and(|digits| digits.len() == SIGNATURE_LEN)
}

fn next(line: &[u8], is_signed: bool) -> Result<At, InflowError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut fields = line.splitn(2, |byte| *byte == b';');
    let digits = fields.next().unwrap_or_default();
    let len = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
    let len = len.and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or(InflowError::Line)?;
    let signature = fields.next().and_then(|rest| rest.strip_prefix(SIGNATURE)).unwrap_or_default();
    let is_one = signature.len() == SIGNATURE_LEN && signature.iter().all(u8::is_ascii_hexdigit);
    match len {
        len if len > CHUNK_BYTES_MAX => Err(InflowError::Chunk),
        _ if is_signed && !is_one => Err(InflowError::Line),
        0 => Ok(At::Last),
        len => Ok(At::Data(len + 2)),
    }
}

/// A body that is watched.
pub(crate) struct Inflow {
    body: Incoming,
    framing: Option<Framing>,
    bytes: u64,
    /// Since when nothing came, with the end of patience.
    idle: Option<(Instant, Pin<Box<Sleep>>)>,
    /// How long it was waited in all.
    waited: Duration,
    is_over: bool,
}

impl Inflow {
    /// Of a body in such chunks.
    pub fn new(body: Incoming, chunks: Chunks) -> Self {
        let framing = match chunks {
            Chunks::None => None,
            kind => Some(Framing { is_signed: kind == Chunks::Signed, at: At::Line(Vec::new()) }),
        };
        Self { body, framing, bytes: 0, idle: None, waited: Duration::ZERO, is_over: false }
    }

    fn took(&mut self, bytes: &Bytes) -> Result<(), InflowError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > RAW_BYTES_MAX {
            return Err(InflowError::Long);
        }
        if self.waited > BODY_STALL && self.bytes < self.waited.as_secs() * BODY_RATE_MIN {
            return Err(InflowError::Slow);
        }
        self.framing.as_mut().map_or(Ok(()), |framing| framing.follow(bytes))
    }
}

impl Body for Inflow {
    type Data = Bytes;
    type Error = InflowError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, InflowError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            let (_, patience) = self.idle.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(BODY_STALL))));
            ready!(patience.as_mut().poll(cx));
            self.is_over = true;
            return Poll::Ready(Some(Err(InflowError::Slow)));
        };
        if let Some((since, _)) = self.idle.take() {
            self.waited += since.elapsed();
        }
        let judged = match frame {
            Some(Ok(frame)) => frame.data_ref().map_or(Ok(()), |bytes| self.took(bytes)).map(|()| Some(frame)),
            Some(Err(error)) => Err(error.into()),
            None if self.framing.as_ref().is_some_and(|f| f.is_signed && f.at != At::Last) => Err(InflowError::NoLast),
            None => Ok(None),
        };
        self.is_over = !matches!(judged, Ok(Some(_)));
        Poll::Ready(judged.transpose())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(text: &[u8], step: usize, is_signed: bool) -> Result<At, String> {
        let mut framing = Framing { is_signed, at: At::Line(Vec::new()) };
        for bytes in text.chunks(step) {
            framing.follow(bytes).map_err(|error| error.to_string())?;
        }
        Ok(framing.at)
    }

    #[test]
    fn only_a_whole_last_chunk_is_an_end() {
        let signature = "a1".repeat(32);
        let last = format!("3;chunk-signature={signature}\r\nabc\r\n0;chunk-signature={signature}");
        for step in [1, 7, 1_000] {
            for end in ["", "\r\n", "\r\n\r\n"] {
                assert_eq!(follow(format!("{last}{end}").as_bytes(), step, true), Ok(At::Last), "{step} {end:?}");
            }
            for cut in [1, 30, 60, last.len() - 1] {
                assert_ne!(follow(&last.as_bytes()[..cut], step, true), Ok(At::Last), "{step} {cut}");
            }
            let no_digits = last.replace("a1", "x1");
            assert!(follow(no_digits.as_bytes(), step, true).is_err_and(|why| why.starts_with("Format")));
        }
    }

    #[test]
    fn chunks_have_a_length_and_no_more_than_is_held() {
        let signature = "0".repeat(64);
        let of = |head: &str| follow(format!("{head}\r\n").as_bytes(), 5, false);
        assert_eq!(of("1000"), Ok(At::Data(4_098)));
        assert_eq!(of(&format!("ff;chunk-signature={signature}")), Ok(At::Data(257)));
        for bad in ["", "g", "-1", "+1", &"1".repeat(40), &"0".repeat(300)] {
            assert!(of(bad).is_err_and(|why| why.starts_with("Format")), "{bad}");
        }
        let too_long = format!("{:x}", CHUNK_BYTES_MAX + 1);
        assert!(of(&too_long).is_err_and(|why| why.starts_with("TooLarge")));
        assert_eq!(of("0\r\nx-amz-checksum-crc32:AAAA=="), Ok(At::Last));
    }
}
