//! `pumasi dev …`: for the project's own tests and measurements.

use crate::app::App;
use crate::dev::{agents, chaos, massacre, standard, workers};
use crate::fault::Fault;
use clap::{Args, Subcommand, ValueEnum};
use std::net::IpAddr;

/// `dev`
#[derive(Subcommand, Debug)]
pub enum DevVerb {
    Agents(AgentsArgs),
    Chaos(ChaosArgs),
    Massacre(MassacreArgs),
    Nodes(NodesArgs),
    Workers(WorkersArgs),
}

/// A fault that simulated nodes play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FaultKind {
    /// All start anew within ten seconds.
    Storm,
    /// One in ten says goodbye at a check-in and comes back two periods later.
    Flapping,
    /// Clocks are wrong by up to ten years either way.
    Clock,
    /// Every message is sent twice.
    Duplicates,
    /// What they say of themselves is absurd.
    Lies,
}

/// `dev agents`
#[derive(Args, Debug, Clone)]
pub struct AgentsArgs {
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub sockets: u32,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    #[arg(long, required = true, value_name = "TICKET")]
    pub ticket: Vec<String>,
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub bind: IpAddr,
    #[arg(long, value_name = "DURATION")]
    pub time: Option<String>,
    #[arg(long, default_value = "10s", value_name = "DURATION")]
    pub warmup: String,
    #[arg(long, value_enum, value_name = "FAULT")]
    pub fault: Vec<FaultKind>,
}

/// `dev chaos`
#[derive(Args, Debug, Clone)]
pub struct ChaosArgs {
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    pub seconds: u64,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(7..=11))]
    pub nodes: u8,
    #[arg(long, default_value_t = 4_320, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub time_scale: u32,
    #[arg(long)]
    pub plan: bool,
}

/// `dev massacre`
#[derive(Args, Debug, Clone)]
pub struct MassacreArgs {
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub choices: u32,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    #[arg(long)]
    pub standard: bool,
    #[arg(long, conflicts_with = "standard")]
    pub midway: bool,
}

/// `dev nodes`
#[derive(Args, Debug, Clone)]
pub struct NodesArgs {
    #[arg(required = true, value_name = "HOME")]
    pub homes: Vec<String>,
}

/// What simulated workers are given to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorkLoad {
    /// Short items without end, many a lease.
    Bundles,
    /// Items without end of which each fills a lease.
    Singles,
    /// Small jobs at a pace, while every node waits for work.
    Paced,
}

/// `dev workers`
#[derive(Args, Debug, Clone)]
pub struct WorkersArgs {
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: u32,
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub sockets: u32,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    #[arg(long, required = true, value_name = "TICKET")]
    pub ticket: Vec<String>,
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub bind: IpAddr,
    #[arg(long, default_value = "60s", value_name = "DURATION")]
    pub time: String,
    #[arg(long, default_value = "5s", value_name = "DURATION")]
    pub warmup: String,
    #[arg(long, value_enum, default_value = "bundles", value_name = "LOAD")]
    pub load: WorkLoad,
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub pace: u32,
}

/// Runs `dev …`.
pub async fn run(app: &App, verb: &DevVerb) -> Result<u8, Fault> {
    match verb {
        DevVerb::Agents(args) => agents::run(app, args).await,
        DevVerb::Chaos(args) => chaos::run(app, args).await,
        DevVerb::Massacre(args) => massacre::run(app, args).await,
        DevVerb::Nodes(args) => standard::nodes(app, args).await,
        DevVerb::Workers(args) => workers::run(app, args).await,
    }
}
