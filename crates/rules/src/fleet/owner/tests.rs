use super::*;
use crate::fleet::lend::{Cores, Give, Profile};
use proptest::prelude::*;

/// A Wednesday, 12:00 UTC.
const T0: Stamp = Stamp(1_799_841_600_000);

fn machine() -> Machine {
    Machine {
        cores: 8,
        memory_mib: 16_384,
        disk_size: Bytes::gib(500),
        disk_free: Bytes::gib(400),
        held: Bytes(0),
        up: Some(Kbps(20_000)),
        down: Some(Kbps(100_000)),
    }
}

fn policy(profile: Profile) -> LendPolicy {
    LendPolicy { profile, pause_for: vec!["obs".to_owned()], ..LendPolicy::default() }
}

fn idle(minutes: u64) -> Readings {
    Readings { idle: Some(Span::mins(minutes)), ..Readings::default() }
}

/// A machine and its clock; sensors report each second, as the shell's do.
struct World {
    owner: Owner,
    now: Stamp,
    readings: Readings,
}

impl World {
    fn new(profile: Profile) -> Self {
        let mut world = Self { owner: Owner::new(T0, policy(profile), machine()), now: T0, readings: idle(60) };
        world.sense(idle(60));
        world
    }

    fn sense(&mut self, readings: Readings) -> Effects {
        self.readings = readings.clone();
        self.owner.handle(self.now, Input::Readings(readings))
    }

    fn say(&mut self, input: Input) -> Effects {
        self.owner.handle(self.now, input)
    }

    fn input(&mut self) -> Effects {
        self.readings.idle = self.readings.idle.map(|_| Span::ZERO);
        self.say(Input::InputEvent)
    }

    /// Lets time pass with the same surroundings.
    fn pass(&mut self, span: Span) {
        let end = self.now + span;
        while self.now < end {
            let step = Span::secs(1).min(end.since(self.now));
            self.now = self.now + step;
            self.readings.idle = self.readings.idle.map(|i| i + step);
            let readings = self.readings.clone();
            self.sense(readings);
        }
    }

    fn at(&self) -> (NodeState, PauseReason) {
        (self.owner.state(), self.owner.reason())
    }
}

#[test]
fn whisper_runs_when_idle_and_pauses_in_the_answer_to_input() {
    let mut world = World::new(Profile::Whisper);
    assert_eq!(world.at(), (NodeState::Run, PauseReason::None));
    let allowance = world.owner.allowance();
    assert_eq!((allowance.cores_milli, allowance.memory_mib, allowance.up), (4_000, 8_192, Kbps(4_000)));
    assert!(allowance.new_work && allowance.background && allowance.storage_reads);
    let effects = world.input();
    assert_eq!(effects.guests, Some(GuestAct::Park), "(A)");
    assert_eq!(world.at(), (NodeState::Pause, PauseReason::Input));
    let record = effects.record.unwrap();
    assert_eq!((record.from, record.to, record.reason), (NodeState::Run, NodeState::Pause, PauseReason::Input));
    let allowance = effects.allowance.unwrap();
    assert_eq!((allowance.cores_milli, allowance.background, allowance.new_work), (0, false, false));
    assert!(allowance.storage_reads && allowance.up == Kbps(4_000), "in-use ceiling");
}

#[test]
fn a_profile_that_yields_counts_input_from_before_it_came() {
    let mut world = World::new(Profile::Always);
    world.input();
    world.pass(Span::secs(2));
    assert_eq!(world.owner.state(), NodeState::Run, "this profile does not yield");
    let effects = world.say(Input::Lend(policy(Profile::Generous)));
    assert_eq!((effects.guests, world.at()), (Some(GuestAct::Park), (NodeState::Pause, PauseReason::Input)), "(A)");
    world.pass(Span::secs(58));
    assert_ne!(world.owner.state(), NodeState::Pause, "(C)");
}

#[test]
fn whisper_comes_back_after_five_minutes_and_generous_after_one() {
    let mut world = World::new(Profile::Whisper);
    world.input();
    world.pass(Span::secs(299));
    assert_eq!(world.owner.state(), NodeState::Pause);
    world.pass(Span::secs(3));
    assert_eq!(world.owner.state(), NodeState::Run, "(C)");

    let mut world = World::new(Profile::Generous);
    world.input();
    world.pass(Span::secs(59));
    assert_eq!(world.owner.state(), NodeState::Pause);
    world.pass(Span::secs(1));
    assert_eq!(world.at(), (NodeState::Limit, PauseReason::Input), "one core beside its owner");
    assert_eq!(world.owner.allowance().cores_milli, 1_000);
    assert!(world.owner.allowance().memory_mib <= 4_096);
    world.pass(Span::secs(121));
    assert_eq!(world.owner.state(), NodeState::Run);
}

#[test]
fn five_minutes_of_pause_are_an_eviction() {
    let mut world = World::new(Profile::Generous);
    world.say(Input::Command(Command::Pause(PauseFor::Span(Span::hours(1)))));
    assert_eq!(world.at(), (NodeState::Pause, PauseReason::Owner));
    world.pass(Span::secs(299));
    assert_eq!(world.owner.leave(), Leave::Parked);
    world.now = world.now + Span::secs(1);
    let effects = world.say(Input::Tick);
    assert_eq!((effects.guests, world.at()), (Some(GuestAct::Evict), (NodeState::Evict, PauseReason::Owner)), "(F)");
    assert_eq!(world.owner.allowance().memory_mib, 0);
    world.pass(Span::mins(56));
    assert_eq!(world.owner.state(), NodeState::Run, "(C)");
}

#[test]
fn short_memory_evicts_at_once_and_comes_back_after_calm() {
    for short in [
        Readings { memory_available_mib: Some(100), ..idle(60) },
        Readings { psi_memory_full: Ppm::percent(50), ..idle(60) },
    ] {
        let mut world = World::new(Profile::Whisper);
        assert_eq!(world.sense(short).guests, Some(GuestAct::Evict), "(F)");
        assert_eq!(world.at(), (NodeState::Evict, PauseReason::Pressure));
        world.sense(idle(60));
        world.pass(Span::secs(59));
        assert_eq!(world.owner.state(), NodeState::Evict, "(E)");
        world.pass(Span::secs(1));
        assert_eq!(world.owner.state(), NodeState::Run);
    }
}

#[test]
fn another_program_makes_a_limit_within_three_seconds_and_calm_ends_it() {
    for pressure in [
        Readings { cpu_other: Ppm::percent(100), ..idle(60) },
        Readings { cpu_other: Ppm::percent(12), psi_cpu_some: Ppm::percent(60), ..idle(60) },
        Readings { psi_io_full: Ppm::percent(60), ..idle(60) },
    ] {
        let mut world = World::new(Profile::Whisper);
        world.sense(pressure.clone());
        assert_eq!(world.owner.state(), NodeState::Run, "a blip");
        world.pass(Span::secs(2));
        assert_eq!(world.at(), (NodeState::Limit, PauseReason::Pressure), "(E)");
        assert_eq!(world.owner.allowance().cores_milli, 2_000, "half of the workers");
        world.pass(Span::mins(10));
        assert_eq!(world.owner.state(), NodeState::Limit);
        world.sense(idle(60));
        world.pass(Span::secs(59));
        assert_eq!(world.owner.state(), NodeState::Limit);
        world.pass(Span::secs(1));
        assert_eq!(world.owner.state(), NodeState::Run, "back after 60 s of calm");
    }
    let mut world = World::new(Profile::Whisper);
    world.sense(Readings { psi_cpu_some: Ppm::percent(90), ..idle(60) });
    world.pass(Span::secs(5));
    assert_eq!(world.owner.state(), NodeState::Run, "our own guests waiting is no pressure of others");
}

#[test]
fn a_blip_of_pressure_changes_nothing() {
    let mut world = World::new(Profile::Whisper);
    world.sense(Readings { cpu_other: Ppm::percent(100), ..idle(60) });
    world.pass(Span::secs(1));
    world.sense(idle(60));
    world.pass(Span::secs(5));
    assert_eq!(world.owner.state(), NodeState::Run);
}

#[test]
fn apps_full_screen_battery_and_meters_pause_at_once() {
    let cases = [
        (Readings { apps: vec!["OBS".to_owned()], ..idle(60) }, PauseReason::App, true),
        (Readings { fullscreen: true, ..idle(60) }, PauseReason::FullScreen, true),
        (Readings { battery: true, ..idle(60) }, PauseReason::Battery, false),
        (Readings { metered: true, ..idle(60) }, PauseReason::Metered, false),
        (Readings { thermal: Ppm::ONE, ..idle(60) }, PauseReason::Thermal, true),
    ];
    for (readings, reason, reads) in cases {
        let mut world = World::new(Profile::Always);
        assert_eq!(world.sense(readings).guests, Some(GuestAct::Park), "{reason}");
        assert_eq!(world.at(), (NodeState::Pause, reason));
        let allowance = world.owner.allowance();
        assert_eq!((allowance.storage_reads, allowance.up > Kbps(0)), (reads, reads), "{reason}");
        assert!(allowance.disk > Bytes(0), "space stays lent");
        world.sense(idle(60));
        world.pass(Span::secs(60));
        assert_eq!(world.owner.state(), NodeState::Run, "{reason}");
    }
    let mut world = World::new(Profile::Whisper);
    world.sense(Readings { thermal: Ppm::percent(75), ..idle(60) });
    assert_eq!(world.at(), (NodeState::Limit, PauseReason::Thermal));
}

#[test]
fn a_laptop_lent_on_battery_goes_on_under_always_only() {
    for (profile, state) in [(Profile::Always, NodeState::Run), (Profile::Generous, NodeState::Pause)] {
        let mut world = World::new(profile);
        world.say(Input::Lend(LendPolicy { on_battery: true, ..policy(profile) }));
        world.sense(Readings { battery: true, ..idle(60) });
        assert_eq!(world.owner.state(), state, "{profile}");
    }
}

#[test]
fn a_headless_machine_gives_storage_only_under_whisper_and_all_under_always() {
    let mut world = World::new(Profile::Whisper);
    world.owner = Owner::new(T0, policy(Profile::Whisper), machine());
    world.sense(Readings::default());
    assert_eq!(world.at(), (NodeState::Pause, PauseReason::NoSignal), "(D)");
    let allowance = world.owner.allowance();
    assert!(
        allowance.storage_reads && allowance.cores_milli == 0 && allowance.disk > Bytes(0) && allowance.up > Kbps(0)
    );
    world.pass(Span::hours(1));
    assert_eq!(world.at(), (NodeState::Evict, PauseReason::NoSignal));
    assert!(world.owner.allowance().storage_reads);
    world.say(Input::Lend(policy(Profile::Always)));
    assert_eq!(world.at(), (NodeState::Run, PauseReason::None), "the file is in force at once");
    assert_eq!(world.owner.allowance().cores_milli, 8_000);
    assert_eq!(world.input().guests, None, "always does not yield to input");
}

#[test]
fn silent_sensors_count_as_in_use_after_five_seconds() {
    let mut world = World::new(Profile::Whisper);
    world.now = world.now + STALE_AFTER;
    let effects = world.say(Input::Tick);
    assert_eq!((effects.guests, world.at()), (Some(GuestAct::Park), (NodeState::Pause, PauseReason::NoSignal)), "(D)");
}

#[test]
fn the_night_profile_keeps_its_hours_in_local_time() {
    let mut world = World::new(Profile::Night);
    assert_eq!(world.at(), (NodeState::Pause, PauseReason::Schedule), "noon");
    world.sense(Readings { utc_offset_min: 11 * 60, ..idle(600) });
    assert_eq!(world.owner.state(), NodeState::Run, "23:00 in Nouméa");
    world.pass(Span::hours(8));
    assert_eq!(world.at(), (NodeState::Pause, PauseReason::Schedule), "07:00");
}

#[test]
fn the_owner_s_words() {
    let mut world = World::new(Profile::Whisper);
    world.say(Input::Command(Command::Finish));
    assert_eq!(world.at(), (NodeState::Run, PauseReason::Finishing));
    assert!(!world.owner.allowance().new_work && world.owner.leave() == Leave::Run);
    world.say(Input::Command(Command::Resume));
    assert!(world.owner.allowance().new_work);

    assert_eq!(world.say(Input::Command(Command::Down)).guests, Some(GuestAct::Evict));
    assert_eq!(world.at(), (NodeState::Off, PauseReason::Down));
    assert!(!world.owner.allowance().storage_reads && world.owner.allowance().disk > Bytes(0));
    world.say(Input::Command(Command::Up));
    assert_eq!(world.owner.state(), NodeState::Run);

    world.say(Input::Command(Command::Pause(PauseFor::Tomorrow)));
    assert_eq!(world.owner.paused_until(), Some(T0 + Span::hours(12)));
    world.sense(Readings { utc_offset_min: -60, ..idle(60) });
    world.say(Input::Command(Command::Pause(PauseFor::Tomorrow)));
    assert_eq!(world.owner.paused_until(), Some(T0 + Span::hours(13)));
    world.say(Input::Command(Command::Resume));

    world.input();
    world.say(Input::Command(Command::Pause(PauseFor::UntilIdle)));
    assert_eq!(world.at(), (NodeState::Pause, PauseReason::Owner));
    world.pass(Span::secs(302));
    assert_eq!(world.owner.state(), NodeState::Run);
}

#[test]
fn resume_lends_beside_a_full_screen_until_it_ends() {
    let mut world = World::new(Profile::Whisper);
    world.sense(Readings { fullscreen: true, ..idle(60) });
    world.pass(Span::secs(10));
    let effects = world.say(Input::Command(Command::Resume));
    assert_eq!((effects.guests, world.owner.state()), (Some(GuestAct::Unpark), NodeState::Run));
    world.sense(idle(60));
    world.sense(Readings { fullscreen: true, ..idle(60) });
    assert_eq!(world.at(), (NodeState::Pause, PauseReason::FullScreen), "the next one counts again");
}

#[test]
fn a_fault_and_sleep_are_off_until_they_end() {
    let mut world = World::new(Profile::Whisper);
    assert_eq!(world.say(Input::Fault(true)).guests, Some(GuestAct::Evict));
    assert_eq!(world.at(), (NodeState::Off, PauseReason::Fault));
    world.say(Input::Fault(false));
    assert_eq!(world.owner.state(), NodeState::Run);
    world.say(Input::Sleep);
    assert_eq!(world.owner.state(), NodeState::Off);
    world.say(Input::Wake);
    assert_eq!(world.owner.state(), NodeState::Run);
}

#[test]
fn up_right_after_input_runs_nothing_before_calm() {
    let mut world = World::new(Profile::Generous);
    world.say(Input::Command(Command::Down));
    world.input();
    world.pass(Span::secs(5));
    world.say(Input::Command(Command::Up));
    assert_eq!(world.owner.state(), NodeState::Pause, "(A)");
    assert_eq!(world.owner.leave(), Leave::Gone);
}

#[test]
fn a_spent_month_leaves_only_a_goodbye() {
    let mut world = World::new(Profile::Always);
    world.say(Input::Lend(LendPolicy { monthly_transfer: Some(Bytes::gib(100)), ..policy(Profile::Always) }));
    world.say(Input::Meter(Meter { month: Bytes::gib(90), today: Bytes(0), days_left: 5 }));
    let allowance = world.owner.allowance();
    assert!(allowance.storage_reads && !allowance.background && !allowance.new_work);
    world.say(Input::Meter(Meter { month: Bytes::gib(100), today: Bytes(0), days_left: 5 }));
    let allowance = world.owner.allowance();
    assert!(!allowance.storage_reads && allowance.up == Kbps(0));
}

#[test]
fn own_rules_first_match_wins() {
    let give =
        |cores| Give { cores: Cores::Share(Ppm::percent(cores)), memory: Ppm::percent(50), net: Ppm::percent(50) };
    let rules = [("hours('11:00-13:00')", 25), ("idle > 20min", 100)];
    let rules = rules.map(|(when, cores)| LendRule::new(when, give(cores)).unwrap());
    let mut world = World::new(Profile::Custom);
    assert_eq!(world.at(), (NodeState::Pause, PauseReason::Schedule), "no rule, no gift");
    world.say(Input::Lend(LendPolicy { rules: rules.to_vec(), ..policy(Profile::Custom) }));
    assert_eq!(world.owner.allowance().cores_milli, 2_000);
    world.pass(Span::hours(1));
    assert_eq!(world.owner.allowance().cores_milli, 8_000);
}

#[derive(Debug, Clone)]
enum Act {
    Pass(u64),
    Input,
    Sense(Readings),
    Say(Command),
    Lend(LendPolicy),
    Fault(bool),
    Sleep(bool),
    Meter(u64),
    Tick,
}

fn any_readings() -> impl Strategy<Value = Readings> {
    let share = || prop_oneof![3 => Just(0u32), 1 => 0u32..=1_000_000];
    let rare = || proptest::bool::weighted(0.1);
    (proptest::option::of(0u64..7_200), share(), share(), share(), rare(), rare(), rare(), rare(), share()).prop_map(
        |(idle, cpu, psi, memory, battery, metered, fullscreen, app, thermal)| Readings {
            idle: idle.map(Span::secs),
            cpu_other: Ppm(cpu),
            psi_cpu_some: Ppm(psi),
            psi_memory_full: Ppm(memory),
            battery,
            metered,
            fullscreen,
            apps: if app { vec!["obs".to_owned()] } else { vec![] },
            thermal: Ppm(thermal),
            ..Readings::default()
        },
    )
}

fn any_policy() -> impl Strategy<Value = LendPolicy> {
    let limits =
        (proptest::option::of(0u64..1 << 40), proptest::option::of(0u32..50_000), proptest::option::of(0u64..1 << 40));
    (0usize..5, limits, any::<bool>()).prop_map(|(profile, (disk, up, month), lenient)| {
        let profile = [Profile::Whisper, Profile::Generous, Profile::Night, Profile::Always, Profile::Custom][profile];
        let give = Give { cores: Cores::Share(Ppm::percent(90)), memory: Ppm::percent(90), net: Ppm::ONE };
        let rules = ["in_use and not battery", "idle > 1min"].map(|when| LendRule::new(when, give).unwrap());
        LendPolicy {
            disk: disk.map(Bytes),
            up: up.map(Kbps),
            down: up.map(Kbps),
            monthly_transfer: month.map(Bytes),
            rules: if profile == Profile::Custom { rules.to_vec() } else { vec![] },
            on_battery: lenient,
            on_metered: lenient,
            ..policy(profile)
        }
    })
}

fn any_act() -> impl Strategy<Value = Act> {
    let commands = vec![
        Command::Pause(PauseFor::Span(Span::mins(3))),
        Command::Pause(PauseFor::UntilIdle),
        Command::Resume,
        Command::Finish,
        Command::Down,
        Command::Up,
    ];
    prop_oneof![
        4 => (0u64..400_000).prop_map(Act::Pass),
        3 => Just(Act::Input),
        5 => any_readings().prop_map(Act::Sense),
        2 => proptest::sample::select(commands).prop_map(Act::Say),
        1 => any_policy().prop_map(Act::Lend),
        1 => any::<bool>().prop_map(Act::Fault),
        1 => any::<bool>().prop_map(Act::Sleep),
        1 => (0u64..1 << 40).prop_map(Act::Meter),
        2 => Just(Act::Tick),
    ]
}

/// (B), written from the text of the design and nothing else.
fn within_the_file(owner: &Owner) -> bool {
    let (a, p, m) = (owner.allowance(), owner.policy(), machine());
    let most = |limit: Option<Kbps>, measured: Option<Kbps>| {
        limit.unwrap_or(Kbps(u32::MAX)).min(measured.unwrap_or(Kbps(u32::MAX)))
    };
    a.up <= most(p.up, m.up)
        && a.down <= most(p.down, m.down)
        && a.disk <= p.disk.unwrap_or(Bytes(u64::MAX))
        && a.disk.0 + m.disk_size.0 / 20 <= m.disk_free.0 + m.held.0 + 1
        && a.cores_milli <= u32::from(m.cores) * 1_000
        && a.memory_mib + 1_024 <= m.memory_mib
        && (p.profile != Profile::Whisper || (a.cores_milli <= 4_000 && a.memory_mib <= 8_192 && a.up <= Kbps(4_000)))
}

proptest! {
    /// (A), (B), (G) and the meaning of states, on random lives.
    #[test]
    fn no_sequence_runs_guests_after_input_or_exceeds_the_file(
        first in any_policy(), acts in proptest::collection::vec(any_act(), 1..120),
    ) {
        let mut owner = Owner::new(T0, first, machine());
        let (mut now, mut input_at): (Stamp, Option<Stamp>) = (T0, None);
        let mut shell = Leave::Gone;
        for act in acts {
            let input = match act {
                Act::Pass(ms) => { now = now + Span(ms); Input::Tick }
                Act::Input => Input::InputEvent,
                Act::Sense(readings) => Input::Readings(readings),
                Act::Say(command) => Input::Command(command),
                Act::Lend(policy) => Input::Lend(policy),
                Act::Fault(fault) => Input::Fault(fault),
                Act::Sleep(true) => Input::Sleep,
                Act::Sleep(false) => Input::Wake,
                Act::Meter(month) => Input::Meter(Meter { month: Bytes(month), today: Bytes(0), days_left: 9 }),
                Act::Tick => Input::Tick,
            };
            if let Input::InputEvent = input { input_at = Some(now); }
            let effects = owner.handle(now, input);
            shell = match effects.guests {
                Some(GuestAct::Park) => { prop_assert_eq!(shell, Leave::Run); Leave::Parked }
                Some(GuestAct::Unpark) => { prop_assert_eq!(shell, Leave::Parked); Leave::Run }
                Some(GuestAct::Evict) => Leave::Gone,
                None if owner.leave() == Leave::Run => Leave::Run,
                None => shell,
            };
            prop_assert_eq!(shell, owner.leave(), "effects alone tell the shell everything");
            let yields = owner.policy().profile.yields_to_input();
            if shell == Leave::Run && yields {
                prop_assert!(input_at.is_none_or(|at| now.since(at) >= CALM), "(A)");
            }
            prop_assert!(within_the_file(&owner), "(B) {:?}", owner.allowance());
            let allowance = owner.allowance();
            prop_assert!(shell == Leave::Run || (allowance.cores_milli == 0 && !allowance.new_work && !allowance.background));
            prop_assert!(owner.state() != NodeState::Off || (!allowance.storage_reads && allowance.up == Kbps(0)));
            prop_assert!(effects.next_at > now && effects.next_at.since(now) <= LOOK_EVERY, "(G)");
            prop_assert!((owner.state() == NodeState::Run) <= (shell == Leave::Run));
        }
    }

    /// (C): whatever happened, a calm machine whose owner says go runs again.
    #[test]
    fn every_state_has_an_exit(first in any_policy(), acts in proptest::collection::vec(any_act(), 0..60)) {
        let mut world = World::new(Profile::Whisper);
        world.owner = Owner::new(T0, first, machine());
        for act in acts {
            match act {
                Act::Pass(ms) => { world.now = world.now + Span(ms); world.say(Input::Tick); }
                Act::Input => { world.input(); }
                Act::Sense(readings) => { world.sense(readings); }
                Act::Say(command) => { world.say(Input::Command(command)); }
                Act::Lend(policy) => { world.say(Input::Lend(policy)); }
                Act::Fault(fault) => { world.say(Input::Fault(fault)); }
                Act::Sleep(true) => { world.say(Input::Sleep); }
                _ => { world.say(Input::Tick); }
            }
        }
        world.say(Input::Lend(policy(Profile::Generous)));
        for input in [Input::Wake, Input::Fault(false), Input::Command(Command::Up), Input::Command(Command::Resume)] {
            world.say(input);
        }
        world.sense(idle(60));
        world.pass(CALM.max(Profile::Generous.idle_after()) + Span::secs(1));
        prop_assert_eq!(world.at(), (NodeState::Run, PauseReason::None), "(C)");
    }
}
