//! `pumasi lend`: what this machine gives. The owner's file is final; a change is in force at once, center or not.

use crate::app::App;
use crate::fault::Fault;
use crate::lendfile::fault;
use crate::local::{agent_runs, ask_agent};
use clap::{Args, Subcommand};
use console::args;
use node::fleet::lendfile;
use serde_json::json;
use wire::local::{LocalAnswer, LocalAsk};

/// `lend`
#[derive(Args, Debug, Clone)]
pub struct LendArgs {
    #[command(subcommand)]
    pub verb: Option<LendVerb>,
}

/// `lend …`
#[derive(Subcommand, Debug, Clone)]
pub enum LendVerb {
    Show,
    Set {
        #[arg(value_name = "KEY=VALUE", required = true)]
        values: Vec<String>,
    },
}

/// Runs `lend …`.
pub async fn run(app: &App, args: &LendArgs) -> Result<(), Fault> {
    match &args.verb {
        None | Some(LendVerb::Show) => show(app).await,
        Some(LendVerb::Set { values }) => set(app, values).await,
    }
}

async fn set(app: &App, values: &[String]) -> Result<(), Fault> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=')?;
        Some((key.trim().to_owned(), value.trim().to_owned()))
    };
    let changes: Option<Vec<_>> = values.iter().map(pair).collect();
    let changes = changes.ok_or_else(|| Fault::bad_value("lend", &values.join(" "), "it is written as key=value"))?;
    app.home.create()?;
    lendfile::set(&app.home.config_file(), &changes).map_err(|e| fault(&e))?;
    if agent_runs(&app.home).await {
        ask_agent(&app.home, &LocalAsk::Reload).await?;
        app.out.say("lend-set", args!["what" => values.join(" ")]);
        if let LocalAnswer::Status(status) = ask_agent(&app.home, &LocalAsk::Status).await?
            && let Some(words) = super::status::over_lent(app, &status)
        {
            app.out.say_raw(&words);
        }
    } else {
        app.out.say("lend-set-file", args!["file" => app.home.config_file().display()]);
    }
    Ok(())
}

async fn show(app: &App) -> Result<(), Fault> {
    let policy = lendfile::read(&app.home.config_file()).map_err(|e| fault(&e))?;
    let disk = crate::lendfile::lent(&policy, &app.home.data);
    let now = match ask_agent(&app.home, &LocalAsk::Status).await {
        Ok(LocalAnswer::Status(status)) => Some(status),
        _ => None,
    };
    let out = &app.out;
    if out.form == crate::cli::Form::Json {
        out.json(
            "lend",
            json!({"profile": policy.profile.word(), "disk_bytes": disk.0, "up_kbps": policy.up.map(|u| u.0), "down_kbps": policy.down.map(|d| d.0),
                "monthly_transfer_bytes": policy.monthly_transfer.map(|t| t.0), "pause_for": policy.pause_for, "accepts": policy.accept.bits(),
                "cores_milli_now": now.as_ref().map(|s| s.cores_milli), "state": now.as_ref().map(|s| s.state.word())}),
        );
        return Ok(());
    }
    let by_profile = || out.text("lend-profile-default", args![]);
    out.print(&out.text("lend-profile", args!["profile" => policy.profile.word()]));
    out.print(&out.text("lend-disk", args!["disk" => disk]));
    let (up, down) =
        (policy.up.map_or_else(by_profile, |u| u.to_string()), policy.down.map_or_else(by_profile, |d| d.to_string()));
    out.print(&out.text("lend-net", args!["up" => up, "down" => down]));
    let transfer = policy.monthly_transfer.map_or_else(|| out.text("lend-unlimited", args![]), |t| t.to_string());
    out.print(&out.text("lend-transfer", args!["transfer" => transfer]));
    if !policy.pause_for.is_empty() {
        out.print(&out.text("lend-pause-for", args!["apps" => policy.pause_for.join(", ")]));
    }
    if let Some(s) = now {
        let memory = model::Bytes::mib(u64::from(s.memory_mib));
        out.print(&out.text(
            "lend-now",
            args!["cores" => super::status::cores(s.cores_milli), "memory" => memory, "up" => s.up, "down" => s.down],
        ));
    }
    Ok(())
}
