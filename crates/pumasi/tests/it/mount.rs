//! `pumasi mount`: buckets as a folder, as programs use files. Whole processes: a center and three nodes. A machine without `/dev/fuse`,
//! or where nobody may mount, says `SKIPPED:`, which `PUMASI_FULL=1` makes a failure.

use crate::storage::{bytes, file, three};
use crate::world::World;
use rustix::fs::{XattrFlags, getxattr, listxattr, removexattr, setxattr};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// A process that mounted a folder; ended, and its folder freed, when dropped.
pub struct Mounted {
    child: Option<Child>,
    folder: PathBuf,
    /// What it told when it was mounted.
    pub told: Value,
}

/// Whether this machine can mount at all.
pub fn can_mount() -> bool {
    let can = OpenOptions::new().read(true).write(true).open("/dev/fuse").is_ok();
    if !can {
        assert!(std::env::var_os("PUMASI_FULL").is_none(), "there is no /dev/fuse, and PUMASI_FULL forbids to skip");
        eprintln!("SKIPPED: /dev/fuse cannot be used here");
    }
    can
}

fn is_mounted(folder: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("the system tells what is mounted");
    mounts.lines().any(|line| line.split(' ').nth(1) == folder.to_str())
}

impl Mounted {
    /// Mounts at a folder `m` of home `a`.
    pub fn new(world: &World, args: &[&str]) -> Self {
        let folder = world.home("m");
        let _ = fs::create_dir(&folder); // it is there, or it is a dead one
        let shown = folder.display().to_string();
        let mut child = world.spawn("a", &[&["mount", &shown, "--json", "--timeout", "5s"], args].concat());
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output is a pipe")).read_line(&mut line).expect("it speaks");
        if line.is_empty() {
            let out = child.wait_with_output().expect("it ends");
            panic!("nothing is mounted: {}", String::from_utf8_lossy(&out.stderr));
        }
        let told = serde_json::from_str(&line).expect("it tells an object");
        Self { child: Some(child), folder, told }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().is_ok_and(|status| status.success()));
    }

    /// Ends it with a signal; its exit code, and what it said.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let out = self.child.take().expect("it runs").wait_with_output().expect("it ends");
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    }

    fn state(&self, name: &str) -> String {
        let mut word = [0; 16];
        let len = getxattr(self.at(name), "user.pumasi.state", &mut word[..]).expect("a file has a state");
        String::from_utf8_lossy(&word[..len]).into_owned()
    }

    /// Waits until the pool has a file.
    pub fn safe(&self, world: &World, name: &str) {
        world.until("it is safe", Duration::from_secs(60), || self.state(name), |state| state == "safe");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
        if is_mounted(&self.folder) {
            let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
    }
}

/// A cloud with a bucket.
fn world() -> World {
    let world = three();
    world.ok("a", &["bucket", "create", "box"]);
    world
}

fn cat(world: &World, place: &str) -> Vec<u8> {
    let out = world.run("a", &["cat", place]);
    assert!(out.status.success(), "{place}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn names(folder: &Path) -> Vec<String> {
    let read = fs::read_dir(folder).expect("a folder lists");
    let mut names: Vec<String> =
        read.map(|entry| entry.expect("a folder lists").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn kind<T: std::fmt::Debug>(done: io::Result<T>) -> ErrorKind {
    done.expect_err("it is refused").kind()
}

#[test]
fn programs_read_and_write_a_bucket_as_files() {
    if !can_mount() {
        return;
    }
    let world = world();
    let mount = Mounted::new(&world, &["--bucket", "box"]);
    assert_eq!((mount.told["kind"].as_str(), mount.told["place"].as_str()), (Some("mount"), Some("my:box/")));
    // Of every size: none, inside the manifest, packed, and of segments of its own.
    for (at, len) in [0, 5, 4_097, (5 << 20) + 77].into_iter().enumerate() {
        let (name, content) = (format!("f{len}"), bytes(len, at as u8));
        fs::write(mount.at(&name), &content).expect("a file is written");
        assert!(fs::read(mount.at(&name)).expect("it is read") == content, "{len} bytes at once");
        mount.safe(&world, &name);
        assert!(cat(&world, &format!("my:box/{name}")) == content, "{len} bytes in the pool");
        assert!(fs::read(mount.at(&name)).expect("it is read") == content, "{len} bytes from the pool");
        assert_eq!(fs::metadata(mount.at(&name)).expect("it is there").len(), len as u64);
    }
    changed_in_place(&world, &mount);
    from_elsewhere(&world, &mount);
    folders(&world, &mount);
    told(&world, &mount);
    mapped(&world, &mount);
    refused(&mount);
    // `umount` from elsewhere ends it too.
    drop(File::create(mount.at("last")).expect("a file is made"));
    assert!(Command::new("umount").arg(&mount.folder).status().is_ok_and(|status| status.success()));
    let mut mount = mount;
    let ended = mount.child.take().expect("it runs").wait().expect("it ends");
    assert_eq!((ended.code(), is_mounted(&mount.folder)), (Some(0), false));
    assert_eq!(cat(&world, "my:box/last"), b"");
}

fn changed_in_place(world: &World, mount: &Mounted) {
    let (path, mut model) = (mount.at("film"), bytes(3 << 20, 9));
    fs::write(&path, &model).expect("a file is written");
    mount.safe(world, "film");
    let film = OpenOptions::new().read(true).write(true).open(&path).expect("it opens");
    for (at, len) in [(5usize, 10usize), (65_530, 20), (1 << 20, 200_000), ((3 << 20) - 5, 100)] {
        let new = bytes(len, at as u8);
        film.write_all_at(&new, at as u64).expect("it is written");
        model.resize(model.len().max(at + len), 0);
        model[at..at + len].copy_from_slice(&new);
    }
    assert_eq!(mount.state("film"), "open");
    assert!(fs::read(&path).expect("it is read") == model, "others see it before it is closed");
    film.set_len(1 << 20).expect("it is cut");
    film.set_len(2 << 20).expect("it is longer");
    model.truncate(1 << 20);
    model.resize(2 << 20, 0);
    drop(film);
    let mut more = OpenOptions::new().append(true).open(&path).expect("it opens");
    more.write_all(b"the end").expect("it is written");
    drop(more);
    model.extend_from_slice(b"the end");
    assert!(fs::read(&path).expect("it is read") == model);
    mount.safe(world, "film");
    assert!(cat(world, "my:box/film") == model, "the pool has it");
    let mut part = vec![0; 100];
    let mut film = File::open(&path).expect("it opens");
    film.seek(SeekFrom::Start((1 << 20) - 50)).expect("it seeks");
    film.read_exact(&mut part).expect("it is read");
    assert_eq!(part, model[(1 << 20) - 50..][..100]);
    // A file over a file, as editors do it.
    fs::write(mount.at("film.new"), b"another").expect("a file is written");
    fs::rename(mount.at("film.new"), &path).expect("it takes the other's place");
    assert_eq!(fs::read(&path).expect("it is read"), b"another");
    let mut first = [0; 7];
    film.read_exact_at(&mut first, 0).expect("who has it open has the old one");
    assert_eq!(first, model[..7]);
    mount.safe(world, "film");
    assert_eq!(cat(world, "my:box/film"), b"another");
    assert!(!names(&mount.folder).contains(&"film.new".to_owned()));
    // Once more, over an object that both names are by now.
    fs::write(mount.at("film.2"), b"third").expect("a file is written");
    mount.safe(world, "film.2");
    fs::rename(mount.at("film.2"), &path).expect("it takes the other's place");
    assert_eq!(cat(world, "my:box/film"), b"third");
    // What is removed while it is open is there until it is closed.
    let open = OpenOptions::new().read(true).write(true).open(&path).expect("it opens");
    fs::remove_file(&path).expect("it goes");
    open.write_all_at(b"T", 0).expect("it is written");
    let mut rest = String::new();
    (&open).read_to_string(&mut rest).expect("it is read");
    assert_eq!((rest.as_str(), open.metadata().expect("it is there").nlink()), ("Third", 0));
    drop(open);
    assert_eq!(kind(fs::metadata(&path)), ErrorKind::NotFound);
}

/// What other programs of this account do is seen.
fn from_elsewhere(world: &World, mount: &Mounted) {
    let path = file(world, "x", b"by cp");
    world.ok("a", &["cp", &path, "my:box/elsewhere/deep/x"]);
    let read = || fs::read(mount.at("elsewhere/deep/x")).unwrap_or_default();
    let took = world.until("it is seen", Duration::from_secs(10), read, |content| content == b"by cp");
    assert!(took < Duration::from_secs(5), "within its time: {took:?}");
    assert_eq!(names(&mount.at("elsewhere")), ["deep"]);
    let path = file(world, "x", b"by cp, and longer");
    world.ok("a", &["cp", &path, "my:box/elsewhere/deep/x"]);
    world.until("it is seen", Duration::from_secs(10), read, |content| content == b"by cp, and longer");
    // Names that are no path are nowhere, and cost nothing else.
    for key in ["odd//name", "odd/../up", "odd/./x", "odd/fine"] {
        world.ok("a", &["cp", &path, &format!("my:box/{key}")]);
    }
    world.until("it is seen", Duration::from_secs(10), || mount.at("odd/fine").exists(), |is| *is);
    assert_eq!(names(&mount.at("odd")), ["fine"]);
    assert_eq!(kind(fs::remove_dir(mount.at("odd"))), ErrorKind::DirectoryNotEmpty);
    fs::remove_file(mount.at("odd/fine")).expect("it goes");
    assert_eq!(kind(fs::remove_dir(mount.at("odd"))), ErrorKind::DirectoryNotEmpty, "what is not shown is not removed");
}

fn folders(world: &World, mount: &Mounted) {
    let many = mount.at("many");
    fs::create_dir(&many).expect("a folder is made");
    assert_eq!(kind(fs::create_dir(&many)), ErrorKind::AlreadyExists);
    let wanted: Vec<String> = (0..300).map(|at| format!("{at:03}")).collect();
    wanted.iter().for_each(|name| fs::write(many.join(name), name).expect("a file is written"));
    assert_eq!(names(&many), wanted);
    assert_eq!(kind(fs::remove_dir(&many)), ErrorKind::DirectoryNotEmpty);
    // A folder with files that are uploaded and files that are not.
    fs::rename(&many, mount.at("renamed")).expect("it has another name");
    assert_eq!(names(&mount.at("renamed")), wanted);
    assert_eq!(kind(fs::metadata(&many)), ErrorKind::NotFound);
    for name in &wanted {
        assert_eq!(fs::read_to_string(mount.at("renamed").join(name)).expect("it is read"), *name);
    }
    mount.safe(world, "renamed/299");
    wanted.iter().for_each(|name| mount.safe(world, &format!("renamed/{name}")));
    let listed = world.ok("a", &["ls", "my:box/renamed/", "-o", "id"]);
    assert_eq!(listed.lines().filter(|name| !name.ends_with('/')).count(), 300);
    assert_eq!(world.ok("a", &["ls", "my:box/many/", "-o", "id"]), "");
    fs::remove_dir_all(mount.at("renamed")).expect("it goes");
    // A folder that only names made stays when they go.
    fs::remove_file(mount.at("elsewhere/deep/x")).expect("it goes");
    assert_eq!(names(&mount.at("elsewhere/deep")), [""; 0]);
    fs::remove_dir(mount.at("elsewhere/deep")).expect("it goes");
    assert_eq!(names(&mount.at("elsewhere")), [""; 0]);
}

fn told(world: &World, mount: &Mounted) {
    let path = mount.at("noted");
    fs::write(&path, b"x").expect("a file is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("its rights change");
    setxattr(&path, "user.note", b"a\0b", XattrFlags::empty()).expect("it is told");
    let check = || {
        let mut value = [0; 8];
        let len = getxattr(&path, "user.note", &mut value[..]).expect("it is told");
        assert_eq!((&value[..len], fs::metadata(&path).expect("it is there").mode() & 0o7777), (&b"a\0b"[..], 0o640));
    };
    check();
    mount.safe(world, "noted");
    check();
    // The same of an object that is in the pool.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its rights change");
    removexattr(&path, "user.note").expect("it is not told any more");
    setxattr(&path, "user.other", b"y", XattrFlags::CREATE).expect("it is told");
    assert!(setxattr(&path, "user.other", b"y", XattrFlags::CREATE).is_err(), "it is there already");
    assert!(setxattr(&path, "user.long", &[0; 3_000], XattrFlags::empty()).is_err(), "too long");
    assert!(setxattr(&path, "user.pumasi.state", b"safe", XattrFlags::empty()).is_err(), "the program's own");
    assert_eq!(fs::metadata(&path).expect("it is there").mode() & 0o7777, 0o600);
    let mut list = [0u8; 128];
    let len = listxattr(&path, &mut list[..]).expect("they are listed");
    assert_eq!(&list[..len], b"user.other\0user.pumasi.state\0");
    assert_eq!((mount.state("noted").as_str(), cat(world, "my:box/noted").as_slice()), ("safe", &b"x"[..]));
    // Times survive a mount.
    let at = std::time::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    File::options().write(true).open(&path).expect("it opens").set_modified(at).expect("its time changes");
    assert_eq!(fs::metadata(&path).expect("it is there").modified().expect("it has a time"), at);
    symlink("noted", mount.at("link")).expect("a link is made");
    assert_eq!(fs::read_link(mount.at("link")).expect("it points"), Path::new("noted"));
    assert_eq!(fs::read(mount.at("link")).expect("it is followed"), b"x");
    assert!(fs::symlink_metadata(mount.at("link")).expect("it is there").is_symlink());
}

/// Bytes of a file as memory of a program, by one that has such.
fn mapped(world: &World, mount: &Mounted) {
    const PROGRAM: &str = "import mmap, sys\n\
        with open(sys.argv[1], 'r+b') as f, mmap.mmap(f.fileno(), 0) as m:\n  \
        assert m[:4] == bytes(4), m[:4]\n  m[70000:70006] = b'mapped'\n  m.flush()\n";
    fs::write(mount.at("mapped"), vec![0; 100_000]).expect("a file is written");
    let Ok(ran) = Command::new("python3").args(["-c", PROGRAM]).arg(mount.at("mapped")).output() else {
        assert!(std::env::var_os("PUMASI_FULL").is_none(), "there is no python3, and PUMASI_FULL forbids to skip");
        eprintln!("SKIPPED: there is no python3 to map a file");
        return;
    };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    mount.safe(world, "mapped");
    assert_eq!(cat(world, "my:box/mapped")[70_000..70_006], *b"mapped");
}

fn refused(mount: &Mounted) {
    let path = mount.at("noted");
    assert_eq!(kind(fs::hard_link(&path, mount.at("hard"))), ErrorKind::PermissionDenied);
    let pipe = Command::new("mkfifo").arg(mount.at("pipe")).output().expect("mkfifo is part of every system");
    assert!(!pipe.status.success());
    assert_eq!(kind(File::create(mount.at(&"n".repeat(256)))), ErrorKind::InvalidFilename);
    assert_eq!(kind(File::create(mount.at("no\nline"))), ErrorKind::InvalidInput);
    assert_eq!(kind(fs::read_dir(mount.at(".pumasi"))), ErrorKind::NotFound);
}

#[test]
fn what_was_synced_outlives_a_kill() {
    if !can_mount() {
        return;
    }
    let world = world();
    let content = bytes(700_000, 3);
    let mount = Mounted::new(&world, &["my:box"]);
    fs::write(mount.at("old"), bytes(300_000, 4)).expect("a file is written");
    mount.safe(&world, "old");
    // Open and synced: no upload begins, so nothing but the spool has it.
    let mut new = File::create(mount.at("new")).expect("a file is made");
    new.write_all(&content).expect("it is written");
    new.sync_all().expect("it is synced");
    let old = OpenOptions::new().write(true).open(mount.at("old")).expect("it opens");
    old.write_all_at(b"changed", 100_000).expect("it is written");
    old.sync_data().expect("it is synced");
    let gone = File::create(mount.at("gone")).expect("a file is made");
    gone.sync_all().expect("it is synced");
    fs::remove_file(mount.at("gone")).expect("it goes");
    mount.signal("-9");
    drop((new, old, gone));
    let mut mount = mount;
    mount.child.take().expect("it runs").wait().expect("it ends");
    assert!(!world.run("a", &["cat", "my:box/new"]).status.success(), "nothing was uploaded");
    // The folder is a dead one; the next mount frees it, and uploads.
    let mount = Mounted::new(&world, &["my:box"]);
    assert_eq!(mount.told["spooled"].as_u64(), Some(2));
    assert!(fs::read(mount.at("new")).expect("it is read") == content, "it is seen at once");
    mount.safe(&world, "new");
    mount.safe(&world, "old");
    assert!(cat(&world, "my:box/new") == content);
    let mut changed = bytes(300_000, 4);
    changed[100_000..][..7].copy_from_slice(b"changed");
    assert!(cat(&world, "my:box/old") == changed);
    assert_eq!(kind(fs::metadata(mount.at("gone"))), ErrorKind::NotFound, "what was removed stays removed");
    let spool = world.home("a").join("data/spool/0");
    assert_eq!(fs::metadata(&spool).expect("there is a spool").mode() & 0o777, 0o700);
    assert_eq!(names(&spool), ["lock"], "nothing is left of what is safe");
}

#[test]
fn what_an_earlier_mount_left_replaces_only_what_it_was_written_over() {
    if !can_mount() {
        return;
    }
    let world = world();
    let mount = Mounted::new(&world, &["my:box"]);
    for name in ["saved", "both"] {
        fs::write(mount.at(name), b"old").expect("a file is written");
        mount.safe(&world, name);
    }
    let both = OpenOptions::new().write(true).open(mount.at("both")).expect("it opens");
    both.write_all_at(b"mine", 0).expect("it is written");
    both.sync_data().expect("it is synced");
    let mut saved = File::create(mount.at("tmp")).expect("a file is made");
    saved.write_all(b"new").expect("it is written");
    saved.sync_all().expect("it is synced");
    fs::rename(mount.at("tmp"), mount.at("saved")).expect("it takes the other's place");
    mount.signal("-9");
    drop((both, saved));
    let mut mount = mount;
    mount.child.take().expect("it runs").wait().expect("it ends");
    world.ok("a", &["cp", &file(&world, "x", b"theirs"), "my:box/both"]);
    let mount = Mounted::new(&world, &["my:box"]);
    assert_eq!(mount.told["spooled"].as_u64(), Some(2));
    mount.safe(&world, "both");
    mount.safe(&world, "saved");
    assert_eq!((cat(&world, "my:box/both"), cat(&world, "my:box/saved")), (b"theirs".to_vec(), b"new".to_vec()));
    let all = names(&mount.folder);
    let beside = all.iter().find(|name| name.starts_with("both (conflict ")).expect("it is kept beside");
    mount.safe(&world, beside);
    assert_eq!((cat(&world, &format!("my:box/{beside}")), all.len()), (b"mine".to_vec(), 3));
    let beside = beside.clone();
    assert!(mount.end("-TERM").1.contains(&beside), "it is said");
}

#[test]
fn a_mount_ends_in_order_and_uploads_what_waits() {
    if !can_mount() {
        return;
    }
    let world = world();
    let mount = Mounted::new(&world, &["my:box"]);
    let folder = mount.folder.clone();
    fs::write(mount.at("late"), b"just now").expect("a file is written");
    let open = File::create(mount.at("open")).expect("a file is made");
    (&open).write_all(b"still open").expect("it is written");
    open.sync_all().expect("it is synced");
    let (code, said) = mount.end("-TERM");
    assert_eq!((code, is_mounted(&folder)), (Some(143), false), "{said}");
    assert!(said.contains("all is uploaded"), "{said}");
    assert_eq!(cat(&world, "my:box/late"), b"just now");
    assert_eq!(cat(&world, "my:box/open"), b"still open");
    drop(open);
    // Read only: everything is read, nothing is changed.
    let mount = Mounted::new(&world, &["my:box", "--read-only"]);
    assert_eq!(fs::read(mount.at("late")).expect("it is read"), b"just now");
    for done in [
        fs::write(mount.at("late"), b"x"),
        fs::remove_file(mount.at("late")),
        fs::create_dir(mount.at("d")),
        fs::rename(mount.at("late"), mount.at("later")),
        fs::set_permissions(mount.at("late"), fs::Permissions::from_mode(0o600)),
    ] {
        assert_eq!(kind(done), ErrorKind::ReadOnlyFilesystem);
    }
    assert_eq!(mount.end("-INT").0, Some(130));
    // With `--sync pool` the pool has what was synced, though it is open.
    let mount = Mounted::new(&world, &["my:box", "--sync", "pool"]);
    let mut open = File::create(mount.at("log")).expect("a file is made");
    for line in ["one\n", "two\n"] {
        open.write_all(line.as_bytes()).expect("it is written");
        open.sync_all().expect("holders have it");
        assert!(cat(&world, "my:box/log").ends_with(line.as_bytes()));
    }
    drop(open);
    drop(mount);
    assert!(!is_mounted(&folder));
    let full = file(&world, "full/x", b"x");
    let full = Path::new(&full).parent().expect("it lies in a folder").display().to_string();
    assert_eq!(world.refused("a", &["mount", &full], 0), ("E0002".to_owned(), 2));
    assert_eq!(world.refused("a", &["mount", &folder.display().to_string(), "my:nothing"], 0).0, "E0301");
}

#[test]
fn all_buckets_are_folders_at_the_top() {
    if !can_mount() {
        return;
    }
    let world = world();
    let mount = Mounted::new(&world, &[]);
    assert_eq!(names(&mount.folder), ["box"]);
    fs::create_dir(mount.at("second")).expect("a bucket is made");
    assert_eq!(kind(fs::create_dir(mount.at("No bucket"))), ErrorKind::InvalidInput);
    assert_eq!(kind(File::create(mount.at("file"))), ErrorKind::PermissionDenied);
    fs::write(mount.at("second/x"), b"x").expect("a file is written");
    mount.safe(&world, "second/x");
    assert_eq!(cat(&world, "my:second/x"), b"x");
    assert_eq!(kind(fs::rename(mount.at("second/x"), mount.at("box/x"))), ErrorKind::CrossesDevices);
    assert!(Command::new("mv").arg(mount.at("second/x")).arg(mount.at("box/x")).status().is_ok_and(|s| s.success()));
    mount.safe(&world, "box/x");
    assert_eq!(cat(&world, "my:box/x"), b"x");
    fs::remove_dir(mount.at("second")).expect("an empty bucket goes");
    assert_eq!(names(&mount.folder), ["box"]);
    drop(mount);
    // A part of a bucket is the root.
    world.ok("a", &["cp", &file(&world, "y", b"y"), "my:box/deep/down/y"]);
    let mount = Mounted::new(&world, &["my:box/deep"]);
    assert_eq!((names(&mount.folder), names(&mount.at("down"))), (vec!["down".to_owned()], vec!["y".to_owned()]));
    fs::write(mount.at("z"), b"z").expect("a file is written");
    mount.safe(&world, "z");
    assert_eq!(cat(&world, "my:box/deep/z"), b"z");
}

#[test]
fn a_center_that_is_away_leaves_names_and_never_an_empty_folder() {
    if !can_mount() {
        return;
    }
    let world = world();
    let mount = Mounted::new(&world, &["my:box"]);
    fs::create_dir(mount.at("d")).expect("a folder is made");
    fs::write(mount.at("d/x"), bytes(200_000, 1)).expect("a file is written");
    mount.safe(&world, "d/x");
    drop(mount);
    let mount = Mounted::new(&world, &["my:box"]);
    assert_eq!(names(&mount.folder), ["d"]);
    world.stop_center();
    std::thread::sleep(Duration::from_secs(2)); // what was listed just now is over
    assert_eq!(names(&mount.folder), ["d"]);
    assert_eq!(names(&mount.at("d")), ["x"], "this machine's index knows it");
    assert_eq!(fs::metadata(mount.at("d/x")).expect("it is known").len(), 200_000);
    let read = fs::read(mount.at("d/x"));
    assert!(read.is_err(), "nobody says where its pieces are");
    // What is written waits, and goes when the center is back.
    fs::write(mount.at("d/new"), b"meanwhile").expect("a file is written");
    assert_eq!(fs::read(mount.at("d/new")).expect("it is read"), b"meanwhile");
    assert_eq!(mount.state("d/new"), "spooled");
    world.ok("a", &["center", "start"]);
    mount.safe(&world, "d/new");
    assert_eq!(cat(&world, "my:box/d/new"), b"meanwhile");
    assert!(fs::read(mount.at("d/x")).expect("it is read") == bytes(200_000, 1));
}
