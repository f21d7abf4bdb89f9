//! `sim durability`: its words, and what they set.

use crate::print;
use clap::Args;
use model::{Bytes, Class};
use sim::hosts::{LAYERS_CALM, Mix};
use sim::scene::durability::{self, Blow, Gathering, Hosts, Indexes, Knows, Newcomers, Setup};
use sim::{Seed, avt};
use std::process::ExitCode;
use std::time::Instant;

const EXAMPLES: &str = "Examples:
  sim durability --nodes 6000 --days 365 --seed 1
  sim durability --nodes 6000 --days 365 --seed 1 --knows oracle --json
  sim durability --nodes 6000 --days 240 --class fortress --blow kill:55
  sim durability --nodes 6000 --days 240 --blow ramp:60:7
  sim durability --nodes 6000 --days 240 --blow windows
  sim durability --nodes 2000 --days 365 --indexes once
  sim durability --nodes 1000 --days 90 --trace homes.avt --life-days 365";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Durable {
    /// Machines at any moment.
    #[arg(long, default_value_t = 6_000, value_parser = clap::value_parser!(u32).range(200..=200_000))]
    nodes: u32,
    /// Days judged.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
    /// Everything that is random follows from it; without it a fresh one is drawn and printed.
    #[arg(long)]
    seed: Option<u64>,
    /// `homes` or `public`.
    #[arg(long, default_value = "homes")]
    mix: String,
    /// `eco`, `standard` or `fortress`.
    #[arg(long, default_value = "standard")]
    class: Class,
    /// Groups, each of which stands for one segment; a third of the machines unless said.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    groups: Option<u32>,
    /// Size of a slot in MiB; k of them are a group's content.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=4_096))]
    slot_mib: u64,
    /// Lent by each machine, in GiB.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    lent_gib: u64,
    /// Days in which the center learns before anything is stored.
    #[arg(long, default_value_t = 42, value_parser = clap::value_parser!(u32).range(31..=365))]
    learn_days: u32,
    /// What the rules know: `learned` (check-ins, vetting, limited lines) or `oracle` (the chapter's world).
    #[arg(long, default_value = "learned")]
    knows: String,
    /// Who replaces a machine that left: one of the `mix`, or one of the `same` kind.
    #[arg(long, default_value = "mix")]
    newcomers: String,
    /// Divides every life: rare losses become countable.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    hasten: u32,
    /// How repair gathers: `collect` over time, `again` without keeping pieces for those off, `now` while k are on at one moment.
    #[arg(long, default_value = "collect")]
    gathering: String,
    /// Indexes are `regiven` when all were given, or given `once`.
    #[arg(long, default_value = "regiven")]
    indexes: String,
    /// `none`, `kill:55`, `ramp:60:7` (percent, days), `windows`, `away:70`.
    #[arg(long, default_value = "none")]
    blow: String,
    /// Day of it.
    #[arg(long, default_value_t = 180)]
    blow_day: u32,
    /// Each time zone is one country known to the center: one more domain with a cap.
    #[arg(long)]
    countries: bool,
    /// No absences and outages.
    #[arg(long)]
    calm: bool,
    /// A recorded trace (`node start end` lines) in place of a mix.
    #[arg(long)]
    trace: Option<std::path::PathBuf>,
    /// Mean life of the trace's machines.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    life_days: u32,
    /// One JSON object a figure and line.
    #[arg(long)]
    json: bool,
}

pub fn make(args: &Durable) -> ExitCode {
    let setup = match setup(args) {
        Ok(setup) => setup,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    print::outcome(&durability::run(&setup), begun.elapsed(), args.json)
}

/// `sim yearly`: loss a year in three ways.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  sim yearly --nodes 6000 --days 365 --seed 1\n  sim yearly --nodes 3000 --days 180 --seed 1 --by 8 --class eco --json"
)]
pub struct Yearly {
    /// How many times faster machines die in the second run.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=100))]
    by: u32,
    #[command(flatten)]
    run: Durable,
}

pub fn yearly(args: &Yearly) -> ExitCode {
    match setup(&args.run) {
        Ok(setup) => {
            let begun = Instant::now();
            print::outcome(&durability::yearly(&setup, args.by), begun.elapsed(), args.run.json)
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn setup(args: &Durable) -> Result<Setup, String> {
    let seed = Seed(args.seed.unwrap_or_else(fresh));
    let base = Setup::new(args.nodes, args.days, seed);
    Ok(Setup {
        hosts: hosts(args)?,
        class: args.class,
        groups: args.groups.unwrap_or(base.groups),
        slot: Bytes::mib(args.slot_mib),
        lent: Bytes::gib(args.lent_gib),
        learn_days: args.learn_days,
        knows: word(&args.knows, &[("learned", Knows::Learned), ("oracle", Knows::Oracle)])?,
        newcomers: word(&args.newcomers, &[("mix", Newcomers::Mix), ("same", Newcomers::Same)])?,
        hasten: args.hasten,
        gathering: word(
            &args.gathering,
            &[("collect", Gathering::Collect), ("again", Gathering::Again), ("now", Gathering::Now)],
        )?,
        indexes: word(&args.indexes, &[("regiven", Indexes::Regiven), ("once", Indexes::Once)])?,
        blow: Blow::parse(&args.blow).ok_or_else(|| format!("no blow is called {}: see --help", args.blow))?,
        blow_day: args.blow_day,
        layers: if args.calm { LAYERS_CALM } else { base.layers },
        replaces: base.replaces,
        knows_countries: args.countries,
        nodes: base.nodes,
        days: base.days,
        seed: base.seed,
    })
}

fn hosts(args: &Durable) -> Result<Hosts, String> {
    let Some(path) = &args.trace else {
        let mix =
            Mix::named(&args.mix).ok_or_else(|| format!("no mix is called {}: it is public or homes", args.mix))?;
        return Ok(Hosts::Mix(mix));
    };
    let text = std::fs::read_to_string(path).map_err(|why| format!("{} cannot be read: {why}", path.display()))?;
    let nodes = avt::read(&text).map_err(|why| format!("{}: {why}", path.display()))?;
    if nodes.is_empty() {
        return Err(format!("{}: no machine is in it", path.display()));
    }
    Ok(Hosts::Trace { sessions: nodes.into_values().collect(), life_days: args.life_days })
}

fn word<T: Copy>(said: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(name, _)| *name == said).map(|(_, value)| *value);
    let names = || known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("{said} is none of: {}", names()))
}

/// A seed nobody chose: the clock's nanoseconds.
fn fresh() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| u64::from(d.subsec_nanos()) ^ d.as_secs())
}
