//! Stored bytes, counted by the center's own records: what members keep, and what nodes hold of it for others.
//!
//! One pass for all periods that are over since the last, as segments stand at its end: each counts from when it was kept, an
//! object's versions until they are purged. (A) The pass's rows and the mark how far it came stand together, so a second one
//! counts nothing twice. (B) Used and held are counted alike by pieces at machines of other owners: what a member's own machines
//! hold of it is nobody's debt. (C) Bytes · ms below an MB·h are carried. (D) A segment counts as the bytes that its k pieces fill, cells
//! of 4 KiB and more: a small one fills more than it has, and who writes it pays for what others hold of it.
//! (E) What each node holds is kept beside it, its owner's own
//! pieces too; of who is away, what it held before ([`rules::ledger::proved`]).

use super::Periods;
use super::store::{self, DueRow, Side, stored};
use crate::db::meta::{self, METERED};
use crate::db::{Db, DbError, Reader, StoreError, Tx};
use crate::fleet::store::{Standing, list_brief};
use crate::ledger::standing::SEEN_LAG;
use crate::ledger::store::{account, node_held};
use model::{AccountClass, Alias, MemberId, MemberState, PgId, Resource, Span, Stamp, Ucredit};
use rules::ledger::proved;
use rules::ledger::settle::{Due, WHOLE_BPS};
use rules::ledger::tariff::{Tariff, Variant};
use std::collections::BTreeMap;

/// Bytes · ms of one MB·h.
const MB_HOUR: u128 = 3_600_000 * 1_000_000;
/// Least a holder's bytes count, in ten thousandths.
const QUALITY_LEAST: u64 = 5_000;
/// Segments, groups or nodes read at a time.
const STEP: u32 = 5_000;
/// Nodes of which it is kept in one transaction what they hold.
const PART: usize = 1_024;

/// Up to when stored bytes are counted; nothing before the first look.
///
/// # Errors
/// Of the database.
pub fn metered(q: &mut Reader<'_>) -> Result<Option<u64>, DbError> {
    let kept = meta::get(q, METERED)?;
    Ok(kept.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes))
}

/// What metering goes by.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Members repair for each other: storage has the circle's price.
    pub is_circle: bool,
    /// Limit of an account that has to be opened.
    pub limit: Ucredit,
}

/// Byte · ms by member, and by owner and quality; bytes by node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Counted {
    used: BTreeMap<(MemberId, Variant), u128>,
    held: BTreeMap<(MemberId, Variant, u64), u128>,
    by_node: BTreeMap<Alias, u64>,
}

/// A node as it counts.
#[derive(Debug, Clone, Copy)]
struct Holder {
    alias: Alias,
    owner: MemberId,
    quality_bps: u64,
    seen: Stamp,
}

/// Counts what was stored in the periods that are over; true where there was something to count.
///
/// # Errors
/// Of the store; the next look counts it then.
pub async fn count(
    db: &Db,
    (periods, tariff): (Periods, &Tariff),
    terms: Terms,
    now: Stamp,
) -> Result<bool, StoreError> {
    let end = periods.over(now);
    let begun = match db.read(|q| Ok(metered(q)?)).await? {
        Some(begun) => begun,
        None => {
            // Nothing is owed for what was before.
            db.write(move |tx| Ok(meta::put_new(tx, METERED, &end.to_le_bytes())?)).await?;
            return Ok(false);
        }
    };
    if end <= begun {
        return Ok(false);
    }
    let nodes = holders(db).await?;
    let counted = pass(db, periods, (begun, end), (&nodes, terms.is_circle)).await?;
    keep_nodes(db, periods, (begun, &nodes, &counted.by_node), now).await?;
    let version = tariff.at(Stamp(begun)).map_or(0, |book| book.version);
    let write = move |tx: &mut Tx<'_>| {
        store::lock(tx)?;
        if metered(tx)? != Some(begun) {
            return Ok(false);
        }
        let rows = due(tx, &counted, version, terms.limit, now)?;
        let last = store::last_begun(tx)?;
        let period = if last < end { end } else { periods.after(last) };
        store::add_due(tx, period, &rows)?;
        meta::put(tx, METERED, &end.to_le_bytes())?;
        Ok(true)
    };
    db.write(write).await
}

async fn holders(db: &Db) -> Result<BTreeMap<Alias, Holder>, StoreError> {
    let (mut out, mut after) = (BTreeMap::new(), None);
    loop {
        let page = db.read(move |q| Ok(list_brief(q, after, STEP)?)).await?;
        let Some(last) = page.last() else { return Ok(out) };
        after = Some(last.alias);
        for node in page.iter().filter(|node| !matches!(node.standing, Standing::Banned | Standing::Left)) {
            let quality_bps = u64::from(node.integrity.0 / 100).clamp(QUALITY_LEAST, WHOLE_BPS);
            let seen = Stamp(node.last_seen_hour.saturating_mul(Span::hours(1).as_ms()));
            out.insert(node.alias, Holder { alias: node.alias, owner: node.owner, quality_bps, seen });
        }
    }
}

/// A group as it counts.
struct Group {
    pg: PgId,
    variant: Variant,
    scheme: model::Scheme,
    slots: Vec<Alias>,
}

async fn pass(
    db: &Db,
    periods: Periods,
    span: (u64, u64),
    (nodes, is_circle): (&BTreeMap<Alias, Holder>, bool),
) -> Result<Counted, StoreError> {
    let (mut counted, mut after) = (Counted::default(), PgId(0));
    loop {
        let groups = db.read(move |q| Ok(stored::groups(q, after, STEP)?)).await?;
        let Some(last) = groups.last().map(|(pg, _)| *pg) else { return Ok(counted) };
        after = last;
        for (pg, class) in groups {
            let Some(row) = db.read(move |q| Ok(crate::storage::store::pg(q, pg)?)).await? else { continue };
            let variant = if is_circle { Variant::Circle } else { Variant::Class(class) };
            let group = Group { pg, variant, scheme: row.scheme, slots: row.slots };
            of_group(db, periods, span, (&group, nodes), &mut counted).await?;
        }
    }
}

async fn of_group(
    db: &Db,
    periods: Periods,
    (begun, end): (u64, u64),
    (group, nodes): (&Group, &BTreeMap<Alias, Holder>),
    counted: &mut Counted,
) -> Result<(), StoreError> {
    let (pg, mut after) = (group.pg, 0);
    loop {
        let page = db.read(move |q| Ok(stored::segments(q, pg, after, STEP)?)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.seq;
        for segment in &page {
            let span = end.saturating_sub(segment.kept_at.as_ms().max(begun));
            counted.add(group, nodes, segment, periods.counted_ms(span));
        }
    }
}

impl Counted {
    /// (B, D)
    fn add(&mut self, group: &Group, nodes: &BTreeMap<Alias, Holder>, segment: &stored::Segment, ms: u128) {
        let holds = |slot: usize| rules::storage::expand::holds(&segment.have, slot);
        let at = |slot: usize| nodes.get(&group.slots[slot]).copied();
        let (mut pieces, mut others) = (0u128, 0u128);
        let bytes = group.scheme.piece_bytes(segment.sealed_bytes);
        let used = u128::from(bytes) * u128::from(group.scheme.k.max(1)) * ms;
        for slot in (0..group.slots.len()).filter(|slot| holds(*slot)) {
            pieces += 1;
            let Some(holder) = at(slot) else { continue };
            *self.by_node.entry(holder.alias).or_default() += bytes;
            if holder.owner == segment.owner {
                continue;
            }
            others += 1;
            let key = (holder.owner, group.variant, holder.quality_bps);
            *self.held.entry(key).or_default() += u128::from(bytes) * ms;
        }
        if let Some(used) = (used * others).checked_div(pieces).filter(|used| *used > 0) {
            *self.used.entry((segment.owner, group.variant)).or_default() += used;
        }
    }
}

/// (E) Keeps what was counted at each node. Twice, it comes to the same.
async fn keep_nodes(
    db: &Db,
    periods: Periods,
    (begun, nodes, by_node): (u64, &BTreeMap<Alias, Holder>, &BTreeMap<Alias, u64>),
    now: Stamp,
) -> Result<(), StoreError> {
    // Who was not seen since is away, and so is nobody of whom it was not written yet.
    let there_since = Stamp(begun.min(now.as_ms().saturating_sub(SEEN_LAG.as_ms())));
    let of = |holder: &Holder| {
        let bytes = by_node.get(&holder.alias).copied().unwrap_or(0);
        (holder.alias, bytes / 1_000_000, holder.seen >= there_since)
    };
    let all: Vec<(Alias, u64, bool)> = nodes.values().map(of).collect();
    for part in all.chunks(PART).map(<[_]>::to_vec) {
        let write = move |tx: &mut Tx<'_>| {
            let ends = part.first().zip(part.last()).map(|(first, last)| (first.0, Alias(last.0.0.saturating_add(1))));
            let Some((first, last)) = ends else { return Ok(()) };
            let known = node_held::between(tx, first, last)?;
            for (alias, mb, is_seen) in part.iter().copied() {
                let before = known.get(&alias).copied().unwrap_or_default();
                let ms = periods.counted_ms(now.since(before.held.most_at).as_ms());
                let most_for = Span::ms(u64::try_from(ms).unwrap_or(u64::MAX));
                let is_there = is_seen && !before.is_taken;
                let held = proved::counted(before.held, proved::Count { mb, is_there, at: now, most_for });
                let is_nothing = [held, before.held].iter().all(|held| (held.mb, held.most_mb) == (0, 0));
                if held != before.held && !is_nothing {
                    node_held::put(tx, alias, &held)?;
                }
            }
            Ok(())
        };
        db.write(write).await?;
    }
    Ok(())
}

/// (C) Due rows of what was counted; accounts are opened where they are needed first.
fn due(
    tx: &mut Tx<'_>,
    counted: &Counted,
    version: u32,
    limit: Ucredit,
    now: Stamp,
) -> Result<Vec<DueRow>, StoreError> {
    let used = counted.used.iter().map(|((who, variant), sum)| (Side::Used, *who, *variant, WHOLE_BPS, *sum));
    let held = counted.held.iter().map(|((who, variant, quality), sum)| (Side::Served, *who, *variant, *quality, *sum));
    let mut rows = Vec::with_capacity(counted.used.len() + counted.held.len());
    for (side, who, variant, quality_bps, sum) in used.chain(held) {
        let as_new = (MemberState::Newcomer, limit);
        let account = account::open(tx, AccountClass::Member, who.as_bytes(), as_new, now)?.account.no;
        let all = sum + u128::from(store::rest(tx, side, account, variant)?);
        let (units, rest) = (all / MB_HOUR, all % MB_HOUR);
        store::put_rest(tx, side, account, variant, u64::try_from(rest).unwrap_or(0))?;
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        rows.push(DueRow {
            resource: Resource::Storage,
            side,
            account,
            due: Due { variant, version, units, quality_bps },
        });
    }
    Ok(rows)
}
