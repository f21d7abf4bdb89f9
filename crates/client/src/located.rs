//! What is found at holders by a locator alone, as it is without a center: bucket logs, accounts' copies, snapshots.
//!
//! (A) What holders say is a hint: bytes are judged against the segment's id, and labels by the seal. A liar adds what does not open.
//! (B) One holder that says nothing keeps nobody waiting for long.

use crate::column::{Columns, Source};
use crate::log::LOCATE_WAIT;
use crate::{Client, ClientError};
use codec::Layout;
use model::{NodeId, PgId, Scheme, SegmentId};
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinSet;
use tokio::time::timeout;
use wire::storage::{LocatedPiece, Locator, Slot};
use wire::{PeerAddr, Reply, Request};

/// Segments found by one locator at most.
const FOUND_MAX: usize = 65_536;
/// Labels of one segment that are tried at most: honest holders show one.
const LABELS_MAX: usize = 4;
/// Holders asked at a time.
const ASKED_OPEN: usize = 16;

/// A segment that holders showed.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Its group.
    pub pg: PgId,
    /// Its commitment.
    pub id: SegmentId,
    /// Its code and length.
    pub layout: Layout,
    /// Sealed labels that its pieces bear.
    pub labels: BTreeSet<Vec<u8>>,
    /// Who has a piece.
    slots: BTreeMap<u16, Slot>,
}

impl Found {
    /// Pieces that were found.
    pub fn pieces(&self) -> usize {
        self.slots.len()
    }

    /// Who showed them.
    pub fn holders(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.slots.values().map(|slot| slot.addr.id)
    }

    /// Whether as many pieces were found as are enough.
    pub fn is_enough(&self) -> bool {
        self.slots.len() >= usize::from(self.layout.scheme.k)
    }
}

impl Client {
    /// Nodes that told the center they hold pieces which show a locator, and are on.
    pub(crate) async fn holders_by(&self, locator: Locator) -> Result<Vec<PeerAddr>, ClientError> {
        match self.ask(Request::Holders(locator)).await? {
            Reply::Holders(holders) => Ok(holders),
            _ => Err(ClientError::Unexpected("no holders")),
        }
    }

    /// Segments whose pieces show a locator at these holders.
    pub(crate) async fn find_located(&self, locator: Locator, holders: Vec<PeerAddr>) -> Vec<Found> {
        let mut all: BTreeMap<(SegmentId, u64, [u16; 2]), Found> = BTreeMap::new();
        let (mut asking, mut holders) = (JoinSet::new(), holders.into_iter());
        loop {
            while asking.len() < ASKED_OPEN
                && let Some(holder) = holders.next()
            {
                let client = self.clone();
                asking.spawn(async move {
                    let asked = timeout(LOCATE_WAIT, client.locate(&holder, locator)).await;
                    (holder, asked.ok().and_then(Result::ok).unwrap_or_default())
                });
            }
            match asking.join_next().await {
                None => break,
                Some(Ok((holder, pieces))) => pieces.into_iter().for_each(|piece| note(&mut all, &holder, piece)),
                Some(Err(_)) => {}
            }
        }
        all.into_values().collect()
    }

    /// The sealed bytes of a segment, from those who showed it.
    pub(crate) async fn read_located(&self, locator: Locator, found: &Found) -> Result<Vec<u8>, ClientError> {
        let slots = found.slots.values().cloned().collect();
        let (pg, id, layout) = (found.pg, found.id, found.layout);
        let source = Source { pg, id, layout, slots, with_label: false, locator: Some(locator) };
        let mut reading = Columns::new(self.clone(), source, 0..layout.columns())?;
        let mut sealed = Vec::new();
        while let Some(column) = reading.next().await? {
            sealed.extend_from_slice(&column);
        }
        sealed.truncate(usize::try_from(layout.sealed_bytes).unwrap_or(usize::MAX));
        Ok(sealed)
    }
}

fn note(all: &mut BTreeMap<(SegmentId, u64, [u16; 2]), Found>, holder: &PeerAddr, piece: LocatedPiece) {
    let Scheme { k, n_max, .. } = piece.scheme;
    let key = (piece.segment, piece.sealed_bytes, [k, n_max]);
    if all.len() >= FOUND_MAX && !all.contains_key(&key) {
        return;
    }
    let Ok(layout) = Layout::new(piece.scheme, piece.sealed_bytes) else { return };
    let found = all.entry(key).or_insert_with(|| Found {
        pg: piece.pg,
        id: piece.segment,
        layout,
        labels: BTreeSet::new(),
        slots: BTreeMap::new(),
    });
    if found.labels.len() < LABELS_MAX {
        found.labels.insert(piece.label);
    }
    let slot = Slot { index: piece.index, addr: holder.clone(), on: true, permit: Vec::new() };
    found.slots.entry(piece.index).or_insert(slot);
}
