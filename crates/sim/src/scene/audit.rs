//! How soon is a node found that dropped pieces without a word, and is an honest one ever blamed?
//!
//! The rules decide: which slices are asked for and when (`rules::storage::audit`), when silence is asked again and what is a bad
//! sample (`rules::fleet::integrity`). Found is a node at its first bad sample.
//!
//! (A) An honest node is flagged only by four unanswered challenges in a row. (B) Time is the node's own time on; the calendar's beside it
//! comes from the mix.

use super::fleet::START;
use crate::check::{Figure, Outcome};
use crate::hosts::{LAYERS_CALM, Mix, Session};
use crate::seed::{Draw, Seed, Stream};
use crate::trace::{Record, Sink, Trace};
use model::{Span, Stamp};
use rules::fleet::integrity::{Act, Event, Integrity, judge};
use rules::storage::audit::{Due, EVERY, challenge};

/// Pieces a node holds …
const PIECES: usize = 5_000;
/// … of so many groups of 16 KiB each.
const GROUPS: u32 = 128;
/// A node is looked at so often, in its time on.
const LOOK: Span = Span::mins(1);
/// Time on after which nobody waits for a finding any more.
const LONGEST: Span = Span::days(60);
/// Share of challenges that an honest node leaves unanswered while it is on: a line that fails, a disk that sleeps (**assumed**).
const HONEST_SILENCE: f64 = 0.02;
/// Days of time on for which honest nodes are watched.
const HONEST_DAYS: u64 = 30;

/// What a node does with a challenge it cannot meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Answers without the slice, or with another one: that proves it.
    Answers,
    /// Keeps silent, as if its line had failed.
    Silent,
}

/// A node that is audited. Time is its own time on.
struct Audited {
    draw: Stream,
    groups: Vec<u32>,
    /// The first so many of its pieces are gone.
    dropped: usize,
    due: Due,
    held: Integrity,
    /// A challenge it did not answer: how often it was asked again, and when it is next.
    again: Option<(u8, Stamp)>,
}

impl Audited {
    fn new(mut draw: Stream, dropped: usize) -> Self {
        let due = Due::first(EVERY, &mut draw);
        Self { draw, groups: vec![GROUPS; PIECES], dropped, due, held: Integrity::default(), again: None }
    }

    /// How often the node was asked again, when it is asked at this look.
    fn is_asked(&mut self, now: Stamp) -> Option<u8> {
        match self.again {
            Some((_, at)) if at > now => None,
            Some((asked_again, _)) => Some(asked_again),
            None => self.due.pass(LOOK).then_some(0),
        }
    }

    /// It did not answer: asked again, or a bad sample.
    fn is_silent(&mut self, now: Stamp, asked_again: u8) -> Vec<Act> {
        let (held, acts) = judge(self.held, now, Event::NoAnswer { asked_again });
        self.held = held;
        self.again = acts.iter().find_map(|act| match act {
            Act::AskAgain(at) => Some((asked_again + 1, *at)),
            _ => None,
        });
        acts
    }

    /// Time on from dropping to the first bad sample.
    fn found_after(mut self, manner: Manner) -> Option<Span> {
        let before = self.held.score;
        for look in 1..=LONGEST.as_ms() / LOOK.as_ms() {
            let passed = Span::ms(look * LOOK.as_ms());
            let now = START + passed;
            let Some(asked_again) = self.is_asked(now) else { continue };
            // Who keeps silent once is asked the same again.
            let hits =
                asked_again > 0 || challenge(&self.groups, &mut self.draw).iter().any(|pick| pick.piece < self.dropped);
            match (hits, manner) {
                (false, _) => {}
                (true, Manner::Answers) => self.held = judge(self.held, now, Event::PieceGone).0,
                (true, Manner::Silent) => drop(self.is_silent(now, asked_again)),
            }
            if self.held.score.value() < before.value() {
                return Some(passed);
            }
            if self.again.is_none() {
                self.due = self.due.next(true, EVERY, &mut self.draw);
            }
        }
        None
    }

    /// Whether an honest node has a bad sample within [`HONEST_DAYS`]. (A)
    fn blames_honest(mut self) -> bool {
        let before = self.held.score;
        for look in 1..=Span::days(HONEST_DAYS).as_ms() / LOOK.as_ms() {
            let now = START + Span::ms(look * LOOK.as_ms());
            let Some(asked_again) = self.is_asked(now) else { continue };
            self.again = None;
            if self.draw.chance(HONEST_SILENCE) {
                self.is_silent(now, asked_again);
            }
            if self.again.is_none() {
                self.due = self.due.next(true, EVERY, &mut self.draw);
            }
        }
        self.held.score.value() < before.value()
    }
}

struct Found(u64, u64);

impl Record for Found {
    fn record(&self, sink: &mut Sink<'_>) {
        sink.u64(self.0);
        sink.u64(self.1);
    }
}

/// Ids of the figures of one case.
struct Case {
    name: &'static str,
    dropped: usize,
    manner: Manner,
    ids: [&'static str; 6],
}

const CASES: [Case; 4] = [
    Case {
        name: "1 %, answers",
        dropped: PIECES / 100,
        manner: Manner::Answers,
        ids: [
            "one_p50_days",
            "one_max_days",
            "one_within_1_day",
            "one_within_8_days",
            "one_within_30_days",
            "one_calendar_p99_days",
        ],
    },
    Case {
        name: "10 %, answers",
        dropped: PIECES / 10,
        manner: Manner::Answers,
        ids: [
            "ten_p50_days",
            "ten_max_days",
            "ten_within_1_day",
            "ten_within_8_days",
            "ten_within_30_days",
            "ten_calendar_p99_days",
        ],
    },
    Case {
        name: "1 %, silent",
        dropped: PIECES / 100,
        manner: Manner::Silent,
        ids: [
            "one_silent_p50_days",
            "one_silent_max_days",
            "one_silent_within_1_day",
            "one_silent_within_8_days",
            "one_silent_within_30_days",
            "one_silent_calendar_p99_days",
        ],
    },
    Case {
        name: "10 %, silent",
        dropped: PIECES / 10,
        manner: Manner::Silent,
        ids: [
            "ten_silent_p50_days",
            "ten_silent_max_days",
            "ten_silent_within_1_day",
            "ten_silent_within_8_days",
            "ten_silent_within_30_days",
            "ten_silent_calendar_p99_days",
        ],
    },
];

/// Each case with `seeds` nodes of the mix.
pub fn run(seeds: u32, mix: Mix, seed: Seed) -> Outcome {
    let (mut trace, mut figures) = (Trace::default(), Vec::new());
    for case in &CASES {
        let mut days = Vec::new();
        let mut calendar = Vec::new();
        for node in 0..seeds {
            let draw = seed.nth(case.name, u64::from(node));
            let found = Audited::new(draw, case.dropped).found_after(case.manner).unwrap_or(LONGEST);
            let by_calendar = calendar_of(found, mix, seed, node);
            trace.event(START, &Found(found.as_ms(), by_calendar.as_ms()));
            days.push(in_days(found));
            calendar.push(in_days(by_calendar));
        }
        figures.extend(case_figures(case, &mut days, &mut calendar));
    }
    let honest = (0..seeds).filter(|node| Audited::new(seed.nth("honest", u64::from(*node)), 0).blames_honest());
    figures.push(Figure { id: "honest_flagged", value: honest.count() as f64, unit: "1" });
    let hash = trace.hash();
    Outcome {
        scenario: "audit",
        seed,
        nodes: seeds,
        days: u32::try_from(LONGEST.as_ms() / Span::days(1).as_ms()).unwrap_or(u32::MAX),
        mix: mix.name,
        hash,
        events: trace.events(),
        faults: Vec::new(),
        figures,
        violation: None,
    }
}

fn in_days(span: Span) -> f64 {
    span.as_ms() as f64 / Span::days(1).as_ms() as f64
}

fn case_figures(case: &Case, days: &mut [f64], calendar: &mut [f64]) -> Vec<Figure> {
    days.sort_by(f64::total_cmp);
    calendar.sort_by(f64::total_cmp);
    let at = |all: &[f64], share: f64| all[((all.len() - 1) as f64 * share).round() as usize];
    let within = |limit: f64| days.iter().filter(|d| **d <= limit).count() as f64 / days.len() as f64;
    let values = [at(days, 0.5), at(days, 1.0), within(1.0), within(8.0), within(30.0), at(calendar, 0.99)];
    let units = ["d", "d", "1", "1", "1", "d"];
    let all = case.ids.into_iter().zip(values).zip(units);
    all.map(|((id, value), unit)| Figure { id, value, unit }).collect()
}

/// (B) When a node of the mix has been on for so long, by the calendar.
fn calendar_of(on: Span, mix: Mix, seed: Seed, node: u32) -> Span {
    let span = Session { start: START, end: START + Span::days(400) };
    let mut left = on;
    for session in mix.sessions(seed, node, span, &LAYERS_CALM) {
        let length = session.end.since(session.start);
        if length >= left {
            return (session.start + left).since(START);
        }
        left = Span(left.as_ms() - length.as_ms());
    }
    span.end.since(Stamp(START.as_ms()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn droppers_are_found_in_days_and_honest_nodes_are_left_in_peace() {
        let mix = Mix::named("homes").unwrap();
        let outcome = run(500, mix, Seed(1));
        let figure = |id| outcome.figure(id).unwrap();
        assert!(figure("one_within_8_days") >= 0.985 && figure("one_within_30_days") >= 1.0);
        assert!(figure("ten_within_1_day") >= 0.99, "{}", figure("ten_within_1_day"));
        assert_eq!(figure("honest_flagged"), 0.0);
        assert!(figure("one_silent_p50_days") > figure("one_p50_days"));
        assert_eq!(outcome.hash, run(500, mix, Seed(1)).hash);
    }
}
