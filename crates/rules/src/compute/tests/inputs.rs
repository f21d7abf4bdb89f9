//! Results that were not made from the same thing: nobody is blamed for them, and nobody gets away with saying so.

use super::*;
use model::{FailKind, JobState};
use std::collections::BTreeMap;

const JOB: JobId = JobId([1; 16]);

/// What a node says that was given another input.
fn elsewhere(result: ItemResult, of: u8) -> ItemResult {
    let mut hash = result.hash;
    hash[20] ^= of;
    ItemResult { hash, of: [of; 32], ..result }
}

struct Ran {
    desk: Desk,
    pays: BTreeMap<(Alias, PayAct), u32>,
    quarantined: Vec<Alias>,
    /// Runs of node 3, and how many of its items another ran too.
    runs: u32,
}

/// Eight known nodes do a job; node 3 runs something else whenever `is_other` says so.
fn run(seed: u64, facts: JobFacts, is_other: impl Fn(u32) -> bool) -> Ran {
    let mut ran = Ran { desk: Desk::new(seed), pays: BTreeMap::new(), quarantined: Vec::new(), runs: 0 };
    let desk = &mut ran.desk;
    let nodes: Vec<NodeFacts> = (0..8).map(|n| node(n, n as u8)).collect();
    for facts in &nodes {
        let standing = Standing { validated: 200, quarantined: None };
        desk.put(Input::Known { node: facts.alias, standing });
    }
    desk.put(Input::Submit(facts));
    for _ in 0..3_000 {
        for facts in &nodes {
            for lease in desk.ask(facts, 1) {
                let is_it = facts.alias == Alias(3);
                ran.runs += u32::from(is_it);
                let is_other = is_it && is_other(ran.runs);
                desk.now = desk.now + Span::secs(12);
                let out = desk.work_as(facts.alias, &lease, |r| if is_other { elsewhere(r, 7) } else { r });
                for effect in &out {
                    match effect {
                        Effect::Pay(pay) => *ran.pays.entry((pay.node, pay.act)).or_default() += 1,
                        Effect::Quarantine { node, .. } => ran.quarantined.push(*node),
                        _ => {}
                    }
                }
            }
        }
        desk.pass(Span::secs(5));
        if desk.progress(1).state.is_over() {
            break;
        }
    }
    ran
}

fn wrong(desk: &Desk, items: u32) -> usize {
    let last = |item: u32| {
        desk.records.iter().rev().find_map(|record| match record {
            Record::Done { item: of, vote, .. } if of.item == item => Some(vote.result),
            _ => None,
        })
    };
    (0..items).filter(|item| last(*item) != Some(truth(0, *item))).count()
}

#[test]
fn who_was_given_another_input_is_told_and_not_blamed() {
    // A keeper gives one machine something else twice, the other machines what they should get.
    let ran = run(1, job(1, Trust::Public, Check::Strict, 60), |run| run == 5 || run == 9);
    let progress = ran.desk.progress(1);
    assert_eq!((progress.state, progress.liars.len(), ran.quarantined.len()), (JobState::Done, 0, 0));
    assert_eq!((progress.differ.len(), wrong(&ran.desk, 60)), (2, 0));
    let told = &progress.differ[0];
    assert!(told.node == Alias(3) && told.said.of == [7; 32] && told.found.of == [9; 32] && told.by.len() >= 2);
    let standing = ran.desk.scheduler.standing(Alias(3)).unwrap();
    assert!(standing.quarantined.is_none() && standing.validated > 200, "it passes its other checks: {standing:?}");
    let paid = ran.pays.get(&(Alias(3), PayAct::Post)).copied().unwrap_or(0);
    assert_eq!((paid, ran.pays.get(&(Alias(3), PayAct::Forfeit))), (ran.runs, None), "paid for all it did");
}

#[test]
fn saying_that_it_ran_something_else_is_no_way_out_of_being_checked() {
    for check in [Check::Fast, Check::Standard] {
        let ran = run(2, job(1, Trust::Public, check, 1_500), |_| true);
        let progress = ran.desk.progress(1);
        assert_eq!((progress.state, wrong(&ran.desk, 1_500)), (JobState::Done, 0), "all it did is run again");
        assert_eq!(ran.quarantined, [], "nobody knows whether it lied");
        assert!(progress.differ.len() > limits::OTHER_INPUT_MAX);
        let post = ran.pays.get(&(Alias(3), PayAct::Post)).copied().unwrap_or(0);
        assert!(post as usize <= limits::OTHER_INPUT_MAX, "{post} paid");
        let standing = ran.desk.scheduler.standing(Alias(3)).unwrap();
        assert_eq!(*standing, Standing { validated: 200, quarantined: None }, "no keeper can spoil it for others");
        assert_eq!(ran.desk.scheduler.validated_in(0, Alias(3)), 0, "in this job all it says is checked");
        // A restart does not forget it.
        let mut desk = ran.desk;
        desk.restart(&[job(1, Trust::Public, check, 1_500)]);
        assert_eq!(desk.scheduler.validated_in(0, Alias(3)), 0);
    }
}

#[test]
fn when_all_were_given_different_inputs_the_item_is_given_up() {
    let mut desk = Desk::new(3);
    desk.put(Input::Submit(job(1, Trust::Public, Check::Fast, 1)));
    let mut out = Vec::new();
    for n in 1..=5u8 {
        let lease = desk.ask(&node(n.into(), n), 1).remove(0);
        out = desk.work_as(Alias(n.into()), &lease, |result| ItemResult { of: [n; 32], ..result });
        assert!(!out.iter().any(|effect| matches!(effect, Effect::Quarantine { .. })));
    }
    let ends = out.iter().any(|effect| matches!(effect, Effect::JobEnded { state: JobState::Failed, .. }));
    let progress = desk.progress(1);
    assert!(ends && progress.failures[0].kind == FailKind::Input, "(E, F of quorum) {progress:?}");
    assert_eq!((progress.liars.len(), progress.differ.len()), (0, 4));
}

#[test]
fn a_liar_among_equal_inputs_is_blamed_and_who_had_another_is_not() {
    let mut desk = Desk::new(4);
    desk.put(Input::Submit(job(1, Trust::Public, Check::Strict, 1)));
    let nodes: Vec<NodeFacts> = (1..=4).map(|n| node(n, n as u8)).collect();
    let leases: Vec<Lease> = nodes[..2].iter().map(|facts| desk.ask(facts, 1).remove(0)).collect();
    desk.work_as(Alias(1), &leases[0], |result| elsewhere(result, 3));
    desk.work_as(Alias(2), &leases[1], |result| ItemResult { fuel: result.fuel + 1, ..result });
    let third = desk.ask(&nodes[2], 1).remove(0);
    desk.work(Alias(3), &third);
    let fourth = desk.ask(&nodes[3], 1).remove(0);
    let out = desk.work(Alias(4), &fourth);
    let found: Vec<Alias> = out
        .iter()
        .filter_map(|effect| match effect {
            Effect::Quarantine { node, .. } => Some(*node),
            _ => None,
        })
        .collect();
    assert_eq!(found, [Alias(2)]);
    assert_eq!(desk.progress(1).differ.iter().map(|told| told.node).collect::<Vec<_>>(), [Alias(1)]);
    assert_eq!(desk.scheduler.standing(Alias(1)).unwrap().validated, 0, "and not counted as a check passed");
}

#[test]
fn a_repeated_item_with_another_input_blames_nobody() {
    let mut blamed = 0;
    let mut repeated = 0;
    for seed in 0..6 {
        let mut desk = Desk::new(seed);
        let nodes: Vec<NodeFacts> = (0..5).map(|n| node(n, n as u8)).collect();
        desk.put(Input::Submit(job(1, Trust::Public, Check::Fast, 600)));
        for _ in 0..300 {
            for facts in &nodes {
                for lease in desk.ask(facts, 1) {
                    let stage = &desk.scheduler.jobs[&0].stages[0];
                    // The first that repeats a known item is given another input, who decides between them is not.
                    let ballots = stage.items.get(&lease.first).map_or(0, |entry| entry.ballots.len());
                    let is_canary = stage.verified.get(lease.first) && ballots == 1;
                    repeated += u32::from(is_canary);
                    desk.now = desk.now + Span::secs(12);
                    let out = desk.work_as(facts.alias, &lease, |r| if is_canary { elsewhere(r, 5) } else { r });
                    blamed += out.iter().filter(|effect| matches!(effect, Effect::Quarantine { .. })).count();
                }
            }
            desk.pass(Span::secs(5));
        }
        assert_eq!((desk.progress(1).state, wrong(&desk, 600)), (JobState::Done, 0));
        assert_eq!(desk.scheduler.jobs().len(), 1);
        assert_eq!(desk.scheduler.key(JOB), Some(0));
    }
    assert!(repeated > 5, "{repeated}");
    assert_eq!(blamed, 0);
}

#[test]
fn the_same_bytes_of_another_input_are_no_check_passed() {
    let mut desk = Desk::new(5);
    desk.put(Input::Submit(job(1, Trust::Public, Check::Strict, 1)));
    let nodes: Vec<NodeFacts> = (1..=3).map(|n| node(n, n as u8)).collect();
    let leases: Vec<Lease> = nodes[..2].iter().map(|facts| desk.ask(facts, 1).remove(0)).collect();
    desk.work_as(Alias(1), &leases[0], |result| ItemResult { of: [7; 32], ..result });
    desk.work(Alias(2), &leases[1]);
    assert_eq!(desk.progress(1).stages[0].checked, 0, "two results of different inputs agree on nothing");
    let third = desk.ask(&nodes[2], 1).remove(0);
    desk.work(Alias(3), &third);
    let validated = |n| desk.scheduler.standing(Alias(n)).unwrap().validated;
    assert_eq!((validated(1), validated(2), validated(3)), (0, 1, 1));
    assert_eq!(desk.progress(1).differ.iter().map(|told| told.node).collect::<Vec<_>>(), [Alias(1)]);
}
