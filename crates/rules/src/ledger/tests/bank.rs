//! A bank of random operations, held after each against every invariant and against a naive book of signed sums.

use super::super::apply::apply;
use super::super::check;
use super::super::replay::Replay;
use super::super::{Facts, Head, Hold, Row};
use super::*;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};

const MEMBERS: u64 = 50;

/// A naive book: balances as one signed number each, holds as what is left.
#[derive(Default)]
struct Naive {
    balances: BTreeMap<AccountNo, i128>,
    left: BTreeMap<TransferId, (AccountNo, i128)>,
    ids: BTreeSet<TransferId>,
}

impl Naive {
    fn take(&mut self, rows: &[Row]) {
        for row in rows {
            assert!(self.ids.insert(row.id), "(C) {} is applied twice", row.id);
            let amount = i128::from(row.amount.0);
            match row.kind.number() {
                2 => drop(self.left.insert(row.id, (row.debit, amount))),
                3 => {
                    self.left.get_mut(&row.hold.unwrap()).unwrap().1 -= amount;
                    self.shift(row, amount);
                }
                4 | 5 => self.left.get_mut(&row.hold.unwrap()).unwrap().1 -= amount,
                _ => self.shift(row, amount),
            }
        }
    }
    fn shift(&mut self, row: &Row, amount: i128) {
        *self.balances.entry(row.debit).or_default() -= amount;
        *self.balances.entry(row.credit).or_default() += amount;
    }
    fn agrees(&self, account: &Account) {
        let balance = self.balances.get(&account.no).copied().unwrap_or(0);
        assert_eq!(i128::from(account.balance().0), balance, "(A) {}", account.no);
    }
    fn agrees_whole(&self, book: &Book) {
        assert_eq!(self.balances.values().sum::<i128>(), 0, "(A)");
        book.accounts().for_each(|account| self.agrees(account));
        let mut held: BTreeMap<AccountNo, i128> = BTreeMap::new();
        for (id, (debit, left)) in &self.left {
            assert!(*left >= 0, "(E)");
            assert_eq!(i128::from(book.hold(*id).unwrap().remaining().0), *left, "(E) {id}");
            *held.entry(*debit).or_default() += left;
        }
        for account in book.accounts().filter(|account| account.no.is_of_people()) {
            let held = held.get(&account.no).copied().unwrap_or(0);
            assert_eq!(i128::from(account.held_debit.0), held, "(E) {}", account.no);
        }
    }
}

struct Bank {
    book: Book,
    naive: Naive,
    rng: ChaCha8Rng,
    now: Stamp,
    next: u64,
    sent: Vec<Group>,
    live: Vec<TransferId>,
    applied: u64,
    refused: BTreeMap<&'static str, u64>,
}

impl Bank {
    fn new(seed: u64) -> Self {
        Self {
            book: book(MEMBERS),
            naive: Naive::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            now: NOW,
            next: 0,
            sent: Vec::new(),
            live: Vec::new(),
            applied: 0,
            refused: BTreeMap::new(),
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        crate::compute::quorum::below(end, &mut self.rng)
    }

    fn id(&mut self) -> TransferId {
        self.next += 1;
        id_at(self.now, self.next)
    }

    fn some_hold(&mut self) -> TransferId {
        match self.live.len() as u64 {
            0 => id(0),
            len => {
                // Mostly one that may still be open.
                let back = self.below(len.min(40));
                self.live[(len - 1 - back) as usize]
            }
        }
    }

    fn amount(&mut self) -> Ucredit {
        let width = self.below(26);
        Ucredit(self.below(1 << width))
    }

    fn ask(&mut self, from: u64) -> Ask {
        let (id, amount, to) = (self.id(), self.amount(), self.below(MEMBERS));
        let (act, code) = match self.below(10) {
            0..3 => (Act::Move { debit: member(from), credit: member(to), amount }, Code::Gift),
            3..6 => {
                let expires = self.now + Span::mins(1 + self.below(600));
                self.live.push(id);
                (Act::Hold { debit: member(from), escrow: ESCROW, amount, expires }, Code::Bounty)
            }
            6..8 => (Act::Post { hold: self.some_hold(), credit: member(to), amount }, Code::Work),
            8 => {
                let amount = (self.below(2) == 0).then_some(amount);
                (Act::Void { hold: self.some_hold(), amount }, Code::Refund)
            }
            _ => (Act::Expire { hold: self.some_hold() }, Code::Refund),
        };
        Ask { id, act, code, reference: None }
    }

    fn group(&mut self) -> Group {
        let (from, len) = (self.below(MEMBERS), [1, 1, 1, 2, 3, 9][self.below(6) as usize]);
        let asks = (0..len).map(|_| self.ask(from)).collect::<Vec<_>>();
        let own = asks.iter().all(|ask| matches!(ask.act, Act::Move { .. } | Act::Hold { .. }));
        if own && self.below(4) > 0 { by_member(from, asks) } else { by_system(asks) }
    }

    fn step(&mut self) {
        match self.below(100) {
            // Messages come again, changed or not.
            0..10 if !self.sent.is_empty() => {
                let at = self.below(self.sent.len() as u64) as usize;
                let mut group = self.sent[at].clone();
                if self.below(3) == 0 {
                    group.asks[0].reference = Some([1; 16]);
                }
                self.send(group);
            }
            10..13 => {
                let (no, limit) = (member(self.below(MEMBERS)), Ucredit(self.below(60_000_000)));
                self.book.set(no, |account| account.limit = limit);
            }
            13 => {
                let (no, frozen) = (member(self.below(MEMBERS)), self.below(3) == 0);
                self.book.set(no, |account| account.is_frozen = frozen);
            }
            14 => {
                let (hold, on) = (self.some_hold(), self.below(3) == 0);
                self.book.contest(hold, on);
            }
            // The clock goes on, and sometimes back.
            15..25 => self.now = self.now + Span::secs(self.below(900)),
            25 => self.now = self.now - Span::secs(self.below(900)),
            26 => {
                for group in self.book.due(self.now) {
                    self.send(group);
                }
                let book = &self.book;
                self.live.retain(|id| book.hold(*id).is_some_and(|hold| hold.remaining() > Ucredit::ZERO));
            }
            _ => {
                let group = self.group();
                self.send(group);
            }
        }
    }

    /// Sends a group and looks at what is changed by it.
    fn send(&mut self, group: Group) {
        let known = group.asks.iter().all(|ask| self.naive.ids.contains(&ask.id));
        match self.book.apply(&group, self.now) {
            Ok(Outcome::Applied(applied)) => {
                assert_eq!(applied.rows.len(), group.asks.len(), "all of it");
                self.naive.take(&applied.rows);
                applied.accounts.values().for_each(|account| self.naive.agrees(account));
                for row in &applied.rows {
                    let own = matches!(row.kind.number(), 1 | 2);
                    let debit = applied.accounts[&row.debit];
                    let limits_hold = !own || debit.available().0 >= 0;
                    assert!(limits_hold || group.asks.len() > 1, "(B) {}", row.debit);
                }
                self.applied += 1;
            }
            Ok(Outcome::Exists { seq }) => {
                assert!(known, "(C)");
                assert_eq!(self.book.rows()[seq as usize - 1].id, group.asks[0].id);
            }
            Err(refused) => {
                *self.refused.entry(refused.no.refusal().id.row().code).or_default() += 1;
            }
        }
        if self.sent.len() < 200 {
            self.sent.push(group);
        } else {
            let at = self.below(200) as usize;
            self.sent[at] = group;
        }
    }

    fn check(&self) {
        let sums = self.book.check().unwrap();
        assert_eq!(sums.debits, sums.credits, "(A)");
        self.naive.agrees_whole(&self.book);
    }

    fn replayed(&self) {
        let mut replay = Replay::default();
        self.book.rows().iter().for_each(|row| replay.row(row).unwrap());
        replay.check().unwrap();
        assert_eq!(replay.state_hash(), self.book.state_hash(), "(J)");
    }

    /// All kinds of things have happened, not one refusal over and over.
    fn saw_much(&self) {
        assert!(self.applied * 4 > self.book.rows().len() as u64, "{}", self.applied);
        for code in ["credits_short", "hold_over", "transfer_conflict", "bad_value", "member_frozen"] {
            assert!(self.refused.get(code).is_some_and(|count| *count > 5), "{code}: {:?}", self.refused);
        }
    }
}

#[test]
fn ten_thousand_random_operations_with_every_invariant_after_each() {
    let mut bank = Bank::new(1);
    for _ in 0..10_000 {
        bank.step();
        bank.check();
    }
    bank.replayed();
    bank.saw_much();
}

#[test]
#[ignore = "long: a million operations"]
fn a_million_random_operations() {
    let mut bank = Bank::new(2);
    for n in 0..1_000_000 {
        bank.step();
        if n % 10_000 == 0 {
            bank.check();
        }
    }
    bank.check();
    bank.replayed();
    bank.saw_much();
    println!("{} rows, {} groups, refused {:?}", bank.book.rows().len(), bank.applied, bank.refused);
}

/// A store of which only what a group needs was loaded.
struct Loaded {
    head: Head,
    accounts: BTreeMap<AccountNo, Account>,
    holds: BTreeMap<TransferId, Hold>,
    rows: BTreeMap<TransferId, Row>,
}

impl Facts for Loaded {
    fn head(&self) -> Head {
        self.head
    }
    fn account(&self, no: AccountNo) -> Option<Account> {
        self.accounts.get(&no).copied()
    }
    fn hold(&self, id: TransferId) -> Option<Hold> {
        self.holds.get(&id).copied()
    }
    fn row(&self, id: TransferId) -> Option<Row> {
        self.rows.get(&id).copied()
    }
}

fn load(book: &Book, group: &Group) -> Loaded {
    let needs = group.needs();
    let holds: BTreeMap<_, _> = needs.holds.iter().filter_map(|id| Some((*id, book.hold(*id)?))).collect();
    let sides = holds.values().flat_map(|hold| [hold.debit, hold.escrow]);
    let accounts = needs.accounts.iter().copied().chain(sides);
    Loaded {
        head: book.head(),
        accounts: accounts.filter_map(|no| Some((no, book.account(no)?))).collect(),
        rows: needs.ids.iter().filter_map(|id| Some((*id, book.row(*id)?))).collect(),
        holds,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_group_needs_is_enough_to_decide_it(seed in any::<u64>()) {
        let mut bank = Bank::new(seed);
        for _ in 0..150 {
            let group = bank.group();
            let whole = apply(&bank.book, &group, bank.now);
            prop_assert_eq!(&apply(&load(&bank.book, &group), &group, bank.now), &whole);
            if let Ok(Outcome::Applied(applied)) = &whole {
                prop_assert_eq!(check::group(&bank.book, applied), Ok(()));
            }
            bank.send(group);
            bank.now = bank.now + Span::mins(1);
        }
        bank.check();
    }

    #[test]
    fn messages_three_times_in_any_order_change_nothing_more(seed in any::<u64>()) {
        let mut bank = Bank::new(seed);
        (0..120).for_each(|_| bank.step());
        let (rows, hash) = (bank.book.rows().len(), bank.book.state_hash());
        let sent: Vec<Group> = bank.sent.clone();
        let known = |group: &Group| group.asks.iter().all(|ask| bank.naive.ids.contains(&ask.id));
        let applied: Vec<&Group> = sent.iter().filter(|group| known(group)).collect();
        let mut book = bank.book.clone();
        for at in 0..applied.len() * 3 {
            let group = applied[(at * 7 + seed as usize % 97) % applied.len()];
            let outcome = book.apply(group, bank.now);
            prop_assert!(!matches!(outcome, Ok(Outcome::Applied(_))), "(C)");
        }
        prop_assert_eq!((book.rows().len(), book.state_hash()), (rows, hash));
    }

    #[test]
    fn a_refused_group_leaves_everything_as_it_was(seed in any::<u64>()) {
        let mut bank = Bank::new(seed);
        for _ in 0..100 {
            let group = bank.group();
            let mut book = bank.book.clone();
            if book.apply(&group, bank.now).is_err() {
                prop_assert_eq!(&book, &bank.book, "(K)");
            }
            bank.send(group);
        }
    }

    #[test]
    fn no_single_move_or_hold_ever_goes_beyond_a_limit(
        limit in 0u64..100, owed in 0u64..100, held in 0u64..100, amount in 1u64..150, is_hold in any::<bool>()
    ) {
        let mut book = book(3);
        book.must(&by_system([gift(1, 0, 1, owed.max(1)), hold(2, 0, held.max(1))]));
        book.set(member(0), |account| account.limit = Ucredit(limit));
        let spent = owed.max(1) + held.max(1) + amount;
        let ask = if is_hold { hold(3, 0, amount) } else { gift(3, 0, 2, amount) };
        let done = book.apply(&by_member(0, [ask]), NOW).is_ok();
        prop_assert_eq!(done, spent <= limit, "(B)");
    }
}
