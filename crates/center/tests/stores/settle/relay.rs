//! Relayed bytes: what sessions sign for is kept, handed in when its window is over, and settled once for the operator, whoever does it and
//! whatever ends in between. The letters are those of `center::ledger::relay`.

use super::town::{CLOUD, PERIODS, PERMIT_KEY, Town, balances, session};
use crate::on_both;
use crate::place::Place;
use crate::rows::{member_id, node_id};
use center::db::Tx;
use center::ledger::allow::{Beyond, Wanted, take};
use center::ledger::relay::{batch, hand_in_windows, keep};
use center::ledger::settle::api::{Intake, hand_in};
use center::ledger::settle::{round, store as due};
use center::ledger::store::relay::{self, Kept, WindowRow};
use center::ledger::{Ledger, seat};
use model::{AccountClass, AccountNo, Code, Resource, Span, Stamp, Ucredit};
use rules::ledger::receipt::BadBatch;
use rules::ledger::relay::UNITS_MAX;
use wire::settle::SettleReceipt;
use wire::signed::{Permit, PermitOp, Receipt, public_of};

on_both!(
    what_was_relayed_is_settled_once_for_the_operator,
    two_centers_and_a_restart_between_any_two_steps_hand_in_one_batch,
    every_wrong_receipt_is_named_and_nothing_is_kept,
    what_is_handed_in_too_late_counts_for_nobody,
    it_is_paid_out_of_what_was_set_aside_and_in_a_circle_beyond_the_limit,
);

/// What the relay takes for a gigabyte, what it gets, what the cloud does.
const PRICE: (i64, i64, i64) = (111_112, 100_000, 7_777);
const GB: u64 = 1_000_000_000;

fn operator() -> AccountNo {
    seat::only(AccountClass::Operator)
}

fn intake() -> Intake {
    Intake { node: node_id(77), owner: operator(), permit_key: public_of(&PERMIT_KEY), cloud: CLOUD }
}

/// A permit and a receipt of now.
fn signed(town: &Town, (n, payer, units): (u8, usize, u64)) -> (Permit, Receipt) {
    let (permit, _) = town.signed(node_id(77), (n, payer, units));
    let serial = Permit::serial_of(town.now() - Span::mins(1), [n; 8]);
    let (op, not_after) = (PermitOp::Relay, town.now() + Span::hours(1));
    let permit =
        Permit { op, serial, not_after, target: [0; 16], max_units: UNITS_MAX, max_units_node: UNITS_MAX, ..permit };
    let (kind, node, at) = (op as u8, node_id(77), town.now());
    (permit, Receipt { kind, serial, node, units, window: Receipt::window_of(at), at })
}

fn shown((permit, receipt): &(Permit, Receipt), payer: usize) -> SettleReceipt {
    super::town::shown(permit, receipt, payer)
}

async fn hand(town: &Town, shown: SettleReceipt) -> Result<Kept, BadBatch> {
    keep(&town.ledger, intake(), shown).await.unwrap()
}

/// A payer signs for so much.
async fn pay(town: &Town, of: (u8, usize, u64)) {
    assert_eq!(hand(town, shown(&signed(town, of), of.1)).await, Ok(Kept::Newest));
}

async fn windows(town: &Town) -> u64 {
    hand_in_windows(&town.ledger, intake(), *PERIODS).await.unwrap()
}

async fn window(ledger: &Ledger, at: u32) -> Option<WindowRow> {
    ledger.db().read(move |q| Ok(relay::window(q, at)?)).await.unwrap()
}

/// The window of now is over, and its time for clocks that differ.
fn end_of_window(town: &Town) -> u32 {
    let window = Receipt::window_of(town.now());
    let end = Stamp(u64::from(window + 1) * Span::hours(6).as_ms()) + Span::mins(17);
    town.later(end.since(town.now()).as_ms().cast_signed());
    window
}

/// What an account pays for so many units.
fn cost(units: u64, price: i64) -> i64 {
    i64::try_from(units).unwrap() * price / 1_000_000_000
}

async fn what_was_relayed_is_settled_once_for_the_operator(place: &mut Place) {
    let town = Town::start(place).await;
    let (permit, first) = signed(&town, (1, 1, GB / 4));
    let at = |units| SettleReceipt {
        receipt: Receipt { units, ..first }.sign(&session(1)).to_vec(),
        permit: permit.sign(&PERMIT_KEY).to_vec(),
    };
    assert_eq!(hand(&town, at(GB / 4)).await, Ok(Kept::Newest), "(A)");
    assert_eq!(hand(&town, at(GB)).await, Ok(Kept::Newest));
    for older in [GB, GB / 2] {
        assert_eq!(hand(&town, at(older)).await, Ok(Kept::Known), "an older one changes nothing");
    }
    pay(&town, (2, 3, GB / 3)).await;
    pay(&town, (3, 3, 1)).await;
    assert_eq!(windows(&town).await, 0, "its window is not over");
    let ended = end_of_window(&town);
    assert_eq!(windows(&town).await, 1);
    let over = Some(WindowRow { window: ended, is_over: true, batch: Some(1), refused: None });
    assert_eq!(window(&town.ledger, ended).await, over);
    for _ in 0..3 {
        assert_eq!(windows(&town).await, 0, "there is nothing left to hand in");
    }
    town.over().await;
    let expected = town.reference().await;
    // The operator's own account is new as others are, and owes no dues.
    let terms = round::Terms { has_dues: true, ..town.terms() };
    assert_eq!(round::settle(&town.ledger, *PERIODS, &terms).await.unwrap().resources, 1);
    let found = balances(&town.ledger).await;
    assert_eq!(found, expected);
    let (one, three) = (found[&town.account(1)], found[&town.account(3)]);
    assert_eq!((one, three), (-cost(GB, PRICE.0), -cost(GB / 3 + 1, PRICE.0)));
    let all = GB + GB / 3 + 1;
    assert_eq!(found[&operator()], cost(all, PRICE.1) + cost(all, PRICE.2), "as who served, and as the operator");
    assert_eq!(found.values().sum::<i64>(), 0);
    let rows = town.ledger.rows(0, 1_000).await.unwrap();
    let paid = rows.iter().find(|row| row.code == Code::Relay && row.credit == operator());
    assert_eq!(paid.map(|row| row.amount.0.cast_signed()), Some(cost(all, PRICE.1)));
    assert!(town.ledger.audit().await.unwrap().is_replayed);
    // Again, after it is settled.
    assert_eq!(windows(&town).await, 0);
    town.over().await;
    assert_eq!(town.settle().await.resources, 0);
    assert_eq!(balances(&town.ledger).await, found);
}

/// (B)
async fn two_centers_and_a_restart_between_any_two_steps_hand_in_one_batch(place: &mut Place) {
    let mut town = Town::start(place).await;
    for round in 0..3_u64 {
        for (n, payer) in [(1, 1), (2, 3), (3, 4)] {
            pay(&town, (n, payer, GB / u64::from(n) + round)).await;
        }
        let late = shown(&signed(&town, (1, 1, GB + 50)), 1);
        let ended = end_of_window(&town);
        // Closed: then the process ends. What comes now comes too late, also where a clock is behind.
        town.ledger.db().write(move |tx: &mut Tx<'_>| Ok(relay::close(tx, ended)?)).await.unwrap();
        town = town.restart(place).await;
        town.later(-Span::mins(17).as_ms().cast_signed() - 1);
        let now = shown(&signed(&town, (9, 1, 5)), 1);
        assert_eq!(hand(&town, now).await, Err(BadBatch::WindowClosed(ended)));
        town.later(Span::mins(17).as_ms().cast_signed() + 1);
        let old = hand(&town, late).await;
        assert!(matches!(old, Err(BadBatch::Receipt(_, "window"))), "{old:?}");
        // Handed in: then the process ends before it has noted that.
        let rows = town.ledger.db().read(move |q| Ok(relay::largest(q, ended, 9)?)).await.unwrap();
        assert_eq!(rows.len(), 3);
        let first = hand_in(&town.ledger, intake(), batch(ended, rows), *PERIODS).await.unwrap().unwrap();
        assert!(!first.is_known && window(&town.ledger, ended).await.is_some_and(|row| !row.is_over));
        let before = town.due().await;
        town = town.restart(place).await;
        let beside = Town::beside(place, &town).await;
        let (one, two) = tokio::join!(windows(&town), windows(&beside));
        assert!((1..=2).contains(&(one + two)), "both may have looked");
        let over = Some(WindowRow { window: ended, is_over: true, batch: Some(first.batch), refused: None });
        assert_eq!((window(&town.ledger, ended).await, town.due().await), (over, before));
        town.over().await;
        beside.over_at(&town);
        let expected = town.reference().await;
        let (one, two) = tokio::join!(town.settle(), beside.settle());
        assert!(one.steps + two.steps >= 4);
        assert_eq!(balances(&town.ledger).await, expected);
    }
    // Two at once from the beginning.
    pay(&town, (1, 1, GB)).await;
    let ended = end_of_window(&town);
    let beside = Town::beside(place, &town).await;
    let (one, two) = tokio::join!(windows(&town), windows(&beside));
    assert!((1..=2).contains(&(one + two)));
    assert_eq!(town.due().await.iter().map(|row| row.due.units).collect::<Vec<_>>(), [GB, GB]);
    assert!(window(&town.ledger, ended).await.is_some_and(|row| row.batch.is_some()));
    assert!(town.ledger.audit().await.unwrap().is_replayed);
}

async fn every_wrong_receipt_is_named_and_nothing_is_kept(place: &mut Place) {
    let town = Town::start(place).await;
    let good = signed(&town, (1, 1, 1_000));
    let with = |change: &dyn Fn(&mut Permit, &mut Receipt)| {
        let (mut permit, mut receipt) = good.clone();
        change(&mut permit, &mut receipt);
        shown(&(permit, receipt), 1)
    };
    let forged = |at: usize| {
        let mut bytes = shown(&good, 1);
        bytes.receipt[at] ^= 1;
        bytes
    };
    let foreign = SettleReceipt { permit: good.0.sign(&[9; 32]).to_vec(), ..shown(&good, 1) };
    let egress = town.signed(node_id(77), (1, 1, 1_000));
    let cases: Vec<(SettleReceipt, &str)> = vec![
        (forged(60), "receipt_signature"),
        (forged(100), "receipt_signature"),
        (shown(&good, 3), "receipt_signature"),
        (foreign, "permit_signature"),
        (with(&|permit, _| permit.cloud = [8; 8]), "cloud"),
        (with(&|permit, _| permit.key_epoch = 4), "key"),
        (shown(&egress, 1), "op"),
        (with(&|_, receipt| receipt.kind = 1), "op"),
        (with(&|permit, _| permit.node = node_id(1).0), "node"),
        (with(&|_, receipt| receipt.node = node_id(1)), "node"),
        (with(&|_, receipt| receipt.serial = [1; 16]), "serial"),
        (with(&|_, receipt| receipt.window += 1), "window"),
        (with(&|_, receipt| receipt.at = receipt.at - Span::mins(16)), "window"),
        (with(&|_, receipt| receipt.at = receipt.at + Span::mins(16)), "window"),
        (with(&|permit, _| permit.not_after = permit.issued() - Span::hours(1)), "ended_before"),
        (with(&|permit, _| permit.payer = operator().0), "payer"),
        (with(&|permit, _| permit.flags = 1), "free"),
        (with(&|_, receipt| receipt.units = 0), "nothing"),
        (with(&|_, receipt| receipt.units = UNITS_MAX + 1), "over_permit"),
    ];
    for (came, expected) in cases {
        let answer = hand(&town, came).await;
        assert!(matches!(answer, Err(BadBatch::Receipt(_, why)) if why == expected), "{expected}: {answer:?}");
    }
    let here = Receipt::window_of(town.now());
    assert_eq!(window(&town.ledger, here).await, None, "nothing was written");
    end_of_window(&town);
    assert_eq!(windows(&town).await, 0);
    let left = place.db.read(|q| Ok(due::next_period(q, u64::MAX / 4)?)).await.unwrap();
    assert_eq!(left, None, "nobody pays and nobody earns");
}

async fn what_is_handed_in_too_late_counts_for_nobody(place: &mut Place) {
    let town = Town::start(place).await;
    pay(&town, (1, 1, GB)).await;
    let ended = end_of_window(&town);
    // The center was away for more than three days.
    town.later(Span::hours(73).as_ms().cast_signed());
    assert_eq!(windows(&town).await, 1);
    let row = window(&town.ledger, ended).await.unwrap();
    assert!(row.is_over && row.batch.is_none(), "{row:?}");
    assert!(row.refused.is_some_and(|why| why.contains("window_closed")));
    let left = place.db.read(|q| Ok(due::next_period(q, u64::MAX / 4)?)).await.unwrap();
    assert_eq!(left, None);
    // After 30 days it is forgotten as what others signed for is.
    town.later(Span::days(29).as_ms().cast_signed());
    pay(&town, (2, 1, GB)).await;
    end_of_window(&town);
    windows(&town).await;
    assert_eq!(window(&town.ledger, ended).await, None);
    assert_eq!(place.db.read(move |q| Ok(relay::count(q, ended)?)).await.unwrap(), 0);
}

async fn it_is_paid_out_of_what_was_set_aside_and_in_a_circle_beyond_the_limit(place: &mut Place) {
    let town = Town::start(place).await;
    let cover = async |n: usize, cost: i64, beyond| {
        let (account, member) = (town.account(n), member_id(u64::try_from(n).unwrap()));
        let cost = Ucredit(cost.unsigned_abs());
        let wanted = Wanted { account, member, resource: Resource::Relay, cost, bytes: GB, beyond };
        let now = town.now();
        town.ledger.db().write(move |tx: &mut Tx<'_>| take(tx, wanted, now)).await.unwrap()
    };
    let held = async |n: usize| town.ledger.account(town.account(n)).await.unwrap().unwrap().account.held_debit.0;
    cover(1, PRICE.0, Beyond::Limit).await.unwrap();
    let before = held(1).await;
    assert!(before >= PRICE.0.unsigned_abs());
    // Nothing else can be spent: what was set aside pays. The other has nothing at all, in a circle.
    for n in [1, 3] {
        town.ledger.set_limit(town.account(n), Ucredit::ZERO, "test").await.unwrap();
    }
    assert!(cover(3, PRICE.0, Beyond::Limit).await.is_err(), "among strangers there is no leave without cover");
    cover(3, PRICE.0, Beyond::All).await.unwrap();
    pay(&town, (1, 1, GB)).await;
    pay(&town, (2, 3, GB)).await;
    end_of_window(&town);
    windows(&town).await;
    town.over().await;
    town.settle().await;
    let found = balances(&town.ledger).await;
    assert_eq!((found[&town.account(1)], found[&town.account(3)]), (-PRICE.0, -PRICE.0));
    assert_eq!(held(1).await, before - PRICE.0.unsigned_abs());
    assert_eq!(found[&seat::only(AccountClass::WriteOff)], 0, "nobody else bears it");
    assert_eq!(found.values().sum::<i64>(), 0);
    assert!(town.ledger.audit().await.unwrap().is_replayed);
}
