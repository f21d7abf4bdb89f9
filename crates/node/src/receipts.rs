//! Payers' receipts: what this node served under each permit and how much of it is signed for. It hands out no more than that;
//! the newest receipt of each serial and window is kept for 30 d; [`settle`] makes a window's batch of them.
//!
//! (A) All streams under one serial share one count ([`rules::storage::receipt`]). (B) A receipt counts when the permit's session
//! signed it, for this serial, this node and a window the clock allows, up to what the permit allows. (C) A count is written
//! when 10 s have gone or 64 MiB were signed since: what a crash loses is at most that, and it is this node's own.

pub mod settle;
mod store;

use model::{NodeId, Span, Stamp};
use rules::ledger::receipt::in_life;
use rules::storage::receipt::{Served, Taken};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use wire::signed::permit::CLOCK_TOLERANCE;
use wire::signed::{Permit, Receipt};

/// Receipts are kept for so long.
pub const KEPT: Span = Span::days(30);
/// Counts in memory; the oldest serials give way, what they say is on the disk.
const COUNTS_MAX: usize = 65_536;
/// Longest time a count waits to be written …
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// … and most units signed before it is.
const WRITE_UNITS: u64 = 64 << 20;

/// Why a receipt does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// Its bytes, or its signature.
    #[error("receipt_signature")]
    Signature,
    /// Another serial or kind than the permit's.
    #[error("receipt_serial")]
    Serial,
    /// Another node's.
    #[error("receipt_node")]
    Node,
    /// Its time lies too far from now, its window is not that of its time, or the permit does not reach into it.
    #[error("receipt_window")]
    Window,
    /// More than the permit allows.
    #[error("receipt_units")]
    Units,
}

/// One count.
struct Count {
    served: Served,
    receipt: Vec<u8>,
    permit: Vec<u8>,
    /// Window and units signed when it was written last; none where it never was.
    written: Option<(u32, u64)>,
    changed: Arc<Notify>,
}

/// A count as it is written.
struct Row {
    serial: [u8; 16],
    served: Served,
    receipt: Vec<u8>,
    permit: Vec<u8>,
}

impl Count {
    /// What is to be written says more than what was.
    fn is_due(&self) -> bool {
        !self.receipt.is_empty() && self.written != Some((self.served.window, self.served.signed))
    }

    fn row(&self, serial: [u8; 16]) -> Row {
        Row { serial, served: self.served, receipt: self.receipt.clone(), permit: self.permit.clone() }
    }
}

/// A receipt that is kept, with its permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it says.
    pub receipt: Receipt,
    /// As it came.
    pub bytes: Vec<u8>,
    /// What it is under.
    pub permit: Permit,
    /// As it came.
    pub permit_bytes: Vec<u8>,
}

/// All counts of a node; clones share them.
#[derive(Clone)]
pub struct Receipts(Arc<Inner>);

struct Inner {
    node: NodeId,
    counts: Mutex<BTreeMap<[u8; 16], Count>>,
    due: Notify,
    file: Mutex<Option<Connection>>,
}

/// Makes room for many: the serials that were issued first go, whose counts are on the disk for long.
fn forget_oldest(counts: &mut BTreeMap<[u8; 16], Count>) {
    let mut all: Vec<[u8; 16]> = counts.keys().copied().collect();
    all.sort_unstable_by_key(Permit::issued_of);
    all.truncate(COUNTS_MAX / 16);
    all.iter().for_each(|serial| drop(counts.remove(serial)));
}

/// A stream's hand on the count of its permit.
#[derive(Clone)]
pub struct Meter {
    all: Receipts,
    serial: [u8; 16],
    changed: Arc<Notify>,
}

impl Receipts {
    /// Counts of this node, with the file in `dir`. Without a usable file counts live in memory alone, and that is told.
    pub fn open(dir: &Path, node: NodeId) -> Self {
        let path = dir.join("receipts.sqlite");
        let opened = store::connect(&path).or_else(|error| {
            tracing::error!(%error, "the receipts file cannot be read and is set aside");
            let _ = std::fs::rename(&path, path.with_extension("damaged"));
            store::connect(&path)
        });
        let (file, counts) = match opened.and_then(|file| Ok((store::load(&file)?, file))) {
            Ok((counts, file)) => (Some(file), counts),
            Err(error) => {
                tracing::error!(%error, "receipts are not kept on the disk");
                (None, BTreeMap::new())
            }
        };
        Self(Arc::new(Inner { node, counts: Mutex::new(counts), due: Notify::new(), file: Mutex::new(file) }))
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<[u8; 16], Count>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The count of a permit that was checked, as `bytes`.
    pub fn meter(&self, permit: &Permit, bytes: &[u8]) -> Meter {
        let mut counts = self.counts();
        if counts.len() >= COUNTS_MAX && !counts.contains_key(&permit.serial) {
            forget_oldest(&mut counts);
        }
        let count = counts.entry(permit.serial).or_insert_with(|| Count {
            served: Served::default(),
            receipt: Vec::new(),
            permit: Vec::new(),
            written: None,
            changed: Arc::default(),
        });
        if count.permit.is_empty() {
            count.permit = bytes.to_vec();
        }
        Meter { all: self.clone(), serial: permit.serial, changed: Arc::clone(&count.changed) }
    }

    /// Writes what changed whenever it is due, and forgets what is older than [`KEPT`]; for ever.
    pub async fn keep(self, now: fn() -> Stamp) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(WRITE_EVERY) => {}
                () = self.0.due.notified() => {}
            }
            let this = self.clone();
            let at = now();
            let _ = tokio::task::spawn_blocking(move || this.write(at)).await;
        }
    }

    /// Writes all counts that changed since.
    pub fn write(&self, now: Stamp) {
        let rows: Vec<Row> = {
            let mut counts = self.counts();
            let changed = counts.iter_mut().filter(|(_, count)| count.is_due());
            changed
                .map(|(serial, count)| {
                    count.written = Some((count.served.window, count.served.signed));
                    count.row(*serial)
                })
                .collect()
        };
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(conn) = file.as_mut() else { return };
        if let Err(error) = store::save(conn, &rows, now) {
            tracing::error!(%error, "receipts were not written; the next time is soon");
            drop(file);
            let mut counts = self.counts();
            rows.iter().for_each(|row| {
                if let Some(count) = counts.get_mut(&row.serial) {
                    count.written = None;
                }
            });
        }
    }

    /// Receipts of a window, at most `limit` after a serial: with the permits they are under.
    pub fn of_window(&self, window: u32, after: [u8; 16], limit: u32) -> Vec<Kept> {
        let rows = {
            let file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.as_ref().map(|conn| store::of_window(conn, window, after, limit))
        };
        let read = |(bytes, permit_bytes): store::Signed| {
            let permit = Permit::parse(&permit_bytes).ok()?;
            let receipt = Receipt::check(&bytes, &permit.session)?;
            Some(Kept { receipt, bytes, permit, permit_bytes })
        };
        rows.and_then(Result::ok).unwrap_or_default().into_iter().filter_map(read).collect()
    }
}

impl Meter {
    /// Takes a receipt that came on a stream; the very bytes that count already cost nothing.
    pub fn take(&self, permit: &Permit, bytes: &[u8], now: Stamp) -> Result<(), Bad> {
        if self.all.counts().get(&self.serial).is_some_and(|count| !bytes.is_empty() && count.receipt == bytes) {
            return Ok(());
        }
        let receipt = Receipt::check(bytes, &permit.session).ok_or(Bad::Signature)?;
        let apart = now.since(receipt.at).as_ms().max(receipt.at.since(now).as_ms());
        let checks = [
            (receipt.serial == permit.serial && receipt.kind == permit.op as u8, Bad::Serial),
            (receipt.node == self.all.0.node, Bad::Node),
            (apart <= CLOCK_TOLERANCE.as_ms() && receipt.window == Receipt::window_of(receipt.at), Bad::Window),
            (in_life(&permit.serial, permit.not_after, receipt.window).is_ok(), Bad::Window),
            (receipt.units <= permit.max_units_node.min(permit.max_units), Bad::Units),
        ];
        if let Some((_, bad)) = checks.into_iter().find(|(holds, _)| !holds) {
            return Err(bad);
        }
        let mut counts = self.all.counts();
        let Some(count) = counts.get_mut(&self.serial) else { return Ok(()) };
        if receipt.window > count.served.window && count.is_due() {
            // The window that is over is kept as it ended.
            let ended = count.row(self.serial);
            drop(counts);
            self.all.write_one(&ended, now);
            counts = self.all.counts();
        }
        let Some(count) = counts.get_mut(&self.serial) else { return Ok(()) };
        if count.served.take(receipt.window, receipt.units) == Taken::Newer {
            count.receipt = bytes.to_vec();
            let written = count.written.filter(|(window, _)| *window == receipt.window).map_or(0, |(_, units)| units);
            if receipt.units.saturating_sub(written) >= WRITE_UNITS {
                self.all.0.due.notify_one();
            }
            count.changed.notify_waiters();
        }
        Ok(())
    }

    /// Hands out up to `wanted` bytes as far as they are signed for; waits for a receipt when none is, at most `wait`. 0 when
    /// the payer stayed behind.
    pub async fn hand_out(&self, wanted: u64, wait: Duration) -> u64 {
        let handing = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let units = self.all.counts().get_mut(&self.serial).map_or(0, |count| count.served.hand_out(wanted));
                if units > 0 {
                    return units;
                }
                changed.await;
            }
        };
        tokio::time::timeout(wait, handing).await.unwrap_or(0)
    }
}

impl Receipts {
    fn write_one(&self, row: &Row, now: Stamp) {
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = file.as_mut().map(|conn| store::save(conn, std::slice::from_ref(row), now)) {
            tracing::error!(%error, "the last receipt of a window was not written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::PgId;
    use wire::signed::{PermitOp, public_of};

    const NOW: Stamp = Stamp(1_800_000_000_000);
    const SESSION: [u8; 32] = [4; 32];
    const NODE: NodeId = NodeId([2; 32]);
    const WAIT: Duration = Duration::from_millis(30);

    fn permit() -> Permit {
        Permit {
            op: PermitOp::Get,
            flags: 0,
            serial: Permit::serial_of(NOW, [9; 8]),
            target: Permit::pg_target(PgId(1)),
            node: NODE.0,
            session: public_of(&SESSION),
            cloud: [3; 8],
            payer: 7,
            max_units: 1 << 30,
            max_units_node: 1 << 30,
            not_after: NOW + Span::hours(24),
            generation: 1,
            revocation_epoch: 0,
            key_epoch: 0,
        }
    }

    fn receipt(units: u64, at: Stamp) -> Receipt {
        Receipt { kind: 1, serial: permit().serial, node: NODE, units, window: Receipt::window_of(at), at }
    }

    fn open(dir: &Path) -> (Receipts, Meter) {
        let receipts = Receipts::open(dir, NODE);
        let meter = receipts.meter(&permit(), &permit().sign(&[1; 32]));
        (receipts, meter)
    }

    #[tokio::test]
    async fn no_more_is_handed_out_than_is_signed_for_and_a_late_receipt_wakes() {
        let dir = tempfile::tempdir().unwrap();
        let (_all, meter) = open(dir.path());
        assert_eq!(meter.hand_out(10, WAIT).await, 0);
        let take = |units| meter.take(&permit(), &receipt(units, NOW).sign(&SESSION), NOW);
        take(100).unwrap();
        assert_eq!((meter.hand_out(70, WAIT).await, meter.hand_out(70, WAIT).await), (70, 30));
        take(50).unwrap();
        assert_eq!(meter.hand_out(1, WAIT).await, 0, "an older receipt changes nothing");
        let waits = meter.clone();
        let waiting = tokio::spawn(async move { waits.hand_out(500, Duration::from_secs(10)).await });
        tokio::task::yield_now().await;
        take(150).unwrap();
        assert_eq!(waiting.await.unwrap(), 50);
        // The next window begins at nothing.
        let later = NOW + Span::hours(6);
        meter.take(&permit(), &receipt(40, later).sign(&SESSION), later).unwrap();
        assert_eq!(meter.hand_out(500, WAIT).await, 40);
        take(1_000).unwrap();
        assert_eq!(meter.hand_out(500, WAIT).await, 0, "a window that is over is over");
    }

    #[test]
    fn every_kind_of_bad_receipt_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (_all, meter) = open(dir.path());
        let good = receipt(100, NOW);
        let far = NOW + Span::mins(16);
        let cases = [
            (good.sign(&[5; 32]), Bad::Signature),
            ([0; 144], Bad::Signature),
            (Receipt { serial: [1; 16], ..good }.sign(&SESSION), Bad::Serial),
            (Receipt { kind: 2, ..good }.sign(&SESSION), Bad::Serial),
            (Receipt { node: NodeId([8; 32]), ..good }.sign(&SESSION), Bad::Node),
            (Receipt { window: good.window + 1, ..good }.sign(&SESSION), Bad::Window),
            (receipt(100, far).sign(&SESSION), Bad::Window),
            (receipt(100, NOW - Span::mins(16)).sign(&SESSION), Bad::Window),
            (receipt((1 << 30) + 1, NOW).sign(&SESSION), Bad::Units),
        ];
        for (bytes, want) in cases {
            assert_eq!(meter.take(&permit(), &bytes, NOW), Err(want));
        }
        assert_eq!(meter.take(&permit(), &[1; 10], NOW), Err(Bad::Signature));
        assert_eq!(meter.take(&permit(), &good.sign(&SESSION), NOW), Ok(()));
    }

    #[tokio::test]
    async fn the_newest_receipt_of_each_window_outlives_a_restart_for_thirty_days() {
        let dir = tempfile::tempdir().unwrap();
        let (all, meter) = open(dir.path());
        for units in [100, 200] {
            meter.take(&permit(), &receipt(units, NOW).sign(&SESSION), NOW).unwrap();
        }
        assert_eq!(meter.hand_out(150, WAIT).await, 150);
        let later = NOW + Span::hours(6);
        meter.take(&permit(), &receipt(70, later).sign(&SESSION), later).unwrap();
        all.write(later);
        drop((all, meter));
        let (all, meter) = open(dir.path());
        let window = Receipt::window_of(NOW);
        let kept = all.of_window(window, [0; 16], 9);
        assert_eq!((kept.len(), kept[0].receipt.units, &kept[0].permit), (1, 200, &permit()));
        assert_eq!(all.of_window(window + 1, [0; 16], 9)[0].receipt.units, 70);
        assert_eq!(meter.hand_out(100, WAIT).await, 70, "what was signed and not handed out is still signed");
        all.write(NOW + Span::days(31));
        assert!(all.of_window(window, [0; 16], 9).is_empty());
        std::fs::write(dir.path().join("receipts.sqlite"), [7; 9_000]).unwrap();
        drop((all, meter));
        let (_all, meter) = open(dir.path());
        assert_eq!(meter.hand_out(1, WAIT).await, 0, "a damaged file is set aside");
    }

    #[tokio::test]
    async fn as_much_in_the_next_window_as_in_the_last_is_written_too() {
        let dir = tempfile::tempdir().unwrap();
        let (all, meter) = open(dir.path());
        let (later, window) = (NOW + Span::hours(6), Receipt::window_of(NOW));
        for at in [NOW, later] {
            meter.take(&permit(), &receipt(100, at).sign(&SESSION), at).unwrap();
            all.write(at);
        }
        let units =
            |window| all.of_window(window, [0; 16], 9).iter().map(|kept| kept.receipt.units).collect::<Vec<_>>();
        assert_eq!((units(window), units(window + 1)), (vec![100], vec![100]));
    }

    /// It would void the node's whole batch of that window.
    #[test]
    fn a_receipt_of_a_window_its_permit_does_not_reach_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let receipts = Receipts::open(dir.path(), NODE);
        let end = Stamp((NOW.0 / Span::hours(6).as_ms() + 1) * Span::hours(6).as_ms());
        let permit = Permit { not_after: end - Span::mins(16), ..permit() };
        let bytes = permit.sign(&[1; 32]);
        let meter = receipts.meter(&permit, &bytes);
        let late = end - Span::mins(5);
        let ahead = receipt(1, end + Span::mins(1)).sign(&SESSION);
        assert_eq!(meter.take(&permit, &ahead, late), Err(Bad::Window));
        assert_eq!(meter.take(&permit, &receipt(1, late).sign(&SESSION), late), Ok(()));
        // What was kept before this was looked at is not handed in.
        let longer = Permit { not_after: end + Span::hours(1), ..permit };
        assert_eq!(meter.take(&longer, &ahead, late), Ok(()));
        receipts.write(late);
        let batch = |at| receipts.batch(Receipt::window_of(at)).batch;
        assert_eq!((batch(late).receipts.len(), batch(end).receipts.len()), (1, 0));
    }

    /// What one receipt costs the node: printed, not judged.
    #[test]
    fn what_a_receipt_costs() {
        let dir = tempfile::tempdir().unwrap();
        let (_all, meter) = open(dir.path());
        let signed: Vec<_> = (1..=200_u64).map(|n| receipt(n * 1_000, NOW).sign(&SESSION)).collect();
        let began = std::time::Instant::now();
        signed.iter().for_each(|bytes| meter.take(&permit(), bytes, NOW).unwrap());
        println!("taking a receipt: {:?}", began.elapsed() / 200);
        let began = std::time::Instant::now();
        (0..200_u64).for_each(|n| assert_eq!(receipt(n, NOW).sign(&SESSION).len(), 144));
        println!("signing one: {:?}", began.elapsed() / 200);
    }
}
