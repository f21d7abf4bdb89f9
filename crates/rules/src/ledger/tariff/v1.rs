//! The first price book, as committed constants (`docs/design/ledger.md` §6): all assumed, all configuration.

use super::{Commission, Price, PriceBook, Terms, Variant};
use model::{Class, Resource, Stamp, Ucredit};

/// MB·h of one GB·month.
const GB_MONTH: u64 = 720_000;
const GB: u64 = 1_000_000_000;
/// Fuel of one hour of the reference core.
pub const FUEL_PER_NCU_H: u64 = 3_600_000_000_000;
/// What a holder gets for a physical GB·month.
const HELD: Ucredit = Ucredit(100_000);
/// What a GB of repair traffic costs.
const REPAIR_GB: Ucredit = Ucredit(200_000);
/// Bytes repaired for a byte stored and month, in hundredths: by class.
const REPAIRED_ECO: u64 = 54;
const REPAIRED_STANDARD: u64 = 56;
const REPAIRED_FORTRESS: u64 = 71;

const fn storage(variant: Variant, copies_ppm: u64, repaired_percent: u64) -> Terms {
    // In hundredths of a repaired GB: exact for every row.
    let repair = Ucredit(REPAIR_GB.0.saturating_mul(repaired_percent).saturating_div(100));
    Terms { resource: Resource::Storage, variant, provider: HELD, copies_ppm, repair, per: GB_MONTH }
}

const fn plain(resource: Resource, provider: u64, per: u64) -> Terms {
    let (provider, repair) = (Ucredit(provider), Ucredit::ZERO);
    Terms { resource, variant: Variant::Plain, provider, copies_ppm: 1_000_000, repair, per }
}

const fn compute(variant: Variant, copies_ppm: u64) -> Terms {
    Terms { variant, copies_ppm, ..plain(Resource::Compute, 500_000, FUEL_PER_NCU_H) }
}

const TERMS: [Terms; 12] = [
    storage(Variant::Class(Class::Eco), 2_250_000, REPAIRED_ECO),
    storage(Variant::Class(Class::Standard), 3_250_000, REPAIRED_STANDARD),
    storage(Variant::Class(Class::Fortress), 4_250_000, REPAIRED_FORTRESS),
    storage(Variant::Circle, 2_500_000, 0),
    plain(Resource::Egress, 400_000, GB),
    compute(Variant::Checked, 1_150_000),
    compute(Variant::Strict, 2_000_000),
    plain(Resource::LoadRequests, 8_000_000, 1_000_000),
    plain(Resource::LoadUp, 400_000, GB),
    plain(Resource::LoadDown, 100_000, GB),
    plain(Resource::LoadTime, 5_000, 60),
    plain(Resource::Relay, 100_000, GB),
];

/// Book version 1, in force from the beginning.
pub fn book_v1() -> PriceBook {
    let commission = Commission::DEFAULT;
    let derived = TERMS.iter().filter_map(|terms| Price::derive(terms, commission));
    let fixed = [
        Price::from_reserve(Resource::Repair, REPAIR_GB, GB),
        Price::free(Resource::Ingress, GB),
        Price::free(Resource::Memory, 1_000_000),
    ];
    PriceBook { version: 1, valid_from: Stamp::EPOCH, commission, prices: derived.chain(fixed).collect() }
}
