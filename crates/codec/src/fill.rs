//! Data of a fill test: pieces made from a secret seed, which whoever holds the seed can make again and nobody else
//! (`docs/design/fleet.md` §6).
//!
//! A piece is a segment of its own under a code of one piece, so that it is stored, proved and judged like any other. Its bytes
//! are BLAKE3 in extendable mode, keyed by the seed. (A) Same seed, same piece, on every machine. (B) Whoever does not know the
//! seed can make no byte of it: the piece must be stored.

use crate::tree::piece_root;
use crate::{Layout, PieceProof, SegmentRoots};
use model::{Scheme, SegmentId};

/// Bytes of a piece.
pub const PIECE_BYTES: u64 = 8 << 20;
/// Its code: one piece, which is the data.
pub const SCHEME: Scheme = Scheme { k: 1, m: 1, o: 1, slots: 1, n_max: 1, accept: 1 };

/// A piece with what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FillPiece {
    /// The commitment.
    pub id: SegmentId,
    /// From the piece to the commitment.
    pub proof: PieceProof,
    /// [`PIECE_BYTES`] of data.
    pub bytes: Vec<u8>,
}

/// How every piece of a fill test lies.
pub fn layout() -> Layout {
    Layout::new(SCHEME, PIECE_BYTES).expect("a sound code and a lawful size")
}

/// The piece of a seed.
pub fn make(seed: &[u8; 32]) -> FillPiece {
    let mut bytes = vec![0; usize::try_from(PIECE_BYTES).expect("a piece fits memory")];
    blake3::Hasher::new_keyed(seed).finalize_xof().fill(&mut bytes);
    let roots = SegmentRoots::of(&layout(), vec![piece_root(&bytes)]);
    let proof = roots.proofs().pop().expect("one piece");
    FillPiece { id: roots.id, proof, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Slice, SliceProof};

    #[test]
    fn a_piece_of_a_seed_is_always_the_same_and_proves_itself() {
        let piece = make(&[7; 32]);
        assert_eq!(piece, make(&[7; 32]), "(A)");
        assert_ne!(piece.id, make(&[8; 32]).id, "(B)");
        assert_eq!(piece.bytes.len() as u64, layout().piece_len());
        for group in [0, 100, 511] {
            let slice = Slice { piece: piece.proof.clone(), proof: SliceProof::of(&piece.bytes, group).unwrap() };
            assert!(crate::slice::proves(&slice.to_bytes(), &piece.id, &layout(), 0, group), "{group}");
            let mut wrong = slice;
            wrong.proof.bytes[9] ^= 1;
            assert!(!crate::slice::proves(&wrong.to_bytes(), &piece.id, &layout(), 0, group), "{group}");
        }
    }

    #[test]
    fn bytes_of_a_seed_are_locked() {
        let piece = make(&[1; 32]);
        let hash = blake3::hash(&piece.bytes).to_hex();
        assert_eq!(&hash[..16], "d57b08d4f7b95cc7", "stored fill data would not be known again");
        assert_eq!(piece.id.to_string(), "sxu4uutxvpvg2xiq6uwllh2i44mow4nngn7lxgfcub42x3unjyiwq");
    }
}
