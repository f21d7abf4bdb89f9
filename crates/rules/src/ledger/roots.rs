//! Daily roots as somebody keeps them who does not keep the book: a node, a member's machine (`docs/design/ledger.md` §11).
//!
//! (A) What is kept is a chain: each root is that of its day over the root before. (B) A center that shows another root for a day
//! that is kept, or none of the newest day any more, is refused, and what is kept stays as it is. (C) At most [`KEPT`] roots are kept,
//! the newest. The first that is seen is believed: there is nothing to hold it against.

use super::chain::{Day, Hash};
use crate::Refusal;
use model::errors;

/// Roots that are kept: those of so many days.
pub const KEPT: usize = 400;
/// The same.
const KEPT_DAYS: u64 = 400;

/// A day as a center tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// What its root is made of.
    pub day: Day,
    /// Its root, over the root of the day before.
    pub root: Hash,
}

/// Roots by day, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots(Vec<(u32, Hash)>);

impl Roots {
    /// What was kept before; nothing where it is no run of days.
    pub fn from_kept(kept: Vec<(u32, Hash)>) -> Option<Self> {
        let follows = |pair: &[(u32, Hash)]| match pair {
            [one, next] => one.0.checked_add(1) == Some(next.0),
            _ => false,
        };
        (kept.len() <= KEPT && kept.windows(2).all(follows)).then_some(Self(kept))
    }

    /// All of them.
    pub fn all(&self) -> &[(u32, Hash)] {
        &self.0
    }

    /// The newest.
    pub fn newest(&self) -> Option<(u32, Hash)> {
        self.0.last().copied()
    }

    /// The day behind which a center is to be asked, so that it shows the newest day that is kept again.
    pub fn asks_after(&self) -> Option<u32> {
        self.newest().and_then(|(day, _)| day.checked_sub(1))
    }

    /// Takes what a center tells behind [`Self::asks_after`], in order; how many days are new.
    ///
    /// # Errors
    /// (B) [`errors::ROLLBACK_SEEN`] with the day that does not fit; nothing is changed then.
    pub fn take(&mut self, told: &[Told]) -> Result<usize, Refusal> {
        let refused = |day: u32| Refusal::new(errors::ROLLBACK_SEEN).with("day", day);
        let mut last = self.newest();
        let mut new: Vec<(u32, Hash)> = Vec::new();
        let mut begins_anew = false;
        if let Some((day, _)) = last {
            let (Some(first), Some(newest)) = (told.first(), told.last()) else { return Err(refused(day)) };
            if first.day.day != day {
                // A center keeps as many days: who was away for longer begins anew.
                begins_anew = u64::from(newest.day.day) >= u64::from(day).saturating_add(KEPT_DAYS);
                if !begins_anew {
                    return Err(refused(day));
                }
                last = None;
            }
        }
        for one in told {
            let now = (one.day.day, one.root);
            match last {
                None => new.push(now),
                Some(kept) if kept.0 == now.0 && new.is_empty() => {
                    if kept != now {
                        return Err(refused(now.0));
                    }
                }
                // (A)
                Some((day, root)) => {
                    if day.checked_add(1) != Some(now.0) || one.day.root(&root) != now.1 {
                        return Err(refused(now.0));
                    }
                    new.push(now);
                }
            }
            last = Some(now);
        }
        if begins_anew {
            self.0.clear();
        }
        let count = new.len();
        self.0.append(&mut new);
        // (C)
        self.0.drain(..self.0.len().saturating_sub(KEPT));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing, clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Days of a book in which so many rows came each day.
    fn days(first: u32, rows: &[u64]) -> Vec<Told> {
        let (mut prev, mut count, mut out) = ([0; 32], 0, Vec::new());
        for (day, new) in (first..).zip(rows) {
            count += new;
            let hash = |word: &str| *blake3::hash(format!("{word} {count}").as_bytes()).as_bytes();
            let (debits, rows) = (u128::from(count), count);
            let day =
                Day { day, rows_root: hash("rows"), accounts_root: hash("accounts"), debits, credits: debits, rows };
            prev = day.root(&prev);
            out.push(Told { day, root: prev });
        }
        out
    }

    fn after(told: &[Told], day: Option<u32>) -> &[Told] {
        let from = told.partition_point(|one| day.is_some_and(|day| one.day.day <= day));
        &told[from..]
    }

    #[test]
    fn what_is_told_again_is_known_and_what_follows_is_new() {
        let told = days(100, &[3, 0, 5, 1]);
        let mut roots = Roots::default();
        assert_eq!(roots.take(&told[..2]), Ok(2));
        assert_eq!(roots.take(after(&told[..2], roots.asks_after())), Ok(0));
        assert_eq!(roots.take(after(&told, roots.asks_after())), Ok(2), "(A)");
        assert_eq!(roots.newest(), Some((103, told[3].root)));
        assert_eq!(Roots::from_kept(roots.all().to_vec()), Some(roots));
        assert_eq!(Roots::from_kept(vec![(1, [0; 32]), (3, [0; 32])]), None);
    }

    #[test]
    fn another_history_an_older_one_and_none_are_refused() {
        let (told, other) = (days(100, &[3, 1, 5, 1]), days(100, &[3, 2, 5, 1, 9]));
        let mut roots = Roots::default();
        roots.take(&told[..3]).unwrap();
        let before = roots.clone();
        for bad in [&other[..], &told[..2], &told[..0], &other[3..], &told[1..]] {
            let refused = roots.take(after(bad, roots.asks_after()));
            let is_known = bad == &told[1..];
            assert_eq!(refused.is_ok(), is_known);
            if !is_known {
                assert_eq!(refused.unwrap_err().id, errors::ROLLBACK_SEEN, "(B)");
                assert_eq!(roots, before);
            }
        }
        assert_eq!(roots.newest().map(|(day, _)| day), Some(103));
    }

    #[test]
    fn so_many_are_kept_and_who_was_away_for_longer_begins_anew() {
        let told = days(1, &[1; 2 * KEPT + 50]);
        let mut roots = Roots::default();
        roots.take(&told[..KEPT + 10]).unwrap();
        assert_eq!((roots.all().len(), roots.all()[0].0), (KEPT, 11), "(C)");
        // Index n holds day n + 1.
        let newest = roots.newest().unwrap().0 as usize;
        assert!(roots.take(&told[newest..newest + KEPT - 1]).is_err(), "the newest day that is kept is there still");
        assert_eq!(roots.take(&told[newest + 1..=newest + KEPT]), Ok(KEPT));
        assert_eq!((roots.all().len(), roots.all()[0].0 as usize), (KEPT, newest + 2));
    }

    proptest! {
        #[test]
        fn told_in_any_portions_the_same_is_kept(cuts in prop::collection::vec(1usize..30, 0..6)) {
            let told = days(7, &[2; 60]);
            let (mut roots, mut upto) = (Roots::default(), 0);
            for cut in cuts {
                upto = (upto + cut).min(told.len());
                prop_assert!(roots.take(after(&told[..upto], roots.asks_after())).is_ok());
            }
            let all: Vec<_> = told[..upto].iter().map(|one| (one.day.day, one.root)).collect();
            prop_assert_eq!(roots.all(), &all[..]);
        }

        #[test]
        fn a_flipped_bit_of_what_follows_is_found(at in 1usize..9, bit in 0usize..256, what in 0u8..4) {
            let mut told = days(7, &[2; 9]);
            let mut roots = Roots::default();
            roots.take(&told[..1]).unwrap();
            let flip = |hash: &mut Hash| hash[bit / 8] ^= 1 << (bit % 8);
            match what {
                0 => flip(&mut told[at].root),
                1 => flip(&mut told[at].day.rows_root),
                2 => flip(&mut told[at].day.accounts_root),
                _ => told[at].day.rows += 1,
            }
            let before = roots.clone();
            prop_assert!(roots.take(&told).is_err());
            prop_assert_eq!(roots, before);
        }
    }
}
