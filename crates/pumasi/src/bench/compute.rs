//! `pumasi bench compute`: how much work does one center hand out and take back, and what does a job cost on a small cloud,
//! next to a plain program that does the same?
//!
//! A part that cannot run says why, and makes the bench fail.

mod dispatch;
mod jobs;
mod killing;
mod native;
mod noop;
mod sha256;
mod small;
mod texts;
mod yielding;

use super::figure::Printer;
use crate::app::App;
use crate::cli::bench::BenchComputeArgs;
use crate::fault::Fault;
use console::args;
use std::path::Path;

/// Circumstances of figures.
const BENCH: &str = "compute";

/// What all parts share.
struct Bench<'a> {
    app: &'a App,
    args: &'a BenchComputeArgs,
    dir: &'a Path,
    /// No bar was missed and every part ran.
    good: bool,
}

impl Bench<'_> {
    /// Whether one of these figures is asked for.
    fn is_meant(&self, ids: &[&str]) -> bool {
        self.args.only.as_ref().is_none_or(|only| ids.iter().any(|id| id.contains(only.as_str())))
    }

    /// Prints a figure if it is asked for.
    fn figure(&mut self, params: &serde_json::Value, (id, value, unit): (&str, f64, &str)) {
        if self.is_meant(&[id]) {
            let mut printer = Printer::new(self.app, BENCH, params.clone());
            printer.figure(id, value, unit);
            self.good &= printer.good;
        }
    }

    /// Notes how a part ended; one that came to nothing is told and is a failure.
    fn ended(&mut self, part: &str, done: Result<(), Fault>) {
        if let Err(fault) = done {
            let said = || {
                let args: Vec<String> = fault.args.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("{} {}", fault.id, args.join(" "))
            };
            let why = fault.cause.clone().unwrap_or_else(said);
            eprintln!("{}", self.app.out.text("bench-part-failed", args!["part" => part, "why" => why]));
            self.good = false;
        }
    }

    /// A folder of its own for a part.
    fn folder(&self, name: &str) -> std::path::PathBuf {
        self.dir.join(name)
    }
}

/// Runs the bench; 1 when a bar was missed or a part did not run.
pub async fn run(app: &App, args: &BenchComputeArgs) -> Result<u8, Fault> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("pumasi-bench-{}", std::process::id())),
    };
    crate::home::create_private_dir(&dir)?;
    if node::machine::is_memory_disk(&dir) {
        return Err(Fault::bad_value("dir", &dir.display().to_string(), "it lies in memory; name a folder on a disk"));
    }
    let mut bench = Bench { app, args, dir: &dir, good: true };
    let stopped = tokio::select! {
        () = bench.all() => None,
        code = crate::process::stop_asked() => Some(code),
    };
    let code = stopped.unwrap_or(u8::from(!bench.good));
    if args.dir.is_none() {
        let _ = std::fs::remove_dir_all(&dir);
    }
    Ok(code)
}

impl Bench<'_> {
    async fn all(&mut self) {
        dispatch::run(self).await;
        native::run(self).await;
        noop::run(self).await;
        yielding::run(self).await;
        killing::run(self).await;
        jobs::run(self).await;
    }
}
