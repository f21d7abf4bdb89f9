//! What becomes of a holder's buffer in a day: drawn on where a node was silent for too long, given back where there is no need of it
//! ([`rules::ledger::buffer`]).
//!
//! (A) A node that left with what it held, or after repair gave its places away while it was silent, is lost at once, also where it joined
//! again since. (B) It weighs what it held when it was there last ([`rules::ledger::proved`]).

use super::Turn;
use crate::db::StoreError;
use crate::fleet::store::Standing as NodeStanding;
use crate::ledger::Posting;
use crate::ledger::seat::{self, Escrow};
use crate::ledger::store::standing::{self as kept, Node};
use crate::ledger::store::{self as book, commons, hold, node_held};
use model::{AccountClass, AccountNo, Code, Span, Stamp};
use rules::ledger::Hold;
use rules::ledger::buffer::{Facts, HOLDS_MAX, LOST_AFTER, Seats, look};

/// A node that was not seen for so long is away.
const AWAY_AFTER: Span = Span::days(1);

impl Turn<'_, '_> {
    /// Looks at an account's buffer, and notes which of its nodes are lost or back.
    pub(super) fn pledge(&mut self, no: AccountNo, nodes: &[Node]) -> Result<(), StoreError> {
        let limit = u32::try_from(HOLDS_MAX).unwrap_or(u32::MAX);
        let mut holds = hold::of_code(self.tx, no, Code::Buffer, limit)?;
        // What is over by now is given back by itself.
        holds.retain(|hold| hold.expires > self.now);
        for node in nodes.iter().filter(|node| (node.is_lost || node.is_taken) && node.is_in()) {
            if self.is_silent(node, AWAY_AFTER) {
                continue;
            }
            if node.is_lost {
                kept::set_lost(self.tx, node.alias, None)?;
            }
            if node.is_taken && !node.is_bad() {
                node_held::set_taken(self.tx, node.alias, false)?;
            }
        }
        let lost: Vec<&Node> = nodes.iter().filter(|node| !node.is_lost && self.is_lost(node)).collect();
        for node in &lost {
            kept::set_lost(self.tx, node.alias, Some(self.end()))?;
        }
        let held = |node: &Node| node.held_mb.max(1);
        let counts = |node: &&Node| !node.is_lost && (node.has_gone || node.standing != NodeStanding::Left);
        let facts = Facts {
            account: no,
            holds: &holds,
            held_mb: self.held_mb(no, nodes)?,
            there: nodes.iter().filter(counts).map(held).sum(),
            lost: lost.iter().map(|node| held(node)).sum(),
            is_unsure: nodes.iter().any(|node| node.is_in() && (node.is_bad() || self.is_silent(node, AWAY_AFTER))),
        };
        self.move_buffer(&facts)
    }

    fn move_buffer(&mut self, facts: &Facts<'_>) -> Result<(), StoreError> {
        let holds: &[Hold] = facts.holds;
        if holds.is_empty() {
            return Ok(());
        }
        let seats = Seats { escrow: Escrow::Buffer.account(), reserve: seat::only(AccountClass::Repair) };
        let postings: Vec<Posting> = look(facts, seats, self.day, self.end()).into_iter().map(Posting::from).collect();
        if postings.is_empty() {
            return Ok(());
        }
        tracing::info!(account = %facts.account, lost = facts.lost, "a holder's buffer moves");
        for answer in book::post_in(self.tx, &postings, self.now)? {
            if let Err(error) = answer {
                tracing::error!(account = %facts.account, %error, "a holder's buffer was not moved");
            }
        }
        Ok(())
    }

    /// It was not seen for so long, and did not say so before.
    fn is_silent(&self, node: &Node, span: Span) -> bool {
        let heard = self.terms.days.counted(self.heard(node), self.end());
        node.standing != NodeStanding::Holiday && self.end().since(heard) >= span
    }

    /// What it held is gone: it went with it, is out by proof, or was silent for too long. (A)
    fn is_lost(&self, node: &Node) -> bool {
        node.has_gone || node.standing == NodeStanding::Banned || (node.is_in() && self.is_silent(node, LOST_AFTER))
    }

    /// MB it holds by the last settlement; where none was in the day, as much as may be, so that nothing is given back for it.
    fn held_mb(&mut self, no: AccountNo, nodes: &[Node]) -> Result<u64, StoreError> {
        let begin = self.terms.days.begin(self.day);
        let held = commons::held(self.tx, no)?.filter(|(period, _)| Stamp(*period) >= begin);
        let unknown = if nodes.iter().all(|node| !node.is_in()) { 0 } else { u64::MAX };
        Ok(held.map_or(unknown, |(_, held_mb)| held_mb))
    }
}
