//! Several center processes over one PostgreSQL, killed and started again in turn under load, and the database beside them.
//!
//! Machines find the cloud at one address. Half of them speak QUIC: a plain proxy for UDP hands their datagrams to one of the centers
//! that live. The other half have no UDP: all they say goes through a plain TCP proxy to the relay of one of the centers. Between the
//! centers and PostgreSQL stands another TCP proxy. Connections of both can be cut. Nobody but the proxies knows how many centers there
//! are, and no center knows of another.
//!
//! (A) What was answered with yes stands, whichever center answered and whatever died behind it, and every center shows it at once.
//! (B) A word that is sent until it is answered is carried out once. (C) At the end the book adds up, for the store and for an independent
//! replay of its export.

mod load;
mod proxy;
#[path = "../../src/bench/ledger/server.rs"]
mod server;

use crate::world::World;
use ::wire::{PeerAddr, RelayHint};
use center::db::Db;
use load::{Load, Member};
use model::AccountClass;
use proxy::{Door, Wire};
use serde_json::Value;
use server::Server;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Centers over the one database.
const CENTERS: usize = 3;
/// Words that must be answered between two deaths.
const BETWEEN: u64 = 40;
/// Longest wait for so many, and for a center to be up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A center process in a home of its own, with the keys of the cloud.
struct Process {
    home: std::path::PathBuf,
    child: Option<Child>,
}

impl Process {
    fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.home.join("log")).expect("a log can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_pumasi"));
        command.args(["center", "run"]).env("PUMASI_HOME", &self.home).env_remove("XDG_RUNTIME_DIR");
        let out = log.try_clone().expect("a file can be shared");
        command.stdin(Stdio::null()).stdout(out).stderr(log);
        self.child = Some(command.spawn().expect("the program starts"));
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill(); // SIGKILL
            let _ = child.wait();
        }
    }

    /// What it tells those on its machine, once it is up.
    async fn card(&self) -> Value {
        let pid = u64::from(self.child.as_ref().expect("it was started").id());
        let begun = Instant::now();
        loop {
            let card = std::fs::read(self.home.join("data/center/running.json")).unwrap_or_default();
            let card = serde_json::from_slice::<Value>(&card).unwrap_or_default();
            if card["pid"].as_u64() == Some(pid) {
                return card;
            }
            let log = || std::fs::read_to_string(self.home.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "a center is not up: {}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A copy of a center's folder below another home, with ports of its own.
fn clone_center(from: &Path, home: &Path) {
    let to = home.join("data/center");
    std::fs::create_dir_all(&to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder can be read").flatten() {
        let name = entry.file_name();
        let is_key = entry.path().is_file() && !["running.json", "center.lock"].iter().any(|other| name == **other);
        if is_key {
            std::fs::copy(entry.path(), to.join(name)).expect("a file can be copied");
        }
    }
    let path = to.join("center.toml");
    let text = std::fs::read_to_string(&path).expect("settings can be read");
    let is_port = |line: &str| line.starts_with("port = ") || line.starts_with("relay_port = ");
    let lines: Vec<&str> = text.lines().filter(|line| !is_port(line)).collect();
    let text = lines.join("\n").replace("[net]", "[net]\nport = 0\nrelay_port = 0");
    std::fs::write(&path, text).expect("settings can be written");
}

/// A cloud whose center process of home `a` was ended, and whose members' machines look for it where the proxy is.
struct Cloud {
    world: World,
    processes: Vec<Process>,
    /// Before the centers: for datagrams, and for connections to their relays.
    door: Door,
    gate: Wire,
    /// Before the database.
    wire: Wire,
    server: Server,
    /// Where machines find it: those with UDP, and those without.
    addresses: [PeerAddr; 2],
}

impl Cloud {
    /// Nothing, said loudly, where PostgreSQL is not installed.
    async fn new() -> Option<Self> {
        let Some(server) = Server::start().await else {
            assert!(std::env::var_os("PUMASI_FULL").is_none(), "PUMASI_FULL forbids to skip what needs PostgreSQL");
            println!(
                "SKIPPED: several centers need PostgreSQL (initdb and postgres in /usr/lib/postgresql/*/bin or PATH)"
            );
            return None;
        };
        let port = server.url().rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
        let wire = Wire::to(SocketAddr::from(([127, 0, 0, 1], port.expect("its address has a port")))).await;
        let url = server.url().replace(&format!(":{}/", port.expect("checked")), &format!(":{}/", wire.port()));
        let world = World::new().with_database(&url);
        world.init(&[]);
        let folder = world.home("a").join("data/center");
        let card: Value = serde_json::from_slice(&std::fs::read(folder.join("running.json")).expect("the center runs"))
            .expect("JSON");
        let address: PeerAddr = serde_json::from_value(card["addr"].clone()).expect("a card has an address");
        world.stop_center();
        let at = *address.direct.first().expect("it was bound to an address");
        let door = Door::new(UdpSocket::bind(at).expect("the center's address is free")).await;
        let gate = Wire::new().await;
        let key = address.id;
        let hint = RelayHint { host: "127.0.0.1".into(), port: gate.port(), quic_port: 0, key };
        let by_tcp = PeerAddr { direct: Vec::new(), relays: vec![hint], ..address.clone() };
        let addresses = [PeerAddr { direct: vec![at], relays: Vec::new(), ..address }, by_tcp];
        let mut processes = Vec::new();
        for n in 0..CENTERS {
            let home = world.home(&format!("center-{n}"));
            clone_center(&folder, &home);
            let mut process = Process { home, child: None };
            process.start();
            let card = process.card().await;
            door.set(n, Some(bound(&card)));
            gate.set(n, Some(relay(&card)));
            processes.push(process);
        }
        Some(Self { world, processes, door, gate, wire, server, addresses })
    }

    async fn kill(&mut self, n: usize) {
        self.door.set(n, None);
        self.gate.set(n, None);
        self.processes[n].kill();
    }

    async fn start(&mut self, n: usize) {
        self.processes[n].start();
        let card = self.processes[n].card().await;
        self.door.set(n, Some(bound(&card)));
        self.gate.set(n, Some(relay(&card)));
    }

    /// Ends the database at once, as by a loss of power to its processes; its starter begins it again.
    async fn end_database(&self, db: &Db) {
        let sql = "SELECT current_setting('data_directory')";
        let dir = db.read(move |q| Ok(q.query_opt(sql, &[], |row| row.get::<String>(0))?)).await;
        let dir = dir.ok().flatten().expect("the database says where it is");
        let text = std::fs::read_to_string(Path::new(&dir).join("postmaster.pid")).expect("it runs");
        let pid = text.lines().next().expect("its number stands first").trim().to_owned();
        assert!(Command::new("kill").args(["-QUIT", &pid]).status().is_ok_and(|status| status.success()));
    }
}

/// Where a center listens on loopback.
fn bound(card: &Value) -> SocketAddr {
    let addr: PeerAddr = serde_json::from_value(card["addr"].clone()).expect("a card has an address");
    *addr.direct.iter().find(|addr| addr.ip().is_loopback()).expect("it is bound to loopback")
}

/// Where its relay listens on loopback.
fn relay(card: &Value) -> SocketAddr {
    let addr: PeerAddr = serde_json::from_value(card["addr"].clone()).expect("a card has an address");
    SocketAddr::from(([127, 0, 0, 1], addr.relays.first().expect("it has a relay").port))
}

/// Waits until so many more words were answered.
async fn goes_on(load: &Load, what: &str) {
    let (begun, before) = (Instant::now(), load.answered());
    while load.answered() < before + BETWEEN {
        assert!(begun.elapsed() < PATIENCE, "{what}: nothing is answered any more: {}", load.last_trouble());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn story(rounds: usize) {
    let Some(mut cloud) = Cloud::new().await else { return };
    let db = Db::open(&cloud.server.url().parse().expect("an address")).expect("the database opens");
    let members = load::let_in(&db).await;
    let begun = Instant::now();
    let load = Load::start(&cloud.addresses, &members);
    for round in 0..rounds {
        goes_on(&load, "under load").await;
        let n = round % CENTERS;
        cloud.kill(n).await;
        goes_on(&load, "after a center's death").await;
        match round % 3 {
            0 => cloud.end_database(&db).await,
            1 => cloud.wire.cut(),
            _ => cloud.gate.cut(),
        }
        goes_on(&load, "after the database was away, or connections were cut").await;
        cloud.start(n).await;
    }
    goes_on(&load, "at the end").await;
    let troubles = load.troubles();
    let given = load.end().await;
    judge(&cloud, &db, &members, &given).await;
    let words = given.len();
    let by_tcp = given.iter().filter(|one| one.by_tcp).count();
    assert!(by_tcp.min(words - by_tcp) > rounds, "by UDP {}, by TCP {by_tcp}", words - by_tcp);
    println!(
        "{words} words answered with yes, {by_tcp} of them by TCP, {troubles} asked again, {rounds} deaths of {CENTERS} centers, {:?}",
        begun.elapsed()
    );
    db.close().await;
}

/// (A, B, C)
async fn judge(cloud: &Cloud, db: &Db, members: &[Member], given: &[load::Given]) {
    let mut rows = Vec::new();
    loop {
        let after = rows.last().map_or(0, |row: &rules::ledger::Row| row.seq);
        let page =
            db.read(move |q| Ok(center::ledger::store::row::after(q, after, 10_000)?)).await.expect("rows can be read");
        if page.is_empty() {
            break;
        }
        rows.extend(page);
    }
    let mut expected: BTreeMap<_, i64> = members.iter().map(|member| (member.account, 0)).collect();
    let by_id: BTreeMap<_, _> = rows.iter().map(|row| (row.id, row)).collect();
    assert_eq!((by_id.len(), rows.len()), (given.len(), given.len()), "(B) each word once, and nothing else");
    for one in given {
        let row =
            by_id.get(&one.id).unwrap_or_else(|| panic!("(A) {} was answered at row {} and is lost", one.id, one.seq));
        assert_eq!((row.seq, row.debit, row.credit, row.amount), (one.seq, one.debit, one.credit, one.amount), "(A)");
        let amount = i64::try_from(one.amount.0).expect("a small amount");
        *expected.entry(one.debit).or_default() -= amount;
        *expected.entry(one.credit).or_default() += amount;
    }
    let accounts = db.read(|q| Ok(center::ledger::store::account::all(q)?)).await.expect("accounts can be read");
    for account in accounts.iter().filter(|account| account.no.class() == Some(AccountClass::Member)) {
        let balance = expected.get(&account.no).copied().unwrap_or(0);
        assert_eq!(account.balance().0, balance, "{}", account.no);
    }
    assert_eq!(expected.values().sum::<i64>(), 0);
    // (C) By the commands a person types, through the proxy like everybody else.
    let (world, file) = (&cloud.world, cloud.world.home("book.pml").display().to_string());
    tokio::task::block_in_place(|| {
        world.ok("a", &["ledger", "export", &file]);
        world.ok("a", &["ledger", "verify", &file]);
        let shown = world.json("a", &["ledger", "show"]);
        assert_eq!(
            (&shown["adds_up"], shown["rows"].as_u64()),
            (&Value::Bool(true), Some(rows.len() as u64)),
            "{shown}"
        );
        let balances = shown["classes"].as_array().expect("classes").iter();
        let sum: i64 =
            balances.map(|class| class["balance"].as_str().and_then(|b| b.parse::<i64>().ok()).expect("a sum")).sum();
        assert_eq!(sum, 0, "{shown}");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn centers_over_one_database_die_in_turn_and_nothing_acknowledged_is_lost() {
    story(if std::env::var_os("PUMASI_SOAK").is_some() { 60 } else { 3 }).await;
}
