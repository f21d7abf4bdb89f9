//! What a node's own hours teach: its weekly profile, how long its sessions last, its longest absence, its share of the
//! last month (`docs/design/fleet.md` §3, §4).
//!
//! (A) Hours in which the center was down, and those before the node joined, teach nothing: they are neither on nor off.
//! (B) A session or an absence that an end of the record cuts is not longer than what was seen of it.

use super::profile::{SESSIONS_MAX, SessionScale, WeeklyProfile};
use model::{HourOfWeek, Ppm, Span, Stamp};

/// Hours that are looked back: what τ and the rank are judged by.
pub const HISTORY_HOURS: u64 = 30 * 24;
/// Hours that are folded into the profile at a time.
pub const WEEK_HOURS: u64 = 168;

/// Minutes-on of one node by hour, the oldest first; nothing for an hour of which nothing is known.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// Hour since 1970 of the first.
    pub first_hour: u64,
    /// 0 … 60 each.
    pub minutes: &'a [Option<u8>],
}

/// What was known of a node before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// Share of each hour of the week.
    pub profile: WeeklyProfile,
    /// Scale of its sessions.
    pub scale: SessionScale,
    /// Longest absence of the record.
    pub longest_absence: Span,
    /// Share of the known hours it was on.
    pub on: Ppm,
}

/// Folds the last week of the record in, and measures the whole. `weeks_seen` full weeks were folded before.
pub fn learn(profile: &WeeklyProfile, scale: SessionScale, weeks_seen: u32, history: History<'_>) -> Learned {
    let mut profile = profile.clone();
    let skip = history.minutes.len().saturating_sub(WEEK_HOURS as usize);
    let hours = (history.first_hour..).zip(history.minutes);
    for (hour, minutes) in hours.skip(skip) {
        if let Some(minutes) = minutes {
            profile.fold(hour_of_week(hour), *minutes, weeks_seen);
        }
    }
    let mut seen = weeks_seen.saturating_mul(7).min(SESSIONS_MAX);
    let mut learned = scale;
    for session in sessions(&history.minutes[skip..]) {
        learned = learned.after(session, seen);
        seen = seen.saturating_add(1);
    }
    Learned { profile, scale: learned, longest_absence: longest_absence(history.minutes), on: on(history.minutes) }
}

/// Which hour of the week an hour since 1970 is.
pub fn hour_of_week(hour: u64) -> HourOfWeek {
    Stamp(hour * 3_600_000).hour_of_week()
}

/// Share of the known hours it was on; all of none is none.
fn on(minutes: &[Option<u8>]) -> Ppm {
    let (sum, known) = minutes.iter().flatten().fold((0u64, 0u64), |(s, n), m| (s + u64::from(*m.min(&60)), n + 1));
    let share = if known == 0 { 0 } else { sum * 1_000_000 / (known * 60) };
    Ppm(u32::try_from(share).expect("a share of at most one"))
}

/// The longest run of hours off; an unknown hour neither ends nor lengthens it.
fn longest_absence(minutes: &[Option<u8>]) -> Span {
    let (mut longest, mut run) = (0u64, 0u64);
    for minutes in minutes.iter().flatten() {
        run = if *minutes == 0 { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    Span::hours(longest)
}

/// Sessions that ended in the record, by the minutes of their hours. One that has not ended counts only when it filled the
/// whole record: then it is at least so long.
fn sessions(minutes: &[Option<u8>]) -> Vec<Span> {
    let mut ended = Vec::new();
    let (mut run, mut whole) = (0u64, true);
    for minutes in minutes.iter().flatten() {
        if *minutes == 0 {
            whole = false;
            ended.extend((run > 0).then(|| Span::mins(run)));
            run = 0;
        } else {
            run += u64::from(*minutes.min(&60));
        }
    }
    ended.extend((whole && run > 0).then(|| Span::mins(run)));
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::presence::missing_after;
    use proptest::prelude::*;

    fn evening(days: u64) -> Vec<Option<u8>> {
        (0..days * 24).map(|h| Some(if (18..23).contains(&(h % 24)) { 60 } else { 0 })).collect()
    }

    #[test]
    fn evenings_are_learned() {
        let minutes = evening(30);
        let mut known = Learned {
            profile: WeeklyProfile::flat(Ppm::percent(50)),
            scale: SessionScale::default(),
            longest_absence: Span::ZERO,
            on: Ppm(0),
        };
        for week in 0..12 {
            known = learn(&known.profile, known.scale, week, History { first_hour: 24 * 100, minutes: &minutes });
        }
        assert!(known.profile.share(HourOfWeek::wrapped(20)) > Ppm::percent(95));
        assert!(known.profile.share(HourOfWeek::wrapped(4)) < Ppm::percent(5));
        assert_eq!((known.longest_absence, known.on), (Span::hours(19), Ppm(208_333)));
        assert_eq!(missing_after(known.longest_absence, false), Span::hours(72));
        let before = SessionScale::default().after(Span::hours(5), 0);
        assert!(known.scale >= before, "five hours every evening: {:?}", known.scale);
    }

    #[test]
    fn hours_without_a_center_teach_nothing() {
        let mut minutes = evening(14);
        let flat = WeeklyProfile::flat(Ppm::percent(50));
        minutes.iter_mut().skip(7 * 24).for_each(|m| *m = None);
        let learned = learn(&flat, SessionScale::default(), 3, History { first_hour: 0, minutes: &minutes });
        assert_eq!((&learned.profile, learned.scale), (&flat, SessionScale::default()), "(A)");
        assert_eq!(learned.longest_absence, Span::hours(19));
        let nothing = learn(&flat, SessionScale::default(), 3, History { first_hour: 0, minutes: &[] });
        assert_eq!((nothing.on, nothing.longest_absence), (Ppm(0), Span::ZERO));
    }

    #[test]
    fn an_absence_over_an_unknown_time_is_one_and_is_not_lengthened() {
        let off = |n: usize| vec![Some(0); n];
        let minutes = [off(10), vec![None; 50], off(20), vec![Some(60)], off(25)].concat();
        assert_eq!(longest_absence(&minutes), Span::hours(30));
        assert_eq!(sessions(&[Some(60), Some(30), Some(0), Some(60)]), [Span::mins(90)], "(B): the last has not ended");
        assert_eq!(sessions(&[Some(60), None, Some(60)]), [Span::hours(2)], "it filled the record");
    }

    proptest! {
        #[test]
        fn figures_stay_in_their_bounds(minutes in proptest::collection::vec(proptest::option::of(0u8..=60), 0..400), week in 0u32..60) {
            let learned = learn(&WeeklyProfile::flat(Ppm::percent(30)), SessionScale::default(), week, History { first_hour: 7, minutes: &minutes });
            prop_assert!(learned.on <= Ppm::ONE);
            prop_assert!(learned.longest_absence <= Span::hours(minutes.len() as u64));
        }
    }
}
