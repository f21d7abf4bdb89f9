//! Buffers of holders: what is held back is given back, drawn on or held anew, and nothing else.

use super::super::Hold;
use super::super::apply::HOLD_LIFE_MAX;
use super::super::buffer::{Facts, Seats, look, target, until};
use super::*;
use model::AccountClass as Class;
use proptest::prelude::*;

const SEATS: Seats = Seats { escrow: ESCROW, reserve: AccountNo::new(Class::Repair, 1) };

/// A member with these holds, one a day.
fn holder(amounts: &[u64]) -> Book {
    let mut book = book(2);
    let sum: u64 = amounts.iter().sum();
    if sum > 0 {
        book.open(Account::open(member(7), MemberState::Active, Ucredit::MAX));
        book.must(&by_system([gift(1, 7, 0, sum)]));
    }
    for (n, amount) in (10u64..).zip(amounts) {
        let at = NOW + Span::days(n - 10);
        let act = Act::Hold { debit: member(0), escrow: ESCROW, amount: Ucredit(*amount), expires: until(at) };
        let group = by_system([Ask { id: id(n), act, code: Code::Buffer, reference: None }]);
        book.apply(&group, at).unwrap();
    }
    book
}

fn holds(book: &Book) -> Vec<Hold> {
    let mut all: Vec<Hold> = book.holds().filter(|hold| hold.remaining() > Ucredit::ZERO).copied().collect();
    all.sort_by_key(|hold| hold.expires);
    all
}

fn facts(holds: &[Hold]) -> Facts<'_> {
    Facts { account: member(0), holds, held_mb: u64::MAX, there: 0, lost: 0, is_unsure: false }
}

/// Twice: the second time changes nothing.
fn apply_twice(book: &mut Book, groups: &[Group], now: Stamp) {
    for _ in 0..2 {
        groups.iter().for_each(|group| drop(book.apply(group, now).unwrap()));
    }
    book.check().unwrap();
}

fn held(book: &Book) -> u64 {
    book.accounts().find(|one| one.no == member(0)).unwrap().held_debit.0
}

#[test]
fn a_buffer_has_a_target_for_what_is_held() {
    assert_eq!([0, 1, 1_000, 2_500].map(|mb| target(mb).0), [0, 144, 144_000, 360_000]);
    assert_eq!(until(NOW).since(NOW), HOLD_LIFE_MAX);
}

#[test]
fn silence_costs_its_part_and_order_costs_nothing() {
    let mut book = holder(&[300, 100, 200]);
    let now = NOW + Span::days(20);
    let all = holds(&book);
    assert_eq!(look(&facts(&all), SEATS, 20, now), [], "(D)");
    let lost = look(&Facts { there: 4, lost: 2, is_unsure: true, ..facts(&all) }, SEATS, 20, now);
    apply_twice(&mut book, &lost, now);
    assert_eq!((book.balance(SEATS.reserve), held(&book)), (300, 300), "(A) the oldest first");
    let all = holds(&book);
    assert_eq!(
        look(&Facts { held_mb: 0, is_unsure: true, ..facts(&all) }, SEATS, 21, now),
        [],
        "(B) not while one is away"
    );
    let less = look(&Facts { held_mb: 1, ..facts(&all) }, SEATS, 21, now);
    apply_twice(&mut book, &less, now);
    assert_eq!((held(&book), book.balance(member(0))), (144, 300), "(B) what is above the target is its own again");
    let all = holds(&book);
    let left = look(&Facts { held_mb: 0, ..facts(&all) }, SEATS, 22, now);
    apply_twice(&mut book, &left, now);
    assert_eq!((held(&book), book.balance(SEATS.reserve)), (0, 300), "(B)");
}

#[test]
fn after_a_clean_year_half_is_given_back_and_half_held_anew() {
    let mut book = holder(&[1_000, 501]);
    let day = |n: u32| (20 + n, NOW + Span::days(u64::from(n)));
    let all = holds(&book);
    let (number, early) = day(364);
    assert_eq!(look(&facts(&all), SEATS, number, early), []);
    let (number, now) = day(365);
    let back = look(&facts(&all), SEATS, number, now);
    apply_twice(&mut book, &back, now);
    assert_eq!(held(&book), 1_001, "(C) the first is a year old");
    let (number, now) = day(366);
    let all = holds(&book);
    let back = look(&facts(&all), SEATS, number, now);
    apply_twice(&mut book, &back, now);
    assert_eq!((held(&book), book.balance(member(0))), (750, 1_501));
    let all = holds(&book);
    assert!(all.iter().all(|hold| hold.expires > now + Span::days(390)), "for a year again");
    // What was drawn on is not clean.
    let mut book = holder(&[1_000]);
    let all = holds(&book);
    let lost = look(&Facts { there: 10, lost: 1, ..facts(&all) }, SEATS, 30, NOW + Span::days(30));
    apply_twice(&mut book, &lost, NOW + Span::days(30));
    let all = holds(&book);
    assert_eq!(look(&facts(&all), SEATS, 400, NOW + Span::days(370)), []);
}

proptest! {
    #[test]
    fn nothing_is_lost_or_taken_twice(
        amounts in proptest::collection::vec(1u64..1 << 30, 1..400), there in 1u64..1 << 40, part in 0u64..1 << 40,
        held_mb in 0u64..1 << 20, is_unsure in any::<bool>(), days in 0u64..399
    ) {
        let mut book = holder(&amounts);
        let now = NOW + Span::days(days.max(amounts.len() as u64).min(399));
        let lost = part.min(there);
        let (all, before) = (holds(&book), held(&book));
        let groups = look(&Facts { held_mb, there, lost, is_unsure, ..facts(&all) }, SEATS, 99, now);
        apply_twice(&mut book, &groups, now);
        let (after, got) = (held(&book), u64::try_from(book.balance(SEATS.reserve)).unwrap());
        let exact = u64::try_from(u128::from(before) * u128::from(lost) / u128::from(there)).unwrap();
        prop_assert_eq!(got, exact, "(A) pro rata, and nothing where nothing is lost");
        prop_assert!(after + got <= before, "(D)");
        let kept = target(held_mb).0.min(before);
        if lost == 0 && is_unsure {
            prop_assert_eq!(after, before, "(B)");
        } else if lost == 0 {
            prop_assert!(after <= before && (after == kept || after * 2 + 400 >= before), "(B), (C) {after} {kept} {before}");
        }
        prop_assert_eq!(book.balance(member(0)) + i64::try_from(got).unwrap(), i64::try_from(before).unwrap());
    }
}
