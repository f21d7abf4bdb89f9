//! Peers in processes of their own, which can be killed: this test program again, with a role in its environment. A child
//! ends when its standard input is closed, so none is left behind, also when the parent is killed.

use crate::world::{CALL, WAIT, config, endpoint, own_ip, serve};
use model::NodeId;
use net::{Endpoint, EndpointConfig, SecretKey};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use wire::PeerAddr;

const ROLE: &str = "NET_TEST_ROLE";
const ARG: &str = "NET_TEST_ARG";
/// Before each line that is meant for the parent.
const MARK: &str = "child says: ";

/// A child process; killed on drop.
pub struct Peer {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Peer {
    pub fn start(role: &str, arg: &str) -> Self {
        let mut child = Command::new(own_program())
            .args(["child::a_child_plays_its_role", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(ARG, arg)
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

    /// The child's next line.
    pub fn hear(&self, wait: Duration) -> String {
        self.lines.recv_timeout(wait).expect("the child says its line in time")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: it says no word more.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

/// This program, also when its file was replaced by a newer build since.
fn own_program() -> String {
    format!("/proc/{}/exe", std::process::id())
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "\n{MARK}{line}").unwrap();
    out.flush().unwrap();
}

/// Ends this process when the parent is gone, at once and whatever it does.
fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// `id address` of a peer with one direct address.
pub fn to_text(addr: &PeerAddr) -> String {
    let id: String = addr.id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{id} {}", addr.direct[0])
}

pub fn from_text(text: &str) -> PeerAddr {
    let (id, direct) = text.split_once(' ').unwrap();
    let byte = |n: usize| u8::from_str_radix(&id[2 * n..2 * n + 2], 16).unwrap();
    PeerAddr { direct: vec![direct.parse().unwrap()], ..PeerAddr::key_only(NodeId(std::array::from_fn(byte))) }
}

/// Not a test of its own: what a child does.
#[test]
#[ignore = "a role for the tests beside it"]
fn a_child_plays_its_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let arg = std::env::var(ARG).unwrap_or_default();
    end_with_parent();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        match role.as_str() {
            "serve" => {
                let endpoint = endpoint(arg.parse().unwrap()).await;
                serve(endpoint.clone());
                say(&to_text(&endpoint.addr()));
                std::future::pending::<()>().await;
            }
            "crowd" => {
                let (count, center) = arg.split_once(' ').unwrap();
                let _crowd = crowd(count.parse().unwrap(), from_text(center)).await;
                say("all linked");
                std::future::pending::<()>().await;
            }
            other => panic!("no role {other}"),
        }
    });
}

/// So many endpoints with a link each, over which a call went.
async fn crowd(count: u32, center: PeerAddr) -> Vec<(Endpoint, net::Link)> {
    let mut all = Vec::new();
    let bind = vec![SocketAddr::new(own_ip().into(), 0)];
    for n in 0..count {
        let mut secret = [3; 32];
        secret[..4].copy_from_slice(&n.to_le_bytes());
        let config =
            EndpointConfig { bind: bind.clone(), accept: false, ..EndpointConfig::new(SecretKey::from_bytes(secret)) };
        let endpoint = Endpoint::bind(config).await.unwrap();
        endpoint.learn(center.clone());
        let link = endpoint.connect(center.id, WAIT).await.unwrap();
        assert_eq!(link.call(b"here", CALL).await.unwrap(), b"here");
        all.push((endpoint, link));
    }
    all
}

#[test]
fn an_address_survives_its_text() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::bind(config(5)).await.unwrap();
        assert_eq!(from_text(&to_text(&endpoint.addr())), endpoint.addr());
        endpoint.close().await;
    });
}
