//! From a manifest to a job that is handed in: inputs found or uploaded, items cut, keys given to this machine's agent.

use super::inputs::{Found, Inputs, inputs, upload};
use super::manifest::{Manifest, Module, guest_limits};
use super::{follow, guest, known};
use crate::app::App;
use crate::cli::recovery::address;
use crate::cli::session::{Place, Session, client_fault};
use crate::fault::Fault;
use crate::membership::Membership;
use crate::{clock, secret};
use client::account::Me;
use client::compute::{Earlier, ItemsSpec, JobAsk, JobSpec, ModuleAsk, Speaker, StageSpec, stage_of};
use console::args;
use model::compute::{JobKind, Partitioning, Trust};
use model::{Bytes, JobId, NodeId, Span, errors};
use std::collections::BTreeMap;
use wire::compute::{Brief, InputForm, ModuleRef, OutputForm, PartOf};

/// Parts of a mapper's output where none are named: one for so many bytes of input …
const PART_BYTES: u64 = 256 << 20;
/// … and so many at most.
const PARTS_AUTO_MAX: u64 = 64;

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
            max_credits: manifest.max_credits()?,
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
        shuffle: None,
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
            map.shuffle = has_reduce.then(secret::random);
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
    fn splits_cover_every_byte_once_and_small_objects_share_one() {
        let found = |name: &str, size| Found { name: name.to_owned(), size, ..Found::default() };
        let objects = vec![found("a", 10), found("b", 250), found("c", 0), found("d", 60), found("e", 50)];
        let mut inputs = Inputs::default();
        objects.into_iter().for_each(|found| inputs.push(found));
        let ItemsSpec::Objects(items) = splits(&inputs, 100) else { panic!("objects") };
        let told: Vec<Vec<(&str, u64, u64)>> =
            items.iter().map(|item| item.iter().map(|p| (p.name.as_str(), p.from, p.to)).collect()).collect();
        let b = [vec![("b", 0, 84)], vec![("b", 84, 168)], vec![("b", 168, 250)]];
        let all: Vec<_> = b.into_iter().chain([vec![("a", 0, 10), ("d", 0, 60)], vec![("e", 0, 50)]]).collect();
        assert_eq!(told, all);
    }
}
