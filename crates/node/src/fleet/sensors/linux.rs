//! Linux: kernel files under a root, and the system bus. Fast figures (pressure, processor, memory) are read at every
//! look, slow ones (power, heat, programs) at most once a second.
//!
//! (A) Everything read is bounded in size and number. (B) A file that is missing or reads as nonsense is no signal, never
//! a panic. (C) Shares are of the time between two looks at least [`WINDOW_MS`] apart, so that one busy tick of the kernel
//! is no load.

mod bus;
mod heat;
mod load;
mod power;
mod programs;

use super::Sample;
use bus::Bus;
use heat::Heat;
use load::Load;
use model::Ppm;
use programs::Programs;
use rules::fleet::owner::Readings;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Shares are taken over at least so long.
const WINDOW_MS: u64 = 450;
/// Between looks at what changes slowly.
const SLOW_EVERY: Duration = Duration::from_millis(950);
/// Longest file that is read: `/proc/stat` of a machine with many processors.
const READ_MAX: u64 = 256 << 10;
/// Entries of a folder that are looked at.
const ENTRIES_MAX: usize = 256;

/// The sensors of a Linux machine.
pub(super) struct LinuxSensors {
    root: PathBuf,
    began: Instant,
    load: Load,
    heat: Heat,
    programs: Programs,
    bus: Option<Bus>,
    slow_at: Option<Instant>,
    slow: Slow,
}

/// What changes slowly.
#[derive(Debug, Clone, Default)]
struct Slow {
    battery: Option<bool>,
    thermal: Option<Ppm>,
    apps: Option<Vec<String>>,
}

impl LinuxSensors {
    /// `/`, and the system bus where there is one.
    pub(super) fn of_this_machine() -> Self {
        Self { bus: Bus::of_this_machine(), ..Self::under(Path::new("/")) }
    }

    /// `proc` and `sys` under another root, no bus.
    fn under(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            began: Instant::now(),
            load: Load::default(),
            heat: Heat::default(),
            programs: Programs::default(),
            bus: None,
            slow_at: None,
            slow: Slow::default(),
        }
    }

    pub(super) fn look_for(&mut self, apps: &[String]) {
        self.programs.look_for(apps);
        self.slow_at = None;
    }

    pub(super) fn sample(&mut self) -> Sample {
        let at_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.sample_at(at_ms)
    }

    /// `at_ms`: monotonic.
    fn sample_at(&mut self, at_ms: u64) -> Sample {
        if self.slow_at.is_none_or(|at| at.elapsed() >= SLOW_EVERY) {
            self.slow_at = Some(Instant::now());
            self.slow = Slow {
                battery: power::on_battery(&self.root),
                thermal: self.heat.room_used(&self.root),
                apps: self.programs.running(&self.root),
            };
        }
        let heard = self.bus.as_ref().map(Bus::heard).unwrap_or_default();
        let load = self.load.look(&self.root, at_ms);
        let slow = self.slow.clone();
        let signals = vec![
            ("idle", heard.idle.is_some()),
            ("cpu", load.cpu_other.is_some()),
            ("pressure", load.pressure.is_some()),
            ("memory", load.memory_available_mib.is_some()),
            ("battery", slow.battery.is_some()),
            ("metered", heard.metered.is_some()),
            ("thermal", slow.thermal.is_some()),
            ("apps", slow.apps.is_some()),
            ("fullscreen", false),
        ];
        let pressure = load.pressure.unwrap_or_default();
        let readings = Readings {
            idle: heard.idle,
            cpu_other: load.cpu_other.unwrap_or_default(),
            psi_cpu_some: pressure.cpu_some,
            psi_io_some: pressure.io_some,
            psi_io_full: pressure.io_full,
            psi_memory_some: pressure.memory_some,
            psi_memory_full: pressure.memory_full,
            memory_available_mib: load.memory_available_mib,
            battery: slow.battery.unwrap_or_default(),
            metered: heard.metered.unwrap_or_default(),
            fullscreen: false,
            thermal: slow.thermal.unwrap_or_default(),
            apps: slow.apps.unwrap_or_default(),
            utc_offset_min: 0,
        };
        Sample { readings, signals }
    }
}

/// The text of a small kernel file; none when it is missing, too long or no text.
fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(READ_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// One whole number.
fn number(path: &Path) -> Option<i64> {
    text(path)?.trim().parse().ok()
}

/// Names in a folder that begin with `prefix`, in order, at most [`ENTRIES_MAX`]; none when there is no such folder.
fn names(folder: &Path, prefix: &str) -> Option<Vec<String>> {
    let entries = std::fs::read_dir(folder).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).take(ENTRIES_MAX).collect();
    names.sort();
    Some(names)
}

/// `part` of `whole` as a share, at most the whole.
fn share(part: u64, whole: u64) -> Ppm {
    let ppm = u128::from(part) * 1_000_000 / u128::from(whole.max(1));
    Ppm(u32::try_from(ppm.min(1_000_000)).expect("at most a million"))
}

#[cfg(test)]
mod tests;
