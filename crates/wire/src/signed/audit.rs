//! A node's signed answer to an audit, and the auditor's signed word about it (`docs/design/storage.md` §9).
//!
//! The node signs the challenge and a hash of each slice it gave, so a slice that proves nothing is the proof against it: 32
//! bytes in the answer, and bytes that hash to them, judged by the segment's id. A slice it does not have it signs as
//! [`NOT_HELD`].

use super::{SIGNATURE_LEN, sign, verify};
use model::NodeId;

const ANSWER: &str = "pumasi v1 audit answer";
const REPORT: &str = "pumasi v1 audit report";

/// In place of a slice's hash: the node says that it does not hold the piece.
pub const NOT_HELD: [u8; 32] = [0; 32];

/// Hash of a slice's bytes, as answers carry it.
pub fn slice_hash(slice: &[u8]) -> [u8; 32] {
    *blake3::hash(slice).as_bytes()
}

/// What a node signs: `challenge 32 ‖ hash of each slice 32`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditAnswer {
    /// Hash of the challenge, which names the node and bears the nonce.
    pub challenge: [u8; 32],
    /// Of each slice in the challenge's order, its hash or [`NOT_HELD`].
    pub slices: Vec<[u8; 32]>,
}

impl AuditAnswer {
    fn fields(&self) -> Vec<u8> {
        [&self.challenge[..], self.slices.as_flattened()].concat()
    }

    /// The node's signature.
    pub fn sign(&self, secret: &[u8; 32]) -> [u8; SIGNATURE_LEN] {
        sign(secret, ANSWER, &self.fields())
    }

    /// True when `signature` is the node's.
    pub fn is_signed_by(&self, node: &NodeId, signature: &[u8]) -> bool {
        verify(&node.0, ANSWER, &self.fields(), signature)
    }
}

/// What an auditor signs: that it put this challenge, what came of it, and after how long.
/// `challenge 32 ‖ took u32 ‖ hash of the outcome 32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditReport {
    /// Hash of the challenge.
    pub challenge: [u8; 32],
    /// Milliseconds from asking to the last byte.
    pub took_ms: u32,
    /// Hash of the outcome's bytes.
    pub outcome: [u8; 32],
}

impl AuditReport {
    fn fields(&self) -> Vec<u8> {
        [&self.challenge[..], &self.took_ms.to_le_bytes(), &self.outcome].concat()
    }

    /// The auditor's signature.
    pub fn sign(&self, secret: &[u8; 32]) -> [u8; SIGNATURE_LEN] {
        sign(secret, REPORT, &self.fields())
    }

    /// True when `signature` is the auditor's.
    pub fn is_signed_by(&self, auditor: &NodeId, signature: &[u8]) -> bool {
        verify(&auditor.0, REPORT, &self.fields(), signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::public_of;

    #[test]
    fn every_bit_of_an_answer_counts() {
        let (secret, node) = ([7; 32], NodeId(public_of(&[7; 32])));
        let answer = AuditAnswer { challenge: [1; 32], slices: vec![slice_hash(b"slice"), NOT_HELD] };
        let good = answer.sign(&secret);
        assert!(answer.is_signed_by(&node, &good));
        assert!(!answer.is_signed_by(&NodeId(public_of(&[8; 32])), &good));
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!answer.is_signed_by(&node, &bad), "bit {bit}");
        }
        let other = AuditAnswer { challenge: [2; 32], ..answer.clone() };
        let shorter = AuditAnswer { slices: answer.slices[..1].to_vec(), ..answer.clone() };
        assert!(!other.is_signed_by(&node, &good) && !shorter.is_signed_by(&node, &good));
    }

    #[test]
    fn a_report_is_no_answer() {
        let (secret, node) = ([7; 32], NodeId(public_of(&[7; 32])));
        let report = AuditReport { challenge: [1; 32], took_ms: 9, outcome: [3; 32] };
        let good = report.sign(&secret);
        assert!(report.is_signed_by(&node, &good));
        assert!(!AuditReport { took_ms: 10, ..report }.is_signed_by(&node, &good));
        assert!(!AuditReport { outcome: [4; 32], ..report }.is_signed_by(&node, &good));
    }
}
