//! Errors in S3's words (`docs/design/errors.md`, last lines): each with the id of our registry in its message. Too few pieces is
//! never "not found", a wrong key never an empty bucket.

use client::{ClientError, SealError};
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use model::errors::{self, ErrorId};
use s3s::{S3Error, S3ErrorCode};

/// When a client may ask again, in seconds.
const RETRY_S: &str = "10";

/// A no of the gateway's own.
pub(crate) fn no(code: S3ErrorCode, id: ErrorId, why: impl std::fmt::Display) -> S3Error {
    let is_own = code.status_code().is_none();
    let mut error = S3Error::with_message(code, format!("{id} {}: {why}", id.row().code));
    if is_own {
        error.set_status_code(StatusCode::BAD_REQUEST);
    }
    error
}

/// What is not done here.
pub(crate) fn not_done(what: &str) -> S3Error {
    no(S3ErrorCode::NotImplemented, errors::NOT_IN_BUILD, what)
}

/// What a key may not.
pub(crate) fn denied(why: impl std::fmt::Display) -> S3Error {
    no(S3ErrorCode::AccessDenied, errors::NOT_ALLOWED, why)
}

/// A value that is none.
pub(crate) fn bad(why: impl std::fmt::Display) -> S3Error {
    no(S3ErrorCode::InvalidArgument, errors::BAD_VALUE, why)
}

/// What became of a request, as S3 tells it.
pub(crate) fn fault(error: ClientError) -> S3Error {
    let id = id_of(&error);
    let why = match &error {
        ClientError::Refused(refusal) => refusal.args.iter().map(told_arg).collect::<Vec<_>>().join(", "),
        error => error.to_string(),
    };
    let mut told = no(code_of(id), id, why);
    match id {
        errors::BUCKET_LIMIT => told.set_status_code(StatusCode::FORBIDDEN),
        errors::TOO_FEW_NODES | errors::UNREADABLE_NOW | errors::RATE_LIMITED | errors::CENTER_UNREACHABLE => {
            told.set_headers(HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(RETRY_S))]));
        }
        _ if *told.code() == S3ErrorCode::InternalError => tracing::warn!(%error, %id, "a request came to nothing"),
        _ => {}
    }
    told
}

/// An argument of a refusal: a reason is told as it is, others with what they are.
pub(crate) fn told_arg((key, value): (&String, &String)) -> String {
    if key == "why" { value.clone() } else { format!("{key} {value}") }
}

/// The row of the registry for an error of the client.
pub(crate) fn id_of(error: &ClientError) -> ErrorId {
    match error {
        ClientError::Refused(refusal) => refusal.id,
        ClientError::TooFewHolders { .. } | ClientError::CodeChanged => errors::TOO_FEW_NODES,
        ClientError::Unreadable { .. } => errors::UNREADABLE_NOW,
        ClientError::WrongKey | ClientError::Seal(SealError::WrongKey) => errors::KEY_WRONG,
        ClientError::Head(why) if why.contains("head_rolled_back") => errors::ROLLBACK_SEEN,
        ClientError::Head(_) => errors::FORK_SEEN,
        ClientError::Range { .. } => errors::BAD_RANGE,
        ClientError::Seal(SealError::Name(_)) => errors::BAD_NAME,
        ClientError::Seal(SealError::TooLong) => errors::TOO_LARGE,
        ClientError::Seal(SealError::Commitment) => errors::KEY_COMMITMENT,
        ClientError::Seal(_) | ClientError::Codec(_) => errors::DAMAGED,
        ClientError::Net(_) => errors::PEER_UNREACHABLE,
        ClientError::Log(_) => errors::BAD_SIGNATURE,
        ClientError::Changed | ClientError::Announced(_) => errors::BAD_VALUE,
        ClientError::File { .. } | ClientError::Unexpected(_) => errors::BUG,
    }
}

/// S3's code for a row of the registry.
fn code_of(id: ErrorId) -> S3ErrorCode {
    match id {
        errors::BUCKET_UNKNOWN => S3ErrorCode::NoSuchBucket,
        errors::BUCKET_EXISTS => S3ErrorCode::BucketAlreadyOwnedByYou,
        errors::BUCKET_NOT_EMPTY => S3ErrorCode::BucketNotEmpty,
        errors::OBJECT_UNKNOWN => S3ErrorCode::NoSuchKey,
        errors::UPLOAD_UNKNOWN => S3ErrorCode::NoSuchUpload,
        errors::PRECONDITION => S3ErrorCode::PreconditionFailed,
        errors::BAD_RANGE => S3ErrorCode::InvalidRange,
        errors::BAD_NAME => S3ErrorCode::InvalidArgument,
        errors::TOO_LARGE => S3ErrorCode::EntityTooLarge,
        errors::BUCKET_LIMIT => S3ErrorCode::Custom("QuotaExceeded".into()),
        errors::NOT_ALLOWED
        | errors::GRANT_EXPIRED
        | errors::GRANT_REVOKED
        | errors::DEVICE_REMOVED
        | errors::KEY_MISSING
        | errors::KEY_WRONG
        | errors::MEMBER_FROZEN
        | errors::RETAINED => S3ErrorCode::AccessDenied,
        errors::BAD_SIGNATURE => S3ErrorCode::SignatureDoesNotMatch,
        errors::RATE_LIMITED | errors::TOO_FEW_NODES | errors::UNREADABLE_NOW => S3ErrorCode::SlowDown,
        errors::LEASE_STALE | errors::ID_REUSED => S3ErrorCode::OperationAborted,
        errors::CLASS_NOT_OFFERED | errors::BAD_VALUE => S3ErrorCode::InvalidRequest,
        errors::CENTER_UNREACHABLE
        | errors::PEER_UNREACHABLE
        | errors::TIMED_OUT
        | errors::READ_ONLY
        | errors::NO_CAPACITY
        | errors::NO_ROUTE
        | errors::DB_UNWRITABLE => S3ErrorCode::ServiceUnavailable,
        _ => S3ErrorCode::InternalError,
    }
}

/// The row of the registry for a code that S3's own library answered with.
pub(crate) fn id_of_code(code: &str) -> ErrorId {
    match code {
        "AccessDenied" => errors::NOT_ALLOWED,
        "InvalidAccessKeyId" => errors::NOT_SIGNED_IN,
        "SignatureDoesNotMatch" | "XAmzContentSHA256Mismatch" | "AuthorizationHeaderMalformed" => errors::BAD_SIGNATURE,
        "RequestTimeTooSkewed" => errors::CLOCK_WRONG,
        "NotImplemented" | "MethodNotAllowed" => errors::NOT_IN_BUILD,
        "NoSuchBucket" => errors::BUCKET_UNKNOWN,
        "NoSuchKey" | "NoSuchVersion" => errors::OBJECT_UNKNOWN,
        "NoSuchUpload" => errors::UPLOAD_UNKNOWN,
        "InvalidRange" => errors::BAD_RANGE,
        "PreconditionFailed" | "NotModified" => errors::PRECONDITION,
        "EntityTooLarge" | "MaxMessageLengthExceeded" | "KeyTooLongError" => errors::TOO_LARGE,
        "InternalError" => errors::BUG,
        _ => errors::BAD_VALUE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::errors::REGISTRY;

    #[test]
    fn what_is_there_is_never_told_as_missing() {
        let told = fault(ClientError::Unreadable { have: 2, need: 3 });
        assert_eq!((told.code(), told.status_code()), (&S3ErrorCode::SlowDown, Some(StatusCode::SERVICE_UNAVAILABLE)));
        assert_eq!(told.message(), Some("E0307 unreadable_now: 2 of 3 pieces reachable"));
        assert!(told.headers().is_some_and(|headers| headers.contains_key(RETRY_AFTER)));
        let wrong = fault(ClientError::WrongKey);
        assert_eq!((wrong.code(), wrong.status_code()), (&S3ErrorCode::AccessDenied, Some(StatusCode::FORBIDDEN)));
        assert!(wrong.message().is_some_and(|message| message.starts_with("E0112")));
    }

    #[test]
    fn the_registry_and_s3_agree_on_who_is_at_fault() {
        for row in REGISTRY {
            let id = ErrorId(row.id[1..].parse().unwrap());
            let status = code_of(id).status_code().map_or(403, |status| status.as_u16());
            if row.http == 403 || row.http == 404 {
                let told = [403, 404, 500].contains(&status);
                assert!(told, "{} is {status}", row.id);
            }
            assert!(row.http != 404 || status != 403, "{}", row.id);
        }
    }
}
