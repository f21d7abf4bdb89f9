//! Versions that went out of their names' history, on both engines.

use crate::on_both;
use crate::place::Place;
use crate::storage::{append, record, version, with_bucket, write};
use center::storage::store::bucket::{self, Kind, VersionRow};
use center::storage::store::log;
use model::{BucketId, Stamp};
use wire::signed::{CommitOp, CommitRecord, Head};

on_both!(a_dropped_version_gives_its_name_to_the_one_before, what_is_dropped_keeps_its_retention_and_no_other_loses_it);

/// Drops version `n` of a name at a time; the bucket's head after it, and the names that are there.
async fn drop_version(place: &Place, name: &'static str, n: u8, at: u64) -> (Head, u64) {
    write(place, move |tx| {
        let row = bucket::hold(tx, &BucketId([1; 16]))?.unwrap();
        let target = bucket::version(tx, row.number, name.as_bytes(), &[n; 16])?.unwrap();
        let mut record = record(n);
        record[5] = CommitOp::Drop as u8;
        let bytes: [u8; CommitRecord::LEN] = record.clone().try_into().unwrap();
        let change = VersionRow {
            record,
            manifest: Vec::new(),
            segments: Vec::new(),
            segments_count: 0,
            sealed_bytes: 0,
            made_at: Stamp(at),
            ..version(name, n, Kind::Drop)
        };
        bucket::drop_version(tx, &row, &change, &target, &bytes)
    })
    .await
}

async fn newest(place: &Place, number: u32, name: &'static str) -> Option<(u8, Kind)> {
    let found = place.db.read(move |q| Ok(bucket::newest(q, number, name.as_bytes())?)).await.unwrap();
    found.map(|v| (v.version[0], v.kind))
}

/// Places whose retention has begun by a time.
async fn superseded(place: &Place, by: u64) -> Vec<u64> {
    let due = place.db.read(move |q| Ok(log::superseded(q, Stamp(by), 99)?)).await.unwrap();
    let mut places: Vec<u64> = due.into_iter().map(|(_, _, place)| place).collect();
    places.sort_unstable();
    places
}

async fn a_dropped_version_gives_its_name_to_the_one_before(place: &mut Place) {
    let number = with_bucket(place).await.number;
    let all = [version("a", 1, Kind::Object), version("a", 2, Kind::Object), version("a", 3, Kind::Marker)];
    write(place, move |tx| all.iter().try_for_each(|v| append(tx, v).map(drop))).await;
    assert_eq!(newest(place, number, "a").await, Some((3, Kind::Marker)));
    let (head, objects) = drop_version(place, "a", 3, 10).await;
    assert_eq!((head.seq, objects, newest(place, number, "a").await), (4, 1, Some((2, Kind::Object))));
    assert_eq!(drop_version(place, "a", 2, 11).await.1, 1);
    assert_eq!(newest(place, number, "a").await, Some((1, Kind::Object)));
    let version = |n: u8| place.db.read(move |q| Ok(bucket::version(q, number, b"a", &[n; 16])?));
    let dropped = |n: u8| place.db.read(move |q| Ok(bucket::dropped(q, number, b"a", &[n; 16])?));
    assert_eq!(version(2).await.unwrap(), None, "out of sight");
    let kept = dropped(2).await.unwrap().unwrap();
    assert_eq!((kept.kind, kept.bucket_seq, kept.manifest.len()), (Kind::Object, 2, 300), "and still there");
    assert_eq!((dropped(1).await.unwrap(), dropped(3).await.unwrap().unwrap().kind), (None, Kind::Marker));
    assert_eq!(drop_version(place, "a", 1, 12).await.1, 0);
    assert_eq!(newest(place, number, "a").await, None);
    place.reopen().await;
    let changes =
        |name: Option<&'static [u8]>| place.db.read(move |q| Ok(bucket::changes(q, number, name, &[], 0, 9)?));
    let seen = |rows: Vec<VersionRow>| rows.iter().map(|v| (v.bucket_seq, v.version[0], v.kind)).collect::<Vec<_>>();
    let (object, marker, drop) = (Kind::Object, Kind::Marker, Kind::Drop);
    let whole = [(1, 1, object), (2, 2, object), (3, 3, marker), (4, 3, drop), (5, 2, drop), (6, 1, drop)];
    assert_eq!(seen(changes(None).await.unwrap()), whole, "each change has its place");
    assert_eq!(seen(changes(Some(b"a")).await.unwrap()), whole, "a name is asked for with what went of it");
    // A new version of the name begins anew.
    write(place, move |tx| append(tx, &crate::storage::version("a", 7, Kind::Object)).map(std::mem::drop)).await;
    let row = place.db.read(|q| Ok(bucket::find(q, &BucketId([1; 16]))?)).await.unwrap().unwrap();
    assert_eq!((newest(place, number, "a").await, row.objects, row.head.seq), (Some((7, object)), 1, 7));
}

async fn what_is_dropped_keeps_its_retention_and_no_other_loses_it(place: &mut Place) {
    with_bucket(place).await;
    let all = [version("a", 1, Kind::Object), version("a", 2, Kind::Object), version("b", 3, Kind::Object)];
    write(place, move |tx| all.iter().try_for_each(|v| append(tx, v).map(drop))).await;
    assert_eq!(superseded(place, 99).await, [1], "the second took the place of the first");
    drop_version(place, "a", 2, 50).await;
    assert_eq!(
        (superseded(place, 49).await, superseded(place, 50).await),
        (vec![], vec![2]),
        "the first is the newest again"
    );
    drop_version(place, "a", 1, 60).await;
    assert_eq!(superseded(place, 60).await, [1, 2]);
    let more = [version("a", 4, Kind::Object), version("a", 5, Kind::Object)];
    write(place, move |tx| more.iter().try_for_each(|v| append(tx, v).map(drop))).await;
    // An older one goes: its time began when its place was taken, and the newest has none.
    drop_version(place, "a", 4, 70).await;
    assert_eq!(superseded(place, 69).await.len(), 3);
    assert_eq!(superseded(place, 99).await.len(), 3);
}
