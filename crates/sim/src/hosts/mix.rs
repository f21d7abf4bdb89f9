//! Mixes of host models, and the layers on top of all of them: absences, outages, a bad release.

use super::{HostModel, MODELS, Session, Sessions, model, without};
use crate::seed::{Draw, Seed};
use model::{Span, Stamp};

/// A named mix: how many percent of which model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// `public`, `homes`, or the name of one model.
    pub name: &'static str,
    parts: &'static [(&'static str, u64)],
    /// Percent of hosts in UTC+8; the rest lie in any zone.
    one_zone_percent: u64,
}

const PUBLIC: Mix =
    Mix { name: "public", parts: &[("seti", 45), ("skype", 25), ("office", 20), ("overnet", 10)], one_zone_percent: 0 };
const HOMES: Mix = Mix {
    name: "homes",
    parts: &[("steward", 15), ("evening", 45), ("weekday", 20), ("flaky", 20)],
    one_zone_percent: 70,
};

impl Mix {
    /// Both mixes.
    pub const ALL: [Self; 2] = [PUBLIC, HOMES];

    /// The mix called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.name == name)
    }

    /// The model of host `index`.
    pub fn model_of(&self, seed: Seed, index: u32) -> &'static HostModel {
        let mut left = seed.nth("mix", u64::from(index)).below(100);
        for (name, percent) in self.parts {
            if left < *percent {
                return model(name).expect("a mix names models of the table, see the test");
            }
            left -= percent;
        }
        &MODELS[0]
    }

    /// How far east of UTC host `index` lives, in whole hours.
    pub fn zone_of(&self, seed: Seed, index: u32) -> Span {
        let mut rng = seed.nth("zone", u64::from(index));
        Span::hours(if rng.below(100) < self.one_zone_percent { 8 } else { rng.below(24) })
    }

    /// When host `index` is on between `start` and `end`: its model, its life and the layers. In order, apart.
    pub fn sessions(&self, seed: Seed, index: u32, span: Session, layers: &Layers) -> Vec<Session> {
        let model = self.model_of(seed, index);
        let life = model.life.draw(&mut seed.nth("life", u64::from(index)));
        let end = if layers.deaths { span.end.min(span.start + life) } else { span.end };
        let zone = self.zone_of(seed, index);
        let mut sessions: Vec<Session> = Vec::new();
        for next in Sessions::new(model, seed, index, zone, span.start, end) {
            match sessions.last_mut() {
                Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
                _ => sessions.push(next),
            }
        }
        let cuts: Vec<Session> = outages(seed, index, span, layers).into_iter().map(|o| o.span).collect();
        let mut kept = without(sessions, &[Session { start: Stamp::EPOCH, end: span.start }]);
        kept = without(kept, &cuts);
        kept
    }
}

/// Which layers lie over the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// Hosts leave for ever at the end of their lives.
    pub deaths: bool,
    /// Absences of 5–20 d for 3 % of hosts a month.
    pub absences: bool,
    /// Provider outage: 0.5 % of hosts for 1–12 h a month.
    pub provider: bool,
    /// Region power: one of 20 regions for 6 h a year each.
    pub region: bool,
    /// Bad release: 10 % of hosts in a crash loop for 24 h (assumed) once a year.
    pub release: bool,
}

/// No layer at all.
pub const LAYERS_CALM: Layers =
    Layers { deaths: false, absences: false, provider: false, region: false, release: false };

impl Default for Layers {
    /// All of them.
    fn default() -> Self {
        Self { deaths: true, absences: true, provider: true, region: true, release: true }
    }
}

/// A time off that a layer forces, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// `absence`, `provider`, `region` or `release`.
    pub why: &'static str,
    /// From, to.
    pub span: Session,
}

const MONTH_D: u64 = 30;
const YEAR_D: u64 = 365;
/// Regions a power cut takes as one; each host lies in one.
const REGIONS: u64 = 20;

/// The forced outages of host `index` between `span.start` and `span.end`, by layer and time.
pub fn outages(seed: Seed, index: u32, span: Session, layers: &Layers) -> Vec<Outage> {
    let mut found = Vec::new();
    let host = u64::from(index);
    let periods = |days: u64| span.end.since(span.start).as_ms().div_ceil(Span::days(days).as_ms());
    let mut add = |why, start: Stamp, length: Span| {
        found.push(Outage { why, span: Session { start, end: start + length } });
    };
    let mut own = seed.nth("outages", host);
    for month in 0..periods(MONTH_D) {
        let from = span.start + Span::days(month * MONTH_D);
        // Drawn whether the layer is on or not, so that a layer switched off shifts no other.
        let (absent, at, days) = (own.chance(0.03), own.below(MONTH_D * 24), own.between(5, 20));
        if layers.absences && absent {
            add("absence", from + Span::hours(at), Span::days(days));
        }
        let mut shared = seed.nth("provider", month);
        let (at, hours) = (shared.below(MONTH_D * 24), shared.between(1, 12));
        if own.chance(0.005) && layers.provider {
            add("provider", from + Span::hours(at), Span::hours(hours));
        }
    }
    let region = seed.nth("region", host).below(REGIONS);
    for year in 0..periods(YEAR_D) {
        let from = span.start + Span::days(year * YEAR_D);
        let power_at = seed.nth("power", year * REGIONS + region).below(YEAR_D * 24);
        let release_at = seed.nth("release", year).below(YEAR_D * 24);
        if layers.region {
            add("region", from + Span::hours(power_at), Span::hours(6));
        }
        if own.chance(0.10) && layers.release {
            add("release", from + Span::hours(release_at), Span::hours(24));
        }
    }
    found
}
