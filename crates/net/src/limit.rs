//! How much one peer may ask of us: links, streams and bytes of frames. Over a rate the peer waits, it is not thrown out;
//! over a number of links the new one is refused.
//!
//! The buckets belong to the peer, not to the link: a second link gives no second allowance, and a peer that goes and
//! comes back finds its bucket as it left it.

use model::NodeId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Links one peer may have here at a time; a machine that restarts again and again leaves some behind until they time out.
pub const LINKS_PER_PEER_MAX: usize = 16;
/// Links of all peers together.
pub const LINKS_MAX: usize = 100_000;
/// Below this number of remembered peers none is forgotten.
const GATES_MIN: usize = 1_024;

/// Streams of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerLimits {
    /// Streams open at a time on one link.
    pub streams: u32,
    /// Streams a second, on average.
    pub streams_per_s: u32,
    /// Streams at once after a pause.
    pub burst: u32,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self { streams: 64, streams_per_s: 200, burst: 400 }
    }
}

/// Frames of one peer, in bytes, on the streams it opened. Bulk bytes after a frame are held back by flow control alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Bytes a second, on average.
    pub bytes_per_s: u32,
    /// Bytes at once after a pause.
    pub burst_bytes: u32,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { bytes_per_s: 8 << 20, burst_bytes: 16 << 20 }
    }
}

/// A token bucket that may fall into debt: what comes is taken whole, and the next one waits until the debt is paid.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: f64,
    burst: f64,
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    pub(crate) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        let (rate, burst) = (f64::from(rate.max(1)), f64::from(burst.max(1)));
        Self { rate, burst, state: Mutex::new((burst, now)) }
    }

    /// Takes `n` tokens.
    pub(crate) fn take(&self, n: u32, now: Instant) {
        self.change(now, |tokens| (tokens - f64::from(n), ()));
    }

    /// Time until a token is there.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        let rate = self.rate;
        self.change(now, |tokens| (tokens, Duration::from_secs_f64((1.0 - tokens).max(0.0) / rate)))
    }

    /// Waits until a token is there. May be dropped at any time without loss.
    pub(crate) async fn pass(&self) {
        loop {
            match self.wait(Instant::now()) {
                Duration::ZERO => return,
                wait => tokio::time::sleep(wait).await,
            }
        }
    }

    fn is_full(&self, now: Instant) -> bool {
        let burst = self.burst;
        self.change(now, |tokens| (tokens, tokens >= burst))
    }

    fn change<T>(&self, now: Instant, with: impl FnOnce(f64) -> (f64, T)) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, last) = *state;
        let earned = now.saturating_duration_since(last).as_secs_f64() * self.rate;
        let (tokens, answer) = with((tokens + earned).min(self.burst));
        *state = (tokens, now.max(last));
        answer
    }
}

/// What one peer has left.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) streams: Bucket,
    pub(crate) frames: Bucket,
    links: AtomicUsize,
}

/// The gates of all peers.
#[derive(Debug)]
pub(crate) struct Gates {
    limits: PeerLimits,
    frames: FrameLimits,
    peers: Mutex<(BTreeMap<NodeId, Arc<Gate>>, usize)>,
    links: Arc<AtomicUsize>,
}

/// A link's place among the links of its peer and of all; given back on drop.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Arc<Gate>,
    all: Arc<AtomicUsize>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.links.fetch_sub(1, Ordering::Relaxed);
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gates {
    pub(crate) fn new(limits: PeerLimits, frames: FrameLimits) -> Self {
        Self { limits, frames, peers: Mutex::new((BTreeMap::new(), GATES_MIN)), links: Arc::default() }
    }

    /// The gate of one peer. Gates that are as good as new and lead nowhere are forgotten as others come.
    pub(crate) fn of(&self, peer: NodeId) -> Arc<Gate> {
        let now = Instant::now();
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let (map, sweep_at) = &mut *peers;
        if map.len() >= *sweep_at && !map.contains_key(&peer) {
            map.retain(|_, gate| {
                Arc::strong_count(gate) > 1 || !gate.streams.is_full(now) || !gate.frames.is_full(now)
            });
            *sweep_at = map.len().saturating_mul(2).max(GATES_MIN);
        }
        Arc::clone(map.entry(peer).or_insert_with(|| {
            let streams = Bucket::new(self.limits.streams_per_s, self.limits.burst, now);
            let frames = Bucket::new(self.frames.bytes_per_s, self.frames.burst_bytes, now);
            Arc::new(Gate { streams, frames, links: AtomicUsize::new(0) })
        }))
    }

    /// A place for one more link, unless the peer or all together have enough.
    pub(crate) fn enter(&self, gate: &Arc<Gate>) -> Option<Place> {
        let place = Place { gate: Arc::clone(gate), all: Arc::clone(&self.links) };
        let of_peer = gate.links.fetch_add(1, Ordering::Relaxed);
        let of_all = self.links.fetch_add(1, Ordering::Relaxed);
        (of_peer < LINKS_PER_PEER_MAX && of_all < LINKS_MAX).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let bucket = Bucket::new(10, 5, start);
        for _ in 0..5 {
            assert_eq!(bucket.wait(start), Duration::ZERO);
            bucket.take(1, start);
        }
        assert_eq!(bucket.wait(start), Duration::from_millis(100));
        assert_eq!(bucket.wait(start + Duration::from_millis(100)), Duration::ZERO);
    }

    #[test]
    fn a_debt_is_paid_before_the_next_one_passes() {
        let start = Instant::now();
        let bucket = Bucket::new(1_000, 1_000, start);
        bucket.take(3_000, start);
        assert_eq!(bucket.wait(start).as_millis(), 2_001);
        assert_eq!(bucket.wait(start + Duration::from_millis(2_001)), Duration::ZERO);
    }

    #[test]
    fn a_long_pause_gives_no_more_than_the_burst() {
        let start = Instant::now();
        let bucket = Bucket::new(10, 5, start);
        let later = start + Duration::from_secs(3_600);
        bucket.take(5, later);
        assert!(bucket.wait(later) > Duration::ZERO);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_gives_nothing() {
        let start = Instant::now() + Duration::from_secs(10);
        let bucket = Bucket::new(10, 1, start);
        bucket.take(1, start);
        assert_eq!(bucket.wait(start - Duration::from_secs(5)), Duration::from_millis(100));
        assert_eq!(bucket.wait(start), Duration::from_millis(100));
    }

    #[test]
    fn a_peer_has_so_many_links_and_its_place_comes_back() {
        let gates = Gates::new(PeerLimits::default(), FrameLimits::default());
        let gate = gates.of(NodeId([1; 32]));
        let places: Vec<_> = (0..LINKS_PER_PEER_MAX).map(|_| gates.enter(&gate).expect("within the limit")).collect();
        assert!(gates.enter(&gate).is_none());
        assert!(gates.enter(&gates.of(NodeId([2; 32]))).is_some());
        drop(places);
        assert!(gates.enter(&gate).is_some());
        assert_eq!(gates.links.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn strangers_that_left_are_forgotten_and_debtors_are_not() {
        let gates = Gates::new(PeerLimits { streams_per_s: 1, ..PeerLimits::default() }, FrameLimits::default());
        let id = |n: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            NodeId(bytes)
        };
        gates.of(id(0)).streams.take(100, Instant::now());
        (1..10_000).for_each(|n| drop(gates.of(id(n))));
        let peers = gates.peers.lock().unwrap();
        assert!(peers.0.len() <= GATES_MIN, "{} are remembered", peers.0.len());
        assert!(peers.0.contains_key(&id(0)));
    }
}
