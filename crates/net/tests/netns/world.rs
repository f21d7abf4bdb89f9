//! Namespaces, routers and the processes in them; all gone on drop. What a killed test left is removed by the next one.

use crate::role::{MARK, Role};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// Before the name of each namespace, then the process that made it.
const PREFIX: &str = "pumasi-net";
/// Files of /etc for single namespaces.
const ETC: &str = "/etc/netns";
/// One world at a time: its figures are times.
static ONE: Mutex<()> = Mutex::new(());

/// What a router does with UDP from inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Nat {
    /// Keeps the port for all destinations, lets in only what was asked for.
    Easy,
    /// Another port for each destination.
    Hard,
    /// Drops it.
    NoUdp,
}

/// One center, two routers, a node behind each.
pub struct World {
    prefix: String,
    children: RefCell<Vec<Peer>>,
    _one: MutexGuard<'static, ()>,
}

impl World {
    /// Builds it; nothing, said loudly, where that is not possible.
    pub fn new(nats: [Nat; 2]) -> Option<Self> {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(missing) = missing() {
            skip(missing);
            return None;
        }
        remove_stale();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("{PREFIX}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let world = Self { prefix, children: RefCell::default(), _one: one };
        world.build(nats);
        Some(world)
    }

    fn build(&self, nats: [Nat; 2]) {
        for space in ["center", "router1", "router2", "node1", "node2"] {
            let name = self.name(space);
            run("ip", &["netns", "add", &name]);
            run("ip", &["-n", &name, "link", "set", "lo", "up"]);
        }
        for (n, nat) in (1..).zip(nats) {
            let (router, node) = (format!("router{n}"), format!("node{n}"));
            self.cable(
                ("center", &format!("to{n}"), &format!("100.65.{n}.1/24")),
                (&router, "wan", &format!("100.65.{n}.2/24")),
            );
            self.cable((&router, "lan", &format!("10.{n}.0.1/24")), (&node, "eth", &format!("10.{n}.0.2/24")));
            self.ip(&router, &["route", "add", "default", "via", &format!("100.65.{n}.1")]);
            self.ip(&node, &["route", "add", "default", "via", &format!("10.{n}.0.1")]);
            self.write(&router, "/proc/sys/net/ipv4/ip_forward", "1");
            self.nft(&router, &rules(nat));
            self.nft(&node, WATCH);
            std::fs::create_dir_all(self.etc(&node)).unwrap();
            std::fs::write(self.etc(&node).join("resolv.conf"), format!("nameserver 10.{n}.0.1\n")).unwrap();
        }
        self.write("center", "/proc/sys/net/ipv4/ip_forward", "1");
    }

    /// A wire between two namespaces: (namespace, name of the plug, address) at each end.
    fn cable(&self, one: (&str, &str, &str), two: (&str, &str, &str)) {
        let (space1, space2) = (self.name(one.0), self.name(two.0));
        let args = ["link", "add", "name", one.1, "type", "veth", "peer", "name", two.1, "netns", &space2];
        run("ip", &[&["-n", &space1][..], &args].concat());
        for (space, plug, addr) in [one, two] {
            self.ip(space, &["addr", "add", addr, "dev", plug]);
            self.ip(space, &["link", "set", plug, "up"]);
        }
    }

    /// From now on router `n` drops UDP, also of what is under way.
    pub fn drop_udp(&self, n: u8) {
        let rule = "insert rule ip filter through meta l4proto udp drop";
        self.nft(&format!("router{n}"), rule);
    }

    /// Node `n` has no name server.
    pub fn forget_name_server(&self, n: u8) {
        std::fs::write(self.etc(&format!("node{n}")).join("resolv.conf"), "").unwrap();
    }

    /// Packets node `n` tried to send to hosts outside of this world.
    pub fn strays(&self, n: u8) -> u64 {
        let node = self.name(&format!("node{n}"));
        let listed = Command::new("ip").args(["netns", "exec", &node, "nft", "list", "counters"]).output().unwrap();
        let text = String::from_utf8(listed.stdout).unwrap();
        let count = text.split("packets ").nth(1).and_then(|rest| rest.split(' ').next());
        count.expect("the counter is there").parse().unwrap()
    }

    /// Where `ip netns exec` finds files of /etc for a namespace alone: the name server of the machine has no part in this.
    fn etc(&self, space: &str) -> PathBuf {
        Path::new(ETC).join(self.name(space))
    }

    /// Starts a role in the center's namespace (0) or in that of node `n`.
    pub fn start(&self, n: u8, role: &Role) -> Peer {
        let space = if n == 0 { "center".to_owned() } else { format!("node{n}") };
        Peer::start(&self.name(&space), role)
    }

    /// Lets a process live as long as the world.
    pub fn keep(&self, peer: Peer) {
        self.children.borrow_mut().push(peer);
    }

    fn name(&self, space: &str) -> String {
        format!("{}-{space}", self.prefix)
    }

    fn ip(&self, space: &str, args: &[&str]) {
        run("ip", &[&["-n", &self.name(space)][..], args].concat());
    }

    fn write(&self, space: &str, path: &str, text: &str) {
        let script = format!("echo {text} > {path}");
        run("ip", &["netns", "exec", &self.name(space), "sh", "-c", &script]);
    }

    fn nft(&self, space: &str, rules: &str) {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.name(space), "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "nft refused: {rules}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.children.borrow_mut().clear();
        remove(&format!("{}-", self.prefix));
        let _ = std::fs::remove_dir(ETC); // goes only when it is empty
    }
}

/// Counts and drops what a node sends to anyone who is not of this world.
const WATCH: &str = r#"
table inet watch {
    counter strays { }
    chain out {
        type filter hook output priority 0; policy accept;
        oifname "lo" accept
        meta nfproto ipv6 ip6 daddr fe80::/10 accept
        meta l4proto ipv6-icmp accept
        ip protocol igmp accept
        meta nfproto ipv4 ip daddr { 10.0.0.0/8, 100.65.0.0/16 } accept
        counter name strays drop
    }
}
"#;

/// A router drops what comes to itself unasked, as real ones do: else the first packet of a peer takes the port away that
/// our own one is to be translated to, and no hole is ever punched.
fn rules(nat: Nat) -> String {
    let masquerade = if nat == Nat::Hard { "masquerade fully-random" } else { "masquerade" };
    let udp = if nat == Nat::NoUdp { "meta l4proto udp drop" } else { "" };
    format!(
        r#"
table ip nat {{
    chain out {{
        type nat hook postrouting priority 100; policy accept;
        oifname "wan" {masquerade}
    }}
}}
table ip filter {{
    chain own {{
        type filter hook input priority 0; policy accept;
        iifname "wan" ct state established,related accept
        iifname "wan" drop
    }}
    chain through {{
        type filter hook forward priority 0; policy drop;
        {udp}
        ct state established,related accept
        iifname "lan" oifname "wan" accept
    }}
}}
"#
    )
}

fn run(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).output().unwrap();
    assert!(done.status.success(), "{program} {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr));
}

/// What is needed and not there.
fn missing() -> Option<&'static str> {
    let can = |program: &str, args: &[&str]| {
        Command::new(program).args(args).output().is_ok_and(|done| done.status.success())
    };
    if !can("ip", &["-V"]) {
        return Some("ip (Debian package iproute2)");
    }
    if !can("nft", &["--version"]) {
        return Some("nft (Debian package nftables)");
    }
    let probe = format!("{PREFIX}-{}-probe", std::process::id());
    let made = can("ip", &["netns", "add", &probe]);
    let filters = made && can("ip", &["netns", "exec", &probe, "nft", "add", "table", "ip", "filter"]);
    can("ip", &["netns", "del", &probe]);
    (!filters).then_some("root, network namespaces and nftables in the kernel")
}

fn skip(missing: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var_os("PUMASI_FULL").is_none(), "{test} needs {missing}, and PUMASI_FULL forbids to skip it");
    // Past the harness, which keeps what a passing test prints to itself.
    let line = format!("SKIPPED: {test} needs {missing}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Removes the namespaces of tests whose process is gone.
fn remove_stale() {
    for name in names() {
        let pid = name.strip_prefix(&format!("{PREFIX}-")).and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&name);
        }
    }
}

fn remove(prefix: &str) {
    for name in names().into_iter().filter(|name| name.starts_with(prefix)) {
        let _ = Command::new("ip").args(["netns", "del", &name]).status();
        let _ = std::fs::remove_dir_all(Path::new(ETC).join(&name));
    }
}

fn names() -> Vec<String> {
    let listed = Command::new("ip").args(["netns", "list"]).output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// A process in a namespace; killed on drop, and it ends at once when its standard input closes.
pub struct Peer {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Peer {
    fn start(space: &str, role: &Role) -> Self {
        // This program, also when its file was replaced by a newer build since.
        let program = format!("/proc/{}/exe", std::process::id());
        let mut child = Command::new("ip")
            .args(["netns", "exec", space])
            .arg(program)
            .args(["role::a_process_plays_its_role", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .envs(role.env())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some((_, said)) = line.split_once(MARK) {
                    let _ = send.send(said.to_owned());
                }
            }
        });
        Self { child, stdin, lines }
    }

    /// Its next line.
    pub fn hear(&self, wait: Duration) -> String {
        self.lines.recv_timeout(wait).expect("the process says its line in time")
    }

    /// Says a line to it.
    pub fn tell(&self, line: &str) {
        writeln!(self.stdin.as_ref().unwrap(), "{line}").unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
