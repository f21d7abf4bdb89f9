//! A real disk that is full, and one that may only be read: a small memory disk in a mount namespace of the test's own.
//!
//! Needs Linux and either root or user namespaces; elsewhere the tests say that they skipped.

use center::db::{Db, DbError, DbUrl, StoreError, Unwritable, meta};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set for the child: the folder the disk is mounted on.
const DISK: &str = "CENTER_TEST_DISK";
const DISK_KIB: usize = 2_048;

/// Runs `test` of this file again in a namespace where a small disk is mounted; false where that cannot be.
fn on_small_disk(test: &str, options: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let namespace = |then: &str| {
        let script =
            format!("mount -t tmpfs -o size={DISK_KIB}k,{options} none \"{}\" && {then}", folder.path().display());
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command
    };
    let can = namespace("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !can {
        assert!(
            std::env::var_os("PUMASI_FULL").is_none(),
            "{test} needs user namespaces, and PUMASI_FULL forbids to skip"
        );
        let line = format!("SKIPPED: {test} needs Linux with user and mount namespaces\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return false;
    }
    let out = namespace("exec \"$@\"")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(DISK, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    true
}

fn disk() -> Option<PathBuf> {
    std::env::var_os(DISK).map(PathBuf::from)
}

#[test]
fn on_a_full_disk_nothing_acknowledged_is_lost_and_the_service_goes_on() {
    match disk() {
        None => drop(on_small_disk("disk::on_a_full_disk_nothing_acknowledged_is_lost_and_the_service_goes_on", "rw")),
        Some(disk) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(fill_and_free(&disk));
        }
    }
}

/// Writes until the disk is full, frees some of it, and writes on.
async fn fill_and_free(disk: &Path) {
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; DISK_KIB * 1_024 / 4]).unwrap();
    let url = DbUrl::Sqlite(disk.join("center.db"));
    let db = Db::open(&url).unwrap();
    let mut kept = Vec::new();
    let mut refusals = 0;
    // A refusal may be followed by a yes: the log is emptied into the file and begins anew. Full is ten in a row.
    for n in (0..).take_while(|n| *n < 10_000) {
        match db.write(move |tx| Ok(meta::put(tx, &format!("{n}"), &[9; 9_000])?)).await {
            Ok(()) => {
                kept.push(n);
                refusals = 0;
            }
            Err(StoreError::Db(DbError::Unwritable { why: Unwritable::Full | Unwritable::Io, .. })) => refusals += 1,
            Err(other) => panic!("{other:?}"),
        }
        if refusals > 0 {
            check(&db, &kept).await;
        }
        if refusals == 10 {
            break;
        }
    }
    assert!(refusals == 10 && kept.len() > 10, "{} writes, then {refusals} refusals", kept.len());
    std::fs::remove_file(&ballast).unwrap();
    for n in 20_000..20_010 {
        db.write(move |tx| Ok(meta::put(tx, &format!("{n}"), &[9; 9_000])?)).await.unwrap();
        kept.push(n);
    }
    db.close().await;
    let db = Db::open(&url).unwrap();
    check(&db, &kept).await;
    let sound = db.read(|q| Ok(q.query_opt("PRAGMA integrity_check", &[], |row| row.get::<String>(0))?)).await;
    assert_eq!(sound.unwrap().as_deref(), Some("ok"));
    db.close().await;
}

/// Exactly the acknowledged values are there.
async fn check(db: &Db, kept: &[usize]) {
    let mut names: Vec<String> = kept.iter().map(|n| n.to_string()).collect();
    names.sort();
    let sql = "SELECT name FROM meta WHERE length(value) = 9000 ORDER BY name";
    assert_eq!(db.read(move |q| Ok(q.query(sql, &[], |row| row.get::<String>(0))?)).await.unwrap(), names);
}

#[test]
fn a_disk_that_may_only_be_read_is_told_as_such() {
    match disk() {
        None => drop(on_small_disk("disk::a_disk_that_may_only_be_read_is_told_as_such", "ro")),
        Some(disk) => {
            let refused = Db::open(&DbUrl::Sqlite(disk.join("center.db"))).map(drop);
            assert!(matches!(refused, Err(DbError::Unwritable { why: Unwritable::ReadOnly, .. })), "{refused:?}");
        }
    }
}
