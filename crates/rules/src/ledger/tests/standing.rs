//! Limits, member states, and what goes through the commons.

use super::super::id::Purpose;
use super::super::limit::{
    self, Facts, L0_OPENING, LIMIT_MAX, May, Raise, Shown, Vouched, Want, Why, allowance, l0, limit, may, may_spend,
    mean, next,
};
use super::super::sweep::{
    bad_debt, buffer_room, commons_out, daily, demurrage, dormant, insurance_bps, operator_rest, pay_back, quality_bps,
    reserve_rest, standby_bps, write_off,
};
use super::*;
use model::{AccountClass as Class, Credits, errors};
use proptest::prelude::*;

#[test]
fn nobody_begins_with_nothing_and_nobody_owes_without_end() {
    let shown = |hours, days| Shown { served: Span::hours(hours), audited: Span::days(days), is_private: false };
    assert_eq!(
        [(0, 0), (24, 0), (200, 6), (200, 7)].map(|(h, d)| l0(shown(h, d)).0 / 1_000_000),
        [5, 15, 15, 30],
        "(B)"
    );
    assert_eq!(l0(Shown { is_private: true, ..shown(0, 0) }), Ucredit::whole(60));
    let none = Vouched::default();
    assert_eq!(limit(L0_OPENING, Ucredit::ZERO, 10_000, none), L0_OPENING);
    assert_eq!(limit(L0_OPENING, Ucredit::whole(3), 10_000, none), Ucredit::whole(180), "(A) 60 days of 3");
    assert_eq!(limit(L0_OPENING, Ucredit::whole(3), 5_000, none), Ucredit::whole(90));
    assert_eq!(limit(L0_OPENING, Ucredit::MAX, 10_000, none), LIMIT_MAX);
    let vouched = Vouched { lent: Ucredit::whole(30), borrowed: Ucredit::whole(4) };
    assert_eq!(limit(L0_OPENING, Ucredit::whole(3), 10_000, vouched), Ucredit::whole(154), "(C)");
    assert_eq!(
        limit(L0_OPENING, Ucredit::MAX, 10_000, vouched),
        Ucredit::whole(1_974),
        "(C) of what it may owe itself"
    );
    assert_eq!(limit::can_vouch(Ucredit::whole(100), Ucredit::whole(15)), Ucredit::whole(5), "(C)");
    assert_eq!(limit::can_vouch(Ucredit::whole(100), Ucredit::whole(25)), Ucredit::ZERO);
}

#[test]
fn a_mean_halves_in_thirty_days() {
    let full = (0..400).fold(Ucredit::ZERO, |before, _| mean(before, Ucredit::whole(10)));
    assert!((9_990_000..=10_000_000).contains(&full.0), "{full}");
    let half = (0..30).fold(Ucredit::whole(10), |before, _| mean(before, Ucredit::ZERO));
    assert!((4_900_000..5_100_000).contains(&half.0), "{half}");
    assert_eq!(mean(Ucredit::MAX, Ucredit::MAX), Ucredit::MAX);
    let days = (0..9).fold(Ucredit::whole(4), |before, _| mean(before, Ucredit(2_000_000)));
    assert_eq!(limit::mean_over(Ucredit::whole(4), Ucredit(18_000_000), 9), days, "days nobody looked at");
    assert_eq!(limit::mean_over(Ucredit::whole(4), Ucredit(7), 0), Ucredit::whole(4));
    assert_eq!(limit::mean_over(Ucredit(9), Ucredit(0), u64::MAX), limit::mean_over(Ucredit(9), Ucredit(0), 366));
}

fn facts(state: MemberState) -> Facts {
    Facts {
        state,
        since: NOW,
        available: Credits(20_000_000),
        balance: Credits(0),
        limit: Ucredit::whole(30),
        daily_use: Ucredit::whole(1),
        has_served: true,
        has_data: true,
        has_holds: false,
        notices: 0,
        heard: NOW,
        written_off: Ucredit::ZERO,
        is_soft: false,
    }
}

#[test]
fn who_is_stopped_starts_nothing_more_among_strangers() {
    let mut account = Account { credits: Ucredit(9), ..Account::open(member(1), MemberState::Active, Ucredit(1)) };
    assert_eq!(may_spend(&account, false), Ok(May::Plainly));
    account.is_frozen = true;
    assert_eq!(may_spend(&account, false).unwrap_err().id, errors::MEMBER_FROZEN);
    assert_eq!(may_spend(&account, true), Ok(May::Plainly), "a circle only orders");
    account = Account { is_frozen: false, debits: Ucredit(10), ..account };
    assert_eq!(may_spend(&account, false).unwrap_err().id, errors::AT_LIMIT, "as it stands now");
    assert_eq!(may_spend(&account, true), Ok(May::Last));
}

#[test]
fn a_member_goes_through_its_states_as_the_table_says() {
    use MemberState as S;
    let after = |days, facts: Facts| next(&facts, NOW + Span::days(days));
    let broke = |state| Facts { available: Credits(0), ..facts(state) };
    let newcomer = Facts { has_served: false, ..facts(S::Newcomer) };
    assert_eq!((after(29, newcomer), after(30, newcomer)), (S::Newcomer, S::Active));
    assert_eq!(after(0, facts(S::Newcomer)), S::Active);
    assert_eq!(after(0, Facts { available: Credits(6_999_999), ..facts(S::Active) }), S::Low);
    assert_eq!(after(0, Facts { available: Credits(7_000_000), ..facts(S::Low) }), S::Active);
    for state in [S::Newcomer, S::Active, S::Low] {
        assert_eq!(after(0, broke(state)), S::AtLimit);
    }
    let little = Facts { available: Credits(1_500_000), ..facts(S::AtLimit) };
    assert_eq!(after(0, little), S::AtLimit, "5 % of the limit");
    assert_eq!(after(0, Facts { available: Credits(1_500_001), ..little }), S::Low);
    assert_eq!((after(29, broke(S::AtLimit)), after(30, broke(S::AtLimit))), (S::AtLimit, S::Grace));
    assert_eq!(after(99, Facts { has_data: false, ..broke(S::AtLimit) }), S::AtLimit);
    let warned = Facts { notices: 3, ..broke(S::Grace) };
    assert_eq!((after(29, warned), after(30, warned)), (S::Grace, S::Released), "(E)");
    assert_eq!(after(300, Facts { notices: 2, ..warned }), S::Grace, "(E) never without three notices");
    assert_eq!(after(30, Facts { available: Credits(1), ..warned }), S::Low, "(E)");
    assert_eq!((after(89, broke(S::Released)), after(90, broke(S::Released))), (S::Released, S::WrittenOff));
    assert_eq!(after(99, Facts { heard: NOW + Span::days(50), ..broke(S::Released) }), S::Released);
    assert_eq!(after(0, Facts { balance: Credits(-1), ..facts(S::WrittenOff) }), S::WrittenOff);
    assert_eq!(after(0, facts(S::WrittenOff)), S::Active);
    assert_eq!(after(0, Facts { written_off: Ucredit(1), ..facts(S::WrittenOff) }), S::WrittenOff, "(H)");
    assert_eq!(after(0, Facts { balance: Credits(0), ..broke(S::WrittenOff) }), S::Active, "(H) with nothing left");
    let leaving = Facts { has_data: false, ..facts(S::Leaving) };
    assert_eq!(after(0, leaving), S::Closed);
    let debtor = Facts { balance: Credits(-1), ..leaving };
    assert_eq!(
        (after(89, debtor), after(90, debtor)),
        (S::Leaving, S::WrittenOff),
        "(G) nobody is stuck on the way out"
    );
    assert_eq!(after(99, Facts { heard: NOW + Span::days(50), ..debtor }), S::Leaving);
    for open in [
        Facts { balance: Credits(-1), heard: NOW + Span::days(99), ..leaving },
        Facts { balance: Credits(1), ..leaving },
        Facts { has_holds: true, ..leaving },
        Facts { has_data: true, ..leaving },
    ] {
        assert_eq!(after(99, open), S::Leaving);
    }
    assert_eq!(after(0, facts(S::Closed)), S::Closed);
}

#[test]
fn who_vanishes_within_its_limit_is_written_off_after_a_year_and_a_circle_lets_nobody_go() {
    use MemberState as S;
    let after = |days, facts: Facts| next(&facts, NOW + Span::days(days));
    for state in [S::Newcomer, S::Active, S::Low, S::AtLimit] {
        let gone = Facts { balance: Credits(-1), has_data: false, ..facts(state) };
        assert_eq!((after(364, gone) == S::WrittenOff, after(365, gone)), (false, S::WrittenOff), "(G)");
        for kept in [
            Facts { balance: Credits(0), ..gone },
            Facts { has_data: true, ..gone },
            Facts { has_holds: true, ..gone },
            Facts { heard: NOW + Span::days(1), ..gone },
        ] {
            assert_ne!(after(365, kept), S::WrittenOff, "(G) {kept:?}");
        }
    }
    let soft = Facts { is_soft: true, available: Credits(0), ..facts(S::AtLimit) };
    assert_eq!((after(365, soft), after(365, Facts { is_soft: false, ..soft })), (S::AtLimit, S::Grace), "(F)");
}

#[test]
fn notices_come_each_on_a_day_of_its_own_before_anything_is_let_go_of() {
    use MemberState as S;
    // Looked at once a day, also where the first look is late: state and notices as a chore keeps them.
    for first in [0, 16, 29, 45] {
        let (mut notices, mut days, mut let_go) = (0, Vec::new(), None);
        for day in first..90 {
            let now = NOW + Span::days(day);
            let facts = Facts { available: Credits(0), notices, ..facts(S::Grace) };
            if next(&facts, now) == S::Released {
                let_go = Some(day);
                break;
            }
            if limit::is_notice_due(S::Grace, NOW, notices, now) {
                notices += 1;
                days.push(day);
            }
        }
        let expected = match first {
            0 | 16 => (vec![16, 23, 29], Some(30)),
            29 => (vec![29, 30, 31], Some(32)),
            _ => (vec![45, 46, 47], Some(48)),
        };
        assert_eq!((days, let_go), expected, "(E)");
    }
    assert!(!limit::is_notice_due(S::AtLimit, NOW, 0, NOW + Span::days(99)));
}

#[test]
fn what_can_be_spent_now_leads_in_and_out_at_once() {
    use MemberState as S;
    let live = |kept, available| limit::live(kept, Credits(available), Ucredit::whole(30));
    for state in [S::Newcomer, S::Active, S::Low] {
        assert_eq!((live(state, 0), live(state, 1)), (S::AtLimit, state));
    }
    assert_eq!((live(S::AtLimit, 1_500_000), live(S::AtLimit, 1_500_001)), (S::AtLimit, S::Active), "5 % of the limit");
    for state in [S::Grace, S::Released] {
        assert_eq!((live(state, 0), live(state, 1)), (state, S::Active));
    }
    for state in [S::WrittenOff, S::Leaving, S::Closed] {
        assert_eq!((live(state, 0), live(state, 99)), (state, state));
    }
}

#[test]
fn at_the_limit_reads_go_on_and_a_circle_only_orders() {
    use MemberState as S;
    let read = |rescued_90d| Want::Read { bytes: 10, rescued_90d, stored: 100 };
    for state in [S::AtLimit, S::Grace, S::Released] {
        assert_eq!(may(state, Want::Spend, false).unwrap_err().id, errors::AT_LIMIT);
        assert_eq!(may(state, read(90), false), Ok(May::AsRescue), "(D)");
        assert_eq!(may(state, read(91), false).unwrap_err().id, errors::AT_LIMIT, "(D)");
    }
    assert_eq!(may(S::AtLimit, Want::Spend, true), Ok(May::Last), "(F)");
    assert!(may(S::Grace, Want::Spend, true).is_err());
    for state in [S::Newcomer, S::Active, S::Low] {
        assert_eq!((may(state, Want::Spend, false), may(state, read(99), false)), (Ok(May::Plainly), Ok(May::Plainly)));
    }
    assert!(may(S::Leaving, Want::Spend, false).is_err() && may(S::Leaving, read(99), false).is_ok());
    assert!(may(S::WrittenOff, read(0), true).is_err() && may(S::Closed, read(0), true).is_err());
    assert_eq!((allowance(Ucredit::ZERO).0, allowance(Ucredit::whole(4)).0), (500_000, 5_000_000));
}

fn purse(class: Class, balance: u64) -> Account {
    Account { credits: Ucredit(balance), ..Account::open(seat(class), MemberState::Active, Ucredit::ZERO) }
}

#[test]
fn an_operator_keeps_thirty_days_and_the_commons_are_given_out() {
    let operator = purse(Class::Operator, 100);
    assert_eq!(
        (operator_rest(&operator, Ucredit(3)), operator_rest(&operator, Ucredit(4))),
        (Ucredit(10), Ucredit::ZERO)
    );
    let out = commons_out(&purse(Class::Commons, 1_000), 7, &[1, 0, 3], standby_bps(9, 9));
    assert_eq!((out.stipend.0, out.standby.iter().map(|part| part.0).collect::<Vec<_>>()), (85, vec![100, 0, 300]));
    assert_eq!(
        [(30, 30), (40, 30), (15, 30), (0, 30), (0, 0)].map(|(free, want)| standby_bps(free, want)),
        [4_000, 4_000, 5_000, 6_000, 4_000]
    );
    let out = commons_out(&purse(Class::Commons, 1_000), 4, &[1], 6_000);
    assert_eq!((out.stipend.0, out.standby[0].0), (100, 600), "less is shared alike where little is free");
    let out = commons_out(&purse(Class::Commons, 1_000), 0, &[], 4_000);
    assert_eq!((out.stipend, out.standby), (Ucredit::ZERO, vec![]));
}

#[test]
fn what_the_reserve_does_not_need_goes_to_the_commons() {
    let reserve = |credits| Account {
        credits: Ucredit(credits),
        ..Account::open(seat(Class::Repair), MemberState::Active, Ucredit::ZERO)
    };
    assert_eq!(
        (reserve_rest(&reserve(900), Ucredit(1_000)), reserve_rest(&reserve(1_500), Ucredit(1_000)).0),
        (Ucredit::ZERO, 500)
    );
    let mut book = book(1);
    let give = Act::Move { debit: member(0), credit: seat(Class::Repair), amount: Ucredit(1_500) };
    book.must(&by_system([Ask { id: id(1), act: give, code: Code::Storage, reference: None }]));
    let way = (seat(Class::Repair), seat(Class::Commons), Ucredit(500));
    for _ in 0..2 {
        daily(Purpose::Sweep, Code::Sweep, 7, &[way]).iter().for_each(|group| drop(book.apply(group, NOW).unwrap()));
    }
    assert_eq!((book.balance(seat(Class::Repair)), book.balance(seat(Class::Commons))), (1_000, 500));
    let back = Act::Move { debit: seat(Class::Commons), credit: seat(Class::Repair), amount: Ucredit(1) };
    let refused = book.apply(&by_system([Ask { id: id(2), act: back, code: Code::Sweep, reference: None }]), NOW);
    assert!(matches!(refused.unwrap_err().no, No::CodeNotAllowed { .. }), "only one way");
}

#[test]
fn a_days_sweep_may_be_repeated() {
    let mut book = book(300);
    let give = Act::Move { debit: member(0), credit: seat(Class::Operator), amount: Ucredit(9_000) };
    book.must(&by_system([Ask { id: id(1), act: give, code: Code::ToOperator, reference: None }]));
    let rest =
        operator_rest(&book.accounts().find(|one| one.no == seat(Class::Operator)).copied().unwrap(), Ucredit(100));
    let sweep = daily(Purpose::Sweep, Code::Sweep, 7, &[(seat(Class::Operator), seat(Class::Commons), rest)]);
    let alike: Vec<_> = (0..300).map(|n| (seat(Class::Commons), member(n), Ucredit(20))).collect();
    let stipend = daily(Purpose::Stipend, Code::Stipend, 7, &alike);
    let standby = daily(Purpose::Standby, Code::Standby, 7, &[(seat(Class::Commons), member(3), Ucredit::ZERO)]);
    assert_eq!((sweep.len(), stipend.len(), standby.len()), (1, 2, 0));
    for _ in 0..3 {
        for group in sweep.iter().chain(&stipend[..1]) {
            book.apply(group, NOW).unwrap();
        }
    }
    assert_eq!(
        (book.balance(seat(Class::Operator)), book.balance(seat(Class::Commons))),
        (3_000, 6_000 - 256 * 20),
        "(C)"
    );
    book.check().unwrap();
}

#[test]
fn what_lies_idle_goes_slowly_and_what_is_forgotten_whole() {
    let rich = Account { credits: Ucredit::whole(160), ..Account::open(member(1), MemberState::Active, Ucredit::ZERO) };
    let month = (0..30).fold((0, 0), |(sum, carry), _| {
        let day = demurrage(&rich, Ucredit::whole(1), carry).unwrap();
        (sum + day.amount.0, day.carry)
    });
    assert_eq!(month, (2_000_000, 0), "2 % of 100 credits");
    assert_eq!(demurrage(&rich, Ucredit::whole(54), 0).unwrap().amount, Ucredit::ZERO, "three months' use");
    let poor = Account { debits: Ucredit::whole(300), ..rich };
    assert_eq!(demurrage(&poor, Ucredit::ZERO, 0).unwrap().amount, Ucredit::ZERO);
    let held = Account { held_debit: Ucredit::whole(160), ..rich };
    assert_eq!(demurrage(&held, Ucredit::ZERO, 0).unwrap().amount, Ucredit::ZERO, "(D)");
    let year = NOW + Span::days(365);
    assert_eq!(dormant(&rich, NOW, 3, year), Ucredit::whole(160));
    assert_eq!(
        (dormant(&rich, NOW, 2, year), dormant(&rich, NOW + Span::ms(1), 3, year)),
        (Ucredit::ZERO, Ucredit::ZERO)
    );
}

#[test]
fn shares_of_loss_quality_and_buffers_are_bounded() {
    assert_eq!([0, 20, 26, 33, 90].map(|bad| insurance_bps(Ucredit(bad), Ucredit(1_000))), [200, 240, 310, 400, 600]);
    assert_eq!(insurance_bps(Ucredit(1), Ucredit::ZERO), 200);
    let insurance = Account { limit: Ucredit(50), ..purse(Class::Insurance, 20) };
    assert_eq!(bad_debt(&insurance, Ucredit(100)), (Ucredit(70), Ucredit(30)));
    assert_eq!(quality_bps(10_000, 10_000, 10_000), 10_000);
    assert_eq!((quality_bps(9_000, 9_500, 10_000), quality_bps(100, 100, 100)), (8_550, 5_000));
    assert_eq!((buffer_room(10, Ucredit(1_000_000)), buffer_room(1, Ucredit::MAX)), (Ucredit(440_000), Ucredit::ZERO));
}

#[test]
fn why_a_limit_is_what_it_is_reads_back_and_says_what_is_next() {
    let shown = |hours, days| Shown { served: Span::hours(hours), audited: Span::days(days), is_private: false };
    let none = Ucredit::ZERO;
    assert_eq!(limit::why::decide(shown(0, 0), none, 10_000), (Ucredit::whole(5), Why::Opening));
    assert_eq!(limit::why::decide(shown(24, 0), none, 10_000), (Ucredit::whole(15), Why::Served));
    assert_eq!(limit::why::decide(shown(170, 7), none, 10_000), (Ucredit::whole(30), Why::Proven));
    let earned = Why::Earned { mean: Ucredit(612_000), audits_bps: 9_800 };
    assert_eq!(limit::why::decide(shown(170, 7), Ucredit(612_000), 9_800), (Ucredit(35_985_600), earned));
    assert_eq!(earned.to_string(), "earned 612000 9800");
    let private = Shown { is_private: true, ..shown(0, 0) };
    assert_eq!(limit::why::decide(private, Ucredit::whole(9), 10_000), (Ucredit::whole(60), Why::Private));
    for why in [Why::Opening, Why::Private, Why::Served, Why::Proven, earned, Why::WrittenOff] {
        assert_eq!(why.to_string().parse(), Ok(why), "(A)");
    }
    for text in ["", "earned", "earned 1", "earned x 1", "opening 1", "gift"] {
        assert_eq!(text.parse::<Why>(), Err(()), "{text}");
    }
    assert_eq!(
        limit::raises(shown(6, 0), none, 10_000),
        [
            Raise::Serve { more: Span::hours(18), to: Ucredit::whole(15) },
            Raise::Prove { more: Span::days(7), to: Ucredit::whole(30) },
            Raise::Earn { more_than: Ucredit(83_334) },
        ]
    );
    assert_eq!(limit::raises(private, none, 10_000), []);
    assert_eq!(limit::raises(shown(0, 0), Ucredit::MAX, 10_000), []);
}

proptest! {
    #[test]
    fn a_debt_that_is_written_off_is_borne_to_the_last_part_and_paid_back_no_more_than_once(
        debt in 0u64..1 << 40, has in 0u64..1 << 40, lambda in 0u64..1 << 40, again in proptest::collection::vec(0u64..1 << 39, 0..6)
    ) {
        let mut book = Book::default();
        let (insurance, beyond) = (seat(Class::Insurance), seat(Class::WriteOff));
        let give = |n, debit, credit, amount| {
            let act = Act::Move { debit, credit, amount: Ucredit(amount) };
            by_system([Ask { id: id(n), act, code: Code::Correction, reference: None }])
        };
        book.open(Account::open(member(0), MemberState::Active, Ucredit(debt)));
        book.open(Account::open(member(1), MemberState::Active, Ucredit::ZERO));
        if debt > 0 {
            book.must(&give(1, member(0), member(1), debt));
        }
        book.open(Account::open(member(2), MemberState::Active, Ucredit::whole(1 << 22)));
        book.open(Account::open(insurance, MemberState::Active, Ucredit(lambda)));
        book.open(Account::open(beyond, MemberState::Active, Ucredit::ZERO));
        if has > 0 {
            book.must(&give(2, member(2), insurance, has));
        }
        let at = |book: &Book, no| *book.accounts().find(|one| one.no == no).unwrap();
        let group = write_off(&at(&book, member(0)), &at(&book, insurance), beyond, 7);
        prop_assert_eq!(group.is_some(), debt > 0);
        for _ in 0..2 {
            if let Some((group, written)) = &group {
                prop_assert_eq!(written.0, debt);
                book.apply(group, NOW).unwrap();
            }
        }
        prop_assert_eq!(book.balance(member(0)), 0, "all of it, and once");
        let borne = debt.min(has + lambda);
        prop_assert_eq!(book.balance(insurance), i64::try_from(has).unwrap() - i64::try_from(borne).unwrap(), "no further than it may owe");
        prop_assert_eq!(book.balance(beyond), -i64::try_from(debt - borne).unwrap());
        let mut owes = Ucredit(debt);
        for (day, amount) in (10u32..).zip(&again) {
            if *amount > 0 {
                book.must(&give(u64::from(day), member(2), member(0), *amount));
            }
            if let Some((group, paid)) = pay_back(&at(&book, member(0)), owes, insurance, day) {
                book.apply(&group, NOW).unwrap();
                book.apply(&group, NOW).unwrap();
                owes = owes.less(paid);
            }
        }
        let given: u64 = again.iter().sum();
        prop_assert_eq!(owes.0, debt.saturating_sub(given));
        prop_assert_eq!(book.balance(member(0)), i64::try_from(given.saturating_sub(debt)).unwrap());
    }

    #[test]
    fn what_is_said_to_raise_a_limit_raises_it(
        served in 0u64..400, audited in 0u64..400, mean in 0u64..40_000_000, audits_bps in 200u64..=10_000
    ) {
        let shown = Shown { served: Span::hours(served), audited: Span::hours(audited.min(served)), is_private: false };
        let of = |shown, mean| limit::why::decide(shown, Ucredit(mean), audits_bps).0;
        let now = of(shown, mean);
        for raise in limit::raises(shown, Ucredit(mean), audits_bps) {
            let plus = |span: Span, more: Span| Span::ms(span.as_ms() + more.as_ms());
            let (then, to) = match raise {
                Raise::Serve { more, to } => (of(Shown { served: plus(shown.served, more), ..shown }, mean), Some(to)),
                Raise::Prove { more, to } => {
                    let (served, audited) = (plus(shown.served, more), plus(shown.audited, more));
                    (of(Shown { served, audited, ..shown }, mean), Some(to))
                }
                Raise::Earn { more_than } => (of(shown, more_than.0 + 1), None),
            };
            prop_assert!(then > now && to.is_none_or(|to| to == then), "(B) {raise:?}: {now} {then}");
        }
        prop_assert!((L0_OPENING..=LIMIT_MAX).contains(&now), "(A), (B)");
    }

    #[test]
    fn the_commons_never_give_more_than_they_have(
        has in 0u64..1 << 50, owners in 0u64..100, weights in proptest::collection::vec(0u64..1 << 40, 0..40), free in 0u64..99, want in 0u64..99
    ) {
        let out = commons_out(&purse(Class::Commons, has), owners, &weights, standby_bps(free, want));
        let sum = out.stipend.0 * owners + out.standby.iter().map(|part| part.0).sum::<u64>();
        prop_assert!(sum <= has, "(A), (D)");
    }
}
