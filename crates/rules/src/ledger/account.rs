//! An account and a hold, as counters that only a transfer changes (`docs/design/ledger.md` §2, §3).
//!
//! (A) No counter passes [`Ucredit::MAX`], so that a balance always fits. (B) An account's balance is `credits − debits`, what it
//! can spend is balance + limit − held. (E) A hold's parts add up to its amount.

use super::No;
use model::{AccountClass, AccountNo, Code, Credits, MemberState, Stamp, TransferId, Ucredit};

/// One balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Its number, which bears its class.
    pub no: AccountNo,
    /// How it stands; system accounts are active for ever.
    pub state: MemberState,
    /// It starts nothing until somebody has looked.
    pub is_frozen: bool,
    /// How far it may owe.
    pub limit: Ucredit,
    /// All that went out.
    pub debits: Ucredit,
    /// All that came in.
    pub credits: Ucredit,
    /// Its own, set aside.
    pub held_debit: Ucredit,
    /// Others', set aside under it: escrow.
    pub held_credit: Ucredit,
}

/// Which of the four counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    Debits,
    Credits,
    HeldDebit,
    HeldCredit,
}

impl Account {
    /// An account opens at 0.
    pub const fn open(no: AccountNo, state: MemberState, limit: Ucredit) -> Self {
        let zero = Ucredit::ZERO;
        Self { no, state, is_frozen: false, limit, debits: zero, credits: zero, held_debit: zero, held_credit: zero }
    }

    /// Credits − debits.
    pub fn balance(&self) -> Credits {
        // (A): both are at most `i64::MAX`, so the difference fits.
        let wide = i128::from(self.credits.0).saturating_sub(i128::from(self.debits.0));
        Credits(i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX }))
    }

    /// Balance + limit − held.
    pub fn available(&self) -> Credits {
        let plus = i128::from(self.credits.0).saturating_add(i128::from(self.limit.0));
        let minus = i128::from(self.debits.0).saturating_add(i128::from(self.held_debit.0));
        let wide = plus.saturating_sub(minus);
        Credits(i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX }))
    }

    /// Whether it can spend `amount`: (B).
    pub fn affords(&self, amount: Ucredit) -> bool {
        // The write-off account may owe whatever it must: it is public.
        self.no.class() == Some(AccountClass::WriteOff)
            || amount.credits().is_some_and(|amount| self.available() >= amount)
    }

    fn counter(&mut self, counter: Counter) -> &mut Ucredit {
        match counter {
            Counter::Debits => &mut self.debits,
            Counter::Credits => &mut self.credits,
            Counter::HeldDebit => &mut self.held_debit,
            Counter::HeldCredit => &mut self.held_credit,
        }
    }

    pub(super) fn add(&mut self, counter: Counter, amount: Ucredit) -> Result<(), No> {
        let counter = self.counter(counter);
        *counter = counter.checked_add(amount).ok_or(No::AmountTooLarge)?;
        Ok(())
    }

    pub(super) fn take(&mut self, counter: Counter, amount: Ucredit) -> Result<(), No> {
        let counter = self.counter(counter);
        *counter = counter.checked_sub(amount).ok_or(No::AmountTooLarge)?;
        Ok(())
    }
}

/// Credits set aside for a purpose: derived from its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// The transfer that made it.
    pub id: TransferId,
    /// Whose credits.
    pub debit: AccountNo,
    /// Under which escrow account.
    pub escrow: AccountNo,
    /// How much at first.
    pub amount: Ucredit,
    /// Paid to somebody.
    pub posted: Ucredit,
    /// Given back.
    pub voided: Ucredit,
    /// Given back by time.
    pub expired: Ucredit,
    /// What for.
    pub code: Code,
    /// Until when.
    pub expires: Stamp,
    /// A subject argues about it: time does not end it. Set by the subject, no part of the rows.
    pub is_contested: bool,
}

/// How a part of a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Paid to somebody.
    Posted,
    /// Given back.
    Voided,
    /// Given back by time.
    Expired,
}

impl Hold {
    /// What is left: (E).
    pub fn remaining(&self) -> Ucredit {
        self.amount.less(self.posted).less(self.voided).less(self.expired)
    }

    /// Ends a part of it.
    pub(super) fn end(&mut self, how: End, amount: Ucredit) -> Result<(), No> {
        let remaining = self.remaining();
        if amount > remaining {
            return Err(No::HoldExceeded { hold: self.id, remaining });
        }
        let counter = match how {
            End::Posted => &mut self.posted,
            End::Voided => &mut self.voided,
            End::Expired => &mut self.expired,
        };
        *counter = counter.checked_add(amount).ok_or(No::AmountTooLarge)?;
        Ok(())
    }

    /// Its time is over and nobody argues about it.
    pub fn is_over(&self, now: Stamp) -> bool {
        now >= self.expires && !self.is_contested
    }
}
