//! A key sealed for somebody else's key (`docs/design/security.md` §4.3): X25519 and ML-KEM-768 together, so that what is
//! harvested today does not open when one of the two falls.
//!
//! Box, 1,216 bytes: magic `PMB1` 4 · format 1 · purpose 1 · reserved 2 · context 16 · epoch u32 4 · reserved 4 · recipient key id
//! 16 · X25519 ephemeral 32 · ML-KEM-768 ciphertext 1,088 · key 32 · tag 16. Box secret = `derive_key("pumasi v1 box", KEM secret ‖
//! X25519 secret ‖ X25519 ephemeral ‖ recipient's X25519 key ‖ KEM ciphertext)`, the combination X-Wing uses, with the
//! ciphertext added; it seals one key only, so its nonce is zero. Public key, 1,216 bytes: X25519 32 · ML-KEM-768 1,184; its id
//! is the first 16 bytes of its hash. A secret key is kept as a seed of 64 bytes.

use crate::SealError;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ml_kem::kem::{Decapsulate, Encapsulate, KeyExport};
use ml_kem::ml_kem_768::{Ciphertext, DecapsulationKey, EncapsulationKey};
use rand_core::CryptoRng;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Length of a public key in bytes.
pub const BOX_KEY_LEN: usize = 32 + KEM_KEY;
/// Length of a box in bytes.
pub const BOX_LEN: usize = HEAD + 32 + KEM_CIPHERTEXT + 48;
const KEM_KEY: usize = 1_184;
const KEM_CIPHERTEXT: usize = 1_088;
const HEAD: usize = 48;
const MAGIC: &[u8; 4] = b"PMB1";

/// What a boxed key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BoxPurpose {
    /// An account's root, for a device of the same account.
    Root = 1,
    /// A bucket's key, for another member.
    Bucket = 2,
}

/// A secret key to open boxes with.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct BoxSecret([u8; 64]);

/// The public key to make boxes with.
#[derive(Clone, PartialEq, Eq)]
pub struct BoxKey([u8; BOX_KEY_LEN]);

impl BoxSecret {
    /// From a seed.
    pub const fn from_seed(seed: [u8; 64]) -> Self {
        Self(seed)
    }

    /// That of a device, from its own secret.
    pub fn of_device(device: &[u8; 32]) -> Self {
        let mut seed = [0; 64];
        let mut hasher = blake3::Hasher::new_derive_key("pumasi v1 device box");
        hasher.update(device).finalize_xof().fill(&mut seed);
        Self(seed)
    }

    fn x25519(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key("pumasi v1 box x25519", &self.0))
    }

    fn kem(&self) -> DecapsulationKey {
        let mut seed = [0; 64];
        let mut hasher = blake3::Hasher::new_derive_key("pumasi v1 box ml-kem");
        hasher.update(&self.0).finalize_xof().fill(&mut seed);
        let key = DecapsulationKey::from_seed(seed.into());
        seed.zeroize();
        key
    }

    /// The public half.
    pub fn public(&self) -> BoxKey {
        let mut out = [0; BOX_KEY_LEN];
        out[..32].copy_from_slice(&x25519(*self.x25519(), X25519_BASEPOINT_BYTES));
        out[32..].copy_from_slice(&self.kem().encapsulation_key().to_bytes());
        BoxKey(out)
    }

    /// Opens a box made for this key, of this purpose and context; the key and its epoch.
    ///
    /// # Errors
    /// [`SealError::Header`] for bytes that are no such box, [`SealError::WrongKey`] for a box of another key or a changed one.
    pub fn open(
        &self,
        purpose: BoxPurpose,
        context: &[u8; 16],
        sealed: &[u8],
    ) -> Result<(Zeroizing<[u8; 32]>, u32), SealError> {
        let sealed: &[u8; BOX_LEN] = sealed.try_into().map_err(|_| SealError::Header)?;
        let fixed = sealed[..4] == *MAGIC && sealed[4] == 1 && sealed[6..8] == [0; 2] && sealed[28..32] == [0; 4];
        if !fixed || sealed[5] != purpose as u8 || sealed[8..24] != context[..] {
            return Err(SealError::Header);
        }
        let public = self.public();
        if sealed[32..48] != public.id() {
            return Err(SealError::WrongKey);
        }
        let ephemeral: [u8; 32] = sealed[48..80].try_into().map_err(|_| SealError::Header)?;
        let ciphertext = Ciphertext::try_from(&sealed[80..80 + KEM_CIPHERTEXT]).map_err(|_| SealError::Header)?;
        let kem = self.kem().decapsulate(&ciphertext);
        let dh = Zeroizing::new(x25519(*self.x25519(), ephemeral));
        let cipher = combined(kem.as_slice(), &dh, &ephemeral, &public, &sealed[80..80 + KEM_CIPHERTEXT]);
        let payload = Payload { msg: &sealed[80 + KEM_CIPHERTEXT..], aad: &sealed[..HEAD] };
        let mut opened = cipher.decrypt(&XNonce::default(), payload).map_err(|_| SealError::WrongKey)?;
        let key = opened.as_slice().try_into().map_err(|_| SealError::WrongKey);
        opened.zeroize();
        let epoch = u32::from_le_bytes(sealed[24..28].try_into().map_err(|_| SealError::Header)?);
        Ok((Zeroizing::new(key?), epoch))
    }
}

impl BoxKey {
    /// Reads a public key.
    ///
    /// # Errors
    /// [`SealError::Header`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let key: [u8; BOX_KEY_LEN] = bytes.try_into().map_err(|_| SealError::Header)?;
        let kem = <[u8; KEM_KEY]>::try_from(&key[32..]).map_err(|_| SealError::Header)?;
        EncapsulationKey::new(&kem.into()).map_err(|_| SealError::Header)?;
        Ok(Self(key))
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; BOX_KEY_LEN] {
        &self.0
    }

    /// First 16 bytes of its hash.
    pub fn id(&self) -> [u8; 16] {
        blake3::hash(&self.0).as_bytes()[..16].try_into().expect("a hash has more than 16 bytes")
    }

    /// Seals a key for its owner.
    ///
    /// # Errors
    /// [`SealError::Header`] where this is no key of the KEM.
    pub fn seal(
        &self,
        purpose: BoxPurpose,
        context: &[u8; 16],
        epoch: u32,
        key: &[u8; 32],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::with_capacity(BOX_LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[1, purpose as u8, 0, 0]);
        out.extend_from_slice(context);
        out.extend_from_slice(&epoch.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.id());
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *secret);
        let ephemeral = x25519(*secret, X25519_BASEPOINT_BYTES);
        let their: [u8; 32] = self.0[..32].try_into().expect("a key has more than 32 bytes");
        let dh = Zeroizing::new(x25519(*secret, their));
        let kem_key = <[u8; KEM_KEY]>::try_from(&self.0[32..]).map_err(|_| SealError::Header)?;
        let kem_key = EncapsulationKey::new(&kem_key.into()).map_err(|_| SealError::Header)?;
        let (ciphertext, kem) = kem_key.encapsulate_with_rng(rng);
        out.extend_from_slice(&ephemeral);
        out.extend_from_slice(&ciphertext);
        let cipher = combined(kem.as_slice(), &dh, &ephemeral, self, &ciphertext);
        let payload = Payload { msg: key, aad: &out[..HEAD] };
        let sealed = cipher.encrypt(&XNonce::default(), payload).map_err(|_| SealError::TooLong)?;
        out.extend_from_slice(&sealed);
        Ok(out)
    }
}

/// The cipher of one box.
fn combined(kem: &[u8], dh: &[u8; 32], ephemeral: &[u8; 32], to: &BoxKey, ciphertext: &[u8]) -> XChaCha20Poly1305 {
    let mut hasher = blake3::Hasher::new_derive_key("pumasi v1 box");
    hasher.update(kem).update(dh).update(ephemeral).update(&to.0[..32]).update(ciphertext);
    let key = Zeroizing::new(*hasher.finalize().as_bytes());
    XChaCha20Poly1305::new((&*key).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    #[test]
    fn a_box_opens_for_its_key_purpose_and_context_only_and_every_byte_counts() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mine, other) = (BoxSecret::of_device(&[1; 32]), BoxSecret::of_device(&[2; 32]));
        let public = BoxKey::parse(mine.public().as_bytes()).unwrap();
        let sealed = public.seal(BoxPurpose::Root, &[7; 16], 3, &[9; 32], &mut rng).unwrap();
        assert_eq!(sealed.len(), BOX_LEN);
        assert_eq!(BOX_LEN, 1_216);
        assert!(mine.open(BoxPurpose::Root, &[7; 16], &sealed).is_ok_and(|(key, epoch)| (*key, epoch) == ([9; 32], 3)));
        assert!(other.open(BoxPurpose::Root, &[7; 16], &sealed).is_err());
        assert!(mine.open(BoxPurpose::Bucket, &[7; 16], &sealed).is_err());
        assert!(mine.open(BoxPurpose::Root, &[8; 16], &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1 << (at % 8);
            // The top bit of an X25519 value is ignored by definition, but it is hashed.
            assert!(mine.open(BoxPurpose::Root, &[7; 16], &bad).is_err(), "byte {at}");
        }
        assert!(mine.open(BoxPurpose::Root, &[7; 16], &sealed[1..]).is_err());
        assert!(BoxKey::parse(&[0xff; BOX_KEY_LEN]).is_err(), "no key of the KEM");
    }

    #[test]
    fn keys_are_locked() {
        let public = BoxSecret::of_device(&[1; 32]).public();
        let id: String = public.id().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(id, include_str!("../tests/golden/box_key.txt").trim());
    }
}
