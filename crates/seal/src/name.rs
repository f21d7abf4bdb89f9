//! Sealed names: each component of a path under its directory's key, deterministic inside one directory, so that the center
//! can look a name up and compare nothing across directories (`docs/design/security.md` §4.3).

use crate::SealError;
use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use model::BucketId;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Longest plain name in bytes.
pub const NAME_MAX: usize = 1_024;
/// Deepest path.
pub const DEPTH_MAX: usize = 128;

/// The key of one directory's names.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct NameKey {
    chain: [u8; 32],
    #[zeroize(skip)]
    bucket: BucketId,
}

impl NameKey {
    /// Value that tells a right name key from a wrong one; kept in clear in the bucket's row.
    pub(crate) fn check_value(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.chain);
        hasher.update(b"check").update(self.bucket.as_bytes());
        hasher.finalize().as_bytes()[..16].try_into().expect("a hash has more than 16 bytes")
    }

    pub(crate) const fn chain(&self) -> &[u8; 32] {
        &self.chain
    }

    pub(crate) const fn from_chain(chain: [u8; 32], bucket: BucketId) -> Self {
        Self { chain, bucket }
    }

    /// The key of a directory below this one.
    pub(crate) fn below(&self, component: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&self.chain);
        hasher.update(b"component").update(component.as_bytes());
        Self { chain: *hasher.finalize().as_bytes(), bucket: self.bucket }
    }

    fn siv(&self) -> Aes256Siv {
        let mut key = [0; 64];
        let mut hasher = blake3::Hasher::new_keyed(&self.chain);
        hasher.update(b"name").finalize_xof().fill(&mut key);
        let siv = Aes256Siv::new((&key).into());
        key.zeroize();
        siv
    }

    /// What a component is bound to: bucket ‖ depth.
    fn place(&self, depth: u16) -> [u8; 18] {
        let mut place = [0; 18];
        place[..16].copy_from_slice(self.bucket.as_bytes());
        place[16..].copy_from_slice(&depth.to_le_bytes());
        place
    }

    fn seal_component(&self, component: &str, depth: u16) -> Result<Vec<u8>, SealError> {
        let mut padded = component.as_bytes().to_vec();
        padded.push(0x80);
        padded.resize(padded.len().div_ceil(16) * 16, 0);
        self.siv().encrypt([self.place(depth)], &padded).map_err(|_| SealError::TooLong)
    }

    fn open_component(&self, sealed: &[u8], depth: u16) -> Result<String, SealError> {
        let opened = self.siv().decrypt([self.place(depth)], sealed);
        let mut plain = opened.map_err(|_| SealError::WrongKey)?;
        while plain.last() == Some(&0) {
            plain.pop();
        }
        if plain.pop() != Some(0x80) {
            return Err(SealError::Name("bad padding"));
        }
        String::from_utf8(plain).map_err(|_| SealError::Name("not UTF-8"))
    }

    /// Appends the components of `path`, which begins in this directory at `depth`: per component a length as u16 and its
    /// sealed bytes.
    pub(crate) fn seal_parts(&self, path: &str, depth: u16, out: &mut Vec<u8>) -> Result<(), SealError> {
        let mut key = self.clone();
        for (component, depth) in path.split('/').zip(depth..) {
            let sealed = key.seal_component(component, depth)?;
            out.extend_from_slice(&u16::try_from(sealed.len()).map_err(|_| SealError::TooLong)?.to_le_bytes());
            out.extend_from_slice(&sealed);
            key = key.below(component);
        }
        Ok(())
    }

    /// Opens what [`Self::seal_parts`] made.
    pub(crate) fn open_parts(&self, sealed: &[u8], depth: u16) -> Result<String, SealError> {
        let mut key = self.clone();
        let mut parts = Vec::new();
        let mut rest = sealed;
        for depth in depth.. {
            if rest.is_empty() {
                break;
            }
            let (len, tail) = rest.split_first_chunk::<2>().ok_or(SealError::Name("cut"))?;
            let (part, tail) =
                tail.split_at_checked(usize::from(u16::from_le_bytes(*len))).ok_or(SealError::Name("cut"))?;
            if parts.len() == DEPTH_MAX {
                return Err(SealError::TooLong);
            }
            let component = key.open_component(part, depth)?;
            key = key.below(&component);
            parts.push(component);
            rest = tail;
        }
        if parts.is_empty() { Err(SealError::Name("empty")) } else { Ok(parts.join("/")) }
    }
}

/// What every face takes as a name: 1 to 1,024 bytes, no NUL, at most 128 components.
pub fn check(path: &str) -> Result<(), SealError> {
    if path.is_empty() {
        return Err(SealError::Name("it is empty"));
    }
    if path.len() > NAME_MAX {
        return Err(SealError::Name("it is longer than 1,024 bytes"));
    }
    if path.contains('\0') {
        return Err(SealError::Name("it holds a NUL"));
    }
    if path.split('/').count() > DEPTH_MAX {
        return Err(SealError::Name("it has more than 128 components"));
    }
    Ok(())
}

/// Before the names of bucket logs: no face takes a NUL, and before all others in order.
const LOG_PREFIX: &str = "\0log/";

/// Name of the log of a bucket's changes from place `from` on.
pub(crate) fn log_name(from: u64) -> String {
    format!("{LOG_PREFIX}{from:016x}")
}

/// From which place on a log of this name has the bucket's changes; nothing for every name that a face takes.
pub fn log_from(name: &str) -> Option<u64> {
    let from = u64::from_str_radix(name.strip_prefix(LOG_PREFIX)?, 16).ok()?;
    (log_name(from) == name).then_some(from)
}

/// What is stored under: what every face takes, and names of bucket logs.
pub(crate) fn check_stored(name: &str) -> Result<(), SealError> {
    if log_from(name).is_some() { Ok(()) } else { check(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountRoot, BucketKeys};
    use proptest::prelude::*;

    fn names(root: u8) -> BucketKeys {
        let root = AccountRoot::from_bytes([root; 32]);
        root.bucket(&BucketId([3; 16]))
    }

    #[test]
    fn names_open_again_and_only_under_their_key() {
        for path in ["a", "a/b/c", "照片/春.jpg", "a//b", "../x", "with\nnewline", &"x".repeat(1_024)] {
            let sealed = names(1).seal_name(path).unwrap();
            assert_eq!(names(1).open_name(&sealed).unwrap(), path);
            assert_eq!(names(2).open_name(&sealed), Err(SealError::WrongKey));
        }
    }

    #[test]
    fn one_name_is_sealed_alike_in_one_directory_and_otherwise_elsewhere() {
        let k = names(1);
        assert_eq!(k.seal_name("a/b").unwrap(), k.seal_name("a/b").unwrap());
        let (x, y) = (k.seal_name("a/same").unwrap(), k.seal_name("b/same").unwrap());
        assert_ne!(x[x.len() - 32..], y[y.len() - 32..]);
    }

    #[test]
    fn nul_empty_and_too_long_are_no_names() {
        for path in ["", "a\0b", &"x".repeat(1_025), &"a/".repeat(128)] {
            assert!(matches!(names(1).seal_name(path), Err(SealError::Name(_))));
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_open_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(names(1).open_name(&bytes).is_err());
        }

        #[test]
        fn any_text_is_a_name_or_refused(path in "\\PC{1,80}") {
            if let Ok(sealed) = names(1).seal_name(&path) {
                prop_assert_eq!(names(1).open_name(&sealed).unwrap(), path);
            }
        }
    }
}
