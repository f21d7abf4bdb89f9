//! Debt first: among equally fit nodes, work goes to those who owe (`docs/design/ledger.md` §9).
//!
//! (A) Weight falls with the position and never rises: a table of 141 integers, `round(2¹⁶ · e^(−i/10))`, i = −70 … 70. (B) Nobody weighs
//! nothing, so that nobody who fits is left out for good. (C) Gifts of 90 days count as if they were not given: nobody looks poor by
//! giving.

use model::{Credits, Ppm, Ucredit};

/// Credits over which weight falls by e.
pub const TAU: i64 = 10_000_000;
/// Steps on either side of 0.
pub const STEPS: i64 = 70;
/// Weight of position 0.
pub const NEUTRAL: u32 = 1 << 16;

/// (A)
const TABLE: [u32; 141] = [
    71_868_951, 65_029_716, 58_841_320, 53_241_828, 48_175_198, 43_590_722, 39_442_516, 35_689_065, 32_292_801,
    29_219_735, 26_439_109, 23_923_095, 21_646_512, 19_586_574, 17_722_665, 16_036_130, 14_510_091, 13_129_273,
    11_879_858, 10_749_340, 9_726_405, 8_800_815, 7_963_307, 7_205_498, 6_519_804, 5_899_363, 5_337_964, 4_829_990,
    4_370_355, 3_954_461, 3_578_144, 3_237_639, 2_929_537, 2_650_755, 2_398_502, 2_170_254, 1_963_727, 1_776_854,
    1_607_764, 1_454_765, 1_316_326, 1_191_061, 1_077_716, 975_158, 882_360, 798_392, 722_415, 653_668, 591_463,
    535_178, 484_249, 438_167, 396_470, 358_741, 324_602, 293_712, 265_762, 240_471, 217_587, 196_881, 178_145,
    161_193, 145_853, 131_973, 119_414, 108_051, 97_768, 88_464, 80_046, 72_428, 65_536, 59_299, 53_656, 48_550,
    43_930, 39_750, 35_967, 32_544, 29_447, 26_645, 24_109, 21_815, 19_739, 17_861, 16_161, 14_623, 13_231, 11_972,
    10_833, 9_802, 8_869, 8_025, 7_262, 6_571, 5_945, 5_380, 4_868, 4_404, 3_985, 3_606, 3_263, 2_952, 2_671, 2_417,
    2_187, 1_979, 1_791, 1_620, 1_466, 1_327, 1_200, 1_086, 983, 889, 805, 728, 659, 596, 539, 488, 442, 400, 362, 327,
    296, 268, 242, 219, 198, 180, 162, 147, 133, 120, 109, 99, 89, 81, 73, 66, 60,
];

/// Where an owner stands: balance and what it gave away in 90 days. (C)
pub fn position(balance: Credits, gifts: Ucredit) -> Credits {
    let sum = i128::from(balance.0).saturating_add(gifts.0.into());
    Credits(i64::try_from(sum).unwrap_or(i64::MAX))
}

/// Weight of a position, [`NEUTRAL`] at 0.
pub fn weight(position: Credits) -> u32 {
    let step = i128::from(position.0).saturating_mul(10).checked_div(TAU.into()).unwrap_or(0);
    let step = step.clamp(i128::from(STEPS).saturating_neg(), STEPS.into()).saturating_add(STEPS.into());
    usize::try_from(step).ok().and_then(|at| TABLE.get(at)).copied().unwrap_or(NEUTRAL)
}

/// The same as a factor, whole at position 0.
pub fn factor(position: Credits) -> Ppm {
    let ppm = u64::from(weight(position)).saturating_mul(1_000_000) >> 16;
    Ppm(u32::try_from(ppm).unwrap_or(u32::MAX).max(1))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::float_arithmetic,
        clippy::indexing_slicing
    )]
    use super::*;

    #[test]
    fn the_table_is_the_formula_and_falls() {
        for (at, entry) in TABLE.iter().enumerate() {
            let exact = 65_536.0 * (-(at as f64 - 70.0) / 10.0).exp();
            assert!((f64::from(*entry) - exact).abs() <= 0.500_001, "(A) {at}");
        }
        assert!(TABLE.windows(2).all(|two| two[0] > two[1]) && TABLE[140] > 0, "(A), (B)");
        let credits = |n: i64| weight(Credits(n * 1_000_000));
        assert_eq!((credits(0), credits(10), credits(-10)), (65_536, 24_109, 178_145));
        assert_eq!((credits(-71), credits(-1_000_000)), (TABLE[0], TABLE[0]));
        assert_eq!((credits(71), weight(Credits(i64::MAX)), weight(Credits(i64::MIN))), (60, 60, TABLE[0]));
        assert_eq!((factor(Credits::ZERO), factor(Credits(i64::MAX)).0 > 0), (Ppm::ONE, true), "(B)");
    }

    #[test]
    fn who_gives_does_not_look_poor() {
        let before = position(Credits(5_000_000), Ucredit::ZERO);
        assert_eq!(position(Credits(2_000_000), Ucredit(3_000_000)), before, "(C)");
        assert_eq!(position(Credits(i64::MAX), Ucredit::MAX), Credits(i64::MAX));
    }
}
