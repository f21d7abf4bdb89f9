//! Our own relay, embedded in the center: forwards sealed datagrams between machines that cannot reach each other, over
//! TLS, and tells a machine its address as seen from outside. It admits only those whom the center knows.

use crate::error::NetError;
use crate::pin::server_tls;
use iroh_relay::server::{
    Access, AccessControl, CertConfig, ClientRateLimit, ClientRequest, QuicConfig, RelayConfig, Server, ServerConfig,
    TlsConfig,
};
use model::NodeId;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Decides who may use the relay.
pub type Admit = Arc<dyn Fn(NodeId) -> bool + Send + Sync>;

/// How a relay is run.
pub struct RelayServerConfig {
    /// Secret half of the key its certificate carries: the cloud's.
    pub secret: [u8; 32],
    /// TCP address of the TLS listener; port 0 for any.
    pub bind: SocketAddr,
    /// UDP address of address discovery, where it is offered.
    pub bind_quic: Option<SocketAddr>,
    /// Bytes a second taken from one machine.
    pub bytes_per_s: u32,
    /// Who may use it.
    pub admit: Admit,
}

/// A running relay.
pub struct Relay {
    server: Server,
}

struct Gate(Admit);

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

impl AccessControl for Gate {
    async fn on_connect(&self, request: &ClientRequest) -> Access {
        if (self.0)(NodeId(*request.endpoint_id().as_bytes())) {
            Access::Allow
        } else {
            Access::Deny { reason: Some("not a member of this cloud".to_owned()) }
        }
    }
}

impl Relay {
    /// Starts it.
    pub async fn spawn(config: RelayServerConfig) -> Result<Self, NetError> {
        let tls = server_tls(&config.secret).map_err(NetError::Relay)?;
        // The plain listener answers nothing but a liveness question; it stays on this machine.
        let mut relay = RelayConfig::new(([127, 0, 0, 1], 0));
        relay.tls = Some(TlsConfig::new(config.bind, CertConfig::Manual { server_config: tls.clone() }));
        relay.access = Arc::new(Gate(config.admit));
        relay.limits.client_rx = NonZeroU32::new(config.bytes_per_s).map(ClientRateLimit::new);
        let mut server = ServerConfig::default();
        server.relay = Some(relay);
        server.quic = config.bind_quic.map(|addr| {
            let mut quic = QuicConfig::new(addr);
            quic.server_config = Some(tls);
            quic
        });
        let server = Server::spawn(server).await.map_err(|e| NetError::Relay(format!("{e:#}")))?;
        Ok(Self { server })
    }

    /// Port of the TLS listener.
    pub fn port(&self) -> u16 {
        self.server.https_addr().map_or(0, |addr| addr.port())
    }

    /// Port of address discovery, 0 where there is none.
    pub fn quic_port(&self) -> u16 {
        self.server.quic_addr().map_or(0, |addr| addr.port())
    }

    /// Ends it; machines that are connected through it look for another way.
    pub async fn shutdown(self) {
        if let Err(error) = self.server.shutdown().await {
            tracing::warn!(%error, "relay did not end in order");
        }
    }
}
