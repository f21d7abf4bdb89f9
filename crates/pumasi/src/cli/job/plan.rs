//! From a manifest to a job that is handed in: inputs found or uploaded, items cut, keys given to this machine's agent.

use super::manifest::{CacheUse, Manifest, Module, guest_limits};
use super::{follow, guest, known};
use crate::app::App;
use crate::cli::recovery::address;
use crate::cli::session::{MINE, Place, Session, client_fault, progress};
use crate::fault::Fault;
use crate::membership::Membership;
use crate::{clock, secret};
use client::account::Me;
use client::compute::{
    Earlier, Identity, ItemsSpec, JobAsk, JobSpec, ModuleAsk, SourceSpec, Speaker, StageSpec, stage_of,
};
use client::{Bucket, PutAsk};
use console::args;
use model::compute::{JobKind, Partitioning, Trust};
use model::{Bytes, JobId, NodeId, Span, errors};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use wire::compute::{Brief, InputForm, ModuleRef, OutputForm, PartOf};

/// Items of one job that are listed by name.
const OBJECTS_MAX: usize = 100_000;
/// Parts of a mapper's output where none are named: one for so many bytes of input …
const PART_BYTES: u64 = 256 << 20;
/// … and so many at most.
const PARTS_AUTO_MAX: u64 = 64;

/// An object that is read.
#[derive(Default)]
pub struct Found {
    source: u16,
    name: String,
    size: u64,
    /// File of this machine that it is to be made from.
    file: Option<PathBuf>,
    /// What stands for its content, where that was asked for.
    pub identity: Option<Identity>,
}

/// Inputs as they were found.
#[derive(Default)]
pub struct Inputs {
    sources: Vec<SourceSpec>,
    buckets: BTreeMap<String, Bucket>,
    objects: Vec<Found>,
    /// Where each object stands, by its source and name.
    places: HashMap<(u16, String), usize>,
}

impl Inputs {
    fn push(&mut self, found: Found) {
        self.places.insert((found.source, found.name.clone()), self.objects.len());
        self.objects.push(found);
    }

    /// The object that an item reads.
    pub fn found(&self, part: &PartOf) -> Option<&Found> {
        self.objects.get(*self.places.get(&(part.link, part.name.clone()))?)
    }
}

/// Hands a job in, and follows it unless it shall go on alone.
pub async fn submit(app: &App, manifest: &Manifest, detach: bool) -> Result<u8, Fault> {
    let trust = manifest.trust()?;
    let modules = modules(app, manifest).await?;
    if trust == Trust::Public {
        warn_of_strangers(app)?;
    }
    if !crate::local::agent_runs(&app.home).await {
        return Err(Fault::new(errors::AGENT_DOWN, []));
    }
    Session::with(app, async |session| {
        let job = JobId(secret::random());
        let to = Place::parse(&manifest.output.to)?.own(&manifest.output.to)?;
        let bucket = session.bucket_or_make(&to.bucket).await?;
        let inputs = inputs(session, manifest, (&job, &to.bucket, &bucket)).await?;
        let (mut spec, mut stages) = spec(manifest, &modules, &inputs, (job, to))?;
        known::take(app, session, manifest, (&bucket, &inputs), &mut spec).await?;
        let known = spec.earlier.items;
        if known > 0 {
            if spec.items() == 0 {
                known::all(app, &spec);
                return Ok(0);
            }
            stages.iter_mut().zip(&spec.stages).for_each(|(told, stage)| told.items = stage.items.count());
        }
        upload(app, session, &bucket, (&inputs, &spec)).await?;
        let ask = JobAsk {
            spec,
            modules: modules.asks(),
            check: manifest.check()?,
            is_interactive: manifest.priority == "interactive",
            regions: manifest.region.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            stages,
            keepers: vec![NodeId(wire::signed::public_of(session.machine()))],
            engine: sandbox::engine_id()[..16].try_into().map_err(Fault::bug)?,
        };
        let account = session.account(app).await?;
        let speaker = Speaker {
            account: &account,
            me: Me { secret: session.machine(), now: clock::now() },
            address: address(&Membership::load(&app.home)?),
            center: session.asking(),
        };
        let shown = |e| client_fault(e, &manifest.output.to);
        let prepared = session.client.prepare_job(&speaker, &bucket, &inputs.buckets, ask).await.map_err(shown)?;
        keep(app, &prepared.kept)?;
        session.client.submit_job(prepared.submit).await.map_err(shown)?;
        let items = prepared.kept.spec.items();
        let key = if known > 0 { "job-begun-known" } else { "job-begun" };
        let all = items + u64::from(known);
        app.out.say(key, args!["job" => job.to_string(), "items" => all, "known" => known, "name" => &manifest.name]);
        if detach {
            app.out.done(
                "job",
                serde_json::json!({"id": job.to_string(), "items": items, "known": known}),
                "job-detached",
                args![
                "job" => job.short()],
            );
            return Ok(0);
        }
        follow::follow(app, session, &prepared.kept.spec, &bucket).await
    })
    .await
}

/// Said before the first job that strangers run, whatever the flags; later only where somebody reads.
fn warn_of_strangers(app: &App) -> Result<(), Fault> {
    let mark = app.home.jobs().join("strangers-read");
    let is_first = !mark.exists();
    let words = app.out.text("job-strangers", args![]);
    if is_first || !app.out.quiet {
        eprintln!("{words}");
    }
    if is_first {
        crate::home::create_private_dir(&app.home.jobs())?;
        crate::home::write_atomic(&mark, b"", 0o600)?;
    }
    Ok(())
}

/// The file from which this machine's agent hands out parcels.
fn keep(app: &App, kept: &client::compute::KeptJob) -> Result<(), Fault> {
    crate::home::create_private_dir(&app.home.jobs())?;
    let path = node::compute::Keeper::file(&app.home.jobs(), &kept.spec.job);
    crate::home::write_atomic(&path, &serde_json::to_vec(kept).map_err(Fault::bug)?, 0o600)
}

/// Modules by what they do.
struct Modules(BTreeMap<&'static str, (Module, Vec<u8>)>);

impl Modules {
    fn asks(&self) -> Vec<ModuleAsk> {
        self.0.iter().map(|(name, (_, bytes))| ModuleAsk { name: (*name).to_owned(), bytes: bytes.clone() }).collect()
    }

    fn at(&self, name: &str, seed: u64) -> Option<ModuleRef> {
        let (module, bytes) = self.0.get(name)?;
        let mut seeded = [0; 32];
        seeded[..8].copy_from_slice(&seed.to_le_bytes());
        Some(ModuleRef {
            name: name.to_owned(),
            hash: *blake3::hash(bytes).as_bytes(),
            args: module.args.clone(),
            env: module.env.clone().into_iter().collect(),
            seed: seeded,
        })
    }
}

async fn modules(app: &App, manifest: &Manifest) -> Result<Modules, Fault> {
    let named = [
        ("module", &manifest.module),
        ("map", &manifest.map),
        ("reduce", &manifest.reduce),
        ("combine", &manifest.combine),
    ];
    let mut modules = BTreeMap::new();
    for (name, module) in named {
        let Some(module) = module else { continue };
        let bytes = guest::read(module)?;
        guest::check(app, &bytes).await?;
        modules.insert(name, (module.clone(), bytes));
    }
    let needed = if manifest.kind()? == JobKind::MapReduce { "map" } else { "module" };
    if !modules.contains_key(needed) {
        return Err(Fault::bad_value(needed, "", "a job names the module it runs"));
    }
    Ok(Modules(modules))
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

async fn inputs(
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
async fn upload(app: &App, session: &Session, to: &Bucket, (inputs, spec): (&Inputs, &JobSpec)) -> Result<(), Fault> {
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

fn spec(
    manifest: &Manifest,
    modules: &Modules,
    inputs: &Inputs,
    (job, to): (JobId, Place),
) -> Result<(JobSpec, Vec<wire::compute::JobStage>), Fault> {
    let kind = manifest.kind()?;
    let limits = guest_limits(&manifest.limits)?;
    let (fuel, seed) = (manifest.fuel()?, manifest.determinism.seed);
    let deadline: Span = manifest.deadline.parse()?;
    let check_key: [u8; 32] = secret::random();
    let total: u64 = inputs.objects.iter().map(|found| found.size).sum();
    let brief = |module: ModuleRef, input: InputForm, output: OutputForm, count: u32| Brief {
        modules: String::new(),
        module,
        combine: None,
        check_key,
        limits,
        input,
        output,
        count,
        tells_index: false,
    };
    let needs = |name: &str| modules.at(name, seed).ok_or_else(|| Fault::bad_value(name, "", "no module is named"));
    let mut stages = Vec::new();
    match kind {
        JobKind::Array => {
            let (items, input) = array_items(manifest, inputs)?;
            let mut brief = brief(needs("module")?, input, OutputForm::Whole, items.count());
            brief.tells_index = matches!(items, ItemsSpec::Count(_));
            stages.push(StageSpec { brief, items });
        }
        JobKind::MapReduce => {
            let split: Bytes = manifest.input.split.as_deref().unwrap_or("64MiB").parse()?;
            let items = splits(inputs, split.0.max(1));
            let count = items.count();
            let partitioning = partitioning(manifest, total);
            let parts = partitioning.parts();
            let has_reduce = modules.0.contains_key("reduce");
            let output = if has_reduce { OutputForm::Parts(partitioning) } else { OutputForm::Whole };
            let mut map = brief(needs("map")?, InputForm::Lines, output, count);
            map.combine = if has_reduce { modules.at("combine", seed) } else { None };
            stages.push(StageSpec { brief: map, items });
            if has_reduce {
                let input = InputForm::Merged { stage: 0, items: count };
                let reduce = brief(needs("reduce")?, input, OutputForm::Whole, parts);
                stages.push(StageSpec { brief: reduce, items: ItemsSpec::Parts(parts) });
            }
        }
    }
    let prefix = if to.key.is_empty() || to.key.ends_with('/') { to.key.clone() } else { format!("{}/", to.key) };
    let is_named = kind == JobKind::Array && !inputs.objects.is_empty();
    let pattern = manifest.output.names.clone();
    let pattern = pattern.unwrap_or_else(|| if is_named { "{name}" } else { "part-{index:05}" }.to_owned());
    let spec = JobSpec {
        job,
        kind,
        name: manifest.name.clone(),
        trust: manifest.trust()?,
        until: clock::now() + deadline,
        bucket: to.bucket,
        to: prefix,
        pattern,
        sources: inputs.sources.clone(),
        stages,
        earlier: Earlier::default(),
    };
    spec.check_names().map_err(|e| Fault::bad_value("names", &spec.pattern, &e.to_string()))?;
    let told = |stage: &StageSpec| {
        let mean = total / u64::from(stage.items.count().max(1));
        stage_of(stage, fuel, mean)
    };
    let told = spec.stages.iter().map(told).collect();
    Ok((spec, told))
}

fn array_items(manifest: &Manifest, inputs: &Inputs) -> Result<(ItemsSpec, InputForm), Fault> {
    if let Some(count) = manifest.input.count {
        return Ok((ItemsSpec::Count(count), InputForm::None));
    }
    if inputs.objects.is_empty() {
        return Err(Fault::bad_value("each", "", "say what it runs over: --each 'my:in/*', or --count N"));
    }
    if let Some(split) = &manifest.input.split {
        let split: Bytes = split.parse()?;
        return Ok((splits(inputs, split.0.max(1)), InputForm::Lines));
    }
    let form = match manifest.input.form.as_deref() {
        None | Some("stdin") => InputForm::Stdin,
        Some("file") => InputForm::Files,
        Some(other) => return Err(Fault::bad_value("as", other, "stdin or file")),
    };
    let item = |found: &Found| vec![part(found, 0, 0)];
    Ok((ItemsSpec::Objects(inputs.objects.iter().map(item).collect()), form))
}

fn part(found: &Found, from: u64, to: u64) -> PartOf {
    let file = found.name.rsplit('/').next().unwrap_or(&found.name).to_owned();
    PartOf { link: found.source, name: found.name.clone(), file, from, to }
}

/// Splits of about the same size: large objects in several, small ones together in one.
fn splits(inputs: &Inputs, size: u64) -> ItemsSpec {
    let (mut items, mut open, mut held) = (Vec::new(), Vec::new(), 0);
    for found in inputs.objects.iter().filter(|found| found.size > 0) {
        if found.size >= size {
            let pieces = found.size.div_ceil(size);
            let step = found.size.div_ceil(pieces);
            let piece = |n: u64| vec![part(found, n * step, ((n + 1) * step).min(found.size))];
            items.extend((0..pieces).map(piece));
            continue;
        }
        if held + found.size > size && !open.is_empty() {
            items.push(std::mem::take(&mut open));
            held = 0;
        }
        held += found.size;
        open.push(part(found, 0, found.size));
    }
    if !open.is_empty() {
        items.push(open);
    }
    if items.is_empty() {
        // Objects without a byte: one item that reads nothing.
        items.push(Vec::new());
    }
    ItemsSpec::Objects(items)
}

fn partitioning(manifest: &Manifest, total: u64) -> Partitioning {
    if !manifest.shuffle.cuts.is_empty() {
        let mut cuts: Vec<Vec<u8>> = manifest.shuffle.cuts.iter().map(|cut| cut.clone().into_bytes()).collect();
        cuts.sort();
        return Partitioning::Range(cuts);
    }
    let auto = || u32::try_from(total.div_ceil(PART_BYTES).clamp(1, PARTS_AUTO_MAX)).unwrap_or(1);
    Partitioning::Hash(manifest.shuffle.partitions.unwrap_or_else(auto).max(1))
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

    #[test]
    fn splits_cover_every_byte_once_and_small_objects_share_one() {
        let found = |name: &str, size| Found { name: name.to_owned(), size, ..Found::default() };
        let objects = vec![found("a", 10), found("b", 250), found("c", 0), found("d", 60), found("e", 50)];
        let inputs = Inputs { objects, ..Inputs::default() };
        let ItemsSpec::Objects(items) = splits(&inputs, 100) else { panic!("objects") };
        let told: Vec<Vec<(&str, u64, u64)>> =
            items.iter().map(|item| item.iter().map(|p| (p.name.as_str(), p.from, p.to)).collect()).collect();
        let b = [vec![("b", 0, 84)], vec![("b", 84, 168)], vec![("b", 168, 250)]];
        let all: Vec<_> = b.into_iter().chain([vec![("a", 0, 10), ("d", 0, 60)], vec![("e", 0, 50)]]).collect();
        assert_eq!(told, all);
    }
}
