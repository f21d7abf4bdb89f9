//! WebDAV on the member's own machine, as file managers ask it: folders, files, names, properties, locks, and what is refused. Whole
//! processes: a center and three nodes.

use crate::s3::{Door, door};
use crate::storage::bytes;
use gateway::tool::{Tool, ToolAnswer, ToolAsk};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A cloud whose first home serves WebDAV, and a key.
pub struct Dav {
    pub door: Door,
    pub tool: Tool,
    runtime: Runtime,
}

/// The password of a key, as a header says it.
fn password(tool: &Tool) -> String {
    gateway::dav::password(&tool.id, &tool.secret)
}

/// The agent of home `a` serves WebDAV at a port the system chose.
pub fn dav() -> Dav {
    let door = door();
    let card = std::fs::read(door.world.home("a").join("data/gateway.json")).expect("the gateway has a card");
    let told: Value = serde_json::from_slice(&card).expect("it is JSON");
    let addr = told["webdav"].as_str().and_then(|addr| addr.parse().ok()).expect("the card tells an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let tool = Tool { addr, ..door.tool.clone() };
    Dav { door, tool, runtime }
}

impl Dav {
    /// Asks with a key.
    fn ask_as(&self, tool: &Tool, ask: ToolAsk) -> ToolAnswer {
        let tool = Tool { addr: self.tool.addr, ..tool.clone() };
        let ask = ask.header("authorization", &password(&tool));
        self.runtime.block_on(tool.send(ask)).expect("the gateway answers")
    }

    pub fn ask(&self, ask: ToolAsk) -> ToolAnswer {
        self.ask_as(&self.tool, ask)
    }

    fn status(&self, method: &str, path: &str) -> u16 {
        self.ask(ToolAsk::new(method, path)).status
    }

    fn put(&self, path: &str, content: &[u8]) -> u16 {
        self.ask(ToolAsk::new("PUT", path).body(content.to_vec())).status
    }

    fn get(&self, path: &str) -> Vec<u8> {
        let answer = self.ask(ToolAsk::new("GET", path));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.body.to_vec()
    }

    /// Paths of a folder and of what lies in it.
    fn list(&self, path: &str) -> Vec<String> {
        let answer = self.ask(ToolAsk::new("PROPFIND", path).header("depth", "1"));
        assert_eq!(answer.status, 207, "{path}: {}", answer.text());
        hrefs(&answer.text())
    }

    fn to(&self, method: &str, from: &str, to: &str) -> u16 {
        self.ask(ToolAsk::new(method, from).header("destination", to)).status
    }

    /// The status of a request that no client would send.
    fn raw(&self, request: &str) -> u16 {
        let mut stream = TcpStream::connect(self.tool.addr).expect("the gateway is there");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time can be set");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut head = [0; 12];
        stream.read_exact(&mut head).expect("it answers");
        String::from_utf8_lossy(&head[9..]).parse().expect("a status")
    }

    /// The same with the right host and password.
    fn raw_line(&self, line: &str, more: &str) -> u16 {
        let (host, password) = (self.tool.host(), password(&self.tool));
        self.raw(&format!("{line} HTTP/1.1\r\nhost: {host}\r\nauthorization: {password}\r\n{more}\r\n"))
    }
}

fn hrefs(text: &str) -> Vec<String> {
    let parts = text.split("<D:response><D:href>").skip(1);
    parts.filter_map(|rest| rest.split_once("</D:href>").map(|(href, _)| href.to_owned())).collect()
}

/// The id of our registry in an error.
fn id(answer: &ToolAnswer) -> String {
    let text = answer.text();
    let why = text.split_once("urn:pumasi\">").map_or("", |(_, rest)| rest);
    why.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn a_file_manager_sees_buckets_as_folders_and_keeps_files_in_them() {
    let dav = dav();
    assert_eq!(dav.list("/"), ["/"]);
    assert_eq!(dav.status("MKCOL", "/photos"), 201);
    assert_eq!(dav.status("MKCOL", "/photos"), 405);
    assert_eq!(dav.status("MKCOL", "/New Folder"), 403, "the rules for names of buckets");
    assert_eq!(dav.list("/"), ["/", "/photos/"]);
    assert_eq!(dav.list("/photos"), ["/photos/"]);
    assert_eq!(dav.put("/photos/none/a", b"x"), 409, "no such folder");
    assert_eq!(dav.put("/none/a", b"x"), 409);
    for (at, len) in [0, 5, 4_097, (5 << 20) + 77].into_iter().enumerate() {
        let (content, path) = (bytes(len, at as u8), format!("/photos/{len} 中.bin"));
        assert_eq!(dav.put(&path, &content), 201, "{len}");
        assert!(dav.get(&path) == content, "{len} bytes came back otherwise");
        assert_eq!(dav.put(&path, &content), 204, "{len}");
    }
    ranges(&dav);
    folders(&dav);
    // What was stored here is an object like others, and the other way round.
    let world = &dav.door.world;
    assert!(world.run("a", &["cat", "my:photos/5 中.bin"]).stdout == bytes(5, 1));
    assert!(world.ok("a", &["ls", "my:photos/", "-o", "id"]).contains("trip/"));
    world.pipe("a", &["cp", "-", "my:photos/deep/er/by-hand.txt"], b"by hand");
    assert_eq!(dav.list("/photos/deep/"), ["/photos/deep/", "/photos/deep/er/"]);
    assert_eq!(dav.get("/photos/deep/er/by-hand.txt"), b"by hand");
    gone(&dav);
}

fn ranges(dav: &Dav) {
    let content = bytes((5 << 20) + 77, 3);
    let path = format!("/photos/{} 中.bin", content.len());
    let of = |range: &str| dav.ask(ToolAsk::new("GET", &path).header("range", range));
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=4194300-4194310", 4_194_300..4_194_311),
        ("bytes=-9", content.len() - 9..content.len()),
    ] {
        let answer = of(range);
        assert_eq!(answer.status, 206, "{range}");
        let told = format!("bytes {}-{}/{}", part.start, part.end - 1, content.len());
        assert_eq!(answer.header("content-range"), Some(told.as_str()));
        assert!(answer.body == content[part], "{range}");
    }
    assert_eq!(of("bytes=99999999-").status, 416);
    let head = dav.ask(ToolAsk::new("HEAD", &path));
    assert_eq!(head.header("content-length"), Some(content.len().to_string().as_str()));
    let tag = head.header("etag").expect("a tag").to_owned();
    assert_eq!(dav.ask(ToolAsk::new("GET", &path).header("if-none-match", &tag)).status, 304);
    assert_eq!(dav.ask(ToolAsk::new("GET", &path).header("if-match", "\"other\"")).status, 412);
    assert_eq!(dav.ask(ToolAsk::new("PUT", &path).header("if-none-match", "*").body("x")).status, 412);
    assert_eq!(dav.ask(ToolAsk::new("PUT", &path).header("if-match", "\"other\"").body("x")).status, 412);
    assert_eq!(dav.ask(ToolAsk::new("PUT", &path).header("if-match", &tag).body(content.clone())).status, 204);
}

fn folders(dav: &Dav) {
    assert_eq!(dav.status("MKCOL", "/photos/trip/"), 201);
    assert_eq!(dav.status("MKCOL", "/photos/a/b"), 409);
    assert_eq!(dav.put("/photos/trip/1", b"one"), 201);
    assert_eq!(dav.put("/photos/trip", b"x"), 409, "a folder is there");
    assert_eq!(dav.to("COPY", "/photos/trip/", "/photos/again/"), 201);
    assert_eq!(dav.list("/photos/again"), ["/photos/again/", "/photos/again/1"]);
    assert_eq!(dav.to("MOVE", "/photos/again/", "/photos/other"), 201);
    assert_eq!(dav.status("GET", "/photos/again/1"), 404);
    assert_eq!(dav.get("/photos/other/1"), b"one");
    assert_eq!(dav.to("MOVE", "/photos/other", "/photos/other/in"), 403);
    let kept = ToolAsk::new("MOVE", "/photos/other/1").header("destination", "/photos/trip/1").header("overwrite", "F");
    assert_eq!(dav.ask(kept).status, 412);
    replaced(dav);
    // Into another bucket its content is sealed anew.
    assert_eq!(dav.status("MKCOL", "/second"), 201);
    assert_eq!(dav.to("MOVE", "/photos", "/second"), 403, "a bucket is not replaced, not even an empty one");
    assert_eq!(dav.to("COPY", "/photos", "/second"), 403);
    assert_eq!(dav.to("MOVE", "/photos/other", "/second"), 403);
    assert_eq!(dav.list("/"), ["/", "/photos/", "/second/"]);
    assert_eq!(dav.to("MOVE", "/photos/other", "/second/other"), 201);
    assert_eq!(dav.get("/second/other/1"), b"one");
    assert_eq!(dav.status("PROPFIND", "/photos/other"), 403, "depth is missing");
    assert!(!dav.list("/photos").contains(&"/photos/other/".to_owned()));
    // The last name goes, its folder stays.
    assert_eq!(dav.status("DELETE", "/photos/trip/1"), 204);
    assert_eq!(dav.list("/photos/trip"), ["/photos/trip/"]);
}

/// A file takes another's place in one step: no marker stands between the two. A folder is not replaced by what lies in it.
fn replaced(dav: &Dav) {
    assert_eq!((dav.put("/photos/f", b"old"), dav.put("/photos/f.tmp", b"new")), (201, 201));
    assert_eq!(dav.to("MOVE", "/photos/f.tmp", "/photos/f"), 204);
    assert_eq!((dav.get("/photos/f"), dav.status("GET", "/photos/f.tmp")), (b"new".to_vec(), 404));
    assert_eq!(dav.to("COPY", "/photos/other/1", "/photos/f"), 204);
    let versions = dav.door.world.ok("a", &["object", "versions", "my:photos/f", "-o", "json"]);
    let sizes: Vec<serde_json::Value> = versions
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line is an object")["size_bytes"].clone())
        .collect();
    assert_eq!(sizes, [3, 3, 3].map(serde_json::Value::from), "{versions}");
    assert_eq!((dav.status("MKCOL", "/photos/nest"), dav.put("/photos/nest/nest", b"in")), (201, 201));
    assert_eq!(dav.to("MOVE", "/photos/nest/nest", "/photos/nest"), 403);
    assert_eq!(dav.get("/photos/nest/nest"), b"in", "nothing went");
    assert_eq!((dav.status("DELETE", "/photos/nest/"), dav.status("DELETE", "/photos/f")), (204, 204));
}

/// What is removed can be brought back, and a full bucket stays.
fn gone(dav: &Dav) {
    let world = &dav.door.world;
    assert_eq!(dav.status("DELETE", "/photos/deep/"), 204);
    assert_eq!(dav.status("GET", "/photos/deep/er/by-hand.txt"), 404);
    world.ok("a", &["object", "undelete", "my:photos/deep/er/by-hand.txt"]);
    assert_eq!(dav.get("/photos/deep/er/by-hand.txt"), b"by hand");
    let answer = dav.ask(ToolAsk::new("DELETE", "/photos/"));
    assert_eq!((answer.status, id(&answer).as_str()), (409, "E0303"), "{}", answer.text());
    assert_eq!(dav.list("/photos"), ["/photos/"], "its names went");
    world.ok("a", &["object", "undelete", "my:photos/5 中.bin"]);
    assert!(dav.get("/photos/5 中.bin") == bytes(5, 1));
    assert_eq!(dav.status("DELETE", "/photos/5 中.bin"), 204);
    assert_eq!(dav.status("DELETE", "/photos/"), 204, "an empty one goes");
    assert_eq!(dav.list("/"), ["/", "/second/"]);
}

#[test]
fn properties_move_with_what_they_are_told_of_and_locks_hold() {
    let dav = dav();
    assert_eq!(dav.status("MKCOL", "/papers"), 201);
    assert_eq!(dav.put("/papers/a.txt", b"first"), 201);
    let patch = |path: &str, value: &str| {
        let xml = format!(
            "<?xml version=\"1.0\"?><D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop>\
             <x:color xmlns:x=\"urn:x\">{value}</x:color></D:prop></D:set></D:propertyupdate>"
        );
        dav.ask(ToolAsk::new("PROPPATCH", path).body(xml))
    };
    let color = |path: &str| {
        let xml = "<D:propfind xmlns:D=\"DAV:\"><D:prop><y:color xmlns:y=\"urn:x\"/><D:getetag/></D:prop></D:propfind>";
        let text = dav.ask(ToolAsk::new("PROPFIND", path).header("depth", "0").body(xml)).text();
        let inside = text.split_once(":color ").and_then(|(_, rest)| rest.split_once('>'));
        inside
            .and_then(|(_, rest)| rest.split_once('<'))
            .map(|(value, _)| value.to_owned())
            .filter(|value| !value.is_empty())
    };
    let answer = patch("/papers/a.txt", "red");
    assert!(answer.status == 207 && answer.text().contains("200 OK"), "{}", answer.text());
    assert_eq!(color("/papers/a.txt").as_deref(), Some("red"));
    assert_eq!(dav.put("/papers/a.txt", b"second"), 204);
    assert_eq!(color("/papers/a.txt").as_deref(), Some("red"), "content is replaced, properties stay");
    assert_eq!(dav.to("COPY", "/papers/a.txt", "/papers/b.txt"), 201);
    assert_eq!(dav.status("MKCOL", "/papers/in"), 201);
    assert!(patch("/papers/in", "blue").text().contains("200 OK"));
    assert_eq!(dav.to("MOVE", "/papers/b.txt", "/papers/in/b.txt"), 201);
    assert_eq!(dav.to("COPY", "/papers/in", "/papers/out"), 201);
    assert_eq!((color("/papers/out/b.txt").as_deref(), color("/papers/out").as_deref()), (Some("red"), Some("blue")));
    assert!(patch("/papers", "none").text().contains("403"), "a bucket keeps none");
    let long = "x".repeat(4 << 10);
    assert!(patch("/papers/a.txt", &long).text().contains("507"), "there is room for so many");
    assert_eq!(color("/papers/a.txt").as_deref(), Some("red"));
    locks(&dav);
}

const LOCK: &str = "<?xml version=\"1.0\"?><D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope>\
                    <D:locktype><D:write/></D:locktype><D:owner>me</D:owner></D:lockinfo>";

fn locks(dav: &Dav) {
    // Windows locks a name before anything is there.
    let locked = dav.ask(ToolAsk::new("LOCK", "/papers/new.txt").header("timeout", "Second-100000").body(LOCK));
    assert_eq!(locked.status, 201, "{}", locked.text());
    assert!(locked.text().contains("Second-"), "{}", locked.text());
    let token = locked.header("lock-token").expect("a token").to_owned();
    assert_eq!(dav.get("/papers/new.txt"), b"", "an empty file holds the name");
    assert_eq!(dav.put("/papers/new.txt", b"x"), 423);
    assert_eq!(dav.status("DELETE", "/papers/new.txt"), 423);
    assert_eq!(dav.to("MOVE", "/papers/new.txt", "/papers/old.txt"), 423);
    assert_eq!(dav.ask(ToolAsk::new("LOCK", "/papers/new.txt").body(LOCK)).status, 423);
    let held = format!("({token})");
    assert_eq!(dav.ask(ToolAsk::new("PUT", "/papers/new.txt").header("if", &held).body("mine")).status, 204);
    let other = dav.door.with_key(&[]);
    let stolen = ToolAsk::new("PUT", "/papers/new.txt").header("if", &held).body("theirs");
    assert_eq!(dav.ask_as(&other, stolen).status, 423, "a lock is its maker's");
    let refreshed = dav.ask(ToolAsk::new("LOCK", "/papers/new.txt").header("if", &held));
    assert_eq!(refreshed.status, 200);
    assert!(dav.ask(ToolAsk::new("PROPFIND", "/papers/new.txt").header("depth", "0")).text().contains("activelock"));
    assert_eq!(dav.ask(ToolAsk::new("UNLOCK", "/papers/new.txt").header("lock-token", &token)).status, 204);
    assert_eq!(dav.put("/papers/new.txt", b"free"), 204);
    assert_eq!(dav.get("/papers/new.txt"), b"free");
}

#[test]
fn keys_reach_so_far_and_strangers_nowhere() {
    let dav = dav();
    let world = &dav.door.world;
    for bucket in ["/papers", "/photos"] {
        assert_eq!(dav.status("MKCOL", bucket), 201);
    }
    assert_eq!(dav.put("/papers/open", b"x"), 201);
    assert_eq!(dav.status("MKCOL", "/papers/mine"), 201);
    assert_eq!(dav.put("/papers/mine/a", b"a"), 201);
    passwords(&dav);
    scopes(&dav);
    attacks(&dav);
    // An upload that breaks off leaves nothing.
    let head =
        format!("PUT /papers/half HTTP/1.1\r\nhost: {}\r\nauthorization: {}\r\n", dav.tool.host(), password(&dav.tool));
    let mut stream = TcpStream::connect(dav.tool.addr).expect("the gateway is there");
    stream.write_all(format!("{head}content-length: 9000000\r\n\r\n").as_bytes()).expect("it reads");
    stream.write_all(&bytes(5 << 20, 9)).expect("it reads");
    drop(stream);
    assert_eq!(
        dav.raw_line(
            "PUT /papers/short",
            "transfer-encoding: chunked\r\nx-expected-entity-length: 9\r\n\r\n3\r\nabc\r\n0\r\n"
        ),
        400
    );
    assert_eq!((dav.status("GET", "/papers/half"), dav.status("GET", "/papers/short")), (404, 404));
    // A quota holds, and is told.
    world.ok("a", &["bucket", "set", "papers", "--quota", "1MiB"]);
    let xml = "<D:propfind xmlns:D=\"DAV:\"><D:prop><D:quota-available-bytes/></D:prop></D:propfind>";
    let told = dav.ask(ToolAsk::new("PROPFIND", "/papers").header("depth", "0").body(xml)).text();
    assert!(told.contains("<D:quota-available-bytes>1"), "{told}");
    let full = dav.ask(ToolAsk::new("PUT", "/papers/big").body(bytes(5 << 20, 1)));
    assert_eq!((full.status, id(&full).as_str()), (507, "E0311"), "{}", full.text());
}

/// Waits twice for as long as an upload waits for holders, and a question for its answer: half a minute each.
#[test]
fn what_is_away_is_told_as_that_and_never_as_nothing() {
    let dav = dav();
    let world = &dav.door.world;
    assert_eq!(dav.status("MKCOL", "/photos"), 201);
    for home in ["b", "c"] {
        world.ok(home, &["agent", "stop"]);
    }
    let few = dav.ask(ToolAsk::new("PUT", "/photos/big").body(bytes(5 << 20, 2)));
    assert_eq!(
        (few.status, few.header("retry-after").is_some(), id(&few).as_str()),
        (503, true, "E0306"),
        "{}",
        few.text()
    );
    assert_eq!(dav.status("GET", "/photos/big"), 404);
    world.stop_center();
    let away = dav.ask(ToolAsk::new("PROPFIND", "/photos").header("depth", "1"));
    assert_eq!((away.status, away.header("retry-after").is_some()), (503, true), "{}", away.text());
}

fn passwords(dav: &Dav) {
    let open = dav.runtime.block_on(dav.tool.send(ToolAsk::new("OPTIONS", "/"))).expect("the gateway answers");
    assert_eq!(open.status, 401);
    assert!(open.header("www-authenticate").is_some_and(|asked| asked.starts_with("Basic realm=")));
    let wrong = Tool { secret: "wrong".into(), ..dav.tool.clone() };
    assert_eq!(dav.ask_as(&wrong, ToolAsk::new("PROPFIND", "/").header("depth", "1")).status, 401);
    let over = dav.door.with_key(&["--expires", "1s"]);
    dav.door.world.until(
        "a key ends",
        Duration::from_secs(10),
        || dav.ask_as(&over, ToolAsk::new("GET", "/")).status,
        |s| *s == 401,
    );
    let options = dav.ask(ToolAsk::new("OPTIONS", "/"));
    assert_eq!(
        (options.status, options.header("dav"), options.header("ms-author-via")),
        (200, Some("1, 2"), Some("DAV"))
    );
}

fn scopes(dav: &Dav) {
    let part = dav.door.with_key(&["--prefix", "papers/mine/"]);
    let reader = dav.door.with_key(&["--prefix", "papers", "--read-only"]);
    let list =
        |tool: &Tool, path: &str| hrefs(&dav.ask_as(tool, ToolAsk::new("PROPFIND", path).header("depth", "1")).text());
    let status = |tool: &Tool, method: &str, path: &str| dav.ask_as(tool, ToolAsk::new(method, path)).status;
    assert_eq!(list(&part, "/"), ["/", "/papers/"]);
    assert_eq!(list(&part, "/papers"), ["/papers/", "/papers/mine/"]);
    assert_eq!(list(&part, "/papers/mine"), ["/papers/mine/", "/papers/mine/a"]);
    assert_eq!((status(&part, "GET", "/papers/open"), status(&part, "GET", "/photos/")), (404, 404));
    assert_eq!(dav.ask_as(&part, ToolAsk::new("PUT", "/papers/mine/b").body("b")).status, 201);
    assert_eq!(dav.ask_as(&part, ToolAsk::new("PUT", "/papers/c").body("c")).status, 403);
    let out = ToolAsk::new("COPY", "/papers/mine/a").header("destination", "/papers/out");
    assert_eq!(dav.ask_as(&part, out).status, 403);
    let out = ToolAsk::new("MOVE", "/papers/mine/a").header("destination", "/photos/out");
    assert!([403, 409].contains(&dav.ask_as(&part, out).status));
    assert_eq!((status(&part, "DELETE", "/papers/"), status(&part, "MKCOL", "/third")), (403, 403));
    assert_eq!(status(&reader, "GET", "/papers/open"), 200);
    for method in ["DELETE", "MKCOL", "PUT", "LOCK", "PROPPATCH"] {
        assert_eq!(status(&reader, method, "/papers/open"), 403, "{method}");
    }
    assert_eq!(dav.get("/papers/mine/a"), b"a");
}

fn attacks(dav: &Dav) {
    for (path, wanted) in [
        ("/papers/../photos", 400),
        ("/papers/%2e%2e/photos", 400),
        ("/papers/mine%2fa", 400),
        ("/papers/..%2f..%2fetc%2fpasswd", 400),
        ("/papers//open", 400),
        ("/papers/%00", 400),
        ("/papers/.pumasi/jobs", 403),
        ("/papers/%2Epumasi/jobs", 403),
    ] {
        assert_eq!(dav.raw_line(&format!("GET {path}"), ""), wanted, "{path}");
        let to = format!("destination: {path}\r\n");
        assert_eq!(dav.raw_line("COPY /papers/open", &to), wanted, "to {path}");
    }
    for depth in ["depth: infinity\r\n", "", "depth: infinity\r\nx-litmus: 1\r\n"] {
        assert_eq!(dav.raw_line("PROPFIND /", depth), 403, "{depth}");
    }
    let password = password(&dav.tool);
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "localhost:1"] {
        let request = format!("PROPFIND / HTTP/1.1\r\nhost: {host}\r\nauthorization: {password}\r\ndepth: 1\r\n\r\n");
        assert_eq!(dav.raw(&request), 403, "{host}");
    }
    for page in ["origin: http://evil.example\r\n", "origin: null\r\n", "sec-fetch-site: cross-site\r\n"] {
        assert_eq!(dav.raw_line("DELETE /papers/open", page), 403, "{page}");
    }
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]>\
                <D:propfind xmlns:D=\"DAV:\"><D:prop><x>&b;</x></D:prop></D:propfind>";
    let file = "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><D:lockinfo xmlns:D=\"DAV:\">&a;</D:lockinfo>";
    let deep = "<a>".repeat(10_000) + &"</a>".repeat(10_000);
    for (method, xml, wanted) in [("PROPFIND", bomb, 400), ("LOCK", file, 400), ("PROPPATCH", deep.as_str(), 400)] {
        let ask = ToolAsk::new(method, "/papers/open").header("depth", "0").body(xml.to_owned());
        assert_eq!(dav.ask(ask).status, wanted, "{method}");
    }
    assert_eq!(dav.raw_line("PROPFIND /papers/open", "depth: 0\r\ncontent-length: 1048577\r\n"), 413);
    assert_eq!(dav.get("/papers/open"), b"x", "nothing came of it");
}
