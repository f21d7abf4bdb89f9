//! Account root, bucket keys, content keys and their wraps (`docs/design/security.md` §4.1, §4.3).

use crate::label::LabelKey;
use crate::{BucketKeys, SealError};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use model::BucketId;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Longest name of a bucket in bytes.
pub const LABEL_NAME_MAX: usize = 255;

/// The key of one object version: random, wrapped under the object's path key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ContentKey([u8; 32]);

impl ContentKey {
    /// A new one.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Self(key)
    }

    /// The key of one part's blocks of a shuffle, from [`part_key`]: each block is a run of its own under it.
    pub const fn of_part(key: [u8; 32]) -> Self {
        Self(key)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) const fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }
}

/// What opens the blocks of one part of a shuffle, and no other part's. Mappers have the secret, a reducer its part's key.
pub fn part_key(secret: &[u8; 32], part: u32) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("pumasi v1 shuffle part");
    *hasher.update(secret).update(&part.to_le_bytes()).finalize().as_bytes()
}

/// The key that wraps the content key of one object: its path's.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PathKey([u8; 32]);

impl PathKey {
    /// Of an object at the end of a chain.
    pub(crate) fn of_chain(chain: &[u8; 32]) -> Self {
        Self(*blake3::keyed_hash(chain, b"content").as_bytes())
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) const fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }
}

/// What a wrapped key is for; the seal binds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// A content key under its object's path key.
    Content = 1,
    /// A manifest's key under its object's path key.
    Manifest = 2,
    /// An account's root under a recovery phrase.
    Root = 3,
}

/// The account's root, 32 random bytes held in slots, one per device.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AccountRoot([u8; 32]);

impl AccountRoot {
    /// A new one.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// For this machine's own slot.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From the bytes a slot gave.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key that seals the list of this account's buckets.
    pub fn keybag(&self) -> ContentKey {
        ContentKey(blake3::derive_key("pumasi v1 keybag", &self.0))
    }

    /// A bucket's name, sealed for this account alone: nonce 24 · ciphertext padded to a multiple of 64 · tag 16.
    ///
    /// # Errors
    /// [`SealError::Name`] when it is empty or longer than [`LABEL_NAME_MAX`].
    pub fn seal_label(&self, bucket: &BucketId, name: &str, rng: &mut impl CryptoRng) -> Result<Vec<u8>, SealError> {
        if name.is_empty() || name.len() > LABEL_NAME_MAX {
            return Err(SealError::Name("a bucket's name has 1 to 255 bytes"));
        }
        let mut plain = vec![u8::try_from(name.len()).map_err(|_| SealError::TooLong)?];
        plain.extend_from_slice(name.as_bytes());
        plain.resize(plain.len().next_multiple_of(64), 0);
        let mut out = vec![0; 24];
        rng.fill_bytes(&mut out);
        let cipher = XChaCha20Poly1305::new((&self.label_key().0).into());
        let payload = Payload { msg: &plain, aad: bucket.as_bytes() };
        let sealed = cipher.encrypt(XNonce::from_slice(&out), payload).map_err(|_| SealError::TooLong)?;
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`Self::seal_label`] made.
    ///
    /// # Errors
    /// [`SealError::WrongKey`], [`SealError::Header`].
    pub fn open_label(&self, bucket: &BucketId, sealed: &[u8]) -> Result<String, SealError> {
        let (nonce, sealed) = sealed.split_at_checked(24).ok_or(SealError::Header)?;
        let cipher = XChaCha20Poly1305::new((&self.label_key().0).into());
        let payload = Payload { msg: sealed, aad: bucket.as_bytes() };
        let plain = cipher.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| SealError::WrongKey)?;
        let (len, rest) = plain.split_first().ok_or(SealError::Header)?;
        let name = rest.get(..usize::from(*len)).ok_or(SealError::Header)?;
        String::from_utf8(name.to_vec()).map_err(|_| SealError::Header)
    }

    /// The key of this account's own notes, which the center keeps.
    pub fn notes(&self) -> crate::LocalKey {
        crate::LocalKey::of(&blake3::derive_key("pumasi v1 account notes", &self.0))
    }

    /// The key of this account's piece labels.
    pub fn labels(&self) -> LabelKey {
        LabelKey::from_bytes(blake3::derive_key("pumasi v1 label", &self.0))
    }

    /// The key under which this account names results of computing that it keeps: nobody else can tell what was run from a name,
    /// nor try whether a guess is right.
    pub fn results(&self) -> [u8; 32] {
        blake3::derive_key("pumasi v1 result cache", &self.0)
    }

    fn label_key(&self) -> PathKey {
        PathKey(blake3::derive_key("pumasi v1 bucket label", &self.0))
    }

    /// Keys of a bucket of one's own, epoch 0. Later epochs are random and stand in the keybag.
    pub fn bucket(&self, bucket: &BucketId) -> BucketKeys {
        let derive = |context: &str| {
            let mut hasher = blake3::Hasher::new_derive_key(context);
            hasher.update(&self.0).update(bucket.as_bytes());
            *hasher.finalize().as_bytes()
        };
        BucketKeys::whole(*bucket, derive("pumasi v1 bucket content"), derive("pumasi v1 bucket name"))
    }

    /// Id of a bucket by the name its owner gave it: nobody else can tell the name from it.
    pub fn bucket_id(&self, name: &str) -> BucketId {
        let mut hasher = blake3::Hasher::new_derive_key("pumasi v1 bucket id");
        hasher.update(&self.0).update(name.as_bytes());
        let hash = hasher.finalize();
        BucketId::from_slice(&hash.as_bytes()[..16]).expect("a hash has more than 16 bytes")
    }
}

/// A wrapped key, 80 bytes: format 1, purpose 1, reserved 2, epoch u32 4, nonce 24, ciphertext 32, tag 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrapped([u8; Self::LEN]);

impl Wrapped {
    /// Length in bytes.
    pub const LEN: usize = 80;

    /// Wraps `key` under `wrapping`.
    pub fn seal(
        wrapping: &PathKey,
        purpose: Purpose,
        context: &[u8; 16],
        content_id: &[u8; 16],
        key: &ContentKey,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let mut out = [0; Self::LEN];
        out[0] = 1;
        out[1] = purpose as u8;
        rng.fill_bytes(&mut out[8..32]);
        let aad = aad(purpose, context, content_id);
        let cipher = XChaCha20Poly1305::new((&wrapping.0).into());
        let sealed = cipher.encrypt(XNonce::from_slice(&out[8..32]), Payload { msg: &key.0, aad: &aad });
        out[32..].copy_from_slice(&sealed.expect("32 bytes are within every limit of the cipher"));
        Self(out)
    }

    /// Reads 80 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let out: [u8; Self::LEN] = bytes.try_into().map_err(|_| SealError::Header)?;
        if out[0] == 1 && out[2..4] == [0; 2] && out[4..8] == [0; 4] { Ok(Self(out)) } else { Err(SealError::Header) }
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Unwraps a key of the purpose expected; a wrong key says so.
    pub fn open(
        &self,
        wrapping: &PathKey,
        purpose: Purpose,
        context: &[u8; 16],
        content_id: &[u8; 16],
    ) -> Result<ContentKey, SealError> {
        if self.0[1] != purpose as u8 {
            return Err(SealError::Header);
        }
        let aad = aad(purpose, context, content_id);
        let cipher = XChaCha20Poly1305::new((&wrapping.0).into());
        let mut opened = cipher
            .decrypt(XNonce::from_slice(&self.0[8..32]), Payload { msg: &self.0[32..], aad: &aad })
            .map_err(|_| SealError::WrongKey)?;
        let key = opened[..].try_into().map_err(|_| SealError::WrongKey)?;
        opened.zeroize();
        Ok(ContentKey(key))
    }
}

fn aad(purpose: Purpose, context: &[u8; 16], content_id: &[u8; 16]) -> [u8; 33] {
    let mut aad = [0; 33];
    aad[0] = purpose as u8;
    aad[1..17].copy_from_slice(context);
    aad[17..].copy_from_slice(content_id);
    aad
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    #[test]
    fn two_accounts_have_different_ids_and_check_values_for_one_name() {
        let (a, b) = (AccountRoot::from_bytes([1; 32]), AccountRoot::from_bytes([2; 32]));
        assert_ne!(a.bucket_id("photos"), b.bucket_id("photos"));
        let check = |root: &AccountRoot| root.bucket(&a.bucket_id("photos")).check_value();
        assert_ne!(check(&a), check(&b));
        assert_eq!(check(&a), check(&a));
    }

    #[test]
    fn the_key_of_kept_results_is_as_it_was_and_the_account_s_own() {
        let of = |root: u8| AccountRoot::from_bytes([root; 32]).results();
        let hex: String = of(1).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("../tests/golden/results_key.txt").trim());
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn a_bucket_s_name_opens_for_its_account_and_its_bucket_only() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mine, other) = (AccountRoot::from_bytes([1; 32]), AccountRoot::from_bytes([2; 32]));
        let id = mine.bucket_id("사진");
        let sealed = mine.seal_label(&id, "사진", &mut rng).unwrap();
        assert_eq!(mine.open_label(&id, &sealed).as_deref(), Ok("사진"));
        assert_eq!(other.open_label(&id, &sealed), Err(SealError::WrongKey));
        assert_eq!(mine.open_label(&BucketId([9; 16]), &sealed), Err(SealError::WrongKey));
        assert!(mine.open_label(&id, &sealed[..20]).is_err() && mine.open_label(&id, &[]).is_err());
        let (short, long) = (mine.seal_label(&id, "a", &mut rng), mine.seal_label(&id, &"a".repeat(63), &mut rng));
        assert_eq!(short.map(|s| s.len()), long.map(|s| s.len()), "lengths are told to 64 bytes");
        assert!(
            mine.seal_label(&id, "", &mut rng).is_err() && mine.seal_label(&id, &"a".repeat(256), &mut rng).is_err()
        );
    }
}
