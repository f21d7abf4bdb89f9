//! Daily roots of a book that is added up again: each is made anew from the day's rows and all accounts at its end, over the root before.
//!
//! (A) A root that was told must be the one that is made. (B) A signature under it must be good and of this day, root and cloud, each node
//! once. (C) What this machine has seen of a day must be what is told.

use super::replay::broken;
use super::roots::date;
use crate::fault::Fault;
use model::CloudKey;
use rules::ledger::Row;
use rules::ledger::chain::{Day, Hash, leaf, root};
use rules::ledger::replay::{Replay, accounts_root};
use rules::ledger::roots::Roots;
use std::collections::BTreeSet;
use wire::ledger::DayLine;
use wire::signed::Cosign;

/// Days under way.
#[derive(Default)]
pub(super) struct Days {
    /// Leaves of the rows behind the last day.
    leaves: Vec<Hash>,
    /// Day of the last row.
    day: Option<u32>,
    /// Days that were told, with their signatures.
    told: Vec<(u32, Hash, Vec<Cosign>)>,
}

/// Where a book comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// From the center of this home.
    Center,
    /// From a file, of any cloud.
    File,
}

/// What this machine has seen before.
pub(super) struct Seen {
    pub cloud: Option<CloudKey>,
    pub roots: Roots,
}

/// What was found of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DaysFound {
    pub count: usize,
    pub least_signatures: usize,
    pub newest_signatures: usize,
}

impl Days {
    /// The next row; days before the first that is told are not held against anything.
    pub fn row(&mut self, row: &Row) -> Result<(), Fault> {
        if self.day.is_some_and(|day| day != row.day) {
            // The day before was told, or none was yet.
            if self.day.is_some_and(|day| self.told.last().is_some_and(|(told, ..)| *told < day)) {
                return Err(broken(format_args!("the root of {} is missing", self.day.map_or_else(String::new, date))));
            }
            self.leaves.clear();
        }
        self.day = Some(row.day);
        self.leaves.push(leaf(&row.bytes()));
        Ok(())
    }

    /// A day that is over.
    pub fn end(&mut self, line: &DayLine, replay: &Replay, is_between_blocks: bool) -> Result<(), Fault> {
        let bad = |why: &str| broken(format_args!("the root of {}: {why}", date(line.day)));
        if !is_between_blocks {
            return Err(bad("it stands within a block"));
        }
        let last = self.told.last().map(|(day, root, _)| (*day, *root));
        if last.is_some_and(|(day, _)| day.checked_add(1) != Some(line.day)) {
            return Err(bad("it does not follow the day before"));
        }
        let own = if self.day == Some(line.day) { std::mem::take(&mut self.leaves) } else { Vec::new() };
        let own_count = own.len() as u64;
        let (mut debits, mut credits) = (0_u128, 0_u128);
        for account in replay.accounts() {
            debits += u128::from(account.debits.0);
            credits += u128::from(account.credits.0);
        }
        let (rows_root, accounts_root) = (root(own.into_iter()), accounts_root(replay.accounts()));
        let made = Day { day: line.day, rows_root, accounts_root, debits, credits, rows: replay.rows() };
        let DayLine { day, rows_root, accounts_root, debits, credits, rows, .. } = *line;
        if made != (Day { day, rows_root, accounts_root, debits, credits, rows }) {
            return Err(bad("it is not made of these rows"));
        }
        // (A) Of the first that is told the root before is not known, but where the book begins with it.
        let prev = match last {
            Some((_, prev)) => Some(prev),
            None => (own_count == made.rows).then_some([0; 32]),
        };
        if prev.is_some_and(|prev| made.root(&prev) != line.root) {
            return Err(bad("it does not follow from the day before"));
        }
        let mut words = Vec::new();
        let mut nodes = BTreeSet::new();
        for word in &line.cosigned {
            // (B)
            let word = Cosign::check(word).ok_or_else(|| bad("a signature is none"))?;
            if (word.day, word.root) != (line.day, line.root) || !nodes.insert(word.node) {
                return Err(bad("a signature is of another root, or twice there"));
            }
            words.push(word);
        }
        self.told.push((line.day, line.root, words));
        Ok(())
    }

    /// What was found, held against what this machine has seen.
    pub fn found(self, whose: Whose, seen: &Seen) -> Result<DaysFound, Fault> {
        let mut clouds = self.told.iter().flat_map(|(_, _, words)| words.iter().map(|word| word.cloud));
        let first = clouds.next();
        if clouds.any(|cloud| Some(cloud) != first) {
            return Err(broken("signatures under daily roots are of several clouds"));
        }
        // Of a book of another cloud this machine has seen nothing.
        let is_own = first.is_some() && first == seen.cloud;
        if whose == Whose::Center && first.is_some() && !is_own {
            return Err(broken("signatures under daily roots are of another cloud"));
        }
        for (day, seen) in seen.roots.all().iter().filter(|_| is_own || whose == Whose::Center) {
            // (C)
            if self.told.iter().any(|(told, root, _)| told == day && root != seen) {
                return Err(broken(format_args!("the root of {} is not the one this machine has seen", date(*day))));
            }
        }
        let signatures = || self.told.iter().map(|(_, _, words)| words.len());
        Ok(DaysFound {
            count: self.told.len(),
            least_signatures: signatures().min().unwrap_or(0),
            newest_signatures: signatures().next_back().unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountClass, AccountNo, Code, NodeId, Span, Stamp, TransferId, TransferKind, Ucredit};
    use wire::signed::public_of;

    const CLOUD: CloudKey = CloudKey([4; 32]);

    enum Step {
        Row(Row),
        Day(DayLine),
    }

    fn row(seq: u64, day: u32) -> Row {
        let no = |n| AccountNo::new(AccountClass::Member, n);
        let at = Stamp(u64::from(day) * Span::days(1).as_ms());
        let (id, kind, amount, code) = (TransferId([seq as u8; 16]), TransferKind::Move, Ucredit(seq), Code::Gift);
        let (debit, credit, hold, reference, expires) = (no(1), no(2), None, None, None);
        Row { seq, id, kind, debit, credit, amount, code, hold, reference, expires, day, at }
    }

    fn word(secret: u8, day: u32, root: Hash) -> Vec<u8> {
        let node = NodeId(public_of(&[secret; 32]));
        Cosign { cloud: CLOUD, day, root, node }.sign(&[secret; 32]).to_vec()
    }

    /// A book of three days, the second without rows, and one row of a fourth that is not over.
    fn steps() -> Vec<Step> {
        let (mut replay, mut prev, mut out) = (Replay::default(), [0; 32], Vec::new());
        let mut seq = 0;
        for (day, count) in [(100, 2), (101, 0), (102, 1)] {
            let rows: Vec<Row> = (1..=count).map(|n| row(seq + n, day)).collect();
            seq += count;
            rows.iter().for_each(|row| replay.row(row).unwrap());
            let sums = replay.check().unwrap();
            let made = Day::new(day, &rows, replay.accounts(), &sums, replay.rows());
            prev = made.root(&prev);
            let Day { day, rows_root, accounts_root, debits, credits, rows: count } = made;
            let cosigned = vec![word(1, day, prev), word(2, day, prev)];
            let line = DayLine { day, rows_root, accounts_root, debits, credits, rows: count, root: prev, cosigned };
            out.extend(rows.into_iter().map(Step::Row));
            out.push(Step::Day(line));
        }
        out.push(Step::Row(row(4, 103)));
        out
    }

    fn judge(steps: &[Step], roots: Vec<(u32, Hash)>) -> Result<DaysFound, Fault> {
        let (mut days, mut replay) = (Days::default(), Replay::default());
        for step in steps {
            match step {
                Step::Row(row) => {
                    replay.row(row).unwrap();
                    days.row(row)?;
                }
                Step::Day(line) => days.end(line, &replay, true)?,
            }
        }
        let seen = Seen { cloud: Some(CLOUD), roots: Roots::from_kept(roots).unwrap() };
        days.found(Whose::File, &seen)
    }

    #[test]
    fn roots_are_made_again_and_signatures_checked() {
        let found = judge(&steps(), Vec::new()).unwrap();
        assert_eq!((found.count, found.least_signatures, found.newest_signatures), (3, 2, 2));
        let roots: Vec<(u32, Hash)> = steps()
            .iter()
            .filter_map(|step| match step {
                Step::Day(line) => Some((line.day, line.root)),
                Step::Row(_) => None,
            })
            .collect();
        assert!(judge(&steps(), roots.clone()).is_ok());
        let other = vec![(roots[1].0, [9; 32])];
        assert!(judge(&steps(), other).is_err(), "(C)");
    }

    #[test]
    fn whatever_is_changed_is_found() {
        let changes: [fn(&mut DayLine); 9] = [
            |line| line.rows_root[3] ^= 1,
            |line| line.accounts_root[3] ^= 1,
            |line| line.root[3] ^= 1,
            |line| line.rows += 1,
            |line| line.debits += 1,
            |line| line.day += 1,
            |line| line.cosigned[0][120] ^= 1,
            |line| line.cosigned[1] = line.cosigned[0].clone(),
            |line| line.cosigned[1] = word(3, line.day, [8; 32]),
        ];
        for (n, change) in changes.iter().enumerate() {
            for at in [2, 3, 5] {
                let mut steps = steps();
                let Step::Day(line) = &mut steps[at] else { panic!("a day stands at {at}") };
                change(line);
                assert!(judge(&steps, Vec::new()).is_err(), "change {n} of step {at}");
            }
        }
        for missing in [3, 5] {
            let mut steps = steps();
            steps.remove(missing);
            assert!(judge(&steps, Vec::new()).is_err(), "step {missing} is missing");
        }
    }
}
