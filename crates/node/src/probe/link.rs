//! Measuring the network against other nodes that are on: round trips, then bytes both ways. Nobody to measure against means
//! nothing is known, and nothing is said.

use model::{Kbps, NodeId};
use net::{Endpoint, Link, NetError};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use wire::fleet::{Measured, PROBE_BYTES_MAX, ProbePeer};
use wire::limits::REQUEST_MAX;
use wire::storage::{PieceAnswer, StreamOpen};

/// Bytes each way against one peer; small enough that a loopback probe is quick and a slow line is not filled for long.
pub const PROBE_BYTES: u64 = 8 << 20;
/// Longest measurement of bytes in one direction.
pub const PROBE_TIME: Duration = Duration::from_secs(4);
/// Round trips per peer.
const RTT_SAMPLES: usize = 8;
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);
const STEP: usize = 64 << 10;
const _: () = assert!(PROBE_BYTES <= PROBE_BYTES_MAX);

/// Measures against the given peers: round trips to all, bytes against the first that answers.
pub async fn measure(endpoint: &Endpoint, peers: &[ProbePeer]) -> Measured {
    let mut measured = Measured::default();
    for peer in peers {
        endpoint.learn(peer.addr.clone());
        let Ok(link) = endpoint.connect(peer.addr.id, DIAL_TIMEOUT).await else { continue };
        if let Ok(rtt) = round_trips(&link, peer).await {
            measured.rtt_ms.push(rtt);
        }
        if measured.up.is_none() {
            measured.up = rate(&link, peer, PROBE_BYTES, 0).await;
            measured.down = rate(&link, peer, 0, PROBE_BYTES).await;
        }
    }
    measured
}

/// Median, and 95th percentile minus median, in ms, rounded up: a round trip is never made shorter than it was.
async fn round_trips(link: &Link, peer: &ProbePeer) -> Result<(NodeId, u16, u16), NetError> {
    let mut times = Vec::with_capacity(RTT_SAMPLES);
    for _ in 0..RTT_SAMPLES {
        let begun = Instant::now();
        timeout(PROBE_TIME, probe(link, peer, 0, 0)).await.map_err(|_| NetError::TimedOut(PROBE_TIME))??;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let ms = |time: Duration| u16::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u16::MAX);
    let (median, high) = (times[times.len() / 2], times[times.len() - 1]);
    Ok((peer.addr.id, ms(median), ms(high.saturating_sub(median))))
}

/// Rate of one direction; what was moved when time ran out still counts.
async fn rate(link: &Link, peer: &ProbePeer, up: u64, down: u64) -> Option<Kbps> {
    let begun = Instant::now();
    let moved = timeout(PROBE_TIME * 2, probe(link, peer, up, down)).await.ok()?.ok()?;
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Some(Kbps::from_transfer(moved, ms))
}

/// Sends `up` bytes, then reads `down` bytes; each direction ends at [`PROBE_TIME`]. Bytes moved.
async fn probe(link: &Link, peer: &ProbePeer, up: u64, down: u64) -> Result<u64, NetError> {
    let mut stream = link.open().await?;
    stream.write_frame(&wire::encode(&StreamOpen::Probe { permit: peer.permit.clone(), up, down })).await?;
    let bytes = vec![0x5a; STEP];
    let mut sent = 0;
    while sent < up {
        let step = usize::try_from((up - sent).min(STEP as u64)).unwrap_or(STEP);
        stream.write_all(&bytes[..step]).await?;
        sent += step as u64;
    }
    stream.finish()?;
    let answer = wire::decode(&stream.read_frame(REQUEST_MAX).await?, REQUEST_MAX);
    if !matches!(answer, Ok(PieceAnswer::Probe)) {
        return Err(NetError::Lost("the probe was refused".to_owned()));
    }
    let (mut got, mut into, begun) = (0, vec![0; STEP], Instant::now());
    while got < down && begun.elapsed() < PROBE_TIME {
        match stream.read_some(&mut into).await? {
            0 => break,
            n => got += n as u64,
        }
    }
    Ok(sent + got)
}
