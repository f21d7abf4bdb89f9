//! What earlier runs spare a job on this machine: known items get their outputs by a copy and are not handed in; results that are taken
//! over are remembered (`docs/design/compute.md` §8).

use super::inputs::Inputs;
use super::manifest::{CacheUse, Manifest};
use crate::app::App;
use crate::cli::session::{Session, client_fault, progress};
use crate::clock;
use crate::fault::Fault;
use client::Bucket;
use client::compute::{Adopted, CacheKey, Identity, JobSpec, Keying, Known, ResultCache, remembered};
use console::args;
use model::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use wire::compute::{JobDetail, PartOf};

/// This home's known results.
fn cache(app: &App, session: &Session) -> ResultCache {
    ResultCache::new(&app.home.results(), session.machine())
}

fn keying(session: &Session) -> Result<Keying, Fault> {
    Ok(Keying { key: session.root()?.results(), engine: sandbox::engine_id() })
}

/// Names a job's items for the cache, gives known ones their outputs, and leaves the others in the spec.
pub async fn take(
    app: &App,
    session: &Session,
    manifest: &Manifest,
    (bucket, inputs): (&Bucket, &Inputs),
    spec: &mut JobSpec,
) -> Result<(), Fault> {
    let way = manifest.cache()?;
    if way == CacheUse::Off {
        return Ok(());
    }
    let keys = keying(session)?.keys_of(spec, |part| inputs.identify(part));
    spec.earlier.keys = keys.into_iter().collect::<Option<Vec<CacheKey>>>().unwrap_or_default();
    if way == CacheUse::Fresh || spec.earlier.keys.is_empty() {
        return Ok(());
    }
    let (cache, keys, now) = (cache(app, session), spec.earlier.keys.clone(), clock::now());
    let asked = cache.clone();
    let found = tokio::task::spawn_blocking(move || asked.get(&keys, now)).await.map_err(Fault::bug)?;
    let (trust, check) = (manifest.trust()?, manifest.check()?);
    let numbered = (0u32..).zip(&spec.earlier.keys).zip(found);
    let found: Vec<(u32, CacheKey, Known)> = numbered
        .filter_map(|((number, key), known)| Some((number, *key, known.filter(|known| known.serves(trust, check))?)))
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    let given = session.client.give_known(bucket, spec, found, &progress(app)).await;
    let given = given.map_err(|e| client_fault(e, &format!("my:{}/{}", spec.bucket, spec.to)))?;
    let numbers: BTreeSet<u32> = given.iter().map(|one| one.number).collect();
    spec.earlier.outputs = given.iter().flat_map(|one| one.outputs.clone()).collect();
    spec.keep_items(|number| !numbers.contains(&number));
    let used: Vec<(CacheKey, Known)> = given.into_iter().map(|one| (one.key, one.known)).collect();
    tokio::task::spawn_blocking(move || cache.put(&used, now)).await.map_err(Fault::bug)
}

/// Remembers results that were taken over. What cannot be remembered is computed again some day: nothing fails.
pub async fn remember(
    app: &App,
    session: &Session,
    (spec, bucket): (&JobSpec, &Bucket),
    detail: &JobDetail,
    adopted: &Adopted,
) {
    let (Ok(root), Ok(keying)) = (session.root(), keying(session)) else { return };
    if spec.earlier.keys.is_empty() || adopted.items.is_empty() {
        return;
    }
    let mut buckets = BTreeMap::new();
    for source in &spec.sources {
        if !buckets.contains_key(&source.bucket)
            && let Ok(opened) = session.client.bucket(root, &source.bucket).await
        {
            buckets.insert(source.bucket.clone(), opened);
        }
    }
    let sources = session.client.sources_of(spec, &buckets).await;
    let keys = keying.keys_of(spec, |part| sources.identify(part));
    let now = clock::now();
    let entries = remembered(spec, adopted, &keys, (bucket.id(), detail.line.check, now));
    let cache = cache(app, session);
    let written = tokio::task::spawn_blocking(move || cache.put(&entries, now)).await;
    if let Err(error) = written {
        tracing::warn!(%error, "results are not remembered");
    }
}

/// Says that a job has nothing to be handed in, as the command's end.
pub fn all(app: &App, spec: &JobSpec) {
    let earlier = &spec.earlier;
    let fields = serde_json::json!({"id": null, "kind": spec.kind.word(), "state": "done", "items": 0, "known": earlier.items, "done": 0, "failed": 0,
        "outputs": earlier.outputs.len(), "output_bytes": earlier.bytes(), "wrong": []});
    let words = args!["items" => earlier.items, "outputs" => earlier.outputs.len(), "name" => &spec.name,
        "size" => Bytes(earlier.bytes()).to_string(), "bucket" => &spec.bucket, "to" => &spec.to];
    app.out.done("job", fields, "job-all-known", words);
}

/// What stands for files of this machine, in order: they are read whole.
pub async fn identities(files: &[PathBuf]) -> Result<Vec<Identity>, Fault> {
    let files = files.to_vec();
    let read = move || files.iter().map(|path| content_of(path)).collect();
    tokio::task::spawn_blocking(read).await.map_err(Fault::bug)?
}

fn content_of(path: &Path) -> Result<Identity, Fault> {
    let mut hasher = blake3::Hasher::new();
    let read = std::fs::File::open(path).and_then(|file| hasher.update_reader(file).map(drop));
    read.map_err(|e| Fault::file(path, &e))?;
    Ok(Identity::Content { hash: *hasher.finalize().as_bytes() })
}

impl Inputs {
    /// What stands for an input as it was found.
    fn identify(&self, part: &PartOf) -> Option<Identity> {
        self.found(part)?.identity
    }
}
