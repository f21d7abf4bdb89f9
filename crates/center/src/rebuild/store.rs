//! Rows of what is told again.

use crate::access::store as access;
use crate::db::{DbError, Reader, StoreError, Tx, Value};
use crate::fleet::store::{self as nodes, MeasuredRow, NewNode, Standing};
use crate::found::META_FOUNDER;
use crate::storage::store::thin;
use model::{Alias, Arch, Bytes, Class, MemberId, NodeId, Os, PgId, RegionEvidence, Scheme, SegmentId, Stamp, errors};
use wire::storage::{Locator, SegmentRun};

/// Key of the node that stands in slots whose holders did not come back yet: nobody's.
pub const ABSENT: NodeId = NodeId([0; 32]);
/// Its name.
const ABSENT_NAME: &str = "not-back-yet";
/// The group of segments that nobody has any more.
const LOST_GROUP: PgId = PgId(0);

/// Groups that are made from now on have numbers after this one.
pub fn groups_from(tx: &mut Tx<'_>, last: PgId) -> Result<(), DbError> {
    tx.execute("UPDATE counter SET value = $1 WHERE name = 'pg' AND value < $1", &[last.0.into()]).map(drop)
}

/// Places a node holds in groups, at most `limit`.
pub fn slots_of(q: &mut Reader<'_>, alias: Alias, limit: u32) -> Result<Vec<(PgId, u16)>, DbError> {
    let sql = "SELECT pg, slot FROM pg_slot WHERE alias = $1 ORDER BY pg DESC, slot LIMIT $2";
    q.query(sql, &[alias.0.into(), limit.into()], |row| Ok((PgId(row.get(0)?), row.get(1)?)))
}

/// The center once gave a place to a node.
pub fn claim(tx: &mut Tx<'_>, pg: PgId, slot: u16, alias: Alias, at: Stamp) -> Result<(), DbError> {
    let sql = "INSERT INTO slot_claim (pg, slot, alias, vouched_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (pg, slot, alias) DO UPDATE SET vouched_at = excluded.vouched_at";
    tx.execute(sql, &[pg.0.into(), slot.into(), alias.0.into(), at.into()]).map(drop)
}

/// When the center said so last.
pub fn vouched_at(q: &mut Reader<'_>, pg: PgId, slot: u16, alias: Alias) -> Result<Option<Stamp>, DbError> {
    let sql = "SELECT vouched_at FROM slot_claim WHERE pg = $1 AND slot = $2 AND alias = $3";
    q.query_opt(sql, &[pg.0.into(), slot.into(), alias.0.into()], |row| row.get(0))
}

/// The node that stands in slots of who is not back yet, and where it was made just now, for whom.
fn absent(tx: &mut Tx<'_>, now: Stamp) -> Result<(Alias, Option<(Alias, MemberId)>), StoreError> {
    if let Some(row) = nodes::node_by_id(tx, &ABSENT)? {
        return Ok((row.alias, None));
    }
    let founder = crate::db::meta::get(tx, META_FOUNDER)?.and_then(|bytes| MemberId::from_slice(&bytes));
    let owner = match founder {
        Some(founder) => founder,
        None => access::list_members(tx, None, 1)?.first().map(|member| member.id).unwrap_or(MemberId([0; 16])),
    };
    let row = NewNode {
        id: ABSENT,
        owner,
        name: ABSENT_NAME.to_owned(),
        region: None,
        evidence: RegionEvidence::Unknown,
        declared: None,
        os: Os::Linux,
        arch: Arch::X86_64,
        as_number: None,
        net_prefix: None,
        version: 0,
        lent: Bytes(0),
        accepts: 0,
        capabilities: 0,
        alpha: crate::fleet::ALPHA_START,
        beta: 0,
        joined_at: now,
        binding: Vec::new(),
        measured: MeasuredRow::default(),
    };
    let alias = nodes::insert_node(tx, &row)?;
    nodes::set_standing(tx, alias, Standing::Left, None, None)?;
    Ok((alias, Some((alias, owner))))
}

/// A group that is there, and a slot of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Slots it has.
    pub slots: usize,
    /// The stand-in for who is not back yet, where it was made just now, and for whom.
    pub made: Option<(Alias, MemberId)>,
}

/// Makes a group that is not there, and its slots up to one of them, which is a node's; those before it whose holders did not
/// tell yet are the stand-in's. None where the group is there with another code.
pub fn hold_group(
    tx: &mut Tx<'_>,
    pg: PgId,
    scheme: &Scheme,
    (index, alias): (u16, Alias),
    now: Stamp,
) -> Result<Option<Held>, StoreError> {
    let slots = match crate::storage::store::pg(tx, pg)? {
        Some(row) if row.scheme != *scheme => return Ok(None),
        Some(row) => row.slots.len(),
        None => {
            let s = scheme;
            let numbers = [s.k, s.m, s.o, s.slots, s.n_max, s.accept].map(Value::from);
            let values: Vec<Value<'_>> = std::iter::once(pg.0.into()).chain(numbers).collect();
            let sql = "INSERT INTO pg (pg, k, m, o, slots, n_max, accept, generation, next_seq, is_open, class, regions, \
                regions_min) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, 1, 0, 1, '', 0)";
            tx.execute(sql, &values)?;
            0
        }
    };
    let mut made = None;
    for slot in slots..=usize::from(index) {
        let holder = if slot == usize::from(index) {
            alias
        } else {
            let (absent, new) = absent(tx, now)?;
            made = made.or(new);
            absent
        };
        let slot = u16::try_from(slot).unwrap_or(u16::MAX);
        let sql = "INSERT INTO pg_slot (pg, slot, alias) VALUES ($1, $2, $3)";
        tx.execute(sql, &[pg.0.into(), slot.into(), holder.0.into()])?;
    }
    Ok(Some(Held { slots: slots.max(usize::from(index) + 1), made }))
}

/// Who holds a slot; none where the stand-in does.
pub fn holder(q: &mut Reader<'_>, pg: PgId, slot: u16) -> Result<Option<Alias>, DbError> {
    let sql = "SELECT s.alias FROM pg_slot s JOIN node n ON n.alias = s.alias \
        WHERE s.pg = $1 AND s.slot = $2 AND n.node_id <> $3";
    q.query_opt(sql, &[pg.0.into(), slot.into(), (&ABSENT).into()], |row| Ok(Alias(row.get(0)?)))
}

/// Gives a slot to a node: the group is another one from now on.
pub fn give(tx: &mut Tx<'_>, pg: PgId, slot: u16, alias: Alias) -> Result<(), DbError> {
    let sql = "UPDATE pg_slot SET alias = $3 WHERE pg = $1 AND slot = $2";
    tx.execute(sql, &[pg.0.into(), slot.into(), alias.0.into()])?;
    tx.execute("UPDATE pg SET generation = generation + 1 WHERE pg = $1", &[pg.0.into()]).map(drop)
}

/// Pieces at a slot count no more.
pub fn clear(tx: &mut Tx<'_>, pg: PgId, slot: u16) -> Result<(), DbError> {
    let rows = tx.query("SELECT seq, have FROM segment WHERE pg = $1", &[pg.0.into()], |row| {
        Ok((row.get::<u64>(0)?, row.get::<Vec<u8>>(1)?))
    })?;
    for (seq, mut have) in rows {
        let Some(byte) = have.get_mut(usize::from(slot / 8)).filter(|byte| **byte & (1 << (slot % 8)) != 0) else {
            continue;
        };
        *byte &= !(1 << (slot % 8));
        let sql = "UPDATE segment SET have = $3 WHERE pg = $1 AND seq = $2";
        tx.execute(sql, &[pg.0.into(), seq.into(), (&have).into()])?;
        thin::mark(tx, pg, seq)?;
    }
    Ok(())
}

/// A node holds the piece of a segment at its slot: the segment is there from now on, named by nobody yet, and kept until `hold`.
/// What was dropped stays so.
pub fn tell(
    tx: &mut Tx<'_>,
    (pg, index): (PgId, u16),
    (id, sealed_bytes): (&SegmentId, u64),
    slots: usize,
    hold: Stamp,
) -> Result<(), StoreError> {
    let mut have = vec![0u8; slots.div_ceil(8)];
    have[usize::from(index / 8)] |= 1 << (index % 8);
    let sql = "SELECT seq, have, refs FROM segment WHERE substr(id, 1, 8) = $2 AND id = $3 AND +pg = $1";
    let key = [pg.0.into(), id.as_bytes()[..8].into(), id.as_bytes()[..].into()];
    let known = tx.query_opt(sql, &key, |row| Ok((row.get::<u64>(0)?, row.get::<Vec<u8>>(1)?, row.get::<i64>(2)?)))?;
    let seq = match known {
        Some((_, _, refs)) if refs < 0 => return Ok(()),
        Some((seq, before, _)) => {
            have = crate::storage::store::join(&before, &have);
            let sql = "UPDATE segment SET have = $3 WHERE pg = $1 AND seq = $2";
            tx.execute(sql, &[pg.0.into(), seq.into(), (&have).into()])?;
            seq
        }
        None => {
            let seq = crate::storage::store::log::take_places(tx, pg, 1, false)?;
            let seq = seq.ok_or_else(|| StoreError::refused(errors::LEASE_STALE, pg.to_string()))?;
            let values: [Value<'_>; 6] =
                [pg.0.into(), seq.into(), id.as_bytes()[..].into(), sealed_bytes.into(), (&have).into(), hold.into()];
            let sql = "INSERT INTO segment (pg, seq, id, sealed_bytes, have, bucket, refs, kept_at) \
                VALUES ($1, $2, $3, $4, $5, 0, 0, $6)";
            tx.execute(sql, &values)?;
            seq
        }
    };
    let count: u32 = have.iter().map(|byte| byte.count_ones()).sum();
    if count as usize >= slots {
        thin::settle(tx, pg, seq)?
    } else {
        thin::mark(tx, pg, seq)?
    }
    Ok(())
}

/// A node said that it holds pieces which show a locator.
pub fn locate(tx: &mut Tx<'_>, locator: &Locator, alias: Alias) -> Result<(), DbError> {
    let sql = "INSERT INTO located (locator, alias) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    tx.execute(sql, &[locator.into(), alias.0.into()]).map(drop)
}

/// Who said so, at most `limit`.
pub fn located(q: &mut Reader<'_>, locator: &Locator, limit: u32) -> Result<Vec<Alias>, DbError> {
    let sql = "SELECT alias FROM located WHERE locator = $1 ORDER BY alias LIMIT $2";
    q.query(sql, &[locator.into(), limit.into()], |row| Ok(Alias(row.get(0)?)))
}

/// Where a segment stands, found by its commitment alone; one with holders before one without.
pub fn find_segment(q: &mut Reader<'_>, id: &SegmentId) -> Result<Option<(PgId, u64)>, DbError> {
    let sql =
        "SELECT pg, seq FROM segment WHERE substr(id, 1, 8) = $1 AND id = $2 AND refs >= 0 ORDER BY pg DESC LIMIT 1";
    let key = [id.as_bytes()[..8].into(), id.as_bytes()[..].into()];
    q.query_opt(sql, &key, |row| Ok((PgId(row.get(0)?), row.get(1)?)))
}

/// One more version names the segments of a run, which become its bucket's where they are nobody's; how many, and their sealed
/// bytes.
pub fn adopt(tx: &mut Tx<'_>, bucket: u32, run: &SegmentRun) -> Result<(u32, u64), StoreError> {
    let end = run.seq.saturating_add(u64::from(run.count));
    let range = [run.pg.0.into(), run.seq.into(), end.into(), bucket.into()];
    let sql = "UPDATE segment SET refs = refs + 1, bucket = CASE WHEN bucket = 0 THEN CAST($4 AS BIGINT) ELSE bucket END \
        WHERE pg = $1 AND seq >= $2 AND seq < $3 AND refs >= 0";
    tx.execute(sql, &range)?;
    let sql = "SELECT count(*), CAST(coalesce(sum(sealed_bytes), 0) AS BIGINT) FROM segment \
        WHERE pg = $1 AND seq >= $2 AND seq < $3 AND refs > 0";
    let found = tx.query_opt(sql, &range[..3], |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)))?.unwrap_or((0, 0));
    Ok((u32::try_from(found.0).unwrap_or(u32::MAX), u64::try_from(found.1).unwrap_or(0)))
}

/// A group that was told of has the class and the region rule of the bucket whose segments it holds: as one group has only one,
/// the first bucket that is told again says it.
pub fn rule(tx: &mut Tx<'_>, pg: PgId, class: Class, regions: &str, regions_min: u16) -> Result<(), DbError> {
    let sql = "UPDATE pg SET class = $2, regions = $3, regions_min = $4 \
        WHERE pg = $1 AND is_open = 0 AND class = 1 AND regions = '' AND regions_min = 0";
    tx.execute(sql, &[pg.0.into(), class.code().into(), regions.into(), regions_min.into()]).map(drop)
}

/// A segment that nobody has any more, so that who reads it hears `0 of 1 pieces`.
pub fn insert_lost(tx: &mut Tx<'_>, id: &SegmentId, now: Stamp) -> Result<SegmentRun, StoreError> {
    let (absent, _) = absent(tx, now)?;
    let scheme = Scheme { k: 1, m: 1, o: 1, slots: 1, n_max: 1, accept: 1 };
    hold_group(tx, LOST_GROUP, &scheme, (0, absent), now)?;
    let seq = crate::storage::store::log::take_places(tx, LOST_GROUP, 1, false)?;
    let seq = seq.ok_or_else(|| StoreError::refused(errors::LEASE_STALE, LOST_GROUP.to_string()))?;
    let values: [Value<'_>; 5] =
        [LOST_GROUP.0.into(), seq.into(), id.as_bytes()[..].into(), [0u8; 1][..].into(), now.into()];
    let sql = "INSERT INTO segment (pg, seq, id, sealed_bytes, have, bucket, refs, kept_at) \
        VALUES ($1, $2, $3, 1, $4, 0, 0, $5)";
    tx.execute(sql, &values)?;
    Ok(SegmentRun { pg: LOST_GROUP, seq, count: 1 })
}
