//! Nodes, events, presence.

use crate::on_both;
use crate::place::Place;
use crate::rows::{self, member_id, node_id, spread};
use center::access::store as access;
use center::db::{DbError, StoreError, Tx};
use center::fleet::store::{self as fleet, NodeFilter, NodeRow, NodeSaid, PresenceHour, Scores, Standing};
use model::errors::{self, ErrorId};
use model::{Alias, Bytes, NodeId, Ppm, RegionEvidence, Stamp, Tier};
use std::collections::BTreeSet;

on_both!(
    a_node_reads_back_whole,
    an_empty_measurement_reads_back_empty,
    fifty_nodes_at_once_get_fifty_numbers,
    a_number_is_never_given_again,
    a_node_is_found_as_a_person_names_it,
    nodes_list_in_order_by_owner_region_and_standing,
    what_all_lend_is_summed_without_those_who_left,
    a_holiday_ends_by_itself,
    changes_of_a_node_read_back,
    a_generation_goes_only_forward,
    of_events_the_newest_are_kept,
    presence_is_kept_replaced_and_forgotten,
    a_hundred_thousand_rows_of_presence_go_in,
);

/// One write, its answer.
async fn write<T: Send + 'static>(
    place: &Place,
    f: impl Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    place.db.write(f).await.unwrap()
}

async fn with_nodes(place: &Place, count: u64) {
    write(place, move |tx| {
        access::insert_member(tx, &rows::member(1))?;
        access::insert_member(tx, &rows::member(2))?;
        (1..=count).try_for_each(|n| fleet::insert_node(tx, &rows::node(n, 1 + n % 2)).map(drop))
    })
    .await;
}

async fn by_alias(place: &Place, alias: u32) -> NodeRow {
    place.db.read(move |q| Ok(fleet::node_by_alias(q, Alias(alias))?)).await.unwrap().unwrap()
}

async fn a_node_reads_back_whole(place: &mut Place) {
    with_nodes(place, 2).await;
    place.reopen().await;
    let got = by_alias(place, 2).await;
    let expected = NodeRow {
        alias: Alias(2),
        node: rows::node(2, 1),
        tier: Tier::T0,
        standing: Standing::Active,
        standing_why: None,
        profile: [0; 168],
        session_scale: 0,
        missing_after_h: 72,
        day_away: Ppm(0),
        vetted_at: None,
        holiday_until: None,
        generation: 0,
        last_seen_hour: 480_000,
    };
    assert_eq!(got, expected);
    let (by_id, none) =
        place.db.read(|q| Ok((fleet::node_by_id(q, &node_id(2))?, fleet::node_by_id(q, &node_id(99))?))).await.unwrap();
    assert_eq!((by_id, none), (Some(expected), None));
    let twice = place.db.write(|tx| fleet::insert_node(tx, &rows::node(2, 1))).await;
    assert!(matches!(twice, Err(StoreError::Db(DbError::Duplicate { .. }))), "{twice:?}");
}

async fn an_empty_measurement_reads_back_empty(place: &mut Place) {
    with_nodes(place, 1).await;
    let empty = fleet::MeasuredRow::default();
    assert!(write(place, |tx| Ok(fleet::update_measured(tx, Alias(1), &fleet::MeasuredRow::default(), 3)?)).await);
    let got = by_alias(place, 1).await;
    assert_eq!((got.node.measured, got.node.capabilities), (empty, 3));
    assert!(write(place, |tx| Ok(fleet::update_measured(tx, Alias(1), &rows::measured(), 0)?)).await);
    assert_eq!(by_alias(place, 1).await.node.measured, rows::measured());
    assert!(!write(place, |tx| Ok(fleet::update_measured(tx, Alias(9), &rows::measured(), 0)?)).await);
}

async fn fifty_nodes_at_once_get_fifty_numbers(place: &mut Place) {
    with_nodes(place, 0).await;
    let joins: Vec<_> = (0..50)
        .map(|n| {
            let db = place.db.clone();
            tokio::spawn(async move { db.write(move |tx| fleet::insert_node(tx, &rows::node(n, 1))).await })
        })
        .collect();
    let mut given = BTreeSet::new();
    for join in joins {
        given.insert(join.await.unwrap().unwrap().0);
    }
    assert_eq!(given, (1..=50).collect());
}

async fn a_number_is_never_given_again(place: &mut Place) {
    with_nodes(place, 2).await;
    let undone = place.db.write(|tx| {
        fleet::insert_node(tx, &rows::node(3, 1))?;
        Err::<(), _>(StoreError::refused(errors::NOT_ALLOWED, "no"))
    });
    assert_eq!(undone.await.unwrap_err().id(), errors::NOT_ALLOWED);
    write(place, |tx| Ok(tx.execute("DELETE FROM node WHERE alias = 2", &[]).map(drop)?)).await;
    place.reopen().await;
    assert_eq!(write(place, |tx| fleet::insert_node(tx, &rows::node(4, 1))).await, Alias(3));
    write(place, |tx| {
        let last = [fleet::ALIAS_MAX.into()];
        Ok(tx.execute("UPDATE counter SET value = $1 WHERE name = 'alias'", &last).map(drop)?)
    })
    .await;
    let full = place.db.write(|tx| fleet::insert_node(tx, &rows::node(5, 1))).await;
    assert_eq!(full.unwrap_err().id(), errors::CELL_FULL);
}

async fn named(place: &Place, text: &str) -> Result<u32, ErrorId> {
    let text = text.to_owned();
    let found = place.db.read(move |q| fleet::node_by_text(q, &text)).await;
    found.map(|node| node.alias.0).map_err(|error| error.id())
}

async fn a_node_is_found_as_a_person_names_it(place: &mut Place) {
    with_nodes(place, 0).await;
    let mut near = [9; 32];
    near[31] = 1;
    write(place, move |tx| {
        for (id, name) in [(NodeId([9; 32]), "attic"), (NodeId(near), "attic"), (NodeId([40; 32]), "cellar")] {
            fleet::insert_node(tx, &fleet::NewNode { id, name: name.to_owned(), ..rows::node(0, 1) })?;
        }
        Ok(())
    })
    .await;
    let id = NodeId([40; 32]).to_string();
    assert_eq!(named(place, "#3").await, Ok(3));
    assert_eq!(named(place, "cellar").await, Ok(3));
    assert_eq!(named(place, &id).await, Ok(3));
    assert_eq!(named(place, &id[..5]).await, Ok(3));
    assert_eq!(named(place, &NodeId([9; 32]).to_string()).await, Ok(1));
    assert_eq!(named(place, &NodeId([9; 32]).to_string()[..20]).await, Err(errors::BAD_VALUE));
    assert_eq!(named(place, "attic").await, Err(errors::BAD_VALUE));
    for nobody in ["#9", "#", "#-1", &id[..3], "nobody", "", "n%", "' OR 1=1 --", "Cellar"] {
        assert_eq!(named(place, nobody).await, Err(errors::NODE_UNKNOWN), "{nobody}");
    }
}

async fn listed(place: &Place, filter: NodeFilter, after: Option<u32>, limit: u32) -> Vec<u32> {
    let nodes = place.db.read(move |q| {
        let nodes = fleet::list_nodes(q, &filter, after.map(Alias), limit)?;
        let count = fleet::count_nodes(q, &filter)?;
        assert!(count >= nodes.len() as u64);
        Ok(nodes)
    });
    nodes.await.unwrap().into_iter().map(|node| node.alias.0).collect()
}

async fn nodes_list_in_order_by_owner_region_and_standing(place: &mut Place) {
    with_nodes(place, 0).await;
    let regions = ["asia/kr", "asia/kr/seoul", "asia/kr/seoul2", "europe/de", "asia"];
    write(place, move |tx| {
        for (n, region) in (0..).zip(regions) {
            let node = fleet::NewNode { region: region.parse().ok(), ..rows::node(n, 1 + n % 2) };
            fleet::insert_node(tx, &node)?;
        }
        fleet::insert_node(tx, &fleet::NewNode { region: None, ..rows::node(9, 1) })?;
        fleet::set_standing(tx, Alias(2), Standing::Quarantined, Some("why"), None).map(drop)
    })
    .await;
    let region = |text: &str| NodeFilter { region: text.parse().ok(), ..NodeFilter::default() };
    assert_eq!(listed(place, NodeFilter::default(), None, 99).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(listed(place, NodeFilter::default(), Some(2), 2).await, [3, 4]);
    assert_eq!(listed(place, region("asia/kr"), None, 99).await, [1, 2, 3]);
    assert_eq!(listed(place, region("asia/kr/seoul"), None, 99).await, [2]);
    assert_eq!(listed(place, region("asia"), None, 99).await, [1, 2, 3, 5]);
    let mine = NodeFilter { owner: Some(member_id(2)), ..region("asia") };
    assert_eq!(listed(place, mine.clone(), None, 99).await, [2]);
    let held = NodeFilter { standing: Some(Standing::Quarantined), ..mine };
    assert_eq!(listed(place, held, None, 99).await, [2]);
    let brief = place.db.read(|q| Ok(fleet::list_brief(q, Some(Alias(1)), 2)?)).await.unwrap();
    assert_eq!(brief.iter().map(|b| b.alias.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((brief[0].standing, brief[0].owner, brief[0].id), (Standing::Quarantined, member_id(2), node_id(1)));
}

async fn what_all_lend_is_summed_without_those_who_left(place: &mut Place) {
    with_nodes(place, 4).await;
    write(place, |tx| {
        (1..=4).try_for_each(|n| fleet::set_lent(tx, Alias(n), Bytes::gib(u64::from(n))).map(drop))?;
        fleet::set_standing(tx, Alias(4), Standing::Left, None, None).map(drop)
    })
    .await;
    assert_eq!(place.db.read(|q| Ok(fleet::lent_in_all(q)?)).await.unwrap(), Bytes::gib(6));
}

async fn a_holiday_ends_by_itself(place: &mut Place) {
    with_nodes(place, 3).await;
    write(place, |tx| {
        fleet::set_standing(tx, Alias(1), Standing::Holiday, None, Some(Stamp(50)))?;
        fleet::set_standing(tx, Alias(2), Standing::Holiday, None, Some(Stamp(60)))?;
        fleet::set_standing(tx, Alias(3), Standing::Quarantined, Some("why"), None).map(drop)
    })
    .await;
    assert_eq!(write(place, |tx| Ok(fleet::end_holidays(tx, Stamp(55))?)).await, [Alias(1)]);
    let standing = |n| {
        let db = place.db.clone();
        async move { db.read(move |q| Ok(fleet::node_by_alias(q, Alias(n))?)).await.unwrap().unwrap().standing }
    };
    let all = (standing(1).await, standing(2).await, standing(3).await);
    assert_eq!(all, (Standing::Active, Standing::Holiday, Standing::Quarantined));
    assert_eq!(write(place, |tx| Ok(fleet::end_holidays(tx, Stamp(55))?)).await, []);
}

async fn changes_of_a_node_read_back(place: &mut Place) {
    with_nodes(place, 1).await;
    let scores = Scores {
        tier: Tier::T2,
        vetted_at: Some(Stamp(9)),
        session_scale: 700,
        missing_after_h: 90,
        day_away: Ppm(40_000),
        profile: std::array::from_fn(|i| i as u8),
    };
    let said = NodeSaid {
        name: "moved".into(),
        declared: "europe/de".parse().ok(),
        region: None,
        evidence: RegionEvidence::Unknown,
        as_number: None,
        net_prefix: None,
        version: 2_000_000,
        lent: Bytes::gib(1),
        accepts: 1,
    };
    let words = said.clone();
    write(place, move |tx| {
        assert!(fleet::set_scores(tx, Alias(1), &scores)?);
        assert!(fleet::update_said(tx, Alias(1), &words)?);
        assert!(fleet::set_standing(tx, Alias(1), Standing::Holiday, Some("sea"), Some(Stamp(77)))?);
        assert!(fleet::set_binding(tx, Alias(1), &member_id(1), &[1, 2])?);
        fleet::set_last_seen(tx, &[(Alias(1), 480_005), (Alias(1), 480_001), (Alias(404), 1)])?;
        assert!(!fleet::rename_node(tx, Alias(404), "x")?);
        Ok(())
    })
    .await;
    let got = by_alias(place, 1).await;
    let scored = Scores {
        tier: got.tier,
        vetted_at: got.vetted_at,
        session_scale: got.session_scale,
        missing_after_h: got.missing_after_h,
        day_away: got.day_away,
        profile: got.profile,
    };
    assert_eq!(scored, scores);
    assert_eq!((got.node.name, got.node.declared, got.node.region), (said.name, said.declared, None));
    assert_eq!((got.node.version, got.node.lent, got.node.accepts), (said.version, said.lent, said.accepts));
    assert_eq!((got.node.as_number, got.node.net_prefix, got.node.owner), (None, None, member_id(1)));
    assert_eq!((got.standing, got.standing_why.as_deref()), (Standing::Holiday, Some("sea")));
    assert_eq!((got.holiday_until, got.node.binding, got.last_seen_hour), (Some(Stamp(77)), vec![1, 2], 480_005));
    write(place, |tx| {
        fleet::set_region(tx, Alias(1), "asia/kr".parse().ok().as_ref(), RegionEvidence::Measured)?;
        fleet::set_standing(tx, Alias(1), Standing::Active, None, None).map(drop)
    })
    .await;
    let got = by_alias(place, 1).await;
    assert_eq!((got.standing, got.standing_why, got.holiday_until), (Standing::Active, None, None));
    assert_eq!((got.node.region, got.node.evidence), ("asia/kr".parse().ok(), RegionEvidence::Measured));
}

async fn a_generation_goes_only_forward(place: &mut Place) {
    with_nodes(place, 1).await;
    for (generation, stands) in [(5, true), (5, false), (4, false), (6, true)] {
        assert_eq!(write(place, move |tx| Ok(fleet::set_generation(tx, Alias(1), generation)?)).await, stands);
    }
    assert_eq!(by_alias(place, 1).await.generation, 6);
}

async fn of_events_the_newest_are_kept(place: &mut Place) {
    with_nodes(place, 2).await;
    write(place, |tx| {
        fleet::add_event(tx, Alias(2), Stamp(1), "joined", "of another node")?;
        (1..=100).try_for_each(|n| fleet::add_event(tx, Alias(1), Stamp(n), "probed", &format!("{n} ms")))
    })
    .await;
    let events = place.db.read(|q| Ok(fleet::events(q, Alias(1), 1_000)?)).await.unwrap();
    assert_eq!(events.len(), fleet::EVENTS_MAX as usize);
    assert_eq!((events[0].at, events[0].text.as_str(), events[0].kind.as_str()), (Stamp(100), "100 ms", "probed"));
    assert!(events.windows(2).all(|pair| pair[0].at > pair[1].at));
    assert_eq!(place.db.read(|q| Ok(fleet::events(q, Alias(2), 9)?)).await.unwrap().len(), 1);
    let long = "x".repeat(fleet::EVENT_TEXT_MAX + 1);
    let refused = place.db.write(move |tx| fleet::add_event(tx, Alias(1), Stamp(1), "k", &long)).await;
    assert_eq!(refused.unwrap_err().id(), errors::TOO_LARGE);
}

fn presence(hour: u64, block: u32, minutes: &[u8]) -> PresenceHour {
    PresenceHour { hour, block, minutes: minutes.to_vec() }
}

async fn presence_is_kept_replaced_and_forgotten(place: &mut Place) {
    let put = |rows: Vec<PresenceHour>| write(place, move |tx| fleet::put_presence_hours(tx, &rows));
    let many: Vec<_> = (0..40).map(|hour| presence(hour, 0, &[hour as u8; 1_000])).collect();
    put(many.clone()).await;
    put(vec![presence(7, 1, &[60]), presence(8, 0, &[1]), presence(8, 0, &[2])]).await;
    let read = |block, from, to| place.db.read(move |q| Ok(fleet::presence_hours(q, block, from, to)?));
    let got = read(0, 7, 10).await.unwrap();
    assert_eq!(got, [many[7].clone(), presence(8, 0, &[2]), many[9].clone()]);
    assert_eq!(read(1, 0, 99).await.unwrap(), [presence(7, 1, &[60])]);
    assert_eq!(write(place, |tx| Ok(fleet::forget_presence_before(tx, 8)?)).await, 9);
    assert_eq!(read(0, 0, 99).await.unwrap().len(), 32);
    let long = presence(1, 0, &[0; 1_001]);
    let refused = place.db.write(move |tx| fleet::put_presence_hours(tx, std::slice::from_ref(&long))).await;
    assert_eq!(refused.unwrap_err().id(), errors::TOO_LARGE);
}

async fn a_hundred_thousand_rows_of_presence_go_in(place: &mut Place) {
    const BLOCKS: u32 = 1_000;
    let began = std::time::Instant::now();
    for hour in 0..100 {
        let rows = (0..BLOCKS).map(|block| presence(hour, block, &spread::<16>(hour * 1_000 + u64::from(block))));
        let rows: Vec<_> = rows.collect();
        write(place, move |tx| fleet::put_presence_hours(tx, &rows)).await;
    }
    println!("100,000 rows in 100 writes: {} ms, postgres {}", began.elapsed().as_millis(), place.is_postgres());
    assert_eq!(place.db.rows_written(), 100_000);
    let got = place.db.read(|q| Ok(fleet::presence_hours(q, 777, 0, 100)?)).await.unwrap();
    assert_eq!(got.len(), 100);
    assert_eq!(got[42].minutes, spread::<16>(42_777));
}
