//! Members, devices, tickets.

use crate::on_both;
use crate::place::Place;
use crate::rows::{self, device_id, member_id, ticket_id};
use center::access::store::{self as access, MemberRow, MemberState, TicketTaken};
use center::db::{Db, DbError, StoreError, meta};
use model::errors::{self, ErrorId};
use model::{Roles, Stamp};
use std::sync::Arc;

on_both!(
    meta_values_are_put_replaced_and_removed,
    members_read_back_and_change,
    devices_read_back_and_are_removed_for_good,
    tickets_read_back_and_list_by_maker,
    a_second_row_with_the_same_key_is_told,
    a_row_without_its_member_is_refused,
    names_over_their_limit_are_refused_and_longest_ones_kept,
    a_ticket_for_one_is_used_by_one_of_fifty,
    a_ticket_for_seven_is_used_by_seven_of_fifty,
    a_machine_that_asks_twice_takes_one_use,
    a_ticket_says_why_it_is_not_taken,
);

/// Runs one write of store functions.
async fn put(db: &Db, f: impl Fn(&mut center::db::Tx<'_>) -> Result<(), StoreError> + Send + 'static) {
    db.write(f).await.unwrap();
}

async fn with_member(place: &Place) {
    put(&place.db, |tx| access::insert_member(tx, &rows::member(1))).await;
}

async fn meta_values_are_put_replaced_and_removed(place: &mut Place) {
    let read = |place: &Place| {
        let db = place.db.clone();
        async move { db.read(|q| Ok(meta::get(q, meta::CLOUD_NAME)?)).await.unwrap() }
    };
    assert_eq!(read(place).await, None);
    put(&place.db, |tx| Ok(meta::put(tx, meta::CLOUD_NAME, "우리".as_bytes())?)).await;
    assert!(!place.db.write(|tx| Ok(meta::put_new(tx, meta::CLOUD_NAME, b"other")?)).await.unwrap());
    assert_eq!(read(place).await.unwrap(), "우리".as_bytes());
    place.reopen().await;
    put(&place.db, |tx| Ok(meta::put(tx, meta::CLOUD_NAME, b"")?)).await;
    assert_eq!(read(place).await.unwrap(), b"");
    put(&place.db, |tx| Ok(meta::remove(tx, meta::CLOUD_NAME)?)).await;
    assert_eq!(read(place).await, None);
    assert!(place.db.write(|tx| Ok(meta::put_new(tx, meta::CLOUD_NAME, b"new")?)).await.unwrap());
}

async fn members_read_back_and_change(place: &mut Place) {
    with_member(place).await;
    let second = MemberRow { invited_by: Some(member_id(1)), name: "동생 & 'q'\" \\".into(), ..rows::member(2) };
    let insert = second.clone();
    put(&place.db, move |tx| access::insert_member(tx, &insert)).await;
    let frozen = MemberRow {
        state: MemberState::Frozen,
        frozen_why: Some("two keys at once".into()),
        roles: Roles::OPERATOR,
        ..second.clone()
    };
    let change = frozen.clone();
    assert!(place.db.write(move |tx| access::update_member(tx, &change)).await.unwrap());
    assert!(!place.db.write(|tx| access::update_member(tx, &rows::member(9))).await.unwrap());
    place.reopen().await;
    let got = place.db.read(|q| Ok(access::member(q, &member_id(2))?)).await.unwrap();
    assert_eq!(got, Some(frozen.clone()));
    let mut both = [rows::member(1), frozen];
    both.sort_by_key(|m| m.id);
    let pages = place.db.read(|q| {
        let first = access::list_members(q, None, 1)?;
        let rest = access::list_members(q, Some(&first[0].id), 10)?;
        Ok((first, rest, access::count_members(q)?))
    });
    assert_eq!(pages.await.unwrap(), (vec![both[0].clone()], vec![both[1].clone()], 2));
}

async fn devices_read_back_and_are_removed_for_good(place: &mut Place) {
    with_member(place).await;
    put(&place.db, |tx| {
        access::insert_device(tx, &rows::device(2, 1))?;
        access::insert_device(tx, &rows::device(1, 1))
    })
    .await;
    let got = place.db.read(|q| Ok(access::devices_of(q, &member_id(1))?)).await.unwrap();
    assert_eq!(got, [rows::device(1, 1), rows::device(2, 1)]);
    let remove = |at| place.db.write(move |tx| Ok(access::remove_device(tx, &device_id(1), Stamp(at))?));
    assert!(remove(50).await.unwrap());
    assert!(!remove(60).await.unwrap());
    assert!(place.db.write(|tx| access::rename_device(tx, &device_id(1), "old phone")).await.unwrap());
    let gone = place.db.read(|q| Ok(access::device(q, &device_id(1))?)).await.unwrap().unwrap();
    assert_eq!((gone.removed_at, gone.name.as_str()), (Some(Stamp(50)), "old phone"));
}

async fn tickets_read_back_and_list_by_maker(place: &mut Place) {
    with_member(place).await;
    put(&place.db, |tx| {
        access::insert_member(tx, &rows::member(2))?;
        (1..=3).try_for_each(|n| access::insert_ticket(tx, &rows::ticket(n, 1 + n % 2, 4)))
    })
    .await;
    let got = place.db.read(|q| {
        let hash = rows::ticket(2, 1, 4).secret_hash;
        let all = access::list_tickets(q, None, None, 10)?;
        let mine = access::list_tickets(q, Some(&member_id(2)), None, 10)?;
        let after = access::list_tickets(q, None, Some(&all[0].id), 1)?;
        let none = access::find_ticket_by_secret_hash(q, &[0; 32])?;
        Ok((access::find_ticket_by_secret_hash(q, &hash)?, all, mine, after, none))
    });
    let (found, all, mine, after, none) = got.await.unwrap();
    assert_eq!(found, Some(rows::ticket(2, 1, 4)));
    assert_eq!((all.len(), mine.len(), none), (3, 2, None));
    assert_eq!(after, [all[1].clone()]);
    let revoke = |at| place.db.write(move |tx| Ok(access::revoke_ticket(tx, &ticket_id(1), Stamp(at))?));
    assert!(revoke(77).await.unwrap());
    assert!(!revoke(78).await.unwrap());
    let ended = place.db.read(|q| Ok(access::ticket(q, &ticket_id(1))?)).await.unwrap().unwrap();
    assert_eq!(ended.revoked_at, Some(Stamp(77)));
}

async fn a_second_row_with_the_same_key_is_told(place: &mut Place) {
    with_member(place).await;
    let again = place.db.write(|tx| access::insert_member(tx, &rows::member(1))).await;
    assert!(matches!(again, Err(StoreError::Db(DbError::Duplicate { .. }))), "{again:?}");
    assert_eq!(again.unwrap_err().id(), errors::ID_REUSED);
    put(&place.db, |tx| access::insert_ticket(tx, &rows::ticket(1, 1, 1))).await;
    let same_secret = center::access::store::TicketRow { id: ticket_id(2), ..rows::ticket(1, 1, 1) };
    let again = place.db.write(move |tx| access::insert_ticket(tx, &same_secret)).await;
    assert!(matches!(again, Err(StoreError::Db(DbError::Duplicate { .. }))), "{again:?}");
}

async fn a_row_without_its_member_is_refused(place: &mut Place) {
    for answer in [
        place.db.write(|tx| access::insert_device(tx, &rows::device(1, 404))).await,
        place.db.write(|tx| access::insert_ticket(tx, &rows::ticket(1, 404, 1))).await,
        place.db.write(|tx| center::fleet::store::insert_node(tx, &rows::node(1, 404)).map(drop)).await,
    ] {
        assert!(matches!(answer, Err(StoreError::Db(DbError::Statement { .. }))), "{answer:?}");
    }
}

async fn names_over_their_limit_are_refused_and_longest_ones_kept(place: &mut Place) {
    let named = |n, name: String| MemberRow { name, ..rows::member(n) };
    let long = named(1, "é".repeat(32) + "x");
    let refused = place.db.write(move |tx| access::insert_member(tx, &long)).await;
    assert_eq!(refused.unwrap_err().id(), errors::TOO_LARGE);
    let longest = named(1, "é".repeat(32));
    put(&place.db, move |tx| access::insert_member(tx, &longest)).await;
    let got = place.db.read(|q| Ok(access::member(q, &member_id(1))?)).await.unwrap().unwrap();
    assert_eq!(got.name, "é".repeat(32));
}

/// How many of fifty machines that ask at the same time are let in by a ticket for `uses`.
async fn let_in(place: &Place, uses: u16) -> usize {
    with_member(place).await;
    put(&place.db, move |tx| access::insert_ticket(tx, &rows::ticket(1, 1, uses))).await;
    let gate = Arc::new(tokio::sync::Barrier::new(50));
    let asks = (0..50_u64).map(|n| {
        let (db, gate) = (place.db.clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            gate.wait().await;
            db.write(move |tx| {
                access::take_ticket_use(tx, &ticket_id(1), &device_id(n), Stamp(5))?;
                access::insert_member(tx, &rows::member(100 + n))
            })
            .await
        })
    });
    let asks: Vec<_> = asks.collect();
    let mut won = 0;
    for ask in asks {
        match ask.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert_eq!(error.id(), errors::TICKET_USED, "{error}"),
        }
    }
    won
}

/// What is in the database agrees with what was answered.
async fn assert_used(place: &Place, won: usize) {
    let stored = place.db.read(|q| {
        let uses = access::ticket_uses(q, &ticket_id(1))?.len();
        let left = access::ticket(q, &ticket_id(1))?.map(|t| usize::from(t.uses_left));
        Ok((uses, left, access::count_members(q)?))
    });
    assert_eq!(stored.await.unwrap(), (won, Some(0), 1 + won as u64));
}

async fn a_ticket_for_one_is_used_by_one_of_fifty(place: &mut Place) {
    assert_eq!(let_in(place, 1).await, 1);
    assert_used(place, 1).await;
}

async fn a_ticket_for_seven_is_used_by_seven_of_fifty(place: &mut Place) {
    assert_eq!(let_in(place, 7).await, 7);
    assert_used(place, 7).await;
}

async fn take(place: &Place, ticket: u64, device: u64, now: u64) -> Result<TicketTaken, ErrorId> {
    let taken =
        place.db.write(move |tx| access::take_ticket_use(tx, &ticket_id(ticket), &device_id(device), Stamp(now)));
    taken.await.map_err(|error| error.id())
}

async fn a_machine_that_asks_twice_takes_one_use(place: &mut Place) {
    with_member(place).await;
    put(&place.db, |tx| access::insert_ticket(tx, &rows::ticket(1, 1, 2))).await;
    assert_eq!(take(place, 1, 1, 5).await, Ok(TicketTaken::Now));
    assert_eq!(take(place, 1, 1, 6).await, Ok(TicketTaken::Before(Stamp(5))));
    assert_eq!(take(place, 1, 2, 7).await, Ok(TicketTaken::Now));
    place.reopen().await;
    // Also after its end, and after its time.
    assert_eq!(take(place, 1, 1, 9_000_000).await, Ok(TicketTaken::Before(Stamp(5))));
    assert_eq!(take(place, 1, 3, 8).await, Err(errors::TICKET_USED));
    let uses = place.db.read(|q| Ok(access::ticket_uses(q, &ticket_id(1))?)).await.unwrap();
    assert_eq!(uses, [(device_id(1), Stamp(5)), (device_id(2), Stamp(7))]);
}

async fn a_ticket_says_why_it_is_not_taken(place: &mut Place) {
    with_member(place).await;
    put(&place.db, |tx| (1..=2).try_for_each(|n| access::insert_ticket(tx, &rows::ticket(n, 1, 1)))).await;
    put(&place.db, |tx| Ok(access::revoke_ticket(tx, &ticket_id(2), Stamp(3)).map(drop)?)).await;
    assert_eq!(take(place, 1, 1, 1_000_000).await, Err(errors::TICKET_EXPIRED));
    assert_eq!(take(place, 1, 1, u64::MAX).await, Err(errors::TICKET_EXPIRED));
    assert_eq!(take(place, 2, 1, 5).await, Err(errors::TICKET_EXPIRED));
    assert_eq!(take(place, 3, 1, 5).await, Err(errors::TICKET_DAMAGED));
}
