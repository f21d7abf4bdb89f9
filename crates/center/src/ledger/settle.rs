//! Settlement (`docs/design/ledger.md` §5): what is metered becomes due rows, and due rows of a period that is over become transfers.
//!
//! Three ways in: [`api`] takes nodes' batches of receipts, [`meter`] counts stored bytes by the center's own records,
//! [`results`] notes verified results. One way out: [`round`] charges payers, shares what came in, pays providers, as
//! [`rules::ledger::settle`] says; its chore drives it.
//!
//! (A) A due row and the mark that it was counted stand in one transaction, transfers and the end of their due rows in another: after
//! a crash, or beside a second center process, every step finds its work done or not begun. (B) A period bears the millisecond of
//! its end; once its settlement has begun nothing is added to it, what comes later is due in the next. (C) Between machines and account
//! of one owner nothing is owed: neither for traffic nor for bytes a member's own machine holds of it.

pub mod api;
pub(crate) mod chore;
pub mod meter;
pub mod results;
pub mod round;
pub mod store;

use crate::db::{Db, StoreError};
use crate::ledger::store::price;
use model::{Span, Stamp, TimeScale};
use rules::ledger::tariff::{Tariff, book_v1};

/// Periods as this center counts time: all of one length, the first from the epoch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    length: Span,
    scale: TimeScale,
}

impl Periods {
    /// Periods of so many hours, as many times shorter as days are here.
    pub fn new(hours: u64, scale: TimeScale) -> Self {
        let length = scale.of(Span::hours(hours));
        Self { length: Span::ms(length.as_ms().max(1)), scale }
    }

    /// The period a moment lies in.
    pub fn of(self, at: Stamp) -> u64 {
        self.after(at.as_ms() / self.length.as_ms() * self.length.as_ms())
    }

    /// The last one that is over.
    pub fn over(self, now: Stamp) -> u64 {
        now.as_ms() / self.length.as_ms() * self.length.as_ms()
    }

    /// The first that ends after a period, also after one of another length.
    pub fn after(self, period: u64) -> u64 {
        (period / self.length.as_ms() + 1).saturating_mul(self.length.as_ms())
    }

    /// Hours, as they count, from one period's end to another's; of one period where it is not known when the one before ended.
    pub fn hours_between(self, before: Option<u64>, period: u64) -> u64 {
        let span = before.map_or(self.length.as_ms(), |before| period.saturating_sub(before));
        let hours = self.counted_ms(span) / u128::from(Span::hours(1).as_ms());
        u64::try_from(hours).unwrap_or(u64::MAX).max(1)
    }

    /// So much time as it counts where days are short.
    pub fn counted_ms(self, span_ms: u64) -> u128 {
        u128::from(span_ms) * u128::from(self.scale.0.max(1))
    }
}

/// The tariff in force; the first book is published where there is none.
///
/// # Errors
/// Of the store.
pub async fn tariff(db: &Db, now: Stamp) -> Result<Tariff, StoreError> {
    if let Some(tariff) = db.read(price::tariff).await? {
        return Ok(tariff);
    }
    let publish = move |tx: &mut crate::db::Tx<'_>| {
        crate::ledger::store::lock(tx)?;
        if price::tariff(tx)?.is_none() {
            price::publish(tx, &book_v1(), now)?;
        }
        price::tariff(tx)
    };
    Ok(db.write(publish).await?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_follow_one_another_whatever_their_length() {
        let hour = Span::hours(1).as_ms();
        let six = Periods::new(6, TimeScale(1));
        let at = Stamp(0) + Span::hours(13);
        assert_eq!((six.over(at), six.of(at), six.after(six.of(at))), (12 * hour, 18 * hour, 24 * hour));
        assert_eq!(six.of(Stamp(12 * hour)), 18 * hour, "a period's end is the next one's first moment");
        let day = Periods::new(24, TimeScale(1));
        assert_eq!(day.after(six.of(at)), 24 * hour, "(B) also where the length was changed");
        let short = Periods::new(6, TimeScale(2_160));
        assert_eq!((six.hours_between(None, 9), six.hours_between(Some(6 * hour), 30 * hour)), (6, 24));
        assert_eq!((short.of(Stamp(15_000)), short.counted_ms(10_000)), (20_000, u128::from(6 * hour)));
    }
}
