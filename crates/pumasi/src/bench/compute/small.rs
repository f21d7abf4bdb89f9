//! A cloud of four machines, each a process of its own, of which some compute and all store; one of those that compute belongs
//! to the member who hands jobs in.

use super::Bench;
use crate::app::App;
use crate::bench::process::family_cpu_s;
use crate::demo::cloud::Cloud;
use crate::fault::Fault;
use crate::process::PARENT_PIPE;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Machines.
pub const NODES: usize = 4;
/// Longest wait for what nodes measure when they join.
const PROBE_PATIENCE: Duration = Duration::from_secs(60);
/// Until a running agent has read its owner's file again.
const FILE_SEEN: Duration = Duration::from_secs(2);

/// Such a cloud.
pub struct Small {
    /// Its processes.
    pub cloud: Cloud,
}

impl Small {
    /// Starts one of which `workers` machines compute, one core each.
    pub async fn start(bench: &Bench<'_>, name: &str, workers: usize) -> Result<Self, Fault> {
        let dir = bench.folder(name);
        crate::home::create_private_dir(&dir)?;
        let cloud = Cloud::new(bench.app, &dir, NODES, bench.args.seed).for_bench();
        let mut small = Self { cloud };
        match small.begin(workers).await {
            Ok(()) => Ok(small),
            Err(fault) => {
                small.cloud.end().await;
                Err(fault)
            }
        }
    }

    async fn begin(&mut self, workers: usize) -> Result<(), Fault> {
        let cloud = &mut self.cloud;
        cloud.start_center().await.map_err(Fault::bug)?;
        cloud.join_first().await.map_err(Fault::bug)?;
        cloud.join_last().await.map_err(Fault::bug)?;
        cloud.all_on().await.map_err(Fault::bug)?;
        cloud.probed_within(PROBE_PATIENCE).await.map_err(Fault::bug)?;
        for index in 0..cloud.size() {
            let accept = if index < workers { "\"storage\", \"batch\"" } else { "\"storage\"" };
            let text = format!(
                "[lend]\nprofile = \"custom\"\ndisk = \"8GiB\"\naccept = [{accept}]\n\n[[lend.rule]]\n\
                 when = \"in_use or not in_use\"\ngive = {{ cores = 1, memory = \"20%\", net = \"80%\" }}\n"
            );
            let path = cloud.machine(index).home.config_file();
            crate::home::write_atomic(&path, text.as_bytes(), 0o600)?;
        }
        tokio::time::sleep(FILE_SEEN).await;
        Ok(())
    }

    /// The home of the member who hands jobs in.
    pub fn member(&self) -> App {
        self.cloud.machine(0)
    }

    /// A command of that member, not started yet.
    pub fn prepared(&self, args: &[&str]) -> Result<tokio::process::Command, Fault> {
        let exe = std::env::current_exe().map_err(Fault::bug)?;
        let home = self.member().home.data;
        let mut command = tokio::process::Command::new(exe);
        command.args(args).env("PUMASI_HOME", home.parent().unwrap_or(&home)).env_remove("XDG_RUNTIME_DIR");
        command.env_remove(PARENT_PIPE).stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    /// A command of that member; its output, and what it and its children used of the processors in s.
    pub async fn command(&self, args: &[&str]) -> Result<(Vec<u8>, f64), Fault> {
        let mut command = self.prepared(args)?;
        let before = ended_children_cpu_s();
        let out = command.output().await.map_err(Fault::bug)?;
        let cpu_s = ended_children_cpu_s() - before;
        match out.status.success() {
            true => Ok((out.stdout, cpu_s)),
            false => {
                let said = String::from_utf8_lossy(&out.stderr);
                Err(Fault::bug(format!("{} said {}", args.join(" "), said.trim())))
            }
        }
    }

    /// What a command took: seconds on the wall, and of the processors in all processes of the cloud and its own.
    pub async fn timed(&self, args: &[&str]) -> Result<(f64, f64), Fault> {
        let (before, begun) = (self.cpu_s(), Instant::now());
        let (_, own) = self.command(args).await?;
        Ok((begun.elapsed().as_secs_f64(), self.cpu_s() - before + own))
    }

    /// Processor time so far of all processes of the cloud, their ended children included.
    fn cpu_s(&self) -> f64 {
        self.cloud.pids().into_iter().map(family_cpu_s).sum()
    }
}

/// Processor time of ended children of this process, which is the only one that waits for them.
pub fn ended_children_cpu_s() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0.0, |used| seconds(used.user_time()) + seconds(used.system_time()))
}

/// A time of the system in s.
pub fn seconds(time: nix::sys::time::TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}
