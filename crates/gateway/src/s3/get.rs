//! An object is read, or looked at: conditions first, then the range, then its first bytes, then an answer.

use super::error::{fault, no, not_done};
use super::fixed::sealed;
use super::multipart::number as number_of;
use super::outlet;
use super::told::{self, Conditions, Given, second};
use super::{Done, Face};
use client::{ServedHeader, Shown};
use hyper::StatusCode;
use model::errors;
use s3s::dto::*;
use s3s::{S3ErrorCode, S3Response, S3Result};

/// The type of content of which nobody said one.
const TYPE_UNKNOWN: &str = "binary/octet-stream";

/// What is asked for of an object's bytes.
fn range_of(range: Option<Range>, size: u64) -> S3Result<Option<std::ops::Range<u64>>> {
    let bad = || {
        let mut error = no(S3ErrorCode::InvalidRange, errors::BAD_RANGE, format!("not within {size} bytes"));
        if let Ok(value) = format!("bytes */{size}").parse() {
            error.set_headers(hyper::HeaderMap::from_iter([(hyper::header::CONTENT_RANGE, value)]));
        }
        error
    };
    // Of an empty object no byte can be had.
    let part = |range: Range| range.check(size).ok().filter(|part| part.start < part.end).ok_or_else(bad);
    range.map(part).transpose()
}

impl Face {
    pub(super) async fn get(&self, ask: GetObjectInput) -> Done<GetObjectOutput> {
        if ask.sse_customer_algorithm.is_some() {
            return Err(not_done("keys of the client's own for an object"));
        }
        let (bucket, wanted) = (self.bucket(&ask.bucket).await?, told::wanted(ask.version_id.as_deref())?);
        let found = match self.client().find(&bucket, &ask.key, wanted).await {
            Ok(found) => found,
            Err(error) => return Err(self.missing(&ask.bucket, &bucket, (&ask.key, wanted), error).await),
        };
        let conditions = Conditions {
            matches: ask.if_match,
            matches_not: ask.if_none_match,
            since: ask.if_modified_since,
            not_since: ask.if_unmodified_since,
        };
        conditions.check(&found.shown.entry)?;
        let size = found.shown.entry.size.0;
        let part = match ask.part_number {
            Some(number) => Some(self.part_of((&ask.bucket, &bucket), &found, (number, ask.range)).await?),
            None => range_of(ask.range, size)?,
        };
        let range = part.clone().unwrap_or(0..size);
        let shown = found.shown.clone();
        let mut output = shown_as(&shown, part.is_none() && ask.checksum_mode.is_some());
        output.content_length = i64::try_from(range.end - range.start).ok();
        output.content_range = part.as_ref().and_then(|part| content_range(part, size));
        output.parts_count = ask.part_number.and_then(|_| parts_count(&shown));
        let chunks = outlet::read(self.client().clone(), bucket, found, range);
        output.body = Some(outlet::body(chunks).await?);
        let status = if part.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        Ok(S3Response::with_status(output, status))
    }

    pub(super) async fn head(&self, ask: HeadObjectInput) -> Done<HeadObjectOutput> {
        if ask.sse_customer_algorithm.is_some() {
            return Err(not_done("keys of the client's own for an object"));
        }
        let conditions = Conditions {
            matches: ask.if_match,
            matches_not: ask.if_none_match,
            since: ask.if_modified_since,
            not_since: ask.if_unmodified_since,
        };
        let (shown, part) = match ask.part_number {
            Some(number) => {
                let (bucket, wanted) = (self.bucket(&ask.bucket).await?, told::wanted(ask.version_id.as_deref())?);
                let found = match self.client().find(&bucket, &ask.key, wanted).await {
                    Ok(found) => found,
                    Err(error) => return Err(self.missing(&ask.bucket, &bucket, (&ask.key, wanted), error).await),
                };
                conditions.check(&found.shown.entry)?;
                let part = self.part_of((&ask.bucket, &bucket), &found, (number, ask.range)).await?;
                (found.shown, Some(part))
            }
            None => {
                let shown = self.shown(&ask.bucket, &ask.key, ask.version_id.as_deref()).await?;
                conditions.check(&shown.entry)?;
                let part = range_of(ask.range, shown.entry.size.0)?;
                (shown, part)
            }
        };
        let size = shown.entry.size.0;
        let (range, is_part) = (part.clone().unwrap_or(0..size), part.is_some());
        let told = shown_as(&shown, !is_part && ask.checksum_mode.is_some());
        let output = HeadObjectOutput {
            accept_ranges: told.accept_ranges,
            cache_control: told.cache_control,
            checksum_crc32: told.checksum_crc32,
            checksum_crc32c: told.checksum_crc32c,
            checksum_crc64nvme: told.checksum_crc64nvme,
            checksum_sha1: told.checksum_sha1,
            checksum_sha256: told.checksum_sha256,
            checksum_type: told.checksum_type,
            content_disposition: told.content_disposition,
            content_encoding: told.content_encoding,
            content_language: told.content_language,
            content_length: i64::try_from(range.end - range.start).ok(),
            content_range: part.and_then(|part| content_range(&part, size)),
            content_type: told.content_type,
            e_tag: told.e_tag,
            expires: told.expires,
            last_modified: told.last_modified,
            metadata: told.metadata,
            server_side_encryption: told.server_side_encryption,
            parts_count: ask.part_number.and_then(|_| parts_count(&shown)),
            version_id: told.version_id,
            ..HeadObjectOutput::default()
        };
        let status = if is_part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        let mut answer = S3Response::with_status(output, status);
        let tags = shown.facts.tags().count();
        if tags > 0 {
            answer.headers.insert(s3s::header::X_AMZ_TAGGING_COUNT, hyper::header::HeaderValue::from(tags));
        }
        Ok(answer)
    }

    pub(super) async fn attributes(&self, ask: GetObjectAttributesInput) -> Done<GetObjectAttributesOutput> {
        let shown = self.shown(&ask.bucket, &ask.key, ask.version_id.as_deref()).await?;
        // One header may name several.
        let asked: Vec<&str> =
            ask.object_attributes.iter().flat_map(|word| word.as_str().split(',')).map(str::trim).collect();
        let is_asked = |word: &str| asked.contains(&word);
        let given = Given::of(shown.facts.checksums());
        let checksum = Checksum {
            checksum_crc32: given.crc32,
            checksum_crc32c: given.crc32c,
            checksum_crc64nvme: given.crc64nvme,
            checksum_sha1: given.sha1,
            checksum_sha256: given.sha256,
            checksum_type: given.kind,
        };
        let parts = GetObjectAttributesParts {
            total_parts_count: i32::try_from(shown.parts).ok(),
            ..GetObjectAttributesParts::default()
        };
        let has_checksum = checksum.checksum_type.is_some();
        let output = GetObjectAttributesOutput {
            checksum: Some(checksum).filter(|_| has_checksum && is_asked(ObjectAttributes::CHECKSUM)),
            e_tag: Some(told::etag(&shown.entry)).filter(|_| is_asked(ObjectAttributes::ETAG)),
            last_modified: Some(second(shown.entry.at)),
            object_parts: Some(parts).filter(|_| shown.parts > 0 && is_asked(ObjectAttributes::OBJECT_PARTS)),
            object_size: i64::try_from(shown.entry.size.0).ok().filter(|_| is_asked(ObjectAttributes::OBJECT_SIZE)),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD))
                .filter(|_| is_asked(ObjectAttributes::STORAGE_CLASS)),
            version_id: Some(told::version(shown.entry.version)),
            ..GetObjectAttributesOutput::default()
        };
        Ok(S3Response::new(output))
    }

    /// The bytes of a part by its number.
    async fn part_of(
        &self,
        (bucket_name, bucket): (&str, &client::Bucket),
        found: &client::Found,
        (number, range): (i32, Option<Range>),
    ) -> S3Result<std::ops::Range<u64>> {
        if range.is_some() {
            let why = "a range and a part's number are not asked for together";
            return Err(no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, why));
        }
        let number = number_of(number)?;
        let part = self.client().part_of(bucket, found, u32::from(number)).await;
        part.map_err(|e| self.fault(bucket_name, e))?.ok_or_else(|| {
            let code = S3ErrorCode::Custom("InvalidPartNumber".into());
            let mut error = no(code, errors::BAD_RANGE, format!("the object has no part {number}"));
            error.set_status_code(StatusCode::RANGE_NOT_SATISFIABLE);
            error
        })
    }

    /// Content of an object to be stored again, elsewhere or as a part.
    pub(super) async fn reread(
        &self,
        bucket: client::Bucket,
        found: client::Found,
        range: std::ops::Range<u64>,
    ) -> S3Result<StreamingBlob> {
        outlet::body(outlet::read(self.client().clone(), bucket, found, range)).await
    }

    /// An object that is read for a copy, if its conditions hold.
    pub(super) async fn source(
        &self,
        (bucket_name, key, version): (&str, &str, Option<&str>),
        conditions: Conditions,
    ) -> S3Result<(client::Bucket, client::Found)> {
        let (bucket, wanted) = (self.bucket(bucket_name).await?, told::wanted(version)?);
        let found = match self.client().find(&bucket, key, wanted).await {
            Ok(found) => found,
            Err(client::ClientError::Refused(no)) if wanted.is_none() => {
                return Err(fault(client::ClientError::Refused(no)));
            }
            Err(error) => return Err(self.missing(bucket_name, &bucket, (key, wanted), error).await),
        };
        if conditions.met(&found.shown.entry) == told::Met::Yes { Ok((bucket, found)) } else { Err(told::failed()) }
    }
}

/// Of an empty part there is no range.
fn content_range(part: &std::ops::Range<u64>, size: u64) -> Option<String> {
    (part.start < part.end).then(|| format!("bytes {}-{}/{size}", part.start, part.end - 1))
}

/// Of an object that came in parts.
fn parts_count(shown: &Shown) -> Option<i32> {
    i32::try_from(shown.parts).ok().filter(|parts| *parts > 0)
}

/// What is told of an object, without its content.
fn shown_as(shown: &Shown, with_checksum: bool) -> GetObjectOutput {
    let given = if with_checksum { Given::of(shown.facts.checksums()) } else { Given::default() };
    let kind = Some(shown.entry.content_type.clone()).filter(|kind| !kind.is_empty());
    let tags = i32::try_from(shown.facts.tags().count()).ok().filter(|tags| *tags > 0);
    GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: told::served(&shown.facts, ServedHeader::CacheControl),
        checksum_crc32: given.crc32,
        checksum_crc32c: given.crc32c,
        checksum_crc64nvme: given.crc64nvme,
        checksum_sha1: given.sha1,
        checksum_sha256: given.sha256,
        checksum_type: given.kind,
        content_disposition: told::served(&shown.facts, ServedHeader::ContentDisposition),
        content_encoding: told::served(&shown.facts, ServedHeader::ContentEncoding),
        content_language: told::served(&shown.facts, ServedHeader::ContentLanguage),
        content_type: Some(kind.unwrap_or_else(|| TYPE_UNKNOWN.to_owned())),
        e_tag: Some(told::etag(&shown.entry)),
        expires: told::expires(&shown.facts),
        last_modified: Some(second(shown.entry.at)),
        server_side_encryption: Some(sealed()),
        metadata: Some(shown.pairs.iter().cloned().collect::<Map<_, _>>()).filter(|pairs| !pairs.is_empty()),
        tag_count: tags,
        version_id: Some(told::version(shown.entry.version)),
        ..GetObjectOutput::default()
    }
}
