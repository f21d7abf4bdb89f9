//! Names are removed: a marker takes their place. A version or a marker that is removed by its id is out of sight at once, and the
//! name is what its newest other version says; its bytes stay for their retention, which no key ends sooner.

use super::access::{check_name, key_of};
use super::error::{bad, no, not_done};
use super::told::{self, failed};
use super::{Asked, Done, Face};
use crate::keys::ToolKey;
use crate::limits::{DELETE_KEYS_MAX, DELETES_AT_ONCE};
use client::{Bucket, ClientError, Expect};
use futures_util::StreamExt;
use model::errors;
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Response, S3Result};
use std::collections::{BTreeMap, BTreeSet};

/// What came of a removal: the marker, if one was made or taken away, and the version that was named.
struct Removed {
    marker: Option<[u8; 16]>,
    version: Option<[u8; 16]>,
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
                let wanted = told::wanted(ask.version_id.as_deref())?;
                let shown = self.client().show(&bucket, &ask.key, wanted).await;
                let shown = shown.map_err(|e| self.fault(&ask.bucket, e))?;
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
            version_id: done.version.or(done.marker).map(told::version),
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
            let markers = self.markers(bucket, (bucket_name, key)).await?;
            return self.remove_version(bucket, (bucket_name, key), version, &markers).await;
        }
        match self.client().remove(bucket, key, expect).await {
            Ok(marker) => Ok(Removed { marker: Some(marker), version: None }),
            // What is not there is removed.
            Err(ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => {
                Ok(Removed { marker: None, version: None })
            }
            Err(error) => Err(self.fault(bucket_name, error)),
        }
    }

    /// Which of a name's versions are markers.
    async fn markers(&self, bucket: &Bucket, (bucket_name, key): (&str, &str)) -> S3Result<BTreeSet<[u8; 16]>> {
        let all = self.client().versions(bucket, key).await.map_err(|e| self.fault(bucket_name, e))?;
        Ok(all.iter().filter(|past| past.size.is_none() && !past.is_dropped).map(|past| past.version).collect())
    }

    async fn remove_version(
        &self,
        bucket: &Bucket,
        (bucket_name, key): (&str, &str),
        version: [u8; 16],
        markers: &BTreeSet<[u8; 16]>,
    ) -> S3Result<Removed> {
        let is_marker = markers.contains(&version);
        match self.client().drop_version(bucket, key, version, Expect::Any).await {
            Ok(()) => Ok(Removed { marker: is_marker.then_some(version), version: Some(version) }),
            // What is not there is removed.
            Err(ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => {
                Ok(Removed { marker: None, version: Some(version) })
            }
            Err(error) => Err(self.fault(bucket_name, error)),
        }
    }

    /// One of many; the markers of its name are asked for once.
    async fn remove_one(
        &self,
        bucket: &Bucket,
        (key, bucket_name): (&ToolKey, &str),
        object: &ObjectIdentifier,
        markers: &mut Option<BTreeSet<[u8; 16]>>,
    ) -> S3Result<Removed> {
        let place = (bucket_name, object.key.as_str());
        check_name(key, place.0, place.1)?;
        plain(object)?;
        let Some(version) = told::wanted(object.version_id.as_deref())? else {
            *markers = None;
            return self.remove(bucket, place, None, Expect::Any).await;
        };
        let known = match markers.take() {
            Some(known) => known,
            None => self.markers(bucket, place).await?,
        };
        self.remove_version(bucket, place, version, markers.insert(known)).await
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
        let (key, bucket_name) = (key.as_ref(), input.bucket.as_str());
        // One name's are done in their order: what comes later of it counts.
        let mut by_name: BTreeMap<String, Vec<(usize, ObjectIdentifier)>> = BTreeMap::new();
        for (at, object) in asked.into_iter().enumerate() {
            by_name.entry(object.key.clone()).or_default().push((at, object));
        }
        let names = futures_util::stream::iter(by_name.into_values().map(|objects| {
            let bucket = &bucket;
            async move {
                let (mut done, mut markers) = (Vec::with_capacity(objects.len()), None);
                for (at, object) in objects {
                    let removed = self.remove_one(bucket, (key, bucket_name), &object, &mut markers).await;
                    done.push((at, object, removed));
                }
                done
            }
        }));
        let mut all: Vec<_> =
            names.buffer_unordered(DELETES_AT_ONCE).collect::<Vec<_>>().await.into_iter().flatten().collect();
        all.sort_by_key(|(at, ..)| *at);
        let (mut deleted, mut failed) = (Vec::new(), Vec::new());
        for (_, object, done) in all {
            match done {
                Ok(done) => deleted.push(DeletedObject {
                    delete_marker: done.marker.map(|_| true),
                    delete_marker_version_id: done.marker.map(told::version),
                    key: Some(object.key),
                    version_id: done.version.map(told::version),
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
