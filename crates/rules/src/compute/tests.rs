//! Scripted cases by hand, and a small world that does everything wrong at random.

mod chaos;
mod inputs;
mod leases;
mod scripted;
mod shuffle;

use super::*;
use model::{Alias, Check, JobId, MemberId, Ppm, Span, Stamp, Trust, TrustSet};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

const START: Stamp = Stamp(1_800_000_000_000);

fn node(alias: u32, owner: u8) -> NodeFacts {
    NodeFacts {
        alias: Alias(alias),
        owner: MemberId([owner; 16]),
        network: u64::from(owner),
        region: None,
        session_age: Span::hours(2),
        speed_milli: 1_000,
        trusts: TrustSet::ALL,
        may_public: true,
        longest: Span::hours(12),
        weight: Ppm::ONE,
    }
}

fn slots(n: usize) -> Vec<SlotFacts> {
    vec![SlotFacts { cores: 1, memory_mib: 1_024, scratch_mib: 1_024 }; n]
}

fn stage(items: u32) -> StageFacts {
    StageFacts {
        items,
        memory_mib: 256,
        scratch_mib: 64,
        grow: false,
        fuel_max: 0,
        wall: Span::mins(30),
        bytes_in: 1_000,
        parts: 0,
    }
}

fn job(id: u8, trust: Trust, check: Check, items: u32) -> JobFacts {
    JobFacts {
        id: JobId([id; 16]),
        account: MemberId([200 + id; 16]),
        trust,
        check,
        interactive: false,
        regions: Vec::new(),
        deadline: START + Span::days(7),
        stages: vec![stage(items)],
        budget: 0,
    }
}

/// The right result of an item.
fn truth(stage: u8, item: u32) -> ItemResult {
    let mut hash = [stage; 32];
    hash[..4].copy_from_slice(&item.to_le_bytes());
    ItemResult { item, hash, fuel: 1_000_000 + u64::from(item), bytes: 10, of: [9; 32] }
}

/// A scheduler, its clock and its stored records.
struct Desk {
    scheduler: Scheduler,
    now: Stamp,
    rng: ChaCha8Rng,
    next_ask: u64,
    records: Vec<Record>,
    /// Leases given since they were taken last, also to who had waited.
    grants: Vec<(Alias, Lease)>,
}

impl Desk {
    fn new(seed: u64) -> Self {
        Self {
            scheduler: Scheduler::new(1),
            now: START,
            rng: ChaCha8Rng::seed_from_u64(seed),
            next_ask: 0,
            records: Vec::new(),
            grants: Vec::new(),
        }
    }

    fn put(&mut self, input: Input) -> Vec<Effect> {
        let out = self.scheduler.handle(self.now, input, &mut self.rng);
        for effect in &out {
            if let Effect::Grant { node, leases, .. } = effect {
                self.grants.extend(leases.iter().map(|lease| (*node, lease.clone())));
            }
        }
        self.records.extend(out.iter().filter_map(|effect| match effect {
            Effect::Record(record) => Some(record.clone()),
            _ => None,
        }));
        out
    }

    fn pass(&mut self, span: Span) -> Vec<Effect> {
        self.now = self.now + span;
        self.put(Input::Tick)
    }

    fn ask_all(&mut self, facts: &NodeFacts, n: usize) -> Vec<Effect> {
        self.next_ask += 1;
        self.put(Input::Ask { ask: self.next_ask, node: facts.clone(), slots: slots(n) })
    }

    /// The leases a node gets at once.
    fn ask(&mut self, facts: &NodeFacts, n: usize) -> Vec<Lease> {
        granted(&self.ask_all(facts, n), facts.alias)
    }

    fn computed(&mut self, node: Alias, lease: &Lease, items: Vec<ItemResult>) -> (Vec<Verdict>, Vec<Effect>) {
        let out = self.put(Input::Report { node, report: Report::Computed { serial: lease.serial, items } });
        let verdicts = out.iter().find_map(|effect| match effect {
            Effect::Verdicts { verdicts, .. } => Some(verdicts.iter().map(|(_, verdict)| *verdict).collect()),
            _ => None,
        });
        (verdicts.expect("every report is answered"), out)
    }

    fn done(&mut self, node: Alias, lease: &Lease, items: Vec<ItemResult>) -> (Vec<Taken>, Vec<Effect>) {
        let out = self.put(Input::Report { node, report: Report::Done { serial: lease.serial, items } });
        let taken = out.iter().find_map(|effect| match effect {
            Effect::Taken { taken, .. } => Some(taken.iter().map(|(_, taken)| *taken).collect()),
            _ => None,
        });
        (taken.expect("every report is answered"), out)
    }

    /// Computes a lease as it should be, and stores what is wanted.
    fn work(&mut self, node: Alias, lease: &Lease) -> Vec<Effect> {
        self.work_as(node, lease, |result| result)
    }

    fn work_as(&mut self, node: Alias, lease: &Lease, lie: impl Fn(ItemResult) -> ItemResult) -> Vec<Effect> {
        let all = (lease.first..lease.first + u32::from(lease.count)).map(|item| lie(truth(lease.stage, item)));
        let all: Vec<ItemResult> = all.collect();
        if lease.direct {
            return self.done(node, lease, all).1;
        }
        let (verdicts, mut out) = self.computed(node, lease, all.clone());
        let wanted = all.into_iter().zip(verdicts).filter(|(_, verdict)| *verdict == Verdict::Store);
        let wanted: Vec<ItemResult> = wanted.map(|(result, _)| result).collect();
        if !wanted.is_empty() {
            out.extend(self.done(node, lease, wanted).1);
        }
        out
    }

    fn progress(&self, id: u8) -> Progress {
        self.scheduler.progress(self.now, JobId([id; 16])).expect("the job is known")
    }

    /// Another life, from what was stored.
    fn restart(&mut self, jobs: &[JobFacts]) {
        let life = self.scheduler.life + 1;
        let old = std::mem::replace(&mut self.scheduler, Scheduler::new(life));
        for (alias, node) in &old.nodes {
            self.put(Input::Known { node: *alias, standing: node.standing.clone() });
        }
        for facts in jobs {
            let past = self.records.iter().filter(|record| record.job() == Some(facts.id)).cloned().collect();
            self.put(Input::Restore(facts.clone(), past));
        }
    }
}

fn granted(out: &[Effect], node: Alias) -> Vec<Lease> {
    out.iter()
        .flat_map(|effect| match effect {
            Effect::Grant { node: to, leases, .. } if *to == node => leases.clone(),
            _ => Vec::new(),
        })
        .collect()
}
