//! The price book's versions and the carries of settlements read back as they were kept.

use super::rows::{NOW, member};
use super::start;
use crate::on_both;
use crate::place::Place;
use center::ledger::store::price;
use model::{Class, Resource, Span, Stamp, Ucredit, errors};
use rules::ledger::settle::{Carries, Part, Slot};
use rules::ledger::tariff::{PriceBook, Variant, WINDOW, book_v1};

on_both!(versions_of_the_price_book_read_back, carries_read_back);

async fn versions_of_the_price_book_read_back(place: &mut Place) {
    let _ledger = start(place).await;
    let publish = async |book: &PriceBook| {
        let book = book.clone();
        place.db.write(move |tx| price::publish(tx, &book, NOW)).await
    };
    assert_eq!(place.db.read(price::tariff).await.unwrap(), None);
    let first = book_v1();
    publish(&first).await.unwrap();
    let from = Stamp((NOW + Span::days(15)).0 / WINDOW.as_ms() * WINDOW.as_ms());
    let second = PriceBook { version: 2, valid_from: from, ..first.clone() };
    let mut wrong = second.clone();
    wrong.prices[0].operator = Ucredit(wrong.prices[0].operator.0 + 1);
    assert_eq!(publish(&wrong).await.unwrap_err().id(), errors::UNBALANCED_PRICE);
    let soon = PriceBook { valid_from: NOW, ..second.clone() };
    assert_eq!(publish(&soon).await.unwrap_err().id(), errors::BAD_VALUE);
    publish(&second).await.unwrap();
    assert_eq!(publish(&second).await.unwrap_err().id(), errors::BAD_VALUE, "once");
    let books = place.db.read(|q| Ok(price::books(q)?)).await.unwrap();
    assert_eq!(books, [first, second]);
    let tariff = place.db.read(price::tariff).await.unwrap().unwrap();
    assert_eq!((tariff.at(NOW).unwrap().version, tariff.at(from).unwrap().version), (1, 2));
}

async fn carries_read_back(place: &mut Place) {
    let variants = [
        Variant::Plain,
        Variant::Circle,
        Variant::Checked,
        Variant::Strict,
        Variant::Class(Class::Eco),
        Variant::Class(Class::Standard),
        Variant::Class(Class::Fortress),
    ];
    let parts = [Part::Consumer, Part::Provider, Part::Repair, Part::Operator, Part::Insurance];
    let slot = |(variant, part)| Slot { account: member(3), resource: Resource::Storage, variant, version: 2, part };
    let slots = variants.into_iter().flat_map(|variant| parts.map(|part| slot((variant, part))));
    let carries: Carries = slots.zip(7..).collect();
    assert_eq!(carries.len(), 35);
    for carries in [carries.clone(), carries.iter().map(|(slot, carry)| (*slot, carry + 1)).collect()] {
        let kept = carries.clone();
        place.db.write(move |tx| Ok(price::put_carries(tx, &kept)?)).await.unwrap();
        let read = place.db.read(|q| Ok(price::carries(q, member(3), Resource::Storage)?)).await.unwrap();
        assert_eq!(read, carries);
    }
    let others = place.db.read(|q| Ok(price::carries(q, member(3), Resource::Egress)?)).await.unwrap();
    assert!(others.is_empty());
}
