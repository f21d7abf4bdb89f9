//! The scheduler with what its shell needs beside it: who waits for work, whose jobs these are, what nodes are told at check-in.

use super::journal::{Durable, Inbox, Journal, Written};
use super::progress::Kept;
use super::store::{self, JobRow, Word};
use crate::Center;
use crate::db::{Db, StoreError, meta};
use crate::ledger::settle::results::Paid;
use crate::refuse::{Refused, plain};
use model::{Alias, JobId, MemberId, NodeId, Span, Stamp, errors};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rules::compute::{Effect, Input, Lease, PayAct, Record, Scheduler};
use rules::ledger::tariff::Variant;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Nodes that were given work of a job may ask for its earlier stages' items for so long.
const GRANTED_FOR: Span = Span::hours(3);
/// Pause between two looks at keepers and at nodes whose links are gone.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A job that ended is remembered for so long, so that a liar found late is still put right.
const LINGER: Span = Span::hours(24);

/// A live job beside what the scheduler knows.
#[derive(Debug, Clone)]
pub struct Known {
    /// As it was handed in.
    pub row: JobRow,
    /// When it ended in this life.
    pub ended: Option<Stamp>,
    keeper_on: Option<bool>,
}

/// Who waits for work.
struct Asker {
    node: Alias,
    answer: oneshot::Sender<Vec<Lease>>,
}

/// The scheduler and its surroundings.
pub struct Board {
    scheduler: Scheduler,
    rng: StdRng,
    next_ask: u64,
    asks: BTreeMap<u64, Asker>,
    jobs: BTreeMap<JobId, Known>,
    canceled: BTreeMap<Alias, Vec<u64>>,
    unknown: BTreeMap<Alias, Vec<u64>>,
    /// When a node was given work of a job last, and the latest stage it was given work of.
    granted: BTreeMap<(JobId, Alias), (Stamp, u8)>,
    suspects: BTreeSet<Alias>,
    next: BTreeMap<JobId, u64>,
    wake: Option<Stamp>,
    /// What followed from taking jobs up again at a start.
    begun: Vec<Effect>,
}

impl Board {
    /// An empty board in a center's `life`-th life.
    fn new(life: u32) -> Self {
        Self {
            scheduler: Scheduler::new(life),
            rng: StdRng::from_rng(&mut rand::rng()),
            next_ask: 0,
            asks: BTreeMap::new(),
            jobs: BTreeMap::new(),
            canceled: BTreeMap::new(),
            unknown: BTreeMap::new(),
            granted: BTreeMap::new(),
            suspects: BTreeSet::new(),
            next: BTreeMap::new(),
            wake: None,
            begun: Vec::new(),
        }
    }

    /// Numbers of the next records, for the journal.
    pub fn take_next(&mut self) -> BTreeMap<JobId, u64> {
        std::mem::take(&mut self.next)
    }

    /// A job that is known here.
    pub fn job(&self, id: &JobId) -> Option<&Known> {
        self.jobs.get(id)
    }

    /// The scheduler, to be asked.
    pub const fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// How a job stands now.
    pub fn progress(&self, now: Stamp, id: &JobId) -> Option<Kept> {
        let progress = self.scheduler.progress(now, *id)?;
        Some(Kept::of(&progress, self.scheduler.why_waiting(now, *id).as_ref()))
    }

    /// Whether a node was given work lately of a stage of a job that comes after this one.
    pub fn was_granted_after(&self, now: Stamp, job: &JobId, node: Alias, stage: u8) -> bool {
        self.granted.get(&(*job, node)).is_some_and(|(at, given)| stage < *given && now.since(*at) < GRANTED_FOR)
    }

    /// Whether a node was given work lately of any job of a member.
    pub fn works_for(&self, now: Stamp, member: &MemberId, node: Alias) -> bool {
        let of = self.jobs.iter().filter(|(_, known)| known.row.member == *member);
        let was = |job: &JobId| self.granted.get(&(*job, node)).is_some_and(|(at, _)| now.since(*at) < GRANTED_FOR);
        of.into_iter().any(|(job, _)| was(job))
    }

    /// Notes that a node was given work of a job.
    pub fn note_granted(&mut self, now: Stamp, (job, stage): (JobId, u8), node: Alias) {
        let given = self.granted.entry((job, node)).or_insert((now, stage));
        *given = (now, given.1.max(stage));
    }

    /// What a node is told at its check-in: leases that are gone, and leases it has to show.
    pub fn told(&mut self, node: Alias) -> (Vec<u64>, Vec<u64>) {
        (self.canceled.remove(&node).unwrap_or_default(), self.unknown.remove(&node).unwrap_or_default())
    }
}

/// Makes the board of a starting center.
pub async fn load(db: &Db, now: Stamp) -> Result<Board, StoreError> {
    let life = db.write(|tx| {
        let before = meta::get(tx, meta::COMPUTE_LIFE)?.and_then(|bytes| bytes.try_into().ok());
        let life = before.map_or(0, u32::from_le_bytes).wrapping_add(1);
        meta::put(tx, meta::COMPUTE_LIFE, &life.to_le_bytes())?;
        Ok(life)
    });
    let mut board = Board::new(life.await?);
    let read = db.read(|q| {
        let standings = store::standings(q)?;
        let mut jobs = Vec::new();
        for row in store::live(q)? {
            let (records, next) = store::records(q, &row.facts.id)?;
            jobs.push((row, records, next));
        }
        Ok((standings, jobs))
    });
    let (standings, jobs) = read.await?;
    for (node, standing) in standings {
        board.scheduler.handle(now, Input::Known { node, standing }, &mut board.rng);
    }
    for (row, records, next) in jobs {
        let id = row.facts.id;
        board.next.insert(id, next);
        let effects = board.scheduler.handle(now, Input::Restore(row.facts.clone(), records), &mut board.rng);
        board.begun.extend(effects);
        board.jobs.insert(id, Known { row, ended: None, keeper_on: None });
    }
    Ok(board)
}

/// What a decision comes to for who asked for it.
pub struct Decided {
    /// Answers among the effects: verdicts, what was taken, notes.
    pub answers: Vec<Effect>,
    durable: Option<Durable>,
}

impl Decided {
    /// The answers, once everything decided so far is durable.
    pub async fn durable(self) -> Result<Vec<Effect>, Refused> {
        let stands = match self.durable {
            Some(durable) => durable.wait().await,
            None => true,
        };
        if stands { Ok(self.answers) } else { Err(Refused(plain(errors::RATE_LIMITED))) }
    }
}

/// Lets the scheduler decide. What follows is made durable, then told.
pub fn decide(center: &Center, input: Input, word: Option<Word>) -> Result<Decided, Refused> {
    let busy = || Refused(wire::RefusalMsg::new(errors::RATE_LIMITED, [("wait", "1 s".to_owned())]));
    let now = center.now();
    let mut board = center.board();
    let board = &mut *board;
    // Whoever writes to the journal holds this lock: what has room here has it below.
    if !center.journal().has_room() {
        return Err(busy());
    }
    let mut effects = std::mem::take(&mut board.begun);
    effects.extend(board.scheduler.handle(now, input, &mut board.rng));
    let (mut written, mut answers, mut grants) = (Written { word, ..Written::default() }, Vec::new(), Vec::new());
    for effect in effects {
        board.follow(now, effect, &mut written, &mut answers, &mut grants);
    }
    if let Some(wake) = board.wake.take() {
        center.wake_compute(wake);
    }
    if written.is_empty() && answers.is_empty() && grants.is_empty() {
        return Ok(Decided { answers, durable: None });
    }
    // Under the board's lock, so that the order of decisions is the order of the journal.
    let durable = center.journal().write(written).ok_or_else(busy)?;
    if grants.is_empty() {
        return Ok(Decided { answers, durable: Some(durable) });
    }
    let (told, heard) = oneshot::channel();
    tokio::spawn(async move {
        if durable.wait().await {
            for (answer, leases) in grants {
                // A node that went meanwhile leaves its lease to run out.
                let _ = answer.send(leases);
            }
            let _ = told.send(());
        }
    });
    Ok(Decided { answers, durable: Some(Durable::after(heard)) })
}

type Grants = Vec<(oneshot::Sender<Vec<Lease>>, Vec<Lease>)>;

impl Board {
    /// Sorts one effect into what is written, what is answered, and what is told later.
    fn follow(
        &mut self,
        now: Stamp,
        effect: Effect,
        written: &mut Written,
        answers: &mut Vec<Effect>,
        grants: &mut Grants,
    ) {
        match effect {
            Effect::Record(Record::Standing { node, standing }) => written.standings.push((node, standing)),
            Effect::Record(record) => {
                if let Some(job) = record.job() {
                    written.records.entry(job).or_default().push(record);
                }
            }
            Effect::Grant { ask, node, leases } => {
                for lease in &leases {
                    let (serial, first, count) = (lease.serial, lease.first, lease.count);
                    tracing::debug!(%node, job = %lease.job.short(), stage = lease.stage, serial, first, count, "a lease");
                    self.note_granted(now, (lease.job, lease.stage), node);
                }
                if let Some(asker) = self.asks.remove(&ask) {
                    grants.push((asker.answer, leases));
                }
            }
            Effect::Empty { ask } => {
                if let Some(asker) = self.asks.remove(&ask) {
                    let _ = asker.answer.send(Vec::new());
                }
            }
            Effect::Cancel { node, serial } => note_serial(self.canceled.entry(node).or_default(), serial),
            Effect::Show { node, serial } => note_serial(self.unknown.entry(node).or_default(), serial),
            Effect::JobEnded { job, state, progress } => {
                let kept = Kept::of(&progress, None);
                written.ended.push((job, state, kept.to_bytes()));
                if let Some(known) = self.jobs.get_mut(&job) {
                    known.ended = Some(now);
                    known.row.state = state;
                }
                tracing::info!(job = %job.short(), state = %state, "a job ended");
            }
            Effect::Folded { job, records } => {
                written.folded.insert(job, records);
            }
            Effect::Quarantine { node, why, .. } => {
                tracing::warn!(%node, item = %why.item, "a node's result was proved wrong; it gets no public work");
            }
            Effect::Replaced { item, .. } => tracing::warn!(%item, "a wrong output was replaced"),
            // What waits for a check is owed when it is final; what is proved wrong never is.
            Effect::Pay(pay) => {
                if let (PayAct::Post, Some(known)) = (pay.act, self.jobs.get(&pay.item.job)) {
                    let variant = Variant::of_check(known.row.facts.check);
                    written.paid.push(Paid { member: known.row.member, variant, pay });
                }
            }
            Effect::WakeAt(at) => self.wake = Some(self.wake.map_or(at, |wake| wake.min(at))),
            Effect::Verdicts { .. } | Effect::Taken { .. } | Effect::Noted { .. } => answers.push(effect),
        }
    }
}

/// Notes a lease for a node's next check-in; the oldest go where a node has too many to be told.
fn note_serial(told: &mut Vec<u64>, serial: u64) {
    if told.len() >= wire::limits::LEASES_MAX {
        told.remove(0);
    }
    if !told.contains(&serial) {
        told.push(serial);
    }
}

/// A number for a request for work, and where its answer arrives.
pub fn begin_ask(center: &Center, node: Alias) -> (u64, oneshot::Receiver<Vec<Lease>>) {
    let (answer, answered) = oneshot::channel();
    let mut board = center.board();
    board.next_ask += 1;
    let ask = board.next_ask;
    board.asks.insert(ask, Asker { node, answer });
    (ask, answered)
}

/// A request is over.
pub fn end_ask(center: &Center, ask: u64) {
    let was_there = center.board().asks.remove(&ask).is_some();
    if was_there && let Err(refused) = decide(center, Input::Unpark { ask }, None) {
        tracing::debug!(id = %refused.0.id, "a request for work was not ended");
    }
}

/// A node waits for nothing any more: its last link is gone, or its owner is back.
pub fn end_asks(center: &Center, node: Alias) {
    let asks: Vec<u64> = {
        let board = center.board();
        board.asks.iter().filter(|(_, asker)| asker.node == node).map(|(ask, _)| *ask).collect()
    };
    asks.into_iter().for_each(|ask| end_ask(center, ask));
}

/// A node said goodbye.
pub fn goodbye(center: &Center, node: Alias) {
    end_asks(center, node);
    if let Err(refused) = decide(center, Input::Goodbye { node }, None) {
        tracing::debug!(id = %refused.0.id, "a goodbye was not heard; its leases run out");
    }
}

/// Keeps a node's word for results that counted.
pub async fn keep_word(center: &Center, word: Word) -> Result<(), Refused> {
    let written = Written { word: Some(word), ..Written::default() };
    let durable = {
        let _in_order = center.board();
        center.journal().write(written)
    };
    let stands = match durable {
        Some(durable) => durable.wait().await,
        None => false,
    };
    if stands { Ok(()) } else { Err(Refused(plain(errors::RATE_LIMITED))) }
}

/// Takes a job in that stands in the database.
pub fn begin_job(center: &Center, row: JobRow) -> Result<Decided, Refused> {
    let facts = row.facts.clone();
    center.board().jobs.insert(facts.id, Known { row, ended: None, keeper_on: None });
    decide(center, Input::Submit(facts), None)
}

/// A job that ended goes on.
pub fn revive(center: &Center, row: JobRow, past: Option<(Vec<Record>, u64)>) -> Result<(), Refused> {
    let facts = row.facts.clone();
    let mut board = center.board();
    board.jobs.insert(facts.id, Known { row, ended: None, keeper_on: None });
    let Some((records, next)) = past else { return Ok(()) };
    // Before anything is recorded of it: the number of its next records.
    let written = Written { next: [(facts.id, next)].into(), ..Written::default() };
    let has_room = center.journal().write(written).is_some();
    drop(board);
    if !has_room {
        return Err(Refused(wire::RefusalMsg::new(errors::RATE_LIMITED, [("wait", "1 s".to_owned())])));
    }
    decide(center, Input::Restore(facts, records), None).map(drop)
}

/// Wakes the scheduler when it asked to be, and tells it who can be reached. Runs until the center stops.
pub async fn run(center: Center, wake: std::sync::Arc<Notify>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let until = center.compute_wakes_at();
        let left = until.map_or(LOOK_EVERY, |at| at.since(center.now()).to_std());
        tokio::select! {
            _ = tick.tick() => look(&center),
            () = wake.notified() => continue,
            () = tokio::time::sleep(left), if until.is_some() => {}
        }
        center.forget_compute_wake();
        if let Err(refused) = decide(&center, Input::Tick, None) {
            tracing::debug!(id = %refused.0.id, "the scheduler was not woken; it is soon");
        }
    }
}

/// Who keeps keys and is on, whose links are gone, and what is long over.
fn look(center: &Center) {
    let now = center.now();
    let mut inputs = Vec::new();
    {
        let keepers: Vec<(JobId, Vec<NodeId>, Option<bool>)> = {
            let board = center.board();
            let live = board.jobs.iter().filter(|(_, known)| known.ended.is_none());
            live.map(|(id, known)| (*id, known.row.keepers.clone(), known.keeper_on)).collect()
        };
        let fleet = center.fleet();
        for (job, ids, was) in keepers {
            let is_on = |id: &NodeId| {
                fleet.alias_of(id).is_some_and(|alias| fleet.presence.state(now, alias) == model::Presence::On)
            };
            let on = ids.iter().any(is_on);
            if was != Some(on) {
                inputs.push((Some((job, on)), Input::Keeper { job, on }));
            }
        }
    }
    let worked: BTreeSet<Alias> = center.board().granted.keys().map(|(_, node)| *node).collect();
    let gone: BTreeSet<Alias> = {
        let fleet = center.fleet();
        worked.into_iter().filter(|node| fleet.presence.state(now, *node) != model::Presence::On).collect()
    };
    {
        let mut board = center.board();
        for node in gone.difference(&board.suspects) {
            tracing::debug!(%node, "a node that was given work does not answer");
        }
        inputs.extend(gone.difference(&board.suspects).map(|node| (None, Input::Suspect { node: *node })));
        inputs.extend(board.suspects.difference(&gone).map(|node| (None, Input::Back { node: *node })));
        board.suspects = gone;
        board.granted.retain(|_, (at, _)| now.since(*at) < GRANTED_FOR);
        board.jobs.retain(|_, known| known.ended.is_none_or(|at| now.since(at) < LINGER));
    }
    for (keeper, input) in inputs {
        if decide(center, input, None).is_ok()
            && let Some((job, on)) = keeper
            && let Some(known) = center.board().jobs.get_mut(&job)
        {
            known.keeper_on = Some(on);
        }
    }
}

/// A member's job that is known here or in the database; E0408 for another's.
pub async fn own_job(center: &Center, member: &MemberId, id: JobId) -> Result<JobRow, Refused> {
    let found = center.db().read(move |q| Ok(store::find(q, &id)?)).await?;
    found
        .filter(|row| row.member == *member)
        .ok_or_else(|| Refused(wire::RefusalMsg::new(errors::JOB_UNKNOWN, [("id", id.to_string())])))
}

/// The journal and the board of a center that starts.
pub fn parts(board: Board) -> (std::sync::Mutex<Board>, Journal, Inbox) {
    let (journal, inbox) = Journal::new();
    (std::sync::Mutex::new(board), journal, inbox)
}
