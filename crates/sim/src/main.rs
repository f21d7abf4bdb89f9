//! The simulator's own program: runs a scenario, prints its figures, ends with 1 when an invariant broke.

use clap::{Parser, Subcommand};
use sim::hosts::Mix;
use sim::scene::{self, SCENARIOS, Scenario, Size};
use sim::{Outcome, Seed};
use std::process::ExitCode;
use std::time::Instant;

/// Simulates a cloud in virtual time: the real rules, invented machines, one seed.
#[derive(Parser)]
#[command(name = "sim", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

const EXAMPLES: &str = "Examples:
  sim presence --nodes 1000 --days 30 --seed 7
  sim presence --nodes 1000 --days 30 --mix homes --json
  sim flapping --seed 3
  sim replay --scenario admission --seed 12
  sim list";

#[derive(Subcommand)]
enum What {
    /// Nodes come and go, the center crashes: is anybody called missing wrongly?
    Presence(Run),
    /// Check-ins doubled, late, reordered, clocks wrong: is any order harmed?
    Flapping(Run),
    /// Machines join with few tickets while the center crashes: does any use count twice?
    Admission(Run),
    /// One run again, by scenario and seed.
    Replay {
        /// Which scenario, see `sim list`.
        #[arg(long)]
        scenario: String,
        #[command(flatten)]
        run: Run,
    },
    /// The scenarios and what they show.
    List,
}

#[derive(clap::Args)]
struct Run {
    /// Machines.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    nodes: u32,
    /// Virtual days.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
    /// Everything that is random follows from it.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// `public` or `homes`.
    #[arg(long, default_value = "public")]
    mix: String,
    /// One JSON object a figure and line.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let (name, run) = match Cli::parse().what {
        What::Presence(run) => ("presence".to_owned(), run),
        What::Flapping(run) => ("flapping".to_owned(), run),
        What::Admission(run) => ("admission".to_owned(), run),
        What::Replay { scenario, run } => (scenario, run),
        What::List => {
            SCENARIOS.iter().for_each(|s| println!("{:<12} {}", s.name, s.about));
            return ExitCode::SUCCESS;
        }
    };
    let Some(scenario) = scene::scenario(&name) else {
        eprintln!("no scenario is called {name}; see: sim list");
        return ExitCode::from(2);
    };
    let Some(mix) = Mix::named(&run.mix) else {
        eprintln!("no mix is called {}: it is public or homes", run.mix);
        return ExitCode::from(2);
    };
    make(scenario, &run, mix)
}

fn make(scenario: &Scenario, run: &Run, mix: Mix) -> ExitCode {
    let begun = Instant::now();
    let outcome = (scenario.run)(Size { nodes: run.nodes, days: run.days, mix }, Seed(run.seed));
    let took_s = begun.elapsed().as_secs_f64().max(1e-6);
    let virtual_s = f64::from(run.days) * 86_400.0;
    let speed = [
        ("events", outcome.events as f64, "1"),
        ("events_per_s", outcome.events as f64 / took_s, "1/s"),
        ("times_real_time", virtual_s / took_s, "1"),
        ("took_s", took_s, "s"),
    ];
    let figures = outcome.figures.iter().map(|f| (f.id, f.value, f.unit)).chain(speed);
    if run.json {
        figures.for_each(|figure| print_json(&outcome, mix, figure));
    } else {
        print_table(&outcome, mix, figures);
    }
    match &outcome.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            eprintln!("{violation}\nagain with: {}", outcome.replay_line());
            ExitCode::from(1)
        }
    }
}

fn print_json(outcome: &Outcome, mix: Mix, (id, value, unit): (&str, f64, &str)) {
    let params = serde_json::json!({
        "nodes": outcome.nodes, "days": outcome.days, "seed": outcome.seed.0, "mix": mix.name,
        "faults": outcome.faults, "trace": outcome.hash, "ok": outcome.violation.is_none(),
    });
    let bench = format!("sim_{}", outcome.scenario);
    let line = serde_json::json!({
        "v": 1, "kind": "bench", "bench": bench, "id": id, "value": value, "unit": unit, "params": params,
    });
    println!("{line}");
}

fn print_table<'a>(outcome: &Outcome, mix: Mix, figures: impl Iterator<Item = (&'a str, f64, &'a str)>) {
    let faults = if outcome.faults.is_empty() { "none".to_owned() } else { outcome.faults.join(", ") };
    println!(
        "{} · {} nodes ({}) · {} days · seed {}",
        outcome.scenario, outcome.nodes, mix.name, outcome.days, outcome.seed.0
    );
    println!("faults: {faults}\ntrace:  {}\n", outcome.hash);
    for (id, value, unit) in figures {
        let digits = if value.fract() == 0.0 { 0 } else { 2 };
        println!("{id:<34} {value:>16.digits$} {}", if unit == "1" { "" } else { unit });
    }
    let verdict = if outcome.violation.is_none() { "every invariant held" } else { "an invariant broke" };
    println!("\n{verdict}");
}
