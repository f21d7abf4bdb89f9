//! `sim economy`: its words, one run or a table of many.

use crate::print;
use clap::Args;
use serde_json::json;
use sim::scene::economy::{self, POLICIES, Policy, Setup};
use sim::{Figure, Outcome, Seed};
use std::process::ExitCode;
use std::time::Instant;

const EXAMPLES: &str = "Examples:
  sim economy --seed 1
  sim economy --seed 1 --policy pro-rata --json
  sim economy --seeds 1-20 --policy all
  sim economy --seeds 1-20 --policy final --demand 1.5
  sim economy --policies";

/// Figures of the table.
const SHOWN: [&str; 6] = [
    "value_served_share",
    "always_on_served_share",
    "fair_short_share",
    "bad_debt_share",
    "stranded_debt_share",
    "stored_used_share",
];

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Economy {
    /// Members at any moment; a circle has 20.
    #[arg(long, default_value_t = 1_200, value_parser = clap::value_parser!(u32).range(150..=20_000))]
    members: u32,
    /// Virtual days; the first 180 are not judged.
    #[arg(long, default_value_t = 720, value_parser = clap::value_parser!(u32).range(210..=3_650))]
    days: u32,
    /// Everything that is random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Several, first-last: median, least and most of each figure.
    #[arg(long, conflicts_with = "seed")]
    seeds: Option<String>,
    /// Of the demand that is assumed: 0.5, 1, 1.5.
    #[arg(long, default_value_t = 1.0)]
    demand: f64,
    /// One of `--policies`, several with commas, or `all`.
    #[arg(long, default_value = "final")]
    policy: String,
    /// Says which policies there are.
    #[arg(long)]
    policies: bool,
    /// One JSON object a figure and line.
    #[arg(long)]
    json: bool,
}

pub fn make(args: &Economy) -> ExitCode {
    if args.policies {
        POLICIES.iter().for_each(|policy| println!("{:<15} {}", policy.name, policy.about));
        return ExitCode::SUCCESS;
    }
    let asked = chosen(&args.policy).and_then(|policies| Ok((policies, seeds(args)?, percent(args.demand)?)));
    let (policies, seeds, demand_percent) = match asked {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let setup =
        |policy: Policy, seed: u64| Setup { demand_percent, policy, ..Setup::new(args.members, args.days, Seed(seed)) };
    if let ([policy], [seed]) = (policies.as_slice(), seeds.as_slice()) {
        let begun = Instant::now();
        let outcome = economy::run(&setup(*policy, *seed));
        let more = [("policy", json!(policy.name)), ("demand", json!(args.demand))];
        return print::with(&outcome, begun.elapsed(), args.json, &more);
    }
    let mut is_whole = true;
    for policy in policies {
        let outcomes: Vec<Outcome> = seeds.iter().map(|seed| economy::run(&setup(policy, *seed))).collect();
        for violation in outcomes.iter().filter_map(|outcome| outcome.violation.as_ref()) {
            eprintln!("{}: {violation}", policy.name);
            is_whole = false;
        }
        if args.json { lines(args, &policy, &outcomes) } else { row(args, &policy, &outcomes) }
    }
    ExitCode::from(u8::from(!is_whole))
}

fn chosen(names: &str) -> Result<Vec<Policy>, String> {
    if names == "all" {
        return Ok(POLICIES.to_vec());
    }
    let one =
        |name| economy::policy(name).ok_or_else(|| format!("no policy is called {name}; see: sim economy --policies"));
    names.split(',').map(one).collect()
}

fn seeds(args: &Economy) -> Result<Vec<u64>, String> {
    let Some(said) = &args.seeds else { return Ok(vec![args.seed]) };
    let range = said.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match range {
        Some((first, last)) if first <= last && last - first < 10_000 => Ok((first..=last).collect()),
        _ => Err(format!("{said} is no range of seeds: 1-20")),
    }
}

fn percent(demand: f64) -> Result<u64, String> {
    // Checked to be between 10 and 1,000.
    if (0.1..=10.0).contains(&demand) {
        Ok((demand * 100.0).round() as u64)
    } else {
        Err(format!("a demand of {demand} is not between 0.1 and 10"))
    }
}

/// Median, least and most of one figure.
fn spread(outcomes: &[Outcome], id: &str) -> (f64, f64, f64) {
    let mut values: Vec<f64> =
        outcomes.iter().filter_map(|outcome| outcome.figure(id)).filter(|v| !v.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    let (middle, last) = (values.len() / 2, values.len().saturating_sub(1));
    let median =
        if values.len().is_multiple_of(2) && middle > 0 { (at(middle - 1) + at(middle)) / 2.0 } else { at(middle) };
    (median, at(0), at(last))
}

fn lines(args: &Economy, policy: &Policy, outcomes: &[Outcome]) {
    let Some(first) = outcomes.first() else { return };
    for Figure { id, unit, .. } in &first.figures {
        let (median, low, high) = spread(outcomes, id);
        let params = json!({
            "members": first.nodes, "days": first.days, "seeds": args.seeds, "policy": policy.name, "demand": args.demand,
            "low": low, "high": high, "command": print::command(),
            "ok": outcomes.iter().all(|outcome| outcome.violation.is_none()),
        });
        print::bench(first.scenario, &Figure { id, value: median, unit }, &params);
    }
}

fn row(args: &Economy, policy: &Policy, outcomes: &[Outcome]) {
    println!("{} ({}) · {} seeds · demand {}", policy.name, policy.about, outcomes.len(), args.demand);
    for id in SHOWN {
        let (median, low, high) = spread(outcomes, id);
        println!("  {id:<26} {:>10} ({} to {})", print::number(median), print::number(low), print::number(high));
    }
}
