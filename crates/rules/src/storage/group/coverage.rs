//! Are enough holders on in every hour of the week? (`docs/design/storage.md` §5)
//!
//! (A) Sums are whole numbers: adding and removing in any order ends at the same coverage. (B) Covered with k means covered
//! with every smaller k. (C) `k_max` is the largest k that is covered.

use crate::fleet::profile::WeeklyProfile;
use model::HourOfWeek;

/// Mean a (1 − a) from which a week is a toss, in 1/255²: a node on for a third of the time, whatever the hour, has 0.22; one on in
/// its evenings has less than 0.1.
const TOSS: u64 = 255 * 255 * 12 / 100;

/// Whether a node's hours foretell nothing: it is off as often in the hours in which it is on (the flaky of placement). Such
/// nodes also stay for less long than those with habits.
pub fn is_flaky(profile: &WeeklyProfile) -> bool {
    let variance: u64 = profile.0.iter().map(|l| u64::from(*l) * (255 - u64::from(*l))).sum();
    variance / HourOfWeek::COUNT as u64 >= TOSS
}

/// For each hour of the week the mean and variance of the number of holders on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Σ a, in 1/255.
    mean: [u32; HourOfWeek::COUNT],
    /// Σ a (1 − a), in 1/255².
    variance: [u32; HourOfWeek::COUNT],
}

/// The hour that is worst covered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weakest {
    /// Which one, UTC.
    pub hour: HourOfWeek,
    /// μ − k − z·σ: holders to spare, negative where they lack.
    pub spare: f64,
}

impl Default for Coverage {
    fn default() -> Self {
        Self { mean: [0; HourOfWeek::COUNT], variance: [0; HourOfWeek::COUNT] }
    }
}

impl Coverage {
    /// Of these holders. Whoever is on holiday is left out by the caller.
    pub fn of<'a>(profiles: impl IntoIterator<Item = &'a WeeklyProfile>) -> Self {
        let mut coverage = Self::default();
        profiles.into_iter().for_each(|profile| coverage.add(profile));
        coverage
    }

    /// One holder more.
    pub fn add(&mut self, profile: &WeeklyProfile) {
        for (hour, level) in profile.0.iter().map(|l| u32::from(*l)).enumerate() {
            self.mean[hour] += level;
            self.variance[hour] += level * (255 - level);
        }
    }

    /// Mean number of holders on in this hour.
    pub fn mean(&self, hour: HourOfWeek) -> f64 {
        f64::from(self.mean[hour.index()]) / 255.0
    }

    /// Standard deviation of that number.
    pub fn deviation(&self, hour: HourOfWeek) -> f64 {
        f64::from(self.variance[hour.index()]).sqrt() / 255.0
    }

    /// The hour with the least to spare above k, by `z_milli` thousandths of a deviation; the first of equals.
    pub fn weakest(&self, k: u16, z_milli: u32) -> Weakest {
        let z = f64::from(z_milli) / 1_000.0;
        let spare = |hour| self.mean(hour) - z * self.deviation(hour) - f64::from(k);
        let first = HourOfWeek::wrapped(0);
        let mut weakest = Weakest { hour: first, spare: spare(first) };
        for hour in (1..HourOfWeek::COUNT as u64).map(HourOfWeek::wrapped) {
            let here = spare(hour);
            if here < weakest.spare {
                weakest = Weakest { hour, spare: here };
            }
        }
        weakest
    }

    /// Whether μ − k ≥ z·σ in every hour.
    pub fn is_covered(&self, k: u16, z_milli: u32) -> bool {
        self.weakest(k, z_milli).spare >= 0.0
    }

    /// Largest k that is covered, 0 when none is.
    pub fn k_max(&self, z_milli: u32) -> u16 {
        // Clamped to the range of u16; the cut of the fraction is the floor that is wanted.
        self.weakest(0, z_milli).spare.clamp(0.0, f64::from(u16::MAX)) as u16
    }

    /// (μ − k)/σ in thousandths at the worst hour by z; `u32::MAX` where nothing varies and k is met, 0 where μ ≤ k.
    pub fn z_milli(&self, k: u16) -> u32 {
        let z_of = |hour| {
            let above = self.mean(hour) - f64::from(k);
            // Without deviation the quotient is infinite and is cut to the largest; at μ = k it is no number, which is 0.
            if above <= 0.0 { 0 } else { (above / self.deviation(hour) * 1_000.0).min(f64::from(u32::MAX)) as u32 }
        };
        (0..HourOfWeek::COUNT as u64).map(|h| z_of(HourOfWeek::wrapped(h))).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Ppm;
    use proptest::prelude::*;

    #[test]
    fn office_machines_leave_the_weekend_bare() {
        let office = WeeklyProfile::declared(|h| h.day() < 5 && (9..18).contains(&h.hour_of_day()));
        let home = WeeklyProfile::declared(|h| h.hour_of_day() >= 18);
        let coverage = Coverage::of(std::iter::repeat_n(&office, 20).chain(std::iter::repeat_n(&home, 20)));
        let weakest = coverage.weakest(5, 3_000);
        assert_eq!((weakest.hour.index(), weakest.spare), (0, -5.0), "nobody on Monday at midnight");
        assert_eq!((coverage.k_max(3_000), coverage.z_milli(5)), (0, 0));
    }

    #[test]
    fn always_on_holders_cover_their_number() {
        let always = WeeklyProfile::flat(Ppm::ONE);
        let coverage = Coverage::of(std::iter::repeat_n(&always, 7));
        assert_eq!((coverage.k_max(4_500), coverage.z_milli(7), coverage.z_milli(6)), (7, 0, u32::MAX));
        assert!(coverage.is_covered(7, 4_500) && !coverage.is_covered(8, 4_500));
    }

    #[test]
    fn habits_are_not_flaky_whatever_they_are() {
        let evening = WeeklyProfile::declared(|h| h.hour_of_day() >= 18);
        let office = WeeklyProfile::declared(|h| h.day() < 5 && (9..18).contains(&h.hour_of_day()));
        let always = WeeklyProfile::flat(Ppm::percent(97));
        assert_eq!([&evening, &office, &always].map(is_flaky), [false; 3]);
        let seldom = WeeklyProfile::flat(Ppm::percent(5));
        assert!(is_flaky(&WeeklyProfile::flat(Ppm::percent(30))) && !is_flaky(&seldom));
    }

    proptest! {
        #[test]
        fn sums_agree_with_naive_ones(levels in proptest::collection::vec(any::<u8>(), 0..60), k in 0u16..20) {
            let profiles: Vec<WeeklyProfile> = levels.iter().map(|l| WeeklyProfile([*l; 168])).collect();
            let coverage = Coverage::of(&profiles);
            let shares = levels.iter().map(|l| f64::from(*l) / 255.0);
            let hour = HourOfWeek::wrapped(77);
            prop_assert!((coverage.mean(hour) - shares.clone().sum::<f64>()).abs() < 1e-9);
            let variance: f64 = shares.map(|a| a * (1.0 - a)).sum();
            prop_assert!((coverage.deviation(hour).powi(2) - variance).abs() < 1e-9);
            prop_assert_eq!(Coverage::of(profiles.iter().rev()), coverage.clone(), "(A)");
            prop_assert!(!coverage.is_covered(k + 1, 3_000) || coverage.is_covered(k, 3_000), "(B)");
            let most = coverage.k_max(3_000);
            prop_assert!(most == 0 || coverage.is_covered(most, 3_000), "(C)");
            prop_assert!(!coverage.is_covered(most + 1, 3_000), "(C)");
        }
    }
}
