//! The calamity: who goes, and when.

use super::{Blow, Durability, Event};
use crate::seed::Draw;
use crate::world::World;
use model::Span;

/// How long the pool is off in [`Blow::Away`].
const OFF_FOR: Span = Span::hours(48);
/// Share of those off that come back.
const BACK: f64 = 0.9;

impl Durability {
    /// It happens now; every machine that has not left is in danger.
    pub(super) fn strike(&mut self, world: &mut World<Event>) {
        let now = world.now();
        let mut draw = self.setup.seed.named("blow");
        self.grows &= self.setup.blow.lets_newcomers();
        let all: Vec<u32> = self.fleet.alive().map(|(alias, _)| alias).collect();
        self.counts.struck_of = all.len();
        for alias in all {
            match self.setup.blow {
                Blow::None => {}
                Blow::Kill(share) if draw.chance(share) => self.kill(world, alias),
                Blow::System(os) if self.fleet.machines[alias as usize].site.os == os => self.kill(world, alias),
                Blow::Ramp(share, days) if draw.chance(share) => {
                    let within = Span::days(u64::from(days)).as_ms();
                    world.at(now + Span(draw.below(within)), Event::Leave(alias));
                    self.counts.struck += 1;
                }
                Blow::Away(share) if draw.chance(share) => {
                    if draw.chance(BACK) {
                        self.hold_off(world, alias);
                    } else {
                        self.kill(world, alias);
                    }
                }
                Blow::Kill(_) | Blow::System(_) | Blow::Ramp(..) | Blow::Away(_) => {}
            }
        }
        self.counts.after_blow(&self.groups, self.scheme.k);
    }

    fn kill(&mut self, world: &mut World<Event>, alias: u32) {
        self.destroy(world, alias);
        self.counts.struck += 1;
    }

    fn hold_off(&mut self, world: &mut World<Event>, alias: u32) {
        let until = world.now() + OFF_FOR;
        self.fleet.machines[alias as usize].held_off = until;
        self.turn(world.now(), alias, false);
        world.at(until, Event::Back(alias));
        self.counts.struck += 1;
    }
}
