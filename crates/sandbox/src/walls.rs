//! The walls of the operating system around a child that touches foreign bytes, and how high they stand.
//!
//! Walls are raised by the child itself, first thing, and then tried from inside: a level is what was measured, not what was
//! asked for. Level 0: rlimits at most. 1: a filter of system calls. 2: and no file but the private folder, and no network.
//! 3: and an own OS user and a cgroup. Level 3 is not built yet.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::attempt::Trust;

#[cfg(target_os = "linux")]
mod linux;
mod none;

#[cfg(target_os = "linux")]
pub use linux::{Layer, LinuxWalls, LinuxWalls as SystemWalls};
pub use none::NoWalls;
#[cfg(not(target_os = "linux"))]
pub use none::NoWalls as SystemWalls;

/// Walls of one operating system.
pub trait Walls {
    /// Raises every layer that can be had around this process. The current directory is the private folder.
    /// A layer that cannot be had is told, not an error.
    fn raise(&self, bounds: &Bounds) -> Raised;
}

/// What the process may take; more ends it or fails its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Private memory in bytes.
    pub data_bytes: u64,
    /// Largest file in bytes.
    pub file_bytes: u64,
    /// Processor time in seconds.
    pub cpu_s: u64,
    /// It computes only while nobody else wants to.
    pub gives_way: bool,
}

/// What stands around a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// 0 to 3, see the module.
    pub level: u8,
    /// Layers that stand.
    pub standing: Vec<String>,
    /// Layers that could not be had, with the reason.
    pub missing: Vec<String>,
}

impl Raised {
    /// The level, 0 to 3.
    pub fn level(&self) -> u8 {
        self.level
    }

    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no layer there yet"))]
    fn note<T, E: fmt::Display>(&mut self, layer: &str, tried: Result<T, E>) -> bool {
        match tried {
            Ok(_) => self.standing.push(layer.to_owned()),
            Err(error) => self.missing.push(format!("{layer}: {error}")),
        }
        self.standing.last().is_some_and(|last| last == layer)
    }
}

/// The level that work needs on processors of `arch`: strangers' work 2, and 3 where most escapes of the engine were.
pub fn needed(trust: Trust, arch: &str) -> u8 {
    match (trust, arch) {
        (Trust::Public, "x86_64") => 2,
        (Trust::Public, _) => 3,
        (Trust::Own | Trust::Circle, _) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_need_walls_and_more_of_them_on_other_processors() {
        assert_eq!(needed(Trust::Public, "x86_64"), 2);
        assert_eq!(needed(Trust::Public, "aarch64"), 3);
        assert_eq!(needed(Trust::Circle, "aarch64"), 0);
    }

    #[test]
    fn a_system_without_walls_says_so() {
        let raised = NoWalls.raise(&Bounds { data_bytes: 0, file_bytes: 0, cpu_s: 0, gives_way: false });
        assert_eq!(raised.level(), 0);
        assert!(raised.level() < needed(Trust::Public, "x86_64"));
        assert!(!raised.missing.is_empty());
    }
}
