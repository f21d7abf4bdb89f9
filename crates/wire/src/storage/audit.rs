//! Messages of an audit: an auditor fetches a challenge from the center, puts it to the node, and tells what came of it.

use super::{PieceAnswer, Slot};
use crate::limits::AUDIT_WRONG_MAX;
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
/// one [`super::PieceAnswer::Signed`].
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
    /// Sorts what a node answered to a challenge of `count` picks; `proves` says whether bytes prove the pick at a place.
    pub fn of(count: usize, frames: Vec<PieceAnswer>, proves: impl Fn(usize, &[u8]) -> bool) -> Self {
        let (mut slices, mut wrong, mut signature) = (Vec::with_capacity(count), Vec::new(), Vec::new());
        for frame in frames {
            match frame {
                PieceAnswer::Slice(bytes) if slices.len() < count => {
                    let at = slices.len();
                    slices.push(if bytes.is_empty() { NOT_HELD } else { slice_hash(&bytes) });
                    if !bytes.is_empty() && !proves(at, &bytes) && wrong.len() < AUDIT_WRONG_MAX {
                        wrong.push((u16::try_from(at).unwrap_or(u16::MAX), bytes));
                    }
                }
                PieceAnswer::Signed(bytes) => signature = bytes,
                PieceAnswer::Refused(refusal) => return Self::Silent(refusal.id.to_string()),
                _ => return Self::Silent("something else was answered".to_owned()),
            }
        }
        if slices.len() < count || signature.is_empty() {
            return Self::Silent("the answer was cut".to_owned());
        }
        Self::Answered { slices, signature, wrong }
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
