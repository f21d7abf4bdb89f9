//! Writing at the center: segments with their holders' receipts, and the commits that name them, alone or many in one
//! transaction.
//!
//! (A) A segment counts only with enough receipts of distinct holders of its group. (B) A commit is its writer's: signed over
//! this name and this manifest. (C) All of a batch is one transaction; a commit that a precondition refuses leaves the others
//! alone. (D) The same commit id gives the same answer.

use super::api::{load_pg, of, too_large};
use super::store::bucket::{self, BucketRow, Kind, VersionRow};
use super::store::{self, PgRow, thin};
use crate::access::api::who;
use crate::access::grants::allows;
use crate::db::{StoreError, Tx};
use crate::refuse::{Refused, not_allowed};
use crate::{Caller, Center};
use codec::Layout;
use model::{DeviceId, MemberId, Scheme, SegmentId, Stamp, errors};
use rules::storage::scheme::PoolKind;
use std::collections::BTreeSet;
use wire::limits::{
    COMMIT_RUNS_MAX, COMMITS_MAX, MANIFEST_MAX, OBJECT_SEGMENTS_MAX, SEALED_NAME_MAX, SEGMENTS_KEEP_MAX,
};
use wire::signed::grant::Allowed;
use wire::signed::{CommitOp, CommitRecord, GrantOps, PieceReceipt};
use wire::storage::{Commit, CommitAnswers, CommitBatch, Committed, SegmentRun, SegmentsKeep, WrittenSegment};
use wire::{RefusalMsg, Reply};

/// Keeps segments that were written: enough receipts of distinct holders for each, then one transaction.
pub async fn segments_keep(center: &Center, caller: &Caller, ask: SegmentsKeep) -> Result<Reply, Refused> {
    let owner = who(center, caller).await?.id;
    keep_for(center, owner, ask).await
}

/// The same for the owner of the bucket, whoever asks.
pub(super) async fn keep_for(center: &Center, owner: MemberId, ask: SegmentsKeep) -> Result<Reply, Refused> {
    if ask.segments.is_empty() {
        return Err(too_large("segments", 0, SEGMENTS_KEEP_MAX));
    }
    let checked = check_segments(center, &ask.segments).await?;
    let now = center.now();
    let kept = center.db().write(move |tx| {
        let row = of(bucket::find(tx, &ask.bucket)?, &owner)?;
        let mut runs: Vec<SegmentRun> = Vec::new();
        for one in keep(tx, row.number, &ask.segments, &checked, now)? {
            match runs.last_mut() {
                Some(run) if run.pg == one.pg && run.seq + u64::from(run.count) == one.seq => run.count += 1,
                _ => runs.push(one),
            }
        }
        Ok(runs)
    });
    let runs = kept.await?;
    center.news_of_segments();
    Ok(Reply::SegmentsKept(runs))
}

/// Segments into their groups' logs, each at its place; stewards fill up what they lack.
fn keep(
    tx: &mut Tx<'_>,
    bucket: u32,
    segments: &[WrittenSegment],
    have: &[Have],
    now: Stamp,
) -> Result<Vec<SegmentRun>, StoreError> {
    let one = |(s, have): (&WrittenSegment, &Have)| {
        let seq = store::insert_segment(tx, bucket, s, &have.bits, now)?;
        if !have.is_full {
            thin::mark(tx, s.pg, seq)?;
        }
        Ok(SegmentRun { pg: s.pg, seq, count: 1 })
    };
    segments.iter().zip(have).map(one).collect()
}

/// Bitmaps of holders whose receipts hold, of each segment.
async fn check_segments(center: &Center, segments: &[WrittenSegment]) -> Result<Vec<Have>, Refused> {
    if segments.len() > SEGMENTS_KEEP_MAX {
        return Err(too_large("segments", segments.len(), SEGMENTS_KEEP_MAX));
    }
    let mut all = Vec::with_capacity(segments.len());
    for segment in segments {
        all.push(check_segment(center, segment).await?);
    }
    Ok(all)
}

/// A commit whose record was checked.
pub(super) struct Checked {
    pub commit: Commit,
    pub record: CommitRecord,
    bytes: [u8; CommitRecord::LEN],
}

impl Checked {
    /// It takes its name away.
    fn is_marker(&self) -> bool {
        match self.record.op {
            CommitOp::Delete | CommitOp::Drop => true,
            CommitOp::Log => self.commit.manifest.is_empty(),
            _ => false,
        }
    }
}

/// Segments that are named already, and now become a version's.
#[derive(Default)]
pub(super) struct Named {
    runs: Vec<SegmentRun>,
    count: u32,
}

impl Named {
    pub fn add(&mut self, runs: Vec<SegmentRun>, count: u32) {
        self.runs.extend(runs);
        self.count = self.count.saturating_add(count);
    }
}

/// What a commit finds beside its own: segments of its batch, and those of parts.
#[derive(Default)]
pub(super) struct With<'a> {
    pub fresh: &'a [SegmentRun],
    pub named: Named,
    /// The writer is not the owner: it names only what it wrote itself, segments of this bucket that nobody named before.
    pub is_granted: bool,
}

/// Who changes a bucket: its owner's own devices, or somebody under a grant.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    pub owner: MemberId,
    pub under: Option<&'a Allowed>,
}

impl Writer<'_> {
    /// Refuses with E0106 what a grant does not allow: names outside of it, and all but storing and removing.
    fn check(&self, checked: &Checked) -> Result<(), Refused> {
        let Some(allowed) = self.under else { return Ok(()) };
        let (record, name) = (&checked.record, Some(&checked.commit.name_sealed[..]));
        match record.op {
            CommitOp::Put => allows(allowed, GrantOps::PUT, &record.bucket, name),
            CommitOp::Delete => allows(allowed, GrantOps::DELETE, &record.bucket, name),
            _ => Err(not_allowed("who holds the link", "copy", "what is there").into()),
        }
    }
}

/// Changes a name: the writer's record, what it expects, its segments; then one transaction, and the bucket's next head.
pub async fn one(center: &Center, caller: &Caller, commit: Commit) -> Result<Reply, Refused> {
    let owner = who(center, caller).await?.id;
    commit_for(center, caller, Writer { owner, under: None }, commit).await
}

/// The same for who writes.
pub(super) async fn commit_for(
    center: &Center,
    caller: &Caller,
    writer: Writer<'_>,
    commit: Commit,
) -> Result<Reply, Refused> {
    if !commit.fresh.is_empty() {
        return Err(too_large("batch", commit.fresh.len(), 0));
    }
    let checked = check_record(caller, commit)?;
    writer.check(&checked)?;
    let (now, owner, is_granted) = (center.now(), writer.owner, writer.under.is_some());
    let done = center.db().write(move |tx| {
        let mut row = of(bucket::hold(tx, &checked.record.bucket)?, &owner)?;
        apply(tx, &owner, &mut row, &checked, With { is_granted, ..With::default() }, now)
    });
    Ok(Reply::Committed(done.await?))
}

/// Keeps segments and changes the names that they are for.
pub async fn batch(center: &Center, caller: &Caller, batch: CommitBatch) -> Result<Reply, Refused> {
    let owner = who(center, caller).await?.id;
    batch_for(center, caller, Writer { owner, under: None }, batch).await
}

/// The same for who writes.
pub(super) async fn batch_for(
    center: &Center,
    caller: &Caller,
    writer: Writer<'_>,
    batch: CommitBatch,
) -> Result<Reply, Refused> {
    if batch.commits.is_empty() || batch.commits.len() > COMMITS_MAX {
        return Err(too_large("commits", batch.commits.len(), COMMITS_MAX));
    }
    let have = check_segments(center, &batch.segments).await?;
    let commits: Vec<Checked> =
        batch.commits.into_iter().map(|commit| check_record(caller, commit)).collect::<Result<_, _>>()?;
    if commits.iter().any(|c| c.record.bucket != batch.bucket) {
        return Err(RefusalMsg::new(errors::BAD_SIGNATURE, [("thing", "commit".to_owned())]).into());
    }
    commits.iter().try_for_each(|checked| writer.check(checked))?;
    let (now, owner, is_granted) = (center.now(), writer.owner, writer.under.is_some());
    let done = center.db().write(move |tx| {
        let mut row = of(bucket::hold(tx, &batch.bucket)?, &owner)?;
        let fresh = keep(tx, row.number, &batch.segments, &have, now)?;
        let mut answers = Vec::with_capacity(commits.len());
        for commit in &commits {
            let with = With { fresh: &fresh, named: Named::default(), is_granted };
            match apply(tx, &owner, &mut row, commit, with, now) {
                Ok(committed) => answers.push(Ok(committed)),
                // These are said before anything of the commit is written.
                Err(StoreError::Refused { id, why }) if id == errors::PRECONDITION || id == errors::OBJECT_UNKNOWN => {
                    answers.push(Err(RefusalMsg::new(id, [("why", why)])));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(CommitAnswers { segments: fresh, commits: answers })
    });
    let answers = done.await?;
    center.news_of_segments();
    Ok(Reply::CommitBatch(answers))
}

/// What a commit was answered, if it was.
pub(super) fn answered(tx: &mut Tx<'_>, checked: &Checked) -> Result<Option<Committed>, StoreError> {
    let answer = bucket::answered(tx, &checked.commit.commit_id)?;
    Ok(answer.map(|(head, at)| Committed { head, at }))
}

/// One commit inside a transaction that holds its bucket; `row` moves with it.
pub(super) fn apply(
    tx: &mut Tx<'_>,
    owner: &MemberId,
    row: &mut BucketRow,
    checked: &Checked,
    with: With<'_>,
    now: Stamp,
) -> Result<Committed, StoreError> {
    if let Some(committed) = answered(tx, checked)? {
        return Ok(committed);
    }
    let Checked { commit, record, bytes } = checked;
    let newest = bucket::newest(tx, row.number, &commit.name_sealed)?;
    bucket::check_expected(newest.as_ref(), &commit.expect)?;
    if newest.as_ref().is_some_and(|v| v.is_log() != (record.op == CommitOp::Log)) {
        return Err(StoreError::refused(errors::PRECONDITION, "a log of the bucket and an object share no name"));
    }
    if record.op == CommitOp::Drop {
        return drop_version(tx, row, checked, now);
    }
    let was_there = newest.is_some_and(|v| v.kind == Kind::Object);
    let is_marker = checked.is_marker();
    if is_marker && !was_there {
        return Err(StoreError::refused(errors::OBJECT_UNKNOWN, "the name is not there"));
    }
    let mut segments = commit.segments.clone();
    if with.is_granted && !store::are_unnamed(tx, row.number, &segments)? {
        return Err(StoreError::refused(errors::LEASE_STALE, "segments that somebody named before"));
    }
    for index in &commit.fresh {
        let run = with.fresh.get(usize::from(*index));
        segments.push(*run.ok_or_else(|| StoreError::refused(errors::LEASE_STALE, format!("segment {index}")))?);
    }
    let (count, fresh_bytes) = name_all(tx, owner, &segments)?;
    let Named { runs, count: more } = with.named;
    segments.extend(runs);
    let count = count.saturating_add(more);
    let manifest_bytes = commit.manifest.len() as u64;
    if count > OBJECT_SEGMENTS_MAX {
        return Err(StoreError::refused(errors::TOO_LARGE, format!("{count} segments")));
    }
    if !is_marker {
        row.check_quota(fresh_bytes.saturating_add(manifest_bytes))?;
    }
    let version = VersionRow {
        bucket_seq: row.head.seq + 1,
        name_sealed: commit.name_sealed.clone(),
        version: record.version,
        kind: if is_marker { Kind::Marker } else { Kind::Object },
        record: commit.record.clone(),
        manifest: commit.manifest.clone(),
        segments,
        segments_count: count,
        sealed_bytes: manifest_bytes,
        made_at: now,
    };
    let head = bucket::append(tx, row, &version, was_there, bytes)?;
    bucket::remember(tx, &commit.commit_id, &head, now)?;
    row.follow(head, &version, was_there);
    row.sealed_bytes = row.sealed_bytes.saturating_add(fresh_bytes);
    Ok(Committed { head, at: now })
}

/// A version goes out of its name's history. Refuses E0304 where it is none of it.
fn drop_version(tx: &mut Tx<'_>, row: &mut BucketRow, checked: &Checked, now: Stamp) -> Result<Committed, StoreError> {
    let Checked { commit, record, bytes } = checked;
    let target = bucket::version(tx, row.number, &commit.name_sealed, &record.version)?;
    let target = target.ok_or_else(|| StoreError::refused(errors::OBJECT_UNKNOWN, "no such version of this name"))?;
    let change = dropping(row, commit.name_sealed.clone(), (record, &commit.record), now);
    let (head, objects) = bucket::drop_version(tx, row, &change, &target, bytes)?;
    bucket::remember(tx, &commit.commit_id, &head, now)?;
    (row.head, row.objects) = (head, objects);
    Ok(Committed { head, at: now })
}

/// The change that drops a version.
pub(crate) fn dropping(
    row: &BucketRow,
    name_sealed: Vec<u8>,
    (record, bytes): (&CommitRecord, &[u8]),
    now: Stamp,
) -> VersionRow {
    VersionRow {
        bucket_seq: row.head.seq + 1,
        name_sealed,
        version: record.version,
        kind: Kind::Drop,
        record: bytes.to_vec(),
        manifest: Vec::new(),
        segments: Vec::new(),
        segments_count: 0,
        sealed_bytes: 0,
        made_at: now,
    }
}

/// The writer's record, when the calling device signed it over this name and this manifest; with its bytes.
pub(super) fn check_record(caller: &Caller, commit: Commit) -> Result<Checked, Refused> {
    if commit.name_sealed.is_empty() || commit.name_sealed.len() > SEALED_NAME_MAX {
        return Err(too_large("sealed name", commit.name_sealed.len(), SEALED_NAME_MAX));
    }
    if commit.manifest.len() > MANIFEST_MAX {
        return Err(too_large("manifest", commit.manifest.len(), MANIFEST_MAX));
    }
    let runs = commit.segments.len() + commit.fresh.len();
    if runs > COMMIT_RUNS_MAX {
        return Err(too_large("runs of segments", runs, COMMIT_RUNS_MAX));
    }
    let bad = || Refused(RefusalMsg::new(errors::BAD_SIGNATURE, [("thing", "commit".to_owned())]));
    let record = CommitRecord::check(&commit.record).ok_or_else(bad)?;
    let bytes = commit.record[..].try_into().map_err(|_| bad())?;
    let checked = Checked { commit, record, bytes };
    let Checked { commit, record, .. } = &checked;
    let is_marker = checked.is_marker();
    let has_segments = !commit.segments.is_empty() || !commit.fresh.is_empty();
    let shape = is_marker == commit.manifest.is_empty() && (!has_segments || !is_marker);
    if record.device != DeviceId::from(caller.id) || !record.covers(&commit.name_sealed, &commit.manifest) || !shape {
        return Err(bad());
    }
    Ok(checked)
}

/// One more version names its segments; how many they are, and the sealed bytes of those that nobody named before. Refuses runs that are not there whole.
pub(super) fn name_all(tx: &mut Tx<'_>, owner: &MemberId, runs: &[SegmentRun]) -> Result<(u32, u64), StoreError> {
    let (mut count, mut bytes) = (0u32, 0u64);
    for run in runs {
        let (found, sealed) = store::name_segments(tx, owner, run)?;
        if run.count == 0 || found != run.count {
            return Err(StoreError::refused(errors::LEASE_STALE, format!("{} of {} segments", found, run.count)));
        }
        (count, bytes) = (count.saturating_add(found), bytes.saturating_add(sealed));
    }
    if count > OBJECT_SEGMENTS_MAX {
        return Err(StoreError::refused(errors::TOO_LARGE, format!("{count} segments")));
    }
    Ok((count, bytes))
}

/// Bitmap of the holders whose receipts hold; E0306 with fewer than the scheme accepts, E0316 where it is of another size than its
/// commitment says.
async fn check_segment(center: &Center, segment: &WrittenSegment) -> Result<Have, Refused> {
    let pg = load_pg(center, segment.pg).await?;
    if !is_of_size(&pg.scheme, segment) {
        return Err(RefusalMsg::new(errors::ROOT_MISMATCH, [("segment", segment.id.short())]).into());
    }
    let have = have_of(center, &pg, (&segment.id, &segment.receipts))?;
    if have.vetted < usize::from(pg.scheme.accept) {
        let args = [
            ("class", pg.scheme.to_string()),
            ("need", pg.scheme.accept.to_string()),
            ("live", have.holders.to_string()),
            ("fit", have.vetted.to_string()),
        ];
        return Err(RefusalMsg::new(errors::TOO_FEW_NODES, args).into());
    }
    Ok(have)
}

/// The commitment is of so many sealed bytes: what its holders saw, charge and audits go by.
fn is_of_size(scheme: &Scheme, segment: &WrittenSegment) -> bool {
    let layout = Layout::new(*scheme, segment.sealed_bytes);
    layout.is_ok_and(|layout| codec::segment_id(&layout, &segment.root) == segment.id)
}

/// Who holds a segment.
pub(super) struct Have {
    /// Bit i: slot i.
    pub bits: Vec<u8>,
    /// How many they are.
    holders: usize,
    /// Of these, those that count for the acknowledgement: in a public cloud the vetted ones.
    vetted: usize,
    /// All of the group do.
    is_full: bool,
}

/// A segment's holders by their receipts; E0313 for a receipt that is not one of the group.
pub(super) fn have_of(center: &Center, pg: &PgRow, (id, receipts): (&SegmentId, &[Vec<u8>])) -> Result<Have, Refused> {
    // Where membership is the vetting, also a pool of many owners takes everybody's word.
    let ranks = PoolKind::Circle.ranks(center.settings().trust());
    let mut have = vec![0u8; pg.slots.len().div_ceil(8)];
    let (mut holders, mut vetted) = (BTreeSet::new(), 0);
    for bytes in receipts.iter().take(pg.slots.len()) {
        let receipt = PieceReceipt::check(bytes).ok_or_else(|| bad_receipt("–"))?;
        let alias = pg.slots.get(usize::from(receipt.index));
        let at_slot = alias.and_then(|alias| center.fleet().node(*alias).map(|n| (n.id, n.tier)));
        if receipt.segment != *id || receipt.pg != pg.pg || at_slot.map(|n| n.0) != Some(receipt.node) {
            return Err(bad_receipt(&receipt.node.short()));
        }
        have[usize::from(receipt.index / 8)] |= 1 << (receipt.index % 8);
        let counts = at_slot.is_some_and(|(_, tier)| ranks.vetted(tier));
        vetted += usize::from(holders.insert(receipt.node) && counts);
    }
    let is_full = holders.len() == pg.slots.len();
    Ok(Have { bits: have, holders: holders.len(), vetted, is_full })
}

pub(super) fn bad_receipt(serial: &str) -> Refused {
    RefusalMsg::new(errors::BAD_RECEIPT, [("serial", serial.to_owned())]).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::PgId;

    #[test]
    fn nobody_says_another_size_than_the_commitment_has() {
        let scheme = Scheme { k: 4, m: 6, o: 8, slots: 10, n_max: 16, accept: 5 };
        let (root, sealed_bytes) = ([7; 32], 1 << 20);
        let id = codec::segment_id(&Layout::new(scheme, sealed_bytes).expect("it is sound"), &root);
        let right = WrittenSegment { id, pg: PgId(1), sealed_bytes, root, receipts: Vec::new() };
        assert!(is_of_size(&scheme, &right));
        for sealed_bytes in [0, 1, (1 << 20) - 1, (1 << 20) + 1, Layout::SEALED_MAX + 1, 1 << 50] {
            assert!(!is_of_size(&scheme, &WrittenSegment { sealed_bytes, ..right.clone() }), "{sealed_bytes}");
        }
        assert!(!is_of_size(&scheme, &WrittenSegment { root: [8; 32], ..right }));
    }
}
