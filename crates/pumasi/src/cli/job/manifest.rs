//! What a job is, as a file or as flags: one form, unknown keys are errors.

use super::{JobFlags, MapArgs, RunArgs};
use crate::cli::wallet::amount::parse_amount;
use crate::fault::Fault;
use model::compute::{Check, JobKind, Trust};
use model::units::Bytes;
use model::{Span, Ucredit};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of a manifest at most.
pub const MANIFEST_MAX: u64 = 256 << 10;

/// A job as its member writes it.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Manifest {
    /// `array` or `mapreduce`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whose machines.
    pub trust: String,
    /// How results are checked.
    pub check: String,
    /// After it nothing is handed out.
    pub deadline: String,
    /// `batch` or `interactive`.
    pub priority: String,
    /// Only there.
    pub region: Vec<String>,
    /// Most it may cost, in credits.
    pub max_credits: Option<String>,
    /// Module of an array.
    pub module: Option<Module>,
    /// Mapper.
    pub map: Option<Module>,
    /// Reducer.
    pub reduce: Option<Module>,
    /// Combiner.
    pub combine: Option<Module>,
    /// What guests may use.
    pub limits: Limits,
    /// What is read.
    pub input: Input,
    /// Where outputs go.
    pub output: Output,
    /// How a mapper's output is parted.
    pub shuffle: Shuffle,
    /// Seed.
    pub determinism: Determinism,
}

/// A module.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Module {
    /// A file, or `guest:NAME` for one that comes with the program.
    pub path: String,
    /// Arguments.
    pub args: Vec<String>,
    /// Variables.
    pub env: BTreeMap<String, String>,
}

/// Limits.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Linear memory.
    pub memory: String,
    /// `/tmp`.
    pub scratch: String,
    /// Output.
    pub output: String,
    /// `auto`, or steps.
    pub fuel: String,
    /// Wall time of an item.
    pub wall: String,
    /// Kept end of standard error.
    pub stderr: String,
}

impl Default for Limits {
    fn default() -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            memory: text("256MiB"),
            scratch: text("64MiB"),
            output: text("256MiB"),
            fuel: text("auto"),
            wall: text("30min"),
            stderr: text("64KiB"),
        }
    }
}

/// Input.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// One item an object: places with `*`, folders, or files of this machine.
    pub each: Vec<String>,
    /// So many items without input.
    pub count: Option<u32>,
    /// Lines, in splits of this size, of `each`.
    pub split: Option<String>,
    /// `stdin` or `file`.
    #[serde(rename = "as")]
    pub form: Option<String>,
}

/// Output.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// `my:bucket/prefix`.
    pub to: String,
    /// Names of outputs.
    pub names: Option<String>,
}

/// Shuffle.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Shuffle {
    /// Parts by hash.
    pub partitions: Option<u32>,
    /// Parts by order: keys at which the next one begins.
    pub cuts: Vec<String>,
}

/// Determinism.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Determinism {
    /// Seed of guests' randomness.
    pub seed: u64,
    /// `account`, `fresh` or `off`.
    pub cache: Option<String>,
}

/// What becomes of results that are known from earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// They are taken, new ones are remembered.
    Account,
    /// They are computed anew, and remembered.
    Fresh,
    /// They are neither taken nor remembered.
    Off,
}

fn bad(field: &str, value: &str, why: &str) -> Fault {
    Fault::bad_value(field, value, why)
}

impl Manifest {
    /// Reads a file, TOML or JSON.
    pub fn load(path: &Path) -> Result<Self, Fault> {
        let len = std::fs::metadata(path).map_err(|e| Fault::file(path, &e))?.len();
        if len > MANIFEST_MAX {
            return Err(bad("file", &path.display().to_string(), "a manifest has at most 256 KiB"));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Fault::file(path, &e))?;
        let read: Result<Self, String> = match path.extension().is_some_and(|ext| ext == "json") {
            true => serde_json::from_str(&text).map_err(|e| e.to_string()),
            false => toml::from_str(&text).map_err(|e| e.to_string()),
        };
        let mut manifest = read.map_err(|why| bad("file", &path.display().to_string(), why.trim()))?;
        let or = |field: &mut String, value: &str| {
            if field.is_empty() {
                value.clone_into(field);
            }
        };
        let kind = if manifest.map.is_some() { "mapreduce" } else { "array" };
        or(&mut manifest.kind, kind);
        or(&mut manifest.trust, "circle");
        or(&mut manifest.check, "standard");
        or(&mut manifest.deadline, "7d");
        or(&mut manifest.priority, "batch");
        let stem = path.file_stem().map_or_else(|| "job".to_owned(), |stem| stem.to_string_lossy().into_owned());
        or(&mut manifest.name, &stem);
        Ok(manifest)
    }

    /// From the flags of `run`.
    pub fn of_run(args: &RunArgs) -> Result<Self, Fault> {
        let mut manifest = Self::of_flags(&args.flags, &args.module)?;
        manifest.kind = JobKind::Array.word().to_owned();
        manifest.module = Some(module(&args.module, &args.args, &args.flags)?);
        manifest.input =
            Input { each: args.each.clone(), count: args.count, split: None, form: Some(args.input.clone()) };
        manifest.output.names.clone_from(&args.pattern);
        Ok(manifest)
    }

    /// From the flags of `map`.
    pub fn of_map(args: &MapArgs) -> Result<Self, Fault> {
        let mut manifest = Self::of_flags(&args.flags, &args.module)?;
        manifest.kind = JobKind::MapReduce.word().to_owned();
        manifest.map = Some(module(&args.module, &args.args, &args.flags)?);
        let other = |path: &Option<String>| path.as_ref().map(|path| module(path, &[], &args.flags)).transpose();
        (manifest.reduce, manifest.combine) = (other(&args.reduce)?, other(&args.combine)?);
        manifest.input = Input { each: args.inputs.clone(), count: None, split: Some(args.split.clone()), form: None };
        let cuts = args.cuts.iter().flat_map(|cuts| cuts.split(',')).map(str::to_owned);
        manifest.shuffle = Shuffle { partitions: args.parts, cuts: cuts.collect() };
        Ok(manifest)
    }

    fn of_flags(flags: &JobFlags, module: &str) -> Result<Self, Fault> {
        let to = flags.to.clone().ok_or_else(|| bad("to", "", "say where outputs go, e.g. --to my:results/"))?;
        let stem = module.rsplit(['/', ':']).next().unwrap_or(module).trim_end_matches(".wasm");
        Ok(Self {
            name: flags.name.clone().unwrap_or_else(|| stem.to_owned()),
            trust: flags.trust.clone(),
            check: flags.check.clone(),
            deadline: flags.deadline.clone(),
            priority: "batch".to_owned(),
            region: flags.region.clone(),
            max_credits: flags.max_credits.clone(),
            limits: Limits {
                memory: flags.memory.clone(),
                fuel: flags.fuel.map_or_else(|| "auto".to_owned(), |fuel| fuel.to_string()),
                wall: flags.wall.clone(),
                output: flags.max_output.clone(),
                ..Limits::default()
            },
            output: Output { to, names: None },
            determinism: Determinism { seed: flags.seed, cache: flags.fresh.then(|| "fresh".to_owned()) },
            ..Self::default()
        })
    }

    /// Its kind.
    pub fn kind(&self) -> Result<JobKind, Fault> {
        Ok(self.kind.parse()?)
    }

    /// Whose machines.
    pub fn trust(&self) -> Result<Trust, Fault> {
        Ok(self.trust.parse()?)
    }

    /// Most it may cost; nothing: as the cloud sets it.
    pub fn max_credits(&self) -> Result<Ucredit, Fault> {
        Ok(self.max_credits.as_deref().map(parse_amount).transpose()?.unwrap_or_default())
    }

    /// How results are checked.
    pub fn check(&self) -> Result<Check, Fault> {
        Ok(self.check.parse()?)
    }

    /// What becomes of known results. Those of mappers whose records go on to a reducer are never kept.
    pub fn cache(&self) -> Result<CacheUse, Fault> {
        let asked = match self.determinism.cache.as_deref() {
            None | Some("account") => CacheUse::Account,
            Some("fresh") => CacheUse::Fresh,
            Some("off") => CacheUse::Off,
            Some(other) => return Err(bad("cache", other, "account, fresh or off")),
        };
        Ok(if self.reduce.is_some() { CacheUse::Off } else { asked })
    }

    /// Computes everything anew, whatever is known; a cache that is off stays off.
    pub fn make_fresh(&mut self) {
        if self.determinism.cache.as_deref() != Some("off") {
            self.determinism.cache = Some("fresh".to_owned());
        }
    }

    /// Steps of an item at most; 0: found out.
    pub fn fuel(&self) -> Result<u64, Fault> {
        match self.limits.fuel.as_str() {
            "auto" => Ok(0),
            number => number.parse().map_err(|_| bad("fuel", number, "auto, or a number of steps")),
        }
    }
}

/// Limits of guests, read.
pub fn guest_limits(limits: &Limits) -> Result<wire::compute::GuestLimits, Fault> {
    let bytes = |text: &str| -> Result<u64, Fault> { Ok(text.parse::<Bytes>()?.0) };
    let memory = bytes(&limits.memory)?;
    if !(1 << 20..=4 << 30).contains(&memory) {
        return Err(bad("memory", &limits.memory, "1 MiB to 4 GiB"));
    }
    let wall: Span = limits.wall.parse()?;
    if !(Span::secs(1)..=Span::hours(2)).contains(&wall) {
        return Err(bad("wall", &limits.wall, "1 s to 2 h"));
    }
    let (output, scratch) = (bytes(&limits.output)?, bytes(&limits.scratch)?);
    if output > 1 << 30 || scratch > 1 << 30 {
        return Err(bad("output", &limits.output, "output and scratch are at most 1 GiB each"));
    }
    Ok(wire::compute::GuestLimits {
        memory_bytes: memory,
        output_bytes: output,
        scratch_bytes: scratch,
        wall,
        stderr_bytes: bytes(&limits.stderr)?.min(1 << 20),
    })
}

fn module(path: &str, args: &[String], flags: &JobFlags) -> Result<Module, Fault> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| bad("env", text, "it is written as NAME=VALUE"))?;
        if name.is_empty() || name.starts_with("PUMASI_") {
            return Err(bad("env", text, "a name is needed, and names PUMASI_… are taken"));
        }
        Ok((name.to_owned(), value.to_owned()))
    };
    let env = flags.env.iter().map(pair).collect::<Result<_, Fault>>()?;
    Ok(Module { path: path.to_owned(), args: args.to_vec(), env })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_none_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("wc.toml");
        let write = |text: &str| std::fs::write(&file, text).unwrap();
        write("trust = 'self'\n[map]\npath = 'a.wasm'\n[input]\neach = ['my:in/']\n[output]\nto = 'my:out/'\n");
        let read = Manifest::load(&file).unwrap();
        assert_eq!((read.kind.as_str(), read.name.as_str(), read.trust().unwrap()), ("mapreduce", "wc", Trust::Own));
        assert_eq!(read.cache().unwrap(), CacheUse::Account);
        let with = |cache: &str| {
            write(&format!("[determinism]\ncache = '{cache}'\n"));
            Manifest::load(&file).unwrap()
        };
        let (mut on, mut off) = (with("account"), with("off"));
        assert_eq!((on.cache().unwrap(), off.cache().unwrap()), (CacheUse::Account, CacheUse::Off));
        on.make_fresh();
        off.make_fresh();
        assert_eq!((on.cache().unwrap(), off.cache().unwrap()), (CacheUse::Fresh, CacheUse::Off));
        assert!(with("job").cache().is_err());
        write("trusts = 'self'\n");
        let fault = Manifest::load(&file).unwrap_err();
        assert!(fault.args["why"].contains("trusts") && fault.args["why"].contains("trust"), "{fault:?}");
    }
}
