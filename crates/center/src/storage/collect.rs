//! The chore that collects: versions whose retention is over and parts of uploads that have ended name nothing any more,
//! segments that nobody names become drops in their group's log, and drops that all nodes had time to see are forgotten. When,
//! `rules::storage::collect` says; nodes follow the log by themselves.
//!
//! (A) Each step is one transaction that does a bounded part; what is left waits for the next look. (B) A group below its
//! refill mark drops nothing. (C) Doing it twice, or by two center processes at once, does no harm.

use super::api::load_pg;
use super::log::is_whole;
use super::store::{log, upload};
use super::upload::OPEN_FOR;
use crate::Center;
use crate::refuse::Refused;
use model::PgId;
use rules::storage::collect;
use std::time::Duration;

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Looks between two readings of all groups' last drops: only another center process drops what this one does not know.
const REFRESH_LOOKS: u64 = 30;
/// Pause between two parts of one look.
const PART_PAUSE: Duration = Duration::from_millis(50);
/// Rows one transaction changes.
const PART: u32 = 256;
/// Parts of one step in one look.
const PARTS_MAX: u32 = 1_024;
/// Groups read at a time.
const GROUPS: u32 = 1_000;

/// Runs until the center stops.
pub async fn run(center: Center) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for looks in 0u64.. {
        tick.tick().await;
        if let Err(refused) = look(&center, looks.is_multiple_of(REFRESH_LOOKS)).await {
            tracing::warn!(id = %refused.0.id, "nothing was collected; the next look is soon");
        }
    }
}

async fn look(center: &Center, refreshes: bool) -> Result<(), Refused> {
    let expired = expire(center).await? + give_up(center).await?;
    let dropped = drop_unnamed(center).await?;
    let forgot = forget(center).await?;
    if refreshes {
        refresh(center).await?;
    }
    if expired + dropped + forgot > 0 {
        tracing::info!(expired, dropped, forgot, "collected versions, segments and old drops");
    }
    Ok(())
}

/// Versions whose retention is over.
async fn expire(center: &Center) -> Result<u64, Refused> {
    let scale = center.settings().time_scale;
    let retention = scale.of(center.settings().storage.retention());
    let mut expired = 0;
    for _ in 0..PARTS_MAX {
        let Some(before) = collect::superseded_before(center.now(), retention) else { break };
        let done = center.db().write(move |tx| {
            let due = log::superseded(tx, before, PART)?;
            due.iter().try_for_each(|version| log::expire(tx, *version))?;
            Ok(due.len() as u64)
        });
        let done = done.await?;
        expired += done;
        if done < u64::from(PART) {
            break;
        }
        tokio::time::sleep(PART_PAUSE).await;
    }
    Ok(expired)
}

/// Parts of uploads that have ended, or that nothing was done to for long.
async fn give_up(center: &Center) -> Result<u64, Refused> {
    let mut gone = 0;
    for _ in 0..PARTS_MAX {
        let before = center.now() - center.settings().time_scale.of(OPEN_FOR);
        let done = center.db().write(move |tx| Ok(upload::let_go(tx, before, PART)?)).await?;
        gone += done;
        if done < u64::from(PART) {
            break;
        }
        tokio::time::sleep(PART_PAUSE).await;
    }
    Ok(gone)
}

/// Segments that nobody names, group by group.
async fn drop_unnamed(center: &Center) -> Result<u64, Refused> {
    let unnamed = center.settings().time_scale.of(collect::UNNAMED_AFTER);
    let Some(before) = collect::superseded_before(center.now(), unnamed) else { return Ok(0) };
    let (mut dropped, mut after): (u64, Option<PgId>) = (0, None);
    loop {
        let groups = center.db().read(move |q| Ok(log::groups_unnamed(q, before, after, PART)?)).await?;
        after = groups.last().copied();
        for pg in &groups {
            dropped += drop_of(center, *pg, before).await?;
        }
        if groups.len() < PART as usize {
            return Ok(dropped);
        }
    }
}

async fn drop_of(center: &Center, pg: PgId, before: model::Stamp) -> Result<u64, Refused> {
    let mut dropped = 0;
    for _ in 0..PARTS_MAX {
        if !is_whole(center, &load_pg(center, pg).await?) {
            tracing::debug!(%pg, "below its refill mark, nothing is dropped");
            break;
        }
        let now = center.now();
        let done = center.db().write(move |tx| Ok(log::drop_unnamed(tx, pg, before, PART, now)?)).await?;
        dropped += done;
        if done < u64::from(PART) {
            break;
        }
        tokio::time::sleep(PART_PAUSE).await;
    }
    if dropped > 0 {
        let head = load_pg(center, pg).await?.next_seq - 1;
        center.fleet().drops.note(pg, head);
    }
    Ok(dropped)
}

/// Drops that stood in the log long enough.
async fn forget(center: &Center) -> Result<u64, Refused> {
    let Some(before) = collect::superseded_before(center.now(), center.settings().time_scale.of(collect::DROPS_KEPT))
    else {
        return Ok(0);
    };
    Ok(center.db().write(move |tx| Ok(log::forget_drops(tx, before, PART)?)).await?)
}

/// What check-ins are answered by, as the records have it: another center process may have dropped something.
async fn refresh(center: &Center) -> Result<(), Refused> {
    let mut after = PgId(0);
    loop {
        let rows = center.db().read(move |q| Ok(log::last_drops(q, after, GROUPS)?)).await?;
        {
            let mut fleet = center.fleet();
            rows.iter().for_each(|(pg, last)| fleet.drops.note(*pg, *last));
        }
        match rows.last() {
            Some((pg, _)) if rows.len() == GROUPS as usize => after = *pg,
            _ => return Ok(()),
        }
    }
}
