//! Homes below one folder, and the commands a person types in them.

use serde_json::Value;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Homes below one folder; ends every process of theirs when dropped, also after a panic.
pub struct World(TempDir);

impl World {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// From now on every process writes down what it sends before it is sealed, in this folder.
    pub fn tap(&self) -> PathBuf {
        let dir = self.home("tap");
        std::fs::create_dir_all(&dir).expect("a folder can be made");
        dir
    }

    /// Agents that are started from now on log buckets by themselves, as they do outside of tests that count pieces.
    pub fn with_logs(self) -> Self {
        std::fs::create_dir_all(self.home("logs")).expect("a folder can be made");
        self
    }

    /// Days that are so many times shorter: by 2,160 the six hours between two audits are ten seconds, and the 72 h after which a
    /// PC is missing are two minutes.
    pub fn with_short_days(self, times: u32) -> Self {
        std::fs::write(self.home("short-days"), times.to_string()).expect("a file can be written");
        self
    }

    /// The cloud that is made is public: strangers' machines are vetted, in short days, by fill tests of 32 MiB.
    pub fn with_strangers(self) -> Self {
        std::fs::write(self.home("public"), "").expect("a file can be written");
        self
    }

    /// Every clock is ahead, so that a window of receipts, 6 h by the calendar, ends in so many seconds.
    pub fn with_window_ending_in(self, secs: i64) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
        let now = i64::try_from(now.as_millis()).expect("milliseconds fit");
        let left = 6 * 3_600_000 - now % (6 * 3_600_000);
        std::fs::write(self.home("clock"), (left - secs * 1_000).to_string()).expect("a file can be written");
        self
    }

    /// How far ahead every clock is.
    fn ahead_ms(&self) -> i64 {
        std::fs::read_to_string(self.home("clock")).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The cloud that is made keeps its rows in this database.
    pub fn with_database(self, url: &str) -> Self {
        std::fs::write(self.home("database"), url).expect("a file can be written");
        self
    }

    /// The next agent of a home is started with these words in its environment.
    pub fn ok_with(&self, name: &str, args: &[&str], key: &str) -> String {
        let out = self.command(name, args).env(key, "1").stdin(std::process::Stdio::null()).output();
        let out = out.expect("the program can be run");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn command(&self, name: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pumasi"));
        command.args(args).env("PUMASI_HOME", self.home(name)).env_remove("XDG_RUNTIME_DIR").env("LC_ALL", "C.UTF-8");
        if !self.home("logs").exists() {
            command.env("PUMASI_DEV_NO_LOGS", "1");
        }
        command.env("PUMASI_CLOCK_SKEW_MS", self.ahead_ms().to_string());
        if self.home("tap").exists() {
            command.env("PUMASI_DEV_TAP", self.home("tap"));
        }
        command
    }

    /// Runs a command with a file system of its own, of so many files, in a folder of its home; nothing where this machine
    /// lets nobody mount one.
    pub fn run_full(&self, name: &str, folder: &str, files: u32, args: &[&str]) -> Option<Output> {
        let at = self.home(name).join("data").join(folder);
        std::fs::create_dir_all(&at).expect("a folder can be made");
        let mount = format!("mount -t tmpfs -o size=64m,nr_inodes={files} none {} && exec \"$@\"", at.display());
        let alone = |words: &[&str]| {
            let inner = self.command(name, &[]);
            let mut outer = Command::new("unshare");
            for (key, value) in inner.get_envs() {
                match value {
                    Some(value) => outer.env(key, value),
                    None => outer.env_remove(key),
                };
            }
            outer.args(["--mount", "--map-root-user", "sh", "-c", &mount, "sh"]).args(words);
            outer.stdin(std::process::Stdio::null()).output().ok()
        };
        alone(&["true"]).filter(|out| out.status.success())?;
        alone(&[&[env!("CARGO_BIN_EXE_pumasi")], args].concat())
    }

    pub fn home(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn run(&self, name: &str, args: &[&str]) -> Output {
        self.run_at(name, args, 0)
    }

    pub fn run_at(&self, name: &str, args: &[&str], skew_ms: i64) -> Output {
        let mut command = self.command(name, args);
        command.env("PUMASI_CLOCK_SKEW_MS", (self.ahead_ms() + skew_ms).to_string()).stdin(std::process::Stdio::null());
        command.output().expect("the program starts")
    }

    pub fn ok(&self, name: &str, args: &[&str]) -> String {
        let out = self.run(name, args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("output is UTF-8").trim().to_owned()
    }

    /// Runs a command with something on its standard input; what it printed.
    pub fn pipe(&self, name: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut command = self.command(name, args);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        child.stdin.take().expect("its input is a pipe").write_all(input).expect("it reads its input");
        let out = child.wait_with_output().expect("it ends");
        assert!(out.status.success(), "{args:?}");
        out.stdout
    }

    /// A command that goes on, with pipes to all of its ends.
    pub fn spawn(&self, name: &str, args: &[&str]) -> std::process::Child {
        use std::process::Stdio;
        let mut command = self.command(name, args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    }

    /// The error's id and the exit code of a command with something on its standard input.
    pub fn refused_pipe(&self, name: &str, args: &[&str], input: &str) -> (String, i32) {
        use std::io::Write;
        let mut child = self.spawn(name, &[args, &["--json"]].concat());
        child.stdin.take().expect("its input is a pipe").write_all(input.as_bytes()).expect("it reads its input");
        ended(&child.wait_with_output().expect("it ends"))
    }

    /// The error's id and the exit code.
    pub fn refused(&self, name: &str, args: &[&str], skew_ms: i64) -> (String, i32) {
        ended(&self.run_at(name, &[args, &["--json"]].concat(), skew_ms))
    }

    /// What a command prints as one object.
    pub fn json(&self, name: &str, args: &[&str]) -> Value {
        let out = self.ok(name, &[args, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?}: {e}: {out}"))
    }

    /// A center in home `a` with a node `center`, its ports fixed, so that it may be started again.
    /// Nodes may be stewards at once, so that tests need not wait a minute.
    pub fn init(&self, more: &[&str]) -> String {
        let folder = self.home("a").join("data/center");
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let days = std::fs::read_to_string(self.home("short-days"));
        let days = days.map_or_else(|_| String::new(), |times| format!("dev = true\ntime_scale = {times}\n\n"));
        let (period, public) = match self.home("public").exists() {
            true => (1, "\n[cloud]\nkind = \"public\"\n\n[vetting]\nfill_mib = 32\ndays = 14\naudits = 8\n"),
            false => (5, ""),
        };
        let fleet = format!("[fleet]\nperiod_busy_s = {period}\nperiod_idle_s = {period}\n");
        let db = std::fs::read_to_string(self.home("database")).map(|url| format!("\n[db]\nurl = {url:?}\n"));
        let db = db.unwrap_or_default();
        let settings = format!("{days}{fleet}\n[storage]\nsteward_after_s = 0\n{public}{db}");
        std::fs::write(folder.join("center.toml"), settings).expect("settings can be written");
        let (port, relay_port) = free_ports();
        let words = ["init", "--name", "Chen", "--bind", "127.0.0.1", "--port", &port, "--relay-port", &relay_port];
        self.ok("a", &[&words[..], &["--http", "127.0.0.1:0", "--yes"], more].concat())
    }

    /// Kills the center of home `a` without a word, and starts it again.
    pub fn restart_center(&self) {
        let pid = self.center_pid("a").expect("the center runs");
        assert!(Command::new("kill").args(["-9", &pid]).status().is_ok_and(|s| s.success()));
        self.ok("a", &["center", "start"]);
    }

    /// Ends the center of home `a` in order.
    pub fn stop_center(&self) {
        let pid = self.center_pid("a").expect("the center runs");
        assert!(Command::new("kill").arg(&pid).status().is_ok_and(|s| s.success()));
        let card = self.home("a").join("data/center/running.json");
        self.until("the center ends", Duration::from_secs(20), || card.exists(), |there| !there);
        let lives = || Command::new("kill").args(["-0", &pid]).output().is_ok_and(|out| out.status.success());
        self.until("its process ends", Duration::from_secs(20), lives, |lives| !lives);
    }

    /// Waits until something is so; the last look is shown when it never is.
    pub fn until<T: std::fmt::Debug>(
        &self,
        what: &str,
        within: Duration,
        look: impl Fn() -> T,
        is: impl Fn(&T) -> bool,
    ) -> Duration {
        let begun = Instant::now();
        loop {
            let seen = look();
            if is(&seen) {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < within, "{what}: {seen:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn center_pid(&self, name: &str) -> Option<String> {
        let card = std::fs::read(self.home(name).join("data/center/running.json")).ok()?;
        serde_json::from_slice::<Value>(&card).ok()?["pid"].as_u64().map(|pid| pid.to_string())
    }

    pub fn nodes_on(&self, name: &str) -> usize {
        let out = self.run(name, &["node", "list", "--json"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        text.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|n| n["presence"] == "on")
            .count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for home in
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].into_iter().filter(|home| self.home(home).exists())
        {
            self.run(home, &["agent", "stop"]);
        }
        if let Some(pid) = self.center_pid("a") {
            let _ = Command::new("kill").arg(pid).status();
        }
    }
}

/// The error's id, or the last line said, and the exit code.
fn ended(out: &Output) -> (String, i32) {
    let last = String::from_utf8_lossy(&out.stderr).lines().last().unwrap_or_default().to_owned();
    let at = last.find('{').unwrap_or(0); // behind a question
    let error: Value = serde_json::from_str(&last[at..]).unwrap_or_default();
    (error["id"].as_str().unwrap_or(&last).to_owned(), out.status.code().unwrap_or(-1))
}

/// Two numbers at which nobody listens, below those that the system gives out by itself: a center needs the first for UDP, the
/// second, its relay's, for TCP and UDP.
pub fn free_ports() -> (String, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let is_free =
        |port: u16| UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut free = std::iter::repeat_with(|| {
        let number = NEXT.fetch_add(1, Relaxed).wrapping_add(std::process::id().wrapping_mul(131));
        15_000 + u16::try_from(number % 16_000).expect("below 16,000")
    })
    .filter(|port| is_free(*port));
    let mut next = || free.next().expect("ports do not end").to_string();
    (next(), next())
}

pub fn is_empty(home: &Path) -> bool {
    let files = |dir: &Path| std::fs::read_dir(dir).map(|entries| entries.flatten().count()).unwrap_or(0);
    ["config", "data", "state", "run"].iter().all(|dir| files(&home.join(dir)) == 0)
}
