use super::*;
use crate::compute::job::Job;
use crate::compute::quorum::below;
use crate::compute::shuffle::places;
use model::{FailKind, ItemRef, JobState};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A node of the world: what it holds, and what it has not said yet.
struct Host {
    facts: NodeFacts,
    leases: Vec<(Lease, BTreeMap<u32, Said>)>,
    lies: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Said {
    Nothing,
    Store(ItemResult),
}

struct World {
    desk: Desk,
    jobs: Vec<JobFacts>,
    hosts: Vec<Host>,
    accepted: BTreeMap<ItemRef, ItemResult>,
    verified: BTreeSet<ItemRef>,
    pays: BTreeMap<(ItemRef, u64), Vec<PayAct>>,
    said: BTreeMap<(ItemRef, u64), ItemResult>,
    replaced: u32,
    restarts: u32,
    /// Who has which block: job, map item, attempt, part. Nobody's are in storage.
    blocks: BTreeSet<(JobId, u32, u64, u32, Option<Alias>)>,
    missed: u32,
    /// How often each item has been run again for lost blocks.
    reruns: BTreeMap<ItemRef, u32>,
    waves: u32,
    aside: BTreeMap<(JobId, Alias), usize>,
}

impl World {
    fn new(seed: u64, jobs: Vec<JobFacts>, liars: u32) -> Self {
        let hosts = (0..9u32).map(|n| {
            let owner = if jobs[0].trust == Trust::Own { 201 } else { 1 + n as u8 % 7 };
            Host { facts: node(n, owner), leases: Vec::new(), lies: n < liars }
        });
        let mut world = Self {
            desk: Desk::new(seed),
            hosts: hosts.collect(),
            jobs,
            accepted: BTreeMap::new(),
            verified: BTreeSet::new(),
            pays: BTreeMap::new(),
            said: BTreeMap::new(),
            replaced: 0,
            restarts: 0,
            blocks: BTreeSet::new(),
            missed: 0,
            reruns: BTreeMap::new(),
            waves: 0,
            aside: BTreeMap::new(),
        };
        for facts in world.jobs.clone() {
            let out = world.desk.put(Input::Submit(facts));
            world.look(&out, 0.0);
        }
        world
    }

    fn below(&mut self, n: u64) -> u64 {
        below(n, &mut self.desk.rng)
    }

    fn hits(&mut self, share: f64) -> bool {
        (self.below(1_000_000) as f64) < share * 1e6
    }

    fn put(&mut self, input: Input, lost: f64) {
        let out = self.desk.put(input);
        self.look(&out, lost);
    }

    /// Checks every effect, and carries it out unless it gets lost.
    fn look(&mut self, out: &[Effect], lost: f64) {
        let mut may_replace = BTreeSet::new();
        for effect in out {
            match effect {
                Effect::Replaced { item, .. } => drop(may_replace.insert(*item)),
                Effect::Record(Record::Reopened { item, compared: false })
                | Effect::Record(Record::Failed { item, .. }) => {
                    self.accepted.remove(item);
                    self.verified.remove(item);
                }
                Effect::Record(Record::Rerun { job, stage, items, wave }) => {
                    for item in items {
                        let item = ItemRef { job: *job, stage: *stage, item: *item };
                        assert!(self.accepted.remove(&item).is_some(), "(A) only what is there is lost");
                        self.verified.remove(&item);
                        *self.reruns.entry(item).or_default() += 1;
                    }
                    self.waves = self.waves.max(*wave);
                }
                _ => {}
            }
        }
        for effect in out {
            match effect {
                Effect::Record(Record::Done { item, vote, .. }) => {
                    let old = self.accepted.insert(*item, vote.result);
                    assert!(old.is_none() || may_replace.contains(item), "(A) {item} is accepted twice");
                    assert!(old.is_none_or(|old| old != vote.result), "(A) {item} is replaced by itself");
                    self.replaced += u32::from(old.is_some());
                }
                Effect::Record(Record::Verified { item, .. }) => drop(self.verified.insert(*item)),
                Effect::Pay(pay) => self.pay(pay),
                Effect::Grant { node, leases, .. } if !self.hits(lost) => {
                    for lease in leases {
                        let items = (lease.first..lease.first + u32::from(lease.count)).map(|i| (i, Said::Nothing));
                        self.hosts[node.0 as usize].leases.push((lease.clone(), items.collect()));
                    }
                }
                Effect::Verdicts { node, serial, verdicts } if !self.hits(lost) => {
                    let held = self.hosts[node.0 as usize].leases.iter_mut().find(|(lease, _)| lease.serial == *serial);
                    let Some((lease, items)) = held else { continue };
                    for (item, verdict) in verdicts {
                        let of = ItemRef { job: lease.job, stage: lease.stage, item: *item };
                        match verdict {
                            Verdict::Store => drop(items.insert(*item, Said::Store(self.said[&(of, *serial)]))),
                            Verdict::Drop => drop(items.remove(item)),
                            Verdict::Refused(Refused::UnknownLease) => {}
                            Verdict::Refused(_) => drop(items.remove(item)),
                        }
                    }
                }
                Effect::Taken { node, serial, taken } if !self.hits(lost) => {
                    let held = self.hosts[node.0 as usize].leases.iter_mut().find(|(lease, _)| lease.serial == *serial);
                    let Some((_, items)) = held else { continue };
                    for (item, taken) in taken {
                        if *taken != Taken::Refused(Refused::UnknownLease) {
                            items.remove(item);
                        }
                    }
                }
                Effect::Cancel { node, serial } if !self.hits(lost) => {
                    self.hosts[node.0 as usize].leases.retain(|(lease, _)| lease.serial != *serial);
                }
                Effect::Show { node, serial } => self.show(node.0 as usize, *serial),
                _ => {}
            }
        }
        self.hosts.iter_mut().for_each(|host| host.leases.retain(|(_, items)| !items.is_empty()));
        self.check_state();
    }

    /// (D): paid at most once, and only for a result that stands.
    fn pay(&mut self, pay: &Pay) {
        let acts = self.pays.entry((pay.item, pay.serial)).or_default();
        acts.push(pay.act);
        let is_lawful = matches!(
            acts[..],
            [PayAct::Pending] | [PayAct::Post] | [PayAct::Pending, PayAct::Post] | [PayAct::Pending, PayAct::Forfeit]
        );
        // A center that dies between a check and its pay says `pending` or `post` again; the ledger knows the attempt.
        assert!(is_lawful || self.restarts > 0, "(D) {pay:?} {acts:?}");
        if pay.act != PayAct::Forfeit {
            let said = self.said[&(pay.item, pay.serial)];
            assert_eq!(said.fuel, pay.fuel, "(D)");
            let kept = self.accepted.get(&pay.item).expect("(D) nobody is paid for an item without output");
            if kept.of != said.of {
                // Who was given another input is paid a few times.
                let node = self.aside.entry((pay.item.job, pay.node)).or_default();
                *node += usize::from(pay.act == PayAct::Post);
                assert!(*node <= limits::OTHER_INPUT_MAX || self.restarts > 0, "(D)");
                return;
            }
            assert!(kept.hash == said.hash && kept.fuel == said.fuel, "(D) {pay:?} is not what stands");
        }
    }

    fn show(&mut self, host: usize, serial: u64) {
        let held = self.hosts[host].leases.iter().find(|(lease, _)| lease.serial == serial);
        if let Some((lease, _)) = held {
            let announce = Input::Announce { node: self.hosts[host].facts.clone(), lease: lease.clone() };
            self.put(announce, 0.0);
        }
    }

    /// What must hold at every moment.
    fn check_state(&self) {
        let s = &self.desk.scheduler;
        for job in s.jobs.values() {
            for stage in &job.stages {
                for (item, entry) in &stage.items {
                    let queues = u32::from(stage.again.contains(*item))
                        + u32::from(stage.special.contains(item))
                        + stage.held.iter().filter(|(_, held)| held == item).count() as u32;
                    assert!(queues <= 1, "one queue at most");
                    assert!(entry.live.iter().all(|live| s.attempts.contains_key(live)), "live leases are known");
                    if job.facts.trust == Trust::Own {
                        continue;
                    }
                    // Who makes a lost output once more has said its result before; it has one say all the same.
                    let live = entry.live.iter().map(|live| s.attempts[live].owner);
                    for mut owners in [live.collect::<Vec<_>>(), entry.ballots.iter().map(|b| b.vote.owner).collect()] {
                        let all = owners.len();
                        owners.sort_unstable();
                        owners.dedup();
                        assert_eq!(owners.len(), all, "(E) two copies of one owner");
                    }
                }
            }
        }
        for attempt in s.attempts.values() {
            assert!(attempt.until <= attempt.life_end.max(attempt.until), "(C)");
            assert!(attempt.is_over || attempt.until.since(self.desk.now) <= limits::PARK_GRACE, "(C)");
        }
    }

    fn ask(&mut self, host: usize) {
        let room = 3usize.saturating_sub(self.hosts[host].leases.len());
        if room > 0 {
            self.desk.next_ask += 1;
            let (ask, node) = (self.desk.next_ask, self.hosts[host].facts.clone());
            self.put(Input::Ask { ask, node, slots: slots(room) }, 0.1);
        }
    }

    /// A host says the next thing it has to say of one of its leases.
    fn report(&mut self, host: usize, lost: f64) {
        let which = self.below(self.hosts[host].leases.len() as u64) as usize;
        let Some((lease, items)) = self.hosts[host].leases.get(which) else { return };
        let (serial, direct, stage, job) = (lease.serial, lease.direct, lease.stage, lease.job);
        let node = self.hosts[host].facts.alias;
        let items: Vec<(u32, Said)> = items.iter().map(|(item, said)| (*item, *said)).collect();
        let lies = self.hosts[host].lies;
        if stage == 1 && self.misses(host, which) {
            return;
        }
        if stage == 0 {
            self.push_blocks(host, which);
        }
        let (mut computed, mut stored) = (Vec::new(), Vec::new());
        for (item, said) in items {
            let of = ItemRef { job, stage, item };
            match said {
                Said::Store(result) => stored.push(result),
                Said::Nothing => {
                    let mut result = truth(stage, item);
                    if lies && self.hits(0.3) {
                        result.hash[31] = 1 + host as u8;
                    }
                    if host == 8 && self.hits(0.1) {
                        (result.hash[30], result.of) = (77, [77; 32]);
                    }
                    let result = *self.said.entry((of, serial)).or_insert(result);
                    if direct { stored.push(result) } else { computed.push(result) }
                }
            }
        }
        if !computed.is_empty() {
            self.put(Input::Report { node, report: Report::Computed { serial, items: computed } }, lost);
        } else {
            self.put(Input::Report { node, report: Report::Done { serial, items: stored } }, lost);
        }
        if !self.desk.scheduler.knows(serial) {
            self.show(host, serial);
        }
    }

    /// A mapper keeps its blocks and pushes them, or stores them.
    fn push_blocks(&mut self, host: usize, which: usize) {
        let lease = self.hosts[host].leases[which].0.clone();
        let me = self.hosts[host].facts.alias;
        let parts = self.jobs.iter().find(|job| job.id == lease.job).map_or(0, |job| job.stages[0].parts);
        for item in lease.first..lease.first + u32::from(lease.count) {
            for part in 0..parts {
                let mut order = places(lease.holders.len(), part).map(|place| lease.holders[place]);
                let to = order.find(|holder| *holder != me);
                let places = if lease.spill { [Some(None), None] } else { [Some(Some(me)), to.map(Some)] };
                let places = places.into_iter().flatten();
                self.blocks.extend(places.map(|place| (lease.job, item, lease.serial, part, place)));
            }
        }
    }

    /// Whether a machine that merges cannot get all blocks of its parts; then it says so.
    fn misses(&mut self, host: usize, which: usize) -> bool {
        let lease = self.hosts[host].leases[which].0.clone();
        let Some(shuffle) = self.desk.scheduler.shuffle(lease.job, 0) else { return false };
        let has = |item: u32, serial: u64, part: u32| {
            let from = (lease.job, item, serial, part, None);
            self.blocks.range(from..=(lease.job, item, serial, part, Some(Alias(u32::MAX)))).next().is_some()
        };
        let parts = lease.first..lease.first + u32::from(lease.count);
        let of = shuffle.items(0).map(|kept| (kept.vote.result.item, kept.vote.serial));
        let lost: Vec<u32> =
            of.filter(|(item, serial)| parts.clone().any(|part| !has(*item, *serial, part))).map(|of| of.0).collect();
        if lost.is_empty() {
            return false;
        }
        self.missed += 1;
        self.hosts[host].leases.remove(which);
        let report = Report::Missing { serial: lease.serial, stage: 0, items: lost };
        self.put(Input::Report { node: self.hosts[host].facts.alias, report }, 0.0);
        true
    }

    /// A machine's disk is gone, and with it every block it had.
    fn wipe(&mut self, host: usize) {
        let alias = self.hosts[host].facts.alias;
        self.hosts[host].leases.clear();
        self.blocks.retain(|(_, _, _, _, place)| *place != Some(alias));
    }

    fn check_in(&mut self, host: usize) {
        let leases = self.hosts[host].leases.iter();
        let leases =
            leases.map(|(lease, _)| LeaseState { serial: lease.serial, items_done: 0, fuel: 0, parked: false });
        let (node, leases) = (self.hosts[host].facts.alias, leases.collect());
        self.put(Input::CheckIn { node, leases }, 0.0);
    }

    fn fail(&mut self, host: usize) {
        let Some((lease, items)) = self.hosts[host].leases.first() else { return };
        let (serial, Some(item)) = (lease.serial, items.keys().next().copied()) else { return };
        let kinds = [FailKind::Host, FailKind::Store, FailKind::Key, FailKind::Wall];
        let kind = kinds[self.below(4) as usize];
        let report = Report::Failed { serial, item, kind, detail: 0, fuel: 0 };
        self.hosts[host].leases[0].1.remove(&item);
        self.put(Input::Report { node: self.hosts[host].facts.alias, report }, 0.0);
    }

    fn restart(&mut self, folded: bool) {
        self.restarts += 1;
        let before: Vec<_> = self.jobs.iter().map(|job| self.desk.scheduler.progress(self.desk.now, job.id)).collect();
        let blocks: Vec<_> = self.jobs.iter().map(|job| blocks_of(&self.desk, job.id)).collect();
        if folded {
            let standing = self.desk.records.iter().filter(|record| record.job().is_none()).cloned();
            let folds = self.jobs.iter().flat_map(|job| self.desk.scheduler.fold(job.id));
            self.desk.records = standing.chain(folds).collect();
        }
        for facts in &self.jobs {
            self.restored_alike(facts);
        }
        self.desk.restart(&self.jobs);
        let is_known = |job: &JobFacts| self.desk.scheduler.jobs().contains(&job.id);
        for (job, before) in self.jobs.iter().zip(blocks).filter(|(job, before)| before.is_some() && is_known(job)) {
            assert!(before == blocks_of(&self.desk, job.id), "(B) of blocks");
        }
        for (facts, before) in self.jobs.iter().zip(before) {
            let (Some(before), Some(after)) = (before, self.desk.scheduler.progress(self.desk.now, facts.id)) else {
                continue;
            };
            for (before, after) in before.stages.iter().zip(&after.stages) {
                assert_eq!(
                    (before.done, before.failed, before.checked),
                    (after.done, after.failed, after.checked),
                    "(B)"
                );
            }
        }
    }

    /// (H) A job made from its fold is the one made from its records, whatever is asked.
    fn restored_alike(&self, facts: &JobFacts) {
        let old = &self.desk.scheduler;
        let (now, id) = (self.desk.now, facts.id);
        if !old.jobs().contains(&id) {
            return;
        }
        let make = |records: Vec<Record>| {
            let (mut new, mut rng) = (Scheduler::new(old.life + 1), self.desk.rng.clone());
            for (alias, node) in &old.nodes {
                new.handle(now, Input::Known { node: *alias, standing: node.standing.clone() }, &mut rng);
            }
            new.handle(now, Input::Restore(facts.clone(), records), &mut rng);
            new
        };
        let of_job = |record: &&Record| record.job() == Some(id);
        let (long, short) = (make(self.desk.records.iter().filter(of_job).cloned().collect()), make(old.fold(id)));
        assert_eq!(long.progress(now, id), short.progress(now, id), "(H)");
        assert_eq!(long.why_waiting(now, id), short.why_waiting(now, id), "(H)");
        let blocks = |s: &Scheduler| {
            s.shuffle(id, 0)
                .map(|all| (all.holders.clone(), all.spill_from, all.waves, all.items(0).cloned().collect::<Vec<_>>()))
        };
        assert!(blocks(&long) == blocks(&short), "(H)");
        for node in self.hosts.iter().map(|host| host.facts.alias) {
            assert_eq!((long.awaits(node), long.standing(node)), (short.awaits(node), short.standing(node)), "(H)");
        }
        let is_short = |job: &Job| job.stages.iter().map(|stage| stage.facts.items as usize).sum::<usize>();
        assert!(short.fold(id).len() <= 4 * is_short(&long.jobs[&0]) + 60, "few");
        assert_eq!(make(short.fold(id)).progress(now, id), short.progress(now, id), "(H) folded twice");
    }

    fn step(&mut self) {
        let host = self.below(self.hosts.len() as u64) as usize;
        let node = self.hosts[host].facts.alias;
        match self.below(100) {
            0..=29 => self.ask(host),
            30..=64 => self.report(host, 0.2),
            65..=74 => self.check_in(host),
            75..=78 => self.fail(host),
            79..=80 => {
                self.hosts[host].leases.clear();
                self.put(Input::Goodbye { node }, 0.0);
            }
            81 => self.hosts[host].leases.clear(),
            82 => self.wipe(host),
            83 => self.put(Input::Suspect { node }, 0.0),
            84 => self.put(Input::Back { node }, 0.0),
            85..=86 => {
                if let Some((lease, _)) = self.hosts[host].leases.first() {
                    let serial = lease.serial;
                    let parks = self.hits(0.5);
                    let report = if parks { Report::Parked { serial } } else { Report::Over { serial } };
                    if !parks {
                        self.hosts[host].leases.remove(0);
                    }
                    self.put(Input::Report { node, report }, 0.0);
                }
            }
            87 => {
                let folded = self.hits(0.3);
                self.restart(folded);
            }
            _ => {
                let span = Span::ms(self.below(40_000));
                let out = self.desk.pass(span);
                self.look(&out, 0.0);
            }
        }
    }

    /// Everybody is well from now on: the jobs must end.
    fn calm(&mut self) {
        for round in 0..4_000 {
            if self
                .jobs
                .iter()
                .all(|job| self.desk.scheduler.progress(self.desk.now, job.id).is_none_or(|p| p.state.is_over()))
            {
                return;
            }
            let _ = round;
            for host in 0..self.hosts.len() {
                self.ask(host);
                self.check_in(host);
                for _ in 0..4 {
                    self.report(host, 0.0);
                }
            }
            let out = self.desk.pass(Span::secs(20));
            self.look(&out, 0.0);
        }
        let s = &self.desk.scheduler;
        for job in s.jobs.values().filter(|job| !job.state.is_over()) {
            for stage in &job.stages {
                println!(
                    "items {:?}\nspecial {:?} again {:?} held {:?} open {:?}",
                    stage.items, stage.special, stage.again, stage.held, stage.open
                );
            }
            println!("{:?}", s.why_waiting(self.desk.now, job.facts.id));
        }
        panic!("(A) a job hangs");
    }
}

/// Where blocks lie, as far as it is durable.
type Blocks = (Vec<Alias>, Option<u64>, u32, Vec<Accepted>);

fn blocks_of(desk: &Desk, job: JobId) -> Option<Blocks> {
    let shuffle = desk.scheduler.shuffle(job, 0)?;
    let items = shuffle.items(0).map(|kept| Accepted { was_verified: false, ..kept.clone() }).collect();
    Some((shuffle.holders.clone(), shuffle.spill_from, shuffle.waves, items))
}

fn play(seed: u64, jobs: Vec<JobFacts>, liars: u32, steps: u32) -> World {
    let mut world = World::new(seed, jobs, liars);
    for _ in 0..steps {
        world.step();
    }
    world.calm();
    let public = world.jobs.iter().filter(|job| job.trust == Trust::Public).map(|job| job.id).collect::<BTreeSet<_>>();
    for item in &world.verified {
        let right = truth(item.stage, item.item);
        let is_right = world.accepted.get(item).is_none_or(|kept| kept.hash == right.hash && kept.fuel == right.fuel);
        assert!(is_right || !public.contains(&item.job), "what is verified is right");
    }
    world
}

fn any_job(id: u8) -> impl Strategy<Value = JobFacts> {
    let check = prop_oneof![Just(Check::Fast), Just(Check::Standard), Just(Check::Strict)];
    let trust = prop_oneof![1 => Just(Trust::Circle), 3 => Just(Trust::Public)];
    (trust, check, 1u32..90).prop_map(move |(trust, check, items)| job(id, trust, check, items))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_dies_everything_is_accepted_once(seed: u64, one in any_job(1), other in any_job(2), liars in 0u32..3) {
        let mut mapreduce = one;
        mapreduce.stages.push(stage(3));
        mapreduce.stages[0].parts = 3;
        let world = play(seed, vec![mapreduce, other], liars, 600);
        for job in &world.jobs {
            let Some(progress) = world.desk.scheduler.progress(world.desk.now, job.id) else { continue };
            let failed: u32 = progress.stages.iter().map(|stage| stage.failed).sum();
            if progress.state == JobState::Done {
                prop_assert!(progress.stages.iter().all(|stage| stage.done == stage.items) && failed == 0, "(A)");
            } else {
                prop_assert!(failed > 0, "(A) {:?} {:?} {:?}", progress.state, progress.stages, progress.failures);
            }
        }
    }

    #[test]
    fn own_machines_do_the_same_without_checks(seed: u64, items in 1u32..80) {
        let world = play(seed, vec![job(1, Trust::Own, Check::Off, items)], 0, 500);
        prop_assert!(world.pays.is_empty(), "one's own machines cost nothing");
    }
}

#[test]
fn the_small_world_does_what_it_is_for() {
    let (mut waves, mut missed, mut spilled, mut reduced) = (0, 0, 0, 0);
    let (mut replaced, mut restarts, mut accepted, mut quarantined, mut lost) = (0, 0, 0, 0, 0);
    for seed in 0..40 {
        let mut shuffled = job(1, if seed % 2 == 0 { Trust::Public } else { Trust::Circle }, Check::Standard, 60);
        shuffled.stages[0].parts = 60;
        shuffled.stages.push(stage(60));
        let mut world = World::new(seed, vec![shuffled], 1);
        for step in 0..3_000 {
            world.step();
            // Now and then somebody loses all it has.
            if step % 16 == 0 {
                for _ in 0..3 {
                    let host = world.below(9) as usize;
                    world.wipe(host);
                }
            }
        }
        world.calm();
        let of_job = |record: &&Record| matches!(record, Record::Spill { .. });
        spilled += world.desk.records.iter().filter(of_job).count() as u32;
        // A copy that ran already when blocks began to go through storage may still have won.
        let most = limits::SHUFFLE_WAVES_MAX + 2;
        assert!(world.reruns.values().all(|times| *times <= most), "(C of shuffle) {:?}", world.reruns);
        waves += world.waves;
        missed += world.missed;
        let is_done =
            world.desk.scheduler.progress(world.desk.now, JobId([1; 16])).is_none_or(|p| p.state == JobState::Done);
        reduced += u32::from(is_done);
    }
    for seed in 0..40 {
        let jobs = vec![job(1, Trust::Public, Check::Standard, 120), job(2, Trust::Public, Check::Fast, 80)];
        let world = play(seed, jobs, 2, 600);
        replaced += world.replaced;
        restarts += world.restarts;
        accepted += world.accepted.len();
        let nodes = world.desk.scheduler.nodes.values();
        quarantined += nodes.filter(|node| node.standing.quarantined.is_some()).count();
        lost += world
            .jobs
            .iter()
            .filter_map(|job| world.desk.scheduler.progress(world.desk.now, job.id))
            .map(|p| p.moved)
            .sum::<u32>();
    }
    assert!(waves > 10 && missed > waves && spilled > 0 && reduced > 10, "{waves} {missed} {spilled} {reduced}");
    println!("{replaced} replaced, {restarts} restarts, {accepted} accepted, {quarantined} quarantined, {lost} moved");
    assert!(replaced > 5 && restarts > 100 && accepted > 7_000 && quarantined > 20 && lost > 100);
}
