//! The group tree of a piece: BLAKE3 cut at groups of 16 KiB, so that a range can be judged without the rest
//! (`docs/design/storage.md` §4).
//!
//! BLAKE3 is a tree itself; groups are its subtrees. The root over the groups equals `blake3::hash` of the whole piece. A
//! piece of one group has that hash as its only group hash. What is kept beside a piece is the row of its group hashes:
//! everything above them is made from them when it is asked for.

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Bytes of a group: the smallest range that can be judged.
pub const GROUP_LEN: usize = 16 << 10;
/// Most hashes in a proof of one group: a piece has at most 2³² groups.
pub const PATH_MAX: usize = 32;

/// Root of a piece.
pub fn piece_root(piece: &[u8]) -> [u8; 32] {
    *blake3::hash(piece).as_bytes()
}

/// Groups of a piece of `len` bytes; at least one.
pub const fn group_count(len: u64) -> u64 {
    if len == 0 { 1 } else { len.div_ceil(GROUP_LEN as u64) }
}

/// Bytes of group `at` of a piece of `piece_len` bytes; zero beyond its end.
pub fn group_len(at: u64, piece_len: u64) -> usize {
    let left = piece_len.saturating_sub(at.saturating_mul(GROUP_LEN as u64)).min(GROUP_LEN as u64);
    usize::try_from(left).expect("a group fits memory")
}

/// Hash of group `at` of a piece with `count` groups.
pub fn group_hash(group: &[u8], at: u64, count: u64) -> [u8; 32] {
    if count == 1 {
        return piece_root(group);
    }
    blake3::Hasher::new().set_input_offset(at * GROUP_LEN as u64).update(group).finalize_non_root()
}

/// Hashes of all groups of a piece, in order.
pub fn group_hashes(piece: &[u8]) -> Vec<[u8; 32]> {
    let count = group_count(piece.len() as u64);
    if count == 1 {
        return vec![piece_root(piece)];
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
            Some(merge(&subtree(left), &subtree(right), true))
        }
    }
}

/// Subtrees beside the way from group `at` to the root, lowest first; nothing beyond the last group.
pub fn group_path(groups: &[[u8; 32]], at: u64) -> Option<Vec<[u8; 32]>> {
    let at = usize::try_from(at).ok().filter(|at| *at < groups.len())?;
    let mut path = Vec::new();
    beside(groups, at, &mut path);
    Some(path)
}

/// The root that group `at` of `count` with this hash leads to by `path`; nothing when the path has another length.
pub fn root_by_path(hash: [u8; 32], at: u64, count: u64, path: &[[u8; 32]]) -> Option<[u8; 32]> {
    if at >= count || path.len() > PATH_MAX {
        return None;
    }
    climb(hash, at, count, path, true)
}

/// Subtrees that, with the hashes of groups `first..end`, lead to the root: what proves a range. In the order of the piece;
/// nothing when the range is empty or passes the end.
pub fn range_path(groups: &[[u8; 32]], first: u64, end: u64) -> Option<Vec<[u8; 32]>> {
    if first >= end || end > groups.len() as u64 {
        return None;
    }
    let mut path = Vec::new();
    outside(groups, 0, first, end, &mut path);
    Some(path)
}

/// The root that the hashes of groups `first..` of `count` lead to by `path`; nothing when a number does not fit.
pub fn root_by_range(inside: &[[u8; 32]], first: u64, count: u64, path: &[[u8; 32]]) -> Option<[u8; 32]> {
    let end = first.checked_add(inside.len() as u64).filter(|end| *end <= count)?;
    if inside.is_empty() || path.len() > 2 * PATH_MAX {
        return None;
    }
    let mut way = Way { first, end, inside: inside.iter(), path: path.iter() };
    let root = way.root(0, count, true)?;
    (way.inside.next().is_none() && way.path.next().is_none()).then_some(root)
}

/// Hashes of a range proof, taken from the left.
struct Way<'a> {
    first: u64,
    end: u64,
    inside: std::slice::Iter<'a, [u8; 32]>,
    path: std::slice::Iter<'a, [u8; 32]>,
}

impl Way<'_> {
    fn root(&mut self, from: u64, count: u64, is_root: bool) -> Option<[u8; 32]> {
        if from + count <= self.first || from >= self.end {
            return self.path.next().copied();
        }
        if count == 1 {
            return self.inside.next().copied();
        }
        let left = left_of(count);
        let (a, b) = (self.root(from, left, false)?, self.root(from + left, count - left, false)?);
        Some(merge(&a, &b, is_root))
    }
}

fn outside(groups: &[[u8; 32]], from: u64, first: u64, end: u64, path: &mut Vec<[u8; 32]>) {
    let count = groups.len() as u64;
    if from + count <= first || from >= end {
        path.push(subtree(groups));
    } else if groups.len() > 1 {
        let (left, right) = groups.split_at(left_len(groups.len()));
        outside(left, from, first, end, path);
        outside(right, from + left.len() as u64, first, end, path);
    }
}

fn merge(left: &[u8; 32], right: &[u8; 32], is_root: bool) -> [u8; 32] {
    if is_root {
        *merge_subtrees_root(left, right, Mode::Hash).as_bytes()
    } else {
        merge_subtrees_non_root(left, right, Mode::Hash)
    }
}

/// Largest power of two below `count`, which is at least 2 (BLAKE3 paper §2.1).
const fn left_of(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

fn left_len(count: usize) -> usize {
    usize::try_from(left_of(count as u64)).expect("less than a length in memory")
}

fn subtree(groups: &[[u8; 32]]) -> [u8; 32] {
    match groups {
        [one] => *one,
        many => {
            let (left, right) = many.split_at(left_len(many.len()));
            merge(&subtree(left), &subtree(right), false)
        }
    }
}

fn beside(groups: &[[u8; 32]], at: usize, path: &mut Vec<[u8; 32]>) {
    if groups.len() <= 1 {
        return;
    }
    let (left, right) = groups.split_at(left_len(groups.len()));
    if at < left.len() {
        beside(left, at, path);
        path.push(subtree(right));
    } else {
        beside(right, at - left.len(), path);
        path.push(subtree(left));
    }
}

fn climb(hash: [u8; 32], at: u64, count: u64, path: &[[u8; 32]], is_root: bool) -> Option<[u8; 32]> {
    if count == 1 {
        return path.is_empty().then_some(hash);
    }
    let (beside, below) = path.split_last()?;
    let left = left_of(count);
    let (a, b) = if at < left {
        (climb(hash, at, left, below, false)?, *beside)
    } else {
        (*beside, climb(hash, at - left, count - left, below, false)?)
    };
    Some(merge(&a, &b, is_root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 % 251) as u8).collect()
    }

    #[test]
    fn the_root_over_groups_is_the_hash_of_the_piece() {
        for len in [0, 1, 1024, GROUP_LEN - 1, GROUP_LEN, GROUP_LEN + 1, 3 * GROUP_LEN, 7 * GROUP_LEN + 5, 1 << 20] {
            let piece = piece(len);
            let groups = group_hashes(&piece);
            assert_eq!(groups.len() as u64, group_count(len as u64), "{len}");
            assert_eq!(root_of_groups(&groups), Some(piece_root(&piece)), "{len}");
        }
        assert_eq!(root_of_groups(&[]), None);
    }

    #[test]
    fn every_group_leads_to_the_root_by_its_own_path_only() {
        for count in 1..20u64 {
            let groups = group_hashes(&piece(usize::try_from(count).unwrap() * GROUP_LEN - 7));
            let root = root_of_groups(&groups);
            for (hash, at) in groups.iter().zip(0..) {
                let path = group_path(&groups, at).unwrap();
                assert_eq!(root_by_path(*hash, at, count, &path), root);
                assert_eq!(root_by_path(*hash, count, count, &path), None);
                if count > 1 {
                    assert_ne!(root_by_path(*hash, at ^ 1, count, &path), root);
                    assert_eq!(root_by_path(*hash, at, count, &path[1..]), None);
                }
            }
            assert_eq!(group_path(&groups, count), None);
        }
    }

    #[test]
    fn every_range_of_groups_leads_to_the_root() {
        for count in 1..20u64 {
            let groups = group_hashes(&piece(usize::try_from(count).unwrap() * GROUP_LEN));
            let root = root_of_groups(&groups);
            for first in 0..count {
                for end in first + 1..=count {
                    let inside = &groups[usize::try_from(first).unwrap()..usize::try_from(end).unwrap()];
                    let path = range_path(&groups, first, end).unwrap();
                    assert_eq!(root_by_range(inside, first, count, &path), root, "{first}..{end} of {count}");
                    let mut longer = path.clone();
                    longer.push([0; 32]);
                    assert_eq!(root_by_range(inside, first, count, &longer), None);
                    assert_ne!(root_by_range(inside, first + 1, count, &path), root);
                }
            }
            assert_eq!(range_path(&groups, 0, count + 1), None);
            assert_eq!(range_path(&groups, 0, 0), None);
        }
    }
}
