//! What nodes ask of shuffles: where blocks lie, and whether those they hold are still wanted.

use super::{board, store};
use crate::fleet::api::alias_of;
use crate::refuse::{Refused, bad_value, not_allowed};
use crate::{Caller, Center};
use model::{Alias, JobId, Presence};
use std::collections::BTreeMap;
use wire::compute::JobItemsAsk;
use wire::limits::{JOBS_LIVE_MAX, PAGE_MAX};
use wire::shuffle::{BlocksOf, BlocksPage, NO_MAKER};
use wire::{PeerAddr, Reply};

/// Where a node is reached; none while it is not on.
pub fn addr(center: &Center, node: Alias) -> Option<PeerAddr> {
    let now = center.now();
    let fleet = center.fleet();
    (fleet.presence.state(now, node) == Presence::On).then(|| fleet.addr(node)).flatten()
}

/// Where the blocks of a stage lie, told to a node that was given work of a later one.
pub async fn blocks(center: &Center, caller: &Caller, ask: JobItemsAsk) -> Result<Reply, Refused> {
    let (now, alias) = (center.now(), alias_of(center, caller)?);
    if !center.board().was_granted_after(now, &ask.job, alias, ask.stage) {
        return Err(not_allowed(caller.id.short(), "get", "blocks of a job it has no work of").into());
    }
    let limit = u32::from(ask.limit).clamp(1, PAGE_MAX as u32);
    let read = center.db().read(move |q| Ok(store::items(q, &ask.job, ask.stage, ask.after, limit)?));
    let (rows, more) = read.await?;
    let (mut makers, mut places) = (Vec::new(), BTreeMap::<Alias, u16>::new());
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let maker = *places.entry(row.node).or_insert_with(|| match addr(center, row.node) {
            Some(addr) => {
                makers.push(addr);
                u16::try_from(makers.len() - 1).unwrap_or(NO_MAKER)
            }
            None => NO_MAKER,
        });
        items.push(BlocksOf { item: row.item, serial: row.serial, hash: row.hash, maker });
    }
    let holders = board::holders(center, &ask.job, ask.stage).into_iter().map(|node| addr(center, node)).collect();
    Ok(Reply::JobBlocks(Box::new(BlocksPage { holders, makers, items, more })))
}

/// Which of these jobs still run.
pub fn live(center: &Center, jobs: &[JobId]) -> Result<Reply, Refused> {
    if jobs.len() > JOBS_LIVE_MAX {
        return Err(bad_value("jobs", &jobs.len().to_string(), "256 are asked about at once").into());
    }
    let board = center.board();
    let is_live = |job: &JobId| board.job(job).is_some_and(|known| known.ended.is_none());
    Ok(Reply::JobsLive(jobs.iter().map(is_live).collect()))
}
