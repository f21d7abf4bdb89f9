//! An object is read: conditions first, then the range, then its first bytes, then an answer.

use super::error::{Body, Fault};
use super::place::Place;
use super::tree::{Node, Tree, etag};
use super::visit::Visit;
use bytes::Bytes;
use client::{Bucket, Facts, Found, ServedHeader};
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use model::{Stamp, errors};
use std::io;
use std::ops::Range;

/// What is told where a folder is read.
const FOLDER_TEXT: &str = "A folder: it opens in a file manager.\n";

/// What is asked for of an object's bytes.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Range(Range<u64>),
    Beyond,
}

/// What a request makes of an object's state.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Read,
    Same,
    Failed,
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a list of tags names one.
fn names(list: &str, tag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// The second a header names.
fn second(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    super::find::of_http_date(text(headers, name)?)
}

fn judged(headers: &HeaderMap, tag: &str, at: Stamp) -> Judged {
    let at = at.as_ms() / 1_000;
    if let Some(list) = text(headers, &header::IF_MATCH) {
        if !names(list, tag) {
            return Judged::Failed;
        }
    } else if second(headers, &header::IF_UNMODIFIED_SINCE).is_some_and(|since| at > since) {
        return Judged::Failed;
    }
    if let Some(list) = text(headers, &header::IF_NONE_MATCH) {
        if names(list, tag) {
            return Judged::Same;
        }
    } else if second(headers, &header::IF_MODIFIED_SINCE).is_some_and(|since| at <= since) {
        return Judged::Same;
    }
    Judged::Read
}

/// One range; of several the whole is given, as the protocol lets a server do.
fn part(headers: &HeaderMap, tag: &str, at: Stamp, size: u64) -> Part {
    let range = text(headers, &header::RANGE).and_then(|range| range.strip_prefix("bytes="));
    let Some(range) = range.filter(|range| !range.contains(',')) else { return Part::Whole };
    if let Some(since) = text(headers, &header::IF_RANGE) {
        let is_same = if since.contains('"') {
            since == tag
        } else {
            second(headers, &header::IF_RANGE) == Some(at.as_ms() / 1_000)
        };
        if !is_same {
            return Part::Whole;
        }
    }
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match range.split_once('-') {
        Some(("", last)) => match number(last) {
            Some(0) => Part::Beyond,
            Some(_) if size == 0 => Part::Beyond,
            Some(last) => Part::Range(size.saturating_sub(last)..size),
            None => Part::Whole,
        },
        Some((first, last)) => match (number(first), number(last), last.is_empty()) {
            (Some(first), Some(last), _) if last < first => Part::Whole,
            (Some(first), _, true) | (Some(first), Some(_), _) if first >= size => Part::Beyond,
            (Some(first), None, true) => Part::Range(first..size),
            (Some(first), Some(last), _) => Part::Range(first..size.min(last.saturating_add(1))),
            _ => Part::Whole,
        },
        None => Part::Whole,
    }
}

fn empty() -> Body {
    Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync()
}

fn served(headers: &mut HeaderMap, facts: &Facts) {
    for (name, of) in [
        (header::CACHE_CONTROL, ServedHeader::CacheControl),
        (header::CONTENT_ENCODING, ServedHeader::ContentEncoding),
        (header::CONTENT_LANGUAGE, ServedHeader::ContentLanguage),
        (header::CONTENT_DISPOSITION, ServedHeader::ContentDisposition),
    ] {
        if let Some(value) = facts.header(of).and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
}

/// Headers that tell of an object.
fn told(found: &Found, len: u64) -> HeaderMap {
    let entry = &found.shown.entry;
    let mut headers = HeaderMap::new();
    served(&mut headers, &found.shown.facts);
    // What nobody told, programs guess by the name, where nothing else is said.
    let kind =
        Some(entry.content_type.clone()).filter(|kind| !kind.is_empty()).map(|kind| (header::CONTENT_TYPE, kind));
    let all = [
        (header::CONTENT_LENGTH, len.to_string()),
        (header::ETAG, format!("\"{}\"", etag(entry))),
        (header::LAST_MODIFIED, super::find::http_date(entry.at)),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        // A browser that is led here shows nothing of it and runs nothing.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ];
    for (name, value) in kind.into_iter().chain(all) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    headers
}

/// A folder is told as one, to who knows no better than to read it.
fn folder(is_head: bool) -> Response<Body> {
    let text = if is_head { "" } else { FOLDER_TEXT };
    let mut answer = Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync());
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// Adds what a part of an object is a part of.
fn told_part(answer: &mut Response<Body>, value: String) {
    if let Ok(value) = HeaderValue::from_str(&value) {
        answer.headers_mut().insert(header::CONTENT_RANGE, value);
    }
}

impl Tree {
    /// Answers `GET` and `HEAD`.
    pub async fn read(
        &self,
        visit: &Visit,
        place: &Place,
        headers: &HeaderMap,
        is_head: bool,
    ) -> Result<Response<Body>, Fault> {
        let Node::File(entry) = self.look(visit, place).await? else { return Ok(folder(is_head)) };
        let name = place.bucket().unwrap_or_default();
        let bucket = self.bucket(name).await?;
        let found = self.client().find(&bucket, &entry.name, None).await.map_err(|error| self.fault(name, error))?;
        let (size, at) = (found.shown.entry.size.0, found.shown.entry.at);
        let tag = format!("\"{}\"", etag(&found.shown.entry));
        let mut answer = Response::new(empty());
        match judged(headers, &tag, at) {
            Judged::Read => {}
            Judged::Same => {
                *answer.status_mut() = StatusCode::NOT_MODIFIED;
                *answer.headers_mut() = told(&found, size);
                answer.headers_mut().remove(header::CONTENT_LENGTH);
                return Ok(answer);
            }
            Judged::Failed => {
                let why = "it is not in the state that was named";
                return Err(Fault::new(StatusCode::PRECONDITION_FAILED, errors::PRECONDITION, why));
            }
        }
        let range = match part(headers, &tag, at, size) {
            Part::Whole => {
                *answer.headers_mut() = told(&found, size);
                0..size
            }
            Part::Range(range) => {
                *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
                *answer.headers_mut() = told(&found, range.end - range.start);
                told_part(&mut answer, format!("bytes {}-{}/{size}", range.start, range.end - 1));
                range
            }
            Part::Beyond => {
                let why = format!("not within {size} bytes");
                let mut answer = Fault::new(StatusCode::RANGE_NOT_SATISFIABLE, errors::BAD_RANGE, why).answer();
                told_part(&mut answer, format!("bytes */{size}"));
                return Ok(answer);
            }
        };
        if !is_head {
            *answer.body_mut() = self.content((name, bucket), found, range).await?;
        }
        Ok(answer)
    }

    /// Content as a body, once its first bytes are there.
    async fn content(&self, (name, bucket): (&str, Bucket), found: Found, range: Range<u64>) -> Result<Body, Fault> {
        let mut chunks = crate::s3::read(self.client().clone(), bucket, found, range);
        let first = match chunks.recv().await {
            Some(Ok(bytes)) => Some(Ok(bytes)),
            Some(Err(error)) => return Err(self.fault(name, error)),
            None => None,
        };
        let rest = stream::poll_fn(move |cx| chunks.poll_recv(cx));
        let rest = rest.map(|next| next.map_err(|error| io::Error::other(error.to_string())));
        let frames = stream::iter(first).chain(rest).map(|next| next.map(Frame::data));
        Ok(StreamBody::new(frames).boxed_unsync())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(HeaderName, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_range_is_cut_to_what_is_there() {
        let of = |range: &str, size| part(&headers(&[(header::RANGE, range)]), "\"t\"", Stamp(0), size);
        for (range, wanted) in [
            ("bytes=0-0", Part::Range(0..1)),
            ("bytes=5-", Part::Range(5..10)),
            ("bytes=5-99", Part::Range(5..10)),
            ("bytes=-3", Part::Range(7..10)),
            ("bytes=-99", Part::Range(0..10)),
            ("bytes=10-", Part::Beyond),
            ("bytes=10-12", Part::Beyond),
            ("bytes=-0", Part::Beyond),
            ("bytes=3-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=x-", Part::Whole),
            ("lines=1-2", Part::Whole),
            (&format!("bytes=0-{}", u64::MAX), Part::Range(0..10)),
        ] {
            assert_eq!(of(range, 10), wanted, "{range}");
        }
        assert_eq!(of("bytes=0-", 0), Part::Beyond);
        let other = headers(&[(header::RANGE, "bytes=0-0"), (header::IF_RANGE, "\"u\"")]);
        assert_eq!(part(&other, "\"t\"", Stamp(0), 10), Part::Whole);
    }

    #[test]
    fn conditions_are_held_against_tag_and_time() {
        let at = Stamp(784_111_777_500); // Sun, 06 Nov 1994 08:49:37 GMT, and a half
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let of = |name: HeaderName, value: &str| judged(&headers(&[(name, value)]), "\"t\"", at);
        assert_eq!(of(header::IF_MATCH, "\"u\", \"t\""), Judged::Read);
        assert_eq!(of(header::IF_MATCH, "\"u\""), Judged::Failed);
        assert_eq!(of(header::IF_NONE_MATCH, "W/\"t\""), Judged::Same);
        assert_eq!(of(header::IF_NONE_MATCH, "*"), Judged::Same);
        assert_eq!(of(header::IF_MODIFIED_SINCE, date), Judged::Same);
        assert_eq!(of(header::IF_UNMODIFIED_SINCE, date), Judged::Read);
        assert_eq!(of(header::IF_UNMODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT"), Judged::Failed);
        assert_eq!(judged(&HeaderMap::new(), "\"t\"", at), Judged::Read);
    }
}
