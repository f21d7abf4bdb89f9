use super::*;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

const T0: Stamp = Stamp(1_800_000_000_000);
const A: Alias = Alias(3);

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(7)
}

fn facts(boot: u64, sequence: u32) -> CheckInFacts {
    CheckInFacts {
        boot,
        sequence,
        state: NodeState::Run,
        reason: PauseReason::None,
        parked_or_leased: false,
        offset_ms: 0,
    }
}

fn table() -> Presence {
    let mut table = Presence::new(T0, PresenceSettings::every(Span::secs(30)));
    table.register(A, Known { last_seen: Some(T0 - Span::hours(1)), ..Known::default() });
    table
}

#[test]
fn a_node_costs_64_bytes() {
    assert_eq!(ENTRY_BYTES, 64, "(F)");
    let mut table = table();
    table.register(Alias(9_999), Known::default());
    assert!(table.memory_bytes() <= 20_000 * 64);
}

#[test]
fn a_killed_node_is_suspect_within_15_s_and_away_after_two_and_a_half_periods() {
    let (mut table, mut rng) = (table(), rng());
    table.check_in(T0, A, facts(1, 1), &mut rng);
    let lost = T0 + Span::secs(10);
    table.link_lost(lost, A);
    assert_eq!(table.state(lost, A), Whereabouts::On);
    assert_eq!(table.state(T0 + SUSPECT_AFTER_MAX, A), Whereabouts::Suspect, "(D)");
    assert_eq!(table.state(T0 + Span::ms(74_999), A), Whereabouts::Suspect);
    assert_eq!(table.state(T0 + Span::secs(75), A), Whereabouts::Away);
    let back = table.check_in(T0 + Span::secs(80), A, facts(1, 2), &mut rng);
    assert_eq!(back.resumed_from, Some(Whereabouts::Away), "(A)");
    assert_eq!(table.state(T0 + Span::secs(80), A), Whereabouts::On, "(A)");
}

#[test]
fn a_link_that_comes_back_was_never_lost() {
    let (mut table, mut rng) = (table(), rng());
    table.check_in(T0, A, facts(1, 1), &mut rng);
    table.link_lost(T0, A);
    table.link_back(A);
    assert_eq!(table.state(T0 + Span::secs(20), A), Whereabouts::On);
}

#[test]
fn a_goodbye_is_away_at_once_and_an_old_boot_cannot_say_it() {
    let (mut table, mut rng) = (table(), rng());
    table.check_in(T0, A, facts(2, 1), &mut rng);
    table.goodbye(T0, A, 1);
    assert_eq!(table.state(T0, A), Whereabouts::On);
    table.goodbye(T0, A, 2);
    table.link_lost(T0, A);
    table.link_back(A);
    assert_eq!(table.state(T0, A), Whereabouts::Away, "(D)");
}

#[test]
fn a_paused_node_is_on_with_its_owners_reason() {
    let (mut table, mut rng) = (table(), rng());
    let paused = CheckInFacts { state: NodeState::Pause, reason: PauseReason::Owner, ..facts(1, 1) };
    table.check_in(T0, A, paused, &mut rng);
    let view = table.view(T0, A).unwrap();
    assert_eq!(
        (view.presence, view.state, view.reason),
        (Whereabouts::On, NodeState::Pause, PauseReason::Owner),
        "(G)"
    );
}

#[test]
fn a_node_that_is_on_and_lends_nothing_is_missing_after_its_time() {
    let (mut table, mut rng) = (table(), rng());
    table.register(A, Known { missing_after: Span::hours(72), ..Known::default() });
    let off = |sequence| CheckInFacts { state: NodeState::Off, reason: PauseReason::Fault, ..facts(1, sequence) };
    let mut transitions = Vec::new();
    for hour in 0..80u64 {
        let now = T0 + Span::hours(hour);
        // It lends for five hours, and then its disk is gone.
        let fact = if hour < 5 { facts(1, hour as u32 + 1) } else { off(hour as u32 + 1) };
        table.check_in(now, A, fact, &mut rng);
        transitions.extend(table.sweep(now + Span::secs(1), 10));
        assert_eq!(table.state(now, A), if hour < 78 { Whereabouts::On } else { Whereabouts::Missing }, "{hour}");
    }
    let missing = Transition { alias: A, from: Whereabouts::On, to: Whereabouts::Missing };
    assert_eq!(transitions, [missing], "told once");
    let back = table.check_in(T0 + Span::hours(80), A, facts(1, 81), &mut rng);
    assert_eq!(
        (back.resumed_from, table.state(T0 + Span::hours(80), A)),
        (Some(Whereabouts::Missing), Whereabouts::On)
    );
    // A holiday holds: the owner said so.
    table.register(A, Known { holiday_until: Some(T0 + Span::days(20)), ..Known::default() });
    table.check_in(T0 + Span::hours(81), A, off(82), &mut rng);
    assert_eq!(table.state(T0 + Span::hours(81), A), Whereabouts::On);
    table.check_in(T0 + Span::hours(300), A, off(83), &mut rng);
    assert_eq!(table.state(T0 + Span::hours(300), A), Whereabouts::On);
}

#[test]
fn after_a_restart_nobody_is_called_away_or_missing_in_the_first_period() {
    let mut table = table();
    table.register(A, Known { last_seen: Some(T0 - Span::days(300)), ..Known::default() });
    assert_eq!(table.state(T0 + Span::ms(35_999), A), Whereabouts::Unknown, "(B)");
    assert!(table.sweep(T0 + Span::ms(35_999), 100).is_empty(), "(B)");
    assert_eq!(table.state(T0 + Span::secs(36), A), Whereabouts::Away);
}

#[test]
fn time_in_which_the_center_was_down_is_not_held_against_a_node() {
    let mut table = table();
    table.register(A, Known { last_seen: Some(T0 - Span::days(30)), ..Known::default() });
    table.set_down_since(T0 - Span::days(30) + Span::hours(71));
    assert_eq!(table.state(T0 + Span::mins(59), A), Whereabouts::Away, "(C): 71 h before, 59 min after");
    assert_eq!(table.state(T0 + Span::mins(61), A), Whereabouts::Missing);
}

#[test]
fn missing_follows_its_own_tau_and_the_surge() {
    assert_eq!(missing_after(Span::hours(1), false), Span::hours(72));
    assert_eq!(missing_after(Span::hours(30), false), Span::hours(90));
    assert_eq!(missing_after(Span::days(20), false), Span::hours(168));
    assert_eq!(missing_after(Span::days(20), true), Span::hours(24));
    let (mut table, mut rng) = (table(), rng());
    table.register(A, Known { missing_after: Span::hours(90), ..Known::default() });
    table.check_in(T0, A, facts(1, 1), &mut rng);
    assert_eq!(table.state(T0 + Span::hours(90), A), Whereabouts::Away, "(C)");
    assert_eq!(table.state(T0 + Span::hours(90) + Span::ms(1), A), Whereabouts::Missing);
    table.set_surge(true);
    assert_eq!(table.state(T0 + Span::hours(25), A), Whereabouts::Missing);
}

#[test]
fn a_holiday_keeps_from_missing_until_a_day_after() {
    let (mut table, mut rng) = (table(), rng());
    table.check_in(T0, A, facts(1, 1), &mut rng);
    table.register(A, Known { holiday_until: Some(T0 + Span::days(14)), ..Known::default() });
    assert_eq!(table.state(T0 + Span::secs(1), A), Whereabouts::On);
    assert_eq!(table.state(T0 + Span::days(15) - Span::secs(1), A), Whereabouts::Holiday);
    assert_eq!(table.state(T0 + Span::days(15), A), Whereabouts::Missing);
}

#[test]
fn one_who_left_stays_left() {
    let mut table = table();
    table.register(A, Known { left: true, ..Known::default() });
    assert_eq!(table.state(T0, A), Whereabouts::Left);
}

#[test]
fn two_machines_with_one_key_are_found_and_a_restart_is_not() {
    let (mut table, mut rng) = (table(), rng());
    let mut at = |s: u64, boot, sequence| table.check_in(T0 + Span::secs(s), A, facts(boot, sequence), &mut rng);
    assert!(at(0, 1, 1).first_since_start);
    let restart = at(10, 2, 1);
    assert!(restart.new_boot && !restart.duplicate);
    let late = at(11, 1, 2);
    assert!(late.duplicate && !late.contested, "one late packet of the old boot is no proof");
    let again = at(20, 1, 3);
    assert!(again.duplicate && again.contested);
    let newest = at(30, 2, 2);
    assert!(!newest.duplicate && newest.contested, "the newest is told that the key is held twice");
    table.settle_duplicates(A);
    let view = table.view(T0 + Span::secs(30), A).unwrap();
    assert!(!view.contested);
}

#[test]
fn a_superseded_boot_changes_nothing() {
    let (mut table, mut rng) = (table(), rng());
    table.check_in(T0, A, facts(1, 1), &mut rng);
    table.check_in(T0, A, facts(2, 1), &mut rng);
    let paused = CheckInFacts { state: NodeState::Off, ..facts(1, 9) };
    table.check_in(T0 + Span::secs(60), A, paused, &mut rng);
    assert_eq!(table.view(T0 + Span::secs(60), A).unwrap().state, NodeState::Run, "(A)");
    assert_eq!(table.state(T0 + Span::secs(75), A), Whereabouts::Away);
}

#[test]
fn a_late_check_in_keeps_the_newer_figures() {
    let (mut table, mut rng) = (table(), rng());
    table.check_in(T0, A, facts(1, 5), &mut rng);
    let late = CheckInFacts { state: NodeState::Off, ..facts(1, 4) };
    assert!(table.check_in(T0, A, late, &mut rng).stale, "(H)");
    assert_eq!(table.view(T0, A).unwrap().state, NodeState::Run, "(H)");
}

#[test]
fn periods_are_30_and_300_s_with_a_fifth_of_jitter() {
    let (mut table, mut rng) = (Presence::new(T0, PresenceSettings::default()), rng());
    let mut seen = [(u64::MAX, 0u64); 2];
    for n in 0..4_000u32 {
        for busy in [false, true] {
            let facts = CheckInFacts { parked_or_leased: busy, ..facts(1, n + 1) };
            let next = table.check_in(T0, Alias(u32::from(busy)), facts, &mut rng).next_in.as_ms();
            let (low, high) = &mut seen[usize::from(busy)];
            (*low, *high) = ((*low).min(next), (*high).max(next));
        }
    }
    assert!((240_000..243_000).contains(&seen[0].0) && (357_000..=360_000).contains(&seen[0].1), "{seen:?}");
    assert!((24_000..24_300).contains(&seen[1].0) && (35_700..=36_000).contains(&seen[1].1), "{seen:?}");
}

#[test]
fn under_load_the_quiet_ones_are_stretched_up_to_ten_minutes() {
    let settings = PresenceSettings { rate_max_per_s: 10, ..PresenceSettings::default() };
    let (mut table, mut rng) = (Presence::new(T0, settings), rng());
    for n in 0..4_000 {
        table.check_in(T0, Alias(n), facts(1, 1), &mut rng);
    }
    let next = table.check_in(T0, Alias(0), facts(1, 2), &mut rng).next_in;
    assert!((Span::secs(320)..=Span::secs(480)).contains(&next), "4,000 at 10/s need 400 s ± 20 %, got {next}");
    for n in 0..20_000 {
        table.check_in(T0, Alias(n), facts(1, 3), &mut rng);
    }
    assert!(table.check_in(T0, Alias(0), facts(1, 4), &mut rng).next_in <= Span::secs(600));
}

#[test]
fn a_storm_of_restarts_ends_with_all_on_and_no_transition() {
    let mut table = Presence::new(T0, PresenceSettings::every(Span::secs(30)));
    let mut rng = rng();
    for n in 0..10_000 {
        table.register(Alias(n), Known { last_seen: Some(T0 - Span::secs(40)), ..Known::default() });
    }
    for n in 0..10_000u32 {
        table.check_in(T0 + Span::ms(u64::from(n) * 3), Alias(n), facts(9, 1), &mut rng);
    }
    let later = T0 + Span::secs(36);
    assert_eq!(table.counts(later)[usize::from(Whereabouts::On.code())], 10_000);
    assert!(table.sweep(later, usize::MAX).is_empty());
}

#[test]
fn a_sweep_tells_each_change_once_within_its_budget() {
    let mut table = Presence::new(T0, PresenceSettings::every(Span::secs(30)));
    let mut rng = rng();
    for n in 0..10 {
        table.check_in(T0, Alias(n), facts(1, 1), &mut rng);
    }
    let later = T0 + Span::mins(5);
    assert_eq!(table.sweep(later, 4).len(), 4);
    assert_eq!(table.sweep(later, 100).len(), 6);
    assert!(table.sweep(later, 100).is_empty());
    let missing = table.sweep(T0 + Span::days(4), 100);
    assert!(missing.iter().all(|t| t.from == Whereabouts::Away && t.to == Whereabouts::Missing) && missing.len() == 10);
}

#[test]
fn minutes_on_come_by_thousands() {
    let (mut table, mut rng) = (Presence::new(T0, PresenceSettings::default()), rng());
    assert_eq!(T0.into_hour(), Span::ZERO, "the tests begin on an hour");
    for minute in (0..60).step_by(5) {
        table.check_in(T0 + Span::mins(minute), Alias(0), facts(1, minute as u32 + 1), &mut rng);
        if minute < 30 {
            table.check_in(T0 + Span::mins(minute), Alias(2_500), facts(1, minute as u32 + 1), &mut rng);
        }
    }
    let blocks = table.close_hour(T0.hour());
    assert_eq!(blocks.len(), 2, "the block of nobody is left out");
    assert_eq!((blocks[0].first, &blocks[0].minutes[..]), (Alias(0), &[60][..]));
    assert_eq!((blocks[1].first, blocks[1].minutes.len(), blocks[1].minutes[500]), (Alias(2_000), 501, 25));
    assert!(table.close_hour(T0.hour()).is_empty(), "an hour ends once");
}

#[test]
fn an_alias_beyond_the_cell_is_answered_and_not_kept() {
    let (mut table, mut rng) = (table(), rng());
    table.check_in(T0, Alias(u32::MAX), facts(1, 1), &mut rng);
    table.register(Alias(ALIASES_MAX), Known::default());
    assert_eq!(table.view(T0, Alias(u32::MAX)), None);
    assert!(table.memory_bytes() < 10_000);
}

proptest! {
    /// (A)–(E) on random lives: the table against a naive record of every check-in.
    #[test]
    fn the_table_agrees_with_a_naive_record(
        acts in proptest::collection::vec((0u64..120, 0u8..10), 1..200), known: bool,
    ) {
        let settings = PresenceSettings::every(Span::secs(30));
        let (mut table, mut rng) = (Presence::new(T0, settings), rng());
        if known {
            table.register(A, Known { last_seen: Some(T0 - Span::days(9)), ..Known::default() });
        }
        let (mut now, mut sequence) = (T0, 0);
        let (mut last, mut gone, mut lost): (Option<Stamp>, bool, Option<Stamp>) = (None, false, None);
        for (wait_s, act) in acts {
            now = now + Span::secs(wait_s * if act == 9 { 3_000 } else { 1 });
            if now.hour() > table.open_hour() {
                let blocks = table.close_hour(now.hour() - 1);
                prop_assert!(blocks.iter().all(|b| b.minutes.iter().all(|m| *m <= 60)), "(E)");
            }
            match act {
                0..=5 => {
                    sequence += 1;
                    table.check_in(now, A, facts(1, sequence), &mut rng);
                    prop_assert_eq!(table.state(now, A), Whereabouts::On, "(A)");
                    (last, gone, lost) = (Some(now), false, None);
                }
                6 => {
                    table.goodbye(now, A, 1);
                    gone = last.is_some();
                }
                7 => {
                    table.link_lost(now, A);
                    lost = lost.or(Some(now));
                }
                _ => {}
            }
            let expected = match last {
                None if !known || now.since(T0) < settings.grace() => Whereabouts::Unknown,
                None if now.since(T0) > Span::hours(72) => Whereabouts::Missing,
                None => Whereabouts::Away,
                Some(at) if now.since(at) > Span::hours(72) => Whereabouts::Missing,
                Some(at) if gone || now.since(at) >= Span::secs(75) => Whereabouts::Away,
                Some(_) if lost.is_some_and(|l| now.since(l) >= settings.suspect_after) => Whereabouts::Suspect,
                Some(_) => Whereabouts::On,
            };
            if last.is_some() || lost.is_none() {
                prop_assert_eq!(table.state(now, A), expected);
            }
        }
    }

    /// (E): minutes-on of regular sessions against the true minutes.
    #[test]
    fn minutes_are_true_within_the_ends_of_sessions(
        sessions in proptest::collection::vec((1u64..90, 3u64..90), 1..8),
    ) {
        let (mut table, mut rng) = (Presence::new(T0, PresenceSettings::every(Span::secs(30))), rng());
        let (mut now, mut sequence, mut total, mut truth) = (T0, 0, 0u64, 0u64);
        let mut close = |table: &mut Presence, now: Stamp| {
            while table.open_hour() < now.hour() {
                let hour = table.open_hour();
                total += table.close_hour(hour).iter().flat_map(|b| b.minutes.iter()).map(|m| u64::from(*m)).sum::<u64>();
            }
        };
        let count = sessions.len() as u64;
        for (on_min, off_min) in sessions {
            let end = now + Span::mins(on_min);
            while now <= end {
                close(&mut table, now);
                sequence += 1;
                table.check_in(now, A, facts(1, sequence), &mut rng);
                now = now + Span::secs(30);
            }
            truth += on_min;
            for _ in 0..off_min {
                now = now + Span::mins(1);
                close(&mut table, now);
            }
        }
        close(&mut table, now + Span::hours(2));
        let hours = now.since(T0).as_secs() / 3_600 + 2;
        prop_assert!(total.abs_diff(truth) <= 2 * count + hours, "counted {total}, true {truth}");
    }
}
