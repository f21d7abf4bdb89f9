//! Where blocks lie between map and reduce, and what follows when they are lost (`docs/design/compute.md` §9).
//!
//! A mapper keeps its blocks and pushes each part's to that part's holder: two machines, where there are two. A machine that
//! merges a part gets it preferably there. (A) Holders are steady before they are of different owners, and that before they are
//! of different networks; two that follow each other are of different owners where that can be. (B) Items whose blocks are to be
//! had nowhere run again in one wave, however many machines miss them; what they came to must come out again. (C) After
//! [`SHUFFLE_WAVES_MAX`] waves blocks go through storage and stay there, so an item runs again at most once more than that.
//! (D) No slot waits longer than [`HOLDER_WAIT`] because a part lies elsewhere. (E) Who says that blocks are missing that are
//! not costs at most that many waves, and after [`MISSING_SAYS_MAX`] reports merges nothing more of the job.

use super::job::Job;
use super::limits::{
    HOLDER_WAIT, HOLDERS_EVERY, HOLDERS_LOOK, MISSING_MAX, MISSING_SAYS_MAX, PILOTS, SHUFFLE_HOLDERS_MAX,
    SHUFFLE_LAG_MAX, SHUFFLE_LOST_LEAST, SHUFFLE_LOST_SHARE, SHUFFLE_WAVES_MAX, STEADY_AGE,
};
use super::record::{Accepted, Record};
use super::scheduler::{At, Key, Node, Scheduler, Timer, Turn};
use super::stage::Stage;
use super::survival::survival;
use model::{Alias, FailKind, JobId, MemberId, Span, Stamp, Trust};

/// Certain, in the parts in which [`survival`] counts.
const SURE: u64 = 65_536;

/// What decides whether blocks of a stage go from node to node or through storage.
#[derive(Debug, Clone, Copy)]
pub struct Outlook<'a> {
    /// Whose machines run the job.
    pub trust: Trust,
    /// Items of the stage.
    pub items: u32,
    /// Since when its holders are on.
    pub holders: &'a [Span],
    /// Since when the machines that may run its items are on.
    pub mappers: &'a [Span],
    /// Expected from an item's end until its blocks are read, where that is known.
    pub lag: Option<Span>,
    /// Times its lost blocks have been made again.
    pub waves: u32,
}

/// Whether blocks go through storage (§9.5).
pub fn is_spilled(outlook: &Outlook<'_>) -> bool {
    if outlook.waves > SHUFFLE_WAVES_MAX {
        return true;
    }
    if outlook.holders.len() < 2 {
        // One copy only: enough on a machine that does not lie, and to be made again.
        return outlook.trust == Trust::Public;
    }
    let Some(lag) = outlook.lag else { return false };
    lag > SHUFFLE_LAG_MAX || loses_many(outlook, lag)
}

/// Whether more items than is cheap to make again are expected to lose a block: its mapper goes, and one of the holders.
fn loses_many(outlook: &Outlook<'_>, lag: Span) -> bool {
    let mappers = outlook.mappers.iter().map(|age| SURE - survival(*age, lag)).sum::<u64>();
    let mapper_goes = mappers / (outlook.mappers.len() as u64).max(1);
    let all_stay = outlook.holders.iter().fold(SURE, |stay, age| stay * survival(*age, lag) / SURE);
    let lost = u128::from(outlook.items) * u128::from(mapper_goes) * u128::from(SURE - all_stay);
    let most = SHUFFLE_LOST_LEAST.max(SHUFFLE_LOST_SHARE.of(u64::from(outlook.items)));
    lost > u128::from(most) * u128::from(SURE) * u128::from(SURE)
}

/// Places of so many holders in the order in which they are meant for a part: its holder first, then those that follow it. A
/// mapper pushes its block to the first that is not itself and answers; who merges asks in this order.
pub fn places(holders: usize, part: u32) -> impl Iterator<Item = usize> {
    let first = usize::try_from(part).unwrap_or(0);
    (0..holders).map(move |step| (first % holders + step) % holders)
}

/// Who holds a part.
pub fn holder(holders: &[Alias], part: u32) -> Option<Alias> {
    places(holders.len(), part).next().map(|place| holders[place])
}

/// Where the blocks of a stage lie.
#[derive(Debug, Clone)]
pub struct Shuffle<'a> {
    /// Part p lies with the p-th modulo their number, see [`holder`]; those of machines that are gone may be others than they were.
    pub holders: Vec<Alias>,
    /// New blocks go through storage.
    pub is_spilled: bool,
    /// Blocks of this attempt and later ones lie in storage.
    pub spill_from: Option<u64>,
    /// Times lost blocks have been made again.
    pub waves: u32,
    stage: &'a Stage,
}

impl<'a> Shuffle<'a> {
    /// Whose blocks count, item by item, from this item on; items that are run again are not among them.
    pub fn items(&self, from: u32) -> impl Iterator<Item = &'a Accepted> + use<'a> {
        let stage = self.stage;
        stage.kept.range(from..).filter(|(item, _)| stage.done.get(**item)).map(|(_, kept)| kept)
    }

    /// Whether the blocks of an attempt lie in storage.
    pub fn is_stored(&self, serial: u64) -> bool {
        self.spill_from.is_some_and(|from| from <= serial)
    }
}

/// A node that may hold blocks.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    alias: Alias,
    owner: MemberId,
    network: u64,
    is_steady: bool,
    drawn: u64,
}

/// (A) The best of them, one after the other.
fn choose(mut from: Vec<Candidate>, most: usize) -> Vec<Alias> {
    let mut chosen: Vec<Candidate> = Vec::new();
    while chosen.len() < most {
        let count = |is_it: &dyn Fn(&Candidate) -> bool| chosen.iter().filter(|one| is_it(one)).count();
        let rank = |one: &Candidate| {
            let last = chosen.last();
            (
                !one.is_steady,
                count(&|other| other.owner == one.owner),
                last.is_some_and(|last| last.owner == one.owner),
                count(&|other| other.network == one.network),
                one.drawn,
            )
        };
        let Some((place, _)) = from.iter().enumerate().min_by_key(|(_, one)| rank(one)) else { break };
        let best = from.swap_remove(place);
        chosen.push(best);
    }
    chosen.into_iter().map(|one| one.alias).collect()
}

fn most_holders(stage: &Stage) -> usize {
    usize::try_from(stage.facts.parts).unwrap_or(usize::MAX).min(SHUFFLE_HOLDERS_MAX)
}

impl Scheduler {
    /// Where the blocks of a stage lie that is cut into parts.
    pub fn shuffle(&self, job: JobId, stage: u8) -> Option<Shuffle<'_>> {
        let stage = self.jobs[&self.key(job)?].stages.get(usize::from(stage)).filter(|stage| stage.facts.parts > 0)?;
        Some(Shuffle {
            holders: stage.holders.clone(),
            is_spilled: stage.spill.is_some(),
            spill_from: stage.spill,
            waves: stage.waves,
            stage,
        })
    }

    /// Chooses who holds the blocks of a stage, or others for those who are gone.
    pub(super) fn tend_holders(&mut self, turn: &mut Turn<'_>, key: Key, at: u8) {
        let number = usize::from(at);
        let Some(stage) = self.stage(At { key, stage: at, item: 0 }) else { return };
        let looked = std::mem::replace(&mut stage.holders_at, turn.now);
        if stage.facts.parts == 0 || stage.spill.is_some() {
            return;
        }
        let has_pilots = stage.law.items() < PILOTS.min(stage.facts.items);
        let is_short = stage.holders.len() < most_holders(stage) && has_pilots;
        let is_soon = turn.now.since(looked) < HOLDERS_EVERY;
        if !stage.holders.is_empty() && is_soon && !(is_short && self.nodes.len() <= HOLDERS_LOOK) {
            self.stage(At { key, stage: at, item: 0 }).expect("just looked at").holders_at = looked;
            return;
        }
        let job = &self.jobs[&key];
        let mut holders = job.stages[number].holders.clone();
        let gone: Vec<usize> = (0..holders.len()).filter(|at| !self.still_holds(turn.now, job, holders[*at])).collect();
        // Hardly anything lies anywhere yet: there may be more of them.
        let more = if has_pilots { most_holders(&job.stages[number]) - holders.len() } else { 0 };
        let wanted = gone.len() + more;
        if wanted == 0 {
            return;
        }
        let candidates = self.candidates(turn, (key, number), &holders);
        let chosen = choose(candidates, wanted);
        if chosen.is_empty() {
            return;
        }
        let mut chosen = chosen.into_iter();
        gone.iter().zip(&mut chosen).for_each(|(place, new)| holders[*place] = new);
        holders.extend(chosen);
        let job = job.facts.id;
        self.record(turn, Record::Holders { job, stage: at, nodes: holders });
        self.judge_spill(turn, key, at);
    }

    fn still_holds(&self, now: Stamp, job: &Job, holder: Alias) -> bool {
        let is_out = |node: &Node| job.facts.trust == Trust::Public && node.standing.quarantined.is_some();
        self.nodes.get(&holder).is_some_and(|node| self.is_near(now, node) && !is_out(node))
    }

    fn candidates(&self, turn: &mut Turn<'_>, (key, at): (Key, usize), but: &[Alias]) -> Vec<Candidate> {
        let job = &self.jobs[&key];
        let fit = |node: &Node| self.is_near(turn.now, node) && self.fits_job(turn.now, node, job, at).is_ok();
        let nodes = self.nodes.iter().filter(|(alias, node)| !but.contains(alias) && fit(node));
        let facts: Vec<_> = nodes.filter_map(|(_, node)| node.facts.as_ref()).collect();
        let all = facts.into_iter().map(|facts| Candidate {
            alias: facts.alias,
            owner: facts.owner,
            network: facts.network,
            is_steady: facts.session_age >= STEADY_AGE,
            drawn: turn.rng.next_u64(),
        });
        all.collect()
    }

    /// (C) Looks whether blocks of a stage go through storage from now on.
    pub(super) fn judge_spill(&mut self, turn: &mut Turn<'_>, key: Key, at: u8) {
        let job = &self.jobs[&key];
        let stage = &job.stages[usize::from(at)];
        if stage.facts.parts == 0 || stage.spill.is_some() || stage.holders.is_empty() {
            return;
        }
        if stage.holders.len() < 2 && stage.law.items() < PILOTS.min(stage.facts.items) {
            // Others may still come.
            return;
        }
        let age = |node: &Node| node.facts.as_ref().map(|facts| facts.session_age);
        let holders: Vec<Span> =
            stage.holders.iter().filter_map(|alias| self.nodes.get(alias)).filter_map(age).collect();
        let fit =
            |node: &&Node| self.is_near(turn.now, node) && self.fits_job(turn.now, node, job, usize::from(at)).is_ok();
        let mappers: Vec<&Node> = self.nodes.values().filter(fit).collect();
        let outlook = Outlook {
            trust: job.facts.trust,
            items: stage.facts.items,
            holders: &holders,
            mappers: &mappers.iter().filter_map(|node| age(node)).collect::<Vec<_>>(),
            lag: self.lag(job, stage, &mappers),
            waves: stage.waves,
        };
        if is_spilled(&outlook) {
            let (job, from) = (job.facts.id, self.coming_serial());
            self.record(turn, Record::Spill { job, stage: at, from });
        }
    }

    /// Until a stage is complete, at the pace of all that run it or could.
    fn lag(&self, job: &Job, stage: &Stage, mappers: &[&Node]) -> Option<Span> {
        let work = stage.law.takes(stage.facts.items.saturating_sub(stage.ended()), 1_000)?;
        let running = job.leases.iter().filter_map(|serial| self.attempts.get(serial));
        let busy: u64 = running.map(|attempt| u64::from(attempt.speed_milli)).sum();
        let free = mappers.iter().filter_map(|node| {
            let slots = self.parked.get(&node.ask?)?.slots.len() as u64;
            Some(slots * u64::from(node.facts.as_ref()?.speed_milli))
        });
        Some(work.scaled(1_000, (busy + free.sum::<u64>()).max(1)))
    }

    /// The holder of the part that an item merges, while it is worth waiting for. (D)
    fn awaited(&self, now: Stamp, at: At) -> Option<Alias> {
        let job = self.jobs.get(&at.key)?;
        let stage = &job.stages[job.merged(usize::from(at.stage))?];
        let holder = holder(&stage.holders, at.item).filter(|_| stage.spill.is_none())?;
        let node = self.nodes.get(&holder)?;
        let is_fit = self.is_near(now, node) && self.fits_job(now, node, job, usize::from(at.stage)).is_ok();
        is_fit.then_some(holder)
    }

    /// Puts a plain item where it is handed out from; one that merges a part is kept a little for the part's holder. (D)
    pub(super) fn queue(&mut self, now: Stamp, at: At) {
        let until = self.awaited(now, at).map(|_| now + HOLDER_WAIT);
        let job = &self.jobs[&at.key];
        let lanes = job.merged(usize::from(at.stage)).map_or(0, |merged| job.stages[merged].holders.len());
        let Some(stage) = self.stage(at) else { return };
        stage.again.part(lanes);
        stage.again.insert(at.item, until);
        if let Some(until) = until {
            self.timer(until, Timer::Kept(At { item: 0, ..at }));
        }
    }

    /// (D) Items that were kept for holders long enough are anybody's.
    pub(super) fn release_kept(&mut self, turn: &mut Turn<'_>, at: At) {
        let Some(stage) = self.stage(at) else { return };
        if let Some(next) = stage.again.release(turn.now) {
            self.timer(next, Timer::Kept(at));
        }
        turn.hungry.insert(at.key);
    }

    /// A stage that merges parts begins: its items are handed out by what lies where, not in their order.
    pub(super) fn begin_merging(&mut self, turn: &mut Turn<'_>, key: Key) {
        let job = &self.jobs[&key];
        let (Some(stage), Ok(number)) = (job.stages.get(job.at), u8::try_from(job.at)) else { return };
        let fresh = stage.cursor..stage.facts.items;
        if job.merged(job.at).is_none() || fresh.is_empty() {
            return;
        }
        let at = |item| At { key, stage: number, item };
        self.reserve(turn, at(fresh.start), fresh.end - fresh.start);
        fresh.for_each(|item| self.queue(turn.now, at(item)));
    }

    /// (B) A machine that merges says that blocks are to be had nowhere. Its lease is given back; what is lost is made again.
    pub(super) fn missing(&mut self, turn: &mut Turn<'_>, node: Alias, serial: u64, (of, mut items): (u8, Vec<u32>)) {
        let Some(attempt) = self.attempts.get(&serial).filter(|one| one.node == node && !one.is_over) else { return };
        let (key, granted, open) = (attempt.key, attempt.granted, attempt.open_items());
        items.truncate(MISSING_MAX);
        let job = self.jobs.get_mut(&key).expect("a lease has its job");
        if job.merged(usize::from(attempt.stage)) != Some(usize::from(of)) {
            return self.lose(turn, serial, false);
        }
        // Who names none has seen that some are being made again: that is no complaint.
        if !items.is_empty() {
            let says = job.says_missing.entry(node).or_default();
            *says = says.saturating_add(1);
        }
        let stage = &job.stages[usize::from(of)];
        let is_stored = |serial| stage.spill.is_some_and(|from| from <= serial);
        let (mut lost, mut stored) = (std::collections::BTreeSet::new(), 0);
        for item in items.iter().copied().filter(|item| stage.done.get(*item)) {
            let Some(vote) = stage.kept.get(&item).map(|kept| &kept.vote) else { continue };
            match () {
                // It has run again since.
                () if vote.serial > serial || vote.at > granted => {}
                () if is_stored(vote.serial) => stored += 1,
                () => drop(lost.insert(item)),
            }
        }
        if stored > 0 && lost.is_empty() && stored == items.len() {
            // What lies in storage is not made again: it is out of reach for now, like any other input.
            for item in open {
                self.failed(turn, (node, serial, item), (FailKind::Input, u64::from(of), 0));
            }
            return;
        }
        if !lost.is_empty() {
            self.make_again(turn, (key, of), lost.into_iter().collect());
        }
        self.lose(turn, serial, false);
    }

    /// (B) (C) A wave, or more of one that is under way.
    fn make_again(&mut self, turn: &mut Turn<'_>, (key, of): (Key, u8), items: Vec<u32>) {
        let job = self.jobs.get_mut(&key).expect("a lease has its job");
        let stage = &job.stages[usize::from(of)];
        let wave = stage.waves + u32::from(stage.is_full());
        let fuel = items.iter().filter_map(|item| Some(stage.kept.get(item)?.vote.result.fuel)).sum::<u64>();
        job.extra_fuel = job.extra_fuel.saturating_add(fuel);
        let id = job.facts.id;
        self.record(turn, Record::Rerun { job: id, stage: of, wave, items: items.clone() });
        self.judge_spill(turn, key, of);
        self.tend_holders(turn, key, of);
        for item in items {
            self.judge(turn, At { key, stage: of, item });
        }
    }

    /// (E) Whether a node has said too often that blocks are missing.
    pub(super) fn is_barred(job: &Job, node: Alias, owner: MemberId) -> bool {
        owner != job.facts.account && job.says_missing.get(&node).is_some_and(|says| *says >= MISSING_SAYS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outlook<'a>(holders: &'a [Span], mappers: &'a [Span], lag: Option<Span>) -> Outlook<'a> {
        Outlook { trust: Trust::Public, items: 1_000, holders, mappers, lag, waves: 0 }
    }

    #[test]
    fn blocks_go_through_storage_when_two_copies_will_not_do() {
        let (old, young) = ([Span::hours(8); 8], [Span::mins(8); 8]);
        let (mins, all) = (|n| Some(Span::mins(n)), [Span::hours(8); 50]);
        assert!(!is_spilled(&outlook(&old, &all, mins(4))), "8 items of 1,000 lose a mapper, 1 of 30 a holder");
        assert!(is_spilled(&outlook(&young, &[Span::mins(8); 50], mins(4))), "young ones go");
        assert!(is_spilled(&outlook(&old, &all, mins(61))) && !is_spilled(&outlook(&old, &all, None)));
        assert!(!is_spilled(&Outlook { items: 10, ..outlook(&young, &[Span::mins(8); 50], mins(4)) }), "few items");
        let waves = |waves| Outlook { waves, ..outlook(&old, &all, None) };
        assert!(is_spilled(&waves(4)) && !is_spilled(&waves(3)), "(C)");
        let alone = outlook(&old[..1], &old[..1], mins(61));
        assert!(is_spilled(&alone) && !is_spilled(&Outlook { trust: Trust::Circle, ..alone }), "one machine");
    }

    #[test]
    fn a_mapper_that_holds_the_part_itself_pushes_to_the_next() {
        let holders = [Alias(3), Alias(5), Alias(7)];
        let push_to = |holders: &[Alias], part, mapper| {
            places(holders.len(), part).map(|place| holders[place]).find(|holder| *holder != mapper)
        };
        assert_eq!((holder(&holders, 4), push_to(&holders, 4, Alias(9))), (Some(Alias(5)), Some(Alias(5))));
        assert_eq!(push_to(&holders, 5, Alias(7)), Some(Alias(3)), "around the end");
        assert_eq!(push_to(&holders, u32::MAX, Alias(3)), Some(Alias(5)));
        assert_eq!((push_to(&holders[..1], 0, Alias(3)), push_to(&[], 0, Alias(3))), (None, None));
    }

    proptest! {
        #[test]
        fn holders_are_steady_and_of_many_owners(
            all in proptest::collection::vec((0u8..5, 0u64..4, any::<bool>(), any::<u64>()), 0..30),
            most in 1usize..17,
        ) {
            let all: Vec<Candidate> = all.into_iter().enumerate().map(|(n, (owner, network, is_steady, drawn))| Candidate {
                alias: Alias(n as u32), owner: MemberId([owner; 16]), network, is_steady, drawn,
            }).collect();
            let chosen = choose(all.clone(), most);
            let of = |alias: &Alias| all[alias.0 as usize];
            let steady = all.iter().filter(|one| one.is_steady).count();
            prop_assert_eq!(chosen.len(), most.min(all.len()));
            prop_assert_eq!(chosen.iter().filter(|one| of(one).is_steady).count(), steady.min(most), "(A)");
            let owners = |all: &mut dyn Iterator<Item = Candidate>| all.map(|one| one.owner).collect::<std::collections::BTreeSet<_>>().len();
            if steady >= most {
                let there = owners(&mut all.iter().filter(|one| one.is_steady).copied());
                prop_assert_eq!(owners(&mut chosen.iter().map(of)), there.min(most), "(A)");
            }
            prop_assert_eq!(choose(all.clone(), most), chosen, "the same again");
        }
    }
}
