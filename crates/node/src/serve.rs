//! Data streams from gateways and other nodes: the first frame shows a permit and says what is wanted. The node judges the
//! permit alone, offline; it holds the other side to what it said.

use crate::compute::{Holding, Keeper};
use crate::fleet::owner_loop::OwnerView;
use crate::receipts::{Bad, Meter, Receipts};
use crate::storage::{PieceHandle, PieceKey, PieceMeta, PieceStore, StoreError};
use client::ClientError;
use model::errors::{self, ErrorId};
use model::{CloudKey, NodeId, NodeState, Stamp};
use net::{Endpoint, Link, NetError, Stream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use wire::RefusalMsg;
use wire::fleet::PROBE_BYTES_MAX;
use wire::limits::{AUDIT_PICKS_MAX, LOCATED_MAX, REQUEST_MAX, SLICE_MAX};
use wire::shuffle::BlockAnswer;
use wire::signed::permit::{FLAG_FREE, PermitFacts};
use wire::signed::{AuditAnswer, Permit, PermitOp, PieceReceipt, Receipt, audit};
use wire::storage::{AuditOpen, AuditPick, GetPiece, Locate, LocatedPiece, Locator, PieceAnswer, PutPiece, StreamOpen};

/// Longest wait for the first frame of a stream.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence inside a transfer.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Serials whose use is remembered.
const SPENT_MAX: usize = 65_536;
/// Permits whose signature is not checked again.
const SEEN_MAX: usize = 4_096;
const STEP: usize = 64 << 10;
/// Bytes of a piece read and judged at a time.
const SEND_STEP: u64 = 1 << 20;
/// Longest wait for a receipt of a payer that is behind. A reader takes no more from a quick holder while it waits for slow
/// ones, half a minute at most, and signs no further ahead meanwhile: this is twice that.
const RECEIPT_WAIT: Duration = Duration::from_secs(60);
/// Longest wait for the receipt that follows proofs.
const PAY_WAIT: Duration = Duration::from_secs(30);

/// What serving needs to know; clones share it.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    keeper: Keeper,
    holding: Holding,
    receipts: Receipts,
    key: [u8; 32],
    id: NodeId,
    cloud: CloudKey,
    permit_key: [u8; 32],
    store: PieceStore,
    owner: watch::Receiver<OwnerView>,
    now: fn() -> Stamp,
    quarantined: watch::Receiver<bool>,
    lies: bool,
    spent: Mutex<BTreeMap<[u8; 16], u64>>,
    /// Permits whose signature was checked, by the hash of their bytes.
    seen: Mutex<BTreeSet<[u8; 32]>>,
    sent: AtomicU64,
    received: AtomicU64,
}

/// Ends a stream of blocks; a no is told as such, unless bytes were promised: then only the cut says so.
async fn no_blocks(mut stream: Stream, done: Result<(), ClientError>) {
    match done {
        Ok(()) => {
            let _ = stream.finish();
        }
        Err(ClientError::Refused(refusal)) => {
            tracing::debug!(id = %refusal.id, "refused a stream of blocks");
            let _ = stream.write_frame(&wire::encode(&BlockAnswer::Refused(refusal))).await;
            let _ = stream.finish();
        }
        Err(error) => {
            tracing::debug!(%error, "a stream of blocks broke off");
            stream.reset(0);
        }
    }
}

/// A no on a data stream.
struct No(RefusalMsg);

impl From<NetError> for No {
    fn from(error: NetError) -> Self {
        Self(RefusalMsg::new(errors::PEER_UNREACHABLE, [("node", error.to_string())]))
    }
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the piece store said no");
        Self(RefusalMsg::new(error.id(), [("why", error.to_string())]))
    }
}

fn no<const N: usize>(id: ErrorId, args: [(&str, String); N]) -> No {
    No(RefusalMsg::new(id, args))
}

impl Server {
    /// Serves with these keys from this store.
    #[expect(clippy::too_many_arguments, reason = "wired once, by the agent")]
    pub fn new(
        key: [u8; 32],
        cloud: CloudKey,
        permit_key: [u8; 32],
        store: PieceStore,
        owner: watch::Receiver<OwnerView>,
        quarantined: watch::Receiver<bool>,
        receipts: Receipts,
        now: fn() -> Stamp,
        lies: bool,
        (keeper, holding): (Keeper, Holding),
    ) -> Self {
        let id = NodeId(wire::signed::public_of(&key));
        let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner {
            keeper,
            holding,
            receipts,
            key,
            id,
            cloud,
            permit_key,
            store,
            owner,
            now,
            quarantined,
            lies,
            spent: Mutex::default(),
            seen: Mutex::default(),
            sent,
            received,
        }))
    }

    /// Bytes sent and received since the start.
    pub fn moved(&self) -> (u64, u64) {
        (self.0.sent.load(Relaxed), self.0.received.load(Relaxed))
    }

    /// Takes links until the endpoint is closed.
    pub async fn run(self, endpoint: Endpoint) {
        while let Some(link) = endpoint.accept().await {
            let server = self.clone();
            tokio::spawn(async move { server.serve_link(link).await });
        }
    }

    async fn serve_link(self, link: Link) {
        while let Some(stream) = link.accept_stream().await {
            let (server, caller) = (self.clone(), link.peer());
            tokio::spawn(async move { server.serve_stream(caller, stream).await });
        }
    }

    async fn serve_stream(self, caller: NodeId, mut stream: Stream) {
        let Ok(Ok(frame)) = tokio::time::timeout(OPEN_TIMEOUT, stream.read_frame(REQUEST_MAX)).await else { return };
        let served = match wire::decode(&frame, REQUEST_MAX) {
            Ok(StreamOpen::PutPiece(put)) => self.put(caller, &mut stream, *put).await,
            Ok(StreamOpen::GetPiece(get)) => self.get(caller, &mut stream, get, None).await,
            Ok(StreamOpen::GetLocated(locator, get)) => self.get(caller, &mut stream, get, Some(locator)).await,
            Ok(StreamOpen::Probe { permit, up, down }) => self.probe(caller, &mut stream, &permit, up, down).await,
            Ok(StreamOpen::Locate(ask)) => self.locate(&mut stream, ask).await,
            Ok(StreamOpen::Audit(open)) => self.audit(caller, &mut stream, *open).await,
            Ok(StreamOpen::Parcels(ask)) => {
                let answer = wire::encode(&self.0.keeper.answer(caller, *ask).await);
                stream.write_frame(&answer).await.map_err(No::from)
            }
            Ok(StreamOpen::PutBlocks(put)) => {
                let allowed = self.owner_allows(true);
                let kept = match allowed {
                    Ok(()) => self.0.holding.put(caller, &mut stream, *put).await,
                    Err(No(refusal)) => Err(ClientError::Refused(refusal)),
                };
                return no_blocks(stream, kept).await;
            }
            Ok(StreamOpen::GetBlocks(get)) => {
                let allowed = self.owner_allows(false);
                let given = match allowed {
                    Ok(()) => self.0.holding.get(caller, &mut stream, *get).await,
                    Err(No(refusal)) => Err(ClientError::Refused(refusal)),
                };
                return no_blocks(stream, given).await;
            }
            Err(_) => Err(no(
                errors::BAD_VALUE,
                [
                    ("field", "message".into()),
                    ("value", String::new()),
                    ("why", "its bytes are no message of this protocol".into()),
                ],
            )),
        };
        if let Err(No(refusal)) = served {
            tracing::debug!(caller = %caller.short(), id = %refusal.id, "refused a stream");
            let _ = stream.write_frame(&wire::encode(&PieceAnswer::Refused(refusal))).await;
        }
        let _ = stream.finish();
    }

    fn check(&self, permit: &[u8], op: PermitOp, target: [u8; 16], caller: NodeId, wanted: u64) -> Result<Permit, No> {
        let keys = [(0, self.0.permit_key)];
        let serial = Permit::parse(permit).map(|p| p.serial).unwrap_or_default();
        let spent = self.0.spent.lock().unwrap_or_else(PoisonError::into_inner).get(&serial).copied().unwrap_or(0);
        let facts = PermitFacts {
            keys: &keys,
            node: self.0.id,
            cloud: self.0.cloud.0[..8].try_into().expect("a key has 32 bytes"),
            generation: None,
            op,
            target,
            now: (self.0.now)(),
            revocation_epoch: 0,
            revoked: &[],
            caller,
            spent,
            wanted,
        };
        let hash = *blake3::hash(permit).as_bytes();
        let is_seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash);
        let checked = Permit::check_seen(permit, &facts, is_seen);
        if checked.is_ok() && !is_seen {
            let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.len() >= SEEN_MAX {
                seen.clear(); // checked once more, no harm done
            }
            seen.insert(hash);
        }
        let permit = checked.map_err(|name| {
            no(errors::BAD_PERMIT, [("op", format!("{op:?}").to_lowercase()), ("name", name.to_string())])
        })?;
        let mut table = self.0.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= SPENT_MAX {
            table.pop_first(); // serials begin with the time of issue, so this is an old one, and it ends by its clock
        }
        *table.entry(permit.serial).or_default() += wanted;
        Ok(permit)
    }

    /// The owner's word on storage at this moment: new pieces, and reads.
    fn owner_allows(&self, writes: bool) -> Result<(), No> {
        let view = self.0.owner.borrow();
        let refused = |why: String| no(errors::NOT_LENDING, [("why", why)]);
        if view.state == NodeState::Off || !view.allowance.storage_reads {
            return Err(refused(view.reason.to_string()));
        }
        if writes && *self.0.quarantined.borrow() {
            return Err(no(
                errors::QUARANTINED,
                [("id", self.0.id.short()), ("when", "–".into()), ("why", "–".into())],
            ));
        }
        Ok(())
    }

    async fn put(&self, caller: NodeId, stream: &mut Stream, put: PutPiece) -> Result<(), No> {
        self.owner_allows(true)?;
        let permit = self.check(&put.permit, PermitOp::Put, Permit::pg_target(put.pg), caller, put.len)?;
        let meta = meta_of(&put)?;
        let mut writer = self.0.store.begin(meta).await?;
        let mut left = usize::try_from(put.len).map_err(|_| {
            no(errors::TOO_LARGE, [("what", "piece".into()), ("size", put.len.to_string()), ("limit", "–".into())])
        })?;
        let mut buffer = vec![0; STEP];
        while left > 0 {
            let step = left.min(STEP);
            let read = tokio::time::timeout(SILENCE_MAX, stream.read_exact(&mut buffer[..step])).await;
            read.map_err(|_| NetError::TimedOut(SILENCE_MAX))??;
            writer.push(&buffer[..step])?;
            left -= step;
        }
        writer.commit().await?;
        self.0.received.fetch_add(put.len, Relaxed);
        let receipt = PieceReceipt {
            segment: put.segment,
            pg: put.pg,
            index: put.index,
            len: put.len,
            node: self.0.id,
            serial: permit.serial,
            at: (self.0.now)(),
        };
        let kept = PieceAnswer::Kept(receipt.sign(&self.0.key).to_vec());
        Ok(stream.write_frame(&wire::encode(&kept)).await?)
    }

    /// Serves a piece by permit, or for nothing where its label shows the locator that who asks knows.
    async fn get(
        &self,
        caller: NodeId,
        stream: &mut Stream,
        get: GetPiece,
        locator: Option<Locator>,
    ) -> Result<(), No> {
        self.owner_allows(false)?;
        let unknown = || no(errors::OBJECT_UNKNOWN, [("key", get.segment.short())]);
        let handle =
            self.0.store.get(PieceKey { segment: get.segment, index: get.index }).await?.ok_or_else(unknown)?;
        if locator.is_some() && handle.meta().locator() != locator {
            return Err(unknown());
        }
        let all = handle.len();
        let len = if get.len == 0 { all.saturating_sub(get.offset) } else { get.len };
        let aligned = |at: u64| at == all || at.is_multiple_of(codec::GROUP_LEN as u64);
        let fits = |end: u64| len > 0 && end <= all && aligned(get.offset) && aligned(end);
        if !get.offset.checked_add(len).is_some_and(fits) {
            return Err(no(
                errors::BAD_RANGE,
                [("range", format!("{}+{}", get.offset, get.len)), ("size", all.to_string())],
            ));
        }
        let paid = match locator {
            Some(_) => None,
            None => {
                let permit = self.check(&get.permit, PermitOp::Get, Permit::pg_target(get.pg), caller, len)?;
                self.paid(&permit, &get)?.map(|meter| (permit, meter))
            }
        };
        let meta = handle.meta().clone();
        let proof = handle.prove(get.offset, len).await?;
        let head = PieceAnswer::Piece {
            segment_root: meta.segment_root,
            piece_root: meta.piece_root,
            path: meta.path,
            groups: proof.groups,
            range_path: proof.path,
            label: if get.with_label { meta.label } else { Vec::new() },
            piece_len: all,
            len,
        };
        stream.write_frame(&wire::encode(&head)).await?;
        let (writer, reader) = stream.halves();
        let range = get.offset..get.offset + len;
        let sent = match &paid {
            None => self.send(writer, &handle, range, None).await,
            Some((permit, meter)) => tokio::select! {
                sent = self.send(writer, &handle, range, Some(meter)) => sent,
                no = self.take_receipts(reader, permit, meter) => Err(no),
            },
        };
        if sent.is_err() {
            // Bytes were promised: only the cut says that no more come.
            stream.reset(0);
        }
        sent
    }

    /// The count of what is served under a permit, with the receipt that came with the ask; none under one that is free.
    fn paid(&self, permit: &Permit, get: &GetPiece) -> Result<Option<Meter>, No> {
        if permit.flags & FLAG_FREE != 0 {
            return Ok(None);
        }
        let meter = self.0.receipts.meter(permit, &get.permit);
        meter.take(permit, &get.receipt, (self.0.now)()).map_err(|bad| bad_receipt(permit, bad))?;
        Ok(Some(meter))
    }

    /// Sends a range as far and as fast as it is paid for.
    async fn send(
        &self,
        writer: &mut net::StreamWriter,
        handle: &PieceHandle,
        range: std::ops::Range<u64>,
        paid: Option<&Meter>,
    ) -> Result<(), No> {
        let mut at = range.start;
        while at < range.end {
            let wanted = (range.end - at).min(SEND_STEP);
            let step = match paid {
                None => wanted,
                Some(meter) => meter.hand_out(wanted, RECEIPT_WAIT).await,
            };
            if step == 0 {
                return Err(No(RefusalMsg::new(errors::BAD_RECEIPT, [("serial", "–".to_owned())])));
            }
            let range = handle.read_verified(at, step).await?;
            writer.write_all(&range.data).await?;
            self.0.sent.fetch_add(step, Relaxed);
            at += step;
        }
        Ok(())
    }

    /// Takes receipts until one is bad; a payer that sends none any more is waited for by who sends.
    async fn take_receipts(&self, reader: &mut net::StreamReader, permit: &Permit, meter: &Meter) -> No {
        loop {
            match reader.read_frame(Receipt::LEN).await {
                Ok(frame) => {
                    if let Err(bad) = meter.take(permit, &frame, (self.0.now)()) {
                        return bad_receipt(permit, bad);
                    }
                }
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Which pieces bear a locator.
    async fn locate(&self, stream: &mut Stream, ask: Locate) -> Result<(), No> {
        self.owner_allows(false)?;
        let after = ask.after.map(|(segment, index)| PieceKey { segment, index });
        let found = self.0.store.locate(ask.locator, after, usize::from(ask.limit.min(LOCATED_MAX))).await;
        let told = |meta: PieceMeta| LocatedPiece {
            segment: meta.segment,
            index: meta.index,
            pg: meta.pg,
            scheme: meta.scheme,
            sealed_bytes: meta.sealed_bytes,
            label: meta.label,
        };
        let answer = PieceAnswer::Located(found.into_iter().map(told).collect());
        Ok(stream.write_frame(&wire::encode(&answer)).await?)
    }

    /// Proves that pieces are here: a slice of each that is asked for, then the signature over all of them.
    async fn audit(&self, caller: NodeId, stream: &mut Stream, open: AuditOpen) -> Result<(), No> {
        self.owner_allows(false)?;
        let AuditOpen { permit, challenge } = open;
        let count = challenge.picks.len();
        if count > AUDIT_PICKS_MAX || challenge.node != self.0.id {
            let args = [("what", "audit".into()), ("size", count.to_string()), ("limit", AUDIT_PICKS_MAX.to_string())];
            return Err(no(errors::TOO_LARGE, args));
        }
        let bytes = permit;
        let permit = self.check(&bytes, PermitOp::Audit, [0; 16], caller, (count * SLICE_MAX) as u64)?;
        let mut slices = Vec::with_capacity(count);
        for pick in &challenge.picks {
            let slice = self.slice(pick).await?;
            slices.push(if slice.is_empty() { audit::NOT_HELD } else { audit::slice_hash(&slice) });
            self.0.sent.fetch_add(slice.len() as u64, Relaxed);
            stream.write_frame(&wire::encode(&PieceAnswer::Slice(slice))).await?;
        }
        let answer = AuditAnswer { challenge: challenge.hash(), slices };
        let signed = PieceAnswer::Signed(answer.sign(&self.0.key).to_vec());
        stream.write_frame(&wire::encode(&signed)).await?;
        self.take_pay(stream, &permit, &bytes).await;
        Ok(())
    }

    /// Takes the receipt for proofs, which who asked signs when it has judged them; none comes for what proves nothing.
    async fn take_pay(&self, stream: &mut Stream, permit: &Permit, bytes: &[u8]) {
        if permit.flags & FLAG_FREE != 0 {
            return;
        }
        let Ok(Ok(frame)) = tokio::time::timeout(PAY_WAIT, stream.read_frame(Receipt::LEN)).await else {
            tracing::debug!("proofs were given and no receipt came for them");
            return;
        };
        if let Err(bad) = self.0.receipts.meter(permit, bytes).take(permit, &frame, (self.0.now)()) {
            tracing::info!(%bad, "the receipt for proofs does not count");
        }
    }

    /// A slice with its proofs as bytes; none where the piece is not here or is damaged. A disk that fails says so.
    async fn slice(&self, pick: &AuditPick) -> Result<Vec<u8>, No> {
        let held = self.0.store.get(PieceKey { segment: pick.segment, index: pick.index }).await;
        let handle = match held {
            Ok(Some(handle)) if u64::from(pick.group) * (codec::GROUP_LEN as u64) < handle.len() => handle,
            Ok(_) | Err(StoreError::Missing(_) | StoreError::Damaged(_)) => return self.not_held(),
            Err(error) => return Err(error.into()),
        };
        match handle.slice(pick.group).await {
            Ok(slice) => Ok(self.told(slice.to_bytes())),
            Err(StoreError::Missing(_) | StoreError::Damaged(_)) => self.not_held(),
            Err(error) => Err(error.into()),
        }
    }

    /// The word that a piece is not here, which only a disk that is there can give.
    fn not_held(&self) -> Result<Vec<u8>, No> {
        if self.0.store.is_there() { Ok(Vec::new()) } else { Err(no(errors::NOT_LENDING, [("why", "fault".into())])) }
    }

    /// What a slice is told as: itself, but by a node that lies for a test.
    fn told(&self, mut slice: Vec<u8>) -> Vec<u8> {
        if let Some(last) = slice.last_mut().filter(|_| self.0.lies) {
            *last ^= 1;
        }
        slice
    }

    async fn probe(&self, caller: NodeId, stream: &mut Stream, permit: &[u8], up: u64, down: u64) -> Result<(), No> {
        if up > PROBE_BYTES_MAX || down > PROBE_BYTES_MAX {
            return Err(no(
                errors::TOO_LARGE,
                [("what", "probe".into()), ("size", up.max(down).to_string()), ("limit", PROBE_BYTES_MAX.to_string())],
            ));
        }
        self.check(permit, PermitOp::Probe, [0; 16], caller, up + down)?;
        let mut buffer = vec![0x5a; STEP];
        let mut got = 0;
        while got < up {
            match tokio::time::timeout(SILENCE_MAX, stream.read_some(&mut buffer))
                .await
                .map_err(|_| NetError::TimedOut(SILENCE_MAX))??
            {
                0 => break,
                n => got += n as u64,
            }
        }
        stream.write_frame(&wire::encode(&PieceAnswer::Probe)).await?;
        let mut sent = 0;
        while sent < down {
            let step = usize::try_from((down - sent).min(STEP as u64)).unwrap_or(STEP);
            stream.write_all(&buffer[..step]).await?;
            sent += step as u64;
        }
        Ok(())
    }
}

fn bad_receipt(permit: &Permit, bad: Bad) -> No {
    let serial: String = permit.serial.iter().map(|byte| format!("{byte:02x}")).collect();
    no(errors::BAD_RECEIPT, [("serial", serial), ("name", bad.to_string())])
}

/// The piece as the store keeps it, when its proof leads to the segment's id.
fn meta_of(put: &PutPiece) -> Result<PieceMeta, No> {
    let wrong = || no(errors::ROOT_MISMATCH, [("segment", put.segment.short())]);
    let meta = PieceMeta {
        pg: put.pg,
        segment: put.segment,
        index: put.index,
        len: put.len,
        scheme: put.scheme,
        sealed_bytes: put.sealed_bytes,
        segment_root: put.segment_root,
        piece_root: put.piece_root,
        path: put.path.clone(),
        label: put.label.clone(),
    };
    if commits(&meta) { Ok(meta) } else { Err(wrong()) }
}

/// True when a piece's root, path and length are what its segment's id commits to.
pub fn commits(meta: &PieceMeta) -> bool {
    let Ok(layout) = codec::Layout::new(meta.scheme, meta.sealed_bytes) else { return false };
    layout.piece_len() == meta.len
        && codec::verify_path(&meta.segment, &layout, &meta.segment_root, meta.index, &meta.piece_root, &meta.path)
}

#[cfg(test)]
mod tests;
