//! Is this machine taken in? Decided from the ticket, the ask and the state of the cell (`docs/design/fleet.md` §2).
//!
//! (A) A machine that has joined is answered again with the same member, whatever became of the ticket, and uses none.
//! (B) A new machine uses exactly one use of a ticket that is not expired, revoked or used up; a member's own device needs none.
//! (C) Nobody gets a role that the ticket does not carry. (D) A blocked owner is refused in every case.
//! (E) The decision is total: every set of facts gives an admission or one refusal of the registry.
//!
//! The shell reads the facts and writes the result in one transaction; two joins with the last use cannot both see it.

use crate::Refusal;
use model::errors;
use model::{Alias, CloudKey, MemberId, Roles, Span, Stamp};

/// How far a joining machine's clock may be off.
pub const CLOCK_OFF_MAX: Span = Span::mins(15);

/// A ticket as the center keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketFacts {
    /// What it gives.
    pub roles: Roles,
    /// How often it could be used.
    pub uses_total: u16,
    /// How often it still can.
    pub uses_left: u16,
    /// Until when, by the center's clock.
    pub expires_at: Stamp,
    /// Taken back by its maker or an operator.
    pub revoked_at: Option<Stamp>,
}

/// A machine that has joined before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Whose it is.
    pub member: MemberId,
    /// What the member may do.
    pub roles: Roles,
    /// Its number, where it lends.
    pub alias: Option<Alias>,
}

/// What the center knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CenterFacts {
    /// The center's clock.
    pub now: Stamp,
    /// The cloud this center speaks for.
    pub cloud: CloudKey,
    /// Oldest wire version spoken.
    pub version_floor: u16,
    /// Nodes in the cell.
    pub nodes_count: u32,
    /// Nodes the cell takes.
    pub nodes_max: u32,
    /// A cell with room, for the sentence of a full one.
    pub other_cell: Option<String>,
    /// The ticket with this secret; none when there is no such.
    pub ticket: Option<TicketFacts>,
    /// What a member may do whose device this key is already, by the member's own word: it needs no ticket.
    pub member: Option<Roles>,
    /// This machine's key is known already.
    pub seat: Option<Seat>,
    /// Why this key or its owner is kept out.
    pub blocked: Option<String>,
}

/// What the machine asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinAsk {
    /// The cloud its ticket names.
    pub cloud: CloudKey,
    /// Its clock.
    pub now: Stamp,
    /// Its wire version.
    pub version: u16,
    /// It will lend; else it only uses the cloud.
    pub lends: bool,
    /// What its owner calls it, for sentences.
    pub name: String,
}

/// Taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// A new machine: the shell makes the member, gives an alias where it lends, and takes one use off the ticket.
    New {
        /// What the member may do.
        roles: Roles,
        /// Uses of the ticket after this one.
        uses_left: u16,
    },
    /// It had joined: the same answer again, nothing changes.
    Again(Seat),
}

/// Decides on one join.
///
/// Refuses with E0008, E0105, E0210, E0011, E0102, E0103, E0104, E0106 or E0209: the first that applies, in this order.
pub fn admit(facts: &CenterFacts, ask: &JoinAsk) -> Result<Admission, Refusal> {
    if ask.version < facts.version_floor {
        return Err(Refusal::new(errors::VERSION_SKEW).with("have", ask.version).with("need", facts.version_floor));
    }
    if ask.cloud != facts.cloud {
        return Err(Refusal::new(errors::CENTER_KEY).with("addr", facts.cloud.short()));
    }
    if let Some(why) = &facts.blocked {
        return Err(Refusal::new(errors::OWNER_BLOCKED).with("why", why));
    }
    let skew = facts.now.distance(ask.now);
    if skew > CLOCK_OFF_MAX {
        let (center, machine) = (facts.now, ask.now);
        return Err(Refusal::new(errors::CLOCK_WRONG).with("skew", skew).with("center", center).with("here", machine));
    }
    match facts.seat {
        Some(seat) => Ok(Admission::Again(seat)),
        None => newcomer(facts, ask),
    }
}

/// Whether a ticket lets one more in: the uses left after it. Refuses with E0103 or E0104.
pub fn open_ticket(ticket: &TicketFacts, now: Stamp) -> Result<u16, Refusal> {
    let ended = ticket.revoked_at.map_or(ticket.expires_at, |at| at.min(ticket.expires_at));
    if now >= ended {
        return Err(Refusal::new(errors::TICKET_EXPIRED).with("when", ended));
    }
    ticket.uses_left.checked_sub(1).ok_or_else(|| Refusal::new(errors::TICKET_USED).with("n", ticket.uses_total))
}

fn newcomer(facts: &CenterFacts, ask: &JoinAsk) -> Result<Admission, Refusal> {
    let (roles, uses_left) = match (&facts.ticket, facts.member) {
        (Some(ticket), _) => (ticket.roles, open_ticket(ticket, facts.now)?),
        (None, Some(roles)) => (roles, 0),
        (None, None) => return Err(Refusal::new(errors::TICKET_DAMAGED)),
    };
    let (needed, verb) = if ask.lends { (Roles::LEND, "lend") } else { (Roles::USE, "use") };
    if !roles.has(needed) {
        let refusal = Refusal::new(errors::NOT_ALLOWED).with("who", &ask.name);
        return Err(refusal.with("verb", verb).with("thing", "this cloud"));
    }
    if ask.lends && facts.nodes_count >= facts.nodes_max {
        let other = facts.other_cell.as_deref().unwrap_or("–");
        return Err(Refusal::new(errors::CELL_FULL).with("other", other));
    }
    Ok(Admission::New { roles, uses_left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Stamp = Stamp(1_800_000_000_000);

    fn facts() -> CenterFacts {
        let ticket = TicketFacts {
            roles: Roles::BOTH,
            uses_total: 1,
            uses_left: 1,
            expires_at: NOW + Span::hours(24),
            revoked_at: None,
        };
        CenterFacts {
            now: NOW,
            cloud: CloudKey([1; 32]),
            version_floor: 1,
            nodes_count: 3,
            nodes_max: 1_000_000,
            other_cell: None,
            ticket: Some(ticket),
            member: None,
            seat: None,
            blocked: None,
        }
    }

    fn ask() -> JoinAsk {
        JoinAsk { cloud: CloudKey([1; 32]), now: NOW, version: 1, lends: true, name: "attic".to_owned() }
    }

    fn seat() -> Seat {
        Seat { member: MemberId([5; 16]), roles: Roles::BOTH, alias: Some(Alias(9)) }
    }

    type Spoil = fn(&mut CenterFacts, &mut JoinAsk);

    #[test]
    fn each_fault_has_its_own_refusal() {
        let cases: [(errors::ErrorId, &str, Spoil); 10] = [
            (errors::VERSION_SKEW, "need", |f, _| f.version_floor = 2),
            (errors::CENTER_KEY, "addr", |_, a| a.cloud = CloudKey([2; 32])),
            (errors::OWNER_BLOCKED, "why", |f, _| f.blocked = Some("banned".to_owned())),
            (errors::CLOCK_WRONG, "skew", |_, a| a.now = NOW + Span::days(1)),
            (errors::CLOCK_WRONG, "skew", |_, a| a.now = NOW - Span::days(1)),
            (errors::TICKET_EXPIRED, "when", |f, _| f.ticket.as_mut().unwrap().expires_at = NOW),
            (errors::TICKET_EXPIRED, "when", |f, _| f.ticket.as_mut().unwrap().revoked_at = Some(NOW)),
            (errors::TICKET_USED, "n", |f, _| f.ticket.as_mut().unwrap().uses_left = 0),
            (errors::NOT_ALLOWED, "who", |f, _| f.ticket.as_mut().unwrap().roles = Roles::USE),
            (errors::CELL_FULL, "other", |f, _| f.nodes_count = f.nodes_max),
        ];
        for (id, variable, spoil) in cases {
            let (mut facts, mut ask) = (facts(), ask());
            spoil(&mut facts, &mut ask);
            let refusal = admit(&facts, &ask).unwrap_err();
            assert_eq!(refusal.id, id);
            assert!(refusal.args.contains_key(variable), "{refusal}");
        }
        let unknown = CenterFacts { ticket: None, ..facts() };
        let device = CenterFacts { member: Some(Roles::BOTH), ..unknown.clone() };
        assert_eq!(admit(&device, &ask()), Ok(Admission::New { roles: Roles::BOTH, uses_left: 0 }));
        assert_eq!(admit(&unknown, &ask()).unwrap_err().id, errors::TICKET_DAMAGED);
    }

    #[test]
    fn a_good_ticket_admits_and_loses_one_use() {
        assert_eq!(admit(&facts(), &ask()), Ok(Admission::New { roles: Roles::BOTH, uses_left: 0 }), "(B)");
        let edge = JoinAsk { now: NOW + CLOCK_OFF_MAX, ..ask() };
        assert!(admit(&facts(), &edge).is_ok());
        let user = JoinAsk { lends: false, ..ask() };
        assert!(
            admit(&CenterFacts { nodes_count: u32::MAX, ..facts() }, &user).is_ok(),
            "a full cell still takes users"
        );
    }

    #[test]
    fn a_machine_that_joined_is_answered_again_with_an_old_ticket() {
        let mut again = CenterFacts { seat: Some(seat()), ..facts() };
        again.ticket.as_mut().unwrap().uses_left = 0;
        again.ticket.as_mut().unwrap().expires_at = NOW - Span::days(9);
        assert_eq!(admit(&again, &ask()), Ok(Admission::Again(seat())), "(A)");
        again.blocked = Some("banned".to_owned());
        assert_eq!(admit(&again, &ask()).unwrap_err().id, errors::OWNER_BLOCKED, "(D)");
    }

    proptest! {
        #[test]
        fn total_and_never_more_than_the_ticket_gives(
            roles in 0u8..8, left in 0u16..3, expires in 0u64..200, revoked in proptest::option::of(0u64..200),
            skew in 0u64..2_000_000, version in 0u16..3, lends: bool, full: bool, known: bool, blocked: bool, ticket: bool,
        ) {
            let now = Stamp(100_000_000);
            let facts = CenterFacts {
                now,
                nodes_max: if full { 3 } else { 4 },
                ticket: ticket.then(|| TicketFacts {
                    roles: Roles(roles), uses_total: 2, uses_left: left,
                    expires_at: Stamp(expires * 1_000_000), revoked_at: revoked.map(|r| Stamp(r * 1_000_000)),
                }),
                seat: known.then(seat),
                blocked: blocked.then(|| "x".to_owned()),
                ..facts()
            };
            let ask = JoinAsk { now: now + Span(skew), version, lends, ..ask() };
            match admit(&facts, &ask) {
                Ok(Admission::New { roles: given, uses_left }) => {
                    let t = facts.ticket.as_ref().unwrap();
                    prop_assert!(t.roles.has(given), "(C)");
                    prop_assert_eq!(uses_left + 1, left, "(B)");
                    prop_assert!(t.expires_at > now && t.revoked_at.is_none_or(|at| at > now), "(B)");
                    prop_assert!(!blocked && !known, "(A) (D)");
                    prop_assert!(!lends || !full);
                }
                Ok(Admission::Again(seat)) => prop_assert!(Some(seat) == facts.seat && !blocked, "(A) (D)"),
                Err(refusal) => prop_assert!(refusal.id.row().id != "E0901", "(E)"),
            }
        }
    }
}
