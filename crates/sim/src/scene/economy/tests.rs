//! A small cloud, for a few months: the same seed gives the same rows, sums are zero, and the model feels debt first.

use super::*;
use rules::ledger::replay::Replay;

fn small(name: &str, seed: u64) -> Setup {
    Setup { policy: policy(name).unwrap(), ..Setup::new(200, 300, Seed(seed)) }
}

fn figure(outcome: &Outcome, id: &str) -> f64 {
    outcome.figure(id).unwrap()
}

#[test]
fn same_seed_same_rows() {
    let short = |name, seed| run(&Setup { days: 60, ..small(name, seed) }).hash;
    assert_eq!(short("final", 1), short("final", 1));
    assert_ne!(short("final", 1), short("final", 2));
    assert_ne!(short("final", 1), short("pro-rata", 1));
}

#[test]
fn every_policy_keeps_the_book_and_its_sums_are_zero() {
    for policy in POLICIES {
        let outcome = run(&Setup { days: 60, ..small(policy.name, 3) });
        assert_eq!(outcome.violation, None, "{}", policy.name);
        assert_eq!((figure(&outcome, "sum_of_balances"), figure(&outcome, "checks")), (0.0, 2.0), "{}", policy.name);
        assert!(figure(&outcome, "rows") > 1_000.0, "{}", policy.name);
    }
}

#[test]
fn the_rows_alone_give_the_same_state() {
    let (outcome, scene) = run_keeping(&Setup { days: 120, ..small("bridge", 4) }, true);
    assert_eq!(outcome.violation, None);
    let mut replay = Replay::default();
    let rows = scene.books.kept.as_ref().unwrap();
    rows.iter().for_each(|row| replay.row(row).unwrap());
    assert_eq!(replay.rows(), scene.books.rows());
    let hash = rules::ledger::replay::state_hash(scene.books.accounts(), scene.books.holds());
    assert_eq!(replay.state_hash(), hash, "ids are looked for in all rows there, here in those of a day");
    let codes: std::collections::BTreeSet<u16> = rows.iter().map(|row| row.code.number()).collect();
    for code in [100, 101, 102, 110, 140, 150, 300, 301, 302, 310, 311, 312, 320, 400, 410, 411] {
        assert!(codes.contains(&code), "a row of code {code}");
    }
}

#[test]
fn the_model_feels_debt_first_where_pieces_can_follow_it() {
    for seed in [1, 2] {
        let [without, with] = ["pro-rata", "changed-anew"].map(|name| run(&small(name, seed)));
        assert_eq!((&without.violation, &with.violation), (&None, &None));
        let (short, less) = (figure(&without, "fair_short_share"), figure(&with, "fair_short_share"));
        assert!(less < short / 2.0, "seed {seed}: {short} without, {less} with");
    }
}

#[test]
fn in_a_small_pool_groups_take_half_of_all_machines_and_the_weight_is_lost() {
    let [without, with] = ["pro-rata", "tau-10"].map(|name| figure(&run(&small(name, 1)), "fair_short_share"));
    assert!((without - with).abs() < 0.05, "{without} without, {with} with");
}

#[test]
fn prices_follow_bad_debt_and_a_circle_is_small() {
    let outcome = run(&small("final", 1));
    assert!(figure(&outcome, "book_versions") > 1.0, "the insurance share was changed");
    let circle = run(&Setup { days: 200, ..small("circle", 1) });
    assert_eq!((circle.nodes, figure(&circle, "groups_opened")), (CIRCLE_MEMBERS, 0.0));
    assert!(figure(&circle, "always_on_served_share") > 0.0);
}
