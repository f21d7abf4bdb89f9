//! Hands in what payers signed for here: one batch for each window that is over, until the center has answered it.
//!
//! (A) What came of a window is noted before the next is asked about; a batch that was sent twice is the same batch. (B) Nodes come
//! one after another: each waits its own part of an hour, but not where days are short.

use crate::receipts::Receipts;
use crate::receipts::settle::Settled;
use crate::session::Session;
use model::{NodeId, Span, Stamp, errors};
use std::sync::Arc;
use std::time::Duration;
use wire::limits::SETTLE_RECEIPTS_MAX;
use wire::signed::Receipt;
use wire::signed::permit::CLOCK_TOLERANCE;
use wire::{RefusalMsg, Reply, Request};

/// Pause between two looks …
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// … and where days are short.
const LOOK_SOON: Duration = Duration::from_secs(1);
/// Receipts of a window come until clocks may differ no more; then nodes wait up to so long.
const JITTER: Span = Span::mins(45);
/// Time of a window.
const WINDOW: Span = Span::hours(6);

/// What settling needs.
pub struct Settles {
    /// Session with the center.
    pub session: Arc<Session>,
    /// What is handed in.
    pub receipts: Receipts,
    /// This node.
    pub node: NodeId,
    /// Clock.
    pub now: fn() -> Stamp,
}

impl Settles {
    /// Hands in for ever.
    pub async fn run(self) {
        self.tell();
        let scale = self.session.time_scale();
        loop {
            let is_short = scale.borrow().0 > 1;
            tokio::time::sleep(if is_short { LOOK_SOON } else { LOOK_EVERY }).await;
            let (receipts, now) = (self.receipts.clone(), (self.now)());
            let found = tokio::task::spawn_blocking(move || receipts.unsettled(Receipt::window_of(now))).await;
            for window in found.unwrap_or_default() {
                if is_short || now >= due(&self.node, window) {
                    self.hand_in(window).await;
                }
            }
        }
    }

    /// (A)
    async fn hand_in(&self, window: u32) {
        let (receipts, now) = (self.receipts.clone(), (self.now)());
        let gathered = tokio::task::spawn_blocking(move || {
            receipts.write(now);
            receipts.batch(window)
        });
        let Ok(gathered) = gathered.await else { return };
        let (batch, (left, units)) = (gathered.batch, gathered.left);
        if left > 0 {
            tracing::warn!(
                window,
                left,
                units,
                most = SETTLE_RECEIPTS_MAX,
                "more receipts than a batch bears; the smallest are not settled"
            );
        }
        let count = batch.receipts.len();
        let settled = match count {
            0 => Settled { window, batch: None, refused: None },
            _ => match self.session.ask(Request::Settle(Box::new(batch))).await {
                Ok(Reply::Settled(told)) => {
                    tracing::info!(window, count, batch = told.batch, "what was served in a window is settled");
                    Settled { window, batch: Some(told.batch), refused: None }
                }
                Ok(Reply::Refused(refusal)) if is_final(&refusal) => {
                    let why = why(&refusal);
                    tracing::warn!(window, count, %why, "what was served in a window is not settled");
                    Settled { window, batch: None, refused: Some(why) }
                }
                Ok(Reply::Refused(refusal)) => {
                    return tracing::info!(window, id = %refusal.id, "a window was not settled; it is tried again");
                }
                Ok(_) => return tracing::warn!(window, "the center answered something else than a settlement"),
                Err(error) => return tracing::info!(window, %error, "a window was not settled; it is tried again"),
            },
        };
        let (receipts, now) = (self.receipts.clone(), (self.now)());
        let _ = tokio::task::spawn_blocking(move || receipts.note(&settled, now)).await;
        self.tell();
    }

    /// Lets the owner see what came of the newest window that was refused, or of the newest at all.
    fn tell(&self) {
        let all = self.receipts.settled(u32::MAX);
        let worst = all.iter().find(|settled| settled.refused.is_some()).or(all.first());
        self.session.tell_settled(worst.cloned());
    }
}

/// When a node hands a window in. (B)
fn due(node: &NodeId, window: u32) -> Stamp {
    let mut hasher = blake3::Hasher::new();
    hasher.update(node.as_bytes()).update(&window.to_le_bytes());
    let hash = hasher.finalize();
    let (head, _) = hash.as_bytes().split_first_chunk::<8>().expect("a hash has 32 bytes");
    let jitter = Span::ms(u64::from_le_bytes(*head) % JITTER.as_ms());
    Stamp(0) + Span::ms(WINDOW.as_ms().saturating_mul(u64::from(window) + 1)) + CLOCK_TOLERANCE + jitter
}

/// The same batch would hear it again.
fn is_final(refusal: &RefusalMsg) -> bool {
    let is_open = refusal.args.get("cause").is_some_and(|cause| cause == "window_open");
    match refusal.id {
        errors::WINDOW_CLOSED => !is_open,
        errors::BAD_RECEIPT | errors::TOO_LARGE => true,
        _ => false,
    }
}

/// Why, in a few words.
fn why(refusal: &RefusalMsg) -> String {
    let cause = refusal.args.get("cause").map_or("", String::as_str);
    let serial = refusal.args.get("serial").map_or("", String::as_str);
    [refusal.id.to_string(), cause.to_owned(), serial.to_owned()].join(" ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_come_one_after_another_within_the_hour_after_a_window() {
        let end = Stamp(0) + Span::hours(6 * 8);
        let at = |node: u8| due(&NodeId([node; 32]), 7).since(end);
        assert!((0..50).all(|node| at(node) >= CLOCK_TOLERANCE && at(node) < Span::mins(60)));
        assert!(at(1) != at(2) && at(1) == at(1));
    }

    #[test]
    fn only_what_the_same_batch_would_hear_again_ends_the_asking() {
        let with = |id, cause: &str| RefusalMsg::new(id, [("cause", cause.to_owned())]);
        assert!(is_final(&with(errors::WINDOW_CLOSED, "window_closed")));
        assert!(
            is_final(&with(errors::WINDOW_CLOSED, "window_reused")) && is_final(&with(errors::BAD_RECEIPT, "order"))
        );
        assert!(!is_final(&with(errors::WINDOW_CLOSED, "window_open")) && !is_final(&with(errors::RATE_LIMITED, "")));
        assert_eq!(why(&with(errors::BAD_RECEIPT, "over_permit")), "E0605 over_permit");
    }
}
