//! The endpoint of one process: binds, dials by key, accepts.

use crate::error::NetError;
use crate::limit::PeerLimits;
use crate::link::Link;
use crate::pin::{PinnedVerifier, Pins};
use iroh::endpoint::{Incoming, PortmapperConfig, QuicTransportConfig, VarInt, presets};
use iroh::{
    EndpointAddr, EndpointId, NetReportConfig, RelayConfig, RelayMap, RelayMode, RelayUrl, TransportAddr, Watcher,
};
use iroh_relay::RelayQuicConfig;
use iroh_relay::tls::CaTlsConfig;
use model::program::ALPN;
use model::{NatKind, NodeId};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc};
use tokio::time::timeout;
use wire::{PeerAddr, RelayHint};

/// A peer that says nothing for so long is gone.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(9);
/// A quiet link says this often that it lives.
pub const KEEP_ALIVE: Duration = Duration::from_millis(2_500);
/// Peers whose addresses are remembered.
pub const LEARNED_MAX: usize = 4_096;
/// Handshakes under way at a time.
const HANDSHAKES_MAX: usize = 256;
/// Longest handshake of a caller.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Accepted links that wait for the caller of [`Endpoint::accept`].
const ACCEPT_QUEUE: usize = 256;
/// Receive window of a stream: more lets one lossy stream end its whole connection (reassembly limit of the transport).
const STREAM_WINDOW: u32 = 2 << 20;
/// Receive window of a connection.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Sees every byte that is sent, before the transport seals it. For tests that look for planted secrets.
pub type Tap = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// A secret Ed25519 key, without a printed form.
#[derive(Clone)]
pub struct SecretKey(iroh::SecretKey);

impl SecretKey {
    /// From its 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(iroh::SecretKey::from_bytes(&bytes))
    }

    /// The public half.
    pub fn id(&self) -> NodeId {
        NodeId(*self.0.public().as_bytes())
    }
}

/// How an endpoint is made.
pub struct EndpointConfig {
    /// Who it is.
    pub secret: SecretKey,
    /// Addresses to bind; empty means all, any port.
    pub bind: Vec<SocketAddr>,
    /// Relays it listens at and may dial through.
    pub relays: Vec<RelayHint>,
    /// Ask the router for a port.
    pub port_mapping: bool,
    /// Take calls.
    pub accept: bool,
    /// Use UDP of its own; without it everything goes over the relay.
    pub udp: bool,
    /// What one peer may ask.
    pub limits: PeerLimits,
    /// Sees what is sent.
    pub tap: Option<Tap>,
}

impl EndpointConfig {
    /// Everything at its default: all addresses, no relay, no port mapping, takes calls.
    pub fn new(secret: SecretKey) -> Self {
        Self {
            secret,
            bind: Vec::new(),
            relays: Vec::new(),
            port_mapping: false,
            accept: true,
            udp: true,
            limits: PeerLimits::default(),
            tap: None,
        }
    }
}

/// How far it got in going online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Own addresses.
    pub direct: Vec<SocketAddr>,
    /// A relay answers.
    pub relay: bool,
}

/// One per process; clones share it.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    iroh: iroh::Endpoint,
    bind: Vec<SocketAddr>,
    relays: Vec<RelayHint>,
    pins: Pins,
    learned: Mutex<BTreeMap<NodeId, PeerAddr>>,
    dialed: Mutex<BTreeMap<NodeId, Arc<AsyncMutex<Option<Link>>>>>,
    accepted: AsyncMutex<mpsc::Receiver<Link>>,
    limits: PeerLimits,
    tap: Option<Tap>,
}

impl Endpoint {
    /// Binds. Contacts nobody but the relays named.
    pub async fn bind(config: EndpointConfig) -> Result<Self, NetError> {
        let shown = || config.bind.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let failed = |cause: String| NetError::Bind { addr: shown(), cause };
        let pins = Pins::default();
        config.relays.iter().for_each(|relay| pins.add(relay.key.0));
        let verifier_pins = pins.clone();
        let ca = CaTlsConfig::custom_server_cert_verifier(Arc::new(move |provider| {
            Ok(Arc::new(PinnedVerifier::new(verifier_pins.clone(), provider)))
        }));
        let mut builder = iroh::Endpoint::builder(presets::Minimal)
            .secret_key(config.secret.0.clone())
            .relay_mode(relay_mode(&config.relays).map_err(&failed)?)
            .ca_tls_config(ca)
            .transport_config(transport(config.limits))
            .net_report_config(report_config())
            .portmapper_config(if config.port_mapping {
                PortmapperConfig::default()
            } else {
                PortmapperConfig::Disabled
            });
        if config.accept {
            builder = builder.alpns(vec![ALPN.to_vec()]);
        }
        if !config.udp || !config.bind.is_empty() {
            builder = builder.clear_ip_transports();
        }
        if config.udp {
            for addr in &config.bind {
                builder = builder.bind_addr(*addr).map_err(|e| failed(e.to_string()))?;
            }
        }
        let iroh = builder.bind().await.map_err(|e| failed(format!("{e:#}")))?;
        let (accept_send, accept_recv) = mpsc::channel(ACCEPT_QUEUE);
        if config.accept {
            tokio::spawn(accept_loop(iroh.clone(), accept_send, config.limits, config.tap.clone()));
        }
        Ok(Self(Arc::new(Inner {
            iroh,
            bind: config.bind,
            relays: config.relays,
            pins,
            learned: Mutex::default(),
            dialed: Mutex::default(),
            accepted: AsyncMutex::new(accept_recv),
            limits: config.limits,
            tap: config.tap,
        })))
    }

    /// Who it is.
    pub fn id(&self) -> NodeId {
        NodeId(*self.0.iroh.id().as_bytes())
    }

    /// Where it can be reached now: bound addresses first, then those found, then relays.
    pub fn addr(&self) -> PeerAddr {
        let bound = self.0.iroh.bound_sockets().into_iter().filter(|addr| !addr.ip().is_unspecified());
        let found = self.0.iroh.addr();
        let mut direct: Vec<SocketAddr> = bound.collect();
        direct.extend(found.ip_addrs().copied().filter(|addr| self.0.bind.is_empty() || !addr.ip().is_loopback()));
        let mut seen = std::collections::BTreeSet::new();
        direct.retain(|addr| seen.insert(*addr));
        let homes: Vec<&RelayUrl> = found.relay_urls().collect();
        let relays = self.0.relays.iter().filter(|hint| relay_url(hint).is_ok_and(|url| homes.contains(&&url)));
        PeerAddr { id: self.id(), direct, relays: relays.cloned().collect() }.bounded()
    }

    /// Waits until a relay answers or `wait` is over; at once when it has no relay.
    pub async fn online(&self, wait: Duration) -> Reach {
        let relay = !self.0.relays.is_empty() && timeout(wait, self.0.iroh.online()).await.is_ok();
        Reach { direct: self.addr().direct, relay }
    }

    /// What kind of address translation it stands behind, as far as its relay could tell.
    pub fn nat(&self) -> NatKind {
        let Some(report) = self.0.iroh.net_report().get() else { return NatKind::Unknown };
        if !report.has_udp() {
            return NatKind::RelayOnly;
        }
        let own = self.0.iroh.bound_sockets();
        let is_own = report.global_v4.is_some_and(|seen| {
            own.contains(&SocketAddr::V4(seen))
                || self
                    .addr()
                    .direct
                    .iter()
                    .any(|a| a.ip() == *seen.ip() && own.iter().any(|o| o.port() == seen.port()))
        });
        match report.mapping_varies_by_dest() {
            _ if is_own => NatKind::Open,
            Some(true) => NatKind::Hard,
            Some(false) => NatKind::Easy,
            // One relay only: the mapping cannot be compared; hole punching will show.
            None => NatKind::Easy,
        }
    }

    /// Remembers where a peer is; the newest word wins. At most [`LEARNED_MAX`] peers are remembered.
    pub fn learn(&self, addr: PeerAddr) {
        let addr = addr.bounded();
        addr.relays.iter().for_each(|relay| self.0.pins.add(relay.key.0));
        let mut learned = self.0.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if learned.len() >= LEARNED_MAX && !learned.contains_key(&addr.id) {
            learned.pop_first();
        }
        learned.insert(addr.id, addr);
    }

    /// A link to `peer`: the live one, or a new one. Callers at the same time share one dial.
    pub async fn connect(&self, peer: NodeId, wait: Duration) -> Result<Link, NetError> {
        let slot = {
            let mut dialed = self.0.dialed.lock().unwrap_or_else(PoisonError::into_inner);
            if dialed.len() >= LEARNED_MAX {
                dialed.retain(|_, slot| {
                    Arc::strong_count(slot) > 1
                        || slot.try_lock().is_ok_and(|link| link.as_ref().is_some_and(|l| !l.is_closed()))
                });
            }
            Arc::clone(dialed.entry(peer).or_default())
        };
        let dial = async {
            let mut slot = slot.lock().await;
            if let Some(link) = slot.as_ref().filter(|link| !link.is_closed()) {
                return Ok(link.clone());
            }
            let addr = self.iroh_addr(peer)?;
            let dialed = self.0.iroh.connect(addr, ALPN).await;
            let conn = dialed.map_err(|e| NetError::Unreachable { cause: format!("{e:#}") })?;
            let link = Link::new(conn, self.0.limits, self.0.tap.clone());
            *slot = Some(link.clone());
            Ok(link)
        };
        timeout(wait, dial).await.map_err(|_| NetError::TimedOut(wait))?
    }

    fn iroh_addr(&self, peer: NodeId) -> Result<EndpointAddr, NetError> {
        let id = EndpointId::from_bytes(&peer.0)
            .map_err(|_| NetError::Unreachable { cause: "its id is no key".to_owned() })?;
        let learned = self.0.learned.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).cloned();
        let addr = learned.unwrap_or(PeerAddr::key_only(peer));
        let direct = addr.direct.iter().copied().map(TransportAddr::Ip);
        let relays = addr.relays.iter().filter_map(|hint| relay_url(hint).ok()).map(TransportAddr::Relay);
        let all: Vec<TransportAddr> = direct.chain(relays).collect();
        if all.is_empty() {
            return Err(NetError::Unreachable { cause: "no address of it is known".to_owned() });
        }
        Ok(EndpointAddr::from_parts(id, all))
    }

    /// The next peer that dialed; nothing when the endpoint is closed.
    pub async fn accept(&self) -> Option<Link> {
        self.0.accepted.lock().await.recv().await
    }

    /// Ends all links in order.
    pub async fn close(&self) {
        self.0.iroh.close().await;
    }
}

async fn accept_loop(iroh: iroh::Endpoint, links: mpsc::Sender<Link>, limits: PeerLimits, tap: Option<Tap>) {
    let places = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    while let Some(incoming) = iroh.accept().await {
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let (links, tap) = (links.clone(), tap.clone());
        tokio::spawn(async move {
            if let Ok(Some(link)) = timeout(HANDSHAKE_TIMEOUT, handshake(incoming, limits, tap)).await {
                let _ = links.send(link).await;
            }
            drop(place);
        });
    }
}

async fn handshake(incoming: Incoming, limits: PeerLimits, tap: Option<Tap>) -> Option<Link> {
    match incoming.accept().ok()?.await {
        Ok(conn) => Some(Link::new(conn, limits, tap)),
        Err(error) => {
            tracing::debug!(%error, "handshake failed");
            None
        }
    }
}

fn relay_url(hint: &RelayHint) -> Result<RelayUrl, String> {
    let host = if hint.host.contains(':') { format!("[{}]", hint.host) } else { hint.host.clone() };
    format!("https://{host}:{}", hint.port)
        .parse()
        .map_err(|_| format!("relay {}:{} is no address", hint.host, hint.port))
}

fn relay_mode(relays: &[RelayHint]) -> Result<RelayMode, String> {
    if relays.is_empty() {
        return Ok(RelayMode::Disabled);
    }
    let map = RelayMap::empty();
    for hint in relays {
        let url = relay_url(hint)?;
        let quic = (hint.quic_port != 0).then(|| RelayQuicConfig::new(hint.quic_port));
        map.insert(url.clone(), Arc::new(RelayConfig::new(url, quic)));
    }
    Ok(RelayMode::Custom(map))
}

fn report_config() -> NetReportConfig {
    let mut config = NetReportConfig::minimal();
    config.https_probes = true;
    config
}

fn transport(limits: PeerLimits) -> QuicTransportConfig {
    let idle = IDLE_TIMEOUT.try_into().expect("nine seconds fit");
    QuicTransportConfig::builder()
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(KEEP_ALIVE)
        .default_path_max_idle_timeout(IDLE_TIMEOUT)
        .default_path_keep_alive_interval(KEEP_ALIVE)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .max_concurrent_bidi_streams(VarInt::from_u32(limits.streams))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .build()
}
