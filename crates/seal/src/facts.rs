//! What foreign protocols tell of an object beside its name, size and type: the tag by which they know a content, checksums, headers
//! of how it is served, and tags. All of it is sealed in the manifest; the center sees none of it.
//!
//! Plain, little-endian, one fact after another: kind u8 · length u16 · bytes. Kind 1: MD5 16 · parts u16, 0 where it came whole.
//! Kind 2: algorithm u8 · parts u16, 0 where it is of the whole content · bytes, none where it is only wanted. Kind 3: header u8 ·
//! value. Kind 4: key u16 + bytes · value. Kind 5: a property of WebDAV, in
//! the words of the gateway (`dav/properties.rs`). Kind 6: an attribute of a mounted file (`mount/told.rs`). A kind that is not known here is kept as it is.

use crate::SealError;

/// All facts of an object together, in bytes.
pub const FACTS_MAX: usize = 4 << 10;

/// MD5 of a content, as S3 tells contents apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Etag {
    /// Of the content; of the parts' own where it came in parts.
    pub md5: [u8; 16],
    /// How many parts; 0 where it came whole.
    pub parts: u16,
}

/// How a checksum is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ChecksumKind {
    /// CRC-32.
    Crc32 = 1,
    /// CRC-32C.
    Crc32c = 2,
    /// CRC-64/NVME.
    Crc64Nvme = 3,
    /// SHA-1.
    Sha1 = 4,
    /// SHA-256.
    Sha256 = 5,
}

impl ChecksumKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Bytes of one.
    pub const fn width(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// A checksum that whoever stored the content asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// How it is made.
    pub kind: ChecksumKind,
    /// Of the checksums of so many parts; 0 where it is of the whole content.
    pub parts: u16,
    /// The checksum; empty where it is only wanted, of an upload that is open.
    pub bytes: Vec<u8>,
}

/// A header with which an object is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ServedHeader {
    /// `Cache-Control`.
    CacheControl = 1,
    /// `Content-Disposition`.
    ContentDisposition = 2,
    /// `Content-Encoding`.
    ContentEncoding = 3,
    /// `Content-Language`.
    ContentLanguage = 4,
    /// `Expires`, as it was given.
    Expires = 5,
}

impl ServedHeader {
    const ALL: [Self; 5] =
        [Self::CacheControl, Self::ContentDisposition, Self::ContentEncoding, Self::ContentLanguage, Self::Expires];

    fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|header| *header as u8 == number)
    }
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The content's tag.
    Etag(Etag),
    /// A checksum of the content.
    Checksum(Checksum),
    /// A header and its value.
    Header(ServedHeader, String),
    /// A tag: key and value.
    Tag(String, String),
    /// Of a kind that is not known here.
    Other(u8, Vec<u8>),
}

/// What is known of an object beside its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(pub Vec<Fact>);

impl Facts {
    /// The content's tag, where whoever stored it made one.
    pub fn etag(&self) -> Option<Etag> {
        self.0.iter().find_map(|fact| match fact {
            Fact::Etag(etag) => Some(*etag),
            _ => None,
        })
    }

    /// Checksums, in the order given.
    pub fn checksums(&self) -> impl Iterator<Item = &Checksum> {
        self.0.iter().filter_map(|fact| match fact {
            Fact::Checksum(checksum) => Some(checksum),
            _ => None,
        })
    }

    /// The value of a header.
    pub fn header(&self, wanted: ServedHeader) -> Option<&str> {
        self.0.iter().find_map(|fact| match fact {
            Fact::Header(header, value) if *header == wanted => Some(value.as_str()),
            _ => None,
        })
    }

    /// Tags, in the order given.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|fact| match fact {
            Fact::Tag(key, value) => Some((key.as_str(), value.as_str())),
            _ => None,
        })
    }

    /// The same with other tags.
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = (String, String)>) -> Self {
        self.0.retain(|fact| !matches!(fact, Fact::Tag(..)));
        self.0.extend(tags.into_iter().map(|(key, value)| Fact::Tag(key, value)));
        self
    }

    /// Bytes in a manifest.
    pub fn len(&self) -> usize {
        self.0.iter().map(|fact| 3 + fact.parts().1.len()).sum()
    }

    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::with_capacity(self.len());
        for fact in &self.0 {
            let (kind, bytes) = fact.parts();
            out.push(kind);
            out.extend_from_slice(&u16::try_from(bytes.len()).map_err(|_| SealError::TooLong)?.to_le_bytes());
            out.extend_from_slice(&bytes);
        }
        if out.len() > FACTS_MAX { Err(SealError::TooLong) } else { Ok(out) }
    }

    pub(crate) fn parse(mut rest: &[u8]) -> Result<Self, SealError> {
        let mut all = Vec::new();
        while let Some((head, tail)) = rest.split_first_chunk::<3>() {
            let len = usize::from(u16::from_le_bytes([head[1], head[2]]));
            let (bytes, tail) = tail.split_at_checked(len).ok_or(SealError::Header)?;
            all.push(Fact::parse(head[0], bytes).ok_or(SealError::Header)?);
            rest = tail;
        }
        if rest.is_empty() { Ok(Self(all)) } else { Err(SealError::Header) }
    }
}

impl Fact {
    fn parts(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Etag(etag) => (1, [&etag.md5[..], &etag.parts.to_le_bytes()].concat()),
            Self::Checksum(sum) => (2, [&[sum.kind as u8][..], &sum.parts.to_le_bytes(), &sum.bytes].concat()),
            Self::Header(header, value) => (3, [&[*header as u8], value.as_bytes()].concat()),
            Self::Tag(key, value) => {
                // A longer key makes the fact longer than its length can say, and is refused there.
                let len = u16::try_from(key.len()).unwrap_or(u16::MAX);
                (4, [&len.to_le_bytes()[..], key.as_bytes(), value.as_bytes()].concat())
            }
            Self::Other(kind, bytes) => (*kind, bytes.clone()),
        }
    }

    fn parse(kind: u8, bytes: &[u8]) -> Option<Self> {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).ok();
        match kind {
            1 => {
                let (md5, parts) = bytes.split_first_chunk::<16>()?;
                Some(Self::Etag(Etag { md5: *md5, parts: u16::from_le_bytes(parts.try_into().ok()?) }))
            }
            2 => {
                let (head, sum) = bytes.split_first_chunk::<3>()?;
                let Some(kind) = ChecksumKind::of(head[0]) else { return Some(Self::Other(2, bytes.to_vec())) };
                let parts = u16::from_le_bytes([head[1], head[2]]);
                let is_sound = sum.is_empty() || sum.len() == kind.width();
                is_sound.then(|| Self::Checksum(Checksum { kind, parts, bytes: sum.to_vec() }))
            }
            3 => {
                let (header, value) = bytes.split_first()?;
                match ServedHeader::of(*header) {
                    Some(header) => Some(Self::Header(header, text(value)?)),
                    None => Some(Self::Other(3, bytes.to_vec())),
                }
            }
            4 => {
                let (len, rest) = bytes.split_first_chunk::<2>()?;
                let (key, value) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
                Some(Self::Tag(text(key)?, text(value)?))
            }
            _ => Some(Self::Other(kind, bytes.to_vec())),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn sample() -> Facts {
        Facts(vec![
            Fact::Etag(Etag { md5: [7; 16], parts: 3 }),
            Fact::Checksum(Checksum { kind: ChecksumKind::Crc32c, parts: 0, bytes: vec![1, 2, 3, 4] }),
            Fact::Checksum(Checksum { kind: ChecksumKind::Sha256, parts: 2, bytes: Vec::new() }),
            Fact::Header(ServedHeader::CacheControl, "no-store".into()),
            Fact::Tag("年".into(), "2026".into()),
            Fact::Other(200, vec![9]),
        ])
    }

    #[test]
    fn facts_read_back_and_what_is_not_known_is_kept() {
        let facts = sample();
        let bytes = facts.to_bytes().unwrap();
        assert_eq!((Facts::parse(&bytes).as_ref(), bytes.len()), (Ok(&facts), facts.len()));
        assert_eq!(facts.etag().map(|etag| etag.parts), Some(3));
        assert_eq!(facts.header(ServedHeader::CacheControl), Some("no-store"));
        let other = facts.with_tags([("a".to_owned(), String::new())]);
        assert_eq!(other.tags().collect::<Vec<_>>(), [("a", "")]);
        assert!(other.0.contains(&Fact::Other(200, vec![9])));
    }

    #[test]
    fn too_many_facts_and_half_a_fact_are_refused() {
        let long = Facts(vec![Fact::Tag("k".into(), "v".repeat(FACTS_MAX))]);
        assert_eq!(long.to_bytes(), Err(SealError::TooLong));
        let bytes = sample().to_bytes().unwrap();
        assert_eq!(Facts::parse(&bytes[..bytes.len() - 1]), Err(SealError::Header));
        assert_eq!(Facts::parse(&[2, 4, 0, 1, 0, 0, 5]), Err(SealError::Header), "half a checksum");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_what_reads_is_written_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(facts) = Facts::parse(&bytes) {
                prop_assert_eq!(facts.to_bytes().unwrap(), bytes);
            }
        }
    }
}
