use super::*;
use proptest::prelude::*;

fn machine() -> Machine {
    Machine {
        cores: 8,
        memory_mib: 16_384,
        disk_size: Bytes::gib(500),
        disk_free: Bytes::gib(412),
        held: Bytes(0),
        up: Some(Kbps(20_000)),
        down: Some(Kbps(100_000)),
    }
}

#[test]
fn an_absent_file_is_whisper() {
    let policy = LendPolicy::default();
    assert_eq!(policy.profile, Profile::Whisper, "(A)");
    let offer = policy.offer(&machine());
    assert_eq!((offer.idle.cores_milli, offer.idle.memory_mib, offer.idle.up), (4_000, 8_192, Kbps(4_000)));
    assert_eq!(offer.disk, Bytes(20_000_000_000));
    assert_eq!(
        offer.to_string(),
        "whisper: 4.0 of 8 cores, 18.6 GiB of 412.0 GiB free, at most 4.0 Mbit/s up, never on battery"
    );
    assert_eq!(policy.net_in_use(&machine()), (Kbps(4_000), Kbps(8_000)), "1 MB/s at most");
}

#[test]
fn the_profiles_are_the_table_of_the_design() {
    let of = |profile| LendPolicy { profile, ..LendPolicy::default() };
    let rows = [
        (Profile::Generous, 8_000, 12_288, 12_000, (6_000, 30_000)),
        (Profile::Night, 6_400, 12_288, 12_000, (8_000, 8_000)),
        (Profile::Always, 8_000, 12_288, 16_000, (16_000, 80_000)),
    ];
    for (profile, cores, memory, up, (up_in_use, down_in_use)) in rows {
        let policy = of(profile);
        let idle = policy.ceiling(&policy.compiled()[0].give, &machine());
        assert_eq!((idle.cores_milli, idle.memory_mib, idle.up), (cores, memory, Kbps(up)), "{profile}");
        assert_eq!(policy.net_in_use(&machine()), (Kbps(up_in_use), Kbps(down_in_use)), "{profile}");
        assert_eq!(profile.word().parse::<Profile>(), Ok(profile));
    }
    assert_eq!(of(Profile::Generous).disk_ceiling(&machine()), Bytes::gib(103));
    assert!(of(Profile::Custom).compiled().is_empty());
}

#[test]
fn duties_are_said_yes_to_one_by_one() {
    let accept = Accept::from_words(["storage", "load"]).unwrap();
    assert!(accept.allows(Capability::Store) && accept.allows(Capability::Load) && !accept.allows(Capability::Relay));
    assert_eq!(accept.bits(), 0b1000_0011);
    assert!(!Accept::default().load && !Accept::default().relay);
    assert!(Accept::from_words(["everything"]).is_err());
}

#[test]
fn a_file_that_does_not_hold_is_refused_with_its_field() {
    let give = Give { cores: Cores::Milli(1_000), memory: Ppm::percent(10), net: Ppm::percent(10) };
    let rule = LendRule::new("not battery", give).unwrap();
    let custom = LendPolicy { profile: Profile::Custom, rules: vec![rule.clone(); RULES_MAX], ..LendPolicy::default() };
    assert_eq!(custom.check(), Ok(()));
    let cases = [
        ("lend.rule", LendPolicy { rules: vec![rule.clone(); RULES_MAX + 1], ..custom.clone() }),
        ("profile", LendPolicy { rules: vec![rule], ..LendPolicy::default() }),
        ("pause_for", LendPolicy { pause_for: vec!["x".to_owned(); APPS_MAX + 1], ..LendPolicy::default() }),
        ("reset_day", LendPolicy { reset_day: 29, ..LendPolicy::default() }),
    ];
    for (field, policy) in cases {
        assert_eq!(policy.check().unwrap_err().what, field, "(E)");
    }
}

#[test]
fn a_small_month_lends_little_space() {
    let policy =
        LendPolicy { disk: Some(Bytes::gib(50)), monthly_transfer: Some(Bytes::gib(1)), ..LendPolicy::default() };
    assert_eq!(policy.disk_ceiling(&machine()), Bytes(Bytes::gib(1).0 * 100 / 19));
}

proptest! {
    #[test]
    fn no_ceiling_exceeds_the_file_or_what_stays_free(
        profile in 0usize..5, disk in proptest::option::of(0u64..1 << 45), up in proptest::option::of(0u32..1_000_000),
        cores in 0u16..256, memory_mib in 0u32..1 << 20, size in 0u64..1 << 45, free_ppm in 0u32..=1_000_000,
        held in 0u64..1 << 40, measured in proptest::option::of(0u32..10_000_000), share in 0u32..=1_000_000,
    ) {
        let policy = LendPolicy { profile: Profile::ALL[profile].0, disk: disk.map(Bytes), up: up.map(Kbps), ..LendPolicy::default() };
        let machine = Machine {
            cores, memory_mib, disk_size: Bytes(size), disk_free: Bytes(Ppm(free_ppm).of(size)), held: Bytes(held),
            up: measured.map(Kbps), down: measured.map(Kbps),
        };
        let give = Give { cores: Cores::Share(Ppm(share)), memory: Ppm(share), net: Ppm(share) };
        let ceiling = policy.ceiling(&give, &machine);
        let most = up.unwrap_or(u32::MAX);
        prop_assert!(ceiling.up.0 <= most && policy.net_in_use(&machine).0.0 <= most, "(C)");
        prop_assert!(ceiling.cores_milli <= u32::from(cores) * 1_000, "(C)");
        prop_assert!(ceiling.memory_mib == 0 || ceiling.memory_mib + MEMORY_FREE_MIB <= memory_mib, "(D)");
        let lent = policy.disk_ceiling(&machine).0;
        prop_assert!(lent <= disk.unwrap_or(u64::MAX), "(C)");
        prop_assert!(lent == 0 || lent + size / 20 <= machine.disk_free.0 + held + 1, "(D)");
    }
}
