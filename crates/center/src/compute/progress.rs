//! How a job stands, as it is kept of one that ended and told of every one.

use model::compute::FailKind;
use model::{Alias, Span};
use rules::compute::{Evidence, Progress, Waiting, WhyNot};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::compute::{ItemFailure, JobDetail, JobLine, Liar, StageDetail, Waits};
use wire::limits::FAILURES_MAX;

/// What is kept of a job's progress.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Kept {
    stages: Vec<(u32, u32, u32, u32, u32)>,
    running: u32,
    nodes: u32,
    moved: u64,
    copies: u64,
    retried: u64,
    checked: u64,
    fuel: u64,
    fuel_extra: u64,
    eta: Option<Span>,
    waits: Vec<(String, u32)>,
    liars: Vec<KeptLiar>,
    differ: Vec<KeptLiar>,
    failures: Vec<(u8, u32, FailKind, u16)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptLiar {
    node: Alias,
    stage: u8,
    item: u32,
    said: ([u8; 32], u64),
    found: ([u8; 32], u64),
}

impl KeptLiar {
    fn of(node: Alias, why: &Evidence) -> Self {
        let (said, found) = ((why.said.hash, why.said.fuel), (why.found.hash, why.found.fuel));
        Self { node, stage: why.item.stage, item: why.item.item, said, found }
    }

    fn told(self, names: &BTreeMap<Alias, String>) -> Liar {
        let Self { node, stage, item, said, found } = self;
        Liar { name: names.get(&node).cloned().unwrap_or_default(), node, stage, item, said, others: found }
    }
}

fn why_not(why: WhyNot) -> &'static str {
    match why {
        WhyNot::Trust => "waits-trust",
        WhyNot::Walls => "waits-walls",
        WhyNot::Quarantined => "waits-quarantined",
        WhyNot::Region => "waits-region",
        WhyNot::Memory => "waits-memory",
        WhyNot::Scratch => "waits-scratch",
        WhyNot::Schedule => "waits-schedule",
        WhyNot::TooYoung => "waits-young",
        WhyNot::SameOwner => "waits-owner",
        WhyNot::Failed => "waits-failed",
        WhyNot::OwnerShare => "waits-share",
        WhyNot::Suspect => "waits-suspect",
    }
}

impl Kept {
    /// From what the scheduler says.
    pub fn of(progress: &Progress, waiting: Option<&Waiting>) -> Self {
        let stages = progress.stages.iter();
        let running: u32 = stages.clone().map(|s| s.running).sum();
        let mut waits: Vec<(String, u32)> =
            progress.pauses.iter().map(|pause| (format!("pause-{}", pause.word().replace('_', "-")), 0)).collect();
        if let Some(waiting) = waiting.filter(|_| running == 0 && !progress.state.is_over()) {
            if waiting.considered == 0 {
                waits.push(("waits-nobody".to_owned(), 0));
            }
            if waiting.owners < waiting.owners_needed {
                waits.push(("waits-owners".to_owned(), waiting.owners_needed));
            }
            waits.extend(waiting.unfit.iter().map(|(why, nodes)| (why_not(*why).to_owned(), *nodes)));
        }
        Self {
            stages: stages.clone().map(|s| (s.items, s.done, s.checked, s.failed, s.running)).collect(),
            running,
            nodes: progress.nodes,
            moved: progress.moved.into(),
            copies: progress.copies.into(),
            retried: progress.retried.into(),
            checked: stages.map(|s| u64::from(s.checked)).sum(),
            fuel: progress.fuel,
            fuel_extra: progress.extra_fuel,
            eta: progress.eta,
            waits,
            liars: progress.liars.iter().map(|(node, why)| KeptLiar::of(*node, why)).collect(),
            differ: progress.differ.iter().map(|why| KeptLiar::of(why.node, why)).collect(),
            failures: progress
                .failures
                .iter()
                .take(FAILURES_MAX)
                .map(|f| (f.item.stage, f.item.item, f.kind, f.attempts.into()))
                .collect(),
        }
    }

    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// As it was stored; empty where that was another form.
    pub fn parse(bytes: &[u8]) -> Self {
        postcard::from_bytes(bytes).unwrap_or_default()
    }

    /// Items, done and given up, of all stages.
    pub fn counts(&self) -> (u64, u64, u64) {
        self.stages.iter().fold((0, 0, 0), |(items, done, failed), s| {
            (items + u64::from(s.0), done + u64::from(s.1), failed + u64::from(s.3))
        })
    }

    /// As a member is told; `names` are what nodes are called.
    pub fn detail(self, line: JobLine, deadline: model::Stamp, names: &BTreeMap<Alias, String>) -> JobDetail {
        let stage = |(items, done, verified, failed, running)| StageDetail { items, done, verified, failed, running };
        JobDetail {
            stages: self.stages.into_iter().map(stage).collect(),
            running: self.running,
            nodes: self.nodes,
            moved: self.moved,
            copies: self.copies,
            retried: self.retried,
            checked: if line.trust == model::compute::Trust::Own { 0 } else { self.checked },
            fuel: self.fuel,
            fuel_extra: self.fuel_extra,
            eta: self.eta,
            waits: self.waits.into_iter().map(|(why, nodes)| Waits { why, nodes }).collect(),
            liars: self.liars.into_iter().map(|one| one.told(names)).collect(),
            differ: self.differ.into_iter().map(|one| one.told(names)).collect(),
            failures: self
                .failures
                .into_iter()
                .map(|(stage, item, kind, tries)| ItemFailure { stage, item, kind, tries })
                .collect(),
            deadline,
            line,
            max_credits: model::Ucredit::ZERO,
            worth: model::Ucredit::ZERO,
        }
    }

    /// Fuel of accepted outputs.
    pub const fn fuel(&self) -> u64 {
        self.fuel
    }

    /// Nodes it names.
    pub fn named(&self) -> Vec<Alias> {
        self.liars.iter().chain(&self.differ).map(|one| one.node).collect()
    }
}
