//! An object is stored: read as it comes, judged at its end, then named. Nothing of what was not announced so is named.

use super::error::{fault, no, not_done};
use super::fixed::{encrypts, sealed};
use super::intake::{Checks, Intake};
use super::told::{self, Announced, Extras, Given, Served, failed};
use super::{Asked, Done, Face};
use client::{Bucket, ChecksumKind, Expect, Fact, Facts, Put, PutAsk};
use model::errors;
use s3s::dto::*;
use s3s::{S3ErrorCode, S3Response, S3Result};

/// Content under a name, as it comes.
pub(super) struct Storing {
    pub ask: PutAsk,
    pub body: Option<StreamingBlob>,
    pub checks: Checks,
}

/// What was stored, and what is told of it.
pub(super) struct Stored {
    pub put: Put,
    pub etag: Option<ETag>,
    pub given: Given,
}

impl Face {
    pub(super) async fn put(&self, ask: Asked<PutObjectInput>) -> Done<PutObjectOutput> {
        let Asked { input, headers, trailing_headers, .. } = ask;
        extras(&input)?;
        let (bucket_name, key) = (input.bucket, input.key);
        let served = Served {
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding,
            content_language: input.content_language,
            expires: input.expires,
        };
        let mut facts = served.facts();
        facts.extend(
            told::tags_of_header(input.tagging.as_deref())?.into_iter().map(|(key, value)| Fact::Tag(key, value)),
        );
        let announced = Announced {
            md5: input.content_md5,
            crc32: input.checksum_crc32,
            crc32c: input.checksum_crc32c,
            crc64nvme: input.checksum_crc64nvme,
            sha1: input.checksum_sha1,
            sha256: input.checksum_sha256,
            algorithm: input.checksum_algorithm.map(|word| word.as_str().to_owned()),
            len: input.content_length,
        };
        let checks = announced.checks(&headers, trailing_headers, None)?;
        let pairs = told::pairs(input.metadata)?;
        let bucket = self.bucket(&bucket_name).await?;
        let expect = self.expected(&bucket, (&bucket_name, &key), input.if_match, input.if_none_match).await?;
        let ask = PutAsk {
            size_hint: checks.len.unwrap_or(0),
            expect,
            content_type: input.content_type.unwrap_or_default(),
            pairs,
            facts: Facts(facts),
            ..PutAsk::new(&key)
        };
        let stored = self.store(&bucket_name, &bucket, Storing { ask, body: input.body, checks }).await?;
        let Stored { put, etag, given } = stored;
        let output = PutObjectOutput {
            e_tag: etag,
            version_id: Some(told::version(put.version)),
            server_side_encryption: Some(sealed()),
            checksum_crc32: given.crc32,
            checksum_crc32c: given.crc32c,
            checksum_crc64nvme: given.crc64nvme,
            checksum_sha1: given.sha1,
            checksum_sha256: given.sha256,
            checksum_type: given.kind,
            ..PutObjectOutput::default()
        };
        Ok(S3Response::new(output))
    }

    /// Stores what comes.
    pub(super) async fn store(&self, name: &str, bucket: &Bucket, storing: Storing) -> S3Result<Stored> {
        let Storing { ask, body, checks } = storing;
        let kind: Option<ChecksumKind> = checks.kind;
        let intake = Intake::new(body, checks);
        let told = intake.told();
        let Intake { content, ending, feed, fault: at_fault, .. } = intake;
        let ask = PutAsk { ending: Some(ending), ..ask };
        let putting = self.client().put(bucket, ask, content, &|_, _, _| {});
        let (put, ()) = tokio::join!(putting, feed.run());
        let put = put.map_err(|error| {
            self.0.buckets.saw(name, &error);
            at_fault.or(error)
        })?;
        Ok(Stored { put, etag: told.etag(), given: Given::of(told.checksum(kind).iter()) })
    }

    /// What must be true of a name for it to be written.
    pub(super) async fn expected(
        &self,
        bucket: &Bucket,
        (bucket_name, key): (&str, &str),
        matches: Option<ETagCondition>,
        matches_not: Option<ETagCondition>,
    ) -> S3Result<Expect> {
        match (matches, matches_not) {
            (None, None) => Ok(Expect::Any),
            (None, Some(condition)) if condition.is_any() => Ok(Expect::Absent),
            (Some(condition), None) => {
                let shown = self.client().show(bucket, key, None).await.map_err(|e| self.fault(bucket_name, e))?;
                let is_it = told::matches(&condition, &shown);
                if is_it { Ok(Expect::Version(shown.entry.version)) } else { Err(failed()) }
            }
            _ => Err(not_done("a write with If-None-Match of a tag, or with two conditions")),
        }
    }

    /// What a version of a name is.
    pub(super) async fn shown(&self, bucket: &str, key: &str, version: Option<&str>) -> S3Result<client::Shown> {
        let (opened, wanted) = (self.bucket(bucket).await?, told::wanted(version)?);
        match self.client().show(&opened, key, wanted).await {
            Ok(shown) => Ok(shown),
            Err(error) => Err(self.missing(bucket, &opened, (key, wanted), error).await),
        }
    }

    /// Why a version cannot be shown: a marker is told as one.
    pub(super) async fn missing(
        &self,
        bucket: &str,
        opened: &Bucket,
        (key, wanted): (&str, Option<[u8; 16]>),
        error: client::ClientError,
    ) -> s3s::S3Error {
        let is_unknown = matches!(&error, client::ClientError::Refused(no) if no.id == errors::OBJECT_UNKNOWN);
        let Some(wanted) = wanted.filter(|_| is_unknown) else { return self.fault(bucket, error) };
        let versions = match self.client().versions(opened, key).await {
            Ok(versions) => versions,
            Err(error) => return fault(error),
        };
        let marker = versions.iter().any(|past| past.version == wanted && past.size.is_none() && !past.is_dropped);
        if !marker {
            return no(S3ErrorCode::NoSuchVersion, errors::OBJECT_UNKNOWN, "no such version of this name");
        }
        let mut error = no(S3ErrorCode::MethodNotAllowed, errors::OBJECT_UNKNOWN, "this version is a marker");
        let value = hyper::header::HeaderValue::from_static("true");
        error.set_headers(hyper::HeaderMap::from_iter([(s3s::header::X_AMZ_DELETE_MARKER, value)]));
        error
    }
}

fn extras(input: &PutObjectInput) -> S3Result<()> {
    encrypts(input.server_side_encryption.as_ref())?;
    let others = [
        (
            "keys of the client's own for an object: everything is sealed already",
            input.sse_customer_algorithm.is_some(),
        ),
        (
            "grants of access: share a link instead",
            [&input.grant_full_control, &input.grant_read, &input.grant_read_acp, &input.grant_write_acp]
                .iter()
                .any(|grant| grant.is_some()),
        ),
        (
            "locks of objects",
            input.object_lock_mode.is_some()
                || input.object_lock_legal_hold_status.is_some()
                || input.object_lock_retain_until_date.is_some(),
        ),
        ("redirects of a website", input.website_redirect_location.is_some()),
        ("appending to an object", input.write_offset_bytes.is_some()),
    ];
    let (acl, class) =
        (input.acl.as_ref().map(ObjectCannedACL::as_str), input.storage_class.as_ref().map(StorageClass::as_str));
    Extras { acl, storage_class: class, others: &others }.check()
}
