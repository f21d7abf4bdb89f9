use super::scripted::{ended, has};
use super::*;
use model::{JobPause, JobState};

#[test]
fn what_was_leased_and_forgotten_comes_back() {
    let mut desk = Desk::new(3);
    desk.put(Input::Submit(job(1, Trust::Circle, Check::Off, 1)));
    let (a, b) = (node(1, 1), node(2, 2));
    let lease = desk.ask(&a, 1).remove(0);
    assert!(desk.ask(&b, 1).is_empty());
    desk.pass(Span::secs(60));
    let state = LeaseState { serial: lease.serial, items_done: 0, fuel: 0, parked: false };
    desk.put(Input::CheckIn { node: a.alias, leases: vec![state] });
    assert!(granted(&desk.pass(Span::secs(80)), b.alias).is_empty(), "renewed");
    let out = desk.pass(Span::secs(11));
    assert_eq!(granted(&out, b.alias).len(), 1, "(C) nothing was heard for 90 s");
    assert!(has(&out, |e| matches!(e, Effect::Cancel { node: Alias(1), .. })));
    // The first comes back after all: shown again, it may still win.
    let (taken, _) = desk.done(a.alias, &lease, vec![truth(0, 0)]);
    assert_eq!(taken, [Taken::Refused(Refused::UnknownLease)]);
    desk.put(Input::Announce { node: a.clone(), lease: lease.clone() });
    let (taken, out) = desk.done(a.alias, &lease, vec![truth(0, 0)]);
    assert_eq!((taken, ended(&out)), (vec![Taken::Accepted], Some(JobState::Done)));
    assert!(has(&out, |e| matches!(e, Effect::Cancel { node: Alias(2), .. })), "the other may stop");
}

#[test]
fn a_parked_guest_keeps_its_lease_for_five_minutes_and_a_goodbye_loses_it_at_once() {
    let mut desk = Desk::new(4);
    desk.put(Input::Submit(job(1, Trust::Circle, Check::Off, 1)));
    let (a, b, c) = (node(1, 1), node(2, 2), node(3, 3));
    let lease = desk.ask(&a, 1).remove(0);
    desk.put(Input::Report { node: a.alias, report: Report::Parked { serial: lease.serial } });
    desk.pass(Span::secs(290));
    assert!(desk.scheduler.knows(lease.serial));
    let out = desk.pass(Span::secs(11));
    assert!(!desk.scheduler.knows(lease.serial) && has(&out, |e| matches!(e, Effect::Cancel { .. })));
    assert_eq!(desk.ask(&b, 1).len(), 1);
    assert!(desk.ask(&c, 1).is_empty());
    let out = desk.put(Input::Goodbye { node: b.alias });
    assert_eq!(granted(&out, c.alias).len(), 1, "at once");
    assert_eq!(desk.progress(1).moved, 2);
}

#[test]
fn a_node_that_begins_anew_gives_back_what_it_ran_before() {
    let mut desk = Desk::new(4);
    desk.put(Input::Submit(job(1, Trust::Circle, Check::Off, 2)));
    let (a, b) = (node(1, 1), node(2, 2));
    let first = desk.ask(&a, 1).remove(0);
    let second = desk.ask(&b, 1).remove(0);
    desk.pass(Span::secs(10));
    let again = NodeFacts { session_age: Span::secs(2), ..a.clone() };
    let lease = desk.ask(&again, 1).remove(0);
    assert_eq!(lease.first, first.first, "nothing else is to be done");
    assert!(!desk.scheduler.knows(first.serial) && desk.scheduler.knows(second.serial));
    // One that is as old as its lease keeps it.
    desk.pass(Span::secs(10));
    desk.ask(&NodeFacts { session_age: Span::secs(12), ..a }, 1);
    assert!(desk.scheduler.knows(lease.serial));
    assert_eq!(desk.progress(1).moved, 1);
}

#[test]
fn the_tail_is_copied_and_the_first_to_end_wins() {
    let mut desk = Desk::new(5);
    desk.put(Input::Submit(job(1, Trust::Circle, Check::Off, 9)));
    let (a, b, c) = (node(1, 1), node(2, 2), node(3, 1));
    for _ in 0..8 {
        let lease = desk.ask(&a, 1).remove(0);
        desk.now = desk.now + Span::secs(50);
        desk.work(a.alias, &lease);
    }
    let slow = desk.ask(&a, 1).remove(0);
    assert_eq!((desk.ask(&c, 1), desk.ask(&b, 1)), (Vec::new(), Vec::new()));
    let mut copy = Vec::new();
    for second in 0..200 {
        let out = desk.pass(Span::secs(1));
        assert!(granted(&out, c.alias).is_empty(), "(E) same owner");
        copy = granted(&out, b.alias);
        if !copy.is_empty() {
            assert!((74..=77).contains(&second), "{second}");
            break;
        }
        let state = LeaseState { serial: slow.serial, items_done: 0, fuel: 0, parked: false };
        desk.put(Input::CheckIn { node: a.alias, leases: vec![state] });
    }
    assert_eq!(copy[0].first, slow.first);
    let out = desk.work(b.alias, &copy[0]);
    assert_eq!(ended(&out), Some(JobState::Done));
    assert!(has(&out, |e| matches!(e, Effect::Cancel { serial, .. } if *serial == slow.serial)));
    let (taken, _) = desk.done(a.alias, &slow, vec![truth(0, slow.first)]);
    assert_eq!(taken, [Taken::Refused(Refused::UnknownLease)], "the job is over");
}

#[test]
fn after_a_restart_only_new_items_are_handed_out_until_nodes_had_time() {
    let mut desk = Desk::new(15);
    let facts = job(1, Trust::Circle, Check::Off, 100);
    desk.put(Input::Submit(facts.clone()));
    let (a, b) = (node(1, 1), node(2, 2));
    let held = desk.ask(&a, 2);
    let mut gone = desk.ask(&b, 1);
    desk.restart(std::slice::from_ref(&facts));
    let fresh = desk.ask(&b, 1).remove(0);
    assert_eq!(fresh.first, 16, "beyond what may have been handed out");
    assert!(fresh.serial >> 40 == 2 && !desk.scheduler.knows(held[0].serial));
    let state = |lease: &Lease| LeaseState { serial: lease.serial, items_done: 0, fuel: 0, parked: false };
    let out = desk.put(Input::CheckIn { node: a.alias, leases: held.iter().map(state).collect() });
    assert_eq!(out.iter().filter(|e| matches!(e, Effect::Show { .. })).count(), 2);
    for lease in &held {
        desk.put(Input::Announce { node: a.clone(), lease: lease.clone() });
    }
    let state = state(&fresh);
    desk.put(Input::CheckIn { node: b.alias, leases: vec![state] });
    desk.pass(Span::secs(60));
    desk.put(Input::CheckIn {
        node: a.alias,
        leases: held.iter().map(|l| LeaseState { serial: l.serial, ..state }).collect(),
    });
    desk.pass(Span::secs(30));
    let lost = gone.remove(0).first;
    let again = desk.ask(&b, 1).remove(0);
    assert_eq!(again.first, lost, "nobody showed it");
    let (taken, _) = desk.done(a.alias, &held[0], vec![truth(0, held[0].first)]);
    assert_eq!(taken, [Taken::Accepted], "shown, so it counts");
}

#[test]
fn after_a_restart_all_is_handed_out_as_soon_as_everybody_has_shown_what_it_runs() {
    let mut desk = Desk::new(19);
    let facts = job(1, Trust::Own, Check::Off, 12);
    let id = JobId([1; 16]);
    desk.put(Input::Submit(facts.clone()));
    let all: Vec<NodeFacts> = (1..=4).map(|n| node(n, 201)).collect();
    let held: Vec<Lease> = all[..3].iter().flat_map(|facts| desk.ask(facts, 4)).collect();
    assert_eq!(held.len(), 12, "nothing is left beyond the cursor");
    desk.restart(std::slice::from_ref(&facts));
    let state = |lease: &Lease| LeaseState { serial: lease.serial, items_done: 0, fuel: 0, parked: false };
    assert!(desk.ask(&all[3], 4).is_empty() && !desk.scheduler.awaits(Alias(4)));
    assert_eq!(desk.progress(1).pauses, [JobPause::Restarted]);
    // Two have lost what they ran, one of them all of it; the third shows half of what it runs at first.
    desk.put(Input::CheckIn { node: Alias(1), leases: Vec::new() });
    desk.put(Input::CheckIn { node: Alias(2), leases: vec![state(&held[4])] });
    desk.put(Input::Announce { node: all[1].clone(), lease: held[4].clone() });
    assert!(desk.scheduler.awaits(Alias(3)) && !desk.scheduler.awaits(Alias(2)));
    desk.put(Input::CheckIn { node: Alias(3), leases: vec![state(&held[8]), state(&held[9])] });
    desk.put(Input::Announce { node: all[2].clone(), lease: held[8].clone() });
    desk.pass(Span::secs(20));
    assert_eq!(desk.grants.len(), 12, "(B of restart) a node that is back is waited for");
    desk.put(Input::Announce { node: all[2].clone(), lease: held[9].clone() });
    let given: Vec<u32> = desk.grants[12..].iter().map(|(_, lease)| lease.first).collect();
    let running = [held[4].first, held[8].first, held[9].first];
    assert_eq!(given.len(), 4, "(A of restart) as many as there is room for, at once");
    assert!(given.iter().all(|item| !running.contains(item)), "what runs is not run again: {given:?}");
    let last: Vec<u32> = desk.ask(&all[0], 8).iter().map(|lease| lease.first).collect();
    assert_eq!(last.len(), 5);
    assert!(last.iter().all(|item| !running.contains(item)) && desk.scheduler.progress(desk.now, id).is_some());
}

#[test]
fn a_node_that_does_not_come_back_is_waited_for_fifteen_seconds_where_nothing_else_is_left() {
    let mut desk = Desk::new(20);
    let facts = job(1, Trust::Own, Check::Off, 17);
    desk.put(Input::Submit(facts.clone()));
    let all: Vec<NodeFacts> = (1..=3).map(|n| node(n, 201)).collect();
    let gone = desk.ask(&all[0], 2);
    let slow = desk.ask(&all[1], 1).remove(0);
    desk.restart(std::slice::from_ref(&facts));
    assert_eq!(desk.ask(&all[2], 1)[0].first, 16, "beyond the cursor at once");
    desk.ask_all(&all[2], 2);
    assert!(desk.pass(Span(limits::ANNOUNCE_WAIT.as_ms() - 1)).iter().all(|e| !matches!(e, Effect::Grant { .. })));
    let out = desk.pass(Span::ms(1));
    let given: Vec<u32> = granted(&out, Alias(3)).iter().map(|lease| lease.first).collect();
    assert_eq!(given, [0, 1], "(B of restart) woken for it; {gone:?}");
    // One comes late after all and goes on with what it runs.
    desk.put(Input::Announce { node: all[1].clone(), lease: slow.clone() });
    let (taken, _) = desk.done(Alias(2), &slow, vec![truth(0, slow.first)]);
    assert_eq!(taken, [Taken::Accepted]);
    assert!(desk.ask(&all[2], 16).iter().all(|lease| lease.first != slow.first), "not handed out a second time");
    desk.pass(limits::LEASE);
    assert!(!desk.scheduler.awaits(Alias(1)), "after a lease's length nobody is");
}

#[test]
fn what_a_dead_machine_held_is_done_by_others_long_before_its_lease_ends() {
    for seed in 0..20 {
        let mut desk = Desk::new(seed);
        let nodes: Vec<NodeFacts> = (1..=7).map(|n| node(n, n as u8)).collect();
        let id = JobId([1; 16]);
        let mut facts = job(1, Trust::Public, Check::Standard, 120);
        facts.stages.push(stage(2));
        desk.put(Input::Submit(facts));
        desk.put(Input::Keeper { job: id, on: true });
        let (mut died, mut over) = (None, false);
        for _ in 0..900 {
            // What was begun in the last step ends in this one.
            for (alias, lease) in std::mem::take(&mut desk.grants) {
                if alias == Alias(1) && desk.scheduler.progress(desk.now, id).unwrap().stages[0].done > 30 {
                    died.get_or_insert(desk.now);
                    continue;
                }
                let items: Vec<ItemResult> =
                    (lease.first..lease.first + u32::from(lease.count)).map(|item| truth(lease.stage, item)).collect();
                let (verdicts, _) = desk.computed(alias, &lease, items.clone());
                let both = items.into_iter().zip(verdicts);
                let wanted: Vec<ItemResult> = both.filter(|(_, v)| *v == Verdict::Store).map(|(i, _)| i).collect();
                if !wanted.is_empty() {
                    desk.done(alias, &lease, wanted);
                }
            }
            for facts in nodes.iter().filter(|facts| died.is_none() || facts.alias != Alias(1)) {
                desk.ask_all(facts, 1);
            }
            desk.pass(Span::ms(100));
            if died.is_some_and(|died| desk.now.since(died) >= Span::secs(10)) {
                desk.put(Input::Suspect { node: Alias(1) });
            }
            if desk.scheduler.progress(desk.now, id).unwrap().state.is_over() {
                over = true;
                break;
            }
        }
        let died = died.expect("it died over the job");
        assert!(over && desk.now.since(died) < Span::secs(25), "seed {seed}: {} after its death", desk.now.since(died));
    }
}
