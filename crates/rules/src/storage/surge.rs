//! Are far more nodes away than their own past says? Then repair hurries (`docs/design/storage.md` §10).
//!
//! What is counted are nodes silent for more than a day and heard within [`SEEN_WITHIN`]: those of them that went for good
//! drop out of the count, and repair has dealt with them. What is expected of one node is the share of its last 30 d in which it had
//! been away for a day ([`day_away_share`]), seen by its profile for the last 24 hours ([`expected_away`]): an office PC is expected
//! away on Sundays and on Sundays only. Of the pool [`LEAVERS`] beside: those who left without a word.
//!
//! (A) Surge begins when more are away than [`FACTOR`] × what is expected and the leavers, and never for fewer than [`NODES_MIN`]. (B) It
//! ends after [`CALM`] without that. (C) It changes nothing else: what follows in surge are the constants here, and the owners'
//! limits stay. (D) An absence that still lasts teaches nothing about the node's habits.

use crate::fleet::profile::WeeklyProfile;
use model::{HourOfWeek, Ppm, Scheme, Span, Stamp};

/// Away longer than this counts.
pub const AWAY: Span = Span::hours(24);
/// Not heard for longer: counted no more.
pub const SEEN_WITHIN: Span = Span::days(8);
/// So many times the expected number.
pub const FACTOR: u64 = 3;
/// Surge is for pools: a few PCs of friends that are off are no sign.
pub const NODES_MIN: u64 = 8;
/// Calm time after which it ends.
pub const CALM: Span = Span::days(7);
/// Share of the pool that may have left within [`SEEN_WITHIN`] without a word (**assumed**: 1.8 departures a node-year make 4 %; the
/// rest is for weekends of which profiles know too little yet).
pub const LEAVERS: Ppm = Ppm::percent(10);
/// Share of the pool's free uplink that repair may take.
pub const REPAIR_RATE: Ppm = Ppm::percent(30);
/// The same in surge.
pub const REPAIR_RATE_SURGE: Ppm = Ppm::percent(60);

/// What the pool looks like now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurgeFacts {
    /// Nodes heard within [`SEEN_WITHIN`].
    pub nodes: u64,
    /// Those of them away longer than [`AWAY`], holidays apart.
    pub away: u64,
    /// Sum of what is expected of each, in millionths of a node.
    pub expected_ppm: u64,
}

/// Whether surge is on, and since when it has been calm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Surge {
    is_on: bool,
    last_stir: Option<Stamp>,
}

impl Surge {
    /// As it was when many were away last, where somebody noted that: a restart ends no surge.
    pub fn resumed(last_stir: Option<Stamp>) -> Self {
        Self { is_on: last_stir.is_some(), last_stir }
    }

    /// Looks once more; whether surge is on from now. It ends after `calm`, [`CALM`] but in a center for tests.
    pub fn look(&mut self, now: Stamp, facts: &SurgeFacts, calm: Span) -> bool {
        if stirs(facts) {
            self.is_on = true;
            self.last_stir = Some(now);
        } else if self.last_stir.is_none_or(|at| now.since(at) >= calm) {
            self.is_on = false;
        }
        self.is_on
    }

    /// When many were away last, while surge is on.
    pub fn last_stir(&self) -> Option<Stamp> {
        self.last_stir.filter(|_| self.is_on)
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Share of the pool's free uplink that repair may take now.
    pub fn repair_rate(&self) -> Ppm {
        repair_rate(self.is_on)
    }
}

/// Share of the pool's free uplink that repair may take.
pub fn repair_rate(is_surge: bool) -> Ppm {
    if is_surge { REPAIR_RATE_SURGE } else { REPAIR_RATE }
}

/// (A)
fn stirs(facts: &SurgeFacts) -> bool {
    let leavers_ppm = u64::from(LEAVERS.0).saturating_mul(facts.nodes);
    let most_ppm = facts.expected_ppm.saturating_mul(FACTOR).saturating_add(leavers_ppm);
    facts.away >= NODES_MIN && facts.away.saturating_mul(1_000_000) > most_ppm
}

/// Chance that a node with this profile and this share of days away has been away for the last 24 hours, at this hour: what its
/// profile says of each hour by itself, as of an office on Sunday; else its past, at most what its best hour leaves.
pub fn expected_away(profile: &WeeklyProfile, now: HourOfWeek, day_away: Ppm) -> Ppm {
    let week = HourOfWeek::COUNT as u64;
    let hours = || (1..=24).map(|ago| profile.share(HourOfWeek::wrapped(now.index() as u64 + week - ago)));
    let off = |share: Ppm| Ppm(Ppm::ONE.0 - share.0.min(Ppm::ONE.0));
    let by_habit = hours().fold(u64::from(Ppm::ONE.0), |chance, share| off(share).of(chance));
    let best = hours().max().unwrap_or(Ppm(0));
    Ppm(u32::try_from(by_habit).unwrap_or(0)).max(day_away.min(off(best)))
}

/// Share of the known hours in which the node had been away for a day or longer. The run of hours that still lasts at the end
/// of the record is left out. (D)
pub fn day_away_share(minutes: &[Option<u8>]) -> Ppm {
    let (mut known, mut away, mut run) = (0u64, 0u64, 0u64);
    for minutes in minutes.iter().flatten() {
        known += 1;
        if *minutes == 0 {
            run += 1;
        } else {
            away += run.saturating_sub(24);
            run = 0;
        }
    }
    let share = (away * 1_000_000).checked_div(known - run).unwrap_or(0);
    Ppm(u32::try_from(share).unwrap_or(u32::MAX))
}

/// Pieces to which a group of `standing` is filled now: in surge in two passes, first to three quarters of m, then to o.
pub fn fill_to(scheme: &Scheme, standing: u16, is_surge: bool) -> u16 {
    let first = (3 * scheme.m).div_ceil(4).max(scheme.k);
    if is_surge && standing < first { first.min(scheme.o) } else { scheme.o }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::scheme::public;
    use model::Class;
    use proptest::prelude::*;

    fn at(day: u64) -> Stamp {
        Stamp::EPOCH + Span::days(day)
    }

    #[test]
    fn it_begins_at_three_times_and_ends_after_a_calm_week() {
        let mut surge = Surge::default();
        // A thousand nodes, of which 60 are expected away and 100 may have left: 280 is not yet a surge.
        let facts = |away| SurgeFacts { nodes: 1_000, away, expected_ppm: 60_000_000 };
        assert!(!surge.look(at(0), &facts(280), CALM));
        assert!(surge.look(at(1), &facts(281), CALM), "(A)");
        assert_eq!((surge.is_on(), surge.repair_rate()), (true, REPAIR_RATE_SURGE));
        assert!(surge.look(at(7), &facts(100), CALM), "(B) six calm days");
        assert!(surge.look(at(7), &facts(281), CALM) && surge.look(at(13), &facts(0), CALM), "(B) counted anew");
        assert!(!surge.look(at(14), &facts(100), CALM), "(B)");
        assert_eq!(surge.repair_rate(), REPAIR_RATE);
        let friends = SurgeFacts { nodes: 10, away: 7, expected_ppm: 0 };
        assert!(!surge.look(at(20), &friends, CALM), "(A)");
    }

    #[test]
    fn habits_are_learned_and_a_lasting_absence_is_none() {
        let hours = |on: usize, off: usize| [vec![Some(60); on], vec![Some(0); off]].concat();
        assert_eq!(day_away_share(&hours(10, 500)), Ppm(0), "(D)");
        let weekend = [hours(9, 63), hours(9, 15), hours(9, 0)].concat();
        assert_eq!(day_away_share(&weekend), Ppm(39 * 1_000_000 / 105));
        assert_eq!((day_away_share(&[]), day_away_share(&[None; 40])), (Ppm(0), Ppm(0)));
    }

    #[test]
    fn an_office_is_expected_away_on_sundays_only() {
        let office = WeeklyProfile::declared(|h| h.day() < 5 && (9..18).contains(&h.hour_of_day()));
        let at = |day: u64, hour| expected_away(&office, HourOfWeek::wrapped(24 * day + hour), Ppm::percent(23));
        assert_eq!([at(2, 8), at(5, 8), at(6, 8), at(0, 9), at(0, 10)].map(|p| p.0 / 10_000), [0, 0, 100, 100, 0]);
        assert_eq!(
            expected_away(&WeeklyProfile::flat(Ppm::percent(30)), HourOfWeek::wrapped(3), Ppm::percent(9)),
            Ppm::percent(9)
        );
    }

    #[test]
    fn surge_fills_in_two_passes() {
        let standard = public(Class::Standard);
        assert_eq!([32, 59, 60, 80].map(|d| fill_to(&standard, d, true)), [60, 60, 104, 104]);
        assert_eq!(fill_to(&standard, 32, false), 104);
    }

    proptest! {
        #[test]
        fn more_away_never_ends_it_sooner(nodes in 0u64..10_000, away in 0u64..10_000, expected in 0u64..1_000, more in 0u64..100) {
            let facts = |away| SurgeFacts { nodes, away, expected_ppm: expected * 1_000_000 };
            prop_assert!(!stirs(&facts(away)) || stirs(&facts(away + more)), "(A)");
        }

        #[test]
        fn a_share_is_a_share(minutes in proptest::collection::vec(proptest::option::of(0u8..=60), 0..800)) {
            prop_assert!(day_away_share(&minutes) <= Ppm::ONE);
        }
    }
}
