//! Paying holders: receipts signed ahead of what they send, one count per permit for all streams under it
//! (`rules::storage::receipt`). A stream that waits is woken when another used up what was signed.

use crate::Client;
use model::{NodeId, Stamp};
use net::Endpoint;
use rules::storage::receipt::Payer;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use wire::signed::{Permit, PermitOp, Receipt};

/// Counts of a session; the oldest serials give way.
const COUNTS_MAX: usize = 65_536;

/// All counts of a session.
pub(crate) type Payers = BTreeMap<[u8; 16], Arc<Count>>;

/// One permit's count and its newest receipt.
pub(crate) struct Count {
    payer: Mutex<(Payer, Vec<u8>)>,
    /// Bytes its holder was asked for: as it counts, whatever came of them.
    asked: AtomicU64,
    changed: Arc<Notify>,
}

impl Count {
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }
}

/// A stream's part in its permit's count.
pub(crate) struct Paying {
    count: Arc<Count>,
    endpoint: Endpoint,
    now: fn() -> Stamp,
    serial: [u8; 16],
    node: NodeId,
    /// Most the permit allows.
    most: u64,
    /// Bytes this stream still expects.
    left: u64,
    /// Units of the newest receipt that went out on it, with their window.
    told: (u32, u64),
}

impl Client {
    /// Begins to pay `node` for `len` bytes under a permit; the first receipt is [`Paying::due`] at once. None for a permit
    /// that cannot be read, which the holder will refuse.
    pub(crate) fn pay(&self, node: NodeId, permit: &[u8], len: u64) -> Option<Paying> {
        let permit = Permit::parse(permit).ok()?;
        let (serial, most) = (permit.serial, permit.max_units.min(permit.max_units_node));
        let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        let payers = &mut permits.payers;
        if payers.len() >= COUNTS_MAX && !payers.contains_key(&serial) {
            payers.pop_first();
        }
        let payer = || Mutex::new((Payer::new(0), Vec::new()));
        let begin = || Arc::new(Count { payer: payer(), asked: AtomicU64::new(0), changed: Arc::default() });
        let count = Arc::clone(payers.entry(serial).or_insert_with(begin));
        count.asked.fetch_add(len, Relaxed);
        let endpoint = self.endpoint.clone();
        Some(Paying { count, endpoint, now: self.device.now, serial, node, most, left: len, told: (0, 0) })
    }
}

impl Paying {
    fn payer(&self) -> MutexGuard<'_, (Payer, Vec<u8>)> {
        self.count.payer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The receipt that goes with the ask: the newest there is, signed anew where it is not enough.
    pub fn first(&mut self) -> Option<Vec<u8>> {
        let due = self.due();
        due.or_else(|| Some(self.payer().1.clone()).filter(|newest| !newest.is_empty()))
    }

    /// The receipt to send now on this stream, when there is a newer one than went out on it.
    pub fn due(&mut self) -> Option<Vec<u8>> {
        let mut payer = self.count.payer.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (self.now)();
        let window = Receipt::window_of(at);
        if let Some(units) = payer.0.raise(window, self.left, self.most) {
            let (serial, node) = (self.serial, self.node);
            let receipt = Receipt { kind: PermitOp::Get as u8, serial, node, units, window: payer.0.signed().0, at };
            payer.1 = self.endpoint.sign_receipt(&receipt).to_vec();
            self.count.changed.notify_waiters();
        }
        let signed = payer.0.signed();
        let is_news = signed > self.told && signed.1 > 0;
        self.told = self.told.max(signed);
        is_news.then(|| payer.1.clone())
    }

    /// So many bytes came.
    pub fn got(&mut self, bytes: u64) {
        self.left = self.left.saturating_sub(bytes);
        let is_short = {
            let mut payer = self.payer();
            payer.0.got(bytes);
            payer.0.is_short()
        };
        if is_short {
            self.count.changed.notify_waiters();
        }
    }

    /// Resolves when another stream under the permit has moved its count. To be made before [`Self::due`] is asked.
    pub fn moved(&self) -> OwnedNotified {
        Arc::clone(&self.count.changed).notified_owned()
    }
}

impl Drop for Paying {
    fn drop(&mut self) {
        if self.left > 0 {
            self.payer().0.gave_up(self.left);
            self.count.changed.notify_waiters();
        }
    }
}
