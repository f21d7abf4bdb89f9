//! What the center keeps of the fleet in memory: presence, where nodes can be reached, which link is theirs. Rebuilt from
//! rows at a start and from check-ins within one period; nothing of it is written per check-in.

use super::learn;
use super::store::{self, Standing};
use crate::db::{Db, StoreError};
use crate::{Center, Settings};
use model::{Alias, Bytes, MemberId, NodeId, Ppm, Stamp, Tier};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rules::fleet::presence::{Known, Presence, PresenceSettings};
use rules::fleet::tier::Trust;
use std::collections::HashMap;
use wire::PeerAddr;
use wire::fleet::{Held, Plan};

/// Check-ins a second one center process wants at most; above it periods stretch.
pub const RATE_MAX_PER_S: u32 = 20_000;
/// Hours of presence read at a start: the longest τ.
const SEEN_HOURS: u64 = 168;
const HOUR_MS: u64 = 3_600_000;
/// Nodes read per step at a start.
const LOAD_STEP: u32 = 10_000;

/// A node in memory, beside its presence.
#[derive(Debug, Clone)]
pub struct NodeMemory {
    /// Key.
    pub id: NodeId,
    /// Whose.
    pub owner: MemberId,
    /// Where it can be reached: its addresses and relays as bytes of the message, without the key, which is `id`.
    addr: Option<Box<[u8]>>,
    /// Lent now.
    pub lent: Bytes,
    /// How the cloud stands to it.
    pub standing: Standing,
    /// Links open with its key.
    pub links: u16,
    /// Score of its honesty.
    pub integrity: Ppm,
    /// Generation of its plan.
    pub generation: u64,
    /// What it says it holds; none while that is nothing.
    held: Option<Box<Held>>,
    /// Rank.
    pub tier: Tier,
    /// Bytes it may hold while it is on probation, its fill test among them; 0 until the first look after a start.
    accepts: Bytes,
}

impl NodeMemory {
    /// Another rank, or another limit on probation.
    pub fn set_rank(&mut self, tier: Tier, accepts: Bytes) {
        (self.tier, self.accepts) = (tier, accepts);
    }

    /// Room beside what it holds, of so much that is lent: by its own count, on probation within its limit.
    pub fn room(&self, lent: Bytes, trust: Trust) -> Bytes {
        let held = self.held.as_ref().map_or(0, |held| held.bytes);
        match (trust, self.tier) {
            // What a circle's member lost says nothing about how much it may hold.
            (Trust::Circle, _) | (_, Tier::T2 | Tier::T3) => lent,
            (_, Tier::T0) => Bytes(0),
            (_, Tier::T1) => Bytes(self.accepts.0.saturating_sub(held).min(lent.0)),
        }
    }
}

/// The whole fleet.
pub struct FleetMemory {
    /// Who is on.
    pub presence: Presence,
    /// Last drops of placement groups, for the answers to check-ins.
    pub drops: crate::storage::log::Drops,
    nodes: Vec<Option<NodeMemory>>,
    by_id: HashMap<NodeId, Alias>,
    rng: StdRng,
}

impl FleetMemory {
    /// An empty fleet.
    pub fn new(now: Stamp, settings: &Settings) -> Self {
        let figures = PresenceSettings {
            period_busy: settings.fleet.busy(),
            period_quiet: settings.fleet.idle(),
            rate_max_per_s: RATE_MAX_PER_S,
            time_scale: settings.time_scale,
            ..PresenceSettings::default()
        };
        Self {
            presence: Presence::new(now, figures),
            drops: Default::default(),
            nodes: Vec::new(),
            by_id: HashMap::new(),
            rng: StdRng::from_rng(&mut rand::rng()),
        }
    }

    /// The node of a key.
    pub fn alias_of(&self, id: &NodeId) -> Option<Alias> {
        self.by_id.get(id).copied()
    }

    /// A node.
    pub fn node(&self, alias: Alias) -> Option<&NodeMemory> {
        self.nodes.get(alias.0 as usize)?.as_ref()
    }

    /// A node, to be changed.
    pub fn node_mut(&mut self, alias: Alias) -> Option<&mut NodeMemory> {
        self.nodes.get_mut(alias.0 as usize)?.as_mut()
    }

    /// Aliases given out so far.
    pub fn aliases(&self) -> usize {
        self.nodes.len()
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = (Alias, &NodeMemory)> {
        let numbered = self.nodes.iter().enumerate();
        numbered.filter_map(|(i, n)| Some((Alias(u32::try_from(i).ok()?), n.as_ref()?)))
    }

    /// Presence and the random source it draws from, together.
    pub fn presence_and_rng(&mut self) -> (&mut Presence, &mut StdRng) {
        (&mut self.presence, &mut self.rng)
    }

    /// Where a node can be reached, as it said itself.
    pub fn addr(&self, alias: Alias) -> Option<PeerAddr> {
        let node = self.node(alias)?;
        let (direct, relays) = wire::decode(node.addr.as_ref()?, wire::limits::REQUEST_MAX).ok()?;
        Some(PeerAddr { id: node.id, direct, relays })
    }

    /// Notes where a node can be reached, in its own words; another key's words are not its.
    pub fn set_addr(&mut self, alias: Alias, addr: PeerAddr) {
        let addr = addr.bounded();
        if let Some(node) = self.node_mut(alias).filter(|node| node.id == addr.id) {
            node.addr = Some(wire::encode(&(&addr.direct, &addr.relays)).into_boxed_slice());
        }
    }

    /// Notes what a node says it holds.
    pub fn set_held(&mut self, alias: Alias, held: Held) {
        if let Some(node) = self.node_mut(alias) {
            node.held = (held != Held::default()).then(|| Box::new(held));
        }
    }

    /// What a node said it holds at its last check-in since this center started.
    pub fn held(&self, alias: Alias) -> Option<Held> {
        self.node(alias).map(|node| node.held.as_deref().copied().unwrap_or_default())
    }

    /// What a node lends, where it said that it holds more.
    pub fn is_over(&self, alias: Alias) -> Option<Bytes> {
        let node = self.node(alias)?;
        let held = node.held.as_ref()?;
        (node.lent.0 > 0 && held.bytes > node.lent.0).then_some(node.lent)
    }

    /// The plan of a node.
    pub fn plan(&self, alias: Alias) -> Plan {
        let node = self.node(alias);
        let everything = wire::fleet::Ask {
            cores_milli: u32::MAX,
            memory_mib: u32::MAX,
            disk: Bytes(u64::MAX),
            up: model::Kbps(u32::MAX),
            down: model::Kbps(u32::MAX),
        };
        Plan {
            generation: node.map_or(0, |n| n.generation),
            quarantined: node.is_some_and(|n| n.standing.takes_no_work()),
            ask: everything,
        }
    }

    /// Bytes it takes, as far as it counts itself.
    pub fn memory_bytes(&self) -> usize {
        let addrs: usize = self.nodes.iter().flatten().filter_map(|n| n.addr.as_ref()).map(|a| a.len()).sum();
        let slots = self.nodes.capacity() * size_of::<Option<NodeMemory>>();
        // A hash map keeps a key, a value and a control byte per place, and at most 7 of 8 places full.
        let index = self.by_id.capacity() * (size_of::<(NodeId, Alias)>() + 1) * 8 / 7;
        self.presence.memory_bytes() + slots + index + addrs
    }

    fn put(&mut self, alias: Alias, node: NodeMemory) {
        let at = alias.0 as usize;
        if self.nodes.len() <= at {
            // An eighth more, not double: a fleet that stays as it is pays for no empty half.
            let room = (at + 1).max(self.nodes.len() + self.nodes.len() / 8);
            if room > self.nodes.capacity() {
                self.nodes.reserve_exact(room - self.nodes.len());
            }
            self.nodes.resize_with(at + 1, || None);
        }
        self.by_id.insert(node.id, alias);
        self.nodes[at] = Some(node);
    }
}

/// Fills the memory from the rows.
pub async fn load(db: &Db, settings: &Settings, now: Stamp) -> Result<FleetMemory, StoreError> {
    let mut memory = FleetMemory::new(now, settings);
    let downs = db.read(|q| Ok(learn::down_times(q)?)).await?;
    let (mut after, mut down_since) = (None, None);
    loop {
        let briefs = db.read(move |q| Ok(store::list_brief(q, after, LOAD_STEP)?)).await?;
        let Some(last) = briefs.last() else { break };
        after = Some(last.alias);
        let seen = last_hours(db, briefs[0].alias, last.alias, now).await?;
        down_since = down_since.max(seen.values().max().copied());
        for b in briefs {
            // Times without a center since then do not count, so they move it on.
            let last_seen = seen.get(&b.alias).map(|hour| Stamp((hour + 1) * HOUR_MS));
            let known = Known {
                last_seen: last_seen.map(|at| (at + downs.between(at, now)).min(now)),
                missing_after: model::Span::hours(u64::from(b.missing_after_h)),
                holiday_until: b.holiday_until,
                left: matches!(b.standing, Standing::Left | Standing::Banned),
            };
            memory.presence.register(b.alias, known);
            let (integrity, rank) = (b.integrity, (b.standing, b.tier));
            memory.put(b.alias, NodeMemory { integrity, ..node_memory(b.id, b.owner, rank) });
        }
    }
    if let Some(from) = learn::last_sign(db, down_since).await? {
        memory.presence.set_down_since(from.min(now));
        db.write(move |tx| Ok(learn::note_down(tx, from, now)?)).await?;
    }
    Ok(memory)
}

/// The last hour in which each node of a range of aliases was on, from the hourly rows of the last [`SEEN_HOURS`].
async fn last_hours(db: &Db, first: Alias, last: Alias, now: Stamp) -> Result<HashMap<Alias, u64>, StoreError> {
    let blocks = (first.0 / store::PRESENCE_BLOCK)..=(last.0 / store::PRESENCE_BLOCK);
    let (from, to) = (now.hour().saturating_sub(SEEN_HOURS), now.hour() + 1);
    let mut seen = HashMap::new();
    for block in blocks {
        let rows = db.read(move |q| Ok(store::presence_hours(q, block, from, to)?)).await?;
        for row in rows {
            let on = row.minutes.iter().zip(block * store::PRESENCE_BLOCK..).filter(|(minutes, _)| **minutes > 0);
            on.for_each(|(_, alias)| {
                let hour = seen.entry(Alias(alias)).or_insert(row.hour);
                *hour = row.hour.max(*hour);
            });
        }
    }
    Ok(seen)
}

fn node_memory(id: NodeId, owner: MemberId, (standing, tier): (Standing, Tier)) -> NodeMemory {
    let (lent, accepts, integrity) = (Bytes(0), Bytes(0), Ppm::ONE);
    let (links, generation) = (0, 1);
    NodeMemory { id, owner, addr: None, lent, standing, links, integrity, generation, held: None, tier, accepts }
}

/// A node that is gone for good, known by rows only.
pub fn register_gone(center: &Center, alias: Alias, id: NodeId, owner: MemberId) {
    let mut fleet = center.fleet();
    fleet.presence.register(alias, Known { left: true, ..Known::default() });
    fleet.put(alias, node_memory(id, owner, (Standing::Left, Tier::T0)));
}

/// A node that joined just now, or joined again.
pub fn register(center: &Center, alias: Alias, id: NodeId, owner: MemberId, (standing, tier): (Standing, Tier)) {
    let mut fleet = center.fleet();
    fleet.presence.register(alias, Known::default());
    match fleet.node_mut(alias) {
        Some(node) => node.standing = standing,
        None => fleet.put(alias, node_memory(id, owner, (standing, tier))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_take_nothing_untested_and_little_on_probation() {
        let mut node = node_memory(NodeId([1; 32]), MemberId([2; 16]), (Standing::Active, Tier::T0));
        let lent = Bytes::gib(100);
        node.held = Some(Box::new(Held { bytes: 3 << 30, ..Held::default() }));
        assert_eq!(node.room(lent, Trust::Public), Bytes(0));
        node.set_rank(Tier::T1, Bytes(0));
        assert_eq!(node.room(lent, Trust::Public), Bytes(0), "not looked at since the start");
        node.set_rank(Tier::T1, Bytes::gib(11));
        assert_eq!(node.room(lent, Trust::Public), Bytes::gib(8));
        assert_eq!(node.room(Bytes::gib(5), Trust::Public), Bytes::gib(5), "what is lent is the most");
        assert_eq!(node.room(lent, Trust::Circle), lent, "a circle's member that lost pieces");
        node.set_rank(Tier::T2, Bytes(0));
        assert_eq!(node.room(lent, Trust::Public), lent);
    }
}
