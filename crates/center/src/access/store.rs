//! Members, their devices, tickets and their uses: rows and the statements that move them.

pub mod account;

use crate::db::{DbError, Many, Reader, Row, StoreError, Tx, Value, stored_words};
use model::{Credits, DeviceId, MemberId, Roles, Stamp, TicketId, errors};
use rules::access::admit::TicketFacts;
use std::collections::BTreeMap;

/// Longest name of a member, device, ticket or node in bytes.
pub const NAME_MAX: usize = 64;
/// Longest reason in bytes.
pub const WHY_MAX: usize = 256;
/// Rows of one page.
pub const PAGE_MAX: u32 = 1_000;

/// Whether a member may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberState {
    /// May act.
    Active = 0,
    /// May not, until the operator says so.
    Frozen = 1,
}

impl MemberState {
    /// The stored number.
    pub const fn code(self) -> u8 {
        self as u8
    }
    /// Reads the stored number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Active),
            1 => Some(Self::Frozen),
            _ => None,
        }
    }
}

stored_words!(MemberState);

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Who.
    pub id: MemberId,
    /// As they are called, at most [`NAME_MAX`] bytes.
    pub name: String,
    /// What they may do.
    pub roles: Roles,
    /// Whether they may act.
    pub state: MemberState,
    /// Why frozen.
    pub frozen_why: Option<String>,
    /// Since when.
    pub created_at: Stamp,
    /// Whose ticket brought them; none for the first.
    pub invited_by: Option<MemberId>,
}

const MEMBER: &str = "id, name, roles, state, frozen_why, created_at, invited_by";

fn member_row(row: &Row<'_>) -> Result<MemberRow, DbError> {
    Ok(MemberRow {
        id: row.get(0)?,
        name: row.get(1)?,
        roles: row.get(2)?,
        state: row.get(3)?,
        frozen_why: row.get(4)?,
        created_at: row.get(5)?,
        invited_by: row.get(6)?,
    })
}

/// Adds a member; an id that exists is [`DbError::Duplicate`].
pub fn insert_member(tx: &mut Tx<'_>, m: &MemberRow) -> Result<(), StoreError> {
    fits("member name", &m.name, NAME_MAX)?;
    let sql = format!("INSERT INTO member ({MEMBER}) VALUES ($1, $2, $3, $4, $5, $6, $7)");
    let params = [
        (&m.id).into(),
        (&m.name).into(),
        m.roles.into(),
        m.state.into(),
        m.frozen_why.as_ref().into(),
        m.created_at.into(),
        m.invited_by.as_ref().into(),
    ];
    Ok(tx.execute(&sql, &params).map(drop)?)
}

/// A member by id.
pub fn member(q: &mut Reader<'_>, id: &MemberId) -> Result<Option<MemberRow>, DbError> {
    q.query_opt(&format!("SELECT {MEMBER} FROM member WHERE id = $1"), &[id.into()], member_row)
}

/// Members of this name, at most two: one is meant, two are not one.
pub fn members_named(q: &mut Reader<'_>, name: &str) -> Result<Vec<MemberRow>, DbError> {
    q.query(&format!("SELECT {MEMBER} FROM member WHERE name = $1 ORDER BY id LIMIT 2"), &[name.into()], member_row)
}

/// Members in the order of ids, after `after`, at most `limit` and [`PAGE_MAX`].
pub fn list_members(q: &mut Reader<'_>, after: Option<&MemberId>, limit: u32) -> Result<Vec<MemberRow>, DbError> {
    let sql = format!("SELECT {MEMBER} FROM member WHERE id > $1 ORDER BY id LIMIT $2");
    let after: &[u8] = after.map_or(&[], |id| id.as_bytes());
    q.query(&sql, &[after.into(), limit.min(PAGE_MAX).into()], member_row)
}

/// How many members there are.
pub fn count_members(q: &mut Reader<'_>) -> Result<u64, DbError> {
    Ok(q.query_opt("SELECT count(*) FROM member", &[], |row| row.get(0))?.unwrap_or(0))
}

/// Changes name, roles, state and reason of a member; false when there is none.
pub fn update_member(tx: &mut Tx<'_>, m: &MemberRow) -> Result<bool, StoreError> {
    fits("member name", &m.name, NAME_MAX)?;
    fits("reason", m.frozen_why.as_deref().unwrap_or_default(), WHY_MAX)?;
    let sql = "UPDATE member SET name = $2, roles = $3, state = $4, frozen_why = $5 WHERE id = $1";
    let params = [(&m.id).into(), (&m.name).into(), m.roles.into(), m.state.into(), m.frozen_why.as_ref().into()];
    Ok(tx.execute(sql, &params)? == 1)
}

/// A machine or phone of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its key.
    pub id: DeviceId,
    /// Whose.
    pub member: MemberId,
    /// As its owner calls it, at most [`NAME_MAX`] bytes.
    pub name: String,
    /// Since when.
    pub added_at: Stamp,
    /// When it was removed; its key is never taken again.
    pub removed_at: Option<Stamp>,
}

const DEVICE: &str = "id, member, name, added_at, removed_at";

fn device_row(row: &Row<'_>) -> Result<DeviceRow, DbError> {
    Ok(DeviceRow {
        id: row.get(0)?,
        member: row.get(1)?,
        name: row.get(2)?,
        added_at: row.get(3)?,
        removed_at: row.get(4)?,
    })
}

/// Adds a device; a key that exists is [`DbError::Duplicate`].
pub fn insert_device(tx: &mut Tx<'_>, d: &DeviceRow) -> Result<(), StoreError> {
    fits("device name", &d.name, NAME_MAX)?;
    let sql = format!("INSERT INTO device ({DEVICE}) VALUES ($1, $2, $3, $4, $5)");
    let params = [(&d.id).into(), (&d.member).into(), (&d.name).into(), d.added_at.into(), d.removed_at.into()];
    Ok(tx.execute(&sql, &params).map(drop)?)
}

/// A device by key, also a removed one.
pub fn device(q: &mut Reader<'_>, id: &DeviceId) -> Result<Option<DeviceRow>, DbError> {
    q.query_opt(&format!("SELECT {DEVICE} FROM device WHERE id = $1"), &[id.into()], device_row)
}

/// A device that speaks for a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// Whom it speaks for.
    pub member: MemberRow,
    /// What it may do for them, as their device log says.
    pub rights: u16,
    /// When it was removed.
    pub removed_at: Option<Stamp>,
}

/// Those of these keys that are devices, also removed ones, each with its member.
pub fn speakers(q: &mut Reader<'_>, ids: &[DeviceId]) -> Result<BTreeMap<DeviceId, Speaker>, DbError> {
    let before = "SELECT m.id, m.name, m.roles, m.state, m.frozen_why, m.created_at, m.invited_by, d.id, d.rights, \
        d.removed_at FROM device d JOIN member m ON m.id = d.member WHERE d.id IN (";
    let rows: Vec<_> = ids.iter().map(|id| vec![Value::from(id)]).collect();
    let found = q.query_many(&Many { before, row: "$1", after: ")" }, &rows, |row| {
        let speaker = Speaker { member: member_row(row)?, rights: row.get(8)?, removed_at: row.get(9)? };
        Ok((row.get(7)?, speaker))
    });
    Ok(found?.into_iter().collect())
}

/// All devices of a member, removed ones too, oldest first, at most [`PAGE_MAX`].
pub fn devices_of(q: &mut Reader<'_>, member: &MemberId) -> Result<Vec<DeviceRow>, DbError> {
    let sql = format!("SELECT {DEVICE} FROM device WHERE member = $1 ORDER BY added_at, id LIMIT $2");
    q.query(&sql, &[member.into(), PAGE_MAX.into()], device_row)
}

/// Changes the name of a device; false when there is none.
pub fn rename_device(tx: &mut Tx<'_>, id: &DeviceId, name: &str) -> Result<bool, StoreError> {
    fits("device name", name, NAME_MAX)?;
    Ok(tx.execute("UPDATE device SET name = $2 WHERE id = $1", &[id.into(), name.into()])? == 1)
}

/// Removes a device for good; false when there is none or it was removed before.
pub fn remove_device(tx: &mut Tx<'_>, id: &DeviceId, at: Stamp) -> Result<bool, DbError> {
    let sql = "UPDATE device SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL";
    Ok(tx.execute(sql, &[id.into(), at.into()])? == 1)
}

/// A right to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRow {
    /// Which.
    pub id: TicketId,
    /// Hash of the one-time secret.
    pub secret_hash: [u8; 32],
    /// What its users may do.
    pub roles: Roles,
    /// Gift from the maker's account.
    pub credits: Credits,
    /// All uses.
    pub uses_total: u16,
    /// Uses left.
    pub uses_left: u16,
    /// Until when.
    pub expires_at: Stamp,
    /// Who made it.
    pub maker: MemberId,
    /// For whom, at most [`NAME_MAX`] bytes.
    pub name: String,
    /// When it was made.
    pub created_at: Stamp,
    /// When it was ended by hand.
    pub revoked_at: Option<Stamp>,
}

impl TicketRow {
    /// What the rules of joining ask of it.
    pub fn facts(&self) -> TicketFacts {
        TicketFacts {
            roles: self.roles,
            uses_total: self.uses_total,
            uses_left: self.uses_left,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
        }
    }
}

const TICKET: &str =
    "id, secret_hash, roles, credits, uses_total, uses_left, expires_at, maker, name, created_at, revoked_at";

fn ticket_row(row: &Row<'_>) -> Result<TicketRow, DbError> {
    Ok(TicketRow {
        id: row.get(0)?,
        secret_hash: row.get(1)?,
        roles: row.get(2)?,
        credits: row.get(3)?,
        uses_total: row.get(4)?,
        uses_left: row.get(5)?,
        expires_at: row.get(6)?,
        maker: row.get(7)?,
        name: row.get(8)?,
        created_at: row.get(9)?,
        revoked_at: row.get(10)?,
    })
}

/// Adds a ticket; an id or secret that exists is [`DbError::Duplicate`].
pub fn insert_ticket(tx: &mut Tx<'_>, t: &TicketRow) -> Result<(), StoreError> {
    fits("ticket name", &t.name, NAME_MAX)?;
    let sql = format!("INSERT INTO ticket ({TICKET}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");
    let params = [
        (&t.id).into(),
        (&t.secret_hash).into(),
        t.roles.into(),
        t.credits.into(),
        t.uses_total.into(),
        t.uses_left.into(),
        t.expires_at.into(),
        (&t.maker).into(),
        (&t.name).into(),
        t.created_at.into(),
        t.revoked_at.into(),
    ];
    Ok(tx.execute(&sql, &params).map(drop)?)
}

/// A ticket by id.
pub fn ticket(q: &mut Reader<'_>, id: &TicketId) -> Result<Option<TicketRow>, DbError> {
    q.query_opt(&format!("SELECT {TICKET} FROM ticket WHERE id = $1"), &[id.into()], ticket_row)
}

/// The ticket whose secret hashes to `hash`.
pub fn find_ticket_by_secret_hash(q: &mut Reader<'_>, hash: &[u8; 32]) -> Result<Option<TicketRow>, DbError> {
    q.query_opt(&format!("SELECT {TICKET} FROM ticket WHERE secret_hash = $1"), &[hash.into()], ticket_row)
}

/// Tickets in the order of ids, of one maker where given, at most `limit` and [`PAGE_MAX`].
pub fn list_tickets(
    q: &mut Reader<'_>,
    maker: Option<&MemberId>,
    after: Option<&TicketId>,
    limit: u32,
) -> Result<Vec<TicketRow>, DbError> {
    let after: &[u8] = after.map_or(&[], |id| id.as_bytes());
    let page = limit.min(PAGE_MAX).into();
    match maker {
        None => {
            let sql = format!("SELECT {TICKET} FROM ticket WHERE id > $1 ORDER BY id LIMIT $2");
            q.query(&sql, &[after.into(), page], ticket_row)
        }
        Some(maker) => {
            let sql = format!("SELECT {TICKET} FROM ticket WHERE id > $1 AND maker = $3 ORDER BY id LIMIT $2");
            q.query(&sql, &[after.into(), page, maker.into()], ticket_row)
        }
    }
}

/// Ends a ticket by hand; false when there is none or it was ended before. Who joined with it stays.
pub fn revoke_ticket(tx: &mut Tx<'_>, id: &TicketId, at: Stamp) -> Result<bool, DbError> {
    let sql = "UPDATE ticket SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    Ok(tx.execute(sql, &[id.into(), at.into()])? == 1)
}

/// What asking for a use came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketTaken {
    /// One use less is left.
    Now,
    /// This machine has used this ticket before, at that time; nothing was changed.
    Before(Stamp),
}

/// Takes one use of a ticket for a machine. The same machine may ask again, also after the ticket's end, and takes no
/// second use. Refuses: unknown (E0102), ended by hand or by time (E0103), used up (E0104).
pub fn take_ticket_use(
    tx: &mut Tx<'_>,
    id: &TicketId,
    device: &DeviceId,
    now: Stamp,
) -> Result<TicketTaken, StoreError> {
    let used = "SELECT used_at FROM ticket_use WHERE ticket = $1 AND device = $2";
    if let Some(at) = tx.query_opt(used, &[id.into(), device.into()], |row| row.get(0))? {
        return Ok(TicketTaken::Before(at));
    }
    let take = "UPDATE ticket SET uses_left = uses_left - 1 \
                WHERE id = $1 AND uses_left > 0 AND revoked_at IS NULL AND expires_at > $2";
    if tx.execute(take, &[id.into(), now.into()])? == 0 {
        return Err(why_not_taken(ticket(tx, id)?, now));
    }
    let note = "INSERT INTO ticket_use (ticket, device, used_at) VALUES ($1, $2, $3)";
    tx.execute(note, &[id.into(), device.into(), now.into()])?;
    Ok(TicketTaken::Now)
}

fn why_not_taken(ticket: Option<TicketRow>, now: Stamp) -> StoreError {
    match ticket {
        None => StoreError::refused(errors::TICKET_DAMAGED, "no such ticket"),
        Some(t) if t.revoked_at.is_some() => StoreError::refused(errors::TICKET_EXPIRED, "ticket was ended by hand"),
        Some(t) if t.expires_at <= now => StoreError::refused(errors::TICKET_EXPIRED, "ticket is past its time"),
        Some(t) => StoreError::refused(errors::TICKET_USED, format!("ticket was used {} times", t.uses_total)),
    }
}

/// The machines that used a ticket, in order of time, at most [`PAGE_MAX`].
pub fn ticket_uses(q: &mut Reader<'_>, id: &TicketId) -> Result<Vec<(DeviceId, Stamp)>, DbError> {
    let sql = "SELECT device, used_at FROM ticket_use WHERE ticket = $1 ORDER BY used_at, device LIMIT $2";
    q.query(sql, &[id.into(), PAGE_MAX.into()], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Refuses text over its limit.
pub(crate) fn fits(what: &str, text: &str, max: usize) -> Result<(), StoreError> {
    if text.len() <= max {
        return Ok(());
    }
    Err(StoreError::refused(errors::TOO_LARGE, format!("{what} has {} bytes, {max} are allowed", text.len())))
}
