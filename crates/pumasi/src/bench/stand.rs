//! A center process that is measured, with a home of its own, and a process of simulated nodes beside it, both of this program.

use crate::app::App;
use crate::cli::center::{center_fault, read_card, ticket_of_founder};
use crate::clock;
use crate::fault::Fault;
use crate::home::Home;
use crate::process::PARENT_PIPE;
use crate::secret::{self, random};
use center::{CenterCard, Settings};
use model::{DeviceId, Roles};
use serde_json::Value;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use wire::signed::public_of;

/// Longest wait for a process to be up.
const START_TIME: Duration = Duration::from_secs(30);
/// Uses of one ticket.
const TICKET_USES: u16 = 60_000;
/// Lines of a child that wait.
const LINES: usize = 64;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A child and the pipe that ends it with us.
pub struct Running(Child);

impl Running {
    /// Its process number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A home for a center, and a folder for logs.
pub struct Stand {
    /// The program in that home.
    pub app: App,
    dir: PathBuf,
}

impl Stand {
    /// In a new folder below `dir`.
    pub fn new(app: &App, dir: &Path) -> Result<Self, Fault> {
        crate::home::create_private_dir(dir)?;
        let root = dir.join("center").display().to_string();
        let home = Home::find(|key| (key == "PUMASI_HOME").then(|| root.clone()))?;
        Ok(Self { app: App { home, ..app.clone() }, dir: dir.to_owned() })
    }

    /// A new cloud, with settings for a fleet that shares sockets and calls every `period_s` seconds.
    pub async fn found(&self, period_s: u64) -> Result<(), Fault> {
        self.app.home.create()?;
        let dir = self.app.home.center();
        crate::home::create_private_dir(&dir)?;
        let machine = secret::load_or_make(&self.app.home.machine_key())?;
        // The same port after a restart: one that is free now.
        let port = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).map_err(Fault::bug)?.port();
        let text = format!(
            "dev = true\n[net]\nbind = \"127.0.0.1\"\nport = {port}\nrelay_port = 0\nport_mapping = false\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[fleet]\nperiod_busy_s = {period_s}\nperiod_idle_s = {period_s}\n"
        );
        crate::home::write_atomic(&dir.join(Settings::FILE), text.as_bytes(), 0o600)?;
        let founder = DeviceId(public_of(&machine));
        let founder = center::Founder { device: founder, name: "bench".to_owned(), member: None };
        center::found(&dir, "bench", &founder, clock::now(), &mut |bytes| *bytes = random())
            .await
            .map_err(center_fault)
            .map(drop)
    }

    /// Starts it.
    pub fn start_center(&self) -> Result<Running, Fault> {
        self.spawn(&["center", "run"], "center.log", Stdio::null())
    }

    /// The card the started center writes once it answers.
    pub async fn card(&self, center: &mut Running) -> Result<CenterCard, Fault> {
        let begun = Instant::now();
        loop {
            if let Some(card) = read_card(&self.app).filter(|card| card.pid == center.0.id()) {
                return Ok(card);
            }
            let ended = center.0.try_wait().ok().flatten();
            if ended.is_some() || begun.elapsed() > START_TIME {
                return Err(Fault::bug(format!("the center did not start: {}", self.log("center.log"))));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// A fleet of so many nodes by the command `words`, to which tickets are added, and the lines it prints.
    pub async fn start_fleet(
        &self,
        card: &CenterCard,
        nodes: u32,
        mut words: Vec<String>,
    ) -> Result<(Running, mpsc::Receiver<Value>), Fault> {
        for _ in 0..nodes.div_ceil(u32::from(TICKET_USES)) {
            let ticket = ticket_of_founder(&self.app, card, "", Roles::BOTH, TICKET_USES).await?;
            words.extend(["--ticket".to_owned(), ticket.to_string()]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut fleet = self.spawn(&words, "agents.log", Stdio::piped())?;
        let out = fleet.0.stdout.take().ok_or_else(|| Fault::bug("a child without output"))?;
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
        Ok((fleet, lines))
    }

    /// The fleet's next line of a phase.
    pub async fn wait(
        &self,
        lines: &mut mpsc::Receiver<Value>,
        phase: &str,
        patience: Duration,
    ) -> Result<Value, Fault> {
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
            Fault::bug(format!("the simulated fleet never said \"{phase}\": {}", self.log("agents.log")))
        })
    }

    /// Ends the center in order, so that its database is one file.
    pub fn end(&self, mut center: Running) {
        drop(center.0.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < START_TIME && matches!(center.0.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Bytes of the center's database.
    pub fn database_bytes(&self) -> f64 {
        let files = ["center.db", "center.db-wal"].map(|name| self.app.home.center().join(name));
        files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|m| m.len() as f64).sum()
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

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name)).unwrap_or_default().trim().to_owned()
    }
}
