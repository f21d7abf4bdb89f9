//! What must hold between any two groups (`docs/design/ledger.md` §2, §3, §15).
//!
//! [`full`] looks at everything, each night; [`group`] at what one group changed, each time. (A) Σ debits = Σ credits, Σ held debits
//! = Σ held credits. (E) Parts of every hold add up, and what stands held at an account is what its open holds have left. (M) Escrow
//! has held credits only, genesis nothing; purses, clearing, operator and bridge owe nobody.

use super::account::{Account, Hold};
use super::apply::{Applied, Facts};
use model::{AccountClass, AccountNo, TransferId, Ucredit};
use std::collections::BTreeMap;

/// Sums over the whole book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// All that went out.
    pub debits: u128,
    /// All that came in.
    pub credits: u128,
    /// All set aside, by whose it is.
    pub held_debit: u128,
    /// All set aside, by escrow.
    pub held_credit: u128,
    /// Sum of all balances below zero: credits outstanding.
    pub owed: u128,
}

/// An invariant that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// (A)
    #[error("debits {debits} and credits {credits} differ")]
    Sum {
        /// Σ debits.
        debits: u128,
        /// Σ credits.
        credits: u128,
    },
    /// (A)
    #[error("held debits {debits} and held credits {credits} differ")]
    HeldSum {
        /// Σ held debits.
        debits: u128,
        /// Σ held credits.
        credits: u128,
    },
    /// (E)
    #[error("parts of hold {0} do not add up to its amount")]
    Parts(TransferId),
    /// (E)
    #[error("what is held at {0} is not what its holds have left")]
    Held(AccountNo),
    /// (M)
    #[error("{0} has what its class cannot have")]
    Class(AccountNo),
    /// Its number is no account's.
    #[error("{0} has no class")]
    Number(AccountNo),
    /// (D)
    #[error("row {0} does not follow the last one")]
    Gap(u64),
}

impl Sums {
    fn add(&mut self, account: &Account) {
        self.debits = self.debits.saturating_add(account.debits.0.into());
        self.credits = self.credits.saturating_add(account.credits.0.into());
        self.held_debit = self.held_debit.saturating_add(account.held_debit.0.into());
        self.held_credit = self.held_credit.saturating_add(account.held_credit.0.into());
        let owed = account.debits.0.saturating_sub(account.credits.0);
        self.owed = self.owed.saturating_add(owed.into());
    }

    /// (A)
    ///
    /// # Errors
    /// [`Fault::Sum`], [`Fault::HeldSum`].
    pub fn judge(&self) -> Result<(), Fault> {
        if self.debits != self.credits {
            return Err(Fault::Sum { debits: self.debits, credits: self.credits });
        }
        if self.held_debit != self.held_credit {
            return Err(Fault::HeldSum { debits: self.held_debit, credits: self.held_credit });
        }
        Ok(())
    }
}

/// (M)
fn judge_class(account: &Account) -> Result<(), Fault> {
    use AccountClass as Class;
    let class = account.no.class().ok_or(Fault::Number(account.no))?;
    let zero = Ucredit::ZERO;
    let moves = account.debits > zero || account.credits > zero;
    let holds_for_others = account.held_credit > zero;
    let wrong = match class {
        Class::Genesis => moves || holds_for_others || account.held_debit > zero,
        Class::Escrow => moves || account.held_debit > zero,
        // How far insurance may owe changes with the volume: (B) bounds each of its moves, not what is owed already.
        Class::Member | Class::Circle | Class::WriteOff | Class::Insurance => holds_for_others,
        Class::Clearing
        | Class::Repair
        | Class::Commons
        | Class::Standby
        | Class::Panel
        | Class::Operator
        | Class::Bridge => holds_for_others || account.balance().0 < 0,
    };
    if wrong { Err(Fault::Class(account.no)) } else { Ok(()) }
}

/// (E)
fn judge_parts(hold: &Hold) -> Result<(), Fault> {
    let ended = hold.posted.checked_add(hold.voided).and_then(|sum| sum.checked_add(hold.expired));
    if ended.is_some_and(|ended| ended <= hold.amount) { Ok(()) } else { Err(Fault::Parts(hold.id)) }
}

/// Everything: (A), (E), (M).
///
/// # Errors
/// The first that does not hold.
pub fn full<'a>(
    accounts: impl Iterator<Item = &'a Account> + Clone,
    holds: impl Iterator<Item = &'a Hold>,
) -> Result<Sums, Fault> {
    let mut sums = Sums::default();
    for account in accounts.clone() {
        judge_class(account)?;
        sums.add(account);
    }
    sums.judge()?;
    let mut left: BTreeMap<AccountNo, u128> = BTreeMap::new();
    for hold in holds {
        judge_parts(hold)?;
        for side in [hold.debit, hold.escrow] {
            let sum = left.entry(side).or_default();
            *sum = sum.saturating_add(hold.remaining().0.into());
        }
    }
    for account in accounts {
        // Nobody has both: escrow holds for others, everybody else of its own.
        let held = u128::from(account.held_debit.0).saturating_add(account.held_credit.0.into());
        if left.remove(&account.no).unwrap_or(0) != held {
            return Err(Fault::Held(account.no));
        }
    }
    match left.into_iter().find(|(_, sum)| *sum > 0) {
        Some((no, _)) => Err(Fault::Held(no)),
        None => Ok(sums),
    }
}

/// What a group changed: (A) by differences, (D), (E) of its holds, (M) of its accounts.
///
/// # Errors
/// The first that does not hold.
pub fn group(before: &impl Facts, applied: &Applied) -> Result<(), Fault> {
    let (mut old, mut new) = (Sums::default(), Sums::default());
    for account in applied.accounts.values() {
        judge_class(account)?;
        new.add(account);
        if let Some(account) = before.account(account.no) {
            old.add(&account);
        }
    }
    let grew = |new: u128, old: u128| new.wrapping_sub(old);
    Sums {
        debits: grew(new.debits, old.debits),
        credits: grew(new.credits, old.credits),
        held_debit: grew(new.held_debit, old.held_debit),
        held_credit: grew(new.held_credit, old.held_credit),
        owed: 0,
    }
    .judge()?;
    applied.holds.values().try_for_each(judge_parts)?;
    let mut seq = before.head().seq;
    for row in &applied.rows {
        seq = seq.saturating_add(1);
        if row.seq != seq {
            return Err(Fault::Gap(row.seq));
        }
    }
    Ok(())
}
