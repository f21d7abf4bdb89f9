//! An account's buckets, each opened once.

use crate::limits::BUCKETS_KEPT;
use client::{AccountRoot, Bucket, Client, ClientError};
use model::errors;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Buckets by name, as far as they were opened.
pub(crate) struct Buckets {
    /// The member's side.
    pub client: Client,
    /// The account.
    pub root: AccountRoot,
    kept: Mutex<BTreeMap<String, Bucket>>,
}

impl Buckets {
    /// Of an account.
    pub fn new(client: Client, root: AccountRoot) -> Self {
        Self { client, root, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A bucket that is there; its keys are checked when it is opened first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn open(&self, name: &str) -> Result<Bucket, ClientError> {
        let kept = self.kept().get(name).cloned();
        if let Some(bucket) = kept {
            return Ok(bucket);
        }
        let bucket = self.client.bucket(&self.root, name).await?;
        let mut kept = self.kept();
        if kept.len() >= BUCKETS_KEPT {
            kept.pop_first();
        }
        kept.insert(name.to_owned(), bucket.clone());
        Ok(bucket)
    }

    /// Forgets one that is removed.
    pub fn forget(&self, name: &str) {
        self.kept().remove(name);
    }

    /// An error of something in a bucket: one that is gone is looked for again by whoever asks next.
    pub fn saw(&self, name: &str, error: &ClientError) {
        if matches!(error, ClientError::Refused(no) if no.id == errors::BUCKET_UNKNOWN) {
            self.forget(name);
        }
    }
}
