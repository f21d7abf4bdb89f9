//! Messages of an audit: an auditor fetches a challenge from the center, puts it to the node, and tells what came of it.

use super::{PieceAnswer, Slot};
use crate::limits::{AUDIT_FRAME_MAX, AUDIT_WRONG_MAX};
use crate::signed::audit::{AuditReport, NOT_HELD, slice_hash};
use model::{NodeId, PgId, Scheme, SegmentId, Stamp};
use serde::{Deserialize, Serialize};

/// A slice that is asked for: one 16 KiB group of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPick {
    /// The group whose slot the piece stands in.
    pub pg: PgId,
    /// The commitment.
    pub segment: SegmentId,
    /// Index of the piece.
    pub index: u16,
    /// Number of its group of 16 KiB.
    pub group: u32,
}

/// What a node is asked to prove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Random, of the center.
    pub nonce: [u8; 32],
    /// Who is asked.
    pub node: NodeId,
    /// Slices, at most [`crate::limits::AUDIT_PICKS_MAX`].
    pub picks: Vec<AuditPick>,
}

impl Challenge {
    /// What answers and reports are signed with.
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(&crate::encode(self)).as_bytes()
    }
}

/// A challenge, put to a node over a stream. Answered by as many [`super::PieceAnswer::Slice`] as there are picks, in order, then
/// one [`super::PieceAnswer::Signed`]; under a permit that is paid who asks sends a receipt for what proved something behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditOpen {
    /// Permit.
    pub permit: Vec<u8>,
    /// The challenge.
    pub challenge: Challenge,
}

/// An audit to carry out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditWork {
    /// Number of the lease.
    pub lease: u64,
    /// Until when the report is waited for.
    pub until: Stamp,
    /// Where the node is, with leave to ask it; its index says nothing.
    pub target: Slot,
    /// The challenge.
    pub challenge: Challenge,
    /// Code and sealed bytes of each pick's segment, in order: what a slice is judged by beside the commitment.
    pub layouts: Vec<(Scheme, u64)>,
    /// Longest time for the whole answer.
    pub deadline_ms: u32,
}

/// What came of an audit. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditOutcome {
    /// The node answered in time, by its own signature.
    Answered {
        /// Of each slice its hash, [`crate::signed::audit::NOT_HELD`] where the node says that it lacks the piece.
        slices: Vec<[u8; 32]>,
        /// The node's signature, 64 bytes.
        signature: Vec<u8>,
        /// Slices that prove nothing: which, and the bytes; at most [`crate::limits::AUDIT_WRONG_MAX`].
        wrong: Vec<(u16, Vec<u8>)>,
    },
    /// It did not answer in time, or not so that the answer could be read.
    Silent(String),
}

impl AuditOutcome {
    /// Sorts the frames a node answered to a challenge of `count` picks; `proves` says whether bytes prove the pick at a place. With it
    /// the bytes that did, which are what the node is paid for: none of an answer that is not whole.
    pub fn of(count: usize, frames: &[Vec<u8>], proves: impl Fn(usize, &[u8]) -> bool) -> (Self, u64) {
        let silent = |why: String| (Self::Silent(why), 0);
        let (mut slices, mut wrong, mut signature) = (Vec::with_capacity(count), Vec::new(), Vec::new());
        let mut proved = 0u64;
        for frame in frames {
            match crate::decode(frame, AUDIT_FRAME_MAX) {
                Err(_) => return silent("the answer cannot be read".to_owned()),
                Ok(PieceAnswer::Slice(bytes)) if slices.len() < count => {
                    let at = slices.len();
                    slices.push(if bytes.is_empty() { NOT_HELD } else { slice_hash(&bytes) });
                    if bytes.is_empty() {
                        continue;
                    }
                    if proves(at, &bytes) {
                        proved = proved.saturating_add(bytes.len() as u64);
                    } else if wrong.len() < AUDIT_WRONG_MAX {
                        wrong.push((u16::try_from(at).unwrap_or(u16::MAX), bytes));
                    }
                }
                Ok(PieceAnswer::Signed(bytes)) => signature = bytes,
                Ok(PieceAnswer::Refused(refusal)) => return silent(refusal.id.to_string()),
                Ok(_) => return silent("something else was answered".to_owned()),
            }
        }
        if slices.len() < count || signature.is_empty() {
            return silent("the answer was cut".to_owned());
        }
        (Self::Answered { slices, signature, wrong }, proved)
    }
}

/// An auditor's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditDone {
    /// The lease.
    pub lease: u64,
    /// Milliseconds from asking to the last byte.
    pub took_ms: u32,
    /// What came of it.
    pub outcome: AuditOutcome,
    /// The auditor's signature over challenge, time and outcome, 64 bytes.
    pub signature: Vec<u8>,
}

impl AuditDone {
    /// What is signed.
    pub fn report(challenge: [u8; 32], took_ms: u32, outcome: &AuditOutcome) -> AuditReport {
        AuditReport { challenge, took_ms, outcome: *blake3::hash(&crate::encode(outcome)).as_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RefusalMsg;

    fn frames(answers: &[PieceAnswer]) -> Vec<Vec<u8>> {
        answers.iter().map(crate::encode).collect()
    }

    #[test]
    fn only_bytes_that_prove_something_are_paid_for_and_none_of_an_answer_that_is_not_whole() {
        let slices = [vec![1; 100], vec![2; 50], Vec::new(), vec![3; 7]].map(PieceAnswer::Slice);
        let signed = PieceAnswer::Signed(vec![9; 4]);
        let whole = frames(&[&slices[..], std::slice::from_ref(&signed)].concat());
        let proves = |at: usize, bytes: &[u8]| at != 1 && !bytes.is_empty();
        let (outcome, proved) = AuditOutcome::of(4, &whole, proves);
        let AuditOutcome::Answered { slices: hashes, wrong, .. } = outcome else { panic!("it is whole") };
        assert_eq!(
            (proved, hashes[2], wrong),
            (107, NOT_HELD, vec![(1, vec![2; 50])]),
            "neither the wrong nor the missing one"
        );
        assert_eq!(AuditOutcome::of(4, &whole, |_, _| false).1, 0);
        let refused = PieceAnswer::Refused(RefusalMsg::new::<0>(model::errors::NOT_LENDING, []));
        for cut in
            [frames(&slices), frames(&[slices[0].clone(), refused]), vec![whole[0].clone(), vec![0xff; 9]], Vec::new()]
        {
            let (outcome, proved) = AuditOutcome::of(4, &cut, proves);
            assert!(matches!(outcome, AuditOutcome::Silent(_)) && proved == 0, "{outcome:?}");
        }
    }
}
