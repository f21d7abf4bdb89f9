//! What the scheduler answers without changing anything.
//!
//! (A) The records of [`Scheduler::fold`] make the same job as all its records did. (B) No answer lists more than
//! [`LISTED_MAX`] of anything.

use super::item::{Checking, result_of};
use super::job::Job;
use super::limits::LISTED_MAX;
use super::progress::{Failure, Progress, StageProgress, Waiting};
use super::record::{Checked, Fold, Record};
use super::scheduler::{Key, Scheduler};
use super::stage::Stage;
use model::{Check, ItemRef, JobId, JobPause, JobState, MemberId, Span, Stamp, Trust};
use std::collections::BTreeSet;

impl Scheduler {
    /// Jobs it knows, in the order in which they came; ended ones stay while their outputs may still be run again.
    pub fn jobs(&self) -> Vec<JobId> {
        self.jobs.values().map(|job| job.facts.id).collect()
    }

    /// Whether a lease is known; if not, the shell asks its node for the permit and sends [`super::Input::Announce`].
    pub fn knows(&self, serial: u64) -> bool {
        self.attempts.contains_key(&serial)
    }

    /// Whether a node is still to say what it runs since before a restart: its next check-in counts even if it runs nothing.
    pub fn awaits(&self, node: model::Alias) -> bool {
        self.jobs.values().any(|job| job.awaited.contains(&node))
    }

    /// How a node stands, if it was ever heard of.
    pub fn standing(&self, node: model::Alias) -> Option<&super::Standing> {
        self.nodes.get(&node).map(|node| &node.standing)
    }

    /// How a job stands.
    pub fn progress(&self, now: Stamp, job: JobId) -> Option<Progress> {
        let job = &self.jobs[&self.key(job)?];
        let pauses = pauses(job);
        let stages: Vec<StageProgress> = job.stages.iter().map(|stage| stage_progress(job, stage)).collect();
        let nodes: BTreeSet<_> =
            job.leases.iter().filter_map(|serial| self.attempts.get(serial)).map(|a| a.node).collect();
        Some(Progress {
            job: job.facts.id,
            state: shown_state(job, &pauses),
            pauses,
            nodes: u32::try_from(nodes.len()).unwrap_or(u32::MAX),
            retried: job.retried,
            moved: job.moved,
            copies: job.copies,
            fuel: job.stages.iter().map(|stage| stage.fuel).sum(),
            extra_fuel: job.extra_fuel,
            eta: self.eta(now, job),
            liars: job.liars.clone(),
            differ: job.differ.iter().take(LISTED_MAX).cloned().collect(),
            failures: failures(job),
            stages,
        })
    }

    /// What is left of the stages that have begun, at the pace of the leases that run.
    fn eta(&self, now: Stamp, job: &Job) -> Option<Span> {
        let stage = job.stages.get(job.at).filter(|_| !job.state.is_over())?;
        let running = job.leases.iter().filter_map(|serial| self.attempts.get(serial));
        let speed: u64 = running.clone().map(|attempt| u64::from(attempt.speed_milli.max(1))).sum();
        let unsent = stage.facts.items.saturating_sub(stage.ended());
        let work = stage.law.takes(unsent, 1_000)?;
        let slowest = running.filter_map(|attempt| attempt.left(now)).max().unwrap_or(Span::ZERO);
        (speed > 0).then(|| work.scaled(1_000, speed).max(slowest))
    }

    /// Why a job waits for machines; none when the job is not known.
    pub fn why_waiting(&self, now: Stamp, job: JobId) -> Option<Waiting> {
        let key: Key = self.key(job)?;
        let job = &self.jobs[&key];
        let unfit = self.unfit(now, key);
        let suitable: Vec<_> = unfit.iter().filter(|(_, why)| why.is_none()).map(|(alias, _)| *alias).collect();
        let node = |alias| self.nodes.get(alias);
        let owners: BTreeSet<MemberId> =
            suitable.iter().filter_map(|alias| Some(node(alias)?.facts.as_ref()?.owner)).collect();
        let free = suitable.iter().filter(|alias| node(alias).is_some_and(|node| node.ask.is_some())).count();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Some(Waiting {
            considered: count(unfit.len()),
            suitable: count(suitable.len()),
            free: count(free),
            owners: count(owners.len()),
            owners_needed: match (job.facts.trust, job.facts.check) {
                (Trust::Own | Trust::Circle, _) => 1,
                (Trust::Public, Check::Strict | Check::Standard) => 3,
                (Trust::Public, _) => 2,
            },
            unfit: Self::grouped(&unfit),
        })
    }

    /// (A) Everything durable of a job in few records: they may take the place of all its records up to now.
    pub fn fold(&self, job: JobId) -> Vec<Record> {
        let Some(job) = self.key(job).map(|key| &self.jobs[&key]) else { return Vec::new() };
        let id = job.facts.id;
        let mut records = Vec::new();
        for (number, stage) in job.stages.iter().enumerate() {
            let number = u8::try_from(number).expect("at most 32 stages");
            records.push(Record::Folded { job: id, stage: number, fold: fold(stage) });
            for (item, why) in &stage.failed {
                let item = ItemRef { job: id, stage: number, item: *item };
                records.push(Record::Failed { item, kind: why.kind, detail: why.detail, attempts: why.attempts });
            }
            let items =
                stage.items.iter().map(|(item, entry)| (ItemRef { job: id, stage: number, item: *item }, entry));
            items.for_each(|(item, entry)| fold_item(&mut records, item, entry));
        }
        self.fold_unchecked(job, &mut records);
        records.extend(job.differ.iter().map(|evidence| Record::Differ { evidence: evidence.clone() }));
        if job.many_failed || job.goes_on {
            records.push(Record::ManyFailed { job: id, paused: job.many_failed });
        }
        if !job.state.is_over() {
            records.extend(job.workers.iter().map(|node| Record::Worker { job: id, node: *node }));
        }
        records.push(Record::State { job: id, state: job.state });
        records
    }

    /// Results that may have to be run again.
    fn fold_unchecked(&self, job: &Job, records: &mut Vec<Record>) {
        for (node, known) in &self.nodes {
            for old in &known.unchecked {
                let is_ours = self.jobs.get(&old.at.key).is_some_and(|of| of.facts.id == job.facts.id);
                let stage = job.stages.get(usize::from(old.at.stage));
                if !is_ours || stage.is_none_or(|stage| !stage.is_unchecked(old.at.item, old.serial)) {
                    continue;
                }
                let vote = super::Vote {
                    node: *node,
                    owner: old.owner,
                    network: old.network,
                    region: None,
                    serial: old.serial,
                    result: old.result,
                    validated: 0,
                    at: old.said_at,
                };
                let item = ItemRef { job: job.facts.id, stage: old.at.stage, item: old.at.item };
                records.push(Record::Done { item, vote, checked: Checked::Not });
            }
        }
    }
}

fn fold(stage: &Stage) -> Fold {
    Fold {
        cursor: stage.reserved,
        fuel_max: stage.fuel_max,
        done: stage.done.words().to_vec(),
        verified: stage.verified.words().to_vec(),
        fuel: stage.fuel,
        bytes: stage.bytes,
        largest: stage.law.largest(),
        waived: stage.waived,
        holders: stage.holders.clone(),
        spill: stage.spill,
        waves: stage.waves,
        kept: stage.kept.values().cloned().collect(),
    }
}

fn fold_item(records: &mut Vec<Record>, item: ItemRef, entry: &super::item::Item) {
    records.extend(entry.strikes.iter().map(|strike| Record::Strike { item, strike: strike.clone() }));
    if entry.checking != Checking::Open {
        return;
    }
    if let Some(vote) = result_of(entry) {
        records.push(Record::Done { item, vote: vote.clone(), checked: Checked::Drawn });
    }
    let kept = entry.ballots.iter().filter(|ballot| ballot.is_kept && Some(ballot.vote.serial) != entry.accepted);
    records.extend(kept.map(|ballot| Record::Voted { item, vote: ballot.vote.clone() }));
}

fn pauses(job: &Job) -> Vec<JobPause> {
    let stage = job.stages.get(job.at);
    let waits = job.unknown_until.is_some() && stage.is_some_and(|stage| !stage.is_ready() && !stage.is_full());
    let all = [
        (job.keeper_off, JobPause::KeeperOffline),
        (job.many_failed, JobPause::ManyFailed),
        (waits, JobPause::Restarted),
        (job.is_out_of_budget(), JobPause::Budget),
    ];
    all.into_iter().filter(|(is_so, _)| *is_so && !job.state.is_over()).map(|(_, why)| why).collect()
}

fn shown_state(job: &Job, pauses: &[JobPause]) -> JobState {
    if job.state.is_over() {
        return job.state;
    }
    if job.stages.iter().all(Stage::is_full) {
        return JobState::Finishing;
    }
    if pauses.is_empty() { job.state } else { JobState::Paused }
}

fn stage_progress(job: &Job, stage: &Stage) -> StageProgress {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let is_own = job.facts.trust == Trust::Own;
    let running = stage.items.iter().filter(|(item, entry)| {
        let has_output = stage.done.get(**item);
        !has_output && (!entry.live.is_empty() || entry.is_pending())
    });
    let (done, failed, running) = (stage.done.ones(), count(stage.failed.len()), count(running.count()));
    StageProgress {
        items: stage.facts.items,
        done,
        checked: if is_own { done } else { stage.verified.ones() },
        running,
        failed,
        unsent: stage.facts.items.saturating_sub(done + failed + running),
        checking: count(stage.open.iter().filter(|item| stage.done.get(**item)).count()),
        waived: stage.waived,
    }
}

fn failures(job: &Job) -> Vec<Failure> {
    let id = job.facts.id;
    let all = job.stages.iter().enumerate().flat_map(|(number, stage)| {
        let number = u8::try_from(number).expect("at most 32 stages");
        stage.failed.iter().map(move |(item, why)| Failure {
            item: ItemRef { job: id, stage: number, item: *item },
            kind: why.kind,
            detail: why.detail,
            attempts: why.attempts,
        })
    });
    all.take(LISTED_MAX).collect()
}
