//! The account by the commands a person types: a second machine by six digits, 24 words that bring all back, links that open what
//! they say and nothing else. Whole processes: a center and three nodes.

use crate::storage::{bytes, file, three};
use crate::world::World;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Child;

/// The first line of `reader` with `word` in it.
fn line_with(reader: &mut impl BufRead, word: &str) -> String {
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) && !line.contains(word) {
        line.clear();
    }
    line
}

pub struct Pairing {
    old: Child,
    new: Child,
    pub digits: String,
}

/// `a` lets the machine in home `d` ask; the digits it shows.
pub fn pairing(world: &World) -> Pairing {
    let mut old = world.spawn("a", &["device", "add", "--json"]);
    let said = line_with(&mut BufReader::new(old.stdout.take().expect("a pipe")), "ticket");
    let ticket: Value = serde_json::from_str(&said).unwrap_or_default();
    let ticket = ticket["ticket"].as_str().unwrap_or_else(|| panic!("no ticket: {said}"));
    let mut new = world.spawn("d", &["join", ticket, "--no-lend", "--name", "laptop", "--yes"]);
    let mut err = BufReader::new(new.stderr.take().expect("a pipe"));
    let shown = line_with(&mut err, "digits");
    std::thread::spawn(move || err.read_to_string(&mut String::new())); // so that it never waits for a reader
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    assert_eq!(digits.len(), 6, "{shown}");
    Pairing { old, new, digits }
}

impl Pairing {
    /// Types these lines on the old machine; how both ended.
    pub fn typed(mut self, lines: &[&str]) -> (bool, bool) {
        let mut stdin = self.old.stdin.take().expect("a pipe");
        let _ = stdin.write_all((lines.join("\n") + "\n").as_bytes());
        let (old, new) = (self.old.wait().expect("it ends"), self.new.wait().expect("it ends"));
        (old.success(), new.success())
    }
}

#[test]
fn a_second_machine_comes_in_by_six_digits_and_goes_at_a_word() {
    let world = three();
    let content = bytes(300_000, 1);
    world.ok("a", &["cp", &file(&world, "plan", &content), "my:shed/plan"]);
    let wrong = pairing(&world).typed(&["000000", "1", "999999"]);
    assert_eq!(wrong, (false, false), "three wrong tries close the ticket");
    assert!(!world.home("d").join("data/account.root").exists(), "nothing was given");
    let asked = pairing(&world);
    let digits = asked.digits.clone();
    let spaced = format!("{} {}", &digits[..3], &digits[3..]);
    assert_eq!(asked.typed(&["123", &spaced]), (true, true));
    let out = world.run("d", &["cat", "my:shed/plan"]);
    assert!(out.stdout == content, "the second machine reads: {}", String::from_utf8_lossy(&out.stderr));
    world.ok("d", &["cp", &file(&world, "more", &content), "my:shed/more"]);
    assert!(world.run("a", &["cat", "my:shed/more"]).stdout == content, "and the first what it stored");
    let listed = world.ok("a", &["device", "list"]);
    assert!(listed.contains("laptop") && listed.contains("this one"), "{listed}");
    world.ok("a", &["device", "remove", "laptop", "--yes"]);
    assert_eq!(world.refused("d", &["ls", "my:shed/"], 0), ("E0110".into(), 4));
    assert_eq!(world.refused("a", &["device", "remove", "laptop", "--yes"], 0).0, "E0002", "it is none any more");
    assert!(world.run("a", &["cat", "my:shed/more"]).stdout == content, "what it stored stays");
}

#[test]
fn twenty_four_words_bring_the_account_back_on_a_new_machine() {
    let world = three();
    let content = bytes(300_000, 2);
    world.ok("a", &["cp", &file(&world, "plan", &content), "my:shed/deep/plan"]);
    let first = world.json("a", &["recovery", "phrase"]);
    let words = |shown: &Value| {
        let words = shown["words"].as_array().expect("words").iter().filter_map(|w| w.as_str());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(words(&first).len(), 24);
    // A new one makes the old one useless.
    let second = world.json("a", &["recovery", "phrase", "--words", "zh", "--yes"]);
    let (old, new) = (words(&first).join(" "), words(&second).join(""));
    assert_eq!(world.refused_pipe("a", &["recovery", "drill"], &old), ("E0111".into(), 4));
    let drilled = world.pipe("a", &["recovery", "drill", "--json"], new.as_bytes());
    assert!(String::from_utf8_lossy(&drilled).contains("\"buckets_opened\":1"));
    // Which four are asked is drawn; all 24 lines in order would be wrong, so the questions are read.
    let mut child = world.spawn("a", &["recovery", "check", "--json"]);
    let (mut stdin, mut err) = (child.stdin.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    for _ in 0..4 {
        let mut question = Vec::new();
        let mut byte = [0];
        while !question.ends_with(b": ") && err.read(&mut byte).is_ok_and(|read| read == 1) {
            question.push(byte[0]);
        }
        let question = String::from_utf8_lossy(&question).into_owned();
        let number: usize =
            question.chars().filter(char::is_ascii_digit).collect::<String>().parse().expect("a number");
        writeln!(stdin, "{}", words(&second)[number - 1]).expect("it reads");
    }
    assert!(child.wait().is_ok_and(|status| status.success()));
    assert_eq!(world.refused_pipe("a", &["recovery", "check"], "no\n").0, "E0002", "a wrong word is told");
    let address = second["address"].as_str().expect("an address").to_owned();
    assert_eq!(world.refused("d", &["join", &address, "--yes"], 0).0, "E0102", "an address is no ticket");
    let restore = ["recovery", "restore", &address, "--name", "new"];
    assert_eq!(world.refused_pipe("d", &restore, &old), ("E0111".into(), 4), "the old phrase opens nothing");
    assert_eq!(world.refused_pipe("d", &restore, "one two three").0, "E0002");
    assert!(!world.home("d").join("data/account.root").exists(), "a restore that failed leaves nothing");
    world.pipe("d", &restore, new.as_bytes());
    let out = world.run("d", &["cat", "my:shed/deep/plan"]);
    assert!(out.stdout == content, "{}", String::from_utf8_lossy(&out.stderr));
    assert!(world.ok("a", &["device", "list"]).contains("new"));
}

#[test]
fn a_link_opens_what_it_says_for_anybody_until_it_is_revoked() {
    let world = three();
    let (one, two) = (bytes(300_000, 3), bytes(2_000, 4));
    for (name, content) in [("trip/a.jpg", &one), ("trip/deep/b.jpg", &two), ("other/c.jpg", &two), ("trip2", &two)] {
        world.ok("a", &["cp", &file(&world, "f", content), &format!("my:album/{name}")]);
    }
    let folder = world.json("a", &["share", "my:album/trip/"]);
    let link = folder["link"].as_str().expect("a link").to_owned();
    let at = |name: &str| format!("{link}/{name}");
    // A machine that is in no cloud, and another member.
    for home in ["d", "b"] {
        assert_eq!(world.ok(home, &["ls", &link, "-o", "id"]), "trip/a.jpg\ntrip/deep/b.jpg", "{home}");
        assert!(world.run(home, &["cat", &at("a.jpg")]).stdout == one, "{home}");
        assert!(world.run(home, &["cat", &at("deep/b.jpg")]).stdout == two, "{home}");
        assert_eq!(world.refused(home, &["cat", &at("none")], 0), ("E0304".into(), 3));
    }
    let back = world.home("files").join("shared");
    world.ok("d", &["cp", "-r", &link, &back.display().to_string()]);
    assert!(std::fs::read(back.join("a.jpg")).is_ok_and(|got| got == one));
    // It reads; it does not write, and a changed letter makes it nothing.
    let f = file(&world, "f", b"x");
    for home in ["b", "d"] {
        for verb in [&["cp", &f, &at("a.jpg")][..], &["rm", &at("a.jpg")]] {
            assert_eq!(world.refused(home, verb, 0), ("E0106".into(), 4), "{verb:?}");
        }
    }
    assert_eq!(world.refused("b", &["mv", &at("a.jpg"), &at("b")], 0).0, "E0002");
    // That letter alone: others like it may stand in what tells a link from a file.
    let bad = format!("{}{}{}", &link[..40], if &link[40..41] == "a" { "b" } else { "a" }, &link[41..]);
    assert_eq!(world.refused("d", &["ls", &bad], 0).0, "E0102");
    // Narrowed by its holder, without asking anybody.
    let narrower = world.json("d", &["grant", "narrow", &at("deep/b.jpg"), "--ops", "get"]);
    let narrower = narrower["link"].as_str().expect("a link").to_owned();
    assert!(world.run("d", &["cat", &narrower]).stdout == two);
    assert_eq!(world.refused("d", &["ls", &narrower], 0), ("E0106".into(), 4), "it may not list");
    assert_eq!(world.refused("d", &["cat", &format!("{narrower}/x")], 0).0, "E0112", "nor below");
    let object = world.json("a", &["share", "my:album/trip2", "--expires", "15s"]);
    let object = object["link"].as_str().expect("a link").to_owned();
    assert!(world.run("d", &["cat", &object]).stdout == two);
    assert_eq!(world.refused("a", &["share", "my:album/nothing"], 0), ("E0304".into(), 3));
    let listed = world.ok("a", &["grant", "list"]);
    assert!(listed.contains("my:album/trip") && listed.contains("open"), "{listed}");
    world.ok("a", &["grant", "revoke", &folder["id"].as_str().expect("an id")[..8]]);
    for (home, link) in [("d", &link), ("b", &link), ("d", &narrower)] {
        assert_eq!(world.refused(home, &["cat", &format!("{link}/a.jpg")], 0).0, "E0109", "and all made from it");
    }
    let read = || world.refused("d", &["cat", &object], 0).0;
    world.until("its time is over", std::time::Duration::from_secs(60), read, |id| id == "E0108");
}

#[test]
fn a_link_that_stores_takes_what_anybody_brings_and_nothing_more() {
    let world = three();
    let (inline, packed, long) = (bytes(900, 5), bytes(70_000, 6), bytes(6 << 20, 7));
    world.ok("a", &["cp", &file(&world, "own", &packed), "my:box/own.txt"]);
    world.ok("a", &["cp", &file(&world, "own", &packed), "my:box/in/own.txt"]);
    let given = world.json("a", &["share", "my:box/in/", "--ops", "put,get"]);
    let link = given["link"].as_str().expect("a link").to_owned();
    let at = |name: &str| format!("{link}/{name}");
    // Another member, and a machine in no cloud; small, packed and long ones; a folder at once.
    for home in ["b", "d"] {
        for (name, content) in [("inline", &inline), ("packed", &packed), ("long", &long)] {
            let (from, name) = (file(&world, name, content), format!("{home}/{name}"));
            world.ok(home, &["cp", &from, &at(&name)]);
            assert!(world.run("a", &["cat", &format!("my:box/in/{name}")]).stdout == *content, "{home}: {name}");
            assert!(world.run(home, &["cat", &at(&name)]).stdout == *content, "{home}: {name}");
        }
        for n in 0..70 {
            file(&world, &format!("many-{home}/{}-{n}", "long-name-".repeat(20)), &bytes(5_000 + n, 8));
        }
        let folder = world.home("files").join(format!("many-{home}")).display().to_string();
        world.ok(home, &["cp", "-r", &folder, &at(&format!("{home}/many"))]);
        let names = world.ok("a", &["ls", &format!("my:box/in/{home}/many/"), "-o", "id"]);
        let last = names.lines().last().expect("seventy names").to_owned();
        assert_eq!(names.lines().count(), 70, "{home}");
        assert!(!world.run("a", &["cat", &format!("my:box/{last}")]).stdout.is_empty());
        assert_eq!(
            world.refused(home, &["rm", &at(&format!("{home}/inline"))], 0),
            ("E0106".into(), 4),
            "it may not remove"
        );
        assert_eq!(world.refused(home, &["ls", &link], 0), ("E0106".into(), 4), "nor list");
        assert_eq!(world.refused(home, &["cp", &file(&world, "f", b"x"), &at("f"), "--full"], 0).0, "E0002");
    }
    // Only to remove, narrowed from one that may all; what its giver takes back it may no more.
    let all = world.json("a", &["share", "my:box/in/", "--ops", "put,get,list,delete"]);
    let all_link = all["link"].as_str().expect("a link").to_owned();
    let narrower = world.json("d", &["grant", "narrow", &format!("{all_link}/d/"), "--ops", "delete"]);
    let narrower = narrower["link"].as_str().expect("a link").to_owned();
    assert_eq!(world.refused("d", &["cp", &file(&world, "f", b"x"), &format!("{narrower}/f")], 0).0, "E0106");
    world.ok("d", &["rm", &format!("{narrower}/inline")]);
    assert_eq!(world.refused("a", &["stat", "my:box/in/d/inline"], 0).0, "E0304");
    world.ok("a", &["object", "undelete", "my:box/in/d/inline"]);
    assert_eq!(world.refused("d", &["rm", &format!("{narrower}/../own.txt")], 0).0, "E0304", "no way out of it");
    world.ok("a", &["stat", "my:box/in/own.txt"]);
    world.ok("a", &["grant", "revoke", &all["id"].as_str().expect("an id")[..8]]);
    assert_eq!(world.refused("d", &["rm", &format!("{narrower}/packed")], 0).0, "E0109");
    // One object that is not there yet.
    let one = world.json("a", &["share", "my:box/answer.txt", "--ops", "put"]);
    let one = one["link"].as_str().expect("a link").to_owned();
    world.ok("d", &["cp", &file(&world, "f", b"yes"), &one]);
    assert_eq!(world.ok("a", &["cat", "my:box/answer.txt"]), "yes");
    world.ok("a", &["bucket", "set", "box", "--quota", "1KiB"]);
    assert_eq!(world.refused("d", &["cp", &file(&world, "f", &packed), &one], 0).0, "E0311", "the giver's limits hold");
}
