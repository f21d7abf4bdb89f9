//! A slice: one group of a piece with what leads from it to the piece's root, and from there to the segment's id.
//!
//! This is what an audit asks for and a witness keeps of a wrong answer: ≈ 16.5 KiB, judged by 32 bytes and the layout.

use crate::bytes::Reader;
use crate::roots::PieceProof;
use crate::tree::{self, GROUP_LEN, PATH_MAX};
use crate::{CodecError, Layout};
use model::SegmentId;

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
    /// The proof of group `group` of `piece`; nothing beyond its end. Hashes the whole piece: a holder that keeps the group
    /// hashes calls [`Self::with`].
    pub fn of(piece: &[u8], group: u64) -> Option<Self> {
        let start = usize::try_from(group).ok()?.checked_mul(GROUP_LEN)?;
        let bytes = piece.get(start..piece.len().min(start.saturating_add(GROUP_LEN)))?;
        Self::with(&tree::group_hashes(piece), group, bytes.to_vec())
    }

    /// The proof of group `group`, whose bytes are `bytes`, from the hashes of all groups.
    pub fn with(groups: &[[u8; 32]], group: u64, bytes: Vec<u8>) -> Option<Self> {
        Some(Self { group, bytes, path: tree::group_path(groups, group)? })
    }

    /// True when these are bytes of the piece of `piece_len` bytes with this root.
    pub fn verify(&self, piece_root: &[u8; 32], piece_len: u64) -> bool {
        let count = tree::group_count(piece_len);
        if self.group >= count || self.bytes.len() != tree::group_len(self.group, piece_len) {
            return false;
        }
        let hash = tree::group_hash(&self.bytes, self.group, count);
        tree::root_by_path(hash, self.group, count, &self.path) == Some(*piece_root)
    }

    /// `group u32 ‖ length u16 ‖ hashes u8 ‖ bytes ‖ path`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(7 + self.bytes.len() + 32 * self.path.len());
        out.extend_from_slice(&u32::try_from(self.group).expect("a piece has few groups").to_le_bytes());
        out.extend_from_slice(&u16::try_from(self.bytes.len()).expect("a group is 16 KiB").to_le_bytes());
        out.push(u8::try_from(self.path.len()).expect("a path has few hashes"));
        out.extend_from_slice(&self.bytes);
        out.extend(self.path.iter().flatten());
        out
    }

    /// Reads [`Self::to_bytes`]; all bytes must be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, "proof of a slice");
        let proof = Self::read(&mut reader)?;
        reader.end()?;
        Ok(proof)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let group = u64::from(reader.u32()?);
        let (len, count) = (usize::from(reader.u16()?), usize::from(reader.u8()?));
        if len > GROUP_LEN {
            return Err(reader.bad());
        }
        let bytes = reader.take(len)?.to_vec();
        Ok(Self { group, bytes, path: reader.hashes(count, PATH_MAX)? })
    }
}

/// A slice that proves itself against the segment's id alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// From the piece to the segment.
    pub piece: PieceProof,
    /// From the bytes to the piece.
    pub proof: SliceProof,
}

impl Slice {
    /// The bytes, when they are those that the id commits to at this place.
    ///
    /// # Errors
    /// [`CodecError::WrongRoot`] or [`CodecError::WrongBytes`], naming the piece.
    pub fn prove(&self, id: &SegmentId, layout: &Layout) -> Result<&[u8], CodecError> {
        self.piece.prove(id, layout)?.slice(&self.proof)
    }

    /// Proof of the piece, then that of the slice.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.piece.to_bytes(), self.proof.to_bytes()].concat()
    }

    /// Reads [`Self::to_bytes`]; all bytes must be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, "slice");
        let slice = Self { piece: PieceProof::read(&mut reader)?, proof: SliceProof::read(&mut reader)? };
        reader.end()?;
        Ok(slice)
    }
}

/// True when `bytes` are a slice that proves group `group` of piece `index` against the segment's id.
pub fn proves(bytes: &[u8], id: &SegmentId, layout: &Layout, index: u16, group: u64) -> bool {
    Slice::parse(bytes)
        .is_ok_and(|slice| (slice.piece.index, slice.proof.group) == (index, group) && slice.prove(id, layout).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{group_count, piece_root};

    #[test]
    fn slices_prove_themselves_at_every_size_and_a_changed_bit_is_found() {
        for len in [1, 1_000, GROUP_LEN, GROUP_LEN + 1, 3 * GROUP_LEN, 7 * GROUP_LEN + 5] {
            let piece: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
            let root = piece_root(&piece);
            for group in 0..group_count(len as u64) {
                let proof = SliceProof::of(&piece, group).unwrap();
                assert!(proof.verify(&root, len as u64), "{len} {group}");
                assert_eq!(SliceProof::parse(&proof.to_bytes()), Ok(proof.clone()));
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
