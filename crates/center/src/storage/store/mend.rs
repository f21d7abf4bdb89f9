//! Rows of repair: which groups there are to be judged, slots that are added to them, and how far their segments are marked.

use super::regive::{self, Regive};
use super::{PgRow, thin, with_slots};
use crate::db::{DbError, Reader, StoreError, Tx};
use model::{Alias, Class, PgId, errors};

/// A group with what its new slots must keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuledPg {
    /// The group.
    pub row: PgRow,
    /// Class of its buckets.
    pub class: Class,
    /// Where its pieces may stand, as a bucket's row has it.
    pub regions: String,
    /// And in at least so many countries.
    pub regions_min: u16,
    /// Indexes on their way to another holder.
    pub regives: Vec<Regive>,
    /// Some of its segments lack pieces, or are to be marked so.
    pub is_mending: bool,
}

/// Groups with segments that are not dropped, after one of them, at most `limit`.
pub fn groups(q: &mut Reader<'_>, after: Option<PgId>, limit: u32) -> Result<Vec<RuledPg>, DbError> {
    let sql = "SELECT pg, k, m, o, slots, n_max, accept, generation, next_seq, is_open, class, regions, regions_min FROM pg \
        WHERE pg > $1 AND EXISTS (SELECT 1 FROM segment s WHERE s.pg = pg.pg AND s.refs >= 0) ORDER BY pg LIMIT $2";
    let after = after.map_or(-1, |pg| i64::from(pg.0));
    let found = q.query(sql, &[after.into(), limit.into()], |row| {
        let class = Class::from_code(row.get(10)?).unwrap_or_default();
        Ok(RuledPg {
            row: super::read_pg(row)?,
            class,
            regions: row.get(11)?,
            regions_min: row.get(12)?,
            regives: Vec::new(),
            is_mending: false,
        })
    })?;
    let whole = |pg: RuledPg| {
        let regives = regive::of_group(q, pg.row.pg)?;
        let is_mending = is_mending(q, pg.row.pg)?;
        Ok(RuledPg { row: with_slots(q, pg.row)?, regives, is_mending, ..pg })
    };
    found.into_iter().map(whole).collect()
}

/// Whether segments of a group lack pieces, or are to be marked so.
pub fn is_mending(q: &mut Reader<'_>, pg: PgId) -> Result<bool, DbError> {
    let sql = "SELECT pg FROM pg WHERE pg = $1 AND (EXISTS (SELECT 1 FROM pg_mend m WHERE m.pg = pg.pg) OR \
        EXISTS (SELECT 1 FROM segment_thin t WHERE t.pg = pg.pg))";
    Ok(q.query_opt(sql, &[pg.0.into()], |row| row.get::<u32>(0))?.is_some())
}

/// One group, where it has segments that are not dropped.
pub fn group(q: &mut Reader<'_>, pg: PgId) -> Result<Option<RuledPg>, DbError> {
    let before = pg.0.checked_sub(1).map(PgId);
    Ok(groups(q, before, 1)?.pop().filter(|group| group.row.pg == pg))
}

/// Adds slots to a group of this generation, which becomes the next one's; its segments are to be marked from the first on. An
/// index that was given before begins its way to its new holder. What was begun; nothing where another center process changed the
/// group meanwhile.
///
/// # Errors
/// E0315 where a new index is not the next one of the group.
pub fn add_slots(tx: &mut Tx<'_>, group: &PgRow, added: &[(u16, Alias)]) -> Result<Vec<(u16, Alias)>, StoreError> {
    let sql = "UPDATE pg SET generation = generation WHERE pg = $1 AND generation = $2";
    if tx.execute(sql, &[group.pg.0.into(), group.generation.into()])? == 0 {
        return Ok(Vec::new());
    }
    let (again, new): (Vec<_>, Vec<_>) =
        added.iter().copied().partition(|(index, _)| usize::from(*index) < group.slots.len());
    let mut begun = Vec::with_capacity(added.len());
    for (index, to) in again {
        let from = group.slots[usize::from(index)];
        if regive::begin(tx, &Regive { pg: group.pg, slot: index, from, to, next_seq: 0 })? {
            begun.push((index, to));
        }
    }
    if new.is_empty() {
        return Ok(begun);
    }
    begun.extend(new.iter().copied());
    tx.execute("UPDATE pg SET generation = generation + 1 WHERE pg = $1", &[group.pg.0.into()])?;
    for ((index, alias), next) in new.into_iter().zip(group.slots.len()..) {
        if usize::from(index) != next {
            return Err(StoreError::refused(errors::LEASE_STALE, format!("slot {index}")));
        }
        let sql = "INSERT INTO pg_slot (pg, slot, alias) VALUES ($1, $2, $3)";
        tx.execute(sql, &[group.pg.0.into(), index.into(), alias.0.into()])?;
    }
    let sql = "INSERT INTO pg_mend (pg, next_seq) VALUES ($1, 0) ON CONFLICT (pg) DO UPDATE SET next_seq = 0";
    tx.execute(sql, &[group.pg.0.into()])?;
    Ok(begun)
}

/// Groups whose segments are to be marked, at most `limit`.
pub fn mending(q: &mut Reader<'_>, limit: u32) -> Result<Vec<PgId>, DbError> {
    q.query("SELECT pg FROM pg_mend ORDER BY pg LIMIT $1", &[limit.into()], |row| Ok(PgId(row.get(0)?)))
}

/// The place from which on a group's segments are to be marked; nothing where all are.
pub fn mending_of(q: &mut Reader<'_>, pg: PgId) -> Result<Option<u64>, DbError> {
    q.query_opt("SELECT next_seq FROM pg_mend WHERE pg = $1", &[pg.0.into()], |row| row.get(0))
}

/// Marks up to `limit` segments of a group from a place on as lacking pieces; true when that was the last of them.
pub fn mark(tx: &mut Tx<'_>, pg: PgId, from: u64, limit: u32) -> Result<bool, DbError> {
    let sql = "SELECT seq FROM segment WHERE pg = $1 AND seq >= $2 AND refs >= 0 ORDER BY seq LIMIT $3";
    let seqs: Vec<u64> = tx.query(sql, &[pg.0.into(), from.into(), limit.into()], |row| row.get(0))?;
    seqs.iter().try_for_each(|seq| thin::mark(tx, pg, *seq))?;
    let is_last = seqs.len() < limit as usize;
    if is_last {
        tx.execute("DELETE FROM pg_mend WHERE pg = $1 AND next_seq = $2", &[pg.0.into(), from.into()])?;
    } else {
        let next = seqs.last().map_or(from, |last| last + 1);
        let sql = "UPDATE pg_mend SET next_seq = $3 WHERE pg = $1 AND next_seq = $2";
        tx.execute(sql, &[pg.0.into(), from.into(), next.into()])?;
    }
    Ok(is_last)
}
