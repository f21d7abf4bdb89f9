//! The endpoint of one process: binds, dials by key, accepts.

use crate::accept::{ACCEPT_QUEUE, accept_loop};
use crate::address::AddressBook;
use crate::dial::Dials;
use crate::error::NetError;
use crate::limit::{FrameLimits, Gates, PeerLimits};
use crate::link::Link;
use crate::pin::PinnedVerifier;
use crate::quic::{QuicSettings, transport};
use crate::relayed::Relayed;
use iroh::dns::DnsResolver;
use iroh::endpoint::{PortmapperConfig, presets};
use iroh::{
    EndpointAddr, EndpointId, NetReportConfig, RelayConfig, RelayMap, RelayMode, RelayUrl, TransportAddr, Watcher,
};
use iroh_relay::RelayQuicConfig;
use iroh_relay::tls::CaTlsConfig;
use model::program::ALPN;
use model::{NatKind, NodeId};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wire::{PeerAddr, RelayHint};

/// Longest time that links get to end in order.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Dialed links are looked through this often.
const SWEEP_PERIOD: Duration = Duration::from_secs(15);

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
    /// Addresses to bind, at most one of IPv4 and one of IPv6; empty means all, any port.
    pub bind: Vec<SocketAddr>,
    /// Relays it listens at and may dial through.
    pub relays: Vec<RelayHint>,
    /// Ask the router for a port.
    pub port_mapping: bool,
    /// Take calls.
    pub accept: bool,
    /// Use UDP of its own; without it everything goes over the relay.
    pub udp: bool,
    /// What one peer may ask in streams.
    pub limits: PeerLimits,
    /// What one peer may send in frames.
    pub frames: FrameLimits,
    /// Timers and congestion control.
    pub quic: QuicSettings,
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
            frames: FrameLimits::default(),
            quic: QuicSettings::default(),
            tap: TAP.get().cloned(),
        }
    }
}

static TAP: OnceLock<Tap> = OnceLock::new();

/// Every endpoint this process configures from now on shows to `tap` what it sends, before the transport seals it: for tests
/// that look for what must never be sent. The first call counts.
pub fn tap_all(tap: Tap) {
    let _ = TAP.set(tap);
}

/// How far it got in going online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Own addresses.
    pub direct: Vec<SocketAddr>,
    /// A relay answers.
    pub relay: bool,
    /// Why a relay refused us, in its words.
    pub refused: Option<String>,
}

/// One per process; clones share it. Call [`Endpoint::close`] before the last one is dropped, else peers wait for the
/// idle timeout.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    iroh: iroh::Endpoint,
    book: Arc<AddressBook>,
    dials: Dials,
    gates: Arc<Gates>,
    accepted: AsyncMutex<mpsc::Receiver<Link>>,
    addr: watch::Receiver<PeerAddr>,
    announced: Announced,
    tap: Option<Tap>,
    relayed: Relayed,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Endpoint {
    /// Binds. Contacts nobody but the relays named.
    pub async fn bind(config: EndpointConfig) -> Result<Self, NetError> {
        let shown = || config.bind.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let failed = |cause: String| NetError::Bind { addr: shown(), cause };
        let book = Arc::new(AddressBook::new(&config.relays));
        let builder = builder(&config, Arc::clone(&book)).map_err(failed)?;
        let iroh = builder.bind().await.map_err(|e| failed(format!("{e:#}")))?;
        let gates = Arc::new(Gates::new(config.limits, config.frames));
        let (accept_send, accept_recv) = mpsc::channel(ACCEPT_QUEUE);
        let announced = Announced { is_bound: !config.bind.is_empty(), relays: config.relays };
        let (addr_send, addr) = watch::channel(announced.addr(&iroh));
        let mut tasks = vec![tokio::spawn(follow_addr(iroh.clone(), announced.clone(), addr_send))];
        if config.accept {
            tasks.push(tokio::spawn(accept_loop(iroh.clone(), accept_send, Arc::clone(&gates), config.tap.clone())));
        }
        Ok(Self(Arc::new_cyclic(|inner| {
            tasks.push(tokio::spawn(sweep_loop(Weak::clone(inner))));
            let accepted = AsyncMutex::new(accept_recv);
            let (dials, relayed, tap) = (Dials::default(), Relayed::default(), config.tap);
            Inner { iroh, book, dials, gates, accepted, addr, announced, tap, relayed, tasks }
        })))
    }

    /// Who it is.
    pub fn id(&self) -> NodeId {
        NodeId(*self.0.iroh.id().as_bytes())
    }

    /// A receipt under this endpoint's key, which is the session key of permits given to it.
    pub fn sign_receipt(&self, receipt: &wire::signed::Receipt) -> [u8; wire::signed::Receipt::LEN] {
        receipt.sign(&self.0.iroh.secret_key().to_bytes())
    }

    /// Where it can be reached now: bound addresses first, then those found, then relays. Wait for [`Self::online`] before
    /// telling others.
    pub fn addr(&self) -> PeerAddr {
        self.0.announced.addr(&self.0.iroh)
    }

    /// Follows [`Self::addr`]; one task writes it, so that an older word never replaces a newer one.
    pub fn watch_addr(&self) -> watch::Receiver<PeerAddr> {
        self.0.addr.clone()
    }

    /// Waits until a relay answers or refuses, or `wait` is over; at once when it has no relay.
    pub async fn online(&self, wait: Duration) -> Reach {
        let asked = async {
            let mut status = self.0.iroh.home_relay_status();
            let mut relays = status.get();
            loop {
                if relays.iter().any(|relay| relay.is_connected()) {
                    return Ok(());
                }
                if let Some(reason) = relays.iter().find_map(|relay| relay.auth_denied_reason()) {
                    return Err(reason.to_owned());
                }
                match status.updated().await {
                    Ok(newer) => relays = newer,
                    Err(_) => std::future::pending().await, // the endpoint is gone: `wait` ends this
                }
            }
        };
        let answer = if self.0.announced.relays.is_empty() { None } else { timeout(wait, asked).await.ok() };
        let direct = self.addr().direct;
        Reach { direct, relay: answer == Some(Ok(())), refused: answer.and_then(Result::err) }
    }

    /// What kind of address translation it stands behind, as far as its relays could tell. `Open` means that its address as
    /// seen from outside is its own; whether a firewall lets others in, only their dial shows. With one relay two mappings
    /// cannot be compared: then a kept port counts as `Easy`, and another port as `Unknown`.
    pub fn nat(&self) -> NatKind {
        let Some(report) = self.0.iroh.net_report().get() else { return NatKind::Unknown };
        if !report.has_udp() {
            return NatKind::RelayOnly;
        }
        let seen = report.global_v4.map(SocketAddr::V4).or(report.global_v6.map(SocketAddr::V6));
        let Some(seen) = seen else { return NatKind::Unknown };
        let keeps_port = self.0.iroh.bound_sockets().iter().any(|own| own.port() == seen.port());
        match report.mapping_varies_by_dest() {
            _ if keeps_port && is_own(seen.ip()) => NatKind::Open,
            Some(true) => NatKind::Hard,
            Some(false) => NatKind::Easy,
            None if keeps_port => NatKind::Easy,
            None => NatKind::Unknown,
        }
    }

    /// Remembers where a peer is; the newest word wins. At most [`crate::LEARNED_MAX`] peers are remembered.
    pub fn learn(&self, addr: PeerAddr) {
        self.0.book.learn(addr);
    }

    /// A link to `peer`: the live one we dialed, or a new one. Callers at the same time share one dial. A link that nobody
    /// holds any more is kept for [`crate::REUSE_IDLE`].
    pub async fn connect(&self, peer: NodeId, wait: Duration) -> Result<Link, NetError> {
        let dial = async {
            let dialed = self.0.iroh.connect(self.iroh_addr(peer)?, ALPN).await;
            let conn = dialed.map_err(|e| NetError::Unreachable { cause: format!("{e:#}") })?;
            let counted = self.0.relayed.count(&conn);
            Ok(Link::new(conn, self.0.gates.of(peer), None, self.0.tap.clone(), Some(counted)))
        };
        timeout(wait, self.0.dials.get(peer, dial)).await.map_err(|_| NetError::TimedOut(wait))?
    }

    fn iroh_addr(&self, peer: NodeId) -> Result<EndpointAddr, NetError> {
        let id = EndpointId::from_bytes(&peer.0)
            .map_err(|_| NetError::Unreachable { cause: "its id is no key".to_owned() })?;
        let addr = self.0.book.find(peer).unwrap_or(PeerAddr::key_only(peer));
        let direct = addr.direct.iter().copied().map(TransportAddr::Ip);
        let relays = addr.relays.iter().filter_map(|hint| relay_url(hint).ok()).map(TransportAddr::Relay);
        let all: Vec<TransportAddr> = direct.chain(relays).collect();
        if all.is_empty() {
            return Err(NetError::Unreachable { cause: "no address of it is known".to_owned() });
        }
        Ok(EndpointAddr::from_parts(id, all))
    }

    /// Bytes that links dialed here moved over a relay so far, both ways, to peers that count; also of links that ended.
    pub fn relayed_bytes(&self, counts: impl Fn(&NodeId) -> bool) -> u64 {
        self.0.relayed.bytes(counts)
    }

    /// The next peer that dialed; nothing when the endpoint is closed.
    pub async fn accept(&self) -> Option<Link> {
        self.0.accepted.lock().await.recv().await
    }

    /// Ends all links in order, in at most five seconds.
    pub async fn close(&self) {
        self.0.dials.clear();
        let _ = timeout(CLOSE_TIMEOUT, self.0.iroh.close()).await; // what is left ends with the idle timeout of the peers
    }

    pub(crate) fn book(&self) -> &Arc<AddressBook> {
        &self.0.book
    }
}

/// What of the transport's addresses is told to others.
#[derive(Clone)]
struct Announced {
    is_bound: bool,
    relays: Vec<RelayHint>,
}

impl Announced {
    fn addr(&self, iroh: &iroh::Endpoint) -> PeerAddr {
        let bound = iroh.bound_sockets().into_iter().filter(|addr| !addr.ip().is_unspecified());
        let found = iroh.addr();
        let outside = found.ip_addrs().copied().filter(|addr| !self.is_bound || !addr.ip().is_loopback());
        let mut seen = BTreeSet::new();
        let direct = bound.chain(outside).filter(|addr| seen.insert(*addr)).collect();
        let homes: Vec<&RelayUrl> = found.relay_urls().collect();
        let relays = self.relays.iter().filter(|hint| relay_url(hint).is_ok_and(|url| homes.contains(&&url)));
        PeerAddr { id: NodeId(*iroh.id().as_bytes()), direct, relays: relays.cloned().collect() }.bounded()
    }
}

/// True when an interface of this machine has the address: only then it can be bound. Nothing is sent.
fn is_own(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

async fn follow_addr(iroh: iroh::Endpoint, announced: Announced, addr: watch::Sender<PeerAddr>) {
    let mut watcher = iroh.watch_addr();
    let follow = async {
        loop {
            let now = announced.addr(&iroh);
            addr.send_if_modified(|last| {
                let is_new = *last != now;
                *last = now;
                is_new
            });
            if watcher.updated().await.is_err() {
                return;
            }
        }
    };
    iroh.closed().run_until(follow).await;
}

async fn sweep_loop(endpoint: Weak<Inner>) {
    loop {
        tokio::time::sleep(SWEEP_PERIOD).await;
        match endpoint.upgrade() {
            Some(inner) if !inner.iroh.is_closed() => inner.dials.sweep(Instant::now()),
            _ => return,
        }
    }
}

fn builder(config: &EndpointConfig, book: Arc<AddressBook>) -> Result<iroh::endpoint::Builder, String> {
    let ca = CaTlsConfig::custom_server_cert_verifier(Arc::new(move |provider| {
        Ok(Arc::new(PinnedVerifier::new(Arc::clone(&book), provider)))
    }));
    let port_mapping = if config.port_mapping { PortmapperConfig::default() } else { PortmapperConfig::Disabled };
    let mut builder = iroh::Endpoint::builder(presets::Minimal)
        .secret_key(config.secret.0.clone())
        .relay_mode(relay_mode(&config.relays)?)
        .ca_tls_config(ca)
        // The transport's own default asks public name servers when the system's do not answer.
        .dns_resolver(DnsResolver::builder().with_system_defaults().disable_fallback().build())
        .transport_config(transport(config.quic, config.limits)?)
        .net_report_config(report_config())
        .portmapper_config(port_mapping);
    if config.accept {
        builder = builder.alpns(vec![ALPN.to_vec()]);
    }
    if !config.udp || !config.bind.is_empty() {
        builder = builder.clear_ip_transports();
    }
    if config.udp {
        let (v4, v6): (Vec<SocketAddr>, Vec<SocketAddr>) = config.bind.iter().partition(|addr| addr.is_ipv4());
        if v4.len() > 1 || v6.len() > 1 {
            return Err("more than one address of a family".to_owned());
        }
        for addr in &config.bind {
            builder = builder.bind_addr(*addr).map_err(|e| e.to_string())?;
        }
    }
    Ok(builder)
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
