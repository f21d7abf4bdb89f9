//! When was the center itself down? Nobody was heard then, and nobody's absence counts (`docs/design/fleet.md` §3).
//!
//! (A) Periods lie in order, apart from each other, and never grow beyond [`DOWNS_MAX`]: the oldest are forgotten first.

use model::{Span, Stamp};

/// Periods kept; older ones than [`KEEP`] are forgotten anyway.
pub const DOWNS_MAX: usize = 1_024;
/// As long as anything is judged by past absences.
pub const KEEP: Span = Span::days(31);

/// Times in which no center ran, each from the last sign of the one before to the start of the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DownTimes(Vec<(Stamp, Stamp)>);

impl DownTimes {
    /// From what was kept, in any order.
    pub fn new(periods: impl IntoIterator<Item = (Stamp, Stamp)>) -> Self {
        let mut all = Self::default();
        periods.into_iter().for_each(|(from, until)| all.note(from, until));
        all
    }

    /// One more; periods that touch become one.
    pub fn note(&mut self, from: Stamp, until: Stamp) {
        if from >= until {
            return;
        }
        let (mut from, mut until) = (from, until);
        let mut apart = Vec::with_capacity(self.0.len() + 1);
        for (f, u) in self.0.drain(..) {
            if f <= until && from <= u {
                (from, until) = (from.min(f), until.max(u));
            } else {
                apart.push((f, u));
            }
        }
        apart.push((from, until));
        apart.sort_unstable();
        let newest = apart.last().map_or(Stamp::EPOCH, |(_, until)| *until);
        apart.retain(|(_, until)| newest.since(*until) <= KEEP);
        let surplus = apart.len().saturating_sub(DOWNS_MAX);
        apart.drain(..surplus);
        self.0 = apart;
    }

    /// How much of the time from `from` to `until` no center ran.
    pub fn between(&self, from: Stamp, until: Stamp) -> Span {
        self.0.iter().fold(Span::ZERO, |sum, (f, u)| sum + (*u).min(until).since((*f).max(from)))
    }

    /// The periods, in order.
    pub fn periods(&self) -> &[(Stamp, Stamp)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn h(hours: u64) -> Stamp {
        Stamp(hours * 3_600_000)
    }

    #[test]
    fn every_down_time_counts_once() {
        let downs = DownTimes::new([(h(1), h(3)), (h(10), h(12)), (h(2), h(4)), (h(5), h(5))]);
        assert_eq!(downs.periods(), [(h(1), h(4)), (h(10), h(12))], "(A)");
        assert_eq!(downs.between(h(0), h(20)), Span::hours(5));
        assert_eq!(downs.between(h(3), h(11)), Span::hours(2));
        assert_eq!(downs.between(h(5), h(9)), Span::ZERO);
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_the_hours(periods in proptest::collection::vec((0u64..200, 0u64..30), 0..20), a in 0u64..250, len in 0u64..250) {
            let downs = DownTimes::new(periods.iter().map(|(from, len)| (h(*from), h(from + len))));
            let down = |hour: u64| periods.iter().any(|(from, len)| (*from..from + len).contains(&hour));
            let naive = (a..a + len).filter(|hour| down(*hour)).count() as u64;
            prop_assert_eq!(downs.between(h(a), h(a + len)), Span::hours(naive));
            prop_assert!(downs.periods().windows(2).all(|w| w[0].1 < w[1].0), "(A)");
        }

        #[test]
        fn they_stay_bounded(count in 0u64..3_000) {
            let downs = DownTimes::new((0..count).map(|i| (Stamp(i * 10), Stamp(i * 10 + 5))));
            prop_assert!(downs.periods().len() <= DOWNS_MAX, "(A)");
        }
    }
}
