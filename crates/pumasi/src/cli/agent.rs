//! The agent's verbs: what its owner says to it (`up down pause resume finish`), and its life (`agent run|start|stop|…`,
//! `leave`, `holiday`).

use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use crate::home::Home;
use crate::local::{agent_runs, ask_agent, ask_center};
use crate::membership::Membership;
use crate::process::start_detached;
use crate::{roles, service};
use clap::{Args, Subcommand, ValueEnum};
use console::args;
use model::{NodeState, Span, errors};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wire::fleet::Absence;
use wire::local::{LocalAnswer, LocalAsk, PauseUntil};
use wire::{Reply, Request};

/// How long a freshly started agent may take until it answers.
pub const START_TIME: Duration = Duration::from_secs(15);
/// Longest absence one declaration may name.
const HOLIDAY_MAX: Span = Span::days(30);

/// Where the agent gets the owner's signals from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SensorKind {
    /// The system.
    #[default]
    System,
    /// `agent script …`, for tests.
    Scripted,
}

/// `agent`
#[derive(Subcommand, Debug)]
pub enum AgentVerb {
    Run {
        #[arg(long, value_enum, default_value = "system")]
        sensors: SensorKind,
    },
    Start,
    Stop,
    Install,
    Uninstall,
    Logs {
        #[arg(short = 'n', long, default_value_t = 50)]
        lines: usize,
    },
    #[command(hide = true)]
    Script {
        #[arg(value_name = "EVENT")]
        event: String,
    },
}

/// `pause`
#[derive(Args, Debug, Clone)]
pub struct PauseArgs {
    #[arg(value_name = "TIME")]
    pub time: Option<String>,
}

/// Pause between two looks at what is left to be handed over.
const LEAVE_LOOK: Duration = Duration::from_secs(1);
/// Slots for which nobody was found for so long are left to be made anew from the others.
const NOBODY_AFTER: Duration = Duration::from_secs(15);

/// `leave`
#[derive(Args, Debug, Clone)]
pub struct LeaveArgs {
    #[arg(long, conflicts_with_all = ["to", "stay"])]
    pub now: bool,
    #[arg(long, value_name = "NODE")]
    pub to: Option<String>,
    #[arg(long, conflicts_with = "to")]
    pub stay: bool,
    #[arg(long)]
    pub keep: bool,
}

/// `holiday`
#[derive(Args, Debug, Clone)]
pub struct HolidayArgs {
    #[arg(value_name = "TIME")]
    pub time: String,
}

/// Runs `agent …`.
pub async fn run(app: &App, verb: &AgentVerb) -> Result<u8, Fault> {
    match verb {
        AgentVerb::Run { sensors } => return roles::run_agent(app, *sensors).await,
        AgentVerb::Start => start(app).await?,
        AgentVerb::Stop => stop(app).await?,
        AgentVerb::Install => {
            service::install(&app.home)?;
            app.out.say("agent-installed", args!["service" => app.home.service_name()]);
        }
        AgentVerb::Uninstall => {
            let key = if service::uninstall(&app.home)? { "agent-uninstalled" } else { "agent-not-installed" };
            app.out.say(key, args![]);
        }
        AgentVerb::Logs { lines } => logs(app, *lines)?,
        AgentVerb::Script { event } => {
            ask_agent(&app.home, &LocalAsk::Script { event: event.clone() }).await?;
        }
    }
    Ok(0)
}

/// Starts the agent: the service where one is installed, else detached; waits until it answers.
pub async fn start(app: &App) -> Result<(), Fault> {
    Membership::load(&app.home)?;
    if agent_runs(&app.home).await {
        app.out.say("agent-runs-already", args![]);
        return Ok(());
    }
    if !service::start(&app.home)? {
        start_detached(&["agent", "run"], &app.home.agent_log())?;
    }
    wait_for_agent(app).await?;
    app.out.say("agent-started", args!["log" => app.home.agent_log().display()]);
    Ok(())
}

/// Waits until the agent of this home answers, at most [`START_TIME`].
pub async fn wait_for_agent(app: &App) -> Result<(), Fault> {
    let begun = Instant::now();
    while !agent_runs(&app.home).await {
        if begun.elapsed() > START_TIME {
            let log = app.home.agent_log();
            let last = std::fs::read_to_string(&log).unwrap_or_default().lines().last().unwrap_or_default().to_owned();
            return Err(Fault::new(errors::AGENT_DOWN, []).because(format!("{} ({})", last, log.display())));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn stop(app: &App) -> Result<(), Fault> {
    ask_agent(&app.home, &LocalAsk::Stop).await?;
    let begun = Instant::now();
    while agent_runs(&app.home).await && begun.elapsed() < START_TIME {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    app.out.say("agent-stopped", args![]);
    Ok(())
}

fn logs(app: &App, lines: usize) -> Result<(), Fault> {
    let path = app.home.agent_log();
    let text = std::fs::read_to_string(&path).map_err(|e| Fault::file(&path, &e))?;
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().for_each(|line| app.out.print(&crate::output::escape(line)));
    Ok(())
}

/// Lend.
pub async fn up(app: &App) -> Result<(), Fault> {
    if !agent_runs(&app.home).await {
        start(app).await?;
    }
    tell(app, LocalAsk::Up, "told-up").await
}

/// Lend nothing.
pub async fn down(app: &App) -> Result<(), Fault> {
    tell(app, LocalAsk::Down, "told-down").await
}

/// Pause.
pub async fn pause(app: &App, args: &PauseArgs) -> Result<(), Fault> {
    let until = match args.time.as_deref() {
        None => PauseUntil::Resume,
        Some("until-idle") => PauseUntil::Idle,
        Some("tomorrow") => PauseUntil::Tomorrow,
        Some(time) => PauseUntil::For(time.parse()?),
    };
    tell(app, LocalAsk::Pause { until }, "told-pause").await
}

/// End a pause.
pub async fn resume(app: &App) -> Result<(), Fault> {
    tell(app, LocalAsk::Resume, "told-resume").await
}

/// Finish what runs.
pub async fn finish(app: &App) -> Result<(), Fault> {
    tell(app, LocalAsk::Finish, "told-finish").await
}

async fn tell(app: &App, ask: LocalAsk, key: &str) -> Result<(), Fault> {
    let LocalAnswer::Done { state, reason } = ask_agent(&app.home, &ask).await? else {
        return Err(Fault::bug("the agent answered something else"));
    };
    match app.out.form {
        Form::Json => app.out.json(
            "lending",
            json!({"state": state.word(), "reason": reason.word(), "lending": state != NodeState::Off}),
        ),
        _ => {
            let state = app.out.text(&format!("state-{}", state.word()), args![]);
            let reason = app.out.text(&format!("reason-{}", reason.word()), args!["detail" => ""]);
            app.out.say(key, args!["state" => state, "reason" => reason]);
        }
    }
    Ok(())
}

/// Declares an absence.
pub async fn holiday(app: &App, args: &HolidayArgs) -> Result<(), Fault> {
    let span: Span = args.time.parse()?;
    if span > HOLIDAY_MAX {
        return Err(Fault::bad_value("time", &args.time, "one declaration names at most 30 d"));
    }
    let until = crate::clock::now() + span;
    ask_center(&app.home, Request::Absence(Absence::Holiday(until)), app.timeout).await?;
    app.out.say("told-holiday", args!["until" => until]);
    Ok(())
}

/// Leaves the cloud: what is held is handed over first, unless it shall go at once; then it is told to the center, the agent
/// stopped, service and (without `--keep`) key and data removed.
pub async fn leave(app: &App, args: &LeaveArgs) -> Result<(), Fault> {
    let membership = Membership::load(&app.home)?;
    if args.stay {
        ask_center(&app.home, Request::Absence(Absence::Stay), app.timeout).await?;
        app.out.say("leave-stays", args!["cloud" => &membership.cloud_name]);
        return Ok(());
    }
    let held = match ask_agent(&app.home, &LocalAsk::Status).await {
        Ok(LocalAnswer::Status(status)) => status.pieces,
        _ => 0,
    };
    let drains = !args.now && held > 0;
    let cost = if drains { "leave-drains" } else { "leave-cost" };
    app.out.say(cost, args!["pieces" => held, "cloud" => &membership.cloud_name]);
    let spooled = if args.keep { 0 } else { spooled(&app.home) };
    if spooled > 0 {
        app.out.say("leave-spool", args!["n" => spooled]);
    }
    if !app.out.confirm(&app.out.text("leave-confirm", args![]))? {
        return Ok(());
    }
    if drains {
        let to = match &args.to {
            Some(name) => Some(super::node::one(app, name).await?.line.id),
            None => None,
        };
        ask_center(&app.home, Request::Absence(Absence::Drain(to)), app.timeout).await?;
        handed_over(app).await?;
    }
    let told = ask_center(&app.home, Request::Absence(Absence::Leave), app.timeout).await;
    if let Err(fault) = told {
        // Leaving is the owner's right, also when nobody answers: absence says the same in the end.
        app.out.say("leave-untold", args!["why" => fault.to_string()]);
    }
    if agent_runs(&app.home).await {
        stop(app).await?;
    }
    service::uninstall(&app.home)?;
    if !args.keep {
        forget(app)?;
    }
    app.out.say("left", args!["cloud" => &membership.cloud_name]);
    Ok(())
}

/// Files that mounts of this machine wrote and that are not uploaded yet.
fn spooled(home: &Home) -> usize {
    let lies_in = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_file = |path: &PathBuf| path.file_name().is_some_and(|name| name != "lock");
    lies_in(&home.spool()).flat_map(|folder| lies_in(&folder)).filter(is_file).count()
}

/// Waits until what is held has been handed over, and says how it goes. It goes on when this ends before it is done.
async fn handed_over(app: &App) -> Result<(), Fault> {
    let (mut told, mut unchanged) = (None, std::time::Instant::now());
    loop {
        let Reply::HandOver(Some(stands)) = ask_center(&app.home, Request::HandOverAsk(None), app.timeout).await?
        else {
            return Err(Fault::bug("the center answered something else"));
        };
        let left = (stands.moving, stands.waiting);
        if told != Some(left) {
            (told, unchanged) = (Some(left), std::time::Instant::now());
            app.out.say("leave-left", args!["moving" => left.0, "waiting" => left.1]);
        }
        let nobody_comes = left.0 == 0 && unchanged.elapsed() > NOBODY_AFTER;
        if left == (0, 0) || nobody_comes {
            if left.1 > 0 {
                app.out.say("leave-nobody", args!["waiting" => left.1]);
            }
            return Ok(());
        }
        tokio::time::sleep(LEAVE_LOOK).await;
    }
}

/// Removes what a node left on this machine; a center in the same home stays.
fn forget(app: &App) -> Result<(), Fault> {
    let home = &app.home;
    for dir in [home.pieces(), home.gather(), home.run.clone()] {
        if dir.exists() {
            std::fs::remove_dir_all(&dir).map_err(|e| Fault::file(&dir, &e))?;
        }
    }
    // Without its copy a mark would say at the next join that a disk is gone.
    let mark = node::storage::mark::copy_of(&home.pieces());
    for file in [mark, home.membership(), home.agent_lock(), home.agent_log(), home.machine_key()] {
        if file.exists() {
            std::fs::remove_file(&file).map_err(|e| Fault::file(&file, &e))?;
        }
    }
    Ok(())
}
