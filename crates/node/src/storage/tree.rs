//! The group tree of a piece: BLAKE3 cut at 16 KiB groups, so that a range can be judged without the rest.
//!
//! The root equals `blake3::hash` of the whole piece. A piece of one group has that hash as its only group hash.

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Bytes of a group: the smallest range that can be judged.
pub const GROUP_LEN: usize = 16 * 1024;

/// Number of groups of a piece of `len` bytes; at least one.
pub(super) fn group_count(len: u64) -> u64 {
    len.div_ceil(GROUP_LEN as u64).max(1)
}

/// Hash of group `at` of a piece with `count` groups.
pub(super) fn group_hash(group: &[u8], at: u64, count: u64) -> [u8; 32] {
    if count == 1 {
        return *blake3::hash(group).as_bytes();
    }
    blake3::Hasher::new().set_input_offset(at * GROUP_LEN as u64).update(group).finalize_non_root()
}

/// Hashes of all groups of a piece, in order.
pub fn group_hashes(piece: &[u8]) -> Vec<[u8; 32]> {
    let count = group_count(piece.len() as u64);
    if count == 1 {
        return vec![group_hash(piece, 0, 1)];
    }
    piece.chunks(GROUP_LEN).zip(0..).map(|(group, at)| group_hash(group, at, count)).collect()
}

/// Root over group hashes: the piece root when they are those of [`group_hashes`]. None of no groups.
pub fn root_of_groups(groups: &[[u8; 32]]) -> Option<[u8; 32]> {
    match groups {
        [] => None,
        [one] => Some(*one),
        many => {
            let (left, right) = many.split_at(left_len(many.len()));
            Some(*merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash).as_bytes())
        }
    }
}

/// Root of a piece.
pub fn piece_root(piece: &[u8]) -> [u8; 32] {
    *blake3::hash(piece).as_bytes()
}

fn subtree(groups: &[[u8; 32]]) -> [u8; 32] {
    match groups {
        [one] => *one,
        many => {
            let (left, right) = many.split_at(left_len(many.len()));
            merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
        }
    }
}

/// Largest power of two below `count`, which is at least 2 (BLAKE3 paper §2.1).
fn left_len(count: usize) -> usize {
    count.next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_over_groups_is_the_hash_of_the_piece() {
        for len in [0, 1, 1024, GROUP_LEN - 1, GROUP_LEN, GROUP_LEN + 1, 3 * GROUP_LEN, 7 * GROUP_LEN + 5, 1 << 20] {
            let piece: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
            let groups = group_hashes(&piece);
            assert_eq!(groups.len() as u64, group_count(len as u64), "{len}");
            assert_eq!(root_of_groups(&groups), Some(piece_root(&piece)), "{len}");
        }
        assert_eq!(root_of_groups(&[]), None);
    }
}
