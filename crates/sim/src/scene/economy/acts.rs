//! What members do in a day: come, write, read, compute, go.

use super::member::{Member, Phase};
use super::mix;
use super::money::TRAFFIC_DAYS;
use super::price::fuel;
use super::{ALLOWANCES, Economy, Midnight, seat};
use crate::seed::Draw;
use crate::world::World;
use model::{AccountClass, AccountNo, Code, MemberState, Resource, Span, TransferId, Ucredit};
use rules::ledger::amount::portion;
use rules::ledger::id::{Purpose, system_id};
use rules::ledger::limit::{self, May, Want};
use rules::ledger::settle::WHOLE_BPS;
use rules::ledger::{Account, Act, Ask, Group, Starter, sweep};

/// Hundredths of NCU·h of one item.
const ITEM: u64 = 100;
/// Copies made beyond the first, in a hundred (c = 1.15).
const COPIES_PERCENT: u64 = 15;
/// Draws for one item before it waits for another day.
const TRIES: u32 = 64;
/// Sellers asked for one purchase.
const SELLERS: u32 = 16;
/// Days of use somebody buys at once.
const BUYS_DAYS: u64 = 30;

impl Economy {
    /// Who joins today, and who goes.
    pub(super) fn come_and_go(&mut self, world: &mut World<Midnight>) {
        while self.joins.pop_if(|day| *day <= self.day).is_some() {
            self.admit();
        }
        for at in self.open.clone() {
            match self.members[at].phase {
                Phase::Here if self.members[at].goes <= self.day => {
                    self.goes(world, at);
                    self.joins.push(self.day + 1);
                }
                Phase::Paying(since) if self.day - since >= mix::PAYS_UP_DAYS => self.vanish(world, at),
                _ => {}
            }
        }
        self.open.retain(|at| self.members[*at].is_open());
    }

    fn admit(&mut self) {
        let kind = self.setup.policy.is_circle.then_some(mix::ALWAYS_ON);
        let index = self.members.len();
        let member = Member::draw(self.setup.seed, index as u64, self.day, kind, &self.prices);
        let limit = self.setup.policy.l0(limit::Shown::default());
        self.books.open(Account::open(member.no, MemberState::Newcomer, limit));
        self.members.push(member);
        self.open.push(index);
    }

    /// Some run with all they can get; the others let go of their data and pay what they owe.
    fn goes(&mut self, world: &mut World<Midnight>, at: usize) {
        let runs = self.setup.policy.run_percent.unwrap_or(mix::RUN_PERCENT);
        if self.members[at].nerve < runs {
            self.counts.runs += u64::from(self.is_judged());
            let spendable = self.books.at(self.members[at].no).available().0;
            let price = self.prices.job(ITEM).0;
            let items = u64::try_from(spendable).unwrap_or(0) / price.max(1);
            if limit::may(self.members[at].state, Want::Spend, self.is_soft()).is_ok() && items > 0 {
                self.compute(world, at, items);
            }
            self.vanish(world, at);
        } else {
            let member = &mut self.members[at];
            (member.phase, member.stored_mb) = (Phase::Paying(self.day), 0);
        }
    }

    /// Never heard of again: what it held is lost, its buffer pays for the repair.
    fn vanish(&mut self, world: &mut World<Midnight>, at: usize) {
        self.members[at].phase = Phase::Gone(self.day);
        self.members[at].held_mb = 0;
        self.end_buffers(world, at, true);
    }

    /// Ends all buffers of a member: to the reserve, or back.
    pub(super) fn end_buffers(&mut self, world: &mut World<Midnight>, at: usize, is_lost: bool) {
        let no = self.members[at].no;
        let now = self.now();
        let held = self.books.buffers(no).filter(|hold| !hold.is_over(now));
        let mine: Vec<(TransferId, Ucredit)> = held.map(|hold| (hold.id, hold.remaining())).collect();
        for (part, (hold, amount)) in (0u32..).zip(mine) {
            let act = if is_lost {
                Act::Post { hold, credit: seat(AccountClass::Repair), amount }
            } else {
                Act::Void { hold, amount: None }
            };
            let id = system_id(Purpose::Buffer, self.day, no, Some(Resource::Repair), part);
            let ask = Ask { id, act, code: Code::Buffer, reference: None };
            self.make(world, &Group { starter: Starter::System, asks: vec![ask] });
        }
    }

    fn is_soft(&self) -> bool {
        self.setup.policy.is_circle
    }

    /// Everybody's day.
    pub(super) fn act(&mut self, world: &mut World<Midnight>) {
        for at in self.open.clone() {
            let member = &mut self.members[at];
            member.hours_left = if member.lends() { member.kind().ncu_h_percent() } else { 0 };
        }
        self.price_hours();
        for at in self.open.clone() {
            if !self.members[at].is_here() {
                continue;
            }
            self.write(at);
            if (self.day + at as u64) % 30 == 29 {
                self.read(world, at);
            }
            if self.members[at].is_developer && (self.day + at as u64).is_multiple_of(mix::JOB_DAYS) {
                self.job(world, at);
            }
        }
    }

    /// Writes what it still wants, a part a day, as long as it may and the pool has room.
    fn write(&mut self, at: usize) {
        let (day, is_soft, is_full) = (self.day, self.is_soft(), self.is_full());
        let member = &self.members[at];
        let wants = member.wanted_mb(day).saturating_sub(member.stored_mb);
        let part = wants.min(member.need_mb / mix::UPLOAD_DAYS + 1);
        let may = limit::may(member.state, Want::Spend, is_soft).is_ok() && self.has_runway(at, part);
        if wants > 0 && !is_full && may {
            self.members[at].stored_mb += part;
        }
    }

    /// Whether it could store so much more for some time before it comes to its limit, by what it earns now.
    fn has_runway(&self, at: usize, more_mb: u64) -> bool {
        let Some(days) = self.setup.policy.runway_days else { return true };
        let member = &self.members[at];
        let costs = self.prices.stored(member.stored_mb + more_mb);
        let drains = costs.saturating_sub(u128::from(member.mean.0));
        i128::from(self.books.at(member.no).available().0)
            >= i128::try_from(drains).unwrap_or(i128::MAX) * i128::from(days)
    }

    /// Reads back a part of what it stores, under an allowance or as a rescue.
    fn read(&mut self, world: &mut World<Midnight>, at: usize) {
        let member = &self.members[at];
        let of = |mb: u64| mb * mix::READ_MONTHLY_BPS / WHOLE_BPS;
        let (wanted, mb) = (of(member.wanted_mb(self.day)), of(member.stored_mb));
        let served = if mb == 0 { false } else { self.read_some(world, at, mb) };
        let cost = self.prices.read(mb);
        let wanted = self.prices.read(wanted);
        self.counts.used(self.is_judged(), self.members[at].kind, wanted, if served { cost } else { 0 });
    }

    fn read_some(&mut self, world: &mut World<Midnight>, at: usize, mb: u64) -> bool {
        let member = &self.members[at];
        let (bytes, stored) = (mb * 1_000_000, member.stored_mb * 1_000_000);
        let want = Want::Read { bytes, rescued_90d: member.rescued(self.day), stored };
        let is_rescue = match limit::may(member.state, want, self.is_soft()) {
            Err(_) => return false,
            Ok(May::AsRescue) => true,
            Ok(May::Plainly | May::Last) => false,
        };
        let cost = Ucredit(u64::try_from(self.prices.read(mb)).unwrap_or(u64::MAX));
        if !is_rescue && !self.set_aside(world, at, (Resource::Egress, limit::allowance(cost))) {
            return false;
        }
        let day = self.day;
        let member = &mut self.members[at];
        member.due.read += bytes;
        if is_rescue {
            member.due.is_rescue = true;
            member.rescues.retain(|(at, _)| day - at < 90);
            member.rescues.push((day, bytes));
        }
        self.spread_read(bytes);
        true
    }

    /// A hold until the settlement; whether there was credit for it.
    fn set_aside(&mut self, world: &mut World<Midnight>, at: usize, (resource, amount): (Resource, Ucredit)) -> bool {
        let no = self.members[at].no;
        let code = if resource == Resource::Compute { Code::Compute } else { Code::Allowance };
        let id = system_id(Purpose::Allowance, self.day, no, Some(resource), 0);
        let expires = self.now() + Span::days(self.setup.policy.settle_days.max(TRAFFIC_DAYS) + 1);
        let act = Act::Hold { debit: no, escrow: ALLOWANCES, amount, expires };
        let ask = Ask { id, act, code, reference: None };
        let made = self.try_make(world, &Group { starter: Starter::System, asks: vec![ask] });
        if made {
            self.members[at].allowances.push((resource, id, amount));
        }
        made
    }

    fn job(&mut self, world: &mut World<Midnight>, at: usize) {
        let items = mix::NCU_H_MONTHLY * mix::JOB_DAYS / 30 * self.setup.demand_percent / 100;
        let may = limit::may(self.members[at].state, Want::Spend, self.is_soft()).is_ok();
        let done = if may { self.compute(world, at, items) } else { 0 };
        let (wanted, done) = (self.prices.computed(items * ITEM), self.prices.computed(done * ITEM));
        self.counts.used(self.is_judged(), self.members[at].kind, wanted, done);
    }

    /// Runs items on others' machines, under a hold; how many.
    fn compute(&mut self, world: &mut World<Midnight>, at: usize, items: u64) -> u64 {
        if !self.set_aside(world, at, (Resource::Compute, self.prices.job(items * ITEM))) {
            return 0;
        }
        let done = (0..items).take_while(|_| self.run_item(at)).fold(0, |done, _| done + 1);
        self.members[at].due.used += fuel(done * ITEM);
        done
    }

    /// One item, and its copy where it is checked.
    fn run_item(&mut self, payer: usize) -> bool {
        let copies = if self.draw.below(100) < COPIES_PERCENT { 2 } else { 1 };
        for copy in 0..copies {
            let Some(at) = self.some_worker(payer) else { return copy > 0 };
            self.members[at].hours_left -= ITEM;
            self.members[at].due.made += fuel(ITEM);
            self.counts.made += u64::from(self.is_judged()) * ITEM;
        }
        true
    }

    /// One with hours left, by quality × the table of debt first; never the payer's own, which would be free.
    fn some_worker(&mut self, payer: usize) -> Option<usize> {
        let total = self.hours.last().map(|(sum, _)| *sum).filter(|sum| *sum > 0)?;
        for _ in 0..TRIES {
            let point = self.draw.below(total);
            let place = self.hours.partition_point(|(sum, _)| *sum <= point);
            let at = self.hours[place].1;
            if at != payer && self.members[at].hours_left >= ITEM {
                return Some(at);
            }
        }
        None
    }

    /// Running sums of the weights of all that lend hours.
    fn price_hours(&mut self) {
        let mut sum = 0;
        self.hours.clear();
        for at in &self.open {
            let member = &self.members[*at];
            if member.hours_left >= ITEM {
                sum += member.weight(self.position(member.no));
                self.hours.push((sum, *at));
            }
        }
    }

    /// Where an owner stands for the weights.
    pub(super) fn position(&self, no: AccountNo) -> model::Credits {
        self.setup.policy.position(&self.books.at(no))
    }

    /// Who may buys from those in surplus, as much as a month of what it wants costs.
    pub(super) fn buy(&mut self, world: &mut World<Midnight>) {
        for at in self.open.clone() {
            let member = &self.members[at];
            if !(member.is_here() && member.is_buyer) {
                continue;
            }
            let monthly = self.prices.costs(member.wanted_mb(self.day), member.is_developer);
            let daily = Ucredit(u64::try_from(monthly / 30).unwrap_or(u64::MAX));
            let available = self.books.at(member.no).available();
            if limit::days_left(available, daily).is_some_and(|days| days < limit::LOW_DAYS) {
                let lacks = i128::from(daily.0) * i128::from(BUYS_DAYS) - i128::from(available.0);
                self.buy_some(world, at, Ucredit(u64::try_from(lacks).unwrap_or(0)));
            }
        }
    }

    fn buy_some(&mut self, world: &mut World<Midnight>, buyer: usize, mut lacks: Ucredit) {
        for _ in 0..SELLERS {
            let place = self.draw.below(self.open.len() as u64);
            let seller = &self.members[self.open[usize::try_from(place).expect("a place in a list")]];
            let account = self.books.at(seller.no);
            let keeps = sweep::DEMURRAGE_FREE.max(Ucredit(seller.daily_use.0 * 90));
            let surplus = Ucredit(u64::try_from(account.balance().0).unwrap_or(0)).less(keeps).less(account.held_debit);
            let amount = surplus.min(lacks);
            if !seller.is_here() || amount < Ucredit::whole(1) || seller.no == self.members[buyer].no {
                continue;
            }
            let (from, to, bridge) = (seller.no, self.members[buyer].no, seat(AccountClass::Bridge));
            let ask =
                |id, debit, credit, code| Ask { id, act: Act::Move { debit, credit, amount }, code, reference: None };
            let asks =
                vec![ask(self.some_id(), from, bridge, Code::CashOut), ask(self.some_id(), bridge, to, Code::TopUp)];
            self.make(world, &Group { starter: Starter::System, asks });
            self.counts.bought += if self.is_judged() { u128::from(amount.0) } else { 0 };
            lacks = lacks.less(amount);
            if lacks == Ucredit::ZERO {
                return;
            }
        }
    }

    /// A member's own id.
    fn some_id(&mut self) -> TransferId {
        let random = u128::from(self.draw.below(u64::MAX)).to_le_bytes();
        TransferId::made(self.now(), random[..10].try_into().expect("ten of sixteen"))
    }

    /// A leaver with nothing owed gives what it has to somebody who stays, and is closed by the rules.
    pub(super) fn give_away(&mut self, world: &mut World<Midnight>, at: usize) {
        let account = self.books.at(self.members[at].no);
        let amount = Ucredit(u64::try_from(account.balance().0).unwrap_or(0));
        let place = usize::try_from(self.draw.below(self.open.len() as u64)).expect("a place in a list");
        let heir = &self.members[self.open[place]];
        if amount == Ucredit::ZERO || !heir.is_here() {
            return;
        }
        let act = Act::Move { debit: account.no, credit: heir.no, amount };
        let ask = Ask { id: self.some_id(), act, code: Code::Gift, reference: None };
        let starter = Starter::Member { account: account.no, with_bridge: false };
        self.make(world, &Group { starter, asks: vec![ask] });
    }

    /// A part of a whole, as settlements cut it.
    pub(super) fn part(whole: u64, part: u64, of: u64) -> u64 {
        portion(Ucredit(whole), part, of).0
    }
}
