//! What a score says to the node's owner: how far it is from each threshold, and what each event did with which evidence.
//!
//! (A) An owner is told before a node gets no new work: between [`WARN_BELOW`] and [`BAN_BELOW`] the score is *near*, unless one
//! event alone took it below both. (B) The distance in samples is that of the score's own formula. (C) Evidence is one line of
//! text that reads back as it was, of at most [`EVIDENCE_MAX`] bytes, whatever it names.

use super::{BAN_BELOW, Score, WARN_BELOW};
use model::{PgId, Ppm};
use std::fmt;

/// Longest line of evidence in bytes.
pub const EVIDENCE_MAX: usize = 240;
/// Pieces named in one line; the others are counted.
pub const PIECES_NAMED: usize = 6;
/// Samples that are looked ahead for a threshold.
const AHEAD_MAX: u32 = 10_000;

/// Where a score stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// At [`WARN_BELOW`] or above.
    Good,
    /// Below it, still at [`BAN_BELOW`] or above: its owner is told now.
    Near,
    /// Below [`BAN_BELOW`]: no new work.
    Low,
}

impl Level {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Near => "near",
            Self::Low => "low",
        }
    }
}

/// A score as its owner reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// The score.
    pub value: Ppm,
    /// Where it stands.
    pub level: Level,
    /// Bad samples in a row that take it below [`BAN_BELOW`]; 0 when it is.
    pub bad_left: u32,
    /// Good samples in a row that bring it back to [`WARN_BELOW`]; 0 when it is there.
    pub good_needed: u32,
}

/// What a score of this value says. A value alone tells enough: samples kept sum up to about 1,000 at any time.
pub fn outlook(value: Ppm) -> Outlook {
    let bad = 1_000_000 - value.0.min(1_000_000);
    let score = Score { alpha_ppm: (1_000_000 - bad) * 1_000, beta_ppm: bad * 1_000 };
    let level = match value {
        value if value < BAN_BELOW => Level::Low,
        value if value < WARN_BELOW => Level::Near,
        _ => Level::Good,
    };
    let bad_left = samples_until(score, false, |now| now < BAN_BELOW);
    Outlook { value, level, bad_left, good_needed: samples_until(score, true, |now| now >= WARN_BELOW) }
}

/// (B)
fn samples_until(score: Score, good: bool, is_there: impl Fn(Ppm) -> bool) -> u32 {
    let (mut now, mut count) = (score, 0);
    while !is_there(now.value()) && count < AHEAD_MAX {
        (now, count) = (now.after(good), count + 1);
    }
    count
}

/// A piece that evidence names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedPiece {
    /// Its group.
    pub pg: PgId,
    /// Its slot.
    pub slot: u16,
    /// How its segment's id begins.
    pub segment: u32,
}

/// What one event did to a score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Bad samples it counted as.
    pub bad: u32,
    /// The score before.
    pub before: Ppm,
    /// The score after.
    pub after: Ppm,
    /// The first pieces it is about, at most [`PIECES_NAMED`].
    pub pieces: Vec<NamedPiece>,
    /// Pieces it is about in all.
    pub pieces_count: u32,
}

impl fmt::Display for Evidence {
    /// `bad=3 before=1000000 after=997002 pieces=3 12/7/1f2e3d4c 12/7/…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bad, before, after, pieces, pieces_count } = self;
        write!(f, "bad={bad} before={} after={} pieces={pieces_count}", before.0, after.0)?;
        let named = pieces.iter().take(PIECES_NAMED);
        named.into_iter().try_for_each(|piece| write!(f, " {}/{}/{:08x}", piece.pg.0, piece.slot, piece.segment))
    }
}

impl Evidence {
    /// Reads a line back; none for text of another kind.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut number = |key: &str| words.next()?.strip_prefix(key)?.strip_prefix('=')?.parse::<u32>().ok();
        let (bad, before, after) = (number("bad")?, Ppm(number("before")?), Ppm(number("after")?));
        let pieces_count = number("pieces")?;
        let piece = |word: &str| {
            let mut parts = word.split('/');
            let (pg, slot, segment) = (parts.next()?, parts.next()?, parts.next()?);
            let segment = u32::from_str_radix(segment, 16).ok()?;
            Some(NamedPiece { pg: PgId(pg.parse().ok()?), slot: slot.parse().ok()?, segment })
        };
        let pieces = words.map(piece).collect::<Option<Vec<_>>>()?;
        (pieces.len() <= PIECES_NAMED).then_some(Self { bad, before, after, pieces, pieces_count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_score_says_how_far_it_is_from_no_new_work() {
        let fresh = outlook(Score::default().value());
        assert_eq!((fresh.level, fresh.good_needed), (Level::Good, 0));
        // From a clean score 41 bad samples in a row: 0.999^41 < 0.96.
        assert_eq!(fresh.bad_left, 41, "(B)");
        let near = outlook(Ppm(970_000));
        assert_eq!(near.level, Level::Near, "(A)");
        assert!(near.bad_left > 0 && near.bad_left < 15 && near.good_needed > 0, "{near:?}");
        let low = outlook(Ppm(900_000));
        assert_eq!((low.level, low.bad_left), (Level::Low, 0));
        assert!(low.good_needed > near.good_needed);
        assert_eq!(outlook(Ppm(0)).level, Level::Low);
    }

    proptest! {
        #[test]
        fn bad_samples_one_by_one_warn_before_they_end_work(good in 0u32..3_000) {
            let mut score = (0..good).fold(Score::default(), |score, _| score.after(true));
            let mut seen = vec![];
            let told = outlook(score.value());
            for step in 0..60 {
                let now = outlook(score.value());
                prop_assert!(now.bad_left.abs_diff(told.bad_left.saturating_sub(step)) <= 1, "(B) {now:?}");
                if seen.last() != Some(&now.level) {
                    seen.push(now.level);
                }
                score = score.after(false);
            }
            prop_assert_eq!(seen, vec![Level::Good, Level::Near, Level::Low], "(A)");
        }

        #[test]
        fn evidence_reads_back(
            bad in any::<u32>(),
            score in (0u32..=1_000_000, 0u32..=1_000_000),
            pieces in proptest::collection::vec((any::<u32>(), any::<u16>(), any::<u32>()), 0..20),
        ) {
            let all = pieces.iter().map(|(pg, slot, segment)| NamedPiece { pg: PgId(*pg), slot: *slot, segment: *segment });
            let told = Evidence {
                bad,
                before: Ppm(score.0),
                after: Ppm(score.1),
                pieces: all.take(PIECES_NAMED).collect(),
                pieces_count: u32::try_from(pieces.len()).unwrap(),
            };
            let text = told.to_string();
            prop_assert!(text.len() <= EVIDENCE_MAX, "(C) {} bytes", text.len());
            prop_assert_eq!(Evidence::parse(&text), Some(told), "(C)");
        }

        #[test]
        fn other_text_is_no_evidence(text in ".{0,80}") {
            if let Some(read) = Evidence::parse(&text) {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
