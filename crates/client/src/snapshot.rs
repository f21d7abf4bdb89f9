//! Snapshots of a center's database among the pieces, sealed for its operator (`docs/design/storage.md` §15): stored like a bucket's
//! log, found by a locator of the operator's own, read without a center that knows them.
//!
//! Content: magic `PMSN` 4 · format 1 · reserved 3 · length u64 · taken at ms u64 · cloud key 32, then the file, then zeros.
//!
//! (A) A snapshot that does not verify to its last byte is no snapshot. (B) So many generations stand under names of their own; a
//! newer one takes the place of the oldest. (C) One segment is in memory, whatever the snapshot's length.

use crate::bucket::HIDDEN;
use crate::located::Found;
use crate::put::{PutAsk, RunAsk, settle};
use crate::stage::Begun;
use crate::{Bucket, BucketAsk, Client, ClientError};
use model::{Bytes, CloudKey, NodeId, Stamp, errors};
use rand_core::Rng;
use seal::{AccountRoot, ContentKey, Header, LabelKind, LabelName, Opener, Role, SEALED_CHUNK};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use wire::PeerAddr;
use wire::limits::READ_SEGMENTS_MAX;
use wire::signed::CommitOp;
use wire::storage::Slot;

/// Generations that are kept.
pub const SNAPSHOTS_KEPT: u64 = 7;
const DAY_MS: u64 = 86_400_000;
const MAGIC: &[u8; 4] = b"PMSN";
const HEAD_LEN: usize = 56;

/// A snapshot that holders showed.
pub struct FoundSnapshot {
    /// When it was taken, as its label says.
    pub at: Stamp,
    /// Sealed bytes that were found of it.
    pub sealed: Bytes,
    version: [u8; 16],
    key: ContentKey,
    segments: BTreeMap<u64, Found>,
}

impl FoundSnapshot {
    /// Pieces that were found of the segment with fewest.
    pub fn pieces(&self) -> usize {
        self.segments.values().map(Found::pieces).min().unwrap_or(0)
    }

    /// Holders that showed any of it.
    pub fn holders(&self) -> usize {
        let all: std::collections::BTreeSet<NodeId> = self.segments.values().flat_map(Found::holders).collect();
        all.len()
    }

    /// Pieces that are enough for any segment.
    pub fn need(&self) -> u16 {
        self.segments.values().map(|found| found.layout.scheme.k).max().unwrap_or(0)
    }
}

fn hidden() -> String {
    format!("{HIDDEN}center")
}

fn name_of(at: Stamp) -> String {
    format!("snapshot-{}", at.as_ms() / DAY_MS % SNAPSHOTS_KEPT)
}

impl Client {
    /// Stores a snapshot of `len` bytes taken at a time; bytes that were stored.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub async fn store_snapshot(
        &self,
        root: &AccountRoot,
        (cloud, at, len): (CloudKey, Stamp, u64),
        file: Box<dyn Read + Send>,
    ) -> Result<u64, ClientError> {
        let bucket = Bucket::of(root, &hidden());
        match self.bucket_line(bucket.id()).await {
            Err(ClientError::Refused(no)) if no.id == errors::BUCKET_UNKNOWN => {
                self.make_bucket(root, &hidden(), &BucketAsk::default()).await?;
            }
            line => drop(line?),
        }
        let mut head = vec![0; HEAD_LEN];
        head[..4].copy_from_slice(MAGIC);
        head[4] = 1;
        head[8..16].copy_from_slice(&len.to_le_bytes());
        head[16..24].copy_from_slice(&at.as_ms().to_le_bytes());
        head[24..].copy_from_slice(&cloud.0);
        let mut version = [0; 16];
        rand::rng().fill_bytes(&mut version);
        let key = ContentKey::random(&mut rand::rng());
        let header = Header::told(&key, Role::Content, bucket.id(), version);
        let (name, label_name) = (name_of(at), format!("{}", at.as_ms()));
        let begun = Begun { staging: None, key, header, version, kept: Vec::new() };
        let begun = self.begin_staged(&bucket, &name, None, begun).await?;
        let size_hint = len + HEAD_LEN as u64;
        let kind = LabelKind::Log;
        let run = RunAsk { kind, version, run: 0, name: &label_name, size_hint, begun, label: None };
        let content = Box::new(Cursor::new(head).chain(file));
        let mut stored = self.put_run(&bucket, run, content, &|_, _, _| {}).await?;
        let staging = stored.staging.take();
        let bytes = stored.size;
        let name_sealed = bucket.seal_name(&name)?;
        let named =
            self.name_it(&bucket, PutAsk::new(&name), (CommitOp::Put, name_sealed), stored, &|_, _, _| {}).await;
        settle(staging, &named).await?;
        named.map(|_| bytes)
    }

    /// Snapshots of an operator that these holders show, newest first.
    pub async fn find_snapshots(
        &self,
        root: &AccountRoot,
        holders: Vec<PeerAddr>,
    ) -> Result<Vec<FoundSnapshot>, ClientError> {
        let bucket = Bucket::of(root, &hidden());
        let (locator, labels) = (bucket.keys.locator().ok_or(ClientError::WrongKey)?, root.labels());
        let mut all: BTreeMap<[u8; 16], FoundSnapshot> = BTreeMap::new();
        for found in self.find_located(locator, holders).await.into_iter().filter(Found::is_enough) {
            let opened = found.labels.iter().find_map(|label| labels.open(label, &found.id).ok());
            let Some(label) = opened.filter(|label| label.bucket == *bucket.id()) else { continue };
            let LabelName::Plain(name) = &label.name else { continue };
            let Ok(at) = name.parse() else { continue };
            let (at, version, key) = (Stamp(at), label.version, label.key.clone());
            let fresh = FoundSnapshot { at, sealed: Bytes(0), version, key, segments: BTreeMap::new() };
            let snapshot = all.entry(version).or_insert(fresh);
            snapshot.sealed.0 += found.layout.sealed_bytes;
            snapshot.segments.insert(label.offset, found);
        }
        let mut all: Vec<FoundSnapshot> = all.into_values().collect();
        all.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.at));
        Ok(all)
    }

    /// Holders that told the center, after it lost its database, that they have snapshots of this operator.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn snapshot_holders(&self, root: &AccountRoot) -> Result<Vec<PeerAddr>, ClientError> {
        let bucket = Bucket::of(root, &hidden());
        self.holders_by(bucket.keys.locator().ok_or(ClientError::WrongKey)?).await
    }

    /// Holders of the groups that have the newest snapshot, as the center knows them: for a drill.
    ///
    /// # Errors
    /// [`ClientError`]; E0301 or E0304 where there is none.
    pub async fn snapshot_group(&self, root: &AccountRoot) -> Result<Vec<PeerAddr>, ClientError> {
        let bucket = Bucket::of(root, &hidden());
        let mut all: BTreeMap<NodeId, PeerAddr> = BTreeMap::new();
        for generation in 0..SNAPSHOTS_KEPT {
            let name = format!("snapshot-{generation}");
            let page = match self.read_page(&bucket, &name, None, 0, READ_SEGMENTS_MAX).await {
                Err(ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => continue,
                page => page?,
            };
            let on = |slot: Slot| slot.on.then_some((slot.addr.id, slot.addr));
            all.extend(page.groups.into_iter().flat_map(|group| group.slots).filter_map(on));
        }
        Ok(all.into_values().collect())
    }

    /// Reads a snapshot of a cloud from who showed it; its bytes go to `out`.
    ///
    /// # Errors
    /// [`ClientError::Unexpected`] where it is not whole, or another cloud's.
    pub async fn read_snapshot(
        &self,
        root: &AccountRoot,
        found: &FoundSnapshot,
        cloud: &CloudKey,
        out: &mut (dyn std::io::Write + Send),
    ) -> Result<Bytes, ClientError> {
        let bucket = Bucket::of(root, &hidden());
        let locator = bucket.keys.locator().ok_or(ClientError::WrongKey)?;
        let header = Header::told(&found.key, Role::Content, bucket.id(), found.version);
        let count = found.sealed.0.div_ceil(SEALED_CHUNK as u64);
        let mut opener = Opener::new(&found.key, &header, 0, count)?;
        let mut taking = Taking { out, head: Vec::new(), left: 0, len: 0, cloud: *cloud };
        let mut at = 0;
        for (offset, segment) in &found.segments {
            if *offset != at {
                return Err(ClientError::Unexpected("a snapshot without one of its segments"));
            }
            let sealed = self.read_located(locator, segment).await?;
            at += sealed.len() as u64;
            opener.push(&sealed, &mut |plain: &[u8]| taking.push(plain))?;
        }
        opener.finish(&mut |plain: &[u8]| taking.push(plain))?;
        if taking.left > 0 || taking.head.len() < HEAD_LEN {
            return Err(ClientError::Unexpected("a snapshot that is shorter than it says"));
        }
        Ok(Bytes(taking.len))
    }
}

/// Content on its way out: the head is judged, padding is dropped.
struct Taking<'a> {
    out: &'a mut (dyn std::io::Write + Send),
    head: Vec<u8>,
    left: u64,
    len: u64,
    cloud: CloudKey,
}

impl Taking<'_> {
    fn push(&mut self, mut plain: &[u8]) -> Result<(), ClientError> {
        if self.head.len() < HEAD_LEN {
            let (head, rest) = plain.split_at(plain.len().min(HEAD_LEN - self.head.len()));
            self.head.extend_from_slice(head);
            plain = rest;
            if self.head.len() == HEAD_LEN {
                if self.head[..4] != *MAGIC || self.head[4] != 1 || self.head[24..] != self.cloud.0 {
                    return Err(ClientError::Unexpected("a snapshot of another cloud, or none"));
                }
                self.len = u64::from_le_bytes(self.head[8..16].try_into().map_err(|_| ClientError::WrongKey)?);
                self.left = self.len;
            }
        }
        let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(plain.len());
        let written = self.out.write_all(&plain[..take]);
        written.map_err(|source| ClientError::File { path: "snapshot".to_owned(), source })?;
        self.left -= take as u64;
        Ok(())
    }
}
