//! How far a member may owe, how it stands, and what it may do then (`docs/design/ledger.md` §8).
//!
//! (A) `limit = clamp(max(L0, 60 × E × audits), 0, 2,000 credits)`, E the mean of daily verified earnings that halves in 30 days. (B) Nobody
//! begins with nothing: L0 is at least 5 credits. (C) Who vouches lends at most a fifth, and its own limit shrinks by it. (D) Nobody's data
//! is held hostage for a small sum: at the limit rescue reads go on, up to what is stored in 90 days. (E) Data is let go of only after
//! 30 days of grace and three notices, each on a day of its own. (F) In a circle at the limit means last in the queue, not refused, and
//! nothing is let go of. (G) A debt that nobody is there to pay is written off: after [`SILENCE`] of who was let go of or was leaving,
//! after [`DORMANT`] of who is within its limit and stores nothing. Who stores something is charged for it until it is at its limit.
//! (H) Who was written off comes back when all of it is paid.

pub mod why;

use super::sweep::DORMANT;
use super::{Account, No};
use crate::Refusal;
use model::{Credits, MemberState, Span, Stamp, Ucredit, errors};
pub use why::{Raise, Why, raises};

/// Most anybody may owe.
pub const LIMIT_MAX: Ucredit = Ucredit::whole(2_000);
/// L0 at opening.
pub const L0_OPENING: Ucredit = Ucredit::whole(5);
/// L0 after 24 h of verified service.
pub const L0_SERVED: Ucredit = Ucredit::whole(15);
/// L0 after 7 days with audits passed.
pub const L0_PROVEN: Ucredit = Ucredit::whole(30);
/// L0 of private clouds.
pub const L0_PRIVATE: Ucredit = Ucredit::whole(60);
/// Days of mean earnings a member may owe.
pub const EARNING_DAYS: u64 = 60;
/// E += (x − E) ÷ this, a day: half in 30 days.
pub const EWMA_DAYS: i128 = 43;
/// Of its own limit a member vouches for others with at most so much, in ten thousandths.
pub const VOUCH_BPS: u64 = 2_000;
/// Time at the limit with stored data before it is let go of.
pub const GRACE: Span = Span::days(30);
/// Time of silence after which a debt is written off.
pub const SILENCE: Span = Span::days(90);
/// Notices before data is let go of.
pub const NOTICES: u8 = 3;
/// How long before the end of grace each of them is given.
pub const NOTICE_BEFORE: [Span; 3] = [Span::days(14), Span::days(7), Span::days(1)];
/// Days of use below which a member is warned.
pub const LOW_DAYS: u64 = 7;

/// What a member has shown so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shown {
    /// Time of verified service.
    pub served: Span,
    /// Time with audits passed.
    pub audited: Span,
    /// The cloud is a private one.
    pub is_private: bool,
}

/// (B) What a member may owe before it has earned.
pub fn l0(shown: Shown) -> Ucredit {
    match () {
        () if shown.is_private => L0_PRIVATE,
        () if shown.audited >= why::PROVEN && shown.served >= why::SERVED => L0_PROVEN,
        () if shown.served >= why::SERVED => L0_SERVED,
        () => L0_OPENING,
    }
}

/// The mean after a day with these verified earnings.
pub fn mean(before: Ucredit, earned: Ucredit) -> Ucredit {
    let step = i128::from(earned.0).saturating_sub(before.0.into()).checked_div(EWMA_DAYS).unwrap_or(0);
    let after = i128::from(before.0).saturating_add(step);
    Ucredit(u64::try_from(after).unwrap_or(0).min(Ucredit::MAX.0))
}

/// The mean after so many days with these verified earnings together; of more than a year the last one counts.
pub fn mean_over(before: Ucredit, earned: Ucredit, days: u64) -> Ucredit {
    let a_day = Ucredit(earned.0.checked_div(days).unwrap_or(0));
    (0..days.min(366)).fold(before, |mean_so_far, _| mean(mean_so_far, a_day))
}

/// What others lend a member, and it lends others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vouched {
    /// It lends.
    pub lent: Ucredit,
    /// It is lent.
    pub borrowed: Ucredit,
}

/// (A, C) How far a member may owe.
pub fn limit(l0: Ucredit, mean: Ucredit, audits_bps: u64, vouched: Vouched) -> Ucredit {
    let own = own_limit(l0, mean, audits_bps);
    Ucredit(own.less(vouched.lent).0.saturating_add(vouched.borrowed.0)).min(LIMIT_MAX)
}

fn own_limit(l0: Ucredit, mean: Ucredit, audits_bps: u64) -> Ucredit {
    let wide = u128::from(mean.0).saturating_mul(EARNING_DAYS.into()).saturating_mul(audits_bps.min(10_000).into());
    let earned = u64::try_from(wide.checked_div(10_000).unwrap_or(0)).unwrap_or(u64::MAX);
    l0.max(Ucredit(earned)).min(LIMIT_MAX)
}

/// (C) What a member can still vouch with.
pub fn can_vouch(own: Ucredit, lent: Ucredit) -> Ucredit {
    super::amount::portion(own, VOUCH_BPS, 10_000).less(lent)
}

/// Days of use that are left; nothing where a member uses nothing.
pub fn days_left(available: Credits, daily_use: Ucredit) -> Option<u64> {
    u64::try_from(available.0).unwrap_or(0).checked_div(daily_use.0)
}

/// What a state is derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// How it stands.
    pub state: MemberState,
    /// Since when.
    pub since: Stamp,
    /// What it can spend.
    pub available: Credits,
    /// Credits − debits.
    pub balance: Credits,
    /// How far it may owe.
    pub limit: Ucredit,
    /// What it uses a day.
    pub daily_use: Ucredit,
    /// It has served, verified.
    pub has_served: bool,
    /// It stores something.
    pub has_data: bool,
    /// Something of it stands held, for it or by it.
    pub has_holds: bool,
    /// Notices it got since grace began.
    pub notices: u8,
    /// When it was last heard of.
    pub heard: Stamp,
    /// Of what was written off it has not paid so much yet.
    pub written_off: Ucredit,
    /// At its limit it is last in the queue, not refused. (F)
    pub is_soft: bool,
}

/// How a member stands from now on.
pub fn next(facts: &Facts, now: Stamp) -> MemberState {
    use MemberState as State;
    let for_long = |span: Span| now.since(facts.since) >= span;
    let available = facts.available.0;
    match facts.state {
        State::Closed => State::Closed,
        // A debt blocks closing; so does what is held, and data.
        State::Leaving if facts.balance.0 == 0 && !facts.has_holds && !facts.has_data => State::Closed,
        State::Leaving if is_lost(facts, SILENCE, now) => State::WrittenOff,
        State::Leaving => State::Leaving,
        // (H)
        State::WrittenOff if facts.balance.0 >= 0 && facts.written_off == Ucredit::ZERO => State::Active,
        State::WrittenOff => State::WrittenOff,
        // (E): from grace on only what can be spent leads out.
        State::Grace | State::Released if available > 0 => spending(facts),
        State::Released if now.since(facts.heard) >= SILENCE && for_long(SILENCE) => State::WrittenOff,
        State::Released => State::Released,
        State::Grace if for_long(GRACE) && facts.notices >= NOTICES => State::Released,
        State::Grace => State::Grace,
        _ if is_lost(facts, DORMANT, now) => State::WrittenOff,
        State::AtLimit if available > share_of_limit(facts.limit) => spending(facts),
        State::AtLimit if facts.has_data && !facts.is_soft && for_long(GRACE) => State::Grace,
        State::AtLimit => State::AtLimit,
        State::Newcomer | State::Active | State::Low if available <= 0 => State::AtLimit,
        State::Newcomer if !facts.has_served && !for_long(Span::days(30)) => State::Newcomer,
        State::Newcomer | State::Active | State::Low => spending(facts),
    }
}

/// (G) It owes, has nothing here, and was not heard of for so long.
fn is_lost(facts: &Facts, silence: Span, now: Stamp) -> bool {
    facts.balance.0 < 0 && !facts.has_data && !facts.has_holds && now.since(facts.heard) >= silence
}

/// Whether a notice is due in grace, which began at `since`: the next one by its time before the end. One a day, for who asks daily.
pub fn is_notice_due(state: MemberState, since: Stamp, notices: u8, now: Stamp) -> bool {
    let before = NOTICE_BEFORE.get(usize::from(notices));
    let is_time = |before: &Span| now.since(since).as_ms().saturating_add(before.as_ms()) >= GRACE.as_ms();
    state == MemberState::Grace && before.is_some_and(is_time)
}

/// How a member stands at this moment: as it was kept once a day, and by what it can spend now. A gift leads out at once.
pub fn live(kept: MemberState, available: Credits, limit: Ucredit) -> MemberState {
    use MemberState as State;
    match kept {
        State::Newcomer | State::Active | State::Low if available.0 <= 0 => State::AtLimit,
        State::AtLimit if available.0 > share_of_limit(limit) => State::Active,
        State::Grace | State::Released if available.0 > 0 => State::Active,
        _ => kept,
    }
}

/// 5 % of the limit: who comes back from it shall not fall back with the next byte.
fn share_of_limit(limit: Ucredit) -> i64 {
    i64::try_from(super::amount::portion(limit, 5, 100).0).unwrap_or(i64::MAX)
}

fn spending(facts: &Facts) -> MemberState {
    let low = days_left(facts.available, facts.daily_use).is_some_and(|days| days < LOW_DAYS);
    if low { MemberState::Low } else { MemberState::Active }
}

/// What a member wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Write, run a job, publish a bounty.
    Spend,
    /// Read so many bytes.
    Read {
        /// How many.
        bytes: u64,
        /// Bytes read as a rescue in the last 90 days.
        rescued_90d: u64,
        /// Bytes stored.
        stored: u64,
    },
}

/// How it may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May {
    /// Like anybody.
    Plainly,
    /// After everybody who is not at the limit. (F)
    Last,
    /// Without an allowance, as debt. (D)
    AsRescue,
}

/// Whether a member that stands so may do it.
///
/// # Errors
/// [`errors::AT_LIMIT`], with the three ways out; [`errors::MEMBER_FROZEN`] where it is written off or gone.
pub fn may(state: MemberState, want: Want, is_soft: bool) -> Result<May, Refusal> {
    use MemberState as State;
    let at_limit = || Refusal::new(errors::AT_LIMIT).with("ways", "lend, work, gift");
    match (state, want) {
        (State::Newcomer | State::Active | State::Low, _) => Ok(May::Plainly),
        (State::AtLimit, _) if is_soft => Ok(May::Last),
        (State::Leaving, Want::Read { .. }) => Ok(May::Plainly),
        (State::AtLimit | State::Grace | State::Released, Want::Read { bytes, rescued_90d, stored }) => {
            if rescued_90d.saturating_add(bytes) <= stored { Ok(May::AsRescue) } else { Err(at_limit()) }
        }
        (State::AtLimit | State::Grace | State::Released, Want::Spend) => Err(at_limit()),
        (State::Leaving | State::WrittenOff | State::Closed, _) => {
            Err(Refusal::new(errors::MEMBER_FROZEN).with("who", "–").with("why", state))
        }
    }
}

/// Whether an account may spend, as it stands at this moment. Who is stopped starts nothing more; a circle only orders. (F)
///
/// # Errors
/// As [`may`]; [`errors::MEMBER_FROZEN`] where it is stopped.
pub fn may_spend(account: &Account, is_soft: bool) -> Result<May, Refusal> {
    if account.is_frozen && !is_soft {
        return Err(No::AccountFrozen(account.no).refusal());
    }
    may(live(account.state, account.available(), account.limit), Want::Spend, is_soft)
}

/// What is held for a day's permits of a resource: 1.25 × yesterday's use, at least half a credit.
pub fn allowance(yesterday: Ucredit) -> Ucredit {
    super::amount::portion(yesterday, 125, 100).max(Ucredit(500_000))
}
