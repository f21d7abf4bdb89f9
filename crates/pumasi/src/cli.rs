//! The command tree. Words and verbs are those of `docs/design/interfaces.md` §2; every sentence of help comes from the
//! text files, in both languages (`help.rs` fills them in), so nothing is said here that could drift from them.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

pub mod account;
pub mod agent;
pub mod bench;
pub mod bucket;
pub mod center;
pub mod center_lost;
pub mod center_snapshot;
pub mod dev;
pub mod device;
pub mod doctor;
pub mod explain;
pub mod gateway;
pub mod grant;
pub mod invite;
pub mod job;
pub mod join;
pub mod ledger;
pub mod lend;
pub mod member;
pub mod mount;
pub mod names_log;
pub mod node;
pub mod object;
pub mod recovery;
pub mod recovery_rebuild;
pub mod session;
pub mod status;
pub mod ticket;
pub mod upload;
pub mod wallet;

/// Everything that can be typed.
#[derive(Parser, Debug)]
#[command(name = "pumasi", version, disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    /// Flags every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Form of the result on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Tables and sentences.
    Human,
    /// One object, or one a line.
    Json,
    /// Tab-separated, no header.
    Plain,
    /// Ids only.
    Id,
}

/// Flags every command takes; `PUMASI_…` mirrors each.
#[derive(Args, Debug, Clone)]
pub struct Global {
    #[arg(
        short = 'o',
        long = "output",
        global = true,
        value_enum,
        default_value = "human",
        env = "PUMASI_OUTPUT",
        hide_env = true
    )]
    pub output: Form,
    #[arg(long, global = true)]
    pub json: bool,
    #[arg(short, long, global = true)]
    pub quiet: bool,
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[arg(short, long, global = true, env = "PUMASI_YES", hide_env = true)]
    pub yes: bool,
    #[arg(long, global = true, value_name = "en|zh", env = "PUMASI_LANG", hide_env = true)]
    pub lang: Option<String>,
    #[arg(long, global = true, env = "PUMASI_NO_COLOR", hide_env = true)]
    pub no_color: bool,
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        default_value = "30s",
        env = "PUMASI_TIMEOUT",
        hide_env = true
    )]
    pub timeout: String,
}

impl Global {
    /// The form asked for, `--json` before `-o`.
    pub fn form(&self) -> Form {
        if self.json { Form::Json } else { self.output }
    }
}

/// The verbs.
#[derive(Subcommand, Debug)]
pub enum Verb {
    Demo(DemoArgs),
    Init(center::InitArgs),
    Invite(invite::InviteArgs),
    Join(join::JoinArgs),
    Leave(agent::LeaveArgs),
    Holiday(agent::HolidayArgs),
    Up,
    Down,
    Pause(agent::PauseArgs),
    Resume,
    Finish,
    Lend(lend::LendArgs),
    Status(status::StatusArgs),
    Doctor(doctor::DoctorArgs),
    Cp(object::CpArgs),
    Ls(object::LsArgs),
    Rm(object::RmArgs),
    Mv(object::MvArgs),
    Cat(object::CatArgs),
    Stat(object::OneArgs),
    Sync(object::SyncArgs),
    Share(grant::ShareArgs),
    Mount(mount::MountArgs),
    Run(job::RunArgs),
    Map(job::MapArgs),
    #[command(subcommand)]
    Job(job::JobVerb),
    #[command(subcommand)]
    Bucket(bucket::BucketVerb),
    #[command(subcommand)]
    Object(object::ObjectVerb),
    #[command(subcommand)]
    Upload(upload::UploadVerb),
    #[command(subcommand)]
    Gateway(gateway::GatewayVerb),
    #[command(subcommand)]
    Grant(grant::GrantVerb),
    #[command(subcommand)]
    Device(device::DeviceVerb),
    #[command(subcommand)]
    Recovery(recovery::RecoveryVerb),
    #[command(subcommand)]
    Node(node::NodeVerb),
    #[command(subcommand)]
    Ticket(ticket::TicketVerb),
    #[command(subcommand)]
    Member(member::MemberVerb),
    #[command(subcommand)]
    Wallet(wallet::WalletVerb),
    #[command(subcommand)]
    Ledger(ledger::LedgerVerb),
    #[command(subcommand)]
    Agent(agent::AgentVerb),
    #[command(subcommand)]
    Center(center::CenterVerb),
    Explain(explain::ExplainArgs),
    #[command(subcommand)]
    Bench(bench::BenchVerb),
    #[command(subcommand, hide = true)]
    Dev(dev::DevVerb),
}

/// `demo`
#[derive(Args, Debug, Clone)]
pub struct DemoArgs {
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(5..=11))]
    pub nodes: u16,
    #[arg(long)]
    pub once: bool,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
