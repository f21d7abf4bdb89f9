//! A job as its member knows it: what runs, over what, and what outputs are called.

use super::cache::CacheKey;
use super::result::folder_of;
use model::compute::{JobKind, Trust};
use model::{JobId, Stamp};
use serde::{Deserialize, Serialize};
use wire::compute::{Brief, JobDetail, PartOf};

/// A job, whole, without its links. Kept sealed in the job's folder, so that any device of its member takes results over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// Which.
    pub job: JobId,
    /// What it is.
    pub kind: JobKind,
    /// Its name.
    pub name: String,
    /// Whose machines may run it.
    pub trust: Trust,
    /// Nothing is handed out after this.
    pub until: Stamp,
    /// Bucket of its results.
    pub bucket: String,
    /// Where outputs are named, e.g. `results/`; names follow.
    pub to: String,
    /// What an output is called: `{name}`, `{stem}`, `{index}`, `{index:05}` are replaced.
    pub pattern: String,
    /// What is read: parts name these by place.
    pub sources: Vec<SourceSpec>,
    /// Its stages.
    pub stages: Vec<StageSpec>,
    /// What earlier runs spare it.
    #[serde(default)]
    pub earlier: Earlier,
}

/// What earlier runs spare a job, and under which names its results are remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Earlier {
    /// Numbers that the member knows the last stage's items by, ascending; empty: as they are handed in.
    pub numbers: Vec<u32>,
    /// What the last stage's items are called in the cache; empty: nothing is remembered.
    pub keys: Vec<CacheKey>,
    /// Items that were known already, and are not handed in.
    pub items: u32,
    /// Their outputs, with their bytes: they have their names in the job's bucket.
    pub outputs: Vec<(String, u64)>,
}

impl Earlier {
    /// Bytes of the known outputs.
    pub fn bytes(&self) -> u64 {
        self.outputs.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// A part of a bucket that a job reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// Bucket.
    pub bucket: String,
    /// Folder without a `/` at its end, or an object; empty for the whole bucket.
    pub base: String,
    /// It is an object.
    pub is_object: bool,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSpec {
    /// What is the same for all its items; its link is empty here.
    pub brief: Brief,
    /// Its items.
    pub items: ItemsSpec,
}

/// Items of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemsSpec {
    /// So many, without input.
    Count(u32),
    /// Each reads these.
    Objects(Vec<Vec<PartOf>>),
    /// Each reads one part of what an earlier stage's mappers wrote.
    Parts(u32),
}

impl ItemsSpec {
    /// How many there are.
    pub fn count(&self) -> u32 {
        match self {
            Self::Count(count) | Self::Parts(count) => *count,
            Self::Objects(items) => u32::try_from(items.len()).unwrap_or(u32::MAX),
        }
    }

    /// What an item reads.
    pub fn of(&self, item: u32) -> &[PartOf] {
        match self {
            Self::Objects(items) => items.get(item as usize).map_or(&[], Vec::as_slice),
            Self::Count(_) | Self::Parts(_) => &[],
        }
    }
}

/// What is wrong with a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobSpecError {
    /// A pattern has a word that is none.
    #[error("{{{0}}} is no word of a pattern; there are {{name}}, {{stem}}, {{index}} and {{index:05}}")]
    Word(String),
    /// Two items would have outputs of the same name.
    #[error("two items would both be called {0}")]
    SameName(String),
}

impl JobSpec {
    /// Its folder in its bucket, with a `/` at its end.
    pub fn folder(&self) -> String {
        folder_of(&self.job)
    }

    /// The last stage: its outputs are the job's.
    pub fn last_stage(&self) -> u8 {
        u8::try_from(self.stages.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }

    /// Items in all.
    pub fn items(&self) -> u64 {
        self.stages.iter().map(|stage| u64::from(stage.items.count())).sum()
    }

    /// The number that the member knows an item of the last stage by: its place among all that were typed, not only among those that
    /// were handed in.
    pub fn number_of(&self, item: u32) -> u32 {
        if self.earlier.numbers.is_empty() {
            return item;
        }
        self.earlier.numbers.get(item as usize).copied().unwrap_or(u32::MAX)
    }

    /// The same for an item of any stage.
    pub fn number_in(&self, stage: u8, item: u32) -> u32 {
        if stage == self.last_stage() { self.number_of(item) } else { item }
    }

    /// The item that the member knows by `number`; nothing for one that was not handed in, as it was known.
    pub fn item_of(&self, stage: u8, number: u32) -> Option<u32> {
        if stage != self.last_stage() || self.earlier.numbers.is_empty() {
            return Some(number);
        }
        self.earlier.numbers.binary_search(&number).ok().and_then(|at| u32::try_from(at).ok())
    }

    /// Tells items by the numbers their member knows them by.
    pub fn renumber(&self, detail: &mut JobDetail) {
        let failures = detail.failures.iter_mut().map(|failure| (failure.stage, &mut failure.item));
        let liars = detail.liars.iter_mut().chain(&mut detail.differ).map(|liar| (liar.stage, &mut liar.item));
        for (stage, item) in failures.chain(liars) {
            *item = self.number_in(stage, *item);
        }
    }

    /// Leaves only items of the last stage that `is_wanted`, by their numbers: the others are known. Their numbers stay.
    pub fn keep_items(&mut self, is_wanted: impl Fn(u32) -> bool) {
        let Some(stage) = self.stages.last() else { return };
        let all = stage.items.count();
        let kept: Vec<u32> = (0..all).filter(|item| is_wanted(self.number_of(*item))).collect();
        if kept.len() == all as usize {
            return;
        }
        let count = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        let of = |item: &u32| stage.items.of(*item).to_vec();
        let items = match &stage.items {
            ItemsSpec::Objects(_) => ItemsSpec::Objects(kept.iter().map(of).collect()),
            ItemsSpec::Count(_) => ItemsSpec::Count(count),
            ItemsSpec::Parts(_) => ItemsSpec::Parts(count),
        };
        let keys = kept.iter().filter_map(|item| self.earlier.keys.get(*item as usize).copied()).collect();
        self.earlier.numbers = kept.iter().map(|item| self.number_of(*item)).collect();
        self.earlier.keys = keys;
        self.earlier.items += all - count;
        if let Some(stage) = self.stages.last_mut() {
            stage.items = items;
        }
    }

    /// What an item of the last stage is called, below [`Self::to`].
    ///
    /// # Errors
    /// [`JobSpecError::Word`].
    pub fn name_of(&self, item: u32) -> Result<String, JobSpecError> {
        let input = self.stages.last().and_then(|stage| stage.items.of(item).first());
        let number = self.number_of(item);
        let name = input.map_or_else(|| format!("part-{number:05}"), |part| part.file.clone());
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).to_owned();
        let mut out = String::new();
        let mut rest = self.pattern.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (word, tail) = after.split_once('}').ok_or_else(|| JobSpecError::Word(after.to_owned()))?;
            out.push_str(before);
            match word.split_once(':') {
                None if word == "name" => out.push_str(&name),
                None if word == "stem" => out.push_str(&stem),
                None if word == "index" => out.push_str(&number.to_string()),
                Some(("index", width)) if width.parse::<usize>().is_ok_and(|width| width <= 16) => {
                    let width = width.parse::<usize>().unwrap_or(0);
                    out.push_str(&format!("{number:0width$}"));
                }
                _ => return Err(JobSpecError::Word(word.to_owned())),
            }
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Checks that no two outputs have one name.
    ///
    /// # Errors
    /// [`JobSpecError`].
    pub fn check_names(&self) -> Result<(), JobSpecError> {
        let count = self.stages.last().map_or(0, |stage| stage.items.count());
        // Files of an item lie below its name without what follows the last point: that must be its own too.
        let mut seen = std::collections::BTreeSet::new();
        for item in 0..count {
            let name = self.name_of(item)?;
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            if !seen.insert(stem.to_owned()) {
                return Err(JobSpecError::SameName(name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::compute::FailKind;
    use wire::compute::ItemFailure;

    fn part(file: &str) -> PartOf {
        PartOf { link: 0, name: format!("in/{file}"), file: file.to_owned(), from: 0, to: 0 }
    }

    /// A spec as it was written before it had anything to do with earlier runs.
    fn spec(files: &[&str], pattern: &str) -> JobSpec {
        let items: Vec<Vec<PartOf>> = files.iter().map(|file| vec![part(file)]).collect();
        let zero = [0u8; 32];
        let brief = serde_json::json!({"modules": "", "module": {"name": "m", "hash": zero, "args": [], "env": [],
            "seed": zero}, "combine": null, "check_key": zero, "limits": {"memory_bytes": 1, "output_bytes": 1,
            "scratch_bytes": 1, "wall": 1, "stderr_bytes": 1}, "input": "Stdin", "output": "Whole", "count": files.len(),
            "tells_index": false});
        let old = serde_json::json!({"job": JobId([1; 16]), "kind": "array", "name": "n", "trust": "circle", "until": 0,
            "bucket": "b", "to": "out/", "pattern": pattern, "sources": [],
            "stages": [{"brief": brief, "items": ItemsSpec::Objects(items)}]});
        serde_json::from_value(old).unwrap()
    }

    fn names(spec: &JobSpec) -> Vec<String> {
        (0..spec.stages[0].items.count()).map(|item| spec.name_of(item).unwrap()).collect()
    }

    #[test]
    fn items_keep_their_numbers_and_names_when_others_are_known() {
        for pattern in ["{index}", "{index:03}-{stem}"] {
            let mut job = spec(&["a.x", "b.x", "c.x", "d.x", "e.x"], pattern);
            let all = names(&job);
            assert_eq!((job.number_of(3), job.item_of(0, 3)), (3, Some(3)));
            job.keep_items(|number| number % 2 == 1);
            assert_eq!(names(&job), [all[1].clone(), all[3].clone()]);
            assert_eq!((job.items(), job.earlier.items), (2, 3));
            assert_eq!(job.stages[0].items.of(1), [part("d.x")]);
            assert_eq!((job.number_of(0), job.number_of(1)), (1, 3));
            assert_eq!((job.item_of(0, 3), job.item_of(0, 2), job.item_of(0, 9)), (Some(1), None, None));
            // Once more, of those that were left.
            job.keep_items(|number| number == 3);
            assert_eq!((names(&job), job.earlier.items), (vec![all[3].clone()], 4));
            let back: JobSpec = serde_json::from_value(serde_json::to_value(&job).unwrap()).unwrap();
            assert_eq!(back, job);
        }
    }

    #[test]
    fn a_job_without_known_items_is_as_it_was() {
        let mut job = spec(&["a", "b"], "{name}");
        let before = job.clone();
        job.keep_items(|_| true);
        assert_eq!(job, before);
        assert_eq!(job.earlier, Earlier::default());
    }

    #[test]
    fn what_the_center_tells_of_items_is_told_by_their_numbers() {
        let mut job = spec(&["a", "b", "c", "d"], "{name}");
        job.keep_items(|number| number >= 2);
        let failed = |stage, item| ItemFailure { stage, item, kind: FailKind::Trap, tries: 3 };
        let mut failures = [failed(0, 0), failed(0, 1)];
        failures.iter_mut().for_each(|one| one.item = job.number_in(one.stage, one.item));
        assert_eq!(failures, [failed(0, 2), failed(0, 3)]);
        assert_eq!(job.number_in(1, 1), 1, "another stage's items are all handed in");
    }
}
