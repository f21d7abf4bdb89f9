//! A live connection to one peer: calls, streams, and what is known of the way to it.

use crate::endpoint::Tap;
use crate::error::NetError;
use crate::limit::{Bucket, PeerLimits};
use iroh::TransportAddr;
use iroh::endpoint::{Connection, RecvStream, SendStream, VarInt};
use model::{LinkKind, NodeId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Limits of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Longest answer that is read, in bytes.
    pub max_reply: usize,
    /// Longest wait.
    pub timeout: Duration,
}

/// A connection to one peer; clones share it.
#[derive(Clone)]
pub struct Link {
    conn: Connection,
    peer: NodeId,
    bucket: Arc<Bucket>,
    tap: Option<Tap>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({:?}, {})", self.peer, self.kind())
    }
}

impl Link {
    pub(crate) fn new(conn: Connection, limits: PeerLimits, tap: Option<Tap>) -> Self {
        let peer = NodeId(*conn.remote_id().as_bytes());
        let bucket = Arc::new(Bucket::new(limits.streams_per_s, limits.burst, Instant::now()));
        Self { conn, peer, bucket, tap }
    }

    /// Whom it leads to; the handshake has proved the key.
    pub fn peer(&self) -> NodeId {
        self.peer
    }

    /// The way that is used now.
    pub fn kind(&self) -> LinkKind {
        let paths = self.conn.paths();
        let direct = paths.iter().any(|path| path.is_selected() && path.is_ip());
        if direct { LinkKind::Direct } else { LinkKind::Relay }
    }

    /// Address of the peer, where it is reached directly.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        let paths = self.conn.paths();
        let selected = paths.iter().find(|path| path.is_selected() && path.is_ip());
        match selected?.remote_addr() {
            TransportAddr::Ip(addr) => Some(*addr),
            _ => None,
        }
    }

    /// Round trip of the way that is used now.
    pub fn rtt(&self) -> Duration {
        let paths = self.conn.paths();
        paths.iter().find(|path| path.is_selected()).map_or(Duration::ZERO, |path| path.rtt())
    }

    /// True once it is gone.
    pub fn is_closed(&self) -> bool {
        self.conn.close_reason().is_some()
    }

    /// Resolves when it is gone, with the reason.
    pub async fn closed(&self) -> String {
        self.conn.closed().await.to_string()
    }

    /// Ends it; the peer is told `code` and `reason`.
    pub fn close(&self, code: u32, reason: &str) {
        self.conn.close(VarInt::from_u32(code), reason.as_bytes());
    }

    /// One frame out, one frame back.
    pub async fn call(&self, request: &[u8], limits: CallLimits) -> Result<Vec<u8>, NetError> {
        let talk = async {
            let mut stream = self.open().await?;
            stream.write_frame(request).await?;
            stream.finish()?;
            stream.read_frame(limits.max_reply).await
        };
        timeout(limits.timeout, talk).await.map_err(|_| NetError::TimedOut(limits.timeout))?
    }

    /// Opens a stream. Waits while the peer's limit of open streams is reached.
    pub async fn open(&self) -> Result<Stream, NetError> {
        let (send, recv) = self.conn.open_bi().await.map_err(NetError::lost)?;
        Ok(Stream::new(send, recv, self.tap.clone()))
    }

    /// The next stream the peer opens; nothing when the link is gone. A peer over its rate waits here.
    pub async fn accept_stream(&self) -> Option<Stream> {
        let (send, recv) = self.conn.accept_bi().await.ok()?;
        let wait = self.bucket.take(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Some(Stream::new(send, recv, self.tap.clone()))
    }
}

/// Frames and bulk bytes both ways.
pub struct Stream {
    writer: StreamWriter,
    reader: StreamReader,
}

/// The sending half.
pub struct StreamWriter {
    send: SendStream,
    tap: Option<Tap>,
}

/// The receiving half.
pub struct StreamReader {
    recv: RecvStream,
}

impl Stream {
    fn new(send: SendStream, recv: RecvStream, tap: Option<Tap>) -> Self {
        Self { writer: StreamWriter { send, tap }, reader: StreamReader { recv } }
    }

    /// The halves, to be used at the same time.
    pub fn split(self) -> (StreamWriter, StreamReader) {
        (self.writer, self.reader)
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
    /// Sends a frame: its length as u32, then its bytes.
    pub async fn write_frame(&mut self, frame: &[u8]) -> Result<(), NetError> {
        let len = u32::try_from(frame.len())
            .map_err(|_| NetError::TooLong { len: frame.len(), max: wire::limits::FRAME_MAX })?;
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
        self.send.write_all(bytes).await.map_err(NetError::lost)
    }

    /// Nothing more comes from this side.
    pub fn finish(&mut self) -> Result<(), NetError> {
        self.send.finish().map_err(NetError::lost)
    }

    /// Ends this side at once; what was not delivered is dropped.
    pub fn reset(&mut self, code: u32) {
        let _ = self.send.reset(VarInt::from_u32(code));
    }

    /// Waits until the peer has all that was sent, or stopped reading.
    pub async fn delivered(&mut self) -> Result<(), NetError> {
        self.send.stopped().await.map(|_| ()).map_err(NetError::lost)
    }
}

impl StreamReader {
    /// Reads a frame of at most `max` bytes; a longer one is refused before a byte of it is read.
    pub async fn read_frame(&mut self, max: usize) -> Result<Vec<u8>, NetError> {
        let mut len = [0; 4];
        self.read_exact(&mut len).await?;
        let len = usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX);
        if len > max {
            let _ = self.recv.stop(VarInt::from_u32(1));
            return Err(NetError::TooLong { len, max });
        }
        let mut frame = vec![0; len];
        self.read_exact(&mut frame).await?;
        Ok(frame)
    }

    /// Fills `into`.
    pub async fn read_exact(&mut self, into: &mut [u8]) -> Result<(), NetError> {
        use iroh::endpoint::ReadExactError;
        self.recv.read_exact(into).await.map_err(|e| match e {
            ReadExactError::FinishedEarly(_) => NetError::Cut,
            other => NetError::lost(other),
        })
    }

    /// Reads what is there, at least one byte; 0 at the end.
    pub async fn read_some(&mut self, into: &mut [u8]) -> Result<usize, NetError> {
        self.recv.read(into).await.map(|n| n.unwrap_or(0)).map_err(NetError::lost)
    }
}
