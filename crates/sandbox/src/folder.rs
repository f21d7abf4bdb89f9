//! The private folder of a child: inputs are laid into it, outputs taken out of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::attempt::{AttemptError, End, Limits, os};

/// Folders below `/out` at most, one in another.
const DEPTH_MAX: usize = 16;
/// Bytes of an output's path at most.
const PATH_BYTES_MAX: usize = 1_024;

/// The private folder of one child; gone when dropped.
pub(crate) struct Private(tempfile::TempDir);

impl Private {
    pub(crate) fn make(parent: &Path, inputs: &BTreeMap<String, Vec<u8>>) -> Result<Self, AttemptError> {
        fs::create_dir_all(parent).map_err(os("make the folder of attempts"))?;
        let folder =
            tempfile::Builder::new().prefix("attempt-").tempdir_in(parent).map_err(os("make a private folder"))?;
        for name in ["in", "out", "tmp"] {
            fs::create_dir(folder.path().join(name)).map_err(os("make a private folder"))?;
        }
        for (name, bytes) in inputs {
            fs::write(folder.path().join("in").join(name), bytes).map_err(os("lay an input"))?;
        }
        Ok(Self(folder))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Whether a run has left nothing here that the next one could find.
    pub(crate) fn is_untouched(&self) -> bool {
        let is_empty = |name| fs::read_dir(self.0.path().join(name)).is_ok_and(|mut entries| entries.next().is_none());
        ["in", "out", "tmp"].into_iter().all(is_empty)
    }

    /// Files of `out`. The child is dead by now, so nothing changes under the eyes; links and special files are passed by.
    pub(crate) fn collect(&self, limits: &Limits) -> Result<Result<BTreeMap<String, Vec<u8>>, End>, AttemptError> {
        let out = self.0.path().join("out");
        let mut outputs = BTreeMap::new();
        let (mut left, mut seen) = (limits.output_bytes, 0u32);
        let mut folders = vec![(out, String::new(), 0)];
        while let Some((folder, above, depth)) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(os("list outputs"))? {
                let entry = entry.map_err(os("list outputs"))?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let name = format!("{above}{name}");
                seen += 1;
                if seen > limits.files || depth >= DEPTH_MAX || name.len() > PATH_BYTES_MAX {
                    return Ok(Err(End::TooManyFiles));
                }
                let facts = fs::symlink_metadata(entry.path()).map_err(os("look at an output"))?;
                if facts.is_dir() {
                    folders.push((entry.path(), format!("{name}/"), depth + 1));
                } else if facts.is_file() {
                    let Some(rest) = left.checked_sub(facts.len()) else { return Ok(Err(End::OutputTooLarge)) };
                    left = rest;
                    outputs.insert(name, fs::read(entry.path()).map_err(os("read an output"))?);
                }
            }
        }
        Ok(Ok(outputs))
    }
}
