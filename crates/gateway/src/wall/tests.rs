//! Red tests of the wall: each thing that must be refused, with S3's word for it.

use super::*;
use crate::sign::{EMPTY, SignAsk, Signer, query_string};
use hyper::Request;

const NOW: Stamp = Stamp(1_790_000_000_000);
const PORT: u16 = 7_780;

fn hosts() -> Hosts {
    Hosts::new(&["nas.local".to_owned()], PORT)
}

/// A request that passes, before it is changed.
fn headers(at: Stamp) -> Vec<(String, String)> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        pair("host", "127.0.0.1:7780"),
        pair("x-amz-content-sha256", EMPTY),
        pair("x-amz-date", &crate::sign::date(at)),
    ]
}

fn signed(headers: &[(String, String)], at: Stamp) -> String {
    let ask = SignAsk { method: "GET", path: "/b/k", query: &[], headers, payload: EMPTY };
    Signer::new("PMSIID", "secret", at).authorization(&ask).0
}

fn build(method: &str, target: &str, headers: &[(String, String)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(()).unwrap().into_parts().0
}

fn judged(target: &str, headers: &[(String, String)]) -> Result<Asked, &'static str> {
    check(&build("GET", target, headers), &hosts(), NOW).map_err(|refusal| refusal.code)
}

fn with(mut headers: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    headers.push((name.to_owned(), value.to_owned()));
    headers
}

fn good() -> Vec<(String, String)> {
    let plain = headers(NOW);
    let value = signed(&plain, NOW);
    with(plain, "authorization", &value)
}

#[test]
fn what_is_signed_as_it_should_be_passes() {
    assert_eq!(judged("/b/k", &good()), Ok(Asked::Gateway));
    let more = with(headers(NOW), "x-amz-meta-a", "1");
    let value = signed(&more, NOW);
    assert_eq!(judged("/b/k", &with(more, "authorization", &value)), Ok(Asked::Gateway));
}

#[test]
fn only_the_gateways_own_names_are_heard() {
    let of = |host: &str| hosts().read(host);
    for own in ["localhost:7780", "127.0.0.1:7780", "[::1]:7780", "LOCALHOST:7780", "nas.local:7780"] {
        assert_eq!(of(own), Some(Asked::Gateway), "{own}");
    }
    assert_eq!(of("my.photos.localhost:7780"), Some(Asked::Bucket("my.photos".into())));
    assert_eq!(of("photos.nas.local:7780"), Some(Asked::Bucket("photos".into())));
    for foreign in [
        "",
        "localhost",
        "localhost:",
        "localhost:80",
        "localhost:07780x",
        "localhost:+7780",
        "127.0.0.1.evil.example:7780",
        "evil.example:7780",
        "evil.example",
        "localhost.evil.example:7780",
        "photos.127.0.0.1:7780",
        "evillocalhost:7780",
        ".localhost:7780",
        "a..localhost:7780",
        "a/b.localhost:7780",
        "a@localhost:7780",
        "[::1]7780",
        "[::1",
        "[localhost]:7780",
        "0.0.0.0:7780",
        "127.1:7780",
        "2130706433:7780",
        "localhost:7780:7780",
        "localhost.:7780",
    ] {
        assert_eq!(of(foreign), None, "{foreign}");
    }
    let mut moved = good();
    moved[0].1 = "evil.example:7780".to_owned();
    assert_eq!(judged("/b/k", &moved), Err("AccessDenied"));
    assert_eq!(judged("/b/k", &with(good(), "host", "localhost:7780")), Err("AccessDenied"), "two hosts");
}

#[test]
fn a_request_is_signed_in_one_way_and_by_version_four() {
    assert_eq!(judged("/b/k", &headers(NOW)), Err("AccessDenied"), "not signed");
    let value = signed(&headers(NOW), NOW);
    assert_eq!(judged("/b/k", &with(good(), "authorization", &value)), Err("InvalidArgument"), "twice");
    assert_eq!(judged("/b/k?X-Amz-Signature=00", &good()), Err("InvalidArgument"), "in both ways");
    assert_eq!(judged("/b/k", &with(headers(NOW), "authorization", "AWS id:sig")), Err("InvalidRequest"));
    assert_eq!(judged("/b/k?AWSAccessKeyId=x&Signature=y&Expires=9", &headers(NOW)), Err("InvalidRequest"));
    assert_eq!(judged("/b/k", &with(headers(NOW), "authorization", "Bearer x")), Err("AuthorizationHeaderMalformed"));
}

#[test]
fn what_is_there_but_not_signed_is_refused() {
    assert_eq!(judged("/b/k", &with(good(), "x-amz-copy-source", "other/secret")), Err("AccessDenied"));
    assert_eq!(judged("/b/k", &with(good(), "x-amz-meta-a", "1")), Err("AccessDenied"));
    assert_eq!(judged("/b/k", &with(good(), "x-amz-date", "20200101T000000Z")), Err("InvalidRequest"), "twice");
    assert_eq!(judged("/b/k", &with(good(), "user-agent", "a tool")), Ok(Asked::Gateway), "no header of S3's");
    let change = |from: &str, to: &str| {
        let mut changed = good();
        changed[3].1 = changed[3].1.replace(from, to);
        judged("/b/k", &changed)
    };
    let names = "host;x-amz-content-sha256;x-amz-date";
    assert_eq!(change(names, "x-amz-content-sha256;x-amz-date"), Err("SignatureDoesNotMatch"), "no host");
    assert_eq!(change(names, ""), Err("SignatureDoesNotMatch"));
    assert_eq!(change(names, &format!("host;{names}")), Err("SignatureDoesNotMatch"), "twice");
    assert_eq!(change("host;", "Host;"), Err("SignatureDoesNotMatch"));
    assert_eq!(change("host;", "host;x-missing;"), Err("SignatureDoesNotMatch"));
    assert_eq!(change("Signature=", "Other="), Err("AuthorizationHeaderMalformed"));
    assert_eq!(change("SignedHeaders=", "Credential=x, SignedHeaders="), Err("AuthorizationHeaderMalformed"));
}

#[test]
fn a_scope_of_elsewhere_is_refused() {
    let change = |from: &str, to: &str| {
        let mut changed = good();
        changed[3].1 = changed[3].1.replace(from, to);
        judged("/b/k", &changed)
    };
    assert_eq!(change("/us-east-1/", "/eu-west-1/"), Err("AuthorizationHeaderMalformed"));
    assert_eq!(change("/s3/", "/sts/"), Err("AuthorizationHeaderMalformed"));
    assert_eq!(change("aws4_request", "aws5_request"), Err("AuthorizationHeaderMalformed"));
    let day = crate::sign::date(NOW)[..8].to_owned();
    assert_eq!(change(&format!("/{day}/"), "/20200101/"), Err("AuthorizationHeaderMalformed"));
    assert_eq!(change("PMSIID", ""), Err("AuthorizationHeaderMalformed"));
    assert_eq!(change("PMSIID", &"A".repeat(200)), Err("AuthorizationHeaderMalformed"));
}

#[test]
fn clocks_may_differ_by_a_quarter_of_an_hour() {
    let off = |minutes: i64| {
        let at = Stamp(NOW.as_ms().saturating_add_signed(minutes * 60_000));
        let plain = headers(at);
        let value = signed(&plain, at);
        judged("/b/k", &with(plain, "authorization", &value))
    };
    assert!(off(14).is_ok() && off(-14).is_ok());
    assert_eq!((off(16), off(-16)), (Err("RequestTimeTooSkewed"), Err("RequestTimeTooSkewed")));
}

#[test]
fn a_signed_address_lives_as_long_as_it_says_and_a_week_at_most() {
    let host = vec![("host".to_owned(), "127.0.0.1:7780".to_owned())];
    let address = |expires: u64, ago_s: u64| {
        let at = Stamp(NOW.as_ms() - ago_s * 1_000);
        let ask = SignAsk { method: "GET", path: "/b/k", query: &[], headers: &host, payload: EMPTY };
        format!("/b/k?{}", query_string(&Signer::new("PMSIID", "secret", at).presign(&ask, expires)))
    };
    assert_eq!(judged(&address(60, 59), &host), Ok(Asked::Gateway));
    assert_eq!(judged(&address(60, 60), &host), Err("AccessDenied"), "over");
    assert_eq!(judged(&address(PRESIGN_MAX_S, 3_600), &host), Ok(Asked::Gateway));
    assert_eq!(judged(&address(PRESIGN_MAX_S + 1, 0), &host), Err("AuthorizationQueryParametersError"));
    assert_eq!(judged(&address(0, 0), &host), Err("AuthorizationQueryParametersError"));
    let twice = format!("{}&X-Amz-Expires=9", address(60, 0));
    assert_eq!(judged(&twice, &host), Err("AuthorizationQueryParametersError"));
    assert_eq!(judged(&address(60, 0), &with(host.clone(), "x-amz-acl", "public-read")), Err("AccessDenied"));
    let bare = address(60, 0).replace("X-Amz-Expires=60", "");
    assert_eq!(judged(&bare, &host), Err("AuthorizationQueryParametersError"));
}

#[test]
fn what_is_too_long_is_refused_before_it_is_read() {
    let long = with(good(), "cookie", &"x".repeat(HEADER_BYTES_MAX));
    assert_eq!(judged("/b/k", &long), Err("RequestHeaderSectionTooLarge"));
    let many = (0..HEADERS_MAX).fold(good(), |headers, at| with(headers, &format!("x-{at}"), "1"));
    assert_eq!(judged("/b/k", &many), Err("RequestHeaderSectionTooLarge"));
    assert_eq!(judged(&format!("/b/{}", "k".repeat(TARGET_BYTES_MAX)), &good()), Err("InvalidURI"));
    for (value, code) in [
        ((PUT_BYTES_MAX + 1).to_string(), "EntityTooLarge"),
        ("9223372036854775808".to_owned(), "EntityTooLarge"),
        ("-1".to_owned(), "InvalidRequest"),
        ("+1".to_owned(), "InvalidRequest"),
        ("99999999999999999999999".to_owned(), "InvalidRequest"),
    ] {
        assert_eq!(judged("/b/k", &with(good(), "content-length", &value)), Err(code), "{value}");
    }
    let parts = build("PATCH", "/b/k", &good());
    assert_eq!(check(&parts, &hosts(), NOW).map_err(|r| r.code), Err("MethodNotAllowed"));
    let form = with(good(), "content-type", "Multipart/Form-Data; boundary=x");
    assert_eq!(
        check(&build("POST", "/b", &form), &hosts(), NOW).map_err(|r| r.code),
        Err("InvalidArgument"),
        "signed twice"
    );
    let bare = [("host", "localhost:7780"), ("content-type", "multipart/form-data; boundary=x")];
    let bare = bare.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let form = |target: &str| check(&build("POST", target, &bare), &hosts(), NOW).map_err(|r| r.code);
    assert_eq!((form("/b").is_ok(), form("/b?x=1")), (true, Err("InvalidArgument")), "its fields are all it says");
}

#[test]
fn times_are_those_of_the_calendar() {
    for at in [Stamp(0), NOW, Stamp(951_782_400_000), Stamp(4_107_542_399_000)] {
        assert_eq!(time_of(&crate::sign::date(at)), Some(at));
    }
    for bad in
        ["", "20260230T000000Z", "20261301T000000Z", "20260101T240000Z", "2026-01-01T00:00:00Z", "20260101T0000Z"]
    {
        assert_eq!(time_of(bad), None, "{bad}");
    }
}
