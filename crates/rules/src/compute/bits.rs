//! A bit an item.
//!
//! (A) The count of ones is always that of the bits. (B) What lies beyond the end is zero.

/// Bits that know how many of them are set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
    ones: u32,
}

impl Bits {
    /// `len` zeros.
    pub(super) fn new(len: u32) -> Self {
        Self { words: vec![0; len.div_ceil(64) as usize], ones: 0 }
    }

    /// Bits from what [`Self::words`] gave, cut or filled up to `len`.
    pub(super) fn from_words(words: &[u64], len: u32) -> Self {
        let mut bits = Self::new(len);
        bits.words.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
        if let (Some(last), true) = (bits.words.last_mut(), !len.is_multiple_of(64)) {
            *last &= (1 << (len % 64)) - 1;
        }
        bits.ones = bits.words.iter().map(|word| word.count_ones()).sum();
        bits
    }

    /// 64 bits a word, the lowest first.
    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether bit `at` is set.
    pub(super) fn get(&self, at: u32) -> bool {
        self.words.get((at / 64) as usize).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Sets bit `at`; whether that changed it.
    pub(super) fn set(&mut self, at: u32, on: bool) -> bool {
        let changes = self.get(at) != on;
        if let (Some(word), true) = (self.words.get_mut((at / 64) as usize), changes) {
            *word ^= 1 << (at % 64);
            self.ones = if on { self.ones + 1 } else { self.ones - 1 };
        }
        changes
    }

    /// Number of ones.
    pub(super) fn ones(&self) -> u32 {
        self.ones
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_and_comes_back(len in 1u32..300, turns in proptest::collection::vec((0u32..300, any::<bool>()), 0..200)) {
            let mut bits = Bits::new(len);
            let mut naive = vec![false; len as usize];
            for (at, on) in turns.into_iter().filter(|turn| turn.0 < len) {
                prop_assert_eq!(bits.set(at, on), naive[at as usize] != on);
                naive[at as usize] = on;
            }
            prop_assert_eq!(bits.ones() as usize, naive.iter().filter(|on| **on).count(), "(A)");
            prop_assert!((0..len + 64).all(|at| bits.get(at) == naive.get(at as usize).copied().unwrap_or(false)), "(B)");
            prop_assert_eq!(Bits::from_words(bits.words(), len), bits);
        }
    }
}
