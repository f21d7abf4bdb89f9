//! Sealed bytes from any `k` pieces, one column at a time; and single cells or runs of cells made anew.
//!
//! Cells must have been judged before ([`crate::KnownPiece`]): a wrong one gives wrong bytes here, and the seal over them
//! refuses those.

use crate::matrix::Maker;
use crate::{CodecError, Layout};

/// Decodes columns of one layout.
pub struct Decoder {
    layout: Layout,
    maker: Maker,
}

impl Decoder {
    /// For one layout. Holds the code's matrix (≤ 100 KiB) and no payload.
    pub fn new(layout: &Layout) -> Result<Self, CodecError> {
        let (k, n) = (usize::from(layout.scheme.k), usize::from(layout.scheme.n_max));
        Ok(Self { layout: *layout, maker: Maker::new(k, n)? })
    }

    /// The layout it decodes.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// One column from any `k` of its cells, by index of their piece. Fills all of `out`, [`Layout::column_bytes`] long, and
    /// says how many bytes of it are sealed ones (fewer in the last column, zeros follow). Cells beyond `k` are not looked
    /// at, data cells are taken first: with all `k` of them nothing is computed.
    ///
    /// # Errors
    /// [`CodecError::TooFew`], [`CodecError::Piece`] for a cell of another length or index, [`CodecError::Range`].
    pub fn column(&mut self, column: u64, cells: &[(u16, &[u8])], out: &mut [u8]) -> Result<usize, CodecError> {
        if column >= self.layout.columns() || out.len() as u64 != self.layout.column_bytes() {
            return Err(CodecError::Range { from: column, to: out.len() as u64 });
        }
        let cell = self.layout.cell as usize;
        let given = self.choose(cells, cell)?;
        let mut is_held = false;
        for (out, index) in out.chunks_mut(cell).zip(0..) {
            match find(&given, index) {
                Some((_, bytes)) => out.copy_from_slice(bytes),
                None => self.make(&given, &mut is_held, index, out)?,
            }
        }
        Ok(self.layout.sealed_in_column(column))
    }

    /// The bytes of piece `wanted` from the same range of any `k` other pieces: a cell, a run of cells, a whole piece. All of
    /// the length of `out`, a multiple of 64.
    ///
    /// # Errors
    /// [`CodecError::TooFew`], [`CodecError::Piece`].
    pub fn cell(&mut self, wanted: u16, cells: &[(u16, &[u8])], out: &mut [u8]) -> Result<(), CodecError> {
        if wanted >= self.layout.scheme.n_max || !out.len().is_multiple_of(64) {
            return Err(CodecError::Piece { index: wanted });
        }
        if let Some((_, bytes)) = cells.iter().find(|(index, bytes)| *index == wanted && bytes.len() == out.len()) {
            out.copy_from_slice(bytes);
            return Ok(());
        }
        let given = self.choose(cells, out.len())?;
        self.make(&given, &mut false, wanted, out)
    }

    fn make(
        &mut self,
        given: &[(u16, &[u8])],
        is_held: &mut bool,
        wanted: u16,
        out: &mut [u8],
    ) -> Result<(), CodecError> {
        if !*is_held {
            let indexes: Vec<u16> = given.iter().map(|(index, _)| *index).collect();
            self.maker.hold(&indexes)?;
            *is_held = true;
        }
        let bytes: Vec<&[u8]> = given.iter().map(|(_, bytes)| *bytes).collect();
        self.maker.make(&bytes, wanted, out);
        Ok(())
    }

    /// The first `k` distinct cells in order of their index.
    fn choose<'a>(&self, cells: &[(u16, &'a [u8])], len: usize) -> Result<Vec<(u16, &'a [u8])>, CodecError> {
        let fits = |(index, bytes): &(u16, &[u8])| *index < self.layout.scheme.n_max && bytes.len() == len;
        if let Some((index, _)) = cells.iter().find(|cell| !fits(cell)) {
            return Err(CodecError::Piece { index: *index });
        }
        let mut given = cells.to_vec();
        given.sort_by_key(|(index, _)| *index);
        given.dedup_by_key(|(index, _)| *index);
        let need = usize::from(self.layout.scheme.k);
        if given.len() < need {
            return Err(CodecError::TooFew { have: given.len(), need });
        }
        given.truncate(need);
        Ok(given)
    }
}

fn find<'s, 'a>(given: &'s [(u16, &'a [u8])], index: u16) -> Option<&'s (u16, &'a [u8])> {
    given.binary_search_by_key(&index, |(at, _)| *at).ok().map(|at| &given[at])
}
