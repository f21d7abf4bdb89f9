//! A snapshot of the database: taken while the center runs, looked at, and put in the place of a database that is lost.
//!
//! (A) A snapshot is one moment of the database. (B) What does not verify is never put in its place. (C) What was there before is
//! moved aside, not removed. Where a snapshot lies is not this crate's business: it is sealed by who has the operator's keys.

use crate::db::{Db, DbUrl, StoreError, meta, snapshot as copy};
use crate::found::{CheckReport, look_into, name_of};
use crate::rebuild::{META_REBUILT, store};
use crate::{CenterError, Settings};
use model::{CloudKey, Stamp, errors};
use rules::storage::rebuild::last_group;
use std::path::{Path, PathBuf};

/// Writes one moment of the database in `dir` to a file that is not there yet; its bytes. Blocking.
///
/// # Errors
/// E0902 for a PostgreSQL: its own tools do this. Else as the database fails.
pub fn snapshot(dir: &Path, settings: &Settings, into: &Path) -> Result<u64, CenterError> {
    let path = file_of(dir, settings)?;
    copy::copy_into(&path, into)?;
    std::fs::metadata(into).map(|meta| meta.len()).map_err(|source| folder(into, source))
}

/// Opens a snapshot of a cloud, verifies every page of it, and counts. Brings its schema up, as a start would.
pub async fn look(path: &Path, cloud: &CloudKey) -> Result<CheckReport, CenterError> {
    let at = path.to_owned();
    let sound = tokio::task::spawn_blocking(move || copy::is_sound(&at)).await;
    if !sound.unwrap_or(Ok(false))? {
        return Err(StoreError::refused(errors::BAD_BACKUP, "a page of it is damaged").into());
    }
    let db = Db::open(&DbUrl::Sqlite(path.to_owned()))?;
    let report = async {
        let name = name_of(&db, cloud).await?;
        look_into(&db, name).await
    };
    let report = report.await;
    db.close().await;
    report
}

/// Puts a snapshot in the place of the database in `dir`, which no center has open; nodes and owners tell what came after it.
pub async fn take(
    dir: &Path,
    settings: &Settings,
    from: &Path,
    cloud: &CloudKey,
    now: Stamp,
) -> Result<CheckReport, CenterError> {
    let path = file_of(dir, settings)?;
    let report = look(from, cloud).await?;
    let db = Db::open(&DbUrl::Sqlite(from.to_owned()))?;
    let marked = db.write(move |tx| {
        meta::put(tx, META_REBUILT, &now.as_ms().to_le_bytes())?;
        Ok(store::groups_from(tx, last_group(now))?)
    });
    let marked = marked.await;
    db.close().await;
    marked?;
    for end in ["", "-wal", "-shm"] {
        let (there, aside) = (with_end(&path, end), with_end(&path, &format!(".before-{}{end}", now.as_ms())));
        match std::fs::rename(&there, &aside) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(folder(&there, why)),
            _ => {}
        }
    }
    std::fs::rename(from, &path).map_err(|source| folder(from, source))?;
    Ok(report)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn file_of(dir: &Path, settings: &Settings) -> Result<PathBuf, CenterError> {
    match settings.db_url(dir)? {
        DbUrl::Sqlite(path) => Ok(path),
        DbUrl::Postgres(_) => {
            Err(StoreError::refused(errors::NOT_IN_BUILD, "snapshots of a PostgreSQL are made by its own tools").into())
        }
    }
}

fn folder(path: &Path, source: std::io::Error) -> CenterError {
    CenterError::Folder { path: path.display().to_string(), source }
}
