//! The book added up again, record by record.

use super::Record;
use super::daily::{Days, DaysFound, Seen, Whose};
use crate::fault::Fault;
use model::errors;
use rules::ledger::Row;
use rules::ledger::chain::Block;
use rules::ledger::check::Sums;
use rules::ledger::replay::Replay;
use wire::ledger::BlockLine;

/// Rows of one block, at most: more than any group commit has.
const BLOCK_ROWS_MAX: usize = 1 << 20;

/// A replay under way.
#[derive(Default)]
pub(super) struct Replaying {
    replay: Replay,
    block: Option<Block>,
    /// Rows behind the last block.
    open: Vec<Row>,
    days: Days,
}

/// What came of it.
pub(super) struct Found {
    pub rows: u64,
    pub blocks: u64,
    /// Holds that have something left.
    pub holds: usize,
    pub state: [u8; 32],
    pub sums: Sums,
    pub days: DaysFound,
}

/// The book does not hold.
pub(super) fn broken(why: impl std::fmt::Display) -> Fault {
    Fault::new(errors::LEDGER_BROKEN, [("why", why.to_string().as_str())])
}

impl Replaying {
    /// The next record.
    ///
    /// # Errors
    /// The first block or row that does not stand.
    pub fn take(&mut self, record: Record) -> Result<(), Fault> {
        match record {
            Record::Row(row) if self.open.len() < BLOCK_ROWS_MAX => {
                self.open.push(*row);
                Ok(())
            }
            Record::Row(row) => Err(broken(format_args!("row {}: it stands in no block", row.seq))),
            Record::Block(line) => self.close(&line),
            Record::Day(line) => self.days.end(&line, &self.replay, self.open.is_empty()),
        }
    }

    /// A block first proves its rows, then they are added up: one changed byte is told by its block.
    fn close(&mut self, line: &BlockLine) -> Result<(), Fault> {
        let block = Block {
            no: line.no,
            first_seq: line.first,
            last_seq: line.last,
            rows_root: line.root,
            prev: line.prev,
            hash: line.hash,
        };
        block.verify(self.block.as_ref(), &self.open).map_err(broken)?;
        for row in self.open.drain(..) {
            self.replay.row(&row).map_err(broken)?;
            self.days.row(&row)?;
        }
        self.block = Some(block);
        Ok(())
    }

    /// Rows added up so far.
    pub const fn rows(&self) -> u64 {
        self.replay.rows()
    }

    /// All of it.
    ///
    /// # Errors
    /// Rows without a block, or the first invariant that does not hold.
    pub fn end(self, whose: Whose, seen: &Seen) -> Result<Found, Fault> {
        if let Some(row) = self.open.first() {
            return Err(broken(format_args!("row {}: it stands in no block", row.seq)));
        }
        let sums = self.replay.check().map_err(broken)?;
        let holds = self.replay.holds().filter(|hold| hold.remaining() > model::Ucredit::ZERO).count();
        let (rows, blocks) = (self.replay.rows(), self.block.map_or(0, |block| block.no));
        let days = self.days.found(whose, seen)?;
        Ok(Found { rows, blocks, holds, state: self.replay.state_hash(), sums, days })
    }
}
