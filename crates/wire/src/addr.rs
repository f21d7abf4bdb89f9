//! Where a peer can be reached: its own addresses and the relays it listens at. Told by the peer to the center at
//! check-in, and by the center to those who have a reason to dial it; nobody else is asked.

use crate::limits::{ADDRS_MAX, RELAYS_MAX};
use model::NodeId;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// A relay: where it listens, and the Ed25519 key its self-made certificate must carry. The relay forwards sealed
/// bytes only; pinning its key keeps a stranger from posing as it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RelayHint {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port of the TLS listener.
    pub port: u16,
    /// UDP port of address discovery, 0 where there is none.
    pub quic_port: u16,
    /// Key of its certificate.
    pub key: NodeId,
}

/// A peer's key and the ways to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAddr {
    /// Its key, which the handshake proves.
    pub id: NodeId,
    /// Own addresses, best first.
    pub direct: Vec<SocketAddr>,
    /// Relays it listens at.
    pub relays: Vec<RelayHint>,
}

impl PeerAddr {
    /// A peer of which only the key is known.
    pub const fn key_only(id: NodeId) -> Self {
        Self { id, direct: Vec::new(), relays: Vec::new() }
    }

    /// Cuts the lists to their limits; a peer that says more is not believed more.
    pub fn bounded(mut self) -> Self {
        self.direct.truncate(ADDRS_MAX);
        self.relays.truncate(RELAYS_MAX);
        self.relays.retain(|relay| relay.host.len() <= 253);
        self
    }
}
