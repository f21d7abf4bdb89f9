//! A steward at work: when the center has chosen this node, it asks for segments that lack pieces, makes them from those that
//! stand, and sends each to its slot. The owner comes first: nothing is begun while storage is not lent, and what is sent stays
//! within the upload that the owner allows.

use crate::audit::Auditor;
use crate::fill::FillSender;
use crate::fleet::owner_loop::OwnerView;
use crate::hand_over::HandsOver;
use crate::session::Session;
use client::{AskCenter, Client, ClientError, Stage};
use model::{Kbps, NodeState, Ppm, Stamp, TimeScale};
use net::Endpoint;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use wire::Request;

/// After work was done, more is asked for so often …
const AGAIN_EVERY: Duration = Duration::from_secs(2);
/// … and so many times, before the next check-in is waited for.
const AGAIN_MAX: u32 = 8;
/// Pause between two looks at this machine's own staged uploads.
const STAGE_EVERY: Duration = Duration::from_secs(10);
/// Longest pause after one segment for the sake of the owner's upload limit.
const PACE_MAX: Duration = Duration::from_secs(600);

/// What a steward needs.
pub struct Steward {
    /// Session with the center.
    pub session: Arc<Session>,
    /// The owner's word.
    pub owner: watch::Receiver<OwnerView>,
    /// Reads and writes pieces as this node.
    pub client: Client,
    /// Audits other nodes.
    pub auditor: Auditor,
    /// Hands over what is here, once the owner leaves.
    pub hands_over: HandsOver,
    /// Sends data of fill tests.
    pub fills: FillSender,
}

/// A client that speaks for the machine's own node over an endpoint with a key of its own: the node itself is one of the
/// holders, and an endpoint cannot call itself.
pub fn client(endpoint: Endpoint, key: [u8; 32], now: fn() -> Stamp, session: &Arc<Session>) -> Client {
    let session = Arc::clone(session);
    let ask: AskCenter = Arc::new(move |request: Request| {
        let session = Arc::clone(&session);
        Box::pin(async move { session.ask(request).await.map_err(ClientError::Net) })
    });
    Client::new(endpoint, key, now, ask)
}

/// Looks after this machine's own staged uploads, for ever.
pub async fn keep_stage(client: Client, dir: PathBuf, key: [u8; 32], scale: watch::Receiver<TimeScale>) {
    loop {
        tokio::time::sleep(STAGE_EVERY).await;
        let stage = {
            let dir = dir.clone();
            tokio::task::spawn_blocking(move || dir.exists().then(|| Stage::open(&dir, &key, 0))).await
        };
        let Ok(Some(Ok(stage))) = stage else { continue };
        let times = *scale.borrow();
        match client.look_at_stage(&stage, times).await {
            Ok(looked) if looked.released + looked.pieces > 0 => tracing::info!(?looked, "looked after the stage"),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the stage was not looked after; the next look is soon"),
        }
    }
}

impl Steward {
    /// Works whenever it is chosen, for ever.
    pub async fn run(self) {
        // Tells the center that whatever was leased to the last start is over.
        self.work().await;
        loop {
            self.session.chosen().await;
            let mut empty = 0;
            while empty < AGAIN_MAX {
                let found = self.may()
                    && (self.hands_over.work().await
                        | self.auditor.work().await
                        | self.work().await
                        | self.fills.work().await);
                if found {
                    empty = 0;
                } else {
                    empty += 1;
                    tokio::time::sleep(AGAIN_EVERY).await;
                }
            }
        }
    }

    fn may(&self) -> bool {
        let view = self.owner.borrow();
        view.allowance.storage_reads && !matches!(view.state, NodeState::Off | NodeState::Evict)
    }

    /// One piece of work; false when there was none.
    async fn work(&self) -> bool {
        let work = match self.client.steward_work(Vec::new()).await {
            Ok(Some(work)) => work,
            Ok(None) => return false,
            Err(error) => {
                tracing::info!(%error, "no work of a steward came");
                return false;
            }
        };
        let paced = |bytes: u64| {
            let up = self.owner.borrow().allowance.up;
            tokio::time::sleep(pause(bytes, part_of(up, work.line_share)))
        };
        match self.client.fill(&work, |_| None, paced).await {
            Ok(filled) => tracing::info!(?filled, pg = %work.group.pg, "filled up what others wrote"),
            Err(error) => tracing::info!(%error, "a steward's work was not told; it is given out again"),
        }
        true
    }
}

/// A share of a line; of one without a limit, all.
fn part_of(up: Kbps, share: Ppm) -> Kbps {
    if up.0 == u32::MAX { up } else { Kbps(u32::try_from(share.min(Ppm::ONE).of(up.0.into())).unwrap_or(up.0)) }
}

/// The pause that keeps an average below `up`.
pub(crate) fn pause(bytes: u64, up: Kbps) -> Duration {
    let kbits = bytes.saturating_mul(8) / 1_000;
    match up.0 {
        0 => PACE_MAX,
        u32::MAX => Duration::ZERO,
        kbps => Duration::from_millis(kbits.saturating_mul(1_000) / u64::from(kbps)).min(PACE_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_s_upload_is_kept_on_average() {
        assert_eq!(pause(1_000_000, Kbps(8_000)), Duration::from_secs(1));
        assert_eq!(pause(1_000_000, Kbps(u32::MAX)), Duration::ZERO);
        assert_eq!(pause(1, Kbps(0)), PACE_MAX);
        assert_eq!(pause(u64::MAX, Kbps(1)), PACE_MAX);
        assert_eq!(
            [Ppm::percent(30), Ppm(2_000_000)].map(|share| part_of(Kbps(1_000), share)),
            [Kbps(300), Kbps(1_000)]
        );
        assert_eq!(part_of(Kbps(u32::MAX), Ppm::percent(30)), Kbps(u32::MAX));
    }
}
