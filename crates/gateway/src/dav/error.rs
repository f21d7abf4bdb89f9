//! Errors as WebDAV tells them: a status, and the id of our registry in the body. Too few pieces is never "not found", a wrong key
//! never an empty folder.

use super::limits::RETRY_S;
use crate::s3::told_arg;
use bytes::Bytes;
use client::ClientError;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use model::errors::{self, ErrorId};
use std::io;

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Who is asked for a password.
const REALM: &str = "Basic realm=\"pumasi\", charset=\"UTF-8\"";

/// A no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Its status.
    pub status: StatusCode,
    /// Its row in the registry.
    pub id: ErrorId,
    /// Why.
    pub why: String,
}

impl Fault {
    pub fn new(status: StatusCode, id: ErrorId, why: impl Into<String>) -> Self {
        Self { status, id, why: why.into() }
    }

    pub fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, errors::BAD_VALUE, why)
    }

    pub fn unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, errors::OBJECT_UNKNOWN, "there is nothing of this name")
    }

    pub fn denied(why: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, errors::NOT_ALLOWED, why)
    }

    /// Nothing is there, and nobody is at fault.
    pub fn is_unknown(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// As it is answered.
    pub fn answer(&self) -> Response<Body> {
        let words = format!("{} {}: {}", self.id, self.id.row().code, self.why);
        let text = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let finite = if self.why == INFINITE { "<D:propfind-finite-depth/>" } else { "" };
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:error xmlns:D=\"DAV:\">{finite}\
             <P:why xmlns:P=\"urn:pumasi\">{text}</P:why></D:error>\n"
        );
        let mut answer = Response::new(Full::new(Bytes::from(xml)).map_err(|never| match never {}).boxed_unsync());
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
        match self.status {
            StatusCode::UNAUTHORIZED => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(REALM)),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_S))
            }
            _ => None,
        };
        answer
    }
}

/// Why a folder is not listed with all that is below it.
pub(crate) const INFINITE: &str = "a folder is listed one level at a time: Depth is 0 or 1";

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        let id = crate::s3::id_of(&error);
        let why = match &error {
            ClientError::Refused(refusal) => refusal.args.iter().map(told_arg).collect::<Vec<_>>().join(", "),
            error => error.to_string(),
        };
        let status = status_of(id);
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::warn!(%error, %id, "a request came to nothing");
        }
        Self::new(status, id, why)
    }
}

/// The status for a row of the registry.
fn status_of(id: ErrorId) -> StatusCode {
    match id {
        errors::BUCKET_LIMIT | errors::CREDITS_SHORT | errors::AT_LIMIT | errors::DISK_FULL => {
            StatusCode::INSUFFICIENT_STORAGE
        }
        errors::CENTER_UNREACHABLE
        | errors::PEER_UNREACHABLE
        | errors::TIMED_OUT
        | errors::NO_ROUTE
        | errors::RELAY_FULL => StatusCode::SERVICE_UNAVAILABLE,
        errors::ROLLBACK_SEEN | errors::FORK_SEEN | errors::COPY_DIFFERS => StatusCode::CONFLICT,
        errors::BAD_SIGNATURE => StatusCode::INTERNAL_SERVER_ERROR,
        id => match id.row().http {
            0..400 => StatusCode::INTERNAL_SERVER_ERROR,
            http => StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::errors::REGISTRY;

    #[test]
    fn what_is_there_is_never_told_as_missing() {
        let told = Fault::from(ClientError::Unreadable { have: 2, need: 3 });
        assert_eq!((told.status, told.id), (StatusCode::SERVICE_UNAVAILABLE, errors::UNREADABLE_NOW));
        assert!(told.answer().headers().contains_key(RETRY_AFTER));
        let wrong = Fault::from(ClientError::WrongKey);
        assert_eq!((wrong.status, wrong.id), (StatusCode::FORBIDDEN, errors::KEY_WRONG));
        assert_eq!(status_of(errors::BUCKET_LIMIT), StatusCode::INSUFFICIENT_STORAGE);
    }

    #[test]
    fn every_row_of_the_registry_is_told_as_an_error() {
        for row in REGISTRY {
            let id = ErrorId(row.id[1..].parse().unwrap());
            assert!(status_of(id).as_u16() >= 400, "{}", row.id);
            assert!(row.http == 404 || status_of(id) != StatusCode::NOT_FOUND, "{}", row.id);
        }
    }
}
