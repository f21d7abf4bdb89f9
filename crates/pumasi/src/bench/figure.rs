//! One figure of a measurement, and how it is printed: `{"v":1,"kind":"bench","bench":…,"id":…,"value":…,"unit":…,"params":{…}}`.

use crate::app::App;
use crate::cli::Form;
use console::args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What must be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
}

/// A figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Which bench.
    pub bench: String,
    /// Which figure of it.
    pub id: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
    /// Under which circumstances: the command, the machine, the program's commit among them.
    pub params: Map<String, Value>,
}

/// What each figure must reach, by bench and id; a figure without a bar is shown only.
pub const BARS: &[(&str, &str, Bar)] = &[
    ("center", "checkins_per_s", Bar::AtLeast(3_333.0)),
    ("center", "checkin_p99_ms", Bar::AtMost(100.0)),
    ("center", "checkins_failed", Bar::AtMost(0.0)),
    ("center", "rows_written", Bar::AtMost(0.0)),
    ("center", "presence_bytes_per_node", Bar::AtMost(256.0)),
    ("center", "row_bytes_per_node", Bar::AtMost(1_024.0)),
    ("center", "back_after_restart_s", Bar::AtMost(36.0)),
    ("center", "missing_after_restart", Bar::AtMost(0.0)),
    ("storage", "segment_row_bytes", Bar::AtMost(100.0)),
    ("storage", "object_row_bytes", Bar::AtMost(250.0)),
    ("storage", "commit_per_s", Bar::AtLeast(2_000.0)),
    ("storage", "writer_peak_streams_mib", Bar::AtMost(256.0)),
    ("storage", "writer_peak_soak_streams_mib", Bar::AtMost(256.0)),
    ("storage", "writer_peak_soak_sparse_mib", Bar::AtMost(256.0)),
    ("storage", "writer_peak_mib", Bar::AtMost(320.0)),
    ("storage", "put_64mib_c1", Bar::AtLeast(75.0)),
    ("storage", "put_cpu_s_per_gib", Bar::AtMost(15.0)),
    ("storage", "put_full_cpu_s_per_gib", Bar::AtMost(26.0)),
    ("storage", "uplink_ratio", Bar::AtMost(1.5)),
    ("storage", "seal_code_hash_share", Bar::AtLeast(0.6)),
    ("storage", "seal_code_hash_mb_s", Bar::AtLeast(150.0)),
    ("storage", "put_4097b_c8", Bar::AtLeast(1_000.0)),
    ("storage", "get_4097b_c8", Bar::AtLeast(2_000.0)),
    ("storage", "get_64mib_c1", Bar::AtLeast(200.0)),
    ("storage", "put_1mib_c4", Bar::AtLeast(45.0)),
    ("storage", "get_1mib_c4", Bar::AtLeast(150.0)),
    ("compute", "items_per_s", Bar::AtLeast(5_000.0)),
    ("compute", "grant_p99_ms", Bar::AtMost(50.0)),
    ("compute", "wordcount_over_plain", Bar::AtMost(2.5)),
    ("compute", "wordcount_cpu_over_plain", Bar::AtMost(4.0)),
    ("compute", "wasm_over_native", Bar::AtMost(1.7)),
    ("compute", "yield_ms_p95", Bar::AtMost(100.0)),
    ("compute", "yield_ms_max", Bar::AtMost(250.0)),
    ("compute", "yield_memory_ms_max", Bar::AtMost(1_000.0)),
    ("compute", "wordcount_1gib_w2_s", Bar::AtMost(30.0)),
    ("compute", "sort_1gib_w2_s", Bar::AtMost(46.0)),
    ("compute", "cpu_growth_w1_w2", Bar::AtMost(1.15)),
    ("compute", "killing_one_of_8_over", Bar::AtMost(1.3)),
    ("ledger", "transfers_per_s_sqlite", Bar::AtLeast(5_000.0)),
    ("ledger", "transfers_per_s_postgres", Bar::AtLeast(2_000.0)),
    ("ledger", "transfer_p99_ms", Bar::AtMost(100.0)),
    ("ledger", "transfer_p99_ms_postgres", Bar::AtMost(100.0)),
    ("ledger", "verify_rows_per_s", Bar::AtLeast(200_000.0)),
    ("gateway", "s3_put_64mib_over_client", Bar::AtMost(1.15)),
    ("gateway", "s3_get_64mib_over_client", Bar::AtMost(1.15)),
    ("gateway", "s3_put_4kib_c8", Bar::AtLeast(900.0)),
    ("gateway", "s3_get_4kib_c8", Bar::AtLeast(2_000.0)),
    ("gateway", "s3_head_c8", Bar::AtLeast(4_000.0)),
    ("storage", "put_4kib_c8", Bar::AtLeast(1_000.0)),
    ("storage", "get_4kib_c8", Bar::AtLeast(2_000.0)),
];

impl Bar {
    /// The bar of a figure; none where no more was offered than the bar (a parameter `offered` says so).
    pub fn of(bench: &str, id: &str, params: &Map<String, Value>) -> Option<Self> {
        let bar = BARS.iter().find(|(b, i, _)| (*b, *i) == (bench, id)).map(|(_, _, bar)| *bar)?;
        let offered = params.get("offered_per_s").and_then(Value::as_f64).filter(|_| id.ends_with("_per_s"));
        match (bar, offered) {
            (Self::AtLeast(least), Some(offered)) if offered < least => None,
            _ => Some(bar),
        }
    }

    /// True when a value reaches it.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bar) => value >= bar,
            Self::AtMost(bar) => value <= bar,
        }
    }
}

impl std::fmt::Display for Bar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(bar) => write!(f, "≥ {}", shown(*bar)),
            Self::AtMost(bar) => write!(f, "≤ {}", shown(*bar)),
        }
    }
}

/// A number as people read it: three digits that count, thousands apart.
pub fn shown(value: f64) -> String {
    let places = match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.places$}");
    let (whole, part) = text.split_once('.').map_or((text.as_str(), ""), |(w, p)| (w, p));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |d| ("-", d));
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let point = if part.is_empty() { "" } else { "." };
    format!("{sign}{grouped}{point}{part}")
}

/// Prints figures of one bench, which share their circumstances.
pub struct Printer<'a> {
    app: &'a App,
    bench: &'static str,
    params: Map<String, Value>,
    /// False once a figure missed its bar.
    pub good: bool,
}

impl<'a> Printer<'a> {
    /// Figures of `bench` under `params`, to which machine and commit are added.
    pub fn new(app: &'a App, bench: &'static str, params: Value) -> Self {
        let mut params = params.as_object().cloned().unwrap_or_default();
        params.insert("command".into(), json!(command()));
        params.insert("commit".into(), json!(commit()));
        params.insert("profile".into(), json!(if cfg!(debug_assertions) { "dev" } else { "release" }));
        params.insert("cores".into(), json!(std::thread::available_parallelism().map_or(0, std::num::NonZero::get)));
        Self { app, bench, params, good: true }
    }

    /// Prints one.
    pub fn figure(&mut self, id: &str, value: f64, unit: &str) {
        let mut params = self.params.clone();
        if let Some(load) = load_average() {
            params.insert("load_1min".into(), json!(load));
        }
        let figure = Figure { bench: self.bench.to_owned(), id: id.to_owned(), value, unit: unit.to_owned(), params };
        let bar = Bar::of(self.bench, id, &self.params);
        self.good &= bar.is_none_or(|bar| bar.holds(value));
        let out = &self.app.out;
        if out.form == Form::Json {
            out.json("bench", serde_json::to_value(&figure).unwrap_or_default());
            return;
        }
        let mark = match bar {
            Some(bar) if bar.holds(value) => format!("✓ {bar}"),
            Some(bar) => format!("✗ {bar}"),
            None => String::new(),
        };
        let text = out.text(&format!("bench-{id}"), args![]);
        out.print(format!("{:>12} {unit:<6} {text}  {mark}", shown(value)).trim_end());
    }
}

/// The command line, without the way to the program.
fn command() -> String {
    let words = std::env::args().skip(1).filter(|word| word != "--json");
    std::iter::once(model::program::NAME.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// The commit of the tree the bench is run in; unknown elsewhere.
fn commit() -> String {
    let asked = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let said = asked.ok().filter(|o| o.status.success()).and_then(|o| String::from_utf8(o.stdout).ok());
    said.map_or_else(|| "unknown".to_owned(), |commit| commit.trim().to_owned())
}

fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use console::text::{Lang, has};

    #[test]
    fn numbers_are_grouped_and_short() {
        let cases =
            [(5120.0, "5,120"), (0.12345, "0.123"), (1_234_567.8, "1,234,568"), (42.0, "42"), (2.34567, "2.35")];
        for (value, text) in cases {
            assert_eq!(shown(value), text);
        }
    }

    #[test]
    fn every_bar_has_its_sentence_in_both_languages() {
        for (_, id, _) in BARS {
            assert!(Lang::ALL.iter().all(|lang| has(*lang, &format!("bench-{id}"))), "{id}");
        }
    }

    #[test]
    fn a_bar_that_is_missed_is_told() {
        let offered = |n: f64| json!({"offered_per_s": n}).as_object().cloned().unwrap_or_default();
        let bar = |id, n| Bar::of("center", id, &offered(n));
        assert!(bar("checkin_p99_ms", 1.0).is_some_and(|bar| bar.holds(99.0) && !bar.holds(101.0)));
        assert!(bar("checkins_per_s", 5_000.0).is_some_and(|bar| !bar.holds(3_000.0)));
        assert_eq!(bar("checkins_per_s", 1_000.0), None, "less was offered");
    }
}
