//! What nodes ask of shuffles: where blocks lie, and whether those they hold are still wanted.

use crate::fleet::api::alias_of;
use crate::refuse::{Refused, bad_value, not_allowed};
use crate::{Caller, Center};
use model::{Alias, JobId, Presence, errors};
use std::collections::BTreeMap;
use wire::compute::JobItemsAsk;
use wire::limits::{JOBS_LIVE_MAX, PAGE_MAX};
use wire::shuffle::{BlocksOf, BlocksPage, NO_MAKER};
use wire::{PeerAddr, RefusalMsg, Reply};

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
    let limit = usize::from(ask.limit).clamp(1, PAGE_MAX);
    let (holders, rows) = {
        let board = center.board();
        let unknown = || RefusalMsg::new(errors::JOB_UNKNOWN, [("id", ask.job.to_string())]);
        let shuffle = board.scheduler().shuffle(ask.job, ask.stage).ok_or_else(unknown)?;
        let from = ask.after.map_or(0, |after| after.saturating_add(1));
        let rows: Vec<_> = shuffle
            .items(from)
            .take(limit + 1)
            .map(|kept| (kept.vote.node, kept.vote.serial, kept.vote.result))
            .collect();
        (shuffle.holders, rows)
    };
    let more = rows.len() > limit;
    let (mut makers, mut places) = (Vec::new(), BTreeMap::<Alias, u16>::new());
    let mut items = Vec::with_capacity(rows.len());
    for (node, serial, result) in rows.into_iter().take(limit) {
        let maker = *places.entry(node).or_insert_with(|| match addr(center, node) {
            Some(addr) => {
                makers.push(addr);
                u16::try_from(makers.len() - 1).unwrap_or(NO_MAKER)
            }
            None => NO_MAKER,
        });
        items.push(BlocksOf { item: result.item, serial, hash: result.hash, maker });
    }
    let holders = holders.into_iter().map(|node| addr(center, node)).collect();
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
