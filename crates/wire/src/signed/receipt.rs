//! Receipt, 144 bytes: the payer's signed running count under one permit at one node in one window
//! (`docs/design/security.md` §6). Each replaces the last under its (serial, node, window).

use super::permit::FLAG_FREE;
use super::{Fields, Permit, SIGNATURE_LEN, sign, verify};
use model::{NodeId, Stamp};

const LABEL: &str = "pumasi v1 receipt";
const MAGIC: &[u8; 4] = b"PMR1";

/// The fields, in the order of their offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Offset 5: same number as the permit's op.
    pub kind: u8,
    /// Offset 8: serial of the permit.
    pub serial: [u8; 16],
    /// Offset 24: who served.
    pub node: NodeId,
    /// Offset 56: units served so far in this window.
    pub units: u64,
    /// Offset 64: number of the 6 h window since the epoch, UTC.
    pub window: u32,
    /// Offset 72: when signed.
    pub at: Stamp,
}

impl Receipt {
    /// Length in bytes.
    pub const LEN: usize = 144;

    /// The window a moment lies in.
    pub fn window_of(at: Stamp) -> u32 {
        u32::try_from(at.hour() / 6).unwrap_or(u32::MAX)
    }

    /// What a payer signs where it pays once, after the work: `units` under a permit for one node, no more than it allows. Nothing
    /// where nothing is owed.
    pub fn once(permit: &Permit, units: u64, at: Stamp) -> Option<Self> {
        let units = units.min(permit.max_units).min(permit.max_units_node);
        let is_owed = permit.flags & FLAG_FREE == 0 && units > 0;
        let (kind, serial, node) = (permit.op as u8, permit.serial, NodeId(permit.node));
        is_owed.then_some(Self { kind, serial, node, units, window: Self::window_of(at), at })
    }

    /// Signed bytes, with the permit's session key.
    pub fn sign(&self, secret: &[u8; 32]) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[0..4].copy_from_slice(MAGIC);
        out[4] = 1;
        out[5] = self.kind;
        out[8..24].copy_from_slice(&self.serial);
        out[24..56].copy_from_slice(self.node.as_bytes());
        out[56..64].copy_from_slice(&self.units.to_le_bytes());
        out[64..68].copy_from_slice(&self.window.to_le_bytes());
        out[72..80].copy_from_slice(&self.at.as_ms().to_le_bytes());
        let signature = sign(secret, LABEL, &out[..80]);
        out[80..].copy_from_slice(&signature);
        out
    }

    /// The receipt in `bytes`, when `session` signed it.
    pub fn check(bytes: &[u8], session: &[u8; 32]) -> Option<Self> {
        if bytes.len() != Self::LEN {
            return None;
        }
        let mut f = Fields::new(bytes);
        f.magic(MAGIC)?;
        let kind = f.take::<1>()?[0];
        f.zero::<2>()?;
        let (serial, node, units, window) = (f.take()?, NodeId(f.take()?), f.u64()?, f.u32()?);
        f.zero::<4>()?;
        let at = Stamp(f.u64()?);
        verify(session, LABEL, &bytes[..80], &bytes[80..80 + SIGNATURE_LEN]).then_some(Self {
            kind,
            serial,
            node,
            units,
            window,
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::public_of;

    #[test]
    fn a_receipt_reads_back_and_every_bit_counts() {
        let secret = [9; 32];
        let r = Receipt { kind: 2, serial: [1; 16], node: NodeId([2; 32]), units: 500, window: 7, at: Stamp(99) };
        let good = r.sign(&secret);
        assert_eq!(Receipt::check(&good, &public_of(&secret)), Some(r));
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Receipt::check(&bad, &public_of(&secret)), None, "bit {bit}");
        }
    }

    #[test]
    fn who_pays_once_signs_no_more_than_the_permit_allows_and_nothing_where_nothing_is_owed() {
        let permit = Permit {
            op: crate::signed::PermitOp::Audit,
            flags: 0,
            serial: [1; 16],
            target: [0; 16],
            node: [2; 32],
            session: [3; 32],
            cloud: [4; 8],
            payer: 5,
            max_units: 900,
            max_units_node: 800,
            not_after: Stamp(1),
            generation: 0,
            revocation_epoch: 0,
            key_epoch: 0,
        };
        let at = Stamp(3 * 6 * 3_600_000 + 5);
        let receipt = Receipt { kind: 4, serial: [1; 16], node: NodeId([2; 32]), units: 700, window: 3, at };
        assert_eq!(Receipt::once(&permit, 700, at), Some(receipt));
        assert_eq!(Receipt::once(&permit, 5_000, at), Some(Receipt { units: 800, ..receipt }));
        assert_eq!(Receipt::once(&permit, 0, at), None);
        assert_eq!(Receipt::once(&Permit { flags: FLAG_FREE, ..permit }, 700, at), None);
    }
}
