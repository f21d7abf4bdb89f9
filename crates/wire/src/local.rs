//! The control socket between a person's command and the agent on the same machine: one JSON object a line each way.
//! The socket is the owner's (mode 0600); whoever can open it is the owner.

use model::{Bytes, Kbps, LinkKind, NodeState, PauseReason, Ppm, Span, Stamp};
use serde::{Deserialize, Serialize};

/// What a command asks of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum LocalAsk {
    /// Is it lending, and if not, why?
    Status,
    /// Lend.
    Up,
    /// Lend nothing until `up`.
    Down,
    /// Pause.
    Pause {
        /// Until when.
        until: PauseUntil,
    },
    /// End a pause.
    Resume,
    /// Finish what runs, take nothing new, then pause.
    Finish,
    /// The owner's file was changed: read it now.
    Reload,
    /// End the agent.
    Stop,
    /// Carry a request to the center over the agent's own connection.
    Center {
        /// Bytes of the envelope in base32.
        envelope: String,
    },
    /// Scripted sensor input, accepted only by an agent started with one.
    Script {
        /// What the script says, e.g. `input`.
        event: String,
    },
}

/// How long a pause lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseUntil {
    /// Until `resume`.
    Resume,
    /// For so long.
    For(Span),
    /// Until the machine is idle.
    Idle,
    /// Until the next local midnight.
    Tomorrow,
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum LocalAnswer {
    /// Done; the state that follows.
    Done {
        /// State.
        state: NodeState,
        /// Why not more.
        reason: PauseReason,
    },
    /// How it is.
    Status(Box<LocalStatus>),
    /// What the center answered.
    Center {
        /// Bytes of the reply in base32.
        reply: String,
    },
    /// No.
    Refused {
        /// Registered id.
        id: u16,
        /// Variables of its text.
        args: std::collections::BTreeMap<String, String>,
    },
}

/// How the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalStatus {
    /// Process number.
    pub pid: u32,
    /// Since when it runs.
    pub started: Stamp,
    /// What it does.
    pub state: NodeState,
    /// Why not more.
    pub reason: PauseReason,
    /// Since when.
    pub since: Stamp,
    /// Which thing caused it, e.g. the program's name.
    pub detail: String,
    /// Name of the machine.
    pub name: String,
    /// Cloud's name.
    pub cloud: String,
    /// Profile in force.
    pub profile: String,
    /// Cores allowed now, thousandths.
    pub cores_milli: u32,
    /// Memory allowed now in MiB.
    pub memory_mib: u32,
    /// Disk lent.
    pub disk: Bytes,
    /// Disk used by pieces.
    pub disk_used: Bytes,
    /// Pieces held.
    pub pieces: u64,
    /// Upload allowed now.
    pub up: Kbps,
    /// Download allowed now.
    pub down: Kbps,
    /// Sent and received since the agent started.
    pub moved: (Bytes, Bytes),
    /// How the center is reached; none when it is not.
    pub center: Option<LinkKind>,
    /// Last answered check-in.
    pub last_check_in: Option<Stamp>,
    /// Quarantined by the center.
    pub quarantined: bool,
    /// Another process uses this machine's key.
    pub duplicate: bool,
    /// Slots on their way to others, and those for which nobody was found; none where nothing is handed over.
    pub handing: Option<(u32, u32)>,
    /// Score of its honesty, as the center said last.
    pub integrity: Option<Ppm>,
    /// The center shows another book than the one whose root of this day was seen.
    pub ledger_forked: Option<u32>,
    /// The 6 h window whose receipts were handed in last, or the newest one that was refused.
    pub settled_window: Option<u32>,
    /// Why it was refused.
    pub settle_refused: Option<String>,
    /// Which sensors give a signal, and which do not.
    pub sensors: Vec<(String, bool)>,
    /// Why the owner's file is not in force, when it does not parse.
    pub lend_error: Option<String>,
    /// Last park: from input to all guests stopped.
    pub last_park_ms: Option<u64>,
}
