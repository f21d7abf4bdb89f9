//! The one unsafe call of this room, alone.

use wasmtime::{Engine, Module};

/// Loads compiled code that the compiling child of this very machine has made.
///
/// # Errors
/// The code is of another engine, profile or target.
#[expect(unsafe_code, reason = "compiled code cannot be loaded otherwise, see the argument inside")]
pub(crate) fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Module> {
    // SAFETY: the caller must hand in bytes that `Module::serialize` made, unchanged. They come from the node's own cache or
    // straight from the compiling child, over a private pipe; the cache is written by the node alone, in a folder of mode 0700
    // that no sandbox can reach, with a checksum, and nothing received from another machine enters it. Should a hostile module
    // subvert the compiler, its code runs here, behind the same walls, as if the guest had subverted the run.
    unsafe { Module::deserialize(engine, code) }
}
