//! Statements of the ledger: where the book stands, and [`post_in`], which applies groups inside any transaction.

pub mod account;
pub mod allowance;
pub mod commons;
pub mod cosign;
pub mod day;
pub mod hold;
pub mod node_held;
pub mod price;
pub mod relay;
pub mod row;
pub mod standing;
pub mod statement;

use super::Posting;
use crate::db::{DbError, Reader, StoreError, Tx};
use model::{AccountNo, Stamp, TransferId, errors};
use rules::ledger::chain::{Block, Hash};
use rules::ledger::{Account, Applied, Facts, Head, Hold, Outcome, Refused, Row, apply, check};
use std::collections::{BTreeMap, BTreeSet};

/// Longest owner of an account in bytes.
pub const OWNER_MAX: usize = 32;
/// Rows that the groups of one [`post_in`] may ask for together: one block.
pub const BLOCK_ROWS_MAX: usize = 65_536;
/// Longest words of a fault that are kept.
const FAULT_MAX: usize = 400;
/// What transactions of the ledger wait for, one behind the other.
const HEAD: &str = "ledger_head";

/// Where the book stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRow {
    /// Rows so far; the next has one more.
    pub seq: u64,
    /// When the last was made.
    pub at: Stamp,
    /// Number of the last block; 0 before the first.
    pub block: u64,
    /// Its hash; zero before the first.
    pub hash: Hash,
    /// Why nothing is taken: an invariant that did not hold.
    pub fault: Option<String>,
    /// When everything was checked last.
    pub checked_at: Option<Stamp>,
}

/// A block as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBlock {
    /// The block.
    pub block: Block,
    /// When it was made: the time of all its rows.
    pub at: Stamp,
}

/// Where the book stands.
pub fn head(q: &mut Reader<'_>) -> Result<HeadRow, DbError> {
    let sql = "SELECT seq, made_at, block, hash, fault, checked_at FROM ledger_head WHERE one = 1";
    let row = q.query_opt(sql, &[], |row| {
        Ok(HeadRow {
            seq: row.get(0)?,
            at: row.get(1)?,
            block: row.get(2)?,
            hash: row.get::<Option<Hash>>(3)?.unwrap_or_default(),
            fault: row.get(4)?,
            checked_at: row.get(5)?,
        })
    })?;
    row.ok_or_else(|| DbError::Column { column: 0, why: "the ledger has no head".to_owned() })
}

/// Waits for other transactions of the ledger to end, and keeps the next ones waiting (several center processes on one PostgreSQL).
/// [`post_in`] does it too; a subject's transaction that reads before it posts calls this first, and is never begun again.
pub fn lock(tx: &mut Tx<'_>) -> Result<(), DbError> {
    tx.lock(HEAD)
}

/// Notes that an invariant does not hold, so that nothing is taken, or that all hold.
pub fn set_fault(tx: &mut Tx<'_>, fault: Option<&str>, now: Stamp) -> Result<(), DbError> {
    lock(tx)?;
    let cut = fault.map(|fault| fault.chars().take(FAULT_MAX).collect::<String>());
    let sql = "UPDATE ledger_head SET fault = $1, checked_at = $2 WHERE one = 1";
    tx.execute(sql, &[cut.as_ref().into(), now.into()]).map(drop)
}

/// Applies groups, one after the other, inside this transaction, and puts one block around what they write. Each is answered by
/// itself: a refused one writes nothing and spoils nothing, one that was applied before answers `Exists`. Nothing stands
/// until the transaction does; a subject's own rows stand and fall with it.
///
/// # Errors
/// [`errors::LEDGER_STOPPED`] where an invariant did not hold, before or now; [`errors::BAD_VALUE`] where the groups together have
/// more than [`BLOCK_ROWS_MAX`] rows; of the database. The transaction must not be kept then.
pub fn post_in(tx: &mut Tx<'_>, postings: &[Posting], now: Stamp) -> Result<Vec<Result<Outcome, Refused>>, StoreError> {
    if postings.iter().map(|posting| posting.group.asks.len()).sum::<usize>() > BLOCK_ROWS_MAX {
        return Err(StoreError::refused(errors::BAD_VALUE, format!("a block has at most {BLOCK_ROWS_MAX} rows")));
    }
    lock(tx)?;
    let head = head(tx)?;
    if let Some(fault) = &head.fault {
        return Err(StoreError::refused(errors::LEDGER_STOPPED, fault.clone()));
    }
    let mut desk = Desk::load(tx, &head, postings)?;
    let mut answers = Vec::with_capacity(postings.len());
    for posting in postings {
        answers.push(desk.apply(posting, now)?);
    }
    desk.write(tx, &head)?;
    Ok(answers)
}

/// What the groups touch, as it is stored and as it becomes.
#[derive(Default)]
struct Desk {
    head: Head,
    accounts: BTreeMap<AccountNo, Account>,
    holds: BTreeMap<TransferId, Hold>,
    rows: BTreeMap<TransferId, Row>,
    changed: BTreeSet<AccountNo>,
    changed_holds: BTreeSet<TransferId>,
    new: Vec<Row>,
    intents: Vec<super::Intent>,
}

impl Facts for Desk {
    fn head(&self) -> Head {
        self.head
    }
    fn account(&self, no: AccountNo) -> Option<Account> {
        self.accounts.get(&no).copied()
    }
    fn hold(&self, id: TransferId) -> Option<Hold> {
        self.holds.get(&id).copied()
    }
    fn row(&self, id: TransferId) -> Option<Row> {
        self.rows.get(&id).copied()
    }
}

impl Desk {
    /// All that any of the groups needs, in few statements.
    fn load(tx: &mut Tx<'_>, head: &HeadRow, postings: &[Posting]) -> Result<Self, DbError> {
        let (mut ids, mut holds, mut accounts) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for posting in postings {
            let mut needs = posting.group.needs();
            ids.append(&mut needs.ids);
            holds.append(&mut needs.holds);
            accounts.append(&mut needs.accounts);
        }
        let list = |ids: BTreeSet<TransferId>| ids.into_iter().collect::<Vec<_>>();
        let mut desk = Self { head: Head { seq: head.seq, at: head.at }, ..Self::default() };
        desk.rows = row::load(tx, &list(ids))?.into_iter().map(|row| (row.id, row)).collect();
        desk.holds = hold::load(tx, &list(holds))?.into_iter().map(|hold| (hold.id, hold)).collect();
        accounts.extend(desk.holds.values().flat_map(|hold| [hold.debit, hold.escrow]));
        let loaded = account::load(tx, &accounts.into_iter().collect::<Vec<_>>())?;
        desk.accounts = loaded.into_iter().map(|account| (account.no, account)).collect();
        Ok(desk)
    }

    /// Applies one group to what is in memory; what was checked is kept for the groups behind it.
    fn apply(&mut self, posting: &Posting, now: Stamp) -> Result<Result<Outcome, Refused>, StoreError> {
        let outcome = apply(self, &posting.group, now);
        if let Ok(Outcome::Applied(applied)) = &outcome {
            if let Err(fault) = check::group(self, applied) {
                return Err(StoreError::refused(errors::LEDGER_STOPPED, fault.to_string()));
            }
            self.keep(applied);
            self.intents.extend(&posting.intents);
        }
        Ok(outcome)
    }

    fn keep(&mut self, applied: &Applied) {
        self.changed.extend(applied.accounts.keys());
        self.accounts.extend(applied.accounts.iter().map(|(no, account)| (*no, *account)));
        self.changed_holds.extend(applied.holds.keys());
        self.holds.extend(applied.holds.iter().map(|(id, hold)| (*id, *hold)));
        self.rows.extend(applied.rows.iter().map(|row| (row.id, *row)));
        self.new.extend(&applied.rows);
        if let Some(last) = applied.rows.last() {
            self.head = Head { seq: last.seq, at: last.at };
        }
    }

    /// New rows and their block, accounts and holds as they are now.
    fn write(&self, tx: &mut Tx<'_>, head: &HeadRow) -> Result<(), DbError> {
        let prev = (head.block > 0).then_some(Block {
            no: head.block,
            first_seq: 0,
            last_seq: head.seq,
            rows_root: [0; 32],
            prev: [0; 32],
            hash: head.hash,
        });
        // Of the one before, a block takes number and hash alone.
        let Some(block) = Block::after(prev.as_ref(), &self.new) else { return Ok(()) };
        row::insert(tx, &self.new)?;
        row::insert_intents(tx, &self.intents)?;
        row::insert_block(tx, &block, self.head.at)?;
        let changed: Vec<_> = self.changed.iter().filter_map(|no| self.accounts.get(no)).collect();
        account::put_counters(tx, &changed)?;
        let changed: Vec<_> = self.changed_holds.iter().filter_map(|id| self.holds.get(id)).collect();
        hold::put(tx, &changed)?;
        let sql = "UPDATE ledger_head SET seq = $1, made_at = $2, block = $3, hash = $4 WHERE one = 1";
        let params = [self.head.seq.into(), self.head.at.into(), block.no.into(), (&block.hash).into()];
        tx.execute(sql, &params).map(drop)
    }
}
