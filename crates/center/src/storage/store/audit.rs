//! Rows of audits: what a node holds to be asked for, counts of what came of it, unanswered challenges, proofs.

use super::SegmentRow;
use crate::db::{DbError, Reader, Row, StoreError, Tx, Value};
use model::{Alias, PgId, Scheme, SegmentId, Stamp};
use wire::storage::AuditPick;

/// Proofs kept of one node; older ones go.
pub const PROOFS_MAX: u32 = 4;
/// Bytes of a stored pick.
const PICK_LEN: usize = 42;

/// A slot of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldSlot {
    /// The group.
    pub pg: PgId,
    /// Index of the slot.
    pub slot: u16,
    /// The group's code.
    pub scheme: Scheme,
    /// Next place of the group's log.
    pub next_seq: u64,
}

/// Slots of a node in the order of groups, at most `limit`.
pub fn slots_of(q: &mut Reader<'_>, alias: Alias, limit: u32) -> Result<Vec<HeldSlot>, DbError> {
    let sql = "SELECT l.pg, l.slot, p.k, p.m, p.o, p.slots, p.n_max, p.accept, p.next_seq FROM pg_slot l \
        JOIN pg p ON p.pg = l.pg WHERE l.alias = $1 ORDER BY l.pg, l.slot LIMIT $2";
    q.query(sql, &[alias.into(), limit.into()], |row| {
        let scheme = super::read_scheme(row, 2)?;
        Ok(HeldSlot { pg: PgId(row.get(0)?), slot: row.get(1)?, scheme, next_seq: row.get(8)? })
    })
}

/// Slots a node has.
pub fn slots_count(q: &mut Reader<'_>, alias: Alias) -> Result<u32, DbError> {
    let count =
        q.query_opt("SELECT count(*) FROM pg_slot WHERE alias = $1", &[alias.into()], |row| row.get::<i64>(0))?;
    Ok(count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0))
}

/// Segments of a group from a place on that are not dropped, in order, at most `limit`.
pub fn live(q: &mut Reader<'_>, pg: PgId, from: u64, limit: u32) -> Result<Vec<SegmentRow>, DbError> {
    let sql = "SELECT pg, seq, id, sealed_bytes, have FROM segment WHERE pg = $1 AND seq >= $2 AND refs >= 0 \
        ORDER BY seq LIMIT $3";
    q.query(sql, &[pg.0.into(), from.into(), limit.into()], super::read_segment)
}

/// The segment of a commitment in a group, where it is not dropped.
pub fn find(q: &mut Reader<'_>, pg: PgId, id: &SegmentId) -> Result<Option<SegmentRow>, DbError> {
    // The plus keeps SQLite from walking the group by its primary key.
    let sql = "SELECT pg, seq, id, sealed_bytes, have FROM segment WHERE substr(id, 1, 8) = $2 AND id = $3 AND +pg = $1 \
        AND refs >= 0";
    q.query_opt(sql, &[pg.0.into(), id.as_bytes()[..8].into(), id.as_bytes()[..].into()], super::read_segment)
}

/// What audits of a node came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditCounts {
    /// Slices it proved.
    pub proved: u64,
    /// Slices it said it does not hold, though it should.
    pub gone: u64,
    /// Slices whose bytes were wrong.
    pub wrong: u64,
    /// Challenges it never answered.
    pub silent: u64,
    /// Audits in which it proved all that it was asked for.
    pub passed: u64,
    /// Proofs of wrong bytes, by its own signature.
    pub proofs: u8,
    /// When it was audited last.
    pub at: Stamp,
}

/// What audits of a node came to; nothing where it was not audited yet.
pub fn counts(q: &mut Reader<'_>, alias: Alias) -> Result<Option<AuditCounts>, DbError> {
    let sql = "SELECT proved, gone, wrong, silent, proofs, audited_at, passed FROM node_audit WHERE alias = $1";
    q.query_opt(sql, &[alias.into()], |row| {
        let [proved, gone, wrong, silent] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        Ok(AuditCounts { proved, gone, wrong, silent, proofs: row.get(4)?, at: row.get(5)?, passed: row.get(6)? })
    })
}

/// Keeps what audits of a node came to, and its score.
pub fn keep(tx: &mut Tx<'_>, alias: Alias, counts: &AuditCounts, (alpha, beta): (u32, u32)) -> Result<(), DbError> {
    let sql = "INSERT INTO node_audit (alias, proved, gone, wrong, silent, proofs, audited_at, passed) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (alias) DO UPDATE SET proved = excluded.proved, \
        gone = excluded.gone, wrong = excluded.wrong, silent = excluded.silent, proofs = excluded.proofs, \
        audited_at = excluded.audited_at, passed = excluded.passed";
    let c = counts;
    let [proved, gone, wrong, silent, passed] = [c.proved, c.gone, c.wrong, c.silent, c.passed].map(Value::from);
    let params = [alias.into(), proved, gone, wrong, silent, c.proofs.into(), c.at.into(), passed];
    tx.execute(sql, &params)?;
    let sql = "UPDATE node SET alpha = $2, beta = $3 WHERE alias = $1";
    tx.execute(sql, &[alias.into(), alpha.into(), beta.into()]).map(drop)
}

/// A challenge that was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// Slices, asked for again.
    pub picks: Vec<AuditPick>,
    /// How often it was asked again.
    pub asked_again: u8,
    /// Not before then.
    pub at: Stamp,
}

/// Unanswered challenges with the times they are put again, at most `limit`.
pub fn agains(q: &mut Reader<'_>, after: Option<Alias>, limit: u32) -> Result<Vec<(Alias, u8, Stamp)>, DbError> {
    let sql = "SELECT alias, asked_again, ask_at FROM audit_again WHERE alias > $1 ORDER BY alias LIMIT $2";
    let after = after.map_or(-1, |alias| i64::from(alias.0));
    q.query(sql, &[after.into(), limit.into()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// The unanswered challenge of a node.
pub fn again(q: &mut Reader<'_>, alias: Alias) -> Result<Option<Again>, DbError> {
    let sql = "SELECT picks, asked_again, ask_at FROM audit_again WHERE alias = $1";
    q.query_opt(sql, &[alias.into()], |row| Ok(Again { picks: picks(row)?, asked_again: row.get(1)?, at: row.get(2)? }))
}

fn picks(row: &Row<'_>) -> Result<Vec<AuditPick>, DbError> {
    let bytes: Vec<u8> = row.get(0)?;
    let at = |pick: &[u8], from: usize| pick[from..from + 4].try_into().map(u32::from_le_bytes).expect("four bytes");
    let one = |pick: &[u8]| AuditPick {
        pg: PgId(at(pick, 0)),
        group: at(pick, 4),
        index: u16::from_le_bytes([pick[8], pick[9]]),
        segment: SegmentId(pick[10..PICK_LEN].try_into().expect("32 bytes")),
    };
    Ok(bytes.chunks_exact(PICK_LEN).map(one).collect())
}

/// Notes a challenge that was not answered, in place of the node's last.
pub fn put_again(tx: &mut Tx<'_>, alias: Alias, again: &Again) -> Result<(), DbError> {
    let mut bytes = Vec::with_capacity(again.picks.len() * PICK_LEN);
    for pick in &again.picks {
        bytes.extend_from_slice(&pick.pg.0.to_le_bytes());
        bytes.extend_from_slice(&pick.group.to_le_bytes());
        bytes.extend_from_slice(&pick.index.to_le_bytes());
        bytes.extend_from_slice(pick.segment.as_bytes());
    }
    let sql = "INSERT INTO audit_again (alias, picks, asked_again, ask_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (alias) DO UPDATE SET picks = excluded.picks, asked_again = excluded.asked_again, \
        ask_at = excluded.ask_at";
    tx.execute(sql, &[alias.into(), (&bytes).into(), again.asked_again.into(), again.at.into()]).map(drop)
}

/// The node's challenge was answered, or counted.
pub fn forget_again(tx: &mut Tx<'_>, alias: Alias) -> Result<(), DbError> {
    tx.execute("DELETE FROM audit_again WHERE alias = $1", &[alias.into()]).map(drop)
}

/// Proofs against a node, newest first.
pub fn proofs(q: &mut Reader<'_>, alias: Alias) -> Result<Vec<(Stamp, Vec<u8>)>, DbError> {
    let sql = "SELECT at, proof FROM audit_proof WHERE alias = $1 ORDER BY number DESC LIMIT $2";
    q.query(sql, &[alias.into(), PROOFS_MAX.into()], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Keeps a proof against a node; of one node the newest [`PROOFS_MAX`].
pub fn add_proof(tx: &mut Tx<'_>, alias: Alias, at: Stamp, proof: &[u8]) -> Result<(), StoreError> {
    let last = "SELECT coalesce(max(number), 0) FROM audit_proof WHERE alias = $1";
    let number: i64 = tx.query_opt(last, &[alias.into()], |row| row.get(0))?.unwrap_or(0) + 1;
    let sql = "INSERT INTO audit_proof (alias, number, at, proof) VALUES ($1, $2, $3, $4)";
    tx.execute(sql, &[alias.into(), number.into(), at.into(), proof.into()])?;
    let sql = "DELETE FROM audit_proof WHERE alias = $1 AND number <= $2";
    Ok(tx.execute(sql, &[alias.into(), (number - i64::from(PROOFS_MAX)).into()]).map(drop)?)
}
