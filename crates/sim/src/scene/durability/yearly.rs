//! Loss in a year that is too rare to be counted, in three ways (`docs/design/testing.md` §4.5).
//!
//! (A) The chain of `rules::storage::chance` with the measured life of pieces and the measured time to repair. (B) The same chain
//! times the ratio of what was counted to what it says where deaths are so many times faster that counts exist. (C) The
//! tail of the fewest pieces each group ever had, as a normal law. (D) Where two of them differ by more than [`APART`] ×, a flag.

use super::count::Counts;
use super::group::Group;
use super::{Knows, Setup, run};
use crate::check::{Figure, Outcome};
use model::Scheme;
use rules::storage::chance::{Churn, yearly_loss};

/// Answers apart by more than this are flagged.
const APART: f64 = 3.0;

/// Runs the setup, and once more with lives divided by `hasten`, all machines vetted: with such lives nobody would pass
/// probation. Figures: the three answers, what they are made of, and the flag.
pub fn yearly(setup: &Setup, hasten: u32) -> Outcome {
    let base = run(setup);
    let fast = run(&Setup { hasten, knows: Knows::Oracle, ..setup.clone() });
    let of = |outcome: &Outcome, id| outcome.figure(id).unwrap_or(f64::NAN);
    let (chain, tail) = (of(&base, "loss_a_year_chain"), of(&base, "loss_a_year_tail"));
    let (fast_chain, fast_counted) = (of(&fast, "loss_a_year_chain"), of(&fast, "loss_a_year_counted"));
    let scaled = chain * fast_counted / fast_chain;
    let figure = |id, value, unit| Figure { id, value, unit };
    let figures = vec![
        figure("loss_a_year_chain", chain, "1/y"),
        figure("loss_a_year_chain_scaled", scaled, "1/y"),
        figure("loss_a_year_tail", tail, "1/y"),
        figure("answers_apart", f64::from(u8::from(is_apart(&[chain, scaled, tail]))), "1"),
        figure("counted", of(&base, "loss_a_year_counted"), "1/y"),
        figure("counted_upper95", of(&base, "lost_a_year_upper95"), "1/y"),
        figure("piece_life_days", of(&base, "piece_life_days"), "d"),
        figure("repair_days_mean", of(&base, "repair_days_mean"), "d"),
        figure("alive_min", of(&base, "alive_min"), "1"),
        figure("hastened", f64::from(hasten), "1"),
        figure("fast_lost", of(&fast, "lost"), "1"),
        figure("fast_counted", fast_counted, "1/y"),
        figure("fast_chain", fast_chain, "1/y"),
        figure("fast_counted_over_chain", fast_counted / fast_chain, "1"),
        figure("fast_piece_life_days", of(&fast, "piece_life_days"), "d"),
        figure("fast_repair_days_mean", of(&fast, "repair_days_mean"), "d"),
    ];
    let violation = base.violation.or(fast.violation);
    Outcome { scenario: "yearly", figures, violation, events: base.events + fast.events, ..base }
}

/// Measured churn: life of pieces, days from the threshold to above it; `None` where nothing died or was repaired.
pub(super) fn churn(counts: &Counts) -> Option<Churn> {
    let life_days = counts.piece_hours / 24.0 / counts.pieces_died as f64;
    let repair_days = counts.low_days.iter().sum::<f64>() / counts.low_days.len() as f64;
    (life_days.is_finite() && repair_days.is_finite()).then_some(Churn { life_days, repair_days })
}

/// (A)
pub(super) fn by_chain(scheme: &Scheme, counts: &Counts) -> f64 {
    churn(counts).map_or(f64::NAN, |churn| yearly_loss(scheme, scheme.o, &churn))
}

/// (C): of groups judged for `days`.
pub(super) fn by_tail(k: u16, groups: &[Group], days: f64) -> f64 {
    let n = groups.len() as f64;
    let mean = groups.iter().map(|g| f64::from(g.alive_min)).sum::<f64>() / n;
    let variance = groups.iter().map(|g| (f64::from(g.alive_min) - mean).powi(2)).sum::<f64>() / (n - 1.0);
    if variance <= 0.0 {
        return f64::NAN;
    }
    upper_tail((mean - f64::from(k) + 0.5) / variance.sqrt()) * 365.0 / days
}

/// (D)
fn is_apart(answers: &[f64]) -> bool {
    let known = || answers.iter().copied().filter(|a| a.is_finite());
    let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(0.0, f64::max));
    most > least * APART
}

/// Share of a standard normal law above `z`: e^(−z²/2)/√2π · ∫ e^(−zu − u²/2) du from 0, by Simpson's rule.
fn upper_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - upper_tail(-z);
    }
    const STEPS: u32 = 2_000;
    let end = 12.0 / (1.0 + z / 4.0);
    let width = end / f64::from(STEPS);
    let at = |i: u32| {
        let u = width * f64::from(i);
        let weight = if i == 0 || i == STEPS { 1.0 } else { 2.0 + 2.0 * f64::from(i % 2) };
        weight * (-z * u - u * u / 2.0).exp()
    };
    let area = (0..=STEPS).map(at).sum::<f64>() * width / 3.0;
    (-z * z / 2.0).exp() * area / std::f64::consts::TAU.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_that_of_tables() {
        for (z, table) in [(0.0, 0.5), (1.0, 0.158_655), (3.0, 1.349_9e-3), (6.0, 9.866e-10), (10.0, 7.62e-24)] {
            let found = upper_tail(z);
            assert!((found / table - 1.0).abs() < 1e-3, "{z}: {found} instead of {table}");
        }
        assert!((upper_tail(-1.0) - 0.841_345).abs() < 1e-5);
    }

    #[test]
    fn three_times_apart_is_flagged() {
        assert!(!is_apart(&[1e-9, 2.9e-9, f64::NAN]));
        assert!(is_apart(&[1e-9, 3.1e-9]));
        assert!(is_apart(&[0.0, 1e-30]), "nothing and little are apart");
    }
}
