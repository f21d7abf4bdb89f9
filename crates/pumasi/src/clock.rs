//! The one place of the program that reads the wall clock.

use model::Stamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, by this machine's clock. `PUMASI_CLOCK_SKEW_MS` moves it, for tests of wrong clocks.
pub fn now() -> Stamp {
    let ms =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
    Stamp(ms.saturating_add_signed(skew_ms()))
}

fn skew_ms() -> i64 {
    static SKEW: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *SKEW.get_or_init(|| std::env::var("PUMASI_CLOCK_SKEW_MS").ok().and_then(|v| v.parse().ok()).unwrap_or(0))
}
