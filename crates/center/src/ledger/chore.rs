//! What the ledger does by itself: ends holds whose time is over, makes roots of days that are over, and checks everything once a
//! day. Which holds are due and when a day has ended, the rules and [`super::day`] say.
//!
//! Twice, or by two center processes at once, does no harm: ends of holds and roots are the same ones then.

use super::audit::Unsound;
use super::store;
use super::{Ledger, PostError, Posting};
use crate::Center;
use crate::db::StoreError;
use model::{Span, Stamp};
use rules::ledger::book::expire;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Holds ended in one transaction.
const PART: u32 = 256;
/// Transactions in one look.
const PARTS_MAX: u32 = 64;
/// Pause between two of them.
pub(super) const PART_PAUSE: Duration = Duration::from_millis(50);
/// Time between two checks of everything, as the center's `time_scale` counts.
const CHECK_EVERY: Span = Span::days(1);
/// When in the day (UTC) it is checked.
const CHECK_AT: Span = Span::mins(40);

/// Runs until the center stops.
pub(crate) async fn run(center: Center) {
    let ledger = center.ledger().clone();
    let every = center.settings().time_scale.of(CHECK_EVERY);
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match ledger.expire_holds().await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(ended, "ended holds whose time is over"),
            Err(error) => tracing::warn!(%error, "holds that are over were not ended; the next look is soon"),
        }
        if let Err(error) = ledger.make_day_roots().await {
            tracing::warn!(%error, "a day's root was not made; the next look is soon");
        }
        if let Err(error) = ledger.look_at_roots().await {
            tracing::warn!(%error, "the newest day's root could not be read; the next look is soon");
        }
        if let Err(error) = ledger.look_at_cosigns(super::cosign::vetted(&center)).await {
            tracing::warn!(%error, "who signed the newest root could not be read; the next look is soon");
        }
        look_at_head(&center, &ledger, every).await;
    }
}

/// Shows where the book stands, and checks it where that is due.
async fn look_at_head(center: &Center, ledger: &Ledger, every: Span) {
    let head = match ledger.head().await {
        Ok(head) => head,
        Err(error) => return tracing::warn!(%error, "where the ledger stands could not be read"),
    };
    let metrics = center.metrics();
    metrics.ledger_rows.store(head.seq, Relaxed);
    metrics.ledger_stopped.store(head.fault.is_some().into(), Relaxed);
    // In an empty book there is nothing to check, and nothing to note that it was.
    if head.seq == 0 || !is_check_due(head.checked_at, every, ledger.now()) {
        return;
    }
    match ledger.check().await {
        Ok(sound) => tracing::info!(rows = sound.rows, blocks = sound.blocks, "the ledger was checked"),
        Err(Unsound::Store(error)) => tracing::warn!(%error, "the ledger was not checked; the next look is soon"),
        Err(unsound) => {
            metrics.ledger_stopped.store(1, Relaxed);
            tracing::error!(%unsound, "the ledger is unsound and takes nothing; keep the database as it is");
        }
    }
}

/// At the hour of the check, where the last one is of an earlier period.
fn is_check_due(checked_at: Option<Stamp>, every: Span, now: Stamp) -> bool {
    let period = |at: Stamp| at.as_ms().saturating_sub(CHECK_AT.as_ms()) / every.as_ms().max(1);
    checked_at.is_none_or(|checked_at| period(now) > period(checked_at))
}

impl Ledger {
    /// Ends holds whose time is over and that nobody argues about, in portions; how many. Harmless twice.
    ///
    /// # Errors
    /// Of the store.
    pub async fn expire_holds(&self) -> Result<u64, StoreError> {
        let mut ended = 0;
        for _ in 0..PARTS_MAX {
            let now = self.now();
            let due = self.db().read(move |q| Ok(store::hold::due(q, now, PART)?)).await?;
            let postings: Vec<Posting> = due.iter().map(|hold| expire(hold).into()).collect();
            let count = postings.len() as u64;
            if count > 0 {
                // Time in the book may be behind this clock's no more than in front: what is not due there waits.
                let write = move |tx: &mut crate::db::Tx<'_>| store::post_in(tx, &postings, now);
                ended += self.db().write(write).await?.iter().filter(|answer| answer.is_ok()).count() as u64;
            }
            if count < u64::from(PART) {
                break;
            }
            tokio::time::sleep(PART_PAUSE).await;
        }
        Ok(ended)
    }
}

impl PostError {
    /// Whether the ledger said a lawful no, which the same posting would hear again.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_checked_once_a_day() {
        let day = Span::days(1);
        let at = |days: u64, mins: u64| Stamp(0) + Span::days(days) + Span::mins(mins);
        assert!(is_check_due(None, day, at(9, 0)));
        assert!(!is_check_due(Some(at(9, 40)), day, at(10, 39)));
        assert!(is_check_due(Some(at(9, 40)), day, at(10, 40)));
        assert!(is_check_due(Some(at(9, 50)), Span::secs(86), at(9, 52)), "days of a center for tests are short");
    }
}
