use super::*;
use crate::hosts::{LAYERS_CALM, Mix};

fn size(nodes: u32, days: u32) -> Size {
    Size { nodes, days, mix: Mix::named("public").unwrap() }
}

#[test]
fn same_seed_same_trace_for_20_seeds_and_other_seeds_differ() {
    let hash = |n| {
        let outcome = run(&Setup::presence(size(30, 6), Seed(n), Mutant::None));
        assert_eq!(outcome.violation, None, "{}", outcome.replay_line());
        outcome.hash
    };
    let hashes: std::collections::BTreeSet<String> = (0..20)
        .map(|n| {
            let first = hash(n);
            assert_eq!(first, hash(n), "seed {n}");
            first
        })
        .collect();
    assert_eq!(hashes.len(), 20);
}

#[test]
fn flapping_harms_no_order_for_10_seeds() {
    for n in 0..10 {
        let outcome = run_flapping(size(30, 6), Seed(n));
        assert_eq!(outcome.violation, None, "{}", outcome.replay_line());
    }
}

/// The rule a spoiled shell breaks first, over some seeds with both crashes on.
fn caught(mutant: Mutant) -> Vec<&'static str> {
    (0..6)
        .filter_map(|n| {
            let mut setup = Setup::presence(size(150, 30), Seed(n), mutant);
            setup.swarm = Swarm::exactly(&[Fault::Crash, Fault::LongCrash]);
            run(&setup).violation.map(|v| v.rule)
        })
        .collect()
}

#[test]
fn the_shell_as_designed_passes_where_spoiled_ones_are_caught() {
    assert_eq!(caught(Mutant::None), Vec::<&str>::new());
    for (mutant, rule) in [
        (Mutant::ForgetsGrace, "never_missing_before_tau"),
        (Mutant::CountsDownTime, "never_missing_before_tau"),
        (Mutant::CountsEarlierDownTimes, "never_missing_before_tau"),
        (Mutant::ForgetsHolidays, "never_missing_on_holiday"),
    ] {
        let rules = caught(mutant);
        assert!(rules.contains(&rule), "{mutant:?} broke {rules:?}");
    }
}

#[test]
fn a_killed_node_is_away_after_two_and_a_half_periods_and_missing_only_after_tau() {
    let mut setup = Setup::presence(size(1, 5), Seed(1), Mutant::None);
    (setup.swarm, setup.layers) = (Swarm::exactly(&[]), LAYERS_CALM);
    let (_, mut fleet) = Fleet::new(&setup);
    let mut world = World::new(START);
    let up = START + Span::mins(1);
    world.at(up, Event::Up { host: 0 });
    world.at(up + Span::hours(1), Event::Down { host: 0, next: None });
    world.run(&mut fleet, up + Span::hours(1)).unwrap();
    let at = |fleet: &Fleet, now| fleet.presence.as_ref().unwrap().state(now, Alias(0));
    let heard = fleet.watch.node(Alias(0)).heard_at.unwrap();
    assert_eq!(at(&fleet, heard + Span::secs(749)), Whereabouts::On);
    assert_eq!(at(&fleet, heard + Span::secs(750)), Whereabouts::Away);
    assert_eq!(at(&fleet, heard + Span::hours(72)), Whereabouts::Away);
    assert_eq!(at(&fleet, heard + Span::hours(72) + Span::ms(1)), Whereabouts::Missing);
}
