//! What the loop shows to everybody else in the agent.

use model::{NodeState, PauseReason, Ppm, Stamp};
use rules::fleet::lend::{LendPolicy, Offer};
use rules::fleet::owner::{Allowance, Readings};

/// What the machine does for others, what it may do, and why not more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerView {
    /// What it does.
    pub state: NodeState,
    /// Why not more.
    pub reason: PauseReason,
    /// The thing behind the reason where there is one: a program's name, a share of pressure; else empty.
    pub detail: String,
    /// Since when it is in this state.
    pub since: Stamp,
    /// Until when the owner's pause lasts, where it has an end.
    pub paused_until: Option<Stamp>,
    /// What may be done for others at this instant.
    pub allowance: Allowance,
    /// Name of the lending profile in force.
    pub profile: String,
    /// The file in force.
    pub policy: LendPolicy,
    /// What that file comes to on this machine, for `lend show`.
    pub summary: Offer,
    /// Which sensors give a signal, by name.
    pub sensors: Vec<(String, bool)>,
    /// Why the owner's file is not in force, when it does not hold; the last good one is.
    pub lend_error: Option<String>,
    /// Keys of the file that mean nothing; the rest of it is in force.
    pub lend_warnings: Vec<String>,
    /// Last park after input: from the input to all guests stopped.
    pub last_park_ms: Option<u64>,
}

/// The thing behind a reason.
pub(super) fn detail(reason: PauseReason, readings: &Readings, policy: &LendPolicy) -> String {
    match reason {
        PauseReason::App => {
            let listed = |app: &&String| policy.pause_for.iter().any(|name| name.eq_ignore_ascii_case(app));
            readings.apps.iter().find(listed).cloned().unwrap_or_default()
        }
        PauseReason::Pressure => pressure(readings),
        PauseReason::Thermal => readings.thermal.to_string(),
        _ => String::new(),
    }
}

/// The largest of what presses.
fn pressure(readings: &Readings) -> String {
    let of = [
        ("cpu", readings.cpu_other.max(readings.psi_cpu_some)),
        ("io", readings.psi_io_full),
        ("memory", readings.psi_memory_some.max(readings.psi_memory_full)),
    ];
    let most = of.into_iter().max_by_key(|(_, share)| *share);
    most.filter(|(_, share)| *share > Ppm(0)).map_or_else(String::new, |(name, share)| format!("{name} {share}"))
}
