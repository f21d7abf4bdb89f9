//! Transfers and blocks, which are only added, and the signatures behind transfers.

use super::StoredBlock;
use crate::db::{DbError, Many, Reader, Row as DbRow, Tx, Value, int_as};
use crate::ledger::{Intent, PAGE_MAX};
use model::{AccountNo, Code, Stamp, TransferId, TransferKind};
use rules::ledger::Row;
use rules::ledger::chain::Block;
use rules::ledger::row::day_of;

const ROW: &str = "seq, id, kind, debit, credit, amount, code, hold, reference, expires_at, made_at";
const BLOCK: &str = "no, first_seq, last_seq, rows_root, prev, hash, made_at";

fn read(row: &DbRow<'_>) -> Result<Row, DbError> {
    let null = |column| DbError::Column { column, why: "it is null".to_owned() };
    let kind = int_as(row, 2, |n| u8::try_from(n).ok().and_then(TransferKind::from_number))?;
    let code = int_as(row, 6, |n| u16::try_from(n).ok().and_then(Code::from_number))?;
    let at: Stamp = row.get(10)?;
    Ok(Row {
        seq: row.get(0)?,
        id: row.get(1)?,
        kind: kind.ok_or_else(|| null(2))?,
        debit: row.get(3)?,
        credit: row.get(4)?,
        amount: row.get(5)?,
        code: code.ok_or_else(|| null(6))?,
        hold: row.get(7)?,
        reference: row.get(8)?,
        expires: row.get(9)?,
        day: day_of(at),
        at,
    })
}

fn read_block(row: &DbRow<'_>) -> Result<StoredBlock, DbError> {
    let block = Block {
        no: row.get(0)?,
        first_seq: row.get(1)?,
        last_seq: row.get(2)?,
        rows_root: row.get(3)?,
        prev: row.get(4)?,
        hash: row.get(5)?,
    };
    Ok(StoredBlock { block, at: row.get(6)? })
}

/// Rows made under these ids, in no order.
pub fn load(q: &mut Reader<'_>, ids: &[TransferId]) -> Result<Vec<Row>, DbError> {
    let before = format!("SELECT {ROW} FROM ledger_transfer WHERE id IN (");
    let rows: Vec<_> = ids.iter().map(|id| vec![Value::from(id)]).collect();
    q.query_many(&Many { before: &before, row: "$1", after: ")" }, &rows, read)
}

/// Rows after a place, in order, at most `limit` and [`PAGE_MAX`].
pub fn after(q: &mut Reader<'_>, seq: u64, limit: u32) -> Result<Vec<Row>, DbError> {
    let sql = format!("SELECT {ROW} FROM ledger_transfer WHERE seq > $1 ORDER BY seq LIMIT $2");
    q.query(&sql, &[seq.into(), limit.min(PAGE_MAX).into()], read)
}

/// Rows between two places, both included, in order, each with its place; nothing for one that cannot be read as a row.
pub fn between(q: &mut Reader<'_>, first: u64, last: u64) -> Result<Vec<(u64, Option<Row>)>, DbError> {
    let sql = format!("SELECT {ROW} FROM ledger_transfer WHERE seq >= $1 AND seq <= $2 ORDER BY seq");
    q.query(&sql, &[first.into(), last.into()], |row| Ok((row.get(0)?, read(row).ok())))
}

/// Rows an account is a side of, after a place, in order, at most `limit` and [`PAGE_MAX`].
pub fn lines(q: &mut Reader<'_>, account: AccountNo, seq: u64, limit: u32) -> Result<Vec<Row>, DbError> {
    let limit = limit.min(PAGE_MAX);
    let mut out = Vec::new();
    for side in ["debit", "credit"] {
        let sql = format!("SELECT {ROW} FROM ledger_transfer WHERE {side} = $1 AND seq > $2 ORDER BY seq LIMIT $3");
        out.extend(q.query(&sql, &[account.into(), seq.into(), limit.into()], read)?);
    }
    out.sort_by_key(|row| row.seq);
    out.truncate(limit as usize);
    Ok(out)
}

/// Rows an account is a side of, before a place, newest first, at most `limit` and [`PAGE_MAX`].
pub fn lines_before(q: &mut Reader<'_>, account: AccountNo, seq: u64, limit: u32) -> Result<Vec<Row>, DbError> {
    let limit = limit.min(PAGE_MAX);
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    let mut out = Vec::new();
    for side in ["debit", "credit"] {
        let sql =
            format!("SELECT {ROW} FROM ledger_transfer WHERE {side} = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3");
        out.extend(q.query(&sql, &[account.into(), seq.into(), limit.into()], read)?);
    }
    out.sort_by_key(|row| std::cmp::Reverse(row.seq));
    out.truncate(limit as usize);
    Ok(out)
}

/// Blocks after a number, in order, at most `limit` and [`PAGE_MAX`].
pub fn blocks(q: &mut Reader<'_>, no: u64, limit: u32) -> Result<Vec<StoredBlock>, DbError> {
    let sql = format!("SELECT {BLOCK} FROM ledger_block WHERE no > $1 ORDER BY no LIMIT $2");
    q.query(&sql, &[no.into(), limit.min(PAGE_MAX).into()], read_block)
}

/// The block a row stands in.
pub fn block_of(q: &mut Reader<'_>, seq: u64) -> Result<Option<StoredBlock>, DbError> {
    let sql = format!("SELECT {BLOCK} FROM ledger_block WHERE first_seq <= $1 ORDER BY first_seq DESC LIMIT 1");
    Ok(q.query_opt(&sql, &[seq.into()], read_block)?.filter(|found| found.block.last_seq >= seq))
}

/// The last block made before a moment; times of blocks never go back.
pub fn block_before(q: &mut Reader<'_>, at: Stamp) -> Result<Option<StoredBlock>, DbError> {
    let sql = format!("SELECT {BLOCK} FROM ledger_block WHERE made_at < $1 ORDER BY made_at DESC, no DESC LIMIT 1");
    q.query_opt(&sql, &[at.into()], read_block)
}

/// Adds rows.
pub(super) fn insert(tx: &mut Tx<'_>, rows: &[Row]) -> Result<(), DbError> {
    let before = format!("INSERT INTO ledger_transfer ({ROW}) VALUES");
    let many = Many { before: &before, row: "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", after: "" };
    let params: Vec<Vec<Value<'_>>> = rows.iter().map(params_of).collect();
    tx.execute_many(&many, &params).map(drop)
}

fn params_of(row: &Row) -> Vec<Value<'_>> {
    vec![
        row.seq.into(),
        (&row.id).into(),
        row.kind.number().into(),
        row.debit.into(),
        row.credit.into(),
        row.amount.into(),
        row.code.number().into(),
        row.hold.as_ref().into(),
        row.reference.as_ref().into(),
        row.expires.into(),
        row.at.into(),
    ]
}

/// Adds a block.
pub(super) fn insert_block(tx: &mut Tx<'_>, block: &Block, at: Stamp) -> Result<(), DbError> {
    let sql = format!("INSERT INTO ledger_block ({BLOCK}) VALUES ($1, $2, $3, $4, $5, $6, $7)");
    let params = [
        block.no.into(),
        block.first_seq.into(),
        block.last_seq.into(),
        (&block.rows_root).into(),
        (&block.prev).into(),
        (&block.hash).into(),
        at.into(),
    ];
    tx.execute(&sql, &params).map(drop)
}

/// Adds signatures.
pub(super) fn insert_intents(tx: &mut Tx<'_>, intents: &[Intent]) -> Result<(), DbError> {
    let before = "INSERT INTO ledger_intent (transfer, key, signature) VALUES";
    let params: Vec<Vec<Value<'_>>> = intents.iter().map(intent_params).collect();
    tx.execute_many(&Many { before, row: "($1, $2, $3)", after: "" }, &params).map(drop)
}

fn intent_params(intent: &Intent) -> Vec<Value<'_>> {
    vec![(&intent.transfer).into(), (&intent.key).into(), (&intent.signature).into()]
}

/// The signature behind a transfer.
pub fn intent(q: &mut Reader<'_>, transfer: TransferId) -> Result<Option<Intent>, DbError> {
    let sql = "SELECT key, signature FROM ledger_intent WHERE transfer = $1";
    q.query_opt(sql, &[(&transfer).into()], |row| Ok(Intent { transfer, key: row.get(0)?, signature: row.get(1)? }))
}
