//! What nodes ask about their groups: what changed in one, and what they tell of it: pieces they lost.

use super::api::{load_pg, too_large};
use super::store::{PgRow, log};
use crate::fleet::api::alias_of;
use crate::fleet::store as fleet;
use crate::refuse::Refused;
use crate::{Caller, Center};
use model::{PgId, Presence, SegmentId};
use rules::storage::collect;
use std::collections::BTreeMap;
use wire::Reply;
use wire::limits::{LOG_PAGE_MAX, LOST_MAX};
use wire::storage::{LogAsk, LogPage, LostPiece};

/// Last drops by group, so that a check-in asks no database.
#[derive(Debug, Default)]
pub struct Drops(BTreeMap<PgId, u64>);

impl Drops {
    /// Those of the told groups that have drops after the told cursor.
    pub fn after(&self, cursors: &[(u32, u64)]) -> Vec<PgId> {
        let has_more = |(pg, cursor): &(u32, u64)| self.0.get(&PgId(*pg)).is_some_and(|last| last > cursor);
        cursors.iter().filter(|told| has_more(told)).map(|(pg, _)| PgId(*pg)).collect()
    }

    /// A group's last drop is there.
    pub fn note(&mut self, pg: PgId, last: u64) {
        self.0.insert(pg, last);
    }
}

/// A page of a group's log. Any node of the cloud may ask: it names segments by their commitments and nothing else.
pub async fn group_log(center: &Center, caller: &Caller, ask: LogAsk) -> Result<Reply, Refused> {
    let node = alias_of(center, caller)?;
    let group = load_pg(center, ask.pg).await?;
    let limit = u32::from(ask.limit.clamp(1, LOG_PAGE_MAX));
    let read = center
        .db()
        .read(move |q| Ok((log::changes(q, ask.pg, ask.after, limit + 1)?, log::indexes_of(q, ask.pg, node)?)));
    let (mut entries, yours) = read.await?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let is_whole = is_whole(center, &group);
    Ok(Reply::GroupLog(LogPage { entries, head: group.next_seq - 1, more, is_whole, yours }))
}

/// True while the group may drop and forget.
pub(super) fn is_whole(center: &Center, group: &PgRow) -> bool {
    let now = center.now();
    let fleet = center.fleet();
    // After a rebuild holders are still on their way back; where far more are away than usual, nothing is forgotten until
    // that is over.
    if fleet.presence.is_surge() || center.awaits_holders() {
        return false;
    }
    let gone = |alias| matches!(fleet.presence.state(now, alias), Presence::Missing | Presence::Left);
    let standing = group.slots.iter().filter(|alias| !gone(**alias)).count();
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    collect::may_drop(&group.scheme, count(group.slots.len()), count(standing))
}

/// A node's own word that pieces are damaged or gone: their bits are cleared, so that nobody reads or counts on them, and
/// stewards fill them up again. It costs the node no score: it found them itself.
pub async fn pieces_lost(center: &Center, caller: &Caller, lost: Vec<LostPiece>) -> Result<Reply, Refused> {
    let alias = alias_of(center, caller)?;
    if lost.len() > LOST_MAX {
        return Err(too_large("list of pieces", lost.len(), LOST_MAX));
    }
    let (fill, lost): (Vec<LostPiece>, Vec<LostPiece>) = lost.into_iter().partition(|piece| piece.pg == PgId::FILL);
    if !fill.is_empty() {
        // It gave way to others' pieces, or was damaged: it is not missed, or sent again.
        let gone = fill.into_iter().map(|piece| piece.segment);
        let gone: Vec<SegmentId> = gone.collect();
        let told = center.db().write(move |tx| {
            gone.iter().try_for_each(|id| fleet::vetting::lose_fill(tx, alias, id).map(drop).map_err(Into::into))
        });
        told.await?;
    }
    let mut own = Vec::with_capacity(lost.len());
    for piece in lost {
        // A slot that is somebody else's by now says nothing about this node's piece.
        let Ok(group) = load_pg(center, piece.pg).await else { continue };
        if group.slots.get(usize::from(piece.index)) == Some(&alias) {
            own.push(piece);
        }
    }
    let now = center.now();
    let cleared = center.db().write(move |tx| {
        let mut cleared = 0u64;
        for piece in &own {
            cleared += u64::from(log::lose(tx, piece.pg, &piece.segment, piece.index)?);
        }
        if cleared > 0 {
            fleet::add_event(tx, alias, now, "pieces_lost", &cleared.to_string())?;
        }
        Ok(cleared)
    });
    let cleared = cleared.await?;
    if cleared > 0 {
        tracing::warn!(node = %alias, cleared, "a node found pieces damaged or gone by itself");
    }
    Ok(Reply::Done)
}
