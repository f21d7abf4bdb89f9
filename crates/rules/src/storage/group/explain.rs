//! Why a candidate got a slot and why another did not: values, and one line of text for each.

use super::Domain;
use model::{Alias, HourOfWeek};
use std::fmt;

/// Why a node may hold no new pieces at all; the caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unfit {
    /// Left, banned, or not of this cloud.
    Left,
    /// In quarantine.
    Quarantined,
    /// Not capable of `store`, or its owner does not accept it.
    NotCapable,
    /// Away, or not heard since the center's start.
    Away,
    /// On a declared holiday.
    Holiday,
    /// A stranger that has not passed its fill test.
    Untested,
}

/// A slot given, with why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// Slot and piece index.
    pub index: u16,
    /// Who gets it.
    pub node: Alias,
    /// The weakest hour it was chosen for.
    pub hour: HourOfWeek,
    /// Its score, in millionths.
    pub score: i64,
    /// Those drawn beside it, with their scores.
    pub beaten: Vec<(Alias, i64)>,
    /// Soft caps it breaks because the pool has nobody else.
    pub breaks: Vec<Domain>,
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, hour) = (self.hour.day(), self.hour.hour_of_day());
        write!(f, "{} got slot {}: score {} for day {day} {hour:02}:00 UTC", self.node, self.index, self.score)?;
        write!(f, ", against {}", self.beaten.len())?;
        self.breaks.iter().try_for_each(|domain| write!(f, ", over the cap of {domain}"))
    }
}

/// Why a candidate got none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// It may hold none.
    Unfit(Unfit),
    /// On probation before the fill test.
    Probation,
    /// It holds a slot of this group.
    Holds,
    /// It has no room for a slot.
    NoRoom,
    /// Its region is not one of the rule's, or unknown.
    OutsideRegion,
    /// Another slot of the group stands in this domain, which may hold only one.
    Taken(Domain),
    /// As many slots as allowed are with nodes on probation.
    ProbationFull,
    /// The domain holds as much as it should; others were there.
    Crowded(Domain),
    /// Drawn, and another had the better score. Its best score, in millionths.
    Outdone(i64),
    /// Not drawn before the group was full.
    NotDrawn,
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(Unfit::Left) => f.write_str("is not of this cloud any more"),
            Self::Unfit(Unfit::Quarantined) => f.write_str("is in quarantine"),
            Self::Unfit(Unfit::NotCapable) => f.write_str("does not store"),
            Self::Unfit(Unfit::Away) => f.write_str("is away"),
            Self::Unfit(Unfit::Holiday) => f.write_str("is on holiday"),
            Self::Unfit(Unfit::Untested) => f.write_str("has not passed its fill test"),
            Self::Probation => f.write_str("has not passed its fill test"),
            Self::Holds => f.write_str("holds a slot of this group"),
            Self::NoRoom => f.write_str("has no room for a slot"),
            Self::OutsideRegion => f.write_str("is not known to be in the regions asked for"),
            Self::Taken(domain) => write!(f, "{domain} holds a slot already"),
            Self::ProbationFull => f.write_str("nodes on probation hold their share already"),
            Self::Crowded(domain) => write!(f, "{domain} holds enough already"),
            Self::Outdone(score) => write!(f, "was drawn with score {score}, another had more"),
            Self::NotDrawn => f.write_str("was not drawn"),
        }
    }
}
