//! Several items in one process, and what a node hears of a run while it runs.
#![allow(clippy::unwrap_used, reason = "in a test a failed step is a failed test")]

use std::time::{Duration, Instant};

use sandbox::{Attempt, AttemptError, End, Handle, Item, MIB, Outcome, Progress, Runner, samples};

fn runner(folder: &tempfile::TempDir) -> Runner {
    Runner::new(env!("CARGO_BIN_EXE_sandbox-child"), &[], folder.path())
}

fn sample(name: &str, args: &[&str]) -> Attempt {
    let mut attempt = Attempt::new(samples::get(name).unwrap().to_vec());
    attempt.args = args.iter().map(|arg| (*arg).to_owned()).collect();
    attempt.limits.memory_bytes = 16 * MIB;
    attempt.limits.fuel = u64::MAX / 2;
    attempt
}

fn item(stdin: &[u8]) -> Item {
    Item { stdin: stdin.to_vec(), ..Item::default() }
}

fn run_many(base: &Attempt, items: &[Item]) -> Vec<Result<Outcome, AttemptError>> {
    let folder = tempfile::tempdir().unwrap();
    let mut outcomes = Vec::new();
    runner(&folder)
        .run_many(base, items, &Handle::default(), &mut |place, outcome| {
            assert_eq!(place, outcomes.len(), "in order");
            outcomes.push(outcome);
        })
        .unwrap();
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "a bundle leaves nothing behind");
    outcomes
}

#[test]
fn items_in_a_row_are_as_items_alone() {
    let base = sample("wordcount-reduce", &[]);
    let inputs: [&[u8]; 6] = [b"a\t1\na\t2\n", b"", b"no tab\n", b"b\t3\n", b"no tab", b"c\t4\nd\t5\n"];
    let together = run_many(&base, &inputs.map(item));
    for (input, outcome) in inputs.iter().zip(together) {
        let outcome = outcome.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut alone = base.clone();
        alone.stdin = input.to_vec();
        let alone = runner(&folder).run(&alone).unwrap();
        assert_eq!((&outcome.end, &outcome.stdout, outcome.fuel), (&alone.end, &alone.stdout, alone.fuel));
        assert_eq!((&outcome.stderr, outcome.peak_memory_bytes), (&alone.stderr, alone.peak_memory_bytes));
    }
}

#[test]
fn a_trap_does_not_reach_the_next_item() {
    // The third throws asked for is no number; the first and last runs must not know of it.
    let items = ["1000", "1000", "x", "1000"].map(|throws| Item { args: vec![throws.into()], ..Item::default() });
    let ends = run_many(&sample("pi", &[]), &items).into_iter().map(|outcome| outcome.unwrap()).collect::<Vec<_>>();
    assert_eq!(ends.iter().map(|outcome| outcome.end.clone()).collect::<Vec<_>>(), [0, 0, 1, 0].map(End::Exit));
    assert_eq!(ends[0].stdout, ends[3].stdout);
    let traps = run_many(&sample("trap", &[]), &[item(b""), item(b"")]);
    assert!(traps.iter().all(|outcome| matches!(&outcome.as_ref().unwrap().end, End::Trap(_))));
    let mut deep = sample("deep", &[]);
    deep.limits.fuel = 1 << 40;
    assert!(run_many(&deep, &[item(b""), item(b"")]).iter().all(|end| end.as_ref().unwrap().end == End::StackOverflow));
}

#[test]
fn input_that_nobody_reads_is_not_the_next_items() {
    let items = [item(&vec![b'x'; 3 << 20]), item(b"y"), item(&[0; 100])];
    assert!(run_many(&sample("noop", &[]), &items).iter().all(|outcome| outcome.as_ref().unwrap().end == End::Exit(0)));
}

#[test]
fn what_streams_through_does_not_lie_in_the_child() {
    // More than the process may have in memory, in and out again.
    let line = [[b'x'; 1_023].as_slice(), b"\n"].concat();
    let text = line.repeat(96 << 10);
    let mut attempt = sample("grep", &["x"]);
    attempt.limits.memory_bytes = 2 * MIB;
    attempt.stdin.clone_from(&text);
    let folder = tempfile::tempdir().unwrap();
    let outcome = runner(&folder).run(&attempt).unwrap();
    assert_eq!(outcome.end, End::Exit(0));
    assert!(outcome.stdout == text && outcome.peak_memory_bytes <= 2 * MIB);
}

#[test]
fn files_of_one_item_are_not_seen_by_the_next() {
    let mut items = vec![Item::default(); 3];
    items[1].inputs.insert("b".into(), b"b".to_vec());
    let listings = run_many(&sample("dirorder", &[]), &items);
    let listings = listings.into_iter().map(|outcome| outcome.unwrap()).collect::<Vec<_>>();
    assert_eq!(listings[0].stdout, listings[2].stdout);
    let has_input = |outcome: &Outcome| outcome.stdout.windows(6).any(|bytes| bytes == b"b 4 3\n");
    assert_eq!(listings.iter().map(has_input).collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn an_item_out_of_time_costs_its_process_and_no_other_item() {
    let mut base = sample("steps", &[]);
    base.limits.wall = Duration::from_secs(2);
    let items = [["1", "1"], ["1000", "1000000000"], ["1", "1"]]
        .map(|args| Item { args: args.map(str::to_owned).to_vec(), ..Item::default() });
    let ends = run_many(&base, &items).into_iter().map(|outcome| outcome.unwrap().end).collect::<Vec<_>>();
    assert_eq!(ends, [End::Exit(0), End::OutOfTime, End::Exit(0)]);
}

#[test]
fn too_many_items_are_refused_and_nothing_runs() {
    let folder = tempfile::tempdir().unwrap();
    let refused =
        runner(&folder).run_many(&sample("noop", &[]), &vec![Item::default(); 65], &Handle::default(), &mut |_, _| {
            panic!("nothing runs")
        });
    assert!(matches!(refused, Err(AttemptError::Attempt(_))), "{refused:?}");
}

#[cfg(unix)]
#[test]
fn a_bundle_is_parked_and_stopped_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let items = vec![Item { args: vec!["1".into(), "300000000".into()], ..Item::default() }; 64];
    let (handle, (sender, told)) = (Handle::default(), std::sync::mpsc::channel());
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            runner(&folder).run_many(&sample("steps", &[]), &items, &handle, &mut |place, outcome| {
                outcome.unwrap();
                sender.send(place).unwrap();
            })
        });
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(0));
        handle.park();
        // One may have been done before the hand was seen; then there is silence, far longer than an item takes.
        while told.recv_timeout(Duration::from_secs(4)).is_ok() {
            assert!(told.try_recv().is_err(), "a parked bundle goes on");
        }
        handle.resume();
        assert!(told.recv_timeout(Duration::from_secs(60)).is_ok(), "it goes on where it was");
        handle.stop();
        assert!(matches!(run.join().unwrap(), Err(AttemptError::Stopped)));
    });
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

/// The scheduling policy of a process, if it is a child of this one.
#[cfg(target_os = "linux")]
fn policy(process: &str) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields = stat.rsplit_once(')')?.1.split_whitespace().collect::<Vec<_>>();
    // Numbers 4 and 41 of proc(5); the first two are gone.
    let is_own = fields.get(1)?.parse() == Ok(std::process::id());
    is_own.then_some(fields.get(38)?.parse().ok()?)
}

#[cfg(target_os = "linux")]
#[test]
fn a_guest_computes_only_while_nobody_else_wants_to() {
    const SCHED_IDLE: u32 = 5;
    let folder = tempfile::tempdir().unwrap();
    let handle = Handle::default();
    let seen = std::thread::scope(|scope| {
        let run = scope.spawn(|| runner(&folder).giving_way().run_held(&sample("spin", &[]), &handle));
        let (until, mut seen) = (Instant::now() + Duration::from_secs(20), None);
        while seen != Some(SCHED_IDLE) && Instant::now() < until {
            let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
            let mut children = entries.filter_map(|entry| policy(entry.file_name().to_str()?));
            seen = children.find(|found| *found == SCHED_IDLE).or(seen);
            std::thread::sleep(Duration::from_millis(10));
        }
        handle.stop();
        assert!(matches!(run.join().unwrap(), Err(AttemptError::Stopped)));
        seen
    });
    assert_eq!(seen, Some(SCHED_IDLE));
}

#[test]
fn progress_is_heard_while_the_guest_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut heard: Vec<(Instant, Progress)> = Vec::new();
    let attempt = sample("steps", &["20", "30000000"]);
    let outcome = runner(&folder)
        .run_observed(&attempt, &Handle::default(), &mut |progress| heard.push((Instant::now(), progress)))
        .unwrap();
    let ended = Instant::now();
    assert_eq!(outcome.end, End::Exit(0));
    let last = heard.last().unwrap().1;
    assert_eq!(last.fraction, Some(1.0));
    assert_eq!(last.peak_memory_bytes, outcome.peak_memory_bytes);
    assert!(last.fuel <= outcome.fuel && last.fuel > outcome.fuel / 2);
    assert!(heard.windows(2).all(|pair| pair[0].1.fuel <= pair[1].1.fuel && pair[0].1.fraction <= pair[1].1.fraction));
    let (first, told) = heard[0];
    assert!(told.fraction < Some(1.0) && ended - first > Duration::from_millis(100), "not only at the end");
    // A tenth of a second between two, and one at the end.
    let most = (ended - first).as_millis() / 100 + 3;
    assert!((heard.len() as u128) < most, "{} words in {:?}", heard.len(), ended - first);
}

#[test]
fn a_guest_that_floods_standard_error_is_not_heard_more_often() {
    let text = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 64) "PUMASI progress 0.5\n")
        (func (export "_start") (local $left i32) (local.set $left (i32.const 100000))
            (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 20))
            (loop $again (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
                (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"#;
    let (folder, mut heard, started) = (tempfile::tempdir().unwrap(), 0u128, Instant::now());
    let attempt = Attempt::new(wat::parse_str(text).unwrap());
    runner(&folder).run_observed(&attempt, &Handle::default(), &mut |_| heard += 1).unwrap();
    assert!(heard >= 1 && heard <= started.elapsed().as_millis() / 100 + 2, "{heard}");
}
