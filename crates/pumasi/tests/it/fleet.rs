//! What a fleet of strangers does: says a place it is not at, runs one key twice, is loaded by its owner. Whole processes.

use crate::world::World;
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A round trip within this machine says that a node is next to the beacon, and so not on another continent.
#[test]
fn a_declared_place_that_a_round_trip_refutes_is_shown_as_unknown() {
    let world = World::new();
    world.init(&["--node-name", "beacon"]);
    let beacon = world.json("a", &["node", "show", "beacon"]);
    let id = beacon["id"].as_str().expect("a node has an id").to_owned();
    set(&world, &format!("[[beacon]]\nnode = \"{id}\"\nregion = \"south-america/cl\""));
    world.until("the beacon is on", Duration::from_secs(60), || world.nodes_on("a"), |on| *on == 1);

    let ticket = world.ok("a", &["invite", "-q"]);
    world.ok("b", &["join", &ticket, "--yes", "--name", "liar", "--region", "asia/kr"]);
    let node = || world.json("a", &["node", "show", "liar"]);
    let is_unknown = |n: &Value| n["region"].is_null() && n["region_evidence"] == "unknown";
    world.until("its place is refuted", Duration::from_secs(30), node, is_unknown);
    let node = node();
    assert_eq!(node["declared_region"], "asia/kr", "what was said is kept: {node}");
    let shown = world.ok("a", &["node", "list"]);
    let line = shown.lines().find(|line| line.contains("liar")).unwrap_or_default();
    assert!(!line.contains("asia/kr"), "{shown}");
    // And it satisfies no region rule: nobody is left for a bucket that may stand in Korea only.
    world.ok("a", &["bucket", "create", "seoul", "--region", "asia/kr"]);
    let file = world.home("a").join("file");
    std::fs::write(&file, vec![7; 50_000]).expect("a file can be written");
    let place = world.refused("a", &["cp", &file.display().to_string(), "my:seoul/x"], 0);
    assert_eq!(place, ("E0506".into(), 7));
}

/// A gauge of the center's own page of figures.
fn gauge(page: &str, name: &str) -> Option<u64> {
    use std::io::{Read, Write};
    let address = page.trim_start_matches("http://").trim_end_matches('/');
    let mut link = std::net::TcpStream::connect(address).ok()?;
    write!(link, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    link.read_to_string(&mut text).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// A dozen of thirteen PCs go at the same time, as in no week before.
#[test]
fn many_gone_at_once_are_a_surge() {
    // A day is ten seconds.
    let world = World::new().with_short_days(8_640);
    let told = world.init(&["--node-name", "one", "--json"]);
    let told: Value = serde_json::from_str(told.lines().last().unwrap_or_default()).expect("a cloud is told");
    let page = told["page"].as_str().expect("it has a page").to_owned();
    let ticket = world.ok("a", &["invite", "-q", "--uses", "12", "--role", "lend"]);
    let of = ["--count", "12", "--sockets", "4", "--warmup", "1s", "--time", "4s", "--ticket", ticket.trim()];
    world.ok("a", &[&["dev", "agents"][..], &of].concat());
    assert_eq!(gauge(&page, "pumasi_surge"), Some(0));
    world.until("it is noticed", Duration::from_secs(60), || gauge(&page, "pumasi_surge"), |surge| *surge == Some(1));
}

/// Adds a table to the center's settings, in place of the one of that name, and starts it again.
fn set(world: &World, lines: &str) {
    let path = world.home("a").join("data/center/center.toml");
    let text = std::fs::read_to_string(&path).expect("settings were made");
    let mut settings: toml_edit::DocumentMut = text.parse().expect("settings read");
    let more: toml_edit::DocumentMut = lines.parse().expect("settings read");
    more.iter().for_each(|(name, table)| settings[name] = table.clone());
    std::fs::write(&path, settings.to_string()).expect("settings can be written");
    world.restart_center();
}

/// The same key in two homes: the older start is told, and neither gets new work.
#[test]
fn two_machines_with_one_key_are_told_apart_and_told_so() {
    let world = World::new();
    world.init(&["--no-node"]);
    set(&world, "[fleet]\nperiod_busy_s = 1\nperiod_idle_s = 1");
    let ticket = world.ok("a", &["invite", "-q"]);
    world.ok("b", &["join", &ticket, "--yes", "--no-probe", "--name", "twin"]);
    for part in ["config", "data/machine.key", "data/membership.json"] {
        copy(&world.home("b").join(part), &world.home("c").join(part));
    }
    world.ok("c", &["up"]);
    let told = |home: &'static str| world.json(home, &["status"]);
    world.until("the older one is told", Duration::from_secs(60), || told("b"), |s| s["duplicate"] == true);
    let sentence = told("b")["sentence"].as_str().unwrap_or_default().to_owned();
    assert!(sentence.contains("another running program uses this machine's key"), "{sentence}");
    world.until("the newer one gets no work", Duration::from_secs(60), || told("c"), |s| s["quarantined"] == true);
    let shown = world.json("a", &["node", "show", "twin"]);
    assert_eq!(shown["name"], "twin", "it is one node still");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    if from.is_dir() {
        for entry in std::fs::read_dir(from).expect("a folder reads").flatten() {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else if from.exists() {
        std::fs::create_dir_all(to.parent().expect("a file has a folder")).expect("a folder can be made");
        std::fs::copy(from, to).expect("a file copies");
    }
}

struct Load(Vec<Child>);

impl Load {
    /// Another program that keeps every core busy twice.
    fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let spin = || Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn();
        Self((0..cores * 2).map(|_| spin().expect("a shell starts")).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The real agent with the system's own sensors and the preset for machines without a person: another program loads all
/// cores, and it steps back within 3 s; after a calm minute it lends as before. Needs an otherwise idle machine.
#[test]
#[ignore = "takes two minutes on an idle machine"]
fn the_agent_steps_back_when_others_need_the_machine() {
    let world = World::new();
    world.init(&["--no-node"]);
    let ticket = world.ok("a", &["invite", "-q"]);
    world.ok("b", &["join", &ticket, "--yes", "--no-probe", "--name", "box", "--profile", "always"]);
    let state = || world.json("b", &["status"])["state"].as_str().unwrap_or_default().to_owned();
    world.until("it lends", Duration::from_secs(120), state, |s| s == "run");
    let load = Load::new();
    let stepped = world.until("it steps back", Duration::from_secs(20), state, |s| s == "limit" || s == "pause");
    println!("stepped back after {stepped:?}");
    assert!(stepped <= Duration::from_secs(3), "{stepped:?}");
    std::thread::sleep(Duration::from_secs(3));
    drop(load);
    let calm = Instant::now();
    world.until("it lends again", Duration::from_secs(120), state, |s| s == "run");
    println!("lends again {:?} after the load ended", calm.elapsed());
    assert!(calm.elapsed() > Duration::from_secs(45), "{:?}", calm.elapsed());
}
