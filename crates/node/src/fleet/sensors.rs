//! What a machine's sensors say about its owner and its load: one trait, the system's sensors and a scripted owner.
//!
//! (A) No signal means in use: a sensor that cannot tell gives [`Readings::idle`] none, never a guess. (B) A sample is
//! bounded in time and in what it reads; what may wait (the bus) is asked on a thread of its own. (C) Nothing is written
//! and nothing is asked that keeps the machine awake.

#[cfg(target_os = "linux")]
mod linux;
mod scripted;
mod system;

pub use scripted::{ScriptError, ScriptHandle, ScriptedSensors};
pub use system::SystemSensors;

use rules::fleet::owner::Readings;

/// The longest name of a listed program the kernel keeps, in bytes (`TASK_COMM_LEN` less its ending zero).
pub const COMM_MAX: usize = 15;

/// One look at the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    /// What was read; `utc_offset_min` is the loop's to fill.
    pub readings: Readings,
    /// Every sensor by name, and whether it gives a signal here: `idle`, `cpu`, `pressure`, `memory`, `battery`,
    /// `metered`, `thermal`, `apps`, `fullscreen`.
    pub signals: Vec<(&'static str, bool)>,
}

/// Where readings come from. Two implementors: [`SystemSensors`] and [`ScriptedSensors`].
pub trait Sensors: Send {
    /// Looks now. Called from a thread that may block shortly, at most ten times a second, never twice at once.
    fn sample(&mut self) -> Sample;

    /// The programs to look for from now on, as the owner wrote their names.
    fn look_for(&mut self, apps: &[String]);

    /// The hand that writes the script, where there is one.
    fn script(&self) -> Option<ScriptHandle> {
        None
    }
}
