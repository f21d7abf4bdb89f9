//! Blocks of shuffles have the room that pieces leave of what is lent, and go when their job is over.

use super::blocks::BlockStore;
use crate::fleet::owner_loop::OwnerView;
use crate::session::Session;
use crate::storage::PieceStore;
use model::{Bytes, JobId};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use wire::limits::JOBS_LIVE_MAX;
use wire::{Reply, Request};

/// The room of blocks is measured anew so often.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Every so many looks it is asked which jobs are over.
const ASKED_EVERY: u32 = 6;

/// Finds the blocks that are there.
///
/// # Errors
/// Those of the disk.
pub async fn open_blocks(dir: PathBuf, lent: Bytes) -> io::Result<BlockStore> {
    tokio::task::spawn_blocking(move || BlockStore::open(dir, lent.0)).await.map_err(io::Error::other)?
}

/// Keeps blocks to their room, and drops those nobody needs any more; for ever.
pub async fn keep_blocks(
    blocks: BlockStore,
    (store, owner): (PieceStore, watch::Receiver<OwnerView>),
    session: Arc<Session>,
) {
    let mut looks = 0u32;
    loop {
        let lent = owner.borrow().allowance.disk;
        let room = lent.0.saturating_sub(store.usage().bytes);
        let told = if looks.is_multiple_of(ASKED_EVERY) { Some(told(&blocks, &session).await) } else { None };
        let blocks = blocks.clone();
        let tidied = tokio::task::spawn_blocking(move || {
            if let Some((running, over)) = told {
                over.into_iter().for_each(|job| blocks.drop_job(job));
                blocks.drop_old(&running);
            }
            blocks.shrink(room);
        });
        if let Err(error) = tidied.await {
            tracing::warn!(%error, "blocks were not looked through");
        }
        tokio::time::sleep(LOOK_EVERY).await;
        looks = looks.wrapping_add(1);
    }
}

/// Jobs of which there are blocks: those that run and those that are over, as far as the center says.
async fn told(blocks: &BlockStore, session: &Session) -> (Vec<JobId>, Vec<JobId>) {
    let (mut running, mut over) = (Vec::new(), Vec::new());
    for jobs in blocks.jobs().chunks(JOBS_LIVE_MAX) {
        let Ok(Reply::JobsLive(live)) = session.ask(Request::JobsLive(jobs.to_vec())).await else { break };
        for (job, is_live) in jobs.iter().zip(live) {
            if is_live { running.push(*job) } else { over.push(*job) }
        }
    }
    (running, over)
}
