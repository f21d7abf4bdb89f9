//! What is planned before a fleet's run begins: sessions, crashes, storms, cuts, twins.

use super::{CLOCK_OFF_MAX, Event, Fleet, FleetWorld, NextBoot, START, SWEEP_EVERY, sessions};
use crate::faults::Fault;
use crate::hosts::{Session, without};
use crate::seed::Draw;
use model::Span;

/// Plans everything that does not depend on what happens.
pub fn plan(world: &mut FleetWorld, fleet: &mut Fleet) {
    let storm = storm(fleet);
    hosts(world, fleet, storm);
    center(world, fleet);
    cuts(world, fleet);
    world.after(SWEEP_EVERY, Event::Sweep);
    world.after(Span::hours(1), Event::Hour);
}

fn length(fleet: &Fleet) -> Span {
    Span::days(u64::from(fleet.setup.size.days))
}

/// From when to when which share of hosts is gone.
fn storm(fleet: &Fleet) -> Option<(Session, f64)> {
    let mut rng = fleet.setup.seed.named("storm");
    let at = START + Span(rng.below(length(fleet).as_ms()));
    let (hours, share) = (rng.between(1, 48), 0.3 + 0.4 * rng.unit());
    fleet.setup.swarm.has(Fault::Storm).then_some((Session { start: at, end: at + Span::hours(hours) }, share))
}

fn hosts(world: &mut FleetWorld, fleet: &mut Fleet, storm: Option<(Session, f64)>) {
    let (seed, end) = (fleet.setup.seed, START + length(fleet));
    for host in 0..fleet.setup.size.nodes {
        let mut rng = seed.nth("host", u64::from(host));
        let (hit, off, later) = (rng.unit(), rng.below(2 * CLOCK_OFF_MAX.as_ms() + 1), rng.unit());
        if fleet.setup.swarm.has(Fault::Clock) {
            let off = i64::try_from(off).expect("20 years of milliseconds fit");
            let most = i64::try_from(CLOCK_OFF_MAX.as_ms()).expect("10 years of milliseconds fit");
            fleet.hosts[host as usize].offset_ms = off - most;
        }
        let mut all = sessions(&fleet.setup, host, end);
        if let Some((span, _)) = storm.filter(|(_, share)| hit < *share) {
            all = without(all, &[span]);
        }
        for (n, s) in all.iter().enumerate() {
            world.at(s.start, Event::Up { host });
            if s.end >= end {
                continue; // it is still on when the run ends
            }
            world.at(s.end, Event::Down { host, next: all.get(n + 1).map(|next| next.start) });
        }
        if later < 0.02 && fleet.setup.swarm.has(Fault::TwoBoots) {
            let boot = seed.nth("twin", u64::from(host)).next_boot();
            let from = START + length(fleet).scaled(1, 2);
            (0..24u32).for_each(|n| {
                world.at(from + Span::mins(5 * u64::from(n)), Event::Twin { host, boot, sequence: n + 1 });
            });
        }
    }
}

fn center(world: &mut FleetWorld, fleet: &Fleet) {
    let mut rng = fleet.setup.seed.named("crash");
    let days = u64::from(fleet.setup.size.days);
    for day in 0..days {
        let (hits, at, secs) = (rng.chance(0.5), rng.below(86_400), rng.between(1, 300));
        if hits && fleet.setup.swarm.has(Fault::Crash) {
            world.at(START + Span::days(day) + Span::secs(at), Event::Crash { down_for: Span::secs(secs) });
        }
    }
    let (at, hours) = (rng.below(days.max(1) * 24), rng.between(12, 96));
    if fleet.setup.swarm.has(Fault::LongCrash) {
        world.at(START + Span::hours(at), Event::Crash { down_for: Span::hours(hours) });
    }
}

fn cuts(world: &mut FleetWorld, fleet: &Fleet) {
    if !fleet.setup.swarm.has(Fault::Partition) {
        return;
    }
    for host in 0..fleet.setup.size.nodes {
        let mut rng = fleet.setup.seed.nth("cuts", u64::from(host));
        for day in 0..u64::from(fleet.setup.size.days) {
            let (hit, at, secs, way) = (rng.chance(0.03), rng.below(86_400), rng.between(30, 86_400), rng.below(3));
            if hit {
                let at = START + Span::days(day) + Span::secs(at);
                let way = u8::try_from(way).expect("below 3");
                world.at(at, Event::Cut { host, way, until: at + Span::secs(secs) });
            }
        }
    }
}
