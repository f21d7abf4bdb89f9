//! What parent and child say to each other over two pipes: a head in postcard, then raw bytes.
//!
//! The parent says [`Task`]s, the child answers with [`Reply`]s. Standard input follows its task and is read only as far as the
//! guest asks for it; standard output comes in parts while the guest runs. So neither lies in the child as a whole.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::attempt::{BadModule, End, Limits, Progress};
use crate::walls::Raised;

/// Bytes of a head at most.
const HEAD_BYTES_MAX: u32 = 1 << 20;
/// Bytes of room made for a body before any of it has come.
const ROOM_BYTES: u64 = 1 << 20;

/// What a child is to do, one after the other until its pipe is closed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// The body is a module; answer with [`Reply::Compiled`].
    Compile,
    /// The body is compiled code to run from now on, on a deep stack or not; no answer.
    Load { is_deep: bool },
    /// Run once; no body, but `stdin_bytes` of standard input come behind. Answer with [`Reply::Finished`].
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

/// What a child says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The first word, before it has read anything.
    Ready(Raised),
    /// Answer to [`Task::Compile`]; the body is the compiled code.
    Compiled(Result<(), BadModule>),
    /// The body is the next part of standard output.
    Output,
    /// How far the run is.
    Progress(Progress),
    /// Answer to [`Task::Run`]; the body is the tail of standard error.
    Finished(Result<Ended, String>),
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

impl TooLarge {
    /// The same as an error of a pipe.
    pub(crate) fn of(bytes: u64) -> io::Error {
        io::Error::other(Self { bytes })
    }
}

/// Writes a head and its body.
pub(crate) fn send(pipe: &mut (impl Write + ?Sized), head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let head = postcard::to_stdvec(head).map_err(io::Error::other)?;
    let head_bytes = u32::try_from(head.len()).ok().filter(|bytes| *bytes <= HEAD_BYTES_MAX);
    let head_bytes = head_bytes.ok_or_else(|| io::Error::other("head too large"))?;
    let mut start = head_bytes.to_le_bytes().to_vec();
    start.extend_from_slice(&(body.len() as u64).to_le_bytes());
    start.extend_from_slice(&head);
    pipe.write_all(&start)?;
    pipe.write_all(body)?;
    pipe.flush()
}

/// Reads a head; how many bytes of body follow.
pub(crate) fn receive<T: DeserializeOwned>(pipe: &mut impl Read) -> io::Result<(T, u64)> {
    let mut sizes = [0u8; 12];
    pipe.read_exact(&mut sizes)?;
    let head_bytes = u32::from_le_bytes([sizes[0], sizes[1], sizes[2], sizes[3]]);
    let body_bytes = sizes[4..].iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    if head_bytes > HEAD_BYTES_MAX {
        return Err(TooLarge::of(body_bytes));
    }
    let mut head = vec![0; head_bytes as usize];
    pipe.read_exact(&mut head)?;
    Ok((postcard::from_bytes(&head).map_err(io::Error::other)?, body_bytes))
}

/// Reads a body of `bytes` onto the end of `to`, which then holds at most `most`.
pub(crate) fn receive_body(pipe: &mut impl Read, bytes: u64, to: &mut Vec<u8>, most: u64) -> io::Result<()> {
    let whole = (to.len() as u64).saturating_add(bytes);
    if whole > most {
        return Err(TooLarge::of(whole));
    }
    // Grows with what arrives, not with what is promised.
    to.reserve(bytes.min(ROOM_BYTES) as usize);
    if pipe.take(bytes).read_to_end(to)? as u64 != bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_and_what_is_too_large_does_not() {
        let mut pipe = Vec::new();
        send(&mut pipe, &Reply::Compiled(Err(BadModule::NoStart)), b"abc").unwrap();
        let read = |mut pipe: &[u8], most| {
            let (head, bytes) = receive::<Reply>(&mut pipe)?;
            let mut body = b"_".to_vec();
            receive_body(&mut pipe, bytes, &mut body, most).map(|()| (head, body))
        };
        let (head, body) = read(&pipe, 4).unwrap();
        assert!(matches!(head, Reply::Compiled(Err(BadModule::NoStart))));
        assert_eq!(body, b"_abc");
        assert!(read(&pipe, 3).is_err());
        assert!(read(&pipe[..pipe.len() - 1], 4).is_err());
    }
}
