//! Who stores at others' machines and reads from them owes them, and is charged by itself: whole processes of three owners, whose clocks
//! are moved over two settle periods.

use crate::collect::{at, bytes, put, three};
use crate::world::World;
use center::db::{Db, DbUrl};
use center::ledger::store::{account, row};
use model::{AccountClass, AccountNo, Code};
use serde_json::Value;
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
    for (home, side) in [("a", "used"), ("b", "served"), ("c", "served")] {
        leads_to_readings(&world, home, side);
    }
    can_be_shown(&world);
    drop(agents);
}

/// Among strangers proofs are paid for: the bytes that proved something, out of the repair reserve, by receipts of who asked.
#[test]
fn who_proves_what_it_holds_is_paid_for_the_bytes_by_the_reserve() {
    let world = World::new().with_short_days(2_160).with_strangers().with_window_ending_in(90);
    world.init(&["--node-name", "one"]);
    for (home, name) in [("b", "two"), ("c", "three")] {
        let ticket = world.ok("a", &["invite", "--role", "operator", "-q"]);
        world.ok(home, &["join", &ticket, "--yes", "--no-probe", "--name", name]);
    }
    world.until("three nodes are on", SOON, || world.nodes_on("a"), |on| *on == 3);
    put(&world, "kept", &bytes(64_000_000, 1));
    let proved =
        || ["one", "two", "three"].map(|name| world.json("a", &["node", "show", name])["audits"]["proved"].as_u64());
    world.until("each proves what it holds", SOON, proved, |all| all.iter().all(|n| *n >= Some(1)));
    let look = || ["a", "b", "c"].map(|home| world.json(home, &["status"]));
    let is_handed = |all: &[Value; 3]| all.iter().all(|status| status["settled_window"].is_u64());
    world.until("receipts are handed in", 2 * SOON, look, is_handed);
    let handed = look();
    assert!(handed.iter().all(|status| status["settle_refused"].is_null()), "{handed:?}");
    let paid = |(_, moved): &Book| moved.get(&Code::Repair.number()).is_some_and(|amount| *amount > 0);
    world.until("proofs are paid for", SOON, || book(&world), paid);
    let (balances, moved) = book(&world);
    println!("proofs: {:?}; moved by code, in µcredit: {moved:?}", proved());
    assert_eq!(balances.values().sum::<i64>(), 0);
    let reserve = |no: &AccountNo| no.class() == Some(AccountClass::Repair);
    assert!(
        balances.iter().all(|(no, balance)| !reserve(no) || *balance >= 0),
        "the reserve owes nobody: {balances:?}"
    );
}

const LATE: i64 = 14 * HOUR_MS;

fn lines(world: &World, args: &[&str], home: &str) -> Vec<Value> {
    let out = world.run_at(home, &[args, &["--json"]].concat(), LATE);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect()
}

fn micro(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no amount"))
}

/// Each line of a settlement says what it is made of: readings that come to its amount, and who served whom.
fn leads_to_readings(world: &World, home: &str, side: &str) {
    let mut by_nodes = 0;
    for line in lines(world, &["wallet", "statement"], home) {
        if !["storage", "egress"].contains(&line["code"].as_str().unwrap_or_default()) {
            continue;
        }
        let seq = line["seq"].to_string();
        let [detail] = &lines(world, &["wallet", "statement", "--line", &seq], home)[..] else { panic!("one line") };
        let (settled, amount) = (&detail["settled"], micro(&line["balance"]).abs());
        assert_eq!((&settled["side"], &settled["resource"]), (&Value::from(side), &line["code"]), "{detail}");
        let readings = settled["readings"].as_array().expect("readings");
        let sum: i64 = readings.iter().map(|reading| micro(&reading["amount"])).sum();
        let rest = i64::try_from(readings.len()).expect("few") + 1;
        // What there was is shared: each got as much of its own.
        let earned = match (settled["there"].as_str(), settled["earned"].as_str()) {
            (Some(there), Some(earned)) if there != earned => {
                let number = |text: &str| text.parse::<i64>().expect("an amount");
                sum * number(there) / number(earned)
            }
            _ => sum,
        };
        assert!(!readings.is_empty() && (earned - amount).abs() <= rest, "{amount} for {detail}");
        if line["code"] == "egress" {
            let units = |list: &Value, by: Option<&str>| -> i64 {
                let of = |one: &&Value| by.is_none_or(|by| one["by"] == by);
                list.as_array().expect("a list").iter().filter(of).map(|one| micro(&one["units"])).sum()
            };
            let read = units(&settled["readings"], None);
            assert_eq!(units(&settled["parts"], Some("node")), read, "{detail}");
            by_nodes += read;
        }
    }
    let parts = lines(world, &["wallet", "statement", "--by", "node"], home);
    let sum: i64 = parts.iter().map(|part| micro(&part["units"])).sum();
    assert_eq!(sum, by_nodes, "{parts:?}");
    assert!(side != "used" || by_nodes > 0, "it read something");
}

/// A statement bears the center's signature; changed, it is refused.
fn can_be_shown(world: &World) {
    let file = world.home("statement.json");
    let path = file.display().to_string();
    let [written] = &lines(world, &["wallet", "export", &path], "a")[..] else { panic!("one line") };
    assert!(written["lines"].as_u64().is_some_and(|lines| lines > 1), "{written}");
    let table = std::fs::read_to_string(file.with_extension("csv")).expect("the table is there");
    assert_eq!(table.lines().count() as u64, written["lines"].as_u64().expect("a count") + 1);
    for home in ["a", "b", "stranger"] {
        world.ok(home, &["wallet", "verify", &path]);
    }
    let text = std::fs::read_to_string(&file).expect("the statement is there");
    let (code, other) = ("\"code\": \"storage\"", "\"code\": \"egress\"");
    assert!(text.contains(code), "{text}");
    std::fs::write(&file, text.replacen(code, other, 1)).expect("a file can be written");
    assert_eq!(world.refused("stranger", &["wallet", "verify", &path], 0), ("E0612".into(), 8));
}
