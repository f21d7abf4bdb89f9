//! Tests of the ledger, beside the small ones in its files.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod bank;
mod chained;
mod copies;
mod due;
mod pledged;
mod prices;
mod receipts;
mod refused;
mod standing;

use super::row::{Act, Ask};
use super::{Account, Applied, Book, Group, No, Outcome, Starter};
use model::{AccountClass, AccountNo, Code, MemberState, Span, Stamp, TransferId, Ucredit};

pub(super) const NOW: Stamp = Stamp(1_800_000_000_000);
pub(super) const ESCROW: AccountNo = AccountNo::new(AccountClass::Escrow, 1);

pub(super) fn member(n: u64) -> AccountNo {
    AccountNo::new(AccountClass::Member, n)
}

pub(super) fn seat(class: AccountClass) -> AccountNo {
    AccountNo::new(class, 1)
}

pub(super) fn id(n: u64) -> TransferId {
    id_at(NOW, n)
}

pub(super) fn id_at(at: Stamp, n: u64) -> TransferId {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&n.to_be_bytes());
    TransferId::made(at, random)
}

/// So many members that may owe 30 credits each, and every seat.
pub(super) fn book(members: u64) -> Book {
    let mut book = Book::default();
    for n in 0..members {
        book.open(Account::open(member(n), MemberState::Active, Ucredit::whole(30)));
    }
    for class in AccountClass::ALL.iter().filter(|class| !matches!(class, AccountClass::Member | AccountClass::Circle))
    {
        let limit = if *class == AccountClass::Insurance { Ucredit::whole(100) } else { Ucredit::ZERO };
        book.open(Account::open(seat(*class), MemberState::Active, limit));
    }
    book
}

pub(super) fn gift(n: u64, from: u64, to: u64, amount: u64) -> Ask {
    let act = Act::Move { debit: member(from), credit: member(to), amount: Ucredit(amount) };
    Ask { id: id(n), act, code: Code::Gift, reference: None }
}

pub(super) fn hold(n: u64, from: u64, amount: u64) -> Ask {
    let expires = NOW + Span::days(1);
    let act = Act::Hold { debit: member(from), escrow: ESCROW, amount: Ucredit(amount), expires };
    Ask { id: id(n), act, code: Code::Bounty, reference: None }
}

pub(super) fn post(n: u64, of: u64, to: u64, amount: u64) -> Ask {
    let act = Act::Post { hold: id(of), credit: member(to), amount: Ucredit(amount) };
    Ask { id: id(n), act, code: Code::Work, reference: None }
}

pub(super) fn void(n: u64, of: u64, amount: Option<u64>) -> Ask {
    let act = Act::Void { hold: id(of), amount: amount.map(Ucredit) };
    Ask { id: id(n), act, code: Code::Refund, reference: None }
}

pub(super) fn by_system(asks: impl Into<Vec<Ask>>) -> Group {
    Group { starter: Starter::System, asks: asks.into() }
}

pub(super) fn by_member(n: u64, asks: impl Into<Vec<Ask>>) -> Group {
    Group { starter: Starter::Member { account: member(n), with_bridge: false }, asks: asks.into() }
}

impl Book {
    /// Applies what must be applied.
    pub(super) fn must(&mut self, group: &Group) -> Applied {
        match self.apply(group, NOW) {
            Ok(Outcome::Applied(applied)) => applied,
            other => panic!("{other:?}"),
        }
    }
    /// Applies what must be refused, and sees that nothing changed.
    pub(super) fn refuse(&mut self, group: &Group, now: Stamp) -> No {
        let before = self.clone();
        let refused = self.apply(group, now).expect_err("it is to be refused");
        assert_eq!(*self, before, "(K)");
        refused.no
    }
    pub(super) fn balance(&self, no: AccountNo) -> i64 {
        self.accounts().find(|account| account.no == no).expect("it is open").balance().0
    }
}
