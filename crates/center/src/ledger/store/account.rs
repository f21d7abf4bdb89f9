//! Accounts: counters that only [`super::post_in`] changes, and what is no counter: limit, state, frozen.

use super::{OWNER_MAX, lock};
use crate::db::{DbError, Many, Reader, Row, StoreError, Tx, Value, int_as};
use crate::ledger::{PAGE_MAX, seat};
use model::{AccountClass, AccountNo, Credits, MemberId, MemberState, Stamp, Ucredit, errors};
use rules::ledger::Account;
use rules::ledger::check::Sums;

/// Longest reason of a changed limit in bytes.
pub const REASON_MAX: usize = 256;

/// An account as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Its counters, limit and state.
    pub account: Account,
    /// Whose: of a member its id, of a seat its word.
    pub owner: Vec<u8>,
    /// Since when.
    pub opened_at: Stamp,
}

/// A change of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitChange {
    /// Its number within the account, from 1.
    pub number: u64,
    /// The limit before.
    pub old: Ucredit,
    /// The limit since.
    pub new: Ucredit,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Stamp,
}

const ACCOUNT: &str = "no, state, is_frozen, limit_ucredit, debits, credits, held_debit, held_credit, owner, opened_at";

fn read(row: &Row<'_>) -> Result<Account, DbError> {
    let state = int_as(row, 1, |n| u8::try_from(n).ok().and_then(MemberState::from_number))?;
    Ok(Account {
        no: row.get(0)?,
        state: state.ok_or_else(|| DbError::Column { column: 1, why: "it is null".to_owned() })?,
        is_frozen: row.get(2)?,
        limit: row.get(3)?,
        debits: row.get(4)?,
        credits: row.get(5)?,
        held_debit: row.get(6)?,
        held_credit: row.get(7)?,
    })
}

fn read_opened(row: &Row<'_>) -> Result<Opened, DbError> {
    let owner = row.get::<Option<Vec<u8>>>(8)?.unwrap_or_default();
    Ok(Opened { account: read(row)?, owner, opened_at: row.get(9)? })
}

/// Those of these accounts that are open, in no order.
pub fn load(q: &mut Reader<'_>, numbers: &[AccountNo]) -> Result<Vec<Account>, DbError> {
    let before = format!("SELECT {ACCOUNT} FROM ledger_account WHERE no IN (");
    let rows: Vec<_> = numbers.iter().map(|no| vec![Value::from(*no)]).collect();
    q.query_many(&Many { before: &before, row: "$1", after: ")" }, &rows, read)
}

/// An account by its number.
pub fn get(q: &mut Reader<'_>, no: AccountNo) -> Result<Option<Opened>, DbError> {
    q.query_opt(&format!("SELECT {ACCOUNT} FROM ledger_account WHERE no = $1"), &[no.into()], read_opened)
}

/// The account of a class and its owner.
pub fn of(q: &mut Reader<'_>, class: AccountClass, owner: &[u8]) -> Result<Option<Opened>, DbError> {
    let sql = format!("SELECT {ACCOUNT} FROM ledger_account WHERE class = $1 AND owner = $2");
    q.query_opt(&sql, &[class.number().into(), owner.into()], read_opened)
}

/// Accounts after a number, in order, at most `limit` and [`PAGE_MAX`].
pub fn after(q: &mut Reader<'_>, after: AccountNo, limit: u32) -> Result<Vec<Opened>, DbError> {
    let sql = format!("SELECT {ACCOUNT} FROM ledger_account WHERE no > $1 ORDER BY no LIMIT $2");
    q.query(&sql, &[after.into(), limit.min(PAGE_MAX).into()], read_opened)
}

/// Accounts of members after a number, in order, at most `limit`: whose, and how they stand.
pub fn members_after(
    q: &mut Reader<'_>,
    after: AccountNo,
    limit: u32,
) -> Result<Vec<(AccountNo, MemberId, Credits)>, DbError> {
    let sql =
        "SELECT no, owner, credits - debits FROM ledger_account WHERE no > $1 AND class = $2 ORDER BY no LIMIT $3";
    let params = [after.into(), AccountClass::Member.number().into(), limit.min(PAGE_MAX).into()];
    q.query(sql, &params, |row| Ok((row.get(0)?, row.get(1)?, Credits(row.get(2)?))))
}

/// What accounts gave away since a moment.
pub fn gifts_since(q: &mut Reader<'_>, since: Stamp) -> Result<Vec<(AccountNo, Ucredit)>, DbError> {
    let sql = "SELECT debit, CAST(sum(amount) AS BIGINT) FROM ledger_transfer WHERE code = 400 AND made_at >= $1 GROUP BY debit";
    q.query(sql, &[since.into()], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Every account, in order.
pub fn all(q: &mut Reader<'_>) -> Result<Vec<Account>, DbError> {
    let mut out: Vec<Account> = Vec::new();
    loop {
        let last = out.last().map_or(AccountNo(0), |account| account.no);
        let page = after(q, last, PAGE_MAX)?;
        let is_last = page.len() < PAGE_MAX as usize;
        out.extend(page.into_iter().map(|opened| opened.account));
        if is_last {
            return Ok(out);
        }
    }
}

/// Sums over all accounts.
pub fn sums(q: &mut Reader<'_>) -> Result<Sums, DbError> {
    let mut sums = Sums::default();
    for account in all(q)? {
        sums.debits += u128::from(account.debits.0);
        sums.credits += u128::from(account.credits.0);
        sums.held_debit += u128::from(account.held_debit.0);
        sums.held_credit += u128::from(account.held_credit.0);
        sums.owed += u128::from(account.debits.0.saturating_sub(account.credits.0));
    }
    Ok(sums)
}

/// Writes the counters of accounts, each once.
pub(super) fn put_counters(tx: &mut Tx<'_>, accounts: &[&Account]) -> Result<(), DbError> {
    let many = Many {
        before: "UPDATE ledger_account SET debits = new.column2, credits = new.column3, held_debit = new.column4, \
            held_credit = new.column5 FROM (VALUES",
        row: "(CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT))",
        after: ") AS new WHERE ledger_account.no = new.column1",
    };
    let row =
        |a: &&Account| vec![a.no.into(), a.debits.into(), a.credits.into(), a.held_debit.into(), a.held_credit.into()];
    let rows: Vec<_> = accounts.iter().map(row).collect();
    let changed = tx.execute_many(&many, &rows)?;
    if changed == accounts.len() as u64 {
        return Ok(());
    }
    Err(DbError::Column { column: 0, why: format!("{changed} of {} accounts are there to be written", accounts.len()) })
}

fn bad(why: &str) -> StoreError {
    StoreError::refused(errors::BAD_VALUE, why)
}

/// Opens an account under the next number of its class; where its owner has one, answers that as it is.
pub fn open(
    tx: &mut Tx<'_>,
    class: AccountClass,
    owner: &[u8],
    (state, limit): (MemberState, Ucredit),
    now: Stamp,
) -> Result<Opened, StoreError> {
    if owner.is_empty() || owner.len() > OWNER_MAX {
        return Err(bad("the owner of an account has 1 to 32 bytes"));
    }
    if limit > Ucredit::MAX {
        return Err(bad("no balance is as large as this limit"));
    }
    lock(tx)?;
    if let Some(opened) = of(tx, class, owner)? {
        return Ok(opened);
    }
    let sql = "SELECT coalesce(max(no), 0) FROM ledger_account WHERE class = $1";
    let last = tx.query_opt(sql, &[class.number().into()], |row| row.get::<AccountNo>(0))?.unwrap_or(AccountNo(0));
    let account = Account::open(AccountNo::new(class, last.sequence() + 1), state, limit);
    let opened = Opened { account, owner: owner.to_vec(), opened_at: now };
    insert(tx, &opened)?;
    Ok(opened)
}

fn insert(tx: &mut Tx<'_>, opened: &Opened) -> Result<(), DbError> {
    let sql = "INSERT INTO ledger_account (no, class, owner, state, is_frozen, limit_ucredit, debits, credits, held_debit, \
        held_credit, opened_at) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, 0, $7) ON CONFLICT (no) DO NOTHING";
    let account = &opened.account;
    let class = account.no.class().map_or(0, AccountClass::number);
    let params = [
        account.no.into(),
        class.into(),
        (&opened.owner).into(),
        account.state.number().into(),
        account.is_frozen.into(),
        account.limit.into(),
        opened.opened_at.into(),
    ];
    tx.execute(sql, &params).map(drop)
}

/// Whether every seat is open.
pub fn has_seats(q: &mut Reader<'_>) -> Result<bool, DbError> {
    let numbers: Vec<_> = seat::all().map(|(no, _)| no).collect();
    Ok(load(q, &numbers)?.len() == numbers.len())
}

/// Opens every seat that is not open yet.
pub fn open_seats(tx: &mut Tx<'_>, now: Stamp) -> Result<(), StoreError> {
    lock(tx)?;
    let numbers: Vec<_> = seat::all().map(|(no, _)| no).collect();
    let open: Vec<_> = load(tx, &numbers)?.into_iter().map(|account| account.no).collect();
    for (no, word) in seat::all().filter(|(no, _)| !open.contains(no)) {
        let account = Account::open(no, MemberState::Active, Ucredit::ZERO);
        insert(tx, &Opened { account, owner: word.as_bytes().to_vec(), opened_at: now })?;
    }
    Ok(())
}

/// Changes a limit and notes why; false where there is no such account, or the limit is as asked.
pub fn set_limit(tx: &mut Tx<'_>, no: AccountNo, limit: Ucredit, reason: &str, now: Stamp) -> Result<bool, StoreError> {
    if limit > Ucredit::MAX {
        return Err(bad("no balance is as large as this limit"));
    }
    if reason.len() > REASON_MAX {
        return Err(bad("a reason has at most 256 bytes"));
    }
    lock(tx)?;
    let Some(old) = get(tx, no)?.map(|opened| opened.account.limit).filter(|old| *old != limit) else {
        return Ok(false);
    };
    tx.execute("UPDATE ledger_account SET limit_ucredit = $2 WHERE no = $1", &[no.into(), limit.into()])?;
    let sql = "SELECT coalesce(max(number), 0) FROM ledger_limit_change WHERE account = $1";
    let number = tx.query_opt(sql, &[no.into()], |row| row.get::<u64>(0))?.unwrap_or(0) + 1;
    let sql = "INSERT INTO ledger_limit_change (account, number, old_ucredit, new_ucredit, reason, changed_at) VALUES \
        ($1, $2, $3, $4, $5, $6)";
    tx.execute(sql, &[no.into(), number.into(), old.into(), limit.into(), reason.into(), now.into()])?;
    Ok(true)
}

/// Changes of an account's limit, newest first, at most `limit` and [`PAGE_MAX`].
pub fn limit_changes(q: &mut Reader<'_>, no: AccountNo, limit: u32) -> Result<Vec<LimitChange>, DbError> {
    let sql = "SELECT number, old_ucredit, new_ucredit, reason, changed_at FROM ledger_limit_change WHERE account = $1 \
        ORDER BY number DESC LIMIT $2";
    q.query(sql, &[no.into(), limit.min(PAGE_MAX).into()], |row| {
        Ok(LimitChange {
            number: row.get(0)?,
            old: row.get(1)?,
            new: row.get(2)?,
            reason: row.get(3)?,
            at: row.get(4)?,
        })
    })
}

/// Changes how an account stands; false where there is none.
pub fn set_state(tx: &mut Tx<'_>, no: AccountNo, state: MemberState) -> Result<bool, DbError> {
    lock(tx)?;
    let sql = "UPDATE ledger_account SET state = $2 WHERE no = $1";
    Ok(tx.execute(sql, &[no.into(), state.number().into()])? == 1)
}

/// Freezes an account or lets it go; false where there is none.
pub fn freeze(tx: &mut Tx<'_>, no: AccountNo, is_frozen: bool) -> Result<bool, DbError> {
    lock(tx)?;
    let sql = "UPDATE ledger_account SET is_frozen = $2 WHERE no = $1";
    Ok(tx.execute(sql, &[no.into(), is_frozen.into()])? == 1)
}
