//! Transfers, decided: a linked group is applied all or nothing (`docs/design/ledger.md` §3).
//!
//! (A) Debits and credits, held debits and held credits grow by the same. (B) No hold, and no move but one that [`Starter::may_owe`],
//! leaves `debits + held_debit > credits + limit`. (C) An id is applied once: the same group again is [`Outcome::Exists`], another
//! content is refused. (D) Rows are only added. (E) Parts of a hold add up; after its time it can only expire, unless a subject
//! contests it, so that it does not matter whether the chore or a post comes first. (K) A refused group changes nothing and
//! is not remembered. (L) Time never goes backwards in the book, whatever the clock does.
//!
//! Order of checks: well-formed → id seen → accounts open → rights → limit → apply. Escrow and genesis: [`super::code`].
//! [`Needs`] says what a shell loads first.

use super::account::{Account, Counter, End, Hold};
use super::code::{Starter, judge_hold, judge_sides, judge_starter};
use super::id::judge_time;
use super::row::{Act, Ask, Row, day_of};
use super::{No, check};
use model::{AccountNo, MemberState, Span, Stamp, TransferId, Ucredit};
use std::collections::{BTreeMap, BTreeSet};

/// Most rows of a group.
pub const GROUP_MAX: usize = 256;
/// Longest a hold lasts; every hold ends (E).
pub const HOLD_LIFE_MAX: Span = Span::days(400);

/// Where the book stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Rows so far; the next has one more.
    pub seq: u64,
    /// When the last was made.
    pub at: Stamp,
}

/// What is known: a store's loaded rows, or a whole book.
pub trait Facts {
    /// Where the book stands.
    fn head(&self) -> Head;
    /// An account.
    fn account(&self, no: AccountNo) -> Option<Account>;
    /// A hold, also one that ended.
    fn hold(&self, id: TransferId) -> Option<Hold>;
    /// The row that was made under an id.
    fn row(&self, id: TransferId) -> Option<Row>;
}

/// Transfers that are applied all or nothing, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Who starts them.
    pub starter: Starter,
    /// What is asked.
    pub asks: Vec<Ask>,
}

/// What a shell loads before it asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Rows, by id: whether they were made before.
    pub ids: BTreeSet<TransferId>,
    /// Holds that are not made in the group itself; their `debit` and `escrow` accounts are needed too.
    pub holds: BTreeSet<TransferId>,
    /// Accounts, those of the holds apart.
    pub accounts: BTreeSet<AccountNo>,
}

/// What is to be written, in one transaction with the subject's own rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// New rows, in order.
    pub rows: Vec<Row>,
    /// Accounts as they are now.
    pub accounts: BTreeMap<AccountNo, Account>,
    /// Holds as they are now.
    pub holds: BTreeMap<TransferId, Hold>,
}

/// How a group went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is to be written.
    Applied(Applied),
    /// It was applied before; the first of its rows has this place. A success.
    Exists {
        /// Place of its first row.
        seq: u64,
    },
}

/// A group that was refused: which of its transfers, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("transfer {at}: {no}")]
pub struct Refused {
    /// Place in the group, from 0.
    pub at: usize,
    /// Why.
    pub no: No,
}

impl Group {
    /// What a shell loads before it asks.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        for ask in &self.asks {
            needs.ids.insert(ask.id);
            match ask.act {
                Act::Move { debit, credit, .. } => needs.accounts.extend([debit, credit]),
                Act::Hold { debit, escrow, .. } => needs.accounts.extend([debit, escrow]),
                Act::Post { hold, credit, .. } => {
                    needs.accounts.insert(credit);
                    needs.holds.insert(hold);
                }
                Act::Void { hold, .. } | Act::Expire { hold } => drop(needs.holds.insert(hold)),
            }
        }
        let made = |id: &TransferId| self.asks.iter().any(|ask| ask.id == *id);
        needs.holds.retain(|id| !made(id));
        needs
    }
}

/// Applies a group to what is known.
///
/// # Errors
/// [`Refused`] names the first transfer that cannot be made, and why; nothing is to be written then.
pub fn apply(facts: &impl Facts, group: &Group, now: Stamp) -> Result<Outcome, Refused> {
    let head = facts.head();
    let mut desk =
        Desk { facts, starter: group.starter, now: now.max(head.at), seq: head.seq, out: Applied::default() };
    if group.asks.is_empty() || group.asks.len() > GROUP_MAX {
        return Err(Refused { at: 0, no: No::GroupSize(group.asks.len()) });
    }
    let each = |judge: &mut dyn FnMut(&Ask) -> Result<(), No>| {
        group.asks.iter().enumerate().try_for_each(|(at, ask)| judge(ask).map_err(|no| Refused { at, no }))
    };
    let mut ids = BTreeSet::new();
    each(&mut |ask| {
        let reused = No::IdReused { id: ask.id, field: "id" };
        if ids.insert(ask.id) { well_formed(ask, group.starter, desk.now) } else { Err(reused) }
    })?;
    if let Some(seq) = seen(facts, &group.asks)? {
        return Ok(Outcome::Exists { seq });
    }
    each(&mut |ask| desk.make(ask))?;
    debug_assert_eq!(check::group(facts, &desk.out), Ok(()), "(A), (E)");
    Ok(Outcome::Applied(desk.out))
}

/// What can be told without knowing the book.
fn well_formed(ask: &Ask, starter: Starter, now: Stamp) -> Result<(), No> {
    if let Starter::Member { .. } = starter {
        judge_time(ask.id, now)?;
    }
    let amount = match ask.act {
        Act::Move { amount, .. } | Act::Hold { amount, .. } | Act::Post { amount, .. } => Some(amount),
        Act::Void { amount, .. } => amount,
        Act::Expire { .. } => None,
    };
    match amount {
        Some(Ucredit::ZERO) => return Err(No::ZeroAmount),
        Some(amount) if amount > Ucredit::MAX => return Err(No::AmountTooLarge),
        _ => {}
    }
    match ask.act {
        Act::Move { debit, credit, .. } if debit == credit => Err(No::SameAccount(debit)),
        Act::Hold { debit, escrow, .. } if debit == escrow => Err(No::SameAccount(debit)),
        _ => Ok(()),
    }
}

/// (C) Place of the group's first row where the whole of it was applied before.
fn seen(facts: &impl Facts, asks: &[Ask]) -> Result<Option<u64>, Refused> {
    let mut first = None;
    let mut new = false;
    for (at, ask) in asks.iter().enumerate() {
        let refused = |field| Err(Refused { at, no: No::IdReused { id: ask.id, field } });
        match facts.row(ask.id) {
            Some(row) => match row.differs(ask) {
                Some(field) => return refused(field),
                // Some of a group is another group.
                None if new => return refused("group"),
                None => first = first.or(Some(row.seq)),
            },
            None if first.is_some() => return refused("group"),
            None => new = true,
        }
    }
    Ok(first)
}

/// The group as far as it has come.
struct Desk<'a, F> {
    facts: &'a F,
    starter: Starter,
    now: Stamp,
    seq: u64,
    out: Applied,
}

impl<F: Facts> Desk<'_, F> {
    fn make(&mut self, ask: &Ask) -> Result<(), No> {
        match ask.act {
            Act::Move { debit, credit, amount } => self.transfer(ask, debit, credit, amount),
            Act::Hold { debit, escrow, amount, expires } => self.hold(ask, (debit, escrow), amount, expires),
            Act::Post { hold, credit, amount } => self.post(ask, hold, credit, amount),
            Act::Void { hold, amount } => {
                let (hold, amount) = (self.open_hold(hold)?, amount);
                self.give_back(ask, hold, amount.unwrap_or(hold.remaining()), End::Voided)
            }
            Act::Expire { hold } => {
                let hold = self.some_hold(hold)?;
                if hold.is_over(self.now) {
                    self.give_back(ask, hold, hold.remaining(), End::Expired)
                } else {
                    Err(No::HoldNotDue(hold.id))
                }
            }
        }
    }

    fn transfer(&mut self, ask: &Ask, debit: AccountNo, credit: AccountNo, amount: Ucredit) -> Result<(), No> {
        let (mut from, mut to) = (self.open(debit)?, self.open(credit)?);
        judge_starter(self.starter, ask.code, ask.act.kind(), debit)?;
        judge_sides(ask.code, ask.act.kind(), debit, credit)?;
        self.judge_frozen(&from)?;
        if !self.starter.may_owe(ask.code, debit) {
            afford(&from, amount)?;
        }
        from.add(Counter::Debits, amount)?;
        to.add(Counter::Credits, amount)?;
        self.keep([from, to]);
        self.row(ask, (debit, credit), amount, None)
    }

    fn hold(
        &mut self,
        ask: &Ask,
        (debit, escrow): (AccountNo, AccountNo),
        amount: Ucredit,
        expires: Stamp,
    ) -> Result<(), No> {
        let (mut from, mut under) = (self.open(debit)?, self.open(escrow)?);
        judge_starter(self.starter, ask.code, ask.act.kind(), debit)?;
        judge_hold(ask.code, debit, escrow)?;
        if from.is_frozen {
            return Err(No::AccountFrozen(debit));
        }
        if expires <= self.now || expires.since(self.now) > HOLD_LIFE_MAX {
            return Err(No::BadExpiry(expires));
        }
        afford(&from, amount)?;
        from.add(Counter::HeldDebit, amount)?;
        under.add(Counter::HeldCredit, amount)?;
        self.keep([from, under]);
        let zero = Ucredit::ZERO;
        let (id, code) = (ask.id, ask.code);
        let (posted, voided, expired) = (zero, zero, zero);
        let hold = Hold { id, debit, escrow, amount, posted, voided, expired, code, expires, is_contested: false };
        self.out.holds.insert(id, hold);
        self.row(ask, (debit, escrow), amount, None)
    }

    fn post(&mut self, ask: &Ask, hold: TransferId, credit: AccountNo, amount: Ucredit) -> Result<(), No> {
        let mut hold = self.open_hold(hold)?;
        if hold.debit == credit {
            return Err(No::SameAccount(credit));
        }
        judge_starter(self.starter, ask.code, ask.act.kind(), hold.debit)?;
        judge_sides(ask.code, ask.act.kind(), hold.debit, credit)?;
        let (mut from, mut under, mut to) = (self.known(hold.debit)?, self.known(hold.escrow)?, self.open(credit)?);
        hold.end(End::Posted, amount)?;
        from.take(Counter::HeldDebit, amount)?;
        under.take(Counter::HeldCredit, amount)?;
        from.add(Counter::Debits, amount)?;
        to.add(Counter::Credits, amount)?;
        self.keep([from, under, to]);
        self.out.holds.insert(hold.id, hold);
        self.row(ask, (hold.debit, credit), amount, Some(hold.id))
    }

    fn give_back(&mut self, ask: &Ask, mut hold: Hold, amount: Ucredit, how: End) -> Result<(), No> {
        judge_starter(self.starter, ask.code, ask.act.kind(), hold.debit)?;
        let (mut from, mut under) = (self.known(hold.debit)?, self.known(hold.escrow)?);
        hold.end(how, amount)?;
        from.take(Counter::HeldDebit, amount)?;
        under.take(Counter::HeldCredit, amount)?;
        self.keep([from, under]);
        self.out.holds.insert(hold.id, hold);
        self.row(ask, (hold.debit, hold.escrow), amount, Some(hold.id))
    }

    /// A frozen account starts nothing; what the cloud charges by a public price goes on.
    fn judge_frozen(&self, from: &Account) -> Result<(), No> {
        match self.starter {
            Starter::Member { .. } if from.is_frozen => Err(No::AccountFrozen(from.no)),
            _ => Ok(()),
        }
    }

    fn known(&self, no: AccountNo) -> Result<Account, No> {
        let kept = self.out.accounts.get(&no).copied();
        kept.or_else(|| self.facts.account(no)).ok_or(No::UnknownAccount(no))
    }

    fn open(&self, no: AccountNo) -> Result<Account, No> {
        let account = self.known(no)?;
        if account.state == MemberState::Closed { Err(No::AccountClosed(no)) } else { Ok(account) }
    }

    /// A hold with something left, whoever ended the rest.
    fn some_hold(&self, id: TransferId) -> Result<Hold, No> {
        let hold = self.out.holds.get(&id).copied().or_else(|| self.facts.hold(id)).ok_or(No::HoldClosed(id))?;
        match (hold.remaining(), hold.expired) {
            (Ucredit::ZERO, Ucredit::ZERO) => Err(No::HoldClosed(id)),
            (Ucredit::ZERO, _) => Err(No::HoldExpired(id)),
            _ => Ok(hold),
        }
    }

    /// A hold that is not over.
    fn open_hold(&self, id: TransferId) -> Result<Hold, No> {
        let hold = self.some_hold(id)?;
        if hold.is_over(self.now) { Err(No::HoldExpired(id)) } else { Ok(hold) }
    }

    fn keep<const N: usize>(&mut self, accounts: [Account; N]) {
        self.out.accounts.extend(accounts.map(|account| (account.no, account)));
    }

    fn row(
        &mut self,
        ask: &Ask,
        (debit, credit): (AccountNo, AccountNo),
        amount: Ucredit,
        hold: Option<TransferId>,
    ) -> Result<(), No> {
        self.seq = self.seq.checked_add(1).ok_or(No::AmountTooLarge)?;
        let expires = match ask.act {
            Act::Hold { expires, .. } => Some(expires),
            _ => None,
        };
        self.out.rows.push(Row {
            seq: self.seq,
            id: ask.id,
            kind: ask.act.kind(),
            debit,
            credit,
            amount,
            code: ask.code,
            hold,
            reference: ask.reference,
            expires,
            day: day_of(self.now),
            at: self.now,
        });
        Ok(())
    }
}

fn afford(account: &Account, needed: Ucredit) -> Result<(), No> {
    if account.affords(needed) {
        return Ok(());
    }
    let (no, available, held) = (account.no, account.available(), account.held_debit);
    Err(No::InsufficientCredit { account: no, available, needed, held })
}
