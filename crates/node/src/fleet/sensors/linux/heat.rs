//! Heat: how much of the room between a cool machine and its first trip point is in use, and whether the processor was
//! throttled since the last look.

use super::{names, number, share, text};
use model::Ppm;
use std::path::Path;

/// A cool machine, in thousandths of a degree Celsius (assumed): thermal room begins here.
const COOL_MILLI: i64 = 40_000;
/// Trip points outside are firmware's nonsense.
const TRIPS_MILLI: std::ops::RangeInclusive<i64> = 60_000..=125_000;
/// A sensor outside is broken.
const TEMPERATURES_MILLI: std::ops::RangeInclusive<i64> = -40_000..=150_000;
/// Trip points of one zone that are read.
const TRIPS_MAX: usize = 12;

/// Remembers how often the processor was throttled.
#[derive(Debug, Default)]
pub(super) struct Heat {
    throttled: Option<i64>,
}

impl Heat {
    /// The largest share of all zones; the whole while the processor is being throttled. None without a usable sensor.
    pub(super) fn room_used(&mut self, root: &Path) -> Option<Ppm> {
        let throttled = throttled(root);
        let grew = matches!((self.throttled, throttled), (Some(before), Some(now)) if now > before);
        self.throttled = throttled;
        let zones = zones(root).into_iter().chain(hwmon(root)).max();
        if grew { Some(Ppm::ONE) } else { zones.or(throttled.map(|_| Ppm(0))) }
    }
}

/// How often any package hit its limit since boot.
fn throttled(root: &Path) -> Option<i64> {
    let cpus = root.join("sys/devices/system/cpu");
    let counts = names(&cpus, "cpu")?.into_iter();
    let counts = counts.filter_map(|cpu| number(&cpus.join(cpu).join("thermal_throttle/package_throttle_count")));
    counts.reduce(i64::saturating_add)
}

fn zones(root: &Path) -> Vec<Ppm> {
    let class = root.join("sys/class/thermal");
    let zones = names(&class, "thermal_zone").unwrap_or_default();
    let used = |zone: &String| {
        let zone = class.join(zone);
        let trip = |n: usize| {
            let kind = text(&zone.join(format!("trip_point_{n}_type")))?;
            let counts = matches!(kind.trim(), "passive" | "hot" | "critical");
            number(&zone.join(format!("trip_point_{n}_temp"))).filter(|_| counts)
        };
        room(number(&zone.join("temp"))?, (0..TRIPS_MAX).filter_map(trip))
    };
    zones.iter().filter_map(used).collect()
}

/// Margin to `crit` of every hardware monitor.
fn hwmon(root: &Path) -> Vec<Ppm> {
    let class = root.join("sys/class/hwmon");
    let mut all = Vec::new();
    for monitor in names(&class, "hwmon").unwrap_or_default() {
        let monitor = class.join(monitor);
        for input in names(&monitor, "temp").unwrap_or_default() {
            let Some(sensor) = input.strip_suffix("_input") else { continue };
            let crit = number(&monitor.join(format!("{sensor}_crit")));
            all.extend(number(&monitor.join(&input)).and_then(|temp| room(temp, crit.into_iter())));
        }
    }
    all
}

/// Share of the way from cool to the first plausible trip point.
fn room(temp_milli: i64, trips_milli: impl Iterator<Item = i64>) -> Option<Ppm> {
    let trip = trips_milli.filter(|trip| TRIPS_MILLI.contains(trip)).min()?;
    if !TEMPERATURES_MILLI.contains(&temp_milli) {
        return None;
    }
    let above = u64::try_from((temp_milli - COOL_MILLI).max(0)).unwrap_or(0);
    Some(share(above, u64::try_from(trip - COOL_MILLI).unwrap_or(1)))
}
