//! A process that posts is killed at any moment: what it acknowledged stands, nothing stands by half, and the book is sound.

use super::rows::{MEMBERS, NOW, by_member, gift, hold, id, open_all};
use crate::place::{new_file, postgres_url};
use center::db::{Db, DbUrl};
use center::ledger::Ledger;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Set for the child: the address of the database.
const URL: &str = "CENTER_LEDGER_CRASH_URL";
/// Set for the child: the first number of the round.
const FIRST: &str = "CENTER_LEDGER_CRASH_FIRST";
const ROUNDS: u64 = 5;
/// Numbers a round may use.
const NUMBERS: u64 = 100_000;

/// The killed process: prints `+n` when group `n` was acknowledged, `!` and why when it was not.
#[test]
fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let db = Db::open(&url.parse().unwrap()).unwrap();
        let ledger = Ledger::start(db, || NOW).await.unwrap();
        let callers = (0..20_u64).map(|caller| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for n in (first + caller..first + NUMBERS / 2).step_by(20) {
                    let from = n % MEMBERS + 1;
                    let group =
                        by_member(from, [gift(n * 2, from, (n + 1) % MEMBERS + 1, 3), hold(n * 2 + 1, from, 1)]);
                    let word = match ledger.post(group.into()).await {
                        Ok(_) => format!("+{n}\n"),
                        Err(error) => format!("!{n} {error}\n"),
                    };
                    // One write per line, past the harness: what is acknowledged is seen at once.
                    std::io::stdout().lock().write_all(word.as_bytes()).unwrap();
                    std::io::stdout().flush().unwrap();
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
    });
}

/// Runs a child until `acks` groups were acknowledged, kills it, and gives all it acknowledged.
fn run_and_kill(url: &str, first: u64, acks: usize) -> BTreeSet<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::crash::child", "--nocapture"])
        .env(URL, url)
        .env(FIRST, first.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    let (mut acknowledged, mut killed) = (BTreeSet::new(), false);
    while let Some(Ok(line)) = lines.next() {
        let line = String::from_utf8(line).unwrap();
        assert!(!line.starts_with('!'), "{line}");
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
    // A line cut by the kill reads as a number of another round or not at all.
    acknowledged.retain(|n| (first..first + NUMBERS / 2).contains(n));
    acknowledged
}

async fn kill_in_rounds(url: DbUrl, text: String) {
    let db = Db::open(&url).unwrap();
    drop(Ledger::start(db.clone(), || NOW).await.unwrap());
    open_all(&db).await;
    db.close().await;
    let mut all = BTreeSet::new();
    for round in 0..ROUNDS {
        let (first, text) = (round * NUMBERS, text.clone());
        let acks = 11 + 97 * usize::try_from(round).unwrap();
        all.extend(tokio::task::spawn_blocking(move || run_and_kill(&text, first, acks)).await.unwrap());
        let db = Db::open(&url).unwrap();
        let ledger = Ledger::start(db.clone(), || NOW).await.unwrap();
        let sound = ledger.check().await.unwrap();
        assert_eq!(sound.rows % 2, 0, "half a group");
        assert!(sound.rows >= 2 * all.len() as u64, "{} rows for {} groups", sound.rows, all.len());
        for n in &all {
            assert!(ledger.row(id(n * 2)).await.unwrap().is_some(), "{n} was acknowledged and is lost");
        }
        drop(ledger);
        db.close().await;
    }
    println!("{} acknowledged over {ROUNDS} kills", all.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_no_acknowledged_transfer_is_lost_and_none_stands_by_half() {
    let (url, _folder) = new_file();
    let text = url.to_string();
    kill_in_rounds(url, text).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_no_acknowledged_transfer_is_lost_and_none_stands_by_half() {
    let Some(url) = postgres_url() else { return };
    let DbUrl::Postgres(text) = url.clone() else { unreachable!() };
    kill_in_rounds(url, text).await;
}
