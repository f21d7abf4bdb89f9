//! The sealed manifest of one version: name, true size, time, type and the keys of its content (`docs/design/security.md` §4.4).
//!
//! Plain, little-endian, before sealing (role 3): format 1 · kind u8 (1 run, 2 inline, 3 parts) · reserved 2 · size u64 ·
//! changed at ms u64 · BLAKE3 of the content 32, zeros where it came in parts · BLAKE3 of the segment ids in order 32, or of
//! the parts' own such hashes · kinds 1 and 3: offset of the run in the segments u64, or number of parts; content header 96,
//! or that of the list of parts; wrapped key 80 ·
//! content type u16 + bytes · name u16 + bytes · pairs u16, each key u8 + bytes, value u16 + bytes · kind 2: content u32 +
//! bytes; kind 3: list of parts u32 + bytes, none where it is sealed in the first segment ([`crate::parts`]) · format 2 only:
//! facts u16 + bytes ([`crate::facts`]) · zeros to a multiple of 256. Format 2 is written where there are facts. In front of the
//! sealed run stand its header, 96 bytes, and its wrapped key, 80.
//!
//! (A) Nothing reads that was not sealed under the keys of this object's path, for this bucket. (B) Bytes that are no manifest are
//! refused without a panic, whatever they are. (C) The length tells the name's to 256 bytes.

use crate::facts::{FACTS_MAX, Facts};
use crate::parts::{self, PARTS_INLINE, PARTS_MAX, Part};
use crate::{BucketKeys, ContentKey, Header, Purpose, Role, SealError, Wrapped, open_run, seal_run};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Content of at most this length travels inside its manifest.
pub const INLINE_MAX: usize = 4 << 10;
/// Longest content type in bytes.
pub const TYPE_MAX: usize = 255;
/// Keys and values of a member's own pairs together, in bytes.
pub const PAIRS_MAX: usize = 2 << 10;
/// A manifest is padded to a multiple of this.
const PAD: usize = 256;
const FORMAT: u8 = 1;
/// The same with facts.
const FORMAT_FACTS: u8 = 2;
/// Longest sealed manifest in bytes.
pub const SEALED_MAX: usize = 8 << 10;
/// What stands around name, type, pairs, facts, and the content or the list of parts, at most: the sealed run's header, key and
/// tag, fixed fields with a run's, lengths, and padding.
const AROUND: usize = Header::LEN + Wrapped::LEN + 16 + 84 + 8 + Header::LEN + Wrapped::LEN + 16 + PAD;

/// Whether `body` bytes of content, or of a list of parts, fit a manifest beside `texts` bytes of name, type, pairs and facts.
pub const fn inline_fits(texts: usize, body: usize) -> bool {
    body <= INLINE_MAX && AROUND + texts + body <= SEALED_MAX
}

/// Where the content is.
#[derive(Clone)]
pub enum Body {
    /// Sealed as one run, coded into segments.
    Run {
        /// The run's header.
        header: Header,
        /// The run's key.
        key: ContentKey,
        /// BLAKE3 of the ids of its segments, in order.
        segments: [u8; 32],
        /// Where the sealed run begins in them: 0 unless it lies in a pack with others.
        offset: u64,
    },
    /// Here.
    Inline(Inline),
    /// Sealed as many runs under one key, one after another.
    Parts {
        /// Header of the list's own run; its content id is that of all parts.
        header: Header,
        /// The key of all of them.
        key: ContentKey,
        /// [`segments_hash`] of the parts' own.
        segments: [u8; 32],
        /// How many.
        count: u32,
        /// The list; none where it is sealed in the first segment.
        list: Option<Vec<Part>>,
    },
}

/// Content inside a manifest.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Inline(pub Vec<u8>);

/// What a version is.
#[derive(Clone)]
pub struct Manifest {
    /// Plain name.
    pub name: String,
    /// Content bytes.
    pub size: u64,
    /// When the content was last changed, ms since 1970; 0 when unknown.
    pub changed_ms: u64,
    /// BLAKE3 of the content.
    pub hash: [u8; 32],
    /// Media type; empty when unknown.
    pub content_type: String,
    /// Pairs of the member's own, in the order given.
    pub pairs: Vec<(String, String)>,
    /// What foreign protocols tell of it.
    pub facts: Facts,
    /// The content.
    pub body: Body,
}

/// BLAKE3 of segment ids in order: the manifest's word on which segments are its content.
pub fn segments_hash<'a>(ids: impl IntoIterator<Item = &'a [u8; 32]>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for id in ids {
        hasher.update(id);
    }
    *hasher.finalize().as_bytes()
}

impl Manifest {
    /// Sealed for the center to keep.
    ///
    /// # Errors
    /// [`SealError::Name`] for a name no face takes, [`SealError::TooLong`] beyond the limits of this module.
    pub fn seal(&self, bucket: &BucketKeys, rng: &mut impl CryptoRng) -> Result<Vec<u8>, SealError> {
        let mut plain = self.to_plain(bucket, rng)?;
        let key = ContentKey::random(rng);
        let header = Header::new(&key, Role::Manifest, bucket.bucket(), 0, rng);
        let wrapped = bucket.wrap(Purpose::Manifest, &self.name, &header.content_id(), &key, rng)?;
        let sealed = seal_run(&key, &header, &plain)?;
        plain.zeroize();
        Ok([&header.as_bytes()[..], &wrapped.as_bytes()[..], &sealed].concat())
    }

    /// Opens what [`Self::seal`] made, for the object of this name.
    ///
    /// # Errors
    /// [`SealError::WrongKey`], [`SealError::Damaged`], [`SealError::Header`].
    pub fn open(bucket: &BucketKeys, name: &str, sealed: &[u8]) -> Result<Self, SealError> {
        let (header, rest) = sealed.split_at_checked(Header::LEN).ok_or(SealError::Header)?;
        let (wrapped, run) = rest.split_at_checked(Wrapped::LEN).ok_or(SealError::Header)?;
        let header = Header::parse_as(header, Role::Manifest, bucket.bucket())?;
        let key = bucket.unwrap(Purpose::Manifest, name, &header.content_id(), &Wrapped::parse(wrapped)?)?;
        let mut plain = open_run(&key, &header, run)?;
        let manifest = Self::from_plain(bucket, &plain);
        plain.zeroize();
        manifest.and_then(|manifest| if manifest.name == name { Ok(manifest) } else { Err(SealError::Header) })
    }

    fn to_plain(&self, bucket: &BucketKeys, rng: &mut impl CryptoRng) -> Result<Vec<u8>, SealError> {
        crate::name::check_stored(&self.name)?;
        let pairs_len: usize = self.pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
        if self.content_type.len() > TYPE_MAX || pairs_len > PAIRS_MAX {
            return Err(SealError::TooLong);
        }
        let format = if self.facts.is_empty() { FORMAT } else { FORMAT_FACTS };
        let mut out = vec![format, 0, 0, 0];
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&self.changed_ms.to_le_bytes());
        out.extend_from_slice(&self.hash);
        let mut run = |kind: u8, (segments, number): (&[u8; 32], u64), header: &Header, key: &ContentKey| {
            out[1] = kind;
            out.extend_from_slice(segments);
            out.extend_from_slice(&number.to_le_bytes());
            out.extend_from_slice(header.as_bytes());
            let wrapped = bucket.wrap(Purpose::Content, &self.name, &header.content_id(), key, rng)?;
            out.extend_from_slice(wrapped.as_bytes());
            Ok::<(), SealError>(())
        };
        match &self.body {
            Body::Run { header, key, segments, offset } => run(1, (segments, *offset), header, key)?,
            Body::Parts { header, key, segments, count, .. } => run(3, (segments, u64::from(*count)), header, key)?,
            Body::Inline(_) => {
                out[1] = 2;
                out.extend_from_slice(&[0; 32]);
            }
        }
        put_u16(&mut out, self.content_type.as_bytes())?;
        put_u16(&mut out, self.name.as_bytes())?;
        out.extend_from_slice(&u16::try_from(self.pairs.len()).map_err(|_| SealError::TooLong)?.to_le_bytes());
        for (key, value) in &self.pairs {
            out.push(u8::try_from(key.len()).map_err(|_| SealError::TooLong)?);
            out.extend_from_slice(key.as_bytes());
            put_u16(&mut out, value.as_bytes())?;
        }
        match &self.body {
            Body::Inline(Inline(content)) => {
                if content.len() > INLINE_MAX || content.len() as u64 != self.size {
                    return Err(SealError::TooLong);
                }
                put_u32(&mut out, content)?;
            }
            Body::Parts { count, list, .. } => {
                let list = list.as_deref().unwrap_or_default();
                if *count as usize > PARTS_MAX || list.len() > PARTS_INLINE {
                    return Err(SealError::TooLong);
                }
                put_u32(&mut out, &parts::to_bytes(list))?;
            }
            Body::Run { .. } => {}
        }
        if format == FORMAT_FACTS {
            put_u16(&mut out, &self.facts.to_bytes()?)?;
        }
        out.resize(out.len().next_multiple_of(PAD), 0);
        let sealed = Header::LEN + Wrapped::LEN + 16 + out.len();
        if sealed > SEALED_MAX { Err(SealError::TooLong) } else { Ok(out) }
    }

    fn from_plain(bucket: &BucketKeys, plain: &[u8]) -> Result<Self, SealError> {
        let mut f = Fields(plain);
        let [format, kind, zero @ ..] = f.array::<4>()?;
        if !(FORMAT..=FORMAT_FACTS).contains(&format) || zero != [0; 2] {
            return Err(SealError::Header);
        }
        let (size, changed_ms) = (u64::from_le_bytes(f.array()?), u64::from_le_bytes(f.array()?));
        let (hash, segments) = (f.array()?, f.array()?);
        let run = match kind {
            1 | 3 => Some((
                u64::from_le_bytes(f.array()?),
                Header::parse_as(f.take(Header::LEN)?, Role::Content, bucket.bucket())?,
                Wrapped::parse(f.take(Wrapped::LEN)?)?,
            )),
            2 => None,
            _ => return Err(SealError::Header),
        };
        let content_type = f.text(TYPE_MAX)?;
        let name = f.text(crate::name::NAME_MAX)?;
        crate::name::check_stored(&name)?;
        let mut pairs = Vec::new();
        for _ in 0..u16::from_le_bytes(f.array()?) {
            let [len] = f.array::<1>()?;
            let key = text(f.take(usize::from(len))?)?;
            pairs.push((key, f.text(PAIRS_MAX)?));
        }
        let body = match run {
            Some((offset, header, wrapped)) => {
                let key = bucket.unwrap(Purpose::Content, &name, &header.content_id(), &wrapped)?;
                if kind == 1 {
                    Body::Run { header, key, segments, offset }
                } else {
                    let count = u32::try_from(offset).ok().filter(|count| (1..=PARTS_MAX).contains(&(*count as usize)));
                    let count = count.ok_or(SealError::Header)?;
                    let list = match f.long(PARTS_INLINE * parts::PART_LEN)? {
                        [] => None,
                        bytes => Some(parts::parse(bytes, &header)?),
                    };
                    if list.as_ref().is_some_and(|list| !is_whole(list, count, size)) {
                        return Err(SealError::Header);
                    }
                    Body::Parts { header, key, segments, count, list }
                }
            }
            None => {
                let content = f.long(INLINE_MAX)?;
                if content.len() as u64 != size {
                    return Err(SealError::Header);
                }
                Body::Inline(Inline(content.to_vec()))
            }
        };
        let facts = if format == FORMAT_FACTS { Facts::parse(f.short(FACTS_MAX)?)? } else { Facts::default() };
        if f.0.len() >= PAD || f.0.iter().any(|byte| *byte != 0) {
            return Err(SealError::Header);
        }
        Ok(Self { name, size, changed_ms, hash, content_type, pairs, facts, body })
    }
}

/// Whether a list is of so many parts, and of so many bytes together.
pub fn is_whole(list: &[Part], count: u32, size: u64) -> bool {
    list.len() == count as usize && list.iter().map(|part| part.size).sum::<u64>() == size
}

fn put_u32(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), SealError> {
    out.extend_from_slice(&u32::try_from(bytes.len()).map_err(|_| SealError::TooLong)?.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

fn put_u16(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), SealError> {
    out.extend_from_slice(&u16::try_from(bytes.len()).map_err(|_| SealError::TooLong)?.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

fn text(bytes: &[u8]) -> Result<String, SealError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| SealError::Header)
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], SealError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(SealError::Header)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SealError> {
        Ok(self.take(N)?.try_into().expect("as many were taken"))
    }

    /// Length u32, then as many bytes.
    fn long(&mut self, max: usize) -> Result<&'a [u8], SealError> {
        let len = u32::from_le_bytes(self.array()?) as usize;
        if len > max { Err(SealError::Header) } else { self.take(len) }
    }

    /// Length u16, then as many bytes.
    fn short(&mut self, max: usize) -> Result<&'a [u8], SealError> {
        let len = usize::from(u16::from_le_bytes(self.array()?));
        if len > max { Err(SealError::TooLong) } else { self.take(len) }
    }

    fn text(&mut self, max: usize) -> Result<String, SealError> {
        text(self.short(max)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountRoot;
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    fn keys(root: u8) -> BucketKeys {
        let root = AccountRoot::from_bytes([root; 32]);
        root.bucket(&root.bucket_id("photos"))
    }

    fn sample(rng: &mut ChaCha8Rng, inline: bool) -> Manifest {
        let key = ContentKey::random(rng);
        let header = Header::new(&key, Role::Content, keys(1).bucket(), 0, rng);
        let body = if inline {
            Body::Inline(Inline(b"hello".to_vec()))
        } else {
            Body::Run { header, key, segments: segments_hash([&[7; 32], &[8; 32]]), offset: 77 }
        };
        Manifest {
            name: "album/김치.jpg".into(),
            size: if inline { 5 } else { 1 << 33 },
            changed_ms: 1_800_000_000_000,
            hash: [3; 32],
            content_type: "image/jpeg".into(),
            pairs: vec![("camera".into(), "x".into())],
            facts: Facts::default(),
            body,
        }
    }

    #[test]
    fn a_manifest_opens_for_its_bucket_only_and_shows_nothing() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for inline in [false, true] {
            let manifest = sample(&mut rng, inline);
            let sealed = manifest.seal(&keys(1), &mut rng).unwrap();
            let back = Manifest::open(&keys(1), "album/김치.jpg", &sealed).unwrap();
            assert_eq!((&back.name, back.size, back.hash), (&manifest.name, manifest.size, manifest.hash));
            assert_eq!((&back.content_type, &back.pairs), (&manifest.content_type, &manifest.pairs));
            match (&back.body, &manifest.body) {
                (Body::Run { key, segments, .. }, Body::Run { key: k, segments: s, .. }) => {
                    assert_eq!((key.bytes(), segments), (k.bytes(), s));
                }
                (Body::Inline(a), Body::Inline(b)) => assert_eq!(a.0, b.0),
                _ => panic!("another kind of body"),
            }
            assert!(!sealed.windows(4).any(|w| w == b"jpeg" || w == b"albu"), "(A)");
            assert_eq!(
                Manifest::open(&keys(2), "album/김치.jpg", &sealed).err(),
                Some(SealError::Header),
                "(A): another bucket"
            );
            assert_eq!(
                Manifest::open(&keys(1), "album/b", &sealed).err(),
                Some(SealError::WrongKey),
                "(A): another object"
            );
            let (shared, other) = (keys(1).folder("album").unwrap(), keys(1).folder("alb").unwrap());
            assert!(Manifest::open(&shared, "album/김치.jpg", &sealed).is_ok(), "the keys of its folder open it");
            assert!(Manifest::open(&other, "album/김치.jpg", &sealed).is_err());
            assert_eq!((sealed.len() - Header::LEN - Wrapped::LEN - 16) % PAD, 0, "(C)");
            for bit in (0..sealed.len() * 8).step_by(7) {
                let mut bad = sealed.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(Manifest::open(&keys(1), "album/김치.jpg", &bad).is_err(), "bit {bit}");
            }
        }
    }

    fn in_parts(rng: &mut ChaCha8Rng, count: u32, is_inline: bool) -> Manifest {
        let key = ContentKey::random(rng);
        let header = Header::new(&key, Role::Content, keys(1).bucket(), 0, rng);
        let part = |number: u32| {
            let of = (header.content_id(), number);
            Part { header: Header::beside(&key, Role::Content, keys(1).bucket(), of, rng), size: 1 << 23, segments: 1 }
        };
        let list: Vec<Part> = (1..=count).map(part).collect();
        let list = is_inline.then_some(list);
        let body = Body::Parts { header, key, segments: [4; 32], count, list };
        Manifest { size: u64::from(count) << 23, hash: [0; 32], body, ..sample(rng, false) }
    }

    #[test]
    fn what_came_in_parts_names_them_in_itself_or_elsewhere() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for (count, is_inline) in [(1, true), (PARTS_INLINE as u32, true), (10_000, false)] {
            let manifest = in_parts(&mut rng, count, is_inline);
            let sealed = manifest.seal(&keys(1), &mut rng).unwrap();
            assert!(sealed.len() <= 8 << 10);
            let back = Manifest::open(&keys(1), &manifest.name, &sealed).unwrap();
            match (&back.body, &manifest.body) {
                (Body::Parts { key, list, count, .. }, Body::Parts { key: k, list: l, count: n, .. }) => {
                    assert_eq!((key.bytes(), list, count), (k.bytes(), l, n));
                }
                _ => panic!("another kind of body"),
            }
        }
        let over = in_parts(&mut rng, PARTS_INLINE as u32 + 1, true);
        assert_eq!(over.seal(&keys(1), &mut rng).err(), Some(SealError::TooLong));
        // A list that is not of this size, or not of so many parts, is none.
        let short = Manifest { size: 1, ..in_parts(&mut rng, 2, true) };
        let sealed = short.seal(&keys(1), &mut rng).unwrap();
        assert_eq!(Manifest::open(&keys(1), &short.name, &sealed).err(), Some(SealError::Header));
    }

    #[test]
    fn the_longest_of_everything_fits_and_one_more_does_not() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let most = Manifest {
            name: "n".repeat(crate::name::NAME_MAX),
            size: INLINE_MAX as u64,
            content_type: "t".repeat(TYPE_MAX),
            pairs: vec![("k".into(), "v".repeat(PAIRS_MAX - 1))],
            body: Body::Inline(Inline(vec![9; INLINE_MAX])),
            ..sample(&mut rng, true)
        };
        assert!(most.seal(&keys(1), &mut rng).is_ok_and(|sealed| sealed.len() <= 8 << 10));
        let over = [
            Manifest { name: "n".repeat(crate::name::NAME_MAX + 1), ..most.clone() },
            Manifest { content_type: "t".repeat(TYPE_MAX + 1), ..most.clone() },
            Manifest { pairs: vec![("k".into(), "v".repeat(PAIRS_MAX))], ..most.clone() },
            Manifest {
                size: INLINE_MAX as u64 + 1,
                body: Body::Inline(Inline(vec![9; INLINE_MAX + 1])),
                ..most.clone()
            },
        ];
        assert!(over.iter().all(|m| m.seal(&keys(1), &mut rng).is_err()));
        // Facts take the place of content, which then stands elsewhere.
        let facts = Facts(vec![crate::Fact::Tag("k".into(), "v".repeat(FACTS_MAX - 6))]);
        assert_eq!(facts.len(), FACTS_MAX);
        let texts = crate::name::NAME_MAX + TYPE_MAX + PAIRS_MAX + 3 + FACTS_MAX;
        assert!(inline_fits(texts - FACTS_MAX, INLINE_MAX) && inline_fits(texts, 0) && !inline_fits(texts, INLINE_MAX));
        let told = Manifest { facts, ..most.clone() };
        assert_eq!(told.seal(&keys(1), &mut rng).err(), Some(SealError::TooLong));
        let empty = Manifest { size: 0, body: Body::Inline(Inline(Vec::new())), ..told };
        let back = empty.seal(&keys(1), &mut rng).and_then(|sealed| Manifest::open(&keys(1), &empty.name, &sealed));
        assert!(back.is_ok_and(|back| back.facts == empty.facts));
    }

    #[test]
    fn plain_bytes_are_locked() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let facts = crate::facts::tests::sample();
        let lines = [(true, Facts::default()), (false, Facts::default()), (false, facts)].map(|(inline, facts)| {
            let manifest = Manifest { facts, ..sample(&mut rng, inline) };
            let plain = manifest.to_plain(&keys(1), &mut rng).unwrap();
            plain.iter().map(|b| format!("{b:02x}")).collect::<String>()
        });
        assert_eq!(lines.join("\n"), include_str!("../tests/golden/manifest.txt").trim());
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_manifest_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in 0u8..4, format in 1u8..=2) {
            let mut framed = bytes.clone();
            if framed.len() > 4 {
                framed[..4].copy_from_slice(&[format, kind, 0, 0]);
            }
            let _ = Manifest::from_plain(&keys(1), &framed);
            let _ = Manifest::open(&keys(1), "a", &bytes);
        }
    }
}
