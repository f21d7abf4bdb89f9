//! Secret keys as files: 32 random bytes, mode 0600, never printed, never in arguments or environment.

use crate::fault::Fault;
use crate::home::write_atomic;
use std::path::Path;

/// The key in `path`, made there first if the file does not exist.
pub fn load_or_make(path: &Path) -> Result<[u8; 32], Fault> {
    match load(path)? {
        Some(key) => Ok(key),
        None => {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(Fault::bug)?;
            write_atomic(path, &key, 0o600)?;
            Ok(key)
        }
    }
}

/// The key in `path`, or nothing when there is no file.
pub fn load(path: &Path) -> Result<Option<[u8; 32]>, Fault> {
    match std::fs::read(path) {
        Ok(bytes) => bytes.try_into().map(Some).map_err(|_| {
            let why = "a key file has 32 bytes";
            Fault::new(model::errors::CONFIG_UNREADABLE, [("path", &path.display().to_string()), ("why", why)])
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Fault::file(path, &e)),
    }
}

/// `N` random bytes from the system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system's random source answers");
    bytes
}
