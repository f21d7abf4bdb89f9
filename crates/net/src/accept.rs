//! Peers that dial us: handshakes under way and links not yet taken are bounded, and each peer has so many links.

use crate::code;
use crate::endpoint::Tap;
use crate::limit::Gates;
use crate::link::Link;
use iroh::endpoint::{Incoming, VarInt};
use model::NodeId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

/// Handshakes under way, and links that wait behind a full queue, at a time.
const HANDSHAKES_MAX: usize = 256;
/// Longest handshake of a caller.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Accepted links that wait for the caller of `Endpoint::accept`.
pub(crate) const ACCEPT_QUEUE: usize = 256;

/// Takes handshakes until the endpoint is closed.
pub(crate) async fn accept_loop(iroh: iroh::Endpoint, links: mpsc::Sender<Link>, gates: Arc<Gates>, tap: Option<Tap>) {
    let places = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    while let Some(incoming) = iroh.accept().await {
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let (links, gates, tap) = (links.clone(), Arc::clone(&gates), tap.clone());
        tokio::spawn(async move {
            if let Ok(Some(link)) = timeout(HANDSHAKE_TIMEOUT, handshake(incoming, &gates, tap)).await {
                let _ = links.send(link).await; // an error means the endpoint is gone
            }
            drop(place);
        });
    }
}

async fn handshake(incoming: Incoming, gates: &Gates, tap: Option<Tap>) -> Option<Link> {
    let conn = match incoming.accept().ok()?.await {
        Ok(conn) => conn,
        Err(error) => {
            tracing::debug!(%error, "handshake failed");
            return None;
        }
    };
    let gate = gates.of(NodeId(*conn.remote_id().as_bytes()));
    match gates.enter(&gate) {
        Some(place) => Some(Link::new(conn, gate, Some(place), tap, None)),
        None => {
            tracing::debug!(peer = %conn.remote_id().fmt_short(), "too many links");
            conn.close(VarInt::from_u32(code::BUSY), b"too many links");
            None
        }
    }
}
