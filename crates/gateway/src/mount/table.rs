//! Numbers of files and folders, for as long as the system knows them.
//!
//! (A) A number means the same thing until the system forgets it, whatever its name becomes. (B) What lost its name is nowhere.

use super::file::File;
use crate::dav::place::Place;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The number of what is mounted.
pub(super) const ROOT: u64 = 1;

struct Node {
    /// Where it lies, and its part of the path; none once it lost its name.
    at: Option<(u64, String)>,
    lookups: u64,
    /// Numbers that lie in it.
    kids: BTreeMap<String, u64>,
    /// What it is, while it is open.
    file: Option<Arc<File>>,
}

/// The numbers.
pub(super) struct Table {
    root: Place,
    nodes: HashMap<u64, Node>,
    next: u64,
}

impl Table {
    /// Over what is mounted.
    pub fn new(root: Place) -> Self {
        let node = Node { at: None, lookups: 1, kids: BTreeMap::new(), file: None };
        Self { root, nodes: HashMap::from([(ROOT, node)]), next: ROOT + 1 }
    }

    /// Where a number lies now; nowhere once it lost its name.
    pub fn place(&self, number: u64) -> Option<Place> {
        let (mut parts, mut at) = (Vec::new(), number);
        while at != ROOT {
            let (above, part) = self.nodes.get(&at)?.at.as_ref()?;
            parts.push(part.as_str());
            at = *above;
        }
        Some(parts.into_iter().rev().fold(self.root.clone(), |place, part| place.child(part)))
    }

    /// The number above; of what is mounted its own.
    pub fn above(&self, number: u64) -> Option<u64> {
        if number == ROOT { Some(ROOT) } else { Some(self.nodes.get(&number)?.at.as_ref()?.0) }
    }

    /// The number of a name, if the system knows it.
    pub fn find(&self, above: u64, part: &str) -> Option<u64> {
        self.nodes.get(&above)?.kids.get(part).copied()
    }

    /// The number of what stands at a place, if the system knows it.
    pub fn number(&self, place: &Place) -> Option<u64> {
        if *place == self.root {
            return Some(ROOT);
        }
        if *place == Place::Root {
            return None;
        }
        self.find(self.number(&place.parent())?, place.shown())
    }

    /// The number of a name, which is told to the system now; none where the folder has none.
    pub fn told(&mut self, above: u64, part: &str) -> Option<u64> {
        if let Some(number) = self.find(above, part) {
            self.nodes.get_mut(&number)?.lookups += 1;
            return Some(number);
        }
        let number = self.next;
        self.nodes.get_mut(&above)?.kids.insert(part.to_owned(), number);
        self.next += 1;
        let at = Some((above, part.to_owned()));
        self.nodes.insert(number, Node { at, lookups: 1, kids: BTreeMap::new(), file: None });
        Some(number)
    }

    /// The system forgets so many tellings of a number.
    pub fn forget(&mut self, number: u64, count: u64) {
        let Some(node) = self.nodes.get_mut(&number).filter(|_| number != ROOT) else { return };
        node.lookups = node.lookups.saturating_sub(count);
        self.drop_unknown(number);
    }

    /// Lets a number go that nobody knows, and what is above it with it.
    fn drop_unknown(&mut self, mut number: u64) {
        while let Some(node) = self.nodes.get(&number)
            && number != ROOT
            && node.lookups == 0
            && node.kids.is_empty()
            && node.file.is_none()
        {
            let Some(Node { at: Some((above, part)), .. }) = self.nodes.remove(&number) else { break };
            self.unhang(above, &part, number);
            number = above;
        }
    }

    fn unhang(&mut self, above: u64, part: &str, number: u64) {
        if let Some(node) = self.nodes.get_mut(&above)
            && node.kids.get(part) == Some(&number)
        {
            node.kids.remove(part);
        }
    }

    /// A name is gone (B).
    pub fn gone(&mut self, above: u64, part: &str) {
        if let Some(number) = self.nodes.get_mut(&above).and_then(|node| node.kids.remove(part))
            && let Some(node) = self.nodes.get_mut(&number)
        {
            node.at = None;
        }
    }

    /// A name is another now; what had that one is gone.
    pub fn moved(&mut self, (above, part): (u64, &str), (new_above, new_part): (u64, &str)) {
        self.gone(new_above, new_part);
        let Some(number) = self.nodes.get_mut(&above).and_then(|node| node.kids.remove(part)) else { return };
        if let Some(node) = self.nodes.get_mut(&number) {
            node.at = Some((new_above, new_part.to_owned()));
        }
        if let Some(node) = self.nodes.get_mut(&new_above) {
            node.kids.insert(new_part.to_owned(), number);
        }
    }

    /// What a number is, while it is open.
    pub fn file(&self, number: u64) -> Option<Arc<File>> {
        self.nodes.get(&number)?.file.clone()
    }

    /// A number is open as this file; not where it is open as another one already.
    pub fn opened(&mut self, number: u64, file: &Arc<File>) -> bool {
        let Some(node) = self.nodes.get_mut(&number) else { return false };
        Arc::ptr_eq(node.file.get_or_insert_with(|| Arc::clone(file)), file)
    }

    /// What has a name from now on is something else than what is open under its number (A).
    pub fn parted(&mut self, number: u64) {
        if let Some((above, part)) = self.nodes.get(&number).and_then(|node| node.at.clone()) {
            self.gone(above, &part);
        }
    }

    /// A number is not open any more as this file.
    pub fn closed(&mut self, number: u64, file: &Arc<File>) {
        if let Some(node) = self.nodes.get_mut(&number)
            && node.file.as_ref().is_some_and(|open| Arc::ptr_eq(open, file))
        {
            node.file = None;
            self.drop_unknown(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::new(Place::Bucket("b".into()))
    }

    fn name(table: &Table, number: u64) -> Option<String> {
        match table.place(number)? {
            Place::Name { name, .. } => Some(name),
            _ => Some(String::new()),
        }
    }

    #[test]
    fn a_number_stays_with_what_it_means() {
        let mut table = table();
        let folder = table.told(ROOT, "a").unwrap();
        let file = table.told(folder, "x").unwrap();
        assert_eq!(table.told(folder, "x"), Some(file), "told twice");
        let other = table.told(ROOT, "b").unwrap();
        table.moved((ROOT, "a"), (other, "c"));
        assert_eq!(name(&table, file), Some("b/c/x".into()), "the folder it is in moved");
        let second = table.told(folder, "y").unwrap();
        table.moved((folder, "x"), (folder, "y"));
        assert_eq!((name(&table, file), name(&table, second)), (Some("b/c/y".into()), None));
        table.gone(folder, "y");
        assert_eq!(name(&table, file), None);
        let new = table.told(folder, "y").unwrap();
        assert_ne!(new, file);
        assert_eq!(table.above(new), Some(folder));
    }

    #[test]
    fn what_the_system_forgot_is_forgotten() {
        let mut table = table();
        let folder = table.told(ROOT, "a").unwrap();
        let file = table.told(folder, "x").unwrap();
        table.told(folder, "x");
        table.forget(folder, 1);
        table.forget(file, 1);
        assert_eq!(table.find(ROOT, "a"), Some(folder), "something in it is known");
        table.forget(file, 1);
        assert_eq!((table.nodes.len(), table.find(ROOT, "a")), (1, None));
        table.forget(ROOT, 9);
        table.forget(77, 1);
        assert_eq!(table.place(ROOT), Some(Place::Bucket("b".into())));
    }
}
