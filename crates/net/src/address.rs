//! Where peers are: a bounded book, fed by what the center answers. The newest word about a peer wins; when the book is
//! full, the peer that was heard of longest ago is forgotten, but never one that is kept (the center, see `redial.rs`).

use model::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use wire::{PeerAddr, RelayHint};

/// Peers whose addresses are remembered.
pub const LEARNED_MAX: usize = 4_096;

/// Peers and where they are.
#[derive(Debug, Default)]
pub(crate) struct AddressBook {
    own_relays: BTreeSet<[u8; 32]>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    next: u64,
    peers: BTreeMap<NodeId, (u64, PeerAddr)>,
    order: BTreeMap<u64, NodeId>,
    kept: BTreeMap<NodeId, usize>,
}

impl AddressBook {
    pub(crate) fn new(own_relays: &[RelayHint]) -> Self {
        Self { own_relays: own_relays.iter().map(|relay| relay.key.0).collect(), pages: Mutex::default() }
    }

    /// Writes down where a peer is.
    pub(crate) fn learn(&self, addr: PeerAddr) {
        let addr = addr.bounded();
        let mut pages = self.pages();
        let (id, at) = (addr.id, pages.next);
        pages.next += 1;
        if let Some((before, _)) = pages.peers.insert(id, (at, addr)) {
            pages.order.remove(&before);
        }
        pages.order.insert(at, id);
        if pages.peers.len() > LEARNED_MAX {
            pages.forget_one(id);
        }
    }

    /// What is known of a peer.
    pub(crate) fn find(&self, peer: NodeId) -> Option<PeerAddr> {
        self.pages().peers.get(&peer).map(|(_, addr)| addr.clone())
    }

    /// Keeps a peer in the book until it is released as often.
    pub(crate) fn keep(&self, peer: NodeId) {
        *self.pages().kept.entry(peer).or_default() += 1;
    }

    /// Undoes one [`Self::keep`].
    pub(crate) fn release(&self, peer: NodeId) {
        let mut pages = self.pages();
        if let Some(times) = pages.kept.get_mut(&peer) {
            *times -= 1;
            if *times == 0 {
                pages.kept.remove(&peer);
            }
        }
    }

    /// True when a relay with this key was named by us or stands in the book.
    pub(crate) fn trusts(&self, key: &[u8]) -> bool {
        self.own_relays.iter().any(|own| own[..] == *key)
            || self.pages().peers.values().any(|(_, addr)| addr.relays.iter().any(|relay| relay.key.0[..] == *key))
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// Forgets the oldest that is neither kept nor `newest`.
    fn forget_one(&mut self, newest: NodeId) {
        let oldest = self.order.iter().find(|(_, id)| **id != newest && !self.kept.contains_key(id));
        if let Some((&at, &id)) = oldest {
            self.order.remove(&at);
            self.peers.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
        NodeId(bytes)
    }

    fn at(n: usize, port: u16) -> PeerAddr {
        PeerAddr { direct: vec![([127, 0, 0, 1], port).into()], ..PeerAddr::key_only(id(n)) }
    }

    #[test]
    fn the_newest_word_wins() {
        let book = AddressBook::default();
        book.learn(at(1, 1));
        book.learn(at(1, 2));
        assert_eq!(book.find(id(1)), Some(at(1, 2)));
    }

    #[test]
    fn a_full_book_forgets_the_oldest_and_never_the_center() {
        let book = AddressBook::default();
        book.keep(id(0));
        (0..LEARNED_MAX).for_each(|n| book.learn(at(n, 1)));
        book.learn(at(1, 2)); // heard of again: 2 is the oldest now
        (0..10).for_each(|n| book.learn(at(LEARNED_MAX + n, 1)));
        assert_eq!(book.pages().peers.len(), LEARNED_MAX);
        assert_eq!(book.pages().order.len(), LEARNED_MAX);
        assert!(book.find(id(0)).is_some() && book.find(id(1)).is_some());
        assert!((2..12).all(|n| book.find(id(n)).is_none()));
        book.release(id(0));
        book.learn(at(LEARNED_MAX + 10, 1));
        assert!(book.find(id(0)).is_none());
    }

    #[test]
    fn a_relay_is_trusted_while_somebody_names_it() {
        let relay = |key| RelayHint { host: "127.0.0.1".into(), port: 1, quic_port: 0, key: NodeId([key; 32]) };
        let book = AddressBook::new(&[relay(1)]);
        assert!(book.trusts(&[1; 32]) && !book.trusts(&[2; 32]) && !book.trusts(&[1; 31]) && !book.trusts(&[]));
        book.learn(PeerAddr { relays: vec![relay(2)], ..PeerAddr::key_only(id(1)) });
        assert!(book.trusts(&[2; 32]));
        book.learn(PeerAddr::key_only(id(1)));
        assert!(!book.trusts(&[2; 32]));
    }
}
