//! The wall: what is looked at before a password is checked or a byte of a body is read (`docs/design/security.md` §9, M23, M24, M28,
//! M30).
//!
//! (A) A host that is not one of the gateway's own names is refused, parsed, never by its beginning; so is a page of another origin.
//! (B) A path, also that of a destination, says plainly where it points. (C) A folder is listed one level at a time. (D) Nothing takes
//! the place of what it lies in, nor that of a bucket.

use super::error::{Fault, INFINITE};
use super::place::Place;
use crate::limits::{HEADER_BYTES_MAX, HEADERS_MAX, PUT_BYTES_MAX, TARGET_BYTES_MAX};
use crate::wall::{Asked, Hosts};
use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Uri};
use model::errors;

/// What is done here.
pub(crate) const METHODS: [&str; 12] =
    ["OPTIONS", "GET", "HEAD", "PUT", "DELETE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK"];

/// A request that passed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// What it is about.
    pub place: Place,
    /// Where a copy goes.
    pub destination: Option<Place>,
    /// What lies in the folder is asked for too.
    pub is_deep: bool,
}

/// Judges the head of a request.
///
/// # Errors
/// [`Fault`].
pub(crate) fn check(parts: &Parts, hosts: &Hosts) -> Result<Passed, Fault> {
    sizes(parts)?;
    host(parts, hosts)?;
    if !METHODS.contains(&parts.method.as_str()) {
        let why = format!("{} is not done here", parts.method);
        return Err(Fault::new(StatusCode::NOT_IMPLEMENTED, errors::NOT_IN_BUILD, why));
    }
    let is_all = parts.method == Method::OPTIONS && parts.uri.path() == "*";
    let place = if is_all { Place::Root } else { Place::parse(parts.uri.path())? };
    let destination = match parts.method.as_str() {
        "COPY" | "MOVE" => Some(destination(&parts.headers, hosts)?),
        _ => None,
    };
    if let Some(to) = destination.as_ref().filter(|to| **to != place) {
        goes(&place, to, parts.method.as_str() == "MOVE")?;
    }
    content(parts)?;
    let is_deep = depth(parts)?;
    Ok(Passed { place, destination, is_deep })
}

/// (D): where something may go.
fn goes(from: &Place, to: &Place, is_move: bool) -> Result<(), Fault> {
    let is_name = |place: &Place| matches!(place, Place::Name { .. });
    if *to == Place::Root || is_name(from) != is_name(to) {
        return Err(Fault::denied("what lies at the top is a bucket, and nothing else is"));
    }
    if is_move && to.moved(from, &Place::Root).is_some() {
        return Err(Fault::denied("a folder does not go into itself"));
    }
    // The folder that is replaced goes first, with all that lies in it.
    if from.moved(to, &Place::Root).is_some() {
        return Err(Fault::denied("a folder is not replaced by something that lies in it"));
    }
    Ok(())
}

fn sizes(parts: &Parts) -> Result<(), Fault> {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_BYTES_MAX {
        return Err(Fault::new(
            StatusCode::URI_TOO_LONG,
            errors::TOO_LARGE,
            format!("more than {TARGET_BYTES_MAX} bytes"),
        ));
    }
    let bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADER_BYTES_MAX || parts.headers.len() > HEADERS_MAX {
        let why = format!("headers of more than {HEADER_BYTES_MAX} bytes");
        return Err(Fault::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, errors::TOO_LARGE, why));
    }
    Ok(())
}

/// The one value of a header; a fault where there are several.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Fault> {
    let mut all = headers.get_all(name).iter();
    let first = all.next();
    if all.next().is_some() {
        return Err(Fault::bad(format!("{name} is there twice")));
    }
    first.map(|value| value.to_str().map_err(|_| Fault::bad(format!("{name} is not text")))).transpose()
}

/// (A).
fn host(parts: &Parts, hosts: &Hosts) -> Result<(), Fault> {
    let foreign = |why: &str| Fault::new(StatusCode::FORBIDDEN, errors::FOREIGN_ORIGIN, why);
    let is_own = |host: &str| hosts.read(host) == Some(Asked::Gateway);
    let host = one(&parts.headers, "host")?.ok_or_else(|| Fault::bad("a request names its host"))?;
    if !is_own(host) || parts.uri.authority().is_some_and(|authority| !is_own(authority.as_str())) {
        return Err(foreign("this is not the host's gateway"));
    }
    if let Some(origin) = one(&parts.headers, "origin")?
        && !origin.strip_prefix("http://").is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    {
        return Err(foreign("a page of another origin asks nothing here"));
    }
    match one(&parts.headers, "sec-fetch-site")? {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(foreign("a page of another origin asks nothing here")),
    }
}

/// (B).
fn destination(headers: &HeaderMap, hosts: &Hosts) -> Result<Place, Fault> {
    let text = one(headers, "destination")?.ok_or_else(|| Fault::bad("there is no destination"))?;
    if text.contains(['?', '#', '\\']) {
        return Err(Fault::bad("a destination is a path"));
    }
    if text.starts_with('/') {
        return Place::parse(text);
    }
    let uri: Uri = text.parse().map_err(|_| Fault::bad("a destination is an address"))?;
    let is_own = uri.authority().is_some_and(|authority| hosts.read(authority.as_str()) == Some(Asked::Gateway));
    if uri.scheme_str() != Some("http") || !is_own {
        let why = "the destination is not here";
        return Err(Fault::new(StatusCode::BAD_GATEWAY, errors::FOREIGN_ORIGIN, why));
    }
    Place::parse(uri.path())
}

/// What is said of a body before it comes.
fn content(parts: &Parts) -> Result<(), Fault> {
    let headers = &parts.headers;
    if headers.contains_key(header::CONTENT_ENCODING) {
        let why = "nothing is unpacked here";
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, errors::NOT_IN_BUILD, why));
    }
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(Fault::new(StatusCode::BAD_REQUEST, errors::NOT_IN_BUILD, "an object is written as a whole"));
    }
    let len = one(headers, "content-length")?.map(str::parse::<u64>).transpose();
    match len.map_err(|_| Fault::bad("content-length is a number"))? {
        Some(len) if len > PUT_BYTES_MAX => Err(Fault::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            errors::TOO_LARGE,
            format!("more than {PUT_BYTES_MAX} bytes"),
        )),
        _ => Ok(()),
    }
}

/// (C).
fn depth(parts: &Parts) -> Result<bool, Fault> {
    let depth = one(&parts.headers, "depth")?.map(str::trim);
    match (parts.method.as_str(), depth) {
        ("PROPFIND", Some("0")) => Ok(false),
        ("PROPFIND", Some("1")) => Ok(true),
        // Who says nothing asks for all.
        ("PROPFIND", None) => Err(Fault::new(StatusCode::FORBIDDEN, errors::NOT_ALLOWED, INFINITE)),
        ("PROPFIND", Some(depth)) if depth.eq_ignore_ascii_case("infinity") => {
            Err(Fault::new(StatusCode::FORBIDDEN, errors::NOT_ALLOWED, INFINITE))
        }
        (_, None | Some("0" | "1")) => Ok(false),
        (_, Some(depth)) if depth.eq_ignore_ascii_case("infinity") => Ok(false),
        _ => Err(Fault::bad("Depth is 0, 1 or infinity")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in [&[("host", "localhost:7781")], headers].concat() {
            request = request.header(name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn status(method: &str, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let hosts = Hosts::new(&[], 7_781);
        check(&parts(method, uri, headers), &hosts).map_or_else(|fault| fault.status.as_u16(), |_| 200)
    }

    #[test]
    fn foreign_hosts_and_pages_of_other_origins_are_refused() {
        let hosts = Hosts::new(&[], 7_781);
        for (host, is) in [
            ("localhost:7781", true),
            ("127.0.0.1:7781", true),
            ("[::1]:7781", true),
            ("LOCALHOST:7781", true),
            ("localhost", false),
            ("localhost:7780", false),
            ("127.0.0.1.evil.example:7781", false),
            ("b.localhost:7781", false),
            ("evil.example", false),
            ("", false),
        ] {
            let request = Request::builder().uri("/").header("host", host).body(()).unwrap();
            assert_eq!(check(&request.into_parts().0, &hosts).is_ok(), is, "{host}");
        }
        assert_eq!(status("GET", "/", &[("host", "localhost:7781")]), 400, "two hosts");
        assert_eq!(status("GET", "http://evil.example/", &[]), 403);
        assert_eq!(status("GET", "/", &[("origin", "http://localhost:7781")]), 200);
        for origin in ["null", "https://localhost:7781", "http://evil.example", "http://localhost:7781.evil.example"] {
            assert_eq!(status("GET", "/", &[("origin", origin)]), 403, "{origin}");
        }
        assert_eq!(status("PUT", "/b/x", &[("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(status("GET", "/", &[("sec-fetch-site", "none")]), 200);
    }

    #[test]
    fn a_destination_is_here_and_plain() {
        let to = |to: &str| status("MOVE", "/b/x", &[("destination", to)]);
        for (destination, wanted) in [
            ("/b/y", 200),
            ("http://localhost:7781/b/y%20z", 200),
            ("http://evil.example/b/y", 502),
            ("https://localhost:7781/b/y", 502),
            ("ftp://localhost:7781/b/y", 502),
            ("http://localhost:7781/b/../c", 400),
            ("/b/%2e%2e/c", 400),
            ("/b/a%2fb", 400),
            ("/b/y?x", 400),
            ("/b/x/y", 403),
            ("/", 403),
            ("/c", 403),
            ("/b", 403),
            ("/b/..\\c", 400),
            ("b/y", 400),
        ] {
            assert_eq!(to(destination), wanted, "{destination}");
        }
        assert_eq!(status("MOVE", "/b/x", &[]), 400);
        assert_eq!(status("COPY", "/b/x", &[("destination", "/b/x/y")]), 200, "a copy may");
        for method in ["COPY", "MOVE"] {
            let from = |from: &str, to: &str| status(method, from, &[("destination", to)]);
            assert_eq!(from("/b/foo/foo", "/b/foo"), 403, "(D) {method}");
            assert_eq!((from("/b", "/c/x"), from("/b", "/")), (403, 403), "(D) {method}");
            assert_eq!((from("/b", "/c"), from("/b/foo", "/b/foo2")), (200, 200), "{method}");
        }
    }

    #[test]
    fn depth_and_content_have_their_limits() {
        for (depth, wanted) in [("0", 200), ("1", 200), ("infinity", 403), ("Infinity", 403), ("2", 400), ("", 400)] {
            assert_eq!(status("PROPFIND", "/", &[("depth", depth)]), wanted, "{depth}");
        }
        assert_eq!(status("PROPFIND", "/", &[]), 403);
        assert_eq!(status("PROPFIND", "/", &[("depth", "infinity"), ("x-litmus", "1")]), 403);
        assert_eq!(status("DELETE", "/b/x", &[("depth", "infinity")]), 200);
        for method in ["PATCH", "POST", "TRACE", "REPORT", "MKCALENDAR", "FOO", "*"] {
            assert_eq!(status(method, "/b/x", &[]), 501, "{method}");
        }
        assert_eq!(status("PUT", "/b/x", &[("content-range", "bytes 0-1/2")]), 400);
        assert_eq!(status("PUT", "/b/x", &[("content-encoding", "gzip")]), 415);
        assert_eq!(status("PUT", "/b/x", &[("content-length", &(PUT_BYTES_MAX + 1).to_string())]), 413);
        assert_eq!(status("GET", &format!("/b/{}", "x".repeat(TARGET_BYTES_MAX)), &[]), 414);
        assert_eq!(status("GET", "/b/x", &[("if", &"x".repeat(HEADER_BYTES_MAX))]), 431);
        assert_eq!(status("OPTIONS", "*", &[]), 200);
        for bad in ["/b/..", "/b/%2e%2e/x", "/b/..%2fx", "/b//x"] {
            assert_eq!(status("GET", bad, &[]), 400, "{bad}");
        }
        assert_eq!(status("GET", "/b/.pumasi/jobs/x", &[]), 403);
    }
}
