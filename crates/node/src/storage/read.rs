//! Reading a held piece, as it is or verified group by group.

use super::entry::{self, BLOCK, PieceKey, PieceMeta};
use super::error::StoreError;
use super::state::{Health, Place};
use super::store::{Inner, blocking};
use super::writer::Job;
use codec::tree::{self, GROUP_LEN};
use std::sync::{Arc, PoisonError};

/// A held piece. Stays usable while the piece is moved; a removed piece answers `Missing`.
#[derive(Clone)]
pub struct PieceHandle {
    pub(super) inner: Arc<Inner>,
    pub(super) meta: Arc<PieceMeta>,
    pub(super) trashed_at: Option<model::Stamp>,
}

/// A range whose every byte was judged against the piece's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRange {
    /// The bytes asked for.
    pub data: Vec<u8>,
    /// Hashes of the groups the range touches, in order.
    pub groups: Vec<[u8; 32]>,
}

/// What proves a range of groups: their hashes, and what stands beside them up to the piece's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeProof {
    /// Hashes of the groups the range touches, in order.
    pub groups: Vec<[u8; 32]>,
    /// The path beside them.
    pub path: Vec<[u8; 32]>,
}

impl PieceHandle {
    /// What is kept about it.
    pub fn meta(&self) -> &PieceMeta {
        &self.meta
    }
    /// Bytes of the piece.
    pub fn len(&self) -> u64 {
        self.meta.len
    }
    /// Never: no piece has zero bytes.
    pub fn is_empty(&self) -> bool {
        self.meta.len == 0
    }
    /// In the trash since, when the handle was made.
    pub fn trashed_at(&self) -> Option<model::Stamp> {
        self.trashed_at
    }

    /// `len` bytes from `offset`, as the disk gives them: for callers that judge them themselves.
    pub async fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        check_range(&self.meta, offset, len)?;
        let this = self.clone();
        blocking(move || {
            let _still = this.inner.shared.moving.read().unwrap_or_else(PoisonError::into_inner);
            let place = this.place()?;
            this.bytes(&place, offset, len)
        })
        .await?
    }

    /// `len` bytes from `offset`, each judged; a piece that fails is marked and answers `Damaged` from then on.
    pub async fn read_verified(&self, offset: u64, len: u64) -> Result<VerifiedRange, StoreError> {
        check_range(&self.meta, offset, len)?;
        let this = self.clone();
        let result = blocking(move || {
            let _still = this.inner.shared.moving.read().unwrap_or_else(PoisonError::into_inner);
            this.judged(offset, len)
        })
        .await?;
        if let Err(StoreError::Damaged(key)) = &result {
            self.inner.mark(vec![(*key, self.seq_now(), Health::Damaged)]).await?;
        }
        result
    }

    /// What proves the groups that `len` bytes from `offset` touch.
    pub async fn prove(&self, offset: u64, len: u64) -> Result<RangeProof, StoreError> {
        check_range(&self.meta, offset, len)?;
        let this = self.clone();
        blocking(move || {
            let _still = this.inner.shared.moving.read().unwrap_or_else(PoisonError::into_inner);
            let groups = this.groups(&this.place()?)?;
            let (first, end) = entry::covering(offset, len);
            let path = tree::range_path(&groups, first, end).ok_or(StoreError::Damaged(this.key()))?;
            let at = |n: u64| usize::try_from(n).expect("few groups");
            Ok(RangeProof { groups: groups[at(first)..at(end)].to_vec(), path })
        })
        .await?
    }

    /// One group of 16 KiB with what proves it against the segment's id alone. A piece that fails is marked and answers `Damaged`
    /// from then on.
    pub async fn slice(&self, group: u32) -> Result<codec::Slice, StoreError> {
        let offset = u64::from(group) * GROUP_LEN as u64;
        let len = self.meta.len.saturating_sub(offset).min(GROUP_LEN as u64);
        let range = self.read_verified(offset, len).await?;
        let this = self.clone();
        blocking(move || {
            let _still = this.inner.shared.moving.read().unwrap_or_else(PoisonError::into_inner);
            let hashes = this.groups(&this.place()?)?;
            let proof = codec::SliceProof::with(&hashes, u64::from(group), range.data);
            let proof = proof.ok_or_else(|| StoreError::Damaged(this.key()))?;
            let PieceMeta { index, segment_root, piece_root, path, .. } = (*this.meta).clone();
            Ok(codec::Slice { piece: codec::PieceProof { index, segment_root, piece_root, path }, proof })
        })
        .await?
    }

    fn key(&self) -> PieceKey {
        self.meta.key()
    }
    fn seq_now(&self) -> u64 {
        self.inner.shared.place(self.key()).map_or(0, |place| place.seq)
    }
    fn place(&self) -> Result<Place, StoreError> {
        match self.inner.shared.place(self.key()) {
            None => Err(StoreError::Missing(self.key())),
            Some(place) if place.health == Health::Damaged => Err(StoreError::Damaged(self.key())),
            Some(place) => Ok(place),
        }
    }

    fn bytes(&self, place: &Place, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        let mut out = vec![0; usize::try_from(len).expect("a piece fits memory")];
        let shared = &self.inner.shared;
        let path = shared.log_path((place.pg, place.log));
        super::state::read_or_damaged(&*shared.disk, self.key(), &path, place.offset + BLOCK + offset, &mut out)?;
        Ok(out)
    }

    /// Hashes of all groups, held against the piece's root.
    fn groups(&self, place: &Place) -> Result<Vec<[u8; 32]>, StoreError> {
        let meta = self.inner.shared.meta(self.key(), place)?;
        let (tree_at, tree_len) = entry::groups_span(meta.len);
        let flat = self.bytes(place, tree_at, tree_len as u64)?;
        let groups: Vec<[u8; 32]> =
            flat.chunks_exact(32).map(|hash| hash.try_into().expect("chunks of 32 bytes")).collect();
        let whole = tree::root_of_groups(&groups) == Some(meta.piece_root);
        if whole { Ok(groups) } else { Err(StoreError::Damaged(self.key())) }
    }

    fn judged(&self, offset: u64, len: u64) -> Result<VerifiedRange, StoreError> {
        let place = self.place()?;
        let damaged = || StoreError::Damaged(self.key());
        let (groups, meta) = (self.groups(&place)?, &self.meta);
        let (first, end) = entry::covering(offset, len);
        let begin = first * GROUP_LEN as u64;
        let wide = self.bytes(&place, begin, (end * GROUP_LEN as u64).min(meta.len) - begin)?;
        let wanted = &groups[usize::try_from(first).expect("few groups")..usize::try_from(end).expect("few groups")];
        for ((group, hash), at) in wide.chunks(GROUP_LEN).zip(wanted).zip(first..) {
            if tree::group_hash(group, at, groups.len() as u64) != *hash {
                return Err(damaged());
            }
        }
        let from = usize::try_from(offset - begin).expect("within a group");
        let data = wide[from..from + usize::try_from(len).expect("a piece fits memory")].to_vec();
        Ok(VerifiedRange { data, groups: wanted.to_vec() })
    }
}

fn check_range(meta: &PieceMeta, offset: u64, len: u64) -> Result<(), StoreError> {
    match offset.checked_add(len) {
        Some(end) if end <= meta.len && len > 0 => Ok(()),
        _ => Err(StoreError::Range { offset, len }),
    }
}

impl Inner {
    /// True while the lock in the folder is the one that was taken when it was opened.
    pub(super) fn is_there(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let place = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        let now = std::fs::metadata(self.shared.dir.join("lock")).ok().map(place);
        now.is_some() && now == self.lock.metadata().ok().map(place)
    }

    /// Writes what reading found about pieces, unless they were written anew since (`seq` differs).
    pub(super) async fn mark(&self, found: Vec<(PieceKey, u64, Health)>) -> Result<(), StoreError> {
        // Of a disk that is gone nothing is known.
        if !self.is_there() {
            return Ok(());
        }
        let (reply, done) = tokio::sync::oneshot::channel();
        self.send(Job::Run(Box::new(move |writer| {
            let mut changed = Vec::new();
            for (key, seq, health) in found {
                if let Some(place) = writer.shared.held().pieces.get_mut(&key).filter(|p| p.seq == seq) {
                    place.health = health;
                    changed.push(key);
                }
            }
            writer.save(&[], &changed);
            let _ = reply.send(());
        })))?;
        done.await.map_err(|_| StoreError::Stopped)
    }
}
