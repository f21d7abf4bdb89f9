//! Tags of an object: sealed with it, so that other tags make another version of it, with the same content.

use super::error::not_done;
use super::told::{self, tags_checked};
use super::{Done, Face};
use client::{Expect, NewFacts};
use s3s::dto::*;
use s3s::{S3Response, S3Result};

impl Face {
    pub(super) async fn tags(&self, ask: GetObjectTaggingInput) -> Done<GetObjectTaggingOutput> {
        let shown = self.shown(&ask.bucket, &ask.key, ask.version_id.as_deref()).await?;
        let tag = |(key, value): (&str, &str)| Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        let output = GetObjectTaggingOutput {
            tag_set: shown.facts.tags().map(tag).collect(),
            version_id: Some(told::version(shown.entry.version)),
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn set_tags(&self, ask: PutObjectTaggingInput) -> Done<PutObjectTaggingOutput> {
        let tags =
            ask.tagging.tag_set.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
        let tags = tags_checked(tags.collect())?;
        let version_id = self.retag((&ask.bucket, &ask.key), ask.version_id.as_deref(), tags).await?;
        Ok(S3Response::new(PutObjectTaggingOutput { version_id: Some(version_id) }))
    }

    pub(super) async fn drop_tags(&self, ask: DeleteObjectTaggingInput) -> Done<DeleteObjectTaggingOutput> {
        let version_id = self.retag((&ask.bucket, &ask.key), ask.version_id.as_deref(), Vec::new()).await?;
        let output = DeleteObjectTaggingOutput { version_id: Some(version_id) };
        Ok(S3Response::with_status(output, hyper::StatusCode::NO_CONTENT))
    }

    /// The same object with other tags; the version that it is then.
    async fn retag(
        &self,
        (bucket, key): (&str, &str),
        version: Option<&str>,
        tags: Vec<(String, String)>,
    ) -> S3Result<String> {
        let shown = self.shown(bucket, key, None).await?;
        let newest = shown.entry.version;
        if told::wanted(version)?.is_some_and(|wanted| wanted != newest) {
            return Err(not_done("other tags for an older version"));
        }
        let (content_type, pairs) = (shown.entry.content_type, shown.pairs);
        let new = NewFacts { content_type, pairs, facts: shown.facts.with_tags(tags) };
        let opened = self.bucket(bucket).await?;
        let done =
            self.client().copy_told(&opened, (key, Some(newest)), (key, Some(new)), Expect::Version(newest)).await;
        Ok(told::version(done.map_err(|e| self.fault(bucket, e))?.version))
    }
}
