//! What a node's hours teach is kept, on both engines; and the center's own down times.

use crate::on_both;
use crate::place::Place;
use crate::rows;
use center::access::store as access;
use center::fleet::learn::{down_times, learn_due, note_down};
use center::fleet::store::vetting::{self, Fill, Vetting};
use center::fleet::store::{self as fleet, PresenceHour, Scores};
use model::{Alias, HourOfWeek, Ppm, SegmentId, Span, Stamp, Tier};
use rules::fleet::profile::WeeklyProfile;
use rules::fleet::tier::Trust;

on_both!(
    evenings_and_stewards_are_learned_once_a_week,
    hours_lift_nobody_who_is_not_vetted,
    down_times_are_kept_as_one_list,
    vetting_reads_back,
    pieces_of_a_fill_test_come_and_go,
);

const HOUR: u64 = 3_600_000;
/// A Monday's midnight, 40 days after the nodes joined, and the hour in which block 0 is learned.
const NOW: u64 = (480_000 / 168 + 7) * 168;

async fn evenings_and_stewards_are_learned_once_a_week(place: &mut Place) {
    let start = Scores {
        tier: Tier::T2,
        vetted_at: Some(Stamp(480_000 * HOUR)),
        session_scale: 30,
        profile: WeeklyProfile::flat(Ppm::percent(50)).0,
        missing_after_h: 72,
        day_away: model::Ppm(0),
    };
    place
        .db
        .write(move |tx| {
            access::insert_member(tx, &rows::member(1))?;
            for n in 1..=3 {
                let alias = fleet::insert_node(tx, &rows::node(n, 1))?;
                fleet::set_scores(tx, alias, &start)?;
            }
            // Node 1 is on in the evenings, node 2 always, node 3 was away for five days; the center slept one hour.
            let row = |hour: u64| {
                let evening = if (18..23).contains(&(hour % 24)) { 60 } else { 0 };
                let back = if (NOW - 300..NOW - 180).contains(&hour) { 0 } else { 60 };
                PresenceHour { hour, block: 0, minutes: vec![0, evening, 60, back] }
            };
            let hours: Vec<PresenceHour> = (NOW - 719..=NOW).filter(|h| *h != NOW - 50).map(row).collect();
            fleet::put_presence_hours(tx, &hours)?;
            fleet::put_presence_hours(tx, &[PresenceHour { hour: NOW - 2_000, block: 0, minutes: vec![1] }])?;
            note_down(tx, Stamp((NOW - 50) * HOUR), Stamp((NOW - 49) * HOUR))?;
            Ok(())
        })
        .await
        .unwrap();
    let now = Stamp((NOW + 1) * HOUR);
    let learned = learn_due(&place.db, (4, Trust::Circle), NOW, now).await.unwrap();
    let expected = [(Alias(1), Span::hours(72)), (Alias(2), Span::hours(72)), (Alias(3), Span::hours(168))];
    assert_eq!(learned, expected, "τ is three times the longest absence, within its bounds");
    let node = |alias| place.db.read(move |q| Ok(fleet::node_by_alias(q, Alias(alias))?));
    let (evening, always, back) =
        (node(1).await.unwrap().unwrap(), node(2).await.unwrap().unwrap(), node(3).await.unwrap().unwrap());
    let at = |hour: u64| WeeklyProfile(evening.profile).share(HourOfWeek::wrapped(hour));
    assert!(at(20) > Ppm::percent(60) && at(3) < Ppm::percent(40), "{} {}", at(20), at(3));
    assert_eq!((evening.tier, always.tier, back.tier), (Tier::T2, Tier::T3, Tier::T2), "an hour asleep is no gap");
    assert_eq!((always.missing_after_h, back.missing_after_h), (72, 168));
    assert!(always.session_scale > 30);
    let told = place.db.read(|q| Ok(fleet::events(q, Alias(2), 9)?)).await.unwrap();
    assert_eq!((told[0].kind.as_str(), told[0].text.as_str()), ("tier", "T2 → T3"));
    let old = place.db.read(|q| Ok(fleet::presence_hours(q, 0, 0, NOW - 800)?)).await.unwrap();
    assert!(old.is_empty(), "what is looked back at no more is forgotten");
    // It is not learned twice, and a week later again, though the hour itself was slept through.
    assert_eq!(learn_due(&place.db, (4, Trust::Circle), NOW + 1, now).await.unwrap(), []);
    assert_eq!(learn_due(&place.db, (4, Trust::Circle), NOW + 167, now).await.unwrap(), []);
    assert_eq!(learn_due(&place.db, (4, Trust::Circle), NOW + 170, now).await.unwrap().len(), 3);
}

async fn hours_lift_nobody_who_is_not_vetted(place: &mut Place) {
    let ranks = [Tier::T0, Tier::T1, Tier::T2, Tier::T2];
    let made = place.db.write(move |tx| {
        access::insert_member(tx, &rows::member(1))?;
        for (n, tier) in (1..).zip(ranks) {
            let mut node = rows::node(n, 1);
            // The last one's audits were not all good.
            (node.alpha, node.beta) = (980_000_000, if n == 4 { 20_000_000 } else { 0 });
            let alias = fleet::insert_node(tx, &node)?;
            vetting::set_rank(tx, alias, tier, None)?;
        }
        let row = |hour: u64| PresenceHour { hour, block: 0, minutes: vec![0, 60, 60, 60, 60] };
        let hours: Vec<PresenceHour> = (NOW - 719..=NOW).map(row).collect();
        fleet::put_presence_hours(tx, &hours)
    });
    made.await.unwrap();
    let now = Stamp((NOW + 1) * HOUR);
    learn_due(&place.db, (5, Trust::Public), NOW, now).await.unwrap();
    let rows = place.db.read(|q| Ok(fleet::nodes_of_block(q, 0)?)).await.unwrap();
    let tiers: Vec<Tier> = rows.iter().map(|row| row.tier).collect();
    assert_eq!(tiers, [Tier::T0, Tier::T1, Tier::T3, Tier::T2]);
    let since = place.db.read(|q| Ok(vetting::vetting(q, Alias(3))?)).await.unwrap();
    assert_eq!(since.map(|v| v.ranked_at), Some(now), "since when is known");
}

async fn vetting_reads_back(place: &mut Place) {
    let fill =
        Fill { wanted: 128, sent: 130, whole_at: Some(Stamp(7)), passed_from: 3, tries: 2, rests_until: Stamp(9) };
    let full = Vetting { ranked_at: Stamp(5), back_at: Some(Stamp(6)), passed_from: 40, fill };
    let bare = Vetting { ranked_at: Stamp(8), back_at: None, passed_from: 0, fill: Fill::default() };
    assert_eq!(place.db.read(|q| Ok(vetting::vetting(q, Alias(1))?)).await.unwrap(), None);
    for kept in [full, bare] {
        place.db.write(move |tx| Ok(vetting::put_vetting(tx, Alias(1), &kept)?)).await.unwrap();
        place.reopen().await;
        assert_eq!(place.db.read(|q| Ok(vetting::vetting(q, Alias(1))?)).await.unwrap(), Some(kept));
    }
}

async fn pieces_of_a_fill_test_come_and_go(place: &mut Place) {
    let id = |n: u8| SegmentId([n; 32]);
    let added = place.db.write(move |tx| {
        for (alias, number) in [(1, 2), (1, 0), (2, 0), (1, 2)] {
            vetting::add_fill(tx, Alias(alias), number, &id(u8::try_from(number).unwrap()))?;
        }
        Ok(())
    });
    added.await.unwrap();
    let pieces = |place: &Place, limit| {
        let db = place.db.clone();
        async move {
            db.read(move |q| Ok((vetting::fill_pieces(q, Alias(1), limit)?, vetting::fill_count(q, Alias(1))?))).await
        }
    };
    assert_eq!(pieces(place, 9).await.unwrap(), (vec![(0, id(0)), (2, id(2))], 2));
    assert_eq!(pieces(place, 1).await.unwrap().0.len(), 1);
    let lost = place
        .db
        .write(move |tx| Ok([vetting::lose_fill(tx, Alias(1), &id(2))?, vetting::lose_fill(tx, Alias(1), &id(2))?]));
    assert_eq!(lost.await.unwrap(), [true, false]);
    place.db.write(|tx| Ok(vetting::forget_fill(tx, Alias(1))?)).await.unwrap();
    assert_eq!(pieces(place, 9).await.unwrap(), (vec![], 0));
    assert_eq!(place.db.read(|q| Ok(vetting::fill_count(q, Alias(2))?)).await.unwrap(), 1, "another's stay");
}

async fn down_times_are_kept_as_one_list(place: &mut Place) {
    let note = |from: u64, until: u64| place.db.write(move |tx| Ok(note_down(tx, Stamp(from), Stamp(until))?));
    note(5, 9).await.unwrap();
    note(20, 30).await.unwrap();
    note(8, 12).await.unwrap();
    place.reopen().await;
    let kept = place.db.read(|q| Ok(down_times(q)?)).await.unwrap();
    assert_eq!(kept.periods(), [(Stamp(5), Stamp(12)), (Stamp(20), Stamp(30))]);
}
