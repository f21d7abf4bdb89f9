//! Older databases are brought up to date, newer ones are refused, a step is taken once.

use crate::place::{new_file, postgres_url};
use crate::rows;
use center::access::store as access;
use center::db::{Db, DbError, DbUrl, SCHEMA, meta};
use center::fleet::store::{self as fleet, MeasuredRow, PresenceHour, Standing};
use model::{Alias, Bytes, DeviceId, MemberId, Roles, Stamp, TicketId};

const V1: &str = include_str!("v1.sql");

/// Runs plain statements, past the store.
fn run_raw(url: &DbUrl, sql: &str) {
    match url {
        DbUrl::Sqlite(path) => rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap(),
        DbUrl::Postgres(text) => {
            let (text, sql) = (text.clone(), in_postgres_words(sql));
            let run = move || postgres::Client::connect(&text, postgres::NoTls).unwrap().batch_execute(&sql).unwrap();
            std::thread::spawn(run).join().unwrap();
        }
    }
}

/// The fixture's own small translation, so that it does not lean on the store's.
fn in_postgres_words(sql: &str) -> String {
    let code: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let sql = code.join("\n").replace(", WITHOUT ROWID", "").replace(") STRICT", ")");
    sql.replace(" INTEGER", " BIGINT").replace(" BLOB", " BYTEA").replace("X'", "'\\x")
}

/// Runs `test` on both engines, with an address where nothing is yet.
async fn on_each(test: impl AsyncFn(DbUrl)) {
    let (url, _folder) = new_file();
    test(url).await;
    if let Some(url) = postgres_url() {
        test(url).await;
    }
}

#[test]
fn the_first_step_is_what_it_was() {
    assert!(V1.contains(include_str!("../../migrations/0001_members_and_nodes.sql")), "a released step never changes");
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_brought_up_to_date_with_all_its_rows() {
    on_each(async |url| {
        run_raw(&url, V1);
        let db = Db::open(&url).unwrap();
        check_old_rows(&db).await;
        // What the second step added works on old rows.
        let measured = rows::measured();
        db.write(|tx| {
            assert!(fleet::update_measured(tx, Alias(4), &rows::measured(), 1)?);
            let hour = PresenceHour { hour: 490_001, block: 0, minutes: vec![60] };
            fleet::put_presence_hours(tx, &[hour])?;
            let next = fleet::NewNode { owner: MemberId([0x11; 16]), ..rows::node(1, 1) };
            assert_eq!(fleet::insert_node(tx, &next)?, Alias(5));
            Ok(())
        })
        .await
        .unwrap();
        db.close().await;
        let db = Db::open(&url).unwrap(); // a second start takes no step
        let node = db.read(|q| Ok(fleet::node_by_alias(q, Alias(4))?)).await.unwrap().unwrap();
        assert_eq!(node.node.measured, measured);
        assert_eq!(versions(&db).await, (1..=SCHEMA).collect::<Vec<_>>());
        db.close().await;
    })
    .await;
}

async fn check_old_rows(db: &Db) {
    let (first, second, device, ticket, node, events, name) = db
        .read(|q| {
            Ok((
                access::member(q, &MemberId([0x11; 16]))?.unwrap(),
                access::member(q, &MemberId([0x22; 16]))?.unwrap(),
                access::device(q, &DeviceId([0x33; 32]))?.unwrap(),
                access::ticket(q, &TicketId([0x44; 8]))?.unwrap(),
                fleet::node_by_alias(q, Alias(4))?.unwrap(),
                fleet::events(q, Alias(4), 9)?,
                meta::get(q, meta::CLOUD_NAME)?.unwrap(),
            ))
        })
        .await
        .unwrap();
    assert_eq!((first.name.as_str(), first.roles, name.as_slice()), ("first", Roles(7), "김".as_bytes()));
    assert_eq!((second.frozen_why.as_deref(), second.invited_by), (Some("two keys"), Some(first.id)));
    assert_eq!((device.member, device.added_at), (second.id, Stamp(1_764_000_000_003)));
    assert_eq!((ticket.uses_total, ticket.uses_left, ticket.secret_hash), (2, 1, [0x55; 32]));
    assert_eq!((node.standing, node.node.lent, node.profile), (Standing::Quarantined, Bytes::gib(10), [0x7f; 168]));
    assert_eq!((node.generation, node.node.binding.len()), (3, 100));
    assert_eq!(node.node.measured, MeasuredRow::default(), "what was not known then is unknown now");
    assert_eq!(events[0].text, "with a ticket of first");
}

async fn versions(db: &Db) -> Vec<i64> {
    let sql = "SELECT version FROM schema_version ORDER BY version";
    db.read(move |q| Ok(q.query(sql, &[], |row| row.get(0))?)).await.unwrap()
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_as_it_is() {
    on_each(async |url| {
        let db = Db::open(&url).unwrap();
        db.close().await;
        run_raw(&url, &format!("INSERT INTO schema_version (version, applied_at) VALUES ({}, 1)", SCHEMA + 1));
        let refused = Db::open(&url).map(drop);
        assert_eq!(refused, Err(DbError::NewerSchema { found: SCHEMA + 1, known: SCHEMA }));
        run_raw(&url, &format!("DELETE FROM schema_version WHERE version > {SCHEMA}"));
        Db::open(&url).unwrap().close().await;
    })
    .await;
}

/// A step that cannot be finished leaves nothing of itself behind, and is taken once its obstacle is gone.
#[tokio::test]
async fn a_step_that_fails_leaves_nothing_behind() {
    on_each(async |url| {
        run_raw(&url, V1);
        // The last table of the second step is there already: the step fails at its end.
        run_raw(&url, "CREATE TABLE presence_hour (x INTEGER)");
        let failed = Db::open(&url).map(drop);
        assert!(matches!(failed, Err(DbError::Migration { number: 2, .. })), "{failed:?}");
        run_raw(&url, "DROP TABLE presence_hour");
        let db = Db::open(&url).unwrap();
        check_old_rows(&db).await;
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn four_that_open_one_new_database_at_once_take_each_step_once() {
    on_each(async |url| {
        let open = |_| {
            let url = url.clone();
            std::thread::spawn(move || Db::open(&url).unwrap())
        };
        let opening: Vec<_> = (0..4).map(open).collect();
        let stores: Vec<Db> = opening.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(versions(&stores[0]).await, (1..=SCHEMA).collect::<Vec<_>>());
        for db in stores {
            db.close().await;
        }
    })
    .await;
}
