//! What audits leave in the records, on both engines.

use crate::on_both;
use crate::place::Place;
use crate::storage::{with_bucket, with_pg, write};
use center::fleet::store as fleet;
use center::storage::store::audit::{self, Again, AuditCounts, HeldSlot};
use center::storage::store::{self as storage, log};
use model::{Alias, PgId, SegmentId, Stamp};
use wire::storage::AuditPick;

on_both!(
    what_a_node_holds_is_found_by_its_slots,
    counts_and_score_are_kept_together,
    an_unanswered_challenge_outlives_a_restart,
    few_proofs_of_a_node_are_kept,
);

async fn what_a_node_holds_is_found_by_its_slots(place: &mut Place) {
    with_bucket(place).await;
    let pg = with_pg(place).await;
    for n in 1..=5u8 {
        let segment = crate::rows::segment(pg.pg, n, 1_000);
        write(place, move |tx| storage::insert_segment(tx, 1, &segment, &[0b11], Stamp(5)).map(drop)).await;
    }
    let (node, slot) = (pg.slots[1], 1);
    let slots = place.db.read(move |q| Ok(audit::slots_of(q, node, 9)?)).await.unwrap();
    assert_eq!(slots, [HeldSlot { pg: pg.pg, slot, scheme: pg.scheme, next_seq: 6 }]);
    assert_eq!(place.db.read(move |q| Ok(audit::slots_count(q, node)?)).await.unwrap(), 1);
    assert_eq!(place.db.read(|q| Ok(audit::slots_of(q, Alias(77), 9)?)).await.unwrap(), []);
    let live = |from| place.db.read(move |q| Ok(audit::live(q, PgId(1), from, 2)?));
    let seqs: Vec<u64> = live(3).await.unwrap().iter().map(|row| row.seq).collect();
    assert_eq!(seqs, [3, 4]);
    let found = |n: u8| place.db.read(move |q| Ok(audit::find(q, PgId(1), &SegmentId([n; 32]))?));
    assert_eq!(found(4).await.unwrap().map(|row| (row.seq, row.have)), Some((4, vec![0b11])));
    assert!(write(place, move |tx| Ok(log::lose(tx, PgId(1), &SegmentId([4; 32]), slot)?)).await);
    assert_eq!(found(4).await.unwrap().map(|row| row.have), Some(vec![0b01]));
    assert_eq!(found(9).await.unwrap(), None);
}

async fn counts_and_score_are_kept_together(place: &mut Place) {
    with_bucket(place).await;
    let counts = |place: &Place| {
        let db = place.db.clone();
        async move { db.read(|q| Ok(audit::counts(q, Alias(1))?)).await.unwrap() }
    };
    assert_eq!(counts(place).await, None);
    for proved in [16, 32] {
        let kept = AuditCounts { proved, gone: 1, wrong: 2, silent: 3, passed: proved / 16, proofs: 4, at: Stamp(9) };
        write(place, move |tx| Ok(audit::keep(tx, Alias(1), &kept, (u32::MAX, 7))?)).await;
        assert_eq!(counts(place).await, Some(kept));
    }
    let row = place.db.read(|q| Ok(fleet::node_by_alias(q, Alias(1))?)).await.unwrap().unwrap();
    assert_eq!((row.node.alpha, row.node.beta), (u32::MAX, 7));
}

async fn an_unanswered_challenge_outlives_a_restart(place: &mut Place) {
    with_bucket(place).await;
    let pick = |n: u8| AuditPick { pg: PgId(u32::MAX), segment: SegmentId([n; 32]), index: 700, group: 70_000 };
    let again = move |asked_again| Again { picks: (1..=16).map(pick).collect(), asked_again, at: Stamp(5) };
    for asked_again in [1, 2] {
        write(place, move |tx| Ok(audit::put_again(tx, Alias(2), &again(asked_again))?)).await;
    }
    place.reopen().await;
    let found = |place: &Place| {
        let db = place.db.clone();
        async move { db.read(|q| Ok(audit::again(q, Alias(2))?)).await.unwrap() }
    };
    assert_eq!(found(place).await, Some(again(2)));
    assert_eq!(place.db.read(|q| Ok(audit::agains(q, None, 9)?)).await.unwrap(), [(Alias(2), 2, Stamp(5))]);
    assert_eq!(place.db.read(|q| Ok(audit::agains(q, Some(Alias(2)), 9)?)).await.unwrap(), []);
    write(place, |tx| Ok(audit::forget_again(tx, Alias(2))?)).await;
    assert_eq!(found(place).await, None);
}

async fn few_proofs_of_a_node_are_kept(place: &mut Place) {
    with_bucket(place).await;
    for n in 1..=9u8 {
        write(place, move |tx| audit::add_proof(tx, Alias(1), Stamp(n.into()), &[n; 20_000])).await;
    }
    let kept = place.db.read(|q| Ok(audit::proofs(q, Alias(1))?)).await.unwrap();
    let times: Vec<Stamp> = kept.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [9, 8, 7, 6].map(Stamp), "the newest");
}
