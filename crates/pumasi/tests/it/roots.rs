//! Daily roots: nodes and members' machines keep what the center showed, and refuse another history: whole processes, whose clocks are
//! moved, and a center whose database is put back.

use crate::world::World;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const DAY_MS: i64 = 24 * 3_600_000;
const SOON: Duration = Duration::from_secs(60);

/// A cloud of two members' machines, the second called Li.
fn two() -> World {
    let world = World::new();
    world.init(&[]);
    let ticket = world.ok("a", &["invite", "-q"]);
    world.ok("b", &["join", &ticket, "--yes", "--no-probe", "--name", "Li"]);
    world
}

fn ok_at(world: &World, home: &str, args: &[&str], skew_ms: i64) -> String {
    let out = world.run_at(home, args, skew_ms);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Ends all processes; `meanwhile` does something to what lies on the disk; starts them with their clocks moved.
fn again_at(world: &World, skew_ms: i64, meanwhile: impl FnOnce()) {
    for home in ["a", "b"] {
        world.run(home, &["agent", "stop"]);
    }
    let pid = world.center_pid("a").expect("the center runs");
    assert!(Command::new("kill").arg(&pid).status().is_ok_and(|status| status.success()));
    let ends = |pid: &str| !Path::new("/proc").join(pid).exists();
    world.until("the center ends", Duration::from_secs(30), || ends(&pid), |ended| *ended);
    meanwhile();
    ok_at(world, "a", &["center", "start"], skew_ms);
    for home in ["a", "b"] {
        ok_at(world, home, &["agent", "start"], skew_ms);
    }
}

/// Days whose roots a home keeps, newest last.
fn kept(world: &World, home: &str, skew_ms: i64) -> Vec<String> {
    let out = world.run_at(home, &["ledger", "roots", "--json"], skew_ms);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let roots = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    roots.map(|line| line["root"].as_str().expect("a root").to_owned()).collect()
}

fn forked_day(world: &World, home: &str, skew_ms: i64) -> Value {
    let out = world.run_at(home, &["status", "--json"], skew_ms);
    serde_json::from_slice::<Value>(&out.stdout).unwrap_or_default()["ledger_forked_day"].clone()
}

/// Also in a daily root, or in a signature under it.
fn one_changed_byte_is_found(world: &World, book: &str) {
    let good = std::fs::read(book).expect("the book is there");
    for back in [20, 172 + 20, 2 * 172 + 10, 2 * 172 + 1 + 100] {
        let mut bad = good.clone();
        let at = bad.len() - back;
        bad[at] ^= 1;
        std::fs::write(book, &bad).expect("a file can be written");
        assert_eq!(
            world.refused("stranger", &["ledger", "verify", book], 0),
            ("E0612".into(), 8),
            "{back} from the end"
        );
    }
}

#[test]
fn who_saw_yesterdays_root_refuses_a_center_that_was_put_back() {
    let world = two();
    let (database, older) = (world.home("a").join("data/center/center.db"), world.home("older.db"));
    ok_at(&world, "a", &["wallet", "transfer", "Li", "1", "--yes"], 0);
    again_at(&world, DAY_MS + DAY_MS / 2, || {
        std::fs::copy(&database, &older).expect("a file can be copied");
    });
    // What is given on the second day is in the root of the second.
    let first = DAY_MS + DAY_MS / 2;
    world.until("the first day has its root", SOON, || kept(&world, "b", first).len(), |days| *days >= 1);
    ok_at(&world, "a", &["wallet", "transfer", "Li", "2", "--yes"], first);
    let later = 3 * DAY_MS;
    again_at(&world, later, || {});
    // The agent follows without being asked: a check-in names the newest root.
    let file = world.home("b").join("data/ledger.roots");
    let len = || std::fs::metadata(&file).map_or(0, |file| file.len());
    world.until("the node keeps the second day's root", SOON, len, |len| *len >= 4 + 2 * 36);
    let seen = kept(&world, "b", later);
    assert!(seen.len() >= 2, "{seen:?}");
    let shown: Value = serde_json::from_str(&ok_at(&world, "b", &["ledger", "show", "--json"], later)).expect("JSON");
    assert_eq!(shown["root"].as_str(), seen.last().map(String::as_str), "{shown}");
    assert_eq!(forked_day(&world, "b", later), Value::Null);
    // Both owners' nodes sign the newest root; whoever has the book checks it, and makes the roots again from its rows.
    let verified = || -> Value {
        serde_json::from_str(&ok_at(&world, "a", &["ledger", "verify", "--json"], later)).expect("JSON")
    };
    world.until("both nodes signed", SOON, || verified()["newest_signatures"].as_u64(), |count| *count == Some(2));
    let book = world.home("book.pml").display().to_string();
    ok_at(&world, "a", &["ledger", "export", &book], later);
    let whole: Value =
        serde_json::from_str(&world.ok("stranger", &["ledger", "verify", &book, "--json"])).expect("JSON");
    assert_eq!((whole["newest_signatures"].as_u64(), &whole["days"]), (Some(2), &verified()["days"]), "{whole}");
    assert!(whole["days"].as_u64().is_some_and(|days| days >= 2), "{whole}");
    one_changed_byte_is_found(&world, &book);

    again_at(&world, later, || {
        for ending in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{ending}", database.display()));
        }
        std::fs::copy(&older, &database).expect("a file can be copied");
    });
    world.until("the node says so", SOON, || forked_day(&world, "b", later), |day| day.is_u64());
    let before = std::fs::read(&file).expect("roots are kept");
    for args in [&["ledger", "show"][..], &["ledger", "roots"], &["wallet", "transfer", "Li", "1", "--yes"]] {
        let home = if args[0] == "wallet" { "a" } else { "b" };
        assert_eq!(world.refused(home, args, later), ("E0808".into(), 8), "{args:?}");
    }
    assert_eq!(std::fs::read(&file).expect("roots are kept"), before, "what was seen is the proof");
    // Whoever knows why begins anew.
    ok_at(&world, "b", &["ledger", "roots", "--forget", "--yes"], later);
    ok_at(&world, "b", &["ledger", "show"], later);
    assert_ne!(kept(&world, "b", later).last(), seen.last());
}
