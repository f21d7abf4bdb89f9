//! All guests of this machine: halted, let go on and dropped together, and what they hold told at check-in.

use crate::fleet::owner_loop::Guests;
use sandbox::Handle;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use wire::compute::LeaseTold;

/// What becomes of all guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// They run.
    #[default]
    Run,
    /// They stand still and keep their memory.
    Parked,
}

/// One lease that is worked on.
#[derive(Debug, Clone, Default)]
struct Worked {
    handle: Handle,
    fuel: u64,
    items: u16,
}

#[derive(Debug, Default)]
struct Inner {
    leases: BTreeMap<u64, Worked>,
    is_parked: bool,
}

/// Where guests come in and go out; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    inner: Arc<Mutex<Inner>>,
    mood: watch::Sender<Mood>,
    ended: watch::Sender<u64>,
}

/// A guest's place; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    gate: Gate,
    serial: u64,
    /// Holds the sandbox process.
    pub handle: Handle,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.lock().leases.remove(&self.serial);
        self.gate.ended.send_modify(|ended| *ended += 1);
    }
}

impl Place {
    /// Notes that so many more steps were done.
    pub fn did(&self, fuel: u64) {
        if let Some(worked) = self.gate.lock().leases.get_mut(&self.serial) {
            worked.fuel = worked.fuel.saturating_add(fuel);
        }
    }

    /// Notes how many of its items are finished.
    pub fn finished(&self, items: u16) {
        if let Some(worked) = self.gate.lock().leases.get_mut(&self.serial) {
            worked.items = items;
        }
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for the attempt of a lease; while guests are parked it begins parked.
    pub fn enter(&self, serial: u64) -> Place {
        let handle = Handle::default();
        let mut inner = self.lock();
        if inner.is_parked {
            handle.park();
        }
        inner.leases.insert(serial, Worked { handle: handle.clone(), fuel: 0, items: 0 });
        drop(inner);
        Place { gate: self.clone(), serial, handle }
    }

    /// Attempts that are here.
    pub fn count(&self) -> usize {
        self.lock().leases.len()
    }

    /// What check-ins say of them.
    pub fn leases(&self) -> Vec<LeaseTold> {
        let inner = self.lock();
        let told = inner.leases.iter().map(|(serial, worked)| LeaseTold {
            serial: *serial,
            items: worked.items,
            fuel: worked.fuel,
            parked: inner.is_parked,
        });
        told.collect()
    }

    /// Ends attempts whose leases are gone.
    pub fn cancel(&self, serials: &[u64]) {
        let inner = self.lock();
        for worked in serials.iter().filter_map(|serial| inner.leases.get(serial)) {
            worked.handle.stop();
        }
    }

    /// Counts attempts that ended.
    pub fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// Whether guests run, now and at each change.
    pub fn mood(&self) -> watch::Receiver<Mood> {
        self.mood.subscribe()
    }
}

impl Guests for Gate {
    fn any(&self) -> bool {
        let inner = self.lock();
        !inner.is_parked && !inner.leases.is_empty()
    }

    fn park(&self) {
        let mut inner = self.lock();
        inner.is_parked = true;
        inner.leases.values().for_each(|worked| worked.handle.park());
        drop(inner);
        self.mood.send_replace(Mood::Parked);
    }

    fn unpark(&self) {
        let mut inner = self.lock();
        inner.is_parked = false;
        inner.leases.values().for_each(|worked| worked.handle.resume());
        drop(inner);
        self.mood.send_replace(Mood::Run);
    }

    fn evict(&self) {
        let inner = self.lock();
        inner.leases.values().for_each(|worked| worked.handle.stop());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_come_and_go_and_a_late_one_begins_parked() {
        let gate = Gate::default();
        assert!(!gate.any());
        let place = gate.enter(7);
        place.did(5);
        place.finished(2);
        let told = LeaseTold { serial: 7, items: 2, fuel: 5, parked: false };
        assert_eq!((gate.any(), gate.leases()), (true, vec![told]));
        gate.park();
        assert!(!gate.any() && *gate.mood().borrow() == Mood::Parked);
        let late = gate.enter(8);
        assert_eq!(gate.count(), 2);
        gate.unpark();
        drop(late);
        assert_eq!(gate.leases(), [told]);
        drop(place);
        assert_eq!(gate.count(), 0);
    }
}
