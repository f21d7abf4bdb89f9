//! An item that is not plain: who runs it, what was said of it, what it still needs.

use super::limits::{ATTEMPTS_LOST_MAX, ATTEMPTS_MAX};
use super::message::{ItemResult, PayAct};
use super::quorum::agree;
use super::record::{Strike, Vote};
use model::Stamp;

/// What becomes of the output behind a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// There is none.
    None,
    /// Its node was told to store it.
    Pending,
    /// It is stored.
    Stored,
}

/// A result, and what the scheduler made of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ballot {
    pub(super) vote: Vote,
    pub(super) output: Output,
    /// It is durable.
    pub(super) is_kept: bool,
    /// It has moved its node's count of checks.
    pub(super) is_counted: bool,
    /// What the ledger has heard of it.
    pub(super) paid: Option<PayAct>,
}

/// Whether an item's results are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Checking {
    /// One is enough so far.
    #[default]
    No,
    /// More are wanted or have to be judged.
    Open,
    /// It is settled.
    Closed,
}

/// An item that is not plain.
#[derive(Debug, Clone, Default)]
pub(super) struct Item {
    /// Attempts that have said nothing of it yet.
    pub(super) live: Vec<u64>,
    pub(super) attempts: u8,
    pub(super) lost: u8,
    pub(super) strikes: Vec<Strike>,
    pub(super) ballots: Vec<Ballot>,
    /// The attempt whose output is the item's.
    pub(super) accepted: Option<u64>,
    pub(super) checking: Checking,
    /// Results still needed, as last ruled.
    pub(super) missing: u8,
    /// It gets twice the memory.
    pub(super) is_grown: bool,
    /// It gets a deep stack.
    pub(super) is_deep: bool,
    /// Not handed out before.
    pub(super) not_before: Stamp,
    /// Waits for a node since.
    pub(super) wanted_since: Option<Stamp>,
    /// Its results differ.
    pub(super) is_disputed: bool,
}

impl Item {
    /// Whether any node will do.
    pub(super) fn is_plain(&self) -> bool {
        let is_fresh = self.live.is_empty() && self.ballots.is_empty();
        is_fresh && self.strikes.is_empty() && !self.is_grown && !self.is_deep
    }

    pub(super) fn ballot(&self, serial: u64) -> Option<&Ballot> {
        self.ballots.iter().find(|ballot| ballot.vote.serial == serial)
    }

    pub(super) fn ballot_mut(&mut self, serial: u64) -> Option<&mut Ballot> {
        self.ballots.iter_mut().find(|ballot| ballot.vote.serial == serial)
    }

    pub(super) fn is_pending(&self) -> bool {
        self.ballots.iter().any(|ballot| ballot.output == Output::Pending)
    }

    /// Whether its attempts are used up.
    pub(super) fn is_exhausted(&self) -> bool {
        let most = if self.attempts.saturating_sub(self.lost) > 1 { ATTEMPTS_MAX } else { ATTEMPTS_LOST_MAX };
        self.attempts >= most
    }

    /// An owner has one say: who made an output once more because it was lost says the same once more, in its place.
    pub(super) fn make_room(&mut self, vote: &Vote) {
        self.ballots.retain(|ballot| ballot.vote.owner != vote.owner || ballot.vote.serial == vote.serial);
    }

    /// Whether somebody who has said a result may make its output again: what it said is what most say, and it is not there.
    pub(super) fn may_repeat(&self, ballot: &Ballot) -> bool {
        let alike = self.ballots.iter().filter(|other| agree(&other.vote.result, &ballot.vote.result));
        let has_output = |ballot: &Ballot| ballot.output != Output::None || self.accepted == Some(ballot.vote.serial);
        !self.is_disputed && !alike.clone().any(has_output) && alike.count() * 2 > self.ballots.len()
    }

    pub(super) fn put(&mut self, vote: &Vote) -> &mut Ballot {
        self.make_room(vote);
        let at = self.ballots.iter().position(|ballot| ballot.vote.serial == vote.serial).unwrap_or(self.ballots.len());
        if at == self.ballots.len() {
            self.ballots.push(Ballot {
                vote: vote.clone(),
                output: Output::None,
                is_kept: true,
                is_counted: false,
                paid: None,
            });
        }
        self.ballots[at].is_kept = true;
        &mut self.ballots[at]
    }
}

/// What an item's results say, the accepted one first.
pub(super) fn result_of(item: &Item) -> Option<&Vote> {
    item.accepted.and_then(|serial| item.ballot(serial)).map(|ballot| &ballot.vote)
}

/// Whether a result is already stored, or about to be.
pub(super) fn is_kept_elsewhere(item: &Item, vote: &Vote) -> bool {
    item.ballots.iter().any(|ballot| ballot.output != Output::None && agree(&ballot.vote.result, &vote.result))
}

/// Whether a ballot says this.
pub(super) fn agree_with(ballot: &Ballot, result: &ItemResult) -> bool {
    agree(&ballot.vote.result, result)
}
