//! Random operations on a mounted file against the same on bytes in memory, in the manner of fsx: reads, writes, appends, cuts, closes,
//! renames over it, and uploads in between; and many who do so at once. The seed is told, and `PUMASI_SEED` gives it again; `PUMASI_SOAK` makes it a million.

use crate::mount::{Mounted, can_mount};
use crate::storage::three;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// Longest file.
const LEN_MAX: u64 = 400_000;
/// Longest write, and read.
const STEP_MAX: u64 = 90_000;

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        let first = self.below(251);
        (0..len).map(|at| u8::try_from((first + at) % 251).expect("below 251")).collect()
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).expect("it opens")
}

#[test]
fn a_file_is_what_was_written_to_it_whatever_was_done() {
    if !can_mount() {
        return;
    }
    let seed = std::env::var("PUMASI_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_130);
    let steps = if std::env::var_os("PUMASI_SOAK").is_some() { 1_000_000 } else { 3_000 };
    let world = three();
    world.ok("a", &["bucket", "create", "box"]);
    let mount = Mounted::new(&world, &["my:box"]);
    let (path, mut model, mut dice) = (mount.at("fsx"), Vec::<u8>::new(), Dice(seed));
    let mut file = open(&path);
    for step in 0..steps {
        let len = model.len() as u64;
        let what = dice.below(100);
        match what {
            0..45 => {
                let (at, size) = (dice.below(LEN_MAX), 1 + dice.below(STEP_MAX));
                let size = size.min(LEN_MAX - at).max(1);
                let new = dice.bytes(size);
                file.write_all_at(&new, at).expect("it is written");
                let end = usize::try_from(at + size).expect("it fits");
                model.resize(model.len().max(end), 0);
                model[usize::try_from(at).expect("it fits")..end].copy_from_slice(&new);
            }
            45..80 => {
                let (at, size) = (dice.below(len + 1), dice.below(STEP_MAX));
                let end = (at + size).min(len);
                let mut read = vec![0; usize::try_from(end - at).expect("it fits")];
                file.read_exact_at(&mut read, at).unwrap_or_else(|e| panic!("seed {seed}, step {step}: {e}"));
                let wanted = &model[usize::try_from(at).expect("it fits")..usize::try_from(end).expect("it fits")];
                assert!(read == wanted, "seed {seed}, step {step}: {at}..{end} reads otherwise");
            }
            80..90 => {
                let new = dice.below(LEN_MAX);
                file.set_len(new).expect("it is cut");
                model.resize(usize::try_from(new).expect("it fits"), 0);
            }
            90..97 => {
                drop(file);
                file = open(&path);
            }
            97 => {
                drop(file);
                mount.safe(&world, "fsx");
                file = open(&path);
            }
            98 => file.sync_all().expect("it is synced"),
            _ => {
                drop(file);
                let beside = mount.at("fsx.new");
                fs::write(&beside, &model).expect("a file is written");
                fs::rename(&beside, &path).expect("it takes the other's place");
                file = open(&path);
            }
        }
        let told = file.metadata().expect("it is there").len();
        assert_eq!(told, model.len() as u64, "seed {seed}, step {step}, after {what}");
    }
    drop(file);
    assert!(fs::read(&path).expect("it is read") == model, "seed {seed}");
    mount.safe(&world, "fsx");
    assert!(world.run("a", &["cat", "my:box/fsx"]).stdout == model, "seed {seed}: the pool has another");
}

/// One of those who use a folder at the same time: files made beside and renamed over, renamed, removed, appended to, and the whole
/// folder renamed, while uploads of all of that are under way.
fn user(folder: &Path, mut dice: Dice) -> BTreeMap<String, Vec<u8>> {
    let mut model = BTreeMap::<String, Vec<u8>>::new();
    fs::create_dir(folder).expect("a folder is made");
    for step in 0..120 {
        let (name, known) = (format!("f{}", dice.below(12)), dice.below(model.len() as u64));
        let known = model.keys().nth(usize::try_from(known).expect("it is short")).cloned();
        match (dice.below(8), known) {
            (0..=2, _) => {
                let size = [0, 10, 5_000, 70_000, 200_000][usize::try_from(dice.below(5)).expect("below 5")];
                let (content, beside) = (dice.bytes(size), folder.join("beside"));
                fs::write(&beside, &content).expect("a file is written");
                if dice.below(2) == 0 {
                    std::thread::sleep(Duration::from_millis(dice.below(800))); // its upload may begin, or end
                }
                fs::rename(&beside, folder.join(&name)).expect("it has its name");
                model.insert(name, content);
            }
            (3, Some(known)) => {
                fs::rename(folder.join(&known), folder.join(&name)).expect("it has another name");
                let content = model.remove(&known).expect("it is known");
                model.insert(name, content);
            }
            (4, Some(known)) => {
                fs::remove_file(folder.join(&known)).expect("it goes");
                model.remove(&known);
            }
            (5, Some(known)) => {
                let mut file = OpenOptions::new().append(true).open(folder.join(&known)).expect("it opens");
                file.write_all(b"and more").expect("it is written");
                model.get_mut(&known).expect("it is known").extend_from_slice(b"and more");
            }
            (6, _) => {
                let other = folder.with_extension("x");
                fs::rename(folder, &other).expect("it has another name");
                fs::rename(&other, folder).expect("it has its name again");
            }
            _ => compare(folder, &model, step),
        }
    }
    compare(folder, &model, 120);
    model
}

/// A folder has the files of a model and no others, with their content.
fn compare(folder: &Path, model: &BTreeMap<String, Vec<u8>>, step: u64) {
    let there = fs::read_dir(folder).expect("a folder lists").map(|entry| entry.expect("it lists").file_name());
    let mut there: Vec<String> = there.map(|name| name.to_string_lossy().into_owned()).collect();
    there.sort();
    assert!(there.iter().eq(model.keys()), "step {step}: {there:?} for {:?}", model.keys());
    for (name, content) in model {
        assert!(fs::read(folder.join(name)).expect("it is read") == *content, "step {step}: {name}");
    }
}

#[test]
fn many_at_once_find_what_they_wrote_while_it_is_uploaded() {
    if !can_mount() {
        return;
    }
    let seed = std::env::var("PUMASI_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_130);
    println!("seed {seed}");
    let world = three();
    world.ok("a", &["bucket", "create", "box"]);
    let mount = Mounted::new(&world, &["my:box"]);
    let models: Vec<_> = std::thread::scope(|scope| {
        let begin = |at: u64| {
            let folder = mount.at(&format!("u{at}"));
            scope.spawn(move || user(&folder, Dice(seed + at * 7_919)))
        };
        let all: Vec<_> = (0..4).map(begin).collect();
        all.into_iter().map(|one| one.join().expect("it finds what it wrote")).collect()
    });
    for (at, model) in models.iter().enumerate() {
        model.keys().for_each(|name| mount.safe(&world, &format!("u{at}/{name}")));
        let listed = world.ok("a", &["ls", &format!("my:box/u{at}/"), "-o", "id"]);
        let mut listed: Vec<&str> = listed.lines().filter_map(|name| name.rsplit('/').next()).collect();
        listed.retain(|name| !name.is_empty());
        listed.sort_unstable();
        assert!(listed.iter().eq(model.keys()), "the pool has {listed:?} for {:?}", model.keys());
        if let Some((name, content)) = model.iter().next() {
            assert!(world.run("a", &["cat", &format!("my:box/u{at}/{name}")]).stdout == *content);
        }
    }
}
