//! What is removed leaves every node's disk, after its retention and its time in the trash, and what is not stays. Whole
//! processes, whose clocks are moved by a month.

use crate::world::World;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const DAY_MS: i64 = 24 * 3_600_000;
const HOMES: [(&str, &str); 3] = [("a", "one"), ("b", "two"), ("c", "three")];

pub fn bytes(len: usize, seed: u8) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut out);
    out
}

/// Allocated bytes of all files below a folder.
fn blocks(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(dir).map(|all| all.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let one = |entry: &std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => blocks(&entry.path()),
        Ok(meta) if entry.path().extension().is_some_and(|end| end == "log") => meta.blocks() * 512,
        _ => 0,
    };
    entries.iter().map(one).sum()
}

fn on_disk(world: &World) -> Vec<u64> {
    HOMES.iter().map(|(home, _)| blocks(&world.home(home).join("data"))).collect()
}

fn ok(world: &World, home: &str, args: &[&str], skew_ms: i64) -> Vec<u8> {
    let out = world.run_at(home, args, skew_ms);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// What a node says it holds, and what the center gives it.
fn held(world: &World, name: &str, skew_ms: i64) -> (Value, Value) {
    let out = world.run_at("a", &["node", "show", name, "--json"], skew_ms);
    let mut shown: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
    (shown["held"].take(), shown["accounted"].take())
}

/// Agents whose owners are never there, ended when dropped.
pub struct Agents(Vec<Child>);

impl Drop for Agents {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn start_agent(world: &World, home: &str, skew_ms: i64) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumasi"));
    command.args(["agent", "run", "--sensors", "scripted"]).env("PUMASI_HOME", world.home(home));
    command.env("PUMASI_DEV_NO_LOGS", "1");
    command.env("PUMASI_CLOCK_SKEW_MS", skew_ms.to_string()).env_remove("XDG_RUNTIME_DIR");
    let log = std::fs::File::create(world.home(home).join("agent.log")).expect("a log can be made");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("the program starts")
}

/// Ends every process and starts it again with its clock moved.
pub fn at(world: &World, skew_ms: i64) -> Agents {
    for (home, _) in HOMES {
        world.run(home, &["agent", "stop"]);
    }
    let pid = world.center_pid("a").expect("the center runs");
    assert!(Command::new("kill").arg(&pid).status().is_ok_and(|status| status.success()));
    let ends = |pid: &str| !Path::new("/proc").join(pid).exists();
    world.until("the center ends", Duration::from_secs(30), || ends(&pid), |ended| *ended);
    ok(world, "a", &["center", "start"], skew_ms);
    let agents = Agents(HOMES.map(|(home, _)| start_agent(world, home, skew_ms)).into());
    let all_on = || world.run_at("a", &["node", "list", "--json"], skew_ms).stdout;
    let is_on = |out: &Vec<u8>| String::from_utf8_lossy(out).matches("\"presence\":\"on\"").count() == 3;
    world.until("three nodes are on again", Duration::from_secs(60), all_on, is_on);
    agents
}

/// Waits until each node says it holds so many pieces and has so many in its trash.
fn until_held(world: &World, pieces: u64, trashed: u64, skew_ms: i64) {
    let look = || HOMES.map(|(_, name)| held(world, name, skew_ms));
    let is = |all: &[(Value, Value); 3]| {
        all.iter().all(|(held, accounted)| {
            held["pieces"] == pieces
                && held["trashed"] == trashed
                && accounted["pieces"] == held["pieces"]
                && accounted["size_bytes"] == held["size_bytes"]
        })
    };
    world.until(&format!("{pieces} pieces, {trashed} in the trash"), Duration::from_secs(90), look, is);
}

/// A center and three nodes.
pub fn three() -> World {
    let world = World::new();
    world.init(&["--node-name", "one"]);
    for (home, name) in &HOMES[1..] {
        let ticket = world.ok("a", &["invite", "-q"]);
        world.ok(home, &["join", &ticket, "--yes", "--no-probe", "--name", name]);
    }
    world.until("three nodes are on", Duration::from_secs(60), || world.nodes_on("a"), |on| *on == 3);
    world
}

/// Stores `content` as `my:box/name`.
pub fn put(world: &World, name: &str, content: &[u8]) {
    let path = world.home("files").join(name);
    std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder can be made");
    std::fs::write(&path, content).expect("a file can be written");
    world.ok("a", &["cp", &path.display().to_string(), &format!("my:box/{name}")]);
}

#[test]
fn what_is_removed_leaves_every_disk_and_what_stays_is_readable() {
    let world = three();
    let (stays, goes) = (bytes(600_000, 1), bytes(4_000_000, 2));
    for (name, content) in [("stays", &stays), ("goes", &goes)] {
        put(&world, name, content);
    }
    until_held(&world, 2, 0, 0);
    let full = on_disk(&world);
    world.ok("a", &["rm", "my:box/goes"]);
    // Within the retention it comes back, and nothing was dropped.
    let soon = 29 * DAY_MS;
    let agents = at(&world, soon);
    until_held(&world, 2, 0, soon);
    ok(&world, "a", &["object", "undelete", "my:box/goes"], soon);
    assert!(ok(&world, "a", &["cat", "my:box/goes"], soon) == goes, "it came back otherwise");
    ok(&world, "a", &["rm", "my:box/goes"], soon);
    // After it the pieces are in every trash; two weeks later their room is back.
    let later = soon + 31 * DAY_MS;
    drop(agents);
    let agents = at(&world, later);
    until_held(&world, 1, 1, later);
    assert_eq!(world.refused("a", &["object", "undelete", "my:box/goes"], later).1, 3);
    assert!(on_disk(&world).iter().zip(&full).all(|(now, before)| now >= before), "the trash is still there");
    let last = later + 15 * DAY_MS;
    drop(agents);
    let agents = at(&world, last);
    until_held(&world, 1, 0, last);
    let is_back = |now: &Vec<u64>| now.iter().zip(&full).all(|(now, before)| now + 3_900_000 <= *before);
    world.until("room is back on every disk", Duration::from_secs(60), || on_disk(&world), is_back);
    println!("bytes on disk: {full:?} before, {:?} after", on_disk(&world));
    assert!(ok(&world, "a", &["cat", "my:box/stays"], last) == stays, "what stays is readable");
    drop(agents);
}

#[test]
fn where_days_are_short_what_is_removed_is_gone_within_a_minute() {
    // A day is a second: 30 of them until versions go, 14 in the trash, all at clocks that nobody moved.
    let world = World::new().with_short_days(86_400);
    world.init(&["--node-name", "one"]);
    for (home, name) in &HOMES[1..] {
        let ticket = world.ok("a", &["invite", "-q"]);
        world.ok(home, &["join", &ticket, "--yes", "--no-probe", "--name", name]);
    }
    world.until("three nodes are on", Duration::from_secs(60), || world.nodes_on("a"), |on| *on == 3);
    put(&world, "goes", &bytes(600_000, 4));
    let holds = || HOMES.map(|(_, name)| held(&world, name, 0).0["pieces"].as_u64().unwrap_or_default());
    world.until("pieces are there", Duration::from_secs(30), holds, |all| all.iter().all(|pieces| *pieces > 0));
    world.ok("a", &["rm", "my:box/goes"]);
    let left = || {
        let of = |key: &str, held: &Value| held[key].as_u64().unwrap_or(u64::MAX);
        HOMES.map(|(_, name)| held(&world, name, 0).0).map(|held| (of("pieces", &held), of("trashed", &held)))
    };
    let is_gone = |all: &[(u64, u64); 3]| all.iter().all(|held| *held == (0, 0));
    world.until("the nodes have forgotten it", Duration::from_secs(120), left, is_gone);
}

/// The largest log of a home's pieces.
fn largest_log(dir: &Path) -> Option<(u64, std::path::PathBuf)> {
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    let one = |entry: std::fs::DirEntry| {
        let (path, meta) = (entry.path(), entry.metadata().ok()?);
        if meta.is_dir() {
            return largest_log(&path);
        }
        path.extension().is_some_and(|end| end == "log").then_some((meta.len(), path))
    };
    entries.filter_map(one).max()
}

#[test]
fn a_piece_that_rots_is_found_by_its_pc_told_and_filled_up_again() {
    let world = three();
    let content = bytes(600_000, 3);
    put(&world, "kept", &content);
    until_held(&world, 1, 0, 0);
    for (home, _) in HOMES {
        world.run(home, &["agent", "stop"]);
    }
    let (len, log) = largest_log(&world.home("b").join("data")).expect("it holds a piece");
    let mut stored = std::fs::read(&log).expect("a log can be read");
    stored[usize::try_from(len / 2).expect("it is small")] ^= 1;
    std::fs::write(&log, stored).expect("a log can be written");
    // A month later its own look has come by.
    let later = 31 * DAY_MS;
    let agents = at(&world, later);
    let events = || {
        let out = world.run_at("a", &["node", "show", "two", "--json"], later).stdout;
        String::from_utf8_lossy(&out).matches("pieces_lost").count()
    };
    world.until("the loss was told", Duration::from_secs(60), events, |count| *count == 1);
    until_held(&world, 1, 0, later);
    for home in ["a", "c"] {
        world.run(home, &["agent", "stop"]);
    }
    assert!(ok(&world, "a", &["cat", "my:box/kept"], later) == content, "the PC that had lost it has it again");
    drop(agents);
}
