//! Settlement: batches, stored bytes and results become due once, and what is due is settled once, as the pure rules say, whatever is
//! sent again, comes late or ends in between. The letters are those of `center::ledger::settle`.

mod allowance;
mod budget;
mod crash;
mod refused;
mod relay;
pub mod stored;
pub mod town;

use crate::on_both;
use crate::place::Place;
use crate::rows::member_id;
use center::ledger::Posting;
use center::ledger::settle::store::{self as due, DueRow, Side};
use model::{AccountClass, AccountNo, Code, Resource, TransferId, Ucredit};
use rules::ledger::settle::Due;
use rules::ledger::tariff::Variant;
use rules::ledger::{Act, Ask, Group, Starter};
use town::{Town, balances};
use wire::settle::{SettleBatch, SettleTotal, Settled};

on_both!(
    a_window_of_receipts_is_settled_as_the_rules_say,
    sent_three_times_it_counts_once,
    what_comes_late_is_due_in_the_next_period,
    every_step_alone_after_a_restart_comes_to_the_same,
    what_many_earned_is_summed_up_in_parts,
    two_centers_at_once_settle_once,
    a_payer_that_signs_more_than_it_has_leaves_the_sum_at_zero,
    what_the_reserve_cannot_pay_it_owes_until_it_can,
);

const GB: u64 = 1_000_000_000;

async fn a_window_of_receipts_is_settled_as_the_rules_say(place: &mut Place) {
    let town = Town::start(place).await;
    let batch = town.batch(&[(1, 3 * GB), (1, GB / 7), (3, 12_345_678)]);
    assert_eq!(town.hand_in(batch).await, Ok(Settled { batch: 1, is_known: false }));
    town.over().await;
    let expected = town.reference().await;
    let done = town.settle().await;
    assert_eq!(done.resources, 1);
    assert_eq!(balances(&town.ledger).await, expected);
    assert!(expected[&town.account(2)] > 1_200_000 && expected[&town.account(1)] < -1_300_000, "{expected:?}");
    assert_eq!(expected.values().sum::<i64>(), 0);
    // A second settlement of all there is changes nothing.
    let head = town.ledger.head().await.unwrap();
    for _ in 0..3 {
        assert_eq!(town.settle().await.resources, 0);
    }
    assert_eq!(town.ledger.head().await.unwrap(), head);
    assert!(town.ledger.audit().await.unwrap().is_replayed);
    let left = place.db.read(|q| Ok(due::next_period(q, u64::MAX / 4)?)).await.unwrap();
    assert_eq!(left, None, "nothing is left");
}

async fn sent_three_times_it_counts_once(place: &mut Place) {
    let town = Town::start(place).await;
    let batch = town.batch(&[(1, GB), (3, GB)]);
    for n in 0..3 {
        let expected = Ok(Settled { batch: 1, is_known: n > 0 });
        assert_eq!(town.hand_in(batch.clone()).await, expected);
    }
    let (one, two) = (town.hand_in(batch.clone()), town.hand_in(batch.clone()));
    let (one, two) = tokio::join!(one, two);
    assert_eq!((one.unwrap().is_known, two.unwrap().is_known), (true, true));
    let rows = town.due().await;
    assert_eq!(rows.iter().map(|row| row.due.units).collect::<Vec<_>>(), [GB, GB, 2 * GB]);
    // Also after it was settled, and after 400 days' worth of other windows were not.
    town.over().await;
    town.settle().await;
    let before = balances(&town.ledger).await;
    assert!(town.hand_in(batch).await.unwrap().is_known);
    town.over().await;
    town.settle().await;
    assert_eq!(balances(&town.ledger).await, before);
}

/// (B)
async fn what_comes_late_is_due_in_the_next_period(place: &mut Place) {
    let town = Town::start(place).await;
    town.hand_in(town.batch(&[(1, GB)])).await.unwrap();
    town.over().await;
    town.settle().await;
    // A second node's batch of the same window, when its period is settled already and the clock went back by an hour.
    town.later(-3_600_000 * 6);
    let mut other = town.intake();
    other.node = crate::rows::node_id(9);
    let batch = town.batch_of(other.node, &[(1, GB)]);
    town.hand_in_as(other, batch).await.unwrap();
    assert!(town.due().await.iter().all(|row| row.due.units == GB));
    town.later(3_600_000 * 6);
    town.over().await;
    assert_eq!(town.settle().await.resources, 1);
    assert_eq!(balances(&town.ledger).await[&town.account(1)], -888_890);
}

/// (A)
async fn every_step_alone_after_a_restart_comes_to_the_same(place: &mut Place) {
    let mut town = Town::start(place).await;
    town.hand_in(town.batch(&[(1, GB), (3, GB / 3), (4, 77)])).await.unwrap();
    town.over().await;
    let expected = town.reference().await;
    let period = town.period().await;
    let mut steps = 0;
    loop {
        town = town.restart(place).await;
        let rounds = center::ledger::settle::round::begin(&town.ledger, period).await.unwrap();
        town = town.restart(place).await;
        if rounds.is_empty() {
            break;
        }
        let at = (period, rounds[0]);
        center::ledger::settle::round::step(&town.ledger, at, &town.terms()).await.unwrap();
        assert!(town.ledger.audit().await.unwrap().is_replayed);
        steps += 1;
    }
    assert_eq!(steps, 4, "charge, share, pay, over");
    assert_eq!(balances(&town.ledger).await, expected);
}

/// (A)
async fn what_many_earned_is_summed_up_in_parts(place: &mut Place) {
    let mut town = Town::start(place).await;
    let mut all = Vec::new();
    for n in 100..700 {
        all.push(town.ledger.member(&member_id(n), Ucredit::ZERO).await.unwrap());
    }
    let units = |no: &AccountNo| no.sequence() * 1_000_000;
    let of = |side, account, units| {
        let due = Due { variant: Variant::Plain, version: 1, units, quality_bps: 10_000 };
        DueRow { resource: Resource::Egress, side, account, due }
    };
    let mut rows: Vec<DueRow> = all.iter().map(|no| of(Side::Served, *no, units(no))).collect();
    // Half of it was signed for: each gets half of what it earned.
    rows.push(of(Side::Used, town.account(1), all.iter().map(units).sum::<u64>() / 2));
    town.ledger.set_limit(town.account(1), Ucredit::whole(1_000), "test").await.unwrap();
    let period = town::PERIODS.of(town.now());
    place.db.write(move |tx| Ok(due::add_due(tx, period, &rows)?)).await.unwrap();
    town.over().await;
    let mut steps = 0;
    loop {
        town = town.restart(place).await;
        let rounds = center::ledger::settle::round::begin(&town.ledger, period).await.unwrap();
        let Some(resource) = rounds.first().copied() else { break };
        center::ledger::settle::round::step(&town.ledger, (period, resource), &town.terms()).await.unwrap();
        steps += 1;
    }
    assert_eq!(steps, 1 + 3 + 3 + 1, "charge, three parts summed up, three paid, over");
    let found = balances(&town.ledger).await;
    for no in &all {
        let half = i64::try_from(units(no) * 200_000 / GB).unwrap();
        assert!(found[no] > 0 && found[no].abs_diff(half) <= 1, "{no}: {} {half}", found[no]);
    }
    assert_eq!(found.values().sum::<i64>(), 0);
    assert!(town.ledger.audit().await.unwrap().is_replayed);
}

async fn two_centers_at_once_settle_once(place: &mut Place) {
    let town = Town::start(place).await;
    let other = Town::beside(place, &town).await;
    for _ in 0..4 {
        let batch = town.batch(&[(1, GB), (3, GB / 3), (4, GB / 9)]);
        let (one, two) = tokio::join!(town.hand_in(batch.clone()), other.hand_in(batch));
        assert_ne!(one.unwrap().is_known, two.unwrap().is_known, "one of them was first");
        town.over().await;
        other.over_at(&town);
        let expected = town.reference().await;
        let (one, two) = tokio::join!(town.settle(), other.settle());
        assert!(one.steps + two.steps >= 4);
        assert_eq!(balances(&town.ledger).await, expected);
    }
    assert!(town.ledger.audit().await.unwrap().is_replayed);
}

async fn a_payer_that_signs_more_than_it_has_leaves_the_sum_at_zero(place: &mut Place) {
    let town = Town::start(place).await;
    // 267 credits each are owed for it, 60 may be.
    town.hand_in(town.batch(&[(1, 600 * GB), (3, 600 * GB)])).await.unwrap();
    town.over().await;
    town.settle().await;
    let found = balances(&town.ledger).await;
    assert_eq!(found.values().sum::<i64>(), 0);
    assert_eq!(found[&town.account(2)], 480_000_000, "who served it is paid");
    let (write_off, each) = (center::ledger::seat::only(AccountClass::WriteOff), 266_667_000);
    assert_eq!(found[&write_off], -2 * (each - 60_000_000), "beyond the limit others bear it, in public");
    for payer in [1, 3] {
        let account = town.ledger.account(town.account(payer)).await.unwrap().unwrap().account;
        assert_eq!((account.balance().0, account.is_frozen), (-60_000_000, true), "its own signatures stop it");
    }
}

async fn what_the_reserve_cannot_pay_it_owes_until_it_can(place: &mut Place) {
    let town = Town::start(place).await;
    let reserve = center::ledger::seat::only(AccountClass::Repair);
    let fill = |n: u8, amount: u64| {
        let act = Act::Move { debit: town.account(1), credit: reserve, amount: Ucredit(amount) };
        let ask = Ask { id: TransferId::hashed(&[n; 32]), act, code: Code::Repair, reference: None };
        Posting::from(Group { starter: Starter::System, asks: vec![ask] })
    };
    town.ledger.post(fill(1, 150_000)).await.unwrap();
    // A steward read a gigabyte: 200,000 µcredit, of which the reserve has three quarters.
    let (mut permit, receipt) = town.signed(crate::rows::node_id(1), (1, 1, GB));
    permit.payer = reserve.0;
    let total = SettleTotal { payer: reserve, resource: Resource::Repair, units: GB };
    let receipts = vec![town::shown(&permit, &receipt, 1)];
    town.hand_in(SettleBatch { window: town.window(), totals: vec![total], receipts }).await.unwrap();
    town.over().await;
    town.settle().await;
    let earned = || async { balances(&town.ledger).await[&town.account(2)] };
    assert_eq!(
        (earned().await, town.ledger.account(reserve).await.unwrap().unwrap().account.balance().0),
        (150_000, 0)
    );
    town.over().await;
    town.settle().await;
    assert_eq!(earned().await, 150_000, "there is nothing to pay from");
    town.ledger.post(fill(2, 500_000)).await.unwrap();
    for _ in 0..3 {
        town.over().await;
        town.settle().await;
    }
    let found = balances(&town.ledger).await;
    assert_eq!((earned().await, found[&reserve], found.values().sum::<i64>()), (200_000, 450_000, 0));
}
