//! The demo's cloud: homes, processes, and what is asked of them.

mod compute;
mod files;
mod ledger;
mod s3;
mod webdav;

use super::said;
use crate::app::App;
use crate::cli::join::{self, Entry};
use crate::cli::{Form, center as center_cli, invite, node as node_cli};
use crate::fault::Fault;
use crate::home::Home;
use crate::local::ask_agent;
use crate::process::PARENT_PIPE;
use center::CenterCard;
pub use compute::ITEMS;
use model::{NodeState, PauseReason, Presence, Roles};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use wire::fleet::{NodeFilter, NodeLine};
use wire::local::{LocalAnswer, LocalAsk};

/// Where the demo's machines say they stand.
const REGIONS: [&str; 11] = [
    "asia/kr/seoul",
    "asia/jp",
    "europe/de",
    "north-america/us",
    "south-america/br",
    "oceania/au",
    "africa/ke",
    "asia/cn",
    "europe/fr",
    "asia/in",
    "north-america/ca",
];
/// The center's settings: nodes call often and may be stewards soon, so that an onlooker need not wait for minutes.
const SETTINGS: &str = "[fleet]\nperiod_busy_s = 12\nperiod_idle_s = 12\n\n[storage]\nsteward_after_s = 2\n";
/// By how much the demo's days are shortened, as [`DEMO_SETTINGS`] say.
pub const TIME_SCALE: u32 = 4_320;
/// The same with days shortened so that the 72 h after which a PC that is gone counts as missing are one minute.
const DEMO_SETTINGS: &str = "dev = true\ntime_scale = 4320\n\n[fleet]\nperiod_busy_s = 12\nperiod_idle_s = 12\n\n[storage]\nsteward_after_s = 2\n";
/// Longest wait until what was lost is made anew: until the dead count as missing, and then until all pieces stand.
const HEAL_PATIENCE: Duration = Duration::from_secs(240);
/// Those of a cloud that is measured.
const BENCH_SETTINGS: &str = "[fleet]\nperiod_busy_s = 1\nperiod_idle_s = 1\n\n[storage]\nsteward_after_s = 0\n";
/// The same without stewards: there is nothing that they could read.
const DISCARD_SETTINGS: &str =
    "[fleet]\nperiod_busy_s = 1\nperiod_idle_s = 1\n\n[storage]\nsteward_after_s = 1000000\n";
/// Longest wait until every node holds its pieces.
const FILL_PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for a state that must come.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Name of the stored object; looked for in every file afterwards.
const OBJECT: &str = "family/letters-from-grandmother.txt";

struct Machine {
    app: App,
    name: String,
    child: Option<Child>,
}

impl Machine {
    fn new(app: &App, dir: &Path, index: usize) -> Self {
        Self { app: quiet(app, dir, &format!("node{}", index + 1)), name: format!("pc{}", index + 1), child: None }
    }
}

/// The program in a home of its own below `dir`, which says nothing and asks nothing.
fn quiet(app: &App, dir: &Path, name: &str) -> App {
    let root = dir.join(name).display().to_string();
    let home = Home::find(|key| (key == "PUMASI_HOME").then(|| root.clone())).expect("PUMASI_HOME is given");
    let mut app = App { home, ..app.clone() };
    app.out.quiet = true;
    app.out.yes = true;
    app.out.form = Form::Id;
    app
}

/// A center's home, and those of the nodes.
pub struct Cloud {
    operator: App,
    center: Option<Child>,
    writer: Option<Child>,
    gateway: Option<Child>,
    tool: Option<gateway::tool::Tool>,
    card: Option<CenterCard>,
    nodes: Vec<Machine>,
    dir: PathBuf,
    seed: u64,
    /// The center's settings.
    settings: &'static str,
    /// How nodes lend.
    profile: &'static str,
    /// Nodes keep no bytes of pieces.
    discards: bool,
}

impl Cloud {
    /// Homes in `dir`; nothing runs yet.
    pub fn new(app: &App, dir: &Path, size: usize, seed: u64) -> Self {
        let nodes = (0..size).map(|i| Machine::new(app, dir, i));
        let (operator, nodes, dir) = (quiet(app, dir, "center"), nodes.collect(), dir.to_owned());
        Self {
            operator,
            center: None,
            writer: None,
            gateway: None,
            tool: None,
            card: None,
            nodes,
            dir,
            seed,
            settings: SETTINGS,
            profile: "whisper",
            discards: false,
        }
    }

    /// The same with shortened days.
    #[must_use]
    pub fn with_short_days(self) -> Self {
        Self { settings: DEMO_SETTINGS, ..self }
    }

    /// The same, for measuring: nodes lend all they have, call every second, and may be stewards at once.
    #[must_use]
    pub fn for_bench(self) -> Self {
        Self { settings: BENCH_SETTINGS, profile: "always", ..self }
    }

    /// The same with nodes that acknowledge pieces and keep none of their bytes, and make none for others.
    #[must_use]
    pub fn discarding(self) -> Self {
        Self { settings: DISCARD_SETTINGS, discards: true, ..self }
    }

    /// The operator's home, whose account stores.
    pub fn operator(&self) -> &App {
        &self.operator
    }

    /// Process numbers of center and nodes.
    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(|n| n.child.as_ref()).chain(&self.center).map(Child::id).collect()
    }

    /// How many nodes.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// Address of the page of the fleet.
    pub fn page(&self) -> String {
        self.card.as_ref().map_or_else(String::new, CenterCard::page)
    }

    fn spawn(&self, home: &Home, args: &[&str], log: &str) -> Result<Child, String> {
        self.spawn_as(home, args, log, self.discards.then_some("PUMASI_DEV_DISCARD"))
    }

    /// The same with a word in its environment.
    fn spawn_as(&self, home: &Home, args: &[&str], log: &str, dev: Option<&str>) -> Result<Child, String> {
        let exe = std::env::current_exe().map_err(|e| e.to_string())?;
        let root = home.data.parent().unwrap_or(&home.data);
        let file = std::fs::File::create(self.dir.join(log)).map_err(|e| e.to_string())?;
        let err = file.try_clone().map_err(|e| e.to_string())?;
        let mut command = Command::new(exe);
        command.args(args).env("PUMASI_HOME", root).env(PARENT_PIPE, "1").env_remove("XDG_RUNTIME_DIR");
        if let Some(word) = dev {
            command.env(word, "1");
        }
        command.stdin(Stdio::piped()).stdout(file).stderr(err).spawn().map_err(|e| e.to_string())
    }

    fn log(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        text.lines().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(" | ")
    }

    /// The center of a new cloud, and its operator as a member.
    pub async fn start_center(&mut self) -> Result<(), String> {
        let args = [
            "init",
            "--name",
            "Demo cloud",
            "--foreground",
            "--bind",
            "127.0.0.1",
            "--port",
            "0",
            "--relay-port",
            "0",
            "--http",
            "127.0.0.1:0",
            "--yes",
        ];
        let folder = self.operator.home.center();
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        std::fs::write(folder.join(center::Settings::FILE), self.settings).map_err(|e| e.to_string())?;
        self.center = Some(self.spawn(&self.operator.home, &args, "center.log")?);
        let begun = Instant::now();
        let card = loop {
            if let Some(card) = center_cli::read_card(&self.operator) {
                break card;
            }
            if begun.elapsed() > PATIENCE {
                return Err(self.log("center.log"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let ticket = center_cli::first_ticket(&self.operator, &card, "", Roles::BOTH).await.map_err(|e| said(&e))?;
        let entry =
            Entry { name: "operator".into(), bind: Some([127, 0, 0, 1].into()), lends: false, ..Entry::default() };
        self.card = Some(card);
        join::enter(&self.operator, &ticket, &entry, join::Before::Nothing).await.map_err(|e| said(&e))
    }

    /// A ticket for one machine.
    pub async fn invite(&self) -> Result<String, String> {
        let args = invite::InviteArgs { name: String::new(), role: "both".into(), uses: 1, expires: "1h".into() };
        invite::make(&self.operator, &args).await.map(|made| made.ticket.to_string()).map_err(|e| said(&e))
    }

    async fn join(&mut self, index: usize) -> Result<(), String> {
        let ticket = self.invite().await?;
        let machine = &self.nodes[index];
        let bind = format!("127.{}.0.1", index + 1);
        let args = [
            "join",
            &ticket,
            "--yes",
            "--foreground",
            "--sensors",
            "scripted",
            "--name",
            &machine.name,
            "--region",
            REGIONS[index % REGIONS.len()],
            "--bind",
            &bind,
            "--disk",
            if self.discards { "32GiB" } else { "8GiB" },
            "--profile",
            self.profile,
        ];
        let child = self.spawn(&machine.app.home, &args, &format!("{}.log", machine.name))?;
        self.nodes[index].child = Some(child);
        Ok(())
    }

    async fn lends(&mut self, index: usize) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let machine = &mut self.nodes[index];
            let status = ask_agent(&machine.app.home, &LocalAsk::Status).await;
            if let Ok(LocalAnswer::Status(status)) = status
                && status.last_check_in.is_some()
            {
                return Ok(());
            }
            let ended = machine.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|s| s.is_some()));
            if ended || begun.elapsed() > PATIENCE {
                let log = format!("{}.log", machine.name);
                return Err(self.log(&log));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// So many more machines join.
    pub async fn join_more(&mut self, count: usize) -> Result<(), String> {
        for _ in 0..count {
            let index = self.nodes.len();
            self.nodes.push(Machine::new(&self.operator, &self.dir, index));
            self.join(index).await?;
            self.lends(index).await?;
        }
        Ok(())
    }

    /// A machine's home.
    pub fn machine(&self, index: usize) -> App {
        self.nodes[index].app.clone()
    }

    /// Where a machine says it stands.
    pub fn region(&self, index: usize) -> &'static str {
        REGIONS[index % REGIONS.len()]
    }

    /// The agents of some machines that have joined, in one process, which counts as the first one's.
    pub fn spawn_many(&mut self, range: std::ops::Range<usize>) -> Result<(), String> {
        let root = |index: usize| {
            let data = &self.nodes[index].app.home.data;
            data.parent().unwrap_or(data).display().to_string()
        };
        let homes: Vec<String> = range.clone().map(root).collect();
        let args: Vec<&str> = ["dev", "nodes"].into_iter().chain(homes.iter().map(String::as_str)).collect();
        let log = format!("{}.log", self.nodes[range.start].name);
        self.nodes[range.start].child = Some(self.spawn(&self.nodes[range.start].app.home, &args, &log)?);
        Ok(())
    }

    /// The agent of the operator's own machine, which lends nothing and keeps what it stored until the pool is full.
    pub fn spawn_writer(&mut self) -> Result<(), String> {
        self.writer =
            Some(self.spawn(&self.operator.home, &["agent", "run", "--sensors", "scripted"], "writer.log")?);
        Ok(())
    }

    /// Waits until so many nodes are on.
    pub async fn until_on(&self, count: usize, patience: Duration) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let on = self.list().await?.iter().filter(|n| n.presence == Presence::On).count();
            if on == count {
                return Ok(());
            }
            if begun.elapsed() > patience {
                return Err(format!("{on} of {count} nodes are on; {}", self.log("pc1.log")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// All but one machine join at the same time.
    pub async fn join_first(&mut self) -> Result<(), String> {
        let last = self.nodes.len() - 1;
        for index in 0..last {
            self.join(index).await?;
        }
        for index in 0..last {
            self.lends(index).await?;
        }
        Ok(())
    }

    /// The last machine joins by one command.
    pub async fn join_last(&mut self) -> Result<(), String> {
        let last = self.nodes.len() - 1;
        self.join(last).await?;
        self.lends(last).await
    }

    async fn list(&self) -> Result<Vec<NodeLine>, String> {
        let filter = NodeFilter { limit: 500, ..NodeFilter::default() };
        node_cli::pages(&self.operator, filter).await.map(|page| page.nodes).map_err(|e: Fault| said(&e))
    }

    /// Every node is on, each with its own owner and its declared region.
    pub async fn all_on(&self) -> Result<(), String> {
        let nodes = self.list().await?;
        let on = nodes.iter().filter(|n| n.presence == Presence::On).count();
        let owners: std::collections::BTreeSet<_> = nodes.iter().map(|n| n.owner).collect();
        let regions = nodes.iter().filter(|n| n.region.is_some()).count();
        let want = self.nodes.len();
        if (on, owners.len(), regions) == (want, want, want) {
            Ok(())
        } else {
            Err(format!("{on} on, {} owners, {regions} regions of {want}", owners.len()))
        }
    }

    /// What every node measured is known; the last one to join had others to measure its network against.
    pub async fn probed(&self) -> Result<(), String> {
        for machine in &self.nodes {
            let detail = node_cli::one(&self.operator, &machine.name).await.map_err(|e| said(&e))?;
            if detail.measured.cpu_score.is_none() || detail.measured.fsync_ms.is_none() {
                return Err(format!("{}: processor or disk is unknown", machine.name));
            }
        }
        let last = &self.nodes[self.nodes.len() - 1].name;
        let detail = node_cli::one(&self.operator, last).await.map_err(|e| said(&e))?;
        if detail.measured.up.is_some() && detail.measured.down.is_some() {
            Ok(())
        } else {
            Err(format!("{last}: network is unknown"))
        }
    }

    /// Waits until what nodes measure when they join is done, so that it is not measured with what comes after.
    pub async fn probed_within(&self, patience: Duration) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            match self.probed().await {
                Err(_) if begun.elapsed() < patience => tokio::time::sleep(LOOK_EVERY).await,
                done => return done,
            }
        }
    }

    /// Input at one machine: its node is paused by its owner, seen at the center, without a penalty.
    pub async fn owner_pauses(&self) -> Result<(), String> {
        let machine = &self.nodes[self.nodes.len() - 1];
        let before = node_cli::one(&self.operator, &machine.name).await.map_err(|e| said(&e))?.integrity_ppm;
        let begun = Instant::now();
        ask_agent(&machine.app.home, &LocalAsk::Script { event: "input".into() }).await.map_err(|e| said(&e))?;
        let Ok(LocalAnswer::Status(status)) = ask_agent(&machine.app.home, &LocalAsk::Status).await else {
            return Err("no status".into());
        };
        if status.state != NodeState::Pause || status.reason != PauseReason::Input {
            return Err(format!("{} ({})", status.state, status.reason));
        }
        while begun.elapsed() < PATIENCE {
            let now = node_cli::one(&self.operator, &machine.name).await.map_err(|e| said(&e))?;
            if now.line.reason == PauseReason::Input {
                let fair = now.integrity_ppm == before && !now.line.quarantined && now.line.presence == Presence::On;
                return if fair { Ok(()) } else { Err("it was judged for it".into()) };
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err("the center was not told".into())
    }

    /// Kills node processes as a pulled plug would.
    pub fn kill(&mut self, range: std::ops::Range<usize>) {
        for machine in &mut self.nodes[range] {
            if let Some(mut child) = machine.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }

    /// The killed nodes are seen as suspect within what is left of 15 s.
    pub async fn suspect(&self, dead: usize, killed_at: Instant, patience: Duration) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let nodes = self.list().await?;
            let suspect = nodes.iter().filter(|n| n.presence == Presence::Suspect).count();
            if suspect == dead {
                return Ok(());
            }
            if begun.elapsed() > patience {
                let seen: Vec<String> = nodes.iter().map(|n| n.presence.to_string()).collect();
                return Err(format!(
                    "{suspect} of {dead} after {} s: {}",
                    killed_at.elapsed().as_secs(),
                    seen.join(" ")
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// With too few pieces the answer is E0307 with both numbers, and no file appears.
    pub async fn degraded(&self, _file: &Path) -> Result<(), String> {
        let back = self.dir.join("never.txt");
        let out = self.command(&["cp", &format!("my:home/{OBJECT}"), &back.display().to_string(), "--json"]).await?;
        let error: serde_json::Value = serde_json::from_slice(&out.stderr).unwrap_or_default();
        let told = error["id"] == "E0307" && out.status.code() == Some(7) && !back.exists();
        if told { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).trim().to_owned()) }
    }

    /// A killed node starts again; nothing is waited for.
    pub fn starts_again(&mut self, index: usize) -> Result<(), String> {
        let machine = &self.nodes[index];
        let child = self.spawn(
            &machine.app.home,
            &["agent", "run", "--sensors", "scripted"],
            &format!("{}-again.log", machine.name),
        )?;
        self.nodes[index].child = Some(child);
        Ok(())
    }

    /// A killed node starts again and is on.
    pub async fn comes_back(&mut self, index: usize) -> Result<(), String> {
        self.starts_again(index)?;
        self.lends(index).await?;
        let name = &self.nodes[index].name;
        let detail = node_cli::one(&self.operator, name).await.map_err(|e| said(&e))?;
        if detail.line.presence == Presence::On { Ok(()) } else { Err(detail.line.presence.to_string()) }
    }

    /// A node starts again and answers audits with wrong bytes: it is put out of work by the proof, and nobody else is.
    pub async fn lies(&mut self, index: usize) -> Result<(), String> {
        self.kill(index..index + 1);
        let machine = &self.nodes[index];
        let (args, log) = (["agent", "run", "--sensors", "scripted"], format!("{}-lies.log", machine.name));
        let child = self.spawn_as(&machine.app.home, &args, &log, Some("PUMASI_DEV_LIE"))?;
        self.nodes[index].child = Some(child);
        let begun = Instant::now();
        loop {
            let nodes = self.list().await?;
            let caught: Vec<&str> = nodes.iter().filter(|n| n.quarantined).map(|n| n.name.as_str()).collect();
            if caught == [self.nodes[index].name.as_str()] {
                let detail = node_cli::one(&self.operator, &self.nodes[index].name).await.map_err(|e| said(&e))?;
                let is_proved = detail.audits.is_some_and(|audits| audits.wrong > 0);
                return if is_proved { Ok(()) } else { Err("without a proof".into()) };
            }
            if !caught.is_empty() || begun.elapsed() > PATIENCE {
                return Err(format!("after {} s out of work: {}", begun.elapsed().as_secs(), caught.join(" ")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends every process it started: closes the pipes, waits a moment, then kills.
    pub async fn end(&mut self) {
        let own = [self.gateway.take(), self.writer.take(), self.center.take()].into_iter().flatten();
        let mut children: Vec<Child> = self.nodes.iter_mut().filter_map(|n| n.child.take()).chain(own).collect();
        children.iter_mut().for_each(|child| drop(child.stdin.take()));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) && children.iter_mut().any(|c| matches!(c.try_wait(), Ok(None)))
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for mut child in children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_checks_say_of_shortened_days_is_what_the_center_is_set_to() {
        assert!(super::DEMO_SETTINGS.contains(&format!("time_scale = {}\n", super::TIME_SCALE)));
    }
}
