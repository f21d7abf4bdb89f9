//! What must be so when the last fault has ended, as named checks that can fail. Beside each stands what shortened days had a
//! part in.

use super::linear::{Verdict, What, judge};
use super::nemesis::Done;
use super::plan::{pick, stream};
use super::work::Work;
use super::world::{Who, World};
use super::{ms, say, scrubbed, until};
use crate::app::App;
use crate::clock;
use model::Stamp;
use node::storage::Cursors;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Longest wait until every node is on.
const BACK: Duration = Duration::from_secs(60);
/// Longest wait until all pieces stand, what rotted included.
const HEAL: Duration = Duration::from_secs(180);
/// Longest wait until nodes hold what they are accounted for.
const SETTLE: Duration = Duration::from_secs(120);
/// Until then a name that does not read is asked for again; behind it each has one try.
const READ: Duration = Duration::from_secs(180);
/// Clocks go on by more than a day, so that each node reads the logs of its groups whole and notices what they do not know; …
const DAY: Duration = Duration::from_secs(26 * 3_600);
/// … then by more than the 72 h for which such a piece is kept.
const UNKNOWN: Duration = Duration::from_secs(74 * 3_600);

/// What the checks look at.
pub struct Checker<'a> {
    /// How to speak.
    pub app: &'a App,
    /// The processes.
    pub world: &'a World,
    /// What was asked and answered.
    pub work: &'a Work,
    /// Pieces that rebuild a segment.
    pub k: usize,
    /// Pieces of a segment.
    pub n: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Whose bits rotted.
    pub rotten: usize,
}

/// A name's history, read once more after everything, and what it comes to.
#[derive(Debug, Default)]
struct Final {
    read: u32,
    absent: u32,
    failed: Vec<String>,
}

impl Checker<'_> {
    /// All of them, in order; how many failed.
    pub async fn all(&self, done: &Done, planned: usize) -> u32 {
        let mut bad = 0;
        bad += self.say("faults_done", Instant::now(), false, faults_done(done, planned));
        let begun = Instant::now();
        let back = self.world.until_on(self.world.size(), BACK).await;
        bad += self.say("all_back", begun, false, back.map(|()| json!(self.world.size())));
        let begun = Instant::now();
        bad += self.say("healed", begun, true, self.healed().await);
        let begun = Instant::now();
        bad += self.say("ledger", begun, true, self.ledger().await);
        let begun = Instant::now();
        let dead = self.kill_most().await;
        let last = self.read_all().await;
        let failed = if last.failed.is_empty() { Ok(()) } else { Err(last.failed.join("; ")) };
        let found = |()| json!({"objects": last.read, "absent": last.absent, "nodes_dead": dead});
        bad += self.say("read_back", begun, false, failed.map(found));
        bad += self.say("listed", Instant::now(), false, self.listed().await);
        bad += self.say("no_wrong_byte", Instant::now(), false, self.no_wrong_byte());
        let begun = Instant::now();
        bad += self.say("linearizable", begun, false, self.linearizable());
        let begun = Instant::now();
        bad += self.say("disks_verify", begun, false, self.disks_verify().await);
        bad
    }

    /// One line; 1 where it failed.
    fn say(&self, id: &str, begun: Instant, is_scaled: bool, came: Result<Value, String>) -> u32 {
        let mut fields = json!({"id": id, "ok": came.is_ok(), "ms": ms(begun)});
        if is_scaled {
            fields["time_scale"] = json!(self.world.time_scale);
        }
        let failed = u32::from(came.is_err());
        match came {
            Ok(found) => fields["found"] = found,
            Err(why) => fields["why"] = json!(why.chars().take(2_000).collect::<String>()),
        }
        say(self.app, "check", &fields);
        failed
    }

    /// The disk with rotten bits is looked at by the node's own code, all of it at once instead of within a month; what it finds
    /// is told, and then every segment has all its pieces.
    async fn healed(&self) -> Result<Value, String> {
        let who = Who::Node(self.rotten);
        let told = async || {
            Ok::<_, String>(self.world.node(self.rotten).await?["events"].to_string().matches("pieces_lost").count())
        };
        let before = told().await?;
        self.world.kill(who).await;
        let looked = scrubbed(&self.world.data(self.rotten).join("pieces")).await?;
        self.world.run_again(who).await?;
        self.world.until_on(self.world.size(), BACK).await?;
        until(HEAL, || self.is_full()).await?;
        Ok(json!({"pieces": self.n, "told_before": before, "found_by_scrub": looked.damaged, "told": told().await?}))
    }

    async fn is_full(&self) -> Result<(), String> {
        for node in 0..self.world.size() {
            let damaged = self.world.node(node).await?["held"]["damaged"].as_u64();
            if damaged != Some(0) {
                return Err(format!("node{node} has {damaged:?} damaged pieces"));
            }
        }
        let shown = self.world.shown("client0", &["bucket", "show", "chaos", "--json"]).await?;
        let pieces = shown["survives"]["pieces"].as_u64();
        // A bucket of which nothing is left has no pieces that could be lacking.
        if pieces >= Some(self.n as u64) || shown["survives"].is_null() {
            Ok(())
        } else {
            Err(shown["survives"].to_string())
        }
    }

    /// Four days later each node holds exactly what the center accounts for.
    async fn ledger(&self) -> Result<Value, String> {
        self.world.move_clocks(DAY).await?;
        let since = Stamp(clock::now().as_ms() + span_ms(DAY / 2));
        until(SETTLE, || self.logs_read(since)).await?;
        self.world.move_clocks(DAY + UNKNOWN).await?;
        until(SETTLE, || self.is_as_accounted()).await?;
        // What the look at the rotten disk found has been told by now, if it had not been before: it was made anew as well.
        until(HEAL, || self.is_full()).await?;
        until(SETTLE, || self.is_as_accounted()).await?;
        let mut pieces = Vec::new();
        for node in 0..self.world.size() {
            pieces.push(self.world.node(node).await?["held"]["pieces"].clone());
        }
        Ok(json!({"clock_ahead_h": (DAY + UNKNOWN).as_secs() / 3_600, "pieces": pieces}))
    }

    /// Every node has read the logs of all its groups whole since then, and so noticed what they do not know.
    async fn logs_read(&self, since: Stamp) -> Result<(), String> {
        for node in 0..self.world.size() {
            // Looked at as a copy: what a node has open is the node's.
            let (copy, pieces) = (self.world.root("groups"), self.world.data(node).join("pieces"));
            std::fs::create_dir_all(&copy).map_err(|e| e.to_string())?;
            for file in ["groups.sqlite", "groups.sqlite-wal"] {
                std::fs::copy(pieces.join(file), copy.join(file)).map_err(|e| format!("node{node}: {file}: {e}"))?;
            }
            let cursors = Cursors::open(&copy).and_then(|cursors| cursors.all());
            std::fs::remove_dir_all(&copy).map_err(|e| e.to_string())?;
            let late = cursors.map_err(|e| e.to_string())?.into_iter().find(|(_, cursor)| cursor.full_at < Some(since));
            if let Some((pg, _)) = late {
                return Err(format!("node{node} has not read the log of {pg} whole"));
            }
        }
        Ok(())
    }

    async fn is_as_accounted(&self) -> Result<(), String> {
        for node in 0..self.world.size() {
            let shown = self.world.node(node).await?;
            let (held, accounted) = (&shown["held"], &shown["accounted"]);
            let is = |key: &str| held[key].is_u64() && held[key] == accounted[key];
            if !is("pieces") || !is("size_bytes") || held["damaged"] != 0 {
                return Err(format!("node{node} holds {held}, accounted for are {accounted}"));
            }
        }
        Ok(())
    }

    /// As many nodes are killed as may be, and what machines kept of what they sent is taken away: only pieces are left.
    async fn kill_most(&self) -> usize {
        let (mut rng, mut alive) = (stream(self.seed, 3), (0..self.world.size()).collect::<Vec<_>>());
        while alive.len() > self.k {
            self.world.kill(Who::Node(alive.remove(pick(&mut rng, alive.len())))).await;
        }
        self.world.kill(Who::Keeper).await;
        self.world.forget_sent();
        self.world.size() - alive.len()
    }

    /// Every name that was ever used, once more, by another client than before.
    async fn read_all(&self) -> Final {
        let keys: Vec<String> = self.work.history().keys().cloned().collect();
        let mut last = Final::default();
        let begun = Instant::now();
        for (at, key) in keys.iter().enumerate() {
            let read = loop {
                match self.work.read(at % 2, key).await {
                    Err(_) if begun.elapsed() < READ => tokio::time::sleep(Duration::from_millis(500)).await,
                    read => break read,
                }
            };
            match read {
                Ok(Some(_)) => last.read += 1,
                Ok(None) => last.absent += 1,
                Err(why) => last.failed.push(format!("{key}: {why}")),
            }
        }
        last
    }

    /// The listing shows what reads, and nothing else.
    async fn listed(&self) -> Result<Value, String> {
        let listed = self.work.list(0).await.ok_or("the bucket cannot be listed")?;
        let there = |ops: &Vec<super::linear::Op>| {
            let last = ops.iter().filter(|op| matches!(op.what, What::Get(_))).max_by_key(|op| op.call);
            last.is_some_and(|op| matches!(op.what, What::Get(Some(_))))
        };
        let want: BTreeSet<String> =
            self.work.history().iter().filter(|(_, ops)| there(ops)).map(|(key, _)| key.clone()).collect();
        let (more, less): (Vec<_>, Vec<_>) = (listed.difference(&want).collect(), want.difference(&listed).collect());
        if more.is_empty() && less.is_empty() {
            return Ok(json!(listed.len()));
        }
        Err(format!("listed and not readable: {more:?}; readable and not listed: {less:?}"))
    }

    fn no_wrong_byte(&self) -> Result<Value, String> {
        let wrong = self.work.counts().wrong;
        let reads = |op: &super::linear::Op| matches!(op.what, What::Get(Some(_)));
        let all: usize = self.work.history().values().map(|ops| ops.iter().filter(|op| reads(op)).count()).sum();
        if wrong.is_empty() { Ok(json!({"reads": all})) } else { Err(wrong.join("; ")) }
    }

    fn linearizable(&self) -> Result<Value, String> {
        let history = self.work.history();
        let mut bad = Vec::new();
        for (key, ops) in history.iter() {
            match judge(ops) {
                Verdict::Explained => {}
                verdict => bad.push(format!("{key} {verdict:?}: {ops:?}")),
            }
        }
        let ops: usize = history.values().map(Vec::len).sum();
        if bad.is_empty() { Ok(json!({"names": history.len(), "calls": ops})) } else { Err(bad.join("; ")) }
    }

    /// With every process ended, every piece on every disk is what it should be.
    async fn disks_verify(&self) -> Result<Value, String> {
        self.world.end().await;
        let mut all = 0;
        for node in 0..self.world.size() {
            let looked = scrubbed(&self.world.data(node).join("pieces")).await;
            let looked = looked.map_err(|why| format!("node{node}: {why}"))?;
            if looked.damaged > 0 {
                return Err(format!("node{node}: {} of {} pieces do not verify", looked.damaged, looked.pieces));
            }
            all += looked.pieces;
        }
        Ok(json!({"pieces": all}))
    }
}

/// Every fault of the plan took place and ended.
fn faults_done(done: &Done, planned: usize) -> Result<Value, String> {
    let seen: u32 = done.seen.values().sum();
    if done.failed.is_empty() && seen as usize == planned {
        return Ok(json!({"faults": seen}));
    }
    Err(format!("{seen} of {planned}: {}", done.failed.join("; ")))
}

fn span_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
