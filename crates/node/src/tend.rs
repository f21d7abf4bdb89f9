//! Tends the pieces of this node: follows their groups, tells what was lost, and in the owner's idle time looks at pieces again
//! and gives room back.

use crate::fleet::owner_loop::{OwnerFact, OwnerHandle, OwnerView};
use crate::give_way;
use crate::session::Session;
use crate::storage::follow::{Ask, Follower};
use crate::storage::{Cursors, PieceStore, scrub};
use model::{Bytes, PgId, Stamp};
use rules::storage::scrub::ROUND;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use wire::fleet::Held;
use wire::{Reply, Request};

/// Pause between two turns.
const TURN_EVERY: Duration = Duration::from_secs(5);
/// Bytes one step of compaction moves at most.
const COMPACT_STEP: Bytes = Bytes::mib(8);
/// Steps of compaction in one turn.
const COMPACT_STEPS: u32 = 8;

/// What tending needs.
pub struct Tend {
    /// The pieces.
    pub store: PieceStore,
    /// Session with the center.
    pub session: Arc<Session>,
    /// The owner's word.
    pub owner: watch::Receiver<OwnerView>,
    /// Hears of a disk that is gone.
    pub owner_loop: OwnerHandle,
    /// Clock.
    pub now: fn() -> Stamp,
}

impl Tend {
    /// Tends for ever; ends at once when what it remembers cannot be kept at all.
    pub async fn run(self, pieces: std::path::PathBuf) {
        let cursors = match open(&pieces).await {
            Ok(cursors) => Arc::new(cursors),
            Err(error) => return tracing::error!(%error, "groups cannot be followed: nothing is collected here"),
        };
        if let Err(error) = scrub::begin(&cursors, (self.now)()) {
            tracing::warn!(%error, "it is not known when pieces were looked at last");
        }
        let session = Arc::clone(&self.session);
        let ask: Ask = Arc::new(move |request| {
            let session = Arc::clone(&session);
            Box::pin(async move { session.ask(request).await.ok() })
        });
        let follower = Follower {
            store: self.store.clone(),
            cursors,
            ask,
            resting: Default::default(),
            scale: self.session.time_scale(),
        };
        let (mut moved, mut told, mut is_gone) = (self.session.moved(), None, false);
        loop {
            self.tell(&follower, &mut told);
            tokio::select! {
                () = tokio::time::sleep(TURN_EVERY) => {}
                changed = moved.changed() => if changed.is_err() { return },
            }
            let groups = moved.borrow_and_update().clone();
            if self.watch_disk(&mut is_gone).await {
                self.turn(&follower, &groups).await;
            }
        }
    }

    /// Tells the owner's loop when the disk with the pieces is gone and when it is back: the node lends nothing meanwhile, and
    /// nothing that is read of such a disk says anything about a piece.
    async fn watch_disk(&self, is_gone: &mut bool) -> bool {
        let is_there = self.store.is_there();
        if *is_gone == is_there {
            *is_gone = !is_there;
            match is_there {
                true => tracing::info!("the disk with the pieces is back"),
                false => tracing::error!("the disk with the pieces is gone; this node pauses itself until it is back"),
            }
            self.owner_loop.tell(OwnerFact::Fault(*is_gone)).await;
        }
        is_there
    }

    async fn turn(&self, follower: &Follower, moved: &[PgId]) {
        match follower.turn(moved, (self.now)()).await {
            Ok(done) if done != Default::default() => tracing::info!(?done, "followed the groups"),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "groups were not followed; the next turn is soon"),
        }
        self.give_way().await;
        if !self.may_work() {
            return;
        }
        let round = follower.scale.borrow().of(ROUND);
        if let Err(error) = scrub::step(&self.store, &follower.cursors, round, (self.now)()).await {
            tracing::warn!(%error, "pieces were not looked at");
        }
        for _ in 0..COMPACT_STEPS {
            match self.store.compact_step(COMPACT_STEP).await {
                Ok(step) if !step.done && self.may_work() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "room was not given back");
                    break;
                }
            }
        }
    }

    /// Data of a fill test makes room for others' pieces.
    async fn give_way(&self) {
        let pieces = give_way::surplus(&self.store);
        if pieces.is_empty() {
            return;
        }
        // The center hears of it first: what an audit asks for was not given up yet.
        if !matches!(self.session.ask(Request::PiecesLost(pieces.clone())).await, Ok(Reply::Done)) {
            return;
        }
        match give_way::remove(&self.store, &pieces).await {
            Ok(()) => tracing::info!(pieces = pieces.len(), "data of the fill test made room"),
            Err(error) => tracing::warn!(%error, "data of the fill test did not make room"),
        }
    }

    /// The owner leaves room for work in the background.
    fn may_work(&self) -> bool {
        self.owner.borrow().allowance.background
    }

    /// Lets the next check-ins say what is held and how far groups were followed.
    fn tell(&self, follower: &Follower, after: &mut Option<PgId>) {
        let usage = self.store.usage();
        let held = Held {
            pieces: usage.pieces - usage.trashed - usage.damaged,
            bytes: usage.bytes - usage.trashed_bytes - usage.damaged_bytes,
            trashed: usage.trashed,
            trashed_bytes: usage.trashed_bytes,
            damaged: usage.damaged,
        };
        let cursors = follower.cursors_from(*after).unwrap_or_default();
        *after = cursors.last().map(|(pg, _)| PgId(*pg));
        self.session.tell_held(held, cursors);
    }
}

async fn open(pieces: &Path) -> Result<Cursors, String> {
    let dir = pieces.to_owned();
    let opened = tokio::task::spawn_blocking(move || Cursors::open(&dir)).await;
    opened.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}
