//! What people do meanwhile: several machines of one account store, read, remove and list by the commands a person types, and
//! every call is written down with its moments and its answer. What is read says itself which version it is, and is compared byte
//! for byte.

use super::linear::{Op, What};
use super::plan::{pick, stream};
use super::world::World;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Names that everybody uses at once.
const HOT: usize = 10;
/// Where everything is stored.
pub const BUCKET: &str = "my:chaos/";
/// A command that takes longer is killed; what it did is unknown.
const TOO_LONG: Duration = Duration::from_secs(60);
/// What a put may be told and then has not happened: a condition, too few holders, no room, nobody fits.
const NEVER: [&str; 4] = ["E0305", "E0306", "E0311", "E0506"];
/// Bytes in front of a content: the number of its version and its length.
const HEAD: usize = 16;
/// Longest content that travels in its manifest, and longest that shares a segment with others.
const INLINE: u64 = 4_096;
const PACKED: u64 = 4 << 20;

/// Counts of what was done.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    /// Calls by verb and outcome.
    pub calls: BTreeMap<String, u32>,
    /// What the first of those said that were told no.
    pub said: BTreeMap<String, String>,
    /// Reads whose bytes were other than any that were stored, with what was seen.
    pub wrong: Vec<String>,
}

/// Clients and their history.
pub struct Work {
    world: Arc<World>,
    begun: Instant,
    seed: u64,
    next: AtomicU64,
    stopped: AtomicBool,
    /// Of each client: the next put is killed so many milliseconds after it began; 0 where not.
    doomed: Vec<AtomicU64>,
    history: Mutex<BTreeMap<String, Vec<Op>>>,
    counts: Mutex<Counts>,
}

/// The content of a version: what it is stands in front, the rest repeats nowhere.
fn content(version: u64, len: u64) -> Vec<u8> {
    let mut out = vec![0; usize::try_from(len).expect("a few MiB").max(HEAD)];
    blake3::Hasher::new().update(&version.to_le_bytes()).finalize_xof().fill(&mut out);
    out[..8].copy_from_slice(&version.to_le_bytes());
    out[8..HEAD].copy_from_slice(&len.to_le_bytes());
    out
}

/// Which version this is, where it is one from the first byte to the last; where a read broke off, from the first on.
fn version_of(read: &[u8], is_whole: bool) -> Result<u64, String> {
    let number = |at: usize| read.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let (Some(version), Some(len)) = (number(0), number(8)) else { return Err(format!("{} bytes", read.len())) };
    if len > 2 * PACKED {
        return Err(format!("version {version} of {len} bytes"));
    }
    let want = content(version, len);
    let same = if is_whole { read == want } else { want.starts_with(read) };
    if same { Ok(version) } else { Err(format!("version {version}: {} bytes, not as stored", read.len())) }
}

/// The id of the error a command ended with.
fn error_id(out: &Output) -> String {
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    let error = text.lines().rev().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let id = error.as_ref().and_then(|error| error["id"].as_str());
    id.map_or_else(|| format!("exit {:?}", out.status.code()), str::to_owned)
}

impl Work {
    /// Clients of a world.
    pub fn new(world: &Arc<World>, seed: u64, clients: usize) -> Self {
        Self {
            world: Arc::clone(world),
            begun: Instant::now(),
            seed,
            next: AtomicU64::new(1),
            stopped: AtomicBool::new(false),
            doomed: (0..clients).map(|_| AtomicU64::new(0)).collect(),
            history: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    /// No further call begins.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The history of each name.
    pub fn history(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Op>>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, verb: &str, outcome: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.calls.entry(format!("{verb} {outcome}")).or_default() += 1;
    }

    /// What came of a command that ended, counted.
    fn outcome(&self, verb: &str, out: &Output) -> String {
        let id = if out.status.success() { "ok".to_owned() } else { error_id(out) };
        self.count(verb, &id);
        if !out.status.success() {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let said = || String::from_utf8_lossy(&out.stderr).trim().chars().take(600).collect();
            counts.said.entry(format!("{verb} {id}")).or_insert_with(said);
        }
        id
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn note(&self, key: &str, op: Op) {
        self.history().entry(key.to_owned()).or_default().push(op);
    }

    /// Kills the next put of a client `after` it began, sooner where it ends before; an error where none was there to be killed.
    pub async fn doom(&self, client: usize, after: Duration) -> Result<(), String> {
        let ms = u64::try_from(after.as_millis()).unwrap_or(1).max(1);
        self.doomed[client].store(ms, Ordering::Relaxed);
        while self.doomed[client].load(Ordering::Relaxed) > 0 {
            if self.stopped.load(Ordering::Relaxed) {
                return Err("no put was under way until the end".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// One client until it is stopped.
    pub async fn client(self: Arc<Self>, client: usize) {
        let mut rng = stream(self.seed, 100 + client as u64);
        let mut cold = Vec::new();
        while !self.stopped.load(Ordering::Relaxed) {
            self.step(client, &mut rng, &mut cold).await;
        }
    }

    async fn step(&self, client: usize, rng: &mut ChaCha8Rng, cold: &mut Vec<String>) {
        let hot = format!("hot-{}", pick(rng, HOT));
        match pick(rng, 100) {
            0..=23 => self.put(client, &hot, rng).await,
            24..=39 => {
                let key = format!("cold-{client}-{}", cold.len());
                self.put(client, &key, rng).await;
                cold.push(key);
            }
            40..=69 => self.get(client, &hot).await,
            70..=79 if !cold.is_empty() => self.get(client, &cold[pick(rng, cold.len())]).await,
            80..=87 => self.delete(client, &hot).await,
            88..=91 if !cold.is_empty() => self.delete(client, &cold[pick(rng, cold.len())]).await,
            _ => drop(self.list(client).await),
        }
    }

    /// A command, its moments, and what came of it: nothing where it was killed.
    async fn call(&self, client: usize, args: &[&str], doomed: Option<u64>) -> (u64, u64, Option<Output>) {
        let called = self.now();
        let Ok(child) = self.world.begin(&format!("client{client}"), args) else { return (called, called, None) };
        let patience = doomed.map_or(TOO_LONG, Duration::from_millis);
        // Dropped at the end of its time, and killed by that.
        let ended = tokio::time::timeout(patience, child.wait_with_output()).await;
        (called, self.now(), ended.ok().and_then(Result::ok))
    }

    async fn put(&self, client: usize, key: &str, rng: &mut ChaCha8Rng) {
        let version = self.next.fetch_add(1, Ordering::Relaxed);
        let len = HEAD as u64
            + match pick(rng, 20) {
                0..=7 => rng.next_u64() % INLINE,
                8..=17 => INLINE + rng.next_u64() % 300_000,
                _ => PACKED + rng.next_u64() % (2 << 20),
            };
        let path = self.world.root(&format!("put-{client}"));
        if std::fs::write(&path, content(version, len)).is_err() {
            return self.count("put", "not begun");
        }
        let doomed = Some(self.doomed[client].load(Ordering::Relaxed)).filter(|ms| *ms > 0);
        let (from, place) = (path.display().to_string(), format!("{BUCKET}{key}"));
        let (call, answer, out) = self.call(client, &["cp", &from, &place, "--json"], doomed).await;
        let what = What::Put(version);
        match out {
            None => {
                if doomed.is_some() {
                    self.doomed[client].store(0, Ordering::Relaxed);
                }
                self.count("put", if doomed.is_some() { "killed" } else { "without end" });
                self.note(key, Op { call, answer: None, what });
            }
            Some(out) => {
                if let Some(ms) = doomed {
                    self.doomed[client].store((ms / 2).max(1), Ordering::Relaxed);
                }
                match self.outcome("put", &out).as_str() {
                    "ok" => self.note(key, Op { call, answer: Some(answer), what }),
                    id if NEVER.contains(&id) => {}
                    _ => self.note(key, Op { call, answer: None, what }),
                }
            }
        }
    }

    async fn delete(&self, client: usize, key: &str) {
        let (call, answer, out) = self.call(client, &["rm", &format!("{BUCKET}{key}"), "--yes", "--json"], None).await;
        let id = out
            .map_or_else(|| "without end".to_owned(), |o| if o.status.success() { "ok".into() } else { error_id(&o) });
        self.count("delete", &id);
        match id.as_str() {
            "ok" => self.note(key, Op { call, answer: Some(answer), what: What::Delete }),
            // That there is nothing to remove is what a read would have said.
            "E0304" => self.note(key, Op { call, answer: Some(answer), what: What::Get(None) }),
            _ => self.note(key, Op { call, answer: None, what: What::Delete }),
        }
    }

    /// Reads a name; what came of it: a version, nothing, or why it is not known.
    pub async fn read(&self, client: usize, key: &str) -> Result<Option<u64>, String> {
        let (call, answer, out) = self.call(client, &["cat", &format!("{BUCKET}{key}"), "--json"], None).await;
        let Some(out) = out else { return Err("without end".to_owned()) };
        let is_whole = out.status.success();
        let id = if is_whole { String::new() } else { error_id(&out) };
        let got = match id.as_str() {
            "" => Some(version_of(&out.stdout, true)),
            "E0304" | "E0301" => None,
            id => {
                // What came before it broke off is right too.
                if out.stdout.len() >= HEAD
                    && let Err(why) = version_of(&out.stdout, false)
                {
                    self.is_wrong(key, &why);
                }
                let said = String::from_utf8_lossy(&out.stderr).trim().chars().take(300).collect::<String>();
                return Err(format!("{id} {said}"));
            }
        };
        let got = match got.transpose() {
            Ok(got) => got,
            Err(why) => {
                self.is_wrong(key, &why);
                return Err(why);
            }
        };
        self.note(key, Op { call, answer: Some(answer), what: What::Get(got) });
        Ok(got)
    }

    fn is_wrong(&self, key: &str, why: &str) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).wrong.push(format!("{key}: {why}"));
    }

    async fn get(&self, client: usize, key: &str) {
        let outcome = match self.read(client, key).await {
            Ok(Some(_)) => "ok".to_owned(),
            Ok(None) => "nothing".to_owned(),
            Err(why) => why.split(' ').next().unwrap_or_default().to_owned(),
        };
        self.count("get", &outcome);
    }

    /// Lists everything; for each name that was ever used it says whether it is there.
    pub async fn list(&self, client: usize) -> Option<BTreeSet<String>> {
        let used: Vec<String> = self.history().keys().cloned().collect();
        let (call, answer, out) = self.call(client, &["ls", BUCKET, "-o", "id"], None).await;
        let outcome = out
            .as_ref()
            .map_or_else(|| "without end".into(), |o| if o.status.success() { "ok".into() } else { error_id(o) });
        self.count("list", &outcome);
        let out = out.filter(|out| out.status.success())?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let listed: BTreeSet<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        let all: BTreeSet<&String> = used.iter().chain(&listed).collect();
        for key in all {
            self.note(key, Op { call, answer: Some(answer), what: What::Seen(listed.contains(key)) });
        }
        Some(listed)
    }
}
