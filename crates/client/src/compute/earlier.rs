//! What earlier runs spare a job: items whose result is known get their outputs by a copy that moves no byte, before the others are
//! handed in; results that are taken over are remembered.
//!
//! (A) An output is given only from a place where all outputs of its item are still the versions that were remembered. (B) An item
//! whose outputs cannot be given is handed in like any other: knowing is never a reason to fail. (C) A result is remembered only
//! when what it was computed from is, when it is taken over, what it was when its key was made.

use super::adopt::{Adopted, NAMES_OPEN, Output, is_below, output_name};
use super::cache::{CacheKey, Identity, Known, KnownPlace};
use super::result::Made;
use super::spec::JobSpec;
use crate::{Bucket, Client, ClientError, Entry};
use model::compute::Check;
use model::{BucketId, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinSet;
use wire::compute::PartOf;

/// A known item whose outputs have their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its number.
    pub number: u32,
    /// Its name in the cache.
    pub key: CacheKey,
    /// What is known of it, with the new place.
    pub known: Known,
    /// Names of its outputs, with their bytes.
    pub outputs: Vec<(String, u64)>,
}

/// What a job's sources hold now.
#[derive(Debug, Default)]
pub struct Sources(Vec<BTreeMap<String, Identity>>);

impl Sources {
    /// What stands for an input.
    pub fn identify(&self, part: &PartOf) -> Option<Identity> {
        self.0.get(usize::from(part.link))?.get(&part.name).copied()
    }
}

impl Client {
    /// What a job's sources hold now, in their order. A bucket that cannot be read holds nothing. What the job itself uploaded is told
    /// by its content.
    pub async fn sources_of(&self, spec: &JobSpec, buckets: &BTreeMap<String, Bucket>) -> Sources {
        let mut all = Vec::with_capacity(spec.sources.len());
        for source in &spec.sources {
            let is_upload = source.base.starts_with(&spec.folder());
            let listed = match buckets.get(&source.bucket) {
                Some(bucket) => self.list(bucket, &source.base).await.map(|entries| (*bucket.id(), entries)),
                None => Ok((BucketId([0; 16]), Vec::new())),
            };
            let (bucket, entries) = listed.unwrap_or_else(|error| {
                tracing::warn!(%error, "what a job reads is not listed; nothing of it is remembered");
                (BucketId([0; 16]), Vec::new())
            });
            let identity = |entry: Entry| {
                let identity = match is_upload {
                    true => Identity::Content { hash: entry.hash },
                    false => Identity::stored(&bucket, &entry),
                };
                (entry.name, identity)
            };
            all.push(entries.into_iter().map(identity).collect());
        }
        Sources(all)
    }

    /// Gives the outputs of known items their names; those that have them. The spec holds all items still.
    ///
    /// # Errors
    /// [`ClientError`] where the bucket cannot be listed.
    pub async fn give_known(
        &self,
        bucket: &Bucket,
        spec: &JobSpec,
        found: Vec<(u32, CacheKey, Known)>,
        progress: crate::Progress<'_>,
    ) -> Result<Vec<Given>, ClientError> {
        let there: BTreeMap<String, Entry> =
            self.list(bucket, "").await?.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        let total = found.len() as u64;
        let (mut all, mut done) = (Vec::new(), Vec::new());
        let (mut copies, mut taken) = (JoinSet::new(), BTreeSet::new());
        for (n, (number, key, known)) in found.into_iter().enumerate() {
            let Some(from) = known.place_in(bucket.id(), &there).cloned() else { continue };
            let Some(given) = begun(spec, bucket.id(), (number, key, known), (&there, &mut taken)) else { continue };
            let wanted = given.known.places[0].files.iter().zip(from.files).enumerate();
            for (place, ((name, _), source)) in wanted.filter(|(_, ((_, version), _))| *version == NOT_YET) {
                while copies.len() >= NAMES_OPEN {
                    done.extend(copies.join_next().await);
                }
                let (client, bucket, name, at) = (self.clone(), bucket.clone(), name.clone(), all.len());
                copies.spawn(async move {
                    let copied = client.copy_version(&bucket, (&source.0, source.1), &name).await;
                    (at, place, copied.map(|entry| entry.version))
                });
            }
            all.push(Some(given));
            progress("phase-adopt", n as u64 + 1, total);
        }
        while let Some(next) = copies.join_next().await {
            done.push(next);
        }
        for copied in done {
            let (at, place, version) = copied.map_err(|_| ClientError::Unexpected("naming ended"))?;
            match (version, &mut all[at]) {
                (Ok(version), Some(given)) => given.known.places[0].files[place].1 = version,
                (Err(error), given) => {
                    tracing::info!(%error, "a known output cannot be copied; its item is computed again");
                    *given = None;
                }
                (Ok(_), None) => {}
            }
        }
        Ok(all.into_iter().flatten().collect())
    }
}

/// The version of a name that is not given yet.
const NOT_YET: [u8; 16] = [0; 16];

/// A known item with the names that its outputs shall have, those that are there already with their versions; nothing where a name is
/// not the job's to give.
fn begun(
    spec: &JobSpec,
    bucket: &BucketId,
    (number, key, mut known): (u32, CacheKey, Known),
    (there, taken): (&BTreeMap<String, Entry>, &mut BTreeSet<String>),
) -> Option<Given> {
    let (mut files, mut outputs) = (Vec::new(), Vec::new());
    for made in &known.made {
        let name = output_name(spec, number, &made.name).ok().filter(|name| is_below(spec, name))?;
        if !taken.insert(name.clone()) {
            return None;
        }
        let old = there.get(&name).filter(|old| old.hash == made.hash && old.size.0 == made.size);
        files.push((name.clone(), old.map_or(NOT_YET, |old| old.version)));
        outputs.push((name, made.size));
    }
    known.places.insert(0, KnownPlace { bucket: *bucket, files });
    Some(Given { number, key, known, outputs })
}

/// What is remembered of outputs that were taken over. `now`: keys of the job's items over what its sources hold now (C).
pub fn remembered(
    spec: &JobSpec,
    adopted: &Adopted,
    now: &[Option<CacheKey>],
    (bucket, check, at): (&BucketId, Check, Stamp),
) -> Vec<(CacheKey, Known)> {
    let mut outputs: BTreeMap<u32, Vec<&Output>> = BTreeMap::new();
    for output in &adopted.outputs {
        outputs.entry(output.item).or_default().push(output);
    }
    let known = |item: &wire::compute::JobItem| {
        let key = spec.earlier.keys.get(item.item as usize)?;
        if now.get(item.item as usize)?.as_ref() != Some(key) {
            return None;
        }
        let mut outputs = outputs.remove(&item.item).unwrap_or_default();
        // The hash of one that came in parts is none of its content.
        if outputs.iter().any(|output| output.hash == [0; 32]) {
            return None;
        }
        outputs.sort_by(|a, b| a.made.cmp(&b.made));
        let made = |output: &&Output| Made { name: output.made.clone(), size: output.bytes, hash: output.hash };
        let files = outputs.iter().map(|output| (output.name.clone(), output.version)).collect();
        let known = Known {
            made: outputs.iter().map(made).collect(),
            fuel: item.fuel,
            bytes: item.bytes,
            verified: item.verified,
            trust: spec.trust,
            check,
            at,
            places: vec![KnownPlace { bucket: *bucket, files }],
        };
        Some((*key, known))
    };
    adopted.items.iter().filter_map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::Earlier;
    use model::compute::{JobKind, Trust};
    use model::{Alias, Bytes, JobId};
    use wire::compute::JobItem;

    fn spec(pattern: &str, keys: &[u8]) -> JobSpec {
        JobSpec {
            job: JobId([1; 16]),
            kind: JobKind::Array,
            name: "job".into(),
            trust: Trust::Public,
            until: Stamp(0),
            bucket: "b".into(),
            to: "out/".into(),
            pattern: pattern.into(),
            sources: Vec::new(),
            stages: Vec::new(),
            earlier: Earlier { keys: keys.iter().map(|key| CacheKey([*key; 32])).collect(), ..Earlier::default() },
        }
    }

    fn output(item: u32, made: &str, hash: u8) -> Output {
        let name = format!("out/{item}/{made}");
        Output { item, made: made.into(), name, bytes: 7, hash: [hash; 32], version: [hash; 16] }
    }

    fn item(item: u32, verified: bool) -> JobItem {
        JobItem { item, serial: 1, node: Alias(2), hash: [9; 32], fuel: 11, bytes: 7, verified }
    }

    #[test]
    fn only_what_was_computed_from_what_is_there_still_is_remembered() {
        let spec = spec("{index}", &[1, 2, 3, 4]);
        let outputs = vec![output(0, "f/b", 1), output(0, "f/a", 2), output(1, "stdout", 3), output(2, "stdout", 0)];
        let items = vec![item(0, true), item(1, false), item(2, true), item(3, true)];
        let adopted = Adopted { outputs, items, ..Adopted::default() };
        let (bucket, at) = (BucketId([5; 16]), Stamp(99));
        let remember = |now: &[Option<u8>]| {
            let now: Vec<Option<CacheKey>> = now.iter().map(|key| key.map(|key| CacheKey([key; 32]))).collect();
            remembered(&spec, &adopted, &now, (&bucket, Check::Strict, at))
        };
        let all = remember(&[Some(1), Some(2), Some(3), Some(4)]);
        let keys: Vec<u8> = all.iter().map(|(key, _)| key.0[0]).collect();
        assert_eq!(keys, [1, 2, 4], "one that came in parts has no hash");
        let first = &all[0].1;
        let names: Vec<&str> = first.made.iter().map(|made| made.name.as_str()).collect();
        assert_eq!(names, ["f/a", "f/b"]);
        assert_eq!(first.places[0].files, [("out/0/f/a".into(), [2; 16]), ("out/0/f/b".into(), [1; 16])]);
        let of = |known: &Known| (known.verified, known.trust, known.check, known.fuel, known.at);
        assert_eq!(of(first), (true, Trust::Public, Check::Strict, 11, at));
        assert!(!all[1].1.verified);
        assert!(all[2].1.made.is_empty() && all[2].1.places[0].files.is_empty(), "an item may make nothing");
        // Its input changed, went, or the engine is another one.
        assert_eq!(remember(&[Some(8), None]), []);
        assert_eq!(remember(&[Some(1), None, Some(3), Some(8)]).len(), 1);
    }

    #[test]
    fn known_outputs_get_the_names_of_this_job_and_no_others() {
        let there: BTreeMap<String, Entry> = [("out/2.txt", [1; 32], 7), ("out/3/a", [2; 32], 7)]
            .map(|(name, hash, size)| {
                let entry = Entry {
                    name: name.into(),
                    size: Bytes(size),
                    at: Stamp(0),
                    changed: None,
                    hash,
                    content_type: String::new(),
                    version: [6; 16],
                    etag: None,
                    unix: None,
                };
                (name.to_owned(), entry)
            })
            .into();
        let spec = spec("{index}.txt", &[]);
        let known = |made: &[(&str, u8)]| Known {
            made: made.iter().map(|(name, hash)| Made { name: (*name).into(), size: 7, hash: [*hash; 32] }).collect(),
            fuel: 1,
            bytes: 7,
            verified: true,
            trust: Trust::Own,
            check: Check::Standard,
            at: Stamp(1),
            places: Vec::new(),
        };
        let bucket = BucketId([5; 16]);
        let mut taken = BTreeSet::new();
        let mut begin = |number: u32, made: &[(&str, u8)]| {
            let given = begun(&spec, &bucket, (number, CacheKey([1; 32]), known(made)), (&there, &mut taken));
            given.map(|given| given.known.places[0].files.clone())
        };
        assert_eq!(begin(1, &[("stdout", 1)]), Some(vec![("out/1.txt".into(), NOT_YET)]));
        assert_eq!(begin(2, &[("stdout", 1)]), Some(vec![("out/2.txt".into(), [6; 16])]), "it is there already");
        let files = vec![("out/3/a".into(), NOT_YET), ("out/3/b".into(), NOT_YET)];
        assert_eq!(begin(3, &[("f/a", 1), ("f/b", 2)]), Some(files), "another content is there");
        assert_eq!(begin(4, &[("f/../../x", 1)]), None, "a name outside of the job's place");
        assert_eq!(begin(1, &[("stdout", 1)]), None, "a name that was given already");
    }
}
