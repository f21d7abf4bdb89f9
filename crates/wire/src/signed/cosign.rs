//! Cosign: a node's word that it saw a daily root which follows from all that it saw before (`docs/design/ledger.md` §11).
//!
//! Layout: magic `PMG1` 4 · format 1 · 3 zeros · day u32 · cloud key 32 · root 32 · node 32 = 108 bytes, signature 64 by the node's key.

use super::{Fields, SIGNATURE_LEN, sign, verify};
use model::{CloudKey, NodeId};

const LABEL: &str = "pumasi v1 ledger root";
const MAGIC: &[u8; 4] = b"PMG1";
const FIELDS: usize = 108;

/// The fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosign {
    /// Of whose book.
    pub cloud: CloudKey,
    /// Of which day since the epoch.
    pub day: u32,
    /// Its root.
    pub root: [u8; 32],
    /// Who saw it.
    pub node: NodeId,
}

impl Cosign {
    /// Length in bytes.
    pub const LEN: usize = FIELDS + SIGNATURE_LEN;

    /// Signed bytes, with the node's secret.
    pub fn sign(&self, secret: &[u8; 32]) -> [u8; Self::LEN] {
        let parts: [&[u8]; 6] =
            [MAGIC, &[1, 0, 0, 0], &self.day.to_le_bytes(), &self.cloud.0, &self.root, &self.node.0];
        let mut out = [0; Self::LEN];
        out.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        let signature = sign(secret, LABEL, &out[..FIELDS]);
        out[FIELDS..].copy_from_slice(&signature);
        out
    }

    /// The word in `bytes`, when the node it names signed it.
    pub fn check(bytes: &[u8]) -> Option<Self> {
        let whole: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let mut f = Fields::new(whole);
        f.magic(MAGIC)?;
        let zeros: [u8; 3] = f.take()?;
        let day = u32::from_le_bytes(f.take()?);
        let word = Self { cloud: CloudKey(f.take()?), day, root: f.take()?, node: NodeId(f.take()?) };
        let (fields, signature) = bytes.split_at(FIELDS);
        (zeros == [0; 3] && verify(&word.node.0, LABEL, fields, signature)).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::public_of;

    fn word(secret: &[u8; 32]) -> Cosign {
        Cosign { cloud: CloudKey([4; 32]), day: 20_833, root: [5; 32], node: NodeId(public_of(secret)) }
    }

    #[test]
    fn a_word_reads_back_and_every_bit_counts() {
        let secret = [6; 32];
        let bytes = word(&secret).sign(&secret);
        assert_eq!(Cosign::check(&bytes), Some(word(&secret)));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Cosign::check(&bad), None, "bit {bit}");
        }
        assert_eq!(Cosign::check(&word(&secret).sign(&[7; 32])), None, "another's");
    }

    #[test]
    fn bytes_of_a_word_are_locked() {
        let secret = [6; 32];
        let bytes = word(&secret).sign(&secret);
        let said = format!("{} {}", bytes.len(), blake3::hash(&bytes).to_hex());
        assert_eq!(said, include_str!("../../tests/golden/cosign.txt").trim());
    }
}
