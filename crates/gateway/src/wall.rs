//! The wall: what is looked at before a signature is checked or a byte of a body is read (`docs/design/security.md` §9, M23, M28, M30,
//! M32). It answers with S3's words; what passes is judged further by its signature.
//!
//! (A) A host that is not one of the gateway's own names is refused, parsed, never by its beginning. (B) A request is signed in one
//! way. (C) Every `x-amz-*` header that is there is among the signed ones, and every signed one is there. (D) A signature's scope is
//! that of this gateway. (E) A clock that is off, and an address that lives too long, are told as that.

use crate::limits::{
    FORM_BYTES_MAX, FORM_FIELDS_MAX, HEADER_BYTES_MAX, HEADERS_MAX, PRESIGN_MAX_S, PUT_BYTES_MAX, SKEW_MAX,
    TARGET_BYTES_MAX,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode, header};
use model::errors::{self, ErrorId};
use model::time::civil_from_days;
use model::{Span, Stamp};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The one region a gateway is in.
pub const REGION: &str = "us-east-1";
/// How requests are signed.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "s3";
const TERMINATOR: &str = "aws4_request";
/// Characters of an id of a key, at most.
const ID_MAX: usize = 128;

/// A no in S3's words, with the id of our registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// S3's code.
    pub code: &'static str,
    /// Its status.
    pub status: StatusCode,
    /// Ours.
    pub id: ErrorId,
    /// Why.
    pub why: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, status: StatusCode, id: ErrorId, why: impl Into<String>) -> Self {
        Self { code, status, id, why: why.into() }
    }

    fn denied(id: ErrorId, why: impl Into<String>) -> Self {
        Self::new("AccessDenied", StatusCode::FORBIDDEN, id, why)
    }

    pub(crate) fn bad(why: impl Into<String>) -> Self {
        Self::new("InvalidRequest", StatusCode::BAD_REQUEST, errors::BAD_VALUE, why)
    }

    fn mismatch(why: impl Into<String>) -> Self {
        Self::new("SignatureDoesNotMatch", StatusCode::FORBIDDEN, errors::BAD_SIGNATURE, why)
    }
}

/// The names under which a gateway is asked.
#[derive(Debug, Clone)]
pub struct Hosts {
    names: Vec<String>,
    port: u16,
}

/// What a host header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The gateway; the bucket stands in the path.
    Gateway,
    /// A bucket, by a name below the gateway's.
    Bucket(String),
}

impl Hosts {
    /// `localhost`, the loopback addresses and `more`, at a port.
    pub fn new(more: &[String], port: u16) -> Self {
        let own = ["localhost", "127.0.0.1", "::1"].into_iter().map(str::to_owned);
        let more = more.iter().map(|name| name.trim_matches(['[', ']']).to_ascii_lowercase());
        Self { names: own.chain(more).collect(), port }
    }

    /// What a host header asks for; nothing where it is none of the gateway's names at its port.
    pub fn read(&self, host: &str) -> Option<Asked> {
        let (name, port) = split_port(host)?;
        if port.unwrap_or(80) != self.port {
            return None;
        }
        let name = name.to_ascii_lowercase();
        if self.names.contains(&name) {
            return Some(Asked::Gateway);
        }
        // Below a name, never below an address: `x.127.0.0.1` is nobody's.
        let below = self.names.iter().filter(|own| own.parse::<IpAddr>().is_err());
        let bucket = below.filter_map(|own| name.strip_suffix(own.as_str())?.strip_suffix('.')).next()?;
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        bucket.split('.').all(is_label).then(|| Asked::Bucket(bucket.to_owned()))
    }
}

/// Name and port of a host header; brackets of an address are taken off.
fn split_port(host: &str) -> Option<(&str, Option<u16>)> {
    let digits = |text: &str| (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok());
    if let Some(rest) = host.strip_prefix('[') {
        let (name, rest) = rest.split_once(']')?;
        name.parse::<std::net::Ipv6Addr>().ok()?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((name, Some(digits(port)??))),
            None => rest.is_empty().then_some((name, None)),
        };
    }
    match host.split_once(':') {
        Some((name, port)) => Some((name, Some(digits(port)??))),
        None => Some((host, None)),
    }
}

/// How a request is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signed<'a> {
    credential: &'a str,
    headers: &'a str,
    date: &'a str,
}

/// Judges the head of a request; its bucket, where the host names one.
///
/// # Errors
/// [`Refusal`].
pub fn check(parts: &Parts, hosts: &Hosts, now: Stamp) -> Result<Asked, Refusal> {
    let asked = known(parts, hosts)?;
    if ![Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE].contains(&parts.method) {
        let why = format!("{} is not answered here", parts.method);
        return Err(Refusal::new("MethodNotAllowed", StatusCode::METHOD_NOT_ALLOWED, errors::NOT_IN_BUILD, why));
    }
    let query = query_of(parts)?;
    if is_form(parts) {
        return form(parts, &query).map(|()| asked);
    }
    match signed(&parts.headers, &query)? {
        Way::Header(value) => header_signed(parts, &value, now)?,
        Way::Query => query_signed(parts, &query, now)?,
    }
    Ok(asked)
}

/// The same without a signature: what is small enough and asks for this gateway.
///
/// # Errors
/// [`Refusal`].
pub fn known(parts: &Parts, hosts: &Hosts) -> Result<Asked, Refusal> {
    sizes(parts)?;
    host(&parts.headers, hosts)
}

/// A browser's form, whose signature stands in it, over a policy of what it may be.
pub fn is_form(parts: &Parts) -> bool {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    parts.method == Method::POST && kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data")
}

/// A form is signed in itself only, and says nothing beside.
fn form(parts: &Parts, query: &[(String, String)]) -> Result<(), Refusal> {
    let has_more = parts.headers.contains_key(header::AUTHORIZATION) || !query.is_empty();
    let own = parts.headers.keys().any(|name| name.as_str().starts_with("x-amz-"));
    if has_more || own {
        let why = "a form is signed in its fields only";
        return Err(Refusal::new("InvalidArgument", StatusCode::BAD_REQUEST, errors::BAD_VALUE, why));
    }
    let len = one(&parts.headers, "content-length").and_then(|len| len.parse::<u64>().ok()).unwrap_or_default();
    if len > FORM_BYTES_MAX + 2 * FORM_FIELDS_MAX as u64 {
        let why = format!("a form has at most {FORM_BYTES_MAX} bytes of content");
        return Err(Refusal::new("EntityTooLarge", StatusCode::BAD_REQUEST, errors::TOO_LARGE, why));
    }
    Ok(())
}

fn sizes(parts: &Parts) -> Result<(), Refusal> {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_BYTES_MAX {
        let why = format!("path and query have more than {TARGET_BYTES_MAX} bytes");
        return Err(Refusal::new("InvalidURI", StatusCode::BAD_REQUEST, errors::TOO_LARGE, why));
    }
    let bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADER_BYTES_MAX || parts.headers.len() > HEADERS_MAX {
        let why = format!("headers have more than {HEADER_BYTES_MAX} bytes, or are more than {HEADERS_MAX}");
        return Err(Refusal::new("RequestHeaderSectionTooLarge", StatusCode::BAD_REQUEST, errors::TOO_LARGE, why));
    }
    for name in ["content-length", "x-amz-decoded-content-length"] {
        let mut all = parts.headers.get_all(name).iter();
        let Some(value) = all.next() else { continue };
        let digits = value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
        let bytes = digits.and_then(|text| text.parse::<u64>().ok());
        match bytes.filter(|_| all.next().is_none()) {
            Some(bytes) if bytes > PUT_BYTES_MAX => {
                let why = format!("{bytes} bytes are more than {PUT_BYTES_MAX} in one request");
                return Err(Refusal::new("EntityTooLarge", StatusCode::BAD_REQUEST, errors::TOO_LARGE, why));
            }
            Some(_) => {}
            None => return Err(Refusal::bad(format!("{name} is not one number"))),
        }
    }
    Ok(())
}

fn host(headers: &HeaderMap, hosts: &Hosts) -> Result<Asked, Refusal> {
    let foreign = |host: &str| Refusal::denied(errors::FOREIGN_ORIGIN, format!("{host:?} is not this gateway"));
    let mut all = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (all.next(), all.next()) else { return Err(foreign("")) };
    let host = host.to_str().map_err(|_| foreign("?"))?;
    hosts.read(host).ok_or_else(|| foreign(host))
}

fn query_of(parts: &Parts) -> Result<Vec<(String, String)>, Refusal> {
    let decode = |text: &str| crate::sign::decode(&text.replace('+', " "));
    let pairs = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(key)?, decode(value)?))
    };
    let read: Option<Vec<_>> = pairs.map(pair).collect();
    read.ok_or_else(|| {
        Refusal::new("InvalidURI", StatusCode::BAD_REQUEST, errors::BAD_VALUE, "a query that is not UTF-8")
    })
}

enum Way {
    Header(String),
    Query,
}

/// (B): one way, and version 4.
fn signed(headers: &HeaderMap, query: &[(String, String)]) -> Result<Way, Refusal> {
    let has = |name: &str| query.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    let old = || Refusal::bad(format!("signatures of version 2 are not taken; sign with {ALGORITHM}"));
    let in_query = ["X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-Credential"].into_iter().any(has);
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    if has("AWSAccessKeyId") || has("Signature") {
        return Err(old());
    }
    let Some(value) = all.next() else {
        let none = || Refusal::denied(errors::NOT_ALLOWED, "nothing is answered without a signature");
        return if in_query { Ok(Way::Query) } else { Err(none()) };
    };
    if in_query || all.next().is_some() {
        let why = "a request is signed in one way only";
        return Err(Refusal::new("InvalidArgument", StatusCode::BAD_REQUEST, errors::BAD_VALUE, why));
    }
    let value = value.to_str().map_err(|_| malformed("it is not text"))?;
    if value.starts_with("AWS ") {
        return Err(old());
    }
    Ok(Way::Header(value.to_owned()))
}

fn malformed(why: impl Into<String>) -> Refusal {
    Refusal::new("AuthorizationHeaderMalformed", StatusCode::BAD_REQUEST, errors::BAD_SIGNATURE, why)
}

fn bad_query(why: impl Into<String>) -> Refusal {
    Refusal::new("AuthorizationQueryParametersError", StatusCode::BAD_REQUEST, errors::BAD_SIGNATURE, why)
}

fn header_signed(parts: &Parts, value: &str, now: Stamp) -> Result<(), Refusal> {
    let rest = value.strip_prefix(ALGORITHM).and_then(|rest| rest.strip_prefix(' '));
    let rest = rest.ok_or_else(|| malformed(format!("it begins with {ALGORITHM}")))?;
    let mut fields = [None; 3];
    for field in rest.split(',').map(str::trim) {
        let (name, value) = field.split_once('=').ok_or_else(|| malformed("a field without a value"))?;
        let at = ["Credential", "SignedHeaders", "Signature"].iter().position(|known| *known == name);
        let place = at.and_then(|at| fields.get_mut(at)).ok_or_else(|| malformed("an unknown field"))?;
        if place.replace(value).is_some() {
            return Err(malformed(format!("{name} is there twice")));
        }
    }
    let [Some(credential), Some(headers), Some(_)] = fields else { return Err(malformed("a field is missing")) };
    let date =
        one(&parts.headers, "x-amz-date").ok_or_else(|| Refusal::denied(errors::BAD_SIGNATURE, "no x-amz-date"))?;
    scope(&Signed { credential, headers, date }).map_err(malformed)?;
    covers(parts, headers)?;
    let at = time_of(date).ok_or_else(|| malformed("x-amz-date is no time"))?;
    if at.distance(now) > SKEW_MAX {
        let why = format!("the request is of {at}, here it is {now}");
        return Err(Refusal::new("RequestTimeTooSkewed", StatusCode::FORBIDDEN, errors::CLOCK_WRONG, why));
    }
    Ok(())
}

fn query_signed(parts: &Parts, query: &[(String, String)], now: Stamp) -> Result<(), Refusal> {
    let field = |name: &str| {
        let mut all = query.iter().filter(|(key, _)| key == name);
        let (first, second) = (all.next(), all.next());
        first
            .filter(|_| second.is_none())
            .map(|(_, value)| value.as_str())
            .ok_or_else(|| bad_query(format!("{name} is there once")))
    };
    if field("X-Amz-Algorithm")? != ALGORITHM {
        return Err(bad_query(format!("X-Amz-Algorithm is {ALGORITHM}")));
    }
    let (credential, headers, date) = (field("X-Amz-Credential")?, field("X-Amz-SignedHeaders")?, field("X-Amz-Date")?);
    scope(&Signed { credential, headers, date }).map_err(bad_query)?;
    covers(parts, headers)?;
    field("X-Amz-Signature")?;
    let seconds = field("X-Amz-Expires")?.parse::<u64>().ok().filter(|s| (1..=PRESIGN_MAX_S).contains(s));
    let seconds = seconds.ok_or_else(|| bad_query(format!("X-Amz-Expires is 1 to {PRESIGN_MAX_S}")))?;
    let at = time_of(date).ok_or_else(|| bad_query("X-Amz-Date is no time"))?;
    if now >= at + Span::secs(seconds) {
        return Err(Refusal::denied(errors::GRANT_EXPIRED, "Request has expired"));
    }
    if at > now + SKEW_MAX {
        return Err(Refusal::denied(errors::CLOCK_WRONG, format!("the address is of {at}, here it is {now}")));
    }
    Ok(())
}

/// (D): day, region and service of a credential.
fn scope(signed: &Signed<'_>) -> Result<(), String> {
    let mut rest = signed.credential.rsplitn(5, '/');
    let (end, service, region, day, id) = (rest.next(), rest.next(), rest.next(), rest.next(), rest.next());
    if end != Some(TERMINATOR) || service != Some(SERVICE) {
        return Err(format!("a credential ends with /{SERVICE}/{TERMINATOR}"));
    }
    if id.is_none_or(|id| id.is_empty() || id.len() > ID_MAX) {
        return Err("a credential begins with the id of a key".to_owned());
    }
    if region != Some(REGION) {
        return Err(format!("the region '{}' is wrong; expecting '{REGION}'", region.unwrap_or_default()));
    }
    if day != signed.date.get(..8) {
        return Err("the day of the credential is not that of the date".to_owned());
    }
    Ok(())
}

/// (C).
fn covers(parts: &Parts, signed: &str) -> Result<(), Refusal> {
    let names: Vec<&str> = signed.split(';').collect();
    let is_name = |name: &str| !name.is_empty() && !name.bytes().any(|b| b.is_ascii_uppercase() || b == b' ');
    if !names.iter().all(|name| is_name(name)) || names.iter().collect::<BTreeSet<_>>().len() != names.len() {
        return Err(Refusal::mismatch("signed headers are named once each, in small letters"));
    }
    if !names.contains(&"host") {
        return Err(Refusal::mismatch("the host is among the signed headers"));
    }
    if let Some(missing) = names.iter().find(|name| !parts.headers.contains_key(**name)) {
        return Err(Refusal::mismatch(format!("the signed header {missing} is not there")));
    }
    for name in parts.headers.keys().map(header::HeaderName::as_str).filter(|name| name.starts_with("x-amz-")) {
        if !names.contains(&name) {
            let why = format!("there is a header that was not signed: {name}");
            return Err(Refusal::denied(errors::BAD_SIGNATURE, why));
        }
        if parts.headers.get_all(name).iter().nth(1).is_some() {
            return Err(Refusal::bad(format!("{name} is there twice")));
        }
    }
    Ok(())
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Seconds of a day, and days from the beginning of the calendar's eras to 1970.
const DAY_S: u64 = 86_400;
const ERA_SHIFT: i64 = 719_468;

/// `20261130T094623Z`.
pub(crate) fn time_of(text: &str) -> Option<Stamp> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: Option<&str>| text.filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?.parse::<u64>().ok();
    if day.len() != 8 || time.len() != 6 {
        return None;
    }
    let (year, month, date) = (number(day.get(..4))?, number(day.get(4..6))?, number(day.get(6..))?);
    let (hour, minute, second) = (number(time.get(..2))?, number(time.get(2..4))?, number(time.get(4..))?);
    // Years begin in March, so that a leap day is the last of one.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let day_of_year = (153 * m + 2) / 5 + date.checked_sub(1)?;
    let days = y * 365 + y / 4 - y / 100 + y / 400 + day_of_year;
    let days = i64::try_from(days).ok()? - ERA_SHIFT;
    let is_day =
        civil_from_days(days) == (i64::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(date).ok()?);
    let seconds = u64::try_from(days).ok()? * DAY_S + hour * 3_600 + minute * 60 + second;
    (is_day && hour < 24 && minute < 60 && second < 60).then_some(Stamp(seconds * 1_000))
}

#[cfg(test)]
mod tests;
