//! One request: whose key it came with, what it is about, and what went wrong in it.

use super::error::Fault;
use super::place::Place;
use crate::keys::{Scope, ToolKey};
use client::{Entry, Expect};
use hyper::Method;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names of a bucket that begin alike, by bucket and beginning.
type Lists = BTreeMap<(String, String), Arc<Vec<Entry>>>;

/// A request; clones share it.
#[derive(Clone)]
pub(crate) struct Visit(Arc<Inner>);

struct Inner {
    key: ToolKey,
    method: Method,
    place: Place,
    destination: Option<Place>,
    content_type: String,
    is_conditional: bool,
    replaces: bool,
    found: Mutex<Found>,
}

/// What came up.
#[derive(Default)]
struct Found {
    lists: Lists,
    fault: Option<Fault>,
    is_full: bool,
    is_file: bool,
}

/// What a request is.
pub(crate) struct VisitAsk {
    pub key: ToolKey,
    pub method: Method,
    pub place: Place,
    pub destination: Option<Place>,
    pub content_type: String,
    /// It names a state of what it changes.
    pub is_conditional: bool,
    /// What is at its destination may be replaced.
    pub replaces: bool,
}

impl Visit {
    pub fn new(ask: VisitAsk) -> Self {
        let VisitAsk { key, method, place, destination, content_type, is_conditional, replaces } = ask;
        let found = Mutex::default();
        Self(Arc::new(Inner { key, method, place, destination, content_type, is_conditional, replaces, found }))
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of its key.
    pub fn key_id(&self) -> &str {
        &self.0.key.id
    }

    /// What its key is good for.
    pub fn scope(&self) -> &Scope {
        &self.0.key.scope
    }

    /// The media type it names.
    pub fn content_type(&self) -> &str {
        &self.0.content_type
    }

    /// Whether it names a state of what it changes.
    pub fn is_conditional(&self) -> bool {
        self.0.is_conditional
    }

    /// Whether it shall take away just this.
    pub fn removes(&self, place: &Place) -> bool {
        self.0.method == Method::DELETE && self.0.place == *place
    }

    /// Where a copy goes.
    pub fn destination(&self) -> Option<&Place> {
        self.0.destination.as_ref()
    }

    /// What a new name expects of its place.
    pub fn expect(&self) -> Expect {
        if self.0.replaces { Expect::Any } else { Expect::Absent }
    }

    /// Notes that what is copied or moved is a file.
    pub fn saw_file(&self) {
        self.found().is_file = true;
    }

    /// Whether a file takes the place of this one, in the one step that gives it its name.
    pub fn puts_over(&self, place: &Place) -> bool {
        self.destination() == Some(place) && self.found().is_file
    }

    /// Where a copy's folder comes from.
    pub fn source_of(&self, place: &Place) -> Option<Place> {
        place.moved(self.0.destination.as_ref()?, &self.0.place)
    }

    /// Names that were listed for it already.
    pub fn listed(&self, bucket: &str, prefix: &str) -> Option<Arc<Vec<Entry>>> {
        let found = self.found();
        let lists = found.lists.iter().filter(|((of, begins), _)| of == bucket && prefix.starts_with(begins.as_str()));
        let ((_, begins), list) = lists.max_by_key(|((_, begins), _)| begins.len())?;
        if begins == prefix {
            return Some(Arc::clone(list));
        }
        Some(Arc::new(list.iter().filter(|entry| entry.name.starts_with(prefix)).cloned().collect()))
    }

    /// Notes names that were listed.
    pub fn note(&self, bucket: &str, prefix: &str, list: &Arc<Vec<Entry>>) {
        self.found().lists.insert((bucket.to_owned(), prefix.to_owned()), Arc::clone(list));
    }

    /// Something was changed: what was listed is of the past.
    pub fn changed(&self) {
        self.found().lists.clear();
    }

    /// Notes that there were names in a bucket that shall go.
    pub fn saw_full(&self) {
        self.found().is_full = true;
    }

    /// Whether there were.
    pub fn was_full(&self) -> bool {
        self.found().is_full
    }

    /// Notes what went wrong; the first counts.
    pub fn fail(&self, fault: Fault) {
        self.found().fault.get_or_insert(fault);
    }

    /// What went wrong.
    pub fn fault(&self) -> Option<Fault> {
        self.found().fault.clone()
    }

    /// Refuses what its key may not change.
    pub fn check(&self, place: &Place, is_folder: bool) -> Result<(), Fault> {
        if self.scope().is_read_only {
            return Err(Fault::denied("the key is for reading only"));
        }
        if place.is_had(self.scope(), is_folder) { Ok(()) } else { Err(Fault::denied("the key does not reach so far")) }
    }
}
