//! The scenarios. Each drives real rules and names the invariants it checks.

pub mod admission;
pub mod fleet;
pub mod watch;

use crate::check::Outcome;
use crate::hosts::Mix;
use crate::seed::Seed;
use fleet::{Mutant, Setup};

/// Size of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Nodes, or joining machines.
    pub nodes: u32,
    /// Virtual days.
    pub days: u32,
    /// Mix of hosts.
    pub mix: Mix,
}

/// A scenario by name.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line and in `regressions.txt`.
    pub name: &'static str,
    /// What it shows, one line.
    pub about: &'static str,
    /// Runs it.
    pub run: fn(Size, Seed) -> Outcome,
}

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "presence",
        about: "churn, crashes of the center and storms: nobody is called missing before its own τ has passed",
        run: |size, seed| fleet::run(&Setup::presence(size, seed, Mutant::None)),
    },
    Scenario {
        name: "flapping",
        about: "check-ins doubled, late and reordered, clocks ± 10 years, two machines with one key: order is unharmed",
        run: |size, seed| fleet::run_flapping(size, seed),
    },
    Scenario {
        name: "admission",
        about: "tickets used twice, expired and lost answers, crashes between decision and commit: no use counts twice",
        run: admission::run,
    },
];

/// The scenario called `name`.
pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|s| s.name == name)
}
