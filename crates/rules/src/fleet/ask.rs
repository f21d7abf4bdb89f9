//! The center asks, the owner's file limits: what holds is the smaller, field by field (`docs/design/fleet.md`, (A), (I)).
//!
//! (A) No field of the result is above the owner's allowance, whatever the center asks. (B) No field is above the ask.
//! (C) Each field is one of the two, so nothing is lowered for a third reason. (D) What only the owner decides (reads,
//! background, new work) the center cannot switch on. (E) A plan older than the one held is refused.
//! (F) Only a center that said at the join that it is one for tests may shorten days, whatever it, or who took it over, says later:
//! trash and the wait for unknown pieces stand between a center gone wrong and what is stored.

use crate::Refusal;
use crate::fleet::owner::Allowance;
use model::{Bytes, Kbps, TimeScale, errors};

/// What the center would like to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CenterAsk {
    /// Thousandths of a core.
    pub cores_milli: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Space.
    pub disk: Bytes,
    /// Upload.
    pub up: Kbps,
    /// Download.
    pub down: Kbps,
}

/// A field of which the center asked more than the owner gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overask {
    /// Its name.
    pub field: &'static str,
    /// Asked.
    pub asked: u64,
    /// Given, in the same unit.
    pub given: u64,
}

/// What holds, and for the log where the center asked for more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What holds.
    pub allowance: Allowance,
    /// Fields that were asked above the owner's limit, at most five.
    pub overasked: Vec<Overask>,
}

/// Takes the smaller of both, field by field.
pub fn apply(owner: &Allowance, ask: &CenterAsk) -> Applied {
    let fields = [
        ("cores_milli", u64::from(ask.cores_milli), u64::from(owner.cores_milli)),
        ("memory_mib", u64::from(ask.memory_mib), u64::from(owner.memory_mib)),
        ("disk", ask.disk.0, owner.disk.0),
        ("up", u64::from(ask.up.0), u64::from(owner.up.0)),
        ("down", u64::from(ask.down.0), u64::from(owner.down.0)),
    ];
    let over = fields.into_iter().filter(|(_, asked, given)| asked > given);
    let allowance = Allowance {
        cores_milli: owner.cores_milli.min(ask.cores_milli),
        memory_mib: owner.memory_mib.min(ask.memory_mib),
        disk: owner.disk.min(ask.disk),
        up: owner.up.min(ask.up),
        down: owner.down.min(ask.down),
        ..*owner
    };
    Applied { allowance, overasked: over.map(|(field, asked, given)| Overask { field, asked, given }).collect() }
}

/// May a plan of this generation replace the one held? The same again is no change and fine. E0208 when older.
pub fn check_generation(held: u64, offered: u64) -> Result<(), Refusal> {
    if offered >= held {
        return Ok(());
    }
    Err(Refusal::new(errors::PLAN_STALE).with("have", offered).with("need", held))
}

/// Whether the center hears now that another space is lent than it was told: by a 32nd at least, or when what is held does not fit
/// any more. What a profile gives follows the free space of a disk, which changes all the time.
pub fn is_lent_news(told: Bytes, now: Bytes, held: Bytes) -> bool {
    told.0.abs_diff(now.0) > told.0 / 32 || (told.0 >= held.0) != (now.0 >= held.0)
}

/// How days count at a node. (F)
pub fn believed_scale(said: Option<TimeScale>, joined_a_test: bool) -> TimeScale {
    said.filter(|_| joined_a_test)
        .map_or_else(TimeScale::default, |TimeScale(times)| TimeScale(times.clamp(1, TimeScale::MAX.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_that_changed_a_little_is_no_news_unless_what_is_held_does_not_fit() {
        let gib = Bytes::gib(32);
        assert!(!is_lent_news(gib, Bytes(gib.0 - (1 << 20)), Bytes(0)) && is_lent_news(gib, Bytes::gib(30), Bytes(0)));
        assert!(is_lent_news(gib, Bytes(gib.0 - 1), gib) && !is_lent_news(gib, gib, gib));
        assert!(is_lent_news(Bytes(0), Bytes(1), Bytes(0)));
    }

    #[test]
    fn days_are_shortened_only_where_a_center_for_tests_was_joined() {
        let said = |times| Some(TimeScale(times));
        assert_eq!(believed_scale(said(4_320), true), TimeScale(4_320));
        assert_eq!(believed_scale(said(4_320), false), TimeScale(1), "(F)");
        assert_eq!(believed_scale(None, true), TimeScale(1));
        assert_eq!(believed_scale(said(0), true), TimeScale(1));
        assert_eq!(believed_scale(said(u32::MAX), true), TimeScale::MAX);
    }
    use proptest::prelude::*;

    #[test]
    fn an_older_plan_is_refused() {
        assert!(check_generation(4, 4).is_ok() && check_generation(4, 5).is_ok());
        assert_eq!(check_generation(4, 3).unwrap_err().id, errors::PLAN_STALE, "(E)");
    }

    proptest! {
        #[test]
        fn the_smaller_holds_in_every_field(
            mine in (any::<u32>(), any::<u32>(), any::<u64>(), any::<u32>(), any::<u32>()),
            asked in (any::<u32>(), any::<u32>(), any::<u64>(), any::<u32>(), any::<u32>()),
            (storage_reads, background, new_work) in (any::<bool>(), any::<bool>(), any::<bool>()),
        ) {
            let owner = Allowance {
                cores_milli: mine.0, memory_mib: mine.1, disk: Bytes(mine.2), up: Kbps(mine.3), down: Kbps(mine.4),
                storage_reads, background, new_work,
            };
            let ask = CenterAsk {
                cores_milli: asked.0, memory_mib: asked.1, disk: Bytes(asked.2), up: Kbps(asked.3), down: Kbps(asked.4),
            };
            let Applied { allowance: a, overasked } = apply(&owner, &ask);
            let rows = [
                ("cores_milli", u64::from(a.cores_milli), u64::from(mine.0), u64::from(asked.0)),
                ("memory_mib", u64::from(a.memory_mib), u64::from(mine.1), u64::from(asked.1)),
                ("disk", a.disk.0, mine.2, asked.2),
                ("up", u64::from(a.up.0), u64::from(mine.3), u64::from(asked.3)),
                ("down", u64::from(a.down.0), u64::from(mine.4), u64::from(asked.4)),
            ];
            for (field, got, mine, asked) in rows {
                prop_assert!(got <= mine, "(A) {field}");
                prop_assert!(got <= asked, "(B) {field}");
                prop_assert!(got == mine || got == asked, "(C) {field}");
                prop_assert_eq!(overasked.iter().any(|o| o.field == field), asked > mine, "{}", field);
            }
            prop_assert_eq!((a.storage_reads, a.background, a.new_work), (storage_reads, background, new_work), "(D)");
        }
    }
}
