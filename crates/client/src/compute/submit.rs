//! Handing a job in: modules and spec are stored sealed, links are made for who keeps them, then the center is told sizes.

use super::keep::{KeptJob, SOURCES_MAX};
use super::spec::{JobSpec, SourceSpec, StageSpec};
use crate::account::{Account, GrantAsk, Me};
use crate::{AskCenter, Bucket, Client, ClientError, PutAsk, Small};
use model::compute::Check;
use model::{NodeId, Region, Ucredit};
use seal::BucketKeys;
use std::collections::BTreeMap;
use wire::compute::{JobStage, JobSubmit};
use wire::signed::GrantOps;
use wire::{Reply, Request, Ticket};

/// Names below this are jobs' own and are hidden in listings.
pub const HIDDEN_JOBS: &str = ".pumasi/jobs/";

/// What is handed in beside the spec.
#[derive(Debug, Clone)]
pub struct JobAsk {
    /// The job.
    pub spec: JobSpec,
    /// Modules by the names its stages give them.
    pub modules: Vec<ModuleAsk>,
    /// How results are held against each other.
    pub check: Check,
    /// Somebody waits.
    pub is_interactive: bool,
    /// Only machines of these regions.
    pub regions: Vec<Region>,
    /// What each stage needs; as many as the spec has.
    pub stages: Vec<JobStage>,
    /// Machines that will keep its keys.
    pub keepers: Vec<NodeId>,
    /// Engine it runs on.
    pub engine: [u8; 16],
    /// Most it may cost; 0: as the cloud sets it.
    pub max_credits: Ucredit,
}

/// A module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleAsk {
    /// As the stages call it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A job that is prepared: stored and with its links, not handed in yet.
pub struct Submitted {
    /// For who keeps it.
    pub kept: KeptJob,
    /// For the center.
    pub submit: JobSubmit,
}

/// Who speaks, where the cloud is found, and the account's keys.
pub struct Speaker<'a> {
    /// The account.
    pub account: &'a Account,
    /// This device.
    pub me: Me<'a>,
    /// How others find the cloud.
    pub address: Ticket,
    /// The way to the center.
    pub center: AskCenter,
}

impl Client {
    /// Stores what a job needs and makes its links. Nothing runs before [`Self::submit_job`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn prepare_job(
        &self,
        speaker: &Speaker<'_>,
        bucket: &Bucket,
        sources: &BTreeMap<String, Bucket>,
        ask: JobAsk,
    ) -> Result<Submitted, ClientError> {
        if ask.spec.sources.len() > SOURCES_MAX {
            return Err(ClientError::Unexpected("more than 256 folders are read"));
        }
        let folder = ask.spec.folder();
        let spec =
            serde_json::to_vec(&ask.spec).map_err(|_| ClientError::Unexpected("a spec that cannot be written"))?;
        for module in &ask.modules {
            self.store(bucket, &format!("{folder}modules/{}", module.name), module.bytes.clone()).await?;
        }
        self.store(bucket, &format!("{folder}spec"), spec).await?;
        let keys = speaker.account.root.bucket(bucket.id());
        let ops = GrantOps::parse("get,put,list").ok_or(ClientError::Unexpected("no operations"))?;
        let wide = self.link(speaker, &keys.folder(&folder)?, &ask.spec, ops).await?;
        let mut links = Vec::with_capacity(ask.spec.sources.len());
        for source in &ask.spec.sources {
            let of = sources.get(&source.bucket).ok_or(ClientError::Unexpected("a source without its bucket"))?;
            let keys = part_of(&speaker.account.root.bucket(of.id()), source)?;
            links.push(self.link(speaker, &keys, &ask.spec, GrantOps::GET).await?);
        }
        let label = speaker.account.root.seal_label(bucket.id(), &ask.spec.name, &mut rand::rng())?;
        let submit = JobSubmit {
            id: ask.spec.job,
            kind: ask.spec.kind,
            label,
            trust: ask.spec.trust,
            check: ask.check,
            is_interactive: ask.is_interactive,
            regions: ask.regions,
            deadline: ask.spec.until,
            stages: ask.stages,
            bucket: *bucket.id(),
            keepers: ask.keepers,
            engine: ask.engine,
            max_credits: ask.max_credits,
        };
        Ok(Submitted { kept: KeptJob { spec: ask.spec, folder: wide, sources: links }, submit })
    }

    /// Hands a prepared job in. The same again changes nothing.
    ///
    /// # Errors
    /// [`ClientError::Refused`].
    pub async fn submit_job(&self, submit: JobSubmit) -> Result<(), ClientError> {
        match self.ask_again(Request::JobSubmit(Box::new(submit))).await? {
            Reply::Done => Ok(()),
            _ => Err(ClientError::Unexpected("no word on a job")),
        }
    }

    /// Opens the spec of a job by the bucket its results go to.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn job_spec(&self, bucket: &Bucket, job: &model::JobId) -> Result<JobSpec, ClientError> {
        let mut bytes = Vec::new();
        let name = format!("{}spec", super::result::folder_of(job));
        self.get(bucket, &name, crate::Wanted::default(), &mut bytes, &|_, _, _| {}).await?;
        let spec: JobSpec =
            serde_json::from_slice(&bytes).map_err(|_| ClientError::Unexpected("a spec that cannot be read"))?;
        if spec.job == *job { Ok(spec) } else { Err(ClientError::Unexpected("another job's spec")) }
    }

    async fn store(&self, bucket: &Bucket, name: &str, content: Vec<u8>) -> Result<(), ClientError> {
        let ask = PutAsk { size_hint: content.len() as u64, ..PutAsk::new(name) };
        if content.len() as u64 <= crate::SMALL_MAX {
            return self.put_small(bucket, vec![Small { ask, content }], &|_, _, _| {}).await.map(drop);
        }
        self.put(bucket, ask, Box::new(std::io::Cursor::new(content)), &|_, _, _| {}).await.map(drop)
    }

    async fn link(
        &self,
        speaker: &Speaker<'_>,
        keys: &BucketKeys,
        spec: &JobSpec,
        ops: GrantOps,
    ) -> Result<String, ClientError> {
        let not_after = Some(KeptJob::links_end(spec.until));
        let ask = GrantAsk { ops, not_after, recipient: None, note: link_note(&spec.job) };
        let link = speaker.account.give(&speaker.center, speaker.me, keys, &ask, speaker.address.clone()).await?;
        Ok(link.to_string())
    }
}

/// What the giver's list calls links that were made for a job.
pub fn link_note(job: &model::JobId) -> String {
    format!("job {job}")
}

fn part_of(all: &BucketKeys, source: &SourceSpec) -> Result<BucketKeys, ClientError> {
    Ok(match (source.base.as_str(), source.is_object) {
        ("", _) => all.clone(),
        (name, true) => all.object(name)?,
        (folder, false) => all.folder(&format!("{folder}/"))?,
    })
}

/// What the center is told of a stage.
pub fn stage_of(spec: &StageSpec, fuel_max: u64, bytes_in: u64) -> JobStage {
    let limits = &spec.brief.limits;
    let mib = |bytes: u64| u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
    JobStage {
        items: spec.items.count(),
        memory_mib: mib(limits.memory_bytes).max(1),
        scratch_mib: mib(limits.scratch_bytes.saturating_add(limits.output_bytes)),
        fuel_max,
        wall: limits.wall,
        bytes_in,
    }
}
