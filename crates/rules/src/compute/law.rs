//! What items of a stage take: means and the 95th of a hundred, in whole numbers.
//!
//! (A) The 95th of a hundred is at most an eighth above the true one and never below it.

use super::limits::{FUEL_ODD_AFTER, FUEL_ODD_TIMES};
use model::Span;

/// Eight steps an octave.
const STEPS: u32 = 8;

/// Counts what items took.
#[derive(Debug, Clone, Default)]
pub(super) struct Law {
    items: u32,
    fuel: u64,
    largest: u64,
    steps: Vec<u32>,
    ref_ms: u64,
    timed: u32,
}

impl Law {
    /// An item took so much fuel.
    pub(super) fn add(&mut self, fuel: u64) {
        self.items = self.items.saturating_add(1);
        self.fuel = self.fuel.saturating_add(fuel);
        self.largest = self.largest.max(fuel);
        let at = step(fuel);
        if self.steps.len() <= at {
            self.steps.resize(at + 1, 0);
        }
        self.steps[at] += 1;
    }

    /// What an earlier life of the center had counted.
    pub(super) fn add_folded(&mut self, items: u32, fuel: u64, largest: u64) {
        (self.items, self.fuel, self.largest) = (items, fuel, largest);
    }

    /// So many items took so long on a machine of this speed.
    pub(super) fn time(&mut self, items: u32, took: Span, speed_milli: u32) {
        let ref_ms = took.scaled(u64::from(speed_milli.max(1)), 1_000).as_ms();
        self.ref_ms = self.ref_ms.saturating_add(ref_ms);
        self.timed = self.timed.saturating_add(items);
    }

    /// Items counted.
    pub(super) fn items(&self) -> u32 {
        self.items
    }

    /// Largest fuel of an item.
    pub(super) fn largest(&self) -> u64 {
        self.largest
    }

    /// Mean fuel of an item, once there is one.
    pub(super) fn mean_fuel(&self) -> Option<u64> {
        self.fuel.checked_div(u64::from(self.items))
    }

    /// What `items` take on a machine of this speed, once something is known.
    pub(super) fn takes(&self, items: u32, speed_milli: u32) -> Option<Span> {
        let wide = u128::from(self.ref_ms) * u128::from(items) * 1_000;
        let ms = wide.checked_div(u128::from(self.timed) * u128::from(speed_milli.max(1)))?;
        Some(Span(u64::try_from(ms).unwrap_or(u64::MAX)))
    }

    /// Whether so much fuel is odd: more than twice what 95 of 100 items take.
    pub(super) fn is_odd(&self, fuel: u64) -> bool {
        let counted: u32 = self.steps.iter().sum();
        if counted < FUEL_ODD_AFTER || fuel <= self.fuel / u64::from(self.items.max(1)) * FUEL_ODD_TIMES {
            return false;
        }
        let mut left = counted - counted / 20;
        let at = self.steps.iter().position(|count| {
            left = left.saturating_sub(*count);
            left == 0
        });
        at.is_some_and(|at| fuel > end_of(at).saturating_mul(FUEL_ODD_TIMES))
    }
}

/// Which eighth of which octave.
fn step(fuel: u64) -> usize {
    let fuel = fuel.max(1);
    let octave = fuel.ilog2();
    let part = u64::try_from((u128::from(fuel) * u128::from(STEPS)) >> octave).unwrap_or(0) - u64::from(STEPS);
    (octave * STEPS) as usize + usize::try_from(part).unwrap_or(0)
}

/// Largest fuel of a step, or a little more.
fn end_of(step: usize) -> u64 {
    let (octave, part) = (step / STEPS as usize, step % STEPS as usize);
    let end = (u128::from(STEPS) + part as u128 + 1) << octave;
    u64::try_from(end / u128::from(STEPS) + 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_is_more_than_twice_what_most_take() {
        let mut law = Law::default();
        for i in 0..1_000u64 {
            law.add(1_000_000 + i * 100);
        }
        assert!(!law.is_odd(2_180_000) && law.is_odd(2_600_000), "(A)");
        assert!(!law.is_odd(1_000));
        assert_eq!(law.mean_fuel(), Some(1_049_950));
        let fuels = [1u64, 7, 8, 9, 1_000, 123_456_789, u64::MAX / 2];
        assert!(fuels.iter().all(|f| end_of(step(*f)) >= *f && end_of(step(*f)) <= f + f / 8 + 2), "(A)");
    }

    #[test]
    fn times_are_those_of_the_reference_machine() {
        let mut law = Law::default();
        assert_eq!(law.takes(1, 1_000), None);
        law.time(2, Span::secs(20), 2_000);
        assert_eq!(law.takes(1, 1_000), Some(Span::secs(20)));
        assert_eq!(law.takes(3, 500), Some(Span::secs(120)));
    }
}
