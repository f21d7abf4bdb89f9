//! Which slices a node is asked for: drawn from what the records give it.
//!
//! Of a node that holds many pieces, short windows at random places of its groups' logs are read, and slices are drawn among
//! those by their bytes; of one that holds few, all are. Pieces of a fill test are asked for like others: each counts as a place.

use super::store::{self, HeldSlot};
use crate::Center;
use crate::db::{Reader, StoreError};
use crate::fleet::store::vetting;
use crate::refuse::Refused;
use crate::storage::fill::PIECES_MAX;
use crate::storage::store::SegmentRow;
use codec::fill::{PIECE_BYTES, SCHEME};
use model::{Alias, PgId, Scheme, SegmentId};
use rand::RngExt;
use rules::storage::audit;
use rules::storage::expand::holds;
use wire::storage::{AuditPick, Challenge, LostPiece};

/// Slots of one node that are drawn from.
const SLOTS_MAX: u32 = 4_096;
/// Places of logs that are read whole …
const PLACES_MAX: u64 = 512;
/// … or else so many windows …
const WINDOWS: usize = 64;
/// … of so many segments.
const WINDOW: u32 = 4;
/// Bytes of a group.
const GROUP: u64 = 16 << 10;

/// A challenge, with what its answer is judged by.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Whom.
    pub node: Alias,
    /// The challenge.
    pub challenge: Challenge,
    /// Code and sealed bytes of each pick's segment.
    pub layouts: Vec<(Scheme, u64)>,
    /// How often it was asked again.
    pub asked_again: u8,
}

/// A piece that can be asked for.
struct Held {
    pg: PgId,
    scheme: Scheme,
    index: u16,
    segment: SegmentRow,
}

impl Held {
    fn groups(&self) -> u32 {
        u32::try_from(self.scheme.piece_bytes(self.segment.sealed_bytes).div_ceil(GROUP)).unwrap_or(u32::MAX)
    }
}

/// The challenge of a node: the one it did not answer, as far as its pieces are still its, or a new one; nothing where it holds
/// nothing.
pub async fn draw(center: &Center, node: Alias) -> Result<Option<Asked>, Refused> {
    let places: Vec<u64> = (0..WINDOWS).map(|_| rand::rng().random()).collect();
    let found = center.db().read(move |q| {
        let again = store::again(q, node)?;
        let slots = store::slots_of(q, node, SLOTS_MAX)?;
        let asked_again = again.as_ref().map_or(0, |again| again.asked_again);
        let fill = vetting::fill_pieces(q, node, PIECES_MAX)?;
        let same = again.map_or(Ok(Vec::new()), |again| still_held(q, (&slots, &fill), &again.picks))?;
        let held = if same.is_empty() { held(q, &slots, &fill, &places)? } else { Vec::new() };
        Ok((same, held, if asked_again > 0 { asked_again } else { 0 }))
    });
    let (same, held, asked_again) = found.await?;
    let Some(id) = center.fleet().node(node).map(|node| node.id) else { return Ok(None) };
    let (picks, layouts): (Vec<AuditPick>, Vec<(Scheme, u64)>) = if same.is_empty() {
        let groups: Vec<u32> = held.iter().map(Held::groups).collect();
        let drawn = audit::challenge(&groups, &mut rand::rng());
        drawn.iter().map(|pick| picked(&held[pick.piece], pick.group)).unzip()
    } else {
        same.into_iter().unzip()
    };
    if picks.is_empty() {
        return Ok(None);
    }
    let challenge = Challenge { nonce: center.random(), node: id, picks };
    Ok(Some(Asked { node, challenge, layouts, asked_again }))
}

/// A slice that is asked for, with code and sealed bytes of its segment.
type Judgeable = (AuditPick, (Scheme, u64));

/// Slices of one piece alone; nothing where the records give it to nobody.
pub async fn of_piece(center: &Center, piece: &LostPiece) -> Result<Option<Asked>, Refused> {
    let LostPiece { pg, segment, index } = *piece;
    let found = center.db().read(move |q| {
        let group = crate::storage::store::pg(q, pg)?;
        let row = store::find(q, pg, &segment)?.filter(|row| holds(&row.have, index.into()));
        Ok(group.zip(row))
    });
    let Some((group, row)) = found.await? else { return Ok(None) };
    let Some(node) = group.slots.get(usize::from(index)).copied() else { return Ok(None) };
    let Some(id) = center.fleet().node(node).map(|node| node.id) else { return Ok(None) };
    let held = Held { pg, scheme: group.scheme, index, segment: row };
    let drawn = audit::challenge(&[held.groups()], &mut rand::rng());
    let (picks, layouts) = drawn.iter().map(|pick| picked(&held, pick.group)).unzip();
    let challenge = Challenge { nonce: center.random(), node: id, picks };
    Ok(Some(Asked { node, challenge, layouts, asked_again: 0 }))
}

fn picked(held: &Held, group: u32) -> Judgeable {
    let Held { pg, scheme, index, segment } = held;
    (AuditPick { pg: *pg, segment: segment.id, index: *index, group }, (*scheme, segment.sealed_bytes))
}

/// Of the picks of an unanswered challenge those whose pieces the node should hold still.
fn still_held(
    q: &mut Reader<'_>,
    (slots, fill): (&[HeldSlot], &[FillRow]),
    picks: &[AuditPick],
) -> Result<Vec<Judgeable>, StoreError> {
    let mut still = Vec::with_capacity(picks.len());
    for pick in picks {
        if pick.pg == PgId::FILL {
            let piece = fill.iter().find(|(_, id)| *id == pick.segment);
            still.extend(piece.map(|_| (*pick, (SCHEME, PIECE_BYTES))));
            continue;
        }
        let Some(slot) = slots.iter().find(|slot| (slot.pg, slot.slot) == (pick.pg, pick.index)) else { continue };
        let segment = store::find(q, pick.pg, &pick.segment)?.filter(|s| holds(&s.have, pick.index.into()));
        still.extend(segment.map(|segment| (*pick, (slot.scheme, segment.sealed_bytes))));
    }
    Ok(still)
}

/// Pieces to draw from.
fn held(q: &mut Reader<'_>, slots: &[HeldSlot], fill: &[FillRow], places: &[u64]) -> Result<Vec<Held>, StoreError> {
    let in_slots: u64 = slots.iter().map(|slot| slot.next_seq.saturating_sub(1)).sum();
    let all = in_slots + fill.len() as u64;
    let mut found = std::collections::BTreeMap::new();
    if all <= PLACES_MAX {
        fill.iter().for_each(|piece| take_fill(&mut found, piece));
        for slot in slots {
            let limit = u32::try_from(PLACES_MAX).unwrap_or(u32::MAX);
            take(&mut found, slot, store::live(q, slot.pg, 1, limit)?);
        }
    } else {
        for place in places {
            let place = place % all;
            if let Some(piece) = place.checked_sub(in_slots).and_then(|at| fill.get(usize::try_from(at).ok()?)) {
                take_fill(&mut found, piece);
                continue;
            }
            let Some((slot, seq)) = at(slots, place) else { continue };
            take(&mut found, slot, store::live(q, slot.pg, seq, WINDOW)?);
        }
    }
    Ok(found.into_values().collect())
}

/// The slot and the place in its group's log that a place among all of them is.
fn at(slots: &[HeldSlot], place: u64) -> Option<(&HeldSlot, u64)> {
    let mut left = place;
    for slot in slots {
        let count = slot.next_seq.saturating_sub(1);
        if left < count {
            return Some((slot, left + 1));
        }
        left -= count;
    }
    None
}

/// Number and commitment of a piece of a fill test.
type FillRow = (u32, SegmentId);

fn take_fill(found: &mut Found, (number, id): &FillRow) {
    let (pg, seq) = (PgId::FILL, u64::from(*number));
    let segment = SegmentRow { pg, seq, id: *id, sealed_bytes: PIECE_BYTES, have: vec![1] };
    found.insert((pg, 0, seq), Held { pg, scheme: SCHEME, index: 0, segment });
}

type Found = std::collections::BTreeMap<(PgId, u16, u64), Held>;

fn take(found: &mut Found, slot: &HeldSlot, segments: Vec<SegmentRow>) {
    for segment in segments.into_iter().filter(|s| holds(&s.have, slot.slot.into())) {
        let held = Held { pg: slot.pg, scheme: slot.scheme, index: slot.slot, segment };
        found.insert((slot.pg, slot.slot, held.segment.seq), held);
    }
}
