//! Names are removed: a marker takes their place. A marker that is removed brings its name back; a version stays for its time, and
//! nobody can end that sooner, whatever key they have.

use super::access::{check_name, key_of};
use super::error::{bad, no, not_done};
use super::told::{self, failed};
use super::{Asked, Done, Face};
use crate::limits::DELETE_KEYS_MAX;
use client::{Bucket, ClientError, Expect};
use model::errors;
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Response, S3Result};

/// What came of a removal: the marker, if one was made or taken away.
struct Removed {
    marker: Option<[u8; 16]>,
    is_back: bool,
}

impl Face {
    pub(super) async fn delete(&self, ask: DeleteObjectInput) -> Done<DeleteObjectOutput> {
        if ask.mfa.is_some() || ask.if_match_last_modified_time.is_some() || ask.if_match_size.is_some() {
            return Err(not_done("deletes by a second factor, by size or by time"));
        }
        let bucket = self.bucket(&ask.bucket).await?;
        let expect = match &ask.if_match {
            None => Expect::Any,
            Some(condition) => {
                let shown =
                    self.client().show(&bucket, &ask.key, None).await.map_err(|e| self.fault(&ask.bucket, e))?;
                if !told::matches(condition, &shown) {
                    return Err(failed());
                }
                Expect::Version(shown.entry.version)
            }
        };
        let place = (ask.bucket.as_str(), ask.key.as_str());
        let done = self.remove(&bucket, place, ask.version_id.as_deref(), expect).await?;
        let output = DeleteObjectOutput {
            delete_marker: done.marker.map(|_| true),
            version_id: done.marker.map(told::version),
            ..DeleteObjectOutput::default()
        };
        Ok(S3Response::with_status(output, hyper::StatusCode::NO_CONTENT))
    }

    async fn remove(
        &self,
        bucket: &Bucket,
        (bucket_name, key): (&str, &str),
        version: Option<&str>,
        expect: Expect,
    ) -> S3Result<Removed> {
        if let Some(version) = told::wanted(version)? {
            return self.remove_version(bucket, (bucket_name, key), version).await;
        }
        match self.client().remove(bucket, key, expect).await {
            Ok(marker) => Ok(Removed { marker: Some(marker), is_back: false }),
            // What is not there is removed.
            Err(ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => {
                Ok(Removed { marker: None, is_back: false })
            }
            Err(error) => Err(self.fault(bucket_name, error)),
        }
    }

    async fn remove_version(
        &self,
        bucket: &Bucket,
        (bucket_name, key): (&str, &str),
        version: [u8; 16],
    ) -> S3Result<Removed> {
        let all = self.client().versions(bucket, key).await.map_err(|e| self.fault(bucket_name, e))?;
        let Some(at) = all.iter().position(|past| past.version == version) else {
            return Ok(Removed { marker: None, is_back: false });
        };
        if at > 0 || all[at].size.is_some() {
            let why = "a version is kept until its time is over, and goes by itself then";
            return Err(no(S3ErrorCode::AccessDenied, errors::RETAINED, why));
        }
        self.client().undelete(bucket, key).await.map_err(|e| self.fault(bucket_name, e))?;
        Ok(Removed { marker: Some(version), is_back: true })
    }

    pub(super) async fn delete_many(&self, ask: Asked<DeleteObjectsInput>) -> Done<DeleteObjectsOutput> {
        let key = key_of(&ask)?;
        let input = ask.input;
        let (asked, is_quiet) = (input.delete.objects, input.delete.quiet == Some(true));
        if asked.is_empty() || asked.len() > DELETE_KEYS_MAX {
            let why = format!("one request names 1 to {DELETE_KEYS_MAX} keys");
            return Err(no(S3ErrorCode::MalformedXML, errors::TOO_LARGE, why));
        }
        if input.mfa.is_some() {
            return Err(not_done("deletes by a second factor"));
        }
        let bucket = self.bucket(&input.bucket).await?;
        let (mut deleted, mut failed) = (Vec::new(), Vec::new());
        for object in asked {
            let place = (input.bucket.as_str(), object.key.as_str());
            let done = match check_name(&key, place.0, place.1).and_then(|()| plain(&object)) {
                Ok(()) => self.remove(&bucket, place, object.version_id.as_deref(), Expect::Any).await,
                Err(error) => Err(error),
            };
            match done {
                Ok(done) => deleted.push(DeletedObject {
                    delete_marker: done.marker.map(|_| true),
                    delete_marker_version_id: done.marker.map(told::version),
                    key: Some(object.key),
                    version_id: object.version_id.filter(|_| done.is_back || done.marker.is_none()),
                }),
                Err(error) => failed.push(told_of(object, &error)),
            }
        }
        let output = DeleteObjectsOutput {
            deleted: Some(deleted).filter(|_| !is_quiet),
            errors: Some(failed).filter(|failed: &Vec<Error>| !failed.is_empty()),
            ..DeleteObjectsOutput::default()
        };
        Ok(S3Response::new(output))
    }
}

/// Only names and versions are said of what shall go.
fn plain(object: &ObjectIdentifier) -> Result<(), S3Error> {
    if object.key.is_empty() {
        return Err(bad("a key is empty"));
    }
    let has_more = object.e_tag.is_some() || object.last_modified_time.is_some() || object.size.is_some();
    if has_more { Err(not_done("deletes of many by tag, size or time")) } else { Ok(()) }
}

fn told_of(object: ObjectIdentifier, error: &S3Error) -> Error {
    Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(object.key),
        message: error.message().map(str::to_owned),
        version_id: object.version_id,
    }
}
