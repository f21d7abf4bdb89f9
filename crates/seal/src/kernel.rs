//! The raw cipher alone: what `pumasi bench` holds the whole way against.

use crate::content::SEALED_CHUNK;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Encrypts `bytes` in place, chunk by chunk, under a key that is nobody's. For measuring only: the nonce is always the same.
pub fn cipher(bytes: &mut [u8]) {
    let Ok(key) = UnboundKey::new(&AES_256_GCM, &[1; 32]).map(LessSafeKey::new) else { return };
    for chunk in bytes.chunks_mut(SEALED_CHUNK).filter(|chunk| chunk.len() > 16) {
        let (body, tag) = chunk.split_at_mut(chunk.len() - 16);
        let made = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key([7; 12]), Aad::from([0; 96]), body);
        if let Ok(made) = made {
            tag.copy_from_slice(made.as_ref());
        }
    }
}
