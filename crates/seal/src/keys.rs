//! Account root, bucket keys, content keys and their wraps (`docs/design/security.md` §4.1, §4.3).

use crate::SealError;
use crate::name::NameKey;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use model::BucketId;
use rand_core::Rng;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The key of one object version: random, wrapped under the object's path key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ContentKey([u8; 32]);

impl ContentKey {
    /// A new one.
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Self(key)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The account's root, 32 random bytes held in slots, one per device.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AccountRoot([u8; 32]);

impl AccountRoot {
    /// From the bytes a slot gave.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key that seals the list of this account's buckets.
    pub fn keybag(&self) -> ContentKey {
        ContentKey(blake3::derive_key("pumasi v1 keybag", &self.0))
    }

    /// Keys of a bucket of one's own, epoch 0. Later epochs are random and stand in the keybag.
    pub fn bucket(&self, bucket: &BucketId) -> BucketKeys {
        let derive = |context: &str| {
            let mut hasher = blake3::Hasher::new_derive_key(context);
            hasher.update(&self.0).update(bucket.as_bytes());
            *hasher.finalize().as_bytes()
        };
        BucketKeys {
            bucket: *bucket,
            content: derive("pumasi v1 bucket content"),
            name: derive("pumasi v1 bucket name"),
        }
    }

    /// Id of a bucket by the name its owner gave it: nobody else can tell the name from it.
    pub fn bucket_id(&self, name: &str) -> BucketId {
        let mut hasher = blake3::Hasher::new_derive_key("pumasi v1 bucket id");
        hasher.update(&self.0).update(name.as_bytes());
        let hash = hasher.finalize();
        BucketId::from_slice(&hash.as_bytes()[..16]).expect("a hash has more than 16 bytes")
    }
}

/// Keys of one bucket: `S_0` for content, `N` for names.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct BucketKeys {
    #[zeroize(skip)]
    bucket: BucketId,
    content: [u8; 32],
    name: [u8; 32],
}

impl BucketKeys {
    /// Which bucket.
    pub const fn bucket(&self) -> &BucketId {
        &self.bucket
    }

    /// Value that tells a right key from a wrong one before anything is listed; kept in clear in the bucket's row.
    pub fn check_value(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.content);
        hasher.update(b"check").update(self.bucket.as_bytes()).update(&0u32.to_le_bytes());
        hasher.finalize().as_bytes()[..16].try_into().expect("a hash has more than 16 bytes")
    }

    /// Key of the top directory's names.
    pub fn names(&self) -> NameKey {
        let mut hasher = blake3::Hasher::new_derive_key("pumasi v1 name");
        hasher.update(&self.name).update(self.bucket.as_bytes());
        NameKey::from_chain(*hasher.finalize().as_bytes(), self.bucket)
    }

    /// Path key of an object: `c_0 = derive_key("path", S ‖ bucket)`, `c_i = keyed_hash(c_{i−1}, "component" ‖ part)`, and
    /// `keyed_hash(c_n, "content")`, so that one object can be shared without opening what lies below it.
    pub fn path_key(&self, object: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("pumasi v1 path");
        hasher.update(&self.content).update(self.bucket.as_bytes());
        let mut chain = *hasher.finalize().as_bytes();
        for part in object.split('/') {
            let mut hasher = blake3::Hasher::new_keyed(&chain);
            chain = *hasher.update(b"component").update(part.as_bytes()).finalize().as_bytes();
        }
        let key = *blake3::keyed_hash(&chain, b"content").as_bytes();
        chain.zeroize();
        key
    }

    /// Wraps a content key for an object.
    pub fn wrap(&self, object: &str, content_id: &[u8; 16], key: &ContentKey, rng: &mut impl Rng) -> Wrapped {
        Wrapped::seal(&self.path_key(object), 1, &self.bucket, content_id, key, rng)
    }

    /// Unwraps a content key of an object.
    pub fn unwrap(&self, object: &str, content_id: &[u8; 16], wrapped: &Wrapped) -> Result<ContentKey, SealError> {
        wrapped.open(&self.path_key(object), &self.bucket, content_id)
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
        wrapping: &[u8; 32],
        purpose: u8,
        bucket: &BucketId,
        content_id: &[u8; 16],
        key: &ContentKey,
        rng: &mut impl Rng,
    ) -> Self {
        let mut out = [0; Self::LEN];
        out[0] = 1;
        out[1] = purpose;
        rng.fill_bytes(&mut out[8..32]);
        let aad = aad(purpose, bucket, content_id);
        let cipher = XChaCha20Poly1305::new(wrapping.into());
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

    /// Unwraps; a wrong key says so.
    pub fn open(&self, wrapping: &[u8; 32], bucket: &BucketId, content_id: &[u8; 16]) -> Result<ContentKey, SealError> {
        let aad = aad(self.0[1], bucket, content_id);
        let cipher = XChaCha20Poly1305::new(wrapping.into());
        let mut opened = cipher
            .decrypt(XNonce::from_slice(&self.0[8..32]), Payload { msg: &self.0[32..], aad: &aad })
            .map_err(|_| SealError::WrongKey)?;
        let key = opened[..].try_into().map_err(|_| SealError::WrongKey)?;
        opened.zeroize();
        Ok(ContentKey(key))
    }
}

fn aad(purpose: u8, bucket: &BucketId, content_id: &[u8; 16]) -> [u8; 33] {
    let mut aad = [0; 33];
    aad[0] = purpose;
    aad[1..17].copy_from_slice(bucket.as_bytes());
    aad[17..].copy_from_slice(content_id);
    aad
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    fn keys(root: u8) -> BucketKeys {
        let root = AccountRoot::from_bytes([root; 32]);
        root.bucket(&root.bucket_id("photos"))
    }

    #[test]
    fn a_wrapped_key_opens_for_its_object_and_every_bit_counts() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let key = ContentKey::random(&mut rng);
        let wrapped = keys(1).wrap("a/b", &[9; 16], &key, &mut rng);
        assert!(keys(1).unwrap("a/b", &[9; 16], &wrapped).is_ok_and(|k| k.0 == key.0));
        assert_eq!(keys(1).unwrap("a/c", &[9; 16], &wrapped).err(), Some(SealError::WrongKey));
        assert_eq!(keys(1).unwrap("a/b", &[8; 16], &wrapped).err(), Some(SealError::WrongKey));
        assert_eq!(keys(2).unwrap("a/b", &[9; 16], &wrapped).err(), Some(SealError::WrongKey));
        for bit in 0..Wrapped::LEN * 8 {
            let mut bad = wrapped.0;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Wrapped::parse(&bad).and_then(|w| keys(1).unwrap("a/b", &[9; 16], &w)).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn two_accounts_have_different_ids_and_check_values_for_one_name() {
        let (a, b) = (AccountRoot::from_bytes([1; 32]), AccountRoot::from_bytes([2; 32]));
        assert_ne!(a.bucket_id("photos"), b.bucket_id("photos"));
        assert_ne!(keys(1).check_value(), keys(2).check_value());
        assert_eq!(keys(1).check_value(), keys(1).check_value());
    }

    #[test]
    fn the_hierarchy_is_locked() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let k = keys(1);
        let all = format!("{} {} {}", hex(k.bucket().as_bytes()), hex(&k.check_value()), hex(&k.path_key("a/b")));
        assert_eq!(all, include_str!("../tests/golden/keys.txt").trim());
    }
}
