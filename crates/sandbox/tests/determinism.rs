//! The same everywhere: bytes, steps, clocks, listings. These numbers hold on every system and processor, or the engine id changes.
#![allow(clippy::unwrap_used, reason = "in a test a failed step is a failed test")]

mod common;

use std::time::{Duration, Instant};

use common::{HELLO, attempt, module, run};
use sandbox::{Attempt, End};

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
        ("68656c6c6f0a", 1_040),
        ("d8074352cf4c230d06ac2f020383af70a80c2931ec48e7e7000000000000f87fb9b7fb821550230d", 5_138),
        ("5ad97b793e8e1af1", 2_981_039),
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
