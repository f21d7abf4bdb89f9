//! What of a bucket is the same for all and cannot be set otherwise: everything is its owner's alone and sealed, nothing is public,
//! nothing is locked, nothing is told to others. It is answered as S3 answers for such a bucket; what would change it is refused.

use super::error::{no, not_done};
use super::settings::unset;
use super::{Done, Face};
use model::errors;
use s3s::dto::*;
use s3s::{S3ErrorCode, S3Response, S3Result};

/// Access is by keys and by links.
const BY_KEYS: &str = "access is given by keys (pumasi gateway key create) and by links";
const NO_LOCK: &str = "the bucket has no lock of objects; every version is kept for its retention";

fn malformed(why: &str) -> s3s::S3Error {
    no(S3ErrorCode::MalformedXML, errors::BAD_VALUE, why)
}

fn gone() -> hyper::StatusCode {
    hyper::StatusCode::NO_CONTENT
}

fn no_lock() -> s3s::S3Error {
    no(
        S3ErrorCode::InvalidRequest,
        errors::NOT_IN_BUILD,
        format!("Bucket is missing Object Lock Configuration: {NO_LOCK}"),
    )
}

/// By its own keys, whatever is asked.
pub(super) fn sealed() -> ServerSideEncryption {
    ServerSideEncryption::from_static(ServerSideEncryption::AES256)
}

/// Refuses keys of others' making; that everything is sealed is so anyway.
///
/// # Errors
/// `NotImplemented`, `InvalidArgument`.
pub(super) fn encrypts(asked: Option<&ServerSideEncryption>) -> S3Result<()> {
    match asked.map(ServerSideEncryption::as_str) {
        None | Some(ServerSideEncryption::AES256) => Ok(()),
        Some(ServerSideEncryption::AWS_KMS | ServerSideEncryption::AWS_KMS_DSSE) => {
            Err(not_done("keys of a key server: everything is sealed under the account's own"))
        }
        Some(other) => {
            let why = format!("The encryption method specified is not supported: {other}");
            Err(no(S3ErrorCode::InvalidArgument, errors::BAD_VALUE, why))
        }
    }
}

impl Face {
    pub(super) async fn policy(&self, ask: GetBucketPolicyInput) -> Done<GetBucketPolicyOutput> {
        self.is_there(&ask.bucket).await?;
        Err(unset("NoSuchBucketPolicy", BY_KEYS))
    }

    pub(super) async fn set_policy(&self, ask: PutBucketPolicyInput) -> Done<PutBucketPolicyOutput> {
        self.is_there(&ask.bucket).await?;
        if serde_json::from_str::<serde_json::Value>(&ask.policy).is_err() {
            let why = "Policies must be valid JSON and the first byte must be '{'";
            return Err(no(S3ErrorCode::Custom("MalformedPolicy".into()), errors::BAD_VALUE, why));
        }
        Err(not_done(BY_KEYS))
    }

    pub(super) async fn drop_policy(&self, ask: DeleteBucketPolicyInput) -> Done<DeleteBucketPolicyOutput> {
        self.is_there(&ask.bucket).await?;
        Ok(S3Response::with_status(DeleteBucketPolicyOutput {}, gone()))
    }

    pub(super) async fn policy_status(&self, ask: GetBucketPolicyStatusInput) -> Done<GetBucketPolicyStatusOutput> {
        self.is_there(&ask.bucket).await?;
        let policy_status = Some(PolicyStatus { is_public: Some(false) });
        Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status }))
    }

    pub(super) async fn access_block(&self, ask: GetPublicAccessBlockInput) -> Done<GetPublicAccessBlockOutput> {
        self.is_there(&ask.bucket).await?;
        let all = Some(true);
        let public_access_block_configuration = Some(PublicAccessBlockConfiguration {
            block_public_acls: all,
            block_public_policy: all,
            ignore_public_acls: all,
            restrict_public_buckets: all,
        });
        Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration }))
    }

    pub(super) async fn set_access_block(&self, ask: PutPublicAccessBlockInput) -> Done<PutPublicAccessBlockOutput> {
        self.is_there(&ask.bucket).await?;
        let asked = ask.public_access_block_configuration;
        let all = [
            asked.block_public_acls,
            asked.block_public_policy,
            asked.ignore_public_acls,
            asked.restrict_public_buckets,
        ];
        // What is left out or let go is not public here either.
        if all.contains(&Some(false)) {
            Err(not_done(BY_KEYS))
        } else {
            Ok(S3Response::new(PutPublicAccessBlockOutput {}))
        }
    }

    pub(super) async fn ownership(
        &self,
        ask: GetBucketOwnershipControlsInput,
    ) -> Done<GetBucketOwnershipControlsOutput> {
        self.is_there(&ask.bucket).await?;
        let object_ownership = ObjectOwnership::from_static(ObjectOwnership::BUCKET_OWNER_ENFORCED);
        let ownership_controls = Some(OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership }] });
        Ok(S3Response::new(GetBucketOwnershipControlsOutput { ownership_controls }))
    }

    pub(super) async fn set_ownership(
        &self,
        ask: PutBucketOwnershipControlsInput,
    ) -> Done<PutBucketOwnershipControlsOutput> {
        self.is_there(&ask.bucket).await?;
        match &ask.ownership_controls.rules[..] {
            [rule] if rule.object_ownership.as_str() == ObjectOwnership::BUCKET_OWNER_ENFORCED => {
                Ok(S3Response::new(PutBucketOwnershipControlsOutput {}))
            }
            [_] => Err(not_done("objects of others in a bucket: all of it is its owner's")),
            _ => Err(malformed("there is one rule")),
        }
    }

    pub(super) async fn encryption(&self, ask: GetBucketEncryptionInput) -> Done<GetBucketEncryptionOutput> {
        self.is_there(&ask.bucket).await?;
        let by_default = ServerSideEncryptionByDefault { kms_master_key_id: None, sse_algorithm: sealed() };
        let rule = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            bucket_key_enabled: Some(false),
        };
        let server_side_encryption_configuration = Some(ServerSideEncryptionConfiguration { rules: vec![rule] });
        Ok(S3Response::new(GetBucketEncryptionOutput { server_side_encryption_configuration }))
    }

    pub(super) async fn set_encryption(&self, ask: PutBucketEncryptionInput) -> Done<PutBucketEncryptionOutput> {
        self.is_there(&ask.bucket).await?;
        let rules = ask.server_side_encryption_configuration.rules;
        if rules.len() != 1 {
            return Err(malformed("there is one rule"));
        }
        let asked = rules.into_iter().filter_map(|rule| rule.apply_server_side_encryption_by_default).next();
        encrypts(asked.map(|by| by.sse_algorithm).as_ref())?;
        Ok(S3Response::new(PutBucketEncryptionOutput {}))
    }

    pub(super) async fn drop_encryption(&self, ask: DeleteBucketEncryptionInput) -> Done<DeleteBucketEncryptionOutput> {
        self.is_there(&ask.bucket).await?;
        Ok(S3Response::with_status(DeleteBucketEncryptionOutput {}, gone()))
    }

    pub(super) async fn lock(&self, ask: GetObjectLockConfigurationInput) -> Done<GetObjectLockConfigurationOutput> {
        self.is_there(&ask.bucket).await?;
        Err(unset("ObjectLockConfigurationNotFoundError", NO_LOCK))
    }

    pub(super) async fn set_lock(
        &self,
        ask: PutObjectLockConfigurationInput,
    ) -> Done<PutObjectLockConfigurationOutput> {
        self.is_there(&ask.bucket).await?;
        Err(not_done(NO_LOCK))
    }

    pub(super) async fn retention(&self, ask: GetObjectRetentionInput) -> Done<GetObjectRetentionOutput> {
        self.shown(&ask.bucket, &ask.key, ask.version_id.as_deref()).await?;
        Err(no_lock())
    }

    pub(super) async fn set_retention(&self, ask: PutObjectRetentionInput) -> Done<PutObjectRetentionOutput> {
        self.shown(&ask.bucket, &ask.key, ask.version_id.as_deref()).await?;
        Err(no_lock())
    }

    pub(super) async fn hold(&self, ask: GetObjectLegalHoldInput) -> Done<GetObjectLegalHoldOutput> {
        self.shown(&ask.bucket, &ask.key, ask.version_id.as_deref()).await?;
        Err(no_lock())
    }

    pub(super) async fn set_hold(&self, ask: PutObjectLegalHoldInput) -> Done<PutObjectLegalHoldOutput> {
        self.shown(&ask.bucket, &ask.key, ask.version_id.as_deref()).await?;
        Err(no_lock())
    }

    pub(super) async fn website(&self, ask: GetBucketWebsiteInput) -> Done<GetBucketWebsiteOutput> {
        self.is_there(&ask.bucket).await?;
        Err(unset("NoSuchWebsiteConfiguration", "the bucket is no website"))
    }

    pub(super) async fn replication(&self, ask: GetBucketReplicationInput) -> Done<GetBucketReplicationOutput> {
        self.is_there(&ask.bucket).await?;
        let why = "pieces on many machines are the replication; pumasi bucket show tells them";
        Err(unset("ReplicationConfigurationNotFoundError", why))
    }

    pub(super) async fn logging(&self, ask: GetBucketLoggingInput) -> Done<GetBucketLoggingOutput> {
        self.is_there(&ask.bucket).await?;
        Ok(S3Response::new(GetBucketLoggingOutput::default()))
    }

    pub(super) async fn notification(
        &self,
        ask: GetBucketNotificationConfigurationInput,
    ) -> Done<GetBucketNotificationConfigurationOutput> {
        self.is_there(&ask.bucket).await?;
        Ok(S3Response::new(GetBucketNotificationConfigurationOutput::default()))
    }

    pub(super) async fn payer(&self, ask: GetBucketRequestPaymentInput) -> Done<GetBucketRequestPaymentOutput> {
        self.is_there(&ask.bucket).await?;
        let payer = Some(Payer::from_static(Payer::BUCKET_OWNER));
        Ok(S3Response::new(GetBucketRequestPaymentOutput { payer }))
    }

    pub(super) async fn acceleration(
        &self,
        ask: GetBucketAccelerateConfigurationInput,
    ) -> Done<GetBucketAccelerateConfigurationOutput> {
        self.is_there(&ask.bucket).await?;
        Ok(S3Response::new(GetBucketAccelerateConfigurationOutput::default()))
    }
}
