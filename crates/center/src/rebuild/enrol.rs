//! Machines and accounts come back by the center's own word from before the loss.

use super::{must_be_rebuilt, store};
use crate::access::account as accounts;
use crate::access::api::who;
use crate::access::store::account::{self, AccountRow};
use crate::access::store::{self as access, DeviceRow, MemberRow, MemberState};
use crate::db::{StoreError, Tx};
use crate::fleet::store::{self as nodes, MeasuredRow, NewNode};
use crate::refuse::{Refused, bad_value};
use crate::{Caller, Center, fleet};
use model::{Alias, DeviceId, MemberId, Ppm, RegionEvidence, Stamp, errors};
use rules::fleet::profile::{SessionScale, WeeklyProfile};
use wire::limits::{BRING_ENTRIES_MAX, KEYBAG_MAX, VOUCHED_SLOTS_MAX};
use wire::rebuild::{AccountBring, Vouched, VouchedFacts, VouchedNode};
use wire::signed::{LogFault, Voucher};
use wire::{RefusalMsg, Reply};

/// The center's word on the calling machine, for it to keep.
pub async fn vouch(center: &Center, caller: &Caller) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let (id, at) = (caller.id, center.now());
    let gathered = center.db().read(move |q| {
        let node = nodes::node_by_id(q, &id)?;
        let device = access::device(q, &DeviceId::from(id))?;
        let account = account::of_member(q, &member.id)?.map(|row| row.id);
        let slots = match &node {
            Some(row) => store::slots_of(q, row.alias, VOUCHED_SLOTS_MAX as u32)?,
            None => Vec::new(),
        };
        let name = device.map_or_else(String::new, |device| device.name);
        let lends = node.map(|row| VouchedNode {
            os: row.node.os,
            arch: row.node.arch,
            region: row.node.region,
            program: row.node.version,
            lent: row.node.lent,
            accepts: row.node.accepts,
            binding: row.node.binding,
        });
        let facts = VouchedFacts { name, member_name: member.name.clone(), lends, slots };
        Ok(Voucher { node: id, member: member.id, account, roles: member.roles, at, facts })
    });
    let voucher = gathered.await?.sign(&center.keys().cloud);
    let voucher = voucher.ok_or_else(|| Refused(bad_value("voucher", "", "it is too long")))?;
    Ok(Reply::Vouched(Vouched { voucher, rebuilt: center.rebuilt() }))
}

/// The word of this center in `bytes`, when it is from before the loss.
fn checked(center: &Center, bytes: &[u8]) -> Result<Voucher, Refused> {
    let rebuilt = must_be_rebuilt(center)?;
    let no = || Refused(RefusalMsg::new(errors::BAD_SIGNATURE, [("thing", "voucher".to_owned())]));
    Voucher::check(bytes, &center.keys().cloud_key()).filter(|voucher| voucher.at <= rebuilt).ok_or_else(no)
}

/// Takes a machine in again.
pub async fn enrol(center: &Center, caller: &Caller, voucher: Vec<u8>) -> Result<Reply, Refused> {
    let voucher = checked(center, &voucher)?;
    if voucher.node != caller.id {
        return Err(RefusalMsg::new(errors::BAD_SIGNATURE, [("thing", "voucher".to_owned())]).into());
    }
    let (now, node, member, addr) = (center.now(), voucher.node, voucher.member, caller.addr);
    let trust = center.settings().trust();
    let taken = center.db().write(move |tx| {
        insert_member(tx, &voucher, now)?;
        match access::device(tx, &DeviceId::from(node))? {
            Some(device) if device.removed_at.is_some() => {
                return Err(StoreError::refused(errors::OWNER_BLOCKED, "this device was removed"));
            }
            Some(device) if device.member != voucher.member => {
                return Err(StoreError::refused(errors::OWNER_BLOCKED, "this machine is another member's"));
            }
            Some(_) => {}
            None => access::insert_device(tx, &device_row(&voucher, now))?,
        }
        let Some(facts) = &voucher.facts.lends else { return Ok(None) };
        let (alias, is_new) = match nodes::node_by_id(tx, &node)? {
            Some(row) => (row.alias, false),
            None => (insert_node(tx, &voucher, facts, addr, now)?, true),
        };
        // Whoever held slots had passed its test; what it had passed beside, nobody knows any more.
        if is_new && voucher.facts.slots.is_empty() {
            fleet::vet::begin(tx, alias, (trust, voucher.roles))?;
        }
        for (pg, slot) in voucher.facts.slots.iter().take(VOUCHED_SLOTS_MAX) {
            store::claim(tx, *pg, *slot, alias, voucher.at)?;
        }
        let tier = nodes::node_by_alias(tx, alias)?.map_or(model::Tier::T0, |row| row.tier);
        Ok(is_new.then_some((alias, tier)))
    });
    // One that is known stays as it stands: left, banned, or on.
    if let Some((alias, tier)) = taken.await? {
        fleet::memory::register(center, alias, node, member, (nodes::Standing::Active, tier));
        tracing::info!(node = %node.short(), %alias, "a node came back by its voucher");
    }
    Ok(Reply::Done)
}

fn insert_member(tx: &mut Tx<'_>, voucher: &Voucher, now: Stamp) -> Result<(), StoreError> {
    if access::member(tx, &voucher.member)?.is_some() {
        return Ok(());
    }
    let row = MemberRow {
        id: voucher.member,
        name: voucher.facts.member_name.clone(),
        roles: voucher.roles,
        state: MemberState::Active,
        frozen_why: None,
        created_at: now,
        invited_by: None,
    };
    access::insert_member(tx, &row)
}

fn device_row(voucher: &Voucher, now: Stamp) -> DeviceRow {
    let (id, name) = (DeviceId::from(voucher.node), voucher.facts.name.clone());
    DeviceRow { id, member: voucher.member, name, added_at: now, removed_at: None }
}

fn insert_node(
    tx: &mut Tx<'_>,
    voucher: &Voucher,
    facts: &VouchedNode,
    addr: Option<std::net::SocketAddr>,
    now: Stamp,
) -> Result<Alias, StoreError> {
    let evidence = if facts.region.is_some() { RegionEvidence::Declared } else { RegionEvidence::Unknown };
    let row = NewNode {
        id: voucher.node,
        owner: voucher.member,
        name: voucher.facts.name.clone(),
        region: facts.region.clone(),
        evidence,
        declared: facts.region.clone(),
        os: facts.os,
        arch: facts.arch,
        as_number: None,
        net_prefix: addr.map(crate::access::join::prefix),
        version: facts.program,
        lent: facts.lent,
        accepts: facts.accepts,
        capabilities: 0,
        alpha: fleet::ALPHA_START,
        beta: 0,
        joined_at: now,
        binding: facts.binding.clone(),
        measured: MeasuredRow::default(),
    };
    let alias = nodes::insert_node(tx, &row)?;
    let scores = nodes::Scores {
        tier: model::Tier::T2,
        vetted_at: Some(now),
        session_scale: SessionScale::default().0,
        missing_after_h: fleet::TAU_START_H,
        day_away: Ppm(0),
        profile: WeeklyProfile::flat(model::Ppm::percent(50)).0,
    };
    nodes::set_scores(tx, alias, &scores)?;
    nodes::add_event(tx, alias, now, "enrolled", &voucher.facts.name)?;
    Ok(alias)
}

/// Takes an account in that was found in the pool; one that is there already is answered as it is.
pub async fn account_bring(center: &Center, bring: AccountBring) -> Result<Reply, Refused> {
    let voucher = checked(center, &bring.voucher)?;
    let limits = [
        ("keybag", bring.keybag.len(), KEYBAG_MAX),
        ("entries", bring.entries.len(), BRING_ENTRIES_MAX),
        ("wrap", bring.slot.as_ref().map_or(0, |(_, wrap)| wrap.len()), accounts::WRAP_LEN),
    ];
    if let Some((field, len, max)) = limits.into_iter().find(|(_, len, max)| len > max) {
        return Err(bad_value(field, &len.to_string(), &format!("at most {max}")).into());
    }
    let now = center.now();
    let brought = center.db().write(move |tx| {
        let log = accounts::replay(&bring.entries)?;
        if voucher.account != Some(log.account) {
            return Err(accounts::unsigned(LogFault::Account));
        }
        if let Some(there) = account::find(tx, &log.account)? {
            return accounts::info(tx, there);
        }
        insert_member(tx, &voucher, now)?;
        let row = AccountRow { id: log.account, member: voucher.member, keybag: bring.keybag.clone() };
        account::insert(tx, &row, now)?;
        for (entry, seq) in bring.entries.iter().zip(0u64..) {
            account::push_entry(tx, &log.account, seq, entry)?;
        }
        if let Some((locator, wrap)) = &bring.slot {
            account::put_slot(tx, &row.id, locator, wrap, now)?;
        }
        accounts::follow(tx, &row, &log, now)?;
        accounts::info(tx, row)
    });
    Ok(Reply::Account(Some(Box::new(brought.await?))))
}

/// Locator and wrap of the calling member's recovery phrase: for the account's copy in the pool.
pub async fn slot_mine(center: &Center, caller: &Caller) -> Result<Reply, Refused> {
    let member: MemberId = who(center, caller).await?.id;
    let found = center.db().read(move |q| match account::of_member(q, &member)? {
        Some(row) => Ok(account::slot_of(q, &row.id)?),
        None => Ok(None),
    });
    Ok(Reply::SlotMine(found.await?))
}
