//! What a node hands in for a window, judged (`docs/design/ledger.md` §4, §5).
//!
//! The shell has checked signatures: of the center under each permit, of its session under each receipt. (A) One batch counts for a
//! (node, window); the same again is a success, another is refused. (B) A receipt counts once: serials strictly increase. (C) No more
//! counts than a permit allows at one node. (D) Totals are the sums of their receipts, no more and no less. (E) Between machines and
//! account of one owner nothing is owed. (F) A batch with one wrong receipt is refused whole, and the reason names it. A batch of more
//! than [`WHOLE_MAX`] receipts shows only those that are drawn.

use super::sum_tree::{self, Path, Sum};
use super::tariff::Tariff;
use crate::Refusal;
use model::{AccountNo, NodeId, Resource, Span, Stamp, errors};
use std::collections::BTreeMap;

/// Most receipts of a batch that travels whole.
pub const WHOLE_MAX: usize = 4_096;
/// Receipts drawn of a larger one.
pub const DRAWS: usize = 32;
/// Time of a window.
pub const WINDOW: Span = Span::hours(6);
/// Time after its end in which a batch is taken.
pub const SETTLE_WITHIN: Span = Span::hours(72);
/// Clock difference that is tolerated.
pub const CLOCK_TOLERANCE: Span = Span::mins(15);

/// What a permit says, as far as the ledger reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermitFacts {
    /// Its serial: issued ms u64 ‖ random 8.
    pub serial: [u8; 16],
    /// Number of what it is for, `wire`'s `PermitOp`.
    pub op: u8,
    /// Same owner on both sides, as the center said when it gave it.
    pub is_free: bool,
    /// Who pays.
    pub payer: AccountNo,
    /// Which node; nothing: any member of a group.
    pub node: Option<NodeId>,
    /// Most units, all nodes together.
    pub max_units: u64,
    /// Most units at one node.
    pub max_units_node: u64,
    /// Until when.
    pub not_after: Stamp,
    /// The center's permit key of its epoch is known.
    pub is_key_known: bool,
}

/// What a receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptFacts {
    /// Number of what it is for.
    pub kind: u8,
    /// Serial of the permit.
    pub serial: [u8; 16],
    /// Who served.
    pub node: NodeId,
    /// Units served in the window.
    pub units: u64,
    /// The window.
    pub window: u32,
}

/// A receipt with its permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The center's leave.
    pub permit: PermitFacts,
    /// The payer's count.
    pub receipt: ReceiptFacts,
    /// Hash of the receipt's bytes.
    pub hash: [u8; 32],
}

/// What a node claims of a payer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// Who pays.
    pub payer: AccountNo,
    /// For what.
    pub resource: Resource,
    /// How much.
    pub units: u64,
}

/// How the totals are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Every receipt, by serial.
    Whole(Vec<Signed>),
    /// The root of all, and those that were drawn.
    Drawn {
        /// Root over them.
        root: Sum,
        /// The center's draws.
        draws: Vec<u64>,
        /// For each draw a receipt and its path.
        leaves: Vec<(Signed, Path)>,
    },
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Who served.
    pub node: NodeId,
    /// Its owner's account.
    pub owner: AccountNo,
    /// In which window.
    pub window: u32,
    /// Hash of the whole, for [`Flag`].
    pub hash: [u8; 32],
    /// What it claims.
    pub totals: Vec<Total>,
    /// By what.
    pub shown: Shown,
}

/// A batch that was taken before for the node and window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Its number.
    pub batch: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// What follows from a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// Units due, by payer, resource and version of the price book.
    Due(BTreeMap<(AccountNo, Resource, u32), u64>),
    /// It was taken before: a success.
    AlreadySettled {
        /// Its number.
        batch: u64,
    },
}

/// Why a batch is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadBatch {
    /// Its window has not ended.
    WindowOpen(u32),
    /// It comes too late.
    WindowClosed(u32),
    /// Another one was taken.
    WindowReused(u32),
    /// One receipt of it, and what is wrong with it.
    Receipt([u8; 16], &'static str),
    /// A total is not the sum of its receipts.
    Totals {
        /// Whose.
        payer: AccountNo,
        /// Of what.
        resource: Resource,
        /// What was claimed.
        claimed: u64,
        /// What was signed.
        signed: u64,
    },
    /// It is wrong as a whole.
    Batch(&'static str),
}

impl BadBatch {
    /// As people read it.
    pub fn refusal(&self) -> Refusal {
        let closed = |window, why| Refusal::new(errors::WINDOW_CLOSED).with("window", window).with("cause", why);
        let bad = |serial: String| Refusal::new(errors::BAD_RECEIPT).with("serial", serial);
        match self {
            Self::WindowOpen(window) => closed(window, "window_open"),
            Self::WindowClosed(window) => closed(window, "window_closed"),
            Self::WindowReused(window) => closed(window, "window_reused"),
            Self::Receipt(serial, why) => {
                bad(serial.iter().map(|byte| format!("{byte:02x}")).collect()).with("cause", why)
            }
            Self::Totals { payer, resource, claimed, signed } => bad(format!("{payer} {resource}"))
                .with("cause", "totals")
                .with("claimed", claimed)
                .with("signed", signed),
            Self::Batch(why) => bad("–".into()).with("cause", why),
        }
    }
}

/// What receipts of an op are for; nothing where an op is paid otherwise, or not at all. What the reserve has read is repair.
pub fn resource_of(op: u8, payer: AccountNo) -> Option<Resource> {
    match op {
        1 if payer.class() == Some(model::AccountClass::Repair) => Some(Resource::Repair),
        1 => Some(Resource::Egress),
        2 => Some(Resource::Ingress),
        4 | 5 => Some(Resource::Repair),
        8 => Some(Resource::Relay),
        _ => None,
    }
}

/// When a permit was issued, by its serial.
pub fn issued(serial: &[u8; 16]) -> Stamp {
    serial.first_chunk::<8>().map_or(Stamp::EPOCH, |ms| Stamp(u64::from_le_bytes(*ms)))
}

/// Whether a receipt of a window can count under a permit: it was issued, and has not ended, at some moment of the window, as clocks that
/// are [`CLOCK_TOLERANCE`] apart tell. Who keeps receipts asks this first: one that cannot count would void its whole batch.
///
/// # Errors
/// Why not.
pub fn in_life(serial: &[u8; 16], not_after: Stamp, window: u32) -> Result<(), &'static str> {
    let start = start_of(window);
    if issued(serial) > later(later(start, WINDOW), CLOCK_TOLERANCE) {
        return Err("issued_later");
    }
    if later(not_after, CLOCK_TOLERANCE) < start { Err("ended_before") } else { Ok(()) }
}

fn start_of(window: u32) -> Stamp {
    Stamp(u64::from(window).saturating_mul(WINDOW.as_ms()))
}

fn later(at: Stamp, span: Span) -> Stamp {
    Stamp(at.as_ms().saturating_add(span.as_ms()))
}

/// Judges a batch.
///
/// # Errors
/// [`BadBatch`] names the first thing that is wrong; nothing of the batch counts then.
pub fn judge(batch: &Batch, flag: Option<&Flag>, tariff: &Tariff, now: Stamp) -> Result<Judged, BadBatch> {
    if let Some(flag) = flag {
        let same = flag.hash == batch.hash;
        return if same {
            Ok(Judged::AlreadySettled { batch: flag.batch })
        } else {
            Err(BadBatch::WindowReused(batch.window))
        };
    }
    let end = later(start_of(batch.window), WINDOW);
    if now < end {
        return Err(BadBatch::WindowOpen(batch.window));
    }
    if now > later(end, SETTLE_WITHIN) {
        return Err(BadBatch::WindowClosed(batch.window));
    }
    let ordered = batch.totals.windows(2).all(|two| match two {
        [one, next] => (one.payer, one.resource) < (next.payer, next.resource),
        _ => true,
    });
    if !ordered || batch.totals.iter().any(|total| total.units == 0) {
        return Err(BadBatch::Batch("totals_order"));
    }
    match &batch.shown {
        Shown::Whole(receipts) => whole(batch, receipts, tariff),
        Shown::Drawn { root, draws, leaves } => drawn(batch, *root, draws, leaves, tariff),
    }
}

/// A receipt by itself: what it is for, nothing where nothing is owed for it.
fn one(batch: &Batch, signed: &Signed) -> Result<Option<Resource>, BadBatch> {
    let (permit, receipt) = (&signed.permit, &signed.receipt);
    let resource = resource_of(permit.op, permit.payer);
    let in_life = in_life(&permit.serial, permit.not_after, batch.window);
    let facts = [
        (permit.is_key_known, "key"),
        (permit.serial == receipt.serial, "serial"),
        (permit.op == receipt.kind && resource.is_some(), "op"),
        (receipt.node == batch.node && permit.node.is_none_or(|node| node == batch.node), "node"),
        (receipt.window == batch.window, "window"),
        (in_life.is_ok(), in_life.err().unwrap_or_default()),
        (permit.payer.is_of_people() || permit.payer.class() == Some(model::AccountClass::Repair), "payer"),
        (receipt.units > 0, "nothing"),
        // (C)
        (receipt.units <= permit.max_units_node.min(permit.max_units), "over_permit"),
    ];
    match facts.into_iter().find(|(holds, _)| !holds) {
        Some((_, why)) => Err(BadBatch::Receipt(receipt.serial, why)),
        // (E)
        None => Ok(resource.filter(|_| !permit.is_free && permit.payer != batch.owner)),
    }
}

fn whole(batch: &Batch, receipts: &[Signed], tariff: &Tariff) -> Result<Judged, BadBatch> {
    if receipts.len() > WHOLE_MAX {
        return Err(BadBatch::Batch("too_many_receipts"));
    }
    let (mut due, mut sums, mut last) = (BTreeMap::new(), BTreeMap::new(), None);
    for signed in receipts {
        let serial = signed.receipt.serial;
        // (B)
        if last.is_some_and(|last| last >= serial) {
            return Err(BadBatch::Receipt(serial, "order"));
        }
        last = Some(serial);
        let Some(resource) = one(batch, signed)? else { continue };
        let version = tariff.at(issued(&serial)).map_or(0, |book| book.version);
        for sum in [
            due.entry((signed.permit.payer, resource, version)).or_insert(0u64),
            sums.entry((signed.permit.payer, resource)).or_insert(0u64),
        ] {
            *sum = sum.checked_add(signed.receipt.units).ok_or(BadBatch::Receipt(serial, "too_many_units"))?;
        }
    }
    // (D)
    for total in &batch.totals {
        let signed = sums.remove(&(total.payer, total.resource)).unwrap_or(0);
        if signed != total.units {
            let Total { payer, resource, units: claimed } = *total;
            return Err(BadBatch::Totals { payer, resource, claimed, signed });
        }
    }
    match sums.into_iter().next() {
        Some(((payer, resource), signed)) => Err(BadBatch::Totals { payer, resource, claimed: 0, signed }),
        None => Ok(Judged::Due(due)),
    }
}

fn drawn(
    batch: &Batch,
    root: Sum,
    draws: &[u64],
    leaves: &[(Signed, Path)],
    tariff: &Tariff,
) -> Result<Judged, BadBatch> {
    let sum = batch.totals.iter().try_fold(0u64, |sum, total| sum.checked_add(total.units));
    if sum != Some(root.units) || root.units == 0 {
        return Err(BadBatch::Batch("root_units"));
    }
    if draws.len() < DRAWS || draws.len() != leaves.len() {
        return Err(BadBatch::Batch("draws"));
    }
    for (draw, (signed, path)) in draws.iter().zip(leaves) {
        let serial = signed.receipt.serial;
        let no = |why| BadBatch::Receipt(serial, why);
        let Some(resource) = one(batch, signed)? else { return Err(no("free")) };
        let leaf = Sum::leaf(&signed.hash, signed.receipt.units);
        let (top, before) = sum_tree::lead(path, leaf).ok_or(no("path"))?;
        let offset = sum_tree::offset(*draw, root.units);
        let end = before.saturating_add(leaf.units);
        if top != root || offset < before || offset >= end {
            return Err(no("path"));
        }
        if !batch.totals.iter().any(|total| (total.payer, total.resource) == (signed.permit.payer, resource)) {
            return Err(no("totals"));
        }
    }
    // Its receipts are not all seen: the version is that of the window's beginning.
    let version = tariff.at(start_of(batch.window)).map_or(0, |book| book.version);
    let due = |total: &Total| ((total.payer, total.resource, version), total.units);
    Ok(Judged::Due(batch.totals.iter().map(due).collect()))
}
