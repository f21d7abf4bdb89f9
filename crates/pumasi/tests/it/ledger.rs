//! The book as members and whoever checks it see it: gifts, statements, and a replay of all of it. Whole processes: a center and two
//! members.

use crate::world::World;
use serde_json::Value;
use std::time::Duration;

/// A cloud of two members, the second called Li.
fn two() -> World {
    let world = World::new();
    world.init(&[]);
    let ticket = world.ok("a", &["invite", "-q"]);
    world.ok("b", &["join", &ticket, "--yes", "--no-probe", "--name", "Li"]);
    world
}

/// A number of µcredit, as JSON holds it.
fn micro(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no amount"))
}

fn balance(world: &World, home: &str) -> i64 {
    micro(&world.json(home, &["wallet", "show"])["balance"])
}

/// What the lines of a statement add up to, and what it says at its end.
fn summed(world: &World, home: &str) -> (i64, i64) {
    let text = world.ok(home, &["wallet", "statement", "--json"]);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let of = |kind: &'static str| lines.iter().filter(move |line| line["kind"] == kind);
    let ends = of("statement").next().expect("a statement ends");
    (
        micro(&ends["opening"]) + of("statement_line").map(|line| micro(&line["balance"])).sum::<i64>(),
        micro(&ends["closing"]),
    )
}

#[test]
fn gifts_go_over_once_and_everybody_sees_the_same_figures() {
    let world = two();
    let own = world.json("a", &["wallet", "show"]);
    let chen = own["name"].as_str().expect("a wallet has a name");
    assert_eq!((micro(&own["balance"]), micro(&own["limit"])), (0, 60_000_000), "{own}");
    world.ok("a", &["wallet", "transfer", "Li", "2.5", "--yes"]);
    world.ok("b", &["wallet", "transfer", chen, "0.000001", "--yes"]);
    assert_eq!((balance(&world, "a"), balance(&world, "b")), (-2_499_999, 2_499_999));
    for home in ["a", "b"] {
        let now = balance(&world, home);
        assert_eq!(summed(&world, home), (now, now), "statement and wallet are one number");
    }
    let csv = world.ok("b", &["wallet", "statement", "--csv"]);
    assert!(csv.lines().count() == 3 && csv.contains(",gift,"), "{csv}");

    let no = |args: &[&str]| world.refused("a", &[&["wallet", "transfer"], args, &["--yes"]].concat(), 0);
    assert_eq!(no(&["Li", "58"]), ("E0601".into(), 6), "beyond the limit");
    assert_eq!(no(&["Nobody", "1"]).0, "E0002");
    assert_eq!(no(&["Li", "0"]).0, "E0002");
    assert_eq!(no(&[chen, "1"]).0, "E0002", "oneself");
    assert_eq!(world.refused("b", &["wallet", "show", "--account", "member-1"], 0).0, "E0106");
    assert_eq!(micro(&world.json("a", &["wallet", "show", "--account", "member-2"])["balance"]), 2_499_999);
    assert_eq!(balance(&world, "a"), -2_499_999, "what is refused moves nothing");
}

#[test]
fn everybody_sees_how_far_it_may_owe_and_how_it_stands() {
    let world = two();
    // Accounts are opened as somebody asks: the operator's first.
    let chen = world.json("a", &["wallet", "show"])["name"].as_str().map(str::to_owned).expect("a wallet has a name");
    let own = world.json("b", &["wallet", "limit"]);
    assert_eq!(
        (micro(&own["limit"]), own["why"].as_str(), own["private"].as_bool()),
        (60_000_000, Some("private"), Some(true))
    );
    assert_eq!((own["state"].as_str(), own["next"].as_array().map(Vec::len)), (Some("newcomer"), Some(0)), "{own}");
    assert_eq!(
        world.refused("b", &["wallet", "limit", "--account", "member-1"], 0).0,
        "E0106",
        "that is its own affair"
    );
    assert_eq!(world.json("a", &["wallet", "limit", "--account", "member-2"])["account"], own["account"]);
    world.ok("b", &["wallet", "transfer", &chen, "60", "--yes"]);
    let told = world.ok("b", &["wallet", "limit"]);
    assert!(told.contains("60.0 (") && told.contains("at the limit"), "{told}");
    assert_eq!(world.json("b", &["wallet", "show"])["state"].as_str(), Some("at_limit"), "at once");
}

/// What is on the disk while a gift is under way; nothing where it was answered before anybody looked.
fn under_way(word: &std::path::Path, sending: &mut std::process::Child) -> Option<Vec<u8>> {
    while sending.try_wait().is_ok_and(|ended| ended.is_none()) {
        if let Ok(bytes) = std::fs::read(word) {
            return Some(bytes);
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    None
}

#[test]
fn a_gift_whose_answer_was_lost_is_sent_again_and_stands_once() {
    let world = two();
    let word = world.home("a").join("data/spend.word");
    let (mut given, mut seen) = (0, None);
    while seen.is_none() && given < 20 {
        given += 1;
        let mut sending = world.spawn("a", &["wallet", "transfer", "Li", "1", "--yes", "--timeout", "3s"]);
        seen = under_way(&word, &mut sending);
        if seen.is_some() {
            // Its center dies while it is asked.
            let pid = world.center_pid("a").expect("the center runs");
            let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
        }
        let _ = sending.wait_with_output().expect("it ends");
    }
    let seen = seen.expect("one of twenty is seen on the disk");
    world.ok("a", &["center", "start"]);
    world.until("the agent is back", Duration::from_secs(60), || world.nodes_on("a"), |on| *on == 2);
    // Answered or not, the same word comes once more, and is what stands already.
    for _ in 0..2 {
        std::fs::write(&word, &seen).expect("it can be written");
        assert_eq!(balance(&world, "a"), -1_000_000 * given, "each once");
        assert!(!word.exists(), "it was answered");
    }
    assert_eq!(balance(&world, "b"), 1_000_000 * given);
    // Another's word, or a changed one, moves nothing and is not kept.
    let mut bad = seen;
    bad[48] ^= 1;
    std::fs::write(&word, &bad).expect("it can be written");
    assert_eq!(balance(&world, "a"), -1_000_000 * given);
    assert!(!word.exists(), "it was refused");
}

#[test]
fn the_book_adds_up_again_from_a_file_and_one_changed_byte_is_found() {
    let world = two();
    for _ in 0..6 {
        world.ok("a", &["wallet", "transfer", "Li", "0.25", "--yes", "-q"]);
    }
    let shown = world.json("b", &["ledger", "show"]);
    assert_eq!((shown["rows"].as_u64(), shown["adds_up"].as_bool()), (Some(6), Some(true)), "{shown}");
    assert_eq!(shown["debits"], shown["credits"]);
    let live = world.json("a", &["ledger", "verify"]);
    assert_eq!((live["rows"].as_u64(), live["compared"].as_bool()), (Some(6), Some(true)), "{live}");
    assert_eq!(live["state"], shown["state"]);
    assert_eq!(world.refused("b", &["ledger", "verify"], 0).0, "E0106", "rows of others are the operator's");

    let file = world.home("a").join("book.pml");
    let path = file.to_str().expect("a path of letters");
    world.ok("a", &["ledger", "export", path]);
    let read = world.json("a", &["ledger", "verify", path]);
    assert_eq!(read["state"], shown["state"], "the same from a file, wherever it is read");
    let good = std::fs::read(&file).expect("the file is there");
    for at in (4..good.len()).step_by(37) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&file, &bad).expect("it can be written");
        assert_eq!(world.refused("c", &["ledger", "verify", path], 0), ("E0612".into(), 8), "byte {at}");
    }
    std::fs::write(&file, &good[..good.len() - 50]).expect("it can be written");
    assert_eq!(world.refused("c", &["ledger", "verify", path], 0), ("E0612".into(), 8), "cut off");
}
