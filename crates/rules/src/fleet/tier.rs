//! Rank of a node: how far it is trusted with what is not its owner's (`docs/design/fleet.md` §6).
//!
//! (A) In a circle membership is the vetting: T2 from the start, T3 by uptime alone. (B) In a public cloud each rank
//! needs all of the ranks below. (C) A node that lost pieces stands at T1 at most until it is vetted anew. (D) Its loss lifts
//! nobody: who has not passed the fill test stays where it is.

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

/// What each rank takes: the figures above, or those of an operator, as this center counts time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierBounds {
    /// Since joining, or since it was put back, before T2.
    pub vetting: Span,
    /// Audits passed in that time.
    pub vetting_audits: u32,
    /// Age of a steward.
    pub steward_for: Span,
}

impl Default for TierBounds {
    fn default() -> Self {
        Self { vetting: VETTING, vetting_audits: VETTING_AUDITS, steward_for: STEWARD_FOR }
    }
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
pub fn tier(facts: &TierFacts, bounds: &TierBounds) -> Tier {
    let vetted = facts.vetting_for >= bounds.vetting && facts.audits_passed >= bounds.vetting_audits;
    let steady = facts.age >= bounds.steward_for && facts.on >= STEWARD_ON;
    match facts.trust {
        Trust::Public if !facts.fill_passed => Tier::T0,
        _ if facts.put_back && !vetted => Tier::T1,
        Trust::Circle if steady => Tier::T3,
        Trust::Circle => Tier::T2,
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

    fn rank(facts: TierFacts) -> Tier {
        tier(&facts, &TierBounds::default())
    }

    #[test]
    fn an_operator_s_figures_count_in_place_of_the_house_s() {
        let young =
            TierFacts { age: Span::days(8), vetting_for: Span::days(8), audits_passed: 5, ..facts(Trust::Public) };
        let bounds = TierBounds { vetting: Span::days(7), vetting_audits: 5, ..TierBounds::default() };
        assert_eq!((rank(young), tier(&young, &bounds)), (Tier::T1, Tier::T2));
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
            assert_eq!(rank(facts), expected, "(B) {facts:?}");
        }
    }

    #[test]
    fn a_circle_trusts_its_members_and_uptime_makes_stewards() {
        let circle = TierFacts { fill_passed: false, audits_passed: 0, integrity: Ppm(0), ..facts(Trust::Circle) };
        assert_eq!(rank(circle), Tier::T3, "(A)");
        assert_eq!(rank(TierFacts { age: Span::ZERO, ..circle }), Tier::T2, "(A)");
    }

    #[test]
    fn lost_pieces_put_back_until_vetted_anew() {
        let back = TierFacts { put_back: true, vetting_for: Span::days(1), ..facts(Trust::Circle) };
        assert_eq!(rank(back), Tier::T1, "(C)");
        assert_eq!(rank(TierFacts { vetting_for: VETTING, ..back }), Tier::T3, "(C)");
        let untested = TierFacts { trust: Trust::Public, fill_passed: false, ..back };
        assert_eq!(rank(untested), Tier::T0, "(D)");
    }
}
