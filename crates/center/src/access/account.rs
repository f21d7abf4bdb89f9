//! Accounts: device logs, keybags and wraps are carried here, never opened, and never extended by the center itself.
//!
//! (A) An entry of a log is taken only where the log, replayed from its first entry, takes it: who calls does not matter.
//! (B) Entry and what follows from it, a device that may call or may no more, are one transaction. (C) A log speaks of its own
//! member's devices: it neither takes nor ends another's.

use super::api::who;
use super::store::DeviceRow;
use super::store::account::{self, AccountRow};
use crate::db::{Reader, StoreError, Tx};
use crate::refuse::{Refused, bad_value, plain};
use crate::{Caller, Center};
use model::{DeviceId, Span, Stamp, errors};
use std::collections::BTreeMap;
use wire::account::{AccountInfo, AccountMake, PairSay, SlotInfo, SlotPut};
use wire::limits::{KEYBAG_MAX, PAIR_BYTES_MAX, PAIR_STEPS};
use wire::signed::{DeviceLog, LogFault};
use wire::{RefusalMsg, Reply, Ticket};

/// Bytes of a wrapped root.
pub(crate) const WRAP_LEN: usize = 80;
/// Tickets for a second device that are out at once.
const PAIRS_MAX: usize = 256;
/// Longest life of one.
pub const PAIR_LIFE_MAX: Span = Span::mins(10);

pub(crate) fn unsigned(fault: LogFault) -> StoreError {
    StoreError::refused(errors::BAD_SIGNATURE, format!("device log: {fault}"))
}

pub(crate) fn replay(entries: &[Vec<u8>]) -> Result<DeviceLog, StoreError> {
    DeviceLog::replay(entries.iter().map(Vec::as_slice)).map_err(unsigned)
}

/// Makes the account of the calling member; the same again, also with other keys, is answered with what is there.
pub async fn make(center: &Center, caller: &Caller, ask: AccountMake) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    if ask.keybag.len() > KEYBAG_MAX {
        return Err(bad_value("keybag", &ask.keybag.len().to_string(), "at most 1 KiB").into());
    }
    let (now, device) = (center.now(), DeviceId::from(caller.id));
    let made = center.db().write(move |tx| {
        if let Some(there) = account::of_member(tx, &member.id)? {
            return info(tx, there);
        }
        let log = replay(&ask.entries)?;
        // It begins with the device that calls, and with no other.
        if log.device(&device).is_none() || log.devices.len() > 1 {
            return Err(unsigned(LogFault::Device));
        }
        let row = AccountRow { id: log.account, member: member.id, keybag: ask.keybag.clone() };
        account::insert(tx, &row, now)?;
        for (entry, seq) in ask.entries.iter().zip(0u64..) {
            account::push_entry(tx, &log.account, seq, entry)?;
        }
        follow(tx, &row, &log, now)?;
        info(tx, row)
    });
    Ok(Reply::Account(Some(Box::new(made.await?))))
}

/// The calling member's account.
pub async fn show(center: &Center, caller: &Caller) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let found = center.db().read(move |q| match account::of_member(q, &member.id)? {
        Some(row) => info(q, row).map(Some),
        None => Ok(None),
    });
    Ok(Reply::Account(found.await?.map(Box::new)))
}

pub(crate) fn info(q: &mut Reader<'_>, row: AccountRow) -> Result<AccountInfo, StoreError> {
    let entries = account::entries(q, &row.id)?;
    let phrase_at = account::slot_at(q, &row.id)?;
    Ok(AccountInfo { account: row.id, member: row.member, entries, keybag: row.keybag, phrase_at })
}

/// The next entry of some account's log.
pub async fn push(center: &Center, entry: Vec<u8>) -> Result<Reply, Refused> {
    let now = center.now();
    center.db().write(move |tx| push_in(tx, &entry, now)).await?;
    Ok(Reply::Done)
}

fn push_in(tx: &mut Tx<'_>, entry: &[u8], now: Stamp) -> Result<(), StoreError> {
    let (of, previous) = DeviceLog::claims(entry).ok_or_else(|| unsigned(LogFault::Malformed))?;
    let row = account::find(tx, &of)?.ok_or_else(|| unsigned(LogFault::Account))?;
    let entries = account::entries(tx, &row.id)?;
    if entries.last().is_some_and(|last| last == entry) {
        return Ok(()); // asked again
    }
    // Only who knows the log can name its end: nobody else makes the center verify all of it.
    if entries.last().is_none_or(|last| *blake3::hash(last).as_bytes() != previous) {
        return Err(unsigned(LogFault::Order));
    }
    let mut log = replay(&entries)?;
    let seq = log.len;
    log.push(entry).map_err(unsigned)?;
    account::push_entry(tx, &row.id, seq, entry)?;
    follow(tx, &row, &log, now)
}

/// Brings the rows of devices to what the log says.
pub(crate) fn follow(tx: &mut Tx<'_>, row: &AccountRow, log: &DeviceLog, now: Stamp) -> Result<(), StoreError> {
    for (id, facts) in &log.devices {
        let device =
            DeviceRow { id: *id, member: row.member, name: facts.name.clone(), added_at: now, removed_at: None };
        match facts.removed {
            None => account::set_device(tx, &device, facts.rights.0)?,
            Some(_) => drop(account::end_device(tx, &row.member, id, now)?),
        }
    }
    Ok(())
}

/// Keeps a wrap of the account's root, with the entry that names its phrase's key.
pub async fn slot_put(center: &Center, caller: &Caller, put: SlotPut) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    if put.wrap.len() != WRAP_LEN {
        return Err(bad_value("wrap", &put.wrap.len().to_string(), "80 bytes").into());
    }
    let now = center.now();
    let done = center.db().write(move |tx| {
        let row = account::of_member(tx, &member.id)?.ok_or_else(|| unsigned(LogFault::Account))?;
        push_in(tx, &put.entry, now)?;
        Ok(account::put_slot(tx, &row.id, &put.locator, &put.wrap, now)?)
    });
    done.await?;
    Ok(Reply::Done)
}

/// What stands at a locator: for whoever knows it, and only the phrase tells it.
pub async fn slot_get(center: &Center, locator: [u8; 16]) -> Result<Reply, Refused> {
    let found = center.db().read(move |q| {
        let Some((id, wrap)) = account::slot(q, &locator)? else { return Ok(None) };
        let Some(row) = account::find(q, &id)? else { return Ok(None) };
        Ok(Some(SlotInfo { wrap, account: info(q, row)? }))
    });
    let slot = found.await?.ok_or_else(|| Refused(plain(errors::KEY_MISSING)))?;
    Ok(Reply::Slot(Box::new(slot)))
}

/// Two devices that talk through the center, which understands nothing of it: what they agree on is compared by a person.
#[derive(Default)]
pub struct Pairs(BTreeMap<[u8; 32], Pair>);

struct Pair {
    until: Stamp,
    said: [Option<Vec<u8>>; PAIR_STEPS as usize],
}

impl Pairs {
    fn open(&mut self, hash: [u8; 32], until: Stamp, now: Stamp) -> Result<(), Refused> {
        self.0.retain(|_, pair| pair.until > now);
        if self.0.len() >= PAIRS_MAX {
            return Err(RefusalMsg::new(errors::RATE_LIMITED, [("wait", "10 min".to_owned())]).into());
        }
        self.0.entry(hash).or_insert(Pair { until, said: Default::default() });
        Ok(())
    }

    fn at(&mut self, secret: &[u8; 16], step: u8, now: Stamp) -> Result<&mut Option<Vec<u8>>, Refused> {
        let pair = self.0.get_mut(&Ticket::secret_hash(secret)).filter(|pair| pair.until > now);
        let over = || Refused(RefusalMsg::new(errors::TICKET_EXPIRED, [("when", now.to_string())]));
        let slot = pair.ok_or_else(over)?.said.get_mut(usize::from(step));
        slot.ok_or_else(|| bad_value("step", &step.to_string(), "0 to 4").into())
    }
}

/// Lets a second device be added.
pub async fn pair_open(center: &Center, caller: &Caller, hash: [u8; 32], life_ms: u64) -> Result<Reply, Refused> {
    who(center, caller).await?;
    let now = center.now();
    center.pairs().open(hash, now + Span(life_ms.min(PAIR_LIFE_MAX.as_ms())), now)?;
    Ok(Reply::Done)
}

/// One device says something; the first word of a step stands.
pub fn pair_say(center: &Center, say: PairSay) -> Result<Reply, Refused> {
    if say.bytes.len() > PAIR_BYTES_MAX {
        return Err(bad_value("step", &say.bytes.len().to_string(), "at most 8 KiB").into());
    }
    let now = center.now();
    let mut pairs = center.pairs();
    let slot = pairs.at(&say.secret, say.step, now)?;
    match slot {
        Some(there) if *there != say.bytes => Err(plain(errors::TICKET_USED).into()),
        _ => {
            *slot = Some(say.bytes);
            Ok(Reply::Done)
        }
    }
}

/// What the other said.
pub fn pair_hear(center: &Center, secret: &[u8; 16], step: u8) -> Result<Reply, Refused> {
    let now = center.now();
    Ok(Reply::Pair(center.pairs().at(secret, step, now)?.clone()))
}
