//! Blocks between map and reduce: who holds them, who merges where, and what follows when they are gone.

use super::*;
use crate::compute::shuffle::holder;
use model::{FailKind, JobState};
use std::collections::BTreeSet;

const JOB: JobId = JobId([1; 16]);

fn mapreduce(trust: Trust, check: Check, maps: u32, parts: u32) -> JobFacts {
    let mut facts = job(1, trust, check, maps);
    facts.stages[0].parts = parts;
    facts.stages.push(stage(parts));
    facts
}

fn nodes(n: u32) -> Vec<NodeFacts> {
    (1..=n).map(|n| NodeFacts { session_age: Span::hours(8), ..node(n, n as u8) }).collect()
}

/// Machines of the submitter's own: nothing is drawn for a check.
fn own(n: u32) -> Vec<NodeFacts> {
    nodes(n).into_iter().map(|facts| NodeFacts { owner: MemberId([201; 16]), ..facts }).collect()
}

fn missing(desk: &mut Desk, node: Alias, lease: &Lease, items: &[u32]) -> Vec<Effect> {
    let report = Report::Missing { serial: lease.serial, stage: 0, items: items.to_vec() };
    let out = desk.put(Input::Report { node, report });
    assert!(out.iter().any(|effect| matches!(effect, Effect::Noted { serial, .. } if *serial == lease.serial)));
    out
}

/// All nodes do what there is of a stage, a slot each, until nothing of it is handed out any more.
fn do_stage(desk: &mut Desk, all: &[NodeFacts], stage: u8) {
    for _ in 0..2_000 {
        all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
        let given = std::mem::take(&mut desk.grants);
        let (ours, later): (Vec<_>, Vec<_>) = given.into_iter().partition(|(_, lease)| lease.stage == stage);
        later.iter().for_each(|(node, lease)| give_back(desk, *node, lease));
        ours.iter().for_each(|(node, lease)| drop(desk.work(*node, lease)));
        desk.pass(Span::ms(100));
        let stands = desk.progress(1).stages[usize::from(stage)];
        if stands.done == stands.items && stands.checking == 0 && ours.is_empty() {
            return clear(desk);
        }
    }
    panic!("stage {stage} does not end");
}

fn accepted(desk: &Desk) -> BTreeSet<(u32, u64)> {
    let shuffle = desk.scheduler.shuffle(JOB, 0).expect("its outputs are cut into parts");
    shuffle.items(0).map(|kept| (kept.vote.result.item, kept.vote.serial)).collect()
}

fn give_back(desk: &mut Desk, node: Alias, lease: &Lease) {
    desk.put(Input::Report { node, report: Report::Over { serial: lease.serial } });
}

/// Unparks everybody and takes all leases back, so that each who asks next is answered alone.
fn clear(desk: &mut Desk) {
    let asks: Vec<u64> = desk.scheduler.parked.keys().copied().collect();
    asks.into_iter().for_each(|ask| drop(desk.put(Input::Unpark { ask })));
    let given = std::mem::take(&mut desk.grants);
    given.iter().for_each(|(node, lease)| give_back(desk, *node, lease));
}

#[test]
fn holders_are_chosen_with_the_first_lease_and_kept_over_restarts() {
    let mut desk = Desk::new(1);
    let facts = mapreduce(Trust::Circle, Check::Off, 40, 6);
    desk.put(Input::Submit(facts.clone()));
    let all = nodes(4);
    all.iter().take(3).for_each(|facts| drop(desk.put(Input::Back { node: facts.alias })));
    let first = desk.ask(&all[0], 1).remove(0);
    assert_eq!((first.holders.as_slice(), first.spill), (&[Alias(1)][..], false), "nobody else is there yet");
    assert_eq!(desk.ask(&all[1], 1)[0].holders, [Alias(1), Alias(2)], "hardly anything lies anywhere yet");
    desk.restart(std::slice::from_ref(&facts));
    assert_eq!(desk.scheduler.shuffle(JOB, 0).unwrap().holders, [Alias(1), Alias(2)]);

    let mut desk = Desk::new(2);
    all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
    let young = NodeFacts { session_age: Span::mins(5), ..node(9, 9) };
    desk.ask_all(&young, 1);
    desk.put(Input::Submit(mapreduce(Trust::Circle, Check::Off, 40, 4)));
    let lease = desk.grants[0].1.clone();
    let chosen: BTreeSet<Alias> = lease.holders.iter().copied().collect();
    assert_eq!(chosen, all.iter().map(|facts| facts.alias).collect(), "steady ones first, one a part");
    assert!(desk.grants.iter().all(|(_, other)| other.holders == lease.holders));
    assert!(desk.scheduler.shuffle(JOB, 1).is_none(), "its outputs are ordinary objects");
}

#[test]
fn outputs_that_no_next_stage_merges_are_ordinary() {
    let mut desk = Desk::new(3);
    let mut facts = mapreduce(Trust::Circle, Check::Off, 4, 6);
    facts.stages[1].items = 5;
    desk.put(Input::Submit(facts));
    assert_eq!(desk.ask(&nodes(1)[0], 1)[0].holders, []);
    assert!(desk.scheduler.shuffle(JOB, 0).is_none());
}

#[test]
fn a_part_is_merged_where_it_lies_and_elsewhere_after_three_seconds() {
    let mut desk = Desk::new(4);
    let all = own(4);
    all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
    desk.put(Input::Submit(mapreduce(Trust::Own, Check::Off, 12, 40)));
    do_stage(&mut desk, &all, 0);
    let holders = desk.scheduler.shuffle(JOB, 0).unwrap().holders;
    let stranger = NodeFacts { session_age: Span::hours(8), ..node(9, 201) };
    desk.ask_all(&stranger, 2);
    assert_eq!(desk.grants, [], "kept for who holds them");
    for facts in &all {
        let lease = desk.ask(facts, 1).remove(0);
        assert_eq!((lease.stage, holder(&holders, lease.first)), (1, Some(facts.alias)));
        desk.work(facts.alias, &lease);
    }
    // The stage was ready before the stranger came: it waits no longer than the rest of the time.
    let before = desk.grants.clone();
    let out = desk.pass(limits::HOLDER_WAIT);
    assert!(!granted(&out, stranger.alias).is_empty(), "(D) {before:?} a slot waits no longer than that");
    let lease = desk.ask(&all[2], 1).remove(0);
    assert_eq!(holder(&holders, lease.first), Some(Alias(3)), "its own come first all the same");
}

#[test]
fn the_timer_frees_what_was_kept_and_a_dead_holder_is_not_waited_for() {
    let mut desk = Desk::new(5);
    let all = own(3);
    all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
    desk.put(Input::Submit(mapreduce(Trust::Own, Check::Off, 3, 3)));
    let leases = std::mem::take(&mut desk.grants);
    let stranger = NodeFacts { session_age: Span::hours(8), ..node(9, 201) };
    desk.ask_all(&stranger, 4);
    desk.put(Input::Goodbye { node: Alias(2) });
    desk.put(Input::Suspect { node: Alias(3) });
    let (gone, held): (Vec<_>, Vec<_>) = leases.into_iter().partition(|(node, _)| *node == Alias(2));
    assert_eq!(gone.len(), 1);
    let holders = held[0].1.holders.clone();
    for (node, lease) in &held {
        desk.work(*node, lease);
        desk.put(Input::Suspect { node: Alias(3) });
    }
    let begun = desk.now;
    let (node, lease) = desk.grants.pop().expect("what the dead one had");
    assert_eq!((node, lease.stage), (Alias(9), 0));
    desk.ask_all(&stranger, 4);
    desk.work(node, &lease);
    let given: Vec<u32> = desk.grants.iter().map(|(_, lease)| lease.first).collect();
    let wanted: Vec<u32> = (0..3).filter(|part| holder(&holders, *part) != Some(Alias(1))).collect();
    assert_eq!(given.len(), 3 - 1, "those of the dead and the suspect at once: {given:?}");
    assert!(wanted.iter().all(|part| given.contains(part)));
    let wake = desk.scheduler.handle(desk.now, Input::Tick, &mut desk.rng);
    drop(wake);
    desk.ask_all(&stranger, 4);
    assert_eq!(desk.grants.len(), 2);
    desk.pass(Span::ms(2_999));
    assert_eq!(desk.grants.len(), 2);
    desk.pass(Span::ms(1));
    assert_eq!((desk.grants.len(), desk.now.since(begun)), (3, limits::HOLDER_WAIT), "woken for it");
}

#[test]
fn lost_blocks_are_made_again_in_one_wave_and_nothing_is_merged_meanwhile() {
    let mut desk = Desk::new(6);
    let all = own(4);
    all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
    let facts = mapreduce(Trust::Own, Check::Off, 12, 8);
    desk.put(Input::Submit(facts.clone()));
    do_stage(&mut desk, &all, 0);
    let before = accepted(&desk);
    let (a, b) = (desk.ask(&all[0], 1).remove(0), desk.ask(&all[1], 1).remove(0));
    let out = missing(&mut desk, Alias(1), &a, &[3, 4, 99]);
    let reruns = |out: &[Effect]| {
        let rerun = |effect: &Effect| match effect {
            Effect::Record(Record::Rerun { wave, items, .. }) => Some((*wave, items.clone())),
            _ => None,
        };
        out.iter().filter_map(rerun).collect::<Vec<_>>()
    };
    assert_eq!(reruns(&out), [(1, vec![3, 4])], "(B)");
    assert_eq!(reruns(&missing(&mut desk, Alias(2), &b, &[4, 5])), [(1, vec![5])], "(B) one wave");
    assert_eq!(desk.scheduler.shuffle(JOB, 0).unwrap().waves, 1);
    let progress = desk.progress(1);
    assert_eq!((progress.stages[0].done, progress.retried, progress.moved), (9, 0, 0), "neither lost nor failed");
    let _ = missing(&mut desk, Alias(2), &b, &[]);
    assert_eq!(desk.progress(1).retried, 0, "who has seen that a wave is under way has not failed");
    // After a restart the same is known.
    let mut twin = desk.scheduler.clone();
    desk.restart(std::slice::from_ref(&facts));
    assert_eq!((desk.progress(1).stages[0].done, desk.scheduler.shuffle(JOB, 0).unwrap().waves), (9, 1));
    std::mem::swap(&mut desk.scheduler, &mut twin);
    let again: Vec<Lease> = all.iter().flat_map(|facts| desk.ask(facts, 2)).collect();
    let items: BTreeSet<u32> = again.iter().map(|lease| lease.first).collect();
    assert_eq!((items, again.len()), ([3, 4, 5].into(), 3), "nothing else, and nothing of the reducers");
    assert!(again.iter().all(|lease| lease.stage == 0 && !lease.holders.is_empty()));
    let by: BTreeSet<(u32, u64)> = again.iter().map(|lease| (lease.first, lease.serial)).collect();
    desk.grants.clear();
    for lease in &again {
        let node = desk.scheduler.attempts[&lease.serial].node;
        desk.work(node, lease);
    }
    let after = accepted(&desk);
    assert_eq!(after.difference(&before).copied().collect::<BTreeSet<_>>(), by, "each accepted anew");
    do_stage(&mut desk, &all, 1);
    assert_eq!(desk.progress(1).state, JobState::Done);
}

#[test]
fn who_missed_what_has_been_made_again_since_simply_gets_its_part_back() {
    let mut desk = Desk::new(7);
    let all = own(3);
    all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
    desk.put(Input::Submit(mapreduce(Trust::Own, Check::Off, 3, 3)));
    do_stage(&mut desk, &all, 0);
    let (a, b) = (desk.ask(&all[0], 1).remove(0), desk.ask(&all[1], 1).remove(0));
    missing(&mut desk, Alias(1), &a, &[0]);
    let again = desk.ask(&all[2], 1).remove(0);
    desk.pass(Span::secs(1));
    desk.work(Alias(3), &again);
    let out = missing(&mut desk, Alias(2), &b, &[0]);
    assert!(!out.iter().any(|effect| matches!(effect, Effect::Record(_))), "nothing follows");
    assert_eq!(desk.scheduler.shuffle(JOB, 0).unwrap().waves, 1);
    assert_eq!(desk.ask(&all[1], 1)[0].first, b.first);
    // Of a stage that is no merger's nothing is believed.
    let out = missing(&mut desk, Alias(3), &Lease { serial: 99, ..b }, &[0]);
    assert_eq!(out.len(), 1);
}

#[test]
fn after_three_waves_blocks_go_through_storage_and_a_liar_merges_no_more() {
    let mut desk = Desk::new(8);
    let all = nodes(4);
    all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
    let facts = mapreduce(Trust::Circle, Check::Off, 8, 8);
    desk.put(Input::Submit(facts.clone()));
    do_stage(&mut desk, &all, 0);
    let (mut reruns, mut says) = (0, 0);
    // One who says for ever that everything is missing.
    for _ in 0..200 {
        desk.pass(limits::INPUT_AGAIN);
        all.iter().for_each(|facts| drop(desk.put(Input::Back { node: facts.alias })));
        let Some(lease) = desk.ask(&all[0], 1).pop() else { break };
        if lease.stage == 0 {
            assert_eq!(lease.spill, desk.scheduler.shuffle(JOB, 0).unwrap().waves > limits::SHUFFLE_WAVES_MAX, "(C)");
            assert_eq!(lease.holders.is_empty(), lease.spill);
            desk.work(Alias(1), &lease);
            do_stage(&mut desk, &all[1..], 0);
            clear(&mut desk);
            continue;
        }
        let out = missing(&mut desk, Alias(1), &lease, &(0..8).collect::<Vec<_>>());
        says += 1;
        let again = |effect: &&Effect| matches!(effect, Effect::Record(Record::Rerun { .. }));
        reruns += out.iter().filter(again).count();
    }
    assert_eq!(reruns, 4, "(C) three waves, and once more into storage");
    assert!((5..=limits::MISSING_SAYS_MAX).contains(&says), "(E) {says}");
    let spills = desk.records.iter().filter(|record| matches!(record, Record::Spill { .. })).count();
    let shuffle = desk.scheduler.shuffle(JOB, 0).unwrap();
    assert!(spills == 1 && shuffle.is_spilled && shuffle.items(0).all(|kept| shuffle.is_stored(kept.vote.serial)));
    desk.restart(std::slice::from_ref(&facts));
    assert!(desk.scheduler.shuffle(JOB, 0).unwrap().is_spilled, "it stays so");
    let failed = desk
        .records
        .iter()
        .filter(|record| matches!(record, Record::Strike { strike, .. } if strike.kind == FailKind::Input));
    assert!(failed.count() > 0, "what lies in storage counts as input out of reach");
}

#[test]
fn a_stranger_who_says_it_too_often_merges_nothing_more() {
    let mut desk = Desk::new(9);
    let all = nodes(4);
    all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
    desk.put(Input::Submit(mapreduce(Trust::Circle, Check::Off, 8, 400)));
    do_stage(&mut desk, &all, 0);
    let mut says = 0;
    while let Some(lease) = desk.ask(&all[0], 1).pop() {
        assert!(says < 100, "(E)");
        if lease.stage == 1 {
            // Items that do not exist: nothing follows from it.
            missing(&mut desk, Alias(1), &lease, &[1_000]);
            says += 1;
        }
    }
    assert_eq!(says, limits::MISSING_SAYS_MAX, "(E)");
    assert!(desk.ask(&all[1], 1)[0].stage == 1, "others go on");
}

#[test]
fn what_was_verified_must_come_out_again() {
    for (lie, seed) in [(false, 10), (true, 11)] {
        let mut desk = Desk::new(seed);
        let all = nodes(7);
        all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
        desk.put(Input::Submit(mapreduce(Trust::Public, Check::Strict, 4, 2)));
        do_stage(&mut desk, &all, 0);
        assert_eq!(desk.progress(1).stages[0].checked, 4);
        clear(&mut desk);
        let merger = all.iter().find_map(|facts| Some((facts.alias, desk.ask(facts, 1).pop()?))).unwrap();
        missing(&mut desk, merger.0, &merger.1, &[2]);
        assert_eq!((desk.progress(1).stages[0].done, desk.progress(1).stages[0].checked), (3, 3));
        let validated = desk.scheduler.standing(Alias(5)).unwrap().validated;
        let again = desk.ask(&all[4], 1).remove(0);
        assert_eq!((again.stage, again.first), (0, 2));
        let out = desk.work_as(Alias(5), &again, |mut result| {
            result.hash[30] ^= u8::from(lie);
            result
        });
        let progress = desk.progress(1);
        if !lie {
            assert_eq!((progress.stages[0].done, progress.stages[0].checked), (4, 4), "one result is enough");
            assert_eq!(desk.scheduler.standing(Alias(5)).unwrap().validated, validated + 1);
            assert!(
                out.iter().any(|effect| matches!(effect, Effect::Pay(Pay { act: PayAct::Post, node: Alias(5), .. })))
            );
            continue;
        }
        assert_eq!((progress.stages[0].done, progress.stages[0].checking), (3, 0), "a dispute as any other");
        do_stage(&mut desk, &all, 0);
        assert_eq!((desk.progress(1).stages[0].checked, desk.progress(1).liars.len()), (4, 1));
        assert!(desk.scheduler.standing(Alias(5)).is_some_and(|standing| standing.quarantined.is_some()));
    }
}

#[test]
fn an_output_proved_wrong_later_makes_its_consumers_run_again_and_nothing_else() {
    let mut desk = Desk::new(12);
    let all = nodes(6);
    let mut facts = mapreduce(Trust::Public, Check::Fast, 30, 3);
    facts.stages.insert(0, stage(5));
    // An array stage, then map, then reduce; all are known well enough not to be checked each time.
    for facts in &all {
        let standing = Standing { validated: 1_000, quarantined: None };
        desk.put(Input::Known { node: facts.alias, standing });
    }
    desk.put(Input::Submit(facts));
    let (mut replaced, mut reopened, mut lied) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut second = Some(job(2, Trust::Public, Check::Strict, 20));
    for _ in 0..600 {
        all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
        for (node, lease) in std::mem::take(&mut desk.grants) {
            // It lies about a few map items, and then in another job where all is checked.
            let is_lie = node == Alias(2) && (lease.job != JOB || (lease.stage == 1 && lied.len() < 3));
            if is_lie && lease.job == JOB {
                lied.extend(lease.first..lease.first + u32::from(lease.count));
            }
            let out = desk.work_as(node, &lease, |mut result| {
                result.hash[30] ^= u8::from(is_lie);
                result
            });
            for effect in &out {
                match effect {
                    Effect::Replaced { item, .. } if item.job == JOB => replaced.push((item.stage, item.item)),
                    Effect::Record(Record::Reopened { item, compared: false }) => {
                        reopened.push((item.stage, item.item))
                    }
                    _ => {}
                }
            }
        }
        desk.pass(Span::ms(500));
        if desk.progress(1).state == JobState::Done
            && let Some(second) = second.take()
        {
            desk.put(Input::Submit(second));
        }
    }
    let wrong: BTreeSet<u32> = replaced.iter().filter(|(stage, _)| *stage == 1).map(|(_, item)| *item).collect();
    assert!(!wrong.is_empty() && wrong.is_subset(&lied) && wrong.len() == replaced.len(), "{replaced:?} {lied:?}");
    let again: BTreeSet<(u8, u32)> = reopened.iter().copied().collect();
    assert_eq!(again, [(2, 0), (2, 1), (2, 2)].into(), "all that merge it, and nothing else");
    let right = |stage: u8, item: u32| {
        let last = desk.records.iter().rev().find_map(|record| match record {
            Record::Done { item: of, vote, .. } if of.job == JOB && (of.stage, of.item) == (stage, item) => {
                Some(vote.result)
            }
            _ => None,
        });
        last == Some(truth(stage, item))
    };
    let wrong: Vec<_> =
        (0..30).map(|item| (1, item)).chain((0..3).map(|item| (2, item))).filter(|(s, i)| !right(*s, *i)).collect();
    assert!(wrong.is_empty(), "{wrong:?} {lied:?} {replaced:?}");
    assert_eq!(desk.progress(1).stages.iter().map(|stage| stage.done).sum::<u32>(), 38, "done once more");
}

#[test]
fn a_map_item_that_cannot_be_made_again_ends_the_job() {
    let mut desk = Desk::new(13);
    let all = nodes(3);
    all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
    desk.put(Input::Submit(mapreduce(Trust::Circle, Check::Off, 3, 3)));
    do_stage(&mut desk, &all, 0);
    let lease = desk.ask(&all[0], 1).remove(0);
    missing(&mut desk, Alias(1), &lease, &[1]);
    let mut state = None;
    for facts in &all[1..] {
        let lease = desk.ask(facts, 1).remove(0);
        assert_eq!((lease.stage, lease.first), (0, 1));
        let report = Report::Failed { serial: lease.serial, item: 1, kind: FailKind::Guest, detail: 3, fuel: 7 };
        let out = desk.put(Input::Report { node: facts.alias, report });
        state = out.iter().find_map(|effect| match effect {
            Effect::JobEnded { state, .. } => Some(*state),
            _ => None,
        });
    }
    assert_eq!(state, Some(JobState::Partial));
    // Tried again it goes on where it was.
    desk.put(Input::Retry(JOB));
    do_stage(&mut desk, &all, 0);
    do_stage(&mut desk, &all, 1);
    assert_eq!(desk.progress(1).state, JobState::Done);
}

#[test]
fn a_job_of_ten_thousand_parts_is_handed_out_quickly() {
    let mut desk = Desk::new(14);
    let all: Vec<NodeFacts> = (1..=40).map(|n| node(n, n as u8)).collect();
    all.iter().for_each(|facts| drop(desk.ask_all(facts, 2)));
    desk.put(Input::Submit(mapreduce(Trust::Circle, Check::Off, 20, 10_000)));
    do_stage(&mut desk, &all, 0);
    let mut done = 0;
    for round in 0..400 {
        all.iter().for_each(|facts| drop(desk.ask_all(facts, 2)));
        let given = std::mem::take(&mut desk.grants);
        let holders = desk.scheduler.shuffle(JOB, 0).unwrap().holders;
        done += given.iter().map(|(_, lease)| u32::from(lease.count)).sum::<u32>();
        if round == 0 {
            assert!(given.iter().all(|(node, lease)| holder(&holders, lease.first) == Some(*node)));
            assert_eq!(given.len(), 16 * 2);
        }
        given.iter().for_each(|(node, lease)| drop(desk.work(*node, lease)));
        desk.pass(Span::secs(3));
    }
    assert!((10_000..10_400).contains(&done), "{done}: 2 % run twice");
    assert_eq!(desk.progress(1).state, JobState::Done);
}

#[test]
fn blocks_of_a_long_job_go_through_storage_from_its_pilots_on() {
    for (takes, spills) in [(Span::mins(20), true), (Span::secs(20), false)] {
        let mut desk = Desk::new(15);
        let all = own(3);
        all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
        desk.put(Input::Submit(mapreduce(Trust::Own, Check::Off, 60, 4)));
        let (mut done, mut last) = (0, false);
        for _ in 0..8 {
            let given = std::mem::take(&mut desk.grants);
            for _ in 0..takes.as_secs() / 20 {
                desk.pass(Span::secs(20));
                for (node, lease) in &given {
                    let state = LeaseState { serial: lease.serial, items_done: 0, fuel: 0, parked: false };
                    desk.put(Input::CheckIn { node: *node, leases: vec![state] });
                }
            }
            for (node, lease) in given {
                assert!(!lease.spill || (spills && done >= limits::PILOTS), "after {done}");
                assert_eq!(lease.holders.is_empty(), lease.spill);
                last = lease.spill;
                let out = desk.done(node, &lease, vec![truth(0, lease.first)]).1;
                done += 1;
                let now = out.iter().any(|effect| matches!(effect, Effect::Record(Record::Spill { .. })));
                assert_eq!(now, spills && done == limits::PILOTS, "20 items each are left");
            }
            desk.grants.clear();
            all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
            if done >= 2 * limits::PILOTS {
                break;
            }
        }
        assert_eq!((desk.scheduler.shuffle(JOB, 0).unwrap().is_spilled, last), (spills, spills));
    }
}

#[test]
fn another_takes_the_place_of_a_holder_that_is_gone() {
    let mut desk = Desk::new(16);
    let all = own(3);
    all.iter().for_each(|facts| drop(desk.ask_all(facts, 1)));
    desk.put(Input::Submit(mapreduce(Trust::Own, Check::Off, 100, 2)));
    let holders = desk.grants[0].1.holders.clone();
    assert_eq!(holders.len(), 2);
    let third = all.iter().find(|facts| !holders.contains(&facts.alias)).unwrap();
    desk.put(Input::Goodbye { node: holders[0] });
    assert_eq!(desk.ask(third, 1)[0].holders, holders, "not looked at all the time");
    desk.pass(limits::HOLDERS_EVERY);
    desk.put(Input::Back { node: holders[1] });
    assert_eq!(desk.ask(third, 1)[0].holders, [third.alias, holders[1]], "the other parts stay where they are");
}

#[test]
fn a_lie_that_comes_to_light_when_blocks_are_made_again_is_undone_in_what_was_merged() {
    let mut seen = 0;
    for seed in 20..40 {
        let mut desk = Desk::new(seed);
        let all = nodes(6);
        for facts in &all {
            desk.put(Input::Known { node: facts.alias, standing: Standing { validated: 1_000, quarantined: None } });
        }
        desk.put(Input::Submit(mapreduce(Trust::Public, Check::Fast, 12, 4)));
        // Node 2 lies about the first item it gets, and is not checked.
        let lease = desk.ask(&all[1], 1).remove(0);
        let lied = lease.first;
        desk.work_as(Alias(2), &lease, |result| ItemResult { hash: [66; 32], ..result });
        let others: Vec<NodeFacts> = all.iter().filter(|facts| facts.alias != Alias(2)).cloned().collect();
        do_stage(&mut desk, &others, 0);
        let is_wrong = |desk: &Desk| {
            let shuffle = desk.scheduler.shuffle(JOB, 0).unwrap();
            shuffle.items(lied).next().is_some_and(|kept| kept.vote.result.hash == [66; 32])
        };
        if !is_wrong(&desk) {
            continue;
        }
        seen += 1;
        let (first, second) = (desk.ask(&all[0], 1), desk.ask(&all[2], 1));
        let (Some(first), Some(second)) = (first.first(), second.first()) else { continue };
        let merged = desk.work(Alias(1), first);
        assert!(merged.iter().any(|effect| matches!(effect, Effect::Taken { .. })));
        desk.records.clear();
        missing(&mut desk, Alias(3), second, &[lied]);
        do_stage(&mut desk, &others, 0);
        assert!(!is_wrong(&desk) && desk.progress(1).liars.len() == 1, "the two were held against each other");
        let again = desk.records.iter().any(|record| {
            matches!(record, Record::Reopened { item, compared: false } if (item.stage, item.item) == (1, first.first))
        });
        assert!(again, "what was merged from it is merged again");
        do_stage(&mut desk, &others, 1);
        assert_eq!(desk.progress(1).state, JobState::Done);
    }
    assert!(seen > 8, "{seen}");
}
