//! What things cost and pay by book v1: who is fair, and how much was served.

use super::mix::{self, Kind};
use model::{Class, Resource, Ucredit};
use rules::ledger::settle::WHOLE_BPS;
use rules::ledger::sweep;
use rules::ledger::tariff::{FUEL_PER_NCU_H, Price, PriceBook, Variant, book_v1};

const PER_MB: u128 = 1_000;

/// Prices of the first book for one kind of cloud.
#[derive(Debug, Clone, Copy)]
pub struct Prices {
    /// Of demand.
    pub demand_percent: u64,
    /// Which price of storage.
    pub storage: Variant,
    /// A stored GB·month, a GB read, an NCU·h.
    stored: Price,
    read: Price,
    computed: Price,
    /// A repaired GB.
    repaired: Ucredit,
    /// Bytes repaired for a byte stored and month, in hundredths.
    pub repaired_percent: u64,
}

impl Prices {
    /// Of a circle or of a public pool.
    pub fn new(is_circle: bool, demand_percent: u64) -> Self {
        let book = book_v1();
        let storage = if is_circle { Variant::Circle } else { Variant::Class(Class::Standard) };
        let of = |resource, variant| row(&book, resource, variant);
        Self {
            demand_percent,
            storage,
            stored: of(Resource::Storage, storage),
            read: of(Resource::Egress, Variant::Plain),
            computed: of(Resource::Compute, Variant::Checked),
            repaired: of(Resource::Repair, Variant::Plain).provider,
            repaired_percent: if is_circle { 0 } else { mix::REPAIRED_MONTHLY_PERCENT },
        }
    }

    /// MB held for so many MB stored.
    pub fn physical_mb(&self, stored_mb: u64) -> u64 {
        let wide = u128::from(stored_mb) * u128::from(self.stored.copies_ppm) / 1_000_000;
        u64::try_from(wide).unwrap_or(u64::MAX)
    }

    /// µcredit of MB·days stored.
    pub fn stored(&self, mb_days: u64) -> u128 {
        u128::from(mb_days) * u128::from(self.stored.consumer.0) / (PER_MB * 30)
    }

    /// µcredit of MB read.
    pub fn read(&self, mb: u64) -> u128 {
        u128::from(mb) * u128::from(self.read.consumer.0) / PER_MB
    }

    /// µcredit of hundredths of NCU·h.
    pub fn computed(&self, ncu_h_percent: u64) -> u128 {
        u128::from(ncu_h_percent) * u128::from(self.computed.consumer.0) / 100
    }

    /// What a hold for so much compute is, rounded up.
    pub fn job(&self, ncu_h_percent: u64) -> Ucredit {
        Ucredit(u64::try_from(self.computed(ncu_h_percent)).unwrap_or(u64::MAX).saturating_add(1))
    }

    /// µcredit a month for all that is wanted.
    pub fn costs(&self, need_mb: u64, is_developer: bool) -> u128 {
        let jobs = if is_developer { self.computed(mix::NCU_H_MONTHLY * self.demand_percent) } else { 0 };
        self.stored(need_mb * 30) + self.read(need_mb * mix::READ_MONTHLY_BPS / WHOLE_BPS) + jobs
    }

    /// µcredit a month that a kind earns if as much is sold as [`mix::FAIR_STORED_PERCENT`] says, traffic for it with it.
    pub fn earns(&self, kind: &Kind) -> u128 {
        let quality = u128::from(sweep::quality_bps(kind.on_bps(), 10_000, 10_000));
        let copies = u128::from(self.stored.copies_ppm);
        let repaired = u128::from(self.repaired.0) * u128::from(self.repaired_percent) * 10_000 / copies;
        let sent = u128::from(self.read.provider.0) * u128::from(mix::READ_MONTHLY_BPS) * 100 / copies;
        let a_gb = u128::from(self.stored.provider.0) + repaired + sent;
        let held = u128::from(kind.lent_gb * mix::FAIR_STORED_PERCENT) * a_gb * quality / 1_000_000;
        let hours = u128::from(kind.ncu_h_percent() * 30 * mix::FAIR_HOURS_PERCENT);
        held + hours * u128::from(self.computed.provider.0) / 10_000
    }
}

/// Fuel of hundredths of NCU·h.
pub const fn fuel(ncu_h_percent: u64) -> u64 {
    FUEL_PER_NCU_H / 100 * ncu_h_percent
}

fn row(book: &PriceBook, resource: Resource, variant: Variant) -> Price {
    *book.price(resource, variant).expect("book v1 has every row, see its check")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_earn_about_what_the_chapter_computes() {
        // §13 at 30 % of hours: 18 and 128 credits at a tenth of it, for the evening PC and the always-on.
        let prices = Prices::new(false, 100);
        let earns = |at: usize| prices.earns(&mix::KINDS[at]) / 1_000_000;
        assert!((11..19).contains(&earns(0)), "evening {}", earns(0));
        assert!((100..135).contains(&earns(1)), "always on {}", earns(1));
        // A backup of 200 GB with 20 GB of reads: 106.
        assert!((105..107).contains(&(prices.costs(200_000, false) / 1_000_000)));
        assert_eq!((prices.physical_mb(1_000), Prices::new(true, 100).physical_mb(1_000)), (3_250, 2_500));
    }
}
