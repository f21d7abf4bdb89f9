//! Keys of one bucket, or of what lies below a folder of it, or of one object (`docs/design/security.md` §4.1).
//!
//! Content: `c_0 = derive_key("path", S ‖ bucket)`, `c_i = keyed_hash(c_{i−1}, "component" ‖ part)`, and an object's path key is
//! `keyed_hash(c_n, "content")`. Names: the same chain from `N`. Whoever holds the two values of a folder holds what is below it
//! and nothing else; whoever holds a path key holds one object without what lies below it.
//!
//! As bytes: format 1 · kind u8 (1 folder, 2 object) · reserved 2 · bucket 16 · key check 16 · path chain or path key 32 · name
//! chain 32 (zero for an object) · base u16 + bytes · sealed base u16 + bytes.

use crate::keys::{PathKey, Purpose};
use crate::{ContentKey, NameKey, SealError, Wrapped};
use model::BucketId;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

const FORMAT: u8 = 1;
/// Bytes before the two names.
const FIXED: usize = 4 + 16 + 16 + 32 + 32;

/// Keys of one bucket or of a part of it.
#[derive(Clone)]
pub struct BucketKeys {
    bucket: BucketId,
    check: [u8; 16],
    /// Folder or object these keys begin at; empty for the whole bucket.
    base: String,
    base_sealed: Vec<u8>,
    secret: Secret,
}

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
enum Secret {
    /// Of a folder: `c_n` of the path, and the key of its names.
    Folder([u8; 32], NameKey),
    /// Of one object.
    Object(PathKey),
}

impl BucketKeys {
    /// Of a whole bucket, from its content key `S_0` and its name root `N`.
    pub(crate) fn whole(bucket: BucketId, mut content: [u8; 32], mut names: [u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&content);
        hasher.update(b"check").update(bucket.as_bytes()).update(&0u32.to_le_bytes());
        let check = hasher.finalize().as_bytes()[..16].try_into().expect("a hash has more than 16 bytes");
        let of = |context: &str, key: &[u8; 32]| {
            let mut hasher = blake3::Hasher::new_derive_key(context);
            hasher.update(key).update(bucket.as_bytes());
            *hasher.finalize().as_bytes()
        };
        let path = of("pumasi v1 path", &content);
        let names_key = NameKey::from_chain(of("pumasi v1 name", &names), bucket);
        content.zeroize();
        names.zeroize();
        let secret = Secret::Folder(path, names_key);
        Self { bucket, check, base: String::new(), base_sealed: Vec::new(), secret }
    }

    /// Which bucket.
    pub const fn bucket(&self) -> &BucketId {
        &self.bucket
    }

    /// Value that tells a right key from a wrong one before anything is listed; kept in clear in the bucket's row.
    pub const fn check_value(&self) -> [u8; 16] {
        self.check
    }

    /// The same for the key of names; none where these keys are of a part only.
    pub fn name_check(&self) -> Option<[u8; 16]> {
        match &self.secret {
            Secret::Folder(_, names) if self.base.is_empty() => Some(names.check_value()),
            _ => None,
        }
    }

    /// Folder or object these keys begin at; empty for the whole bucket.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The same as the center knows it.
    pub fn base_sealed(&self) -> &[u8] {
        &self.base_sealed
    }

    /// Whether they are of one object only.
    pub const fn is_object(&self) -> bool {
        matches!(self.secret, Secret::Object(_))
    }

    /// Whether they open this name.
    pub fn covers(&self, name: &str) -> bool {
        self.below_base(name).is_some_and(|rest| rest.is_empty() || !self.is_object())
    }

    /// What of `name` lies below the base; empty for the base itself.
    fn below_base<'a>(&self, name: &'a str) -> Option<&'a str> {
        match name.strip_prefix(self.base.as_str())? {
            rest if self.base.is_empty() => Some(rest),
            "" => Some(""),
            rest => rest.strip_prefix('/'),
        }
    }

    /// Keys of what lies below a folder.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] where these do not reach so far, [`SealError::Name`].
    pub fn folder(&self, path: &str) -> Result<Self, SealError> {
        let base = path.trim_end_matches('/');
        if base == self.base {
            return Ok(self.clone());
        }
        let base_sealed = self.seal_name(base)?;
        let rest = self.below_base(base).ok_or(SealError::WrongKey)?;
        let Secret::Folder(path, names) = &self.secret else { return Err(SealError::WrongKey) };
        let names = rest.split('/').fold(names.clone(), |key, part| key.below(part));
        let secret = Secret::Folder(chain(path, rest), names);
        Ok(Self { bucket: self.bucket, check: self.check, base: base.to_owned(), base_sealed, secret })
    }

    /// Keys of one object.
    ///
    /// # Errors
    /// As [`Self::folder`].
    pub fn object(&self, name: &str) -> Result<Self, SealError> {
        let base_sealed = self.seal_name(name)?;
        let secret = Secret::Object(self.path_key(name)?);
        Ok(Self { bucket: self.bucket, check: self.check, base: name.to_owned(), base_sealed, secret })
    }

    /// A name as the center knows it.
    ///
    /// # Errors
    /// [`SealError::Name`] for a name no face takes, [`SealError::WrongKey`] for one that lies elsewhere.
    pub fn seal_name(&self, name: &str) -> Result<Vec<u8>, SealError> {
        crate::name::check(name)?;
        self.seal_any(name)
    }

    fn seal_any(&self, name: &str) -> Result<Vec<u8>, SealError> {
        let rest = self.below_base(name).ok_or(SealError::WrongKey)?;
        match &self.secret {
            _ if rest.is_empty() && !self.base.is_empty() => Ok(self.base_sealed.clone()),
            Secret::Folder(_, names) => {
                let mut sealed = self.base_sealed.clone();
                names.seal_parts(rest, self.depth(), &mut sealed)?;
                Ok(sealed)
            }
            Secret::Object(_) => Err(SealError::WrongKey),
        }
    }

    /// Opens what [`Self::seal_name`] made.
    ///
    /// # Errors
    /// [`SealError::WrongKey`], [`SealError::Name`].
    pub fn open_name(&self, sealed: &[u8]) -> Result<String, SealError> {
        let rest = sealed.strip_prefix(self.base_sealed.as_slice()).ok_or(SealError::WrongKey)?;
        match &self.secret {
            _ if rest.is_empty() && !self.base.is_empty() => Ok(self.base.clone()),
            Secret::Folder(_, names) if self.base.is_empty() => names.open_parts(rest, 0),
            Secret::Folder(_, names) => Ok(format!("{}/{}", self.base, names.open_parts(rest, self.depth())?)),
            Secret::Object(_) => Err(SealError::WrongKey),
        }
    }

    /// Components of the base.
    fn depth(&self) -> u16 {
        let parts = if self.base.is_empty() { 0 } else { self.base.split('/').count() };
        u16::try_from(parts).unwrap_or(u16::MAX)
    }

    /// Path key of an object.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] where the object lies elsewhere.
    pub fn path_key(&self, object: &str) -> Result<PathKey, SealError> {
        let rest = self.below_base(object).ok_or(SealError::WrongKey)?;
        match &self.secret {
            Secret::Object(key) if rest.is_empty() => Ok(key.clone()),
            Secret::Object(_) => Err(SealError::WrongKey),
            Secret::Folder(path, _) if rest.is_empty() => Ok(PathKey::of_chain(path)),
            Secret::Folder(path, _) => {
                let mut end = chain(path, rest);
                let key = PathKey::of_chain(&end);
                end.zeroize();
                Ok(key)
            }
        }
    }

    /// Wraps a content key, or with [`Purpose::Manifest`] that of a manifest, for an object.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] where the object lies elsewhere.
    pub fn wrap(
        &self,
        purpose: Purpose,
        object: &str,
        content_id: &[u8; 16],
        key: &ContentKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Wrapped, SealError> {
        Ok(Wrapped::seal(&self.path_key(object)?, purpose, &self.bucket.0, content_id, key, rng))
    }

    /// Unwraps what [`Self::wrap`] wrapped.
    ///
    /// # Errors
    /// [`SealError::WrongKey`], [`SealError::Header`].
    pub fn unwrap(
        &self,
        purpose: Purpose,
        object: &str,
        content_id: &[u8; 16],
        wrapped: &Wrapped,
    ) -> Result<ContentKey, SealError> {
        wrapped.open(&self.path_key(object)?, purpose, &self.bucket.0, content_id)
    }

    /// What logs of this bucket are found by at holders, without a center; none where these keys are of a part only.
    pub fn locator(&self) -> Option<[u8; 16]> {
        match &self.secret {
            Secret::Folder(path, _) if self.base.is_empty() => {
                let hash = blake3::keyed_hash(path, b"locator");
                hash.as_bytes().first_chunk::<16>().copied()
            }
            _ => None,
        }
    }

    /// Name of the log of changes from place `from` on, and the same as the center knows it. No face takes such a name.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] where these keys are of a part only.
    pub fn log_name(&self, from: u64) -> Result<(String, Vec<u8>), SealError> {
        let name = crate::name::log_name(from);
        let sealed = self.seal_any(&name)?;
        Ok((name, sealed))
    }

    /// As [`Self::seal_name`], also of a bucket log's name.
    ///
    /// # Errors
    /// As [`Self::seal_name`].
    pub fn seal_stored(&self, name: &str) -> Result<Vec<u8>, SealError> {
        crate::name::check_stored(name)?;
        self.seal_any(name)
    }

    /// As bytes: secret, to be given with a grant.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, path, names) = match &self.secret {
            Secret::Folder(path, names) => (1, *path, *names.chain()),
            Secret::Object(key) => (2, *key.bytes(), [0; 32]),
        };
        let mut out = vec![FORMAT, kind, 0, 0];
        out.extend_from_slice(self.bucket.as_bytes());
        out.extend_from_slice(&self.check);
        out.extend_from_slice(&path);
        out.extend_from_slice(&names);
        for text in [self.base.as_bytes(), &self.base_sealed] {
            out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
            out.extend_from_slice(text);
        }
        out
    }

    /// Reads what [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// [`SealError::Header`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let (fixed, mut rest) = bytes.split_first_chunk::<FIXED>().ok_or(SealError::Header)?;
        let array = |from: usize| fixed[from..from + 16].try_into().map_err(|_| SealError::Header);
        let key = |from: usize| fixed[from..from + 32].try_into().map_err(|_| SealError::Header);
        if fixed[0] != FORMAT || fixed[2..4] != [0; 2] {
            return Err(SealError::Header);
        }
        let (bucket, check) = (BucketId(array(4)?), array(20)?);
        let secret = match fixed[1] {
            1 => Secret::Folder(key(36)?, NameKey::from_chain(key(68)?, bucket)),
            2 if fixed[68..] == [0; 32] => Secret::Object(PathKey::from_bytes(key(36)?)),
            _ => return Err(SealError::Header),
        };
        let mut text = || {
            let (len, tail) = rest.split_first_chunk::<2>().ok_or(SealError::Header)?;
            let (text, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*len))).ok_or(SealError::Header)?;
            rest = tail;
            Ok::<_, SealError>(text.to_vec())
        };
        let (base, base_sealed) = (text()?, text()?);
        let base = String::from_utf8(base).map_err(|_| SealError::Header)?;
        let keys = Self { bucket, check, base, base_sealed, secret };
        let is_named = !keys.base.is_empty() && crate::name::check(&keys.base).is_ok();
        let fits = keys.base.is_empty() == keys.base_sealed.is_empty() && (is_named || !keys.is_object());
        if rest.is_empty() && fits { Ok(keys) } else { Err(SealError::Header) }
    }
}

/// The chain on from `from` along the parts of `rest`.
fn chain(from: &[u8; 32], rest: &str) -> [u8; 32] {
    rest.split('/').fold(*from, |at, part| {
        let mut hasher = blake3::Hasher::new_keyed(&at);
        *hasher.update(b"component").update(part.as_bytes()).finalize().as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountRoot;
    use proptest::prelude::*;
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
        let content = Purpose::Content;
        let wrapped = keys(1).wrap(content, "a/b", &[9; 16], &key, &mut rng).unwrap();
        let open = |root, name, id: u8, purpose| keys(root).unwrap(purpose, name, &[id; 16], &wrapped);
        assert!(open(1, "a/b", 9, content).is_ok_and(|k| k.bytes() == key.bytes()));
        for wrong in [open(1, "a/c", 9, content), open(1, "a/b", 8, content), open(2, "a/b", 9, content)] {
            assert_eq!(wrong.err(), Some(SealError::WrongKey));
        }
        assert!(open(1, "a/b", 9, Purpose::Manifest).is_err());
        for bit in 0..Wrapped::LEN * 8 {
            let mut bad = *wrapped.as_bytes();
            bad[bit / 8] ^= 1 << (bit % 8);
            let opened = Wrapped::parse(&bad).and_then(|w| keys(1).unwrap(content, "a/b", &[9; 16], &w));
            assert!(opened.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn keys_of_a_folder_open_what_is_below_and_nothing_else() {
        let all = keys(1);
        let folder = all.folder("2024/trip/").unwrap();
        for name in ["2024/trip/a.jpg", "2024/trip/b/c.jpg", "2024/trip"] {
            assert!(folder.covers(name));
            assert_eq!(folder.seal_name(name), all.seal_name(name));
            assert_eq!(folder.path_key(name).map(|k| *k.bytes()), all.path_key(name).map(|k| *k.bytes()));
            assert_eq!(folder.open_name(&all.seal_name(name).unwrap()).as_deref(), Ok(name));
        }
        for name in ["2024", "2024/trips/a", "2024/trip2", "other", "2024/x"] {
            assert!(
                !folder.covers(name) && folder.seal_name(name).is_err() && folder.path_key(name).is_err(),
                "{name}"
            );
            assert!(folder.open_name(&all.seal_name(name).unwrap()).is_err(), "{name}");
        }
        let deeper = folder.folder("2024/trip/b").unwrap();
        assert!(deeper.covers("2024/trip/b/c.jpg") && !deeper.covers("2024/trip/a.jpg"));
        assert_eq!(deeper.seal_name("2024/trip/b/c.jpg"), all.seal_name("2024/trip/b/c.jpg"));
        assert_eq!((all.name_check().is_some(), folder.name_check()), (true, None));
    }

    #[test]
    fn keys_of_an_object_open_it_and_not_what_is_below() {
        let all = keys(1);
        let one = all.folder("a").unwrap().object("a/b").unwrap();
        assert!(one.covers("a/b") && !one.covers("a/b/c") && !one.covers("a"));
        assert_eq!(one.open_name(&all.seal_name("a/b").unwrap()).as_deref(), Ok("a/b"));
        assert_eq!(one.path_key("a/b").map(|k| *k.bytes()), all.path_key("a/b").map(|k| *k.bytes()));
        let denied = [one.path_key("a/b/c").err(), one.seal_name("a/c").err(), one.folder("a/b/c").err()];
        assert!(denied.iter().all(|e| *e == Some(SealError::WrongKey)));
    }

    #[test]
    fn they_travel_as_bytes() {
        let all = keys(1);
        for part in [all.clone(), all.folder("a/b").unwrap(), all.object("a/b").unwrap()] {
            let bytes = part.to_bytes();
            let back = BucketKeys::parse(&bytes).unwrap();
            assert_eq!(
                (back.base(), back.check_value(), back.is_object()),
                (part.base(), part.check_value(), part.is_object())
            );
            assert_eq!(back.seal_name("a/b"), part.seal_name("a/b"));
            assert_eq!(back.path_key("a/b").map(|k| *k.bytes()), part.path_key("a/b").map(|k| *k.bytes()));
            assert!((0..bytes.len()).all(|len| BucketKeys::parse(&bytes[..len]).is_err()));
        }
    }

    #[test]
    fn the_hierarchy_is_locked() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let k = keys(1);
        let path = k.path_key("a/b").unwrap();
        let all = format!("{} {} {}", hex(k.bucket().as_bytes()), hex(&k.check_value()), hex(path.bytes()));
        assert_eq!(all, include_str!("../tests/golden/keys.txt").trim());
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_keys_and_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0u8..4) {
            if bytes.len() > 4 {
                bytes[..4].copy_from_slice(&[1, kind, 0, 0]);
            }
            if let Ok(keys) = BucketKeys::parse(&bytes) {
                let _ = (keys.seal_name("a/b"), keys.path_key("a/b").is_ok(), keys.open_name(&bytes));
            }
        }
    }
}
