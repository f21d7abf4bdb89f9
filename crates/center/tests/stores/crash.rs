//! A process that takes members in is killed at any moment; what it acknowledged stands, and no ticket counts twice (A).

use crate::place::{new_file, postgres_url};
use crate::rows::{self, device_id, member_id, ticket_id};
use center::access::store as access;
use center::db::{Db, DbUrl, StoreError};
use center::fleet::store as fleet;
use model::Stamp;
use model::errors;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Set for the child: the address of the database.
const URL: &str = "CENTER_CRASH_URL";
/// Set for the child: the first number of the round.
const FIRST: &str = "CENTER_CRASH_FIRST";
/// Joins a child tries; it is killed before.
const JOINS_MAX: u64 = 20_000;
/// Machines that race for one ticket.
const RACERS: u64 = 3;
const ROUNDS: u64 = 6;
/// Who made the tickets.
const MAKER: u64 = 9_999_999;

/// One machine asks to be taken in with the ticket of its group: a ticket use, a member, a device and a node, or nothing.
fn join(tx: &mut center::db::Tx<'_>, n: u64) -> Result<(), StoreError> {
    access::take_ticket_use(tx, &ticket_id(n / RACERS), &device_id(n), Stamp(5))?;
    access::insert_member(tx, &rows::member(n))?;
    access::insert_device(tx, &rows::device(n, n))?;
    fleet::insert_node(tx, &rows::node(n, n)).map(drop)
}

/// The killed process: prints `+n` when machine `n` was told that it is in, `-n` when refused.
#[test]
fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let db = Db::open(&url.parse().unwrap()).unwrap();
        for group in 0..JOINS_MAX / 30 {
            let ticket = move |tx: &mut center::db::Tx<'_>| {
                (0..10).try_for_each(|t| {
                    access::insert_ticket(tx, &rows::ticket((first + group * 30) / RACERS + t, MAKER, 1))
                })
            };
            db.write(ticket).await.unwrap();
            let asks = (first + group * 30..first + group * 30 + 30).map(|n| {
                let db = db.clone();
                tokio::spawn(async move {
                    let word = match db.write(move |tx| join(tx, n)).await {
                        Ok(()) => format!("+{n}\n"),
                        Err(error) if error.id() == errors::TICKET_USED => format!("-{n}\n"),
                        Err(error) => format!("!{n} {error}\n"),
                    };
                    // One write per line, past the harness: what is acknowledged is seen at once.
                    std::io::stdout().lock().write_all(word.as_bytes()).unwrap();
                    std::io::stdout().flush().unwrap();
                })
            });
            for ask in asks.collect::<Vec<_>>() {
                ask.await.unwrap();
            }
        }
    });
}

/// Runs a child from number `first` until `acks` machines were let in, kills it, and gives all it acknowledged.
fn run_and_kill(url: &str, first: u64, acks: usize) -> BTreeSet<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(URL, url)
        .env(FIRST, first.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    let mut acknowledged = BTreeSet::new();
    let mut killed = false;
    while let Some(Ok(line)) = lines.next() {
        let line = String::from_utf8(line).unwrap();
        assert!(!line.starts_with('!'), "{line}");
        // A line cut by the kill reads as a smaller number of another round or not at all: ignored below.
        if let Some(number) = line.strip_prefix('+').and_then(|n| n.parse().ok()) {
            acknowledged.insert(number);
        }
        if acknowledged.len() >= acks && !killed {
            child.kill().unwrap(); // SIGKILL
            killed = true;
        }
    }
    let status = child.wait().unwrap();
    assert!(killed && !status.success(), "the child ended before it was killed: {status}");
    acknowledged.retain(|n| *n >= first);
    acknowledged
}

/// What is stored after a kill of machines `first..until`, checked against what was acknowledged.
async fn check(db: &Db, first: u64, until: u64, acknowledged: &BTreeSet<u64>) {
    let stored = db.read(move |q| {
        let mut members = BTreeSet::new();
        let mut used = BTreeSet::new();
        for n in first..until {
            let is_in = access::member(q, &member_id(n))?.is_some();
            assert_eq!(access::device(q, &device_id(n))?.is_some(), is_in, "half of {n}");
            assert_eq!(fleet::node_by_id(q, &rows::node_id(n))?.is_some(), is_in, "half of {n}");
            if is_in {
                members.insert(n);
            }
            let uses = access::ticket_uses(q, &ticket_id(n / RACERS))?;
            assert!(uses.len() <= 1, "ticket {} was used twice", n / RACERS);
            used.extend(uses.iter().filter(|(by, _)| *by == device_id(n)).map(|_| n));
        }
        let uneven = "SELECT count(*) FROM ticket WHERE uses_left <> 1 - \
            (SELECT count(*) FROM ticket_use WHERE ticket_use.ticket = ticket.id)";
        Ok((members, used, q.query_opt(uneven, &[], |row| row.get::<u64>(0))?))
    });
    let (members, used, uneven) = stored.await.unwrap();
    assert_eq!(members, used, "a use without a member, or a member without a use");
    assert_eq!(uneven, Some(0), "tickets whose count disagrees with their uses");
    let lost: Vec<_> = acknowledged.difference(&members).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

async fn kill_in_rounds(url: DbUrl, text: String) {
    let db = Db::open(&url).unwrap();
    db.write(|tx| access::insert_member(tx, &rows::member(MAKER))).await.unwrap();
    db.close().await;
    let mut ranges: Vec<(u64, u64, BTreeSet<u64>)> = Vec::new();
    for round in 0..ROUNDS {
        // Each round has numbers of its own, and its kill falls at another moment of a commit.
        let (first, text) = (round * 30_000, text.clone());
        let acks = 7 + 13 * usize::try_from(round).unwrap();
        let acked = tokio::task::spawn_blocking(move || run_and_kill(&text, first, acks)).await.unwrap();
        let until = acked.iter().next_back().unwrap() + 60;
        ranges.push((first, until, acked));
        let db = Db::open(&url).unwrap();
        for (first, until, acked) in &ranges {
            check(&db, *first, *until, acked).await;
        }
        db.close().await;
    }
    println!("{} acknowledged over {ROUNDS} kills", ranges.iter().map(|(.., acked)| acked.len()).sum::<usize>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_no_acknowledged_member_is_lost_and_no_ticket_used_twice() {
    let (url, _folder) = new_file();
    let text = url.to_string();
    kill_in_rounds(url.clone(), text).await;
    let db = Db::open(&url).unwrap();
    let sound = db.read(|q| Ok(q.query_opt("PRAGMA integrity_check", &[], |row| row.get::<String>(0))?)).await;
    assert_eq!(sound.unwrap().as_deref(), Some("ok"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_no_acknowledged_member_is_lost_and_no_ticket_used_twice() {
    let Some(url) = postgres_url() else { return };
    let DbUrl::Postgres(text) = url.clone() else { unreachable!() };
    kill_in_rounds(url, text).await;
}
