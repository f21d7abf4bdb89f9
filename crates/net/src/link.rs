//! A live connection to one peer: calls, streams, and what is known of the way to it.

use crate::endpoint::Tap;
use crate::error::{CloseReason, NetError};
use crate::limit::{Gate, Place};
use crate::stream::{SILENCE_MAX, Stream};
use iroh::TransportAddr;
use iroh::endpoint::{Connection, VarInt};
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

/// What went over a link so far, all ways together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkStats {
    /// Bytes of datagrams sent.
    pub sent_bytes: u64,
    /// Bytes of datagrams received.
    pub received_bytes: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Packets that were lost on the way to the peer.
    pub lost_packets: u64,
}

/// A connection to one peer; clones share it. It ends when the last clone and the last stream are dropped.
#[derive(Clone)]
pub struct Link(Arc<Inner>);

struct Inner {
    conn: Connection,
    peer: NodeId,
    gate: Arc<Gate>,
    tap: Option<Tap>,
    _place: Option<Place>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({:?}, {})", self.0.peer, self.kind())
    }
}

impl Link {
    pub(crate) fn new(conn: Connection, gate: Arc<Gate>, place: Option<Place>, tap: Option<Tap>) -> Self {
        let peer = NodeId(*conn.remote_id().as_bytes());
        Self(Arc::new(Inner { conn, peer, gate, tap, _place: place }))
    }

    /// Whom it leads to; the handshake has proved the key.
    pub fn peer(&self) -> NodeId {
        self.0.peer
    }

    /// The way that is used now.
    pub fn kind(&self) -> LinkKind {
        let paths = self.0.conn.paths();
        let direct = paths.iter().any(|path| path.is_selected() && path.is_ip());
        if direct { LinkKind::Direct } else { LinkKind::Relay }
    }

    /// Address of the peer, where it is reached directly.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        let paths = self.0.conn.paths();
        let selected = paths.iter().find(|path| path.is_selected() && path.is_ip());
        match selected?.remote_addr() {
            TransportAddr::Ip(addr) => Some(*addr),
            _ => None,
        }
    }

    /// Round trip of the way that is used now; zero while it is unknown.
    pub fn rtt(&self) -> Duration {
        let paths = self.0.conn.paths();
        paths.iter().find(|path| path.is_selected()).map_or(Duration::ZERO, |path| path.rtt())
    }

    /// What went over it so far.
    pub fn stats(&self) -> LinkStats {
        let stats = self.0.conn.stats();
        LinkStats {
            sent_bytes: stats.udp_tx.bytes,
            received_bytes: stats.udp_rx.bytes,
            sent_packets: stats.sent_packets,
            lost_packets: stats.lost_packets,
        }
    }

    /// True once it is gone.
    pub fn is_closed(&self) -> bool {
        self.0.conn.close_reason().is_some()
    }

    /// Resolves when it is gone, with the reason.
    pub async fn closed(&self) -> CloseReason {
        self.0.conn.closed().await.into()
    }

    /// Ends it; the peer is told `code` and `reason`.
    pub fn close(&self, code: u32, reason: &str) {
        self.0.conn.close(VarInt::from_u32(code), reason.as_bytes());
    }

    /// One frame out, one frame back.
    pub async fn call(&self, request: &[u8], limits: CallLimits) -> Result<Vec<u8>, NetError> {
        let talk = async {
            let mut stream = self.open().await?;
            stream.set_silence(limits.timeout);
            match stream.write_frame(request).await {
                // A peer that stopped reading may still say why.
                Ok(()) | Err(NetError::Reset(_)) => {}
                Err(error) => return Err(error),
            }
            let _ = stream.finish();
            stream.read_frame(limits.max_reply).await
        };
        timeout(limits.timeout, talk).await.map_err(|_| NetError::TimedOut(limits.timeout))?
    }

    /// One frame out, `count` frames back or fewer, all within the limits' time; what `last` makes of them, where it makes
    /// something, goes behind the first.
    pub async fn gather<T>(
        &self,
        request: &[u8],
        (count, limits): (usize, CallLimits),
        last: impl FnOnce(Vec<Vec<u8>>) -> (T, Option<Vec<u8>>),
    ) -> Result<T, NetError> {
        let talk = async {
            let mut stream = self.open().await?;
            stream.set_silence(limits.timeout);
            stream.write_frame(request).await?;
            let mut frames = Vec::with_capacity(count);
            while frames.len() < count {
                match stream.read_frame(limits.max_reply).await {
                    Ok(frame) => frames.push(frame),
                    Err(error) if frames.is_empty() => return Err(error),
                    Err(_) => break,
                }
            }
            Ok((stream, frames))
        };
        let told = timeout(limits.timeout, talk).await.map_err(|_| NetError::TimedOut(limits.timeout))?;
        let (mut stream, frames) = told?;
        let (out, word) = last(frames);
        if let Some(word) = word {
            // Who asked has what it wanted: that the last word is not heard changes nothing for it.
            let _ = stream.write_frame(&word).await;
        }
        let _ = stream.finish();
        Ok(out)
    }

    /// Opens a stream. Waits while the peer's limit of open streams is reached, at most [`SILENCE_MAX`]. The peer hears of
    /// it with the first byte.
    pub async fn open(&self) -> Result<Stream, NetError> {
        let opened = timeout(SILENCE_MAX, self.0.conn.open_bi()).await;
        let (send, recv) = opened.map_err(|_| NetError::TimedOut(SILENCE_MAX))?.map_err(NetError::lost)?;
        Ok(Stream::new(send, recv, self.0.tap.clone(), None))
    }

    /// The next stream the peer opens; nothing when the link is gone. A peer over its rate waits here. May be dropped at
    /// any time without losing a stream.
    pub async fn accept_stream(&self) -> Option<Stream> {
        self.0.gate.streams.pass().await;
        let (send, recv) = self.0.conn.accept_bi().await.ok()?;
        self.0.gate.streams.take(1, Instant::now());
        Some(Stream::new(send, recv, self.0.tap.clone(), Some(Arc::clone(&self.0.gate))))
    }

    /// True while somebody besides the one asking holds it.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}
