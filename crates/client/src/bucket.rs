//! Buckets of one's own: made, listed, opened with a check of the keys before anything else.

use crate::{Client, ClientError, NameIndex};
use model::{BucketId, Bytes, Class, Region, SegmentId, Stamp};
use seal::{AccountRoot, BucketKeys, LABEL_LEN, Label, LabelKey};
use std::sync::{Arc, Mutex, PoisonError};
use wire::account::{Granted, GrantedAsk};
use wire::signed::{Head, HeadFault, grant, public_of};
use wire::storage::{BucketLine, BucketMake, BucketReport};
use wire::{Link, Reply, Request};

/// Names of buckets that are none of their owner's own making begin so.
pub(crate) const HIDDEN: char = '\0';

/// An open bucket: its keys, which the center's check values have proved right. Clones share the highest head seen.
#[derive(Clone)]
pub struct Bucket {
    pub(crate) keys: BucketKeys,
    /// Of one's own buckets; what is written under a grant has no labels.
    pub(crate) labels: Option<LabelKey>,
    head: Arc<Seen>,
    /// When it was made; at the beginning of time where it was not opened.
    made: Stamp,
    /// The grant under which it is used; none for one's own.
    held: Option<Arc<Link>>,
}

/// The highest head of a bucket that was seen. This machine's index remembers it when the bucket is let go of.
#[derive(Default)]
struct Seen {
    head: Mutex<Head>,
    kept: Option<(NameIndex, BucketId)>,
}

impl Drop for Seen {
    fn drop(&mut self) {
        if let Some((index, bucket)) = &self.kept {
            index.saw(bucket, *self.head.get_mut().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// How a bucket is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BucketAsk {
    /// How much its pieces must outlive.
    pub class: Class,
    /// Its pieces stand in these regions only; empty: anywhere.
    pub regions: Vec<Region>,
    /// And in at least so many countries.
    pub regions_min: u16,
}

/// What is known of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketFacts {
    /// Its name; none where this account's keys do not open it.
    pub name: Option<String>,
    /// Its id.
    pub id: BucketId,
    /// When it was made.
    pub at: Stamp,
    /// Names that are there.
    pub objects: u64,
    /// Sealed bytes of all versions.
    pub sealed: Bytes,
    /// Changes so far.
    pub changes: u64,
    /// How it was made.
    pub made: BucketAsk,
    /// Most sealed bytes of all versions together.
    pub quota: Option<Bytes>,
}

impl Bucket {
    /// Its id.
    pub fn id(&self) -> &BucketId {
        self.keys.bucket()
    }

    /// When it was made.
    pub const fn made(&self) -> Stamp {
        self.made
    }

    /// The highest head seen.
    pub fn head(&self) -> Head {
        *self.head.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a head the center showed in answer to a question; `asked` is the highest that had been seen when it was put, as
    /// answers to several at once come in any order. Refuses one that is older, or as old and another.
    pub(crate) fn saw(&self, asked: Head, head: Head) -> Result<(), ClientError> {
        let mut seen = self.head.head.lock().unwrap_or_else(PoisonError::into_inner);
        let as_old = if head.seq == seen.seq { head.follows(&seen) } else { Ok(()) };
        head.follows(&asked).and(as_old).map_err(|fault| {
            ClientError::Head(match fault {
                HeadFault::RolledBack => "an older state of the bucket than it did before (head_rolled_back)",
                HeadFault::Fork => "another history of the bucket than it did before (fork_seen)",
            })
        })?;
        if head.seq > seen.seq {
            *seen = head;
        }
        Ok(())
    }

    /// What tells it from the same bucket used by another way: its id, and that of the grant.
    pub(crate) fn way(&self) -> (BucketId, Option<[u8; 32]>) {
        (*self.id(), self.held.as_ref().map(|held| *blake3::hash(&held.grant).as_bytes()))
    }

    /// Whether it is one's own, and whole.
    pub(crate) const fn is_own(&self) -> bool {
        self.held.is_none()
    }

    /// Where its names begin for who holds it: empty for the whole bucket.
    pub fn base(&self) -> &str {
        self.keys.base()
    }

    pub(crate) fn seal_name(&self, name: &str) -> Result<Vec<u8>, ClientError> {
        Ok(self.keys.seal_name(name)?)
    }

    pub(crate) fn of(root: &AccountRoot, name: &str) -> Self {
        Self::by_id(root, &root.bucket_id(name))
    }

    pub(crate) fn by_id(root: &AccountRoot, id: &BucketId) -> Self {
        let keys = root.bucket(id);
        Self { keys, labels: Some(root.labels()), head: Arc::default(), made: Stamp(0), held: None }
    }

    fn matches(&self, line: &BucketLine) -> bool {
        line.check == self.keys.check_value() && self.keys.name_check().is_none_or(|check| check == line.name_check)
    }
}

/// The label in the headers of a segment's pieces: sealed for the account, zeros for what is written under a grant.
pub(crate) fn label_of(labels: Option<&LabelKey>, label: &Label, id: &SegmentId) -> Vec<u8> {
    labels.map_or_else(|| vec![0; LABEL_LEN], |key| key.seal(label, id, &mut rand::rng()).to_vec())
}

impl Client {
    /// Opens a bucket that is there; E0112 as [`ClientError::WrongKey`] when this account's keys are not its.
    pub async fn bucket(&self, root: &AccountRoot, name: &str) -> Result<Bucket, ClientError> {
        let bucket = self.keeping(Bucket::of(root, name));
        let line = match self.bucket_line(bucket.id()).await {
            Err(ClientError::Refused(refusal)) if refusal.id == model::errors::BUCKET_UNKNOWN => {
                // Another root derives other ids: a wrong key must not look like a bucket that was never made.
                let strangers = self.buckets(root).await?.iter().any(|b| b.name.is_none());
                return Err(if strangers { ClientError::WrongKey } else { ClientError::Refused(refusal) });
            }
            found => found?,
        };
        self.opened(bucket, &line)
    }

    /// Opens a bucket that is there by its id.
    ///
    /// # Errors
    /// As [`Self::bucket`].
    pub async fn bucket_by_id(&self, root: &AccountRoot, id: &BucketId) -> Result<Bucket, ClientError> {
        let line = self.bucket_line(id).await?;
        self.opened(self.keeping(Bucket::by_id(root, id)), &line)
    }

    /// The same, remembered by this machine's index.
    fn keeping(&self, bucket: Bucket) -> Bucket {
        let kept = self.index.clone().map(|index| (index, *bucket.id()));
        Bucket { head: Arc::new(Seen { head: Mutex::default(), kept }), ..bucket }
    }

    fn opened(&self, bucket: Bucket, line: &BucketLine) -> Result<Bucket, ClientError> {
        if !bucket.matches(line) {
            return Err(ClientError::WrongKey);
        }
        let seen = self.index.as_ref().map_or_else(Head::default, |index| index.seen(bucket.id()));
        bucket.saw(seen, line.head)?;
        Ok(Bucket { made: line.at, ..bucket })
    }

    /// Opens the part of somebody's bucket that a link grants.
    ///
    /// # Errors
    /// E0108 when its time is over, E0109 when it was revoked, [`ClientError::WrongKey`].
    pub async fn shared(&self, link: &Link) -> Result<Bucket, ClientError> {
        let keys = BucketKeys::parse(&link.keys)?;
        let bucket =
            Bucket { keys, labels: None, head: Arc::default(), made: Stamp(0), held: Some(Arc::new(link.clone())) };
        let line = match self.ask_of(&bucket, GrantedAsk::Show).await? {
            Reply::Buckets(mut lines) if lines.len() == 1 && lines[0].id == *bucket.id() => lines.remove(0),
            _ => return Err(ClientError::Unexpected("no bucket")),
        };
        if !bucket.matches(&line) {
            return Err(ClientError::WrongKey);
        }
        bucket.saw(Head::default(), line.head)?;
        Ok(bucket)
    }

    /// Asks about a bucket: as its owner, or under the grant it is used by.
    pub(crate) async fn ask_of(&self, bucket: &Bucket, ask: GrantedAsk) -> Result<Reply, ClientError> {
        self.ask(self.request_of(bucket, ask)).await
    }

    /// The request that asks so.
    pub(crate) fn request_of(&self, bucket: &Bucket, ask: GrantedAsk) -> Request {
        if let Some(held) = &bucket.held {
            let proof = grant::prove(&held.grant, &held.secret, &public_of(&self.device.secret)).to_vec();
            return Request::Granted(Box::new(Granted { grant: held.grant.clone(), proof, ask }));
        }
        match ask {
            GrantedAsk::Show => Request::BucketShow(*bucket.id()),
            GrantedAsk::Read(ask) => Request::ReadOpen(ask),
            GrantedAsk::List(ask) => Request::ObjectList(ask),
            GrantedAsk::Write(ask) => Request::WriteOpen(ask),
            GrantedAsk::Keep(ask) => Request::SegmentsKeep(ask),
            GrantedAsk::Commit(ask) => Request::Commit(ask),
            GrantedAsk::Batch(ask) => Request::CommitBatch(ask),
        }
    }

    /// Opens a bucket, made first where it is not there.
    pub async fn bucket_or_make(&self, root: &AccountRoot, name: &str) -> Result<Bucket, ClientError> {
        match self.bucket(root, name).await {
            Err(ClientError::Refused(refusal)) if refusal.id == model::errors::BUCKET_UNKNOWN => {
                self.make_bucket(root, name, &BucketAsk::default()).await?;
                self.bucket(root, name).await
            }
            opened => opened,
        }
    }

    /// Makes a bucket.
    pub async fn make_bucket(&self, root: &AccountRoot, name: &str, ask: &BucketAsk) -> Result<BucketId, ClientError> {
        let bucket = Bucket::of(root, name);
        let make = BucketMake {
            id: *bucket.id(),
            check: bucket.keys.check_value(),
            name_check: bucket.keys.name_check().ok_or(ClientError::WrongKey)?,
            label: root.seal_label(bucket.id(), name, &mut rand::rng())?,
            class: ask.class,
            regions: ask.regions.clone(),
            regions_min: ask.regions_min,
        };
        match self.ask(Request::BucketMake(Box::new(make))).await? {
            Reply::Done => Ok(*bucket.id()),
            _ => Err(ClientError::Unexpected("no bucket")),
        }
    }

    /// One's own buckets by name; one that these keys do not open has none.
    pub async fn buckets(&self, root: &AccountRoot) -> Result<Vec<BucketFacts>, ClientError> {
        let Reply::Buckets(lines) = self.ask(Request::BucketList).await? else {
            return Err(ClientError::Unexpected("no buckets"));
        };
        let shown = |facts: &BucketFacts| facts.name.as_ref().is_none_or(|name| !name.starts_with(HIDDEN));
        let mut all: Vec<BucketFacts> = lines.into_iter().map(|line| facts(root, line)).filter(shown).collect();
        all.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(all)
    }

    /// One of them.
    pub async fn bucket_facts(&self, root: &AccountRoot, name: &str) -> Result<BucketFacts, ClientError> {
        let line = self.bucket_line(&root.bucket_id(name)).await?;
        Ok(facts(root, line))
    }

    /// What a bucket survives now; nothing where it has no segments.
    pub async fn bucket_report(&self, bucket: &Bucket) -> Result<Option<BucketReport>, ClientError> {
        match self.ask(Request::BucketReport(*bucket.id())).await? {
            Reply::BucketReport(report) => Ok(report.map(|boxed| *boxed)),
            _ => Err(ClientError::Unexpected("no report")),
        }
    }

    /// Sets what a bucket may hold at most, all versions together.
    pub async fn set_quota(&self, root: &AccountRoot, name: &str, quota: Option<Bytes>) -> Result<(), ClientError> {
        let quota = quota.map_or(0, |bytes| bytes.0);
        self.ask(Request::BucketQuota(root.bucket_id(name), quota)).await.map(drop)
    }

    /// Removes a bucket without names.
    pub async fn remove_bucket(&self, root: &AccountRoot, name: &str) -> Result<(), ClientError> {
        self.ask(Request::BucketRemove(root.bucket_id(name))).await.map(drop)
    }

    pub(crate) async fn bucket_line(&self, id: &BucketId) -> Result<BucketLine, ClientError> {
        match self.ask(Request::BucketShow(*id)).await? {
            Reply::Buckets(mut lines) if lines.len() == 1 && lines[0].id == *id => Ok(lines.remove(0)),
            _ => Err(ClientError::Unexpected("no bucket")),
        }
    }
}

fn facts(root: &AccountRoot, line: BucketLine) -> BucketFacts {
    BucketFacts {
        name: root.open_label(&line.id, &line.label).ok(),
        id: line.id,
        at: line.at,
        objects: line.objects,
        sealed: Bytes(line.sealed_bytes),
        changes: line.head.seq,
        made: BucketAsk { class: line.class, regions: line.regions, regions_min: line.regions_min },
        quota: (line.quota > 0).then_some(Bytes(line.quota)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_may_cross_but_no_state_goes_back() {
        let bucket = Bucket::of(&AccountRoot::from_bytes([1; 32]), "photos");
        let first = Head::default().after(&[1; wire::signed::CommitRecord::LEN]);
        let (second, other) = (first.after(&[2; 256]), first.after(&[3; 256]));
        assert!(bucket.saw(Head::default(), second).is_ok());
        assert!(bucket.saw(Head::default(), first).is_ok(), "asked before the second was seen");
        assert_eq!(bucket.head(), second);
        assert!(matches!(bucket.saw(second, first), Err(ClientError::Head(why)) if why.contains("head_rolled_back")));
        assert!(matches!(bucket.saw(first, other), Err(ClientError::Head(why)) if why.contains("fork_seen")));
        assert!(bucket.saw(second, second).is_ok());
    }
}
