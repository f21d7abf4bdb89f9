//! `lend set`: single keys of `[lend]` changed in place, comments kept, checked before a byte is written.

use super::parse::{LEND_KEYS, UnknownKey, cut, nearest, parse};
use super::{LendFileError, text_of};
use rules::fleet::lend::LendPolicy;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use toml_edit::{Array, DocumentMut, Item, Table, Value};

/// Keys that a command can set; rules and load targets are written by hand.
const SETTABLE: &[&str] = {
    let (settable, _by_hand) = LEND_KEYS.split_at(10);
    settable
};
/// Mode of a file that did not exist.
const NEW_MODE: u32 = 0o600;

/// Sets keys of `[lend]` as typed (`disk` to `10GiB`, `accept` to `storage,batch`; an empty value takes the key away) and
/// returns what then holds. All or nothing; comments, order and everything outside the keys stay.
pub fn set(path: &Path, changes: &[(String, String)]) -> Result<LendPolicy, LendFileError> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let text = text_of(&target)?.unwrap_or_default();
    let before = parse(path, &text)?;
    if let Some(unknown) = before.unknown.into_iter().next() {
        return Err(unknown.into());
    }
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| LendFileError::Malformed {
        path: path.to_owned(),
        line: 1,
        why: error.message().to_owned(),
    })?;
    for (key, value) in changes {
        change(&mut document, key, value)?;
    }
    let text = document.to_string();
    let after = parse(path, &text).map_err(|error| as_typed(error, changes))?;
    let unwritable = |source| LendFileError::Unwritable { path: path.to_owned(), source };
    write_atomically(&target, text.as_bytes()).map_err(unwritable)?;
    Ok(after.policy)
}

fn change(document: &mut DocumentMut, key: &str, value: &str) -> Result<(), LendFileError> {
    let key = key.strip_prefix("lend.").unwrap_or(key);
    if !SETTABLE.contains(&key) {
        let unknown = UnknownKey { key: cut(&format!("lend.{key}")), near: nearest(key, SETTABLE), line: 0 };
        return Err(unknown.into());
    }
    let lend = document.entry("lend").or_insert_with(|| Item::Table(Table::new()));
    let table = lend.as_table_like_mut().ok_or_else(|| LendFileError::BadValue {
        field: "lend".to_owned(),
        value: String::new(),
        why: "it is a table".to_owned(),
        line: 0,
    })?;
    if value.trim().is_empty() {
        table.remove(key);
        return Ok(());
    }
    let mut new = value_of(key, value.trim());
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        None => {
            table.insert(key, Item::Value(new));
        }
    }
    Ok(())
}

/// The typed word in the key's own type; what does not fit stays a text, so that the check names it.
fn value_of(key: &str, typed: &str) -> Value {
    match key {
        "accept" | "pause_for" => {
            let words = typed.split(',').map(str::trim).filter(|word| !word.is_empty());
            let words = words.filter(|word| *word != "none");
            Value::Array(Array::from_iter(words))
        }
        "reset_day" => typed.parse::<i64>().map_or_else(|_| typed.into(), Into::into),
        "on_battery" | "on_metered" => typed.parse::<bool>().map_or_else(|_| typed.into(), Into::into),
        _ => typed.into(),
    }
}

/// The line of a text that was never written would mislead: where the fault is a typed key, there is no line.
fn as_typed(error: LendFileError, changes: &[(String, String)]) -> LendFileError {
    match error {
        LendFileError::BadValue { field, value, why, line } => {
            let key = field.strip_prefix("lend.").unwrap_or(&field);
            let typed = changes.iter().any(|(name, _)| name.strip_prefix("lend.").unwrap_or(name) == key);
            LendFileError::BadValue { value, why, line: if typed { 0 } else { line }, field }
        }
        error => error,
    }
}

/// (D): a new file beside it, fsync, rename, fsync of the folder. The mode of an old file stays.
fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mode = fs::metadata(path).map_or(NEW_MODE, |meta| meta.permissions().mode() & 0o777);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = dir.join(name);
    let written = write_new(&fresh, bytes, mode).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written?;
    File::open(dir)?.sync_all()
}

fn write_new(path: &PathBuf, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(NEW_MODE).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}
