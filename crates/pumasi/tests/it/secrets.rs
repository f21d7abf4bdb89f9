//! What must never leave a member's machine is looked for everywhere else: in what every process sends before the transport seals
//! it, in the center's database, in the nodes' stores, in all logs. Everything a person does with files is done once.

use crate::account::pairing;
use crate::storage::{file, three_in};
use crate::world::World;
use std::path::{Path, PathBuf};

const BUCKET: &str = "grandmothers-attic";
const FOLDER: &str = "letters-of-1953";
const NAME: &str = "to-my-daughter.txt";
const LINE: &[u8] = b"the key lies under the third stone beside the old well, as always. ";

/// Who looks, and what they look for.
struct Planted(Vec<(&'static str, Vec<u8>)>);

impl Planted {
    /// The first secret that stands in `bytes`.
    fn find(&self, bytes: &[u8]) -> Option<&'static str> {
        let stands = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
        self.0.iter().find(|(_, secret)| stands(secret)).map(|(what, _)| *what)
    }

    /// Everything below a folder, but the files in `mine`.
    fn search(&self, dir: &Path, mine: &[PathBuf], seen: &mut u64) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.search(&path, mine, seen);
            } else if path.is_file() && !mine.contains(&path) {
                let bytes = std::fs::read(&path).unwrap_or_default();
                *seen += bytes.len() as u64;
                assert_eq!(self.find(&bytes), None, "in {}", path.display());
            }
        }
    }
}

/// Stores, whole and in parts, reads, renames, lists, removes, shares, recovers, adds a device.
fn everything(world: &World, planted: &mut Planted) {
    let content = LINE.repeat(3_000);
    let small = LINE.repeat(20);
    let (big, tiny) = (file(world, "one", &content), file(world, "two", &small));
    let at = |name: &str| format!("my:{BUCKET}/{FOLDER}/{name}");
    world.ok("a", &["bucket", "create", BUCKET]);
    world.ok("a", &["cp", &big, &at(NAME)]);
    world.ok("a", &["cp", &tiny, &at("tiny")]);
    file(world, &format!("tree/{NAME}"), &LINE.repeat(300));
    file(world, "tree/more", &content);
    world.ok("a", &["sync", &world.home("files").join("tree").display().to_string(), &format!("my:{BUCKET}/tree/")]);
    assert!(world.run("a", &["cat", &at(NAME)]).stdout == content);
    world.ok("a", &["mv", &at(NAME), &at("moved")]);
    world.ok("a", &["rm", &at("tiny")]);
    world.ok("a", &["ls", &format!("my:{BUCKET}/")]);
    world.ok("a", &["bucket", "show", BUCKET]);
    let link = world.json("a", &["share", &format!("my:{BUCKET}/{FOLDER}/")]);
    let link = link["link"].as_str().expect("a link").to_owned();
    assert!(world.run("d", &["cat", &format!("{link}/moved")]).stdout == content);
    // In parts, and by a machine in no cloud through a link that stores.
    let in_parts = at("in-parts-to-my-daughter.txt");
    world.ok("a", &["upload", "begin", &in_parts]);
    world.ok("a", &["upload", "part", &in_parts, "1", &big]);
    world.ok("a", &["upload", "part", &in_parts, "2", &tiny]);
    world.ok("a", &["upload", "show", &in_parts]);
    world.ok("a", &["upload", "complete", &in_parts]);
    let inbox = world.json("a", &["share", &at("inbox/"), "--ops", "put"]);
    let inbox = inbox["link"].as_str().expect("a link").to_owned();
    world.ok("d", &["cp", &big, &format!("{inbox}/{NAME}")]);
    world.ok("d", &["cp", &tiny, &format!("{inbox}/tiny")]);
    assert!(world.run("a", &["cat", &at(&format!("inbox/{NAME}"))]).stdout == content);
    planted.0.push(("the link that stores", inbox.as_bytes()[4..].to_vec()));
    // Names among the pieces, found by their locator.
    world.ok("a", &["bucket", "log", BUCKET]);
    world.ok("a", &["bucket", "log", BUCKET, "--check"]);
    world.ok("a", &["grant", "list"]);
    let phrase = world.json("a", &["recovery", "phrase"]);
    let words: Vec<&str> = phrase["words"].as_array().expect("words").iter().filter_map(|w| w.as_str()).collect();
    world.pipe("a", &["recovery", "drill"], words.join(" ").as_bytes());
    planted.0.push(("three words of the phrase", words[..3].join(" ").into_bytes()));
    planted.0.push(("the link", link.as_bytes()[4..].to_vec()));
    let asked = pairing(world);
    let digits = asked.digits.clone();
    assert_eq!(asked.typed(&[&digits]), (true, true));
    // A name that is refused, and one that is not there, are told without the name being sent.
    assert_eq!(world.refused("a", &["cat", &at("not-there-at-all")], 0).0, "E0304");
}

#[test]
fn nothing_a_member_keeps_is_sent_or_written_in_clear() {
    let world = World::new().with_logs();
    world.tap();
    let world = three_in(world);
    let mut planted = Planted(vec![
        ("the bucket's name", BUCKET.as_bytes().to_vec()),
        ("a folder's name", FOLDER.as_bytes().to_vec()),
        ("a file's name", NAME.as_bytes().to_vec()),
        ("the name of what comes in parts", b"in-parts-to-my-daughter".to_vec()),
        ("a name that is not there", b"not-there-at-all".to_vec()),
        ("content", LINE[..32].to_vec()),
    ]);
    everything(&world, &mut planted);
    let root = world.home("a").join("data/account.root");
    let secrets = ["a", "d"].map(|home| world.home(home).join("data/machine.key"));
    planted.0.push(("the account's root", std::fs::read(&root).expect("the account has a root")));
    for path in &secrets {
        planted.0.push(("a machine's key", std::fs::read(path).expect("a machine has a key")));
    }
    // The machines of the member may know; nobody else, and no log, and nothing that is sent.
    let mine: Vec<PathBuf> =
        ["a", "d"].iter().map(|home| world.home(home).join("data/account.root")).chain(secrets).collect();
    let mut seen = 0;
    for home in ["a", "b", "c", "d"] {
        planted.search(&world.home(home), &mine, &mut seen);
    }
    let mut sent = 0;
    planted.search(&world.tap(), &[], &mut sent);
    assert!(sent > 2_000_000 && seen > 2_000_000, "too little was looked at: {sent} sent, {seen} kept");
    // One message with one name in clear among what was sent would have been found.
    let commit = wire::storage::BucketMake {
        id: model::BucketId([1; 16]),
        check: [2; 16],
        name_check: [3; 16],
        label: BUCKET.as_bytes().to_vec(),
        class: model::Class::default(),
        regions: Vec::new(),
        regions_min: 0,
    };
    let mutant = wire::Envelope::new(wire::Request::BucketMake(Box::new(commit))).to_bytes();
    assert_eq!(planted.find(&mutant), Some("the bucket's name"));
}
