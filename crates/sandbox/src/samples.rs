//! The sample guests of `guests/`, carried in the program: no file is needed to run one. Their sources, how they are built
//! and what they print for fixed inputs is held there and by `tests/samples.rs`; how to write one: `docs/guests.md`.

macro_rules! samples {
    ($($name:literal),* $(,)?) => {
        /// Names and bytes, sorted by name.
        const SAMPLES: &[(&str, &[u8])] =
            &[$(($name, include_bytes!(concat!("../../../guests/wasm/", $name, ".wasm")))),*];
    };
}

samples!(
    "clock",
    "deep",
    "dirorder",
    "environ",
    "files",
    "fill",
    "float-loop",
    "flood",
    "grep",
    "grow",
    "inode",
    "matrix",
    "memgrow",
    "nan",
    "noop",
    "pi",
    "random",
    "sha256tree",
    "sort",
    "sort-map",
    "sort-reduce",
    "spin",
    "steps",
    "thumb",
    "trap",
    "wordcount-map",
    "wordcount-reduce",
);

/// The module of the sample called `name`.
pub fn get(name: &str) -> Option<&'static [u8]> {
    SAMPLES.iter().find(|(found, _)| *found == name).map(|(_, bytes)| *bytes)
}

/// The names of all samples, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    SAMPLES.iter().map(|(name, _)| *name)
}
