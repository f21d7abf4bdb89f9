//! Whether a bucket of a class may be made here: the facts for `rules::storage::scheme::offer`, from a group as it would be opened
//! now and not opened.

use super::place::{self, Member, SLOT_MIN};
use crate::Center;
use crate::refuse::Refused;
use model::{Class, Ppm, Region};
use rules::storage::group::{Candidate, FillAsk, RegionRule, fill};
use rules::storage::scheme::offer::{OfferFacts, may_offer};
use rules::storage::scheme::{HISTORY, PoolKind, public};
use std::collections::BTreeSet;

/// Refuses E0317 where this pool cannot cover the class in the regions named. Too few nodes for one group is told when something
/// is stored.
pub async fn check(center: &Center, class: Class, only: &[Region], regions_min: u16) -> Result<(), Refused> {
    let now = center.now();
    let rows = place::nodes(center, now).await?;
    let kind = place::kind_of(rows.iter(), center.settings().trust());
    if kind != PoolKind::Public || class == Class::Eco {
        return Ok(());
    }
    let rule = RegionRule { only: only.iter().cloned().collect(), regions_min };
    let all = place::members(center, &rows, now);
    let fit: Vec<&Member> =
        all.iter().filter(|m| m.unfit().is_none() && rule.admits(m.row.node.region.as_ref())).collect();
    let candidates: Vec<Candidate<'_>> = fit.iter().map(|m| m.candidate(now)).collect();
    let scheme = public(class);
    let ask = FillAsk::open(kind, class, scheme, &rule, SLOT_MIN);
    let Ok(plan) = fill(&candidates, &ask, &mut rand::rng()) else { return Ok(()) };
    let picked: BTreeSet<_> = plan.picks.iter().map(|pick| pick.node).collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let owners: BTreeSet<_> = fit.iter().map(|m| m.row.node.owner).collect();
    let on: u64 = fit.iter().map(|m| u64::from(m.profile.mean_on().0)).sum();
    let facts = OfferFacts {
        kind,
        scheme,
        nodes: count(fit.len()),
        owners: count(owners.len()),
        learned: count(fit.iter().filter(|m| now.since(m.row.node.joined_at) >= HISTORY).count()),
        mean_on: Ppm(u32::try_from(on / fit.len().max(1) as u64).unwrap_or(0)),
        sample: &plan.coverage,
        always_on: count(fit.iter().filter(|m| picked.contains(&m.row.alias) && m.is_always_on(now)).count()),
    };
    Ok(may_offer(&facts, class)?)
}
