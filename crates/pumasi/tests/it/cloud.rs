//! A cloud of two homes by the commands a person types: made, joined, looked at, its center killed and started again.
//! Whole processes on loopback; takes some seconds, since joining measures the machine.

use crate::world::{World, is_empty};
use serde_json::Value;
use std::time::{Duration, Instant};

#[test]
fn a_friend_joins_by_one_command_and_the_center_may_be_killed() {
    let world = World::new();
    let first = world.init(&[]);
    assert!(first.lines().any(|line| line.starts_with("pumasi1")), "{first}");
    let ticket = world.ok("a", &["invite", "--name", "Li", "-q"]);

    let begun = Instant::now();
    let joined: Value = serde_json::from_str(
        &world.ok("b", &["join", &ticket, "--yes", "--name", "desk", "--region", "asia/kr", "--json"]),
    )
    .unwrap_or_default();
    assert_eq!((joined["lending"].as_bool(), joined["link"].as_str()), (Some(true), Some("direct")), "{joined}");
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(world.nodes_on("a"), 2);
    assert!(world.ok("b", &["status"]).contains("storage only"), "a machine without an idle signal says so");
    assert!(world.ok("b", &["status", "--lang", "zh"]).contains("仅出借"));

    assert_eq!(world.refused("c", &["join", &ticket, "--yes"], 0), ("E0104".into(), 5), "used");
    assert_eq!(world.refused("c", &["join", &ticket[..90], "--yes"], 0), ("E0102".into(), 4), "cut");
    let day = 24 * 3_600 * 1_000;
    let late = world.ok("a", &["invite", "-q"]);
    assert_eq!(
        world.refused("c", &["join", &late, "--yes", "--no-probe"], day),
        ("E0011".into(), 1),
        "a clock a day ahead"
    );
    assert_eq!(
        world.refused("c", &["join", &late, "--yes", "--no-probe"], -day),
        ("E0011".into(), 1),
        "a clock a day behind"
    );
    assert!(is_empty(&world.home("c")), "a refused join leaves nothing behind");

    world.restart_center();
    world.until("both are back", Duration::from_secs(60), || world.nodes_on("a"), |on| *on == 2);
    world.ok("a", &["node", "quarantine", "desk", "--why", "test"]);
    assert!(world.ok("a", &["node", "show", "desk"]).contains("test"));
    world.ok("a", &["node", "release", "desk"]);
}
