//! The network between hosts: when does a message arrive, and how often?
//!
//! A message is lost, doubled, delayed (which reorders) or cut off by a partition. Nothing else happens to it here:
//! bytes are authenticated in the real transport, so the fabric does not damage contents.

use crate::seed::Draw;
use model::{Span, Stamp};
use std::collections::BTreeMap;

/// A place messages go to and come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The center.
    Center,
    /// Host `n`.
    Host(u32),
}

/// How the network behaves; `default` is a calm one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weather {
    /// One way, at least.
    pub latency_min: Span,
    /// One way, mostly at most.
    pub latency_max: Span,
    /// Share of messages lost, 0–0.3.
    pub loss: f64,
    /// Share of messages that arrive twice, 0–0.5.
    pub double: f64,
    /// Share of messages held back for up to [`Self::delay_max`].
    pub delay: f64,
    /// Longest a message is held back.
    pub delay_max: Span,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            latency_min: Span::ms(5),
            latency_max: Span::ms(150),
            loss: 0.0,
            double: 0.0,
            delay: 0.0,
            delay_max: Span::ZERO,
        }
    }
}

/// The network.
#[derive(Debug, Clone, Default)]
pub struct Fabric {
    weather: Weather,
    /// Until when nothing passes from the first place to the second. One-way cuts are one entry.
    cuts: BTreeMap<(Place, Place), Stamp>,
    lost: u64,
    doubled: u64,
}

impl Fabric {
    /// A network with this weather and no cuts.
    pub fn new(weather: Weather) -> Self {
        Self { weather, ..Self::default() }
    }

    /// Cuts one direction until `until`; a longer cut that is there stays.
    pub fn cut(&mut self, from: Place, to: Place, until: Stamp) {
        let end = self.cuts.entry((from, to)).or_insert(until);
        *end = until.max(*end);
    }

    /// Does nothing pass in this direction at `now`?
    pub fn is_cut(&self, now: Stamp, from: Place, to: Place) -> bool {
        self.cuts.get(&(from, to)).is_some_and(|until| now < *until)
    }

    /// When a message sent at `now` arrives: no, one or two times.
    pub fn send(&mut self, now: Stamp, from: Place, to: Place, rng: &mut impl Draw) -> [Option<Stamp>; 2] {
        let w = self.weather;
        if self.is_cut(now, from, to) || (w.loss > 0.0 && rng.chance(w.loss)) {
            self.lost += 1;
            return [None, None];
        }
        let first = now + self.trip(rng);
        let second = (w.double > 0.0 && rng.chance(w.double)).then(|| now + self.trip(rng));
        self.doubled += u64::from(second.is_some());
        [Some(first), second]
    }

    fn trip(&self, rng: &mut impl Draw) -> Span {
        let w = self.weather;
        let base = Span(rng.between(w.latency_min.as_ms(), w.latency_max.as_ms()));
        if w.delay > 0.0 && rng.chance(w.delay) { base + Span(rng.below(w.delay_max.as_ms())) } else { base }
    }

    /// Messages that never arrived, cuts included.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Messages that arrived twice.
    pub fn doubled(&self) -> u64 {
        self.doubled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn a_one_way_cut_stops_one_way_until_its_end() {
        let (mut fabric, mut rng) = (Fabric::default(), Seed(1).named("t"));
        let (a, b) = (Place::Host(1), Place::Center);
        fabric.cut(a, b, Stamp(100));
        fabric.cut(a, b, Stamp(50));
        assert_eq!(fabric.send(Stamp(99), a, b, &mut rng), [None, None]);
        assert!(fabric.send(Stamp(99), b, a, &mut rng)[0].is_some());
        assert!(fabric.send(Stamp(100), a, b, &mut rng)[0].is_some());
    }

    #[test]
    fn shares_are_those_asked_for() {
        let weather = Weather { loss: 0.3, double: 0.5, delay: 0.1, delay_max: Span::hours(24), ..Weather::default() };
        let (mut fabric, mut rng) = (Fabric::new(weather), Seed(2).named("t"));
        let mut late = 0;
        for _ in 0..20_000 {
            let [first, _] = fabric.send(Stamp(0), Place::Center, Place::Host(0), &mut rng);
            late += u32::from(first.is_some_and(|at| at > Stamp(1_000)));
        }
        assert!((5_700..6_300).contains(&fabric.lost()), "{}", fabric.lost());
        assert!((6_700..7_300).contains(&fabric.doubled()), "{}", fabric.doubled());
        assert!((1_250..1_550).contains(&late), "{late}");
    }
}
