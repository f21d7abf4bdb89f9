//! What tests of whole attempts share: a runner, and modules as text.
#![allow(dead_code, reason = "no test file needs all of it")]

use sandbox::{Attempt, AttemptError, Outcome, Runner};

/// A runner of children without a cache.
pub fn runner(folder: &tempfile::TempDir) -> Runner {
    Runner::new(env!("CARGO_BIN_EXE_sandbox-child"), &[], folder.path())
}

/// An attempt of a module in text.
pub fn attempt(text: &str) -> Attempt {
    Attempt::new(wat::parse_str(text).unwrap())
}

/// Runs an attempt that must take place.
pub fn run(attempt: &Attempt) -> Outcome {
    try_run(attempt).unwrap()
}

/// Runs an attempt and looks that nothing is left behind.
pub fn try_run(attempt: &Attempt) -> Result<Outcome, AttemptError> {
    let folder = tempfile::tempdir().unwrap();
    let outcome = runner(&folder).run(attempt);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "an attempt leaves nothing behind");
    outcome
}

/// A module that imports the calls tests use and has `body` as `_start`; data lies from 1024 on.
pub fn module(data: &str, body: &str) -> String {
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

/// Prints six bytes of data.
pub const HELLO: &str = "(call $put (i32.const 1) (i32.const 1024) (i32.const 6))";
