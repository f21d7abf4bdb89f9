//! The agent: endpoint, link to the center, owner's machine, piece store, serving, control socket, wired and ended in order.

use crate::audit::Auditor;
use crate::compute::{BlockStore, Computing, ComputingParts, Gate, Holding, Keeper, Leases, keep_blocks, open_blocks};
use crate::control;
use crate::control::{ControlServer, Handler};
use crate::fill::FillSender;
use crate::fleet::lendfile;
use crate::fleet::owner_loop::{OwnerCommand, OwnerConfig, OwnerFact, OwnerHandle, OwnerView};
use crate::fleet::sensors::{ScriptedSensors, Sensors, SystemSensors};
use crate::hand_over::HandsOver;
use crate::receipts::Receipts;
use crate::rejoin::Rejoin;
use crate::roots::Follows;
use crate::serve::{Server, commits};
use crate::session::{Rates, Session, SessionParts};
use crate::settle::Settles;
use crate::steward::{self, Steward};
use crate::storage::mark;
use crate::storage::{DiscardingDisk, Disk, PieceStore, StdDisk, StoreLimits};
use crate::tend::Tend;
use client::roots::RootsFile;
use client::{Client, Scratch};
use model::ids::base32;
use model::{Bytes, CloudKey, NatKind, NodeId, Stamp, TimeScale, errors};
use net::{Endpoint, EndpointConfig, NetError, PeerLimits, Redial, SecretKey};
use sandbox::{CACHE_BYTES, Cache, Runner};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use wire::fleet::Parting;
use wire::local::{LocalAnswer, LocalAsk, LocalStatus};
use wire::{PeerAddr, RefusalMsg, RelayHint};

/// Longest wait for the center on behalf of a command.
const CARRY_TIMEOUT: Duration = Duration::from_secs(30);
/// Space that stays free on the disk in any case, beside the owner's limit.
const DISK_FLOOR: Bytes = Bytes::gib(1);

/// What an agent is started with.
pub struct AgentConfig {
    /// The machine's secret key.
    pub key: [u8; 32],
    /// Random of this start.
    pub boot: u64,
    /// Its cloud.
    pub cloud: CloudKey,
    /// Cloud's name.
    pub cloud_name: String,
    /// Where the center can be dialed.
    pub center: PeerAddr,
    /// Relays of the cloud.
    pub relays: Vec<RelayHint>,
    /// Key that signs permits.
    pub permit_key: [u8; 32],
    /// Name of the machine.
    pub name: String,
    /// Address to bind; none for all.
    pub bind: Option<IpAddr>,
    /// Folder of the pieces.
    pub pieces: PathBuf,
    /// Folder where this machine's own uploads are staged.
    pub stage: PathBuf,
    /// Folder where pieces are gathered whose holders are not on together.
    pub gather: PathBuf,
    /// Where roots of the book are kept.
    pub roots: PathBuf,
    /// The owner's file.
    pub lend_file: PathBuf,
    /// Control socket.
    pub socket: PathBuf,
    /// For measuring writers: no bytes of pieces are kept ([`DiscardingDisk`]).
    pub discards: bool,
    /// For tests of audits: what it is asked to prove it answers with wrong bytes.
    pub lies: bool,
    /// Signals come from a script.
    pub scripted: bool,
    /// A center for tests was joined, which may shorten days.
    pub dev: bool,
    /// Clock.
    pub now: fn() -> Stamp,
    /// How foreign work is run.
    pub compute: ComputeConfig,
}

/// How foreign work is run.
#[derive(Debug, Clone)]
pub struct ComputeConfig {
    /// Program and first arguments of a sandbox's process.
    pub program: (PathBuf, Vec<String>),
    /// Folder of private folders of sandboxes.
    pub folder: PathBuf,
    /// Folder of compiled code.
    pub cache: PathBuf,
    /// Folder of the keys of this machine's member's jobs.
    pub jobs: PathBuf,
    /// Folder of blocks of shuffles.
    pub blocks: PathBuf,
    /// For tests of checks: results are made up.
    pub lies: bool,
    /// Guests compute only while nobody else on this machine wants to.
    pub gives_way: bool,
}

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its endpoint.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Its piece store.
    #[error(transparent)]
    Store(#[from] crate::storage::StoreError),
    /// The folder of the pieces is not the one that was there before.
    #[error("{0} is not the store that was there before")]
    PiecesGone(PathBuf),
    /// Its control socket.
    #[error(transparent)]
    Control(#[from] control::ControlError),
    /// The owner's file.
    #[error(transparent)]
    Lend(#[from] lendfile::LendFileError),
}

impl AgentError {
    /// Its row in the registry.
    pub fn refusal(&self) -> RefusalMsg {
        match self {
            Self::Net(error) => {
                RefusalMsg::new(errors::PORT_TAKEN, [("port", error.to_string()), ("key", "bind".to_owned())])
            }
            Self::Store(error) => {
                RefusalMsg::new(error.id(), [("path", error.to_string()), ("why", error.to_string())])
            }
            Self::PiecesGone(path) => RefusalMsg::new(
                errors::PIECES_GONE,
                [("path", path.display().to_string()), ("file", mark::copy_of(path).display().to_string())],
            ),
            Self::Control(error) => RefusalMsg::new(errors::ALREADY_RUNNING, [("path", error.to_string())]),
            Self::Lend(error) => RefusalMsg::new(
                errors::CONFIG_UNREADABLE,
                [("path", "pumasi.toml".to_owned()), ("why", error.to_string())],
            ),
        }
    }
}

fn pieces_io(source: std::io::Error) -> AgentError {
    AgentError::Store(crate::storage::StoreError::Io { what: "look for the pieces", source })
}

/// A running agent; clones share it.
#[derive(Clone)]
pub struct Agent(Arc<Inner>);

struct Inner {
    config: AgentConfig,
    started: Stamp,
    endpoint: Endpoint,
    /// To other nodes, for this one's own work.
    speaks: Endpoint,
    owner: OwnerHandle,
    session: Arc<Session>,
    store: PieceStore,
    server: Server,
    receipts: Receipts,
    stop: Notify,
    tasks: tokio::sync::Mutex<JoinSet<()>>,
    control: tokio::sync::Mutex<Option<ControlServer>>,
}

impl Agent {
    /// Starts it. The owner's file is read first; nothing is lent before it is.
    pub async fn start(config: AgentConfig) -> Result<Self, AgentError> {
        let sensors: Box<dyn Sensors> =
            if config.scripted { Box::new(ScriptedSensors::calm()) } else { Box::new(SystemSensors::new()) };
        let gate = Gate::default();
        let owns = OwnerConfig::new(config.lend_file.clone(), config.pieces.clone(), config.now);
        let owner = OwnerHandle::start(OwnerConfig { guests: Arc::new(gate.clone()), ..owns }, sensors)?;
        let lent = owner.watch().borrow().allowance.disk;
        let disk: Arc<dyn Disk> = match config.discards {
            true => Arc::new(DiscardingDisk::default()),
            false => Arc::new(StdDisk::default()),
        };
        let limits = StoreLimits::new(lent, DISK_FLOOR, commits);
        if !mark::is_the_same(&config.pieces).map_err(pieces_io)? {
            return Err(AgentError::PiecesGone(config.pieces.clone()));
        }
        let store = PieceStore::open_with(disk, &config.pieces, limits).await?;
        let endpoint = Endpoint::bind(endpoint_config(&config)).await?;
        endpoint.learn(config.center.clone());
        let redial = Arc::new(Redial::start(endpoint.clone(), config.center.id));
        let parts = SessionParts {
            boot: config.boot,
            endpoint: endpoint.clone(),
            redial,
            owner: owner.watch(),
            pieces: config.pieces.clone(),
            now: config.now,
            network_known: false,
            dev: config.dev,
        };
        let session = Session::new(parts, gate.clone());
        let receipts = open_receipts(&config).await;
        let leases = Leases::new(config.cloud, config.permit_key, config.now);
        let blocks = open_blocks(config.compute.blocks.clone(), lent).await.map_err(pieces_io)?;
        let server = Server::new(
            config.key,
            config.cloud,
            config.permit_key,
            store.clone(),
            owner.watch(),
            session.quarantined(),
            receipts.clone(),
            config.now,
            config.lies,
            (
                Keeper::new(config.compute.jobs.clone(), leases),
                Holding::new(leases, blocks.clone(), NodeId(wire::signed::public_of(&config.key))),
            ),
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&session).run());
        tasks.spawn(server.clone().run(endpoint.clone()));
        tasks.spawn(receipts.clone().keep(config.now));
        let (node, now) = (NodeId(wire::signed::public_of(&config.key)), config.now);
        tasks.spawn(Settles { session: Arc::clone(&session), receipts: receipts.clone(), node, now }.run());
        let file = RootsFile::at(config.roots.clone());
        let (cloud, key) = (config.cloud, config.key);
        tasks.spawn(Follows { session: Arc::clone(&session), file, cloud, key }.run());
        let tend = Tend {
            store: store.clone(),
            session: Arc::clone(&session),
            owner: owner.watch(),
            owner_loop: owner.clone(),
            now: config.now,
        };
        // Who keeps no bytes would find all of them damaged.
        if !config.discards {
            tasks.spawn(tend.run(config.pieces.clone()));
            let (store, session) = (store.clone(), Arc::clone(&session));
            tasks.spawn(Rejoin { store, session, dir: config.pieces.clone() }.run());
        }
        tasks.spawn(follow_rates(session.rates(), owner.clone()));
        let speaks = Endpoint::bind(speaking_config(&config)).await?;
        let scratch = Scratch::new(config.gather.clone(), owner.watch().borrow().allowance.disk, session.time_scale());
        tasks.spawn(follow_owner(owner.clone(), store.clone(), scratch.clone()));
        let client = steward::client(speaks.clone(), config.key, config.now, &session).with_scratch(scratch);
        let auditor =
            Auditor { session: Arc::clone(&session), endpoint: speaks.clone(), key: config.key, now: config.now };
        let hands_over = HandsOver {
            session: Arc::clone(&session),
            owner: owner.watch(),
            client: client.clone(),
            store: store.clone(),
        };
        let fills = FillSender { session: Arc::clone(&session), owner: owner.watch(), client: client.clone() };
        let works = Steward {
            session: Arc::clone(&session),
            owner: owner.watch(),
            client: client.clone(),
            auditor,
            hands_over,
            fills,
        };
        tasks.spawn(works.run());
        tasks.spawn(keep_blocks(blocks.clone(), (store.clone(), owner.watch()), Arc::clone(&session)));
        let parts = (Arc::clone(&session), owner.watch(), client.clone(), gate, blocks);
        tasks.spawn(compute(config.compute.clone(), parts, config.key, config.now));
        tasks.spawn(steward::keep_stage(client, config.stage.clone(), config.key, session.time_scale()));
        let started = (config.now)();
        let socket = config.socket.clone();
        let inner = Inner {
            config,
            started,
            endpoint,
            speaks,
            owner,
            session,
            store,
            server,
            receipts,
            stop: Notify::new(),
            tasks: tokio::sync::Mutex::new(tasks),
            control: tokio::sync::Mutex::default(),
        };
        let agent = Self(Arc::new(inner));
        let control = ControlServer::start(&socket, Arc::new(agent.clone())).await?;
        *agent.0.control.lock().await = Some(control);
        Ok(agent)
    }

    /// Resolves when the owner says `agent stop`.
    pub async fn told_to_stop(&self) {
        self.0.stop.notified().await;
    }

    /// Ends in order: goodbye to the center, tasks, socket, store.
    pub async fn stop(&self) {
        self.0.session.goodbye(Parting::Owner).await;
        if let Some(control) = self.0.control.lock().await.take() {
            control.stop().await;
        }
        self.0.tasks.lock().await.shutdown().await;
        self.0.speaks.close().await;
        self.0.endpoint.close().await;
        let (receipts, now) = (self.0.receipts.clone(), (self.0.config.now)());
        let _ = tokio::task::spawn_blocking(move || receipts.write(now)).await;
    }

    async fn answer(&self, ask: LocalAsk) -> Result<LocalAnswer, RefusalMsg> {
        let command = match ask {
            LocalAsk::Status => return Ok(LocalAnswer::Status(Box::new(self.status()))),
            LocalAsk::Center { envelope } => return self.carry(&envelope).await,
            LocalAsk::Stop => {
                self.0.stop.notify_one();
                return Ok(self.done());
            }
            LocalAsk::Reload => {
                self.0.owner.reload().await.map_err(|e| {
                    RefusalMsg::new(errors::CONFIG_UNREADABLE, [("path", "pumasi.toml".into()), ("why", e.to_string())])
                })?;
                return Ok(self.done());
            }
            LocalAsk::Script { event } => {
                let bad = |why: String| {
                    RefusalMsg::new(
                        errors::BAD_VALUE,
                        [
                            ("field", "event".into()),
                            ("value", event.clone()),
                            ("why", why),
                            ("verb", "agent script".into()),
                        ],
                    )
                };
                self.0.owner.script(&event).await.map_err(|e| bad(e.to_string()))?;
                return Ok(self.done());
            }
            LocalAsk::Up => OwnerCommand::Up,
            LocalAsk::Down => OwnerCommand::Down,
            LocalAsk::Pause { until } => OwnerCommand::Pause(until),
            LocalAsk::Resume => OwnerCommand::Resume,
            LocalAsk::Finish => OwnerCommand::Finish,
        };
        self.0.owner.command(command).await;
        Ok(self.done())
    }

    fn done(&self) -> LocalAnswer {
        let watch = self.0.owner.watch();
        let view = watch.borrow();
        LocalAnswer::Done { state: view.state, reason: view.reason }
    }

    async fn carry(&self, envelope: &str) -> Result<LocalAnswer, RefusalMsg> {
        let bad = || {
            RefusalMsg::new(
                errors::BAD_VALUE,
                [
                    ("field", "envelope".into()),
                    ("value", String::new()),
                    ("why", "it is not base32".into()),
                    ("verb", String::new()),
                ],
            )
        };
        let bytes = base32().decode(envelope.as_bytes()).map_err(|_| bad())?;
        let reply = self.0.session.carry(&bytes, CARRY_TIMEOUT).await.map_err(|e| {
            let args = [("n", "1".to_owned()), ("m", "1".to_owned()), ("when", e.to_string())];
            RefusalMsg::new(errors::CENTER_UNREACHABLE, args)
        })?;
        Ok(LocalAnswer::Center { reply: base32().encode(&reply) })
    }

    fn status(&self) -> LocalStatus {
        let watch = self.0.owner.watch();
        let owner = watch.borrow().clone();
        let session = self.0.session.view();
        let usage = self.0.store.usage();
        let (sent, received) = self.0.server.moved();
        let allowance = &owner.allowance;
        LocalStatus {
            pid: std::process::id(),
            started: self.0.started,
            state: owner.state,
            reason: owner.reason,
            since: owner.since,
            detail: owner.detail.clone(),
            name: self.0.config.name.clone(),
            cloud: self.0.config.cloud_name.clone(),
            profile: owner.profile.clone(),
            cores_milli: allowance.cores_milli.min(session.plan.ask.cores_milli),
            memory_mib: allowance.memory_mib,
            disk: allowance.disk,
            disk_used: Bytes(usage.bytes),
            pieces: usage.pieces,
            up: allowance.up,
            down: allowance.down,
            moved: (Bytes(sent), Bytes(received)),
            center: session.link,
            last_check_in: session.last,
            quarantined: session.plan.quarantined,
            duplicate: session.duplicate,
            integrity: session.integrity,
            ledger_forked: session.forked,
            settled_window: session.settled.as_ref().map(|settled| settled.window),
            settle_refused: session.settled.and_then(|settled| settled.refused),
            handing: session.handing,
            sensors: owner.sensors.clone(),
            lend_error: owner.lend_error.clone(),
            last_park_ms: owner.last_park_ms,
        }
    }

    /// By how much days are shortened here: not at all but under a center for tests.
    pub fn time_scale(&self) -> watch::Receiver<TimeScale> {
        self.0.session.time_scale()
    }

    /// What kind of address translation this machine stands behind.
    pub fn nat(&self) -> NatKind {
        self.0.endpoint.nat()
    }
}

impl Handler for Agent {
    async fn handle(&self, ask: LocalAsk) -> LocalAnswer {
        self.answer(ask).await.unwrap_or_else(|refusal| LocalAnswer::Refused {
            id: refusal.id.0,
            args: refusal.args.into_iter().collect::<BTreeMap<_, _>>(),
        })
    }
}

/// Runs foreign work, once it is known behind which walls.
async fn compute(
    config: ComputeConfig,
    (session, owner, client, gate, blocks): (Arc<Session>, watch::Receiver<OwnerView>, Client, Gate, BlockStore),
    key: [u8; 32],
    now: fn() -> Stamp,
) {
    let lies = config.lies;
    let begun = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&config.folder)?;
        let (program, args) = config.program;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let runner = Runner::new(program, &args, config.folder);
        let runner = runner.with_cache(Cache::open(config.cache, CACHE_BYTES)?);
        let runner = if config.gives_way { runner.giving_way() } else { runner };
        let walls = runner.walls().map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>((runner, walls))
    });
    match begun.await {
        Ok(Ok((runner, walls))) => {
            tracing::info!(level = walls.level(), missing = ?walls.missing, "walls around foreign work");
            let walls = walls.level();
            let parts = ComputingParts { session, owner, client, key, runner, walls, gate, blocks, now, lies };
            Computing::new(parts).run().await;
        }
        Ok(Err(error)) => tracing::error!(%error, "no foreign work is run here: a sandbox does not start"),
        Err(error) => tracing::error!(%error, "no foreign work is run here"),
    }
}

/// What this node has served, and for whom; beside its pieces.
async fn open_receipts(config: &AgentConfig) -> Receipts {
    let (dir, node) = (config.pieces.clone(), NodeId(wire::signed::public_of(&config.key)));
    let opened = tokio::task::spawn_blocking(move || Receipts::open(&dir, node)).await;
    opened.expect("opening the file does not panic")
}

/// What one peer may ask of a node: a small read costs a third of a millisecond of a core, so that one reader takes a third of a
/// core at most, and its permits say how much in all.
const SERVED: PeerLimits = PeerLimits { streams: 64, streams_per_s: 1_000, burst: 2_000 };

fn endpoint_config(config: &AgentConfig) -> EndpointConfig {
    EndpointConfig {
        limits: SERVED,
        bind: config.bind.map(|ip| SocketAddr::new(ip, 0)).into_iter().collect(),
        relays: config.relays.clone(),
        port_mapping: !config.bind.is_some_and(|ip| ip.is_loopback()),
        ..EndpointConfig::new(SecretKey::from_bytes(config.key))
    }
}

/// An endpoint with a key of this start alone, which only dials.
fn speaking_config(config: &AgentConfig) -> EndpointConfig {
    let mut key = [0; 32];
    getrandom::fill(&mut key).expect("the system gives randomness");
    EndpointConfig {
        bind: config.bind.map(|ip| SocketAddr::new(ip, 0)).into_iter().collect(),
        relays: config.relays.clone(),
        accept: false,
        ..EndpointConfig::new(SecretKey::from_bytes(key))
    }
}

/// Tells the owner's loop what the line can do: shares of it are shares of this.
async fn follow_rates(mut rates: watch::Receiver<Rates>, owner: OwnerHandle) {
    while rates.changed().await.is_ok() {
        let (up, down) = *rates.borrow_and_update();
        owner.tell(OwnerFact::Rates(up, down)).await;
    }
}

/// Keeps the limits of the store and of what a steward keeps at what the owner lends.
async fn follow_owner(owner: OwnerHandle, store: PieceStore, scratch: Scratch) {
    let mut watch = owner.watch();
    while watch.changed().await.is_ok() {
        let lent = watch.borrow_and_update().allowance.disk;
        store.set_lent(lent);
        scratch.set_lent(lent);
    }
}
