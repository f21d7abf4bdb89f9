//! A node hands in what payers signed for in a window. Signatures are checked here, everything else [`rules::ledger::receipt`] judges.

use super::store::evidence::{self, Of, PartRow};
use super::store::{self, DueRow, Side};
use super::{Periods, tariff};
use crate::db::{StoreError, Tx};
use crate::fleet::api::alias_of;
use crate::ledger::Ledger;
use crate::refuse::Refused;
use crate::serve::no_node;
use crate::storage::api::too_large;
use crate::{Caller, Center};
use model::{AccountNo, NodeId, Stamp};
use rules::ledger::receipt::{BadBatch, Batch, Flag, Judged, PermitFacts, ReceiptFacts, Shown, Signed, Total, judge};
use rules::ledger::settle::{Due, WHOLE_BPS};
use rules::ledger::tariff::{Source, Tariff, Variant};
use std::sync::Arc;
use wire::Reply;
use wire::limits::SETTLE_RECEIPTS_MAX;
use wire::settle::{SettleBatch, SettleReceipt, Settled};
use wire::signed::permit::FLAG_FREE;
use wire::signed::{Permit, PermitRefusal, Receipt};

/// Who hands in, and by what permits are known to be this cloud's.
#[derive(Debug, Clone, Copy)]
pub struct Intake {
    /// The node.
    pub node: NodeId,
    /// Its owner's account.
    pub owner: AccountNo,
    /// Public key of permits.
    pub permit_key: [u8; 32],
    /// First bytes of the cloud's key.
    pub cloud: [u8; 8],
}

/// Takes the batch of the calling node.
pub async fn settle(center: &Center, caller: &Caller, batch: SettleBatch) -> Result<Reply, Refused> {
    let alias = alias_of(center, caller)?;
    let found = center.fleet().node(alias).map(|node| (node.id, node.owner));
    let (node, owner) = found.ok_or_else(|| no_node(caller))?;
    let count = batch.receipts.len().max(batch.totals.len());
    if count > SETTLE_RECEIPTS_MAX {
        return Err(too_large("list of receipts", count, SETTLE_RECEIPTS_MAX));
    }
    let intake = Intake {
        node,
        owner: center.account_of(&owner).await?,
        permit_key: wire::signed::public_of(&center.keys().permit),
        cloud: center.keys().cloud_key().0[..8].try_into().expect("a key has 32 bytes"),
    };
    let window = batch.window;
    match hand_in(center.ledger(), intake, batch, super::chore::periods(center)).await? {
        Ok(settled) => {
            tracing::debug!(node = %alias, window, batch = settled.batch, "a batch of receipts was taken");
            Ok(Reply::Settled(settled))
        }
        Err(bad) => {
            tracing::info!(node = %alias, window, ?bad, "a batch of receipts was refused");
            Err(bad.refusal().into())
        }
    }
}

/// Batches whose signatures are looked at at the same time; others wait.
static JUDGED_AT_ONCE: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);

/// Takes a batch: what is due of it and the flag of (node, window) in one transaction.
///
/// # Errors
/// Of the store; inside, why nothing of the batch counts.
pub async fn hand_in(
    ledger: &Ledger,
    intake: Intake,
    batch: SettleBatch,
    periods: Periods,
) -> Result<Result<Settled, BadBatch>, StoreError> {
    let now = ledger.now();
    let (node, window, hash) = (intake.node, batch.window, batch.hash());
    // What was taken before is answered without looking at signatures.
    if let Some(flag) = ledger.db().read(move |q| Ok(store::flag(q, &node, window)?)).await? {
        return Ok(known(flag, window, hash));
    }
    let tariff = Arc::new(tariff(ledger.db(), now).await?);
    let turn = JUDGED_AT_ONCE.acquire().await;
    let read = tokio::task::spawn_blocking(move || read(&intake, &batch, hash)).await;
    drop(turn);
    let batch = match read {
        Ok(Ok(batch)) => Arc::new(batch),
        Ok(Err(bad)) => return Ok(Err(bad)),
        Err(_) => return Err(crate::db::DbError::Closed.into()),
    };
    let write = move |tx: &mut Tx<'_>| {
        store::lock(tx)?;
        take(tx, &batch, &tariff, (periods, now))
    };
    ledger.db().write(write).await
}

fn known(flag: Flag, window: u32, hash: [u8; 32]) -> Result<Settled, BadBatch> {
    match flag.hash == hash {
        true => Ok(Settled { batch: flag.batch, is_known: true }),
        false => Err(BadBatch::WindowReused(window)),
    }
}

fn take(
    tx: &mut Tx<'_>,
    batch: &Batch,
    tariff: &Tariff,
    (periods, now): (Periods, Stamp),
) -> Result<Result<Settled, BadBatch>, StoreError> {
    let flag = store::flag(tx, &batch.node, batch.window)?;
    let due = match judge(batch, flag.as_ref(), tariff, now) {
        Ok(Judged::AlreadySettled { batch }) => return Ok(Ok(Settled { batch, is_known: true })),
        Ok(Judged::Due(due)) => due,
        Err(bad) => return Ok(Err(bad)),
    };
    let (mut rows, mut parts) = (Vec::with_capacity(due.len() * 2), Vec::new());
    for ((payer, resource, version), units) in due {
        let variant = Variant::Plain;
        if tariff.price(version, resource, variant).is_none_or(|price| price.source == Source::Free) {
            continue;
        }
        let due = Due { variant, version, units, quality_bps: WHOLE_BPS };
        rows.push(DueRow { resource, side: Side::Used, account: payer, due });
        rows.push(DueRow { resource, side: Side::Served, account: batch.owner, due });
        let part = |account, side, of| PartRow { account, resource, side, of, units };
        parts.push(part(payer, Side::Used, Of::Node(batch.node)));
        parts.push(part(batch.owner, Side::Served, Of::Node(batch.node)));
        parts.push(part(batch.owner, Side::Served, Of::Account(payer)));
    }
    let (last, period) = (store::last_begun(tx)?, periods.of(now));
    let period = if last < period { period } else { periods.after(last) };
    store::add_due(tx, period, &rows)?;
    evidence::add_parts(tx, period, &parts)?;
    let receipts = match &batch.shown {
        Shown::Whole(receipts) => receipts.len() as u64,
        Shown::Drawn { .. } => 0,
    };
    let number = store::put_flag(tx, (&batch.node, batch.window), &batch.hash, receipts, now)?;
    Ok(Ok(Settled { batch: number, is_known: false }))
}

/// The batch as the rules judge it, every signature checked.
fn read(intake: &Intake, batch: &SettleBatch, hash: [u8; 32]) -> Result<Batch, BadBatch> {
    let one = |receipt: &SettleReceipt| signed(intake, receipt).map(|(signed, _)| signed);
    let receipts = batch.receipts.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    let total =
        |total: &wire::settle::SettleTotal| Total { payer: total.payer, resource: total.resource, units: total.units };
    Ok(Batch {
        node: intake.node,
        owner: intake.owner,
        window: batch.window,
        hash,
        totals: batch.totals.iter().map(total).collect(),
        shown: Shown::Whole(receipts),
    })
}

/// A receipt and its permit, their signatures checked, and when it was signed.
///
/// # Errors
/// The first thing that is wrong with their bytes.
pub fn signed(intake: &Intake, shown: &SettleReceipt) -> Result<(Signed, Stamp), BadBatch> {
    // Named as far as it can be read: a permit's serial has a fixed place.
    let serial = shown.permit.get(8..24).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
    let no = |why| BadBatch::Receipt(serial, why);
    let permit = match Permit::signed(&shown.permit, &[(0, intake.permit_key)]) {
        Ok(permit) => permit,
        Err(PermitRefusal::Signature) => return Err(no("permit_signature")),
        Err(PermitRefusal::Key) => return Err(no("key")),
        Err(_) => return Err(no("permit_malformed")),
    };
    if permit.cloud != intake.cloud {
        return Err(no("cloud"));
    }
    let receipt = Receipt::check(&shown.receipt, &permit.session).ok_or_else(|| no("receipt_signature"))?;
    let facts = PermitFacts {
        serial: permit.serial,
        op: permit.op as u8,
        is_free: permit.flags & FLAG_FREE != 0,
        payer: AccountNo(permit.payer),
        node: Some(NodeId(permit.node)).filter(|node| node.0 != [0; 32]),
        max_units: permit.max_units,
        max_units_node: permit.max_units_node,
        not_after: permit.not_after,
        is_key_known: true,
    };
    let Receipt { kind, serial, node, units, window, at } = receipt;
    let receipt = ReceiptFacts { kind, serial, node, units, window };
    Ok((Signed { permit: facts, receipt, hash: *blake3::hash(&shown.receipt).as_bytes() }, at))
}
