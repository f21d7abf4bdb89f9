//! Accounts: who has one, how far it may owe, what it may start.

use super::rows::{LIMIT, NOW, by_member, gift, hold, id, member};
use super::{start, start_with_clock};
use crate::on_both;
use crate::place::Place;
use crate::rows::member_id;
use center::ledger::{PostError, seat};
use model::{AccountClass, AccountNo, MemberState, Span, Ucredit, errors};
use rules::ledger::No;
use std::sync::atomic::Ordering;

on_both!(
    an_account_is_opened_once_for_its_owner,
    limits_and_states_change_and_say_why,
    holds_end_by_time_unless_somebody_argues,
);

async fn an_account_is_opened_once_for_its_owner(place: &mut Place) {
    let ledger = start(place).await;
    let owner = member_id(777);
    let open = |limit| {
        let ledger = ledger.clone();
        async move { ledger.open(AccountClass::Member, &owner.0, MemberState::Newcomer, Ucredit(limit)).await.unwrap() }
    };
    let opening: Vec<_> = (0..8).map(|n| tokio::spawn(open(n))).collect();
    let mut seen = Vec::new();
    for one in opening {
        seen.push(one.await.unwrap());
    }
    assert!(seen.iter().all(|opened| *opened == seen[0]), "{seen:?}");
    assert_eq!((seen[0].account.no, seen[0].owner.as_slice(), seen[0].opened_at), (member(51), &owner.0[..], NOW));
    assert_eq!(ledger.account_of(AccountClass::Member, &owner.0).await.unwrap().as_ref(), Some(&seen[0]));
    let circle = ledger.open(AccountClass::Circle, &owner.0, MemberState::Active, Ucredit::ZERO).await.unwrap();
    assert_eq!(circle.account.no, AccountNo::new(AccountClass::Circle, 1), "a class of its own");
    for (no, word) in seat::all() {
        let seat = ledger.account_of(no.class().unwrap(), word.as_bytes()).await.unwrap().unwrap();
        assert_eq!((seat.account.no, seat.account.limit), (no, Ucredit::ZERO));
    }
    for owner in [&[][..], &[1; 33][..]] {
        let refused = ledger.open(AccountClass::Member, owner, MemberState::Active, Ucredit::ZERO).await.unwrap_err();
        assert_eq!(refused.id(), errors::BAD_VALUE);
    }
    assert_eq!(ledger.account(member(999)).await.unwrap(), None);
}

async fn limits_and_states_change_and_say_why(place: &mut Place) {
    let (ledger, clock) = start_with_clock(place).await;
    let short = |answer: Result<_, PostError>| match answer {
        Err(PostError::Refused(refused)) => refused.no,
        other => panic!("{other:?}"),
    };
    assert!(ledger.set_limit(member(1), Ucredit(70), "invited by a friend").await.unwrap());
    assert!(!ledger.set_limit(member(1), Ucredit(70), "again").await.unwrap());
    assert!(!ledger.set_limit(member(999), Ucredit(70), "nobody").await.unwrap());
    clock.store(NOW.0 + 5, Ordering::Relaxed);
    assert!(ledger.set_limit(member(1), Ucredit(80), "lent for a day").await.unwrap());
    let changes = ledger.limit_changes(member(1), 9).await.unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!((changes[0].number, changes[0].old, changes[0].new), (2, Ucredit(70), Ucredit(80)));
    assert_eq!((changes[0].reason.as_str(), changes[0].at), ("lent for a day", NOW + Span::ms(5)));
    assert_eq!((changes[1].old, changes[1].reason.as_str()), (LIMIT, "invited by a friend"));
    let no = short(ledger.post(by_member(1, [gift(1, 1, 2, 81)]).into()).await);
    assert!(matches!(no, No::InsufficientCredit { available, .. } if available.0 == 80), "{no:?}");
    ledger.post(by_member(1, [gift(2, 1, 2, 80)]).into()).await.unwrap();
    assert!(ledger.freeze(member(2), true).await.unwrap());
    assert!(matches!(short(ledger.post(by_member(2, [gift(3, 2, 1, 1)]).into()).await), No::AccountFrozen(_)));
    assert!(ledger.freeze(member(2), false).await.unwrap());
    assert!(ledger.set_state(member(2), MemberState::Closed).await.unwrap());
    assert!(matches!(short(ledger.post(by_member(2, [gift(4, 2, 1, 1)]).into()).await), No::AccountClosed(_)));
    assert!(!ledger.set_state(member(999), MemberState::Active).await.unwrap());
    for (limit, why) in [(Ucredit(u64::MAX), ""), (Ucredit(1), &*"x".repeat(257))] {
        let refused = ledger.set_limit(member(1), limit, why).await.unwrap_err();
        assert_eq!(refused.id(), errors::BAD_VALUE);
    }
    ledger.check().await.unwrap();
}

async fn holds_end_by_time_unless_somebody_argues(place: &mut Place) {
    let (ledger, clock) = start_with_clock(place).await;
    // More than one portion.
    for part in 0..2 {
        let asks: Vec<_> = (0..150).map(|n| hold(part * 150 + n, 1, 10)).collect();
        ledger.post(by_member(1, asks).into()).await.unwrap();
    }
    assert_eq!(ledger.expire_holds().await.unwrap(), 0);
    assert!(ledger.contest(id(7), true).await.unwrap());
    assert!(!ledger.contest(id(9_999), true).await.unwrap());
    clock.store((NOW + Span::days(1)).0, Ordering::Relaxed);
    assert_eq!(ledger.expire_holds().await.unwrap(), 299);
    assert_eq!(ledger.expire_holds().await.unwrap(), 0);
    let left = ledger.holds(member(1), 999).await.unwrap();
    assert_eq!((left.len(), left[0].id, left[0].is_contested), (1, id(7), true));
    assert_eq!(ledger.account(member(1)).await.unwrap().unwrap().account.held_debit, Ucredit(10));
    ledger.contest(id(7), false).await.unwrap();
    assert_eq!(ledger.expire_holds().await.unwrap(), 1);
    let sound = ledger.check().await.unwrap();
    assert_eq!((sound.rows, sound.sums.held_debit), (600, 0));
    assert!(!ledger.contest(id(7), true).await.unwrap(), "nothing of it is left");
}
