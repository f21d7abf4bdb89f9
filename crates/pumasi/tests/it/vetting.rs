//! A public cloud: a stranger's PC is filled from a seed and asked for it before it holds anybody's data, and counts for an
//! acknowledgement only when it is vetted. Whole processes, short days: by 17,280 a day is five seconds.

use crate::storage::{bytes, file};
use crate::world::World;
use serde_json::Value;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(80);
const SOON: Duration = Duration::from_secs(40);
/// Bytes of a fill test of these clouds.
const FILL: u64 = 32 << 20;

/// A public cloud of two machines whose owners are its operators: it begins with them.
fn begun() -> World {
    let world = World::new().with_short_days(17_280).with_strangers();
    world.init(&["--node-name", "one"]);
    let ticket = world.ok("a", &["invite", "--role", "operator", "-q"]);
    world.ok("b", &["join", &ticket, "--yes", "--no-probe", "--name", "two"]);
    world.until("two nodes are on", SOON, || world.nodes_on("a"), |on| *on == 2);
    // What a fill test sends is within its sender's upload.
    for home in ["a", "b"] {
        world.ok(home, &["lend", "set", "profile=generous", "up=1000Mbit/s"]);
    }
    assert_eq!([show(&world, "one"), show(&world, "two")].map(|n| tier(&n)), ["T2", "T2"]);
    world
}

fn stranger(world: &World, home: &str, name: &str, dev: Option<&str>) {
    let ticket = world.ok("a", &["invite", "-q"]);
    let args = ["join", &ticket, "--yes", "--no-probe", "--name", name, "--disk", "300MB"];
    match dev {
        Some(key) => world.ok_with(home, &args, key),
        None => world.ok(home, &args),
    };
}

fn show(world: &World, name: &str) -> Value {
    world.json("a", &["node", "show", name])
}

fn tier(node: &Value) -> String {
    node["tier"].as_str().unwrap_or_default().to_uppercase()
}

fn why(node: &Value) -> String {
    node["rank"]["why"]["kind"].as_str().unwrap_or_default().to_owned()
}

/// Bytes of others' data that the records give a node.
fn data(node: &Value) -> u64 {
    node["accounted"]["size_bytes"].as_u64().unwrap_or(0).saturating_sub(FILL)
}

#[test]
fn a_stranger_s_pc_is_vetted_before_it_counts() {
    let world = begun();
    stranger(&world, "c", "new", None);
    let first = show(&world, "new");
    assert!(tier(&first) == "T0" && ["filling", "standing"].contains(&why(&first).as_str()), "{first}");
    let early = bytes(3 << 20, 1);
    world.ok("a", &["cp", "--full", &file(&world, "early", &early), "my:album/early"]);
    let stands = |node: &Value| why(node) == "standing" || tier(node) != "T0";
    let full = world.until("its fill test is stored", SOON, || show(&world, "new"), stands);
    let said = world.ok("a", &["node", "show", "new"]);
    assert!(said.contains("fill test: all is stored") && said.contains("audits passed; then T1"), "{full:?} {said}");
    let held = show(&world, "new");
    assert_eq!((data(&held), held["accounted"]["size_bytes"].as_u64()), (0, Some(FILL)), "nobody's data: {held}");
    // Time and audits make it T1: it is given some data, and counts for no acknowledgement.
    world.until("it is on probation", WAIT, || show(&world, "new"), |node| tier(node) == "T1");
    let said = world.ok("a", &["node", "show", "new"]);
    assert!(said.contains("T2 after 1 min 10 s and 8 audits passed: "), "{said}");
    let late = bytes(3 << 20, 2);
    // Who may hold data is read once a second: what is put in the first moment goes to the old group.
    let put = || {
        world.ok("a", &["cp", &file(&world, "late", &late), "my:album/late"]);
        show(&world, "new")
    };
    world.until("it gets a piece", SOON, put, |node| data(node) > 0);
    world.ok("b", &["down"]);
    assert_eq!(tier(&show(&world, "new")), "T1", "still on probation");
    // One vetted holder and one on probation are not two: it waits for another, or until the newcomer is vetted.
    let lone = world.run("a", &["cp", &file(&world, "lone", &late), "my:album/lone"]);
    let said = String::from_utf8_lossy(&lone.stderr).into_owned();
    // On a slow machine it may have been vetted by then: that is the one other end.
    let is_late = lone.status.success() && tier(&show(&world, "new")) == "T2";
    assert!(said.contains("waiting for holders: 1 of 2 on") || is_late, "{said}");
    world.ok("b", &["up"]);
    world.until("it is vetted", WAIT, || show(&world, "new"), |node| tier(node) == "T2");
    let node = show(&world, "new");
    assert_eq!((why(&node).as_str(), &node["integrity_ppm"]), ("vetted", &1_000_000.into()), "{node}");
    for (name, content) in [("early", early), ("late", late)] {
        let out = world.run("a", &["cat", &format!("my:album/{name}")]);
        assert!(out.stdout == content, "{name}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn who_throws_its_fill_test_away_is_caught_and_holds_nobody_s_data() {
    let world = begun();
    stranger(&world, "c", "empty", Some("PUMASI_DEV_DISCARD"));
    stranger(&world, "d", "honest", None);
    let gone = |node: &Value| node["audits"]["gone"].as_u64() >= Some(1);
    world.until("it is caught", WAIT, || show(&world, "empty"), gone);
    let content = bytes(3 << 20, 3);
    world.ok("a", &["cp", &file(&world, "kept", &content), "my:album/kept"]);
    world.until("the honest one passes", WAIT, || show(&world, "honest"), |node| tier(node) != "T0");
    let empty = show(&world, "empty");
    assert_eq!(tier(&empty), "T0", "{empty}");
    assert!(empty["integrity_ppm"].as_u64() < Some(1_000_000), "{empty}");
    assert!(empty["events"].as_array().is_some_and(|all| all.iter().any(|e| e["kind"] == "fill_gone")), "{empty}");
    assert_eq!(data(&empty), 0, "{empty}");
    let honest = show(&world, "honest");
    assert_eq!((&honest["audits"]["gone"], &honest["integrity_ppm"]), (&0.into(), &1_000_000.into()), "{honest}");
    assert!(world.run("a", &["cat", "my:album/kept"]).stdout == content);
}
