//! Every row of the tables of `docs/design/storage.md` §3.

use super::*;
use crate::storage::chance::{CountLaw, mass_loss};
use proptest::prelude::*;

fn pool(nodes: u32, owners: u32, always_on: u32, k_covered: u16) -> PoolFacts {
    PoolFacts { nodes, owners, always_on, k_covered }
}

fn readable(scheme: &Scheme, on: f64) -> f64 {
    CountLaw::binomial(scheme.o, on).at_least(scheme.k)
}

#[test]
fn circles_by_the_table() {
    // N, k, n, any … may die, readable with all on 40 % and 80 %.
    let rows = [
        (3, 1, 3, 2, 0.78, 0.992),
        (4, 1, 4, 3, 0.87, 0.998),
        (5, 2, 5, 3, 0.66, 0.993),
        (6, 2, 6, 4, 0.77, 0.998),
        (7, 3, 7, 4, 0.58, 0.995),
        (8, 3, 8, 5, 0.69, 0.999),
        (9, 4, 9, 5, 0.52, 0.997),
        (10, 4, 10, 6, 0.62, 0.999),
        (11, 5, 11, 6, 0.47, 0.998),
    ];
    for (nodes, k, n, may_die, at_40, at_80) in rows {
        let chosen = choose(&pool(nodes.into(), nodes.into(), nodes.into(), 0), Class::Standard).unwrap();
        let s = chosen.scheme;
        assert_eq!((s.k, s.o, s.o - s.k), (k, n, may_die), "N = {nodes}");
        assert_eq!((s.m, s.accept, s.n_max, s.slots), (n - 1, n.min(k + 1), 16, n), "N = {nodes}");
        assert_eq!((chosen.kind, chosen.notice), (PoolKind::Circle, None));
        assert!((readable(&s, 0.4) - at_40).abs() < 0.006, "N = {nodes}: {}", readable(&s, 0.4));
        assert!((readable(&s, 0.8) - at_80).abs() < 0.0006, "N = {nodes}: {}", readable(&s, 0.8));
        assert!(2 * may_die > nodes, "more than half may die");
    }
}

#[test]
fn one_and_two_nodes_have_no_protection_yet() {
    for nodes in [1u16, 2] {
        let chosen = choose(&pool(nodes.into(), 1, 0, 0), Class::Fortress).unwrap();
        assert_eq!((chosen.scheme.k, chosen.scheme.o), (1, nodes));
        assert_eq!(chosen.notice, Some(Notice::NoProtection));
        assert!(chosen.scheme.is_sound());
    }
    let refusal = choose(&pool(0, 0, 0, 0), Class::Standard).unwrap_err();
    assert_eq!(refusal.to_string(), "E0306 too_few_nodes class=standard fit=0 live=0 need=1");
}

#[test]
fn two_always_on_members_lower_k_to_two() {
    let few = choose(&pool(10, 10, 2, 0), Class::Standard).unwrap().scheme;
    assert_eq!((few.k, few.o, few.m, few.accept), (2, 8, 7, 3), "(B)");
    // Two members on 97 %, the rest 40 %.
    let on = |n: usize| CountLaw::of((0..n).map(|i| if i < 2 { 0.97 } else { 0.4 }));
    assert!((on(8).at_least(2) - 0.997).abs() < 0.001, "{}", on(8).at_least(2));
    assert!((on(10).at_least(4) - 0.881).abs() < 0.001, "{}", on(10).at_least(4));
}

#[test]
fn neighborhoods_by_the_table() {
    // N, k, loss when half die at once.
    for (nodes, k, loss) in [(24, 7, 1.1e-2), (48, 14, 1.0e-3), (96, 28, 1e-5)] {
        let s = choose(&pool(nodes.into(), nodes.into(), 0, 99), Class::Eco).unwrap().scheme;
        assert_eq!((s.k, s.o, s.slots), (k, nodes, nodes));
        assert_eq!((s.m, s.accept), ((nodes * 77).div_ceil(100), k + 2.max(k.div_ceil(4))));
        assert_eq!(s.n_max, (2 * nodes).min(160));
        let counted = mass_loss(k, nodes, 0.5);
        assert!((counted / loss - 1.0).abs() < 0.35, "N = {nodes}: {counted:e}");
    }
    assert_eq!(neighborhood(48, 9).k, 9, "(C) coverage lowers k");
    assert_eq!(neighborhood(48, 0).k, 2, "floor");
}

#[test]
fn public_classes_by_the_table() {
    // k, m, o, slots, n_max, accept, stored in hundredths.
    let rows = [
        (Class::Eco, [32, 56, 72, 80, 96, 40], 225),
        (Class::Standard, [32, 80, 104, 112, 144, 44], 325),
        (Class::Fortress, [32, 112, 136, 144, 160, 48], 425),
    ];
    for (class, [k, m, o, slots, n_max, accept], stored) in rows {
        let chosen = choose(&pool(500, 120, 60, 0), class).unwrap();
        assert_eq!(chosen.scheme, Scheme { k, m, o, slots, n_max, accept });
        assert_eq!((chosen.kind, o * 100 / k), (PoolKind::Public, stored));
    }
}

#[test]
fn a_young_group_is_acknowledged_by_its_vetted_members_alone() {
    for vetted in 1..=60u16 {
        let probation = u16::try_from(probation_of_young(vetted.into())).unwrap();
        let all = vetted + probation;
        assert!(probation <= 1 || probation * 10 <= all, "a tenth: {vetted}");
        for always_on in [1, vetted] {
            let scheme = circle(all.min(CIRCLE_MAX), always_on).unwrap();
            assert!(all > CIRCLE_MAX || scheme.accept <= vetted, "{vetted}");
            assert!(scheme.k <= vetted, "without them all the same: {vetted}");
        }
        assert!(all <= CIRCLE_MAX || neighborhood(all, all).accept <= vetted, "{vetted}");
    }
    assert_eq!([0, 1, 2, 17, 18, 90].map(probation_of_young), [0, 0, 1, 1, 2, 10]);
}

#[test]
fn the_kind_of_a_pool_follows_its_nodes_and_owners() {
    let rows = [
        (1, 1, PoolKind::Circle),
        (11, 11, PoolKind::Circle),
        (12, 1, PoolKind::Neighborhood),
        (119, 119, PoolKind::Neighborhood),
        (4_000, 119, PoolKind::Neighborhood),
        (120, 120, PoolKind::Public),
    ];
    for (nodes, owners, kind) in rows {
        assert_eq!(PoolKind::of(nodes, owners), kind, "{nodes} of {owners}");
        assert_eq!(kind.ranks(Trust::Circle) == Ranks::Waived, kind != PoolKind::Public);
        assert_eq!(kind.ranks(Trust::Public), Ranks::Count);
    }
}

#[test]
fn few_always_on_nodes_are_said_or_refused() {
    let thin = pool(1_000, 900, 99, 0);
    assert_eq!(choose(&thin, Class::Eco).unwrap().notice, None, "(E)");
    assert_eq!(choose(&thin, Class::Standard).unwrap().notice, Some(Notice::ReadsMayWait), "(E)");
    let refusal = choose(&thin, Class::Fortress).unwrap_err();
    assert_eq!(refusal.to_string(), "E0317 class_not_offered class=fortress have=99 need=100", "(E)");
    assert!(choose(&pool(1_000, 900, 100, 0), Class::Fortress).is_ok());
}

#[test]
fn before_a_month_of_history_the_owner_s_word_or_no_gap_counts() {
    let young = Steadiness { age: Span::hours(1), on: Ppm(0), is_declared: false, had_gap: false };
    let rows = [
        (young, true),
        (Steadiness { had_gap: true, ..young }, false),
        (Steadiness { had_gap: true, is_declared: true, ..young }, true),
        (Steadiness { age: HISTORY, is_declared: true, ..young }, false),
        (Steadiness { age: HISTORY, on: ALWAYS_ON, had_gap: true, ..young }, true),
        (Steadiness { age: HISTORY, on: Ppm(949_999), ..young }, false),
    ];
    for (facts, expected) in rows {
        assert_eq!(facts.is_always_on(), expected, "{facts:?}");
    }
    let after = Span::mins(10);
    assert!(young.is_steward_by_waiver(after));
    assert!(!Steadiness { age: Span::mins(9), ..young }.is_steward_by_waiver(after));
    assert!(
        !Steadiness { had_gap: true, is_declared: true, ..young }.is_steward_by_waiver(after),
        "a word is no uptime"
    );
}

proptest! {
    #[test]
    fn every_scheme_is_sound(nodes in 0u32..5_000, owners: u32, always_on: u32, k_covered: u16, code in 0u8..3) {
        let class = Class::from_code(code).unwrap();
        let facts = pool(nodes, owners % (nodes + 1), always_on % (nodes + 1), k_covered);
        let Ok(chosen) = choose(&facts, class) else {
            prop_assert!(nodes == 0 || class == Class::Fortress);
            return Ok(());
        };
        let s = chosen.scheme;
        prop_assert!(s.is_sound(), "(A) {s:?}");
        match chosen.kind {
            PoolKind::Circle => prop_assert!(u32::from(s.k) <= facts.always_on.max(1), "(B)"),
            PoolKind::Neighborhood => prop_assert!(u32::from(s.k) <= 2.max(nodes * 3 / 10) && s.k <= k_covered.max(2), "(C)"),
            PoolKind::Public => prop_assert_eq!(s, public(class), "(D)"),
        }
    }
}

#[test]
fn where_ranks_count_only_the_vetted_stand_for_an_acknowledgement() {
    let vetted = |ranks: Ranks| [Tier::T0, Tier::T1, Tier::T2, Tier::T3].map(|tier| ranks.vetted(tier));
    assert_eq!(vetted(Ranks::Count), [false, false, true, true]);
    assert_eq!(vetted(Ranks::Waived), [true; 4]);
}
