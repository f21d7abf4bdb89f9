//! Which nodes sign a daily root (`docs/design/ledger.md` §11).
//!
//! (A) Who is drawn follows from the root and the node alone: a center cannot choose who signs, and cannot know it before the root is
//! made. (B) Of many vetted nodes about [`DRAWN`] are drawn, so that some of them are on; of few, all.

use super::chain::Hash;
use model::NodeId;

/// Signatures of different owners' nodes that a root shall have.
pub const ENOUGH: usize = 3;
/// Signatures under a root that are kept at most.
pub const KEPT_MAX: usize = 8;
/// Nodes that are drawn.
pub const DRAWN: u64 = 24;

/// (A, B) Whether a node is drawn for a root, of so many that are vetted.
pub fn is_drawn(root: &Hash, node: &NodeId, vetted: u64) -> bool {
    let hash = blake3::Hasher::new_derive_key("pumasi v1 cosign").update(root).update(&node.0).finalize();
    let draw = hash.as_bytes().first_chunk().map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes));
    // A number below 2^64 × drawn / vetted.
    u128::from(draw).saturating_mul(vetted.into()) < u128::from(DRAWN).saturating_mul(1 << 64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]
    use super::*;

    fn drawn(root: u8, vetted: u64) -> Vec<u64> {
        let node = |n: u64| NodeId(*blake3::hash(&n.to_le_bytes()).as_bytes());
        (0..vetted).filter(|n| is_drawn(&[root; 32], &node(*n), vetted)).collect()
    }

    #[test]
    fn of_few_all_sign_and_of_many_about_so_many() {
        for few in [0, 1, 5, DRAWN] {
            assert_eq!(drawn(1, few).len() as u64, few, "(B)");
        }
        let mut least = u64::MAX;
        for root in 0..40 {
            let count = drawn(root, 5_000).len() as u64;
            assert!(count < 3 * DRAWN, "(B) {count}");
            least = least.min(count);
        }
        assert!(least as usize > 2 * ENOUGH, "(B) {least}");
    }

    #[test]
    fn another_root_draws_others() {
        let (one, other) = (drawn(1, 5_000), drawn(2, 5_000));
        let both = one.iter().filter(|n| other.contains(n)).count();
        assert!(both < one.len() / 2, "(A) {both} of {}", one.len());
    }
}
