//! Taking a job's outputs over: each gets its name, no byte moves; when all have, the job's folder goes.

use super::result::{LOG, Made, STDOUT, result_hash};
use super::spec::JobSpec;
use crate::{Bucket, Client, ClientError, Entry};
use model::{Bytes, JobId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::JoinSet;
use wire::compute::{JobItem, JobItemsAsk};
use wire::limits::PAGE_MAX;
use wire::storage::Expect;
use wire::{Reply, Request};

/// Names given, or removed, at the same time.
pub(super) const NAMES_OPEN: usize = 8;

/// An output that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Item, as it was handed in.
    pub item: u32,
    /// Its name below its attempt's folder.
    pub made: String,
    /// Its name in the job's bucket.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// BLAKE3 of its content.
    pub hash: [u8; 32],
    /// Which version of its name.
    pub version: [u8; 16],
}

/// What came of taking outputs over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Adopted {
    /// Outputs that have their name now, those that had it before among them.
    pub outputs: Vec<Output>,
    /// Items whose outputs these are.
    pub items: Vec<JobItem>,
    /// Items whose stored output is not what was accepted, or is gone; by the numbers their member knows them by.
    pub wrong: Vec<u32>,
    /// Bytes of the outputs.
    pub bytes: Bytes,
}

/// Objects of one attempt.
type Attempts = BTreeMap<(u32, u64), Vec<Entry>>;

impl Client {
    /// Accepted items of a stage.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn job_items(&self, job: JobId, stage: u8) -> Result<Vec<JobItem>, ClientError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let ask = JobItemsAsk { job, stage, after, limit: PAGE_MAX as u16 };
            let Reply::JobItems(page) = self.ask_again(Request::JobItems(ask)).await? else {
                return Err(ClientError::Unexpected("no items of a job"));
            };
            after = page.items.last().map(|item| item.item);
            let is_last = !page.more || page.items.is_empty();
            all.extend(page.items);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Gives the outputs of accepted items their names. The same again changes nothing.
    ///
    /// # Errors
    /// [`ClientError`]; what has its name by then keeps it.
    pub async fn adopt(
        &self,
        bucket: &Bucket,
        spec: &JobSpec,
        check_key: &[u8; 32],
        progress: crate::Progress<'_>,
    ) -> Result<Adopted, ClientError> {
        let stage = spec.last_stage();
        let items = self.job_items(spec.job, stage).await?;
        let mut attempts = self.attempts(bucket, spec, stage).await?;
        let there = self.list(bucket, &spec.to).await?;
        let there: Arc<BTreeMap<String, Entry>> = Arc::new(there.into_iter().map(|e| (e.name.clone(), e)).collect());
        let (mut adopted, mut names) = (Adopted::default(), JoinSet::new());
        let mut taken: BTreeSet<String> = spec.earlier.outputs.iter().map(|(name, _)| name.clone()).collect();
        let total = items.len() as u64;
        for (n, item) in items.iter().enumerate() {
            let made = attempts.remove(&(item.item, item.serial)).unwrap_or_default();
            let is_right = hash_of(spec, check_key, item, &made) == item.hash;
            let called = if is_right { called(spec, item, made, &mut taken)? } else { None };
            let Some(called) = called else {
                adopted.wrong.push(spec.number_of(item.item));
                continue;
            };
            for (entry, name) in called {
                let (bytes, hash) = (entry.size.0, entry.hash);
                let old = there.get(&name).filter(|old| old.hash == hash && old.size == entry.size);
                let (made, version) = (below(spec, item, &entry.name).to_owned(), old.map(|old| old.version));
                let (name_of, version_of) = (name.clone(), version.unwrap_or_default());
                adopted.outputs.push(Output { item: item.item, made, name: name_of, bytes, hash, version: version_of });
                adopted.bytes.0 += bytes;
                if version.is_some() {
                    continue;
                }
                while names.len() >= NAMES_OPEN {
                    adopted.named(named(names.join_next().await)?);
                }
                let (client, bucket, at) = (self.clone(), bucket.clone(), adopted.outputs.len() - 1);
                names.spawn(async move {
                    let copied = client.copy(&bucket, &entry.name, &name, Expect::Any).await?;
                    Ok((at, copied.version))
                });
            }
            adopted.items.push(item.clone());
            progress("phase-adopt", n as u64 + 1, total);
        }
        while !names.is_empty() {
            adopted.named(named(names.join_next().await)?);
        }
        Ok(adopted)
    }

    /// Removes what a job left in its folder. For when its outputs have their names.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn clear_job(&self, bucket: &Bucket, spec: &JobSpec) -> Result<u64, ClientError> {
        let left = self.list(bucket, &spec.folder()).await?;
        let mut gone = JoinSet::new();
        let count = left.len() as u64;
        // What the job was goes last: a clearing that was broken off is begun again by it.
        let (last, first): (Vec<Entry>, Vec<Entry>) = left.into_iter().partition(|entry| entry.name.ends_with("/spec"));
        for entry in first {
            while gone.len() >= NAMES_OPEN {
                named(gone.join_next().await)?;
            }
            let (client, bucket) = (self.clone(), bucket.clone());
            gone.spawn(async move { client.remove(&bucket, &entry.name, Expect::Any).await });
        }
        while !gone.is_empty() {
            named(gone.join_next().await)?;
        }
        for entry in last {
            self.remove(bucket, &entry.name, Expect::Any).await?;
        }
        Ok(count)
    }

    /// The kept end of an item's standard error, of whichever attempt at it left one last; none where none did.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn job_log(
        &self,
        bucket: &Bucket,
        spec: &JobSpec,
        stage: u8,
        item: u32,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        let folder = format!("{}{}", spec.folder(), super::folder_of_item(stage, item));
        let logs = self.list(bucket, &folder).await?;
        let last = logs.into_iter().filter(|e| e.name.ends_with(&format!("/{LOG}"))).max_by_key(|e| e.at);
        let Some(entry) = last else { return Ok(None) };
        let mut bytes = Vec::new();
        self.get(bucket, &entry.name, crate::Wanted::default(), &mut bytes, &|_, _, _| {}).await?;
        Ok(Some(bytes))
    }

    async fn attempts(&self, bucket: &Bucket, spec: &JobSpec, stage: u8) -> Result<Attempts, ClientError> {
        let folder = format!("{}o/{stage}/", spec.folder());
        let mut attempts = Attempts::new();
        for entry in self.list(bucket, &folder).await? {
            let mut parts = entry.name.strip_prefix(&folder).unwrap_or_default().splitn(3, '/');
            let (Some(item), Some(serial), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let (Ok(item), Ok(serial)) = (item.parse(), u64::from_str_radix(serial, 16)) else { continue };
            if rest != LOG {
                attempts.entry((item, serial)).or_default().push(entry);
            }
        }
        Ok(attempts)
    }
}

impl Adopted {
    /// An output has its name.
    fn named(&mut self, done: Option<(usize, [u8; 16])>) {
        if let Some((at, version)) = done {
            self.outputs[at].version = version;
        }
    }
}

/// What the next of several tasks gave.
pub(super) fn named<T>(
    done: Option<Result<Result<T, ClientError>, tokio::task::JoinError>>,
) -> Result<Option<T>, ClientError> {
    done.map(|done| done.map_err(|_| ClientError::Unexpected("naming ended"))?).transpose()
}

/// An item's objects with the names they shall have; nothing where one of them is not the item's to give: what a stranger named is
/// below the job's place, and nobody else's, also not that of an item that was known before.
fn called(
    spec: &JobSpec,
    item: &JobItem,
    made: Vec<Entry>,
    taken: &mut BTreeSet<String>,
) -> Result<Option<Vec<(Entry, String)>>, ClientError> {
    let mut all = Vec::with_capacity(made.len());
    for entry in made {
        let name = output_name(spec, item.item, below(spec, item, &entry.name))?;
        if !is_below(spec, &name) || !taken.insert(name.clone()) {
            return Ok(None);
        }
        all.push((entry, name));
    }
    Ok(Some(all))
}

/// Name of an object below its attempt's folder.
fn below<'a>(spec: &JobSpec, item: &JobItem, name: &'a str) -> &'a str {
    let item_folder = super::folder_of_item(spec.last_stage(), item.item);
    let folder = format!("{}{item_folder}{}", spec.folder(), super::folder_of_attempt(item.serial));
    name.strip_prefix(folder.as_str()).unwrap_or(name)
}

/// Whether a name lies below the job's place and stays there when it becomes a file.
pub(super) fn is_below(spec: &JobSpec, name: &str) -> bool {
    let rest = name.strip_prefix(spec.to.as_str());
    rest.is_some_and(|rest| {
        rest.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0', ':']))
    })
}

/// The hash of what is stored as an accepted item's output. An accepted item ended with exit code 0.
fn hash_of(spec: &JobSpec, check_key: &[u8; 32], item: &JobItem, made: &[Entry]) -> [u8; 32] {
    let made = made.iter().map(|entry| Made {
        name: below(spec, item, &entry.name).to_owned(),
        size: entry.size.0,
        hash: entry.hash,
    });
    result_hash(check_key, 0, &made.collect::<Vec<_>>())
}

/// What an output of an item is called in the job's bucket; `made` is its name below its attempt's folder.
pub(super) fn output_name(spec: &JobSpec, item: u32, made: &str) -> Result<String, ClientError> {
    let called = spec.name_of(item).map_err(|_| ClientError::Unexpected("a pattern with an unknown word"))?;
    Ok(match made.strip_prefix("f/") {
        None if made == STDOUT => format!("{}{called}", spec.to),
        None => format!("{}{called}/{made}", spec.to),
        Some(file) => {
            let stem = called.rsplit_once('.').map_or(called.as_str(), |(stem, _)| stem);
            format!("{}{stem}/{file}", spec.to)
        }
    })
}
