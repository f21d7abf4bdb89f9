//! Random histories, on both engines and on a plain model in memory: same answers, same state.
//!
//! A history is a run of transactions of one to four operations over few keys, so that clashes are common. A failed
//! operation ends its transaction, and the model goes back to where it was before it. The seed is printed with a failure.

use crate::on_both;
use crate::place::Place;
use crate::rows::{self, device_id, member_id, node_id, spread, ticket_id};
use center::access::store::{self as access, DeviceRow, MemberRow, MemberState, TicketRow};
use center::db::{Db, DbError, StoreError, Tx};
use center::fleet::store::{self as fleet, NodeFilter, NodeRow, PresenceHour, Standing};
use model::errors::{self, ErrorId};
use model::{Alias, Stamp, Tier};
use std::collections::BTreeMap;

on_both!(histories_end_as_the_model_says);

const SEEDS: u64 = 6;
const TRANSACTIONS: u64 = 150;

#[derive(Debug, Clone, Copy)]
enum Op {
    AddMember(u64),
    Freeze(u64),
    AddDevice(u64, u64),
    RemoveDevice(u64, u64),
    AddTicket(u64, u64, u16),
    Revoke(u64, u64),
    Take(u64, u64, u64),
    AddNode(u64, u64),
    Quarantine(u32),
    Generation(u32, u64),
    Event(u32, u64),
    Presence(u64, u32, u8),
    Forget(u64),
    Refuse,
}

/// How an operation ends when it does not stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum No {
    Duplicate,
    Broken,
    Refused(ErrorId),
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused { id, .. } => Self::Refused(id),
            StoreError::Db(DbError::Duplicate { .. }) => Self::Duplicate,
            StoreError::Db(DbError::Statement { .. }) => Self::Broken,
            StoreError::Db(other) => panic!("{other}"),
        }
    }
}

fn draw(seed: u64, n: u64) -> Op {
    let bytes: [u8; 8] = spread(seed.wrapping_mul(1_000_003) ^ (n << 20));
    let key = |i: usize, count: u8| u64::from(bytes[i] % count);
    let alias = u32::try_from(1 + key(1, 5)).unwrap();
    match bytes[0] % 20 {
        0 | 1 => Op::AddMember(key(1, 6)),
        2 => Op::Freeze(key(1, 6)),
        3 | 4 => Op::AddDevice(key(1, 6), key(2, 6)),
        5 => Op::RemoveDevice(key(1, 6), n),
        6 | 7 => Op::AddTicket(key(1, 5), key(2, 6), u16::from(bytes[3] % 4)),
        8 => Op::Revoke(key(1, 5), n),
        9..=11 => Op::Take(key(1, 5), key(2, 6), 999_000 + key(3, 4) * 500),
        12 | 13 => Op::AddNode(key(1, 6), key(2, 6)),
        14 => Op::Quarantine(alias),
        15 => Op::Generation(alias, key(2, 9)),
        16 => Op::Event(alias, n),
        17 => Op::Presence(key(1, 9), u32::from(bytes[2] % 3), bytes[3]),
        18 => Op::Forget(key(1, 9)),
        _ => Op::Refuse,
    }
}

fn refused() -> StoreError {
    StoreError::refused(errors::NOT_ALLOWED, "by the history")
}

fn ticket_row(n: u64, maker: u64, uses: u16) -> TicketRow {
    rows::ticket(n, maker, uses)
}

fn on_store(tx: &mut Tx<'_>, op: Op) -> Result<(), StoreError> {
    match op {
        Op::AddMember(n) => access::insert_member(tx, &rows::member(n)),
        Op::Freeze(n) => access::update_member(tx, &frozen(rows::member(n))).map(drop),
        Op::AddDevice(n, m) => access::insert_device(tx, &rows::device(n, m)),
        Op::RemoveDevice(n, at) => Ok(access::remove_device(tx, &device_id(n), Stamp(at)).map(drop)?),
        Op::AddTicket(n, m, uses) => access::insert_ticket(tx, &ticket_row(n, m, uses)),
        Op::Revoke(n, at) => Ok(access::revoke_ticket(tx, &ticket_id(n), Stamp(at)).map(drop)?),
        Op::Take(t, d, now) => access::take_ticket_use(tx, &ticket_id(t), &device_id(d), Stamp(now)).map(drop),
        Op::AddNode(n, m) => fleet::insert_node(tx, &rows::node(n, m)).map(drop),
        Op::Quarantine(a) => fleet::set_standing(tx, Alias(a), Standing::Quarantined, Some("why"), None).map(drop),
        Op::Generation(a, g) => Ok(fleet::set_generation(tx, Alias(a), g).map(drop)?),
        Op::Event(a, at) => fleet::add_event(tx, Alias(a), Stamp(at), "kind", "text"),
        Op::Presence(hour, block, minute) => {
            fleet::put_presence_hours(tx, &[PresenceHour { hour, block, minutes: vec![minute] }])
        }
        Op::Forget(hour) => Ok(fleet::forget_presence_before(tx, hour).map(drop)?),
        Op::Refuse => Err(refused()),
    }
}

fn frozen(member: MemberRow) -> MemberRow {
    MemberRow { state: MemberState::Frozen, frozen_why: Some("history".into()), ..member }
}

/// All there is, by number or key.
#[derive(Debug, Clone, PartialEq, Default)]
struct Model {
    members: BTreeMap<u64, MemberRow>,
    devices: BTreeMap<u64, DeviceRow>,
    tickets: BTreeMap<u64, TicketRow>,
    uses: BTreeMap<(u64, u64), Stamp>,
    last_alias: u32,
    nodes: BTreeMap<u32, NodeRow>,
    events: BTreeMap<u32, Vec<u64>>,
    presence: BTreeMap<(u32, u64), u8>,
}

impl Model {
    fn apply(&mut self, op: Op) -> Result<(), No> {
        match op {
            Op::AddMember(n) => add(&mut self.members, n, rows::member(n), true),
            Op::Freeze(n) => {
                self.members.entry(n).and_modify(|m| *m = frozen(m.clone()));
                Ok(())
            }
            Op::AddDevice(n, m) => add(&mut self.devices, n, rows::device(n, m), self.members.contains_key(&m)),
            Op::RemoveDevice(n, at) => {
                self.devices.entry(n).and_modify(|d| d.removed_at = d.removed_at.or(Some(Stamp(at))));
                Ok(())
            }
            Op::AddTicket(n, m, uses) => {
                add(&mut self.tickets, n, ticket_row(n, m, uses), self.members.contains_key(&m))
            }
            Op::Revoke(n, at) => {
                self.tickets.entry(n).and_modify(|t| t.revoked_at = t.revoked_at.or(Some(Stamp(at))));
                Ok(())
            }
            Op::Take(t, d, now) => self.take(t, d, Stamp(now)),
            Op::AddNode(n, m) => self.add_node(n, m),
            Op::Quarantine(a) => {
                self.nodes.entry(a).and_modify(|node| {
                    node.standing = Standing::Quarantined;
                    node.standing_why = Some("why".into());
                });
                Ok(())
            }
            Op::Generation(a, g) => {
                self.nodes.entry(a).and_modify(|node| node.generation = node.generation.max(g));
                Ok(())
            }
            Op::Event(a, _) if !self.nodes.contains_key(&a) => Err(No::Broken),
            Op::Event(a, at) => {
                let events = self.events.entry(a).or_default();
                events.insert(0, at);
                events.truncate(fleet::EVENTS_MAX as usize);
                Ok(())
            }
            Op::Presence(hour, block, minute) => {
                self.presence.insert((block, hour), minute);
                Ok(())
            }
            Op::Forget(before) => {
                self.presence.retain(|(_, hour), _| *hour >= before);
                Ok(())
            }
            Op::Refuse => Err(refused().into()),
        }
    }

    fn take(&mut self, t: u64, d: u64, now: Stamp) -> Result<(), No> {
        if self.uses.contains_key(&(t, d)) {
            return Ok(());
        }
        let Some(ticket) = self.tickets.get_mut(&t) else { return Err(No::Refused(errors::TICKET_DAMAGED)) };
        if ticket.revoked_at.is_some() || ticket.expires_at <= now {
            return Err(No::Refused(errors::TICKET_EXPIRED));
        }
        ticket.uses_left = ticket.uses_left.checked_sub(1).ok_or(No::Refused(errors::TICKET_USED))?;
        self.uses.insert((t, d), now);
        Ok(())
    }

    fn add_node(&mut self, n: u64, owner: u64) -> Result<(), No> {
        if self.nodes.values().any(|row| row.node.id == node_id(n)) {
            return Err(No::Duplicate);
        }
        if !self.members.contains_key(&owner) {
            return Err(No::Broken);
        }
        self.last_alias += 1;
        let node = rows::node(n, owner);
        let row = NodeRow {
            alias: Alias(self.last_alias),
            last_seen_hour: node.joined_at.hour(),
            node,
            tier: Tier::T0,
            standing: Standing::Active,
            standing_why: None,
            profile: [0; 168],
            session_scale: 0,
            missing_after_h: 72,
            day_away: model::Ppm(0),
            vetted_at: None,
            holiday_until: None,
            generation: 0,
        };
        self.nodes.insert(self.last_alias, row);
        Ok(())
    }
}

fn add<T>(map: &mut BTreeMap<u64, T>, key: u64, row: T, has_parent: bool) -> Result<(), No> {
    if map.contains_key(&key) {
        return Err(No::Duplicate);
    }
    if !has_parent {
        return Err(No::Broken);
    }
    map.insert(key, row);
    Ok(())
}

/// Everything the store holds, read back through its functions.
async fn stored(db: &Db) -> Model {
    let all = db.read(|q| {
        let mut model = Model::default();
        for n in 0..6 {
            model.members.extend(access::member(q, &member_id(n))?.map(|row| (n, row)));
            model.devices.extend(access::device(q, &device_id(n))?.map(|row| (n, row)));
            if let Some(row) = access::ticket(q, &ticket_id(n))? {
                let uses = access::ticket_uses(q, &row.id)?;
                let number = |id| (0..6).find(|d| device_id(*d) == id).unwrap();
                model.uses.extend(uses.into_iter().map(|(device, at)| ((n, number(device)), at)));
                model.tickets.insert(n, row);
            }
        }
        for row in fleet::list_nodes(q, &NodeFilter::default(), None, 999)? {
            let events: Vec<u64> = fleet::events(q, row.alias, 999)?.into_iter().map(|event| event.at.0).collect();
            model.events.extend((!events.is_empty()).then_some((row.alias.0, events)));
            model.nodes.insert(row.alias.0, row);
        }
        for block in 0..3 {
            let hours = fleet::presence_hours(q, block, 0, 99)?;
            model.presence.extend(hours.into_iter().map(|row| ((block, row.hour), row.minutes[0])));
        }
        let last = "SELECT value FROM counter WHERE name = 'alias'";
        model.last_alias = q.query_opt(last, &[], |row| row.get(0))?.unwrap();
        Ok(model)
    });
    all.await.unwrap()
}

async fn histories_end_as_the_model_says(place: &mut Place) {
    for seed in 0..SEEDS {
        let mut model = stored(&place.db).await;
        for n in 0..TRANSACTIONS {
            let first = seed * 10_000 + n * 4;
            let ops: Vec<Op> = match n {
                0..4 => vec![Op::AddMember(n)], // people first, so that most of what follows can stand
                _ => (first..first + 1 + n % 4).map(|i| draw(seed, i)).collect(),
            };
            let mut after = model.clone();
            let expected = ops.iter().try_for_each(|op| after.apply(*op));
            let run = ops.clone();
            let got = place.db.write(move |tx| run.iter().try_for_each(|op| on_store(tx, *op))).await;
            assert_eq!(got.map_err(No::from), expected, "seed {seed}, transaction {n}: {ops:?}");
            if expected.is_ok() {
                model = after;
            }
            if n % 10 == 9 {
                assert_eq!(stored(&place.db).await, model, "seed {seed}, after transaction {n}");
            }
        }
        let (people, things) = (model.members.len() + model.devices.len(), model.uses.len() + model.events.len());
        assert!(people > 3 && things > 1 && !model.nodes.is_empty(), "seed {seed} shows too little");
        place.reopen().await;
        assert_eq!(stored(&place.db).await, model, "seed {seed}, opened again");
        empty(&place.db).await;
    }
}

/// Every seed begins with nothing but the counter of aliases.
async fn empty(db: &Db) {
    let tables = ["presence_hour", "node_event", "node", "ticket_use", "ticket", "device", "member"];
    db.write(move |tx| Ok(tables.iter().try_for_each(|t| tx.execute(&format!("DELETE FROM {t}"), &[]).map(drop))?))
        .await
        .unwrap();
    db.write(|tx| Ok(tx.execute("UPDATE counter SET value = 0", &[]).map(drop)?)).await.unwrap();
}
