//! How soon is a node found that dropped pieces without a word, and is an honest one ever blamed?
//!
//! A challenge asks for 16 random slices, uniform per byte over what the node should hold; four a day of its own time on; one that is
//! not answered while it is on is asked again up to three times at 6 h (`docs/design/storage.md` §9). These figures stand in
//! `Challenges` until the rule of audits is driven itself.
//!
//! (A) An honest node is flagged only by four unanswered challenges in a row. (B) Time is the node's own time on; the calendar's beside it
//! comes from the mix.

use super::fleet::START;
use crate::check::{Figure, Outcome};
use crate::hosts::{LAYERS_CALM, Mix, Session};
use crate::seed::{Draw, Seed, Stream};
use crate::trace::{Record, Sink, Trace};
use model::{Span, Stamp};
use rules::fleet::integrity::{ASK_AGAIN_AFTER, ASK_AGAIN_MAX};

/// Slices of one challenge.
const PICKS: u32 = 16;
/// Time on between two challenges.
const EVERY: Span = Span::hours(6);
/// Pieces a node holds.
const PIECES: u64 = 5_000;
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

/// The rule of audits, as far as it is driven here.
struct Challenges {
    draw: Stream,
    dropped: u64,
}

impl Challenges {
    /// Whether one challenge asks for something the node dropped.
    fn hits(&mut self) -> bool {
        (0..PICKS).fold(false, |hit, _| (self.draw.below(PIECES) < self.dropped) | hit)
    }

    /// Time on from dropping to being found.
    fn found_after(&mut self, manner: Manner) -> Option<Span> {
        let mut slot = Span::ZERO;
        while slot < LONGEST {
            let at = slot + Span(self.draw.below(EVERY.as_ms()));
            if self.hits() {
                let again = ASK_AGAIN_AFTER.scaled(u64::from(ASK_AGAIN_MAX), 1);
                return Some(if manner == Manner::Silent { at + again } else { at });
            }
            slot = slot + EVERY;
        }
        None
    }

    /// Whether an honest node is flagged within [`HONEST_DAYS`]. (A)
    fn blames_honest(&mut self) -> bool {
        let challenges = Span::days(HONEST_DAYS).as_ms() / EVERY.as_ms();
        (0..challenges).any(|_| (0..=ASK_AGAIN_MAX).all(|_| self.draw.chance(HONEST_SILENCE)))
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
    dropped: u64,
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
            let found = Challenges { draw, dropped: case.dropped }.found_after(case.manner).unwrap_or(LONGEST);
            let by_calendar = calendar_of(found, mix, seed, node);
            trace.event(START, &Found(found.as_ms(), by_calendar.as_ms()));
            days.push(in_days(found));
            calendar.push(in_days(by_calendar));
        }
        figures.extend(case_figures(case, &mut days, &mut calendar));
    }
    let honest =
        (0..seeds).filter(|node| Challenges { draw: seed.nth("honest", u64::from(*node)), dropped: 0 }.blames_honest());
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
