//! The center's keys: the cloud key, which is also the identity its endpoint proves at each connection, and the key that
//! signs permits. Files of 32 bytes, mode 0600, in the center's folder. No key that opens data is ever here.

use model::{CloudKey, NodeId};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use wire::signed::public_of;
use zeroize::Zeroizing;

/// Secrets without a printed form.
pub struct Keys {
    /// Secret half of the cloud key.
    pub cloud: Zeroizing<[u8; 32]>,
    /// Secret half of the permit key, epoch 0.
    pub permit: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// Makes both keys in `dir`; fails when one exists, so that a cloud is never made twice.
    pub fn make(dir: &Path, random: &mut dyn FnMut(&mut [u8; 32])) -> io::Result<Self> {
        Ok(Self { cloud: make(&dir.join("cloud.key"), random)?, permit: make(&dir.join("permit.key"), random)? })
    }

    /// Reads both keys from `dir`.
    pub fn load(dir: &Path) -> io::Result<Self> {
        Ok(Self { cloud: load(&dir.join("cloud.key"))?, permit: load(&dir.join("permit.key"))? })
    }

    /// What everybody pins.
    pub fn cloud_key(&self) -> CloudKey {
        CloudKey(public_of(&self.cloud))
    }

    /// The center as a peer.
    pub fn endpoint_id(&self) -> NodeId {
        NodeId(self.cloud_key().0)
    }

    /// What piece `number` of a node's fill test is made from: the same for ever, and known to nobody who has not this key.
    pub fn fill_seed(&self, node: &NodeId, number: u32) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("pumasi v1 fill test seed");
        hasher.update(&self.cloud[..]).update(&node.0).update(&number.to_le_bytes());
        *hasher.finalize().as_bytes()
    }

    /// What nodes check permits with.
    pub fn permit_key(&self) -> [u8; 32] {
        public_of(&self.permit)
    }
}

fn make(path: &Path, random: &mut dyn FnMut(&mut [u8; 32])) -> io::Result<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    random(&mut key);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&key[..])?;
    file.sync_all()?;
    Ok(key)
}

fn load(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(std::fs::read(path)?);
    let key =
        bytes[..].try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a key file has 32 bytes"))?;
    Ok(Zeroizing::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut next = 0;
        let mut random = |key: &mut [u8; 32]| {
            next += 1;
            *key = [next; 32];
        };
        let made = Keys::make(dir.path(), &mut random).unwrap();
        assert_eq!(Keys::load(dir.path()).unwrap().cloud_key(), made.cloud_key());
        let seed = |node: u8, number| made.fill_seed(&NodeId([node; 32]), number);
        assert_eq!(seed(1, 1), Keys::load(dir.path()).unwrap().fill_seed(&NodeId([1; 32]), 1));
        assert!(seed(1, 1) != seed(1, 2) && seed(1, 1) != seed(2, 1));
        assert!(Keys::make(dir.path(), &mut random).is_err(), "a second cloud over the first");
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(dir.path().join("cloud.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
