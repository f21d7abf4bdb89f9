//! Nodes tell what they hold at their places in groups: groups and segments come back by the segments' own commitments.

use super::{must_be_rebuilt, store};
use crate::db::{StoreError, Tx};
use crate::fleet::api::alias_of;
use crate::refuse::{Refused, bad_value};
use crate::{Caller, Center, fleet};
use codec::Layout;
use model::{Alias, MemberId, Presence, SegmentId, Stamp};
use rules::storage::rebuild::{ADOPTED_HOLD, Claim, Place, place};
use wire::Reply;
use wire::limits::{DIGESTS_MAX, HOLDERS_MAX};
use wire::rebuild::SlotDigests;
use wire::storage::Locator;

/// Takes one page of a slot's digests.
pub async fn slot_digests(center: &Center, caller: &Caller, page: SlotDigests) -> Result<Reply, Refused> {
    let rebuilt = must_be_rebuilt(center)?;
    let alias = alias_of(center, caller)?;
    if page.pieces.len() > DIGESTS_MAX || page.index >= page.scheme.n_max || !page.scheme.is_sound() {
        return Err(bad_value("digests", &page.pieces.len().to_string(), "at most 768 of a sound scheme").into());
    }
    // Numbers from there on are this center's own to give.
    if !rules::storage::rebuild::is_from_before(page.pg, rebuilt) {
        return Ok(Reply::SlotDigests(0));
    }
    let segments = committed(&page)?;
    let now = center.now();
    let hold = now + center.settings().time_scale.of(ADOPTED_HOLD);
    let taken = center.db().write(move |tx| take(tx, alias, &page, &segments, (now, hold)));
    let (kept, absent) = taken.await?;
    if let Some((alias, owner)) = absent {
        fleet::memory::register_gone(center, alias, store::ABSENT, owner);
    }
    center.news_of_segments();
    Ok(Reply::SlotDigests(kept))
}

/// Ids of the segments that the pieces prove themselves to be of.
fn committed(page: &SlotDigests) -> Result<Vec<SegmentId>, Refused> {
    let id = |piece: &wire::rebuild::SlotPiece| {
        let layout = Layout::new(page.scheme, piece.sealed_bytes);
        layout.map(|layout| codec::segment_id(&layout, &piece.root))
    };
    let ids: Result<Vec<SegmentId>, codec::CodecError> = page.pieces.iter().map(id).collect();
    ids.map_err(|error| bad_value("digests", "", &error.to_string()).into())
}

/// How many pieces count, and the stand-in for who is not back yet, where it was made just now.
type Taken = (u16, Option<(Alias, MemberId)>);

fn take(
    tx: &mut Tx<'_>,
    alias: Alias,
    page: &SlotDigests,
    segments: &[SegmentId],
    (now, hold): (Stamp, Stamp),
) -> Result<Taken, StoreError> {
    let (pg, index) = (page.pg, page.index);
    let Some(store::Held { slots, made }) = store::hold_group(tx, pg, &page.scheme, (index, alias), now)? else {
        return Ok((0, None));
    };
    let holder = store::holder(tx, pg, index)?;
    let claim =
        |tx: &mut Tx<'_>, node| Ok::<_, StoreError>(Claim { node, vouched: store::vouched_at(tx, pg, index, node)? });
    let (holder, mine) = (holder.map(|node| claim(tx, node)).transpose()?, claim(tx, alias)?);
    match place(holder, mine) {
        Place::Refused => return Ok((0, made)),
        Place::Theirs => {}
        Place::Taken => store::give(tx, pg, index, alias)?,
        Place::Passed => {
            store::give(tx, pg, index, alias)?;
            store::clear(tx, pg, index)?;
        }
    }
    for (id, piece) in segments.iter().zip(&page.pieces) {
        store::tell(tx, (pg, index), (id, piece.sealed_bytes), slots, hold)?;
        if let Some(locator) = &piece.locator {
            store::locate(tx, locator, alias)?;
        }
    }
    Ok((u16::try_from(segments.len()).unwrap_or(u16::MAX), made))
}

/// Nodes that said they hold pieces which show a locator, and are on. Whoever knows a locator is an owner of what it stands for;
/// a person who has only a phrase is a stranger yet.
pub async fn holders(center: &Center, locator: Locator) -> Result<Reply, Refused> {
    let aliases = center.db().read(move |q| Ok(store::located(q, &locator, HOLDERS_MAX as u32)?)).await?;
    let now = center.now();
    let fleet = center.fleet();
    let on = aliases.into_iter().filter(|alias| fleet.presence.state(now, *alias) == Presence::On);
    Ok(Reply::Holders(on.filter_map(|alias| fleet.addr(alias)).collect()))
}
