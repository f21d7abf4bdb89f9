//! Segment root, segment id, and the proof that a piece belongs to a segment (`docs/design/storage.md` §4).
//!
//! Segment root = binary Merkle root over the roots of all `n_max` pieces, leaves and inner nodes told apart by their key, an
//! odd node carried up. [`SegmentId`] is the hash of that root and of the layout: 32 bytes judge any piece from anybody.

use crate::bytes::Reader;
use crate::merkle::{climb, levels, path_in};
use crate::{CodecError, KnownPiece, Layout};
use model::SegmentId;

/// Most hashes from a piece root to its segment root: 160 pieces at most.
pub const PIECE_PATH_MAX: usize = 8;

const LEAF: &str = "pumasi v1 piece leaf";

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
        let root =
            *levels(leaves(&pieces)).last().and_then(|top| top.first()).expect("a scheme has at least one piece");
        Self { id: segment_id(layout, &root), pieces, root }
    }

    /// Hashes beside the way from piece `index` to the root, lowest first.
    pub fn path(&self, index: u16) -> Vec<[u8; 32]> {
        path_in(&levels(leaves(&self.pieces)), usize::from(index))
    }

    /// Proof of one piece.
    pub fn proof(&self, index: u16) -> PieceProof {
        let (segment_root, piece_root) = (self.root, self.pieces[usize::from(index)]);
        PieceProof { index, segment_root, piece_root, path: self.path(index) }
    }

    /// Proofs of all pieces, by index: what every holder keeps with its piece.
    pub fn proofs(&self) -> Vec<PieceProof> {
        let levels = levels(leaves(&self.pieces));
        let proof = |(root, index): (&[u8; 32], u16)| PieceProof {
            index,
            segment_root: self.root,
            piece_root: *root,
            path: path_in(&levels, usize::from(index)),
        };
        self.pieces.iter().zip(0..).map(proof).collect()
    }
}

fn leaves(pieces: &[[u8; 32]]) -> Vec<[u8; 32]> {
    pieces.iter().map(leaf).collect()
}

fn leaf(root: &[u8; 32]) -> [u8; 32] {
    blake3::derive_key(LEAF, root)
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
    climb(leaf(piece), usize::from(index), usize::from(layout.scheme.n_max), path) == Some(*root)
}

/// What a holder shows first: the root of its piece and the way from there to the segment's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceProof {
    /// Index of the piece.
    pub index: u16,
    /// Root over all piece roots.
    pub segment_root: [u8; 32],
    /// Root of the piece.
    pub piece_root: [u8; 32],
    /// From the piece's root to the segment's, lowest first.
    pub path: Vec<[u8; 32]>,
}

impl PieceProof {
    /// The piece as one whose root is known to be the committed one.
    ///
    /// # Errors
    /// [`CodecError::WrongRoot`] when it does not lead to the id.
    pub fn prove(&self, id: &SegmentId, layout: &Layout) -> Result<KnownPiece, CodecError> {
        if verify_path(id, layout, &self.segment_root, self.index, &self.piece_root, &self.path) {
            Ok(KnownPiece::proved(self.index, self.piece_root, layout.piece_len()))
        } else {
            Err(CodecError::WrongRoot { index: self.index })
        }
    }

    /// `index u16 ‖ hashes u8 ‖ segment root 32 ‖ piece root 32 ‖ path`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u8::try_from(self.path.len()).expect("a path has few hashes");
        let mut out = Vec::with_capacity(67 + 32 * self.path.len());
        out.extend_from_slice(&self.index.to_le_bytes());
        out.push(count);
        out.extend_from_slice(&self.segment_root);
        out.extend_from_slice(&self.piece_root);
        out.extend(self.path.iter().flatten());
        out
    }

    /// Reads [`Self::to_bytes`]; all bytes must be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, "proof of a piece");
        let proof = Self::read(&mut reader)?;
        reader.end()?;
        Ok(proof)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let index = reader.u16()?;
        let count = usize::from(reader.u8()?);
        let (segment_root, piece_root) = (reader.array()?, reader.array()?);
        let path = reader.hashes(count, PIECE_PATH_MAX)?;
        Ok(Self { index, segment_root, piece_root, path })
    }
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
        for proof in r.proofs() {
            let PieceProof { index, piece_root, path, .. } = &proof;
            assert_eq!(*path, r.path(*index));
            assert_eq!(proof.prove(&r.id, &layout()).unwrap().root(), piece_root);
            assert_eq!(PieceProof::parse(&proof.to_bytes()), Ok(proof.clone()));
            assert!(!verify_path(&r.id, &layout(), &r.root, index ^ 1, piece_root, path));
            assert!(!verify_path(&r.id, &layout(), &r.root, *index, &[99; 32], path));
            assert!(!verify_path(&r.id, &layout(), &r.root, *index, piece_root, &path[1..]));
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
}
