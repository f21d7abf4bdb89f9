//! Statements that fail, bytes that flip: before or after, never between, and what is wrong is named.

use super::rows::{by_member, by_system, gift, hold, id, member, post};
use super::start;
use crate::on_both;
use crate::place::Place;
use center::db::StoreError;
use center::ledger::audit::Unsound;
use center::ledger::{Intent, PostError, Posting};
use model::errors;
use rules::ledger::Outcome;

on_both!(
    a_statement_that_fails_leaves_all_as_it_was,
    a_flipped_byte_is_found_named_and_stops_what_posts,
    a_changed_state_is_found,
);

async fn run(place: &Place, sql: String) {
    place.db.write(move |tx| Ok(tx.execute(&sql, &[])?)).await.unwrap();
}

/// Each table that a posting writes refuses in turn.
async fn a_statement_that_fails_leaves_all_as_it_was(place: &mut Place) {
    let ledger = start(place).await;
    ledger.post(by_member(1, [hold(1, 1, 50)]).into()).await.unwrap();
    let before = (ledger.head().await.unwrap(), ledger.accounts(member(0), 1_000).await.unwrap());
    let asks = [gift(2, 1, 2, 10), post(3, 1, 3, 20), hold(4, 2, 5)];
    let intents = vec![Intent { transfer: id(2), key: [1; 32], signature: [2; 64] }];
    let posting = Posting { group: by_system(asks), intents };
    if place.is_postgres() {
        let body = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \
            $do$ BEGIN RAISE EXCEPTION 'by hand'; END $do$";
        run(place, body.to_owned()).await;
    }
    let statements = [
        ("ledger_transfer", "INSERT"),
        ("ledger_intent", "INSERT"),
        ("ledger_block", "INSERT"),
        ("ledger_account", "UPDATE"),
        ("ledger_hold", "INSERT"),
        ("ledger_hold", "UPDATE"),
        ("ledger_head", "UPDATE"),
    ];
    for (table, verb) in statements {
        let then = if place.is_postgres() {
            "FOR EACH ROW EXECUTE FUNCTION fail()"
        } else {
            "BEGIN SELECT RAISE(ABORT, 'by hand'); END"
        };
        run(place, format!("CREATE TRIGGER failing BEFORE {verb} ON {table} {then}")).await;
        let failed = ledger.post(posting.clone()).await.unwrap_err();
        assert!(matches!(&failed, PostError::Store(StoreError::Db(_))), "{table}: {failed:?}");
        let after = (ledger.head().await.unwrap(), ledger.accounts(member(0), 1_000).await.unwrap());
        assert_eq!(after, before, "{verb} {table}");
        assert_eq!(ledger.audit().await.unwrap().rows, 1);
        let on = if place.is_postgres() { format!(" ON {table}") } else { String::new() };
        run(place, format!("DROP TRIGGER failing{on}")).await;
    }
    assert!(matches!(ledger.post(posting).await, Ok(Outcome::Applied(_))));
    assert_eq!(ledger.audit().await.unwrap().rows, 4);
}

/// Lets rows be changed, as nobody but who holds the database can.
async fn unlock(place: &Place) {
    let statements: &[&str] = if place.is_postgres() {
        &["ALTER TABLE ledger_transfer DISABLE TRIGGER ALL", "ALTER TABLE ledger_block DISABLE TRIGGER ALL"]
    } else {
        &[
            "DROP TRIGGER ledger_transfer_changed",
            "DROP TRIGGER ledger_block_changed",
            "DROP TRIGGER ledger_block_deleted",
        ]
    };
    for sql in statements {
        run(place, (*sql).to_owned()).await;
    }
}

/// (F)
async fn a_flipped_byte_is_found_named_and_stops_what_posts(place: &mut Place) {
    let ledger = start(place).await;
    for n in 0..10 {
        ledger.post(by_member(1, [gift(n * 2, 1, 2, 100), hold(n * 2 + 1, 1, 3)]).into()).await.unwrap();
    }
    let sound = ledger.check().await.unwrap();
    unlock(place).await;
    let blob = |byte: &str| if place.is_postgres() { format!("'\\x{byte}'") } else { format!("X'{byte}'") };
    let signature = blob(&"5a".repeat(32));
    // What is flipped, in which row or block, how it is put right again.
    let flips = [
        ("ledger_transfer", "amount", "100", "101", 7_u64),
        ("ledger_transfer", "credit", &member(2).0.to_string(), &member(3).0.to_string(), 9),
        ("ledger_transfer", "code", "400", "401", 11),
        ("ledger_transfer", "code", "400", "210", 11),
        ("ledger_transfer", "made_at", &super::rows::NOW.0.to_string(), "1800000000001", 13),
    ];
    for (table, column, old, new, seq) in flips {
        run(place, format!("UPDATE {table} SET {column} = {new} WHERE seq = {seq}")).await;
        let unsound = ledger.check().await.unwrap_err();
        let block = seq.div_ceil(2);
        assert!(matches!(&unsound, Unsound::Block(bad) if bad.no == block), "{column}: {unsound:?}");
        let refused = ledger.post(by_member(1, [gift(99, 1, 2, 1)]).into()).await.unwrap_err();
        let PostError::Store(refused) = refused else { panic!("{refused:?}") };
        assert_eq!(refused.id(), errors::LEDGER_STOPPED);
        assert!(refused.to_string().contains(&format!("block {block}")), "{refused}");
        assert_eq!(ledger.lines(member(2), 0, 99).await.map_err(drop).is_ok(), new != "401", "reading goes on");
        run(place, format!("UPDATE {table} SET {column} = {old} WHERE seq = {seq}")).await;
        assert_eq!(ledger.check().await.unwrap(), sound, "it is sound again");
    }
    run(place, format!("UPDATE ledger_block SET rows_root = {signature} WHERE no = 4")).await;
    assert!(matches!(ledger.check().await, Err(Unsound::Block(bad)) if bad.no == 4));
    let head = ledger.head().await.unwrap();
    assert!(head.fault.is_some_and(|fault| fault.contains("block 4")));
}

/// State that rows do not say.
async fn a_changed_state_is_found(place: &mut Place) {
    let ledger = start(place).await;
    ledger.post(by_member(1, [gift(1, 1, 2, 100), hold(2, 1, 30)]).into()).await.unwrap();
    ledger.post(by_member(3, [gift(3, 3, 4, 100)]).into()).await.unwrap();
    // Sums agree in all of these.
    let changes = [
        ("UPDATE ledger_account SET debits = debits + 5, credits = credits + 5 WHERE no = ", member(2).0),
        ("UPDATE ledger_account SET debits = debits + 5, credits = credits + 5 WHERE no = ", member(9).0),
    ];
    for (sql, no) in changes {
        run(place, format!("{sql}{no}")).await;
        let unsound = ledger.check().await.unwrap_err();
        assert!(matches!(unsound, Unsound::State(_)), "{unsound:?}");
        run(place, format!("{}{no}", sql.replace("+ 5", "- 5"))).await;
        ledger.check().await.unwrap();
    }
    run(place, "UPDATE ledger_hold SET posted = 10, remaining = 20".to_owned()).await;
    assert!(matches!(ledger.check().await, Err(Unsound::Fault(_))));
    run(place, "UPDATE ledger_hold SET posted = 0, remaining = 30, expires_at = expires_at + 1".to_owned()).await;
    assert!(matches!(ledger.check().await, Err(Unsound::State(what)) if what.contains("hold")));
    run(place, "UPDATE ledger_hold SET expires_at = expires_at - 1".to_owned()).await;
    run(place, "UPDATE ledger_head SET seq = 9".to_owned()).await;
    assert!(matches!(ledger.check().await, Err(Unsound::State(what)) if what.contains("head")));
}
