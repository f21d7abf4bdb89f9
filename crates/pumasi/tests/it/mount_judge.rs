//! The foreign judge of POSIX: what pjdfstest says of a mounted folder, held against lists in the tree. Where it cannot be had here a
//! line says so, loudly; with `PUMASI_FULL` that is an error.

use crate::mount::{Mounted, can_mount};
use crate::storage::three;
use std::path::Path;
use std::process::Command;

/// How the script says that the judge cannot be had.
const SKIPPED: i32 = 77;

#[test]
fn pjdfstest_finds_a_file_system_but_for_what_is_said() {
    if !can_mount() {
        return;
    }
    let world = three();
    world.ok("a", &["bucket", "create", "box"]);
    let mount = Mounted::new(&world, &["my:box", "--allow-other"]);
    let folder = mount.at("judged");
    std::fs::create_dir(&folder).expect("a folder is made");
    // The judge tries as other users too: they must be let through to it.
    open_to_all(&world.home("m"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in crates/");
    let out = Command::new("bash")
        .arg(root.join("tests/mount/pjdfstest.sh"))
        .arg(&folder)
        .output()
        .expect("bash is part of every system these tests run on");
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    if out.status.code() == Some(SKIPPED) {
        assert!(std::env::var_os("PUMASI_FULL").is_none(), "pjdfstest cannot be had: {complained}");
        println!("SKIPPED: pjdfstest cannot be had here");
        return;
    }
    assert!(out.status.success(), "{said}\n{complained}");
    println!("{}", said.lines().last().unwrap_or_default());
}

/// Lets everybody through to a folder of the test's own.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let own = folder.parent().expect("it lies in the world's folder");
    std::fs::set_permissions(own, std::fs::Permissions::from_mode(0o755)).expect("its rights change");
}
