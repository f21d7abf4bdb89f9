//! The scenarios. Each drives real rules and names the invariants it checks.

pub mod admission;
pub mod audit;
pub mod compute;
pub mod durability;
pub mod economy;
pub mod fleet;
pub mod hidden;
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
    Scenario {
        name: "durability",
        about: "years of churn against placement, repair and surge: no segment is lost or unreadable",
        run: |size, seed| {
            let setup = durability::Setup::new(size.nodes, size.days, seed);
            durability::run(&durability::Setup { hosts: durability::Hosts::Mix(size.mix), ..setup })
        },
    },
    Scenario {
        name: "economy",
        about: "years of mutual credit under the real ledger: who is short, what is served, what is never paid",
        run: |size, seed| economy::run(&economy::Setup::new(size.nodes, size.days, seed)),
    },
    Scenario {
        name: "audit",
        about: "nodes that dropped pieces without a word are found in days, honest ones never",
        run: |size, seed| audit::run(size.nodes, size.mix, seed),
    },
    Scenario {
        name: "hidden",
        about: "one owner behind many names: what it gets of a group, and what its going takes",
        run: |size, seed| hidden::run(size.nodes, 100, hidden::Stage::Vetted, seed),
    },
];

/// The scenario called `name`.
pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|s| s.name == name)
}
