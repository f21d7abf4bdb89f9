//! Debt first: among equally fit nodes, work goes first to those who owe (`docs/design/DESIGN.md` §4.10).
//!
//! (A) Until balances exist nobody owes, so everybody weighs the same.

use model::{Credits, Ppm};

/// Factor by which an owner's position on the ledger changes the weight of their nodes as candidates.
///
/// The cloud has no ledger yet: every position is neutral. Placement and scheduling multiply by it already, so that the
/// ledger changes this one function.
pub fn debt_first_weight(_position: Credits) -> Ppm {
    Ppm::ONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_ledger_everybody_weighs_the_same() {
        for position in [Credits(i64::MIN), Credits::ZERO, Credits(i64::MAX)] {
            assert_eq!(debt_first_weight(position), Ppm::ONE, "(A)");
        }
    }
}
