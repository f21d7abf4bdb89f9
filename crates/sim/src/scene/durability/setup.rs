//! What a durability run is told: pool, class, calamity, and which of the chapter's liberties are taken.

use crate::hosts::{Layers, Mix, Session};
use crate::seed::Seed;
use model::{Bytes, Class, Os};

/// What the rules know of the machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knows {
    /// What a center knows: profiles learned from check-ins, vetting and audits on, uplinks and repair rate limited.
    Learned,
    /// The chapter's world (`docs/design/storage.md` §16): profiles known, nobody on probation, no limit of bandwidth.
    Oracle,
}

/// Who comes in place of a machine that left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newcomers {
    /// A machine drawn from the mix, as in the chapter's 1.8 departures a node-year.
    Mix,
    /// One of the same kind: the shares of the mix stay, and more machines leave.
    Same,
}

/// How missing pieces are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathering {
    /// Over time, as machines come on.
    Collect,
    /// The same, and nothing is kept for targets that are off: it is gathered again for them.
    Again,
    /// Only while k are on at one moment.
    Now,
}

/// Whether indexes are given a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexes {
    /// As `rules::storage::regive` says.
    Regiven,
    /// Never: the group wears out.
    Once,
}

/// What befalls the pool on one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Blow {
    /// Nothing.
    None,
    /// This share of all machines, at random, at once, for good.
    Kill(f64),
    /// This share, spread evenly over so many days, for good; nobody new comes.
    Ramp(f64, u32),
    /// Every machine of one system, at once, for good.
    System(Os),
    /// This share is off for 48 h; nine of ten come back.
    Away(f64),
}

impl Blow {
    /// From the words of the command line: `none`, `kill:55`, `ramp:60:7`, `windows`, `away:70`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(':');
        let name = words.next()?;
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
        let percent = |n: Option<u32>| n.filter(|n| *n <= 100).map(|n| f64::from(n) / 100.0);
        match name {
            "none" => Some(Self::None),
            "kill" => percent(number()).map(Self::Kill),
            "ramp" => percent(number()).zip(number()).map(|(share, days)| Self::Ramp(share, days)),
            "away" => percent(number()).map(Self::Away),
            "windows" => Some(Self::System(Os::Windows)),
            _ => None,
        }
    }

    /// Whether newcomers still come afterwards.
    pub fn lets_newcomers(&self) -> bool {
        !matches!(self, Self::Ramp(..))
    }
}

/// Where the times on come from.
#[derive(Debug, Clone)]
pub enum Hosts {
    /// The models of a mix, with their lives.
    Mix(Mix),
    /// A recorded trace, run again from its beginning when it ends; lives of the mean given, in days.
    Trace {
        /// The times on of each recorded machine.
        sessions: Vec<Vec<Session>>,
        /// Mean life.
        life_days: u32,
    },
}

/// Everything a run depends on.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Machines at any moment.
    pub nodes: u32,
    /// Days judged, after [`Setup::learn_days`].
    pub days: u32,
    /// The seed.
    pub seed: Seed,
    /// The machines.
    pub hosts: Hosts,
    /// Class of all groups.
    pub class: Class,
    /// Groups; each stands for one segment in the figures.
    pub groups: u32,
    /// Bytes of a slot, k of which are a group's content.
    pub slot: Bytes,
    /// Lent by each machine.
    pub lent: Bytes,
    /// Days in which the center learns before anything is stored.
    pub learn_days: u32,
    /// What the rules know.
    pub knows: Knows,
    /// Who replaces whom.
    pub newcomers: Newcomers,
    /// Lives are divided by this: what is too rare to be counted becomes countable.
    pub hasten: u32,
    /// How pieces are gathered.
    pub gathering: Gathering,
    /// Whether indexes are given again.
    pub indexes: Indexes,
    /// What befalls the pool.
    pub blow: Blow,
    /// The day of it, counted from the first day judged.
    pub blow_day: u32,
    /// Absences and outages.
    pub layers: Layers,
    /// Newcomers come at all.
    pub replaces: bool,
    /// Each time zone is one country, and the center knows it; else countries are unknown, as without the operator's file.
    pub knows_countries: bool,
}

impl Setup {
    /// The year of the chapter with a pool of this size.
    pub fn new(nodes: u32, days: u32, seed: Seed) -> Self {
        Self {
            nodes,
            days,
            seed,
            hosts: Hosts::Mix(Mix::named("homes").expect("a mix of that name is in the table, see its test")),
            class: Class::Standard,
            groups: nodes / 3,
            slot: Bytes::mib(256),
            lent: Bytes::gib(40),
            learn_days: 42,
            knows: Knows::Learned,
            newcomers: Newcomers::Mix,
            hasten: 1,
            gathering: Gathering::Collect,
            indexes: Indexes::Regiven,
            blow: Blow::None,
            blow_day: 180,
            layers: Layers::default(),
            replaces: true,
            knows_countries: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blows_read_as_they_are_said() {
        assert_eq!(Blow::parse("kill:55"), Some(Blow::Kill(0.55)));
        assert_eq!(Blow::parse("ramp:60:7"), Some(Blow::Ramp(0.6, 7)));
        assert_eq!(Blow::parse("windows"), Some(Blow::System(Os::Windows)));
        assert_eq!(["kill", "kill:101", "ramp:60", "storm"].map(Blow::parse), [None; 4]);
    }
}
