//! How a segment lies in columns, cells and pieces.

use crate::CodecError;
use crate::tree::GROUP_LEN;
use model::Scheme;
use std::ops::Range;

/// The arrangement of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Code.
    pub scheme: Scheme,
    /// Bytes of a cell.
    pub cell: u32,
    /// Sealed bytes of the segment.
    pub sealed_bytes: u64,
}

impl Layout {
    /// Most sealed bytes of one segment (`docs/design/storage.md` §2).
    pub const SEALED_MAX: u64 = 64 << 20;

    /// The layout of `sealed_bytes` under `scheme`: cells of 64 KiB; 16 KiB, then 4 KiB, where fewer than 32 whole columns
    /// would fill.
    pub fn new(scheme: Scheme, sealed_bytes: u64) -> Result<Self, CodecError> {
        if !scheme.is_sound() {
            return Err(CodecError::Scheme(scheme));
        }
        if sealed_bytes == 0 || sealed_bytes > Self::SEALED_MAX {
            return Err(CodecError::Size(sealed_bytes));
        }
        Ok(Self { scheme, cell: scheme.cell_bytes(sealed_bytes), sealed_bytes })
    }

    /// Longest segment of a member's file under `scheme`: `clamp(2 MiB · k, 8 MiB, 64 MiB)`.
    pub fn segment_bytes(scheme: &Scheme) -> u64 {
        ((2 << 20) * u64::from(scheme.k)).clamp(8 << 20, Self::SEALED_MAX)
    }

    /// Data bytes of a column.
    pub const fn column_bytes(&self) -> u64 {
        self.cell as u64 * self.scheme.k as u64
    }

    /// Columns, the last one padded with zeros.
    pub const fn columns(&self) -> u64 {
        self.sealed_bytes.div_ceil(self.column_bytes())
    }

    /// Bytes of every piece.
    pub const fn piece_len(&self) -> u64 {
        self.columns() * self.cell as u64
    }

    /// Where a sealed byte lies: data piece and offset in it.
    pub const fn locate(&self, sealed_offset: u64) -> (u16, u64) {
        let column = sealed_offset / self.column_bytes();
        let within = sealed_offset % self.column_bytes();
        let piece = within / self.cell as u64;
        (piece as u16, column * self.cell as u64 + within % self.cell as u64)
    }
}

/// A part of one data cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellPart {
    /// The column.
    pub column: u64,
    /// The data piece, which is also the place of the cell in its column.
    pub index: u16,
    /// First byte wanted of the cell.
    pub from: u32,
    /// Bytes wanted of it, at least one.
    pub len: u32,
}

impl Layout {
    /// The parts of data cells that make up a range of the sealed bytes, in order. A small read touches one or two pieces.
    ///
    /// # Errors
    /// [`CodecError::Range`] when the range passes the end.
    pub fn cells_of(&self, range: Range<u64>) -> Result<impl Iterator<Item = CellPart> + use<>, CodecError> {
        if range.start > range.end || range.end > self.sealed_bytes {
            return Err(CodecError::Range { from: range.start, to: range.end });
        }
        let layout = *self;
        let mut at = range.start;
        Ok(std::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let (column, within) = (at / layout.column_bytes(), at % layout.column_bytes());
            let cell = u64::from(layout.cell);
            let (index, from) = (within / cell, within % cell);
            let len = (cell - from).min(range.end - at);
            at += len;
            let part = |n: u64| u32::try_from(n).expect("within a cell");
            Some(CellPart { column, index: index as u16, from: part(from), len: part(len) })
        }))
    }

    /// The columns a range of the sealed bytes touches.
    pub fn columns_of(&self, range: &Range<u64>) -> Range<u64> {
        range.start / self.column_bytes()..range.end.min(self.sealed_bytes).div_ceil(self.column_bytes())
    }

    /// Where the cell of a column lies in every piece.
    pub const fn cell_in_piece(&self, column: u64) -> Range<u64> {
        column * self.cell as u64..(column + 1) * self.cell as u64
    }

    /// The groups of a piece that hold these bytes of it: what is to be fetched so that they can be judged.
    pub const fn groups_of(&self, in_piece: &Range<u64>) -> Range<u64> {
        in_piece.start / GROUP_LEN as u64..in_piece.end.div_ceil(GROUP_LEN as u64)
    }

    /// Sealed bytes in a column: all of it but in the last, zero beyond.
    pub fn sealed_in_column(&self, column: u64) -> usize {
        let left = self.sealed_bytes.saturating_sub(column.saturating_mul(self.column_bytes()));
        usize::try_from(left.min(self.column_bytes())).expect("a column fits memory")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circle(n: u16) -> Scheme {
        Scheme::circle(n, n).unwrap()
    }

    #[test]
    fn cells_shrink_with_the_segment() {
        assert_eq!(Layout::new(circle(8), 64 << 20).unwrap().cell, 64 << 10);
        assert_eq!(Layout::new(circle(8), 3 << 20).unwrap().cell, 16 << 10);
        assert_eq!(Layout::new(circle(8), 5_000).unwrap().cell, 4 << 10);
    }

    #[test]
    fn the_smallest_segment_is_one_column() {
        let layout = Layout::new(circle(8), 1).unwrap();
        assert_eq!((layout.columns(), layout.piece_len()), (1, 4_096));
        assert_eq!(Layout::new(circle(8), 0), Err(CodecError::Size(0)));
        assert!(Layout::new(circle(8), Layout::SEALED_MAX + 1).is_err());
    }

    #[test]
    fn every_byte_has_one_place() {
        let layout = Layout::new(circle(8), 100_000).unwrap();
        assert_eq!(layout.locate(0), (0, 0));
        assert_eq!(layout.locate(4_096), (1, 0));
        assert_eq!(layout.locate(3 * 4_096), (0, 4_096));
    }

    #[test]
    fn a_range_names_the_cells_that_hold_it() {
        let layout = Layout::new(circle(8), 100_000).unwrap();
        let parts =
            |range| layout.cells_of(range).unwrap().map(|p| (p.column, p.index, p.from, p.len)).collect::<Vec<_>>();
        assert_eq!(parts(0..1), [(0, 0, 0, 1)]);
        assert_eq!(parts(4_000..4_200), [(0, 0, 4_000, 96), (0, 1, 0, 104)]);
        assert_eq!(parts(8_192..12_300), [(0, 2, 0, 4_096), (1, 0, 0, 12)]);
        assert_eq!(parts(5..5), []);
        assert!(layout.cells_of(0..100_001).is_err());
        assert_eq!(layout.columns_of(&(12_287..12_289)), 0..2);
        assert_eq!(layout.sealed_in_column(8), 100_000 - 8 * 12_288);
        assert_eq!(layout.sealed_in_column(9), 0);
        assert_eq!(layout.groups_of(&layout.cell_in_piece(5)), 1..2);
    }
}
