//! `pumasi status`: one screen. State is a sentence, a reason and an action.

use super::recovery::Rungs;
use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use crate::local::ask_agent;
use crate::membership::Membership;
use clap::Args;
use console::args;
use model::{NodeState, PauseReason, errors};
use serde_json::json;
use std::time::Duration;
use wire::local::{LocalAnswer, LocalAsk, LocalStatus};

/// `status`
#[derive(Args, Debug, Clone)]
pub struct StatusArgs {
    #[arg(short, long)]
    pub watch: bool,
}

/// Runs `status`; with an agent down it says so and ends with 12.
pub async fn run(app: &App, args: &StatusArgs) -> Result<(), Fault> {
    loop {
        let membership = Membership::load(&app.home)?;
        match ask_agent(&app.home, &LocalAsk::Status).await {
            Ok(LocalAnswer::Status(status)) => show(app, &membership, &status),
            Ok(_) => return Err(Fault::bug("the agent answered something else")),
            Err(fault) if fault.id == errors::AGENT_DOWN && !args.watch => {
                if app.out.form == Form::Human {
                    app.out.print(&app.out.text("status-agent-down", args!["cloud" => &membership.cloud_name]));
                }
                return Err(fault);
            }
            Err(fault) if args.watch => app.out.say_raw(&fault.to_string()),
            Err(fault) => return Err(fault),
        }
        if !args.watch {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The one sentence: does this PC lend, and if not, why and what to type.
pub fn sentence(app: &App, s: &LocalStatus) -> String {
    let out = &app.out;
    let vars = args!["cores" => cores(s.cores_milli), "disk" => s.disk, "up" => s.up, "since" => s.since, "detail" => &s.detail];
    if s.duplicate {
        return out.text("status-duplicate", vars);
    }
    if s.quarantined {
        return out.text("status-quarantined", vars);
    }
    let reason = out.text(&format!("reason-{}", s.reason.word()), args!["detail" => &s.detail]);
    let key = match (s.state, s.reason) {
        (NodeState::Run, _) => "status-lending",
        (NodeState::Limit, _) => "status-lending-limited",
        (NodeState::Pause | NodeState::Evict, PauseReason::NoSignal) => "status-storage-only",
        (NodeState::Pause | NodeState::Evict, _) => "status-paused",
        (NodeState::Off, _) => "status-off",
    };
    let vars =
        args!["cores" => cores(s.cores_milli), "disk" => s.disk, "up" => s.up, "since" => s.since, "reason" => reason];
    out.text(key, vars)
}

/// Thousandths of a core as people write them.
pub fn cores(milli: u32) -> String {
    format!("{}.{}", milli / 1_000, milli / 100 % 10)
}

/// Bytes here beyond what is lent.
fn over(s: &LocalStatus) -> model::Bytes {
    model::Bytes(s.disk_used.0.saturating_sub(s.disk.0))
}

/// What becomes of what is here beyond what is lent; nothing where all fits.
pub fn over_lent(app: &App, s: &LocalStatus) -> Option<String> {
    let (moving, _) = s.handing.unwrap_or_default();
    (over(s).0 > 0).then(|| app.out.text("status-over", args!["over" => over(s), "moving" => moving]))
}

fn show(app: &App, membership: &Membership, s: &LocalStatus) {
    let out = &app.out;
    if out.form == Form::Json {
        let fields = json!({"lending": matches!(s.state, NodeState::Run | NodeState::Limit), "state": s.state.word(), "reason": s.reason.word(),
            "since": s.since.to_string(), "detail": s.detail, "name": s.name, "cloud": s.cloud, "pid": s.pid, "profile": s.profile,
            "cores_milli": s.cores_milli, "memory_mib": s.memory_mib, "disk_bytes": s.disk.0, "disk_used_bytes": s.disk_used.0, "pieces_count": s.pieces,
            "up_kbps": s.up.0, "down_kbps": s.down.0, "center": s.center.map(|l| l.word()), "last_check_in": s.last_check_in.map(|t| t.to_string()),
            "quarantined": s.quarantined, "over_bytes": over(s).0, "handing_over_count": s.handing.map(|(moving, _)| moving), "integrity_ppm": s.integrity.map(|score| score.0), "ledger_forked_day": s.ledger_forked, "settled_window": s.settled_window, "settle_refused": s.settle_refused, "duplicate": s.duplicate, "sensors": s.sensors, "lend_error": s.lend_error, "last_park_ms": s.last_park_ms,
            "recovery_warning": Some(Rungs::load(app).sentence(app)).filter(|(_, warns)| *warns).map(|(words, _)| words),
            "sentence": sentence(app, s)});
        return out.json("status", fields);
    }
    out.print(&sentence(app, s));
    out.print(
        &out.text("status-cloud", args!["cloud" => &membership.cloud_name, "name" => &s.name, "profile" => &s.profile]),
    );
    let link = s.center.map(|l| out.text(&format!("link-{}", l.word()), args![]));
    match (link, s.last_check_in) {
        (Some(link), Some(at)) => {
            out.print(&out.text("status-center", args!["link" => link, "span" => crate::clock::now().since(at)]))
        }
        (Some(link), None) => out.print(&out.text("status-center-first", args!["link" => link])),
        (None, _) => out.print(&out.text("status-center-lost", args![])),
    }
    out.print(&out.text("status-storage", args!["used" => s.disk_used, "disk" => s.disk, "pieces" => s.pieces]));
    if let Some(words) = over_lent(app, s) {
        out.print(&words);
    }
    let blind: Vec<&str> = s.sensors.iter().filter(|(_, works)| !works).map(|(name, _)| name.as_str()).collect();
    if !blind.is_empty() {
        out.print(&out.text("status-blind", args!["sensors" => blind.join(", ")]));
    }
    if let Some(warning) = s.integrity.and_then(|score| super::node::score::warning(app, score, &s.name)) {
        out.print(&warning);
    }
    if let Some(day) = s.ledger_forked {
        out.print(&out.text("status-ledger-forked", args!["day" => super::ledger::date(day)]));
    }
    if let (Some(window), Some(why)) = (s.settled_window, &s.settle_refused) {
        // A window bears the number of its six hours since 1970.
        let when = model::Stamp(u64::from(window) * model::Span::hours(6).as_ms());
        out.print(&out.text("status-settle-refused", args!["when" => when, "why" => why]));
    }
    out.print(&Rungs::load(app).sentence(app).0);
    if let Some(why) = &s.lend_error {
        out.print(&out.text("status-lend-error", args!["why" => why]));
    }
}
