//! A set of piece indexes.

use model::Scheme;

/// Indexes of pieces, each below [`Scheme::MAX_PIECES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PieceSet([u64; 3]);

const _: () = assert!(Scheme::MAX_PIECES as usize <= 3 * 64);

impl PieceSet {
    /// None.
    pub const EMPTY: Self = Self([0; 3]);

    /// All below `end`.
    pub fn below(end: u16) -> Self {
        (0..end).collect()
    }

    /// Adds an index; one that no scheme has is left out.
    pub fn insert(&mut self, index: u16) {
        if index < Scheme::MAX_PIECES {
            self.0[usize::from(index / 64)] |= 1 << (index % 64);
        }
    }

    /// True when it is in.
    pub fn contains(&self, index: u16) -> bool {
        self.0.get(usize::from(index / 64)).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<> {
        let set = *self;
        (0..Scheme::MAX_PIECES).filter(move |index| set.contains(*index))
    }
}

impl FromIterator<u16> for PieceSet {
    fn from_iter<I: IntoIterator<Item = u16>>(indexes: I) -> Self {
        let mut set = Self::EMPTY;
        indexes.into_iter().for_each(|index| set.insert(index));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in() {
        let set: PieceSet = [3, 159, 64, 3, 160, 9_999].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 64, 159]);
        assert_eq!((set.count(), set.contains(160), set.contains(u16::MAX)), (3, false, false));
        assert_eq!(PieceSet::below(144).count(), 144);
    }
}
