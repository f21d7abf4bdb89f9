//! One placement group: which pieces truly exist and are on, beside what the center counts.
//!
//! (A) Pieces under one index count once, however many hold it. (B) A piece counts when it is whole. (C) A group of which fewer
//! than k pieces exist is lost, once and for good.

use model::{Scheme, Span, Stamp};

/// Indexes a group can have.
const INDEXES: usize = Scheme::MAX_PIECES as usize;

/// A piece, or one in the making.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// Its holder.
    pub node: u32,
    /// Its index.
    pub index: u16,
    /// Share of it that is there; 1 when it is whole.
    pub done: f64,
    /// Its index was given to another: the center counts that one.
    pub is_regiven: bool,
}

impl Piece {
    /// (B)
    pub fn is_whole(&self) -> bool {
        self.done >= 1.0
    }
}

/// What a steward does for a group.
#[derive(Debug, Clone, Copy, Default)]
pub struct Job {
    /// The steward, while one is there.
    pub steward: Option<u32>,
    /// Planned then.
    pub planned: Stamp,
    /// Last time pieces moved.
    pub moved: Stamp,
    /// Share of the content gathered and made; pieces for those off are kept by the steward.
    pub made: f64,
}

/// A group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its pieces; places stay, free ones are used again.
    pub pieces: Vec<Option<Piece>>,
    /// Indexes of which a whole piece exists.
    pub alive: u16,
    /// Those of which one is on.
    pub on: u16,
    /// Fewest that ever existed while it was judged.
    pub alive_min: u16,
    /// Time during which fewer than k were on.
    pub short: Span,
    /// (C)
    pub lost_at: Option<Stamp>,
    /// At or below m since then.
    pub low_since: Option<Stamp>,
    /// Last plan made for it.
    pub looked: Stamp,
    /// The repair under way.
    pub job: Option<Job>,
    /// Indexes of pieces that the steward holds of the segments at hand, while fewer than k are on.
    pub collected: [bool; INDEXES],
    k: u16,
    short_since: Option<Stamp>,
    alive_of: [u8; INDEXES],
    on_of: [u8; INDEXES],
}

impl Group {
    /// An empty one.
    pub fn new(k: u16) -> Self {
        Self {
            pieces: Vec::new(),
            alive: 0,
            on: 0,
            alive_min: u16::MAX,
            short: Span::ZERO,
            lost_at: None,
            low_since: None,
            looked: Stamp::EPOCH,
            job: None,
            collected: [false; INDEXES],
            k,
            short_since: None,
            alive_of: [0; INDEXES],
            on_of: [0; INDEXES],
        }
    }

    /// A piece more; its place.
    pub fn add(&mut self, piece: Piece) -> u16 {
        let place = self.pieces.iter().position(Option::is_none).unwrap_or(self.pieces.len());
        if place == self.pieces.len() {
            self.pieces.push(Some(piece));
        } else {
            self.pieces[place] = Some(piece);
        }
        u16::try_from(place).expect("a group has a few hundred pieces")
    }

    /// (A) One whole piece more or less under this index.
    pub fn count_alive(&mut self, index: u16, more: bool) {
        step(&mut self.alive_of[usize::from(index)], &mut self.alive, more);
        self.alive_min = self.alive_min.min(self.alive);
    }

    /// (A) One whole piece more or less that is on under this index; keeps the time that fewer than k are.
    pub fn count_on(&mut self, now: Stamp, index: u16, more: bool) {
        step(&mut self.on_of[usize::from(index)], &mut self.on, more);
        if self.on < self.k {
            self.short_since.get_or_insert(now);
        } else if let Some(since) = self.short_since.take() {
            self.short = self.short + now.since(since);
        }
    }

    /// The run ends: what is short still is counted up to now.
    pub fn close(&mut self, now: Stamp) {
        if let Some(since) = self.short_since.take() {
            self.short = self.short + now.since(since);
        }
    }

    /// Judging begins now, whatever was before.
    pub fn open(&mut self, now: Stamp) {
        self.short = Span::ZERO;
        self.short_since = (self.on < self.k).then_some(now);
        self.alive_min = self.alive;
    }

    /// Indexes on, of those whole.
    pub fn is_on(&self, index: u16) -> bool {
        self.on_of[usize::from(index)] > 0
    }

    /// Pieces that the center counts, with their places.
    pub fn counted(&self) -> impl Iterator<Item = (usize, &Piece)> {
        let numbered = self.pieces.iter().enumerate();
        numbered.filter_map(|(place, piece)| piece.as_ref().filter(|p| !p.is_regiven).map(|p| (place, p)))
    }

    /// (A) The counts again from the pieces; `state` tells of a node whether its pieces exist and whether it is on.
    pub fn recount(&self, state: impl Fn(u32) -> (bool, bool)) -> (u16, u16) {
        let (mut alive, mut on) = ([false; INDEXES], [false; INDEXES]);
        for piece in self.pieces.iter().flatten().filter(|p| p.is_whole()) {
            let (exists, is_on) = state(piece.node);
            alive[usize::from(piece.index)] |= exists;
            on[usize::from(piece.index)] |= exists && is_on;
        }
        let count = |all: [bool; INDEXES]| u16::try_from(all.iter().filter(|b| **b).count()).unwrap_or(u16::MAX);
        (count(alive), count(on))
    }
}

fn step(held: &mut u8, distinct: &mut u16, more: bool) {
    if more {
        *distinct += u16::from(*held == 0);
        *held = held.checked_add(1).expect("fewer than 256 hold one index");
    } else {
        *held = held.checked_sub(1).expect("only what was counted goes");
        *distinct -= u16::from(*held == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_index_counts_once_and_short_times_are_kept() {
        let mut group = Group::new(2);
        group.open(Stamp(0));
        for index in [4, 4, 5] {
            group.count_alive(index, true);
            group.count_on(Stamp(10), index, true);
        }
        assert_eq!((group.alive, group.on, group.short), (2, 2, Span(10)), "(A)");
        group.count_on(Stamp(20), 4, false);
        assert_eq!(group.on, 2, "(A) the other one is on");
        group.count_on(Stamp(30), 4, false);
        group.close(Stamp(75));
        assert_eq!((group.on, group.short), (1, Span(55)));
        group.count_alive(4, false);
        assert_eq!(group.alive, 2);
        group.count_alive(4, false);
        assert_eq!((group.alive, group.alive_min), (1, 0), "opened empty");
    }
}
