//! Words counted over the cloud by strangers' machines, of which one dies over it and one lies.

use super::{Cloud, LOOK_EVERY, PATIENCE};
use crate::process::PARENT_PIPE;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio::task::JoinHandle;

/// Prose that the program carries: its own pages.
const TEXTS: [&str; 6] = [
    include_str!("../../../../../README.md"),
    include_str!("../../../../../ARCHITECTURE.md"),
    include_str!("../../../../../docs/design/DESIGN.md"),
    include_str!("../../../../../docs/design/storage.md"),
    include_str!("../../../../../docs/design/fleet.md"),
    include_str!("../../../../../docs/design/compute.md"),
];
/// Items of the job at least.
pub const ITEMS: usize = 200;
/// Objects that hold the text: each is an item of the job, or more than one.
const PAGES: usize = ITEMS + 6;
/// Whose machine hands the job in, dies over it, and lies.
pub(super) const MEMBER: usize = 0;
const DIES: usize = 3;
pub(super) const LIES: usize = 5;
/// Items that are done when a machine dies.
const DONE_BEFORE: u64 = 20;
/// Guests of short items come and go quickly.
const GUEST_LOOK: Duration = Duration::from_millis(2);
/// Longest wait for the job.
const JOB_PATIENCE: Duration = Duration::from_secs(240);

impl Cloud {
    /// Level of the walls around foreign work on this machine.
    pub async fn walls(&self) -> Result<u8, String> {
        let runner = crate::cli::job::runner(&self.nodes[MEMBER].app).map_err(|e| super::said(&e))?;
        let walls = tokio::task::spawn_blocking(move || runner.walls()).await.map_err(|e| e.to_string())?;
        walls.map(|walls| walls.level()).map_err(|e| e.to_string())
    }

    /// Stores text in more objects than the job has items at least; the plain answer, words counted here.
    pub async fn texts_stored(&self) -> Result<BTreeMap<String, u64>, String> {
        let folder = self.dir.join("texts");
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let all = TEXTS.concat();
        let lines: Vec<&str> = all.split_inclusive('\n').collect();
        // As many however long the pages are: they change with the project.
        let at = |n: usize| n * lines.len() / PAGES;
        let parts: Vec<String> = (0..PAGES).map(|n| lines[at(n)..at(n + 1)].concat()).collect();
        for (n, part) in parts.iter().enumerate() {
            std::fs::write(folder.join(format!("page{n:03}.txt")), part).map_err(|e| e.to_string())?;
        }
        if parts.iter().any(String::is_empty) {
            return Err(format!("{} lines are too few for {PAGES} pages", lines.len()));
        }
        let out = self.as_member(&["cp", "-r", &folder.display().to_string(), "my:texts/"])?;
        ended(out.await).map(|_| count(&all))
    }

    /// Counts the words: the result equals the plain answer, though a machine was killed over it and another lied, which is
    /// named.
    pub async fn words_counted(&mut self, plain: BTreeMap<String, u64>) -> Result<(), String> {
        self.kill(LIES..LIES + 1);
        self.respawn(LIES, Some("PUMASI_DEV_LIE_RESULTS")).await?;
        let job = self.as_member(&[
            "map",
            "guest:wordcount-map",
            "my:texts/",
            "--reduce",
            "guest:wordcount-reduce",
            "--split",
            "1KiB",
            "--parts",
            "4",
            "--trust",
            "public",
            "--to",
            "my:words/",
            "--quiet",
            "--json",
        ])?;
        let begun = Instant::now();
        while self.job().await.is_none_or(|job| job["done"].as_u64().unwrap_or(0) < DONE_BEFORE) {
            if begun.elapsed() > PATIENCE {
                return Err(format!("the job does not begin: {}", self.log("pc1.log")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        // It dies over a task: while a guest runs on it.
        while !self.nodes[DIES].child.as_ref().is_some_and(|child| has_guest(child.id())) {
            if begun.elapsed() > PATIENCE {
                return Err("the machine that was to die over a task got none".into());
            }
            tokio::time::sleep(GUEST_LOOK).await;
        }
        self.kill(DIES..DIES + 1);
        match tokio::time::timeout(JOB_PATIENCE, job).await {
            Ok(out) => drop(ended(out)?),
            Err(_) => return Err(format!("the job did not end: {}", self.job().await.unwrap_or_default())),
        }
        let job = self.job().await.ok_or("the job is not known any more")?;
        let told = |what: &str| Err(format!("{what}: {job}"));
        if job["state"] != "done" || job["items"].as_u64().unwrap_or(0) < ITEMS as u64 || job["failed"] != 0 {
            return told("the job did not end well");
        }
        if job["moved"].as_u64().unwrap_or(0) + job["copies"].as_u64().unwrap_or(0) == 0 {
            return told("no task of the machine that was killed was begun elsewhere");
        }
        let liars: Vec<&str> =
            job["liars"].as_array().into_iter().flatten().filter_map(|l| l["name"].as_str()).collect();
        if liars != [self.nodes[LIES].name.as_str()] {
            return told("another machine than the one that lied was named");
        }
        let mut counted = BTreeMap::new();
        for part in 0..4 {
            let text = ended(self.as_member(&["cat", &format!("my:words/part-{part:05}")])?.await)?;
            for line in text.lines() {
                let (word, n) = line.split_once('\t').ok_or_else(|| format!("no record: {line}"))?;
                counted.insert(word.to_owned(), n.parse().map_err(|_| format!("no number: {line}"))?);
            }
        }
        if counted != plain {
            let differs = counted.iter().filter(|(word, n)| plain.get(*word) != Some(n)).count();
            return Err(format!("{} words, {differs} of them otherwise than the plain {}", counted.len(), plain.len()));
        }
        self.kill(LIES..LIES + 1);
        self.respawn(LIES, None).await?;
        self.respawn(DIES, None).await
    }

    /// Starts a machine again, perhaps with a fault.
    async fn respawn(&mut self, index: usize, dev: Option<&str>) -> Result<(), String> {
        let machine = &self.nodes[index];
        let (args, mut log) = (["agent", "run", "--sensors", "scripted"], machine.name.clone());
        let _ = write!(log, "-{}.log", dev.unwrap_or("again"));
        let child = self.spawn_as(&machine.app.home, &args, &log, dev)?;
        self.nodes[index].child = Some(child);
        self.lends(index).await
    }

    /// The newest job as the member sees it.
    async fn job(&self) -> Option<Value> {
        let out = self.as_member(&["job", "show", "last", "--json"]).ok()?.await.ok()?.ok()?;
        serde_json::from_slice(&out.stdout).ok()
    }

    /// A command of the member whose machine is the first; it runs at once.
    fn as_member(&self, args: &[&str]) -> Result<JoinHandle<std::io::Result<Output>>, String> {
        let exe: PathBuf = std::env::current_exe().map_err(|e| e.to_string())?;
        let home = &self.nodes[MEMBER].app.home.data;
        let mut command = Command::new(exe);
        command.args(args).env("PUMASI_HOME", home.parent().unwrap_or(home)).env_remove("XDG_RUNTIME_DIR");
        command.env_remove(PARENT_PIPE).stdin(Stdio::null()).kill_on_drop(true);
        Ok(tokio::spawn(async move { command.output().await }))
    }
}

/// Whether a sandbox runs below an agent.
fn has_guest(agent: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{agent}/task")).into_iter().flatten().flatten();
    let children = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
    tasks.map(children).any(|children| !children.trim().is_empty())
}

fn ended(out: Result<std::io::Result<Output>, tokio::task::JoinError>) -> Result<String, String> {
    let out = out.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    match out.status.success() {
        true => Ok(String::from_utf8_lossy(&out.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&out.stderr).trim().to_owned()),
    }
}

/// The plain answer: words are runs of ASCII letters and digits and of bytes from 0x80 on, in lower case.
fn count(text: &str) -> BTreeMap<String, u64> {
    let mut words = BTreeMap::new();
    for word in text.as_bytes().split(|b| !(b.is_ascii_alphanumeric() || *b >= 0x80)).filter(|w| !w.is_empty()) {
        let word = String::from_utf8_lossy(word).to_ascii_lowercase();
        *words.entry(word).or_default() += 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_as_the_guest_counts_them() {
        let counted = count("The cat, the CAT's 2 cats — 互助云!\n");
        let told: Vec<(&str, u64)> = counted.iter().map(|(word, n)| (word.as_str(), *n)).collect();
        assert_eq!(told, [("2", 1), ("cat", 2), ("cats", 1), ("s", 1), ("the", 2), ("—", 1), ("互助云", 1)]);
    }
}
