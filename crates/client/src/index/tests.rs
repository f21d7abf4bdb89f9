//! What an index keeps, and what it makes of files that are damaged, old, or somebody else's.

use super::*;

const BUCKET: BucketId = BucketId([5; 16]);

fn row(size: u64) -> Option<Row> {
    Some(Row(size, 7, 0, [1; 32], String::new(), [2; 16], Some(([3; 16], 2)), None))
}

fn record(seq: u64, changes: &[(&str, Option<u64>)]) -> Record {
    let changes = changes.iter().map(|(name, size)| ((*name).to_owned(), size.and_then(row))).collect();
    Record { head: Head { seq, hash: [9; 32] }, changes, logs: Vec::new(), changed: seq }
}

fn names(names: &Names, prefix: &str) -> Vec<String> {
    names.below(prefix).into_iter().map(|entry| entry.name).collect()
}

#[test]
fn names_come_in_the_order_of_their_bytes_and_survive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let index = NameIndex::open(dir.path(), &[1; 32]).unwrap();
    let mut one = index.load(&BUCKET).unwrap();
    one.push(record(3, &[("b/x", Some(1)), ("a", Some(2)), ("b-", Some(3)), ("b/é", Some(4))]));
    one.push(record(4, &[("a", None)]));
    drop(one);
    let again = index.load(&BUCKET).unwrap();
    assert_eq!(names(&again, ""), ["b-", "b/x", "b/é"]);
    assert_eq!((names(&again, "b/"), again.head.seq), (vec!["b/x".to_owned(), "b/é".to_owned()], 4));
    let file = fs::read(index.path(&BUCKET, "names")).unwrap();
    assert!(!file.windows(3).any(|w| w == b"b/x"), "(B)");
    drop(again);
    let other = NameIndex::open(dir.path(), &[2; 32]).unwrap().load(&BUCKET).unwrap();
    assert_eq!((names(&other, ""), other.head), (Vec::<String>::new(), Head::default()), "another device's key");
}

#[test]
fn a_damaged_or_cut_file_ends_where_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let index = NameIndex::open(dir.path(), &[1; 32]).unwrap();
    let mut one = index.load(&BUCKET).unwrap();
    one.push(record(1, &[("a", Some(1))]));
    let first = fs::metadata(index.path(&BUCKET, "names")).unwrap().len();
    one.push(record(2, &[("b", Some(1))]));
    drop(one);
    let path = index.path(&BUCKET, "names");
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let read = index.load(&BUCKET).unwrap();
        assert_eq!(read.head.seq, u64::from(cut as u64 >= first), "cut at {cut}");
    }
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        let read = index.load(&BUCKET).unwrap();
        assert_eq!(read.head.seq, u64::from(at as u64 >= first), "byte {at}");
        drop(read);
        assert!(fs::metadata(&path).unwrap().len() <= first, "the rest goes");
    }
}

#[test]
fn what_is_old_is_dropped_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let index = NameIndex::open(dir.path(), &[1; 32]).unwrap();
    let mut one = index.load(&BUCKET).unwrap();
    for seq in 1..=13u64 {
        let many: Vec<(String, Option<u64>)> = (0..1_000).map(|n| (format!("n{n}"), Some(seq))).collect();
        let many: Vec<(&str, Option<u64>)> = many.iter().map(|(name, size)| (name.as_str(), *size)).collect();
        one.push(record(seq, &many));
    }
    let before = fs::metadata(index.path(&BUCKET, "names")).unwrap().len();
    one.compact().unwrap();
    one.push(record(14, &[("new", Some(1))]));
    drop(one);
    let after = fs::metadata(index.path(&BUCKET, "names")).unwrap().len();
    let again = index.load(&BUCKET).unwrap();
    assert!(after * 5 < before, "{before} {after}");
    assert_eq!((again.rows.len(), again.head.seq, again.rows["n7"].0), (1_001, 14, 13));
}

#[test]
fn what_was_read_is_used_again_for_the_same_file_only() {
    let dir = tempfile::tempdir().unwrap();
    let (index, other) =
        (NameIndex::open(dir.path(), &[1; 32]).unwrap(), NameIndex::open(dir.path(), &[1; 32]).unwrap());
    let mut one = index.load(&BUCKET).unwrap();
    one.push(record(2, &[("a", Some(1)), ("b", Some(1))]));
    index.keep(one);
    assert_eq!(index.0.warm.lock().unwrap().len(), 1);
    let mut two = other.load(&BUCKET).unwrap();
    two.push(record(3, &[("c", Some(1))]));
    drop(two);
    let mut again = index.load(&BUCKET).unwrap();
    assert_eq!((names(&again, ""), again.head.seq), (vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], 3));
    again.push(record(4, &[("a", None)]));
    index.keep(again);
    let warm = index.load(&BUCKET).unwrap();
    assert_eq!((names(&warm, ""), warm.head.seq), (vec!["b".to_owned(), "c".to_owned()], 4));
    assert_eq!(warm.from("", "b0").map(|entry| entry.name).collect::<Vec<_>>(), ["c"]);
    drop(warm);
    assert_eq!(names(&other.load(&BUCKET).unwrap(), ""), ["b", "c"], "what was added to a warm one is in the file");
}

#[test]
fn the_highest_head_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let index = NameIndex::open(dir.path(), &[1; 32]).unwrap();
    assert_eq!(index.seen(&BUCKET), Head::default());
    index.saw(&BUCKET, Head { seq: 5, hash: [1; 32] });
    index.saw(&BUCKET, Head { seq: 4, hash: [2; 32] });
    let again = NameIndex::open(dir.path(), &[1; 32]).unwrap();
    assert_eq!(again.seen(&BUCKET), Head { seq: 5, hash: [1; 32] });
}
