//! One seed, many streams: every stream has a name, so a draw added to one shifts nothing in another.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// The seed of a run: with the scenario and the commit it is everything a run depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed(pub u64);

/// A stream of draws.
pub type Stream = ChaCha8Rng;

impl Seed {
    /// The stream called `name`.
    pub fn named(self, name: &str) -> Stream {
        self.nth(name, 0)
    }

    /// The stream `index` of those called `name`, e.g. one a host.
    pub fn nth(self, name: &str, index: u64) -> Stream {
        let mut hasher = blake3::Hasher::new_derive_key("pumasi sim seed v1");
        hasher.update(&self.0.to_le_bytes());
        hasher.update(&index.to_le_bytes());
        hasher.update(name.as_bytes());
        Stream::from_seed(*hasher.finalize().as_bytes())
    }
}

/// Draws a simulation needs. Lengths are hours where a law says hours.
pub trait Draw: Rng {
    /// Uniform in [0, 1), 53 bits.
    fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0 … `n` − 1; 0 when `n` is 0. The bias is below `n` / 2⁶⁴.
    fn below(&mut self, n: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(n);
        u64::try_from(wide >> 64).expect("the product of two u64 shifted by 64 fits")
    }

    /// Uniform in `low` … `high`, both included; `low` when they are the wrong way round.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True with probability `p`.
    fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Weibull by inversion: scale × (−ln u)^(1/shape).
    fn weibull(&mut self, shape: f64, scale: f64) -> f64 {
        scale * (-(1.0 - self.unit()).ln()).powf(1.0 / shape)
    }

    /// Standard normal (Box and Muller, one of the pair).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

impl<R: Rng + ?Sized> Draw for R {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_stable_and_apart() {
        let take = |mut s: Stream| [s.next_u64(), s.next_u64()];
        assert_eq!(take(Seed(7).named("a")), take(Seed(7).named("a")));
        assert_ne!(take(Seed(7).named("a")), take(Seed(7).named("b")));
        assert_ne!(take(Seed(7).named("a")), take(Seed(8).named("a")));
        assert_ne!(take(Seed(7).nth("a", 1)), take(Seed(7).nth("a", 2)));
    }

    #[test]
    fn laws_have_their_means() {
        let mut s = Seed(1).named("laws");
        let n = 40_000;
        let mean = |sum: f64| sum / f64::from(n);
        let weibull = mean((0..n).map(|_| s.weibull(2.0, 1.0)).sum());
        assert!((weibull - 0.886).abs() < 0.01, "Γ(1.5) = 0.886, drawn {weibull}");
        let normal = mean((0..n).map(|_| s.normal()).sum());
        assert!(normal.abs() < 0.02);
        assert!((0..1_000).all(|_| (3..=5).contains(&s.between(3, 5))));
    }
}
