//! Do segments outlive the machines under them? Years of churn against the real rules, pieces as bits.
//!
//! Driven: `rules::fleet::{history, presence, tier}` (what is learned of a machine), `rules::storage::{group, repair, regive,
//! surge, expand}` (who gets slots, when, by whom). Modelled: machines, uplinks, stewards at work, silent departure. Every
//! departure is silent: nobody says goodbye. Each group stands for one segment: groups share machines, not fates of slots.
//!
//! Invariants: (A) what is counted of a group is what its pieces say; (B) no index is held twice by those the center counts;
//! (C) nodes on probation hold at most a tenth of a group's slots when they are given.

mod blow;
mod count;
mod figures;
mod fleet;
mod group;
mod machine;
mod mend;
mod setup;
mod snapshot;
mod steward;
#[cfg(test)]
mod tests;
mod yearly;

pub use setup::{Blow, Gathering, Hosts, Indexes, Knows, Newcomers, Setup};
pub use yearly::yearly;

use crate::check::{Outcome, Violation};
use crate::scene::fleet::START;
use crate::seed::{Draw, Stream};
use crate::trace::{Record, Sink};
use crate::world::{Depth, Scene, World};
use count::Counts;
use fleet::Fleet;
use group::{Group, Piece};
use model::{Scheme, Span, Stamp};
use rules::storage::group::{FillAsk, RegionRule, fill};
use rules::storage::scheme::{PoolKind, public};
use rules::storage::surge::{CALM, Surge};
use std::collections::BTreeSet;

/// Candidates among whom a new group chooses, and a repair: enough to draw four for each slot from, in fair proportion.
const CANDIDATES_NEW: u64 = 1_500;
const CANDIDATES_REPAIR: u64 = 600;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A time on begins.
    On(u32),
    /// It ends.
    Off(u32),
    /// A machine kept off by a calamity may be on again.
    Back(u32),
    /// It leaves for good, silently.
    Leave(u32),
    /// An hour is over.
    Hour,
    /// The calamity.
    Blow,
}

impl Record for Event {
    fn record(&self, sink: &mut Sink<'_>) {
        let (tag, alias) = match *self {
            Self::On(alias) => (1, alias),
            Self::Off(alias) => (2, alias),
            Self::Back(alias) => (3, alias),
            Self::Leave(alias) => (4, alias),
            Self::Hour => (5, 0),
            Self::Blow => (6, 0),
        };
        sink.u8(tag);
        sink.u32(alias);
    }
}

/// What the center did.
#[derive(Debug, Clone, Copy)]
enum Done {
    Given { pg: u32, index: u16, node: u32 },
    Whole { pg: u32, index: u16 },
    Missing(u32),
    Lost(u32),
}

impl Record for Done {
    fn record(&self, sink: &mut Sink<'_>) {
        let (tag, a, b, c) = match *self {
            Self::Given { pg, index, node } => (1, pg, u32::from(index), node),
            Self::Whole { pg, index } => (2, pg, u32::from(index), 0),
            Self::Missing(node) => (3, node, 0, 0),
            Self::Lost(pg) => (4, pg, 0, 0),
        };
        sink.u8(tag);
        [a, b, c].into_iter().for_each(|n| sink.u32(n));
    }
}

/// The world of one run.
pub struct Durability {
    setup: Setup,
    scheme: Scheme,
    fleet: Fleet,
    groups: Vec<Group>,
    surge: Surge,
    /// Groups with a repair under way, and those to be judged.
    working: BTreeSet<u32>,
    dirty: BTreeSet<u32>,
    counts: Counts,
    draw: Stream,
    /// Newcomers still come.
    grows: bool,
    checked: usize,
    broken: Option<Violation>,
}

/// Runs one setup; the figures of `figures`.
pub fn run(setup: &Setup) -> Outcome {
    let (mut world, mut scene) = build(setup);
    let end = scene.begin() + Span::days(u64::from(setup.days));
    let violation = world.run(&mut scene, end).err();
    scene.groups.iter_mut().for_each(|group| group.close(end));
    scene.counts.close(end);
    let mix = match &setup.hosts {
        Hosts::Mix(mix) => mix.name,
        Hosts::Trace { .. } => "trace",
    };
    Outcome {
        scenario: "durability",
        seed: setup.seed,
        nodes: setup.nodes,
        days: setup.days,
        mix,
        hash: world.trace.hash(),
        events: world.trace.events(),
        faults: Vec::new(),
        figures: figures::figures(&scene),
        violation,
    }
}

fn build(setup: &Setup) -> (World<Event>, Durability) {
    let scheme = public(setup.class);
    let scene = Durability {
        scheme,
        fleet: Fleet::new(setup),
        groups: (0..setup.groups).map(|_| Group::new(scheme.k)).collect(),
        surge: Surge::default(),
        working: BTreeSet::new(),
        dirty: BTreeSet::new(),
        counts: Counts::new(setup, scheme),
        draw: setup.seed.named("placement"),
        grows: setup.replaces,
        checked: 0,
        broken: None,
        setup: setup.clone(),
    };
    let mut world = World::new(START);
    let mut scene = scene;
    (0..setup.nodes).for_each(|alias| scene.plan_life(&mut world, alias));
    world.after(Span::hours(1), Event::Hour);
    if setup.blow != Blow::None {
        world.at(scene.begin() + Span::days(u64::from(setup.blow_day)), Event::Blow);
    }
    (world, scene)
}

impl Scene for Durability {
    type Event = Event;

    fn handle(&mut self, world: &mut World<Event>, event: Event) {
        match event {
            Event::On(alias) => self.comes_on(world, alias),
            Event::Off(alias) => self.goes_off(world, alias),
            Event::Back(alias) => {
                let machine = &self.fleet.machines[alias as usize];
                if !machine.is_gone && machine.held_off <= world.now() && world.now() < machine.until {
                    self.turn(world.now(), alias, true);
                }
            }
            Event::Leave(alias) => self.leaves(world, alias),
            Event::Hour => self.hour(world),
            Event::Blow => self.strike(world),
        }
    }

    fn check(&mut self, now: Stamp, depth: Depth) -> Result<(), Violation> {
        if depth == Depth::Full && !self.groups.is_empty() {
            self.checked = (self.checked + 1) % self.groups.len();
            self.check_group(now, self.checked)?;
        }
        self.broken.take().map_or(Ok(()), Err)
    }
}

impl Durability {
    /// The first moment that is judged.
    fn begin(&self) -> Stamp {
        START + Span::days(u64::from(self.setup.learn_days))
    }

    fn plan_life(&mut self, world: &mut World<Event>, alias: u32) {
        let machine = &mut self.fleet.machines[alias as usize];
        world.at(machine.life.end, Event::Leave(alias));
        if let Some(first) = machine.ahead.last() {
            world.at(first.start, Event::On(alias));
        }
    }

    fn comes_on(&mut self, world: &mut World<Event>, alias: u32) {
        let machine = &mut self.fleet.machines[alias as usize];
        let Some(session) = machine.ahead.pop().filter(|_| !machine.is_gone) else { return };
        machine.until = session.end;
        world.at(session.end, Event::Off(alias));
        if machine.held_off > world.now() {
            world.at(machine.held_off, Event::Back(alias));
        } else {
            self.turn(world.now(), alias, true);
        }
    }

    fn goes_off(&mut self, world: &mut World<Event>, alias: u32) {
        if self.fleet.machines[alias as usize].is_gone {
            return;
        }
        self.turn(world.now(), alias, false);
        if let Some(next) = self.fleet.machines[alias as usize].ahead.last() {
            world.at(next.start, Event::On(alias));
        }
    }

    fn leaves(&mut self, world: &mut World<Event>, alias: u32) {
        if self.fleet.machines[alias as usize].is_gone {
            return;
        }
        self.destroy(world, alias);
        self.counts.leaves += u64::from(world.now() >= self.begin());
        if self.grows {
            let heir = self.fleet.admit(world.now(), self.fleet.heir(alias));
            self.plan_life(world, heir);
        }
    }

    /// A machine turns on or off, and its pieces with it. One that comes back is missing no more.
    fn turn(&mut self, now: Stamp, alias: u32, on: bool) {
        if !self.fleet.turn(now, alias, on) {
            return;
        }
        let machine = &mut self.fleet.machines[alias as usize];
        if on && std::mem::take(&mut machine.known.is_missing) {
            self.counts.returned += u64::from(self.counts.is_open);
            self.working.extend(machine.holdings.iter().map(|(pg, _)| *pg));
        }
        for (pg, place) in &machine.holdings {
            let group = &mut self.groups[*pg as usize];
            let piece = group.pieces[usize::from(*place)].expect("holdings name pieces");
            if piece.is_whole() {
                group.count_on(now, piece.index, on);
            }
        }
    }

    /// A machine is gone with all it held; the center learns of it by its silence.
    fn destroy(&mut self, world: &mut World<Event>, alias: u32) {
        let now = world.now();
        self.turn(now, alias, false);
        self.fleet.machines[alias as usize].is_gone = true;
        self.fleet.machines[alias as usize].ahead = Vec::new();
        let holdings = self.fleet.machines[alias as usize].holdings.clone();
        for (pg, place) in holdings {
            let group = &mut self.groups[pg as usize];
            let piece = group.pieces[usize::from(place)].expect("holdings name pieces");
            if piece.is_whole() {
                group.count_alive(piece.index, false);
                self.counts.pieces_died += u64::from(self.counts.is_open);
                self.note_fall(world, pg);
            }
        }
    }

    fn note_fall(&mut self, world: &mut World<Event>, pg: u32) {
        let (now, group) = (world.now(), &mut self.groups[pg as usize]);
        if group.alive <= self.scheme.m {
            group.low_since.get_or_insert(now);
        }
        if group.alive < self.scheme.k && group.lost_at.is_none() {
            group.lost_at = Some(now);
            world.trace.effect(now, &Done::Lost(pg));
        }
    }

    fn hour(&mut self, world: &mut World<Event>) {
        let now = world.now();
        world.after(Span::hours(1), Event::Hour);
        let slots_max = usize::try_from(self.setup.lent.0 / self.setup.slot.0.max(1)).unwrap_or(usize::MAX);
        let hourly = self.fleet.hour(now, self.surge.is_on(), slots_max);
        for alias in hourly.missing {
            world.trace.effect(now, &Done::Missing(alias));
            self.counts.called_missing += u64::from(self.counts.is_open);
            let holdings = self.fleet.machines[alias as usize].holdings.iter();
            self.dirty.extend(holdings.map(|(pg, _)| *pg));
        }
        if now == self.begin() {
            self.place_all(world);
        }
        if let Some(facts) = hourly.surge.filter(|_| now > self.begin()) {
            self.surge.look(now, &facts, CALM);
        }
        self.mend(world);
        self.work(world);
        self.tally(now);
    }

    /// Every group gets its holders, with their pieces: what was written has been expanded.
    fn place_all(&mut self, world: &mut World<Event>) {
        let now = world.now();
        for pg in 0..self.setup.groups {
            let aliases = self.some_fit(pg, CANDIDATES_NEW);
            let candidates: Vec<_> = aliases.iter().map(|alias| self.fleet.candidate(*alias, now)).collect();
            let region = RegionRule::default();
            let ask = FillAsk::open(PoolKind::Public, self.setup.class, self.scheme, &region, self.setup.slot);
            let plan = match fill(&candidates, &ask, &mut self.draw) {
                Ok(plan) => plan,
                Err(refusal) => {
                    let what = format!("group {pg} cannot be opened: {}", refusal.id);
                    self.broken = Some(Violation { rule: "groups_open", at: now, what });
                    return;
                }
            };
            self.counts.note_fill(&plan, &candidates);
            for pick in plan.picks {
                self.give(world, pg, pick.index, pick.node.0);
            }
            let places = self.groups[pg as usize].pieces.len();
            (0..places).for_each(|place| self.complete(world, pg, place));
            self.groups[pg as usize].open(now);
        }
        self.counts.open(now);
    }

    /// Distinct machines that may hold a piece more and hold none of this group.
    fn some_fit(&mut self, pg: u32, count: u64) -> Vec<u32> {
        let all = u64::try_from(self.fleet.fit.len()).unwrap_or(0);
        let mut drawn: BTreeSet<u32> = if all <= count {
            self.fleet.fit.iter().copied().collect()
        } else {
            let one = |draw: &mut Stream| usize::try_from(draw.below(all)).expect("below the length of a list");
            (0..count).map(|_| self.fleet.fit[one(&mut self.draw)]).collect()
        };
        self.groups[pg as usize].pieces.iter().flatten().for_each(|piece| {
            drawn.remove(&piece.node);
        });
        drawn.into_iter().collect()
    }

    /// A slot is given; its piece is to be made.
    fn give(&mut self, world: &mut World<Event>, pg: u32, index: u16, node: u32) {
        let place = self.groups[pg as usize].add(Piece { node, index, done: 0.0, is_regiven: false });
        self.fleet.machines[node as usize].holdings.push((pg, place));
        world.trace.effect(world.now(), &Done::Given { pg, index, node });
    }

    /// A piece is whole: it counts from now.
    fn complete(&mut self, world: &mut World<Event>, pg: u32, place: usize) {
        let (now, group) = (world.now(), &mut self.groups[pg as usize]);
        let Some(piece) = group.pieces[place].as_mut() else { return };
        piece.done = 1.0;
        let piece = *piece;
        let machine = &self.fleet.machines[piece.node as usize];
        if machine.is_gone {
            return;
        }
        group.count_alive(piece.index, true);
        if group.alive > self.scheme.m
            && let Some(since) = group.low_since.take()
        {
            self.counts.low_days.push(count::days(now.since(since)));
        }
        if machine.on {
            group.count_on(now, piece.index, true);
        }
        world.trace.effect(now, &Done::Whole { pg, index: piece.index });
    }

    fn check_group(&self, now: Stamp, pg: usize) -> Result<(), Violation> {
        let group = &self.groups[pg];
        let state = |node: u32| {
            let machine = &self.fleet.machines[node as usize];
            (!machine.is_gone, machine.on)
        };
        let (found, held) = (group.recount(state), (group.alive, group.on));
        if found != held {
            let what = format!("group {pg}: {held:?} counted, {found:?} of its pieces");
            return Err(Violation { rule: "counts_are_those_of_pieces", at: now, what });
        }
        let indexes: Vec<u16> = group.counted().map(|(_, piece)| piece.index).collect();
        if indexes.iter().collect::<BTreeSet<_>>().len() != indexes.len() {
            let what = format!("group {pg}: an index is given twice");
            return Err(Violation { rule: "one_holder_an_index", at: now, what });
        }
        Ok(())
    }
}
