//! Bytes that links we dialed moved over a relay, by peer: both ways, as the transport counts datagrams on ways that lead over one.
//!
//! (A) Ways that were given up and links that ended keep their count. (B) A way is counted once, by its number, and its count never
//! falls. (C) Of links that others dialed nothing is counted here: who dials pays.

use futures_util::StreamExt;
use iroh::endpoint::{Connection, PathEvent, PathId, PathStats, WeakConnectionHandle};
use model::NodeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Peers whose ended links are remembered; of more nothing is counted.
pub const RELAYED_PEERS_MAX: usize = 65_536;
/// Ways of one link that are counted apart; of more the oldest are summed up, and count no further.
const WAYS_MAX: usize = 256;

/// The ways of a link over a relay.
#[derive(Debug, Default)]
struct Ways {
    bytes: BTreeMap<PathId, u64>,
    /// Of those that are summed up, which are all up to one.
    before: (u64, Option<PathId>),
}

impl Ways {
    /// (B) A way has moved so much.
    fn note(&mut self, way: PathId, bytes: u64) {
        if self.before.1.is_some_and(|summed| way <= summed) {
            return;
        }
        let known = self.bytes.entry(way).or_default();
        *known = bytes.max(*known);
        while self.bytes.len() > WAYS_MAX {
            let Some((way, bytes)) = self.bytes.pop_first() else { return };
            self.before = (self.before.0.saturating_add(bytes), Some(way));
        }
    }

    fn sum(&self) -> u64 {
        self.bytes.values().fold(self.before.0, |sum, bytes| sum.saturating_add(*bytes))
    }
}

fn moved(stats: &PathStats) -> u64 {
    stats.udp_tx.bytes.saturating_add(stats.udp_rx.bytes)
}

/// One link's count.
pub(crate) struct Count {
    peer: NodeId,
    conn: WeakConnectionHandle,
    ways: Mutex<Ways>,
}

impl Count {
    fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What ways that are open have moved until now.
    pub(crate) fn look(&self, conn: &Connection) {
        let paths = conn.paths();
        let mut ways = self.ways();
        paths.iter().filter(|path| path.is_relay()).for_each(|path| ways.note(path.id(), moved(&path.stats())));
    }

    fn read(&self) -> u64 {
        if let Some(conn) = self.conn.upgrade() {
            self.look(&conn);
        }
        self.ways().sum()
    }
}

#[derive(Default)]
struct Counts {
    live: Vec<Arc<Count>>,
    ended: BTreeMap<NodeId, u64>,
}

/// The counts of an endpoint; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Relayed(Arc<Mutex<Counts>>);

impl Relayed {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a link from now on, until it has ended.
    pub(crate) fn count(&self, conn: &Connection) -> Arc<Count> {
        let peer = NodeId(*conn.remote_id().as_bytes());
        let mut events = conn.path_events();
        let count = Arc::new(Count { peer, conn: conn.weak_handle(), ways: Mutex::default() });
        self.counts().live.push(Arc::clone(&count));
        let (this, followed) = (self.clone(), Arc::clone(&count));
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    PathEvent::Closed { id, remote_addr, last_stats, .. } if remote_addr.is_relay() => {
                        followed.ways().note(id, moved(&last_stats));
                    }
                    _ => {}
                }
            }
            this.end(&followed);
        });
        count
    }

    /// (A) A link has ended.
    fn end(&self, count: &Arc<Count>) {
        let mut counts = self.counts();
        counts.live.retain(|live| !Arc::ptr_eq(live, count));
        let bytes = count.ways().sum();
        if bytes > 0 && (counts.ended.len() < RELAYED_PEERS_MAX || counts.ended.contains_key(&count.peer)) {
            let ended = counts.ended.entry(count.peer).or_default();
            *ended = ended.saturating_add(bytes);
        }
    }

    /// Bytes over a relay so far, of links to peers that count.
    pub(crate) fn bytes(&self, counts: impl Fn(&NodeId) -> bool) -> u64 {
        let all = self.counts();
        let ended = all.ended.iter().filter(|(peer, _)| counts(peer)).map(|(_, bytes)| *bytes);
        let live = all.live.iter().filter(|count| counts(&count.peer)).map(|count| count.read());
        ended.chain(live).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_counts_once_and_never_less() {
        let mut ways = Ways::default();
        let way = |n: u32| PathId::from(n);
        ways.note(way(1), 100);
        ways.note(way(2), 7);
        ways.note(way(1), 90);
        assert_eq!(ways.sum(), 107, "(B)");
        ways.note(way(1), 130);
        assert_eq!(ways.sum(), 137);
        (3..600).for_each(|n| ways.note(way(n), 1));
        assert_eq!((ways.bytes.len(), ways.sum()), (WAYS_MAX, 137 + 597), "(A) also of those that are summed up");
        ways.note(way(1), 900);
        assert_eq!(ways.sum(), 137 + 597, "which count no further");
    }
}
