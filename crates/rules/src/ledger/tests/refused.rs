//! Each refusal by its name, in the order of the checks, and what a group does.

use super::super::apply::{GROUP_MAX, Needs};
use super::super::{Facts, book};
use super::*;
use model::{AccountClass as Class, Credits, TransferKind, errors};

fn refused(group: &Group) -> No {
    super::book(4).refuse(group, NOW)
}

#[test]
fn every_refusal_by_its_name() {
    let system = |ask: Ask| refused(&by_system([ask]));
    let own = |ask: Ask| refused(&by_member(0, [ask]));
    assert_eq!(system(gift(1, 0, 1, 0)), No::ZeroAmount);
    assert_eq!(system(gift(1, 0, 1, u64::MAX)), No::AmountTooLarge);
    assert_eq!(system(gift(1, 0, 0, 1)), No::SameAccount(member(0)));
    assert_eq!(system(gift(1, 0, 9, 1)), No::UnknownAccount(member(9)));
    assert_eq!(refused(&by_system([])), No::GroupSize(0));
    let many: Vec<Ask> = (0..=GROUP_MAX as u64).map(|n| gift(n, 0, 1, 1)).collect();
    assert_eq!(refused(&by_system(many)), No::GroupSize(GROUP_MAX + 1));
    let late = id_at(NOW + Span::mins(16), 1);
    assert_eq!(own(Ask { id: late, ..gift(1, 0, 1, 1) }), No::IdFromFuture { id: late, made: NOW + Span::mins(16) });
    let old = id_at(NOW - Span::days(401), 1);
    assert_eq!(own(Ask { id: old, ..gift(1, 0, 1, 1) }), No::IdTooOld { id: old, made: NOW - Span::days(401) });
    let hashed = TransferId::hashed(&[7; 32]);
    assert!(
        matches!(own(Ask { id: hashed, ..gift(1, 0, 1, 1) }), No::IdFromFuture { .. }),
        "no member uses up a system id"
    );
    let needed = Ucredit(30_000_001);
    let (account, available, held) = (member(0), Credits(30_000_000), Ucredit::ZERO);
    assert_eq!(own(gift(1, 0, 1, needed.0)), No::InsufficientCredit { account, available, needed, held }, "(B)");
    assert_eq!(system(post(1, 7, 1, 1)), No::HoldClosed(id(7)));
    let Act::Hold { debit, escrow, amount, .. } = hold(1, 0, 1).act else { unreachable!() };
    for expires in [NOW, NOW + Span::days(401)] {
        let act = Act::Hold { debit, escrow, amount, expires };
        assert_eq!(own(Ask { act, ..hold(1, 0, 1) }), No::BadExpiry(expires));
    }
    let twice = refused(&by_system([gift(1, 0, 1, 1), gift(1, 0, 1, 1)]));
    assert_eq!(twice, No::IdReused { id: id(1), field: "id" });
}

#[test]
fn a_member_starts_few_things_and_only_its_own() {
    for code in Code::ALL {
        for kind in TransferKind::ALL {
            let listed =
                matches!((code.number(), kind), (200 | 120 | 210, TransferKind::Hold) | (400, TransferKind::Move));
            let bridge = matches!((code.number(), kind), (410 | 411, TransferKind::Move | TransferKind::Hold));
            assert_eq!(super::super::code::member_may(*code, *kind, false), listed, "{code} {kind}");
            assert_eq!(super::super::code::member_may(*code, *kind, true), listed || bridge, "{code} {kind}");
        }
    }
    let mut book = super::book(3);
    let no = book.refuse(&by_member(1, [gift(1, 0, 1, 1)]), NOW);
    assert!(matches!(no, No::CodeNotAllowed { why: "another member", .. }));
    book.must(&by_member(0, [hold(2, 0, 10)]));
    for ask in [post(3, 2, 0, 1), post(3, 2, 1, 1), void(3, 2, None)] {
        let no = book.refuse(&by_member(0, [ask]), NOW);
        assert!(matches!(no, No::CodeNotAllowed { .. } | No::SameAccount(_)), "{no}");
    }
    assert_eq!(no.refusal().id, errors::NOT_ALLOWED);
}

#[test]
fn escrow_and_genesis_take_part_in_nothing_else() {
    for class in [Class::Escrow, Class::Genesis] {
        for code in Code::ALL {
            for (debit, credit) in [(seat(class), member(0)), (member(0), seat(class))] {
                let act = Act::Move { debit, credit, amount: Ucredit(1) };
                let no = refused(&by_system([Ask { id: id(1), act, code: *code, reference: None }]));
                assert!(matches!(no, No::CodeNotAllowed { .. }), "{code} {class}: {no}");
            }
        }
    }
    let act = Act::Hold { debit: member(0), escrow: member(1), amount: Ucredit(1), expires: NOW + Span::days(1) };
    let no = refused(&by_system([Ask { act, ..hold(1, 0, 1) }]));
    assert!(matches!(no, No::CodeNotAllowed { .. }));
}

/// The center's own relay is a service whose provider is the operator; no other service pays it.
#[test]
fn the_operator_serves_by_its_relay_alone() {
    let (clearing, operator) = (seat(Class::Clearing), seat(Class::Operator));
    for code in [Code::Storage, Code::Egress, Code::Repair, Code::Compute, Code::Load, Code::Relay] {
        let mut book = super::book(1);
        book.must(&by_system([Ask { id: id(1), act: pay(member(0), clearing), code, reference: None }]));
        let group = by_system([Ask { id: id(2), act: pay(clearing, operator), code, reference: None }]);
        match book.apply(&group, NOW) {
            Ok(_) => assert_eq!((code, book.balance(operator)), (Code::Relay, 5)),
            Err(refused) => assert!(code != Code::Relay && matches!(refused.no, No::CodeNotAllowed { .. }), "{code}"),
        }
        let back = Ask { id: id(3), act: pay(operator, member(0)), code, reference: None };
        assert!(book.apply(&by_system([back]), NOW).is_err(), "it pays for nothing by that code");
    }
}

fn pay(debit: AccountNo, credit: AccountNo) -> Act {
    Act::Move { debit, credit, amount: Ucredit(5) }
}

#[test]
fn a_frozen_account_starts_nothing_and_a_closed_one_takes_nothing() {
    let mut book = super::book(3);
    book.must(&by_member(0, [hold(9, 0, 5)]));
    book.set(member(0), |account| account.is_frozen = true);
    book.set(member(2), |account| account.state = MemberState::Closed);
    assert_eq!(book.refuse(&by_member(0, [gift(1, 0, 1, 1)]), NOW), No::AccountFrozen(member(0)));
    assert_eq!(book.refuse(&by_system([hold(1, 0, 1)]), NOW), No::AccountFrozen(member(0)));
    assert_eq!(book.refuse(&by_system([gift(1, 1, 2, 1)]), NOW), No::AccountClosed(member(2)));
    assert_eq!(book.refuse(&by_system([post(1, 9, 2, 1)]), NOW), No::AccountClosed(member(2)));
    book.must(&by_system([post(2, 9, 1, 5)]));
    assert_eq!(book.balance(member(1)), 5, "what was promised is paid");
}

#[test]
fn checks_come_in_their_order() {
    let mut book = super::book(3);
    book.set(member(2), |account| account.state = MemberState::Closed);
    let too_much = u64::MAX / 4;
    // Seen before open, open before rights, rights before limit.
    book.must(&by_member(0, [gift(1, 0, 1, 1)]));
    let no = book.refuse(&by_member(0, [gift(1, 0, 2, too_much)]), NOW);
    assert_eq!(no, No::IdReused { id: id(1), field: "credit" });
    let no = book.refuse(&by_member(1, [gift(2, 0, 2, too_much)]), NOW);
    assert_eq!(no, No::AccountClosed(member(2)));
    let no = book.refuse(&by_member(1, [gift(2, 0, 1, too_much)]), NOW);
    assert!(matches!(no, No::CodeNotAllowed { .. }));
    assert_eq!(book.refuse(&by_member(1, [gift(2, 0, 1, 0)]), NOW), No::ZeroAmount);
}

#[test]
fn the_same_again_is_a_success_and_another_content_is_told() {
    let mut book = super::book(3);
    let group = by_member(0, [gift(1, 0, 1, 5), hold(2, 0, 7)]);
    book.must(&group);
    let after = book.clone();
    for _ in 0..3 {
        assert_eq!(book.apply(&group, NOW + Span::days(9)), Ok(Outcome::Exists { seq: 1 }), "(C)");
    }
    assert_eq!(book, after);
    let gift_to = |act| Ask { act, ..gift(1, 0, 1, 5) };
    let (debit, credit, amount) = (member(0), member(1), Ucredit(5));
    let act = Act::Move { debit, credit, amount };
    let others = [
        (gift_to(Act::Move { debit: member(2), credit, amount }), "debit"),
        (gift_to(Act::Move { debit, credit: member(2), amount }), "credit"),
        (gift_to(Act::Move { debit, credit, amount: Ucredit(6) }), "amount"),
        (Ask { code: Code::Work, ..gift_to(act) }, "code"),
        (Ask { reference: Some([0; 16]), ..gift_to(act) }, "ref"),
        (Ask { id: id(1), ..hold(2, 0, 7) }, "kind"),
    ];
    for (ask, field) in others {
        assert_eq!(book.refuse(&by_system([ask]), NOW), No::IdReused { id: id(1), field });
    }
    let Act::Hold { debit, escrow, amount, .. } = hold(2, 0, 7).act else { unreachable!() };
    let longer = Act::Hold { debit, escrow, amount, expires: NOW + Span::days(2) };
    let no = book.refuse(&by_system([Ask { act: longer, ..hold(2, 0, 7) }]), NOW);
    assert_eq!(no, No::IdReused { id: id(2), field: "expires_ms" });
    let no = book.refuse(&by_member(0, [gift(1, 0, 1, 5), gift(3, 0, 1, 5)]), NOW);
    assert_eq!(no, No::IdReused { id: id(3), field: "group" });
    let no = book.refuse(&by_member(0, [gift(3, 0, 1, 5), gift(1, 0, 1, 5)]), NOW);
    assert_eq!(no, No::IdReused { id: id(1), field: "group" });
}

#[test]
fn a_group_is_applied_whole_or_not_at_all() {
    let mut book = super::book(3);
    let publish = by_member(0, [hold(1, 0, 20_000_000), hold(2, 0, 10_000_000), hold(3, 0, 1)]);
    let refused = book.apply(&publish, NOW).unwrap_err();
    assert_eq!(refused.at, 2);
    assert_eq!(book.rows().len(), 0, "(K)");
    // Its own earlier rows count: a hold can be posted in the group that makes it.
    book.must(&by_system([hold(1, 0, 10), post(2, 1, 1, 4), post(3, 1, 2, 5), void(4, 1, None)]));
    assert_eq!([0, 1, 2].map(|n| book.balance(member(n))), [-9, 4, 5]);
    let hold = book.hold(id(1)).unwrap();
    assert_eq!((hold.posted.0, hold.voided.0, hold.remaining().0), (9, 1, 0), "(E)");
    assert_eq!(book.rows().iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    book.check().unwrap();
}

#[test]
fn a_hold_ends_by_time_whoever_comes_first() {
    let mut book = super::book(3);
    book.must(&by_member(0, [hold(5, 0, 1)]));
    book.must(&by_system([void(6, 5, Some(1))]));
    assert_eq!(book.refuse(&by_system([void(7, 5, None)]), NOW), No::HoldClosed(id(5)));
    book.must(&by_member(0, [hold(1, 0, 10)]));
    book.must(&by_system([post(2, 1, 1, 3)]));
    assert_eq!(
        book.refuse(&by_system([post(3, 1, 1, 8)]), NOW),
        No::HoldExceeded { hold: id(1), remaining: Ucredit(7) }
    );
    let made = book.hold(id(1)).unwrap();
    let end = book::expire(&made);
    assert_eq!(book.refuse(&end, NOW), No::HoldNotDue(id(1)));
    let over = NOW + Span::days(1);
    assert_eq!(book.refuse(&by_system([post(3, 1, 1, 1)]), over), No::HoldExpired(id(1)), "before its row is written");
    book.contest(id(1), true);
    assert_eq!(book.refuse(&end, over), No::HoldNotDue(id(1)));
    assert!(book.due(over).is_empty());
    assert!(matches!(book.apply(&by_system([post(3, 1, 1, 1)]), over), Ok(Outcome::Applied(_))), "argued about");
    book.contest(id(1), false);
    assert_eq!(book.due(over), std::slice::from_ref(&end));
    assert!(matches!(book.apply(&end, over), Ok(Outcome::Applied(_))));
    assert!(matches!(book.apply(&end, over), Ok(Outcome::Exists { .. })));
    assert_eq!(book.refuse(&by_system([post(4, 1, 1, 1)]), over), No::HoldExpired(id(1)), "after it");
    assert_eq!(book.refuse(&by_system([void(4, 1, None)]), over), No::HoldExpired(id(1)));
    assert_eq!(book.hold(id(1)).unwrap().expired, Ucredit(6), "(E)");
    assert_eq!(book.balance(member(0)), -4);
}

#[test]
fn only_what_was_served_already_may_be_owed_beyond_the_limit() {
    let clearing = seat(Class::Clearing);
    for code in Code::ALL {
        let act = Act::Move { debit: member(0), credit: clearing, amount: Ucredit::whole(31) };
        let group = Group { starter: Starter::Owed, asks: vec![Ask { id: id(1), act, code: *code, reference: None }] };
        let done = super::book(2).apply(&group, NOW);
        let may = matches!(code, Code::Storage | Code::Egress | Code::Compute | Code::Relay);
        assert_eq!(matches!(done, Ok(Outcome::Applied(_))), may, "(B) {code}: {done:?}");
    }
    let mut book = super::book(2);
    let act = Act::Move { debit: clearing, credit: member(0), amount: Ucredit(1) };
    let group =
        Group { starter: Starter::Owed, asks: vec![Ask { id: id(1), act, code: Code::Storage, reference: None }] };
    assert!(matches!(book.refuse(&group, NOW), No::InsufficientCredit { .. }), "a purse owes nobody");
    // Insurance bears losses down to its limit; what is beyond goes to write-off, without end.
    let loss = |n, from: Class, amount| {
        let act = Act::Move { debit: seat(from), credit: member(0), amount };
        by_system([Ask { id: id(n), act, code: Code::BadDebt, reference: None }])
    };
    assert!(matches!(book.refuse(&loss(2, Class::Insurance, Ucredit::whole(101)), NOW), No::InsufficientCredit { .. }));
    book.must(&loss(2, Class::Insurance, Ucredit::whole(100)));
    book.must(&loss(3, Class::WriteOff, Ucredit::whole(1_000_000)));
    assert_eq!(book.check().unwrap().owed, 1_000_100_000_000);
}

#[test]
fn counters_never_overflow() {
    let mut book = super::book(3);
    for n in 0..3 {
        book.set(member(n), |account| account.limit = Ucredit::MAX);
    }
    book.must(&by_system([gift(1, 0, 1, Ucredit::MAX.0)]));
    assert_eq!(book.balance(member(0)), -i64::MAX);
    assert!(matches!(book.refuse(&by_system([gift(2, 0, 1, 1)]), NOW), No::InsufficientCredit { .. }));
    assert_eq!(book.refuse(&by_system([gift(2, 2, 1, 1)]), NOW), No::AmountTooLarge, "its credits are full");
    book.must(&by_system([gift(3, 1, 2, Ucredit::MAX.0)]));
    assert_eq!(book.refuse(&by_system([gift(4, 1, 2, 1)]), NOW), No::AmountTooLarge, "its debits are full");
    book.check().unwrap();
}

#[test]
fn time_never_goes_backwards_in_the_book() {
    let mut book = super::book(2);
    book.must(&by_system([gift(1, 0, 1, 1)]));
    let Ok(Outcome::Applied(applied)) = book.apply(&by_system([gift(2, 0, 1, 1)]), NOW - Span::days(3)) else {
        panic!()
    };
    assert_eq!(applied.rows[0].at, NOW, "(L)");
}

#[test]
fn a_shell_learns_what_to_load() {
    let group = by_system([hold(1, 0, 10), post(2, 1, 1, 4), post(3, 8, 2, 5), void(4, 9, None)]);
    let needs = group.needs();
    let expected = Needs {
        ids: [1, 2, 3, 4].map(id).into(),
        holds: [8, 9].map(id).into(),
        accounts: [member(0), member(1), member(2), ESCROW].into(),
    };
    assert_eq!(needs, expected);
}

#[test]
fn every_no_has_its_row_in_the_registry() {
    let (account, hold) = (member(1), id(1));
    let amount = Ucredit(7);
    let all = [
        (No::IdReused { id: hold, field: "amount" }, errors::TRANSFER_CONFLICT),
        (No::IdFromFuture { id: hold, made: NOW }, errors::ID_TIME),
        (No::IdTooOld { id: hold, made: NOW }, errors::ID_TIME),
        (
            No::InsufficientCredit { account, available: Credits(3), needed: amount, held: amount },
            errors::CREDITS_SHORT,
        ),
        (No::AccountFrozen(account), errors::MEMBER_FROZEN),
        (No::AccountClosed(account), errors::MEMBER_FROZEN),
        (No::UnknownAccount(account), errors::ACCOUNT_UNKNOWN),
        (No::SameAccount(account), errors::BAD_VALUE),
        (No::ZeroAmount, errors::BAD_VALUE),
        (No::AmountTooLarge, errors::BAD_VALUE),
        (No::GroupSize(0), errors::BAD_VALUE),
        (No::BadExpiry(NOW), errors::BAD_VALUE),
        (No::HoldClosed(hold), errors::HOLD_OVER),
        (No::HoldExceeded { hold, remaining: amount }, errors::HOLD_OVER),
        (No::HoldExpired(hold), errors::HOLD_OVER),
        (No::HoldNotDue(hold), errors::HOLD_OVER),
        (No::NoPrice { version: 9, resource: model::Resource::Relay }, errors::BAD_VALUE),
        (No::CodeNotAllowed { code: Code::Work, kind: TransferKind::Move, why: "a member" }, errors::NOT_ALLOWED),
    ];
    for (no, row) in all {
        assert_eq!(no.refusal().id, row, "{no}");
    }
    let short = No::InsufficientCredit { account, available: Credits(3), needed: amount, held: amount };
    assert_eq!(short.to_string(), "E0601 credits_short have=0.000003 held=0.000007 need=0.000007");
}

#[test]
fn the_clouds_own_ids_differ_in_everything_they_are_for() {
    use super::super::id::{Purpose, expire_id, system_id};
    use model::Resource;
    let ids = [
        system_id(Purpose::Settle, 1, member(1), Some(Resource::Egress), 0),
        system_id(Purpose::Stipend, 1, member(1), Some(Resource::Egress), 0),
        system_id(Purpose::Settle, 2, member(1), Some(Resource::Egress), 0),
        system_id(Purpose::Settle, 1, member(2), Some(Resource::Egress), 0),
        system_id(Purpose::Settle, 1, member(1), Some(Resource::Relay), 0),
        system_id(Purpose::Settle, 1, member(1), None, 0),
        system_id(Purpose::Settle, 1, member(1), Some(Resource::Egress), 1),
        expire_id(id(1)),
        expire_id(id(2)),
    ];
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
    assert_eq!(ids[0], system_id(Purpose::Settle, 1, member(1), Some(Resource::Egress), 0));
    assert_eq!(ids[0].to_string(), "x4zq43nub4ba4wviflthrejs45a", "ids of rows that stand");
    assert!(ids.iter().all(|id| id.made_at().is_none()), "no member's id");
}
