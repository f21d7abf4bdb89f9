//! A center without its database is told again what there is (`docs/design/storage.md` §15): whose is a place in a group, and what
//! becomes of a version whose segments are not all found?
//!
//! (A) A place that the center once gave, by its own signed word, is not taken by anybody's mere claim. (B) Of two such words the
//! newer counts. (C) A version that is its name's newest is never let go of: where its segments are not found it stays, and says
//! so when it is read. (D) What is told again is not collected before its owner had time to come.

use model::{Alias, PgId, Span, Stamp};

/// Segments that nobody names yet are kept for so long after a node told of them: their owner may come late.
pub const ADOPTED_HOLD: Span = Span::days(180);
/// Slots whose holder did not come back yet are given to nobody else for so long after a rebuild.
pub const PLACES_WAIT: Span = Span::hours(72);

/// Seconds since 1970 from which groups of a rebuilt center are numbered.
const GROUPS_EPOCH_S: u64 = 1_700_000_000;

/// The last number that a group made before a rebuild can have; the rebuilt center goes on after it. So no number is given twice
/// while fewer than one group a second is made.
pub fn last_group(rebuilt: Stamp) -> PgId {
    PgId(u32::try_from((rebuilt.as_ms() / 1_000).saturating_sub(GROUPS_EPOCH_S)).unwrap_or(u32::MAX - 1))
}

/// A group of this number may have been made before the rebuild.
pub fn is_from_before(pg: PgId, rebuilt: Stamp) -> bool {
    pg.0 > 0 && pg <= last_group(rebuilt)
}

/// Somebody's word that a place in a group is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub node: Alias,
    /// When the center signed that it is; none where it did not.
    pub vouched: Option<Stamp>,
}

/// What becomes of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The place is theirs already.
    Theirs,
    /// It becomes theirs; nobody held it.
    Taken,
    /// It becomes theirs, and what its holder said of it counts no more.
    Passed,
    /// It stays with its holder.
    Refused,
}

/// Whose a place is, held by `holder` until now, when another node claims it.
pub fn place(holder: Option<Claim>, claim: Claim) -> Place {
    match holder {
        None => Place::Taken,
        Some(holder) if holder.node == claim.node => Place::Theirs,
        // None is less than any time.
        Some(holder) if claim.vouched > holder.vouched => Place::Passed,
        Some(_) => Place::Refused,
    }
}

/// What becomes of a version that is told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It names all of its segments.
    Whole,
    /// Its retention was over and its segments are gone: only its record counts.
    Gone,
    /// Some of its segments are not found.
    Lost,
}

/// The fate of a version with `missing` segments that nobody told of; `superseded` says when another took its place.
pub fn fate(missing: usize, superseded: Option<Stamp>, retention: Span, now: Stamp) -> Fate {
    match superseded {
        _ if missing == 0 => Fate::Whole,
        Some(since) if now.since(since) >= retention => Fate::Gone,
        _ => Fate::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rebuilt_center_gives_no_number_of_a_group_again() {
        let (first, later) = (Stamp(1_790_000_000_000), Stamp(1_790_000_060_000));
        assert!(is_from_before(PgId(1), first) && is_from_before(last_group(first), first));
        let next = PgId(last_group(first).0 + 1);
        assert!(!is_from_before(next, first), "the first of its own");
        assert!(is_from_before(next, later), "known as old by the next rebuild");
        assert!(!is_from_before(PgId(0), first) && !is_from_before(PgId(u32::MAX), first));
    }

    #[test]
    fn only_a_version_that_was_superseded_long_ago_is_let_go_of() {
        let now = Stamp(1_800_000_000_000);
        let month = Span::days(30);
        assert_eq!(fate(0, None, month, now), Fate::Whole);
        assert_eq!(fate(1, None, month, now), Fate::Lost, "(C)");
        assert_eq!(fate(1, Some(Stamp(now.0 - Span::days(29).0)), month, now), Fate::Lost);
        assert_eq!(fate(1, Some(Stamp(now.0 - month.0)), month, now), Fate::Gone);
        assert_eq!(fate(0, Some(Stamp(0)), month, now), Fate::Whole, "what is there can be brought back");
    }

    proptest! {
        #[test]
        fn a_vouched_place_ends_with_the_newest_word_in_whatever_order_they_come(
            claims in proptest::collection::vec((1u32..6, proptest::option::of(1u64..9)), 1..12)
        ) {
            // A node's own word on one place does not change while it is told.
            let word = |node: u32| claims.iter().find(|(n, _)| *n == node).and_then(|(_, at)| *at).map(Stamp);
            let mut holder: Option<Claim> = None;
            for (node, _) in &claims {
                let claim = Claim { node: Alias(*node), vouched: word(*node) };
                match place(holder, claim) {
                    Place::Taken | Place::Passed => holder = Some(claim),
                    Place::Theirs | Place::Refused => {}
                }
                prop_assert!(holder.is_some());
            }
            let best = claims.iter().filter_map(|(node, _)| word(*node)).max();
            prop_assert_eq!(holder.and_then(|h| h.vouched), best, "(A), (B)");
        }
    }
}
