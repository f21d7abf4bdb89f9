//! What the center counts, as Prometheus text. Labels come from closed sets only.

use crate::Center;
use crate::db::bucket_le_us;
use model::Presence;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Live counters.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Check-ins answered.
    pub check_ins: AtomicU64,
    /// Calls answered, check-ins included.
    pub calls: AtomicU64,
    /// Calls refused.
    pub refused: AtomicU64,
    /// Bytes that were no message.
    pub malformed: AtomicU64,
    /// Audits in which everything was proved.
    pub audits_good: AtomicU64,
    /// Audits in which something was gone or wrong, or nothing was answered.
    pub audits_bad: AtomicU64,
    /// Links now.
    pub links: AtomicU64,
    /// Rows of the ledger at the last look.
    pub ledger_rows: AtomicU64,
    /// 1 while the ledger takes nothing because an invariant did not hold.
    pub ledger_stopped: AtomicU64,
}

impl Metrics {
    /// An audit is over.
    pub fn audited(&self, is_good: bool) {
        let count = if is_good { &self.audits_good } else { &self.audits_bad };
        count.fetch_add(1, Relaxed);
    }
}

/// The page that Prometheus reads.
pub fn page(center: &Center) -> String {
    let m = center.metrics();
    let mut out = String::new();
    let mut one = |name: &str, kind: &str, value: u64| {
        let _ = write!(out, "# TYPE pumasi_{name} {kind}\npumasi_{name} {value}\n");
    };
    one("fleet_check_ins_total", "counter", m.check_ins.load(Relaxed));
    one("center_calls_total", "counter", m.calls.load(Relaxed));
    one("center_refusals_total", "counter", m.refused.load(Relaxed));
    one("center_malformed_total", "counter", m.malformed.load(Relaxed));
    one("storage_audits_good_total", "counter", m.audits_good.load(Relaxed));
    one("storage_audits_bad_total", "counter", m.audits_bad.load(Relaxed));
    one("center_links", "gauge", m.links.load(Relaxed));
    one("ledger_rows", "gauge", m.ledger_rows.load(Relaxed));
    one("ledger_stopped", "gauge", m.ledger_stopped.load(Relaxed));
    let stats = center.db().stats();
    one("center_db_rows_written_total", "counter", stats.rows_written);
    one("center_db_writes_total", "counter", stats.writes);
    one("center_db_commits_total", "counter", stats.commits);
    let now = center.now();
    let (counts, bytes, surge) = {
        let fleet = center.fleet();
        (fleet.presence.counts(now), fleet.memory_bytes(), fleet.presence.is_surge())
    };
    one("surge", "gauge", u64::from(surge));
    one("fleet_memory_bytes", "gauge", u64::try_from(bytes).unwrap_or(u64::MAX));
    out.push_str("# TYPE pumasi_fleet_nodes gauge\n");
    for (presence, count) in Presence::ALL.iter().zip(counts) {
        let _ = writeln!(out, "pumasi_fleet_nodes{{state=\"{presence}\"}} {count}");
    }
    out.push_str("# TYPE pumasi_center_db_write_seconds histogram\n");
    let mut total = 0;
    for (index, count) in stats.write_us.iter().enumerate() {
        total += count;
        let le = bucket_le_us(index).map_or_else(|| "+Inf".to_owned(), |us| format!("{}", us as f64 / 1e6));
        let _ = writeln!(out, "pumasi_center_db_write_seconds_bucket{{le=\"{le}\"}} {total}");
    }
    let _ = write!(
        out,
        "pumasi_center_db_write_seconds_sum {}\npumasi_center_db_write_seconds_count {total}\n",
        stats.write_us_total as f64 / 1e6
    );
    out
}
