//! A center that can be lost: its database is deleted, and with nodes and a phrase alone all comes back that was logged. Whole
//! processes: a center and three nodes.

use crate::storage::{bytes, file, three_in};
use crate::world::World;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Ends the center without a word and takes its database away.
fn destroy(world: &World) {
    let pid = world.center_pid("a").expect("the center runs");
    assert!(Command::new("kill").args(["-9", &pid]).status().is_ok_and(|s| s.success()));
    let lives = || Command::new("kill").args(["-0", &pid]).output().is_ok_and(|out| out.status.success());
    world.until("its process ends", MINUTE, lives, |lives| !lives);
    for end in ["", "-wal", "-shm"] {
        let path = world.home("a").join(format!("data/center/center.db{end}"));
        if path.exists() {
            std::fs::remove_file(path).expect("a database can be deleted");
        }
    }
}

/// All names of a bucket with version and content.
fn all(world: &World, home: &str, bucket: &str) -> BTreeMap<String, (String, Vec<u8>)> {
    let listed = world.ok(home, &["ls", &format!("my:{bucket}/"), "--json"]);
    let lines = listed.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is an object"));
    let names = lines.map(|line| (text(&line["id"]), text(&line["version"])));
    let copy = tempfile::tempdir().expect("a temporary folder can be made");
    world.ok(home, &["cp", "-r", &format!("my:{bucket}/"), &copy.path().display().to_string()]);
    let read = |name: &str| std::fs::read(copy.path().join(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
    names.map(|(name, version)| (name.clone(), (version, read(&name)))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// All versions of a name, the newest first, each with its size.
fn versions(world: &World, home: &str, key: &str) -> Vec<(String, Option<u64>)> {
    let out = world.ok(home, &["object", "versions", key, "--json"]);
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is an object"));
    lines.map(|line| (text(&line["id"]), line["size_bytes"].as_u64())).collect()
}

#[test]
fn a_destroyed_database_comes_back_from_nodes_and_a_phrase_alone() {
    let world = three_in(World::new().with_logs());
    let folder = world.home("files");
    std::fs::create_dir_all(folder.join("sub")).expect("a folder can be made");
    let count: usize = std::env::var("PUMASI_TEST_OBJECTS").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    for n in 0..count {
        // Some inline, some in packs.
        let len = if n % 3 == 0 { 200 + n } else { 5_000 + 137 * (n % 200) };
        std::fs::write(folder.join(format!("sub/{n:03}")), bytes(len, (n % 251) as u8)).expect("a file can be written");
    }
    world.ok("b", &["bucket", "create", "notes", "--quota", "64GiB"]);
    world.ok("b", &["sync", &folder.display().to_string(), "my:notes/"]);
    let big = file(&world, "big", &bytes(9_000_000, 7));
    let small = file(&world, "small", &bytes(900, 8));
    world.ok("b", &["cp", &big, "my:notes/big"]);
    world.ok("b", &["cp", &small, "my:notes/twice"]);
    world.ok("b", &["cp", &big, "my:notes/twice"]);
    world.ok("b", &["mv", "my:notes/sub/001", "my:notes/moved"]);
    for n in [5, 6, 7] {
        world.ok("b", &["rm", &format!("my:notes/sub/{n:03}")]);
    }
    world.ok("b", &["cp", &small, "my:other/a"]);
    let words: Value = world.json("b", &["recovery", "phrase"]);
    let phrase =
        words["words"].as_array().expect("words").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    let address = words["address"].as_str().expect("an address").to_owned();
    for bucket in ["notes", "other"] {
        // The agent may be doing the same just now.
        let look = || world.json("b", &["bucket", "log", bucket]);
        world.until("the bucket is logged", MINUTE, look, |logged| logged["logged_upto"] == logged["changed_upto"]);
    }
    let before = (all(&world, "b", "notes"), all(&world, "b", "other"));
    assert_eq!((before.0.len(), before.1.len()), (count - 1, 1));
    let old = versions(&world, "b", "my:notes/twice");
    assert_eq!((old.len(), old[0].1, old[1].1), (2, Some(9_000_000), Some(900)));
    // Everybody's word of the center is on disk, so that nodes can prove what they are.
    for home in ["a", "b", "c"] {
        let word = world.home(home).join("data/pieces/voucher");
        world.until("the center's word is kept", MINUTE, || word.exists(), |there| *there);
    }
    // What comes after the last log may be lost, and nothing else.
    world.ok("b", &["cp", &small, "my:notes/unlogged"]);

    // One of the three never comes back.
    world.ok("c", &["agent", "stop"]);
    destroy(&world);
    let refused = world.refused("a", &["center", "start"], 0);
    assert_ne!(refused.1, 0, "a center without its database does not start as if nothing were wrong: {refused:?}");
    assert!(world.run("a", &["center", "restore", "--yes"]).status.code() == Some(11), "no center runs");
    world.ok("a", &["center", "rebuild"]);
    world.ok("a", &["center", "start"]);
    world.until("nodes come back by themselves", MINUTE, || world.nodes_on("a"), |n| *n == 2);
    // Nobody comes in by this who was not in before: a phrase of no account opens nothing, and leaves nothing behind.
    let strange = format!("{}art", "abandon ".repeat(23));
    let words = ["recovery", "restore", &address, "--bind", "127.0.0.1"];
    assert_eq!(world.refused_pipe("e", &words, &strange), ("E0111".to_owned(), 4));
    assert!(crate::world::is_empty(&world.home("e")));
    // The owner has nothing but the phrase.
    let mut child =
        world.spawn("d", &["recovery", "restore", &address, "--bind", "127.0.0.1", "--name", "new", "--json"]);
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), phrase.as_bytes()).expect("it reads");
    let out = child.wait_with_output().expect("it ends");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let rebuilt = world.json("d", &["recovery", "rebuild", "--wait", "30s"]);
    eprintln!("{rebuilt}");
    let after = (all(&world, "d", "notes"), all(&world, "d", "other"));
    let same = before.0.iter().filter(|(name, what)| after.0.get(*name) == Some(what)).count();
    eprintln!("of {} objects acked before the last log, {same} are back by name, version and bytes", before.0.len());
    assert_eq!(after, before, "all of it, and no deleted name");
    assert_eq!(versions(&world, "d", "my:notes/twice"), old, "older versions too");
    for n in [5, 6, 7] {
        assert_eq!(world.refused("d", &["cat", &format!("my:notes/sub/{n:03}")], 0).0, "E0304");
    }
    assert_eq!(world.json("d", &["bucket", "show", "notes"])["quota_bytes"], 64u64 << 30);
    // A gateway that saw a later head says so, until its owner says that the older state counts.
    assert_eq!(world.refused("b", &["ls", "my:notes/"], 0).0, "E0808");
    let accepted = world.json("b", &["recovery", "rebuild", "--wait", "1s"]);
    assert!(accepted["buckets"][0]["unlogged_count"].as_u64() > Some(0), "{accepted}");
    assert_eq!(all(&world, "b", "notes").len(), before.0.len());
    // Life goes on.
    world.ok("b", &["cp", &small, "my:notes/new"]);
    assert_eq!(world.json("b", &["bucket", "log", "notes"])["written_count"], 1);
    assert!(all(&world, "d", "notes").contains_key("new"));
}

/// Copies the database of home `a`, whose center has ended, to a name or back.
fn copy_database(world: &World, from: &str, to: &str) {
    let dir = world.home("a").join("data/center");
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.join(format!("{to}{end}")));
        if dir.join(format!("{from}{end}")).exists() {
            std::fs::copy(dir.join(format!("{from}{end}")), dir.join(format!("{to}{end}"))).expect("a file is copied");
        }
    }
}

#[test]
fn a_rolled_back_center_is_refused_by_a_gateway_that_saw_more() {
    let world = three_in(World::new());
    let small = file(&world, "small", &bytes(900, 8));
    world.ok("b", &["cp", &small, "my:notes/one"]);
    world.stop_center();
    copy_database(&world, "center.db", "then.db");
    world.ok("a", &["center", "start"]);
    world.until("nodes are on", MINUTE, || world.nodes_on("a"), |n| *n == 3);
    world.ok("b", &["cp", &small, "my:notes/two"]);
    world.ok("b", &["rm", "my:notes/one"]);
    world.stop_center();
    copy_database(&world, "then.db", "center.db");
    world.ok("a", &["center", "start"]);
    world.until("nodes are on", MINUTE, || world.nodes_on("a"), |n| *n == 3);
    let commands: [&[&str]; 4] =
        [&["ls", "my:notes/"], &["cat", "my:notes/one"], &["cp", &small, "my:notes/three"], &["rm", "my:notes/one"]];
    for args in commands {
        assert_eq!(world.refused("b", args, 0), ("E0808".to_owned(), 8), "{args:?}");
    }
}

#[test]
fn a_snapshot_in_the_pool_brings_back_all_up_to_it_and_logs_what_came_after() {
    let world = three_in(World::new().with_logs());
    let (small, big) = (file(&world, "small", &bytes(900, 8)), file(&world, "big", &bytes(300_000, 9)));
    for n in 0..20 {
        let source = if n % 2 == 0 { &small } else { &big };
        world.ok("b", &["cp", source, &format!("my:notes/{n:02}")]);
    }
    world.ok("b", &["rm", "my:notes/07"]);
    let words: Value = world.json("a", &["recovery", "phrase"]);
    let phrase =
        words["words"].as_array().expect("words").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    for home in ["a", "b", "c"] {
        let word = world.home(home).join("data/pieces/voucher");
        world.until("the center's word is kept", MINUTE, || word.exists(), |there| *there);
    }
    assert_eq!(world.refused("a", &["center", "drill"], 0).0, "E0805", "there is no snapshot yet");
    let stored = world.json("a", &["center", "backup"]);
    assert!(stored["snapshot_bytes"].as_u64() > Some(100_000), "{stored}");
    let at_snapshot = all(&world, "b", "notes");
    assert_eq!(at_snapshot.len(), 19);
    let drill = world.json("a", &["center", "drill"]);
    assert_eq!((drill["nodes_count"].as_u64(), drill["members_count"].as_u64()), (Some(3), Some(3)), "{drill}");
    eprintln!("{drill}");
    // After the snapshot: some of it is logged, the last of it is not.
    world.ok("b", &["cp", &big, "my:notes/later"]);
    world.ok("b", &["rm", "my:notes/08"]);
    world.json("b", &["bucket", "log", "notes"]);
    let logged = all(&world, "b", "notes");
    world.ok("b", &["cp", &small, "my:notes/unlogged"]);

    destroy(&world);
    // Nothing but the keys and a phrase: this home's own root is out of reach too.
    let root = world.home("a").join("data/account.root");
    std::fs::rename(&root, root.with_extension("away")).expect("a file can be moved");
    world.ok("a", &["center", "rebuild"]);
    world.ok("a", &["center", "start"]);
    world.until("nodes come back by themselves", MINUTE, || world.nodes_on("a"), |n| *n == 3);
    let told = || ["a", "b", "c"].iter().filter(|home| world.home(home).join("data/pieces/told").exists()).count();
    world.until("nodes tell what they hold", MINUTE, told, |n| *n == 3);
    let restored = world.pipe("a", &["center", "restore", "--json"], phrase.as_bytes());
    eprintln!("{}", String::from_utf8_lossy(&restored));
    std::fs::rename(root.with_extension("away"), &root).expect("a file can be moved");
    world.until("nodes are on", MINUTE, || world.nodes_on("a"), |n| *n == 3);
    // Who saw more says so; for all others the snapshot is there, name by name.
    assert_eq!(world.refused("b", &["ls", "my:notes/"], 0).0, "E0808");
    std::fs::rename(world.home("b").join("data/names"), world.home("b").join("names.away"))
        .expect("a folder can be moved");
    let back = all(&world, "b", "notes");
    let same = at_snapshot.iter().filter(|(name, what)| back.get(*name) == Some(what)).count();
    eprintln!("of {} objects acked before the snapshot, {same} are back by name, version and bytes", at_snapshot.len());
    assert_eq!(back, at_snapshot);
    // And what came after it stands in the bucket's log.
    let again = || world.run("b", &["recovery", "rebuild", "--wait", "10s", "--json"]).status.success();
    world.until("the owner tells the rest", MINUTE, again, |done| *done);
    assert_eq!(all(&world, "b", "notes"), logged, "deletions too");
}
