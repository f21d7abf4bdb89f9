//! A copy of an SQLite file while others write to it.

use super::DbError;
use super::sqlite::{open_reader, sqlite_failure};
use std::path::Path;

/// Writes the file as it is at one moment to another one, which is not there yet: without free pages, and durable.
pub fn copy_into(from: &Path, into: &Path) -> Result<(), DbError> {
    let conn = open_reader(from)?;
    let target = into.to_string_lossy().into_owned();
    conn.execute_batch("PRAGMA query_only = OFF;").map_err(|error| sqlite_failure("snapshot", &error))?;
    conn.execute("VACUUM INTO ?1", [target]).map_err(|error| sqlite_failure("snapshot", &error))?;
    let synced = std::fs::File::open(into).and_then(|file| file.sync_all());
    synced.map_err(|error| DbError::Unwritable { why: super::Unwritable::Io, detail: error.to_string() })
}

/// Whether every page and index of a file fits.
pub fn is_sound(path: &Path) -> Result<bool, DbError> {
    let conn = open_reader(path)?;
    let said: Result<String, _> = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    Ok(said.is_ok_and(|said| said == "ok"))
}
