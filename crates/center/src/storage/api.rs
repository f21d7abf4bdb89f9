//! What gateways ask: a placement group to write to, a manifest with the holders that are on, buckets and their names. Commits
//! stand in [`super::commit`].

use super::commit::{self, Writer};
use super::place;
use super::store::bucket::{self, BucketRow, Kind};
use super::store::{self, PgRow, SegmentRow};
use crate::access::api::who;
use crate::access::grants::{allows, judge};
use crate::access::store::MemberRow;
use crate::db::{Reader, StoreError};
use crate::fleet::api::alias_of;
use crate::leave::{Leave, Payer, Pays};
use crate::ledger::allow::{Beyond, Wanted};
use crate::refuse::{Refused, bad_value, plain};
use crate::{Caller, Center};
use model::{BucketId, MemberId, NodeId, PgId, Presence, Resource, Span, errors};
use rules::ledger::allowance::{self, Leave as LeaveAsk};
use rules::ledger::tariff::Source;
use rules::storage::group::DomainKind;
use rules::storage::survives::AnyOf;
use std::collections::{BTreeMap, BTreeSet};
use wire::account::{Granted, GrantedAsk};
use wire::limits::{FATES_MAX, KNOWN_GROUPS_MAX, LABEL_MAX, PAGE_MAX, READ_SEGMENTS_MAX, REGIONS_MAX, REPLY_MAX};
use wire::signed::{GrantOps, Permit, PermitOp};
use wire::storage::{
    BucketLine, BucketMake, BucketReport, ObjectLine, ObjectList, ObjectPage, ReadGrant, ReadGroup, ReadOpen,
    ReadSegment, SegmentRun, Slot, WriteGrant, WriteOpen,
};
use wire::{PeerAddr, RefusalMsg, Reply};

/// How long leave to write holds.
const WRITE_LIFE: Span = Span::hours(1);
/// How long leave to read holds that nobody pays for.
const READ_LIFE: Span = Span::hours(24);
/// Bytes of one answer's names; the rest follows on the next page.
const LIST_BYTES_MAX: usize = REPLY_MAX / 2;
/// What a line takes beside its own fields, at most.
const LINE_BYTES: usize = 64;
/// Bytes one leave to write covers at one node.
const WRITE_BYTES_MAX: u64 = 1 << 40;

/// Where to write: the group of the bucket's class and regions.
pub async fn write_open(center: &Center, caller: &Caller, ask: WriteOpen) -> Result<Reply, Refused> {
    let owner = who(center, caller).await?.id;
    write(center, owner, ask).await
}

async fn write(center: &Center, owner: MemberId, ask: WriteOpen) -> Result<Reply, Refused> {
    let id = ask.bucket;
    let found = center.db().read(move |q| {
        let row = of(bucket::find(q, &id)?, &owner)?;
        // Told before anything is sent for nothing; the commit judges the very bytes.
        row.check_quota(1).map(|()| row)
    });
    let row = found.await?;
    let place::WriteTo { group: pg, first } = place::write_to(center, &row).await?;
    let bytes = ask.bytes_max.min(WRITE_BYTES_MAX);
    let pays = center.spends(&owner).await?;
    let ask = SlotsAsk { session: ask.session, op: PermitOp::Put, pays, life: WRITE_LIFE, units: bytes };
    let slots = slots(center, &pg, &ask, true);
    let (pg, generation, scheme) = (pg.pg, pg.generation, pg.scheme);
    let grant = WriteGrant { pg, generation, scheme, slots, first: first.send, spare: first.spare };
    Ok(Reply::WriteGrant(Box::new(grant)))
}

/// What leave is asked for at all slots of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotsAsk {
    /// Key of the endpoint.
    pub session: NodeId,
    /// What it will do.
    pub op: PermitOp,
    /// Who pays.
    pub pays: Pays,
    /// For so long.
    pub life: Span,
    /// Up to so many bytes at each.
    pub units: u64,
}

/// A group's slots with leave for what is asked; without the permits where the session has them already.
pub(super) fn slots(center: &Center, pg: &PgRow, ask: &SlotsAsk, with_permits: bool) -> Vec<Slot> {
    let now = center.now();
    let SlotsAsk { session, op, pays, life, units } = *ask;
    let units = units.min(WRITE_BYTES_MAX);
    let known: Vec<(u16, NodeId, Payer, PeerAddr, bool)> = {
        let fleet = center.fleet();
        let members = (0u16..).zip(&pg.slots).filter_map(|(index, alias)| {
            let node = fleet.node(*alias)?;
            let (id, payer) = (node.id, pays.at(&node.owner));
            let on = fleet.presence.state(now, *alias) == Presence::On;
            Some((index, id, payer, fleet.addr(*alias).unwrap_or(PeerAddr::key_only(id)), on))
        });
        members.collect()
    };
    let sign = |node: NodeId, payer: Payer| {
        let (target, generation) = (Permit::pg_target(pg.pg), pg.generation);
        Leave { op, session, node, target, generation, units, life, payer }.sign(center).to_vec()
    };
    let permit = |node, payer| if with_permits { sign(node, payer) } else { Vec::new() };
    known.into_iter().map(|(index, id, payer, addr, on)| Slot { index, addr, on, permit: permit(id, payer) }).collect()
}

/// A bucket of the caller's own; another's is as unknown as one that is not there.
pub(super) fn own(found: Option<BucketRow>, member: &MemberRow) -> Result<BucketRow, StoreError> {
    of(found, &member.id)
}

pub(crate) fn of(found: Option<BucketRow>, owner: &MemberId) -> Result<BucketRow, StoreError> {
    found
        .filter(|bucket| bucket.owner == *owner)
        .ok_or_else(|| StoreError::refused(errors::BUCKET_UNKNOWN, "no such bucket of this member"))
}

/// Makes a bucket.
pub async fn bucket_make(center: &Center, caller: &Caller, make: BucketMake) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    if make.label.len() > LABEL_MAX {
        return Err(too_large("label", make.label.len(), LABEL_MAX));
    }
    if make.regions.len() > REGIONS_MAX {
        return Err(too_large("list of regions", make.regions.len(), REGIONS_MAX));
    }
    let now = center.now();
    let id = make.id;
    if center.db().read(move |q| Ok(bucket::find(q, &id)?)).await?.is_none() {
        super::offer::check(center, make.class, &make.regions, make.regions_min).await?;
    }
    let made = center.db().write(move |tx| match bucket::find(tx, &make.id)? {
        // The same again is answered as if it were the first.
        Some(there) if there.owner == member.id && there.key_check == make.check => Ok(()),
        _ => bucket::insert(tx, &member.id, &make, now).map(drop),
    });
    made.await?;
    Ok(Reply::Done)
}

/// One's own buckets.
pub async fn bucket_list(center: &Center, caller: &Caller) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let rows = center.db().read(move |q| Ok(bucket::of_owner(q, &member.id)?)).await?;
    Ok(Reply::Buckets(rows.into_iter().map(line).collect()))
}

/// One bucket of one's own.
pub async fn bucket_show(center: &Center, caller: &Caller, id: BucketId) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    bucket_of(center, member.id, id).await
}

async fn bucket_of(center: &Center, owner: MemberId, id: BucketId) -> Result<Reply, Refused> {
    let row = center.db().read(move |q| of(bucket::find(q, &id)?, &owner)).await?;
    Ok(Reply::Buckets(vec![line(row)]))
}

/// A call under a grant: as if its giver called, within what the grant allows.
pub async fn granted(center: &Center, caller: &Caller, granted: Granted) -> Result<Reply, Refused> {
    let (allowed, giver) = judge(center, caller, &granted).await?;
    match granted.ask {
        GrantedAsk::Show => {
            let Reply::Buckets(mut lines) = bucket_of(center, giver, allowed.bucket).await? else {
                return Err(Refused(plain(errors::BUG)));
            };
            // What the whole bucket holds is none of the holder's business.
            for line in &mut lines {
                (line.label, line.objects, line.sealed_bytes) = (Vec::new(), 0, 0);
            }
            Ok(Reply::Buckets(lines))
        }
        GrantedAsk::Read(ask) => {
            allows(&allowed, GrantOps::GET, &ask.bucket, Some(&ask.name_sealed))?;
            // Its giver pays, out of what it has: never as debt by another's signature. Who works for it reads as it does, as far as
            // its limit goes; and nobody is given more leave than what is read needs.
            let works = alias_of(center, caller).is_ok_and(|node| center.board().works_for(center.now(), &giver, node));
            let beyond = if works { center.workers_reads() } else { center.others_reads() };
            let payer = Reads { pays: center.read_by(&giver).await, beyond };
            read(center, (giver, false), payer, ReadOpen { units: 0, ..ask }).await
        }
        GrantedAsk::List(ask) => {
            allows(&allowed, GrantOps::LIST, &ask.bucket, ask.name_sealed.as_deref())?;
            list(center, giver, ask, &allowed.prefix).await
        }
        GrantedAsk::Write(ask) => {
            allows(&allowed, GrantOps::PUT, &ask.bucket, None)?;
            write(center, giver, ask).await
        }
        GrantedAsk::Keep(ask) => {
            allows(&allowed, GrantOps::PUT, &ask.bucket, None)?;
            commit::keep_for(center, giver, *ask).await
        }
        GrantedAsk::Commit(ask) => {
            let writer = Writer { owner: giver, under: Some(&allowed) };
            commit::commit_for(center, caller, writer, *ask).await
        }
        GrantedAsk::Batch(ask) => {
            let writer = Writer { owner: giver, under: Some(&allowed) };
            commit::batch_for(center, caller, writer, *ask).await
        }
    }
}

/// What a bucket of one's own survives now.
pub async fn bucket_report(center: &Center, caller: &Caller, id: BucketId) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let row = center.db().read(move |q| own(bucket::find(q, &id)?, &member)).await?;
    let report = place::report(center, &row).await?;
    let told = report.survives.zip(report.scheme).map(|(s, scheme)| {
        let any = |(kind, any): (&DomainKind, &AnyOf)| (kind_word(*kind).to_owned(), any.count, any.may_die);
        Box::new(BucketReport {
            scheme,
            pieces: s.pieces,
            on: s.on,
            nodes: s.nodes,
            any_nodes: s.any_nodes,
            any: s.any.iter().map(any).collect(),
            whole: s.whole.iter().take(FATES_MAX).map(|f| (f.domain.to_string(), f.left, f.survives)).collect(),
            pool_ppm: s.pool_now.0,
            is_partial: report.is_partial,
            is_waived: report.is_waived,
        })
    });
    Ok(Reply::BucketReport(told))
}

/// The word of a kind of domain on the wire.
const fn kind_word(kind: DomainKind) -> &'static str {
    match kind {
        DomainKind::Owner => "owner",
        DomainKind::Lan => "lan",
        DomainKind::Prefix => "prefix",
        DomainKind::Network => "network",
        DomainKind::Os => "os",
        DomainKind::Version => "version",
        DomainKind::Country => "country",
    }
}

/// Removes a bucket without names.
pub async fn bucket_remove(center: &Center, caller: &Caller, id: BucketId) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let now = center.now();
    let removed = center.db().write(move |tx| {
        let row = own(bucket::hold(tx, &id)?, &member)?;
        bucket::remove(tx, &row, now)
    });
    removed.await?;
    Ok(Reply::Done)
}

fn line(row: BucketRow) -> BucketLine {
    let regions = row.rule().only.into_iter().collect();
    BucketLine {
        id: row.id,
        check: row.key_check,
        name_check: row.name_check,
        label: row.label,
        at: row.made_at,
        head: row.head,
        objects: row.objects,
        sealed_bytes: row.sealed_bytes,
        class: row.class,
        regions,
        regions_min: row.regions_min,
        quota: row.quota,
    }
}

/// Sets what a bucket of one's own may hold at most.
pub async fn bucket_quota(center: &Center, caller: &Caller, id: BucketId, quota: u64) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let set = center.db().write(move |tx| {
        let row = own(bucket::hold(tx, &id)?, &member)?;
        Ok(bucket::set_quota(tx, &row, quota.min(i64::MAX as u64))?)
    });
    set.await?;
    Ok(Reply::Done)
}

pub(crate) fn too_large(what: &str, size: usize, limit: usize) -> Refused {
    let args = [("what", what.to_owned()), ("size", size.to_string()), ("limit", limit.to_string())];
    RefusalMsg::new(errors::TOO_LARGE, args).into()
}

pub(super) async fn load_pg(center: &Center, pg: PgId) -> Result<PgRow, Refused> {
    let found = center.db().read(move |q| Ok(store::pg(q, pg)?)).await?;
    found.ok_or_else(|| RefusalMsg::new(errors::LEASE_STALE, [("pg", pg.to_string())]).into())
}

/// A manifest, and as many of its segments as were asked for, with their holders.
pub async fn read_open(center: &Center, caller: &Caller, ask: ReadOpen) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let payer = Reads { pays: center.read_by(&member.id).await, beyond: center.own_reads() };
    read(center, (member.id, true), payer, ask).await
}

/// Who pays for reading, and what may be owed for it.
#[derive(Debug, Clone, Copy)]
struct Reads {
    pays: Pays,
    beyond: Beyond,
}

/// What a group's permits are asked for, as the segments of a page need it.
fn leave_for(center: &Center, pays: Pays, group: &PgRow, segments: &[SegmentRow], asked: u64) -> LeaveAsk {
    let here = segments.iter().filter(|segment| segment.pg == group.pg);
    let mut pieces = here.map(|segment| group.scheme.piece_bytes(segment.sealed_bytes)).peekable();
    let first = pieces.peek().copied().unwrap_or(0);
    let needed = pieces.fold(0u64, u64::saturating_add);
    let fleet = center.fleet();
    let owners = group.slots.iter().filter_map(|alias| Some(fleet.node(*alias)?.owner));
    let paid = owners.filter(|owner| !pays.at(owner).is_free()).count();
    LeaveAsk { needed, first, asked, k: group.scheme.k, paid: u16::try_from(paid).unwrap_or(u16::MAX) }
}

/// Bytes of leave at each holder of these groups, covered before a permit is signed; who pays then, and how long permits live.
/// Where neither can be written down, reading goes on for nothing.
async fn cover(center: &Center, reads: Reads, groups: &[LeaveAsk]) -> Result<(Pays, Span, Vec<u64>), Refused> {
    let Pays::Member(member, account) = reads.pays else {
        return Ok((reads.pays, READ_LIFE, vec![WRITE_BYTES_MAX; groups.len()]));
    };
    let (life, windows) = allowance::life(center.now());
    let is_free = groups.iter().all(|group| group.paid == 0);
    let Some(price) = center.egress_price().await?.filter(|price| price.source != Source::Free && !is_free) else {
        return Ok((reads.pays, READ_LIFE, vec![WRITE_BYTES_MAX; groups.len()]));
    };
    let mut refused = None;
    for is_least in [false, true] {
        let each = |group: &LeaveAsk| if is_least { group.least() } else { group.units() };
        let units: Vec<u64> = groups.iter().map(each).collect();
        let bytes =
            groups.iter().zip(&units).fold(0u64, |sum, (group, units)| sum.saturating_add(group.in_all(*units)));
        let cost = allowance::cost(bytes, windows, &price);
        let wanted = Wanted { account, member, resource: Resource::Egress, cost, bytes, beyond: reads.beyond };
        match center.cover(wanted).await {
            Ok(()) => return Ok((reads.pays, life, units)),
            Err(Refused(no)) if matches!(no.id, errors::DB_UNWRITABLE | errors::LEDGER_STOPPED) => {
                tracing::warn!(id = %no.id, "nothing can be set aside for reading; it is free meanwhile");
                return Ok((Pays::Nobody, READ_LIFE, vec![WRITE_BYTES_MAX; groups.len()]));
            }
            Err(no) => refused = Some(no),
        }
    }
    Err(refused.unwrap_or_else(|| Refused(plain(errors::BUG))))
}

/// `sees_dropped`: also what went out of its name's history.
async fn read(
    center: &Center,
    (owner, sees_dropped): (MemberId, bool),
    payer: Reads,
    ask: ReadOpen,
) -> Result<Reply, Refused> {
    if ask.known.len() > KNOWN_GROUPS_MAX {
        return Err(too_large("list of groups", ask.known.len(), KNOWN_GROUPS_MAX));
    }
    let (session, known, asked) = (ask.session, ask.known.clone(), ask.units);
    let found = center.db().read(move |q| {
        let row = of(bucket::find(q, &ask.bucket)?, &owner)?;
        let (mut version, mut is_dropped) = match &ask.version {
            Some(version) => (bucket::version(q, row.number, &ask.name_sealed, version)?, false),
            None => (bucket::newest(q, row.number, &ask.name_sealed)?, false),
        };
        if let (None, Some(wanted), true) = (&version, &ask.version, sees_dropped) {
            (version, is_dropped) = (bucket::dropped(q, row.number, &ask.name_sealed, wanted)?, true);
        }
        let Some(version) = version.filter(|v| v.kind == Kind::Object) else { return Ok(None) };
        let segments = page_of(q, &version.segments, ask.first, ask.limit.min(READ_SEGMENTS_MAX))?;
        let numbers: BTreeSet<PgId> = segments.iter().map(|s| s.pg).collect();
        let groups: Vec<PgRow> =
            numbers.into_iter().map(|pg| store::pg(q, pg)).filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok(Some((version, is_dropped, segments, groups)))
    });
    let (version, is_dropped, segments, groups) = found.await?.ok_or_else(|| Refused(plain(errors::OBJECT_UNKNOWN)))?;
    let is_new = |pg: &PgRow| !known.contains(&(pg.pg, pg.generation));
    let fresh: Vec<&PgRow> = groups.iter().filter(|pg| is_new(pg)).collect();
    let leaves: Vec<LeaveAsk> = fresh.iter().map(|pg| leave_for(center, payer.pays, pg, &segments, asked)).collect();
    let (pays, life, units) = cover(center, payer, &leaves).await?;
    let units: BTreeMap<PgId, u64> = fresh.iter().map(|pg| pg.pg).zip(units).collect();
    let group = |pg: &PgRow| {
        let units = units.get(&pg.pg).copied();
        let reads = SlotsAsk { session, op: PermitOp::Get, pays, life, units: units.unwrap_or(0) };
        let slots = slots(center, pg, &reads, units.is_some());
        ReadGroup { pg: pg.pg, generation: pg.generation, scheme: pg.scheme, slots }
    };
    let groups: Vec<ReadGroup> = groups.iter().map(group).collect();
    let segment =
        |s: SegmentRow| ReadSegment { id: s.id, pg: s.pg, seq: s.seq, sealed_bytes: s.sealed_bytes, have: s.have };
    Ok(Reply::ReadGrant(Box::new(ReadGrant {
        version: version.version,
        manifest: version.manifest,
        at: version.made_at,
        is_dropped,
        segments_count: version.segments_count,
        segments: segments.into_iter().map(segment).collect(),
        groups,
    })))
}

/// Segments `first` and the next of an object, at most `limit`.
fn page_of(q: &mut Reader<'_>, runs: &[SegmentRun], first: u32, limit: u16) -> Result<Vec<SegmentRow>, StoreError> {
    let (mut skip, mut left) = (first, u32::from(limit));
    let mut page = Vec::new();
    for run in runs {
        if skip >= run.count {
            skip -= run.count;
            continue;
        }
        let take = (run.count - skip).min(left);
        if take == 0 {
            break;
        }
        page.extend(store::segments(q, run.pg, run.seq + u64::from(skip), take)?);
        (skip, left) = (0, left - take);
    }
    Ok(page)
}

/// Changes of a bucket, or of one name in it, in order.
pub async fn object_list(center: &Center, caller: &Caller, ask: ObjectList) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    list(center, member.id, ask, &[]).await
}

/// Changes of names that begin with `prefix`.
async fn list(center: &Center, owner: MemberId, ask: ObjectList, prefix: &[u8]) -> Result<Reply, Refused> {
    let prefix = prefix.to_vec();
    if usize::from(ask.limit) > PAGE_MAX {
        return Err(bad_value("limit", &ask.limit.to_string(), "at most 1,000").into());
    }
    let limit = u32::from(ask.limit.max(1));
    let found = center.db().read(move |q| {
        let row = of(bucket::find(q, &ask.bucket)?, &owner)?;
        Ok((row.head, bucket::changes(q, row.number, ask.name_sealed.as_deref(), &prefix, ask.after, limit + 1)?))
    });
    let (head, mut rows) = found.await?;
    let mut more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let mut bytes = 0;
    let mut objects = Vec::with_capacity(rows.len());
    for v in rows {
        bytes += v.name_sealed.len() + v.record.len() + v.manifest.len() + LINE_BYTES;
        if bytes > LIST_BYTES_MAX {
            more = true;
            break;
        }
        objects.push(ObjectLine {
            bucket_seq: v.bucket_seq,
            name_sealed: v.name_sealed,
            version: v.version,
            record: v.record,
            manifest: v.manifest,
            at: v.made_at,
        });
    }
    Ok(Reply::Objects(ObjectPage { objects, more, head }))
}
