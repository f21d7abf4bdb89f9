//! Compiled code that this machine made, kept for the next attempt. Nothing enters from elsewhere.
//!
//! Key: module, engine, profile and target. A file is its checksum and the code; it counts only if it is a plain file of
//! this user that nobody else can write. Over its bytes the oldest used go.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::profile;

/// Bytes of the cache unless said otherwise: 512 MiB.
pub const CACHE_BYTES: u64 = 512 << 20;

/// A file that is not whole after this time never will be.
const UNFINISHED: Duration = Duration::from_secs(3_600);

/// Name of one module under one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeKey([u8; 32]);

impl CodeKey {
    /// Key of a module under the engine of this build.
    pub fn of(module: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("pumasi sandbox code key");
        hasher.update(blake3::hash(module).as_bytes()).update(&profile::code_id());
        Self(*hasher.finalize().as_bytes())
    }

    fn file_name(self) -> String {
        format!("{}.code", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

/// A folder of compiled code.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    bytes_max: u64,
}

impl Cache {
    /// Opens or makes `folder` for this user alone; it holds at most `bytes_max`.
    ///
    /// # Errors
    /// The folder cannot be made, or belongs to or can be written by somebody else.
    pub fn open(folder: impl Into<PathBuf>, bytes_max: u64) -> io::Result<Self> {
        let folder = folder.into();
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(&folder)?;
        let facts = fs::symlink_metadata(&folder)?;
        if !facts.is_dir() || !is_own(&facts) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the cache is not this user's alone"));
        }
        Ok(Self { folder, bytes_max })
    }

    /// The code under `key`, if it is there and whole. What is not is removed.
    pub fn get(&self, key: CodeKey) -> Option<Vec<u8>> {
        let path = self.folder.join(key.file_name());
        let facts = fs::symlink_metadata(&path).ok()?;
        let code = if facts.is_file() && is_own(&facts) { read(&path).ok() } else { None };
        if code.is_none() {
            let _ = fs::remove_file(&path);
        }
        code
    }

    /// Keeps `code` under `key` and makes room for it. Code larger than the cache is not kept.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn put(&self, key: CodeKey, code: &[u8]) -> io::Result<()> {
        if code.len() as u64 + 32 > self.bytes_max {
            return Ok(());
        }
        self.make_room(code.len() as u64 + 32)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(blake3::hash(code).as_bytes())?;
        file.write_all(code)?;
        file.persist(self.folder.join(key.file_name())).map_err(|error| error.error)?;
        Ok(())
    }

    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another thread's file may be renamed or removed between the listing and the look.
            let Ok(facts) = entry.metadata() else { continue };
            let (used, path) = (facts.modified().unwrap_or(SystemTime::UNIX_EPOCH), entry.path());
            let is_being_written =
                path.extension().is_none_or(|kind| kind != "code") && used.elapsed().is_ok_and(|age| age < UNFINISHED);
            if !is_being_written {
                files.push((used, facts.len(), path));
            }
        }
        files.sort();
        let mut held = files.iter().map(|(_, len, _)| len).sum::<u64>();
        for (_, len, path) in files {
            if held.saturating_add(bytes) <= self.bytes_max {
                break;
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => held -= len,
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut sum = [0; 32];
    file.read_exact(&mut sum)?;
    let mut code = Vec::new();
    file.read_to_end(&mut code)?;
    if blake3::hash(&code) != blake3::Hash::from_bytes(sum) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // Marks the use; a cache that cannot is only worse at choosing.
    let _ = OpenOptions::new().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
    Ok(code)
}

#[cfg(unix)]
fn is_own(facts: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    facts.uid() == nix::unistd::geteuid().as_raw() && facts.mode() & 0o022 == 0
}

#[cfg(not(unix))]
fn is_own(_: &fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bytes_max: u64) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("code"), bytes_max).unwrap();
        (folder, cache)
    }

    #[test]
    fn keeps_whole_code_and_drops_changed_code() {
        let (_folder, cache) = open(CACHE_BYTES);
        let key = CodeKey::of(b"module");
        assert_eq!(cache.get(key), None);
        cache.put(key, b"code").unwrap();
        assert_eq!(cache.get(key).as_deref(), Some(&b"code"[..]));
        let path = cache.folder.join(key.file_name());
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.get(key), None);
        assert!(!path.exists());
    }

    #[test]
    fn other_modules_have_other_keys() {
        assert_ne!(CodeKey::of(b"a"), CodeKey::of(b"b"));
    }

    #[test]
    fn never_holds_more_than_it_may() {
        let (_folder, cache) = open(1_000);
        for number in 0..20u8 {
            cache.put(CodeKey::of(&[number]), &[number; 268]).unwrap();
            let held =
                fs::read_dir(&cache.folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum::<u64>();
            assert!(held <= 1_000, "{held}");
        }
        assert!(cache.get(CodeKey::of(&[19])).is_some());
        cache.put(CodeKey::of(b"large"), &[0; 1_000]).unwrap();
        assert_eq!(cache.get(CodeKey::of(b"large")), None);
    }

    #[test]
    fn several_threads_keep_code_at_once() {
        let (_folder, cache) = open(2_000);
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let cache = &cache;
                scope.spawn(move || {
                    for number in 0..200u8 {
                        cache.put(CodeKey::of(&[thread, number]), &[number; 200]).unwrap();
                        let _ = cache.get(CodeKey::of(&[thread, number / 2]));
                    }
                });
            }
        });
    }

    #[cfg(unix)]
    #[test]
    fn what_others_can_write_is_not_taken() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, cache) = open(CACHE_BYTES);
        let key = CodeKey::of(b"module");
        cache.put(key, b"code").unwrap();
        let path = cache.folder.join(key.file_name());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(cache.get(key), None);
        fs::set_permissions(&cache.folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Cache::open(&cache.folder, 1).is_err());
    }
}
