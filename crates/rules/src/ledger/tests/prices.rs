//! The committed price book against its table, the check of a book, amounts with carry.

use super::super::amount::{Carried, amount, split};
use super::super::tariff::{
    BadBook, Commission, FUEL_PER_NCU_H, Price, PriceBook, Source, Tariff, Terms, Variant, Want, book_v1, kept, quote,
    steer,
};
use super::*;
use model::{Check, Class, Resource, errors};
use proptest::prelude::*;

/// The table of `docs/design/ledger.md` §6: provider, consumer, operator, insurance, per.
const TABLE: [(Resource, Variant, [u64; 5]); 12] = [
    (Resource::Storage, Variant::Class(Class::Eco), [100_000, 370_000, 25_900, 11_100, 720_000]),
    (Resource::Storage, Variant::Class(Class::Standard), [100_000, 485_556, 33_988, 14_568, 720_000]),
    (Resource::Storage, Variant::Class(Class::Fortress), [100_000, 630_000, 44_100, 18_900, 720_000]),
    (Resource::Storage, Variant::Circle, [100_000, 277_778, 19_444, 8_334, 720_000]),
    (Resource::Egress, Variant::Plain, [400_000, 444_445, 31_111, 13_334, 1_000_000_000]),
    (Resource::Compute, Variant::Checked, [500_000, 638_889, 44_722, 19_167, FUEL_PER_NCU_H]),
    (Resource::Compute, Variant::Strict, [500_000, 1_111_112, 77_777, 33_335, FUEL_PER_NCU_H]),
    (Resource::LoadRequests, Variant::Plain, [8_000_000, 8_888_889, 622_222, 266_667, 1_000_000]),
    (Resource::LoadUp, Variant::Plain, [400_000, 444_445, 31_111, 13_334, 1_000_000_000]),
    (Resource::LoadDown, Variant::Plain, [100_000, 111_112, 7_777, 3_335, 1_000_000_000]),
    (Resource::LoadTime, Variant::Plain, [5_000, 5_556, 388, 168, 60]),
    (Resource::Relay, Variant::Plain, [100_000, 111_112, 7_777, 3_335, 1_000_000_000]),
];

#[test]
fn the_committed_book_is_the_table_and_balances() {
    let book = book_v1();
    book.judge().unwrap();
    assert_eq!(book.prices.len(), 15);
    for (resource, variant, figures) in TABLE {
        let price = book.price(resource, variant).unwrap();
        let parts = [price.provider, price.consumer, price.operator, price.insurance].map(|part| part.0);
        assert_eq!([&parts[..], &[price.per]].concat(), figures, "{resource} {variant}");
    }
    let parts = book.price(Resource::Storage, Variant::Class(Class::Standard)).unwrap();
    assert_eq!((parts.provider_part.0, parts.repair.0), (325_000, 112_000));
    let fixed = |resource| book.price(resource, Variant::Plain).map(|price| (price.source, price.consumer.0));
    assert_eq!(fixed(Resource::Repair), Some((Source::Reserve, 200_000)));
    assert_eq!(fixed(Resource::Ingress), Some((Source::Free, 0)));
    assert_eq!(Variant::of_check(Check::Strict), Variant::Strict);
}

#[test]
fn what_a_lender_keeps_is_as_computed() {
    let book = book_v1();
    let tb = 1_000_000_000_000;
    let class = |class| book.price(Resource::Storage, Variant::Class(class)).unwrap();
    let gb = |class_of| kept(tb, 7_000, class(class_of), Commission::DEFAULT) / 1_000_000_000;
    assert_eq!((gb(Class::Standard), gb(Class::Eco)), (193, 280), "193.8 and 280");
}

#[test]
fn one_microcredit_too_much_on_any_row_is_refused_by_its_row() {
    let parts: [fn(&mut Price) -> &mut Ucredit; 6] = [
        |price| &mut price.consumer,
        |price| &mut price.provider_part,
        |price| &mut price.provider,
        |price| &mut price.repair,
        |price| &mut price.operator,
        |price| &mut price.insurance,
    ];
    for at in 0..book_v1().prices.len() {
        for (n, part) in parts.iter().enumerate() {
            for off in [1, -1i64] {
                let mut book = book_v1();
                let part = part(&mut book.prices[at]);
                let Some(new) = part.0.checked_add_signed(off) else { continue };
                part.0 = new;
                let price = book.prices[at];
                let bad = book.judge().unwrap_err();
                let named = matches!(bad, BadBook::Unbalanced { row, .. } | BadBook::Row { row, .. } if row == (price.resource, price.variant));
                assert!(named, "(G) {} part {n} {off}: {bad:?}", price.resource);
            }
        }
    }
    let mut book = book_v1();
    book.prices[0].consumer.0 += 1;
    let refusal = book.judge().unwrap_err().refusal();
    assert_eq!(refusal.id, errors::UNBALANCED_PRICE);
    assert_eq!(refusal.to_string(), "E0609 unbalanced_price row=storage eco sources=0.370001 uses=0.37");
}

#[test]
fn a_book_that_gives_more_than_it_takes_cannot_be_saved() {
    // What Storj paid and took for egress until 2023: 20 and 7.
    let mut book = book_v1();
    let at = book.prices.iter().position(|price| price.resource == Resource::Egress).unwrap();
    book.prices[at].provider = Ucredit(2_000_000);
    book.prices[at].consumer = Ucredit(700_000);
    assert!(matches!(book.judge(), Err(BadBook::Unbalanced { .. })));
    let mut silent = book_v1();
    silent.prices[at] = Price { source: Source::Payer, ..Price::free(Resource::Egress, 1) };
    assert!(matches!(silent.judge(), Err(BadBook::Row { why: "it is free and does not say so", .. })));
    let mut poor = book_v1();
    poor.prices[at].insurance.0 -= 2_000;
    poor.prices[at].operator.0 += 2_000;
    assert!(matches!(poor.judge(), Err(BadBook::Row { why: "its insurance part is below the minimum", .. })));
    let mut twice = book_v1();
    twice.prices.push(twice.prices[3]);
    assert!(matches!(twice.judge(), Err(BadBook::Row { why: "it stands twice", .. })));
    let mut less = book_v1();
    less.prices.retain(|price| price.resource != Resource::Relay);
    assert!(matches!(less.judge(), Err(BadBook::Book(_))));
}

#[test]
fn a_version_comes_into_force_in_time_and_the_old_one_stays() {
    let mut tariff = Tariff::begin(book_v1()).unwrap();
    let edge = Stamp(NOW.as_ms() / 21_600_000 * 21_600_000);
    let next = |version, days| PriceBook { version, valid_from: edge + Span::days(days), ..book_v1() };
    assert!(tariff.add(next(2, 14), edge + Span::ms(1)).is_err(), "(P) sooner than in 14 days");
    assert!(tariff.add(next(3, 20), edge).is_err(), "out of order");
    let off = PriceBook { valid_from: edge + Span::days(20) + Span::hours(1), ..next(2, 20) };
    assert!(tariff.add(off, edge).is_err(), "(P) within a window");
    let mut unbalanced = next(2, 20);
    unbalanced.prices[0].repair.0 += 1;
    assert!(tariff.add(unbalanced, edge).is_err());
    tariff.add(next(2, 20), edge).unwrap();
    assert!(tariff.add(next(3, 20), edge).is_err(), "not later than the last");
    let at = |days| tariff.at(edge + Span::days(days)).map(|book| book.version);
    assert_eq!((at(0), at(19), at(20), at(400)), (Some(1), Some(1), Some(2), Some(2)));
    assert!(tariff.price(1, Resource::Relay, Variant::Plain).is_some());
    assert!(tariff.price(3, Resource::Relay, Variant::Plain).is_none());
}

#[test]
fn a_quote_is_never_below_the_bill() {
    let book = book_v1();
    let want = |resource, variant, units| Want { resource, variant, units };
    let gb = want(Resource::Egress, Variant::Plain, 1_000_000_000);
    assert_eq!(quote(&book, &[gb]), Ok(Ucredit(444_445)));
    let byte = want(Resource::Egress, Variant::Plain, 1);
    assert_eq!(quote(&book, &[gb, byte]), Ok(Ucredit(444_446)));
    let none = quote(&book, &[want(Resource::Egress, Variant::Circle, 1)]);
    assert_eq!(none, Err(No::NoPrice { version: 1, resource: Resource::Egress }));
    // A backup of 200 GB with 20 GB of reads a month: 106 credits, as the chapter's table says.
    let month = [
        want(Resource::Storage, Variant::Class(Class::Standard), 200 * 720_000),
        want(Resource::Egress, Variant::Plain, 20_000_000_000),
    ];
    assert_eq!(quote(&book, &month).unwrap().0 / 1_000_000, 106, "106.0001 credits");
}

#[test]
fn price_control_moves_a_little_and_within_bounds() {
    let base = Ucredit(100_000);
    assert_eq!(steer(base, base, 7_000, 7_000), base);
    assert_eq!(steer(base, base, 7_700, 7_000), Ucredit(102_000), "a tenth more use, a fiftieth more");
    assert_eq!((steer(base, base, 10_000, 5_000), steer(base, base, 0, 5_000)), (Ucredit(105_000), Ucredit(95_000)));
    let far = (0..200).fold(base, |price, _| steer(price, base, 10_000, 5_000));
    let low = (0..200).fold(base, |price, _| steer(price, base, 0, 5_000));
    assert_eq!((far, low), (Ucredit(200_000), Ucredit(50_000)));
}

#[test]
fn amounts_too_large_are_refused() {
    assert_eq!(amount(u64::MAX, Ucredit::MAX, 1, 0), Err(No::AmountTooLarge));
    assert_eq!(amount(1u64, Ucredit(1), 0, 0), Err(No::AmountTooLarge));
    assert_eq!(amount(u64::MAX, Ucredit(u64::MAX), u64::MAX, 0), Err(No::AmountTooLarge));
    assert_eq!(amount(10u64, Ucredit(7), 4, 3), Ok(Carried { amount: Ucredit(18), carry: 1 }));
}

proptest! {
    /// (H) In however many parts units are settled, less than a µcredit is missing.
    #[test]
    fn carries_lose_nothing(parts in proptest::collection::vec(0u64..5_000_000_000, 1..200), price in 1u64..3_000_000, per in 1u64..2_000_000_000) {
        let (mut carry, mut paid, mut units) = (0, 0u128, 0u128);
        for part in parts {
            let counted = amount(part, Ucredit(price), per, carry).unwrap();
            carry = counted.carry;
            paid += u128::from(counted.amount.0);
            units += u128::from(part);
            prop_assert!(carry < per);
        }
        let exact = units * u128::from(price);
        prop_assert_eq!(paid * u128::from(per) + u128::from(carry), exact, "(H)");
        prop_assert_eq!(exact / u128::from(per), paid, "(H) less than 1 µC is missing");
    }

    #[test]
    fn parts_of_a_split_add_up(whole in 0u64..1 << 62, weights in proptest::collection::vec(0u64..1 << 40, 1..40)) {
        let parts = split(Ucredit(whole), &weights);
        let sum: u64 = parts.iter().map(|part| part.0).sum();
        let some = weights.iter().any(|weight| *weight > 0);
        prop_assert_eq!(sum, if some { whole } else { 0 }, "(H)");
        for (part, weight) in parts.iter().zip(&weights) {
            prop_assert!(*weight > 0 || part.0 == 0);
        }
    }

    /// (O) Whatever the terms, what is derived balances, and a µcredit more does not.
    #[test]
    fn every_derived_row_balances(
        provider in 1u64..1 << 40, copies in 1_000_000u64..8_000_000, repair in 0u64..1 << 40, op in 0u64..2_000, ins in 0u64..2_000
    ) {
        let commission = Commission { operator_bps: op, insurance_bps: ins };
        let terms = Terms {
            resource: Resource::Storage,
            variant: Variant::Circle,
            provider: Ucredit(provider),
            copies_ppm: copies,
            repair: Ucredit(repair),
            per: 720_000,
        };
        let price = Price::derive(&terms, commission).unwrap();
        let mut book = PriceBook { commission, ..book_v1() };
        let others = [Resource::Repair, Resource::Ingress, Resource::Memory];
        book.prices.retain(|price| others.contains(&price.resource));
        let rest = Resource::ALL.iter().filter(|one| !others.contains(one) && **one != Resource::Storage);
        book.prices.extend(rest.map(|one| Price::free(*one, 1)));
        book.prices.push(price);
        prop_assert_eq!(book.judge(), Ok(()));
        // The consumer price is the least that covers uses and commission.
        let uses = u128::from(price.provider_part.0 + price.repair.0);
        let rest = |consumer: u64| u128::from(consumer) * u128::from(10_000 - op - ins);
        prop_assert!(rest(price.consumer.0) >= uses * 10_000 && rest(price.consumer.0 - 1) < uses * 10_000, "(O)");
        book.prices.last_mut().unwrap().operator.0 += 1;
        prop_assert!(book.judge().is_err(), "(G)");
    }
}

#[test]
#[ignore = "long: a million splits"]
fn a_million_random_carries() {
    use rand_core::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    for (_, _, [_, consumer, .., per]) in TABLE {
        let (mut carry, mut paid, mut units) = (0, 0u128, 0u128);
        for _ in 0..100_000 {
            let part = rng.next_u64() >> (20 + rng.next_u64() % 44);
            let counted = amount(part, Ucredit(consumer), per, carry).unwrap();
            (carry, paid, units) = (counted.carry, paid + u128::from(counted.amount.0), units + u128::from(part));
        }
        assert_eq!(paid, units * u128::from(consumer) / u128::from(per), "(H)");
    }
}
