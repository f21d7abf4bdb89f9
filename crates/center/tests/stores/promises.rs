//! The promises (A) to (C) of `center::db`, and what its handle does.

use crate::on_both;
use crate::place::Place;
use crate::rows::{self, member_id, ticket_id};
use center::access::store as access;
use center::db::{DbError, ROWS_MAX, StoreError, meta};
use model::errors;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

on_both!(
    a_refusal_undoes_its_own_and_no_other,
    a_panic_leaves_nothing_and_the_service_goes_on,
    a_failed_statement_that_is_swallowed_is_not_kept,
    a_reader_cannot_write,
    a_reader_sees_one_moment,
    what_a_write_answered_a_read_sees,
    two_writers_cannot_each_overlook_the_other,
    what_was_asked_before_the_end_is_served_and_nothing_after,
    a_caller_that_went_away_does_not_unmake_what_stands,
    rows_are_counted_once_they_stand,
    a_flood_of_rows_is_refused,
    every_value_reads_back,
);

fn refused() -> StoreError {
    StoreError::refused(errors::NOT_ALLOWED, "asked to")
}

async fn names(place: &Place) -> Vec<String> {
    let sql = "SELECT name FROM meta ORDER BY name";
    place.db.read(move |q| Ok(q.query(sql, &[], |row| row.get(0))?)).await.unwrap()
}

async fn a_refusal_undoes_its_own_and_no_other(place: &mut Place) {
    let writes: Vec<_> = (0..200_u32)
        .map(|n| {
            let db = place.db.clone();
            tokio::spawn(async move {
                db.write(move |tx| {
                    meta::put(tx, &format!("{n:03}"), b"first")?;
                    meta::put(tx, &format!("{n:03} too"), b"second")?;
                    if n % 3 == 0 { Err(refused()) } else { Ok(n) }
                })
                .await
            })
        })
        .collect();
    for (n, write) in (0..).zip(writes) {
        assert_eq!(write.await.unwrap(), if n % 3 == 0 { Err(refused()) } else { Ok(n) });
    }
    place.reopen().await;
    let expected = (0..200).filter(|n| n % 3 != 0).flat_map(|n| [format!("{n:03}"), format!("{n:03} too")]);
    assert_eq!(names(place).await, expected.collect::<Vec<_>>());
}

async fn a_panic_leaves_nothing_and_the_service_goes_on(place: &mut Place) {
    for _ in 0..10 {
        let answer = place.db.write(|tx| {
            meta::put(tx, "half", b"done")?;
            if tx.query_opt("SELECT 1 FROM meta", &[], |_| Ok(()))?.is_some() {
                panic!("between two statements");
            }
            Ok(())
        });
        let error = answer.await.unwrap_err();
        assert!(matches!(&error, StoreError::Db(DbError::Panicked { what }) if what == "between two statements"));
        assert_eq!(error.id(), errors::BUG);
        let answer = place.db.read(|_| -> Result<(), StoreError> { panic!("in a read") }).await;
        assert!(matches!(answer, Err(StoreError::Db(DbError::Panicked { .. }))));
    }
    place.db.write(|tx| Ok(meta::put(tx, "whole", b"done")?)).await.unwrap();
    assert_eq!(names(place).await, ["whole"]);
}

async fn a_failed_statement_that_is_swallowed_is_not_kept(place: &mut Place) {
    place.db.write(|tx| access::insert_member(tx, &rows::member(1))).await.unwrap();
    let answer = place.db.write(|tx| {
        meta::put(tx, "before", b"")?;
        let swallowed = access::insert_member(tx, &rows::member(1));
        assert!(swallowed.is_err());
        let next = meta::put(tx, "after", b"");
        assert_eq!(next, Err(DbError::Spoiled));
        Ok(())
    });
    assert!(matches!(answer.await, Err(StoreError::Db(DbError::Duplicate { .. }))));
    assert_eq!(names(place).await, [""; 0]);
}

async fn a_reader_cannot_write(place: &mut Place) {
    let sql = "INSERT INTO meta (name, value) VALUES ('x', $1) RETURNING name";
    let answer = place.db.read(move |q| Ok(q.query(sql, &[(&[1_u8; 1]).into()], |row| row.get::<String>(0))?)).await;
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(names(place).await, [""; 0]);
}

/// Moves uses between two tickets while others look: their sum never changes.
async fn a_reader_sees_one_moment(place: &mut Place) {
    place
        .db
        .write(|tx| {
            access::insert_member(tx, &rows::member(1))?;
            (1..=2).try_for_each(|n| access::insert_ticket(tx, &rows::ticket(n, 1, 1_000)))?;
            Ok(tx.execute("UPDATE ticket SET uses_left = 500", &[]).map(drop)?)
        })
        .await
        .unwrap();
    let (writer, reader) = (place.db.clone(), place.db.clone());
    let moves = tokio::spawn(async move {
        for _ in 0..100 {
            let moved = writer.write(|tx| {
                let sql = "UPDATE ticket SET uses_left = uses_left + $2 WHERE id = $1";
                tx.execute(sql, &[(&ticket_id(1)).into(), (-1_i64).into()])?;
                Ok(tx.execute(sql, &[(&ticket_id(2)).into(), 1_i64.into()]).map(drop)?)
            });
            moved.await.unwrap();
        }
    });
    while !moves.is_finished() {
        let looked = reader.read(|q| {
            let first = access::ticket(q, &ticket_id(1))?.map(|t| t.uses_left);
            std::thread::yield_now();
            let second = access::ticket(q, &ticket_id(2))?.map(|t| t.uses_left);
            Ok((first, second))
        });
        let (first, second) = looked.await.unwrap();
        assert_eq!(first.unwrap() + second.unwrap(), 1_000);
    }
    moves.await.unwrap();
}

async fn what_a_write_answered_a_read_sees(place: &mut Place) {
    for n in 0..50_u8 {
        place.db.write(move |tx| Ok(meta::put(tx, "n", &[n])?)).await.unwrap();
        let seen = place.db.read(|q| Ok(meta::get(q, "n")?)).await.unwrap();
        assert_eq!(seen, Some(vec![n]));
    }
}

/// Each of two writers looks for the other's mark and sets its own only where there is none (B).
async fn two_writers_cannot_each_overlook_the_other(place: &mut Place) {
    for round in 0..20 {
        let gate = Arc::new(tokio::sync::Barrier::new(2));
        let writers = ["left", "right"].map(|mine| {
            let (db, gate) = (place.db.clone(), Arc::clone(&gate));
            tokio::spawn(async move {
                gate.wait().await;
                db.write(move |tx| {
                    let other = if mine == "left" { "right" } else { "left" };
                    if meta::get(tx, &format!("{round} {other}"))?.is_some() {
                        return Err(refused());
                    }
                    std::thread::yield_now();
                    Ok(meta::put(tx, &format!("{round} {mine}"), b"")?)
                })
                .await
            })
        });
        let mut won = 0;
        for writer in writers {
            won += u32::from(writer.await.unwrap().is_ok());
        }
        assert_eq!(won, 1, "round {round}");
    }
    assert_eq!(names(place).await.len(), 20);
}

async fn what_was_asked_before_the_end_is_served_and_nothing_after(place: &mut Place) {
    let writes: Vec<_> = (0..50_u8)
        .map(|n| {
            let db = place.db.clone();
            tokio::spawn(async move { db.write(move |tx| Ok(meta::put(tx, &n.to_string(), &[n])?)).await })
        })
        .collect();
    place.db.close().await;
    let mut stood = 0;
    for write in writes {
        match write.await.unwrap() {
            Ok(()) => stood += 1,
            Err(error) => assert_eq!(error, StoreError::Db(DbError::Closed)),
        }
    }
    assert_eq!(place.db.write(|_| Ok(())).await, Err(StoreError::Db(DbError::Closed)));
    assert_eq!(place.db.read(|_| Ok(())).await, Err(StoreError::Db(DbError::Closed)));
    place.db.close().await; // a second end is nothing
    place.reopen().await;
    assert_eq!(names(place).await.len(), stood);
}

async fn a_caller_that_went_away_does_not_unmake_what_stands(place: &mut Place) {
    let ran = Arc::new(AtomicU32::new(0));
    let (mark, db) = (Arc::clone(&ran), place.db.clone());
    let write = tokio::spawn(async move {
        db.write(move |tx| {
            mark.fetch_add(1, Ordering::Relaxed);
            Ok(meta::put(tx, "kept", b"")?)
        })
        .await
    });
    while ran.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    write.abort();
    place.reopen().await; // the end waits for what runs
    assert_eq!(names(place).await, ["kept"]);
}

async fn rows_are_counted_once_they_stand(place: &mut Place) {
    let db = &place.db;
    assert_eq!(db.rows_written(), 0);
    db.write(|tx| (0..5).try_for_each(|n| access::insert_member(tx, &rows::member(n)))).await.unwrap();
    let undone = db.write(|tx| {
        access::insert_member(tx, &rows::member(9))?;
        Err::<(), _>(refused())
    });
    assert_eq!(undone.await, Err(refused()));
    assert_eq!(db.rows_written(), 5);
    db.write(|tx| center::fleet::store::insert_node(tx, &rows::node(1, 1)).map(drop)).await.unwrap();
    assert_eq!(db.rows_written(), 7, "the node and the counter of aliases");
    for _ in 0..100 {
        db.read(|q| Ok(access::member(q, &member_id(1))?)).await.unwrap();
        db.write(|tx| Ok(access::member(tx, &member_id(1))?)).await.unwrap();
    }
    let stats = db.stats();
    assert_eq!((stats.rows_written, stats.writes), (7, 102));
    assert_eq!(stats.write_us.iter().sum::<u64>(), 102);
    assert!(stats.write_us_total > 0 && stats.commits <= stats.writes);
}

async fn a_flood_of_rows_is_refused(place: &mut Place) {
    let sql =
        "WITH RECURSIVE n(i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $2) SELECT i FROM n";
    let count = |max: usize| {
        let params = move || [1_i64.into(), i64::try_from(max).unwrap().into()];
        place.db.read(move |q| Ok(q.query(sql, &params(), |row| row.get::<i64>(0))?.len()))
    };
    assert_eq!(count(ROWS_MAX).await, Ok(ROWS_MAX));
    assert!(matches!(count(ROWS_MAX + 1).await, Err(StoreError::Db(DbError::Statement { .. }))));
}

async fn every_value_reads_back(place: &mut Place) {
    let texts = ["", "a", "품앗이 互助", "quote ' \" \\ % _", "line\nbreak", "\u{10ffff}"];
    for text in texts {
        let name = text.to_owned();
        let read = place.db.write(move |tx| {
            meta::put(tx, &name, name.as_bytes())?;
            let sql = "SELECT name, value FROM meta WHERE name = $1";
            Ok(tx.query_opt(sql, &[(&name).into()], |row| Ok((row.get::<String>(0)?, row.get::<Vec<u8>>(1)?)))?)
        });
        assert_eq!(read.await.unwrap(), Some((text.to_owned(), text.as_bytes().to_vec())));
    }
    for number in [0, 1, -1, i64::MAX, i64::MIN] {
        let read = place.db.write(move |tx| {
            tx.execute("UPDATE counter SET value = $1 WHERE name = 'alias'", &[number.into()])?;
            Ok(tx.query_opt("SELECT value FROM counter WHERE name = 'alias'", &[], |row| row.get::<i64>(0))?)
        });
        assert_eq!(read.await.unwrap(), Some(number));
    }
    let wrong = place
        .db
        .read(|q| Ok(q.query("SELECT value FROM counter WHERE name = 'alias'", &[], |row| row.get::<u8>(0))?))
        .await;
    assert!(matches!(wrong, Err(StoreError::Db(DbError::Column { column: 0, .. }))), "{wrong:?}");
    let blob = [0_u8, 255, 0, 1];
    place.db.write(move |tx| Ok(meta::put(tx, "blob", &blob)?)).await.unwrap();
    let wrong = place.db.read(|q| {
        let sql = "SELECT value FROM meta WHERE name = 'blob'";
        Ok(q.query_opt(sql, &[], |row| row.get::<[u8; 3]>(0))?)
    });
    assert!(matches!(wrong.await, Err(StoreError::Db(DbError::Column { column: 0, .. }))));
}
