//! Rows of accounts, their device logs, the wraps a phrase opens, and grants.

use super::{DeviceRow, fits, insert_device};
use crate::db::{DbError, Reader, StoreError, Tx};
use model::{AccountId, BucketId, DeviceId, MemberId, Stamp, errors};
use wire::account::{GrantLine, GrantNote};
use wire::limits::GRANTS_MAX;
use wire::signed::device_log::LOG_MAX;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Which.
    pub id: AccountId,
    /// Whose.
    pub member: MemberId,
    /// Its sealed keys.
    pub keybag: Vec<u8>,
}

/// Adds an account; one that exists, or a second one of a member, is [`DbError::Duplicate`].
pub fn insert(tx: &mut Tx<'_>, row: &AccountRow, now: Stamp) -> Result<(), DbError> {
    let sql = "INSERT INTO account (id, member, keybag, made_at) VALUES ($1, $2, $3, $4)";
    let id = row.id.as_bytes();
    tx.execute(sql, &[id.into(), (&row.member).into(), (&row.keybag).into(), now.into()]).map(drop)
}

const ACCOUNT: &str = "SELECT id, member, keybag FROM account WHERE";

fn read(row: &crate::db::Row<'_>) -> Result<AccountRow, DbError> {
    Ok(AccountRow { id: AccountId(row.get(0)?), member: row.get(1)?, keybag: row.get(2)? })
}

/// The account of a member.
pub fn of_member(q: &mut Reader<'_>, member: &MemberId) -> Result<Option<AccountRow>, DbError> {
    q.query_opt(&format!("{ACCOUNT} member = $1"), &[member.into()], read)
}

/// An account by its id.
pub fn find(q: &mut Reader<'_>, id: &AccountId) -> Result<Option<AccountRow>, DbError> {
    q.query_opt(&format!("{ACCOUNT} id = $1"), &[id.as_bytes().into()], read)
}

/// Appends the next entry of a log; one that is there already is [`DbError::Duplicate`].
pub fn push_entry(tx: &mut Tx<'_>, account: &AccountId, seq: u64, entry: &[u8]) -> Result<(), DbError> {
    let sql = "INSERT INTO device_log (account, seq, entry) VALUES ($1, $2, $3)";
    tx.execute(sql, &[account.as_bytes().into(), seq.into(), entry.into()]).map(drop)
}

/// A whole log, in order.
pub fn entries(q: &mut Reader<'_>, account: &AccountId) -> Result<Vec<Vec<u8>>, DbError> {
    let sql = "SELECT entry FROM device_log WHERE account = $1 ORDER BY seq LIMIT $2";
    let limit = u32::try_from(LOG_MAX).unwrap_or(u32::MAX);
    q.query(sql, &[account.as_bytes().into(), limit.into()], |row| row.get(0))
}

/// A device of a member, as the log says: added, or with other rights. Refuses one of another member (E0210).
pub fn set_device(tx: &mut Tx<'_>, device: &DeviceRow, rights: u16) -> Result<(), StoreError> {
    fits("device name", &device.name, super::NAME_MAX)?;
    match super::device(tx, &device.id)? {
        Some(there) if there.member != device.member => {
            return Err(StoreError::refused(errors::OWNER_BLOCKED, "this machine is another member's: pumasi leave"));
        }
        Some(_) => drop(super::rename_device(tx, &device.id, &device.name)?),
        None => insert_device(tx, device)?,
    }
    let sql = "UPDATE device SET rights = $2 WHERE id = $1";
    Ok(tx.execute(sql, &[(&device.id).into(), rights.into()]).map(drop)?)
}

/// Removes a device of a member for good; false when it is no device of theirs, or was removed before.
pub fn end_device(tx: &mut Tx<'_>, member: &MemberId, id: &DeviceId, at: Stamp) -> Result<bool, DbError> {
    let sql = "UPDATE device SET removed_at = $3 WHERE id = $1 AND member = $2 AND removed_at IS NULL";
    Ok(tx.execute(sql, &[id.into(), member.into(), at.into()])? == 1)
}

/// Rights of a device that is there.
pub fn rights(q: &mut Reader<'_>, id: &DeviceId) -> Result<Option<(MemberId, u16)>, DbError> {
    let sql = "SELECT member, rights FROM device WHERE id = $1 AND removed_at IS NULL";
    q.query_opt(sql, &[id.into()], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Puts the wrap of an account at a locator, in the place of the one before.
pub fn put_slot(
    tx: &mut Tx<'_>,
    account: &AccountId,
    locator: &[u8; 16],
    wrap: &[u8],
    now: Stamp,
) -> Result<(), DbError> {
    tx.execute("DELETE FROM slot WHERE account = $1", &[account.as_bytes().into()])?;
    let sql = "INSERT INTO slot (locator, account, wrap, made_at) VALUES ($1, $2, $3, $4)";
    tx.execute(sql, &[locator.into(), account.as_bytes().into(), wrap.into(), now.into()]).map(drop)
}

/// What stands at a locator: account and wrap.
pub fn slot(q: &mut Reader<'_>, locator: &[u8; 16]) -> Result<Option<(AccountId, Vec<u8>)>, DbError> {
    let sql = "SELECT account, wrap FROM slot WHERE locator = $1";
    q.query_opt(sql, &[locator.into()], |row| Ok((AccountId(row.get(0)?), row.get(1)?)))
}

/// Locator of a phrase, and the root it wraps.
pub type Slot = ([u8; 16], Vec<u8>);

/// Locator and wrap of an account's phrase.
pub fn slot_of(q: &mut Reader<'_>, account: &AccountId) -> Result<Option<Slot>, DbError> {
    let sql = "SELECT locator, wrap FROM slot WHERE account = $1";
    q.query_opt(sql, &[account.as_bytes().into()], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// When an account's phrase was issued.
pub fn slot_at(q: &mut Reader<'_>, account: &AccountId) -> Result<Option<Stamp>, DbError> {
    let sql = "SELECT made_at FROM slot WHERE account = $1";
    q.query_opt(sql, &[account.as_bytes().into()], |row| row.get(0))
}

/// Notes a grant; the same again changes nothing. Refuses more than [`GRANTS_MAX`] that are not over (E0013).
pub fn note_grant(tx: &mut Tx<'_>, member: &MemberId, note: &GrantNote, now: Stamp) -> Result<(), StoreError> {
    // What is over and was not revoked is of no use to anybody.
    let sql = "DELETE FROM grant_given WHERE member = $1 AND not_after < $2";
    tx.execute(sql, &[member.into(), now.into()])?;
    let sql = "SELECT count(*) FROM grant_given WHERE member = $1 AND revoked_at IS NULL";
    let count = tx.query_opt(sql, &[member.into()], |row| row.get::<i64>(0))?.unwrap_or(0);
    if count >= GRANTS_MAX as i64 {
        return Err(StoreError::refused(errors::TOO_LARGE, format!("{count} grants are out; revoke some")));
    }
    let sql = "INSERT INTO grant_given (id, member, bucket, note, not_after, given_at) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (id) DO NOTHING";
    let bucket = note.bucket.as_bytes();
    let (id, text, until) = ((&note.id).into(), (&note.note).into(), note.not_after.into());
    Ok(tx.execute(sql, &[id, member.into(), bucket.into(), text, until, now.into()]).map(drop)?)
}

/// Grants of a member, the newest first.
pub fn grants(q: &mut Reader<'_>, member: &MemberId) -> Result<Vec<GrantLine>, DbError> {
    let sql = "SELECT id, bucket, note, not_after, given_at, revoked_at FROM grant_given WHERE member = $1 \
        ORDER BY given_at DESC, id LIMIT $2";
    let limit = u32::try_from(GRANTS_MAX).unwrap_or(u32::MAX);
    q.query(sql, &[member.into(), limit.into()], |row| {
        let (id, bucket, note, not_after) = (row.get(0)?, BucketId(row.get(1)?), row.get(2)?, row.get(3)?);
        Ok(GrantLine { note: GrantNote { id, bucket, note, not_after }, at: row.get(4)?, revoked: row.get(5)? })
    })
}

/// Ends a grant of a member's; false when there is none of theirs.
pub fn revoke_grant(tx: &mut Tx<'_>, member: &MemberId, id: &[u8; 16], now: Stamp) -> Result<bool, DbError> {
    let sql = "UPDATE grant_given SET revoked_at = $3 WHERE id = $1 AND member = $2 AND revoked_at IS NULL";
    Ok(tx.execute(sql, &[id.into(), member.into(), now.into()])? == 1)
}

/// When a grant was revoked, by the id of one of its blocks.
pub fn revoked(q: &mut Reader<'_>, id: &[u8; 16]) -> Result<Option<Stamp>, DbError> {
    let sql = "SELECT revoked_at FROM grant_given WHERE id = $1 AND revoked_at IS NOT NULL";
    q.query_opt(sql, &[id.into()], |row| row.get(0))
}
