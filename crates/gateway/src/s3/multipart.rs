//! Objects that come in parts: begun, each part stored by itself and judged at its end, made one, or given up.

use super::access::{check_name, key_of};
use super::copy::named;
use super::error::{bad, no, not_done};
use super::fixed::{encrypts, sealed};
use super::intake::{Checks, Intake};
use super::sums;
use super::told::{self, Announced, Conditions, Extras, Given, Served, second};
use super::{Asked, Done, Face};
use crate::limits::{PART_NUMBER_MAX, PUT_BYTES_MAX};
use client::parts::{PartAsk, PartFacts, Upload};
use client::{Bucket, Checksum, ChecksumKind, ClientError, Fact, Facts, PutAsk};
use model::errors;
use s3s::dto::*;
use s3s::{S3ErrorCode, S3Response, S3Result};

/// The checksum an upload wants, and whether of the whole.
pub(super) fn wants(upload: &Upload) -> Option<(ChecksumKind, bool)> {
    let wanted = upload.facts().checksums().find(|sum| sum.bytes.is_empty())?;
    Some((wanted.kind, wanted.parts == 0))
}

/// What an upload that is begun says of its checksums.
fn wanted(algorithm: Option<&ChecksumAlgorithm>, kind: Option<&ChecksumType>) -> S3Result<Option<Fact>> {
    let Some(algorithm) = algorithm else {
        return if kind.is_some() { Err(bad("x-amz-checksum-type needs x-amz-checksum-algorithm")) } else { Ok(None) };
    };
    let sum = sums::asked(algorithm.as_str())?;
    let is_whole = match kind.map(ChecksumType::as_str) {
        None => sum == ChecksumKind::Crc64Nvme,
        Some(ChecksumType::FULL_OBJECT) if sums::joins(sum) => true,
        Some(ChecksumType::COMPOSITE) if sum != ChecksumKind::Crc64Nvme => false,
        Some(word) => {
            let why = format!("a checksum of {} is not of the type {word}", sums::word(sum));
            return Err(no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, why));
        }
    };
    Ok(Some(Fact::Checksum(Checksum { kind: sum, parts: u16::from(!is_whole), bytes: Vec::new() })))
}

pub(super) fn number(number: i32) -> S3Result<u16> {
    let number = (1..=PART_NUMBER_MAX).contains(&number).then(|| u16::try_from(number).ok()).flatten();
    number.ok_or_else(|| bad(format!("a part's number is 1 to {PART_NUMBER_MAX}")))
}

impl Face {
    pub(super) async fn begin(&self, ask: CreateMultipartUploadInput) -> Done<CreateMultipartUploadOutput> {
        extras(&ask)?;
        let mut facts = Served {
            cache_control: ask.cache_control,
            content_disposition: ask.content_disposition,
            content_encoding: ask.content_encoding,
            content_language: ask.content_language,
            expires: ask.expires,
        }
        .facts();
        facts.extend(
            told::tags_of_header(ask.tagging.as_deref())?.into_iter().map(|(key, value)| Fact::Tag(key, value)),
        );
        facts.extend(wanted(ask.checksum_algorithm.as_ref(), ask.checksum_type.as_ref())?);
        let bucket = self.bucket(&ask.bucket).await?;
        let put = PutAsk {
            content_type: ask.content_type.unwrap_or_default(),
            pairs: told::pairs(ask.metadata)?,
            facts: Facts(facts),
            ..PutAsk::new(&ask.key)
        };
        let upload = self.client().upload_begin(&bucket, put).await.map_err(|e| self.fault(&ask.bucket, e))?;
        let asked = wants(&upload);
        let output = CreateMultipartUploadOutput {
            bucket: Some(ask.bucket),
            key: Some(ask.key),
            upload_id: Some(told::version(upload.id)),
            server_side_encryption: Some(sealed()),
            checksum_algorithm: asked.map(|(kind, _)| ChecksumAlgorithm::from_static(sums::word(kind))),
            checksum_type: asked.map(|(_, is_whole)| told::type_of(is_whole)),
            ..CreateMultipartUploadOutput::default()
        };
        self.keep_upload(upload);
        Ok(S3Response::new(output))
    }

    pub(super) async fn part(&self, ask: Asked<UploadPartInput>) -> Done<UploadPartOutput> {
        let Asked { input, headers, trailing_headers, .. } = ask;
        if input.sse_customer_algorithm.is_some() {
            return Err(not_done("keys of the client's own for an object"));
        }
        let number = number(input.part_number)?;
        let (bucket, upload) = self.upload(&input.bucket, &input.key, &input.upload_id).await?;
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
        let checks = announced.checks(&headers, trailing_headers, wants(&upload).map(|(kind, _)| kind))?;
        let kept = self.take_part((&input.bucket, &bucket, &upload), number, (input.body, checks)).await?;
        let given = Given::of(kept.facts.checksums());
        let output = UploadPartOutput {
            e_tag: kept.facts.etag().map(sums::etag),
            checksum_crc32: given.crc32,
            checksum_crc32c: given.crc32c,
            checksum_crc64nvme: given.crc64nvme,
            checksum_sha1: given.sha1,
            checksum_sha256: given.sha256,
            ..UploadPartOutput::default()
        };
        Ok(S3Response::new(output))
    }

    /// Stores a part.
    async fn take_part(
        &self,
        (name, bucket, upload): (&str, &Bucket, &Upload),
        number: u16,
        (body, checks): (Option<StreamingBlob>, Checks),
    ) -> S3Result<PartFacts> {
        let size_hint = checks.len.unwrap_or(0);
        let Intake { content, ending, feed, fault, .. } = Intake::new(body, checks);
        let ask = PartAsk { number, size_hint, ending: Some(ending) };
        let storing = self.client().upload_part(bucket, upload, ask, content, &|_, _, _| {});
        let (kept, ()) = tokio::join!(storing, feed.run());
        kept.map_err(|error| {
            match &error {
                ClientError::Refused(no) if no.id == errors::UPLOAD_UNKNOWN => self.forget_upload(&upload.id),
                ClientError::Refused(no) if no.id == errors::BUCKET_UNKNOWN => self.forget_bucket(name),
                _ => {}
            }
            fault.or(error)
        })
    }

    pub(super) async fn part_copy(&self, ask: Asked<UploadPartCopyInput>) -> Done<UploadPartCopyOutput> {
        let key = key_of(&ask)?;
        let input = ask.input;
        if input.sse_customer_algorithm.is_some() || input.copy_source_sse_customer_algorithm.is_some() {
            return Err(not_done("keys of the client's own for an object"));
        }
        let number = number(input.part_number)?;
        let from = named(input.copy_source)?;
        check_name(&key, &from.bucket, &from.key)?;
        let (bucket, upload) = self.upload(&input.bucket, &input.key, &input.upload_id).await?;
        let conditions = Conditions {
            matches: input.copy_source_if_match,
            matches_not: input.copy_source_if_none_match,
            since: input.copy_source_if_modified_since,
            not_since: input.copy_source_if_unmodified_since,
        };
        let source = (from.bucket.as_str(), from.key.as_str(), from.version.as_deref());
        let (source, found) = self.source(source, conditions).await?;
        let (size, version) = (found.shown.entry.size.0, found.shown.entry.version);
        let range = range_of(input.copy_source_range.as_deref(), size)?;
        let len = range.end - range.start;
        if len > PUT_BYTES_MAX {
            return Err(no(S3ErrorCode::EntityTooLarge, errors::TOO_LARGE, format!("{len} bytes in one part")));
        }
        let body = self.reread(source, found, range).await?;
        let checks = Checks { kind: wants(&upload).map(|(kind, _)| kind), len: Some(len), ..Checks::default() };
        let kept = self.take_part((&input.bucket, &bucket, &upload), number, (Some(body), checks)).await?;
        let given = Given::of(kept.facts.checksums());
        let result = CopyPartResult {
            e_tag: kept.facts.etag().map(sums::etag),
            last_modified: Some(second(kept.at)),
            checksum_crc32: given.crc32,
            checksum_crc32c: given.crc32c,
            checksum_crc64nvme: given.crc64nvme,
            checksum_sha1: given.sha1,
            checksum_sha256: given.sha256,
        };
        let output = UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: Some(told::version(version)),
            ..UploadPartCopyOutput::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn abort(&self, ask: AbortMultipartUploadInput) -> Done<AbortMultipartUploadOutput> {
        let (bucket, upload) = self.upload(&ask.bucket, &ask.key, &ask.upload_id).await?;
        self.forget_upload(&upload.id);
        let done = self.client().upload_abort(&bucket, upload.id).await;
        done.map_err(|e| self.fault(&ask.bucket, e))?;
        Ok(S3Response::with_status(AbortMultipartUploadOutput::default(), hyper::StatusCode::NO_CONTENT))
    }
}

/// `bytes=0-9` of a source.
fn range_of(text: Option<&str>, size: u64) -> S3Result<std::ops::Range<u64>> {
    let Some(text) = text else { return Ok(0..size) };
    let wrong = || bad("x-amz-copy-source-range is written as bytes=first-last, within the source");
    let range = Range::parse(text).map_err(|_| wrong())?;
    match range {
        Range::Int { last: Some(last), .. } if last < size => range.check(size).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

fn extras(ask: &CreateMultipartUploadInput) -> S3Result<()> {
    encrypts(ask.server_side_encryption.as_ref())?;
    let grants = [&ask.grant_full_control, &ask.grant_read, &ask.grant_read_acp, &ask.grant_write_acp];
    let others = [
        ("keys of the client's own for an object: everything is sealed already", ask.sse_customer_algorithm.is_some()),
        ("grants of access: share a link instead", grants.iter().any(|grant| grant.is_some())),
        ("locks of objects", ask.object_lock_mode.is_some() || ask.object_lock_legal_hold_status.is_some()),
        ("redirects of a website", ask.website_redirect_location.is_some()),
    ];
    let (acl, class) =
        (ask.acl.as_ref().map(ObjectCannedACL::as_str), ask.storage_class.as_ref().map(StorageClass::as_str));
    Extras { acl, storage_class: class, others: &others }.check()
}
