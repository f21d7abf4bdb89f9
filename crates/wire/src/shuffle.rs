//! Messages of a shuffle (`docs/design/compute.md` §9): a mapper's blocks go from node to node, under leases; the center tells who
//! made and who holds what, and sees none of it.

use crate::addr::PeerAddr;
use crate::envelope::RefusalMsg;
use model::NodeId;
use serde::{Deserialize, Serialize};

/// A block of a map item as it travels: what it is, what proves that, and how many sealed bytes follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockHead {
    /// Its part.
    pub part: u32,
    /// Bytes of its records.
    pub size: u64,
    /// BLAKE3 of its records.
    pub hash: [u8; 32],
    /// Bytes that it takes packed and sealed.
    pub sealed: u64,
    /// From it to the root that its map item's result commits to, lowest first; at most 12.
    pub path: Vec<[u8; 32]>,
}

/// A mapper hands blocks of one of its items to who holds their parts. Their sealed bytes follow in order; answered by
/// [`BlockAnswer::Kept`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBlocks {
    /// The mapper's lease.
    pub lease: Vec<u8>,
    /// Its permit.
    pub permit: Vec<u8>,
    /// Which item.
    pub item: u32,
    /// Who holds blocks, as the center told with the lease, those without an address left out: the lease names them by hash.
    pub holders: Vec<NodeId>,
    /// At most [`crate::limits::BLOCKS_PUT_MAX`], parts ascending.
    pub heads: Vec<BlockHead>,
}

/// A reducer asks for the blocks of its part. Answered by one [`BlockAnswer`] for each, in order, with the sealed bytes behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetBlocks {
    /// The reducer's lease.
    pub lease: Vec<u8>,
    /// Its permit.
    pub permit: Vec<u8>,
    /// Stage of the map items.
    pub stage: u8,
    /// The part: an item of the lease.
    pub part: u32,
    /// Map items and their attempts, at most [`crate::limits::BLOCKS_GET_MAX`].
    pub of: Vec<(u32, u64)>,
}

/// Answer of who holds blocks. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockAnswer {
    /// They are kept.
    Kept,
    /// This block; its bytes follow.
    Block(BlockHead),
    /// It is not here.
    Missing,
    /// No.
    Refused(RefusalMsg),
}

/// A map item's accepted attempt, for who merges its blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlocksOf {
    /// Its number.
    pub item: u32,
    /// The attempt.
    pub serial: u64,
    /// Its result: commits to its blocks.
    pub hash: [u8; 32],
    /// Place of its maker in [`BlocksPage::makers`]; [`NO_MAKER`] where that is not known or not there.
    pub maker: u16,
}

/// A maker that is not told.
pub const NO_MAKER: u16 = u16::MAX;

/// Where the blocks of a stage lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlocksPage {
    /// Who holds parts: part `p` lies with `p` modulo their number. None where blocks were stored instead. A holder that is not
    /// there has no address.
    pub holders: Vec<Option<PeerAddr>>,
    /// Who made them, as far as they are there.
    pub makers: Vec<PeerAddr>,
    /// Map items in order.
    pub items: Vec<BlocksOf>,
    /// More follow.
    pub more: bool,
}
