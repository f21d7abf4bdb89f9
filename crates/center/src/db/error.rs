//! What can go wrong in the store, and where a database stands.
//!
//! A lawful no decided inside a transaction is [`StoreError::Refused`]; a broken thing is a [`DbError`].

use model::errors::{self, ErrorId};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum DbUrl {
    /// `sqlite:/path/of/file`: embedded, made when it does not exist.
    Sqlite(PathBuf),
    /// `postgres://user:password@host:port/name` or another form of `libpq` URL.
    Postgres(String),
}

impl FromStr for DbUrl {
    type Err = DbError;
    fn from_str(text: &str) -> Result<Self, DbError> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(text.to_owned())),
            _ => Err(DbError::Url { why: "it begins with neither `sqlite:` nor `postgres://`".to_owned() }),
        }
    }
}

impl fmt::Display for DbUrl {
    /// Without a password: fit for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => match (url.split_once("://"), url.rsplit_once('@')) {
                (Some((scheme, _)), Some((_, place))) => {
                    write!(f, "{scheme}://…@{}", place.split('?').next().unwrap_or_default())
                }
                (Some((scheme, place)), None) => {
                    write!(f, "{scheme}://{}", place.split('?').next().unwrap_or_default())
                }
                _ => f.write_str("postgres://…"),
            },
        }
    }
}

impl fmt::Debug for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why nothing can be written at this moment; each may pass by itself, and the service goes on when it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unwritable {
    /// No space left, or the file's ceiling is reached.
    Full,
    /// File, file system or server is read-only.
    ReadOnly,
    /// The disk answers with errors, or the file cannot be opened.
    Io,
    /// The database server does not answer or refuses new connections.
    Unreachable,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "no space left",
            Self::ReadOnly => "it is read-only",
            Self::Io => "the disk answers with errors",
            Self::Unreachable => "the database server does not answer",
        })
    }
}

/// A broken thing in the database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// Not a place a database can be.
    #[error("database address cannot be used: {why}")]
    Url {
        /// What does not fit; never the address itself, which may hold a password.
        why: String,
    },
    /// The engine has a known fault that loses data (`docs/design/security.md` M54).
    #[error("sqlite {found} is too old, {needed} is the first without the write-ahead-log fault")]
    EngineTooOld {
        /// Version number found.
        found: i32,
        /// Oldest that is used.
        needed: i32,
    },
    /// The database was written by a newer program.
    #[error("the database has schema {found}, this program knows up to {known}")]
    NewerSchema {
        /// Stored.
        found: i64,
        /// Known.
        known: i64,
    },
    /// A step of the schema failed; the step left nothing behind.
    #[error("schema step {number} failed: {cause}")]
    Migration {
        /// Which.
        number: i64,
        /// The engine's words.
        cause: String,
    },
    /// Nothing can be written now.
    #[error("the database cannot be written: {why} ({detail})")]
    Unwritable {
        /// What kind.
        why: Unwritable,
        /// The engine's words.
        detail: String,
    },
    /// A row with this key exists already.
    #[error("exists already: {detail}")]
    Duplicate {
        /// The engine's words.
        detail: String,
    },
    /// The queue stayed full, or another process held the lock, for the time a caller may wait.
    #[error("the database is too busy: {what}")]
    Busy {
        /// Which queue or lock.
        what: &'static str,
    },
    /// The transaction was begun again as often as allowed and always met another one.
    #[error("the transaction met another one {tries} times")]
    Conflict {
        /// How often it was tried.
        tries: u32,
    },
    /// The connection was lost during the commit: it is not known whether it stands. Read before trying again.
    #[error("the connection was lost during the commit, its outcome is unknown")]
    CommitUnknown,
    /// The store was closed, or closed while the caller waited.
    #[error("the database is closed")]
    Closed,
    /// A statement failed earlier in the same transaction, and the closure went on.
    #[error("a statement failed earlier in this transaction")]
    Spoiled,
    /// The closure panicked; nothing of it stands.
    #[error("a transaction panicked: {what}")]
    Panicked {
        /// The panic's message.
        what: String,
    },
    /// A stored column does not read as what it should be.
    #[error("column {column} cannot be read: {why}")]
    Column {
        /// Number of the column in the query.
        column: usize,
        /// What does not fit.
        why: String,
    },
    /// The engine refused a statement for another reason.
    #[error("statement failed: {cause} in `{statement}`")]
    Statement {
        /// Its first 120 characters.
        statement: String,
        /// The engine's words.
        cause: String,
    },
}

impl DbError {
    /// Its row in the registry of errors.
    pub fn id(&self) -> ErrorId {
        match self {
            Self::Url { .. } => errors::BAD_VALUE,
            Self::EngineTooOld { .. } | Self::NewerSchema { .. } => errors::VERSION_SKEW,
            Self::Unwritable { .. } => errors::DB_UNWRITABLE,
            Self::Duplicate { .. } => errors::ID_REUSED,
            Self::Busy { .. } | Self::Conflict { .. } | Self::CommitUnknown => errors::TIMED_OUT,
            Self::Closed => errors::CENTER_UNREACHABLE,
            Self::Migration { .. }
            | Self::Spoiled
            | Self::Panicked { .. }
            | Self::Column { .. }
            | Self::Statement { .. } => errors::BUG,
        }
    }

    /// Cuts a statement for an error.
    pub(super) fn statement(sql: &str, cause: impl fmt::Display) -> Self {
        Self::Statement { statement: sql.chars().take(120).collect(), cause: cause.to_string() }
    }
}

/// Why a transaction did not stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A lawful no; only its own transaction was undone.
    #[error("{id}: {why}")]
    Refused {
        /// Its row in the registry.
        id: ErrorId,
        /// What was refused, for the log.
        why: String,
    },
    /// Something is broken.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl StoreError {
    /// A lawful no.
    pub fn refused(id: ErrorId, why: impl Into<String>) -> Self {
        Self::Refused { id, why: why.into() }
    }
    /// Its row in the registry of errors.
    pub fn id(&self) -> ErrorId {
        match self {
            Self::Refused { id, .. } => *id,
            Self::Db(error) => error.id(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_never_show_a_password() {
        let url: DbUrl = "postgres://ann:se@cret@db.example:5432/pumasi?sslmode=disable&password=x".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://…@db.example:5432/pumasi");
        assert_eq!(format!("{url:?}"), "postgres://…@db.example:5432/pumasi");
        assert_eq!("sqlite:/a/b".parse::<DbUrl>().unwrap(), DbUrl::Sqlite("/a/b".into()));
        assert!("mysql://x".parse::<DbUrl>().is_err());
        assert!("sqlite:".parse::<DbUrl>().is_err());
    }
}
