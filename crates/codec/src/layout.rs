//! How a segment lies in columns, cells and pieces.

use crate::CodecError;
use model::Scheme;

/// Cell sizes, largest first: the largest is taken with which 32 whole columns are filled.
const CELLS: [u32; 3] = [64 << 10, 16 << 10, 4 << 10];
/// Whole columns below which a smaller cell is taken.
const COLUMNS_WANTED: u64 = 32;

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
        let fills = |cell: u32| sealed_bytes / (u64::from(cell) * u64::from(scheme.k)) >= COLUMNS_WANTED;
        let cell = CELLS.into_iter().find(|cell| fills(*cell)).unwrap_or(CELLS[2]);
        Ok(Self { scheme, cell, sealed_bytes })
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
}
