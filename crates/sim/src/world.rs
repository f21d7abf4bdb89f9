//! Virtual time: one heap of (virtual ms, sequence), one thread, one trace.
//!
//! (A) Events come in the order of their time; those of one millisecond in the order in which they were planned.
//! (B) Time never goes back: an event planned for the past happens now. (C) A run ends at its horizon or when nothing is
//! planned. (D) Cheap checks every [`CHECK_EVERY_EVENTS`] events, all of them every virtual hour and at the end.

use crate::check::Violation;
use crate::trace::{Record, Trace};
use model::{Span, Stamp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events between two cheap checks.
pub const CHECK_EVERY_EVENTS: u64 = 1_000;
/// Virtual time between two full checks.
pub const CHECK_EVERY: Span = Span::hours(1);
/// Most events planned at one time: a scene that plans without end stops here by name and not by memory.
pub const PLANNED_MAX: usize = 50_000_000;

struct Planned<E> {
    at: Stamp,
    sequence: u64,
    event: E,
}

impl<E> Planned<E> {
    fn key(&self) -> (Stamp, u64) {
        (self.at, self.sequence)
    }
}

impl<E> PartialEq for Planned<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl<E> Eq for Planned<E> {}
impl<E> PartialOrd for Planned<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for Planned<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// The clock, the plan and the trace.
pub struct World<E> {
    now: Stamp,
    sequence: u64,
    heap: BinaryHeap<Reverse<Planned<E>>>,
    /// Everything that happened and was done, as one hash.
    pub trace: Trace,
}

/// How deep a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every [`CHECK_EVERY_EVENTS`] events: constant time.
    Cheap,
    /// Every virtual hour and at the end: every host.
    Full,
}

/// What is simulated: hosts, their real rules and the invariants over them.
pub trait Scene {
    /// Everything that can happen.
    type Event: Record;

    /// One event happens at `world.now()`; effects go to `world.trace`, what follows is planned in `world`.
    fn handle(&mut self, world: &mut World<Self::Event>, event: Self::Event);

    /// Do the invariants hold? `Err` ends the run.
    fn check(&mut self, now: Stamp, depth: Depth) -> Result<(), Violation>;
}

impl<E: Record> World<E> {
    /// A world in which nothing is planned yet and the clock stands at `start`.
    pub fn new(start: Stamp) -> Self {
        Self { now: start, sequence: 0, heap: BinaryHeap::new(), trace: Trace::default() }
    }

    /// Virtual time.
    pub fn now(&self) -> Stamp {
        self.now
    }

    /// Plans `event` for `at`, or for now when `at` has passed.
    pub fn at(&mut self, at: Stamp, event: E) {
        assert!(self.heap.len() < PLANNED_MAX, "the scene plans more than {PLANNED_MAX} events at one time");
        self.sequence += 1;
        self.heap.push(Reverse(Planned { at: at.max(self.now), sequence: self.sequence, event }));
    }

    /// Plans `event` for `wait` from now.
    pub fn after(&mut self, wait: Span, event: E) {
        self.at(self.now + wait, event);
    }

    /// Lets things happen up to and including `until`, or to the first violation.
    pub fn run<S: Scene<Event = E>>(&mut self, scene: &mut S, until: Stamp) -> Result<(), Violation> {
        let mut next_full = self.now + CHECK_EVERY;
        while self.heap.peek().is_some_and(|Reverse(next)| next.at <= until) {
            let Some(Reverse(next)) = self.heap.pop() else { break };
            while next.at > next_full {
                scene.check(next_full, Depth::Full)?;
                next_full = next_full + CHECK_EVERY;
            }
            self.now = next.at;
            self.trace.event(next.at, &next.event);
            scene.handle(self, next.event);
            if self.trace.events().is_multiple_of(CHECK_EVERY_EVENTS) {
                scene.check(self.now, Depth::Cheap)?;
            }
        }
        self.now = until.max(self.now);
        scene.check(self.now, Depth::Full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Sink;

    struct Tick(u32);
    impl Record for Tick {
        fn record(&self, sink: &mut Sink<'_>) {
            sink.u32(self.0);
        }
    }
    #[derive(Default)]
    struct Log {
        seen: Vec<(u64, u32)>,
        full: u32,
    }
    impl Scene for Log {
        type Event = Tick;
        fn handle(&mut self, world: &mut World<Tick>, event: Tick) {
            self.seen.push((world.now().as_ms(), event.0));
            if event.0 == 9 {
                world.at(Stamp(0), Tick(10));
            }
        }
        fn check(&mut self, _: Stamp, depth: Depth) -> Result<(), Violation> {
            self.full += u32::from(depth == Depth::Full);
            Ok(())
        }
    }

    #[test]
    fn order_is_time_then_plan_and_time_never_goes_back() {
        let (mut world, mut log) = (World::new(Stamp(0)), Log::default());
        world.at(Stamp(50), Tick(9));
        world.at(Stamp(20), Tick(1));
        world.at(Stamp(20), Tick(2));
        world.at(Stamp(9_999_999_999), Tick(3));
        world.run(&mut log, Stamp(100)).unwrap();
        assert_eq!(log.seen, [(20, 1), (20, 2), (50, 9), (50, 10)], "(A), (B)");
        assert_eq!((log.full, world.now()), (1, Stamp(100)), "(D), (C)");
    }

    #[test]
    fn hours_without_events_are_checked_too() {
        let (mut world, mut log) = (World::new(Stamp(0)), Log::default());
        world.at(Stamp::EPOCH + Span::hours(5), Tick(1));
        world.run(&mut log, Stamp::EPOCH + Span::hours(5)).unwrap();
        assert_eq!(log.full, 5, "hours 1 to 4 before the event, and the end");
    }
}
