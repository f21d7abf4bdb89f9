//! Counted steps per second of the sample kernels: how far apart they are says how fair the weights are.
//! `cargo bench -p sandbox --bench profile`; prints minimum, median, maximum of processor time (the children's, because they
//! wait for everybody else) and the load of the machine. A file as argument is the text;
//! of 64 MiB word count gets all, the hash tree half and sort a quarter.
#![allow(clippy::unwrap_used, reason = "in a bench a failed step ends it")]

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use sandbox::{Attempt, CACHE_BYTES, Cache, End, Handle, ITEMS_MAX, Item, MIB, Runner, samples};

const ROUNDS: usize = 5;

/// Text of `bytes` bytes: words of many lengths, some often and some once.
fn text(bytes: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut text = Vec::with_capacity(bytes + 16);
    let mut words = 0;
    while text.len() < bytes {
        let reach = next(14);
        let rank = next(16 << reach);
        text.extend(format!("{:x}", (rank + 1).wrapping_mul(0x9E37_79B9) >> (rank % 5 * 6)).bytes());
        words += 1;
        text.push(if words % 12 == 0 { b'\n' } else { b' ' });
    }
    text.truncate(bytes);
    text
}

fn attempt(name: &str, args: &[&str], stdin: Vec<u8>) -> Attempt {
    let mut attempt = Attempt::new(samples::get(name).unwrap().to_vec());
    attempt.args = args.iter().map(|arg| (*arg).to_owned()).collect();
    attempt.stdin = stdin;
    attempt.limits.fuel = u64::MAX / 2;
    attempt.limits.memory_bytes = 512 * MIB;
    attempt
}

/// Processor time so far of all children that have ended, or of this process.
fn spent(who: UsageWho) -> Duration {
    let usage = getrusage(who).unwrap();
    let micros = |time: nix::sys::time::TimeVal| Duration::from_micros(time.num_microseconds() as u64);
    micros(usage.user_time()) + micros(usage.system_time())
}

/// What a kernel took in each round, sorted.
struct Taken {
    child: Vec<Duration>,
    node: Vec<Duration>,
    wall: Vec<Duration>,
    fuel: u64,
}

fn measure(runner: &Runner, attempt: &Attempt) -> Taken {
    let fuel = runner.run(attempt).unwrap().fuel;
    let mut taken = Taken { child: Vec::new(), node: Vec::new(), wall: Vec::new(), fuel };
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let before = (spent(UsageWho::RUSAGE_CHILDREN), spent(UsageWho::RUSAGE_SELF));
        let outcome = runner.run(attempt).unwrap();
        taken.wall.push(started.elapsed());
        taken.child.push(spent(UsageWho::RUSAGE_CHILDREN) - before.0);
        taken.node.push(spent(UsageWho::RUSAGE_SELF) - before.1);
        assert_eq!((outcome.end, outcome.fuel), (End::Exit(0), fuel));
    }
    for rounds in [&mut taken.child, &mut taken.node, &mut taken.wall] {
        rounds.sort();
    }
    taken
}

/// One line: the child's processor time, the least the node and the wall took, and more.
fn print(name: &str, taken: &Taken, more: &str) {
    let Taken { child, node, wall, .. } = taken;
    println!(
        "{name:14} {:>9.1?} {:>9.1?} {:>9.1?} {:>9.1?} {:>9.1?}  {more}",
        child[0],
        child[ROUNDS / 2],
        child[ROUNDS - 1],
        node[0],
        wall[0]
    );
}

/// No-op items per second: each in a process of its own, and in bundles.
fn bundles(runner: &Runner) {
    let base = attempt("noop", &[], Vec::new());
    let items = vec![Item::default(); ITEMS_MAX];
    let rate = |run: &dyn Fn()| {
        let (started, before) = (Instant::now(), spent(UsageWho::RUSAGE_CHILDREN));
        run();
        let count = items.len() as u32;
        (f64::from(count) / started.elapsed().as_secs_f64(), (spent(UsageWho::RUSAGE_CHILDREN) - before) / count)
    };
    let alone = rate(&|| items.iter().for_each(|_| drop(runner.run(&base).unwrap())));
    let together = rate(&|| {
        let told = &mut |_, outcome: Result<_, _>| drop::<sandbox::Outcome>(outcome.unwrap());
        runner.run_many(&base, &items, &Handle::default(), told).unwrap();
    });
    println!("no-op items/s: {:.0} in a process each, {:.0} in bundles of {ITEMS_MAX}", alone.0, together.0);
    println!("processor time of one: {:.1?} in a process each, {:.1?} in bundles", alone.1, together.1);
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("code"), CACHE_BYTES).unwrap();
    let runner =
        Runner::new(env!("CARGO_BIN_EXE_sandbox-child"), &[], folder.path().join("attempts")).with_cache(cache);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {}", load.trim());
    println!("{:14} {:>9} {:>9} {:>9} {:>9} {:>9}", "", "least", "median", "most", "node", "wall");
    let start = measure(&runner, &attempt("noop", &[], Vec::new()));
    print("noop", &start, "process and no-op");
    bundles(&runner);
    let file = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let words = file.map_or_else(|| text(64 << 20), |path| std::fs::read(path).unwrap());
    let kernels = [
        attempt("sha256tree", &[], words[..words.len() / 2].to_vec()),
        attempt("sort", &[], words[..words.len() / 4].to_vec()),
        attempt("wordcount-map", &[], words.clone()),
        attempt("grep", &["-c", "9e37"], words.clone()),
        attempt("pi", &["50000000"], Vec::new()),
        attempt("float-loop", &["20000000"], Vec::new()),
        attempt("matrix", &["400"], Vec::new()),
    ];
    let names = ["sha256tree", "sort", "wordcount-map", "grep", "pi", "float-loop", "matrix"];
    let mut rates = Vec::new();
    for (name, attempt) in names.iter().zip(&kernels) {
        let taken = measure(&runner, attempt);
        let giga = taken.fuel as f64 / 1e9;
        let rate = giga / (taken.child[0] - start.child[0]).as_secs_f64();
        print(name, &taken, &format!("{giga:5.2} G steps, {rate:5.2} G steps/s"));
        rates.push(rate);
    }
    let (least, most) = rates.iter().fold((f64::MAX, 0f64), |(least, most), rate| (rate.min(least), rate.max(most)));
    println!("fastest ÷ slowest: {:.2}", most / least);
}
