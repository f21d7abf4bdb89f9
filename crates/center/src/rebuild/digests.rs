//! Nodes tell what they hold at their places in groups: groups and segments come back by the segments' own commitments.

use super::{must_be_rebuilt, store};
use crate::db::{StoreError, Tx};
use crate::fleet::api::alias_of;
use crate::refuse::{Refused, bad_value};
use crate::{Caller, Center, fleet};
use codec::Layout;
use model::{Alias, Presence, SegmentId, Stamp};
use rules::storage::rebuild::{ADOPTED_HOLD, Claim, Place, place};
use wire::Reply;
use wire::limits::{DIGESTS_MAX, HOLDERS_MAX};
use wire::rebuild::{SlotDigests, SlotVerdict};
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
        return Ok(Reply::SlotDigests(SlotVerdict { kept: 0, again: false }));
    }
    let segments = committed(&page)?;
    let now = center.now();
    let hold = now + center.settings().time_scale.of(ADOPTED_HOLD);
    let taken = center.db().write(move |tx| take(tx, alias, &page, &segments, (now, hold)));
    let (verdict, absent) = taken.await?;
    if let Some((alias, owner)) = absent {
        fleet::memory::register_gone(center, alias, store::ABSENT, owner);
    }
    center.news_of_segments();
    Ok(Reply::SlotDigests(verdict))
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

type Taken = (SlotVerdict, Option<(Alias, model::MemberId)>);

fn take(
    tx: &mut Tx<'_>,
    alias: Alias,
    page: &SlotDigests,
    segments: &[SegmentId],
    (now, hold): (Stamp, Stamp),
) -> Result<Taken, StoreError> {
    let none = (SlotVerdict { kept: 0, again: false }, None);
    let (pg, index) = (page.pg, page.index);
    let absent = store::absent(tx, now)?;
    let Some(is_full) = store::hold_group(tx, pg, &page.scheme, index, absent.0)? else { return Ok(none) };
    let vouched = |tx: &mut Tx<'_>, node: Alias| store::vouched_at(tx, pg, index, node);
    let holder = match store::holder(tx, pg, index)?.filter(|holder| *holder != absent.0) {
        Some(node) => Some(Claim { node, vouched: vouched(tx, node)? }),
        None => None,
    };
    let claim = Claim { node: alias, vouched: vouched(tx, alias)? };
    let verdict = place(holder, claim);
    match verdict {
        Place::Refused => return Ok(none),
        Place::Theirs => {}
        Place::Taken | Place::Passed => store::give(tx, pg, index, alias)?,
    }
    if verdict == Place::Passed {
        store::clear(tx, pg, index)?;
    }
    for (id, piece) in segments.iter().zip(&page.pieces) {
        store::tell(tx, (pg, index), (id, piece.sealed_bytes), is_full, (now, hold))?;
        if let Some(locator) = &piece.locator {
            store::locate(tx, locator, alias)?;
        }
    }
    let kept = u16::try_from(segments.len()).unwrap_or(u16::MAX);
    Ok((SlotVerdict { kept, again: verdict == Place::Passed }, absent.1))
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
