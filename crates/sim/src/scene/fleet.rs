//! Nodes that come and go, a center that crashes, a network that misbehaves: drives the real `rules::fleet::presence`.
//!
//! Invariants are those of [`super::watch`]; in `flapping` also: wrong clocks change no transition.
//! The shell around the rules is the one the design describes, and it can be spoiled ([`Mutant`]) to prove the checker.

use super::Size;
use super::watch::Watch;
use crate::center::{Change, NodeRow, Store};
use crate::check::{Figure, Outcome, Violation};
use crate::fabric::{Fabric, Place};
use crate::faults::{Fault, Swarm};
use crate::hosts::{Layers, Session};
use crate::seed::{Draw, Seed, Stream};
use crate::trace::{Record, Sink};
use crate::world::{Depth, Scene, World};
use model::{Alias, NodeState, PauseReason, Presence as Whereabouts, Span, Stamp};
use rules::fleet::presence::{CheckInFacts, Known, Presence, PresenceSettings, Transition};

mod plan;
#[cfg(test)]
mod tests;

/// When every run begins: 2027-01-15, a Friday.
pub const START: Stamp = Stamp(1_800_000_000_000);
/// How often the shell sweeps the whole table.
const SWEEP_EVERY: Span = Span::mins(5);
/// An unanswered or refused node calls again after this, ± 20 % (assumed; the real back-off lives in `net`).
const RETRY: Span = Span::secs(30);
/// A check-in rides on one connection, which is dead after this.
const CHECK_IN_DELAY_MAX: Span = Span::mins(10);
/// A gap longer than this is a declared absence in every second case.
const HOLIDAY_FROM: Span = Span::days(4);
/// Clocks are off by at most this much: 10 years.
const CLOCK_OFF_MAX: Span = Span::days(3_653);

/// A spoiled shell, which the checker must catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// The shell as designed.
    None,
    /// After a restart it says that it has run for ever: no grace.
    ForgetsGrace,
    /// After a restart it counts the time in which it was down.
    CountsDownTime,
    /// It subtracts the last time it was down and no earlier one.
    CountsEarlierDownTimes,
    /// It never writes declared absences.
    ForgetsHolidays,
}

/// A run to be made.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Name in the outcome.
    pub scenario: &'static str,
    /// Its size.
    pub size: Size,
    /// Its seed.
    pub seed: Seed,
    /// Its faults.
    pub swarm: Swarm,
    /// Layers over the hosts' models.
    pub layers: Layers,
    /// Spoiled how.
    pub mutant: Mutant,
}

impl Setup {
    /// Churn, crashes, storms, loss and partitions.
    pub fn presence(size: Size, seed: Seed, mutant: Mutant) -> Self {
        let possible = [Fault::Loss, Fault::Partition, Fault::Crash, Fault::LongCrash, Fault::Storm];
        let swarm = Swarm::of(seed, &possible);
        Self { scenario: "presence", size, seed, swarm, layers: Layers::default(), mutant }
    }

    /// Everything that disturbs the order of check-ins.
    pub fn flapping(size: Size, seed: Seed) -> Self {
        let possible = [Fault::Loss, Fault::Double, Fault::Delay, Fault::Partition, Fault::Crash, Fault::TwoBoots];
        let swarm = Swarm::of(seed, &possible);
        Self { scenario: "flapping", swarm, ..Self::presence(size, seed, Mutant::None) }
    }
}

/// What happens to a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the messages")]
pub enum Event {
    /// A host starts.
    Up { host: u32 },
    /// A host stops; the next session starts then.
    Down { host: u32, next: Option<Stamp> },
    /// A host wants to check in; outdated when `turn` is.
    Timer { host: u32, turn: u32 },
    /// A check-in arrives.
    Arrive { host: u32, boot: u64, sequence: u32 },
    /// The answer arrives.
    Answer { host: u32, boot: u64, next_in: Span },
    /// The center notices that a connection is gone.
    LinkLost { host: u32 },
    /// A goodbye arrives.
    Goodbye { host: u32, boot: u64 },
    /// The shell sweeps.
    Sweep,
    /// The shell ends an hour.
    Hour,
    /// The center dies.
    Crash { down_for: Span },
    /// The center starts.
    Start,
    /// A host is cut off: 0 towards the center, 1 from it, 2 both.
    Cut { host: u32, way: u8, until: Stamp },
    /// A second machine with this host's key checks in.
    Twin { host: u32, boot: u64, sequence: u32 },
}

impl Record for Event {
    fn record(&self, sink: &mut Sink<'_>) {
        let (tag, a, b, c) = match *self {
            Self::Up { host } => (1, host, 0, 0),
            Self::Down { host, next } => (2, host, next.map_or(0, Stamp::as_ms), 0),
            Self::Timer { host, turn } => (3, host, u64::from(turn), 0),
            Self::Arrive { host, boot, sequence } => (4, host, boot, u64::from(sequence)),
            Self::Answer { host, boot, next_in } => (5, host, boot, next_in.as_ms()),
            Self::LinkLost { host } => (6, host, 0, 0),
            Self::Goodbye { host, boot } => (7, host, boot, 0),
            Self::Sweep => (8, 0, 0, 0),
            Self::Hour => (9, 0, 0, 0),
            Self::Crash { down_for } => (10, 0, down_for.as_ms(), 0),
            Self::Start => (11, 0, 0, 0),
            Self::Cut { host, way, until } => (12, host, until.as_ms(), u64::from(way)),
            Self::Twin { host, boot, sequence } => (13, host, boot, u64::from(sequence)),
        };
        sink.u8(tag);
        sink.u32(a);
        sink.u64(b);
        sink.u64(c);
    }
}

/// A change of presence, as an effect.
struct Changed(Alias, Whereabouts, Whereabouts);

impl Record for Changed {
    fn record(&self, sink: &mut Sink<'_>) {
        sink.u32(self.0.0);
        sink.u8(self.1.code());
        sink.u8(self.2.code());
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Host {
    up: bool,
    boot: u64,
    sequence: u32,
    turn: u32,
    offset_ms: i64,
}

#[derive(Debug, Default)]
struct Counts {
    check_ins: u64,
    duplicates: u64,
    stale: u64,
    transitions: u64,
    holidays: u64,
    restarts: u64,
    unanswered: u64,
}

struct Fleet {
    setup: Setup,
    hosts: Vec<Host>,
    fabric: Fabric,
    store: Store,
    /// In memory: gone at a crash.
    presence: Option<Presence>,
    watch: Watch,
    boots: Stream,
    net: Stream,
    jitter: Stream,
    whims: Stream,
    counts: Counts,
    broken: Option<Violation>,
}

type FleetWorld = World<Event>;

/// Runs it to the end or the first violation.
pub fn run(setup: &Setup) -> Outcome {
    let (mut world, mut fleet) = Fleet::new(setup);
    let end = START + Span::days(u64::from(setup.size.days));
    let violation = world.run(&mut fleet, end).err();
    fleet.outcome(&world, end, violation)
}

/// Runs it with right and with wrong clocks: both must end in the very same trace.
pub fn run_flapping(size: Size, seed: Seed) -> Outcome {
    let right = run(&Setup::flapping(size, seed));
    let mut setup = Setup::flapping(size, seed);
    let mut faults: Vec<Fault> = Fault::ALL.iter().copied().filter(|f| setup.swarm.has(*f)).collect();
    faults.push(Fault::Clock);
    setup.swarm = Swarm::exactly(&faults);
    let mut wrong = run(&setup);
    if wrong.violation.is_none() && wrong.hash != right.hash {
        let what = format!("traces {} and {}", &right.hash[..12], &wrong.hash[..12]);
        let at = START + Span::days(u64::from(size.days));
        wrong.violation = Some(Violation { rule: "clocks_order_nothing", at, what });
    }
    wrong
}

impl Fleet {
    fn new(setup: &Setup) -> (FleetWorld, Self) {
        let (seed, nodes) = (setup.seed, setup.size.nodes);
        let mut weather = setup.swarm.weather(seed);
        weather.delay_max = CHECK_IN_DELAY_MAX;
        let mut fleet = Self {
            setup: setup.clone(),
            hosts: vec![Host::default(); nodes as usize],
            fabric: Fabric::new(weather),
            store: Store::default(),
            presence: None,
            watch: Watch::new(nodes, START),
            boots: seed.named("boots"),
            net: seed.named("net"),
            jitter: seed.named("jitter"),
            whims: seed.named("whims"),
            counts: Counts::default(),
            broken: None,
        };
        let row = NodeRow { last_seen_hour: START.hour(), holiday_until: None };
        (0..nodes).for_each(|n| fleet.store.change(Change::Node(Alias(n), row)));
        fleet.store.change(Change::Hour(START.hour()));
        fleet.store.commit();
        let mut world = World::new(START);
        plan::plan(&mut world, &mut fleet);
        fleet.start(&world);
        (world, fleet)
    }

    /// The shell of a center that starts: presence from the rows.
    fn start(&mut self, world: &FleetWorld) {
        let now = world.now();
        let rows = self.store.rows();
        let written = Stamp::EPOCH + Span::hours(rows.hour_written);
        let since = match self.setup.mutant {
            Mutant::ForgetsGrace if now > START => now - Span::days(7),
            _ => now,
        };
        let mut presence = Presence::new(since, PresenceSettings::default());
        let counts_all = self.setup.mutant == Mutant::CountsDownTime;
        presence.set_down_since(if counts_all { now } else { written });
        let shifts = !matches!(self.setup.mutant, Mutant::CountsDownTime | Mutant::CountsEarlierDownTimes);
        for (alias, row) in &rows.nodes {
            // Heard within this hour; times without a center since then do not count, so they move it on.
            let seen = Stamp::EPOCH + Span::hours(row.last_seen_hour + 1);
            let seen = if shifts { seen + rows.down_after(seen) } else { seen };
            let known = Known { last_seen: Some(seen), holiday_until: row.holiday_until, ..Known::default() };
            presence.register(*alias, known);
        }
        if now > START {
            self.store.change(Change::Down(written, now));
            self.store.commit();
            self.watch.started(now);
        }
        self.presence = Some(presence);
    }

    fn call(&mut self, world: &mut FleetWorld, host: u32) {
        let now = world.now();
        let h = &mut self.hosts[host as usize];
        h.turn += 1;
        h.sequence += 1;
        let (boot, sequence, turn) = (h.boot, h.sequence, h.turn);
        for at in self.fabric.send(now, Place::Host(host), Place::Center, &mut self.net).into_iter().flatten() {
            world.at(at, Event::Arrive { host, boot, sequence });
        }
        let retry = Span(self.jitter.between(RETRY.as_ms() * 8 / 10, RETRY.as_ms() * 12 / 10));
        world.after(retry, Event::Timer { host, turn });
    }

    fn arrive(&mut self, world: &mut FleetWorld, host: u32, boot: u64, sequence: u32) {
        let (now, alias) = (world.now(), Alias(host));
        let Some(presence) = self.presence.as_mut() else {
            self.counts.unanswered += 1;
            return;
        };
        let facts = CheckInFacts {
            boot,
            sequence,
            state: NodeState::Run,
            reason: PauseReason::None,
            parked_or_leased: false,
            offset_ms: self.hosts[host as usize].offset_ms,
        };
        let verdict = presence.check_in(now, alias, facts, &mut self.jitter);
        self.counts.check_ins += 1;
        self.counts.duplicates += u64::from(verdict.duplicate);
        self.counts.stale += u64::from(verdict.stale);
        if !verdict.duplicate {
            self.watch.heard(now, alias);
            if let Some(from) = verdict.resumed_from {
                world.trace.effect(now, &Changed(alias, from, Whereabouts::On));
                self.end_holiday(alias);
            }
        }
        let next_in = verdict.next_in;
        for at in self.fabric.send(now, Place::Center, Place::Host(host), &mut self.net).into_iter().flatten() {
            world.at(at, Event::Answer { host, boot, next_in });
        }
    }

    fn end_holiday(&mut self, alias: Alias) {
        let Some(row) = self.store.rows().nodes.get(&alias).copied().filter(|r| r.holiday_until.is_some()) else {
            return;
        };
        self.declare(alias, NodeRow { holiday_until: None, ..row });
    }

    fn declare(&mut self, alias: Alias, row: NodeRow) {
        let Some(presence) = self.presence.as_mut() else { return };
        self.watch.node(alias).holiday_until = row.holiday_until;
        if self.setup.mutant == Mutant::ForgetsHolidays {
            return;
        }
        self.store.change(Change::Node(alias, row));
        self.store.commit();
        presence.register(alias, Known { holiday_until: row.holiday_until, ..Known::default() });
    }

    fn up(&mut self, world: &mut FleetWorld, host: u32) {
        let boot = self.boots.next_boot();
        self.hosts[host as usize] = Host { up: true, boot, sequence: 0, ..self.hosts[host as usize] };
        self.call(world, host);
    }

    fn down(&mut self, world: &mut FleetWorld, host: u32, next: Option<Stamp>) {
        let (now, alias) = (world.now(), Alias(host));
        let (says, declares) = (self.whims.chance(0.5), self.whims.chance(0.5));
        let h = &mut self.hosts[host as usize];
        h.up = false;
        h.turn += 1;
        let (boot, place) = (h.boot, Place::Host(host));
        let away = next.map_or(Span::ZERO, |at| at.since(now));
        if declares && away > HOLIDAY_FROM && self.presence.is_some() && !self.fabric.is_cut(now, place, Place::Center)
        {
            let row = self.store.rows().nodes.get(&alias).copied().unwrap_or_default();
            self.counts.holidays += 1;
            self.declare(alias, NodeRow { holiday_until: next, ..row });
        }
        let event = if says { Event::Goodbye { host, boot } } else { Event::LinkLost { host } };
        if let Some(at) = self.fabric.send(now, place, Place::Center, &mut self.net)[0] {
            world.at(at, event);
        }
    }

    fn end_hour(&mut self, now: Stamp) {
        let Some(presence) = self.presence.as_mut() else { return };
        let hour = presence.open_hour();
        let _ = presence.close_hour(hour.max(now.hour().saturating_sub(1)));
        for (alias, row) in self.store.rows().nodes.clone() {
            let seen = presence.view(now, alias).and_then(|v| v.seen).map_or(0, Stamp::hour);
            let heard = self.watch.node(alias).heard_at.is_some();
            if heard && seen > row.last_seen_hour {
                self.store.change(Change::Node(alias, NodeRow { last_seen_hour: seen, ..row }));
            }
        }
        self.store.change(Change::Hour(now.hour()));
        self.store.commit();
    }

    fn sweep(&mut self, world: &mut FleetWorld) {
        let now = world.now();
        let Some(presence) = self.presence.as_mut() else { return };
        for Transition { alias, from, to } in presence.sweep(now, self.hosts.len()) {
            world.trace.effect(now, &Changed(alias, from, to));
            self.counts.transitions += 1;
            let grace = PresenceSettings::default().grace();
            if let Err(violation) = self.watch.judge(now, alias, to, grace) {
                self.broken.get_or_insert(violation);
            }
        }
    }

    fn crash(&mut self, world: &mut FleetWorld, down_for: Span) {
        if self.presence.take().is_none() {
            return;
        }
        self.store.crash();
        self.counts.restarts += 1;
        let written = Stamp::EPOCH + Span::hours(self.store.rows().hour_written);
        self.watch.crashed(world.now(), written);
        world.after(down_for, Event::Start);
        // Their connections broke: those that are on call again within one retry of the start, all at once.
        for host in 0..self.setup.size.nodes {
            let turn = self.hosts[host as usize].turn + 1;
            if self.hosts[host as usize].up {
                self.hosts[host as usize].turn = turn;
                let wait = Span(self.jitter.below(RETRY.as_ms()));
                world.after(down_for + wait, Event::Timer { host, turn });
            }
        }
    }

    fn outcome(&self, world: &FleetWorld, end: Stamp, violation: Option<Violation>) -> Outcome {
        let c = &self.counts;
        let figure = |id, value: u64| Figure { id, value: value as f64, unit: "1" };
        let mut figures = vec![
            figure("check_ins", c.check_ins),
            figure("check_ins_superseded_boot", c.duplicates),
            figure("check_ins_stale", c.stale),
            figure("check_ins_center_down", c.unanswered),
            figure("messages_lost", self.fabric.lost()),
            figure("messages_doubled", self.fabric.doubled()),
            figure("center_restarts", c.restarts),
            figure("holidays_declared", c.holidays),
            figure("transitions", c.transitions),
            figure("called_missing", self.watch.missing_calls),
            figure("early_by_lost_hour", self.watch.early_by_lost_hour),
            figure("invariants_broken", u64::from(violation.is_some())),
        ];
        if let Some(presence) = &self.presence {
            let counts = presence.counts(end);
            let on = counts[usize::from(Whereabouts::On.code())];
            let really = self.hosts.iter().filter(|h| h.up).count();
            figures.push(figure("on_at_end", u64::from(on)));
            figures.push(figure("truly_up_at_end", really as u64));
            figures.push(figure("missing_at_end", u64::from(counts[usize::from(Whereabouts::Missing.code())])));
        }
        Outcome {
            scenario: self.setup.scenario,
            seed: self.setup.seed,
            nodes: self.setup.size.nodes,
            days: self.setup.size.days,
            mix: self.setup.size.mix.name,
            hash: world.trace.hash(),
            events: world.trace.events(),
            faults: self.setup.swarm.words(),
            figures,
            violation,
        }
    }
}

impl Scene for Fleet {
    type Event = Event;

    fn handle(&mut self, world: &mut FleetWorld, event: Event) {
        let now = world.now();
        match event {
            Event::Up { host } => self.up(world, host),
            Event::Down { host, next } => self.down(world, host, next),
            Event::Timer { host, turn } => {
                let h = self.hosts[host as usize];
                if h.up && h.turn == turn {
                    self.call(world, host);
                }
            }
            Event::Arrive { host, boot, sequence } | Event::Twin { host, boot, sequence } => {
                self.arrive(world, host, boot, sequence);
            }
            Event::Answer { host, boot, next_in } => {
                let h = &mut self.hosts[host as usize];
                if h.up && h.boot == boot {
                    h.turn += 1;
                    let turn = h.turn;
                    world.after(next_in, Event::Timer { host, turn });
                }
            }
            Event::LinkLost { host } => {
                if let Some(presence) = self.presence.as_mut() {
                    presence.link_lost(now, Alias(host));
                    self.watch.node(Alias(host)).gone = true;
                }
            }
            Event::Goodbye { host, boot } => {
                if let Some(presence) = self.presence.as_mut() {
                    presence.goodbye(now, Alias(host), boot);
                    self.watch.node(Alias(host)).gone = true;
                }
            }
            Event::Sweep => {
                self.sweep(world);
                world.after(SWEEP_EVERY, Event::Sweep);
            }
            Event::Hour => {
                self.end_hour(now);
                world.after(Span::hours(1), Event::Hour);
            }
            Event::Crash { down_for } => self.crash(world, down_for),
            Event::Start => self.start(world),
            Event::Cut { host, way, until } => {
                if way != 1 {
                    self.fabric.cut(Place::Host(host), Place::Center, until);
                }
                if way != 0 {
                    self.fabric.cut(Place::Center, Place::Host(host), until);
                }
            }
        }
    }

    fn check(&mut self, now: Stamp, depth: Depth) -> Result<(), Violation> {
        if let Some(violation) = self.broken.take() {
            return Err(violation);
        }
        let Some(presence) = self.presence.as_ref().filter(|_| depth == Depth::Full) else { return Ok(()) };
        let grace = PresenceSettings::default().grace();
        (0..self.setup.size.nodes)
            .map(Alias)
            .try_for_each(|alias| self.watch.judge(now, alias, presence.state(now, alias), grace))
    }
}

trait NextBoot {
    fn next_boot(&mut self) -> u64;
}

impl NextBoot for Stream {
    /// A boot is random and never 0.
    fn next_boot(&mut self) -> u64 {
        rand_core::Rng::next_u64(self).max(1)
    }
}

/// The sessions of a host of this setup.
fn sessions(setup: &Setup, host: u32, end: Stamp) -> Vec<Session> {
    setup.size.mix.sessions(setup.seed, host, Session { start: START, end }, &setup.layers)
}
