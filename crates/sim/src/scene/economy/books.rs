//! The book of a run: the real `rules::ledger::apply`, with what it needs in memory and nothing else.
//!
//! [`Book`](rules::ledger::Book) keeps every row for ever, which years of members do not fit; here a row is hashed into the trace, its
//! id is known for the rest of its day, and a hold is forgotten when nothing of it is left. The tests run both side by side.
//! (A) Every group is checked by `check::group`, the whole by `check::full` each month.

use crate::trace::{Record, Sink, Trace};
use model::{AccountClass, AccountNo, Code, Stamp, TransferId, Ucredit};
use rules::ledger::check::{self, Fault, Sums};
use rules::ledger::{Account, Applied, Facts, Group, Head, Hold, No, Outcome, Row, apply, book};
use std::collections::{BTreeMap, BTreeSet};

/// Why a group was not made.
#[derive(Debug, thiserror::Error)]
pub enum Bad {
    /// The rules refused it.
    #[error("refused: {0}")]
    Refused(No),
    /// It broke an invariant.
    #[error("{0}")]
    Fault(Fault),
    /// It was made before: the scene asks for nothing twice.
    #[error("made before")]
    Twice,
}

/// Accounts, open holds, and the rows of today.
#[derive(Debug, Default)]
pub struct Books {
    /// Accounts of the cloud.
    purses: BTreeMap<AccountNo, Account>,
    /// Those of members, by their sequence from 1.
    members: Vec<Account>,
    holds: BTreeMap<TransferId, Hold>,
    /// Holds by their end, and buffers by whose they are.
    ends: BTreeSet<(Stamp, TransferId)>,
    buffers: BTreeSet<(AccountNo, TransferId)>,
    /// Rows of today, and their places by id.
    today: Vec<Row>,
    by_id: BTreeMap<TransferId, usize>,
    head: Head,
    /// Every row, where a test wants them.
    pub kept: Option<Vec<Row>>,
}

struct Made<'a>(&'a Row);

impl Record for Made<'_> {
    fn record(&self, sink: &mut Sink<'_>) {
        let Row { seq, debit, credit, amount, code, kind, .. } = *self.0;
        [seq, debit.0, credit.0, amount.0].into_iter().for_each(|n| sink.u64(n));
        sink.u32(u32::from(code.number()) << 8 | u32::from(kind.number()));
    }
}

impl Books {
    /// Opens an account at 0; members in the order of their numbers.
    pub fn open(&mut self, account: Account) {
        if place(account.no).is_none() {
            self.purses.insert(account.no, account);
        } else {
            debug_assert_eq!(place(account.no), Some(self.members.len()));
            self.members.push(account);
        }
    }

    /// An account that is there.
    pub fn at(&self, no: AccountNo) -> Account {
        self.account(no).expect("the account was opened")
    }

    /// Changes what is no counter.
    pub fn set(&mut self, no: AccountNo, limit: Ucredit, state: model::MemberState) {
        let mut account = self.at(no);
        (account.limit, account.state) = (limit, state);
        self.put(account);
    }

    fn put(&mut self, account: Account) {
        match place(account.no) {
            Some(at) => self.members[at] = account,
            None => drop(self.purses.insert(account.no, account)),
        }
    }

    /// Applies a group.
    pub fn apply(&mut self, group: &Group, now: Stamp, trace: &mut Trace) -> Result<(), Bad> {
        match apply(self, group, now).map_err(|refused| Bad::Refused(refused.no))? {
            Outcome::Exists { .. } => Err(Bad::Twice),
            Outcome::Applied(applied) => {
                check::group(self, &applied).map_err(Bad::Fault)?;
                self.write(applied, now, trace);
                Ok(())
            }
        }
    }

    fn write(&mut self, applied: Applied, now: Stamp, trace: &mut Trace) {
        applied.accounts.into_values().for_each(|account| self.put(account));
        for (id, hold) in applied.holds {
            if hold.remaining() > Ucredit::ZERO {
                self.ends.insert((hold.expires, id));
                if hold.code == Code::Buffer {
                    self.buffers.insert((hold.debit, id));
                }
                self.holds.insert(id, hold);
            } else {
                self.ends.remove(&(hold.expires, id));
                self.buffers.remove(&(hold.debit, id));
                self.holds.remove(&id);
            }
        }
        for row in applied.rows {
            trace.effect(now, &Made(&row));
            self.head = Head { seq: row.seq, at: row.at };
            self.by_id.insert(row.id, self.today.len());
            self.today.push(row);
            if let Some(kept) = &mut self.kept {
                kept.push(row);
            }
        }
    }

    /// A new day: ids of the last are forgotten.
    pub fn next_day(&mut self) {
        self.today.clear();
        self.by_id.clear();
    }

    /// Groups that end the holds whose time is over.
    pub fn due(&self, now: Stamp) -> Vec<Group> {
        let over = self.ends.iter().take_while(|(end, _)| *end <= now);
        over.filter_map(|(_, id)| self.holds.get(id)).map(book::expire).collect()
    }

    /// Everything added up.
    pub fn check(&self) -> Result<Sums, Fault> {
        check::full(self.accounts(), self.holds.values())
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.head.seq
    }

    /// Holds with something left.
    pub fn holds(&self) -> impl ExactSizeIterator<Item = &Hold> {
        self.holds.values()
    }

    /// Buffers of a member.
    pub fn buffers(&self, no: AccountNo) -> impl Iterator<Item = &Hold> {
        let all = (no, TransferId([0; 16]))..=(no, TransferId([255; 16]));
        self.buffers.range(all).filter_map(|(_, id)| self.holds.get(id))
    }

    /// All accounts, in order: members have the lowest class.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> + Clone {
        self.members.iter().chain(self.purses.values())
    }
}

/// Place of a member's account.
fn place(no: AccountNo) -> Option<usize> {
    let at = || usize::try_from(no.sequence()).ok()?.checked_sub(1);
    if no.class() == Some(AccountClass::Member) { at() } else { None }
}

impl Facts for Books {
    fn head(&self) -> Head {
        self.head
    }
    fn account(&self, no: AccountNo) -> Option<Account> {
        match place(no) {
            Some(at) => self.members.get(at).copied(),
            None => self.purses.get(&no).copied(),
        }
    }
    fn hold(&self, id: TransferId) -> Option<Hold> {
        self.holds.get(&id).copied()
    }
    fn row(&self, id: TransferId) -> Option<Row> {
        self.by_id.get(&id).map(|at| self.today[*at])
    }
}
