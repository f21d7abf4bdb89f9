//! Machines that compute for the real `rules::compute::Scheduler`: they ask, work, lie, check in and vanish.
//!
//! [`cheat`] shows what liars cost and when they are found, [`churn`] what vanishing machines do to a job, [`shuffle`] what they do
//! to one whose map items leave blocks on them.
//!
//! (A) No item is accepted twice, unless another output replaces it. (B) A host hears nothing that a node would not hear: what it does
//! depends on its leases and on what it is told to store.

pub mod cheat;
pub mod churn;
pub mod shuffle;

use super::fleet::START;
use crate::check::Violation;
use crate::seed::{Draw, Seed, Stream};
use crate::trace::{Record as Traced, Sink};
use crate::world::{Depth, Scene, World};
use model::{Alias, Check, ItemRef, JobId, JobState, MemberId, Ppm, Span, Stamp, Trust, TrustSet};
use rules::compute::limits::{CHECK_IN, PARKED_REQUEST, SUSPECT};
use rules::compute::{
    Checked, Effect, Input, ItemResult, JobFacts, Lease, LeaseState, NodeFacts, Record, Report, ResultHash, Scheduler,
    SlotFacts, StageFacts, Verdict,
};
use std::collections::{BTreeMap, VecDeque};

/// Fuel of an item.
const FUEL: u64 = 3_000_000_000;
/// The job that is watched.
const JOB: JobId = JobId([7; 16]);

/// How a host lies.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lie {
    /// Not at all.
    Never,
    /// Its output is wrong in this share of its items.
    Output(f64),
    /// So is that of every other such host, in the same way.
    Together(f64),
    /// It says one hundredth more fuel in this share of its items.
    Fuel(f64),
}

/// A lease that runs.
struct Running {
    lease: Lease,
    began: Stamp,
}

/// A machine with one slot.
struct Host {
    facts: NodeFacts,
    lie: Lie,
    is_on: bool,
    on_since: Stamp,
    /// Counts what ends its plans: a session, a lease.
    life: u32,
    running: Option<Running>,
    ask: Option<u64>,
    draw: Stream,
    executed: u64,
}

/// What can happen.
#[derive(Debug, Clone, Copy)]
enum Event {
    On(u32),
    Off(u32),
    Ends(u32, u32),
    CheckIn(u32, u32),
    Suspect(u32, u32),
    Gathers(u32, u32),
    AskOver(u64),
    Wake,
}

impl Traced for Event {
    fn record(&self, sink: &mut Sink<'_>) {
        let (kind, a, b) = match *self {
            Self::On(host) => (0, host, 0),
            Self::Off(host) => (1, host, 0),
            Self::Ends(host, life) => (2, host, life),
            Self::CheckIn(host, life) => (3, host, life),
            Self::Suspect(host, life) => (4, host, life),
            Self::AskOver(ask) => (5, (ask & 0xffff_ffff) as u32, 0),
            Self::Wake => (6, 0, 0),
            Self::Gathers(host, life) => (7, host, life),
        };
        sink.u8(kind);
        sink.u32(a);
        sink.u32(b);
    }
}

/// The output an item has.
#[derive(Debug, Clone, Copy)]
struct Kept {
    node: u32,
    is_right: bool,
    is_checked: bool,
}

/// Hosts, their scheduler, and what came of it.
struct Fleet {
    scheduler: Scheduler,
    rng: Stream,
    hosts: Vec<Host>,
    next_ask: u64,
    /// Of one item on the reference machine.
    takes: Span,
    checks_in: bool,
    kept: Vec<Option<Kept>>,
    /// When each item was first accepted.
    done_at: Vec<Stamp>,
    /// Place of each stage's first item in these two.
    bases: Vec<usize>,
    /// Blocks of a stage that is cut into parts.
    blocks: shuffle::Blocks,
    executed: u64,
    /// Time of attempts that came to nothing, and of all.
    wasted: Span,
    worked: Span,
    /// Hosts found lying: which, when, after how many of its items.
    found: Vec<(u32, Stamp, u64)>,
    /// Unchecked items of the first host found lying, at that moment, the last first.
    unchecked: Vec<usize>,
    ended: Option<(JobState, Stamp)>,
    violation: Option<Violation>,
}

impl Fleet {
    fn new(seed: Seed, hosts: Vec<Host>, takes: Span) -> Self {
        Self {
            scheduler: Scheduler::new(1),
            rng: seed.named("scheduler"),
            hosts,
            next_ask: 0,
            takes,
            checks_in: false,
            kept: Vec::new(),
            done_at: Vec::new(),
            bases: Vec::new(),
            blocks: shuffle::Blocks::default(),
            executed: 0,
            wasted: Span::ZERO,
            worked: Span::ZERO,
            found: Vec::new(),
            unchecked: Vec::new(),
            ended: None,
            violation: None,
        }
    }

    /// Submits the one job of this world.
    fn submit(&mut self, world: &mut World<Event>, trust: Trust, check: Check, items: u32) {
        self.submit_stages(world, (trust, check), &[(items, 0)]);
    }

    /// The same of stages, each so many items and parts.
    fn submit_stages(&mut self, world: &mut World<Event>, (trust, check): (Trust, Check), stages: &[(u32, u32)]) {
        let mut all = 0;
        for (items, _) in stages {
            self.bases.push(all);
            all += *items as usize;
        }
        self.kept = vec![None; all];
        self.done_at = vec![Stamp::EPOCH; all];
        let stage = |(items, parts): &(u32, u32)| StageFacts {
            items: *items,
            memory_mib: 256,
            scratch_mib: 64,
            grow: false,
            fuel_max: 0,
            wall: Span::hours(2),
            bytes_in: 1_000_000,
            parts: *parts,
        };
        let facts = JobFacts {
            id: JOB,
            account: MemberId([255; 16]),
            trust,
            check,
            interactive: false,
            regions: Vec::new(),
            deadline: world.now() + Span::days(30),
            stages: stages.iter().map(stage).collect(),
            budget: 0,
        };
        self.put(world, Input::Submit(facts));
    }

    fn put(&mut self, world: &mut World<Event>, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.scheduler.handle(world.now(), input, &mut self.rng) {
                self.obey(world, effect, &mut inputs);
            }
        }
    }

    fn obey(&mut self, world: &mut World<Event>, effect: Effect, inputs: &mut VecDeque<Input>) {
        match effect {
            Effect::Grant { ask, node, leases } => {
                let host = &mut self.hosts[node.0 as usize];
                if host.ask == Some(ask) && host.is_on {
                    host.ask = None;
                    let lease = leases.into_iter().next().expect("a grant has a lease");
                    self.begin(world, node.0, lease);
                }
            }
            Effect::Empty { ask } => {
                let host = self.hosts.iter().position(|host| host.ask == Some(ask));
                if let Some(host) = host {
                    self.hosts[host].ask = None;
                    inputs.extend(self.ask(world, host as u32));
                }
            }
            Effect::Cancel { node, serial } => {
                let host = &mut self.hosts[node.0 as usize];
                if host.running.as_ref().is_some_and(|running| running.lease.serial == serial) {
                    self.drop_work(world.now(), node.0);
                    inputs.extend(self.ask(world, node.0));
                }
            }
            Effect::Verdicts { node, serial, verdicts } => {
                let wanted: Vec<u32> =
                    verdicts.iter().filter(|(_, v)| *v == Verdict::Store).map(|(item, _)| *item).collect();
                let dropped = self.said(node.0, serial, &wanted);
                if !dropped.is_empty() {
                    inputs.push_back(Input::Report { node, report: Report::Done { serial, items: dropped } });
                }
            }
            Effect::Record(record) => self.tally(world.now(), record),
            Effect::Quarantine { node, .. } => {
                let executed = self.hosts[node.0 as usize].executed;
                if self.found.is_empty() {
                    self.unchecked = self.unchecked_of(node.0);
                }
                self.found.push((node.0, world.now(), executed));
            }
            Effect::WakeAt(at) => world.at(at, Event::Wake),
            Effect::JobEnded { state, .. } => self.ended = Some((state, world.now())),
            _ => {}
        }
    }

    fn tally(&mut self, now: Stamp, record: Record) {
        match record {
            Record::Done { item, vote, checked } => {
                let place = self.place(item.stage, item.item);
                self.blocks.accepted(item, &vote);
                let right = truth(item.item);
                let kept = Kept {
                    node: vote.node.0,
                    is_right: vote.result.hash == right.hash && vote.result.fuel == right.fuel,
                    is_checked: checked == Checked::Enough,
                };
                match self.kept[place].replace(kept) {
                    None => self.done_at[place] = now,
                    Some(_) if checked == Checked::Enough => {}
                    Some(_) => self.violation = self.violation.take().or(Some(twice(now, item))),
                }
            }
            Record::Verified { item, .. } => {
                let place = self.place(item.stage, item.item);
                if let Some(kept) = &mut self.kept[place] {
                    kept.is_checked = true;
                }
            }
            Record::Failed { item, .. } => {
                let place = self.place(item.stage, item.item);
                self.kept[place] = None;
            }
            Record::Rerun { stage, items, .. } => {
                self.blocks.again += items.len() as u64;
                for item in items {
                    let place = self.place(stage, item);
                    self.kept[place] = None;
                }
            }
            _ => {}
        }
    }

    fn place(&self, stage: u8, item: u32) -> usize {
        self.bases[usize::from(stage)] + item as usize
    }

    fn unchecked_of(&self, host: u32) -> Vec<usize> {
        let of = |item: &usize| self.kept[*item].is_some_and(|kept| kept.node == host && !kept.is_checked);
        let mut all: Vec<usize> = (0..self.kept.len()).filter(of).collect();
        all.sort_by_key(|item| std::cmp::Reverse(self.done_at[*item]));
        all
    }

    /// (B) A request for the host's one slot.
    fn ask(&mut self, world: &mut World<Event>, host: u32) -> Option<Input> {
        let known = &mut self.hosts[host as usize];
        if !known.is_on || known.running.is_some() || known.ask.is_some() {
            return None;
        }
        self.next_ask += 1;
        known.ask = Some(self.next_ask);
        let age = world.now().since(known.on_since);
        let node = NodeFacts { session_age: age, ..known.facts.clone() };
        world.after(PARKED_REQUEST, Event::AskOver(self.next_ask));
        let slots = vec![SlotFacts { cores: 1, memory_mib: 1_024, scratch_mib: 1_024 }];
        Some(Input::Ask { ask: self.next_ask, node, slots })
    }

    fn begin(&mut self, world: &mut World<Event>, host: u32, lease: Lease) {
        let known = &mut self.hosts[host as usize];
        known.life += 1;
        let takes = self.takes.scaled(u64::from(lease.count) * 1_000, u64::from(known.facts.speed_milli));
        world.after(takes, Event::Ends(host, known.life));
        if self.checks_in {
            world.after(CHECK_IN, Event::CheckIn(host, known.life));
        }
        if lease.stage > 0 {
            world.after(shuffle::GATHERS, Event::Gathers(host, known.life));
        }
        known.running = Some(Running { lease, began: world.now() });
    }

    fn drop_work(&mut self, now: Stamp, host: u32) {
        let known = &mut self.hosts[host as usize];
        known.life += 1;
        if let Some(running) = known.running.take() {
            let took = now.since(running.began);
            (self.wasted, self.worked) = (Span(self.wasted.0 + took.0), Span(self.worked.0 + took.0));
        }
    }

    /// What it says of items whose outputs are wanted, as it said it before; then it has nothing more to do with the lease.
    fn said(&mut self, host: u32, serial: u64, wanted: &[u32]) -> Vec<ItemResult> {
        let known = &mut self.hosts[host as usize];
        let Some(running) = known.running.take_if(|running| running.lease.serial == serial) else { return Vec::new() };
        known.life += 1;
        wanted.iter().map(|item| says(known, &running.lease, *item)).collect()
    }

    fn ends(&mut self, world: &mut World<Event>, host: u32) {
        let known = &mut self.hosts[host as usize];
        let Some(running) = &known.running else { return };
        let (serial, direct, count) = (running.lease.serial, running.lease.direct, u64::from(running.lease.count));
        let took = world.now().since(running.began);
        let lease = running.lease.clone();
        let items: Vec<ItemResult> =
            (lease.first..lease.first + u32::from(lease.count)).map(|item| says(known, &lease, item)).collect();
        known.executed += count;
        self.executed += count;
        self.push_blocks(host, &lease);
        self.worked = Span(self.worked.0 + took.0);
        let report = if direct { Report::Done { serial, items } } else { Report::Computed { serial, items } };
        self.put(world, Input::Report { node: Alias(host), report });
        if direct {
            self.said(host, serial, &[]);
        }
        if let Some(ask) = self.ask(world, host) {
            self.put(world, ask);
        }
    }
}

/// What a host says of an item under a lease: the same whenever it is asked.
fn says(host: &Host, lease: &Lease, item: u32) -> ItemResult {
    let mut result = truth(item);
    let mut draw = host.draw.clone();
    draw.set_word_pos(u128::from(lease.serial & 0xffff_ffff) * 256 + u128::from(item - lease.first) * 4);
    match host.lie {
        Lie::Never => {}
        Lie::Output(share) if draw.chance(share) => result.hash = wrong(item, host.facts.alias.0 + 1),
        Lie::Together(share) if draw.chance(share) => result.hash = wrong(item, 0),
        Lie::Fuel(share) if draw.chance(share) => result.fuel += result.fuel / 100,
        _ => {}
    }
    result
}

fn truth(item: u32) -> ItemResult {
    let mut hash: ResultHash = [0; 32];
    hash[..4].copy_from_slice(&item.to_le_bytes());
    // Items differ by up to a quarter.
    ItemResult { item, hash, fuel: FUEL + u64::from(item % 251) * (FUEL / 1_004), bytes: 1_000, of: [0; 32] }
}

fn wrong(item: u32, by: u32) -> ResultHash {
    let mut hash = truth(item).hash;
    hash[8] = 1;
    hash[9..13].copy_from_slice(&by.to_le_bytes());
    hash
}

fn twice(at: Stamp, item: ItemRef) -> Violation {
    Violation { rule: "accepted_once", at, what: format!("item {} was accepted a second time", item.item) }
}

/// A host with an owner and a network of its own.
fn host(seed: Seed, index: u32, lie: Lie, speed_milli: u32) -> Host {
    let mut owner = [0; 16];
    owner[..4].copy_from_slice(&(index + 1).to_le_bytes());
    let facts = NodeFacts {
        alias: Alias(index),
        owner: MemberId(owner),
        network: u64::from(index),
        region: None,
        session_age: Span::hours(8),
        speed_milli,
        trusts: TrustSet::ALL,
        may_public: true,
        longest: Span::hours(24),
        weight: Ppm::ONE,
    };
    let draw = seed.nth("lies", u64::from(index));
    Host { facts, lie, is_on: false, on_since: START, life: 0, running: None, ask: None, draw, executed: 0 }
}

impl Scene for Fleet {
    type Event = Event;

    fn handle(&mut self, world: &mut World<Event>, event: Event) {
        match event {
            Event::On(host) => {
                let known = &mut self.hosts[host as usize];
                (known.is_on, known.on_since) = (true, world.now());
                if let Some(ask) = self.ask(world, host) {
                    self.put(world, ask);
                }
            }
            Event::Off(host) => {
                self.drop_work(world.now(), host);
                let known = &mut self.hosts[host as usize];
                known.is_on = false;
                let ask = known.ask.take();
                world.after(SUSPECT, Event::Suspect(host, known.life));
                if let Some(ask) = ask {
                    self.put(world, Input::Unpark { ask });
                }
            }
            Event::Ends(host, life) if self.hosts[host as usize].life == life => self.ends(world, host),
            Event::CheckIn(host, life) if self.hosts[host as usize].life == life => {
                let running = self.hosts[host as usize].running.as_ref();
                let leases: Vec<LeaseState> = running
                    .map(|running| LeaseState { serial: running.lease.serial, items_done: 0, fuel: 0, parked: false })
                    .into_iter()
                    .collect();
                world.after(CHECK_IN, Event::CheckIn(host, life));
                self.put(world, Input::CheckIn { node: Alias(host), leases });
            }
            Event::Suspect(host, life)
                if self.hosts[host as usize].life == life && !self.hosts[host as usize].is_on =>
            {
                self.put(world, Input::Suspect { node: Alias(host) });
            }
            Event::Gathers(host, life) if self.hosts[host as usize].life == life => self.gathers(world, host),
            Event::AskOver(ask) => self.put(world, Input::Unpark { ask }),
            Event::Wake => self.put(world, Input::Tick),
            Event::Ends(..) | Event::CheckIn(..) | Event::Suspect(..) | Event::Gathers(..) => {}
        }
    }

    fn check(&mut self, _now: Stamp, _depth: Depth) -> Result<(), Violation> {
        self.violation.take().map_or(Ok(()), Err)
    }
}

/// How many of each, for figures that count hosts.
fn by_node(all: &[(u32, Stamp, u64)]) -> BTreeMap<u32, (Stamp, u64)> {
    all.iter().map(|(node, at, items)| (*node, (*at, *items))).collect()
}
