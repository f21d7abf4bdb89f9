//! Voucher: the center's signed word on a machine of its cloud, kept by the machine, so that a center without its database can
//! tell old members from strangers (`docs/design/storage.md` §15).
//!
//! Layout: magic `PMV1` 4 · format 1 · roles u8 · length of the facts u16 · node 32 · member 16 · account 16, zeros where it has
//! none · at ms u64 · facts · signature 64 by the cloud key. The facts are a message ([`crate::rebuild::VouchedFacts`]); the
//! signature is over its bytes as they are.

use super::{Fields, SIGNATURE_LEN, sign, verify};
use crate::limits::VOUCHER_MAX;
use crate::rebuild::VouchedFacts;
use model::{AccountId, CloudKey, MemberId, NodeId, Roles, Stamp};

const LABEL: &str = "pumasi v1 voucher";
const MAGIC: &[u8; 4] = b"PMV1";
const FIXED: usize = 80;

/// The fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    /// The machine, which is also its member's device.
    pub node: NodeId,
    /// Whose.
    pub member: MemberId,
    /// The member's account, where it has one.
    pub account: Option<AccountId>,
    /// What the member may do.
    pub roles: Roles,
    /// When said.
    pub at: Stamp,
    /// What it is.
    pub facts: VouchedFacts,
}

impl Voucher {
    /// Signed bytes, with the cloud's key; nothing when the facts are too long.
    pub fn sign(&self, cloud: &[u8; 32]) -> Option<Vec<u8>> {
        let facts = crate::encode(&self.facts);
        let len =
            u16::try_from(facts.len()).ok().filter(|len| FIXED + usize::from(*len) + SIGNATURE_LEN <= VOUCHER_MAX)?;
        let mut out = Vec::with_capacity(FIXED + facts.len() + SIGNATURE_LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[1, self.roles.0]);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(self.member.as_bytes());
        out.extend_from_slice(&self.account.map_or([0; 16], |account| account.0));
        out.extend_from_slice(&self.at.as_ms().to_le_bytes());
        out.extend_from_slice(&facts);
        let signature = sign(cloud, LABEL, &out);
        out.extend_from_slice(&signature);
        Some(out)
    }

    /// The voucher in `bytes`, when the cloud of this key signed it.
    pub fn check(bytes: &[u8], cloud: &CloudKey) -> Option<Self> {
        let mut f = Fields::new(bytes);
        f.magic(MAGIC)?;
        let ([roles], len) = (f.take::<1>()?, usize::from(f.u16()?));
        let (node, member, account) = (NodeId(f.take()?), MemberId(f.take()?), AccountId(f.take()?));
        let at = Stamp(f.u64()?);
        if bytes.len() > VOUCHER_MAX || bytes.len() != FIXED + len + SIGNATURE_LEN {
            return None;
        }
        let (fields, signature) = bytes.split_at(FIXED + len);
        if !verify(&cloud.0, LABEL, fields, signature) {
            return None;
        }
        let facts = crate::decode(&fields[FIXED..], VOUCHER_MAX).ok()?;
        let account = (account.0 != [0; 16]).then_some(account);
        Some(Self { node, member, account, roles: Roles(roles), at, facts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::VouchedNode;
    use crate::signed::public_of;
    use model::{Arch, Bytes, Os, PgId};

    fn sample() -> Voucher {
        let node = VouchedNode {
            os: Os::Linux,
            arch: Arch::X86_64,
            region: Some("asia/kr".parse().unwrap()),
            program: 1_000,
            lent: Bytes::gib(10),
            accepts: 9,
            binding: vec![5; 90],
        };
        let (name, member_name) = ("li-desktop".to_owned(), "Li".to_owned());
        Voucher {
            node: NodeId([1; 32]),
            member: MemberId([2; 16]),
            account: Some(AccountId([3; 16])),
            roles: Roles::BOTH,
            at: Stamp(1_800_000_000_000),
            facts: VouchedFacts { name, member_name, lends: Some(node), slots: vec![(PgId(7), 3)] },
        }
    }

    #[test]
    fn a_voucher_reads_back_and_every_bit_counts() {
        let (secret, other) = ([9; 32], [8; 32]);
        let cloud = CloudKey(public_of(&secret));
        let bytes = sample().sign(&secret).unwrap();
        assert_eq!(Voucher::check(&bytes, &cloud), Some(sample()));
        assert_eq!(Voucher::check(&bytes, &CloudKey(public_of(&other))), None);
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Voucher::check(&bad, &cloud), None, "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert_eq!(Voucher::check(&bytes[..cut], &cloud), None, "cut at {cut}");
        }
        let long = VouchedFacts { slots: vec![(PgId(u32::MAX), u16::MAX); 8_000], ..sample().facts };
        assert_eq!(Voucher { facts: long, ..sample() }.sign(&secret), None, "a limit");
    }

    #[test]
    fn bytes_of_a_voucher_are_locked() {
        let bytes = sample().sign(&[9; 32]).unwrap();
        let said = format!("{} {}", bytes.len(), blake3::hash(&bytes).to_hex());
        assert_eq!(said, include_str!("../../tests/golden/voucher.txt").trim());
    }
}
