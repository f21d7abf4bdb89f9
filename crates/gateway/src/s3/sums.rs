//! MD5 and checksums: what content is held against when it comes, what is given back with it, and how those of parts become one.

use super::error::{bad, no};
use client::{Checksum, ChecksumKind, Etag};
use crc_fast::CrcAlgorithm;
use data_encoding::{BASE64, HEXLOWER};
use model::errors;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::ETag;
use s3s::{S3ErrorCode, S3Result};

/// One checksum under way.
enum Running {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64Nvme(Crc64Nvme),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Running {
    fn new(kind: ChecksumKind) -> Self {
        match kind {
            ChecksumKind::Crc32 => Self::Crc32(Crc32::new()),
            ChecksumKind::Crc32c => Self::Crc32c(Crc32c::new()),
            ChecksumKind::Crc64Nvme => Self::Crc64Nvme(Crc64Nvme::new()),
            ChecksumKind::Sha1 => Self::Sha1(Sha1::new()),
            ChecksumKind::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(sum) => sum.update(bytes),
            Self::Crc32c(sum) => sum.update(bytes),
            Self::Crc64Nvme(sum) => sum.update(bytes),
            Self::Sha1(sum) => sum.update(bytes),
            Self::Sha256(sum) => sum.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc32(sum) => sum.finalize().to_vec(),
            Self::Crc32c(sum) => sum.finalize().to_vec(),
            Self::Crc64Nvme(sum) => sum.finalize().to_vec(),
            Self::Sha1(sum) => sum.finalize().as_ref().to_vec(),
            Self::Sha256(sum) => sum.finalize().as_ref().to_vec(),
        }
    }
}

/// Sums of content under way.
pub(crate) struct Summing {
    md5: Md5,
    sum: Option<Running>,
    len: u64,
}

/// Sums of content.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    pub md5: [u8; 16],
    pub sum: Option<Vec<u8>>,
    pub len: u64,
}

impl Summing {
    pub fn new(kind: Option<ChecksumKind>) -> Self {
        Self { md5: Md5::new(), sum: kind.map(Running::new), len: 0 }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(sum) = &mut self.sum {
            sum.update(bytes);
        }
        self.len += bytes.len() as u64;
    }

    pub fn finish(self) -> Sums {
        let md5 = self.md5.finalize().as_ref().try_into().expect("an MD5 has 16 bytes");
        Sums { md5, sum: self.sum.map(Running::finish), len: self.len }
    }
}

/// One checksum of some bytes.
pub(crate) fn sum_of(kind: ChecksumKind, bytes: &[u8]) -> Vec<u8> {
    let mut running = Running::new(kind);
    running.update(bytes);
    running.finish()
}

/// MD5 of some bytes.
pub(crate) fn md5_of(bytes: &[u8]) -> [u8; 16] {
    Md5::checksum(bytes).as_ref().try_into().expect("an MD5 has 16 bytes")
}

/// The kind a header or an element names.
pub(crate) fn kind_named(name: &str) -> Option<ChecksumKind> {
    ChecksumKind::ALL.into_iter().find(|kind| word(*kind).eq_ignore_ascii_case(name))
}

/// As S3 names it.
pub(crate) const fn word(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::Crc32 => "CRC32",
        ChecksumKind::Crc32c => "CRC32C",
        ChecksumKind::Crc64Nvme => "CRC64NVME",
        ChecksumKind::Sha1 => "SHA1",
        ChecksumKind::Sha256 => "SHA256",
    }
}

/// The kinds of which parts' checksums become one of the whole.
pub(crate) const fn joins(kind: ChecksumKind) -> bool {
    matches!(kind, ChecksumKind::Crc32 | ChecksumKind::Crc32c | ChecksumKind::Crc64Nvme)
}

/// The checksum of two contents, one after another, from theirs.
fn join(kind: ChecksumKind, before: &[u8], behind: &[u8], len: u64) -> Option<Vec<u8>> {
    let algorithm = match kind {
        ChecksumKind::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
        ChecksumKind::Crc32c => CrcAlgorithm::Crc32Iscsi,
        ChecksumKind::Crc64Nvme => CrcAlgorithm::Crc64Nvme,
        ChecksumKind::Sha1 | ChecksumKind::Sha256 => return None,
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let joined = crc_fast::checksum_combine(algorithm, number(before), number(behind), len);
    Some(joined.to_be_bytes()[8 - kind.width()..].to_vec())
}

/// The checksum of an object from those of its parts, of the whole or of the parts' own; none where a part has none.
pub(crate) fn of_parts(kind: ChecksumKind, is_whole: bool, parts: &[(Vec<u8>, u64)]) -> Option<Checksum> {
    if is_whole {
        let (first, rest) = parts.split_first()?;
        let all = rest.iter().try_fold(first.0.clone(), |all, (sum, len)| join(kind, &all, sum, *len));
        return Some(Checksum { kind, parts: 0, bytes: all? });
    }
    let all: Vec<u8> = parts.iter().flat_map(|(sum, _)| sum.iter().copied()).collect();
    Some(Checksum { kind, parts: u16::try_from(parts.len()).ok()?, bytes: sum_of(kind, &all) })
}

/// The tag of an object from the MD5s of its parts.
pub(crate) fn etag_of_parts(parts: &[[u8; 16]]) -> Etag {
    Etag { md5: md5_of(&parts.concat()), parts: u16::try_from(parts.len()).unwrap_or(u16::MAX) }
}

/// A tag as S3 writes it.
pub(crate) fn etag(etag: Etag) -> ETag {
    let hex = HEXLOWER.encode(&etag.md5);
    ETag::Strong(if etag.parts == 0 { hex } else { format!("{hex}-{}", etag.parts) })
}

/// A checksum as S3 writes it.
pub(crate) fn shown(sum: &Checksum) -> String {
    let text = BASE64.encode(&sum.bytes);
    if sum.parts == 0 { text } else { format!("{text}-{}", sum.parts) }
}

/// A checksum as a client gives it.
pub(crate) fn given(kind: ChecksumKind, text: &str) -> S3Result<Vec<u8>> {
    let bytes = BASE64.decode(text.as_bytes()).ok().filter(|bytes| bytes.len() == kind.width());
    bytes.ok_or_else(|| {
        let why = format!("a value of x-amz-checksum-{} is no checksum", word(kind).to_ascii_lowercase());
        no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, why)
    })
}

/// A `Content-MD5` as a client gives it.
pub(crate) fn given_md5(text: &str) -> S3Result<[u8; 16]> {
    let bytes = BASE64.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| no(S3ErrorCode::InvalidDigest, errors::BAD_VALUE, "Content-MD5 is no MD5"))
}

/// The kind that a client's word asks for.
pub(crate) fn asked(word: &str) -> S3Result<ChecksumKind> {
    kind_named(word).ok_or_else(|| bad(format!("no checksum is called {word:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_and_sums_are_those_that_tools_know() {
        assert_eq!(etag(Etag { md5: md5_of(b""), parts: 0 }), ETag::Strong("d41d8cd98f00b204e9800998ecf8427e".into()));
        let two = etag_of_parts(&[md5_of(b"a"), md5_of(b"b")]);
        assert_eq!(etag(two), ETag::Strong("96e024ba2074fe77e8e965ba43a704be-2".into()));
        let known = [
            (ChecksumKind::Crc32, "y/Q5Jg=="),
            (ChecksumKind::Crc32c, "4waSgw=="),
            (ChecksumKind::Crc64Nvme, "rosUhgp5mIg="),
            (ChecksumKind::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
        ];
        for (kind, sum) in known {
            assert_eq!(BASE64.encode(&sum_of(kind, b"123456789")), sum, "{kind:?}");
        }
    }

    proptest! {
        #[test]
        fn sums_of_parts_are_those_of_the_whole(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..6)) {
            let whole = parts.concat();
            for kind in ChecksumKind::ALL {
                let sums: Vec<_> = parts.iter().map(|part| (sum_of(kind, part), part.len() as u64)).collect();
                let joined = of_parts(kind, true, &sums);
                if joins(kind) {
                    prop_assert_eq!(joined.map(|sum| sum.bytes), Some(sum_of(kind, &whole)));
                } else {
                    prop_assert!(joined.is_none() || parts.len() == 1);
                }
            }
        }
    }
}
