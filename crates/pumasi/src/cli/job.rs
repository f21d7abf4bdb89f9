//! Jobs: `run`, `map` and `job …`. What is typed or written in a file becomes a [`manifest::Manifest`]; that is resolved over
//! what is stored, prepared, handed in and followed; outputs are taken over as they are.

mod follow;
mod guest;
mod inputs;
mod known;
mod local;
mod manifest;
mod plan;
mod results;
mod show;

use crate::app::App;
use crate::fault::Fault;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What `run` and `map` share.
#[derive(Args, Debug, Clone, Default)]
pub struct JobFlags {
    #[arg(long, value_name = "my:BUCKET/PREFIX")]
    pub to: Option<String>,
    #[arg(long, value_name = "self|circle|public", default_value = "circle")]
    pub trust: String,
    #[arg(long, value_name = "fast|standard|strict", default_value = "standard")]
    pub check: String,
    #[arg(long, value_name = "REGION")]
    pub region: Vec<String>,
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub memory: String,
    #[arg(long, value_name = "STEPS")]
    pub fuel: Option<u64>,
    #[arg(long, value_name = "DURATION", default_value = "30min")]
    pub wall: String,
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub max_output: String,
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    pub deadline: String,
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    #[arg(long)]
    pub fresh: bool,
    #[arg(long, value_name = "CREDITS")]
    pub max_credits: Option<String>,
    #[arg(long)]
    pub detach: bool,
}

/// `run`
#[derive(Args, Debug, Clone)]
pub struct RunArgs {
    #[arg(value_name = "MODULE")]
    pub module: String,
    #[arg(long)]
    pub local: bool,
    #[arg(long, value_name = "PLACE|FILES")]
    pub each: Vec<String>,
    #[arg(long, value_name = "N", conflicts_with = "each")]
    pub count: Option<u32>,
    #[arg(long = "as", value_name = "stdin|file", default_value = "stdin")]
    pub input: String,
    #[arg(long, value_name = "PATTERN")]
    pub pattern: Option<String>,
    #[command(flatten)]
    pub flags: JobFlags,
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// `map`
#[derive(Args, Debug, Clone)]
pub struct MapArgs {
    #[arg(value_name = "MODULE")]
    pub module: String,
    #[arg(value_name = "PLACE", required = true)]
    pub inputs: Vec<String>,
    #[arg(long, value_name = "MODULE")]
    pub reduce: Option<String>,
    #[arg(long, value_name = "MODULE")]
    pub combine: Option<String>,
    #[arg(long, value_name = "N")]
    pub parts: Option<u32>,
    #[arg(long, value_name = "KEY,KEY…")]
    pub cuts: Option<String>,
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    pub split: String,
    #[command(flatten)]
    pub flags: JobFlags,
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// `job`
#[derive(Subcommand, Debug)]
pub enum JobVerb {
    Submit(SubmitArgs),
    List,
    Show(OneJob),
    Logs(LogsArgs),
    Results(ResultsArgs),
    Retry(OneJob),
    Raise(RaiseArgs),
    Stop(OneJob),
    Wait(OneJob),
}

/// `job submit`
#[derive(Args, Debug, Clone)]
pub struct SubmitArgs {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[arg(long)]
    pub fresh: bool,
    #[arg(long, value_name = "CREDITS")]
    pub max_credits: Option<String>,
    #[arg(long)]
    pub detach: bool,
}

/// `job raise`
#[derive(Args, Debug, Clone)]
pub struct RaiseArgs {
    #[arg(value_name = "JOB")]
    pub job: String,
    #[arg(long, value_name = "CREDITS")]
    pub max_credits: String,
}

/// One job, by its id or how that begins; `last` for the newest.
#[derive(Args, Debug, Clone)]
pub struct OneJob {
    #[arg(value_name = "JOB")]
    pub job: String,
}

/// `job logs`
#[derive(Args, Debug, Clone)]
pub struct LogsArgs {
    #[arg(value_name = "JOB")]
    pub job: String,
    #[arg(value_name = "ITEM", default_value_t = 0)]
    pub item: u32,
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub stage: u8,
}

/// `job results`
#[derive(Args, Debug, Clone)]
pub struct ResultsArgs {
    #[arg(value_name = "JOB")]
    pub job: String,
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
}

pub use guest::runner;

/// Runs `run`.
pub async fn run(app: &App, args: &RunArgs) -> Result<u8, Fault> {
    if args.local {
        return local::run(app, args).await;
    }
    let manifest = manifest::Manifest::of_run(args)?;
    plan::submit(app, &manifest, args.flags.detach).await
}

/// Runs `map`.
pub async fn map(app: &App, args: &MapArgs) -> Result<u8, Fault> {
    let manifest = manifest::Manifest::of_map(args)?;
    plan::submit(app, &manifest, args.flags.detach).await
}

/// Runs `job …`.
pub async fn job(app: &App, verb: &JobVerb) -> Result<u8, Fault> {
    match verb {
        JobVerb::Submit(args) => {
            let mut manifest = manifest::Manifest::load(&args.file)?;
            if args.fresh {
                manifest.make_fresh();
            }
            if args.max_credits.is_some() {
                manifest.max_credits.clone_from(&args.max_credits);
            }
            plan::submit(app, &manifest, args.detach).await
        }
        JobVerb::List => show::list(app).await.map(|()| 0),
        JobVerb::Show(one) => show::show(app, &one.job).await.map(|()| 0),
        JobVerb::Logs(args) => show::logs(app, args).await.map(|()| 0),
        JobVerb::Results(args) => results::results(app, args).await,
        JobVerb::Retry(one) => show::retry(app, &one.job).await.map(|()| 0),
        JobVerb::Raise(args) => show::raise(app, args).await.map(|()| 0),
        JobVerb::Stop(one) => show::stop(app, &one.job).await.map(|()| 0),
        JobVerb::Wait(one) => results::wait(app, &one.job).await,
    }
}

/// `-o PLACE` of `run` and `map` is `--to PLACE`: elsewhere `-o` says in which form a result is printed.
pub fn spelled(args: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = args.collect();
    let is_job = all.iter().skip(1).any(|word| word == "run" || word == "map");
    let end = all.iter().position(|word| word == "--").unwrap_or(all.len());
    if is_job {
        for at in 1..end {
            let is_form = all.get(at + 1).is_none_or(|next| ["human", "json", "plain", "id"].contains(&next.as_str()));
            if all[at] == "-o" && !is_form {
                "--to".clone_into(&mut all[at]);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_outputs_go_is_told_from_their_form() {
        let spelled = |text: &str| spelled(text.split(' ').map(str::to_owned)).join(" ");
        assert_eq!(spelled("pumasi run a.wasm -o my:out/ -- -o x"), "pumasi run a.wasm --to my:out/ -- -o x");
        assert_eq!(spelled("pumasi map a.wasm my:in/ -o json"), "pumasi map a.wasm my:in/ -o json");
        assert_eq!(spelled("pumasi ls -o my:x"), "pumasi ls -o my:x");
    }
}
