//! Properties of tools' own, sealed in an object's manifest: they move with it, and are kept when its content is replaced.
//!
//! Plain, a fact of kind 5 each: namespace u16 + bytes · name u16 + bytes · the element as XML.

use super::error::Fault;
use super::limits::{LOOKS_AT_ONCE, PROPERTIES_BYTES_MAX, PROPERTIES_KEPT};
use super::place::Place;
use super::tree::{Node, Tree};
use super::visit::Visit;
use client::{Entry, Expect, Fact, Facts, NewFacts, Shown};
use dav_server::fs::DavProp;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use hyper::StatusCode;
use model::errors;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};
use xmltree::{Element, EmitterConfig};

/// Kind of a fact that is one.
const KIND: u8 = 5;

/// Whose words these are: the protocol's, Windows's, and those of servers of old. Nobody adds to them.
pub(crate) const DAV: &str = "DAV:";
pub(crate) const MICROSOFT: &str = "urn:schemas-microsoft-com:";
const APACHE: &str = "http://apache.org/dav/props/";

/// Whether a tool may have properties of its own there.
pub(crate) fn may_be_own(namespace: &str) -> bool {
    ![DAV, MICROSOFT, APACHE].contains(&namespace)
}

/// A property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    /// Whose word it is; empty where it is nobody's.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The whole element, without a declaration in front.
    pub xml: String,
}

/// Properties of versions, which never change; a version's own id is its key.
#[derive(Default)]
pub(crate) struct Known(Mutex<BTreeMap<[u8; 16], Arc<Vec<Property>>>>);

impl Known {
    fn get(&self, version: &[u8; 16]) -> Option<Arc<Vec<Property>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(version).cloned()
    }

    fn note(&self, version: [u8; 16], properties: &Arc<Vec<Property>>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= PROPERTIES_KEPT {
            known.pop_first();
        }
        known.insert(version, Arc::clone(properties));
    }
}

impl Property {
    fn fact(&self) -> Option<Fact> {
        let len = |text: &str| u16::try_from(text.len()).ok().map(u16::to_le_bytes);
        let (space, name) = (len(&self.namespace)?, len(&self.name)?);
        let parts = [&space[..], self.namespace.as_bytes(), &name, self.name.as_bytes(), self.xml.as_bytes()];
        Some(Fact::Other(KIND, parts.concat()))
    }

    fn of(fact: &Fact) -> Option<Self> {
        let Fact::Other(KIND, bytes) = fact else { return None };
        let (namespace, rest) = text(bytes)?;
        let (name, rest) = text(rest)?;
        Some(Self { namespace, name, xml: std::str::from_utf8(rest).ok()?.to_owned() })
    }

    fn is(&self, asked: &DavProp) -> bool {
        self.namespace == asked.namespace.as_deref().unwrap_or_default() && self.name == asked.name
    }
}

fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    Some((std::str::from_utf8(text).ok()?.to_owned(), rest))
}

/// The properties among what is told of an object.
pub(crate) fn of(facts: &Facts) -> Vec<Property> {
    facts.0.iter().filter_map(Property::of).collect()
}

/// The facts of an object that outlive its content: properties alone.
pub(crate) fn kept(facts: &Facts) -> Facts {
    Facts(facts.0.iter().filter(|fact| Property::of(fact).is_some()).cloned().collect())
}

/// An element by itself, without a declaration in front.
pub(crate) fn written(element: &Element) -> Option<String> {
    let config = EmitterConfig { write_document_declaration: false, perform_indent: false, ..EmitterConfig::default() };
    let mut out = Vec::new();
    element.write_with_config(&mut out, config).ok()?;
    String::from_utf8(out).ok()
}

/// The properties once some were set and some taken away, or nothing where they would be too many.
fn patched(mut all: Vec<Property>, changes: &[(bool, DavProp)]) -> Option<Vec<Property>> {
    for (is_set, asked) in changes {
        let at = all.iter().position(|known| known.is(asked));
        match (is_set, at) {
            (true, at) => {
                let element = Element::parse(Cursor::new(asked.xml.as_deref()?)).ok()?;
                let (namespace, name) = (asked.namespace.clone().unwrap_or_default(), asked.name.clone());
                let new = Property { namespace, name, xml: written(&element)? };
                match at {
                    Some(at) => all[at] = new,
                    None => all.push(new),
                }
            }
            (false, Some(at)) => drop(all.remove(at)),
            (false, None) => {}
        }
    }
    let bytes: usize = all.iter().map(|one| 7 + one.namespace.len() + one.name.len() + one.xml.len()).sum();
    (bytes <= PROPERTIES_BYTES_MAX).then_some(all)
}

/// What came of changes, all of which came to the same.
fn all_are(status: StatusCode, changes: Vec<(bool, DavProp)>) -> Vec<(StatusCode, DavProp)> {
    changes.into_iter().map(|(_, asked)| (status, DavProp { xml: None, ..asked })).collect()
}

/// What is the protocol's own is forbidden, and everything else then left.
fn refused(changes: Vec<(bool, DavProp)>) -> Vec<(StatusCode, DavProp)> {
    let status = |asked: &DavProp| match may_be_own(asked.namespace.as_deref().unwrap_or_default()) {
        true => StatusCode::FAILED_DEPENDENCY,
        false => StatusCode::FORBIDDEN,
    };
    changes.into_iter().map(|(_, asked)| (status(&asked), DavProp { xml: None, ..asked })).collect()
}

impl Tree {
    /// Properties of what is at a place; a bucket has none.
    pub async fn properties(&self, bucket: Option<&str>, node: &Node) -> Result<Arc<Vec<Property>>, Fault> {
        let (Some(bucket), Some(entry)) = (bucket, node.entry()) else { return Ok(Arc::default()) };
        if let Some(known) = self.known().get(&entry.version) {
            return Ok(known);
        }
        let shown = self.shown(bucket, entry).await?;
        let properties = Arc::new(of(&shown.facts));
        self.known().note(entry.version, &properties);
        Ok(properties)
    }

    async fn shown(&self, bucket: &str, entry: &Entry) -> Result<Shown, Fault> {
        let opened = self.bucket(bucket).await?;
        let shown = self.client().show(&opened, &entry.name, Some(entry.version)).await;
        shown.map_err(|error| self.fault(bucket, error))
    }

    /// The same of many at once, in their order; nothing of one that went meanwhile.
    pub async fn properties_of_all(
        &self,
        nodes: Vec<(Place, Node)>,
    ) -> Result<Vec<(Place, Node, Arc<Vec<Property>>)>, Fault> {
        let looking = stream::iter(nodes).map(|(place, node)| async move {
            match self.properties(place.bucket(), &node).await {
                Ok(properties) => Ok(Some((place, node, properties))),
                Err(fault) if fault.is_unknown() => Ok(None),
                Err(fault) => Err(fault),
            }
        });
        let found: Vec<_> = looking.buffered(LOOKS_AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Sets and takes away properties: all of them, or none.
    pub async fn patch(
        &self,
        visit: &Visit,
        place: &Place,
        changes: Vec<(bool, DavProp)>,
    ) -> Result<Vec<(StatusCode, DavProp)>, Fault> {
        let node = self.look(visit, place).await?;
        let Place::Name { bucket, .. } = place else { return Ok(all_are(StatusCode::FORBIDDEN, changes)) };
        visit.check(place, node.is_folder())?;
        if changes.iter().any(|(_, asked)| !may_be_own(asked.namespace.as_deref().unwrap_or_default())) {
            return Ok(refused(changes));
        }
        let shown = match node.entry() {
            Some(entry) => Some(self.shown(bucket, entry).await?),
            None => None,
        };
        let known = shown.as_ref().map(|shown| of(&shown.facts)).unwrap_or_default();
        let Some(all) = patched(known, &changes) else {
            return Ok(all_are(StatusCode::INSUFFICIENT_STORAGE, changes));
        };
        let facts: Vec<Fact> = all.iter().filter_map(Property::fact).collect();
        match shown {
            Some(shown) => self.tell(bucket, shown, facts).await?,
            None => self.mark(bucket, place, Facts(facts)).await?,
        }
        visit.changed();
        Ok(all_are(StatusCode::OK, changes))
    }

    /// Gives an object's content its name anew, with other properties.
    async fn tell(&self, bucket: &str, shown: Shown, properties: Vec<Fact>) -> Result<(), Fault> {
        let opened = self.bucket(bucket).await?;
        let Shown { entry, pairs, facts, .. } = shown;
        let others = facts.0.into_iter().filter(|fact| Property::of(fact).is_none());
        let facts = Facts(others.chain(properties).collect());
        let told = NewFacts { content_type: entry.content_type, pairs, facts };
        let (name, version) = (entry.name.as_str(), entry.version);
        let done =
            self.client().copy_told(&opened, (name, Some(version)), (name, Some(told)), Expect::Version(version));
        done.await.map(drop).map_err(|error| match self.fault(bucket, error) {
            // There is no room beside the object's name, tags and headers.
            fault if fault.id == errors::TOO_LARGE => Fault { status: StatusCode::INSUFFICIENT_STORAGE, ..fault },
            fault => fault,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(namespace: Option<&str>, name: &str, xml: Option<&str>) -> DavProp {
        let xml = xml.map(|xml| xml.as_bytes().to_vec());
        DavProp { name: name.into(), prefix: None, namespace: namespace.map(Into::into), xml }
    }

    #[test]
    fn properties_are_set_taken_away_and_read_back() {
        let set = |value: &str| {
            let xml = format!("<?xml version=\"1.0\"?><x:color xmlns:x=\"urn:x\">{value}</x:color>");
            (true, asked(Some("urn:x"), "color", Some(&xml)))
        };
        let all =
            patched(Vec::new(), &[set("red"), (true, asked(None, "plain", Some("<plain/>"))), set("中")]).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].xml, "<x:color xmlns:x=\"urn:x\">中</x:color>");
        let facts = Facts(all.iter().filter_map(Property::fact).chain([Fact::Tag("k".into(), "v".into())]).collect());
        assert_eq!(of(&facts), all);
        assert_eq!((kept(&facts).0.len(), kept(&Facts(vec![Fact::Other(KIND, vec![9])])).0.len()), (2, 0));
        let less =
            patched(all, &[(false, asked(Some("urn:x"), "color", None)), (false, asked(None, "none", None))]).unwrap();
        assert_eq!(less.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["plain"]);
    }

    #[test]
    fn too_many_properties_and_broken_ones_are_not_kept() {
        let long = "x".repeat(PROPERTIES_BYTES_MAX);
        assert_eq!(patched(Vec::new(), &[(true, asked(None, "p", Some(&format!("<p>{long}</p>"))))]), None);
        assert_eq!(patched(Vec::new(), &[(true, asked(None, "p", Some("<p>")))]), None);
    }
}
