//! A browser's form (POST): S3's library holds its policy against its fields and checks the signature over it; here the key's scope
//! is held against the name, which stands in the form, and the signature's against this gateway.

use super::access::{check_name, key_of};
use super::error::{bad, no, not_done};
use super::{Asked, Done, Face};
use crate::form::FileName;
use crate::sign::encode;
use crate::wall::REGION;
use hyper::header::{ETAG, HeaderName, HeaderValue, LOCATION};
use model::errors;
use s3s::S3ErrorCode;
use s3s::dto::{PostObjectInput, PostObjectOutput, PutObjectInput};

/// What stands in a name for that of the file.
const FILENAME: &str = "${filename}";

impl Face {
    pub(super) async fn form(&self, mut ask: Asked<PostObjectInput>) -> Done<PostObjectOutput> {
        if ask.input.key.contains(FILENAME) && ask.input.success_action_status == Some(201) {
            return Err(not_done("a name made of the file's, told in an answer of status 201"));
        }
        if let Some(FileName(name)) = ask.extensions.get::<FileName>() {
            ask.input.key = ask.input.key.replace(FILENAME, name);
        }
        let key = key_of(&ask)?;
        // A signature of version 4 is over the policy, so there is one; version 2 names no region.
        if ask.region.as_ref().map(|region| region.as_str()) != Some(REGION) || ask.service.as_deref() != Some("s3") {
            let why = format!("a form is signed with version 4, for s3 in {REGION}");
            return Err(no(S3ErrorCode::InvalidRequest, errors::BAD_SIGNATURE, why));
        }
        if ask.input.key.is_empty() {
            return Err(bad("Bucket POST must contain a field named 'key'"));
        }
        check_name(&key, &ask.input.bucket, &ask.input.key)?;
        let to = ask.input.success_action_redirect.take();
        if to.as_deref().is_some_and(|to| !is_address(to)) {
            return Err(bad("success_action_redirect is an address of http or https"));
        }
        let (bucket, name) = (ask.input.bucket.clone(), ask.input.key.clone());
        let put = ask.map_input(as_put);
        let mut stored = self.put(put).await?;
        let etag = stored.output.e_tag.as_ref().map(|etag| format!("\"{}\"", etag.value())).unwrap_or_default();
        let version = stored.output.version_id.clone().unwrap_or_default();
        let mut told = vec![(ETAG, etag.clone()), (HeaderName::from_static("x-amz-version-id"), version)];
        if let Some(to) = to {
            let query = [("bucket", &bucket), ("key", &name), ("etag", &etag)];
            let query: Vec<String> = query.map(|(key, value)| format!("{key}={}", encode(value, false))).to_vec();
            let joint = if to.contains('?') { '&' } else { '?' };
            told.push((LOCATION, format!("{to}{joint}{}", query.join("&"))));
        }
        for (name, value) in told {
            stored.headers.insert(name, HeaderValue::from_str(&value).map_err(|_| bad("a name that no header tells"))?);
        }
        Ok(stored.map_output(|put| PostObjectOutput {
            checksum_crc32: put.checksum_crc32,
            checksum_crc32c: put.checksum_crc32c,
            checksum_crc64nvme: put.checksum_crc64nvme,
            checksum_sha1: put.checksum_sha1,
            checksum_sha256: put.checksum_sha256,
            checksum_type: put.checksum_type,
            e_tag: put.e_tag,
            version_id: put.version_id,
            ..PostObjectOutput::default()
        }))
    }
}

fn is_address(text: &str) -> bool {
    (text.starts_with("http://") || text.starts_with("https://")) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn as_put(form: PostObjectInput) -> PutObjectInput {
    PutObjectInput {
        acl: form.acl,
        body: form.body,
        bucket: form.bucket,
        cache_control: form.cache_control,
        checksum_algorithm: form.checksum_algorithm,
        checksum_crc32: form.checksum_crc32,
        checksum_crc32c: form.checksum_crc32c,
        checksum_crc64nvme: form.checksum_crc64nvme,
        checksum_sha1: form.checksum_sha1,
        checksum_sha256: form.checksum_sha256,
        content_disposition: form.content_disposition,
        content_encoding: form.content_encoding,
        content_language: form.content_language,
        content_length: form.content_length,
        content_md5: form.content_md5,
        content_type: form.content_type,
        expires: form.expires,
        grant_full_control: form.grant_full_control,
        grant_read: form.grant_read,
        grant_read_acp: form.grant_read_acp,
        grant_write_acp: form.grant_write_acp,
        key: form.key,
        metadata: form.metadata,
        object_lock_legal_hold_status: form.object_lock_legal_hold_status,
        object_lock_mode: form.object_lock_mode,
        sse_customer_algorithm: form.sse_customer_algorithm,
        server_side_encryption: form.server_side_encryption,
        storage_class: form.storage_class,
        tagging: form.tagging,
        website_redirect_location: form.website_redirect_location,
        ..PutObjectInput::default()
    }
}
