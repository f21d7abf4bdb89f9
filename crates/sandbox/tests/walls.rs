//! What a subverted child could do behind the walls, and what single layers hold. What this machine cannot do is said.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in a test a failed step is a failed test")]

use std::fs::File;
use std::process::Command;

/// Lines of trials that went through, and the level.
fn trial(without: &[&str]) -> (Vec<String>, u8) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["in", "out", "tmp"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    // A descriptor that is left open by mistake.
    let secret = folder.path().join("secret");
    let leaked = nix::fcntl::open(&secret, nix::fcntl::OFlag::O_CREAT, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sandbox-trial"))
        .args(without)
        .env_clear()
        .current_dir(folder.path())
        .output()
        .unwrap();
    drop((File::from(leaked), secret));
    let text = String::from_utf8(output.stdout).unwrap();
    println!("without {without:?}:\n{text}");
    let level = text.lines().find_map(|line| line.strip_prefix("level ")).expect("the trial ends").parse().unwrap();
    (text.lines().filter_map(|line| line.strip_prefix("through: ")).map(str::to_owned).collect(), level)
}

/// Whether the walls of this machine reach what strangers' work needs; says so if not.
fn is_walled() -> bool {
    let (_, level) = trial(&[]);
    if level < 2 {
        println!("NOT TESTED: the walls of this machine reach level {level}");
    }
    level >= 2
}

#[test]
fn nothing_goes_through_all_walls() {
    let (through, level) = trial(&[]);
    if level >= 2 {
        assert_eq!(through, Vec::<String>::new());
    } else {
        println!("NOT TESTED: the walls of this machine reach level {level}");
    }
}

#[test]
fn without_the_filter_the_level_is_0() {
    let (through, level) = trial(&["Seccomp"]);
    assert_eq!(level, 0);
    assert!(!through.contains(&"chroot".to_owned()), "capabilities are gone without the filter too");
}

#[test]
fn without_landlock_and_own_root_the_level_is_1() {
    let (through, level) = trial(&["Landlock", "Root"]);
    assert!(through.contains(&"read /etc/passwd".to_owned()));
    assert!(level <= 1);
}

#[test]
fn landlock_alone_holds_the_files() {
    if is_walled() {
        let (through, level) = trial(&["Namespaces", "Root"]);
        if level < 2 {
            println!("NOT TESTED: no landlock on this machine");
        } else {
            assert_eq!(through, Vec::<String>::new());
        }
    }
}

#[test]
fn an_own_root_alone_holds_the_files() {
    if is_walled() {
        let (through, level) = trial(&["Landlock"]);
        if level < 2 {
            println!("NOT TESTED: no own root on this machine");
        } else {
            // Inside its own folder it may write wherever it likes.
            let outside = through.iter().filter(|trial| !trial.starts_with("write")).collect::<Vec<_>>();
            assert_eq!(outside, Vec::<&String>::new());
        }
    }
}

#[test]
fn what_the_parent_left_open_is_closed() {
    let inherited = "inherited descriptor".to_owned();
    assert!(trial(&["Descriptors"]).0.contains(&inherited), "the trial can see a leak");
    assert!(!trial(&[]).0.contains(&inherited));
}
