//! Data of fill tests on its way: who sends which pieces to whom. When and how much, [`crate::fleet::vet`] says.
//!
//! (A) The center sends none of it: it derives a seed per piece from its own key and the node's, so that nothing is kept and any
//! steward can send any piece, also after the center lost its rows; a steward learns the seeds of the pieces it sends. (B) A
//! steward's word is held against a piece that the center makes itself, one of each report: who names other ids has given wrong
//! results. (C) What counts as stored is what the node signed for.

use super::api::too_large;
use super::audit;
use crate::fleet::api::alias_of;
use crate::fleet::store::{self as fleet, vetting};
use crate::fleet::vet;
use crate::leave::{Leave, Payer};
use crate::refuse::Refused;
use crate::{Caller, Center};
use codec::fill::PIECE_BYTES;
use model::{Alias, MemberId, NodeId, PgId, SegmentId, Span, Stamp, errors};
use rand::RngExt;
use rules::storage::audit::AuditorFacts;
use rules::storage::scheme::Ranks;
use std::collections::{BTreeMap, BTreeSet};
use wire::limits::FILL_PIECES_MAX;
use wire::signed::{Permit, PermitOp, PieceReceipt};
use wire::storage::{FillDone, FillSeed, FillWork, Slot};
use wire::{RefusalMsg, Reply};

/// For so long a steward may take to fetch what it was chosen for.
const OFFER_LIFE: Span = Span::mins(3);
/// Life of a steward's lease: 16 MiB over a line of 10 kB/s are half an hour.
const LEASE: Span = Span::hours(1);
/// Leases at one time.
const LEASES_MAX: usize = 16_384;
/// Pieces of the largest test.
pub const PIECES_MAX: u32 = 2_048;

/// A steward that sends.
#[derive(Debug, Clone)]
struct Lease {
    steward: Alias,
    target: Alias,
    node: NodeId,
    numbers: Vec<u32>,
    until: Stamp,
}

/// Who was chosen, and who sends.
#[derive(Debug, Default)]
pub struct Fills {
    next: u64,
    /// Steward → whom it shall send to, and until when it may fetch that.
    offers: BTreeMap<Alias, (Alias, Stamp)>,
    leases: BTreeMap<u64, Lease>,
}

impl Fills {
    /// True when a node was chosen and has not asked yet.
    pub fn has_offer(&self, node: Alias) -> bool {
        self.offers.contains_key(&node)
    }

    /// Forgets what was waited for too long, and stewards that went off.
    pub fn tidy(&mut self, now: Stamp, is_on: impl Fn(Alias) -> bool) {
        self.offers.retain(|steward, (_, until)| *until > now && is_on(*steward));
        self.leases.retain(|_, lease| lease.until > now && is_on(lease.steward));
    }

    fn is_sent_to(&self, target: Alias) -> bool {
        self.offers.values().any(|(to, _)| *to == target) || self.leases.values().any(|lease| lease.target == target)
    }

    fn sends(&self, steward: Alias) -> bool {
        self.has_offer(steward) || self.leases.values().any(|lease| lease.steward == steward)
    }
}

/// Chooses who sends the next pieces to a node; nobody where somebody does already, or nobody may.
pub fn offer(center: &Center, target: (Alias, &MemberId), senders: &[AuditorFacts], now: Stamp) {
    let mut fills = center.fills();
    if fills.is_sent_to(target.0) || fills.leases.len() >= LEASES_MAX {
        return;
    }
    let free: Vec<AuditorFacts> = senders.iter().filter(|facts| !fills.sends(facts.node)).copied().collect();
    if let Some(steward) = rules::storage::audit::auditor(Ranks::Count, target, &free, &mut rand::rng()) {
        tracing::debug!(node = %target.0, %steward, "a steward was chosen to send a fill test");
        fills.offers.insert(steward, (target.0, now + OFFER_LIFE));
    }
}

/// A steward asks for the pieces it was chosen to send; `session` is the key of the endpoint that will send.
pub async fn ask(center: &Center, caller: &Caller, session: NodeId) -> Result<Reply, Refused> {
    let steward = alias_of(center, caller)?;
    let now = center.now();
    let offer = {
        let mut fills = center.fills();
        // Whoever asks does nothing else: what it held before, perhaps before it was started anew, is over.
        fills.leases.retain(|_, lease| lease.steward != steward);
        fills.offers.remove(&steward)
    };
    let Some((target, _)) = offer.filter(|(_, until)| *until > now) else { return Ok(Reply::FillWork(None)) };
    let read = center.db().read(move |q| {
        let Some(row) = fleet::node_by_alias(q, target)? else { return Ok(None) };
        let has = vetting::fill_pieces(q, target, PIECES_MAX)?.into_iter().map(|(number, _)| number);
        Ok(Some((has.collect::<Vec<u32>>(), vet::looked(q, row)?)))
    });
    let Some((has, looked)) = read.await? else { return Ok(Reply::FillWork(None)) };
    let (numbers, node) = (looked.lacks(center, &has, now), looked.row.node.id);
    let addr = center.fleet().addr(target);
    let Some(addr) = addr.filter(|_| !numbers.is_empty()) else { return Ok(Reply::FillWork(None)) };
    let pieces =
        numbers.iter().map(|number| FillSeed { number: *number, seed: center.keys().fill_seed(&node, *number) });
    let pieces: Vec<FillSeed> = pieces.take(FILL_PIECES_MAX).collect();
    let until = now + LEASE;
    let lease = {
        let mut fills = center.fills();
        fills.next += 1;
        let lease = fills.next;
        fills.leases.insert(lease, Lease { steward, target, node, numbers, until });
        lease
    };
    let (op, target, units) = (PermitOp::Put, Permit::pg_target(PgId::FILL), pieces.len() as u64 * PIECE_BYTES);
    let permit = Leave { op, session, node, target, generation: 0, units, life: LEASE, payer: Payer::NOBODY }
        .sign(center)
        .to_vec();
    let target = Slot { index: 0, addr, on: true, permit };
    Ok(Reply::FillWork(Some(Box::new(FillWork { lease, until, target, pieces }))))
}

/// Takes a steward's report.
pub async fn done(center: &Center, caller: &Caller, done: FillDone) -> Result<Reply, Refused> {
    let steward = alias_of(center, caller)?;
    if done.receipts.len() > FILL_PIECES_MAX {
        return Err(too_large("list of receipts", done.receipts.len(), FILL_PIECES_MAX));
    }
    let lease = {
        let mut fills = center.fills();
        let is_theirs = fills.leases.get(&done.lease).is_some_and(|lease| lease.steward == steward);
        if is_theirs { fills.leases.remove(&done.lease) } else { None }
    };
    let stale = || Refused(RefusalMsg::new(errors::LEASE_STALE, [("pg", String::new())]));
    let lease = lease.ok_or_else(stale)?;
    let taken = taken(&lease, &done.receipts)?;
    if !taken.is_empty() {
        let (number, id) = taken[rand::rng().random_range(0..taken.len())];
        let seed = center.keys().fill_seed(&lease.node, number);
        let made = tokio::task::spawn_blocking(move || codec::fill::make(&seed).id).await;
        // (B)
        if made.map_err(|_| Refused(crate::refuse::plain(errors::BUG)))? != id {
            tracing::warn!(%steward, node = %lease.target, number, "a steward named other pieces than it was to send");
            audit::disproved(center, steward).await?;
            return Err(super::commit::bad_receipt("–"));
        }
    }
    // Who takes nothing costs its test a piece each time, whoever's fault it is.
    let (target, count) = (lease.target, taken.len());
    let pieces = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    center.db().write(move |tx| vet::sent(tx, target, pieces, &taken)).await?;
    tracing::debug!(node = %target, %steward, pieces, taken = count, "data of a fill test was sent");
    Ok(Reply::Done)
}

/// (C) Pieces the node signed for: each once, each of the lease.
fn taken(lease: &Lease, receipts: &[(u32, Vec<u8>)]) -> Result<Vec<(u32, SegmentId)>, Refused> {
    let bad = || super::commit::bad_receipt("–");
    let (mut numbers, mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new(), Vec::with_capacity(receipts.len()));
    for (number, bytes) in receipts {
        let receipt = PieceReceipt::check(bytes).ok_or_else(bad)?;
        let is_its = receipt.node == lease.node && (receipt.pg, receipt.index) == (PgId::FILL, 0);
        let is_whole = receipt.len == PIECE_BYTES && lease.numbers.contains(number);
        if !is_its || !is_whole || !numbers.insert(*number) || !ids.insert(receipt.segment) {
            return Err(bad());
        }
        taken.push((*number, receipt.segment));
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn receipt(segment: u8, pg: PgId, len: u64) -> Vec<u8> {
        let node = NodeId(wire::signed::public_of(&KEY));
        let (segment, serial, at) = (SegmentId([segment; 32]), [1; 16], Stamp(1_800_000_000_000));
        PieceReceipt { segment, pg, index: 0, len, node, serial, at }.sign(&KEY).to_vec()
    }

    #[test]
    fn only_what_the_tested_node_signed_for_counts_and_each_piece_once() {
        let node = NodeId(wire::signed::public_of(&KEY));
        let lease = Lease { steward: Alias(1), target: Alias(2), node, numbers: vec![3, 4], until: Stamp(0) };
        let good = [(3, receipt(1, PgId::FILL, PIECE_BYTES)), (4, receipt(2, PgId::FILL, PIECE_BYTES))];
        let taken_of = |receipts: &[(u32, Vec<u8>)]| taken(&lease, receipts).ok();
        assert_eq!(taken_of(&good), Some(vec![(3, SegmentId([1; 32])), (4, SegmentId([2; 32]))]));
        let bad = [
            vec![(5, good[0].1.clone())],
            vec![good[0].clone(), (4, good[0].1.clone())],
            vec![good[0].clone(), (3, good[1].1.clone())],
            vec![(3, receipt(1, PgId(1), PIECE_BYTES))],
            vec![(3, receipt(1, PgId::FILL, 1))],
            vec![(3, vec![0; 176])],
        ];
        for receipts in bad {
            assert_eq!(taken_of(&receipts), None, "(C) {receipts:?}");
        }
        let other = Lease { node: NodeId([9; 32]), ..lease.clone() };
        assert!(taken(&other, &good).is_err(), "(C) another node's word");
    }

    #[test]
    fn a_steward_sends_to_one_and_a_node_is_sent_to_by_one() {
        let mut fills = Fills::default();
        fills.offers.insert(Alias(1), (Alias(2), Stamp(10)));
        let lease =
            Lease { steward: Alias(3), target: Alias(4), node: NodeId([1; 32]), numbers: vec![0], until: Stamp(20) };
        fills.leases.insert(1, lease);
        assert!([1, 3].into_iter().all(|n| fills.sends(Alias(n))) && !fills.sends(Alias(2)));
        assert!([2, 4].into_iter().all(|n| fills.is_sent_to(Alias(n))) && !fills.is_sent_to(Alias(1)));
        fills.tidy(Stamp(10), |_| true);
        assert!(!fills.has_offer(Alias(1)) && fills.sends(Alias(3)));
        fills.tidy(Stamp(10), |node| node != Alias(3));
        assert!(!fills.sends(Alias(3)), "off");
    }
}
