//! Where a case runs: an open store of its own on one of the engines.

use crate::cluster::cluster;
use center::db::{Db, DbUrl};
use std::io::Write;

pub struct Place {
    pub db: Db,
    pub url: DbUrl,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    /// A new file.
    pub fn sqlite() -> Self {
        let (url, folder) = new_file();
        Self { db: Db::open(&url).unwrap(), url, _folder: Some(folder) }
    }

    /// A new database of the tests' own server; nothing, said loudly, where there is none.
    pub fn postgres() -> Option<Self> {
        let url = postgres_url()?;
        Some(Self { db: Db::open(&url).unwrap(), url, _folder: None })
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.url, DbUrl::Postgres(_))
    }

    /// Closes the store and opens it again.
    pub async fn reopen(&mut self) {
        self.db.close().await;
        self.db = Db::open(&self.url).unwrap();
    }
}

/// A path for a new file, and the folder that goes with the test.
pub fn new_file() -> (DbUrl, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (DbUrl::Sqlite(folder.path().join("center.db")), folder)
}

/// The address of a new, empty database; nothing, said loudly, where PostgreSQL is not installed.
pub fn postgres_url() -> Option<DbUrl> {
    if let Some(cluster) = cluster() {
        return Some(DbUrl::Postgres(cluster.new_database()));
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var_os("PUMASI_FULL").is_none(), "{test} needs PostgreSQL, and PUMASI_FULL forbids to skip it");
    // Past the harness, which keeps what a passing test prints to itself.
    let line = format!("SKIPPED: {test} needs PostgreSQL (initdb and postgres in /usr/lib/postgresql/*/bin or PATH)\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}
