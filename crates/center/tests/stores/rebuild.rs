//! What is told again to a center that lost its rows, on both engines.

use crate::on_both;
use crate::place::Place;
use crate::storage::{with_bucket, write};
use center::rebuild::store::{self, Held};
use center::storage::store as storage;
use model::{Alias, Class, PgId, Scheme, SegmentId, Stamp};
use wire::storage::SegmentRun;

on_both!(
    a_group_comes_back_slot_by_slot_and_a_place_can_pass,
    what_a_node_tells_is_kept_until_somebody_names_it,
    what_nobody_has_is_said_to_be_lost,
);

const PG: PgId = PgId(7);
const HOLD: Stamp = Stamp(1_000_000);

fn scheme() -> Scheme {
    Scheme::circle(4, 4).unwrap()
}

async fn hold(place: &Place, index: u16, alias: u32) -> Option<Held> {
    write(place, move |tx| store::hold_group(tx, PG, &scheme(), (index, Alias(alias)), Stamp(9))).await
}

async fn holder(place: &Place, index: u16) -> Option<Alias> {
    place.db.read(move |q| Ok(store::holder(q, PG, index)?)).await.unwrap()
}

async fn tell(place: &Place, index: u16, n: u8) {
    write(place, move |tx| store::tell(tx, (PG, index), (&SegmentId([n; 32]), 70_000), 3, HOLD)).await;
}

async fn have(place: &Place) -> Vec<(u64, Vec<u8>)> {
    let rows = place.db.read(|q| Ok(storage::segments(q, PG, 0, 10)?)).await.unwrap();
    rows.into_iter().map(|row| (row.seq, row.have)).collect()
}

async fn a_group_comes_back_slot_by_slot_and_a_place_can_pass(place: &mut Place) {
    with_bucket(place).await;
    let first = hold(place, 2, 3).await.unwrap();
    assert_eq!((first.slots, first.made.is_some()), (3, true), "two holders did not tell yet");
    assert_eq!((holder(place, 2).await, holder(place, 0).await), (Some(Alias(3)), None));
    assert_eq!(hold(place, 0, 1).await, Some(Held { slots: 3, made: None }));
    write(place, |tx| Ok(store::give(tx, PG, 0, Alias(1))?)).await;
    assert_eq!(holder(place, 0).await, Some(Alias(1)));
    let other = Scheme::circle(3, 3).unwrap();
    assert_eq!(write(place, move |tx| store::hold_group(tx, PG, &other, (0, Alias(2)), Stamp(9))).await, None);
    let row = place.db.read(|q| Ok(storage::pg(q, PG)?)).await.unwrap().unwrap();
    assert_eq!((row.scheme, row.slots.len(), row.open), (scheme(), 3, false));
    // The center's own word on who had it.
    write(place, |tx| Ok(store::claim(tx, PG, 0, Alias(2), Stamp(5))?)).await;
    write(place, |tx| Ok(store::claim(tx, PG, 0, Alias(2), Stamp(6))?)).await;
    let vouched = |alias| place.db.read(move |q| Ok(store::vouched_at(q, PG, 0, Alias(alias))?));
    assert_eq!((vouched(1).await.unwrap(), vouched(2).await.unwrap()), (None, Some(Stamp(6))));
    tell(place, 0, 1).await;
    tell(place, 2, 1).await;
    write(place, |tx| {
        store::give(tx, PG, 0, Alias(2))?;
        Ok(store::clear(tx, PG, 0)?)
    })
    .await;
    assert_eq!(have(place).await, [(1, vec![0b100])], "what the one before said of it counts no more");
    let slots = place.db.read(|q| Ok(store::slots_of(q, Alias(2), 9)?)).await.unwrap();
    assert_eq!(slots, [(PG, 0)]);
}

async fn what_a_node_tells_is_kept_until_somebody_names_it(place: &mut Place) {
    with_bucket(place).await;
    hold(place, 0, 1).await;
    for (index, n) in [(0, 1), (1, 1), (0, 2), (0, 2)] {
        tell(place, index, n).await;
    }
    assert_eq!(have(place).await, [(1, vec![0b11]), (2, vec![0b1])], "told twice is told once");
    let find = |n: u8| place.db.read(move |q| Ok(store::find_segment(q, &SegmentId([n; 32]))?));
    assert_eq!((find(2).await.unwrap(), find(3).await.unwrap()), (Some((PG, 2)), None));
    let unnamed = |at| place.db.read(move |q| Ok(storage::log::groups_unnamed(q, Stamp(at), None, 9)?));
    assert!(unnamed(HOLD.0 - 1).await.unwrap().is_empty(), "its owner may come late");
    assert_eq!(unnamed(HOLD.0).await.unwrap(), [PG]);
    let run = SegmentRun { pg: PG, seq: 1, count: 2 };
    assert_eq!(write(place, move |tx| store::adopt(tx, 1, &run)).await, (2, 140_000));
    assert!(unnamed(HOLD.0).await.unwrap().is_empty());
    let more = SegmentRun { count: 3, ..run };
    assert_eq!(write(place, move |tx| store::adopt(tx, 1, &more)).await.0, 2, "not more than there are");
    write(place, |tx| Ok(store::rule(tx, PG, Class::Fortress, "asia/kr", 2)?)).await;
    write(place, |tx| Ok(store::rule(tx, PG, Class::Eco, "europe/de", 1)?)).await;
    let class = place.db.read(|q| {
        let sql = "SELECT class, regions FROM pg WHERE pg = $1";
        Ok(q.query_opt(sql, &[PG.0.into()], |row| Ok((row.get::<u8>(0)?, row.get::<String>(1)?)))?)
    });
    assert_eq!(class.await.unwrap(), Some((Class::Fortress.code(), "asia/kr".to_owned())), "the first says it");
    write(place, |tx| Ok(store::locate(tx, &[9; 16], Alias(1))?)).await;
    write(place, |tx| Ok(store::locate(tx, &[9; 16], Alias(1))?)).await;
    let located = place.db.read(|q| Ok(store::located(q, &[9; 16], 9)?)).await.unwrap();
    assert_eq!(located, [Alias(1)]);
}

async fn what_nobody_has_is_said_to_be_lost(place: &mut Place) {
    with_bucket(place).await;
    let lost = write(place, |tx| {
        let one = store::insert_lost(tx, &SegmentId([1; 32]), Stamp(9))?;
        let two = store::insert_lost(tx, &SegmentId([2; 32]), Stamp(9))?;
        Ok((one, two))
    })
    .await;
    assert_eq!(lost, (SegmentRun { pg: PgId(0), seq: 1, count: 1 }, SegmentRun { pg: PgId(0), seq: 2, count: 1 }));
    let row = place.db.read(|q| Ok(storage::segments(q, PgId(0), 2, 1)?)).await.unwrap();
    assert_eq!((row[0].id, row[0].have.as_slice()), (SegmentId([2; 32]), &[0][..]));
    write(place, |tx| Ok(store::groups_from(tx, PgId(90))?)).await;
    write(place, |tx| Ok(store::groups_from(tx, PgId(80))?)).await;
    let next = write(place, |tx| storage::insert_pg(tx, &scheme(), &[Alias(1)], Class::Standard, "", 0)).await;
    assert_eq!(next.pg, PgId(91), "no number is given twice");
}
