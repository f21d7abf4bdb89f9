use super::*;
use model::{FailKind, JobPause, JobState};

pub(super) fn ended(out: &[Effect]) -> Option<JobState> {
    out.iter().find_map(|effect| match effect {
        Effect::JobEnded { state, .. } => Some(*state),
        _ => None,
    })
}

pub(super) fn has(out: &[Effect], is_it: impl Fn(&Effect) -> bool) -> bool {
    out.iter().any(is_it)
}

fn fail(desk: &mut Desk, alias: u32, lease: &Lease, kind: FailKind, detail: u64) -> Vec<Effect> {
    let report = Report::Failed { serial: lease.serial, item: lease.first, kind, detail, fuel: 7 };
    desk.put(Input::Report { node: Alias(alias), report })
}

#[test]
fn a_job_of_ones_own_runs_on_ones_own_machines_and_ends() {
    let mut desk = Desk::new(1);
    desk.put(Input::Submit(job(1, Trust::Own, Check::Off, 20)));
    let (mine, other) = (node(1, 201), node(2, 2));
    assert!(desk.ask(&other, 4).is_empty(), "not on a stranger's");
    let mut last = Vec::new();
    for _ in 0..40 {
        let leases = desk.ask(&mine, 4);
        desk.now = desk.now + Span::secs(1);
        for lease in &leases {
            assert!(lease.direct && lease.serial >> 40 == 1);
            last = desk.work(Alias(1), lease);
        }
        if ended(&last).is_some() {
            break;
        }
    }
    assert_eq!(ended(&last), Some(JobState::Done));
    let progress = desk.progress(1);
    assert_eq!((progress.stages[0].done, progress.stages[0].checked, progress.extra_fuel), (20, 20, 0));
    assert!(
        desk.records
            .iter()
            .any(|record| matches!(record, Record::FuelMax { fuel, .. } if *fuel == limits::AUTO_FUEL_LEAST))
    );
}

#[test]
fn work_that_appears_goes_to_who_waits_and_the_steadier_node_gets_it() {
    let (mut steady, mut young) = (0, 0);
    for seed in 0..50 {
        let mut desk = Desk::new(seed);
        let old = NodeFacts { session_age: Span::hours(8), ..node(1, 1) };
        let new = NodeFacts { session_age: Span::mins(1), speed_milli: 600, ..node(2, 2) };
        assert!(desk.ask(&old, 1).is_empty() && desk.ask(&new, 1).is_empty());
        let out = desk.put(Input::Submit(job(1, Trust::Circle, Check::Off, 1)));
        steady += granted(&out, Alias(1)).len();
        young += granted(&out, Alias(2)).len();
    }
    assert_eq!((steady, young), (50, 0), "(C of choose)");
}

#[test]
fn short_items_are_bundled_after_the_pilots() {
    let mut desk = Desk::new(2);
    desk.put(Input::Submit(job(1, Trust::Own, Check::Off, 10_000)));
    let a = node(1, 201);
    for _ in 0..limits::PILOTS {
        let lease = desk.ask(&a, 1).remove(0);
        assert_eq!(lease.count, 1, "pilots run alone");
        desk.now = desk.now + Span::ms(500);
        desk.work(a.alias, &lease);
    }
    let lease = desk.ask(&a, 1).remove(0);
    assert_eq!(u32::from(lease.count), limits::BUNDLE_ITEMS, "half a second each");
    assert!(lease.expected_fuel > 64_000_000);
    let hurried = NodeFacts { longest: Span::secs(3), ..node(2, 201) };
    assert_eq!(desk.ask(&hurried, 1)[0].count, 6, "its owner's schedule ends in three seconds");
}

#[test]
fn guests_that_fail_alike_end_their_item_and_failing_machines_do_not() {
    let mut desk = Desk::new(6);
    desk.put(Input::Submit(job(1, Trust::Circle, Check::Off, 2)));
    let nodes: Vec<NodeFacts> = (1..6).map(|n| node(n, n as u8)).collect();
    let first = desk.ask(&nodes[0], 1).remove(0);
    fail(&mut desk, 1, &first, FailKind::Guest, 3);
    let again = desk.ask(&nodes[1], 1).remove(0);
    assert_eq!(again.first, first.first, "it comes before what was never tried");
    fail(&mut desk, 2, &again, FailKind::Guest, 3);
    let progress = desk.progress(1);
    assert_eq!(progress.stages[0].failed, 1, "two alike");
    assert_eq!((progress.failures[0].kind, progress.failures[0].detail), (FailKind::Guest, 3));
    for facts in &nodes[..4] {
        let lease = desk.ask(facts, 1).remove(0);
        fail(&mut desk, facts.alias.0, &lease, FailKind::Host, u64::from(facts.alias.0));
        desk.pass(limits::HOST_AGAIN);
    }
    assert_eq!(desk.progress(1).stages[0].failed, 1, "(D of report)");
    let lease = desk.ask(&nodes[4], 1).remove(0);
    assert_eq!(ended(&desk.work(Alias(5), &lease)), Some(JobState::Partial));
    assert_eq!(desk.scheduler.jobs(), [JobId([1; 16])], "kept while it may be run again");
}

#[test]
fn a_deep_guest_gets_one_deeper_stack_and_a_greedy_one_twice_the_memory() {
    let mut desk = Desk::new(7);
    let mut facts = job(1, Trust::Circle, Check::Off, 2);
    facts.stages[0].grow = true;
    desk.put(Input::Submit(facts));
    let (a, b) = (node(1, 1), node(2, 2));
    let deep = desk.ask(&a, 1).remove(0);
    fail(&mut desk, 1, &deep, FailKind::Stack, 0);
    let deeper = desk.ask(&b, 1).remove(0);
    assert!(deeper.deep_stack && !deep.deep_stack);
    fail(&mut desk, 2, &deeper, FailKind::Stack, 0);
    assert_eq!(desk.progress(1).failures[0].kind, FailKind::Stack);
    let greedy = desk.ask(&a, 1).remove(0);
    assert_eq!(greedy.memory_mib, 256);
    fail(&mut desk, 1, &greedy, FailKind::Memory, 0);
    let lease = desk.ask(&b, 1).remove(0);
    assert_eq!(lease.memory_mib, 512);
    assert_eq!(ended(&desk.work(b.alias, &lease)), Some(JobState::Partial));
}

#[test]
fn when_the_first_items_fail_the_job_asks() {
    let mut desk = Desk::new(8);
    desk.put(Input::Submit(job(1, Trust::Circle, Check::Off, 100)));
    let (a, b) = (node(1, 1), node(2, 2));
    let mut failed = 0;
    while let Some(lease) = desk.ask(&a, 1).pop() {
        fail(&mut desk, 1, &lease, FailKind::Trap, 9);
        let lease = desk.ask(&b, 1).remove(0);
        fail(&mut desk, 2, &lease, FailKind::Trap, 9);
        failed += 1;
    }
    assert_eq!((failed, desk.progress(1).pauses), (11, vec![JobPause::ManyFailed]), "more than 20 % of 50");
    desk.put(Input::Retry(JobId([1; 16])));
    assert_eq!(desk.progress(1).stages[0].failed, 0, "all strikes back");
    let lease = desk.ask(&a, 1).remove(0);
    desk.work(a.alias, &lease);
    assert_eq!(desk.progress(1).stages[0].done, 1);
}

#[test]
fn without_a_keeper_nothing_new_is_handed_out() {
    let mut desk = Desk::new(9);
    desk.put(Input::Submit(job(1, Trust::Circle, Check::Off, 2)));
    let (a, b) = (node(1, 1), node(2, 2));
    let lease = desk.ask(&a, 1).remove(0);
    desk.put(Input::Keeper { job: JobId([1; 16]), on: false });
    assert!(desk.ask(&b, 1).is_empty());
    assert_eq!((desk.progress(1).state, desk.progress(1).pauses), (JobState::Paused, vec![JobPause::KeeperOffline]));
    desk.work(a.alias, &lease);
    assert_eq!(desk.progress(1).stages[0].done, 1, "what runs goes on");
    let out = desk.put(Input::Keeper { job: JobId([1; 16]), on: true });
    assert_eq!(granted(&out, b.alias).len(), 1);
}

#[test]
fn a_liar_is_found_named_and_its_unchecked_items_are_run_again() {
    let mut desk = Desk::new(10);
    desk.put(Input::Submit(job(1, Trust::Public, Check::Standard, 400)));
    let nodes: Vec<NodeFacts> = (0..8).map(|n| node(n, n as u8)).collect();
    let mut lies = 0;
    let mut quarantined = None;
    let mut end = None;
    for round in 0..400 {
        for facts in &nodes {
            for lease in desk.ask(facts, 1) {
                let is_lie = facts.alias == Alias(3) && round > 40;
                lies += u32::from(is_lie);
                desk.now = desk.now + Span::secs(15);
                let out = desk.work_as(facts.alias, &lease, |mut result| {
                    result.fuel += u64::from(is_lie) * result.fuel / 100;
                    result
                });
                end = end.or(ended(&out));
                for effect in &out {
                    if let Effect::Quarantine { node, why, .. } = effect {
                        assert_eq!(*node, Alias(3), "nobody else");
                        assert!(why.said.fuel > why.found.fuel && why.by.len() >= 2, "{why:?}");
                        quarantined = Some(round);
                    }
                }
            }
        }
        desk.pass(Span::secs(5));
    }
    assert!(quarantined.is_some() && lies > 0, "one hundredth more fuel is a lie (D of quorum)");
    assert_eq!(end, Some(JobState::Done));
    let progress = desk.progress(1);
    assert_eq!(progress.liars.len(), 1);
    let wrong = (0..400).filter(|item| {
        let kept = desk.records.iter().rev().find_map(|record| match record {
            Record::Done { item: of, vote, .. } if of.item == *item => Some(vote.result),
            _ => None,
        });
        kept != Some(truth(0, *item))
    });
    assert_eq!(wrong.count(), 0, "everything it had done unchecked was run again");
    assert!(desk.scheduler.standing(Alias(3)).is_some_and(|standing| standing.quarantined.is_some()));
}

#[test]
fn standard_is_satisfied_with_three_owners_and_a_check_nobody_can_do_is_waived() {
    let mut desk = Desk::new(11);
    desk.put(Input::Submit(job(1, Trust::Public, Check::Standard, 3)));
    let nodes: Vec<NodeFacts> = (0..3).map(|n| node(n, n as u8)).collect();
    let mut end = None;
    for _ in 0..10 {
        for facts in &nodes {
            for lease in desk.ask(facts, 1) {
                end = end.or(ended(&desk.work(facts.alias, &lease)));
            }
        }
    }
    assert_eq!((end, desk.progress(1).stages[0].checked), (Some(JobState::Done), 3));

    let mut alone = Desk::new(12);
    alone.put(Input::Submit(job(1, Trust::Public, Check::Standard, 1)));
    alone.put(Input::Submit(job(2, Trust::Public, Check::Strict, 1)));
    for _ in 0..2 {
        let leases = alone.ask(&nodes[0], 1);
        leases.iter().for_each(|lease| drop(alone.work(Alias(0), lease)));
    }
    assert_eq!(alone.progress(1).state, JobState::Finishing);
    assert!(
        alone
            .scheduler
            .why_waiting(alone.now, JobId([1; 16]))
            .is_some_and(|why| why.suitable == 0 && why.unfit == [(WhyNot::SameOwner, 1)])
    );
    let out = alone.pass(limits::CHECK_WAIT);
    assert_eq!(ended(&out), Some(JobState::Done), "(F)");
    assert_eq!((alone.progress(1).stages[0].waived, alone.progress(1).stages[0].checked), (1, 0));
    assert_eq!(alone.progress(2).state, JobState::Finishing, "(F) strict waits");
    assert_eq!(ended(&alone.pass(Span::days(7))), Some(JobState::Expired));
}

#[test]
fn a_checker_hears_what_the_first_hears() {
    let mut desk = Desk::new(13);
    desk.put(Input::Submit(job(1, Trust::Public, Check::Fast, 1)));
    let (a, b) = (node(1, 1), node(2, 2));
    let first = desk.ask(&a, 1).remove(0);
    let (verdicts, out) = desk.computed(a.alias, &first, vec![truth(0, 0)]);
    assert_eq!(verdicts, [Verdict::Store]);
    assert!(!has(&out, |e| matches!(e, Effect::Pay(_))), "(D) not on its word");
    let check = desk.ask(&b, 1).remove(0);
    let shape = |lease: &Lease| (lease.job, lease.stage, lease.first, lease.count, lease.max_fuel, lease.direct);
    assert_eq!(shape(&check), shape(&first));
    // The first never stores its output: the checker's is wanted.
    desk.put(Input::Goodbye { node: a.alias });
    let (verdicts, _) = desk.computed(b.alias, &check, vec![truth(0, 0)]);
    assert_eq!(verdicts, [Verdict::Store]);
    assert_eq!(desk.computed(b.alias, &check, vec![truth(0, 0)]).0, [Verdict::Store], "asked again");
    let other = ItemResult { fuel: 1, ..truth(0, 0) };
    assert_eq!(desk.computed(b.alias, &check, vec![other]).0, [Verdict::Refused(Refused::Contradicts)]);
    let (taken, out) = desk.done(b.alias, &check, vec![truth(0, 0)]);
    assert_eq!((taken, ended(&out)), (vec![Taken::Accepted], Some(JobState::Done)));
    let posted = out.iter().filter(|e| matches!(e, Effect::Pay(Pay { act: PayAct::Post, .. }))).count();
    assert_eq!(posted, 2, "both are paid");
}

#[test]
fn circle_machines_that_differ_are_told_and_not_punished() {
    let mut told = 0;
    for seed in 0..40 {
        let mut desk = Desk::new(seed);
        desk.put(Input::Submit(job(1, Trust::Circle, Check::Off, 30)));
        let nodes: Vec<NodeFacts> = (0..4).map(|n| node(n, n as u8)).collect();
        for _ in 0..20 {
            for facts in &nodes {
                for lease in desk.ask(facts, 1) {
                    let out = desk.work_as(facts.alias, &lease, |mut result| {
                        result.hash[9] = u8::from(facts.alias == Alias(0));
                        result
                    });
                    assert!(!has(&out, |e| matches!(e, Effect::Quarantine { .. })));
                }
            }
            desk.pass(Span::secs(10));
        }
        assert_eq!(desk.progress(1).state, JobState::Done);
        told += desk.progress(1).differ.len();
    }
    assert!(told > 3, "2 % of 1,200 items: {told}");
}

#[test]
fn accounts_take_turns_and_ones_own_jobs_come_first() {
    let mut desk = Desk::new(14);
    desk.put(Input::Submit(job(1, Trust::Public, Check::Off, 5_000)));
    desk.put(Input::Submit(job(2, Trust::Public, Check::Off, 5_000)));
    desk.put(Input::Submit(job(3, Trust::Circle, Check::Off, 20)));
    desk.put(Input::Submit(job(4, Trust::Public, Check::Off, 10)));
    let nodes: Vec<NodeFacts> = (0..20).map(|n| node(n, n as u8)).collect();
    let mine = node(30, 204);
    let own: Vec<u8> = desk.ask(&mine, 4).iter().map(|lease| lease.job.0[0]).collect();
    assert_eq!(own, [4; 4], "(A of choose)");
    let mut given = Vec::new();
    for facts in &nodes {
        given.extend(desk.ask(facts, 4).iter().map(|lease| lease.job.0[0]));
    }
    let of = |id: u8| given.iter().filter(|job| **job == id).count();
    assert_eq!((given.len(), of(3)), (80, 20), "circle before public");
    assert!(of(1).abs_diff(of(2)) <= 2 && of(4) == 12, "in turn: {} {} {}", of(1), of(2), of(4));
}

#[test]
fn a_reduce_stage_begins_when_the_map_is_complete() {
    let mut desk = Desk::new(16);
    let mut facts = job(1, Trust::Circle, Check::Off, 2);
    facts.stages.push(stage(1));
    desk.put(Input::Submit(facts));
    let (a, b) = (node(1, 1), node(2, 2));
    let (one, two) = (desk.ask(&a, 1).remove(0), desk.ask(&b, 1).remove(0));
    desk.work(a.alias, &one);
    assert!(desk.ask(&a, 1).is_empty(), "a barrier");
    let out = desk.work(b.alias, &two);
    let reduce = granted(&out, a.alias).remove(0);
    assert_eq!((reduce.stage, reduce.first), (1, 0));
    assert_eq!(ended(&desk.work(a.alias, &reduce)), Some(JobState::Done));
}

#[test]
fn stopping_tells_everybody_and_ends() {
    let mut desk = Desk::new(17);
    desk.put(Input::Submit(job(1, Trust::Circle, Check::Off, 5)));
    let leases = desk.ask(&node(1, 1), 3);
    let out = desk.put(Input::Stop(JobId([1; 16])));
    assert_eq!(out.iter().filter(|e| matches!(e, Effect::Cancel { .. })).count(), leases.len());
    assert_eq!(ended(&out), Some(JobState::Stopped));
    assert!(desk.ask(&node(2, 2), 1).is_empty());
    assert!(!has(&desk.pass(Span(limits::PENDING.as_ms() - 1)), |e| matches!(e, Effect::Folded { .. })));
    let out = desk.pass(Span::ms(1));
    assert!(has(&out, |e| matches!(e, Effect::Folded { job, .. } if *job == JobId([1; 16]))));
    assert!(desk.scheduler.jobs().is_empty(), "forgotten after a day");
}

#[test]
fn a_job_that_ended_leaves_few_records_that_make_it_again() {
    let mut desk = Desk::new(18);
    let facts = job(1, Trust::Public, Check::Standard, 400);
    desk.put(Input::Submit(facts.clone()));
    let nodes: Vec<NodeFacts> = (0..6).map(|n| node(n, n as u8)).collect();
    let mut pays = 0;
    let mut posts = |out: &[Effect]| {
        pays += out.iter().filter(|e| matches!(e, Effect::Pay(Pay { act: PayAct::Post, .. }))).count();
    };
    for _ in 0..400 {
        for facts in &nodes {
            for lease in desk.ask(facts, 1) {
                desk.now = desk.now + Span::secs(12);
                if lease.first == 7 && desk.progress(1).failures.is_empty() {
                    fail(&mut desk, facts.alias.0, &lease, FailKind::Trap, 9);
                    continue;
                }
                posts(&desk.work(facts.alias, &lease));
            }
        }
    }
    let before = desk.progress(1);
    assert_eq!((before.state, before.stages[0].failed), (JobState::Partial, 1));
    let mut folded = Vec::new();
    for _ in 0..200 {
        let out = desk.pass(Span::mins(10));
        posts(&out);
        folded.extend(out.into_iter().filter_map(|effect| match effect {
            Effect::Folded { records, .. } => Some(records),
            _ => None,
        }));
    }
    assert_eq!((folded.len(), desk.scheduler.jobs().len(), desk.scheduler.jobs.len()), (1, 0, 0), "(H of scheduler)");
    assert!(desk.scheduler.served.is_empty() && desk.scheduler.attempts.is_empty() && desk.scheduler.parked.len() <= 6);
    assert!(desk.scheduler.nodes.values().all(|node| node.unchecked.is_empty() && node.leases.is_empty()));
    assert_eq!(pays, desk_runs(&desk), "all that stands is paid by then");
    assert!(folded[0].len() <= 4 && desk.records.len() > 300, "{:?}", folded[0]);
    // Asked for again, it goes on where it was.
    desk.put(Input::Restore(facts, folded.remove(0)));
    let after = desk.progress(1);
    assert_eq!((after.state, &after.stages, &after.failures), (before.state, &before.stages, &before.failures));
    desk.grants.clear();
    desk.put(Input::Retry(JobId([1; 16])));
    assert_eq!(desk.grants.iter().map(|(_, lease)| lease.first).collect::<Vec<_>>(), [7]);
}

/// Results of the first job that agree with what stands.
fn desk_runs(desk: &Desk) -> usize {
    let said = desk.records.iter().filter_map(|record| match record {
        Record::Voted { vote, .. } | Record::Done { vote, .. } => Some((vote.result.item, vote.serial)),
        _ => None,
    });
    said.collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn a_job_costs_no_more_than_its_budget_and_goes_on_with_a_larger_one() {
    let mut desk = Desk::new(11);
    let budget = 2_000_000_000;
    desk.put(Input::Submit(JobFacts { budget, ..job(1, Trust::Circle, Check::Off, 5_000) }));
    let nodes = [node(1, 1), node(2, 2)];
    let run = |desk: &mut Desk| {
        loop {
            nodes.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
            let granted = std::mem::take(&mut desk.grants);
            if granted.is_empty() {
                return;
            }
            granted.iter().for_each(|(node, lease)| drop(desk.work(*node, lease)));
        }
    };
    run(&mut desk);
    let progress = desk.progress(1);
    assert!(progress.fuel <= budget && progress.fuel > budget / 100 * 99, "{}", progress.fuel);
    assert_eq!((progress.state, progress.pauses), (JobState::Paused, vec![JobPause::Budget]));
    desk.put(Input::Budget(JobId([1; 16]), 3 * budget));
    run(&mut desk);
    assert_eq!((desk.progress(1).state, desk.progress(1).stages[0].done), (JobState::Done, 5_000));
}

#[test]
fn more_fuel_than_a_lease_allowed_is_believed_by_nobody() {
    let mut desk = Desk::new(12);
    desk.put(Input::Submit(job(1, Trust::Circle, Check::Off, 1)));
    let (liar, honest) = (node(1, 1), node(2, 2));
    let lease = desk.ask(&liar, 1).remove(0);
    let max = lease.max_fuel;
    let out = desk.work_as(liar.alias, &lease, |result| ItemResult { fuel: max + 1, ..result });
    assert!(!out.iter().any(|effect| matches!(effect, Effect::Pay(_))), "nobody pays for it");
    assert_eq!(desk.progress(1).fuel, 0);
    let lease = desk.ask(&honest, 1).remove(0);
    let out = desk.work(honest.alias, &lease);
    assert!(out.iter().any(|effect| matches!(effect, Effect::Pay(Pay { act: PayAct::Post, .. }))));
}

#[test]
fn while_nothing_is_known_a_budget_lets_two_tasks_run_with_half_of_it_each() {
    let mut desk = Desk::new(13);
    let budget = 8_000_000_000;
    desk.put(Input::Submit(JobFacts { budget, ..job(1, Trust::Circle, Check::Off, 100) }));
    let leases: Vec<Lease> = (1..=5).flat_map(|n| desk.ask(&node(n, n as u8), 1)).collect();
    assert_eq!(leases.len(), limits::PILOTS_PAID);
    assert!(leases.iter().map(|lease| lease.max_fuel).sum::<u64>() <= budget, "none takes what was not set aside");
}
