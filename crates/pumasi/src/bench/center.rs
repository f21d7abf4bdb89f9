//! `pumasi bench center`: how many check-ins does one center process answer, how fast, at what cost, and is everybody back
//! after it was killed?
//!
//! A real center process and the simulated fleet of `pumasi dev agents` in another process, both of this program. Answer
//! times are the fleet's: from the moment a check-in was due to its answer, so that a stalled center cannot hide behind
//! callers that wait. Bar: ≥ 3,333 check-ins/s over 60 s at p99 ≤ 100 ms with no row written.

use super::figure::Printer;
use super::process::{Usage, metric, metrics, usage};
use super::stand::{Running, Stand};
use crate::app::App;
use crate::cli::bench::BenchCenterArgs;
use crate::fault::Fault;
use center::CenterCard;
use console::args;
use model::Span;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Longest wait for all joins, per 10,000 nodes.
const JOIN_TIME: Duration = Duration::from_secs(300);
/// Longest wait until everybody is back after a restart, in periods.
const BACK_PERIODS: u32 = 6;
const LOOK_EVERY: Duration = Duration::from_millis(100);

struct Bench<'a> {
    stand: Stand,
    args: &'a BenchCenterArgs,
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
    let bench = Bench { stand: Stand::new(app, &dir)?, args };
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
        self.stand.found(self.args.period.parse::<Span>()?.as_ms().div_ceil(1_000)).await?;
        let row_bytes_empty = self.stand.database_bytes();
        let mut center = self.stand.start_center()?;
        let card = self.stand.card(&mut center).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let empty = usage(center.id())?;
        if self.args.restart {
            return self.restart(printer, center, &card).await;
        }
        let (agents, mut lines) = self.start_agents(&card, &["--time", &self.args.time]).await?;
        self.wait(&mut lines, "connected").await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let linked = usage(center.id())?;
        self.wait(&mut lines, "begun").await?;
        let before = (usage(center.id())?, metrics(card.http).await.map_err(Fault::bug)?);
        let done = self.wait(&mut lines, "done").await?;
        let after = (usage(center.id())?, metrics(card.http).await.map_err(Fault::bug)?);
        drop(agents);
        self.stand.end(center);
        let row_bytes = (self.stand.database_bytes() - row_bytes_empty) / f64::from(self.args.nodes);
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
        let _ = std::fs::remove_file(self.stand.app.home.center().join(CenterCard::FILE));
        drop(center); // SIGKILL
        let mut center = self.stand.start_center()?;
        let begun = Instant::now();
        let card = self.stand.card(&mut center).await?;
        let missing = self.until_on(&card, nodes, period * BACK_PERIODS).await?;
        printer.figure("back_after_restart_s", begun.elapsed().as_secs_f64(), "s");
        printer.figure("missing_after_restart", missing, "1");
        drop(agents);
        drain.abort();
        self.stand.end(center);
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

    /// The fleet, and the lines it prints.
    async fn start_agents(&self, card: &CenterCard, more: &[&str]) -> Result<(Running, mpsc::Receiver<Value>), Fault> {
        let (count, sockets, seed) =
            (self.args.nodes.to_string(), self.args.sockets.to_string(), self.args.seed.to_string());
        let mut words: Vec<String> =
            ["dev", "agents", "--json", "--count", &count, "--sockets", &sockets, "--seed", &seed]
                .map(str::to_owned)
                .to_vec();
        words.extend(more.iter().map(|word| (*word).to_owned()));
        self.stand.start_fleet(card, self.args.nodes, words).await
    }

    /// The fleet's next line of a phase.
    async fn wait(&self, lines: &mut mpsc::Receiver<Value>, phase: &str) -> Result<Value, Fault> {
        let time = self.args.time.parse::<Span>()?.to_std();
        let patience = JOIN_TIME * self.args.nodes.div_ceil(10_000) + time * 2;
        self.stand.wait(lines, phase, patience).await
    }
}
