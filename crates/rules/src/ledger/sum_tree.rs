//! A tree of hashes whose inner nodes carry the sum of their leaves, so that a few draws by weight find a batch that claims too much
//! (`docs/design/ledger.md` §5).
//!
//! (A) A path leads its leaf to a root and says how many units stand left of it: whoever is asked for the unit at an offset can show
//! one leaf only. (B) A batch inflated by a share x passes n draws with (1 − x/(1 + x))ⁿ at most. Leaf `H(0 ‖ bytes ‖ units)`, inner node
//! `H(1 ‖ left ‖ its units ‖ right ‖ its units)`, an odd last one stands as it is.

use super::chain::Hash;

/// A node: hash, and units below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Its hash.
    pub hash: Hash,
    /// Units of all its leaves.
    pub units: u64,
}

/// Way from a leaf to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Place of the leaf, from 0.
    pub at: u64,
    /// What stands beside, from the leaf up; nothing where a level has nothing beside it.
    pub beside: Vec<Option<Sum>>,
}

/// Most levels of a path.
pub const LEVELS_MAX: usize = 64;

impl Sum {
    /// A leaf.
    pub fn leaf(bytes: &[u8], units: u64) -> Self {
        let hash = *blake3::Hasher::new().update(&[0]).update(bytes).update(&units.to_le_bytes()).finalize().as_bytes();
        Self { hash, units }
    }

    /// A node over two; nothing where the units are too many.
    fn over(left: &Self, right: &Self) -> Option<Self> {
        let units = left.units.checked_add(right.units)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[1]).update(&left.hash).update(&left.units.to_le_bytes());
        hasher.update(&right.hash).update(&right.units.to_le_bytes());
        Some(Self { hash: *hasher.finalize().as_bytes(), units })
    }
}

fn above(level: &[Sum]) -> Option<Vec<Sum>> {
    let pair = |pair: &[Sum]| match pair {
        [left, right] => Sum::over(left, right),
        [odd] => Some(*odd),
        _ => None,
    };
    level.chunks(2).map(pair).collect()
}

/// Root of leaves; nothing of none, or where the units are too many.
pub fn root(leaves: &[Sum]) -> Option<Sum> {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = above(&level)?;
    }
    level.first().copied()
}

/// Path of the leaf that has the unit at `offset`.
pub fn path(leaves: &[Sum], offset: u64) -> Option<Path> {
    let mut left = offset;
    let at = leaves.iter().position(|leaf| {
        let is_it = left < leaf.units;
        left = left.saturating_sub(leaf.units);
        is_it
    })?;
    let (mut level, mut place, mut beside) = (leaves.to_vec(), at, Vec::new());
    while level.len() > 1 {
        beside.push(level.get(place ^ 1).copied());
        (level, place) = (above(&level)?, place >> 1);
    }
    Some(Path { at: u64::try_from(at).ok()?, beside })
}

/// (A) The root a path leads a leaf to, and the units left of the leaf.
pub fn lead(path: &Path, leaf: Sum) -> Option<(Sum, u64)> {
    let (mut sum, mut place, mut before) = (leaf, path.at, 0u64);
    for beside in path.beside.iter().take(LEVELS_MAX) {
        sum = match beside {
            Some(right) if place & 1 == 0 => Sum::over(&sum, right)?,
            Some(left) => {
                before = before.checked_add(left.units)?;
                Sum::over(left, &sum)?
            }
            None => sum,
        };
        place >>= 1;
    }
    (path.beside.len() <= LEVELS_MAX).then_some((sum, before))
}

/// The unit a draw asks for.
pub fn offset(draw: u64, units: u64) -> u64 {
    u64::try_from(u128::from(draw).saturating_mul(units.into()) >> 64).unwrap_or(0)
}
