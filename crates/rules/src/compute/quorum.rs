//! Whose result is checked, and which of several results stands (`docs/design/compute.md` §8).
//!
//! (A) Whether an item is checked is drawn after its result has been said, and a node nobody has checked [`TRUSTED_AFTER`] times
//! in a row is always checked. (B) No result stands against another with fewer than two that agree, more than any other result
//! has. (C) A strict result has two that agree; a standard one is wrong with at most [`WRONG_MAX`], as Sarmenta counts it.
//! (D) Steps count like bytes: the right output with other fuel is another result. (E) After [`VOTES_MAX`] results of which none
//! has won, nobody is blamed. (F) Results of other inputs are never held against each other: first most owners say what is to be
//! run, at least two of them, then only theirs are compared; who ran something else is neither right nor wrong.

use super::limits::{
    CANARY_SHARE, CHECK_CIRCLE, CHECK_FLOOR_FAST, CHECK_FLOOR_STANDARD, TRUSTED_AFTER, VOTES_MAX, WRONG_AT_FIRST,
    WRONG_MAX,
};
use super::message::{ItemResult, ResultHash};
use super::record::Vote;
use model::{Check, Ppm, Trust};
use rand_core::Rng;

/// One part of 10¹²: odds are counted in these.
const ODDS: u128 = 1_000_000_000_000;

/// How far a job wants its results checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Whose machines run it.
    pub trust: Trust,
    /// How far it wants them checked.
    pub check: Check,
}

/// What is to be done about an item's results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// So many more results are needed.
    More(u8),
    /// This result stands; others of the same inputs are wrong, those of other inputs say nothing.
    Stands(ItemResult),
    /// They differ, and more of them will not help. (E)
    Hopeless,
    /// They were made from different inputs, and more of them will not help. (E, F)
    Unlike,
}

/// Share of the results of a node with `validated` checks in a row that are checked.
pub fn check_share(demand: Demand, validated: u32) -> Ppm {
    let floor = match (demand.trust, demand.check) {
        (Trust::Own, _) => return Ppm(0),
        (Trust::Circle, _) => return CHECK_CIRCLE,
        (Trust::Public, Check::Strict) => return Ppm::ONE,
        (Trust::Public, Check::Standard) => CHECK_FLOOR_STANDARD,
        // Not even `off` leaves a stranger's results wholly unchecked.
        (Trust::Public, Check::Fast | Check::Off) => CHECK_FLOOR_FAST,
    };
    if validated < TRUSTED_AFTER {
        return Ppm::ONE;
    }
    // Leases that repeat a known result count into the share.
    Ppm(floor.max(Ppm(1_000_000 / validated)).0 - CANARY_SHARE.0)
}

/// (A) Draws whether a result is checked.
pub fn is_checked(demand: Demand, validated: u32, rng: &mut (impl Rng + ?Sized)) -> bool {
    hits(check_share(demand, validated), rng)
}

/// True with the chance `share`.
pub fn hits(share: Ppm, rng: &mut (impl Rng + ?Sized)) -> bool {
    share == Ppm::ONE || (share.0 > 0 && below(1_000_000, rng) < u64::from(share.0))
}

/// Uniform in 0 … `end` − 1; 0 when `end` is 0.
pub fn below(end: u64, rng: &mut (impl Rng + ?Sized)) -> u64 {
    u64::try_from((u128::from(rng.next_u64()) * u128::from(end)) >> 64).unwrap_or(0)
}

/// Odds, in 10⁻¹², that results which agree are wrong: of nodes with so many checks passed in a row.
pub fn wrong_odds(validated: impl IntoIterator<Item = u32>) -> u128 {
    validated.into_iter().fold(ODDS, |odds, validated| {
        let wrong = u128::from(WRONG_AT_FIRST.0);
        // ε = f0 ÷ (1 + V); odds multiply by ε ÷ (1 − ε).
        odds * wrong / (1_000_000 * (1 + u128::from(validated)) - wrong)
    })
}

/// Whether results that agree are enough, when none differs.
fn is_enough(demand: Demand, agreeing: &[&Vote]) -> bool {
    let surely = || {
        let most = ODDS * u128::from(WRONG_MAX.0) / u128::from(1_000_000 - WRONG_MAX.0);
        wrong_odds(agreeing.iter().map(|vote| vote.validated)) <= most
    };
    agreeing.len() >= 2 && (demand.trust != Trust::Public || demand.check != Check::Standard || surely())
}

/// Whether two results are one. (D)
pub fn agree(one: &ItemResult, other: &ItemResult) -> bool {
    one.hash == other.hash && one.fuel == other.fuel && one.of == other.of
}

/// (F) What is to be run, as all say, or most of them and at least two.
fn inputs(votes: &[&Vote]) -> Option<ResultHash> {
    let count = |of: &ResultHash| votes.iter().filter(|vote| vote.result.of == *of).count();
    let best = votes.iter().map(|vote| vote.result.of).max_by_key(|of| (count(of), *of))?;
    let others = votes.iter().filter(|vote| vote.result.of != best).map(|vote| count(&vote.result.of)).max();
    others.is_none_or(|others| count(&best) >= 2 && count(&best) > others).then_some(best)
}

/// (F) Whether it is open what is to be run.
pub fn is_unlike(votes: &[&Vote]) -> bool {
    !votes.is_empty() && inputs(votes).is_none()
}

/// Rules on the results of an item that is being checked.
pub fn rule(demand: Demand, votes: &[&Vote]) -> Ruling {
    let all = votes.len();
    let Some(inputs) = inputs(votes) else {
        return match all {
            0 => Ruling::More(2),
            _ if all >= VOTES_MAX => Ruling::Unlike,
            _ => Ruling::More(1),
        };
    };
    let votes: Vec<&Vote> = votes.iter().copied().filter(|vote| vote.result.of == inputs).collect();
    let of = |vote: &Vote| votes.iter().copied().filter(|other| agree(&vote.result, &other.result)).collect::<Vec<_>>();
    let Some(best) =
        votes.iter().map(|vote| of(vote)).reduce(|best, group| if group.len() > best.len() { group } else { best })
    else {
        return Ruling::More(2);
    };
    let result = &best[0].result;
    let rival = votes.iter().filter(|vote| !agree(&vote.result, result)).map(|vote| of(vote).len()).max();
    match rival {
        None if is_enough(demand, &best) => Ruling::Stands(*result),
        Some(rival) if best.len() >= 2 && best.len() > rival => Ruling::Stands(*result),
        // One network of liars cannot make an item cost without end; that nobody differs is as sure as it gets.
        None if all >= VOTES_MAX => Ruling::Stands(*result),
        Some(_) if all >= VOTES_MAX => Ruling::Hopeless,
        _ => Ruling::More(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Alias, MemberId, Stamp};
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    const STANDARD: Demand = Demand { trust: Trust::Public, check: Check::Standard };
    const FAST: Demand = Demand { trust: Trust::Public, check: Check::Fast };
    const STRICT: Demand = Demand { trust: Trust::Public, check: Check::Strict };

    fn vote(node: u32, says: u8, fuel: u64, validated: u32) -> Vote {
        Vote {
            node: Alias(node),
            owner: MemberId([node as u8; 16]),
            network: u64::from(node),
            region: None,
            serial: u64::from(node),
            result: ItemResult { item: 0, hash: [says; 32], fuel, bytes: 1, of: [0; 32] },
            validated,
            at: Stamp(0),
        }
    }

    fn ruled(demand: Demand, votes: &[Vote]) -> Ruling {
        rule(demand, &votes.iter().collect::<Vec<_>>())
    }

    #[test]
    fn new_nodes_are_always_checked_and_old_ones_at_the_floor() {
        assert_eq!(check_share(STANDARD, TRUSTED_AFTER - 1), Ppm::ONE, "(A)");
        assert_eq!(check_share(STANDARD, 8), Ppm(120_000), "1/V, with 0.5 % of leases that repeat known results");
        assert_eq!(check_share(STANDARD, 10), Ppm::percent(10));
        assert_eq!(check_share(FAST, 10), Ppm(95_000), "1/V");
        assert_eq!(check_share(FAST, 1_000), Ppm(55_000));
        assert_eq!(check_share(STRICT, 1_000), Ppm::ONE);
        let circle = Demand { trust: Trust::Circle, check: Check::Off };
        assert_eq!(check_share(circle, 0), Ppm::percent(2));
        assert_eq!(check_share(Demand { trust: Trust::Own, check: Check::Strict }, 0), Ppm(0));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let drawn = (0..100_000).filter(|_| is_checked(STANDARD, 500, &mut rng)).count();
        assert!((9_600..10_400).contains(&drawn), "{drawn}");
    }

    #[test]
    fn two_new_nodes_are_not_sure_enough_and_two_checked_ones_are() {
        assert_eq!(ruled(STANDARD, &[vote(1, 7, 5, 0), vote(2, 7, 5, 0)]), Ruling::More(1), "(C) 98.8 %");
        assert!(matches!(ruled(STANDARD, &[vote(1, 7, 5, 1), vote(2, 7, 5, 1)]), Ruling::Stands(..)), "(C)");
        assert!(matches!(ruled(STANDARD, &[vote(1, 7, 5, 0), vote(2, 7, 5, 0), vote(3, 7, 5, 0)]), Ruling::Stands(..)));
        assert!(matches!(ruled(FAST, &[vote(1, 7, 5, 0), vote(2, 7, 5, 0)]), Ruling::Stands(..)));
        assert_eq!(wrong_odds([9]), ODDS * 100_000 / 9_900_000, "1 in 100 after nine");
        assert_eq!(ruled(STRICT, &[vote(1, 7, 5, 99)]), Ruling::More(1));
    }

    #[test]
    fn a_third_result_decides_and_fuel_counts() {
        let two = [vote(1, 7, 500, 0), vote(2, 7, 505, 0)];
        assert_eq!(ruled(STRICT, &two), Ruling::More(1), "(D)");
        let three = [two[0].clone(), two[1].clone(), vote(3, 7, 500, 0)];
        assert_eq!(ruled(STRICT, &three), Ruling::Stands(three[0].result), "(B)");
        let all: Vec<Vote> = (0..5).map(|node| vote(node, node as u8, 1, 0)).collect();
        assert_eq!(ruled(STANDARD, &all[..4]), Ruling::More(1));
        assert_eq!(ruled(STANDARD, &all), Ruling::Hopeless, "(E)");
    }

    fn from(of: u8, vote: Vote) -> Vote {
        Vote { result: ItemResult { of: [of; 32], ..vote.result }, ..vote }
    }

    #[test]
    fn results_of_other_inputs_are_not_held_against_each_other() {
        let two = [from(1, vote(1, 7, 5, 50)), from(2, vote(2, 7, 5, 50))];
        assert_eq!(ruled(FAST, &two), Ruling::More(1), "(F) the same bytes by chance prove nothing");
        let three = [two[0].clone(), two[1].clone(), from(1, vote(3, 7, 5, 50))];
        assert_eq!(ruled(STANDARD, &three), Ruling::Stands(three[0].result), "(F)");
        // Two that lie alike about what they ran decide nothing against two others.
        let four = [two[0].clone(), two[1].clone(), from(2, vote(3, 9, 5, 50)), from(1, vote(4, 7, 5, 50))];
        assert_eq!(ruled(STANDARD, &four), Ruling::More(1), "(F)");
        let all: Vec<Vote> = (0..5).map(|node| from(node, vote(node.into(), 7, 5, 50))).collect();
        assert_eq!((ruled(FAST, &all[..4]), ruled(FAST, &all)), (Ruling::More(1), Ruling::Unlike), "(E)");
        // Among those of the same inputs a liar is found as ever.
        let lie = [two[0].clone(), two[1].clone(), from(1, vote(3, 9, 5, 50)), from(1, vote(4, 7, 5, 50))];
        assert_eq!((ruled(FAST, &lie[..3]), ruled(FAST, &lie)), (Ruling::More(1), Ruling::Stands(two[0].result)));
    }

    proptest! {
        #[test]
        fn no_minority_ever_stands(says in proptest::collection::vec((0u8..3, 0u32..20, 0u8..2), 0..6)) {
            let votes: Vec<Vote> = says.iter().enumerate().map(|(node, (says, v, of))| from(*of, vote(node as u32, *says, 1, *v))).collect();
            for demand in [STANDARD, FAST, STRICT] {
                if let Ruling::Stands(stands) = ruled(demand, &votes) {
                    let run = |of: [u8; 32]| votes.iter().filter(|vote| vote.result.of == of).count();
                    prop_assert!(run(stands.of) >= 2, "(F)");
                    prop_assert!((0..2).all(|other| [other; 32] == stands.of || run([other; 32]) < run(stands.of)), "(F)");
                    let of = |hash: [u8; 32]| {
                        votes.iter().filter(|vote| vote.result.hash == hash && vote.result.of == stands.of).count()
                    };
                    prop_assert!(of(stands.hash) >= 2, "(B)");
                    prop_assert!((0..3).all(|other| [other; 32] == stands.hash || of([other; 32]) < of(stands.hash)), "(B)");
                }
            }
        }
    }
}
