//! What a run found out, as a table or as lines of JSON.

use serde_json::{Value, json};
use sim::{Figure, Outcome};
use std::process::ExitCode;
use std::time::Duration;

/// Prints the figures and the speed; 1 when an invariant broke.
pub fn outcome(outcome: &Outcome, took: Duration, json: bool) -> ExitCode {
    with(outcome, took, json, &[])
}

/// The same, with more parameters in each line.
pub fn with(outcome: &Outcome, took: Duration, json: bool, more: &[(&str, Value)]) -> ExitCode {
    let took_s = took.as_secs_f64().max(1e-6);
    let virtual_s = f64::from(outcome.days) * 86_400.0;
    let speed = [
        Figure { id: "events", value: outcome.events as f64, unit: "1" },
        Figure { id: "events_per_s", value: outcome.events as f64 / took_s, unit: "1/s" },
        Figure { id: "times_real_time", value: virtual_s / took_s, unit: "1" },
        Figure { id: "took_s", value: took_s, unit: "s" },
    ];
    let figures = outcome.figures.iter().chain(&speed);
    if json {
        figures.for_each(|figure| line(outcome, figure, more));
    } else {
        table(outcome, figures);
    }
    match &outcome.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            eprintln!("{violation}\nagain with: {}", command());
            ExitCode::from(1)
        }
    }
}

/// What was typed: with the trace hash it is all that is needed to see a figure again.
pub fn command() -> String {
    let words = std::env::args().skip(1).filter(|word| word != "--json");
    std::iter::once("sim".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn line(outcome: &Outcome, figure: &Figure, more: &[(&str, Value)]) {
    let mut params = json!({
        "nodes": outcome.nodes, "days": outcome.days, "seed": outcome.seed.0, "mix": outcome.mix,
        "command": command(), "faults": outcome.faults, "trace": outcome.hash, "ok": outcome.violation.is_none(),
    });
    more.iter().for_each(|(key, value)| params[*key] = value.clone());
    bench(outcome.scenario, figure, &params);
}

/// One line of a figure.
pub fn bench(scenario: &str, figure: &Figure, params: &Value) {
    let (bench, Figure { id, value, unit }) = (format!("sim_{scenario}"), figure);
    let line =
        json!({ "v": 1, "kind": "bench", "bench": bench, "id": id, "value": value, "unit": unit, "params": params });
    println!("{line}");
}

fn table<'a>(outcome: &Outcome, figures: impl Iterator<Item = &'a Figure>) {
    let faults = if outcome.faults.is_empty() { "none".to_owned() } else { outcome.faults.join(", ") };
    println!(
        "{} · {} nodes ({}) · {} days · seed {}",
        outcome.scenario, outcome.nodes, outcome.mix, outcome.days, outcome.seed.0
    );
    println!("faults: {faults}\ntrace:  {}\n", outcome.hash);
    for Figure { id, value, unit } in figures {
        println!("{id:<34} {:>16} {}", number(*value), if *unit == "1" { "" } else { unit });
    }
    let verdict = if outcome.violation.is_none() { "every invariant held" } else { "an invariant broke" };
    println!("\n{verdict}");
}

/// Whole numbers as they are, small shares with their exponent, what does not exist as a dash.
pub fn number(value: f64) -> String {
    match value {
        v if v.is_nan() => "–".to_owned(),
        v if v.fract() == 0.0 => format!("{v:.0}"),
        v if v.abs() < 0.001 => format!("{v:.2e}"),
        v => format!("{v:.3}"),
    }
}
