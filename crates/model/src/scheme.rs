//! A scheme: how a segment is cut into pieces and how many of them are needed, wanted and possible.

use crate::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Cell sizes, largest first: the largest is taken with which 32 whole columns are filled.
const CELLS: [u32; 3] = [64 << 10, 16 << 10, 4 << 10];
/// Whole columns below which a smaller cell is taken.
const COLUMNS_WANTED: u64 = 32;

/// Numbers of pieces. `k ≤ accept ≤ slots ≤ n_max`, `k ≤ m ≤ o ≤ slots`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scheme {
    /// Pieces that rebuild the segment.
    pub k: u16,
    /// Repair begins at or below this many.
    pub m: u16,
    /// Repair refills to this many.
    pub o: u16,
    /// Slots opened in the placement group.
    pub slots: u16,
    /// Piece roots committed when the segment is written: room to grow.
    pub n_max: u16,
    /// Durable pieces, with receipts, that an acknowledgement needs.
    pub accept: u16,
}

impl Scheme {
    /// Most pieces any scheme has: parity stays within one power of two for the code.
    pub const MAX_PIECES: u16 = 160;

    /// True when the numbers are in the order the field docs give and within [`Self::MAX_PIECES`].
    pub const fn is_sound(&self) -> bool {
        self.k >= 1
            && self.k <= self.accept
            && self.accept <= self.slots
            && self.k <= self.m
            && self.m <= self.o
            && self.o <= self.slots
            && self.slots <= self.n_max
            && self.n_max <= Self::MAX_PIECES
    }

    /// Bytes of a cell in a segment of so many sealed bytes: 64 KiB; 16 KiB, then 4 KiB, where fewer than 32 whole columns
    /// would fill (`docs/design/storage.md` §2).
    pub fn cell_bytes(&self, sealed_bytes: u64) -> u32 {
        let fills = |cell: u32| sealed_bytes / (u64::from(cell) * u64::from(self.k.max(1))) >= COLUMNS_WANTED;
        CELLS.into_iter().find(|cell| fills(*cell)).unwrap_or(CELLS[2])
    }

    /// Bytes of every piece of a segment of so many sealed bytes: one cell a column, the last column padded.
    pub fn piece_bytes(&self, sealed_bytes: u64) -> u64 {
        let cell = u64::from(self.cell_bytes(sealed_bytes));
        sealed_bytes.div_ceil(cell * u64::from(self.k.max(1))) * cell
    }

    /// The circle's scheme for `members` nodes of which `always_on` are on at least 95 % of the time
    /// (`docs/design/storage.md` §3): `k = max(1, min(⌈N/2⌉ − 1, A))`, `n = min(N, k + ⌊N/2⌋ + 1)`.
    pub fn circle(members: u16, always_on: u16) -> Option<Self> {
        if members == 0 || members > 11 {
            return None;
        }
        let half_up = members.div_ceil(2);
        let k = if members <= 2 { 1 } else { 1.max((half_up - 1).min(always_on)) };
        let n = if members <= 2 { members } else { members.min(k + members / 2 + 1) };
        Some(Self { k, m: k.max(n - 1), o: n, slots: n, n_max: 16, accept: n.min(k + 1) })
    }
}

impl fmt::Display for Scheme {
    /// `3/8`: pieces needed of pieces wanted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.k, self.o)
    }
}

/// Storage class of a bucket: the public name of a scheme in public pools. In smaller pools all three name the one code
/// that fits (`docs/design/storage.md` §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A second copy of what the owner still has.
    Eco = 0,
    /// The default.
    #[default]
    Standard = 1,
    /// The only copy: outlives an instant, uncorrelated loss of more than half.
    Fortress = 2,
}

impl Class {
    /// Every class, cheapest first.
    pub const ALL: [Self; 3] = [Self::Eco, Self::Standard, Self::Fortress];

    /// The word people and JSON see.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Eco => "eco",
            Self::Standard => "standard",
            Self::Fortress => "fortress",
        }
    }
    /// The stored number.
    pub const fn code(self) -> u8 {
        self as u8
    }
    /// Reads the stored number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Eco),
            1 => Some(Self::Standard),
            2 => Some(Self::Fortress),
            _ => None,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Class {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let found = Self::ALL.into_iter().find(|class| class.word() == text);
        found.ok_or_else(|| ParseError::new("class", text, "it is one of: eco standard fortress"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_reads_back_from_its_word_and_its_number() {
        for class in Class::ALL {
            assert_eq!(class.word().parse::<Class>(), Ok(class));
            assert_eq!(Class::from_code(class.code()), Some(class));
        }
        assert!("gold".parse::<Class>().is_err() && Class::from_code(3).is_none());
    }

    #[test]
    fn circles_follow_the_table_of_the_design() {
        let expected =
            [(3, 1, 3), (4, 1, 4), (5, 2, 5), (6, 2, 6), (7, 3, 7), (8, 3, 8), (9, 4, 9), (10, 4, 10), (11, 5, 11)];
        for (members, k, n) in expected {
            let s = Scheme::circle(members, members).unwrap();
            assert_eq!((s.k, s.o), (k, n), "N = {members}");
            assert!(s.is_sound(), "N = {members}");
        }
    }

    #[test]
    fn few_always_on_members_lower_k() {
        let s = Scheme::circle(10, 2).unwrap();
        assert_eq!((s.k, s.o), (2, 8));
    }

    #[test]
    fn one_and_two_nodes_have_copies_only() {
        assert_eq!(Scheme::circle(1, 1).map(|s| (s.k, s.o)), Some((1, 1)));
        assert_eq!(Scheme::circle(2, 2).map(|s| (s.k, s.o)), Some((1, 2)));
        assert_eq!(Scheme::circle(0, 0), None);
        assert_eq!(Scheme::circle(12, 12), None);
    }
}
