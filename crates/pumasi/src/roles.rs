//! The two long-running roles of a machine, wired: center and agent. Each holds a lock of its home, ends in order at
//! Ctrl-C, SIGTERM or when its parent's pipe closes, and says so on stderr.

use crate::app::App;
use crate::cli::agent::SensorKind;
use crate::cli::center::center_fault;
use crate::fault::Fault;
use crate::membership::Membership;
use crate::process::{Lock, stop_asked};
use crate::{clock, secret};
use center::{Center, CenterCard, Settings};
use console::args;
use model::errors;
use node::agent::{Agent, AgentConfig, ComputeConfig};

/// Runs the center of this home until it is told to stop.
pub async fn run_center(app: &App) -> Result<u8, Fault> {
    let dir = app.home.center();
    if !dir.join("cloud.key").exists() {
        return Err(Fault::new(errors::NOT_JOINED, []).because("this home has no center: pumasi init"));
    }
    let _lock = Lock::take(&dir.join("center.lock"))?;
    let settings = Settings::load(&dir).map_err(|(path, why)| {
        Fault::new(errors::CONFIG_UNREADABLE, [("path", &path.display().to_string()), ("why", &why)])
    })?;
    let center = Center::start(&dir, settings, clock::now, app.out.lang).await.map_err(center_fault)?;
    let card = center.card(std::process::id());
    let card_path = dir.join(CenterCard::FILE);
    crate::home::write_atomic(&card_path, &serde_json::to_vec_pretty(&card).map_err(Fault::bug)?, 0o600)?;
    app.out.say(
        "center-up",
        args!["page" => card.page(), "addr" => card.addr.direct.first().map_or_else(String::new, ToString::to_string)],
    );
    let code = stop_asked().await;
    let _ = std::fs::remove_file(&card_path);
    center.stop().await;
    Ok(code)
}

/// Runs the agent of this home until it is told to stop.
pub async fn run_agent(app: &App, sensors: SensorKind) -> Result<u8, Fault> {
    let membership = Membership::load(&app.home)?;
    let key = secret::load(&app.home.machine_key())?.ok_or_else(|| Fault::new(errors::NOT_JOINED, []))?;
    app.home.create()?;
    let _lock = Lock::take(&app.home.agent_lock())?;
    let config = AgentConfig {
        key,
        boot: u64::from_le_bytes(secret::random()),
        cloud: membership.cloud,
        cloud_name: membership.cloud_name.clone(),
        center: membership.center.clone(),
        relays: membership.relays.clone(),
        permit_key: membership.permit_key,
        name: membership.name.clone(),
        bind: membership.bind,
        pieces: app.home.pieces(),
        stage: app.home.stage(),
        gather: app.home.gather(),
        roots: app.home.ledger_roots(),
        lend_file: app.home.config_file(),
        socket: app.home.agent_socket(),
        discards: discards(),
        lies: lies(),
        scripted: sensors == SensorKind::Scripted,
        dev: membership.dev,
        now: clock::now,
        compute: compute(app, sensors)?,
    };
    let agent = Agent::start(config).await.map_err(agent_fault)?;
    app.out.say("agent-up", args!["name" => &membership.name, "cloud" => &membership.cloud_name]);
    let code = tokio::select! {
        code = stop_asked() => code,
        () = agent.told_to_stop() => 0,
        never = crate::cli::names_log::tend(app, agent.time_scale()) => match never {},
        never = crate::cli::center_snapshot::tend(app) => match never {},
        never = crate::cli::gateway::tend(app) => match never {},
    };
    agent.stop().await;
    Ok(code)
}

/// How this home runs foreign work: this very program is the sandbox's process.
///
/// Where an owner's signals come from a script nobody is there to give way to, and tests run beside each other.
fn compute(app: &App, sensors: SensorKind) -> Result<ComputeConfig, Fault> {
    let lies = std::env::var_os("PUMASI_DEV_LIE_RESULTS").is_some();
    if lies {
        tracing::error!("this node makes results up: PUMASI_DEV_LIE_RESULTS is set");
    }
    Ok(ComputeConfig {
        program: (std::env::current_exe().map_err(Fault::bug)?, vec![SANDBOX_VERB.to_owned()]),
        folder: app.home.sandbox(),
        cache: app.home.compiled(),
        jobs: app.home.jobs(),
        blocks: app.home.blocks(),
        lies,
        gives_way: sensors != SensorKind::Scripted,
    })
}

/// First argument of a sandbox's process.
pub const SANDBOX_VERB: &str = "sandbox-child";

/// `PUMASI_DEV_DISCARD` makes a node that acknowledges pieces and keeps none of their bytes, for measuring writers.
fn discards() -> bool {
    let is_set = std::env::var_os("PUMASI_DEV_DISCARD").is_some();
    if is_set {
        tracing::error!("this node keeps no bytes of pieces: PUMASI_DEV_DISCARD is set");
    }
    is_set
}

/// `PUMASI_DEV_LIE` makes a node that answers audits with wrong bytes, for testing audits.
fn lies() -> bool {
    let is_set = std::env::var_os("PUMASI_DEV_LIE").is_some();
    if is_set {
        tracing::error!("this node answers audits with wrong bytes: PUMASI_DEV_LIE is set");
    }
    is_set
}

/// An error of the agent as a command ends with it.
pub fn agent_fault(error: node::agent::AgentError) -> Fault {
    let refusal = error.refusal();
    Fault { id: refusal.id, args: refusal.args, cause: Some(error.to_string()) }
}
