//! Buffers of holders: a part of what storage earns is held back until there is enough, drawn on where a node goes in silence, and given
//! back to who leaves in order.

use crate::on_both;
use crate::place::Place;
use crate::rows::{self, member_id};
use crate::settle::stored::with_segments;
use crate::settle::town::{NOW, PERIODS, Town, balances};
use crate::standing::{Desk, terms};
use crate::storage::write;
use center::access::store as access;
use center::fleet::store::{self as fleet, NewNode, Standing};
use center::ledger::seat::{self, Escrow};
use center::ledger::settle::round;
use center::ledger::store::commons as kept;
use center::ledger::store::standing;
use center::ledger::{Ledger, Posting};
use model::{AccountClass, AccountNo, Alias, Bytes, Code, Span, Stamp, TransferId, Ucredit};
use rules::ledger::{Act, Ask, Group, Starter, buffer};

on_both!(
    a_quarter_of_what_storage_earns_is_held_back_until_there_is_enough,
    who_leaves_without_handing_over_pays_as_who_goes_in_silence,
    who_goes_in_silence_pays_its_part_once_and_who_leaves_in_order_gets_the_rest,
);

/// Holds back so much of an account.
async fn hold(ledger: &Ledger, (n, debit, amount): (u8, AccountNo, u64)) {
    let expires = buffer::until(ledger.now());
    let act = Act::Hold { debit, escrow: Escrow::Buffer.account(), amount: Ucredit(amount), expires };
    let ask = Ask { id: TransferId::hashed(&[n; 32]), act, code: Code::Buffer, reference: None };
    ledger.post(Posting::from(Group { starter: Starter::System, asks: vec![ask] })).await.unwrap();
}

async fn held(ledger: &Ledger, no: AccountNo) -> u64 {
    ledger.account(no).await.unwrap().unwrap().account.held_debit.0
}

async fn a_quarter_of_what_storage_earns_is_held_back_until_there_is_enough(place: &mut Place) {
    let town = Town::start(place).await;
    with_segments(place, [Stamp(PERIODS.over(town.now())), NOW]).await;
    let with_buffers = round::Terms { has_buffers: true, ..town.terms() };
    town.over().await;
    round::settle(&town.ledger, *PERIODS, &with_buffers).await.unwrap();
    let (two, three) = (town.account(2), town.account(3));
    let found = balances(&town.ledger).await;
    let earned = u64::try_from(found[&two]).unwrap();
    assert!(earned > 100, "{found:?}");
    assert_eq!(held(&town.ledger, two).await, earned / 4);
    let at = |no| town.ledger.db().read(move |q| Ok(kept::held(q, no)?));
    let (period, held_mb) = at(two).await.unwrap().unwrap();
    assert_eq!((period, held_mb), (PERIODS.over(town.now()), 450), "half of 900 MB, all the time");
    // Where nearly enough is held back, no more than the rest is; with enough nothing.
    let target = buffer::target(450).0;
    hold(&town.ledger, (1, three, target - earned / 4 - 5)).await;
    for _ in 0..2 {
        town.over().await;
        round::settle(&town.ledger, *PERIODS, &with_buffers).await.unwrap();
        assert_eq!(held(&town.ledger, three).await, target);
    }
    assert!(held(&town.ledger, two).await.abs_diff(3 * (earned / 4)) <= 2, "parts of a µcredit are carried");
    // Twice, and in a circle, nothing is held back.
    let head = town.ledger.head().await.unwrap();
    round::settle(&town.ledger, *PERIODS, &with_buffers).await.unwrap();
    assert_eq!(town.ledger.head().await.unwrap(), head);
    let before = held(&town.ledger, two).await;
    town.over().await;
    town.settle().await;
    assert_eq!(held(&town.ledger, two).await, before);
    assert!(town.ledger.audit().await.unwrap().is_replayed);
}

async fn who_goes_in_silence_pays_its_part_once_and_who_leaves_in_order_gets_the_rest(place: &mut Place) {
    let desk = Desk::start(place).await;
    let (owner, payer) = (desk.member(1).await, desk.member(2).await);
    write(place, |tx| {
        access::insert_member(tx, &rows::member(1))?;
        for (n, gb) in [(1, 300), (2, 100)] {
            fleet::insert_node(tx, &NewNode { lent: Bytes(gb * 1_000_000_000), ..rows::node(n, 1) })?;
        }
        Ok(())
    })
    .await;
    desk.serve(payer, owner, (1, 8_000_000)).await;
    hold(&desk.ledger, (1, owner, 3_000_000)).await;
    hold(&desk.ledger, (2, owner, 1_000_000)).await;
    let reserve = seat::only(AccountClass::Repair);
    let drawn = || async { balances(&desk.ledger).await[&reserve] };
    let day = async |seen: &'static [u32]| {
        desk.later(1);
        let hour = Stamp(desk.clock.load(std::sync::atomic::Ordering::Relaxed)).hour() - 1;
        write(place, move |tx| {
            let seen: Vec<_> = seen.iter().map(|alias| (Alias(*alias), hour)).collect();
            Ok(fleet::set_last_seen(tx, &seen)?)
        })
        .await;
        desk.ledger.called(&member_id(1));
        desk.day(terms(false)).await;
        drawn().await
    };
    day(&[1, 2]).await;
    let mut after = Vec::new();
    for _ in 0..20 {
        after.push(day(&[1]).await);
    }
    // Seen last at noon of a day: fourteen days later, at a day's end, a quarter of what its owner lends is gone.
    let first = after.iter().position(|drawn| *drawn > 0).unwrap();
    assert_eq!((first, after[first], after[19]), (14, 1_000_000, 1_000_000), "pro rata, and once");
    assert_eq!(held(&desk.ledger, owner).await, 3_000_000);
    // It comes back, and goes again: that is another loss.
    day(&[1, 2]).await;
    for _ in 0..20 {
        day(&[1]).await;
    }
    assert_eq!((drawn().await, held(&desk.ledger, owner).await), (1_750_000, 2_250_000));
    // A declared absence is no silence.
    write(place, |tx| {
        let until = Some(NOW + Span::days(300));
        fleet::set_standing(tx, Alias(1), Standing::Holiday, None, until)
    })
    .await;
    for _ in 0..20 {
        day(&[]).await;
    }
    assert_eq!((drawn().await, held(&desk.ledger, owner).await), (1_750_000, 2_250_000));
    // Both leave in order: what is left is given back.
    write(place, |tx| {
        [1, 2].iter().try_for_each(|n| fleet::set_standing(tx, Alias(*n), Standing::Left, None, None).map(drop))
    })
    .await;
    day(&[]).await;
    assert_eq!((drawn().await, held(&desk.ledger, owner).await), (1_750_000, 0));
    let found = balances(&desk.ledger).await;
    assert_eq!((found[&owner], found.values().sum::<i64>()), (8_000_000 - 1_750_000, 0));
    assert!(desk.ledger.check().await.unwrap().is_replayed);
}

async fn who_leaves_without_handing_over_pays_as_who_goes_in_silence(place: &mut Place) {
    let desk = Desk::start(place).await;
    let (owner, payer) = (desk.member(1).await, desk.member(2).await);
    write(place, |tx| {
        access::insert_member(tx, &rows::member(1))?;
        for n in [1, 2] {
            fleet::insert_node(tx, &rows::node(n, 1))?;
            fleet::set_standing(tx, Alias(u32::try_from(n).unwrap()), Standing::Left, None, None)?;
        }
        Ok(standing::set_gone(tx, Alias(1))?)
    })
    .await;
    desk.serve(payer, owner, (1, 8_000_000)).await;
    hold(&desk.ledger, (1, owner, 3_000_000)).await;
    for _ in 0..2 {
        desk.later(1);
        desk.day(terms(false)).await;
    }
    let found = balances(&desk.ledger).await;
    assert_eq!(
        found[&seat::only(AccountClass::Repair)],
        3_000_000,
        "the other one left in order, and took nothing with it"
    );
    assert_eq!((held(&desk.ledger, owner).await, found[&owner]), (0, 5_000_000));
}
