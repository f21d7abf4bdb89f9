//! The first pieces of a segment on their way: to `accept` holders at once, others standing in for those that fail or stall.
//! The pool fills up the rest (`docs/design/storage.md` §6).

use crate::piece::Coded;
use crate::{Client, ClientError};
use codec::{Group, PieceSet, Remaker};
use rules::storage::writer::stall_after;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use wire::signed::PieceReceipt;
use wire::storage::{WriteGrant, WrittenSegment};

/// Pieces up to this length go to all holders that are on at once: making them anew later costs a steward more than sending
/// them costs the writer (**assumed**).
pub(crate) const WIDE_PIECE_MAX: u64 = 64 << 10;
/// What the rest of the holders get at least, once enough have answered.
const WIDE_WAIT_MIN: Duration = Duration::from_millis(5);
/// Pause between two looks at whether a holder moves.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A piece on its way.
struct Sent {
    index: u16,
    /// What the holder has been given so far.
    moved: Arc<AtomicU64>,
    seen: u64,
    since: Instant,
    /// No step forward for too long: another stands in; its receipt counts if it comes.
    stalled: bool,
}

/// What came of one piece: the holder's short name, and the receipt.
type Came = (u16, String, Result<Vec<u8>, ClientError>);

/// A segment on its way.
struct Flight {
    client: Client,
    grant: Arc<WriteGrant>,
    coded: Arc<Coded>,
    sends: JoinSet<Came>,
    active: Vec<Sent>,
    spare: VecDeque<u16>,
    receipts: Vec<Vec<u8>>,
    why: Vec<String>,
    times: Vec<Duration>,
    begun: BTreeMap<u16, Instant>,
}

impl Client {
    /// Sends the first pieces of a segment; id and receipts, `accept` of them. `receipts` are those at hand already, whose pieces
    /// are not sent again; where too few came they are all that did.
    ///
    /// # Errors
    /// [`ClientError::TooFewHolders`] when not enough holders took theirs.
    pub(crate) async fn send_segment(
        &self,
        grant: &Arc<WriteGrant>,
        coded: &Arc<Coded>,
        receipts: &mut Vec<Vec<u8>>,
    ) -> Result<WrittenSegment, ClientError> {
        let given = receipts.iter().filter_map(|bytes| PieceReceipt::check(bytes)).map(|receipt| receipt.index);
        let given: BTreeSet<u16> = given.collect();
        let mut flight = Flight {
            client: self.clone(),
            grant: Arc::clone(grant),
            coded: Arc::clone(coded),
            sends: JoinSet::new(),
            active: Vec::new(),
            spare: grant.spare.iter().copied().filter(|index| !given.contains(index)).collect(),
            receipts: receipts.clone(),
            why: Vec::new(),
            times: Vec::new(),
            begun: BTreeMap::new(),
        };
        for index in grant.first.iter().copied().filter(|index| !given.contains(index)) {
            flight.send(index);
        }
        let is_wide = coded.layout.piece_len() <= WIDE_PIECE_MAX;
        if is_wide {
            let spare: Vec<u16> = flight.spare.drain(..).collect();
            spare.into_iter().filter(|index| !coded.piece(*index).is_empty()).for_each(|index| flight.send(index));
        }
        let ended = flight.run(usize::from(grant.scheme.accept), is_wide).await;
        *receipts = flight.receipts;
        ended?;
        let receipts = receipts.clone();
        let (roots, sealed_bytes) = (&coded.roots, coded.layout.sealed_bytes);
        Ok(WrittenSegment { id: roots.id, pg: grant.pg, sealed_bytes, root: roots.root, receipts })
    }
}

impl Flight {
    async fn run(&mut self, need: usize, is_wide: bool) -> Result<(), ClientError> {
        let begun = Instant::now();
        while self.receipts.len() < need {
            while self.receipts.len() + self.active.iter().filter(|s| !s.stalled).count() < need {
                let Some(index) = self.spare.pop_front() else { break };
                tracing::debug!(index, "another holder stands in");
                self.send(index);
            }
            // Too few are left: those still under way are waited for all the same, so that both numbers are right.
            if self.receipts.len() + self.active.len() < need && self.active.iter().all(|s| s.stalled) {
                let why = std::mem::take(&mut self.why);
                return Err(ClientError::TooFewHolders { have: self.receipts.len(), need, why });
            }
            match tokio::time::timeout(LOOK_EVERY, self.sends.join_next()).await {
                Ok(Some(Ok(came))) => self.note(came),
                Ok(Some(Err(_)) | None) => return Err(ClientError::Unexpected("a sender ended")),
                Err(_) => self.look(),
            }
        }
        // The others of a small segment get as long again as these took.
        let patience = begun.elapsed().max(WIDE_WAIT_MIN);
        let until = tokio::time::Instant::now() + patience;
        while is_wide && !self.active.is_empty() {
            match tokio::time::timeout_at(until, self.sends.join_next()).await {
                Ok(Some(Ok(came))) => self.note(came),
                _ => break,
            }
        }
        Ok(())
    }

    fn note(&mut self, (index, node, sent): Came) {
        self.active.retain(|s| s.index != index);
        match sent {
            Ok(receipt) => {
                self.receipts.push(receipt);
                self.times.extend(self.begun.get(&index).map(Instant::elapsed));
            }
            Err(error) => self.why.push(format!("{node}: {error}")),
        }
    }

    /// Who has not moved for too long has stalled.
    fn look(&mut self) {
        let mut times = self.times.clone();
        times.sort_unstable();
        let median = times.get(times.len() / 2).map(|t| model::Span(u64::try_from(t.as_millis()).unwrap_or(u64::MAX)));
        let patience = stall_after(median).to_std();
        for sent in &mut self.active {
            let moved = sent.moved.load(Relaxed);
            if moved != sent.seen {
                (sent.seen, sent.since, sent.stalled) = (moved, Instant::now(), false);
            }
            sent.stalled |= sent.since.elapsed() > patience;
        }
    }

    fn send(&mut self, index: u16) {
        let Some(slot) = self.grant.slots.iter().find(|slot| slot.index == index).cloned() else { return };
        let (client, coded, moved) = (self.client.clone(), Arc::clone(&self.coded), Arc::<AtomicU64>::default());
        let pg = self.grant.pg;
        self.begun.insert(index, Instant::now());
        self.active.push(Sent { index, moved: Arc::clone(&moved), seen: 0, since: Instant::now(), stalled: false });
        self.sends.spawn(async move {
            let node = slot.addr.id.short();
            // Whoever waits here has stalled like any other; its turn comes when a piece that was made so is through.
            let is_at_hand = !coded.piece(index).is_empty();
            let _turn = if is_at_hand { None } else { client.stand_ins.acquire().await.ok() };
            let sent = match made(&coded, index).await {
                Ok(None) => client.send_piece(pg, &slot, &coded, coded.piece(index), &moved).await,
                Ok(Some(piece)) => client.send_piece(pg, &slot, &coded, &piece, &moved).await,
                Err(error) => Err(error),
            };
            (index, node, sent)
        });
    }
}

/// A piece that was not coded with the first ones, made from them; nothing where it was.
async fn made(coded: &Arc<Coded>, index: u16) -> Result<Option<Vec<u8>>, ClientError> {
    if !coded.piece(index).is_empty() {
        return Ok(None);
    }
    let coded = Arc::clone(coded);
    let making = tokio::task::spawn_blocking(move || remake(&coded, index));
    making.await.map_err(|_| ClientError::Unexpected("coding ended"))?.map(Some)
}

/// Makes one more piece from `k` of those at hand.
fn remake(coded: &Coded, index: u16) -> Result<Vec<u8>, ClientError> {
    let layout = &coded.layout;
    let at_hand: Vec<u16> =
        (0..layout.scheme.n_max).filter(|i| !coded.piece(*i).is_empty()).take(usize::from(layout.scheme.k)).collect();
    let mut made = Vec::with_capacity(usize::try_from(layout.piece_len()).unwrap_or(0));
    let mut keep = |group: Group<'_>| {
        made.extend_from_slice(group.bytes);
        Ok::<(), ClientError>(())
    };
    let mut remaker = Remaker::new(layout, [index].into_iter().collect::<PieceSet>())?;
    for column in 0..layout.columns() {
        let range = layout.cell_in_piece(column);
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let cells: Vec<(u16, &[u8])> =
            at_hand.iter().map(|i| (*i, &coded.piece(*i)[at(range.start)..at(range.end)])).collect();
        remaker.push_column(&cells, &mut keep)?;
    }
    remaker.finish(&coded.roots.id, &mut keep)?;
    Ok(made)
}
