//! Settings of a bucket: which pages may ask (CORS), what goes after its time (lifecycle), tags. They are kept sealed with the
//! account; other machines of it see them too.

use super::cors::{self, Allowed, Asking};
use super::error::{bad, no};
use super::lifecycle;
use super::told::tags_of;
use super::{Done, Face};
use crate::limits::BUCKET_TAGS_MAX;
use model::errors;
use s3s::dto::*;
use s3s::{S3ErrorCode, S3Response, S3Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Kinds of settings, as they are stored.
pub(crate) const LIFECYCLE: &str = "lifecycle";
const CORS: &str = "cors";
const TAGS: &str = "tags";
/// All of them.
const ALL: [&str; 3] = [LIFECYCLE, CORS, TAGS];

fn gone() -> hyper::StatusCode {
    hyper::StatusCode::NO_CONTENT
}

/// What is not set, in the words S3 has for it.
pub(super) fn unset(code: &'static str, what: &str) -> s3s::S3Error {
    let mut error = no(S3ErrorCode::Custom(code.into()), errors::OBJECT_UNKNOWN, what);
    error.set_status_code(hyper::StatusCode::NOT_FOUND);
    error
}

impl Face {
    async fn setting<T: DeserializeOwned>(&self, bucket: &str, kind: &str) -> S3Result<Option<T>> {
        let opened = self.bucket(bucket).await?;
        let of = (opened.id(), opened.made());
        let found = self.client().setting(self.root(), of, kind).await.map_err(|e| self.fault(bucket, e))?;
        let Some(found) = found else { return Ok(None) };
        let unread = || no(S3ErrorCode::InternalError, errors::DAMAGED, format!("the bucket's {kind} does not read"));
        serde_json::from_slice(&found).map(Some).map_err(|_| unread())
    }

    async fn set<T: Serialize + Sync>(&self, bucket: &str, kind: &str, value: Option<&T>) -> S3Result<()> {
        let id = *self.bucket(bucket).await?.id();
        let content = value.map(serde_json::to_vec).transpose();
        let content = content.map_err(|error| no(S3ErrorCode::InternalError, errors::BUG, error))?;
        let done = self.client().set_setting(self.root(), &id, (kind, content)).await;
        done.map_err(|e| self.fault(bucket, e))
    }

    /// A bucket that goes takes its settings with it.
    pub(super) async fn forget_settings(&self, bucket: &str) {
        let id = self.root().bucket_id(bucket);
        for kind in ALL {
            // Should it stay: it is of a bucket that was made earlier than any of this name that is there.
            if let Err(error) = self.client().set_setting(self.root(), &id, (kind, None)).await {
                tracing::warn!(%error, kind, "a setting of a removed bucket stays");
            }
        }
    }

    /// What a page of another origin may see of an answer; nothing where no rule says so.
    pub(crate) async fn cors(&self, bucket: &str, ask: Asking<'_>) -> Option<Allowed> {
        let rules: Vec<cors::Rule> = self.setting(bucket, CORS).await.ok()??;
        cors::allowed(&rules, ask)
    }

    pub(super) async fn get_cors(&self, ask: GetBucketCorsInput) -> Done<GetBucketCorsOutput> {
        let rules: Option<Vec<cors::Rule>> = self.setting(&ask.bucket, CORS).await?;
        let none = || unset("NoSuchCORSConfiguration", "no page of another origin may ask");
        let cors_rules = Some(cors::shown(rules.ok_or_else(none)?));
        Ok(S3Response::new(GetBucketCorsOutput { cors_rules }))
    }

    pub(super) async fn set_cors(&self, ask: PutBucketCorsInput) -> Done<PutBucketCorsOutput> {
        let rules = cors::of(ask.cors_configuration)?;
        self.set(&ask.bucket, CORS, Some(&rules)).await?;
        Ok(S3Response::new(PutBucketCorsOutput {}))
    }

    pub(super) async fn drop_cors(&self, ask: DeleteBucketCorsInput) -> Done<DeleteBucketCorsOutput> {
        self.set::<()>(&ask.bucket, CORS, None).await?;
        Ok(S3Response::with_status(DeleteBucketCorsOutput {}, gone()))
    }

    /// A bucket's rules of what goes; none where it has none.
    pub(super) async fn rules(&self, bucket: &str) -> S3Result<Option<Vec<lifecycle::Rule>>> {
        self.setting(bucket, LIFECYCLE).await
    }

    pub(super) async fn get_lifecycle(
        &self,
        ask: GetBucketLifecycleConfigurationInput,
    ) -> Done<GetBucketLifecycleConfigurationOutput> {
        let none = || unset("NoSuchLifecycleConfiguration", "nothing goes by itself");
        let rules = self.rules(&ask.bucket).await?.ok_or_else(none)?;
        let output = GetBucketLifecycleConfigurationOutput {
            rules: Some(lifecycle::shown(rules)),
            ..GetBucketLifecycleConfigurationOutput::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn set_lifecycle(
        &self,
        ask: PutBucketLifecycleConfigurationInput,
    ) -> Done<PutBucketLifecycleConfigurationOutput> {
        let asked = ask.lifecycle_configuration.ok_or_else(|| bad("rules are missing"))?;
        let rules = lifecycle::of(asked.rules)?;
        self.set(&ask.bucket, LIFECYCLE, Some(&rules)).await?;
        self.0.rules_changed.notify_one();
        Ok(S3Response::new(PutBucketLifecycleConfigurationOutput::default()))
    }

    pub(super) async fn drop_lifecycle(&self, ask: DeleteBucketLifecycleInput) -> Done<DeleteBucketLifecycleOutput> {
        self.set::<()>(&ask.bucket, LIFECYCLE, None).await?;
        Ok(S3Response::with_status(DeleteBucketLifecycleOutput {}, gone()))
    }

    pub(super) async fn bucket_tags(&self, ask: GetBucketTaggingInput) -> Done<GetBucketTaggingOutput> {
        let tags: Option<Vec<(String, String)>> = self.setting(&ask.bucket, TAGS).await?;
        let tags = tags.ok_or_else(|| unset("NoSuchTagSet", "the bucket has no tags"))?;
        let tag = |(key, value)| Tag { key: Some(key), value: Some(value) };
        Ok(S3Response::new(GetBucketTaggingOutput { tag_set: tags.into_iter().map(tag).collect() }))
    }

    pub(super) async fn set_bucket_tags(&self, ask: PutBucketTaggingInput) -> Done<PutBucketTaggingOutput> {
        let plain = |tag: Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        let tags = tags_of(ask.tagging.tag_set.into_iter().map(plain).collect(), BUCKET_TAGS_MAX)?;
        self.set(&ask.bucket, TAGS, Some(&tags)).await?;
        Ok(S3Response::with_status(PutBucketTaggingOutput {}, gone()))
    }

    pub(super) async fn drop_bucket_tags(&self, ask: DeleteBucketTaggingInput) -> Done<DeleteBucketTaggingOutput> {
        self.set::<()>(&ask.bucket, TAGS, None).await?;
        Ok(S3Response::with_status(DeleteBucketTaggingOutput {}, gone()))
    }
}
