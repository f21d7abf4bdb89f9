//! The words: what an attempt is, what it may use, how it ended. Plain data, nothing runs here.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One MiB in bytes.
pub const MIB: u64 = 1 << 20;
/// Bytes of a module that are accepted at most: 32 MiB.
pub const MODULE_BYTES_MAX: u64 = 32 * MIB;
/// Arguments, and likewise variables, of one attempt at most.
pub const ARGS_MAX: usize = 64;
/// Bytes of all arguments, and likewise of all variables, at most: 16 KiB.
pub const ARGS_BYTES_MAX: usize = 16 << 10;
/// Entries under `/in` at most.
pub const INPUTS_MAX: usize = 1_024;

/// Items of one bundle at most.
pub const ITEMS_MAX: usize = 64;

/// On whose behalf foreign code comes, as the node's owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trust {
    /// The owner's own work.
    Own,
    /// People who invited each other.
    Circle,
    /// Strangers.
    Public,
}

/// One run of a WASI preview 1 command: everything it gets and all it may use.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The WebAssembly binary; text format is refused.
    pub module: Vec<u8>,
    /// Arguments after the program name, which is always `guest`.
    pub args: Vec<String>,
    /// Variables, handed over in the order of their names.
    pub env: BTreeMap<String, String>,
    /// Bytes of standard input.
    pub stdin: Vec<u8>,
    /// Files under `/in` by name; a name is one path component.
    pub inputs: BTreeMap<String, Vec<u8>>,
    /// Seed of `random_get`; same seed, same bytes.
    pub seed: [u8; 32],
    /// Whose work it is: decides which walls must stand.
    pub trust: Trust,
    /// What the run may use.
    pub limits: Limits,
}

impl Attempt {
    /// An attempt without input for `module`, for the owner's own use, within the default limits.
    pub fn new(module: Vec<u8>) -> Self {
        Self {
            module,
            args: Vec::new(),
            env: BTreeMap::new(),
            stdin: Vec::new(),
            inputs: BTreeMap::new(),
            seed: [0; 32],
            trust: Trust::Own,
            limits: Limits::default(),
        }
    }

    /// Checks what can be checked without reading the module.
    ///
    /// # Errors
    /// The first part that is too large or has an unlawful name.
    pub fn check(&self) -> Result<(), BadAttempt> {
        check_module(&self.module)?;
        self.given().check()
    }

    /// What this attempt gives its guest.
    pub(crate) fn given(&self) -> Given<'_> {
        Given { args: &self.args, env: &self.env, stdin: &self.stdin, inputs: &self.inputs, seed: &self.seed }
    }
}

/// Whether a module may be as large as this one.
pub(crate) fn check_module(module: &[u8]) -> Result<(), BadAttempt> {
    let bytes = module.len() as u64;
    if bytes > MODULE_BYTES_MAX { Err(BadAttempt::ModuleTooLarge { bytes }) } else { Ok(()) }
}

impl Item {
    /// What this item gives its guest.
    pub(crate) fn given(&self) -> Given<'_> {
        Given { args: &self.args, env: &self.env, stdin: &self.stdin, inputs: &self.inputs, seed: &self.seed }
    }
}

/// What one run is given, of an attempt or of an item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    pub(crate) args: &'a [String],
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) stdin: &'a [u8],
    pub(crate) inputs: &'a BTreeMap<String, Vec<u8>>,
    pub(crate) seed: &'a [u8; 32],
}

impl Given<'_> {
    pub(crate) fn check(&self) -> Result<(), BadAttempt> {
        let args = self.args.iter().map(String::len).sum::<usize>();
        if self.args.len() > ARGS_MAX || args > ARGS_BYTES_MAX {
            return Err(BadAttempt::TooManyArgs { count: self.args.len(), bytes: args });
        }
        let env = self.env.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if self.env.len() > ARGS_MAX || env > ARGS_BYTES_MAX {
            return Err(BadAttempt::TooManyVariables { count: self.env.len(), bytes: env });
        }
        let mut words = self.args.iter().chain(self.env.keys()).chain(self.env.values());
        if words.any(|word| word.contains('\0')) || self.env.keys().any(|name| name.contains('=')) {
            return Err(BadAttempt::BadWord);
        }
        if self.inputs.len() > INPUTS_MAX {
            return Err(BadAttempt::TooManyInputs { count: self.inputs.len() });
        }
        match self.inputs.keys().find(|name| !is_component(name)) {
            Some(name) => Err(BadAttempt::BadInputName { name: name.clone() }),
            None => Ok(()),
        }
    }
}

/// Whether `name` is one plain path component.
fn is_component(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && name != "." && name != ".." && !name.contains(['/', '\\', '\0', ':'])
}

/// What one attempt may use. Counts and bytes are exact; times are of the wall and checked at fuel yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory in bytes; growth beyond it fails inside the guest.
    pub memory_bytes: u64,
    /// Counted steps.
    pub fuel: u64,
    /// Wall time of the run, compilation not included.
    pub wall: Duration,
    /// Bytes of standard output, and likewise of all files in `/out` together.
    pub output_bytes: u64,
    /// Bytes written to `/tmp`, on top of `output_bytes`; rewriting counts again.
    pub scratch_bytes: u64,
    /// Files and directories that may be made in `/out` and `/tmp` together.
    pub files: u32,
    /// Bytes of standard error that are kept, from its end; more is dropped, not refused.
    pub stderr_bytes: u64,
    /// Processor time of compilation; the wall may show ten times as much.
    pub compile: Duration,
    /// Private memory of the compiling process in bytes.
    pub compile_bytes: u64,
    /// Bytes of compiled code.
    pub code_bytes: u64,
    /// A stack of 8 MiB instead of one.
    pub deep_stack: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 * MIB,
            fuel: 10_000_000_000,
            wall: Duration::from_secs(30 * 60),
            output_bytes: 256 * MIB,
            scratch_bytes: 64 * MIB,
            files: 1_024,
            stderr_bytes: 64 << 10,
            compile: Duration::from_secs(30),
            compile_bytes: 1_024 * MIB,
            code_bytes: 256 * MIB,
            deep_stack: false,
        }
    }
}

/// One run of many with the same module, trust and limits: what differs between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Arguments after the program name.
    pub args: Vec<String>,
    /// Variables.
    pub env: BTreeMap<String, String>,
    /// Bytes of standard input.
    pub stdin: Vec<u8>,
    /// Files under `/in` by name.
    pub inputs: BTreeMap<String, Vec<u8>>,
    /// Seed of `random_get`.
    pub seed: [u8; 32],
}

/// How far a run is, told while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What the guest said last by a line `PUMASI progress 0.4` on standard error.
    pub fraction: Option<f32>,
    /// Steps so far, to within one yield.
    pub fuel: u64,
    /// Largest linear memory so far, in bytes.
    pub peak_memory_bytes: u64,
}

/// What came out of a run that took place, however it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why it ended.
    pub end: End,
    /// Standard output, whole up to the end.
    pub stdout: Vec<u8>,
    /// The last bytes of standard error.
    pub stderr: Vec<u8>,
    /// Files of `/out` by their path below it; empty unless the guest ended with exit code 0.
    pub outputs: BTreeMap<String, Vec<u8>>,
    /// Steps counted; 0 where the process had to be killed and could not tell.
    pub fuel: u64,
    /// Largest linear memory in bytes; 0 as above.
    pub peak_memory_bytes: u64,
    /// Wall level of the process it ran in.
    pub level: u8,
    /// Whether the compiled code came from this machine's own cache.
    pub was_cached: bool,
}

/// Why a guest stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum End {
    /// It said so; 0 is success.
    #[error("exit code {0}")]
    Exit(i32),
    /// It did what WebAssembly forbids.
    #[error("trap: {0}")]
    Trap(String),
    /// Its stack was full: differs between machines, so nobody is blamed.
    #[error("stack overflow")]
    StackOverflow,
    /// It used up its steps.
    #[error("out of fuel")]
    OutOfFuel,
    /// It wants more memory than its limit to start with, or trapped after growth was refused.
    #[error("out of memory")]
    OutOfMemory,
    /// Too many bytes to standard output or `/out`.
    #[error("output too large")]
    OutputTooLarge,
    /// Too many bytes written to files.
    #[error("too many bytes written to files")]
    FilesTooLarge,
    /// Too many files or directories made.
    #[error("too many files")]
    TooManyFiles,
    /// The wall time is over.
    #[error("out of time")]
    OutOfTime,
}

/// What is wrong with an attempt before its module is read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAttempt {
    /// Over [`MODULE_BYTES_MAX`].
    #[error("module of {bytes} bytes is too large")]
    ModuleTooLarge {
        /// Its size.
        bytes: u64,
    },
    /// Over [`ARGS_MAX`] or [`ARGS_BYTES_MAX`].
    #[error("{count} arguments of {bytes} bytes are too many")]
    TooManyArgs {
        /// How many.
        count: usize,
        /// Their bytes together.
        bytes: usize,
    },
    /// Over [`ARGS_MAX`] or [`ARGS_BYTES_MAX`].
    #[error("{count} variables of {bytes} bytes are too many")]
    TooManyVariables {
        /// How many.
        count: usize,
        /// Their bytes together.
        bytes: usize,
    },
    /// A zero byte in an argument or variable, or `=` in a name.
    #[error("argument or variable with a forbidden character")]
    BadWord,
    /// Over [`INPUTS_MAX`].
    #[error("{count} inputs are too many")]
    TooManyInputs {
        /// How many.
        count: usize,
    },
    /// Over [`ITEMS_MAX`].
    #[error("{count} items are too many for one bundle")]
    TooManyItems {
        /// How many.
        count: usize,
    },
    /// A name that is no plain path component.
    #[error("input name {name:?} is not allowed")]
    BadInputName {
        /// The name.
        name: String,
    },
}

/// Why a module is refused. Found in the compiling child, never in the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum BadModule {
    /// No WebAssembly binary, or one with a feature outside of the profile.
    #[error("not a module of this profile: {0}")]
    NotWasm(String),
    /// It asks for something that is not offered, sockets for instance.
    #[error("the module asks for `{module}::{name}`, which the sandbox does not offer")]
    BadImport {
        /// Module part of the import.
        module: String,
        /// Name part of the import.
        name: String,
    },
    /// It has no `_start` function without parameters and results.
    #[error("the module has no `_start` function")]
    NoStart,
    /// It has no exported memory named `memory`.
    #[error("the module exports no memory named `memory`")]
    NoMemory,
    /// Compiling took longer than its limit.
    #[error("compilation took too long")]
    CompileTooLong,
    /// Compiling ended by its memory limit, or by a fault of the compiler.
    #[error("compilation died, most likely of its memory limit")]
    CompileTooLarge,
    /// The compiled code is over its limit.
    #[error("compiled code of {bytes} bytes is too large")]
    CodeTooLarge {
        /// Its size.
        bytes: u64,
    },
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The description is not lawful.
    #[error(transparent)]
    Attempt(#[from] BadAttempt),
    /// The module is refused.
    #[error(transparent)]
    Module(#[from] BadModule),
    /// The walls of this machine are too low for this work; nothing was handed to the child.
    #[error("walls of level {level} stand here, this work needs level {needed}: {missing}")]
    Walls {
        /// What stands.
        level: u8,
        /// What is needed.
        needed: u8,
        /// Layers that could not be had, with reasons.
        missing: String,
    },
    /// The node asked for the end; the child is dead and its memory free.
    #[error("stopped by the node")]
    Stopped,
    /// The child died without an answer: the node's fault, not the guest's.
    #[error("the sandbox process was lost: {0}")]
    Lost(String),
    /// The operating system refused something on this side.
    #[error("{doing}")]
    Os {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

/// Says what was tried where the system refused.
pub(crate) fn os(doing: &'static str) -> impl FnOnce(std::io::Error) -> AttemptError {
    move |source| AttemptError::Os { doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["", ".", "..", "a/b", "/etc", "a\\b", "a\0", "C:x"] {
            let mut attempt = Attempt::new(Vec::new());
            attempt.inputs.insert(name.into(), Vec::new());
            assert_eq!(attempt.check(), Err(BadAttempt::BadInputName { name: name.into() }));
        }
    }

    #[test]
    fn sizes_are_checked_before_anything_starts() {
        let large = Attempt::new(vec![0; 33 << 20]);
        assert_eq!(large.check(), Err(BadAttempt::ModuleTooLarge { bytes: 33 << 20 }));
        let mut many = Attempt::new(Vec::new());
        many.args = vec!["x".into(); 65];
        assert!(matches!(many.check(), Err(BadAttempt::TooManyArgs { count: 65, .. })));
        let mut odd = Attempt::new(Vec::new());
        odd.env.insert("A=B".into(), "c".into());
        assert_eq!(odd.check(), Err(BadAttempt::BadWord));
        assert_eq!(Attempt::new(Vec::new()).check(), Ok(()));
    }
}
