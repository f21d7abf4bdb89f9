//! The sealed label in every piece's header, 512 bytes: what its owner needs to rebuild an index from nodes alone
//! (`docs/design/security.md` §4.3).
//!
//! Layout: format 1 · reserved 7 · nonce 24 · ciphertext 464 · tag 16, XChaCha20-Poly1305 under `derive_key("label", R)`, bound
//! to the segment's id. Plain, padded with zeros: kind 1 · bucket 16 · version 16 · run u32 · offset in the sealed run u64 ·
//! content key 32 · name length u16 · name of at most 385 bytes; a longer one stands as its BLAKE3 hash, marked by the top
//! bit of the length.
//!
//! The label of a bucket log is format 2: its ciphertext is 448 bytes, and at the end stand 16 of the bucket's locator in clear
//! ([`crate::BucketKeys::locator`]), bound like the segment's id. Holders index it, so that the log is found without a center.
//!
//! (A) Nobody but the owner reads it, and a label moved to another segment does not open. (B) All pieces of a segment carry
//! the same bytes, so that a piece tells nothing of its index. (C) A locator tells holders that some segments are logs of one
//! bucket, and nothing else.

use crate::{ContentKey, SealError};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use model::{BucketId, SegmentId};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Length of a label in bytes.
pub const LABEL_LEN: usize = 512;
const PLAIN_LEN: usize = 464;
const HEAD_LEN: usize = 32;
/// Longest name that stands whole.
pub const LABEL_NAME_MAX: usize = 385;
const HASHED: u16 = 1 << 15;
/// Format of a label that ends with a locator.
const LOCATED: u8 = 2;
const LOCATOR_LEN: usize = 16;

/// The key of an account's labels.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LabelKey([u8; 32]);

/// What a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum LabelKind {
    /// A part of an object.
    Object = 1,
    /// A part of a multipart upload.
    Part = 2,
    /// Many small objects.
    Pack = 3,
    /// Changes of the bucket itself.
    Log = 4,
}

/// A name as a label holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelName {
    /// Whole.
    Plain(String),
    /// Too long: its BLAKE3 hash.
    Hash([u8; 32]),
}

/// What the label says.
#[derive(Clone)]
pub struct Label {
    /// What the segment holds.
    pub kind: LabelKind,
    /// In which bucket.
    pub bucket: BucketId,
    /// Which version of the name.
    pub version: [u8; 16],
    /// Which run.
    pub run: u32,
    /// Where the segment begins in the sealed run.
    pub offset: u64,
    /// The run's key.
    pub key: ContentKey,
    /// The name.
    pub name: LabelName,
    /// What it is found by at holders; of bucket logs only.
    pub locator: Option<[u8; LOCATOR_LEN]>,
}

impl LabelName {
    /// A name as it fits.
    pub fn of(name: &str) -> Self {
        if name.len() <= LABEL_NAME_MAX {
            Self::Plain(name.to_owned())
        } else {
            Self::Hash(*blake3::hash(name.as_bytes()).as_bytes())
        }
    }
}

impl LabelKey {
    pub(crate) const fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Seals a label for one segment.
    pub fn seal(&self, label: &Label, segment: &SegmentId, rng: &mut impl CryptoRng) -> [u8; LABEL_LEN] {
        let mut plain = [0; PLAIN_LEN];
        plain[0] = label.kind as u8;
        plain[1..17].copy_from_slice(label.bucket.as_bytes());
        plain[17..33].copy_from_slice(&label.version);
        plain[33..37].copy_from_slice(&label.run.to_le_bytes());
        plain[37..45].copy_from_slice(&label.offset.to_le_bytes());
        plain[45..77].copy_from_slice(label.key.bytes());
        let mut out = [0; LABEL_LEN];
        out[0] = 1;
        rng.fill_bytes(&mut out[8..HEAD_LEN]);
        let (mut end, mut plain_len) = (LABEL_LEN, PLAIN_LEN);
        if let Some(locator) = &label.locator {
            (end, plain_len) = (end - LOCATOR_LEN, plain_len - LOCATOR_LEN);
            out[0] = LOCATED;
            out[end..].copy_from_slice(locator);
        }
        let hash;
        let (mark, name) = match &label.name {
            LabelName::Plain(name) if 79 + name.len() <= plain_len => (0, name.as_bytes()),
            LabelName::Plain(name) => {
                hash = *blake3::hash(name.as_bytes()).as_bytes();
                (HASHED, &hash[..])
            }
            LabelName::Hash(hash) => (HASHED, &hash[..]),
        };
        let len = mark | u16::try_from(name.len()).expect("at most 385");
        plain[77..79].copy_from_slice(&len.to_le_bytes());
        plain[79..79 + name.len()].copy_from_slice(name);
        let cipher = XChaCha20Poly1305::new((&self.0).into());
        let bound = [segment.as_bytes(), &out[end..]].concat();
        let payload = Payload { msg: &plain[..plain_len], aad: &bound };
        let sealed = cipher.encrypt(XNonce::from_slice(&out[8..HEAD_LEN]), payload);
        out[HEAD_LEN..end].copy_from_slice(&sealed.expect("464 bytes are within every limit of the cipher"));
        plain.zeroize();
        out
    }

    /// Opens the label of a segment.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] for another account's or another segment's, [`SealError::Header`] for what is no label.
    pub fn open(&self, sealed: &[u8], segment: &SegmentId) -> Result<Label, SealError> {
        if sealed.len() != LABEL_LEN || !matches!(sealed[0], 1 | LOCATED) || sealed[1..8] != [0; 7] {
            return Err(SealError::Header);
        }
        let (sealed, locator) = sealed.split_at(if sealed[0] == LOCATED { LABEL_LEN - LOCATOR_LEN } else { LABEL_LEN });
        let cipher = XChaCha20Poly1305::new((&self.0).into());
        let bound = [segment.as_bytes(), locator].concat();
        let payload = Payload { msg: &sealed[HEAD_LEN..], aad: &bound };
        let mut plain =
            cipher.decrypt(XNonce::from_slice(&sealed[8..HEAD_LEN]), payload).map_err(|_| SealError::WrongKey)?;
        let label = read(&plain);
        plain.zeroize();
        label.map(|label| Label { locator: locator.try_into().ok(), ..label })
    }
}

fn read(plain: &[u8]) -> Result<Label, SealError> {
    let field = |from: usize, to: usize| plain.get(from..to).ok_or(SealError::Header);
    let kind = match field(0, 1)? {
        [1] => LabelKind::Object,
        [2] => LabelKind::Part,
        [3] => LabelKind::Pack,
        [4] => LabelKind::Log,
        _ => return Err(SealError::Header),
    };
    let array16 = |from| field(from, from + 16).map(|b| <[u8; 16]>::try_from(b).expect("sixteen were taken"));
    let len = u16::from_le_bytes(field(77, 79)?.try_into().expect("two were taken"));
    let name_len = usize::from(len & !HASHED);
    let name = field(79, 79 + name_len)?;
    let name = match (len & HASHED != 0, <[u8; 32]>::try_from(name)) {
        (true, Ok(hash)) => LabelName::Hash(hash),
        (true, Err(_)) => return Err(SealError::Header),
        (false, _) => LabelName::Plain(std::str::from_utf8(name).map_err(|_| SealError::Header)?.to_owned()),
    };
    Ok(Label {
        kind,
        bucket: BucketId(array16(1)?),
        version: array16(17)?,
        run: u32::from_le_bytes(field(33, 37)?.try_into().expect("four were taken")),
        offset: u64::from_le_bytes(field(37, 45)?.try_into().expect("eight were taken")),
        key: ContentKey::from_bytes(field(45, 77)?.try_into().expect("thirty-two were taken")),
        name,
        locator: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountRoot;
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    fn sample(name: &str) -> Label {
        Label {
            kind: LabelKind::Object,
            bucket: BucketId([1; 16]),
            version: [2; 16],
            run: 3,
            offset: 4 << 30,
            key: ContentKey::from_bytes([5; 32]),
            name: LabelName::of(name),
            locator: None,
        }
    }

    #[test]
    fn a_locator_stands_in_clear_and_is_bound_like_the_rest() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let root = AccountRoot::from_bytes([1; 32]);
        let (labels, segment) = (root.labels(), SegmentId([9; 32]));
        let locator = root.bucket(&BucketId([1; 16])).locator().unwrap();
        assert_ne!(root.bucket(&BucketId([2; 16])).locator(), Some(locator));
        let label = Label { kind: LabelKind::Log, locator: Some(locator), ..sample(&"n".repeat(LABEL_NAME_MAX + 1)) };
        let sealed = labels.seal(&label, &segment, &mut rng);
        assert!(sealed.ends_with(&locator));
        let back = labels.open(&sealed, &segment).ok().unwrap();
        assert_eq!((back.kind, back.locator, back.offset), (LabelKind::Log, Some(locator), 4 << 30));
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(labels.open(&bad, &segment).is_err(), "bit {bit}");
        }
        let hex: String = sealed.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, include_str!("../tests/golden/label_log.txt").trim());
    }

    #[test]
    fn a_label_opens_for_its_account_and_segment_only_and_every_bit_counts() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mine, other) = (AccountRoot::from_bytes([1; 32]).labels(), AccountRoot::from_bytes([2; 32]).labels());
        let segment = SegmentId([9; 32]);
        for name in ["a/b.jpg", "", &"n".repeat(LABEL_NAME_MAX), &"n".repeat(LABEL_NAME_MAX + 1)] {
            let label = sample(name);
            let sealed = mine.seal(&label, &segment, &mut rng);
            let back = mine.open(&sealed, &segment).ok().unwrap();
            assert_eq!((back.bucket, back.version, back.run, back.offset), (label.bucket, [2; 16], 3, 4 << 30));
            assert_eq!((back.key.bytes(), &back.name), (label.key.bytes(), &label.name));
            assert_eq!(other.open(&sealed, &segment).err(), Some(SealError::WrongKey), "(A)");
            assert_eq!(mine.open(&sealed, &SegmentId([8; 32])).err(), Some(SealError::WrongKey), "(A)");
            for bit in (0..sealed.len() * 8).step_by(3) {
                let mut bad = sealed;
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(mine.open(&bad, &segment).is_err(), "bit {bit}");
            }
        }
        assert!(matches!(LabelName::of(&"n".repeat(386)), LabelName::Hash(_)));
    }

    #[test]
    fn bytes_of_a_label_are_locked() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let sealed = AccountRoot::from_bytes([1; 32]).labels().seal(&sample("a/b"), &SegmentId([9; 32]), &mut rng);
        let hex: String = sealed.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, include_str!("../tests/golden/label.txt").trim());
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_label_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = AccountRoot::from_bytes([1; 32]).labels().open(&bytes, &SegmentId([9; 32]));
            let _ = read(&bytes);
        }
    }
}
