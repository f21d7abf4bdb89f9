//! Messages of a fill test: a steward fetches seeds from the center, makes their pieces and sends them to a node that is tested,
//! and tells the node's receipts (`docs/design/fleet.md` §6).

use super::Slot;
use model::Stamp;
use serde::{Deserialize, Serialize};

/// A piece to be made and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillSeed {
    /// Its number in the test.
    pub number: u32,
    /// What it is made from.
    pub seed: [u8; 32],
}

/// Data of a fill test to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillWork {
    /// Number of the lease.
    pub lease: u64,
    /// Until when receipts are waited for.
    pub until: Stamp,
    /// Where the node is, with leave to write these pieces.
    pub target: Slot,
    /// Pieces, at most [`crate::limits::FILL_PIECES_MAX`].
    pub pieces: Vec<FillSeed>,
}

/// What the node took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillDone {
    /// The lease.
    pub lease: u64,
    /// Of each piece it took: number and the node's receipt, 176 bytes.
    pub receipts: Vec<(u32, Vec<u8>)>,
}
