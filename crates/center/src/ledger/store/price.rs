//! The price book's versions, and what is carried from one settlement to the next.

use super::lock;
use crate::db::{DbError, Many, Reader, Row, StoreError, Tx, Value, int_as};
use model::{AccountNo, Class, Resource, Stamp, errors};
use rules::ledger::settle::{Carries, Part, Slot};
use rules::ledger::tariff::{Commission, Price, PriceBook, Source, Tariff, Variant};

/// Number of a variant: of plain 0, of storage classes 16 + theirs.
pub(in crate::ledger) const fn variant_number(variant: Variant) -> u8 {
    match variant {
        Variant::Plain => 0,
        Variant::Circle => 1,
        Variant::Checked => 2,
        Variant::Strict => 3,
        Variant::Class(class) => 16 + class.code(),
    }
}

/// The variant of a number.
pub(in crate::ledger) fn variant(number: i64) -> Option<Variant> {
    match u8::try_from(number).ok()? {
        0 => Some(Variant::Plain),
        1 => Some(Variant::Circle),
        2 => Some(Variant::Checked),
        3 => Some(Variant::Strict),
        class => Class::from_code(class.checked_sub(16)?).map(Variant::Class),
    }
}

const SOURCES: [Source; 3] = [Source::Payer, Source::Reserve, Source::Free];
const PARTS: [Part; 5] = [Part::Consumer, Part::Provider, Part::Repair, Part::Operator, Part::Insurance];

/// Its place in a list that only grows at its end, from 1.
fn number_in<T: PartialEq>(list: &[T], one: &T) -> u64 {
    list.iter().position(|other| other == one).map_or(0, |at| at as u64 + 1)
}

fn by_number<T: Copy>(list: &[T], number: i64) -> Option<T> {
    list.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
}

/// Reads a word by its number.
pub(in crate::ledger) fn must<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(i64) -> Option<T>,
) -> Result<T, DbError> {
    int_as(row, column, read)?.ok_or_else(|| DbError::Column { column, why: "it is null".to_owned() })
}

const PRICE: &str = "version, number, resource, variant, source, provider, copies_ppm, consumer, provider_part, repair, \
    operator, insurance, per";

fn read_price(row: &Row<'_>) -> Result<Price, DbError> {
    Ok(Price {
        resource: must(row, 2, |n| u8::try_from(n).ok().and_then(Resource::from_number))?,
        variant: must(row, 3, variant)?,
        source: must(row, 4, |n| by_number(&SOURCES, n))?,
        provider: row.get(5)?,
        copies_ppm: row.get(6)?,
        consumer: row.get(7)?,
        provider_part: row.get(8)?,
        repair: row.get(9)?,
        operator: row.get(10)?,
        insurance: row.get(11)?,
        per: row.get(12)?,
    })
}

/// Every version there was and will be, in order.
pub fn books(q: &mut Reader<'_>) -> Result<Vec<PriceBook>, DbError> {
    let sql = "SELECT version, valid_from, operator_bps, insurance_bps FROM ledger_book ORDER BY version";
    let mut books = q.query(sql, &[], |row| {
        let commission = Commission { operator_bps: row.get(2)?, insurance_bps: row.get(3)? };
        Ok(PriceBook { version: row.get(0)?, valid_from: row.get(1)?, commission, prices: Vec::new() })
    })?;
    let sql = format!("SELECT {PRICE} FROM ledger_price WHERE version = $1 ORDER BY number");
    for book in &mut books {
        book.prices = q.query(&sql, &[book.version.into()], read_price)?;
    }
    Ok(books)
}

/// The tariff as it was published; nothing before the first version.
///
/// # Errors
/// [`errors::UNBALANCED_PRICE`] where a stored version does not balance; of the database.
pub fn tariff(q: &mut Reader<'_>) -> Result<Option<Tariff>, StoreError> {
    let sql = "SELECT published_at FROM ledger_book ORDER BY version";
    let published: Vec<Stamp> = q.query(sql, &[], |row| row.get(0))?;
    let mut tariff: Option<Tariff> = None;
    for (book, at) in books(q)?.into_iter().zip(published) {
        let added = match &mut tariff {
            None => Tariff::begin(book).map(|begun| tariff = Some(begun)),
            Some(tariff) => tariff.add(book, at),
        };
        added.map_err(|bad| StoreError::refused(errors::UNBALANCED_PRICE, bad.refusal().to_string()))?;
    }
    Ok(tariff)
}

/// Publishes a version: the first holds at once, later ones as [`Tariff::add`] says.
///
/// # Errors
/// [`errors::UNBALANCED_PRICE`], [`errors::BAD_VALUE`] where it does not balance, comes too soon or not in order.
pub fn publish(tx: &mut Tx<'_>, book: &PriceBook, now: Stamp) -> Result<(), StoreError> {
    lock(tx)?;
    let judged = match tariff(tx)? {
        None => Tariff::begin(book.clone()).map(drop),
        Some(mut tariff) => tariff.add(book.clone(), now),
    };
    judged.map_err(|bad| {
        let refusal = bad.refusal();
        StoreError::refused(refusal.id, refusal.to_string())
    })?;
    let sql = "INSERT INTO ledger_book (version, valid_from, published_at, operator_bps, insurance_bps) VALUES \
        ($1, $2, $3, $4, $5)";
    let commission = book.commission;
    let params = [
        book.version.into(),
        book.valid_from.into(),
        now.into(),
        commission.operator_bps.into(),
        commission.insurance_bps.into(),
    ];
    tx.execute(sql, &params)?;
    let rows: Vec<_> = (1_u64..).zip(&book.prices).map(|(number, price)| price_params(book, number, price)).collect();
    let before = format!("INSERT INTO ledger_price ({PRICE}) VALUES");
    let row = "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    tx.execute_many(&Many { before: &before, row, after: "" }, &rows)?;
    Ok(())
}

fn price_params(book: &PriceBook, number: u64, price: &Price) -> Vec<Value<'static>> {
    vec![
        book.version.into(),
        number.into(),
        price.resource.number().into(),
        variant_number(price.variant).into(),
        number_in(&SOURCES, &price.source).into(),
        price.provider.into(),
        price.copies_ppm.into(),
        price.consumer.into(),
        price.provider_part.into(),
        price.repair.into(),
        price.operator.into(),
        price.insurance.into(),
        price.per.into(),
    ]
}

/// Carries of an account for a resource; what is not there is 0.
pub fn carries(q: &mut Reader<'_>, account: AccountNo, resource: Resource) -> Result<Carries, DbError> {
    let sql = "SELECT variant, version, part, carry FROM ledger_carry WHERE account = $1 AND resource = $2";
    let found = q.query(sql, &[account.into(), resource.number().into()], |row| {
        let (variant, part) = (must(row, 0, variant)?, must(row, 2, |n| by_number(&PARTS, n))?);
        let slot = Slot { account, resource, variant, version: row.get(1)?, part };
        Ok((slot, row.get::<u64>(3)?))
    })?;
    Ok(found.into_iter().collect())
}

/// Keeps carries, in the transaction of the transfers they are left from.
pub fn put_carries(tx: &mut Tx<'_>, carries: &Carries) -> Result<(), DbError> {
    let many = Many {
        before: "INSERT INTO ledger_carry (account, resource, variant, version, part, carry) VALUES",
        row: "($1, $2, $3, $4, $5, $6)",
        after: "ON CONFLICT (account, resource, variant, version, part) DO UPDATE SET carry = excluded.carry",
    };
    let row = |(slot, carry): (&Slot, &u64)| {
        vec![
            slot.account.into(),
            slot.resource.number().into(),
            variant_number(slot.variant).into(),
            slot.version.into(),
            number_in(&PARTS, &slot.part).into(),
            (*carry).into(),
        ]
    };
    let rows: Vec<Vec<Value<'_>>> = carries.iter().map(row).collect();
    tx.execute_many(&many, &rows).map(drop)
}
