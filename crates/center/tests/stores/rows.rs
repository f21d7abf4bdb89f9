//! Example rows.

use center::access::store::{DeviceRow, MemberRow, MemberState, TicketRow};
use center::fleet::store::{MeasuredRow, NewNode, Rtt};
use model::{
    Alias, Arch, Bytes, Credits, DeviceId, Kbps, MemberId, NatKind, NodeId, Os, PgId, RegionEvidence, Roles, SegmentId,
    Stamp, TicketId,
};
use wire::storage::WrittenSegment;

/// A member by number.
pub fn member(n: u64) -> MemberRow {
    MemberRow {
        id: member_id(n),
        name: format!("member {n}"),
        roles: Roles::BOTH,
        state: MemberState::Active,
        frozen_why: None,
        created_at: Stamp(1_000 + n),
        invited_by: None,
    }
}

pub fn member_id(n: u64) -> MemberId {
    MemberId(spread(n))
}

pub fn device_id(n: u64) -> DeviceId {
    DeviceId(spread(n))
}

pub fn node_id(n: u64) -> NodeId {
    NodeId(spread(n))
}

pub fn ticket_id(n: u64) -> TicketId {
    TicketId(spread(n))
}

pub fn device(n: u64, member: u64) -> DeviceRow {
    DeviceRow {
        id: device_id(n),
        member: member_id(member),
        name: format!("device {n}"),
        added_at: Stamp(2_000 + n),
        removed_at: None,
    }
}

/// A ticket of member `maker`, good until 1,000,000 ms.
pub fn ticket(n: u64, maker: u64, uses: u16) -> TicketRow {
    TicketRow {
        id: ticket_id(n),
        secret_hash: spread(n + 7_777_777),
        roles: Roles::LEND,
        credits: Credits(-5),
        uses_total: uses,
        uses_left: uses,
        expires_at: Stamp(1_000_000),
        maker: member_id(maker),
        name: format!("friend {n}"),
        created_at: Stamp(10),
        revoked_at: None,
    }
}

/// A node as a join brings it, every field filled as far as it may be.
pub fn node(n: u64, owner: u64) -> NewNode {
    NewNode {
        id: node_id(n),
        owner: member_id(owner),
        name: format!("machine {n}"),
        region: Some("asia/kr/seoul".parse().unwrap()),
        evidence: RegionEvidence::Declared,
        declared: Some("asia/kr/seoul".parse().unwrap()),
        os: Os::Linux,
        arch: Arch::X86_64,
        as_number: Some(4_294_967_295),
        net_prefix: Some("2001:0db8:ffff::/48".to_owned()),
        version: 1_000_001,
        lent: Bytes(u64::MAX),
        accepts: 0xff,
        capabilities: u32::MAX,
        alpha: 65_536,
        beta: 65_536,
        joined_at: Stamp(3_600_000 * 480_000),
        binding: vec![7; 212],
        measured: measured(),
    }
}

pub fn measured() -> MeasuredRow {
    MeasuredRow {
        cores: Some(16),
        memory_mib: Some(65_536),
        disk_free: Some(Bytes::gib(400)),
        cpu_score: Some(123_456_789),
        fsync_ms: Some((3, 29)),
        disk_mb_s: Some(512),
        up: Some(Kbps(20_000)),
        down: Some(Kbps(100_000)),
        nat: Some(NatKind::Easy),
        loss_ppm: Some(120),
        rtt: (0..8).map(|i| Rtt { to: Alias(i), median_ms: 40, spread_ms: 9 }).collect(),
        at: Some(Stamp(3_600_000 * 480_000)),
    }
}

/// Bytes that look random and differ for each number (splitmix64).
pub fn spread<const N: usize>(n: u64) -> [u8; N] {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    std::array::from_fn(|_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()[0]
    })
}

/// A segment as a writer tells of it; nobody here looks at receipts.
pub fn segment(pg: PgId, n: u8, sealed_bytes: u64) -> WrittenSegment {
    WrittenSegment { id: SegmentId([n; 32]), pg, sealed_bytes, root: [0; 32], receipts: Vec::new() }
}
