//! Settings of buckets that foreign protocols keep: who may ask from other pages, what goes after its time, tags. Each is an object
//! of its own, sealed like any other, in a bucket of the account that lists do not show; it comes back with the account's other
//! buckets when a center is lost.

use crate::{AccountRoot, Bucket, BucketAsk, Client, ClientError, Expect, PutAsk};
use model::{BucketId, Stamp, errors};
use std::io::Cursor;

/// Longest setting in bytes.
pub const SETTING_MAX: usize = 256 << 10;

/// Name of the bucket of settings, hidden like all that begin so.
pub const SETTINGS: &str = "\0settings";

fn name_of(kind: &str, bucket: &BucketId) -> String {
    format!("{kind}/{bucket}")
}

impl Client {
    /// A setting of a bucket that was made at a time; none where there is none. One of a bucket of the same name that was there before
    /// does not count.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn setting(
        &self,
        root: &AccountRoot,
        (bucket, made): (&BucketId, Stamp),
        kind: &str,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        let Some(settings) = self.settings(root).await? else { return Ok(None) };
        let found = match self.find(&settings, &name_of(kind, bucket), None).await {
            Ok(found) if found.shown.entry.at >= made => found,
            Ok(_) => return Ok(None),
            Err(ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut content = Vec::new();
        self.get_found(&settings, found, None, &mut content, &|_, _, _| {}).await?;
        Ok(Some(content))
    }

    /// Sets it, or takes it away.
    ///
    /// # Errors
    /// [`ClientError`]; E0013 for one that is too long.
    pub async fn set_setting(
        &self,
        root: &AccountRoot,
        bucket: &BucketId,
        (kind, content): (&str, Option<Vec<u8>>),
    ) -> Result<(), ClientError> {
        let name = name_of(kind, bucket);
        match (content, self.settings(root).await?) {
            (None, None) => Ok(()),
            (None, Some(settings)) => match self.remove(&settings, &name, Expect::Any).await {
                Err(ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => Ok(()),
                done => done.map(drop),
            },
            (Some(content), settings) => {
                if content.len() > SETTING_MAX {
                    return Err(ClientError::Refused(wire::RefusalMsg::new(errors::TOO_LARGE, [])));
                }
                let settings = match settings {
                    Some(settings) => settings,
                    None => {
                        self.make_bucket(root, SETTINGS, &BucketAsk::default()).await?;
                        self.bucket(root, SETTINGS).await?
                    }
                };
                let ask = PutAsk { size_hint: content.len() as u64, ..PutAsk::new(&name) };
                self.put(&settings, ask, Box::new(Cursor::new(content)), &|_, _, _| {}).await.map(drop)
            }
        }
    }

    /// Buckets that have a setting of a kind.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn buckets_with(&self, root: &AccountRoot, kind: &str) -> Result<Vec<BucketId>, ClientError> {
        let Some(settings) = self.settings(root).await? else { return Ok(Vec::new()) };
        let prefix = format!("{kind}/");
        let all = self.list(&settings, &prefix).await?;
        Ok(all.iter().filter_map(|entry| entry.name.strip_prefix(&prefix)?.parse().ok()).collect())
    }

    async fn settings(&self, root: &AccountRoot) -> Result<Option<Bucket>, ClientError> {
        match self.bucket(root, SETTINGS).await {
            Ok(bucket) => Ok(Some(bucket)),
            Err(ClientError::Refused(no)) if no.id == errors::BUCKET_UNKNOWN => Ok(None),
            Err(error) => Err(error),
        }
    }
}
