//! What a center keeps, as a reference model: ordered maps, changes in transactions, a crash that forgets the rest.
//!
//! (A) A change counts from its commit on. (B) A crash drops the open transaction and everything in memory, nothing else.

use model::{Alias, MemberId, NodeId, Span, Stamp};
use rules::access::admit::{Seat, TicketFacts};
use std::collections::BTreeMap;

/// The row of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeRow {
    /// Hour since 1970 in which it was last heard, as of the last hourly write.
    pub last_seen_hour: u64,
    /// End of a declared absence.
    pub holiday_until: Option<Stamp>,
}

/// Everything committed.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Nodes by alias.
    pub nodes: BTreeMap<Alias, NodeRow>,
    /// Tickets by their number.
    pub tickets: BTreeMap<u64, TicketFacts>,
    /// Who has joined.
    pub seats: BTreeMap<NodeId, Seat>,
    /// Members.
    pub members: BTreeMap<MemberId, NodeId>,
    /// The last hour that was written whole.
    pub hour_written: u64,
    /// Times in which no center ran, from the end of the last written hour to the next start.
    pub downs: Vec<(Stamp, Stamp)>,
}

/// One change of the rows.
#[derive(Debug, Clone)]
pub enum Change {
    /// A node's row, new or changed.
    Node(Alias, NodeRow),
    /// A ticket, new or with one use less.
    Ticket(u64, TicketFacts),
    /// A machine that joined.
    Seat(NodeId, Seat),
    /// An hour of presence is written.
    Hour(u64),
    /// A time without a center.
    Down(Stamp, Stamp),
}

/// Rows with at most one open transaction.
#[derive(Debug, Clone, Default)]
pub struct Store {
    rows: Rows,
    open: Vec<Change>,
}

impl Store {
    /// What is committed.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Adds a change to the open transaction.
    pub fn change(&mut self, change: Change) {
        self.open.push(change);
    }

    /// All changes of the open transaction count.
    pub fn commit(&mut self) {
        for change in self.open.drain(..) {
            match change {
                Change::Node(alias, row) => drop(self.rows.nodes.insert(alias, row)),
                Change::Ticket(id, facts) => drop(self.rows.tickets.insert(id, facts)),
                Change::Seat(node, seat) => {
                    self.rows.members.insert(seat.member, node);
                    self.rows.seats.insert(node, seat);
                }
                Change::Hour(hour) => self.rows.hour_written = hour,
                Change::Down(from, to) => self.rows.downs.push((from, to)),
            }
        }
    }

    /// The process dies: the open transaction never was.
    pub fn crash(&mut self) {
        self.open.clear();
    }
}

impl Rows {
    /// Time without a center after `since`.
    pub fn down_after(&self, since: Stamp) -> Span {
        let lost = |(from, to): &(Stamp, Stamp)| to.since((*from).max(since));
        self.downs.iter().map(lost).fold(Span::ZERO, |a, b| a + b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_forgets_what_was_not_committed() {
        let mut store = Store::default();
        store.change(Change::Hour(1));
        store.commit();
        store.change(Change::Hour(2));
        store.crash();
        store.commit();
        assert_eq!(store.rows().hour_written, 1);
    }

    #[test]
    fn down_time_is_counted_from_where_it_matters() {
        let rows = Rows { downs: vec![(Stamp(10), Stamp(20)), (Stamp(50), Stamp(80))], ..Rows::default() };
        assert_eq!(rows.down_after(Stamp(0)), Span(40));
        assert_eq!(rows.down_after(Stamp(15)), Span(35));
        assert_eq!(rows.down_after(Stamp(90)), Span::ZERO);
    }
}
