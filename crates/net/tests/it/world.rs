//! Endpoints on loopback addresses of their own, and a peer that serves: it echoes calls, counts what it is sent, sends
//! what it is asked for.

use model::NodeId;
use net::{CallLimits, Endpoint, EndpointConfig, Link, NetError, Relay, RelayServerConfig, SecretKey, Stream};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use wire::RelayHint;

pub const WAIT: Duration = Duration::from_secs(20);
pub const CALL: CallLimits = CallLimits { max_reply: wire::limits::FRAME_MAX, timeout: WAIT };
/// A request of this kind is answered with as many bulk bytes as the next eight bytes say.
pub const SEND_ME: u8 = b'<';
/// After a request of this kind as many bulk bytes follow; the answer is their sum.
pub const TAKE_THIS: u8 = b'>';
/// Is answered with nothing when the stream ends.
pub const WAIT_FOR_END: u8 = b'.';
/// Is never answered.
pub const NEVER: u8 = b'!';

/// A loopback address nobody else has in this process: 127.0.0.0/8 is one machine of 16 million addresses.
pub fn own_ip() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = n.to_be_bytes();
    Ipv4Addr::new(127, 3, high, low.max(1))
}

pub fn config(seed: u8) -> EndpointConfig {
    let bind = vec![SocketAddr::new(own_ip().into(), 0)];
    EndpointConfig { bind, ..EndpointConfig::new(key(seed)) }
}

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes([seed; 32])
}

pub async fn endpoint(seed: u8) -> Endpoint {
    Endpoint::bind(config(seed)).await.expect("loopback can be bound")
}

/// Two endpoints; the second serves, the first has a link to it.
pub async fn pair() -> (Endpoint, Endpoint, Link) {
    let (here, there) = (endpoint(1).await, endpoint(2).await);
    serve(there.clone());
    here.learn(there.addr());
    let link = here.connect(there.id(), WAIT).await.expect("loopback leads there");
    (here, there, link)
}

pub async fn relay(admit: impl Fn(NodeId) -> bool + Send + Sync + 'static) -> (Relay, RelayHint) {
    let secret = [9; 32];
    let ip = own_ip();
    let bind = SocketAddr::new(ip.into(), 0);
    let config =
        RelayServerConfig { secret, bind, bind_quic: Some(bind), bytes_per_s: u32::MAX, admit: Arc::new(admit) };
    let relay = Relay::spawn(config).await.expect("the relay starts");
    let key = SecretKey::from_bytes(secret).id();
    let hint = RelayHint { host: ip.to_string(), port: relay.port(), quic_port: relay.quic_port(), key };
    (relay, hint)
}

/// Serves all who dial until the endpoint is closed.
pub fn serve(endpoint: Endpoint) {
    tokio::spawn(async move {
        while let Some(link) = endpoint.accept().await {
            tokio::spawn(serve_link(link));
        }
    });
}

pub async fn serve_link(link: Link) {
    while let Some(stream) = link.accept_stream().await {
        tokio::spawn(async move {
            let _ = serve_stream(stream).await;
        });
    }
}

async fn serve_stream(mut stream: Stream) -> Result<(), NetError> {
    let request = stream.read_frame(wire::limits::FRAME_MAX).await?;
    match request.first() {
        Some(&SEND_ME) => {
            let mut left = amount(&request);
            let step = vec![7; 64 << 10];
            while left > 0 {
                let n = left.min(step.len());
                stream.write_all(&step[..n]).await?;
                left -= n;
            }
        }
        Some(&TAKE_THIS) => {
            let (mut left, mut sum, mut step) = (amount(&request), 0_u64, vec![0; 64 << 10]);
            while left > 0 {
                let n = left.min(step.len());
                stream.read_exact(&mut step[..n]).await?;
                sum += step[..n].iter().map(|byte| u64::from(*byte)).sum::<u64>();
                left -= n;
            }
            stream.write_frame(&sum.to_le_bytes()).await?;
        }
        Some(&WAIT_FOR_END) => while stream.read_some(&mut [0; 1]).await? > 0 {},
        Some(&NEVER) => std::future::pending().await,
        _ => stream.write_frame(&request).await?,
    }
    stream.finish()
}

/// The request for `bytes` bulk bytes, in the direction of `kind`.
pub fn bulk(kind: u8, bytes: usize) -> Vec<u8> {
    let mut request = vec![kind];
    request.extend_from_slice(&(bytes as u64).to_le_bytes());
    request
}

fn amount(request: &[u8]) -> usize {
    request.get(1..9).map_or(0, |n| u64::from_le_bytes(n.try_into().unwrap()) as usize)
}

/// Resident memory of a process, in bytes.
pub fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}
