//! What is due without receipts: stored bytes by the center's own records, fuel of verified results.

use super::town::{LIMIT, NOW, PERIODS, Town, balances};
use crate::on_both;
use crate::place::Place;
use crate::rows::{self, member_id};
use crate::storage::write;
use center::access::store as access;
use center::fleet::store as fleet;
use center::ledger::settle::results::{self, Paid};
use center::ledger::settle::store::{DueRow, Side};
use center::ledger::store::node_held::{self, NodeHeld};
use center::storage::store::{self as storage, bucket};
use model::compute::ItemRef;
use model::{Alias, BucketId, Class, JobId, Resource, Scheme, Span, Stamp};
use rules::compute::{Pay, PayAct};
use rules::ledger::settle::Due;
use rules::ledger::tariff::Variant;
use wire::storage::{BucketMake, SegmentRun};

on_both!(
    stored_bytes_are_due_once_and_own_machines_cost_nothing,
    what_each_node_holds_is_kept_and_of_who_is_away_what_it_held,
    a_result_is_paid_once_and_an_item_is_charged_once,
);

const MB: u64 = 1_000_000;

/// A bucket of member 1, and a group of nodes of members 2, 3 and of its own.
pub async fn with_segments(place: &Place, kept: [Stamp; 2]) -> Scheme {
    let scheme = Scheme { k: 2, m: 1, o: 0, slots: 3, n_max: 3, accept: 3 };
    write(place, move |tx| {
        (1..=4).try_for_each(|n| access::insert_member(tx, &rows::member(n)))?;
        let aliases = [(1, 2), (2, 3), (3, 1)].map(|(n, owner)| fleet::insert_node(tx, &rows::node(n, owner)));
        let aliases = aliases.into_iter().collect::<Result<Vec<_>, _>>()?;
        let make = BucketMake {
            id: BucketId([1; 16]),
            check: [1; 16],
            name_check: [2; 16],
            label: vec![1; 40],
            class: Class::Standard,
            regions: Vec::new(),
            regions_min: 0,
        };
        bucket::insert(tx, &member_id(1), &make, NOW)?;
        let pg = storage::insert_pg(tx, &scheme, &aliases, Class::Standard, "", 0)?;
        for (n, at) in (1..).zip(kept) {
            let segment = crate::rows::segment(pg.pg, n, 900 * MB);
            storage::insert_segment(tx, 1, &segment, &[0b111], at)?;
        }
        // The second is named by no version yet.
        storage::name_segments(tx, &member_id(1), &SegmentRun { pg: pg.pg, seq: 1, count: 1 })?;
        // Kept again an hour later, the first counts all the same since it was first.
        let again = crate::rows::segment(pg.pg, 1, 900 * MB);
        storage::insert_segment(tx, 1, &again, &[0b111], kept[0] + Span::hours(1)).map(drop)
    })
    .await;
    scheme
}

async fn stored_bytes_are_due_once_and_own_machines_cost_nothing(place: &mut Place) {
    let town = Town::start(place).await;
    let begun = PERIODS.over(town.now());
    let half = Stamp(begun) + Span::hours(3);
    let scheme = with_segments(place, [half, Stamp(begun)]).await;
    town.over().await;
    let rows = town.due().await;
    // Three hours of 900 MB, two thirds of whose pieces are at others' machines.
    let used = 900 * 3 * 2 / 3;
    let piece = scheme.piece_bytes(900 * MB) * 3 / MB;
    let of = |side, n, units| {
        // The nodes of this test are trusted by half.
        let quality_bps = if side == Side::Used { 10_000 } else { 5_000 };
        let due = Due { variant: Variant::Class(Class::Standard), version: 1, units, quality_bps };
        DueRow { resource: Resource::Storage, side, account: town.account(n), due }
    };
    assert_eq!(rows, [of(Side::Used, 1, used), of(Side::Served, 2, piece), of(Side::Served, 3, piece)]);
    assert!(!town.meter().await, "(A) once");
    assert_eq!(town.due().await, rows);
    let expected = town.reference().await;
    town.settle().await;
    let found = balances(&town.ledger).await;
    assert_eq!(found, expected);
    assert!(
        found[&town.account(1)] < 0
            && found[&town.account(2)] > 0
            && found[&town.account(2)] == found[&town.account(3)]
    );
    assert_eq!(found.values().sum::<i64>(), 0);
    // Periods that nobody looked at are counted as one, from then on whole hours; a clock that goes back counts nothing.
    town.later(Span::hours(18).as_ms().cast_signed());
    assert!(town.meter().await);
    let rows = town.due().await;
    assert!(rows[0].due.units.abs_diff(900 * 18 * 2 / 3) <= 1, "{rows:?}");
    town.later(-Span::hours(12).as_ms().cast_signed());
    assert!(!town.meter().await);
}

/// (E) of metering.
async fn what_each_node_holds_is_kept_and_of_who_is_away_what_it_held(place: &mut Place) {
    let town = Town::start(place).await;
    with_segments(place, [NOW, NOW]).await;
    let seen = |aliases: &'static [u32]| {
        // Late in the period that is over next.
        let hour = Stamp(PERIODS.over(town.now())).hour() + 5;
        write(place, move |tx| {
            let seen: Vec<_> = aliases.iter().map(|alias| (Alias(*alias), hour)).collect();
            Ok(fleet::set_last_seen(tx, &seen)?)
        })
    };
    let held = || async {
        let of = |held: NodeHeld| (held.held.mb, held.held.most_mb);
        let all = place.db.read(|q| Ok(node_held::between(q, Alias(1), Alias(4))?)).await.unwrap();
        all.into_values().map(of).collect::<Vec<_>>()
    };
    seen(&[1, 2, 3]).await;
    town.over().await;
    assert_eq!(held().await, [(450, 450); 3], "its owner's own piece too");
    // Two of them lose theirs; of these one is away.
    write(place, |tx| Ok(tx.execute("UPDATE segment SET have = $1", &[[0b100u8][..].into()])?)).await;
    for _ in 0..3 {
        seen(&[1, 3]).await;
        town.over().await;
    }
    assert_eq!(held().await, [(0, 450), (450, 450), (450, 450)]);
    // It is back; a place of the third was given to another while that one was away.
    write(place, |tx| {
        node_held::set_taken(tx, Alias(3), true)?;
        Ok(tx.execute("UPDATE segment SET have = $1", &[[0u8][..].into()])?)
    })
    .await;
    seen(&[1, 2, 3]).await;
    town.over().await;
    assert_eq!(held().await, [(0, 450), (0, 450), (450, 450)]);
    // After ninety days nothing is proved by it.
    town.later(Span::days(90).as_ms().cast_signed());
    seen(&[1, 2, 3]).await;
    town.over().await;
    assert_eq!(held().await, [(0, 0), (0, 0), (450, 0)]);
}

async fn a_result_is_paid_once_and_an_item_is_charged_once(place: &mut Place) {
    let town = Town::start(place).await;
    let paid = |owner, serial, item| {
        let item = ItemRef { job: JobId([7; 16]), stage: 0, item };
        let pay = Pay {
            act: PayAct::Post,
            node: model::Alias(1),
            owner: member_id(owner),
            item,
            serial,
            fuel: 3_600_000_000_000,
            bytes: 9,
        };
        Paid { member: member_id(1), variant: Variant::Checked, pay }
    };
    let all = vec![paid(2, 1, 0), paid(3, 2, 0), paid(2, 3, 1)];
    let terms = results::Terms { periods: *PERIODS, limit: LIMIT, now: town.now() };
    for _ in 0..3 {
        let all = all.clone();
        place.db.write(move |tx| results::note(tx, &all, terms)).await.unwrap();
    }
    let rows = town.due().await;
    let of = |side, n| {
        let own = rows.iter().filter(|row| row.side == side && row.account == town.account(n));
        own.map(|row| row.due.units / 3_600_000_000_000).sum::<u64>()
    };
    // Three copies were accepted of two items: they share what two items pay for, 1.15 copies each.
    assert_eq!(of(Side::Used, 1), 2);
    let served: Vec<u64> = rows.iter().filter(|row| row.side == Side::Served).map(|row| row.due.units).collect();
    let third = 2 * 3_600_000_000_000 * 115 / 100 / 3;
    assert_eq!((of(Side::Served, 2), of(Side::Served, 3), served), (1, 0, vec![2 * third, third]));
    // A third item leaves something over: who was paid less before gets its part of it.
    let more = vec![paid(3, 4, 2)];
    place.db.write(move |tx| results::note(tx, &more, terms)).await.unwrap();
    let rows = town.due().await;
    let served = |n| {
        let own = rows.iter().filter(|row| row.side == Side::Served && row.account == town.account(n));
        own.map(|row| row.due.units).sum::<u64>()
    };
    let all = 3 * 3_600_000_000_000_u64 * 115 / 100;
    assert!((served(2) + served(3)).abs_diff(all) < 5 && served(2) > 2 * third && served(3) > 2 * third, "{rows:?}");
    town.over().await;
    let expected = town.reference().await;
    town.settle().await;
    let found = balances(&town.ledger).await;
    assert_eq!((&found, found[&town.account(1)]), (&expected, -3 * 638_889));
}
