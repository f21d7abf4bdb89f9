//! What a center that was killed does not know: who still runs what.
//!
//! Leases are in no record, their nodes show them. (A) An item that may still be worked on is handed out once every node that was
//! given work of its job has said all it runs, at the latest [`LEASE`] after the restart. (B) Where nothing else is left to hand
//! out, nodes that were not heard of for [`ANNOUNCE_WAIT`] are not waited for, as a node that is suspect is not; those that are
//! back are. (C) Whoever shows a lease later goes on with it: the first to end wins.

use super::limits::{ANNOUNCE_WAIT, LEASE};
use super::scheduler::{At, Key, Scheduler, Timer, Turn};
use model::Alias;
use std::collections::BTreeSet;

impl Scheduler {
    /// What may run somewhere is noted, and who may run it.
    pub(super) fn await_workers(&mut self, turn: &mut Turn<'_>, key: Key) {
        let Some(job) = self.jobs.get_mut(&key).filter(|job| !job.state.is_over()) else { return };
        job.awaited = job.workers.clone();
        for stage in &mut job.stages {
            let is_ended = |item: &u32| stage.done.get(*item) || stage.failed.contains_key(item);
            let mut unknown: BTreeSet<u32> = (0..stage.cursor).filter(|item| !is_ended(item)).collect();
            // Whoever checks a result may still do so.
            unknown.extend(&stage.special);
            unknown.iter().for_each(|item| stage.unqueue(*item));
            stage.unknown = unknown;
        }
        if job.stages.iter().all(|stage| stage.unknown.is_empty()) {
            job.awaited.clear();
            return;
        }
        job.unknown_until = Some(turn.now + LEASE);
        self.timer(turn.now + ANNOUNCE_WAIT, Timer::Job(key));
        self.timer(turn.now + LEASE, Timer::Job(key));
    }

    /// (A) A node has said what it runs; what it names that is not known here, it has to show first.
    pub(super) fn told(&mut self, turn: &mut Turn<'_>, alias: Alias, to_show: BTreeSet<u64>) {
        let is_all = to_show.is_empty();
        if let Some(node) = self.nodes.get_mut(&alias) {
            node.to_show = to_show;
        }
        if is_all {
            self.is_accounted(turn, alias);
        }
    }

    /// (A) A node has shown a lease.
    pub(super) fn shown(&mut self, turn: &mut Turn<'_>, alias: Alias, serial: u64) {
        let node = self.nodes.get_mut(&alias);
        if node.is_some_and(|node| node.to_show.remove(&serial) && node.to_show.is_empty()) {
            self.is_accounted(turn, alias);
        }
    }

    /// (A) A node has shown all it runs, or has gone.
    pub(super) fn is_accounted(&mut self, turn: &mut Turn<'_>, alias: Alias) {
        let jobs: Vec<Key> =
            self.jobs.iter().filter(|(_, job)| job.awaited.contains(&alias)).map(|(key, _)| *key).collect();
        for key in jobs {
            self.jobs.get_mut(&key).expect("just looked at").awaited.remove(&alias);
            self.look_at_unknown(turn, key);
        }
    }

    fn hand_out(&mut self, turn: &mut Turn<'_>, at: At) {
        let has_entry = self.stage(at).is_some_and(|stage| stage.items.contains_key(&at.item));
        if has_entry { self.settle(turn, at) } else { self.queue(turn.now, at) }
    }

    /// (A) (B) Looks whether what may run somewhere is handed out by now.
    pub(super) fn look_at_unknown(&mut self, turn: &mut Turn<'_>, key: Key) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let Some(until) = job.unknown_until else { return };
        if job.awaited.is_empty() || until <= turn.now {
            (job.unknown_until, job.awaited) = (None, BTreeSet::new());
            let mut unknown = Vec::new();
            for (number, stage) in (0..).zip(&mut job.stages) {
                stage.risks_unknown = false;
                let items = std::mem::take(&mut stage.unknown);
                unknown.extend(items.into_iter().map(|item| At { key, stage: number, item }));
            }
            unknown.into_iter().for_each(|at| self.hand_out(turn, at));
            turn.hungry.insert(key);
            return;
        }
        let restarted = until.as_ms().saturating_sub(LEASE.as_ms());
        let is_silent = |node: &Alias| self.nodes.get(node).is_none_or(|node| node.seen.as_ms() < restarted);
        let waits = turn.now.as_ms() < restarted + ANNOUNCE_WAIT.as_ms();
        if !waits && job.awaited.iter().all(is_silent) {
            job.stages.iter_mut().for_each(|stage| stage.risks_unknown = true);
            turn.hungry.insert(key);
        }
    }
}
