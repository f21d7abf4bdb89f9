//! Words of computing: whose machines run a job, how far its results are checked, what becomes of jobs and attempts.

use crate::fleet::words;
use crate::{JobId, ParseError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

words!(
    /// Whose machines may run a job, seen from its submitter. Smaller is closer.
    Trust, "trust", {
        /// The submitter's own.
        Own = 0 => "self",
        /// Those of people who invited each other.
        Circle = 1 => "circle",
        /// Everybody's.
        Public = 2 => "public",
    }
);
words!(
    /// How far results of strangers' machines are checked.
    Check, "check", {
        /// Not at all: own and circle machines.
        Off = 0 => "off",
        /// A share of them, a small one for nodes that were right often.
        Fast = 1 => "fast",
        /// A larger share, and nothing stands that is less sure than 99 %.
        Standard = 2 => "standard",
        /// All of them, twice.
        Strict = 3 => "strict",
    }
);
words!(
    /// What a job is made of.
    JobKind, "job kind", {
        /// One item an input.
        Array = 0 => "array",
        /// Map items, then reduce items over what they gave.
        MapReduce = 1 => "mapreduce",
    }
);
words!(
    /// What a job does.
    JobState, "job state", {
        /// Being written.
        Draft = 0 => "draft",
        /// Its price has been said.
        Quoted = 1 => "quoted",
        /// Waiting for machines.
        Queued = 2 => "queued",
        /// Some items run or have run.
        Running = 3 => "running",
        /// Nothing new is handed out; what runs goes on.
        Paused = 4 => "paused",
        /// Every item has a result, some are still being checked.
        Finishing = 5 => "finishing",
        /// Every item has its result.
        Done = 6 => "done",
        /// Some items have failed.
        Partial = 7 => "partial",
        /// Every item has failed.
        Failed = 8 => "failed",
        /// Its submitter stopped it.
        Stopped = 9 => "stopped",
        /// Its deadline has passed.
        Expired = 10 => "expired",
    }
);
words!(
    /// Why a job hands out nothing new.
    JobPause, "job pause", {
        /// Nobody who holds its key can be reached.
        KeeperOffline = 0 => "keeper_offline",
        /// Too many of its first items have failed; its submitter is asked.
        ManyFailed = 1 => "many_failed",
        /// The center has just started and waits for nodes to show what they run.
        Restarted = 2 => "restarted",
        /// What it may cost is used up.
        Budget = 3 => "budget",
    }
);
words!(
    /// Why an attempt, or in the end an item, failed.
    FailKind, "failure", {
        /// The guest ended with another exit code than 0; the detail is the code.
        Guest = 0 => "guest",
        /// The guest trapped; the detail says at what.
        Trap = 1 => "trap",
        /// It used up its fuel.
        Fuel = 2 => "fuel",
        /// It ran longer than its wall time.
        Wall = 3 => "wall",
        /// Growth was refused at the limit, then it failed.
        Memory = 4 => "memory",
        /// It wrote more than its limit.
        Output = 5 => "output",
        /// Its stack was too deep for this machine.
        Stack = 6 => "stack",
        /// The module cannot be run.
        Module = 7 => "module",
        /// An input is wrong or out of reach.
        Input = 8 => "input",
        /// The output could not be stored.
        Store = 9 => "store",
        /// No keeper gave the item's key.
        Key = 10 => "key",
        /// The machine: killed by the system, its disk, its sandbox.
        Host = 11 => "host",
        /// Nothing was heard of it any more.
        Lost = 12 => "lost",
        /// Results differ and nobody is left to decide.
        Disputed = 13 => "disputed",
    }
);

impl FailKind {
    /// Whether the module itself is the cause: counts against the job.
    pub const fn is_the_jobs(self) -> bool {
        matches!(self, Self::Guest | Self::Trap | Self::Fuel | Self::Wall | Self::Memory | Self::Output | Self::Module)
    }

    /// Whether another machine would fail in the very same way, so that two alike prove it.
    pub const fn is_repeatable(self) -> bool {
        self.is_the_jobs() && !matches!(self, Self::Wall)
    }
}

impl JobState {
    /// Whether nothing more will become of it.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Partial | Self::Failed | Self::Stopped | Self::Expired)
    }
}

/// A set of trust classes: bit 0 self, bit 1 circle, bit 2 public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct TrustSet(pub u8);

impl TrustSet {
    /// All three.
    pub const ALL: Self = Self(0b111);

    /// This set with `trust` in it.
    #[must_use]
    pub const fn with(self, trust: Trust) -> Self {
        Self(self.0 | 1 << trust.code())
    }
    /// Whether `trust` is in it.
    pub const fn has(self, trust: Trust) -> bool {
        self.0 >> trust.code() & 1 == 1
    }
}

/// How keys of a mapper's records find their part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Partitioning {
    /// By their hash, over so many parts.
    Hash(u32),
    /// By order: part n holds keys from cut n - 1 on and below cut n.
    Range(Vec<Vec<u8>>),
}

impl Partitioning {
    /// How many parts there are.
    pub fn parts(&self) -> u32 {
        match self {
            Self::Hash(parts) => *parts,
            Self::Range(cuts) => u32::try_from(cuts.len()).unwrap_or(u32::MAX).saturating_add(1),
        }
    }
}

/// One item of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemRef {
    /// Of which job.
    pub job: JobId,
    /// Of which of its stages, counted from 0.
    pub stage: u8,
    /// Its number in the stage, counted from 0.
    pub item: u32,
}

impl fmt::Display for ItemRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.job.short(), self.stage, self.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_types_is_read() {
        assert_eq!("self".parse(), Ok(Trust::Own));
        assert_eq!("circle".parse(), Ok(Trust::Circle));
        assert_eq!("strict".parse(), Ok(Check::Strict));
        assert_eq!("mapreduce".parse(), Ok(JobKind::MapReduce));
        assert_eq!(
            "own".parse::<Trust>().unwrap_err().to_string(),
            "trust cannot be `own`: it is one of: self circle public "
        );
    }

    #[test]
    fn every_word_is_read_back() {
        assert!(FailKind::ALL.iter().all(|kind| kind.word().parse() == Ok(*kind)));
        assert!(JobState::ALL.iter().all(|state| JobState::from_code(state.code()) == Some(*state)));
        assert!(FailKind::Guest.is_the_jobs() && !FailKind::Host.is_the_jobs() && !FailKind::Stack.is_the_jobs());
        assert!(!FailKind::Wall.is_repeatable(), "a slow machine reaches it sooner");
    }

    #[test]
    fn sets_of_trust_classes() {
        let set = TrustSet::default().with(Trust::Own).with(Trust::Public);
        assert!(set.has(Trust::Own) && !set.has(Trust::Circle) && set.has(Trust::Public));
        assert!(Trust::ALL.iter().all(|trust| TrustSet::ALL.has(*trust)));
    }
}
