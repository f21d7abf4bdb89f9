//! What is open: uploads of a bucket, parts of an upload.

use super::bucket::owner;
use super::list::{ListAsk, Writes, fold, most, some, split};
use super::sums;
use super::told::{self, Given, time};
use super::{Done, Face};
use client::parts::{PartFacts, Upload};
use s3s::S3Response;
use s3s::dto::*;

/// Who began an upload: the owner.
fn initiator() -> Initiator {
    Initiator { id: owner().id, display_name: None }
}

/// The checksum an upload wants, as S3 names it.
fn asked(upload: &Upload) -> (Option<ChecksumAlgorithm>, Option<ChecksumType>) {
    let wanted = upload.facts().checksums().find(|sum| sum.bytes.is_empty());
    let word = wanted.map(|sum| ChecksumAlgorithm::from_static(sums::word(sum.kind)));
    (word, wanted.map(|sum| told::type_of(sum.parts == 0)))
}

impl Face {
    pub(super) async fn parts(&self, ask: ListPartsInput) -> Done<ListPartsOutput> {
        let most = most(ask.max_parts, "max-parts")?;
        let (bucket, known) = self.upload(&ask.bucket, &ask.key, &ask.upload_id).await?;
        let found = self.client().upload(&bucket, known.id).await;
        let (upload, all) = found.map_err(|error| {
            self.forget_upload(&known.id);
            self.fault(&ask.bucket, error)
        })?;
        let after = ask.part_number_marker.unwrap_or(0);
        let mut rest = all.iter().filter(|part| i32::from(part.number) > after).peekable();
        let mut shown = Vec::new();
        while let Some(part) = rest.next_if(|_| shown.len() < most) {
            shown.push(part);
        }
        let is_truncated = rest.peek().is_some();
        let next = shown.last().map(|part| i32::from(part.number)).filter(|_| is_truncated);
        let (checksum_algorithm, checksum_type) = asked(&upload);
        let output = ListPartsOutput {
            bucket: Some(ask.bucket),
            checksum_algorithm,
            checksum_type,
            initiator: Some(initiator()),
            is_truncated: Some(is_truncated),
            key: Some(ask.key),
            max_parts: i32::try_from(most).ok(),
            next_part_number_marker: next,
            owner: Some(owner()),
            part_number_marker: Some(after),
            parts: some(shown.into_iter().map(part).collect()),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            upload_id: Some(ask.upload_id),
            ..ListPartsOutput::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn uploads(&self, ask: ListMultipartUploadsInput) -> Done<ListMultipartUploadsOutput> {
        let (writes, most) = (Writes::of(ask.encoding_type.as_ref())?, most(ask.max_uploads, "max-uploads")?);
        let bucket = self.bucket(&ask.bucket).await?;
        let mut all = self.client().uploads(&bucket).await.map_err(|e| self.fault(&ask.bucket, e))?;
        let key = ask.key_marker.as_deref().filter(|marker| !marker.is_empty());
        let marker = ask.upload_id_marker.as_deref().and_then(told::id_of);
        // Behind an upload of a name, its other uploads come first.
        let mut after = key;
        if let (Some(key), Some(marker)) = (key, marker)
            && let Some(at) = all.iter().position(|upload| upload.name == key && upload.id == marker)
        {
            all.drain(..=at);
            after = None;
        }
        let (prefix, delimiter) =
            (ask.prefix.as_deref().unwrap_or_default(), ask.delimiter.as_deref().unwrap_or_default());
        let page = fold(all, &ListAsk { prefix, delimiter, after, most }, |upload| upload.name.as_str());
        let next_upload = page.next.as_ref().and_then(|_| match page.lines.last() {
            Some(super::list::Line::One(upload)) => Some(told::version(upload.id)),
            _ => None,
        });
        let next_key = page.next.as_deref().map(|next| writes.name(next));
        let (shown, folded) = split(page.lines, writes);
        let output = ListMultipartUploadsOutput {
            common_prefixes: some(folded),
            delimiter: writes.opt(ask.delimiter.as_deref()),
            is_truncated: Some(next_key.is_some()),
            key_marker: Some(writes.name(ask.key_marker.as_deref().unwrap_or_default())),
            max_uploads: i32::try_from(most).ok(),
            next_key_marker: next_key,
            next_upload_id_marker: next_upload,
            prefix: Some(writes.name(prefix)),
            upload_id_marker: Some(ask.upload_id_marker.unwrap_or_default()),
            uploads: some(shown.iter().map(|upload| open(upload, writes)).collect()),
            encoding_type: ask.encoding_type,
            bucket: Some(ask.bucket),
            ..ListMultipartUploadsOutput::default()
        };
        Ok(S3Response::new(output))
    }
}

fn open(upload: &Upload, writes: Writes) -> MultipartUpload {
    let (checksum_algorithm, checksum_type) = asked(upload);
    MultipartUpload {
        checksum_algorithm,
        checksum_type,
        initiated: Some(time(upload.at)),
        initiator: Some(initiator()),
        key: Some(writes.name(&upload.name)),
        owner: Some(owner()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        upload_id: Some(told::version(upload.id)),
    }
}

fn part(part: &PartFacts) -> Part {
    let given = Given::of(part.facts.checksums());
    Part {
        checksum_crc32: given.crc32,
        checksum_crc32c: given.crc32c,
        checksum_crc64nvme: given.crc64nvme,
        checksum_sha1: given.sha1,
        checksum_sha256: given.sha256,
        e_tag: part.facts.etag().map(sums::etag),
        last_modified: Some(time(part.at)),
        part_number: Some(i32::from(part.number)),
        size: i64::try_from(part.size.0).ok(),
    }
}
