//! The month's transfer: how much of it may still go over the network today (`docs/design/fleet.md` §8).
//!
//! (A) Without a limit everything goes. (B) At 100 % of the month nothing but a goodbye. (C) From 90 % on, and past the
//! day's share, only what the owner's and members' data need: audits, reads of own pieces, hand-over.
//! (D) The day's share is twice an even split of what was left this morning: a quiet day leaves room for a busy one, and
//! the month cannot be spent in one.

use crate::fleet::owner::Meter;
use model::{Bytes, Ppm};

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

#[cfg(test)]
mod tests {
    use super::*;

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
