//! The keybag: what an account holds beside its root, sealed under `derive_key("pumasi v1 keybag", R)` as a run of role 6
//! (`docs/design/security.md` §4.1, §4.2). It stands at the center, so that whoever has the root has all of it.
//!
//! Plain: format 1 · reserved 7 · signing seed of the identity 32 · seed of its boxes 64 · seed of the ledger's key 32 · zeros to
//! 256. In front of the sealed run stands its header; the account's id stands where a bucket's would.

use crate::{AccountRoot, BoxSecret, Header, Role, SealError, open_run, seal_run};
use model::BucketId;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

const FORMAT: u8 = 1;
const PLAIN: usize = 256;
/// Longest sealed keybag in bytes.
pub const KEYBAG_MAX: usize = 1_024;

/// Keys of one account.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Keybag {
    signing: [u8; 32],
    boxes: [u8; 64],
    ledger: [u8; 32],
}

impl Keybag {
    /// New keys.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bag = Self { signing: [0; 32], boxes: [0; 64], ledger: [0; 32] };
        rng.fill_bytes(&mut bag.signing);
        rng.fill_bytes(&mut bag.boxes);
        rng.fill_bytes(&mut bag.ledger);
        bag
    }

    /// Secret of the key that speaks for the account in its device log.
    pub const fn signing(&self) -> &[u8; 32] {
        &self.signing
    }

    /// Opens what is sealed for the account.
    pub const fn boxes(&self) -> BoxSecret {
        BoxSecret::from_seed(self.boxes)
    }

    /// Sealed for the account.
    ///
    /// # Errors
    /// [`SealError::TooLong`], never in practice.
    pub fn seal(&self, root: &AccountRoot, account: &[u8; 16], rng: &mut impl CryptoRng) -> Result<Vec<u8>, SealError> {
        let mut plain = vec![0; PLAIN];
        plain[0] = FORMAT;
        plain[8..40].copy_from_slice(&self.signing);
        plain[40..104].copy_from_slice(&self.boxes);
        plain[104..136].copy_from_slice(&self.ledger);
        let header = Header::new(&root.keybag(), Role::Keybag, &BucketId(*account), 0, rng);
        let sealed = seal_run(&root.keybag(), &header, &plain);
        plain.zeroize();
        Ok([&header.as_bytes()[..], &sealed?].concat())
    }

    /// Opens what [`Self::seal`] made.
    ///
    /// # Errors
    /// [`SealError::Commitment`] for another root, [`SealError::Header`], [`SealError::Damaged`].
    pub fn open(root: &AccountRoot, account: &[u8; 16], sealed: &[u8]) -> Result<Self, SealError> {
        let (header, run) = sealed.split_at_checked(Header::LEN).ok_or(SealError::Header)?;
        let header = Header::parse_as(header, Role::Keybag, &BucketId(*account))?;
        let mut plain = open_run(&root.keybag(), &header, run)?;
        let fits = plain.len() == PLAIN && plain[0] == FORMAT && plain[1..8] == [0; 7];
        let array = |from: usize| plain[from..from + 32].try_into().expect("32 bytes were taken");
        let bag = fits.then(|| {
            let boxes = plain[40..104].try_into().expect("64 bytes were taken");
            Self { signing: array(8), boxes, ledger: array(104) }
        });
        plain.zeroize();
        bag.ok_or(SealError::Header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    #[test]
    fn a_keybag_opens_for_its_root_and_account_only() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (root, other) = (AccountRoot::random(&mut rng), AccountRoot::random(&mut rng));
        let bag = Keybag::random(&mut rng);
        let sealed = bag.seal(&root, &[7; 16], &mut rng).unwrap();
        assert!(sealed.len() <= KEYBAG_MAX);
        let back = Keybag::open(&root, &[7; 16], &sealed).unwrap();
        assert_eq!((back.signing, back.boxes, back.ledger), (bag.signing, bag.boxes, bag.ledger));
        assert!(Keybag::open(&other, &[7; 16], &sealed).is_err() && Keybag::open(&root, &[8; 16], &sealed).is_err());
        for bit in (0..sealed.len() * 8).step_by(3) {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Keybag::open(&root, &[7; 16], &bad).is_err(), "bit {bit}");
        }
    }
}
