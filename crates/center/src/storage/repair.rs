//! The chore that repairs: judges groups one after another, gives slots in place of those whose holders left or are missing, and
//! notes their segments as lacking pieces. Stewards make those pieces as they fill up what was written ([`super::expand`]); the
//! center moves no data. Who gets a slot and when, `rules::storage::repair` says.
//!
//! (A) A plan is one transaction and holds only for the generation it was made for. (B) Marking is done in portions and goes on
//! after a restart. (C) A node of which this center knows nothing yet, as after a restart, counts as standing.

use super::place::{self, Member};
use super::store::mend::{self, RuledPg};
use crate::Center;
use crate::fleet::store::{self as fleet, Standing};
use crate::refuse::Refused;
use model::{Alias, PgId, Presence, Stamp};
use rules::storage::group::{Candidate, SlotState};
use rules::storage::repair::{Repair, RepairFacts, RepairSlot, repair};
use std::collections::BTreeMap;
use std::time::Duration;

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Groups judged in one look.
const GROUPS: u32 = 512;
/// Groups whose segments are marked in one look, and segments of one of them in one transaction.
const MENDING: u32 = 16;
const PORTION: u32 = 1_024;
/// Transactions of one group in one look.
const PORTIONS_MAX: u32 = 256;

/// Runs until the center stops.
pub async fn run(center: Center) {
    // Where the walk through the groups goes on.
    let mut after = None;
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let wait = center.settings().time_scale.of(rules::storage::rebuild::PLACES_WAIT);
        if center.rebuilt().is_some_and(|at| center.now().since(at) < wait) {
            continue; // holders are still on their way back
        }
        match look(&center, after).await {
            Ok(next) => after = next,
            Err(refused) => tracing::warn!(id = %refused.0.id, "groups were not judged; the next look is soon"),
        }
    }
}

/// Judges some groups after one of them, and marks what is to be marked; where the next look goes on.
async fn look(center: &Center, after: Option<PgId>) -> Result<Option<PgId>, Refused> {
    let groups = center.db().read(move |q| Ok(mend::groups(q, after, GROUPS)?)).await?;
    let next = groups.last().map(|group| group.row.pg).filter(|_| groups.len() == GROUPS as usize);
    let now = center.now();
    let rows = place::nodes(center, now).await?;
    let all = place::members(center, &rows, now);
    for group in groups {
        let pg = group.row.pg;
        // What is wrong with one group keeps nobody from the others.
        if let Err(refused) = judge(center, group, &all).await {
            tracing::warn!(id = %refused.0.id, %pg, "a group was not repaired");
        }
    }
    mark(center).await?;
    Ok(next)
}

/// Judges one group, and gives it the slots that the plan says.
async fn judge(center: &Center, group: RuledPg, all: &[Member]) -> Result<(), Refused> {
    let Some(plan) = plan(&group, all, center.now()) else { return Ok(()) };
    if plan.is_worn_out {
        tracing::warn!(pg = %group.row.pg, "a group has given all of its indexes; what it lacks is not made anew");
    }
    if plan.added.is_empty() {
        return Ok(());
    }
    let (row, added, now) = (group.row, plan.added.clone(), center.now());
    let pg = row.pg;
    let given = center.db().write(move |tx| {
        if !mend::add_slots(tx, &row, &added)? {
            return Ok(false);
        }
        for (index, alias) in &added {
            fleet::add_event(tx, *alias, now, "slot_given", &format!("{} {index}", row.pg))?;
        }
        Ok(true)
    });
    if given.await? {
        let (state, standing) = (plan.health.state, plan.health.standing);
        tracing::info!(%pg, %state, standing, added = plan.added.len(), unmet = plan.unmet, "a group is repaired");
    }
    Ok(())
}

/// What is to be done about a group; nothing where it has a holder that no row tells of.
fn plan(group: &RuledPg, all: &[Member], now: Stamp) -> Option<Repair> {
    with_facts(group, all, now, |facts| repair(facts, &mut rand::rng()))
}

/// What rules judge a group by; nothing where it has a holder that no row tells of.
pub(super) fn with_facts<T>(
    group: &RuledPg,
    all: &[Member],
    now: Stamp,
    judge: impl FnOnce(&RepairFacts<'_>) -> T,
) -> Option<T> {
    let by_alias: BTreeMap<Alias, &Member> = all.iter().map(|member| (member.row.alias, member)).collect();
    let slot = |(index, alias): (u16, &Alias)| {
        let member = by_alias.get(alias)?;
        let (state, is_destroyed, on_holiday) = state_of(member);
        Some(RepairSlot { index, node: member.candidate(now), state, is_destroyed, on_holiday })
    };
    let Some(slots) = (0u16..).zip(&group.row.slots).map(slot).collect::<Option<Vec<RepairSlot<'_>>>>() else {
        tracing::warn!(pg = %group.row.pg, "a holder of a group is not known");
        return None;
    };
    let candidates: Vec<Candidate<'_>> =
        all.iter().filter(|member| member.unfit().is_none()).map(|member| member.candidate(now)).collect();
    let rule = place::rule_of(&group.regions, group.regions_min);
    Some(judge(&RepairFacts {
        kind: place::kind_of(all.iter().map(|member| &member.row)),
        class: group.class,
        scheme: group.row.scheme,
        region: &rule,
        slot: place::SLOT_MIN,
        slots: &slots,
        candidates: &candidates,
    }))
}

/// What a holder's slot does, whether it is gone with all it held, and whether it is on holiday.
fn state_of(member: &Member) -> (SlotState, bool, bool) {
    let holiday = member.row.standing == Standing::Holiday || member.presence == Presence::Holiday;
    match (member.row.standing, member.presence) {
        (Standing::Left, _) | (_, Presence::Left) => (SlotState::Missing, true, false),
        (Standing::Banned | Standing::Distrusted, _) | (_, Presence::Missing) => (SlotState::Missing, false, false),
        _ => (SlotState::Held, false, holiday),
    }
}

/// (B) Notes segments of repaired groups as lacking pieces.
async fn mark(center: &Center) -> Result<(), Refused> {
    let mending = center.db().read(move |q| Ok(mend::mending(q, MENDING)?)).await?;
    let is_any = !mending.is_empty();
    for pg in mending {
        for _ in 0..PORTIONS_MAX {
            let done = center.db().write(move |tx| {
                let from = mend::mending_of(tx, pg)?;
                from.map_or(Ok(true), |from| Ok(mend::mark(tx, pg, from, PORTION)?))
            });
            if done.await? {
                break;
            }
        }
    }
    if is_any {
        center.news_of_segments();
    }
    Ok(())
}
