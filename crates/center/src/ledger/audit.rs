//! The full check: every block against its rows, the chain, and the state against what its rows add up to
//! (`docs/design/ledger.md` §11).
//!
//! Reads in portions, each of one moment; the last one sees head, accounts and holds of the same moment as its rows, so postings
//! may go on meanwhile. It believes nothing that the store derived: counters are compared with [`Replay`] of the rows. A book too
//! long to keep all its ids in memory is compared by sums alone: all that moved, all that is held.

use super::store::{self, HeadRow, StoredBlock};
use super::{Ledger, PAGE_MAX};
use crate::db::{Reader, StoreError};
use model::TransferKind;
use rules::ledger::chain::{BadBlock, Block};
use rules::ledger::check::{self, Fault, Sums};
use rules::ledger::replay::{self, BadRow, Replay};
use rules::ledger::{Account, Hold, Row};

/// Rows of one portion, its last block's apart.
const PORTION_ROWS: u64 = 16_384;
/// Rows of a block at most.
const BLOCK_ROWS: u64 = store::BLOCK_ROWS_MAX as u64;
/// Longest book whose rows are replayed; each costs some 100 bytes of memory meanwhile.
pub const REPLAY_ROWS_MAX: u64 = 4_000_000;

/// A sound book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Rows looked at.
    pub rows: u64,
    /// Blocks looked at.
    pub blocks: u64,
    /// Accounts there are.
    pub accounts: u64,
    /// What they add up to.
    pub sums: Sums,
    /// Hash of the state, as replay gives it.
    pub state_hash: [u8; 32],
    /// Every counter and hold was compared with the rows; else sums alone were.
    pub is_replayed: bool,
}

/// What is wrong with a book.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// A block, or a row of it.
    #[error(transparent)]
    Block(#[from] BadBlock),
    /// A row that cannot stand where it stands, and the block it is in.
    #[error("{row} in block {block}")]
    Row {
        /// Which row, and what.
        row: BadRow,
        /// Number of its block.
        block: u64,
    },
    /// An invariant over accounts and holds.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The stored state is not what the rows add up to.
    #[error("{0} is not what its rows add up to")]
    State(String),
    /// It could not be looked at.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Blocks with their rows, and the state where they are the last.
struct Portion {
    blocks: Vec<(StoredBlock, Vec<Option<Row>>)>,
    end: Option<End>,
}

struct End {
    head: HeadRow,
    accounts: Vec<Account>,
    holds: Vec<Hold>,
}

/// The next blocks behind `last`, with the rows they say they have, in one question.
fn read(q: &mut Reader<'_>, last: Option<Block>, replays: bool) -> Result<Portion, StoreError> {
    let (after, first) = last.map_or((0, 1), |block| (block.no, block.last_seq.saturating_add(1)));
    let listed = store::row::blocks(q, after, PAGE_MAX)?;
    let (mut taken, mut next) = (0, first);
    for stored in &listed {
        let block = stored.block;
        // A damaged block may name any rows: the run ends with it, and no more are read than a block has.
        let has_place = block.first_seq == next && block.last_seq >= next && block.last_seq - next < BLOCK_ROWS;
        if next - first >= PORTION_ROWS {
            break;
        }
        taken += 1;
        if !has_place {
            break;
        }
        next = block.last_seq.saturating_add(1);
    }
    let is_last = taken == listed.len() && listed.len() < PAGE_MAX as usize;
    let mut rows = store::row::between(q, first, next.saturating_sub(1))?.into_iter().peekable();
    let mut blocks = Vec::with_capacity(taken);
    for stored in listed.into_iter().take(taken) {
        let own = std::iter::from_fn(|| rows.next_if(|(seq, _)| *seq <= stored.block.last_seq));
        blocks.push((stored, own.map(|(_, row)| row).collect()));
    }
    if !is_last {
        return Ok(Portion { blocks, end: None });
    }
    let (accounts, holds) = (store::account::all(q)?, store::hold::all(q, !replays)?);
    Ok(Portion { blocks, end: Some(End { head: store::head(q)?, accounts, holds }) })
}

/// What was looked at so far.
#[derive(Default)]
struct Auditor {
    last: Option<Block>,
    replay: Option<Replay>,
    moved: u128,
    held: u128,
    rows: u64,
}

impl Auditor {
    fn block(&mut self, stored: &StoredBlock, rows: Vec<Option<Row>>) -> Result<(), Unsound> {
        let block = stored.block;
        let bad = |why| BadBlock { no: block.no, why };
        let next = self.last.map_or(1, |last| last.last_seq.saturating_add(1));
        if block.first_seq != next {
            return Err(bad("it does not follow the last one").into());
        }
        let rows: Vec<Row> =
            rows.into_iter().collect::<Option<_>>().ok_or_else(|| bad("a row of it cannot be read"))?;
        block.verify(self.last.as_ref(), &rows)?;
        if rows.iter().any(|row| row.at != stored.at) {
            return Err(bad("its rows are of another time").into());
        }
        for row in &rows {
            let replayed = self.replay.as_mut().map_or(Ok(()), |replay| replay.row(row));
            replayed.map_err(|row| Unsound::Row { row, block: block.no })?;
            let amount = u128::from(row.amount.0);
            match row.kind {
                TransferKind::Move => self.moved += amount,
                TransferKind::Hold => self.held += amount,
                TransferKind::Post => {
                    self.moved += amount;
                    self.held = self.held.saturating_sub(amount);
                }
                TransferKind::Void | TransferKind::Expire => self.held = self.held.saturating_sub(amount),
            }
        }
        self.rows += rows.len() as u64;
        self.last = Some(block);
        Ok(())
    }

    fn end(&self, end: &End) -> Result<Sound, Unsound> {
        let state = |what: &str| Unsound::State(what.to_owned());
        let (no, hash) = self.last.map_or((0, [0; 32]), |block| (block.no, block.hash));
        if (end.head.block, end.head.hash, end.head.seq) != (no, hash, self.rows) {
            return Err(state("the head"));
        }
        let sums = check::full(end.accounts.iter(), end.holds.iter())?;
        if (sums.debits, sums.held_debit) != (self.moved, self.held) {
            return Err(state("the sum of all accounts"));
        }
        if let Some(replay) = &self.replay {
            compare(replay, end)?;
        }
        Ok(Sound {
            rows: self.rows,
            blocks: no,
            accounts: end.accounts.len() as u64,
            sums,
            state_hash: replay::state_hash(end.accounts.iter(), end.holds.iter()),
            is_replayed: self.replay.is_some(),
        })
    }
}

/// Every counter and every hold with the rows'.
fn compare(replay: &Replay, end: &End) -> Result<(), Unsound> {
    let bytes = |account: &Account| replay::account_bytes(account);
    let has_moved = |account: &&Account| bytes(account)[8..].iter().any(|byte| *byte != 0);
    let mut stored = end.accounts.iter().filter(has_moved);
    let mut added = replay.accounts().filter(has_moved);
    loop {
        match (stored.next(), added.next()) {
            (None, None) => break,
            (Some(one), Some(other)) if bytes(one) == bytes(other) => {}
            (Some(one), _) | (None, Some(one)) => return Err(Unsound::State(one.no.to_string())),
        }
    }
    // Whether somebody argues about a hold is no part of the rows.
    let mut stored = end.holds.iter().map(|hold| Hold { is_contested: false, ..*hold });
    let mut added = replay.holds().copied();
    loop {
        match (stored.next(), added.next()) {
            (None, None) => return Ok(()),
            (Some(one), Some(other)) if one == other => {}
            (Some(one), _) | (None, Some(one)) => return Err(Unsound::State(format!("hold {}", one.id))),
        }
    }
}

impl Ledger {
    /// Looks at everything; nothing is changed. Takes some seconds for each million rows.
    ///
    /// # Errors
    /// [`Unsound`] names the first block, row, account or hold that is wrong.
    pub async fn audit(&self) -> Result<Sound, Unsound> {
        let replays = self.head().await?.seq <= REPLAY_ROWS_MAX;
        let mut auditor = Auditor { replay: replays.then(Replay::default), ..Auditor::default() };
        loop {
            let last = auditor.last;
            let portion = self.db().read(move |q| read(q, last, replays)).await?;
            // Hashing is work for the processor: other tasks of this thread go on elsewhere.
            let looked = tokio::task::spawn_blocking(move || {
                for (block, rows) in portion.blocks {
                    auditor.block(&block, rows)?;
                }
                let sound = portion.end.as_ref().map(|end| auditor.end(end)).transpose()?;
                Ok::<_, Unsound>((auditor, sound))
            });
            match looked.await {
                Ok(Ok((_, Some(sound)))) => return Ok(sound),
                Ok(Ok((next, None))) => auditor = next,
                Ok(Err(unsound)) => return Err(unsound),
                Err(error) => {
                    let what = error.to_string();
                    return Err(StoreError::Db(crate::db::DbError::Panicked { what }).into());
                }
            }
        }
    }

    /// Audits, and notes the result in the book: an unsound one takes nothing until a later check finds it sound (F). Not noted
    /// where it could not be looked at.
    ///
    /// # Errors
    /// As [`Self::audit`].
    pub async fn check(&self) -> Result<Sound, Unsound> {
        let audited = self.audit().await;
        let fault = match &audited {
            Ok(_) => None,
            Err(Unsound::Store(_)) => return audited,
            Err(unsound) => Some(unsound.to_string()),
        };
        let now = self.now();
        self.db().write(move |tx| Ok(store::set_fault(tx, fault.as_deref(), now)?)).await?;
        audited
    }
}
