//! How members stand: each day is worked out once, from the rows of the book, whoever does it and however often it ends in between.
//! The letters are those of `center::ledger::standing`.

use crate::on_both;
use crate::place::Place;
use crate::rows::{self, member_id};
use crate::settle::town::balances;
use crate::storage::write;
use center::access::store as access;
use center::db::Db;
use center::fleet::store as fleet;
use center::ledger::days::Days;
use center::ledger::standing::{Terms, step, sum_up, work_out};
use center::ledger::store::standing::{self as kept, Standing};
use center::ledger::{Ledger, Posting, seat};
use center::storage::store::{audit, bucket};
use model::{
    AccountClass, AccountNo, BucketId, Class, Code, MemberState, Resource, Span, Stamp, TimeScale, TransferId, Ucredit,
};
use rules::ledger::limit::{Why, mean_over};
use rules::ledger::{Act, Ask, Group, Starter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wire::storage::BucketMake;

on_both!(
    what_was_served_in_a_day_raises_the_limit_and_what_is_owed_stops,
    a_day_counts_once_over_restarts_and_beside_another_center,
    days_nobody_looked_at_are_counted_together,
    who_is_heard_of_while_a_day_is_worked_out_meets_nobody,
    audits_count_while_nodes_are_trusted,
    a_debt_nobody_pays_is_borne_and_paid_back_later,
    data_is_let_go_of_after_grace_and_three_notices_and_among_friends_never,
);

pub const NOW: Stamp = Stamp(1_800_000_000_000);
const LIMIT: Ucredit = Ucredit::whole(5);

/// A ledger whose clock is moved by hand.
pub struct Desk {
    pub ledger: Ledger,
    pub clock: Arc<AtomicU64>,
    made: AtomicU64,
}

impl Desk {
    pub async fn start(place: &Place) -> Self {
        Self::of(place.db.clone(), Arc::new(AtomicU64::new(NOW.0))).await
    }

    pub async fn of(db: Db, clock: Arc<AtomicU64>) -> Self {
        let read = Arc::clone(&clock);
        let ledger = Ledger::start(db, move || Stamp(read.load(Ordering::Relaxed))).await.unwrap();
        // Also after a restart no id is made twice.
        let made = AtomicU64::new(ledger.head().await.unwrap().seq << 8);
        Self { ledger, clock, made }
    }

    pub fn days() -> Days {
        Days::new(TimeScale(1))
    }

    pub fn today(&self) -> u32 {
        Self::days().of(Stamp(self.clock.load(Ordering::Relaxed)))
    }

    /// So many days later, at noon.
    pub fn later(&self, days: u32) {
        let noon = Self::days().begin(self.today() + days) + Span::hours(12);
        self.clock.store(noon.0, Ordering::Relaxed);
    }

    pub async fn member(&self, n: u64) -> AccountNo {
        self.ledger.member(&member_id(n), LIMIT).await.unwrap()
    }

    pub async fn give(&self, starter: Starter, code: Code, (debit, credit, amount): (AccountNo, AccountNo, u64)) {
        let n = self.made.fetch_add(1, Ordering::Relaxed);
        let act = Act::Move { debit, credit, amount: Ucredit(amount) };
        let id = TransferId::hashed(blake3::hash(&n.to_le_bytes()).as_bytes());
        let group = Group { starter, asks: vec![Ask { id, act, code, reference: None }] };
        self.ledger.post(Posting::from(group)).await.unwrap();
    }

    /// One member pays another for stored bytes, in so many settle periods.
    pub async fn serve(&self, from: AccountNo, to: AccountNo, (periods, amount): (u64, u64)) {
        let clearing = seat::clearing(Resource::Storage);
        for _ in 0..periods {
            self.give(Starter::Owed, Code::Storage, (from, clearing, amount)).await;
            self.give(Starter::System, Code::Storage, (clearing, to, amount)).await;
        }
    }

    pub async fn kept(&self, no: AccountNo) -> Standing {
        self.ledger.db().read(move |q| Ok(kept::get(q, no)?)).await.unwrap().unwrap()
    }

    pub async fn account(&self, no: AccountNo) -> rules::ledger::Account {
        self.ledger.account(no).await.unwrap().unwrap().account
    }

    /// The day before today is worked out.
    pub async fn day(&self, terms: Terms) {
        let day = self.today() - 1;
        sum_up(&self.ledger, day, terms).await.unwrap();
        while step(&self.ledger, day, terms).await.unwrap().is_some() {}
    }

    async fn why(&self, no: AccountNo) -> Option<Why> {
        let change = self.ledger.limit_changes(no, 1).await.unwrap().pop();
        change.map(|change| change.reason.parse().unwrap())
    }
}

pub fn terms(is_private: bool) -> Terms {
    Terms { days: Desk::days(), period: Span::hours(6), is_private }
}

async fn what_was_served_in_a_day_raises_the_limit_and_what_is_owed_stops(place: &mut Place) {
    let desk = Desk::start(place).await;
    let (one, two) = (desk.member(1).await, desk.member(2).await);
    desk.serve(one, two, (4, 1_500_000)).await;
    desk.later(1);
    // What is served today is of tomorrow's working out.
    desk.serve(one, two, (1, 77)).await;
    desk.day(terms(false)).await;
    let kept = desk.kept(two).await;
    assert_eq!((kept.mean, kept.served), (mean_over(Ucredit::ZERO, Ucredit(6_000_000), 1), Span::hours(24)));
    let account = desk.account(two).await;
    assert_eq!((account.limit, account.state), (Ucredit::whole(15), MemberState::Active));
    assert_eq!(desk.why(two).await, Some(Why::Served));
    let account = desk.account(one).await;
    assert_eq!((account.limit, account.state), (LIMIT, MemberState::AtLimit), "six credits are owed, five may be");
    assert_eq!((desk.kept(one).await.daily_use, desk.why(one).await), (kept.mean, None));
    // Twice, it changes nothing.
    let head = desk.ledger.head().await.unwrap();
    assert_eq!(work_out(&desk.ledger, desk.today() - 1, terms(false)).await.unwrap(), 0);
    assert_eq!((desk.kept(two).await, desk.ledger.head().await.unwrap()), (kept, head));
    // Three months of it, and sixty days of the mean are more than where one begins.
    for _ in 0..90 {
        desk.later(1);
        desk.serve(one, two, (4, 1_500_000)).await;
        desk.later(1);
        desk.day(terms(false)).await;
    }
    let (kept, account) = (desk.kept(two).await, desk.account(two).await);
    let Some(Why::Earned { mean, audits_bps: 10_000 }) = desk.why(two).await else { panic!("{kept:?}") };
    assert_eq!(account.limit, Ucredit(mean.0 * 60));
    assert!(mean.0.abs_diff(kept.mean.0) * 100 <= mean.0 && mean.0 > 2_000_000, "of a part below 1 % nothing is told");
    // A private cloud gives everybody as much.
    desk.later(1);
    desk.day(terms(true)).await;
    assert_eq!((desk.account(two).await.limit, desk.why(two).await), (Ucredit::whole(60), Some(Why::Private)));
    assert!(desk.ledger.check().await.unwrap().is_replayed);
}

/// (A), (B)
async fn a_day_counts_once_over_restarts_and_beside_another_center(place: &mut Place) {
    let mut desk = Desk::start(place).await;
    let payer = desk.member(1).await;
    let mut all = Vec::new();
    for n in 2..=600 {
        all.push(desk.member(n).await);
    }
    for no in &all {
        desk.serve(payer, *no, (1, no.sequence() * 1_000)).await;
    }
    desk.later(1);
    let day = desk.today() - 1;
    let mut steps = 0;
    // Each page alone, behind a restart.
    loop {
        let clock = Arc::clone(&desk.clock);
        drop(desk);
        place.reopen().await;
        desk = Desk::of(place.db.clone(), clock).await;
        sum_up(&desk.ledger, day, terms(false)).await.unwrap();
        if step(&desk.ledger, day, terms(false)).await.unwrap().is_none() {
            break;
        }
        steps += 1;
    }
    assert_eq!(steps, 3, "600 accounts");
    let expected = |no: &AccountNo| mean_over(Ucredit::ZERO, Ucredit(no.sequence() * 1_000), 1);
    for no in &all {
        assert_eq!(desk.kept(*no).await.mean, expected(no), "{no}");
    }
    // The next day by two centers at once.
    for no in &all {
        desk.serve(payer, *no, (1, 2_000_000)).await;
    }
    desk.later(1);
    let other = Desk::of(Db::open(&place.url).unwrap(), Arc::clone(&desk.clock)).await;
    let (one, two) =
        tokio::join!(work_out(&desk.ledger, day + 1, terms(false)), work_out(&other.ledger, day + 1, terms(false)));
    assert_eq!(one.unwrap() + two.unwrap(), 600);
    for no in &all {
        assert_eq!(desk.kept(*no).await.mean, mean_over(expected(no), Ucredit(2_000_000), 1), "{no}");
    }
    assert!(desk.ledger.check().await.unwrap().is_replayed);
}

async fn who_is_heard_of_while_a_day_is_worked_out_meets_nobody(place: &mut Place) {
    let desk = Desk::start(place).await;
    for n in 1..=80 {
        desk.member(n).await;
    }
    desk.later(1);
    desk.day(terms(false)).await;
    let other = Desk::of(Db::open(&place.url).unwrap(), Arc::clone(&desk.clock)).await;
    let before = [&desk, &other].map(|one| one.ledger.db().stats().retries);
    for _ in 0..5 {
        desk.later(1);
        for one in [&desk, &other] {
            (1..=80).for_each(|n| one.ledger.called(&member_id(n)));
        }
        let (one, two, ()) =
            tokio::join!(desk.ledger.write_called(), other.ledger.write_called(), desk.day(terms(false)));
        one.and(two).unwrap();
    }
    let after = [&desk, &other].map(|one| one.ledger.db().stats().retries);
    assert_eq!(after, before, "nobody had to begin again");
}

/// (B)
async fn days_nobody_looked_at_are_counted_together(place: &mut Place) {
    let desk = Desk::start(place).await;
    let (one, two) = (desk.member(1).await, desk.member(2).await);
    desk.later(1);
    desk.day(terms(false)).await;
    for _ in 0..5 {
        desk.serve(one, two, (2, 500_000)).await;
        desk.later(1);
    }
    desk.day(terms(false)).await;
    let kept = desk.kept(two).await;
    assert_eq!(kept.mean, mean_over(Ucredit::ZERO, Ucredit(5_000_000), 5));
    assert_eq!(kept.served, Span::hours(5 * 12));
}

async fn audits_count_while_nodes_are_trusted(place: &mut Place) {
    let desk = Desk::start(place).await;
    let (one, two) = (desk.member(1).await, desk.member(2).await);
    let alias = write(place, move |tx| {
        (1..=2).try_for_each(|n| access::insert_member(tx, &rows::member(n)))?;
        let alias = fleet::insert_node(tx, &rows::node(1, 2))?;
        let counts = audit::AuditCounts { proved: 4, passed: 1, at: NOW, ..audit::AuditCounts::default() };
        audit::keep(tx, alias, &counts, (98 << 16, 2 << 16))?;
        Ok(alias)
    })
    .await;
    for _ in 0..7 {
        desk.serve(one, two, (4, 50_000)).await;
        desk.later(1);
        desk.day(terms(false)).await;
    }
    let kept = desk.kept(two).await;
    assert_eq!((kept.proven, kept.audits_bps), (Span::days(7), 9_800));
    assert_eq!((desk.account(two).await.limit, desk.why(two).await), (Ucredit::whole(30), Some(Why::Proven)));
    write(place, move |tx| fleet::set_standing(tx, alias, fleet::Standing::Distrusted, Some("wrong"), None)).await;
    desk.serve(one, two, (4, 50_000)).await;
    desk.later(1);
    desk.day(terms(false)).await;
    assert_eq!((desk.kept(two).await.proven, desk.why(two).await), (Span::ZERO, Some(Why::Served)));
}

/// (C)
async fn a_debt_nobody_pays_is_borne_and_paid_back_later(place: &mut Place) {
    let desk = Desk::start(place).await;
    let (gone, there) = (desk.member(1).await, desk.member(2).await);
    let [insurance, beyond] = [AccountClass::Insurance, AccountClass::WriteOff].map(seat::only);
    desk.serve(gone, there, (1, 3_000_000)).await;
    desk.give(Starter::System, Code::ToInsurance, (there, insurance, 1_000_000)).await;
    for days in [1, 300] {
        desk.later(days);
        desk.ledger.called(&member_id(2));
        desk.ledger.write_called().await.unwrap();
        desk.day(terms(false)).await;
    }
    assert_ne!(desk.account(gone).await.state, MemberState::WrittenOff, "within its limit, and not silent for a year");
    // Somebody moves a hundred credits: the insurance may owe two of them.
    let rich = desk.member(3).await;
    desk.serve(there, rich, (1, 97_000_000)).await;
    desk.later(66);
    for _ in 0..2 {
        desk.day(terms(false)).await;
    }
    let account = desk.account(gone).await;
    assert_eq!((account.state, account.balance().0, account.limit), (MemberState::WrittenOff, 0, Ucredit::ZERO));
    assert_eq!(desk.kept(gone).await.written_off, Ucredit::whole(3));
    let found = balances(&desk.ledger).await;
    assert_eq!(
        (found[&insurance], found[&beyond]),
        (-1_940_000, -60_000),
        "what it had, 2 % of 97 credits, and the rest"
    );
    // A gift is the cloud's until all of it is paid back.
    desk.give(Starter::System, Code::Gift, (rich, gone, 1_000_000)).await;
    desk.later(1);
    desk.day(terms(false)).await;
    assert_eq!(
        (desk.account(gone).await.state, desk.kept(gone).await.written_off.0),
        (MemberState::WrittenOff, 2_000_000)
    );
    desk.give(Starter::System, Code::Gift, (rich, gone, 2_500_000)).await;
    for _ in 0..2 {
        desk.later(1);
        desk.day(terms(false)).await;
    }
    let account = desk.account(gone).await;
    assert_eq!((account.state, account.balance().0, account.limit), (MemberState::Active, 500_000, LIMIT));
    let found = balances(&desk.ledger).await;
    assert_eq!((found[&insurance], found.values().sum::<i64>()), (1_060_000, 0));
    assert!(desk.ledger.check().await.unwrap().is_replayed);
}

async fn with_data(place: &Place) {
    write(place, |tx| {
        access::insert_member(tx, &rows::member(1))?;
        let make = BucketMake {
            id: BucketId([1; 16]),
            check: [1; 16],
            name_check: [2; 16],
            label: vec![1; 40],
            class: Class::Standard,
            regions: Vec::new(),
            regions_min: 0,
        };
        bucket::insert(tx, &member_id(1), &make, NOW)?;
        tx.execute("UPDATE bucket SET sealed_bytes = 9", &[])?;
        Ok(())
    })
    .await;
}

/// (D)
async fn data_is_let_go_of_after_grace_and_three_notices_and_among_friends_never(place: &mut Place) {
    let desk = Desk::start(place).await;
    with_data(place).await;
    let (one, two) = (desk.member(1).await, desk.member(2).await);
    desk.serve(one, two, (1, 100_000_000)).await;
    for _ in 0..40 {
        desk.later(1);
        desk.day(terms(true)).await;
    }
    assert_eq!(desk.account(one).await.state, MemberState::AtLimit, "among friends its work is last, and nothing else");
    let (mut seen, mut notices) = (Vec::new(), Vec::new());
    for day in 1..=125 {
        desk.later(1);
        desk.day(terms(false)).await;
        let (state, kept) = (desk.account(one).await.state, desk.kept(one).await);
        if seen.last().is_none_or(|(_, last)| *last != state) {
            seen.push((day, state));
        }
        if notices.len() < usize::from(kept.notices) {
            notices.push(day);
        }
    }
    use MemberState::{Grace, Released, WrittenOff};
    assert_eq!(seen, [(1, Grace), (31, Released), (121, WrittenOff)]);
    assert_eq!(notices, [17, 24, 30], "14, 7 and 1 days before");
    assert_eq!(balances(&desk.ledger).await.values().sum::<i64>(), 0);
}
