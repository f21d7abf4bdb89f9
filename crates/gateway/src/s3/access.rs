//! Who asks, and what their key is good for: every refusal is `AccessDenied`, whichever part of the scope says no.

use super::bucket::OWNER;
use super::error::{denied, no};
use crate::keys::{KeyStore, Scope, ToolKey};
use hyper::Uri;
use model::{Stamp, errors};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result};
use std::sync::Arc;

/// Keys as S3's library asks for them.
#[derive(Clone)]
pub(crate) struct Guard {
    pub keys: KeyStore,
    pub now: fn() -> Stamp,
}

impl Guard {
    /// A key that is good for something now.
    fn key(&self, id: &str) -> S3Result<ToolKey> {
        let found = self.keys.find(id).map_err(|error| {
            tracing::warn!(%error, "keys of tools cannot be read");
            no(S3ErrorCode::InternalError, errors::CONFIG_UNREADABLE, error)
        })?;
        let unknown = || no(S3ErrorCode::InvalidAccessKeyId, errors::NOT_SIGNED_IN, "no key of this id");
        let key = found.ok_or_else(unknown)?;
        let over = |id| no(S3ErrorCode::AccessDenied, id, "the key is good for nothing any more");
        key.check((self.now)()).map_err(over)?;
        Ok(key)
    }
}

#[async_trait::async_trait]
impl S3Auth for Guard {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(self.key(access_key)?.secret()))
    }
}

#[async_trait::async_trait]
impl S3Access for Guard {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let credentials = cx.credentials().ok_or_else(|| denied("nothing is answered without a signature"))?;
        let key = self.key(&credentials.access_key)?;
        for name in ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"] {
            if cx.headers().get(name).is_some_and(|value| value != OWNER) {
                return Err(denied("the bucket has another owner"));
            }
        }
        let op = cx.s3_op().name();
        allows(&key.scope, op, cx.s3_path(), cx.uri())?;
        cx.extensions_mut().insert(Arc::new(key));
        Ok(())
    }
}

/// Whether an operation only looks.
fn is_read(op: &str) -> bool {
    ["Get", "Head", "List"].iter().any(|word| op.starts_with(word))
}

/// Holds a scope against an operation. What names further objects in its body or headers is held against it where it is read.
fn allows(scope: &Scope, op: &str, path: &S3Path, uri: &Uri) -> S3Result<()> {
    if scope.is_read_only && !is_read(op) {
        return Err(denied(format!("the key is for reading only, not for {op}")));
    }
    let fits = match path {
        S3Path::Root => true,
        S3Path::Object { bucket, key } => scope.has_names(bucket, key),
        S3Path::Bucket { bucket } => match op {
            "ListObjects" | "ListObjectsV2" | "ListObjectVersions" | "ListMultipartUploads" => {
                scope.has_names(bucket, &prefix_of(uri)?)
            }
            "HeadBucket"
            | "GetBucketLocation"
            | "GetBucketVersioning"
            | "GetBucketAcl"
            | "DeleteObjects"
            | "PostObject" => scope.has_bucket(bucket),
            _ => scope.has_whole(bucket),
        },
    };
    if fits { Ok(()) } else { Err(denied(format!("the key does not reach so far as {op} here"))) }
}

/// The beginning of names that a list asks for.
fn prefix_of(uri: &Uri) -> S3Result<String> {
    let decode = |text: &str| crate::sign::decode(&text.replace('+', " "));
    let pairs = uri.query().unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut found = pairs.filter(|(key, _)| decode(key).as_deref() == Some("prefix"));
    match (found.next(), found.next()) {
        (None, _) => Ok(String::new()),
        (Some((_, value)), None) => decode(value).ok_or_else(|| denied("a prefix that is not UTF-8")),
        _ => Err(denied("a prefix is there twice")),
    }
}

/// The key of a request.
pub(crate) fn key_of<T>(request: &S3Request<T>) -> S3Result<Arc<ToolKey>> {
    let key = request.extensions.get::<Arc<ToolKey>>().cloned();
    key.ok_or_else(|| denied("nothing is answered without a signature"))
}

/// Refuses names that a key does not have.
pub(crate) fn check_name(key: &ToolKey, bucket: &str, name: &str) -> Result<(), S3Error> {
    if key.scope.has_names(bucket, name) { Ok(()) } else { Err(denied("the key does not reach so far")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(scope: &Scope, op: &str, path: &S3Path, uri: &str) -> bool {
        allows(scope, op, path, &uri.parse().unwrap()).is_ok()
    }

    #[test]
    fn a_scope_ends_where_it_says() {
        let (part, reads) = (Scope::of("b", false).unwrap(), Scope::of("b/x/", true).unwrap());
        let (bucket, other, object) = (S3Path::bucket("b"), S3Path::bucket("c"), S3Path::object("b", "x/1"));
        assert!(may(&part, "PutObject", &object, "/b/x/1") && !may(&reads, "PutObject", &object, "/b/x/1"));
        assert!(may(&reads, "GetObject", &object, "/b/x/1"));
        assert!(!may(&reads, "GetObject", &S3Path::object("b", "y"), "/b/y"));
        assert!(!may(&reads, "GetObject", &S3Path::object("b", "../b/x/1"), "/b/../b/x/1"), "a name is a name");
        assert!(may(&part, "CreateBucket", &bucket, "/b") && !may(&part, "CreateBucket", &other, "/c"));
        assert!(may(&reads, "HeadBucket", &bucket, "/b") && !may(&reads, "GetBucketPolicy", &bucket, "/b"));
        for (uri, fits) in [
            ("/b?prefix=x%2F", true),
            ("/b?list-type=2&prefix=x/2026", true),
            ("/b?prefix=x", false),
            ("/b", false),
            ("/b?prefix=x/&prefix=", false),
            ("/b?%70refix=y&prefix=x/", false),
        ] {
            assert_eq!(may(&reads, "ListObjectsV2", &bucket, uri), fits, "{uri}");
        }
        assert!(may(&Scope::default(), "ListBuckets", &S3Path::Root, "/"));
    }
}
