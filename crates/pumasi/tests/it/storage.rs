//! A member's files by the commands a person types: stored, read whole and in part, renamed, removed, brought back; under
//! wrong keys, with nasty names, while holders die. Whole processes: a center and three nodes.

use crate::world::World;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes that repeat nowhere, so that a piece in the wrong place is seen.
pub fn bytes(len: usize, seed: u8) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut out);
    out
}

/// A center with a node in home `a`, nodes in `b` and `c`; `a`'s account stores. Two say they stand in Korea, one in Germany.
pub fn three() -> World {
    three_in(World::new())
}

/// The same in a world that is there.
pub fn three_in(world: World) -> World {
    world.init(&["--node-name", "one", "--region", "asia/kr/seoul"]);
    for (home, name, region) in [("b", "two", "asia/kr/busan"), ("c", "three", "europe/de")] {
        let ticket = world.ok("a", &["invite", "-q"]);
        world.ok(home, &["join", &ticket, "--yes", "--no-probe", "--name", name, "--region", region]);
    }
    world.until("three nodes are on", Duration::from_secs(60), || world.nodes_on("a"), |on| *on == 3);
    world
}

pub fn file(world: &World, name: &str, content: &[u8]) -> String {
    let path: PathBuf = world.home("files").join(name);
    std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
    std::fs::write(&path, content).expect("a file can be written");
    path.display().to_string()
}

fn cat(world: &World, args: &[&str]) -> Vec<u8> {
    let out = world.run("a", &[&["cat"], args].concat());
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn names(world: &World, place: &str) -> Vec<String> {
    world.ok("a", &["ls", place, "-o", "id"]).lines().map(str::to_owned).collect()
}

#[test]
fn files_of_every_size_read_back_whole_and_in_part() {
    let world = three();
    // Around every edge: empty, inline and one more, a chunk, a column, a segment and one more.
    for (at, len) in [0, 1, 4_096, 4_097, 65_520, 65_521, 1 << 20, (8 << 20) + 4_321].into_iter().enumerate() {
        let content = bytes(len, at as u8);
        let (from, place) = (file(&world, &format!("f{at}"), &content), format!("my:sizes/f{at}"));
        let stored = world.json("a", &["cp", &from, &place]);
        assert_eq!((stored["size_bytes"].as_u64(), stored["inline"].as_bool()), (Some(len as u64), Some(len <= 4_096)));
        assert!(cat(&world, &[&place]) == content, "{len} bytes came back otherwise");
        let stat = world.json("a", &["stat", &place]);
        assert_eq!(stat["blake3"].as_str(), Some(blake3::hash(&content).to_hex().as_str()), "{len}");
    }
    let content = bytes((8 << 20) + 4_321, 7);
    for (range, part) in [
        ("0-0", 0..1),
        ("65519-65521", 65_519..65_522),
        ("8388600-8388700", 8_388_600..8_388_701),
        ("-10", content.len() - 10..content.len()),
        ("8000000-", 8_000_000..content.len()),
    ] {
        assert!(cat(&world, &["my:sizes/f7", "--range", range]) == content[part], "{range}");
    }
    assert_eq!(world.refused("a", &["cat", "my:sizes/f1", "--range", "5-9"], 0).0, "E0314");
    let listed = names(&world, "my:sizes/");
    assert_eq!(listed, (0..8).map(|at| format!("f{at}")).collect::<Vec<_>>());
    one_of_three_may_die(&world, &content);
}

/// 1 of 3: two holders are gone, every byte is there; with the third gone it is told with both numbers.
fn one_of_three_may_die(world: &World, content: &[u8]) {
    world.run("b", &["agent", "stop"]);
    world.run("c", &["agent", "stop"]);
    assert!(cat(world, &["my:sizes/f7"]) == content, "two of three holders are gone");
    assert!(cat(world, &["my:sizes/f2"]) == bytes(4_096, 2), "what is inline needs no holder");
}

#[test]
fn names_change_without_moving_a_byte_and_what_is_removed_comes_back() {
    let world = three();
    world.ok("a", &["bucket", "create", "album"]);
    assert_eq!(world.refused("a", &["bucket", "create", "album"], 0), ("".into(), 0), "the same again is no fault");
    let (one, two) = (bytes(100_000, 1), bytes(200_000, 2));
    let (first, second) = (file(&world, "one", &one), file(&world, "two", &two));
    let place = "my:album/2019/일본.jpg";
    world.ok("a", &["cp", &first, place]);
    world.ok("a", &["cp", &second, place]);
    let versions = world.ok("a", &["object", "versions", place, "-o", "id"]);
    assert_eq!(versions.lines().count(), 2);
    assert_eq!(world.refused("a", &["cp", &first, place, "--no-overwrite"], 0), ("E0305".into(), 5));
    world.ok("a", &["cp", place, "my:album/copy.jpg"]);
    world.ok("a", &["mv", place, "my:album/moved.jpg"]);
    assert_eq!(names(&world, "my:album"), ["copy.jpg", "moved.jpg"]);
    assert!(cat(&world, &["my:album/moved.jpg"]) == two && cat(&world, &["my:album/copy.jpg"]) == two);
    assert_eq!(world.refused("a", &["stat", place], 0), ("E0304".into(), 3));
    world.ok("a", &["rm", "-r", "my:album/"]);
    assert_eq!(names(&world, "my:album"), Vec::<String>::new());
    world.ok("a", &["object", "undelete", "my:album/copy.jpg"]);
    assert!(cat(&world, &["my:album/copy.jpg"]) == two);
    assert_eq!(world.refused("a", &["bucket", "rm", "album"], 0).0, "E0303");
    world.ok("a", &["rm", "my:album/copy.jpg"]);
    world.ok("a", &["bucket", "rm", "album"]);
    assert_eq!(world.refused("a", &["ls", "my:album/"], 0), ("E0301".into(), 3));
}

#[test]
fn folders_go_in_and_out_and_nasty_names_stay_where_they_belong() {
    let world = three();
    let tree = [("a.txt", 10), ("deep/er/b.bin", 70_000), ("deep/c with space", 0), ("日本/ü.txt", 5_000)];
    for (at, (name, len)) in tree.iter().enumerate() {
        file(&world, &format!("tree/{name}"), &bytes(*len, at as u8));
    }
    let tree_dir = world.home("files").join("tree").display().to_string();
    world.ok("a", &["cp", "-r", &tree_dir, "my:tree/in/"]);
    let back = world.home("files").join("back");
    world.ok("a", &["cp", "-r", "my:tree/in/", &back.display().to_string()]);
    for (at, (name, len)) in tree.iter().enumerate() {
        assert!(std::fs::read(back.join(name)).is_ok_and(|got| got == bytes(*len, at as u8)), "{name}");
    }
    // A second way: sync moves only what differs, in both directions.
    let count = |args: &[&str]| {
        let out = world.ok("a", &[args, &["--json"]].concat());
        let done: Value = serde_json::from_str(out.lines().last().unwrap_or_default()).unwrap_or_default();
        ["copied_count", "removed_count", "same_count"].map(|key| done[key].as_u64().unwrap_or(99))
    };
    assert_eq!(count(&["sync", &tree_dir, "my:tree/in"]), [0, 0, 4], "cp kept the times of change");
    file(&world, "tree/new", b"new");
    std::fs::remove_file(world.home("files").join("tree/a.txt")).expect("a file can be removed");
    assert_eq!(count(&["sync", &tree_dir, "my:tree/in", "--delete", "--dry-run"]), [1, 1, 3]);
    assert_eq!(count(&["sync", &tree_dir, "my:tree/in", "--delete"]), [1, 1, 3]);
    assert_eq!(count(&["sync", "my:tree/in/", &back.display().to_string(), "--delete"]), [1, 1, 3]);
    assert!(!back.join("a.txt").exists() && back.join("new").exists());
    assert_eq!(count(&["sync", "my:tree/in/", &back.display().to_string()]), [0, 0, 4]);
    // Any key is kept as it is; as a file it must not lead out of the folder.
    let long = "x".repeat(1_024);
    let small = file(&world, "small", b"small");
    for key in ["a/../b", "..", "./x", "emoji 🙂", "quote'\"", "-rf", long.as_str()] {
        let place = format!("my:nasty/{key}");
        world.ok("a", &["cp", &small, &place]);
        assert!(cat(&world, &[&place]) == b"small", "{key}");
    }
    assert_eq!(world.refused("a", &["cp", &small, &format!("my:nasty/{long}x")], 0), ("E0310".into(), 2));
    let out = world.home("files").join("out").display().to_string();
    assert_eq!(world.refused("a", &["cp", "-r", "my:nasty/", &out], 0).0, "E0310");
    assert!(!Path::new(&out).parent().expect("a folder").join("b").exists(), "nothing was written outside");
}

/// The account's root is another one: told as a wrong key, never as an empty bucket.
#[test]
fn another_key_is_told_and_another_member_sees_nothing() {
    let world = three();
    let secret = file(&world, "secret", &bytes(50_000, 3));
    world.ok("a", &["cp", &secret, "my:safe/plan"]);
    let root = world.home("a").join("data/account.root");
    let right = std::fs::read(&root).expect("the account has a root");
    std::fs::write(&root, [7; 32]).expect("a root can be written");
    for verb in [&["ls", "my:safe/"][..], &["cat", "my:safe/plan"], &["cp", &secret, "my:safe/plan"]] {
        assert_eq!(world.refused("a", verb, 0), ("E0112".into(), 4), "{verb:?}");
    }
    let listed = world.ok("a", &["bucket", "list"]);
    assert!(listed.contains("(another key)"), "{listed}");
    std::fs::write(&root, &right).expect("a root can be written");
    // Another member with the very same root is not the bucket's owner.
    std::fs::write(world.home("b").join("data/account.root"), &right).expect("a root can be written");
    assert_eq!(world.refused("b", &["ls", "my:safe/"], 0), ("E0301".into(), 3));
    assert!(cat(&world, &["my:safe/plan"]) == bytes(50_000, 3));
}

/// A quota counts all versions; what is over it is refused with the numbers and leaves nothing, and removing always may.
#[test]
fn a_quota_that_is_reached_refuses_and_leaves_nothing() {
    let world = World::new();
    world.init(&["--node-name", "one"]);
    let (big, small) = (file(&world, "big", &bytes(3 << 20, 1)), file(&world, "small", b"small"));
    world.ok("a", &["bucket", "create", "tight", "--quota", "4MiB"]);
    world.ok("a", &["cp", &big, "my:tight/one"]);
    assert_eq!(world.refused("a", &["cp", &big, "my:tight/two"], 0).0, "E0311");
    assert_eq!(names(&world, "my:tight/"), ["one"]);
    world.ok("a", &["cp", &small, "my:tight/small"]);
    world.ok("a", &["rm", "my:tight/small"]);
    assert_eq!(world.json("a", &["bucket", "show", "tight"])["quota_bytes"].as_u64(), Some(4 << 20));
    world.ok("a", &["bucket", "set", "tight", "--quota", "1MiB"]);
    assert_eq!(world.refused("a", &["cp", &small, "my:tight/more"], 0).0, "E0311", "over it already");
    assert_eq!(world.refused("a", &["bucket", "set", "tight", "--quota", "0"], 0).0, "E0002");
    world.ok("a", &["bucket", "set", "tight", "--quota", "none"]);
    world.ok("a", &["cp", &big, "my:tight/two"]);
}

/// The index of a machine is ordered, catches up, knows what it knew without the center, and a center that goes back is told.
#[test]
fn names_are_listed_from_an_index_and_a_center_that_goes_back_is_seen() {
    let world = World::new();
    world.init(&["--node-name", "one"]);
    let small = file(&world, "small", b"small");
    for name in ["b/x", "b-", "a", "c"] {
        world.ok("a", &["cp", &small, &format!("my:order/{name}")]);
    }
    assert_eq!(names(&world, "my:order/"), ["a", "b-", "b/x", "c"]);
    let center = world.home("a").join("data/center");
    let kept = world.home("kept");
    world.stop_center();
    copy_files(&center, &kept);
    assert_eq!(world.ok("a", &["ls", "my:order/b", "--offline", "-o", "id"]), "b-\nb/x", "nobody is asked");
    world.ok("a", &["center", "start"]);
    world.ok("a", &["rm", "my:order/a"]);
    world.ok("a", &["cp", &small, "my:order/later"]);
    assert_eq!(names(&world, "my:order/"), ["b-", "b/x", "c", "later"]);
    // The index is lost: nothing is lost.
    std::fs::remove_dir_all(world.home("a").join("data/names")).expect("the index can be removed");
    assert_eq!(names(&world, "my:order/"), ["b-", "b/x", "c", "later"]);
    world.stop_center();
    std::fs::remove_dir_all(&center).expect("a folder can be removed");
    copy_files(&kept, &center);
    world.ok("a", &["center", "start"]);
    for verb in [&["ls", "my:order/"][..], &["cat", "my:order/c"], &["cp", &small, "my:order/x"]] {
        assert_eq!(world.refused("a", verb, 0).0, "E0808", "{verb:?}: the center shows what it was");
    }
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("a folder can be read").flatten() {
        if entry.file_name() != "running.json" {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a file can be copied");
        }
    }
}

/// What a pipe brings has no length beforehand, and what was half written is not there.
#[test]
fn pipes_go_both_ways_and_a_failed_put_leaves_no_name() {
    let world = three();
    let content = bytes((8 << 20) + 99, 4);
    let stored = world.pipe("a", &["cp", "-", "my:pipe/x", "--json"], &content);
    let stored: Value = serde_json::from_slice(&stored).unwrap_or_default();
    assert_eq!(stored["size_bytes"].as_u64(), Some(content.len() as u64));
    let out = world.run("a", &["cp", "my:pipe/x", "-"]);
    assert!(out.stdout == content);
    world.run("b", &["agent", "stop"]);
    world.run("c", &["agent", "stop"]);
    let node =
        |name: &str| world.json("a", &["node", "show", name])["presence"].as_str().unwrap_or_default().to_owned();
    world.until(
        "two are gone",
        Duration::from_secs(30),
        || (node("two"), node("three")),
        |(b, c)| b != "on" && c != "on",
    );
    let big = file(&world, "big", &content);
    let (id, code) = world.refused("a", &["cp", &big, "my:pipe/never"], 0);
    // With one node left the group is opened anew for one; what was there before still reads.
    if code != 0 {
        assert_eq!(id, "E0306");
        assert_eq!(names(&world, "my:pipe/"), ["x"]);
    }
}

/// Who puts while too few holders are on waits for them, says what for, and goes on as soon as one comes; nobody types twice.
#[test]
fn a_put_waits_for_holders_and_says_so() {
    let world = three();
    let node = |name: &str| world.json("a", &["node", "show", name])["presence"].clone();
    for home in ["b", "c"] {
        world.run(home, &["agent", "stop"]);
    }
    let look = || (node("two"), node("three"));
    world.until("two are off", Duration::from_secs(30), look, |(b, c)| b != "on" && c != "on");
    for (name, len) in [("small", 100_000), ("large", 5 << 20)] {
        let content = bytes(len, 6);
        let from = file(&world, name, &content);
        let mut child = world.spawn("a", &["cp", &from, &format!("my:box/{name}")]);
        let mut said = std::io::BufReader::new(child.stderr.take().expect("it is a pipe"));
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).expect("it says what it waits for");
        assert!(line.contains("waiting for holders: 1 of 2 on"), "{line}");
        world.ok("b", &["agent", "start"]);
        let status = child.wait().expect("it ends");
        assert!(status.success(), "{name}: {}", std::io::read_to_string(said).unwrap_or_default());
        assert!(cat(&world, &[&format!("my:box/{name}")]) == content);
        world.run("b", &["agent", "stop"]);
        world.until("it is off again", Duration::from_secs(30), || node("two"), |b| b != "on");
    }
}

/// A region rule is hard: no piece outside it, and what it cannot have is refused.
#[test]
fn pieces_stand_in_the_regions_of_their_bucket_and_nowhere_else() {
    let world = three();
    world.ok("a", &["bucket", "create", "korea", "--region", "asia/kr"]);
    world.ok("a", &["bucket", "create", "mars", "--region", "oceania/nz"]);
    world.ok("a", &["bucket", "create", "two-countries", "--regions-min", "2"]);
    world.ok("a", &["bucket", "create", "three-countries", "--regions-min", "3"]);
    let held = |home: &str| world.json(home, &["status"])["pieces_count"].as_u64().unwrap_or(99);
    assert_eq!(["a", "b", "c"].map(held), [0, 0, 0]);
    let content = bytes(100_000, 9);
    let from = file(&world, "f", &content);
    let stored = world.json("a", &["cp", &from, "my:korea/f", "--full"]);
    assert_eq!((stored["k"].as_u64(), stored["pieces_count"].as_u64()), (Some(1), Some(2)), "1/2 in a pool of two");
    assert_eq!(["a", "b", "c"].map(held), [1, 1, 0], "nothing in Germany");
    assert_eq!(world.refused("a", &["cp", &from, "my:mars/f"], 0), ("E0506".into(), 7));
    assert_eq!(world.refused("a", &["cp", &from, "my:three-countries/f"], 0), ("E0506".into(), 7));
    world.ok("a", &["cp", &from, "my:two-countries/f", "--full"]);
    assert_eq!(["a", "b", "c"].map(held), [2, 2, 1]);
    // What it survives is counted from the pieces that stand.
    let shown = world.json("a", &["bucket", "show", "two-countries"]);
    let survives = &shown["survives"];
    assert_eq!((survives["pieces"].as_u64(), survives["may_die"].as_u64()), (Some(3), Some(2)), "{survives}");
    assert_eq!(survives["any"]["country"], serde_json::json!({"count": 2, "may_die": 1}), "{survives}");
    let said = world.ok("a", &["bucket", "show", "two-countries"]);
    assert!(said.contains("any 2 of its 3 PCs may die at once"), "{said}");
    assert!(said.contains("system linux"), "all of them run one system: {said}");
    assert!(cat(&world, &["my:korea/f"]) == content);
}
