//! What covers permits to read before they are signed (`docs/design/ledger.md` §4).
//!
//! (A) A paid permit is cut to what is read: its holders together may be signed no more for than was covered when it was issued, in
//! every window its life touches. (B) What was given out of a day's holds never exceeds them. (C) Center processes take portions of
//! it: a process that ends loses what it had taken and not used, and gives nothing twice. (D) A hold ends when the last receipt
//! it may have to pay for could have been settled, not before.

use super::limit::allowance;
use super::receipt::{CLOCK_TOLERANCE, SETTLE_WITHIN, WINDOW};
use super::tariff::Price;
use model::{Span, Stamp, Ucredit};

/// Least bytes of leave at one holder, so that many small reads share a permit.
pub const NODE_UNITS_MIN: u64 = 256 << 10;
/// Most bytes of leave at one holder.
pub const NODE_UNITS_MAX: u64 = 64 << 20;
/// Sealed bytes of a page that leave is given for without being asked for more.
pub const PAGE_BYTES: u64 = 64 << 20;
/// A permit to read that is paid lives at least so long.
pub const LIFE_MIN: Span = Span::hours(1);
/// Between two windows of receipts a permit ends so long before the next one: beyond every clock's tolerance.
const BEFORE_WINDOW: Span = Span::mins(16);
/// Longest a settlement waits for its period.
const PERIOD_MAX: Span = Span::hours(24);
/// A process takes this part of what is held at a time.
const PORTIONS: u64 = 8;

/// What a group's permits are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leave {
    /// Bytes of pieces the segments asked for have at one holder, all together.
    pub needed: u64,
    /// Of them: of the first segment.
    pub first: u64,
    /// What the reader asks for at one holder; 0: what is needed.
    pub asked: u64,
    /// Data pieces of the group's code.
    pub k: u16,
    /// Its holders that are paid.
    pub paid: u16,
}

impl Leave {
    /// Bytes of leave at each holder.
    pub fn units(&self) -> u64 {
        let page = PAGE_BYTES.checked_div(self.k.into()).unwrap_or(PAGE_BYTES);
        self.asked.max(self.needed.min(page)).clamp(NODE_UNITS_MIN, NODE_UNITS_MAX)
    }

    /// The same where there is little credit: the least that serves anything, one segment.
    pub fn least(&self) -> u64 {
        self.first.clamp(NODE_UNITS_MIN, NODE_UNITS_MAX)
    }

    /// (A) Bytes of all holders together with so many at each: a reader needs `k` of them, and asks some more where one is slow.
    pub fn in_all(&self, units: u64) -> u64 {
        let hedged = self.k.checked_div(4).unwrap_or(0).max(1);
        units.saturating_mul(self.k.saturating_add(hedged).min(self.paid).into())
    }
}

fn number_of(ms: u64) -> u64 {
    ms.checked_div(WINDOW.as_ms()).unwrap_or(0)
}

/// How long a permit to read lives, and how many windows of receipts its life touches, clocks' tolerance included.
pub fn life(now: Stamp) -> (Span, u64) {
    let ms = now.as_ms();
    let end_of =
        |number: u64| number.saturating_add(1).saturating_mul(WINDOW.as_ms()).saturating_sub(BEFORE_WINDOW.as_ms());
    let here = number_of(ms);
    let until = match end_of(here) {
        end if end >= ms.saturating_add(LIFE_MIN.as_ms()) => end,
        _ => end_of(here.saturating_add(1)),
    };
    let life = Span::ms(until.saturating_sub(ms));
    (life, windows(now, life))
}

/// How many windows of receipts a permit of this life touches, clocks' tolerance included.
pub fn windows(now: Stamp, life: Span) -> u64 {
    let (now, tolerance) = (now.as_ms(), CLOCK_TOLERANCE.as_ms());
    // A receipt of the window before is taken until its end and the tolerance, both included.
    let first = number_of(now.saturating_sub(tolerance).saturating_sub(1));
    let last = number_of(now.saturating_add(life.as_ms()).saturating_add(tolerance));
    last.saturating_sub(first).saturating_add(1)
}

/// What so many bytes in each of so many windows cost at most: rounded up.
pub fn cost(bytes: u64, windows: u64, price: &Price) -> Ucredit {
    let wide = u128::from(bytes).saturating_mul(windows.into()).saturating_mul(price.consumer.0.into());
    let up =
        wide.checked_add(u128::from(price.per).saturating_sub(1)).and_then(|sum| sum.checked_div(price.per.into()));
    Ucredit(up.and_then(|cost| u64::try_from(cost).ok()).unwrap_or(u64::MAX).min(Ucredit::MAX.0))
}

/// A day's holds of an account for a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Day {
    /// What they hold.
    pub held: Ucredit,
    /// What was given out of them.
    pub given: Ucredit,
}

/// What a process does that needs cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// (B, C) It takes so much of what is held.
    Take(Ucredit),
    /// So much more is held; where that is too much for the account, the least.
    Hold {
        /// Wanted.
        amount: Ucredit,
        /// Needed.
        least: Ucredit,
    },
}

/// What follows for whoever needs `need` more. `yesterday` was given out on the day before.
pub fn next(day: Day, yesterday: Ucredit, need: Ucredit) -> Next {
    let left = day.held.less(day.given);
    if left >= need && left > Ucredit::ZERO {
        let part = Ucredit(day.held.0.checked_div(PORTIONS).unwrap_or(0));
        return Next::Take(need.max(part).min(left));
    }
    // A quarter of what the day holds already: so a day has few holds, and one charge reaches all of them.
    let more = Ucredit(day.held.0.checked_div(4).unwrap_or(0));
    Next::Hold { amount: allowance(yesterday).max(need).max(more), least: need }
}

/// (D) When a hold for permits of a day ends: after their life, the window it ends in, the time for batches, and a settlement.
pub fn expires(day: u32) -> Stamp {
    let end = u64::from(day).saturating_add(1).saturating_mul(Span::days(1).as_ms());
    let spans = [WINDOW, LIFE_MIN, WINDOW, SETTLE_WITHIN, PERIOD_MAX, PERIOD_MAX];
    Stamp(spans.iter().fold(end, |at, span| at.saturating_add(span.as_ms())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::unwrap_used)]
    use super::*;
    use crate::ledger::tariff::{Variant, book_v1};
    use model::Resource;
    use proptest::prelude::*;

    #[test]
    fn leave_is_what_is_needed_with_a_floor_and_a_ceiling() {
        let leave = |needed, asked| Leave { needed, first: 0, asked, k: 8, paid: 26 }.units();
        assert_eq!((leave(100, 0), leave(1 << 20, 0)), (NODE_UNITS_MIN, 1 << 20));
        assert_eq!((leave(1 << 30, 0), leave(100, 4 << 20)), (PAGE_BYTES / 8, 4 << 20));
        assert_eq!(leave(100, u64::MAX), NODE_UNITS_MAX);
        let few = Leave { needed: 1, first: 1, asked: 0, k: 8, paid: 3 };
        assert_eq!(
            (few.in_all(10), Leave { paid: 20, ..few }.in_all(10)),
            (30, 100),
            "(A) one's own machines are free"
        );
    }

    #[test]
    fn a_gigabyte_is_covered_by_its_price_and_never_by_less() {
        let price = *book_v1().price(Resource::Egress, Variant::Plain).unwrap();
        assert_eq!((cost(1_000_000_000, 1, &price).0, cost(1_000_000_000, 2, &price).0), (444_445, 888_890));
        assert_eq!((cost(1, 1, &price).0, cost(0, 1, &price).0), (1, 0), "rounded up");
    }

    proptest! {
        /// (A) However clocks are off within their tolerance, receipts of no window outside of those that were counted are taken.
        #[test]
        fn a_life_touches_no_window_that_was_not_counted(now in 0u64..1 << 42) {
            let (life, windows) = life(Stamp(now));
            let (tolerance, window) = (CLOCK_TOLERANCE.as_ms(), WINDOW.as_ms());
            let end = now + life.as_ms();
            prop_assert!(life >= LIFE_MIN && windows <= 3);
            // As `super::receipt` judges: issued before the window's end, not ended before its beginning.
            let around = (now / window).saturating_sub(4)..now / window + 8;
            let taken = around.filter(|at| now <= (at + 1) * window + tolerance && end + tolerance >= at * window);
            prop_assert_eq!(u64::try_from(taken.count()).unwrap(), windows);
        }

        /// (B, C) Whatever is needed, what is taken never exceeds what is held.
        #[test]
        fn no_more_is_given_than_is_held(
            needs in prop::collection::vec(1u64..5_000_000, 1..60), yesterday in 0u64..50_000_000, most in 1u64..100_000_000
        ) {
            let (mut day, mut has) = (Day::default(), most);
            for need in needs {
                match next(day, Ucredit(yesterday), Ucredit(need)) {
                    Next::Take(part) => {
                        prop_assert!(part.0 >= need);
                        day.given.0 += part.0;
                    }
                    Next::Hold { amount, least } => {
                        prop_assert!(amount >= least && least.0 == need);
                        let Some(held) = [amount, least].into_iter().find(|one| one.0 <= has) else { continue };
                        (day.held.0, has) = (day.held.0 + held.0, has - held.0);
                        let is_taken = matches!(next(day, Ucredit(yesterday), Ucredit(need)), Next::Take(_));
                        prop_assert!(is_taken);
                    }
                }
                prop_assert!(day.given <= day.held);
            }
        }

        #[test]
        fn a_hold_outlives_whatever_it_has_to_pay(now in 0u64..1 << 41) {
            let day = u32::try_from(now / Span::days(1).as_ms()).unwrap();
            let end = now + life(Stamp(now)).0.as_ms();
            let window_end = (end / WINDOW.as_ms() + 1) * WINDOW.as_ms();
            prop_assert!(expires(day).as_ms() >= window_end + SETTLE_WITHIN.as_ms() + PERIOD_MAX.as_ms());
        }
    }
}
