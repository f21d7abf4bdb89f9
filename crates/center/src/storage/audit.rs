//! Audits: every node is asked by and by to prove slices of what it gave receipts for. The chore says who is due, a steward that
//! hears of it at its check-in fetches the challenge and puts it; where there is none, and where a steward's word is not enough,
//! the center asks itself (`own`). When and whom, `rules::storage::audit` says; what follows, `judge`.
//!
//! Who is due and who was sent lives in memory: after a restart everybody is due within one period anew. A challenge that was not
//! answered is kept, so that a restart saves nobody from it.

mod challenge;
mod judge;
mod own;

use super::api::too_large;
use super::place;
use super::store::audit as store;
use crate::access::api::who;
use crate::fleet::api::alias_of;
use crate::fleet::store::Standing;
use crate::leave::{Leave, Payer, Pays};
use crate::refuse::Refused;
use crate::{Caller, Center};
pub use challenge::Asked;
use model::{Alias, MemberId, NodeId, NodeState, Presence, Span, Stamp, errors};
use own::Why;
use rand::seq::SliceRandom;
use rules::storage::audit::{self, AuditorFacts, Due};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::limits::{AUDIT_PICKS_MAX, AUDIT_WRONG_MAX, LOST_MAX, SLICE_MAX};
use wire::signed::PermitOp;
use wire::storage::{AuditDone, AuditOutcome, AuditWork, LostPiece, Slot};
use wire::{PeerAddr, RefusalMsg, Reply};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Time that counts between two looks at a node, at most: a center that slept saw nobody.
const LOOKED_MAX: Span = Span::secs(60);
/// Aliases in one look.
const SLICE: u32 = 50_000;
/// Nodes whose audit is begun in one look.
const TARGETS_MAX: usize = 256;
/// For so long an auditor may take to fetch what it was chosen for …
const OFFER_LIFE: Span = Span::mins(3);
/// … and so long where days are short: it may have been ended meanwhile.
const OFFER_LEAST: Span = Span::secs(10);
/// Audits under way.
const LEASES_MAX: usize = 65_536;
/// Beside the deadline, an auditor has so long for dialing and telling.
const TELL_TIME: Span = Span::secs(60);
/// Pieces of one reader's word that are looked into.
const DOUBTS_MAX: usize = 16;
/// A node is asked because of readers' words so often at most.
const DOUBT_EVERY: Span = Span::secs(10);
/// Unanswered challenges read at a time.
const AGAINS: u32 = 1_000;

/// An audit under way.
#[derive(Debug, Clone)]
struct Lease {
    auditor: Alias,
    asked: Asked,
    until: Stamp,
}

/// Who is due, who was chosen, who is asked.
#[derive(Debug, Default)]
pub struct Audits {
    next: u64,
    /// Aliases are looked at in slices: which is next, and when each was looked at last.
    slice: u32,
    looked: BTreeMap<u32, Stamp>,
    due: BTreeMap<Alias, Due>,
    /// Nodes that did not answer: how often they were asked again, and when they are next.
    again: Option<BTreeMap<Alias, (u8, Stamp)>>,
    /// Auditor → whom it shall ask, and until when it may fetch that.
    offers: BTreeMap<Alias, (Alias, Stamp)>,
    leases: BTreeMap<u64, Lease>,
    /// Nodes that were asked because a reader doubted a piece of theirs, not long ago.
    doubted: BTreeMap<Alias, Stamp>,
    /// Nodes the center asks itself now, and whether because of a reader's word.
    own: BTreeMap<Alias, bool>,
    /// Reads of repairs since the last audit, as stewards of others told them.
    reads: BTreeMap<Alias, u8>,
}

impl Audits {
    /// True when a node was chosen and has not asked yet.
    pub fn has_offer(&self, node: Alias) -> bool {
        self.offers.contains_key(&node)
    }

    /// Somebody is about to ask this node, or does.
    fn is_asked(&self, node: Alias) -> bool {
        self.own.contains_key(&node)
            || self.offers.values().any(|(target, _)| *target == node)
            || self.leases.values().any(|lease| lease.asked.node == node)
    }

    /// The slice of aliases that is looked at now, and the time since it was looked at last.
    fn next_slice(&mut self, aliases: u32, now: Stamp) -> (u32, Span) {
        let slice = self.slice % aliases.div_ceil(SLICE).max(1);
        self.slice = slice + 1;
        let last = self.looked.insert(slice, now);
        (slice, last.map_or(Span::ZERO, |at| now.since(at)).min(LOOKED_MAX))
    }

    /// How often a node was asked again and is to be asked now; nothing where its time has not come.
    fn due_now(&mut self, node: Alias, passed: Span, every: Span, now: Stamp) -> Option<u8> {
        match self.again.as_ref().and_then(|again| again.get(&node)) {
            Some((_, at)) if *at > now => None,
            Some((asked_again, _)) => Some(*asked_again),
            None => {
                let due = self.due.entry(node).or_insert_with(|| Due::first(every, &mut rand::rng()));
                due.pass(passed).then_some(0)
            }
        }
    }

    /// A steward of another owner read a piece of this node, and made others of it that their receivers proved.
    pub fn note_read(&mut self, node: Alias) {
        let count = self.reads.entry(node).or_default();
        *count = count.saturating_add(1).min(audit::READS_COUNTED_MAX);
    }

    /// Reads that count with the audit at hand.
    fn take_reads(&mut self, node: Alias) -> u8 {
        self.reads.remove(&node).unwrap_or(0)
    }

    /// An audit is over: when the node is asked next.
    fn over(&mut self, node: Alias, is_good: bool, again: Option<(u8, Stamp)>, every: Span) {
        let rng = &mut rand::rng();
        let due = self.due.get(&node).copied().unwrap_or_else(|| Due::first(every, rng));
        self.due.insert(node, due.next(is_good, every, rng));
        let all = self.again.get_or_insert_default();
        match again {
            Some(again) => drop(all.insert(node, again)),
            None => drop(all.remove(&node)),
        }
    }
}

/// Runs until the center stops.
pub async fn run(center: Center) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Err(refused) = look(&center).await {
            tracing::warn!(id = %refused.0.id, "nobody was chosen to be audited; the next look is soon");
        }
    }
}

/// Time between two audits of a node.
fn every(center: &Center) -> Span {
    center.settings().time_scale.of(audit::EVERY)
}

async fn look(center: &Center) -> Result<(), Refused> {
    load_agains(center).await?;
    let now = center.now();
    let targets = due(center, now);
    if targets.is_empty() {
        return Ok(());
    }
    let rows = place::nodes(center, now).await?;
    let trust = center.settings().trust();
    let ranks = place::kind_of(rows.iter(), trust).ranks(trust);
    let auditors = auditors(center, &rows, now);
    let life = center.settings().time_scale.of(OFFER_LIFE).max(OFFER_LEAST);
    for (node, owner, asked_again) in targets {
        let choose = |among: &[AuditorFacts]| audit::auditor(ranks, (node, &owner), among, &mut rand::rng());
        let chosen = if audit::center_asks(asked_again) { None } else { choose(&auditors) };
        let free: Vec<AuditorFacts> = {
            let audits = center.audits();
            auditors.iter().filter(|auditor| !audits.has_offer(auditor.node)).cloned().collect()
        };
        match chosen.map(|_| choose(&free)) {
            // All are busy for the moment: the node stays due.
            Some(None) => {}
            Some(Some(auditor)) => {
                tracing::debug!(%node, %auditor, "a steward was chosen to ask a node");
                center.audits().offers.insert(auditor, (node, now + life));
            }
            None => {
                own::ask(center, node, Why::Due(asked_again));
            }
        }
    }
    Ok(())
}

/// Nodes to be asked now, each with its owner and how often it was asked again; what was waited for too long is over.
fn due(center: &Center, now: Stamp) -> Vec<(Alias, MemberId, u8)> {
    let every = every(center);
    let aliases = u32::try_from(center.fleet().aliases()).unwrap_or(u32::MAX);
    let (slice, passed) = center.audits().next_slice(aliases, now);
    let on: Vec<(Alias, MemberId)> = {
        let fleet = center.fleet();
        let is_on = |node: Alias| {
            let view = fleet.presence.view(now, node);
            view.is_some_and(|v| v.presence == Presence::On && v.state != NodeState::Off)
        };
        let all = (slice.saturating_mul(SLICE)..aliases.min((slice + 1).saturating_mul(SLICE))).map(Alias);
        let nodes = all.filter_map(|alias| Some((alias, fleet.node(alias)?)));
        let asked = nodes.filter(|(alias, node)| node.standing == Standing::Active && is_on(*alias));
        asked.map(|(alias, node)| (alias, node.owner)).collect()
    };
    let mut audits = center.audits();
    audits.offers.retain(|_, (_, until)| *until > now);
    audits.leases.retain(|_, lease| lease.until > now);
    let mut targets = Vec::new();
    for (node, owner) in on {
        let due = audits.due_now(node, passed, every, now);
        if let Some(asked_again) = due.filter(|_| targets.len() < TARGETS_MAX && !audits.is_asked(node)) {
            targets.push((node, owner, asked_again));
        }
    }
    // Where stewards are few, nobody waits because of a higher number.
    targets.shuffle(&mut rand::rng());
    targets
}

/// Nodes that may ask others, and send them data of fill tests.
pub(crate) fn auditors(center: &Center, rows: &[crate::fleet::store::NodeRow], now: Stamp) -> Vec<AuditorFacts> {
    let fleet = center.fleet();
    let one = |row: &crate::fleet::store::NodeRow| {
        let view = fleet.presence.view(now, row.alias);
        let gives =
            view.is_some_and(|v| v.presence == Presence::On && !matches!(v.state, NodeState::Off | NodeState::Evict));
        let gives = gives && row.standing == Standing::Active;
        AuditorFacts { node: row.alias, owner: row.node.owner, tier: row.tier, gives }
    };
    rows.iter().map(one).filter(|facts| facts.gives).collect()
}

/// After a start: challenges that were not answered.
async fn load_agains(center: &Center) -> Result<(), Refused> {
    if center.audits().again.is_some() {
        return Ok(());
    }
    let (mut all, mut after) = (BTreeMap::new(), None);
    loop {
        let page = center.db().read(move |q| Ok(store::agains(q, after, AGAINS)?)).await?;
        after = page.last().map(|(alias, ..)| *alias);
        let is_last = page.len() < AGAINS as usize;
        all.extend(page.into_iter().map(|(alias, asked_again, at)| (alias, (asked_again, at))));
        if is_last {
            center.audits().again = Some(all);
            return Ok(());
        }
    }
}

/// An auditor asks for the audit it was chosen for; `session` is the key of the endpoint that will ask.
pub async fn ask(center: &Center, caller: &Caller, session: NodeId) -> Result<Reply, Refused> {
    let auditor = alias_of(center, caller)?;
    let now = center.now();
    let offer = center.audits().offers.remove(&auditor);
    let Some((node, _)) = offer.filter(|(_, until)| *until > now) else { return Ok(Reply::AuditWork(None)) };
    let Some(asked) = challenge::draw(center, node).await? else {
        // It holds nothing to be asked for.
        center.audits().over(node, true, None, every(center));
        return Ok(Reply::AuditWork(None));
    };
    let Some(addr) = center.fleet().addr(node) else { return Ok(Reply::AuditWork(None)) };
    let deadline = deadline(center, &asked).await?;
    let steward = center.fleet().node(auditor).map(|node| node.owner);
    let permit = permit(center, session, Pays::of_work(center, steward), &asked);
    let until = now + deadline + TELL_TIME;
    let (challenge, layouts) = (asked.challenge.clone(), asked.layouts.clone());
    let lease = {
        let mut audits = center.audits();
        if audits.leases.len() >= LEASES_MAX {
            return Ok(Reply::AuditWork(None));
        }
        audits.next += 1;
        let lease = audits.next;
        audits.leases.insert(lease, Lease { auditor, asked, until });
        lease
    };
    let deadline_ms = u32::try_from(deadline.as_ms()).unwrap_or(u32::MAX);
    let target = Slot { index: 0, addr, on: true, permit };
    Ok(Reply::AuditWork(Some(Box::new(AuditWork { lease, until, target, challenge, layouts, deadline_ms }))))
}

/// Longest time for the whole answer of a node.
async fn deadline(center: &Center, asked: &Asked) -> Result<Span, Refused> {
    let rows = place::nodes(center, center.now()).await?;
    let row = rows.iter().find(|row| row.alias == asked.node);
    let up = row.and_then(|row| row.node.measured.up);
    let slowest = row.and_then(|row| {
        row.node.measured.rtt.iter().map(|rtt| u64::from(rtt.median_ms) + u64::from(rtt.spread_ms)).max()
    });
    Ok(audit::deadline(asked.challenge.picks.len(), up, Span::ms(slowest.unwrap_or(0))))
}

/// Leave to ask a node for slices, by a steward's session or the center's own.
fn permit(center: &Center, session: NodeId, pays: Pays, asked: &Asked) -> Vec<u8> {
    let units = (asked.challenge.picks.len().min(AUDIT_PICKS_MAX) * SLICE_MAX) as u64;
    let (op, target, node) = (PermitOp::Audit, [0; 16], asked.challenge.node);
    let owner = center.fleet().node(asked.node).map(|node| node.owner);
    let payer = owner.map_or(Payer::NOBODY, |owner| pays.at(&owner));
    Leave { op, session, node, target, generation: 0, units, life: OFFER_LIFE, payer }.sign(center).to_vec()
}

/// Takes an auditor's report.
pub async fn done(center: &Center, caller: &Caller, done: AuditDone) -> Result<Reply, Refused> {
    let auditor = alias_of(center, caller)?;
    if let AuditOutcome::Answered { slices, wrong, .. } = &done.outcome
        && (slices.len() > AUDIT_PICKS_MAX || wrong.len() > AUDIT_WRONG_MAX)
    {
        return Err(too_large("report of an audit", slices.len().max(wrong.len()), AUDIT_PICKS_MAX));
    }
    let lease = {
        let mut audits = center.audits();
        let is_theirs = audits.leases.get(&done.lease).is_some_and(|lease| lease.auditor == auditor);
        if is_theirs { audits.leases.remove(&done.lease) } else { None }
    };
    let stale = || Refused(RefusalMsg::new(errors::LEASE_STALE, [("pg", String::new())]));
    let lease = lease.ok_or_else(stale)?;
    let report = AuditDone::report(lease.asked.challenge.hash(), done.took_ms, &done.outcome);
    if !report.is_signed_by(&caller.id, &done.signature) {
        return Err(super::commit::bad_receipt("–"));
    }
    let told = slices_of(&done.outcome);
    let is_good = judge::take(center, &lease.asked, done.outcome).await?;
    if is_good && audit::center_repeats(&mut rand::rng()) {
        let repeated = own::Repeated { auditor, slices: told };
        own::ask(center, lease.asked.node, Why::Repeat(Box::new(lease.asked), repeated));
    }
    Ok(Reply::Done)
}

/// A reader got wrong bytes of pieces, or holders did not have them. Its word counts for nothing: their holders are asked for
/// proofs of these very pieces, each holder once in a while.
pub async fn doubted(center: &Center, caller: &Caller, pieces: Vec<LostPiece>) -> Result<Reply, Refused> {
    who(center, caller).await?;
    if pieces.len() > LOST_MAX {
        return Err(too_large("list of pieces", pieces.len(), LOST_MAX));
    }
    for piece in pieces.iter().take(DOUBTS_MAX) {
        let Some(asked) = challenge::of_piece(center, piece).await? else { continue };
        let (node, now) = (asked.node, center.now());
        let is_on = center.fleet().presence.state(now, node) == Presence::On;
        let is_asked = {
            let mut audits = center.audits();
            audits.doubted.retain(|_, at| now.since(*at) < DOUBT_EVERY);
            !is_on || audits.is_asked(node) || audits.doubted.contains_key(&node)
        };
        if !is_asked && own::ask(center, node, Why::Doubt(Box::new(asked))) {
            center.audits().doubted.insert(node, now);
        }
    }
    Ok(Reply::Done)
}

/// A node had a fault for longer than its time to cure it: its pieces count as lost, one sample a slot, and it is not banned.
pub async fn not_cured(center: &Center, node: Alias) -> Result<(), Refused> {
    judge::not_cured(center, node).await
}

/// A node's report was disproved by the center itself.
pub async fn disproved(center: &Center, node: Alias) -> Result<(), Refused> {
    judge::disproved(center, node).await
}

fn slices_of(outcome: &AuditOutcome) -> Vec<[u8; 32]> {
    match outcome {
        AuditOutcome::Answered { slices, .. } => slices.clone(),
        AuditOutcome::Silent(_) => Vec::new(),
    }
}

/// Where a node can be reached.
fn addr(center: &Center, node: Alias) -> Option<PeerAddr> {
    center.fleet().addr(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Stamp = Stamp(1_800_000_000_000);

    #[test]
    fn reads_of_repairs_count_once_and_within_their_limit() {
        let mut audits = Audits::default();
        (0..200).for_each(|_| audits.note_read(Alias(3)));
        assert_eq!([audits.take_reads(Alias(3)), audits.take_reads(Alias(3))], [audit::READS_COUNTED_MAX, 0]);
    }

    #[test]
    fn all_slices_are_looked_at_in_turn_and_time_counts_for_each() {
        let mut audits = Audits::default();
        let looks: Vec<(u32, u64)> = (0..7u64)
            .map(|n| audits.next_slice(3 * SLICE, NOW + Span::secs(2 * n)))
            .map(|(slice, passed)| (slice, passed.as_secs()))
            .collect();
        assert_eq!(looks, [(0, 0), (1, 0), (2, 0), (0, 6), (1, 6), (2, 6), (0, 6)]);
        assert_eq!(Audits::default().next_slice(0, NOW), (0, Span::ZERO), "an empty fleet");
        let mut slept = Audits::default();
        slept.next_slice(5, NOW);
        assert_eq!(slept.next_slice(5, NOW + Span::hours(9)), (0, LOOKED_MAX), "a center that slept saw nobody");
    }

    #[test]
    fn a_silent_node_waits_for_its_time_and_a_good_one_for_its_period() {
        let (every, node) = (Span::hours(6), Alias(3));
        let mut audits = Audits { again: Some(BTreeMap::new()), ..Audits::default() };
        assert_eq!(audits.due_now(node, every, every, NOW), Some(0), "at most one period after the start");
        audits.over(node, false, Some((2, NOW + Span::hours(6))), every);
        assert_eq!(audits.due_now(node, every, every, NOW), None);
        assert_eq!(audits.due_now(node, Span::ZERO, every, NOW + Span::hours(6)), Some(2));
        audits.over(node, true, None, every);
        assert_eq!(audits.due_now(node, Span::ZERO, every, NOW + Span::hours(6)), None);
        assert!(!audits.is_asked(node));
        audits.offers.insert(Alias(9), (node, NOW));
        assert!(audits.is_asked(node) && audits.has_offer(Alias(9)));
    }
}
