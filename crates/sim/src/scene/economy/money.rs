//! The money of a day: settlement in its three steps, and what goes through the commons. All of it by the real rules.

use super::member::Member;
use super::mix;
use super::policy::Commons;
use super::{Economy, Midnight, clearing, seat, seats};
use crate::world::World;
use model::{AccountClass, AccountNo, Code, Resource, Stamp, Ucredit};
use rules::ledger::amount::portion;
use rules::ledger::id::{Purpose, system_id};
use rules::ledger::settle::{
    Charged, Due, Earner, Factor, Payer, Round, Shared, Taken, WHOLE_BPS, charge, earned, pay, share,
};
use rules::ledger::tariff::{Commission, NOTICE, Price, PriceBook, Source, Terms, Variant, WINDOW};
use rules::ledger::{Account, Act, Ask, Facts, Group, No, Starter, sweep};
use std::collections::BTreeMap;

/// What is settled, in this order: storage fills the reserve that pays repair.
pub const SETTLED: [Resource; 4] = [Resource::Storage, Resource::Repair, Resource::Egress, Resource::Compute];
/// How long a part of a buffer is held: twelve months.
const BUFFER_DAYS: u64 = 365;
/// Days of a settlement period of traffic, where storage and computing are settled more often: it is a tenth of what is paid.
pub const TRAFFIC_DAYS: u64 = 7;
/// Days between two looks at the insurance share.
const BOOK_DAYS: u64 = 30;
/// Of what is used, what should be free, in ten thousandths: below it standby pay rises.
const STANDBY_TARGET_BPS: u64 = 3_000;
/// A node on for so much of the day bears a stipend, in ten thousandths.
const STIPEND_ON_BPS: u64 = 5_000;

/// One resource's settlement.
struct Turn<'a> {
    round: Round<'a>,
    due: (Variant, u32),
}

impl Turn<'_> {
    fn due(&self, units: u64, quality_bps: u64) -> Due {
        Due { variant: self.due.0, version: self.due.1, units, quality_bps }
    }
}

impl Economy {
    /// Settles everything that is due.
    pub(super) fn settle_all(&mut self, world: &mut World<Midnight>) {
        let tariff = std::mem::take(&mut self.tariff);
        let version = tariff.at(self.now()).map_or(1, |book| book.version);
        for resource in SETTLED {
            if !self.is_settled(resource) {
                continue;
            }
            let variant = match resource {
                Resource::Storage => self.prices.storage,
                Resource::Compute => Variant::Checked,
                _ => Variant::Plain,
            };
            let round = Round { resource, period: self.day, tariff: &tariff, seats: seats(resource) };
            let turn = Turn { round, due: (variant, version) };
            if let Err(no) = self.settle(world, &turn) {
                self.fail("a_settlement_is_possible", format!("{resource}: {no}"));
            }
        }
        self.tariff = tariff;
    }

    /// Whether a resource's period ends today: traffic is settled weekly at least, to spare rows.
    fn is_settled(&self, resource: Resource) -> bool {
        let days = match resource {
            Resource::Repair | Resource::Egress => self.setup.policy.settle_days.max(TRAFFIC_DAYS),
            _ => self.setup.policy.settle_days,
        };
        self.day % days == days - 1
    }

    fn settle(&mut self, world: &mut World<Midnight>, turn: &Turn<'_>) -> Result<(), No> {
        let resource = turn.round.resource;
        let mut taken = BTreeMap::new();
        if resource == Resource::Repair {
            self.charge_reserve(world, turn, &mut taken)?;
        } else {
            for at in self.open.clone() {
                self.charge_member(world, turn, at, &mut taken)?;
            }
        }
        let earners = self.earners(turn);
        let mut wanted = Ucredit::ZERO;
        for (_, earner) in &earners {
            wanted = wanted.checked_add(earned(&turn.round, earner)?.0).ok_or(No::AmountTooLarge)?;
        }
        let facts = Taken {
            taken,
            wanted,
            clearing: self.books.at(clearing(resource)),
            reserve: self.books.at(seat(AccountClass::Repair)),
            floor: self.floor(),
            carries: self.carries.clone(),
        };
        let shared = share(&turn.round, &facts)?;
        self.note_share(resource, &shared);
        if let Some(group) = &shared.group {
            self.make(world, group);
        }
        self.carries.extend(shared.carries);
        for (at, earner) in earners {
            self.pay_member(world, turn, (at, earner), shared.factor)?;
        }
        Ok(())
    }

    fn charge_member(
        &mut self,
        world: &mut World<Midnight>,
        turn: &Turn<'_>,
        at: usize,
        taken: &mut BTreeMap<(u32, Variant), Ucredit>,
    ) -> Result<(), No> {
        let resource = turn.round.resource;
        let member = &mut self.members[at];
        let (units, is_rescue) = match resource {
            Resource::Storage => (std::mem::take(&mut member.due.stored), false),
            Resource::Egress => (std::mem::take(&mut member.due.read), std::mem::take(&mut member.due.is_rescue)),
            _ => (std::mem::take(&mut member.due.used), false),
        };
        if units == 0 && member.allowances.is_empty() {
            return Ok(());
        }
        let (mine, others) = std::mem::take(&mut member.allowances).into_iter().partition(|one| one.0 == resource);
        member.allowances = others;
        let payer = Payer {
            account: self.books.at(member.no),
            uses: vec![turn.due(units, WHOLE_BPS)],
            carries: std::mem::take(&mut member.carries),
            allowances: Vec::from_iter(mine)
                .into_iter()
                .map(|(_, hold, amount): (Resource, _, _)| (hold, amount))
                .collect(),
            may_owe: if is_rescue { Ucredit::MAX } else { Ucredit::ZERO },
            insurance: self.books.at(seat(AccountClass::Insurance)),
        };
        let charged = charge(&turn.round, &payer)?;
        self.charged(world, at, &charged);
        for (key, amount) in &charged.taken {
            let sum: &mut Ucredit = taken.entry(*key).or_default();
            *sum = sum.checked_add(*amount).ok_or(No::AmountTooLarge)?;
        }
        let member = &mut self.members[at];
        member.carries = payer.carries;
        member.carries.extend(charged.carries);
        for (part, (hold, _)) in (1u32..).zip(payer.allowances) {
            self.void(world, (payer.account.no, resource, part), hold);
        }
        Ok(())
    }

    fn charged(&mut self, world: &mut World<Midnight>, at: usize, charged: &Charged) {
        let sum = Ucredit(charged.taken.values().map(|amount| amount.0).sum());
        self.members[at].charged.0 += sum.0;
        self.counts.pays(self.is_judged(), sum, charged.overspent);
        if let Some(group) = &charged.group {
            self.make(world, group);
        }
    }

    /// What is left of a hold goes back.
    fn void(&mut self, world: &mut World<Midnight>, of: (AccountNo, Resource, u32), hold: model::TransferId) {
        let Some(code) = self.books.hold(hold).map(|hold| hold.code) else { return };
        let id = system_id(Purpose::Allowance, self.day, of.0, Some(of.1), of.2);
        let ask = Ask { id, act: Act::Void { hold, amount: None }, code, reference: None };
        self.make(world, &Group { starter: Starter::System, asks: vec![ask] });
    }

    /// The reserve pays for bytes of repair.
    fn charge_reserve(
        &mut self,
        world: &mut World<Midnight>,
        turn: &Turn<'_>,
        taken: &mut BTreeMap<(u32, Variant), Ucredit>,
    ) -> Result<(), No> {
        let units = self.open.iter().map(|at| self.members[*at].due.repaired).sum();
        let payer = Payer {
            account: self.books.at(seat(AccountClass::Repair)),
            uses: vec![turn.due(units, WHOLE_BPS)],
            carries: self.carries.clone(),
            allowances: Vec::new(),
            may_owe: Ucredit::ZERO,
            insurance: self.books.at(seat(AccountClass::Insurance)),
        };
        let charged = charge(&turn.round, &payer)?;
        if let Some(group) = &charged.group {
            self.make(world, group);
        }
        self.carries.extend(charged.carries);
        taken.extend(charged.taken);
        Ok(())
    }

    fn earners(&mut self, turn: &Turn<'_>) -> Vec<(usize, Earner)> {
        let resource = turn.round.resource;
        let mut earners = Vec::new();
        for at in &self.open {
            let until = midnight_after(self.now());
            let is_new = self.setup.policy.has_all && self.members[*at].age(self.day) < 30;
            let has_buffer = self.setup.policy.has_all && resource == Resource::Storage;
            let member = &mut self.members[*at];
            let units = match resource {
                Resource::Storage => std::mem::take(&mut member.due.held),
                Resource::Repair => std::mem::take(&mut member.due.repaired),
                Resource::Egress => std::mem::take(&mut member.due.sent),
                _ => std::mem::take(&mut member.due.made),
            };
            let arrears = take_arrears(member, resource);
            if units == 0 && arrears == Ucredit::ZERO {
                continue;
            }
            let account = self.books.at(member.no);
            let buffered = account.held_debit.less(Ucredit(member.allowances.iter().map(|one| one.2.0).sum()));
            let room = sweep::buffer_room(member.held_mb / 1_000, buffered);
            let served = vec![turn.due(units, member.quality_bps())];
            let carries = std::mem::take(&mut member.carries);
            let buffer = (has_buffer && member.lends()).then_some((room, until));
            earners.push((*at, Earner { account, served, carries, arrears, buffer, is_newcomer: is_new }));
        }
        earners
    }

    fn pay_member(
        &mut self,
        world: &mut World<Midnight>,
        turn: &Turn<'_>,
        (at, earner): (usize, Earner),
        factor: Factor,
    ) -> Result<(), No> {
        let paid = pay(&turn.round, &earner, factor)?;
        if let Some(group) = &paid.group {
            self.make(world, group);
        }
        let member = &mut self.members[at];
        member.carries = earner.carries;
        member.carries.extend(paid.carries);
        member.earned.0 += paid.paid.0;
        if paid.arrears > Ucredit::ZERO {
            member.arrears.push((turn.round.resource, paid.arrears));
        }
        Ok(())
    }

    fn note_share(&mut self, resource: Resource, shared: &Shared) {
        if self.is_judged() && resource == Resource::Storage && shared.factor.wanted > Ucredit::ZERO {
            self.counts.factor_min = self.counts.factor_min.min(shared.factor.ppm().0);
        }
    }

    /// 30 days of forecast repair.
    fn floor(&self) -> Ucredit {
        let stored: u64 = self.open.iter().map(|at| self.members[*at].stored_mb).sum();
        Ucredit(stored / 1_000 * self.prices.repaired_percent * 2_000)
    }

    /// Operator to commons, demurrage, stipend, standby, and what members buy from each other.
    pub(super) fn share_commons(&mut self, world: &mut World<Midnight>) {
        let policy = self.setup.policy;
        let (commons, operator) = (seat(AccountClass::Commons), seat(AccountClass::Operator));
        if policy.commons != Commons::Hoarded {
            let costs = portion(self.counts.volume(self.day, 30), mix::OPERATOR_COSTS_BPS, WHOLE_BPS * 30);
            let rest = sweep::operator_rest(&self.books.at(operator), costs);
            self.daily(world, (Purpose::Sweep, Code::Sweep), &[(operator, commons, rest)]);
        }
        if policy.sweeps_reserve {
            let reserve = seat(AccountClass::Repair);
            let rest = sweep::reserve_rest(&self.books.at(reserve), self.floor());
            self.daily(world, (Purpose::Sweep, Code::Sweep), &[(reserve, commons, rest)]);
        }
        if policy.has_stipend() {
            self.take_demurrage(world);
        }
        let lends: Vec<usize> = self.open.iter().copied().filter(|at| self.members[*at].lends()).collect();
        let weights: Vec<u64> =
            lends.iter().map(|at| self.members[*at].free_mb() / 100 * self.members[*at].quality_bps() / 100).collect();
        let is_steady = |at: &&usize| policy.stipend_to_all || self.members[**at].kind().on_bps() >= STIPEND_ON_BPS;
        let owners: Vec<usize> =
            if policy.has_stipend() { lends.iter().filter(is_steady).copied().collect() } else { Vec::new() };
        let bps = if policy.has_stipend() { self.standby_bps(&lends) } else { sweep::STANDBY_MAX_BPS };
        let out = sweep::commons_out(&self.books.at(commons), owners.len() as u64, &weights, bps);
        let no = |at: &usize| self.members[*at].no;
        let stipends: Vec<_> = owners.iter().map(|at| (commons, no(at), out.stipend)).collect();
        let standby: Vec<_> = lends.iter().zip(&out.standby).map(|(at, amount)| (commons, no(at), *amount)).collect();
        self.daily(world, (Purpose::Stipend, Code::Stipend), &stipends);
        self.daily(world, (Purpose::Standby, Code::Standby), &standby);
        if policy.has_bridge {
            self.buy(world);
        }
        if policy.has_all && self.day % BOOK_DAYS == BOOK_DAYS - 1 {
            self.next_book();
        }
    }

    fn standby_bps(&self, lends: &[usize]) -> u64 {
        let free: u64 = lends.iter().map(|at| self.members[*at].free_mb()).sum();
        let used: u64 = lends.iter().map(|at| self.members[*at].held_mb).sum();
        sweep::standby_bps(free, used * STANDBY_TARGET_BPS / WHOLE_BPS)
    }

    fn daily(
        &mut self,
        world: &mut World<Midnight>,
        (purpose, code): (Purpose, Code),
        ways: &[(AccountNo, AccountNo, Ucredit)],
    ) {
        let day = u32::try_from(self.day).unwrap_or(u32::MAX);
        for group in sweep::daily(purpose, code, day, ways) {
            self.make(world, &group);
        }
    }

    fn take_demurrage(&mut self, world: &mut World<Midnight>) {
        let mut ways = Vec::new();
        for at in &self.open {
            let member = &mut self.members[*at];
            let account = self.books.at(member.no);
            let monthly = Ucredit(member.daily_use.0 * 30);
            if let Ok(due) = sweep::demurrage(&account, monthly, member.demurrage_carry) {
                member.demurrage_carry = due.carry;
                ways.push((account.no, seat(AccountClass::Commons), due.amount));
            }
        }
        self.daily(world, (Purpose::Demurrage, Code::Demurrage), &ways);
    }

    /// The next version of the prices, where bad debt asks for another insurance share.
    fn next_book(&mut self) {
        let bps = sweep::insurance_bps(self.counts.bad(self.day, 90), self.counts.volume(self.day, 90));
        let commission = Commission { insurance_bps: bps, ..Commission::DEFAULT };
        let Some(last) = self.tariff.at(Stamp(u64::MAX)).filter(|last| last.commission != commission) else { return };
        let begins = (self.now() + NOTICE).as_ms().next_multiple_of(WINDOW.as_ms());
        let prices = last.prices.iter().filter_map(|price| derived(price, commission)).collect();
        let book = PriceBook { version: last.version + 1, valid_from: Stamp(begins), commission, prices };
        if let Err(why) = self.tariff.add(book, self.now()) {
            self.fail("a_price_book_balances", format!("{why:?}"));
        }
    }

    /// The debt of a member that is given up goes to the insurance, beyond it to all.
    pub(super) fn write_off(&mut self, world: &mut World<Midnight>, account: &Account) {
        let debt = Ucredit(u64::try_from(-account.balance().0).unwrap_or(0));
        let insurance = self.books.at(seat(AccountClass::Insurance));
        let (borne, beyond) = sweep::bad_debt(&insurance, debt);
        self.counts.writes_off(self.is_judged(), debt, beyond);
        for (part, from, amount) in [(0, AccountClass::Insurance, borne), (1, AccountClass::WriteOff, beyond)] {
            if amount > Ucredit::ZERO {
                let id = system_id(Purpose::BadDebt, self.day, account.no, None, part);
                let act = Act::Move { debit: seat(from), credit: account.no, amount };
                let ask = Ask { id, act, code: Code::BadDebt, reference: None };
                self.make(world, &Group { starter: Starter::System, asks: vec![ask] });
            }
        }
    }
}

/// A row of the next book: the same terms, another commission.
fn derived(price: &Price, commission: Commission) -> Option<Price> {
    if price.source != Source::Payer {
        return Some(*price);
    }
    let Price { resource, variant, provider, copies_ppm, repair, per, .. } = *price;
    Price::derive(&Terms { resource, variant, provider, copies_ppm, repair, per }, commission)
}

fn midnight_after(now: Stamp) -> Stamp {
    now + model::Span::days(BUFFER_DAYS)
}

fn take_arrears(member: &mut Member, resource: Resource) -> Ucredit {
    let mine = member.arrears.extract_if(.., |(of, _)| *of == resource);
    Ucredit(mine.map(|(_, amount)| amount.0).sum())
}
