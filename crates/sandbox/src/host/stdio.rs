//! The ends of the standard streams: input comes from the parent as far as it is asked for, output goes to it in parts, and of
//! standard error the tail is kept and read for progress.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

use crate::attempt::End;
use crate::frame::{self, Reply};

/// Standard output is sent in parts of this size.
const PART_BYTES: usize = 256 << 10;
/// What a line of progress begins with.
const PROGRESS: &[u8] = b"PUMASI progress ";
/// Bytes of a line of progress at most.
const LINE_BYTES_MAX: usize = 64;

/// Where all replies go.
pub(crate) type To = Arc<Mutex<dyn Write + Send>>;

/// A stream to or from the parent is broken: the host's fault, not the guest's.
#[derive(Debug, thiserror::Error)]
#[error("a stream of the sandbox process is broken")]
pub(crate) struct Broken(#[from] io::Error);

/// Sends one reply.
pub(crate) fn send(to: &To, reply: &Reply, body: &[u8]) -> Result<(), Broken> {
    let mut to = to.lock().map_err(|_| Broken(io::Error::other("a writer has panicked")))?;
    Ok(frame::send(&mut *to, reply, body)?)
}

/// Standard input, as far as it was not read.
pub(crate) struct Stdin {
    from: Box<dyn Read + Send>,
    left: u64,
}

impl Stdin {
    /// Input that is the next `bytes` bytes of `from`.
    pub(crate) fn new(from: impl Read + Send + 'static, bytes: u64) -> Self {
        Self { from: Box::new(from), left: bytes }
    }

    /// Fills `room` as far as there is input; how far. Always as far as it goes, however it arrives.
    pub(super) fn read(&mut self, room: &mut [u8]) -> Result<u32, Broken> {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(room.len());
        self.from.read_exact(&mut room[..count])?;
        self.left -= count as u64;
        Ok(count as u32)
    }

    /// Bytes that nobody asked for.
    pub(super) fn left(&self) -> u64 {
        self.left
    }
}

/// Standard output on its way.
pub(crate) struct Out {
    to: To,
    part: Vec<u8>,
    left: u64,
}

impl Out {
    /// Output to `to`, at most `bytes_max`.
    pub(crate) fn new(to: To, bytes_max: u64) -> Self {
        Self { to, part: Vec::new(), left: bytes_max }
    }

    /// Where it goes.
    pub(super) fn to(&self) -> To {
        self.to.clone()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> wasmtime::Result<()> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(End::OutputTooLarge)?;
        if self.part.len() + bytes.len() > PART_BYTES {
            self.flush()?;
        }
        if bytes.len() >= PART_BYTES {
            send(&self.to, &Reply::Output, bytes)?;
        } else {
            self.part.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Sends what was not sent yet.
    pub(crate) fn flush(&mut self) -> Result<(), Broken> {
        if !self.part.is_empty() {
            send(&self.to, &Reply::Output, &self.part)?;
            self.part.clear();
        }
        Ok(())
    }
}

/// Standard error: its tail, and the fraction that its last whole line of progress said.
pub(crate) struct Errors {
    tail: Vec<u8>,
    keep: usize,
    line: Vec<u8>,
}

impl Errors {
    /// Keeps the last `keep_bytes`.
    pub(crate) fn new(keep_bytes: u64) -> Self {
        Self { tail: Vec::new(), keep: usize::try_from(keep_bytes).unwrap_or(usize::MAX), line: Vec::new() }
    }

    /// Takes `bytes`; the progress they tell, if they do.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Option<f32> {
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > self.keep.saturating_mul(2) {
            self.trim();
        }
        let mut told = None;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                told = fraction(&self.line).or(told);
                self.line.clear();
            }
        }
        told
    }

    fn trim(&mut self) {
        let surplus = self.tail.len().saturating_sub(self.keep);
        self.tail.drain(..surplus);
    }

    /// The last bytes.
    pub(super) fn into_tail(mut self) -> Vec<u8> {
        self.trim();
        self.tail
    }
}

/// The fraction of a line `PUMASI progress 0.4`; `None` if it is no such line.
fn fraction(line: &[u8]) -> Option<f32> {
    let number = std::str::from_utf8(line.strip_prefix(PROGRESS)?).ok()?.trim().parse::<f32>().ok()?;
    (0.0..=1.0).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_however_it_is_cut_and_nothing_else_is() {
        let mut errors = Errors::new(10);
        assert_eq!(errors.write(b"PUMASI progress 0.1\nPUMASI progress 0.25\nhm\nPUMASI prog"), Some(0.25));
        assert_eq!(errors.write(b"ress 1"), None);
        assert_eq!(errors.write(b"\n"), Some(1.0));
        for line in
            ["PUMASI progress 2\n", "PUMASI progress -1\n", "PUMASI progress nan\n", " PUMASI progress 0.5\n", "0.5\n"]
        {
            assert_eq!(errors.write(line.as_bytes()), None, "{line}");
        }
        assert_eq!(errors.write(&[b'x'; 1_000]), None);
        assert_eq!(errors.into_tail(), [b'x'; 10]);
    }

    #[test]
    fn output_comes_whole_and_in_order() {
        let pipe = Arc::new(Mutex::new(Vec::new()));
        let mut out = Out::new(pipe.clone(), 2 << 20);
        let mut wanted = Vec::new();
        for size in [1, PART_BYTES - 1, 7, PART_BYTES, 3, PART_BYTES + 1] {
            let bytes = vec![size as u8; size];
            out.write(&bytes).unwrap();
            wanted.extend(bytes);
        }
        out.flush().unwrap();
        let pipe = pipe.lock().unwrap().clone();
        let (mut rest, mut seen) = (pipe.as_slice(), Vec::new());
        while !rest.is_empty() {
            let (_, bytes) = frame::receive::<Reply>(&mut rest).unwrap();
            frame::receive_body(&mut rest, bytes, &mut seen, u64::MAX).unwrap();
        }
        assert_eq!(seen, wanted);
        assert!(out.write(&vec![0; 2 << 20]).unwrap_err().is::<End>());
    }
}
