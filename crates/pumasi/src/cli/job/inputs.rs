//! What a job reads: objects below places, and files of this machine, which are stored when it is handed in.

use super::known;
use super::manifest::{CacheUse, Manifest};
use crate::app::App;
use crate::cli::session::{MINE, Place, Session, client_fault, progress};
use crate::fault::Fault;
use client::compute::{Identity, JobSpec, SourceSpec};
use client::{Bucket, PutAsk};
use model::{JobId, errors};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use wire::compute::PartOf;

/// Items of one job that are listed by name.
const OBJECTS_MAX: usize = 100_000;

/// An object that is read.
#[derive(Default)]
pub struct Found {
    /// Place of its source.
    pub source: u16,
    /// Its name in its bucket.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// File of this machine that it is to be made from.
    pub file: Option<PathBuf>,
    /// What stands for its content, where that was asked for.
    pub identity: Option<Identity>,
}

/// Inputs as they were found.
#[derive(Default)]
pub struct Inputs {
    /// Parts of buckets that are read.
    pub sources: Vec<SourceSpec>,
    /// Their buckets by name.
    pub buckets: BTreeMap<String, Bucket>,
    /// Objects in the order in which they were found.
    pub objects: Vec<Found>,
    /// Where each object stands, by its source and name.
    places: HashMap<(u16, String), usize>,
}

impl Inputs {
    /// One more.
    pub fn push(&mut self, found: Found) {
        self.places.insert((found.source, found.name.clone()), self.objects.len());
        self.objects.push(found);
    }

    /// The object that an item reads.
    pub fn found(&self, part: &PartOf) -> Option<&Found> {
        self.objects.get(*self.places.get(&(part.link, part.name.clone()))?)
    }
}

/// Files of this machine that patterns name; a `*` in the last component is understood where no shell did.
pub fn local_files(patterns: &[String]) -> Result<Vec<PathBuf>, Fault> {
    let mut all = Vec::new();
    for pattern in patterns {
        let path = Path::new(pattern);
        let last = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() || last.contains(['*', '?']) {
            let (dir, wanted) = if path.is_dir() {
                (path, "*".to_owned())
            } else {
                (path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")), last)
            };
            let entries = std::fs::read_dir(dir).map_err(|e| Fault::file(dir, &e))?;
            let mut found: Vec<PathBuf> = entries
                .filter_map(Result::ok)
                .filter(|e| e.path().is_file() && matches(&wanted, &e.file_name().to_string_lossy()))
                .map(|e| e.path())
                .collect();
            found.sort();
            all.extend(found);
        } else {
            std::fs::metadata(path).map_err(|e| Fault::file(path, &e))?;
            all.push(path.to_owned());
        }
    }
    if all.is_empty() {
        return Err(Fault::new(errors::NO_INPUT, [("prefix", &patterns.join(" "))]));
    }
    Ok(all)
}

/// Whether `name` fits: `*` stands for any run without `/`, `?` for one character.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some('?') if name[n] != '/' => (p, n) = (p + 1, n + 1),
            Some(c) if *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) if name[from] != '/' => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                _ => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Finds what a manifest names. Files of this machine get the names that they will have.
pub async fn inputs(
    session: &Session,
    manifest: &Manifest,
    (job, to_bucket, to): (&JobId, &str, &Bucket),
) -> Result<Inputs, Fault> {
    let mut inputs = Inputs::default();
    let (places, files): (Vec<&String>, Vec<&String>) =
        manifest.input.each.iter().partition(|text| text.starts_with(MINE));
    for text in places {
        stored(session, &mut inputs, text).await?;
    }
    if !files.is_empty() {
        let files = local_files(&files.into_iter().cloned().collect::<Vec<_>>())?;
        let folder = format!("{}in", client::compute::folder_of(job));
        let source = u16::try_from(inputs.sources.len()).map_err(Fault::bug)?;
        inputs.sources.push(SourceSpec { bucket: to_bucket.to_owned(), base: folder.clone(), is_object: false });
        inputs.buckets.insert(to_bucket.to_owned(), to.clone());
        let identities = match manifest.cache()? {
            CacheUse::Off => vec![None; files.len()],
            _ => known::identities(&files).await?.into_iter().map(Some).collect(),
        };
        for (n, (path, identity)) in files.into_iter().zip(identities).enumerate() {
            let file = path.file_name().map_or_else(|| n.to_string(), |name| name.to_string_lossy().into_owned());
            let name = format!("{folder}/{n}/{file}");
            let size = std::fs::metadata(&path).map_err(|e| Fault::file(&path, &e))?.len();
            inputs.push(Found { source, name, size, file: Some(path), identity });
        }
    }
    if inputs.objects.len() > OBJECTS_MAX {
        return Err(Fault::bad_value("each", &inputs.objects.len().to_string(), "at most 100,000 objects are named"));
    }
    if !manifest.input.each.is_empty() && inputs.objects.is_empty() {
        return Err(Fault::new(errors::NO_INPUT, [("prefix", &manifest.input.each.join(" "))]));
    }
    Ok(inputs)
}

/// Stores the files of this machine that the job's items read.
pub async fn upload(
    app: &App,
    session: &Session,
    to: &Bucket,
    (inputs, spec): (&Inputs, &JobSpec),
) -> Result<(), Fault> {
    let Some(stage) = spec.stages.first() else { return Ok(()) };
    let mut stored = BTreeSet::new();
    for part in (0..stage.items.count()).flat_map(|item| stage.items.of(item)) {
        let Some(path) = inputs.found(part).and_then(|found| found.file.as_ref()) else { continue };
        if !stored.insert(&part.name) {
            continue;
        }
        let content = std::fs::File::open(path).map_err(|e| Fault::file(path, &e))?;
        let size = content.metadata().map_err(|e| Fault::file(path, &e))?.len();
        let ask = PutAsk { size_hint: size, ..PutAsk::new(&part.name) };
        let put = session.client.put(to, ask, Box::new(content), &progress(app)).await;
        put.map_err(|e| client_fault(e, &path.display().to_string()))?;
    }
    Ok(())
}

/// Objects below a place, or that a place with `*` names.
async fn stored(session: &Session, inputs: &mut Inputs, text: &str) -> Result<(), Fault> {
    let place = Place::parse(text)?.own(text)?;
    let bucket = session.bucket(&place.bucket).await?;
    let literal = place.key.split(['*', '?']).next().unwrap_or_default();
    let is_pattern = literal.len() < place.key.len();
    let entries = session.client.list(&bucket, literal).await.map_err(|e| client_fault(e, text))?;
    let wanted = |name: &str| {
        !name.starts_with(client::compute::HIDDEN_JOBS)
            && match is_pattern {
                true => matches(&place.key, name),
                false => name == place.key || place.key.is_empty() || place.key.ends_with('/'),
            }
    };
    let entries: Vec<_> = entries.into_iter().filter(|entry| wanted(&entry.name)).collect();
    let base = literal.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let is_object = !is_pattern && entries.len() == 1 && entries[0].name == place.key;
    let base = if is_object { place.key.clone() } else { base };
    let source = u16::try_from(inputs.sources.len()).map_err(Fault::bug)?;
    inputs.sources.push(SourceSpec { bucket: place.bucket.clone(), base, is_object });
    for entry in entries {
        let identity = Some(Identity::stored(bucket.id(), &entry));
        inputs.push(Found { source, name: entry.name, size: entry.size.0, file: None, identity });
    }
    inputs.buckets.insert(place.bucket.clone(), bucket);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_does_not_cross_folders() {
        for (pattern, name, fits) in [
            ("in/*", "in/a.txt", true),
            ("in/*", "in/b/a.txt", false),
            ("in/*.txt", "in/a.txt", true),
            ("in/*.txt", "in/a.txt.gz", false),
            ("in/?", "in/a", true),
            ("in/?", "in/", false),
            ("*/x*y", "a/xzzy", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
