//! What the processes in the namespaces do: this test program again, with a role in its environment.

use model::LinkKind;
use net::{CallLimits, Endpoint, EndpointConfig, Link, Relay, RelayServerConfig, SecretKey};
use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use wire::{PeerAddr, RelayHint};

/// Before each line that is meant for the test.
pub const MARK: &str = "role says: ";
const WAIT: Duration = Duration::from_secs(20);
const CALL: CallLimits = CallLimits { max_reply: wire::limits::FRAME_MAX, timeout: WAIT };
/// Bulk of the stream that is exchanged.
const BULK: usize = 16 << 20;
/// Long enough for a resolver to give its name server up and look for another.
const LOOKUP: Duration = Duration::from_secs(8);
/// Time a link stays where it is before it counts as settled on the relay.
const SETTLED: Duration = Duration::from_secs(2);

/// A role and what it needs to know.
pub enum Role {
    /// Runs the relay, says where it listens.
    Center,
    /// Serves, says where it is.
    Serve { relay: String },
    /// Has a relay of which only a name is known that does not resolve; says how that ended.
    Lookup,
    /// Dials, says by which way and when.
    Dial { relay: String, peer: String, want: &'static str },
}

impl Role {
    pub fn env(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Center => vec![("NET_ROLE", "center".into())],
            Self::Serve { relay } => vec![("NET_ROLE", "serve".into()), ("NET_RELAY", relay.clone())],
            Self::Lookup => vec![("NET_ROLE", "lookup".into())],
            Self::Dial { relay, peer, want } => vec![
                ("NET_ROLE", "dial".into()),
                ("NET_RELAY", relay.clone()),
                ("NET_PEER", peer.clone()),
                ("NET_WANT", (*want).into()),
            ],
        }
    }
}

/// Not a test of its own: what a process does.
#[test]
#[ignore = "a role for the tests beside it"]
fn a_process_plays_its_role() {
    let Ok(role) = std::env::var("NET_ROLE") else { return };
    let told = lines_of_test();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async move {
        match role.as_str() {
            "center" => center().await,
            "serve" => serve().await,
            "lookup" => lookup().await,
            "dial" => dial(told).await,
            other => panic!("no role {other}"),
        }
    });
}

async fn center() -> ! {
    let (secret, bind) = ([9; 32], (Ipv4Addr::UNSPECIFIED, 0).into());
    let admit: net::Admit = Arc::new(|_| true);
    let config = RelayServerConfig { secret, bind, bind_quic: Some(bind), bytes_per_s: u32::MAX, admit };
    let relay = Relay::spawn(config).await.unwrap();
    let key = SecretKey::from_bytes(secret).id();
    // Both routers know the way to it, as to a public address.
    let hint = RelayHint { host: "100.65.1.1".into(), port: relay.port(), quic_port: relay.quic_port(), key };
    say(&to_text(&hint));
    std::future::pending().await
}

async fn node(seed: u8) -> Endpoint {
    let relays = vec![from_text(&std::env::var("NET_RELAY").unwrap())];
    let config = EndpointConfig { relays, ..EndpointConfig::new(SecretKey::from_bytes([seed; 32])) };
    let endpoint = Endpoint::bind(config).await.unwrap();
    assert!(endpoint.online(WAIT).await.relay, "the relay does not answer");
    endpoint
}

async fn serve() -> ! {
    let endpoint = node(2).await;
    tokio::spawn(answer(endpoint.clone()));
    say(&to_text(&endpoint.addr()));
    std::future::pending().await
}

async fn answer(endpoint: Endpoint) {
    while let Some(link) = endpoint.accept().await {
        tokio::spawn(async move {
            while let Some(mut stream) = link.accept_stream().await {
                tokio::spawn(async move {
                    let frame = stream.read_frame(16).await?;
                    stream.write_frame(&frame).await?;
                    if frame == b"bulk" {
                        let mut bulk = vec![0; BULK];
                        stream.read_exact(&mut bulk).await?;
                        stream.write_all(&bulk).await?;
                    }
                    stream.finish()
                });
            }
        });
    }
}

async fn lookup() -> ! {
    let key = SecretKey::from_bytes([9; 32]).id();
    let relays = vec![RelayHint { host: "relay.example".into(), port: 443, quic_port: 7_842, key }];
    let config = EndpointConfig { relays, ..EndpointConfig::new(SecretKey::from_bytes([1; 32])) };
    let endpoint = Endpoint::bind(config).await.unwrap();
    let reach = endpoint.online(LOOKUP).await;
    say(&format!("relay {}", reach.relay));
    std::future::pending().await
}

async fn dial(mut told: mpsc::UnboundedReceiver<String>) -> ! {
    let peer: PeerAddr = from_text(&std::env::var("NET_PEER").unwrap());
    let want = std::env::var("NET_WANT").unwrap();
    let begun = Instant::now();
    let endpoint = node(1).await;
    let online = begun.elapsed();
    endpoint.learn(peer.clone());
    let link = endpoint.connect(peer.id, WAIT).await.unwrap();
    assert_eq!(link.call(b"hello", CALL).await.unwrap(), b"hello");
    let first = begun.elapsed();
    let took = if want == "direct" {
        until(&link, LinkKind::Direct).await;
        begun.elapsed()
    } else {
        tokio::time::sleep(SETTLED).await; // time to find a direct way, which there is none
        first
    };
    let rate = exchange(&link).await;
    let (online, first) = (online.as_millis(), first.as_millis());
    let (by, place, nat) = (way(&link), place(&link), endpoint.nat());
    say(&format!(
        "{by} {} ms from the start {place}(online {online}, first call {first}, NAT {nat:?}), {rate:.0} MB/s",
        took.as_millis()
    ));

    assert_eq!(told.recv().await.as_deref(), Some("again"));
    let begun = Instant::now();
    until(&link, LinkKind::Relay).await;
    let limits = CallLimits { timeout: Duration::from_secs(15), ..CALL };
    assert_eq!(link.call(b"hello", limits).await.unwrap(), b"hello");
    say(&format!("{} {} ms", way(&link), begun.elapsed().as_millis()));
    std::future::pending().await
}

fn way(link: &Link) -> &'static str {
    match link.kind() {
        LinkKind::Direct => "direct",
        LinkKind::Relay => "relay",
    }
}

fn place(link: &Link) -> String {
    link.remote_addr().map_or(String::new(), |addr| format!("at {addr} "))
}

/// Waits until the link goes this way.
async fn until(link: &Link, kind: LinkKind) {
    let begun = Instant::now();
    while link.kind() != kind {
        assert!(begun.elapsed() < WAIT, "the link never went {kind}");
        assert!(!link.is_closed(), "the link is gone: {}", link.closed().await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Bulk bytes to the peer and back over one stream, compared; MB/s both ways together.
async fn exchange(link: &Link) -> f64 {
    let bulk: Vec<u8> = (0..BULK).map(|n| (n * 31 + n / 4_096) as u8).collect();
    let begun = Instant::now();
    let mut stream = link.open().await.unwrap();
    stream.write_frame(b"bulk").await.unwrap();
    assert_eq!(stream.read_frame(16).await.unwrap(), b"bulk");
    stream.write_all(&bulk).await.unwrap();
    stream.finish().unwrap();
    let mut back = vec![0; BULK];
    stream.read_exact(&mut back).await.unwrap();
    assert!(back == bulk, "other bytes came back");
    2.0 * BULK as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "\n{MARK}{line}").unwrap();
    out.flush().unwrap();
}

/// The lines of the test. When it is gone, also by SIGKILL, so are we, at once and whatever we wait for.
fn lines_of_test() -> mpsc::UnboundedReceiver<String> {
    let (send, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
        std::process::exit(0);
    });
    lines
}

/// A message as hexadecimal text, for an environment variable.
fn to_text<T: serde::Serialize>(message: &T) -> String {
    wire::encode(message).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_text<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let bytes: Vec<u8> =
        (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap()).collect();
    wire::decode(&bytes, wire::limits::FRAME_MAX).unwrap()
}
