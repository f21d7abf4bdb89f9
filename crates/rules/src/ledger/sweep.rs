//! What goes through the commons each day, and what is held back or written off (`docs/design/ledger.md` §5, §7, §10).
//!
//! (A) Nothing is lost: what a division leaves stays where it was. (B) An owner cluster counts once: the caller gives one account for each.
//! (C) Each transfer's id is its purpose, day and account: a shell keeps a day's plan with
//! its first group, and may repeat all of it; a plan made anew after a part of the old one is refused, never paid twice. (D) No sweep takes what is not there.

use super::amount::{Carried, amount, portion};
use super::apply::{GROUP_MAX, Group};
use super::id::{Purpose, system_id};
use super::row::{Act, Ask};
use super::{Account, No, Starter};
use model::{AccountNo, Code, Span, Stamp, Ucredit};

/// Days of declared costs an operator keeps.
pub const OPERATOR_DAYS: u64 = 30;
/// Part of the commons that is shared alike, in ten thousandths.
pub const STIPEND_BPS: u64 = 6_000;
/// Standby pay where there is little free.
pub const STANDBY_MAX_BPS: u64 = 6_000;
/// On what lies idle, a month, in ten thousandths.
pub const DEMURRAGE_BPS: u64 = 200;
/// What may always lie idle.
pub const DEMURRAGE_FREE: Ucredit = Ucredit::whole(60);
/// After so long without login or check-in an account is dormant.
pub const DORMANT: Span = Span::days(365);
/// Least and most insurance share, in ten thousandths.
pub const INSURANCE_BPS: (u64, u64) = (200, 600);
/// Target of a buffer, for a GB held.
pub const BUFFER_PER_GB: Ucredit = Ucredit(144_000);

/// What of the commons a cloud has: an operator's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What running the cloud costs a day, as its operator declared; 30 days of it stay with the operator.
    pub costs_a_day: Ucredit,
    /// Owners with a node on share alike.
    pub has_stipend: bool,
    /// Free verified capacity is paid for.
    pub has_standby: bool,
    /// What lies idle goes slowly.
    pub has_demurrage: bool,
    /// What is forgotten goes whole.
    pub has_dormant: bool,
}

impl Policy {
    /// Among strangers: all of it.
    pub const fn public(costs_a_day: Ucredit) -> Self {
        Self { costs_a_day, has_stipend: true, has_standby: true, has_demurrage: true, has_dormant: true }
    }

    /// In a closed group nothing is taken from who saves or is away; what the commission brings goes back to all.
    pub const fn closed(costs_a_day: Ucredit) -> Self {
        Self { has_demurrage: false, has_dormant: false, ..Self::public(costs_a_day) }
    }
}

/// Days of repair a reserve keeps.
pub const REPAIR_DAYS: u64 = 30;

/// What the reserve keeps: 30 days of what prices set aside for repair or of what repair cost, whichever was more in the days that are
/// known, which may be fewer.
pub fn reserve_floor(repair_in: Ucredit, repair_out: Ucredit, days: u64) -> Ucredit {
    portion(repair_in.max(repair_out), REPAIR_DAYS, days.clamp(1, REPAIR_DAYS))
}

/// Everything the operator has above 30 days of declared costs.
pub fn operator_rest(operator: &Account, daily_costs: Ucredit) -> Ucredit {
    let keeps = Ucredit(daily_costs.0.saturating_mul(OPERATOR_DAYS));
    spendable(operator).less(keeps)
}

/// Everything the repair reserve has above its floor, 30 days of forecast repair. Holders of less than full quality, and space that was
/// paid for and is not held, leave it more than repair takes: what it keeps beyond its need lies idle for ever (`docs/economy.md`).
pub fn reserve_rest(reserve: &Account, floor: Ucredit) -> Ucredit {
    spendable(reserve).less(floor)
}

fn spendable(account: &Account) -> Ucredit {
    Ucredit(u64::try_from(account.available().0).unwrap_or(0))
}

/// One day's move between two accounts; nothing where nothing moves.
pub fn daily(purpose: Purpose, code: Code, day: u32, ways: &[(AccountNo, AccountNo, Ucredit)]) -> Vec<Group> {
    let some = ways.iter().filter(|(_, _, amount)| *amount > Ucredit::ZERO);
    let ask = |(debit, credit, amount): &(AccountNo, AccountNo, Ucredit)| {
        let member = if credit.is_of_people() { *credit } else { *debit };
        let id = system_id(purpose, day.into(), member, None, 0);
        Ask { id, act: Act::Move { debit: *debit, credit: *credit, amount: *amount }, code, reference: None }
    };
    let asks: Vec<Ask> = some.map(ask).collect();
    asks.chunks(GROUP_MAX).map(|asks| Group { starter: Starter::System, asks: asks.to_vec() }).collect()
}

/// How a day's commons are given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommonsOut {
    /// To each owner cluster with a node on for at least half of the day.
    pub stipend: Ucredit,
    /// By free verified capacity × quality, in the order of the weights.
    pub standby: Vec<Ucredit>,
}

/// (A) The commons in two: what `owners` get alike, each, and what there is for standby.
pub fn pots(commons: &Account, owners: u64, standby_bps: u64) -> (Ucredit, Ucredit) {
    let pot = spendable(commons);
    let for_standby = portion(pot, standby_bps.min(STANDBY_MAX_BPS), 10_000);
    let alike = pot.less(for_standby).min(portion(pot, STIPEND_BPS, 10_000));
    (portion(alike, 1, owners), for_standby)
}

/// Standby pay of one of those whose weights have this sum.
pub fn standby_part(pot: Ucredit, weight: u64, sum: u64) -> Ucredit {
    portion(pot, weight.min(sum), sum)
}

/// (A, B) Gives out what the commons have, to `owners` alike and to standby by `weights`; `standby_bps` by [`standby_bps`].
pub fn commons_out(commons: &Account, owners: u64, weights: &[u64], standby_bps: u64) -> CommonsOut {
    let (stipend, for_standby) = pots(commons, owners, standby_bps);
    let sum = weights.iter().fold(0u64, |sum, weight| sum.saturating_add(*weight));
    CommonsOut { stipend, standby: weights.iter().map(|weight| standby_part(for_standby, *weight, sum)).collect() }
}

/// 40 %, rising to 60 % as what is free falls from its target to nothing.
pub fn standby_bps(free: u64, target: u64) -> u64 {
    let base = 10_000u64.saturating_sub(STIPEND_BPS);
    let missing = target.saturating_sub(free);
    let more = u128::from(STANDBY_MAX_BPS.saturating_sub(base)).saturating_mul(missing.into());
    base.saturating_add(more.checked_div(target.into()).and_then(|bps| u64::try_from(bps).ok()).unwrap_or(0))
}

/// (A) A day's demurrage: 2 % a month on what exceeds max(60 credits, 3 × own monthly use), with its carry.
///
/// # Errors
/// [`No::AmountTooLarge`].
pub fn demurrage(account: &Account, monthly_use: Ucredit, carry: u64) -> Result<Carried, No> {
    let balance = Ucredit(u64::try_from(account.balance().0).unwrap_or(0));
    let free = DEMURRAGE_FREE.max(Ucredit(monthly_use.0.saturating_mul(3)));
    let Carried { amount, carry } = amount(balance.less(free).0, Ucredit(DEMURRAGE_BPS), 10_000 * 30, carry)?;
    // (D): what is held is not idle.
    Ok(Carried { amount: amount.min(spendable(account)), carry })
}

/// Whether a notice is due that an account will be dormant: 14, 7 and 1 days before; one a day, for who asks daily.
pub fn is_dormant_notice_due(heard: Stamp, notices: u8, now: Stamp) -> bool {
    let before = super::limit::NOTICE_BEFORE.get(usize::from(notices));
    before.is_some_and(|before| now.since(heard).as_ms().saturating_add(before.as_ms()) >= DORMANT.as_ms())
}

/// What a dormant account gives to the commons; nothing where it is none.
pub fn dormant(account: &Account, heard: Stamp, notices: u8, now: Stamp) -> Ucredit {
    let is_dormant = now.since(heard) >= DORMANT && notices >= super::limit::NOTICES;
    let balance = Ucredit(u64::try_from(account.balance().0).unwrap_or(0));
    if is_dormant { balance.min(spendable(account)) } else { Ucredit::ZERO }
}

/// Insurance share of the next book: 1.2 × the bad debt's share of 90 days' volume, 2 % to 6 %, rounded to 10 bps.
pub fn insurance_bps(bad_debt_90d: Ucredit, volume_90d: Ucredit) -> u64 {
    let wide = u128::from(bad_debt_90d.0).saturating_mul(12_000).checked_div(volume_90d.0.into()).unwrap_or(0);
    let bps = u64::try_from(wide).unwrap_or(u64::MAX).clamp(INSURANCE_BPS.0, INSURANCE_BPS.1);
    bps.saturating_add(5).checked_div(10).unwrap_or(0).saturating_mul(10)
}

/// How far the insurance may owe: 2 % of 90 days' volume.
pub fn insurance_limit(volume_90d: Ucredit) -> Ucredit {
    portion(volume_90d, 2, 100)
}

/// What of a written-off debt the insurance bears, and what goes beyond it.
pub fn bad_debt(insurance: &Account, debt: Ucredit) -> (Ucredit, Ucredit) {
    let borne = debt.min(spendable(insurance));
    (borne, debt.less(borne))
}

/// The transfers that write a debt off, and how much that is; nothing of who owes nothing. What is set aside of the account stays.
pub fn write_off(member: &Account, insurance: &Account, beyond: AccountNo, day: u32) -> Option<(Group, Ucredit)> {
    let debt = Ucredit(member.debits.0.saturating_sub(member.credits.0));
    let (borne, rest) = bad_debt(insurance, debt);
    let of = |(part, debit, amount): (u32, AccountNo, Ucredit)| {
        let id = system_id(Purpose::BadDebt, day.into(), member.no, None, part);
        Ask { id, act: Act::Move { debit, credit: member.no, amount }, code: Code::BadDebt, reference: None }
    };
    let some = [(0, insurance.no, borne), (1, beyond, rest)].into_iter().filter(|(.., amount)| *amount > Ucredit::ZERO);
    let asks: Vec<Ask> = some.map(of).collect();
    (!asks.is_empty()).then_some((Group { starter: Starter::System, asks }, debt))
}

/// What an account pays back of what was written off: all that it has and may spend, up to that.
pub fn pay_back(from: &Account, owes: Ucredit, to: AccountNo, day: u32) -> Option<(Group, Ucredit)> {
    let has = Ucredit(from.credits.0.saturating_sub(from.debits.0));
    let amount = owes.min(has).min(spendable(from));
    let id = system_id(Purpose::Repay, day.into(), from.no, None, 0);
    let ask = Ask { id, act: Act::Move { debit: from.no, credit: to, amount }, code: Code::Repay, reference: None };
    (amount > Ucredit::ZERO).then(|| (Group { starter: Starter::System, asks: vec![ask] }, amount))
}

/// How good a holder is: availability × audits × latency rank, in ten thousandths, from half to whole.
pub fn quality_bps(availability_bps: u64, audits_bps: u64, latency_bps: u64) -> u64 {
    let parts = [availability_bps, audits_bps, latency_bps];
    let wide = parts
        .iter()
        .fold(10_000u64, |whole, part| whole.saturating_mul((*part).min(10_000)).checked_div(10_000).unwrap_or(0));
    wide.clamp(5_000, 10_000)
}

/// Room in a holder's buffer.
pub fn buffer_room(held_gb: u64, buffered: Ucredit) -> Ucredit {
    Ucredit(BUFFER_PER_GB.0.saturating_mul(held_gb)).less(buffered)
}
