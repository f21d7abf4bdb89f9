//! Whole attempts: a real child, a real engine, walls as high as this machine has them. Each test is named for its promise.
#![allow(clippy::unwrap_used, reason = "in a test a failed step is a failed test")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sandbox::{Attempt, AttemptError, BadModule, CACHE_BYTES, Cache, End, Handle, Outcome, Runner, Trust};

fn runner(folder: &tempfile::TempDir) -> Runner {
    Runner::new(env!("CARGO_BIN_EXE_sandbox-child"), &[], folder.path())
}

fn attempt(text: &str) -> Attempt {
    Attempt::new(wat::parse_str(text).unwrap())
}

fn run(attempt: &Attempt) -> Outcome {
    try_run(attempt).unwrap()
}

fn try_run(attempt: &Attempt) -> Result<Outcome, AttemptError> {
    let folder = tempfile::tempdir().unwrap();
    let outcome = runner(&folder).run(attempt);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "an attempt leaves nothing behind");
    outcome
}

/// A module that imports the calls tests use and has `body` as `_start`; data lies from 1024 on.
fn module(data: &str, body: &str) -> String {
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_readdir" (func $list (param i32 i32 i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 1024) "{data}")
        ;; prints bytes of memory to a descriptor
        (func $put (param $fd i32) (param $at i32) (param $count i32)
            (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $count))
            (if (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then (call $exit (i32.const 99)))))
        ;; opens a path, gives the descriptor; with all rights if it makes a file, else to read
        (func $file (param $dir i32) (param $at i32) (param $count i32) (param $how i32) (result i32)
            (if (call $open (local.get $dir) (i32.const 0) (local.get $at) (local.get $count) (local.get $how)
                    (select (i64.const 0x1fffffff) (i64.const 2) (local.get $how)) (i64.const 0) (i32.const 0) (i32.const 12))
                (then (call $exit (i32.const 98))))
            (i32.load (i32.const 12)))
        (func (export "_start") {body}))"#
    )
}

const HELLO: &str = "(call $put (i32.const 1) (i32.const 1024) (i32.const 6))";
const SPIN: &str = "(loop $again (br $again))";

#[test]
fn hello_is_said_and_counted() {
    let outcome = run(&attempt(&module("hello\\n", HELLO)));
    assert_eq!(outcome.end, End::Exit(0));
    assert_eq!(outcome.stdout, b"hello\n");
    assert_eq!(outcome.peak_memory_bytes, 65_536);
    assert!(outcome.fuel > 1_000 && outcome.fuel < 10_000, "{}", outcome.fuel);
}

#[test]
fn exit_codes_and_standard_error_come_through() {
    let body = "(call $put (i32.const 2) (i32.const 1024) (i32.const 4)) (call $exit (i32.const 7))";
    let outcome = run(&attempt(&module("oops", body)));
    assert_eq!((outcome.end, outcome.stderr.as_slice()), (End::Exit(7), &b"oops"[..]));
}

#[test]
fn only_the_tail_of_standard_error_is_kept() {
    let mut attempt = attempt(&module("head", "(call $put (i32.const 2) (i32.const 1024) (i32.const 4))"));
    attempt.limits.stderr_bytes = 3;
    assert_eq!(run(&attempt).stderr, b"ead");
}

#[test]
fn standard_input_arguments_and_variables_arrive() {
    let body = "(i32.store (i32.const 0) (i32.const 2048)) (i32.store (i32.const 4) (i32.const 100))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $put (i32.const 1) (i32.const 2048) (i32.load (i32.const 8)))
        (drop (call $args (i32.const 3000) (i32.const 3100))) (call $put (i32.const 1) (i32.const 3106) (i32.const 2))
        (drop (call $env (i32.const 4000) (i32.const 4100))) (call $put (i32.const 1) (i32.const 4100) (i32.const 3))";
    let mut attempt = attempt(&module("", body));
    attempt.stdin = b"in;".to_vec();
    attempt.args = vec!["-x".into()];
    attempt.env = BTreeMap::from([("A".into(), "b".into())]);
    assert_eq!(run(&attempt).stdout, b"in;-xA=b");
}

#[test]
fn no_variable_of_the_node_is_seen() {
    let outcome = run(&attempt(&module(
        "",
        "(drop (call $env (i32.const 4000) (i32.const 4100))) (call $put (i32.const 1) (i32.const 4100) (i32.const 64))",
    )));
    assert_eq!(outcome.stdout, [0; 64]);
}

#[test]
fn a_spinning_guest_ends_by_fuel_at_the_same_step() {
    let mut attempt = attempt(&module("", SPIN));
    attempt.limits.fuel = 50_000_000;
    let outcome = run(&attempt);
    assert_eq!((outcome.end, outcome.fuel), (End::OutOfFuel, 50_000_000));
}

#[test]
fn a_spinning_guest_ends_by_time() {
    let mut attempt = attempt(&module("", SPIN));
    attempt.limits.fuel = u64::MAX / 2;
    attempt.limits.wall = Duration::from_millis(300);
    let started = Instant::now();
    assert_eq!(run(&attempt).end, End::OutOfTime);
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_guest_that_only_calls_ends_by_time_too() {
    let mut attempt = attempt(&module(
        "",
        "(loop $again (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 64))) (br $again))",
    ));
    attempt.limits.fuel = u64::MAX / 2;
    attempt.limits.wall = Duration::from_millis(300);
    assert_eq!(run(&attempt).end, End::OutOfTime);
}

#[test]
fn memory_grows_to_its_limit_and_not_beyond() {
    // Grows by one page until refused, then ends well: being refused is no fault.
    let body = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";
    let mut attempt = attempt(&module("", body));
    attempt.limits.memory_bytes = 4 << 20;
    let outcome = run(&attempt);
    assert_eq!((outcome.end, outcome.peak_memory_bytes), (End::Exit(0), 4 << 20));
}

#[test]
fn a_guest_that_dies_of_refused_memory_is_out_of_memory() {
    let body = "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))";
    let mut grows = attempt(&module("", body));
    grows.limits.memory_bytes = 1 << 20;
    assert_eq!(run(&grows).end, End::OutOfMemory);
    let mut starts = attempt(r#"(module (memory (export "memory") 100) (func (export "_start")))"#);
    starts.limits.memory_bytes = 1 << 20;
    assert_eq!(run(&starts).end, End::OutOfMemory);
}

#[test]
fn memory_of_the_limit_can_be_used_to_the_last_page() {
    // 200 MiB written to: the walls around the process leave what the limits promise.
    let body = "(drop (memory.grow (i32.const 3199)))
        (memory.fill (i32.const 0) (i32.const 7) (i32.const 209715200))";
    let mut attempt = attempt(&module("", body));
    attempt.limits.memory_bytes = 200 << 20;
    attempt.limits.output_bytes = 1 << 20;
    let outcome = run(&attempt);
    assert_eq!((outcome.end, outcome.peak_memory_bytes), (End::Exit(0), 200 << 20));
}

#[test]
fn a_trap_is_named() {
    let outcome = run(&attempt(&module("", "unreachable")));
    assert!(matches!(&outcome.end, End::Trap(why) if why.contains("unreachable")), "{:?}", outcome.end);
    let outside = run(&attempt(&module("", "(drop (i32.load (i32.const -8)))")));
    assert!(matches!(&outside.end, End::Trap(why) if why.contains("out of bounds")), "{:?}", outside.end);
}

#[test]
fn a_full_stack_blames_nobody() {
    let text = r#"(module (memory (export "memory") 1) (func $deep (export "_start") (call $deep)))"#;
    assert_eq!(run(&attempt(text)).end, End::StackOverflow);
}

#[test]
fn printing_forever_is_output_too_large() {
    let body = "(loop $again (call $put (i32.const 1) (i32.const 1024) (i32.const 60000)) (br $again))";
    let mut attempt = attempt(&module("x", body));
    attempt.limits.output_bytes = 1 << 20;
    assert_eq!(run(&attempt).end, End::OutputTooLarge);
}

/// Creates `/out/a`, writes 60,000 bytes `times` times.
fn writes(times: u32) -> String {
    let body = format!(
        "(local $fd i32) (local $left i32)
        (local.set $fd (call $file (i32.const 4) (i32.const 1024) (i32.const 1) (i32.const 1)))
        (local.set $left (i32.const {times}))
        (loop $again (call $put (local.get $fd) (i32.const 1024) (i32.const 60000))
            (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))"
    );
    module("a", &body)
}

#[test]
fn files_of_out_come_back_by_name() {
    let outcome = run(&attempt(&writes(1)));
    assert_eq!(outcome.end, End::Exit(0));
    assert_eq!(outcome.outputs.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(outcome.outputs["a"].len(), 60_000);
}

#[test]
fn bytes_in_files_are_limited() {
    let mut many = attempt(&writes(100));
    many.limits.output_bytes = 1 << 20;
    many.limits.scratch_bytes = 1 << 20;
    assert_eq!(run(&many).end, End::FilesTooLarge);
    let mut some = attempt(&writes(20));
    some.limits.output_bytes = 1 << 20;
    some.limits.scratch_bytes = 1 << 20;
    assert_eq!(run(&some).end, End::OutputTooLarge);
}

#[test]
fn files_are_counted() {
    let body =
        "(loop $again (drop (call $file (i32.const 5) (i32.const 1024) (i32.const 1) (i32.const 1))) (br $again))";
    let mut attempt = attempt(&module("a", body));
    attempt.limits.files = 10;
    assert_eq!(run(&attempt).end, End::TooManyFiles);
}

#[test]
fn inputs_can_be_read_and_not_changed() {
    let body = "(local $fd i32) (local.set $fd (call $file (i32.const 3) (i32.const 1024) (i32.const 1) (i32.const 0)))
        (i32.store (i32.const 0) (i32.const 2048)) (i32.store (i32.const 4) (i32.const 100))
        (drop (call $read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $put (i32.const 1) (i32.const 2048) (i32.load (i32.const 8)))";
    let mut reads = attempt(&module("i", body));
    reads.inputs.insert("i".into(), b"input".to_vec());
    let outcome = run(&reads);
    assert_eq!(outcome.end, End::Exit(0));
    assert_eq!(outcome.stdout, b"input");
    let mut makes =
        attempt(&module("n", "(drop (call $file (i32.const 3) (i32.const 1024) (i32.const 1) (i32.const 1)))"));
    makes.inputs.insert("i".into(), b"input".to_vec());
    assert_eq!(run(&makes).end, End::Exit(98));
}

#[test]
fn no_path_leads_out_of_the_folders() {
    for path in ["../../etc/passwd", "/etc/passwd", "../in", "..", "a/../../.."] {
        let body =
            format!("(drop (call $file (i32.const 5) (i32.const 1024) (i32.const {}) (i32.const 0)))", path.len());
        assert_eq!(run(&attempt(&module(path, &body))).end, End::Exit(98), "{path}");
    }
}

#[test]
fn directories_are_listed_by_name_and_facts_are_even() {
    let body = "(drop (call $list (i32.const 3) (i32.const 2048) (i32.const 4096) (i64.const 2) (i32.const 16)))
        (call $put (i32.const 1) (i32.const 2048) (i32.load (i32.const 16)))
        (drop (call $stat (i32.const 3) (i32.const 8192)))
        (call $put (i32.const 1) (i32.const 8192) (i32.const 64))";
    let mut attempt = attempt(&module("", body));
    for name in ["zebra", "ape", "m", "b", "yak"] {
        attempt.inputs.insert(name.into(), name.into());
    }
    let stdout = run(&attempt).stdout;
    let (listing, stat) = stdout.split_at(stdout.len() - 64);
    let mut expected = Vec::new();
    for (place, name) in ["ape", "b", "m", "yak", "zebra"].iter().enumerate() {
        let next = (place as u64 + 3).to_le_bytes();
        expected.extend_from_slice(&next);
        expected.extend_from_slice(&next);
        expected.extend_from_slice(&(name.len() as u32).to_le_bytes());
        expected.extend_from_slice(&[4, 0, 0, 0]);
        expected.extend_from_slice(name.as_bytes());
    }
    assert_eq!(listing, expected);
    let mut even = [0; 64];
    (even[16], even[24]) = (3, 1);
    assert_eq!(stat, even);
}

/// Prints clock, randomness, a float NaN made from another, and the time after sleeping for an hour.
fn varied() -> Attempt {
    let body = "(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 64)))
        (drop (call $random (i32.const 72) (i32.const 16)))
        (f64.store (i32.const 88) (f64.div (f64.load (i32.const 512)) (f64.load (i32.const 512))))
        (i32.store (i32.const 216) (i32.const 1)) (i64.store (i32.const 224) (i64.const 3600000000000))
        (drop (call $poll (i32.const 200) (i32.const 300) (i32.const 1) (i32.const 400)))
        (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 96)))
        (call $put (i32.const 1) (i32.const 64) (i32.const 40))";
    attempt(&module("", body))
}

#[test]
fn the_same_attempt_gives_the_same_bytes_and_steps() {
    let (one, two) = (run(&varied()), run(&varied()));
    assert_eq!((&one.stdout, one.fuel), (&two.stdout, two.fuel));
    let mut seeded = varied();
    seeded.seed = [1; 32];
    let three = run(&seeded);
    assert_ne!(one.stdout[8..24], three.stdout[8..24]);
    assert_eq!((&one.stdout[..8], one.fuel), (&three.stdout[..8], three.fuel));
}

/// Rounding, square roots, bit counts, conversions and lanes, over many numbers, folded into one hash.
fn kernel() -> Attempt {
    let body = "(local $x f64) (local $n i32) (local $sum i64)
        (local.set $x (f64.const -1000.75))
        (loop $again
            (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 6364136223846793005))
                (i64.reinterpret_f64 (f64.add (f64.sqrt (f64.mul (local.get $x) (local.get $x)))
                    (f64.add (f64.floor (local.get $x)) (f64.add (f64.ceil (local.get $x))
                    (f64.add (f64.trunc (local.get $x)) (f64.nearest (local.get $x)))))))))
            (local.set $sum (i64.xor (local.get $sum) (i64.popcnt (i64.trunc_sat_f64_s (local.get $x)))))
            (local.set $sum (i64.add (local.get $sum) (i64.clz (local.get $sum))))
            (v128.store (i32.const 64) (f32x4.nearest (f32x4.mul (f32x4.splat (f32.demote_f64 (local.get $x)))
                (v128.const f32x4 0.5 nan -inf 3.25))))
            (v128.store (i32.const 64) (i16x8.add_sat_s (v128.load (i32.const 64)) (i8x16.swizzle (v128.load (i32.const 64))
                (v128.const i8x16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0))))
            (local.set $sum (i64.xor (local.get $sum) (i64.rotl (i64.load (i32.const 72)) (i64.load (i32.const 64)))))
            (local.set $x (f64.add (local.get $x) (f64.const 0.3333)))
            (br_if $again (i32.lt_s (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 10000))))
        (i64.store (i32.const 512) (local.get $sum))
        (call $put (i32.const 1) (i32.const 512) (i32.const 8))";
    attempt(&module("", body))
}

/// The promise across machines: these numbers hold on every system and processor, or the engine id changes.
#[test]
fn guests_have_golden_bytes_and_steps() {
    let seen = [attempt(&module("hello\\n", HELLO)), varied(), kernel()].map(|attempt| {
        let outcome = run(&attempt);
        assert_eq!(outcome.end, End::Exit(0));
        (hex(&outcome.stdout), outcome.fuel)
    });
    let golden = [
        ("68656c6c6f0a", 1_038),
        ("d8074352cf4c230d06ac2f020383af70a80c2931ec48e7e7000000000000f87fb9b7fb821550230d", 5_136),
        ("5ad97b793e8e1af1", 2_901_037),
    ]
    .map(|(bytes, fuel): (&str, u64)| (bytes.to_owned(), fuel));
    assert_eq!(seen, golden);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn moving_bytes_costs_a_step_each() {
    let fuel = |body: &str| run(&attempt(&module("", body))).fuel;
    let nothing = fuel("");
    assert!(fuel("(memory.fill (i32.const 0) (i32.const 1) (i32.const 60000))") - nothing >= 60_000);
    assert!(fuel("(memory.copy (i32.const 0) (i32.const 1) (i32.const 60000))") - nothing >= 60_000);
    assert!(fuel("(drop (call $random (i32.const 0) (i32.const 60000)))") - nothing >= 60_000);
    assert!(fuel("(call $put (i32.const 1) (i32.const 0) (i32.const 60000))") - nothing >= 60_000);
}

#[test]
fn a_guest_inside_one_long_instruction_is_stopped() {
    // Filling 4 GiB over and over looks at no clock of its own for long.
    let body = "(drop (memory.grow (i32.const 15999)))
        (loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 1048576000)) (br $again))";
    let mut attempt = attempt(&module("", body));
    attempt.limits.memory_bytes = 1 << 30;
    attempt.limits.fuel = u64::MAX / 2;
    let folder = tempfile::tempdir().unwrap();
    let stop = Handle::default();
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(1_500));
            stop.stop();
            Instant::now()
        });
        let ended = runner(&folder).run_held(&attempt, &stop);
        assert!(matches!(ended, Err(AttemptError::Stopped)), "{ended:?}");
        asked.join().unwrap()
    });
    println!("stopped after {:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn a_parked_guest_halts_and_does_not_age() {
    let mut attempt = attempt(&module("", SPIN));
    attempt.limits.fuel = u64::MAX / 2;
    attempt.limits.wall = Duration::from_secs(1);
    let folder = tempfile::tempdir().unwrap();
    let (started, handle) = (Instant::now(), Handle::default());
    std::thread::scope(|scope| {
        let run = scope.spawn(|| runner(&folder).run_held(&attempt, &handle).unwrap().end);
        std::thread::sleep(Duration::from_millis(300));
        handle.park();
        std::thread::sleep(Duration::from_secs(5));
        assert!(!run.is_finished(), "parked for longer than its wall time");
        handle.resume();
        assert_eq!(run.join().unwrap(), End::OutOfTime);
    });
    assert!(started.elapsed() > Duration::from_millis(5_500));
}

#[test]
fn standard_streams_cannot_be_swapped_for_files() {
    // Closing 1 and opening a file must not make a file out of descriptor 1, where other limits hold.
    let text = module(
        "a",
        "(drop (call $close (i32.const 1)))
        (drop (call $file (i32.const 5) (i32.const 1024) (i32.const 1) (i32.const 1)))
        (call $put (i32.const 1) (i32.const 1024) (i32.const 1))",
    );
    let close = r#"(module
        (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))"#;
    assert_eq!(run(&attempt(&text.replacen("(module", close, 1))).stdout, b"a");
}

#[test]
fn a_hole_in_a_file_is_no_way_around_its_limit() {
    let text = module(
        "a",
        "(local $fd i32)
        (local.set $fd (call $file (i32.const 4) (i32.const 1024) (i32.const 1) (i32.const 1)))
        (drop (call $seek (local.get $fd) (i64.const 1000000000000) (i32.const 0) (i32.const 64)))
        (call $put (local.get $fd) (i32.const 1024) (i32.const 1))",
    );
    let seek = r#"(module
        (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))"#;
    let outcome = run(&attempt(&text.replacen("(module", seek, 1)));
    if cfg!(target_os = "linux") {
        assert_eq!(outcome.end, End::FilesTooLarge);
    } else {
        assert_eq!(outcome.end, End::OutputTooLarge);
    }
}

#[test]
fn the_clock_is_virtual_and_sleeping_costs_no_time() {
    let started = Instant::now();
    let stdout = run(&varied()).stdout;
    assert!(started.elapsed() < Duration::from_secs(60));
    let time = |at: usize| u64::from_le_bytes(stdout[at..at + 8].try_into().unwrap());
    assert_eq!(time(0) / 1_000_000_000, 946_684_800);
    let slept = time(32) - time(0);
    assert_eq!(slept / 1_000_000_000, 3_600);
    assert_eq!(time(24), 0x7ff8_0000_0000_0000, "a NaN has the canonical bits");
}

#[test]
fn sleeping_forever_ends_at_once_and_breaks_no_clock() {
    let body = "(i32.store (i32.const 216) (i32.const 1)) (i64.store (i32.const 224) (i64.const -1))
        (if (call $poll (i32.const 200) (i32.const 300) (i32.const 1) (i32.const 400)) (then (call $exit (i32.const 1))))
        (if (call $poll (i32.const 200) (i32.const 300) (i32.const 1) (i32.const 400)) (then (call $exit (i32.const 2))))
        (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 64)))
        (if (i64.ne (i64.load (i32.const 64)) (i64.const -1)) (then (call $exit (i32.const 3))))";
    assert_eq!(run(&attempt(&module("", body))).end, End::Exit(0));
}

#[test]
fn odd_pointers_are_errors_of_the_call() {
    // Buffers outside of memory, too many of them, results outside of memory: an errno, never more.
    let body = "(i32.store (i32.const 0) (i32.const -4)) (i32.store (i32.const 4) (i32.const 100))
        (if (i32.ne (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 21))
            (then (call $exit (i32.const 1))))
        (if (i32.ne (call $write (i32.const 1) (i32.const 0) (i32.const 0x20000001) (i32.const 8)) (i32.const 28))
            (then (call $exit (i32.const 2))))
        (if (i32.ne (call $random (i32.const -8) (i32.const 16)) (i32.const 21)) (then (call $exit (i32.const 3))))
        (if (i32.ne (call $clock (i32.const 0) (i64.const 0) (i32.const 65532)) (i32.const 21)) (then (call $exit (i32.const 4))))
        (if (i32.ne (call $poll (i32.const 65500) (i32.const 0) (i32.const 9) (i32.const 0)) (i32.const 21))
            (then (call $exit (i32.const 5))))";
    let mut attempt = attempt(&module("", body));
    attempt.limits.fuel = u64::MAX / 2;
    assert_eq!(run(&attempt).end, End::Exit(0));
}

#[test]
fn sockets_are_refused_with_their_name() {
    let text = r#"(module (import "wasi_snapshot_preview1" "sock_open" (func (param i32 i32) (result i32)))
        (memory (export "memory") 1) (func (export "_start")))"#;
    match try_run(&attempt(text)) {
        Err(AttemptError::Module(BadModule::BadImport { name, .. })) => assert_eq!(name, "sock_open"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn noise_is_not_wasm() {
    let refused = try_run(&Attempt::new(b"\x7fELF and so on".to_vec()));
    assert!(matches!(refused, Err(AttemptError::Module(BadModule::NotWasm(_)))), "{refused:?}");
}

#[test]
fn compiling_has_limits() {
    let many = (0..3_000).map(|n| format!("(func (result i32) (i32.const {n}))")).collect::<String>();
    let text = format!(r#"(module (memory (export "memory") 1) {many} (func (export "_start")))"#);
    let mut large = attempt(&text);
    large.limits.code_bytes = 10_000;
    let refused = try_run(&large);
    assert!(matches!(refused, Err(AttemptError::Module(BadModule::CodeTooLarge { .. }))), "{refused:?}");
    let mut long = attempt(&text);
    long.limits.compile = Duration::from_millis(1);
    let refused = try_run(&long);
    assert!(matches!(refused, Err(AttemptError::Module(BadModule::CompileTooLong))), "{refused:?}");
    let mut fat = attempt(&text);
    fat.limits.compile_bytes = 10 << 20;
    let refused = try_run(&fat);
    if cfg!(target_os = "linux") {
        assert!(matches!(refused, Err(AttemptError::Module(BadModule::CompileTooLarge))), "{refused:?}");
    }
}

#[test]
fn code_is_made_once_and_then_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("code"), CACHE_BYTES).unwrap();
    let runner =
        Runner::new(env!("CARGO_BIN_EXE_sandbox-child"), &[], folder.path().join("attempts")).with_cache(cache);
    let attempt = attempt(&module("hello\\n", HELLO));
    let (first, second) = (runner.run(&attempt).unwrap(), runner.run(&attempt).unwrap());
    assert!(!first.was_cached && second.was_cached);
    assert_eq!((first.stdout, first.fuel), (second.stdout, second.fuel));
}

#[test]
fn a_child_that_is_no_child_is_lost_and_not_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let lost = Runner::new("/bin/true", &[], folder.path()).run(&attempt(&module("", "")));
    assert!(matches!(lost, Err(AttemptError::Lost(_) | AttemptError::Os { .. })), "{lost:?}");
}

#[test]
fn strangers_work_runs_behind_walls_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let walls = runner(&folder).walls().unwrap();
    println!("level {} here; standing: {:?}; missing: {:?}", walls.level(), walls.standing, walls.missing);
    let mut attempt = attempt(&module("hello\\n", HELLO));
    attempt.trust = Trust::Public;
    let needed = sandbox::walls::needed(Trust::Public, std::env::consts::ARCH);
    match runner(&folder).run(&attempt) {
        Ok(outcome) => assert!(outcome.level >= needed && walls.level() >= needed),
        Err(AttemptError::Walls { level, .. }) => assert!(level < needed && level == walls.level()),
        Err(other) => panic!("{other}"),
    }
}
