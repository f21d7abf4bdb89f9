//! Uploads in parts and what becomes of their segments, on both engines.

use crate::log::{bytes, dropped, with_segments};
use crate::on_both;
use crate::place::Place;
use crate::rows::member_id;
use crate::storage::{refused, write};
use center::storage::store::upload::{self, PartRow};
use center::storage::store::{self as storage, PgRow};
use model::{PgId, Stamp, errors};
use wire::limits::UPLOADS_MAX;
use wire::storage::SegmentRun;

on_both!(
    a_part_takes_the_place_of_the_first_of_its_number,
    what_ended_is_there_no_more_and_its_parts_go_in_portions,
    what_nothing_was_done_to_is_given_up,
    so_many_are_open_and_no_more,
);

async fn begin(place: &Place, bucket: u32, id: u8, at: u64) {
    write(place, move |tx| upload::begin(tx, bucket, &[id; 16], b"name", b"note", Stamp(at))).await;
}

/// Part `number` of one segment, as the center keeps one.
async fn keep(place: &Place, bucket: u32, (id, number): (u8, u16), (pg, seq): (PgId, u64), at: u64) {
    write(place, move |tx| {
        let run = SegmentRun { pg, seq, count: 1 };
        let (segments_count, sealed_bytes) = storage::name_segments(tx, &member_id(1), &run)?;
        let part = PartRow { number, note: vec![number as u8; 9], segments: vec![run], segments_count, sealed_bytes };
        upload::put_part(tx, bucket, &[id; 16], &part, Stamp(at)).map(drop)
    })
    .await;
}

async fn numbers(place: &Place, bucket: u32, id: u8) -> Vec<u16> {
    let lines = place.db.read(move |q| Ok(upload::part_lines(q, bucket, &[id; 16], 0, 99)?)).await.unwrap();
    lines.iter().map(|line| line.number).collect()
}

async fn let_go(place: &Place, before: u64, limit: u32) -> u64 {
    write(place, move |tx| Ok(upload::let_go(tx, Stamp(before), limit)?)).await
}

async fn a_part_takes_the_place_of_the_first_of_its_number(place: &mut Place) {
    let (bucket, PgRow { pg, .. }) = with_segments(place, 3).await;
    begin(place, bucket, 1, 200).await;
    begin(place, bucket, 1, 999).await; // the same again
    let other = place.db.write(move |tx| upload::begin(tx, bucket, &[1; 16], b"another", b"note", Stamp(5))).await;
    assert_eq!(refused(other), Some(errors::PRECONDITION));
    keep(place, bucket, (1, 9), (pg, 1), 210).await;
    keep(place, bucket, (1, 2), (pg, 2), 220).await;
    keep(place, bucket, (1, 9), (pg, 3), 230).await;
    assert_eq!(numbers(place, bucket, 1).await, [2, 9]);
    assert_eq!(bytes(place).await, 2_000);
    let line = place.db.read(move |q| upload::find(q, bucket, &[1; 16])).await.unwrap();
    assert_eq!((line.at, line.changed, &line.note[..]), (Stamp(200), Stamp(230), &b"note"[..]));
    assert_eq!(dropped(place, pg, 9_999, 9).await, 1, "only the segment that was replaced");
}

async fn what_ended_is_there_no_more_and_its_parts_go_in_portions(place: &mut Place) {
    let (bucket, PgRow { pg, .. }) = with_segments(place, 4).await;
    begin(place, bucket, 1, 200).await;
    for number in 1..=4 {
        keep(place, bucket, (1, number), (pg, u64::from(number)), 210).await;
    }
    // Completed with two of its parts: those stay named, as a version's.
    write(place, move |tx| {
        [1, 3].iter().try_for_each(|number| upload::take_part(tx, bucket, &[1; 16], *number).map(drop))?;
        assert!(upload::end(tx, bucket, &[1; 16])?);
        assert!(!upload::end(tx, bucket, &[1; 16])?, "once");
        Ok(())
    })
    .await;
    assert_eq!(refused(place.db.read(move |q| upload::find(q, bucket, &[1; 16])).await), Some(errors::UPLOAD_UNKNOWN));
    assert_eq!(place.db.read(move |q| Ok(upload::open(q, bucket, &[0; 16], 9)?)).await.unwrap(), []);
    assert_eq!((let_go(place, 0, 1).await, bytes(place).await), (1, 3_000));
    assert_eq!((let_go(place, 0, 9).await, bytes(place).await), (1, 2_000), "what the version names counts");
    assert_eq!((let_go(place, 0, 9).await, numbers(place, bucket, 1).await.len()), (0, 0));
    assert_eq!(dropped(place, pg, 9_999, 9).await, 2, "what the version names stays");
}

async fn what_nothing_was_done_to_is_given_up(place: &mut Place) {
    let (bucket, PgRow { pg, .. }) = with_segments(place, 2).await;
    begin(place, bucket, 1, 200).await;
    begin(place, bucket, 2, 200).await;
    keep(place, bucket, (1, 1), (pg, 1), 300).await;
    keep(place, bucket, (2, 1), (pg, 2), 400).await;
    assert_eq!(let_go(place, 299, 9).await, 0);
    assert_eq!(let_go(place, 300, 9).await, 1);
    let open = place.db.read(move |q| Ok(upload::open(q, bucket, &[0; 16], 9)?)).await.unwrap();
    assert_eq!(open.iter().map(|line| line.upload[0]).collect::<Vec<_>>(), [2]);
    // A bucket's end is theirs too.
    write(place, move |tx| Ok(upload::end_all(tx, bucket)?)).await;
    assert_eq!((let_go(place, 0, 9).await, dropped(place, pg, 9_999, 9).await), (1, 2));
}

async fn so_many_are_open_and_no_more(place: &mut Place) {
    let (bucket, _) = with_segments(place, 1).await;
    let id = |n: usize| {
        let mut id = [7; 16];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        id
    };
    write(place, move |tx| {
        (0..UPLOADS_MAX).try_for_each(|n| upload::begin(tx, bucket, &id(n), b"name", b"note", Stamp(9)))
    })
    .await;
    let more = move |tx: &mut center::db::Tx<'_>| upload::begin(tx, bucket, &id(UPLOADS_MAX), b"n", b"n", Stamp(9));
    assert_eq!(refused(place.db.write(more).await), Some(errors::BUCKET_LIMIT));
    let pages = place.db.read(move |q| Ok(upload::open(q, bucket, &id(500), 9)?)).await.unwrap();
    assert_eq!(pages.iter().map(|line| line.upload).collect::<Vec<_>>(), (501..510).map(id).collect::<Vec<_>>());
    write(place, move |tx| upload::end(tx, bucket, &id(3)).map_err(Into::into)).await;
    write(place, more).await;
}
