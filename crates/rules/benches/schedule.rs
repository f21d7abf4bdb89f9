//! What the scheduler costs: 200 nodes, no-op items, from request to accepted output. Prints microseconds an item.
//!
//! `cargo bench -p rules --bench schedule`

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock; the rules under it do not")]

use model::{Alias, Check, JobId, MemberId, Ppm, Span, Stamp, Trust, TrustSet};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use rules::compute::{
    Effect, Input, ItemResult, JobFacts, Lease, NodeFacts, Report, Scheduler, SlotFacts, StageFacts, Verdict,
};
use std::time::Instant;

const NODES: u32 = 200;
const ITEMS: u32 = 200_000;

fn node(alias: u32) -> NodeFacts {
    let mut owner = [0; 16];
    owner[..4].copy_from_slice(&alias.to_le_bytes());
    NodeFacts {
        alias: Alias(alias),
        owner: MemberId(owner),
        network: u64::from(alias),
        region: None,
        session_age: Span::hours(1),
        speed_milli: 1_000,
        trusts: TrustSet::ALL,
        may_public: true,
        longest: Span::hours(5),
        weight: Ppm::ONE,
    }
}

fn job(trust: Trust) -> JobFacts {
    let stage = StageFacts {
        items: ITEMS,
        memory_mib: 64,
        scratch_mib: 0,
        grow: false,
        fuel_max: 1_000_000,
        wall: Span::mins(1),
        bytes_in: 100,
        parts: 0,
    };
    JobFacts {
        id: JobId([1; 16]),
        account: MemberId([255; 16]),
        trust,
        check: Check::Standard,
        interactive: false,
        regions: Vec::new(),
        deadline: Stamp(u64::MAX),
        stages: vec![stage],
        budget: 0,
    }
}

struct Bench {
    scheduler: Scheduler,
    rng: ChaCha8Rng,
    now: Stamp,
    ended: bool,
}

impl Bench {
    fn put(&mut self, input: Input) -> Vec<Effect> {
        let out = self.scheduler.handle(self.now, input, &mut self.rng);
        self.ended |= out.iter().any(|effect| matches!(effect, Effect::JobEnded { .. }));
        out
    }

    fn work(&mut self, node: Alias, lease: &Lease) {
        let result = |item| ItemResult { item, hash: [item as u8; 32], fuel: 1_000, bytes: 1, of: [0; 32] };
        let items: Vec<ItemResult> = (lease.first..lease.first + u32::from(lease.count)).map(result).collect();
        let serial = lease.serial;
        if lease.direct {
            self.put(Input::Report { node, report: Report::Done { serial, items } });
            return;
        }
        let out = self.put(Input::Report { node, report: Report::Computed { serial, items } });
        let stored: Vec<ItemResult> = out
            .iter()
            .flat_map(|effect| match effect {
                Effect::Verdicts { verdicts, .. } => verdicts.clone(),
                _ => Vec::new(),
            })
            .filter(|(_, verdict)| *verdict == Verdict::Store)
            .map(|(item, _)| result(item))
            .collect();
        if !stored.is_empty() {
            self.put(Input::Report { node, report: Report::Done { serial, items: stored } });
        }
    }
}

fn run(name: &str, trust: Trust, takes: Span) {
    let scheduler = Scheduler::new(1);
    let mut bench = Bench { scheduler, rng: ChaCha8Rng::seed_from_u64(1), now: Stamp(1_800_000_000_000), ended: false };
    let nodes: Vec<NodeFacts> = (0..NODES).map(node).collect();
    let slot = SlotFacts { cores: 1, memory_mib: 256, scratch_mib: 64 };
    let begun = Instant::now();
    bench.put(Input::Submit(job(trust)));
    let (mut ask, mut executed) = (0, 0u64);
    while !bench.ended {
        let mut held = Vec::new();
        for facts in &nodes {
            ask += 1;
            let out = bench.put(Input::Ask { ask, node: facts.clone(), slots: vec![slot; 2] });
            held.extend(out.into_iter().filter_map(|effect| match effect {
                Effect::Grant { node, leases, .. } => Some((node, leases)),
                _ => None,
            }));
        }
        bench.now = bench.now + takes;
        for (node, leases) in held {
            for lease in leases {
                executed += u64::from(lease.count);
                bench.work(node, &lease);
            }
        }
    }
    let micros = begun.elapsed().as_micros() as f64;
    println!("{name:<28} {:>7.2} µs an item, {:>7.2} µs a run", micros / f64::from(ITEMS), micros / executed as f64);
}

fn main() {
    println!("{NODES} nodes, {ITEMS} items; goal 30 µs an item");
    for _ in 0..3 {
        run("circle, bundled", Trust::Circle, Span::secs(1));
        run("circle, one by one", Trust::Circle, Span::secs(12));
        run("public standard, bundled", Trust::Public, Span::secs(1));
        run("public standard, one by one", Trust::Public, Span::secs(12));
    }
}
