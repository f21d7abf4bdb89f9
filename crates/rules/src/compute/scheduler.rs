//! The machine.

use super::message::{Effect, Input, Record};
use super::progress::{Progress, Waiting};
use model::{JobId, Stamp};
use rand_core::Rng;

/// All live jobs of a center, and who runs what.
#[derive(Debug, Clone)]
pub struct Scheduler {
    life: u32,
}

impl Scheduler {
    /// An empty scheduler in a center's `life`-th life (24 bits count).
    pub fn new(life: u32) -> Self {
        Self { life: life & 0xff_ffff }
    }

    /// Takes in what happens and returns everything that follows from it, in order.
    pub fn handle(&mut self, _now: Stamp, _input: Input, _rng: &mut impl Rng) -> Vec<Effect> {
        let _ = self.life;
        Vec::new()
    }

    /// How a job stands.
    pub fn progress(&self, _now: Stamp, _job: JobId) -> Option<Progress> {
        None
    }

    /// Jobs it knows, in the order in which they came; ended ones stay while their outputs may still be run again.
    pub fn jobs(&self) -> Vec<JobId> {
        Vec::new()
    }

    /// Why a job waits for machines; none when the job is not known.
    pub fn why_waiting(&self, _now: Stamp, _job: JobId) -> Option<Waiting> {
        None
    }

    /// Whether a lease is known; if not, the shell asks its node for the permit and sends [`Input::Announce`].
    pub fn knows(&self, _serial: u64) -> bool {
        false
    }

    /// Everything durable of a job in few records: they may take the place of all its records up to now.
    pub fn fold(&self, _job: JobId) -> Vec<Record> {
        Vec::new()
    }
}
