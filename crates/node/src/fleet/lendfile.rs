//! The owner's file on disk: `[lend]` of the configuration, read, watched and changed (`docs/design/fleet.md` §8,
//! `docs/design/interfaces.md` §4).
//!
//! (A) An absent file or section is profile whisper. (B) A file that does not hold is refused as a whole with the key and
//! the line; whoever watches keeps the last good one. (C) An unknown key is an error for a command ([`read`]) and a
//! warning for a running agent ([`read_leniently`]), so that a typo does not stop lending. (D) A change keeps comments and
//! order, is checked before it is written, and after a crash the file is the old or the new one, never a part.

mod edit;
mod parse;
mod watch;

pub use edit::set;
pub use parse::{LEND_KEYS, Lent, UnknownKey, parse};
pub use watch::LendWatch;

use model::errors;
use rules::fleet::lend::LendPolicy;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use wire::RefusalMsg;

/// Longest configuration file that is read.
pub const FILE_MAX: u64 = 1 << 20;

/// Why the owner's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LendFileError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// It cannot be written.
    #[error("{path} cannot be written: {source}", path = path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// It is no TOML, or no text, or too long.
    #[error("{path} line {line}: {why}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// A lower-case fragment.
        why: String,
    },
    /// A key that means nothing.
    #[error(transparent)]
    UnknownKey(#[from] UnknownKey),
    /// The same look failed for somebody who asked earlier and got the whole error.
    #[error("{0}")]
    Again(String),
    /// A value that does not fit its key.
    #[error("line {line}: {field} cannot be `{value}`: {why}")]
    BadValue {
        /// Key in full, e.g. `lend.disk`.
        field: String,
        /// What stands there, cut to 80 characters.
        value: String,
        /// A lower-case fragment.
        why: String,
        /// Where, from 1; 0 where it was typed and stands in no file.
        line: usize,
    },
}

impl LendFileError {
    /// Its row in the registry: E0002, E0003 or E0004.
    pub fn refusal(&self) -> RefusalMsg {
        match self {
            Self::UnknownKey(unknown) => {
                RefusalMsg::new(errors::CONFIG_KEY, [("key", unknown.key.clone()), ("near", unknown.near.to_owned())])
            }
            Self::BadValue { field, value, why, line } => {
                let why = if *line == 0 { why.clone() } else { format!("{why} (line {line})") };
                let args =
                    [("field", field.clone()), ("value", value.clone()), ("why", why), ("verb", "lend".to_owned())];
                RefusalMsg::new(errors::BAD_VALUE, args)
            }
            Self::Again(why) => {
                RefusalMsg::new(errors::CONFIG_UNREADABLE, [("path", String::new()), ("why", why.clone())])
            }
            Self::Malformed { path, line, why } => unreadable(path, format!("line {line}: {why}")),
            Self::Unreadable { path, source } | Self::Unwritable { path, source } => {
                unreadable(path, source.to_string())
            }
        }
    }
}

fn unreadable(path: &Path, why: String) -> RefusalMsg {
    RefusalMsg::new(errors::CONFIG_UNREADABLE, [("path", path.display().to_string()), ("why", why)])
}

/// Reads the file for a command: anything that does not hold is an error, also an unknown key.
pub fn read(path: &Path) -> Result<LendPolicy, LendFileError> {
    let lent = read_leniently(path)?;
    match lent.unknown.into_iter().next() {
        Some(unknown) => Err(unknown.into()),
        None => Ok(lent.policy),
    }
}

/// Reads the file for a running agent: unknown keys are told beside what holds.
pub fn read_leniently(path: &Path) -> Result<Lent, LendFileError> {
    parse(path, &text_of(path)?.unwrap_or_default())
}

/// The file's text; none where there is no file.
fn text_of(path: &Path) -> Result<Option<String>, LendFileError> {
    let unreadable = |source| LendFileError::Unreadable { path: path.to_owned(), source };
    let malformed = |why: &str| LendFileError::Malformed { path: path.to_owned(), line: 1, why: why.to_owned() };
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(unreadable)?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(malformed("it is longer than 1 MiB"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| malformed("it is not UTF-8"))
}

#[cfg(test)]
mod tests;
