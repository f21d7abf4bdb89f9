//! A process that settles is killed at any moment: what is due is settled to its end by the next one, each transfer once.

use super::town::{NOW, PERIODS, balances};
use crate::place::Place;
use crate::rows::member_id;
use center::db::Db;
use center::ledger::settle::round;
use center::ledger::settle::store::{self as due, DueRow, Side};
use center::ledger::{Ledger, store as book};
use model::{AccountClass, MemberState, Resource, Stamp, Ucredit};
use rules::ledger::settle::Due;
use rules::ledger::tariff::Variant;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Set for the child: the address of the database.
const URL: &str = "CENTER_SETTLE_CRASH_URL";
/// More than [`round::PART`], so that payers and providers take several transactions.
const MEMBERS: u64 = 600;
const LATER: Stamp = Stamp(NOW.0 + 13 * 3_600_000);

/// The killed process: prints a line for each step it made.
#[test]
fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::start(Db::open(&url.parse().unwrap()).unwrap(), || LATER).await.unwrap();
        let period = period();
        let terms = terms();
        for resource in round::begin(&ledger, period).await.unwrap() {
            while round::step(&ledger, (period, resource), &terms).await.unwrap() {
                std::io::stdout().lock().write_all(b"+\n").unwrap();
                std::io::stdout().flush().unwrap();
            }
        }
    });
}

fn terms() -> round::Terms {
    let tariff = rules::ledger::tariff::Tariff::begin(rules::ledger::tariff::book_v1()).unwrap();
    round::Terms { tariff: Arc::new(tariff), has_dues: false, has_buffers: false, periods: *PERIODS }
}

fn period() -> u64 {
    PERIODS.of(NOW)
}

/// Kills a child after so many steps; false where it came to its end before.
fn run_and_kill(url: &str, steps: usize) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "settle::crash::child", "--nocapture"])
        .env(URL, url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    while let Some(Ok(line)) = lines.next() {
        seen += usize::from(line.starts_with('+'));
        if seen >= steps {
            child.kill().unwrap(); // SIGKILL
            break;
        }
    }
    !child.wait().unwrap().success()
}

/// Many accounts that used and served, in two resources.
async fn seed(place: &Place) {
    let ledger = Ledger::start(place.db.clone(), || NOW).await.unwrap();
    center::ledger::settle::tariff(&place.db, NOW).await.unwrap();
    let period = period();
    place
        .db
        .write(move |tx| {
            let mut rows = Vec::new();
            for n in 1..=MEMBERS {
                let as_new = (MemberState::Active, Ucredit::whole(60));
                let opened = book::account::open(tx, AccountClass::Member, &member_id(n).0, as_new, NOW)?;
                for (resource, variant) in [(Resource::Egress, Variant::Plain), (Resource::Storage, Variant::Circle)] {
                    let due = |units| Due { variant, version: 1, units, quality_bps: 10_000 };
                    let account = opened.account.no;
                    rows.push(DueRow { resource, side: Side::Used, account, due: due(n * 1_000_003) });
                    let served = due((MEMBERS + 1 - n) * 1_000_003);
                    rows.push(DueRow { resource, side: Side::Served, account, due: served });
                }
            }
            due::lock(tx)?;
            Ok(due::add_due(tx, period, &rows)?)
        })
        .await
        .unwrap();
    drop(ledger);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_what_is_due_is_settled_once_over_many_kills() {
    let mut place = Place::sqlite();
    seed(&place).await;
    // The same, settled in one go.
    let whole = Place::sqlite();
    seed(&whole).await;
    let ledger = Ledger::start(whole.db.clone(), || LATER).await.unwrap();
    for resource in round::begin(&ledger, period()).await.unwrap() {
        while round::step(&ledger, (period(), resource), &terms()).await.unwrap() {}
    }
    let expected = balances(&ledger).await;
    assert_eq!(expected.values().sum::<i64>(), 0);
    assert!(expected.values().any(|balance| *balance < -1_000_000), "{:?}", expected.values().min());
    let mut kills = 0;
    for steps in [1, 2, 1, 3, 2, 1, 4, 2, 1, 1, 99] {
        place.db.close().await;
        let url = place.url.to_string();
        kills += u32::from(tokio::task::spawn_blocking(move || run_and_kill(&url, steps)).await.unwrap());
        place.reopen().await;
        let ledger = Ledger::start(place.db.clone(), || LATER).await.unwrap();
        assert!(ledger.check().await.unwrap().is_replayed);
    }
    let ledger = Ledger::start(place.db.clone(), || LATER).await.unwrap();
    assert_eq!(balances(&ledger).await, expected);
    assert_eq!(place.db.read(|q| Ok(due::next_period(q, u64::MAX / 4)?)).await.unwrap(), None);
    println!("{kills} kills");
    // A process that is killed late has done more than it told: fewer are left to kill.
    assert!(kills >= 4, "{kills}");
}
