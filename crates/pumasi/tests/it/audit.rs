//! Nodes are asked for slices of what they hold: one that answers with wrong bytes and one that kept nothing are found by
//! themselves, what they should hold is made anew, and nothing is said against the honest. Whole processes, short days.

use crate::storage::{bytes, file};
use crate::world::World;
use serde_json::Value;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(100);

fn join(world: &World, home: &str, name: &str, dev: Option<&str>) {
    let ticket = world.ok("a", &["invite", "-q"]);
    let args = ["join", &ticket, "--yes", "--no-probe", "--name", name];
    match dev {
        Some(key) => world.ok_with(home, &args, key),
        None => world.ok(home, &args),
    };
}

fn node(world: &World, name: &str) -> Value {
    world.json("a", &["node", "show", name])
}

fn count(node: &Value, key: &str) -> u64 {
    node["audits"][key].as_u64().unwrap_or(0)
}

#[test]
fn a_node_whose_disk_is_gone_pauses_itself_and_nothing_is_lost() {
    let world = World::new();
    world.init(&["--node-name", "one"]);
    [("b", "two"), ("c", "three"), ("d", "four")].iter().for_each(|(home, name)| join(&world, home, name, None));
    world.until("four nodes are on", Duration::from_secs(60), || world.nodes_on("a"), |on| *on == 4);
    let content = bytes(2 << 20, 7);
    world.ok("a", &["cp", &file(&world, "kept", &content), "my:album/kept"]);
    let held = || node(&world, "four")["held"]["pieces"].as_u64();
    world.until("the fourth holds its piece", WAIT, held, |held| *held == Some(1));
    let (pieces, away) = (world.home("d").join("data/pieces"), world.home("d").join("unplugged"));
    std::fs::rename(&pieces, &away).expect("a folder can be moved");
    let reason = || node(&world, "four")["reason"].as_str().map(str::to_owned);
    world.until("it says that it has a fault", Duration::from_secs(40), reason, |why| why.as_deref() == Some("fault"));
    let out = world.run("a", &["cat", "my:album/kept"]);
    assert!(out.stdout == content, "{}", String::from_utf8_lossy(&out.stderr));
    // It is not taken for an empty store either: not by the running agent, not by one that starts.
    world.ok("d", &["agent", "stop"]);
    let (said, code) = world.refused("d", &["agent", "run"], 0);
    assert!(said.contains("E0212") && code == 5, "{code} {said}");
    assert!(!pieces.exists());
    std::fs::rename(&away, &pieces).expect("a folder can be moved");
    world.ok("d", &["agent", "start"]);
    world.until("it lends again", Duration::from_secs(40), reason, |why| why.as_deref() != Some("fault"));
    world.until("and holds its piece", WAIT, held, |held| *held == Some(1));
    let four = node(&world, "four");
    assert_eq!(
        (held(), &four["held"]["damaged"], &four["integrity_ppm"]),
        (Some(1), &0.into(), &1_000_000.into()),
        "{four}"
    );
}

#[test]
fn who_lies_or_keeps_nothing_is_found_and_nobody_else() {
    let world = World::new().with_short_days(2_160);
    world.init(&["--node-name", "one"]);
    [("b", "two"), ("c", "three"), ("d", "four")].iter().for_each(|(home, name)| join(&world, home, name, None));
    join(&world, "e", "liar", Some("PUMASI_DEV_LIE"));
    join(&world, "f", "empty", Some("PUMASI_DEV_DISCARD"));
    world.until("six nodes are on", Duration::from_secs(60), || world.nodes_on("a"), |on| *on == 6);
    let contents: Vec<Vec<u8>> = (0..4u8).map(|n| bytes((usize::from(n) + 1) << 20, n)).collect();
    for (at, content) in contents.iter().enumerate() {
        let path = file(&world, &format!("file{at}"), content);
        world.ok("a", &["cp", &path, &format!("my:album/file{at}")]);
    }
    world.until("wrong bytes are found", WAIT, || node(&world, "liar"), |liar| liar["quarantined"] == true);
    let liar = node(&world, "liar");
    assert!(count(&liar, "wrong") >= 1 && liar["integrity_ppm"].as_u64() < Some(1_000_000), "{liar}");
    assert_eq!(liar["quarantine_why"], "wrong bytes, signed by the node");
    world.until("lost pieces are found", WAIT, || node(&world, "empty"), |empty| count(empty, "gone") >= 1);
    // Each owner reads what it was about, what it cost and what helps.
    for (name, kind, remedy) in [("liar", "audit_wrong", "memtester"), ("empty", "audit_gone", "smartctl")] {
        let shown = node(&world, name)["score"].take();
        let reasons = shown["reasons"].as_array().cloned().unwrap_or_default();
        let reason = reasons.iter().find(|reason| reason["kind"] == kind).unwrap_or_else(|| panic!("{name}: {shown}"));
        assert!(reason["bad_count"].as_u64() >= Some(1) && reason["pieces"][0]["slot"].is_u64(), "{reason}");
        assert!(reason["after_ppm"].as_u64() < reason["before_ppm"].as_u64(), "{reason}");
        let text = world.ok("a", &["node", "show", name]);
        assert!(text.contains(remedy) && text.contains("below 0.960"), "{text}");
    }
    // Of those on whom nothing is to be said each was asked, and each proved all.
    let honest = ["one", "two", "three", "four"];
    let asked = || honest.map(|name| count(&node(&world, name), "proved"));
    world.until("everybody was asked", WAIT, asked, |proved| proved.iter().all(|n| *n > 0));
    for name in honest {
        let node = node(&world, name);
        let bad = ["gone", "wrong", "silent"].map(|key| count(&node, key));
        assert_eq!(
            (bad, &node["quarantined"], &node["integrity_ppm"]),
            ([0; 3], &false.into(), &1_000_000.into()),
            "{node}"
        );
    }
    // Who is not to be trusted stands for nothing any more, and what is stored reads without it.
    let shown = world.json("a", &["bucket", "show", "album"]);
    assert!(shown["survives"]["nodes"].as_u64() <= Some(5), "{shown}");
    for (at, content) in contents.iter().enumerate() {
        let out = world.run("b", &["cat", &format!("my:album/file{at}")]);
        let own = world.run("a", &["cat", &format!("my:album/file{at}")]);
        assert!(own.stdout == *content, "file{at}: {}", String::from_utf8_lossy(&own.stderr));
        assert!(out.stdout.is_empty(), "another account's names are nobody's");
    }
}
