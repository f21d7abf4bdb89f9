//! Which group a bucket writes to: facts of the fleet for `rules`, the group that fits kept or opened.

use super::store::bucket::BucketRow;
use super::store::{self, PgRow};
use crate::Center;
use crate::db::{Reader, StoreError};
use crate::fleet::memory::NodeMemory;
use crate::fleet::store::{NodeFilter, NodeRow, Standing, list_nodes};
use crate::refuse::Refused;
use model::{Alias, Bytes, Capability, Kbps, Ppm, Presence, Region, Span, Stamp, Tier, errors};
use rules::fleet::profile::{SessionScale, WeeklyProfile};
use rules::fleet::tier::Trust;
use rules::storage::group::coverage::is_flaky;
use rules::storage::group::{
    Candidate, Coverage, FillAsk, FillPlan, NetPrefix, RegionRule, Site, SlotState, Unfit, fill,
};
use rules::storage::scheme::{Chosen, HISTORY, PoolFacts, PoolKind, Ranks, Steadiness, choose, probation_of_young};
use rules::storage::survives::{Holder, Survives, survives, weakest};
use rules::storage::writer::{FirstPieces, STAYS_FOR, SlotFacts, first_pieces};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A node younger than this is taken a little later than others.
const YOUNG: Span = Span::days(14);
/// Room a slot needs, in pools whose groups grow with their members.
pub(super) const SLOT_MIN: Bytes = Bytes(64 << 20);
/// Sets of holders looked at for one bucket's report.
const SETS_MAX: u32 = 1_000;

/// A node with what only the memory knows of it.
pub(super) struct Member {
    pub row: NodeRow,
    on: bool,
    pub presence: Presence,
    on_since: Option<Stamp>,
    /// Room for new pieces.
    free: Bytes,
    away_for: Span,
    /// By what its owner owes.
    debt: Ppm,
    pub(super) profile: WeeklyProfile,
}

/// Rows of all nodes as they were read last. A node that joins or leaves is seen at once; another change of a row, within
/// a second.
#[derive(Default)]
pub struct NodesRead(Option<(usize, Stamp, Arc<Vec<NodeRow>>)>);

/// For so long rows of nodes are not read anew.
const ROWS_FRESH: Span = Span::secs(1);

pub(crate) async fn nodes(center: &Center, now: Stamp) -> Result<Arc<Vec<NodeRow>>, StoreError> {
    let aliases = center.fleet().aliases();
    let is_fresh = |(count, at, _): &&(usize, Stamp, Arc<Vec<NodeRow>>)| {
        *count == aliases && *at <= now && now.since(*at) < ROWS_FRESH
    };
    if let Some((.., rows)) = center.nodes_read().0.as_ref().filter(is_fresh) {
        return Ok(Arc::clone(rows));
    }
    let read = Arc::new(center.db().read(rows).await?);
    center.nodes_read().0 = Some((aliases, now, Arc::clone(&read)));
    Ok(read)
}

/// All nodes of the cloud, page by page.
fn rows(q: &mut Reader<'_>) -> Result<Vec<NodeRow>, StoreError> {
    let mut all: Vec<NodeRow> = Vec::new();
    loop {
        let after = all.last().map(|row| row.alias);
        let page = list_nodes(q, &NodeFilter::default(), after, u32::MAX)?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

pub(super) fn members(center: &Center, rows: &[NodeRow], now: Stamp) -> Vec<Member> {
    let (fleet, trust) = (center.fleet(), center.settings().trust());
    let member = |row: &NodeRow| {
        let row = row.clone();
        let view = fleet.presence.view(now, row.alias);
        let presence = view.map_or(Presence::Unknown, |v| v.presence);
        let on_since = view.and_then(|v| v.on_since);
        let away_for = fleet.presence.away_for(now, row.alias).unwrap_or(Span::ZERO);
        let lent = |n: &NodeMemory| if n.lent.0 > 0 { n.lent } else { row.node.lent };
        let free = fleet.node(row.alias).map_or(row.node.lent, |n| n.room(lent(n), trust));
        let profile = WeeklyProfile(row.profile);
        let debt = center.debts().weight(&row.node.owner);
        Member { on: presence == Presence::On, presence, on_since, away_for, debt, free, profile, row }
    };
    rows.iter().map(member).collect()
}

impl Member {
    /// Why it may hold nothing new; nothing where it may. A member that is off for the night may: its piece comes later.
    pub fn unfit(&self) -> Option<Unfit> {
        let store_bit = 1 << Capability::Store.code();
        match (self.row.standing, self.presence) {
            (Standing::Left | Standing::Leaving | Standing::Banned, _) | (_, Presence::Left) => Some(Unfit::Left),
            (Standing::Quarantined | Standing::Distrusted, _) => Some(Unfit::Quarantined),
            (Standing::Holiday, _) | (_, Presence::Holiday) => Some(Unfit::Holiday),
            _ if self.row.tier == Tier::T0 => Some(Unfit::Untested),
            _ if self.row.node.accepts & store_bit == 0 => Some(Unfit::NotCapable),
            (_, Presence::Missing) => Some(Unfit::Away),
            _ => None,
        }
    }

    /// For how long it has been away; nothing while it is on, on holiday or unheard of since this center started.
    pub fn away_for(&self) -> Span {
        self.away_for
    }

    fn site(&self) -> Site {
        let prefix = self.row.node.net_prefix.as_deref().and_then(|text| text.split('/').next()?.parse().ok());
        Site {
            owner: self.row.node.owner,
            lan: None,
            prefix: prefix.map(NetPrefix::of),
            network: self.row.node.as_number,
            os: self.row.node.os,
            version: self.row.node.version,
            country: Site::country_of(self.row.node.region.as_ref()),
        }
    }

    /// As whoever fills a group sees it.
    pub fn candidate(&self, now: Stamp) -> Candidate<'_> {
        let is_young = now.since(self.row.node.joined_at) < YOUNG;
        Candidate {
            node: self.row.alias,
            site: self.site(),
            region: self.row.node.region.as_ref(),
            profile: &self.profile,
            tier: self.row.tier,
            free: self.free,
            quality: Ppm::ONE,
            debt: self.debt,
            on: self.on,
            // What nothing was learned of yet is no habit of it.
            is_flaky: !is_young && is_flaky(&self.profile),
            is_young,
            unfit: self.unfit(),
        }
    }

    /// As a writer sees it in a slot.
    fn slot(&self, index: u16, now: Stamp) -> SlotFacts<'_> {
        let age = self.on_since.map_or(Span::ZERO, |at| now.since(at));
        SlotFacts {
            index,
            node: self.row.alias,
            site: self.site(),
            region: self.row.node.region.as_ref(),
            tier: self.row.tier,
            state: SlotState::Held,
            on: self.on,
            is_always_on: self.is_always_on(now),
            takes: self.unfit().is_none(),
            stays: SessionScale(self.row.session_scale).survives(age, STAYS_FOR),
            rtt_ms: None,
        }
    }

    /// Whether it counts as always on. Without a month of history: no gap, as far as this center's memory goes.
    pub(super) fn is_always_on(&self, now: Stamp) -> bool {
        let age = now.since(self.row.node.joined_at);
        let on = if age >= HISTORY { self.profile.mean_on() } else { Ppm(0) };
        Steadiness { age, on, is_declared: false, had_gap: !self.on }.is_always_on()
    }
}

/// What the choice of a scheme knows of the nodes that a bucket's region rule admits.
/// Owners of strangers on probation count for nothing: nobody makes a small cloud a large one by joining it often.
fn pool(members: &[&Member], trust: Trust, now: Stamp) -> PoolFacts {
    let counted = members.iter().filter(|m| trust == Trust::Circle || m.row.tier >= Tier::T2);
    let owners: BTreeSet<_> = counted.map(|m| m.row.node.owner).collect();
    let coverage = Coverage::of(members.iter().map(|m| &m.profile));
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    PoolFacts {
        nodes: count(members.len()),
        owners: count(owners.len()),
        always_on: count(members.iter().filter(|m| m.is_always_on(now)).count()),
        k_covered: coverage.k_max(PoolKind::Neighborhood.z_milli()),
    }
}

/// Members of which a group may be made: all of them where membership is the vetting or [`fill`] keeps to shares; in a young public
/// cloud the vetted ones, and of those on probation as many as the code outlives.
fn eligible(fit: Vec<&Member>, trust: Trust) -> Vec<&Member> {
    let kind = kind_of(fit.iter().map(|m| &m.row), trust);
    if trust == Trust::Circle || kind.has_hard_caps() {
        return fit;
    }
    let (mut all, probation): (Vec<&Member>, Vec<&Member>) = fit.into_iter().partition(|m| m.row.tier >= Tier::T2);
    let room = probation_of_young(all.len());
    all.extend(probation.into_iter().filter(|m| m.free >= SLOT_MIN).take(room));
    all
}

/// Kind of the cloud's pool; rank and measured upload of a group's members.
pub async fn kind_and_ranks(
    center: &Center,
    group: &PgRow,
) -> Result<(PoolKind, BTreeMap<Alias, (Tier, Option<Kbps>)>), Refused> {
    let rows = nodes(center, center.now()).await?;
    let of_group = rows.iter().filter(|row| group.slots.contains(&row.alias));
    let ranks = of_group.map(|row| (row.alias, (row.tier, row.node.measured.up))).collect();
    Ok((kind_of(rows.iter(), center.settings().trust()), ranks))
}

/// Kind of the pool that these nodes are, those who left or were banned apart, and strangers that are not vetted.
pub(super) fn kind_of<'a>(rows: impl Iterator<Item = &'a NodeRow>, trust: Trust) -> PoolKind {
    let is_in = |row: &&NodeRow| {
        let is_vetted = trust == Trust::Circle || row.tier >= Tier::T2;
        is_vetted && !matches!(row.standing, Standing::Left | Standing::Banned)
    };
    let standing: Vec<_> = rows.filter(is_in).collect();
    let owners: BTreeSet<_> = standing.iter().map(|row| row.node.owner).collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    PoolKind::of(count(standing.len()), count(owners.len()))
}

/// Where a bucket writes now.
pub struct WriteTo {
    /// The group.
    pub group: PgRow,
    /// Who gets the first pieces, and who stands in.
    pub first: FirstPieces,
}

/// The group a bucket writes to now, and its slots in the order they are asked. Refuses E0306, E0317, E0506.
pub async fn write_to(center: &Center, bucket: &BucketRow) -> Result<WriteTo, Refused> {
    let now = center.now();
    let rows = nodes(center, now).await?;
    let all = members(center, &rows, now);
    let (group, kind) = group_for(center, bucket, &all, now).await?;
    let by_alias: BTreeMap<Alias, &Member> = all.iter().map(|m| (m.row.alias, m)).collect();
    let slots: Vec<SlotFacts<'_>> =
        (0u16..).zip(&group.slots).filter_map(|(index, alias)| Some(by_alias.get(alias)?.slot(index, now))).collect();
    let first = first_pieces(&slots, &group.scheme, bucket.class, kind, kind.ranks(center.settings().trust()))?;
    Ok(WriteTo { group, first })
}

/// The group a bucket writes to now: the open one of its class and regions where it is what would be chosen now, else a new
/// one; with the kind of its pool.
async fn group_for(
    center: &Center,
    bucket: &BucketRow,
    all: &[Member],
    now: Stamp,
) -> Result<(PgRow, PoolKind), Refused> {
    let (rule, trust) = (bucket.rule(), center.settings().trust());
    let fit = all.iter().filter(|m| m.unfit().is_none() && rule.admits(m.row.node.region.as_ref())).collect();
    let fit = eligible(fit, trust);
    if fit.is_empty() && !rule.is_empty() {
        let args = [("region", rule.to_string()), ("have", "0".to_owned()), ("need", "1".to_owned())];
        return Err(wire::RefusalMsg::new(errors::REGION_THIN, args).into());
    }
    let chosen = choose(&pool(&fit, trust, now), bucket.class)?;
    let (class, text, regions_min) = (bucket.class, bucket.regions.clone(), bucket.regions_min);
    let open = center.db().read({
        let text = text.clone();
        move |q| Ok(store::open_pg(q, class, &text, regions_min)?)
    });
    if let Some(open) = open.await?.filter(|open| is_current(open, &chosen, &fit)) {
        return Ok((open, chosen.kind));
    }
    let plan = plan(&fit, &chosen, bucket, &rule, now)?;
    let mut slots: Vec<(u16, Alias)> = plan.picks.iter().map(|pick| (pick.index, pick.node)).collect();
    slots.sort_unstable();
    let slots: Vec<Alias> = slots.into_iter().map(|(_, node)| node).collect();
    let scheme = chosen.scheme;
    let opened = center.db().write(move |tx| {
        // Another call may have opened the very same group meanwhile.
        match store::open_pg(tx, class, &text, regions_min)? {
            Some(pg) if pg.scheme == scheme && same_members(&pg.slots, &slots) => Ok(pg),
            _ => store::insert_pg(tx, &scheme, &slots, class, &text, regions_min),
        }
    });
    Ok((opened.await?, chosen.kind))
}

fn plan(
    fit: &[&Member],
    chosen: &Chosen,
    bucket: &BucketRow,
    rule: &RegionRule,
    now: Stamp,
) -> Result<FillPlan, Refused> {
    let candidates: Vec<Candidate<'_>> = fit.iter().map(|m| m.candidate(now)).collect();
    let ask = FillAsk::open(chosen.kind, bucket.class, chosen.scheme, rule, SLOT_MIN);
    Ok(fill(&candidates, &ask, &mut rand::rng())?)
}

/// In small pools everybody holds a slot, so the members must be those of now; in big ones an open group stays.
fn is_current(open: &PgRow, chosen: &Chosen, fit: &[&Member]) -> bool {
    let now: Vec<Alias> = fit.iter().map(|m| m.row.alias).collect();
    open.scheme == chosen.scheme
        && match chosen.kind {
            // A circle of more people than slots keeps the group it has.
            PoolKind::Circle | PoolKind::Neighborhood if now.len() > open.slots.len() => {
                open.slots.iter().all(|slot| now.contains(slot))
            }
            PoolKind::Circle | PoolKind::Neighborhood => same_members(&open.slots, &now),
            PoolKind::Public => {
                open.slots.iter().filter(|slot| now.contains(slot)).count() > usize::from(open.scheme.m)
            }
        }
}

fn same_members(a: &[Alias], b: &[Alias]) -> bool {
    let set = |all: &[Alias]| all.iter().copied().collect::<BTreeSet<_>>();
    set(a) == set(b)
}

/// What a bucket is and survives now.
pub struct Report {
    /// What all of its segments survive; none where it has none.
    pub survives: Option<Survives>,
    /// Its weakest code.
    pub scheme: Option<model::Scheme>,
    /// Membership is the vetting.
    pub is_waived: bool,
    /// Fewer sets of holders were looked at than there are.
    pub is_partial: bool,
}

/// Counts what a bucket survives from the pieces that stand.
pub async fn report(center: &Center, bucket: &BucketRow) -> Result<Report, Refused> {
    let (now, number) = (center.now(), bucket.number);
    let read = center.db().read(move |q| {
        let sets = store::holder_sets(q, number, SETS_MAX + 1)?;
        let numbers: BTreeSet<_> = sets.iter().map(|(pg, _)| *pg).collect();
        let groups: Vec<PgRow> =
            numbers.into_iter().map(|pg| store::pg(q, pg)).filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok((sets, groups))
    });
    let (sets, groups) = read.await?;
    let rows = nodes(center, now).await?;
    let members: BTreeMap<Alias, Member> = members(center, &rows, now).into_iter().map(|m| (m.row.alias, m)).collect();
    let trust = center.settings().trust();
    let kind = kind_of(rows.iter(), trust);
    let groups: BTreeMap<_, _> = groups.into_iter().map(|pg| (pg.pg, pg)).collect();
    let one = |(pg, have): &(model::PgId, Vec<u8>)| {
        let group = groups.get(pg)?;
        let holds = |index: usize| have.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0);
        let holders = group.slots.iter().enumerate().filter(|(index, _)| holds(*index)).filter_map(|(_, alias)| {
            let member = members.get(alias)?;
            // What was missing too long, left, or is not to be trusted, stands no more.
            let stands = !matches!(member.presence, Presence::Missing | Presence::Left)
                && !matches!(member.row.standing, Standing::Distrusted | Standing::Banned);
            stands.then(|| Holder { node: *alias, site: member.site(), on: member.on })
        });
        Some(survives(&group.scheme, kind, &holders.collect::<Vec<_>>()))
    };
    let is_partial = sets.len() > SETS_MAX as usize;
    let scheme = groups.values().map(|pg| pg.scheme).min_by_key(|s| (s.o - s.k, s.o));
    let is_waived = kind.ranks(trust) == Ranks::Waived;
    Ok(Report { survives: weakest(sets.iter().take(SETS_MAX as usize).filter_map(one)), scheme, is_waived, is_partial })
}

impl BucketRow {
    /// Where its pieces may stand.
    pub fn rule(&self) -> RegionRule {
        rule_of(&self.regions, self.regions_min)
    }
}

/// A region rule as rows have it.
pub(super) fn rule_of(regions: &str, regions_min: u16) -> RegionRule {
    RegionRule { only: regions.split(',').filter_map(|text| text.parse::<Region>().ok()).collect(), regions_min }
}
