//! Filling up what was written: which groups have thin segments, who makes their missing pieces, whose receipts count.
//!
//! The chore looks at thin segments, those of the groups that stand lowest first, and chooses a steward per group by `rules`; the steward hears of it at its next check-in,
//! asks for the work and holds it as a lease; receivers' receipts move the bitmaps. Leases live in memory: after a restart the
//! work is given out anew, and doing it twice does no harm.

use super::api::{SlotsAsk, load_pg, slots};
use super::commit::{bad_receipt, have_of};
use super::place;
use super::store::{self, PgRow, SegmentRow, thin};
use crate::access::api::who;
use crate::fleet::store::Standing;
use crate::leave::Pays;
use crate::ledger::allow::Wanted;
use crate::refuse::Refused;
use crate::{Caller, Center};
use model::{Alias, Bytes, Kbps, NodeState, PgId, Presence, Span, Stamp, Tier, TimeScale, errors};
use rules::fleet::tier::Trust;
use rules::ledger::allowance;
use rules::storage::expand::{
    self, EPOCH, GROUP_LEASES_MAX, LEASE, PATIENT_EPOCH, SlotNow, StewardFacts, WRITER_LEASE,
};
use rules::storage::scheme::Ranks;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use wire::limits::{GROUP_SLOTS_MAX, STAGED_RUNS_MAX, STAGED_SEGMENTS_MAX, STEWARD_SEGMENTS_MAX};
use wire::signed::PermitOp;
use wire::storage::{
    ReadGroup, ReadSegment, SegmentRun, StagedState, StewardAsk, StewardDone, StewardSegment, StewardWork,
};
use wire::{RefusalMsg, Reply};

/// Pause between two looks …
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// … and after news of segments, so that what comes together is given out together.
const LOOK_SOON: Duration = Duration::from_millis(200);
/// Groups looked at in one look.
const GROUPS_MAX: u32 = 64;
/// Those of them that stand lowest come first, so many of them.
const LOWEST_FIRST: usize = 16;
/// Looked up for that, as some of them lack no piece that could be made.
const LOWEST_ASKED: usize = 512;
/// Groups known as low.
const LOW_MAX: usize = 65_536;
/// For so long a steward is waited for that keeps pieces.
const KEPT_FOR: Span = Span::hours(24);
/// Segments known as kept pieces of.
const KEPT_MAX: usize = 262_144;
/// Thin segments of one group looked at in one look.
const SEGMENTS_LOOK: u32 = 256;
/// Leases at one time.
const LEASES_MAX: usize = 65_536;
/// A segment of which a lease filled nothing is left alone for so long …
const REST_MIN: Span = Span::secs(30);
/// … doubled so often at most.
const REST_DOUBLINGS: u32 = 7;
/// Segments that rest.
const RESTING_MAX: usize = 65_536;
/// Life of leave to read and write under a lease.
const PERMIT_LIFE: Span = Span::hours(1);
/// Bytes a steward may read of a node beside what its work needs.
const READ_SLACK: u64 = 1 << 20;

/// A steward's lease.
#[derive(Debug, Clone)]
struct Lease {
    /// The key that asked.
    caller: model::NodeId,
    /// The node, where a node asked by the center's choice.
    node: Option<Alias>,
    pg: PgId,
    seqs: BTreeSet<u64>,
    /// Those of them that got pieces.
    filled: BTreeSet<u64>,
    until: Stamp,
}

/// Who was chosen, and who works.
#[derive(Debug, Default)]
pub struct Stewards {
    next: u64,
    leases: BTreeMap<u64, Lease>,
    offers: BTreeMap<Alias, PgId>,
    /// Segments of which nothing could be filled: left alone until then, after so many vain leases.
    resting: BTreeMap<(PgId, u64), (Stamp, u32)>,
    /// Where the look at a group's thin segments goes on.
    cursors: BTreeMap<PgId, u64>,
    /// Where the look at groups goes on.
    group: Option<PgId>,
    /// Segments of which a steward keeps pieces for holders that are off.
    kept: BTreeMap<(PgId, u64), (Alias, Stamp)>,
    /// Groups that need repair, by how far they are above what cannot be read.
    low: BTreeMap<PgId, (i32, i32)>,
    /// Groups ranked in the walk at hand: the others' ranks are forgotten at its end.
    ranked: BTreeSet<PgId>,
}

impl Stewards {
    /// True when a node was chosen and has not asked yet.
    pub fn has_offer(&self, node: Alias) -> bool {
        self.offers.contains_key(&node)
    }

    /// How far a group that needs repair is above what cannot be read; nothing where it needs none.
    pub fn rank(&mut self, pg: PgId, rank: Option<(i32, i32)>) {
        self.ranked.insert(pg);
        match rank {
            Some(rank) if self.low.len() < LOW_MAX || self.low.contains_key(&pg) => drop(self.low.insert(pg, rank)),
            _ => drop(self.low.remove(&pg)),
        }
    }

    /// All groups were judged once more: what was not among them is none any more.
    pub fn walked(&mut self) {
        let ranked = std::mem::take(&mut self.ranked);
        self.low.retain(|pg, _| ranked.contains(pg));
    }

    /// Groups that need repair: the lowest first.
    fn lowest(&self) -> Vec<PgId> {
        let mut low: Vec<_> = self.low.iter().map(|(pg, rank)| (*rank, *pg)).collect();
        low.sort_unstable();
        low.into_iter().take(LOWEST_ASKED).map(|(_, pg)| pg).collect()
    }

    /// Segments of a group that nobody shall begin with now: leased ones, and those that rest.
    fn taken(&self, pg: PgId, now: Stamp) -> BTreeSet<u64> {
        let leased = self.leases.values().filter(|lease| lease.pg == pg).flat_map(|lease| lease.seqs.iter().copied());
        let rests = self.resting.range((pg, 0)..=(pg, u64::MAX)).filter(|(_, (until, _))| *until > now);
        leased.chain(rests.map(|((_, seq), _)| *seq)).collect()
    }

    /// A lease is over: what got no piece rests, twice as long each time.
    fn end(&mut self, lease: u64, now: Stamp, scale: TimeScale) {
        let Some(lease) = self.leases.remove(&lease) else { return };
        for seq in &lease.seqs {
            if !lease.filled.contains(seq) && self.kept.get(&(lease.pg, *seq)).map(|(node, _)| *node) == lease.node {
                self.kept.remove(&(lease.pg, *seq));
            }
            if lease.filled.contains(seq) {
                self.resting.remove(&(lease.pg, *seq));
            } else if self.resting.len() < RESTING_MAX || self.resting.contains_key(&(lease.pg, *seq)) {
                let rest = self.resting.entry((lease.pg, *seq)).or_insert((now, 0));
                *rest = (now + scale.of(Span(REST_MIN.as_ms() << rest.1.min(REST_DOUBLINGS))), rest.1 + 1);
            }
        }
    }

    /// A steward keeps pieces of these segments of its lease, until then. Believed only of segments that it filled.
    fn keeps(&mut self, lease: u64, seqs: &[u64], until: Stamp) {
        let Some((pg, Some(node), of)) = self.leases.get(&lease).map(|l| (l.pg, l.node, l.filled.clone())) else {
            return;
        };
        for seq in seqs.iter().filter(|seq| of.contains(seq)) {
            if self.kept.len() < KEPT_MAX || self.kept.contains_key(&(pg, *seq)) {
                self.kept.insert((pg, *seq), (node, until));
            }
        }
    }

    /// Nothing is lacking of these segments any more.
    fn forget_kept(&mut self, pg: PgId, seqs: &[u64]) {
        for seq in seqs {
            self.kept.remove(&(pg, *seq));
        }
    }

    /// Who keeps pieces of a segment, where that is one of those who `can` work.
    fn keeper(&self, pg: PgId, seq: u64, can: &BTreeSet<Alias>) -> Option<Alias> {
        self.kept.get(&(pg, seq)).map(|(node, _)| *node).filter(|node| can.contains(node))
    }

    /// A node that asks does nothing else: what it held before, perhaps before it was started anew, is over. The group it was
    /// chosen for.
    fn begin(&mut self, node: Alias, now: Stamp, scale: TimeScale) -> Option<PgId> {
        self.end_where(now, scale, |lease| lease.node == Some(node));
        self.offers.remove(&node)
    }

    fn end_where(&mut self, now: Stamp, scale: TimeScale, which: impl Fn(&Lease) -> bool) {
        let over: Vec<u64> = self.leases.iter().filter(|(_, lease)| which(lease)).map(|(id, _)| *id).collect();
        over.into_iter().for_each(|lease| self.end(lease, now, scale));
    }

    fn grant(&mut self, lease: Lease) -> u64 {
        self.next += 1;
        self.leases.insert(self.next, lease);
        self.next
    }
}

/// Runs until the center stops.
pub async fn run(center: Center) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = center.thin().notified() => tokio::time::sleep(LOOK_SOON).await,
        }
        if let Err(refused) = look(&center).await {
            tracing::warn!(id = %refused.0.id, "thin segments were not looked at; the next look is soon");
        }
    }
}

async fn look(center: &Center) -> Result<(), Refused> {
    let now = center.now();
    let (after, lowest) = {
        let mut stewards = center.stewards();
        let fleet = center.fleet();
        let is_on = |node: Alias| fleet.presence.state(now, node) == Presence::On;
        let scale = center.settings().time_scale;
        stewards.end_where(now, scale, |lease| lease.until <= now || lease.node.is_some_and(|node| !is_on(node)));
        stewards.kept.retain(|_, (_, until)| *until > now);
        stewards.offers.retain(|node, _| is_on(*node));
        (stewards.group, stewards.lowest())
    };
    let asked = lowest.clone();
    let read = center.db().read(move |q| {
        let mut low = Vec::new();
        for pg in asked.iter().copied() {
            if low.len() < LOWEST_FIRST && thin::has_any(q, pg)? {
                low.push(pg);
            }
        }
        Ok((thin::groups(q, after, GROUPS_MAX)?, low))
    });
    let (groups, lowest) = read.await?;
    center.stewards().group = if groups.len() < GROUPS_MAX as usize { None } else { groups.last().copied() };
    // Whoever is free goes to the lowest first.
    let others = groups.into_iter().filter(|pg| !lowest.contains(pg));
    for pg in lowest.iter().copied().chain(others) {
        look_at(center, pg, now).await?;
    }
    Ok(())
}

/// One group: what is full is settled, and where something can be filled, somebody is chosen.
async fn look_at(center: &Center, pg: PgId, now: Stamp) -> Result<(), Refused> {
    let group = load_pg(center, pg).await?;
    let after = center.stewards().cursors.get(&pg).copied().unwrap_or(0);
    let rows = center.db().read(move |q| Ok(thin::segments(q, pg, after, SEGMENTS_LOOK)?)).await?;
    let next = if rows.len() < SEGMENTS_LOOK as usize { 0 } else { rows.last().map_or(0, |row| row.seq) };
    let slots = slots_now(center, &group, now);
    let full: Vec<u64> = rows.iter().filter(|row| expand::is_full(&slots, &row.have)).map(|row| row.seq).collect();
    if !full.is_empty() {
        center.stewards().forget_kept(pg, &full);
        center.db().write(move |tx| full.iter().try_for_each(|seq| Ok(thin::settle(tx, pg, *seq)?))).await?;
    }
    let (kind, ranks) = place::kind_and_ranks(center, &group).await?;
    let waiver = kind.ranks(center.settings().trust());
    let facts = steward_facts(center, &group, &ranks, now);
    let after = center.settings().storage.steward_after();
    let keepers = able(&facts, waiver, after);
    let mut stewards = center.stewards();
    stewards.cursors.insert(pg, next);
    if next == 0 {
        stewards.cursors.remove(&pg);
    }
    let taken = stewards.taken(pg, now);
    let free = || rows.iter().filter(|row| !taken.contains(&row.seq));
    let mut kept = BTreeSet::new();
    let mut is_quick = false;
    for row in free().filter(|row| !expand::wanted(&group.scheme, &slots, &row.have, false).is_empty()) {
        match stewards.keeper(pg, row.seq, &keepers) {
            Some(keeper) => drop(kept.insert(keeper)),
            None => is_quick = true,
        }
    }
    let is_patient = free().any(|row| !expand::wanted_patiently(&group.scheme, &slots, &row.have).is_empty());
    let has_work = is_quick || is_patient;
    let has_work = has_work || !kept.is_empty();
    let busy = stewards.leases.values().filter(|lease| lease.pg == pg).count()
        + stewards.offers.values().filter(|of| **of == pg).count();
    if !has_work || busy >= GROUP_LEASES_MAX || stewards.leases.len() >= LEASES_MAX {
        return Ok(());
    }
    let free: Vec<StewardFacts> = facts.into_iter().filter(|f| !stewards.has_offer(f.node)).collect();
    // (F) of the rules: whoever keeps pieces for those who have come on sends them.
    for keeper in kept.into_iter().take(GROUP_LEASES_MAX - busy) {
        if free.iter().any(|f| f.node == keeper && f.may(waiver, after)) {
            tracing::debug!(%pg, node = %keeper, "a steward that keeps pieces was chosen");
            stewards.offers.insert(keeper, pg);
            return Ok(());
        }
    }
    if !is_quick && !is_patient {
        return Ok(());
    }
    // What is gathered over hours is gathered by one.
    let scale = center.settings().time_scale;
    let epoch = if is_quick { EPOCH } else { scale.of(PATIENT_EPOCH) };
    let epoch = now.as_ms() / epoch.as_ms().max(1);
    if let Some(node) = expand::steward(pg, epoch, waiver, after, &free) {
        tracing::debug!(%pg, %node, "a steward was chosen");
        stewards.offers.insert(node, pg);
    }
    Ok(())
}

/// The slots of a group as they are now.
fn slots_now(center: &Center, group: &PgRow, now: Stamp) -> Vec<SlotNow> {
    let (fleet, trust) = (center.fleet(), center.settings().trust());
    let one = |alias: &Alias| {
        let view = fleet.presence.view(now, *alias);
        let presence = view.map_or(Presence::Unknown, |v| v.presence);
        let on = presence == Presence::On;
        let standing = fleet.node(*alias).map(|node| node.standing);
        let is_trusted = standing == Some(Standing::Active);
        let is_distrusted = matches!(standing, Some(Standing::Distrusted | Standing::Banned));
        let has_room = fleet.node(*alias).is_some_and(|node| node.room(Bytes(u64::MAX), trust) > Bytes(0));
        let takes = is_trusted && has_room && view.is_some_and(|v| v.state != NodeState::Off);
        let stands = presence != Presence::Left && !is_distrusted;
        SlotNow { on, takes, stands, counts: stands && presence != Presence::Missing }
    };
    group.slots.iter().map(one).collect()
}

/// Who may be a steward, now or soon.
fn able(facts: &[StewardFacts], waiver: Ranks, after: Span) -> BTreeSet<Alias> {
    let soon = |f: &&StewardFacts| StewardFacts { leases: 0, on_for: f.on_for.max(after), ..**f }.may(waiver, after);
    facts.iter().filter(soon).map(|f| f.node).collect()
}

fn steward_facts(
    center: &Center,
    group: &PgRow,
    ranks: &BTreeMap<Alias, (Tier, Option<Kbps>)>,
    now: Stamp,
) -> Vec<StewardFacts> {
    let leases: BTreeMap<Alias, u16> =
        center.stewards().leases.values().filter_map(|l| l.node).fold(BTreeMap::new(), |mut all, node| {
            *all.entry(node).or_default() += 1;
            all
        });
    let fleet = center.fleet();
    let one = |alias: &Alias| {
        let view = fleet.presence.view(now, *alias)?;
        let (tier, up) = ranks.get(alias).copied().unwrap_or((Tier::T0, None));
        Some(StewardFacts {
            node: *alias,
            tier,
            on_for: view.on_since.filter(|_| view.presence == Presence::On).map_or(Span::ZERO, |at| now.since(at)),
            gives: view.presence == Presence::On && !matches!(view.state, NodeState::Off | NodeState::Evict),
            idle: view.state == NodeState::Run,
            quick: up >= Some(expand::QUICK_UP),
            leases: leases.get(alias).copied().unwrap_or(0),
        })
    };
    group.slots.iter().filter_map(one).collect()
}

/// Gives a steward its work: that of the group it was chosen for, or its own machine's staged segments.
pub async fn ask(center: &Center, caller: &Caller, ask: StewardAsk) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    if !ask.staged.is_empty() {
        check_runs(&ask.staged)?;
        let runs = ask.staged.clone();
        let found = center.db().read(move |q| {
            let mut found = Vec::new();
            for run in &runs {
                let own = thin::own(q, &member.id, run)?;
                let rows = store::segments(q, run.pg, run.seq, run.count)?;
                found.extend(rows.into_iter().filter(|row| own.contains(&row.seq)));
            }
            Ok(found)
        });
        let rows = found.await?;
        let Some(pg) = rows.first().map(|row| row.pg) else { return Ok(Reply::StewardWork(None)) };
        let rows = rows.into_iter().filter(|row| row.pg == pg).collect();
        return work(center, (caller, None), &ask, pg, rows).await;
    }
    let node = center.fleet().alias_of(&caller.id);
    let Some(pg) = node.and_then(|node| center.stewards().begin(node, center.now(), center.settings().time_scale))
    else {
        return Ok(Reply::StewardWork(None));
    };
    let rows = center.db().read(move |q| Ok(thin::segments(q, pg, 0, SEGMENTS_LOOK)?)).await?;
    work(center, (caller, node), &ask, pg, rows).await
}

/// Leases what of `rows` can be filled now to the caller: a node that the center chose, or a writer's own machine.
async fn work(
    center: &Center,
    (caller, node): (&Caller, Option<Alias>),
    ask: &StewardAsk,
    pg: PgId,
    rows: Vec<SegmentRow>,
) -> Result<Reply, Refused> {
    let now = center.now();
    let group = load_pg(center, pg).await?;
    let now_slots = slots_now(center, &group, now);
    let (mut segments, mut targets) = (Vec::new(), BTreeSet::new());
    let (kind, ranks) = place::kind_and_ranks(center, &group).await?;
    let facts = steward_facts(center, &group, &ranks, now);
    let keepers = able(&facts, kind.ranks(center.settings().trust()), center.settings().storage.steward_after());
    let over = center.stewards().low.get(&pg).map(|(outside, standing)| *outside.min(standing));
    let line_share = expand::line_share(kind, over, center.fleet().presence.is_surge());
    // A node that went is seen, a writer's machine is not.
    let until = now + center.settings().time_scale.of(if node.is_some() { LEASE } else { WRITER_LEASE });
    let lease = {
        let mut stewards = center.stewards();
        if stewards.leases.len() >= LEASES_MAX {
            return Ok(Reply::StewardWork(None));
        }
        let taken = stewards.taken(pg, now);
        let others =
            |seq: u64| stewards.keeper(pg, seq, &keepers).is_some_and(|keeper| Some(keeper) != node) && node.is_some();
        let free: Vec<SegmentRow> =
            rows.into_iter().filter(|row| !taken.contains(&row.seq) && !others(row.seq)).collect();
        for row in free {
            let mut wanted = expand::wanted(&group.scheme, &now_slots, &row.have, node.is_none());
            if wanted.is_empty() && node.is_some() {
                wanted = expand::wanted_patiently(&group.scheme, &now_slots, &row.have);
            }
            if wanted.is_empty() || segments.len() == STEWARD_SEGMENTS_MAX {
                continue;
            }
            targets.extend(wanted.iter().copied());
            let segment = ReadSegment { id: row.id, pg, seq: row.seq, sealed_bytes: row.sealed_bytes, have: row.have };
            let later = expand::later(&now_slots, &segment.have);
            segments.push(StewardSegment { segment, wanted, later });
        }
        if segments.is_empty() {
            return Ok(Reply::StewardWork(None));
        }
        let seqs = segments.iter().map(|s| s.segment.seq).collect();
        stewards.grant(Lease { caller: caller.id, node, pg, seqs, filled: BTreeSet::new(), until })
    };
    let owner = {
        let fleet = center.fleet();
        fleet.alias_of(&caller.id).and_then(|alias| Some(fleet.node(alias)?.owner))
    };
    // Whoever is no node's owner reads as a member does, among strangers.
    let pays = match (owner, center.settings().trust()) {
        (Some(owner), _) => Pays::of_work(center, Some(owner)),
        (None, Trust::Circle) => Pays::Nobody,
        (None, Trust::Public) => center.read_by(&who(center, caller).await?.id).await,
    };
    // What it reads for these segments, once more for what is cut off: nobody signs away more of the reserve.
    let needed = segments.iter().map(|s| group.scheme.piece_bytes(s.segment.sealed_bytes)).sum::<u64>();
    let units = if pays == Pays::Nobody { u64::MAX } else { needed.saturating_mul(2).saturating_add(READ_SLACK) };
    let mut is_covered = true;
    if let Pays::Member(member, account) = pays {
        // No leave that is paid without cover; a writer has its own copy to make pieces of.
        let at = |alias: &model::Alias| center.fleet().node(*alias).is_some_and(|node| node.owner != member);
        let paid = group.slots.iter().filter(|alias| at(alias)).count();
        let bytes = units.saturating_mul(paid.min(usize::from(group.scheme.k)) as u64);
        if let Some(price) = center.egress_price().await? {
            let windows = allowance::windows(now, PERMIT_LIFE);
            let cost = allowance::cost(bytes, windows, &price);
            let wanted = Wanted { account, member, cost, bytes, beyond: center.own_reads() };
            is_covered = center.cover(wanted).await.is_ok();
        }
    }
    let session = ask.session;
    let reads = SlotsAsk { session, op: PermitOp::Get, pays, life: PERMIT_LIFE, units };
    let read = slots(center, &group, &reads, is_covered);
    let writes = SlotsAsk { op: PermitOp::Put, pays: Pays::Nobody, units: u64::MAX, ..reads };
    let targets =
        slots(center, &group, &writes, true).into_iter().filter(|slot| targets.contains(&slot.index)).collect();
    let group = ReadGroup { pg, generation: group.generation, scheme: group.scheme, slots: read };
    Ok(Reply::StewardWork(Some(Box::new(StewardWork { lease, until, group, targets, line_share, segments }))))
}

/// Takes receivers' receipts: each moves a bit of its segment's bitmap.
pub async fn done(center: &Center, caller: &Caller, done: StewardDone) -> Result<Reply, Refused> {
    let lease = center.stewards().leases.get(&done.lease).filter(|lease| lease.caller == caller.id).cloned();
    let lease = lease.ok_or_else(|| Refused(RefusalMsg::new(errors::LEASE_STALE, [("pg", String::new())])))?;
    if done.segments.len().max(done.kept.len()) > STEWARD_SEGMENTS_MAX || done.read.len() > GROUP_SLOTS_MAX {
        return Err(bad_receipt("–"));
    }
    let group = load_pg(center, lease.pg).await?;
    let mut filled = Vec::with_capacity(done.segments.len());
    for segment in done.segments.iter().filter(|s| s.pg == lease.pg) {
        filled.push((segment.id, have_of(center, &group, segment)?.bits));
    }
    let slots = slots_now(center, &group, center.now());
    let (pg, seqs, done_before) = (lease.pg, lease.seqs, lease.filled);
    let wrote = center.db().write(move |tx| {
        let (mut got, mut is_news) = (BTreeSet::new(), false);
        for (id, have) in filled.iter().filter(|(_, have)| have.iter().any(|byte| *byte != 0)) {
            for seq in &seqs {
                let Some((joined, is_new)) = thin::join_holders(tx, pg, *seq, id, have)? else { continue };
                is_news |= is_new && !done_before.contains(seq);
                if expand::is_full(&slots, &joined) {
                    thin::settle(tx, pg, *seq)?;
                }
                got.insert(*seq);
                break;
            }
        }
        Ok((got, is_news))
    });
    let (got, is_news) = wrote.await?;
    if lease.node.is_some() && is_news {
        note_reads(center, &group, lease.node, &done.read);
    }
    let now = center.now();
    let mut stewards = center.stewards();
    if let Some(lease) = stewards.leases.get_mut(&done.lease) {
        lease.filled.extend(got.iter().copied());
    }
    // Who sent what it kept, and keeps no more, is waited for no longer.
    let by_it = |stewards: &Stewards, seq| stewards.kept.get(&(pg, seq)).map(|(node, _)| *node) == lease.node;
    let no_more: Vec<u64> = got.into_iter().filter(|s| !done.kept.contains(s) && by_it(&stewards, *s)).collect();
    stewards.forget_kept(pg, &no_more);
    stewards.keeps(done.lease, &done.kept, now + center.settings().time_scale.of(KEPT_FOR));
    if done.is_over {
        stewards.end(done.lease, now, center.settings().time_scale);
    }
    Ok(Reply::Done)
}

/// What a steward read proved itself to it, and what it made of it to others: a sample for each holder of another owner.
fn note_reads(center: &Center, group: &PgRow, steward: Option<Alias>, read: &[u16]) {
    let fleet = center.fleet();
    let owner = |alias: Alias| fleet.node(alias).map(|node| node.owner);
    let of = steward.and_then(owner);
    let holders: BTreeSet<Alias> =
        read.iter().filter_map(|index| group.slots.get(usize::from(*index)).copied()).collect();
    let others: Vec<Alias> = holders.into_iter().filter(|alias| owner(*alias).is_some_and(|o| Some(o) != of)).collect();
    drop(fleet);
    let mut audits = center.audits();
    others.into_iter().for_each(|alias| audits.note_read(alias));
}

fn check_runs(runs: &[SegmentRun]) -> Result<(), Refused> {
    let count: u64 = runs.iter().map(|run| u64::from(run.count)).sum();
    if runs.len() > STAGED_RUNS_MAX || count > STAGED_SEGMENTS_MAX as u64 {
        let args = [
            ("what", "staged segments".to_owned()),
            ("size", count.to_string()),
            ("limit", STAGED_SEGMENTS_MAX.to_string()),
        ];
        return Err(RefusalMsg::new(errors::TOO_LARGE, args).into());
    }
    Ok(())
}

/// How the caller's own segments stand, each of the runs in order.
pub async fn staged(center: &Center, caller: &Caller, runs: Vec<SegmentRun>) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    check_runs(&runs)?;
    let now = center.now();
    let asked = runs.clone();
    let found = center.db().read(move |q| {
        let mut rows = BTreeMap::new();
        for run in &asked {
            let own = thin::own(q, &member.id, run)?;
            let segments = store::segments(q, run.pg, run.seq, run.count)?;
            rows.extend(segments.into_iter().filter(|s| own.contains(&s.seq)).map(|s| ((s.pg, s.seq), s.have)));
        }
        let numbers: BTreeSet<PgId> = asked.iter().map(|run| run.pg).collect();
        let groups: Vec<PgRow> =
            numbers.into_iter().map(|pg| store::pg(q, pg)).filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok((rows, groups))
    });
    let (rows, groups) = found.await?;
    let groups: BTreeMap<PgId, (PgRow, Vec<SlotNow>)> =
        groups.into_iter().map(|g| (g.pg, (g.clone(), slots_now(center, &g, now)))).collect();
    let one = |pg: PgId, seq: u64| match (rows.get(&(pg, seq)), groups.get(&pg)) {
        (Some(have), Some((group, slots))) => {
            let (pieces, full) = expand::counted(slots, have);
            StagedState { pieces, enough: expand::enough(&group.scheme, slots), full, is_gone: false }
        }
        _ => StagedState { pieces: 0, enough: 0, full: 0, is_gone: true },
    };
    let states =
        runs.iter().flat_map(|run| (run.seq..run.seq.saturating_add(run.count.into())).map(|s| one(run.pg, s)));
    Ok(Reply::Staged(states.collect()))
}
