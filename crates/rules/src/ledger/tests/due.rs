//! Settlements against exact fractions, with every step repeated, and cut off between any two.

use super::super::Facts;
use super::super::receipt::{self, Batch, Flag, Judged, Shown};
use super::super::row::day_of;
use super::super::settle::{
    self, Carries, Due, Earner, Factor, Payer, Round, Seats, Shared, Taken, charge, earned, is_pooled, pay, share,
};
use super::super::tariff::{Tariff, Variant, book_v1};
use super::*;
use model::{AccountClass as Class, Class as Scheme, Ppm, Resource};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;

const PEOPLE: u64 = 12;
const STANDARD: Variant = Variant::Class(Scheme::Standard);

fn due(variant: Variant, units: u64) -> Due {
    Due { variant, version: 1, units, quality_bps: 10_000 }
}

/// A store: a book, and what a settlement keeps beside it.
struct Town {
    book: Book,
    tariff: Tariff,
    carries: Carries,
    arrears: BTreeMap<(AccountNo, Resource), Ucredit>,
    floor: Ucredit,
    next: u64,
    rng: ChaCha8Rng,
    /// Repeat steps, and start anew from rows between them.
    is_rough: bool,
    commits: u64,
    repeats: u64,
}

struct Outcomes {
    shared: Shared,
    paid: BTreeMap<u64, Ucredit>,
    charged: BTreeMap<u64, Ucredit>,
    overspent: Ucredit,
    groups: Vec<Group>,
}

impl Town {
    fn new(seed: u64, is_rough: bool) -> Self {
        let mut book = book(PEOPLE);
        (0..PEOPLE).for_each(|n| book.set(member(n), |account| account.limit = Ucredit::whole(1_000_000)));
        Self {
            book,
            tariff: Tariff::begin(book_v1()).unwrap(),
            carries: Carries::new(),
            arrears: BTreeMap::new(),
            floor: Ucredit::ZERO,
            next: 1 << 40,
            rng: ChaCha8Rng::seed_from_u64(seed),
            is_rough,
            commits: 0,
            repeats: 0,
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        crate::compute::quorum::below(end, &mut self.rng)
    }

    fn seats() -> Seats {
        Seats {
            clearing: seat(Class::Clearing),
            reserve: seat(Class::Repair),
            insurance: seat(Class::Insurance),
            write_off: seat(Class::WriteOff),
            operator: seat(Class::Operator),
            commons: seat(Class::Commons),
            buffer: ESCROW,
        }
    }

    fn account(&self, no: AccountNo) -> Account {
        self.book.account(no).unwrap()
    }

    /// Sets aside for a payer.
    fn allow(&mut self, payer: u64, amount: u64) -> TransferId {
        self.next += 1;
        let ask = Ask { code: Code::Allowance, ..hold(self.next, payer, amount) };
        self.book.must(&by_system([ask]));
        ask.id
    }

    /// Applies a step's group, in rough times again and again, and from rows.
    fn commit(&mut self, group: Option<&Group>) {
        let Some(group) = group else { return };
        self.commits += 1;
        assert!(matches!(self.book.apply(group, NOW), Ok(Outcome::Applied(_))), "{:?}", self.book.apply(group, NOW));
        if self.is_rough {
            for _ in 0..self.below(3) {
                assert!(matches!(self.book.apply(group, NOW), Ok(Outcome::Exists { .. })), "(Q)");
            }
            if self.below(4) == 0 {
                let opened: Vec<Account> = self.book.accounts().copied().collect();
                let again = Book::restore(opened, self.book.rows()).unwrap();
                assert_eq!(again, self.book, "(J)");
                self.book = again;
            }
        }
        self.book.check().unwrap();
    }

    /// A second center does a step again from what it reads now: nothing comes of it.
    fn again(&mut self, group: Option<&Group>) {
        let Some(group) = group.filter(|_| self.is_rough) else { return };
        self.repeats += 1;
        let before = self.book.clone();
        let outcome = self.book.apply(group, NOW);
        assert!(!matches!(outcome, Ok(Outcome::Applied(_))), "(Q) {outcome:?}");
        assert_eq!(self.book, before, "(Q)");
    }

    fn payer(&self, n: u64, uses: &[Due], holds: &[TransferId]) -> Payer {
        let left = |id: &TransferId| (*id, self.book.hold(*id).unwrap().remaining());
        Payer {
            account: self.account(member(n)),
            uses: uses.to_vec(),
            carries: self.carries.clone(),
            allowances: holds.iter().map(left).collect(),
            may_owe: Ucredit::ZERO,
            insurance: self.account(seat(Class::Insurance)),
        }
    }

    fn earner(&self, n: u64, resource: Resource, served: &[Due]) -> Earner {
        Earner {
            account: self.account(member(n)),
            served: served.to_vec(),
            carries: self.carries.clone(),
            arrears: self.arrears.get(&(member(n), resource)).copied().unwrap_or_default(),
            buffer: None,
            is_newcomer: false,
        }
    }

    fn settle(
        &mut self,
        resource: Resource,
        period: u64,
        used: &BTreeMap<u64, Vec<Due>>,
        served: &BTreeMap<u64, Vec<Due>>,
        holds: &BTreeMap<u64, Vec<TransferId>>,
    ) -> Outcomes {
        let tariff = self.tariff.clone();
        let round = Round { resource, period, tariff: &tariff, seats: Self::seats() };
        let mut taken: BTreeMap<(u32, Variant), Ucredit> = BTreeMap::new();
        let (mut charged, mut paid, mut groups) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let mut overspent = Ucredit::ZERO;
        for (n, uses) in used {
            let own = holds.get(n).cloned().unwrap_or_default();
            let step = charge(&round, &self.payer(*n, uses, &own)).unwrap();
            self.commit(step.group.as_ref());
            let second = charge(&round, &self.payer(*n, uses, &own)).unwrap();
            self.again(second.group.as_ref());
            self.carries.extend(step.carries);
            for (key, amount) in step.taken {
                taken.entry(key).or_default().0 += amount.0;
                charged.entry(*n).or_insert(Ucredit::ZERO).0 += amount.0;
            }
            overspent.0 += step.overspent.0;
            groups.extend(step.group);
        }
        let wanted = served.iter().map(|(n, dues)| earned(&round, &self.earner(*n, resource, dues)).unwrap().0.0).sum();
        let facts = |town: &Self| Taken {
            taken: taken.clone(),
            wanted: Ucredit(wanted),
            clearing: town.account(seat(Class::Clearing)),
            reserve: town.account(seat(Class::Repair)),
            floor: town.floor,
            carries: town.carries.clone(),
        };
        let shared = share(&round, &facts(self)).unwrap();
        self.commit(shared.group.as_ref());
        let second = share(&round, &facts(self)).unwrap();
        self.again(second.group.as_ref());
        self.carries.extend(shared.carries.clone());
        groups.extend(shared.group.clone());
        for (n, dues) in served {
            let step = pay(&round, &self.earner(*n, resource, dues), shared.factor).unwrap();
            self.commit(step.group.as_ref());
            let second = pay(&round, &self.earner(*n, resource, dues), shared.factor).unwrap();
            self.again(second.group.as_ref());
            self.carries.extend(step.carries);
            self.arrears.insert((member(*n), resource), step.arrears);
            paid.insert(*n, step.paid);
            groups.extend(step.group);
        }
        Outcomes { shared, paid, charged, overspent, groups }
    }

    fn balance(&self, class: Class) -> u64 {
        u64::try_from(self.book.balance(seat(class))).unwrap()
    }
}

fn one(n: u64, dues: &[Due]) -> BTreeMap<u64, Vec<Due>> {
    [(n, dues.to_vec())].into()
}

#[test]
fn a_gigabyte_read_is_paid_and_shared_as_the_book_says() {
    let mut town = Town::new(1, true);
    let holds = vec![town.allow(1, 300_000), town.allow(1, 100_000)];
    let gb = [due(Variant::Plain, 1_000_000_000)];
    let done = town.settle(Resource::Egress, 9, &one(1, &gb), &one(2, &gb), &[(1, holds.clone())].into());
    assert_eq!((town.book.balance(member(1)), town.book.balance(member(2))), (-444_445, 400_000));
    assert_eq!((town.balance(Class::Operator), town.balance(Class::Insurance)), (31_111, 13_334));
    assert_eq!((town.balance(Class::Clearing), done.overspent), (0, Ucredit::ZERO));
    let left = holds.iter().map(|hold| town.book.hold(*hold).unwrap().remaining().0);
    assert_eq!(left.sum::<u64>(), 0, "first what is set aside");
    assert_eq!(done.shared.factor.ppm(), Ppm::ONE);
    // Repeated as a whole, from the beginning: each group answers that it is there.
    let before = town.book.clone();
    for group in &done.groups {
        assert!(matches!(town.book.apply(group, NOW), Ok(Outcome::Exists { .. })), "(Q)");
    }
    assert_eq!(town.book, before, "settle twice changes nothing");
}

#[test]
fn stored_bytes_fill_the_reserve_and_draw_on_it() {
    let mut town = Town::new(2, true);
    let gb_month = 720_000;
    let used = one(1, &[due(STANDARD, 100 * gb_month)]);
    let held = |gb: u64| one(2, &[due(STANDARD, gb * gb_month)]);
    let none = BTreeMap::new();
    // Exactly the scheme's bytes: 48.5556 in, 32.5 to holders, 11.2 for repair, the rest commission.
    let done = town.settle(Resource::Storage, 1, &used, &held(325), &none);
    assert_eq!((town.book.balance(member(1)), town.book.balance(member(2))), (-48_555_600, 32_500_000));
    assert_eq!((done.shared.repair.0, done.shared.left.0, done.shared.given.0), (11_200_000, 0, 0));
    assert_eq!((done.shared.operator.0, done.shared.insurance.0), (3_398_800, 1_456_800));
    // Fewer bytes: what they would have got is the reserve's.
    let done = town.settle(Resource::Storage, 2, &used, &held(300), &none);
    assert_eq!((done.shared.left.0, town.balance(Class::Repair)), (2_500_000, 24_900_000));
    // More bytes: the reserve gives.
    let done = town.settle(Resource::Storage, 3, &used, &held(425), &none);
    assert_eq!((done.shared.given.0, town.balance(Class::Repair)), (10_000_000, 26_100_000));
    // Down to its floor, and then all holders bear it alike.
    town.floor = Ucredit(37_000_000);
    let done = town.settle(Resource::Storage, 4, &used, &held(425), &none);
    assert_eq!((done.shared.given.0, town.balance(Class::Repair)), (300_000, 37_000_000));
    assert_eq!((done.paid[&2].0, done.shared.factor.ppm()), (32_800_000, Ppm(771_764)), "pool factor 0.77");
    assert_eq!(town.balance(Class::Clearing), 0, "(G)");
    assert_eq!(town.arrears[&(member(2), Resource::Storage)], Ucredit::ZERO);
}

#[test]
fn a_holder_of_half_the_quality_gets_half() {
    let mut town = Town::new(3, false);
    let used = one(1, &[due(STANDARD, 720_000)]);
    let half = Due { quality_bps: 5_000, ..due(STANDARD, 720_000) };
    let done = town.settle(Resource::Storage, 1, &used, &one(2, &[half]), &BTreeMap::new());
    assert_eq!(done.paid[&2], Ucredit(50_000));
    // For other resources there is no such share.
    let gb = Due { quality_bps: 1, ..due(Variant::Plain, 1_000_000_000) };
    let done = town.settle(Resource::Egress, 1, &one(1, &[gb]), &one(2, &[gb]), &BTreeMap::new());
    assert_eq!(done.paid[&2], Ucredit(400_000));
}

#[test]
fn earnings_are_held_back_and_newcomers_pay_dues() {
    let mut town = Town::new(4, false);
    let tariff = town.tariff.clone();
    let round = |resource| Round { resource, period: 1, tariff: &tariff, seats: Town::seats() };
    let until = NOW + Span::days(300);
    town.book.must(&by_system([Ask {
        id: id(1),
        act: Act::Move { debit: member(1), credit: seat(Class::Clearing), amount: Ucredit::whole(9) },
        code: Code::Storage,
        reference: None,
    }]));
    let storage = [due(STANDARD, 720_000 * 10)];
    let earner = Earner {
        buffer: Some((Ucredit(200_000), until)),
        is_newcomer: true,
        ..town.earner(2, Resource::Storage, &storage)
    };
    let step = pay(&round(Resource::Storage), &earner, Factor::WHOLE).unwrap();
    assert_eq!((step.paid.0, step.buffered.0, step.dues.0), (1_000_000, 200_000, 0), "up to its target");
    town.commit(step.group.as_ref());
    assert_eq!(town.account(member(2)).held_debit, Ucredit(200_000));
    let egress = [due(Variant::Plain, 1_000_000_000)];
    let earner = Earner { is_newcomer: true, ..town.earner(2, Resource::Egress, &egress) };
    let step = pay(&round(Resource::Egress), &earner, Factor::WHOLE).unwrap();
    assert_eq!((step.paid.0, step.buffered.0, step.dues.0), (400_000, 0, 100_000));
    town.commit(step.group.as_ref());
    assert_eq!(town.balance(Class::Commons), 100_000);
    // Who owes more than it may keeps what it earns: the group is not refused for what is taken of it.
    town.book.set(member(3), |account| account.limit = Ucredit::whole(2));
    town.book.must(&by_system([gift(2, 3, 4, 2_000_000)]));
    town.book.set(member(3), |account| account.limit = Ucredit::ZERO);
    let earner = Earner {
        buffer: Some((Ucredit(200_000), until)),
        is_newcomer: true,
        ..town.earner(3, Resource::Storage, &storage)
    };
    let step = pay(&round(Resource::Storage), &earner, Factor::WHOLE).unwrap();
    assert_eq!((step.paid.0, step.buffered.0), (1_000_000, 0));
    town.commit(step.group.as_ref());
}

#[test]
fn who_signs_more_than_it_can_pay_is_paid_for_and_named() {
    let mut town = Town::new(5, false);
    town.book.set(member(1), |account| account.limit = Ucredit(100_000));
    let hold = town.allow(1, 60_000);
    let gb = [due(Variant::Plain, 1_000_000_000)];
    let done = town.settle(Resource::Egress, 9, &one(1, &gb), &one(2, &gb), &[(1, vec![hold])].into());
    assert_eq!(done.overspent, Ucredit(344_445));
    assert_eq!((town.book.balance(member(1)), town.book.balance(member(2))), (-100_000, 400_000), "(B)");
    assert_eq!(town.book.balance(seat(Class::Insurance)), 13_334 - 344_445);
    // What is stored already is owed, whatever the limit.
    let done =
        town.settle(Resource::Storage, 9, &one(1, &[due(STANDARD, 720_000)]), &BTreeMap::new(), &BTreeMap::new());
    assert_eq!((done.overspent, town.book.balance(member(1))), (Ucredit::ZERO, -585_556));
    // Beyond what the insurance may owe, the loss is public.
    town.book.set(seat(Class::Insurance), |account| account.limit = Ucredit::ZERO);
    let done = town.settle(Resource::Egress, 10, &one(1, &gb), &one(2, &gb), &BTreeMap::new());
    assert_eq!((done.overspent, town.book.balance(seat(Class::WriteOff))), (Ucredit(444_445), -444_445));
}

#[test]
fn repair_is_paid_by_the_reserve_and_what_it_lacks_stays_due() {
    let mut town = Town::new(6, false);
    let tariff = town.tariff.clone();
    let round = |period| Round { resource: Resource::Repair, period, tariff: &tariff, seats: Town::seats() };
    let fill = |n, amount| {
        let act = Act::Move { debit: member(1), credit: seat(Class::Repair), amount: Ucredit(amount) };
        by_system([Ask { id: id(n), act, code: Code::Repair, reference: None }])
    };
    town.book.must(&fill(1, 150_000));
    let gb = due(Variant::Plain, 1_000_000_000);
    let run = |town: &mut Town, period, uses: Vec<Due>, served: Vec<Due>| {
        let payer = Payer { account: town.account(seat(Class::Repair)), ..town.payer(1, &uses, &[]) };
        let step = charge(&round(period), &payer).unwrap();
        town.commit(step.group.as_ref());
        let earner = town.earner(2, Resource::Repair, &served);
        let facts = Taken {
            taken: step.taken,
            wanted: earned(&round(period), &earner).unwrap().0,
            clearing: town.account(seat(Class::Clearing)),
            reserve: town.account(seat(Class::Repair)),
            floor: Ucredit::ZERO,
            carries: town.carries.clone(),
        };
        let shared = share(&round(period), &facts).unwrap();
        town.commit(shared.group.as_ref());
        let step = pay(&round(period), &earner, shared.factor).unwrap();
        town.commit(step.group.as_ref());
        town.arrears.insert((member(2), Resource::Repair), step.arrears);
        (step.paid.0, step.arrears.0)
    };
    assert_eq!(run(&mut town, 1, vec![gb], vec![gb]), (150_000, 50_000));
    town.book.must(&fill(2, 500_000));
    // The reserve owes it still: a caller gives it again.
    let quarter = due(Variant::Plain, 250_000_000);
    assert_eq!(run(&mut town, 2, vec![quarter], vec![]), (50_000, 0), "(S)");
    assert_eq!(town.balance(Class::Clearing), 0);
}

#[test]
fn a_part_that_is_not_there_yet_comes_later() {
    let town = Town::new(9, false);
    let round = Round { resource: Resource::Egress, period: 1, tariff: &town.tariff, seats: Town::seats() };
    let slot = |part| settle::Slot {
        account: seat(Class::Clearing),
        resource: Resource::Egress,
        variant: Variant::Plain,
        version: 1,
        part,
    };
    // Both parts have all but nothing of a µcredit carried, and one came in.
    let parts = [settle::Part::Operator, settle::Part::Insurance];
    let mut carries: Carries = parts.iter().map(|part| (slot(*part), 444_444)).collect();
    let mut shared = |taken: u64| {
        let facts = Taken {
            taken: [((1, Variant::Plain), Ucredit(taken))].into(),
            wanted: Ucredit::ZERO,
            clearing: Account { credits: Ucredit(taken), ..town.account(seat(Class::Clearing)) },
            reserve: town.account(seat(Class::Repair)),
            floor: Ucredit::ZERO,
            carries: carries.clone(),
        };
        let step = share(&round, &facts).unwrap();
        carries.extend(step.carries);
        (step.insurance.0, step.operator.0)
    };
    assert_eq!((shared(1), shared(2)), ((1, 0), (0, 1)), "(H)");
}

#[test]
fn a_price_that_is_not_there_is_told() {
    let town = Town::new(7, false);
    let round = Round { resource: Resource::Relay, period: 1, tariff: &town.tariff, seats: Town::seats() };
    let payer = town.payer(1, &[Due { version: 7, ..due(Variant::Plain, 1) }], &[]);
    assert_eq!(charge(&round, &payer), Err(No::NoPrice { version: 7, resource: Resource::Relay }));
    let free = Round { resource: Resource::Ingress, ..round };
    let payer = town.payer(1, &[due(Variant::Plain, u64::MAX)], &[]);
    assert_eq!(charge(&free, &payer).unwrap().group, None);
}

#[test]
fn ten_reports_of_a_window_pay_once() {
    let mut once = Town::new(8, false);
    let mut often = Town::new(8, false);
    let totals = |reports: u64| {
        // The store's flag for (node, window), and its due rows, in one commit.
        let (mut flag, mut rows) = (None, 0u64);
        let tariff = Tariff::begin(book_v1()).unwrap();
        for n in 0..reports {
            let units = if n == 5 { 999_999_999 } else { 500_000_000 };
            let serial = [1; 16];
            let node = model::NodeId([1; 32]);
            let window = u32::try_from(NOW.hour() / 6).unwrap();
            let permit = receipt::PermitFacts {
                serial: {
                    let mut s = serial;
                    s[..8].copy_from_slice(&NOW.as_ms().to_le_bytes());
                    s
                },
                op: 1,
                is_free: false,
                payer: member(1),
                node: None,
                max_units: u64::MAX,
                max_units_node: u64::MAX,
                not_after: NOW + Span::days(1),
                is_key_known: true,
            };
            let facts = receipt::ReceiptFacts { kind: 1, serial: permit.serial, node, units, window };
            let signed = receipt::Signed { permit, receipt: facts, hash: [0; 32] };
            let total = receipt::Total { payer: member(1), resource: Resource::Egress, units };
            let hash = *blake3::hash(&units.to_le_bytes()).as_bytes();
            let shown = Shown::Whole(vec![signed]);
            let batch = Batch { node, owner: member(2), window, hash, totals: vec![total], shown };
            match receipt::judge(&batch, flag.as_ref(), &tariff, NOW + Span::hours(7)) {
                Ok(Judged::Due(due)) => {
                    flag = Some(Flag { batch: 1, hash });
                    rows += due.values().sum::<u64>();
                }
                Ok(Judged::AlreadySettled { .. }) => assert!(n > 0 && n != 5),
                Err(bad) => assert_eq!((n, bad), (5, receipt::BadBatch::WindowReused(window))),
            }
        }
        rows
    };
    for (town, reports) in [(&mut once, 1), (&mut often, 10)] {
        let gb = [due(Variant::Plain, totals(reports))];
        town.settle(Resource::Egress, u64::from(day_of(NOW)), &one(1, &gb), &one(2, &gb), &BTreeMap::new());
    }
    assert_eq!(once.book, often.book, "not one µC more");
    assert_eq!(once.book.balance(member(2)), 200_000);
}

/// What an account is due in all, exactly, in parts of `per`.
fn exactly(dues: &[Due], price: impl Fn(&Due) -> (u64, u64)) -> u64 {
    let exact: u128 = dues.iter().map(|due| u128::from(due.units) * u128::from(price(due).0)).sum();
    u64::try_from(exact / u128::from(dues.first().map_or(1, |due| price(due).1))).unwrap()
}

/// Its providers are paid all the same, and wait for nobody.
#[test]
fn what_a_closed_account_used_the_insurance_bears() {
    let mut town = Town::new(1, false);
    let uses = [due(Variant::Plain, 1_000_000_000)];
    let payer = town.payer(1, &uses, &[]);
    let account = Account { state: MemberState::Closed, ..payer.account };
    let step = charge(
        &Round { resource: Resource::Egress, period: 1, tariff: &town.tariff.clone(), seats: Town::seats() },
        &Payer { account, ..payer },
    );
    let step = step.unwrap();
    let (taken, bearers) =
        (step.taken.values().map(|amount| amount.0).sum::<u64>(), [seat(Class::Insurance), seat(Class::WriteOff)]);
    let group = step.group.unwrap();
    let [Ask { act: Act::Move { debit, amount, .. }, code: Code::BadDebt, .. }] = &group.asks[..] else {
        panic!("{group:?}")
    };
    assert!(bearers.contains(debit) && amount.0 == taken && step.overspent == *amount);
    town.commit(Some(&group));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Traffic of many small pairs over many periods: everybody pays and gets the exact sum, less than a µC apart.
    #[test]
    fn traffic_is_settled_to_the_microcredit(seed in any::<u64>()) {
        let mut town = Town::new(seed, true);
        let book = town.tariff.version(1).unwrap().clone();
        let price = book.price(Resource::Egress, Variant::Plain).unwrap();
        let (mut used, mut served): (BTreeMap<u64, Vec<Due>>, BTreeMap<u64, Vec<Due>>) = Default::default();
        for period in 0..6 {
            let (mut now_used, mut now_served): (BTreeMap<u64, u64>, BTreeMap<u64, u64>) = Default::default();
            for _ in 0..20 {
                let (payer, node) = (town.below(PEOPLE), town.below(PEOPLE));
                let width = 4 + town.below(32);
                let units = town.below(1 << width);
                *now_used.entry(payer).or_default() += units;
                *now_served.entry(node).or_default() += units;
            }
            let dues = |sums: BTreeMap<u64, u64>| -> BTreeMap<u64, Vec<Due>> {
                sums.into_iter().map(|(n, units)| (n, vec![due(Variant::Plain, units)])).collect()
            };
            let (now_used, now_served) = (dues(now_used), dues(now_served));
            let some = town.below(1 << 20) + 1;
            let mut allow = |n: &u64| (*n, (0..3).map(|_| town.allow(*n, some)).collect::<Vec<_>>());
            let holds = now_used.keys().map(&mut allow).collect::<BTreeMap<_, _>>();
            let taken_before = town.balance(Class::Clearing);
            let done = town.settle(Resource::Egress, period, &now_used, &now_served, &holds);
            let taken: u64 = done.charged.values().map(|one| one.0).sum();
            let paid: u64 = done.paid.values().map(|one| one.0).sum();
            let shares = done.shared.operator.0 + done.shared.insurance.0;
            prop_assert_eq!(taken_before + taken, paid + shares + town.balance(Class::Clearing), "(G), (H)");
            prop_assert_eq!(done.overspent, Ucredit::ZERO);
            now_used.into_iter().for_each(|(n, dues)| used.entry(n).or_default().extend(dues));
            now_served.into_iter().for_each(|(n, dues)| served.entry(n).or_default().extend(dues));
        }
        for n in 0..PEOPLE {
            let pays = exactly(used.get(&n).map_or(&[], Vec::as_slice), |_| (price.consumer.0, price.per));
            let gets = exactly(served.get(&n).map_or(&[], Vec::as_slice), |_| (price.provider.0, price.per));
            let owed = town.arrears.get(&(member(n), Resource::Egress)).copied().unwrap_or_default().0;
            let expected = i128::from(gets) - i128::from(owed) - i128::from(pays);
            prop_assert_eq!(i128::from(town.book.balance(member(n))), expected, "(H) member {}", n);
            prop_assert!(owed <= 2 * PEOPLE, "only rounding is ever late: {}", owed);
        }
        // The commission gets its share to the µC.
        let taken: u64 = (0..PEOPLE).map(|n| exactly(used.get(&n).map_or(&[], Vec::as_slice), |_| (price.consumer.0, price.per))).sum();
        let operator = u128::from(taken) * u128::from(price.operator.0) / u128::from(price.consumer.0);
        prop_assert!(u128::from(town.balance(Class::Operator)).abs_diff(operator) <= 1, "(H)");
        prop_assert!(town.repeats > 20 && town.commits > 50);
    }

    /// Storage with any amount held: nobody is paid what is not there.
    #[test]
    fn pooled_storage_never_pays_more_than_there_is(seed in any::<u64>(), floor in 0u64..3_000_000) {
        let mut town = Town::new(seed, true);
        town.floor = Ucredit(floor);
        for period in 0..5 {
            let all = [STANDARD, Variant::Class(Scheme::Eco), Variant::Circle];
            let some = |town: &mut Town, share: u64| -> BTreeMap<u64, Vec<Due>> {
                (0..5).map(|n| {
                    let dues = all.map(|variant| {
                        let quality_bps = 5_000 + town.below(5_001);
                        Due { quality_bps, ..due(variant, town.below(720_000 * share)) }
                    });
                    (n, dues.to_vec())
                }).collect()
            };
            let used = some(&mut town, 3);
            let served = some(&mut town, 12);
            let (reserve, clearing) = (town.balance(Class::Repair), town.balance(Class::Clearing));
            let done = town.settle(Resource::Storage, period, &used, &served, &BTreeMap::new());
            let taken: u64 = done.charged.values().map(|one| one.0).sum();
            let paid: u64 = done.paid.values().map(|one| one.0).sum();
            let shared = &done.shared;
            prop_assert!(paid <= taken + shared.given.0 + clearing, "(G)");
            prop_assert!(shared.given == Ucredit::ZERO || town.balance(Class::Repair) >= floor.min(reserve), "(G) its floor");
            prop_assert!(shared.given == Ucredit::ZERO || shared.left == Ucredit::ZERO);
            let out = shared.operator.0 + shared.insurance.0 + shared.repair.0 + shared.left.0 + paid;
            prop_assert_eq!(clearing + taken + shared.given.0, out + town.balance(Class::Clearing), "(H)");
            prop_assert!(town.balance(Class::Clearing) < 5, "what no holder's part rounds up to");
            prop_assert!(is_pooled(Resource::Storage));
        }
    }

    #[test]
    fn a_factor_never_gives_more_than_there_is(there in 0u64..1 << 50, parts in proptest::collection::vec(0u64..1 << 40, 1..30)) {
        let wanted: u64 = parts.iter().sum();
        let factor = Factor { there: Ucredit(there.min(wanted)), wanted: Ucredit(wanted) };
        let given: u64 = parts.iter().map(|part| factor.of(Ucredit(*part)).0).sum();
        prop_assert!(given <= there && (wanted > there || given == wanted), "(G)");
    }
}

#[test]
fn buffers_and_dues_are_a_quarter() {
    assert_eq!((settle::BUFFER_BPS, settle::DUES_BPS), (2_500, 2_500));
}
