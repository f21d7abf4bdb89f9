//! An upload becomes an object: its parts are judged as they are now, and what was judged is what is committed.

use super::error::no;
use super::fixed::sealed;
use super::multipart::{number, wants};
use super::sums::{self, etag_of_parts, of_parts};
use super::told::{self, Announced, Given};
use super::{Done, Face};
use crate::limits::{COMPLETE_TRIES_MAX, PART_BYTES_MIN};
use client::parts::{CompleteAsk, PartFacts, Upload};
use client::{Bucket, Checksum, ClientError, Etag, Expect, Fact, Facts};
use model::errors;
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Response, S3Result};

/// What an upload is going to be.
struct Judged<'a> {
    parts: Vec<&'a PartFacts>,
    expect: Expect,
    etag: Etag,
    facts: Facts,
    given: Given,
}

fn invalid_part(why: &str) -> S3Error {
    no(S3ErrorCode::InvalidPart, errors::BAD_VALUE, why)
}

fn unknown() -> S3Error {
    no(S3ErrorCode::NoSuchUpload, errors::UPLOAD_UNKNOWN, "no such upload of this name")
}

/// Where the object is.
fn made(ask: &CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput {
    CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", ask.bucket, crate::sign::encode(&ask.key, true))),
        bucket: Some(ask.bucket.clone()),
        key: Some(ask.key.clone()),
        server_side_encryption: Some(sealed()),
        ..CompleteMultipartUploadOutput::default()
    }
}

impl Face {
    pub(super) async fn complete(&self, ask: CompleteMultipartUploadInput) -> Done<CompleteMultipartUploadOutput> {
        let id = told::id_of(&ask.upload_id).ok_or_else(unknown)?;
        let bucket = self.bucket(&ask.bucket).await?;
        for _ in 1..COMPLETE_TRIES_MAX {
            match self.try_complete(&ask, &bucket, id).await {
                // Another version of the name, or a late retry of a part: judged anew by what is there now.
                Err(ClientError::Refused(no)) if no.id == errors::PRECONDITION => {}
                done => return done.unwrap_or_else(|error| Err(self.fault(&ask.bucket, error))),
            }
        }
        let done = self.try_complete(&ask, &bucket, id).await;
        done.unwrap_or_else(|error| Err(self.fault(&ask.bucket, error)))
    }

    /// Once: what is refused by what was asked is inside, what the commit met is outside.
    async fn try_complete(
        &self,
        ask: &CompleteMultipartUploadInput,
        bucket: &Bucket,
        id: [u8; 16],
    ) -> Result<Done<CompleteMultipartUploadOutput>, ClientError> {
        match self.client().upload(bucket, id).await {
            Ok((upload, kept)) => match self.judged(ask, bucket, (&upload, &kept)).await {
                Ok(complete) => self.commit_upload(ask, bucket, &upload, complete).await,
                Err(error) => Ok(Err(error)),
            },
            // The answer to an earlier try may have been lost: the object has the upload's id as its version.
            Err(error) => Ok(self.completed(ask, bucket, id, error).await),
        }
    }

    /// What is going to be made of an upload, if it is what was asked.
    async fn judged<'a>(
        &self,
        ask: &CompleteMultipartUploadInput,
        bucket: &Bucket,
        (upload, kept): (&Upload, &'a [PartFacts]),
    ) -> S3Result<Judged<'a>> {
        if upload.name != ask.key {
            return Err(unknown());
        }
        let named = ask.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref()).unwrap_or_default();
        let chosen = chosen(named, kept)?;
        let size: u64 = chosen.iter().map(|part| part.size.0).sum();
        if ask.mpu_object_size.is_some_and(|wanted| u64::try_from(wanted) != Ok(size)) {
            let why = format!("the parts have {size} bytes together");
            return Err(no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, why));
        }
        let place = (ask.bucket.as_str(), ask.key.as_str());
        let expect = self.expected(bucket, place, ask.if_match.clone(), ask.if_none_match.clone()).await?;
        let announced = Announced {
            md5: None,
            crc32: ask.checksum_crc32.clone(),
            crc32c: ask.checksum_crc32c.clone(),
            crc64nvme: ask.checksum_crc64nvme.clone(),
            sha1: ask.checksum_sha1.clone(),
            sha256: ask.checksum_sha256.clone(),
            algorithm: None,
            len: None,
        };
        let (etag, checksum) = joined(upload, &chosen, &announced)?;
        let given = Given::of(checksum.iter());
        let own = upload.facts().0.iter().filter(|fact| !matches!(fact, Fact::Checksum(_))).cloned();
        let facts = own.chain([Fact::Etag(etag)]).chain(checksum.map(Fact::Checksum)).collect();
        Ok(Judged { parts: chosen, expect, etag, facts: Facts(facts), given })
    }

    async fn commit_upload(
        &self,
        ask: &CompleteMultipartUploadInput,
        bucket: &Bucket,
        upload: &Upload,
        judged: Judged<'_>,
    ) -> Result<Done<CompleteMultipartUploadOutput>, ClientError> {
        let Judged { parts, expect, etag, facts, given } = judged;
        let complete = CompleteAsk { parts: &parts, expect, facts: Some(facts) };
        let done = self.client().upload_complete(bucket, upload.clone(), complete).await?;
        self.forget_upload(&upload.id);
        Ok(Ok(S3Response::new(CompleteMultipartUploadOutput {
            e_tag: Some(sums::etag(etag)),
            version_id: Some(told::version(done.version)),
            checksum_crc32: given.crc32,
            checksum_crc32c: given.crc32c,
            checksum_crc64nvme: given.crc64nvme,
            checksum_sha1: given.sha1,
            checksum_sha256: given.sha256,
            checksum_type: given.kind,
            ..made(ask)
        })))
    }

    /// An upload that is not open any more, told again if it became this object.
    async fn completed(
        &self,
        ask: &CompleteMultipartUploadInput,
        bucket: &Bucket,
        id: [u8; 16],
        error: ClientError,
    ) -> Done<CompleteMultipartUploadOutput> {
        let is_over = matches!(&error, ClientError::Refused(no) if no.id == errors::UPLOAD_UNKNOWN);
        let error = self.fault(&ask.bucket, error);
        if !is_over {
            return Err(error);
        }
        self.forget_upload(&id);
        let Ok(shown) = self.client().show(bucket, &ask.key, Some(id)).await else { return Err(error) };
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            e_tag: Some(told::etag(&shown.entry)),
            version_id: Some(told::version(id)),
            ..made(ask)
        }))
    }
}

/// The parts that are named, in order, each the one that is kept.
fn chosen<'a>(named: &[CompletedPart], kept: &'a [PartFacts]) -> S3Result<Vec<&'a PartFacts>> {
    if named.is_empty() {
        return Err(no(S3ErrorCode::MalformedXML, errors::BAD_VALUE, "no part is named"));
    }
    let mut chosen: Vec<&PartFacts> = Vec::with_capacity(named.len());
    for part in named {
        let number = number(part.part_number.ok_or_else(|| invalid_part("a part has no number"))?)?;
        if chosen.last().is_some_and(|before| before.number >= number) {
            return Err(no(S3ErrorCode::InvalidPartOrder, errors::BAD_VALUE, "parts are named in rising order"));
        }
        let found =
            kept.iter().find(|kept| kept.number == number).ok_or_else(|| invalid_part("a part is not there"))?;
        let md5 = part.e_tag.as_ref().and_then(told::md5_of_tag).map(|etag: Etag| etag.md5);
        if part.e_tag.is_some() && md5 != found.facts.etag().map(|etag| etag.md5) {
            return Err(invalid_part("a part has another tag"));
        }
        chosen.push(found);
    }
    let last = chosen.len() - 1;
    if chosen.iter().take(last).any(|part| part.size.0 < PART_BYTES_MIN) {
        let why = format!("a part that is not the last has {PART_BYTES_MIN} bytes or more");
        return Err(no(S3ErrorCode::EntityTooSmall, errors::BAD_VALUE, why));
    }
    Ok(chosen)
}

/// Tag and checksum of the whole.
fn joined(upload: &Upload, parts: &[&PartFacts], announced: &Announced) -> S3Result<(Etag, Option<Checksum>)> {
    let tags: Option<Vec<[u8; 16]>> = parts.iter().map(|part| part.facts.etag().map(|etag| etag.md5)).collect();
    // Parts of another door have no tags; then the tag is of what tells them apart here.
    let tags = tags.unwrap_or_else(|| parts.iter().map(|part| sums::md5_of(&part.hash)).collect());
    let of_kind = |part: &&PartFacts, kind| {
        let sum = part.facts.checksums().find(|sum| sum.kind == kind)?;
        Some((sum.bytes.clone(), part.size.0))
    };
    let sum = wants(upload).and_then(|(kind, is_whole)| {
        let sums: Option<Vec<_>> = parts.iter().map(|part| of_kind(part, kind)).collect();
        of_parts(kind, is_whole, &sums?)
    });
    // A checksum of parts is written with their number behind it.
    if let (Some(sum), Some(text)) = (&sum, announced.text()) {
        let bare = text.split_once('-').map_or(text, |(bare, _)| bare);
        let own = sums::shown(sum);
        if own != text && own.split_once('-').map_or(own.as_str(), |(bare, _)| bare) != bare {
            let why = "the parts have another checksum than was announced";
            return Err(no(S3ErrorCode::BadDigest, errors::BAD_VALUE, why));
        }
    }
    Ok((etag_of_parts(&tags), sum))
}
