//! The fleet as people see it: lists, one node whole, what an operator may change.

use super::store::{self, NodeFilter as StoreFilter, NodeRow, Rtt, Standing};
use crate::access::api::{operator, who};
use crate::refuse::{Refused, bad_value, not_allowed};
use crate::{Caller, Center};
use model::{Bytes, Kbps, NatKind, NodeId, NodeState, PauseReason, Presence, Region, Roles, Span, errors};
use rules::fleet::capability::{Measures, decide};
use rules::fleet::lend::Accept;
use rules::fleet::profile::WeeklyProfile;
use rules::fleet::region::{BeaconRtt, Located, locate};
use wire::fleet::{
    AuditCounts, CapabilityLine, Measured, NodeAct, NodeDetail, NodeFilter, NodeLine, NodePage, NodeSet,
};
use wire::limits::{NAME_MAX, PAGE_MAX};
use wire::{RefusalMsg, Reply};

/// Stands in for a rate that nobody measured yet: the ceiling of the default profile.
const UNMEASURED_RATE: Kbps = Kbps(5_000);
/// Events shown of one node.
const EVENTS_SHOWN: u32 = 20;
/// Segments counted for one answer about a node.
const ACCOUNTED_MAX: u32 = 100_000;

/// Lists nodes.
pub async fn node_list(center: &Center, caller: &Caller, ask: NodeFilter) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let limit = u32::from(ask.limit.max(1)).min(u32::try_from(PAGE_MAX).unwrap_or(u32::MAX));
    let filter = StoreFilter { owner: ask.mine.then_some(member.id), region: ask.region, standing: None };
    let after = ask.after;
    let mut rows = center.db().read(move |q| Ok(store::list_nodes(q, &filter, after, limit + 1)?)).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let nodes = rows.iter().map(|row| line(center, row)).collect();
    let counts = center.fleet().presence.counts(center.now()).to_vec();
    Ok(Reply::Nodes(NodePage { nodes, more, counts }))
}

/// A row and what memory knows, as a line.
pub fn line(center: &Center, row: &NodeRow) -> NodeLine {
    let now = center.now();
    let fleet = center.fleet();
    let view = fleet.presence.view(now, row.alias);
    let presence = match row.standing {
        Standing::Left => Presence::Left,
        _ => view.map_or(Presence::Unknown, |v| v.presence),
    };
    let contested = view.is_some_and(|v| v.contested);
    NodeLine {
        id: row.node.id,
        alias: row.alias,
        name: row.node.name.clone(),
        owner: row.node.owner,
        region: row.node.region.clone(),
        evidence: row.node.evidence,
        os: row.node.os,
        presence,
        state: view.map_or(NodeState::Off, |v| v.state),
        reason: view.map_or(PauseReason::None, |v| v.reason),
        tier: row.tier,
        quarantined: contested || row.standing.takes_no_work() || row.standing == Standing::Banned,
        lent: row.node.lent,
        nat: row.node.measured.nat.unwrap_or(model::NatKind::Unknown),
        up: row.node.measured.up,
        seen: view.and_then(|v| v.seen),
        capabilities: capability_bits(&capability_lines_of(row, view.and_then(|v| v.on_since).map(|s| now.since(s)))),
        program: row.node.version,
    }
}

fn capability_bits(lines: &[CapabilityLine]) -> u32 {
    lines.iter().filter(|l| l.yes).fold(0, |bits, l| bits | 1 << l.capability.code())
}

/// One node, whole.
pub async fn node_show(center: &Center, caller: &Caller, text: String) -> Result<Reply, Refused> {
    who(center, caller).await?;
    let found = center.db().read(move |q| {
        let row = store::node_by_text(q, &text)?;
        let events = store::events(q, row.alias, EVENTS_SHOWN)?;
        let accounted = crate::storage::store::log::accounted(q, row.alias, ACCOUNTED_MAX)?;
        let audits = crate::storage::store::audit::counts(q, row.alias)?;
        let looked = super::vet::looked(q, row)?;
        Ok((looked, events, accounted, audits))
    });
    let (looked, events, accounted, audits) = found.await.map_err(unknown_node)?;
    let (rank, fill) = (looked.detail(center, center.now()), looked.stored());
    let row = looked.row;
    let view = center.fleet().presence.view(center.now(), row.alias);
    let held = center.fleet().held(row.alias);
    let total = u64::from(row.node.alpha) + u64::from(row.node.beta);
    let ids = rtt_ids(center, &row.node.measured.rtt);
    let detail = NodeDetail {
        line: line(center, &row),
        measured: Measured {
            cpu_score: row.node.measured.cpu_score,
            fsync_ms: row.node.measured.fsync_ms,
            disk_mb_s: row.node.measured.disk_mb_s,
            up: row.node.measured.up,
            down: row.node.measured.down,
            nat: row.node.measured.nat,
            rtt_ms: ids,
            loss_ppm: row.node.measured.loss_ppm,
        },
        declared: row.node.declared.clone(),
        capabilities: capability_lines(center, &row),
        integrity_ppm: u32::try_from(u64::from(row.node.alpha) * 1_000_000 / total.max(1)).unwrap_or(0),
        profile: row.profile.to_vec(),
        joined: row.node.joined_at,
        clock_offset_ms: view.map_or(0, |v| v.offset_ms),
        quarantine_why: row.standing_why.clone(),
        events: events.into_iter().map(|e| (e.at, e.kind, e.text)).collect(),
        generation: row.generation,
        missing_after: Span::hours(u64::from(row.missing_after_h)),
        held,
        accounted: accounted.map(|(pieces, bytes)| (pieces + fill.0, bytes + fill.1)),
        audits: audits.map(|a| AuditCounts {
            proved: a.proved,
            gone: a.gone,
            wrong: a.wrong,
            silent: a.silent,
            at: a.at,
        }),
        rank,
    };
    Ok(Reply::Node(Box::new(detail)))
}

fn rtt_ids(center: &Center, rtt: &[Rtt]) -> Vec<(NodeId, u16, u16)> {
    let fleet = center.fleet();
    rtt.iter().filter_map(|r| Some((fleet.node(r.to)?.id, r.median_ms, r.spread_ms))).collect()
}

fn unknown_node(error: crate::db::StoreError) -> Refused {
    match error {
        crate::db::StoreError::Refused { id, why } if id == errors::NODE_UNKNOWN => {
            Refused(RefusalMsg::new(errors::NODE_UNKNOWN, [("id", why)]))
        }
        other => other.into(),
    }
}

/// Changes a node: an operator anything, an owner the name of their own.
pub async fn node_set(center: &Center, caller: &Caller, set: NodeSet) -> Result<Reply, Refused> {
    let text = set.node.clone();
    let row = center.db().read(move |q| store::node_by_text(q, &text)).await.map_err(unknown_node)?;
    match set.act {
        NodeAct::Quarantine { why } => {
            operator(center, caller, "quarantine", &row.node.name).await?;
            if why.len() > crate::access::store::WHY_MAX {
                return Err(bad_value("why", &why, "it is too long").into());
            }
            stand(center, &row, Standing::Quarantined, Some(why), "quarantined").await
        }
        NodeAct::Release => {
            operator(center, caller, "release", &row.node.name).await?;
            center.fleet().presence.settle_duplicates(row.alias);
            stand(center, &row, Standing::Active, None, "released").await
        }
        NodeAct::Rename(name) => rename(center, caller, &row, name).await,
    }
}

async fn stand(
    center: &Center,
    row: &NodeRow,
    standing: Standing,
    why: Option<String>,
    event: &'static str,
) -> Result<Reply, Refused> {
    if matches!(row.standing, Standing::Banned | Standing::Left) {
        return Err(bad_value("node", &row.node.name, "it has left or is banned").into());
    }
    let (alias, now, generation) = (row.alias, center.now(), row.generation + 1);
    let kept = center.db().write(move |tx| {
        store::set_standing(tx, alias, standing, why.as_deref(), None)?;
        store::set_generation(tx, alias, generation)?;
        store::add_event(tx, alias, now, event, why.as_deref().unwrap_or_default())
    });
    kept.await?;
    if let Some(node) = center.fleet().node_mut(alias) {
        node.standing = standing;
        node.generation = node.generation.max(generation) + 1;
    }
    Ok(Reply::Done)
}

async fn rename(center: &Center, caller: &Caller, row: &NodeRow, name: String) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    if member.id != row.node.owner && !member.roles.has(Roles::OPERATOR) {
        return Err(not_allowed(&member.name, "rename", &row.node.name).into());
    }
    if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(bad_value("name", &name, "1 to 64 bytes without control characters").into());
    }
    let alias = row.alias;
    center.db().write(move |tx| store::rename_node(tx, alias, &name)).await?;
    Ok(Reply::Done)
}

/// Duties of a node with reasons.
pub fn capability_lines(center: &Center, row: &NodeRow) -> Vec<CapabilityLine> {
    let now = center.now();
    let on_since = center.fleet().presence.view(now, row.alias).and_then(|v| v.on_since);
    capability_lines_of(row, on_since.map(|s| now.since(s)))
}

fn capability_lines_of(row: &NodeRow, session: Option<Span>) -> Vec<CapabilityLine> {
    let m = &row.node.measured;
    let profile = WeeklyProfile(row.profile);
    let measures = Measures {
        accept: Accept::from_bits(row.node.accepts),
        lent: row.node.lent,
        scratch: m.disk_free.unwrap_or(Bytes(0)),
        up: m.up,
        down: m.down,
        declared: UNMEASURED_RATE,
        nat: m.nat.unwrap_or(NatKind::Unknown),
        mean_on: profile.mean_on(),
        fsync_p99_ms: m.fsync_ms.map(|(_, p99)| p99),
        tier: row.tier,
        memory_mib: m.memory_mib.unwrap_or(0),
        reference_passed: None,
        session_age: session.unwrap_or(Span::ZERO),
        jitter_ms: m.rtt.iter().map(|r| r.spread_ms).max(),
        loss: m.loss_ppm.map(model::Ppm),
        clock_offset_ms: None,
        region: row.node.evidence,
    };
    let lines = decide(&measures).into_iter().map(|verdict| CapabilityLine {
        capability: verdict.capability,
        yes: verdict.is_yes(),
        why: verdict.lack.as_ref().map(|lack| lack.key()),
        args: verdict.lack.iter().flat_map(|lack| lack.args()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
    });
    lines.collect()
}

/// The place of a beacon, as the operator confirmed it.
pub fn beacon_region(center: &Center, id: &NodeId) -> Option<Region> {
    let text = id.to_string();
    let found = center.settings().beacon.iter().find(|b| b.node.len() >= 4 && text.starts_with(&b.node));
    found.map(|b| b.region.clone())
}

/// Round trips to beacons: their places and medians in ms.
pub fn beacon_samples(center: &Center, rtt: &[Rtt]) -> Vec<(Region, u16)> {
    let ids = rtt_ids(center, rtt);
    ids.into_iter().filter_map(|(id, median, _)| Some((beacon_region(center, &id)?, median))).collect()
}

/// Where a node is, from its owner's word and round trips to beacons.
pub fn located(center: &Center, declared: Option<&Region>, rtt: &[Rtt]) -> Located {
    let samples: Vec<BeaconRtt> =
        beacon_samples(center, rtt).into_iter().map(|(region, rtt_ms)| BeaconRtt { region, rtt_ms }).collect();
    locate(center.regions(), declared, None, &samples)
}
