//! The session with the center: a link that comes back, and the periodic check-in over it. What the owner decides is told at
//! once, gathered for a tenth of a second; what the center asks is obeyed only downwards.

use crate::compute::Gate;
use crate::fleet::owner_loop::OwnerView;
use crate::receipts::settle::Settled;
use crate::{machine, probe};
use model::{Bytes, Kbps, LinkKind, NodeState, PauseReason, PgId, Ppm, Span, Stamp, TimeScale};
use net::{CallLimits, Endpoint, Link, Redial};
use rules::fleet::ask::{believed_scale, check_generation, is_lent_news};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use wire::fleet::{Allowed, CheckIn, CheckInReply, Free, Goodbye, Held, Measured, Parting, Plan};
use wire::limits::{CHECK_IN_REPLY_MAX, REPLY_MAX};
use wire::{Envelope, Reply, Request};

/// Longest wait for the answer to a check-in.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the answer to a request of this node's own work.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);
/// After a check-in that failed on a live link.
const RETRY: Duration = Duration::from_secs(2);
/// Changes of the owner's are gathered for this long before they are told.
const NEWS_AFTER: Duration = Duration::from_millis(100);
/// Longest wait until the center has heard a goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);
/// Nobody was there to measure against: tried again after this, a few times …
const PROBE_SOON: Duration = Duration::from_secs(5);
/// … so many times …
const PROBE_SOON_MAX: u32 = 6;
/// … and then after this.
const PROBE_AGAIN: Duration = Duration::from_secs(60);

/// What is known of the session now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionView {
    /// How the center is reached; none when it is not.
    pub link: Option<LinkKind>,
    /// Last answered check-in, by this machine's clock.
    pub last: Option<Stamp>,
    /// The plan in force.
    pub plan: Plan,
    /// Another process uses this key.
    pub duplicate: bool,
    /// Slots on their way to others, and those for which nobody was found; none where nothing is handed over.
    pub handing: Option<(u32, u32)>,
    /// Score of this node's honesty, as the center said last.
    pub integrity: Option<Ppm>,
    /// What came of the newest window that was refused, or of the newest at all.
    pub settled: Option<Settled>,
    /// The center shows another book than the one whose root of this day was seen.
    pub forked: Option<u32>,
    /// This clock minus the center's, in ms, at the last check-in.
    pub clock_offset_ms: i64,
}

/// The newest day with a root that a center names, and its root, none where no day has one; and whether this node is to sign it.
pub type ShownRoot = (Option<(u32, [u8; 32])>, bool);

/// A lease as it is shown: body and permit.
pub type ShownLease = (Vec<u8>, Vec<u8>);

/// Measured upload and download.
pub type Rates = (Option<Kbps>, Option<Kbps>);

/// Everything a session needs.
pub struct SessionParts {
    /// Random of this start.
    pub boot: u64,
    /// Endpoint.
    pub endpoint: Endpoint,
    /// Link to the center.
    pub redial: Arc<Redial>,
    /// Owner's word.
    pub owner: watch::Receiver<OwnerView>,
    /// Folder of the pieces.
    pub pieces: PathBuf,
    /// Clock.
    pub now: fn() -> Stamp,
    /// Network was measured at join.
    pub network_known: bool,
    /// A center for tests was joined, which may shorten days.
    pub dev: bool,
}

/// The session; dropped, it ends.
pub struct Session {
    parts: SessionParts,
    view: watch::Sender<SessionView>,
    quarantined: watch::Sender<bool>,
    chosen: Notify,
    relinked: Notify,
    rates: watch::Sender<Rates>,
    /// What is held, and cursors of groups, as told last by whoever looks after the pieces.
    storage: Mutex<(Held, Vec<(u32, u64)>)>,
    moved: watch::Sender<Vec<PgId>>,
    time_scale: watch::Sender<TimeScale>,
    ledger_root: watch::Sender<Option<ShownRoot>>,
    sequence: Mutex<u32>,
    /// What is lent, as the center was told last.
    lent_told: Mutex<Option<Bytes>>,
    /// Guests of this machine.
    gate: Gate,
    /// Leases that are worked on, with their permits.
    leases: Mutex<BTreeMap<u64, ShownLease>>,
    unknown: watch::Sender<Vec<ShownLease>>,
}

impl Session {
    /// A session that has not begun.
    pub fn new(parts: SessionParts, gate: Gate) -> Arc<Self> {
        let (view, _) = watch::channel(SessionView::default());
        let (quarantined, _) = watch::channel(false);
        Arc::new(Self {
            parts,
            view,
            quarantined,
            chosen: Notify::new(),
            relinked: Notify::new(),
            rates: watch::Sender::default(),
            storage: Mutex::default(),
            moved: watch::Sender::default(),
            time_scale: watch::Sender::default(),
            ledger_root: watch::Sender::default(),
            sequence: Mutex::new(0),
            lent_told: Mutex::default(),
            gate,
            leases: Mutex::default(),
            unknown: watch::Sender::default(),
        })
    }

    /// What is known now.
    pub fn view(&self) -> SessionView {
        let mut view = self.view.borrow().clone();
        view.link = self.parts.redial.now().map(|link| link.kind());
        view
    }

    /// The newest root of the book as the center names it; nothing before the first check-in.
    pub fn ledger_root(&self) -> watch::Receiver<Option<ShownRoot>> {
        self.ledger_root.subscribe()
    }

    /// The center shows another book than the one whose root of a day was seen, or does no more.
    pub fn note_fork(&self, day: Option<u32>) {
        self.view.send_if_modified(|view| std::mem::replace(&mut view.forked, day) != day);
    }

    /// Whether the center gives this node no new work.
    pub fn quarantined(&self) -> watch::Receiver<bool> {
        self.quarantined.subscribe()
    }

    /// Checks in for ever.
    pub async fn run(self: Arc<Self>) {
        let mut owner = self.parts.owner.clone();
        let mut known_to: Option<Link> = None;
        let mut next = Instant::now();
        let mut told = None;
        let (mut probe_at, mut tries) = (Instant::now(), 0);
        loop {
            let link = self.parts.redial.link().await;
            let is_new = known_to.as_ref().is_none_or(Link::is_closed);
            if !is_new {
                tokio::select! {
                    () = sleep_until(next) => {}
                    changed = owner.changed() => {
                        if changed.is_err() { return; }
                        let now = told_of(&owner.borrow());
                        if Some(now) == told && self.lent_news().is_none() { continue; }
                        sleep_until(Instant::now() + NEWS_AFTER).await;
                    }
                    _ = link.closed() => continue,
                }
            }
            told = Some(told_of(&owner.borrow_and_update()));
            if is_new {
                self.relinked.notify_one();
            }
            match self.check_in(&link, is_new).await {
                Some(reply) => {
                    known_to = Some(link.clone());
                    next = Instant::now() + reply.next.to_std();
                    self.obey(reply);
                    let is_due = !self.parts.network_known && probe_at <= Instant::now();
                    if is_due && self.measure(&link).await {
                        tries = 0;
                        probe_at = Instant::now() + Duration::from_secs(7 * 24 * 3_600);
                    } else if is_due {
                        tries += 1;
                        probe_at = Instant::now() + if tries < PROBE_SOON_MAX { PROBE_SOON } else { PROBE_AGAIN };
                    }
                }
                None => {
                    known_to = None;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// What is lent, where the center is to hear of it now.
    fn lent_news(&self) -> Option<Bytes> {
        let now = self.parts.owner.borrow().allowance.disk;
        let held = self.storage.lock().unwrap_or_else(PoisonError::into_inner).0.bytes;
        let told = *self.lent_told.lock().unwrap_or_else(PoisonError::into_inner);
        told.is_none_or(|told| is_lent_news(told, now, Bytes(held))).then_some(now)
    }

    async fn check_in(&self, link: &Link, with_addr: bool) -> Option<CheckInReply> {
        let ask = self.message(with_addr);
        let lent = ask.lent;
        let sent_at = (self.parts.now)();
        let request = Envelope::new(Request::CheckIn(Box::new(ask))).to_bytes();
        let limits = CallLimits { max_reply: CHECK_IN_REPLY_MAX, timeout: CALL_TIMEOUT };
        let reply = match link.call(&request, limits).await {
            Ok(bytes) => Reply::from_bytes(&bytes),
            Err(error) => {
                tracing::info!(%error, "a check-in was not answered");
                return None;
            }
        };
        match reply {
            Ok(Reply::CheckedIn(reply)) => {
                let now = (self.parts.now)();
                let middle = sent_at + Span(now.since(sent_at).as_ms() / 2);
                let offset = i64::try_from(middle.as_ms()).unwrap_or(0) - i64::try_from(reply.now.as_ms()).unwrap_or(0);
                self.view.send_modify(|view| {
                    view.last = Some(now);
                    view.duplicate = reply.duplicate;
                    view.integrity = Some(reply.integrity);
                    view.clock_offset_ms = offset;
                });
                if lent.is_some() {
                    *self.lent_told.lock().unwrap_or_else(PoisonError::into_inner) = lent;
                }
                Some(*reply)
            }
            Ok(Reply::Refused(refusal)) => {
                tracing::warn!(id = %refusal.id, "the center refused a check-in");
                None
            }
            _ => {
                tracing::warn!("the center answered something else than a check-in");
                None
            }
        }
    }

    fn message(&self, with_addr: bool) -> CheckIn {
        let view = self.parts.owner.borrow().clone();
        let lent = if with_addr { Some(view.allowance.disk) } else { self.lent_news() };
        let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        *sequence += 1;
        let (held, cursors) = self.storage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let leases = self.gate.leases();
        let disk_free = machine::disk(&self.parts.pieces).map_or(0, |(_, free)| free.0 >> 20);
        CheckIn {
            boot: self.parts.boot,
            sequence: *sequence,
            now: (self.parts.now)(),
            state: view.state,
            reason: view.reason,
            free: Free {
                cores_milli: view.allowance.cores_milli,
                memory_mib: machine::memory_mib().1,
                disk_mib: disk_free,
            },
            allowed: Allowed { up: view.allowance.up, down: view.allowance.down },
            transfer_left_mib: None,
            leases: leases.clone(),
            cursors,
            generation: self.view.borrow().plan.generation,
            busy: !leases.is_empty(),
            addr: with_addr.then(|| self.parts.endpoint.addr()),
            lent,
            held,
        }
    }

    /// What the next check-ins say of the pieces: what is held, and how far groups were followed.
    pub fn tell_held(&self, held: Held, cursors: Vec<(u32, u64)>) {
        *self.storage.lock().unwrap_or_else(PoisonError::into_inner) = (held, cursors);
    }

    /// What of this node is handed over now: slots on their way, and those for which nobody was found.
    pub fn tell_handing(&self, handing: Option<(u32, u32)>) {
        self.view.send_modify(|view| view.handing = handing);
    }

    /// What came of windows that were handed in.
    pub fn tell_settled(&self, settled: Option<Settled>) {
        self.view.send_modify(|view| view.settled = settled);
    }

    /// Remembers a lease that is worked on, so that it can be shown to a center that does not know it.
    pub fn keep_lease(&self, serial: u64, shown: ShownLease) {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).insert(serial, shown);
    }

    /// It is worked on no more.
    pub fn forget_lease(&self, serial: u64) {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).remove(&serial);
    }

    /// Leases that the center did not know at the last check-in: body and permit.
    pub fn unknown_leases(&self) -> watch::Receiver<Vec<ShownLease>> {
        self.unknown.subscribe()
    }

    /// Groups whose log has drops that this node has not seen, as the last check-in said.
    pub fn moved(&self) -> watch::Receiver<Vec<PgId>> {
        self.moved.subscribe()
    }

    /// By how much days are shortened here: not at all but under a center for tests.
    pub fn time_scale(&self) -> watch::Receiver<TimeScale> {
        self.time_scale.subscribe()
    }

    /// Upload and download as measured last.
    pub fn rates(&self) -> watch::Receiver<Rates> {
        self.rates.subscribe()
    }

    /// Resolves when the center has chosen this node as a steward.
    pub async fn chosen(&self) {
        self.chosen.notified().await;
    }

    /// Resolves when the center is met over a new link, or did not know this node.
    pub async fn relinked(&self) {
        self.relinked.notified().await;
    }

    /// Takes a plan that is not older than the one in force.
    fn obey(&self, reply: CheckInReply) {
        if reply.has_steward_work {
            self.chosen.notify_one();
        }
        if !reply.moved.is_empty() {
            self.moved.send_replace(reply.moved.clone());
        }
        self.gate.cancel(&reply.leases_canceled);
        if !reply.leases_unknown.is_empty() {
            let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
            self.unknown.send_replace(reply.leases_unknown.iter().filter_map(|s| leases.get(s).cloned()).collect());
        }
        let shown = Some((reply.ledger_root, reply.signs_root));
        self.ledger_root.send_if_modified(|told| std::mem::replace(told, shown) != shown);
        let scale = believed_scale(reply.time_scale, self.parts.dev);
        if self.time_scale.send_replace(scale) != scale {
            tracing::warn!(times = scale.0, "a center for tests changed how days count here");
        }
        let held = self.view.borrow().plan.generation;
        if let Err(refusal) = check_generation(held, reply.plan.generation) {
            tracing::warn!(id = %refusal.id, held, offered = reply.plan.generation, "an older plan was refused");
            return;
        }
        let quarantined = reply.plan.quarantined;
        self.view.send_modify(|view| view.plan = reply.plan);
        if self.quarantined.send_replace(quarantined) != quarantined {
            tracing::info!(quarantined, "the center changed its mind about this node");
        }
    }

    /// Measures against nodes that are on and tells the center; true when something was learned.
    async fn measure(&self, link: &Link) -> bool {
        let Some(Reply::ProbePeers(peers)) = self.call(link, Request::ProbePeers(None)).await else { return false };
        if peers.is_empty() {
            return false;
        }
        let mut measured: Measured = probe::link::measure(&self.parts.endpoint, &peers).await;
        measured.nat = Some(self.parts.endpoint.nat()).filter(|nat| *nat != model::NatKind::Unknown);
        let learned = measured.up.is_some();
        if learned {
            self.rates.send_replace((measured.up, measured.down));
        }
        self.call(link, Request::Measured(Box::new(measured))).await;
        learned
    }

    async fn call(&self, link: &Link, request: Request) -> Option<Reply> {
        let limits = CallLimits { max_reply: REPLY_MAX, timeout: CALL_TIMEOUT };
        let bytes = link.call(&Envelope::new(request).to_bytes(), limits).await.ok()?;
        Reply::from_bytes(&bytes).ok()
    }

    /// Tells the center that this node goes; waits half a second at most.
    pub async fn goodbye(&self, why: Parting) {
        if let Some(link) = self.parts.redial.now() {
            let goodbye = Request::Goodbye(Goodbye { boot: self.parts.boot, why });
            let _ = timeout(GOODBYE_TIMEOUT, self.call(&link, goodbye)).await;
        }
    }

    /// Asks the center as this node.
    pub async fn ask(&self, request: Request) -> Result<Reply, net::NetError> {
        let bytes = self.carry(&Envelope::new(request).to_bytes(), ASK_TIMEOUT).await?;
        Reply::from_bytes(&bytes).map_err(|_| net::NetError::Cut)
    }

    /// Carries a command's request to the center; over a new link again when the one it went over was lost, where asking twice
    /// does no harm.
    pub async fn carry(&self, envelope: &[u8], wait: Duration) -> Result<Vec<u8>, net::NetError> {
        let may_repeat = Envelope::from_bytes(envelope).is_ok_and(|sent| sent.request.may_repeat());
        let until = tokio::time::Instant::now() + wait;
        loop {
            let link = tokio::time::timeout_at(until, self.parts.redial.link()).await;
            let link = link.map_err(|_| net::NetError::TimedOut(wait))?;
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            match link.call(envelope, CallLimits { max_reply: REPLY_MAX, timeout: left }).await {
                Err(error) if may_repeat && link.is_closed() && tokio::time::Instant::now() < until => {
                    tracing::debug!(%error, "the center's link was lost under a request; it is asked again");
                }
                answer => return answer,
            }
        }
    }
}

/// What the center is told of at once when it changes.
fn told_of(view: &OwnerView) -> (NodeState, PauseReason) {
    (view.state, view.reason)
}
