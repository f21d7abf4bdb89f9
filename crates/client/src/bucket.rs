//! A bucket of one's own: names sealed, content keys wrapped, manifests sealed. The center sees none of it in clear.
//!
//! Manifest, plain, before sealing (role 3): size u64 · content header 96 · wrapped key 80 · segments u16 · per segment
//! sealed bytes u64 · name in UTF-8. What the center keeps beside it is a copy the client does not trust.

use crate::{Client, ClientError};
use model::{BucketId, Bytes, Stamp};
use rand_core::Rng;
use seal::{AccountRoot, BucketKeys, ContentKey, Header, NameKey, Role, Wrapped, open_run, seal_run};
use wire::storage::ObjectList;
use wire::{Reply, Request};

/// A name in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Plain name.
    pub name: String,
    /// Size.
    pub size: Bytes,
    /// When it was last changed.
    pub at: Stamp,
}

/// Keys of one bucket.
pub struct Bucket {
    pub(crate) keys: BucketKeys,
    names: NameKey,
}

/// What a manifest says.
pub(crate) struct Manifest {
    pub size: u64,
    pub header: Header,
    pub key: ContentKey,
    pub name: String,
}

impl Bucket {
    /// The bucket its owner calls `name`.
    pub fn open(root: &AccountRoot, name: &str) -> Self {
        let keys = root.bucket(&root.bucket_id(name));
        let names = keys.names();
        Self { keys, names }
    }

    /// Its id.
    pub fn id(&self) -> &BucketId {
        self.keys.bucket()
    }

    pub(crate) fn seal_name(&self, name: &str) -> Result<Vec<u8>, ClientError> {
        Ok(self.names.seal_path(name)?)
    }

    /// A sealed manifest: header 96, wrapped manifest key 80 in front of the sealed run.
    pub(crate) fn seal_manifest(
        &self,
        name: &str,
        size: u64,
        header: &Header,
        key: &ContentKey,
        rng: &mut impl Rng,
    ) -> Result<Vec<u8>, ClientError> {
        let content_id = header.content_id();
        let mut plain = Vec::new();
        plain.extend_from_slice(&size.to_le_bytes());
        plain.extend_from_slice(header.as_bytes());
        plain.extend_from_slice(self.keys.wrap(name, &content_id, key, rng).as_bytes());
        plain.extend_from_slice(name.as_bytes());
        let manifest_key = ContentKey::random(rng);
        let manifest_header = Header::new(&manifest_key, Role::Manifest, self.id(), 0, rng);
        let wrapped = self.keys.wrap("", &manifest_header.content_id(), &manifest_key, rng);
        let sealed = seal_run(&manifest_key, &manifest_header, &plain)?;
        Ok([&manifest_header.as_bytes()[..], &wrapped.as_bytes()[..], &sealed].concat())
    }

    pub(crate) fn open_manifest(&self, bytes: &[u8]) -> Result<Manifest, ClientError> {
        let cut = || ClientError::Unexpected("a manifest that is cut");
        let (header, rest) = bytes.split_at_checked(Header::LEN).ok_or_else(cut)?;
        let (wrapped, sealed) = rest.split_at_checked(Wrapped::LEN).ok_or_else(cut)?;
        let header = Header::parse(header)?;
        let key = self.keys.unwrap("", &header.content_id(), &Wrapped::parse(wrapped)?)?;
        let plain = open_run(&key, &header, sealed)?;
        let (size, rest) = plain.split_first_chunk::<8>().ok_or_else(cut)?;
        let (header, rest) = rest.split_at_checked(Header::LEN).ok_or_else(cut)?;
        let (wrapped, name) = rest.split_at_checked(Wrapped::LEN).ok_or_else(cut)?;
        let header = Header::parse(header)?;
        let name = std::str::from_utf8(name).map_err(|_| cut())?.to_owned();
        let key = self.keys.unwrap(&name, &header.content_id(), &Wrapped::parse(wrapped)?)?;
        Ok(Manifest { size: u64::from_le_bytes(*size), header, key, name })
    }
}

impl Client {
    /// Names in a bucket in true order, newest change of each.
    pub async fn list(&self, bucket: &Bucket, prefix: &str) -> Result<Vec<Entry>, ClientError> {
        let mut found = std::collections::BTreeMap::new();
        let mut after = 0;
        loop {
            let ask = ObjectList { bucket: *bucket.id(), after, limit: 500 };
            let Reply::Objects(page) = self.ask(Request::ObjectList(ask)).await? else {
                return Err(ClientError::Unexpected("no list"));
            };
            for object in &page.objects {
                let manifest = bucket.open_manifest(&object.manifest)?;
                after = object.bucket_seq;
                if manifest.name.starts_with(prefix) {
                    let entry = Entry { name: manifest.name.clone(), size: Bytes(manifest.size), at: object.at };
                    found.insert(manifest.name, entry);
                }
            }
            if !page.more || page.objects.is_empty() {
                return Ok(found.into_values().collect());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    #[test]
    fn a_manifest_opens_for_its_owner_only() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mine = Bucket::open(&AccountRoot::from_bytes([1; 32]), "photos");
        let key = ContentKey::random(&mut rng);
        let header = Header::new(&key, Role::Content, mine.id(), 0, &mut rng);
        let sealed = mine.seal_manifest("a/b.jpg", 77, &header, &key, &mut rng).unwrap();
        let opened = mine.open_manifest(&sealed).unwrap();
        assert_eq!((opened.name.as_str(), opened.size), ("a/b.jpg", 77));
        assert!(!sealed.windows(5).any(|w| w == b"b.jpg"));
        let other = Bucket::open(&AccountRoot::from_bytes([2; 32]), "photos");
        assert!(matches!(other.open_manifest(&sealed), Err(ClientError::Seal(_))));
        for cut in [0, 50, 100, sealed.len() - 1] {
            assert!(mine.open_manifest(&sealed[..cut]).is_err());
        }
    }
}
