//! The fleet's messages: check-in and its answer, measurements, lists for people (`docs/design/fleet.md` §3).

use crate::addr::PeerAddr;
use model::{
    Alias, Arch, Bytes, Capability, Kbps, MemberId, NatKind, NodeId, NodeState, Os, PauseReason, PgId, Ppm, Presence,
    Region, RegionEvidence, Span, Stamp, Tier, TimeScale,
};
use serde::{Deserialize, Serialize};

/// What a machine is and has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// System family.
    pub os: Os,
    /// Processor family.
    pub arch: Arch,
    /// Logical processors.
    pub cores: u16,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Free space where pieces would go.
    pub disk_free: Bytes,
    /// Version of this program, as major × 10⁶ + minor × 10³ + patch.
    pub program: u32,
    /// Space the owner lends.
    pub lent: Bytes,
    /// What the owner accepts, as bits by [`Capability`] number.
    pub accepts: u32,
}

/// A node's periodic call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckIn {
    /// Random per start of the agent.
    pub boot: u64,
    /// Counts up within a boot.
    pub sequence: u32,
    /// The node's clock; orders nothing, its offset is measured.
    pub now: Stamp,
    /// What it does.
    pub state: NodeState,
    /// Why it does not do more.
    pub reason: PauseReason,
    /// Free now.
    pub free: Free,
    /// Allowed now.
    pub allowed: Allowed,
    /// MiB left this month under the owner's transfer limit; none without one.
    pub transfer_left_mib: Option<u32>,
    /// Leases that are worked on.
    pub leases: Vec<crate::compute::LeaseTold>,
    /// Cursors of placement groups that moved.
    pub cursors: Vec<(u32, u64)>,
    /// Generation of the plan it obeys.
    pub generation: u64,
    /// Waits for work or holds a lease: wants the short period.
    pub busy: bool,
    /// Where it can be reached; sent when it changed, and on the first check-in of a boot.
    pub addr: Option<PeerAddr>,
    /// Space the owner lends now; sent with `addr`, and when it changed.
    pub lent: Option<Bytes>,
    /// What it holds of others.
    pub held: Held,
}

/// Pieces a node holds, by its own count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Held {
    /// Pieces that are served and not in the trash.
    pub pieces: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Pieces in the trash.
    pub trashed: u64,
    /// Their bytes.
    pub trashed_bytes: u64,
    /// Pieces found damaged and not told yet.
    pub damaged: u64,
}

/// Free at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Free {
    /// Thousandths of a core.
    pub cores_milli: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Disk in MiB.
    pub disk_mib: u64,
}

/// Allowed by the owner at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Allowed {
    /// Upload.
    pub up: Kbps,
    /// Download.
    pub down: Kbps,
}

/// The center's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckInReply {
    /// The center's clock.
    pub now: Stamp,
    /// When to call again.
    pub next: Span,
    /// What the center asks this node to do.
    pub plan: Plan,
    /// Leases that are gone.
    pub leases_canceled: Vec<u64>,
    /// Leases that are not known: the node shows their permits.
    pub leases_unknown: Vec<u64>,
    /// Nodes to measure against.
    pub probes: Vec<ProbePeer>,
    /// Permits older than this epoch are refused.
    pub revocation_epoch: u32,
    /// Oldest program version that gets work.
    pub program_floor: u32,
    /// For the owner's eyes, as error or warning numbers.
    pub notices: Vec<u16>,
    /// Score of the node's honesty, so that its owner hears of it before it costs work.
    pub integrity: Ppm,
    /// This boot is not the newest with this key.
    pub duplicate: bool,
    /// Segments lack pieces, and this node was chosen to make them: it asks for the work.
    pub has_steward_work: bool,
    /// Of the groups whose cursors were told: those whose log has drops after them.
    pub moved: Vec<PgId>,
    /// Of a center for tests: by how much it shortens days. A node believes it only where it joined a center for tests.
    pub time_scale: Option<TimeScale>,
    /// The newest day of the book that has a root, and its root.
    pub ledger_root: Option<(u32, [u8; 32])>,
    /// This node was drawn to sign that root, when it follows from all that it saw before.
    pub signs_root: bool,
}

/// What a node shall do: complete, with a generation; an older one is refused by the node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Never backwards.
    pub generation: u64,
    /// No new work.
    pub quarantined: bool,
    /// Asked of the owner's machine; the node takes the smaller of this and its owner's limit, field by field.
    pub ask: Ask,
}

/// What the center would like to have; every field is only ever lowered by the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ask {
    /// Thousandths of a core.
    pub cores_milli: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Disk.
    pub disk: Bytes,
    /// Upload.
    pub up: Kbps,
    /// Download.
    pub down: Kbps,
}

/// The node goes off: which start of the agent says so, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goodbye {
    /// As in check-ins; a newer start is not touched.
    pub boot: u64,
    /// Why.
    pub why: Parting,
}

/// Why a node goes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parting {
    /// The system shuts down.
    Shutdown,
    /// The system sleeps.
    Sleep,
    /// Power or network was unplugged.
    Unplug,
    /// The owner said so.
    Owner,
}

/// A node that can help to measure, with leave to ask it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbePeer {
    /// Where.
    pub addr: PeerAddr,
    /// Its confirmed place, where it is a beacon.
    pub region: Option<Region>,
    /// Permit for a probe of at most [`PROBE_BYTES_MAX`], 224 bytes.
    pub permit: Vec<u8>,
}

/// Bytes one bandwidth probe may move.
pub const PROBE_BYTES_MAX: u64 = 25 << 20;

/// What was measured (`docs/design/fleet.md` §4).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Thousands of loops of the native reference suite a second, all cores; not fuel.
    pub cpu_score: Option<u64>,
    /// 50th and 99th percentile of a 16 KiB write with fsync, in ms.
    pub fsync_ms: Option<(u16, u16)>,
    /// Sequential write in MB/s.
    pub disk_mb_s: Option<u16>,
    /// Upload, measured against another node.
    pub up: Option<Kbps>,
    /// Download, likewise.
    pub down: Option<Kbps>,
    /// Kind of address translation.
    pub nat: Option<NatKind>,
    /// Round trips: to whom, median and 95th percentile minus median in ms.
    pub rtt_ms: Vec<(NodeId, u16, u16)>,
    /// Lost packets.
    pub loss_ppm: Option<u32>,
}

/// Yes or no to one duty, with the measure that says no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilityLine {
    /// Which duty.
    pub capability: Capability,
    /// May carry it.
    pub yes: bool,
    /// Key of the sentence that says why not.
    pub why: Option<String>,
    /// Variables of the sentence.
    pub args: Vec<(String, String)>,
}

/// Which nodes to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeFilter {
    /// Only the caller's own.
    pub mine: bool,
    /// Only those in this region.
    pub region: Option<Region>,
    /// After this alias.
    pub after: Option<Alias>,
    /// At most so many, at most [`crate::limits::PAGE_MAX`].
    pub limit: u16,
}

/// A node in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLine {
    /// Key.
    pub id: NodeId,
    /// Number.
    pub alias: Alias,
    /// As its owner calls it.
    pub name: String,
    /// Whose.
    pub owner: MemberId,
    /// Where; none when unknown.
    pub region: Option<Region>,
    /// How that is known.
    pub evidence: RegionEvidence,
    /// System family.
    pub os: Os,
    /// Whereabouts.
    pub presence: Presence,
    /// What it does.
    pub state: NodeState,
    /// Why not more.
    pub reason: PauseReason,
    /// Rank.
    pub tier: Tier,
    /// Since when quarantined.
    pub quarantined: bool,
    /// Lent.
    pub lent: Bytes,
    /// NAT kind.
    pub nat: NatKind,
    /// Upload.
    pub up: Option<Kbps>,
    /// Last check-in.
    pub seen: Option<Stamp>,
    /// Bits of capabilities.
    pub capabilities: u32,
    /// Program version.
    pub program: u32,
}

/// Nodes, and what there is of them in all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodePage {
    /// Rows.
    pub nodes: Vec<NodeLine>,
    /// More follow after the last.
    pub more: bool,
    /// Nodes by presence, in the order of [`Presence::ALL`].
    pub counts: Vec<u32>,
}

/// One node, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDetail {
    /// As in the list.
    pub line: NodeLine,
    /// What was measured.
    pub measured: Measured,
    /// What its owner declared, also when refuted.
    pub declared: Option<Region>,
    /// Duties with reasons.
    pub capabilities: Vec<CapabilityLine>,
    /// Integrity in ppm.
    pub integrity_ppm: u32,
    /// Uptime profile: share of each hour of the week, × 255.
    pub profile: Vec<u8>,
    /// Joined.
    pub joined: Stamp,
    /// Clock offset to the center in ms.
    pub clock_offset_ms: i64,
    /// Why quarantined.
    pub quarantine_why: Option<String>,
    /// What happened to it: when, kind, text.
    pub events: Vec<(Stamp, String, String)>,
    /// Plan generation.
    pub generation: u64,
    /// Away longer than this counts as missing.
    pub missing_after: Span,
    /// What it says it holds, since the center knows it.
    pub held: Option<Held>,
    /// Pieces and bytes the center's records give it; none where there are too many to count for one answer.
    pub accounted: Option<(u64, u64)>,
    /// What audits of it came to; none before the first.
    pub audits: Option<AuditCounts>,
    /// Why it has its rank, and what it lacks for the next one.
    pub rank: RankDetail,
}

/// A node's rank, since when and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankDetail {
    /// Since when it has this rank.
    pub since: Stamp,
    /// Why, and what it lacks.
    pub why: RankWhy,
}

/// Why a node has its rank, and what it lacks for the next one. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RankWhy {
    /// T0: its owner lends too little for a fill test.
    NoRoom,
    /// T0: the data of its fill test is being sent.
    Filling {
        /// Stored so far.
        stored: Bytes,
        /// All of it.
        wanted: Bytes,
    },
    /// T0: the data stands; time and audits will tell.
    Standing {
        /// For so long.
        stood: Span,
        /// Of so long.
        wanted: Span,
        /// Audits passed in that time.
        audits: u32,
        /// Of so many.
        audits_wanted: u32,
    },
    /// T0: the data was not kept.
    Failed {
        /// It is sent again then.
        again: Stamp,
        /// So many tries failed.
        tries: u8,
    },
    /// T1: on probation.
    Probation {
        /// It lost pieces and is vetted anew.
        put_back: bool,
        /// Time of its vetting so far.
        time: Span,
        /// Of so long.
        time_wanted: Span,
        /// Audits passed in that time.
        audits: u32,
        /// Of so many.
        audits_wanted: u32,
        /// Bytes of members' data it accepts now; none where that is all its owner lends.
        accepts: Option<Bytes>,
    },
    /// T2: membership is the vetting.
    Member {
        /// Age from which uptime makes it a steward.
        steward_after: Span,
    },
    /// T2: it has proved itself.
    Vetted {
        /// Age from which uptime makes it a steward.
        steward_after: Span,
    },
    /// T3.
    Steward,
}

/// What audits of a node came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCounts {
    /// Slices it proved.
    pub proved: u64,
    /// Slices it said it does not hold, though it should.
    pub gone: u64,
    /// Slices whose bytes were wrong.
    pub wrong: u64,
    /// Challenges it never answered.
    pub silent: u64,
    /// When it was audited last.
    pub at: Stamp,
}

/// The operator changes a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSet {
    /// By name, alias or unique prefix of its id.
    pub node: String,
    /// What.
    pub act: NodeAct,
}

/// What can be changed of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeAct {
    /// No new work until released.
    Quarantine {
        /// Shown to its owner.
        why: String,
    },
    /// Back to work.
    Release,
    /// Another name (owner or operator).
    Rename(String),
}

/// The owner goes for a while, or for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Absence {
    /// Away until then.
    Holiday(Stamp),
    /// Leaves for good.
    Leave,
    /// Hands over what it holds, to this machine of its owner's where one is named; then it leaves.
    Drain(Option<NodeId>),
    /// Leaves no more.
    Stay,
}
