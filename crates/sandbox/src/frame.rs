//! What parent and child say to each other over two pipes: a head in postcard, then raw bytes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::attempt::{BadModule, End, Limits};
use crate::walls::Raised;

/// Bytes of a head at most.
const HEAD_BYTES_MAX: u32 = 1 << 20;

/// The first word of a child, before it has read anything.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) raised: Raised,
}

/// What a child is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// The body is a module; answer with [`Compiled`].
    Compile,
    /// The body is compiled code, `stdin_bytes` of standard input at its end; answer with [`Finished`].
    Run { order: Order, stdin_bytes: u64 },
}

/// What a run needs besides bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) seed: [u8; 32],
    pub(crate) limits: Limits,
}

/// Answer to [`Task::Compile`]; the body is the compiled code.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Compiled(pub(crate) Result<(), BadModule>);

/// Answer to [`Task::Run`]; the body is standard output, `stderr_bytes` of standard error at its end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) ended: Result<Ended, String>,
    pub(crate) stderr_bytes: u64,
}

/// End and figures of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) end: End,
    pub(crate) fuel: u64,
    pub(crate) peak_memory_bytes: u64,
}

/// A frame with a head or a body over its limit.
#[derive(Debug, thiserror::Error)]
#[error("frame with a body of {bytes} bytes is too large")]
pub(crate) struct TooLarge {
    pub(crate) bytes: u64,
}

/// Writes a head and the parts of its body.
pub(crate) fn send(pipe: &mut impl Write, head: &impl Serialize, body: &[&[u8]]) -> io::Result<()> {
    let head = postcard::to_stdvec(head).map_err(io::Error::other)?;
    let head_bytes = u32::try_from(head.len()).ok().filter(|bytes| *bytes <= HEAD_BYTES_MAX);
    let head_bytes = head_bytes.ok_or_else(|| io::Error::other("head too large"))?;
    let body_bytes = body.iter().map(|part| part.len() as u64).sum::<u64>();
    pipe.write_all(&head_bytes.to_le_bytes())?;
    pipe.write_all(&body_bytes.to_le_bytes())?;
    pipe.write_all(&head)?;
    for part in body {
        pipe.write_all(part)?;
    }
    pipe.flush()
}

/// Reads a head and its body of at most `body_bytes_max`.
pub(crate) fn receive<T: DeserializeOwned>(pipe: &mut impl Read, body_bytes_max: u64) -> io::Result<(T, Vec<u8>)> {
    let mut sizes = [0u8; 12];
    pipe.read_exact(&mut sizes)?;
    let head_bytes = u32::from_le_bytes([sizes[0], sizes[1], sizes[2], sizes[3]]);
    let body_bytes = sizes[4..].iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    if head_bytes > HEAD_BYTES_MAX || body_bytes > body_bytes_max {
        return Err(io::Error::other(TooLarge { bytes: body_bytes }));
    }
    let mut head = vec![0; head_bytes as usize];
    pipe.read_exact(&mut head)?;
    let head = postcard::from_bytes(&head).map_err(io::Error::other)?;
    // Grows with what arrives, not with what is promised.
    let mut body = Vec::new();
    pipe.take(body_bytes).read_to_end(&mut body)?;
    if body.len() as u64 != body_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((head, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_and_what_is_too_large_does_not() {
        let mut pipe = Vec::new();
        send(&mut pipe, &Compiled(Err(BadModule::NoStart)), &[b"ab", b"c"]).unwrap();
        let (head, body) = receive::<Compiled>(&mut pipe.as_slice(), 3).unwrap();
        assert_eq!((head.0, body.as_slice()), (Err(BadModule::NoStart), &b"abc"[..]));
        assert!(receive::<Compiled>(&mut pipe.as_slice(), 2).is_err());
        assert!(receive::<Compiled>(&mut &pipe[..pipe.len() - 1], 3).is_err());
    }
}
