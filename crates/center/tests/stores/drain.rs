//! Slots of a node that leaves, on both engines.

use crate::on_both;
use crate::place::Place;
use crate::storage::{with_bucket, with_pg, write};
use center::storage::store::drain::{self, Drain, Move};
use center::storage::store::log;
use center::storage::store::{self as storage, PgRow};
use model::{Alias, SegmentId, Stamp};
use std::collections::BTreeSet;

on_both!(a_slot_changes_hands_when_all_of_it_was_taken, who_leaves_no_more_keeps_its_slots);

/// Five segments, of which the second slot holds the pieces of all but the third.
async fn with_segments(place: &Place) -> PgRow {
    with_bucket(place).await;
    let pg = with_pg(place).await;
    for n in 1..=5u8 {
        let segment = crate::rows::segment(pg.pg, n, 1_000);
        let have = if n == 3 { [0b01] } else { [0b11] };
        write(place, move |tx| storage::insert_segment(tx, 1, &segment, &have, Stamp(5)).map(drop)).await;
    }
    pg
}

async fn a_slot_changes_hands_when_all_of_it_was_taken(place: &mut Place) {
    let pg = with_segments(place).await;
    let (node, to) = (pg.slots[1], Alias(4));
    write(place, move |tx| Ok(drain::begin(tx, &Drain { node, to: None, since: Stamp(7) })?)).await;
    write(place, move |tx| Ok(drain::begin(tx, &Drain { node, to: Some(to), since: Stamp(8) })?)).await;
    place.reopen().await;
    let drains = place.db.read(|q| Ok(drain::drains(q, None, 9)?)).await.unwrap();
    assert_eq!(drains, [Drain { node, to: Some(to), since: Stamp(7) }]);
    assert_eq!(place.db.read(move |q| Ok(drain::waiting(q, node, 9)?)).await.unwrap(), [(pg.pg, 1)]);
    let one = Move { pg: pg.pg, slot: 1, to, next_seq: 1 };
    write(place, move |tx| Ok(drain::put_move(tx, node, &one)?)).await;
    assert_eq!(place.db.read(move |q| Ok(drain::waiting(q, node, 9)?)).await.unwrap(), []);
    assert_eq!(place.db.read(move |q| Ok(drain::moves(q, node, 9)?)).await.unwrap(), [one]);
    let seqs = place.db.read(move |q| Ok(drain::to_move(q, &one, 3)?)).await.unwrap();
    assert_eq!(seqs.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2, 4], "what it holds");
    let bytes = place.db.read(move |q| Ok(log::bytes_by_slot(q, node, 9)?)).await.unwrap().unwrap();
    let (pieces, all) = place.db.read(move |q| Ok(log::accounted(q, node, 9)?)).await.unwrap().unwrap();
    assert!(pieces == 4 && all > 0, "{pieces}");
    assert_eq!(bytes.into_iter().collect::<Vec<_>>(), [((pg.pg, 1), all)]);
    assert_eq!(place.db.read(move |q| Ok(log::bytes_by_slot(q, node, 2)?)).await.unwrap(), None, "too many to count");
    // The first is taken, the second could not be given: it is lost, and thin.
    let taken = BTreeSet::from([SegmentId([1; 32])]);
    assert!(!write(place, move |tx| drain::moved(tx, &one, 2, &taken)).await);
    let have = place.db.read(move |q| Ok(storage::segments(q, pg.pg, 2, 1)?)).await.unwrap();
    assert_eq!(have[0].have, [0b01]);
    let next = place.db.read(move |q| Ok(drain::moves(q, node, 9)?)).await.unwrap()[0];
    assert_eq!(next.next_seq, 3);
    let rest = BTreeSet::from([SegmentId([4; 32]), SegmentId([5; 32])]);
    assert!(write(place, move |tx| drain::moved(tx, &next, 5, &rest)).await);
    let group = place.db.read(move |q| Ok(storage::pg(q, pg.pg)?)).await.unwrap().unwrap();
    assert_eq!((group.slots[1], group.generation), (to, pg.generation + 1));
    assert_eq!(place.db.read(move |q| Ok(drain::moves(q, node, 9)?)).await.unwrap(), []);
    assert_eq!(place.db.read(move |q| Ok(drain::waiting(q, node, 9)?)).await.unwrap(), [], "nothing of it is left");
}

async fn who_leaves_no_more_keeps_its_slots(place: &mut Place) {
    let pg = with_segments(place).await;
    let node = pg.slots[1];
    let one = Move { pg: pg.pg, slot: 1, to: Alias(4), next_seq: 1 };
    write(place, move |tx| Ok(drain::begin(tx, &Drain { node, to: None, since: Stamp(7) })?)).await;
    write(place, move |tx| Ok(drain::put_move(tx, node, &one)?)).await;
    write(place, move |tx| Ok(drain::end(tx, node)?)).await;
    assert_eq!(place.db.read(move |q| Ok(drain::drain(q, node)?)).await.unwrap(), None);
    assert_eq!(place.db.read(move |q| Ok(drain::moves(q, node, 9)?)).await.unwrap(), []);
    let group = place.db.read(move |q| Ok(storage::pg(q, pg.pg)?)).await.unwrap().unwrap();
    assert_eq!(group, PgRow { next_seq: 6, ..pg });
}
