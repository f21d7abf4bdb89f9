//! The copy of an account among the pieces, from which a phrase alone, or a device with the root, brings it back without a center
//! (`docs/design/security.md` §5): in the label of its pieces the root's wrap, in their content device log and keybag.
//!
//! Label, 512 bytes: format 3 · reserved 7 · account 16 · wrap 80, zeros where no phrase was issued · copy 16 · zeros · locator 16:
//! the phrase's, or one of the root's own. Content: one run under `derive_key("pumasi v1 account copy", R ‖ copy)`, whose header
//! follows from key and copy.
//!
//! (A) Who has neither phrase nor root learns from it that an account exists, and no more: its locator tells nothing. (B) What was
//! changed does not open.

use crate::keys::{AccountRoot, ContentKey, Wrapped};
use crate::{Header, LABEL_LEN, Role, SealError};
use model::{AccountId, BucketId};

/// Format of the label.
const FORMAT: u8 = 3;
const WRAP_AT: usize = 24;
const COPY_AT: usize = WRAP_AT + Wrapped::LEN;
const ZERO_AT: usize = COPY_AT + 16;
const LOCATOR_AT: usize = LABEL_LEN - 16;

/// What the label says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLabel {
    /// The account.
    pub account: AccountId,
    /// Its root, wrapped for a phrase; none where no phrase was issued.
    pub wrap: Option<Vec<u8>>,
    /// Random, of this copy.
    pub copy: [u8; 16],
    /// What it is found by.
    pub locator: [u8; 16],
}

impl AccountLabel {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![0; LABEL_LEN];
        out[0] = FORMAT;
        out[8..WRAP_AT].copy_from_slice(&self.account.0);
        if let Some(wrap) = self.wrap.as_ref().filter(|wrap| wrap.len() == Wrapped::LEN) {
            out[WRAP_AT..COPY_AT].copy_from_slice(wrap);
        }
        out[COPY_AT..ZERO_AT].copy_from_slice(&self.copy);
        out[LOCATOR_AT..].copy_from_slice(&self.locator);
        out
    }

    /// Reads what [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// [`SealError::Header`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let is_label = bytes.len() == LABEL_LEN && bytes[0] == FORMAT && bytes[1..8] == [0; 7];
        if !is_label || bytes[ZERO_AT..LOCATOR_AT].iter().any(|byte| *byte != 0) {
            return Err(SealError::Header);
        }
        let take = |at: usize| bytes[at..at + 16].try_into().map_err(|_| SealError::Header);
        let wrap = &bytes[WRAP_AT..COPY_AT];
        Ok(Self {
            account: AccountId(take(8)?),
            wrap: wrap.iter().any(|byte| *byte != 0).then(|| wrap.to_vec()),
            copy: take(COPY_AT)?,
            locator: take(LOCATOR_AT)?,
        })
    }
}

impl AccountRoot {
    /// Key and header of a copy's content.
    pub fn account_copy(&self, bucket: &BucketId, copy: &[u8; 16]) -> (ContentKey, Header) {
        let mut hasher = blake3::Hasher::new_derive_key("pumasi v1 account copy");
        hasher.update(self.as_bytes()).update(copy);
        let key = ContentKey::from_bytes(*hasher.finalize().as_bytes());
        let header = Header::told(&key, Role::Content, bucket, *copy);
        (key, header)
    }

    /// What a copy is found by where no phrase was issued.
    pub fn locator(&self) -> [u8; 16] {
        let hash = blake3::derive_key("pumasi v1 account locator", self.as_bytes());
        hash[..16].try_into().expect("a hash has more than 16 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Phrase, open_run, seal_run};
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    #[test]
    fn a_phrase_alone_opens_the_copy_and_nobody_else_does() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (root, phrase) = (AccountRoot::random(&mut rng), Phrase::random(&mut rng));
        let (account, bucket) = (AccountId([7; 16]), root.bucket_id("hidden"));
        let wrap = phrase.wrap(&account.0, &root, &mut rng).as_bytes().to_vec();
        let label = AccountLabel { account, wrap: Some(wrap), copy: [5; 16], locator: phrase.locator() };
        let (key, header) = root.account_copy(&bucket, &label.copy);
        let sealed = seal_run(&key, &header, b"log and keybag").unwrap();
        let back = AccountLabel::parse(&label.to_bytes()).unwrap();
        assert_eq!(back, label);
        let wrap = Wrapped::parse(&back.wrap.clone().unwrap()).unwrap();
        let found = phrase.open(&back.account.0, &wrap).unwrap();
        assert_eq!(found.as_bytes(), root.as_bytes());
        let (key, header) = found.account_copy(&found.bucket_id("hidden"), &back.copy);
        assert_eq!(open_run(&key, &header, &sealed).unwrap(), b"log and keybag");
        assert!(Phrase::random(&mut rng).open(&back.account.0, &wrap).is_err());
        let (other, header) = AccountRoot::random(&mut rng).account_copy(&bucket, &back.copy);
        assert!(open_run(&other, &header, &sealed).is_err());
        let none = AccountLabel { wrap: None, ..label };
        assert_eq!(AccountLabel::parse(&none.to_bytes()), Ok(none));
    }

    proptest::proptest! {
        #[test]
        fn random_bytes_are_no_label_and_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let _ = AccountLabel::parse(&bytes);
        }
    }
}
