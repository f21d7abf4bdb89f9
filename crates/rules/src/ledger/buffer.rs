//! Earnings of holders held back against silent loss, and when they are given back (`docs/design/ledger.md` §10).
//!
//! (A) What a node takes with it in silence is paid to the repair reserve, by its part of what its owner's nodes held; nothing is taken twice.
//! (B) Who leaves in order gets all of it, and so does who holds less than before, once no node of the owner is away or distrusted.
//! (C) After 12 clean months half of what is held back goes to the holder; the other half is held back anew, so that something always is.
//! (D) Nothing else moves it, and what the parts come to is never more than is held back.

use super::amount::portion;
use super::apply::{GROUP_MAX, Group, HOLD_LIFE_MAX};
use super::id::{Purpose, system_id};
use super::row::{Act, Ask};
use super::sweep::BUFFER_PER_GB;
use super::{Hold, Starter};
use model::{AccountNo, Code, Span, Stamp, TransferId, Ucredit};

/// After so long in silence what a node held counts as lost.
pub const LOST_AFTER: Span = Span::days(14);
/// After so long without a loss half is given back.
pub const CLEAN: Span = Span::days(365);
/// Holds of one account looked at on a day.
pub const HOLDS_MAX: usize = 1_024;

/// What is held back of who holds so many MB.
pub fn target(held_mb: u64) -> Ucredit {
    portion(BUFFER_PER_GB, held_mb, 1_000)
}

/// Until when a part that is held back now is held.
pub fn until(now: Stamp) -> Stamp {
    Stamp(now.as_ms().saturating_add(HOLD_LIFE_MAX.as_ms()))
}

/// What is known of a holder on a day.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Whose.
    pub account: AccountNo,
    /// What is held back, the oldest first.
    pub holds: &'a [Hold],
    /// MB its nodes hold for others.
    pub held_mb: u64,
    /// What its nodes held when they were there last; those that left in order are not among them.
    pub there: u64,
    /// Of it: at nodes whose silence became a loss since the day before.
    pub lost: u64,
    /// A node is away or distrusted: nothing is given back for what it holds less.
    pub is_unsure: bool,
}

/// Where it goes through.
#[derive(Debug, Clone, Copy)]
pub struct Seats {
    /// Escrow of buffers.
    pub escrow: AccountNo,
    /// The repair reserve.
    pub reserve: AccountNo,
}

/// What is to be done about a holder's buffer on a day: one thing at most.
pub fn look(facts: &Facts<'_>, seats: Seats, day: u32, now: Stamp) -> Vec<Group> {
    let whole = facts.holds.iter().fold(Ucredit::ZERO, |sum, hold| Ucredit(sum.0.saturating_add(hold.remaining().0)));
    let asks = match () {
        // (A)
        () if facts.lost > 0 => {
            let lost = portion(whole, facts.lost.min(facts.there), facts.there);
            parts(facts, lost).map(|(n, hold, amount)| post(facts, seats, day, (n, hold, amount))).collect()
        }
        () if facts.is_unsure => Vec::new(),
        // (B)
        () if whole > target(facts.held_mb) => {
            let more = whole.less(target(facts.held_mb));
            parts(facts, more).map(|(n, hold, amount)| void(facts, day, (n, hold, Some(amount)))).collect()
        }
        () => again(facts, seats, day, now),
    };
    grouped(&asks)
}

fn grouped(asks: &[Ask]) -> Vec<Group> {
    asks.chunks(GROUP_MAX).map(|asks| Group { starter: Starter::System, asks: asks.to_vec() }).collect()
}

/// An amount, out of the oldest holds. (D)
fn parts<'a>(facts: &Facts<'a>, amount: Ucredit) -> impl Iterator<Item = (u32, &'a Hold, Ucredit)> {
    let mut left = amount;
    let holds = (0u32..).zip(facts.holds).map(move |(n, hold)| {
        let part = left.min(hold.remaining());
        left = left.less(part);
        (n, hold, part)
    });
    holds.filter(|(.., part)| *part > Ucredit::ZERO)
}

fn id(facts: &Facts<'_>, purpose: Purpose, day: u32, part: u32) -> TransferId {
    system_id(purpose, day.into(), facts.account, None, part)
}

fn post(facts: &Facts<'_>, seats: Seats, day: u32, (n, hold, amount): (u32, &Hold, Ucredit)) -> Ask {
    let act = Act::Post { hold: hold.id, credit: seats.reserve, amount };
    Ask { id: id(facts, Purpose::BufferLost, day, n), act, code: Code::Buffer, reference: None }
}

fn void(facts: &Facts<'_>, day: u32, (n, hold, amount): (u32, &Hold, Option<Ucredit>)) -> Ask {
    let act = Act::Void { hold: hold.id, amount };
    Ask { id: id(facts, Purpose::BufferBack, day, n), act, code: Code::Buffer, reference: None }
}

/// (C) Half of what was held back a year ago and never drawn on; its other half for as long again.
fn again(facts: &Facts<'_>, seats: Seats, day: u32, now: Stamp) -> Vec<Ask> {
    let aged = |hold: &Hold| hold.expires.since(now).as_ms().saturating_add(CLEAN.as_ms()) <= HOLD_LIFE_MAX.as_ms();
    let clean = facts.holds.iter().filter(|hold| hold.posted == Ucredit::ZERO && aged(hold));
    let of = |(n, hold): (u32, &Hold)| {
        let amount = portion(hold.remaining(), 1, 2);
        let act = Act::Hold { debit: facts.account, escrow: seats.escrow, amount, expires: until(now) };
        let held = Ask { id: id(facts, Purpose::Buffer, day, n), act, code: Code::Buffer, reference: None };
        let back = void(facts, day, (n, hold, None));
        std::iter::once(back).chain((amount > Ucredit::ZERO).then_some(held))
    };
    (0u32..).zip(clean).flat_map(of).collect()
}
