//! Random operations on a mounted file against the same on bytes in memory, in the manner of fsx: reads, writes, appends, cuts, closes,
//! renames over it, and uploads in between. The seed is told, and `PUMASI_SEED` gives it again; `PUMASI_SOAK` makes it a million.

use crate::mount::{Mounted, can_mount};
use crate::storage::three;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;

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

fn open(path: &std::path::Path) -> File {
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
