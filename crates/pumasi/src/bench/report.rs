//! `pumasi bench report`: `docs/performance.md` from files of printed figures, so that no figure is typed by hand.

use super::figure::{Bar, Figure, shown};
use crate::app::App;
use crate::cli::bench::BenchReportArgs;
use crate::fault::Fault;
use console::args;
use model::errors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Longest file of figures.
const FILE_MAX: u64 = 16 << 20;

/// Reads the files and prints the page.
pub fn run(app: &App, given: &BenchReportArgs) -> Result<(), Fault> {
    let mut figures = Vec::new();
    for path in &given.files {
        let len = std::fs::metadata(path).map_err(|e| Fault::file(path, &e))?.len();
        if len > FILE_MAX {
            let shown = path.display().to_string();
            let (size, limit) = (len.to_string(), FILE_MAX.to_string());
            return Err(Fault::new(errors::TOO_LARGE, [("what", &*shown), ("size", &size), ("limit", &limit)]));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Fault::file(path, &e))?;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let figure = parse(line).map_err(|why| {
                let place = format!("{}:{}", path.display(), number + 1);
                Fault::bad_value("figure", &place, &why)
            })?;
            figures.extend(figure);
        }
    }
    app.out.print(page(app, &figures).trim_end());
    Ok(())
}

/// A figure, or nothing where the line is another object of ours.
fn parse(line: &str) -> Result<Option<Figure>, String> {
    let value: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let word = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    match word("kind") {
        // What the simulator prints has pages of its own.
        "bench" if word("bench").starts_with("sim_") => Ok(None),
        "bench" => serde_json::from_value(value).map(Some).map_err(|e| e.to_string()),
        _ => Ok(None),
    }
}

/// One table per command, in the order of the files.
fn page(app: &App, figures: &[Figure]) -> String {
    let mut out = String::from(HEAD);
    let mut runs: Vec<(String, Vec<&Figure>)> = Vec::new();
    for figure in figures {
        let key = format!("{}|{}", word(figure, "command"), word(figure, "commit"));
        match runs.iter_mut().find(|(k, _)| *k == key) {
            Some((_, run)) => run.push(figure),
            None => runs.push((key, vec![figure])),
        }
    }
    for (_, run) in &runs {
        section(app, &mut out, run);
    }
    out
}

fn section(app: &App, out: &mut String, run: &[&Figure]) {
    let Some(first) = run.first() else { return };
    let _ = write!(out, "\n## {}\n\n```\n{}\n```\n\n", first.bench, word(first, "command"));
    let params: BTreeMap<&String, &Value> =
        first.params.iter().filter(|(key, _)| !matches!(key.as_str(), "command" | "load_1min")).collect();
    let said: Vec<String> = params.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect();
    let loads = run.iter().filter_map(|f| f.params.get("load_1min")?.as_f64()).fold(0.0, f64::max);
    let _ = write!(out, "{} · load average up to {}\n\n", said.join(" · "), shown(loads));
    out.push_str("| id | value | unit | bar | | |\n|---|---:|---|---|---|---|\n");
    for figure in run {
        let bar = Bar::of(&figure.bench, &figure.id, &figure.params);
        let met = bar.map_or("", |bar| if bar.holds(figure.value) { "met" } else { "**missed**" });
        let bar = bar.map_or_else(String::new, |bar| bar.to_string());
        let text = app.out.text(&format!("bench-{}", figure.id), args![]);
        let _ =
            writeln!(out, "| `{}` | {} | {} | {bar} | {met} | {text} |", figure.id, shown(figure.value), figure.unit);
    }
}

fn word(figure: &Figure, key: &str) -> String {
    figure.params.get(key).map_or_else(String::new, plain)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

const HEAD: &str = "# Performance\n\n\
    Made by `pumasi bench report docs/figures/*.jsonl > docs/performance.md`; no figure here is typed by hand. Each table names \
    the command that makes it (add `--json` and append to a file under `docs/figures`). Benches run on shared machines: read \
    ratios within one run, not single times across runs.\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_lines_are_passed_over_and_broken_ones_named() {
        assert_eq!(parse(r#"{"v":1,"kind":"agents"}"#), Ok(None));
        assert_eq!(parse(r#"{"v":1,"kind":"bench","bench":"sim_durability","id":"x","value":null}"#), Ok(None));
        let line = r#"{"v":1,"kind":"bench","bench":"center","id":"x","value":1.5,"unit":"s","params":{}}"#;
        assert_eq!(parse(line).unwrap().map(|f| f.value), Some(1.5));
        assert!(parse("{").is_err());
        assert!(parse(r#"{"kind":"bench"}"#).is_err());
    }
}
