//! By which code is a segment cut? The size of the pool decides (`docs/design/storage.md` §3).
//!
//! (A) Every scheme chosen is sound. (B) In a circle k never exceeds the members that are always on, and more than half
//! may die. (C) In a neighborhood k is at most ⌊0.3 N⌋ and at most what coverage carries. (D) The three classes differ in
//! public pools only. (E) A public pool with too few always-on nodes is told so, never silently weak.
//!
//! A segment keeps the scheme of its group for life; a pool that outgrows its scheme opens new groups.

pub mod offer;

use crate::Refusal;
use crate::fleet::tier::Trust;
use model::{Class, Ppm, Scheme, Span, Tier, errors};

/// Most nodes of a circle.
pub const CIRCLE_MAX: u16 = 11;
/// Most nodes of a neighborhood, and of one group in it.
pub const NEIGHBORHOOD_MAX: u16 = 119;
/// Eligible owners from which a pool is public.
pub const PUBLIC_OWNERS_MIN: u32 = 120;
/// History a node needs before its uptime is counted instead of its owner's word.
pub const HISTORY: Span = Span::days(30);
/// Uptime over [`HISTORY`] that counts as always on.
pub const ALWAYS_ON: Ppm = Ppm::percent(95);
/// Least share of always-on nodes of a public pool without a notice.
pub const ALWAYS_ON_SHARE_MIN: Ppm = Ppm::percent(10);
/// Fewest pieces that rebuild in a neighborhood.
const NEIGHBORHOOD_K_MIN: u16 = 2;

/// The three sizes of a pool, each with its code and its caps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PoolKind {
    /// Up to [`CIRCLE_MAX`] nodes of people who invited each other; everybody holds a slot.
    Circle,
    /// Up to [`NEIGHBORHOOD_MAX`] nodes, or more of fewer than [`PUBLIC_OWNERS_MIN`] owners.
    Neighborhood,
    /// Strangers.
    Public,
}

impl PoolKind {
    /// The kind of a pool of so many nodes that may hold pieces, of so many owners (clusters count once).
    pub fn of(nodes: u32, owners: u32) -> Self {
        match nodes {
            _ if owners >= PUBLIC_OWNERS_MIN => Self::Public,
            n if n <= u32::from(CIRCLE_MAX) => Self::Circle,
            _ => Self::Neighborhood,
        }
    }

    /// δ: pieces beyond k that must stand outside of any domain, and below which a group is critical.
    pub const fn delta(self) -> u16 {
        match self {
            Self::Circle => 1,
            Self::Neighborhood => 2,
            Self::Public => 8,
        }
    }

    /// Standard deviations by which the mean of pieces on must exceed k in every hour of the week, in thousandths.
    pub const fn z_milli(self) -> u32 {
        match self {
            Self::Public => 4_500,
            // A circle has everybody already; its coverage is shown with the neighborhood's measure.
            Self::Circle | Self::Neighborhood => 3_000,
        }
    }

    /// One slot a group for an owner, a LAN, a /24 or /48, and a ceiling for nodes on probation.
    pub const fn has_hard_caps(self) -> bool {
        matches!(self, Self::Public)
    }

    /// Whether ranks count in a pool of this kind: in a public cloud of any size, else in public pools.
    pub const fn ranks(self, trust: Trust) -> Ranks {
        match (self, trust) {
            (Self::Circle | Self::Neighborhood, Trust::Circle) => Ranks::Waived,
            _ => Ranks::Count,
        }
    }
}

/// Whether it matters how far a node is vetted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranks {
    /// Membership is the vetting: nodes are T2 at once and may expand and repair after a time without a gap. `status` says so.
    Waived,
    /// Only vetted nodes (T2) count for an acknowledgement, and stewards (T3) work for others; where there is none yet, vetted ones.
    Count,
}

impl Ranks {
    /// Whether a node of this rank counts for an acknowledgement.
    pub fn vetted(self, tier: Tier) -> bool {
        self == Self::Waived || tier >= Tier::T2
    }
}

/// Nodes on probation (T1) that one group takes beside so many vetted ones, in a public cloud whose pools have no hard caps yet: a
/// tenth of all, and one where the code outlives it.
pub const fn probation_of_young(vetted: usize) -> usize {
    // Of two or more and one, every code of `circle` is acknowledged by the vetted alone.
    match vetted {
        0 | 1 => 0,
        2..=17 => 1,
        _ => vetted / 9,
    }
}

/// What is known of how one member's node keeps on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steadiness {
    /// Since it joined.
    pub age: Span,
    /// Share of the last [`HISTORY`] it was on.
    pub on: Ppm,
    /// Its owner declared it always on.
    pub is_declared: bool,
    /// Away for once since it joined.
    pub had_gap: bool,
}

impl Steadiness {
    /// Whether it counts for A. With a month of history its uptime decides; before, its owner's word, or no gap so far.
    pub fn is_always_on(&self) -> bool {
        if self.age >= HISTORY { self.on >= ALWAYS_ON } else { self.is_declared || !self.had_gap }
    }

    /// Whether it may be a steward where tiers are waived: on without a gap for the setting `steward_after`, or by uptime.
    pub fn is_steward_by_waiver(&self, steward_after: Span) -> bool {
        if self.age >= HISTORY { self.on >= ALWAYS_ON } else { !self.had_gap && self.age >= steward_after }
    }
}

/// What the choice of a scheme knows of the pool: nodes that may hold pieces, inside the bucket's region rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolFacts {
    /// Nodes.
    pub nodes: u32,
    /// Owners of them; clusters count once.
    pub owners: u32,
    /// Nodes for which [`Steadiness::is_always_on`] holds.
    pub always_on: u32,
    /// Largest k that the coverage of all of them carries ([`crate::storage::group::Coverage::k_max`]); neighborhoods
    /// only.
    pub k_covered: u16,
}

/// What the member should know of the scheme chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// One or two nodes: no protection yet.
    NoProtection,
    /// Too few always-on nodes: reads may wait for the evening.
    ReadsMayWait,
}

/// A scheme with what has to be said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// How segments are cut.
    pub scheme: Scheme,
    /// The kind of pool, for caps, δ and the waiver.
    pub kind: PoolKind,
    /// Said beside the class.
    pub notice: Option<Notice>,
}

/// The scheme of a class in this pool.
///
/// E0306 when there is no node at all; E0317 for `fortress` in a public pool where fewer than [`ALWAYS_ON_SHARE_MIN`] of the
/// nodes are always on.
pub fn choose(pool: &PoolFacts, class: Class) -> Result<Chosen, Refusal> {
    let kind = PoolKind::of(pool.nodes, pool.owners);
    let always_on = u16::try_from(pool.always_on).unwrap_or(u16::MAX);
    let (scheme, notice) = match kind {
        PoolKind::Circle => {
            let nodes = u16::try_from(pool.nodes).expect("a circle has at most CIRCLE_MAX nodes");
            (circle(nodes, always_on).ok_or_else(|| nobody(class))?, (nodes <= 2).then_some(Notice::NoProtection))
        }
        PoolKind::Neighborhood => {
            let nodes = u16::try_from(pool.nodes).unwrap_or(NEIGHBORHOOD_MAX).min(NEIGHBORHOOD_MAX);
            (neighborhood(nodes, pool.k_covered), None)
        }
        PoolKind::Public => (public(class), offered(pool, class)?),
    };
    debug_assert!(scheme.is_sound(), "(A)");
    Ok(Chosen { scheme, kind, notice })
}

fn nobody(class: Class) -> Refusal {
    Refusal::new(errors::TOO_FEW_NODES).with("class", class).with("need", 1).with("live", 0).with("fit", 0)
}

/// (E) Whether a public pool carries the class.
fn offered(pool: &PoolFacts, class: Class) -> Result<Option<Notice>, Refusal> {
    let need = (u64::from(ALWAYS_ON_SHARE_MIN.0) * u64::from(pool.nodes)).div_ceil(1_000_000);
    match class {
        _ if u64::from(pool.always_on) >= need => Ok(None),
        Class::Eco => Ok(None),
        Class::Standard => Ok(Some(Notice::ReadsMayWait)),
        Class::Fortress => Err(Refusal::new(errors::CLASS_NOT_OFFERED)
            .with("class", class)
            .with("need", need)
            .with("have", pool.always_on)),
    }
}

/// The circle's scheme: `k = max(1, min(⌈N/2⌉ − 1, A))`, `n = min(N, k + ⌊N/2⌋ + 1)`. `None` for no node or more than a circle.
pub fn circle(nodes: u16, always_on: u16) -> Option<Scheme> {
    Scheme::circle(nodes, always_on)
}

/// The neighborhood's scheme for 12 … [`NEIGHBORHOOD_MAX`] nodes (cut to it), k lowered to what coverage carries.
pub fn neighborhood(nodes: u16, k_covered: u16) -> Scheme {
    let n = nodes.clamp(CIRCLE_MAX + 1, NEIGHBORHOOD_MAX);
    let k = (n * 3 / 10).min(k_covered).max(NEIGHBORHOOD_K_MIN);
    let accept = k + 2.max(k.div_ceil(4));
    Scheme { k, m: (n * 77).div_ceil(100), o: n, slots: n, n_max: (2 * n).min(Scheme::MAX_PIECES), accept }
}

/// The scheme of a class in a public pool.
pub const fn public(class: Class) -> Scheme {
    match class {
        Class::Eco => Scheme { k: 32, m: 56, o: 72, slots: 80, n_max: 96, accept: 40 },
        Class::Standard => Scheme { k: 32, m: 80, o: 104, slots: 112, n_max: 144, accept: 44 },
        Class::Fortress => Scheme { k: 32, m: 112, o: 136, slots: 144, n_max: 160, accept: 48 },
    }
}

#[cfg(test)]
mod tests;
