//! A full disk on the writer's own machine, at each file it makes: what is acknowledged is whole, and a listing is right. Real
//! `ENOSPC`, from a file system of a few files that is mounted for one command alone. A machine that lets nobody mount says
//! `SKIPPED:`, which `PUMASI_FULL=1` makes a failure.

use crate::storage::{bytes, file, three};
use crate::world::World;

/// Files the file system of a stage may hold: its own folder, then that of the upload, its lock, its journal, its list, and a
/// copy of each segment.
const FILES: std::ops::RangeInclusive<u32> = 1..=8;
/// So many are enough for the one segment of the test.
const ENOUGH: u32 = 7;

fn run_full(world: &World, folder: &str, files: u32, args: &[&str]) -> Option<String> {
    let Some(out) = world.run_full("a", folder, files, args) else {
        assert!(
            std::env::var_os("PUMASI_FULL").is_none(),
            "this machine mounts nothing, and PUMASI_FULL forbids to skip"
        );
        eprintln!("SKIPPED: this machine lets nobody mount a file system");
        return None;
    };
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{args:?} with {files} files in {folder}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    Some(said.into_owned())
}

#[test]
fn a_full_disk_at_the_writer_costs_its_copy_and_nothing_else() {
    let world = three();
    let content = bytes(9 << 20, 1);
    let path = file(&world, "film", &content);
    for files in FILES {
        let place = format!("my:box/film-{files}");
        let Some(said) = run_full(&world, "stage", files, &["cp", &path, &place]) else { return };
        assert_eq!(said.contains("No space left"), files < ENOUGH, "with {files} files: {said}");
        assert!(world.run("a", &["cat", &place]).stdout == content, "with {files} files");
    }
    // The index of names cannot be written, or only its head.
    for files in 1..=3 {
        run_full(&world, "names", files, &["cp", &path, &format!("my:box/names-{files}")]);
        let out = world.run_full("a", "names", files, &["ls", "my:box/", "-o", "id"]).expect("it was there before");
        let listed = String::from_utf8_lossy(&out.stdout).lines().count();
        assert_eq!(listed, FILES.count() + files as usize, "every name is listed all the same");
    }
    let listed = world.ok("a", &["ls", "my:box/", "-o", "id"]);
    assert_eq!(listed.lines().count(), FILES.count() + 3);
}
