//! May a bucket of this class be made here at all? A public pool promises by its class, so that a class whose groups it could not
//! cover in every hour of the week is refused before anything is stored under it (`docs/design/storage.md` §3, §5).
//!
//! (A) Refused is only what has been learned: a pool of which less than half is known for [`super::HISTORY`] is not judged.
//! (B) Circles and neighborhoods choose their code by what they are and are never refused; `eco` never is: it is what is left to
//! choose. (C) One more always-on holder in place of another never turns a yes into a no. (D) The refusal says how many always-on
//! holders a group would need and how many the best one that can be opened now has.

use super::PoolKind;
use crate::Refusal;
use crate::storage::group::Coverage;
use model::{Class, Ppm, Scheme, errors};

/// Part of a pool's nodes that must be known for [`super::HISTORY`] before the pool is judged.
pub const LEARNED_MIN: Ppm = Ppm::percent(50);

/// What was learned of a pool, as far as the bucket's region rule admits its nodes.
#[derive(Debug, Clone, Copy)]
pub struct OfferFacts<'a> {
    /// Kind of pool.
    pub kind: PoolKind,
    /// Code of the class in it.
    pub scheme: Scheme,
    /// Nodes that may hold pieces.
    pub nodes: u32,
    /// Owners of them.
    pub owners: u32,
    /// Of the nodes, those known for [`super::HISTORY`].
    pub learned: u32,
    /// Mean share of the week a node is on.
    pub mean_on: Ppm,
    /// The week of a group as it would be opened now.
    pub sample: &'a Coverage,
    /// Of its holders, those that are always on.
    pub always_on: u32,
}

/// Whether the class may be offered.
///
/// # Errors
/// E0317 with `need` and `have` always-on holders of a group, and besides `nodes`, `owners`, `on` (mean share), `hour` (of the week,
/// UTC), `z` and `z_need` in thousandths of a deviation.
pub fn may_offer(facts: &OfferFacts<'_>, class: Class) -> Result<(), Refusal> {
    let judged = facts.kind == PoolKind::Public && class != Class::Eco;
    let is_known = u64::from(facts.learned) * 1_000_000 >= u64::from(facts.nodes) * u64::from(LEARNED_MIN.0);
    let z_need = facts.kind.z_milli();
    let weakest = facts.sample.weakest(facts.scheme.k, z_need);
    if !judged || !is_known || weakest.spare >= 0.0 {
        return Ok(());
    }
    // Each adds less than one to the mean of its hour, so that this is the least; cut at what a group holds.
    let lack = (-weakest.spare).ceil().min(f64::from(u16::MAX)) as u32;
    let refusal = Refusal::new(errors::CLASS_NOT_OFFERED).with("class", class);
    let refusal = refusal.with("need", facts.always_on.saturating_add(lack)).with("have", facts.always_on);
    let refusal = refusal.with("nodes", facts.nodes).with("owners", facts.owners).with("on", facts.mean_on);
    let refusal = refusal.with("hour", weakest.hour.index()).with("z_need", z_need);
    Err(refusal.with("z", facts.sample.z_milli(facts.scheme.k)))
}

#[cfg(test)]
mod tests {
    use super::super::public;
    use super::*;
    use crate::fleet::profile::WeeklyProfile;
    use proptest::prelude::*;

    fn group(always: usize, evening: usize, flaky: usize) -> Coverage {
        let (steady, toss) = (WeeklyProfile::flat(Ppm::percent(98)), WeeklyProfile::flat(Ppm::percent(30)));
        let home = WeeklyProfile::declared(|h| (18..24).contains(&h.hour_of_day()));
        let all = std::iter::repeat_n(&steady, always).chain(std::iter::repeat_n(&home, evening));
        Coverage::of(all.chain(std::iter::repeat_n(&toss, flaky)))
    }

    fn facts(sample: &Coverage, always_on: u32, class: Class) -> OfferFacts<'_> {
        let (kind, scheme, mean_on) = (PoolKind::Public, public(class), Ppm::percent(35));
        OfferFacts { kind, scheme, nodes: 1_500, owners: 1_400, learned: 1_500, mean_on, sample, always_on }
    }

    #[test]
    fn homes_without_always_on_machines_get_eco_and_are_told_why() {
        let sample = group(0, 70, 34);
        for class in [Class::Standard, Class::Fortress] {
            let refusal = may_offer(&facts(&sample, 0, class), class).unwrap_err();
            let said = refusal.to_string();
            assert!(said.starts_with(&format!("E0317 class_not_offered class={class} have=0")), "(D) {said}");
            for word in ["need=", "nodes=1500", "owners=1400", "on=35%", "hour=", "z=", "z_need=4500"] {
                assert!(said.contains(word), "(D) {word} in {said}");
            }
        }
        assert!(may_offer(&facts(&sample, 0, Class::Eco), Class::Eco).is_ok(), "(B)");
    }

    #[test]
    fn a_group_with_enough_always_on_holders_is_offered() {
        let sample = group(44, 40, 20);
        assert!(may_offer(&facts(&sample, 44, Class::Standard), Class::Standard).is_ok());
    }

    #[test]
    fn what_is_not_learned_yet_or_small_is_not_judged() {
        let sample = group(0, 10, 0);
        let known = facts(&sample, 0, Class::Standard);
        assert!(may_offer(&OfferFacts { learned: 749, ..known }, Class::Standard).is_ok(), "(A)");
        assert!(may_offer(&OfferFacts { learned: 750, ..known }, Class::Standard).is_err(), "(A)");
        for kind in [PoolKind::Circle, PoolKind::Neighborhood] {
            assert!(may_offer(&OfferFacts { kind, ..known }, Class::Fortress).is_ok(), "(B)");
        }
    }

    proptest! {
        #[test]
        fn an_always_on_holder_more_never_turns_a_yes_into_a_no(always in 0usize..104, home in 0usize..104) {
            let home = home.min(103 - always.min(103));
            let rest = 104 - always - home.min(104 - always);
            let (before, after) = (group(always, home, rest), group(always + 1, home, rest.saturating_sub(1)));
            let count = u32::try_from(always).unwrap();
            let was = may_offer(&facts(&before, count, Class::Standard), Class::Standard);
            let is = may_offer(&facts(&after, count + 1, Class::Standard), Class::Standard);
            prop_assert!(was.is_err() || is.is_ok(), "(C) {was:?} {is:?}");
        }
    }
}
