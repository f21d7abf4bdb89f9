//! What each node held when it was counted last, and the most it held of late.

use crate::db::{DbError, Reader, Tx};
use model::{Alias, Stamp};
use rules::ledger::proved::Held;
use std::collections::BTreeMap;

/// What is kept of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeHeld {
    /// What it held.
    pub held: Held,
    /// Repair gave a place of it to another while it was away, and it was not seen since.
    pub is_taken: bool,
}

/// What is kept of the nodes from one alias on, up to another, which is not among them.
pub fn between(q: &mut Reader<'_>, from: Alias, to: Alias) -> Result<BTreeMap<Alias, NodeHeld>, DbError> {
    let sql = "SELECT alias, held_mb, most_mb, most_at, is_taken FROM ledger_node WHERE alias >= $1 AND alias < $2";
    let rows = q.query(sql, &[from.into(), to.into()], |row| {
        let held = Held { mb: row.get(1)?, most_mb: row.get(2)?, most_at: row.get(3)? };
        Ok((row.get(0)?, NodeHeld { held, is_taken: row.get(4)? }))
    })?;
    Ok(rows.into_iter().collect())
}

/// What is kept of a node.
pub fn of(q: &mut Reader<'_>, alias: Alias) -> Result<NodeHeld, DbError> {
    let found = between(q, alias, Alias(alias.0.saturating_add(1)))?;
    Ok(found.get(&alias).copied().unwrap_or_default())
}

/// Keeps what a node held.
pub fn put(tx: &mut Tx<'_>, alias: Alias, held: &Held) -> Result<(), DbError> {
    let sql = "INSERT INTO ledger_node (alias, held_mb, most_mb, most_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (alias) DO UPDATE SET held_mb = excluded.held_mb, most_mb = excluded.most_mb, most_at = excluded.most_at";
    tx.execute(sql, &[alias.into(), held.mb.into(), held.most_mb.into(), held.most_at.into()]).map(drop)
}

/// A node lost what it held: nothing of it is proved any more.
pub fn forget_most(tx: &mut Tx<'_>, alias: Alias) -> Result<(), DbError> {
    tx.execute("UPDATE ledger_node SET most_mb = 0 WHERE alias = $1", &[alias.into()]).map(drop)
}

/// Notes that a place of a node was given to another while it was away, or that it is seen again.
pub fn set_taken(tx: &mut Tx<'_>, alias: Alias, is_taken: bool) -> Result<(), DbError> {
    let sql = "INSERT INTO ledger_node (alias, held_mb, most_mb, most_at, is_taken) VALUES ($1, 0, 0, $2, $3) \
        ON CONFLICT (alias) DO UPDATE SET is_taken = excluded.is_taken";
    tx.execute(sql, &[alias.into(), Stamp(0).into(), is_taken.into()]).map(drop)
}
