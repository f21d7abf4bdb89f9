//! A node follows its groups: what their logs drop goes to the trash, what they name comes back out of it, and after 14 d of
//! trash it is forgotten. What becomes of a piece, `rules::storage::collect` says.
//!
//! (A) Nothing is trashed or forgotten but on the word of its own group's log, asked for in the same turn. (B) A cursor moves
//! only after all before it was acted on, so that a kill in between does it again. (C) A log that is shorter than what was read
//! of it is an older center's: nothing is dropped on its word until all of it was read anew. (D) An index that was given to
//! somebody else while this node was away is dropped here, as soon as its group lacks nothing.

use super::index::cursors::Cursor;
use super::{CursorError, Cursors, Listed, PieceKey, PieceStore, StoreError};
use model::{PgId, SegmentId, Span, Stamp, TimeScale};
use rules::storage::collect::{Fate, Patience, Word, fate};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use wire::limits::{CURSORS_MAX, GROUP_SLOTS_MAX, LOG_PAGE_MAX, LOST_MAX};
use wire::storage::{LogAsk, LogPage, LostPiece};
use wire::{Reply, Request};

/// All of a group's log is read again after so long, as the scale counts it.
pub const FULL_EVERY: Span = Span::days(1);
/// Pages of one group in one turn.
const PAGES_MAX: usize = 4_096;
/// A group that may not forget yet, or that the center does not know, is asked for again after so long, unless a check-in says
/// that it moved.
pub const REST: Span = Span::mins(10);
/// Words to the store that wait together.
const TOGETHER: usize = 64;

/// Asks the center; none when it cannot be reached or says no.
pub type Ask = Arc<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Option<Reply>> + Send>> + Send + Sync>;

/// Why a turn was not finished.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The pieces.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// How far groups were followed.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The center did not answer, or with something else.
    #[error("the center gave no log of a group")]
    NoAnswer,
    /// The center does not know the group, or says no.
    #[error("the center refused the log of a group")]
    Refused,
}

/// What a turn did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Followed {
    /// Pieces put into the trash.
    pub trashed: u64,
    /// Pieces taken out of it.
    pub taken_back: u64,
    /// Pieces forgotten.
    pub removed: u64,
    /// Pieces told as lost.
    pub lost: u64,
}

impl Followed {
    /// With another turn's.
    fn and(self, other: Self) -> Self {
        Self {
            trashed: self.trashed + other.trashed,
            taken_back: self.taken_back + other.taken_back,
            removed: self.removed + other.removed,
            lost: self.lost + other.lost,
        }
    }
}

/// Follows the groups of one store.
pub struct Follower {
    /// The pieces.
    pub store: PieceStore,
    /// How far.
    pub cursors: Arc<Cursors>,
    /// The center.
    pub ask: Ask,
    /// Groups that are left alone until then.
    pub resting: Mutex<BTreeMap<PgId, Stamp>>,
    /// How days count here.
    pub scale: watch::Receiver<TimeScale>,
}

/// What one reading of a log found.
struct Read {
    /// What it says of segments that are held here.
    words: BTreeMap<SegmentId, bool>,
    /// Last place read.
    end: u64,
    /// Newest place there is.
    head: u64,
    is_whole: bool,
    /// Indexes that belong here.
    yours: BTreeSet<u16>,
}

impl Follower {
    /// One turn: tells what is damaged, and follows the groups that `moved`, those not read whole for a day and those with
    /// pieces whose time in the trash is over. A group that could not be followed waits for the next turn.
    pub async fn turn(&self, moved: &[PgId], now: Stamp) -> Result<Followed, FollowError> {
        let mut done = Followed { lost: self.tell_lost().await?, ..Followed::default() };
        let known = self.cursors.all()?;
        let mut groups = self.store.groups();
        // Data of a fill test has no log: it goes when room is needed.
        groups.remove(&PgId::FILL);
        for pg in known.keys().filter(|pg| !groups.contains(pg)) {
            self.cursors.forget(*pg)?;
        }
        let scale = self.scale();
        let full = |pg: &PgId| {
            let read_at = known.get(pg).and_then(|cursor| cursor.full_at);
            read_at.is_none_or(|at| at > now || now.since(at) >= scale.of(FULL_EVERY))
        };
        let ends = self.store.groups_trashed(now - Patience::of(scale).trash);
        for pg in &groups {
            let is_due = (full(pg) || ends.contains(pg)) && !self.rests(*pg, now);
            if is_due || moved.contains(pg) {
                let cursor = known.get(pg).copied().unwrap_or_default();
                match self.follow(*pg, cursor, full(pg), now).await {
                    Ok(one) => done = done.and(one),
                    Err(FollowError::Refused) => self.rest(*pg, now),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(done)
    }

    fn scale(&self) -> TimeScale {
        *self.scale.borrow()
    }

    fn rests(&self, pg: PgId, now: Stamp) -> bool {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|_, until| *until > now && until.since(now) <= self.scale().of(REST));
        resting.contains_key(&pg)
    }

    fn rest(&self, pg: PgId, now: Stamp) {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner).insert(pg, now + self.scale().of(REST));
    }

    /// Cursors for a check-in, those of other groups each time where there are too many.
    pub fn cursors_from(&self, after: Option<PgId>) -> Result<Vec<(u32, u64)>, CursorError> {
        let all = self.cursors.all()?;
        let later = all.iter().filter(|(pg, _)| after.is_none_or(|after| **pg > after));
        let earlier = all.iter().filter(|(pg, _)| after.is_some_and(|after| **pg <= after));
        Ok(later.chain(earlier).take(CURSORS_MAX).map(|(pg, cursor)| (pg.0, cursor.seq)).collect())
    }

    /// Tells the center which pieces this node found damaged or gone; told ones are forgotten, so that they can come again.
    async fn tell_lost(&self) -> Result<u64, FollowError> {
        let mut told = 0;
        loop {
            let damaged = self.store.list_damaged(LOST_MAX);
            if damaged.is_empty() {
                return Ok(told);
            }
            let name = |row: &Listed| LostPiece { pg: row.pg, segment: row.key.segment, index: row.key.index };
            let lost = damaged.iter().map(name).collect();
            if !matches!((self.ask)(Request::PiecesLost(lost)).await, Some(Reply::Done)) {
                return Err(FollowError::NoAnswer);
            }
            for row in &damaged {
                self.store.remove(row.key).await?;
            }
            told += damaged.len() as u64;
        }
    }

    /// One group, from its cursor or from the beginning.
    async fn follow(&self, pg: PgId, cursor: Cursor, full: bool, now: Stamp) -> Result<Followed, FollowError> {
        let held = self.store.list_group(pg);
        let ids: BTreeSet<SegmentId> = held.iter().map(|row| row.key.segment).collect();
        let read = self.read(pg, if full { 0 } else { cursor.seq }, &ids).await?;
        if read.head < cursor.seq {
            tracing::warn!(%pg, known = cursor.seq, head = read.head, "a group's log is shorter than it was");
            self.cursors.set(pg, Cursor::default())?;
            return Ok(Followed::default());
        }
        let mut unknown = BTreeMap::new();
        let before = if full { self.cursors.unknown(pg)? } else { BTreeMap::new() };
        let (mut fates, patience) = (Vec::new(), Patience::of(self.scale()));
        for row in held.iter().filter(|row| !row.is_damaged) {
            let word = match read.words.get(&row.key.segment) {
                Some(true) => Word::Dropped,
                // (D)
                Some(false) if !read.yours.contains(&row.key.index) => Word::Dropped,
                Some(false) => Word::Named,
                None if full => {
                    let since = before.get(&row.key).copied().filter(|at| *at <= now).unwrap_or(now);
                    unknown.insert(row.key, since);
                    Word::Unknown(since)
                }
                // Between two whole readings the log's silence says that nothing changed.
                None if row.trashed_at.is_some() => Word::Dropped,
                None => continue,
            };
            fates.push((row.key, fate(word, row.trashed_at, read.is_whole, patience, now)));
        }
        let done = self.act(fates, now).await?;
        if full {
            self.cursors.set_unknown(pg, &unknown)?;
        }
        if !read.is_whole {
            self.rest(pg, now);
        }
        // A group that must not drop now is asked again from the same place.
        let seq = if read.is_whole { read.end.max(if full { 0 } else { cursor.seq }) } else { cursor.seq };
        let full_at = if full { Some(now) } else { cursor.full_at };
        self.cursors.set(pg, Cursor { seq, full_at })?;
        Ok(done)
    }

    async fn read(&self, pg: PgId, after: u64, held: &BTreeSet<SegmentId>) -> Result<Read, FollowError> {
        let mut read = Read { words: BTreeMap::new(), end: after, head: 0, is_whole: false, yours: BTreeSet::new() };
        for _ in 0..PAGES_MAX {
            let page = self.page(LogAsk { pg, after: read.end, limit: LOG_PAGE_MAX }).await?;
            let ours = page.entries.iter().filter(|entry| held.contains(&entry.id));
            read.words.extend(ours.map(|entry| (entry.id, entry.is_drop)));
            let end = page.entries.last().map_or(read.end, |entry| entry.seq);
            let has_more = page.more && end > read.end;
            (read.end, read.head, read.is_whole) = (end, page.head, page.is_whole);
            read.yours = page.yours.iter().copied().collect();
            if !has_more {
                return Ok(read);
            }
        }
        Err(FollowError::NoAnswer)
    }

    async fn page(&self, ask: LogAsk) -> Result<LogPage, FollowError> {
        match (self.ask)(Request::GroupLog(ask)).await {
            Some(Reply::GroupLog(page))
                if page.entries.len() <= usize::from(LOG_PAGE_MAX) && page.yours.len() <= GROUP_SLOTS_MAX =>
            {
                Ok(page)
            }
            Some(Reply::Refused(_)) => Err(FollowError::Refused),
            _ => Err(FollowError::NoAnswer),
        }
    }

    /// Carries out what was decided, many words to the store together.
    async fn act(&self, fates: Vec<(PieceKey, Fate)>, now: Stamp) -> Result<Followed, FollowError> {
        let mut done = Followed::default();
        let wanted: Vec<_> = fates.into_iter().filter(|(_, fate)| *fate != Fate::Keep).collect();
        for part in wanted.chunks(TOGETHER) {
            let mut words = JoinSet::new();
            for (key, fate) in part.iter().copied() {
                let store = self.store.clone();
                words.spawn(async move {
                    let said = match fate {
                        Fate::Trash => store.trash(key, Some(now)).await,
                        Fate::TakeBack => store.trash(key, None).await,
                        Fate::Remove => store.remove(key).await.map(drop),
                        Fate::Keep => Ok(()),
                    };
                    said.map(|()| fate)
                });
            }
            while let Some(word) = words.join_next().await {
                match word.map_err(|_| StoreError::Stopped)?? {
                    Fate::Trash => done.trashed += 1,
                    Fate::TakeBack => done.taken_back += 1,
                    Fate::Remove => done.removed += 1,
                    Fate::Keep => {}
                }
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests;
