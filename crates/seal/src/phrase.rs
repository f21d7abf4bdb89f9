//! The recovery phrase: 256 random bits and 8 of checksum as 24 words of a published list (BIP 39, English or simplified Chinese;
//! `docs/design/security.md` §5). It wraps the account's root and is never its seed, so that it can be issued anew without
//! touching data.
//!
//! Key = `derive_key("pumasi v1 phrase", P)`, slot found by `derive_key("pumasi v1 phrase locator", P)[0..16]`; what signs a
//! recovery is `derive_key("pumasi v1 phrase signing", P)`.

use crate::keys::{ContentKey, PathKey, Purpose};
use crate::{AccountRoot, SealError, Wrapped};
use bip39::{Language, Mnemonic};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Words of a phrase.
pub const PHRASE_WORDS: usize = 24;

/// The list the words are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PhraseList {
    /// English.
    #[default]
    English,
    /// Simplified Chinese: one character a word.
    Chinese,
}

impl PhraseList {
    const fn language(self) -> Language {
        match self {
            Self::English => Language::English,
            Self::Chinese => Language::SimplifiedChinese,
        }
    }
}

/// Why a text is no phrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// Not 24 words.
    #[error("it has {0} words, a phrase has 24")]
    Count(usize),
    /// A word that stands in no list; with the nearest that does.
    #[error("word {at} is not in the list{}", .near.as_ref().map(|w| format!("; did you mean `{w}`?")).unwrap_or_default())]
    Word {
        /// Which, from 1.
        at: usize,
        /// One that begins alike.
        near: Option<String>,
    },
    /// All words are in the list, but not these together: one was changed or two were swapped.
    #[error("these words do not belong together: one is wrong, or two are swapped")]
    Checksum,
}

/// A phrase: 32 secret bytes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Phrase([u8; 32]);

impl Phrase {
    /// A new one.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Its words.
    pub fn words(&self, list: PhraseList) -> Vec<&'static str> {
        let mnemonic = Mnemonic::from_entropy_in(list.language(), &self.0);
        mnemonic.expect("32 bytes make 24 words").words().collect()
    }

    /// Reads words of either list, in any case, parted by anything that is no letter; Chinese ones may stand side by side.
    ///
    /// # Errors
    /// [`PhraseError`], which says which word.
    pub fn parse(text: &str) -> Result<Self, PhraseError> {
        let is_chinese = text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        let list = if is_chinese { PhraseList::Chinese } else { PhraseList::English };
        let words: Vec<String> = if is_chinese {
            text.chars().filter(|c| c.is_alphabetic()).map(String::from).collect()
        } else {
            let parts = text.split(|c: char| !c.is_alphabetic()).filter(|part| !part.is_empty());
            parts.map(str::to_lowercase).collect()
        };
        if words.len() != PHRASE_WORDS {
            return Err(PhraseError::Count(words.len()));
        }
        if let Some(at) = words.iter().position(|word| list.language().find_word(word).is_none()) {
            return Err(PhraseError::Word { at: at + 1, near: nearest(list, &words[at]) });
        }
        let mnemonic = Mnemonic::parse_in_normalized(list.language(), &words.join(" "));
        let mut entropy = mnemonic.map_err(|_| PhraseError::Checksum)?.to_entropy();
        let bytes = entropy.as_slice().try_into().map_err(|_| PhraseError::Checksum);
        entropy.zeroize();
        bytes.map(Self)
    }

    /// Where its slot is found.
    pub fn locator(&self) -> [u8; 16] {
        let hash = blake3::derive_key("pumasi v1 phrase locator", &self.0);
        hash[..16].try_into().expect("a hash has more than 16 bytes")
    }

    /// Secret of the key that signs a recovery.
    pub fn signing(&self) -> [u8; 32] {
        blake3::derive_key("pumasi v1 phrase signing", &self.0)
    }

    /// Wraps an account's root.
    pub fn wrap(&self, account: &[u8; 16], root: &AccountRoot, rng: &mut impl CryptoRng) -> Wrapped {
        let key = ContentKey::from_bytes(*root.as_bytes());
        Wrapped::seal(&self.key(), Purpose::Root, account, &self.locator(), &key, rng)
    }

    /// Opens what [`Self::wrap`] made.
    ///
    /// # Errors
    /// [`SealError::WrongKey`], [`SealError::Header`].
    pub fn open(&self, account: &[u8; 16], wrapped: &Wrapped) -> Result<AccountRoot, SealError> {
        let key = wrapped.open(&self.key(), Purpose::Root, account, &self.locator())?;
        Ok(AccountRoot::from_bytes(*key.bytes()))
    }

    fn key(&self) -> PathKey {
        PathKey::from_bytes(blake3::derive_key("pumasi v1 phrase", &self.0))
    }
}

/// The first word of the list with the longest beginning in common, at least three letters.
fn nearest(list: PhraseList, word: &str) -> Option<String> {
    let common = |other: &&str| other.chars().zip(word.chars()).take_while(|(a, b)| a == b).count();
    let best = list.language().word_list().iter().copied().max_by_key(common)?;
    (common(&best) >= 3).then(|| best.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    #[test]
    fn words_read_back_in_both_lists_however_they_are_written() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let phrase = Phrase::random(&mut rng);
        for (list, joint) in [(PhraseList::English, " "), (PhraseList::Chinese, " "), (PhraseList::Chinese, "")] {
            let words = phrase.words(list);
            assert_eq!(words.len(), PHRASE_WORDS);
            assert_eq!(Phrase::parse(&words.join(joint)).map(|p| p.0), Ok(phrase.0));
        }
        let numbered: String = phrase
            .words(PhraseList::English)
            .iter()
            .enumerate()
            .map(|(i, w)| format!("{}. {}\n", i + 1, w.to_uppercase()))
            .collect();
        assert_eq!(Phrase::parse(&numbered).map(|p| p.0), Ok(phrase.0));
    }

    #[test]
    fn a_wrong_word_is_named() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let words = Phrase::random(&mut rng).words(PhraseList::English);
        let mut wrong = words.clone();
        wrong[4] = "zebro";
        let error = Phrase::parse(&wrong.join(" ")).map(|_| ()).unwrap_err();
        assert_eq!(error, PhraseError::Word { at: 5, near: Some("zebra".into()) });
        assert_eq!(Phrase::parse(&words[..23].join(" ")).map(|_| ()), Err(PhraseError::Count(23)));
        assert_eq!(Phrase::parse("").map(|_| ()), Err(PhraseError::Count(0)));
        let mut swapped = words.clone();
        swapped.swap(0, 1);
        // One in 256 swaps keeps the checksum; this seed's does not.
        assert_eq!(Phrase::parse(&swapped.join(" ")).map(|_| ()), Err(PhraseError::Checksum));
    }

    #[test]
    fn the_first_published_vector_has_its_words() {
        // BIP 39, test vectors: 32 zero bytes.
        let words = Phrase([0; 32]).words(PhraseList::English);
        assert_eq!((words[..23].iter().all(|w| *w == "abandon"), words[23]), (true, "art"));
    }

    #[test]
    fn a_root_opens_with_its_phrase_and_account_only() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (phrase, other) = (Phrase::random(&mut rng), Phrase::random(&mut rng));
        let root = AccountRoot::random(&mut rng);
        let wrapped = phrase.wrap(&[7; 16], &root, &mut rng);
        assert_eq!(phrase.open(&[7; 16], &wrapped).map(|r| *r.as_bytes()), Ok(*root.as_bytes()));
        assert!(other.open(&[7; 16], &wrapped).is_err() && phrase.open(&[8; 16], &wrapped).is_err());
        assert_ne!(phrase.locator()[..], phrase.signing()[..16]);
    }
}
