//! Days of the commons: what is not needed comes in, and is shared once, whoever does it and however often it ends in between. The
//! letters are those of `center::ledger::commons`.

use crate::on_both;
use crate::place::Place;
use crate::rows::{self, member_id};
use crate::settle::town::balances;
use crate::standing::{Desk, NOW};
use crate::storage::write;
use center::access::store as access;
use center::db::Db;
use center::fleet::store::{self as fleet, NewNode, PresenceHour, vetting};
use center::fleet::vet;
use center::ledger::commons::{Terms, give_out, step};
use center::ledger::store::commons::{self as kept, Day, Step};
use center::ledger::store::node_held;
use center::ledger::{seat, standing};
use codec::fill::PIECE_BYTES;
use model::{AccountClass, AccountNo, Alias, Bytes, Code, SegmentId, Stamp, Tier, Ucredit};
use rules::ledger::Starter;
use rules::ledger::proved::Held;
use rules::ledger::sweep::Policy;
use std::collections::BTreeMap;
use std::sync::Arc;

on_both!(
    what_is_not_needed_is_shared_and_twice_changes_nothing,
    a_day_comes_to_the_same_over_restarts_and_beside_another_center,
    a_day_that_was_begun_is_done_before_the_next,
    among_strangers_one_network_shares_once_and_only_vetted_nodes,
    who_says_it_lends_ten_times_what_it_proved_earns_no_more,
    where_nothing_free_is_proved_that_part_waits,
    who_lost_pieces_has_proved_nothing_by_what_it_held,
    what_lies_idle_goes_slowly_and_what_is_forgotten_after_three_notices,
    the_reserve_keeps_its_floor_and_the_insurance_pays_others_back,
);

const GB: u64 = 1_000_000_000;

fn terms(policy: Policy, is_public: bool) -> Terms {
    let standing = standing::Terms { days: Desk::days(), period: model::Span::hours(6), is_private: !is_public };
    Terms { days: Desk::days(), policy, is_public, standing }
}

fn closed() -> Terms {
    terms(Policy::closed(Ucredit::whole(1)), false)
}

fn public() -> Terms {
    terms(Policy::public(Ucredit::ZERO), true)
}

/// Members and a node of each: it lends so many GB, of which it held as many once, its network is this, it was on for so many hours of
/// each of the next days.
struct Lends {
    gb: u64,
    held: u64,
    net: u64,
    hours: u64,
}

async fn fleet(place: &Place, desk: &Desk, all: Vec<Lends>) -> Vec<AccountNo> {
    let from = Desk::days().begin(desk.today()).hour();
    let mut accounts = Vec::new();
    for n in (1..).take(all.len()) {
        accounts.push(desk.member(n).await);
    }
    write(place, move |tx| {
        let mut hours = BTreeMap::new();
        for (n, lends) in (1..).zip(&all) {
            access::insert_member(tx, &rows::member(n))?;
            let net_prefix = Some(format!("10.{}.{}.0/24", lends.net / 256, lends.net % 256));
            let node = NewNode { lent: Bytes(lends.gb * GB), net_prefix, ..rows::node(n, n) };
            let Alias(alias) = fleet::insert_node(tx, &node)?;
            let held = Held { mb: 0, most_mb: lends.held * 1_000, most_at: NOW };
            node_held::put(tx, Alias(alias), &held)?;
            for hour in (0..24 * 400).filter(|hour| hour % 24 < lends.hours) {
                let minutes: &mut Vec<u8> = hours.entry(from + hour).or_default();
                minutes.resize(minutes.len().max(alias as usize + 1), 0);
                minutes[alias as usize] = 60;
            }
        }
        let row = |(hour, minutes): (u64, Vec<u8>)| PresenceHour { hour, block: 0, minutes };
        let rows: Vec<PresenceHour> = hours.into_iter().map(row).collect();
        fleet::put_presence_hours(tx, &rows)
    })
    .await;
    accounts
}

/// Fills a purse from somebody who may owe it.
async fn fill(desk: &Desk, class: AccountClass, amount: u64) {
    let payer = desk.member(9_999).await;
    let code = if class == AccountClass::Repair { Code::Storage } else { Code::ToOperator };
    let reserve = seat::only(AccountClass::Repair);
    desk.give(Starter::Owed, Code::Storage, (payer, reserve, amount)).await;
    if class != AccountClass::Repair {
        let clearing = seat::clearing(model::Resource::Storage);
        desk.give(Starter::System, Code::Storage, (reserve, clearing, amount)).await;
        desk.give(Starter::System, code, (clearing, seat::only(class), amount)).await;
    }
}

async fn what_is_not_needed_is_shared_and_twice_changes_nothing(place: &mut Place) {
    let desk = Desk::start(place).await;
    let lends = |gb, hours| Lends { gb, held: gb, net: 7, hours };
    let all = fleet(place, &desk, vec![lends(100, 24), lends(300, 12), lends(900, 11), lends(900, 24)]).await;
    write(place, |tx| fleet::set_standing(tx, Alias(4), fleet::Standing::Distrusted, None, None)).await;
    fill(&desk, AccountClass::Operator, 40_000_000).await;
    fill(&desk, AccountClass::Repair, 10_000_000).await;
    desk.later(1);
    let day = desk.today() - 1;
    assert!(give_out(&desk.ledger, day, closed()).await.unwrap() >= 6);
    let found = balances(&desk.ledger).await;
    // 10 credits above 30 days of costs and 10 of the reserve: 12 alike for two, 8 by what is free, of which the second lends three
    // times as much, and was on for half of the day: its quality is what least there is, as is the first one's by its audits.
    assert_eq!((found[&all[0]], found[&all[1]]), (6_000_000 + 2_000_000, 6_000_000 + 6_000_000));
    assert_eq!((found[&all[2]], found[&all[3]]), (0, 0), "on for less than half of the day; not trusted");
    let only = |class| found[&seat::only(class)];
    assert_eq!(
        (only(AccountClass::Operator), only(AccountClass::Repair), only(AccountClass::Commons)),
        (30_000_000, 0, 0)
    );
    assert_eq!(found.values().sum::<i64>(), 0);
    let head = desk.ledger.head().await.unwrap();
    for _ in 0..2 {
        assert_eq!(give_out(&desk.ledger, day, closed()).await.unwrap(), 0);
    }
    assert_eq!(desk.ledger.head().await.unwrap(), head, "(A)");
    assert!(desk.ledger.check().await.unwrap().is_replayed);
}

/// (A), (B)
async fn a_day_comes_to_the_same_over_restarts_and_beside_another_center(place: &mut Place) {
    let mut desk = Desk::start(place).await;
    let lends = (1..=600).map(|n| Lends { gb: n, held: n, net: n, hours: 24 }).collect();
    let all = fleet(place, &desk, lends).await;
    fill(&desk, AccountClass::Operator, 91_234_567).await;
    desk.later(1);
    let day = desk.today() - 1;
    let policy = terms(Policy::closed(Ucredit::ZERO), false);
    let mut steps = 0;
    loop {
        let clock = Arc::clone(&desk.clock);
        drop(desk);
        place.reopen().await;
        desk = Desk::of(place.db.clone(), clock).await;
        if !step(&desk.ledger, day, policy).await.unwrap() {
            break;
        }
        steps += 1;
        // What comes in meanwhile is the next day's. (B)
        fill(&desk, AccountClass::Operator, 1_000).await;
    }
    assert_eq!(steps, 2 + 4 + 1 + 1 + 4, "nodes, three pages weighed, none idle, the plan, three pages paid");
    let of_day = place.db.read(|q| Ok(kept::last(q)?)).await.unwrap().unwrap();
    assert_eq!((of_day.owners, of_day.step), (600, Step::Done));
    let expected = |n: u64, of: &Day| {
        let free = u128::from(of.standby.0) * u128::from(n * 1_000 / 2) / u128::from(of.weight);
        i64::try_from(u128::from(of.stipend.0) + free).unwrap()
    };
    let found = balances(&desk.ledger).await;
    for (n, no) in (1..).zip(&all) {
        assert_eq!(found[no], expected(n, &of_day), "{no}");
    }
    // The next day by two at once.
    desk.later(1);
    let other = Desk::of(Db::open(&place.url).unwrap(), Arc::clone(&desk.clock)).await;
    let (one, two) = tokio::join!(give_out(&desk.ledger, day + 1, policy), give_out(&other.ledger, day + 1, policy));
    assert_eq!(one.unwrap() + two.unwrap(), steps);
    let next = place.db.read(|q| Ok(kept::last(q)?)).await.unwrap().unwrap();
    let (before, found) = (found, balances(&desk.ledger).await);
    for (n, no) in (1..).zip(&all) {
        assert_eq!(found[no] - before[no], expected(n, &next), "{no}");
    }
    assert_eq!(found.values().sum::<i64>(), 0);
    assert!(desk.ledger.check().await.unwrap().is_replayed);
}

async fn a_day_that_was_begun_is_done_before_the_next(place: &mut Place) {
    let desk = Desk::start(place).await;
    let all = fleet(place, &desk, vec![Lends { gb: 1, held: 1, net: 1, hours: 24 }]).await;
    fill(&desk, AccountClass::Operator, 10_000_000).await;
    desk.later(1);
    let (day, policy) = (desk.today() - 1, terms(Policy::closed(Ucredit::ZERO), false));
    // It ends before anything is given out, and nobody looks for three days.
    while place.db.read(|q| Ok(kept::last(q)?)).await.unwrap().is_none_or(|at| at.step < Step::Pay) {
        assert!(step(&desk.ledger, day, policy).await.unwrap());
    }
    assert_eq!(balances(&desk.ledger).await[&all[0]], 0);
    desk.later(3);
    give_out(&desk.ledger, desk.today() - 1, policy).await.unwrap();
    let last = place.db.read(|q| Ok(kept::last(q)?)).await.unwrap().unwrap();
    assert_eq!((last.day, last.step), (day + 3, Step::Done));
    assert_eq!(balances(&desk.ledger).await[&all[0]], 10_000_000, "both days");
    assert!(!step(&desk.ledger, day, policy).await.unwrap(), "a day that is over is not begun again");
}

/// (C)
async fn among_strangers_one_network_shares_once_and_only_vetted_nodes(place: &mut Place) {
    let desk = Desk::start(place).await;
    let lends = [1, 1, 2, 3].map(|net| Lends { gb: 100, held: 100, net, hours: 24 });
    let all = fleet(place, &desk, lends.into()).await;
    write(place, |tx| {
        (1..=3).try_for_each(|n| vetting::set_rank(tx, Alias(n), Tier::T2, Some(Stamp(1))).map(drop))?;
        Ok(())
    })
    .await;
    write(place, |tx| Ok(vetting::set_rank(tx, Alias(4), Tier::T1, None)?)).await;
    fill(&desk, AccountClass::Operator, 10_000_000).await;
    desk.later(1);
    give_out(&desk.ledger, desk.today() - 1, public()).await.unwrap();
    let found = balances(&desk.ledger).await;
    let free = 4_000_000 / 3;
    let got: Vec<i64> = all.iter().map(|no| found[no]).collect();
    assert_eq!(got, [3_000_000 + free, free, 3_000_000 + free, 0]);
}

async fn who_says_it_lends_ten_times_what_it_proved_earns_no_more(place: &mut Place) {
    let desk = Desk::start(place).await;
    // The first four showed 60 GB at most: by data of their fill tests, by what they held once, or both; two of them say they lend
    // ten times as much. The last two hold all that they showed.
    let lends = [60, 600, 60, 600, 100, 1_000].map(|gb| Lends { gb, held: 0, net: gb, hours: 24 });
    let lends = (1..).zip(lends).map(|(net, one)| Lends { net, ..one }).collect();
    let all = fleet(place, &desk, lends).await;
    let pieces = 60_000_000_000 / PIECE_BYTES;
    write(place, move |tx| {
        (1..=6).try_for_each(|n| vetting::set_rank(tx, Alias(n), Tier::T2, Some(Stamp(1))).map(drop))?;
        for n in [1, 2] {
            for number in 0..u32::try_from(pieces).unwrap() {
                vetting::add_fill(tx, Alias(n), number, &SegmentId([1; 32]))?;
            }
        }
        for (n, mb, most_mb) in [(3, 0, 60_000), (4, 0, 60_000), (5, 50_000, 50_000), (6, 50_000, 50_000)] {
            node_held::put(tx, Alias(n), &Held { mb, most_mb, most_at: NOW })?;
        }
        Ok(())
    })
    .await;
    fill(&desk, AccountClass::Operator, 100_000_000).await;
    desk.later(1);
    give_out(&desk.ledger, desk.today() - 1, public()).await.unwrap();
    let found = balances(&desk.ledger).await;
    let got: Vec<i64> = all.iter().map(|no| found[no]).collect();
    let of_day = place.db.read(|q| Ok(kept::last(q)?)).await.unwrap().unwrap();
    let alike = i64::try_from(of_day.stipend.0).unwrap();
    assert!(got[0] > alike && got[2] > alike, "{got:?}");
    assert_eq!((got[0], got[2]), (got[1], got[3]), "not one µcredit for a larger word");
    assert_eq!(got[4..], [alike; 2], "what is full is not free");
    assert_eq!(of_day.free_mb, 2 * (pieces * PIECE_BYTES / 1_000_000) + 2 * 60_000);
}

async fn where_nothing_free_is_proved_that_part_waits(place: &mut Place) {
    let desk = Desk::start(place).await;
    let lends = [1, 2].map(|net| Lends { gb: 900, held: 0, net, hours: 24 });
    let all = fleet(place, &desk, lends.into()).await;
    fill(&desk, AccountClass::Operator, 40_000_000).await;
    desk.later(1);
    give_out(&desk.ledger, desk.today() - 1, closed()).await.unwrap();
    let found = balances(&desk.ledger).await;
    let commons = found[&seat::only(AccountClass::Commons)];
    assert_eq!((found[&all[0]], found[&all[1]], commons), (3_000_000, 3_000_000, 4_000_000), "60 % of ten, alike");
}

async fn who_lost_pieces_has_proved_nothing_by_what_it_held(place: &mut Place) {
    let desk = Desk::start(place).await;
    let lends = [1, 2].map(|net| Lends { gb: 900, held: 900, net, hours: 24 });
    let all = fleet(place, &desk, lends.into()).await;
    write(place, |tx| {
        let row = fleet::node_by_alias(tx, Alias(1))?.unwrap();
        vet::put_back(tx, &row, 0, NOW).map(drop)
    })
    .await;
    fill(&desk, AccountClass::Operator, 40_000_000).await;
    desk.later(1);
    give_out(&desk.ledger, desk.today() - 1, closed()).await.unwrap();
    let found = balances(&desk.ledger).await;
    assert_eq!((found[&all[0]], found[&all[1]]), (3_000_000, 7_000_000));
}

async fn what_lies_idle_goes_slowly_and_what_is_forgotten_after_three_notices(place: &mut Place) {
    let desk = Desk::start(place).await;
    let (rich, payer) = (desk.member(1).await, desk.member(2).await);
    desk.serve(payer, rich, (1, 160_000_000)).await;
    let stand = standing::Terms { is_private: false, ..public().standing };
    let mut after = Vec::new();
    for day in 1..=370u32 {
        desk.later(1);
        let today = desk.today() - 1;
        while step(&desk.ledger, today, public()).await.unwrap() {}
        // Who pays is heard of, and keeps the rich one's mean of use at nothing.
        desk.ledger.called(&member_id(2));
        desk.ledger.write_called().await.unwrap();
        standing::sum_up(&desk.ledger, today, stand).await.unwrap();
        while standing::step(&desk.ledger, today, stand).await.unwrap().is_some() {}
        after.push(balances(&desk.ledger).await[&rich]);
        if day == 31 {
            // The first day nothing is known of it yet; 2 % of a hundred credits in the thirty after it, less what is gone already.
            let gone = 160_000_000 - after[30];
            assert!((1_980_000..=2_000_000).contains(&gone), "{gone}");
        }
    }
    let forgotten = after.iter().position(|balance| *balance == 0).expect("it is dormant");
    assert_eq!(forgotten + 1, 366, "heard of at the end of the first day, a year, and the day after the third notice");
    assert!(after[forgotten - 1] > 130_000_000, "{}", after[forgotten - 1]);
    assert_eq!(balances(&desk.ledger).await.values().sum::<i64>(), 0);
}

async fn the_reserve_keeps_its_floor_and_the_insurance_pays_others_back(place: &mut Place) {
    let desk = Desk::start(place).await;
    let payer = desk.member(1).await;
    let clearing = seat::clearing(model::Resource::Storage);
    let [reserve, insurance, beyond, commons] =
        [AccountClass::Repair, AccountClass::Insurance, AccountClass::WriteOff, AccountClass::Commons].map(seat::only);
    desk.give(Starter::Owed, Code::Storage, (payer, clearing, 9_000_000)).await;
    // Prices set a credit aside for repair, and seven came in because less is held than was paid for.
    desk.give(Starter::System, Code::Repair, (clearing, reserve, 100_000)).await;
    desk.give(Starter::System, Code::Storage, (clearing, reserve, 7_000_000)).await;
    desk.give(Starter::System, Code::ToInsurance, (clearing, insurance, 900_000)).await;
    desk.give(Starter::System, Code::BadDebt, (beyond, payer, 400_000)).await;
    desk.later(1);
    give_out(&desk.ledger, desk.today() - 1, closed()).await.unwrap();
    let found = balances(&desk.ledger).await;
    assert_eq!((found[&reserve], found[&commons]), (3_000_000, 4_100_000), "thirty days of what is set aside in one");
    assert_eq!((found[&insurance], found[&beyond]), (500_000, 0));
}
