//! The engine profile `det1`: same module, same inputs, same bytes and same fuel on every machine.
//!
//! NaN bits are canonical, relaxed SIMD, threads, shared memory, several memories, 64-bit memories, garbage collection and
//! exceptions are refused, code is made for the baseline of the processor family and not for this processor, fuel is on and
//! epochs are off. What an operator costs: [`weights`].

use wasmtime::{Config, Engine, Inlining, OptLevel, RegallocAlgorithm, Strategy};

use crate::attempt::BadModule;
use crate::weights;

/// Version of the engine, part of every key of compiled code; a test holds it against the lock file.
pub const ENGINE_VERSION: &str = "48.0.8";
/// Name of the profile; any change of this file that changes results or steps changes it.
pub const PROFILE: &str = "det1.2";
/// Version of what the host answers; any change there that a guest can see changes it.
const HOST: &str = "host1";
/// Steps between two looks at the clock.
pub const FUEL_YIELD: u64 = 10_000_000;
/// Steps that one call to the host costs.
pub const CALL_FUEL: u64 = 1_000;
/// Bytes of a guest's stack.
pub const STACK_BYTES: usize = 1 << 20;
/// Bytes of the stack of a guest for which that was not enough, where it is tried once more.
pub const DEEP_STACK_BYTES: usize = 8 << 20;
/// Elements of all tables together.
pub const TABLE_ELEMENTS_MAX: usize = 1_000_000;
/// The only module whose functions may be imported.
pub const P1: &str = "wasi_snapshot_preview1";

/// The functions of WASI preview 1 that are offered. Sockets, links and rights are not among them.
pub const OFFERED: [&str; 38] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "random_get",
    "sched_yield",
];

/// The target of compiled code: this family of processors at its baseline, without features of this very one.
fn target() -> Option<&'static str> {
    match (std::env::consts::ARCH, std::env::consts::OS) {
        ("x86_64", "linux") => Some("x86_64-unknown-linux-gnu"),
        ("aarch64", "linux") => Some("aarch64-unknown-linux-gnu"),
        ("x86_64", "macos") => Some("x86_64-apple-darwin"),
        ("aarch64", "macos") => Some("aarch64-apple-darwin"),
        ("x86_64", "windows") => Some("x86_64-pc-windows-msvc"),
        _ => None,
    }
}

/// An engine of the profile.
///
/// # Errors
/// The engine does not know this machine.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    engine_with(STACK_BYTES)
}

/// An engine that runs the same code on a stack of so many bytes.
///
/// # Errors
/// As [`engine`].
pub(crate) fn engine_with(stack_bytes: usize) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    if let Some(target) = target() {
        config.target(target)?;
    }
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking)
        .cranelift_nan_canonicalization(true)
        .compiler_inlining(Inlining::No)
        .parallel_compilation(false)
        .consume_fuel(true)
        .operator_cost(weights::cost_table_v1())
        .epoch_interruption(false)
        .max_wasm_stack(stack_bytes)
        .async_stack_size(stack_bytes + (1 << 20))
        .memory_init_cow(false)
        .generate_address_map(false)
        .wasm_backtrace_max_frames(None)
        .wasm_simd(true)
        .wasm_relaxed_simd(false)
        .relaxed_simd_deterministic(true)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    Engine::new(&config)
}

/// The name of engine, profile and host in one: machines with the same id make the same results, whatever they are.
pub fn engine_id() -> [u8; 32] {
    hash_words("pumasi sandbox engine id", [ENGINE_VERSION, PROFILE, HOST])
}

/// The name of compiled code's form: [`engine_id`] and the family of machines it runs on.
pub(crate) fn code_id() -> [u8; 32] {
    let target = target().unwrap_or(concat!("unknown, of this build: ", env!("CARGO_PKG_VERSION")));
    hash_words("pumasi sandbox code id", [ENGINE_VERSION, PROFILE, target])
}

fn hash_words(context: &str, words: [&str; 3]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for word in words {
        hasher.update(&(word.len() as u64).to_le_bytes()).update(word.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Compiles `bytes` and checks what they ask for. Foreign bytes are read here: only behind the walls.
///
/// # Errors
/// [`BadModule`], with the first thing that is wrong.
pub(crate) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, BadModule> {
    let not_wasm = |error: wasmtime::Error| BadModule::NotWasm(format!("{error:#}"));
    let module = wasmtime::Module::from_binary(engine, bytes).map_err(not_wasm)?;
    check(&module)?;
    module.serialize().map_err(not_wasm)
}

/// Imports and exports against the profile.
fn check(module: &wasmtime::Module) -> Result<(), BadModule> {
    for import in module.imports() {
        let is_offered = import.module() == P1 && OFFERED.contains(&import.name()) && import.ty().func().is_some();
        if !is_offered {
            return Err(BadModule::BadImport { module: import.module().into(), name: import.name().into() });
        }
    }
    let start = module.get_export("_start").and_then(|export| export.func().cloned());
    if start.is_none_or(|ty| ty.params().len() != 0 || ty.results().len() != 0) {
        return Err(BadModule::NoStart);
    }
    match module.get_export("memory").and_then(|export| export.memory().cloned()) {
        Some(_) => Ok(()),
        None => Err(BadModule::NoMemory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_locked_one() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{ENGINE_VERSION}\"\n")));
    }

    /// Whether code for counting bits and rounding uses instructions that came after the baseline of x86-64.
    #[cfg(target_arch = "x86_64")]
    fn is_newer_than_baseline(engine: &Engine) -> bool {
        let text = r#"(module (memory (export "memory") 1) (func (export "_start")
            (i64.store (i32.const 0) (i64.popcnt (i64.load (i32.const 0))))
            (f64.store (i32.const 0) (f64.floor (f64.load (i32.const 0))))))"#;
        let code = compile(engine, &wat::parse_str(text).unwrap()).unwrap();
        let popcnt = |bytes: &[u8]| bytes[0] == 0xf3 && bytes[1] & 0xf8 == 0x48 && bytes[2..4] == [0x0f, 0xb8];
        let roundsd = |bytes: &[u8]| bytes[0] == 0x66 && bytes[1..4] == [0x0f, 0x3a, 0x0b];
        let vroundsd = |bytes: &[u8]| bytes[0] == 0xc4 && bytes[1] & 0x1f == 3 && bytes[3] == 0x0b;
        code.windows(4).any(|bytes| popcnt(bytes) || roundsd(bytes) || vroundsd(bytes))
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn code_is_made_for_the_family_and_not_for_this_processor() {
        assert!(!is_newer_than_baseline(&engine().unwrap()));
        // The same look sees them where code is made for this processor.
        if std::is_x86_feature_detected!("popcnt") {
            assert!(is_newer_than_baseline(&Engine::default()));
        }
    }

    fn refusal(text: &str) -> BadModule {
        compile(&engine().unwrap(), &wat::parse_str(text).unwrap()).unwrap_err()
    }

    #[test]
    fn sockets_and_strange_imports_are_not_offered() {
        let sock = r#"(module (import "wasi_snapshot_preview1" "sock_accept" (func (param i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (func (export "_start")))"#;
        assert_eq!(refusal(sock), BadModule::BadImport { module: P1.into(), name: "sock_accept".into() });
        let strange =
            r#"(module (import "env" "system" (func)) (memory (export "memory") 1) (func (export "_start")))"#;
        assert_eq!(refusal(strange), BadModule::BadImport { module: "env".into(), name: "system".into() });
    }

    #[test]
    fn features_outside_of_the_profile_are_refused() {
        for text in [
            r#"(module (memory (export "memory") 1 1 shared) (func (export "_start")))"#,
            r#"(module (memory (export "memory") 1) (memory 1) (func (export "_start")))"#,
            r#"(module (memory (export "memory") i64 1) (func (export "_start")))"#,
            r#"(module (memory (export "memory") 1) (func (export "_start")
                (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))"#,
            r#"(module (tag) (memory (export "memory") 1) (func (export "_start")))"#,
        ] {
            assert!(matches!(refusal(text), BadModule::NotWasm(_)), "{text}");
        }
    }

    #[test]
    fn text_and_noise_are_not_wasm() {
        for bytes in [&b""[..], b"(module)", b"\0asm\x01\0\0\0\xff\xff", b"MZ\x90\0"] {
            let compiled = compile(&engine().unwrap(), bytes);
            assert!(matches!(compiled, Err(BadModule::NotWasm(_) | BadModule::NoStart)), "{compiled:?}");
        }
    }

    #[test]
    fn a_module_needs_a_start_and_a_memory() {
        assert_eq!(refusal(r#"(module (memory (export "memory") 1))"#), BadModule::NoStart);
        assert_eq!(refusal(r#"(module (func (export "_start")))"#), BadModule::NoMemory);
    }
}
