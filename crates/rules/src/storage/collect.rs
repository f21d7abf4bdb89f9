//! What is dropped, and when it is gone (`docs/design/storage.md` §8, §11). Two sides decide by this page: the center, which
//! segment nobody names any more, and a node, what becomes of a piece it holds.
//!
//! (A) A version is collected only after the retention since another took its place, and retention has a floor that no setting
//! lowers. (B) A piece is trashed only on a drop in its own group's log, or when that log has not known it for 72 h; whatever
//! the log names is kept and taken back out of the trash. (C) Nothing is forgotten before 14 d of trash, nor while its group is
//! below its refill mark. (D) Later never undoes: what is due at a moment is due at every later one.

use model::{Scheme, Span, Stamp, TimeScale};

/// How long a version is kept after another took its place: the default, and the least any setting gives.
pub const RETENTION: Span = Span::days(30);
/// A segment that was kept and never named is dropped after so long.
pub const UNNAMED_AFTER: Span = Span::days(7);
/// How long a dropped piece stays in a node's trash.
pub const TRASH: Span = Span::days(14);
/// A piece the group's log does not know is kept for so long.
pub const UNKNOWN_AFTER: Span = Span::hours(72);
/// How long a drop stands in a group's log.
pub const DROPS_KEPT: Span = Span::days(60);

/// The retention in force: what is set, never below [`RETENTION`].
pub fn retention(set: Span) -> Span {
    Span(set.as_ms().max(RETENTION.as_ms()))
}

/// Versions superseded at this moment or before are collected now; none where the clock has not run that long.
pub fn superseded_before(now: Stamp, retention: Span) -> Option<Stamp> {
    now.as_ms().checked_sub(retention.as_ms()).map(Stamp)
}

/// A group may drop and forget: as many slots stand as a repair refills to, or all that it has.
pub fn may_drop(scheme: &Scheme, slots: u16, standing: u16) -> bool {
    standing >= scheme.o.min(slots)
}

/// How long a node waits before it trashes and before it forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// [`TRASH`].
    pub trash: Span,
    /// [`UNKNOWN_AFTER`].
    pub unknown: Span,
}

impl Patience {
    /// As it counts under `scale`.
    pub fn of(scale: TimeScale) -> Self {
        Self { trash: scale.of(TRASH), unknown: scale.of(UNKNOWN_AFTER) }
    }
}

/// What a group's log says about a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Its pieces belong there.
    Named,
    /// Its pieces go.
    Dropped,
    /// Nothing, since this node first looked for it in vain.
    Unknown(Stamp),
}

/// What a node does with a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Keep,
    /// Into the trash.
    Trash,
    /// Out of the trash.
    TakeBack,
    /// Forgotten: its room comes back.
    Remove,
}

/// Decides about one piece. `trashed_at`: in the trash since. `is_whole`: its group may forget, as the center said just now.
pub fn fate(word: Word, trashed_at: Option<Stamp>, is_whole: bool, patience: Patience, now: Stamp) -> Fate {
    let goes = match word {
        Word::Named => false,
        Word::Dropped => true,
        Word::Unknown(since) => now.since(since) >= patience.unknown,
    };
    match trashed_at {
        // What is in the trash without a word of the log waits there.
        Some(_) if word == Word::Named => Fate::TakeBack,
        Some(at) if is_whole && now.since(at) >= patience.trash => Fate::Remove,
        None if goes && is_whole => Fate::Trash,
        _ => Fate::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Stamp = Stamp(1_800_000_000_000);

    #[test]
    fn no_setting_lowers_the_retention() {
        assert_eq!(retention(Span::ZERO), Span::days(30));
        assert_eq!(retention(Span::days(90)), Span::days(90));
        assert_eq!(superseded_before(NOW, retention(Span::ZERO)), Some(NOW - Span::days(30)));
        assert_eq!(superseded_before(Stamp(5), RETENTION), None);
        assert_eq!(superseded_before(NOW, UNNAMED_AFTER), Some(NOW - Span::days(7)));
    }

    #[test]
    fn each_word_at_each_moment() {
        let ago = |span| NOW - span;
        let cases = [
            (Word::Named, None, true, Fate::Keep),
            (Word::Named, Some(ago(Span::days(99))), true, Fate::TakeBack),
            (Word::Named, Some(ago(Span::days(99))), false, Fate::TakeBack),
            (Word::Dropped, None, true, Fate::Trash),
            (Word::Dropped, None, false, Fate::Keep),
            (Word::Dropped, Some(ago(Span::ms(Span::days(14).as_ms() - 1))), true, Fate::Keep),
            (Word::Dropped, Some(ago(Span::days(14))), true, Fate::Remove),
            (Word::Dropped, Some(ago(Span::days(14))), false, Fate::Keep),
            (Word::Unknown(ago(Span::ms(Span::hours(72).as_ms() - 1))), None, true, Fate::Keep),
            (Word::Unknown(ago(Span::hours(72))), None, true, Fate::Trash),
            (Word::Unknown(ago(Span::hours(72))), Some(ago(Span::days(15))), true, Fate::Remove),
            (Word::Unknown(NOW), Some(ago(Span::days(15))), true, Fate::Remove),
        ];
        for (word, trashed_at, is_whole, want) in cases {
            let patience = Patience::of(TimeScale(1));
            assert_eq!(fate(word, trashed_at, is_whole, patience, NOW), want, "{word:?} {trashed_at:?} {is_whole}");
        }
        let short = Patience::of(TimeScale(4_320));
        assert_eq!(short, Patience { trash: Span::secs(280), unknown: Span::mins(1) });
        assert_eq!(fate(Word::Dropped, Some(ago(Span::secs(279))), true, short, NOW), Fate::Keep);
        assert_eq!(fate(Word::Dropped, Some(ago(Span::secs(280))), true, short, NOW), Fate::Remove);
        assert_eq!(fate(Word::Unknown(ago(Span::mins(1))), None, true, short, NOW), Fate::Trash);
    }

    #[test]
    fn a_group_below_its_refill_mark_forgets_nothing() {
        let scheme = Scheme { k: 3, m: 6, o: 8, slots: 10, n_max: 16, accept: 4 };
        assert!(may_drop(&scheme, 10, 8) && !may_drop(&scheme, 10, 7));
        assert!(may_drop(&scheme, 3, 3) && !may_drop(&scheme, 3, 2));
    }
}
