//! The face of S3: each operation over `client`, in a file for each kind. What stands in none of them is answered with
//! `NotImplemented`.
//!
//! (A) An object's tag, metadata, headers, tags and checksums are sealed in its manifest. (B) Lists are in the order of bytes and
//! complete: the bucket's head is asked first. (C) All versions are kept; that cannot be switched off, and no version goes before its
//! time. (D) Everything is private to its owner.

mod access;
mod bucket;
mod complete;
mod copy;
pub(crate) mod cors;
mod delete;
pub(crate) mod error;
mod expiry;
mod fixed;
mod form;
mod get;
mod intake;
mod lifecycle;
mod list;
mod multipart;
mod outlet;
mod parts;
mod put;
mod settings;
pub(crate) mod sums;
mod tags;
mod told;
mod versions;

pub(crate) use access::Guard;
pub(crate) use error::{id_of, told_arg};
pub(crate) use intake::{Checks, Intake};
pub(crate) use outlet::read;
pub(crate) use told::{check_small, etag};

use crate::buckets::Buckets;
use crate::limits::{HISTORIES_KEPT, HISTORY_LIFE, UPLOADS_KEPT};
use client::parts::Upload;
use client::{AccountRoot, Bucket, Client, ClientError, History};
use model::{BucketId, errors};
use s3s::dto::*;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, OwnedMutexGuard};

/// An account's buckets as S3 shows them; clones share it.
#[derive(Clone)]
pub(crate) struct Face(Arc<Inner>);

struct Inner {
    buckets: Buckets,
    /// Uploads that are open, by id.
    uploads: Mutex<BTreeMap<[u8; 16], Upload>>,
    /// Histories of buckets whose versions were listed last.
    histories: Mutex<Histories>,
    /// Rules of what goes were set: they are gone through at once.
    rules_changed: Notify,
}

/// Histories of a few buckets, the one that was asked for last at the end. That a retention ended is no change of a bucket: none is
/// kept for long.
#[derive(Default)]
struct Histories(Vec<(BucketId, Instant, Arc<tokio::sync::Mutex<History>>)>);

impl Histories {
    fn of(&mut self, bucket: &BucketId) -> Arc<tokio::sync::Mutex<History>> {
        self.0.retain(|(_, read, _)| read.elapsed() < HISTORY_LIFE);
        let at = self.0.iter().position(|(id, ..)| id == bucket);
        let kept = at.map_or_else(|| (*bucket, Instant::now(), Arc::default()), |at| self.0.remove(at));
        let history = Arc::clone(&kept.2);
        if self.0.len() >= HISTORIES_KEPT {
            self.0.remove(0);
        }
        self.0.push(kept);
        history
    }
}

impl Face {
    /// Of an account.
    pub fn new(client: Client, root: AccountRoot) -> Self {
        Self(Arc::new(Inner {
            buckets: Buckets::new(client, root),
            uploads: Mutex::default(),
            histories: Mutex::default(),
            rules_changed: Notify::new(),
        }))
    }

    fn client(&self) -> &Client {
        &self.0.buckets.client
    }

    fn root(&self) -> &AccountRoot {
        &self.0.buckets.root
    }

    /// A bucket that is there; its keys are checked when it is opened first.
    async fn bucket(&self, name: &str) -> S3Result<Bucket> {
        self.0.buckets.open(name).await.map_err(error::fault)
    }

    fn forget_bucket(&self, name: &str) {
        self.0.buckets.forget(name);
    }

    /// An error of something in a bucket.
    fn fault(&self, bucket: &str, error: ClientError) -> S3Error {
        self.0.buckets.saw(bucket, &error);
        error::fault(error)
    }

    /// A bucket's history up to now. Page after page of one bucket is read only once.
    async fn history(&self, name: &str, bucket: &Bucket) -> S3Result<OwnedMutexGuard<History>> {
        let kept = self.0.histories.lock().unwrap_or_else(PoisonError::into_inner).of(bucket.id());
        let mut history = kept.lock_owned().await;
        match self.client().read_history(bucket, &mut history).await {
            Ok(()) => Ok(history),
            Err(error) => {
                *history = History::default();
                Err(self.fault(name, error))
            }
        }
    }

    /// An open upload.
    async fn upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<(Bucket, Upload)> {
        let unknown =
            || error::no(s3s::S3ErrorCode::NoSuchUpload, errors::UPLOAD_UNKNOWN, "no such upload of this name");
        let opened = self.bucket(bucket).await?;
        let id = told::id_of(id).ok_or_else(unknown)?;
        let kept = self.0.uploads.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let upload = match kept {
            Some(upload) => upload,
            None => {
                let found = self.client().upload(&opened, id).await;
                let (upload, _) = found.map_err(|error| self.fault(bucket, error))?;
                self.keep_upload(upload.clone());
                upload
            }
        };
        if upload.name == key { Ok((opened, upload)) } else { Err(unknown()) }
    }

    fn keep_upload(&self, upload: Upload) {
        let mut uploads = self.0.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        if uploads.len() >= UPLOADS_KEPT {
            uploads.pop_first();
        }
        uploads.insert(upload.id, upload);
    }

    fn forget_upload(&self, id: &[u8; 16]) {
        self.0.uploads.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// What an operation gets, and what comes of it.
type Asked<T> = S3Request<T>;
type Done<T> = S3Result<S3Response<T>>;

#[async_trait::async_trait]
impl S3 for Face {
    async fn list_buckets(&self, ask: Asked<ListBucketsInput>) -> Done<ListBucketsOutput> {
        self.buckets(ask).await
    }
    async fn create_bucket(&self, ask: Asked<CreateBucketInput>) -> Done<CreateBucketOutput> {
        self.make_bucket(ask.input).await
    }
    async fn head_bucket(&self, ask: Asked<HeadBucketInput>) -> Done<HeadBucketOutput> {
        self.look_bucket(ask.input).await
    }
    async fn delete_bucket(&self, ask: Asked<DeleteBucketInput>) -> Done<DeleteBucketOutput> {
        self.drop_bucket(ask.input).await
    }
    async fn get_bucket_location(&self, ask: Asked<GetBucketLocationInput>) -> Done<GetBucketLocationOutput> {
        self.location(ask.input).await
    }
    async fn get_bucket_versioning(&self, ask: Asked<GetBucketVersioningInput>) -> Done<GetBucketVersioningOutput> {
        self.versioning(ask.input).await
    }
    async fn put_bucket_versioning(&self, ask: Asked<PutBucketVersioningInput>) -> Done<PutBucketVersioningOutput> {
        self.set_versioning(ask.input).await
    }
    async fn get_bucket_acl(&self, ask: Asked<GetBucketAclInput>) -> Done<GetBucketAclOutput> {
        self.bucket_acl(ask.input).await
    }
    async fn put_bucket_acl(&self, ask: Asked<PutBucketAclInput>) -> Done<PutBucketAclOutput> {
        self.set_bucket_acl(ask.input).await
    }
    async fn get_object_acl(&self, ask: Asked<GetObjectAclInput>) -> Done<GetObjectAclOutput> {
        self.object_acl(ask.input).await
    }
    async fn put_object_acl(&self, ask: Asked<PutObjectAclInput>) -> Done<PutObjectAclOutput> {
        self.set_object_acl(ask.input).await
    }
    async fn put_object(&self, ask: Asked<PutObjectInput>) -> Done<PutObjectOutput> {
        self.put(ask).await
    }
    async fn get_object(&self, ask: Asked<GetObjectInput>) -> Done<GetObjectOutput> {
        self.get(ask.input).await
    }
    async fn head_object(&self, ask: Asked<HeadObjectInput>) -> Done<HeadObjectOutput> {
        self.head(ask.input).await
    }
    async fn get_object_attributes(&self, ask: Asked<GetObjectAttributesInput>) -> Done<GetObjectAttributesOutput> {
        self.attributes(ask.input).await
    }
    async fn copy_object(&self, ask: Asked<CopyObjectInput>) -> Done<CopyObjectOutput> {
        self.copy(ask).await
    }
    async fn delete_object(&self, ask: Asked<DeleteObjectInput>) -> Done<DeleteObjectOutput> {
        self.delete(ask.input).await
    }
    async fn delete_objects(&self, ask: Asked<DeleteObjectsInput>) -> Done<DeleteObjectsOutput> {
        self.delete_many(ask).await
    }
    async fn list_objects(&self, ask: Asked<ListObjectsInput>) -> Done<ListObjectsOutput> {
        self.list_v1(ask.input).await
    }
    async fn list_objects_v2(&self, ask: Asked<ListObjectsV2Input>) -> Done<ListObjectsV2Output> {
        self.list_v2(ask.input).await
    }
    async fn list_object_versions(&self, ask: Asked<ListObjectVersionsInput>) -> Done<ListObjectVersionsOutput> {
        self.list_versions(ask.input).await
    }
    async fn get_object_tagging(&self, ask: Asked<GetObjectTaggingInput>) -> Done<GetObjectTaggingOutput> {
        self.tags(ask.input).await
    }
    async fn put_object_tagging(&self, ask: Asked<PutObjectTaggingInput>) -> Done<PutObjectTaggingOutput> {
        self.set_tags(ask.input).await
    }
    async fn delete_object_tagging(&self, ask: Asked<DeleteObjectTaggingInput>) -> Done<DeleteObjectTaggingOutput> {
        self.drop_tags(ask.input).await
    }
    async fn create_multipart_upload(
        &self,
        ask: Asked<CreateMultipartUploadInput>,
    ) -> Done<CreateMultipartUploadOutput> {
        self.begin(ask.input).await
    }
    async fn upload_part(&self, ask: Asked<UploadPartInput>) -> Done<UploadPartOutput> {
        self.part(ask).await
    }
    async fn upload_part_copy(&self, ask: Asked<UploadPartCopyInput>) -> Done<UploadPartCopyOutput> {
        self.part_copy(ask).await
    }
    async fn complete_multipart_upload(
        &self,
        ask: Asked<CompleteMultipartUploadInput>,
    ) -> Done<CompleteMultipartUploadOutput> {
        self.complete(ask.input).await
    }
    async fn abort_multipart_upload(&self, ask: Asked<AbortMultipartUploadInput>) -> Done<AbortMultipartUploadOutput> {
        self.abort(ask.input).await
    }
    async fn list_parts(&self, ask: Asked<ListPartsInput>) -> Done<ListPartsOutput> {
        self.parts(ask.input).await
    }
    async fn list_multipart_uploads(&self, ask: Asked<ListMultipartUploadsInput>) -> Done<ListMultipartUploadsOutput> {
        self.uploads(ask.input).await
    }
    async fn get_bucket_cors(&self, ask: Asked<GetBucketCorsInput>) -> Done<GetBucketCorsOutput> {
        self.get_cors(ask.input).await
    }
    async fn put_bucket_cors(&self, ask: Asked<PutBucketCorsInput>) -> Done<PutBucketCorsOutput> {
        self.set_cors(ask.input).await
    }
    async fn delete_bucket_cors(&self, ask: Asked<DeleteBucketCorsInput>) -> Done<DeleteBucketCorsOutput> {
        self.drop_cors(ask.input).await
    }
    async fn get_bucket_lifecycle_configuration(
        &self,
        ask: Asked<GetBucketLifecycleConfigurationInput>,
    ) -> Done<GetBucketLifecycleConfigurationOutput> {
        self.get_lifecycle(ask.input).await
    }
    async fn put_bucket_lifecycle_configuration(
        &self,
        ask: Asked<PutBucketLifecycleConfigurationInput>,
    ) -> Done<PutBucketLifecycleConfigurationOutput> {
        self.set_lifecycle(ask.input).await
    }
    async fn delete_bucket_lifecycle(
        &self,
        ask: Asked<DeleteBucketLifecycleInput>,
    ) -> Done<DeleteBucketLifecycleOutput> {
        self.drop_lifecycle(ask.input).await
    }
    async fn get_bucket_tagging(&self, ask: Asked<GetBucketTaggingInput>) -> Done<GetBucketTaggingOutput> {
        self.bucket_tags(ask.input).await
    }
    async fn put_bucket_tagging(&self, ask: Asked<PutBucketTaggingInput>) -> Done<PutBucketTaggingOutput> {
        self.set_bucket_tags(ask.input).await
    }
    async fn delete_bucket_tagging(&self, ask: Asked<DeleteBucketTaggingInput>) -> Done<DeleteBucketTaggingOutput> {
        self.drop_bucket_tags(ask.input).await
    }
    async fn get_bucket_policy(&self, ask: Asked<GetBucketPolicyInput>) -> Done<GetBucketPolicyOutput> {
        self.policy(ask.input).await
    }
    async fn put_bucket_policy(&self, ask: Asked<PutBucketPolicyInput>) -> Done<PutBucketPolicyOutput> {
        self.set_policy(ask.input).await
    }
    async fn delete_bucket_policy(&self, ask: Asked<DeleteBucketPolicyInput>) -> Done<DeleteBucketPolicyOutput> {
        self.drop_policy(ask.input).await
    }
    async fn get_bucket_policy_status(
        &self,
        ask: Asked<GetBucketPolicyStatusInput>,
    ) -> Done<GetBucketPolicyStatusOutput> {
        self.policy_status(ask.input).await
    }
    async fn get_public_access_block(&self, ask: Asked<GetPublicAccessBlockInput>) -> Done<GetPublicAccessBlockOutput> {
        self.access_block(ask.input).await
    }
    async fn put_public_access_block(&self, ask: Asked<PutPublicAccessBlockInput>) -> Done<PutPublicAccessBlockOutput> {
        self.set_access_block(ask.input).await
    }
    async fn get_bucket_ownership_controls(
        &self,
        ask: Asked<GetBucketOwnershipControlsInput>,
    ) -> Done<GetBucketOwnershipControlsOutput> {
        self.ownership(ask.input).await
    }
    async fn put_bucket_ownership_controls(
        &self,
        ask: Asked<PutBucketOwnershipControlsInput>,
    ) -> Done<PutBucketOwnershipControlsOutput> {
        self.set_ownership(ask.input).await
    }
    async fn get_bucket_encryption(&self, ask: Asked<GetBucketEncryptionInput>) -> Done<GetBucketEncryptionOutput> {
        self.encryption(ask.input).await
    }
    async fn put_bucket_encryption(&self, ask: Asked<PutBucketEncryptionInput>) -> Done<PutBucketEncryptionOutput> {
        self.set_encryption(ask.input).await
    }
    async fn delete_bucket_encryption(
        &self,
        ask: Asked<DeleteBucketEncryptionInput>,
    ) -> Done<DeleteBucketEncryptionOutput> {
        self.drop_encryption(ask.input).await
    }
    async fn get_object_lock_configuration(
        &self,
        ask: Asked<GetObjectLockConfigurationInput>,
    ) -> Done<GetObjectLockConfigurationOutput> {
        self.lock(ask.input).await
    }
    async fn put_object_lock_configuration(
        &self,
        ask: Asked<PutObjectLockConfigurationInput>,
    ) -> Done<PutObjectLockConfigurationOutput> {
        self.set_lock(ask.input).await
    }
    async fn get_object_retention(&self, ask: Asked<GetObjectRetentionInput>) -> Done<GetObjectRetentionOutput> {
        self.retention(ask.input).await
    }
    async fn put_object_retention(&self, ask: Asked<PutObjectRetentionInput>) -> Done<PutObjectRetentionOutput> {
        self.set_retention(ask.input).await
    }
    async fn get_object_legal_hold(&self, ask: Asked<GetObjectLegalHoldInput>) -> Done<GetObjectLegalHoldOutput> {
        self.hold(ask.input).await
    }
    async fn put_object_legal_hold(&self, ask: Asked<PutObjectLegalHoldInput>) -> Done<PutObjectLegalHoldOutput> {
        self.set_hold(ask.input).await
    }
    async fn get_bucket_website(&self, ask: Asked<GetBucketWebsiteInput>) -> Done<GetBucketWebsiteOutput> {
        self.website(ask.input).await
    }
    async fn get_bucket_replication(&self, ask: Asked<GetBucketReplicationInput>) -> Done<GetBucketReplicationOutput> {
        self.replication(ask.input).await
    }
    async fn get_bucket_logging(&self, ask: Asked<GetBucketLoggingInput>) -> Done<GetBucketLoggingOutput> {
        self.logging(ask.input).await
    }
    async fn get_bucket_notification_configuration(
        &self,
        ask: Asked<GetBucketNotificationConfigurationInput>,
    ) -> Done<GetBucketNotificationConfigurationOutput> {
        self.notification(ask.input).await
    }
    async fn get_bucket_request_payment(
        &self,
        ask: Asked<GetBucketRequestPaymentInput>,
    ) -> Done<GetBucketRequestPaymentOutput> {
        self.payer(ask.input).await
    }
    async fn get_bucket_accelerate_configuration(
        &self,
        ask: Asked<GetBucketAccelerateConfigurationInput>,
    ) -> Done<GetBucketAccelerateConfigurationOutput> {
        self.acceleration(ask.input).await
    }
    async fn post_object(&self, ask: Asked<PostObjectInput>) -> Done<PostObjectOutput> {
        self.form(ask).await
    }
}
