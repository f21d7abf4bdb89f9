//! Names that outlive the center: a bucket's log by the commands a person types, found at its holders by its locator alone.
//! Whole processes: a center and three nodes.

use crate::storage::{bytes, file, three, three_in};
use crate::world::World;
use serde_json::Value;
use std::time::Duration;

fn log(world: &World, name: &str) -> Value {
    world.json(name, &["bucket", "log", "notes"])
}

fn check(world: &World, name: &str) -> Value {
    world.json(name, &["bucket", "log", "notes", "--check"])
}

#[test]
fn names_are_logged_among_the_pieces_and_come_back_from_there() {
    let world = three();
    let (small, big) = (file(&world, "small", &bytes(900, 1)), file(&world, "big", &bytes(300_000, 2)));
    world.ok("a", &["bucket", "create", "notes"]);
    assert_eq!(log(&world, "a")["logged_upto"], 0, "nothing has changed yet");
    assert_eq!(check(&world, "a")["logs_count"], 0);
    world.ok("a", &["cp", &small, "my:notes/a"]);
    world.ok("a", &["cp", &big, "my:notes/folder/b"]);
    world.ok("a", &["cp", &small, "my:notes/gone"]);
    world.ok("a", &["rm", "my:notes/gone"]);
    let first = log(&world, "a");
    assert_eq!((first["logged_upto"].as_u64(), first["written_count"].as_u64()), (Some(4), Some(1)));
    let again = log(&world, "a");
    assert_eq!((again["written_count"].as_u64(), again["logs_count"].as_u64()), (Some(0), Some(1)), "only on change");
    world.ok("a", &["mv", "my:notes/a", "my:notes/c"]);
    let later = check(&world, "a");
    assert_eq!((later["logged_upto"].as_u64(), later["names_count"].as_u64()), (Some(4), Some(2)));
    assert!(later["changed_upto"].as_u64() > Some(4), "what came later is said: {later}");
    // Short logs go into the next one, so that they stay few.
    let merged = log(&world, "a");
    assert_eq!(merged["logs_count"], 1, "{merged}");
    world.ok("a", &["cp", &big, "my:notes/d"]);
    log(&world, "a");
    // What the pool fills up is found too: every holder has its piece.
    let minute = Duration::from_secs(60);
    world.until("all holders find the logs", minute, || check(&world, "a"), |found| found["holders_count"] == 3);
    let full = check(&world, "a");
    assert_eq!(full["names_count"], 3, "{full}");
    assert!(full["pieces_located"].as_u64() >= full["pieces_needed"].as_u64(), "{full}");
    // A log is nothing its owner sees among the names, or counts.
    let listed = world.ok("a", &["ls", "my:notes/", "-o", "id"]);
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["c", "d", "folder/b"]);
    assert_eq!(world.json("a", &["bucket", "show", "notes"])["objects_count"], 3);
    // Removed with the bucket, which goes on where it was made again.
    world.ok("a", &["rm", "-r", "my:notes/"]);
    world.ok("a", &["bucket", "rm", "notes"]);
    world.ok("a", &["bucket", "create", "notes"]);
    world.ok("a", &["cp", &small, "my:notes/new"]);
    log(&world, "a");
    assert_eq!(check(&world, "a")["names_count"], 1);
}

#[test]
fn the_agent_logs_what_its_machine_changed_by_itself() {
    let world = three_in(World::new().with_logs());
    let small = file(&world, "small", &bytes(900, 1));
    world.ok("a", &["cp", &small, "my:notes/a"]);
    let minute = Duration::from_secs(60);
    world.until("the agent logs the bucket", minute, || check(&world, "a"), |found| found["logged_upto"] == 1);
}
