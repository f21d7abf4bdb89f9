//! What was: events of a node, and minutes-on per hour.

use super::{EVENT_TEXT_MAX, EVENTS_MAX, PRESENCE_BLOCK, PRESENCE_ROWS};
use crate::access::store::{NAME_MAX, fits};
use crate::db::{DbError, Reader, StoreError, Tx, Value};
use model::{Alias, Stamp, errors};
use std::collections::BTreeMap;

/// Something that happened to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEvent {
    /// When.
    pub at: Stamp,
    /// Which kind, a constant word such as `quarantined`.
    pub kind: String,
    /// In words, at most [`EVENT_TEXT_MAX`] bytes.
    pub text: String,
}

/// Notes an event; of one node the newest [`EVENTS_MAX`] are kept.
pub fn add_event(tx: &mut Tx<'_>, alias: Alias, at: Stamp, kind: &str, text: &str) -> Result<(), StoreError> {
    fits("kind of event", kind, NAME_MAX)?;
    fits("text of event", text, EVENT_TEXT_MAX)?;
    let last = "SELECT coalesce(max(number), 0) FROM node_event WHERE alias = $1";
    let number: i64 = tx.query_opt(last, &[alias.into()], |row| row.get(0))?.unwrap_or(0) + 1;
    let note = "INSERT INTO node_event (alias, number, at, kind, text) VALUES ($1, $2, $3, $4, $5)";
    tx.execute(note, &[alias.into(), number.into(), at.into(), kind.into(), text.into()])?;
    let forget = "DELETE FROM node_event WHERE alias = $1 AND number <= $2";
    Ok(tx.execute(forget, &[alias.into(), (number - i64::from(EVENTS_MAX)).into()]).map(drop)?)
}

/// What happened to a node, newest first, at most `limit` and [`EVENTS_MAX`].
pub fn events(q: &mut Reader<'_>, alias: Alias, limit: u32) -> Result<Vec<NodeEvent>, DbError> {
    let sql = "SELECT at, kind, text FROM node_event WHERE alias = $1 ORDER BY number DESC LIMIT $2";
    q.query(sql, &[alias.into(), limit.min(EVENTS_MAX).into()], |row| {
        Ok(NodeEvent { at: row.get(0)?, kind: row.get(1)?, text: row.get(2)? })
    })
}

/// Minutes-on of a block of aliases in one hour: byte `i` belongs to alias `block × 1000 + i`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceHour {
    /// Hour since 1970.
    pub hour: u64,
    /// Which thousand aliases.
    pub block: u32,
    /// 0 to 60 each, at most [`PRESENCE_BLOCK`] of them.
    pub minutes: Vec<u8>,
}

/// Keeps minutes-on, in place of what was known of the same hour and block; of doubles in `rows` the last counts.
pub fn put_presence_hours(tx: &mut Tx<'_>, rows: &[PresenceHour]) -> Result<(), StoreError> {
    if rows.iter().any(|row| row.minutes.len() > PRESENCE_BLOCK as usize) {
        return Err(StoreError::refused(errors::TOO_LARGE, "a block of presence is longer than its aliases"));
    }
    // One statement must not touch a row twice.
    let single: BTreeMap<(u64, u32), &PresenceHour> = rows.iter().map(|row| ((row.hour, row.block), row)).collect();
    let single: Vec<&PresenceHour> = single.into_values().collect();
    for few in single.chunks(PRESENCE_ROWS) {
        let places: Vec<String> =
            (0..few.len()).map(|i| format!("(${}, ${}, ${})", 3 * i + 1, 3 * i + 2, 3 * i + 3)).collect();
        let sql = format!(
            "INSERT INTO presence_hour (hour, block, minutes) VALUES {} \
             ON CONFLICT (hour, block) DO UPDATE SET minutes = excluded.minutes",
            places.join(", ")
        );
        let params: Vec<Value<'_>> =
            few.iter().flat_map(|row| [row.hour.into(), row.block.into(), (&row.minutes).into()]).collect();
        tx.execute(&sql, &params)?;
    }
    Ok(())
}

/// Minutes-on of one block in the hours from `from` up to but not including `to`, in order of time.
pub fn presence_hours(q: &mut Reader<'_>, block: u32, from: u64, to: u64) -> Result<Vec<PresenceHour>, DbError> {
    let sql =
        "SELECT hour, block, minutes FROM presence_hour WHERE hour >= $1 AND hour < $2 AND block = $3 ORDER BY hour";
    q.query(sql, &[from.into(), to.into(), block.into()], |row| {
        Ok(PresenceHour { hour: row.get(0)?, block: row.get(1)?, minutes: row.get(2)? })
    })
}

/// Forgets the hours before `hour`; how many rows went.
pub fn forget_presence_before(tx: &mut Tx<'_>, hour: u64) -> Result<u64, DbError> {
    tx.execute("DELETE FROM presence_hour WHERE hour < $1", &[hour.into()])
}
