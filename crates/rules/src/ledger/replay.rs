//! The book again from its rows alone, as an independent small program would do it (`docs/design/ledger.md` §11).
//!
//! Shares nothing with `apply` but the layout of a row: it believes no decision, it adds up. (J) The same rows give the same state
//! hash. (A, C, D, E) are judged on the way, (B) for every account whose limits are given. (I) The chain and the daily roots
//! are [`super::chain`]'s.

use super::account::{Account, End, Hold};
use super::chain;
use super::check::{self, Fault, Sums};
use super::row::{Row, day_of};
use model::{AccountNo, Code, MemberState, Stamp, TransferId, TransferKind, Ucredit};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("row {seq}: {why}")]
pub struct BadRow {
    /// Its place.
    pub seq: u64,
    /// What.
    pub why: &'static str,
}

/// A book that is being added up.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    accounts: BTreeMap<AccountNo, Account>,
    holds: BTreeMap<TransferId, Hold>,
    ids: BTreeSet<TransferId>,
    limited: BTreeSet<AccountNo>,
    seq: u64,
    at: Stamp,
}

impl Replay {
    /// The next row.
    ///
    /// # Errors
    /// [`BadRow`] where it cannot stand behind the last one.
    pub fn row(&mut self, row: &Row) -> Result<(), BadRow> {
        let bad = |why| BadRow { seq: row.seq, why };
        let facts = [
            (Some(row.seq) == self.seq.checked_add(1), "it does not follow the last one"),
            (row.at >= self.at, "it is older than the last one"),
            (row.day == day_of(row.at), "its day is not its time's"),
            (self.ids.insert(row.id), "its id was used before"),
            (row.amount > Ucredit::ZERO && row.amount <= Ucredit::MAX, "its amount is nothing or too much"),
            (row.debit != row.credit, "both sides are the same"),
            (
                row.hold.is_some() == (row.kind.number() >= TransferKind::Post.number()),
                "its hold is wrong for its kind",
            ),
            (row.expires.is_some() == (row.kind == TransferKind::Hold), "its end is wrong for its kind"),
        ];
        if let Some((_, why)) = facts.into_iter().find(|(holds, _)| !holds) {
            return Err(bad(why));
        }
        (self.seq, self.at) = (row.seq, row.at);
        match row.kind {
            TransferKind::Move => self.shift(row),
            TransferKind::Hold => self.set_aside(row),
            TransferKind::Post => self.end(row, End::Posted).and_then(|_| self.shift(row)),
            TransferKind::Void => self.end(row, End::Voided),
            TransferKind::Expire => self.end(row, End::Expired),
        }
        .and_then(|()| self.judge_limit(row))
        .map_err(bad)
    }

    /// (B) where the account's limit was given; not of what may be owed beyond it.
    fn judge_limit(&mut self, row: &Row) -> Result<(), &'static str> {
        let may_owe =
            row.kind == TransferKind::Move && matches!(row.code, Code::Storage | Code::Egress | Code::Compute);
        let spends = matches!(row.kind, TransferKind::Move | TransferKind::Hold) && !may_owe;
        if spends && self.limited.contains(&row.debit) && self.account(row.debit).available().0 < 0 {
            return Err("it goes beyond its account's limit");
        }
        Ok(())
    }

    /// From one balance to another.
    fn shift(&mut self, row: &Row) -> Result<(), &'static str> {
        let out = &mut self.account(row.debit).debits;
        *out = out.checked_add(row.amount).ok_or("a counter overflows")?;
        let into = &mut self.account(row.credit).credits;
        *into = into.checked_add(row.amount).ok_or("a counter overflows")?;
        Ok(())
    }

    fn set_aside(&mut self, row: &Row) -> Result<(), &'static str> {
        let held = &mut self.account(row.debit).held_debit;
        *held = held.checked_add(row.amount).ok_or("a counter overflows")?;
        let under = &mut self.account(row.credit).held_credit;
        *under = under.checked_add(row.amount).ok_or("a counter overflows")?;
        let zero = Ucredit::ZERO;
        let hold = Hold {
            id: row.id,
            debit: row.debit,
            escrow: row.credit,
            amount: row.amount,
            posted: zero,
            voided: zero,
            expired: zero,
            code: row.code,
            expires: row.expires.ok_or("a hold has no end")?,
            is_contested: false,
        };
        self.holds.insert(row.id, hold);
        Ok(())
    }

    fn end(&mut self, row: &Row, how: End) -> Result<(), &'static str> {
        let id = row.hold.ok_or("it names no hold")?;
        let hold = self.holds.get_mut(&id).ok_or("its hold was never made")?;
        if hold.debit != row.debit || (how != End::Posted && hold.escrow != row.credit) {
            return Err("its sides are not its hold's");
        }
        if how == End::Expired && (row.at < hold.expires || row.amount != hold.remaining()) {
            return Err("its hold is not over, or more is left of it");
        }
        hold.end(how, row.amount).map_err(|_| "more than its hold has left")?;
        let escrow = hold.escrow;
        let held = &mut self.account(row.debit).held_debit;
        *held = held.checked_sub(row.amount).ok_or("more than is held")?;
        let under = &mut self.account(escrow).held_credit;
        *under = under.checked_sub(row.amount).ok_or("more than is held")?;
        Ok(())
    }

    /// An account opens at 0 where it is first named.
    fn account(&mut self, no: AccountNo) -> &mut Account {
        self.accounts.entry(no).or_insert_with(|| Account::open(no, MemberState::Active, Ucredit::ZERO))
    }

    /// An account was opened, or its limit changed: from now on it is held to it.
    pub fn limit(&mut self, no: AccountNo, limit: Ucredit) {
        self.account(no).limit = limit;
        self.limited.insert(no);
    }

    /// Everything added up so far.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check(&self) -> Result<Sums, Fault> {
        check::full(self.accounts.values(), self.holds.values())
    }

    /// (J)
    pub fn state_hash(&self) -> [u8; 32] {
        state_hash(self.accounts.values(), self.holds.values())
    }

    /// Accounts so far, in order.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }
    /// Holds so far, in order.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values()
    }
    /// Rows so far.
    pub const fn rows(&self) -> u64 {
        self.seq
    }
}

/// (J) Hash of every account that moved and every hold with something left: BLAKE3(accounts root ‖ holds root).
/// Accounts and holds come in the order of their numbers.
pub fn state_hash<'a>(accounts: impl Iterator<Item = &'a Account>, holds: impl Iterator<Item = &'a Hold>) -> [u8; 32] {
    let open = holds.filter(|hold| hold.remaining() > Ucredit::ZERO).map(|hold| chain::leaf(&hold_bytes(hold)));
    let mut hasher = blake3::Hasher::new();
    hasher.update(&accounts_root(accounts)).update(&chain::root(open));
    *hasher.finalize().as_bytes()
}

/// Root over the states of all accounts that ever moved, in order.
pub fn accounts_root<'a>(accounts: impl Iterator<Item = &'a Account>) -> [u8; 32] {
    let moved = accounts.map(account_bytes).filter(|bytes| bytes.iter().skip(8).any(|byte| *byte != 0));
    chain::root(moved.map(|bytes| chain::leaf(&bytes)))
}

/// 40 bytes, little-endian: number, debits, credits, held debits, held credits; what rows alone say.
pub fn account_bytes(account: &Account) -> [u8; 40] {
    let parts = [account.no.0, account.debits.0, account.credits.0, account.held_debit.0, account.held_credit.0];
    let mut out = [0; 40];
    out.iter_mut().zip(parts.into_iter().flat_map(u64::to_le_bytes)).for_each(|(to, from)| *to = from);
    out
}

/// 50 bytes, little-endian: id 16, debit, escrow, remaining, expires, code u16.
fn hold_bytes(hold: &Hold) -> [u8; 50] {
    let numbers = [hold.debit.0, hold.escrow.0, hold.remaining().0, hold.expires.as_ms()];
    let all = hold.id.0.into_iter().chain(numbers.into_iter().flat_map(u64::to_le_bytes));
    let mut out = [0; 50];
    out.iter_mut().zip(all.chain(hold.code.number().to_le_bytes())).for_each(|(to, from)| *to = from);
    out
}
