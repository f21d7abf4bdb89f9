//! `pumasi doctor`: ordered checks of this machine; each says OK, WARN or FAIL.

use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use crate::local::{ask_agent, ask_center};
use crate::membership::Membership;
use crate::service;
use clap::Args;
use console::args;
use console::text::Args as TextArgs;
use model::Bytes;
use serde_json::json;
use std::time::Instant;
use wire::local::{LocalAnswer, LocalAsk};
use wire::{Reply, Request};

/// `doctor`
#[derive(Args, Debug, Clone)]
pub struct DoctorArgs {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// Space below which nothing sensible can be lent.
const LITTLE_DISK: Bytes = Bytes::gib(2);

/// Behind which walls foreign work would run here, measured by starting a sandbox.
async fn say_walls(app: &App, say: &mut impl FnMut(Verdict, &str, TextArgs)) {
    let measured = match super::job::runner(app) {
        Ok(runner) => tokio::task::spawn_blocking(move || runner.walls().map_err(|error| error.to_string())).await,
        Err(fault) => Ok(Err(fault.to_string())),
    };
    let needed = sandbox::walls::needed(sandbox::Trust::Public, std::env::consts::ARCH);
    match measured.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(walls) if walls.level() >= needed => {
            let args = args!["level" => walls.level(), "standing" => walls.standing.join(", ")];
            say(Verdict::Ok, "doctor-walls", args);
        }
        Ok(walls) => {
            let missing = walls.missing.join("; ");
            let args = args!["level" => walls.level(), "needed" => needed, "missing" => missing];
            say(Verdict::Warn, "doctor-walls-low", args);
        }
        Err(why) => say(Verdict::Fail, "doctor-walls-none", args!["why" => why]),
    }
}

/// Runs the checks; 1 when one failed.
pub async fn run(app: &App, _args: &DoctorArgs) -> Result<u8, Fault> {
    let mut worst = Verdict::Ok;
    let mut say = |verdict: Verdict, key: &str, args: TextArgs| {
        let word = match verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        if verdict == Verdict::Fail || worst == Verdict::Ok {
            worst = verdict;
        }
        let text = app.out.text(key, args);
        match app.out.form {
            Form::Json => app.out.json("doctor", json!({"id": key, "verdict": word, "text": text})),
            _ => app.out.print(&format!("{:<5} {text}", app.out.text(&format!("doctor-{word}"), args![]))),
        }
    };
    let home = &app.home;
    say(Verdict::Ok, "doctor-home", args!["path" => home.data.display()]);
    let free = node::machine::disk(&home.data).map_or(Bytes(0), |(_, free)| free);
    say(if free < LITTLE_DISK { Verdict::Warn } else { Verdict::Ok }, "doctor-disk", args!["free" => free]);
    if node::machine::is_memory_disk(&home.data) {
        say(Verdict::Warn, "doctor-disk-memory", args!["path" => home.data.display()]);
    }
    match node::fleet::lendfile::read(&home.config_file()) {
        Ok(_) => say(Verdict::Ok, "doctor-lend", args![]),
        Err(error) => say(Verdict::Fail, "doctor-lend-bad", args!["why" => error]),
    }
    let membership = match Membership::load(home) {
        Ok(membership) => membership,
        Err(_) => {
            say(Verdict::Fail, "doctor-not-joined", args![]);
            return Ok(1);
        }
    };
    say(Verdict::Ok, "doctor-joined", args!["cloud" => membership.cloud_name, "name" => membership.name]);
    say_walls(app, &mut say).await;
    match ask_agent(home, &LocalAsk::Status).await {
        Ok(LocalAnswer::Status(status)) => {
            say(Verdict::Ok, "doctor-agent", args!["pid" => status.pid]);
            let works: Vec<String> =
                status.sensors.iter().filter(|(_, works)| *works).map(|(name, _)| name.clone()).collect();
            match works.is_empty() {
                true => say(Verdict::Warn, "doctor-sensors-none", args![]),
                false => say(Verdict::Ok, "doctor-sensors", args!["sensors" => works.join(", ")]),
            }
        }
        _ => say(Verdict::Fail, "doctor-agent-down", args![]),
    }
    match service::availability() {
        service::Availability::Systemd => say(Verdict::Ok, "doctor-service", args!["service" => home.service_name()]),
        service::Availability::No(why) => say(Verdict::Warn, "doctor-service-none", args!["why" => why]),
    }
    let (begun, here) = (Instant::now(), crate::clock::now());
    match ask_center(home, Request::Cloud, app.timeout).await {
        Ok(Reply::Cloud(cloud)) => {
            say(Verdict::Ok, "doctor-center", args!["link" => "✓", "ms" => begun.elapsed().as_millis()]);
            let skew = cloud.now.distance(here);
            let wrong = skew > wire::signed::permit::CLOCK_TOLERANCE;
            let key = if wrong { "doctor-clock-wrong" } else { "doctor-clock" };
            say(if wrong { Verdict::Fail } else { Verdict::Ok }, key, args!["skew" => skew]);
        }
        Ok(_) => say(Verdict::Fail, "doctor-center-down", args!["why" => "?"]),
        Err(fault) => say(Verdict::Fail, "doctor-center-down", args!["why" => fault]),
    }
    Ok(u8::from(worst == Verdict::Fail))
}
