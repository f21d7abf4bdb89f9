//! What a request tells of an object, and what an answer gives back: metadata, headers, tags, checksums, conditions.

use super::error::{bad, no, not_done};
use super::intake::Checks;
use super::sums::{self, given, given_md5};
use crate::limits::{METADATA_BYTES_MAX, TAG_KEY_MAX, TAG_VALUE_MAX, TAGS_MAX};
use crate::wall::Refusal;
use client::{Checksum, ChecksumKind, Entry, Etag, Fact, Facts, ServedHeader, Shown};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hyper::header::{ETAG, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use model::{Stamp, errors};
use s3s::dto::{ChecksumType, ETag, ETagCondition, Map, Timestamp, TimestampFormat};
use s3s::{S3ErrorCode, S3Result, TrailingHeaders};
use std::time::{Duration, UNIX_EPOCH};

/// Headers with which a request names a checksum begin so.
const CHECKSUM_HEADER: &str = "x-amz-checksum-";
/// Of these, those that name none.
const NO_CHECKSUM: [&str; 3] = ["x-amz-checksum-mode", "x-amz-checksum-type", "x-amz-checksum-algorithm"];
/// How content is framed on its way, which is none of its own encodings.
const FRAMING: &str = "aws-chunked";

/// A time as S3 tells it.
pub(crate) fn time(at: Stamp) -> Timestamp {
    Timestamp::from(UNIX_EPOCH + Duration::from_millis(at.as_ms()))
}

/// The same to the second, as headers tell it.
pub(crate) fn second(at: Stamp) -> Timestamp {
    time(Stamp(at.as_ms() / 1_000 * 1_000))
}

/// A time of S3's as a stamp, to the second; none before 1970.
pub(crate) fn stamp(at: &Timestamp) -> Option<Stamp> {
    let mut text = Vec::new();
    at.format(TimestampFormat::EpochSeconds, &mut text).ok()?;
    let text = String::from_utf8(text).ok()?;
    let seconds: u64 = text.split('.').next()?.parse().ok()?;
    seconds.checked_mul(1_000).map(Stamp)
}

/// A version's id as S3 tells it.
pub(crate) fn version(id: [u8; 16]) -> String {
    HEXLOWER.encode(&id)
}

/// The version, or the upload, that an id names.
pub(crate) fn id_of(text: &str) -> Option<[u8; 16]> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// The version a request asks for.
pub(crate) fn wanted(text: Option<&str>) -> S3Result<Option<[u8; 16]>> {
    let unknown = |text: &str| match text {
        "null" => no(S3ErrorCode::NoSuchVersion, errors::OBJECT_UNKNOWN, "all versions here have ids"),
        _ => bad("Invalid version id specified"),
    };
    text.filter(|text| !text.is_empty()).map(|text| id_of(text).ok_or_else(|| unknown(text))).transpose()
}

/// The tag of an object, also of one whose MD5 nobody made: then one that no tool takes for an MD5.
pub(crate) fn etag(entry: &Entry) -> ETag {
    match (entry.etag, entry.is_in_parts()) {
        (Some(etag), _) => sums::etag(etag),
        (None, false) => ETag::Strong(format!("{}-1", HEXLOWER.encode(&entry.hash[..16]))),
        (None, true) => ETag::Strong(format!("{}-1", HEXLOWER.encode(&entry.version))),
    }
}

/// A member's own pairs, in order.
pub(crate) fn pairs(metadata: Option<Map<String, String>>) -> S3Result<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = metadata.unwrap_or_default().into_iter().collect();
    pairs.sort();
    let bytes: usize = pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > METADATA_BYTES_MAX || pairs.iter().any(|(key, _)| key.len() > usize::from(u8::MAX)) {
        let why = format!("{bytes} bytes of metadata; {METADATA_BYTES_MAX} are the most");
        return Err(no(S3ErrorCode::MetadataTooLarge, errors::TOO_LARGE, why));
    }
    Ok(pairs)
}

/// Headers with which an object shall be served, from a request.
pub(crate) struct Served {
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub expires: Option<Timestamp>,
}

impl Served {
    /// As facts.
    pub fn facts(self) -> Vec<Fact> {
        let encoding = self.content_encoding.map(|encoding| {
            let own = encoding.split(',').map(str::trim).filter(|word| !word.eq_ignore_ascii_case(FRAMING));
            own.collect::<Vec<_>>().join(",")
        });
        let expires = self.expires.and_then(|at| {
            let mut text = Vec::new();
            at.format(TimestampFormat::HttpDate, &mut text).ok()?;
            String::from_utf8(text).ok()
        });
        let all = [
            (ServedHeader::CacheControl, self.cache_control),
            (ServedHeader::ContentDisposition, self.content_disposition),
            (ServedHeader::ContentEncoding, encoding),
            (ServedHeader::ContentLanguage, self.content_language),
            (ServedHeader::Expires, expires),
        ];
        let told = all.into_iter().filter_map(|(header, value)| Some((header, value.filter(|v| !v.is_empty())?)));
        told.map(|(header, value)| Fact::Header(header, value)).collect()
    }
}

/// A header with which an object is served.
pub(crate) fn served(facts: &Facts, header: ServedHeader) -> Option<String> {
    facts.header(header).map(str::to_owned)
}

/// When an object goes stale, where that was said.
pub(crate) fn expires(facts: &Facts) -> Option<Timestamp> {
    Timestamp::parse(TimestampFormat::HttpDate, facts.header(ServedHeader::Expires)?).ok()
}

/// Tags of a header: `key=value&…`.
pub(crate) fn tags_of_header(text: Option<&str>) -> S3Result<Vec<(String, String)>> {
    let decode = |text: &str| crate::sign::decode(&text.replace('+', " "));
    let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(key)?, decode(value)?))
    };
    let tags: Option<Vec<_>> = pairs.map(pair).collect();
    tags_checked(tags.ok_or_else(|| bad("tags are written as key=value&key=value"))?)
}

/// Tags that may be kept.
pub(crate) fn tags_checked(tags: Vec<(String, String)>) -> S3Result<Vec<(String, String)>> {
    tags_of(tags, TAGS_MAX)
}

/// The same for so many.
pub(crate) fn tags_of(tags: Vec<(String, String)>, most: usize) -> S3Result<Vec<(String, String)>> {
    let wrong = |why: &str| Err(no(S3ErrorCode::InvalidTag, errors::BAD_VALUE, why));
    if tags.len() > most {
        return Err(no(S3ErrorCode::InvalidTag, errors::TOO_LARGE, format!("there are at most {most} tags")));
    }
    if tags.iter().enumerate().any(|(at, (key, _))| tags[..at].iter().any(|(before, _)| before == key)) {
        return wrong("a tag's key is there twice");
    }
    let fits = |text: &str, max: usize| text.chars().count() <= max;
    if tags.iter().any(|(key, value)| key.is_empty() || !fits(key, TAG_KEY_MAX) || !fits(value, TAG_VALUE_MAX)) {
        return wrong("a tag has a key of 1 to 128 characters and a value of at most 256");
    }
    Ok(tags)
}

/// Checksums of a request's own fields.
pub(crate) struct Announced {
    pub md5: Option<String>,
    pub crc32: Option<String>,
    pub crc32c: Option<String>,
    pub crc64nvme: Option<String>,
    pub sha1: Option<String>,
    pub sha256: Option<String>,
    /// The word of `x-amz-sdk-checksum-algorithm`.
    pub algorithm: Option<String>,
    pub len: Option<i64>,
}

impl Announced {
    /// The one value that is announced, as it was written.
    pub fn text(&self) -> Option<&str> {
        let all = [&self.crc32, &self.crc32c, &self.crc64nvme, &self.sha1, &self.sha256];
        all.into_iter().find_map(|text| text.as_deref())
    }

    /// The one checksum that is announced with its value.
    pub fn sum(&self) -> S3Result<Option<(ChecksumKind, Vec<u8>)>> {
        let all = [
            (ChecksumKind::Crc32, &self.crc32),
            (ChecksumKind::Crc32c, &self.crc32c),
            (ChecksumKind::Crc64Nvme, &self.crc64nvme),
            (ChecksumKind::Sha1, &self.sha1),
            (ChecksumKind::Sha256, &self.sha256),
        ];
        let mut named = all.into_iter().filter_map(|(kind, text)| Some((kind, text.as_deref()?)));
        match (named.next(), named.next()) {
            (None, _) => Ok(None),
            (Some((kind, text)), None) => Ok(Some((kind, given(kind, text)?))),
            _ => Err(no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, "expecting a single x-amz-checksum- header")),
        }
    }

    /// What the body is held against. `wants`: the checksum that its upload asked for.
    pub fn checks(
        self,
        headers: &HeaderMap,
        behind: Option<TrailingHeaders>,
        wants: Option<ChecksumKind>,
    ) -> S3Result<Checks> {
        let sum = self.sum()?;
        known(headers)?;
        let trailer = trailer(headers)?;
        let word = self.algorithm.as_deref().map(sums::asked).transpose()?;
        let named = sum.as_ref().map(|(kind, _)| *kind).or(trailer.as_ref().map(|(kind, _)| *kind)).or(word);
        if let (Some(named), Some(wants)) = (named, wants)
            && named != wants
        {
            let why =
                format!("the upload has checksums of {}, this is one of {}", sums::word(wants), sums::word(named));
            return Err(no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, why));
        }
        Ok(Checks {
            md5: self.md5.as_deref().map(given_md5).transpose()?,
            kind: named.or(wants),
            sum: sum.map(|(_, sum)| sum),
            trailer: trailer.map(|(_, name)| (name, behind)),
            len: self.len.and_then(|len| u64::try_from(len).ok()),
        })
    }
}

/// Refuses checksums that are not known here.
fn known(headers: &HeaderMap) -> S3Result<()> {
    for name in headers.keys().map(|name| name.as_str()).filter(|name| !NO_CHECKSUM.contains(name)) {
        if let Some(kind) = name.strip_prefix(CHECKSUM_HEADER)
            && sums::kind_named(kind).is_none()
        {
            return Err(no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, format!("no checksum is called {kind}")));
        }
    }
    Ok(())
}

/// The checksum that a request announces behind its body.
fn trailer(headers: &HeaderMap) -> S3Result<Option<(ChecksumKind, String)>> {
    let Some(names) = headers.get("x-amz-trailer").and_then(|value| value.to_str().ok()) else { return Ok(None) };
    let name = names.trim().to_ascii_lowercase();
    let kind = name.strip_prefix(CHECKSUM_HEADER).and_then(sums::kind_named);
    let why = || no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, format!("{name} cannot come behind a body"));
    kind.map(|kind| Some((kind, name.clone()))).ok_or_else(why)
}

/// Checksums of an object as the fields of an answer.
#[derive(Default)]
pub(crate) struct Given {
    pub crc32: Option<String>,
    pub crc32c: Option<String>,
    pub crc64nvme: Option<String>,
    pub sha1: Option<String>,
    pub sha256: Option<String>,
    pub kind: Option<ChecksumType>,
}

impl Given {
    /// Of these checksums; those that are only wanted are not told.
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Checksum>) -> Self {
        let mut given = Self::default();
        for sum in all.into_iter().filter(|sum| !sum.bytes.is_empty()) {
            let field = match sum.kind {
                ChecksumKind::Crc32 => &mut given.crc32,
                ChecksumKind::Crc32c => &mut given.crc32c,
                ChecksumKind::Crc64Nvme => &mut given.crc64nvme,
                ChecksumKind::Sha1 => &mut given.sha1,
                ChecksumKind::Sha256 => &mut given.sha256,
            };
            *field = Some(sums::shown(sum));
            given.kind = Some(type_of(sum.parts == 0));
        }
        given
    }
}

/// As S3 names it.
pub(crate) fn type_of(is_whole: bool) -> ChecksumType {
    ChecksumType::from_static(if is_whole { ChecksumType::FULL_OBJECT } else { ChecksumType::COMPOSITE })
}

/// Conditions of a request that reads.
pub(crate) struct Conditions {
    pub matches: Option<ETagCondition>,
    pub matches_not: Option<ETagCondition>,
    pub since: Option<Timestamp>,
    pub not_since: Option<Timestamp>,
}

/// What conditions say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Met {
    Yes,
    NotModified,
    Failed,
}

impl Conditions {
    /// In the order of RFC 9110: tags count before times.
    pub fn met(&self, entry: &Entry) -> Met {
        let (own, changed) = (etag(entry), second(entry.at));
        let is = |condition: &ETagCondition| {
            condition.is_any() || condition.as_etag().is_some_and(|etag| etag.weak_cmp(&own))
        };
        match (&self.matches, &self.not_since) {
            (Some(condition), _) if !is(condition) => return Met::Failed,
            (None, Some(at)) if changed > *at => return Met::Failed,
            _ => {}
        }
        match (&self.matches_not, &self.since) {
            (Some(condition), _) if is(condition) => Met::NotModified,
            (None, Some(at)) if changed <= *at => Met::NotModified,
            _ => Met::Yes,
        }
    }

    /// The same for a request that reads.
    pub fn check(&self, entry: &Entry) -> S3Result<()> {
        match self.met(entry) {
            Met::Yes => Ok(()),
            Met::Failed => Err(failed()),
            Met::NotModified => {
                let mut error = no(S3ErrorCode::NotModified, errors::PRECONDITION, "not modified");
                let value = format!("\"{}\"", etag(entry).value());
                if let Ok(value) = HeaderValue::from_str(&value) {
                    error.set_headers(HeaderMap::from_iter([(ETAG, value)]));
                }
                Err(error)
            }
        }
    }
}

/// A condition that does not hold.
pub(crate) fn failed() -> s3s::S3Error {
    no(S3ErrorCode::PreconditionFailed, errors::PRECONDITION, "at least one of the conditions does not hold")
}

/// Refuses what this store does not do with an object: it is private and sealed, and not locked.
pub(crate) struct Extras<'a> {
    pub acl: Option<&'a str>,
    pub storage_class: Option<&'a str>,
    pub others: &'a [(&'static str, bool)],
}

impl Extras<'_> {
    /// # Errors
    /// `NotImplemented`, `InvalidStorageClass`.
    pub fn check(&self) -> S3Result<()> {
        if self.acl.is_some_and(|acl| !["private", "bucket-owner-full-control"].contains(&acl)) {
            return Err(not_done("everything is private to its owner; share a link instead"));
        }
        if self.storage_class.is_some_and(|class| class != "STANDARD") {
            let why = "the class is the bucket's own; objects have STANDARD";
            return Err(no(S3ErrorCode::InvalidStorageClass, errors::BAD_VALUE, why));
        }
        match self.others.iter().find(|(_, is_there)| *is_there) {
            Some((what, _)) => Err(not_done(what)),
            None => Ok(()),
        }
    }
}

/// The tag of an object that a request must match before it changes it.
pub(crate) fn matches(condition: &ETagCondition, shown: &Shown) -> bool {
    condition.is_any() || condition.as_etag().is_some_and(|wanted| wanted.weak_cmp(&etag(&shown.entry)))
}

/// The MD5 that a client's tag names.
pub(crate) fn md5_of_tag(tag: &ETag) -> Option<Etag> {
    id_of(tag.value()).map(|md5| Etag { md5, parts: 0 })
}

/// Holds a body that was read whole against what its head announces of it.
///
/// # Errors
/// `BadDigest`, `InvalidDigest`, `InvalidRequest`.
pub(crate) fn check_small(headers: &HeaderMap, is_complete: bool, body: &[u8]) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bad = |code: &'static str, why: &str| Refusal::new(code, StatusCode::BAD_REQUEST, errors::BAD_VALUE, why);
    let announced = text("content-md5").map(|md5| given_md5(md5).map(|md5| md5 == sums::md5_of(body)));
    match announced {
        Some(Err(_)) => return Err(bad("InvalidDigest", "Content-MD5 is no MD5")),
        Some(Ok(false)) => return Err(bad("BadDigest", "the body has another MD5 than was announced")),
        _ => {}
    }
    for kind in ChecksumKind::ALL {
        let name = format!("{CHECKSUM_HEADER}{}", sums::word(kind).to_ascii_lowercase());
        // Of an upload that is completed they are the object's, not the body's.
        let Some(sum) = text(&name).filter(|_| !is_complete) else { continue };
        match given(kind, sum) {
            Ok(sum) if sum != sums::sum_of(kind, body) => {
                return Err(bad("BadDigest", "the body has another checksum than was announced"));
            }
            Ok(_) => {}
            Err(_) => return Err(bad("InvalidRequest", "a checksum that is none")),
        }
    }
    Ok(())
}
