//! Hashes over rows: a block for each group commit, a root for each day (`docs/design/ledger.md` §11).
//!
//! (I) A row is proved to stand in a block or a day by a path of hashes. (N) Whoever saw a root tells another history from it: a
//! changed, missing or moved row changes every later hash. Trees are those of RFC 6962 with BLAKE3: leaf `H(0 ‖ bytes)`, inner node
//! `H(1 ‖ left ‖ right)`, an odd last one stands as it is; the root of nothing is `H()`.

use super::check::Sums;
use super::row::Row;

/// A hash.
pub type Hash = [u8; 32];

/// Hash of a leaf.
pub fn leaf(bytes: &[u8]) -> Hash {
    *blake3::Hasher::new().update(&[0]).update(bytes).finalize().as_bytes()
}

fn inner(left: &Hash, right: &Hash) -> Hash {
    *blake3::Hasher::new().update(&[1]).update(left).update(right).finalize().as_bytes()
}

fn above(level: &[Hash]) -> Vec<Hash> {
    let pair = |pair: &[Hash]| match pair {
        [left, right] => inner(left, right),
        [odd] => *odd,
        _ => leaf(&[]),
    };
    level.chunks(2).map(pair).collect()
}

/// Root over leaves.
pub fn root(leaves: impl Iterator<Item = Hash>) -> Hash {
    let mut level: Vec<Hash> = leaves.collect();
    while level.len() > 1 {
        level = above(&level);
    }
    level.first().copied().unwrap_or(*blake3::hash(&[]).as_bytes())
}

/// Root over rows.
pub fn rows_root<'a>(rows: impl Iterator<Item = &'a Row>) -> Hash {
    root(rows.map(|row| leaf(&row.bytes())))
}

/// (I) Hashes beside the way from a leaf to the root; `None` where a level has nothing beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Place of the leaf, from 0.
    pub at: u64,
    /// From the leaf up.
    pub beside: Vec<Option<Hash>>,
}

/// Proof that the `at`-th of these leaves stands under their root.
pub fn prove(leaves: &[Hash], at: usize) -> Option<Proof> {
    leaves.get(at)?;
    let (mut level, mut place, mut beside) = (leaves.to_vec(), at, Vec::new());
    while level.len() > 1 {
        beside.push(level.get(place ^ 1).copied());
        (level, place) = (above(&level), place >> 1);
    }
    Some(Proof { at: u64::try_from(at).ok()?, beside })
}

/// (I) Root a proof leads a leaf to.
pub fn lead(proof: &Proof, leaf: Hash) -> Hash {
    let step = |(hash, place): (Hash, u64), beside: &Option<Hash>| {
        let up = match beside {
            Some(other) if place & 1 == 0 => inner(&hash, other),
            Some(other) => inner(other, &hash),
            None => hash,
        };
        (up, place >> 1)
    };
    proof.beside.iter().fold((leaf, proof.at), step).0
}

/// One group commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its place, from 1.
    pub no: u64,
    /// Its first row.
    pub first_seq: u64,
    /// Its last row.
    pub last_seq: u64,
    /// Root over its rows.
    pub rows_root: Hash,
    /// Hash of the block before; zero before the first.
    pub prev: Hash,
    /// Its hash.
    pub hash: Hash,
}

/// What is wrong with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("block {no}: {why}")]
pub struct BadBlock {
    /// Its place.
    pub no: u64,
    /// What.
    pub why: &'static str,
}

impl Block {
    /// The block of these rows behind another; nothing where there are none.
    pub fn after(prev: Option<&Self>, rows: &[Row]) -> Option<Self> {
        let (first, last) = (rows.first()?.seq, rows.last()?.seq);
        let (no, prev) = prev.map_or((1, [0; 32]), |prev| (prev.no.saturating_add(1), prev.hash));
        let rows_root = rows_root(rows.iter());
        let mut hasher = blake3::Hasher::new();
        hasher.update(&prev);
        hasher.update(&no.to_le_bytes()).update(&first.to_le_bytes()).update(&last.to_le_bytes()).update(&rows_root);
        Some(Self { no, first_seq: first, last_seq: last, rows_root, prev, hash: *hasher.finalize().as_bytes() })
    }

    /// (N) Whether this block of these rows stands behind `prev`.
    ///
    /// # Errors
    /// [`BadBlock`] names it and the first thing that is wrong.
    pub fn verify(&self, prev: Option<&Self>, rows: &[Row]) -> Result<(), BadBlock> {
        let bad = |why| Err(BadBlock { no: self.no, why });
        let Some(right) = Self::after(prev, rows) else { return bad("it has no rows") };
        let next = prev.map_or(1, |prev| prev.last_seq.saturating_add(1));
        match () {
            () if self.no != right.no || self.first_seq != next => bad("it does not follow the last one"),
            () if self.last_seq != right.last_seq => bad("its rows are missing"),
            () if self.rows_root != right.rows_root => bad("its rows are not those it was made of"),
            () if *self != right => bad("its hash is not its own"),
            () => Ok(()),
        }
    }
}

/// What a day's root is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Day since the epoch.
    pub day: u32,
    /// Root over its rows.
    pub rows_root: Hash,
    /// Root over the states of all accounts at its end.
    pub accounts_root: Hash,
    /// Σ debits.
    pub debits: u128,
    /// Σ credits.
    pub credits: u128,
    /// Rows so far, of all days.
    pub rows: u64,
}

impl Day {
    /// A day from its rows, accounts and sums at its end, and the place of the last row there is by then.
    pub fn new<'a>(
        day: u32,
        day_rows: &[Row],
        accounts: impl Iterator<Item = &'a super::Account>,
        sums: &Sums,
        rows: u64,
    ) -> Self {
        Self {
            day,
            rows_root: rows_root(day_rows.iter()),
            accounts_root: super::replay::accounts_root(accounts),
            debits: sums.debits,
            credits: sums.credits,
            rows,
        }
    }

    /// `H(previous root ‖ day u32 ‖ rows root ‖ accounts root ‖ Σ debits u128 ‖ Σ credits u128 ‖ rows u64)`.
    pub fn root(&self, prev: &Hash) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(prev).update(&self.day.to_le_bytes()).update(&self.rows_root).update(&self.accounts_root);
        hasher.update(&self.debits.to_le_bytes()).update(&self.credits.to_le_bytes()).update(&self.rows.to_le_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// What a client that keeps roots makes of one it is shown.
///
/// # Errors
/// [`model::errors::ROLLBACK_SEEN`] where it saw another root for the same day, or a later day before.
pub fn judge_root(seen: &[(u32, Hash)], shown: (u32, Hash)) -> Result<(), crate::Refusal> {
    let forked = seen.iter().any(|(day, root)| *day == shown.0 && *root != shown.1);
    let known = seen.contains(&shown);
    let newest = seen.iter().map(|(day, _)| *day).max();
    if forked || (!known && newest.is_some_and(|newest| newest > shown.0)) {
        return Err(crate::Refusal::new(model::errors::ROLLBACK_SEEN).with("day", shown.0));
    }
    Ok(())
}
