//! A process that is killed while it writes, many times over one store: every receipt it printed is kept.

use super::*;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Tells the child its folder and the first piece it writes.
const CHILD: &str = "PUMASI_STORE_CHILD";

fn roomy() -> StoreLimits {
    StoreLimits { log_max: Bytes::kib(256), ..StoreLimits::new(Bytes::gib(8), Bytes(0), leads) }
}

fn say(word: &str, seed: u64) {
    let mut out = std::io::stdout().lock();
    // The harness may have begun a line of its own.
    write!(out, "\n{word} {seed}\n").unwrap();
    out.flush().unwrap();
}

/// The child: nothing when this is not one. Writes, removes every fifth and compacts until it is killed.
#[test]
fn the_child_writes_until_it_is_killed() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (first, dir) = told.split_once(' ').unwrap();
    let (first, dir) = (first.parse::<u64>().unwrap(), dir.to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async move {
        let store = PieceStore::open(Path::new(&dir), roomy()).await.unwrap();
        let mut lanes = tokio::task::JoinSet::new();
        for lane in 0..3 {
            let store = store.clone();
            lanes.spawn(async move {
                for seed in (first + lane..first + 3000).step_by(3) {
                    put(&store, seed).await.unwrap();
                    say("kept", seed);
                    if seed % 5 == 4 && seed >= first + 6 {
                        say("going", seed - 6);
                        store.remove(key_of(seed - 6)).await.unwrap();
                        say("gone", seed - 6);
                    }
                    if seed % 7 == 0 {
                        store.compact_step(Bytes::kib(64)).await.unwrap();
                    }
                }
            });
        }
        while let Some(lane) = lanes.join_next().await {
            lane.unwrap();
        }
    });
}

/// Runs a child until it said `lines` words and a moment more; what it said.
fn run_and_kill(dir: &Path, first: u64, lines: usize, after: std::time::Duration) -> Vec<(String, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "storage::tests::killed::the_child_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, format!("{first} {}", dir.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let (mut said, mut line) = (Vec::new(), String::new());
    let mut is_killed = false;
    loop {
        if said.len() >= lines && !is_killed {
            std::thread::sleep(after);
            child.kill().unwrap();
            is_killed = true;
        }
        line.clear();
        if reader.read_line(&mut line).unwrap() == 0 {
            break;
        }
        // A last line may be cut off in its middle: it was never said whole.
        let word = line.strip_suffix('\n').and_then(|line| line.split_once(' '));
        if let Some((word @ ("kept" | "going" | "gone"), seed)) = word {
            said.push((word.to_owned(), seed.parse().unwrap()));
        }
    }
    child.wait().unwrap();
    assert!(is_killed, "the child ended by itself");
    said
}

#[tokio::test]
async fn a_killed_process_keeps_every_receipt_it_gave() {
    let dir = tempfile::tempdir().unwrap();
    let kills = if std::env::var_os("PUMASI_SOAK").is_some() { 250 } else { 32 };
    let mut draw = Draw(20_261_125);
    let (mut kept, mut in_doubt, mut gone) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut torn = 0;
    for kill in 0..kills {
        let (lines, wait_us) = ((draw.next() % 40) as usize, draw.next() % 4000);
        for (word, seed) in
            run_and_kill(dir.path(), 1000 + kill * 10_000, lines, std::time::Duration::from_micros(wait_us))
        {
            match word.as_str() {
                "kept" => drop(kept.insert(seed)),
                "going" => drop((kept.remove(&seed), in_doubt.insert(seed))),
                _ => drop((in_doubt.remove(&seed), gone.insert(seed))),
            }
        }
        if draw.next().is_multiple_of(4) {
            drop_index(dir.path());
        }
        let store = PieceStore::open(dir.path(), roomy()).await.unwrap();
        torn += store.open_report().torn;
        for seed in &kept {
            assert!(holds(&store, *seed).await, "piece {seed} was acknowledged, kill {kill}");
        }
        for seed in &gone {
            assert!(!holds(&store, *seed).await, "piece {seed} was removed, kill {kill}");
        }
        assert_eq!(store.usage().damaged, 0);
    }
    println!("{kills} kills, {} receipts kept, {} removals kept, {torn} torn entries", kept.len(), gone.len());
    assert!(kept.len() > 100 && gone.len() > 10);
}
