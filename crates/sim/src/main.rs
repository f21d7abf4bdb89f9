//! The simulator's own program: runs a scenario, prints its figures, ends with 1 when an invariant broke.

mod durable;
mod economy;
mod print;

use clap::{Parser, Subcommand};
use model::Span;
use sim::Seed;
use sim::hosts::Mix;
use sim::scene::{self, SCENARIOS, Scenario, Size};
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
  sim durability --nodes 6000 --days 365 --seed 1
  sim economy --seeds 1-20 --policy all
  sim audit --seeds 500
  sim compute-cheat --seeds 200
  sim compute-churn
  sim compute-shuffle
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
    /// Years of churn: does any segment get lost, unreadable, and what does repair move?
    Durability(durable::Durable),
    /// Loss in a year that is too rare to be counted: three answers, and a flag where they differ.
    Yearly(durable::Yearly),
    /// Years of mutual credit: who is short, what is served, what is never paid?
    Economy(economy::Economy),
    /// Nodes that dropped pieces silently: when are they found, and is an honest one blamed?
    #[command(
        after_help = "Examples:\n  sim audit --seeds 500 --seed 1\n  sim audit --seeds 500 --seed 1 --mix public --json"
    )]
    Audit {
        /// Nodes of each case, each with a seed of its own.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        seeds: u32,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// `public` or `homes`.
        #[arg(long, default_value = "homes")]
        mix: String,
        #[arg(long)]
        json: bool,
    },
    /// One owner behind 1 to 40 % of the machines: what does it get of a group?
    #[command(
        after_help = "Examples:\n  sim hidden --stage newcomers\n  sim hidden --stage vetted --groups 2000 --seed 2 --json"
    )]
    Hidden {
        #[arg(long, default_value_t = 6_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
        nodes: u32,
        /// Groups opened at each share.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        groups: u32,
        /// `newcomers` (on probation), `vetted` (nobody sees that they are one), `found` (an owner cluster).
        #[arg(long, default_value = "vetted")]
        stage: String,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long)]
        json: bool,
    },
    /// Hosts that lie about results: how many stay wrong, what does checking cost, when are they found?
    #[command(
        after_help = "Examples:\n  sim compute-cheat --seeds 200\n  sim compute-cheat --seeds 20 --nodes 200 --items 20000 --seed 3 --json"
    )]
    ComputeCheat {
        /// Hunts for a rare liar of each kind; a twentieth as many clouds with many liars.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        seeds: u32,
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(20..=100_000))]
        nodes: u32,
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
        items: u32,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long)]
        json: bool,
    },
    /// Machines vanish while they compute: when does the job end, what is wasted, is all of it right?
    #[command(after_help = "Examples:\n  sim compute-churn\n  sim compute-churn --vanish 90 --seed 3 --json")]
    ComputeChurn {
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=100_000))]
        nodes: u32,
        /// Tasks.
        #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
        items: u32,
        /// Time of a task on the reference machine.
        #[arg(long, default_value_t = 30)]
        minutes: u64,
        /// Percent of the hosts that vanish for 12 hours in the second run.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=100))]
        vanish: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long)]
        json: bool,
    },
    /// Machines vanish that hold blocks of a shuffle: what runs again, does it end, is all of it right?
    #[command(after_help = "Examples:\n  sim compute-shuffle\n  sim compute-shuffle --vanish 90 --seed 3 --json")]
    ComputeShuffle {
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(20..=100_000))]
        nodes: u32,
        /// Map items.
        #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
        maps: u32,
        /// Parts, each a reduce item.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=4_096))]
        parts: u32,
        /// Time of an item on the reference machine.
        #[arg(long, default_value_t = 3)]
        minutes: u64,
        /// Percent of the hosts that vanish for 12 hours in the second and the third run.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=100))]
        vanish: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long)]
        json: bool,
    },
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
        What::Durability(run) => return durable::make(&run),
        What::Economy(run) => return economy::make(&run),
        What::Yearly(run) => return durable::yearly(&run),
        What::Audit { seeds, seed, mix, json } => return audit(seeds, seed, &mix, json),
        What::ComputeCheat { seeds, nodes, items, seed, json } => {
            return cheat(scene::compute::cheat::Size { nodes, items, seeds }, seed, json);
        }
        What::ComputeChurn { nodes, items, minutes, vanish, seed, json } => {
            let takes = Span::mins(minutes);
            return churn(scene::compute::churn::Size { nodes, items, takes, vanish_percent: vanish }, seed, json);
        }
        What::ComputeShuffle { nodes, maps, parts, minutes, vanish, seed, json } => {
            let (takes, vanish_percent) = (Span::mins(minutes), vanish);
            return shuffle(scene::compute::shuffle::Size { nodes, maps, parts, takes, vanish_percent }, seed, json);
        }
        What::Hidden { nodes, groups, stage, seed, json } => return hidden((nodes, groups), &stage, seed, json),
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

fn audit(seeds: u32, seed: u64, mix: &str, json: bool) -> ExitCode {
    let Some(mix) = Mix::named(mix) else {
        eprintln!("no mix is called {mix}: it is public or homes");
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    print::outcome(&scene::audit::run(seeds, mix, Seed(seed)), begun.elapsed(), json)
}

fn cheat(size: scene::compute::cheat::Size, seed: u64, json: bool) -> ExitCode {
    let begun = Instant::now();
    print::outcome(&scene::compute::cheat::run(size, Seed(seed)), begun.elapsed(), json)
}

fn shuffle(size: scene::compute::shuffle::Size, seed: u64, json: bool) -> ExitCode {
    let begun = Instant::now();
    print::outcome(&scene::compute::shuffle::run(size, Seed(seed)), begun.elapsed(), json)
}

fn churn(size: scene::compute::churn::Size, seed: u64, json: bool) -> ExitCode {
    let begun = Instant::now();
    print::outcome(&scene::compute::churn::run(size, Seed(seed)), begun.elapsed(), json)
}

fn hidden((nodes, groups): (u32, u32), stage: &str, seed: u64, json: bool) -> ExitCode {
    let Some(stage) = scene::hidden::Stage::parse(stage) else {
        eprintln!("no stage is called {stage}: it is newcomers, vetted or found");
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    print::outcome(&scene::hidden::run(nodes, groups, stage, Seed(seed)), begun.elapsed(), json)
}

fn make(scenario: &Scenario, run: &Run, mix: Mix) -> ExitCode {
    let begun = Instant::now();
    let outcome = (scenario.run)(Size { nodes: run.nodes, days: run.days, mix }, Seed(run.seed));
    print::outcome(&outcome, begun.elapsed(), run.json)
}
