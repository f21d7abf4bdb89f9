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

/// What reducers made, so many parts of it.
fn reduced(world: &World, parts: u32) -> Vec<u8> {
    let part = |part| world.run("a", &["cat", &format!("my:words/part-{part:05}")]).stdout;
    (0..parts).flat_map(part).collect()
}

/// Lines in the order of their bytes.
fn sorted(text: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = String::from_utf8_lossy(text).lines().map(str::to_owned).collect();
    lines.sort();
    lines
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
    let counted = reduced(&world, 3);
    let all: Vec<u8> = (0..12)
        .flat_map(|n| std::fs::read(world.home("files").join(format!("texts/text{n:03}"))).expect("a file"))
        .collect();
    let plain = world.pipe("a", &["run", "--local", "guest:wordcount-map", "-q"], &all);
    assert_eq!(sorted(&counted), sorted(&plain));

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
    let read = |n| std::fs::read(world.home("files").join(format!("texts/text{n:03}"))).expect("a file");
    let all: Vec<u8> = (0..60).flat_map(|n: u32| [read(n), b"\n".to_vec()].concat()).collect();
    let plain = sorted(&world.pipe("a", &["run", "--local", "guest:wordcount-map", "-q"], &all));
    // Where all was merged before the blocks went, nothing was to be made again: once more, cut otherwise.
    let is_made_again = ["1000B", "900B", "800B", "700B", "600B"].iter().any(|split| {
        let map = ["map", "guest:wordcount-map", "my:in/", "--reduce", "guest:wordcount-reduce"];
        let run =
            world.spawn("a", &[&map[..], &["--split", split, "--parts", "5", "--to", "my:words/", "-q"]].concat());
        world.until("some are mapped", PATIENCE, || done(&world), |done| *done > 8);
        // Every copy of every block so far, on all machines at once.
        for home in ["a", "b", "c"] {
            let _ = std::fs::remove_dir_all(world.home(home).join("data/blocks"));
        }
        let out = run.wait_with_output().expect("it ends");
        let ended = job(&world);
        assert!(out.status.success(), "{} {ended}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(sorted(&reduced(&world, 5)), plain);
        ended["copies"] == 0 && ended["fuel_extra"].as_u64().is_some_and(|fuel| fuel > 0)
    });
    assert!(is_made_again, "what was mapped twice is told");
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
    let run = [&run[..], &["--name", planted[3], "--env", &env, "--", planted[1]]].concat();
    assert_eq!(ran(&world, &run), (1, 0, 1));
    assert_eq!(ran(&world, &run), (0, 1, 1), "two strangers found the same");
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
    // What is known of it on the member's own disk.
    look(&world.home("a").join("data/jobs/results.sqlite"));
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

/// How a job that a command hands in ends: items that were handed in, items that were known, outputs.
fn ran(world: &World, args: &[&str]) -> (u64, u64, u64) {
    let out = world.ok("a", &[&args[..1], &["--json"], &args[1..]].concat());
    let last: Value = serde_json::from_str(out.lines().last().unwrap_or_default()).expect("it ends with an object");
    let number = |key: &str| last[key].as_u64().unwrap_or_else(|| panic!("{key} in {last}"));
    assert_eq!(last["state"], "done", "{last}");
    (number("items"), number("known"), number("outputs"))
}

fn jobs(world: &World) -> usize {
    world.ok("a", &["job", "list", "-o", "id"]).lines().count()
}

fn cat(world: &World, name: &str) -> String {
    world.ok("a", &["cat", name])
}

#[test]
fn what_is_known_is_not_computed_again() {
    let (world, _lenders) = cloud(&["b", "c"], "always");
    let plain = texts(&world, 6);
    let run = |to: &str, more: &[&str]| {
        let args = ["run", "guest:wordcount-map", "--each", "my:in/*", "--to", to, "-q"];
        ran(&world, &[&args[..], more].concat())
    };
    let is_plain = |to: &str| {
        plain.iter().for_each(|(name, counted)| {
            assert!(world.run("a", &["cat", &format!("{to}{name}")]).stdout == *counted, "{to}{name}");
        });
    };
    assert_eq!(run("my:out/", &[]), (6, 0, 6));
    assert_eq!(jobs(&world), 1);
    let said = world.run("a", &["run", "guest:wordcount-map", "--each", "my:in/*", "--to", "my:out/"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("6 items, all of them known") && said.contains("6 outputs of"), "{said}");
    assert_eq!(run("my:out/", &["--name", "another", "--wall", "1min"]), (0, 6, 6), "nothing that a guest sees");
    assert_eq!(run("my:out/copies/", &[]), (0, 6, 6), "by copies");
    is_plain("my:out/");
    is_plain("my:out/copies/");
    assert_eq!(jobs(&world), 1, "nothing was handed in");

    // Whatever a guest sees makes another item; from another bucket nothing is copied.
    assert_eq!(run("my:out/", &["--memory", "128MiB"]), (6, 0, 6));
    assert_eq!(run("my:out/", &["--fresh"]), (6, 0, 6), "asked to compute anew");
    assert_eq!(run("my:other/", &[]), (6, 0, 6));
    assert_eq!((run("my:other/", &[]), run("my:out/", &[])), ((0, 6, 6), (0, 6, 6)));
    assert_eq!(jobs(&world), 4);

    // One output is gone from one place, then from both.
    world.ok("a", &["rm", "my:out/text003"]);
    assert_eq!(run("my:out/", &[]), (0, 6, 6), "there is a copy");
    is_plain("my:out/");
    ["my:out/text003", "my:out/copies/text003"].iter().for_each(|name| drop(world.ok("a", &["rm", name])));
    assert_eq!(run("my:out/", &[]), (1, 5, 6));
    is_plain("my:out/");
    // One that was written over is not what was remembered.
    let noise = file(&world, "noise", b"not what a guest wrote");
    world.ok("a", &["cp", &noise, "my:out/copies/text004"]);
    world.ok("a", &["cp", &noise, "my:out/text004"]);
    let said = world.run("a", &["run", "guest:wordcount-map", "--each", "my:in/*", "--to", "my:out/"]);
    let said = [said.stderr, said.stdout].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(said[0].contains("6 items, 5 of them known") && said[1].contains("6 outputs of"), "{said:?}");
    assert_eq!(said[0].matches("5 more items were known").count(), 1, "{said:?}");
    is_plain("my:out/");

    // One input is another one, then what it was: the same bytes in a new version are looked at anew.
    let old = world.home("files").join("texts/text001").display().to_string();
    let changed = file(&world, "changed", b"one two two");
    let counted = world.pipe("a", &["run", "--local", "guest:wordcount-map", "-q"], b"one two two");
    world.ok("a", &["cp", &changed, "my:in/text001"]);
    assert_eq!(run("my:out/", &[]), (1, 5, 6));
    assert!(world.run("a", &["cat", "my:out/text001"]).stdout == counted);
    world.ok("a", &["cp", &old, "my:in/text001"]);
    assert_eq!(run("my:out/", &[]), (1, 5, 6));
    is_plain("my:out/");

    // Handed in, left alone, and taken over later; a mapper without a reducer too.
    let map = ["map", "guest:wordcount-map", "my:in/", "--split", "4KiB", "--to", "my:maps/", "-q"];
    world.ok("a", &[&map[..], &["--detach"]].concat());
    world.ok("a", &["job", "wait", "last", "-q"]);
    let (_, known, outputs) = ran(&world, &map);
    assert!(known == outputs && known > 0);

    // A damaged cache is an empty one.
    let cache = world.home("a").join("data/jobs/results.sqlite");
    std::fs::write(&cache, [b'x'; 9_000]).expect("a file can be written");
    assert_eq!(run("my:out/", &[]), (6, 0, 6));
    assert_eq!(run("my:out/", &[]), (0, 6, 6));
    is_plain("my:out/");
}

/// Writes what it reads, and traps where that begins with an X.
const ECHO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 64))
        (i32.store (i32.const 4) (i32.const 1024))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (if (i32.eq (i32.load8_u (i32.const 64)) (i32.const 88)) (then unreachable))
        (i32.store (i32.const 4) (i32.load (i32.const 8)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

#[test]
fn items_keep_their_numbers_where_others_are_known() {
    let (world, _lenders) = cloud(&["b", "c"], "always");
    let echo = file(&world, "echo.wasm", &wat::parse_str(ECHO).expect("a module in text form"));
    let write = |n: u32, text: &str| file(&world, &format!("words/w{n:02}"), text.as_bytes());
    let mut all: Vec<String> = (0..24).map(|n| format!("word {n}")).collect();
    (0..24).zip(&all).for_each(|(n, word)| drop(write(n, word)));
    let folder = world.home("files").join("words").display().to_string();
    let words = ["run", &echo, "--each", &folder, "--pattern", "p-{index}", "--to", "my:words/", "-q"];
    assert_eq!(ran(&world, &words), (24, 0, 24));
    assert_eq!(ran(&world, &words), (0, 24, 24), "the same files of this machine");
    write(3, "another");
    "another".clone_into(&mut all[3]);
    assert_eq!(ran(&world, &words), (1, 23, 24));
    let outputs = |count: u32| (0..count).map(|n| cat(&world, &format!("my:words/p-{n}"))).collect::<Vec<_>>();
    assert_eq!(outputs(24), all);

    // Some before all others move every number: outputs go over one another, more than are copied at a time.
    let before: Vec<String> = (0..12).map(|n| format!("before {n}")).collect();
    (0..12).zip(&before).for_each(|(n, text)| drop(file(&world, &format!("words/a{n:02}"), text.as_bytes())));
    assert_eq!(ran(&world, &words), (12, 24, 36));
    all = [before, all].concat();
    assert_eq!(outputs(36), all);

    // The one that is handed in fails: it is told by its number, the others are the job's results too.
    write(2, "X");
    assert_eq!(world.refused("a", &words, 0), ("E0405".into(), 20));
    let failures = &job(&world)["failures"];
    assert_eq!((failures[0]["item"].as_u64(), failures.as_array().map(Vec::len)), (Some(14), Some(1)), "{failures}");
    let log = |item: &str| world.run("a", &["job", "logs", "last", item]);
    assert!(!log("14").stdout.is_empty());
    let (known, told) = (log("2"), String::from_utf8_lossy(&log("2").stderr).into_owned());
    assert!(known.stdout.is_empty() && told.contains("known from an earlier run"), "{told}");
    let to = world.home("fetched").display().to_string();
    assert_eq!(world.refused("a", &["job", "results", "last", "--to", &to], 0), ("E0405".into(), 20));
    let fetched = |n: u32| std::fs::read_to_string(world.home("fetched").join(format!("p-{n}"))).ok();
    assert_eq!((fetched(13).as_deref(), fetched(14), fetched(16).as_deref()), (Some("word 1"), None, Some("word 4")));

    // Guests that are told their number are told the right one.
    let steps = ["run", "guest:steps", "--count", "4", "--to", "my:steps/", "-q", "--", "1", "100"];
    assert_eq!(ran(&world, &steps), (4, 0, 4));
    let before = cat(&world, "my:steps/part-00002");
    assert_ne!(before, cat(&world, "my:steps/part-00000"), "the number counts");
    world.ok("a", &["rm", "my:steps/part-00002"]);
    assert_eq!(ran(&world, &steps), (1, 3, 4));
    assert_eq!(cat(&world, "my:steps/part-00002"), before);
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
