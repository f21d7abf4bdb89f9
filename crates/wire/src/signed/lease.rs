//! Lease, 128 bytes: what one permit of op `task` lets one node run. The permit's target is the beginning of its hash, so that
//! whoever keeps a job's keys can judge it offline (`docs/design/compute.md` §4).
//!
//! (A) Every bit of a lease is bound by the permit it came with. (B) Reserved bytes are zero. (C) Whoever is handed blocks under a
//! lease can tell offline that it is one of the holders the center named.

use super::{Fields, Permit};
use model::{JobId, NodeId};

const MAGIC: &[u8; 4] = b"PML2";
const HOLDERS: &str = "pumasi v1 lease holders";
/// Items of one lease at most.
pub const LEASE_ITEMS_MAX: u16 = 64;

/// The fields, in the order of their offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseBody {
    /// Offset 5: stage of the job.
    pub stage: u8,
    /// Offset 6: items in a row.
    pub count: u16,
    /// Offset 8: the first of them.
    pub first: u32,
    /// Offset 12: bit 0: outputs are stored first and reported once.
    pub direct: bool,
    /// Offset 16: the job.
    pub job: JobId,
    /// Offset 32: number of the attempt, of which there is one in all lives of a center.
    pub serial: u64,
    /// Offset 40: steps an item is expected to take; 0: unknown.
    pub expected_fuel: u64,
    /// Offset 48: steps an item may take.
    pub max_fuel: u64,
    /// Offset 56: the node, by the key of its machine; the permit's session is the key of the endpoint it works with.
    pub node: NodeId,
    /// Offset 88: engine, profile and host it must run on, as `sandbox` names them, the first 16 bytes.
    pub engine: [u8; 16],
    /// Offset 104: parts that its items make blocks for; 0 where they make none.
    pub parts: u32,
    /// Offset 112: who holds these blocks, [`LeaseBody::holders_hash`] of them; zeros where nobody does.
    pub holders: [u8; 16],
}

impl LeaseBody {
    /// Length in bytes.
    pub const LEN: usize = 128;

    /// The bytes.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[0..4].copy_from_slice(MAGIC);
        out[4] = 1;
        out[5] = self.stage;
        out[6..8].copy_from_slice(&self.count.to_le_bytes());
        out[8..12].copy_from_slice(&self.first.to_le_bytes());
        out[12] = u8::from(self.direct);
        out[16..32].copy_from_slice(self.job.as_bytes());
        out[32..40].copy_from_slice(&self.serial.to_le_bytes());
        out[40..48].copy_from_slice(&self.expected_fuel.to_le_bytes());
        out[48..56].copy_from_slice(&self.max_fuel.to_le_bytes());
        out[56..88].copy_from_slice(self.node.as_bytes());
        out[88..104].copy_from_slice(&self.engine);
        out[104..108].copy_from_slice(&self.parts.to_le_bytes());
        out[112..128].copy_from_slice(&self.holders);
        out
    }

    /// The lease in `bytes`; none where they are no lease, or name no or too many items.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LEN {
            return None;
        }
        let mut f = Fields::new(bytes);
        f.magic(MAGIC)?;
        let stage = f.take::<1>()?[0];
        let (count, first) = (f.u16()?, f.u32()?);
        let direct = match f.take::<1>()?[0] {
            0 => false,
            1 => true,
            _ => return None,
        };
        f.zero::<3>()?;
        let job = JobId(f.take()?);
        let (serial, expected_fuel, max_fuel) = (f.u64()?, f.u64()?, f.u64()?);
        let (node, engine) = (NodeId(f.take()?), f.take()?);
        let parts = f.u32()?;
        f.zero::<4>()?;
        let holders = f.take()?;
        let holds = (1..=LEASE_ITEMS_MAX).contains(&count) && first.checked_add(u32::from(count)).is_some();
        holds.then_some(Self {
            stage,
            count,
            first,
            direct,
            job,
            serial,
            expected_fuel,
            max_fuel,
            node,
            engine,
            parts,
            holders,
        })
    }

    /// What the permit that goes with these bytes has as its target.
    pub fn target(bytes: &[u8]) -> [u8; 16] {
        blake3::hash(bytes).as_bytes()[..16].try_into().expect("a hash has 32 bytes")
    }

    /// What stands for these holders, in the order the center told them; zeros for none.
    pub fn holders_hash<'a>(holders: impl IntoIterator<Item = &'a NodeId>) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_derive_key(HOLDERS);
        let mut is_none = true;
        for holder in holders {
            hasher.update(holder.as_bytes());
            is_none = false;
        }
        let hash = hasher.finalize();
        if is_none { [0; 16] } else { hash.as_bytes()[..16].try_into().expect("a hash has 32 bytes") }
    }

    /// Whether `own` is one of the holders it names, told by whoever shows it. (C)
    pub fn names_holder(&self, own: &NodeId, told: &[NodeId]) -> bool {
        told.contains(own) && Self::holders_hash(told) == self.holders
    }

    /// Its items.
    pub const fn items(&self) -> std::ops::Range<u32> {
        self.first..self.first + self.count as u32
    }
}

/// A permit and the lease it is for do belong together.
pub fn is_bound(permit: &Permit, lease: &[u8]) -> bool {
    permit.target == LeaseBody::target(lease)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDING: [NodeId; 2] = [NodeId([7; 32]), NodeId([8; 32])];

    fn lease() -> LeaseBody {
        LeaseBody {
            stage: 1,
            count: 3,
            first: 7,
            direct: true,
            job: JobId([1; 16]),
            serial: 2,
            expected_fuel: 3,
            max_fuel: 4,
            node: NodeId([5; 32]),
            engine: [6; 16],
            parts: 7,
            holders: LeaseBody::holders_hash(&HOLDING),
        }
    }

    #[test]
    fn a_lease_reads_back_and_every_bit_counts() {
        let good = lease().to_bytes();
        assert_eq!(LeaseBody::parse(&good), Some(lease()));
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(LeaseBody::parse(&bad) != Some(lease()), "(B) bit {bit}");
            assert_ne!(LeaseBody::target(&bad), LeaseBody::target(&good), "(A) bit {bit}");
        }
        let none = LeaseBody { count: 0, ..lease() }.to_bytes();
        let many = LeaseBody { count: 65, ..lease() }.to_bytes();
        let over = LeaseBody { first: u32::MAX, ..lease() }.to_bytes();
        assert!([none, many, over].iter().all(|bytes| LeaseBody::parse(bytes).is_none()));
    }

    #[test]
    fn only_the_named_holders_are_holders() {
        let lease = lease();
        assert!(HOLDING.iter().all(|own| lease.names_holder(own, &HOLDING)), "(C)");
        let other = NodeId([9; 32]);
        assert!(!lease.names_holder(&other, &HOLDING));
        assert!(!lease.names_holder(&other, &[HOLDING[0], HOLDING[1], other]));
        assert!(!lease.names_holder(&HOLDING[0], &HOLDING[..1]));
        let none = LeaseBody { holders: LeaseBody::holders_hash(&[]), ..lease };
        assert_eq!(none.holders, [0; 16]);
        assert!(!none.names_holder(&HOLDING[0], &[]));
    }
}
