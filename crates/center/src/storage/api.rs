//! What gateways ask: a placement group to write to, a commit, a manifest with the holders that are on. Thin in this version:
//! one open group of a circle, whole segments; every receipt is checked all the same.

use super::store::{self, ObjectRow, PgRow};
use crate::access::api::who;
use crate::fleet::store::Standing;
use crate::refuse::{Refused, bad_value, plain};
use crate::{Caller, Center};
use model::{Alias, Capability, NodeId, PgId, Presence, Span, errors};
use rules::storage::place::{Candidate, PlaceAsk, PlaceFacts, place};
use std::collections::BTreeSet;
use wire::limits::{COMMIT_SEGMENTS_MAX, MANIFEST_MAX, PAGE_MAX, SEALED_NAME_MAX};
use wire::signed::{Permit, PermitOp, PieceReceipt};
use wire::storage::{
    Commit, Committed, ObjectLine, ObjectList, ObjectPage, ReadGrant, ReadOpen, ReadSegment, Slot, WriteGrant,
    WriteOpen, WrittenSegment,
};
use wire::{PeerAddr, RefusalMsg, Reply};

/// How long leave to write holds.
const WRITE_LIFE: Span = Span::hours(1);
/// How long leave to read holds.
const READ_LIFE: Span = Span::hours(24);
/// Bytes one leave to write covers at one node.
const WRITE_BYTES_MAX: u64 = 1 << 40;

/// The nodes of the cloud as placement sees them.
fn facts(center: &Center, accepts: &[(Alias, u32)]) -> PlaceFacts {
    let now = center.now();
    let fleet = center.fleet();
    let store_bit = 1 << Capability::Store.code();
    let nodes = accepts.iter().filter_map(|(alias, bits)| {
        let node = fleet.node(*alias)?;
        let on = fleet.presence.state(now, *alias) == Presence::On;
        let takes_part = node.standing == Standing::Active && bits & store_bit != 0;
        // A node that was never heard since this start, or is away, gets no new pieces; without a month of history a
        // member of a circle counts as always on while it has no gap (`docs/design/storage.md` §3).
        Some(Candidate { alias: *alias, owner: node.owner, fit: takes_part && on, on, always_on: on })
    });
    PlaceFacts { nodes: nodes.collect() }
}

/// Where to write: the open group when its members are those the rules would choose now, else a new one.
pub async fn write_open(center: &Center, caller: &Caller, ask: WriteOpen) -> Result<Reply, Refused> {
    who(center, caller).await?;
    let accepts = center.db().read(|q| Ok(crate::fleet::store::accepts_of_all(q)?)).await?;
    let facts = facts(center, &accepts);
    let place_ask = PlaceAsk { class: "standard".to_owned(), nodes_min: 1 };
    let plan = place(&facts, &place_ask, &mut rand::rng())?;
    let opened = center.db().write(move |tx| match store::open_pg(tx)? {
        Some(pg) if pg.scheme == plan.scheme && pg.slots == plan.slots => Ok(pg),
        _ => store::insert_pg(tx, &plan.scheme, &plan.slots),
    });
    let pg = opened.await?;
    let bytes = ask.bytes_max.min(WRITE_BYTES_MAX);
    let slots = slots(center, &pg, caller.id, PermitOp::Put, WRITE_LIFE, bytes);
    Ok(Reply::WriteGrant(Box::new(WriteGrant { pg: pg.pg, generation: pg.generation, scheme: pg.scheme, slots })))
}

fn slots(center: &Center, pg: &PgRow, session: NodeId, op: PermitOp, life: Span, units: u64) -> Vec<Slot> {
    let now = center.now();
    let known: Vec<(u16, NodeId, PeerAddr, bool)> = {
        let fleet = center.fleet();
        let members = (0u16..).zip(&pg.slots).filter_map(|(index, alias)| {
            let id = fleet.node(*alias)?.id;
            let on = fleet.presence.state(now, *alias) == Presence::On;
            Some((index, id, fleet.addr(*alias).unwrap_or(PeerAddr::key_only(id)), on))
        });
        members.collect()
    };
    let cloud = center.keys().cloud_key();
    let sign = |node: NodeId| {
        let permit = Permit {
            op,
            flags: 0,
            serial: Permit::serial_of(now, center.random()),
            target: Permit::pg_target(pg.pg),
            node: node.0,
            session: session.0,
            cloud: cloud.0[..8].try_into().expect("a key has 32 bytes"),
            payer: 0,
            max_units: units,
            max_units_node: units,
            not_after: now + life,
            generation: pg.generation,
            revocation_epoch: 0,
            key_epoch: 0,
        };
        permit.sign(&center.keys().permit).to_vec()
    };
    known.into_iter().map(|(index, id, addr, on)| Slot { index, addr, on, permit: sign(id) }).collect()
}

/// Makes an object visible: enough receipts of distinct holders for every segment, then one transaction.
pub async fn commit(center: &Center, caller: &Caller, commit: Commit) -> Result<Reply, Refused> {
    who(center, caller).await?;
    if commit.segments.len() > COMMIT_SEGMENTS_MAX
        || commit.manifest.len() > MANIFEST_MAX
        || commit.name_sealed.len() > SEALED_NAME_MAX
    {
        let limit = format!("{COMMIT_SEGMENTS_MAX} segments, {MANIFEST_MAX} B manifest, {SEALED_NAME_MAX} B name");
        return Err(RefusalMsg::new(
            errors::TOO_LARGE,
            [("what", "commit".into()), ("size", "–".into()), ("limit", limit)],
        )
        .into());
    }
    let mut checked = Vec::new();
    for segment in &commit.segments {
        checked.push(check_segment(center, segment).await?);
    }
    let now = center.now();
    let done = center.db().write(move |tx| {
        if let Some((bucket_seq, at)) = store::commit_answer(tx, &commit.commit_id)? {
            return Ok(Committed { bucket_seq, at });
        }
        let mut places = Vec::with_capacity(checked.len() * 12);
        for (segment, have) in commit.segments.iter().zip(&checked) {
            let seq = store::insert_segment(tx, segment.pg, &segment.id, segment.sealed_bytes, have)?;
            places.extend_from_slice(&segment.pg.0.to_le_bytes());
            places.extend_from_slice(&seq.to_le_bytes());
        }
        let object = ObjectRow {
            bucket_seq: 0,
            name_sealed: commit.name_sealed.clone(),
            manifest: commit.manifest.clone(),
            segments: places,
            at: now,
        };
        let bucket_seq = store::insert_object(tx, &commit.commit_id, &commit.bucket, &object)?;
        Ok(Committed { bucket_seq, at: now })
    });
    Ok(Reply::Committed(done.await?))
}

/// Bitmap of the holders whose receipts hold; E0306 with fewer than the scheme accepts.
async fn check_segment(center: &Center, segment: &WrittenSegment) -> Result<Vec<u8>, Refused> {
    let pg = load_pg(center, segment.pg).await?;
    let mut have = vec![0u8; pg.slots.len().div_ceil(8)];
    let mut holders = BTreeSet::new();
    for bytes in segment.receipts.iter().take(pg.slots.len()) {
        let receipt = PieceReceipt::check(bytes).ok_or_else(|| bad_receipt("–"))?;
        let at_slot =
            pg.slots.get(usize::from(receipt.index)).and_then(|alias| center.fleet().node(*alias).map(|n| n.id));
        if receipt.segment != segment.id || receipt.pg != segment.pg || at_slot != Some(receipt.node) {
            return Err(bad_receipt(&receipt.node.short()));
        }
        have[usize::from(receipt.index / 8)] |= 1 << (receipt.index % 8);
        holders.insert(receipt.node);
    }
    if holders.len() < usize::from(pg.scheme.accept) {
        let args = [
            ("class", pg.scheme.to_string()),
            ("need", pg.scheme.accept.to_string()),
            ("live", holders.len().to_string()),
            ("fit", holders.len().to_string()),
        ];
        return Err(RefusalMsg::new(errors::TOO_FEW_NODES, args).into());
    }
    Ok(have)
}

fn bad_receipt(serial: &str) -> Refused {
    RefusalMsg::new(errors::BAD_RECEIPT, [("serial", serial.to_owned())]).into()
}

async fn load_pg(center: &Center, pg: PgId) -> Result<PgRow, Refused> {
    let found = center.db().read(move |q| Ok(store::pg(q, pg)?)).await?;
    found.ok_or_else(|| RefusalMsg::new(errors::LEASE_STALE, [("pg", pg.to_string())]).into())
}

/// A manifest, with the holders of its segments.
pub async fn read_open(center: &Center, caller: &Caller, ask: ReadOpen) -> Result<Reply, Refused> {
    who(center, caller).await?;
    let found = center.db().read(move |q| {
        let Some(object) = store::object(q, &ask.bucket, &ask.name_sealed)? else { return Ok(None) };
        let mut segments = Vec::new();
        for place in object.segments.chunks_exact(12) {
            let (pg, seq) = place_of(place);
            if let (Some(segment), Some(pg)) = (store::segment(q, pg, seq)?, store::pg(q, pg)?) {
                segments.push((segment, pg));
            }
        }
        Ok(Some((object, segments)))
    });
    let (object, segments) = found.await?.ok_or_else(|| Refused(plain(errors::OBJECT_UNKNOWN)))?;
    let segments = segments.into_iter().map(|(segment, pg)| {
        let mut slots = slots(center, &pg, caller.id, PermitOp::Get, READ_LIFE, WRITE_BYTES_MAX);
        slots.retain(|s| {
            segment.have.get(usize::from(s.index / 8)).is_some_and(|byte| byte & (1 << (s.index % 8)) != 0)
        });
        ReadSegment { id: segment.id, pg: segment.pg, sealed_bytes: segment.sealed_bytes, scheme: pg.scheme, slots }
    });
    Ok(Reply::ReadGrant(Box::new(ReadGrant { manifest: object.manifest, segments: segments.collect() })))
}

fn place_of(bytes: &[u8]) -> (PgId, u64) {
    let (pg, seq) = bytes.split_at(4);
    (
        PgId(u32::from_le_bytes(pg.try_into().expect("chunks of 12"))),
        u64::from_le_bytes(seq.try_into().expect("chunks of 12")),
    )
}

/// Changes of a bucket in order.
pub async fn object_list(center: &Center, caller: &Caller, ask: ObjectList) -> Result<Reply, Refused> {
    who(center, caller).await?;
    if usize::from(ask.limit) > PAGE_MAX {
        return Err(bad_value("limit", &ask.limit.to_string(), "at most 1,000").into());
    }
    let limit = u32::from(ask.limit.max(1));
    let mut rows = center.db().read(move |q| Ok(store::objects(q, &ask.bucket, ask.after, limit + 1)?)).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let objects = rows.into_iter().map(|o| ObjectLine {
        bucket_seq: o.bucket_seq,
        name_sealed: o.name_sealed,
        manifest: o.manifest,
        at: o.at,
    });
    Ok(Reply::Objects(ObjectPage { objects: objects.collect(), more }))
}
