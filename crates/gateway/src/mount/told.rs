//! What is told of a file beside its content, as it stands in the manifest: what it is as a file, a member's own pairs, its extended
//! attributes, and what other faces keep with it.
//!
//! (A) What is not known here is kept as it is. (B) What is of a content only (tag, checksums, headers it is served with) goes with
//! that content.

use super::limits::XATTR_BYTES_MAX;
use client::{ENDING_MAX, Fact, Facts, Shown, Unix, UnixTime};
use fuser::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Kind of a fact that is an extended attribute: length of its name u16 · name · value.
const XATTR: u8 = 6;
/// All facts of an object together, in bytes, with room for what an upload adds.
const FACTS_MAX: usize = client::FACTS_MAX - ENDING_MAX;

/// What is told of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// Media type.
    pub content_type: String,
    /// What it is as a file.
    pub unix: Unix,
    /// A member's own pairs.
    pub pairs: Vec<(String, String)>,
    /// Its attributes, without `user.` before their names.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// What is kept for others.
    others: Vec<Other>,
}

/// What other faces keep with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Other {
    Tag(String, String),
    Fact(u8, Vec<u8>),
}

impl Told {
    /// Of a file that is made now.
    pub fn new(unix: Unix) -> Self {
        Self { unix, ..Self::default() }
    }

    /// Of an object that is there.
    pub fn of(shown: &Shown) -> Self {
        let (mut xattrs, mut others) = (BTreeMap::new(), Vec::new());
        for fact in &shown.facts.0 {
            match fact {
                Fact::Other(XATTR, bytes) => match parse(bytes) {
                    Some((name, value)) => drop(xattrs.insert(name, value)),
                    None => others.push(Other::Fact(XATTR, bytes.clone())),
                },
                Fact::Other(kind, bytes) => others.push(Other::Fact(*kind, bytes.clone())),
                Fact::Tag(key, value) => others.push(Other::Tag(key.clone(), value.clone())),
                Fact::Etag(_) | Fact::Checksum(_) | Fact::Header(..) => {} // (B)
            }
        }
        let unix = Unix::of(&shown.pairs);
        let pairs = Unix::default().into_pairs(shown.pairs.clone());
        Self { content_type: shown.entry.content_type.clone(), unix, pairs, xattrs, others }
    }

    /// Pairs of the manifest.
    pub fn pairs(&self) -> Vec<(String, String)> {
        self.unix.into_pairs(self.pairs.clone())
    }

    /// Facts of the manifest, without those of a content.
    pub fn facts(&self) -> Facts {
        let others = self.others.iter().map(|other| match other {
            Other::Tag(key, value) => Fact::Tag(key.clone(), value.clone()),
            Other::Fact(kind, bytes) => Fact::Other(*kind, bytes.clone()),
        });
        let xattrs = self.xattrs.iter().map(|(name, value)| {
            let len = u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes();
            Fact::Other(XATTR, [&len[..], name.as_bytes(), value].concat())
        });
        Facts(others.chain(xattrs).collect())
    }

    /// The same of a content that stays: with what is of that content.
    pub fn facts_beside(&self, content: &Facts) -> Facts {
        let mut facts = self.facts();
        let of_content = |fact: &&Fact| matches!(fact, Fact::Etag(_) | Fact::Checksum(_) | Fact::Header(..));
        facts.0.extend(content.0.iter().filter(of_content).cloned());
        facts
    }

    /// Gives an attribute a value, or takes it away.
    ///
    /// # Errors
    /// `ENOSPC` where there is no room for it, `ENODATA` where there is none to take away.
    pub fn set_xattr(&mut self, name: &str, value: Option<&[u8]>) -> Result<(), Errno> {
        let mut new = self.clone();
        match value {
            Some(value) => drop(new.xattrs.insert(name.to_owned(), value.to_vec())),
            None => drop(new.xattrs.remove(name).ok_or(Errno::ENODATA)?),
        }
        let bytes: usize = new.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        if value.is_some() && (bytes > XATTR_BYTES_MAX || new.facts().len() > FACTS_MAX) {
            return Err(Errno::ENOSPC);
        }
        *self = new;
        Ok(())
    }

    /// Its content changed now.
    pub fn changed(&mut self, at: UnixTime) {
        self.unix.mtime = Some(at);
    }
}

fn parse(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let (name, value) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    Some((std::str::from_utf8(name).ok()?.to_owned(), value.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::{Entry, Etag};
    use model::{Bytes, Stamp};

    fn shown(facts: Facts, pairs: Vec<(String, String)>) -> Shown {
        let entry = Entry {
            name: "a".into(),
            size: Bytes(1),
            at: Stamp(1),
            changed: None,
            hash: [0; 32],
            content_type: "x/y".into(),
            version: [0; 16],
            etag: None,
            unix: None,
        };
        Shown { entry, pairs, facts, parts: 0 }
    }

    #[test]
    fn what_is_told_survives_and_what_is_of_the_content_goes_with_it() {
        let mut told = Told::new(Unix { mode: Some(0o100_600), ..Unix::default() });
        told.pairs.push(("camera".into(), "x".into()));
        told.set_xattr("note", Some(b"\x00\xff")).unwrap();
        let mut facts = told.facts();
        let etag = Fact::Etag(Etag { md5: [1; 16], parts: 0 });
        facts.0.extend([Fact::Tag("k".into(), "v".into()), Fact::Other(5, vec![1]), etag.clone()]);
        let again = Told::of(&shown(facts.clone(), told.pairs()));
        assert_eq!((again.unix, &again.pairs, &again.xattrs), (told.unix, &told.pairs, &told.xattrs));
        assert_eq!(again.content_type, "x/y");
        assert!(!again.facts().0.contains(&etag));
        assert!(again.facts_beside(&facts).0.contains(&etag));
        assert!(again.facts().0.contains(&Fact::Other(5, vec![1])));
        let text = serde_json::to_vec(&again).unwrap();
        assert_eq!(serde_json::from_slice::<Told>(&text).unwrap(), again);
    }

    #[test]
    fn attributes_have_a_limit() {
        let mut told = Told::default();
        assert_eq!(told.set_xattr("a", Some(&[0; XATTR_BYTES_MAX])).map_err(|no| no.code()), Err(Errno::ENOSPC.code()));
        told.set_xattr("a", Some(&[0; XATTR_BYTES_MAX - 1])).unwrap();
        assert!(told.set_xattr("b", Some(b"")).is_err());
        told.set_xattr("a", None).unwrap();
        assert_eq!(told.set_xattr("a", None).map_err(|no| no.code()), Err(Errno::ENODATA.code()));
    }
}
