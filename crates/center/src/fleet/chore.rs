//! The fleet's chores: every second a sweep of presence, once an hour minutes-on as one blob per thousand nodes.

use super::learn;
use super::store::{self, PresenceHour};
use crate::Center;
use model::{Alias, PauseReason, Presence};
use std::time::Duration;

/// Nodes looked at in one sweep.
const SWEEP_BUDGET: usize = 50_000;
/// Pause between sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Runs until the center stops, and beside it what collects dropped segments.
pub async fn run(center: Center) {
    tokio::join!(look_after(center.clone()), crate::storage::collect::run(center));
}

async fn look_after(center: Center) {
    let mut hour = center.now().hour();
    let mut tick = tokio::time::interval(SWEEP_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        sweep(&center).await;
        let now = center.now().hour();
        if now > hour {
            write_presence(&center).await;
            if let Err(error) = learn::run(&center, now - 1).await {
                tracing::warn!(%error, "what nodes' hours teach was not kept; it is learned in the next hour");
            }
            crate::storage::forget_answers(&center).await;
            hour = now;
        }
    }
}

/// Notes what changed; only what lasts (missing) becomes an event of the node.
async fn sweep(center: &Center) {
    let now = center.now();
    let changes = center.fleet().presence.sweep(now, SWEEP_BUDGET);
    let faulty: Vec<Alias> = {
        let fleet = center.fleet();
        let is_fault = |alias: Alias| fleet.presence.view(now, alias).is_some_and(|v| v.reason == PauseReason::Fault);
        changes.iter().filter(|c| c.to == Presence::Missing && is_fault(c.alias)).map(|c| c.alias).collect()
    };
    let missing: Vec<Alias> = changes.iter().filter(|c| c.to == Presence::Missing).map(|c| c.alias).collect();
    for change in &changes {
        tracing::debug!(node = %change.alias, from = %change.from, to = %change.to, "presence");
    }
    if missing.is_empty() {
        return;
    }
    let noted = center
        .db()
        .write(move |tx| missing.iter().try_for_each(|alias| store::add_event(tx, *alias, now, "missing", "")));
    for alias in faulty {
        if let Err(refused) = crate::storage::audit::not_cured(center, alias).await {
            tracing::warn!(id = %refused.0.id, node = %alias, "a fault that was not cured in time was not counted");
        }
    }
    if let Err(error) = noted.await {
        tracing::warn!(%error, "missing nodes were not noted; the next sweep sees them again");
    }
}

/// Writes the hour that is over, or the part of it that is.
pub async fn write_presence(center: &Center) {
    let hour = center.fleet().presence.open_hour();
    let blocks = center.fleet().presence.close_hour(hour);
    let rows: Vec<PresenceHour> = blocks
        .into_iter()
        .map(|b| PresenceHour { hour, block: b.first.0 / store::PRESENCE_BLOCK, minutes: b.minutes })
        .collect();
    if rows.is_empty() {
        return;
    }
    let wrote = center.db().write(move |tx| store::put_presence_hours(tx, &rows));
    if let Err(error) = wrote.await {
        tracing::warn!(%error, "an hour of presence was not written");
    }
}
