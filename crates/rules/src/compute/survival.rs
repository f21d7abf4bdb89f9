//! How likely a PC that has been on for so long stays on: Weibull, shape 0.45, scale 4 h (`docs/design/compute.md` §7).
//!
//! (A) It rises with the age of the session and falls with the length of the task. (B) It is a committed table, so decisions
//! replay bit for bit on every machine.

use model::Span;

/// Chances in 1/65,536: a row an age of 2ⁱ minutes, a column a length of 2ʲ minutes.
const TABLE: [[u16; 12]; 16] = [
    [63_531, 62_073, 59_880, 56_787, 52_651, 47_371, 40_934, 33_490, 25_437, 17_461, 10_440, 5169],
    [64_032, 62_812, 60_851, 57_934, 53_885, 48_597, 42_065, 34_456, 26_193, 17_990, 10_760, 5329],
    [64_448, 63_490, 61_844, 59_222, 55_377, 50_159, 43_558, 35_763, 27_231, 18_724, 11_208, 5554],
    [64_769, 64_055, 62_758, 60_545, 57_066, 52_066, 45_482, 37_508, 28_651, 19_745, 11_837, 5872],
    [65_002, 64_490, 63_521, 61_770, 58_814, 54_247, 47_860, 39_789, 30_578, 21_165, 12_727, 6327],
    [65_168, 64_808, 64_111, 62_799, 60_447, 56_530, 50_620, 42_659, 33_147, 23_133, 13_994, 6986],
    [65_283, 65_034, 64_544, 63_597, 61_826, 58_684, 53_553, 46_054, 36_455, 25_827, 15_801, 7952],
    [65_363, 65_191, 64_851, 64_184, 62_902, 60_521, 56_360, 49_737, 40_475, 29_411, 18_368, 9388],
    [65_418, 65_300, 65_065, 64_602, 63_696, 61_965, 58_783, 53_332, 44_960, 33_929, 21_935, 11_530],
    [65_455, 65_374, 65_213, 64_894, 64_263, 63_036, 60_707, 56_489, 49_457, 39_167, 26_664, 14_694],
    [65_481, 65_425, 65_315, 65_096, 64_660, 63_804, 62_145, 59_029, 53_500, 44_615, 32_441, 19_185],
    [65_498, 65_460, 65_385, 65_235, 64_935, 64_343, 63_181, 60_948, 56_813, 49_670, 38_757, 25_079],
    [65_510, 65_484, 65_433, 65_330, 65_125, 64_717, 63_912, 62_341, 59_350, 53_918, 44_878, 31_978],
    [65_518, 65_501, 65_466, 65_395, 65_255, 64_975, 64_420, 63_327, 61_210, 57_235, 50_202, 39_069],
    [65_524, 65_512, 65_488, 65_440, 65_344, 65_152, 64_771, 64_016, 62_537, 59_700, 54_467, 45_535],
    [65_528, 65_520, 65_503, 65_470, 65_405, 65_273, 65_012, 64_493, 63_468, 61_474, 57_696, 50_900],
];

/// Number of whole doublings of a minute, up to `most`.
fn octave(span: Span, most: usize) -> usize {
    let minutes = span.as_secs() / 60;
    usize::try_from(minutes.max(1).ilog2()).map_or(most, |octave| octave.min(most))
}

/// Chance, in 1/65,536, that a PC on since `age` is still on after `length`.
pub fn survival(age: Span, length: Span) -> u64 {
    u64::from(TABLE[octave(age, TABLE.len() - 1)][octave(length, TABLE[0].len() - 1)])
}

/// How long a task takes that may have to be done again: its length by its chance to be finished, in milliseconds.
pub fn finish_score(age: Span, length: Span) -> u64 {
    length.as_ms().max(1).saturating_mul(65_536) / survival(age, length).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_law() {
        let law = |age: f64, length: f64| (((age / 4.0f64).powf(0.45)) - ((age + length) / 4.0).powf(0.45)).exp();
        for (i, row) in TABLE.iter().enumerate() {
            for (j, chance) in row.iter().enumerate() {
                let exact = law((1u64 << i) as f64 / 60.0, (1u64 << j) as f64 / 60.0) * 65_536.0;
                assert!((f64::from(*chance) - exact).abs() <= 1.0, "{i} {j} {chance} {exact}");
            }
        }
    }

    #[test]
    fn older_is_surer_and_longer_is_not() {
        for i in 0..TABLE.len() {
            assert!(TABLE[i].windows(2).all(|pair| pair[0] > pair[1]), "(A)");
            assert!(i == 0 || TABLE[i].iter().zip(TABLE[i - 1]).all(|(old, young)| *old > young), "(A)");
        }
        let young = finish_score(Span::mins(2), Span::mins(30));
        assert!(
            young > finish_score(Span::hours(8), Span::mins(30)) && young < finish_score(Span::mins(2), Span::hours(2))
        );
    }
}
