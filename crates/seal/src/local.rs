//! What this machine keeps for itself beside its keys: sealed under a key of the device, so that the file alone tells nothing.
//!
//! Nonce 24 · ciphertext · tag 16; XChaCha20-Poly1305 under `derive_key("pumasi v1 local", device secret)`, the caller's
//! context as associated data, so that what was sealed for one file opens as no other.

use crate::{ContentKey, Header, Role, SealError};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use model::BucketId;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

const NONCE: usize = 24;

/// The key for a machine's own files.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LocalKey([u8; 32]);

impl LocalKey {
    /// Of a device's secret.
    pub fn of(device: &[u8; 32]) -> Self {
        Self(blake3::derive_key("pumasi v1 local", device))
    }

    /// Seals bytes under a context.
    pub fn seal(&self, context: &[u8], plain: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let payload = Payload { msg: plain, aad: context };
        let sealed = self.cipher().encrypt(XNonce::from_slice(&nonce), payload);
        [&nonce[..], &sealed.expect("bytes that fit memory are not too long for the cipher")].concat()
    }

    /// Opens what [`Self::seal`] made under the same context.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] for anything else.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, body) = sealed.split_at_checked(NONCE).ok_or(SealError::WrongKey)?;
        let payload = Payload { msg: body, aad: context };
        self.cipher().decrypt(XNonce::from_slice(nonce), payload).map_err(|_| SealError::WrongKey)
    }

    /// The key and the header of a run that is being written, so that it can go on after an interruption with the very same
    /// sealed bytes.
    pub fn seal_run(&self, context: &[u8], key: &ContentKey, header: &Header, rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut plain = [&key.bytes()[..], header.as_bytes()].concat();
        let sealed = self.seal(context, &plain, rng);
        plain.zeroize();
        sealed
    }

    /// Opens what [`Self::seal_run`] made, for a bucket's content.
    ///
    /// # Errors
    /// [`SealError::WrongKey`], [`SealError::Header`].
    pub fn open_run(
        &self,
        context: &[u8],
        bucket: &BucketId,
        sealed: &[u8],
    ) -> Result<(ContentKey, Header), SealError> {
        let mut plain = self.open(context, sealed)?;
        let key = plain.first_chunk::<32>().copied().ok_or(SealError::Header)?;
        let header = Header::parse_as(&plain[32..], Role::Content, bucket);
        plain.zeroize();
        Ok((ContentKey::from_bytes(key), header?))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&self.0).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    #[test]
    fn it_opens_under_its_own_key_and_context_only() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mine, other) = (LocalKey::of(&[1; 32]), LocalKey::of(&[2; 32]));
        let sealed = mine.seal(b"stage", b"a secret", &mut rng);
        assert_eq!(mine.open(b"stage", &sealed).as_deref(), Ok(&b"a secret"[..]));
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        assert!(other.open(b"stage", &sealed).is_err() && mine.open(b"index", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(mine.open(b"stage", &bad).is_err(), "bit {bit}");
        }
        let bucket = BucketId([9; 16]);
        let key = ContentKey::random(&mut rng);
        let header = Header::new(&key, Role::Content, &bucket, 0, &mut rng);
        let run = mine.seal_run(b"put", &key, &header, &mut rng);
        let (again, same) = mine.open_run(b"put", &bucket, &run).unwrap();
        assert_eq!((again.bytes(), same.as_bytes()), (key.bytes(), header.as_bytes()));
        assert!(
            mine.open_run(b"put", &BucketId([8; 16]), &run).is_err() && other.open_run(b"put", &bucket, &run).is_err()
        );
        (0..sealed.len()).for_each(|len| assert!(mine.open(b"stage", &sealed[..len]).is_err()));
    }
}
