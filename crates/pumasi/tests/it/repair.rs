//! A PC that left for good is replaced: what it held is made anew on one that joined later, and what is stored outlives the loss
//! of most of the others. Whole processes: a center and five nodes, then a sixth and a seventh.

use crate::storage::{bytes, file};
use crate::world::World;
use std::time::Duration;

fn join(world: &World, home: &str, name: &str) {
    let ticket = world.ok("a", &["invite", "-q"]);
    world.ok(home, &["join", &ticket, "--yes", "--no-probe", "--name", name]);
}

/// Pieces of the weakest segment that stand, and PCs that hold them.
fn pieces(world: &World) -> (u64, u64) {
    let shown = world.json("a", &["bucket", "show", "album"]);
    let count = |key: &str| shown["survives"][key].as_u64().unwrap_or(0);
    (count("pieces"), count("nodes"))
}

fn end(world: &World, home: &str) {
    world.ok(home, &["agent", "stop"]);
}

#[test]
fn what_a_pc_took_with_it_is_made_anew_on_one_that_joined_later() {
    let world = World::new();
    world.init(&["--node-name", "one"]);
    let homes = [("b", "two"), ("c", "three"), ("d", "four"), ("e", "five")];
    homes.iter().for_each(|(home, name)| join(&world, home, name));
    world.until("five nodes are on", Duration::from_secs(60), || world.nodes_on("a"), |on| *on == 5);
    let contents = [bytes(3 << 20, 1), bytes(90_000, 2), bytes(500, 3)];
    for (at, content) in contents.iter().enumerate() {
        let path = file(&world, &format!("file{at}"), content);
        world.ok("a", &["cp", &path, &format!("my:album/file{at}")]);
    }
    let minutes = Duration::from_secs(110);
    world.until("all five hold their pieces", minutes, || pieces(&world), |found| *found == (5, 5));
    world.ok("e", &["leave", "--now", "--yes"]);
    world.until("four are left", Duration::from_secs(30), || pieces(&world), |found| *found == (4, 4));
    join(&world, "f", "six");
    world.until("the sixth has what the fifth took along", minutes, || pieces(&world), |found| *found == (5, 5));
    // Two of five are enough: the new one and one of the old.
    ["b", "c", "d"].iter().for_each(|home| end(&world, home));
    std::fs::remove_dir_all(world.home("a").join("data/stage")).expect("the writer has a stage");
    for (at, content) in contents.iter().enumerate() {
        let out = world.run("a", &["cat", &format!("my:album/file{at}")]);
        assert!(out.stdout == *content, "file{at}: {}", String::from_utf8_lossy(&out.stderr));
    }
}
