//! Whole attempts: a real child, a real engine, walls as high as this machine has them. Each test is named for its promise.
#![allow(clippy::unwrap_used, reason = "in a test a failed step is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{HELLO, attempt, module, run, runner, try_run};
use sandbox::{Attempt, AttemptError, BadModule, CACHE_BYTES, Cache, End, Handle, Runner, Trust};

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
fn what_a_stack_is_too_small_for_runs_on_a_deep_one_with_the_same_steps() {
    // So many calls in each other, each with room for two dozen numbers that live across the call.
    let locals = "(local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)";
    let text = |calls: u32| {
        let lives: String = (1..13).map(|n| format!("(local.set {n} (i64.load (i32.const {})))", n * 8)).collect();
        let sums: String = (1..13)
            .map(|n| format!("(i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (local.get {n})))"))
            .collect();
        format!(
            r#"(module (memory (export "memory") 1)
            (func $down (param i32) {locals} {lives}
                (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))) {sums})
            (func (export "_start") (call $down (i32.const {calls}))))"#
        )
    };
    let deep = |calls: u32| {
        let mut attempt = attempt(&text(calls));
        attempt.limits.deep_stack = true;
        run(&attempt)
    };
    assert_eq!(run(&attempt(&text(30_000))).end, End::StackOverflow);
    assert_eq!(deep(30_000).end, End::Exit(0));
    assert_eq!(deep(1_000_000).end, End::StackOverflow);
    let shallow = run(&attempt(&text(100)));
    assert_eq!((shallow.end, shallow.fuel), (End::Exit(0), deep(100).fuel));
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
