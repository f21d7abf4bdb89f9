//! Cover of permits: set aside before anybody signs, paid out of it, given back when nothing more can come; debt only as far as it was
//! written down. The letters are those of `center::ledger::allow`.

use super::GB;
use super::town::{Town, balances};
use crate::on_both;
use crate::place::Place;
use crate::rows::member_id;
use center::db::Tx;
use center::ledger::Posting;
use center::ledger::allow::{Beyond, Wanted, take};
use center::ledger::store::allowance;
use model::{AccountNo, BucketId, Class, Code, MemberState, Resource, Span, TransferId, Ucredit, errors};
use rules::Refusal;
use rules::ledger::row::day_of;
use rules::ledger::{Act, Ask, Group, Starter};
use wire::storage::BucketMake;

on_both!(
    what_is_read_is_paid_out_of_what_was_set_aside,
    no_more_is_given_out_of_a_day_than_it_holds_whoever_asks,
    who_has_no_credit_reads_as_a_rescue_up_to_what_it_stores,
    a_circle_lets_its_members_owe_what_they_read,
    nobody_owes_by_the_hand_of_another,
    a_charge_that_meets_a_hold_whose_time_is_over_is_paid_all_the_same,
    a_charge_that_is_refused_is_due_again,
    a_little_more_than_was_given_leave_for_stops_nobody,
    who_stores_little_is_rescued_too,
);

/// What a gigabyte costs to read.
const PRICE: u64 = 444_445;

async fn ask(town: &Town, n: usize, (cost, bytes): (u64, u64), beyond: Beyond) -> Result<Ucredit, Refusal> {
    let member = member_id(u64::try_from(n).unwrap());
    let resource = Resource::Egress;
    let wanted = Wanted { account: town.account(n), member, resource, cost: Ucredit(cost), bytes, beyond };
    let now = town.now();
    town.ledger.db().write(move |tx: &mut Tx<'_>| take(tx, wanted, now)).await.unwrap()
}

async fn held(town: &Town, n: usize) -> u64 {
    town.ledger.account(town.account(n)).await.unwrap().unwrap().account.held_debit.0
}

async fn limit(town: &Town, no: AccountNo, limit: u64) {
    town.ledger.set_limit(no, Ucredit(limit), "test").await.unwrap();
}

async fn what_is_read_is_paid_out_of_what_was_set_aside(place: &mut Place) {
    let town = Town::start(place).await;
    let taken = ask(&town, 1, (2 * PRICE, 2 * GB), Beyond::Rescue).await.unwrap();
    assert!(taken.0 >= 2 * PRICE, "(A)");
    assert_eq!(held(&town, 1).await, 2 * PRICE);
    // All that could be spent is given away: what was set aside is not.
    limit(&town, town.account(1), 0).await;
    town.hand_in(town.batch(&[(1, GB)])).await.unwrap();
    town.over().await;
    town.settle().await;
    assert_eq!((held(&town, 1).await, balances(&town.ledger).await[&town.account(1)]), (PRICE, -(PRICE as i64)));
    assert_eq!(balances(&town.ledger).await[&town.account(2)], 400_000);
    // What nobody signed for comes back when no receipt of that day can be settled any more.
    town.later(Span::days(4).as_ms().cast_signed());
    assert_eq!(town.ledger.expire_holds().await.unwrap(), 0);
    town.later(Span::days(3).as_ms().cast_signed());
    assert_eq!(town.ledger.expire_holds().await.unwrap(), 1);
    assert_eq!(held(&town, 1).await, 0);
    assert!(town.ledger.audit().await.unwrap().is_replayed);
}

/// (B)
async fn no_more_is_given_out_of_a_day_than_it_holds_whoever_asks(place: &mut Place) {
    let mut town = Town::start(place).await;
    let (mut given, mut no) = (0, None);
    for n in 0..200_u64 {
        if n % 50 == 49 {
            // A process that ends loses what it took and did not use, and gives nothing twice.
            town = town.restart(place).await;
        }
        match ask(&town, 1, (100_000 + n * 7_919, 1_000), Beyond::Limit).await {
            Ok(taken) => given += taken.0,
            Err(refusal) => no = Some(refusal.id),
        }
        let key = (town.account(1), Resource::Egress, day_of(town.now()));
        let day = place.db.read(move |q| Ok(allowance::day(q, key)?)).await.unwrap();
        assert_eq!((day.given.0, day.held.0 >= day.given.0), (given, true));
        assert_eq!(held(&town, 1).await, day.held.0);
    }
    assert_eq!(no, Some(errors::CREDITS_SHORT), "60 credits end");
    assert!(held(&town, 1).await <= 60_000_000 && given > 55_000_000, "{given}");
    // The holds of both processes pay in turn.
    let beside = Town::beside(place, &town).await;
    assert_eq!(ask(&beside, 1, (10_000_000, 1), Beyond::Limit).await.unwrap_err().id, errors::CREDITS_SHORT);
}

async fn store(town: &Town, n: u8, bytes: i64) {
    let make = BucketMake {
        id: BucketId([n; 16]),
        check: [1; 16],
        name_check: [2; 16],
        label: vec![3],
        class: Class::Standard,
        regions: Vec::new(),
        regions_min: 0,
    };
    let now = town.now();
    let write = move |tx: &mut Tx<'_>| {
        center::access::store::insert_member(tx, &crate::rows::member(n.into()))?;
        center::storage::store::bucket::insert(tx, &member_id(n.into()), &make, now)?;
        Ok(tx.execute("UPDATE bucket SET sealed_bytes = $1", &[bytes.into()])?)
    };
    town.ledger.db().write(write).await.unwrap();
}

/// (C)
async fn who_has_no_credit_reads_as_a_rescue_up_to_what_it_stores(place: &mut Place) {
    let town = Town::start(place).await;
    limit(&town, town.account(1), 0).await;
    assert_eq!(ask(&town, 1, (PRICE, GB), Beyond::Rescue).await.unwrap_err().id, errors::AT_LIMIT, "it stores nothing");
    store(&town, 1, 3 * i64::try_from(GB).unwrap()).await;
    for _ in 0..3 {
        assert_eq!(ask(&town, 1, (PRICE, GB), Beyond::Rescue).await, Ok(Ucredit(PRICE)), "once all it stores");
    }
    assert_eq!(ask(&town, 1, (PRICE, GB), Beyond::Rescue).await.unwrap_err().id, errors::AT_LIMIT);
    // It signed for two of the three: its debt. Of another two one had leave: the other is more than it was given.
    town.hand_in(town.batch(&[(1, 2 * GB)])).await.unwrap();
    town.over().await;
    town.settle().await;
    let of = |n| town.account(n);
    let found = balances(&town.ledger).await;
    assert_eq!((found[&of(1)], found[&of(2)]), (-2 * PRICE as i64, 800_000));
    assert!(!town.ledger.account(of(1)).await.unwrap().unwrap().account.is_frozen);
    town.later(Span::hours(1).as_ms().cast_signed());
    town.hand_in(town.batch(&[(1, 2 * GB)])).await.unwrap();
    town.over().await;
    town.settle().await;
    let found = balances(&town.ledger).await;
    assert_eq!((found[&of(1)], found[&of(2)]), (-3 * PRICE as i64, 1_600_000), "who served is paid");
    assert!(town.ledger.account(of(1)).await.unwrap().unwrap().account.is_frozen);
    assert_eq!(found.values().sum::<i64>(), 0);
    // 90 days later it may once more.
    town.later(Span::days(91).as_ms().cast_signed());
    let stopped = ask(&town, 1, (PRICE, GB), Beyond::Rescue).await.unwrap_err();
    assert_eq!(stopped.id, errors::MEMBER_FROZEN, "until the operator has looked");
    town.ledger.freeze(of(1), false).await.unwrap();
    assert!(ask(&town, 1, (PRICE, GB), Beyond::Rescue).await.is_ok());
}

async fn a_circle_lets_its_members_owe_what_they_read(place: &mut Place) {
    let town = Town::start(place).await;
    limit(&town, town.account(1), 0).await;
    let taken = ask(&town, 1, (PRICE, GB), Beyond::All).await.unwrap();
    assert_eq!(taken.0, 8 * PRICE, "some asks like it at a time");
    town.hand_in(town.batch(&[(1, GB)])).await.unwrap();
    town.over().await;
    town.settle().await;
    assert_eq!(balances(&town.ledger).await[&town.account(1)], -(PRICE as i64));
}

/// Who reads by a link cannot make its giver owe.
async fn nobody_owes_by_the_hand_of_another(place: &mut Place) {
    let town = Town::start(place).await;
    store(&town, 1, 1 << 40).await;
    limit(&town, town.account(1), PRICE).await;
    let short = |taken: Result<Ucredit, Refusal>| assert_eq!(taken.unwrap_err().id, errors::CREDITS_SHORT);
    short(ask(&town, 1, (PRICE, GB), Beyond::Nothing).await);
    assert!(ask(&town, 1, (PRICE, GB), Beyond::Limit).await.is_ok(), "who works for it may go to its limit");
    short(ask(&town, 1, (PRICE, GB), Beyond::Limit).await);
    // What it has of its own is what a link can spend.
    let gift = |from: AccountNo, to: AccountNo| {
        let act = Act::Move { debit: from, credit: to, amount: Ucredit(2 * PRICE) };
        let ask = Ask { id: TransferId::hashed(&[9; 32]), act, code: Code::Gift, reference: None };
        Posting::from(Group { starter: Starter::System, asks: vec![ask] })
    };
    town.ledger.post(gift(town.account(3), town.account(1))).await.unwrap();
    assert!(ask(&town, 1, (PRICE, GB), Beyond::Nothing).await.is_ok());
    short(ask(&town, 1, (PRICE, GB), Beyond::Nothing).await);
    limit(&town, town.account(1), 0).await;
    assert!(ask(&town, 1, (PRICE, GB), Beyond::Rescue).await.is_ok(), "its own data stays within reach");
}

/// A hold's time is over, nobody has noticed yet, and a batch comes late.
async fn a_charge_that_meets_a_hold_whose_time_is_over_is_paid_all_the_same(place: &mut Place) {
    let town = Town::start(place).await;
    ask(&town, 1, (2 * PRICE, 2 * GB), Beyond::Rescue).await.unwrap();
    assert_eq!(held(&town, 1).await, 2 * PRICE);
    town.later(Span::days(8).as_ms().cast_signed());
    town.hand_in(town.batch(&[(1, GB)])).await.unwrap();
    town.over().await;
    town.settle().await;
    let found = balances(&town.ledger).await;
    assert_eq!((found[&town.account(1)], found[&town.account(2)]), (-(PRICE as i64), 400_000));
    assert_eq!((held(&town, 1).await, town.ledger.expire_holds().await.unwrap()), (2 * PRICE, 1));
    assert!(town.ledger.audit().await.unwrap().is_replayed);
}

async fn a_charge_that_is_refused_is_due_again(place: &mut Place) {
    let town = Town::start(place).await;
    let clearing = center::ledger::seat::clearing(Resource::Egress);
    town.ledger.set_state(clearing, MemberState::Closed).await.unwrap();
    town.hand_in(town.batch(&[(1, GB)])).await.unwrap();
    town.over().await;
    town.settle().await;
    let found = balances(&town.ledger).await;
    assert_eq!((found[&town.account(1)], found[&town.account(2)]), (0, 0), "there is nowhere to pay to");
    town.ledger.set_state(clearing, MemberState::Active).await.unwrap();
    for _ in 0..2 {
        town.over().await;
        town.settle().await;
    }
    let found = balances(&town.ledger).await;
    assert_eq!((found[&town.account(1)], found[&town.account(2)]), (-(PRICE as i64), 400_000), "once");
    assert!(town.ledger.audit().await.unwrap().is_replayed);
}

/// Readers that hurry ask one holder more: that is no fraud.
async fn a_little_more_than_was_given_leave_for_stops_nobody(place: &mut Place) {
    let town = Town::start(place).await;
    for payer in [1, 3] {
        limit(&town, town.account(payer), 0).await;
    }
    town.hand_in(town.batch(&[(1, GB / 9), (3, GB / 8)])).await.unwrap();
    town.over().await;
    town.settle().await;
    let frozen = async |n| town.ledger.account(town.account(n)).await.unwrap().unwrap().account.is_frozen;
    assert_eq!((frozen(1).await, frozen(3).await), (false, true), "49,382 and 55,555 µcredits");
    let found = balances(&town.ledger).await;
    assert_eq!((found[&town.account(1)], found[&town.account(3)], found.values().sum::<i64>()), (0, 0, 0));
}

/// (C) Leave is given in steps: who stores less than one is rescued all the same.
async fn who_stores_little_is_rescued_too(place: &mut Place) {
    let town = Town::start(place).await;
    limit(&town, town.account(1), 0).await;
    store(&town, 1, 1).await;
    let mut given = 0;
    let refused = loop {
        match ask(&town, 1, (2_000, 4 << 20), Beyond::Rescue).await {
            Ok(taken) => given += taken.0 / 2_000 * (4 << 20),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!((given, refused.id), (64 << 20, errors::AT_LIMIT));
}
