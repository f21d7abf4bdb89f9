//! One connection to the center with the machine's own key, for a command that has no agent to go through.

use crate::fault::Fault;
use crate::home::Home;
use crate::membership::Membership;
use crate::secret;
use model::{LinkKind, NatKind, errors};
use net::{CallLimits, Endpoint, EndpointConfig, Link, NetError, SecretKey};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use wire::{Envelope, PeerAddr, limits};

/// An endpoint of our own and its link to the center.
pub struct Dialed {
    endpoint: Endpoint,
    link: Link,
}

impl Dialed {
    /// Dials with this home's key; E0211 with what was tried when nobody answers.
    pub async fn to_center(home: &Home, center: PeerAddr, timeout: Duration) -> Result<Self, Fault> {
        let key = secret::load(&home.machine_key())?.ok_or_else(|| Fault::new(errors::NOT_JOINED, []))?;
        let bind = Membership::load(home).ok().and_then(|m| m.bind);
        Self::with_key(&key, bind, center, timeout).await
    }

    /// Dials with a given key.
    pub async fn with_key(
        key: &[u8; 32],
        bind: Option<IpAddr>,
        center: PeerAddr,
        timeout: Duration,
    ) -> Result<Self, Fault> {
        let config = endpoint_config(key, bind, &center, false);
        let endpoint = Endpoint::bind(config).await.map_err(|e| net_fault(&e, "bind"))?;
        endpoint.learn(center.clone());
        match endpoint.connect(center.id, timeout).await {
            Ok(link) => Ok(Self { endpoint, link }),
            Err(error) => {
                endpoint.close().await;
                let direct = center.direct.iter().map(|a| format!("{a} (direct)"));
                let relays = center.relays.iter().map(|r| format!("{}:{} (relay)", r.host, r.port));
                let tried = direct.chain(relays).collect::<Vec<_>>().join(", ");
                Err(Fault::new(errors::NO_ROUTE, [("tried", &tried)]).because(error))
            }
        }
    }

    /// One call; the reply's bytes.
    pub async fn call(&self, envelope: &Envelope, timeout: Duration) -> Result<Vec<u8>, Fault> {
        let limits = CallLimits { max_reply: limits::REPLY_MAX, timeout };
        self.link.call(&envelope.to_bytes(), limits).await.map_err(|e| net_fault(&e, "center"))
    }

    /// How the center is reached.
    pub fn kind(&self) -> LinkKind {
        self.link.kind()
    }

    /// The address in words.
    pub fn shown(&self) -> String {
        self.link.remote_addr().map_or_else(|| "relay".to_owned(), |a| a.to_string())
    }

    /// What kind of address translation this machine stands behind, as far as the endpoint knows.
    pub fn nat(&self) -> NatKind {
        self.endpoint.nat()
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Ends it in order.
    pub async fn close(self) {
        self.endpoint.close().await;
    }
}

/// The endpoint of one machine: its key, its address, its center's relays.
pub fn endpoint_config(key: &[u8; 32], bind: Option<IpAddr>, center: &PeerAddr, accept: bool) -> EndpointConfig {
    let loopback = bind.is_some_and(|ip| ip.is_loopback());
    EndpointConfig {
        bind: bind.map(|ip| SocketAddr::new(ip, 0)).into_iter().collect(),
        relays: center.relays.clone(),
        port_mapping: accept && !loopback,
        accept,
        ..EndpointConfig::new(SecretKey::from_bytes(*key))
    }
}

/// An error of the transport as a command ends with it.
pub fn net_fault(error: &NetError, who: &str) -> Fault {
    let id = if error.is_timeout() { errors::TIMED_OUT } else { errors::CENTER_UNREACHABLE };
    Fault::new(id, [("who", who), ("wait", "30 s"), ("n", "1"), ("m", "1"), ("when", "–")]).because(error)
}
