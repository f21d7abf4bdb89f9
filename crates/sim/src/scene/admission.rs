//! Machines that join: drives the real `rules::access::admit` over tickets used twice, expired tickets, wrong clocks, lost
//! answers and a center that crashes between its decision and its commit.
//!
//! Invariants: (A) seats made with a ticket plus its uses left are its uses; (B) a machine has one seat and one member;
//! (C) nobody joins with a clock off by more than 15 min or after the ticket's end; (D) what was acknowledged is kept.

use super::Size;
use crate::center::{Change, Store};
use crate::check::{Figure, Outcome, Violation};
use crate::fabric::{Fabric, Place};
use crate::faults::{Fault, Swarm};
use crate::seed::{Draw, Seed, Stream};
use crate::trace::{Record, Sink};
use crate::world::{Depth, Scene, World};
use model::errors;
use model::{Alias, CloudKey, MemberId, NodeId, Roles, Span, Stamp};
use rules::access::admit::{Admission, CLOCK_OFF_MAX, CenterFacts, JoinAsk, Seat, TicketFacts, admit};
use std::collections::BTreeMap;

const START: Stamp = super::fleet::START;
const CLOUD: CloudKey = CloudKey([1; 32]);
/// Tickets are drawn with so many uses at most.
const USES_MAX: u64 = 4;
/// A machine that got no answer asks again after this.
const RETRY: Span = Span::secs(20);
/// It gives up after so many asks.
const ASKS_MAX: u32 = 12;

/// What happens.
#[derive(Debug, Clone, Copy)]
enum Event {
    Try { host: u32, asks: u32 },
    Ask { host: u32 },
    Answer { host: u32, joined: bool },
    Start,
}

impl Record for Event {
    fn record(&self, sink: &mut Sink<'_>) {
        let (tag, host, more) = match *self {
            Self::Try { host, asks } => (1, host, asks),
            Self::Ask { host } => (2, host, 0),
            Self::Answer { host, joined } => (3, host, u32::from(joined)),
            Self::Start => (4, 0, 0),
        };
        sink.u8(tag);
        sink.u32(host);
        sink.u32(more);
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Machine {
    ticket: u64,
    offset_ms: i64,
    told: Option<bool>,
}

struct Joins {
    seed: Seed,
    machines: Vec<Machine>,
    store: Store,
    /// Uses of each ticket that seats were made with, counted apart from the rows.
    used: BTreeMap<u64, u16>,
    up: bool,
    fabric: Fabric,
    net: Stream,
    chaos: Stream,
    crashes: bool,
    refused: BTreeMap<u16, u64>,
    crashed: u64,
    again: u64,
    broken: Option<Violation>,
}

/// Runs `size.nodes` machines that join within `size.days` days.
pub fn run(size: Size, seed: Seed) -> Outcome {
    let swarm = Swarm::of(seed, &[Fault::Loss, Fault::Double, Fault::Crash, Fault::Clock]);
    let (mut world, mut joins) = build(size, seed, &swarm);
    let end = START + Span::days(u64::from(size.days));
    let violation = world.run(&mut joins, end).err();
    let figure = |id, value: u64| Figure { id, value: value as f64, unit: "1" };
    let mut figures = vec![
        figure("joined", joins.store.rows().seats.len() as u64),
        figure("answered_again", joins.again),
        figure("crashes_before_commit_or_answer", joins.crashed),
        figure("messages_lost", joins.fabric.lost()),
        figure("refused", joins.refused.values().sum()),
    ];
    let named = [
        (errors::TICKET_EXPIRED, "refused_expired"),
        (errors::TICKET_USED, "refused_used"),
        (errors::CLOCK_WRONG, "refused_clock"),
    ];
    for (id, name) in named {
        if let Some(count) = joins.refused.get(&id.0) {
            figures.push(figure(name, *count));
        }
    }
    Outcome {
        scenario: "admission",
        seed,
        nodes: size.nodes,
        days: size.days,
        mix: size.mix.name,
        hash: world.trace.hash(),
        events: world.trace.events(),
        faults: swarm.words(),
        figures,
        violation,
    }
}

fn build(size: Size, seed: Seed, swarm: &Swarm) -> (World<Event>, Joins) {
    let mut weather = swarm.weather(seed);
    weather.delay_max = Span::ZERO;
    let (mut world, mut rng) = (World::new(START), seed.named("tickets"));
    let (mut store, mut machines) = (Store::default(), Vec::new());
    let length = Span::days(u64::from(size.days));
    let tickets = u64::from(size.nodes / 2).max(1);
    for id in 0..tickets {
        let uses = u16::try_from(rng.between(1, USES_MAX)).expect("at most USES_MAX");
        let expires_at = START + Span(rng.below(2 * length.as_ms()));
        let facts = TicketFacts { roles: Roles::BOTH, uses_total: uses, uses_left: uses, expires_at, revoked_at: None };
        store.change(Change::Ticket(id, facts));
    }
    store.commit();
    for host in 0..size.nodes {
        let mut rng = seed.nth("machine", u64::from(host));
        let (wrong, off) = (rng.chance(0.2), rng.below(Span::days(2).as_ms()));
        let off = i64::try_from(off).expect("2 days of milliseconds fit") - 86_400_000;
        let offset_ms = if wrong && swarm.has(Fault::Clock) { off } else { 0 };
        machines.push(Machine { ticket: rng.below(tickets), offset_ms, told: None });
        world.at(START + Span(rng.below(length.as_ms())), Event::Try { host, asks: 0 });
    }
    let joins = Joins {
        seed,
        machines,
        store,
        used: BTreeMap::new(),
        up: true,
        fabric: Fabric::new(weather),
        net: seed.named("net"),
        chaos: seed.named("chaos"),
        crashes: swarm.has(Fault::Crash),
        refused: BTreeMap::new(),
        crashed: 0,
        again: 0,
        broken: None,
    };
    (world, joins)
}

impl Joins {
    fn id(&self, host: u32) -> NodeId {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&host.to_le_bytes());
        id[4..12].copy_from_slice(&self.seed.0.to_le_bytes());
        NodeId(id)
    }

    fn ask(&mut self, world: &mut World<Event>, host: u32) {
        if !self.up {
            return;
        }
        let (now, machine, id) = (world.now(), self.machines[host as usize], self.id(host));
        let rows = self.store.rows();
        let facts = CenterFacts {
            now,
            cloud: CLOUD,
            version_floor: 1,
            nodes_count: u32::try_from(rows.seats.len()).unwrap_or(u32::MAX),
            nodes_max: 1_000_000,
            other_cell: None,
            ticket: rows.tickets.get(&machine.ticket).cloned(),
            member: None,
            seat: rows.seats.get(&id).copied(),
            blocked: None,
        };
        let clock = Stamp(now.as_ms().saturating_add_signed(machine.offset_ms));
        let ask = JoinAsk { cloud: CLOUD, now: clock, version: 1, lends: true, name: "attic".to_owned() };
        let joined = match admit(&facts, &ask) {
            Ok(Admission::New { roles, uses_left }) => {
                self.judge(&facts, clock);
                let alias = Some(Alias(facts.nodes_count));
                let mut member = [0; 16];
                member.copy_from_slice(&id.0[..16]);
                self.store.change(Change::Seat(id, Seat { member: MemberId(member), roles, alias }));
                let ticket = facts.ticket.expect("a new machine is admitted by a ticket only");
                self.store.change(Change::Ticket(machine.ticket, TicketFacts { uses_left, ..ticket }));
                if self.dies(world) {
                    return;
                }
                self.store.commit();
                *self.used.entry(machine.ticket).or_default() += 1;
                true
            }
            Ok(Admission::Again(_)) => {
                self.again += 1;
                true
            }
            Err(refusal) => {
                *self.refused.entry(refusal.id.0).or_default() += 1;
                false
            }
        };
        if self.dies(world) {
            return;
        }
        for at in self.fabric.send(now, Place::Center, Place::Host(host), &mut self.net).into_iter().flatten() {
            world.at(at, Event::Answer { host, joined });
        }
    }

    /// The center crashes at this step in one of 10 cases, and is back within a minute.
    fn dies(&mut self, world: &mut World<Event>) -> bool {
        let (hit, secs) = (self.chaos.chance(0.1), self.chaos.between(1, 60));
        if !(hit && self.crashes) {
            return false;
        }
        self.store.crash();
        (self.up, self.crashed) = (false, self.crashed + 1);
        world.after(Span::secs(secs), Event::Start);
        true
    }

    /// (C), by figures of its own.
    fn judge(&mut self, facts: &CenterFacts, clock: Stamp) {
        let late = facts.ticket.as_ref().is_none_or(|t| facts.now >= t.expires_at);
        if late || facts.now.distance(clock) > CLOCK_OFF_MAX {
            let what = format!("joined at {} with a clock at {clock}", facts.now);
            self.broken.get_or_insert(Violation { rule: "admitted_lawfully", at: facts.now, what });
        }
    }
}

impl Scene for Joins {
    type Event = Event;

    fn handle(&mut self, world: &mut World<Event>, event: Event) {
        match event {
            Event::Try { host, asks } if self.machines[host as usize].told.is_none() && asks < ASKS_MAX => {
                let now = world.now();
                for at in self.fabric.send(now, Place::Host(host), Place::Center, &mut self.net).into_iter().flatten() {
                    world.at(at, Event::Ask { host });
                }
                world.after(RETRY, Event::Try { host, asks: asks + 1 });
            }
            Event::Try { .. } => {}
            Event::Ask { host } => self.ask(world, host),
            // A machine that was told yes is in, whatever a doubled ask is answered later.
            Event::Answer { host, joined } => {
                let told = &mut self.machines[host as usize].told;
                *told = Some(told.unwrap_or(false) || joined);
            }
            Event::Start => self.up = true,
        }
    }

    fn check(&mut self, now: Stamp, depth: Depth) -> Result<(), Violation> {
        if let Some(violation) = self.broken.take() {
            return Err(violation);
        }
        if depth == Depth::Cheap {
            return Ok(());
        }
        let rows = self.store.rows();
        for (id, ticket) in &rows.tickets {
            let used = self.used.get(id).copied().unwrap_or(0);
            if used + ticket.uses_left != ticket.uses_total {
                let what = format!("ticket {id}: {used} seats, {} of {} left", ticket.uses_left, ticket.uses_total);
                return Err(Violation { rule: "uses_add_up", at: now, what });
            }
        }
        if rows.members.len() != rows.seats.len() {
            return Err(Violation { rule: "one_member_a_machine", at: now, what: rows.members.len().to_string() });
        }
        for (host, machine) in (0u32..).zip(&self.machines) {
            if machine.told == Some(true) && !rows.seats.contains_key(&self.id(host)) {
                return Err(Violation { rule: "acknowledged_is_kept", at: now, what: format!("machine {host}") });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::Mix;

    #[test]
    fn no_use_counts_twice_and_nothing_acknowledged_is_lost_for_20_seeds() {
        let size = Size { nodes: 200, days: 5, mix: Mix::ALL[0] };
        let outcomes: Vec<Outcome> = (0..20).map(|n| run(size, Seed(n))).collect();
        for outcome in &outcomes {
            assert_eq!(outcome.violation, None, "{}", outcome.replay_line());
            assert_eq!(outcome.hash, run(size, outcome.seed).hash);
        }
        let sum = |id| outcomes.iter().filter_map(|o| o.figure(id)).sum::<f64>();
        let rare =
            ["answered_again", "crashes_before_commit_or_answer", "refused_expired", "refused_used", "refused_clock"];
        rare.iter().for_each(|id| assert!(sum(id) > 0.0, "{id} is never reached"));
    }
}
