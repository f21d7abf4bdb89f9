//! A node's batch: what payers signed for in one window, to be settled (`docs/design/ledger.md` §5); and what a session says to the
//! center's relay, which keeps such receipts itself.
//!
//! (A) One batch for a (node, window). (B) A batch travels whole: every receipt it counts, with the permit it is under. Where more
//! receipts were signed than [`crate::limits::SETTLE_RECEIPTS_MAX`], those with the most units are in it; a batch of which only drawn
//! receipts are shown (the sum tree of `rules::ledger`) is not on the wire yet.

use model::{AccountNo, NodeId, Resource};
use serde::{Deserialize, Serialize};

/// What a node claims for one window.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SettleBatch {
    /// Number of the 6 h window since the epoch, UTC.
    pub window: u32,
    /// Sums by payer and resource, in that order, each once.
    pub totals: Vec<SettleTotal>,
    /// All receipts behind them, by serial; those under free permits are left out.
    pub receipts: Vec<SettleReceipt>,
}

/// What is claimed of one payer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleTotal {
    /// Who pays.
    pub payer: AccountNo,
    /// For what.
    pub resource: Resource,
    /// How much.
    pub units: u64,
}

/// A receipt and its permit, as they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleReceipt {
    /// 224 bytes.
    pub permit: Vec<u8>,
    /// 144 bytes.
    pub receipt: Vec<u8>,
}

/// A batch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Its number at the center.
    pub batch: u64,
    /// It counted before already.
    pub is_known: bool,
}

/// A session asks for leave to use the center's relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayAsk {
    /// Key of the endpoint whose links go over it, and that signs for what they move.
    pub session: NodeId,
    /// For about so many bytes.
    pub units: u64,
}

impl SettleBatch {
    /// Hash of the whole: the same batch again is known by it.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"pumasi v1 settle batch").update(&crate::encode(self));
        *hasher.finalize().as_bytes()
    }
}
