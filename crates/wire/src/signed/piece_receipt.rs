//! Piece receipt, 176 bytes: a holder's word, given after fsync, that it holds one piece. A commit needs `accept` of
//! them from distinct holders (`docs/design/storage.md` §6).

use super::{Fields, SIGNATURE_LEN, sign, verify};
use model::{NodeId, PgId, SegmentId, Stamp};

const LABEL: &str = "pumasi v1 piece receipt";
const MAGIC: &[u8; 4] = b"PMH1";

/// The fields, in the order of their offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceReceipt {
    /// Offset 8: segment, which is the commitment to the piece.
    pub segment: SegmentId,
    /// Offset 40: placement group.
    pub pg: PgId,
    /// Offset 44: index of the piece, which is that of the slot.
    pub index: u16,
    /// Offset 48: bytes of the piece.
    pub len: u64,
    /// Offset 56: the holder, who signs.
    pub node: NodeId,
    /// Offset 88: serial of the permit it was written under.
    pub serial: [u8; 16],
    /// Offset 104: when it was durable.
    pub at: Stamp,
}

impl PieceReceipt {
    /// Length in bytes.
    pub const LEN: usize = 176;

    /// Signed bytes, with the holder's own key.
    pub fn sign(&self, secret: &[u8; 32]) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[0..4].copy_from_slice(MAGIC);
        out[4] = 1;
        out[8..40].copy_from_slice(self.segment.as_bytes());
        out[40..44].copy_from_slice(&self.pg.0.to_le_bytes());
        out[44..46].copy_from_slice(&self.index.to_le_bytes());
        out[48..56].copy_from_slice(&self.len.to_le_bytes());
        out[56..88].copy_from_slice(self.node.as_bytes());
        out[88..104].copy_from_slice(&self.serial);
        out[104..112].copy_from_slice(&self.at.as_ms().to_le_bytes());
        let signature = sign(secret, LABEL, &out[..112]);
        out[112..].copy_from_slice(&signature);
        out
    }

    /// The receipt in `bytes`, when the holder it names signed it.
    pub fn check(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LEN {
            return None;
        }
        let mut f = Fields::new(bytes);
        f.magic(MAGIC)?;
        f.zero::<3>()?;
        let (segment, pg, index) = (SegmentId(f.take()?), PgId(f.u32()?), f.u16()?);
        f.zero::<2>()?;
        let (len, node, serial, at) = (f.u64()?, NodeId(f.take()?), f.take()?, Stamp(f.u64()?));
        verify(&node.0, LABEL, &bytes[..112], &bytes[112..112 + SIGNATURE_LEN]).then_some(Self {
            segment,
            pg,
            index,
            len,
            node,
            serial,
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
        let node = NodeId(public_of(&secret));
        let r = PieceReceipt {
            segment: SegmentId([1; 32]),
            pg: PgId(3),
            index: 4,
            len: 65_536,
            node,
            serial: [5; 16],
            at: Stamp(9),
        };
        let good = r.sign(&secret);
        assert_eq!(PieceReceipt::check(&good), Some(r));
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(PieceReceipt::check(&bad), None, "bit {bit}");
        }
    }
}
