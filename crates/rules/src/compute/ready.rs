//! Plain items of a stage that wait to be handed out, and for whom some of them are kept a little.
//!
//! (A) An item is either free for everybody or kept for the holder of its part, for at most as long as it was put in for.
//! (B) A holder finds the items of its part first, free or kept, at the cost of one look.

use model::Stamp;
use std::collections::{BTreeMap, BTreeSet};

/// Plain items that can be handed out.
#[derive(Debug, Clone, Default)]
pub(super) struct Ready {
    free: BTreeSet<u32>,
    kept: BTreeMap<u32, Stamp>,
    until: BTreeSet<(Stamp, u32)>,
    /// By place in the list of holders: all items of its parts. Item i is of lane i modulo their number.
    lanes: Vec<BTreeSet<u32>>,
}

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.free.len() + self.kept.len()
    }

    pub(super) fn contains(&self, item: u32) -> bool {
        self.free.contains(&item) || self.kept.contains_key(&item)
    }

    /// Holders that have a lane.
    pub(super) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// So many holders have lanes from now on.
    pub(super) fn part(&mut self, lanes: usize) {
        if self.lanes.len() == lanes {
            return;
        }
        self.lanes = vec![BTreeSet::new(); lanes];
        let all: Vec<u32> = self.free.iter().chain(self.kept.keys()).copied().collect();
        for item in all {
            if let Some(lane) = self.lane_mut(item) {
                lane.insert(item);
            }
        }
    }

    fn lane_mut(&mut self, item: u32) -> Option<&mut BTreeSet<u32>> {
        let lanes = u32::try_from(self.lanes.len()).ok()?;
        let place = usize::try_from(item.checked_rem(lanes)?).ok()?;
        self.lanes.get_mut(place)
    }

    /// Puts an item in: free, or kept for its holder until then.
    pub(super) fn insert(&mut self, item: u32, until: Option<Stamp>) {
        self.remove(item);
        match until {
            Some(until) => {
                self.kept.insert(item, until);
                self.until.insert((until, item));
            }
            None => drop(self.free.insert(item)),
        }
        if let Some(lane) = self.lane_mut(item) {
            lane.insert(item);
        }
    }

    pub(super) fn remove(&mut self, item: u32) {
        if let Some(until) = self.kept.remove(&item) {
            self.until.remove(&(until, item));
        } else if !self.free.remove(&item) {
            return;
        }
        if let Some(lane) = self.lane_mut(item) {
            lane.remove(&item);
        }
    }

    /// (A) What has been kept long enough is free. Answers when the next one is.
    pub(super) fn release(&mut self, now: Stamp) -> Option<Stamp> {
        while let Some((until, item)) = self.until.first().copied().filter(|(until, _)| *until <= now) {
            self.until.remove(&(until, item));
            self.kept.remove(&item);
            self.free.insert(item);
        }
        self.until.first().map(|(until, _)| *until)
    }

    /// (B) A run of at most `most` items for a node: of its lane, else of what is free for everybody.
    pub(super) fn run(&self, lane: Option<usize>, most: u32) -> Option<(u32, u32)> {
        let own = lane.and_then(|lane| self.lanes.get(lane)).and_then(BTreeSet::first).copied();
        let may_take = |item: &u32| self.free.contains(item) || (self.lanes.len() == 1 && self.contains(*item));
        match own {
            // Its other parts do not follow each other.
            Some(first) if self.lanes.len() > 1 => Some((first, 1)),
            own => {
                let first = own.or(self.free.first().copied())?;
                let run = (first..first.saturating_add(most.max(1))).take_while(may_take).count();
                Some((first, u32::try_from(run).unwrap_or(1)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_holder_finds_its_parts_and_others_find_them_later() {
        let mut ready = Ready::default();
        ready.part(4);
        (0..12).for_each(|item| ready.insert(item, (item % 4 == 1).then_some(Stamp(9))));
        assert_eq!(ready.run(Some(1), 8), Some((1, 1)), "(B)");
        assert_eq!(ready.run(None, 8), Some((0, 1)), "1 is kept");
        ready.remove(0);
        assert_eq!(ready.run(None, 8), Some((2, 3)), "2, 3, 4");
        assert_eq!(ready.release(Stamp(8)), Some(Stamp(9)));
        assert_eq!(ready.release(Stamp(9)), None);
        assert_eq!(ready.run(None, 64), Some((1, 11)), "(A)");
        assert_eq!(ready.run(Some(1), 64), Some((1, 1)), "still its own first");
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_once(turns in proptest::collection::vec((0u32..40, 0u64..4, 0usize..5), 1..200)) {
            let (mut ready, mut naive) = (Ready::default(), BTreeSet::new());
            for (item, what, lanes) in turns {
                match what {
                    0 => { ready.insert(item, None); naive.insert(item); }
                    1 => { ready.insert(item, Some(Stamp(u64::from(item)))); naive.insert(item); }
                    2 => { ready.remove(item); naive.remove(&item); }
                    _ => { ready.part(lanes); ready.release(Stamp(u64::from(item))); }
                }
                prop_assert_eq!(ready.len(), naive.len());
                prop_assert!((0..40).all(|item| ready.contains(item) == naive.contains(&item)));
                let mut seen = BTreeSet::new();
                prop_assert!(ready.lanes.iter().flatten().all(|item| naive.contains(item) && seen.insert(*item)));
                prop_assert!(ready.lanes.is_empty() || seen == naive, "(B)");
                if let Some((first, count)) = ready.run(None, 8) {
                    prop_assert!(count >= 1 && (first..first + count).all(|item| naive.contains(&item)));
                } else {
                    prop_assert!(ready.free.is_empty());
                }
            }
        }
    }
}
