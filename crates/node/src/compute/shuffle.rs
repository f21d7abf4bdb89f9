//! The shuffle on a node (`docs/design/compute.md` §9): a mapper keeps the blocks it made and pushes each to who holds its part,
//! two copies for one upload; who merges a part takes them from wherever they are; who holds parts keeps and serves them.
//!
//! (A) A part's blocks are given to whoever shows a lease to merge it; blocks of an item are taken from whoever shows a lease of it
//! that names this machine as one of their holders. (B) A block is merged only when its mapper's
//! accepted result commits to it. (C) What is nowhere to be had is said by the numbers of its map items, all at once.

use super::blocks::{BlockStore, KeepError, MapItem};
use super::leases::Leases;
use client::compute::{BlockAt, BlocksAll, Merges, SealedBlock, UnderLease, block_of_object};
use client::{Bucket, Client, ClientError};
use model::{NodeId, errors};
use net::Stream;
use rules::compute::shuffle::places;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wire::compute::{PartOf, WorkLease};
use wire::limits::{BLOCKS_GET_MAX, BLOCKS_PUT_MAX};
use wire::shuffle::{BlockAnswer, BlockHead, GetBlocks, PutBlocks};
use wire::signed::LeaseBody;
use wire::{PeerAddr, RefusalMsg};

/// A holder that was not reached is not tried again for so long: a dead one costs one wait, not one for each block.
const DOWN_FOR: Duration = Duration::from_secs(60);
/// Holders of which that is remembered.
const DOWN_MAX: usize = 1_024;
/// Longest transfer between two machines: whoever trickles holds nobody up for longer.
const TRANSFER_MAX: Duration = Duration::from_secs(600);
/// Bytes that go to the disk, or come from it, at a time.
const STEP: usize = 1 << 20;
/// Transfers that are served at once; more wait for their turn, as long as a transfer may last in all.
const SERVED_MAX: usize = 16;

/// Serves the blocks of this node.
#[derive(Clone)]
pub struct Holding {
    leases: Leases,
    store: BlockStore,
    own: NodeId,
    turns: Arc<Semaphore>,
}

fn too_many(size: usize, limit: usize) -> ClientError {
    let args = [("what", "blocks".to_owned()), ("size", size.to_string()), ("limit", limit.to_string())];
    ClientError::Refused(RefusalMsg::new(errors::TOO_LARGE, args))
}

fn not_of_lease(what: String) -> ClientError {
    let args = [("op", "task".to_owned()), ("name", what)];
    ClientError::Refused(RefusalMsg::new(errors::BAD_PERMIT, args))
}

impl Holding {
    /// Of this store of this machine, to whom these leases allow it.
    pub fn new(leases: Leases, store: BlockStore, own: NodeId) -> Self {
        Self { leases, store, own, turns: Arc::new(Semaphore::new(SERVED_MAX)) }
    }

    /// Keeps the blocks that a mapper hands over. (A)
    ///
    /// # Errors
    /// [`ClientError::Refused`] with what is told to it.
    pub async fn put(&self, caller: NodeId, stream: &mut Stream, put: PutBlocks) -> Result<(), ClientError> {
        in_time(self.take(caller, stream, put)).await
    }

    async fn take(&self, caller: NodeId, stream: &mut Stream, put: PutBlocks) -> Result<(), ClientError> {
        let lease = self.leases.judge(caller, &put.lease, &put.permit)?;
        if put.heads.len() > BLOCKS_PUT_MAX {
            return Err(too_many(put.heads.len(), BLOCKS_PUT_MAX));
        }
        if !lease.items().contains(&put.item) {
            return Err(not_of_lease(format!("item {}", put.item)));
        }
        if !lease.names_holder(&self.own, &put.holders) {
            return Err(not_of_lease(format!("holder {}", self.own.short())));
        }
        if let Some(head) = put.heads.iter().find(|head| head.part >= lease.parts) {
            return Err(not_of_lease(format!("part {}", head.part)));
        }
        let _turn = self.turns.acquire().await;
        let refused =
            |error: KeepError| ClientError::Refused(RefusalMsg::new(errors::NOT_LENDING, [("why", error.to_string())]));
        let item = MapItem { job: lease.job, stage: lease.stage, item: put.item, serial: lease.serial };
        let (store, heads) = (self.store.clone(), put.heads);
        let mut keeping = blocking(move || store.begin(item, &heads)).await?.map_err(refused)?;
        while keeping.left() > 0 {
            let mut bytes = vec![0; usize::try_from(keeping.left()).unwrap_or(STEP).min(STEP)];
            stream.read_exact(&mut bytes).await?;
            keeping = blocking(move || keeping.push(&bytes).map(|()| keeping)).await?.map_err(refused)?;
        }
        blocking(move || keeping.commit()).await?.map_err(refused)?;
        Ok(stream.write_frame(&wire::encode(&BlockAnswer::Kept)).await?)
    }

    /// Gives the blocks of a part to who merges it. (A)
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn get(&self, caller: NodeId, stream: &mut Stream, get: GetBlocks) -> Result<(), ClientError> {
        in_time(self.give(caller, stream, get)).await
    }

    async fn give(&self, caller: NodeId, stream: &mut Stream, get: GetBlocks) -> Result<(), ClientError> {
        let lease = self.leases.judge(caller, &get.lease, &get.permit)?;
        if get.of.len() > BLOCKS_GET_MAX {
            return Err(too_many(get.of.len(), BLOCKS_GET_MAX));
        }
        if !lease.items().contains(&get.part) || get.stage >= lease.stage {
            return Err(not_of_lease(format!("part {}", get.part)));
        }
        let _turn = self.turns.acquire().await;
        for (item, serial) in get.of {
            let (store, of) = (self.store.clone(), MapItem { job: lease.job, stage: get.stage, item, serial });
            let Some((head, file)) = here(blocking(move || store.find(of, get.part)).await) else {
                stream.write_frame(&wire::encode(&BlockAnswer::Missing)).await?;
                continue;
            };
            let mut left = head.sealed;
            stream.write_frame(&wire::encode(&BlockAnswer::Block(head))).await?;
            let mut rest = (file, Vec::new());
            while left > 0 {
                let step = usize::try_from(left).unwrap_or(STEP).min(STEP);
                rest = blocking(move || {
                    let (mut file, mut bytes) = rest;
                    bytes.resize(step, 0);
                    file.read_exact(&mut bytes).map(|()| (file, bytes))
                })
                .await?
                .map_err(|_| ClientError::Unexpected("a block that is not whole"))?;
                stream.write_all(&rest.1).await?;
                left -= step as u64;
            }
        }
        Ok(())
    }
}

async fn in_time<T>(transfer: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    let done = tokio::time::timeout(TRANSFER_MAX, transfer).await;
    done.unwrap_or(Err(ClientError::Net(net::NetError::TimedOut(TRANSFER_MAX))))
}

/// A block that is here, with its bytes.
async fn read(store: &BlockStore, of: MapItem, part: u32) -> Option<SealedBlock> {
    let store = store.clone();
    here(blocking(move || store.read(of, part)).await).map(|(head, bytes)| SealedBlock { head, bytes })
}

/// What was found of a block; one that cannot be read is none.
fn here<T>(found: Result<std::io::Result<Option<T>>, ClientError>) -> Option<T> {
    match found {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a block was not read");
            None
        }
        Err(_) => None,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ClientError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ClientError::Unexpected("the work ended"))
}

/// Holders that were not reached, and when; clones share it.
#[derive(Clone, Default)]
pub struct Downs(Arc<Mutex<BTreeMap<NodeId, Instant>>>);

impl Downs {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_down(&self, id: &NodeId) -> bool {
        self.lock().get(id).is_some_and(|at| at.elapsed() < DOWN_FOR)
    }

    /// Remembers it where nobody answered; who says no is there.
    fn note(&self, id: NodeId, error: &ClientError) {
        if matches!(error, ClientError::Net(_)) {
            let mut downs = self.lock();
            if downs.len() >= DOWN_MAX {
                downs.clear(); // they are tried once more, no harm done
            }
            downs.insert(id, Instant::now());
        }
    }
}

/// A node's own side of shuffles.
#[derive(Clone)]
pub struct Shuffler {
    /// Reaches others.
    pub client: Client,
    /// What is kept here.
    pub store: BlockStore,
    /// This machine.
    pub own: NodeId,
    /// Who was not reached lately.
    pub downs: Downs,
}

impl Shuffler {
    /// Keeps the blocks of a map item and pushes each to who holds its part. False where there is no room here: nothing is pushed
    /// then.
    pub async fn keep(&self, lease: &WorkLease, body: &LeaseBody, item: u32, blocks: &[Arc<SealedBlock>]) -> bool {
        let of = MapItem { job: body.job, stage: body.stage, item, serial: body.serial };
        let (store, all) = (self.store.clone(), blocks.to_vec());
        let kept = blocking(move || {
            let heads: Vec<BlockHead> = all.iter().map(|block| block.head.clone()).collect();
            let mut keeping = store.begin(of, &heads)?;
            all.iter().try_for_each(|block| keeping.push(&block.bytes))?;
            keeping.commit()
        });
        match kept.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::info!(%error, item, "blocks are not kept here; they are stored instead");
                return false;
            }
            Err(_) => return false,
        }
        let mut to: BTreeMap<usize, Vec<Arc<SealedBlock>>> = BTreeMap::new();
        for block in blocks {
            let may = |holder: &PeerAddr| holder.id != self.own && !self.downs.is_down(&holder.id);
            if let Some(place) = second_copy(&lease.holders, block.head.part, may) {
                to.entry(place).or_default().push(Arc::clone(block));
            }
        }
        let mut pushes = JoinSet::new();
        for (place, blocks) in to {
            let Some(holder) = lease.holders[place].clone() else { continue };
            let (client, downs) = (self.client.clone(), self.downs.clone());
            let (lease, permit, holders) = (lease.body.clone(), lease.permit.clone(), lease.holders.clone());
            pushes.spawn(async move {
                let leave = UnderLease { lease: &lease, permit: &permit, holders: &holders };
                if let Err(error) = in_time(client.put_blocks(&holder, leave, item, &blocks)).await {
                    // The copy here does, or the item is run again.
                    downs.note(holder.id, &error);
                    tracing::debug!(%error, holder = %holder.id.short(), item, "blocks were not handed over");
                }
            });
        }
        pushes.join_all().await;
        true
    }

    /// All blocks of a part, opened, in the order of their map items: from here, from who holds the part, from who made them, from
    /// the other holders, from storage.
    ///
    /// # Errors
    /// [`Lack::Missing`] (C), or why none were looked for.
    pub async fn fetch(&self, part: Part<'_>) -> Result<Vec<Vec<u8>>, Lack> {
        let mut fetching = Fetching { part, got: vec![None; part.at.items.len()], odd: 0 };
        fetching.here(&self.store).await;
        let makers: BTreeMap<NodeId, &PeerAddr> =
            part.at.items.iter().filter_map(|item| item.maker.as_ref()).map(|maker| (maker.id, maker)).collect();
        let mut holders = places(part.at.holders.len(), part.part).filter_map(|place| part.at.holders[place].as_ref());
        let asked = holders.next().map(|holder| (holder, None)).into_iter();
        let asked = asked.chain(makers.values().map(|maker| (*maker, Some(maker.id))));
        let asked: Vec<(&PeerAddr, Option<NodeId>)> = asked.chain(holders.map(|holder| (holder, None))).collect();
        let (down, up): (Vec<_>, Vec<_>) = asked.into_iter().partition(|(holder, _)| self.downs.is_down(&holder.id));
        for (holder, maker) in up {
            fetching.from(self, holder, maker).await;
        }
        fetching.stored(&self.client).await;
        // Before anything is called lost, who was not reached before is tried once more.
        for (holder, maker) in down {
            fetching.from(self, holder, maker).await;
        }
        if fetching.odd > 0 {
            tracing::warn!(blocks = fetching.odd, part = part.part, "blocks were not what their mappers made");
        }
        let missing: Vec<u32> = fetching.wanted(None).into_iter().map(|place| part.at.items[place].item).collect();
        if missing.is_empty() { Ok(fetching.got.into_iter().flatten().collect()) } else { Err(Lack(missing)) }
    }
}

/// Who gets the second copy of a part's block: its holder, or the next of the others that is there.
fn second_copy(holders: &[Option<PeerAddr>], part: u32, may: impl Fn(&PeerAddr) -> bool) -> Option<usize> {
    places(holders.len(), part).find(|place| holders[*place].as_ref().is_some_and(&may))
}

/// What is merged, and under which leave.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// The lease it is merged under.
    pub lease: &'a WorkLease,
    /// The job.
    pub job: &'a model::JobId,
    /// Stage of the map items.
    pub stage: u8,
    /// The part.
    pub part: u32,
    /// Number of parts.
    pub parts: u32,
    /// Key of its blocks.
    pub key: &'a [u8; 32],
    /// Results are hashed with it.
    pub check_key: &'a [u8; 32],
    /// Where they lie.
    pub at: &'a BlocksAll,
    /// Where they lie in storage, if they do: bucket and folder of the part's blocks.
    pub stored: Option<(&'a Bucket, &'a str)>,
}

/// Map items whose blocks are nowhere to be had.
#[derive(Debug, PartialEq, Eq)]
pub struct Lack(pub Vec<u32>);

struct Fetching<'a> {
    part: Part<'a>,
    got: Vec<Option<Vec<u8>>>,
    odd: usize,
}

impl Fetching<'_> {
    /// Places of blocks that are still wanted; of one maker where it is named.
    fn wanted(&self, maker: Option<NodeId>) -> Vec<usize> {
        let is_made = |item: &BlockAt| maker.is_none_or(|id| item.maker.as_ref().is_some_and(|maker| maker.id == id));
        (0..self.got.len()).filter(|place| self.got[*place].is_none() && is_made(&self.part.at.items[*place])).collect()
    }

    /// (B)
    async fn take(&mut self, found: Vec<(usize, SealedBlock)>) {
        let (job, key, check_key) = (*self.part.job, *self.part.key, *self.part.check_key);
        let (part, parts) = (self.part.part, self.part.parts);
        let found: Vec<(usize, SealedBlock, [u8; 32])> =
            found.into_iter().map(|(place, block)| (place, block, self.part.at.items[place].hash)).collect();
        let opened = blocking(move || {
            let merges = Merges { job: &job, part, parts, key: &key, check_key: &check_key };
            let open = |(place, block, hash): (usize, SealedBlock, [u8; 32])| (place, merges.open(&block, &hash));
            found.into_iter().map(open).collect::<Vec<_>>()
        });
        for (place, records) in opened.await.unwrap_or_default() {
            match records {
                Ok(records) => self.got[place] = Some(records),
                Err(error) => {
                    tracing::debug!(%error, "a block is not taken");
                    self.odd += 1;
                }
            }
        }
    }

    async fn here(&mut self, store: &BlockStore) {
        let mut found = Vec::new();
        for place in self.wanted(None) {
            let BlockAt { item, serial, .. } = self.part.at.items[place];
            let of = MapItem { job: *self.part.job, stage: self.part.stage, item, serial };
            found.extend(read(store, of, self.part.part).await.map(|block| (place, block)));
        }
        self.take(found).await;
    }

    async fn from(&mut self, by: &Shuffler, holder: &PeerAddr, maker: Option<NodeId>) {
        let wanted = self.wanted(maker);
        if wanted.is_empty() || holder.id == by.own {
            return;
        }
        let of: Vec<(u32, u64)> =
            wanted.iter().map(|place| (self.part.at.items[*place].item, self.part.at.items[*place].serial)).collect();
        let places: BTreeMap<(u32, u64), usize> = of.iter().copied().zip(wanted).collect();
        let leave = UnderLease { lease: &self.part.lease.body, permit: &self.part.lease.permit, holders: &[] };
        let mut found = Vec::new();
        let mut keep = |of: (u32, u64), block: SealedBlock| found.extend(places.get(&of).map(|place| (*place, block)));
        let asked = by.client.get_blocks(holder, leave, (self.part.stage, self.part.part), &of, &mut keep);
        let asked = in_time(asked).await;
        if let Err(error) = asked {
            by.downs.note(holder.id, &error);
            tracing::debug!(%error, holder = %holder.id.short(), "blocks were not had from it");
        }
        self.take(found).await;
    }

    async fn stored(&mut self, client: &Client) {
        let Some((bucket, folder)) = self.part.stored else { return };
        let wanted = self.wanted(None);
        if wanted.is_empty() {
            return;
        }
        let parts = wanted.iter().map(|place| {
            let BlockAt { item, serial, .. } = self.part.at.items[*place];
            let name = format!("{folder}{}", client::compute::block_below(item, serial));
            (bucket.clone(), PartOf { link: 0, name, file: String::new(), from: 0, to: 0 })
        });
        let contents = super::input::those_there(client, parts.collect()).await;
        let found = wanted.into_iter().zip(contents);
        let found = found.filter_map(|(place, content)| Some((place, block_of_object(&content?).ok()?)));
        self.take(found.collect()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(id: u8) -> Option<PeerAddr> {
        Some(PeerAddr { id: NodeId([id; 32]), direct: Vec::new(), relays: Vec::new() })
    }

    #[test]
    fn a_part_has_its_second_copy_on_another_machine_wherever_it_is_made() {
        let holders = [holder(1), holder(2), None, holder(4)];
        let second = |own: u8, part: u32| second_copy(&holders, part, |holder| holder.id != NodeId([own; 32]));
        assert_eq!([second(9, 0), second(9, 1), second(9, 2), second(9, 7)], [Some(0), Some(1), Some(3), Some(3)]);
        assert_eq!([second(1, 0), second(1, 4), second(4, 3)], [Some(1), Some(1), Some(0)], "never on its own machine");
        let alone = second_copy(&holders[..1], 0, |holder| holder.id != NodeId([1; 32]));
        assert_eq!(alone, None, "a machine alone has one copy");
    }

    #[test]
    fn who_was_not_reached_is_left_out_for_a_while_and_who_says_no_is_not() {
        let downs = Downs::default();
        let (dead, no) = (NodeId([1; 32]), NodeId([2; 32]));
        downs.note(dead, &ClientError::Net(net::NetError::TimedOut(DOWN_FOR)));
        downs.note(no, &ClientError::Refused(RefusalMsg::new(errors::NOT_LENDING, [])));
        assert!(downs.is_down(&dead) && !downs.is_down(&no));
    }
}
