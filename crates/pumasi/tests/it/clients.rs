//! Real clients: the tools that people have, by the very commands that `docs/s3.md` and `docs/webdav.md` show, against the agent's
//! own gateway. What they do stands in `tests/clients/`; each compares every byte. Where one cannot be had here a line says so, loudly;
//! with `PUMASI_FULL` that is an error.
//!
//! With `PUMASI_FULL` the amounts are those that are promised: restic 5,000 files, the AWS CLI 1,000 files and 72 MiB in parts, rclone 500
//! files, s3cmd 200, WebDAV 100, a resumed upload of 1 GiB. Without it they are a fraction, so that all of them are seen in passing.

use crate::judges::{python, root};
use crate::s3::door;
use crate::webdav::dav;
use gateway::tool::Tool;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a script says that its tool is not there.
const SKIPPED: i32 = 77;

/// Files, or MiB, as promised and in passing.
struct Amount {
    full: u32,
    short: u32,
}

fn is_full() -> bool {
    std::env::var_os("PUMASI_FULL").is_some()
}

/// Runs a script; its last line says what was seen. `tools` is a folder of programs that come before all others.
fn runs(program: &Path, script: &str, tool: &Tool, amount: &Amount, tools: Option<&Path>) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = tools.map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
    let amount = if is_full() { amount.full } else { amount.short };
    let out = Command::new(program)
        .arg(root().join("tests/clients").join(script))
        .args([&format!("http://{}", tool.addr), &tool.id, &tool.secret, &amount.to_string()])
        .env("PATH", std::env::join_paths(folders).expect("no folder has a colon in its name"))
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let last = said.lines().last().unwrap_or_default();
    if out.status.code() == Some(SKIPPED) {
        assert!(!is_full(), "{script}: {last}");
    } else {
        assert!(out.status.success(), "{script} ended with {:?}\n{said}\n{complained}", out.status);
    }
    println!("{last}");
}

fn bash(script: &str, tool: &Tool, amount: &Amount) {
    runs(Path::new("bash"), script, tool, amount, None);
}

/// The folder of programs of a Python with what a file of the tree pins; `None`, and a line, where it cannot be had.
fn pinned(folder: &Path, requirements: &str) -> Option<PathBuf> {
    match python(&folder.join("venv"), requirements) {
        Ok(program) => program.parent().map(Path::to_owned),
        Err(why) => {
            assert!(!is_full(), "{requirements} cannot be had: {why}");
            println!("SKIPPED: {requirements} cannot be had here ({})", why.lines().last().unwrap_or_default());
            None
        }
    }
}

#[test]
fn restic_backs_up_checks_restores_and_forgets() {
    bash("restic.sh", &door().tool, &Amount { full: 5_000, short: 500 });
}

#[test]
fn rclone_syncs_checks_and_brings_back() {
    bash("rclone.sh", &door().tool, &Amount { full: 500, short: 100 });
}

#[test]
fn s3cmd_puts_gets_syncs_and_removes() {
    bash("s3cmd.sh", &door().tool, &Amount { full: 200, short: 50 });
}

#[test]
fn the_aws_cli_syncs_signs_addresses_and_removes() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(tools) = pinned(folder.path(), "tests/clients/requirements.txt") else { return };
    runs(Path::new("bash"), "aws.sh", &door().tool, &Amount { full: 1_000, short: 100 }, Some(&tools));
}

#[test]
fn an_upload_whose_sender_was_killed_is_resumed_by_another() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(tools) = pinned(folder.path(), "tests/s3/requirements.txt") else { return };
    runs(&tools.join("python"), "multipart.py", &door().tool, &Amount { full: 1_024, short: 128 }, None);
}

#[test]
fn file_managers_keep_folders_by_webdav() {
    bash("webdav.sh", &dav().tool, &Amount { full: 100, short: 30 });
}
