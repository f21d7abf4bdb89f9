//! PostgreSQL alone: connections lost, a server that may only be read, no space there.

use crate::cluster::cluster;
use crate::place::Place;
use center::db::{Db, DbError, StoreError, Unwritable, meta};
use model::errors;

/// Ends every connection of this database but the caller's.
const HANG_UP: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

async fn put(db: &Db, name: &'static str) -> Result<(), StoreError> {
    db.write(move |tx| Ok(meta::put(tx, name, b"x")?)).await
}

async fn has(db: &Db, name: &'static str) -> bool {
    db.read(move |q| Ok(meta::get(q, name)?)).await.unwrap().is_some()
}

async fn run(place: &Place, sql: &str) {
    let sql = sql.to_owned();
    place.db.write(move |tx| Ok(tx.query(&sql, &[], |_| Ok(()))?)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_are_made_anew() {
    let Some(place) = Place::postgres() else { return };
    for _ in 0..5 {
        run(&place, HANG_UP).await;
        let writes: Vec<_> = (0..20_u8)
            .map(|n| {
                let db = place.db.clone();
                tokio::spawn(async move { db.write(move |tx| Ok(meta::put(tx, &n.to_string(), &[n])?)).await })
            })
            .collect();
        for write in writes {
            write.await.unwrap().unwrap();
        }
        assert!(has(&place.db, "7").await);
    }
    place.db.close().await;
}

/// (D) on PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_may_only_be_read_is_told_and_goes_on_when_it_may_be_written() {
    let Some(place) = Place::postgres() else { return };
    let (db, name) = (&place.db, name_of(&place));
    put(db, "before").await.unwrap();
    cluster().unwrap().admin(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    hang_up_from_outside(&name);
    let refused = put(db, "during").await.unwrap_err();
    assert!(matches!(refused, StoreError::Db(DbError::Unwritable { why: Unwritable::ReadOnly, .. })), "{refused:?}");
    assert_eq!(refused.id(), errors::DB_UNWRITABLE);
    assert!(has(db, "before").await);
    cluster().unwrap().admin(&format!("ALTER DATABASE {name} RESET default_transaction_read_only"));
    hang_up_from_outside(&name);
    put(db, "after").await.unwrap();
    assert!(has(db, "after").await && !has(db, "during").await);
    place.db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_space_at_the_server_is_told_as_such_and_nothing_of_it_stands() {
    let Some(place) = Place::postgres() else { return };
    // A disk cannot be filled here: the server says the same words by hand.
    for (state, why) in [("53100", Unwritable::Full), ("58030", Unwritable::Io), ("25006", Unwritable::ReadOnly)] {
        let answer = place.db.write(move |tx| {
            meta::put(tx, "half", b"")?;
            let raise = format!("DO $do$ BEGIN RAISE EXCEPTION 'by hand' USING ERRCODE = '{state}'; END $do$");
            Ok(tx.execute(&raise, &[]).map(drop)?)
        });
        let error = answer.await.unwrap_err();
        assert!(matches!(&error, StoreError::Db(DbError::Unwritable { why: w, .. }) if *w == why), "{error:?}");
        assert!(!has(&place.db, "half").await);
    }
    put(&place.db, "after").await.unwrap();
    place.db.close().await;
}

#[test]
fn a_server_that_is_not_there_is_told_and_the_password_is_not() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://ann:sesame@127.0.0.1:{port}/pumasi").parse().unwrap();
    let error = Db::open(&url).map(drop).unwrap_err();
    assert!(matches!(error, DbError::Unwritable { why: Unwritable::Unreachable, .. }), "{error:?}");
    assert!(!format!("{error} {error:?} {url} {url:?}").contains("sesame"));
    let bad = Db::open(&"postgres://x?no_such_key=sesame".parse().unwrap()).map(drop).unwrap_err();
    assert!(matches!(bad, DbError::Url { .. }) && !format!("{bad:?}").contains("sesame"), "{bad:?}");
}

fn name_of(place: &Place) -> String {
    place.url.to_string().rsplit('/').next().unwrap().to_owned()
}

fn hang_up_from_outside(name: &str) {
    cluster()
        .unwrap()
        .admin(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"));
}
