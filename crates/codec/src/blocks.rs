//! What commits to a mapper's blocks: a hash tree over size and hash of each part's block, as it is before it is packed and sealed
//! (`docs/design/compute.md` §9).
//!
//! (A) One root of 32 bytes judges any block of a map item from anybody. (B) A block of another part, size or mapper does not pass.

use crate::merkle::{climb, levels, path_in};
use crate::records::PARTS_MAX;

/// Most hashes from a block to its root: [`PARTS_MAX`] parts.
pub const BLOCK_PATH_MAX: usize = 12;

const LEAF: &str = "pumasi v1 block leaf";

/// A block as it was made: bytes and their BLAKE3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHash {
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of them.
    pub hash: [u8; 32],
}

impl BlockHash {
    /// Of these bytes.
    pub fn of(content: &[u8]) -> Self {
        Self { size: content.len() as u64, hash: *blake3::hash(content).as_bytes() }
    }

    fn leaf(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(LEAF);
        *hasher.update(&self.size.to_le_bytes()).update(&self.hash).finalize().as_bytes()
    }

    /// The root that a path leads to from this block, as that of `part` of `parts`; none where there is no such path.
    pub fn root(&self, (part, parts): (u32, u32), path: &[[u8; 32]]) -> Option<[u8; 32]> {
        if part >= parts || parts > PARTS_MAX {
            return None;
        }
        climb(self.leaf(), part as usize, parts as usize, path)
    }
}

/// The tree over a map item's blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockTree(Vec<Vec<[u8; 32]>>);

impl BlockTree {
    /// Of all blocks of an item, by part; at least one.
    pub fn of(blocks: &[BlockHash]) -> Self {
        Self(levels(blocks.iter().map(BlockHash::leaf).collect()))
    }

    /// The commitment.
    pub fn root(&self) -> [u8; 32] {
        self.0.last().and_then(|top| top.first()).copied().unwrap_or_default()
    }

    /// The way from a part's block to the root.
    pub fn path(&self, part: u32) -> Vec<[u8; 32]> {
        path_in(&self.0, part as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_leads_to_the_root_and_no_other_does() {
        for parts in [1u32, 2, 3, 7, 64, 65] {
            let blocks: Vec<BlockHash> = (0..parts).map(|part| BlockHash::of(&part.to_le_bytes())).collect();
            let tree = BlockTree::of(&blocks);
            let leads = |block: &BlockHash, place, path: &[[u8; 32]]| block.root(place, path) == Some(tree.root());
            for (part, block) in (0..parts).zip(&blocks) {
                let path = tree.path(part);
                assert!(path.len() <= BLOCK_PATH_MAX);
                assert!(leads(block, (part, parts), &path), "(A) part {part} of {parts}");
                let longer = BlockHash { size: block.size + 1, ..*block };
                let others = [longer, BlockHash { hash: [9; 32], ..*block }];
                assert!(others.iter().all(|other| !leads(other, (part, parts), &path)), "(B)");
                assert!(!leads(block, (part, parts + 64), &path), "(B)");
                if parts > 1 {
                    assert!(!leads(block, ((part + 1) % parts, parts), &path), "(B)");
                    assert!(!leads(block, (part, parts), &path[1..]), "(B)");
                }
            }
        }
        assert_eq!(BlockHash::of(b"").root((0, 0), &[]), None);
    }

    #[test]
    fn the_longest_path_is_that_of_the_most_parts() {
        let blocks = vec![BlockHash::of(b"a"); PARTS_MAX as usize];
        let tree = BlockTree::of(&blocks);
        assert_eq!(tree.path(PARTS_MAX - 1).len(), BLOCK_PATH_MAX);
    }
}
