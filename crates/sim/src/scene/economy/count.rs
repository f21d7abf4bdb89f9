//! What is counted of a run, and its figures.

use super::member::Phase;
use super::mix::{self, KINDS};
use super::{Economy, seat};
use crate::check::Figure;
use model::{AccountClass, MemberState, Ucredit};

/// Ids of what each kind was served, of its fair members that were short, and of its space that was used.
const BY_KIND: [[&str; 3]; KINDS.len()] = [
    ["evening_served_share", "evening_fair_short_share", "evening_used_share"],
    ["always_on_served_share", "always_on_fair_short_share", "always_on_used_share"],
    ["nas_served_share", "nas_fair_short_share", "nas_used_share"],
    ["laptop_served_share", "laptop_fair_short_share", "laptop_used_share"],
    ["big_served_share", "big_fair_short_share", "big_used_share"],
    ["consumer_served_share", "consumer_fair_short_share", "consumer_used_share"],
];

/// Days of one kind's members.
#[derive(Debug, Clone, Copy, Default)]
struct ByKind {
    wanted: u128,
    served: u128,
    days: u64,
    short: u64,
    fair: u64,
    fair_short: u64,
    fair_short_young: u64,
    held_mb: u64,
    lent_mb: u64,
    fair_short_held_mb: u64,
    fair_short_lent_mb: u64,
}

/// Everything counted, from the first judged day on where it says so.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    kinds: [ByKind; KINDS.len()],
    /// Paid, and written off, by day: all days.
    daily: Vec<(u64, u64)>,
    paid: u128,
    bad: u128,
    beyond: u128,
    overspent: u128,
    /// Bought from others.
    pub bought: u128,
    /// Hundredths of NCU·h made.
    pub made: u64,
    lent_hours: u64,
    /// Leavers that ran.
    pub runs: u64,
    /// Groups tried, groups that got no place, groups with a thin hour.
    pub groups: u64,
    /// As above.
    pub unplaced: u64,
    /// As above.
    pub uncovered: u64,
    /// Least pool factor.
    pub factor_min: u32,
    /// Full checks made.
    pub checks: u64,
}

impl Counts {
    /// Nothing yet.
    pub fn begin() -> Self {
        Self { factor_min: 1_000_000, ..Self::default() }
    }

    /// A new day.
    pub fn next_day(&mut self) {
        self.daily.push((0, 0));
    }

    /// A member of a kind wanted something of a value, and got a part of it.
    pub fn used(&mut self, is_judged: bool, kind: usize, wanted: u128, served: u128) {
        if is_judged {
            self.kinds[kind].wanted += wanted;
            self.kinds[kind].served += served.min(wanted);
        }
    }

    /// Somebody paid.
    pub fn pays(&mut self, is_judged: bool, amount: Ucredit, overspent: Ucredit) {
        if let Some(today) = self.daily.last_mut() {
            today.0 += amount.0;
        }
        if is_judged {
            self.paid += u128::from(amount.0);
            self.overspent += u128::from(overspent.0);
        }
    }

    /// A debt was given up.
    pub fn writes_off(&mut self, is_judged: bool, debt: Ucredit, beyond: Ucredit) {
        if let Some(today) = self.daily.last_mut() {
            today.1 += debt.0;
        }
        if is_judged {
            self.bad += u128::from(debt.0);
            self.beyond += u128::from(beyond.0);
        }
    }

    /// Paid in the last days.
    pub fn volume(&self, day: u64, days: u64) -> Ucredit {
        Ucredit(self.last(day, days).iter().map(|one| one.0).sum())
    }

    /// Written off in the last days.
    pub fn bad(&self, day: u64, days: u64) -> Ucredit {
        Ucredit(self.last(day, days).iter().map(|one| one.1).sum())
    }

    fn last(&self, day: u64, days: u64) -> &[(u64, u64)] {
        let from = usize::try_from((day + 1).saturating_sub(days)).unwrap_or(usize::MAX);
        self.daily.get(from..).unwrap_or_default()
    }

    fn sum(&self, of: impl Fn(&ByKind) -> u64) -> f64 {
        self.kinds.iter().map(of).sum::<u64>() as f64
    }
}

impl Economy {
    /// Counts the day.
    pub(super) fn tally(&mut self) {
        if !self.is_judged() {
            return;
        }
        let day = self.day;
        for at in &self.open {
            let member = &self.members[*at];
            let kind = &mut self.counts.kinds[member.kind];
            kind.held_mb += member.held_mb;
            kind.lent_mb += if member.lends() { member.kind().lent_gb * 1_000 } else { 0 };
            self.counts.lent_hours += if member.lends() { member.kind().ncu_h_percent() } else { 0 };
            if !member.is_here() {
                continue;
            }
            let wanted = member.wanted_mb(day);
            kind.wanted += self.prices.stored(wanted);
            kind.served += self.prices.stored(wanted.min(member.stored_mb));
            kind.days += 1;
            kind.short += u64::from(member.is_stuck());
            if member.is_fair && member.age(day) >= mix::FAIR_AFTER_DAYS {
                kind.fair += 1;
                if member.is_stuck() {
                    kind.fair_short += 1;
                    kind.fair_short_young += u64::from(member.age(day) < 120);
                    kind.fair_short_held_mb += member.held_mb;
                    kind.fair_short_lent_mb += member.kind().lent_gb * 1_000;
                }
            }
        }
    }

    /// Everything that is printed of a run.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let mut all = self.promises();
        all.extend(self.by_kind());
        all.extend(self.purses());
        all.extend(self.checked());
        all
    }

    fn promises(&self) -> Vec<Figure> {
        let counts = &self.counts;
        let (wanted, served) = counts.kinds.iter().fold((0, 0), |sum, k| (sum.0 + k.wanted, sum.1 + k.served));
        let fair = counts.sum(|k| k.fair);
        let stranded: i64 = self.members.iter().map(|member| self.stranded(member)).sum();
        vec![
            share("value_served_share", served as f64, wanted as f64),
            share("fair_short_share", counts.sum(|k| k.fair_short), fair),
            share("bad_debt_share", (counts.bad + counts.overspent) as f64, counts.paid as f64),
            share("stranded_debt_share", stranded as f64, counts.paid as f64),
            share("short_share", counts.sum(|k| k.short), counts.sum(|k| k.days)),
            share("fair_share", fair, counts.sum(|k| k.days)),
            share("fair_short_young_share", counts.sum(|k| k.fair_short_young), counts.sum(|k| k.fair_short)),
            share("stored_used_share", counts.sum(|k| k.held_mb), counts.sum(|k| k.lent_mb)),
            share("fair_short_used_share", counts.sum(|k| k.fair_short_held_mb), counts.sum(|k| k.fair_short_lent_mb)),
            share("hours_used_share", counts.made as f64, counts.lent_hours as f64),
            share("bought_share", counts.bought as f64, counts.paid as f64),
            share("beyond_insurance_share", counts.beyond as f64, counts.paid as f64),
            figure("paid_a_member_month", counts.paid as f64 * 30.0 / counts.sum(|k| k.days) / 1e6, "credits"),
        ]
    }

    /// Debt of a member that is gone and was not written off.
    fn stranded(&self, member: &super::Member) -> i64 {
        let is_gone = matches!(member.phase, Phase::Gone(_)) && member.state != MemberState::WrittenOff;
        if is_gone { (-self.books.at(member.no).balance().0).max(0) } else { 0 }
    }

    fn by_kind(&self) -> Vec<Figure> {
        let mut all = Vec::new();
        for (ids, kind) in BY_KIND.iter().zip(&self.counts.kinds) {
            all.push(share(ids[0], kind.served as f64, kind.wanted as f64));
            all.push(share(ids[1], kind.fair_short as f64, kind.fair as f64));
            all.push(share(ids[2], kind.held_mb as f64, kind.lent_mb as f64));
        }
        all
    }

    /// Who has the credits at the end, of all that is had.
    fn purses(&self) -> Vec<Figure> {
        let has = |class| self.books.at(seat(class)).balance().0.max(0) as f64;
        let mut people: Vec<i64> =
            self.members.iter().map(|member| self.books.at(member.no).balance().0.max(0)).collect();
        people.sort_unstable_by(|a, b| b.cmp(a));
        let of_people = people.iter().sum::<i64>() as f64;
        let richest = people.iter().take(self.setup.size() as usize / 20).sum::<i64>() as f64;
        let purses = [AccountClass::Repair, AccountClass::Insurance, AccountClass::Operator, AccountClass::Commons];
        let all = of_people + purses.into_iter().map(has).sum::<f64>();
        let held: u64 = self.books.holds().map(|hold| hold.remaining().0).sum();
        vec![
            figure("outstanding_a_member", all / f64::from(self.setup.size()) / 1e6, "credits"),
            share("reserve_of_outstanding", has(AccountClass::Repair), all),
            share("insurance_of_outstanding", has(AccountClass::Insurance), all),
            share("operator_of_outstanding", has(AccountClass::Operator), all),
            share("commons_of_outstanding", has(AccountClass::Commons), all),
            share("richest_twentieth_of_outstanding", richest, all),
            share("held_of_outstanding", held as f64, all),
            share("pool_factor_min", f64::from(self.counts.factor_min), 1e6),
        ]
    }

    fn checked(&self) -> Vec<Figure> {
        let counts = &self.counts;
        let count = |id, value: u64| figure(id, value as f64, "1");
        let sum: i128 = self.books.accounts().map(|account| i128::from(account.balance().0)).sum();
        vec![
            figure("sum_of_balances", sum as f64, "1"),
            count("checks", counts.checks),
            count("rows", self.books.rows()),
            count("holds_open", self.books.holds().len() as u64),
            count("members_ever", self.members.len() as u64),
            count("runs", counts.runs),
            count("groups_opened", counts.groups),
            count("groups_without_place", counts.unplaced),
            share("groups_thin_share", counts.uncovered as f64, counts.groups as f64),
            count("book_versions", self.tariff.at(model::Stamp(u64::MAX)).map_or(0, |book| book.version).into()),
        ]
    }
}

fn figure(id: &'static str, value: f64, unit: &'static str) -> Figure {
    Figure { id, value, unit }
}

/// A part of a whole; nothing where there is none.
fn share(id: &'static str, part: f64, of: f64) -> Figure {
    figure(id, if of > 0.0 { part / of } else { f64::NAN }, "1")
}
