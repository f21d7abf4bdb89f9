//! The processes of a run and their homes: a center, nodes, the agent of the machine that writes, and commands of several machines
//! of one account. What is started is this program; each child ends when its parent does.

use super::spaces::Spaces;
use crate::app::App;
use crate::cli::join::{self, Entry};
use crate::cli::{Form, center as center_cli};
use crate::home::Home;
use crate::process::PARENT_PIPE;
use model::Roles;
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

/// Longest wait for a process that must come up.
const PATIENCE: Duration = Duration::from_secs(90);
/// Pause between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Size of a node's disk; it is in memory, and takes what is written.
pub const DISK_BYTES: u64 = 4 << 30;
/// What it lends of it.
pub const LENT: &str = "2GiB";

/// A process that is killed, stopped and started again.
#[derive(Debug, Default)]
pub struct Role(Mutex<Option<Child>>);

/// Who is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The center.
    Center,
    /// The agent of the writers' machine.
    Keeper,
    /// A node.
    Node(usize),
}

/// Everything that runs.
pub struct World {
    /// Where it stands.
    pub spaces: Spaces,
    /// How much days are shortened.
    pub time_scale: u32,
    app: App,
    dir: PathBuf,
    center: Role,
    keeper: Role,
    nodes: Vec<Role>,
    skew_ms: AtomicI64,
}

impl World {
    /// Homes in `dir`; nothing runs yet.
    pub fn new(app: &App, dir: &Path, spaces: Spaces, ask: (usize, u32)) -> Self {
        let nodes = (0..ask.0).map(|_| Role::default()).collect();
        let (center, keeper) = (Role::default(), Role::default());
        let (app, dir, skew_ms) = (app.clone(), dir.to_owned(), AtomicI64::new(0));
        Self { spaces, time_scale: ask.1, app, dir, center, keeper, nodes, skew_ms }
    }

    /// How many nodes.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// The folder of a home.
    pub fn root(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The folder of what a node keeps.
    pub fn data(&self, node: usize) -> PathBuf {
        self.root(&format!("node{node}")).join("data")
    }

    fn role(&self, who: Who) -> &Role {
        match who {
            Who::Center => &self.center,
            Who::Keeper => &self.keeper,
            Who::Node(node) => &self.nodes[node],
        }
    }

    fn home_of(who: Who) -> String {
        match who {
            Who::Center | Who::Keeper => "client0".to_owned(),
            Who::Node(node) => format!("node{node}"),
        }
    }

    /// A center, its operator, nodes and other machines of the operator's account.
    pub async fn start(&self, clients: usize) -> Result<(), String> {
        self.spaces.build(self.size())?;
        self.start_center().await?;
        for node in 0..self.size() {
            self.join(node).await?;
        }
        self.until_on(self.size(), PATIENCE).await?;
        self.run_again(Who::Keeper).await?;
        let phrase = self.shown("client0", &["recovery", "phrase", "--yes", "--json"]).await?;
        let words: Vec<&str> = phrase["words"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let address = phrase["address"].as_str().ok_or("no address")?;
        for client in 1..clients {
            let (home, bind) = (format!("client{client}"), self.spaces.center());
            let args = ["recovery", "restore", address, "--name", &home, "--bind", bind];
            said(self.command(&home, &args, &words.join(" ")).await?)?;
        }
        Ok(())
    }

    async fn start_center(&self) -> Result<(), String> {
        let home = self.home("client0");
        std::fs::create_dir_all(home.center()).map_err(|e| e.to_string())?;
        let free = || -> std::io::Result<(u16, u16)> {
            let udp = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
            Ok((udp, TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()))
        };
        let (port, relay_port) = free().map_err(|e| e.to_string())?;
        let settings = format!(
            "dev = true\ntime_scale = {}\n\n[net]\nport_mapping = false\n\n[fleet]\nperiod_busy_s = 2\nperiod_idle_s = 2\n\n\
             [storage]\nsteward_after_s = 0\n",
            self.time_scale
        );
        std::fs::write(home.center().join(center::Settings::FILE), settings).map_err(|e| e.to_string())?;
        let ports = [port.to_string(), relay_port.to_string()];
        let words = ["init", "--name", "Chaos", "--foreground", "--yes", "--http", "127.0.0.1:0"];
        let at = ["--bind", self.spaces.center(), "--port", &ports[0], "--relay-port", &ports[1]];
        self.spawn(Who::Center, &[&words[..], &at].concat()).await?;
        let operator = self.quiet("client0");
        let begun = Instant::now();
        let card = loop {
            if let Some(card) = center_cli::read_card(&operator) {
                break card;
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("the center does not come up: {}", self.last_words("client0")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let ticket = center_cli::first_ticket(&operator, &card, "", Roles::BOTH.with(Roles::OPERATOR)).await;
        let bind = self.spaces.center().parse().map_err(|_| "a bad address")?;
        let entry = Entry { name: "client0".into(), bind: Some(bind), lends: false, ..Entry::default() };
        let ticket = ticket.map_err(|e| e.to_string())?;
        join::enter(&operator, &ticket, &entry, join::Before::Nothing).await.map_err(|e| e.to_string())
    }

    async fn join(&self, node: usize) -> Result<(), String> {
        if self.spaces == Spaces::Own {
            self.spaces.mount(&self.data(node), DISK_BYTES)?;
        }
        let ticket = said(self.command("client0", &["invite", "-q"], "").await?)?;
        let (name, bind) = (format!("node{node}"), self.spaces.address(node));
        let words = ["join", &ticket, "--yes", "--foreground", "--no-probe", "--sensors", "scripted"];
        let more = ["--name", &name, "--bind", &bind, "--disk", LENT, "--profile", "always"];
        self.spawn(Who::Node(node), &[&words[..], &more].concat()).await
    }

    fn home(&self, name: &str) -> Home {
        let root = self.root(name).display().to_string();
        Home::find(|key| (key == "PUMASI_HOME").then(|| root.clone())).expect("PUMASI_HOME is given")
    }

    fn quiet(&self, name: &str) -> App {
        let mut app = App { home: self.home(name), ..self.app.clone() };
        (app.out.quiet, app.out.yes, app.out.form) = (true, true, Form::Id);
        app
    }

    async fn spawn(&self, who: Who, args: &[&str]) -> Result<(), String> {
        let (home, node) = (Self::home_of(who), if let Who::Node(node) = who { Some(node) } else { None });
        let name = if who == Who::Keeper { "keeper".to_owned() } else { home.clone() };
        let exe = std::env::current_exe().map_err(|e| e.to_string())?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join(format!("{name}.log")));
        let log = log.map_err(|e| e.to_string())?;
        let err = log.try_clone().map_err(|e| e.to_string())?;
        let mut command = self.spaces.command(node, &exe);
        command.args(args).env("PUMASI_HOME", self.root(&home)).env(PARENT_PIPE, "1").env_remove("XDG_RUNTIME_DIR");
        command.env("PUMASI_CLOCK_SKEW_MS", self.skew_ms.load(Ordering::Relaxed).to_string());
        let child = command.stdin(Stdio::piped()).stdout(log).stderr(err).spawn().map_err(|e| e.to_string())?;
        *self.role(who).0.lock().await = Some(child);
        Ok(())
    }

    /// Starts a role that was there before.
    pub async fn run_again(&self, who: Who) -> Result<(), String> {
        match who {
            Who::Center => {
                let _ = std::fs::remove_file(self.home("client0").center().join(center::CenterCard::FILE));
                self.spawn(who, &["center", "run"]).await
            }
            Who::Keeper | Who::Node(_) => self.spawn(who, &["agent", "run", "--sensors", "scripted"]).await,
        }
    }

    /// Pulls its plug; false where it did not run.
    pub async fn kill(&self, who: Who) -> bool {
        let Some(mut child) = self.role(who).0.lock().await.take() else { return false };
        let ran = matches!(child.try_wait(), Ok(None));
        let _ = child.kill();
        let _ = child.wait();
        ran
    }

    /// Stops it where it stands, or lets it go on.
    pub async fn signal(&self, who: Who, signal: Signal) -> Result<(), String> {
        let pid = self.role(who).0.lock().await.as_ref().map(Child::id).and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.ok_or("it does not run")?;
        kill(nix::unistd::Pid::from_raw(pid), signal).map_err(|e| e.to_string())
    }

    /// Everything ends and starts again with its clock moved.
    pub async fn move_clocks(&self, ahead: Duration) -> Result<(), String> {
        let roles = [Who::Center, Who::Keeper].into_iter().chain((0..self.size()).map(Who::Node));
        let roles: Vec<Who> = roles.collect();
        for who in roles.iter().rev() {
            self.kill(*who).await;
        }
        self.skew_ms.store(i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
        for who in roles {
            self.run_again(who).await?;
        }
        self.until_on(self.size(), PATIENCE).await
    }

    /// A command of a home, its name and what stands on its standard input.
    pub async fn command(&self, home: &str, args: &[&str], input: &str) -> Result<Output, String> {
        let mut child = self.begin(home, args)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that asks for nothing may have ended already.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await.map_err(|e| e.to_string())
    }

    /// A command that goes on; it is killed when it is dropped.
    pub fn begin(&self, home: &str, args: &[&str]) -> Result<tokio::process::Child, String> {
        let exe = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut command = tokio::process::Command::new(exe);
        command.args(args).env("PUMASI_HOME", self.root(home)).env_remove(PARENT_PIPE).env_remove("XDG_RUNTIME_DIR");
        command.env("PUMASI_CLOCK_SKEW_MS", self.skew_ms.load(Ordering::Relaxed).to_string()).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(|e| e.to_string())
    }

    /// What a command prints as one object.
    pub async fn shown(&self, home: &str, args: &[&str]) -> Result<Value, String> {
        serde_json::from_str(&said(self.command(home, args, "").await?)?).map_err(|e| e.to_string())
    }

    /// What the center knows of a node.
    pub async fn node(&self, node: usize) -> Result<Value, String> {
        self.shown("client0", &["node", "show", &format!("node{node}"), "--json"]).await
    }

    /// A node lends so much from now on.
    pub async fn lend(&self, node: usize, disk: &str) -> Result<(), String> {
        let set = ["lend", "set", &format!("disk={disk}")];
        said(self.command(&format!("node{node}"), &set, "").await?).map(drop)
    }

    /// Waits until so many nodes are on.
    pub async fn until_on(&self, count: usize, patience: Duration) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let out = self.command("client0", &["node", "list", "--json"], "").await?;
            let on = String::from_utf8_lossy(&out.stdout).matches("\"presence\":\"on\"").count();
            if on >= count {
                return Ok(());
            }
            if begun.elapsed() > patience {
                let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
                return Err(format!("{on} of {count} nodes are on after {} s; {said}", patience.as_secs()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Takes away what clients keep of what they sent.
    pub fn forget_sent(&self) {
        let stages =
            std::fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|home| home.path().join("data/stage"));
        for stage in stages.filter(|stage| stage.exists()) {
            if let Err(error) = std::fs::remove_dir_all(&stage) {
                tracing::warn!(stage = %stage.display(), %error, "not removed");
            }
        }
    }

    /// The last lines of a log.
    pub fn last_words(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.dir.join(format!("{name}.log"))).unwrap_or_default();
        let last: Vec<&str> = text.lines().rev().take(4).collect();
        last.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }

    /// Ends every process it started.
    pub async fn end(&self) {
        for who in (0..self.size()).map(Who::Node).chain([Who::Keeper, Who::Center]) {
            self.kill(who).await;
        }
    }

    /// Copies what nodes keep on disks that end with this process to where it stays.
    pub fn keep_disks(&self) {
        for node in (0..self.size()).filter(|_| self.spaces == Spaces::Own) {
            let (from, to) = (self.data(node), self.root(&format!("node{node}")).join("data-kept"));
            let copied = std::process::Command::new("cp").arg("-a").arg(&from).arg(&to).status();
            if !copied.is_ok_and(|status| status.success()) {
                tracing::warn!(from = %from.display(), "not kept");
            }
        }
    }

    /// Removes every trace.
    pub fn remove(&self) {
        (0..self.size()).for_each(|node| self.spaces.unmount(&self.data(node)));
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "not removed");
        }
    }
}

/// What a command that succeeded printed; what it complained about where it failed.
pub fn said(out: Output) -> Result<String, String> {
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned());
    }
    Err(String::from_utf8_lossy(&out.stderr).trim().to_owned())
}
