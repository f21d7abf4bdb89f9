//! Accounts, their logs, slots and grants.

use crate::on_both;
use crate::place::Place;
use crate::rows::{self, device_id, member_id};
use center::access::store::account::{self, AccountRow};
use center::access::store::{self as access, DeviceRow};
use center::db::{DbError, StoreError};
use model::{AccountId, BucketId, Stamp, errors};
use wire::account::GrantNote;

on_both!(
    an_account_and_its_log_read_back_and_a_place_is_taken_once,
    a_new_wrap_takes_the_old_one_s_place,
    a_device_of_another_member_stays_theirs,
    grants_are_listed_and_a_revoked_id_stays_so,
);

const NOW: Stamp = Stamp(1_800_000_000_000);

async fn with_account(place: &Place) {
    let made = place.db.write(|tx| {
        access::insert_member(tx, &rows::member(1))?;
        access::insert_member(tx, &rows::member(2))?;
        let row = AccountRow { id: AccountId([7; 16]), member: member_id(1), keybag: vec![1; 300] };
        Ok(account::insert(tx, &row, NOW)?)
    });
    made.await.unwrap();
}

async fn an_account_and_its_log_read_back_and_a_place_is_taken_once(place: &mut Place) {
    with_account(place).await;
    let push = |seq: u64, byte: u8| {
        let db = place.db.clone();
        async move { db.write(move |tx| Ok(account::push_entry(tx, &AccountId([7; 16]), seq, &[byte; 90])?)).await }
    };
    push(0, 1).await.unwrap();
    push(1, 2).await.unwrap();
    assert!(matches!(push(1, 3).await, Err(StoreError::Db(DbError::Duplicate { .. }))), "two at once: one is told");
    let again = place.db.write(|tx| {
        let row = AccountRow { id: AccountId([8; 16]), member: member_id(1), keybag: vec![] };
        Ok(account::insert(tx, &row, NOW)?)
    });
    assert!(matches!(again.await, Err(StoreError::Db(DbError::Duplicate { .. }))), "one account of a member");
    place.reopen().await;
    let read = place.db.read(|q| {
        let row = account::of_member(q, &member_id(1))?;
        Ok((row, account::find(q, &AccountId([9; 16]))?, account::entries(q, &AccountId([7; 16]))?))
    });
    let (row, none, entries) = read.await.unwrap();
    assert_eq!((row.unwrap().keybag, none), (vec![1; 300], None));
    assert_eq!(entries, [vec![1; 90], vec![2; 90]]);
}

async fn a_new_wrap_takes_the_old_one_s_place(place: &mut Place) {
    with_account(place).await;
    for byte in [1u8, 2] {
        let put =
            place.db.write(move |tx| Ok(account::put_slot(tx, &AccountId([7; 16]), &[byte; 16], &[byte; 80], NOW)?));
        put.await.unwrap();
    }
    let read = place.db.read(|q| {
        let at = account::slot_at(q, &AccountId([7; 16]))?;
        Ok((account::slot(q, &[1; 16])?, account::slot(q, &[2; 16])?, at))
    });
    assert_eq!(read.await.unwrap(), (None, Some((AccountId([7; 16]), vec![2; 80])), Some(NOW)));
}

async fn a_device_of_another_member_stays_theirs(place: &mut Place) {
    with_account(place).await;
    let device = |member: u64, name: &str| DeviceRow {
        id: device_id(5),
        member: member_id(member),
        name: name.to_owned(),
        added_at: NOW,
        removed_at: None,
    };
    let (mine, renamed, theirs) = (device(1, "one"), device(1, "two"), device(2, "three"));
    place.db.write(move |tx| account::set_device(tx, &mine, 31)).await.unwrap();
    place.db.write(move |tx| account::set_device(tx, &renamed, 1)).await.unwrap();
    let refused = place.db.write(move |tx| account::set_device(tx, &theirs, 31)).await;
    assert!(matches!(refused, Err(StoreError::Refused { id, .. }) if id == errors::OWNER_BLOCKED));
    let read = place.db.read(|q| Ok((account::rights(q, &device_id(5))?, access::device(q, &device_id(5))?)));
    let (rights, row) = read.await.unwrap();
    assert_eq!((rights, row.unwrap().name), (Some((member_id(1), 1)), "two".to_owned()));
    let end = |member: u64| {
        let db = place.db.clone();
        async move {
            db.write(move |tx| Ok(account::end_device(tx, &member_id(member), &device_id(5), NOW)?)).await.unwrap()
        }
    };
    assert_eq!((end(2).await, end(1).await, end(1).await), (false, true, false), "its own member's word, once");
    assert_eq!(place.db.read(|q| Ok(account::rights(q, &device_id(5))?)).await.unwrap(), None);
}

async fn grants_are_listed_and_a_revoked_id_stays_so(place: &mut Place) {
    with_account(place).await;
    let note = |byte: u8, until: Option<Stamp>| GrantNote {
        id: [byte; 16],
        bucket: BucketId([4; 16]),
        note: vec![byte; 60],
        not_after: until,
    };
    for (byte, until) in [(1, None), (2, Some(Stamp(NOW.0 + 10))), (2, None)] {
        let one = note(byte, until);
        place.db.write(move |tx| account::note_grant(tx, &member_id(1), &one, NOW)).await.unwrap();
    }
    let revoke = |member: u64| {
        let db = place.db.clone();
        async move { db.write(move |tx| Ok(account::revoke_grant(tx, &member_id(member), &[1; 16], NOW)?)).await.unwrap() }
    };
    assert_eq!((revoke(2).await, revoke(1).await, revoke(1).await), (false, true, false), "its giver, once");
    // The next note forgets what is over, and keeps what was revoked.
    let late = note(3, None);
    place.db.write(move |tx| account::note_grant(tx, &member_id(1), &late, Stamp(NOW.0 + 20))).await.unwrap();
    let read = place.db.read(|q| Ok((account::grants(q, &member_id(1))?, account::revoked(q, &[1; 16])?)));
    let (lines, revoked) = read.await.unwrap();
    let ids: Vec<u8> = lines.iter().map(|line| line.note.id[0]).collect();
    assert_eq!((ids, revoked), (vec![3, 1], Some(NOW)));
    assert_eq!(lines[1].revoked, Some(NOW));
}
