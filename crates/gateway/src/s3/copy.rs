//! An object gets another name: inside its bucket no byte moves, into another one its content is sealed anew.

use super::access::{check_name, key_of};
use super::error::{bad, no, not_done};
use super::fixed::encrypts;
use super::intake::Checks;
use super::put::Storing;
use super::sums;
use super::told::{self, Conditions, Extras, Given, Served, second};
use super::{Asked, Done, Face};
use client::{ChecksumKind, Entry, Expect, Fact, Facts, NewFacts, PutAsk, Shown};
use model::{Stamp, errors};
use s3s::dto::*;
use s3s::{S3ErrorCode, S3Response, S3Result};

/// A version of an object, as a header names it.
pub(super) struct Named {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
}

/// What a header names as the source of a copy.
pub(super) fn named(source: CopySource) -> S3Result<Named> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            Ok(Named { bucket: bucket.into(), key: key.into(), version: version_id.map(Into::into) })
        }
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => Err(not_done("names of the cloud of another")),
    }
}

/// What a copy expects of the name it gives: `If-Match` and `If-None-Match`, which the library does not read here.
fn conditions_of(headers: &hyper::HeaderMap) -> S3Result<(Option<ETagCondition>, Option<ETagCondition>)> {
    let one = |name: hyper::header::HeaderName| {
        let text = headers.get(&name).map(|value| value.to_str().ok().and_then(|text| text.parse().ok()));
        match text {
            None => Ok(None),
            Some(Some(condition)) => Ok(Some(condition)),
            Some(None) => Err(bad(format!("{name} is a tag"))),
        }
    };
    Ok((one(hyper::header::IF_MATCH)?, one(hyper::header::IF_NONE_MATCH)?))
}

/// What came of a copy.
struct Copied {
    version: [u8; 16],
    at: Stamp,
    etag: ETag,
    given: Given,
}

impl Copied {
    fn of(entry: &Entry, shown: &Shown) -> Self {
        Self {
            version: entry.version,
            at: entry.at,
            etag: told::etag(entry),
            given: Given::of(shown.facts.checksums()),
        }
    }
}

impl Face {
    pub(super) async fn copy(&self, ask: Asked<CopyObjectInput>) -> Done<CopyObjectOutput> {
        let key = key_of(&ask)?;
        let wanted = conditions_of(&ask.headers)?;
        let input = ask.input;
        extras(&input)?;
        let from = named(input.copy_source.clone())?;
        check_name(&key, &from.bucket, &from.key)?;
        let told = told_anew(&input)?;
        let is_self = from.bucket == input.bucket && from.key == input.key && from.version.is_none();
        if is_self && told.is_none() {
            let why = "a copy onto itself changes metadata or tags, or nothing";
            return Err(no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, why));
        }
        let conditions = Conditions {
            matches: input.copy_source_if_match,
            matches_not: input.copy_source_if_none_match,
            since: input.copy_source_if_modified_since,
            not_since: input.copy_source_if_unmodified_since,
        };
        let kind = input.checksum_algorithm.as_ref().map(|word| sums::asked(word.as_str())).transpose()?;
        let source = (from.bucket.as_str(), from.key.as_str(), from.version.as_deref());
        let (bucket, found) = self.source(source, conditions).await?;
        let shown = found.shown.clone();
        let told = told.map(|told| told.over(&shown));
        let lacks = kind.is_some_and(|kind| shown.facts.checksums().all(|sum| sum.kind != kind));
        let expect = match wanted {
            (None, None) => Expect::Any,
            (matches, not) => {
                let to = self.bucket(&input.bucket).await?;
                self.expected(&to, (&input.bucket, &input.key), matches, not).await?
            }
        };
        let copied = if from.bucket == input.bucket && !lacks {
            let (source, to) = ((from.key.as_str(), Some(shown.entry.version)), (input.key.as_str(), told));
            let done = self.client().copy_told(&bucket, source, to, expect).await;
            Copied::of(&done.map_err(|e| self.fault(&input.bucket, e))?, &shown)
        } else {
            let size = shown.entry.size.0;
            let body = self.reread(bucket, found, 0..size).await?;
            self.copy_over((&input.bucket, &input.key, expect), &shown, told, (body, kind)).await?
        };
        let result = CopyObjectResult {
            e_tag: Some(copied.etag),
            last_modified: Some(second(copied.at)),
            checksum_crc32: copied.given.crc32,
            checksum_crc32c: copied.given.crc32c,
            checksum_crc64nvme: copied.given.crc64nvme,
            checksum_sha1: copied.given.sha1,
            checksum_sha256: copied.given.sha256,
            checksum_type: copied.given.kind,
        };
        let output = CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: Some(told::version(shown.entry.version)),
            version_id: Some(told::version(copied.version)),
            ..CopyObjectOutput::default()
        };
        Ok(S3Response::new(output))
    }

    /// Content that is read again and stored under a name.
    async fn copy_over(
        &self,
        (bucket_name, key, expect): (&str, &str, Expect),
        shown: &Shown,
        told: Option<NewFacts>,
        (body, kind): (StreamingBlob, Option<ChecksumKind>),
    ) -> S3Result<Copied> {
        let bucket = self.bucket(bucket_name).await?;
        let told = told.unwrap_or_else(|| of(shown));
        // Its tag and its checksum are made anew.
        let kept = told.facts.0.into_iter().filter(|fact| !matches!(fact, Fact::Etag(_) | Fact::Checksum(_)));
        let own = shown.facts.checksums().find(|sum| !sum.bytes.is_empty()).map(|sum| sum.kind);
        let checks = Checks { kind: kind.or(own), len: Some(shown.entry.size.0), ..Checks::default() };
        let ask = PutAsk {
            size_hint: shown.entry.size.0,
            content_type: told.content_type,
            pairs: told.pairs,
            facts: Facts(kept.collect()),
            expect,
            ..PutAsk::new(key)
        };
        let stored = self.store(bucket_name, &bucket, Storing { ask, body: Some(body), checks }).await?;
        let entry =
            self.client().show(&bucket, key, Some(stored.put.version)).await.map_err(|e| self.fault(bucket_name, e))?;
        Ok(Copied {
            version: stored.put.version,
            at: entry.entry.at,
            etag: told::etag(&entry.entry),
            given: stored.given,
        })
    }
}

/// What an object tells of itself.
fn of(shown: &Shown) -> NewFacts {
    NewFacts { content_type: shown.entry.content_type.clone(), pairs: shown.pairs.clone(), facts: shown.facts.clone() }
}

/// Type, pairs and headers.
struct Metadata {
    kind: String,
    pairs: Vec<(String, String)>,
    headers: Vec<Fact>,
}

/// What a copy tells anew: metadata with headers, tags, or both.
struct Anew {
    metadata: Option<Metadata>,
    tags: Option<Vec<(String, String)>>,
}

impl Anew {
    fn over(self, shown: &Shown) -> NewFacts {
        let mut new = of(shown);
        if let Some(Metadata { kind, pairs, headers }) = self.metadata {
            new.facts.0.retain(|fact| !matches!(fact, Fact::Header(..)));
            new.facts.0.extend(headers);
            (new.content_type, new.pairs) = (kind, pairs);
        }
        if let Some(tags) = self.tags {
            new.facts = new.facts.with_tags(tags);
        }
        new
    }
}

fn told_anew(input: &CopyObjectInput) -> S3Result<Option<Anew>> {
    let replaces = |word: Option<&str>, what: &str| match word {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(_) => Err(bad(format!("{what} is COPY or REPLACE"))),
    };
    let metadata =
        replaces(input.metadata_directive.as_ref().map(MetadataDirective::as_str), "x-amz-metadata-directive")?;
    let tags = replaces(input.tagging_directive.as_ref().map(TaggingDirective::as_str), "x-amz-tagging-directive")?;
    if !metadata && !tags {
        return Ok(None);
    }
    let served = || Served {
        cache_control: input.cache_control.clone(),
        content_disposition: input.content_disposition.clone(),
        content_encoding: input.content_encoding.clone(),
        content_language: input.content_language.clone(),
        expires: input.expires.clone(),
    };
    let metadata = match metadata {
        true => {
            let kind = input.content_type.clone().unwrap_or_default();
            Some(Metadata { kind, pairs: told::pairs(input.metadata.clone())?, headers: served().facts() })
        }
        false => None,
    };
    let tags = if tags { Some(told::tags_of_header(input.tagging.as_deref())?) } else { None };
    Ok(Some(Anew { metadata, tags }))
}

fn extras(input: &CopyObjectInput) -> S3Result<()> {
    encrypts(input.server_side_encryption.as_ref())?;
    let has_key = input.sse_customer_algorithm.is_some() || input.copy_source_sse_customer_algorithm.is_some();
    let grants = [&input.grant_full_control, &input.grant_read, &input.grant_read_acp, &input.grant_write_acp];
    let others = [
        ("keys of the client's own for an object: everything is sealed already", has_key),
        ("grants of access: share a link instead", grants.iter().any(|grant| grant.is_some())),
        ("locks of objects", input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some()),
        ("redirects of a website", input.website_redirect_location.is_some()),
    ];
    let (acl, class) =
        (input.acl.as_ref().map(ObjectCannedACL::as_str), input.storage_class.as_ref().map(StorageClass::as_str));
    Extras { acl, storage_class: class, others: &others }.check()
}
