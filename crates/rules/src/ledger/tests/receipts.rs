//! Batches of receipts, each wrong in one thing, and a node that reports many times.

use super::super::receipt::{
    BadBatch, Batch, DRAWS, Flag, Judged, PermitFacts, ReceiptFacts, Shown, Signed, Total, WHOLE_MAX, WINDOW, issued,
    judge,
};
use super::super::sum_tree::{self, Path, Sum};
use super::super::tariff::{PriceBook, Tariff, book_v1};
use super::*;
use model::{NodeId, Resource, errors};
use proptest::prelude::*;

const NODE: NodeId = NodeId([1; 32]);
const WINDOW_NO: u32 = 83_333;
const START: Stamp = Stamp(WINDOW_NO as u64 * 21_600_000);
const AFTER: Stamp = Stamp(START.0 + 21_600_000 + 1);

fn serial(at: Stamp, n: u64) -> [u8; 16] {
    let mut serial = [0; 16];
    serial[..8].copy_from_slice(&at.as_ms().to_le_bytes());
    serial[8..].copy_from_slice(&n.to_be_bytes());
    serial
}

fn signed(n: u64, payer: u64, op: u8, units: u64) -> Signed {
    let serial = serial(START, n);
    let permit = PermitFacts {
        serial,
        op,
        is_free: false,
        payer: member(payer),
        node: None,
        max_units: 1_000,
        max_units_node: 500,
        not_after: START + Span::hours(24),
        is_key_known: true,
    };
    let receipt = ReceiptFacts { kind: op, serial, node: NODE, units, window: WINDOW_NO };
    let hash = *blake3::hash(&[&serial[..], &units.to_le_bytes()].concat()).as_bytes();
    Signed { permit, receipt, hash }
}

fn total(payer: u64, resource: Resource, units: u64) -> Total {
    Total { payer: member(payer), resource, units }
}

fn batch() -> Batch {
    let receipts = vec![signed(1, 1, 1, 100), signed(2, 2, 1, 50), signed(3, 1, 8, 7), signed(4, 1, 1, 11)];
    let totals = vec![total(1, Resource::Egress, 111), total(1, Resource::Relay, 7), total(2, Resource::Egress, 50)];
    Batch { node: NODE, owner: member(9), window: WINDOW_NO, hash: [5; 32], totals, shown: Shown::Whole(receipts) }
}

fn tariff() -> Tariff {
    Tariff::begin(book_v1()).unwrap()
}

fn judged(batch: &Batch) -> Result<Judged, BadBatch> {
    judge(batch, None, &tariff(), AFTER)
}

fn why(change: impl FnOnce(&mut Batch, &mut Vec<Signed>)) -> &'static str {
    let mut batch = batch();
    let Shown::Whole(mut receipts) = batch.shown.clone() else { unreachable!() };
    change(&mut batch, &mut receipts);
    batch.shown = Shown::Whole(receipts);
    match judged(&batch).unwrap_err() {
        BadBatch::Receipt(_, why) | BadBatch::Batch(why) => why,
        BadBatch::Totals { .. } => "totals",
        BadBatch::WindowOpen(_) => "open",
        BadBatch::WindowClosed(_) => "closed",
        BadBatch::WindowReused(_) => "reused",
    }
}

#[test]
fn a_right_batch_is_due_by_payer_resource_and_version() {
    let due = [
        ((member(1), Resource::Egress, 1), 111),
        ((member(1), Resource::Relay, 1), 7),
        ((member(2), Resource::Egress, 1), 50),
    ];
    assert_eq!(judged(&batch()), Ok(Judged::Due(due.into())));
    // What was promised under an older version is paid by it.
    let mut tariff = tariff();
    let next = PriceBook { version: 2, valid_from: START + WINDOW, ..book_v1() };
    tariff.add(next, START - Span::days(14)).unwrap();
    let mut later = Batch { window: WINDOW_NO + 1, ..batch() };
    let Shown::Whole(receipts) = &mut later.shown else { unreachable!() };
    receipts.iter_mut().for_each(|signed| signed.receipt.window += 1);
    let old = judge(&later, None, &tariff, AFTER + WINDOW).unwrap();
    assert_eq!(old, Judged::Due(due.into()), "(P)");
}

#[test]
fn each_refusal_names_its_reason() {
    assert_eq!(why(|_, all| all[1].permit.is_key_known = false), "key");
    assert_eq!(why(|_, all| all[1].receipt.serial = serial(START, 9)), "serial");
    assert_eq!(why(|_, all| all[1].receipt.kind = 2), "op");
    assert_eq!(why(|_, all| (all[1].permit.op, all[1].receipt.kind) = (6, 6)), "op");
    assert_eq!(why(|_, all| all[1].receipt.node = NodeId([2; 32])), "node");
    assert_eq!(why(|_, all| all[1].permit.node = Some(NodeId([2; 32]))), "node");
    assert_eq!(why(|_, all| all[1].receipt.window += 1), "window");
    assert_eq!(why(|_, all| all[1].permit.not_after = START - Span::mins(16)), "ended_before");
    assert_eq!(why(|_, all| all[1].permit.payer = ESCROW), "payer");
    assert_eq!(why(|_, all| all[1].receipt.units = 0), "nothing");
    assert_eq!(why(|_, all| all[1].receipt.units = 501), "over_permit");
    assert_eq!(why(|_, all| all[1].permit.max_units = 49), "over_permit");
    assert_eq!(why(|_, all| all.swap(0, 1)), "order");
    assert_eq!(why(|_, all| all[1] = all[0]), "order");
    assert_eq!(why(|batch, _| batch.totals[0].units += 1), "totals");
    assert_eq!(why(|batch, _| batch.totals.truncate(2)), "totals");
    assert_eq!(why(|batch, _| batch.totals.push(total(3, Resource::Egress, 1))), "totals");
    assert_eq!(why(|batch, _| batch.totals.swap(0, 1)), "totals_order");
    assert_eq!(why(|batch, _| batch.totals[2].units = 0), "totals_order");
    let late = serial(START + WINDOW + Span::mins(16), 1);
    assert_eq!(why(|_, all| (all[3].permit.serial, all[3].receipt.serial) = (late, late)), "issued_later");
    assert_eq!(issued(&late), START + WINDOW + Span::mins(16));
    assert_eq!(why(|_, all| *all = vec![all[0]; WHOLE_MAX + 1]), "too_many_receipts");
    let bad = BadBatch::Receipt(serial(START, 1), "over_permit").refusal();
    assert_eq!((bad.id, bad.args["cause"].as_str()), (errors::BAD_RECEIPT, "over_permit"));
    assert_eq!(BadBatch::WindowClosed(7).refusal().id, errors::WINDOW_CLOSED);
}

#[test]
fn a_window_is_settled_once_and_in_time() {
    let flag = Flag { batch: 77, hash: [5; 32] };
    let at = |flag: Option<&Flag>, now| judge(&batch(), flag, &tariff(), now);
    assert_eq!(at(None, START + Span::hours(5)), Err(BadBatch::WindowOpen(WINDOW_NO)));
    assert!(at(None, START + WINDOW + Span::hours(72)).is_ok());
    assert_eq!(at(None, START + WINDOW + Span::hours(72) + Span::ms(1)), Err(BadBatch::WindowClosed(WINDOW_NO)));
    for _ in 0..10 {
        assert_eq!(at(Some(&flag), AFTER), Ok(Judged::AlreadySettled { batch: 77 }), "(A)");
    }
    assert_eq!(at(Some(&flag), AFTER + Span::days(300)), Ok(Judged::AlreadySettled { batch: 77 }), "also late");
    let other = Flag { batch: 77, hash: [6; 32] };
    assert_eq!(at(Some(&other), AFTER), Err(BadBatch::WindowReused(WINDOW_NO)), "(A)");
}

#[test]
fn between_one_owners_machines_nothing_is_owed() {
    let mut free = batch();
    let Shown::Whole(receipts) = &mut free.shown else { unreachable!() };
    receipts
        .iter_mut()
        .filter(|signed| signed.permit.payer == member(1))
        .for_each(|signed| signed.permit.is_free = true);
    assert!(matches!(judged(&free), Err(BadBatch::Totals { .. })), "(E) it may not be claimed");
    free.totals.retain(|total| total.payer == member(2));
    let due = [((member(2), Resource::Egress, 1), 50)];
    assert_eq!(judged(&free), Ok(Judged::Due(due.into())), "(E)");
    // The center's flag apart: the node's own account never pays itself.
    let own = Batch { owner: member(2), totals: batch().totals[..2].to_vec(), ..batch() };
    let Ok(Judged::Due(due)) = judged(&own) else { panic!() };
    assert!(due.keys().all(|(payer, ..)| *payer == member(1)), "(E)");
}

/// A batch of many receipts of one payer, of which some claim more than was signed.
fn large(len: u64, inflated: impl Fn(u64) -> u64, draws: &[u64]) -> Batch {
    let all: Vec<Signed> = (0..len).map(|n| signed(n, 1, 1, 100)).collect();
    let leaf = |(n, signed): (usize, &Signed)| Sum::leaf(&signed.hash, inflated(n as u64));
    let leaves: Vec<Sum> = all.iter().enumerate().map(leaf).collect();
    let root = sum_tree::root(&leaves).unwrap();
    let shown = draws.iter().map(|draw| {
        let path = sum_tree::path(&leaves, sum_tree::offset(*draw, root.units)).unwrap();
        (all[path.at as usize], path)
    });
    let shown = Shown::Drawn { root, draws: draws.to_vec(), leaves: shown.collect() };
    Batch { totals: vec![total(1, Resource::Egress, root.units)], shown, ..batch() }
}

fn draws(seed: u64) -> Vec<u64> {
    use rand_core::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..DRAWS).map(|_| rng.next_u64()).collect()
}

#[test]
fn a_large_batch_is_drawn_from_and_inflating_it_is_found() {
    let honest = large(1_000, |_| 100, &draws(1));
    let due = [((member(1), Resource::Egress, 1), 100_000)];
    assert_eq!(judged(&honest), Ok(Judged::Due(due.into())));
    // Every tenth receipt claims twice: a tenth more in all. 32 draws miss it with (1 − 2/11)³².
    let caught =
        (0..100).filter(|seed| judged(&large(300, |n| if n % 10 == 0 { 200 } else { 100 }, &draws(*seed))).is_err());
    assert!(caught.count() >= 95);
    // Made-up leaves for a tenth of all units are found with 1 − 0.9³² = 0.97.
    let made_up = |seed| {
        let mut batch = large(300, |_| 100, &draws(seed));
        let Shown::Drawn { leaves, .. } = &mut batch.shown else { unreachable!() };
        leaves.iter_mut().filter(|(_, path)| path.at >= 270).for_each(|(signed, _)| signed.permit.is_key_known = false);
        judged(&batch).is_err()
    };
    assert!((0..100).filter(|seed| made_up(*seed)).count() >= 92);
}

type Spoil<'a> = &'a dyn Fn(&mut Sum, &mut Vec<u64>, &mut Vec<(Signed, Path)>);

#[test]
fn nobody_chooses_what_is_drawn() {
    let draws = draws(1);
    let spoil = |change: Spoil<'_>| {
        let mut batch = large(100, |_| 100, &draws);
        let Shown::Drawn { root, draws, leaves } = &mut batch.shown else { unreachable!() };
        change(root, draws, leaves);
        judged(&batch).is_err()
    };
    assert!(!spoil(&|_, _, _| ()));
    assert!(spoil(&|_, _, leaves| leaves.swap(0, 1)), "another leaf than the draw's");
    assert!(spoil(&|_, draws, leaves| drop((draws.pop(), leaves.pop()))), "too few draws");
    assert!(spoil(&|_, _, leaves| drop(leaves.pop())));
    assert!(spoil(&|root, _, _| root.hash[0] ^= 1));
    assert!(spoil(&|root, _, _| root.units += 1));
    assert!(spoil(&|_, _, leaves| leaves[3].1.at ^= 1), "the other side");
    assert!(spoil(&|_, _, leaves| leaves[3].0.receipt.units += 1));
    assert!(spoil(&|_, _, leaves| leaves[3].0.permit.is_free = true));
    assert!(spoil(&|_, _, leaves| leaves[3].0.permit.payer = member(2)));
    assert!(spoil(&|_, _, leaves| if let Some(Some(sum)) = leaves[3].1.beside.first_mut() {
        sum.units += 1
    }));
    assert!(spoil(&|_, _, leaves| leaves[3].1.beside = vec![None; 99]));
    // The first unit of a leaf is not the last of the one before.
    let mut edge = draws;
    edge[0] = u64::try_from((100u128 << 64) / 10_000).unwrap() + 1;
    let right = large(100, |_| 100, &edge);
    assert!(judged(&right).is_ok());
    let Shown::Drawn { leaves, .. } = &right.shown else { unreachable!() };
    assert_eq!(leaves[0].1.at, 1);
    let mut before = edge.clone();
    before[0] = 0;
    let Shown::Drawn { root, leaves, .. } = large(100, |_| 100, &before).shown else { unreachable!() };
    let wrong = Batch { shown: Shown::Drawn { root, draws: edge, leaves }, ..right };
    assert!(matches!(judged(&wrong), Err(BadBatch::Receipt(_, "path"))));
}

proptest! {
    #[test]
    fn the_unit_at_an_offset_is_under_one_leaf_only(units in proptest::collection::vec(1u64..9, 1..60), at in any::<u64>()) {
        let leaves: Vec<Sum> = units.iter().enumerate().map(|(n, units)| Sum::leaf(&n.to_le_bytes(), *units)).collect();
        let root = sum_tree::root(&leaves).unwrap();
        let offset = sum_tree::offset(at, root.units);
        let path = sum_tree::path(&leaves, offset).unwrap();
        let (top, before) = sum_tree::lead(&path, leaves[path.at as usize]).unwrap();
        prop_assert_eq!(top, root, "(A)");
        prop_assert_eq!(before, units[..path.at as usize].iter().sum::<u64>(), "(A)");
        prop_assert!(before <= offset && offset < before + units[path.at as usize], "(A)");
        prop_assert!(sum_tree::path(&leaves, root.units).is_none());
    }
}
