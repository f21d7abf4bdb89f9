//! What a check finds, and what a run found out.

use crate::seed::Seed;
use model::Stamp;

/// An invariant that did not hold. One is enough to fail a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule} broken at {at}: {what}")]
pub struct Violation {
    /// Name of the invariant, e.g. `never_missing_before_tau`.
    pub rule: &'static str,
    /// Virtual time.
    pub at: Stamp,
    /// Who and by how much.
    pub what: String,
}

/// One figure of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its id, stable: pages and graphs name it.
    pub id: &'static str,
    /// Its value.
    pub value: f64,
    /// Its unit; `1` for a count.
    pub unit: &'static str,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Scenario.
    pub scenario: &'static str,
    /// Seed.
    pub seed: Seed,
    /// Its size.
    pub nodes: u32,
    /// Its length.
    pub days: u32,
    /// Its mix of hosts.
    pub mix: &'static str,
    /// Trace hash in hex: the same for the same seed, scenario, size and commit.
    pub hash: String,
    /// Events handled.
    pub events: u64,
    /// Names of the faults that were switched on.
    pub faults: Vec<&'static str>,
    /// Figures in the order of the table.
    pub figures: Vec<Figure>,
    /// The first invariant that did not hold.
    pub violation: Option<Violation>,
}

impl Outcome {
    /// The figure with this id.
    pub fn figure(&self, id: &str) -> Option<f64> {
        self.figures.iter().find(|f| f.id == id).map(|f| f.value)
    }

    /// The one line with which this run is done again.
    pub fn replay_line(&self) -> String {
        let Self { scenario, seed, nodes, days, mix, .. } = self;
        format!("sim replay --scenario {scenario} --seed {} --nodes {nodes} --days {days} --mix {mix}", seed.0)
    }
}
