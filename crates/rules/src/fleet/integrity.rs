//! Is the node honest? Scores and acts on what can be proved (`docs/design/fleet.md` §7).
//!
//! (A) Being off, a holiday, leaving and a loss the node reports itself change no score. (B) Only signed wrong bytes can
//! ban, at the second proof or below [`BAN_BELOW`]. (C) A fault the node can cure costs nothing for [`CURE_WITHIN`].
//! (D) Scores are whole ppm, the same on every machine, and lie in 0 … 1. (E) A node is warned before a threshold.

pub mod reason;

use model::{Ppm, Span, Stamp};

/// Score at the start of which nothing is known, as whole samples (Storj's figure).
pub const ALPHA_START: u32 = 1_000;
/// Memory of the score: each sample keeps 999 of 1,000 of what was known.
pub const LAMBDA: Ppm = Ppm(999_000);
/// With a proof and a score below this a node is banned.
pub const BAN_BELOW: Ppm = Ppm(960_000);
/// Below this its owner is told.
pub const WARN_BELOW: Ppm = Ppm(980_000);
/// A fault is cured in this time, or its pieces count as missing.
pub const CURE_WITHIN: Span = Span::hours(72);
/// An unanswered audit is asked again so often before it is a bad sample.
pub const ASK_AGAIN_MAX: u8 = 3;
/// With this between: four refusals within six hours on, so that a node that keeps silent is found within a day.
pub const ASK_AGAIN_AFTER: Span = Span::hours(2);
/// Bad samples one loss of pieces adds at most: beyond them the score is at its floor anyway.
const LOST_SAMPLES_MAX: u32 = 10_000;
const SAMPLE: u64 = 1_000_000;

/// A Beta score with memory, in millionths of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// Good.
    pub alpha_ppm: u32,
    /// Bad.
    pub beta_ppm: u32,
}

impl Default for Score {
    fn default() -> Self {
        Self { alpha_ppm: ALPHA_START * 1_000_000, beta_ppm: 0 }
    }
}

impl Score {
    /// The score after one more sample; what was known fades on both sides.
    #[must_use]
    pub fn after(self, good: bool) -> Self {
        let step = |held: u32, hit: bool| {
            let next = LAMBDA.of(u64::from(held)) + if hit { SAMPLE } else { 0 };
            u32::try_from(next).unwrap_or(u32::MAX)
        };
        Self { alpha_ppm: step(self.alpha_ppm, good), beta_ppm: step(self.beta_ppm, !good) }
    }

    /// α / (α + β), rounded down; the whole when nothing is known.
    pub fn value(self) -> Ppm {
        let (alpha, beta) = (u64::from(self.alpha_ppm), u64::from(self.beta_ppm));
        let share = (alpha * 1_000_000).checked_div(alpha + beta).unwrap_or(1_000_000);
        Ppm(u32::try_from(share).expect("a share is at most the whole"))
    }
}

/// What is kept of a node's honesty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Integrity {
    /// Its score.
    pub score: Score,
    /// Wrong bytes with its own signature.
    pub proofs: u8,
    /// It paused itself for a fault, since then.
    pub paused_at: Option<Stamp>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An audit was answered rightly.
    AuditPassed,
    /// Wrong bytes, signed by the node.
    WrongBytes,
    /// A result disproved by a third copy.
    WrongResult,
    /// An audit was not answered while it was on; asked again so often already.
    NoAnswer {
        /// How often it was asked again.
        asked_again: u8,
    },
    /// Its disk vanished, fails, or its clock is wrong: it paused itself.
    Fault,
    /// It is back with its pieces.
    Cured,
    /// The time to cure is over and so many slots are gone.
    PiecesLost {
        /// Slots.
        slots_count: u32,
    },
    /// A piece that it should hold it does not, by its own signed word to an audit.
    PieceGone,
    /// Its own scrub found a piece gone.
    LossReported,
    /// Off, holiday, leave.
    Absent,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// No new work, its slots count as missing.
    Quarantine,
    /// For good; pending pay goes to the repair reserve.
    Ban,
    /// Tell its owner now what the threshold is and what helps.
    Warn,
    /// Give it until then to come back with its pieces; tell its owner within the hour.
    WaitForCure(Stamp),
    /// Ask again then.
    AskAgain(Stamp),
    /// Its slots count as missing and it is put back to T1.
    PutBack,
    /// Make the piece anew.
    Repair,
    /// Run its last unchecked results again.
    Recheck,
}

/// Takes in what happened; returns what is kept from now on and what is to be done.
pub fn judge(held: Integrity, now: Stamp, event: Event) -> (Integrity, Vec<Act>) {
    let mut next = held;
    let mut acts = match event {
        Event::AuditPassed => sample(&mut next, true),
        Event::WrongBytes => wrong_bytes(&mut next),
        Event::WrongResult => {
            sample(&mut next, false);
            vec![Act::Recheck]
        }
        Event::NoAnswer { asked_again } if asked_again < ASK_AGAIN_MAX => vec![Act::AskAgain(now + ASK_AGAIN_AFTER)],
        Event::NoAnswer { .. } => sample(&mut next, false),
        Event::Fault => {
            let since = *next.paused_at.get_or_insert(now);
            vec![Act::WaitForCure(since + CURE_WITHIN)]
        }
        Event::Cured => {
            next.paused_at = None;
            vec![]
        }
        Event::PiecesLost { slots_count } => {
            (0..slots_count.min(LOST_SAMPLES_MAX)).for_each(|_| next.score = next.score.after(false));
            next.paused_at = None;
            vec![Act::PutBack]
        }
        Event::PieceGone => {
            let mut acts = sample(&mut next, false);
            acts.push(Act::Repair);
            acts
        }
        Event::LossReported => vec![Act::Repair],
        Event::Absent => vec![],
    };
    if held.score.value() >= WARN_BELOW && next.score.value() < WARN_BELOW {
        acts.push(Act::Warn);
    }
    (next, acts)
}

/// Adds a sample; a score that falls below the threshold without a proof is a quarantine. (B)
fn sample(next: &mut Integrity, good: bool) -> Vec<Act> {
    let before = next.score.value();
    next.score = next.score.after(good);
    let fell = before >= BAN_BELOW && next.score.value() < BAN_BELOW;
    if fell { vec![Act::Quarantine] } else { vec![] }
}

fn wrong_bytes(next: &mut Integrity) -> Vec<Act> {
    next.score = next.score.after(false);
    next.proofs = next.proofs.saturating_add(1);
    if next.proofs >= 2 || next.score.value() < BAN_BELOW { vec![Act::Ban] } else { vec![Act::Quarantine] }
}

/// The time to cure is over: the shell counts the slots and calls [`judge`] with [`Event::PiecesLost`].
pub fn cure_is_over(held: &Integrity, now: Stamp) -> bool {
    held.paused_at.is_some_and(|at| now.since(at) >= CURE_WITHIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Stamp = Stamp(1_800_000_000_000);

    #[test]
    fn innocent_events_change_no_score() {
        for event in
            [Event::Absent, Event::LossReported, Event::Fault, Event::Cured, Event::NoAnswer { asked_again: 2 }]
        {
            let (next, acts) = judge(Integrity::default(), NOW, event);
            assert_eq!(next.score, Score::default(), "(A) {event:?}");
            assert!(!acts.contains(&Act::Ban) && !acts.contains(&Act::Quarantine), "(A) {event:?}");
        }
    }

    #[test]
    fn one_proof_is_a_quarantine_and_two_a_ban() {
        let (once, acts) = judge(Integrity::default(), NOW, Event::WrongBytes);
        assert_eq!(acts, [Act::Quarantine]);
        let (_, acts) = judge(once, NOW, Event::WrongBytes);
        assert_eq!(acts, [Act::Ban], "(B)");
    }

    #[test]
    fn a_fault_has_72_hours() {
        let (paused, acts) = judge(Integrity::default(), NOW, Event::Fault);
        assert_eq!(acts, [Act::WaitForCure(NOW + CURE_WITHIN)], "(C)");
        let (again, acts) = judge(paused, NOW + Span::hours(5), Event::Fault);
        assert_eq!((again.paused_at, acts), (Some(NOW), vec![Act::WaitForCure(NOW + CURE_WITHIN)]), "no new 72 h");
        assert!(!cure_is_over(&paused, NOW + Span::ms(CURE_WITHIN.0 - 1)) && cure_is_over(&paused, NOW + CURE_WITHIN));
        assert_eq!(judge(paused, NOW, Event::Cured).0, Integrity::default());
        let (after, acts) = judge(paused, NOW + CURE_WITHIN, Event::PiecesLost { slots_count: 60 });
        assert!(acts.contains(&Act::PutBack) && acts.contains(&Act::Warn) && !acts.contains(&Act::Ban), "(B) (E)");
        assert!(after.score.value() < BAN_BELOW);
    }

    #[test]
    fn silence_is_asked_again_three_times_and_then_counts() {
        let (_, acts) = judge(Integrity::default(), NOW, Event::NoAnswer { asked_again: 2 });
        assert_eq!(acts, [Act::AskAgain(NOW + ASK_AGAIN_AFTER)]);
        let (mut held, mut seen) = (Integrity::default(), vec![]);
        for _ in 0..60 {
            let (next, acts) = judge(held, NOW, Event::NoAnswer { asked_again: ASK_AGAIN_MAX });
            held = next;
            seen.extend(acts);
        }
        assert_eq!(seen, [Act::Warn, Act::Quarantine], "(E) warned first, once each, never banned (B)");
    }

    #[test]
    fn the_score_follows_its_formula() {
        let (mut score, mut alpha, mut beta) = (Score::default(), 1_000.0f64, 0.0f64);
        for n in 0..5_000 {
            let good = n % 37 != 0;
            score = score.after(good);
            (alpha, beta) = (alpha * 0.999, beta * 0.999);
            if good { alpha += 1.0 } else { beta += 1.0 }
        }
        let naive = alpha / (alpha + beta);
        assert!((f64::from(score.value().0) / 1e6 - naive).abs() < 1e-5, "{} against {naive}", score.value());
    }

    proptest! {
        #[test]
        fn scores_stay_in_range_and_only_proofs_ban(events in proptest::collection::vec(0u8..10, 0..300)) {
            let (mut held, mut proofs) = (Integrity::default(), 0);
            for event in events {
                let event = match event {
                    0 | 8 => Event::AuditPassed,
                    1 => Event::WrongBytes,
                    2 => Event::WrongResult,
                    3 => Event::NoAnswer { asked_again: 3 },
                    4 => Event::Fault,
                    5 => Event::Cured,
                    7 => Event::PieceGone,
                    6 => Event::PiecesLost { slots_count: 5 },
                    _ => Event::Absent,
                };
                proofs += u32::from(event == Event::WrongBytes);
                let (next, acts) = judge(held, NOW, event);
                prop_assert!(next.score.value() <= Ppm::ONE, "(D)");
                prop_assert!(!acts.contains(&Act::Ban) || proofs >= 1, "(B)");
                held = next;
            }
        }
    }
}
