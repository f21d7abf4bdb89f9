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
use center::ledger::store::{node_held, standing};
use center::ledger::{Ledger, Posting};
use center::storage::store::regive::{self, Cleared, Regive};
use model::{AccountClass, AccountNo, Alias, Bytes, Code, PgId, Span, Stamp, TransferId, Ucredit};
use rules::ledger::proved::Held;
use rules::ledger::{Act, Ask, Group, Starter, buffer};

on_both!(
    a_quarter_of_what_storage_earns_is_held_back_until_there_is_enough,
    who_leaves_without_handing_over_pays_as_who_goes_in_silence,
    who_joins_again_on_the_day_it_left_so_pays_all_the_same,
    who_leaves_after_repair_gave_its_places_away_pays_for_what_it_held,
    who_is_back_before_that_and_leaves_in_order_pays_nothing,
    places_where_nothing_stands_are_nothing_to_hand_over,
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
        // What they lend does not matter.
        for (n, lends, mb) in [(1, 1_000_000_000, 300_000), (2, 9_000_000_000, 100_000)] {
            let alias = fleet::insert_node(tx, &NewNode { lent: Bytes(lends), ..rows::node(n, 1) })?;
            node_held::put(tx, alias, &Held { mb, ..Held::default() })?;
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
    // Seen last at noon of a day: fourteen days later, at a day's end, a quarter of what its owner's nodes held is gone.
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
        node_held::set_taken(tx, Alias(1), true)?;
        [1, 2].iter().try_for_each(|n| Ok(standing::leaves(tx, Alias(*n))?))
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

async fn who_joins_again_on_the_day_it_left_so_pays_all_the_same(place: &mut Place) {
    let desk = Desk::start(place).await;
    let (owner, payer) = (desk.member(1).await, desk.member(2).await);
    write(place, |tx| {
        access::insert_member(tx, &rows::member(1))?;
        for n in [1, 2] {
            let alias = fleet::insert_node(tx, &rows::node(n, 1))?;
            node_held::put(tx, alias, &Held { mb: 500, ..Held::default() })?;
        }
        Ok(standing::set_gone(tx, Alias(1))?)
    })
    .await;
    desk.serve(payer, owner, (1, 8_000_000)).await;
    hold(&desk.ledger, (1, owner, 3_000_000)).await;
    for _ in 0..3 {
        desk.later(1);
        seen(place, &desk, &[1, 2]).await;
        desk.day(terms(false)).await;
        assert_eq!((balances(&desk.ledger).await[&seat::only(AccountClass::Repair)]), 1_500_000, "once");
    }
    let nodes = desk.ledger.db().read(|q| Ok(standing::nodes(q, &member_id(1))?)).await.unwrap();
    assert!(nodes.iter().all(|node| !node.has_gone && !node.is_lost), "and is a node like others since");
}

/// These nodes were seen an hour ago.
async fn seen(place: &Place, desk: &Desk, aliases: &'static [u32]) {
    let hour = Stamp(desk.clock.load(std::sync::atomic::Ordering::Relaxed)).hour() - 1;
    write(place, move |tx| {
        let seen: Vec<_> = aliases.iter().map(|alias| (Alias(*alias), hour)).collect();
        Ok(fleet::set_last_seen(tx, &seen)?)
    })
    .await;
}

/// An owner's nodes 1 and 4 held 300 and 100 GB. The first goes in silence; ten days later repair gives its only place to another.
async fn taken(place: &mut Place) -> (Desk, AccountNo) {
    let desk = Desk::start(place).await;
    with_segments(place, [NOW; 2]).await;
    let (owner, payer) = (desk.member(2).await, desk.member(5).await);
    write(place, |tx| {
        fleet::insert_node(tx, &rows::node(4, 2))?;
        fleet::insert_node(tx, &rows::node(5, 4))?;
        for (n, mb) in [(1, 300_000), (4, 100_000)] {
            node_held::put(tx, Alias(n), &Held { mb, ..Held::default() })?;
        }
        Ok(())
    })
    .await;
    desk.serve(payer, owner, (1, 8_000_000)).await;
    hold(&desk.ledger, (1, owner, 4_000_000)).await;
    seen(place, &desk, &[1, 4]).await;
    for _ in 0..10 {
        desk.later(1);
        seen(place, &desk, &[4]).await;
        desk.day(terms(false)).await;
    }
    let cleared = write(place, |tx| {
        let one = Regive { pg: PgId(1), slot: 0, from: Alias(1), to: Alias(5), next_seq: 0 };
        assert!(regive::begin(tx, &one)?);
        regive::clear(tx, &one, (&[0b110], 2), 9)
    })
    .await;
    assert_eq!(cleared, Cleared::Given);
    (desk, owner)
}

/// The first node leaves; what the reserve has after the day, and what is held back still.
async fn leave(place: &Place, desk: &Desk, owner: AccountNo) -> (i64, u64) {
    write(place, |tx| {
        standing::leaves(tx, Alias(1))?;
        fleet::set_standing(tx, Alias(1), Standing::Left, None, None).map(drop)
    })
    .await;
    desk.later(1);
    seen(place, desk, &[4]).await;
    desk.day(terms(false)).await;
    (balances(&desk.ledger).await[&seat::only(AccountClass::Repair)], held(&desk.ledger, owner).await)
}

async fn who_leaves_after_repair_gave_its_places_away_pays_for_what_it_held(place: &mut Place) {
    let (desk, owner) = taken(place).await;
    desk.later(1);
    seen(place, &desk, &[4]).await;
    desk.day(terms(false)).await;
    assert_eq!(held(&desk.ledger, owner).await, 4_000_000, "eleven days are no loss yet");
    assert_eq!(
        leave(place, &desk, owner).await,
        (3_000_000, 1_000_000),
        "three quarters of what its owner's nodes held"
    );
    assert!(desk.ledger.check().await.unwrap().is_replayed);
}

async fn who_is_back_before_that_and_leaves_in_order_pays_nothing(place: &mut Place) {
    let (desk, owner) = taken(place).await;
    desk.later(1);
    seen(place, &desk, &[1, 4]).await;
    desk.day(terms(false)).await;
    assert_eq!(leave(place, &desk, owner).await, (0, 4_000_000));
}

async fn places_where_nothing_stands_are_nothing_to_hand_over(place: &mut Place) {
    let has_gone = async |place: &Place| {
        let nodes = place.db.read(|q| Ok(standing::nodes(q, &member_id(2))?)).await.unwrap();
        nodes.iter().any(|node| node.has_gone)
    };
    with_segments(place, [NOW; 2]).await;
    write(place, |tx| {
        tx.execute("UPDATE segment SET refs = -1", &[])?;
        Ok(standing::leaves(tx, Alias(1))?)
    })
    .await;
    assert!(!has_gone(place).await);
    write(place, |tx| {
        tx.execute("UPDATE segment SET refs = 0", &[])?;
        Ok(standing::leaves(tx, Alias(1))?)
    })
    .await;
    assert!(has_gone(place).await);
}
