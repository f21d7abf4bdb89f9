//! The light management center: per subject `api`, `store` and `chore`; HTTP; embedded relay.
//!
//! It manages members, machines, names and state; no payload passes through it and no key that opens data is ever here
//! (it cannot import `seal`). A request goes one way: message → `api` (parse, authorize) → `store` (facts) → `rules`
//! (decide) → `store` (commit, same transaction) → reply. Chores wake, plan by `rules`, commit.
//!
//! (A) An acknowledged change is durable. (B) No row is written per check-in; presence lives in memory.
//! (C) A broken database stops writes with a named refusal, reads and check-ins go on, and it heals by itself.

pub mod access;
pub mod compute;
pub mod db;
pub mod fleet;
mod found;
mod http;
mod keys;
mod leave;
pub mod ledger;
mod metrics;
pub mod rebuild;
mod refuse;
mod serve;
mod settings;
pub mod snapshot;
pub mod storage;

pub use found::{CheckReport, Founder, check, found, found_again};
pub use keys::Keys;
pub use settings::{Beacon, Settings};

use console::text::Lang;
use db::{Db, DbError, StoreError};
use fleet::memory::FleetMemory;
use metrics::Metrics;
use model::{CloudKey, NodeId, Stamp, errors};
use net::{Endpoint, EndpointConfig, NetError, PeerLimits, Relay, RelayServerConfig, SecretKey};
use rules::fleet::region::RegionTable;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use wire::{PeerAddr, RefusalMsg, RelayHint};

/// Bytes a second the relay takes from one machine.
pub const RELAY_BYTES_PER_S: u32 = 8 << 20;
/// Streams a shared connection of simulated nodes may have open.
const DEV_STREAMS: u32 = 1_024;

/// Why a center does not start.
#[derive(Debug, thiserror::Error)]
pub enum CenterError {
    /// Its folder cannot be used.
    #[error("{path}: {source}")]
    Folder {
        /// Which file or folder.
        path: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// Its database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Its store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its endpoint or relay.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A port is taken.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// The database holds none.
    #[error("the database is empty; where it was lost: pumasi center rebuild")]
    NoCloud,
    /// The database belongs to another cloud.
    #[error("the database belongs to another cloud than the keys beside it")]
    OtherCloud,
}

impl CenterError {
    /// Its row in the registry.
    pub fn refusal(&self) -> RefusalMsg {
        match self {
            Self::Folder { path, source } => {
                RefusalMsg::new(errors::CONFIG_UNREADABLE, [("path", path.clone()), ("why", source.to_string())])
            }
            Self::Db(error) => refuse::store(StoreError::Db(error.clone())),
            Self::Store(error) => refuse::store(error.clone()),
            Self::Net(error) => {
                RefusalMsg::new(errors::PORT_TAKEN, [("port", error.to_string()), ("key", "net.port".to_owned())])
            }
            Self::Listen { addr, .. } => {
                RefusalMsg::new(errors::PORT_TAKEN, [("port", addr.to_string()), ("key", "http.listen".to_owned())])
            }
            Self::OtherCloud | Self::NoCloud => RefusalMsg::new(errors::CENTER_KEY, [("addr", "center.db".to_owned())]),
        }
    }
}

/// Who calls: the key the connection proved, and whence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Key.
    pub id: NodeId,
    /// Address as seen here; none over the relay.
    pub addr: Option<SocketAddr>,
    /// The node meant, where many share a connection (`dev` only).
    pub alias: Option<model::Alias>,
}

/// What a running center tells those on its own machine, as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CenterCard {
    /// Process.
    pub pid: u32,
    /// Cloud.
    pub cloud: CloudKey,
    /// Its name.
    pub name: String,
    /// Where it can be dialed.
    pub addr: PeerAddr,
    /// Where pages and metrics are.
    pub http: SocketAddr,
}

impl CenterCard {
    /// Name of the file in the center's folder.
    pub const FILE: &'static str = "running.json";

    /// Address of the page of the fleet.
    pub fn page(&self) -> String {
        format!("http://{}/", self.http)
    }
}

/// A running center; clones share it.
#[derive(Clone)]
pub struct Center(Arc<Inner>);

struct Inner {
    db: Db,
    ledger: ledger::Ledger,
    allowances: ledger::allow::Allowances,
    debts: ledger::debts::Debts,
    speakers: access::speakers::Speakers,
    keys: Keys,
    settings: Settings,
    name: String,
    now: fn() -> Stamp,
    lang: Lang,
    endpoint: Endpoint,
    relay: Mutex<Option<Relay>>,
    relay_hint: Option<RelayHint>,
    fleet: Mutex<FleetMemory>,
    nodes_read: Mutex<storage::place::NodesRead>,
    stewards: Mutex<storage::expand::Stewards>,
    audits: Mutex<storage::audit::Audits>,
    fills: Mutex<storage::fill::Fills>,
    pairs: Mutex<access::account::Pairs>,
    board: Mutex<compute::Board>,
    journal: compute::Journal,
    places: compute::work::Places,
    compute_wake: Arc<tokio::sync::Notify>,
    compute_wakes_at: Mutex<Option<Stamp>>,
    thin: tokio::sync::Notify,
    metrics: Metrics,
    http: OnceLock<SocketAddr>,
    regions: RegionTable,
    ready: AtomicBool,
    /// When it was rebuilt or restored last.
    rebuilt: Option<Stamp>,
    tasks: tokio::sync::Mutex<JoinSet<()>>,
}

impl Center {
    /// Starts the center whose folder is `dir`: database, endpoint, relay, pages, chores.
    pub async fn start(dir: &Path, settings: Settings, now: fn() -> Stamp, lang: Lang) -> Result<Self, CenterError> {
        let keys = Keys::load(dir).map_err(|source| CenterError::Folder { path: dir.display().to_string(), source })?;
        let db = Db::open(&settings.db_url(dir)?)?;
        let name = found::name_of(&db, &keys.cloud_key()).await?;
        let rebuilt = rebuild::rebuilt(&db).await?;
        let relay = start_relay(&keys, &settings).await?;
        let relay_hint = Some(relay_hint(&relay, &keys, &settings));
        let endpoint = start_endpoint(&keys, &settings, relay_hint.as_ref()).await?;
        let regions = settings::regions(dir)?;
        let fleet = fleet::memory::load(&db, &settings, now()).await?;
        let board = compute::board::load(&db, now()).await?;
        let (board, journal, inbox) = compute::board::parts(board);
        let compute_wake = Arc::new(tokio::sync::Notify::new());
        let ledger = ledger::Ledger::start(db.clone(), now).await?;
        let speakers = access::speakers::Speakers::start(db.clone());
        let inner = Inner {
            db,
            ledger,
            allowances: ledger::allow::Allowances::default(),
            debts: ledger::debts::Debts::default(),
            speakers,
            keys,
            settings,
            name,
            now,
            lang,
            endpoint,
            relay: Mutex::new(Some(relay)),
            relay_hint,
            fleet: Mutex::new(fleet),
            nodes_read: Mutex::default(),
            stewards: Mutex::default(),
            audits: Mutex::default(),
            fills: Mutex::default(),
            pairs: Mutex::default(),
            board,
            journal,
            places: compute::work::Places::default(),
            compute_wake: Arc::clone(&compute_wake),
            compute_wakes_at: Mutex::default(),
            thin: tokio::sync::Notify::new(),
            metrics: Metrics::default(),
            http: OnceLock::new(),
            regions,
            ready: AtomicBool::new(false),
            rebuilt,
            tasks: tokio::sync::Mutex::default(),
        };
        let center = Self(Arc::new(inner));
        let addr = http::start(&center).await?;
        let _ = center.0.http.set(addr);
        let mut tasks = center.0.tasks.lock().await;
        tasks.spawn(compute::keep_journal(center.clone(), inbox));
        tasks.spawn(compute::board::run(center.clone(), compute_wake));
        tasks.spawn(serve::accept_loop(center.clone()));
        tasks.spawn(fleet::chore::run(center.clone()));
        tasks.spawn(fleet::surge::run(center.clone()));
        tasks.spawn(storage::expand::run(center.clone()));
        tasks.spawn(storage::repair::run(center.clone()));
        tasks.spawn(storage::audit::run(center.clone()));
        tasks.spawn(storage::hand_over::run(center.clone()));
        tasks.spawn(fleet::vet::run(center.clone()));
        tasks.spawn(ledger::chore::run(center.clone()));
        tasks.spawn(ledger::debts::run(center.clone()));
        tasks.spawn(ledger::settle::chore::run(center.clone()));
        tasks.spawn(ledger::relay::run(center.clone()));
        tasks.spawn(ledger::daily::run(center.clone()));
        drop(tasks);
        center.0.ready.store(true, Ordering::Release);
        Ok(center)
    }

    /// Ends in order: no new calls, chores stopped, the hour's presence written, database closed.
    pub async fn stop(&self) {
        self.0.ready.store(false, Ordering::Release);
        self.0.tasks.lock().await.shutdown().await;
        self.0.endpoint.close().await;
        let relay = self.0.relay.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(relay) = relay {
            relay.shutdown().await;
        }
        fleet::chore::write_presence(self).await;
        self.0.db.close().await;
    }

    /// What it tells those on its machine.
    pub fn card(&self, pid: u32) -> CenterCard {
        let http = self.0.http.get().copied().unwrap_or(self.0.settings.http.listen);
        CenterCard { pid, cloud: self.0.keys.cloud_key(), name: self.0.name.clone(), addr: self.addr(), http }
    }

    /// Where it can be dialed: addresses the operator named, then its own.
    pub fn addr(&self) -> PeerAddr {
        let own = self.0.endpoint.addr();
        let mut direct = self.0.settings.net.announce.clone();
        direct.extend(own.direct);
        PeerAddr { id: own.id, direct, relays: self.0.relay_hint.clone().into_iter().collect() }.bounded()
    }

    /// The reply to a request's bytes, as if they had come over a link that proved the caller's key.
    pub async fn call(&self, caller: Caller, bytes: &[u8]) -> wire::Reply {
        serve::answer(self, caller, bytes).await
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }
    /// The kept ledger, for whoever posts and reads.
    pub fn ledger(&self) -> &ledger::Ledger {
        &self.0.ledger
    }
    pub(crate) fn allowances(&self) -> &ledger::allow::Allowances {
        &self.0.allowances
    }
    pub(crate) fn debts(&self) -> &ledger::debts::Debts {
        &self.0.debts
    }
    pub(crate) fn speakers(&self) -> &access::speakers::Speakers {
        &self.0.speakers
    }
    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }
    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }
    pub(crate) fn lang(&self) -> Lang {
        self.0.lang
    }
    pub(crate) fn now(&self) -> Stamp {
        (self.0.now)()
    }
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }
    pub(crate) fn relay_hint(&self) -> Option<&RelayHint> {
        self.0.relay_hint.as_ref()
    }
    pub(crate) fn regions(&self) -> &RegionTable {
        &self.0.regions
    }
    pub(crate) fn rebuilt(&self) -> Option<Stamp> {
        self.0.rebuilt
    }
    /// It was rebuilt or restored so lately that holders are still on their way back.
    pub(crate) fn awaits_holders(&self) -> bool {
        let wait = self.settings().time_scale.of(rules::storage::rebuild::PLACES_WAIT);
        self.rebuilt().is_some_and(|at| self.now().since(at) < wait)
    }
    pub(crate) fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Acquire)
    }
    pub(crate) fn fleet(&self) -> MutexGuard<'_, FleetMemory> {
        self.0.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn nodes_read(&self) -> MutexGuard<'_, storage::place::NodesRead> {
        self.0.nodes_read.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Never locked while the fleet is: this lock comes first.
    pub(crate) fn stewards(&self) -> MutexGuard<'_, storage::expand::Stewards> {
        self.0.stewards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never locked while the fleet is: this lock comes first.
    pub(crate) fn audits(&self) -> MutexGuard<'_, storage::audit::Audits> {
        self.0.audits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never locked while the fleet is: this lock comes first.
    pub(crate) fn fills(&self) -> MutexGuard<'_, storage::fill::Fills> {
        self.0.fills.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pairs(&self) -> MutexGuard<'_, access::account::Pairs> {
        self.0.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never locked while the fleet is: this lock comes first.
    pub(crate) fn board(&self) -> MutexGuard<'_, compute::Board> {
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn journal(&self) -> &compute::Journal {
        &self.0.journal
    }

    pub(crate) fn places(&self) -> &compute::work::Places {
        &self.0.places
    }

    /// The scheduler wants to be asked again then.
    pub(crate) fn wake_compute(&self, at: Stamp) {
        let mut wakes = self.0.compute_wakes_at.lock().unwrap_or_else(PoisonError::into_inner);
        if wakes.is_none_or(|earlier| at < earlier) {
            *wakes = Some(at);
            self.0.compute_wake.notify_one();
        }
    }

    pub(crate) fn compute_wakes_at(&self) -> Option<Stamp> {
        *self.0.compute_wakes_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn forget_compute_wake(&self) {
        *self.0.compute_wakes_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Segments were kept that may lack pieces.
    pub(crate) fn news_of_segments(&self) {
        self.0.thin.notify_one();
    }
    pub(crate) fn thin(&self) -> &tokio::sync::Notify {
        &self.0.thin
    }

    /// Random bytes from the system, through one place.
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        rand::random()
    }
}

async fn start_relay(keys: &Keys, settings: &Settings) -> Result<Relay, CenterError> {
    let bind = SocketAddr::new(settings.net.bind, settings.net.relay_port);
    // Whoever is about to join is a stranger still and may have no other way here, so the relay asks for no membership; it
    // forwards sealed bytes only, and takes few of them a second from each.
    let admit: net::Admit = Arc::new(|_| true);
    let config =
        RelayServerConfig { secret: *keys.cloud, bind, bind_quic: Some(bind), bytes_per_s: RELAY_BYTES_PER_S, admit };
    Ok(Relay::spawn(config).await?)
}

fn relay_hint(relay: &Relay, keys: &Keys, settings: &Settings) -> RelayHint {
    let named = settings.net.relay_host.clone();
    let announced = settings.net.announce.first().map(|addr| addr.ip());
    let bound = Some(settings.net.bind).filter(|ip| !ip.is_unspecified());
    let host = named.unwrap_or_else(|| announced.or(bound).unwrap_or_else(own_address).to_string());
    RelayHint { host, port: relay.port(), quic_port: relay.quic_port(), key: keys.endpoint_id() }
}

/// The address this machine would use towards others, found without sending anything.
fn own_address() -> IpAddr {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let probe = std::net::UdpSocket::bind(("0.0.0.0", 0)).and_then(|socket| {
        socket.connect(("192.0.2.1", 9))?;
        socket.local_addr()
    });
    probe.map_or(loopback, |addr| addr.ip())
}

async fn start_endpoint(keys: &Keys, settings: &Settings, relay: Option<&RelayHint>) -> Result<Endpoint, CenterError> {
    let bind = if settings.net.bind.is_unspecified() && settings.net.port == 0 {
        Vec::new()
    } else {
        vec![SocketAddr::new(settings.net.bind, settings.net.port)]
    };
    let rate = settings.net.calls_per_s.max(1);
    let mut limits = PeerLimits { streams_per_s: rate, burst: rate.saturating_mul(2), ..PeerLimits::default() };
    if settings.dev {
        limits = PeerLimits { streams: DEV_STREAMS, streams_per_s: 1_000_000, burst: 1_000_000 };
    }
    let config = EndpointConfig {
        bind,
        relays: relay.cloned().into_iter().collect(),
        port_mapping: settings.net.port_mapping,
        limits,
        ..EndpointConfig::new(SecretKey::from_bytes(*keys.cloud))
    };
    let endpoint = Endpoint::bind(config).await?;
    endpoint.online(Duration::from_secs(3)).await;
    Ok(endpoint)
}
