//! Rank of a node: how far it is trusted with what is not its owner's (`docs/design/fleet.md` §6).
//!
//! (A) In a circle membership is the vetting: T2 from the start, T3 by uptime alone. (B) In a public cloud each rank
//! needs all of the ranks below. (C) A node that lost pieces stands at T1 at most until it is vetted anew.

use model::{Ppm, Span, Tier};

/// Since joining, or since it was put back.
pub const VETTING: Span = Span::days(21);
/// Audits passed in that time.
pub const VETTING_AUDITS: u32 = 100;
/// Uptime of a steward.
pub const STEWARD_ON: Ppm = Ppm::percent(95);
/// For so long.
pub const STEWARD_FOR: Span = Span::days(30);
/// Integrity of a steward.
pub const STEWARD_INTEGRITY: Ppm = Ppm::percent(99);

/// What kind of cloud the node stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// People who invited each other, or an owner's own machines for the owner's data.
    Circle,
    /// Strangers.
    Public,
}

/// What rank is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierFacts {
    /// Kind of cloud.
    pub trust: Trust,
    /// Its fill test was passed.
    pub fill_passed: bool,
    /// Since it joined, or since it was put back to T1.
    pub vetting_for: Span,
    /// Audits passed in that time.
    pub audits_passed: u32,
    /// Share of the last 30 d it was on.
    pub on: Ppm,
    /// Since it joined.
    pub age: Span,
    /// Its score.
    pub integrity: Ppm,
    /// It lost pieces and has not been vetted since.
    pub put_back: bool,
}

/// The rank that fits the facts.
pub fn tier(facts: &TierFacts) -> Tier {
    let vetted = facts.vetting_for >= VETTING && facts.audits_passed >= VETTING_AUDITS;
    if facts.put_back && !vetted {
        return Tier::T1;
    }
    let steady = facts.age >= STEWARD_FOR && facts.on >= STEWARD_ON;
    match facts.trust {
        Trust::Circle if steady => Tier::T3,
        Trust::Circle => Tier::T2,
        Trust::Public if !facts.fill_passed => Tier::T0,
        Trust::Public if !vetted => Tier::T1,
        Trust::Public if steady && facts.integrity >= STEWARD_INTEGRITY => Tier::T3,
        Trust::Public => Tier::T2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(trust: Trust) -> TierFacts {
        TierFacts {
            trust,
            fill_passed: true,
            vetting_for: Span::days(40),
            audits_passed: 200,
            on: Ppm::percent(96),
            age: Span::days(40),
            integrity: Ppm::ONE,
            put_back: false,
        }
    }

    #[test]
    fn the_table_of_ranks() {
        let public = facts(Trust::Public);
        let rows = [
            (public, Tier::T3),
            (TierFacts { integrity: Ppm(989_999), ..public }, Tier::T2),
            (TierFacts { on: Ppm(949_999), ..public }, Tier::T2),
            (TierFacts { age: Span::days(29), ..public }, Tier::T2),
            (TierFacts { audits_passed: 99, ..public }, Tier::T1),
            (TierFacts { vetting_for: Span::days(20), ..public }, Tier::T1),
            (TierFacts { fill_passed: false, ..public }, Tier::T0),
        ];
        for (facts, expected) in rows {
            assert_eq!(tier(&facts), expected, "(B) {facts:?}");
        }
    }

    #[test]
    fn a_circle_trusts_its_members_and_uptime_makes_stewards() {
        let circle = TierFacts { fill_passed: false, audits_passed: 0, integrity: Ppm(0), ..facts(Trust::Circle) };
        assert_eq!(tier(&circle), Tier::T3, "(A)");
        assert_eq!(tier(&TierFacts { age: Span::ZERO, ..circle }), Tier::T2, "(A)");
    }

    #[test]
    fn lost_pieces_put_back_until_vetted_anew() {
        let back = TierFacts { put_back: true, vetting_for: Span::days(1), ..facts(Trust::Circle) };
        assert_eq!(tier(&back), Tier::T1, "(C)");
        assert_eq!(tier(&TierFacts { vetting_for: VETTING, ..back }), Tier::T3, "(C)");
    }
}
