//! Every sensor against made-up `proc` and `sys` trees, and once against the machine the tests run on.

use super::*;
use proptest::prelude::*;
use std::fs;
use tempfile::TempDir;

struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }
    fn put(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }
    fn root(&self) -> &Path {
        self.0.path()
    }
    fn busy(&self, user: u64, idle: u64, own: u64) {
        self.put("proc/stat", format!("cpu  {user} 0 0 {idle} 0 0 0 500 0 0\ncpu0 1 2 3 4\n"));
        self.put("proc/self/stat", process("a (b) c", 70, own));
        self.put("proc/70/task/70/children", "71 ");
        self.put("proc/71/stat", process("guest", 71, own));
    }
    fn stalled(&self, cpu_us: u64, io_us: u64, memory_us: u64) {
        let lines =
            |us| format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={us}\nfull avg10=0.00 total={}\n", us / 2);
        self.put("proc/pressure/cpu", lines(cpu_us)).put("proc/pressure/io", lines(io_us));
        self.put("proc/pressure/memory", lines(memory_us));
    }
}

fn process(name: &str, pid: u64, ticks: u64) -> String {
    format!("{pid} ({name}) R 1 1 1 0 -1 4194304 100 0 0 0 {ticks} 0 0 0 20 0 1 0 5 6 7")
}

fn signal(sample: &Sample, name: &str) -> bool {
    sample.signals.iter().find(|(other, _)| *other == name).unwrap().1
}

#[test]
fn other_programs_use_is_all_use_less_our_own_tree() {
    let tree = Tree::new();
    let mut sensors = LinuxSensors::under(tree.root());
    tree.busy(1_000, 1_000, 100);
    let first = sensors.sample_at(0);
    assert_eq!((first.readings.cpu_other, signal(&first, "cpu")), (Ppm(0), true), "nothing to compare with yet");
    // 100 ticks passed, 80 busy, of which 10 ours and 10 our child's.
    tree.busy(1_080, 1_020, 110);
    assert_eq!(sensors.sample_at(500).readings.cpu_other, Ppm::percent(60));
    // (C): a look 100 ms later still speaks of at least the window.
    tree.busy(1_090, 1_020, 110);
    assert_eq!(sensors.sample_at(600).readings.cpu_other, Ppm(70 * 1_000_000 / 110));
}

#[test]
fn pressure_is_the_share_of_time_spent_waiting() {
    let tree = Tree::new();
    let mut sensors = LinuxSensors::under(tree.root());
    tree.stalled(5_000_000, 0, 0);
    sensors.sample_at(0);
    tree.stalled(5_500_000, 400_000, 200_000);
    let sample = sensors.sample_at(1_000);
    let r = &sample.readings;
    assert!(signal(&sample, "pressure"));
    assert_eq!((r.psi_cpu_some, r.psi_io_some, r.psi_io_full), (Ppm::percent(50), Ppm::percent(40), Ppm::percent(20)));
    assert_eq!((r.psi_memory_some, r.psi_memory_full), (Ppm::percent(20), Ppm::percent(10)));
}

#[test]
fn memory_that_could_be_had_is_read() {
    let tree = Tree::new();
    tree.put("proc/meminfo", "MemTotal:  4096000 kB\nMemAvailable:  2048000 kB\n");
    let sample = LinuxSensors::under(tree.root()).sample_at(0);
    assert_eq!((sample.readings.memory_available_mib, signal(&sample, "memory")), (Some(2_000), true));
}

fn battery(files: &[(&str, &str)]) -> Option<bool> {
    let tree = Tree::new();
    for (path, text) in files {
        tree.put(&format!("sys/class/power_supply/{path}"), format!("{text}\n"));
    }
    power::on_battery(tree.root())
}

#[test]
fn a_laptop_off_the_mains_is_on_battery() {
    let laptop = [("BAT0/type", "Battery"), ("BAT0/present", "1")];
    let with = |more: &[(&'static str, &'static str)]| battery(&[&laptop[..], more].concat());
    assert_eq!(with(&[("AC/type", "Mains"), ("AC/online", "1"), ("BAT0/status", "Discharging")]), Some(false));
    assert_eq!(with(&[("AC/type", "Mains"), ("AC/online", "0"), ("BAT0/status", "Discharging")]), Some(true));
    assert_eq!(with(&[("AC/type", "USB"), ("AC/online", "1")]), Some(false));
    assert_eq!(with(&[("BAT0/status", "Charging")]), Some(false));
    assert_eq!(with(&[("BAT0/status", "Unknown")]), Some(true), "what cannot be told is battery");
    assert_eq!(battery(&[("MOUSE/type", "Battery"), ("MOUSE/scope", "Device")]), Some(false), "a mouse's battery");
    assert_eq!(battery(&[]), None, "no such folder is no signal");
}

#[test]
fn heat_is_a_share_of_the_room_to_the_first_trip() {
    let tree = Tree::new();
    let mut heat = Heat::default();
    assert_eq!(heat.room_used(tree.root()), None);
    let zone = "sys/class/thermal/thermal_zone0";
    tree.put(&format!("{zone}/temp"), "80000\n");
    assert_eq!(heat.room_used(tree.root()), None, "a zone without a trip says nothing");
    for (n, kind, temp) in
        [(0, "active", 50_000), (1, "passive", 90_000), (2, "critical", 100_000), (3, "hot", -274_000)]
    {
        tree.put(&format!("{zone}/trip_point_{n}_type"), format!("{kind}\n"));
        tree.put(&format!("{zone}/trip_point_{n}_temp"), format!("{temp}\n"));
    }
    assert_eq!(heat.room_used(tree.root()), Some(Ppm::percent(80)), "(80 − 40) / (90 − 40)");
    tree.put(&format!("{zone}/temp"), "95000\n");
    assert_eq!(heat.room_used(tree.root()), Some(Ppm::ONE));
    tree.put(&format!("{zone}/temp"), "20000\n");
    tree.put("sys/class/hwmon/hwmon0/temp1_input", "70000\n").put("sys/class/hwmon/hwmon0/temp1_crit", "100000\n");
    assert_eq!(heat.room_used(tree.root()), Some(Ppm::percent(50)), "the hottest counts");
    tree.put("sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "7\n");
    assert_eq!(heat.room_used(tree.root()), Some(Ppm::percent(50)), "the first count is no growth");
    tree.put("sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "8\n");
    assert_eq!(heat.room_used(tree.root()), Some(Ppm::ONE), "throttled since");
    assert_eq!(heat.room_used(tree.root()), Some(Ppm::percent(50)));
}

#[test]
fn listed_programs_are_found_by_the_name_the_kernel_keeps() {
    let tree = Tree::new();
    tree.put("proc/1/comm", "systemd\n").put("proc/20/comm", "STEAM.exe\n").put("proc/30/comm", "a-very-long-nam\n");
    tree.put("proc/meminfo/comm", "obs\n");
    let mut sensors = LinuxSensors::under(tree.root());
    assert!(signal(&sensors.sample_at(0), "apps"));
    sensors.look_for(&["steam.exe".into(), "obs".into(), "a-very-long-name-indeed".into(), String::new()]);
    let sample = sensors.sample_at(1);
    assert_eq!(sample.readings.apps, ["steam.exe", "a-very-long-name-indeed"]);
    fs::remove_dir_all(tree.root().join("proc/20")).unwrap();
    sensors.look_for(&["steam.exe".into()]);
    assert!(sensors.sample_at(2).readings.apps.is_empty());
}

#[test]
fn a_machine_that_says_nothing_has_no_signal() {
    let tree = Tree::new();
    let sample = LinuxSensors::under(tree.root()).sample_at(0);
    assert_eq!(sample.readings, Readings::default());
    assert!(sample.signals.iter().all(|(_, has)| !has), "{:?}", sample.signals);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nonsense_in_kernel_files_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), digits in "[0-9 ]{0,120}") {
        let tree = Tree::new();
        let mut sensors = LinuxSensors::under(tree.root());
        for at_ms in [0, 500, 400] {
            for file in ["pressure/cpu", "pressure/io", "pressure/memory", "meminfo", "1/comm"] {
                tree.put(&format!("proc/{file}"), &bytes);
            }
            tree.put("proc/stat", format!("cpu {digits}")).put("proc/self/stat", format!("1 (x) R {digits}"));
            tree.put("proc/1/task/1/children", &digits);
            tree.put("sys/class/power_supply/B/type", &bytes).put("sys/class/thermal/thermal_zone0/temp", &digits);
            sensors.look_for(&["x".into()]);
            sensors.sample_at(at_ms);
        }
    }
}

/// What a look costs is part of what an idle agent costs; ten a second must not be felt.
#[test]
fn a_look_at_this_machine_is_quick_and_says_what_it_can_see() {
    let mut sensors = LinuxSensors::of_this_machine();
    sensors.look_for(&["no-such-program".into()]);
    let first = sensors.sample();
    println!("signals on this machine: {:?}", first.signals);
    assert!(signal(&first, "cpu") && signal(&first, "memory") && signal(&first, "apps"));
    let began = Instant::now();
    const LOOKS: u32 = 20;
    for _ in 0..LOOKS {
        sensors.sample();
    }
    let each = began.elapsed() / LOOKS;
    println!("one look: {each:?}");
    assert!(each < Duration::from_millis(50), "{each:?}");
}
