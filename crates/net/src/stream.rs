//! Streams of a link: frames (a length, then bytes) and bulk bytes, both ways. No wait is for ever: a peer that neither
//! sends nor takes a byte for [`SILENCE_MAX`] fails the operation, however long the whole transfer is.

use crate::code;
use crate::endpoint::Tap;
use crate::error::NetError;
use crate::limit::Gate;
use iroh::endpoint::{RecvStream, SendStream, VarInt};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use wire::limits::FRAME_MAX;

/// Longest time without a byte inside a read or a write, unless the stream is told another.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Memory grows by so much as a frame arrives: a length alone reserves no more.
const STEP: usize = 64 << 10;

/// Frames and bulk bytes both ways.
pub struct Stream {
    writer: StreamWriter,
    reader: StreamReader,
}

/// The sending half. When dropped, what was written is still delivered and the peer sees an end: bulk bytes need a length
/// that was told before, else a cut cannot be told from the end.
pub struct StreamWriter {
    send: SendStream,
    silence: Duration,
    tap: Option<Tap>,
}

/// The receiving half. When dropped, the peer is told to stop.
pub struct StreamReader {
    recv: RecvStream,
    silence: Duration,
    gate: Option<Arc<Gate>>,
}

impl Stream {
    /// `gate` holds back the frames of a peer that opened the stream.
    pub(crate) fn new(send: SendStream, recv: RecvStream, tap: Option<Tap>, gate: Option<Arc<Gate>>) -> Self {
        let silence = SILENCE_MAX;
        Self { writer: StreamWriter { send, silence, tap }, reader: StreamReader { recv, silence, gate } }
    }

    /// Another longest silence than [`SILENCE_MAX`], for both halves.
    pub fn set_silence(&mut self, silence: Duration) {
        self.writer.silence = silence;
        self.reader.silence = silence;
    }

    /// The halves, to be used at the same time.
    pub fn split(self) -> (StreamWriter, StreamReader) {
        (self.writer, self.reader)
    }

    /// The halves where they are, to be used at the same time.
    pub fn halves(&mut self) -> (&mut StreamWriter, &mut StreamReader) {
        (&mut self.writer, &mut self.reader)
    }

    /// See [`StreamWriter::write_frame`].
    pub async fn write_frame(&mut self, frame: &[u8]) -> Result<(), NetError> {
        self.writer.write_frame(frame).await
    }

    /// See [`StreamWriter::write_all`].
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), NetError> {
        self.writer.write_all(bytes).await
    }

    /// See [`StreamWriter::finish`].
    pub fn finish(&mut self) -> Result<(), NetError> {
        self.writer.finish()
    }

    /// Ends both halves at once; the peer sees `code`.
    pub fn reset(&mut self, code: u32) {
        self.writer.reset(code);
        self.reader.stop(code);
    }

    /// See [`StreamReader::read_frame`].
    pub async fn read_frame(&mut self, max: usize) -> Result<Vec<u8>, NetError> {
        self.reader.read_frame(max).await
    }

    /// See [`StreamReader::read_exact`].
    pub async fn read_exact(&mut self, into: &mut [u8]) -> Result<(), NetError> {
        self.reader.read_exact(into).await
    }

    /// See [`StreamReader::read_some`].
    pub async fn read_some(&mut self, into: &mut [u8]) -> Result<usize, NetError> {
        self.reader.read_some(into).await
    }
}

impl StreamWriter {
    /// Sends a frame: its length as u32, little-endian, then its bytes. At most [`FRAME_MAX`] of them.
    pub async fn write_frame(&mut self, frame: &[u8]) -> Result<(), NetError> {
        let too_long = NetError::TooLong { len: frame.len(), max: FRAME_MAX };
        let len = u32::try_from(frame.len()).ok().filter(|_| frame.len() <= FRAME_MAX).ok_or(too_long)?;
        let mut bytes = Vec::with_capacity(4 + frame.len());
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(frame);
        self.write_all(&bytes).await
    }

    /// Sends bytes; waits while the peer does not read.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), NetError> {
        if let Some(tap) = &self.tap {
            tap(bytes);
        }
        let mut left = bytes;
        while !left.is_empty() {
            let written = timeout(self.silence, self.send.write(left)).await;
            let written = written.map_err(|_| NetError::TimedOut(self.silence))?.map_err(NetError::write)?;
            left = &left[written..];
        }
        Ok(())
    }

    /// Nothing more comes from this side.
    pub fn finish(&mut self) -> Result<(), NetError> {
        self.send.finish().map_err(NetError::lost)
    }

    /// Ends this side at once with `code`; what was not delivered is dropped.
    pub fn reset(&mut self, code: u32) {
        let _ = self.send.reset(VarInt::from_u32(code)); // an error means it has ended already
    }

    /// Waits until the peer's transport has all that was sent and finished, or the peer stopped reading.
    pub async fn delivered(&mut self) -> Result<(), NetError> {
        let stopped = timeout(self.silence, self.send.stopped()).await;
        match stopped.map_err(|_| NetError::TimedOut(self.silence))?.map_err(NetError::lost)? {
            None => Ok(()),
            Some(code) => Err(NetError::Reset(u32::try_from(code.into_inner()).unwrap_or(u32::MAX))),
        }
    }
}

impl StreamReader {
    /// Reads a frame of at most `max` bytes, and never more than [`FRAME_MAX`]; a longer one is refused before a byte of
    /// it is read. A peer over its rate waits here.
    pub async fn read_frame(&mut self, max: usize) -> Result<Vec<u8>, NetError> {
        if let Some(gate) = &self.gate {
            gate.frames.pass().await;
        }
        let mut len = [0; 4];
        self.read_exact(&mut len).await?;
        let (announced, max) = (u32::from_le_bytes(len), max.min(FRAME_MAX));
        let len = usize::try_from(announced).unwrap_or(usize::MAX);
        if len > max {
            self.stop(code::TOO_LONG);
            return Err(NetError::TooLong { len, max });
        }
        if let Some(gate) = &self.gate {
            gate.frames.take(announced + 4, Instant::now());
        }
        let mut frame = Vec::new();
        while frame.len() < len {
            let at = frame.len();
            frame.resize(len.min(at + STEP), 0);
            self.read_exact(&mut frame[at..]).await?;
        }
        Ok(frame)
    }

    /// Fills `into`.
    pub async fn read_exact(&mut self, into: &mut [u8]) -> Result<(), NetError> {
        let mut at = 0;
        while at < into.len() {
            match self.read_some(&mut into[at..]).await? {
                0 => return Err(NetError::Cut),
                n => at += n,
            }
        }
        Ok(())
    }

    /// Reads what is there, at least one byte; 0 at the end.
    pub async fn read_some(&mut self, into: &mut [u8]) -> Result<usize, NetError> {
        let read = timeout(self.silence, self.recv.read(into)).await;
        let read = read.map_err(|_| NetError::TimedOut(self.silence))?;
        read.map(|n| n.unwrap_or(0)).map_err(NetError::read)
    }

    /// Tells the peer with `code` that nothing more is read.
    pub fn stop(&mut self, code: u32) {
        let _ = self.recv.stop(VarInt::from_u32(code)); // an error means it has ended already
    }
}
