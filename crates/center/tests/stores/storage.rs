//! Buckets, versions and segments, on both engines.

use crate::on_both;
use crate::place::Place;
use crate::rows::{self, member_id, spread};
use center::access::store as access;
use center::db::{StoreError, Tx};
use center::fleet::store as fleet;
use center::storage::store::bucket::{self, BucketRow, Kind, VersionRow};
use center::storage::store::regive::{self, Cleared, Regive};
use center::storage::store::{self as storage, PgRow, log, mend};
use model::errors::{self, ErrorId};
use model::{Alias, BucketId, Class, PgId, Scheme, SegmentId, Stamp};
use wire::signed::{CommitRecord, Head};
use wire::storage::{BucketMake, Expect, SegmentRun, WrittenSegment};

on_both!(
    a_bucket_is_made_found_and_removed_when_empty,
    a_log_of_the_bucket_is_no_object_and_goes_with_it,
    a_group_is_given_slots_once_and_its_segments_are_marked,
    an_index_is_given_again_when_no_segment_names_it,
    versions_stand_in_one_order_and_names_count_once,
    what_a_commit_expects_is_held_against_the_newest,
    segments_keep_their_place_and_count_who_names_them,
    an_answer_is_remembered_and_forgotten,
    four_writers_at_once_make_one_chain,
);

pub async fn write<T: Send + 'static>(
    place: &Place,
    f: impl Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    place.db.write(f).await.unwrap()
}

fn make(n: u8) -> BucketMake {
    BucketMake {
        id: BucketId([n; 16]),
        check: [n; 16],
        name_check: [n + 1; 16],
        label: vec![n; 40],
        class: Class::Fortress,
        regions: ["europe/de", "asia/kr"].map(|r| r.parse().unwrap()).into(),
        regions_min: 2,
    }
}

pub async fn with_bucket(place: &Place) -> BucketRow {
    write(place, |tx| {
        (1..=2).try_for_each(|n| access::insert_member(tx, &rows::member(n)))?;
        (1..=4).try_for_each(|n| fleet::insert_node(tx, &rows::node(n, 1)).map(drop))?;
        bucket::insert(tx, &member_id(1), &make(1), Stamp(5)).map(drop)
    })
    .await;
    found(place, 1).await.unwrap()
}

async fn found(place: &Place, n: u8) -> Option<BucketRow> {
    place.db.read(move |q| Ok(bucket::find(q, &BucketId([n; 16]))?)).await.unwrap()
}

pub fn refused<T>(result: Result<T, StoreError>) -> Option<ErrorId> {
    result.err().map(|e| e.id())
}

async fn a_bucket_is_made_found_and_removed_when_empty(place: &mut Place) {
    let row = with_bucket(place).await;
    assert_eq!((row.number, row.owner, row.key_check, row.name_check), (1, member_id(1), [1; 16], [2; 16]));
    assert_eq!((row.head, row.objects, row.made_at, row.label), (Head::default(), 0, Stamp(5), vec![1; 40]));
    assert_eq!((row.class, row.regions.as_str(), row.regions_min), (Class::Fortress, "asia/kr,europe/de", 2));
    let again = place.db.write(|tx| bucket::insert(tx, &member_id(2), &make(1), Stamp(6))).await;
    assert_eq!(refused(again), Some(errors::BUCKET_EXISTS));
    write(place, |tx| bucket::insert(tx, &member_id(2), &make(3), Stamp(6)).map(drop)).await;
    let of = |n| place.db.read(move |q| Ok(bucket::of_owner(q, &member_id(n))?));
    assert_eq!((of(1).await.unwrap().len(), of(2).await.unwrap().len()), (1, 1));
    place.reopen().await;
    let row = found(place, 1).await.unwrap();
    let full = BucketRow { objects: 1, ..row.clone() };
    assert_eq!(
        refused(place.db.write(move |tx| bucket::remove(tx, &full, Stamp(7))).await),
        Some(errors::BUCKET_NOT_EMPTY)
    );
    write(place, move |tx| bucket::remove(tx, &row, Stamp(7))).await;
    assert_eq!(found(place, 1).await, None);
    assert!(place.db.read(|q| Ok(bucket::of_owner(q, &member_id(1))?)).await.unwrap().is_empty());
    let other = place.db.write(|tx| bucket::insert(tx, &member_id(2), &make(1), Stamp(8))).await;
    assert_eq!(refused(other), Some(errors::BUCKET_EXISTS), "another's, though removed");
    let otherwise = BucketMake { regions_min: 1, ..make(1) };
    let otherwise = place.db.write(move |tx| bucket::insert(tx, &member_id(1), &otherwise, Stamp(8))).await;
    assert_eq!(refused(otherwise), Some(errors::BUCKET_EXISTS), "what it still holds stands by other rules");
    write(place, |tx| bucket::insert(tx, &member_id(1), &make(1), Stamp(8)).map(drop)).await;
    let back = found(place, 1).await.unwrap();
    assert_eq!((back.number, back.made_at, back.objects), (1, Stamp(8), 0), "the same row goes on");
}

async fn a_log_of_the_bucket_is_no_object_and_goes_with_it(place: &mut Place) {
    let row = with_bucket(place).await;
    let log = |n: u8, kind| {
        let mut log = version("log", n, kind);
        log.record[5] = wire::signed::CommitOp::Log as u8;
        log
    };
    for v in [version("a", 1, Kind::Object), log(2, Kind::Object), version("a", 3, Kind::Marker)] {
        write(place, move |tx| append(tx, &v).map(drop)).await;
    }
    let row = BucketRow { head: row.head, ..found(place, 1).await.unwrap() };
    assert_eq!(row.objects, 0);
    write(place, move |tx| bucket::remove(tx, &row, Stamp(9))).await;
    let old = place.db.read(|q| Ok(center::storage::store::log::superseded(q, Stamp(9), 10)?)).await.unwrap();
    let log = *old.iter().find(|(since, _, seq)| (*since, *seq) == (Stamp(9), 2)).expect("the log's retention begins");
    let made = || place.db.write(|tx| bucket::insert(tx, &member_id(1), &make(1), Stamp(10)).map(drop));
    made().await.unwrap();
    let old = place.db.read(|q| Ok(center::storage::store::log::superseded(q, Stamp(10), 10)?)).await.unwrap();
    assert!(!old.contains(&log), "made again, it keeps its log: {old:?}");
    assert!(old.iter().any(|(.., seq)| *seq == 1), "what was removed before stays so: {old:?}");
    let row = found(place, 1).await.unwrap();
    write(place, move |tx| bucket::remove(tx, &row, Stamp(11))).await;
    write(place, |tx| center::storage::store::log::expire(tx, (Stamp(11), 1, 2)).map_err(Into::into)).await;
    assert_eq!(refused(made().await), Some(errors::BUCKET_EXISTS), "a log that is gone would be counted on");
}

async fn an_index_is_given_again_when_no_segment_names_it(place: &mut Place) {
    with_bucket(place).await;
    let pg = with_pg(place).await;
    write(place, |tx| fleet::insert_node(tx, &rows::node(5, 1)).map(drop)).await;
    for n in 1..=3 {
        let segment = crate::rows::segment(pg.pg, n, 1_000);
        write(place, move |tx| storage::insert_segment(tx, 1, &segment, &[0b11], Stamp(5)).map(drop)).await;
    }
    let group = || place.db.read(move |q| Ok(mend::group(q, pg.pg)?));
    let (row, old) = (group().await.unwrap().unwrap().row, pg.slots[1]);
    assert_eq!(write(place, move |tx| mend::add_slots(tx, &row, &[(1, Alias(5))])).await, [(1, Alias(5))]);
    let ways = || place.db.read(|q| Ok(regive::under_way(q, 9)?));
    let one = ways().await.unwrap()[0];
    assert_eq!((one.slot, one.from, one.to, one.next_seq), (1, old, Alias(5), 0));
    let now = group().await.unwrap().unwrap();
    assert_eq!((now.row.slots[1], now.row.generation, now.regives), (old, pg.generation, vec![one]));
    let yours = |node| place.db.read(move |q| Ok(log::indexes_of(q, pg.pg, node)?));
    let clear = |one, standing, k| write(place, move |tx| regive::clear(tx, &one, (&[standing][..], k), 2));
    assert_eq!(clear(one, 0b0001, 1).await, Cleared::More, "two of three");
    assert_eq!(group().await.unwrap().unwrap().row.slots[1], old, "one segment says still that a piece stands");
    assert_eq!(clear(one, 0b0001, 1).await, Cleared::Given);
    let now = group().await.unwrap().unwrap();
    assert_eq!((now.row.slots[1], now.row.generation, now.regives), (Alias(5), pg.generation + 1, Vec::new()));
    let thin = place.db.read(move |q| Ok(storage::thin::segments(q, pg.pg, 0, 9)?)).await.unwrap();
    assert_eq!(thin.iter().map(|row| row.have.clone()).collect::<Vec<_>>(), vec![vec![0b01]; 3]);
    assert_eq!(
        yours(old).await.unwrap().len(),
        usize::from(pg.scheme.n_max),
        "while pieces are lacking all may be needed"
    );
    write(place, move |tx| {
        assert!(mend::mark(tx, pg.pg, 0, 9)?);
        Ok((1..=3).try_for_each(|seq| storage::thin::settle(tx, pg.pg, seq))?)
    })
    .await;
    assert_eq!(yours(old).await.unwrap(), Vec::<u16>::new());
    // Whoever is back before keeps it, and whose index it is not any more loses nothing.
    let (row, late) = (now.row.clone(), now.row);
    let again = || {
        write(place, {
            let row = row.clone();
            move |tx| mend::add_slots(tx, &row, &[(0, Alias(3))])
        })
    };
    assert_eq!(again().await.len(), 1);
    let one = ways().await.unwrap()[0];
    write(place, move |tx| Ok(regive::cancel(tx, &one)?)).await;
    assert_eq!(clear(one, 0b0010, 1).await, Cleared::Stays, "nothing is under way");
    // Nor does one whose piece a segment needs: of these one piece is left, and its holder stands.
    assert_eq!(again().await.len(), 1);
    assert_eq!(clear(ways().await.unwrap()[0], 0b0011, 1).await, Cleared::Stays);
    assert_eq!(ways().await.unwrap(), []);
    assert_eq!(group().await.unwrap().unwrap().row.slots[0], pg.slots[0]);
    let stale = Regive { from: Alias(2), to: Alias(1), slot: 1, ..one };
    assert!(!write(place, move |tx| Ok(regive::begin(tx, &stale)?)).await, "the slot is another's by now");
    assert_eq!((ways().await.unwrap(), late.slots[1]), (Vec::new(), Alias(5)));
}

async fn a_group_is_given_slots_once_and_its_segments_are_marked(place: &mut Place) {
    with_bucket(place).await;
    let pg = with_pg(place).await;
    let groups = || place.db.read(|q| Ok(mend::groups(q, None, 9)?));
    assert_eq!(groups().await.unwrap(), [], "without segments there is nothing to repair");
    for n in 1..=3 {
        let segment = crate::rows::segment(pg.pg, n, 1_000);
        write(place, move |tx| storage::insert_segment(tx, 1, &segment, &[0b11], Stamp(5)).map(drop)).await;
    }
    let found = groups().await.unwrap();
    assert_eq!((found.len(), found[0].row.slots.len()), (1, pg.slots.len()));
    let next = u16::try_from(pg.slots.len()).unwrap();
    let (row, far) = (found[0].row.clone(), found[0].row.clone());
    let skipped = place.db.write(move |tx| mend::add_slots(tx, &far, &[(next + 1, Alias(4))])).await;
    assert_eq!(refused(skipped), Some(errors::LEASE_STALE), "an index is never left out");
    let once = row.clone();
    assert_eq!(write(place, move |tx| mend::add_slots(tx, &once, &[(next, Alias(4))])).await, [(next, Alias(4))]);
    let older = write(place, move |tx| mend::add_slots(tx, &row, &[(next, Alias(3))])).await;
    assert_eq!(older, [], "an older generation");
    place.reopen().await;
    let now = place.db.read(move |q| Ok(storage::pg(q, pg.pg)?)).await.unwrap().unwrap();
    assert_eq!((now.generation, now.slots.last()), (pg.generation + 1, Some(&Alias(4))));
    let thin = || place.db.read(move |q| Ok(storage::thin::segments(q, pg.pg, 0, 9)?.len()));
    for (marked, is_last) in [(2, false), (3, true)] {
        let from = place.db.read(move |q| Ok(mend::mending_of(q, pg.pg)?)).await.unwrap().unwrap();
        assert_eq!(write(place, move |tx| Ok(mend::mark(tx, pg.pg, from, 2)?)).await, is_last);
        assert_eq!(thin().await.unwrap(), marked);
    }
    assert_eq!(place.db.read(|q| Ok(mend::mending(q, 9)?)).await.unwrap(), []);
    // A holder of the new slot is joined to what was written before there was one.
    let mut have = vec![0; usize::from(next / 8) + 1];
    have[usize::from(next / 8)] = 1 << (next % 8);
    let bits = have.clone();
    let joined = write(place, move |tx| Ok(storage::thin::join_holders(tx, pg.pg, 1, &SegmentId([1; 32]), &bits)?));
    have[0] |= 0b11;
    assert_eq!(joined.await, Some((have, true)));
}

/// Bytes in place of a record that puts.
pub fn record(n: u8) -> Vec<u8> {
    let mut bytes = vec![n; CommitRecord::LEN];
    bytes[5] = wire::signed::CommitOp::Put as u8;
    bytes
}

pub fn version(name: &str, n: u8, kind: Kind) -> VersionRow {
    VersionRow {
        bucket_seq: 0,
        name_sealed: name.as_bytes().to_vec(),
        version: [n; 16],
        kind,
        record: record(n),
        manifest: if kind == Kind::Object { vec![n; 300] } else { Vec::new() },
        segments: vec![SegmentRun { pg: PgId(1), seq: u64::from(n), count: 2 }],
        segments_count: 2,
        sealed_bytes: 1_000,
        made_at: Stamp(u64::from(n)),
    }
}

/// Appends a version as a commit does; the head after it.
pub fn append(tx: &mut Tx<'_>, v: &VersionRow) -> Result<Head, StoreError> {
    let row = bucket::hold(tx, &BucketId([1; 16]))?.unwrap();
    let newest = bucket::newest(tx, row.number, &v.name_sealed)?;
    let record: [u8; CommitRecord::LEN] = v.record.clone().try_into().unwrap();
    bucket::append(tx, &row, v, newest.is_some_and(|v| v.kind == Kind::Object), &record)
}

async fn versions_stand_in_one_order_and_names_count_once(place: &mut Place) {
    with_bucket(place).await;
    let all = [
        version("a", 1, Kind::Object),
        version("b", 2, Kind::Object),
        version("a", 3, Kind::Object),
        version("a", 4, Kind::Marker),
        version("b", 5, Kind::Object),
    ];
    let written = all.clone();
    let heads = write(place, move |tx| written.iter().map(|v| append(tx, v)).collect::<Result<Vec<_>, _>>()).await;
    let naive = all.iter().scan(Head::default(), |head, v| {
        *head = head.after(&v.record.clone().try_into().unwrap());
        Some(*head)
    });
    assert_eq!(heads, naive.collect::<Vec<_>>(), "the chain is that of the records in order");
    place.reopen().await;
    let row = found(place, 1).await.unwrap();
    assert_eq!((row.head, row.objects, row.sealed_bytes), (heads[4], 1, 5_000), "b is there, a is not");
    let number = row.number;
    let newest = |name: &'static str| place.db.read(move |q| Ok(bucket::newest(q, number, name.as_bytes())?));
    let a = newest("a").await.unwrap().unwrap();
    assert_eq!((a.kind, a.bucket_seq, a.version), (Kind::Marker, 4, [4; 16]));
    assert_eq!(newest("b").await.unwrap(), Some(VersionRow { bucket_seq: 5, ..all[4].clone() }), "reads back whole");
    assert_eq!(newest("c").await.unwrap(), None);
    let third = place.db.read(move |q| Ok(bucket::version(q, number, b"a", &[3; 16])?)).await.unwrap().unwrap();
    assert_eq!(third.bucket_seq, 3);
    let changes = |name: Option<&'static [u8]>, after, limit| {
        place.db.read(move |q| Ok(bucket::changes(q, number, name, &[], after, limit)?))
    };
    let seqs = |rows: Vec<VersionRow>| rows.iter().map(|v| v.bucket_seq).collect::<Vec<_>>();
    assert_eq!(seqs(changes(None, 1, 3).await.unwrap()), [2, 3, 4]);
    assert_eq!(seqs(changes(Some(b"a"), 0, 9).await.unwrap()), [1, 3, 4]);
    assert_eq!(seqs(changes(Some(b"a"), 3, 9).await.unwrap()), [4]);
}

async fn what_a_commit_expects_is_held_against_the_newest(_: &mut Place) {
    let there = version("a", 1, Kind::Object);
    let gone = version("a", 2, Kind::Marker);
    let check = |newest: Option<&VersionRow>, expect| refused(bucket::check_expected(newest, &expect));
    let no = Some(errors::PRECONDITION);
    for newest in [None, Some(&there), Some(&gone)] {
        assert_eq!(check(newest, Expect::Any), None);
    }
    assert_eq!(
        [None, Some(&there), Some(&gone)].map(|newest| check(newest, Expect::Absent)),
        [None, no, None],
        "a marker is absence"
    );
    let one = Expect::Version([1; 16]);
    assert_eq!([None, Some(&there), Some(&gone)].map(|newest| check(newest, one)), [no, None, no]);
    assert_eq!(check(Some(&there), Expect::Version([9; 16])), no);
}

fn scheme() -> Scheme {
    Scheme { k: 2, m: 3, o: 4, slots: 4, n_max: 16, accept: 3 }
}

pub async fn with_pg(place: &Place) -> PgRow {
    write(place, |tx| storage::insert_pg(tx, &scheme(), &[1, 2, 3, 4].map(Alias), Class::Standard, "asia/kr", 0)).await
}

async fn segments_keep_their_place_and_count_who_names_them(place: &mut Place) {
    let number = with_bucket(place).await.number;
    let pg = with_pg(place).await.pg;
    let segment = move |n: u64| WrittenSegment {
        id: SegmentId(spread(n)),
        pg,
        sealed_bytes: 100 + n,
        root: [0; 32],
        receipts: Vec::new(),
    };
    let insert =
        move |tx: &mut Tx<'_>, n: u64, have: &[u8]| storage::insert_segment(tx, number, &segment(n), have, Stamp(n));
    let seqs = write(place, move |tx| (1..=5).map(|n| insert(tx, n, &[0b0011])).collect::<Result<Vec<_>, _>>()).await;
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
    let again = write(place, move |tx| insert(tx, 3, &[0b0100])).await;
    assert_eq!(again, 3, "a segment that is there keeps its place");
    let rows = place.db.read(move |q| Ok(storage::segments(q, pg, 3, 2)?)).await.unwrap();
    assert_eq!(rows.iter().map(|s| (s.seq, s.sealed_bytes)).collect::<Vec<_>>(), [(3, 103), (4, 104)]);
    assert_eq!((rows[0].have[0], rows[1].have[0]), (0b0111, 0b0011), "holders are joined");
    let name = |owner, seq, count| {
        place.db.write(move |tx| storage::name_segments(tx, &member_id(owner), &SegmentRun { pg, seq, count }))
    };
    assert_eq!(name(1, 2, 3).await.unwrap(), (3, 102 + 103 + 104));
    assert_eq!(name(1, 4, 9).await.unwrap().0, 2, "a run past the end is told by its count");
    assert_eq!(name(2, 1, 5).await.unwrap(), (0, 0), "another member's segments are not there");
}

async fn an_answer_is_remembered_and_forgotten(place: &mut Place) {
    let head = Head { seq: 9, hash: [3; 32] };
    write(place, move |tx| Ok(bucket::remember(tx, &[1; 16], &head, Stamp(50))?)).await;
    let answered = || place.db.read(|q| Ok(bucket::answered(q, &[1; 16])?));
    assert_eq!(answered().await.unwrap(), Some((head, Stamp(50))));
    assert_eq!(write(place, |tx| Ok(bucket::forget_answers_before(tx, Stamp(50))?)).await, 0);
    assert_eq!(write(place, |tx| Ok(bucket::forget_answers_before(tx, Stamp(51))?)).await, 1);
    assert_eq!(answered().await.unwrap(), None);
}

async fn four_writers_at_once_make_one_chain(place: &mut Place) {
    let number = with_bucket(place).await.number;
    let writer = |n: u8| {
        let db = place.db.clone();
        tokio::spawn(async move {
            for at in 0..25 {
                let v = version(&format!("{n}/{at}"), n * 30 + at, Kind::Object);
                db.write(move |tx| append(tx, &v)).await.unwrap();
            }
        })
    };
    for task in (0..4).map(writer).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let rows = place.db.read(move |q| Ok(bucket::changes(q, number, None, &[], 0, 1_000)?)).await.unwrap();
    assert_eq!(rows.iter().map(|v| v.bucket_seq).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
    let chain = rows.iter().fold(Head::default(), |head, v| head.after(&v.record.clone().try_into().unwrap()));
    let row = found(place, 1).await.unwrap();
    assert_eq!((row.head, row.objects), (chain, 100));
}
