//! Hash trees: piece root, segment root, segment id, and proofs of a piece and of a 16 KiB slice (`docs/design/storage.md` §4).
//!
//! Piece root = BLAKE3 of the piece; BLAKE3 is a tree itself, so groups of 16 KiB are its subtrees and a slice is proved by the
//! subtrees beside its way to the root. Segment root = binary Merkle root over the roots of all `n_max` pieces, leaves
//! and inner nodes told apart by their key, an odd node carried up. `SegmentId` is the hash of that root and of the layout.

use crate::Layout;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use model::SegmentId;

/// Bytes of a group: the smallest range that can be judged.
pub const GROUP_LEN: usize = 16 << 10;
/// Most hashes in a path of either tree: 2⁸ pieces; 2³² groups.
pub const PATH_MAX: usize = 40;

const LEAF: &str = "pumasi v1 piece leaf";
const INNER: &str = "pumasi v1 piece node";

/// Root of a piece.
pub fn piece_root(piece: &[u8]) -> [u8; 32] {
    *blake3::hash(piece).as_bytes()
}

/// Roots of all possible pieces, the root over them, and the id that commits to all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRoots {
    /// By index, `n_max` of them.
    pub pieces: Vec<[u8; 32]>,
    /// Over all of them.
    pub root: [u8; 32],
    /// The commitment.
    pub id: SegmentId,
}

impl SegmentRoots {
    /// From the roots of all pieces.
    pub fn of(layout: &Layout, pieces: Vec<[u8; 32]>) -> Self {
        let root = *levels(&pieces).last().and_then(|top| top.first()).expect("a scheme has at least one piece");
        Self { id: segment_id(layout, &root), pieces, root }
    }

    /// Hashes beside the way from piece `index` to the root, lowest first.
    pub fn path(&self, index: u16) -> Vec<[u8; 32]> {
        let mut at = usize::from(index);
        let mut path = Vec::new();
        for level in levels(&self.pieces) {
            if let Some(beside) = level.get(at ^ 1) {
                path.push(*beside);
            }
            at /= 2;
        }
        path
    }
}

/// All levels of the tree, leaves first, the root alone at the end.
fn levels(pieces: &[[u8; 32]]) -> Vec<Vec<[u8; 32]>> {
    let mut level: Vec<[u8; 32]> = pieces.iter().map(leaf).collect();
    let mut all = vec![level.clone()];
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| if let [a, b] = pair { inner(a, b) } else { pair[0] }).collect();
        all.push(level.clone());
    }
    all
}

fn leaf(root: &[u8; 32]) -> [u8; 32] {
    blake3::derive_key(LEAF, root)
}

fn inner(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(INNER);
    *hasher.update(left).update(right).finalize().as_bytes()
}

/// `H("pumasi segment v1" ‖ root ‖ sealed_bytes u64 ‖ cell u32 ‖ k u16 ‖ n_max u16)`.
pub fn segment_id(layout: &Layout, root: &[u8; 32]) -> SegmentId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"pumasi segment v1").update(root);
    hasher.update(&layout.sealed_bytes.to_le_bytes()).update(&layout.cell.to_le_bytes());
    hasher.update(&layout.scheme.k.to_le_bytes()).update(&layout.scheme.n_max.to_le_bytes());
    SegmentId(*hasher.finalize().as_bytes())
}

/// True when a piece with this root stands at `index` of the segment: its path leads to `root`, and `root` to the id.
pub fn verify_path(
    id: &SegmentId,
    layout: &Layout,
    root: &[u8; 32],
    index: u16,
    piece: &[u8; 32],
    path: &[[u8; 32]],
) -> bool {
    if index >= layout.scheme.n_max || segment_id(layout, root) != *id {
        return false;
    }
    let (mut at, mut width, mut hash) = (usize::from(index), usize::from(layout.scheme.n_max), leaf(piece));
    let mut path = path.iter();
    while width > 1 {
        if at ^ 1 < width {
            let Some(beside) = path.next() else { return false };
            hash = if at.is_multiple_of(2) { inner(&hash, beside) } else { inner(beside, &hash) };
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    path.next().is_none() && hash == *root
}

/// One group of a piece with the subtrees beside its way to the piece's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceProof {
    /// Number of the group.
    pub group: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Subtrees beside the way, lowest first.
    pub path: Vec<[u8; 32]>,
}

impl SliceProof {
    /// The proof of group `group` of `piece`; nothing beyond its end.
    pub fn of(piece: &[u8], group: u64) -> Option<Self> {
        let start = usize::try_from(group).ok()?.checked_mul(GROUP_LEN)?;
        let count = group_count(piece.len() as u64);
        if group >= count {
            return None;
        }
        let bytes = piece[start..piece.len().min(start + GROUP_LEN)].to_vec();
        let hashes: Vec<[u8; 32]> = piece.chunks(GROUP_LEN).zip(0..).map(|(g, at)| group_hash(g, at, count)).collect();
        let mut path = Vec::new();
        beside(&hashes, usize::try_from(group).ok()?, &mut path);
        Some(Self { group, bytes, path })
    }

    /// True when these are bytes of the piece of `piece_len` bytes with this root.
    pub fn verify(&self, piece_root: &[u8; 32], piece_len: u64) -> bool {
        let count = group_count(piece_len);
        if self.group >= count {
            return false;
        }
        let wanted = (piece_len - (self.group * GROUP_LEN as u64).min(piece_len)).min(GROUP_LEN as u64);
        if self.bytes.len() as u64 != wanted || self.path.len() > PATH_MAX {
            return false;
        }
        let hash = group_hash(&self.bytes, self.group, count);
        if count == 1 {
            return self.path.is_empty() && hash == *piece_root;
        }
        climb(hash, self.group, count, &self.path, true) == Some(*piece_root)
    }
}

/// Groups of a piece of `len` bytes; at least one.
pub fn group_count(len: u64) -> u64 {
    len.div_ceil(GROUP_LEN as u64).max(1)
}

fn group_hash(group: &[u8], at: u64, count: u64) -> [u8; 32] {
    if count == 1 {
        return piece_root(group);
    }
    blake3::Hasher::new().set_input_offset(at * GROUP_LEN as u64).update(group).finalize_non_root()
}

/// Largest power of two below `count`, which is at least 2 (BLAKE3 paper §2.1).
fn left_len(count: u64) -> u64 {
    count.next_power_of_two() / 2
}

fn subtree(hashes: &[[u8; 32]]) -> [u8; 32] {
    match hashes {
        [one] => *one,
        many => {
            let (left, right) = many.split_at(usize::try_from(left_len(many.len() as u64)).unwrap_or(1));
            merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
        }
    }
}

fn beside(hashes: &[[u8; 32]], at: usize, path: &mut Vec<[u8; 32]>) {
    if hashes.len() <= 1 {
        return;
    }
    let (left, right) = hashes.split_at(usize::try_from(left_len(hashes.len() as u64)).unwrap_or(1));
    if at < left.len() {
        beside(left, at, path);
        path.push(subtree(right));
    } else {
        beside(right, at - left.len(), path);
        path.push(subtree(left));
    }
}

/// From a group's hash up to the root of `count` groups; nothing when the path has another length.
fn climb(hash: [u8; 32], at: u64, count: u64, path: &[[u8; 32]], is_root: bool) -> Option<[u8; 32]> {
    if count == 1 {
        return path.is_empty().then_some(hash);
    }
    let (beside, below) = path.split_last()?;
    let left = left_len(count);
    let (a, b) = if at < left {
        (climb(hash, at, left, below, false)?, *beside)
    } else {
        (*beside, climb(hash, at - left, count - left, below, false)?)
    };
    Some(if is_root {
        *merge_subtrees_root(&a, &b, Mode::Hash).as_bytes()
    } else {
        merge_subtrees_non_root(&a, &b, Mode::Hash)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Scheme;

    fn layout() -> Layout {
        Layout::new(Scheme::circle(11, 11).unwrap(), 200_000).unwrap()
    }

    fn roots() -> SegmentRoots {
        SegmentRoots::of(&layout(), (0..16u8).map(|i| [i; 32]).collect())
    }

    #[test]
    fn every_piece_proves_its_place_and_no_other() {
        let r = roots();
        for index in 0..16u16 {
            let path = r.path(index);
            let piece = &r.pieces[usize::from(index)];
            assert!(verify_path(&r.id, &layout(), &r.root, index, piece, &path), "{index}");
            assert!(!verify_path(&r.id, &layout(), &r.root, index ^ 1, piece, &path));
            assert!(!verify_path(&r.id, &layout(), &r.root, index, &[99; 32], &path));
            assert!(!verify_path(&r.id, &layout(), &r.root, index, piece, &path[1..]));
        }
        assert!(!verify_path(&r.id, &layout(), &r.root, 16, &r.pieces[0], &r.path(0)));
    }

    #[test]
    fn the_id_commits_to_the_layout() {
        let r = roots();
        let other = Layout { sealed_bytes: 200_001, ..layout() };
        assert!(!verify_path(&r.id, &other, &r.root, 0, &r.pieces[0], &r.path(0)));
        assert_ne!(segment_id(&other, &r.root), r.id);
    }

    #[test]
    fn the_id_is_locked() {
        assert_eq!(roots().id.to_string(), include_str!("../tests/golden/segment_id.txt").trim());
    }

    #[test]
    fn slices_prove_themselves_at_every_size_and_a_changed_bit_is_found() {
        for len in [1, 1_000, GROUP_LEN, GROUP_LEN + 1, 3 * GROUP_LEN, 7 * GROUP_LEN + 5] {
            let piece: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
            let root = piece_root(&piece);
            for group in 0..group_count(len as u64) {
                let proof = SliceProof::of(&piece, group).unwrap();
                assert!(proof.verify(&root, len as u64), "{len} {group}");
                let mut bad = proof.clone();
                bad.bytes[0] ^= 1;
                assert!(!bad.verify(&root, len as u64));
                assert!(!SliceProof { group: group + 1, ..proof.clone() }.verify(&root, len as u64));
                // The last group also proves the length.
                assert!(group + 1 < group_count(len as u64) || !proof.verify(&root, len as u64 + 1));
            }
            assert_eq!(SliceProof::of(&piece, group_count(len as u64)), None);
        }
    }
}
