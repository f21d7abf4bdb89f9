//! Keys for tools: made here, kept here, known to nobody else. A key is an id and a secret as S3 tools take them, and a scope: one
//! bucket or the beginning of its names, reading only or all, until a time.
//!
//! One file of the home, mode 0600, sealed under the device's own key. The running gateway sees a change at the next request.

use crate::limits::KEYS_MAX;
use client::LocalKey;
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use model::{Stamp, errors};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Ids of keys begin so.
const ID_PREFIX: &str = "PMSI";
/// Random bytes of an id, and of a secret.
const ID_BYTES: usize = 10;
const SECRET_BYTES: usize = 30;
/// What the file is bound to.
const CONTEXT: &[u8] = b"gateway keys";

/// What a key is good for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// One bucket; all of the account where none is named.
    pub bucket: Option<String>,
    /// Names in it that begin so; all where it is empty.
    pub prefix: String,
    /// Nothing is written.
    pub is_read_only: bool,
}

impl Scope {
    /// `bucket`, or `bucket/beginning/of/names`.
    pub fn of(place: &str, is_read_only: bool) -> Option<Self> {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let named = Self { bucket: Some(bucket.to_owned()), prefix: prefix.to_owned(), is_read_only };
        (!bucket.is_empty()).then_some(named)
    }

    /// Whether it has a bucket, or a part of it.
    pub fn has_bucket(&self, bucket: &str) -> bool {
        self.bucket.as_deref().is_none_or(|own| own == bucket)
    }

    /// Whether it has all of a bucket.
    pub fn has_whole(&self, bucket: &str) -> bool {
        self.has_bucket(bucket) && self.prefix.is_empty()
    }

    /// Whether it has all names that begin so; one name is its own beginning.
    pub fn has_names(&self, bucket: &str, prefix: &str) -> bool {
        self.has_bucket(bucket) && prefix.starts_with(&self.prefix)
    }
}

/// A key for a tool.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolKey {
    /// What S3 calls the access key id.
    pub id: String,
    /// What S3 calls the secret access key; empty once it was revoked.
    secret: String,
    /// What it is good for.
    pub scope: Scope,
    /// When it was made.
    pub made: Stamp,
    /// Until when it is good; for ever where that is not said.
    pub until: Option<Stamp>,
    /// When it was revoked, if it was.
    pub revoked: Option<Stamp>,
}

impl std::fmt::Debug for ToolKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolKey").field("id", &self.id).field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl ToolKey {
    /// A new one.
    pub fn make(scope: Scope, made: Stamp, until: Option<Stamp>) -> Self {
        let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        rand::rng().fill_bytes(&mut id);
        rand::rng().fill_bytes(&mut secret);
        let (id, secret) = (format!("{ID_PREFIX}{}", BASE32_NOPAD.encode(&id)), BASE64URL_NOPAD.encode(&secret));
        Self { id, secret, scope, made, until, revoked: None }
    }

    /// Its secret: told once, to who made it, and to who checks a signature.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Why it is good for nothing now: E0109 revoked, E0108 over.
    ///
    /// # Errors
    /// [`errors::GRANT_REVOKED`], [`errors::GRANT_EXPIRED`].
    pub fn check(&self, now: Stamp) -> Result<(), errors::ErrorId> {
        match (self.revoked, self.until) {
            (Some(_), _) => Err(errors::GRANT_REVOKED),
            (None, Some(until)) if now >= until => Err(errors::GRANT_EXPIRED),
            _ => Ok(()),
        }
    }
}

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// It is not this device's, or no such file.
    #[error("{0} does not open with this machine's key")]
    Sealed(PathBuf),
    /// No more keys.
    #[error("a home has at most {KEYS_MAX} keys")]
    TooMany,
    /// No key, or several, begin so.
    #[error("{0} keys begin so")]
    Unknown(usize),
}

/// The keys of a home; clones share them.
#[derive(Clone)]
pub struct KeyStore(Arc<Inner>);

struct Inner {
    path: PathBuf,
    key: LocalKey,
    read: Mutex<Read>,
}

/// What was read, and of which file.
#[derive(Default)]
struct Read {
    of: Option<(SystemTime, u64)>,
    keys: Arc<Vec<ToolKey>>,
}

impl KeyStore {
    /// Of a file that need not be there yet, for a device.
    pub fn new(path: &Path, device: &[u8; 32]) -> Self {
        Self(Arc::new(Inner { path: path.to_owned(), key: LocalKey::of(device), read: Mutex::default() }))
    }

    fn file(&self, source: io::Error) -> KeyError {
        KeyError::File { path: self.0.path.clone(), source }
    }

    /// All keys, in the order they were made. The file is read again when it changed.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::Sealed`].
    pub fn list(&self) -> Result<Arc<Vec<ToolKey>>, KeyError> {
        let mut read = self.0.read.lock().unwrap_or_else(PoisonError::into_inner);
        let of = match fs::metadata(&self.0.path) {
            Ok(found) => (found.modified().unwrap_or(SystemTime::UNIX_EPOCH), found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(self.file(error)),
        };
        if read.of != Some(of) {
            let sealed = fs::read(&self.0.path).map_err(|e| self.file(e))?;
            let plain = self.0.key.open(CONTEXT, &sealed).map_err(|_| KeyError::Sealed(self.0.path.clone()))?;
            let keys = serde_json::from_slice(&plain).map_err(|_| KeyError::Sealed(self.0.path.clone()))?;
            *read = Read { of: Some(of), keys: Arc::new(keys) };
        }
        Ok(Arc::clone(&read.keys))
    }

    /// The key of an id.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn find(&self, id: &str) -> Result<Option<ToolKey>, KeyError> {
        Ok(self.list()?.iter().find(|key| key.id == id).cloned())
    }

    /// Whether any key is good for something now.
    pub fn is_used(&self, now: Stamp) -> bool {
        self.list().is_ok_and(|keys| keys.iter().any(|key| key.check(now).is_ok()))
    }

    /// Keeps a new key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn add(&self, key: ToolKey) -> Result<(), KeyError> {
        self.change(|keys| {
            if keys.len() >= KEYS_MAX {
                return Err(KeyError::TooMany);
            }
            keys.push(key);
            Ok(())
        })
    }

    /// Revokes the one key whose id is this or begins so; its secret is forgotten.
    ///
    /// # Errors
    /// [`KeyError::Unknown`].
    pub fn revoke(&self, id: &str, now: Stamp) -> Result<ToolKey, KeyError> {
        self.change(|keys| {
            let mut found: Vec<&mut ToolKey> = keys.iter_mut().filter(|key| key.id.starts_with(id)).collect();
            let count = found.len();
            let key = found.pop().filter(|_| count == 1 && !id.is_empty()).ok_or(KeyError::Unknown(count))?;
            key.revoked = Some(key.revoked.unwrap_or(now));
            key.secret.clear();
            Ok(key.clone())
        })
    }

    /// Changes the file, under a lock, so that two commands lose nothing of each other's.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<ToolKey>) -> Result<T, KeyError>) -> Result<T, KeyError> {
        let lock = File::create(self.0.path.with_extension("keys-lock")).map_err(|e| self.file(e))?;
        lock.lock().map_err(|e| self.file(e))?;
        let mut keys = self.list()?.to_vec();
        let done = change(&mut keys)?;
        let plain = serde_json::to_vec(&keys).map_err(|e| self.file(e.into()))?;
        self.write(&self.0.key.seal(CONTEXT, &plain, &mut rand::rng())).map_err(|e| self.file(e))?;
        Ok(done)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let new = self.0.path.with_extension(format!("new-{}", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &self.0.path)?;
        File::open(self.0.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_kept_sealed_and_a_change_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.keys");
        let (store, other) = (KeyStore::new(&path, &[1; 32]), KeyStore::new(&path, &[1; 32]));
        assert!(store.list().unwrap().is_empty() && !store.is_used(Stamp(5)));
        let scope = Scope::of("photos/2026/", true).unwrap();
        let key = ToolKey::make(scope, Stamp(1), Some(Stamp(10)));
        store.add(key.clone()).unwrap();
        assert_eq!(other.find(&key.id).unwrap(), Some(key.clone()));
        assert!(other.is_used(Stamp(9)) && !other.is_used(Stamp(10)), "its time is over");
        let bytes = fs::read(&path).unwrap();
        for secret in [key.secret(), "photos"] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()));
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(KeyStore::new(&path, &[2; 32]).list(), Err(KeyError::Sealed(_))), "another device");
        assert!(matches!(store.revoke("", Stamp(3)), Err(KeyError::Unknown(1))));
        let gone = other.revoke(&key.id[..8], Stamp(3)).unwrap();
        assert_eq!((gone.secret(), gone.check(Stamp(3))), ("", Err(errors::GRANT_REVOKED)));
        assert_eq!(store.find(&key.id).unwrap(), Some(gone));
    }

    #[test]
    fn a_scope_has_its_bucket_and_the_names_below() {
        let (all, bucket, part) = (Scope::default(), Scope::of("b", false).unwrap(), Scope::of("b/x/", false).unwrap());
        assert!(all.has_whole("any") && bucket.has_whole("b") && !bucket.has_bucket("c") && !part.has_whole("b"));
        assert!(
            part.has_names("b", "x/y")
                && !part.has_names("b", "x")
                && !part.has_names("b", "")
                && !part.has_names("c", "x/")
        );
        assert_eq!(Scope::of("/x", false), None);
    }
}
