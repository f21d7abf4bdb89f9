//! The chore that repairs: judges groups one after another, gives slots in place of those whose holders left or are missing, and
//! notes their segments as lacking pieces. Stewards make those pieces as they fill up what was written ([`super::expand`]); the
//! center moves no data. Who gets a slot and when, `rules::storage::repair` says.
//!
//! (A) A plan is one transaction and holds only for the generation it was made for. (B) Marking is done in portions and goes on
//! after a restart. (C) A node of which this center knows nothing yet, as after a restart, counts as standing. (D) An index that is
//! given again changes hands once no segment says that a piece stands under it; until then its new holder counts as filling. A
//! holder that is back before keeps it, and so does one whose piece a segment needs to be read. (E) What stands lowest is told to whoever chooses stewards. (F) In a surge groups are
//! filled in two passes, the lowest first.

use super::place::{self, Member};
use super::store;
use super::store::mend::{self, RuledPg};
use super::store::regive::{self, Cleared};
use crate::Center;
use crate::fleet::store::{self as fleet, Standing};
use crate::refuse::Refused;
use model::{Alias, PgId, Presence, Span, Stamp, Tier, TimeScale};
use rules::fleet::tier::Trust;
use rules::storage::group::{Candidate, SlotState};
use rules::storage::health::State;
use rules::storage::regive::{regivable, regive_after};
use rules::storage::repair::{Repair, RepairFacts, RepairSlot, judged, repair_with};
use rules::storage::surge::fill_to;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Groups judged in one look.
const GROUPS: u32 = 512;
/// Groups, or indexes on their way, whose segments are marked in one look, and segments of one of them in one transaction.
const MENDING: u32 = 16;
/// Indexes on their way looked at in one look.
const REGIVES: u32 = 256;
const PORTION: u32 = 1_024;
/// Transactions of one of them in one look.
const PORTIONS_MAX: u32 = 256;

/// Runs until the center stops.
pub async fn run(center: Center) {
    // Where the walk through the groups goes on.
    let mut after = None;
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if center.awaits_holders() {
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
    if next.is_none() {
        center.stewards().walked();
    }
    regive(center, &all).await?;
    mark(center).await?;
    Ok(next)
}

/// Judges one group, and gives it the slots that the plan says.
async fn judge(center: &Center, group: RuledPg, all: &[Member]) -> Result<(), Refused> {
    let is_surge = center.fleet().presence.is_surge();
    let times = (is_surge, center.settings().time_scale);
    let Some(plan) = plan(&group, all, times, (center.settings().trust(), center.now())) else { return Ok(()) };
    center.stewards().rank(group.row.pg, rank(&plan, group.row.scheme.k));
    if plan.is_worn_out {
        tracing::warn!(pg = %group.row.pg, "a group has given all of its indexes; what it lacks is not made anew");
    }
    if plan.added.is_empty() {
        return Ok(());
    }
    let (row, added, now) = (group.row, plan.added.clone(), center.now());
    let pg = row.pg;
    let given = center.db().write(move |tx| {
        let begun = mend::add_slots(tx, &row, &added)?;
        // An index that is given again is told when it changes hands.
        for (index, alias) in begun.iter().filter(|(index, _)| usize::from(*index) >= row.slots.len()) {
            fleet::add_event(tx, *alias, now, "slot_given", &format!("{} {index}", row.pg))?;
        }
        Ok(begun.len())
    });
    let added = given.await?;
    if added > 0 {
        let (state, standing) = (plan.health.state, plan.health.standing);
        tracing::info!(%pg, %state, standing, added, unmet = plan.unmet, "a group is repaired");
    }
    Ok(())
}

/// What is to be done about a group; nothing where it has a holder that no row tells of. (F)
fn plan(group: &RuledPg, all: &[Member], (is_surge, scale): (bool, TimeScale), when: (Trust, Stamp)) -> Option<Repair> {
    let away: BTreeMap<Alias, Span> = all.iter().map(|member| (member.row.alias, member.away_for())).collect();
    let plan = with_facts(group, all, when, |facts| {
        let away_for = |node: Alias| away.get(&node).copied().unwrap_or(Span::ZERO);
        let after = scale.of(regive_after(&facts.scheme, facts.kind, &judged(facts)));
        let spare = regivable(facts.slots, after, away_for);
        repair_with(facts, &spare, &mut rand::rng())
    });
    plan.map(|mut plan| {
        let (scheme, standing) = (&group.row.scheme, plan.health.standing);
        let first = fill_to(scheme, standing, is_surge);
        if first < scheme.o {
            plan.added.truncate(usize::from(first.saturating_sub(standing)));
        } else if is_surge && group.is_mending {
            // The first pass ends before the second begins.
            plan.added.clear();
        }
        plan
    })
}

/// (E) How far a group that needs repair is above what cannot be read: pieces outside of its widest domain, then pieces in all.
fn rank(plan: &Repair, k: u16) -> Option<(i32, i32)> {
    let over = |pieces: u16| i32::from(pieces) - i32::from(k);
    let is_due = matches!(plan.health.state, State::Critical | State::Low);
    is_due.then(|| (over(plan.health.outside), over(plan.health.standing)))
}

/// What rules judge a group by; nothing where it has a holder that no row tells of.
pub(super) fn with_facts<T>(
    group: &RuledPg,
    all: &[Member],
    (trust, now): (Trust, Stamp),
    judge: impl FnOnce(&RepairFacts<'_>) -> T,
) -> Option<T> {
    let by_alias: BTreeMap<Alias, &Member> = all.iter().map(|member| (member.row.alias, member)).collect();
    let slot = |(index, alias): (u16, &Alias)| {
        let stands = |alias: &Alias| by_alias.get(alias).is_some_and(|m| state_of(m).0 == SlotState::Held);
        let again = group.regives.iter().find(|one| one.slot == index && one.from == *alias && !stands(alias));
        let member = by_alias.get(&again.map_or(*alias, |one| one.to))?;
        let (state, is_destroyed, on_holiday) = match (again, state_of(member)) {
            // (D)
            (Some(_), (SlotState::Held, ..)) => (SlotState::Filling, false, false),
            (_, state) => state,
        };
        Some(RepairSlot { index, node: member.candidate(now), state, is_destroyed, on_holiday })
    };
    let Some(slots) = (0u16..).zip(&group.row.slots).map(slot).collect::<Option<Vec<RepairSlot<'_>>>>() else {
        tracing::warn!(pg = %group.row.pg, "a holder of a group is not known");
        return None;
    };
    let kind = place::kind_of(all.iter().map(|member| &member.row), trust);
    // Where nothing keeps those on probation to their share, only vetted nodes stand in for others.
    let vetted_only = trust == Trust::Public && !kind.has_hard_caps();
    let may = |member: &&Member| member.unfit().is_none() && (!vetted_only || member.row.tier >= Tier::T2);
    let candidates: Vec<Candidate<'_>> = all.iter().filter(may).map(|member| member.candidate(now)).collect();
    let rule = place::rule_of(&group.regions, group.regions_min);
    Some(judge(&RepairFacts {
        kind,
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

/// (D) Clears indexes that are given again from the segments, and takes back those whose holder is back or whose successor is gone.
async fn regive(center: &Center, all: &[Member]) -> Result<(), Refused> {
    let ways = center.db().read(move |q| {
        let ways = regive::under_way(q, REGIVES)?;
        let groups: BTreeSet<PgId> = ways.iter().map(|one| one.pg).collect();
        let groups: Vec<_> =
            groups.into_iter().map(|pg| store::pg(q, pg)).filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok((ways, groups))
    });
    let (ways, groups) = ways.await?;
    let is_any = !ways.is_empty();
    let by_alias: BTreeMap<Alias, &Member> = all.iter().map(|member| (member.row.alias, member)).collect();
    let stands = |alias: &Alias| by_alias.get(alias).is_some_and(|m| state_of(m).0 == SlotState::Held);
    for one in ways {
        let member = |alias: Alias| by_alias.get(&alias).copied();
        let Some(group) = groups.iter().find(|group| group.pg == one.pg) else { continue };
        let mut standing = vec![0u8; group.slots.len().div_ceil(8)];
        for (slot, _) in group.slots.iter().enumerate().filter(|(_, alias)| stands(alias)) {
            standing[slot / 8] |= 1 << (slot % 8);
        }
        let k = group.scheme.k;
        let is_back = member(one.from).is_none_or(|m| matches!(state_of(m), (SlotState::Held, ..)));
        let is_in_vain = member(one.to).is_none_or(|m| m.unfit().is_some());
        if is_back || is_in_vain {
            center.db().write(move |tx| Ok(regive::cancel(tx, &one)?)).await?;
            tracing::info!(pg = %one.pg, slot = one.slot, is_back, "an index stays with its holder");
            continue;
        }
        for _ in 0..PORTIONS_MAX {
            let standing = standing.clone();
            let now = center.now();
            let cleared = center.db().write(move |tx| {
                let cleared = regive::clear(tx, &one, (&standing, k), PORTION)?;
                if cleared == Cleared::Given {
                    fleet::add_event(tx, one.to, now, "slot_given", &format!("{} {}", one.pg, one.slot))?;
                }
                Ok(cleared)
            });
            match cleared.await? {
                Cleared::More => {}
                Cleared::Given => {
                    tracing::info!(pg = %one.pg, slot = one.slot, from = %one.from, to = %one.to, "an index was given again");
                    break;
                }
                Cleared::Stays => {
                    tracing::debug!(pg = %one.pg, slot = one.slot, "an index stays with its holder, whose piece is needed");
                    break;
                }
            }
        }
    }
    if is_any {
        center.news_of_segments();
    }
    Ok(())
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
