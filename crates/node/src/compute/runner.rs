//! The loop that asks for work while the owner lends, and what all attempts share.

use super::attempt::Attempt;
use super::blocks::BlockStore;
use super::guests::{Gate, Mood};
use super::input;
use super::shuffle::{Downs, Shuffler};
use crate::fleet::owner_loop::OwnerView;
use crate::session::Session;
use client::{Client, ClientError};
use model::compute::{Trust, TrustSet};
use model::errors::{self, ErrorId};
use model::{JobId, NodeId, NodeState, Span, Stamp};
use sandbox::Runner;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use wire::compute::{
    Brief, FreeSlot, ItemFate, ItemResult, LeaseShow, ModuleRef, WorkAsk, WorkLease, WorkReport, WorkSaid,
};
use wire::limits::SLOTS_MAX;
use wire::signed::{LeaseBody, work};
use wire::{Envelope, Reply, Request};

/// A parked request for work is answered within a minute; longer than that it is lost.
const ASK_WAIT: Duration = Duration::from_secs(75);
/// After an answer that was none, or a refusal.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// A report is told again until it is heard, for so long.
const TELL_FOR: Duration = Duration::from_secs(900);
/// Pause between two tries.
const TELL_AGAIN: Duration = Duration::from_secs(1);
/// Bytes of modules in memory.
const MODULES_BYTES: usize = 128 << 20;
/// Briefs in memory.
const BRIEFS_MAX: usize = 64;
/// Memory of one place at least, in MiB.
const SLOT_MEMORY_MIN: u32 = 64;
/// Memory that a place takes beside its guest's.
const SLOT_MEMORY_BESIDE: u32 = 64;
/// Disk of one place in MiB.
const SLOT_SCRATCH_MIB: u32 = 2_048;
/// Longest task where the owner's hours are not known to end.
const LONGEST: Span = Span::hours(2);

/// What computing needs.
pub struct ComputingParts {
    /// Session with the center.
    pub session: Arc<Session>,
    /// The owner's word.
    pub owner: watch::Receiver<OwnerView>,
    /// Reads and writes as this node.
    pub client: Client,
    /// Secret of the machine's key.
    pub key: [u8; 32],
    /// Starts sandboxes.
    pub runner: Runner,
    /// Level of the walls they stand behind, as measured.
    pub walls: u8,
    /// All guests.
    pub gate: Gate,
    /// Blocks of shuffles.
    pub blocks: BlockStore,
    /// Clock.
    pub now: fn() -> Stamp,
    /// For tests: results are made up.
    pub lies: bool,
}

/// What attempts share.
pub struct Shared {
    session: Arc<Session>,
    /// Reads and writes as this node.
    pub client: Client,
    /// Its side of shuffles.
    pub shuffler: Shuffler,
    /// Starts sandboxes.
    pub runner: Runner,
    key: [u8; 32],
    walls: u8,
    since: Stamp,
    now: fn() -> Stamp,
    lies: bool,
    briefs: Mutex<BTreeMap<(JobId, u8), Arc<Brief>>>,
    modules: Mutex<BTreeMap<[u8; 32], Arc<Vec<u8>>>>,
    /// One at a time fetches modules.
    fetching: Semaphore,
}

/// Asks for work and runs it, for ever.
pub struct Computing {
    shared: Arc<Shared>,
    owner: watch::Receiver<OwnerView>,
    gate: Gate,
}

impl Computing {
    /// Of these parts.
    pub fn new(parts: ComputingParts) -> Self {
        let own = NodeId(wire::signed::public_of(&parts.key));
        let shared = Shared {
            session: parts.session,
            shuffler: Shuffler { client: parts.client.clone(), store: parts.blocks, own, downs: Downs::default() },
            client: parts.client,
            runner: parts.runner,
            key: parts.key,
            walls: parts.walls,
            since: (parts.now)(),
            now: parts.now,
            lies: parts.lies,
            briefs: Mutex::default(),
            modules: Mutex::default(),
            fetching: Semaphore::new(1),
        };
        Self { shared: Arc::new(shared), owner: parts.owner, gate: parts.gate }
    }

    /// Runs until dropped.
    pub async fn run(mut self) {
        let mut ended = self.gate.ended();
        let shows = tokio::spawn(show_unknown(Arc::clone(&self.shared)));
        let _ends_with_this = Ends(shows);
        loop {
            let slots = self.free();
            let ask = self.shared.work_ask(slots);
            if ask.slots.is_empty() {
                // Until the owner changes something, or a place is free again.
                tokio::select! {
                    changed = self.owner.changed() => if changed.is_err() { return },
                    _ = ended.changed() => {}
                }
                continue;
            }
            let asking = self.shared.ask(ask);
            let answer = tokio::select! {
                answer = asking => answer,
                () = self.not_wanted() => continue,
            };
            match answer {
                Some(leases) => leases.into_iter().for_each(|lease| self.begin(lease)),
                None => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    /// Places that are free now; none while the owner does not allow new work.
    fn free(&mut self) -> Vec<FreeSlot> {
        let view = self.owner.borrow_and_update();
        let allowance = view.allowance;
        let may = allowance.new_work
            && view.policy.accept.batch
            && !matches!(view.state, NodeState::Off | NodeState::Evict | NodeState::Pause);
        drop(view);
        if !may || *self.gate.mood().borrow() == Mood::Parked {
            return Vec::new();
        }
        let places = (allowance.cores_milli / 1_000).max(u32::from(allowance.cores_milli > 0));
        let places = places.min(allowance.memory_mib / (SLOT_MEMORY_MIN + SLOT_MEMORY_BESIDE));
        let taken = u32::try_from(self.gate.count()).unwrap_or(u32::MAX);
        let free = places.saturating_sub(taken).min(u32::try_from(SLOTS_MAX).unwrap_or(u32::MAX));
        let memory_mib = allowance.memory_mib.checked_div(places).unwrap_or(0).saturating_sub(SLOT_MEMORY_BESIDE);
        (0..free).map(|_| FreeSlot { memory_mib, scratch_mib: SLOT_SCRATCH_MIB }).collect()
    }

    /// Resolves when nothing may be asked for any more.
    async fn not_wanted(&self) {
        let mut owner = self.owner.clone();
        while owner.changed().await.is_ok() {
            if !owner.borrow().allowance.new_work {
                return;
            }
        }
    }

    fn begin(&self, lease: WorkLease) {
        let Some(body) = LeaseBody::parse(&lease.body) else {
            tracing::warn!("the center gave a lease that is none");
            return;
        };
        self.shared.session.keep_lease(body.serial, (lease.body.clone(), lease.permit.clone()));
        let attempt = Attempt::new(Arc::clone(&self.shared), lease, body, self.gate.enter(body.serial));
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            attempt.run().await;
            shared.session.forget_lease(body.serial);
        });
    }
}

/// Ends a task when dropped.
struct Ends(tokio::task::JoinHandle<()>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Shows leases that the center did not know at a check-in, for ever.
async fn show_unknown(shared: Arc<Shared>) {
    let mut unknown = shared.session.unknown_leases();
    while unknown.changed().await.is_ok() {
        let leases = unknown.borrow_and_update().clone();
        if !leases.is_empty() {
            shared.show(leases).await;
        }
    }
}

/// A no that may be a yes soon: the center's database is busy or gone for a while.
fn is_passing(id: ErrorId) -> bool {
    matches!(id, errors::RATE_LIMITED | errors::DB_UNWRITABLE | errors::BUG)
}

impl Shared {
    fn work_ask(&self, slots: Vec<FreeSlot>) -> WorkAsk {
        let engine = sandbox::engine_id()[..16].try_into().expect("an id has 32 bytes");
        let trusts = TrustSet::default().with(Trust::Own).with(Trust::Circle);
        let needed = sandbox::walls::needed(sandbox::Trust::Public, std::env::consts::ARCH);
        let trusts = if self.walls >= needed { trusts.with(Trust::Public) } else { trusts };
        WorkAsk {
            session: self.client.endpoint().id(),
            slots,
            trusts: trusts.0,
            walls: self.walls,
            engines: vec![engine],
            session_age: (self.now)().since(self.since),
            longest: LONGEST,
        }
    }

    /// Work; none where the center said no or was not reached.
    async fn ask(&self, ask: WorkAsk) -> Option<Vec<WorkLease>> {
        let request = Envelope::new(Request::WorkAsk(Box::new(ask))).to_bytes();
        let answer = self.session.carry(&request, ASK_WAIT).await.ok()?;
        match Reply::from_bytes(&answer) {
            Ok(Reply::Work(leases)) => Some(leases),
            Ok(Reply::Refused(no)) => {
                tracing::debug!(id = %no.id, "the center gave no work");
                None
            }
            _ => None,
        }
    }

    /// Tells a report until it is heard; what became of its items, none where that took too long or the center said no.
    pub async fn tell(&self, report: WorkReport) -> Option<Vec<ItemFate>> {
        let reports = vec![report];
        let has_results = matches!(reports[0], WorkReport::Computed(..) | WorkReport::Done(..));
        let signature = if has_results { work::sign_reports(&self.key, &reports).to_vec() } else { Vec::new() };
        let request = Request::WorkReports(Box::new(WorkSaid { reports, signature }));
        let until = tokio::time::Instant::now() + TELL_FOR;
        while tokio::time::Instant::now() < until {
            match self.session.ask(request.clone()).await {
                Ok(Reply::WorkTaken(mut taken)) if taken.fates.len() == 1 => return taken.fates.pop(),
                Ok(Reply::Refused(no)) if !is_passing(no.id) => {
                    tracing::info!(id = %no.id, "the center refused a report");
                    return None;
                }
                Ok(_) | Err(_) => tokio::time::sleep(TELL_AGAIN).await,
            }
        }
        None
    }

    /// The same of a lease: where the center does not know it, it is shown and the report told again.
    pub async fn tell_of(&self, lease: &WorkLease, report: WorkReport) -> Option<Vec<ItemFate>> {
        let fates = self.tell(report.clone()).await?;
        if !fates.contains(&ItemFate::Unknown) {
            return Some(fates);
        }
        self.show(vec![(lease.body.clone(), lease.permit.clone())]).await;
        self.tell(report).await
    }

    async fn show(&self, leases: Vec<(Vec<u8>, Vec<u8>)>) {
        let show = LeaseShow { node: self.work_ask(Vec::new()), leases };
        if let Err(error) = self.session.ask(Request::LeaseShow(Box::new(show))).await {
            tracing::debug!(%error, "a lease was not shown");
        }
    }

    /// The brief of a job's stage, where it is known.
    pub fn brief(&self, stage: (JobId, u8)) -> Option<Arc<Brief>> {
        self.briefs.lock().unwrap_or_else(PoisonError::into_inner).get(&stage).cloned()
    }

    /// Remembers a brief.
    pub fn keep_brief(&self, stage: (JobId, u8), brief: &Arc<Brief>) {
        let mut briefs = self.briefs.lock().unwrap_or_else(PoisonError::into_inner);
        while briefs.len() >= BRIEFS_MAX {
            briefs.pop_first();
        }
        briefs.insert(stage, Arc::clone(brief));
    }

    /// A module's bytes, from memory or from the job's folder.
    ///
    /// # Errors
    /// [`ClientError`]; bytes of another hash are [`ClientError::Unexpected`].
    pub async fn module(&self, brief: &Brief, what: &ModuleRef) -> Result<Arc<Vec<u8>>, ClientError> {
        let known = || self.modules.lock().unwrap_or_else(PoisonError::into_inner).get(&what.hash).cloned();
        if let Some(module) = known() {
            return Ok(module);
        }
        let _turn = self.fetching.acquire().await.map_err(|_| ClientError::Unexpected("fetching ended"))?;
        if let Some(module) = known() {
            return Ok(module);
        }
        let bucket = input::open(&self.client, &brief.modules).await?;
        let name = format!("{}/{}", bucket.base(), what.name);
        let mut bytes = input::Capped::new(sandbox::MODULE_BYTES_MAX);
        self.client.get(&bucket, &name, client::Wanted::default(), &mut bytes, &|_, _, _| {}).await?;
        let bytes = bytes.into_inner();
        if *blake3::hash(&bytes).as_bytes() != what.hash {
            return Err(ClientError::Unexpected("a module of another hash"));
        }
        let module = Arc::new(bytes);
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        while modules.values().map(|module| module.len()).sum::<usize>() + module.len() > MODULES_BYTES {
            if modules.pop_first().is_none() {
                break;
            }
        }
        modules.insert(what.hash, Arc::clone(&module));
        Ok(module)
    }

    /// For tests of checks: what a node that lies says instead. Its stored bytes are what they are.
    pub fn falsified(&self, result: ItemResult) -> ItemResult {
        if !self.lies {
            return result;
        }
        let mut hash = result.hash;
        hash[0] ^= 1;
        ItemResult { hash, ..result }
    }
}
