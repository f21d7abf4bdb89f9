//! Who keeps a job's keys: links to its folder and to what it reads, narrowed for the one machine that shows a lease.
//!
//! (A) Strangers get links to read the item's own inputs and to write below the folder of their own attempt, for their machine's
//! key alone; machines of the member and its circle get links to read all inputs and to write all outputs of the job. (B) Nothing is given for an item that the lease does
//! not name, or to another machine. (C) No link outlives the job's deadline by more than [`AFTER`].

use super::result::{folder_of, folder_of_attempt, folder_of_item, folder_of_part};
use super::spec::{ItemsSpec, JobSpec};
use crate::ClientError;
use crate::account::{GrantAsk, narrow};
use model::compute::Trust;
use model::errors;
use model::{Span, Stamp};
use serde::{Deserialize, Serialize};
use wire::compute::{Brief, InputForm, OutputForm, Parcel, Parcels, PartOf};
use wire::signed::{GrantOps, LeaseBody};
use wire::{Link, RefusalMsg};

/// Links to read by of one job at most.
pub const SOURCES_MAX: usize = 256;
/// Links hold so long beyond the job's deadline: what was computed by then is stored yet.
pub const AFTER: Span = Span::hours(2);

/// A job with its keys, as its keeper's disk holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptJob {
    /// The job.
    pub spec: JobSpec,
    /// Link to its folder: read, write and list.
    pub folder: String,
    /// Links to what it reads, in the order of the spec's sources.
    pub sources: Vec<String>,
}

/// Links to blocks in one answer: about 1 KiB each.
const LINKS_MAX: u64 = 256;

/// What a link given out may do.
const READS: GrantOps = GrantOps::GET;

impl KeptJob {
    /// When its links end.
    pub fn links_end(until: Stamp) -> Stamp {
        until + AFTER
    }

    /// What a lease's holder needs.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a lease of another job or of items there are none of.
    pub fn parcels(&self, lease: &LeaseBody, knows_brief: bool) -> Result<Parcels, ClientError> {
        let none = || ClientError::Refused(RefusalMsg::new(errors::JOB_UNKNOWN, [("id", lease.job.to_string())]));
        let stage = self.spec.stages.get(usize::from(lease.stage)).ok_or_else(none)?;
        if lease.job != self.spec.job || lease.items().end > stage.items.count() {
            return Err(none());
        }
        let mut links = Links { kept: self, lease, made: Vec::new() };
        let parts = match &stage.brief.output {
            OutputForm::Parts(parting) => parting.parts(),
            OutputForm::Whole => 0,
        };
        let parcel = |item| links.parcel((&stage.items, parts), item);
        let items = lease.items().map(parcel).collect::<Result<Vec<Parcel>, ClientError>>()?;
        let brief = match knows_brief {
            true => None,
            false => {
                let modules = links.below(&self.folder, Some(&format!("{}modules/", self.spec.folder())), READS)?;
                Some(Box::new(Brief { modules, ..stage.brief.clone() }))
            }
        };
        Ok(Parcels { brief, links: links.made.into_iter().map(|(_, text)| text).collect(), items })
    }
}

/// Links made for one lease, each once.
struct Links<'a> {
    kept: &'a KeptJob,
    lease: &'a LeaseBody,
    made: Vec<(String, String)>,
}

impl Links<'_> {
    fn parcel(&mut self, (items, parts): (&ItemsSpec, u32), item: u32) -> Result<Parcel, ClientError> {
        let is_public = self.kept.spec.trust == Trust::Public;
        let folder = folder_of(&self.kept.spec.job);
        let out = format!("{folder}{}", folder_of_item(self.lease.stage, item));
        // A stranger writes below the folder of its own attempt and reads nothing of others'.
        let serial = self.lease.serial;
        let below = if is_public { format!("{out}{}", folder_of_attempt(serial)) } else { format!("{folder}o/") };
        let link = self.link(&self.kept.folder, &below, GrantOps::PUT)?;
        let mut inputs = Vec::new();
        for part in items.of(item) {
            inputs.push(PartOf { link: self.source(part, is_public)?, ..part.clone() });
        }
        if matches!(items, ItemsSpec::Parts(_)) {
            let blocks = format!("{folder}{}", folder_of_part(item));
            let below = if is_public { blocks.clone() } else { format!("{folder}m/") };
            let link = self.link(&self.kept.folder, &below, READS)?;
            inputs.push(PartOf { link, name: blocks, file: String::new(), from: 0, to: 0 });
        }
        let mut blocks = Vec::new();
        let is_many = u64::from(parts) * u64::from(self.lease.count) > LINKS_MAX;
        for part in 0..parts {
            let below = match (is_public, is_many) {
                (true, false) => format!("{folder}{}", super::block_name(part, item, serial)),
                // One answer holds no link for each block: a link for each part does then.
                (true, true) => format!("{folder}{}", folder_of_part(part)),
                (false, _) => format!("{folder}m/"),
            };
            blocks.push(self.link(&self.kept.folder, &below, GrantOps::PUT)?);
        }
        let number = self.kept.spec.number_in(self.lease.stage, item);
        Ok(Parcel { item, number, inputs, out: (link, out), parts: blocks, block_key: self.block_key(item) })
    }

    /// What opens the blocks that an item merges: its own part's, and no other.
    fn block_key(&self, part: u32) -> Option<[u8; 32]> {
        let stages = &self.kept.spec.stages;
        let InputForm::Merged { stage, .. } = stages.get(usize::from(self.lease.stage))?.brief.input else {
            return None;
        };
        Some(seal::part_key(&stages.get(usize::from(stage))?.brief.shuffle?, part))
    }

    /// The link an input is read by.
    fn source(&mut self, part: &PartOf, is_public: bool) -> Result<u16, ClientError> {
        let at = usize::from(part.link);
        let (kept, spec) = self.kept.sources.get(at).zip(self.kept.spec.sources.get(at)).ok_or(NO_SOURCE)?;
        let below = if is_public && !spec.is_object { part.name.as_str() } else { spec.base.as_str() };
        let below =
            if spec.is_object || is_public || below.is_empty() { below.to_owned() } else { format!("{below}/") };
        self.link(kept, &below, READS)
    }

    fn link(&mut self, wide: &str, below: &str, ops: GrantOps) -> Result<u16, ClientError> {
        let key = format!("{}\n{below}\n{}", &wide[wide.len().saturating_sub(24)..], ops.0);
        let place = match self.made.iter().position(|(made, _)| *made == key) {
            Some(place) => place,
            None => {
                let text = self.below(wide, (!below.is_empty()).then_some(below), ops)?;
                self.made.push((key, text));
                self.made.len() - 1
            }
        };
        u16::try_from(place).map_err(|_| NO_SOURCE)
    }

    fn below(&self, wide: &str, below: Option<&str>, ops: GrantOps) -> Result<String, ClientError> {
        let wide: Link = wide.parse().map_err(|_| NO_SOURCE)?;
        let not_after = Some(KeptJob::links_end(self.kept.spec.until));
        let ask = GrantAsk { ops, not_after, recipient: Some(self.lease.node.0), note: String::new() };
        Ok(narrow(&wide, below, &ask)?.to_string())
    }
}

const NO_SOURCE: ClientError = ClientError::Unexpected("a kept job without its links");
