//! Errors as the system tells them. What is there and cannot be read now is `EIO`, never "not found" and never an empty folder.

use client::ClientError;
use fuser::Errno;
use model::errors::{self, ErrorId};

/// What comes of a request.
pub(super) type Res<T> = Result<T, Errno>;

/// The number for an error of the member's side.
pub(super) fn of_client(error: &ClientError) -> Errno {
    match error {
        ClientError::File { source, .. } => of_io(source),
        ClientError::Range { .. } => Errno::EINVAL,
        error => of_id(crate::s3::id_of(error)),
    }
}

/// The number for an error of a local file.
pub(super) fn of_io(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_i32)
}

/// The number for a row of the registry.
fn of_id(id: ErrorId) -> Errno {
    match id {
        errors::OBJECT_UNKNOWN | errors::BUCKET_UNKNOWN => Errno::ENOENT,
        errors::BUCKET_EXISTS => Errno::EEXIST,
        errors::BUCKET_NOT_EMPTY => Errno::ENOTEMPTY,
        errors::BUCKET_LIMIT | errors::AT_LIMIT | errors::CREDITS_SHORT => Errno::EDQUOT,
        errors::DISK_FULL => Errno::ENOSPC,
        errors::NOT_ALLOWED | errors::KEY_WRONG | errors::GRANT_REVOKED => Errno::EACCES,
        errors::BAD_NAME | errors::BAD_VALUE => Errno::EINVAL,
        errors::PRECONDITION => Errno::EBUSY,
        errors::TOO_LARGE => Errno::EFBIG,
        _ => Errno::EIO,
    }
}

/// Whether the center did not answer; then names are shown as this machine knows them.
pub(super) fn is_away(error: &ClientError) -> bool {
    match error {
        ClientError::Net(_) => true,
        ClientError::Refused(no) => [
            errors::CENTER_UNREACHABLE,
            errors::PEER_UNREACHABLE,
            errors::TIMED_OUT,
            errors::NO_ROUTE,
            errors::RELAY_FULL,
        ]
        .contains(&no.id),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_never_told_as_missing() {
        let told = |error: ClientError| of_client(&error).code();
        assert_eq!(told(ClientError::Unreadable { have: 2, need: 3 }), Errno::EIO.code());
        assert_eq!(told(ClientError::WrongKey), Errno::EACCES.code());
        for row in model::errors::REGISTRY {
            let id = ErrorId(row.id[1..].parse().unwrap());
            assert!(row.http == 404 || of_id(id).code() != Errno::ENOENT.code(), "{}", row.id);
        }
    }
}
