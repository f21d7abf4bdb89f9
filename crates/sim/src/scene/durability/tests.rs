//! Short runs: seconds, not years.

use super::*;
use crate::seed::Seed;

fn small(seed: u64) -> Setup {
    Setup { groups: 20, ..Setup::new(900, 40, Seed(seed)) }
}

#[test]
fn a_month_of_home_pcs_loses_nothing_and_every_count_is_that_of_its_pieces() {
    let outcome = run(&small(1));
    assert_eq!(outcome.violation, None);
    assert_eq!(outcome.figure("lost"), Some(0.0));
    let life = outcome.figure("departures_a_node_year").unwrap();
    assert!((1.2..2.6).contains(&life), "{life}");
}

#[test]
fn the_same_seed_does_the_same() {
    let short = |seed| run(&Setup { days: 10, groups: 6, ..small(seed) });
    let (a, b, c) = (short(5), short(5), short(6));
    // What does not exist is no number and equals nothing: compared as it is printed.
    let said = |outcome: &Outcome| format!("{:?}", outcome.figures);
    assert_eq!((&a.hash, said(&a)), (&b.hash, said(&b)));
    assert_ne!(a.hash, c.hash);
}
