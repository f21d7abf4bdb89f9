//! Groups' logs, versions whose retention is over, segments that nobody names, on both engines.

use crate::on_both;
use crate::place::Place;
use crate::rows::segment;
use crate::storage::{version, with_bucket, with_pg, write};
use center::storage::store::bucket::{self, Kind, VersionRow};
use center::storage::store::{self as storage, PgRow, log, thin};
use model::{Alias, BucketId, PgId, SegmentId, Stamp};
use wire::storage::{LogEntry, SegmentRun};

on_both!(
    what_nobody_names_moves_to_the_groups_next_place,
    a_dropped_segment_that_is_written_again_comes_back,
    a_version_lets_go_of_its_segments_only_after_its_retention,
    a_pack_that_many_versions_name_counts_once,
    a_segment_two_versions_name_outlives_one_of_them,
    a_lost_piece_is_cleared_and_its_segment_lacks_pieces,
    what_a_node_holds_is_what_the_records_say,
    drops_and_names_at_once_lose_nothing,
);

async fn changes(place: &Place, pg: PgId, after: u64) -> Vec<LogEntry> {
    place.db.read(move |q| Ok(log::changes(q, pg, after, 100)?)).await.unwrap()
}

/// A bucket, a group of four nodes and `n` segments of it, kept at 100.
pub async fn with_segments(place: &Place, n: u8) -> (u32, PgRow) {
    let number = with_bucket(place).await.number;
    let pg = with_pg(place).await;
    let id = pg.pg;
    write(place, move |tx| {
        for i in 1..=n {
            storage::insert_segment(tx, number, &segment(id, i, 1_000), &[0b0111], Stamp(100))?;
        }
        Ok(())
    })
    .await;
    (number, pg)
}

fn entry(seq: u64, n: u8, is_drop: bool) -> LogEntry {
    LogEntry { seq, id: SegmentId([n; 32]), is_drop }
}

pub async fn dropped(place: &Place, pg: PgId, before: u64, limit: u32) -> u64 {
    write(place, move |tx| Ok(log::drop_unnamed(tx, pg, Stamp(before), limit, Stamp(900))?)).await
}

async fn what_nobody_names_moves_to_the_groups_next_place(place: &mut Place) {
    let (_, PgRow { pg, .. }) = with_segments(place, 3).await;
    write(place, move |tx| {
        storage::name_segments(tx, &crate::rows::member_id(1), &SegmentRun { pg, seq: 2, count: 1 })?;
        Ok(thin::mark(tx, pg, 1)?)
    })
    .await;
    let unnamed = |before| place.db.read(move |q| Ok(log::groups_unnamed(q, Stamp(before), None, 9)?));
    assert_eq!(unnamed(99).await.unwrap(), []);
    assert_eq!(unnamed(100).await.unwrap(), [pg]);
    assert_eq!(dropped(place, pg, 99, 9).await, 0);
    assert_eq!(dropped(place, pg, 100, 1).await, 1);
    assert_eq!(dropped(place, pg, 100, 9).await, 1);
    assert_eq!(dropped(place, pg, 100, 9).await, 0);
    let all = [entry(2, 2, false), entry(4, 1, true), entry(5, 3, true)];
    assert_eq!(changes(place, pg, 0).await, all);
    assert_eq!(changes(place, pg, 4).await, all[2..]);
    let last = place.db.read(|q| Ok(log::last_drops(q, PgId(0), 9)?)).await.unwrap();
    assert_eq!(last, [(pg, 5)]);
    let thin = place.db.read(move |q| Ok(thin::segments(q, pg, 0, 9)?)).await.unwrap();
    assert_eq!(thin, [], "nobody fills what is dropped");
    // A dropped segment cannot be named, and a run of which a part is gone is not whole.
    let named = write(place, move |tx| {
        storage::name_segments(tx, &crate::rows::member_id(1), &SegmentRun { pg, seq: 1, count: 5 })
    });
    assert_eq!(named.await.0, 1);
    place.reopen().await;
    assert_eq!(write(place, |tx| Ok(log::forget_drops(tx, Stamp(899), 9)?)).await, 0);
    assert_eq!(write(place, |tx| Ok(log::forget_drops(tx, Stamp(900), 9)?)).await, 2);
    assert_eq!(changes(place, pg, 0).await, all[..1]);
}

async fn a_dropped_segment_that_is_written_again_comes_back(place: &mut Place) {
    let (number, PgRow { pg, .. }) = with_segments(place, 2).await;
    assert_eq!(dropped(place, pg, 100, 9).await, 2);
    let again =
        write(place, move |tx| storage::insert_segment(tx, number, &segment(pg, 1, 1_000), &[0b1000], Stamp(950)));
    assert_eq!(again.await, 5);
    assert_eq!(changes(place, pg, 0).await, [entry(4, 2, true), entry(5, 1, false)]);
    let rows = place.db.read(move |q| Ok(storage::segments(q, pg, 5, 9)?)).await.unwrap();
    assert_eq!((rows.len(), rows[0].have.as_slice()), (1, &[0b1000_u8][..]), "who held it before may have trashed it");
    assert_eq!(dropped(place, pg, 949, 9).await, 0, "its days begin anew");
}

/// Appends a version of `name` at `at` that names one segment, as a commit does.
async fn commit(place: &Place, name: &'static str, n: u8, at: u64, run: Option<SegmentRun>) -> VersionRow {
    let kind = if run.is_some() { Kind::Object } else { Kind::Marker };
    let row = VersionRow {
        made_at: Stamp(at),
        segments: run.into_iter().collect(),
        segments_count: u32::from(run.is_some()),
        ..version(name, n, kind)
    };
    let appended = row.clone();
    write(place, move |tx| {
        if let Some(run) = run {
            storage::name_segments(tx, &crate::rows::member_id(1), &run)?;
        }
        crate::storage::append(tx, &appended).map(drop)
    })
    .await;
    row
}

async fn expire(place: &Place, before: u64) -> usize {
    write(place, move |tx| {
        let due = log::superseded(tx, Stamp(before), 9)?;
        due.iter().try_for_each(|version| log::expire(tx, *version))?;
        Ok(due.len())
    })
    .await
}

async fn a_version_lets_go_of_its_segments_only_after_its_retention(place: &mut Place) {
    let (number, PgRow { pg, .. }) = with_segments(place, 3).await;
    let run = |seq| Some(SegmentRun { pg, seq, count: 1 });
    commit(place, "a", 1, 200, run(1)).await;
    commit(place, "a", 2, 300, run(2)).await;
    commit(place, "b", 3, 350, run(3)).await;
    commit(place, "a", 4, 400, None).await;
    assert_eq!((dropped(place, pg, 800, 9).await, expire(place, 299).await), (0, 0));
    // The first gave its place away at 300, the second at 400 under a marker; b and the marker stay.
    assert_eq!(expire(place, 399).await, 1);
    assert_eq!(dropped(place, pg, 0, 9).await, 1);
    let before = bytes(place).await;
    assert_eq!((expire(place, 9_999).await, expire(place, 9_999).await), (1, 0));
    assert_eq!(bytes(place).await, before - 2_000, "its own and its segment's");
    assert_eq!(dropped(place, pg, 0, 9).await, 1);
    assert_eq!(changes(place, pg, 0).await, [entry(3, 3, false), entry(4, 1, true), entry(5, 2, true)]);
    let rows = place.db.read(move |q| Ok(bucket::changes(q, number, None, &[], 0, 9)?)).await.unwrap();
    let kinds: Vec<Kind> = rows.iter().map(|row| row.kind).collect();
    assert_eq!(kinds, [Kind::Gone, Kind::Gone, Kind::Object, Kind::Marker]);
    assert!(rows.iter().all(|row| row.record.len() == 256), "the chain keeps every record");
}

async fn a_pack_that_many_versions_name_counts_once(place: &mut Place) {
    let (_, PgRow { pg, .. }) = with_segments(place, 3).await;
    let empty = bytes(place).await;
    let pack = Some(SegmentRun { pg, seq: 1, count: 2 });
    let own = commit(place, "a", 1, 200, pack).await.sealed_bytes;
    let once = bytes(place).await - empty - own;
    assert!(once > 0, "two segments");
    commit(place, "b", 2, 210, pack).await;
    commit(place, "c", 3, 220, pack).await;
    assert_eq!(bytes(place).await, empty + once + 3 * own, "the segments once");
    commit(place, "a", 4, 300, None).await;
    commit(place, "b", 5, 300, None).await;
    assert_eq!(expire(place, 9_999).await, 2);
    let markers = 2 * own;
    assert_eq!(bytes(place).await, empty + once + own + markers, "one names them still");
    commit(place, "c", 6, 310, None).await;
    assert_eq!(expire(place, 9_999).await, 1);
    assert_eq!(bytes(place).await, empty + markers + own, "nobody does");
}

pub async fn bytes(place: &Place) -> u64 {
    place.db.read(|q| Ok(bucket::find(q, &BucketId([1; 16]))?)).await.unwrap().unwrap().sealed_bytes
}

async fn a_segment_two_versions_name_outlives_one_of_them(place: &mut Place) {
    let (_, PgRow { pg, .. }) = with_segments(place, 1).await;
    let run = Some(SegmentRun { pg, seq: 1, count: 1 });
    commit(place, "a", 1, 200, run).await;
    // Brought back after a marker: the same segment under a new version.
    commit(place, "a", 2, 300, None).await;
    commit(place, "a", 3, 310, run).await;
    commit(place, "copy", 4, 320, run).await;
    assert_eq!(expire(place, 9_999).await, 1);
    assert_eq!(dropped(place, pg, 9_999, 9).await, 0);
    commit(place, "a", 5, 400, None).await;
    commit(place, "copy", 6, 500, None).await;
    assert_eq!((expire(place, 450).await, dropped(place, pg, 9_999, 9).await), (1, 0));
    assert_eq!((expire(place, 500).await, dropped(place, pg, 0, 9).await), (1, 1));
}

async fn a_lost_piece_is_cleared_and_its_segment_lacks_pieces(place: &mut Place) {
    let (_, PgRow { pg, .. }) = with_segments(place, 2).await;
    let lose = |n: u8, index| write(place, move |tx| Ok(log::lose(tx, pg, &SegmentId([n; 32]), index)?));
    assert!(lose(2, 1).await);
    assert!(!lose(2, 1).await && !lose(2, 3).await && !lose(2, 99).await && !lose(9, 0).await);
    let rows = place.db.read(move |q| Ok(thin::segments(q, pg, 0, 9)?)).await.unwrap();
    assert_eq!((rows.len(), rows[0].seq, rows[0].have.as_slice()), (1, 2, &[0b0101_u8][..]));
}

async fn what_a_node_holds_is_what_the_records_say(place: &mut Place) {
    let (_, PgRow { pg, scheme, slots, .. }) = with_segments(place, 3).await;
    let of = |alias: Alias, limit| place.db.read(move |q| Ok(log::accounted(q, alias, limit)?));
    let each = scheme.piece_bytes(1_000);
    assert_eq!(of(slots[0], 9).await.unwrap(), Some((3, 3 * each)));
    assert_eq!(of(slots[3], 9).await.unwrap(), Some((0, 0)));
    assert_eq!(of(slots[0], 2).await.unwrap(), None);
    write(place, move |tx| Ok(log::lose(tx, pg, &SegmentId([1; 32]), 0)?)).await;
    assert_eq!(of(slots[0], 9).await.unwrap(), Some((2, 2 * each)));
    assert_eq!(dropped(place, pg, 100, 1).await, 1);
    assert_eq!(of(slots[1], 9).await.unwrap(), Some((2, 2 * each)));
}

/// Writers keep and name segments while drops go on: what was named stands, what was not goes, places are given once.
async fn drops_and_names_at_once_lose_nothing(place: &mut Place) {
    let (number, PgRow { pg, .. }) = with_segments(place, 0).await;
    let writer = |lane: u8| {
        let db = place.db.clone();
        tokio::spawn(async move {
            for i in 0..20u8 {
                let n = lane * 20 + i + 1;
                let seq = db
                    .write(move |tx| storage::insert_segment(tx, number, &segment(pg, n, 1_000), &[1], Stamp(100)))
                    .await
                    .unwrap();
                if i % 2 == 0 {
                    let run = SegmentRun { pg, seq, count: 1 };
                    let name =
                        move |tx: &mut center::db::Tx<'_>| storage::name_segments(tx, &crate::rows::member_id(1), &run);
                    // Perhaps it was dropped in between: then it cannot be named, and is written again.
                    if db.write(name).await.unwrap().0 == 0 {
                        db.write(move |tx| {
                            let seq = storage::insert_segment(tx, number, &segment(pg, n, 1_000), &[1], Stamp(100))?;
                            storage::name_segments(tx, &crate::rows::member_id(1), &SegmentRun { pg, seq, count: 1 })
                        })
                        .await
                        .unwrap();
                    }
                }
            }
        })
    };
    let writers: Vec<_> = (0..3).map(writer).collect();
    for _ in 0..15 {
        dropped(place, pg, 100, 7).await;
    }
    for task in writers {
        task.await.unwrap();
    }
    dropped(place, pg, 100, 100).await;
    let entries = changes(place, pg, 0).await;
    let alive: Vec<u8> = entries.iter().filter(|e| !e.is_drop).map(|e| e.id.0[0]).collect();
    let mut sorted = alive.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..60).filter(|n| n % 2 == 0).map(|n| n + 1).collect::<Vec<u8>>());
    assert_eq!(entries.len(), 60);
    let places: std::collections::BTreeSet<u64> = entries.iter().map(|e| e.seq).collect();
    assert_eq!(places.len(), 60);
}
