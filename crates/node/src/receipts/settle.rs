//! A window's receipts as the batch that is handed in, and what came of it.
//!
//! (A) The same rows make the same batch, so that it may be sent again until it is answered. (B) What nothing is owed for is left
//! out: a single receipt that the center would refuse voids a batch. (C) Where there are more receipts than a batch bears, those
//! with the most units are in it and the rest is told, not settled.

use super::{Kept, Receipts, store};
use model::{AccountNo, Stamp};
use rules::ledger::receipt::{in_life, resource_of};
use std::collections::BTreeMap;
use std::sync::PoisonError;
use wire::limits::SETTLE_RECEIPTS_MAX;
use wire::settle::{SettleBatch, SettleReceipt, SettleTotal};
use wire::signed::Permit;
use wire::signed::permit::FLAG_FREE;

/// Receipts of one window that are looked at.
const LOOKED_MAX: u32 = 65_536;

/// What came of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Which.
    pub window: u32,
    /// Number of the batch at the center; none where nothing was owed, or it was refused.
    pub batch: Option<u64>,
    /// Why the center refused it for good.
    pub refused: Option<String>,
}

/// A batch and what is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gathered {
    /// To be handed in.
    pub batch: SettleBatch,
    /// Receipts that had no room in it, and their units.
    pub left: (u64, u64),
}

impl Receipts {
    /// Windows before one whose receipts were not settled yet.
    pub fn unsettled(&self, before: u32) -> Vec<u32> {
        let file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        let found = file.as_ref().map(|conn| store::unsettled(conn, before));
        found.and_then(Result::ok).unwrap_or_default()
    }

    /// The batch of a window that is over. (A)
    pub fn batch(&self, window: u32) -> Gathered {
        gather(window, self.of_window(window, [0; 16], LOOKED_MAX))
    }

    /// Notes what came of a window; false where the file could not be written.
    pub fn note(&self, settled: &Settled, now: Stamp) -> bool {
        let file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        match file.as_ref().map(|conn| store::put_settled(conn, settled, now)) {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                tracing::error!(%error, window = settled.window, "what came of a window was not noted; it is asked again");
                false
            }
            None => false,
        }
    }

    /// What came of the newest windows, newest first.
    pub fn settled(&self, limit: u32) -> Vec<Settled> {
        let file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.as_ref().and_then(|conn| store::settled(conn, limit).ok()).unwrap_or_default()
    }
}

fn gather(window: u32, mut rows: Vec<Kept>) -> Gathered {
    let resource = |permit: &Permit| resource_of(permit.op as u8, AccountNo(permit.payer));
    // (B)
    rows.retain(|Kept { receipt, permit, .. }| {
        permit.flags & FLAG_FREE == 0
            && permit.payer != 0
            && receipt.units > 0
            && resource(permit).is_some()
            && in_life(&permit.serial, permit.not_after, receipt.window).is_ok()
    });
    let mut left = (0, 0u64);
    if rows.len() > SETTLE_RECEIPTS_MAX {
        // (C)
        rows.sort_by_key(|row| (std::cmp::Reverse(row.receipt.units), row.receipt.serial));
        for row in rows.drain(SETTLE_RECEIPTS_MAX..) {
            left = (left.0 + 1, left.1.saturating_add(row.receipt.units));
        }
        rows.sort_by_key(|row| row.receipt.serial);
    }
    let (mut sums, mut receipts) = (BTreeMap::new(), Vec::with_capacity(rows.len()));
    for row in rows {
        let Some(resource) = resource(&row.permit) else { continue };
        let sum = sums.entry((AccountNo(row.permit.payer), resource)).or_insert(0u64);
        *sum = sum.saturating_add(row.receipt.units);
        receipts.push(SettleReceipt { permit: row.permit_bytes, receipt: row.bytes });
    }
    let total = |((payer, resource), units)| SettleTotal { payer, resource, units };
    Gathered { batch: SettleBatch { window, totals: sums.into_iter().map(total).collect(), receipts }, left }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountClass, NodeId, PgId, Resource, Span};
    use wire::signed::Receipt;
    use wire::signed::{PermitOp, public_of};

    const NOW: Stamp = Stamp(1_800_000_000_000);
    const NODE: NodeId = NodeId([2; 32]);
    /// The window of that moment.
    const WINDOW: u32 = (NOW.0 / (6 * 3_600_000)) as u32;
    const SESSION: [u8; 32] = [4; 32];

    fn kept(n: u16, units: u64, flags: u16, payer: u64) -> Kept {
        let mut random = [0; 8];
        random[..2].copy_from_slice(&n.to_be_bytes());
        let permit = Permit {
            op: PermitOp::Get,
            flags,
            serial: Permit::serial_of(NOW, random),
            target: Permit::pg_target(PgId(1)),
            node: NODE.0,
            session: public_of(&SESSION),
            cloud: [3; 8],
            payer,
            max_units: 1 << 30,
            max_units_node: 1 << 30,
            not_after: NOW + Span::hours(24),
            generation: 1,
            revocation_epoch: 0,
            key_epoch: 0,
        };
        let receipt = Receipt { kind: 1, serial: permit.serial, node: NODE, units, window: WINDOW, at: NOW };
        let (bytes, permit_bytes) = (receipt.sign(&SESSION).to_vec(), permit.sign(&[1; 32]).to_vec());
        Kept { receipt, bytes, permit, permit_bytes }
    }

    fn payer(n: u64) -> u64 {
        AccountNo::new(AccountClass::Member, n).0
    }

    #[test]
    fn a_batch_has_what_is_owed_summed_up_by_payer_and_nothing_else() {
        let reserve = AccountNo::new(AccountClass::Repair, 1).0;
        let rows = [
            kept(1, 10, 0, payer(2)),
            kept(2, 20, FLAG_FREE, payer(2)),
            kept(3, 30, 0, 0),
            kept(4, 0, 0, payer(2)),
            kept(5, 40, 0, payer(1)),
            kept(6, 50, 0, payer(2)),
            kept(7, 60, 0, reserve),
        ];
        let made = gather(WINDOW, rows.to_vec());
        let totals = made.batch.totals.iter().map(|total| (total.payer.0, total.resource, total.units));
        let expected =
            [(payer(1), Resource::Egress, 40), (payer(2), Resource::Egress, 60), (reserve, Resource::Repair, 60)];
        assert!(totals.eq(expected));
        assert_eq!((made.batch.receipts.len(), made.left), (4, (0, 0)));
        assert_eq!(gather(WINDOW, rows.to_vec()).batch.hash(), made.batch.hash(), "(A)");
    }

    #[test]
    fn of_too_many_receipts_the_largest_are_in_the_batch_and_the_rest_is_told() {
        let max = u16::try_from(SETTLE_RECEIPTS_MAX).unwrap();
        let rows: Vec<Kept> = (0..max + 2).map(|n| kept(n, if n < 2 { 1 } else { 100 }, 0, payer(1))).collect();
        let made = gather(WINDOW, rows);
        assert_eq!((made.batch.receipts.len(), made.left), (SETTLE_RECEIPTS_MAX, (2, 2)));
        let request = wire::Envelope::new(wire::Request::Settle(Box::new(made.batch)));
        assert_eq!(wire::Envelope::from_bytes(&request.to_bytes()).as_ref(), Ok(&request), "it fits");
    }

    #[test]
    fn what_came_of_a_window_is_remembered_and_not_asked_again() {
        let dir = tempfile::tempdir().unwrap();
        let receipts = Receipts::open(dir.path(), NODE);
        let one = kept(1, 10, 0, payer(2));
        let (window, later) = (Receipt::window_of(NOW), NOW + Span::hours(6));
        let receipt = Receipt { window, ..one.receipt };
        let meter = receipts.meter(&one.permit, &one.permit_bytes);
        meter.take(&one.permit, &receipt.sign(&SESSION), NOW).unwrap();
        receipts.write(NOW);
        assert!(receipts.unsettled(window).is_empty(), "its window is not over");
        assert_eq!(receipts.unsettled(window + 1), [window]);
        assert_eq!(receipts.batch(window).batch.totals[0].units, 10);
        let settled = Settled { window, batch: Some(3), refused: None };
        assert!(receipts.note(&settled, later));
        assert!(receipts.note(&Settled { batch: None, refused: Some("x".into()), ..settled.clone() }, later));
        drop(receipts);
        let receipts = Receipts::open(dir.path(), NODE);
        assert!(receipts.unsettled(window + 1).is_empty());
        assert_eq!(receipts.settled(9), [settled], "what was noted first stays");
        receipts.write(NOW + Span::days(31));
        assert!(receipts.settled(9).is_empty(), "forgotten with its receipts");
    }
}
