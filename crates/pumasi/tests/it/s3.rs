//! S3 on the member's own machine, by a small client that signs: what the agent serves once there is a key, and what it refuses.
//! Whole processes: a center and three nodes.

use crate::storage::{bytes, three};
use crate::world::World;
use gateway::sign::{CHUNKS, CHUNKS_TRAILER, UNSIGNED_TRAILER, query_string};
use gateway::tool::{Tool, ToolAnswer, ToolAsk};
use model::Stamp;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;

/// A cloud whose first home serves S3, and a tool with a key.
pub struct Door {
    pub world: World,
    pub tool: Tool,
    runtime: Runtime,
}

fn now() -> Stamp {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    Stamp(u64::try_from(passed.as_millis()).expect("there are years left"))
}

/// A key of home `a`, as its command shows it once.
fn key(world: &World, args: &[&str]) -> (String, String) {
    let made = world.json("a", &[&["gateway", "key", "create"], args].concat());
    let of = |field: &str| made[field].as_str().expect("a key is told").to_owned();
    (of("id"), of("secret_access_key"))
}

/// The agent of home `a` serves S3 at a port the system chose, as soon as there is a key.
pub fn door() -> Door {
    let world = three();
    let config = world.home("a").join("config/pumasi.toml");
    let before = std::fs::read_to_string(&config).unwrap_or_default();
    std::fs::write(&config, format!("{before}\n[gateway]\ns3 = \"127.0.0.1:0\"\nwebdav = \"127.0.0.1:0\"\n"))
        .expect("a file can be written");
    let card = world.home("a").join("data/gateway.json");
    assert!(!card.exists(), "nothing is served before there is a key");
    let (id, secret) = key(&world, &[]);
    let read = || serde_json::from_slice::<Value>(&std::fs::read(&card).unwrap_or_default()).unwrap_or_default();
    world.until("S3 is served", Duration::from_secs(30), read, |told| told["s3"].is_string());
    let addr = read()["s3"].as_str().and_then(|addr| addr.parse().ok()).expect("the card tells an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    Door { world, tool: Tool { addr, id, secret, now }, runtime }
}

impl Door {
    fn ask(&self, ask: ToolAsk) -> ToolAnswer {
        self.runtime.block_on(self.tool.ask(ask)).expect("the gateway answers")
    }

    /// Sends what is there, signed or not.
    fn send(&self, ask: ToolAsk) -> ToolAnswer {
        self.runtime.block_on(self.tool.send(ask)).expect("the gateway answers")
    }

    /// Asks, and wants a yes.
    fn ok(&self, ask: ToolAsk) -> ToolAnswer {
        let shown = format!("{} {}", ask.method, ask.path);
        let answer = self.ask(ask);
        assert!((200..300).contains(&answer.status), "{shown}: {} {}", answer.status, answer.text());
        answer
    }

    /// Status, code, and our id of a refusal.
    fn refused(&self, ask: ToolAsk) -> (u16, String, String) {
        told(&self.ask(ask))
    }

    fn put(&self, path: &str, content: &[u8]) -> ToolAnswer {
        self.ok(ToolAsk::new("PUT", path).body(content.to_vec()))
    }

    fn get(&self, path: &str) -> Vec<u8> {
        self.ok(ToolAsk::new("GET", path)).body.to_vec()
    }

    fn keys(&self, bucket: &str, query: &[(&str, &str)]) -> Vec<String> {
        let ask = ToolAsk::new("GET", bucket).query("list-type", "2");
        let text = self.ok(query.iter().fold(ask, |ask, (key, value)| ask.query(key, value))).text();
        elements(&text, "Key")
    }

    /// Another tool, with a key of its own.
    pub fn with_key(&self, args: &[&str]) -> Tool {
        let (id, secret) = key(&self.world, args);
        Tool { id, secret, ..self.tool.clone() }
    }
}

fn told(answer: &ToolAnswer) -> (u16, String, String) {
    let message = answer.element("Message").unwrap_or_default();
    let id = message.split(' ').next().unwrap_or_default().to_owned();
    (answer.status, answer.element("Code").unwrap_or_default(), id)
}

fn no(status: u16, code: &str, id: &str) -> (u16, String, String) {
    (status, code.to_owned(), id.to_owned())
}

fn elements(text: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let rest = text.split(open.as_str()).skip(1);
    rest.filter_map(|rest| rest.split_once(close.as_str()).map(|(inside, _)| inside.to_owned())).collect()
}

/// As the system's own tool makes it.
fn md5(content: &[u8]) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let child = Command::new("md5sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("md5sum is part of every system these tests run on");
    child.stdin.take().expect("its input is a pipe").write_all(content).expect("it reads");
    let out = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&out.stdout).split_whitespace().next().unwrap_or_default().to_owned()
}

#[test]
fn a_tool_stores_reads_lists_and_removes_through_the_agent() {
    let door = door();
    assert_eq!(door.refused(ToolAsk::new("PUT", "/photos/a").body("x")), no(404, "NoSuchBucket", "E0301"));
    door.ok(ToolAsk::new("PUT", "/photos"));
    assert_eq!(door.refused(ToolAsk::new("PUT", "/photos")), no(409, "BucketAlreadyOwnedByYou", "E0302"));
    assert!(door.ok(ToolAsk::new("GET", "/")).text().contains("<Name>photos</Name>"));
    // Of every size: none, inline, packed, and of segments of its own.
    for (at, len) in [0, 5, 4_097, (5 << 20) + 77].into_iter().enumerate() {
        let (content, path) = (bytes(len, at as u8), format!("/photos/sizes/{len}"));
        let stored = door.put(&path, &content);
        assert_eq!(stored.header("etag"), Some(format!("\"{}\"", md5(&content)).as_str()), "{len}");
        assert!(door.get(&path) == content, "{len} bytes came back otherwise");
        let head = door.ok(ToolAsk::new("HEAD", &path));
        assert_eq!(head.header("content-length"), Some(len.to_string().as_str()));
        assert_eq!(head.header("etag"), stored.header("etag"));
        assert_eq!(head.header("x-amz-version-id"), stored.header("x-amz-version-id"));
    }
    ranges(&door);
    names(&door);
    metadata(&door);
    // What a tool stored is a member's file like others, and the other way round.
    let stat = door.world.json("a", &["stat", "my:photos/sizes/4097"]);
    assert_eq!(stat["size_bytes"], 4_097);
    door.world.pipe("a", &["cp", "-", "my:photos/by-hand"], b"by hand");
    let by_hand = door.ok(ToolAsk::new("GET", "/photos/by-hand"));
    assert_eq!(by_hand.text(), "by hand");
    assert!(by_hand.header("etag").is_some_and(|etag| etag.ends_with("-1\"")), "no MD5, and no tool takes it for one");
    removed(&door);
}

fn ranges(door: &Door) {
    let content = bytes((5 << 20) + 77, 3);
    let path = format!("/photos/sizes/{}", content.len());
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=65519-65521", 65_519..65_522),
        ("bytes=-10", content.len() - 10..content.len()),
        ("bytes=5000000-", 5_000_000..content.len()),
        ("bytes=5242800-99999999", 5_242_800..content.len()),
    ] {
        let answer = door.ok(ToolAsk::new("GET", &path).header("range", range));
        assert!(answer.status == 206 && answer.body == content[part.clone()], "{range}");
        let told = format!("bytes {}-{}/{}", part.start, part.end - 1, content.len());
        assert_eq!(answer.header("content-range"), Some(told.as_str()));
    }
    for range in ["bytes=-5", "bytes=0-0"] {
        let none = ToolAsk::new("GET", "/photos/sizes/0").header("range", range);
        assert_eq!(door.refused(none), no(416, "InvalidRange", "E0314"), "an empty object has no byte");
    }
    let beyond = ToolAsk::new("GET", &path).header("range", "bytes=99999999-");
    assert_eq!(door.refused(beyond), no(416, "InvalidRange", "E0314"));
}

fn names(door: &Door) {
    let nasty = ["b/../../etc/passwd", "b//x", "b/./y", "b/+ %", "b/照片", "b/~", "b/Z", "b/a"];
    for name in nasty {
        door.put(&format!("/photos/{name}"), name.as_bytes());
    }
    let mut sorted = nasty.to_vec();
    sorted.sort_unstable();
    assert_eq!(door.keys("/photos", &[("prefix", "b/")]), sorted, "the order of bytes; a name is a name");
    for name in nasty {
        assert_eq!(door.get(&format!("/photos/{name}")), name.as_bytes(), "{name}");
    }
    let pages: Vec<String> = {
        let (mut all, mut token) = (Vec::new(), None::<String>);
        loop {
            let ask =
                ToolAsk::new("GET", "/photos").query("list-type", "2").query("prefix", "b/").query("max-keys", "3");
            let ask = token.iter().fold(ask, |ask, token| ask.query("continuation-token", token));
            let answer = door.ok(ask);
            all.extend(elements(&answer.text(), "Key"));
            token = answer.element("NextContinuationToken");
            if token.is_none() {
                break all;
            }
        }
    };
    assert_eq!(pages, sorted);
    let folded = ToolAsk::new("GET", "/photos").query("list-type", "2").query("delimiter", "/");
    let answer = door.ok(folded).text();
    assert!(answer.contains("<CommonPrefixes><Prefix>b/</Prefix>") && answer.contains("<Prefix>sizes/</Prefix>"));
    let encoded = ToolAsk::new("GET", "/photos").query("prefix", "b/+").query("encoding-type", "url");
    assert_eq!(elements(&door.ok(encoded).text(), "Key"), ["b/%2B%20%25"]);
    assert_eq!(door.keys("/photos", &[("prefix", "b/"), ("start-after", "b/a")]), ["b/~", "b/照片"]);
}

fn metadata(door: &Door) {
    let ask = ToolAsk::new("PUT", "/photos/told")
        .header("x-amz-meta-camera", "X")
        .header("x-amz-tagging", "year=2026&place=a%20b")
        .header("content-type", "text/plain")
        .header("cache-control", "no-store")
        .header("content-disposition", "attachment")
        .header("content-language", "ko")
        .header("x-amz-checksum-crc32", "y/Q5Jg==");
    door.ok(ask.body("123456789"));
    let head = door.ok(ToolAsk::new("HEAD", "/photos/told").header("x-amz-checksum-mode", "ENABLED"));
    for (name, value) in [
        ("x-amz-meta-camera", "X"),
        ("x-amz-tagging-count", "2"),
        ("content-type", "text/plain"),
        ("cache-control", "no-store"),
        ("content-disposition", "attachment"),
        ("content-language", "ko"),
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
    ] {
        assert_eq!(head.header(name), Some(value), "{name}");
    }
    let tags = door.ok(ToolAsk::new("GET", "/photos/told").query("tagging", "")).text();
    assert!(tags.contains("<Key>place</Key><Value>a b</Value>"), "{tags}");
    let wrong = ToolAsk::new("PUT", "/photos/wrong").header("x-amz-checksum-crc32", "AAAAAA==").body("123456789");
    assert_eq!(door.refused(wrong), no(400, "BadDigest", "E0002"));
    let wrong = ToolAsk::new("PUT", "/photos/wrong").header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==").body("1");
    assert_eq!(door.refused(wrong), no(400, "BadDigest", "E0002"));
    assert_eq!(door.refused(ToolAsk::new("GET", "/photos/wrong")), no(404, "NoSuchKey", "E0304"), "nothing was stored");
    let large = ToolAsk::new("PUT", "/photos/wrong").header("x-amz-meta-a", &"x".repeat(2_048)).body("1");
    assert_eq!(door.refused(large).1, "MetadataTooLarge");
    // The same content under another name: no byte moves, everything that is told of it comes along.
    door.ok(ToolAsk::new("PUT", "/photos/copied").header("x-amz-copy-source", "/photos/told"));
    let copied = door.ok(ToolAsk::new("HEAD", "/photos/copied"));
    assert_eq!((copied.header("etag"), copied.header("x-amz-meta-camera")), (head.header("etag"), Some("X")));
    // A copy has conditions of its own, on the name it gives.
    let over = |name: &str, value: &str| {
        let ask = ToolAsk::new("PUT", "/photos/copied").header("x-amz-copy-source", "/photos/told");
        door.ask(ask.header(name, value)).status
    };
    let tag = copied.header("etag").expect("a tag");
    assert_eq!((over("if-none-match", "*"), over("if-match", "\"other\""), over("if-match", tag)), (412, 412, 200));
    let fresh = ToolAsk::new("PUT", "/photos/fresh").header("x-amz-copy-source", "/photos/told");
    door.ok(fresh.header("if-none-match", "*"));
}

fn removed(door: &Door) {
    let gone = door.ok(ToolAsk::new("DELETE", "/photos/told"));
    let marker = gone.header("x-amz-version-id").expect("a marker has a version").to_owned();
    assert_eq!(gone.header("x-amz-delete-marker"), Some("true"));
    assert_eq!(door.refused(ToolAsk::new("GET", "/photos/told")), no(404, "NoSuchKey", "E0304"));
    door.ok(ToolAsk::new("DELETE", "/photos/told"));
    let versions = door.ok(ToolAsk::new("GET", "/photos").query("versions", "").query("prefix", "told")).text();
    assert_eq!((elements(&versions, "Version").len(), elements(&versions, "DeleteMarker").len()), (1, 1), "{versions}");
    let old = elements(&versions, "VersionId").into_iter().find(|id| *id != marker).expect("the version is there");
    assert_eq!(door.ok(ToolAsk::new("GET", "/photos/told").query("versionId", &old)).text(), "123456789");
    let on_marker = door.ask(ToolAsk::new("GET", "/photos/told").query("versionId", &marker));
    assert_eq!((on_marker.status, on_marker.header("x-amz-delete-marker")), (405, Some("true")));
    door.ok(ToolAsk::new("DELETE", "/photos/told").query("versionId", &marker));
    assert_eq!(door.get("/photos/told"), b"123456789", "the marker went, the name is back");
    dropped(door, &old);
    assert_eq!(door.refused(ToolAsk::new("DELETE", "/photos")), no(409, "BucketNotEmpty", "E0303"));
    let all = door.keys("/photos", &[]);
    let xml: String = all.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
    let many = ToolAsk::new("POST", "/photos").query("delete", "").body(format!("<Delete>{xml}</Delete>"));
    assert_eq!(elements(&door.ok(many).text(), "Deleted").len(), all.len());
    assert!(door.keys("/photos", &[]).is_empty());
    door.ok(ToolAsk::new("DELETE", "/photos"));
    assert_eq!(door.refused(ToolAsk::new("HEAD", "/photos")).0, 404);
}

/// A version that is removed by its id is out of sight; the name is what the one before says, and who owns it brings it back.
fn dropped(door: &Door, first: &str) {
    let second = door.put("/photos/told", b"second").header("x-amz-version-id").expect("a version").to_owned();
    let drop = |id: &str| door.ok(ToolAsk::new("DELETE", "/photos/told").query("versionId", id));
    let ids = || {
        let versions = door.ok(ToolAsk::new("GET", "/photos").query("versions", "").query("prefix", "told")).text();
        elements(&versions, "VersionId")
    };
    assert_eq!(ids(), [second.as_str(), first]);
    assert_eq!(drop(&second).header("x-amz-version-id"), Some(second.as_str()));
    assert_eq!(door.get("/photos/told"), b"123456789", "the one before, under its own id");
    assert_eq!(door.ok(ToolAsk::new("HEAD", "/photos/told")).header("x-amz-version-id"), Some(first));
    let gone = ToolAsk::new("GET", "/photos/told").query("versionId", &second);
    assert_eq!(door.refused(gone), no(404, "NoSuchVersion", "E0304"));
    assert_eq!((ids(), door.keys("/photos", &[("prefix", "told")])), (vec![first.to_owned()], vec!["told".to_owned()]));
    drop(&second); // what is not there is removed
    drop(first);
    assert_eq!(door.refused(ToolAsk::new("GET", "/photos/told")), no(404, "NoSuchKey", "E0304"));
    assert_eq!((ids(), door.keys("/photos", &[("prefix", "told")])), (Vec::new(), Vec::new()));
    let world = &door.world;
    let kept = world.ok("a", &["object", "versions", "my:photos/told", "-o", "json"]);
    let is_dropped = |line: &&str| line.contains("\"is_dropped\":true") && !line.contains("\"is_marker\":true");
    assert_eq!(kept.lines().filter(is_dropped).count(), 2, "{kept}");
    world.ok("a", &["object", "undelete", "my:photos/told", "--version", &second[..8]]);
    assert_eq!(door.get("/photos/told"), b"second", "nothing was lost");
}

#[test]
fn parts_conditions_and_chunks_are_those_of_s3() {
    let door = door();
    door.ok(ToolAsk::new("PUT", "/films"));
    parts(&door);
    conditions(&door);
    chunks(&door);
    awaited(&door);
    let status = door.ok(ToolAsk::new("GET", "/films").query("versioning", "")).text();
    assert!(status.contains("<Status>Enabled</Status>"));
    let off = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    let off = ToolAsk::new("PUT", "/films").query("versioning", "").body(off);
    assert_eq!(door.refused(off), no(409, "InvalidBucketState", "E0312"));
    for (sub, code) in [
        ("policy", "NoSuchBucketPolicy"),
        ("website", "NoSuchWebsiteConfiguration"),
        ("lifecycle", "NoSuchLifecycleConfiguration"),
        ("cors", "NoSuchCORSConfiguration"),
        ("object-lock", "ObjectLockConfigurationNotFoundError"),
        ("replication", "ReplicationConfigurationNotFoundError"),
        ("tagging", "NoSuchTagSet"),
    ] {
        assert_eq!(door.refused(ToolAsk::new("GET", "/films").query(sub, "")), no(404, code, "E0304"), "{sub}");
    }
    for sub in ["inventory", "analytics", "metrics", "intelligent-tiering"] {
        assert_eq!(door.refused(ToolAsk::new("GET", "/films").query(sub, "")).1, "NotImplemented", "{sub}");
    }
    raced(&door);
    pages(&door);
    goes_by_itself(&door);
}

/// A part that is sent once more while its upload is completed: the object is one of the two, whole, or the tool is told.
fn raced(door: &Door) {
    for round in 0..8u8 {
        let path = format!("/films/raced-{round}");
        let begun = door.ok(ToolAsk::new("POST", &path).query("uploads", ""));
        let id = begun.element("UploadId").expect("an upload has an id");
        let content = bytes(70_000, round + 1);
        let send = || {
            let ask = ToolAsk::new("PUT", &path).query("partNumber", "1").query("uploadId", &id);
            ask.body(content.clone())
        };
        let tag = door.ok(send()).header("etag").expect("a part has a tag").to_owned();
        let xml = format!("<Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part>");
        let complete = ToolAsk::new("POST", &path).query("uploadId", &id);
        let complete = complete.body(format!("<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>"));
        let (tool, wait) = (&door.tool, Duration::from_millis(u64::from(round) * 3));
        let both = async {
            let late = tool.ask(send());
            let done = async {
                tokio::time::sleep(wait).await;
                tool.ask(complete).await
            };
            tokio::join!(late, done)
        };
        let (late, done) = door.runtime.block_on(both);
        let (late, done) = (late.expect("an answer"), done.expect("an answer"));
        assert!([200, 404].contains(&late.status), "{}", late.text());
        assert_eq!(done.status, 200, "{}", done.text());
        assert!(door.get(&path) == content, "round {round}");
    }
}

/// Pages of other origins see what the bucket's owner lets them.
fn pages(door: &Door) {
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example</AllowedOrigin>\
        <AllowedMethod>GET</AllowedMethod><AllowedHeader>range</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
        <MaxAgeSeconds>9</MaxAgeSeconds></CORSRule></CORSConfiguration>";
    let preflight = |origin: &str, method: &str, header: &str| {
        let ask = ToolAsk::new("OPTIONS", "/films/if").header("origin", origin);
        let ask = ask.header("access-control-request-method", method);
        door.send(if header.is_empty() { ask } else { ask.header("access-control-request-headers", header) })
    };
    assert_eq!(preflight("https://a.example", "GET", "").status, 403, "nobody said so yet");
    door.ok(ToolAsk::new("PUT", "/films").query("cors", "").body(rules));
    let shown = door.ok(ToolAsk::new("GET", "/films").query("cors", "")).text();
    assert_eq!(elements(&shown, "AllowedOrigin"), ["https://*.example"]);
    let told = preflight("https://a.example", "GET", "Range");
    assert_eq!((told.status, told.header("access-control-allow-origin")), (200, Some("https://a.example")));
    assert_eq!((told.header("access-control-max-age"), told.body.len()), (Some("9"), 0));
    for (origin, method, header) in
        [("https://evil", "GET", ""), ("https://a.example", "PUT", ""), ("https://a.example", "GET", "x-other")]
    {
        assert_eq!(preflight(origin, method, header).status, 403, "{origin} {method} {header}");
    }
    let get = |origin: &str| door.ok(ToolAsk::new("GET", "/films/if").header("origin", origin));
    assert_eq!(get("https://b.example").header("access-control-expose-headers"), Some("ETag"));
    assert_eq!(get("https://evil").header("access-control-allow-origin"), None);
    let unsigned = door.send(ToolAsk::new("GET", "/films/if").header("origin", "https://b.example"));
    assert_eq!((unsigned.status, unsigned.header("access-control-allow-origin")), (403, None));
    door.ok(ToolAsk::new("DELETE", "/films").query("cors", ""));
    assert_eq!(preflight("https://a.example", "GET", "Range").status, 403);
}

/// What a rule says goes, goes; nothing else.
fn goes_by_itself(door: &Door) {
    for (name, tags) in [("log/1", ""), ("log/2", "keep=no"), ("kept/1", "")] {
        let ask = ToolAsk::new("PUT", &format!("/films/{name}")).body("x");
        door.ok(if tags.is_empty() { ask } else { ask.header("x-amz-tagging", tags) });
    }
    let rule = |filter: &str| {
        let xml = format!(
            "<LifecycleConfiguration><Rule><ID>one</ID><Filter>{filter}</Filter><Status>Enabled</Status><Expiration>\
             <Date>2020-01-01T00:00:00Z</Date></Expiration></Rule></LifecycleConfiguration>"
        );
        door.ok(ToolAsk::new("PUT", "/films").query("lifecycle", "").body(xml));
    };
    let left = || door.keys("/films", &[("prefix", "log/")]);
    rule("<And><Prefix>log/</Prefix><Tag><Key>keep</Key><Value>no</Value></Tag></And>");
    door.world.until("the rule is gone through", Duration::from_secs(30), left, |left| left.len() < 2);
    assert_eq!(left(), ["log/1"]);
    rule("<Prefix>log/</Prefix>");
    door.world.until("the rule is gone through", Duration::from_secs(30), left, Vec::is_empty);
    assert_eq!(door.get("/films/kept/1"), b"x");
    let shown = door.ok(ToolAsk::new("GET", "/films").query("lifecycle", "")).text();
    assert_eq!((elements(&shown, "ID"), elements(&shown, "Prefix")), (vec!["one".to_owned()], vec!["log/".to_owned()]));
    door.ok(ToolAsk::new("DELETE", "/films").query("lifecycle", ""));
    assert_eq!(door.refused(ToolAsk::new("GET", "/films").query("lifecycle", "")).0, 404);
}

fn parts(door: &Door) {
    let begun = door.ok(ToolAsk::new("POST", "/films/one").query("uploads", "").header("x-amz-meta-a", "1"));
    let id = begun.element("UploadId").expect("an upload has an id");
    let contents = [bytes(5 << 20, 1), bytes(6 << 20, 2), bytes(9, 3)];
    let put = |number: usize, content: &[u8]| {
        let ask = ToolAsk::new("PUT", "/films/one").query("partNumber", &number.to_string()).query("uploadId", &id);
        door.ok(ask.body(content.to_vec())).header("etag").expect("a part has a tag").to_owned()
    };
    let last = put(9, &contents[2]);
    put(2, &contents[0]);
    let tags = [put(1, &contents[0]), put(2, &contents[1]), last];
    let listed = door.ok(ToolAsk::new("GET", "/films/one").query("uploadId", &id)).text();
    assert_eq!(elements(&listed, "PartNumber"), ["1", "2", "9"]);
    let open = door.ok(ToolAsk::new("GET", "/films").query("uploads", "")).text();
    assert_eq!(elements(&open, "UploadId"), [id.as_str()]);
    let complete = |parts: &[(usize, &str)]| {
        let line =
            |(number, tag): &(usize, &str)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>");
        let xml: String = parts.iter().map(line).collect();
        let ask = ToolAsk::new("POST", "/films/one").query("uploadId", &id);
        ask.body(format!("<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>"))
    };
    let (one, two, nine) = ((1, tags[0].as_str()), (2, tags[1].as_str()), (9, tags[2].as_str()));
    assert_eq!(door.refused(complete(&[two, one])).1, "InvalidPartOrder");
    assert_eq!(door.refused(complete(&[one, (2, &tags[0])])).1, "InvalidPart");
    assert_eq!(door.refused(complete(&[one, (3, &tags[0])])).1, "InvalidPart");
    let done = door.ok(complete(&[one, two, nine]));
    let whole = contents.concat();
    let digests: Vec<u8> = tags.iter().flat_map(|tag| unhex(tag.trim_matches('"'))).collect();
    let expected = format!("&quot;{}-3&quot;", md5(&digests));
    assert!([expected.clone(), expected.replace("&quot;", "\"")].contains(&done.element("ETag").unwrap_or_default()));
    assert!(door.get("/films/one") == whole);
    let part = door.ok(ToolAsk::new("GET", "/films/one").header("range", "bytes=5242879-5242880"));
    assert!(part.body == whole[5_242_879..5_242_881], "over the edge of two parts");
    assert_eq!(door.ok(ToolAsk::new("HEAD", "/films/one")).header("x-amz-meta-a"), Some("1"));
    door.ok(complete(&[one, two, nine])); // the answer was lost; asking again gives the same
    let begun = door.ok(ToolAsk::new("POST", "/films/two").query("uploads", ""));
    let id = begun.element("UploadId").expect("an upload has an id");
    let copy = ToolAsk::new("PUT", "/films/two").query("partNumber", "1").query("uploadId", &id);
    let copy = copy.header("x-amz-copy-source", "/films/one").header("x-amz-copy-source-range", "bytes=5-14");
    assert!(door.ok(copy).text().contains(&md5(&whole[5..15])));
    door.ok(ToolAsk::new("DELETE", "/films/two").query("uploadId", &id));
    let gone = ToolAsk::new("PUT", "/films/two").query("partNumber", "1").query("uploadId", &id).body("x");
    assert_eq!(door.refused(gone), no(404, "NoSuchUpload", "E0318"));
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).filter_map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}

fn conditions(door: &Door) {
    let first = door.put("/films/if", b"one");
    let etag = first.header("etag").expect("a tag").to_owned();
    let put =
        |name: &str, value: &str| door.ask(ToolAsk::new("PUT", "/films/if").header(name, value).body("two")).status;
    let get = |name: &str, value: &str| door.ask(ToolAsk::new("GET", "/films/if").header(name, value)).status;
    assert_eq!(put("if-none-match", "*"), 412);
    assert_eq!(put("if-match", "\"0123\""), 412);
    assert_eq!((get("if-match", &etag), get("if-match", "\"0123\"")), (200, 412));
    assert_eq!((get("if-none-match", &etag), get("if-none-match", "\"0123\"")), (304, 200));
    assert_eq!(get("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"), 304);
    assert_eq!(get("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT"), 412);
    assert_eq!(put("if-match", &etag), 200);
    assert_eq!(put("if-match", &etag), 412, "it is another one by now");
    let absent = ToolAsk::new("PUT", "/films/if-new").header("if-match", &etag).body("x");
    assert_eq!(door.refused(absent), no(404, "NoSuchKey", "E0304"));
    assert_eq!(door.ask(ToolAsk::new("PUT", "/films/if-new").header("if-none-match", "*").body("x")).status, 200);
}

/// Who asks whether to send, and has nothing to send, gets the last answer on its connection: tools misread the one after it.
fn awaited(door: &Door) {
    let put = |body: &str| {
        let ask = ToolAsk::new("PUT", "/films/awaited").header("expect", "100-continue");
        door.ok(ask.body(body.to_owned())).header("connection").map(str::to_owned)
    };
    assert_eq!((put("").as_deref(), put("x")), (Some("close"), None));
}

/// A body in signed chunks, with a checksum behind it or without; `spoil` changes the bytes after they were signed.
fn chunked(door: &Door, path: &str, content: &[u8], trailer: Option<&str>, spoil: impl Fn(&mut Vec<u8>)) -> ToolAsk {
    let signer = door.tool.signer();
    let ask = ToolAsk::new("PUT", path).header("x-amz-decoded-content-length", &content.len().to_string());
    let ask = ask.header("content-encoding", "aws-chunked");
    let (ask, payload) = match trailer {
        Some(_) => (ask.header("x-amz-trailer", "x-amz-checksum-crc32"), CHUNKS_TRAILER),
        None => (ask, CHUNKS),
    };
    let (ask, mut before) = door.tool.signed(ask, payload, &signer);
    let mut body = Vec::new();
    for chunk in content.chunks(64 << 10).chain([&[][..]]) {
        before = signer.chunk(&before, chunk);
        body.extend_from_slice(format!("{:x};chunk-signature={before}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        if !chunk.is_empty() || trailer.is_none() {
            body.extend_from_slice(b"\r\n");
        }
    }
    if let Some(sum) = trailer {
        let line = format!("x-amz-checksum-crc32:{sum}");
        let signature = signer.trailer(&before, &format!("{line}\n"));
        body.extend_from_slice(format!("{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n").as_bytes());
    }
    spoil(&mut body);
    ask.body(body)
}

fn chunks(door: &Door) {
    let content = bytes(200_000, 5);
    let whole = |_: &mut Vec<u8>| {};
    let stored = door.send(chunked(door, "/films/chunks", &content, None, whole));
    assert_eq!(stored.status, 200, "{}", stored.text());
    assert!(door.get("/films/chunks") == content);
    assert_eq!(door.ok(ToolAsk::new("HEAD", "/films/chunks")).header("content-encoding"), None);
    let stored = door.send(chunked(door, "/films/trailer", b"123456789", Some("y/Q5Jg=="), whole));
    assert_eq!((stored.status, stored.header("x-amz-checksum-crc32")), (200, Some("y/Q5Jg==")), "{}", stored.text());
    let wrong = door.send(chunked(door, "/films/bad", b"123456789", Some("AAAAAA=="), whole));
    assert_eq!(told(&wrong), no(400, "BadDigest", "E0002"));
    // Unsigned chunks with a checksum behind them, as new tools send over a trusted line.
    let unsigned = |sum: &str| {
        let ask = ToolAsk::new("PUT", "/films/unsigned").header("x-amz-decoded-content-length", "9");
        let ask = ask.header("x-amz-trailer", "x-amz-checksum-crc32");
        let (ask, _) = door.tool.signed(ask, UNSIGNED_TRAILER, &door.tool.signer());
        let behind = if sum.is_empty() { String::new() } else { format!("x-amz-checksum-crc32:{sum}\r\n") };
        door.send(ask.body(format!("9\r\n123456789\r\n0\r\n{behind}\r\n")))
    };
    assert_eq!(unsigned("y/Q5Jg==").status, 200);
    assert_eq!(told(&unsigned("AAAAAA==")).1, "BadDigest");
    assert_eq!(told(&unsigned("")).1, "MalformedTrailerError", "what was announced must come");
    // Broken chains.
    let last = |body: &mut Vec<u8>| body.truncate(body.len() - 40);
    let flipped = |body: &mut Vec<u8>| body[100_000] ^= 1;
    let forged = |body: &mut Vec<u8>| {
        let at = body.windows(16).rposition(|w| w == b"chunk-signature=").expect("a chunk is signed");
        body[at + 20] = if body[at + 20] == b'0' { b'1' } else { b'0' };
    };
    for (what, answer) in [
        ("cut", door.send(chunked(door, "/films/bad", &content, None, last))),
        ("flipped", door.send(chunked(door, "/films/bad", &content, None, flipped))),
        ("forged", door.send(chunked(door, "/films/bad", &content, None, forged))),
    ] {
        assert!([400, 403].contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
    }
    let unsigned_trailer = |body: &mut Vec<u8>| {
        let at = body.windows(9).rposition(|w| w == b"x-amz-tra").expect("it has a signed trailer");
        body.truncate(at);
        body.extend_from_slice(b"\r\n");
    };
    let answer = door.send(chunked(door, "/films/bad", b"123456789", Some("y/Q5Jg=="), unsigned_trailer));
    assert!([400, 403].contains(&answer.status), "a trailer without its signature: {}", answer.text());
    assert_eq!(door.refused(ToolAsk::new("HEAD", "/films/bad")).0, 404, "nothing of it was stored");
}

#[test]
fn who_may_not_is_refused_and_so_is_what_is_no_request() {
    let door = door();
    door.ok(ToolAsk::new("PUT", "/safe"));
    door.put("/safe/a/1", b"one");
    door.put("/safe/b/1", b"two");
    scopes(&door);
    signatures(&door);
    bodies(&door);
    addresses(&door);
    // A key that was revoked is good for nothing from the next request on.
    door.world.ok("a", &["gateway", "key", "revoke", &door.tool.id]);
    assert_eq!(door.refused(ToolAsk::new("GET", "/safe/a/1")), no(403, "AccessDenied", "E0109"));
    let listed = door.world.ok("a", &["gateway", "key", "list", "--json"]);
    assert!(listed.contains("\"revoked\":\"20") && !listed.contains(&door.tool.secret));
    let sealed = std::fs::read(door.world.home("a").join("data/gateway.keys")).expect("keys are kept");
    assert!(!sealed.windows(4).any(|w| w == b"safe" || w == b"PMSI"), "keys are sealed");
}

fn scopes(door: &Door) {
    let ask = |tool: &Tool, ask: ToolAsk| told(&door.runtime.block_on(tool.ask(ask)).expect("the gateway answers"));
    let reads = door.with_key(&["--prefix", "safe/a/", "--read-only"]);
    let fits = |ask_for: ToolAsk| ask(&reads, ask_for).0;
    assert_eq!(fits(ToolAsk::new("GET", "/safe/a/1")), 200);
    assert_eq!(fits(ToolAsk::new("GET", "/safe").query("list-type", "2").query("prefix", "a/")), 200);
    let denied = no(403, "AccessDenied", "E0106");
    for refused in [
        ToolAsk::new("GET", "/safe/b/1"),
        ToolAsk::new("PUT", "/safe/a/1").body("x"),
        ToolAsk::new("DELETE", "/safe/a/1"),
        ToolAsk::new("GET", "/safe").query("list-type", "2"),
        ToolAsk::new("GET", "/safe").query("list-type", "2").query("prefix", ""),
        ToolAsk::new("PUT", "/other"),
        ToolAsk::new("GET", "/other/a/1"),
        ToolAsk::new("GET", "/safe/../safe/b/1"),
    ] {
        let shown = format!("{} {}", refused.method, refused.path);
        assert_eq!(ask(&reads, refused), denied, "{shown}");
    }
    let writes = door.with_key(&["--prefix", "safe/a/", "--expires", "1h"]);
    assert_eq!(ask(&writes, ToolAsk::new("PUT", "/safe/a/2").body("x")).0, 200);
    let steal = ToolAsk::new("PUT", "/safe/a/stolen").header("x-amz-copy-source", "/safe/b/1");
    assert_eq!(ask(&writes, steal), denied, "a copy reads, too");
    let many = "<Delete><Object><Key>a/2</Key></Object><Object><Key>b/1</Key></Object></Delete>";
    let many = ToolAsk::new("POST", "/safe").query("delete", "").body(many);
    let answer = door.runtime.block_on(writes.ask(many)).expect("the gateway answers").text();
    assert!(answer.contains("<Deleted>") && answer.contains("<Code>AccessDenied</Code>"), "{answer}");
    assert_eq!(door.get("/safe/b/1"), b"two");
    let shown = door.runtime.block_on(reads.ask(ToolAsk::new("GET", "/"))).expect("the gateway answers").text();
    assert_eq!(elements(&shown, "Name"), ["safe"]);
    let over = door.with_key(&["--expires", "1s"]);
    let look = || door.runtime.block_on(over.ask(ToolAsk::new("GET", "/safe/a/1"))).expect("the gateway answers");
    door.world.until("the key is over", Duration::from_secs(10), look, |answer| answer.status != 200);
    assert_eq!(told(&look()), no(403, "AccessDenied", "E0108"));
    let unknown = Tool { id: "PMSINOBODY".into(), ..door.tool.clone() };
    assert_eq!(ask(&unknown, ToolAsk::new("GET", "/safe/a/1")), no(403, "InvalidAccessKeyId", "E0107"));
    let guessed = Tool { secret: "guess".into(), ..door.tool.clone() };
    assert_eq!(ask(&guessed, ToolAsk::new("GET", "/safe/a/1")), no(403, "SignatureDoesNotMatch", "E0116"));
}

fn signatures(door: &Door) {
    let signed = |ask: ToolAsk| door.tool.signed(ask, gateway::sign::EMPTY, &door.tool.signer()).0;
    let get = || ToolAsk::new("GET", "/safe/a/1");
    assert_eq!(door.send(signed(get())).status, 200);
    assert_eq!(told(&door.send(get())), no(403, "AccessDenied", "E0106"), "without a signature");
    let more = signed(ToolAsk::new("PUT", "/safe/a/3")).header("x-amz-copy-source", "/safe/b/1");
    assert_eq!(told(&door.send(more)), no(403, "AccessDenied", "E0116"), "a header that was not signed");
    let other = ToolAsk { path: "/safe/b/1".into(), ..signed(get()) };
    assert_eq!(told(&door.send(other)), no(403, "SignatureDoesNotMatch", "E0116"), "another path");
    let foreign = signed(get().header("host", &format!("127.0.0.1.evil.example:{}", door.tool.addr.port())));
    assert_eq!(told(&door.send(foreign)), no(403, "AccessDenied", "E0115"));
    let host = format!("safe.localhost:{}", door.tool.addr.port());
    let below = signed(ToolAsk::new("GET", "/a/1").header("host", &host));
    assert_eq!(door.send(below).text(), "one", "a bucket in front of the host's name");
    for minutes in [-16i64, 16] {
        let at = Stamp(now().as_ms().saturating_add_signed(minutes * 60_000));
        let signer = gateway::sign::Signer::new(&door.tool.id, &door.tool.secret, at);
        let (ask, _) = door.tool.signed(get(), gateway::sign::EMPTY, &signer);
        assert_eq!(told(&door.send(ask)), no(403, "RequestTimeTooSkewed", "E0011"));
    }
    let body =
        door.tool.signed(ToolAsk::new("PUT", "/safe/a/3"), &gateway::sign::sha256(b"this"), &door.tool.signer()).0;
    let swapped = told(&door.send(body.body("that")));
    assert_eq!((swapped.0, swapped.1.as_str()), (400, "XAmzContentSHA256Mismatch"));
    assert_eq!(door.refused(ToolAsk::new("HEAD", "/safe/a/3")).0, 404);
}

fn bodies(door: &Door) {
    let delete = |xml: String| door.refused(ToolAsk::new("POST", "/safe").query("delete", "").body(xml));
    let bomb = "<!DOCTYPE d [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><Delete><Object><Key>&b;</Key></Object></Delete>";
    assert_eq!(delete(bomb.to_owned()), no(400, "MalformedXML", "E0002"));
    assert_eq!(delete("<a>".repeat(10_000) + &"</a>".repeat(10_000)), no(400, "MalformedXML", "E0002"));
    assert_eq!(delete("<Delete><![CDATA[<Object>]]></Delete>".to_owned()), no(400, "MalformedXML", "E0002"));
    assert_eq!(delete("<Delete>".to_owned()), no(400, "MalformedXML", "E0002"));
    assert_eq!(delete(String::new()).0, 400);
    let many: String = (0..1_001).map(|at| format!("<Object><Key>k{at}</Key></Object>")).collect();
    assert_eq!(delete(format!("<Delete>{many}</Delete>")), no(400, "MalformedXML", "E0013"));
    assert_eq!(delete(format!("<Delete>{}</Delete>", " ".repeat(4 << 20))).1, "MaxMessageLengthExceeded");
    let long = format!("/safe/{}", "k".repeat(1_025));
    assert_eq!(door.refused(ToolAsk::new("PUT", &long).body("x")).1, "KeyTooLongError");
    assert_eq!(door.refused(ToolAsk::new("PUT", "/safe/a\0b").body("x")), no(400, "InvalidArgument", "E0310"));
    assert_eq!(door.refused(ToolAsk::new("PUT", "/Not_A_Bucket")), no(400, "InvalidBucketName", "E0310"));
}

fn addresses(door: &Door) {
    let open = |expires: u64, ago_s: u64, path: &str| {
        let at = Stamp(now().as_ms() - ago_s * 1_000);
        let signer = gateway::sign::Signer::new(&door.tool.id, &door.tool.secret, at);
        let query = door.tool.presigned(&ToolAsk::new("GET", "/safe/a/1"), expires, &signer);
        assert!(!query_string(&query).is_empty());
        door.send(ToolAsk { query, ..ToolAsk::new("GET", path) })
    };
    assert_eq!(open(60, 0, "/safe/a/1").text(), "one");
    assert_eq!(open(60, 0, "/safe/a/1").text(), "one", "it may be used again until its time is over");
    assert_eq!(told(&open(60, 61, "/safe/a/1")), no(403, "AccessDenied", "E0108"));
    assert_eq!(told(&open(60, 0, "/safe/b/1")).1, "SignatureDoesNotMatch");
    assert_eq!(told(&open(8 * 24 * 3_600, 0, "/safe/a/1")).1, "AuthorizationQueryParametersError");
}
