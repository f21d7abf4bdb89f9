//! Batches that do not count: nothing of them is due, the reason is named, and a right one still counts after them.

use super::town::{Town, session, shown};
use crate::on_both;
use crate::place::Place;
use crate::rows::node_id;
use center::ledger::settle::store as due;
use model::{Resource, Span};
use rules::ledger::receipt::BadBatch;
use wire::settle::SettleBatch;
use wire::signed::{Permit, PermitOp, Receipt};

on_both!(every_wrong_receipt_is_named_and_nothing_is_due, a_window_is_open_closed_or_used);

/// A batch of one receipt that was changed.
fn with(town: &Town, change: impl Fn(&mut Permit, &mut Receipt)) -> SettleBatch {
    let mut batch = town.batch(&[(1, 1_000)]);
    let (mut permit, mut receipt) = town.signed(node_id(1), (1, 1, 1_000));
    change(&mut permit, &mut receipt);
    batch.receipts = vec![shown(&permit, &receipt, 1)];
    batch
}

async fn every_wrong_receipt_is_named_and_nothing_is_due(place: &mut Place) {
    let town = Town::start(place).await;
    let good = town.batch(&[(1, 1_000), (1, 500), (3, 70)]);
    let mut forged = good.clone();
    forged.receipts[1].receipt[60] ^= 1;
    let mut foreign_permit = good.clone();
    let (permit, receipt) = town.signed(node_id(1), (1, 1, 1_000));
    foreign_permit.receipts[0].permit = permit.sign(&[9; 32]).to_vec();
    let mut other_session = good.clone();
    other_session.receipts[0].receipt = receipt.sign(&session(3)).to_vec();
    let mut unsigned = good.clone();
    unsigned.receipts[0].receipt = vec![0; 144];
    let mut cut = good.clone();
    cut.receipts[0].permit.pop();
    let mut reordered = good.clone();
    reordered.receipts.swap(0, 1);
    let mut twice = good.clone();
    twice.receipts.insert(1, twice.receipts[0].clone());
    let words: Vec<(SettleBatch, &str)> = vec![
        (forged, "receipt_signature"),
        (other_session, "receipt_signature"),
        (unsigned, "receipt_signature"),
        (foreign_permit, "permit_signature"),
        (cut, "permit_malformed"),
        (reordered, "order"),
        (twice, "order"),
        (with(&town, |permit, _| permit.cloud = [8; 8]), "cloud"),
        (with(&town, |permit, _| permit.key_epoch = 4), "key"),
        (with(&town, |_, receipt| receipt.node = node_id(2)), "node"),
        (with(&town, |permit, _| permit.node = node_id(2).0), "node"),
        (with(&town, |permit, _| permit.op = PermitOp::Task), "op"),
        (with(&town, |_, receipt| receipt.serial = [1; 16]), "serial"),
        (with(&town, |_, receipt| receipt.window += 1), "window"),
        (with(&town, |permit, _| permit.payer = 0), "payer"),
        (with(&town, |_, receipt| receipt.units = 0), "nothing"),
        (with(&town, |permit, _| permit.max_units_node = 999), "over_permit"),
        (with(&town, |permit, _| permit.max_units = 999), "over_permit"),
        (with(&town, |permit, _| permit.not_after = permit.issued() - Span::hours(9)), "ended_before"),
    ];
    for (batch, expected) in words {
        let answer = town.hand_in(batch).await;
        assert!(matches!(answer, Err(BadBatch::Receipt(_, why)) if why == expected), "{expected}: {answer:?}");
    }
    let mut inflated = good.clone();
    inflated.totals[0].units *= 10;
    let said = BadBatch::Totals { payer: town.account(1), resource: Resource::Egress, claimed: 15_000, signed: 1_500 };
    assert_eq!(town.hand_in(inflated).await, Err(said));
    let mut missing = good.clone();
    missing.totals.pop();
    let said = BadBatch::Totals { payer: town.account(3), resource: Resource::Egress, claimed: 0, signed: 70 };
    assert_eq!(town.hand_in(missing).await, Err(said));
    let mut invented = good.clone();
    invented.totals.push(wire::settle::SettleTotal { payer: town.account(4), resource: Resource::Egress, units: 1 });
    assert!(matches!(town.hand_in(invented).await, Err(BadBatch::Totals { signed: 0, .. })));
    let mut unordered = good.clone();
    unordered.totals.swap(0, 1);
    assert_eq!(town.hand_in(unordered).await, Err(BadBatch::Batch("totals_order")));
    // (F) Nothing of any of them is due; who has to ask finds its right batch taken.
    let nothing = place.db.read(|q| Ok(due::next_period(q, u64::MAX / 4)?)).await.unwrap();
    assert_eq!(nothing, None);
    let head = town.ledger.head().await.unwrap();
    town.over().await;
    town.settle().await;
    assert_eq!(town.ledger.head().await.unwrap(), head, "nothing was paid");
    town.later(-Span::hours(6).as_ms().cast_signed());
    assert_eq!(town.hand_in(good).await.map(|settled| settled.batch), Ok(1));
}

async fn a_window_is_open_closed_or_used(place: &mut Place) {
    let town = Town::start(place).await;
    let (good, window) = (town.batch(&[(1, 1_000)]), town.window());
    let mut open = with(&town, |_, receipt| receipt.window += 1);
    open.window += 1;
    assert_eq!(town.hand_in(open).await, Err(BadBatch::WindowOpen(window + 1)));
    let late = Span::hours(73).as_ms().cast_signed();
    town.later(late);
    assert_eq!(town.hand_in(good.clone()).await, Err(BadBatch::WindowClosed(window)));
    town.later(-late);
    let first = town.hand_in(good.clone()).await.unwrap();
    let other = with(&town, |_, receipt| receipt.units = 999);
    let other = SettleBatch { totals: vec![wire::settle::SettleTotal { units: 999, ..good.totals[0] }], ..other };
    assert_eq!(town.hand_in(other).await, Err(BadBatch::WindowReused(window)));
    // An answer that was lost is heard also after the 72 hours.
    town.later(late);
    let again = town.hand_in(good).await.unwrap();
    assert_eq!((again.batch, again.is_known), (first.batch, true));
}
