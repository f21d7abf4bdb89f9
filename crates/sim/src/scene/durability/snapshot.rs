//! The average state, once a week: what would an instant loss of a share of all machines, or of one whole domain, take?
//!
//! (A) The exact share is the mean over groups of the binomial of their pieces that exist now: no luck in it. (B) The drawn share
//! kills machines at random and counts; it tells where the exact one would be wrong, as were one machine to hold two pieces.

use super::fleet::Fleet;
use super::group::Group;
use crate::seed::{Draw, Seed, Stream};
use model::{Os, Scheme};
use rules::storage::chance::{mass_loss, mass_loss_average};
use std::collections::BTreeMap;

/// Days after which groups are no more in the state of their common start.
pub const FROM_DAY: u64 = 120;
/// Days between two snapshots.
pub const EVERY_DAYS: u64 = 7;
/// Shares of all machines.
pub const SHARES: [f64; 6] = [0.3, 0.4, 0.5, 0.55, 0.6, 0.7];

/// Sums over all snapshots.
#[derive(Debug, Clone)]
pub struct Snapshots {
    scheme: Scheme,
    draw: Stream,
    /// Groups looked at.
    pub groups: u64,
    /// Sum of the exact shares.
    pub exact: [f64; 6],
    /// Groups killed.
    pub drawn: [u64; 6],
    /// Fewest pieces outside one system, network, country.
    pub outside: [u16; 3],
    /// Groups that the loss of one of them would take.
    pub fatal: [u64; 3],
    losses: BTreeMap<(u16, usize), f64>,
}

impl Snapshots {
    /// None yet.
    pub fn new(seed: Seed, scheme: Scheme) -> Self {
        Self {
            scheme,
            draw: seed.named("snapshots"),
            groups: 0,
            exact: [0.0; 6],
            drawn: [0; 6],
            outside: [u16::MAX; 3],
            fatal: [0; 3],
            losses: BTreeMap::new(),
        }
    }

    /// The closed form of `docs/design/testing.md` §4.5.
    pub fn closed_form(&self, at: usize) -> f64 {
        mass_loss_average(&self.scheme, SHARES[at])
    }

    /// One more.
    pub fn take(&mut self, groups: &[Group], fleet: &Fleet, alive: &[u32]) {
        let k = self.scheme.k;
        for (at, share) in SHARES.into_iter().enumerate() {
            let mut dead = vec![false; fleet.machines.len()];
            alive.iter().for_each(|alias| dead[*alias as usize] = self.draw.chance(share));
            for group in groups {
                let loss = self.losses.entry((group.alive, at)).or_insert_with(|| mass_loss(k, group.alive, share));
                self.exact[at] += *loss;
                let left =
                    group.recount(|node| (!fleet.machines[node as usize].is_gone && !dead[node as usize], true)).0;
                self.drawn[at] += u64::from(left < k);
            }
        }
        groups.iter().for_each(|group| self.domains(group, fleet));
    }

    fn domains(&mut self, group: &Group, fleet: &Fleet) {
        self.groups += 1;
        let mut systems: BTreeMap<Os, u16> = BTreeMap::new();
        let mut networks: BTreeMap<Option<u32>, u16> = BTreeMap::new();
        let mut countries: BTreeMap<Option<[u8; 2]>, u16> = BTreeMap::new();
        let mut all = 0u16;
        for piece in group.pieces.iter().flatten().filter(|p| p.is_whole() && !p.is_regiven) {
            let machine = &fleet.machines[piece.node as usize];
            if !machine.is_gone {
                all += 1;
                *systems.entry(machine.site.os).or_default() += 1;
                *networks.entry(machine.site.network).or_default() += 1;
                if machine.site.country.is_some() {
                    *countries.entry(machine.site.country).or_default() += 1;
                }
            }
        }
        let widest =
            [systems.values().max().copied(), networks.values().max().copied(), countries.values().max().copied()];
        for (at, held) in widest.into_iter().enumerate() {
            let outside = all - held.unwrap_or(0);
            self.outside[at] = self.outside[at].min(outside);
            self.fatal[at] += u64::from(outside < self.scheme.k);
        }
    }
}
