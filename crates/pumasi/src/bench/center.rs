//! `pumasi bench center`: how many check-ins does one center process answer, how fast, at what cost, and is everybody back
//! after it was killed?
//!
//! A real center process and the simulated fleet of `pumasi dev agents` in another process, both of this program. Answer
//! times are the fleet's: from the moment a check-in was due to its answer, so that a stalled center cannot hide behind
//! callers that wait. Bar: ≥ 3,333 check-ins/s over 60 s at p99 ≤ 100 ms with no row written.

use super::figure::Printer;
use super::process::{Usage, metric, metrics, usage};
use crate::app::App;
use crate::cli::bench::BenchCenterArgs;
use crate::cli::center::{center_fault, read_card, ticket_of_founder};
use crate::clock;
use crate::fault::Fault;
use crate::home::Home;
use crate::process::PARENT_PIPE;
use crate::secret::{self, random};
use center::{CenterCard, Settings};
use console::args;
use model::{DeviceId, Roles, Span};
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use wire::signed::public_of;

/// Longest wait for a process to be up.
const START_TIME: Duration = Duration::from_secs(30);
/// Longest wait for all joins, per 10,000 nodes.
const JOIN_TIME: Duration = Duration::from_secs(300);
/// Longest wait until everybody is back after a restart, in periods.
const BACK_PERIODS: u32 = 6;
/// Uses of one ticket.
const TICKET_USES: u16 = 60_000;
/// Lines of a child that wait.
const LINES: usize = 64;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A child and the pipe that ends it with us.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Bench<'a> {
    app: App,
    args: &'a BenchCenterArgs,
    dir: PathBuf,
}

/// What one run saw.
struct Seen {
    /// The fleet's last line.
    done: Value,
    /// The center before anybody came.
    empty: Usage,
    /// With links and no nodes yet.
    linked: Usage,
    /// When counting began: usage and metrics page.
    before: (Usage, String),
    /// When it ended.
    after: (Usage, String),
    /// Database per node in bytes.
    row_bytes: f64,
}

impl Seen {
    fn print(&self, printer: &mut Printer<'_>, nodes: u32, sockets: u32) {
        let (before, after) = (&self.before, &self.after);
        let said = |key: &str| self.done.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let counted =
            |name: &str| metric(&after.1, name).unwrap_or(f64::NAN) - metric(&before.1, name).unwrap_or(f64::NAN);
        let (nodes, sockets) = (f64::from(nodes), f64::from(sockets.min(nodes)));
        let grown = |from: Usage, by: f64| (after.0.resident_bytes - from.resident_bytes) / by;
        let answered = counted("pumasi_fleet_check_ins_total");
        printer.figure("checkins_per_s", said("per_s"), "1/s");
        printer.figure("checkin_p50_ms", said("p50_ms"), "ms");
        printer.figure("checkin_p99_ms", said("p99_ms"), "ms");
        printer.figure("checkin_max_ms", said("max_ms"), "ms");
        printer.figure("checkins_failed", said("failed") + said("refused"), "1");
        printer.figure("checkin_cpu_us", (after.0.cpu_s - before.0.cpu_s) / answered * 1e6, "µs");
        printer.figure("rows_written", counted("pumasi_center_db_rows_written_total"), "1");
        let presence = metric(&after.1, "pumasi_fleet_memory_bytes").unwrap_or(f64::NAN) / nodes;
        printer.figure("presence_bytes_per_node", presence, "B");
        printer.figure("row_bytes_per_node", self.row_bytes, "B");
        printer.figure("bytes_per_node", grown(self.empty, nodes), "B");
        printer.figure("bytes_per_node_without_links", grown(self.linked, nodes), "B");
        let link = (self.linked.resident_bytes - self.empty.resident_bytes) / sockets;
        printer.figure("bytes_per_link", link, "B");
    }
}

/// Runs the bench; 1 when a bar was missed.
pub async fn run(app: &App, args: &BenchCenterArgs) -> Result<u8, Fault> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("pumasi-bench-{}", std::process::id())),
    };
    crate::home::create_private_dir(&dir)?;
    if node::machine::is_memory_disk(&dir) {
        app.out.say("demo-tmpfs", args![]);
    }
    let root = dir.join("center").display().to_string();
    let home = Home::find(|key| (key == "PUMASI_HOME").then(|| root.clone()))?;
    let bench = Bench { app: App { home, ..app.clone() }, args, dir: dir.clone() };
    let period_s = args.period.parse::<Span>()?.as_ms() as f64 / 1e3;
    let params = json!({"offered_per_s": f64::from(args.nodes) / period_s, "nodes": args.nodes, "sockets": args.sockets.min(args.nodes), "seed": args.seed,
        "period": args.period, "time": args.time, "db": "sqlite"});
    let mut printer = Printer::new(app, "center", params);
    let done = tokio::select! {
        done = bench.measure(&mut printer) => done.map(|()| None),
        code = crate::process::stop_asked() => Ok(Some(code)),
    };
    if args.dir.is_none() {
        let _ = std::fs::remove_dir_all(&dir);
    }
    Ok(done?.unwrap_or(u8::from(!printer.good)))
}

impl Bench<'_> {
    async fn measure(&self, printer: &mut Printer<'_>) -> Result<(), Fault> {
        self.found().await?;
        let row_bytes_empty = self.database_bytes();
        let mut center = self.start_center()?;
        let card = self.card(&mut center).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let empty = usage(center.0.id())?;
        if self.args.restart {
            return self.restart(printer, center, &card).await;
        }
        let (agents, mut lines) = self.start_agents(&card, &["--time", &self.args.time]).await?;
        self.wait(&mut lines, "connected").await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let linked = usage(center.0.id())?;
        self.wait(&mut lines, "begun").await?;
        let before = (usage(center.0.id())?, metrics(card.http).await.map_err(Fault::bug)?);
        let done = self.wait(&mut lines, "done").await?;
        let after = (usage(center.0.id())?, metrics(card.http).await.map_err(Fault::bug)?);
        drop(agents);
        self.end(center);
        let row_bytes = (self.database_bytes() - row_bytes_empty) / f64::from(self.args.nodes);
        let seen = Seen { done, empty, linked, before, after, row_bytes };
        seen.print(printer, self.args.nodes, self.args.sockets);
        Ok(())
    }

    /// Kills the center, starts it again, and sees everybody come back.
    async fn restart(&self, printer: &mut Printer<'_>, center: Running, card: &CenterCard) -> Result<(), Fault> {
        let (agents, mut lines) = self.start_agents(card, &[]).await?;
        self.wait(&mut lines, "begun").await?;
        let drain = tokio::spawn(async move { while lines.recv().await.is_some() {} });
        let period = self.args.period.parse::<Span>()?.to_std();
        let nodes = f64::from(self.args.nodes);
        self.until_on(card, nodes, period * BACK_PERIODS).await?;
        // One more period, so that every node is in the rhythm of the center.
        tokio::time::sleep(period + Duration::from_secs(5)).await;
        let _ = std::fs::remove_file(self.app.home.center().join(CenterCard::FILE));
        drop(center); // SIGKILL
        let mut center = self.start_center()?;
        let begun = Instant::now();
        let card = self.card(&mut center).await?;
        let missing = self.until_on(&card, nodes, period * BACK_PERIODS).await?;
        printer.figure("back_after_restart_s", begun.elapsed().as_secs_f64(), "s");
        printer.figure("missing_after_restart", missing, "1");
        drop(agents);
        drain.abort();
        self.end(center);
        Ok(())
    }

    /// Waits until all nodes are on; the most that were called missing on the way.
    async fn until_on(&self, card: &CenterCard, nodes: f64, patience: Duration) -> Result<f64, Fault> {
        let begun = Instant::now();
        let mut missing = 0.0_f64;
        loop {
            let page = metrics(card.http).await.map_err(Fault::bug)?;
            let state = |name: &str| metric(&page, &format!("pumasi_fleet_nodes{{state=\"{name}\"}}")).unwrap_or(0.0);
            missing = missing.max(state("missing"));
            if state("on") >= nodes {
                return Ok(missing);
            }
            if begun.elapsed() > patience {
                return Err(Fault::bug(format!("{} of {nodes} nodes are on after {patience:?}", state("on"))));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// A new cloud, with settings for a fleet that shares sockets.
    async fn found(&self) -> Result<(), Fault> {
        self.app.home.create()?;
        let dir = self.app.home.center();
        crate::home::create_private_dir(&dir)?;
        let machine = secret::load_or_make(&self.app.home.machine_key())?;
        let period = self.args.period.parse::<Span>()?.as_ms().div_ceil(1_000);
        // The same port after a restart: one that is free now.
        let port = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).map_err(Fault::bug)?.port();
        let text = format!(
            "dev = true\n[net]\nbind = \"127.0.0.1\"\nport = {port}\nrelay_port = 0\nport_mapping = false\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[fleet]\nperiod_busy_s = {period}\nperiod_idle_s = {period}\n"
        );
        crate::home::write_atomic(&dir.join(Settings::FILE), text.as_bytes(), 0o600)?;
        let founder = DeviceId(public_of(&machine));
        let founder = center::Founder { device: founder, name: "bench".to_owned(), member: None };
        center::found(&dir, "bench", &founder, clock::now(), &mut |bytes| *bytes = random())
            .await
            .map_err(center_fault)
            .map(drop)
    }

    fn start_center(&self) -> Result<Running, Fault> {
        self.spawn(&["center", "run"], "center.log", Stdio::null())
    }

    /// The card the started center writes once it answers.
    async fn card(&self, center: &mut Running) -> Result<CenterCard, Fault> {
        let begun = Instant::now();
        loop {
            if let Some(card) = read_card(&self.app).filter(|card| card.pid == center.0.id()) {
                return Ok(card);
            }
            let ended = center.0.try_wait().ok().flatten();
            if ended.is_some() || begun.elapsed() > START_TIME {
                let log = std::fs::read_to_string(self.dir.join("center.log")).unwrap_or_default();
                return Err(Fault::bug(format!("the center did not start: {}", log.trim())));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The fleet, and the lines it prints.
    async fn start_agents(&self, card: &CenterCard, more: &[&str]) -> Result<(Running, mpsc::Receiver<Value>), Fault> {
        let (count, sockets, seed) =
            (self.args.nodes.to_string(), self.args.sockets.to_string(), self.args.seed.to_string());
        let mut words: Vec<String> =
            ["dev", "agents", "--json", "--count", &count, "--sockets", &sockets, "--seed", &seed]
                .map(str::to_owned)
                .to_vec();
        words.extend(more.iter().map(|word| (*word).to_owned()));
        for _ in 0..self.args.nodes.div_ceil(u32::from(TICKET_USES)) {
            let ticket = ticket_of_founder(&self.app, card, "", Roles::BOTH, TICKET_USES).await?;
            words.extend(["--ticket".to_owned(), ticket.to_string()]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut agents = self.spawn(&words, "agents.log", Stdio::piped())?;
        let out = agents.0.stdout.take().ok_or_else(|| Fault::bug("a child without output"))?;
        let out = tokio::process::ChildStdout::from_std(out).map_err(Fault::bug)?;
        let (send, lines) = mpsc::channel(LINES);
        tokio::spawn(async move {
            let mut read = BufReader::new(out).lines();
            while let Ok(Some(line)) = read.next_line().await {
                let Ok(value) = serde_json::from_str(&line) else { continue };
                if send.send(value).await.is_err() {
                    return;
                }
            }
        });
        Ok((agents, lines))
    }

    /// The fleet's next line of a phase.
    async fn wait(&self, lines: &mut mpsc::Receiver<Value>, phase: &str) -> Result<Value, Fault> {
        let time = self.args.time.parse::<Span>()?.to_std();
        let patience = JOIN_TIME * self.args.nodes.div_ceil(10_000) + time * 2;
        let found = async {
            while let Some(line) = lines.recv().await {
                if line.get("phase").and_then(Value::as_str) == Some(phase) {
                    return Some(line);
                }
            }
            None
        };
        let line = tokio::time::timeout(patience, found).await.ok().flatten();
        line.ok_or_else(|| {
            let log = std::fs::read_to_string(self.dir.join("agents.log")).unwrap_or_default();
            Fault::bug(format!("the simulated fleet never said \"{phase}\": {}", log.trim()))
        })
    }

    fn spawn(&self, words: &[&str], log: &str, out: Stdio) -> Result<Running, Fault> {
        let exe = std::env::current_exe().map_err(Fault::bug)?;
        let path = self.dir.join(log);
        let err = std::fs::File::create(&path).map_err(|e| Fault::file(&path, &e))?;
        let mut command = Command::new(exe);
        command.args(words).env("PUMASI_HOME", self.root()).env(PARENT_PIPE, "1").env_remove("XDG_RUNTIME_DIR");
        command.stdin(Stdio::piped()).stdout(out).stderr(err).spawn().map(Running).map_err(Fault::bug)
    }

    fn root(&self) -> &Path {
        self.app.home.data.parent().unwrap_or(&self.app.home.data)
    }

    /// Ends the center in order, so that its database is one file.
    fn end(&self, mut center: Running) {
        drop(center.0.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < START_TIME && matches!(center.0.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn database_bytes(&self) -> f64 {
        let files = ["center.db", "center.db-wal"].map(|name| self.app.home.center().join(name));
        files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|m| m.len() as f64).sum()
    }
}
