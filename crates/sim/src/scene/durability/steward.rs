//! Stewards at work: gather k pieces, make the ones wanted, push them.
//!
//! A group's content is worked through in order, as a fluid: in an hour a share x of it is gathered (k pieces of x) and made, and
//! each target that is on is sent what is made and it lacks; what is made for those off the steward keeps, up to [`KEEP_BYTES`],
//! until they come on (`Gathering::Again`: it keeps nothing and gathers again). Work is bounded by the steward's lines, by the repair
//! rate of those it gathers from, and by the pool's rate; a critical group is bounded by owners' limits alone. While fewer
//! than k are on, pieces of as many segments as the scratch holds are collected until k are there. To gather once for many, a
//! steward waits up to [`WAIT`] until half of the targets are on (**assumed**; the rules have no such patience yet).

use super::group::Job;
use super::setup::{Gathering, Knows};
use super::{Durability, Event};
use crate::world::World;
use model::{Alias, Kbps, PgId, Ppm, Span, Stamp, Tier};
use rules::storage::expand::{EPOCH, QUICK_UP, StewardFacts, steward};
use rules::storage::scheme::{PoolKind, Ranks};

/// Least uplink of a steward (`docs/design/fleet.md` §4).
const UP_MIN_KBPS: u32 = 5_000;
/// Downlink, as a multiple of the uplink lent (**assumed**).
const DOWN_FACTOR: f64 = 4.0;
/// Content of which a steward keeps pieces while it collects.
const SCRATCH_BYTES: f64 = 1_073_741_824.0;
/// Pieces a steward keeps for targets that are off (**assumed**: a part of what it lends).
const KEEP_BYTES: f64 = 8.0 * 1_073_741_824.0;
/// So long a steward waits for half of the targets.
const WAIT: Span = Span::hours(24);
/// Start of a repair in the chapter's world.
const ORACLE_START: Span = Span::hours(6);
const BYTES_OF_KBPS_HOUR: f64 = 125.0 * 3_600.0;

/// What one hour of one group may move.
struct Bounds {
    /// The steward's.
    down: f64,
    up: f64,
    /// Of the holders on.
    sources: f64,
    /// Left of the pool's.
    pool: f64,
}

impl Durability {
    /// One hour of every repair, the groups with the fewest pieces first.
    pub(super) fn work(&mut self, world: &mut World<Event>) {
        let mut order: Vec<(u16, u32)> = self.working.iter().map(|pg| (self.groups[*pg as usize].alive, *pg)).collect();
        order.sort_unstable();
        let rate = f64::from(self.surge.repair_rate().0) / 1e6;
        let mut pool = rate * self.fleet.up_on_kbps as f64 * BYTES_OF_KBPS_HOUR;
        for (_, pg) in order {
            self.work_on(world, pg, &mut pool);
        }
    }

    fn work_on(&mut self, world: &mut World<Event>, pg: u32, pool: &mut f64) {
        let now = world.now();
        let (targets, all) = self.targets(pg);
        if all == 0 || self.groups[pg as usize].lost_at.is_some() {
            self.ends(now, pg);
            return;
        }
        let job = *self.groups[pg as usize].job.get_or_insert(Job { planned: now, moved: now, ..Job::default() });
        let is_critical = self.groups[pg as usize].alive <= self.scheme.k + PoolKind::Public.delta();
        let is_worth = 2 * targets.len() >= all || is_critical || job.made > 0.0 || now.since(job.moved) >= WAIT;
        if targets.is_empty() || !is_worth || !self.has_steward(pg, now) {
            return;
        }
        let gathered = self.gather(pg, &targets, is_critical, *pool);
        let pushed = self.push(world, pg, &targets);
        *pool -= gathered + pushed;
        self.counts.moved(gathered, pushed);
        if let Some(job) = self.groups[pg as usize].job.as_mut() {
            job.moved = if gathered + pushed > 0.0 { now } else { job.moved };
            job.made = if self.setup.gathering == Gathering::Again { 0.0 } else { job.made };
        }
        if self.targets(pg).1 == 0 {
            self.ends(now, pg);
        }
    }

    /// Places of pieces in the making whose holders are on, and how many are in the making at all.
    fn targets(&self, pg: u32) -> (Vec<usize>, usize) {
        let making = self.groups[pg as usize].counted().filter(|(_, piece)| !piece.is_whole());
        let (mut on, mut all) = (Vec::new(), 0);
        for (place, piece) in making {
            let machine = &self.fleet.machines[piece.node as usize];
            if !machine.known.is_missing {
                all += 1;
                on.extend(machine.on.then_some(place));
            }
        }
        (on, all)
    }

    /// Nothing is left to make: the steward is free, the repair is timed.
    fn ends(&mut self, now: Stamp, pg: u32) {
        self.working.remove(&pg);
        let group = &mut self.groups[pg as usize];
        let Some(job) = group.job.take() else { return };
        group.collected.fill(false);
        if let Some(steward) = job.steward {
            self.fleet.machines[steward as usize].is_leased = false;
        }
        self.counts.plan_days.push(super::count::days(now.since(job.planned)));
        self.dirty.insert(pg);
    }

    /// The steward goes on while it is on; else another one takes over, without what was collected.
    fn has_steward(&mut self, pg: u32, now: Stamp) -> bool {
        if self.setup.knows == Knows::Oracle {
            return self.groups[pg as usize].job.is_some_and(|job| now.since(job.planned) >= ORACLE_START);
        }
        let Some(job) = self.groups[pg as usize].job else { return false };
        if job.steward.is_some_and(|alias| self.fleet.machines[alias as usize].on) {
            return true;
        }
        if let Some(old) = job.steward {
            self.fleet.machines[old as usize].is_leased = false;
        }
        let fact = |alias: &u32| {
            let machine = &self.fleet.machines[*alias as usize];
            StewardFacts {
                node: Alias(*alias),
                tier: machine.known.tier,
                on_for: if machine.on { now.since(machine.since) } else { Span::ZERO },
                gives: machine.on && machine.up_kbps >= UP_MIN_KBPS,
                idle: true,
                quick: Kbps(machine.up_kbps) >= QUICK_UP,
                leases: u16::from(machine.is_leased),
            }
        };
        let facts: Vec<StewardFacts> = self.fleet.stewards.iter().map(fact).filter(|f| f.tier >= Tier::T3).collect();
        let epoch = now.as_ms() / EPOCH.as_ms();
        let found = steward(PgId(pg), epoch, Ranks::Count, Span::ZERO, &facts);
        let group = &mut self.groups[pg as usize];
        group.collected.fill(false);
        if let Some(job) = group.job.as_mut() {
            // What the old one kept is with the old one.
            (job.steward, job.made) = (found.map(|alias| alias.0), 0.0);
        }
        if let Some(alias) = found {
            self.fleet.machines[alias.0 as usize].is_leased = true;
        }
        self.counts.without_steward += u64::from(found.is_none());
        found.is_some()
    }

    /// Gathers and makes as much as an hour allows of what some target lacks; the bytes gathered.
    fn gather(&mut self, pg: u32, targets: &[usize], is_critical: bool, pool: f64) -> f64 {
        let slot = self.setup.slot.0 as f64;
        let content = f64::from(self.scheme.k) * slot;
        let done: Vec<f64> = self.groups[pg as usize].counted().map(|(_, p)| p.done).filter(|d| *d < 1.0).collect();
        let on = |place: &usize| self.groups[pg as usize].pieces[*place].map_or(1.0, |p| p.done);
        let least = targets.iter().map(on).fold(1.0, f64::min);
        // What nobody who is on lacks is not made now; what is made already is not gathered again.
        let made = self.groups[pg as usize].job.map_or(0.0, |job| job.made).max(least);
        let kept: f64 = done.iter().map(|d| (made - d).max(0.0)).sum::<f64>() * slot;
        if made >= 1.0 || kept >= KEEP_BYTES {
            return 0.0;
        }
        let share = self.share_of_hour(pg, targets.len(), is_critical, pool).min(1.0 - made);
        if let Some(job) = self.groups[pg as usize].job.as_mut() {
            job.made = made + share;
        }
        share * content
    }

    /// Share of the content that may be gathered in this hour.
    fn share_of_hour(&mut self, pg: u32, targets: usize, is_critical: bool, pool: f64) -> f64 {
        let content = f64::from(self.scheme.k) * self.setup.slot.0 as f64;
        let is_short = self.groups[pg as usize].on < self.scheme.k;
        let window = if is_short { self.collect(pg, content) } else { 1.0 };
        if self.setup.knows == Knows::Oracle || window <= 0.0 {
            return if window > 0.0 { 1.0 } else { 0.0 };
        }
        let bounds = self.bounds(pg, is_critical, pool);
        let push = targets as f64 * self.setup.slot.0 as f64;
        let by_pool = if is_critical { f64::INFINITY } else { bounds.pool.max(0.0) / (content + push) };
        let by_line = (bounds.down / content).min(bounds.up / push);
        window.min(by_line).min(bounds.sources / content).min(by_pool).min(1.0)
    }

    fn bounds(&self, pg: u32, is_critical: bool, pool: f64) -> Bounds {
        let group = &self.groups[pg as usize];
        let up = |alias: u32| f64::from(self.fleet.machines[alias as usize].up_kbps) * BYTES_OF_KBPS_HOUR;
        let on = group.pieces.iter().flatten().filter(|p| p.is_whole() && self.fleet.machines[p.node as usize].on);
        let rate = if is_critical { Ppm::ONE } else { self.surge.repair_rate() };
        let sources = on.map(|p| up(p.node)).sum::<f64>() * f64::from(rate.0) / 1e6;
        let steward = group.job.and_then(|job| job.steward).map_or(0.0, up);
        Bounds { down: steward * DOWN_FACTOR, up: steward, sources, pool }
    }

    /// Fewer than k are on: their pieces of the segments at hand are kept. The share that can be made of them, once k are there.
    fn collect(&mut self, pg: u32, content: f64) -> f64 {
        if self.setup.gathering == Gathering::Now {
            return 0.0;
        }
        let k = usize::from(self.scheme.k);
        let group = &mut self.groups[pg as usize];
        for index in 0..self.scheme.n_max {
            if group.is_on(index) {
                group.collected[usize::from(index)] = true;
            }
        }
        if group.collected.iter().filter(|held| **held).count() < k {
            return 0.0;
        }
        group.collected.fill(false);
        (SCRATCH_BYTES / content).min(1.0)
    }

    /// Sends what is made to every target that is on and lacks it, as much as the steward's line carries; the bytes. Pieces that
    /// are whole then count.
    fn push(&mut self, world: &mut World<Event>, pg: u32, targets: &[usize]) -> f64 {
        let slot = self.setup.slot.0 as f64;
        let Some(job) = self.groups[pg as usize].job else { return 0.0 };
        let up = job
            .steward
            .map_or(f64::INFINITY, |alias| f64::from(self.fleet.machines[alias as usize].up_kbps) * BYTES_OF_KBPS_HOUR);
        let lacking =
            |place: &usize| self.groups[pg as usize].pieces[*place].map_or(0.0, |p| (job.made - p.done).max(0.0));
        let wanted: f64 = targets.iter().map(lacking).sum::<f64>() * slot;
        let part = if wanted > up { up / wanted } else { 1.0 };
        for place in targets {
            let Some(piece) = self.groups[pg as usize].pieces[*place].as_mut() else { continue };
            piece.done += (job.made - piece.done).max(0.0) * part;
            if piece.done > 1.0 - 1e-9 {
                self.complete(world, pg, *place);
            }
        }
        wanted * part
    }
}
