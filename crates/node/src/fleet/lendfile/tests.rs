use super::*;
use model::{Bytes, Kbps, Ppm};
use proptest::prelude::*;
use rules::fleet::lend::{Accept, Cores, Profile};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

const FULL: &str = r#"
name = "li-desktop"   # not ours to judge
[lend]                # the owner's word is final
profile = "custom"
disk = "10GiB"
up = "5Mbit/s"
down = "20Mbit/s"
monthly_transfer = "100GiB"
reset_day = 5
accept = ["storage", "load"]
pause_for = ["steam.exe", "obs"]
on_battery = true
[[lend.rule]]
when = "idle > 20min and hours('22:00-08:00','sat-sun') and not thermal"
give = { cores = "90%", memory = "75%" }
[[lend.rule]]
when = "in_use"
give = { cores = 1.5, memory = "10%", net = "5%" }
[[lend.load.own_target]]
at = "127.0.0.1:8080"
"#;

fn of(text: &str) -> Result<Lent, LendFileError> {
    parse(Path::new("pumasi.toml"), text)
}

#[test]
fn the_whole_file_of_the_design_reads() {
    let Lent { policy, unknown } = of(FULL).unwrap();
    assert_eq!(unknown, []);
    assert_eq!((policy.profile, policy.disk, policy.reset_day), (Profile::Custom, Some(Bytes::gib(10)), 5));
    assert_eq!((policy.up, policy.down), (Some(Kbps(5_000)), Some(Kbps(20_000))));
    assert_eq!(policy.monthly_transfer, Some(Bytes::gib(100)));
    assert_eq!(policy.accept, Accept { storage: true, load: true, ..Accept::NONE });
    assert_eq!(policy.pause_for, ["steam.exe", "obs"]);
    assert!(policy.on_battery && !policy.on_metered);
    let gives: Vec<_> = policy.rules.iter().map(|rule| rule.give).collect();
    assert_eq!(
        (gives[0].cores, gives[0].memory, gives[0].net),
        (Cores::Share(Ppm::percent(90)), Ppm::percent(75), Ppm::percent(20))
    );
    assert_eq!((gives[1].cores, gives[1].net), (Cores::Milli(1_500), Ppm::percent(5)));
}

#[test]
fn no_file_and_no_section_are_whisper() {
    let dir = TempDir::new().unwrap();
    assert_eq!(read(&dir.path().join("none.toml")).unwrap(), LendPolicy::default());
    assert_eq!(of("name = \"x\"\n").unwrap(), Lent::default());
    assert_eq!(LendPolicy::default().profile, Profile::Whisper);
}

#[test]
fn what_does_not_hold_is_named_with_key_and_line() {
    let cases = [
        ("[lend]\nprofile = \"loud\"\n", "lend.profile", "loud", 2),
        ("[lend]\n\ndisk = \"ten\"\n", "lend.disk", "ten", 3),
        ("[lend]\ndisk = 10\n", "lend.disk", "10", 2),
        ("[lend]\nreset_day = 31\n", "lend.reset_day", "31", 2),
        ("[lend]\naccept = [\"storage\", \"mining\"]\n", "lend.accept", "mining", 2),
        ("[lend]\naccept = \"storage\"\n", "lend.accept", "storage", 2),
        ("[lend]\non_battery = \"yes\"\n", "lend.on_battery", "yes", 2),
        (
            "[lend]\nprofile=\"custom\"\n[[lend.rule]]\nwhen = \"idel\"\ngive = { cores = 1, memory = \"1%\" }\n",
            "lend.rule.when",
            "idel",
            4,
        ),
        (
            "[lend]\nprofile=\"custom\"\n[[lend.rule]]\nwhen = \"in_use\"\ngive = { cores = \"lots\", memory = \"1%\" }\n",
            "lend.rule.give.cores",
            "lots",
            5,
        ),
        (
            "[lend]\nprofile=\"custom\"\n[[lend.rule]]\nwhen = \"in_use\"\ngive = { cores = -1, memory = \"1%\" }\n",
            "lend.rule.give.cores",
            "-1",
            5,
        ),
        (
            "[lend]\nprofile=\"custom\"\n[[lend.rule]]\nwhen = \"in_use\"\ngive = { cores = 1, memory = \"200%\" }\n",
            "lend.rule.give.memory",
            "200%",
            5,
        ),
        (
            "[lend]\nprofile = \"night\"\n[[lend.rule]]\nwhen = \"in_use\"\ngive = { cores = 1, memory = \"1%\" }\n",
            "lend.profile",
            "night",
            2,
        ),
        ("lend = 3\n", "lend", "3", 1),
    ];
    for (text, field, value, line) in cases {
        match of(text) {
            Err(LendFileError::BadValue { field: f, value: v, line: l, why }) => {
                assert_eq!((f.as_str(), v.as_str(), l), (field, value, line), "{text}");
                assert!(!why.is_empty());
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(matches!(of("[lend]\nprofile = \n"), Err(LendFileError::Malformed { line: 2, .. })));
    let refusal = of("[lend]\ndisk = \"ten\"\n").unwrap_err().refusal();
    assert_eq!((refusal.id, refusal.args["field"].as_str()), (errors::BAD_VALUE, "lend.disk"));
}

#[test]
fn an_unknown_key_is_an_error_for_a_command_and_a_warning_for_the_agent() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("pumasi.toml");
    fs::write(&path, "[lend]\ndsik = \"1GiB\"\nprofile = \"night\"\n").unwrap();
    let error = read(&path).unwrap_err();
    assert_eq!(error.to_string(), "line 2: lend.dsik is unknown; did you mean disk?");
    assert_eq!((error.refusal().id, error.refusal().args["near"].as_str()), (errors::CONFIG_KEY, "disk"));
    let lent = read_leniently(&path).unwrap();
    assert_eq!((lent.policy.profile, lent.unknown.len()), (Profile::Night, 1));
}

fn set_all(path: &Path, changes: &[(&str, &str)]) -> Result<LendPolicy, LendFileError> {
    let owned: Vec<_> = changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    set(path, &owned)
}

#[test]
fn a_change_keeps_comments_and_everything_else() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("pumasi.toml");
    fs::write(
        &path,
        "# mine\nname = \"x\"\n\n[lend] # word\ndisk = \"1GiB\" # little\nup = \"1Mbit/s\"\n\n[other]\na = 1\n",
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let changes =
        [("disk", "2GiB"), ("lend.profile", "night"), ("accept", "storage, batch"), ("reset_day", "3"), ("up", "")];
    let policy = set_all(&path, &changes).unwrap();
    assert_eq!(
        (policy.disk, policy.profile, policy.reset_day, policy.up),
        (Some(Bytes::gib(2)), Profile::Night, 3, None)
    );
    let text = fs::read_to_string(&path).unwrap();
    for kept in ["# mine", "name = \"x\"", "[lend] # word", "disk = \"2GiB\" # little", "[other]\na = 1"] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    assert_eq!(read(&path).unwrap(), policy);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_bad_change_writes_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("new/pumasi.toml");
    let error = set_all(&path, &[("profile", "night"), ("disk", "ten")]).unwrap_err();
    assert!(matches!(&error, LendFileError::BadValue { field, line: 0, .. } if field == "lend.disk"), "{error:?}");
    assert!(matches!(set_all(&path, &[("dsik", "1GiB")]), Err(LendFileError::UnknownKey(u)) if u.near == "disk"));
    assert!(matches!(set_all(&path, &[("rule", "x")]), Err(LendFileError::UnknownKey(_))), "written by hand only");
    assert!(!path.exists());
    set_all(&path, &[("profile", "night"), ("pause_for", "obs,steam"), ("on_battery", "true"), ("accept", "none")])
        .unwrap();
    let policy = read(&path).unwrap();
    assert_eq!((policy.pause_for.len(), policy.on_battery, policy.accept), (2, true, Accept::NONE));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_link_to_the_file_stays_a_link() {
    let dir = TempDir::new().unwrap();
    let (real, link) = (dir.path().join("real.toml"), dir.path().join("pumasi.toml"));
    fs::write(&real, "").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    set_all(&link, &[("profile", "night")]).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(read(&real).unwrap().profile, Profile::Night);
}

#[test]
fn a_watcher_tells_changes_once_and_keeps_quiet_about_a_file_in_between() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("pumasi.toml");
    let (mut watch, lent) = LendWatch::begin(&path).unwrap();
    assert_eq!(lent, Lent::default());
    assert!(watch.changed().is_none());
    fs::write(&path, "[lend]\nprofile = \"night\"\n").unwrap();
    assert_eq!(watch.changed().unwrap().unwrap().policy.profile, Profile::Night);
    assert!(watch.changed().is_none());
    // The same size, perhaps within the same tick of the file system's clock.
    fs::write(&path, "[lend]\nprofile = \"loudd\"\n").unwrap();
    assert!(watch.changed().unwrap().is_err());
    assert!(watch.changed().is_none(), "told once");
    fs::remove_file(&path).unwrap();
    assert!(watch.changed().is_none(), "an editor may be about to write it anew");
    assert_eq!(watch.changed().unwrap().unwrap(), Lent::default());
    fs::write(&path, vec![b'#'; usize::try_from(FILE_MAX).unwrap() + 1]).unwrap();
    assert!(watch.changed().unwrap().is_err(), "too long");
    fs::write(&path, "").unwrap();
    assert!(watch.changed().unwrap().is_ok());
}

proptest! {
    #[test]
    fn any_text_reads_or_is_refused(text in "\\PC{0,200}", lend in "(\\[lend\\]\n)?([a-z_]{1,9} = [\"0-9a-z\\[\\]{}=, %]{0,20}\n){0,6}") {
        let _ = of(&text);
        let _ = of(&lend);
    }
}
