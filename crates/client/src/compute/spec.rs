//! A job as its member knows it: what runs, over what, and what outputs are called.

use super::result::folder_of;
use model::compute::{JobKind, Trust};
use model::{JobId, Stamp};
use serde::{Deserialize, Serialize};
use wire::compute::{Brief, PartOf};

/// A job, whole, without its keys. Kept sealed in the job's folder, so that any device of its member takes results over.
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

    /// What an item of the last stage is called, below [`Self::to`].
    ///
    /// # Errors
    /// [`JobSpecError::Word`].
    pub fn name_of(&self, item: u32) -> Result<String, JobSpecError> {
        let input = self.stages.last().and_then(|stage| stage.items.of(item).first());
        let name = input.map_or_else(|| format!("part-{item:05}"), |part| part.file.clone());
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).to_owned();
        let mut out = String::new();
        let mut rest = self.pattern.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (word, tail) = after.split_once('}').ok_or_else(|| JobSpecError::Word(after.to_owned()))?;
            out.push_str(before);
            match word.split_once(':') {
                None if word == "name" => out.push_str(&name),
                None if word == "stem" => out.push_str(&stem),
                None if word == "index" => out.push_str(&item.to_string()),
                Some(("index", width)) if width.parse::<usize>().is_ok_and(|width| width <= 16) => {
                    let width = width.parse::<usize>().unwrap_or(0);
                    out.push_str(&format!("{item:0width$}"));
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
