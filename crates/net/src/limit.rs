//! How much one peer may ask of us: streams at a time, streams a second. Over it the peer waits; it is not thrown out.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Limits of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerLimits {
    /// Streams open at a time.
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

/// A token bucket: `rate` tokens a second, at most `burst` kept.
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

    /// Takes a token; the time to wait before it may be used.
    pub(crate) fn take(&self, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (tokens, last) = *state;
        let tokens = (tokens + now.saturating_duration_since(last).as_secs_f64() * self.rate).min(self.burst) - 1.0;
        *state = (tokens, now);
        if tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-tokens / self.rate) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let bucket = Bucket::new(10, 5, start);
        assert!((0..5).all(|_| bucket.take(start) == Duration::ZERO));
        assert_eq!(bucket.take(start), Duration::from_millis(100));
        assert_eq!(bucket.take(start), Duration::from_millis(200));
        assert_eq!(bucket.take(start + Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn a_long_pause_gives_no_more_than_the_burst() {
        let start = Instant::now();
        let bucket = Bucket::new(10, 5, start);
        let later = start + Duration::from_secs(3_600);
        assert_eq!((0..7).filter(|_| bucket.take(later) == Duration::ZERO).count(), 5);
    }
}
