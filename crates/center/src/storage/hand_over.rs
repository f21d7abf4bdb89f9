//! Leaving without a loss: a node that drains hands each of its slots to a successor, piece by piece, and goes when nothing is left.
//! Who takes over, `rules::storage::hand_over` says; the leaver's own agent sends, the center moves no data.
//!
//! A node that holds more than its owner lends gives some of its slots away likewise, and stays.
//!
//! (A) A slot changes hands when the successor has given receipts for every piece of it that the leaver had. (B) What the leaver
//! cannot give counts as lost at once and is made anew. (C) Until then it counts, and serves.

use super::api::{SlotsAsk, load_pg, slots};
use super::commit::bad_receipt;
use super::log::is_whole;
use super::place::{self, Member};
use super::repair::with_facts;
use super::store::drain::{self, Drain, Move};
use super::store::{PgRow, log, mend};
use crate::fleet::api::alias_of;
use crate::fleet::store::{self as fleet, Standing};
use crate::leave::Pays;
use crate::refuse::Refused;
use crate::{Caller, Center};
use model::{Alias, Bytes, NodeId, PgId, Presence, SegmentId, Span, Stamp};
use rand::seq::IteratorRandom;
use rules::storage::hand_over::{MOVES_MAX, OwnSlot, give_up, successor};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use wire::Reply;
use wire::limits::STEWARD_SEGMENTS_MAX;
use wire::signed::{PermitOp, PieceReceipt};
use wire::storage::{HandOver, HandOverDone, HandOverWork, ReadSegment};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Nodes that leave looked at in one look.
const DRAINS_MAX: u32 = 256;
/// Nodes that hold too much looked at in one look, and pause between two looks at one of them.
const OVER_MAX: usize = 16;
const OVER_EVERY: Span = Span::secs(15);
/// Slots counted for one answer.
const COUNT_MAX: u32 = 10_000;
/// Segments counted of a node that gives slots away.
const SEGMENTS_MAX: u32 = 100_000;
/// Slots without anything left that change hands in one answer.
const EMPTY_MAX: usize = 16;
/// Life of leave to write.
const PERMIT_LIFE: Span = Span::hours(1);

/// Runs until the center stops.
pub async fn run(center: Center) {
    let (mut after, mut looked) = (None, BTreeMap::new());
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match look(&center, after, &mut looked).await {
            Ok(next) => after = next,
            Err(refused) => tracing::warn!(id = %refused.0.id, "nobody was chosen to take over; the next look is soon"),
        }
    }
}

async fn look(
    center: &Center,
    after: Option<Alias>,
    looked: &mut BTreeMap<Alias, Stamp>,
) -> Result<Option<Alias>, Refused> {
    let drains = center.db().read(move |q| Ok(drain::drains(q, after, DRAINS_MAX)?)).await?;
    let next = drains.last().map(|drain| drain.node).filter(|_| drains.len() == DRAINS_MAX as usize);
    let over = over(center, looked);
    if drains.is_empty() && over.is_empty() {
        return Ok(next);
    }
    let now = center.now();
    let rows = place::nodes(center, now).await?;
    let all = place::members(center, &rows, now);
    for drain in drains {
        let node = drain.node;
        let waiting = center.db().read(move |q| Ok(drain::waiting(q, node, MOVES_MAX)?)).await?;
        if let Err(refused) = send_on(center, (node, drain.to), waiting, &all).await {
            tracing::warn!(id = %refused.0.id, %node, "slots of a node that leaves were given to nobody");
        }
    }
    for (node, lent) in over {
        let given = match too_many(center, node, lent).await {
            Ok(given) => send_on(center, (node, None), given, &all).await,
            Err(refused) => Err(refused),
        };
        if let Err(refused) = given {
            tracing::warn!(id = %refused.0.id, %node, "slots of a node whose owner lends less were given to nobody");
        }
    }
    Ok(next)
}

/// Nodes that hold more than they lend, as their last check-ins say, with what they lend; those that leave apart. Who was looked at
/// longest ago comes first, and nobody twice within [`OVER_EVERY`].
fn over(center: &Center, looked: &mut BTreeMap<Alias, Stamp>) -> Vec<(Alias, Bytes)> {
    let now = center.now();
    let mut over: Vec<(Stamp, Alias, Bytes)> = {
        let fleet = center.fleet();
        looked.retain(|alias, _| fleet.is_over(*alias).is_some());
        let stays = fleet.nodes().filter(|(_, node)| node.standing == Standing::Active);
        let over = stays.filter_map(|(alias, _)| Some((alias, fleet.is_over(alias)?)));
        over.map(|(alias, lent)| (looked.get(&alias).copied().unwrap_or(Stamp(0)), alias, lent)).collect()
    };
    over.retain(|(at, ..)| now.since(*at) >= OVER_EVERY);
    over.sort_unstable_by_key(|(at, alias, _)| (*at, *alias));
    over.truncate(OVER_MAX);
    looked.extend(over.iter().map(|(_, alias, _)| (*alias, now)));
    over.into_iter().map(|(_, alias, lent)| (alias, lent)).collect()
}

/// The slots such a node gives away. One that holds more segments than are counted waits for a later look.
async fn too_many(center: &Center, node: Alias, lent: Bytes) -> Result<Vec<(PgId, u16)>, Refused> {
    let read = center.db().read(move |q| {
        let moves = drain::moves(q, node, COUNT_MAX)?;
        let is_busy = moves.len() >= MOVES_MAX as usize;
        let slots = if is_busy { None } else { log::bytes_by_slot(q, node, SEGMENTS_MAX)? };
        Ok((slots.unwrap_or_default(), moves))
    });
    let (slots, moves) = read.await?;
    let moving: BTreeSet<(PgId, u16)> = moves.iter().map(|one| (one.pg, one.slot)).collect();
    let mut own = Vec::with_capacity(slots.len());
    for ((pg, slot), bytes) in slots {
        let is_covered = is_whole(center, &load_pg(center, pg).await?);
        own.push(OwnSlot { pg, slot, bytes, is_covered, is_moving: moving.contains(&(pg, slot)) });
    }
    Ok(give_up(&own, lent))
}

/// Sends slots of one node on their way, and takes back those whose successor is gone.
async fn send_on(
    center: &Center,
    (node, named): (Alias, Option<Alias>),
    waiting: Vec<(PgId, u16)>,
    all: &[Member],
) -> Result<(), Refused> {
    let now = center.now();
    let read = center.db().read(move |q| {
        let moves = drain::moves(q, node, MOVES_MAX)?;
        let mut groups = Vec::new();
        for (pg, slot) in waiting.iter().copied().take((MOVES_MAX as usize).saturating_sub(moves.len())) {
            groups.extend(mend::group(q, pg)?.map(|group| (group, slot)));
        }
        Ok((moves, groups))
    });
    let (moves, groups) = read.await?;
    let by_alias: BTreeMap<Alias, &Member> = all.iter().map(|member| (member.row.alias, member)).collect();
    // Who has no room for what it holds takes nothing over.
    let has_room = |to: &Alias| {
        let (fleet, least) = (center.fleet(), by_alias.get(to).map_or(Bytes(0), |m| m.row.node.lent).0 / 16);
        let held = fleet.held(*to).map_or(0, |held| held.bytes);
        let lent = fleet.node(*to).map_or(0, |node| node.lent.0);
        fleet.is_over(*to).is_none() && lent.saturating_sub(held) >= least.min(place::SLOT_MIN.0)
    };
    let is_gone = |to: &Alias| by_alias.get(to).is_none_or(|m| m.unfit().is_some()) || !has_room(to);
    for one in moves.iter().filter(|one| is_gone(&one.to)) {
        let (pg, slot) = (one.pg, one.slot);
        center.db().write(move |tx| Ok(drain::drop_move(tx, pg, slot)?)).await?;
    }
    for (group, slot) in groups {
        let chosen = with_facts(&group, all, (center.settings().trust(), now), |facts| {
            successor(facts, slot, named, &mut rand::rng())
        });
        let Some(to) = chosen.flatten().filter(has_room) else { continue };
        let one = Move { pg: group.row.pg, slot, to, next_seq: 1 };
        center.db().write(move |tx| Ok(drain::put_move(tx, node, &one)?)).await?;
        tracing::info!(%node, pg = %one.pg, slot, %to, "a slot is handed over");
    }
    Ok(())
}

/// How it stands with what a node hands over, and with a session's key, what it shall send next; nothing where it hands over nothing.
pub async fn ask(center: &Center, caller: &Caller, session: Option<NodeId>) -> Result<Reply, Refused> {
    let node = alias_of(center, caller)?;
    for _ in 0..EMPTY_MAX {
        let found = center.db().read(move |q| {
            let (leaves, moves) = (drain::drain(q, node)?.is_some(), drain::moves(q, node, COUNT_MAX)?);
            let waiting = if leaves { drain::waiting(q, node, COUNT_MAX)?.len() } else { 0 };
            Ok((leaves || !moves.is_empty()).then_some((moves, waiting)))
        });
        let Some((moves, waiting)) = found.await? else { return Ok(Reply::HandOver(None)) };
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut told = HandOver { moving: count(moves.len()), waiting: count(waiting), work: None };
        let next = session.and_then(|session| Some((session, next_move(center, &moves)?)));
        let Some((session, one)) = next else { return Ok(Reply::HandOver(Some(Box::new(told)))) };
        let limit = u32::try_from(STEWARD_SEGMENTS_MAX).unwrap_or(u32::MAX);
        let rows = center.db().read(move |q| Ok(drain::to_move(q, &one, limit)?)).await?;
        if rows.is_empty() {
            center.db().write(move |tx| drain::change_hands(tx, &one)).await?;
            continue;
        }
        let group = load_pg(center, one.pg).await?;
        // As if the successor alone were the group: leave to write names the node.
        let taken = PgRow { slots: vec![one.to], ..group };
        let (op, pays) = (PermitOp::Put, Pays::Nobody);
        let ask = SlotsAsk { session, op, pays, life: PERMIT_LIFE, units: u64::MAX };
        let target = slots(center, &taken, &ask, true).into_iter().next();
        let Some(mut target) = target else { return Ok(Reply::HandOver(Some(Box::new(told)))) };
        target.index = one.slot;
        let segment = |row: super::store::SegmentRow| ReadSegment {
            id: row.id,
            pg: row.pg,
            seq: row.seq,
            sealed_bytes: row.sealed_bytes,
            have: Vec::new(),
        };
        let segments = rows.into_iter().map(segment).collect();
        told.work = Some(Box::new(HandOverWork { target, segments }));
        return Ok(Reply::HandOver(Some(Box::new(told))));
    }
    Ok(Reply::HandOver(Some(Box::new(HandOver { moving: 1, waiting: 0, work: None }))))
}

/// Any slot on its way to somebody who is on: one who takes nothing keeps the others from nobody.
fn next_move(center: &Center, moves: &[Move]) -> Option<Move> {
    let (fleet, now) = (center.fleet(), center.now());
    let is_on = |one: &&Move| {
        let is_in = fleet.node(one.to).is_some_and(|node| node.standing == Standing::Active);
        is_in && fleet.presence.state(now, one.to) == Presence::On
    };
    moves.iter().filter(is_on).copied().choose(&mut rand::rng())
}

/// Takes a successor's receipts.
pub async fn done(center: &Center, caller: &Caller, done: HandOverDone) -> Result<Reply, Refused> {
    let node = alias_of(center, caller)?;
    if done.receipts.len() > STEWARD_SEGMENTS_MAX {
        return Err(super::api::too_large("list of receipts", done.receipts.len(), STEWARD_SEGMENTS_MAX));
    }
    let moves = center.db().read(move |q| Ok(drain::moves(q, node, COUNT_MAX)?)).await?;
    let one = moves.into_iter().find(|one| (one.pg, one.slot) == (done.pg, done.slot));
    let one =
        one.ok_or_else(|| Refused(wire::RefusalMsg::new(model::errors::LEASE_STALE, [("pg", done.pg.to_string())])))?;
    let to = center.fleet().node(one.to).map(|node| node.id);
    let mut taken = BTreeSet::new();
    for bytes in &done.receipts {
        let receipt =
            PieceReceipt::check(bytes).filter(|r| Some(r.node) == to && (r.pg, r.index) == (one.pg, one.slot));
        taken.insert(receipt.ok_or_else(|| bad_receipt("–"))?.segment);
    }
    let changed = change(center, one, done.up_to, taken).await?;
    if changed {
        tracing::info!(%node, pg = %one.pg, slot = one.slot, to = %one.to, "a slot changed hands");
        center.news_of_segments();
    }
    Ok(Reply::HandedOver(changed))
}

async fn change(center: &Center, one: Move, up_to: u64, taken: BTreeSet<SegmentId>) -> Result<bool, Refused> {
    let now = center.now();
    let wrote = center.db().write(move |tx| {
        let is_over = drain::moved(tx, &one, up_to, &taken)?;
        if is_over {
            fleet::add_event(tx, one.to, now, "slot_taken_over", &format!("{} {}", one.pg, one.slot))?;
        }
        Ok(is_over)
    });
    Ok(wrote.await?)
}

/// A node begins to leave; `to` is its owner's next machine, where one was named.
pub async fn begin(center: &Center, node: Alias, to: Option<NodeId>) -> Result<(), Refused> {
    let now = center.now();
    let to = match to {
        None => None,
        Some(id) => Some(
            center
                .fleet()
                .alias_of(&id)
                .filter(|to| *to != node)
                .ok_or_else(|| Refused(wire::RefusalMsg::new(model::errors::NODE_UNKNOWN, [("id", id.short())])))?,
        ),
    };
    let drain = Drain { node, to, since: now };
    let kept = center.db().write(move |tx| {
        drain::begin(tx, &drain)?;
        fleet::set_standing(tx, node, Standing::Leaving, None, None)?;
        fleet::add_event(tx, node, now, "leaving", &to.map_or_else(String::new, |to| to.to_string()))
    });
    kept.await?;
    if let Some(memory) = center.fleet().node_mut(node) {
        memory.standing = Standing::Leaving;
    }
    Ok(())
}
