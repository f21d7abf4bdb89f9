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
    assert_eq!((outcome.figure("lost"), outcome.figure("lost_segments")), (Some(0.0), Some(0.0)));
    assert_eq!(outcome.figure("repair_ratio_month"), outcome.figure("repair_a_month"));
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

#[test]
fn every_windows_pc_may_go_at_once() {
    let setup = Setup { blow: Blow::System(model::Os::Windows), blow_day: 2, days: 12, ..small(2) };
    let outcome = run(&setup);
    assert_eq!(outcome.violation, None);
    let figure = |id| outcome.figure(id).unwrap();
    assert!(figure("struck") > 550.0, "{}", figure("struck"));
    assert_eq!((figure("lost"), figure("lost_at_once")), (0.0, 0.0));
    assert!(figure("surge_days") > 5.0, "the pool saw it");
}

#[test]
fn indexes_wear_out_unless_those_of_the_gone_are_given_again() {
    let fast = Setup { hasten: 6, knows: Knows::Oracle, days: 60, nodes: 600, groups: 8, ..small(3) };
    let (again, once) = (run(&fast), run(&Setup { indexes: Indexes::Once, ..fast.clone() }));
    let figure = |outcome: &Outcome, id| outcome.figure(id).unwrap();
    assert!(figure(&once, "plans_worn_out") > 10.0 && figure(&once, "indexes_regiven") == 0.0);
    assert!(figure(&again, "indexes_regiven") > 100.0);
    assert!(figure(&again, "alive_min") > figure(&once, "alive_min") + 15.0, "{again:?} {once:?}");
}

#[test]
fn a_recorded_trace_drives_it_too() {
    // Machines on around the clock, and others in one of three parts of the day.
    let mut text = String::new();
    for node in 0..400u64 {
        for day in 0..14 {
            let (from, hours) = if node % 3 == 0 { (0, 24) } else { (node % 3 * 8, 8) };
            let start = (day * 24 + from) * 3_600;
            text += &format!("{node} {start} {}\n", start + hours * 3_600);
        }
    }
    let sessions = crate::avt::read(&text).unwrap().into_values().collect();
    let outcome =
        run(&Setup { hosts: Hosts::Trace { sessions, life_days: 400 }, days: 10, nodes: 400, groups: 5, ..small(4) });
    assert_eq!((outcome.violation.as_ref(), outcome.mix, outcome.figure("lost")), (None, "trace", Some(0.0)));
    let on = outcome.figure("on_share").unwrap();
    assert!((0.5..0.6).contains(&on), "a third always, the others a third of the day: {on}");
}
