//! A cloud of two homes by the commands a person types: made, joined, looked at, its center killed and started again.
//! Whole processes on loopback; takes some seconds, since joining measures the machine.

use serde_json::Value;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Homes below one folder; ends every process of theirs when dropped, also after a panic.
struct World(TempDir);

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    fn home(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, name: &str, args: &[&str]) -> Output {
        self.run_at(name, args, 0)
    }

    fn run_at(&self, name: &str, args: &[&str], skew_ms: i64) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pumasi"));
        command.args(args).env("PUMASI_HOME", self.home(name)).env("PUMASI_CLOCK_SKEW_MS", skew_ms.to_string());
        command.env_remove("XDG_RUNTIME_DIR").env("LC_ALL", "C.UTF-8").stdin(std::process::Stdio::null());
        command.output().expect("the program starts")
    }

    fn ok(&self, name: &str, args: &[&str]) -> String {
        let out = self.run(name, args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("output is UTF-8").trim().to_owned()
    }

    /// The error's id and the exit code.
    fn refused(&self, name: &str, args: &[&str], skew_ms: i64) -> (String, i32) {
        let out = self.run_at(name, &[args, &["--json"]].concat(), skew_ms);
        let last = String::from_utf8_lossy(&out.stderr).lines().last().unwrap_or_default().to_owned();
        let error: Value = serde_json::from_str(&last).unwrap_or_default();
        (error["id"].as_str().unwrap_or(&last).to_owned(), out.status.code().unwrap_or(-1))
    }

    fn center_pid(&self, name: &str) -> Option<String> {
        let card = std::fs::read(self.home(name).join("data/center/running.json")).ok()?;
        serde_json::from_slice::<Value>(&card).ok()?["pid"].as_u64().map(|pid| pid.to_string())
    }

    fn nodes_on(&self, name: &str) -> usize {
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
        for home in ["a", "b"] {
            self.run(home, &["agent", "stop"]);
        }
        if let Some(pid) = self.center_pid("a") {
            let _ = Command::new("kill").arg(pid).status();
        }
    }
}

fn free_ports() -> (String, String) {
    let udp = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port is free").port();
    let tcp = TcpListener::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port is free").port();
    (udp.to_string(), tcp.to_string())
}

fn is_empty(home: &Path) -> bool {
    let files = |dir: &Path| std::fs::read_dir(dir).map(|entries| entries.flatten().count()).unwrap_or(0);
    ["config", "data", "state", "run"].iter().all(|dir| files(&home.join(dir)) == 0)
}

#[test]
fn a_friend_joins_by_one_command_and_the_center_may_be_killed() {
    let world = World::new();
    let (port, relay_port) = free_ports();
    let init = [
        "init",
        "--name",
        "Chen",
        "--bind",
        "127.0.0.1",
        "--port",
        &port,
        "--relay-port",
        &relay_port,
        "--http",
        "127.0.0.1:0",
        "--yes",
    ];
    let first = world.ok("a", &init);
    assert!(first.lines().any(|line| line.starts_with("pumasi1")), "{first}");
    let ticket = world.ok("a", &["invite", "--name", "Li", "-q"]);

    let begun = Instant::now();
    let joined: Value = serde_json::from_str(
        &world.ok("b", &["join", &ticket, "--yes", "--name", "desk", "--region", "asia/kr", "--json"]),
    )
    .unwrap_or_default();
    assert_eq!((joined["lending"].as_bool(), joined["link"].as_str()), (Some(true), Some("direct")), "{joined}");
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(world.nodes_on("a"), 2);
    assert!(world.ok("b", &["status"]).contains("storage only"), "a machine without an idle signal says so");
    assert!(world.ok("b", &["status", "--lang", "zh"]).contains("仅出借"));

    assert_eq!(world.refused("c", &["join", &ticket, "--yes"], 0), ("E0104".into(), 5), "used");
    assert_eq!(world.refused("c", &["join", &ticket[..90], "--yes"], 0), ("E0102".into(), 4), "cut");
    let day = 24 * 3_600 * 1_000;
    let late = world.ok("a", &["invite", "-q"]);
    assert_eq!(
        world.refused("c", &["join", &late, "--yes", "--no-probe"], day),
        ("E0011".into(), 1),
        "a clock a day ahead"
    );
    assert_eq!(
        world.refused("c", &["join", &late, "--yes", "--no-probe"], -day),
        ("E0011".into(), 1),
        "a clock a day behind"
    );
    assert!(is_empty(&world.home("c")), "a refused join leaves nothing behind");

    let pid = world.center_pid("a").expect("the center runs");
    assert!(Command::new("kill").args(["-9", &pid]).status().is_ok_and(|s| s.success()));
    world.ok("a", &["center", "start"]);
    let begun = Instant::now();
    while world.nodes_on("a") < 2 {
        assert!(begun.elapsed() < Duration::from_secs(60), "nodes did not come back to a center that was killed");
        std::thread::sleep(Duration::from_millis(300));
    }
    world.ok("a", &["node", "quarantine", "desk", "--why", "test"]);
    assert!(world.ok("a", &["node", "show", "desk"]).contains("test"));
    world.ok("a", &["node", "release", "desk"]);
}
