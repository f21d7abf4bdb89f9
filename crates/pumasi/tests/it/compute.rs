//! Jobs over real processes: machines and the center are killed under them, modules misbehave, nobody in between can read them.

use crate::storage::file;
use crate::world::World;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(90);

/// A machine that lends all it has and whose owner is away; ended when dropped.
struct Lender(Child);

impl Lender {
    fn joins(world: &World, name: &str, index: u8, profile: &str) -> Self {
        let ticket = world.ok("a", &["invite", "-q"]);
        let bind = format!("127.{index}.0.1");
        let child = world.spawn(
            name,
            &[
                "join",
                &ticket,
                "--yes",
                "--no-probe",
                "--foreground",
                "--sensors",
                "scripted",
                "--name",
                name,
                "--bind",
                &bind,
                "--profile",
                profile,
                "--disk",
                "2GiB",
            ],
        );
        Self(child)
    }

    fn again(world: &World, name: &str) -> Self {
        Self(world.spawn(name, &["agent", "run", "--sensors", "scripted"]))
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A center in home `a`, whose member hands jobs in, and lenders in others.
fn cloud(names: &[&str], profile: &str) -> (World, Vec<Lender>) {
    let world = World::new();
    world.init(&[]);
    let lenders: Vec<Lender> = (2..).zip(names).map(|(n, name)| Lender::joins(&world, name, n, profile)).collect();
    world.until("all are on", PATIENCE, || world.nodes_on("a"), |on| *on == names.len() + 1);
    (world, lenders)
}

/// So many texts below `my:in/`, and the plain answer to the first of them.
fn texts(world: &World, count: u32) -> BTreeMap<String, Vec<u8>> {
    let mut plain = BTreeMap::new();
    for n in 0..count {
        let text: String = (0..400).map(|word| format!("w{} ", (word * 7 + n) % 97)).collect();
        let name = format!("text{n:03}");
        file(world, &format!("texts/{name}"), text.as_bytes());
        if n < 8 {
            let counted = world.pipe("a", &["run", "--local", "guest:wordcount-map", "-q"], text.as_bytes());
            plain.insert(name, counted);
        }
    }
    world.ok("a", &["cp", "-r", &world.home("files").join("texts").display().to_string(), "my:in/"]);
    plain
}

fn job(world: &World) -> Value {
    let out = world.run("a", &["job", "show", "last", "--json"]);
    serde_json::from_slice(&out.stdout).unwrap_or_default()
}

fn done(world: &World) -> u64 {
    job(world)["done"].as_u64().unwrap_or(0)
}

fn ends_well(world: &World, run: Child, items: u64, plain: &BTreeMap<String, Vec<u8>>) {
    let out = run.wait_with_output().expect("it ends");
    let job = job(world);
    assert!(out.status.success(), "{} {job}", String::from_utf8_lossy(&out.stderr));
    assert_eq!((job["state"].as_str(), job["done"].as_u64()), (Some("done"), Some(items)), "{job}");
    let listed = world.ok("a", &["ls", "my:out/", "-o", "id"]);
    assert_eq!(listed.lines().count() as u64, items, "{listed}");
    for (name, counted) in plain {
        assert!(world.run("a", &["cat", &format!("my:out/{name}")]).stdout == *counted, "{name}");
    }
}

const RUN: [&str; 7] = ["run", "guest:wordcount-map", "--each", "my:in/*", "--to", "my:out/", "-q"];

#[test]
fn a_job_outlives_its_machines_its_center_and_a_time_without_anybody() {
    let (world, mut lenders) = cloud(&["b", "c", "d"], "always");
    let plain = texts(&world, 60);
    let run = world.spawn("a", &RUN);
    world.until("it begins", PATIENCE, || done(&world), |done| *done > 3);
    lenders[0].kill();
    world.restart_center();
    world.until("it goes on after the center was killed", PATIENCE, || done(&world), |done| *done > 10);
    lenders.iter_mut().for_each(Lender::kill);
    // What was told before they died may still be on its way; then nothing more is done by anybody.
    std::thread::sleep(Duration::from_secs(1));
    let seen = done(&world);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(done(&world), seen, "nobody was there");
    lenders.clear();
    let back: Vec<Lender> = ["b", "c", "d"].iter().map(|name| Lender::again(&world, name)).collect();
    ends_well(&world, run, 60, &plain);
    drop(back);
}

#[test]
fn map_and_reduce_equal_the_plain_answer_and_stop_and_results_do_what_they_say() {
    let (world, _lenders) = cloud(&["b", "c", "d"], "always");
    texts(&world, 12);
    let map = ["map", "guest:wordcount-map", "my:in/", "--reduce", "guest:wordcount-reduce"];
    let more = ["--split", "1KiB", "--parts", "3", "--to", "my:words/", "-q"];
    world.ok("a", &[&map[..], &more].concat());
    let mut counted = Vec::new();
    for part in 0..3 {
        counted.extend(world.run("a", &["cat", &format!("my:words/part-{part:05}")]).stdout);
    }
    let all: Vec<u8> = (0..12)
        .flat_map(|n| std::fs::read(world.home("files").join(format!("texts/text{n:03}"))).expect("a file"))
        .collect();
    let plain = world.pipe("a", &["run", "--local", "guest:wordcount-map", "-q"], &all);
    let lines = |text: &[u8]| {
        let mut lines: Vec<String> = String::from_utf8_lossy(text).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&counted), lines(&plain));

    // One that would go on for long is stopped; what it has is there.
    let long = ["run", "guest:steps", "--count", "200", "--to", "my:steps/", "-q", "--detach", "--", "1", "100000000"];
    world.ok("a", &long);
    world.until("some are done", PATIENCE, || done(&world), |done| *done > 2);
    world.ok("a", &["job", "stop", "last"]);
    world.until("it stopped", PATIENCE, || job(&world), |job| job["state"] == "stopped");
    assert_eq!(world.refused("a", &["job", "results", "last"], 0), ("E0409".into(), 5));
    let there = world.ok("a", &["ls", "my:steps/", "-o", "id"]);
    assert_eq!(there.lines().count() as u64, done(&world), "what was done has its name");
    assert_eq!(world.refused("a", &["job", "show", "jnosuch"], 0), ("E0408".into(), 3));
}

#[test]
fn blocks_that_are_nowhere_to_be_had_are_made_again() {
    let (world, _lenders) = cloud(&["b", "c"], "always");
    texts(&world, 60);
    let map = ["map", "guest:wordcount-map", "my:in/", "--reduce", "guest:wordcount-reduce"];
    let more = ["--split", "1KiB", "--parts", "5", "--to", "my:words/", "-q"];
    let run = world.spawn("a", &[&map[..], &more].concat());
    world.until("some are mapped", PATIENCE, || done(&world), |done| *done > 8);
    // Every copy of every block so far, on all machines at once.
    for home in ["a", "b", "c"] {
        let _ = std::fs::remove_dir_all(world.home(home).join("data/blocks"));
    }
    let seen = job(&world);
    assert_eq!(seen["stages"][1]["done"], 0, "the blocks went before any was merged: {seen}");
    let out = run.wait_with_output().expect("it ends");
    let ended = job(&world);
    assert!(out.status.success(), "{} {ended}", String::from_utf8_lossy(&out.stderr));
    let mut counted = Vec::new();
    for part in 0..5 {
        counted.extend(world.run("a", &["cat", &format!("my:words/part-{part:05}")]).stdout);
    }
    let read = |n| std::fs::read(world.home("files").join(format!("texts/text{n:03}"))).expect("a file");
    let all: Vec<u8> = (0..60).flat_map(|n: u32| [read(n), b"\n".to_vec()].concat()).collect();
    let plain = world.pipe("a", &["run", "--local", "guest:wordcount-map", "-q"], &all);
    let lines = |text: &[u8]| {
        let mut lines: Vec<String> = String::from_utf8_lossy(text).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&counted), lines(&plain));
    assert!(ended["fuel_extra"].as_u64().is_some_and(|fuel| fuel > 0), "what was mapped twice is told: {ended}");
}

#[test]
fn modules_that_misbehave_end_with_what_to_type_and_hurt_nobody() {
    let (world, _lenders) = cloud(&["b", "c"], "always");
    texts(&world, 4);
    let over = |module: &str, more: &[&str]| -> (String, i32) {
        let run = ["run", module, "--each", "my:in/text00*", "--to", "my:bad/"];
        world.refused("a", &[&run[..], more].concat(), 0)
    };
    let not_wasm = file(&world, "noise.wasm", b"MZ\x90\0");
    assert_eq!(over(&not_wasm, &[]), ("E0402".into(), 2));
    let sock = wat::parse_str(
        r#"(module (import "wasi_snapshot_preview1" "sock_accept" (func (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (func (export "_start")))"#,
    );
    let sock = sock.expect("a module in text form");
    let sock = file(&world, "sock.wasm", &sock);
    assert_eq!(over(&sock, &[]), ("E0403".into(), 2));
    assert_eq!(over("guest:trap", &[]), ("E0405".into(), 20), "traps");
    assert_eq!(over("guest:spin", &["--fuel", "100000000"]), ("E0405".into(), 20), "never ends");
    assert_eq!(over("guest:flood", &["--max-output", "1MiB"]), ("E0405".into(), 20), "prints for ever");
    let failures = &job(&world)["failures"];
    assert!(failures.as_array().is_some_and(|all| !all.is_empty() && all[0]["kind"] == "output"), "{failures}");
    let none = ["run", "guest:noop", "--each", "my:in/nothing*", "--to", "my:bad/"];
    assert_eq!(world.refused("a", &none, 0), ("E0413".into(), 3), "no input");
    // The machines are as they were.
    world.ok("a", &RUN);
    assert_eq!(job(&world)["state"], "done");
}

#[test]
fn without_a_keeper_nothing_is_handed_out_and_the_job_says_so() {
    let (world, _lenders) = cloud(&["b", "c"], "always");
    texts(&world, 8);
    let long = ["run", "guest:steps", "--count", "40", "--to", "my:steps/", "-q", "--detach", "--", "1", "300000000"];
    world.ok("a", &long);
    world.until("some are done", PATIENCE, || done(&world), |done| *done > 0);
    world.ok("a", &["agent", "stop"]);
    let waits =
        |job: &Value| job["waits"].as_array().is_some_and(|all| all.iter().any(|w| w["why"] == "pause-keeper-offline"));
    world.until("it waits for its keeper", PATIENCE, || job(&world), waits);
    world.ok("a", &["up"]);
    world.ok("a", &["job", "wait", "last", "-q"]);
    assert_eq!(job(&world)["done"], 40);
}

#[test]
fn nothing_of_a_job_stands_where_its_member_did_not_put_it() {
    let world = World::new();
    let tap = world.tap();
    world.init(&[]);
    let _lenders: Vec<Lender> =
        (2..).zip(["b", "c", "d"]).map(|(n, name)| Lender::joins(&world, name, n, "always")).collect();
    world.until("all are on", PATIENCE, || world.nodes_on("a"), |on| *on == 4);
    let planted = ["the-well-behind-the-house", "grandfathers-argument", "quarterly-secret-name", "hidden-job-name"];
    let line = format!("{} ", planted[0]).repeat(500);
    let text = file(&world, planted[2], line.as_bytes());
    world.ok("a", &["cp", &text, &format!("my:in/{}", planted[2])]);
    let env = format!("WORD={}", planted[1]);
    let run = ["run", "guest:wordcount-map", "--each", "my:in/*", "--to", "my:out/", "--trust", "public", "-q"];
    world.ok("a", &[&run[..], &["--name", planted[3], "--env", &env, "--", planted[1]]].concat());
    let pid = world.center_pid("a").expect("the center runs");
    let mut seen = 0;
    let mut look = |path: &Path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        seen += bytes.len();
        for secret in &planted[..2] {
            let stands = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!stands, "{secret} in {}", path.display());
        }
        for secret in &planted[2..] {
            let stands = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!stands, "{secret} in {}", path.display());
        }
    };
    // What the center sends, its database and its log.
    look(&tap.join(&pid));
    for file in std::fs::read_dir(world.home("a").join("data/center")).expect("the center's folder").flatten() {
        if file.path().is_file() {
            look(&file.path());
        }
    }
    look(&world.home("a").join("state/center.log"));
    assert!(seen > 10_000, "{seen} bytes were looked at");
}

#[test]
fn the_owner_comes_first_and_guests_stand_still() {
    let (world, lenders) = cloud(&["b"], "generous");
    let long = ["run", "guest:spin", "--count", "4", "--to", "my:spin/", "-q", "--detach", "--wall", "60s"];
    world.ok("a", &long);
    let guests = || guests_of(lenders[0].0.id());
    world.until("guests run", PATIENCE, guests, |guests| guests.iter().any(|(_, ran)| *ran > 50_000_000));
    world.ok("b", &["agent", "script", "input"]);
    std::thread::sleep(Duration::from_millis(250));
    let before = guests();
    std::thread::sleep(Duration::from_millis(600));
    let after = guests();
    assert!(!before.is_empty());
    assert_eq!(before, after, "no guest ran a moment after the owner came back");
    world.ok("a", &["job", "stop", "last"]);
}

/// Sandboxes below a process, each with the nanoseconds it ran.
fn guests_of(agent: u32) -> BTreeMap<u32, u64> {
    let out = Command::new("ps").args(["-o", "pid=", "--ppid", &agent.to_string()]).output().expect("ps runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let children: Vec<u32> = text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    let mut all = BTreeMap::new();
    for pid in children {
        // A sandbox is a process of its own behind one more: both count.
        for child in std::iter::once(pid).chain(below(pid)) {
            let stat = std::fs::read_to_string(format!("/proc/{child}/schedstat")).unwrap_or_default();
            if let Some(ran) = stat.split_whitespace().next().and_then(|ran| ran.parse().ok()) {
                all.insert(child, ran);
            }
        }
    }
    all
}

fn below(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
