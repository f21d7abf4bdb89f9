//! `pumasi bench …`: measures, and prints figures in one form.

use crate::app::App;
use crate::bench;
use crate::fault::Fault;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `bench`
#[derive(Subcommand, Debug)]
pub enum BenchVerb {
    Center(BenchCenterArgs),
    Storage(BenchStorageArgs),
    Compute(BenchComputeArgs),
    Gateway(BenchGatewayArgs),
    Ledger(BenchLedgerArgs),
    Report(BenchReportArgs),
}

/// `bench center`
#[derive(Args, Debug, Clone)]
pub struct BenchCenterArgs {
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub nodes: u32,
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub sockets: u32,
    #[arg(long, default_value = "60s", value_name = "DURATION")]
    pub time: String,
    #[arg(long, default_value = "2s", value_name = "DURATION")]
    pub period: String,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    #[arg(long)]
    pub restart: bool,
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `bench storage`
#[derive(Args, Debug, Clone)]
pub struct BenchStorageArgs {
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub mib: u32,
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    pub rows: u32,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `bench compute`
#[derive(Args, Debug, Clone)]
pub struct BenchComputeArgs {
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub agents: u32,
    #[arg(long, default_value = "60s", value_name = "DURATION")]
    pub time: String,
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub mib: u32,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `bench gateway`
#[derive(Args, Debug, Clone)]
pub struct BenchGatewayArgs {
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub mib: u32,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `bench ledger`
#[derive(Args, Debug, Clone)]
pub struct BenchLedgerArgs {
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub callers: u32,
    #[arg(long, default_value = "20s", value_name = "DURATION")]
    pub time: String,
    #[arg(long, value_name = "URL")]
    pub postgres: Option<String>,
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `bench report`
#[derive(Args, Debug, Clone)]
pub struct BenchReportArgs {
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// Runs `bench …`.
pub async fn run(app: &App, verb: &BenchVerb) -> Result<u8, Fault> {
    match verb {
        BenchVerb::Center(args) => bench::center::run(app, args).await,
        BenchVerb::Storage(args) => bench::storage::run(app, args).await,
        BenchVerb::Compute(args) => bench::compute::run(app, args).await,
        BenchVerb::Gateway(args) => bench::gateway::run(app, args).await,
        BenchVerb::Ledger(args) => bench::ledger::run(app, args).await,
        BenchVerb::Report(args) => bench::report::run(app, args).map(|()| 0),
    }
}
