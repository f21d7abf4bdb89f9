//! A whole book in memory: what tests, the simulation and audits drive with the same [`apply`] as a center.
//!
//! (C) A group that was applied before changes nothing. (D) Rows are only added.

use super::Starter;
use super::account::{Account, Hold};
use super::apply::{Applied, Facts, Group, Head, Outcome, Refused, apply};
use super::check::{self, Fault, Sums};
use super::id::expire_id;
use super::replay::{self, BadRow, Replay};
use super::row::{Act, Ask, Row};
use model::{AccountNo, Stamp, TransferId, Ucredit};
use std::collections::BTreeMap;

/// Every account, hold and row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Book {
    accounts: BTreeMap<AccountNo, Account>,
    holds: BTreeMap<TransferId, Hold>,
    rows: Vec<Row>,
    by_id: BTreeMap<TransferId, usize>,
}

impl Book {
    /// A book again from its rows and the accounts that were opened, whose counters do not matter.
    ///
    /// # Errors
    /// The first row that cannot stand where it stands.
    pub fn restore(opened: impl IntoIterator<Item = Account>, rows: &[Row]) -> Result<Self, BadRow> {
        let mut replay = Replay::default();
        rows.iter().try_for_each(|row| replay.row(row))?;
        let mut book = Self::default();
        opened.into_iter().for_each(|account| book.open(account));
        for moved in replay.accounts() {
            let known = book.accounts.get(&moved.no).copied().unwrap_or(*moved);
            let (state, is_frozen, limit) = (known.state, known.is_frozen, known.limit);
            book.accounts.insert(moved.no, Account { state, is_frozen, limit, ..*moved });
        }
        book.holds = replay.holds().map(|hold| (hold.id, *hold)).collect();
        book.by_id = rows.iter().enumerate().map(|(at, row)| (row.id, at)).collect();
        book.rows = rows.to_vec();
        Ok(book)
    }

    /// Opens an account at 0, unless it is there.
    pub fn open(&mut self, account: Account) {
        let zero = Account::open(account.no, account.state, account.limit);
        self.accounts.entry(account.no).or_insert(Account { is_frozen: account.is_frozen, ..zero });
    }

    /// Changes what is no counter: limit, state, frozen.
    pub fn set(&mut self, no: AccountNo, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.accounts.get_mut(&no) {
            let mut new = *account;
            change(&mut new);
            (account.limit, account.state, account.is_frozen) = (new.limit, new.state, new.is_frozen);
        }
    }

    /// A subject argues about a hold, or does no more.
    pub fn contest(&mut self, id: TransferId, is_contested: bool) {
        if let Some(hold) = self.holds.get_mut(&id) {
            hold.is_contested = is_contested;
        }
    }

    /// Applies a group and writes it.
    ///
    /// # Errors
    /// As [`apply`]; nothing changes then.
    pub fn apply(&mut self, group: &Group, now: Stamp) -> Result<Outcome, Refused> {
        let outcome = apply(self, group, now)?;
        if let Outcome::Applied(applied) = &outcome {
            self.write(applied);
        }
        Ok(outcome)
    }

    fn write(&mut self, applied: &Applied) {
        self.accounts.extend(applied.accounts.iter().map(|(no, account)| (*no, *account)));
        self.holds.extend(applied.holds.iter().map(|(id, hold)| (*id, *hold)));
        for row in &applied.rows {
            self.by_id.insert(row.id, self.rows.len());
            self.rows.push(*row);
        }
    }

    /// Groups that end all holds whose time is over.
    pub fn due(&self, now: Stamp) -> Vec<Group> {
        let over = self.holds.values().filter(|hold| hold.remaining() > Ucredit::ZERO && hold.is_over(now));
        over.map(expire).collect()
    }

    /// All accounts, in order.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }
    /// All holds, in order.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values()
    }
    /// All rows, in order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Everything that must hold.
    ///
    /// # Errors
    /// The first invariant that does not.
    pub fn check(&self) -> Result<Sums, Fault> {
        check::full(self.accounts.values(), self.holds.values())
    }

    /// Hash of the state, as replay gives it.
    pub fn state_hash(&self) -> [u8; 32] {
        replay::state_hash(self.accounts.values(), self.holds.values())
    }
}

/// The group that ends a hold whose time is over; harmless twice.
pub fn expire(hold: &Hold) -> Group {
    let ask = Ask { id: expire_id(hold.id), act: Act::Expire { hold: hold.id }, code: hold.code, reference: None };
    Group { starter: Starter::System, asks: vec![ask] }
}

impl Facts for Book {
    fn head(&self) -> Head {
        self.rows.last().map_or(Head::default(), |row| Head { seq: row.seq, at: row.at })
    }
    fn account(&self, no: AccountNo) -> Option<Account> {
        self.accounts.get(&no).copied()
    }
    fn hold(&self, id: TransferId) -> Option<Hold> {
        self.holds.get(&id).copied()
    }
    fn row(&self, id: TransferId) -> Option<Row> {
        self.by_id.get(&id).and_then(|at| self.rows.get(*at)).copied()
    }
}
