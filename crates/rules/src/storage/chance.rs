//! How many of many independent things happen, counted exactly; and what follows for segments (`docs/design/storage.md` §16).
//!
//! (A) A law is exact up to rounding: one convolution per thing, no approximation by a normal curve. (B) Its shares are in
//! 0 … 1 and sum to 1. (C) `below` rises with its argument. (D) A larger share of dead nodes never loses less.
//!
//! Shares are `f64`: nothing here is money, and sums, products and square roots give the same on every machine.

use model::{Ppm, Scheme};

/// Largest loss of segments a mass death may cause while the share of the pool is still said to be survived.
pub const LOSS_MAX: f64 = 1e-6;

/// Probability of each count, 0 up to the number of things.
#[derive(Debug, Clone, PartialEq)]
pub struct CountLaw(Vec<f64>);

impl Default for CountLaw {
    /// Of nothing, surely nothing.
    fn default() -> Self {
        Self(vec![1.0])
    }
}

impl CountLaw {
    /// Of independent things with these shares (Poisson binomial), by convolution: O(n²).
    pub fn of(shares: impl IntoIterator<Item = f64>) -> Self {
        let mut law = Self::default();
        shares.into_iter().for_each(|share| law.add(share));
        law
    }

    /// Of `count` things with the same share (binomial).
    pub fn binomial(count: u16, share: f64) -> Self {
        Self::of(std::iter::repeat_n(share, usize::from(count)))
    }

    /// One thing more, with this share; outside 0 … 1 it is cut.
    pub fn add(&mut self, share: f64) {
        let share = share.clamp(0.0, 1.0);
        self.0.push(0.0);
        for count in (0..self.0.len()).rev() {
            let one_less = if count == 0 { 0.0 } else { self.0[count - 1] };
            self.0[count] = self.0[count] * (1.0 - share) + one_less * share;
        }
    }

    /// Probability of exactly `count`.
    pub fn exactly(&self, count: u16) -> f64 {
        self.0.get(usize::from(count)).copied().unwrap_or(0.0)
    }

    /// Probability of fewer than `count`.
    pub fn below(&self, count: u16) -> f64 {
        // The smallest terms stand first, so the sum keeps its digits.
        self.0.iter().take(usize::from(count)).sum::<f64>().clamp(0.0, 1.0)
    }

    /// Probability of `count` or more.
    pub fn at_least(&self, count: u16) -> f64 {
        self.0.iter().skip(usize::from(count)).rev().sum::<f64>().clamp(0.0, 1.0)
    }
}

/// Share of segments lost when each node dies at once with probability `dead`, for a group that has `pieces` now.
pub fn mass_loss(k: u16, pieces: u16, dead: f64) -> f64 {
    CountLaw::binomial(pieces, 1.0 - dead).below(k)
}

/// L(f): the same in the average state of a repaired pool, where `d` pieces stand with weight 1/d on m < d ≤ o.
pub fn mass_loss_average(scheme: &Scheme, dead: f64) -> f64 {
    let mut law = CountLaw::binomial(scheme.m, 1.0 - dead);
    let (mut loss, mut weights) = (0.0, 0.0);
    for pieces in scheme.m + 1..=scheme.o {
        law.add(1.0 - dead);
        let weight = 1.0 / f64::from(pieces);
        loss += weight * law.below(scheme.k);
        weights += weight;
    }
    // A scheme without room between m and o (one or two nodes) has only its one state.
    if weights == 0.0 { law.below(scheme.k) } else { loss / weights }
}

/// Largest share of the pool that may die at once with `loss(f)` within [`LOSS_MAX`], in steps of 0.1 %. `loss` rises.
pub fn largest_share(loss: impl Fn(f64) -> f64) -> Ppm {
    let (mut fits, mut fails) = (0u32, 1_001u32);
    while fails - fits > 1 {
        let middle = (fits + fails) / 2;
        if loss(f64::from(middle) / 1_000.0) <= LOSS_MAX { fits = middle } else { fails = middle }
    }
    Ppm(fits * 1_000)
}

/// How nodes go and how fast repair follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Churn {
    /// Mean life of a node in days.
    pub life_days: f64,
    /// Mean time from the repair threshold back to full, in days.
    pub repair_days: f64,
}

/// Expected loss per segment and year by churn: one over the mean time to data loss from `pieces` alive, the chain of §16.
///
/// At most 1 is not promised: a scheme that loses its segment every month answers 12.
pub fn yearly_loss(scheme: &Scheme, pieces: u16, churn: &Churn) -> f64 {
    let death = 1.0 / churn.life_days;
    // With d alive: after a_d expected days, and with chance c_d that it falls to k − 1, the state left is o or k − 1.
    let (mut days, mut falls) = (0.0, 1.0);
    let step = |d: u16, days: f64, falls: f64| {
        let dying = f64::from(d) * death;
        let repair = if d <= scheme.m { 1.0 / churn.repair_days } else { 0.0 };
        ((1.0 + dying * days) / (dying + repair), dying * falls / (dying + repair))
    };
    let (mut days_here, mut falls_here) = (0.0, 1.0);
    for d in scheme.k..=scheme.o.max(pieces) {
        (days, falls) = step(d, days, falls);
        if d == pieces {
            (days_here, falls_here) = (days, falls);
        }
        if d == scheme.o {
            // From o: T = a_o + (1 − c_o)·T, so T = a_o / c_o; from d: a_d + (1 − c_d)·T.
            let full = days / falls;
            if pieces >= scheme.o {
                return 365.0 / full;
            }
            return 365.0 / (days_here + (1.0 - falls_here) * full);
        }
    }
    365.0 / (days_here / falls_here)
}

/// Bytes moved by repair per stored byte and day: (k + o − m) / (k · T · ln(o/m)).
pub fn repair_per_day(scheme: &Scheme, churn: &Churn) -> f64 {
    let [k, m, o] = [scheme.k, scheme.m, scheme.o].map(f64::from);
    if o <= m { f64::INFINITY } else { (k + o - m) / (k * churn.life_days * (o / m).ln()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::scheme::public;
    use model::Class;
    use proptest::prelude::*;

    /// Every outcome of at most 12 things, one by one.
    fn naive_below(shares: &[f64], k: u16) -> f64 {
        let outcomes = 0u32..1 << shares.len();
        let chance = |set: u32| -> f64 {
            (0..shares.len()).map(|i| if set >> i & 1 == 1 { shares[i] } else { 1.0 - shares[i] }).product()
        };
        outcomes.filter(|set| set.count_ones() < u32::from(k)).map(chance).sum()
    }

    fn near(value: f64, expected: f64, part: f64) -> bool {
        (value - expected).abs() <= expected * part
    }

    #[test]
    fn half_of_all_nodes_at_once_as_the_design_counts_it() {
        let fresh = |k, n| mass_loss(k, n, 0.5);
        assert!(near(fresh(1, 3), 0.125, 0.01) && near(mass_loss(1, 2, 0.5), 0.25, 0.01), "copies");
        assert!(
            near(fresh(29, 80), 0.005, 0.2) && near(fresh(29, 52), 0.76, 0.02),
            "Storj, fresh and at its threshold"
        );
        assert!(near(fresh(3, 10), 0.055, 0.02), "Tahoe");
        assert!(near(mass_loss_average(&public(Class::Standard), 0.5), 0.0045, 0.02));
        assert!(near(mass_loss_average(&public(Class::Fortress), 0.5), 1.2e-7, 0.02));
        let wide = Scheme { k: 64, m: 200, o: 240, ..public(Class::Fortress) };
        assert!(near(mass_loss_average(&wide, 0.55), 6.7e-6, 0.02), "64/200/240 at 55 %");
    }

    #[test]
    fn the_shares_of_the_pool_each_class_outlives() {
        // 20 %, 37 % and 52 % in the design's words.
        let share = |class| largest_share(|f| mass_loss_average(&public(class), f)).0 / 1_000;
        assert_eq!([Class::Eco, Class::Standard, Class::Fortress].map(share), [196, 375, 520]);
        assert_eq!(largest_share(|_| 0.0), Ppm::ONE);
        assert_eq!(largest_share(|_| 1.0), Ppm(0));
    }

    #[test]
    fn loss_by_churn_as_the_design_counts_it() {
        let standard = public(Class::Standard);
        let loss = |life_days| yearly_loss(&standard, standard.o, &Churn { life_days, repair_days: 4.0 });
        assert!(near(loss(60.0), 9e-5, 0.3), "{}", loss(60.0));
        assert!(near(loss(90.0), 4e-7, 0.3), "{}", loss(90.0));
        assert!(near(loss(365.0), 2e-21, 0.9), "{}", loss(365.0));
        let churn = Churn { life_days: 90.0, repair_days: 4.0 };
        assert!(yearly_loss(&standard, 40, &churn) > yearly_loss(&standard, 80, &churn), "nearer to k, sooner lost");
        let month = 30.0 * repair_per_day(&standard, &Churn { life_days: 365.0 / 1.8, repair_days: 4.0 });
        assert!((0.5..1.2).contains(&month), "1.8 departures a node-year move about the stored data a month: {month}");
    }

    proptest! {
        #[test]
        fn the_law_is_the_naive_sum(shares in proptest::collection::vec(0.0f64..=1.0, 0..12), k in 0u16..14) {
            let law = CountLaw::of(shares.iter().copied());
            prop_assert!((law.below(k) - naive_below(&shares, k)).abs() < 1e-12, "(A)");
            prop_assert!((law.below(k) + law.at_least(k) - 1.0).abs() < 1e-12, "(B)");
            prop_assert!(law.below(k) <= law.below(k + 1) && law.exactly(k) >= 0.0, "(B) (C)");
        }

        #[test]
        fn more_dead_never_lose_less(k in 1u16..40, more in 0u16..80, f in 0.0f64..1.0, step in 0.0f64..0.2) {
            prop_assert!(mass_loss(k, k + more, f) <= mass_loss(k, k + more, (f + step).min(1.0)) + 1e-12, "(D)");
        }
    }
}
