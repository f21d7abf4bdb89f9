//! The swarm: the seed switches each fault off with probability ½, so that rare ones are also seen alone.

use crate::fabric::Weather;
use crate::seed::{Draw, Seed};
use model::Span;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident => $word:literal),+ $(,)?) => {
        /// A fault that a run may have (ranges: `docs/design/testing.md` §4.2).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($(#[$doc])* $name),+ }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// Its name in reports.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }
        }
    };
}

faults!(
    /// 0–30 % of messages are lost.
    Loss => "loss",
    /// 0–50 % of messages arrive twice.
    Double => "double",
    /// Up to 1 % of messages are held back up to 24 h.
    Delay => "delay",
    /// Hosts are cut from the center for 30 s–24 h, one way or both.
    Partition => "partition",
    /// The center crashes and is back within 5 min, about every other day.
    Crash => "crash",
    /// The center is down once for 12–96 h: longer than the shortest τ.
    LongCrash => "long_crash",
    /// 30–70 % of the hosts go at one instant and come back together within 48 h.
    Storm => "storm",
    /// Clocks of hosts are wrong by up to ± 10 years.
    Clock => "clock",
    /// A second machine runs with a host's key.
    TwoBoots => "two_boots",
);

/// Which faults this seed has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swarm(Vec<Fault>);

impl Swarm {
    /// Those of `possible` that this seed leaves on.
    pub fn of(seed: Seed, possible: &[Fault]) -> Self {
        let on = |f: &&Fault| seed.named(f.word()).chance(0.5);
        Self(possible.iter().filter(on).copied().collect())
    }

    /// Exactly these.
    pub fn exactly(faults: &[Fault]) -> Self {
        Self(faults.to_vec())
    }

    /// Is it on?
    pub fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// Their names.
    pub fn words(&self) -> Vec<&'static str> {
        self.0.iter().map(|f| f.word()).collect()
    }

    /// The network under these faults, its shares drawn from the seed.
    pub fn weather(&self, seed: Seed) -> Weather {
        let mut rng = seed.named("weather");
        let mut share = |fault, max: f64| {
            let drawn = rng.unit() * max;
            if self.has(fault) { drawn } else { 0.0 }
        };
        Weather {
            loss: share(Fault::Loss, 0.3),
            double: share(Fault::Double, 0.5),
            delay: share(Fault::Delay, 0.01),
            delay_max: Span::hours(24),
            ..Weather::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_on_in_about_half_of_the_seeds_and_sometimes_alone() {
        let swarms: Vec<Swarm> = (0..2_000).map(|n| Swarm::of(Seed(n), Fault::ALL)).collect();
        for fault in Fault::ALL {
            let on = swarms.iter().filter(|s| s.has(*fault)).count();
            assert!((850..1_150).contains(&on), "{} in {on}", fault.word());
        }
        assert!(swarms.iter().any(|s| s.words().len() == 1));
        assert!(swarms.iter().any(|s| s.words().is_empty()));
    }
}
