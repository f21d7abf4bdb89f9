//! What do vanishing machines do to a shuffle?
//!
//! Map items leave blocks on the machine that ran them and on who holds their parts; reduce items begin when all maps are done and
//! read one block of each. Hosts of the published SETI-type fits come and go without a word: once in peace, once with a share of
//! those that are on gone for half a day in the middle of the maps, once with the same share gone as the reducers begin. A block is
//! to be had while its maker or its holder is on, or where its stage went through storage.
//!
//! (A) Every item of both stages has its output in the end, and the right one. (B) In peace hardly a map item is run again. (C)
//! However many vanish, there are at most [`SHUFFLE_WAVES_MAX`] waves and one of blocks through storage.

use super::churn::plan_sessions;
use super::{Event, Fleet, JOB, Lie, START, host};
use crate::check::{Figure, Outcome, Violation};
use crate::hosts::Session;
use crate::seed::{Draw, Seed};
use crate::world::World;
use model::{Alias, Check, ItemRef, JobState, Span, Stamp, Trust};
use rules::compute::limits::{MISSING_MAX, SHUFFLE_WAVES_MAX};
use rules::compute::shuffle::places;
use rules::compute::{Input, Lease, Report, Vote};
use std::collections::BTreeMap;

/// Until a reducer knows whether all its blocks are to be had.
pub(super) const GATHERS: Span = Span::secs(2);
/// Stage whose items leave blocks.
const MAPS: u8 = 0;
/// Who vanishes does so for so long.
const VANISH_FOR: Span = Span::hours(12);
/// Longest a job is waited for.
const LONGEST: Span = Span::days(20);
/// Bar: map items that are run again in peace, of all.
const AGAIN_MAX: f64 = 0.02;

/// Blocks of the map items.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Of attempts that were not accepted yet: where copies went, by the part's place among the holders.
    pushed: BTreeMap<(u64, u32), Vec<Option<u32>>>,
    /// Of accepted items: attempt, maker, copies.
    kept: BTreeMap<u32, (u64, u32, Vec<Option<u32>>)>,
    /// Items that were run again because of them.
    pub(super) again: u64,
    /// Times a reducer lacked some.
    lacks: u64,
}

impl Blocks {
    /// An attempt counts: its blocks are those that are read.
    pub(super) fn accepted(&mut self, item: ItemRef, vote: &Vote) {
        if item.stage == MAPS {
            let copies = self.pushed.remove(&(vote.serial, item.item)).unwrap_or_default();
            self.kept.insert(item.item, (vote.serial, vote.node.0, copies));
        }
    }
}

impl Fleet {
    /// A mapper has run its items: each part's block goes to the first of its holders that is on and not the mapper itself.
    pub(super) fn push_blocks(&mut self, mapper: u32, lease: &Lease) {
        if lease.stage != MAPS || lease.holders.is_empty() {
            return;
        }
        let may = |holder: &Alias| holder.0 != mapper && self.hosts[holder.0 as usize].is_on;
        let of = |part| places(lease.holders.len(), part).map(|place| lease.holders[place]).find(may);
        let lanes = u32::try_from(lease.holders.len()).expect("at most 16 holders");
        let copies: Vec<Option<u32>> = (0..lanes).map(|part| of(part).map(|holder| holder.0)).collect();
        for item in lease.first..lease.first + u32::from(lease.count) {
            self.blocks.pushed.insert((lease.serial, item), copies.clone());
        }
    }

    /// A reducer looks for its blocks, and says which are nowhere to be had.
    pub(super) fn gathers(&mut self, world: &mut World<Event>, host: u32) {
        let Some(running) = &self.hosts[host as usize].running else { return };
        let (serial, part) = (running.lease.serial, running.lease.first);
        let Some(shuffle) = self.scheduler.shuffle(JOB, MAPS) else { return };
        let is_on = |host: u32| self.hosts[host as usize].is_on;
        let (mut there, mut missing) = (0, Vec::new());
        for kept in shuffle.items(0) {
            there += 1;
            let (item, attempt) = (kept.vote.result.item, kept.vote.serial);
            let found = self.blocks.kept.get(&item).filter(|(serial, ..)| *serial == attempt);
            let is_there = |(_, maker, copies): &(u64, u32, Vec<Option<u32>>)| {
                let copy = copies.get(part as usize % copies.len().max(1)).copied().flatten();
                is_on(*maker) || copy.is_some_and(is_on)
            };
            if !shuffle.is_stored(attempt) && !found.is_some_and(is_there) {
                missing.push(item);
            }
        }
        if missing.is_empty() && there == self.bases[1] {
            return;
        }
        self.blocks.lacks += 1;
        missing.truncate(MISSING_MAX);
        self.drop_work(world.now(), host);
        let report = Report::Missing { serial, stage: MAPS, items: missing };
        self.put(world, Input::Report { node: Alias(host), report });
        if let Some(ask) = self.ask(world, host) {
            self.put(world, ask);
        }
    }
}

/// Size of a run.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Hosts.
    pub nodes: u32,
    /// Map items.
    pub maps: u32,
    /// Parts, each a reduce item.
    pub parts: u32,
    /// Time of an item on the reference machine.
    pub takes: Span,
    /// Share of the hosts that are on that vanish, in percent.
    pub vanish_percent: u64,
}

struct Ran {
    maps_done: Stamp,
    makespan: f64,
    again: f64,
    lacks: f64,
    waves: f64,
    stored: f64,
    right: f64,
    hash: String,
    events: u64,
    violation: Option<Violation>,
}

/// In peace, with many gone among the maps, and with many gone before the reducers.
pub fn run(size: Size, seed: Seed) -> Outcome {
    let calm = one(size, seed, (START, 0));
    let maps = calm.maps_done.since(START);
    let amid = one(size, seed, (START + maps.scaled(1, 2), size.vanish_percent));
    let late = one(size, seed, (calm.maps_done + GATHERS, size.vanish_percent));
    let mut figures = Vec::new();
    let mut tell = |ids: [&'static str; 6], ran: &Ran| {
        let values = [ran.makespan, ran.again, ran.lacks, ran.waves, ran.stored, ran.right];
        let units = ["h", "1", "1", "1", "1", "1"];
        figures.extend(ids.into_iter().zip(values).zip(units).map(|((id, value), unit)| Figure { id, value, unit }));
    };
    tell(["calm_makespan", "calm_again", "calm_lacks", "calm_waves", "calm_stored", "calm_right"], &calm);
    tell(["amid_makespan", "amid_again", "amid_lacks", "amid_waves", "amid_stored", "amid_right"], &amid);
    tell(["late_makespan", "late_again", "late_lacks", "late_waves", "late_stored", "late_right"], &late);
    let all = [&calm, &amid, &late];
    let most = f64::from(SHUFFLE_WAVES_MAX + 1);
    let bars = [
        (all.iter().any(|ran| ran.right < 1.0), "all_right", "an item has no output or a wrong one"),
        (calm.again > AGAIN_MAX, "again", "more than 2 % of the maps ran again in peace"),
        (all.iter().any(|ran| ran.waves > most), "waves", "blocks were lost more often than they may be"),
    ];
    let missed = bars.into_iter().find(|(missed, ..)| *missed);
    let missed = missed.map(|(_, rule, what)| Violation { rule, at: START, what: what.to_owned() });
    let hash = blake3::hash(all.map(|ran| ran.hash.as_str()).concat().as_bytes()).to_hex().to_string();
    let events = all.iter().map(|ran| ran.events).sum();
    let violation = calm.violation.or(amid.violation).or(late.violation).or(missed);
    Outcome {
        scenario: "compute-shuffle",
        seed,
        nodes: size.nodes,
        days: 1,
        mix: "seti",
        hash,
        events,
        faults: vec!["vanish"],
        figures,
        violation,
    }
}

fn one(size: Size, seed: Seed, (vanish_at, vanish_percent): (Stamp, u64)) -> Ran {
    let mut draw = seed.named("churn");
    let speed = |draw: &mut crate::seed::Stream| 700 + u32::try_from(draw.below(800)).unwrap_or(0);
    let hosts = (0..size.nodes).map(|index| host(seed, index, Lie::Never, speed(&mut draw))).collect();
    let mut fleet = Fleet::new(seed, hosts, size.takes);
    fleet.checks_in = true;
    let mut world = World::new(START);
    let vanish = Session { start: vanish_at, end: vanish_at + VANISH_FOR };
    plan_sessions(&mut world, size.nodes, seed, (vanish, vanish_percent));
    world.run(&mut fleet, START).unwrap_or(());
    fleet.submit_stages(&mut world, (Trust::Circle, Check::Off), &[(size.maps, size.parts), (size.parts, 0)]);
    let (mut until, mut violation) = (START, None);
    let (mut maps_done, mut waves, mut stored) = (START, 0, false);
    while fleet.ended.is_none() && until < START + LONGEST && violation.is_none() {
        until = until + Span::mins(1);
        violation = world.run(&mut fleet, until).err();
        if let Some(shuffle) = fleet.scheduler.shuffle(JOB, MAPS) {
            (waves, stored) = (shuffle.waves, shuffle.is_spilled);
        }
    }
    let maps = fleet.done_at[..size.maps as usize].iter().max().copied();
    maps_done = maps.unwrap_or(maps_done).max(START);
    let end = fleet.done_at.iter().max().copied().unwrap_or(START);
    let is_done = fleet.ended.is_some_and(|(state, _)| state == JobState::Done);
    let right = fleet.kept.iter().flatten().filter(|kept| kept.is_right).count();
    Ran {
        maps_done,
        makespan: end.since(START).as_ms() as f64 / Span::hours(1).as_ms() as f64,
        again: fleet.blocks.again as f64 / f64::from(size.maps),
        lacks: fleet.blocks.lacks as f64,
        waves: f64::from(waves),
        stored: f64::from(u8::from(stored)),
        right: if is_done { right as f64 / fleet.kept.len() as f64 } else { 0.0 },
        hash: world.trace.hash(),
        events: world.trace.events(),
        violation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_outlives_most_of_its_machines() {
        let size = Size { nodes: 200, maps: 600, parts: 32, takes: Span::mins(3), vanish_percent: 60 };
        let outcome = run(size, Seed(1));
        let figure = |id| outcome.figure(id).unwrap();
        assert!(outcome.violation.is_none(), "(A) (B) (C) {:?}", outcome.violation);
        assert!(figure("amid_makespan") > figure("calm_makespan"));
        assert!(figure("late_again") > 0.0, "who vanished had blocks that were nowhere else");
        assert_eq!(outcome.hash, run(size, Seed(1)).hash);
    }
}
