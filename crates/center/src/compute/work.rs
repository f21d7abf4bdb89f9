//! What nodes ask and say of work.

use super::board::{self, begin_ask, decide, end_ask};
use super::store::Word;
use crate::db::StoreError;
use crate::fleet::api::alias_of;
use crate::fleet::store as fleet;
use crate::leave::{Leave, Payer};
use crate::refuse::{Refused, bad_value, not_allowed};
use crate::{Caller, Center};
use model::compute::{Trust, TrustSet};
use model::{Alias, NodeId, NodeState, Region, Span, errors};
use rules::compute::{
    Effect, Input, ItemResult, Lease, LeaseState, NodeFacts, Refused as Why, Report, SlotFacts, Taken, Verdict,
};
use rules::fleet::tier::Trust as CloudTrust;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use wire::compute::{ItemFate, LeaseShow, LeaseTold, WorkAsk, WorkLease, WorkReport, WorkSaid, WorkTaken};
use wire::limits::{ENGINES_MAX, REPORTS_MAX, SLOTS_MAX};
use wire::signed::{LeaseBody, Permit, PermitOp, work};
use wire::{PeerAddr, Reply};

/// A request for work waits so long at most.
pub const PARKED: Duration = Duration::from_secs(60);
/// Life of a task's permit.
const PERMIT_LIFE: Span = Span::hours(1);
/// What is known of a node's place is read anew after this.
const PLACE_FRESH: Duration = Duration::from_secs(60);
/// Nodes whose place is remembered.
const PLACES_MAX: usize = 1 << 17;
/// Speed of the reference PC.
const SPEED: u32 = 1_000;

/// Where a node stands: its region and network, as far as they are known.
type Place = (Option<Region>, Option<String>);

/// Regions of nodes, remembered for a minute.
#[derive(Default)]
pub struct Places(Mutex<BTreeMap<Alias, (Instant, Place)>>);

impl Places {
    async fn of(&self, center: &Center, node: Alias) -> Result<Place, StoreError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&node).cloned();
        if let Some((at, place)) = known
            && at.elapsed() < PLACE_FRESH
        {
            return Ok(place);
        }
        let row = center.db().read(move |q| Ok(fleet::node_by_alias(q, node)?)).await?;
        let place = row.map_or((None, None), |row| (row.node.region, row.node.net_prefix));
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= PLACES_MAX {
            places.clear();
        }
        places.insert(node, (Instant::now(), place.clone()));
        Ok(place)
    }
}

/// A number that is equal for two nodes of one network: what the center knows of it, else the caller's own /24 or /48.
fn network(known: Option<&str>, addr: Option<IpAddr>, node: Alias) -> u64 {
    let mut hasher = blake3::Hasher::new();
    match (known, addr) {
        (Some(net), _) => hasher.update(net.as_bytes()),
        (None, Some(IpAddr::V4(ip))) => hasher.update(&ip.octets()[..3]),
        (None, Some(IpAddr::V6(ip))) => hasher.update(&ip.octets()[..6]),
        (None, None) => hasher.update(&node.0.to_le_bytes()),
    };
    let hash = hasher.finalize();
    let (head, _) = hash.as_bytes().split_first_chunk::<8>().expect("a hash has 32 bytes");
    u64::from_le_bytes(*head)
}

async fn facts(center: &Center, caller: &Caller, alias: Alias, ask: &WorkAsk) -> Result<NodeFacts, Refused> {
    let (region, net) = center.places().of(center, alias).await?;
    let (owner, standing, tier) = {
        let fleet = center.fleet();
        let node = fleet.node(alias).ok_or_else(|| crate::serve::no_node(caller))?;
        (node.owner, node.standing, node.tier)
    };
    if standing.takes_no_work() {
        return Err(not_allowed(caller.id.short(), "get", "work while it is not active").into());
    }
    let is_public = center.settings().trust() == CloudTrust::Public;
    let mut trusts = TrustSet(ask.trusts & TrustSet::ALL.0);
    if is_public {
        // Who invited whom is not asked yet: in a public cloud only a member's own machines are its circle.
        trusts = TrustSet(trusts.0 & !TrustSet::default().with(Trust::Circle).0);
    }
    Ok(NodeFacts {
        alias,
        owner,
        network: network(net.as_deref(), caller.addr.map(|addr| addr.ip()), alias),
        region,
        session_age: ask.session_age,
        speed_milli: SPEED,
        trusts,
        may_public: trusts.has(Trust::Public) && (!is_public || tier >= model::Tier::T1),
        longest: ask.longest,
        weight: center.debts().weight(&owner),
    })
}

/// A node asks for work; answered when there is some, or after a minute.
pub async fn ask(center: &Center, caller: &Caller, ask: WorkAsk) -> Result<Reply, Refused> {
    if ask.slots.is_empty() || ask.slots.len() > SLOTS_MAX || ask.engines.len() > ENGINES_MAX {
        return Err(bad_value("slots", &ask.slots.len().to_string(), "1 to 32 free places, 4 engines").into());
    }
    let alias = alias_of(center, caller)?;
    let node = facts(center, caller, alias, &ask).await?;
    let slots =
        ask.slots.iter().map(|slot| SlotFacts { cores: 1, memory_mib: slot.memory_mib, scratch_mib: slot.scratch_mib });
    let slots = slots.collect();
    let (number, answered) = begin_ask(center, alias);
    if let Err(refused) = decide(center, Input::Ask { ask: number, node, slots }, None) {
        end_ask(center, number);
        return Err(refused);
    }
    let leases = match tokio::time::timeout(PARKED, answered).await {
        Ok(leases) => leases.unwrap_or_default(),
        Err(_) => {
            end_ask(center, number);
            Vec::new()
        }
    };
    let id = node_id(center, caller, alias);
    Ok(Reply::Work(leases.into_iter().filter_map(|lease| signed(center, id, ask.session, &lease)).collect()))
}

fn node_id(center: &Center, caller: &Caller, alias: Alias) -> NodeId {
    center.fleet().node(alias).map_or(caller.id, |node| node.id)
}

/// A lease with its permit and who keeps the job's keys.
fn signed(center: &Center, node: NodeId, session: NodeId, lease: &Lease) -> Option<WorkLease> {
    let (engine, keepers, trust, parts) = {
        let board = center.board();
        let known = board.job(&lease.job)?;
        let parts = known.row.facts.stages.get(usize::from(lease.stage)).map_or(0, |stage| stage.parts);
        (known.row.engine, known.row.keepers.clone(), known.row.facts.trust, parts)
    };
    let holders: Vec<Option<PeerAddr>> =
        lease.holders.iter().map(|holder| super::blocks::addr(center, *holder)).collect();
    let body = LeaseBody {
        stage: lease.stage,
        count: lease.count,
        first: lease.first,
        direct: lease.direct,
        job: lease.job,
        serial: lease.serial,
        expected_fuel: lease.expected_fuel,
        max_fuel: lease.max_fuel,
        node,
        engine,
        parts,
        holders: LeaseBody::holders_hash(holders.iter().flatten().map(|holder| &holder.id)),
    };
    let body = body.to_bytes();
    let units = lease.max_fuel.saturating_mul(lease.count.into());
    let (op, target) = (PermitOp::Task, LeaseBody::target(&body));
    // Work is paid by its verified results: nobody signs receipts under this.
    let payer = Payer::NOBODY;
    let permit =
        Leave { op, session, node, target, generation: 0, units, life: PERMIT_LIFE, payer }.sign(center).to_vec();
    let now = center.now();
    let aliases: Vec<Alias> = {
        let fleet = center.fleet();
        keepers.iter().filter_map(|id| fleet.alias_of(id)).collect()
    };
    let keepers: Vec<PeerAddr> = aliases.into_iter().filter_map(|keeper| super::blocks::addr(center, keeper)).collect();
    Some(WorkLease {
        body: body.to_vec(),
        permit,
        life: lease.not_after.since(now),
        keepers,
        trust,
        memory_mib: lease.memory_mib,
        deep_stack: lease.deep_stack,
        holders,
        spill: lease.spill,
    })
}

/// Leases that a check-in tells; answered by those that are gone, and those that have to be shown. Whose owner takes no guests now
/// waits for no work any more: what it were given would be nobody's until its lease ran out.
pub fn checked_in(center: &Center, node: Alias, state: NodeState, leases: &[LeaseTold]) -> (Vec<u64>, Vec<u64>) {
    if !matches!(state, NodeState::Run | NodeState::Limit) {
        board::end_asks(center, node);
    }
    // After a restart also who runs nothing is heard: what it might still run is handed out.
    if !leases.is_empty() || center.board().scheduler().awaits(node) {
        let states = leases.iter().map(|told| LeaseState {
            serial: told.serial,
            items_done: told.items,
            fuel: told.fuel,
            parked: told.parked,
        });
        if let Err(refused) = decide(center, Input::CheckIn { node, leases: states.collect() }, None) {
            tracing::debug!(id = %refused.0.id, "leases of a check-in were not renewed; the next one does it");
        }
    }
    center.board().told(node)
}

/// A node shows leases this center does not know.
pub async fn show(center: &Center, caller: &Caller, show: LeaseShow) -> Result<Reply, Refused> {
    if show.leases.len() > SLOTS_MAX {
        return Err(bad_value("leases", &show.leases.len().to_string(), "32 are shown at once").into());
    }
    let alias = alias_of(center, caller)?;
    let node = facts(center, caller, alias, &show.node).await?;
    let id = node_id(center, caller, alias);
    for (body, permit) in &show.leases {
        let Some(lease) = taken_up(center, id, body, permit) else { continue };
        let job = (lease.job, lease.stage);
        decide(center, Input::Announce { node: node.clone(), lease }, None)?.durable().await?;
        let now = center.now();
        center.board().note_granted(now, job, alias);
    }
    Ok(Reply::Done)
}

/// A lease that this cloud signed for this node and that is not over.
fn taken_up(center: &Center, node: NodeId, body: &[u8], permit: &[u8]) -> Option<Lease> {
    let lease = LeaseBody::parse(body).filter(|lease| lease.node == node)?;
    let now = center.now();
    let keys = [(0, wire::signed::public_of(&center.keys().permit))];
    let parsed = Permit::parse(permit).ok()?;
    let facts = wire::signed::permit::PermitFacts {
        keys: &keys,
        node,
        cloud: center.keys().cloud_key().0[..8].try_into().ok()?,
        generation: None,
        op: PermitOp::Task,
        target: LeaseBody::target(body),
        now,
        revocation_epoch: 0,
        revoked: &[],
        caller: NodeId(parsed.session),
        spent: 0,
        wanted: 0,
    };
    Permit::check(permit, &facts).ok()?;
    let memory_mib = {
        let board = center.board();
        board.job(&lease.job)?.row.facts.stages.get(usize::from(lease.stage))?.memory_mib
    };
    Some(Lease {
        serial: lease.serial,
        job: lease.job,
        stage: lease.stage,
        first: lease.first,
        count: lease.count,
        expected_fuel: lease.expected_fuel,
        max_fuel: lease.max_fuel,
        memory_mib,
        deep_stack: false,
        not_after: now + rules::compute::limits::LEASE,
        direct: lease.direct,
        // It has heard before where its blocks go.
        holders: Vec::new(),
        spill: false,
    })
}

/// A node says what became of work.
pub async fn reports(center: &Center, caller: &Caller, said: WorkSaid) -> Result<Reply, Refused> {
    if said.reports.len() > REPORTS_MAX {
        return Err(bad_value("reports", &said.reports.len().to_string(), "64 are told at once").into());
    }
    let alias = alias_of(center, caller)?;
    let is_result = |report: &WorkReport| matches!(report, WorkReport::Computed(..) | WorkReport::Done(..));
    let mut word: Option<Word> = None;
    if said.reports.iter().any(is_result) {
        let id = node_id(center, caller, alias);
        if !work::is_signed(&id, &said.reports, &said.signature) {
            return Err(wire::RefusalMsg::new(errors::BAD_SIGNATURE, [("thing", "work".to_owned())]).into());
        }
        word = Some(Word {
            digest: work::digest(&said.reports),
            node: alias,
            at: center.now(),
            reports: wire::encode(&said.reports),
            signature: said.signature,
        });
    }
    let mut decided = Vec::with_capacity(said.reports.len());
    for report in said.reports {
        let report = to_rules(report);
        decided.push(decide(center, Input::Report { node: alias, report }, None)?);
    }
    let mut fates = Vec::with_capacity(decided.len());
    for one in decided {
        let answers = one.durable().await?;
        fates.push(answers.into_iter().find_map(fates_of).unwrap_or_default());
    }
    let counts = |fate: &ItemFate| matches!(fate, ItemFate::Store | ItemFate::Drop | ItemFate::Accepted);
    if fates.iter().flatten().any(counts)
        && let Some(word) = word
    {
        // Only words for what counted are kept.
        board::keep_word(center, word).await?;
    }
    Ok(Reply::WorkTaken(WorkTaken { fates }))
}

fn to_rules(report: WorkReport) -> Report {
    let results = |items: Vec<wire::compute::ItemResult>| {
        let one = |r: wire::compute::ItemResult| ItemResult {
            item: r.item,
            hash: r.hash,
            fuel: r.fuel,
            bytes: r.bytes,
            of: r.of,
        };
        items.into_iter().map(one).collect()
    };
    match report {
        WorkReport::Computed(serial, items) => Report::Computed { serial, items: results(items) },
        WorkReport::Done(serial, items) => Report::Done { serial, items: results(items) },
        WorkReport::Failed(serial, trouble) => Report::Failed {
            serial,
            item: trouble.item,
            kind: trouble.kind,
            detail: trouble.detail,
            fuel: trouble.fuel,
        },
        WorkReport::Parked(serial) => Report::Parked { serial },
        WorkReport::Over(serial) => Report::Over { serial },
        WorkReport::Missing(serial, stage, items) => Report::Missing { serial, stage, items },
    }
}

/// What is answered to one report; none of other effects.
fn fates_of(effect: Effect) -> Option<Vec<ItemFate>> {
    let refused = |why: Why| if why == Why::UnknownLease { ItemFate::Unknown } else { ItemFate::Refused };
    Some(match effect {
        Effect::Verdicts { verdicts, .. } => verdicts
            .into_iter()
            .map(|(_, verdict)| match verdict {
                Verdict::Store => ItemFate::Store,
                Verdict::Drop => ItemFate::Drop,
                Verdict::Refused(why) => refused(why),
            })
            .collect(),
        Effect::Taken { taken, .. } => taken
            .into_iter()
            .map(|(_, taken)| match taken {
                Taken::Accepted => ItemFate::Accepted,
                Taken::Duplicate => ItemFate::Duplicate,
                Taken::Refused(why) => refused(why),
            })
            .collect(),
        Effect::Noted { .. } => Vec::new(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_of_one_network_count_as_one() {
        let ip = |text: &str| Some(text.parse().unwrap());
        let (a, b) = (Alias(1), Alias(2));
        assert_eq!(network(None, ip("10.1.2.3"), a), network(None, ip("10.1.2.200"), b));
        assert_ne!(network(None, ip("10.1.2.3"), a), network(None, ip("10.1.3.3"), b));
        assert_eq!(network(None, ip("2001:db8:1:2::3"), a), network(None, ip("2001:db8:1:9::3"), b));
        assert_eq!(network(Some("n"), ip("10.1.2.3"), a), network(Some("n"), ip("10.9.2.3"), b));
        assert_ne!(network(None, None, a), network(None, None, b), "over the relay each stands for itself");
    }
}
