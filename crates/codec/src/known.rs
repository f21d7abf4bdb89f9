//! A piece whose root is proved: judging its bytes as they come, whole, by range or by slice.

use crate::CodecError;
use crate::slice::SliceProof;
use crate::tree::{self, GROUP_LEN};

/// A piece whose root leads to the segment's id. Made by [`crate::PieceProof::prove`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPiece {
    index: u16,
    root: [u8; 32],
    len: u64,
}

impl KnownPiece {
    pub(crate) const fn proved(index: u16, root: [u8; 32], len: u64) -> Self {
        Self { index, root, len }
    }

    /// Its index.
    pub const fn index(&self) -> u16 {
        self.index
    }
    /// Its root.
    pub const fn root(&self) -> &[u8; 32] {
        &self.root
    }
    /// Its bytes, always more than none.
    #[expect(clippy::len_without_is_empty, reason = "no piece is empty")]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// The slice's bytes, when they are this piece's.
    ///
    /// # Errors
    /// [`CodecError::WrongBytes`].
    pub fn slice<'a>(&self, proof: &'a SliceProof) -> Result<&'a [u8], CodecError> {
        if proof.verify(&self.root, self.len) { Ok(&proof.bytes) } else { Err(self.wrong(proof.group)) }
    }

    /// Judges the groups from `first` on: `groups` are the hashes their holder claims, `path` what stands beside them
    /// ([`tree::range_path`]). The whole piece is `first = 0` with all groups and an empty path.
    ///
    /// # Errors
    /// [`CodecError::WrongBytes`] when hashes and path do not lead to the piece's root.
    pub fn arrival(&self, first: u64, groups: Vec<[u8; 32]>, path: &[[u8; 32]]) -> Result<Arrival, CodecError> {
        let count = tree::group_count(self.len);
        if tree::root_by_range(&groups, first, count, path) != Some(self.root) {
            return Err(self.wrong(first));
        }
        Ok(Arrival { piece: *self, count, first, groups, next: 0, held: Vec::new() })
    }

    const fn wrong(&self, group: u64) -> CodecError {
        CodecError::WrongBytes { index: self.index, group }
    }
}

/// Groups of one piece on their way in: nothing is handed on before it is judged. Holds less than one group.
#[derive(Debug)]
pub struct Arrival {
    piece: KnownPiece,
    count: u64,
    first: u64,
    groups: Vec<[u8; 32]>,
    next: usize,
    held: Vec<u8>,
}

impl Arrival {
    /// Takes the next bytes in any portion and hands on each group that is whole and right.
    ///
    /// # Errors
    /// [`CodecError::WrongBytes`] names the first wrong group, [`CodecError::Piece`] a byte too many; what the sink
    /// returns. After an error nothing more is to be fed.
    pub fn push<E: From<CodecError>>(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let want = self.want().ok_or(CodecError::Piece { index: self.piece.index })?;
            if self.held.is_empty() && bytes.len() >= want {
                let (group, rest) = bytes.split_at(want);
                self.judge(group)?;
                sink(group)?;
                bytes = rest;
                continue;
            }
            let (part, rest) = bytes.split_at(bytes.len().min(want - self.held.len()));
            self.held.extend_from_slice(part);
            bytes = rest;
            if self.held.len() == want {
                let group = std::mem::take(&mut self.held);
                self.judge(&group)?;
                sink(&group)?;
                self.held = group;
                self.held.clear();
            }
        }
        Ok(())
    }

    /// Bytes of the group that is awaited; nothing after the last.
    fn want(&self) -> Option<usize> {
        (self.next < self.groups.len()).then(|| tree::group_len(self.at(), self.piece.len).min(GROUP_LEN))
    }

    fn at(&self) -> u64 {
        self.first + self.next as u64
    }

    fn judge(&mut self, group: &[u8]) -> Result<(), CodecError> {
        if tree::group_hash(group, self.at(), self.count) != self.groups[self.next] {
            return Err(self.piece.wrong(self.at()));
        }
        self.next += 1;
        Ok(())
    }

    /// True when every announced group has come.
    pub fn is_whole(&self) -> bool {
        self.next == self.groups.len()
    }

    /// The hashes of the groups, all come and judged: what a holder keeps beside the piece.
    ///
    /// # Errors
    /// [`CodecError::Piece`] when bytes are missing.
    pub fn finish(self) -> Result<Vec<[u8; 32]>, CodecError> {
        if self.is_whole() { Ok(self.groups) } else { Err(CodecError::Piece { index: self.piece.index }) }
    }
}
