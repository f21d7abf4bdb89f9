//! Daily roots: what a day's rows and all accounts at its end hash to, over the root of the day before (`docs/design/ledger.md`
//! §11).
//!
//! A root is made some time after its day has ended; accounts are taken back to the end of the day by undoing the rows since. So
//! it does not matter when it is made, and days that were missed get theirs one after the other.

use super::{DayRow, Ledger, PAGE_MAX, store};
use crate::db::{DbError, Reader, StoreError};
use model::{AccountNo, Span, Stamp, TransferKind, Ucredit};
use rules::ledger::chain::{Day, Hash, leaf, root};
use rules::ledger::check::Sums;
use rules::ledger::replay::accounts_root;
use rules::ledger::row::day_of;
use rules::ledger::{Account, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

/// How long after its end a day's root is made.
pub const ROOT_AFTER: Span = Span::hours(1);
/// Days whose roots are kept.
pub const DAYS_KEPT: u32 = 400;
/// Roots made in one look.
pub const ROOTS_MAX: u32 = 32;

const DAY: Span = Span::days(1);

fn begin_of(day: u32) -> Stamp {
    Stamp(u64::from(day).saturating_mul(DAY.as_ms()))
}

/// The next day that has none, with its root; nothing where none is over, or nothing was ever posted.
fn next(q: &mut Reader<'_>, now: Stamp) -> Result<Option<DayRow>, DbError> {
    let last = store::day::last(q)?;
    let day = match &last {
        Some(last) => last.day.day.saturating_add(1),
        None => match store::row::after(q, 0, 1)?.first() {
            Some(first) => first.day,
            None => return Ok(None),
        },
    };
    let end = begin_of(day.saturating_add(1));
    if now < end + ROOT_AFTER {
        return Ok(None);
    }
    let before = store::row::block_before(q, begin_of(day))?.map_or(0, |stored| stored.block.last_seq);
    let until = store::row::block_before(q, end)?.map_or(0, |stored| stored.block.last_seq);
    let mut leaves = Vec::new();
    pages(q, before, until, |_, rows| {
        leaves.extend(rows.iter().map(|row| leaf(&row.bytes())));
        Ok(())
    })?;
    let accounts = accounts_at(q, until)?;
    let mut sums = Sums::default();
    for account in &accounts {
        sums.debits += u128::from(account.debits.0);
        sums.credits += u128::from(account.credits.0);
    }
    let day = Day {
        day,
        rows_root: root(leaves.into_iter()),
        accounts_root: accounts_root(accounts.iter()),
        debits: sums.debits,
        credits: sums.credits,
        rows: until,
    };
    let root = day.root(&last.map_or([0; 32], |last| last.root));
    Ok(Some(DayRow { day, root, at: now }))
}

/// Hands on the rows after one place up to another, page by page.
fn pages(
    q: &mut Reader<'_>,
    mut after: u64,
    until: u64,
    mut take: impl FnMut(&mut Reader<'_>, &[Row]) -> Result<(), DbError>,
) -> Result<(), DbError> {
    while after < until {
        let mut rows = store::row::after(q, after, PAGE_MAX)?;
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok(()) };
        rows.retain(|row| row.seq <= until);
        take(q, &rows)?;
        after = last;
    }
    Ok(())
}

/// Every account as it was after row `until`.
fn accounts_at(q: &mut Reader<'_>, until: u64) -> Result<Vec<Account>, DbError> {
    let head = store::head(q)?.seq;
    let mut since: BTreeMap<AccountNo, Grown> = BTreeMap::new();
    pages(q, until, head, |q, rows| {
        let posts = rows.iter().filter(|row| row.kind == TransferKind::Post);
        let ids: Vec<_> = posts.filter_map(|row| row.hold).collect::<BTreeSet<_>>().into_iter().collect();
        let escrows: BTreeMap<_, _> =
            store::hold::load(q, &ids)?.into_iter().map(|hold| (hold.id, hold.escrow)).collect();
        for row in rows {
            // A post names who is paid; the other kinds name the escrow.
            let posted = row.hold.filter(|_| row.kind == TransferKind::Post);
            grow(&mut since, row, posted.map_or(Some(row.credit), |hold| escrows.get(&hold).copied()));
        }
        Ok(())
    })?;
    let grown = |account: &Account| since.get(&account.no).copied().unwrap_or_default();
    store::account::all(q)?.iter().map(|account| grown(account).undo(account)).collect()
}

/// By how much the counters of an account grew, in the midst of it also below zero.
#[derive(Default, Clone, Copy)]
struct Grown {
    debits: i128,
    credits: i128,
    held_debit: i128,
    held_credit: i128,
}

impl Grown {
    fn undo(self, account: &Account) -> Result<Account, DbError> {
        let back = |counter: Ucredit, grown: i128| {
            let before = u64::try_from(i128::from(counter.0) - grown).map(Ucredit);
            before.map_err(|_| DbError::Column { column: 0, why: format!("{} has less than its rows say", account.no) })
        };
        Ok(Account {
            debits: back(account.debits, self.debits)?,
            credits: back(account.credits, self.credits)?,
            held_debit: back(account.held_debit, self.held_debit)?,
            held_credit: back(account.held_credit, self.held_credit)?,
            ..*account
        })
    }
}

/// Adds what a row did.
fn grow(since: &mut BTreeMap<AccountNo, Grown>, row: &Row, escrow: Option<AccountNo>) {
    let amount = i128::from(row.amount.0);
    if matches!(row.kind, TransferKind::Move | TransferKind::Post) {
        since.entry(row.debit).or_default().debits += amount;
        since.entry(row.credit).or_default().credits += amount;
    }
    let held = match row.kind {
        TransferKind::Move => return,
        TransferKind::Hold => amount,
        TransferKind::Post | TransferKind::Void | TransferKind::Expire => -amount,
    };
    since.entry(row.debit).or_default().held_debit += held;
    if let Some(escrow) = escrow {
        since.entry(escrow).or_default().held_credit += held;
    }
}

impl Ledger {
    /// Makes the roots of days that are over, oldest first, at most [`ROOTS_MAX`], and forgets those older than [`DAYS_KEPT`].
    /// Doing it twice, or by two center processes at once, does no harm. Answers how many it made.
    ///
    /// # Errors
    /// Of the store.
    pub async fn make_day_roots(&self) -> Result<u32, StoreError> {
        let now = self.now();
        for made in 0..ROOTS_MAX {
            let Some(row) = self.db().read(move |q| Ok(next(q, now)?)).await? else { return Ok(made) };
            let oldest = row.day.day.saturating_sub(DAYS_KEPT - 1);
            self.db()
                .write(move |tx| {
                    store::day::insert(tx, &row)?;
                    store::cosign::forget(tx, oldest)?;
                    Ok(store::day::forget(tx, oldest)?)
                })
                .await?;
        }
        Ok(ROOTS_MAX)
    }

    /// Looks which day with a root is the newest: this center process or another one made it.
    ///
    /// # Errors
    /// Of the store.
    pub async fn look_at_roots(&self) -> Result<(), StoreError> {
        let last = self.db().read(|q| Ok(store::day::last(q)?)).await?;
        let newest = last.map(|last| (last.day.day, last.root));
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = newest;
        Ok(())
    }

    /// The newest day with a root, as it was when it was looked at last.
    pub fn newest_root(&self) -> Option<(u32, Hash)> {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last day that is over and could have its root.
    pub fn last_day_over(&self) -> Option<u32> {
        let now = self.now();
        (now > Stamp(0) + ROOT_AFTER).then(|| day_of(now - ROOT_AFTER)).and_then(|day| day.checked_sub(1))
    }
}
