//! What do vanishing machines do to a job of long tasks?
//!
//! Hosts of the published SETI-type fits come and go without a word; a job of many tasks runs in a circle, so that nothing but
//! the 2 % re-run of a circle comes on top. Then the same with a share of the hosts that are on gone at one moment for half a day.
//!
//! (A) Every item has its output in the end, and the right one. (B) Makespan and waste are within their bars on the calm run.

use super::{Event, Fleet, Lie, START, host};
use crate::check::{Figure, Outcome, Violation};
use crate::hosts::{Session, Sessions, model, without};
use crate::seed::{Draw, Seed};
use crate::world::World;
use model::{Check, JobState, Span, Stamp, Trust};

/// Hosts whose life before the job is simulated, so that ages of sessions are those of the long run.
const BEFORE: Span = Span::days(3);
/// Longest a job is waited for.
const LONGEST: Span = Span::days(20);
/// The hosts that vanish do so after this …
const VANISH_AFTER: Span = Span::hours(5);
/// … for so long.
const VANISH_FOR: Span = Span::hours(12);
/// Bar: makespan over (time of the 95th of a hundred items ÷ 0.95).
const MAKESPAN_MAX: f64 = 1.1;
/// Bar: time of attempts that came to nothing, of all.
const WASTE_MAX: f64 = 0.05;

/// Size of a run.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Hosts.
    pub nodes: u32,
    /// Tasks.
    pub items: u32,
    /// Time of a task on the reference machine.
    pub takes: Span,
    /// Share of the hosts that are on that vanish, in percent, in the second run.
    pub vanish_percent: u64,
}

struct Ran {
    makespan: f64,
    ratio: f64,
    waste: f64,
    extra: f64,
    moved: f64,
    copies: f64,
    right: f64,
    on: f64,
    hash: String,
    events: u64,
    violation: Option<Violation>,
}

/// The calm run and the one in which many vanish.
pub fn run(size: Size, seed: Seed) -> Outcome {
    let calm = one(size, seed, 0);
    let storm = one(size, seed, size.vanish_percent);
    let figure = |id, value, unit| Figure { id, value, unit };
    let figures = vec![
        figure("calm_on_mean", calm.on, "1"),
        figure("calm_makespan", calm.makespan, "h"),
        figure("calm_makespan_over_p95", calm.ratio, "1"),
        figure("calm_waste", calm.waste, "1"),
        figure("calm_extra_runs", calm.extra, "1"),
        figure("calm_moved", calm.moved, "1"),
        figure("calm_copies", calm.copies, "1"),
        figure("calm_right", calm.right, "1"),
        figure("vanish_makespan", storm.makespan, "h"),
        figure("vanish_waste", storm.waste, "1"),
        figure("vanish_moved", storm.moved, "1"),
        figure("vanish_copies", storm.copies, "1"),
        figure("vanish_right", storm.right, "1"),
    ];
    let bars = [
        (calm.right < 1.0 || storm.right < 1.0, "all_right", "an item has no output or a wrong one"),
        (calm.ratio > MAKESPAN_MAX, "makespan", "the tail is longer than a tenth of the rest"),
        (calm.waste > WASTE_MAX, "waste", "more than 5 % of the time came to nothing"),
    ];
    let missed = bars.into_iter().find(|(missed, ..)| *missed);
    let missed = missed.map(|(_, rule, what)| Violation { rule, at: START, what: what.to_owned() });
    let mut hasher = blake3::Hasher::new();
    hasher.update(calm.hash.as_bytes()).update(storm.hash.as_bytes());
    Outcome {
        scenario: "compute-churn",
        seed,
        nodes: size.nodes,
        days: 1,
        mix: "seti",
        hash: hasher.finalize().to_hex().to_string(),
        events: calm.events + storm.events,
        faults: vec!["vanish"],
        figures,
        violation: calm.violation.or(storm.violation).or(missed),
    }
}

fn one(size: Size, seed: Seed, vanish_percent: u64) -> Ran {
    let mut draw = seed.named("churn");
    let speed = |draw: &mut crate::seed::Stream| 700 + u32::try_from(draw.below(800)).unwrap_or(0);
    let hosts = (0..size.nodes).map(|index| host(seed, index, Lie::Never, speed(&mut draw))).collect();
    let mut fleet = Fleet::new(seed, hosts, size.takes);
    fleet.checks_in = true;
    let mut world = World::new(START);
    let vanish = Session { start: START + VANISH_AFTER, end: START + VANISH_AFTER + VANISH_FOR };
    let on_hours = plan_sessions(&mut world, size.nodes, seed, (vanish, vanish_percent));
    world.run(&mut fleet, START).unwrap_or(());
    fleet.submit(&mut world, Trust::Circle, Check::Off, size.items);
    let mut until = START;
    let mut violation = None;
    while fleet.ended.is_none() && until < START + LONGEST && violation.is_none() {
        until = until + Span::mins(10);
        violation = world.run(&mut fleet, until).err();
    }
    ran(&fleet, &world, violation, on_hours)
}

/// Plans when hosts are on; those on at the beginning are as old as they are. A share of them, in percent, is gone for a while.
/// Answers the mean number on, over two days.
pub(super) fn plan_sessions(
    world: &mut World<Event>,
    nodes: u32,
    seed: Seed,
    (vanish, vanish_percent): (Session, u64),
) -> f64 {
    let kind = model("seti").expect("a model of the table");
    let mut on_ms = 0.0;
    for index in 0..nodes {
        let begin = Stamp(START.as_ms() - BEFORE.as_ms());
        let sessions = Sessions::new(kind, seed, index, Span::ZERO, begin, START + LONGEST).collect::<Vec<_>>();
        let vanishes = seed.nth("vanish", u64::from(index)).below(100) < vanish_percent;
        let sessions = if vanishes { without(sessions, &[vanish]) } else { sessions };
        for session in sessions.into_iter().filter(|session| session.end > START) {
            world.at(session.start.max(START), Event::On(index));
            world.at(session.end, Event::Off(index));
            let end = session.end.min(START + Span::days(2));
            on_ms += end.since(session.start.max(START)).as_ms() as f64;
        }
    }
    on_ms / Span::days(2).as_ms() as f64
}

fn ran(fleet: &Fleet, world: &World<Event>, violation: Option<Violation>, on: f64) -> Ran {
    let hours = |at: Stamp| at.since(START).as_ms() as f64 / Span::hours(1).as_ms() as f64;
    let mut done: Vec<Stamp> = fleet.done_at.clone();
    done.sort_unstable();
    let p95 = done.get(done.len() * 95 / 100).copied().map_or(f64::NAN, hours);
    let makespan = done.last().copied().map_or(f64::NAN, hours);
    let is_done = fleet.ended.is_some_and(|(state, _)| state == JobState::Done);
    let right = fleet.kept.iter().flatten().filter(|kept| kept.is_right).count();
    let progress = fleet.scheduler.progress(world.now(), super::JOB);
    let counted = |of: fn(&rules::compute::Progress) -> u32| progress.as_ref().map_or(f64::NAN, |p| f64::from(of(p)));
    let items = fleet.kept.len() as f64;
    Ran {
        makespan,
        ratio: makespan / (p95 / 0.95),
        waste: fleet.wasted.as_ms() as f64 / fleet.worked.as_ms().max(1) as f64,
        extra: fleet.executed as f64 / items - 1.0,
        moved: counted(|p| p.moved),
        copies: counted(|p| p.copies),
        right: if is_done { right as f64 / items } else { 0.0 },
        on,
        hash: world.trace.hash(),
        events: world.trace.events(),
        violation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_outlives_most_of_its_machines() {
        let size = Size { nodes: 100, items: 1_000, takes: Span::mins(30), vanish_percent: 90 };
        let outcome = run(size, Seed(1));
        let figure = |id| outcome.figure(id).unwrap();
        assert_eq!((figure("calm_right"), figure("vanish_right")), (1.0, 1.0), "(A)");
        assert!(figure("calm_waste") <= WASTE_MAX, "(B)");
        assert!(figure("vanish_makespan") > figure("calm_makespan"));
        assert_eq!(outcome.hash, run(size, Seed(1)).hash);
    }
}
