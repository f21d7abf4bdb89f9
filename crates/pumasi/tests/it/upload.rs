//! Objects that come in parts, by the commands a person types: sent in any order and twice, from two machines of one account,
//! listed, completed, read whole and over the parts' edges, given up. Whole processes: a center and three nodes.

use crate::storage::{bytes, file, three};
use crate::world::World;
use serde_json::Value;

const PLACE: &str = "my:films/2026/film.mkv";

fn cat(world: &World, args: &[&str]) -> Vec<u8> {
    let out = world.run("a", &[&["cat"], args].concat());
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn lines(world: &World, args: &[&str]) -> Vec<Value> {
    let out = world.ok("a", &[args, &["--json"]].concat());
    out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn sealed_bytes(world: &World) -> u64 {
    world.json("a", &["bucket", "show", "films"])["sealed_bytes"].as_u64().expect("a bucket tells its bytes")
}

#[test]
fn an_object_comes_in_parts_in_any_order_and_reads_as_one() {
    let world = three();
    let parts = [bytes(6 << 20, 1), bytes(5_000, 2), bytes(700_000, 3), Vec::new()];
    let files: Vec<String> = (0..4).map(|at| file(&world, &format!("part{at}"), &parts[at])).collect();
    let begun = world.json("a", &["upload", "begin", PLACE]);
    let id = begun["id"].as_str().expect("an id").to_owned();
    assert_eq!(world.refused("a", &["upload", "complete", PLACE], 0), ("E0318".into(), 3), "nothing is there yet");
    // The last first, one twice with other content, one that is not named in the end.
    world.ok("a", &["upload", "part", PLACE, "10000", &files[2]]);
    world.ok("a", &["upload", "part", PLACE, "7", &files[2]]);
    let before = sealed_bytes(&world);
    world.ok("a", &["upload", "part", PLACE, "7", &files[1]]);
    assert!(sealed_bytes(&world) < before, "what was replaced is not counted");
    world.ok("a", &["upload", "part", PLACE, "2", &files[0]]);
    world.ok("a", &["upload", "part", PLACE, "8", &files[3]]);
    world.pipe("a", &["upload", "part", PLACE, "9", "-"], b"not wanted");
    let shown: Vec<u64> =
        lines(&world, &["upload", "show", PLACE]).iter().filter_map(|p| p["size_bytes"].as_u64()).collect();
    assert_eq!(shown, [6 << 20, 5_000, 0, 10, 700_000]);
    assert_eq!(lines(&world, &["upload", "list", "my:films"])[0]["id"], id.as_str());
    assert_eq!(world.refused("a", &["stat", PLACE], 0).0, "E0304", "no object before it is whole");
    assert_eq!(world.refused("a", &["upload", "complete", PLACE, "--parts", "2,3"], 0).0, "E0318", "part 3 never came");
    let done = world.json("a", &["upload", "complete", PLACE, "--parts", "2,7,8,10000"]);
    let whole = [&parts[0][..], &parts[1], &parts[2]].concat();
    assert_eq!((done["size_bytes"].as_u64(), done["parts_count"].as_u64()), (Some(whole.len() as u64), Some(4)));
    assert_eq!(done["version"], id.as_str());
    assert!(cat(&world, &[PLACE]) == whole, "the parts, one after another");
    for (range, part) in [
        ("0-0", 0..1),
        ("6291455-6291456", (6 << 20) - 1..(6 << 20) + 1),
        ("6290000-6297000", 6_290_000..6_297_001),
        ("6296456-6296457", 6_296_456..6_296_458),
        ("-1", whole.len() - 1..whole.len()),
    ] {
        assert!(cat(&world, &[PLACE, "--range", range]) == whole[part], "{range}");
    }
    let stat = world.json("a", &["stat", PLACE]);
    assert!(stat["blake3"].is_null() && stat["size_bytes"].as_u64() == Some(whole.len() as u64));
    assert_eq!(world.refused("a", &["upload", "show", PLACE], 0), ("E0318".into(), 3), "it ended");
    // It is an object like others: another name for it, removed, brought back.
    world.ok("a", &["cp", PLACE, "my:films/copy"]);
    world.ok("a", &["rm", PLACE]);
    assert!(cat(&world, &["my:films/copy"]) == whole);
    world.ok("a", &["object", "undelete", PLACE]);
    assert!(cat(&world, &[PLACE]) == whole);
    given_up(&world, &files[0]);
    many_parts(&world);
}

/// What is given up is gone, for whoever asks; the bucket holds no byte of it once the chore was there.
fn given_up(world: &World, from: &str) {
    let before = sealed_bytes(world);
    let place = "my:films/other";
    let first = world.json("a", &["upload", "begin", place])["id"].as_str().unwrap_or_default().to_owned();
    world.ok("a", &["upload", "begin", place]);
    assert_eq!(world.refused("a", &["upload", "part", place, "1", from], 0), ("E0002".into(), 2), "which of two");
    world.ok("a", &["upload", "part", place, "1", from, "--id", &first[..8]]);
    assert!(sealed_bytes(world) > before);
    world.ok("a", &["upload", "abort", place, "--id", &first]);
    world.ok("a", &["upload", "abort", place]);
    assert_eq!(world.refused("a", &["upload", "abort", place], 0), ("E0318".into(), 3));
    assert_eq!(world.refused("a", &["stat", place], 0).0, "E0304");
    let patience = std::time::Duration::from_secs(40);
    world.until("its parts are let go of", patience, || sealed_bytes(world), |bytes| *bytes <= before);
}

/// A list too long for the manifest is sealed in a segment of its own; holders go, and it reads.
fn many_parts(world: &World) {
    let place = "my:films/many";
    world.ok("a", &["upload", "begin", place]);
    let parts: Vec<Vec<u8>> = (0..70).map(|at| bytes(1_000 + at, at as u8)).collect();
    for (at, part) in parts.iter().enumerate() {
        world.pipe("a", &["upload", "part", place, &(at + 1).to_string(), "-"], part);
    }
    world.ok("a", &["upload", "complete", place]);
    let whole = parts.concat();
    world.run("b", &["agent", "stop"]);
    assert!(cat(world, &[place]) == whole);
    assert!(cat(world, &[place, "--range", "999-1000"]) == whole[999..1_001]);
}
