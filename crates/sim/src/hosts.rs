//! When hosts are on: laws of sessions and gaps, weekly windows, lives, and layers on top.
//!
//! Sources: `docs/design/fleet.md` §12 and `docs/design/testing.md` §4.4 (fits of public traces of 1999–2009). Lengths
//! are hours. A host's times are drawn from a stream of its own: a host more shifts no other.

use crate::seed::{Draw, Seed, Stream};
use model::{Span, Stamp};

mod mix;
pub use mix::{LAYERS_CALM, Layers, Mix, Outage, outages};

const HOUR_MS: f64 = 3_600_000.0;
/// Shortest session or gap that is simulated.
const LEAST: Span = Span::secs(1);
/// Off-times are cut here where a law says so.
pub const GAP_MAX_H: f64 = 168.0;

/// A law of lengths in hours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law {
    /// Weibull (shape, scale).
    Weibull(f64, f64),
    /// Log-normal (μ, σ of ln).
    LogNormal(f64, f64),
    /// Log-normal (μ, σ of ln), longer draws cut to the third.
    LogNormalCut(f64, f64, f64),
    /// For ever.
    Always,
}

impl Law {
    /// One length.
    pub fn draw(self, rng: &mut impl Draw) -> Span {
        match self {
            Self::Weibull(shape, scale) => hours(rng.weibull(shape, scale)),
            Self::LogNormal(mu, sigma) => hours((mu + sigma * rng.normal()).exp()),
            Self::LogNormalCut(mu, sigma, cut) => hours((mu + sigma * rng.normal()).exp().min(cut)),
            Self::Always => Span::days(100_000),
        }
    }
}

fn hours(h: f64) -> Span {
    Span((h * HOUR_MS) as u64).max(LEAST)
}

/// When a host is on, before layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rhythm {
    /// Sessions and gaps by law.
    Renewal {
        /// Length of a session.
        on: Law,
        /// Length of a gap.
        off: Law,
    },
    /// On in a daily window of local time, its edges moved by up to an hour or two each day.
    Daily {
        /// First hour, local.
        from_h: u64,
        /// Last hour, local.
        to_h: u64,
        /// Each edge is moved by at most this, in minutes.
        jitter_min: u64,
        /// Mondays to Fridays only.
        weekdays: bool,
    },
}

/// A named model of one kind of host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostModel {
    /// Its name in files and reports.
    pub name: &'static str,
    /// When it is on.
    pub rhythm: Rhythm,
    /// How long it stays in the cloud.
    pub life: Law,
    /// Share of time on in the long run, as published or stated; the tests hold the model to it.
    pub long_run_on: f64,
}

const fn renewal(name: &'static str, on: Law, off: Law, long_run_on: f64) -> HostModel {
    HostModel { name, rhythm: Rhythm::Renewal { on, off }, life: Law::Weibull(0.58, 135.0 * 24.0), long_run_on }
}

/// Every model, by name.
pub const MODELS: &[HostModel] = &[
    renewal("seti", Law::Weibull(0.393, 2.964), Law::LogNormalCut(-0.586, 2.844, GAP_MAX_H), 0.50),
    renewal("seti_raw", Law::Weibull(0.393, 2.964), Law::LogNormal(-0.586, 2.844), 0.25),
    renewal("skype", Law::Weibull(0.64, 10.86), Law::Weibull(0.63, 9.48), 0.53),
    renewal("office", Law::Weibull(0.55, 35.30), Law::Weibull(0.60, 9.34), 0.81),
    renewal("campus", Law::Weibull(0.45, 4.16), Law::Weibull(0.51, 0.74), 0.88),
    renewal("overnet", Law::Weibull(0.85, 2.04), Law::Weibull(0.44, 2.98), 0.22),
    renewal("planetlab", Law::Weibull(0.33, 19.35), Law::Weibull(0.36, 5.59), 0.83),
    renewal("dns", Law::Weibull(0.51, 79.30), Law::Weibull(0.63, 5.62), 0.95),
    HostModel {
        name: "steward",
        rhythm: Rhythm::Renewal { on: Law::Always, off: Law::Weibull(1.0, 1.0) },
        life: Law::Weibull(1.0, 540.0 * 24.0),
        long_run_on: 1.0,
    },
    HostModel {
        name: "evening",
        rhythm: Rhythm::Daily { from_h: 18, to_h: 24, jitter_min: 120, weekdays: false },
        life: Law::Weibull(1.0, 180.0 * 24.0),
        long_run_on: 0.25,
    },
    HostModel {
        name: "weekday",
        rhythm: Rhythm::Daily { from_h: 9, to_h: 18, jitter_min: 30, weekdays: true },
        life: Law::Weibull(1.0, 365.0 * 24.0),
        long_run_on: 9.0 * 5.0 / 168.0,
    },
    HostModel {
        name: "flaky",
        rhythm: Rhythm::Renewal { on: Law::Weibull(0.6, 3.0), off: Law::Weibull(0.6, 7.0) },
        life: Law::Weibull(1.0, 60.0 * 24.0),
        long_run_on: 0.30,
    },
];

/// The model called `name`.
pub fn model(name: &str) -> Option<&'static HostModel> {
    MODELS.iter().find(|m| m.name == name)
}

/// A time on, from `start` up to but not including `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// First moment on.
    pub start: Stamp,
    /// First moment off.
    pub end: Stamp,
}

/// The sessions of one host from `start` to `horizon`, one by one, in order and apart.
pub struct Sessions {
    rhythm: Rhythm,
    rng: Stream,
    at: Stamp,
    horizon: Stamp,
    zone: Span,
    on_first: bool,
}

impl Sessions {
    /// Those of host `index` in a time zone `zone` east of UTC. It begins on with probability `long_run_on`; the first
    /// session or gap is drawn whole, not by its rest: the first days of a run are not the long run.
    pub fn new(model: &HostModel, seed: Seed, index: u32, zone: Span, start: Stamp, horizon: Stamp) -> Self {
        let mut rng = seed.nth("sessions", u64::from(index));
        let on_first = rng.chance(model.long_run_on);
        Self { rhythm: model.rhythm, rng, at: start, horizon, zone, on_first }
    }

    fn next_daily(&mut self, from_h: u64, to_h: u64, jitter_min: u64, weekdays: bool) -> Session {
        loop {
            let local = self.at + self.zone;
            let midnight = local - Span(local.as_ms() % Span::days(1).as_ms());
            let edge = |hour: u64, rng: &mut Stream| {
                let moved = midnight + Span::hours(hour + 24) + Span::mins(rng.below(2 * jitter_min + 1));
                moved - Span::hours(24) - Span::mins(jitter_min) - self.zone
            };
            let (start, end) = (edge(from_h, &mut self.rng), edge(to_h, &mut self.rng));
            // A minute into the next local day.
            self.at = midnight + Span::days(1) + Span::mins(1) - self.zone;
            let works = !weekdays || midnight.hour_of_week().day() < 5;
            if works && end > start {
                return Session { start, end };
            }
        }
    }
}

impl Iterator for Sessions {
    type Item = Session;

    fn next(&mut self) -> Option<Session> {
        if self.at >= self.horizon {
            return None;
        }
        let session = match self.rhythm {
            Rhythm::Renewal { on, off } => {
                if !std::mem::take(&mut self.on_first) {
                    self.at = self.at + off.draw(&mut self.rng);
                }
                let start = self.at;
                self.at = start + on.draw(&mut self.rng);
                Session { start, end: self.at }
            }
            Rhythm::Daily { from_h, to_h, jitter_min, weekdays } => self.next_daily(from_h, to_h, jitter_min, weekdays),
        };
        (session.start < self.horizon).then_some(Session { end: session.end.min(self.horizon), ..session })
    }
}

/// `sessions` without what lies in `outages`; both in order.
pub fn without(sessions: Vec<Session>, outages: &[Session]) -> Vec<Session> {
    let mut left = sessions;
    for cut in outages {
        left = left
            .into_iter()
            .flat_map(|s| {
                let before = Session { start: s.start, end: s.end.min(cut.start) };
                let after = Session { start: s.start.max(cut.end), end: s.end };
                [before, after]
            })
            .filter(|s| s.start < s.end)
            .collect();
    }
    left
}

#[cfg(test)]
mod tests;
