//! How a command ends when it does not end well: a registered id, the variables of its text, and what caused it.

use model::errors::{self, ErrorId};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use wire::RefusalMsg;

/// A registered error on its way to the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub id: ErrorId,
    /// Variables of its text.
    pub args: BTreeMap<String, String>,
    /// Root cause in words, where the text does not hold it already.
    pub cause: Option<String>,
}

impl Fault {
    /// An error with variables.
    pub fn new<const N: usize>(id: ErrorId, args: [(&str, &str); N]) -> Self {
        Self { id, args: args.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(), cause: None }
    }

    /// With a root cause.
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// E0002.
    pub fn bad_value(field: &str, value: &str, why: &str) -> Self {
        Self::new(errors::BAD_VALUE, [("field", field), ("value", value), ("why", why), ("verb", "")])
    }

    /// A file that cannot be read or written: E0007 when the disk is full, else E0004.
    pub fn file(path: &Path, error: &io::Error) -> Self {
        let shown = path.display().to_string();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::new(errors::DISK_FULL, [("path", &shown), ("free", "0 B"), ("need", "?")]).because(error)
            }
            _ => Self::new(errors::CONFIG_UNREADABLE, [("path", &shown), ("why", &error.to_string())]),
        }
    }

    /// E0901: a bug, told with what was found.
    pub fn bug(what: impl std::fmt::Display) -> Self {
        Self::new(errors::BUG, [("path", "-")]).because(what)
    }
}

impl From<RefusalMsg> for Fault {
    fn from(refusal: RefusalMsg) -> Self {
        Self { id: refusal.id, args: refusal.args, cause: None }
    }
}

impl From<model::ParseError> for Fault {
    fn from(error: model::ParseError) -> Self {
        Self::bad_value(error.what, &error.value, error.why)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = console::text::error_text(console::text::Lang::En, self.id, &crate::output::args_of(&self.args));
        write!(f, "{}: {}", self.id, text.title)
    }
}

impl std::error::Error for Fault {}
