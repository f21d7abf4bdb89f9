//! Who stores at others' machines and reads from them owes them, and is charged by itself: whole processes of three owners, whose clocks
//! are moved over two settle periods.

use crate::collect::{at, bytes, put, three};
use crate::world::World;
use center::db::{Db, DbUrl};
use center::ledger::store::{account, row};
use model::{AccountClass, AccountNo, Code};
use std::collections::BTreeMap;
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;
const SOON: Duration = Duration::from_secs(60);

/// Balances by account, and what moved by code, as the center's database has them.
type Book = (BTreeMap<AccountNo, i64>, BTreeMap<u16, u64>);

fn book(world: &World) -> Book {
    let path = world.home("a").join("data/center/center.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime begins");
    runtime.block_on(async {
        let db = Db::open(&DbUrl::Sqlite(path)).expect("the database is there");
        let read = db.read(|q| Ok((account::after(q, AccountNo(0), 1_000)?, row::after(q, 0, 1_000)?))).await;
        let (accounts, rows) = read.expect("the database can be read");
        db.close().await;
        let balances = accounts.iter().map(|one| (one.account.no, one.account.balance().0)).collect();
        let mut moved = BTreeMap::new();
        rows.iter().for_each(|row| *moved.entry(row.code.number()).or_default() += row.amount.0);
        (balances, moved)
    })
}

/// Balances of members, the operator's first.
fn members((balances, _): &Book) -> Vec<i64> {
    let is_member = |(no, _): &(&AccountNo, &i64)| no.class() == Some(AccountClass::Member);
    balances.iter().filter(is_member).map(|(_, balance)| *balance).collect()
}

fn sum((balances, _): &Book) -> i64 {
    balances.values().sum()
}

#[test]
fn who_stores_and_reads_at_others_machines_owes_them_and_the_sum_is_zero() {
    let world = three();
    let content = bytes(8_000_000, 1);
    put(&world, "kept", &content);
    assert!(members(&book(&world)).iter().all(|balance| *balance == 0), "nothing is due yet");
    // Its own machine serves it for nothing: it reads from the others.
    world.ok("a", &["down"]);
    assert!(world.pipe("a", &["cat", "my:box/kept"], &[]) == content, "it reads what it stored");
    world.ok("a", &["up"]);
    // A period later what is stored is charged, and nodes have handed in what was read in the window that is over.
    let agents = at(&world, 7 * HOUR_MS);
    let code = |code: Code| move |(_, moved): &Book| moved.get(&code.number()).is_some_and(|amount| *amount > 0);
    world.until("what is stored is settled", SOON, || book(&world), code(Code::Storage));
    let stored = book(&world);
    let [reader, others @ ..] = &members(&stored)[..] else { panic!("{stored:?}") };
    assert!(*reader < 0 && others.iter().all(|balance| *balance >= 0) && others.iter().any(|balance| *balance > 0));
    assert_eq!((sum(&stored), stored.1.get(&Code::Egress.number())), (0, None), "{stored:?}");
    let handed = || {
        ["b", "c"].map(|home| {
            let out = world.run_at(home, &["status", "--json"], 7 * HOUR_MS);
            serde_json::from_slice::<serde_json::Value>(&out.stdout).unwrap_or_default()
        })
    };
    let is_handed = |all: &[serde_json::Value; 2]| {
        all.iter().any(|status| status["settled_window"].is_u64())
            && all.iter().all(|status| status["settle_refused"].is_null())
    };
    world.until("what was read is handed in", SOON, handed, is_handed);
    drop(agents);
    // Another one later it is paid too.
    let agents = at(&world, 14 * HOUR_MS);
    world.until("what was read is settled", SOON, || book(&world), code(Code::Egress));
    let read = book(&world);
    let (before, after) = (members(&stored), members(&read));
    println!("members' balances in µcredit: {before:?} with what is stored, {after:?} with what was read");
    assert_eq!(sum(&read), 0);
    // 8 MB at 444,445 µcredit a GB for the reader, 400,000 for who served it, beside a second period's storage.
    assert!(after[0] <= before[0] - 3_400, "the reader's balance fell: {before:?} {after:?}");
    let rose: i64 = after[1..].iter().sum::<i64>() - before[1..].iter().sum::<i64>();
    assert!(rose >= 3_100, "the holders' rose: {before:?} {after:?}");
    drop(agents);
}
