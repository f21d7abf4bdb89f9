//! Buckets: made, listed, looked at, removed; where they are, that their versions are always on, and whose they are.

use super::access::key_of;
use super::error::{bad, fault, no, not_done};
use super::told::time;
use super::{Asked, Done, Face};
use crate::wall::REGION;
use client::{BucketAsk, ClientError};
use model::errors;
use s3s::dto::*;
use s3s::path::check_bucket_name;
use s3s::{S3ErrorCode, S3Response, S3Result};

/// The id of the owner of everything.
pub(super) const OWNER: &str = "owner";

/// The owner of everything, as S3 tells one.
pub(crate) fn owner() -> Owner {
    Owner { id: Some(OWNER.to_owned()), display_name: None }
}

impl Face {
    pub(super) async fn buckets(&self, ask: Asked<ListBucketsInput>) -> Done<ListBucketsOutput> {
        let key = key_of(&ask)?;
        let (prefix, after) = (ask.input.prefix.unwrap_or_default(), ask.input.continuation_token.unwrap_or_default());
        let most = match ask.input.max_buckets {
            None => usize::MAX,
            Some(most) => {
                usize::try_from(most).ok().filter(|most| *most > 0).ok_or_else(|| bad("max-buckets is 1 or more"))?
            }
        };
        let all = self.client().buckets(self.root()).await.map_err(fault)?;
        if !all.is_empty() && all.iter().all(|facts| facts.name.is_none()) {
            // Buckets none of which this key opens are not "no buckets".
            return Err(fault(ClientError::WrongKey));
        }
        let names = all.into_iter().filter_map(|facts| Some((facts.name?, facts.at)));
        let mut wanted = names
            .filter(|(name, _)| check_bucket_name(name) && key.scope.has_bucket(name))
            .filter(|(name, _)| name.starts_with(&prefix) && (after.is_empty() || *name > after))
            .peekable();
        let mut shown = Vec::new();
        while let Some((name, at)) = wanted.next_if(|_| shown.len() < most) {
            shown.push(Bucket { bucket_region: None, creation_date: Some(time(at)), name: Some(name) });
        }
        let next = wanted.peek().and_then(|_| shown.last()?.name.clone());
        let output = ListBucketsOutput {
            buckets: Some(shown),
            continuation_token: next,
            owner: Some(owner()),
            prefix: Some(prefix).filter(|prefix| !prefix.is_empty()),
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn make_bucket(&self, ask: CreateBucketInput) -> Done<CreateBucketOutput> {
        let has_grants =
            [&ask.grant_full_control, &ask.grant_read, &ask.grant_read_acp, &ask.grant_write, &ask.grant_write_acp];
        if has_grants.iter().any(|grant| grant.is_some())
            || ask.acl.as_ref().is_some_and(|acl| acl.as_str() != "private")
        {
            return Err(not_done("everything is private to its owner; share a link instead"));
        }
        if ask.object_lock_enabled_for_bucket == Some(true) {
            return Err(not_done("objects are not locked; every version is kept for its time"));
        }
        if !check_bucket_name(&ask.bucket) {
            return Err(no(
                S3ErrorCode::InvalidBucketName,
                errors::BAD_NAME,
                "a bucket of S3 has 3 to 63 small letters",
            ));
        }
        let place = ask.create_bucket_configuration.and_then(|made| made.location_constraint);
        if place.as_ref().is_some_and(|place| place.as_str() != REGION) {
            let why =
                format!("there is one region, {REGION}; regions of a bucket are chosen with pumasi bucket create");
            return Err(no(S3ErrorCode::InvalidLocationConstraint, errors::BAD_VALUE, why));
        }
        // Making the same one twice is no error there, but one of S3's.
        if self.client().bucket_facts(self.root(), &ask.bucket).await.is_ok() {
            return Err(no(S3ErrorCode::BucketAlreadyOwnedByYou, errors::BUCKET_EXISTS, "the bucket is there"));
        }
        let made = self.client().make_bucket(self.root(), &ask.bucket, &BucketAsk::default()).await;
        made.map_err(fault)?;
        let output = CreateBucketOutput { location: Some(format!("/{}", ask.bucket)) };
        Ok(S3Response::new(output))
    }

    pub(super) async fn look_bucket(&self, ask: HeadBucketInput) -> Done<HeadBucketOutput> {
        self.is_there(&ask.bucket).await?;
        Ok(S3Response::new(HeadBucketOutput { bucket_region: Some(REGION.to_owned()), ..HeadBucketOutput::default() }))
    }

    /// Asks the center, whatever is remembered here.
    pub(super) async fn is_there(&self, name: &str) -> S3Result<()> {
        self.forget_bucket(name);
        self.bucket(name).await.map(drop)
    }

    pub(super) async fn drop_bucket(&self, ask: DeleteBucketInput) -> Done<DeleteBucketOutput> {
        self.client().remove_bucket(self.root(), &ask.bucket).await.map_err(|e| self.fault(&ask.bucket, e))?;
        self.forget_settings(&ask.bucket).await;
        self.forget_bucket(&ask.bucket);
        Ok(S3Response::with_status(DeleteBucketOutput {}, hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn location(&self, ask: GetBucketLocationInput) -> Done<GetBucketLocationOutput> {
        self.is_there(&ask.bucket).await?;
        // The first region is told by saying none.
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    pub(super) async fn versioning(&self, ask: GetBucketVersioningInput) -> Done<GetBucketVersioningOutput> {
        self.is_there(&ask.bucket).await?;
        let status = Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
        Ok(S3Response::new(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() }))
    }

    pub(super) async fn set_versioning(&self, ask: PutBucketVersioningInput) -> Done<PutBucketVersioningOutput> {
        self.is_there(&ask.bucket).await?;
        let asked = ask.versioning_configuration;
        if asked.mfa_delete.is_some_and(|delete| delete.as_str() == MFADelete::ENABLED) {
            return Err(not_done("deletes by a second factor"));
        }
        if asked.status.is_some_and(|status| status.as_str() != BucketVersioningStatus::ENABLED) {
            let why = "versions are always kept; that cannot be switched off";
            return Err(no(S3ErrorCode::InvalidBucketState, errors::RETAINED, why));
        }
        Ok(S3Response::new(PutBucketVersioningOutput {}))
    }

    pub(super) async fn bucket_acl(&self, ask: GetBucketAclInput) -> Done<GetBucketAclOutput> {
        self.is_there(&ask.bucket).await?;
        Ok(S3Response::new(GetBucketAclOutput { grants: Some(vec![owners_own()]), owner: Some(owner()) }))
    }

    pub(super) async fn set_bucket_acl(&self, ask: PutBucketAclInput) -> Done<PutBucketAclOutput> {
        self.is_there(&ask.bucket).await?;
        private(ask.acl.as_ref().map(BucketCannedACL::as_str))?;
        Ok(S3Response::new(PutBucketAclOutput {}))
    }

    pub(super) async fn object_acl(&self, ask: GetObjectAclInput) -> Done<GetObjectAclOutput> {
        self.shown(&ask.bucket, &ask.key, ask.version_id.as_deref()).await?;
        let grants = Some(vec![owners_own()]);
        Ok(S3Response::new(GetObjectAclOutput { grants, owner: Some(owner()), ..GetObjectAclOutput::default() }))
    }

    pub(super) async fn set_object_acl(&self, ask: PutObjectAclInput) -> Done<PutObjectAclOutput> {
        self.shown(&ask.bucket, &ask.key, ask.version_id.as_deref()).await?;
        private(ask.acl.as_ref().map(ObjectCannedACL::as_str))?;
        Ok(S3Response::new(PutObjectAclOutput::default()))
    }
}

/// What there is may be asked for; nothing else can be.
fn private(acl: Option<&str>) -> S3Result<()> {
    match acl {
        Some("private" | "bucket-owner-full-control") => Ok(()),
        _ => Err(not_done("everything is private to its owner; share a link instead")),
    }
}

/// The owner may do everything.
fn owners_own() -> Grant {
    let grantee = Grantee {
        display_name: None,
        email_address: None,
        id: owner().id,
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    Grant { grantee: Some(grantee), permission: Some(Permission::from_static(Permission::FULL_CONTROL)) }
}
