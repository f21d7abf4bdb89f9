//! Results of computing that this machine remembers: what was run under a key that only its account can make, with what came of it
//! and where that lies (`docs/design/compute.md` §8).
//!
//! (A) Equal keys mean the same engine, module, arguments, variables, seed, inputs and limits that a guest can see: whatever could
//! change an item's output is in its key. (B) Nobody without the account's root can make a key: the center is told none of this, and a
//! file of keys tells its reader nothing. (C) A result that strangers gave serves only who asks no more of them than was asked when it
//! was made ([`Known::serves`]). (D) Losing it costs computing again, nothing else.
//!
//! Next: [`super::earlier`] uses it for a job, [`store`] keeps it.

mod store;

pub use store::{ENTRIES_MAX, LIFE, ResultCache};

use super::result::Made;
use super::spec::JobSpec;
use crate::Entry;
use model::compute::{Check, Trust};
use model::{BucketId, Stamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::compute::{Brief, InputForm, OutputForm, PartOf};

/// Places of one result that are remembered: of several copies one may be gone.
pub const PLACES_MAX: usize = 4;

/// What an item is called in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CacheKey(pub [u8; 32]);

impl From<CacheKey> for String {
    fn from(key: CacheKey) -> Self {
        blake3::Hash::from_bytes(key.0).to_hex().to_string()
    }
}

impl TryFrom<String> for CacheKey {
    type Error = blake3::HexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes()))
    }
}

/// What stands for the content of an object: when the content changes, so does this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// A version of a name in a bucket. Its hash is what its writer said of it, so that the version stands beside it.
    Stored {
        /// Bucket.
        bucket: BucketId,
        /// Which version.
        version: [u8; 16],
        /// BLAKE3 of the content, as its writer said; zeros where it came in parts.
        hash: [u8; 32],
    },
    /// Bytes of a file that this machine read itself.
    Content {
        /// BLAKE3 of them.
        hash: [u8; 32],
    },
}

impl Identity {
    /// Of an object as a listing of its bucket shows it.
    pub const fn stored(bucket: &BucketId, entry: &Entry) -> Self {
        Self::Stored { bucket: *bucket, version: entry.version, hash: entry.hash }
    }
}

/// What keys are made with: the account's own key ([`seal::AccountRoot::results`]) and the engine that runs guests.
#[derive(Clone, Copy)]
pub struct Keying {
    /// The account's.
    pub key: [u8; 32],
    /// Engine, profile and host.
    pub engine: [u8; 32],
}

/// Hashes lengths with what they are lengths of, so that no two lists of ingredients run into one another.
struct Ingredients(blake3::Hasher);

impl Ingredients {
    fn put(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn identity(&mut self, identity: &Identity) {
        match identity {
            Identity::Stored { bucket, version, hash } => {
                self.number(1);
                self.0.update(bucket.as_bytes()).update(version).update(hash);
            }
            Identity::Content { hash } => {
                self.number(2);
                self.0.update(hash);
            }
        }
    }
}

impl Keying {
    /// The key of an item, `number` being what its guest is told where it is told one (A).
    pub fn key_of(&self, brief: &Brief, number: u32, inputs: &[(PartOf, Identity)]) -> CacheKey {
        let mut all = Ingredients(blake3::Hasher::new_keyed(&self.key));
        all.put(&self.engine);
        all.put(&brief.module.hash);
        all.put(&brief.module.seed);
        all.number(brief.module.args.len() as u64);
        brief.module.args.iter().for_each(|arg| all.put(arg.as_bytes()));
        let env: BTreeMap<&String, &String> = brief.module.env.iter().map(|(name, value)| (name, value)).collect();
        all.number(env.len() as u64);
        env.into_iter().for_each(|(name, value)| {
            all.put(name.as_bytes());
            all.put(value.as_bytes());
        });
        // A guest sees memory that does not grow, and files and output that take no more; time and steps only end it.
        for limit in [brief.limits.memory_bytes, brief.limits.output_bytes, brief.limits.scratch_bytes] {
            all.number(limit);
        }
        all.number(u64::from(brief.tells_index));
        if brief.tells_index {
            all.number(u64::from(number));
            all.number(u64::from(brief.count));
        }
        all.put(form(brief.input).as_bytes());
        all.number(inputs.len() as u64);
        for (part, identity) in inputs {
            all.identity(identity);
            all.number(part.from);
            all.number(part.to);
            // A name is seen only where the input is a file.
            all.put(if brief.input == InputForm::Files { part.file.as_bytes() } else { &[] });
        }
        CacheKey(*all.0.finalize().as_bytes())
    }

    /// Keys of a job's items in order; nothing for one that reads what `identify` does not know. Empty for a job whose results are
    /// not remembered: one of several stages, whose outputs are not whole objects.
    pub fn keys_of(&self, spec: &JobSpec, identify: impl Fn(&PartOf) -> Option<Identity>) -> Vec<Option<CacheKey>> {
        let [stage] = &spec.stages[..] else { return Vec::new() };
        if stage.brief.output != OutputForm::Whole || matches!(stage.brief.input, InputForm::Merged { .. }) {
            return Vec::new();
        }
        let key = |item: u32| {
            let read = |part: &PartOf| Some((part.clone(), identify(part)?));
            let inputs: Option<Vec<(PartOf, Identity)>> = stage.items.of(item).iter().map(read).collect();
            Some(self.key_of(&stage.brief, spec.number_of(item), &inputs?))
        };
        (0..stage.items.count()).map(key).collect()
    }
}

const fn form(input: InputForm) -> &'static str {
    match input {
        InputForm::None => "none",
        InputForm::Stdin => "stdin",
        InputForm::Files => "files",
        InputForm::Lines => "lines",
        InputForm::Merged { .. } => "merged",
    }
}

/// What came of an item, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its outputs by the names they had below their attempt's folder, with their plain hashes: those of any check key follow.
    pub made: Vec<Made>,
    /// Steps it took.
    pub fuel: u64,
    /// Bytes of its outputs.
    pub bytes: u64,
    /// Another machine found the same.
    pub verified: bool,
    /// Whose machines made it.
    pub trust: Trust,
    /// How far strangers were checked then.
    pub check: Check,
    /// When it was taken over.
    pub at: Stamp,
    /// Where its outputs lie, the newest place first; at most [`PLACES_MAX`].
    pub places: Vec<KnownPlace>,
}

/// One place of a result's outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPlace {
    /// Bucket.
    pub bucket: BucketId,
    /// Name and version of each, in the order of [`Known::made`].
    pub files: Vec<(String, [u8; 16])>,
}

impl Known {
    /// Whether it is good enough for who asks so (C): from machines as close as the asked, or closer; from strangers only for a job that
    /// strangers run, when another found the same under checks as hard. `fast` takes what `fast` gives: results that nobody checked.
    pub fn serves(&self, trust: Trust, check: Check) -> bool {
        match (self.trust, trust) {
            (Trust::Public, Trust::Public) => check <= Check::Fast || (self.verified && self.check >= check),
            (made, asked) => made <= asked,
        }
    }

    /// The place in a bucket whose outputs all are there in the same version still.
    pub fn place_in(&self, bucket: &BucketId, there: &BTreeMap<String, Entry>) -> Option<&KnownPlace> {
        let is_there = |(name, version): &(String, [u8; 16])| there.get(name).is_some_and(|e| e.version == *version);
        let is_whole = |place: &&KnownPlace| {
            place.bucket == *bucket && place.files.len() == self.made.len() && place.files.iter().all(is_there)
        };
        self.places.iter().find(is_whole)
    }

    /// This one, found later, with what `old` says of the same item: the surer of both where they differ, with all places.
    #[must_use]
    pub fn over(self, old: Self) -> Self {
        let is_same = self.made == old.made;
        let (mut best, other) = if self.sureness() >= old.sureness() { (self, old) } else { (old, self) };
        if is_same {
            let newer_first =
                if best.at >= other.at { [best.places, other.places] } else { [other.places, best.places] };
            best.places = newer_first.concat();
            best.at = best.at.max(other.at);
        }
        best.forget_places();
        best
    }

    /// Each place once, the newest of them.
    fn forget_places(&mut self) {
        let mut kept: Vec<KnownPlace> = Vec::new();
        for place in std::mem::take(&mut self.places) {
            if kept.len() < PLACES_MAX && !kept.contains(&place) {
                kept.push(place);
            }
        }
        self.places = kept;
    }

    /// Larger is surer.
    fn sureness(&self) -> (std::cmp::Reverse<Trust>, bool, Check) {
        (std::cmp::Reverse(self.trust), self.verified, self.check)
    }
}

#[cfg(test)]
mod tests;
