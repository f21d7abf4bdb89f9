//! The sample guests against `guests/GOLDEN`: bytes of the modules, and for a fixed input each how it ends, steps and output.
//! `PUMASI_GOLDEN=write` writes the file anew; a change of steps or outputs is a change of the engine's id.
#![allow(clippy::unwrap_used, reason = "in a test a failed step is a failed test")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbox::{Attempt, CACHE_BYTES, Cache, End, MIB, Runner, samples};

const CHILD: &str = env!("CARGO_BIN_EXE_sandbox-child");
/// Bytes of a guest at most.
const GUEST_BYTES_MAX: usize = 100_000;
/// Runs that do not end well, by design.
const ILL: [&str; 8] = ["deep", "files", "fill", "flood", "grow", "spin", "trap", "wordcount-reduce/bad"];

fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests")
}

/// A text that any machine makes anew: sentences that repeat and drift.
fn text() -> Vec<u8> {
    let words = ["Many", "hands", "make", "light", "work", "품앗이", "互助", "neighbours", "42", "a", "constellations"];
    let (mut text, mut state) = (String::new(), 1u32);
    for place in 0..6_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(words[(state >> 24) as usize % words.len()]);
        text.push_str(if place % 11 == 10 { ".\n" } else { " " });
    }
    text.into_bytes()
}

/// A picture of 200 × 120 points.
fn picture() -> Vec<u8> {
    let mut bytes = b"P6\n200 120\n255\n".to_vec();
    for y in 0..120u32 {
        for x in 0..200u32 {
            bytes.extend([(x * y) as u8, (x ^ y) as u8, (x * 5 / 4) as u8]);
        }
    }
    bytes
}

/// What a run is compared by, under the name it has in the golden file.
struct Case {
    name: &'static str,
    attempt: Attempt,
}

fn case(name: &'static str, args: &[&str], stdin: &[u8]) -> Case {
    let guest = name.split('/').next().unwrap();
    let mut attempt = Attempt::new(samples::get(guest).unwrap().to_vec());
    attempt.args = args.iter().map(|arg| (*arg).to_owned()).collect();
    attempt.stdin = stdin.to_vec();
    attempt.limits.memory_bytes = 16 * MIB;
    attempt.limits.fuel = 500_000_000;
    attempt.limits.output_bytes = MIB;
    attempt.limits.wall = Duration::from_secs(120);
    Case { name, attempt }
}

fn cases() -> Vec<Case> {
    let text = text();
    let records = b"a\t1\na\t2\nb\t5\nb\t18446744073709551610\nc\t0\n".as_slice();
    let lines = b"pear\nap\tple\n\nfig\nap\x08ple\npear\nzebra".as_slice();
    let keys = b"\t2\nap\x08\x01ple\t1\nap\x08\x02ple\t1\nfig\t3\n".as_slice();
    let mut index = case("pi/index", &["100000"], b"");
    index.attempt.env = BTreeMap::from([("PUMASI_INDEX".into(), "7".into())]);
    let mut environ = case("environ", &["one", "zwei 2"], b"");
    environ.attempt.env = BTreeMap::from([("PUMASI_COUNT".into(), "9".into()), ("A".into(), "b".into())]);
    let mut seeded = case("random/seed", &[], b"");
    seeded.attempt.seed = [7; 32];
    let mut listed = case("dirorder", &[], b"");
    listed.attempt.inputs = ["zebra", "ape", "m", "B", "é"].map(|name| (name.into(), name.into())).into();
    let mut spin = case("spin", &[], b"");
    spin.attempt.limits.fuel = 50_000_000;
    let mut fill = case("fill", &[], b"");
    fill.attempt.limits.fuel = 50_000_000;
    vec![
        case("clock", &[], b""),
        case("deep", &[], b""),
        listed,
        environ,
        case("files", &[], b""),
        fill,
        case("float-loop", &["10000"], b""),
        case("flood", &[], b""),
        case("grep", &["hands"], &text),
        case("grep/other", &["-v", "-i", "WORK"], &text),
        case("grep/count", &["-c", "互助"], &text),
        case("grow", &[], b""),
        case("inode", &[], b""),
        case("matrix", &["24"], b""),
        case("memgrow", &[], b""),
        case("nan", &[], b""),
        case("noop", &[], b""),
        case("pi", &["100000", "1"], b""),
        index,
        case("random", &[], b""),
        seeded,
        case("sha256tree", &[], &text),
        case("sort", &[], &text),
        case("sort/lines", &[], lines),
        case("sort-map", &[], lines),
        case("sort-reduce", &[], keys),
        spin,
        case("steps", &["4", "10000"], b""),
        case("thumb", &["--size", "32"], &picture()),
        case("trap", &[], b""),
        case("wordcount-map", &[], &text),
        case("wordcount-reduce", &[], records),
        case("wordcount-reduce/bad", &[], b"no tab\n"),
    ]
}

/// Lines of the golden file about runs.
fn run_all(runner: &Runner) -> String {
    let mut lines = String::new();
    for Case { name, attempt } in cases() {
        let outcome = runner.run(&attempt).unwrap();
        // How deep a stack goes, and so how many steps, is the machine's own.
        let fuel = if outcome.end == End::StackOverflow { 0 } else { outcome.fuel };
        let hash = blake3::hash(&outcome.stdout);
        writeln!(lines, "run\t{name}\t{}\t{fuel}\t{}\t{hash}", outcome.end, outcome.stdout.len()).unwrap();
    }
    lines
}

/// Lines of the golden file about modules.
fn modules() -> String {
    let line = |name| {
        let bytes = samples::get(name).unwrap();
        format!("wasm\t{name}\t{}\t{}\n", bytes.len(), blake3::hash(bytes))
    };
    samples::names().map(line).collect()
}

fn golden(kind: &str) -> String {
    let text = std::fs::read_to_string(guests().join("GOLDEN")).unwrap();
    text.lines().filter(|line| line.starts_with(kind)).map(|line| format!("{line}\n")).collect()
}

/// A runner whose child is started by way of other programs, as long as they end up in it.
fn runner(folder: &tempfile::TempDir, way: &[&str]) -> Runner {
    let cache = Cache::open(folder.path().join("code"), CACHE_BYTES).unwrap();
    let words = [way, &[CHILD]].concat();
    Runner::new(words[0], &words[1..], folder.path().join("attempts")).with_cache(cache)
}

#[test]
fn samples_have_golden_ends_steps_and_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let seen = run_all(&runner(&folder, &[]));
    if std::env::var("PUMASI_GOLDEN").as_deref() == Ok("write") {
        let head = "# What the guests are and do, held by crates/sandbox/tests/samples.rs; PUMASI_GOLDEN=write writes it anew.\n\
            # wasm: name, bytes, BLAKE3; run: name, end, steps, bytes of standard output, their BLAKE3. Separated by TAB.\n";
        std::fs::write(guests().join("GOLDEN"), format!("{head}{}{seen}", modules())).unwrap();
    }
    assert_eq!(seen, golden("run\t"));
    for line in seen.lines().filter(|line| !line.contains("\texit code 0\t")) {
        let name = line.split('\t').nth(1).unwrap();
        assert!(ILL.contains(&name), "only these end otherwise than well: {line}");
    }
}

#[cfg(unix)]
#[test]
fn samples_do_not_feel_the_machine_they_run_on() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = ["/usr/bin/env", "HOME=/nowhere", "TZ=Asia/Shanghai", "LC_ALL=zh_CN.UTF-8", "PUMASI_INDEX=3"];
    assert_eq!(run_all(&runner(&folder, &elsewhere)), golden("run\t"), "another home, zone and language");
}

#[cfg(unix)]
#[test]
fn samples_do_not_feel_the_name_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let renamed = ["/usr/bin/unshare", "-r", "-u", "/bin/sh", "-c", "hostname elsewhere && exec \"$@\"", "sh"];
    let is_possible = std::process::Command::new(renamed[0]).args(&renamed[1..]).arg("/bin/true").status();
    if !is_possible.is_ok_and(|status| status.success()) {
        println!("SKIPPED: this machine lets nobody give it another name");
        assert!(std::env::var_os("PUMASI_FULL").is_none(), "PUMASI_FULL forbids to skip");
        return;
    }
    assert_eq!(run_all(&runner(&folder, &renamed)), golden("run\t"));
}

#[test]
fn two_workers_at_once_agree() {
    let folder = tempfile::tempdir().unwrap();
    let runner = runner(&folder, &[]);
    let golden = golden("run\t");
    std::thread::scope(|scope| {
        let workers = [(); 2].map(|()| scope.spawn(|| run_all(&runner)));
        for worker in workers {
            assert_eq!(worker.join().unwrap(), golden);
        }
    });
}

#[test]
fn modules_are_the_listed_ones_small_and_with_sources() {
    assert_eq!(modules(), golden("wasm\t"));
    let stems = |folder: &str, kind: &str| {
        let entries = std::fs::read_dir(guests().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let mut stems = entries
            .filter(|path| path.extension().is_some_and(|found| found == kind))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect::<Vec<_>>();
        stems.sort();
        stems
    };
    let names = samples::names().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(stems("wasm", "wasm"), names);
    assert_eq!(stems("src", "c"), names);
    for name in samples::names() {
        assert!(samples::get(name).unwrap().len() <= GUEST_BYTES_MAX, "{name}");
        assert!(golden("run\t").lines().any(|line| line.split(['\t', '/']).nth(1) == Some(name)), "{name} has no run");
    }
    assert_eq!(samples::get("no such sample"), None);
}
