//! When is this node on, and how long does it stay? Learnt from its own hours and sessions (`docs/design/fleet.md` §4).
//!
//! (A) What is stored is whole numbers: 168 bytes, one `u16`. (B) The profile stays between what it was and what was
//! seen. (C) A session of any age and any length ahead survives with a share in 0 … 1 that falls with the time ahead
//! and rises with age: age is the best predictor. (D) A node of which nothing is known is like the pool.

use model::{HourOfWeek, Ppm, Span};

/// Weeks the prior stands for.
pub const PRIOR_WEEKS: u32 = 4;
/// Shape of session lengths.
pub const SHAPE: f64 = 0.45;
/// Sessions of the pool that stand for a node's own at the start.
pub const PRIOR_SESSIONS: u32 = 10;
/// Sessions that count at most, so that the scale follows a changed life.
pub const SESSIONS_MAX: u32 = 90;
const DECIHOUR_MS: f64 = 360_000.0;

/// Share of each hour of the week a node is on, × 255.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeeklyProfile(pub [u8; HourOfWeek::COUNT]);

impl WeeklyProfile {
    /// The same share in every hour: a region's mean, say.
    pub fn flat(share: Ppm) -> Self {
        let level = share.of(255).min(255);
        Self([u8::try_from(level).expect("at most 255"); HourOfWeek::COUNT])
    }

    /// A declared schedule: on in these hours.
    pub fn declared(on: impl Fn(HourOfWeek) -> bool) -> Self {
        Self(std::array::from_fn(|i| if on(HourOfWeek::wrapped(i as u64)) { 255 } else { 0 }))
    }

    /// Folds one hour of one week in. In its first week the prior weighs four weeks, later the weight is ¼.
    pub fn fold(&mut self, hour: HourOfWeek, minutes: u8, weeks_seen: u32) {
        let sample = u32::from(minutes.min(60)) * 255 / 60;
        let past = if weeks_seen == 0 { PRIOR_WEEKS } else { 3 };
        let level = &mut self.0[hour.index()];
        let next = (u32::from(*level) * past + sample + past.div_ceil(2)) / (past + 1);
        *level = u8::try_from(next).expect("a mean of bytes is a byte");
    }

    /// Share of this hour.
    pub fn share(&self, hour: HourOfWeek) -> Ppm {
        Ppm(u32::from(self.0[hour.index()]) * 1_000_000 / 255)
    }

    /// Share of the week.
    pub fn mean_on(&self) -> Ppm {
        let sum: u64 = self.0.iter().map(|level| u64::from(*level)).sum();
        let mean = sum * 1_000_000 / (255 * HourOfWeek::COUNT as u64);
        Ppm(u32::try_from(mean).expect("a mean of shares is a share"))
    }
}

/// Scale λ of a node's sessions in tenths of an hour, as its row keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionScale(pub u16);

impl Default for SessionScale {
    /// The pool's: 3 h, near the fit of home PCs (`docs/design/fleet.md` §12).
    fn default() -> Self {
        Self(30)
    }
}

impl SessionScale {
    /// Learns from a session that ended, the `seen`-th of this node counted from 0: maximum likelihood at a known shape,
    /// λᵏ = mean of tᵏ, the pool standing for [`PRIOR_SESSIONS`].
    #[must_use]
    pub fn after(self, session: Span, seen: u32) -> Self {
        let weight = f64::from(PRIOR_SESSIONS + seen.min(SESSIONS_MAX));
        let power = |decihours: f64| decihours.powf(SHAPE);
        let mean = (power(f64::from(self.0)) * weight + power(decihours(session))) / (weight + 1.0);
        let scale = mean.powf(1.0 / SHAPE).round().clamp(1.0, f64::from(u16::MAX));
        // Clamped to the range of u16 the line above.
        Self(scale as u16)
    }

    /// Share of sessions of this age that last `ahead` longer: exp((a/λ)ᵏ − ((a + t)/λ)ᵏ).
    pub fn survives(self, age: Span, ahead: Span) -> Ppm {
        let hazard = |span: Span| (decihours(span) / f64::from(self.0.max(1))).powf(SHAPE);
        let share = (hazard(age) - hazard(age + ahead)).exp();
        Ppm((share.clamp(0.0, 1.0) * 1e6).round() as u32)
    }
}

fn decihours(span: Span) -> f64 {
    span.as_ms() as f64 / DECIHOUR_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_profile_learns_the_hours() {
        let mut profile = WeeklyProfile::flat(Ppm::percent(50));
        let evening = HourOfWeek::wrapped(20);
        profile.fold(evening, 60, 0);
        assert_eq!(profile.0[20], 153, "the prior weighs four weeks: (4 × 127 + 255) / 5");
        for week in 1..30 {
            profile.fold(evening, 60, week);
            profile.fold(HourOfWeek::wrapped(3), 0, week);
        }
        assert!(profile.share(evening) >= Ppm::percent(99) && profile.0[3] <= 2);
        assert_eq!(WeeklyProfile::declared(|h| h.hour_of_day() < 12).mean_on(), Ppm::percent(50));
    }

    #[test]
    fn age_is_the_best_predictor() {
        let pool = SessionScale::default();
        let (young, old) = (pool.survives(Span::ZERO, Span::hours(2)), pool.survives(Span::hours(8), Span::hours(2)));
        assert!((Ppm::percent(40)..Ppm::percent(48)).contains(&young), "{young}");
        assert!((Ppm::percent(80)..Ppm::percent(90)).contains(&old), "{old}");
    }

    #[test]
    fn the_scale_follows_the_node_s_own_sessions() {
        let mut scale = SessionScale::default();
        for seen in 0..400 {
            scale = scale.after(Span::hours(50), seen);
        }
        assert!(scale > SessionScale(400), "{scale:?}");
        let once = SessionScale::default().after(Span::hours(50), 0);
        assert!(once > SessionScale(30) && once < SessionScale(60), "(D) one long session is little news: {once:?}");
    }

    proptest! {
        #[test]
        fn a_fold_stays_between(level: u8, minutes in 0u8..=60, weeks in 0u32..9) {
            let mut profile = WeeklyProfile([level; HourOfWeek::COUNT]);
            profile.fold(HourOfWeek::wrapped(5), minutes, weeks);
            let sample = (u32::from(minutes) * 255 / 60) as u8;
            prop_assert!(profile.0[5] >= level.min(sample) && profile.0[5] <= level.max(sample), "(B)");
        }

        #[test]
        fn survival_falls_with_time_and_rises_with_age(
            scale in 1u16.., age in 0u64..1_000_000_000, ahead in 0u64..1_000_000_000, more in 0u64..1_000_000_000,
        ) {
            let s = SessionScale(scale);
            let share = s.survives(Span(age), Span(ahead));
            prop_assert!(share <= Ppm::ONE, "(C)");
            prop_assert!(s.survives(Span(age), Span(ahead + more)) <= share, "(C)");
            prop_assert!(s.survives(Span(age + more), Span(ahead)).0 + 1 >= share.0, "(C)");
        }
    }
}
