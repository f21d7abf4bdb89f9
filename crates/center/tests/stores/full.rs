//! SQLite alone: no space, who may read the file, how large a row is, writes that share a commit.

use crate::place::Place;
use crate::rows;
use center::access::store as access;
use center::db::{Db, DbError, DbUrl, StoreError, Unwritable, meta};
use center::fleet::store as fleet;
use model::errors;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const BIG: usize = 64 << 10;

async fn pages(db: &Db) -> u32 {
    db.read(|q| Ok(q.query_opt("PRAGMA page_count", &[], |row| row.get(0))?)).await.unwrap().unwrap()
}

async fn set_ceiling(db: &Db, pages: u32) {
    db.write(move |tx| Ok(tx.set_page_ceiling(pages)?)).await.unwrap();
}

async fn put(db: &Db, name: &str, bytes: usize) -> Result<(), StoreError> {
    let name = name.to_owned();
    db.write(move |tx| {
        meta::put(tx, &format!("{name} first"), b"small")?;
        Ok(meta::put(tx, &name, &vec![7; bytes])?)
    })
    .await
}

async fn count(db: &Db) -> u64 {
    db.read(|q| Ok(q.query_opt("SELECT count(*) FROM meta", &[], |row| row.get(0))?)).await.unwrap().unwrap()
}

/// (D) on SQLite.
#[tokio::test]
async fn without_space_a_write_is_refused_whole_and_goes_on_when_space_is_back() {
    let mut place = Place::sqlite();
    let db = &place.db;
    put(db, "before", 100).await.unwrap();
    set_ceiling(db, pages(db).await + 4).await;
    for _ in 0..3 {
        let refused = put(db, "big", BIG).await.unwrap_err();
        assert!(matches!(refused, StoreError::Db(DbError::Unwritable { why: Unwritable::Full, .. })), "{refused:?}");
        assert_eq!(refused.id(), errors::DB_UNWRITABLE);
        assert_eq!(count(db).await, 2, "reads go on, and nothing of it stands");
    }
    put(db, "small", 10).await.unwrap();
    set_ceiling(db, 1 << 20).await;
    put(db, "big", BIG).await.unwrap();
    place.reopen().await;
    assert_eq!(count(&place.db).await, 6);
}

/// Writes that wait together share a commit; when one of them finds no space, the others stand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_loses_only_the_write_that_does_not_fit() {
    let place = Place::sqlite();
    let db = &place.db;
    put(db, "before", 100).await.unwrap();
    set_ceiling(db, pages(db).await + 4).await;
    let before = db.stats();
    let held = hold_writer(db).await;
    let writes: Vec<_> = (0..20)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move { put(&db, &format!("w{n}"), if n == 7 { BIG } else { 8 }).await })
        })
        .collect();
    while waiting(db) < 20 {
        tokio::task::yield_now().await;
    }
    held.store(false, Ordering::Relaxed);
    for (n, write) in (0..).zip(writes) {
        assert_eq!(write.await.unwrap().is_err(), n == 7, "write {n}");
    }
    let after = db.stats();
    assert_eq!(after.writes - before.writes, 20, "nineteen and the one that held the writer");
    assert_eq!(count(db).await, 2 + 2 * 19);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_wait_together_share_a_commit() {
    let place = Place::sqlite();
    let db = &place.db;
    let held = hold_writer(db).await;
    let writes: Vec<_> = (0..100)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move { put(&db, &format!("w{n}"), 8).await })
        })
        .collect();
    while waiting(db) < 100 {
        tokio::task::yield_now().await;
    }
    held.store(false, Ordering::Relaxed);
    for write in writes {
        write.await.unwrap().unwrap();
    }
    let stats = db.stats();
    assert_eq!(stats.writes, 101);
    assert!(stats.commits <= 60, "{} commits for 101 writes", stats.commits);
}

fn waiting(db: &Db) -> usize {
    db.stats().writes_waiting
}

/// Keeps the writer busy until the flag falls.
async fn hold_writer(db: &Db) -> Arc<AtomicBool> {
    let (held, began) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (hold, mark, db) = (Arc::clone(&held), Arc::clone(&began), db.clone());
    tokio::spawn(async move {
        db.write(move |_| {
            mark.store(true, Ordering::Relaxed);
            while hold.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            Ok(())
        })
        .await
    });
    while !began.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
    held
}

/// Figure of `docs/design/fleet.md` §1: a node's row, every field filled, stays within 1 KiB.
#[tokio::test]
async fn ten_thousand_full_rows_of_nodes_stay_within_a_kibibyte_each() {
    const NODES: u64 = 10_000;
    let place = Place::sqlite();
    let db = &place.db;
    db.write(|tx| access::insert_member(tx, &rows::member(1))).await.unwrap();
    let before = pages(db).await;
    for block in 0..10 {
        db.write(move |tx| {
            let numbers = block * NODES / 10..(block + 1) * NODES / 10;
            numbers.into_iter().try_for_each(|n| {
                let name = format!("{n:0>64}");
                fleet::insert_node(tx, &fleet::NewNode { name, ..rows::node(n, 1) }).map(drop)
            })
        })
        .await
        .unwrap();
    }
    let bytes = u64::from(pages(db).await - before) * 4_096 / NODES;
    println!("{bytes} bytes a node with its indexes");
    assert!(bytes <= 1_024, "{bytes} bytes a node");
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::sqlite();
    put(&place.db, "x", 1).await.unwrap();
    let DbUrl::Sqlite(path) = &place.url else { unreachable!() };
    let folder = path.parent().unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
        seen += 1;
    }
    assert!(seen >= 2, "the file and its log");
}

#[test]
fn a_folder_that_is_not_there_and_a_file_that_is_no_database_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = Db::open(&DbUrl::Sqlite(folder.path().join("no/center.db"))).map(drop);
    assert!(matches!(nowhere, Err(DbError::Unwritable { why: Unwritable::Io, .. })), "{nowhere:?}");
    let path = folder.path().join("text");
    std::fs::write(&path, "this is no database, and long enough to be looked at".repeat(100)).unwrap();
    let text = Db::open(&DbUrl::Sqlite(path.clone())).map(drop);
    assert!(matches!(text, Err(DbError::Statement { .. })), "{text:?}");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("this is no database"));
}
