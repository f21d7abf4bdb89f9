//! What nodes ask: check-in, goodbye, measurements, whom to measure against, absences.

use super::store::{self, MeasuredRow, NodeRow, Rtt, Standing};
use crate::access::api::who;
use crate::access::store as tickets;
use crate::db::StoreError;
use crate::leave::{Leave, Payer};
use crate::ledger::store::standing;
use crate::refuse::{Refused, bad_value};
use crate::serve::no_node;
use crate::storage::store::drain;
use crate::{Caller, Center};
use model::{Alias, NatKind, NodeId, Presence, Span, Stamp, errors};
use rules::fleet::presence::CheckInFacts;
use std::sync::atomic::Ordering::Relaxed;
use wire::fleet::{Absence, CapabilityLine, CheckIn, CheckInReply, Goodbye, Measured, PROBE_BYTES_MAX, ProbePeer};
use wire::limits::{CHECK_IN_MAX, PROBES_MAX};
use wire::signed::PermitOp;
use wire::{RefusalMsg, Reply, Ticket};

/// How long a permit to measure holds.
const PROBE_LIFE: Span = Span::mins(10);
/// Longest declared absence.
pub const HOLIDAY_MAX: Span = Span::days(30);
/// Peers a machine measures against.
const PROBE_PEERS: usize = 3;

/// The node that calls: by the envelope's alias in `dev`, else by the connection's key.
pub(crate) fn alias_of(center: &Center, caller: &Caller) -> Result<Alias, Refused> {
    match caller.alias {
        Some(alias) => Ok(alias),
        None => center.fleet().alias_of(&caller.id).ok_or_else(|| no_node(caller)),
    }
}

/// A link with this key is there; the node it was counted for, if its key is one.
pub fn link_up(center: &Center, caller: &Caller) -> Option<Alias> {
    let mut fleet = center.fleet();
    let alias = fleet.alias_of(&caller.id)?;
    fleet.presence.link_back(alias);
    let node = fleet.node_mut(alias)?;
    node.links = node.links.saturating_add(1);
    Some(alias)
}

/// A link that was counted for a node is gone; when it was the last one, the node is suspect soon. The link over which a
/// machine joined was never counted: it was no node yet when that began.
pub fn link_down(center: &Center, alias: Alias) {
    let now = center.now();
    let mut fleet = center.fleet();
    let Some(node) = fleet.node_mut(alias) else { return };
    node.links = node.links.saturating_sub(1);
    if node.links == 0 {
        fleet.presence.link_lost(now, alias);
    }
}

/// The periodic call. Touches memory only, unless what the owner lends has changed.
pub async fn check_in(center: &Center, caller: &Caller, ask: CheckIn) -> Result<Reply, Refused> {
    if ask.leases.len() > wire::limits::LEASES_MAX || ask.cursors.len() > wire::limits::CURSORS_MAX {
        return Err(bad_value("check-in", "", &format!("it is longer than {CHECK_IN_MAX} bytes")).into());
    }
    let alias = alias_of(center, caller)?;
    let now = center.now();
    let (leases_canceled, leases_unknown) = crate::compute::work::checked_in(center, alias, ask.state, &ask.leases);
    let (reply, lent) = record(center, alias, now, ask)?;
    let reply = CheckInReply { leases_canceled, leases_unknown, ..reply };
    center.metrics().check_ins.fetch_add(1, Relaxed);
    if let Some(lent) = lent {
        center.db().write(move |tx| Ok(store::set_lent(tx, alias, lent)?)).await?;
    }
    Ok(Reply::CheckedIn(Box::new(reply)))
}

/// Notes a check-in in memory and decides the answer; what the node lends, where that is news.
fn record(
    center: &Center,
    alias: Alias,
    now: Stamp,
    ask: CheckIn,
) -> Result<(CheckInReply, Option<model::Bytes>), Refused> {
    let offset = i64::try_from(ask.now.as_ms())
        .unwrap_or(i64::MAX)
        .saturating_sub(i64::try_from(now.as_ms()).unwrap_or(i64::MAX));
    let facts = CheckInFacts {
        boot: ask.boot,
        sequence: ask.sequence,
        state: ask.state,
        reason: ask.reason,
        parked_or_leased: ask.busy,
        offset_ms: offset,
    };
    let has_steward_work =
        center.stewards().has_offer(alias) || center.audits().has_offer(alias) || center.fills().has_offer(alias);
    let is_leaving = center.fleet().node(alias).is_some_and(|node| node.standing == Standing::Leaving);
    let is_over = center.fleet().is_over(alias).is_some();
    let has_steward_work = has_steward_work || is_leaving || is_over;
    let mut fleet = center.fleet();
    let moved = fleet.drops.after(&ask.cursors);
    let known = fleet.node(alias).map(|n| (n.standing, n.lent));
    let Some((standing, lent)) = known else {
        return Err(Refused(RefusalMsg::new(errors::NODE_UNKNOWN, [("id", alias.to_string())])));
    };
    if standing == Standing::Banned {
        return Err(Refused(RefusalMsg::new(errors::OWNER_BLOCKED, [("why", "banned".to_owned())])));
    }
    let (presence, rng) = fleet.presence_and_rng();
    let verdict = presence.check_in(now, alias, facts, rng);
    if !verdict.duplicate {
        fleet.set_held(alias, ask.held);
    }
    let mut news = None;
    if let Some(said) = ask.lent.filter(|_| !verdict.duplicate)
        && let Some(node) = fleet.node_mut(alias)
    {
        node.lent = said;
        news = (said != lent && lent.0 != 0).then_some(said);
    }
    if let Some(addr) = ask.addr.filter(|_| !verdict.duplicate) {
        fleet.set_addr(alias, only_our_relays(addr, center.relay_hint()));
    }
    let mut notices = Vec::new();
    if offset.unsigned_abs() > wire::signed::permit::CLOCK_TOLERANCE.as_ms() {
        notices.push(errors::CLOCK_WRONG.0);
    }
    if standing.takes_no_work() || verdict.contested {
        notices.push(errors::QUARANTINED.0);
    }
    let integrity = fleet.node(alias).map_or(model::Ppm::ONE, |node| node.integrity);
    let trust = center.settings().trust();
    let signs_root = fleet.node(alias).is_some_and(|node| center.ledger().asks_to_sign(node, trust));
    let mut plan = fleet.plan(alias);
    plan.quarantined |= verdict.contested;
    let reply = CheckInReply {
        now,
        next: verdict.next_in,
        plan,
        leases_canceled: Vec::new(),
        leases_unknown: Vec::new(),
        probes: Vec::new(),
        revocation_epoch: 0,
        program_floor: 0,
        notices,
        integrity,
        duplicate: verdict.duplicate,
        has_steward_work,
        moved,
        time_scale: center.settings().told_scale(),
        ledger_root: center.ledger().newest_root(),
        signs_root,
    };
    Ok((reply, news))
}

/// A node's word on where it is, with relays of this cloud only: nobody makes others look up or dial a host of their choice.
fn only_our_relays(mut addr: wire::PeerAddr, own: Option<&wire::RelayHint>) -> wire::PeerAddr {
    addr.relays.retain(|relay| Some(relay) == own);
    addr
}

/// The node goes off.
pub fn goodbye(center: &Center, caller: &Caller, goodbye: Goodbye) -> Result<Reply, Refused> {
    let alias = alias_of(center, caller)?;
    let now = center.now();
    tracing::debug!(node = %alias, why = ?goodbye.why, "goodbye");
    center.fleet().presence.goodbye(now, alias, goodbye.boot);
    crate::compute::board::goodbye(center, alias);
    Ok(Reply::Done)
}

/// What a node measured: kept, its place held against known places, its capabilities computed anew.
pub async fn measured(center: &Center, caller: &Caller, said: Measured) -> Result<Reply, Refused> {
    let alias = alias_of(center, caller)?;
    let now = center.now();
    let rtt = known_round_trips(center, &said);
    let kept = center.db().write(move |tx| {
        let Some(row) = store::node_by_alias(tx, alias)? else { return Ok(None) };
        let measured = merged(row.node.measured, &said, rtt.clone(), now);
        let capabilities = 0;
        store::update_measured(tx, alias, &measured, capabilities)?;
        Ok(store::node_by_alias(tx, alias)?)
    });
    let row = kept.await?.ok_or_else(|| no_node(caller))?;
    judge_region(center, &row).await?;
    Ok(Reply::Capabilities(capabilities(center, alias).await?))
}

fn known_round_trips(center: &Center, said: &Measured) -> Vec<Rtt> {
    let fleet = center.fleet();
    let known = said.rtt_ms.iter().take(store::RTT_MAX).filter_map(|(id, median, spread)| {
        Some(Rtt { to: fleet.alias_of(id)?, median_ms: *median, spread_ms: *spread })
    });
    known.collect()
}

/// The newest word on each figure; what was not measured this time keeps its last value.
fn merged(old: MeasuredRow, said: &Measured, rtt: Vec<Rtt>, now: Stamp) -> MeasuredRow {
    MeasuredRow {
        cpu_score: said.cpu_score.or(old.cpu_score),
        fsync_ms: said.fsync_ms.or(old.fsync_ms),
        disk_mb_s: said.disk_mb_s.or(old.disk_mb_s),
        up: said.up.or(old.up),
        down: said.down.or(old.down),
        nat: said.nat.filter(|nat| *nat != NatKind::Unknown).or(old.nat),
        loss_ppm: said.loss_ppm.or(old.loss_ppm),
        rtt: if rtt.is_empty() { old.rtt.clone() } else { rtt },
        at: Some(now),
        ..old
    }
}

/// Holds a declared place against round trips to beacons; a refuted one counts as unknown from now on.
async fn judge_region(center: &Center, row: &NodeRow) -> Result<(), Refused> {
    let located = super::list::located(center, row.node.declared.as_ref(), &row.node.measured.rtt);
    let (region, evidence) = (located.region, located.evidence);
    if (&region, evidence) == (&row.node.region, row.node.evidence) {
        return Ok(());
    }
    let (alias, now) = (row.alias, center.now());
    let kept = center.db().write(move |tx| {
        store::set_region(tx, alias, region.as_ref(), evidence)?;
        store::add_event(tx, alias, now, "region", evidence.word())
    });
    Ok(kept.await?)
}

/// What a node may carry, with the measure that says no.
pub async fn capabilities(center: &Center, alias: Alias) -> Result<Vec<CapabilityLine>, Refused> {
    let row = center.db().read(move |q| Ok(store::node_by_alias(q, alias)?)).await?;
    Ok(row.map_or_else(Vec::new, |row| super::list::capability_lines(center, &row)))
}

/// Nodes that are on and can help to measure, with permits for it; also for a stranger with an open ticket.
pub async fn probe_peers(center: &Center, caller: &Caller, secret: Option<[u8; 16]>) -> Result<Reply, Refused> {
    match secret {
        Some(secret) => {
            let found =
                center.db().read(move |q| Ok(tickets::find_ticket_by_secret_hash(q, &Ticket::secret_hash(&secret))?));
            let ticket = found.await?.ok_or_else(|| Refused(crate::refuse::plain(errors::TICKET_DAMAGED)))?;
            refuse_spent(center, caller, &ticket)?;
        }
        None => drop(who(center, caller).await?),
    }
    let now = center.now();
    let mut peers = Vec::new();
    let on: Vec<(NodeId, wire::PeerAddr)> = {
        let fleet = center.fleet();
        let candidates = fleet.nodes().filter(|(alias, node)| {
            node.id != caller.id
                && node.standing == Standing::Active
                && fleet.presence.state(now, *alias) == Presence::On
        });
        candidates
            .filter_map(|(alias, node)| Some((node.id, fleet.addr(alias)?)))
            .take(PROBE_PEERS.min(PROBES_MAX))
            .collect()
    };
    for (id, addr) in on {
        let region = super::list::beacon_region(center, &id);
        let permit = probe_permit(center, caller.id, id);
        peers.push(ProbePeer { addr, region, permit });
    }
    Ok(Reply::ProbePeers(peers))
}

/// Says now what the join would say after the measurement; a machine that has joined may come again.
fn refuse_spent(center: &Center, caller: &Caller, ticket: &tickets::TicketRow) -> Result<(), Refused> {
    if center.fleet().alias_of(&caller.id).is_none() {
        rules::access::admit::open_ticket(&ticket.facts(), center.now())?;
    }
    Ok(())
}

fn probe_permit(center: &Center, session: NodeId, node: NodeId) -> Vec<u8> {
    let (op, units) = (PermitOp::Probe, 2 * PROBE_BYTES_MAX);
    Leave { op, session, node, target: [0; 16], generation: 0, units, life: PROBE_LIFE, payer: Payer::NOBODY }
        .sign(center)
        .to_vec()
}

/// A node that is out of work is asked for by nobody's holiday.
fn out_of_work(caller: &Caller) -> Refused {
    let args = [("id", caller.id.short()), ("when", "–".to_owned()), ("why", "–".to_owned())];
    RefusalMsg::new(errors::QUARANTINED, args).into()
}

/// The owner goes for a while, or for good.
pub async fn absence(center: &Center, caller: &Caller, absence: Absence) -> Result<Reply, Refused> {
    who(center, caller).await?;
    let alias = alias_of(center, caller)?;
    let now = center.now();
    let held = center.fleet().node(alias).map(|node| node.standing);
    let may_rest = matches!(held, Some(Standing::Active | Standing::Holiday | Standing::Leaving));
    if let Absence::Drain(to) = absence {
        if !may_rest {
            return Err(out_of_work(caller));
        }
        crate::storage::hand_over::begin(center, alias, to).await?;
        return Ok(Reply::Done);
    }
    if held == Some(Standing::Banned) {
        return Ok(Reply::Done);
    }
    let (standing, until) = match absence {
        Absence::Leave => (Standing::Left, None),
        // A holiday ends no quarantine.
        Absence::Holiday(_) | Absence::Drain(_) | Absence::Stay if !may_rest => return Err(out_of_work(caller)),
        Absence::Drain(_) | Absence::Stay => (Standing::Active, None),
        Absence::Holiday(until) if until <= now => (Standing::Active, None),
        Absence::Holiday(until) if until.since(now) > HOLIDAY_MAX => {
            return Err(bad_value("time", &until.to_string(), "one declaration names at most 30 d").into());
        }
        Absence::Holiday(until) => (Standing::Holiday, Some(until)),
    };
    let kept = center.db().write(move |tx| {
        let word = match absence {
            Absence::Leave => "left",
            Absence::Stay => "stays",
            Absence::Holiday(_) | Absence::Drain(_) => "holiday",
        };
        drain::end(tx, alias)?;
        if absence == Absence::Leave {
            // What it held is gone from its disk.
            store::vetting::forget_fill(tx, alias)?;
            standing::leaves(tx, alias)?;
        }
        store::set_standing(tx, alias, standing, None, until)?;
        store::add_event(tx, alias, now, word, &until.map_or_else(String::new, |u| u.to_string()))
    });
    let done: Result<(), StoreError> = kept.await;
    done?;
    let mut fleet = center.fleet();
    if let Some(node) = fleet.node_mut(alias) {
        node.standing = standing;
    }
    let known =
        rules::fleet::presence::Known { holiday_until: until, left: standing == Standing::Left, ..Default::default() };
    fleet.presence.register(alias, known);
    Ok(Reply::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{PeerAddr, RelayHint};

    #[test]
    fn a_relay_that_is_not_ours_is_told_to_nobody() {
        let relay = |host: &str| RelayHint { host: host.to_owned(), port: 7702, quic_port: 7702, key: NodeId([1; 32]) };
        let said =
            PeerAddr { id: NodeId([2; 32]), direct: Vec::new(), relays: vec![relay("evil.example"), relay("ours")] };
        assert_eq!(only_our_relays(said.clone(), Some(&relay("ours"))).relays, [relay("ours")]);
        assert!(only_our_relays(said, None).relays.is_empty());
    }
}
