//! What a person does with files in the demo's cloud, by the commands they type: stored, read, named, shared, recovered, and looked
//! for where they must not be.

use super::{Cloud, FILL_PATIENCE, HEAL_PATIENCE, LOOK_EVERY, OBJECT};
use crate::process::PARENT_PIPE;
use aho_corasick::AhoCorasick;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Bytes of a part, and of what is stored in parts.
const PART: usize = 6 << 20;
const PARTS: usize = 8 << 20;

impl Cloud {
    /// A file that looks like text and does not repeat.
    pub fn make_file(&self, bytes: usize) -> Result<PathBuf, String> {
        let path = self.dir.join("letter.txt");
        let mut text = String::with_capacity(bytes + 80);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes());
        let mut words = hasher.finalize_xof();
        let mut word = [0; 32];
        while text.len() < bytes {
            words.fill(&mut word);
            text.push_str(&model::ids::base32().encode(&word));
            text.push('\n');
        }
        std::fs::write(&path, text).map_err(|e| e.to_string())?;
        Ok(path)
    }

    /// Small files of many sizes in a few folders, an empty one among them.
    pub fn make_tree(&self, count: usize) -> Result<PathBuf, String> {
        let root = self.dir.join("tree");
        for at in 0..count {
            let path = root.join(format!("year-{}", at % 4)).join(format!("note-{at}.bin"));
            std::fs::create_dir_all(path.parent().unwrap_or(&root)).map_err(|e| e.to_string())?;
            let mut bytes = vec![0; at * at * 97];
            blake3::Hasher::new()
                .update(&self.seed.to_le_bytes())
                .update(&at.to_le_bytes())
                .finalize_xof()
                .fill(&mut bytes);
            std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
        }
        Ok(root)
    }

    async fn done(&self, args: &[&str]) -> Result<String, String> {
        let out = self.command(args).await?;
        if out.status.success() {
            return Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned());
        }
        Err(String::from_utf8_lossy(&out.stderr).trim().to_owned())
    }

    /// `pumasi cp -r DIR my:…`, and back.
    pub async fn put_tree(&self, tree: &Path) -> Result<(), String> {
        self.done(&["cp", "-r", &tree.display().to_string(), "my:home/tree/"]).await?;
        self.get_tree(tree).await
    }

    async fn get_tree(&self, tree: &Path) -> Result<(), String> {
        let back = self.dir.join("tree-back");
        let _ = std::fs::remove_dir_all(&back);
        self.done(&["cp", "-r", "my:home/tree/", &back.display().to_string()]).await?;
        same_tree(tree, &back)
    }

    /// The beginning of the file in two parts, the second one first, and a link by which a machine in no cloud adds a file.
    pub async fn in_parts(&self, file: &Path) -> Result<(), String> {
        let text = std::fs::read(file).map_err(|e| e.to_string())?;
        let place = "my:home/in-parts/letter.txt";
        self.done(&["upload", "begin", place]).await?;
        for (number, part) in [("2", PART..PARTS), ("1", 0..PART)] {
            let path = self.dir.join(format!("part-{number}"));
            std::fs::write(&path, text.get(part).ok_or("a short file")?).map_err(|e| e.to_string())?;
            self.done(&["upload", "part", place, number, &path.display().to_string()]).await?;
        }
        self.done(&["upload", "complete", place]).await?;
        let given = self.shown(&["share", "my:home/inbox/", "--ops", "put", "--json"]).await?;
        let at = format!("{}/from-a-friend", given["link"].as_str().ok_or("no link")?);
        self.elsewhere("friend", &["cp", &self.dir.join("part-1").display().to_string(), &at], "").await?;
        self.get_parts(file).await
    }

    /// The bucket's names are stored among its pieces.
    pub async fn logs(&self) -> Result<(), String> {
        let logged = self.shown(&["bucket", "log", "home", "--json"]).await?;
        let (upto, changed) = (logged["logged_upto"].as_u64(), logged["changed_upto"].as_u64());
        if upto > Some(0) && upto == changed { Ok(()) } else { Err(logged.to_string()) }
    }

    /// Holders that are left find them by the bucket's locator, and they bring back the names the center has.
    pub async fn names_back(&self, left: usize) -> Result<(), String> {
        let found = self.shown(&["bucket", "log", "home", "--check", "--json"]).await?;
        let count = |key: &str| found[key].as_u64().unwrap_or(0);
        let enough = count("pieces_located") >= count("pieces_needed").max(1);
        let good = enough && count("holders_count") == left as u64 && count("names_count") > 0;
        if good { Ok(()) } else { Err(found.to_string()) }
    }

    /// So many new machines join; once the dead count as missing, what they held is made anew on those, until all pieces stand.
    pub async fn heals(&mut self, pieces: usize, count: usize) -> Result<(), String> {
        self.join_more(count).await?;
        let begun = Instant::now();
        loop {
            let shown = self.shown(&["bucket", "show", "home", "--json"]).await?;
            if shown["survives"]["pieces"].as_u64() >= Some(pieces as u64) {
                return Ok(());
            }
            if begun.elapsed() > HEAL_PATIENCE {
                return Err(shown["survives"].to_string());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What came in parts and through the link reads back byte for byte.
    async fn get_parts(&self, file: &Path) -> Result<(), String> {
        let text = std::fs::read(file).map_err(|e| e.to_string())?;
        for (place, len) in [("my:home/in-parts/letter.txt", PARTS), ("my:home/inbox/from-a-friend", PART)] {
            let out = self.command(&["cat", place]).await?;
            if text.get(..len) != Some(&out.stdout[..]) {
                return Err(format!("{place}: {}", String::from_utf8_lossy(&out.stderr).trim()));
            }
        }
        Ok(())
    }

    /// The file, the tree, and what came in parts, byte for byte.
    pub async fn get_all(&self, file: &Path, tree: &Path) -> Result<(), String> {
        self.get(file).await?;
        self.get_parts(file).await?;
        self.get_tree(tree).await
    }

    /// A name changes, goes and comes back; what was removed is not listed meanwhile.
    pub async fn names(&self) -> Result<(), String> {
        let (old, new) = ("my:home/tree/year-1/note-5.bin", "my:home/renamed.bin");
        let before = self.done(&["stat", old, "--json"]).await?;
        self.done(&["mv", old, new]).await?;
        self.done(&["rm", new]).await?;
        let listed = self.done(&["ls", "my:home/", "-o", "id"]).await?;
        if listed.lines().any(|name| name == "renamed.bin" || name.ends_with("/note-5.bin")) {
            return Err(format!("a removed name is listed: {listed}"));
        }
        self.done(&["object", "undelete", new]).await?;
        self.done(&["mv", new, old]).await?;
        let after = self.done(&["stat", old, "--json"]).await?;
        let hash = |text: &str| serde_json::from_str::<serde_json::Value>(text).map(|v| v["blake3"].clone()).ok();
        if hash(&before).is_some_and(|h| Some(h) == hash(&after)) { Ok(()) } else { Err(format!("{before} {after}")) }
    }

    /// `pumasi bucket show`: how many of the nodes may die at once, counted from the pieces that stand.
    pub async fn says(&self) -> Result<(), String> {
        let shown = self.shown(&["bucket", "show", "home", "--json"]).await?;
        let survives = &shown["survives"];
        let (may_die, k) = (survives["may_die"].as_u64(), survives["k"].as_u64().unwrap_or(0));
        let all = self.nodes.len() as u64;
        if may_die == Some(all - k) && survives["readable_now"] == true { Ok(()) } else { Err(survives.to_string()) }
    }

    /// Right after an acknowledgement at k + 1: one PC may die, more while the writer's copy lives.
    pub async fn survives_now(&self) -> Result<(), String> {
        let shown = self.shown(&["bucket", "show", "home", "--json"]).await?;
        let (may_die, copies) = (shown["survives"]["may_die"].as_u64(), shown["copies_here"].as_u64());
        let as_said = may_die >= Some(1) && copies > Some(0);
        if as_said { Ok(()) } else { Err(format!("{may_die:?} may die, {copies:?} copies here")) }
    }

    pub(super) async fn command(&self, args: &[&str]) -> Result<std::process::Output, String> {
        let exe = std::env::current_exe().map_err(|e| e.to_string())?;
        let root = self.operator.home.data.parent().unwrap_or(&self.operator.home.data).to_owned();
        let mut command = tokio::process::Command::new(exe);
        command
            .args(args)
            .env("PUMASI_HOME", root)
            .env_remove(PARENT_PIPE)
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command.output().await.map_err(|e| e.to_string())
    }

    /// A command in a home of its own below the demo's folder, with something on its standard input.
    async fn elsewhere(&self, home: &str, args: &[&str], input: &str) -> Result<Vec<u8>, String> {
        use tokio::io::AsyncWriteExt;
        let exe = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut command = tokio::process::Command::new(exe);
        command
            .args(args)
            .env("PUMASI_HOME", self.dir.join(home))
            .env_remove(PARENT_PIPE)
            .env_remove("XDG_RUNTIME_DIR");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that asks for nothing may have ended already.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let out = child.wait_with_output().await.map_err(|e| e.to_string())?;
        if out.status.success() { Ok(out.stdout) } else { Err(String::from_utf8_lossy(&out.stderr).trim().to_owned()) }
    }

    pub(super) async fn shown(&self, args: &[&str]) -> Result<serde_json::Value, String> {
        serde_json::from_str(&self.done(args).await?).map_err(|e| e.to_string())
    }

    /// A link to the file's folder: a machine in no cloud reads it by the link alone, until the link is revoked.
    pub async fn shared(&self, file: &Path) -> Result<(), String> {
        let (folder, name) = OBJECT.split_once('/').unwrap_or(("", OBJECT));
        let given = self.shown(&["share", &format!("my:home/{folder}/"), "--json"]).await?;
        let link = given["link"].as_str().ok_or("no link")?;
        let at = format!("{link}/{name}");
        let got = self.elsewhere("friend", &["cat", &at], "").await?;
        if got != std::fs::read(file).map_err(|e| e.to_string())? {
            return Err("the bytes differ".into());
        }
        self.done(&["grant", "revoke", given["id"].as_str().unwrap_or_default()]).await?;
        match self.elsewhere("friend", &["cat", &at], "").await {
            Err(why) if why.contains("E0109") => Ok(()),
            other => Err(format!("a revoked link: {:?}", other.map(|bytes| bytes.len()))),
        }
    }

    /// A new machine with nothing but 24 words and the cloud's address reads the file.
    pub async fn recovered(&self, file: &Path) -> Result<(), String> {
        let phrase = self.shown(&["recovery", "phrase", "--yes", "--json"]).await?;
        let words: Vec<&str> = phrase["words"].as_array().into_iter().flatten().filter_map(|w| w.as_str()).collect();
        let address = phrase["address"].as_str().ok_or("no address")?;
        let restore = ["recovery", "restore", address, "--name", "new-laptop", "--bind", "127.0.0.1"];
        self.elsewhere("new", &restore, &words.join(" ")).await?;
        let got = self.elsewhere("new", &["cat", &format!("my:home/{OBJECT}")], "").await?;
        let same = got == std::fs::read(file).map_err(|e| e.to_string())?;
        if same { Ok(()) } else { Err("the bytes differ".into()) }
    }

    /// `pumasi cp FILE my:…`: enough nodes hold their piece.
    pub async fn put(&self, file: &Path) -> Result<(), String> {
        let place = format!("my:home/{OBJECT}");
        let out = self.command(&["cp", &file.display().to_string(), &place, "--json"]).await?;
        let stored: serde_json::Value =
            serde_json::from_slice(&out.stdout).map_err(|_| String::from_utf8_lossy(&out.stderr).into_owned())?;
        let (pieces, k) = (stored["pieces_count"].as_u64().unwrap_or(0), stored["k"].as_u64().unwrap_or(u64::MAX));
        if pieces > k { Ok(()) } else { Err(format!("{pieces} pieces, {k} of them rebuild")) }
    }

    /// Stewards make the pieces that the writer did not send, until every node holds its own.
    pub async fn filled(&self) -> Result<(), String> {
        self.filled_to(self.nodes.len() as u64, FILL_PATIENCE).await
    }

    /// The file reads byte for byte within `patience`.
    pub async fn get_within(&self, file: &Path, patience: Duration) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            match self.get(file).await {
                Err(_) if begun.elapsed() < patience => tokio::time::sleep(LOOK_EVERY).await,
                read => return read,
            }
        }
    }

    /// Waits until the weakest segment has so many pieces.
    pub async fn filled_to(&self, want: u64, patience: Duration) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let shown = self.shown(&["bucket", "show", "home", "--json"]).await?;
            let pieces = shown["survives"]["pieces"].as_u64();
            if pieces >= Some(want) {
                return Ok(());
            }
            if begun.elapsed() > patience {
                return Err(format!("{pieces:?} pieces of the weakest segment after {} s", patience.as_secs()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// `pumasi cp my:… FILE`: byte for byte the same.
    pub async fn get(&self, file: &Path) -> Result<(), String> {
        let back = self.dir.join("back.txt");
        let _ = std::fs::remove_file(&back);
        let out = self.command(&["cp", &format!("my:home/{OBJECT}"), &back.display().to_string()]).await?;
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).trim().to_owned());
        }
        let same =
            std::fs::read(&back).map_err(|e| e.to_string())? == std::fs::read(file).map_err(|e| e.to_string())?;
        if same { Ok(()) } else { Err("the bytes differ".to_owned()) }
    }

    /// No 64-byte line of the file and no part of its name stands in any file of a node or the center.
    pub async fn nothing_in_clear(&self, file: &Path) -> Result<(), String> {
        let text = std::fs::read(file).map_err(|e| e.to_string())?;
        let mut planted: Vec<Vec<u8>> =
            text.chunks(text.len() / 50).map(|part| part[..64.min(part.len())].to_vec()).collect();
        planted.push(OBJECT.as_bytes().to_vec());
        planted.push(b"letters-from-grandmother".to_vec());
        let homes: Vec<PathBuf> =
            self.nodes.iter().map(|n| n.app.home.data.clone()).chain([self.operator.home.center()]).collect();
        let planted = AhoCorasick::new(&planted).map_err(|e| e.to_string())?;
        if !planted.is_match(&text) || !planted.is_match(OBJECT) {
            return Err("the search finds nothing anywhere".into());
        }
        let search = tokio::task::spawn_blocking(move || homes.iter().try_for_each(|home| search(home, &planted)));
        search.await.map_err(|e| e.to_string())?
    }

    /// The code of what is stored, in words.
    pub async fn scheme(&self) -> Result<String, String> {
        let shown = self.shown(&["bucket", "show", "home", "--json"]).await?;
        let s = &shown["survives"];
        Ok(format!("{}/{}, {} pieces, any {} of its PCs may die", s["k"], s["n"], s["pieces"], s["may_die"]))
    }
}

/// Looks for any of the planted byte strings in every file below a folder.
fn search(dir: &Path, planted: &AhoCorasick) -> Result<(), String> {
    for entry in std::fs::read_dir(dir).map_err(|e| e.to_string())?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            search(&path, planted)?;
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if planted.is_match(&bytes) {
                return Err(format!("found in {}", path.display()));
            }
        }
    }
    Ok(())
}

/// Every file of one folder stands in the other with the same bytes, and no more.
fn same_tree(a: &Path, b: &Path) -> Result<(), String> {
    let names = |dir: &Path| -> Result<Vec<std::ffi::OsString>, String> {
        let entries = std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let mut names: Vec<_> = entries.flatten().map(|e| e.file_name()).collect();
        names.sort();
        Ok(names)
    };
    let (here, there) = (names(a)?, names(b)?);
    if here != there {
        return Err(format!("{} and {} hold other names", a.display(), b.display()));
    }
    for name in here {
        let (a, b) = (a.join(&name), b.join(&name));
        if a.is_dir() {
            same_tree(&a, &b)?;
        } else if std::fs::read(&a).ok() != std::fs::read(&b).ok() {
            return Err(format!("{} differs", b.display()));
        }
    }
    Ok(())
}
