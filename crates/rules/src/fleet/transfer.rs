//! The month's transfer: how much of it may still go over the network today (`docs/design/fleet.md` §8).
//!
//! (A) Without a limit everything goes. (B) At 100 % of the month nothing but a goodbye. (C) From 90 % on, and past the
//! day's share, only what the owner's and members' data need: audits, reads of own pieces, hand-over.
//! (D) The day's share is twice an even split of what was left this morning: a quiet day leaves room for a busy one, and
//! the month cannot be spent in one.
//! (E) A month of the meter begins on the reset day at local midnight and ends before the next one; every local day lies
//! in exactly one.

use crate::fleet::owner::Meter;
use model::time::civil_from_days;
use model::{Bytes, Ppm, Stamp};

/// From here on only essentials.
const ESSENTIAL_FROM: Ppm = Ppm::percent(90);

/// How freely the network may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Within the other limits.
    Free,
    /// Audits, reads of own pieces, hand-over.
    Essential,
    /// A goodbye.
    Nothing,
}

/// The day's share; everything without a limit.
pub fn daily_ceiling(monthly: Option<Bytes>, meter: &Meter) -> Bytes {
    let Some(Bytes(limit)) = monthly else { return Bytes(u64::MAX) };
    let this_morning = limit.saturating_sub(meter.month.0.saturating_sub(meter.today.0));
    Bytes((this_morning / u64::from(meter.days_left.max(1))).saturating_mul(2).min(this_morning))
}

/// Decides on the pace.
pub fn pace(monthly: Option<Bytes>, meter: &Meter) -> Pace {
    let Some(Bytes(limit)) = monthly else { return Pace::Free };
    if meter.month.0 >= limit {
        return Pace::Nothing;
    }
    let late = meter.month.0 >= ESSENTIAL_FROM.of(limit) || meter.today >= daily_ceiling(monthly, meter);
    if late { Pace::Essential } else { Pace::Free }
}

/// Where a local day stands in the meter's month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeterDay {
    /// Local day since 1970: when it changes, [`Meter::today`] starts at zero.
    pub day: i64,
    /// Local day on which this month of the meter began: when it changes, [`Meter::month`] starts at zero.
    pub month_began: i64,
    /// Days until the next reset day, this one counted: [`Meter::days_left`].
    pub days_left: u8,
}

/// The day of `now` in local time. A reset day outside 1 … 28 counts as 1.
pub fn meter_day(now: Stamp, utc_offset_min: i16, reset_day: u8) -> MeterDay {
    let minutes = i64::try_from(now.as_ms() / 60_000).expect("2^64 ms are fewer minutes") + i64::from(utc_offset_min);
    let day = minutes.div_euclid(1_440);
    let reset = if (1..=28).contains(&reset_day) { u32::from(reset_day) } else { 1 };
    let begins = |day: i64| civil_from_days(day).2 == reset;
    // No month is longer than 31 days, and every month has the days 1 to 28.
    let back = (0..31).find(|n| begins(day - n)).unwrap_or(0);
    let ahead = (1..=31u8).find(|n| begins(day + i64::from(*n))).unwrap_or(31);
    MeterDay { day, month_began: day - back, days_left: ahead }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn february_has_its_days() {
        // 2028-02-28T23:30:00Z
        let now = Stamp(1_835_393_400_000);
        assert_eq!(now.to_string(), "2028-02-28T23:30:00Z");
        assert_eq!(meter_day(now, 0, 1).days_left, 2, "a leap year");
        assert_eq!(meter_day(now, 60, 1).days_left, 1, "local time");
        assert_eq!(
            (meter_day(now, 0, 28).days_left, meter_day(now, 0, 28).month_began),
            (29, meter_day(now, 0, 28).day)
        );
        assert_eq!(meter_day(now, 0, 0), meter_day(now, 0, 1));
    }

    proptest! {
        #[test]
        fn every_day_lies_in_one_month_of_the_meter(day in 0u64..200_000, reset in 1u8..=28) {
            let at = |day: u64| meter_day(Stamp(day * 86_400_000), 0, reset);
            let (today, tomorrow) = (at(day), at(day + 1));
            prop_assert!((1..=31).contains(&today.days_left), "(E)");
            if today.days_left == 1 {
                prop_assert_eq!(tomorrow.month_began, tomorrow.day, "(E)");
            } else {
                prop_assert_eq!((tomorrow.days_left, tomorrow.month_began), (today.days_left - 1, today.month_began), "(E)");
            }
        }
    }

    fn meter(month: u64, today: u64, days_left: u8) -> Meter {
        Meter { month: Bytes(month), today: Bytes(today), days_left }
    }

    #[test]
    fn a_month_is_paced() {
        let limit = Some(Bytes(3_000));
        assert_eq!(pace(None, &meter(u64::MAX, u64::MAX, 0)), Pace::Free, "(A)");
        assert_eq!(pace(limit, &meter(0, 0, 30)), Pace::Free);
        assert_eq!(daily_ceiling(limit, &meter(0, 0, 30)), Bytes(200), "(D)");
        assert_eq!(pace(limit, &meter(199, 199, 30)), Pace::Free);
        assert_eq!(pace(limit, &meter(200, 200, 30)), Pace::Essential, "(C)");
        assert_eq!(pace(limit, &meter(200, 0, 29)), Pace::Free);
        assert_eq!(pace(limit, &meter(2_700, 0, 1)), Pace::Essential, "(C)");
        assert_eq!(pace(limit, &meter(3_000, 0, 1)), Pace::Nothing, "(B)");
        assert_eq!(pace(Some(Bytes(0)), &meter(0, 0, 1)), Pace::Nothing, "(B)");
    }
}
