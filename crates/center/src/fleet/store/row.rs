//! What a node's row holds, how it is read and written.

use super::RTT_MAX;
use crate::db::{DbError, Row, Value, stored_words};
use model::{
    Alias, Arch, Bytes, HourOfWeek, Kbps, MemberId, NatKind, NodeId, Os, Ppm, Region, RegionEvidence, Stamp, Tier,
};

/// How the cloud stands to a node. A number in the row; what the node itself does is [`model::NodeState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Takes part.
    Active = 0,
    /// No new work until released.
    Quarantined = 1,
    /// Out, by proof.
    Banned = 2,
    /// Gone, by its owner.
    Left = 3,
    /// Absent as declared, until `holiday_until`.
    Holiday = 4,
    /// Its pieces were found wrong or gone: no new work, and its slots count as missing, until released.
    Distrusted = 5,
    /// Hands over what it holds, then goes: no new work, its slots count until they are handed over.
    Leaving = 6,
}

impl Standing {
    /// The stored number.
    pub const fn code(self) -> u8 {
        self as u8
    }
    /// In, and gets no new work until released.
    pub const fn takes_no_work(self) -> bool {
        matches!(self, Self::Quarantined | Self::Distrusted)
    }
    /// Reads the stored number.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Active,
            1 => Self::Quarantined,
            2 => Self::Banned,
            3 => Self::Left,
            4 => Self::Holiday,
            5 => Self::Distrusted,
            6 => Self::Leaving,
            _ => return None,
        })
    }
}

stored_words!(Standing);

/// One round trip: to which node, median and 95th percentile minus median in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rtt {
    /// To whom.
    pub to: Alias,
    /// Median in ms.
    pub median_ms: u16,
    /// 95th percentile minus median in ms.
    pub spread_ms: u16,
}

/// What is known of a machine from its own words and from probes; all of it is replaced at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeasuredRow {
    /// Logical processors, as it said.
    pub cores: Option<u16>,
    /// Memory in MiB, as it said.
    pub memory_mib: Option<u32>,
    /// Free space where pieces would go, as it said.
    pub disk_free: Option<Bytes>,
    /// Score of the native suite.
    pub cpu_score: Option<u64>,
    /// 50th and 99th percentile of a small write with fsync in ms.
    pub fsync_ms: Option<(u16, u16)>,
    /// Sequential write in MB/s.
    pub disk_mb_s: Option<u16>,
    /// Upload.
    pub up: Option<Kbps>,
    /// Download.
    pub down: Option<Kbps>,
    /// Address translation.
    pub nat: Option<NatKind>,
    /// Lost packets.
    pub loss_ppm: Option<u32>,
    /// Round trips, at most [`RTT_MAX`].
    pub rtt: Vec<Rtt>,
    /// When measured.
    pub at: Option<Stamp>,
}

/// A node without its number: what a join brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// Key.
    pub id: NodeId,
    /// Whose.
    pub owner: MemberId,
    /// As its owner calls it, at most [`crate::access::store::NAME_MAX`] bytes.
    pub name: String,
    /// Where rules take it to be; none when unknown or refuted.
    pub region: Option<Region>,
    /// How that is known.
    pub evidence: RegionEvidence,
    /// What its owner declared, also when refuted.
    pub declared: Option<Region>,
    /// System family.
    pub os: Os,
    /// Processor family.
    pub arch: Arch,
    /// Autonomous system, as the center sees it.
    pub as_number: Option<u32>,
    /// Network, `/24` or `/48`, as the center sees it, at most [`super::NET_PREFIX_MAX`] bytes.
    pub net_prefix: Option<String>,
    /// Program version: major × 10⁶ + minor × 10³ + patch.
    pub version: u32,
    /// Lent.
    pub lent: Bytes,
    /// What the owner accepts, as bits by [`model::Capability`] number.
    pub accepts: u32,
    /// What it may carry, likewise.
    pub capabilities: u32,
    /// Score: good, × 2¹⁶.
    pub alpha: u32,
    /// Score: bad, × 2¹⁶.
    pub beta: u32,
    /// When it joined.
    pub joined_at: Stamp,
    /// The owner's signed statement, at most [`super::BINDING_MAX`] bytes.
    pub binding: Vec<u8>,
    /// What is known of the machine.
    pub measured: MeasuredRow,
}

/// A node as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Number in the cell, given once and never again.
    pub alias: Alias,
    /// What it came with, kept up to date.
    pub node: NewNode,
    /// Rank.
    pub tier: Tier,
    /// How the cloud stands to it.
    pub standing: Standing,
    /// Why, in the operator's or the rule's words, at most [`crate::access::store::WHY_MAX`] bytes.
    pub standing_why: Option<String>,
    /// Share of each hour of the week it was on, × 255.
    pub profile: [u8; HourOfWeek::COUNT],
    /// Scale of its sessions, as `rules` defines it.
    pub session_scale: u16,
    /// When it had proved itself.
    pub vetted_at: Option<Stamp>,
    /// End of its declared absence.
    pub holiday_until: Option<Stamp>,
    /// Away longer than so many hours, it counts as missing.
    pub missing_after_h: u16,
    /// Share of its known hours in which it had been away for a day.
    pub day_away: Ppm,
    /// Generation of its last plan.
    pub generation: u64,
    /// Hour since 1970 in which it was last seen, as of the last hourly summary.
    pub last_seen_hour: u64,
}

/// Columns in the order they are written and read.
pub(super) const INSERTED: &str = "alias, node_id, owner, name, region, region_evidence, region_declared, os, arch, as_number, \
    net_prefix, version, lent_bytes, accepts, capabilities, alpha, beta, joined_at, binding, cores, memory_mib, \
    disk_free_bytes, cpu_score, fsync_p50_ms, fsync_p99_ms, disk_mb_s, up_kbps, down_kbps, nat, loss_ppm, rtt, \
    measured_at, tier, standing, profile, session_scale, generation, last_seen_hour";
/// Columns that are read after those.
pub(super) const READ_AFTER: &str = "standing_why, vetted_at, holiday_until, missing_after_h, day_away_ppm";

pub(super) fn node_row(row: &Row<'_>) -> Result<NodeRow, DbError> {
    let node = NewNode {
        id: row.get(1)?,
        owner: row.get(2)?,
        name: row.get(3)?,
        region: row.get(4)?,
        evidence: row.get(5)?,
        declared: row.get(6)?,
        os: row.get(7)?,
        arch: row.get(8)?,
        as_number: row.get(9)?,
        net_prefix: row.get(10)?,
        version: row.get(11)?,
        lent: row.get(12)?,
        accepts: row.get(13)?,
        capabilities: row.get(14)?,
        alpha: row.get(15)?,
        beta: row.get(16)?,
        joined_at: row.get(17)?,
        binding: row.get(18)?,
        measured: measured_row(row)?,
    };
    Ok(NodeRow {
        alias: row.get(0)?,
        node,
        tier: row.get(32)?,
        standing: row.get(33)?,
        profile: row.get(34)?,
        session_scale: row.get(35)?,
        generation: row.get(36)?,
        last_seen_hour: row.get(37)?,
        standing_why: row.get(38)?,
        vetted_at: row.get(39)?,
        holiday_until: row.get(40)?,
        missing_after_h: row.get(41)?,
        day_away: row.get(42)?,
    })
}

fn measured_row(row: &Row<'_>) -> Result<MeasuredRow, DbError> {
    let fsync: (Option<u16>, Option<u16>) = (row.get(23)?, row.get(24)?);
    let nat: NatKind = row.get(28)?;
    Ok(MeasuredRow {
        cores: row.get(19)?,
        memory_mib: row.get(20)?,
        disk_free: row.get(21)?,
        cpu_score: row.get(22)?,
        fsync_ms: fsync.0.zip(fsync.1),
        disk_mb_s: row.get(25)?,
        up: row.get(26)?,
        down: row.get(27)?,
        nat: (nat != NatKind::Unknown).then_some(nat),
        loss_ppm: row.get(29)?,
        rtt: rtt_from(&row.get::<Option<Vec<u8>>>(30)?.unwrap_or_default()),
        at: row.get(31)?,
    })
}

/// Eight bytes each: alias, median, spread, little-endian.
pub(super) fn rtt_bytes(rtt: &[Rtt]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rtt.len().min(RTT_MAX) * 8);
    for one in rtt.iter().take(RTT_MAX) {
        out.extend_from_slice(&one.to.0.to_le_bytes());
        out.extend_from_slice(&one.median_ms.to_le_bytes());
        out.extend_from_slice(&one.spread_ms.to_le_bytes());
    }
    out
}

fn rtt_from(bytes: &[u8]) -> Vec<Rtt> {
    let one = |c: &[u8]| Rtt {
        to: Alias(u32::from_le_bytes([c[0], c[1], c[2], c[3]])),
        median_ms: u16::from_le_bytes([c[4], c[5]]),
        spread_ms: u16::from_le_bytes([c[6], c[7]]),
    };
    bytes.chunks_exact(8).map(one).collect()
}

pub(super) fn measured_params<'a>(m: &'a MeasuredRow, rtt: &'a Vec<u8>) -> [Value<'a>; 13] {
    [
        m.cores.into(),
        m.memory_mib.into(),
        m.disk_free.into(),
        m.cpu_score.into(),
        m.fsync_ms.map(|(p50, _)| p50).into(),
        m.fsync_ms.map(|(_, p99)| p99).into(),
        m.disk_mb_s.into(),
        m.up.into(),
        m.down.into(),
        m.nat.unwrap_or(NatKind::Unknown).into(),
        m.loss_ppm.into(),
        rtt.into(),
        m.at.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_read_back_and_damage_is_no_panic() {
        let rtt = vec![Rtt { to: Alias(7), median_ms: 12, spread_ms: 3 }; 20];
        assert_eq!(rtt_from(&rtt_bytes(&rtt)), rtt[..RTT_MAX]);
        assert_eq!(rtt_from(&[1, 2, 3]), []);
    }
}
